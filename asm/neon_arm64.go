//go:build !purego

package asm

// neon gives the bits of avx2 in float32. It was run in an emulator alone, so its
// speed is known on paper: the loop of the 6x16 product has 1.25 instructions for each multiply-add
// (four lanes), a test holds that. A core that starts one multiply-add and three instructions a
// cycle (Cortex-A72) or two and four (A76, Neoverse N1) is bound by the multiply-adds, as is one of
// four and eight (Neoverse V1, V2, Apple). The in-order A53 and A55, which wait for what they have
// just loaded, are not: there tiles with more of B under way would be worth more. On such a
// machine
//
//	cwox bench kernels --json; cwox bench layers --json
//
// tells.
var neon = Kernels{
	Tier:         "neon",
	GemmF32:      GemmF32{Name: "gemmF32NEON", Rows: []int{6, 5, 4, 3, 2, 1}, MaxVecs: 2, Run: gemmF32NEON},
	Winograd2F32: WinogradF32{"winograd2F32NEON", 2, 4, winogradIn2F32NEON, winogradOut2F32NEON, &winograd2},
	Winograd4F32: WinogradF32{"winograd4F32NEON", 4, 6, winogradIn4F32NEON, winogradOut4F32NEON, &winograd4},
	MaxPoolF32:   runMaxPoolF32NEON,
	LRNF32:       lrnF32NEON,
	GaussF32:     gaussF32NEON,
	DepthwiseF32: runDepthwiseF32NEON,
	MapF32:       mapF32NEON,
	SigmoidF32:   sigmoidF32NEON,
	PeakF32:      Peak{Name: "peakF32NEON", MACs: 24 * 4, Run: peakF32NEON},

	GemmBF16:      ref.GemmBF16,
	Winograd2BF16: ref.Winograd2BF16,
	MaxPoolBF16:   ref.MaxPoolBF16,
	NarrowBF16:    ref.NarrowBF16,
	WidenBF16:     ref.WidenBF16,
	PeakBF16:      ref.PeakBF16,
}

func gemmF32NEON(args *GemmF32Args) {
	checkGemmF32(args, 6, 2)
	gemmF32NEONx16(args)
	if args.Vecs == 2 {
		second := secondVector(args)
		gemmF32NEONx16(&second)
	}
}

// gemmF32NEONx16 runs a tile of one vector.
func gemmF32NEONx16(args *GemmF32Args) {
	switch args.Rows {
	case 1:
		gemmF32NEON_1x16(args)
	case 2:
		gemmF32NEON_2x16(args)
	case 3:
		gemmF32NEON_3x16(args)
	case 4:
		gemmF32NEON_4x16(args)
	case 5:
		gemmF32NEON_5x16(args)
	case 6:
		gemmF32NEON_6x16(args)
	}
}

//go:noescape
func gemmF32NEON_1x16(args *GemmF32Args)

//go:noescape
func gemmF32NEON_2x16(args *GemmF32Args)

//go:noescape
func gemmF32NEON_3x16(args *GemmF32Args)

//go:noescape
func gemmF32NEON_4x16(args *GemmF32Args)

//go:noescape
func gemmF32NEON_5x16(args *GemmF32Args)

//go:noescape
func gemmF32NEON_6x16(args *GemmF32Args)

func runMaxPoolF32NEON(args *MaxPoolF32Args) {
	checkMaxPoolF32(args)
	maxPoolF32NEON(args)
}

//go:noescape
func maxPoolF32NEON(args *MaxPoolF32Args)

//go:noescape
func lrnF32NEON(args *LRNF32Args)

//go:noescape
func gaussF32NEON(args *GaussF32Args)

func runDepthwiseF32NEON(args *DepthwiseF32Args) {
	checkDepthwiseF32(args)
	depthwiseF32NEON(args)
}

//go:noescape
func depthwiseF32NEON(args *DepthwiseF32Args)

//go:noescape
func mapF32NEON(args *MapF32Args)

//go:noescape
func sigmoidF32NEON(args *SigmoidF32Args)

//go:noescape
func peakF32NEON(n int)

//lint:ignore U1000 its code is what encodingsNEONAddress points to
func encodingsNEON()

// encodingsNEONAddress is where the instructions are that a test compares.
func encodingsNEONAddress() uintptr
