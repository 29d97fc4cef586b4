//go:build !purego

#include "go_asm.h"
#include "textflag.h"

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
DATA gauss<>+36(SB)/4, $126
GLOBL gauss<>(SB), RODATA|NOPTR, $40

DATA gaussLeast<>+0(SB)/8, $0xc2ac0000c2ac0000 // -86, eight times
DATA gaussLeast<>+8(SB)/8, $0xc2ac0000c2ac0000
DATA gaussLeast<>+16(SB)/8, $0xc2ac0000c2ac0000
DATA gaussLeast<>+24(SB)/8, $0xc2ac0000c2ac0000
GLOBL gaussLeast<>(SB), RODATA|NOPTR, $32

// Register map
//	SI	Inner	R8	Norms	DX	C	CX	vectors of eight left
//	Y0	x, then the fraction	Y1	its whole part	Y2	where x >= -86	Y3	scratch, the polynomial
//	Y4	Scale	Y5-Y14	constants	Y15	Norm

// func gaussF32AVX2(args *GaussF32Args)
// Requires: AVX2
TEXT ·gaussF32AVX2(SB), NOSPLIT, $0-8
	MOVQ  args+0(FP), DI
	MOVQ  GaussF32Args_Rows(DI), CX
	TESTQ CX, CX
	JLE   done
	SHLQ  $1, CX
	MOVQ  GaussF32Args_Inner(DI), SI
	MOVQ  GaussF32Args_Norms(DI), R8
	MOVQ  GaussF32Args_C(DI), DX
	VBROADCASTSS GaussF32Args_Scale(DI), Y4
	VBROADCASTSS gauss<>+0(SB), Y5
	VBROADCASTSS gauss<>+4(SB), Y6
	VBROADCASTSS gauss<>+8(SB), Y7
	VBROADCASTSS gauss<>+12(SB), Y8
	VBROADCASTSS gauss<>+16(SB), Y9
	VBROADCASTSS gauss<>+20(SB), Y10
	VBROADCASTSS gauss<>+24(SB), Y11
	VBROADCASTSS gauss<>+28(SB), Y12
	VBROADCASTSS gauss<>+32(SB), Y13
	VPBROADCASTD gauss<>+36(SB), Y14
	VBROADCASTSS GaussF32Args_Norm(DI), Y15
loop:
	VMOVUPS (SI), Y0
	VADDPS Y0, Y0, Y0
	VSUBPS Y15, Y0, Y0
	VSUBPS (R8), Y0, Y0
	VMULPS Y4, Y0, Y0          // x
	VXORPS Y3, Y3, Y3
	VMINPS Y0, Y3, Y0          // at most 0; not a number stays
	VCMPPS $13, gaussLeast<>(SB), Y0, Y2
	VMULPS Y5, Y0, Y0
	VCVTTPS2DQ Y0, Y1
	VCVTDQ2PS Y1, Y3
	VSUBPS Y12, Y3, Y3         // the whole part, one below the truncated one
	VSUBPS Y3, Y0, Y0
	VSUBPS Y6, Y0, Y0
	VMULPS Y7, Y0, Y0          // f
	VMULPS Y8, Y0, Y3
	VADDPS Y9, Y3, Y3
	VMULPS Y0, Y3, Y3
	VADDPS Y10, Y3, Y3
	VMULPS Y0, Y3, Y3
	VADDPS Y11, Y3, Y3
	VMULPS Y0, Y3, Y3
	VADDPS Y6, Y3, Y3
	VMULPS Y0, Y3, Y3
	VADDPS Y12, Y3, Y3
	VMULPS Y0, Y3, Y3
	VADDPS Y12, Y3, Y3
	VMULPS Y13, Y3, Y3
	VPADDD Y14, Y1, Y1
	VPSLLD $23, Y1, Y1         // 2^whole
	VMULPS Y1, Y3, Y3
	VANDPS Y2, Y3, Y3
	VMOVUPS Y3, (DX)
	ADDQ  $32, SI
	ADDQ  $32, R8
	ADDQ  $32, DX
	DECQ  CX
	JNZ   loop
	VZEROUPPER
done:
	RET
