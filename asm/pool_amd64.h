// The loops of MaxPoolF32 and MaxPoolBF16 (whose Args have the same layout), shared by the
// vector instruction sets. FIRST loads the
// vector at (SI), NEXT takes the maximum with it, STORE stores it to (DX).
//
// Register map
//	SI	A of the row at this tap	R8	A of the row
//	DX	C of the row			CX	rows left
//	BX	the next tap	R12	taps left
//	R9	Taps	R10	NTaps - 1	R11	ARow	R13	CRow

#define MAXPOOL(FIRST, NEXT, STORE) \
	MOVQ  args+0(FP), DI \
	MOVQ  MaxPoolF32Args_Rows(DI), CX \
	TESTQ CX, CX \
	JLE   done \
	MOVQ  MaxPoolF32Args_A(DI), R8 \
	MOVQ  MaxPoolF32Args_C(DI), DX \
	MOVQ  MaxPoolF32Args_Taps(DI), R9 \
	MOVQ  MaxPoolF32Args_NTaps(DI), R10 \
	DECQ  R10 \
	MOVQ  MaxPoolF32Args_ARow(DI), R11 \
	MOVQ  MaxPoolF32Args_CRow(DI), R13 \
row: /* for r := 0; r < Rows; r++ */ \
	MOVQ  R9, BX \
	MOVQ  (BX), SI \
	ADDQ  R8, SI \
	FIRST \
	MOVQ  R10, R12 \
	TESTQ R12, R12 \
	JZ    store \
tap: /* for t := 1; t < NTaps; t++ */ \
	ADDQ  $8, BX \
	MOVQ  (BX), SI \
	ADDQ  R8, SI \
	NEXT \
	DECQ  R12 \
	JNZ   tap \
store: \
	STORE \
	ADDQ  R11, R8 \
	ADDQ  R13, DX \
	DECQ  CX \
	JNZ   row \
	VZEROUPPER \
done: \
	RET
