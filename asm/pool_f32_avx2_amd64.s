//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "pool_amd64.h"

// Y0, Y1 are the maximum, Y2, Y3 the vector at this tap. Where either is NaN, VMAXPS
// gives its first operand here, the maximum; the blend then brings in a NaN of the vector.
#define FIRST VMOVUPS (SI), Y0; VMOVUPS 32(SI), Y1
#define NEXT \
	VMOVUPS (SI), Y2 \
	VMOVUPS 32(SI), Y3 \
	VCMPPS  $3, Y2, Y2, Y4 \
	VCMPPS  $3, Y3, Y3, Y5 \
	VMAXPS  Y0, Y2, Y0 \
	VMAXPS  Y1, Y3, Y1 \
	VBLENDVPS Y4, Y2, Y0, Y0 \
	VBLENDVPS Y5, Y3, Y1, Y1
#define STORE VMOVUPS Y0, (DX); VMOVUPS Y1, 32(DX)

// func maxPoolF32AVX2(args *MaxPoolF32Args)
// Requires: AVX
TEXT ·maxPoolF32AVX2(SB), NOSPLIT, $0-8
	MAXPOOL(FIRST, NEXT, STORE)
