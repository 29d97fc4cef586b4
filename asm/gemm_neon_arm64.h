// The NEON tiles of GemmF32 and GemmBF16, as macros over the number of rows: one output vector of
// sixteen lanes, up to six rows. GemmBF16Args begins like GemmF32Args (a test holds this), and its k
// are pairs of the same four bytes. Before they include this the kernels say what differs:
//
//	PRODUCT(d, n, m, i)	adds to V(d) the product of V(n) and lane i of V(m)
//	ADDRES(r)	adds Res at R17 to the sums of row r, and goes to the next row
//	STORES(EACH)	stores the sums of each row at R16
//
// Registers
//	R0	args			R7	A of the tile		R8	B of this tap and k
//	R1-R6	A of the rows at this tap and k
//	R9	ARow	R10 AStep	R11	BStep
//	R12	k left	R13 the next tap	R14	taps left	R15	tiles left
//	R19	C of the tile		R20	Res of the tile, or 0	R21	CRow
//	R16 R17	scratch
//	V0-V23	sums: row r is V(4r) to V(4r+3)
//	V24-V29	A of the rows: four k, or one; in the epilogue scratch, and V29 High
//	V30 V31	B, and in the epilogue Res or a mask, and Low

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
#define MUL1(b, q, i) PRODUCT(q, b, 24, i)
#define MUL2(b, q, i) MUL1(b, q, i); PRODUCT(4+q, b, 25, i)
#define MUL3(b, q, i) MUL2(b, q, i); PRODUCT(8+q, b, 26, i)
#define MUL4(b, q, i) MUL3(b, q, i); PRODUCT(12+q, b, 27, i)
#define MUL5(b, q, i) MUL4(b, q, i); PRODUCT(16+q, b, 28, i)
#define MUL6(b, q, i) MUL5(b, q, i); PRODUCT(20+q, b, 29, i)

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
#define CLAMPQUAD(r, q) FCMGT4(30, 31, 4*r+q); BIT(4*r+q, 31, 30); FCMGT4(30, 4*r+q, 29); BIT(4*r+q, 29, 30)
#define CLAMP(r) CLAMPQUAD(r, 0); CLAMPQUAD(r, 1); CLAMPQUAD(r, 2); CLAMPQUAD(r, 3)

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
	STORES(EACH) \
	MOVD GemmF32Args_CTile(R0), R16 \
	ADD  R16, R19 \
	MOVD GemmF32Args_ATile(R0), R16 \
	ADD  R16, R7 \
	SUBS $1, R15 \
	BNE  tile \
done: \
	RET

// PEAK runs n loops of products; what is in the sums counts for nothing.
#define PEAK \
	MOVD n+0(FP), R12 \
	CMP  $1, R12 \
	BLT  none \
	VEOR V30.B16, V30.B16, V30.B16 \
	MOV4(24, 30) \
	MOV4(25, 30) \
	MOV4(26, 30) \
	MOV4(27, 30) \
	MOV4(28, 30) \
	MOV4(29, 30) \
loop: \
	MUL6(30, 0, 0) \
	MUL6(30, 1, 1) \
	MUL6(30, 2, 2) \
	MUL6(30, 3, 3) \
	SUBS $1, R12 \
	BNE  loop \
none: \
	RET
