//go:build !purego

package asm

// neon gives the bits of avx2 in float32. It was run in an emulator alone: what is known of its
// speed is what TestLoops counts. The loop of the 6x16 product goes through four k with 96
// multiply-adds of four lanes (of which a core starts one in so many cycles), 22 loads and 6
// others. By the cores' optimisation guides:
//
//	                   starts a cycle         cycles of a loop              share of
//	                   instr.  FMLA  loads    instr.  FMLA     loads        the peak
//	Cortex-A53, A55    2       1     1/2      62      96   and 44, in order  at most 69 %
//	Cortex-A72         3       1     1        41      96       22           100 %
//	Cortex-A76, N1     4       2     2        31      48       11           100 %
//	Neoverse V1, V2    8       4     3        16      24        8           100 %
//
// A pair of loads counts as two. What happens to a tile before and after its loop, about 110
// instructions, takes 2 to 4 % from products of 64 terms, less from longer ones. Cores that run in
// order wait for what they have just loaded, so tiles with more of B under way would suit them
// better. On a machine with such a core
//
//	(cwox version; cwox bench kernels --json; cwox bench layers --threads 1 --json) >arm.txt
//
// tells; reports of it are welcome.
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
