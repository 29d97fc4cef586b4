//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"
#include "elementwise.h"

// A vector of sixteen lanes is four quarters, of which every step takes all.
#define EACH(DO) DO(0); DO(1); DO(2); DO(3)

#define LOAD(q) LDRQ(q, 1, q)
#define CLAMPLOW(q) FCMGT4(8+q, 28, 4+q); BIT(4+q, 28, 8+q)
#define CLAMPHIGH(q) FCMGT4(8+q, 4+q, 29); BIT(4+q, 29, 8+q)
#define GATE(q) FMUL4(4+q, q, 4+q)
#define STORE(q) STRQ(4+q, 2, q)

#define MAP(q) FMUL4(4+q, q, 20+q)
#define SHIFT(q) FADD4(4+q, 4+q, 24+q)

// func mapF32NEON(args *MapF32Args)
// R1 A, R2 C, R3 vectors left, R4 Gate
// V0-V3 x	V4-V7 the result	V8-V11 where it is beyond a bound
// V20-V23 Scale	V24-V27 Shift	V28 Low	V29 High
TEXT ·mapF32NEON(SB), NOSPLIT, $0-8
	MOVD args+0(FP), R0
	MOVD MapF32Args_Rows(R0), R3
	CMP  $1, R3
	BLT  done
	MOVD MapF32Args_A(R0), R1
	MOVD MapF32Args_C(R0), R2
	MOVBU MapF32Args_Gate(R0), R4
	MOVD MapF32Args_Scale(R0), R5
	LDRQ(20, 5, 0)
	LDRQ(21, 5, 1)
	LDRQ(22, 5, 2)
	LDRQ(23, 5, 3)
	MOVD MapF32Args_Shift(R0), R5
	LDRQ(24, 5, 0)
	LDRQ(25, 5, 1)
	LDRQ(26, 5, 2)
	LDRQ(27, 5, 3)
	FMOVS MapF32Args_Low(R0), F28
	VDUP V28.S[0], V28.S4
	FMOVS MapF32Args_High(R0), F29
	VDUP V29.S[0], V29.S4
loop: // for ; Rows > 0; Rows--
	EACH(LOAD)
	EACH(MAP)
	EACH(SHIFT)
	EACH(CLAMPLOW) // what is not a number stays
	EACH(CLAMPHIGH)
	CBZ  R4, store
	EACH(GATE)
store:
	EACH(STORE)
	ADD  $64, R1
	ADD  $64, R2
	SUBS $1, R3
	BNE  loop
done:
	RET

#define STRAIGHT(q) MOV4(4+q, q)
#define CAPPED(q) FMUL4(16+q, q, q); FMIN4(16+q, 16+q, 31)
#define TOP(q) MOV4(12+q, 8)
#define TERM(q) FMUL4(12+q, 12+q, 16+q); FADD4(12+q, 12+q, 8)
#define CURVED(q) FMUL4(4+q, 12+q, q)
#define NEGATIVE(q) OR4(4+q, 4+q, 20)
#define LEAST(q) FMAX4(4+q, 4+q, 21)
#define TIMESLOG2E(q) FMULE(8+q, 4+q, 28, 1)
#define WHOLE(q) FCVTNS4(8+q, 8+q); SCVTF4(16+q, 8+q)
#define LESSHIGH(q) FMULE(12+q, 16+q, 28, 2); FSUB4(4+q, 4+q, 12+q)
#define LESSLOW(q) FMULE(12+q, 16+q, 28, 3); FSUB4(4+q, 4+q, 12+q)
#define FIRST(q) FMULE(12+q, 4+q, 29, 0); FADD4(12+q, 12+q, 22)
#define SECOND(q) FMUL4(12+q, 12+q, 4+q); FADD4(12+q, 12+q, 23)
#define THIRD(q) FMUL4(12+q, 12+q, 4+q); FADD4(12+q, 12+q, 24)
#define FOURTH(q) FMUL4(12+q, 12+q, 4+q); FADD4(12+q, 12+q, 25)
#define FIFTH(q) FMUL4(12+q, 12+q, 4+q); FADD4(12+q, 12+q, 26)
#define SQUARE(q) FMUL4(16+q, 4+q, 4+q); FMUL4(12+q, 12+q, 16+q); FADD4(12+q, 12+q, 4+q); FADD4(12+q, 12+q, 27)
#define POWER(q) ADD4(8+q, 8+q, 30); SHL23(8+q, 8+q); FMUL4(12+q, 12+q, 8+q)
#define OVER(q) FADD4(16+q, 12+q, 27); FCMLT0(8+q, q); MOV4(4+q, 27); BIT(4+q, 12+q, 8+q); FDIV4(4+q, 4+q, 16+q)

// func sigmoidF32NEON(args *SigmoidF32Args)
// R1 A, R2 C, R3 vectors left, R4 Gate, R6 Curve, R7 the term, R8 terms left
// V0-V3 x	V4-V7 u, y, then the result	V8-V11 n as whole numbers, 2^n, where x < 0
// V12-V15 the polynomial, e	V16-V19 n, scratch
// V20 the sign	V21 -87	V22-V26 the polynomial's constants	V27 1
// V28 -87, log2 e, ln 2 in two parts	V29 the polynomial's first	V30 127	V31 Cap
TEXT ·sigmoidF32NEON(SB), NOSPLIT, $0-8
	MOVD args+0(FP), R0
	MOVD SigmoidF32Args_Rows(R0), R3
	CMP  $1, R3
	BLT  done
	MOVD SigmoidF32Args_A(R0), R1
	MOVD SigmoidF32Args_C(R0), R2
	MOVBU SigmoidF32Args_Gate(R0), R4
	MOVD SigmoidF32Args_Curve(R0), R6
	FMOVS SigmoidF32Args_Cap(R0), F31
	VDUP V31.S[0], V31.S4
	MOVD $sigmoids<>(SB), R5
	LDRQ(28, 5, 0)
	LDRQ(29, 5, 1)
	LDRQ(30, 5, 2)
	FMOVS 48(R5), F20
	VDUP V20.S[0], V20.S4
	VDUP V28.S[0], V21.S4
	VDUP V29.S[1], V22.S4
	VDUP V29.S[2], V23.S4
	VDUP V29.S[3], V24.S4
	VDUP V30.S[0], V25.S4
	VDUP V30.S[1], V26.S4
	VDUP V30.S[2], V27.S4
	VDUP V30.S[3], V30.S4
loop: // for ; Rows > 0; Rows--
	EACH(LOAD)
	EACH(STRAIGHT)
	CBZ  R6, straight // if Curve != nil
	EACH(CAPPED)
	ADD  $28, R6, R7
	MOVD $7, R8
	FMOVS (R7), F8
	VDUP V8.S[0], V8.S4
	EACH(TOP)
term:
	SUB  $4, R7
	FMOVS (R7), F8
	VDUP V8.S[0], V8.S4
	EACH(TERM)
	SUBS $1, R8
	BNE  term
	EACH(CURVED)
straight:
	EACH(NEGATIVE) // -|u|
	EACH(LEAST)    // not a number stays
	EACH(TIMESLOG2E)
	EACH(WHOLE)
	EACH(LESSHIGH)
	EACH(LESSLOW)  // r
	EACH(FIRST)
	EACH(SECOND)
	EACH(THIRD)
	EACH(FOURTH)
	EACH(FIFTH)
	EACH(SQUARE)
	EACH(POWER)    // e
	EACH(OVER)     // e over 1 + e where x is negative, else 1 over it
	CBZ  R4, store
	EACH(GATE)
store:
	EACH(STORE)
	ADD  $64, R1
	ADD  $64, R2
	SUBS $1, R3
	BNE  loop
done:
	RET
