//go:build !purego

package asm

import "github.com/klauspost/cpuid/v2"

var tiers = func() []tier {
	pairs := "BF16"
	if cpuid.CPU.Supports(cpuid.BF16) {
		pairs = ""
	}
	return []tier{
		{kernels: &ref},
		{&neon, "NEON", ""}, // as every arm64 does
		{&neonbf16, "NEON and BF16", pairs},
	}
}()
