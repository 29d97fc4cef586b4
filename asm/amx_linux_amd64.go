//go:build !purego

package asm

import "syscall"

// permitAMX asks Linux to let this process use the tile registers.
func permitAMX() bool {
	const (
		archReqXCompPerm = 0x1023 // ARCH_REQ_XCOMP_PERM
		xTileData        = 18     // XFEATURE_XTILE_DATA
	)
	_, _, errno := syscall.RawSyscall(syscall.SYS_ARCH_PRCTL, archReqXCompPerm, xTileData, 0)
	return errno == 0
}
