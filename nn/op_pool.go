package nn

import (
	"fmt"
	"math"

	"cwox/asm"
)

// Pool is a pooling window. Ceil rounds the output size up (and drops a last window that would
// start in the padding), as PyTorch and Caffe do.
type Pool struct {
	Window
	Ceil bool
	// CountPad makes padding count, as zeros, in an average, as PyTorch's count_include_pad
	// does by default and ONNX's does not. What Ceil adds beyond it never counts.
	CountPad bool
}

// MaxPool appends a max-pooling. Padding is never the maximum.
func (g *Graph) MaxPool(name string, x *Node, p Pool) *Node {
	return g.append(name, &maxPool{Pool: p}, x)
}

// AvgPool appends an average pooling.
func (g *Graph) AvgPool(name string, x *Node, p Pool) *Node {
	return g.append(name, &avgPool{Pool: p}, x)
}

// GlobalMaxPool appends the largest value of each map: [C][1][1].
func (g *Graph) GlobalMaxPool(name string, x *Node) *Node {
	s := g.operand(name, x).shape
	return g.MaxPool(name, x, Pool{Window: Window{KH: s.H, KW: s.W}})
}

// MeanPool appends the mean over the whole map: [C][1][1].
func (g *Graph) MeanPool(name string, x *Node) *Node {
	s := g.operand(name, x).shape
	return g.AvgPool(name, x, Pool{Window: Window{KH: s.H, KW: s.W}})
}

type (
	maxPool struct {
		plain
		Pool
	}
	avgPool struct {
		plain
		Pool
	}
)

// on is the shape of a pooling's output. Every window must hold a pixel.
func (p *Pool) on(s Shape) (Shape, error) {
	out, err := p.Window.on(s, p.Ceil)
	if err != nil {
		return s, err
	}
	for _, a := range []struct {
		axis
		n, out int
	}{{p.rows(), s.H, out.H}, {p.cols(), s.W, out.W}} {
		if a.before >= a.extent() || a.after >= a.extent() {
			return s, fmt.Errorf("%v: a window of padding alone", p.Window)
		}
		for o := range a.out {
			if from, to := a.inside(o, a.n); from >= to {
				return s, fmt.Errorf("%v on a %dx%d map: a window without a pixel", p.Window, s.H, s.W)
			}
		}
	}
	return out, nil
}

func (p *maxPool) shape(in []Shape) (Shape, error) { return p.on(in[0]) }
func (p *avgPool) shape(in []Shape) (Shape, error) { return p.on(in[0]) }

func (p *maxPool) nonNegative(n *Node) bool { return allNonNegative(n) }
func (p *avgPool) nonNegative(n *Node) bool { return allNonNegative(n) }

func (p *maxPool) half(*Node) bool { return true }

func (p *maxPool) forward(l *layout, j *job) []step {
	src := j.src(j.root.in[0])
	s := &maxPoolStep{kernels: l.m.kernels, half: j.half, src: src, dst: j.dst, stride: p.StrideW}
	s.calls = poolCalls(&p.Window, &src, &j.dst, 4)
	if j.half {
		s.calls = poolCalls(&p.Window, &src, &j.dst, 2)
	}
	return []step{s}
}

// maxPoolStep is max-pooling, by a kernel for the positions of a row whose window holds the same
// places.
type maxPoolStep struct {
	kernels  *asm.Kernels
	half     bool // the maps are bfloat16
	src, dst view
	stride   int
	calls    []poolCall
}

// poolCall is for rows y0..y1-1 of the output, n pixels from x on: they look from pixel (iy, ix)
// and one stride further each.
type poolCall struct {
	y0, y1, x, n int
	iy, ix       int
	strideH      int
	taps         []int // byte offsets
}

// poolCalls cuts a pooling of elements of so many bytes.
func poolCalls(w *Window, src, dst *view, bytes int) []poolCall {
	var calls []poolCall
	for _, r := range w.rows().stretches(src.h, dst.h) {
		for _, c := range w.cols().stretches(src.w, dst.w) {
			call := poolCall{y0: r.o, y1: r.o + r.n, x: c.o, n: c.n, iy: w.rows().at(r.o, r.k0), ix: w.cols().at(c.o, c.k0), strideH: w.StrideH}
			for y := range r.k1 - r.k0 {
				for x := range c.k1 - c.k0 {
					call.taps = append(call.taps, bytes*(y*w.DilationH*src.row+x*w.DilationW*block))
				}
			}
			calls = append(calls, call)
		}
	}
	return calls
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
	for i := range s.calls {
		c := &s.calls[i]
		for y := c.y0; y < c.y1; y++ {
			src, dst := s.src.at(image, b, c.iy+(y-c.y0)*c.strideH, c.ix), s.dst.at(image, b, y, c.x)
			if s.half {
				w.poolHalf = asm.MaxPoolBF16Args{
					A: &w.half[src], C: &w.half[dst], Taps: &c.taps[0], NTaps: len(c.taps), Rows: c.n,
					ARow: 2 * s.stride * block, CRow: 2 * block,
				}
				s.kernels.MaxPoolBF16(&w.poolHalf)
			} else {
				w.pool = asm.MaxPoolF32Args{
					A: &w.mem[src], C: &w.mem[dst], Taps: &c.taps[0], NTaps: len(c.taps), Rows: c.n,
					ARow: 4 * s.stride * block, CRow: 4 * block,
				}
				s.kernels.MaxPoolF32(&w.pool)
			}
		}
	}
}

// backward sends each signal to the pixel that was the maximum of its window, the first in raster
// order. DeepLIFT sends the change of the maximum to the pixel that held the larger of both
// maxima, as Captum does.
func (p *maxPool) backward(b *descent, g *fused, sig view) {
	b.contribute(g.root.in[0], func(dst view, res *view) step {
		s := &maxPoolBack{window: &p.Window, signal: sig, x: b.activation(g.root.in[0]), dst: dst, res: res}
		if b.rule == DeepLIFT {
			ref := b.referenceOf(g.root.in[0])
			s.ref = &ref
		}
		return s
	})
}

type maxPoolBack struct {
	window *Window
	signal view
	x      source
	ref    *source // of DeepLIFT
	dst    view
	res    *view
}

func (s *maxPoolBack) items(n int) int { return n * blocks(s.dst.c) }

func (s *maxPoolBack) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := item/nb, item%nb
	start(w, &s.dst, s.res, image, b, 0)
	for oy := range s.signal.h {
		for ox := range s.signal.w {
			for j, v := range w.mem[s.signal.at(image, b, oy, ox):][:block] {
				if v == 0 {
					continue
				}
				y, x, top := s.largest(&s.x, b, oy, ox, j)
				if s.ref != nil {
					y, x, v = s.rescale(b, oy, ox, j, y, x, top, v)
				}
				w.mem[s.dst.at(image, b, y, x)+j] += v
			}
		}
	}
}

// rescale is the pixel that gets a signal by DeepLIFT's rule, and how much.
func (s *maxPoolBack) rescale(b, oy, ox, j, y, x int, top, v float32) (int, int, float32) {
	ry, rx, refTop := s.largest(s.ref, b, oy, ox, j)
	if refTop > top {
		y, x = ry, rx
	}
	change := s.x.row(b, y)[x*block+j] - s.ref.row(b, y)[x*block+j]
	if change <= -smallChange || change >= smallChange {
		v *= (top - refTop) / change
	}
	return y, x, v
}

// start writes what is there already, or zeros, to a map that signals will be added to.
func start(w *worker, dst, res *view, image, b int, zero float32) {
	clearBorder(dst, w.mem, image, b, 0, dst.h)
	for y := range dst.h {
		if out := dst.line(w.mem, image, b, y); res != nil {
			copy(out, res.line(w.mem, image, b, y))
		} else {
			for i := range out {
				out[i] = zero
			}
		}
	}
}

// largest finds the maximum of a window in channel j of a block, the first in raster order.
func (s *maxPoolBack) largest(a *source, b, oy, ox, j int) (y, x int, v float32) {
	rows, cols := s.window.rows(), s.window.cols()
	ky0, ky1 := rows.inside(oy, s.dst.h)
	kx0, kx1 := cols.inside(ox, s.dst.w)
	y, x, v = rows.at(oy, ky0), cols.at(ox, kx0), float32(math.Inf(-1))
	for ky := ky0; ky < ky1; ky++ {
		iy := rows.at(oy, ky)
		row := a.row(b, iy)
		for kx := kx0; kx < kx1; kx++ {
			ix := cols.at(ox, kx)
			if u := row[ix*block+j]; u > v || u != u {
				y, x, v = iy, ix, u
			}
		}
	}
	return y, x, v
}

// divide makes means of the sums of pixels x.. of row y of the output.
func (p *avgPool) divide(sums []float32, y, x int, in *view) {
	rows := p.counted(p.rows(), y, in.h)
	for ; len(sums) > 0; sums = sums[block:] {
		count := float32(rows * p.counted(p.cols(), x, in.w))
		for i := range block {
			sums[i] /= count
		}
		x++
	}
}

// counted is how many places of an axis count at position o: those on the map, and those in the
// padding if that counts.
func (p *avgPool) counted(a axis, o, n int) int {
	if p.CountPad {
		n += a.after
		return min(a.kernel, floorDiv(n-1-a.at(o, 0), a.dilation)+1)
	}
	from, to := a.inside(o, n)
	return to - from
}

func (p *avgPool) forward(l *layout, j *job) []step {
	src := j.src(j.root.in[0])
	s := &avgPoolStep{avgPool: p, kernel: l.m.kernels.DepthwiseF32, src: src, dst: j.dst, calls: poolCalls(&p.Window, &src, &j.dst, 4)}
	for i := range s.ones {
		s.ones[i] = 1
	}
	return []step{s}
}

// avgPoolStep is average pooling: sums by the kernel of depthwise convolution with weights of 1,
// some taps at a time, and a division.
type avgPoolStep struct {
	*avgPool
	kernel   func(*asm.DepthwiseF32Args)
	src, dst view
	calls    []poolCall
	ones     [averageTaps * block]float32
}

const averageTaps = 64

func (s *avgPoolStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *avgPoolStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := first+item/nb, item%nb
	clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	for i := range s.calls {
		c := &s.calls[i]
		for y := c.y0; y < c.y1; y++ {
			out := w.mem[s.dst.at(image, b, y, c.x):][:c.n*block]
			s.sum(w, c, w.mem[s.src.at(image, b, c.iy+(y-c.y0)*c.strideH, c.ix):], out)
			s.divide(out, y, c.x, &s.src)
		}
	}
}

// sum adds up the windows of a row: all pixels together where the taps are few, else pixel by
// pixel, for a sum goes on from the one before.
func (s *avgPoolStep) sum(w *worker, c *poolCall, in, out []float32) {
	inf := float32(math.Inf(1))
	w.depthwise = asm.DepthwiseF32Args{B: &s.ones[0], Rows: c.n, ARow: 4 * s.StrideW * block, CRow: 4 * block, Low: -inf, High: inf}
	args, pixels := &w.depthwise, 1
	if len(c.taps) > averageTaps {
		args.Rows, pixels = 1, c.n
	}
	for x := range pixels {
		args.A, args.C, args.Bias = &in[x*s.StrideW*block], &out[x*block], nil
		for t := 0; t < len(c.taps); t += averageTaps {
			args.Taps, args.NTaps = &c.taps[t], min(averageTaps, len(c.taps)-t)
			s.kernel(args)
			args.Bias = args.C
		}
	}
}

// means writes row y of the output for the positive part of an activation.
func (p *avgPool) means(out []float32, y int, in *source, blk int) {
	rows, cols := p.rows(), p.cols()
	clear(out)
	ky0, ky1 := rows.inside(y, in.view.h)
	for ky := ky0; ky < ky1; ky++ {
		row := in.row(blk, rows.at(y, ky))
		for x := range len(out) / block {
			sum := (*[block]float32)(out[x*block:])
			kx0, kx1 := cols.inside(x, in.view.w)
			for kx := kx0; kx < kx1; kx++ {
				v := (*[block]float32)(row[cols.at(x, kx)*block:])
				for i := range sum {
					if v[i] > 0 {
						sum[i] += v[i]
					}
				}
			}
		}
	}
	p.divide(out, y, 0, &in.view)
}

// backward spreads a signal over its window: evenly, or for excitation backprop in proportion to
// the activations, if they are positive.
func (p *avgPool) backward(b *descent, g *fused, sig view) {
	in := g.root.in[0]
	b.contribute(in, func(dst view, res *view) step {
		s := &avgPoolBack{avgPool: p, signal: sig, dst: dst, res: res}
		if b.rule >= Excitation {
			x := b.activation(in)
			s.x = &x
		}
		return s
	})
}

type avgPoolBack struct {
	*avgPool
	signal view
	x      *source // of excitation backprop
	dst    view
	res    *view
}

func (s *avgPoolBack) items(n int) int { return n * blocks(s.dst.c) }

func (s *avgPoolBack) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := item/nb, item%nb
	start(w, &s.dst, s.res, image, b, float32(math.Copysign(0, -1))) // which keeps the sign of a 0 added to it
	var mean []float32
	if s.x != nil {
		mean = w.scratch(s.signal.w * block)
	}
	for oy := range s.signal.h {
		if s.x != nil {
			s.means(mean, oy, s.x, b)
		}
		for ox := range s.signal.w {
			share := [block]float32(w.mem[s.signal.at(image, b, oy, ox):])
			for j, v := range share {
				if s.x != nil && v != 0 {
					share[j] = v / (mean[ox*block+j] + excitationEps)
				}
			}
			s.divide(share[:], oy, ox, &s.dst)
			s.spread(w, image, b, oy, ox, &share)
		}
	}
}

// spread adds a share to every pixel of a window.
func (s *avgPoolBack) spread(w *worker, image, b, oy, ox int, share *[block]float32) {
	rows, cols := s.rows(), s.cols()
	ky0, ky1 := rows.inside(oy, s.dst.h)
	kx0, kx1 := cols.inside(ox, s.dst.w)
	for ky := ky0; ky < ky1; ky++ {
		iy := rows.at(oy, ky)
		dst := s.dst.line(w.mem, image, b, iy)
		for kx := kx0; kx < kx1; kx++ {
			ix := cols.at(ox, kx)
			out := dst[ix*block:][:block]
			if s.x == nil {
				for j, v := range share {
					out[j] += v
				}
				continue
			}
			x := s.x.row(b, iy)[ix*block:][:block]
			for j, v := range share {
				out[j] += float32(v * max(x[j], 0))
			}
		}
	}
}
