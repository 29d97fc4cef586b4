package nn

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestPrepared wants what only a pointwise convolution reads computed on the way, without a step of
// its own, with the same numbers, and what others want computed as ever.
func TestPrepared(t *testing.T) {
	type build = func(g *Graph, x *Node) *Node
	each := func(n int, v func(i int) float32) []float32 {
		out := make([]float32, n)
		for i := range out {
			out[i] = v(i)
		}
		return out
	}
	kinds := map[string]build{
		"norm": func(g *Graph, x *Node) *Node {
			return g.Affine("before", x, each(20, func(i int) float32 { return float32(i) / 9 }), each(20, func(i int) float32 { return 1 - float32(i)/7 }))
		},
		"norm and function": func(g *Graph, x *Node) *Node {
			return g.ReLU("last", g.Affine("before", x, []float32{-2}, []float32{0.25}))
		},
		"gate":     func(g *Graph, x *Node) *Node { return g.Mul("before", x, g.MeanPool("mean", x)) },
		"quotient": func(g *Graph, x *Node) *Node { return g.Div("before", x, g.Mul("square", x, x)) }, // 0/0 beyond the channels
		"function": func(g *Graph, x *Node) *Node { return g.Activation("before", x, Activation{Function: SiLU}) },
	}
	for name, before := range kinds {
		for _, padded := range []bool{false, true} { // by what reads the result
			rng := rand.New(rand.NewPCG(5, 6))
			weights := func(n int) []float32 { return each(n, func(int) float32 { return rng.Float32() - 0.5 }) }
			g := NewGraph(Shape{20, 9, 10})
			c := g.ReLU("relu", g.Add("sum", g.Conv("conv", before(g, g.ReLU("first", g.Input())), Conv{Weight: weights(20 * 20), Out: 20, Window: Square(1, 1, 0)}), g.Input()))
			if padded {
				c = g.Conv("reader", c, Conv{Weight: weights(20 * 20 * 9), Out: 20, Window: Square(3, 1, 1)})
			}
			g.Linear("logits", g.MeanPool("pool", c), weights(60), nil, 3)
			m := compile(t, g, nil)
			x := each(3*g.input.Size(), func(int) float32 { return rng.Float32() + 0.1 })
			s := session(t, m, SessionOptions{Batch: 3, Threads: 2})
			want := session(t, m, SessionOptions{Batch: 3, Threads: 2, Whole: true}).Forward(x)
			if d := difference(s.Forward(x), widen(want)); d > f32Bound {
				t.Errorf("%s, padded %v: logits differ by %.2g", name, padded, d)
			}
			has := func(s *Session) bool {
				return slices.ContainsFunc(s.plan.ops, func(op Operator) bool { return op.Name == "before" || op.Name == "last" })
			}
			if has(s) {
				t.Errorf("%s, padded %v: a step of its own", name, padded)
			}
			if !has(session(t, m, SessionOptions{Batch: 3, Threads: 2, Keep: []string{"before"}})) {
				t.Errorf("%s, padded %v: no step of its own, but it is to be kept", name, padded)
			}
		}
	}
}
