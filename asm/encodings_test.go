//go:build (amd64 || arm64) && !purego

package asm

import (
	"bytes"
	"testing"
	"unsafe"
)

type encoding struct {
	text string
	want []byte
}

// testEncodings compares the code at an address.
func testEncodings(t *testing.T, at uintptr, want []encoding) {
	for _, e := range want {
		code := unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), len(e.want))
		if !bytes.Equal(code, e.want) {
			t.Errorf("%s: % x, want % x", e.text, code, e.want)
		}
		at += uintptr(len(e.want))
	}
}
