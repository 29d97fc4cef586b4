package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// evaluate computes every node of a graph for one image in float64, by the definitions.
func evaluate(g *Graph, x []float64) [][]float64 {
	out := make([][]float64, len(g.nodes))
	for _, n := range g.nodes {
		in := make([][]float64, len(n.in))
		for i, p := range n.in {
			in[i] = out[p.id]
			if p.id == 0 && g.affineScale != nil {
				in[i] = slices.Clone(in[i])
				at(p.shape, func(c, _, _, k int) { in[i][k] = in[i][k]*float64(g.affineScale[c]) + float64(g.affineShift[c]) })
			}
		}
		out[n.id] = x
		if n.id > 0 {
			out[n.id] = evaluateOne(n, in)
		}
	}
	return out
}

// evaluateOne computes one node from its operands.
func evaluateOne(n *Node, ins [][]float64) []float64 {
	y := make([]float64, n.shape.Size())
	var in []float64
	var s Shape
	if len(ins) > 0 {
		in, s = ins[0], n.in[0].shape
	}
	switch op := n.op.(type) {
	case *conv:
		connections(op, s, n.shape, func(i, from, weight int) { y[i] += float64(op.Weight[weight]) * in[from] })
		at(n.shape, func(o, _, _, i int) {
			if op.Bias != nil {
				y[i] += float64(op.Bias[o])
			}
		})
	case *norm:
		at(n.shape, func(c, _, _, i int) {
			a, d := op.channel(c)
			y[i] = a*in[i] + d
		})
	case *elementwise:
		at(n.shape, func(c, _, _, i int) {
			p := op.at(c)
			y[i] = functions[op.Function].f(in[i], &p)
		})
	case *binary:
		at(n.shape, func(c, py, px, i int) {
			a, b := ins[0][within(n.in[0].shape, c, py, px)], ins[1][within(n.in[1].shape, c, py, px)]
			y[i] = [...]float64{a + b, a - b, a * b, a / b}[op.what]
		})
	case *maxPool:
		at(n.shape, func(c, oy, ox, i int) {
			y[i] = math.Inf(-1)
			places(&op.Window, s, c, oy, ox, func(k int) { y[i] = max(y[i], in[k]) })
		})
	case *avgPool:
		at(n.shape, func(c, oy, ox, i int) {
			places(&op.Window, s, c, oy, ox, func(k int) { y[i] += in[k] / divisor(op, s, oy, ox) })
		})
	case *lrn:
		at(n.shape, func(c, py, px, i int) {
			sum := 0.0
			for j := max(0, c-op.Size/2); j <= min(s.C-1, c+op.Size/2); j++ {
				v := in[(j*s.H+py)*s.W+px]
				sum += v * v
			}
			y[i] = in[i] * math.Pow(float64(op.K)+float64(op.Alpha)/float64(op.Size)*sum, -float64(op.Beta))
		})
	case *concat:
		y = slices.Concat(ins...)
	case *constant:
		y = widen(op.values)
	case *resample:
		links(op, s, n.shape, func(i, from int, weight float64) { y[i] += weight * in[from] })
		at(n.shape, func(c, py, px, i int) {
			if len(linksOf(op.along[0], c))*len(linksOf(op.along[1], py))*len(linksOf(op.along[2], px)) == 0 {
				y[i] = float64(op.value)
			}
		})
	case *rearrange:
		at(n.shape, func(c, py, px, i int) { y[i] = in[moves(op, s, n.shape, c, py, px)] })
	case *statistics:
		for _, set := range sets(op.groups, s) {
			mean, r := meanAndScale(in, set, op.Eps)
			for _, i := range set {
				c := i / (s.H * s.W)
				y[i] = (in[i]-mean)*r*float64(op.Gamma[c]) + float64(op.Beta[c])
			}
		}
	case *softmax:
		for _, set := range sets(0, s) {
			sum := 0.0
			for _, i := range set {
				sum += math.Exp(in[i])
			}
			for _, i := range set {
				y[i] = math.Exp(in[i]) / sum
				if op.log {
					y[i] = math.Log(y[i])
				}
			}
		}
	case *matmul:
		terms(n, func(i, a, b int) { y[i] += ins[0][a] * ins[1][b] })
	default:
		panic(fmt.Sprintf("no oracle for %T", op))
	}
	return y
}

// linksOf is the sums at a place of an axis.
func linksOf(s sampling, i int) []tap {
	if s == nil {
		return []tap{{i, 1}}
	}
	return s[i]
}

// links visits the terms of a resampling: output element, input element, weight.
func links(r *resample, s, out Shape, visit func(i, from int, weight float64)) {
	at(out, func(c, y, x, i int) {
		for _, tc := range linksOf(r.along[0], c) {
			for _, ty := range linksOf(r.along[1], y) {
				for _, tx := range linksOf(r.along[2], x) {
					visit(i, (tc.at*s.H+ty.at)*s.W+tx.at, float64(tc.weight)*float64(ty.weight)*float64(tx.weight))
				}
			}
		}
	})
}

// moves is the input element that a rearrangement puts at an output element.
func moves(r *rearrange, s, out Shape, c, y, x int) int {
	if r.perm == nil {
		return (c*out.H+y)*out.W + x
	}
	var in [3]int
	for i, p := range r.perm {
		in[p] = [3]int{c, y, x}[i]
	}
	return (in[0]*s.H+in[1])*s.W + in[2]
}

// sets are the elements that are normalised together: of a group of channels, or of each pixel.
func sets(groups int, s Shape) (out [][]int) {
	out = make([][]int, max(groups, 0))
	if groups == 0 {
		out = make([][]int, s.H*s.W)
	}
	at(s, func(c, y, x, i int) {
		set := y*s.W + x
		if groups > 0 {
			set = c / (s.C / groups)
		}
		out[set] = append(out[set], i)
	})
	return out
}

func meanAndScale(x []float64, set []int, eps float64) (mean, r float64) {
	for _, i := range set {
		mean += x[i] / float64(len(set))
	}
	for _, i := range set {
		r += (x[i] - mean) * (x[i] - mean) / float64(len(set))
	}
	return mean, 1 / math.Sqrt(r+eps)
}

// terms visits the products of a matrix product: output element, elements of both factors.
func terms(n *Node, visit func(i, a, b int)) {
	sa, sb := n.in[0].shape, n.in[1].shape
	at(n.shape, func(c, y, x, i int) {
		for k := range sa.W {
			visit(i, within(sa, c, y, k), within(sb, c, k, x))
		}
	})
}

// connections visits the weights of a convolution: output element, input element, weight.
func connections(c *conv, s, out Shape, visit func(i, from, weight int)) {
	perIn, perOut := s.C/c.Groups, c.Out/c.Groups
	at(out, func(o, oy, ox, i int) {
		for ic := range perIn {
			for ky := range c.KH {
				for kx := range c.KW {
					iy, ix := oy*c.StrideH-c.Top+ky*c.DilationH, ox*c.StrideW-c.Left+kx*c.DilationW
					if iy >= 0 && iy < s.H && ix >= 0 && ix < s.W {
						visit(i, ((o/perOut*perIn+ic)*s.H+iy)*s.W+ix, ((o*perIn+ic)*c.KH+ky)*c.KW+kx)
					}
				}
			}
		}
	})
}

// places visits the elements of a window in raster order.
func places(w *Window, s Shape, c, oy, ox int, visit func(k int)) {
	for ky := range w.KH {
		for kx := range w.KW {
			iy, ix := oy*w.StrideH-w.Top+ky*w.DilationH, ox*w.StrideW-w.Left+kx*w.DilationW
			if iy >= 0 && iy < s.H && ix >= 0 && ix < s.W {
				visit((c*s.H+iy)*s.W + ix)
			}
		}
	}
}

// divisor counts the places that an average is over.
func divisor(p *avgPool, s Shape, oy, ox int) float64 {
	n := 0.0
	padded := s
	w := p.Window
	if p.CountPad { // the padding is part of the map
		padded.H, padded.W = s.H+w.Top+w.Bottom, s.W+w.Left+w.Right
		w.Top, w.Left = 0, 0
	}
	places(&w, padded, 0, oy, ox, func(int) { n++ })
	return n
}

// within is the index of an element of an operand that may be repeated along its axes.
func within(s Shape, c, y, x int) int {
	return (min(c, s.C-1)*s.H+min(y, s.H-1))*s.W + min(x, s.W-1)
}

// at visits the elements of a shape in order.
func at(s Shape, f func(c, y, x, i int)) {
	i := 0
	for c := range s.C {
		for y := range s.H {
			for x := range s.W {
				f(c, y, x, i)
				i++
			}
		}
	}
}

// random makes reproducible parameters for test graphs.
type random struct{ *rand.Rand }

func newRandom(seed uint64) random { return random{rand.New(rand.NewPCG(seed, 1))} }

func (r random) normal(n int, std float64) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(r.NormFloat64() * std)
	}
	return out
}

func (r random) positive(n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(0.5 + r.Float64())
	}
	return out
}

func (r random) conv(g *Graph, name string, x *Node, out, k, stride, pad int) *Node {
	fan := x.shape.C * k * k
	return g.Conv(name, x, Conv{Weight: r.normal(out*fan, math.Sqrt(2/float64(fan))), Bias: r.normal(out, 0.1), Out: out, Window: Square(k, stride, pad)})
}

func (r random) norm(g *Graph, name string, x *Node) *Node {
	c := x.shape.C
	return g.BatchNorm(name, x, BatchNorm{Gamma: r.positive(c), Beta: r.normal(c, 0.1), Mean: r.normal(c, 0.1), Var: r.positive(c), Eps: 1e-5})
}

// mixed is a small network with every operator, odd sizes and odd channel counts.
func mixed(seed uint64, height, width int) *Graph {
	r := newRandom(seed)
	g := NewGraph(Shape{3, height, width})
	g.InputAffine([]float32{0.5, 1.5, 1}, []float32{0.1, -0.2, 0})
	x := g.ReLU("stem", r.norm(g, "stem.bn", r.conv(g, "stem.conv", g.Input(), 36, 7, 2, 3)))
	x = g.MaxPool("pool1", x, Pool{Window: Square(3, 2, 0), Ceil: true})
	x = g.LRN("lrn", x, LRN{Size: 5, Alpha: 0.5, Beta: 0.75, K: 1})
	x = g.ReLU("c2", r.conv(g, "c2.conv", x, 48, 3, 1, 1))
	// An inception module whose operands fill blocks, with a 5x5 branch.
	a := g.ReLU("i1.a", r.conv(g, "i1.a.conv", x, 32, 1, 1, 0))
	b := g.ReLU("i1.b", r.conv(g, "i1.b.conv", g.ReLU("i1.b0", r.conv(g, "i1.b0.conv", x, 24, 1, 1, 0)), 16, 5, 1, 2))
	c := g.ReLU("i1.c", r.conv(g, "i1.c.conv", g.MaxPool("i1.pool", x, Pool{Window: Square(3, 1, 1)}), 19, 1, 1, 0))
	x = g.Concat("i1", a, b, c)
	// One whose operands do not.
	a = g.ReLU("i2.a", r.conv(g, "i2.a.conv", x, 10, 1, 1, 0))
	b = g.ReLU("i2.b", r.conv(g, "i2.b.conv", x, 23, 3, 1, 1))
	x = g.Concat("i2", a, b)
	// Residual blocks: strided with a projection, then an identity.
	short := r.norm(g, "r1.down.bn", r.conv(g, "r1.down", x, 40, 1, 2, 0))
	y := g.ReLU("r1.relu1", r.norm(g, "r1.bn1", r.conv(g, "r1.conv1", x, 17, 1, 1, 0)))
	y = g.ReLU("r1.relu2", r.norm(g, "r1.bn2", r.conv(g, "r1.conv2", y, 17, 3, 2, 1)))
	x = g.ReLU("r1", g.Add("r1.sum", r.norm(g, "r1.bn3", r.conv(g, "r1.conv3", y, 40, 1, 1, 0)), short))
	y = g.ReLU("r2.relu1", r.norm(g, "r2.bn1", r.conv(g, "r2.conv1", x, 33, 3, 1, 1)))
	x = g.ReLU("r2", g.Add("r2.sum", r.norm(g, "r2.bn2", r.conv(g, "r2.conv2", y, 40, 3, 1, 1)), x))
	x = g.MeanPool("mean", x)
	g.Linear("fc", x, r.normal(11*40, 0.3), r.normal(11, 0.1), 11)
	return g
}
