package nn

import (
	"math"

	"cwox/asm"
)

// softmaxStep is the softmax of every pixel over its channels, row by row. Exponentials are the
// kernel's, within 1e-7 (3 + the distance from the largest) of themselves; sums of a block are in
// float32, those of all blocks in float64.
type softmaxStep struct {
	kernels  *asm.Kernels
	src, dst view
}

func (s *softmaxStep) items(n int) int { return n * s.dst.h }

func (s *softmaxStep) run(w *worker, first, n, item int) {
	image, y := first+item/s.dst.h, item%s.dst.h
	v := w.buffers(2, s.dst.w)
	tops, sums := v[0], v[1]
	for x := range tops {
		tops[x], sums[x] = math.Inf(-1), 0
	}
	for b := range blocks(s.dst.c) {
		row, lanes := s.src.line(w.mem, image, b, y), min(block, s.dst.c-b*block)
		for x := range tops {
			top := float32(tops[x])
			for _, v := range row[x*block:][:lanes] {
				top = max(top, v)
			}
			tops[x] = float64(top)
		}
	}
	twice := w.scratch(s.dst.w * block)
	for x, top := range tops {
		for i := range block {
			twice[x*block+i] = float32(2 * top)
		}
	}
	for b := range blocks(s.dst.c) {
		clearBorder(&s.dst, w.mem, image, b, y, y+1)
		out := s.dst.line(w.mem, image, b, y)
		w.exp = asm.GaussF32Args{Inner: &s.src.line(w.mem, image, b, y)[0], Norms: &twice[0], C: &out[0], Rows: s.dst.w, Scale: 0.5}
		s.kernels.GaussF32(&w.exp)
		clearBeyond(out, s.dst.c-b*block)
		for x := range sums {
			sums[x] += sumOf((*[block]float32)(out[x*block:]))
		}
	}
	for x := range sums {
		if sums[x] = 1 / sums[x]; tops[x] != tops[x] { // the kernel's exponential of what is not a number is 0
			sums[x] = math.NaN()
		}
	}
	for b := range blocks(s.dst.c) {
		out := s.dst.line(w.mem, image, b, y)
		for x, share := range sums {
			f := float32(share)
			for i, v := range out[x*block:][:min(block, s.dst.c-b*block)] {
				out[x*block+i] = v * f
			}
		}
	}
}
