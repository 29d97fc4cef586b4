package nn

import (
	"math"
	"slices"

	"cwox/asm"
)

// image is the network's input. It lies interleaved, [H][W][C], where convolutions of few
// channels read it, and in blocks, as any other value, where other operators do.
type image struct {
	plain
	size   Shape
	mapped bool // by the graph's InputAffine
}

func (i *image) shape([]Shape) (Shape, error) { return i.size, nil }

// forward makes the step that copies the input into blocks.
func (i *image) forward(l *layout, j *job) []step {
	g, size, f := l.m.graph, i.size, l.feed
	return []step{&rowStep{dst: j.dst, row: func(w *worker, image, blk, y int, out []float32) {
		x, mask := f.of(w, image, size)
		for c := blk * block; c < min((blk+1)*block, size.C); c++ {
			prepareRow(out[c%block:], block, x[(c*size.H+y)*size.W:][:size.W], mask, y, g.affineScale, g.affineShift, c)
		}
	}}}
}

func (i *image) backward(*descent, *fused, view) {}

// imageOf says that a value is the network's input but for linear functions of its channels,
// which make scale*x + shift of it. It is read as the image where that is cheap: the functions
// then are computed as it is copied.
func imageOf(n *Node) (scale, shift []float64, ok bool) {
	switch op := n.op.(type) {
	case *image:
		return slices.Repeat([]float64{1}, op.size.C), make([]float64, op.size.C), true
	case *norm:
		// The input and what is made of it on the way must have no other reader.
		below, isImage := n.in[0].op.(*image)
		if n.in[0].users > 1 || isImage && below.mapped {
			return nil, nil, false
		}
		if scale, shift, ok = imageOf(n.in[0]); ok {
			for c := range scale {
				a, d := op.channel(c)
				scale[c], shift[c] = a*scale[c], float64(a*shift[c])+d
			}
		}
		return scale, shift, ok
	}
	return nil, nil, false
}

// feed is what Forward is given.
type feed struct {
	x     []float32 // [n][C][H][W]; one image for all where masks is set
	masks []float32 // [n][H][W], or nil
}

// of is an image and its mask, nil for none.
func (f *feed) of(w *worker, image int, s Shape) (x, mask []float32) {
	image += w.image
	plane := s.H * s.W
	if f.masks != nil {
		return f.x, f.masks[image*plane:][:plane]
	}
	return f.x[image*s.Size():], nil
}

// imageStep copies the network's input, [n][C][H][W], into interleaved rows [H][W][C] with a
// zero border, times a mask and through the graph's input map if there are any.
type imageStep struct {
	*feed
	dst          view // interleaved: row and image count elements, block steps are unused
	half         bool // dst is bfloat16
	narrow       func(*asm.NarrowBF16Args)
	size         Shape
	scale, shift []float32
}

// newImageStep lays out the input, and what linear functions make of it, for the readers of n.
func newImageStep(k *asm.Kernels, g *Graph, n *Node, f *feed, border, batch int, half bool, a *arena) *imageStep {
	s := g.input
	factors, shift := g.affineScale, g.affineShift
	if n.id > 0 {
		wideScale, wideShift, _ := imageOf(n)
		factors, shift = narrow(wideScale), narrow(wideShift)
	}
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
	return &imageStep{feed: f, dst: v, half: half, narrow: k.NarrowBF16, size: s, scale: factors, shift: shift}
}

func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

const inputRows = 16 // rows of an image per item

func (s *imageStep) items(n int) int { return n * ceilDiv(s.dst.h, inputRows) }

func (s *imageStep) run(w *worker, first, n, item int) {
	per := ceilDiv(s.dst.h, inputRows)
	image, y0 := first+item/per, item%per*inputRows
	x, mask := s.of(w, image, s.size)
	c := s.size.C
	for y := y0; y < min(y0+inputRows, s.dst.h); y++ {
		at := s.dst.off + image*s.dst.image + y*s.dst.row
		if !s.half {
			s.row(w.mem[at:][:s.dst.w*c], x, mask, y)
			continue
		}
		row := w.scratch(s.dst.w * c)
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
func (s *imageStep) row(out, x, mask []float32, y int) {
	for c := range s.size.C {
		in := x[(c*s.size.H+y)*s.size.W:][:s.size.W]
		prepareRow(out[c:], s.size.C, in, mask, y, s.scale, s.shift, c)
	}
}

// prepareRow writes row y of channel c, masked and mapped, to every step-th element of out.
func prepareRow(out []float32, step int, in, mask []float32, y int, scale, shift []float32, c int) {
	switch {
	case mask == nil && scale == nil:
		for i, v := range in {
			out[i*step] = v
		}
	case scale == nil:
		m := mask[y*len(in):][:len(in)]
		for i, v := range in {
			out[i*step] = v * m[i]
		}
	default:
		a, b := scale[c], shift[c]
		for i, v := range in {
			if mask != nil {
				v = v * mask[y*len(in)+i]
			}
			out[i*step] = float32(v*a) + b
		}
	}
}
