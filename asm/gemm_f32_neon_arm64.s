//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

// The NEON tiles of GemmF32, as macros over the number of rows: one output vector of sixteen
// lanes, up to six rows.
//
// Registers
//	R0	args			R7	A of the tile		R8	B of this tap and k
//	R1-R6	A of the rows at this tap and k
//	R9	ARow	R10 AStep	R11	BStep
//	R12	k left	R13 the next tap	R14	taps left	R15	tiles left
//	R19	C of the tile		R20	Res of the tile, or 0	R21	CRow
//	R16 R17	scratch
//	V0-V23	sums: row r is V(4r) to V(4r+3)
//	V24-V29	A of the rows: four k, or one
//	V30 V31	B, and in the epilogue Res or a mask, Low
//	V29	High in the epilogue

#define POINT1(FROM) MOVD FROM, R1
#define POINT2(FROM) POINT1(FROM); ADD R9, R1, R2
#define POINT3(FROM) POINT2(FROM); ADD R9, R2, R3
#define POINT4(FROM) POINT3(FROM); ADD R9, R3, R4
#define POINT5(FROM) POINT4(FROM); ADD R9, R4, R5
#define POINT6(FROM) POINT5(FROM); ADD R9, R5, R6

// Four k of every row, which lie side by side.
#define FOUR1 FMOVQ.P 16(R1), F24
#define FOUR2 FOUR1; FMOVQ.P 16(R2), F25
#define FOUR3 FOUR2; FMOVQ.P 16(R3), F26
#define FOUR4 FOUR3; FMOVQ.P 16(R4), F27
#define FOUR5 FOUR4; FMOVQ.P 16(R5), F28
#define FOUR6 FOUR5; FMOVQ.P 16(R6), F29

// One k of every row.
#define ONE1 FMOVS (R1), F24; ADD R10, R1
#define ONE2 ONE1; FMOVS (R2), F25; ADD R10, R2
#define ONE3 ONE2; FMOVS (R3), F26; ADD R10, R3
#define ONE4 ONE3; FMOVS (R4), F27; ADD R10, R4
#define ONE5 ONE4; FMOVS (R5), F28; ADD R10, R5
#define ONE6 ONE5; FMOVS (R6), F29; ADD R10, R6

// Lane i of the rows times a quarter of B, V(b), into the quarter q of the sums.
#define MUL1(b, q, i) FMLAE(q, b, 24, i)
#define MUL2(b, q, i) MUL1(b, q, i); FMLAE(4+q, b, 25, i)
#define MUL3(b, q, i) MUL2(b, q, i); FMLAE(8+q, b, 26, i)
#define MUL4(b, q, i) MUL3(b, q, i); FMLAE(12+q, b, 27, i)
#define MUL5(b, q, i) MUL4(b, q, i); FMLAE(16+q, b, 28, i)
#define MUL6(b, q, i) MUL5(b, q, i); FMLAE(20+q, b, 29, i)

#define STEP(MUL, i) \
	FLDPQ 0(R8), (F30, F31) \
	MUL(30, 0, i) \
	FMOVQ 32(R8), F30 \
	MUL(31, 1, i) \
	FMOVQ 48(R8), F31 \
	MUL(30, 2, i) \
	MUL(31, 3, i) \
	ADD R11, R8

#define EACH1(DO) DO(0)
#define EACH2(DO) EACH1(DO); DO(1)
#define EACH3(DO) EACH2(DO); DO(2)
#define EACH4(DO) EACH3(DO); DO(3)
#define EACH5(DO) EACH4(DO); DO(4)
#define EACH6(DO) EACH5(DO); DO(5)

#define COPY(r) MOV4(4*r, 0); MOV4(4*r+1, 1); MOV4(4*r+2, 2); MOV4(4*r+3, 3)
#define ADDQUAD(r, q) LDRQ(30, 17, q); FADD4(4*r+q, 4*r+q, 30)
#define ADDRES(r) ADDQUAD(r, 0); ADDQUAD(r, 1); ADDQUAD(r, 2); ADDQUAD(r, 3); ADD R21, R17
#define CLAMPQUAD(r, q) FCMGT4(30, 31, 4*r+q); BIT(4*r+q, 31, 30); FCMGT4(30, 4*r+q, 29); BIT(4*r+q, 29, 30)
#define CLAMP(r) CLAMPQUAD(r, 0); CLAMPQUAD(r, 1); CLAMPQUAD(r, 2); CLAMPQUAD(r, 3)
#define STORE(r) STRQ(4*r, 16, 0); STRQ(4*r+1, 16, 1); STRQ(4*r+2, 16, 2); STRQ(4*r+3, 16, 3); ADD R21, R16

#define GEMM(POINT, FOUR, ONE, MUL, EACH) \
	MOVD args+0(FP), R0 \
	MOVD GemmF32Args_Tiles(R0), R15 \
	CMP  $1, R15 \
	BLT  done \
	MOVD GemmF32Args_A(R0), R7 \
	MOVD GemmF32Args_ARow(R0), R9 \
	MOVD GemmF32Args_AStep(R0), R10 \
	MOVD GemmF32Args_BStep(R0), R11 \
	MOVD GemmF32Args_C(R0), R19 \
	MOVD GemmF32Args_Res(R0), R20 \
	MOVD GemmF32Args_CRow(R0), R21 \
tile: /* for i := 0; i < Tiles; i++ */ \
	VEOR V0.B16, V0.B16, V0.B16 \
	MOV4(1, 0) \
	MOV4(2, 0) \
	MOV4(3, 0) \
	MOVD GemmF32Args_Bias(R0), R16 \
	CBZ  R16, start /* if Bias != nil */ \
	LDRQ(0, 16, 0) \
	LDRQ(1, 16, 1) \
	LDRQ(2, 16, 2) \
	LDRQ(3, 16, 3) \
start: \
	EACH(COPY) \
	MOVD GemmF32Args_B(R0), R8 \
	MOVD GemmF32Args_Taps(R0), R13 \
	MOVD GemmF32Args_NTaps(R0), R14 \
	CMP  $1, R14 \
	BLT  summed \
tap: /* for ; NTaps > 0; NTaps-- */ \
	MOVD.P 8(R13), R16 \
	ADD  R7, R16 \
	POINT(R16) \
	MOVD GemmF32Args_K(R0), R12 \
	CMP  $4, R10 \
	BNE  one \
	SUBS $4, R12 \
	BLT  few \
four: /* while AStep == 4 && k >= 4 */ \
	FOUR \
	STEP(MUL, 0) \
	STEP(MUL, 1) \
	STEP(MUL, 2) \
	STEP(MUL, 3) \
	SUBS $4, R12 \
	BGE  four \
few: \
	ADDS $4, R12 \
	BEQ  last \
one: \
	ONE \
	STEP(MUL, 0) \
	SUBS $1, R12 \
	BNE  one \
last: \
	SUBS $1, R14 \
	BNE  tap \
summed: \
	CBZ  R20, added /* if Res != nil */ \
	MOVD R20, R17 \
	EACH(ADDRES) \
	MOVD GemmF32Args_CTile(R0), R16 \
	ADD  R16, R20 \
added: \
	MOVBU GemmF32Args_Clamp(R0), R16 \
	CBZ  R16, clamped /* if Clamp */ \
	MOVWU GemmF32Args_Low(R0), R16 \
	VDUP R16, V31.S4 \
	MOVWU GemmF32Args_High(R0), R16 \
	VDUP R16, V29.S4 \
	EACH(CLAMP) \
clamped: \
	MOVD R19, R16 \
	EACH(STORE) \
	MOVD GemmF32Args_CTile(R0), R16 \
	ADD  R16, R19 \
	MOVD GemmF32Args_ATile(R0), R16 \
	ADD  R16, R7 \
	SUBS $1, R15 \
	BNE  tile \
done: \
	RET

// func gemmF32NEON_<rows>x16(args *GemmF32Args)

TEXT ·gemmF32NEON_6x16(SB), NOSPLIT, $0-8
	GEMM(POINT6, FOUR6, ONE6, MUL6, EACH6)

TEXT ·gemmF32NEON_5x16(SB), NOSPLIT, $0-8
	GEMM(POINT5, FOUR5, ONE5, MUL5, EACH5)

TEXT ·gemmF32NEON_4x16(SB), NOSPLIT, $0-8
	GEMM(POINT4, FOUR4, ONE4, MUL4, EACH4)

TEXT ·gemmF32NEON_3x16(SB), NOSPLIT, $0-8
	GEMM(POINT3, FOUR3, ONE3, MUL3, EACH3)

TEXT ·gemmF32NEON_2x16(SB), NOSPLIT, $0-8
	GEMM(POINT2, FOUR2, ONE2, MUL2, EACH2)

TEXT ·gemmF32NEON_1x16(SB), NOSPLIT, $0-8
	GEMM(POINT1, FOUR1, ONE1, MUL1, EACH1)

// func peakF32NEON(n int)
TEXT ·peakF32NEON(SB), NOSPLIT, $0-8
	MOVD n+0(FP), R12
	CMP  $1, R12
	BLT  none
	VEOR V24.B16, V24.B16, V24.B16
	VEOR V30.B16, V30.B16, V30.B16
loop: // for ; n > 0; n--: what is in the sums counts for nothing
	MUL1(30, 0, 0)
	MUL1(30, 1, 0)
	MUL1(30, 2, 0)
	MUL1(30, 3, 0)
	MUL1(30, 4, 0)
	MUL1(30, 5, 0)
	MUL1(30, 6, 0)
	MUL1(30, 7, 0)
	MUL1(30, 8, 0)
	MUL1(30, 9, 0)
	MUL1(30, 10, 0)
	MUL1(30, 11, 0)
	MUL1(30, 12, 0)
	MUL1(30, 13, 0)
	MUL1(30, 14, 0)
	MUL1(30, 15, 0)
	MUL1(30, 16, 0)
	MUL1(30, 17, 0)
	MUL1(30, 18, 0)
	MUL1(30, 19, 0)
	MUL1(30, 20, 0)
	MUL1(30, 21, 0)
	MUL1(30, 22, 0)
	MUL1(30, 23, 0)
	SUBS $1, R12
	BNE  loop
none:
	RET

// func encodingsNEON()
// The instructions that macros spell as numbers: a test compares them.
TEXT ·encodingsNEON(SB), NOSPLIT, $0-0
	FMLAE(0, 30, 24, 0)
	FMLAE(23, 31, 29, 3)
	FMLAE(5, 30, 16, 2)
	FADD4(23, 9, 30)
	FCMLT0(30, 17)
	BIT(12, 31, 30)
	MOV4(22, 3)
	LDRQ(30, 17, 3)
	STRQ(23, 16, 2)
	FMLSE(18, 6, 31, 1)
	FMULE(17, 6, 30, 3)
	FSUB4(20, 3, 17)
	FMUL4(16, 19, 17)
	FDIV4(3, 3, 16)
	FMIN4(0, 17, 29)
	FSQRT4(17, 16)
	FCMGT4(19, 7, 3)
	FCMGE4(2, 0, 13)
	FCMEQ4(23, 7, 7)
	BIF(3, 7, 23)
	FCVTZS4(1, 30)
	SCVTF4(3, 21)
	EXT(17, 20, 21, 12)
	RET

// func encodingsNEONAddress() uintptr
TEXT ·encodingsNEONAddress(SB), NOSPLIT, $0-8
	MOVD $·encodingsNEON(SB), R0
	MOVD R0, ret+0(FP)
	RET
