//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "amx_amd64.h"
#include "avx512bf16_amd64.h"

// GemmBF16 on tiles: up to 32 rows and two vectors of sums are tiles 0 to 3 (row half,
// vector), A of the halves is in tiles 4 and 5, B of the vectors in 6 and 7.
//
// Register map
//	DI	args	R8	work: the shapes of the tiles, then the sums
//	R13	A of the tile	SI	A of rows 0-15 at this tap	CX	of rows 16-31
//	R9	ARow	R11	16 ARow
//	DX	B of this tap	AX	B of the second vector	R10	BStep
//	BX	the next tap	R12	taps left
// and in the epilogue
//	SI	sums of the row	AX	C	R9	CVec	BX	Res, or 0	R10	ResVec	CX	rows left
//	Z30 Z31	bias	Z29 Z27	the least and greatest output

// What a tap takes: A of 16 or 32 rows, then the products with B's first vector and, where
// there is one, its second.
#define LOADS1 TILELOADD(6, 9, 4)
#define LOADS2 LOADS1; LEAQ (SI)(R11*1), CX; TILELOADD(1, 9, 5)
#define FIRST1 TILELOADD(2, 10, 6); TDPBF16PS(6, 4, 0)
#define FIRST2 FIRST1; TDPBF16PS(6, 5, 2)
#define SECOND MOVQ DX, AX; ADDQ GemmBF16Args_BVec(DI), AX
#define SECOND1 SECOND; TILELOADD(0, 10, 7); TDPBF16PS(7, 4, 1)
#define SECOND2 SECOND1; TDPBF16PS(7, 5, 3)

// SUMS adds the products of all taps: TAP is what a tap takes.
#define SUMS(TAP) \
	MOVQ  GemmBF16Args_ARow(DI), R9 \
	MOVQ  R9, R11 \
	SHLQ  $4, R11 \
	MOVQ  GemmBF16Args_BStep(DI), R10 \
	MOVQ  GemmBF16Args_B(DI), DX \
	MOVQ  GemmBF16Args_Taps(DI), BX \
	MOVQ  GemmBF16Args_NTaps(DI), R12 \
	TESTQ R12, R12 \
	JZ    summed \
tap: /* for t := 0; t < NTaps; t++ */ \
	MOVQ  (BX), SI \
	ADDQ  $8, BX \
	ADDQ  R13, SI \
	TAP \
	MOVQ  GemmBF16Args_K(DI), AX \
	IMULQ R10, AX \
	ADDQ  AX, DX \
	DECQ  R12 \
	JNZ   tap \
summed: \
	LEAQ  amxWork_sums(R8), SI \
	MOVQ  $128, R9

// STORE stores the sums of a tile, 128 bytes a row.
#define STORE1 TILESTORED(6, 9, 0)
#define STORE2 LEAQ 2048(SI), CX; TILESTORED(1, 9, 2)
#define STORE3 LEAQ 64(SI), CX; TILESTORED(1, 9, 1)
#define STORE4 LEAQ 2112(SI), CX; TILESTORED(1, 9, 3)

// VECTOR finishes the sums S at AT of the row and stores them at C + AT: bias BIAS,
// residual at RES, then the bounds, which keep a NaN.
#define VECTOR(AT, S, N, BIAS, RES, C, NORES, WIDE, STORED) \
	VADDPS AT(SI), BIAS, S \
	TESTQ BX, BX \
	JZ    NORES \
	VPMOVZXWD RES, Z28 \
	VPSLLD $16, Z28, Z28 \
	VADDPS Z28, S, S \
NORES: \
	VMAXPS S, Z29, S \
	VMINPS S, Z27, S \
	CMPB  GemmBF16Args_Wide(DI), $0 \
	JNE   WIDE \
	VCVTNEPS2BF16(N, 28) \
	VMOVUPS Y28, C \
	JMP   STORED \
WIDE: \
	VMOVUPS S, C \
STORED:

#define VECTOR1 VECTOR(0, Z0, 0, Z30, (BX), (AX), nores1, wide1, stored1)
#define VECTOR2 VECTOR1; VECTOR(64, Z1, 1, Z31, (BX)(R10*1), (AX)(R9*1), nores2, wide2, stored2)

// GEMM is the whole kernel. BIAS loads Bias, CLEAR clears the sums, TAP adds the products
// of a tap, STORE stores the sums, ROW finishes a row.
#define GEMM(BIAS, CLEAR, TAP, STORE, ROW) \
	MOVQ  args+0(FP), DI \
	MOVQ  work+8(FP), R8 \
	MOVQ  GemmBF16Args_Tiles(DI), AX \
	TESTQ AX, AX \
	JLE   done \
	MOVQ  AX, tiles-8(SP) \
	MOVQ  GemmBF16Args_C(DI), AX \
	MOVQ  AX, c-16(SP) \
	MOVQ  GemmBF16Args_Res(DI), AX \
	MOVQ  AX, res-24(SP) \
	MOVQ  GemmBF16Args_A(DI), R13 \
	VPXORD Z30, Z30, Z30 \
	VPXORD Z31, Z31, Z31 \
	MOVQ  GemmBF16Args_Bias(DI), AX \
	TESTQ AX, AX \
	JZ    nobias \
	BIAS \
nobias: \
	MOVL  $0xff800000, AX /* -Inf */ \
	VPBROADCASTD AX, Z29 \
	MOVL  $0x7f800000, AX /* Inf */ \
	VPBROADCASTD AX, Z27 \
	CMPB  GemmBF16Args_Clamp(DI), $0 \
	JEQ   bounded \
	VBROADCASTSS GemmBF16Args_Low(DI), Z29 \
	VBROADCASTSS GemmBF16Args_High(DI), Z27 \
bounded: \
	LDTILECFG(8) \
tile: /* for i := 0; i < Tiles; i++ */ \
	CLEAR \
	SUMS(TAP) \
	STORE \
	MOVQ  c-16(SP), AX \
	MOVQ  res-24(SP), BX \
	MOVQ  GemmBF16Args_CVec(DI), R9 \
	MOVQ  GemmBF16Args_ResVec(DI), R10 \
	MOVQ  GemmBF16Args_Rows(DI), CX \
row: /* for r := 0; r < Rows; r++ */ \
	ROW \
	ADDQ  $128, SI \
	MOVQ  GemmBF16Args_CRow(DI), DX \
	ADDQ  DX, AX \
	TESTQ BX, BX \
	JZ    nextrow \
	ADDQ  DX, BX \
nextrow: \
	DECQ  CX \
	JNZ   row \
	MOVQ  GemmBF16Args_CTile(DI), DX \
	ADDQ  DX, c-16(SP) \
	CMPQ  res-24(SP), $0 \
	JEQ   nexttile \
	ADDQ  DX, res-24(SP) \
nexttile: \
	ADDQ  GemmBF16Args_ATile(DI), R13 \
	DECQ  tiles-8(SP) \
	JNZ   tile \
	TILERELEASE \
	VZEROUPPER \
done: \
	RET

#define BIAS1 VMOVUPS (AX), Z30
#define BIAS2 BIAS1; VMOVUPS 64(AX), Z31
#define CLEAR11 TILEZERO(0)
#define CLEAR21 CLEAR11; TILEZERO(2)
#define CLEAR12 CLEAR11; TILEZERO(1)
#define CLEAR22 CLEAR21; TILEZERO(1); TILEZERO(3)
#define TAP11 LOADS1; FIRST1
#define TAP21 LOADS2; FIRST2
#define TAP12 TAP11; SECOND1
#define TAP22 TAP21; SECOND2
#define STORE11 STORE1
#define STORE21 STORE1; STORE2
#define STORE12 STORE1; STORE3
#define STORE22 STORE21; STORE3; STORE4

// func gemmBF16AMX_<rows>x<lanes>(args *GemmBF16Args, work *amxWork)
// Requires: AMX-TILE, AMX-BF16, AVX512F, AVX512_BF16
TEXT ·gemmBF16AMX_16x16(SB), NOSPLIT, $24-16
	GEMM(BIAS1, CLEAR11, TAP11, STORE11, VECTOR1)

TEXT ·gemmBF16AMX_32x16(SB), NOSPLIT, $24-16
	GEMM(BIAS1, CLEAR21, TAP21, STORE21, VECTOR1)

TEXT ·gemmBF16AMX_16x32(SB), NOSPLIT, $24-16
	GEMM(BIAS2, CLEAR12, TAP12, STORE12, VECTOR2)

TEXT ·gemmBF16AMX_32x32(SB), NOSPLIT, $24-16
	GEMM(BIAS2, CLEAR22, TAP22, STORE22, VECTOR2)

// func peakBF16AMXLoop(n int, work *amxWork)
// Requires: AMX-TILE, AMX-BF16
TEXT ·peakBF16AMXLoop(SB), NOSPLIT, $0-16
	MOVQ  n+0(FP), CX
	MOVQ  work+8(FP), R8
	TESTQ CX, CX
	JLE   done
	LDTILECFG(8)
loop: // for ; n > 0; n--
	TDPBF16PS(6, 4, 0)
	TDPBF16PS(7, 4, 1)
	TDPBF16PS(6, 5, 2)
	TDPBF16PS(7, 5, 3)
	DECQ  CX
	JNZ   loop
	TILERELEASE
done:
	RET

// The instructions of amx_amd64.h in the order of TestEncodingsAMX, which reads their
// bytes; never run.
TEXT ·encodingsAMX(SB), NOSPLIT, $0-0
	LDTILECFG(8)
	TILERELEASE
	TILEZERO(3)
	TILELOADD(6, 9, 4)
	TILELOADD(1, 9, 5)
	TILELOADD(2, 10, 6)
	TILELOADD(0, 10, 7)
	TILESTORED(8, 12, 2)
	TILESTORED(6, 9, 0)
	TDPBF16PS(6, 4, 0)
	TDPBF16PS(7, 5, 3)
	RET

// func encodingsAMXAddress() uintptr
TEXT ·encodingsAMXAddress(SB), NOSPLIT, $0-8
	LEAQ ·encodingsAMX(SB), AX
	MOVQ AX, ret+0(FP)
	RET
