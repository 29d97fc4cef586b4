package nn

import (
	"fmt"
	"math"
	"testing"
)

// TestOperators compares single operators with numbers from PyTorch and from the documentation
// of ONNX's operators.
func TestOperators(t *testing.T) {
	row := Shape{1, 1, 7}
	seven, six := []float32{1, 2, 3, 4, 5, 6, 7}, []float32{1, 2, 3, 4, 5, 6}
	four, nan := []float32{1, -2, 3, 0.5}, float32(math.NaN())
	slice := func(r Range) func(g *Graph, x *Node) *Node {
		return func(g *Graph, x *Node) *Node { return g.Slice("op", x, Range{}, Range{}, r) }
	}
	pad := func(p Pad) func(g *Graph, x *Node) *Node {
		return func(g *Graph, x *Node) *Node { return g.Pad("op", x, p) }
	}
	resize := func(r Resize) func(g *Graph, x *Node) *Node {
		return func(g *Graph, x *Node) *Node { return g.Resize("op", x, r) }
	}
	average := func(p Pool) func(g *Graph, x *Node) *Node {
		p.Window = Window{KH: 1, KW: 3, StrideW: 2, Left: 1, Right: 1}
		return func(g *Graph, x *Node) *Node { return g.AvgPool("op", x, p) }
	}
	for _, c := range []struct {
		name string
		s    Shape
		x    []float32
		op   func(g *Graph, x *Node) *Node
		want []float64
	}{
		{"pad by a constant", row, seven, pad(Pad{Left: 2, Right: -3, Value: 0.5}), []float64{0.5, 0.5, 1, 2, 3, 4}},
		{"pad by reflection", row, seven, pad(Pad{Left: 3, Right: 2, Mode: PadReflect}), []float64{4, 3, 2, 1, 2, 3, 4, 5, 6, 7, 6, 5}},
		{"pad by the edge", row, seven, pad(Pad{Left: 2, Right: 1, Mode: PadEdge}), []float64{1, 1, 1, 2, 3, 4, 5, 6, 7, 7}},
		{"pad by wrapping", row, seven, pad(Pad{Left: 2, Right: 1, Mode: PadWrap}), []float64{6, 7, 1, 2, 3, 4, 5, 6, 7, 1}},
		{"pad channels", Shape{2, 1, 1}, []float32{5, 6}, pad(Pad{Front: 1, Back: 2}), []float64{0, 5, 6, 0, 0}},
		{"every other", row, seven, slice(Range{From: 1, Step: 2}), []float64{2, 4, 6}},
		{"the last two", row, seven, slice(Range{From: -2}), []float64{6, 7}},
		{"but the last two", row, seven, slice(Range{To: -2}), []float64{1, 2, 3, 4, 5}},
		{"backwards", row, seven, slice(Range{Step: -3}), []float64{7, 4, 1}},
		{"backwards between", row, seven, slice(Range{From: 5, To: 1, Step: -1}), []float64{6, 5, 4, 3}},
		{"far beyond", row, seven, slice(Range{From: -100, To: math.MaxInt32, Step: 3}), []float64{1, 4, 7}},
		{"shuffle", Shape{6, 1, 1}, six, func(g *Graph, x *Node) *Node { return g.Shuffle("op", x, 2) }, []float64{1, 4, 2, 5, 3, 6}},
		{"transpose", Shape{2, 1, 3}, six, func(g *Graph, x *Node) *Node { return g.Transpose("op", x, [3]int{2, 1, 0}) }, []float64{1, 4, 2, 5, 3, 6}},
		{"reshape", Shape{2, 1, 3}, six, func(g *Graph, x *Node) *Node { return g.Reshape("op", x, Shape{1, 3, 2}) }, []float64{1, 2, 3, 4, 5, 6}},
		{"bilinear", Shape{1, 2, 2}, six[:4], resize(Resize{H: 4, W: 4, Mode: Bilinear}),
			[]float64{1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4}},
		{"bilinear, smaller", Shape{1, 1, 6}, six, resize(Resize{H: 1, W: 4, Mode: Bilinear}), []float64{1.25, 2.75, 4.25, 5.75}},
		{"bilinear, corners", Shape{1, 1, 6}, six, resize(Resize{H: 1, W: 4, Mode: Bilinear, Coordinates: AlignCorners}), []float64{1, 8. / 3, 13. / 3, 6}},
		{"bilinear by a scale", Shape{1, 2, 4}, []float32{1, 2, 3, 4, 5, 6, 7, 8}, resize(Resize{H: 1, W: 2, ScaleH: 0.6, ScaleW: 0.6, Mode: Bilinear}), []float64{8. / 3, 13. / 3}},
		{"nearest", Shape{1, 1, 6}, six, resize(Resize{H: 1, W: 9, Coordinates: Asymmetric, Rounding: RoundFloor}), []float64{1, 1, 2, 3, 3, 4, 5, 5, 6}},
		{"nearest by a scale", Shape{1, 2, 4}, []float32{1, 2, 3, 4, 5, 6, 7, 8}, resize(Resize{H: 1, W: 2, ScaleH: 0.6, ScaleW: 0.6}), []float64{1, 3}},
		{"average with padding", row, seven, average(Pool{CountPad: true, Ceil: true}), []float64{1, 3, 5, 13. / 3}},
		{"average without", row, seven, average(Pool{Ceil: true}), []float64{1.5, 3, 5, 6.5}},
		{"average beyond the padding", Shape{1, 1, 6}, six, average(Pool{CountPad: true, Ceil: true}), []float64{1, 3, 5, 3}},
		{"maximum of negative numbers", Shape{1, 1, 6}, []float32{-1, -2, -3, -4, -5, -6}, func(g *Graph, x *Node) *Node {
			return g.MaxPool("op", x, Pool{Window: Window{KH: 1, KW: 3, StrideW: 2, DilationW: 2, Left: 1, Right: 1}, Ceil: true})
		}, []float64{-2, -2, -4}},
		{"group norm", Shape{4, 1, 1}, four, func(g *Graph, x *Node) *Node { return g.GroupNorm("op", x, 2, Normalise{Eps: 0.1}) }, []float64{0.9785, -0.9785, 0.9695, -0.9695}},
		{"layer norm", Shape{4, 1, 1}, four, func(g *Graph, x *Node) *Node { return g.LayerNorm("op", x, Normalise{Eps: 0.1}) }, []float64{0.2073, -1.4512, 1.3130, -0.0691}},
		{"softmax", Shape{4, 1, 1}, four, func(g *Graph, x *Node) *Node { return g.Softmax("op", x) }, []float64{0.1106, 0.0055, 0.8169, 0.0671}},
		{"softmax of what is not a number", Shape{2, 1, 2}, []float32{1, nan, 2, 3}, func(g *Graph, x *Node) *Node { return g.Softmax("op", x) }, []float64{0.2689, math.NaN(), 0.7311, math.NaN()}},
		{"log softmax", Shape{4, 1, 1}, four, func(g *Graph, x *Node) *Node { return g.LogSoftmax("op", x) }, []float64{-2.2023, -5.2023, -0.2023, -2.7023}},
		{"response norm", Shape{4, 1, 1}, four, func(g *Graph, x *Node) *Node {
			return g.LRN("op", x, LRN{Size: 3, Alpha: 0.5, Beta: 0.6, K: 2})
		}, []float64{0.5353, -0.8297, 1.2666, 0.2341}},
		{"mean over channels", Shape{2, 1, 3}, six, func(g *Graph, x *Node) *Node { return g.Mean("op", x, true, false, false) }, []float64{2.5, 3.5, 4.5}},
		{"matrix product", Shape{1, 2, 2}, four, func(g *Graph, x *Node) *Node { return g.MatMul("op", x, x) }, []float64{-5, -3, 4.5, -5.75}},
		{"constant", Shape{1, 1, 2}, four[:2], func(g *Graph, x *Node) *Node { return g.Div("op", g.Constant("c", Shape{1, 1, 2}, []float32{3, 1}), x) }, []float64{3, -0.5}},
		{"a function after a sum", Shape{2, 1, 2}, four, func(g *Graph, x *Node) *Node {
			c := g.Conv("op", x, Conv{Out: 2, Window: Square(1, 1, 0), Groups: 2, Weight: []float32{2, 3}})
			return g.ReLU("relu", g.Add("sum", c, x))
		}, []float64{3, 0, 12, 2}},
		{"a function after a sum of blocks", Shape{2, 1, 2}, four, func(g *Graph, x *Node) *Node {
			c := g.Conv("op", x, Conv{Out: 2, Window: Square(1, 1, 0), Weight: []float32{2, 0, 0, 3}})
			return g.Activation("clip", g.Add("sum", c, x), Activation{Function: Clip, A: -1, B: 6})
		}, []float64{3, -1, 6, 2}},
		{"a clip that moves zero", Shape{2, 1, 2}, four, func(g *Graph, x *Node) *Node { // channels beyond the second must stay zero
			c := g.Conv("op", x, Conv{Out: 2, Window: Square(1, 1, 0), Weight: []float32{1, 0, 0, 1}})
			return g.LayerNorm("norm", g.Activation("clip", c, Activation{Function: Clip, A: 1, B: 6}), Normalise{Eps: 0.1})
		}, []float64{-0.9535, 0, 0.9535, 0}},
		{"linear on a map", Shape{2, 1, 2}, four, func(g *Graph, x *Node) *Node { return g.Linear("op", x, []float32{1, 10, 100, 1000}, []float32{7}, 1) }, []float64{788}},
	} {
		g := NewGraph(c.s)
		g.Flatten("flat", c.op(g, g.Input()))
		m, err := Compile(g, CompileOptions{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := session(t, m, SessionOptions{}).Forward(c.x)
		for i, w := range c.want {
			if len(got) != len(c.want) || (got[i] != got[i]) != (w != w) || math.Abs(float64(got[i])-w) > 5e-5*max(1, math.Abs(w)) {
				t.Errorf("%s: %v, want %v", c.name, got, c.want)
				break
			}
		}
	}
}

// TestMatMulWide: a kernel's call makes some columns of a product, and not more.
func TestMatMulWide(t *testing.T) {
	const depth, columns = 3000, 50
	g := NewGraph(Shape{1, 2, depth})
	z, want := make([]float32, depth*columns), make([]float64, 2*columns)
	for i := range z {
		z[i] = float32(i%11) - 5
	}
	g.Flatten("flat", g.MatMul("op", g.Input(), g.Constant("z", Shape{1, depth, columns}, z)))
	m, err := Compile(g, CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	x := make([]float32, 2*depth)
	for i := range x {
		x[i] = float32(i%7) - 3
		for c := range columns {
			want[i/depth*columns+c] += float64(x[i]) * float64(z[i%depth*columns+c])
		}
	}
	if d := difference(session(t, m, SessionOptions{}).Forward(x), want); d > 0 { // whole numbers are exact
		t.Errorf("differs by %g", d)
	}
}

// TestOperatorMistakes wants parameters that make no sense refused, whatever the numbers.
func TestOperatorMistakes(t *testing.T) {
	const huge = math.MaxInt
	for i, bad := range []func(g *Graph, x *Node){
		func(g *Graph, x *Node) { g.Pad("bad", x, Pad{Top: huge}) },
		func(g *Graph, x *Node) { g.Pad("bad", x, Pad{Left: -4}) },
		func(g *Graph, x *Node) { g.Pad("bad", x, Pad{Left: -huge, Right: huge}) },
		func(g *Graph, x *Node) { g.Pad("bad", x, Pad{Left: 1, Mode: 9}) },
		func(g *Graph, x *Node) { g.Slice("bad", x, Range{From: 2}, Range{}, Range{}) },
		func(g *Graph, x *Node) { g.Slice("bad", x, Range{}, Range{From: 3, To: 2}, Range{}) },
		func(g *Graph, x *Node) { g.Slice("bad", x, Range{}, Range{From: -huge, To: -huge}, Range{}) },
		func(g *Graph, x *Node) { g.Shuffle("bad", x, 0) },
		func(g *Graph, x *Node) { g.Resize("bad", x, Resize{H: huge, W: 1}) },
		func(g *Graph, x *Node) { g.Resize("bad", x, Resize{H: 1, W: 1, ScaleH: math.NaN()}) },
		func(g *Graph, x *Node) { g.Resize("bad", x, Resize{H: 1, W: 1, ScaleH: 1e-300, Mode: 5}) },
		func(g *Graph, x *Node) { g.Reshape("bad", x, Shape{huge, huge, 2}) },
		func(g *Graph, x *Node) { g.Reshape("bad", x, Shape{31, 1, 1}) },
		func(g *Graph, x *Node) { g.Transpose("bad", x, [3]int{0, 1, 1}) },
		func(g *Graph, x *Node) { g.Transpose("bad", x, [3]int{0, 1, 3}) },
		func(g *Graph, x *Node) { g.GroupNorm("bad", x, 3, Normalise{}) },
		func(g *Graph, x *Node) { g.LayerNorm("bad", x, Normalise{Gamma: make([]float32, 3)}) },
		func(g *Graph, x *Node) { g.LayerNorm("bad", x, Normalise{Eps: math.NaN()}) },
		func(g *Graph, x *Node) { g.Affine("bad", x, make([]float32, 5), nil) },
		func(g *Graph, x *Node) { g.Activation("bad", x, Activation{Function: PReLU}) },
		func(g *Graph, x *Node) { g.Activation("bad", x, Activation{Function: Clip, A: 1}) },
		func(g *Graph, x *Node) { g.Activation("bad", x, Activation{Function: CELU}) },
		func(g *Graph, x *Node) { g.LRN("bad", x, LRN{Size: 4, Beta: 0.75}) },
		func(g *Graph, x *Node) { g.LRN("bad", x, LRN{Size: 5, Beta: 0.75, Alpha: float32(math.NaN())}) },
		func(g *Graph, x *Node) { g.MatMul("bad", x, g.Slice("cut", x, Range{}, Range{To: 1}, Range{})) },
		func(g *Graph, x *Node) { g.Constant("bad", Shape{1, 2, 2}, make([]float32, 3)) },
		func(g *Graph, x *Node) { g.Constant("bad", Shape{0, 2, 2}, nil) },
		func(g *Graph, x *Node) { g.AvgPool("bad", x, Pool{Window: Window{KH: huge, KW: 1}}) },
		func(g *Graph, x *Node) {
			g.AvgPool("bad", x, Pool{Window: Window{KH: 2, KW: 1, Top: 1, DilationH: huge}})
		},
		func(g *Graph, x *Node) {
			g.MaxPool("bad", x, Pool{Window: Window{KH: 2, KW: 2, DilationH: 5, Top: 3, Bottom: 3}})
		},
	} {
		g := NewGraph(Shape{2, 4, 4})
		bad(g, g.Input())
		g.MeanPool("mean", g.nodes[len(g.nodes)-1])
		if _, err := Compile(g, CompileOptions{}); err == nil {
			t.Errorf("case %d: no error", i)
		} else {
			t.Log(err)
		}
	}
	for _, s := range []Shape{{}, {-1, 2, 2}, {1 << 20, 1 << 20, 1}, {math.MaxInt, math.MaxInt, math.MaxInt}} {
		if _, err := Compile(NewGraph(s), CompileOptions{}); err == nil {
			t.Errorf("input %v: no error", s)
		}
	}
}

// TestPreprocessingInTheGraph wants linear functions of the input computed as it is copied, and
// values that nobody asks for not at all.
func TestPreprocessingInTheGraph(t *testing.T) {
	g := NewGraph(Shape{3, 9, 8})
	r := newRandom(1)
	x := g.Affine("divide", g.Input(), []float32{1. / 255}, nil)
	x = g.Affine("normalise", x, r.positive(3), r.normal(3, 1))
	g.Sub("unused", x, g.MeanPool("unused.mean", x))
	y := r.conv(g, "conv", x, 20, 3, 2, 1)
	g.Linear("fc", g.MeanPool("mean", y), r.normal(5*20, 1), nil, 5)
	m := compile(t, g, nil)
	in := r.normal(g.input.Size(), 100)
	all := evaluate(g, widen(in))
	for keep, want := range map[string]int{"fc": 4, "mean": 4, "normalise": 9} {
		s := session(t, m, SessionOptions{Keep: []string{keep}})
		if d := difference(s.Forward(in), all[len(all)-1]); d > f32Bound {
			t.Errorf("keeping %s: differs by %.2g", keep, d)
		}
		if len(s.plan.steps) != want { // the image, the convolution, the mean, the logits
			t.Errorf("keeping %s: %d steps, want %d", keep, len(s.plan.steps), want)
		}
		if keep == "normalise" {
			got, _, err := s.Activation(0, keep)
			if d := difference(got, all[g.names[keep].id]); err != nil || d > f32Bound {
				t.Errorf("%s differs by %.2g: %v", keep, d, err)
			}
		}
	}
}

// TestDiamonds wants chains of operators that read a value twice to take no longer than others.
func TestDiamonds(t *testing.T) {
	g := NewGraph(Shape{1, 2, 2})
	x := g.ReLU("relu", g.Input())
	for i := range 200 {
		x = g.Mul(fmt.Sprint("mul", i), g.MaxPool(fmt.Sprint("pool", i), x, Pool{Window: Square(1, 1, 0)}), x)
	}
	y := g.MeanPool("mean", x)
	for i := range 8 {
		y = g.Concat(fmt.Sprint("cat", i), y, y)
	}
	s := session(t, compile(t, g, nil), SessionOptions{Keep: []string{"relu"}})
	if s.Forward([]float32{1, 1, 1, 1}); g.nodes[len(g.nodes)-1].positive != true {
		t.Error("not known to be positive")
	}
	if _, err := s.Backward(Excitation, 0, make([]float32, 256), "relu"); err != nil {
		t.Error(err)
	}
}
