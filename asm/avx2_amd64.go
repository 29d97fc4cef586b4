//go:build !purego

package asm

var avx2 = Kernels{
	Tier:       "avx2",
	GemmF32:    GemmF32{Name: "gemmF32AVX2", Rows: []int{6, 5, 4, 3, 2, 1}, MaxVecs: 1, Run: gemmF32AVX2},
	MaxPoolF32: maxPoolF32Ref,
	LRNF32:     lrnF32Ref,
	PeakF32:    ref.PeakF32,
}

func gemmF32AVX2(args *GemmF32Args) {
	checkGemmF32(args, 6, 1)
	gemmF32AVX2Tiles[args.Rows-1](args)
}

var gemmF32AVX2Tiles = [6]func(*GemmF32Args){
	gemmF32AVX2_1x16, gemmF32AVX2_2x16, gemmF32AVX2_3x16,
	gemmF32AVX2_4x16, gemmF32AVX2_5x16, gemmF32AVX2_6x16,
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
