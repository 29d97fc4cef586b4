//go:build !linux && !darwin

package asm

import "testing"

// guarded returns memory for n float32; here nothing guards it.
func guarded(t testing.TB, n int, atEnd bool) []float32 { return make([]float32, n) }
