package nn

import (
	"math"

	"cwox/asm"
)

// inputStep copies the network's input, [n][C][H][W], into interleaved rows [H][W][C] with a
// zero border, times a mask and through the graph's input map if there are any.
type inputStep struct {
	dst          view // interleaved: row and image count elements, block steps are unused
	half         bool // dst is bfloat16
	narrow       func(*asm.NarrowBF16Args)
	c            int
	scale, shift []float32

	x     []float32 // set by Forward; one image for all where masks is set
	masks []float32 // [n][H][W], or nil
}

func newInputStep(k *asm.Kernels, g *Graph, border, batch int, half bool, a *arena) *inputStep {
	s := g.input
	v := view{c: s.C, h: s.H, w: s.W, border: border}
	v.row = (s.W + 2*border) * s.C
	// A kernel that reads pairs may read one element beyond the last.
	v.image = ceilDiv((s.H+2*border)*v.row+1, block) * block
	// The border is written once, so the memory is nobody else's.
	at := a.alloc(batch*v.image, 0, math.MaxInt)
	if half {
		at *= 2
	}
	v.off = at + border*v.row + border*s.C
	return &inputStep{dst: v, half: half, narrow: k.NarrowBF16, c: s.C, scale: g.affineScale, shift: g.affineShift}
}

const inputRows = 16 // rows of an image per item

func (s *inputStep) items(n int) int { return n * ceilDiv(s.dst.h, inputRows) }

func (s *inputStep) run(w *worker, first, n, item int) {
	per := ceilDiv(s.dst.h, inputRows)
	image := first + item/per
	y0 := item % per * inputRows
	plane := s.dst.h * s.dst.w
	x := s.x
	var mask []float32
	if s.masks != nil {
		mask = s.masks[image*plane:][:plane]
	} else {
		x = x[image*s.c*plane:]
	}
	for y := y0; y < min(y0+inputRows, s.dst.h); y++ {
		at := s.dst.off + image*s.dst.image + y*s.dst.row
		if !s.half {
			s.row(w.mem[at:][:s.dst.w*s.c], x, mask, y)
			continue
		}
		if w.row == nil {
			w.row = alignedFloats(ceilDiv(s.dst.w*s.c, block) * block)
		}
		row := w.row[:s.dst.w*s.c]
		s.row(row, x, mask, y)
		out := w.half[at:][:len(row)]
		whole := len(row) / block
		w.narrow = asm.NarrowBF16Args{A: &row[0], C: &out[0], Rows: whole}
		s.narrow(&w.narrow)
		for i := whole * block; i < len(row); i++ {
			out[i] = asm.BF16(row[i])
		}
	}
}

// row makes one interleaved row.
func (s *inputStep) row(out, x, mask []float32, y int) {
	plane := s.dst.h * s.dst.w
	for c := 0; c < s.c; c++ {
		in := x[c*plane+y*s.dst.w:][:s.dst.w]
		switch {
		case mask == nil && s.scale == nil:
			for i, v := range in {
				out[i*s.c+c] = v
			}
		case s.scale == nil:
			m := mask[y*s.dst.w:][:len(in)]
			for i, v := range in {
				out[i*s.c+c] = v * m[i]
			}
		default:
			a, b := s.scale[c], s.shift[c]
			for i, v := range in {
				if mask != nil {
					v = v * mask[y*s.dst.w+i]
				}
				v = float32(v*a) + b
				out[i*s.c+c] = v
			}
		}
	}
}

// convertStep copies a value from float32 to bfloat16 or back.
type convertStep struct {
	kernels  *asm.Kernels
	narrow   bool // to bfloat16
	src, dst view
}

func newConvertStep(k *asm.Kernels, narrow bool, src, dst view) *convertStep {
	return &convertStep{k, narrow, src, dst}
}

func (s *convertStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *convertStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := first+item/nb, item%nb
	rows, length := s.dst.h, s.dst.w
	if s.src.contiguous() && s.dst.contiguous() {
		rows, length = 1, s.dst.h*s.dst.w
	}
	if s.narrow {
		clearBorder(&s.dst, w.half, image, b, 0, s.dst.h)
	} else {
		clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	}
	for y := range rows {
		src, dst := s.src.at(image, b, y, 0), s.dst.at(image, b, y, 0)
		if s.narrow {
			w.narrow = asm.NarrowBF16Args{A: &w.mem[src], C: &w.half[dst], Rows: length}
			s.kernels.NarrowBF16(&w.narrow)
		} else {
			w.widen = asm.WidenBF16Args{A: &w.half[src], C: &w.mem[dst], Rows: length}
			s.kernels.WidenBF16(&w.widen)
		}
	}
}

// maxPoolStep is max-pooling over non-negative maps.
type maxPoolStep struct {
	kernels *asm.Kernels
	pool    Pool
	half    bool // the maps are bfloat16
	src     view
	dst     view
	taps    []int
}

func newMaxPoolStep(k *asm.Kernels, p Pool, half bool, src, dst view) *maxPoolStep {
	s := &maxPoolStep{kernels: k, pool: p, half: half, src: src, dst: dst}
	bytes := 4
	if half {
		bytes = 2
	}
	for y := 0; y < p.Size; y++ {
		for x := 0; x < p.Size; x++ {
			s.taps = append(s.taps, bytes*((y-p.Pad)*src.row+(x-p.Pad)*block))
		}
	}
	return s
}

func (s *maxPoolStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *maxPoolStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := first+item/nb, item%nb
	if s.half {
		clearBorder(&s.dst, w.half, image, b, 0, s.dst.h)
	} else {
		clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	}
	for y := 0; y < s.dst.h; y++ {
		src, dst := s.src.at(image, b, y*s.pool.Stride, 0), s.dst.at(image, b, y, 0)
		if s.half {
			w.poolHalf = asm.MaxPoolBF16Args{
				A: &w.half[src], C: &w.half[dst], Taps: &s.taps[0], NTaps: len(s.taps), Rows: s.dst.w,
				ARow: 2 * s.pool.Stride * block, CRow: 2 * block,
			}
			s.kernels.MaxPoolBF16(&w.poolHalf)
		} else {
			w.pool = asm.MaxPoolF32Args{
				A: &w.mem[src], C: &w.mem[dst], Taps: &s.taps[0], NTaps: len(s.taps), Rows: s.dst.w,
				ARow: 4 * s.pool.Stride * block, CRow: 4 * block,
			}
			s.kernels.MaxPoolF32(&w.pool)
		}
	}
}

// meanPoolStep is the mean over each map.
type meanPoolStep struct{ src, dst view }

func (s *meanPoolStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *meanPoolStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := first+item/nb, item%nb
	var sum [block]float32
	for y := 0; y < s.src.h; y++ {
		row := w.mem[s.src.at(image, b, y, 0):][:s.src.w*block]
		for len(row) >= block {
			for j, v := range row[:block] {
				sum[j] += v
			}
			row = row[block:]
		}
	}
	out := w.mem[s.dst.at(image, b, 0, 0):][:block]
	area := float32(s.src.h * s.src.w)
	for j := range out {
		out[j] = sum[j] / area
	}
	clearBorder(&s.dst, w.mem, image, b, 0, 1)
}

// lrnStep is local response normalisation across channels.
type lrnStep struct {
	kernel   func(*asm.LRNF32Args)
	lrn      LRN
	src, dst view
}

func newLRNStep(k *asm.Kernels, l LRN, src, dst view) *lrnStep {
	return &lrnStep{kernel: k.LRNF32, lrn: l, src: src, dst: dst}
}

func (s *lrnStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *lrnStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := first+item/nb, item%nb
	clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	for y := 0; y < s.dst.h; y++ {
		w.lrn = asm.LRNF32Args{
			A: &w.mem[s.src.at(image, b, y, 0)], C: &w.mem[s.dst.at(image, b, y, 0)],
			Rows: s.dst.w, K: s.lrn.K, Alpha: s.lrn.Alpha / float32(s.lrn.Size),
		}
		if b > 0 {
			w.lrn.Prev = &w.mem[s.src.at(image, b-1, y, 0)]
		}
		if b+1 < nb {
			w.lrn.Next = &w.mem[s.src.at(image, b+1, y, 0)]
		}
		s.kernel(&w.lrn)
	}
}

// normStep is a batch normalisation that was not folded.
type normStep struct {
	src, dst     view
	scale, shift []float32
}

func newNormStep(b *BatchNorm, src, dst view) *normStep {
	s := &normStep{src: src, dst: dst}
	s.scale = make([]float32, blocks(src.c)*block)
	s.shift = make([]float32, blocks(src.c)*block)
	for c := 0; c < src.c; c++ {
		a, d := b.affine(c)
		s.scale[c], s.shift[c] = float32(a), float32(d)
	}
	return s
}

func (s *normStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *normStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := first+item/nb, item%nb
	clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	scale, shift := s.scale[b*block:][:block], s.shift[b*block:][:block]
	for y := 0; y < s.dst.h; y++ {
		in := w.mem[s.src.at(image, b, y, 0):][:s.dst.w*block]
		out := w.mem[s.dst.at(image, b, y, 0):][:s.dst.w*block]
		for i, v := range in {
			out[i] = float32(v*scale[i%block]) + shift[i%block]
		}
	}
}

// reluStep is a ReLU that was not fused.
type reluStep struct{ src, dst view }

func (s *reluStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *reluStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := first+item/nb, item%nb
	clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	for y := 0; y < s.dst.h; y++ {
		in := w.mem[s.src.at(image, b, y, 0):][:s.dst.w*block]
		out := w.mem[s.dst.at(image, b, y, 0):][:s.dst.w*block]
		for i, v := range in {
			out[i] = max(v, 0)
		}
	}
}

// addStep is a residual sum that was not fused.
type addStep struct{ a, b, dst view }

func (s *addStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *addStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, blk := first+item/nb, item%nb
	clearBorder(&s.dst, w.mem, image, blk, 0, s.dst.h)
	for y := 0; y < s.dst.h; y++ {
		a := w.mem[s.a.at(image, blk, y, 0):][:s.dst.w*block]
		b := w.mem[s.b.at(image, blk, y, 0):][:s.dst.w*block]
		out := w.mem[s.dst.at(image, blk, y, 0):][:s.dst.w*block]
		for i, v := range a {
			out[i] = v + b[i]
		}
	}
}

// concatStep copies operands that could not be computed in place.
type concatStep struct {
	srcs []view
	dst  view
}

func (s *concatStep) items(n int) int { return n }

func (s *concatStep) run(w *worker, first, n, item int) {
	image := first + item
	for b := 0; b < blocks(s.dst.c); b++ {
		clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
		for y := 0; y < s.dst.h; y++ {
			clear(w.mem[s.dst.at(image, b, y, 0):][:s.dst.w*block])
		}
	}
	at := 0
	for i := range s.srcs {
		src := &s.srcs[i]
		for c := 0; c < src.c; c++ {
			for y := 0; y < src.h; y++ {
				in := w.mem[src.at(image, c/block, y, 0)+c%block:]
				out := w.mem[s.dst.at(image, (at+c)/block, y, 0)+(at+c)%block:]
				for x := 0; x < src.w; x++ {
					out[x*block] = in[x*block]
				}
			}
		}
		at += src.c
	}
}
