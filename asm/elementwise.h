// The constants of the element-wise kernels, as bits: those of sigmoid in elementwise.go.

DATA sigmoids<>+0(SB)/4, $0xc2ae0000  // -87
DATA sigmoids<>+4(SB)/4, $0x3fb8aa3b  // log2 e
DATA sigmoids<>+8(SB)/4, $0x3f318000  // ln 2, the high part
DATA sigmoids<>+12(SB)/4, $0xb95e8083 // the low part
DATA sigmoids<>+16(SB)/4, $0x39506967 // 1.9875691500e-4
DATA sigmoids<>+20(SB)/4, $0x3ab743ce // 1.3981999507e-3
DATA sigmoids<>+24(SB)/4, $0x3c088908 // 8.3334519073e-3
DATA sigmoids<>+28(SB)/4, $0x3d2aa9c1 // 4.1665795894e-2
DATA sigmoids<>+32(SB)/4, $0x3e2aaaaa // 1.6666665459e-1
DATA sigmoids<>+36(SB)/4, $0x3f000000 // 5.0000001201e-1
DATA sigmoids<>+40(SB)/4, $0x3f800000 // 1
DATA sigmoids<>+44(SB)/4, $127
DATA sigmoids<>+48(SB)/4, $0x80000000 // the sign
GLOBL sigmoids<>(SB), RODATA|NOPTR, $52
