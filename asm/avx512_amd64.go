//go:build !purego

package asm

var avx512 = Kernels{
	Tier: "avx512",
	GemmF32: GemmF32{
		Name: "gemmF32AVX512", MaxVecs: 2, Run: gemmF32AVX512,
		Rows: []int{14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1},
	},
	Winograd2F32: WinogradF32{"winograd2F32AVX512", 2, 4, winogradIn2F32AVX512, winogradOut2F32AVX512, &winograd2},
	Winograd4F32: WinogradF32{"winograd4F32AVX512", 4, 6, winogradIn4F32AVX512, winogradOut4F32AVX512, &winograd4},
	MaxPoolF32:   runMaxPoolF32AVX512,
	LRNF32:       lrnF32AVX512,
	GaussF32:     gaussF32AVX2,
	DepthwiseF32: runDepthwiseF32AVX512,
	MapF32:       mapF32AVX512,
	SigmoidF32:   sigmoidF32AVX512,
	PeakF32:      Peak{Name: "peakF32AVX512", MACs: 24 * 16, Run: peakF32AVX512},

	GemmBF16:      ref.GemmBF16,
	Winograd2BF16: ref.Winograd2BF16,
	MaxPoolBF16:   runMaxPoolBF16AVX512,
	NarrowBF16:    ref.NarrowBF16,
	WidenBF16:     widenBF16AVX512,
	PeakBF16:      ref.PeakBF16,
}

func gemmF32AVX512(args *GemmF32Args) {
	checkGemmF32(args, 14, 2)
	gemmF32AVX512Tiles[args.Vecs-1][args.Rows-1](args)
}

var gemmF32AVX512Tiles = [2][14]func(*GemmF32Args){
	{
		gemmF32AVX512_1x16, gemmF32AVX512_2x16, gemmF32AVX512_3x16, gemmF32AVX512_4x16, gemmF32AVX512_5x16, gemmF32AVX512_6x16, gemmF32AVX512_7x16,
		gemmF32AVX512_8x16, gemmF32AVX512_9x16, gemmF32AVX512_10x16, gemmF32AVX512_11x16, gemmF32AVX512_12x16, gemmF32AVX512_13x16, gemmF32AVX512_14x16,
	},
	{
		gemmF32AVX512_1x32, gemmF32AVX512_2x32, gemmF32AVX512_3x32, gemmF32AVX512_4x32, gemmF32AVX512_5x32, gemmF32AVX512_6x32, gemmF32AVX512_7x32,
		gemmF32AVX512_8x32, gemmF32AVX512_9x32, gemmF32AVX512_10x32, gemmF32AVX512_11x32, gemmF32AVX512_12x32, gemmF32AVX512_13x32, gemmF32AVX512_14x32,
	},
}

func runDepthwiseF32AVX512(args *DepthwiseF32Args) {
	checkDepthwiseF32(args)
	depthwiseF32AVX512(args)
}

func runMaxPoolF32AVX512(args *MaxPoolF32Args) {
	checkMaxPoolF32(args)
	maxPoolF32AVX512(args)
}

//go:noescape
func gemmF32AVX512_1x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_2x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_3x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_4x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_5x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_6x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_7x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_8x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_9x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_10x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_11x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_12x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_13x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_14x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_1x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_2x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_3x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_4x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_5x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_6x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_7x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_8x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_9x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_10x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_11x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_12x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_13x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX512_14x32(args *GemmF32Args)

//go:noescape
func peakF32AVX512(n int)

//go:noescape
func maxPoolF32AVX512(args *MaxPoolF32Args)

//go:noescape
func lrnF32AVX512(args *LRNF32Args)

//go:noescape
func winogradIn4F32AVX512(args *WinogradInF32Args)

//go:noescape
func winogradIn2F32AVX512(args *WinogradInF32Args)

//go:noescape
func winogradOut4F32AVX512(args *WinogradOutF32Args)

//go:noescape
func winogradOut2F32AVX512(args *WinogradOutF32Args)

func runMaxPoolBF16AVX512(args *MaxPoolBF16Args) {
	checkMaxPoolBF16(args)
	maxPoolBF16AVX512(args)
}

//go:noescape
func maxPoolBF16AVX512(args *MaxPoolBF16Args)

//go:noescape
func depthwiseF32AVX512(args *DepthwiseF32Args)

//go:noescape
func mapF32AVX512(args *MapF32Args)

//go:noescape
func sigmoidF32AVX512(args *SigmoidF32Args)
