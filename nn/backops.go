package nn

import "math"

// The steps of a backward plan. Signals lie in the run's memory with one image per seed;
// activations are those of the one image being explained.

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

// gateStep passes a signal only where the ReLU did: signal *= (act > 0). Guided
// backpropagation also stops negative signals.
type gateStep struct {
	signal view
	act    source
	guided bool
}

func (s *gateStep) items(n int) int { return n * blocks(s.signal.c) }

func (s *gateStep) run(w *worker, first, n, item int) {
	nb := blocks(s.signal.c)
	image, b := item/nb, item%nb
	for y := 0; y < s.signal.h; y++ {
		act := s.act.row(b, y)
		p := w.mem[s.signal.at(image, b, y, 0):][:len(act)]
		for i, a := range act {
			// Written so that a NaN activation blocks nothing and a NaN signal survives.
			if a <= 0 || s.guided && p[i] < 0 {
				p[i] = 0
			}
		}
	}
}

// splitStep divides a signal between the operands of a residual sum in proportion to their
// values: branch = signal*(out-shortcut)/out, signal = signal*shortcut/out; 0 stays 0.
type splitStep struct {
	signal, branch view
	out, shortcut  source
}

func (s *splitStep) items(n int) int { return n * blocks(s.signal.c) }

func (s *splitStep) run(w *worker, first, n, item int) {
	nb := blocks(s.signal.c)
	image, b := item/nb, item%nb
	clearBorder(&s.branch, w.mem, image, b, 0, s.branch.h)
	for y := 0; y < s.signal.h; y++ {
		sum, short := s.out.row(b, y), s.shortcut.row(b, y)
		p := w.mem[s.signal.at(image, b, y, 0):][:len(sum)]
		q := w.mem[s.branch.at(image, b, y, 0):][:len(sum)]
		for i, v := range p {
			if v == 0 {
				q[i] = 0
				continue
			}
			q[i] = v * (sum[i] - short[i]) / sum[i]
			p[i] = v * short[i] / sum[i]
		}
	}
}

// combineStep is dst = a*scale + res, scale (per channel) and res being optional.
type combineStep struct {
	a     view
	scale []float32
	res   *view
	dst   view
}

func (s *combineStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *combineStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := item/nb, item%nb
	clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	for y := 0; y < s.dst.h; y++ {
		dst := w.mem[s.dst.at(image, b, y, 0):][:s.dst.w*block]
		a := w.mem[s.a.at(image, b, y, 0):][:len(dst)]
		res := residual(w, s.res, image, b, y)
		for i, v := range a {
			if s.scale != nil {
				v *= s.scale[b*block+i%block]
			}
			if res != nil {
				v += res[i]
			}
			dst[i] = v
		}
	}
}

// residual is a row of *res, or nil.
func residual(w *worker, res *view, image, b, y int) []float32 {
	if res == nil {
		return nil
	}
	return w.mem[res.at(image, b, y, 0):][:res.w*block]
}

// sliceStep is dst = channels c0.. of src + res.
type sliceStep struct {
	src view
	c0  int
	dst view
	res *view
}

func (s *sliceStep) items(n int) int { return n }

func (s *sliceStep) run(w *worker, first, n, image int) {
	for b := 0; b < blocks(s.dst.c); b++ {
		clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
		for y := 0; y < s.dst.h; y++ {
			dst := w.mem[s.dst.at(image, b, y, 0):][:s.dst.w*block]
			res := residual(w, s.res, image, b, y)
			for i := range dst {
				v := float32(0)
				if c := b*block + i%block; c < s.dst.c {
					c += s.c0
					v = w.mem[s.src.at(image, c/block, y, i/block)+c%block]
				}
				if res != nil {
					v += res[i]
				}
				dst[i] = v
			}
		}
	}
}

// excitationEps keeps the division of excitation backprop from 0/0.
const excitationEps = 1e-20

// divideStep is dst = p / (y + eps), y being the same for all seeds.
type divideStep struct{ p, y, dst view }

func (s *divideStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *divideStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := item/nb, item%nb
	clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	for row := 0; row < s.dst.h; row++ {
		dst := w.mem[s.dst.at(image, b, row, 0):][:s.dst.w*block]
		p := w.mem[s.p.at(image, b, row, 0):][:len(dst)]
		y := w.mem[s.y.at(0, b, row, 0):][:len(dst)]
		for i, v := range p {
			if v == 0 { // also the padding channels
				dst[i] = 0
				continue
			}
			dst[i] = v / (y[i] + excitationEps)
		}
	}
}

// multiplyStep is dst = x*r + res, or res - x*r.
type multiplyStep struct {
	x     source
	r     view
	res   *view
	dst   view
	minus bool
}

func (s *multiplyStep) items(n int) int { return n * blocks(s.dst.c) }

func (s *multiplyStep) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := item/nb, item%nb
	clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	for y := 0; y < s.dst.h; y++ {
		x := s.x.row(b, y)
		r := w.mem[s.r.at(image, b, y, 0):][:len(x)]
		dst := w.mem[s.dst.at(image, b, y, 0):][:len(x)]
		res := residual(w, s.res, image, b, y)
		for i, v := range x {
			v *= r[i]
			if s.minus {
				v = -v
			}
			if res != nil {
				v += res[i]
			}
			dst[i] = v
		}
	}
}

// meanPoolBack spreads a signal over the map: evenly, or for excitation backprop in
// proportion to the activations x with mean y.
type meanPoolBack struct {
	signal view
	x, y   *source
	dst    view
	res    *view
}

func (s *meanPoolBack) items(n int) int { return n * blocks(s.dst.c) }

func (s *meanPoolBack) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := item/nb, item%nb
	area := float32(s.dst.h * s.dst.w)
	var share [block]float32
	for j := range share {
		p := w.mem[s.signal.at(image, b, 0, 0)+j]
		if s.y != nil && p != 0 {
			p /= s.y.row(b, 0)[j] + excitationEps
		}
		share[j] = p / area
	}
	clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	for y := 0; y < s.dst.h; y++ {
		dst := w.mem[s.dst.at(image, b, y, 0):][:s.dst.w*block]
		res := residual(w, s.res, image, b, y)
		for i := range dst {
			v := share[i%block]
			if s.x != nil {
				v *= s.x.row(b, y)[i]
			}
			if res != nil {
				v += res[i]
			}
			dst[i] = v
		}
	}
}

// maxPoolBack sends each signal to the pixel that was the maximum of its window, the first
// in raster order.
type maxPoolBack struct {
	pool   Pool
	signal view
	x      source
	dst    view
	res    *view
}

func (s *maxPoolBack) items(n int) int { return n * blocks(s.dst.c) }

func (s *maxPoolBack) run(w *worker, first, n, item int) {
	nb := blocks(s.dst.c)
	image, b := item/nb, item%nb
	s.start(w, image, b)
	for oy := 0; oy < s.signal.h; oy++ {
		for ox := 0; ox < s.signal.w; ox++ {
			p := w.mem[s.signal.at(image, b, oy, ox):][:block]
			for j, v := range p {
				if v == 0 {
					continue
				}
				y, x, _ := s.largest(&s.x, b, oy, ox, j)
				w.mem[s.dst.at(image, b, y, x)+j] += v
			}
		}
	}
}

// start writes what is there already to a map of the destination.
func (s *maxPoolBack) start(w *worker, image, b int) {
	clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	for y := 0; y < s.dst.h; y++ {
		dst := w.mem[s.dst.at(image, b, y, 0):][:s.dst.w*block]
		if res := residual(w, s.res, image, b, y); res != nil {
			copy(dst, res)
		} else {
			clear(dst)
		}
	}
}

// largest finds the maximum of a window in channel j of a block, the first in raster order.
func (s *maxPoolBack) largest(a *source, b, oy, ox, j int) (y, x int, v float32) {
	y0, y1 := window(oy, s.pool, s.dst.h)
	x0, x1 := window(ox, s.pool, s.dst.w)
	y, x, v = y0, x0, float32(math.Inf(-1))
	for iy := y0; iy < y1; iy++ {
		row := a.row(b, iy)
		for ix := x0; ix < x1; ix++ {
			if u := row[ix*block+j]; u > v || u != u {
				y, x, v = iy, ix, u
			}
		}
	}
	return y, x, v
}

// window is the range of input positions that output position o looks at.
func window(o int, p Pool, n int) (from, to int) {
	from = o*p.Stride - p.Pad
	return max(from, 0), min(from+p.Size, n)
}

// lrnBack is the gradient of local response normalisation x_i f(s_i), f(s) = s^-0.75 and
// s = K + a*sum of x^2 over a window: dx_i = g_i f(s_i) + 2 a x_i * sum over windows j that
// hold i of g_j x_j f'(s_j).
//
// With a reference it is DeepLIFT's: the rescale rule for the square and the power, and half
// of each order for the product, which is exact: x becomes (x + ref)/2, f(s) the mean of both,
// and f' the change of f over that of s.
type lrnBack struct {
	lrn    LRN
	signal view
	x      source
	ref    *source
	dst    view
	res    *view
}

func (s *lrnBack) items(n int) int { return n * s.dst.h }

func (s *lrnBack) run(w *worker, first, n, item int) {
	image, y := item/s.dst.h, item%s.dst.h
	c := s.dst.c
	ref := s.ref
	if ref == nil {
		ref = &s.x
	}
	alpha := float64(s.lrn.Alpha) / float64(s.lrn.Size)
	half := s.lrn.Size / 2
	xs, rs, gs := make([]float64, c), make([]float64, c), make([]float64, c)
	factor, inner := make([]float64, c), make([]float64, c)
	for b := 0; b < blocks(c) && y == 0; b++ {
		clearBorder(&s.dst, w.mem, image, b, 0, s.dst.h)
	}
	for px := 0; px < s.dst.w; px++ {
		for i := range xs {
			xs[i] = float64(s.x.row(i/block, y)[px*block+i%block])
			rs[i] = float64(ref.row(i/block, y)[px*block+i%block])
			gs[i] = float64(w.mem[s.signal.at(image, i/block, y, px)+i%block])
		}
		for i := range xs {
			sum, sumRef := float64(s.lrn.K), float64(s.lrn.K)
			for j := max(0, i-half); j <= min(c-1, i+half); j++ {
				sum += float64(alpha * xs[j] * xs[j])
				sumRef += float64(alpha * rs[j] * rs[j])
			}
			f, fRef := lrnPower(sum), lrnPower(sumRef)
			slope := (f - fRef) / (sum - sumRef)
			if math.Abs(sum-sumRef) < 1e-5*sum {
				mid := (sum + sumRef) / 2
				slope = -0.75 * lrnPower(mid) / mid
			}
			factor[i] = (f + fRef) / 2
			inner[i] = gs[i] * (xs[i] + rs[i]) / 2 * slope
		}
		for b := 0; b < blocks(c); b++ {
			out := w.mem[s.dst.at(image, b, y, px):][:block]
			for k := range out {
				v := 0.0
				if i := b*block + k; i < c {
					for j := max(0, i-half); j <= min(c-1, i+half); j++ {
						v += inner[j]
					}
					v = float64(gs[i]*factor[i]) + float64(alpha*(xs[i]+rs[i])*v)
				}
				if s.res != nil {
					v += float64(w.mem[s.res.at(image, b, y, px)+k])
				}
				out[k] = float32(v)
			}
		}
	}
}

// lrnPower is s^-0.75.
func lrnPower(s float64) float64 { return 1 / math.Sqrt(s*math.Sqrt(s)) }
