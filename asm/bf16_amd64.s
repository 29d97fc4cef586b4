//go:build !purego

#include "go_asm.h"
#include "textflag.h"
#include "avx512bf16_amd64.h"

// func narrowBF16AVX512(args *NarrowBF16Args)
// Requires: AVX512F, AVX512_BF16
TEXT ·narrowBF16AVX512(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  NarrowBF16Args_Rows(DI), CX
	TESTQ CX, CX
	JLE   done
	MOVQ  NarrowBF16Args_A(DI), SI
	MOVQ  NarrowBF16Args_C(DI), DX
row: // for r := 0; r < Rows; r++
	VMOVUPS (SI), Z0
	VCVTNEPS2BF16(0, 1)
	VMOVUPS Y1, (DX)
	ADDQ  $64, SI
	ADDQ  $32, DX
	DECQ  CX
	JNZ   row
	VZEROUPPER
done:
	RET

// func widenBF16AVX512(args *WidenBF16Args)
// Requires: AVX512F
TEXT ·widenBF16AVX512(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  WidenBF16Args_Rows(DI), CX
	TESTQ CX, CX
	JLE   done
	MOVQ  WidenBF16Args_A(DI), SI
	MOVQ  WidenBF16Args_C(DI), DX
row: // for r := 0; r < Rows; r++
	VPMOVZXWD (SI), Z0
	VPSLLD $16, Z0, Z0
	VMOVUPS Z0, (DX)
	ADDQ  $32, SI
	ADDQ  $64, DX
	DECQ  CX
	JNZ   row
	VZEROUPPER
done:
	RET

// func peakBF16AVX512(n int)
// Requires: AVX512F, AVX512_BF16
TEXT ·peakBF16AVX512(SB), NOSPLIT, $0-8
	MOVQ  n+0(FP), CX
	TESTQ CX, CX
	JLE   done
	VPXORD Z28, Z28, Z28
	VPXORD Z29, Z29, Z29
loop: // for ; n > 0; n--
	VDPBF16PS(28, 29, 0)
	VDPBF16PS(28, 29, 1)
	VDPBF16PS(28, 29, 2)
	VDPBF16PS(28, 29, 3)
	VDPBF16PS(28, 29, 4)
	VDPBF16PS(28, 29, 5)
	VDPBF16PS(28, 29, 6)
	VDPBF16PS(28, 29, 7)
	VDPBF16PS(28, 29, 8)
	VDPBF16PS(28, 29, 9)
	VDPBF16PS(28, 29, 10)
	VDPBF16PS(28, 29, 11)
	VDPBF16PS(28, 29, 12)
	VDPBF16PS(28, 29, 13)
	VDPBF16PS(28, 29, 14)
	VDPBF16PS(28, 29, 15)
	VDPBF16PS(28, 29, 16)
	VDPBF16PS(28, 29, 17)
	VDPBF16PS(28, 29, 18)
	VDPBF16PS(28, 29, 19)
	VDPBF16PS(28, 29, 20)
	VDPBF16PS(28, 29, 21)
	VDPBF16PS(28, 29, 22)
	VDPBF16PS(28, 29, 23)
	DECQ  CX
	JNZ   loop
	VZEROUPPER
done:
	RET

// The instructions of avx512bf16_amd64.h in the order of TestEncodingsBF16, which reads
// their bytes; never run.
TEXT ·encodingsBF16(SB), NOSPLIT, $0-0
	VDPBF16PS(28, 30, 0)
	VDPBF16PS(29, 31, 27)
	VDPBF16PS(5, 10, 15)
	VDPBF16PS(1, 2, 3)
	VDPBF16PS(8, 16, 24)
	VCVTNEPS2BF16(0, 0)
	VCVTNEPS2BF16(27, 31)
	VCVTNEPS2BF16(9, 12)
	RET

// func encodingsBF16Address() uintptr
TEXT ·encodingsBF16Address(SB), NOSPLIT, $0-8
	LEAQ ·encodingsBF16(SB), AX
	MOVQ AX, ret+0(FP)
	RET
