// Instructions on four float32 that Go's assembler does not know, or not by a register's number:
// d, n and m are numbers of registers, i of a lane. A test holds the encodings.

// FMLA Vd.4S, Vn.4S, Vm.S[i]
#define FMLAE(d, n, m, i) WORD $(0x4F801000 | (((i)&1)<<21) | (((i)>>1)<<11) | ((m)<<16) | ((n)<<5) | (d))
// FMLA Vd.4S, Vn.4S, Vm.4S
#define FMLA4(d, n, m) WORD $(0x4E20CC00 | ((m)<<16) | ((n)<<5) | (d))
// FADD Vd.4S, Vn.4S, Vm.4S
#define FADD4(d, n, m) WORD $(0x4E20D400 | ((m)<<16) | ((n)<<5) | (d))
// FCMLT Vd.4S, Vn.4S, #0.0
#define FCMLT0(d, n) WORD $(0x4EA0E800 | ((n)<<5) | (d))
// BIT Vd.16B, Vn.16B, Vm.16B: the bits of n where those of m are set
#define BIT(d, n, m) WORD $(0x6EA01C00 | ((m)<<16) | ((n)<<5) | (d))
// ORR Vd.16B, Vn.16B, Vm.16B, and MOV Vd.16B, Vn.16B
#define OR4(d, n, m) WORD $(0x4EA01C00 | ((m)<<16) | ((n)<<5) | (d))
#define MOV4(d, n) OR4(d, n, n)
// LDR Qd, [Xn, #16*i] and STR, by number as the others
#define LDRQ(d, n, i) WORD $(0x3DC00000 | ((i)<<10) | ((n)<<5) | (d))
#define STRQ(d, n, i) WORD $(0x3D800000 | ((i)<<10) | ((n)<<5) | (d))
// FMLS Vd.4S, Vn.4S, Vm.S[i]
#define FMLSE(d, n, m, i) WORD $(0x4F805000 | (((i)&1)<<21) | (((i)>>1)<<11) | ((m)<<16) | ((n)<<5) | (d))
// FMUL Vd.4S, Vn.4S, Vm.S[i]
#define FMULE(d, n, m, i) WORD $(0x4F809000 | (((i)&1)<<21) | (((i)>>1)<<11) | ((m)<<16) | ((n)<<5) | (d))
// FSUB Vd.4S, Vn.4S, Vm.4S
#define FSUB4(d, n, m) WORD $(0x4EA0D400 | ((m)<<16) | ((n)<<5) | (d))
// FMUL, FDIV, FMIN and FMAX Vd.4S, Vn.4S, Vm.4S; FSQRT Vd.4S, Vn.4S
#define FMUL4(d, n, m) WORD $(0x6E20DC00 | ((m)<<16) | ((n)<<5) | (d))
#define FDIV4(d, n, m) WORD $(0x6E20FC00 | ((m)<<16) | ((n)<<5) | (d))
#define FMIN4(d, n, m) WORD $(0x4EA0F400 | ((m)<<16) | ((n)<<5) | (d))
#define FMAX4(d, n, m) WORD $(0x4E20F400 | ((m)<<16) | ((n)<<5) | (d))
#define FSQRT4(d, n) WORD $(0x6EA1F800 | ((n)<<5) | (d))
// FCMGT, FCMGE and FCMEQ Vd.4S, Vn.4S, Vm.4S: all ones where n is greater than, not below, equal to m
#define FCMGT4(d, n, m) WORD $(0x6EA0E400 | ((m)<<16) | ((n)<<5) | (d))
#define FCMGE4(d, n, m) WORD $(0x6E20E400 | ((m)<<16) | ((n)<<5) | (d))
#define FCMEQ4(d, n, m) WORD $(0x4E20E400 | ((m)<<16) | ((n)<<5) | (d))
// BIF Vd.16B, Vn.16B, Vm.16B: the bits of n where those of m are not set
#define BIF(d, n, m) WORD $(0x6EE01C00 | ((m)<<16) | ((n)<<5) | (d))
// FCVTZS, FCVTNS and SCVTF Vd.4S, Vn.4S
#define FCVTZS4(d, n) WORD $(0x4EA1B800 | ((n)<<5) | (d))
#define FCVTNS4(d, n) WORD $(0x4E21A800 | ((n)<<5) | (d))
#define SCVTF4(d, n) WORD $(0x4E21D800 | ((n)<<5) | (d))
// ADD Vd.4S, Vn.4S, Vm.4S; SHL Vd.4S, Vn.4S, #23
#define ADD4(d, n, m) WORD $(0x4EA08400 | ((m)<<16) | ((n)<<5) | (d))
#define SHL23(d, n) WORD $(0x4F375400 | ((n)<<5) | (d))
// EXT Vd.16B, Vn.16B, Vm.16B, #i: the bytes from i on of n and then m
#define EXT(d, n, m, i) WORD $(0x6E000000 | ((m)<<16) | ((i)<<11) | ((n)<<5) | (d))
// FACGT Vd.4S, Vn.4S, Vm.4S: all ones where n is the greater but for signs; AND and BIC Vd.16B
#define FACGT4(d, n, m) WORD $(0x6EA0EC00 | ((m)<<16) | ((n)<<5) | (d))
#define AND4(d, n, m) WORD $(0x4E201C00 | ((m)<<16) | ((n)<<5) | (d))
#define BIC4(d, n, m) WORD $(0x4E601C00 | ((m)<<16) | ((n)<<5) | (d))
// SHLL and SHLL2 Vd.4S, Vn, #16: the float32 of the lower and of the upper four bfloat16
#define SHLL16(d, n) WORD $(0x2E613800 | ((n)<<5) | (d))
#define SHLL2_16(d, n) WORD $(0x6E613800 | ((n)<<5) | (d))
// UZP2 Vd.8H, Vn.8H, Vm.8H: the upper halves of the float32 of n and then m
#define UZP2(d, n, m) WORD $(0x4E405800 | ((m)<<16) | ((n)<<5) | (d))

// Instructions of BF16.
// BFDOT Vd.4S, Vn.8H, Vm.2H[i]
#define BFDOTE(d, n, m, i) WORD $(0x4F40F000 | (((i)&1)<<21) | (((i)>>1)<<11) | ((m)<<16) | ((n)<<5) | (d))
// BFCVTN and BFCVTN2 Vd, Vn.4S: bfloat16 into the lower and into the upper four
#define BFCVTN(d, n) WORD $(0x0EA16800 | ((n)<<5) | (d))
#define BFCVTN2(d, n) WORD $(0x4EA16800 | ((n)<<5) | (d))
