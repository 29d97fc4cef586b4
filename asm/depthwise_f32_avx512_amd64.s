//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// Register map
//	R8	A of the row		DX	C of the row	CX	rows left
//	R9	Taps	R10	NTaps	R12	the tap
//	R11	ARow	AX	3*ARow	R13	CRow
//	SI	A at the tap	DI	four rows on	BX	B at the tap
//	Z0-Z7	sums	Z16	B	Z28	Low	Z29	High	Z30	Bias

#define BEGIN \
	MOVQ args+0(FP), BX \
	MOVQ DepthwiseF32Args_B(BX), BX \
	XORQ R12, R12

#define AT \
	MOVQ (R9)(R12*8), SI \
	ADDQ R8, SI \
	VMOVUPS (BX), Z16

#define NEXT(again) \
	ADDQ $64, BX \
	INCQ R12 \
	CMPQ R12, R10 \
	JLT  again

// STORE clamps a sum and stores it. Where it is not a number, both instructions give it back.
#define STORE(sum) \
	VMAXPS sum, Z28, sum \
	VMINPS sum, Z29, sum \
	VMOVUPS sum, (DX) \
	ADDQ R13, DX

// func depthwiseF32AVX512(args *DepthwiseF32Args)
// Requires: AVX512F
TEXT ·depthwiseF32AVX512(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  DepthwiseF32Args_Rows(DI), CX
	MOVQ  DepthwiseF32Args_A(DI), R8
	MOVQ  DepthwiseF32Args_C(DI), DX
	MOVQ  DepthwiseF32Args_Taps(DI), R9
	MOVQ  DepthwiseF32Args_NTaps(DI), R10
	MOVQ  DepthwiseF32Args_ARow(DI), R11
	MOVQ  DepthwiseF32Args_CRow(DI), R13
	LEAQ  (R11)(R11*2), AX
	VBROADCASTSS DepthwiseF32Args_Low(DI), Z28
	VBROADCASTSS DepthwiseF32Args_High(DI), Z29
	VPXORD Z30, Z30, Z30
	MOVQ  DepthwiseF32Args_Bias(DI), BX
	TESTQ BX, BX
	JZ    eight
	VMOVUPS (BX), Z30
eight: // for ; rows >= 8; rows -= 8
	CMPQ CX, $8
	JLT  four
	VMOVAPS Z30, Z0
	VMOVAPS Z30, Z1
	VMOVAPS Z30, Z2
	VMOVAPS Z30, Z3
	VMOVAPS Z30, Z4
	VMOVAPS Z30, Z5
	VMOVAPS Z30, Z6
	VMOVAPS Z30, Z7
	BEGIN
tap8:
	AT
	LEAQ (SI)(R11*4), DI
	VFMADD231PS (SI), Z16, Z0
	VFMADD231PS (SI)(R11*1), Z16, Z1
	VFMADD231PS (SI)(R11*2), Z16, Z2
	VFMADD231PS (SI)(AX*1), Z16, Z3
	VFMADD231PS (DI), Z16, Z4
	VFMADD231PS (DI)(R11*1), Z16, Z5
	VFMADD231PS (DI)(R11*2), Z16, Z6
	VFMADD231PS (DI)(AX*1), Z16, Z7
	NEXT(tap8)
	STORE(Z0)
	STORE(Z1)
	STORE(Z2)
	STORE(Z3)
	STORE(Z4)
	STORE(Z5)
	STORE(Z6)
	STORE(Z7)
	LEAQ (R8)(R11*8), R8
	SUBQ $8, CX
	JMP  eight
four:
	CMPQ CX, $4
	JLT  one
	VMOVAPS Z30, Z0
	VMOVAPS Z30, Z1
	VMOVAPS Z30, Z2
	VMOVAPS Z30, Z3
	BEGIN
tap4:
	AT
	VFMADD231PS (SI), Z16, Z0
	VFMADD231PS (SI)(R11*1), Z16, Z1
	VFMADD231PS (SI)(R11*2), Z16, Z2
	VFMADD231PS (SI)(AX*1), Z16, Z3
	NEXT(tap4)
	STORE(Z0)
	STORE(Z1)
	STORE(Z2)
	STORE(Z3)
	LEAQ (R8)(R11*4), R8
	SUBQ $4, CX
	JMP  four
one:
	TESTQ CX, CX
	JLE  done
	VMOVAPS Z30, Z0
	BEGIN
tap1:
	AT
	VFMADD231PS (SI), Z16, Z0
	NEXT(tap1)
	STORE(Z0)
	ADDQ R11, R8
	DECQ CX
	JMP  one
done:
	VZEROUPPER
	RET
