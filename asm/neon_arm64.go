//go:build !purego

package asm

// neon has no kernels of its own yet for what is not a matrix product: with Winograd's
// transforms and pooling of the ref tier products are still nine tenths of a network's time.
var neon = Kernels{
	Tier:         "neon",
	GemmF32:      GemmF32{Name: "gemmF32NEON", Rows: []int{6, 5, 4, 3, 2, 1}, MaxVecs: 1, Run: gemmF32NEON},
	Winograd2F32: WinogradF32{"winograd2F32NEON", 2, 4, winogradIn2F32NEON, winogradOut2F32NEON, &winograd2},
	Winograd4F32: WinogradF32{"winograd4F32NEON", 4, 6, winogradIn4F32NEON, winogradOut4F32NEON, &winograd4},
	MaxPoolF32:   ref.MaxPoolF32,
	LRNF32:       ref.LRNF32,
	GaussF32:     ref.GaussF32,
	PeakF32:      Peak{Name: "peakF32NEON", MACs: 24 * 4, Run: peakF32NEON},

	GemmBF16:      ref.GemmBF16,
	Winograd2BF16: ref.Winograd2BF16,
	MaxPoolBF16:   ref.MaxPoolBF16,
	NarrowBF16:    ref.NarrowBF16,
	WidenBF16:     ref.WidenBF16,
	PeakBF16:      ref.PeakBF16,
}

func gemmF32NEON(args *GemmF32Args) {
	checkGemmF32(args, 6, 1)
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

//go:noescape
func peakF32NEON(n int)

//lint:ignore U1000 its code is what encodingsNEONAddress points to
func encodingsNEON()

// encodingsNEONAddress is where the instructions are that a test compares.
func encodingsNEONAddress() uintptr
