// The loops of GemmF32 and GemmBF16, shared by the vector instruction sets. The kernels fill in what
// happens to the vectors of one tile:
//
//	ZERO   clears the sums of row 0		BIAS   loads them from (AX)
//	COPY   copies them to all rows
//	FETCH  prefetches A of the next tap	STEP   adds the products of one k
//	ADD    adds Res				CLAMP  brings the sums between Low and High
//	STORE  stores them to C
//
// GemmBF16Args begins like GemmF32Args (a test holds this), so the loops read both by the
// same names.
//
// Register map
//	DI	args
//	R13	A of the tile
//	SI	A of row 0 at this tap and k		R8	the same of row 7
//	R9	ARow		R10	3 ARow		R11	5 ARow
//	DX	B of this tap and k			AX	BVec
//	BX	the next tap	R12	taps left	CX	k left
// and in the epilogue
//	AX	C	SI	CRow	CX	CVec	R8	Res	DX	ResVec

// Row r of A is at one of seven addresses around SI (r < 7) or R8, so one kernel serves
// every stride.
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

#define FETCH1  PREFETCHT0 A0
#define FETCH2  FETCH1; PREFETCHT0 A1
#define FETCH3  FETCH2; PREFETCHT0 A2
#define FETCH4  FETCH3; PREFETCHT0 A3
#define FETCH5  FETCH4; PREFETCHT0 A4
#define FETCH6  FETCH5; PREFETCHT0 A5
#define FETCH7  FETCH6; PREFETCHT0 A6
#define FETCH8  FETCH7; PREFETCHT0 A7
#define FETCH9  FETCH8; PREFETCHT0 A8
#define FETCH10 FETCH9; PREFETCHT0 A9
#define FETCH11 FETCH10; PREFETCHT0 A10
#define FETCH12 FETCH11; PREFETCHT0 A11
#define FETCH13 FETCH12; PREFETCHT0 A12
#define FETCH14 FETCH13; PREFETCHT0 A13

#define GEMM(ZERO, BIAS, COPY, FETCH, STEP, ADD, CLAMP, STORE) \
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
	ZERO \
	MOVQ  GemmF32Args_Bias(DI), AX \
	TESTQ AX, AX \
	JZ    start /* if Bias != nil */ \
	BIAS \
start: \
	COPY \
	MOVQ  GemmF32Args_B(DI), DX \
	MOVQ  GemmF32Args_BVec(DI), AX \
	MOVQ  GemmF32Args_Taps(DI), BX \
	MOVQ  GemmF32Args_NTaps(DI), R12 \
	TESTQ R12, R12 \
	JZ    summed \
tap: /* for t := 0; t < NTaps; t++ */ \
	/* The tap after this one, or the first of the next tile. */ \
	XORL  R8, R8 \
	LEAQ  8(BX), CX \
	CMPQ  R12, $1 \
	CMOVQEQ GemmF32Args_Taps(DI), CX \
	CMOVQEQ GemmF32Args_ATile(DI), R8 \
	MOVQ  (CX), SI \
	ADDQ  R13, SI \
	ADDQ  R8, SI \
	LEAQ  (SI)(R10*2), R8 \
	ADDQ  R9, R8 \
	FETCH \
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
	CMPB  GemmF32Args_Clamp(DI), $0 \
	JEQ   clamped /* if Clamp */ \
	CLAMP \
clamped: \
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
