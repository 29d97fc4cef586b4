//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "funcdata.h"

#define PIXEL 64
#define NONE VXORPS Y0, Y0, Y0; VXORPS Y1, Y1, Y1
#define LOAD VMOVUPS (R10), Y0; VMOVUPS 32(R10), Y1
#define SAVE VMOVUPS Y0, (BX); VMOVUPS Y1, 32(BX)
#define RES(O, AT) VADDPS AT(R13), O, O
#define PUT(O, N, AT) VMOVUPS O, AT(BX)
#define GET(M, Z) VMOVUPS M, Z
#define KEEP(Z, N, M) VMOVUPS Z, M

#include "winograd_amd64.h"
#include "winograd_avx512_amd64.h"

// func winogradIn4F32AVX512(args *WinogradInF32Args)
// Requires: AVX512F
TEXT ·winogradIn4F32AVX512(SB), 0, $3136-8
	NO_LOCAL_POINTERS
	WINOGRAD_IN(4, 6, TILE6)

// func winogradIn2F32AVX512(args *WinogradInF32Args)
// Requires: AVX512F
TEXT ·winogradIn2F32AVX512(SB), 0, $3136-8
	NO_LOCAL_POINTERS
	WINOGRAD_IN(2, 4, TILE4)

// func winogradOut4F32AVX512(args *WinogradOutF32Args)
// Requires: AVX512F
TEXT ·winogradOut4F32AVX512(SB), NOSPLIT, $0-8
	WINOGRAD_OUT(4, 6, SETUP, TILEOUT6)

// func winogradOut2F32AVX512(args *WinogradOutF32Args)
// Requires: AVX512F
TEXT ·winogradOut2F32AVX512(SB), NOSPLIT, $0-8
	WINOGRAD_OUT(2, 4, SETUP, TILEOUT4)
