//go:build !purego

#include "textflag.h"

// Element-wise kernels over rows of 16 channels, two YMM registers a row.

// func sumsAVX2(x *float32, rows int, sum, square *[16]float32)
//	for each row { sum += x; square += x*x }
TEXT ·sumsAVX2(SB), NOSPLIT, $0-32
	MOVQ x+0(FP), SI
	MOVQ rows+8(FP), CX
	MOVQ sum+16(FP), AX
	MOVQ square+24(FP), BX
	VMOVUPS (AX), Y0
	VMOVUPS 32(AX), Y1
	VMOVUPS (BX), Y2
	VMOVUPS 32(BX), Y3
	TESTQ CX, CX
	JLE done
loop:
	VMOVUPS (SI), Y4
	VMOVUPS 32(SI), Y5
	VADDPS Y4, Y0, Y0
	VADDPS Y5, Y1, Y1
	VFMADD231PS Y4, Y4, Y2
	VFMADD231PS Y5, Y5, Y3
	ADDQ $64, SI
	DECQ CX
	JNZ loop
done:
	VMOVUPS Y0, (AX)
	VMOVUPS Y1, 32(AX)
	VMOVUPS Y2, (BX)
	VMOVUPS Y3, 32(BX)
	VZEROUPPER
	RET

// func affineAVX2(x, z *float32, rows int, a, b *[16]float32, floor float32)
//	for each row { z = max(a*x + b, floor) }
TEXT ·affineAVX2(SB), NOSPLIT, $0-44
	MOVQ x+0(FP), SI
	MOVQ z+8(FP), DI
	MOVQ rows+16(FP), CX
	MOVQ a+24(FP), AX
	MOVQ b+32(FP), BX
	VMOVUPS (AX), Y0
	VMOVUPS 32(AX), Y1
	VMOVUPS (BX), Y2
	VMOVUPS 32(BX), Y3
	VBROADCASTSS floor+40(FP), Y6
	TESTQ CX, CX
	JLE done
loop:
	VMOVAPS Y2, Y4
	VMOVAPS Y3, Y5
	VFMADD231PS (SI), Y0, Y4
	VFMADD231PS 32(SI), Y1, Y5
	VMAXPS Y4, Y6, Y4
	VMAXPS Y5, Y6, Y5
	VMOVUPS Y4, (DI)
	VMOVUPS Y5, 32(DI)
	ADDQ $64, SI
	ADDQ $64, DI
	DECQ CX
	JNZ loop
done:
	VZEROUPPER
	RET

// func affineAddAVX2(x, y, z *float32, rows int, a, b *[16]float32, floor float32)
//	for each row { z = max(a*x + b + y, floor) }
TEXT ·affineAddAVX2(SB), NOSPLIT, $0-52
	MOVQ x+0(FP), SI
	MOVQ y+8(FP), DX
	MOVQ z+16(FP), DI
	MOVQ rows+24(FP), CX
	MOVQ a+32(FP), AX
	MOVQ b+40(FP), BX
	VMOVUPS (AX), Y0
	VMOVUPS 32(AX), Y1
	VMOVUPS (BX), Y2
	VMOVUPS 32(BX), Y3
	VBROADCASTSS floor+48(FP), Y6
	TESTQ CX, CX
	JLE done
loop:
	VMOVAPS Y2, Y4
	VMOVAPS Y3, Y5
	VFMADD231PS (SI), Y0, Y4
	VFMADD231PS 32(SI), Y1, Y5
	VADDPS (DX), Y4, Y4
	VADDPS 32(DX), Y5, Y5
	VMAXPS Y4, Y6, Y4
	VMAXPS Y5, Y6, Y5
	VMOVUPS Y4, (DI)
	VMOVUPS Y5, 32(DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	DECQ CX
	JNZ loop
done:
	VZEROUPPER
	RET

// func gradSumsAVX2(d, x *float32, rows int, a, b, sum, product *[16]float32)
//	for each row { m := d where a*x + b > 0, else 0; sum += m; product += m*x }
TEXT ·gradSumsAVX2(SB), NOSPLIT, $0-56
	MOVQ d+0(FP), SI
	MOVQ x+8(FP), DX
	MOVQ rows+16(FP), CX
	MOVQ a+24(FP), AX
	MOVQ b+32(FP), BX
	VMOVUPS (AX), Y0
	VMOVUPS 32(AX), Y1
	VMOVUPS (BX), Y2
	VMOVUPS 32(BX), Y3
	MOVQ sum+40(FP), AX
	MOVQ product+48(FP), BX
	VMOVUPS (AX), Y8
	VMOVUPS 32(AX), Y9
	VMOVUPS (BX), Y10
	VMOVUPS 32(BX), Y11
	VXORPS Y12, Y12, Y12
	TESTQ CX, CX
	JLE done
loop:
	VMOVUPS (DX), Y4
	VMOVUPS 32(DX), Y5
	VMOVAPS Y2, Y6
	VMOVAPS Y3, Y7
	VFMADD231PS Y4, Y0, Y6
	VFMADD231PS Y5, Y1, Y7
	VCMPPS $0x1E, Y12, Y6, Y6 // greater than 0
	VCMPPS $0x1E, Y12, Y7, Y7
	VANDPS (SI), Y6, Y6
	VANDPS 32(SI), Y7, Y7
	VADDPS Y6, Y8, Y8
	VADDPS Y7, Y9, Y9
	VFMADD231PS Y6, Y4, Y10
	VFMADD231PS Y7, Y5, Y11
	ADDQ $64, SI
	ADDQ $64, DX
	DECQ CX
	JNZ loop
done:
	VMOVUPS Y8, (AX)
	VMOVUPS Y9, 32(AX)
	VMOVUPS Y10, (BX)
	VMOVUPS Y11, 32(BX)
	VZEROUPPER
	RET

// func gradAffineAVX2(d, x, out *float32, rows int, a, b, p, q, r *[16]float32)
//	for each row { m := d where a*x + b > 0, else 0; out = p*m + q*x + r }
TEXT ·gradAffineAVX2(SB), NOSPLIT, $0-72
	MOVQ d+0(FP), SI
	MOVQ x+8(FP), DX
	MOVQ out+16(FP), DI
	MOVQ rows+24(FP), CX
	MOVQ a+32(FP), AX
	MOVQ b+40(FP), BX
	VMOVUPS (AX), Y0
	VMOVUPS 32(AX), Y1
	VMOVUPS (BX), Y2
	VMOVUPS 32(BX), Y3
	MOVQ p+48(FP), AX
	MOVQ q+56(FP), BX
	MOVQ r+64(FP), R8
	VMOVUPS (AX), Y8
	VMOVUPS 32(AX), Y9
	VMOVUPS (BX), Y10
	VMOVUPS 32(BX), Y11
	VMOVUPS (R8), Y13
	VMOVUPS 32(R8), Y14
	VXORPS Y12, Y12, Y12
	TESTQ CX, CX
	JLE done
loop:
	VMOVUPS (DX), Y4
	VMOVUPS 32(DX), Y5
	VMOVAPS Y2, Y6
	VMOVAPS Y3, Y7
	VFMADD231PS Y4, Y0, Y6
	VFMADD231PS Y5, Y1, Y7
	VCMPPS $0x1E, Y12, Y6, Y6
	VCMPPS $0x1E, Y12, Y7, Y7
	VANDPS (SI), Y6, Y6
	VANDPS 32(SI), Y7, Y7
	VFMADD213PS Y13, Y10, Y4 // q*x + r
	VFMADD213PS Y14, Y11, Y5
	VFMADD231PS Y6, Y8, Y4
	VFMADD231PS Y7, Y9, Y5
	VMOVUPS Y4, (DI)
	VMOVUPS Y5, 32(DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	DECQ CX
	JNZ loop
done:
	VZEROUPPER
	RET

// func maskAVX2(z, d *float32, rows int)
//	for each row { d = d where z > 0, else 0 }
TEXT ·maskAVX2(SB), NOSPLIT, $0-24
	MOVQ z+0(FP), SI
	MOVQ d+8(FP), DI
	MOVQ rows+16(FP), CX
	VXORPS Y12, Y12, Y12
	TESTQ CX, CX
	JLE done
loop:
	VMOVUPS (SI), Y0
	VMOVUPS 32(SI), Y1
	VCMPPS $0x1E, Y12, Y0, Y0
	VCMPPS $0x1E, Y12, Y1, Y1
	VANDPS (DI), Y0, Y0
	VANDPS 32(DI), Y1, Y1
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ $64, SI
	ADDQ $64, DI
	DECQ CX
	JNZ loop
done:
	VZEROUPPER
	RET

// func descendAVX2(w, grad, v *float32, rows int, decay, momentum, rate float32)
//	for each row { h := grad + decay*w; v = momentum*v + h; w -= rate*(h + momentum*v) }
TEXT ·descendAVX2(SB), NOSPLIT, $0-44
	MOVQ w+0(FP), DI
	MOVQ grad+8(FP), SI
	MOVQ v+16(FP), DX
	MOVQ rows+24(FP), CX
	VBROADCASTSS decay+32(FP), Y10
	VBROADCASTSS momentum+36(FP), Y11
	VBROADCASTSS rate+40(FP), Y12
	TESTQ CX, CX
	JLE done
loop:
	VMOVUPS (DI), Y0
	VMOVUPS 32(DI), Y1
	VMOVUPS (SI), Y2
	VMOVUPS 32(SI), Y3
	VFMADD231PS Y0, Y10, Y2
	VFMADD231PS Y1, Y10, Y3
	VMOVUPS (DX), Y4
	VMOVUPS 32(DX), Y5
	VFMADD213PS Y2, Y11, Y4
	VFMADD213PS Y3, Y11, Y5
	VMOVUPS Y4, (DX)
	VMOVUPS Y5, 32(DX)
	VFMADD213PS Y2, Y11, Y4
	VFMADD213PS Y3, Y11, Y5
	VFNMADD231PS Y4, Y12, Y0
	VFNMADD231PS Y5, Y12, Y1
	VMOVUPS Y0, (DI)
	VMOVUPS Y1, 32(DI)
	ADDQ $64, SI
	ADDQ $64, DX
	ADDQ $64, DI
	DECQ CX
	JNZ loop
done:
	VZEROUPPER
	RET
