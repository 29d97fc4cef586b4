//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "funcdata.h"
#include "winograd_amd64.h"

// A tile is transformed in two halves of eight lanes; what lies between columns and rows
// does not fit the registers and goes through the stack.

#define FMA(C, X, ACC) VFMADD231PS C, X, ACC
#define FNMA(C, X, ACC) VFNMADD231PS C, X, ACC
#define MUL(C, X, OUT) VMULPS C, X, OUT

#define PIXEL 64
#define NONE VXORPS Y0, Y0, Y0; VXORPS Y1, Y1, Y1
#define LOAD VMOVUPS (R10), Y0; VMOVUPS 32(R10), Y1
#define SAVE VMOVUPS Y0, (BX); VMOVUPS Y1, 32(BX)
#define RES(O, AT) VADDPS AT(R13), O, O
#define PUT(O, N, AT) VMOVUPS O, AT(BX)

// HALVES runs HALF for both halves: those of lanes 8 to 15 are 32 bytes on.
#define HALVES(HALF, ON, BACK) \
	MOVQ $2, halves-8(SP) \
half: \
	HALF \
	ON \
	DECQ halves-8(SP) \
	JNZ  half \
	BACK

// The scratch memory of an input transform: a padded tile and half a tile.
#define SCRATCH 3528 // 36*(64 + 32), room to align it, and halves

// COLUMN6 transforms the column at byte AT of the rows of the tile, to byte TO of scratch
// memory.
#define COLUMN6(AT, TO) \
	VMOVUPS AT(R8), Y0 \
	VMOVUPS AT(R8)(R12*1), Y1 \
	VMOVUPS AT(R8)(R12*2), Y2 \
	VMOVUPS AT(R8)(R13*1), Y3 \
	VMOVUPS AT(R8)(R12*4), Y4 \
	VMOVUPS AT(R8)(AX*1), Y5 \
	IN6(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12) \
	VMOVUPS Y7, (TO+0)(SI) \
	VMOVUPS Y8, (TO+32)(SI) \
	VMOVUPS Y9, (TO+64)(SI) \
	VMOVUPS Y10, (TO+96)(SI) \
	VMOVUPS Y11, (TO+128)(SI) \
	VMOVUPS Y12, (TO+160)(SI)

// ALONG6 transforms the row at byte AT of the columns and stores it at BX.
#define ALONG6(AT) \
	VMOVUPS (AT+0)(SI), Y0 \
	VMOVUPS (AT+192)(SI), Y1 \
	VMOVUPS (AT+384)(SI), Y2 \
	VMOVUPS (AT+576)(SI), Y3 \
	VMOVUPS (AT+768)(SI), Y4 \
	VMOVUPS (AT+960)(SI), Y5 \
	IN6(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12) \
	NEXT(Y7) \
	NEXT(Y8) \
	NEXT(Y9) \
	NEXT(Y10) \
	NEXT(Y11) \
	NEXT(Y12)

#define NEXT(Y) \
	VMOVUPS Y, (BX) \
	ADDQ R10, BX

#define HALF6 \
	COLUMN6(0, 2304) \
	COLUMN6(64, 2496) \
	COLUMN6(128, 2688) \
	COLUMN6(192, 2880) \
	COLUMN6(256, 3072) \
	COLUMN6(320, 3264) \
	MOVQ DX, BX \
	ALONG6(2304) \
	ALONG6(2336) \
	ALONG6(2368) \
	ALONG6(2400) \
	ALONG6(2432) \
	ALONG6(2464)

#define IN_ON ADDQ $32, R8; ADDQ $32, DX
#define IN_BACK SUBQ $64, DX
#define TILE6 HALVES(HALF6, IN_ON, IN_BACK)

// func winogradIn4F32AVX2(args *WinogradInF32Args)
// Requires: AVX, FMA3
TEXT ·winogradIn4F32AVX2(SB), 0, $3528-8
	NO_LOCAL_POINTERS
	WINOGRAD_IN(4, 6, TILE6)

#define COLUMN4(AT, TO) \
	VMOVUPS AT(R8), Y0 \
	VMOVUPS AT(R8)(R12*1), Y1 \
	VMOVUPS AT(R8)(R12*2), Y2 \
	VMOVUPS AT(R8)(R13*1), Y3 \
	IN4(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7) \
	VMOVUPS Y4, (TO+0)(SI) \
	VMOVUPS Y5, (TO+32)(SI) \
	VMOVUPS Y6, (TO+64)(SI) \
	VMOVUPS Y7, (TO+96)(SI)

#define ALONG4(AT) \
	VMOVUPS (AT+0)(SI), Y0 \
	VMOVUPS (AT+128)(SI), Y1 \
	VMOVUPS (AT+256)(SI), Y2 \
	VMOVUPS (AT+384)(SI), Y3 \
	IN4(Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7) \
	NEXT(Y4) \
	NEXT(Y5) \
	NEXT(Y6) \
	NEXT(Y7)

#define HALF4 \
	COLUMN4(0, 2304) \
	COLUMN4(64, 2432) \
	COLUMN4(128, 2560) \
	COLUMN4(192, 2688) \
	MOVQ DX, BX \
	ALONG4(2304) \
	ALONG4(2336) \
	ALONG4(2368) \
	ALONG4(2400)

#define TILE4 HALVES(HALF4, IN_ON, IN_BACK)

// func winogradIn2F32AVX2(args *WinogradInF32Args)
// Requires: AVX
TEXT ·winogradIn2F32AVX2(SB), 0, $3528-8
	NO_LOCAL_POINTERS
	WINOGRAD_IN(2, 4, TILE4)

// The output transforms. Y15 is the least output: 0, or -Inf without Relu; R10 is
// scratch memory.

#define SETUP \
	MOVQ AX, X15 \
	VBROADCASTSS X15, Y15 \
	LEAQ scratch-840(SP), R10 \
	ADDQ $31, R10 \
	ANDQ $-32, R10

#define GATHER6(TO) \
	VMOVUPS (R13)(AX*1), Y0 \
	VMOVUPS (R13)(AX*2), Y1 \
	VMOVUPS (R13)(BX*1), Y2 \
	VMOVUPS (R13)(AX*4), Y3 \
	OUT6((R13), Y0, Y1, Y2, Y3, (R13)(R12*1), Y4, Y5, Y6, Y7, Y8) \
	VMOVUPS Y5, (TO+0)(R10) \
	VMOVUPS Y6, (TO+32)(R10) \
	VMOVUPS Y7, (TO+64)(R10) \
	VMOVUPS Y8, (TO+96)(R10) \
	ADDQ WinogradOutF32Args_AXi(DI), R13

#define ROWOUT6(P, NORES, END) \
	IF_ROW(P, end) \
	VMOVUPS (32*P+128)(R10), Y0 \
	VMOVUPS (32*P+256)(R10), Y1 \
	VMOVUPS (32*P+384)(R10), Y2 \
	VMOVUPS (32*P+512)(R10), Y3 \
	OUT6((32*P)(R10), Y0, Y1, Y2, Y3, (32*P+640)(R10), Y4, Y5, Y6, Y7, Y8) \
	ROW4(Y15, Y5, Y6, Y7, Y8, 5, 6, 7, 8, NORES, END)

#define HALFOUT6 \
	MOVQ SI, R13 \
	GATHER6(0) \
	GATHER6(128) \
	GATHER6(256) \
	GATHER6(384) \
	GATHER6(512) \
	GATHER6(640) \
	MOVQ BX, triple-16(SP) \
	MOVQ DX, BX \
	MOVQ R8, R13 \
	ROWOUT6(0, nores0, end0) \
	ROWOUT6(1, nores1, end1) \
	ROWOUT6(2, nores2, end2) \
	ROWOUT6(3, nores3, end3) \
end: \
	MOVQ triple-16(SP), BX

#define OUT_ON ADDQ $32, SI; ADDQ $32, DX; ADDQ $32, R8; ADDQ $32, R11
#define OUT_BACK SUBQ $64, SI; SUBQ $64, DX; SUBQ $64, R8; SUBQ $64, R11
#define TILEOUT6 HALVES(HALFOUT6, OUT_ON, OUT_BACK)

// func winogradOut4F32AVX2(args *WinogradOutF32Args)
// Requires: AVX2, FMA3
TEXT ·winogradOut4F32AVX2(SB), 0, $840-8
	NO_LOCAL_POINTERS
	WINOGRAD_OUT(4, 6, SETUP, TILEOUT6)

// GATHER4 is GATHER6 for two outputs; all of it fits the registers.
#define GATHER4(O0, O1) \
	VMOVUPS (R13)(AX*1), Y8 \
	VMOVUPS (R13)(AX*2), Y9 \
	OUT4((R13), Y8, Y9, (R13)(BX*1), O0, O1) \
	ADDQ WinogradOutF32Args_AXi(DI), R13

#define ROWOUT4(P, M0, M1, M2, M3, NORES, END) \
	IF_ROW(P, end) \
	OUT4(M0, M1, M2, M3, Y8, Y9) \
	ROW2(Y15, Y8, Y9, 8, 9, NORES, END)

#define HALFOUT4 \
	MOVQ SI, R13 \
	GATHER4(Y0, Y1) \
	GATHER4(Y2, Y3) \
	GATHER4(Y4, Y5) \
	GATHER4(Y6, Y7) \
	MOVQ BX, triple-16(SP) \
	MOVQ DX, BX \
	MOVQ R8, R13 \
	ROWOUT4(0, Y0, Y2, Y4, Y6, nores0, end0) \
	ROWOUT4(1, Y1, Y3, Y5, Y7, nores1, end1) \
end: \
	MOVQ triple-16(SP), BX

#define TILEOUT4 HALVES(HALFOUT4, OUT_ON, OUT_BACK)

// func winogradOut2F32AVX2(args *WinogradOutF32Args)
// Requires: AVX2
TEXT ·winogradOut2F32AVX2(SB), 0, $840-8
	NO_LOCAL_POINTERS
	WINOGRAD_OUT(2, 4, SETUP, TILEOUT4)
