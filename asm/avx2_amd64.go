//go:build !purego

package asm

var avx2 = Kernels{
	Tier:         "avx2",
	GemmF32:      GemmF32{Name: "gemmF32AVX2", Rows: []int{6, 5, 4, 3, 2, 1}, MaxVecs: 2, Run: gemmF32AVX2},
	Winograd2F32: WinogradF32{"winograd2F32AVX2", 2, 4, winogradIn2F32AVX2, winogradOut2F32AVX2, &winograd2},
	Winograd4F32: WinogradF32{"winograd4F32AVX2", 4, 6, winogradIn4F32AVX2, winogradOut4F32AVX2, &winograd4},
	MaxPoolF32:   runMaxPoolF32AVX2,
	LRNF32:       lrnF32AVX2,
	GaussF32:     gaussF32AVX2,
	DepthwiseF32: runDepthwiseF32AVX2,
	MapF32:       mapF32AVX2,
	SigmoidF32:   sigmoidF32AVX2,
	PeakF32:      Peak{Name: "peakF32AVX2", MACs: 12 * 8, Run: peakF32AVX2},

	GemmBF16:      ref.GemmBF16,
	Winograd2BF16: ref.Winograd2BF16,
	MaxPoolBF16:   ref.MaxPoolBF16,
	NarrowBF16:    ref.NarrowBF16,
	WidenBF16:     ref.WidenBF16,
	PeakBF16:      ref.PeakBF16,
}

func gemmF32AVX2(args *GemmF32Args) {
	checkGemmF32(args, 6, 2)
	if args.Vecs == 1 {
		gemmF32AVX2x16(args)
		return
	}
	switch args.Rows {
	case 1:
		gemmF32AVX2_1x32(args)
	case 2:
		gemmF32AVX2_2x32(args)
	case 3:
		gemmF32AVX2_3x32(args)
	default:
		gemmF32AVX2x16(args)
		second := secondVector(args)
		gemmF32AVX2x16(&second)
	}
}

// gemmF32AVX2x16 runs a tile of one vector.
func gemmF32AVX2x16(args *GemmF32Args) {
	switch args.Rows {
	case 1:
		gemmF32AVX2_1x16(args)
	case 2:
		gemmF32AVX2_2x16(args)
	case 3:
		gemmF32AVX2_3x16(args)
	case 4:
		gemmF32AVX2_4x16(args)
	case 5:
		gemmF32AVX2_5x16(args)
	case 6:
		gemmF32AVX2_6x16(args)
	}
}

func runDepthwiseF32AVX2(args *DepthwiseF32Args) {
	checkDepthwiseF32(args)
	depthwiseF32AVX2(args)
}

func runMaxPoolF32AVX2(args *MaxPoolF32Args) {
	checkMaxPoolF32(args)
	maxPoolF32AVX2(args)
}

//go:noescape
func gemmF32AVX2_1x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX2_2x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX2_3x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX2_4x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX2_5x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX2_6x16(args *GemmF32Args)

//go:noescape
func gemmF32AVX2_1x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX2_2x32(args *GemmF32Args)

//go:noescape
func gemmF32AVX2_3x32(args *GemmF32Args)

//go:noescape
func peakF32AVX2(n int)

//go:noescape
func maxPoolF32AVX2(args *MaxPoolF32Args)

//go:noescape
func lrnF32AVX2(args *LRNF32Args)

//go:noescape
func gaussF32AVX2(args *GaussF32Args)

//go:noescape
func winogradIn4F32AVX2(args *WinogradInF32Args)

//go:noescape
func winogradIn2F32AVX2(args *WinogradInF32Args)

//go:noescape
func winogradOut4F32AVX2(args *WinogradOutF32Args)

//go:noescape
func winogradOut2F32AVX2(args *WinogradOutF32Args)

//go:noescape
func depthwiseF32AVX2(args *DepthwiseF32Args)

//go:noescape
func mapF32AVX2(args *MapF32Args)

//go:noescape
func sigmoidF32AVX2(args *SigmoidF32Args)
