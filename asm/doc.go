// Package asm holds the numeric kernels: one table of them per instruction set
// (a tier), each with a pure-Go twin of the same signature in the ref tier.
// It knows nothing of networks.
//
//	k, why, err := asm.Select()     // the best tier of this CPU, or what CWOX_ISA asks for
//	k.GemmF32.Run(&asm.GemmF32Args{...})
//
// Words. A tier is a table of kernels for an instruction set: ref, avx2, avx512,
// avx512bf16, amx, each built on the one before; on arm64 neon and neonbf16. NCHW16c is
// the activation layout: channels in blocks of Block = 16, [N][C/16][H][W][16]. A vector
// is a pixel's 16 channels of a block. A tap is a byte offset from an output's first input
// to another one, so the table of taps is what makes a matrix product a convolution. A
// panel is weights in the order a kernel reads them: [taps][k][vectors][16].
//
// Kernels:
//
//	GemmF32        batch-reduce matrix product: convolutions and linear layers
//	Winograd*F32   the transforms around GemmF32 that make 3x3 convolutions cheaper
//	MaxPoolF32, LRNF32
//	GaussF32       the kernel of kernel regression
//	DepthwiseF32   convolutions of each channel by itself
//	MapF32, SigmoidF32  functions of every element
//	*BF16          the same in bfloat16 with float32 sums, and conversions
//	Peak*          multiply-adds between registers: the speed that bounds the others
//
// Contract of every kernel: it reads and writes only what its arguments describe
// (tests put inaccessible pages around the buffers), it never allocates, it may run in
// any number of goroutines at once, and it is deterministic. Arguments that make no
// sense in themselves (no rows, no taps to a maximum) panic with a constant string;
// pointers and distances are the caller's word. Distances are in bytes and say so; other
// sizes are in elements.
//
// A kernel call is not preemptible: keep one under about 100 microseconds, so that the
// garbage collector need not wait.
//
// The build tag purego, and every GOARCH but amd64 and arm64, leave the ref tier alone.
package asm
