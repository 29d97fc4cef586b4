//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "gemm_f32_avx2.h"

// func gemmF32AVX2_<rows>x16(args *GemmF32Args)
// Requires: AVX2, FMA3

TEXT ·gemmF32AVX2_6x16(SB), NOSPLIT, $24-8
	GEMM(STEP6, SUMS6)

TEXT ·gemmF32AVX2_5x16(SB), NOSPLIT, $24-8
	GEMM(STEP5, SUMS5)

TEXT ·gemmF32AVX2_4x16(SB), NOSPLIT, $24-8
	GEMM(STEP4, SUMS4)

TEXT ·gemmF32AVX2_3x16(SB), NOSPLIT, $24-8
	GEMM(STEP3, SUMS3)

TEXT ·gemmF32AVX2_2x16(SB), NOSPLIT, $24-8
	GEMM(STEP2, SUMS2)

TEXT ·gemmF32AVX2_1x16(SB), NOSPLIT, $24-8
	GEMM(STEP1, SUMS1)
