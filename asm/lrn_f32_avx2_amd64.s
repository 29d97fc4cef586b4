//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// SUM adds to S, the squares of channels c..c+7, those of their four neighbours, in
// order. B, S and N are the squares of the eight channels before, of these and after.
// VPALIGNR shifts within halves, so VPERM2F128 first makes the halves that lie between.
#define SUM(B, S, N, OUT) \
	VPERM2F128 $0x21, S, B, Y10 /* upper half of B, lower half of S */ \
	VPERM2F128 $0x21, N, S, Y11 \
	VPALIGNR $8, Y10, S, Y12 /* x[-2]^2 */ \
	VPALIGNR $12, Y10, S, Y13 /* x[-1]^2 */ \
	VADDPS Y13, Y12, OUT \
	VADDPS S, OUT, OUT \
	VPALIGNR $4, S, Y11, Y12 /* x[1]^2 */ \
	VPALIGNR $8, S, Y11, Y13 /* x[2]^2 */ \
	VADDPS Y12, OUT, OUT \
	VADDPS Y13, OUT, OUT

// NORM divides X by the root of the root of the cube of K + Alpha SUM.
#define NORM(X, SUM) \
	VMULPS Y15, SUM, SUM \
	VADDPS SUM, Y14, SUM \
	VSQRTPS SUM, SUM \
	VSQRTPS SUM, Y10 \
	VMULPS Y10, SUM, SUM \
	VDIVPS SUM, X, X

// Register map
//	SI	A	R8	Prev	R9	Next	DX	C	CX	rows left
//	Y0 Y1	x	Y2-Y5	squares of Prev's upper half, x, and Next's lower half
//	Y6 Y7	sums	Y8 Y9	all ones where there is a Prev, a Next
//	Y10-Y13	scratch	Y14	K	Y15	Alpha
// A missing neighbour is read from A.

// func lrnF32AVX2(args *LRNF32Args)
// Requires: AVX2
TEXT ·lrnF32AVX2(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  LRNF32Args_Rows(DI), CX
	TESTQ CX, CX
	JLE   done
	MOVQ  LRNF32Args_A(DI), SI
	MOVQ  LRNF32Args_C(DI), DX
	VBROADCASTSS LRNF32Args_K(DI), Y14
	VBROADCASTSS LRNF32Args_Alpha(DI), Y15
	VPCMPEQD Y8, Y8, Y8
	VPCMPEQD Y9, Y9, Y9
	MOVQ  LRNF32Args_Prev(DI), R8
	TESTQ R8, R8
	JNZ   next
	MOVQ  SI, R8
	VXORPS Y8, Y8, Y8
next:
	MOVQ  LRNF32Args_Next(DI), R9
	TESTQ R9, R9
	JNZ   row
	MOVQ  SI, R9
	VXORPS Y9, Y9, Y9
row: // for r := 0; r < Rows; r++
	VMOVUPS 32(R8), Y2
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMOVUPS (R9), Y5
	VMULPS Y2, Y2, Y2
	VMULPS Y0, Y0, Y3
	VMULPS Y1, Y1, Y4
	VMULPS Y5, Y5, Y5
	VANDPS Y8, Y2, Y2
	VANDPS Y9, Y5, Y5
	SUM(Y2, Y3, Y4, Y6)
	SUM(Y3, Y4, Y5, Y7)
	NORM(Y0, Y6)
	NORM(Y1, Y7)
	VMOVUPS Y0, (DX)
	VMOVUPS Y1, 32(DX)
	ADDQ  $64, R8
	ADDQ  $64, SI
	ADDQ  $64, R9
	ADDQ  $64, DX
	DECQ  CX
	JNZ   row
	VZEROUPPER
done:
	RET
