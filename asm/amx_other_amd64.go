//go:build !purego && !linux

package asm

// permitAMX asks the operating system to let this process use the tile registers; how,
// is known for Linux only.
func permitAMX() bool { return false }
