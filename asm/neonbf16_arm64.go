//go:build !purego

package asm

// neonbf16 is neon with the instructions of BF16. BFDOT rounds the sum of the products of a pair,
// and that added to the sum so far, each to odd (a test holds that), which VDPBF16PS does not: the
// bits differ from avx512bf16's in the last digits of sums. Its loop has the shape of that in
// float32, so a core that starts as many BFDOT a cycle as FMLA (Neoverse N2, V1, V2) has twice the
// multiply-adds, of the same share of the peak.
var neonbf16 = func() Kernels {
	k := neon
	k.Tier = "neonbf16"
	k.BF16 = true
	k.GemmBF16 = GemmBF16{Name: "gemmBF16NEON", Rows: neon.GemmF32.Rows, MaxVecs: 2, Run: gemmBF16NEON}
	k.Winograd2BF16 = WinogradBF16{"winograd2BF16NEON", 2, 4, winogradIn2BF16NEON, winogradOut2BF16NEON}
	k.MaxPoolBF16 = runMaxPoolBF16NEON
	k.NarrowBF16 = narrowBF16NEON
	k.WidenBF16 = widenBF16NEON
	k.PeakBF16 = Peak{Name: "peakBF16NEON", MACs: 24 * 8, Run: peakBF16NEON}
	return k
}()

func gemmBF16NEON(args *GemmBF16Args) {
	checkGemmBF16(args, 6, 2)
	gemmBF16NEONx16(args)
	if args.Vecs == 2 {
		second := *args
		second.B = (*uint16)(at16(args.B, args.BVec))
		second.C = (*uint16)(at16(args.C, args.CVec))
		if args.Bias != nil {
			second.Bias = add(args.Bias, 4*Block)
		}
		if args.Res != nil {
			second.Res = (*uint16)(at16(args.Res, args.ResVec))
		}
		gemmBF16NEONx16(&second)
	}
}

// gemmBF16NEONx16 runs a tile of one vector.
func gemmBF16NEONx16(args *GemmBF16Args) {
	switch args.Rows {
	case 1:
		gemmBF16NEON_1x16(args)
	case 2:
		gemmBF16NEON_2x16(args)
	case 3:
		gemmBF16NEON_3x16(args)
	case 4:
		gemmBF16NEON_4x16(args)
	case 5:
		gemmBF16NEON_5x16(args)
	case 6:
		gemmBF16NEON_6x16(args)
	}
}

func runMaxPoolBF16NEON(args *MaxPoolBF16Args) {
	checkMaxPoolBF16(args)
	maxPoolBF16NEON(args)
}

func narrowBF16NEON(args *NarrowBF16Args) {
	narrowVectorsNEON(args.C, args.A, 2*Block, args.Rows)
}

func widenBF16NEON(args *WidenBF16Args) {
	widenVectorsNEON(args.C, args.A, args.Rows)
}

// winogradIn2BF16NEON is winogradInF32NEON of tiles that are widened first and narrowed last.
func winogradIn2BF16NEON(args *WinogradInBF16Args) {
	const out, in = 2, 4
	var columns, transformed winogradScratch
	for i := range args.Tiles {
		var tile winogradScratch
		for p := range min(in, args.Rows) {
			src := (*uint16)(at16(args.A, p*args.ARow+i*out*vector/2))
			widenVectorsNEON(&tile[p*in][0], src, min(in, args.Cols-i*out))
		}
		winogradInLines(out, &columns[0][0], &tile[0][0], in*vector, in*vector, vector, vector, in)
		winogradInLines(out, &transformed[0][0], &columns[0][0], vector, vector, in*vector, in*vector, in)
		narrowVectorsNEON((*uint16)(at16(args.C, i*args.CTile)), &transformed[0][0], args.CXi, in*in)
	}
}

// winogradOut2BF16NEON is winogradOutF32NEON with maps in bfloat16.
func winogradOut2BF16NEON(args *WinogradOutBF16Args) {
	const out, in = 2, 4
	bias := args.Bias
	if bias == nil {
		bias = &noBias[0]
	}
	var columns, outputs, residual winogradScratch
	for i := range args.Tiles {
		rows, cols := min(out, args.Rows), min(out, args.Cols-i*out)
		winogradOutLines(out, &columns[0][0], add(args.A, i*args.ATile), in*vector, in*args.AXi, vector, args.AXi, in)
		winogradOutLines(out, &outputs[0][0], &columns[0][0], vector, vector, out*vector, in*vector, rows)
		for p := range rows {
			at := i * out * vector / 2
			var res *float32
			if args.Res != nil {
				res = &residual[0][0]
				widenVectorsNEON(res, (*uint16)(at16(args.Res, p*args.ResRow+at)), cols)
			}
			row := &outputs[p*out][0]
			winogradFinishNEON(row, row, bias, res, cols, args.Relu)
			narrowVectorsNEON((*uint16)(at16(args.C, p*args.CRow+at)), row, vector/2, cols)
		}
	}
}

//go:noescape
func gemmBF16NEON_1x16(args *GemmBF16Args)

//go:noescape
func gemmBF16NEON_2x16(args *GemmBF16Args)

//go:noescape
func gemmBF16NEON_3x16(args *GemmBF16Args)

//go:noescape
func gemmBF16NEON_4x16(args *GemmBF16Args)

//go:noescape
func gemmBF16NEON_5x16(args *GemmBF16Args)

//go:noescape
func gemmBF16NEON_6x16(args *GemmBF16Args)

//go:noescape
func peakBF16NEON(n int)

//go:noescape
func maxPoolBF16NEON(args *MaxPoolBF16Args)

// narrowVectorsNEON rounds n vectors to bfloat16, which go dstNext bytes apart.
//
//go:noescape
func narrowVectorsNEON(dst *uint16, src *float32, dstNext, n int)

// widenVectorsNEON is n vectors of bfloat16 in float32.
//
//go:noescape
func widenVectorsNEON(dst *float32, src *uint16, n int)
