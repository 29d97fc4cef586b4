// The AVX-512 tiles of GemmF32, as macros over the number of rows.
//
// Register map
//	DI	args
//	R13	A of the tile
//	SI	A of row 0 at this tap and k		R8	the same of row 7
//	R9	ARow		R10	3 ARow		R11	5 ARow
//	DX	B of this tap and k
//	BX	the next tap	R12	taps left	CX	k left	AX	BVec
//	Z0-Z27	sums: row r is Z(2r) and Z(2r+1), or Z(r) if there is one vector
//	Z28 Z29	B	Z30 Z31	A of a row, in all lanes
// and in the epilogue
//	AX	C	SI	CRow	CX	CVec	R8	Res	DX	ResVec	Z31	0
//
// Row r of A is at one of seven addresses around SI (r < 7) or R8, so one kernel serves
// every stride. A is broadcast into a register that the two multiply-adds of a row share:
// half the loads of embedded broadcasts, and no indexed operand in an arithmetic
// instruction, which Intel cores would split.

#define A0  (SI)
#define A1  (SI)(R9*1)
#define A2  (SI)(R9*2)
#define A3  (SI)(R10*1)
#define A4  (SI)(R9*4)
#define A5  (SI)(R11*1)
#define A6  (SI)(R10*2)
#define A7  (R8)
#define A8  (R8)(R9*1)
#define A9  (R8)(R9*2)
#define A10 (R8)(R10*1)
#define A11 (R8)(R9*4)
#define A12 (R8)(R11*1)
#define A13 (R8)(R10*2)

// GEMM is the whole kernel. COPY copies Z0 (and Z1) to the sums of all rows; STEP adds
// the products of one k; ADD adds Res, RELU clears negative sums, STORE stores them.
#define GEMM(BIAS, COPY, STEP, ADD, RELU, STORE) \
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
	VPXORD Z0, Z0, Z0 \
	VPXORD Z1, Z1, Z1 \
	MOVQ  GemmF32Args_Bias(DI), AX \
	TESTQ AX, AX \
	JZ    start /* if Bias != nil */ \
	BIAS \
start: \
	COPY \
	MOVQ  GemmF32Args_B(DI), DX \
	MOVQ  GemmF32Args_Taps(DI), BX \
	MOVQ  GemmF32Args_NTaps(DI), R12 \
	MOVQ  GemmF32Args_BVec(DI), AX \
	TESTQ R12, R12 \
	JZ    summed \
tap: /* for t := 0; t < NTaps; t++ */ \
	MOVQ  (BX), SI \
	ADDQ  $8, BX \
	ADDQ  R13, SI \
	LEAQ  (SI)(R10*2), R8 \
	ADDQ  R9, R8 \
	MOVQ  GemmF32Args_K(DI), CX \
k: /* for k := 0; k < K; k++ */ \
	STEP \
	ADDQ  GemmF32Args_BStep(DI), DX \
	ADDQ  GemmF32Args_AStep(DI), SI \
	ADDQ  GemmF32Args_AStep(DI), R8 \
	DECQ  CX \
	JNZ   k \
	DECQ  R12 \
	JNZ   tap \
summed: \
	MOVQ  GemmF32Args_CRow(DI), SI \
	MOVQ  res-24(SP), R8 \
	TESTQ R8, R8 \
	JZ    added /* if Res != nil */ \
	MOVQ  GemmF32Args_ResVec(DI), DX \
	ADD \
	MOVQ  GemmF32Args_CTile(DI), DX \
	ADDQ  DX, res-24(SP) \
added: \
	CMPB  GemmF32Args_Relu(DI), $0 \
	JEQ   clipped /* if Relu */ \
	VPXORD Z31, Z31, Z31 \
	RELU \
clipped: \
	MOVQ  c-16(SP), AX \
	MOVQ  GemmF32Args_CVec(DI), CX \
	STORE \
	MOVQ  GemmF32Args_CTile(DI), DX \
	ADDQ  DX, c-16(SP) \
	ADDQ  GemmF32Args_ATile(DI), R13 \
	DECQ  tiles-8(SP) \
	JNZ   tile \
	VZEROUPPER \
done: \
	RET

// Two vectors: row R of A times Z28, Z29 into S0, S1.
#define BIAS2 VMOVUPS (AX), Z0; VMOVUPS 64(AX), Z1
#define LOAD2 VMOVUPS (DX), Z28; VMOVUPS (DX)(AX*1), Z29
#define ROW2(R, T, S0, S1) VBROADCASTSS R, T; VFMADD231PS Z28, T, S0; VFMADD231PS Z29, T, S1
#define COPY2(S0, S1) VMOVAPS Z0, S0; VMOVAPS Z1, S1
#define ADD2(S0, S1) VADDPS (R8), S0, S0; VADDPS (R8)(DX*1), S1, S1; ADDQ SI, R8
#define RELU2(S0, S1) VMAXPS S0, Z31, S0; VMAXPS S1, Z31, S1
#define STORE2(S0, S1) VMOVUPS S0, (AX); VMOVUPS S1, (AX)(CX*1); ADDQ SI, AX

#define SUMS2_1(DO)  DO(Z0, Z1)
#define SUMS2_2(DO)  SUMS2_1(DO); DO(Z2, Z3)
#define SUMS2_3(DO)  SUMS2_2(DO); DO(Z4, Z5)
#define SUMS2_4(DO)  SUMS2_3(DO); DO(Z6, Z7)
#define SUMS2_5(DO)  SUMS2_4(DO); DO(Z8, Z9)
#define SUMS2_6(DO)  SUMS2_5(DO); DO(Z10, Z11)
#define SUMS2_7(DO)  SUMS2_6(DO); DO(Z12, Z13)
#define SUMS2_8(DO)  SUMS2_7(DO); DO(Z14, Z15)
#define SUMS2_9(DO)  SUMS2_8(DO); DO(Z16, Z17)
#define SUMS2_10(DO) SUMS2_9(DO); DO(Z18, Z19)
#define SUMS2_11(DO) SUMS2_10(DO); DO(Z20, Z21)
#define SUMS2_12(DO) SUMS2_11(DO); DO(Z22, Z23)
#define SUMS2_13(DO) SUMS2_12(DO); DO(Z24, Z25)
#define SUMS2_14(DO) SUMS2_13(DO); DO(Z26, Z27)

#define STEP2_1  LOAD2; ROW2(A0, Z30, Z0, Z1)
#define STEP2_2  STEP2_1; ROW2(A1, Z31, Z2, Z3)
#define STEP2_3  STEP2_2; ROW2(A2, Z30, Z4, Z5)
#define STEP2_4  STEP2_3; ROW2(A3, Z31, Z6, Z7)
#define STEP2_5  STEP2_4; ROW2(A4, Z30, Z8, Z9)
#define STEP2_6  STEP2_5; ROW2(A5, Z31, Z10, Z11)
#define STEP2_7  STEP2_6; ROW2(A6, Z30, Z12, Z13)
#define STEP2_8  STEP2_7; ROW2(A7, Z31, Z14, Z15)
#define STEP2_9  STEP2_8; ROW2(A8, Z30, Z16, Z17)
#define STEP2_10 STEP2_9; ROW2(A9, Z31, Z18, Z19)
#define STEP2_11 STEP2_10; ROW2(A10, Z30, Z20, Z21)
#define STEP2_12 STEP2_11; ROW2(A11, Z31, Z22, Z23)
#define STEP2_13 STEP2_12; ROW2(A12, Z30, Z24, Z25)
#define STEP2_14 STEP2_13; ROW2(A13, Z31, Z26, Z27)

#define GEMM2(STEP, SUMS) GEMM(BIAS2, SUMS(COPY2), STEP, SUMS(ADD2), SUMS(RELU2), SUMS(STORE2))

// One vector: row R of A times Z28 into S.
#define BIAS1 VMOVUPS (AX), Z0
#define LOAD1 VMOVUPS (DX), Z28
#define ROW1(R, T, S) VBROADCASTSS R, T; VFMADD231PS Z28, T, S
#define COPY1(S) VMOVAPS Z0, S
#define ADD1(S) VADDPS (R8), S, S; ADDQ SI, R8
#define RELU1(S) VMAXPS S, Z31, S
#define STORE1(S) VMOVUPS S, (AX); ADDQ SI, AX

#define SUMS1_1(DO)  DO(Z0)
#define SUMS1_2(DO)  SUMS1_1(DO); DO(Z1)
#define SUMS1_3(DO)  SUMS1_2(DO); DO(Z2)
#define SUMS1_4(DO)  SUMS1_3(DO); DO(Z3)
#define SUMS1_5(DO)  SUMS1_4(DO); DO(Z4)
#define SUMS1_6(DO)  SUMS1_5(DO); DO(Z5)
#define SUMS1_7(DO)  SUMS1_6(DO); DO(Z6)
#define SUMS1_8(DO)  SUMS1_7(DO); DO(Z7)
#define SUMS1_9(DO)  SUMS1_8(DO); DO(Z8)
#define SUMS1_10(DO) SUMS1_9(DO); DO(Z9)
#define SUMS1_11(DO) SUMS1_10(DO); DO(Z10)
#define SUMS1_12(DO) SUMS1_11(DO); DO(Z11)
#define SUMS1_13(DO) SUMS1_12(DO); DO(Z12)
#define SUMS1_14(DO) SUMS1_13(DO); DO(Z13)

#define STEP1_1  LOAD1; ROW1(A0, Z30, Z0)
#define STEP1_2  STEP1_1; ROW1(A1, Z31, Z1)
#define STEP1_3  STEP1_2; ROW1(A2, Z30, Z2)
#define STEP1_4  STEP1_3; ROW1(A3, Z31, Z3)
#define STEP1_5  STEP1_4; ROW1(A4, Z30, Z4)
#define STEP1_6  STEP1_5; ROW1(A5, Z31, Z5)
#define STEP1_7  STEP1_6; ROW1(A6, Z30, Z6)
#define STEP1_8  STEP1_7; ROW1(A7, Z31, Z7)
#define STEP1_9  STEP1_8; ROW1(A8, Z30, Z8)
#define STEP1_10 STEP1_9; ROW1(A9, Z31, Z9)
#define STEP1_11 STEP1_10; ROW1(A10, Z30, Z10)
#define STEP1_12 STEP1_11; ROW1(A11, Z31, Z11)
#define STEP1_13 STEP1_12; ROW1(A12, Z30, Z12)
#define STEP1_14 STEP1_13; ROW1(A13, Z31, Z13)

#define GEMM1(STEP, SUMS) GEMM(BIAS1, SUMS(COPY1), STEP, SUMS(ADD1), SUMS(RELU1), SUMS(STORE1))
