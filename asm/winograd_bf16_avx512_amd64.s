//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "funcdata.h"
#include "avx512bf16_amd64.h"

#define PIXEL 32
#define NONE VXORPS Y0, Y0, Y0
#define LOAD VMOVUPS (R10), Y0
#define SAVE VMOVUPS Y0, (BX)
#define RES(O, AT) VPMOVZXWD AT(R13), Z24; VPSLLD $16, Z24, Z24; VADDPS Z24, O, O
#define PUT(O, N, AT) VCVTNEPS2BF16(N, 24); VMOVUPS Y24, AT(BX)
#define GET(M, Z) VPMOVZXWD M, Z; VPSLLD $16, Z, Z
#define KEEP(Z, N, M) VCVTNEPS2BF16(N, 24); VMOVUPS Y24, M

#include "winograd_amd64.h"
#include "winograd_avx512_amd64.h"

// func winogradIn2BF16AVX512(args *WinogradInBF16Args)
// Requires: AVX512F, AVX512_BF16
TEXT ·winogradIn2BF16AVX512(SB), 0, $3136-8
	NO_LOCAL_POINTERS
	WINOGRAD_IN(2, 4, TILE4)

// func winogradOut2BF16AVX512(args *WinogradOutBF16Args)
// Requires: AVX512F, AVX512_BF16
TEXT ·winogradOut2BF16AVX512(SB), NOSPLIT, $0-8
	WINOGRAD_OUT(2, 4, SETUP, TILEOUT4)
