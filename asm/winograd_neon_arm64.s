//go:build !purego

#include "textflag.h"
#include "neon_arm64.h"

// Winograd's transforms in one dimension, of lines of vectors of sixteen lanes: the same steps
// in the same order as winograd_amd64.h has, so that the bits are the same.
//
//	R0	lines left	R16	src	R17	srcStep, then srcNext	R19	dst	R20	dstNext
//	R1-R6	the vectors of a line		R8-R13	those of its transform
//	V0-V6	a quarter of the line	V16-V21	its transform
//	V31	a, b, a^2, b^2		V30	a^3, b^3, a^2 b^2, a^2 + b^2	for the points 5/8 and 3/2

DATA points<>+0(SB)/4, $0.625
DATA points<>+4(SB)/4, $1.5
DATA points<>+8(SB)/4, $0.390625
DATA points<>+12(SB)/4, $2.25
DATA points<>+16(SB)/4, $0.244140625
DATA points<>+20(SB)/4, $3.375
DATA points<>+24(SB)/4, $0.87890625
DATA points<>+28(SB)/4, $2.640625
GLOBL points<>(SB), RODATA, $32

#define IN4(q) \
	LDRQ(0, 1, q); LDRQ(1, 2, q); LDRQ(2, 3, q); LDRQ(3, 4, q) \
	FSUB4(16, 0, 2); FADD4(17, 1, 2); FSUB4(18, 2, 1); FSUB4(19, 3, 1) \
	STRQ(16, 8, q); STRQ(17, 9, q); STRQ(18, 10, q); STRQ(19, 11, q)

#define OUT4(q) \
	LDRQ(0, 1, q); LDRQ(1, 2, q); LDRQ(2, 3, q); LDRQ(3, 4, q) \
	FADD4(16, 1, 2); FSUB4(17, 1, 2); FADD4(16, 16, 0); FADD4(17, 17, 3) \
	STRQ(16, 8, q); STRQ(17, 9, q)

#define LOAD6(q) LDRQ(0, 1, q); LDRQ(1, 2, q); LDRQ(2, 3, q); LDRQ(3, 4, q); LDRQ(4, 5, q); LDRQ(5, 6, q)

#define IN6(q) \
	LOAD6(q) \
	MOV4(16, 4); MOV4(21, 5) \
	FMLAE(16, 0, 30, 2); FMLAE(21, 1, 30, 2) \
	FMLSE(16, 2, 30, 3); FMLSE(21, 3, 30, 3) \
	MOV4(6, 3); MOV4(17, 4) \
	FMLSE(6, 1, 31, 3); FMLSE(17, 2, 31, 3) \
	MOV4(18, 17) \
	FMLAE(17, 6, 31, 0); FMLSE(18, 6, 31, 0) \
	MOV4(6, 3); MOV4(19, 4) \
	FMLSE(6, 1, 31, 2); FMLSE(19, 2, 31, 2) \
	MOV4(20, 19) \
	FMLAE(19, 6, 31, 1); FMLSE(20, 6, 31, 1) \
	STRQ(16, 8, q); STRQ(17, 9, q); STRQ(18, 10, q); STRQ(19, 11, q); STRQ(20, 12, q); STRQ(21, 13, q)

#define OUT6(q) \
	LOAD6(q) \
	FSUB4(6, 1, 2); FADD4(1, 1, 2); FSUB4(2, 3, 4); FADD4(3, 3, 4) \
	FADD4(16, 1, 3) \
	FMULE(17, 6, 31, 0); FMULE(18, 1, 31, 2) \
	MOV4(19, 5) \
	FMLAE(19, 6, 30, 0) \
	FADD4(16, 16, 0) \
	FMLAE(17, 2, 31, 1); FMLAE(18, 3, 31, 3); FMLAE(19, 2, 30, 1) \
	STRQ(16, 8, q); STRQ(17, 9, q); STRQ(18, 10, q); STRQ(19, 11, q)

// LINES is the loop over lines.
#define LINES(DO) \
	MOVD $points<>(SB), R21 \
	LDRQ(31, 21, 0) \
	LDRQ(30, 21, 1) \
	MOVD dst+0(FP), R19 \
	MOVD src+8(FP), R16 \
	MOVD dstStep+16(FP), R20 \
	MOVD srcStep+24(FP), R17 \
	MOVD dstNext+32(FP), R22 \
	MOVD srcNext+40(FP), R23 \
	MOVD n+48(FP), R0 \
	CMP  $1, R0 \
	BLT  done \
line: /* for ; n > 0; n-- */ \
	MOVD R16, R1 \
	ADD  R17, R1, R2 \
	ADD  R17, R2, R3 \
	ADD  R17, R3, R4 \
	ADD  R17, R4, R5 \
	ADD  R17, R5, R6 \
	MOVD R19, R8 \
	ADD  R20, R8, R9 \
	ADD  R20, R9, R10 \
	ADD  R20, R10, R11 \
	ADD  R20, R11, R12 \
	ADD  R20, R12, R13 \
	DO(0) \
	DO(1) \
	DO(2) \
	DO(3) \
	ADD  R23, R16 \
	ADD  R22, R19 \
	SUBS $1, R0 \
	BNE  line \
done: \
	RET

// func winogradIn2LinesNEON(dst, src *float32, dstStep, srcStep, dstNext, srcNext, n int)
TEXT ·winogradIn2LinesNEON(SB), NOSPLIT, $0-56
	LINES(IN4)

// func winogradOut2LinesNEON(dst, src *float32, dstStep, srcStep, dstNext, srcNext, n int)
TEXT ·winogradOut2LinesNEON(SB), NOSPLIT, $0-56
	LINES(OUT4)

// func winogradIn4LinesNEON(dst, src *float32, dstStep, srcStep, dstNext, srcNext, n int)
TEXT ·winogradIn4LinesNEON(SB), NOSPLIT, $0-56
	LINES(IN6)

// func winogradOut4LinesNEON(dst, src *float32, dstStep, srcStep, dstNext, srcNext, n int)
TEXT ·winogradOut4LinesNEON(SB), NOSPLIT, $0-56
	LINES(OUT6)

#define FINISHRES(q) LDRQ(1, 4, q); FADD4(q+2, q+2, 1)

// func winogradFinishNEON(dst, src, bias, res *float32, n int, relu bool)
// V2-V5 a pixel, V16-V19 its bias, V31 0
TEXT ·winogradFinishNEON(SB), NOSPLIT, $0-41
	MOVD dst+0(FP), R1
	MOVD src+8(FP), R2
	MOVD bias+16(FP), R3
	MOVD res+24(FP), R4
	MOVD n+32(FP), R0
	MOVBU relu+40(FP), R5
	VEOR V31.B16, V31.B16, V31.B16
	LDRQ(16, 3, 0)
	LDRQ(17, 3, 1)
	LDRQ(18, 3, 2)
	LDRQ(19, 3, 3)
	CMP  $1, R0
	BLT  done
pixel: // for ; n > 0; n--
	LDRQ(2, 2, 0)
	LDRQ(3, 2, 1)
	LDRQ(4, 2, 2)
	LDRQ(5, 2, 3)
	FADD4(2, 2, 16)
	FADD4(3, 3, 17)
	FADD4(4, 4, 18)
	FADD4(5, 5, 19)
	CBZ  R4, added // if res != nil
	FINISHRES(0)
	FINISHRES(1)
	FINISHRES(2)
	FINISHRES(3)
	ADD  $64, R4
added:
	CBZ  R5, rectified // if relu
	FCMLT0(6, 2)
	FCMLT0(7, 3)
	FCMLT0(16+4, 4)
	FCMLT0(16+5, 5)
	BIT(2, 31, 6)
	BIT(3, 31, 7)
	BIT(4, 31, 20)
	BIT(5, 31, 21)
rectified:
	STRQ(2, 1, 0)
	STRQ(3, 1, 1)
	STRQ(4, 1, 2)
	STRQ(5, 1, 3)
	ADD  $64, R1
	ADD  $64, R2
	SUBS $1, R0
	BNE  pixel
done:
	RET
