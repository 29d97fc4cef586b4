// Instructions of AVX512_BF16 that the assembler lacks, over register numbers. Their bytes
// are compared with those of GNU as by a test.

// VDPBF16PS adds to each float32 lane of D the products of its pair of bfloat16 lanes of
// S1 and S2. EVEX.512.F3.0F38.W0 52 /r.
#define VDPBF16PS(S2, S1, D) \
	BYTE $0x62 \
	BYTE $(2 | (~D&8)<<4 | (~S2&16)<<2 | (~S2&8)<<2 | ~D&16) \
	BYTE $(6 | (~S1&15)<<3) \
	BYTE $(0x40 | (~S1&16)>>1) \
	BYTE $0x52 \
	BYTE $(0xC0 | (D&7)<<3 | S2&7)

// VCVTNEPS2BF16 rounds the float32 lanes of S to the bfloat16 lanes of the half register D.
// EVEX.512.F3.0F38.W0 72 /r.
#define VCVTNEPS2BF16(S, D) \
	BYTE $0x62 \
	BYTE $(2 | (~D&8)<<4 | (~S&16)<<2 | (~S&8)<<2 | ~D&16) \
	BYTE $0x7E \
	BYTE $0x48 \
	BYTE $0x72 \
	BYTE $(0xC0 | (D&7)<<3 | S&7)
