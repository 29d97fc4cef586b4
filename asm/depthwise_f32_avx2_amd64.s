//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// Register map
//	R8	A of the row		DX	C of the row	CX	rows left
//	R9	Taps	R10	NTaps	R12	the tap
//	R11	ARow	AX	3*ARow	R13	CRow
//	SI	A at the tap	BX	B at the tap
//	Y0-Y7	sums, two a row	Y8, Y9	B	Y10, Y11	Bias	Y12	Low	Y13	High

#define BEGIN \
	MOVQ args+0(FP), BX \
	MOVQ DepthwiseF32Args_B(BX), BX \
	XORQ R12, R12

#define AT \
	MOVQ (R9)(R12*8), SI \
	ADDQ R8, SI \
	VMOVUPS (BX), Y8 \
	VMOVUPS 32(BX), Y9

#define NEXT(again) \
	ADDQ $64, BX \
	INCQ R12 \
	CMPQ R12, R10 \
	JLT  again

// STORE clamps the sums of a row and stores them. Where one is not a number, both instructions
// give it back.
#define STORE(low, high) \
	VMAXPS low, Y12, low \
	VMAXPS high, Y12, high \
	VMINPS low, Y13, low \
	VMINPS high, Y13, high \
	VMOVUPS low, (DX) \
	VMOVUPS high, 32(DX) \
	ADDQ R13, DX

// func depthwiseF32AVX2(args *DepthwiseF32Args)
// Requires: AVX2, FMA3
TEXT ·depthwiseF32AVX2(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  DepthwiseF32Args_Rows(DI), CX
	MOVQ  DepthwiseF32Args_A(DI), R8
	MOVQ  DepthwiseF32Args_C(DI), DX
	MOVQ  DepthwiseF32Args_Taps(DI), R9
	MOVQ  DepthwiseF32Args_NTaps(DI), R10
	MOVQ  DepthwiseF32Args_ARow(DI), R11
	MOVQ  DepthwiseF32Args_CRow(DI), R13
	LEAQ  (R11)(R11*2), AX
	VBROADCASTSS DepthwiseF32Args_Low(DI), Y12
	VBROADCASTSS DepthwiseF32Args_High(DI), Y13
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11
	MOVQ  DepthwiseF32Args_Bias(DI), BX
	TESTQ BX, BX
	JZ    four
	VMOVUPS (BX), Y10
	VMOVUPS 32(BX), Y11
four: // for ; rows >= 4; rows -= 4
	CMPQ CX, $4
	JLT  one
	VMOVAPS Y10, Y0
	VMOVAPS Y11, Y1
	VMOVAPS Y10, Y2
	VMOVAPS Y11, Y3
	VMOVAPS Y10, Y4
	VMOVAPS Y11, Y5
	VMOVAPS Y10, Y6
	VMOVAPS Y11, Y7
	BEGIN
tap4:
	AT
	VFMADD231PS (SI), Y8, Y0
	VFMADD231PS 32(SI), Y9, Y1
	VFMADD231PS (SI)(R11*1), Y8, Y2
	VFMADD231PS 32(SI)(R11*1), Y9, Y3
	VFMADD231PS (SI)(R11*2), Y8, Y4
	VFMADD231PS 32(SI)(R11*2), Y9, Y5
	VFMADD231PS (SI)(AX*1), Y8, Y6
	VFMADD231PS 32(SI)(AX*1), Y9, Y7
	NEXT(tap4)
	STORE(Y0, Y1)
	STORE(Y2, Y3)
	STORE(Y4, Y5)
	STORE(Y6, Y7)
	LEAQ (R8)(R11*4), R8
	SUBQ $4, CX
	JMP  four
one:
	TESTQ CX, CX
	JLE  done
	VMOVAPS Y10, Y0
	VMOVAPS Y11, Y1
	BEGIN
tap1:
	AT
	VFMADD231PS (SI), Y8, Y0
	VFMADD231PS 32(SI), Y9, Y1
	NEXT(tap1)
	STORE(Y0, Y1)
	ADDQ R11, R8
	DECQ CX
	JMP  one
done:
	VZEROUPPER
	RET
