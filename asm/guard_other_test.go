//go:build !linux && !darwin

package asm

import "testing"

// guarded returns memory for n elements; here nothing guards it.
func guarded[T any](t testing.TB, n int, atEnd bool) []T { return make([]T, n) }
