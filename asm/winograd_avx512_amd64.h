// The AVX-512 kernels of Winograd's transforms, in float32 or bfloat16: beside what
// winograd_amd64.h asks for, the including file defines
//
//	GET(m, Z)        loads the vector m to Z
//	KEEP(Z, n, m)    stores Z, register n, to m, and may spoil it

#define FMA(C, X, ACC) VFMADD231PS.BCST C, X, ACC
#define FNMA(C, X, ACC) VFNMADD231PS.BCST C, X, ACC
#define MUL(C, X, OUT) VMULPS.BCST C, X, OUT

// The scratch memory of an input transform: a padded tile and 12 vectors. The frames say
// the same.
#define SCRATCH 3136 // 64*(36 + 12) and room to align it

// COLUMN6 transforms the column of the tile at byte AT of its rows.
#define COLUMN6(AT, O0, O1, O2, O3, O4, O5) \
	GET(AT(R8), Z24) \
	GET(AT(R8)(R12*1), Z25) \
	GET(AT(R8)(R12*2), Z26) \
	GET(AT(R8)(R13*1), Z27) \
	GET(AT(R8)(R12*4), Z28) \
	GET(AT(R8)(AX*1), Z29) \
	IN6(Z24, Z25, Z26, Z27, Z28, Z29, Z30, O0, O1, O2, O3, O4, O5)

// SPILL6 puts a column aside.
#define SPILL6(AT) \
	VMOVUPS Z0, (AT+0)(SI) \
	VMOVUPS Z1, (AT+64)(SI) \
	VMOVUPS Z2, (AT+128)(SI) \
	VMOVUPS Z3, (AT+192)(SI) \
	VMOVUPS Z4, (AT+256)(SI) \
	VMOVUPS Z5, (AT+320)(SI)

// ALONG6 transforms row P, of which D0 to D3 are in registers and the rest in scratch
// memory, and stores it at BX.
#define ALONG6(P, D0, D1, D2, D3) \
	VMOVUPS (2304+64*P)(SI), Z24 \
	VMOVUPS (2304+384+64*P)(SI), Z25 \
	IN6(D0, D1, D2, D3, Z24, Z25, D0, Z26, Z27, Z28, Z29, Z30, Z31) \
	KEEP(Z26, 26, (BX)) \
	KEEP(Z27, 27, (BX)(R10*1)) \
	KEEP(Z28, 28, (BX)(R10*2)) \
	KEEP(Z29, 29, (BX)(R12*1)) \
	KEEP(Z30, 30, (BX)(R10*4)) \
	KEEP(Z31, 31, (BX)(R13*1)) \
	LEAQ (BX)(R12*2), BX

#define TILE6 \
	COLUMN6((4*PIXEL), Z0, Z1, Z2, Z3, Z4, Z5) \
	SPILL6(2304) \
	COLUMN6((5*PIXEL), Z0, Z1, Z2, Z3, Z4, Z5) \
	SPILL6(2304+384) \
	COLUMN6((0*PIXEL), Z0, Z1, Z2, Z3, Z4, Z5) \
	COLUMN6((1*PIXEL), Z6, Z7, Z8, Z9, Z10, Z11) \
	COLUMN6((2*PIXEL), Z12, Z13, Z14, Z15, Z16, Z17) \
	COLUMN6((3*PIXEL), Z18, Z19, Z20, Z21, Z22, Z23) \
	MOVQ DX, BX \
	LEAQ (R10)(R10*2), R12 \
	LEAQ (R10)(R10*4), R13 \
	ALONG6(0, Z0, Z6, Z12, Z18) \
	ALONG6(1, Z1, Z7, Z13, Z19) \
	ALONG6(2, Z2, Z8, Z14, Z20) \
	ALONG6(3, Z3, Z9, Z15, Z21) \
	ALONG6(4, Z4, Z10, Z16, Z22) \
	ALONG6(5, Z5, Z11, Z17, Z23)

#define COLUMN4(AT, O0, O1, O2, O3) \
	GET(AT(R8), Z24) \
	GET(AT(R8)(R12*1), Z25) \
	GET(AT(R8)(R12*2), Z26) \
	GET(AT(R8)(R13*1), Z27) \
	IN4(Z24, Z25, Z26, Z27, O0, O1, O2, O3)

#define ALONG4(D0, D1, D2, D3) \
	IN4(D0, D1, D2, D3, Z24, Z25, Z26, Z27) \
	KEEP(Z24, 24, (BX)) \
	KEEP(Z25, 25, (BX)(R10*1)) \
	KEEP(Z26, 26, (BX)(R10*2)) \
	KEEP(Z27, 27, (BX)(R12*1)) \
	LEAQ (BX)(R10*4), BX

#define TILE4 \
	COLUMN4((0*PIXEL), Z0, Z1, Z2, Z3) \
	COLUMN4((1*PIXEL), Z4, Z5, Z6, Z7) \
	COLUMN4((2*PIXEL), Z8, Z9, Z10, Z11) \
	COLUMN4((3*PIXEL), Z12, Z13, Z14, Z15) \
	MOVQ DX, BX \
	LEAQ (R10)(R10*2), R12 \
	ALONG4(Z0, Z4, Z8, Z12) \
	ALONG4(Z1, Z5, Z9, Z13) \
	ALONG4(Z2, Z6, Z10, Z14) \
	ALONG4(Z3, Z7, Z11, Z15)

// The output transforms. Z31 is the least output: 0, or -Inf without Relu.

#define SETUP VPBROADCASTD AX, Z31

// GATHER6 transforms a column of the products of the tile, whose first is at R13, and
// moves on to the next.
#define GATHER6(O0, O1, O2, O3) \
	VMOVUPS (R13)(AX*1), Z24 \
	VMOVUPS (R13)(AX*2), Z25 \
	VMOVUPS (R13)(BX*1), Z26 \
	VMOVUPS (R13)(AX*4), Z27 \
	OUT6((R13), Z24, Z25, Z26, Z27, (R13)(R12*1), Z28, O0, O1, O2, O3) \
	ADDQ  WinogradOutF32Args_AXi(DI), R13

#define ROWOUT6(P, M0, M1, M2, M3, M4, M5, NORES, END) \
	IF_ROW(P, end) \
	OUT6(M0, M1, M2, M3, M4, M5, Z24, Z25, Z26, Z27, Z28) \
	ROW4(Z31, Z25, Z26, Z27, Z28, 25, 26, 27, 28, NORES, END)

#define TILEOUT6 \
	MOVQ  SI, R13 \
	GATHER6(Z0, Z1, Z2, Z3) \
	GATHER6(Z4, Z5, Z6, Z7) \
	GATHER6(Z8, Z9, Z10, Z11) \
	GATHER6(Z12, Z13, Z14, Z15) \
	GATHER6(Z16, Z17, Z18, Z19) \
	GATHER6(Z20, Z21, Z22, Z23) \
	MOVQ  DX, BX \
	MOVQ  R8, R13 \
	ROWOUT6(0, Z0, Z4, Z8, Z12, Z16, Z20, nores0, end0) \
	ROWOUT6(1, Z1, Z5, Z9, Z13, Z17, Z21, nores1, end1) \
	ROWOUT6(2, Z2, Z6, Z10, Z14, Z18, Z22, nores2, end2) \
	ROWOUT6(3, Z3, Z7, Z11, Z15, Z19, Z23, nores3, end3) \
end:

#define GATHER4(O0, O1) \
	VMOVUPS (R13)(AX*1), Z24 \
	VMOVUPS (R13)(AX*2), Z25 \
	OUT4((R13), Z24, Z25, (R13)(BX*1), O0, O1) \
	ADDQ  WinogradOutF32Args_AXi(DI), R13

#define ROWOUT4(P, M0, M1, M2, M3, NORES, END) \
	IF_ROW(P, end) \
	OUT4(M0, M1, M2, M3, Z25, Z26) \
	ROW2(Z31, Z25, Z26, 25, 26, NORES, END)

#define TILEOUT4 \
	MOVQ  SI, R13 \
	GATHER4(Z0, Z1) \
	GATHER4(Z4, Z5) \
	GATHER4(Z8, Z9) \
	GATHER4(Z12, Z13) \
	MOVQ  DX, BX \
	MOVQ  R8, R13 \
	ROWOUT4(0, Z0, Z4, Z8, Z12, nores0, end0) \
	ROWOUT4(1, Z1, Z5, Z9, Z13, nores1, end1) \
end:
