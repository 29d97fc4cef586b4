package nn

import (
	"fmt"
	"math"
)

// Padding says what lies around a padded map.
type Padding int

// The paddings.
const (
	PadConstant Padding = iota // Pad.Value, 0 if it is left out
	PadReflect                 // the map mirrored, its edge once
	PadEdge                    // its edge repeated
	PadWrap                    // the map again
)

// Pad is how many rows and columns (and channels) are put around a value; negative numbers
// take off.
type Pad struct {
	Top, Left, Bottom, Right int
	Front, Back              int // channels; only PadConstant
	Mode                     Padding
	Value                    float32
}

// Range is From, From+Step, ... before To. The zero value is the whole axis: To of 0 means its
// end, Step of 0 means 1. Negative From and To count from the end. A negative Step walks
// backwards, from the last where From is 0, to the first where To is 0.
type Range struct{ From, To, Step int }

// Resize is interpolation to another size: that of PyTorch's interpolate and ONNX's Resize.
type Resize struct {
	H, W           int
	ScaleH, ScaleW float64 // of positions; 0 means size out by size in
	Mode           ResizeMode
	Coordinates    Coordinates
	Rounding       Rounding // of Nearest
}

// ResizeMode is how a Resize takes a value between pixels.
type ResizeMode int

// The modes.
const (
	Nearest ResizeMode = iota
	Bilinear
)

// Coordinates is where, on the map of n pixels, pixel i of m lies, scale being m/n or what is
// given.
type Coordinates int

// The coordinates, by ONNX's names.
const (
	HalfPixel        Coordinates = iota // (i+0.5)/scale - 0.5
	Asymmetric                          // i/scale
	AlignCorners                        // i*(n-1)/(m-1)
	PyTorchHalfPixel                    // HalfPixel, and 0 where m is 1
)

// Rounding is which pixel is nearest.
type Rounding int

// The roundings, by ONNX's names.
const (
	RoundPreferFloor Rounding = iota
	RoundPreferCeil
	RoundFloor
	RoundCeil
)

// Pad appends a padding.
func (g *Graph) Pad(name string, x *Node, p Pad) *Node {
	return g.append(name, &resample{value: p.Value, build: p.build}, x)
}

// Slice appends a part of a value: ranges of its channels, rows and columns.
func (g *Graph) Slice(name string, x *Node, c, h, w Range) *Node {
	return g.append(name, &resample{build: func(in Shape) (out [3]sampling, err error) {
		for i, r := range []Range{c, h, w} {
			if out[i], err = r.build(in.axes()[i]); err != nil {
				return out, err
			}
		}
		return out, nil
	}}, x)
}

// Shuffle appends ShuffleNet's channel shuffle: channel i of n in groups goes to place
// i%(n/groups)*groups + i/(n/groups).
func (g *Graph) Shuffle(name string, x *Node, groups int) *Node {
	return g.append(name, &resample{build: func(in Shape) (out [3]sampling, err error) {
		if groups < 1 || in.C%groups != 0 {
			return out, fmt.Errorf("a shuffle of %d channels in %d groups", in.C, groups)
		}
		out[0] = make(sampling, in.C)
		for i := range in.C {
			out[0][i%(in.C/groups)*groups+i/(in.C/groups)] = []tap{{i, 1}}
		}
		return out, nil
	}}, x)
}

// Resize appends an interpolation.
func (g *Graph) Resize(name string, x *Node, r Resize) *Node {
	return g.append(name, &resample{build: r.build}, x)
}

// Mean appends the mean over some of channels, rows and columns, of which one is left.
func (g *Graph) Mean(name string, x *Node, c, h, w bool) *Node {
	if !c && h && w {
		return g.MeanPool(name, x)
	}
	return g.append(name, &resample{build: func(in Shape) (out [3]sampling, err error) {
		for i, over := range []bool{c, h, w} {
			if n := in.axes()[i]; over {
				out[i] = sampling{make([]tap, n)}
				for k := range n {
					out[i][0][k] = tap{k, 1 / float32(n)}
				}
			}
		}
		return out, nil
	}}, x)
}

// axes are the lengths of channels, rows and columns.
func (s Shape) axes() [3]int { return [3]int{s.C, s.H, s.W} }

// tap is an element along an axis and its weight.
type tap struct {
	at     int
	weight float32
}

// sampling says for each place along an axis what it is the weighted sum of; nil that all places
// stay as they are.
type sampling [][]tap

// transposed is the sampling of the gradient for an axis of n places.
func (s sampling) transposed(n int) sampling {
	if s == nil {
		return nil
	}
	out := make(sampling, n)
	for o, taps := range s {
		for _, t := range taps {
			out[t.at] = append(out[t.at], tap{o, t.weight})
		}
	}
	return out
}

// selection is the place that each place is taken from, nil if some are anything else.
func (s sampling) selection() []int {
	var out []int
	for _, taps := range s {
		if len(taps) != 1 || taps[0].weight != 1 {
			return nil
		}
		out = append(out, taps[0].at)
	}
	return out
}

// of is the taps of a place; one is room for them.
func (s sampling) of(i int, one []tap) []tap {
	if s == nil {
		one[0] = tap{i, 1}
		return one
	}
	return s[i]
}

// resample makes every element a weighted sum of others, along each axis apart: padding, slices,
// shuffles, interpolation, means.
type resample struct {
	plain
	build func(in Shape) ([3]sampling, error)
	along [3]sampling // channels, rows, columns
	in    Shape
	value float32 // of elements that are the sum of nothing
	sums  bool    // some elements are sums of several
}

func (r *resample) shape(in []Shape) (Shape, error) {
	var err error
	if r.along, err = r.build(in[0]); err != nil {
		return in[0], err
	}
	r.in = in[0]
	out := in[0].axes()
	for i, s := range r.along {
		if s == nil {
			continue
		}
		out[i] = len(s)
		for _, taps := range s {
			r.sums = r.sums || len(taps) > 1 || len(taps) == 1 && taps[0].weight != 1
		}
	}
	return Shape{out[0], out[1], out[2]}, nil
}

func (r *resample) nonNegative(n *Node) bool { return r.value >= 0 && allNonNegative(n) }

func (r *resample) forward(l *layout, j *job) []step {
	return []step{resampleStep(r.along, r.value, j.src(j.root.in[0]), j.dst)}
}

// backward: excitation backprop passes what only moves unchanged, and divides sums in proportion
// to their positive terms.
func (r *resample) backward(b *descent, g *fused, sig view) {
	in := g.root.in[0]
	var back [3]sampling
	for i, n := range r.in.axes() {
		back[i] = r.along[i].transposed(n)
	}
	if b.rule >= Excitation && r.sums {
		b.excitePositive(g.root, sig, func(src, dst view) step { return resampleStep(r.along, 0, src, dst) },
			func(src, dst view) step { return resampleStep(back, 0, src, dst) })
		return
	}
	b.contribute(in, func(dst view, res *view) step {
		st := resampleStep(back, 0, sig, dst)
		st.res = res
		return st
	})
}

// resampleStep computes dst from src; elements that are the sum of nothing get value.
func resampleStep(along [3]sampling, value float32, src, dst view) *rowStep {
	if channels := along[0].selection(); channels != nil && along[1] == nil && along[2] == nil {
		return &rowStep{dst: dst, row: func(w *worker, image, blk, y int, out []float32) {
			gather(out, w.mem, dst.c-blk*block, func(i int) int {
				c := channels[blk*block+i]
				return src.at(image, c/block, y, 0) + c%block
			})
		}}
	}
	return &rowStep{dst: dst, row: func(w *worker, image, blk, y int, out []float32) {
		var one [1]tap
		clear(out)
		for _, t := range along[1].of(y, one[:]) {
			addRow(out, along, blk, &src, w.mem, image, t)
		}
		if value != 0 {
			fillGaps(out, along, blk, y, value)
		}
	}}
}

// addRow adds to a row of a block what it gets of one row of src.
func addRow(out []float32, along [3]sampling, blk int, src *view, mem []float32, image int, row tap) {
	var one [1]tap
	for x := range len(out) / block {
		to := (*[block]float32)(out[x*block:])
		for _, t := range along[2].of(x, one[:]) {
			weight := row.weight * t.weight
			if along[0] != nil {
				mixChannels(to, along[0], blk, src, mem, image, row.at, t.at, weight)
				continue
			}
			for i, v := range mem[src.at(image, blk, row.at, t.at):][:block] {
				to[i] += float32(v * weight)
			}
		}
	}
}

// mixChannels adds to a block of channels what they are sums of at a pixel.
func mixChannels(to *[block]float32, channels sampling, blk int, src *view, mem []float32, image, y, x int, weight float32) {
	for i := range to {
		if c := blk*block + i; c < len(channels) {
			for _, t := range channels[c] {
				to[i] += float32(mem[src.at(image, t.at/block, y, x)+t.at%block] * float32(weight*t.weight))
			}
		}
	}
}

// gather makes a row of a block of up to so many channels: channel i of a pixel is what lies at
// from(i) for the first pixel, a block further for each pixel after it.
func gather(out, mem []float32, channels int, from func(i int) int) {
	var at [block]int
	for i := range at {
		if i < channels {
			at[i] = from(i)
		} else {
			at[i] = at[0] // it does not matter
		}
	}
	for x := 0; x < len(out); x += block {
		to := (*[block]float32)(out[x:])
		for i, a := range at {
			to[i] = mem[a+x]
		}
	}
}

// fillGaps writes a value to the elements of a row that are the sum of nothing.
func fillGaps(out []float32, along [3]sampling, blk, y int, value float32) {
	empty := func(s sampling, i int) bool { return s != nil && i < len(s) && len(s[i]) == 0 }
	for i := range out {
		if empty(along[1], y) || empty(along[2], i/block) || empty(along[0], blk*block+i%block) {
			out[i] = value
		}
	}
}

func (p Pad) build(in Shape) (out [3]sampling, err error) {
	if p.Mode < PadConstant || p.Mode > PadWrap {
		return out, fmt.Errorf("no padding of number %d", p.Mode)
	}
	for i, around := range [3][2]int{{p.Front, p.Back}, {p.Top, p.Bottom}, {p.Left, p.Right}} {
		before, after, n := around[0], around[1], in.axes()[i]
		if before == 0 && after == 0 {
			continue
		}
		if max(before, after) > maxWindow || n+before+after < 1 || min(before, after) <= -n {
			return out, fmt.Errorf("padding of %d and %d around %d", before, after, n)
		}
		out[i] = make(sampling, n+before+after)
		for o := range out[i] {
			if from := p.from(o-before, n); from >= 0 {
				out[i][o] = []tap{{from, 1}}
			}
		}
	}
	return out, nil
}

// from is the place that stands at place i of n, -1 for none.
func (p Pad) from(i, n int) int {
	switch {
	case i >= 0 && i < n:
		return i
	case p.Mode == PadEdge, p.Mode == PadReflect && n == 1:
		return min(max(i, 0), n-1)
	case p.Mode == PadWrap:
		return mod(i, n)
	case p.Mode == PadReflect:
		i = mod(i, 2*n-2)
		return min(i, 2*n-2-i)
	}
	return -1
}

func (r Range) build(n int) (sampling, error) {
	if r == (Range{}) {
		return nil, nil
	}
	from, to, step := r.bounds(n)
	var out sampling
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		out = append(out, []tap{{i, 1}})
	}
	if out == nil {
		return nil, fmt.Errorf("an empty slice %d:%d:%d of %d", r.From, r.To, r.Step, n)
	}
	return out, nil
}

// bounds are the first place of a range, the one at which it has ended, and a step of at most n.
func (r Range) bounds(n int) (from, to, step int) {
	from, to, step = r.From, r.To, min(max(r.Step, -n), n)
	if from < 0 {
		from += n
	}
	if to < 0 {
		to += n
	}
	if step >= 0 {
		if r.To == 0 {
			to = n
		}
		return max(from, 0), min(to, n), max(step, 1)
	}
	if r.From == 0 {
		from = n - 1
	}
	if r.To == 0 {
		to = -1
	}
	return min(from, n-1), max(to, -1), step
}

func (r Resize) build(in Shape) (out [3]sampling, err error) {
	if r.Mode < Nearest || r.Mode > Bilinear || r.Coordinates < HalfPixel || r.Coordinates > PyTorchHalfPixel || r.Rounding < RoundPreferFloor || r.Rounding > RoundCeil {
		return out, fmt.Errorf("no resizing with mode %d, coordinates %d, rounding %d", r.Mode, r.Coordinates, r.Rounding)
	}
	if s := (Shape{in.C, r.H, r.W}); !s.fits() {
		return out, fmt.Errorf("resizing to %dx%d", r.H, r.W)
	}
	for i, a := range []struct {
		n, m  int
		scale float64
	}{{in.H, r.H, r.ScaleH}, {in.W, r.W, r.ScaleW}} {
		if a.scale == 0 {
			a.scale = float64(a.m) / float64(a.n)
		}
		if !(a.scale > 0) || math.IsInf(a.scale, 0) {
			return out, fmt.Errorf("resizing with a scale of %g", a.scale)
		}
		s := make(sampling, a.m)
		for o := range s {
			s[o] = r.taps(r.Coordinates.position(o, a.n, a.m, a.scale), a.n)
		}
		out[i+1] = s
	}
	return out, nil
}

// position is where pixel i of m lies on the map of n pixels.
func (c Coordinates) position(i, n, m int, scale float64) float64 {
	switch {
	case c == Asymmetric:
		return float64(i) / scale
	case c == AlignCorners && m > 1:
		return float64(i) * float64(n-1) / float64(m-1)
	case c == AlignCorners, c == PyTorchHalfPixel && m == 1:
		return 0
	}
	return (float64(i)+0.5)/scale - 0.5
}

// taps are the pixels of n that a position is between.
func (r Resize) taps(at float64, n int) []tap {
	inside := func(v float64) int { return int(min(max(v, 0), float64(n-1))) }
	if r.Mode == Nearest {
		switch r.Rounding {
		case RoundPreferFloor:
			at = math.Ceil(at - 0.5)
		case RoundPreferCeil:
			at = math.Floor(at + 0.5)
		case RoundFloor:
			at = math.Floor(at)
		default:
			at = math.Ceil(at)
		}
		return []tap{{inside(at), 1}}
	}
	low := math.Floor(at)
	a, b, part := inside(low), inside(low+1), float32(at-low)
	if a == b || part == 0 {
		return []tap{{a, 1}}
	}
	return []tap{{a, 1 - part}, {b, part}}
}
