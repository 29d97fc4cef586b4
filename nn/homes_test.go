package nn

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestConcatInPlace wants concatenations that follow each other in a larger one computed in its
// memory, nested or not, without a step of their own, and the same numbers as with steps.
func TestConcatInPlace(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	g := NewGraph(Shape{3, 9, 10})
	layer := func(name string, x *Node, out, k int) *Node {
		w := make([]float32, out*x.shape.C*k*k)
		for i := range w {
			w[i] = (rng.Float32() - 0.5) / float32(k)
		}
		return g.ReLU(name+" relu", g.Conv(name, x, Conv{Weight: w, Out: out, Window: Square(k, 1, k/2)}))
	}
	a := layer("a", g.Input(), 16, 3)
	b := layer("b", a, 32, 1)
	ab := g.Concat("ab", a, b)
	c := layer("c", ab, 16, 3) // needs a border
	abc := g.Concat("abc", ab, c)
	d := layer("d", abc, 20, 1) // no whole blocks: only the last can have them
	bc := g.Concat("bc", b, c)
	e := layer("e", bc, 16, 5)
	abcd := g.Concat("abcd", a, b, c, d)
	de := g.Concat("de", d, e)               // not in place: d fills no whole blocks
	ca := g.Concat("ca", c, a)               // another order
	all := g.Concat("all", abcd, de, ca, bc) // what is there twice has no one place
	g.Linear("logits", g.MeanPool("mean", all), slices.Repeat([]float32{0.1, -0.2, 0.3}, 200), nil, 3)
	m := compile(t, g, nil)
	x := make([]float32, 2*g.input.Size())
	for i := range x {
		x[i] = rng.Float32() - 0.5
	}
	fused, whole := session(t, m, SessionOptions{Batch: 2}), session(t, m, SessionOptions{Batch: 2, Whole: true})
	if got, want := fused.Forward(x), whole.Forward(x); !slices.Equal(got, want) {
		t.Errorf("logits %v, with a step for each operator %v", got, want)
	}
	var copied []string
	for _, op := range fused.plan.ops {
		n, err := m.resolve(op.Name)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := n.op.(*concat); ok {
			copied = append(copied, op.Name)
		}
	}
	if want := []string{"de", "ca", "all"}; !slices.Equal(copied, want) {
		t.Errorf("copied are %v, want %v", copied, want)
	}
}

// TestConcatLives: an operand that lies in a concatenation's memory is there for who reads it after
// the concatenation's last reader.
func TestConcatLives(t *testing.T) {
	rng := rand.New(rand.NewPCG(23, 24))
	g := NewGraph(Shape{16, 9, 10})
	layer := func(name string, x *Node) *Node {
		w := make([]float32, 16*x.shape.C*9)
		for i := range w {
			w[i] = (rng.Float32() - 0.5) / 4
		}
		return g.ReLU(name+" relu", g.Conv(name, x, Conv{Weight: w, Out: 16, Window: Square(3, 1, 1)}))
	}
	a := layer("a", g.Input())
	last := layer("c", g.Concat("ab", a, layer("b", a)))
	for _, name := range []string{"d", "e", "f"} { // which take the memory of what is not needed any more
		last = layer(name, last)
	}
	g.Flatten("logits", g.Mul("late", last, a))
	m := compile(t, g, nil)
	x := make([]float32, g.input.Size())
	for i := range x {
		x[i] = rng.Float32() - 0.5
	}
	if got, want := session(t, m, SessionOptions{}).Forward(x), session(t, m, SessionOptions{Whole: true}).Forward(x); !slices.Equal(got, want) {
		t.Error("other values than with memory for each")
	}
}
