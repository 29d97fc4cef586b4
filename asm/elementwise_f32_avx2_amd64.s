//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "elementwise.h"

// Register map
//	SI	A	DX	C	CX	vectors left	R9	Gate
//	Y0, Y1	x	Y2, Y3	the result	Y4, Y5	Scale	Y6, Y7	Shift	Y8	Low	Y9	High

// func mapF32AVX2(args *MapF32Args)
// Requires: AVX2
TEXT ·mapF32AVX2(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  MapF32Args_Rows(DI), CX
	TESTQ CX, CX
	JLE   done
	MOVQ  MapF32Args_A(DI), SI
	MOVQ  MapF32Args_C(DI), DX
	MOVQ  MapF32Args_Scale(DI), R8
	VMOVUPS (R8), Y4
	VMOVUPS 32(R8), Y5
	MOVQ  MapF32Args_Shift(DI), R8
	VMOVUPS (R8), Y6
	VMOVUPS 32(R8), Y7
	VBROADCASTSS MapF32Args_Low(DI), Y8
	VBROADCASTSS MapF32Args_High(DI), Y9
	MOVBLZX MapF32Args_Gate(DI), R9
loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VMULPS  Y4, Y0, Y2
	VMULPS  Y5, Y1, Y3
	VADDPS  Y6, Y2, Y2
	VADDPS  Y7, Y3, Y3
	VMAXPS  Y2, Y8, Y2 // what is not a number stays
	VMAXPS  Y3, Y8, Y3
	VMINPS  Y2, Y9, Y2
	VMINPS  Y3, Y9, Y3
	TESTL R9, R9
	JZ    store
	VMULPS  Y2, Y0, Y2
	VMULPS  Y3, Y1, Y3
store:
	VMOVUPS Y2, (DX)
	VMOVUPS Y3, 32(DX)
	ADDQ  $64, SI
	ADDQ  $64, DX
	DECQ  CX
	JNZ   loop
	VZEROUPPER
done:
	RET

// Register map
//	SI	A	DX	C	CX	vectors of eight left	R9	Gate
//	Y0	x	Y1	y	Y2	n	Y3	the polynomial, e	Y4	scratch
//	Y5-Y15	constants; the others are read where they lie

DATA repeated<>+0(SB)/8, $0x8000000080000000 // the sign, eight times
DATA repeated<>+8(SB)/8, $0x8000000080000000
DATA repeated<>+16(SB)/8, $0x8000000080000000
DATA repeated<>+24(SB)/8, $0x8000000080000000
DATA repeated<>+32(SB)/8, $0xc2ae0000c2ae0000 // -87
DATA repeated<>+40(SB)/8, $0xc2ae0000c2ae0000
DATA repeated<>+48(SB)/8, $0xc2ae0000c2ae0000
DATA repeated<>+56(SB)/8, $0xc2ae0000c2ae0000
GLOBL repeated<>(SB), RODATA|NOPTR, $64

// TERM is a step of Curve in Y3, of t in Y2.
#define TERM(AT) VMULPS Y2, Y3, Y3; VBROADCASTSS AT(R10), Y4; VADDPS Y4, Y3, Y3

// func sigmoidF32AVX2(args *SigmoidF32Args)
// Requires: AVX2
TEXT ·sigmoidF32AVX2(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  SigmoidF32Args_Rows(DI), CX
	TESTQ CX, CX
	JLE   done
	SHLQ  $1, CX
	MOVQ  SigmoidF32Args_A(DI), SI
	MOVQ  SigmoidF32Args_C(DI), DX
	MOVBLZX SigmoidF32Args_Gate(DI), R9
	MOVQ  SigmoidF32Args_Curve(DI), R10
	VBROADCASTSS sigmoids<>+4(SB), Y5
	VBROADCASTSS sigmoids<>+8(SB), Y6
	VBROADCASTSS sigmoids<>+12(SB), Y7
	VBROADCASTSS sigmoids<>+16(SB), Y8
	VBROADCASTSS sigmoids<>+20(SB), Y9
	VBROADCASTSS sigmoids<>+24(SB), Y10
	VBROADCASTSS sigmoids<>+28(SB), Y11
	VBROADCASTSS sigmoids<>+32(SB), Y12
	VBROADCASTSS sigmoids<>+36(SB), Y13
	VBROADCASTSS sigmoids<>+40(SB), Y14
	VPBROADCASTD sigmoids<>+44(SB), Y15
loop:
	VMOVUPS (SI), Y0
	VMOVAPS Y0, Y1
	TESTQ R10, R10
	JZ    straight
	VMULPS  Y0, Y0, Y2
	VBROADCASTSS SigmoidF32Args_Cap(DI), Y4
	VMINPS  Y2, Y4, Y2
	VBROADCASTSS 28(R10), Y3
	TERM(24)
	TERM(20)
	TERM(16)
	TERM(12)
	TERM(8)
	TERM(4)
	TERM(0)
	VMULPS  Y3, Y0, Y1
straight:
	VMOVUPS repeated<>+32(SB), Y4
	VORPS   repeated<>+0(SB), Y1, Y1 // -|u|
	VMAXPS  Y1, Y4, Y1
	VMULPS  Y5, Y1, Y2
	VCVTPS2DQ Y2, Y2
	VCVTDQ2PS Y2, Y4    // n
	VMULPS  Y6, Y4, Y3
	VSUBPS  Y3, Y1, Y1
	VMULPS  Y7, Y4, Y3
	VSUBPS  Y3, Y1, Y1  // r
	VMULPS  Y8, Y1, Y3
	VADDPS  Y9, Y3, Y3
	VMULPS  Y1, Y3, Y3
	VADDPS  Y10, Y3, Y3
	VMULPS  Y1, Y3, Y3
	VADDPS  Y11, Y3, Y3
	VMULPS  Y1, Y3, Y3
	VADDPS  Y12, Y3, Y3
	VMULPS  Y1, Y3, Y3
	VADDPS  Y13, Y3, Y3
	VMULPS  Y1, Y1, Y4
	VMULPS  Y4, Y3, Y3
	VADDPS  Y1, Y3, Y3
	VADDPS  Y14, Y3, Y3
	VPADDD  Y15, Y2, Y2
	VPSLLD  $23, Y2, Y2 // 2^n
	VMULPS  Y2, Y3, Y3  // e
	VADDPS  Y14, Y3, Y4
	VBLENDVPS Y0, Y3, Y14, Y1 // e where x is negative, else 1
	VDIVPS  Y4, Y1, Y1
	TESTL R9, R9
	JZ    store
	VMULPS  Y1, Y0, Y1
store:
	VMOVUPS Y1, (DX)
	ADDQ  $32, SI
	ADDQ  $32, DX
	DECQ  CX
	JNZ   loop
	VZEROUPPER
done:
	RET
