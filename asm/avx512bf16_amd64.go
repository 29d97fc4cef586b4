//go:build !purego

package asm

// avx512bf16 is avx512 with the instructions of AVX512_BF16.
var avx512bf16 = func() Kernels {
	k := avx512
	k.Tier = "avx512bf16"
	k.BF16 = true
	k.GemmBF16 = GemmBF16{Name: "gemmBF16AVX512", Rows: avx512.GemmF32.Rows, MaxVecs: 2, Run: gemmBF16AVX512}
	k.Winograd2BF16 = WinogradBF16{"winograd2BF16AVX512", 2, 4, winogradIn2BF16AVX512, winogradOut2BF16AVX512}
	k.NarrowBF16 = narrowBF16AVX512
	k.PeakBF16 = Peak{Name: "peakBF16AVX512", MACs: 24 * 32, Run: peakBF16AVX512}
	return k
}()

func gemmBF16AVX512(args *GemmBF16Args) {
	checkGemmBF16(args, 14, 2)
	gemmBF16AVX512Tiles[args.Vecs-1][args.Rows-1](args)
}

var gemmBF16AVX512Tiles = [2][14]func(*GemmBF16Args){
	{
		gemmBF16AVX512_1x16, gemmBF16AVX512_2x16, gemmBF16AVX512_3x16, gemmBF16AVX512_4x16, gemmBF16AVX512_5x16, gemmBF16AVX512_6x16, gemmBF16AVX512_7x16,
		gemmBF16AVX512_8x16, gemmBF16AVX512_9x16, gemmBF16AVX512_10x16, gemmBF16AVX512_11x16, gemmBF16AVX512_12x16, gemmBF16AVX512_13x16, gemmBF16AVX512_14x16,
	},
	{
		gemmBF16AVX512_1x32, gemmBF16AVX512_2x32, gemmBF16AVX512_3x32, gemmBF16AVX512_4x32, gemmBF16AVX512_5x32, gemmBF16AVX512_6x32, gemmBF16AVX512_7x32,
		gemmBF16AVX512_8x32, gemmBF16AVX512_9x32, gemmBF16AVX512_10x32, gemmBF16AVX512_11x32, gemmBF16AVX512_12x32, gemmBF16AVX512_13x32, gemmBF16AVX512_14x32,
	},
}

//go:noescape
func gemmBF16AVX512_1x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_2x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_3x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_4x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_5x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_6x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_7x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_8x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_9x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_10x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_11x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_12x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_13x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_14x16(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_1x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_2x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_3x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_4x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_5x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_6x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_7x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_8x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_9x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_10x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_11x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_12x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_13x32(args *GemmBF16Args)

//go:noescape
func gemmBF16AVX512_14x32(args *GemmBF16Args)

//go:noescape
func narrowBF16AVX512(args *NarrowBF16Args)

//go:noescape
func widenBF16AVX512(args *WidenBF16Args)

//go:noescape
func peakBF16AVX512(n int)

//lint:ignore U1000 its code is what encodingsBF16Address points to
func encodingsBF16()

// encodingsBF16Address is where the instructions are that a test compares.
func encodingsBF16Address() uintptr

//go:noescape
func winogradIn2BF16AVX512(args *WinogradInBF16Args)

//go:noescape
func winogradOut2BF16AVX512(args *WinogradOutBF16Args)
