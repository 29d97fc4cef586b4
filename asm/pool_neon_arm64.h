// The loops of max-pooling in float32 and in bfloat16. MaxPoolBF16Args has its fields where
// MaxPoolF32Args has them (a test holds this). LOAD(v) loads the vector at R4 into V(v) to V(v+3) as
// float32, SAVE stores V0-V3 at R2.

// MAX takes quarter q of the vector in V4-V7 into the maximum, V(q), where it is greater or
// not a number.
#define MAX(q) \
	FCMGT4(16+q, 4+q, q) \
	FCMEQ4(20+q, 4+q, 4+q) \
	BIT(q, 4+q, 16+q) \
	BIF(q, 4+q, 20+q)

// R1 A and R2 C of the row, R3 the next tap, R5 taps left, R6 rows left
#define MAXPOOL(LOAD, SAVE) \
	MOVD args+0(FP), R0 \
	MOVD MaxPoolF32Args_A(R0), R1 \
	MOVD MaxPoolF32Args_C(R0), R2 \
	MOVD MaxPoolF32Args_ARow(R0), R9 \
	MOVD MaxPoolF32Args_CRow(R0), R10 \
	MOVD MaxPoolF32Args_Rows(R0), R6 \
	CMP  $1, R6 \
	BLT  done \
row: /* for r := 0; r < Rows; r++ */ \
	MOVD MaxPoolF32Args_Taps(R0), R3 \
	MOVD MaxPoolF32Args_NTaps(R0), R5 \
	MOVD.P 8(R3), R4 \
	ADD  R1, R4 \
	LOAD(0) \
	SUBS $1, R5 \
	BEQ  store \
tap: \
	MOVD.P 8(R3), R4 \
	ADD  R1, R4 \
	LOAD(4) \
	MAX(0) \
	MAX(1) \
	MAX(2) \
	MAX(3) \
	SUBS $1, R5 \
	BNE  tap \
store: \
	SAVE \
	ADD  R9, R1 \
	ADD  R10, R2 \
	SUBS $1, R6 \
	BNE  row \
done: \
	RET
