//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"
#include "pool_neon_arm64.h"

#define LOAD(v) LDRQ(v, 4, 0); LDRQ(v+1, 4, 1); LDRQ(v+2, 4, 2); LDRQ(v+3, 4, 3)
#define SAVE STRQ(0, 2, 0); STRQ(1, 2, 1); STRQ(2, 2, 2); STRQ(3, 2, 3)

// func maxPoolF32NEON(args *MaxPoolF32Args)
TEXT ·maxPoolF32NEON(SB), NOSPLIT, $0-8
	MAXPOOL(LOAD, SAVE)

// NORM divides the quarter x by the root of the root of the cube of K + Alpha times the sum
// of s, its squares, and those of its four neighbours: b are the squares before, n those after.
#define NORM(x, b, s, n) \
	EXT(16, b, s, 8) \
	EXT(17, b, s, 12) \
	EXT(18, s, n, 4) \
	EXT(19, s, n, 8) \
	FADD4(16, 16, 17) \
	FADD4(16, 16, s) \
	FADD4(16, 16, 18) \
	FADD4(16, 16, 19) \
	FMULE(16, 16, 31, 0) \
	FADD4(16, 30, 16) \
	FSQRT4(16, 16) \
	FSQRT4(17, 16) \
	FMUL4(16, 16, 17) \
	FDIV4(x, x, 16)

// func lrnF32NEON(args *LRNF32Args)
// V0-V3 x, V20-V25 the squares of Prev's last quarter, x, and Next's first; V30 K, V31 Alpha
TEXT ·lrnF32NEON(SB), NOSPLIT, $0-8
	MOVD args+0(FP), R0
	MOVD LRNF32Args_A(R0), R1
	MOVD LRNF32Args_Prev(R0), R2
	MOVD LRNF32Args_Next(R0), R3
	MOVD LRNF32Args_C(R0), R4
	MOVD LRNF32Args_Rows(R0), R5
	FMOVS LRNF32Args_Alpha(R0), F31
	FMOVS LRNF32Args_K(R0), F30
	VDUP V30.S[0], V30.S4
	VEOR V20.B16, V20.B16, V20.B16
	VEOR V25.B16, V25.B16, V25.B16
	CMP  $1, R5
	BLT  done
row: // for r := 0; r < Rows; r++
	CBZ  R2, next
	LDRQ(20, 2, 3)
	FMUL4(20, 20, 20)
	ADD  $64, R2
next:
	CBZ  R3, squares
	LDRQ(25, 3, 0)
	FMUL4(25, 25, 25)
	ADD  $64, R3
squares:
	LDRQ(0, 1, 0)
	LDRQ(1, 1, 1)
	LDRQ(2, 1, 2)
	LDRQ(3, 1, 3)
	FMUL4(21, 0, 0)
	FMUL4(22, 1, 1)
	FMUL4(23, 2, 2)
	FMUL4(24, 3, 3)
	NORM(0, 20, 21, 22)
	NORM(1, 21, 22, 23)
	NORM(2, 22, 23, 24)
	NORM(3, 23, 24, 25)
	STRQ(0, 4, 0)
	STRQ(1, 4, 1)
	STRQ(2, 4, 2)
	STRQ(3, 4, 3)
	ADD  $64, R1
	ADD  $64, R4
	SUBS $1, R5
	BNE  row
done:
	RET

// The constants of gaussF32Ref, as bits.
DATA gauss<>+0(SB)/4, $0x3fb8aa3b  // log2 e
DATA gauss<>+4(SB)/4, $0x3f000000  // 1/2
DATA gauss<>+8(SB)/4, $0x3f317218  // ln 2
DATA gauss<>+12(SB)/4, $0x3ab60b61 // 1/720
DATA gauss<>+16(SB)/4, $0x3c088889 // 1/120
DATA gauss<>+20(SB)/4, $0x3d2aaaab // 1/24
DATA gauss<>+24(SB)/4, $0x3e2aaaab // 1/6
DATA gauss<>+28(SB)/4, $0x3f800000 // 1
DATA gauss<>+32(SB)/4, $0x3fb504f3 // sqrt 2
DATA gauss<>+36(SB)/4, $0xc2ac0000 // -86
DATA gauss<>+40(SB)/4, $126
DATA gauss<>+44(SB)/4, $0
GLOBL gauss<>(SB), RODATA|NOPTR, $48

// func gaussF32NEON(args *GaussF32Args)
// V0 x, then the fraction; V1 its whole part; V2 where x >= -86; V3 scratch, the polynomial;
// V4 log2 e, 1/2, ln 2, 1/720	V5-V9 1/2, 1/120, 1/24, 1/6, 1	V13 -86	V14 126	V21 sqrt 2 first
// V28 Norm	V29 0	V30 Scale first
TEXT ·gaussF32NEON(SB), NOSPLIT, $0-8
	MOVD args+0(FP), R0
	MOVD GaussF32Args_Inner(R0), R1
	MOVD GaussF32Args_Norms(R0), R2
	MOVD GaussF32Args_C(R0), R3
	MOVD GaussF32Args_Rows(R0), R4
	CMP  $1, R4
	BLT  done
	LSL  $2, R4
	FMOVS GaussF32Args_Norm(R0), F28
	VDUP V28.S[0], V28.S4
	FMOVS GaussF32Args_Scale(R0), F30
	VEOR V29.B16, V29.B16, V29.B16
	MOVD $gauss<>(SB), R5
	LDRQ(4, 5, 0)
	LDRQ(20, 5, 1)
	LDRQ(21, 5, 2)
	VDUP V4.S[1], V5.S4   // 1/2
	VDUP V20.S[0], V6.S4  // 1/120
	VDUP V20.S[1], V7.S4  // 1/24
	VDUP V20.S[2], V8.S4  // 1/6
	VDUP V20.S[3], V9.S4  // 1
	VDUP V21.S[1], V13.S4
	VDUP V21.S[2], V14.S4
loop: // a quarter of a vector at a time
	LDRQ(0, 1, 0)
	LDRQ(3, 2, 0)
	FADD4(0, 0, 0)
	FSUB4(0, 0, 28)
	FSUB4(0, 0, 3)
	FMULE(0, 0, 30, 0) // x
	FMIN4(0, 0, 29)    // at most 0; not a number stays
	FCMGE4(2, 0, 13)
	FMULE(0, 0, 4, 0)
	FCVTZS4(1, 0)
	SCVTF4(3, 1)
	FSUB4(3, 3, 9) // the whole part, one below the truncated one
	FSUB4(0, 0, 3)
	FSUB4(0, 0, 5)
	FMULE(0, 0, 4, 2) // f
	FMULE(3, 0, 4, 3)
	FADD4(3, 3, 6)
	FMUL4(3, 3, 0)
	FADD4(3, 3, 7)
	FMUL4(3, 3, 0)
	FADD4(3, 3, 8)
	FMUL4(3, 3, 0)
	FADD4(3, 3, 5)
	FMUL4(3, 3, 0)
	FADD4(3, 3, 9)
	FMUL4(3, 3, 0)
	FADD4(3, 3, 9)
	FMULE(3, 3, 21, 0) // sqrt 2
	VADD V14.S4, V1.S4, V1.S4
	VSHL $23, V1.S4, V1.S4 // 2^whole
	FMUL4(3, 3, 1)
	VAND V2.B16, V3.B16, V3.B16
	STRQ(3, 3, 0)
	ADD  $16, R1
	ADD  $16, R2
	ADD  $16, R3
	SUBS $1, R4
	BNE  loop
done:
	RET
