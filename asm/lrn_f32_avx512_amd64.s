//go:build !purego

#include "go_asm.h"
#include "textflag.h"

// Register map
//	SI	A	R8	Prev	R9	Next	DX	C	CX	rows left
//	Z0	x	Z1-Z3	squares of Prev, x and Next	Z4	sum	Z5 Z6	scratch
//	Z30	K	Z31	Alpha
// A missing neighbour is read from A, and its squares are cleared by the mask: K1 for
// Prev, K2 for Next.

// func lrnF32AVX512(args *LRNF32Args)
// Requires: AVX512F
TEXT ·lrnF32AVX512(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  LRNF32Args_Rows(DI), CX
	TESTQ CX, CX
	JLE   done
	MOVQ  LRNF32Args_A(DI), SI
	MOVQ  LRNF32Args_C(DI), DX
	VBROADCASTSS LRNF32Args_K(DI), Z30
	VBROADCASTSS LRNF32Args_Alpha(DI), Z31
	KXNORW K1, K1, K1
	KXNORW K2, K2, K2
	MOVQ  LRNF32Args_Prev(DI), R8
	TESTQ R8, R8
	JNZ   next
	MOVQ  SI, R8
	KXORW K1, K1, K1
next:
	MOVQ  LRNF32Args_Next(DI), R9
	TESTQ R9, R9
	JNZ   row
	MOVQ  SI, R9
	KXORW K2, K2, K2
row: // for r := 0; r < Rows; r++
	VMOVUPS (R8), Z1
	VMOVUPS (SI), Z0
	VMOVUPS (R9), Z3
	VMULPS.Z Z1, Z1, K1, Z1
	VMULPS Z0, Z0, Z2
	VMULPS.Z Z3, Z3, K2, Z3
	VALIGND $14, Z1, Z2, Z4   // x[-2]^2
	VALIGND $15, Z1, Z2, Z5   // x[-1]^2
	VADDPS Z5, Z4, Z4
	VADDPS Z2, Z4, Z4
	VALIGND $1, Z2, Z3, Z5    // x[1]^2
	VALIGND $2, Z2, Z3, Z6    // x[2]^2
	VADDPS Z5, Z4, Z4
	VADDPS Z6, Z4, Z4
	VMULPS Z31, Z4, Z4
	VADDPS Z4, Z30, Z4
	VSQRTPS Z4, Z4
	VSQRTPS Z4, Z5
	VMULPS Z5, Z4, Z4
	VDIVPS Z4, Z0, Z0
	VMOVUPS Z0, (DX)
	ADDQ  $64, R8
	ADDQ  $64, SI
	ADDQ  $64, R9
	ADDQ  $64, DX
	DECQ  CX
	JNZ   row
	VZEROUPPER
done:
	RET
