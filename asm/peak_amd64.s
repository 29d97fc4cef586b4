//go:build !purego

#include "textflag.h"

// A multiply-add of three registers, four and more chains of them at a time: what the
// multiply units can do when nothing else is asked of the core.

#define FMA4(A, B, C, D) \
	VFMADD231PS Z28, Z29, A \
	VFMADD231PS Z28, Z29, B \
	VFMADD231PS Z28, Z29, C \
	VFMADD231PS Z28, Z29, D

// func peakF32AVX512(n int)
// Requires: AVX512F
TEXT ·peakF32AVX512(SB), NOSPLIT, $0-8
	MOVQ  n+0(FP), CX
	TESTQ CX, CX
	JLE   done
	VPXORD Z28, Z28, Z28
	VPXORD Z29, Z29, Z29
loop: // for ; n > 0; n--
	FMA4(Z0, Z1, Z2, Z3)
	FMA4(Z4, Z5, Z6, Z7)
	FMA4(Z8, Z9, Z10, Z11)
	FMA4(Z12, Z13, Z14, Z15)
	FMA4(Z16, Z17, Z18, Z19)
	FMA4(Z20, Z21, Z22, Z23)
	DECQ  CX
	JNZ   loop
	VZEROUPPER
done:
	RET

#define FMA4Y(A, B, C, D) \
	VFMADD231PS Y12, Y13, A \
	VFMADD231PS Y12, Y13, B \
	VFMADD231PS Y12, Y13, C \
	VFMADD231PS Y12, Y13, D

// func peakF32AVX2(n int)
// Requires: AVX, FMA3
TEXT ·peakF32AVX2(SB), NOSPLIT, $0-8
	MOVQ  n+0(FP), CX
	TESTQ CX, CX
	JLE   done
	VXORPS Y12, Y12, Y12
	VXORPS Y13, Y13, Y13
loop: // for ; n > 0; n--
	FMA4Y(Y0, Y1, Y2, Y3)
	FMA4Y(Y4, Y5, Y6, Y7)
	FMA4Y(Y8, Y9, Y10, Y11)
	DECQ  CX
	JNZ   loop
	VZEROUPPER
done:
	RET
