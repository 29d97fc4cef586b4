package nn

import "cwox/asm"

// rowStep computes a value row by row: of one block of channels, [width][16].
type rowStep struct {
	dst view
	// row writes row y of block blk of an image to out. What it writes to channels beyond the
	// value's does not matter.
	row func(w *worker, image, blk, y int, out []float32)
	res *view // added to what row writes; nil for none. It may be dst.

	kernels *asm.Kernels
	act     *elementwise // applied to what row writes; nil for none
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
		s.compute(w, image, b, y, out)
		if s.res != nil {
			for i, r := range s.res.line(w.mem, image, b, y) {
				dst[i] = out[i] + r
			}
		}
		clearBeyond(dst, s.dst.c-b*block)
	}
}

// compute makes a row of a block, but for res.
func (s *rowStep) compute(w *worker, image, blk, y int, out []float32) {
	s.row(w, image, blk, y, out)
	if s.act != nil {
		s.act.apply(s.kernels, w, blk, out, out)
	}
}

// clearBeyond writes zeros to the channels of a block from the left-th on.
func clearBeyond(pixels []float32, left int) {
	if left >= block {
		return
	}
	for i := range pixels {
		if i%block >= left {
			pixels[i] = 0
		}
	}
}

// setStep computes a value set by set, in float64: a set is the channels of a pixel, or a group
// of channels with all their pixels.
type setStep struct {
	dst    view
	res    *view  // added to what f makes; nil for none
	groups int    // of channels; 0 for sets of pixels
	in     []from // what f is given
	values int    // the number of vectors that f needs: what is given, room, and last its result
	// f computes a set. Element k is of channel c0 + k/area.
	f func(v [][]float64, c0, area int)
}

// from is a value to read: of the run itself, or an activation.
type from struct {
	view
	source *source
	shared bool // one image's, the same for all
}

// of is where an image of it lies.
func (f *from) of(w *worker, image int) ([]float32, *view, int) {
	if f.source != nil {
		return f.source.mem, &f.source.view, f.source.image()
	}
	if f.shared {
		image = 0
	}
	return w.mem, &f.view, image
}

func (s *setStep) items(n int) int {
	if s.groups > 0 {
		return n * s.groups
	}
	return n * s.dst.h
}

// most is the number of elements of the largest set.
func (s *setStep) most() int {
	if s.groups > 0 {
		return s.dst.c / s.groups * s.dst.h * s.dst.w
	}
	return s.dst.c
}

func (s *setStep) run(w *worker, first, n, item int) {
	if s.groups > 0 {
		s.runGroup(w, first+item/s.groups, item%s.groups)
		return
	}
	image, y := first+item/s.dst.h, item%s.dst.h
	for b := range blocks(s.dst.c) {
		clearBorder(&s.dst, w.mem, image, b, y, y+1)
	}
	for x := range s.dst.w {
		s.set(w, image, part{c1: s.dst.c, y0: y, y1: y + 1, x0: x, x1: x + 1})
	}
}

// runGroup also clears what belongs to no group: by the group of a block's first channel, or of
// the last one.
func (s *setStep) runGroup(w *worker, image, g int) {
	p := part{c0: g * s.dst.c / s.groups, c1: (g + 1) * s.dst.c / s.groups, y1: s.dst.h, x1: s.dst.w}
	for b := ceilDiv(p.c0, block); b*block < p.c1; b++ {
		clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	}
	if p.c1 == s.dst.c {
		for c := p.c1; c < blocks(p.c1)*block; c++ {
			for y := range s.dst.h {
				row := s.dst.line(w.mem, image, c/block, y)
				for x := range s.dst.w {
					row[x*block+c%block] = 0
				}
			}
		}
	}
	s.set(w, image, p)
}

func (s *setStep) set(w *worker, image int, p part) {
	v := w.buffers(s.values, p.size())
	for i := range s.in {
		mem, from, image := s.in[i].of(w, image)
		p.each(func(k, blk, y, x, lane int) { v[i][k] = float64(mem[from.at(image, blk, y, x)+lane]) })
	}
	s.f(v, p.c0, (p.y1-p.y0)*(p.x1-p.x0))
	out := v[len(v)-1]
	p.each(func(k, blk, y, x, lane int) {
		u := out[k]
		if s.res != nil {
			u += float64(w.mem[s.res.at(image, blk, y, x)+lane])
		}
		w.mem[s.dst.at(image, blk, y, x)+lane] = float32(u)
	})
	if p.c0 == 0 && p.c1 == s.dst.c && s.groups == 0 {
		for c := p.c1; c < blocks(p.c1)*block; c++ {
			w.mem[s.dst.at(image, c/block, p.y0, p.x0)+c%block] = 0
		}
	}
}

// part is a range of channels, rows and columns.
type part struct{ c0, c1, y0, y1, x0, x1 int }

func (p *part) size() int { return (p.c1 - p.c0) * (p.y1 - p.y0) * (p.x1 - p.x0) }

// each visits its elements, [C][H][W], where they lie in blocks.
func (p *part) each(visit func(k, blk, y, x, lane int)) {
	k := 0
	for c := p.c0; c < p.c1; c++ {
		for y := p.y0; y < p.y1; y++ {
			for x := p.x0; x < p.x1; x++ {
				visit(k, c/block, y, x, c%block)
				k++
			}
		}
	}
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
