//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "elementwise.h"

// Register map
//	SI	A	DX	C	CX	vectors left	R9	Gate
//	Z0	x	Z1	the result	Z2	Scale	Z3	Shift	Z4	Low	Z5	High

// func mapF32AVX512(args *MapF32Args)
// Requires: AVX512F
TEXT ·mapF32AVX512(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  MapF32Args_Rows(DI), CX
	TESTQ CX, CX
	JLE   done
	MOVQ  MapF32Args_A(DI), SI
	MOVQ  MapF32Args_C(DI), DX
	MOVQ  MapF32Args_Scale(DI), R8
	VMOVUPS (R8), Z2
	MOVQ  MapF32Args_Shift(DI), R8
	VMOVUPS (R8), Z3
	VBROADCASTSS MapF32Args_Low(DI), Z4
	VBROADCASTSS MapF32Args_High(DI), Z5
	MOVBLZX MapF32Args_Gate(DI), R9
loop:
	VMOVUPS (SI), Z0
	VMULPS  Z2, Z0, Z1
	VADDPS  Z3, Z1, Z1
	VMAXPS  Z1, Z4, Z1 // what is not a number stays
	VMINPS  Z1, Z5, Z1
	TESTL R9, R9
	JZ    store
	VMULPS  Z1, Z0, Z1
store:
	VMOVUPS Z1, (DX)
	ADDQ  $64, SI
	ADDQ  $64, DX
	DECQ  CX
	JNZ   loop
	VZEROUPPER
done:
	RET

// Register map
//	SI	A	DX	C	CX	vectors left	R9	Gate
//	Z0	x	Z1	y	Z2	n	Z3	the polynomial, e	Z4	scratch
//	Z16-Z28	constants

// func sigmoidF32AVX512(args *SigmoidF32Args)
// Requires: AVX512F, AVX512DQ
TEXT ·sigmoidF32AVX512(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  SigmoidF32Args_Rows(DI), CX
	TESTQ CX, CX
	JLE   done
	MOVQ  SigmoidF32Args_A(DI), SI
	MOVQ  SigmoidF32Args_C(DI), DX
	MOVBLZX SigmoidF32Args_Gate(DI), R9
	VBROADCASTSS sigmoids<>+0(SB), Z16
	VBROADCASTSS sigmoids<>+4(SB), Z17
	VBROADCASTSS sigmoids<>+8(SB), Z18
	VBROADCASTSS sigmoids<>+12(SB), Z19
	VBROADCASTSS sigmoids<>+16(SB), Z20
	VBROADCASTSS sigmoids<>+20(SB), Z21
	VBROADCASTSS sigmoids<>+24(SB), Z22
	VBROADCASTSS sigmoids<>+28(SB), Z23
	VBROADCASTSS sigmoids<>+32(SB), Z24
	VBROADCASTSS sigmoids<>+36(SB), Z25
	VBROADCASTSS sigmoids<>+40(SB), Z26
	VPBROADCASTD sigmoids<>+44(SB), Z27
	VPBROADCASTD sigmoids<>+48(SB), Z28
loop:
	VMOVUPS (SI), Z0
	VORPS   Z28, Z0, Z1 // -|x|
	VMAXPS  Z1, Z16, Z1
	VMULPS  Z17, Z1, Z2
	VCVTPS2DQ Z2, Z2
	VCVTDQ2PS Z2, Z4    // n
	VMULPS  Z18, Z4, Z3
	VSUBPS  Z3, Z1, Z1
	VMULPS  Z19, Z4, Z3
	VSUBPS  Z3, Z1, Z1  // r
	VMULPS  Z20, Z1, Z3
	VADDPS  Z21, Z3, Z3
	VMULPS  Z1, Z3, Z3
	VADDPS  Z22, Z3, Z3
	VMULPS  Z1, Z3, Z3
	VADDPS  Z23, Z3, Z3
	VMULPS  Z1, Z3, Z3
	VADDPS  Z24, Z3, Z3
	VMULPS  Z1, Z3, Z3
	VADDPS  Z25, Z3, Z3
	VMULPS  Z1, Z1, Z4
	VMULPS  Z4, Z3, Z3
	VADDPS  Z1, Z3, Z3
	VADDPS  Z26, Z3, Z3
	VPADDD  Z27, Z2, Z2
	VPSLLD  $23, Z2, Z2 // 2^n
	VMULPS  Z2, Z3, Z3  // e
	VADDPS  Z26, Z3, Z4
	VPMOVD2M Z0, K1     // where x is negative
	VMOVAPS Z26, Z1
	VMOVAPS Z3, K1, Z1
	VDIVPS  Z4, Z1, Z1
	TESTL R9, R9
	JZ    store
	VMULPS  Z1, Z0, Z1
store:
	VMOVUPS Z1, (DX)
	ADDQ  $64, SI
	ADDQ  $64, DX
	DECQ  CX
	JNZ   loop
	VZEROUPPER
done:
	RET
