//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "pool_amd64.h"

// MAX takes the maximum of Z0 and Z1 to Z0. Where either is NaN, VMAXPS gives its first
// operand here, Z0; the mask then brings in a NaN of Z1.
#define MAX \
	VCMPPS  $3, Z1, Z1, K1 \
	VMAXPS  Z0, Z1, Z0 \
	VMOVAPS Z1, K1, Z0

#define FIRST VMOVUPS (SI), Z0
#define NEXT VMOVUPS (SI), Z1; MAX
#define STORE VMOVUPS Z0, (DX)

// func maxPoolF32AVX512(args *MaxPoolF32Args)
// Requires: AVX512F
TEXT ·maxPoolF32AVX512(SB), NOSPLIT, $0-8
	MAXPOOL(FIRST, NEXT, STORE)

// A bfloat16 is the upper half of a float32, so the maximum of widened vectors narrows
// without rounding.
#define FIRST16 VPMOVZXWD (SI), Z0; VPSLLD $16, Z0, Z0
#define NEXT16 VPMOVZXWD (SI), Z1; VPSLLD $16, Z1, Z1; MAX
#define STORE16 VPSRLD $16, Z0, Z0; VPMOVDW Z0, (DX)

// func maxPoolBF16AVX512(args *MaxPoolBF16Args)
// Requires: AVX512F
TEXT ·maxPoolBF16AVX512(SB), NOSPLIT, $0-8
	MAXPOOL(FIRST16, NEXT16, STORE16)
