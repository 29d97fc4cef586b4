//go:build !purego

package asm

import (
	"strings"

	"github.com/klauspost/cpuid/v2"
)

var tiers = func() []tier {
	fma := missing(cpuid.AVX2, cpuid.FMA3)
	wide := missing(cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL)
	pairs := missing(cpuid.AVX2, cpuid.FMA3, cpuid.AVX512F, cpuid.AVX512BW, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512BF16)
	return []tier{
		{kernels: &ref},
		{&avx2, "AVX2 and FMA", fma},
		{&avx512, "AVX-512 F, BW, DQ and VL", wide},
		{&avx512bf16, "AVX-512 F, BW, DQ, VL and BF16", pairs},
		{&amx, "AVX-512 BF16 and AMX", missingAMX(pairs)},
	}
}()

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
