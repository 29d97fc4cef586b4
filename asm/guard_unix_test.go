//go:build linux || darwin

package asm

import (
	"syscall"
	"testing"
	"unsafe"
)

// guarded returns memory for n elements with a page without access right after it (atEnd)
// or right before it, so that a kernel that strays by one element crashes.
func guarded[T any](t testing.TB, n int, atEnd bool) []T {
	t.Helper()
	page := syscall.Getpagesize()
	var element T
	bytes := n * int(unsafe.Sizeof(element))
	size := (max(bytes, 1) + page - 1) / page * page
	mem, err := syscall.Mmap(-1, 0, size+2*page, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(mem) })
	for _, edge := range [][]byte{mem[:page], mem[page+size:]} {
		if err := syscall.Mprotect(edge, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	at := page
	if atEnd {
		at = page + size - bytes
	}
	return unsafe.Slice((*T)(unsafe.Pointer(&mem[at])), n)
}
