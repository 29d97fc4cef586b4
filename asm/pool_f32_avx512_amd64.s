//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "pool_f32_amd64.h"

// Z0 is the maximum, Z1 the vector at this tap. Where either is NaN, VMAXPS gives its
// first operand here, Z0; the mask then brings in a NaN of Z1.
#define FIRST VMOVUPS (SI), Z0
#define NEXT \
	VMOVUPS (SI), Z1 \
	VCMPPS  $3, Z1, Z1, K1 \
	VMAXPS  Z0, Z1, Z0 \
	VMOVAPS Z1, K1, Z0
#define STORE VMOVUPS Z0, (DX)

// func maxPoolF32AVX512(args *MaxPoolF32Args)
// Requires: AVX512F
TEXT ·maxPoolF32AVX512(SB), NOSPLIT, $0-8
	MAXPOOL_F32(FIRST, NEXT, STORE)
