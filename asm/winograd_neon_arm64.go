//go:build !purego

package asm

// vector is the bytes of a pixel of a channel block.
const vector = 4 * Block

func winogradIn2F32NEON(args *WinogradInF32Args)   { winogradInF32NEON(args, 2) }
func winogradIn4F32NEON(args *WinogradInF32Args)   { winogradInF32NEON(args, 4) }
func winogradOut2F32NEON(args *WinogradOutF32Args) { winogradOutF32NEON(args, 2) }
func winogradOut4F32NEON(args *WinogradOutF32Args) { winogradOutF32NEON(args, 4) }

// winogradInLines transforms n lines of vectors in one dimension; distances in bytes. (By a
// function value the tiles would escape to the heap.)
func winogradInLines(out int, dst, src *float32, dstStep, srcStep, dstNext, srcNext, n int) {
	if out == 2 {
		winogradIn2LinesNEON(dst, src, dstStep, srcStep, dstNext, srcNext, n)
	} else {
		winogradIn4LinesNEON(dst, src, dstStep, srcStep, dstNext, srcNext, n)
	}
}

func winogradOutLines(out int, dst, src *float32, dstStep, srcStep, dstNext, srcNext, n int) {
	if out == 2 {
		winogradOut2LinesNEON(dst, src, dstStep, srcStep, dstNext, srcNext, n)
	} else {
		winogradOut4LinesNEON(dst, src, dstStep, srcStep, dstNext, srcNext, n)
	}
}

// winogradInF32NEON transforms tiles down their columns and then along their rows.
func winogradInF32NEON(args *WinogradInF32Args, out int) {
	in := out + 2
	var columns winogradScratch
	for i := range args.Tiles {
		src, step := add(args.A, i*out*vector), args.ARow
		if cols := args.Cols - i*out; args.Rows < in || cols < in {
			var padded winogradScratch
			for p := range min(in, args.Rows) {
				for q := range min(in, cols) {
					padded[p*in+q] = *lanes16(src, p*step+q*vector)
				}
			}
			src, step = &padded[0][0], in*vector
		}
		winogradInLines(out, &columns[0][0], src, in*vector, step, vector, vector, in)
		winogradInLines(out, add(args.C, i*args.CTile), &columns[0][0], args.CXi, vector, in*args.CXi, in*vector, in)
	}
}

// winogradScratch is a tile, in as many vectors a row as it has.
type winogradScratch [36][Block]float32

var noBias [Block]float32

// winogradOutF32NEON transforms products down their columns and then along their rows.
func winogradOutF32NEON(args *WinogradOutF32Args, out int) {
	in := out + 2
	bias := args.Bias
	if bias == nil {
		bias = &noBias[0]
	}
	var columns, outputs winogradScratch
	for i := range args.Tiles {
		rows, cols := min(out, args.Rows), min(out, args.Cols-i*out)
		winogradOutLines(out, &columns[0][0], add(args.A, i*args.ATile), in*vector, in*args.AXi, vector, args.AXi, in)
		winogradOutLines(out, &outputs[0][0], &columns[0][0], vector, vector, out*vector, in*vector, rows)
		for p := range rows {
			at := i * out * vector
			res := args.Res
			if res != nil {
				res = add(res, p*args.ResRow+at)
			}
			winogradFinishNEON(add(args.C, p*args.CRow+at), &outputs[p*out][0], bias, res, cols, args.Relu)
		}
	}
}

//go:noescape
func winogradIn2LinesNEON(dst, src *float32, dstStep, srcStep, dstNext, srcNext, n int)

//go:noescape
func winogradOut2LinesNEON(dst, src *float32, dstStep, srcStep, dstNext, srcNext, n int)

//go:noescape
func winogradIn4LinesNEON(dst, src *float32, dstStep, srcStep, dstNext, srcNext, n int)

//go:noescape
func winogradOut4LinesNEON(dst, src *float32, dstStep, srcStep, dstNext, srcNext, n int)

// winogradFinishNEON adds bias and, unless it is nil, res to n pixels, and rectifies them.
//
//go:noescape
func winogradFinishNEON(dst, src, bias, res *float32, n int, relu bool)
