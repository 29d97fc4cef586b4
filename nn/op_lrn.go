package nn

import (
	"fmt"
	"math"

	"cwox/asm"
	"cwox/internal/elementary"
)

// LRN is local response normalisation across channels:
// x * (K + Alpha/Size * sum of squares over Size channels)^-Beta. Size is odd.
type LRN struct {
	Size        int
	Alpha, Beta float32
	K           float32
}

// LRN appends a local response normalisation.
func (g *Graph) LRN(name string, x *Node, l LRN) *Node { return g.append(name, &lrn{LRN: l}, x) }

type lrn struct {
	plain
	LRN
}

func (l *lrn) shape(in []Shape) (Shape, error) {
	if l.Size < 1 || l.Size%2 == 0 || l.Size > maxWindow {
		return in[0], fmt.Errorf("local response normalisation of size %d: want an odd number", l.Size)
	}
	if !(l.K >= 0) || !(l.Alpha >= 0) {
		return in[0], fmt.Errorf("local response normalisation with k %g, alpha %g: want no negative number", l.K, l.Alpha)
	}
	return in[0], nil
}

func (l *lrn) nonNegative(n *Node) bool { return allNonNegative(n) }

// power is s^-Beta.
func (l *lrn) power(s float64) float64 {
	if l.Beta == 0.75 {
		return 1 / math.Sqrt(s*math.Sqrt(s))
	}
	return elementary.Pow(s, -float64(l.Beta))
}

// alpha is the factor of the sum of squares.
func (l *lrn) alpha() float64 { return float64(l.Alpha) / float64(l.Size) }

// squares is K + alpha * the sum of squares around channel i of x.
func (l *lrn) squares(x []float64, i int) float64 {
	sum, half := float64(l.K), l.Size/2
	for j := max(0, i-half); j <= min(len(x)-1, i+half); j++ {
		sum += float64(l.alpha() * x[j] * x[j])
	}
	return sum
}

func (l *lrn) forward(p *layout, j *job) []step {
	src := j.src(j.root.in[0])
	if l.Beta == 0.75 && l.Size == 5 {
		return []step{&lrnStep{kernel: p.m.kernels.LRNF32, lrn: l, src: src, dst: j.dst}}
	}
	return []step{&setStep{dst: j.dst, in: []from{{view: src}}, values: 2, f: func(v [][]float64, _, _ int) {
		for c, x := range v[0] {
			v[1][c] = x * l.power(l.squares(v[0], c))
		}
	}}}
}

// lrnStep is local response normalisation by a kernel.
type lrnStep struct {
	kernel   func(*asm.LRNF32Args)
	lrn      *lrn
	src, dst view
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

// backward is the gradient of local response normalisation x_i f(s_i), f(s) = s^-Beta and
// s = K + a*sum of x^2 over a window: dx_i = g_i f(s_i) + 2 a x_i * sum over windows j that
// hold i of g_j x_j f'(s_j). Excitation backprop passes unchanged.
//
// With a reference it is DeepLIFT's: the rescale rule for the square and the power, and half
// of each order for the product, which is exact: x becomes (x + ref)/2, f(s) the mean of both,
// and f' the change of f over that of s.
func (l *lrn) backward(b *descent, g *fused, sig view) {
	in := g.root.in[0]
	if b.rule >= Excitation {
		b.copy(in, sig, nil)
		return
	}
	b.contribute(in, func(dst view, res *view) step {
		return &setStep{dst: dst, res: res, in: b.changes(in, sig), values: 6, f: func(v [][]float64, _, _ int) { l.pass(v) }}
	})
}

// pass passes the signals of a pixel on: buf has the values, those of the reference and the
// signals, room for two vectors more, and the result last.
func (l *lrn) pass(buf [][]float64) {
	xs, rs, gs, factor, inner, out := buf[0], buf[1], buf[2], buf[3], buf[4], buf[5]
	for i := range xs {
		sum, sumRef := l.squares(xs, i), l.squares(rs, i)
		f, fRef := l.power(sum), l.power(sumRef)
		slope := (f - fRef) / (sum - sumRef)
		if math.Abs(sum-sumRef) < 1e-5*sum {
			mid := (sum + sumRef) / 2
			slope = -float64(l.Beta) * l.power(mid) / mid
		}
		factor[i] = (f + fRef) / 2
		inner[i] = gs[i] * (xs[i] + rs[i]) / 2 * slope
	}
	half := l.Size / 2
	for i := range out {
		v := 0.0
		for j := max(0, i-half); j <= min(len(out)-1, i+half); j++ {
			v += inner[j]
		}
		out[i] = float64(gs[i]*factor[i]) + float64(l.alpha()*(xs[i]+rs[i])*v)
	}
}
