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
	s.largest(w, image, y, tops)
	s.exponentials(w, image, y, tops, sums)
	for b := range blocks(s.dst.c) {
		out := s.dst.line(w.mem, image, b, y)
		for x, sum := range sums {
			share := float32(1 / sum)
			for i := range s.lanes(b) {
				out[x*block+i] *= share
			}
		}
	}
}

// lanes is the number of channels of a block.
func (s *softmaxStep) lanes(b int) int { return min(block, s.dst.c-b*block) }

// largest finds the largest value of each pixel of a row, or one that is not a number.
func (s *softmaxStep) largest(w *worker, image, y int, tops []float64) {
	for x := range tops {
		tops[x] = math.Inf(-1)
	}
	for b := range blocks(s.dst.c) {
		row := s.src.line(w.mem, image, b, y)
		for x := range tops {
			top := float32(tops[x])
			for _, v := range row[x*block:][:s.lanes(b)] {
				top = max(top, v)
			}
			tops[x] = float64(top)
		}
	}
}

// exponentials writes exp(x - top) and sums it. Where a value is not a number all are 0, and so is
// the sum, whose shares then are no numbers.
func (s *softmaxStep) exponentials(w *worker, image, y int, tops, sums []float64) {
	twice := w.scratch(s.dst.w * block)
	for x, top := range tops {
		sums[x] = 0
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
}
