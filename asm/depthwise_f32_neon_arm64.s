//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// Register map
//	R1	A of the row	R2	C of the row	R3	rows left
//	R4	the next tap	R5	taps left	R6	B at the tap
//	R7	ARow	R8	CRow	R9	A at the tap	R0	args
//	V0-V15	sums, four a row	V16-V19	B	V20-V23	A
//	V24-V27	Bias	V28	Low	V29	High	V30	scratch

#define BEGIN \
	MOVD DepthwiseF32Args_Taps(R0), R4 \
	MOVD DepthwiseF32Args_NTaps(R0), R5 \
	MOVD DepthwiseF32Args_B(R0), R6

#define AT \
	MOVD.P 8(R4), R9 \
	FLDPQ 0(R6), (F16, F17) \
	FLDPQ 32(R6), (F18, F19) \
	ADD  $64, R6 \
	ADD  R1, R9

// MUL adds what row r takes at the tap, and goes to the next row.
#define MUL(r) \
	FLDPQ 0(R9), (F20, F21) \
	FLDPQ 32(R9), (F22, F23) \
	FMLA4(4*r, 20, 16) \
	FMLA4(4*r+1, 21, 17) \
	FMLA4(4*r+2, 22, 18) \
	FMLA4(4*r+3, 23, 19) \
	ADD  R7, R9

#define START(r) MOV4(4*r, 24); MOV4(4*r+1, 25); MOV4(4*r+2, 26); MOV4(4*r+3, 27)

// CLAMP keeps what is not a number, and a zero of either sign.
#define CLAMP(d) FCMGT4(30, 28, d); BIT(d, 28, 30); FCMGT4(30, d, 29); BIT(d, 29, 30)
#define FINISH(r) \
	CLAMP(4*r); CLAMP(4*r+1); CLAMP(4*r+2); CLAMP(4*r+3) \
	STRQ(4*r, 2, 0); STRQ(4*r+1, 2, 1); STRQ(4*r+2, 2, 2); STRQ(4*r+3, 2, 3) \
	ADD R8, R2

// func depthwiseF32NEON(args *DepthwiseF32Args)
TEXT ·depthwiseF32NEON(SB), NOSPLIT, $0-8
	MOVD args+0(FP), R0
	MOVD DepthwiseF32Args_A(R0), R1
	MOVD DepthwiseF32Args_C(R0), R2
	MOVD DepthwiseF32Args_Rows(R0), R3
	MOVD DepthwiseF32Args_ARow(R0), R7
	MOVD DepthwiseF32Args_CRow(R0), R8
	FMOVS DepthwiseF32Args_Low(R0), F28
	VDUP V28.S[0], V28.S4
	FMOVS DepthwiseF32Args_High(R0), F29
	VDUP V29.S[0], V29.S4
	VEOR V24.B16, V24.B16, V24.B16
	MOV4(25, 24)
	MOV4(26, 24)
	MOV4(27, 24)
	MOVD DepthwiseF32Args_Bias(R0), R9
	CBZ  R9, four
	LDRQ(24, 9, 0)
	LDRQ(25, 9, 1)
	LDRQ(26, 9, 2)
	LDRQ(27, 9, 3)
four: // for ; rows >= 4; rows -= 4
	CMP  $4, R3
	BLT  one
	START(0)
	START(1)
	START(2)
	START(3)
	BEGIN
tap4:
	AT
	MUL(0)
	MUL(1)
	MUL(2)
	MUL(3)
	SUBS $1, R5
	BNE  tap4
	FINISH(0)
	FINISH(1)
	FINISH(2)
	FINISH(3)
	ADD  R7<<2, R1
	SUB  $4, R3
	B    four
one:
	CMP  $1, R3
	BLT  done
	START(0)
	BEGIN
tap1:
	AT
	MUL(0)
	SUBS $1, R5
	BNE  tap1
	FINISH(0)
	ADD  R7, R1
	SUB  $1, R3
	B    one
done:
	RET
