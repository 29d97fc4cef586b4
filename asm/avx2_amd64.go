//go:build !purego

package asm

var avx2 = Kernels{
	Tier:       "avx2",
	GemmF32:    GemmF32{Name: "gemmF32AVX2", Rows: []int{6, 5, 4, 3, 2, 1}, MaxVecs: 2, Run: gemmF32AVX2},
	MaxPoolF32: maxPoolF32Ref,
	LRNF32:     lrnF32Ref,
	PeakF32:    Peak{Name: "peakF32AVX2", MACs: 12 * 8, Run: peakF32AVX2},
}

func gemmF32AVX2(args *GemmF32Args) {
	checkGemmF32(args, 6, 2)
	if args.Vecs == 1 {
		gemmF32AVX2x16[args.Rows-1](args)
		return
	}
	if args.Rows <= len(gemmF32AVX2x32) {
		gemmF32AVX2x32[args.Rows-1](args)
		return
	}
	kernel := gemmF32AVX2x16[args.Rows-1]
	kernel(args)
	second := *args
	second.B = add(args.B, args.BVec)
	second.C = add(args.C, args.CVec)
	if args.Bias != nil {
		second.Bias = add(args.Bias, 4*Block)
	}
	if args.Res != nil {
		second.Res = add(args.Res, args.ResVec)
	}
	kernel(&second)
}

// The tiles of one vector and of two, by rows less one.
var (
	gemmF32AVX2x16 = [6]func(*GemmF32Args){
		gemmF32AVX2_1x16, gemmF32AVX2_2x16, gemmF32AVX2_3x16,
		gemmF32AVX2_4x16, gemmF32AVX2_5x16, gemmF32AVX2_6x16,
	}
	gemmF32AVX2x32 = [3]func(*GemmF32Args){gemmF32AVX2_1x32, gemmF32AVX2_2x32, gemmF32AVX2_3x32}
)

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
