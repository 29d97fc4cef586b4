package nn

import (
	"fmt"
	"testing"
)

// inverted is a network of MobileNetV2's blocks with squeezes and SiLU as in EfficientNet, if
// asked for, on random weights.
func inverted(size int, gates bool) *Graph {
	r := newRandom(1)
	g := NewGraph(Shape{3, size, size})
	unit := func(name string, x *Node, c Conv, act bool) *Node {
		in := x.Shape().C
		if c.Groups == 0 {
			c.Groups = 1
		}
		c.Weight = r.normal(c.Out*in/c.Groups*c.KH*c.KW, 0.1)
		y := r.norm(g, name+".bn", g.Conv(name, x, c))
		switch {
		case act && gates:
			return g.Activation(name+".act", y, Activation{Function: SiLU})
		case act:
			return g.Activation(name+".act", y, Activation{Function: Clip, B: 6})
		}
		return y
	}
	x := unit("stem", g.Input(), Conv{Out: 32, Window: Square(3, 2, 1)}, true)
	for stage, s := range [][4]int{{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}} {
		for i := range s[2] {
			name, in, stride := fmt.Sprintf("b%d.%d", stage, i), x.Shape().C, 1
			if i == 0 {
				stride = s[3]
			}
			y, wide := x, in*s[0]
			if s[0] > 1 {
				y = unit(name+".expand", y, Conv{Out: wide, Window: Square(1, 1, 0)}, true)
			}
			y = unit(name+".depthwise", y, Conv{Out: wide, Groups: wide, Window: Square(3, stride, 1)}, true)
			if gates {
				few := max(8, in/4)
				z := g.MeanPool(name+".squeeze", y)
				z = g.Activation(name+".se1.act", g.Linear(name+".se1", z, r.normal(few*wide, 0.1), nil, few), Activation{Function: SiLU})
				z = g.Activation(name+".gate", g.Linear(name+".se2", z, r.normal(few*wide, 0.1), nil, wide), Activation{Function: Sigmoid})
				y = g.Mul(name+".scaled", y, z)
			}
			y = unit(name+".project", y, Conv{Out: s[1], Window: Square(1, 1, 0)}, false)
			if stride == 1 && in == s[1] {
				y = g.Add(name, y, x)
			}
			x = y
		}
	}
	x = unit("head", x, Conv{Out: 1280, Window: Square(1, 1, 0)}, true)
	g.Linear("fc", g.MeanPool("pool", x), r.normal(1000*1280, 0.02), nil, 1000)
	return g
}

// BenchmarkInverted runs networks of inverted residual blocks.
func BenchmarkInverted(b *testing.B) {
	for _, gates := range []bool{false, true} {
		m, err := Compile(inverted(224, gates), CompileOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for _, batch := range []int{1, 8} {
			b.Run(fmt.Sprintf("gates=%v/batch=%d", gates, batch), func(b *testing.B) {
				s, err := m.NewSession(SessionOptions{Batch: batch, Threads: 2})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				x := make([]float32, batch*m.Input().Size())
				s.Forward(x)
				for b.Loop() {
					s.Forward(x)
				}
				b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "images/s")
			})
		}
	}
}
