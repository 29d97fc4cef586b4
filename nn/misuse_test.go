package nn

import (
	"slices"
	"strings"
	"testing"
)

// small is a network to misuse: 3x8x8, two classes.
func small(t *testing.T) (*Graph, *Node) {
	t.Helper()
	g := NewGraph(Shape{C: 3, H: 8, W: 8})
	x := g.ReLU("relu1", g.Conv("conv1", g.Input(), Conv{Weight: ramp(4 * 3 * 9), Out: 4, Window: Square(3, 1, 1)}))
	return g, x
}

func finish(g *Graph, x *Node) *Node {
	x = g.MeanPool("pool", x)
	return g.Linear("fc", x, ramp(2*x.Shape().C), nil, 2)
}

func ramp(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%13-6) / 8
	}
	return x
}

// TestMistakesAreKept wants every mistake in a description to be an error of Compile that names
// the operator, none a panic or a wrong number.
func TestMistakesAreKept(t *testing.T) {
	conv := Conv{Weight: ramp(4 * 4 * 9), Out: 4, Window: Square(3, 1, 1)}
	for _, c := range []struct {
		name  string
		build func(g *Graph, x, foreign *Node) *Node
		says  string
	}{
		{"node of another graph", func(g *Graph, _, f *Node) *Node { return g.ReLU("bad", f) }, "bad: an operand is a node of another graph"},
		{"shortcut of another graph", func(g *Graph, x, f *Node) *Node { return g.Add("bad", x, f) }, "bad: an operand is a node of another graph"},
		{"alias of another graph's", func(g *Graph, x, f *Node) *Node { g.Alias(f, "bad"); return x }, "bad: an operand is a node of another graph"},
		{"nil", func(g *Graph, x, _ *Node) *Node { return g.Conv("bad", nil, conv) }, "bad: an operand is nil"},
		{"nothing to concatenate", func(g *Graph, x, _ *Node) *Node { g.Concat("bad"); return x }, "bad: a concatenation of nothing"},
		{"negative stride", func(g *Graph, x, _ *Node) *Node { c := conv; c.StrideW = -2; return g.Conv("bad", x, c) }, "bad: a 3x3 kernel, stride 1x-2"},
		{"huge dilation", func(g *Graph, x, _ *Node) *Node { c := conv; c.DilationH = 1 << 30; return g.Conv("bad", x, c) }, "dilation 1073741824x1"},
		{"kernel larger than the map", func(g *Graph, x, _ *Node) *Node { c := conv; c.DilationH = 5; return g.Conv("bad", x, c) }, "does not fit on a 8x8 map"},
		{"groups that do not divide", func(g *Graph, x, _ *Node) *Node { c := conv; c.Groups = 3; return g.Conv("bad", x, c) }, "bad: 3 groups of 4 channels in, 4 out"},
		{"huge padding", func(g *Graph, x, _ *Node) *Node {
			c := conv
			c.Top = 16000
			c.Right = 16000
			return g.Conv("bad", x, c)
		}, "too large"},
		{"window of padding alone", func(g *Graph, x, _ *Node) *Node { return g.MaxPool("bad", x, Pool{Window: Square(2, 1, 2)}) }, "a window of padding alone"},
		{"sum of shapes that do not fit", func(g *Graph, x, _ *Node) *Node {
			return g.Add("bad", x, g.MaxPool("pool1", x, Pool{Window: Square(2, 2, 0)}))
		}, "bad: {4 8 8} and {4 4 4} together"},
		{"unknown function", func(g *Graph, x, _ *Node) *Node { return g.Activation("bad", x, Activation{Function: 1000}) }, "bad: no element-wise function of number 1000"},
		{"logits that are a map", func(g *Graph, x, _ *Node) *Node { g.ReLU("bad", x); return nil }, "the last operator, bad, has a 8x8 map"},
		{"zero convolution", func(g *Graph, x, _ *Node) *Node { return g.Conv("bad", x, Conv{}) }, "bad: 0 outputs"},
		{"negative padding", func(g *Graph, x, _ *Node) *Node { c := conv; c.Top = -1; return g.Conv("bad", x, c) }, "padding -1,1,1,1"},
		{"name taken", func(g *Graph, x, _ *Node) *Node { return g.ReLU("conv1", x) }, "conv1: the name is taken"},
	} {
		g, x := small(t)
		other, foreign := small(t)
		foreign = other.ReLU("further", foreign)
		if x = c.build(g, x, foreign); x != nil {
			finish(g, x)
		}
		if _, err := Compile(g, CompileOptions{}); err == nil || !strings.Contains(err.Error(), "nn: "+c.says) && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s", c.name, err, c.says)
		}
	}
	var zero Graph
	zero.ReLU("bad", zero.Input())
	for name, g := range map[string]*Graph{"nil": nil, "zero": {}, "used": &zero} {
		if _, err := Compile(g, CompileOptions{}); err == nil || !strings.Contains(err.Error(), "that NewGraph has not made") {
			t.Errorf("%s graph: %v", name, err)
		}
	}
}

// TestModelIsSealed wants a model not to change with the graph that it was made of.
func TestModelIsSealed(t *testing.T) {
	g, x := small(t)
	last := finish(g, x)
	m, err := Compile(g, CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	layers, classes := m.Layers(), m.Classes()
	g.Alias(x, "alias")
	g.Linear("more", g.ReLU("relu2", last), ramp(6), nil, 3)
	s, err := m.NewSession(SessionOptions{Keep: []string{"relu1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if got := s.Forward(ramp(3 * 64)); len(got) != 2 || m.Classes() != classes || !slices.Equal(m.Layers(), layers) {
		t.Errorf("%d logits, %d classes, layers %v; want %d, %v", len(got), m.Classes(), m.Layers(), classes, layers)
	}
}

// TestBackwardMisuse wants layers named twice answered twice, and unknown rules refused.
func TestBackwardMisuse(t *testing.T) {
	g, x := small(t)
	g.Alias(x, "again")
	finish(g, x)
	m, err := Compile(g, CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(SessionOptions{Keep: []string{"relu1"}, Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	s.Forward(ramp(3 * 64))
	seed := []float32{1, 0}
	want, err := s.Backward(Gradient, 0, seed, "relu1")
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Backward(Gradient, 0, seed, "relu1", "pool", "again", "relu1")
	if err != nil || len(got) != 4 || !slices.Equal(got[0], want[0]) || !slices.Equal(got[2], want[0]) || !slices.Equal(got[3], want[0]) || len(got[1]) != 4 {
		t.Errorf("%d maps, %v", len(got), err)
	}
	for _, rule := range []Rule{-1, 77} {
		if _, err := s.Backward(rule, 0, seed, "relu1"); err == nil || !strings.Contains(err.Error(), "nn: no rule of number") {
			t.Errorf("rule %d: %v", rule, err)
		}
	}
	if _, err := s.Backward(Gradient, 0, seed, "none", "none"); err == nil || !strings.Contains(err.Error(), `no layer "none"`) {
		t.Errorf("unknown layers: %v", err)
	}
	s.Close()
	s.Close()
	for name, call := range map[string]func(){
		"Forward":  func() { s.Forward(ramp(3 * 64)) },
		"Backward": func() { _, _ = s.Backward(Gradient, 0, seed, "relu1") },
	} {
		func() {
			defer func() {
				if r := recover(); r != "nn: "+name+": the session is closed" {
					t.Errorf("%s of a closed session: %v", name, r)
				}
			}()
			call()
		}()
	}
}

// TestBackwardMemory wants one plan for a rule and layers, whatever the number of seeds, and its
// memory counted.
func TestBackwardMemory(t *testing.T) {
	g, x := small(t)
	finish(g, x)
	m, err := Compile(g, CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(SessionOptions{Keep: []string{"relu1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Forward(ramp(3 * 64))
	forward := s.MemoryBytes()
	most := int64(0)
	for seeds := maxSeeds; seeds > 0; seeds-- {
		if _, err := s.Backward(Gradient, 0, ramp(2*seeds), "relu1"); err != nil {
			t.Fatal(err)
		}
		if most == 0 {
			most = s.MemoryBytes()
		}
		if got := s.MemoryBytes(); got != most || got <= forward {
			t.Errorf("%d seeds: %d bytes, %d forwards, %d with the most seeds", seeds, got, forward, most)
		}
	}
	// One more than there was place for: a larger plan instead, not beside.
	t2, err := m.NewSession(SessionOptions{Keep: []string{"relu1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer t2.Close()
	t2.Forward(ramp(3 * 64))
	for seeds := range maxSeeds + 4 {
		if _, err := t2.Backward(Gradient, 0, ramp(2*(seeds+1)), "relu1"); err != nil {
			t.Fatal(err)
		}
	}
	if t2.MemoryBytes() != most {
		t.Errorf("%d bytes after growing, want %d", t2.MemoryBytes(), most)
	}
}
