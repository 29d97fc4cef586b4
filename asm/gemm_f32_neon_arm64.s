//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"

#define PRODUCT(d, n, m, i) FMLAE(d, n, m, i)
#define ADDQUAD(r, q) LDRQ(30, 17, q); FADD4(4*r+q, 4*r+q, 30)
#define ADDRES(r) ADDQUAD(r, 0); ADDQUAD(r, 1); ADDQUAD(r, 2); ADDQUAD(r, 3); ADD R21, R17
#define STORE(r) STRQ(4*r, 16, 0); STRQ(4*r+1, 16, 1); STRQ(4*r+2, 16, 2); STRQ(4*r+3, 16, 3); ADD R21, R16
#define STORES(EACH) EACH(STORE)

#include "gemm_neon_arm64.h"

// func gemmF32NEON_<rows>x16(args *GemmF32Args)

TEXT ·gemmF32NEON_6x16(SB), NOSPLIT, $0-8
	GEMM(POINT6, FOUR6, ONE6, MUL6, EACH6)

TEXT ·gemmF32NEON_5x16(SB), NOSPLIT, $0-8
	GEMM(POINT5, FOUR5, ONE5, MUL5, EACH5)

TEXT ·gemmF32NEON_4x16(SB), NOSPLIT, $0-8
	GEMM(POINT4, FOUR4, ONE4, MUL4, EACH4)

TEXT ·gemmF32NEON_3x16(SB), NOSPLIT, $0-8
	GEMM(POINT3, FOUR3, ONE3, MUL3, EACH3)

TEXT ·gemmF32NEON_2x16(SB), NOSPLIT, $0-8
	GEMM(POINT2, FOUR2, ONE2, MUL2, EACH2)

TEXT ·gemmF32NEON_1x16(SB), NOSPLIT, $0-8
	GEMM(POINT1, FOUR1, ONE1, MUL1, EACH1)

// func peakF32NEON(n int)
TEXT ·peakF32NEON(SB), NOSPLIT, $0-8
	PEAK

// func encodingsNEON()
// The instructions that macros spell as numbers: a test compares them.
TEXT ·encodingsNEON(SB), NOSPLIT, $0-0
	FMLAE(0, 30, 24, 0)
	FMLAE(23, 31, 29, 3)
	FMLAE(5, 30, 16, 2)
	FADD4(23, 9, 30)
	FCMLT0(30, 17)
	BIT(12, 31, 30)
	MOV4(22, 3)
	LDRQ(30, 17, 3)
	STRQ(23, 16, 2)
	FMLSE(18, 6, 31, 1)
	FMULE(17, 6, 30, 3)
	FSUB4(20, 3, 17)
	FMUL4(16, 19, 17)
	FDIV4(3, 3, 16)
	FMIN4(0, 17, 29)
	FSQRT4(17, 16)
	FCMGT4(19, 7, 3)
	FCMGE4(2, 0, 13)
	FCMEQ4(23, 7, 7)
	BIF(3, 7, 23)
	FCVTZS4(1, 30)
	SCVTF4(3, 21)
	EXT(17, 20, 21, 12)
	FMLA4(7, 20, 16)
	FMAX4(6, 6, 21)
	FCVTNS4(9, 10)
	OR4(5, 1, 20)
	ADD4(10, 11, 30)
	SHL23(11, 8)
	BFDOTE(7, 30, 24, 3)
	BFDOTE(23, 31, 29, 0)
	FACGT4(26, 24, 5)
	AND4(26, 26, 25)
	BIC4(5, 5, 26)
	BFCVTN(27, 5)
	BFCVTN2(27, 6)
	SHLL16(31, 30)
	SHLL2_16(31, 30)
	UZP2(24, 0, 1)
	RET

// func encodingsNEONAddress() uintptr
TEXT ·encodingsNEONAddress(SB), NOSPLIT, $0-8
	MOVD $·encodingsNEON(SB), R0
	MOVD R0, ret+0(FP)
	RET
