//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "neon_arm64.h"
#include "pool_neon_arm64.h"

// WIDEN makes V(v) to V(v+3) of the sixteen bfloat16 at FROM, the number of a register.
#define WIDEN(v, FROM) \
	LDRQ(v, FROM, 0); LDRQ(v+2, FROM, 1) \
	SHLL2_16(v+1, v); SHLL16(v, v); SHLL2_16(v+3, v+2); SHLL16(v+2, v+2)

// FLUSH makes a zero of a subnormal number: V24 is the least normal one, V25 all but the sign.
#define FLUSH(d) FACGT4(26, 24, d); AND4(26, 26, 25); BIC4(d, d, 26)
#define FLUSHES MOVW $0x00800000, R17; VDUP R17, V24.S4; MOVW $0x7fffffff, R17; VDUP R17, V25.S4

// NARROW stores the sums V(v) to V(v+3) at TO as bfloat16.
#define NARROW(v, TO) \
	FLUSH(v); FLUSH(v+1); FLUSH(v+2); FLUSH(v+3) \
	BFCVTN(27, v); BFCVTN2(27, v+1); BFCVTN(28, v+2); BFCVTN2(28, v+3) \
	STRQ(27, TO, 0); STRQ(28, TO, 1)

#define PRODUCT(d, n, m, i) BFDOTE(d, n, m, i)
#define ADDRES(r) \
	WIDEN(26, 17) \
	FADD4(4*r, 4*r, 26); FADD4(4*r+1, 4*r+1, 27); FADD4(4*r+2, 4*r+2, 28); FADD4(4*r+3, 4*r+3, 29) \
	ADD R21, R17
#define STOREWIDE(r) STRQ(4*r, 16, 0); STRQ(4*r+1, 16, 1); STRQ(4*r+2, 16, 2); STRQ(4*r+3, 16, 3); ADD R21, R16
#define STORENARROW(r) NARROW(4*r, 16); ADD R21, R16
#define STORES(EACH) \
	MOVBU GemmBF16Args_Wide(R0), R17 \
	CBNZ R17, wide \
	FLUSHES \
	EACH(STORENARROW) \
	B    stored \
wide: \
	EACH(STOREWIDE) \
stored:

#include "gemm_neon_arm64.h"

// func gemmBF16NEON_<rows>x16(args *GemmBF16Args)

TEXT ·gemmBF16NEON_6x16(SB), NOSPLIT, $0-8
	GEMM(POINT6, FOUR6, ONE6, MUL6, EACH6)

TEXT ·gemmBF16NEON_5x16(SB), NOSPLIT, $0-8
	GEMM(POINT5, FOUR5, ONE5, MUL5, EACH5)

TEXT ·gemmBF16NEON_4x16(SB), NOSPLIT, $0-8
	GEMM(POINT4, FOUR4, ONE4, MUL4, EACH4)

TEXT ·gemmBF16NEON_3x16(SB), NOSPLIT, $0-8
	GEMM(POINT3, FOUR3, ONE3, MUL3, EACH3)

TEXT ·gemmBF16NEON_2x16(SB), NOSPLIT, $0-8
	GEMM(POINT2, FOUR2, ONE2, MUL2, EACH2)

TEXT ·gemmBF16NEON_1x16(SB), NOSPLIT, $0-8
	GEMM(POINT1, FOUR1, ONE1, MUL1, EACH1)

// func peakBF16NEON(n int)
TEXT ·peakBF16NEON(SB), NOSPLIT, $0-8
	PEAK

#define LOAD(v) WIDEN(v, 4)
#define SAVE UZP2(24, 0, 1); UZP2(25, 2, 3); STRQ(24, 2, 0); STRQ(25, 2, 1)

// func maxPoolBF16NEON(args *MaxPoolBF16Args)
TEXT ·maxPoolBF16NEON(SB), NOSPLIT, $0-8
	MAXPOOL(LOAD, SAVE)

// func narrowVectorsNEON(dst *uint16, src *float32, dstNext, n int)
TEXT ·narrowVectorsNEON(SB), NOSPLIT, $0-32
	MOVD dst+0(FP), R2
	MOVD src+8(FP), R1
	MOVD dstNext+16(FP), R3
	MOVD n+24(FP), R4
	CMP  $1, R4
	BLT  done
	FLUSHES
loop: // for ; n > 0; n--
	LDRQ(0, 1, 0)
	LDRQ(1, 1, 1)
	LDRQ(2, 1, 2)
	LDRQ(3, 1, 3)
	NARROW(0, 2)
	ADD  $64, R1
	ADD  R3, R2
	SUBS $1, R4
	BNE  loop
done:
	RET

// func widenVectorsNEON(dst *float32, src *uint16, n int)
TEXT ·widenVectorsNEON(SB), NOSPLIT, $0-24
	MOVD dst+0(FP), R2
	MOVD src+8(FP), R1
	MOVD n+16(FP), R4
	CMP  $1, R4
	BLT  done
loop: // for ; n > 0; n--
	WIDEN(0, 1)
	STRQ(0, 2, 0)
	STRQ(1, 2, 1)
	STRQ(2, 2, 2)
	STRQ(3, 2, 3)
	ADD  $32, R1
	ADD  $64, R2
	SUBS $1, R4
	BNE  loop
done:
	RET
