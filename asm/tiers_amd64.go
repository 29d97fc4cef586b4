//go:build !purego

package asm

import (
	"strings"

	"github.com/klauspost/cpuid/v2"
)

var tiers = []tier{
	{kernels: &ref},
	{&avx2, "AVX2 and FMA", missing(cpuid.AVX2, cpuid.FMA3)},
	{&avx512, "AVX-512 F, BW, DQ and VL",
		missing(cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL)},
	{&avx512bf16, "AVX-512 F, BW, DQ, VL and BF16",
		missing(cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512BF16)},
}

// missing names those of the features that this CPU, or its operating system, lacks.
func missing(features ...cpuid.FeatureID) string {
	var out []string
	for _, f := range features {
		if !cpuid.CPU.Supports(f) {
			out = append(out, f.String())
		}
	}
	return strings.Join(out, ", ")
}
