// Winograd's transforms of NCHW16c tiles, shared by the vector instruction sets: the
// loops, and the transforms in one dimension, which a tile goes through down its columns
// and then along its rows. The kernels define
//
//	FMA(c, x, acc)   acc += c*x	FNMA(c, x, acc)   acc -= c*x
//	MUL(c, x, out)   out = c*x
//
// for one of these constants c of the points 0, +-a, +-b, a = 5/8, b = 3/2, and, as what
// differs between float32 and bfloat16,
//
//	PIXEL            bytes of a vector
//	NONE             clears Y0, Y1; LOAD loads (R10) to them, SAVE stores them to (BX)
//	RES(O, at)       adds the residual at(R13) to O
//	PUT(O, n, at)    stores O, register n, at(BX)
//
// The Args of bfloat16 begin like those of float32 (a test holds this), so the loops read
// both by the same names.

#define CA    winograd4<>+0(SB)   // a
#define CB    winograd4<>+32(SB)  // b
#define CAA   winograd4<>+64(SB)  // a^2
#define CBB   winograd4<>+96(SB)  // b^2
#define CAAA  winograd4<>+128(SB) // a^3
#define CBBB  winograd4<>+160(SB) // b^3
#define CAABB winograd4<>+192(SB) // a^2 b^2
#define CSUM  winograd4<>+224(SB) // a^2 + b^2

#define EIGHT(AT, X) \
	DATA winograd4<>+(AT+0)(SB)/4, X \
	DATA winograd4<>+(AT+4)(SB)/4, X \
	DATA winograd4<>+(AT+8)(SB)/4, X \
	DATA winograd4<>+(AT+12)(SB)/4, X \
	DATA winograd4<>+(AT+16)(SB)/4, X \
	DATA winograd4<>+(AT+20)(SB)/4, X \
	DATA winograd4<>+(AT+24)(SB)/4, X \
	DATA winograd4<>+(AT+28)(SB)/4, X

EIGHT(0, $0.625)
EIGHT(32, $1.5)
EIGHT(64, $0.390625)
EIGHT(96, $2.25)
EIGHT(128, $0.244140625)
EIGHT(160, $3.375)
EIGHT(192, $0.87890625)
EIGHT(224, $2.640625)
GLOBL winograd4<>(SB), RODATA, $256

// IN4 is B' d for 2 outputs: O = {d0 - d2, d1 + d2, d2 - d1, d3 - d1}.
#define IN4(D0, D1, D2, D3, O0, O1, O2, O3) \
	VSUBPS D2, D0, O0 \
	VADDPS D2, D1, O1 \
	VSUBPS D1, D2, O2 \
	VSUBPS D1, D3, O3

// OUT4 is A' m for 2 outputs: O = {m0 + m1 + m2, m1 - m2 + m3}. M0, M3 may be memory.
#define OUT4(M0, M1, M2, M3, O0, O1) \
	VADDPS M2, M1, O0 \
	VSUBPS M2, M1, O1 \
	VADDPS M0, O0, O0 \
	VADDPS M3, O1, O1

// IN6 is B' d for 4 outputs. T may be D0.
//
//	O0 = a^2 b^2 d0 - (a^2+b^2) d2 + d4
//	O1, O2 = (d4 - b^2 d2) +- a (d3 - b^2 d1)
//	O3, O4 = (d4 - a^2 d2) +- b (d3 - a^2 d1)
//	O5 = a^2 b^2 d1 - (a^2+b^2) d3 + d5
#define IN6(D0, D1, D2, D3, D4, D5, T, O0, O1, O2, O3, O4, O5) \
	VMOVAPS D4, O0 \
	VMOVAPS D5, O5 \
	FMA(CAABB, D0, O0) \
	FMA(CAABB, D1, O5) \
	FNMA(CSUM, D2, O0) \
	FNMA(CSUM, D3, O5) \
	VMOVAPS D3, T \
	VMOVAPS D4, O1 \
	FNMA(CBB, D1, T) \
	FNMA(CBB, D2, O1) \
	VMOVAPS O1, O2 \
	FMA(CA, T, O1) \
	FNMA(CA, T, O2) \
	VMOVAPS D3, T \
	VMOVAPS D4, O3 \
	FNMA(CAA, D1, T) \
	FNMA(CAA, D2, O3) \
	VMOVAPS O3, O4 \
	FMA(CB, T, O3) \
	FNMA(CB, T, O4)

// OUT6 is A' m for 4 outputs; it spoils M1, M2, M3. M0, M5 may be memory.
//
//	O0 = m0 + (m1 + m2) + (m3 + m4)
//	O1 = a (m1 - m2) + b (m3 - m4)
//	O2 = a^2 (m1 + m2) + b^2 (m3 + m4)
//	O3 = a^3 (m1 - m2) + b^3 (m3 - m4) + m5
#define OUT6(M0, M1, M2, M3, M4, M5, T, O0, O1, O2, O3) \
	VSUBPS M2, M1, T \
	VADDPS M2, M1, M1 \
	VSUBPS M4, M3, M2 \
	VADDPS M4, M3, M3 \
	VADDPS M3, M1, O0 \
	MUL(CA, T, O1) \
	MUL(CAA, M1, O2) \
	VMOVUPS M5, O3 \
	FMA(CAAA, T, O3) \
	VADDPS M0, O0, O0 \
	FMA(CB, M2, O1) \
	FMA(CBB, M3, O2) \
	FMA(CBBB, M2, O3)

// WINOGRAD_IN is the loop of the input transforms: M outputs and N inputs a side. TILE
// transforms the tile at R8.
//
//	DI	args	R11	A of the tile	DX	C of the tile	R10	CXi
//	CX	tiles left	R9	columns left
//	R8	A of the tile, or of its copy	R12 R13 AX	one, three, five rows of that
//	SI	scratch		BX	free
//
// A tile that reaches beyond Rows or Cols is copied, padded with zeros.
#define WINOGRAD_IN(M, N, TILE) \
	MOVQ  args+0(FP), DI \
	MOVQ  WinogradInF32Args_Tiles(DI), CX \
	TESTQ CX, CX \
	JLE   done \
	MOVQ  WinogradInF32Args_A(DI), R11 \
	MOVQ  WinogradInF32Args_C(DI), DX \
	MOVQ  WinogradInF32Args_CXi(DI), R10 \
	MOVQ  WinogradInF32Args_Cols(DI), R9 \
	LEAQ  scratch-SCRATCH(SP), SI \
	ADDQ  $63, SI \
	ANDQ  $-64, SI \
tile: /* for i := 0; i < Tiles; i++ */ \
	MOVQ  R11, R8 \
	MOVQ  WinogradInF32Args_ARow(DI), R12 \
	CMPQ  WinogradInF32Args_Rows(DI), $N \
	JLT   clip \
	CMPQ  R9, $N \
	JGE   whole \
clip: \
	MOVQ  SI, BX \
	XORL  R13, R13 \
row: /* for p := 0; p < N; p++ */ \
	MOVQ  R8, R10 \
	XORL  AX, AX \
col: /* for q := 0; q < N; q++ */ \
	NONE \
	CMPQ  R13, WinogradInF32Args_Rows(DI) \
	JGE   put \
	CMPQ  AX, R9 \
	JGE   put \
	LOAD \
put: \
	SAVE \
	ADDQ  $PIXEL, BX \
	ADDQ  $PIXEL, R10 \
	INCQ  AX \
	CMPQ  AX, $N \
	JLT   col \
	ADDQ  R12, R8 \
	INCQ  R13 \
	CMPQ  R13, $N \
	JLT   row \
	MOVQ  SI, R8 \
	MOVQ  $(PIXEL*N), R12 \
	MOVQ  WinogradInF32Args_CXi(DI), R10 \
whole: \
	LEAQ  (R12)(R12*2), R13 \
	LEAQ  (R12)(R12*4), AX \
	TILE \
	ADDQ  $(PIXEL*M), R11 \
	ADDQ  WinogradInF32Args_CTile(DI), DX \
	SUBQ  $M, R9 \
	DECQ  CX \
	JNZ   tile \
	VZEROUPPER \
done: \
	RET

// WINOGRAD_OUT is the loop of the output transforms: M outputs and N products a side.
// SETUP loads what stays in registers, TILE transforms the tile.
//
//	DI	args	SI	A of the tile	DX	C of the tile	R8	Res of the tile
//	CX	tiles left	R9	columns left	R11	Bias, or zeros
//	AX BX R12	N, 3N, 5N times AXi	R10 R13	free
#define WINOGRAD_OUT(M, N, SETUP, TILE) \
	MOVQ  args+0(FP), DI \
	MOVQ  WinogradOutF32Args_Tiles(DI), CX \
	TESTQ CX, CX \
	JLE   done \
	MOVQ  WinogradOutF32Args_A(DI), SI \
	MOVQ  WinogradOutF32Args_C(DI), DX \
	MOVQ  WinogradOutF32Args_Res(DI), R8 \
	MOVQ  WinogradOutF32Args_Cols(DI), R9 \
	MOVQ  WinogradOutF32Args_Bias(DI), R11 \
	TESTQ R11, R11 \
	JNZ   bias \
	LEAQ  zeros<>(SB), R11 \
bias: \
	XORL  AX, AX \
	CMPB  WinogradOutF32Args_Relu(DI), $0 \
	JNE   setup \
	MOVL  $0xff800000, AX /* -Inf */ \
setup: \
	SETUP \
tile: /* for i := 0; i < Tiles; i++ */ \
	IMUL3Q $N, WinogradOutF32Args_AXi(DI), AX \
	LEAQ  (AX)(AX*2), BX \
	LEAQ  (AX)(AX*4), R12 \
	TILE \
	ADDQ  WinogradOutF32Args_ATile(DI), SI \
	ADDQ  $(PIXEL*M), DX \
	ADDQ  $(PIXEL*M), R8 \
	SUBQ  $M, R9 \
	DECQ  CX \
	JNZ   tile \
	VZEROUPPER \
done: \
	RET

DATA zeros<>+0(SB)/8, $0
GLOBL zeros<>(SB), RODATA, $64

// What the rows of outputs share. Row P of a tile goes to (BX), its residual is at (R13).

// IF_ROW jumps to END unless row P is wanted; IF_COL, unless column Q is.
#define IF_ROW(P, END) \
	CMPQ  WinogradOutF32Args_Rows(DI), $P \
	JLE   END

#define IF_COL(Q, END) \
	CMPQ  R9, $Q \
	JLE   END

// IF_RES jumps to END if there is no residual.
#define IF_RES(END) \
	CMPQ  WinogradOutF32Args_Res(DI), $0 \
	JEQ   END

#define NEXT_ROW \
	ADDQ  WinogradOutF32Args_CRow(DI), BX \
	ADDQ  WinogradOutF32Args_ResRow(DI), R13

// ROW2 and ROW4 finish row P, whose vectors O are the registers N, and store it: bias,
// residual, then the maximum with LEAST, which keeps a NaN.
#define ROW2(LEAST, O0, O1, N0, N1, NORES, END) \
	VADDPS (R11), O0, O0 \
	VADDPS (R11), O1, O1 \
	IF_RES(NORES) \
	IF_COL(0, NORES) \
	RES(O0, (0*PIXEL)) \
	IF_COL(1, NORES) \
	RES(O1, (1*PIXEL)) \
NORES: \
	VMAXPS O0, LEAST, O0 \
	VMAXPS O1, LEAST, O1 \
	IF_COL(0, END) \
	PUT(O0, N0, (0*PIXEL)) \
	IF_COL(1, END) \
	PUT(O1, N1, (1*PIXEL)) \
END: \
	NEXT_ROW

#define ROW4(LEAST, O0, O1, O2, O3, N0, N1, N2, N3, NORES, END) \
	VADDPS (R11), O0, O0 \
	VADDPS (R11), O1, O1 \
	VADDPS (R11), O2, O2 \
	VADDPS (R11), O3, O3 \
	IF_RES(NORES) \
	IF_COL(0, NORES) \
	RES(O0, (0*PIXEL)) \
	IF_COL(1, NORES) \
	RES(O1, (1*PIXEL)) \
	IF_COL(2, NORES) \
	RES(O2, (2*PIXEL)) \
	IF_COL(3, NORES) \
	RES(O3, (3*PIXEL)) \
NORES: \
	VMAXPS O0, LEAST, O0 \
	VMAXPS O1, LEAST, O1 \
	VMAXPS O2, LEAST, O2 \
	VMAXPS O3, LEAST, O3 \
	IF_COL(0, END) \
	PUT(O0, N0, (0*PIXEL)) \
	IF_COL(1, END) \
	PUT(O1, N1, (1*PIXEL)) \
	IF_COL(2, END) \
	PUT(O2, N2, (2*PIXEL)) \
	IF_COL(3, END) \
	PUT(O3, N3, (3*PIXEL)) \
END: \
	NEXT_ROW
