package nn

import "cwox/asm"

// rowStep computes a value row by row: of one block of channels, [width][16].
type rowStep struct {
	dst view
	// row writes row y of block blk of an image to out. What it writes to channels beyond the
	// value's does not matter.
	row func(w *worker, image, blk, y int, out []float32)
	res *view // added to what row writes; nil for none. It may be dst.
}

// bandPixels is how many pixels of a map an item of a rowStep should hold.
const bandPixels = 2048

// band is the number of rows of an item.
func (s *rowStep) band() int { return max(1, bandPixels/s.dst.w) }

func (s *rowStep) items(n int) int { return n * blocks(s.dst.c) * ceilDiv(s.dst.h, s.band()) }

func (s *rowStep) run(w *worker, first, n, item int) {
	bands, nb := ceilDiv(s.dst.h, s.band()), blocks(s.dst.c)
	y0 := item % bands * s.band()
	y1 := min(y0+s.band(), s.dst.h)
	image, b := first+item/bands/nb, item/bands%nb
	clearBorder(&s.dst, w.mem, image, b, y0, y1)
	for y := y0; y < y1; y++ {
		dst := s.dst.line(w.mem, image, b, y)
		out := dst
		if s.res != nil {
			out = w.scratch(len(dst))
		}
		s.row(w, image, b, y, out)
		if s.res != nil {
			for i, r := range s.res.line(w.mem, image, b, y) {
				dst[i] = out[i] + r
			}
		}
		if left := s.dst.c - b*block; left < block {
			for i := range dst {
				if i%block >= left {
					dst[i] = 0
				}
			}
		}
	}
}

// pixelStep computes a value pixel by pixel, of all channels together, in float64.
type pixelStep struct {
	dst    view
	res    *view // for row to add; see scatter
	values int   // the number of buffers that row needs
	// row writes row y of an image. Its buffers have an element per channel.
	row func(w *worker, image, y int, buffers [][]float64)
}

func (s *pixelStep) items(n int) int { return n * s.dst.h }

func (s *pixelStep) run(w *worker, first, n, item int) {
	image, y := first+item/s.dst.h, item%s.dst.h
	for b := range blocks(s.dst.c) {
		clearBorder(&s.dst, w.mem, image, b, y, y+1)
	}
	s.row(w, image, y, w.buffers(s.values, s.dst.c))
}

// buffers are scratch vectors for the worker's own use.
func (w *worker) buffers(count, n int) [][]float64 {
	if len(w.wide) < count {
		w.wide = append(w.wide, make([][]float64, count-len(w.wide))...)
		w.cut = make([][]float64, len(w.wide))
	}
	for i := range count {
		if len(w.wide[i]) < n {
			w.wide[i] = make([]float64, n)
		}
		w.cut[i] = w.wide[i][:n]
	}
	return w.cut[:count]
}

// gather reads the channels of a pixel.
func gather(v *view, mem []float32, image, y, x int, out []float64) {
	for c := range out {
		out[c] = float64(mem[v.at(image, c/block, y, x)+c%block])
	}
}

// gather reads the channels of a pixel of an activation.
func (a *source) gather(y, x int, out []float64) { gather(&a.view, a.mem, a.image(), y, x, out) }

// scatter writes the channels of a pixel, plus what is in res unless that is nil.
func scatter(dst, res *view, mem []float32, image, y, x int, values []float64) {
	for b := range blocks(dst.c) {
		out := mem[dst.at(image, b, y, x):][:block]
		for j := range out {
			v := 0.0
			if c := b*block + j; c < dst.c {
				v = values[c]
			}
			if res != nil {
				v += float64(mem[res.at(image, b, y, x)+j])
			}
			out[j] = float32(v)
		}
	}
}

// scratch is a row of n elements for the worker's own use.
func (w *worker) scratch(n int) []float32 {
	if len(w.row) < n {
		w.row = alignedFloats(n)
	}
	return w.row[:n]
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

// extractStep copies a layer's signal out, [t][C][H][W].
type extractStep struct {
	n     *Node
	src   view
	scale []float32 // of the input's channels, or nil
	dst   []float32 // set before each run
}

func (s *extractStep) items(n int) int { return n }

func (s *extractStep) run(w *worker, first, n, item int) {
	size := s.n.shape.Size()
	dst := s.dst[item*size:][:size]
	s.src.unpack(w.mem, item, dst)
	for c, f := range s.scale {
		plane := dst[c*s.n.shape.H*s.n.shape.W:][:s.n.shape.H*s.n.shape.W]
		for i := range plane {
			plane[i] *= f
		}
	}
}
