// The AVX2 tiles of GemmF32: one output vector, two registers wide. See the AVX-512
// ones for how it works.
//
// Register map
//	DI	args
//	R13	A of the tile
//	SI	A of row 0 at this tap and k
//	R9	ARow		R10	3 ARow		R11	5 ARow
//	DX	B of this tap and k
//	BX	the next tap	R12	taps left	CX	k left
//	Y0-Y11	sums: row r is Y(2r) and Y(2r+1)
//	Y12 Y13	B	Y14 Y15	A of a row, in all lanes
// and in the epilogue
//	AX	C	SI	CRow	R8	Res	Y15	0

#define A0  (SI)
#define A1  (SI)(R9*1)
#define A2  (SI)(R9*2)
#define A3  (SI)(R10*1)
#define A4  (SI)(R9*4)
#define A5  (SI)(R11*1)

// GEMM is the whole kernel. COPY copies Y0 and Y1 to the sums of all rows; STEP adds
// the products of one k; ADD adds Res, RELU clears negative sums, STORE stores them.
#define GEMM(STEP, SUMS) \
	MOVQ  args+0(FP), DI \
	MOVQ  GemmF32Args_Tiles(DI), AX \
	TESTQ AX, AX \
	JLE   done \
	MOVQ  AX, tiles-8(SP) \
	MOVQ  GemmF32Args_C(DI), AX \
	MOVQ  AX, c-16(SP) \
	MOVQ  GemmF32Args_Res(DI), AX \
	MOVQ  AX, res-24(SP) \
	MOVQ  GemmF32Args_A(DI), R13 \
	MOVQ  GemmF32Args_ARow(DI), R9 \
	LEAQ  (R9)(R9*2), R10 \
	LEAQ  (R9)(R9*4), R11 \
tile: /* for i := 0; i < Tiles; i++ */ \
	VXORPS Y0, Y0, Y0 \
	VXORPS Y1, Y1, Y1 \
	MOVQ  GemmF32Args_Bias(DI), AX \
	TESTQ AX, AX \
	JZ    start /* if Bias != nil */ \
	BIAS \
start: \
	SUMS(COPY) \
	MOVQ  GemmF32Args_B(DI), DX \
	MOVQ  GemmF32Args_Taps(DI), BX \
	MOVQ  GemmF32Args_NTaps(DI), R12 \
	TESTQ R12, R12 \
	JZ    summed \
tap: /* for t := 0; t < NTaps; t++ */ \
	MOVQ  (BX), SI \
	ADDQ  $8, BX \
	ADDQ  R13, SI \
	MOVQ  GemmF32Args_K(DI), CX \
k: /* for k := 0; k < K; k++ */ \
	STEP \
	ADDQ  GemmF32Args_BStep(DI), DX \
	ADDQ  GemmF32Args_AStep(DI), SI \
	DECQ  CX \
	JNZ   k \
	DECQ  R12 \
	JNZ   tap \
summed: \
	MOVQ  GemmF32Args_CRow(DI), SI \
	MOVQ  res-24(SP), R8 \
	TESTQ R8, R8 \
	JZ    added /* if Res != nil */ \
	SUMS(ADD) \
	MOVQ  GemmF32Args_CTile(DI), DX \
	ADDQ  DX, res-24(SP) \
added: \
	CMPB  GemmF32Args_Relu(DI), $0 \
	JEQ   clipped /* if Relu */ \
	VXORPS Y15, Y15, Y15 \
	SUMS(RELU) \
clipped: \
	MOVQ  c-16(SP), AX \
	SUMS(STORE) \
	MOVQ  GemmF32Args_CTile(DI), DX \
	ADDQ  DX, c-16(SP) \
	ADDQ  GemmF32Args_ATile(DI), R13 \
	DECQ  tiles-8(SP) \
	JNZ   tile \
	VZEROUPPER \
done: \
	RET

#define BIAS VMOVUPS (AX), Y0; VMOVUPS 32(AX), Y1
#define LOAD VMOVUPS (DX), Y12; VMOVUPS 32(DX), Y13
#define ROW(R, T, S0, S1) VBROADCASTSS R, T; VFMADD231PS Y12, T, S0; VFMADD231PS Y13, T, S1
#define COPY(S0, S1) VMOVAPS Y0, S0; VMOVAPS Y1, S1
#define ADD(S0, S1) VADDPS (R8), S0, S0; VADDPS 32(R8), S1, S1; ADDQ SI, R8
#define RELU(S0, S1) VMAXPS S0, Y15, S0; VMAXPS S1, Y15, S1
#define STORE(S0, S1) VMOVUPS S0, (AX); VMOVUPS S1, 32(AX); ADDQ SI, AX

#define SUMS1(DO) DO(Y0, Y1)
#define SUMS2(DO) SUMS1(DO); DO(Y2, Y3)
#define SUMS3(DO) SUMS2(DO); DO(Y4, Y5)
#define SUMS4(DO) SUMS3(DO); DO(Y6, Y7)
#define SUMS5(DO) SUMS4(DO); DO(Y8, Y9)
#define SUMS6(DO) SUMS5(DO); DO(Y10, Y11)

#define STEP1 LOAD; ROW(A0, Y14, Y0, Y1)
#define STEP2 STEP1; ROW(A1, Y15, Y2, Y3)
#define STEP3 STEP2; ROW(A2, Y14, Y4, Y5)
#define STEP4 STEP3; ROW(A3, Y15, Y6, Y7)
#define STEP5 STEP4; ROW(A4, Y14, Y8, Y9)
#define STEP6 STEP5; ROW(A5, Y15, Y10, Y11)
