// AMX instructions, which the assembler lacks, over the numbers of general (AX is 0, CX 1,
// DX 2, BX 3, SI 6, DI 7) and tile registers. Their bytes are compared with those of GNU as
// by a test.

// LDTILECFG loads the shapes of the tiles from the 64 bytes at B. VEX.128.0F38.W0 49 /0.
#define LDTILECFG(B) \
	BYTE $0xC4; BYTE $(0xC2 | (~B&8)<<2); BYTE $0x78; BYTE $0x49; BYTE $(B&7)

// TILERELEASE gives the tiles back. VEX.128.0F38.W0 49 C0.
#define TILERELEASE \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x78; BYTE $0x49; BYTE $0xC0

// TILEZERO clears tile T. VEX.128.F2.0F38.W0 49.
#define TILEZERO(T) \
	BYTE $0xC4; BYTE $0xE2; BYTE $0x7B; BYTE $0x49; BYTE $(0xC0 | T<<3)

// TILELOADD loads tile T from rows X bytes apart, the first at B; TILESTORED stores it.
// B must not be R13. VEX.128.F2 and F3.0F38.W0 4B.
#define TILELOADD(B, X, T) \
	BYTE $0xC4; BYTE $(0x82 | (~X&8)<<3 | (~B&8)<<2); BYTE $0x7B; BYTE $0x4B \
	BYTE $(0x04 | T<<3); BYTE $((X&7)<<3 | B&7)
#define TILESTORED(B, X, T) \
	BYTE $0xC4; BYTE $(0x82 | (~X&8)<<3 | (~B&8)<<2); BYTE $0x7A; BYTE $0x4B \
	BYTE $(0x04 | T<<3); BYTE $((X&7)<<3 | B&7)

// TDPBF16PS adds to tile C the products of tiles A (rows of pairs) and B (pairs of rows).
// VEX.128.F3.0F38.W0 5C.
#define TDPBF16PS(B, A, C) \
	BYTE $0xC4; BYTE $0xE2; BYTE $(0x02 | (15-B)<<3); BYTE $0x5C; BYTE $(0xC0 | C<<3 | A)
