package nn

import (
	"math"
	"math/rand/v2"
)

// evaluate computes every node of a graph for one image in float64, by the definitions.
func evaluate(g *Graph, x []float64) [][]float64 {
	out := make([][]float64, len(g.nodes))
	for _, n := range g.nodes {
		var in []float64
		var s Shape
		if len(n.in) > 0 {
			in, s = out[n.in[0].id], n.in[0].shape
		}
		y := make([]float64, n.shape.Size())
		switch n.kind {
		case kindInput:
			copy(y, x)
		case kindConv:
			if g.affineScale != nil && n.in[0].kind == kindInput {
				in = append([]float64(nil), in...)
				for i := range in {
					c := i / (s.H * s.W)
					in[i] = in[i]*float64(g.affineScale[c]) + float64(g.affineShift[c])
				}
			}
			c := n.conv
			at(n.shape, func(o, oy, ox, i int) {
				if c.Bias != nil {
					y[i] = float64(c.Bias[o])
				}
				for ic := 0; ic < s.C; ic++ {
					for ky := 0; ky < c.KH; ky++ {
						for kx := 0; kx < c.KW; kx++ {
							iy, ix := oy*c.Stride-c.Pad+ky, ox*c.Stride-c.Pad+kx
							if iy >= 0 && iy < s.H && ix >= 0 && ix < s.W {
								y[i] += float64(c.Weight[((o*s.C+ic)*c.KH+ky)*c.KW+kx]) * in[(ic*s.H+iy)*s.W+ix]
							}
						}
					}
				}
			})
		case kindNorm:
			at(n.shape, func(c, _, _, i int) {
				a, d := n.norm.affine(c)
				y[i] = a*in[i] + d
			})
		case kindReLU:
			for i, v := range in {
				y[i] = max(v, 0)
			}
		case kindAdd:
			for i, v := range in {
				y[i] = v + out[n.in[1].id][i]
			}
		case kindMaxPool:
			at(n.shape, func(c, oy, ox, i int) {
				y[i] = math.Inf(-1)
				y0, y1 := window(oy, *n.pool, s.H)
				x0, x1 := window(ox, *n.pool, s.W)
				for iy := y0; iy < y1; iy++ {
					for ix := x0; ix < x1; ix++ {
						y[i] = max(y[i], in[(c*s.H+iy)*s.W+ix])
					}
				}
			})
		case kindMeanPool:
			for c := range y {
				for _, v := range in[c*s.H*s.W:][:s.H*s.W] {
					y[c] += v / float64(s.H*s.W)
				}
			}
		case kindLRN:
			at(n.shape, func(c, py, px, i int) {
				sum := 0.0
				for j := max(0, c-n.lrn.Size/2); j <= min(s.C-1, c+n.lrn.Size/2); j++ {
					v := in[(j*s.H+py)*s.W+px]
					sum += v * v
				}
				y[i] = in[i] * math.Pow(float64(n.lrn.K)+float64(n.lrn.Alpha)/float64(n.lrn.Size)*sum, -0.75)
			})
		case kindConcat:
			y = y[:0]
			for _, in := range n.in {
				y = append(y, out[in.id]...)
			}
		}
		out[n.id] = y
	}
	return out
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
	return g.Conv(name, x, Conv{Weight: r.normal(out*fan, math.Sqrt(2/float64(fan))), Bias: r.normal(out, 0.1), Out: out, KH: k, KW: k, Stride: stride, Pad: pad})
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
	x = g.MaxPool("pool1", x, Pool{Size: 3, Stride: 2, Ceil: true})
	x = g.LRN("lrn", x, LRN{Size: 5, Alpha: 0.5, Beta: 0.75, K: 1})
	x = g.ReLU("c2", r.conv(g, "c2.conv", x, 48, 3, 1, 1))
	// An inception module whose operands fill blocks, with a 5x5 branch.
	a := g.ReLU("i1.a", r.conv(g, "i1.a.conv", x, 32, 1, 1, 0))
	b := g.ReLU("i1.b", r.conv(g, "i1.b.conv", g.ReLU("i1.b0", r.conv(g, "i1.b0.conv", x, 24, 1, 1, 0)), 16, 5, 1, 2))
	c := g.ReLU("i1.c", r.conv(g, "i1.c.conv", g.MaxPool("i1.pool", x, Pool{Size: 3, Stride: 1, Pad: 1}), 19, 1, 1, 0))
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
