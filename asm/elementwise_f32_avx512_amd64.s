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
//	SI	A	DX	C	CX	vectors left	R9	Gate	R10	Curve
//	Z0	x	Z1	u, y, the result	Z2	n	Z3	the polynomial, e	Z4	scratch
//	Z8-Z12	the same of a second vector
//	Z16-Z28	constants	Z29	Cap

// SIGMOID is the function of Y in Y, by steps that two vectors take in turn.
#define BOTH(STEP) STEP(Z0, Z1, Z2, Z3, Z4, K1); STEP(Z8, Z9, Z10, Z11, Z12, K2)
#define ONE(STEP) STEP(Z0, Z1, Z2, Z3, Z4, K1)
#define TERM(AT, P, T) VMULPS T, P, P; VADDPS.BCST AT(R10), P, P
#define CURVE(X, Y, N, P, T, K) VMULPS X, X, T; VMINPS T, Z29, T; VBROADCASTSS 28(R10), P \
	TERM(24, P, T); TERM(20, P, T); TERM(16, P, T); TERM(12, P, T); TERM(8, P, T); TERM(4, P, T); TERM(0, P, T) \
	VMULPS P, X, Y
#define LEAST(X, Y, N, P, T, K) VORPS Z28, Y, Y; VMAXPS Y, Z16, Y /* -|u| */
#define POWER(X, Y, N, P, T, K) VMULPS Z17, Y, N; VCVTPS2DQ N, N; VCVTDQ2PS N, T
#define HIGH(X, Y, N, P, T, K) VMULPS Z18, T, P; VSUBPS P, Y, Y
#define LOW(X, Y, N, P, T, K) VMULPS Z19, T, P; VSUBPS P, Y, Y /* r */
#define POLY5(X, Y, N, P, T, K) VMULPS Z20, Y, P; VADDPS Z21, P, P
#define POLY4(X, Y, N, P, T, K) VMULPS Y, P, P; VADDPS Z22, P, P
#define POLY3(X, Y, N, P, T, K) VMULPS Y, P, P; VADDPS Z23, P, P
#define POLY2(X, Y, N, P, T, K) VMULPS Y, P, P; VADDPS Z24, P, P
#define POLY1(X, Y, N, P, T, K) VMULPS Y, P, P; VADDPS Z25, P, P; VMULPS Y, Y, T
#define POLY0(X, Y, N, P, T, K) VMULPS T, P, P; VADDPS Y, P, P; VADDPS Z26, P, P
#define SCALE(X, Y, N, P, T, K) VPADDD Z27, N, N; VPSLLD $23, N, N; VMULPS N, P, P /* e */
#define RATIO(X, Y, N, P, T, K) VADDPS Z26, P, T; VPMOVD2M X, K; VMOVAPS Z26, Y; VMOVAPS P, K, Y; VDIVPS T, Y, Y
#define GATE(X, Y, N, P, T, K) VMULPS Y, X, Y
#define SIGMOID(EACH) EACH(LEAST); EACH(POWER); EACH(HIGH); EACH(LOW) \
	EACH(POLY5); EACH(POLY4); EACH(POLY3); EACH(POLY2); EACH(POLY1); EACH(POLY0); EACH(SCALE); EACH(RATIO)

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
	MOVQ  SigmoidF32Args_Curve(DI), R10
	VBROADCASTSS SigmoidF32Args_Cap(DI), Z29
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
	SUBQ  $2, CX
	JLT   last
two:
	VMOVUPS (SI), Z0
	VMOVUPS 64(SI), Z8
	VMOVAPS Z0, Z1
	VMOVAPS Z8, Z9
	TESTQ R10, R10
	JZ    straight2
	BOTH(CURVE)
straight2:
	SIGMOID(BOTH)
	TESTL R9, R9
	JZ    store2
	BOTH(GATE)
store2:
	VMOVUPS Z1, (DX)
	VMOVUPS Z9, 64(DX)
	ADDQ  $128, SI
	ADDQ  $128, DX
	SUBQ  $2, CX
	JGE   two
last:
	CMPQ  CX, $-1
	JLT   end
	VMOVUPS (SI), Z0
	VMOVAPS Z0, Z1
	TESTQ R10, R10
	JZ    straight1
	ONE(CURVE)
straight1:
	SIGMOID(ONE)
	TESTL R9, R9
	JZ    store1
	ONE(GATE)
store1:
	VMOVUPS Z1, (DX)
end:
	VZEROUPPER
done:
	RET
