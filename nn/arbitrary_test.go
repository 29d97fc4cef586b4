package nn

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"cwox/asm"
)

// drawing is a network being drawn.
type drawing struct {
	random
	*Graph
	values []*Node // so far
}

// pick takes a value that fits, rather a late one; nil where there is none.
func (d *drawing) pick(fits func(*Node) bool) *Node {
	var all []*Node
	for _, n := range d.values {
		if fits(n) && n.shape.Size() < 1<<16 {
			all = append(all, n)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[max(d.IntN(len(all)), d.IntN(len(all)))]
}

func (d *drawing) any() *Node { return d.pick(func(*Node) bool { return true }) }

// among takes one of some choices.
func among[T any](d *drawing, choices ...T) T { return choices[d.IntN(len(choices))] }

// window draws a window that fits on a map.
func (d *drawing) window(s Shape, kernels ...int) Window {
	kh := min(among(d, kernels...), s.H)
	w := Window{KH: kh, KW: min(kh, s.W), StrideH: d.IntN(3), StrideW: d.IntN(3)}
	w.Top, w.Left, w.Bottom, w.Right = d.IntN(kh/2+1), d.IntN(w.KW/2+1), d.IntN(kh/2+1), d.IntN(w.KW/2+1)
	switch d.IntN(4) {
	case 0: // not square
		w.KW, w.Left, w.Right = 1, 0, 0
	case 1:
		if s.H > 2*kh && s.W > 2*w.KW {
			w.DilationH, w.DilationW = 1+d.IntN(2), 2
		}
	case 2: // as most are
		w.StrideW, w.Left, w.Bottom, w.Right = w.StrideH, w.Top, w.Top, w.Top
		w.KW = kh
		if s.W < kh {
			return Square(1, 1, 0)
		}
	}
	return w
}

func (d *drawing) conv(name string, x *Node) *Node {
	c := Conv{Out: 1 + d.IntN(40), Groups: 1, Window: d.window(x.shape, 1, 1, 3, 3, 5, 7)}
	if d.IntN(3) == 0 { // groups, perhaps of one channel
		for c.Groups = 1 + d.IntN(x.shape.C); x.shape.C%c.Groups > 0; c.Groups-- {
		}
		c.Out = c.Groups * (1 + d.IntN(2))
	}
	fan := x.shape.C / c.Groups * c.KH * c.KW
	c.Weight = d.normal(c.Out*fan, math.Sqrt(2/float64(fan)))
	if d.IntN(2) == 0 {
		c.Bias = d.normal(c.Out, 0.1)
	}
	return d.Conv(name, x, c)
}

// partner is an operand for x: another value, one repeated along some axes, or a constant.
func (d *drawing) partner(name string, x *Node) *Node {
	s := x.shape
	switch d.IntN(5) {
	case 0:
		return d.MeanPool(name+".mean", x)
	case 1:
		return d.Mean(name+".mean", x, true, d.IntN(2) == 0, false)
	case 2:
		c := among(d, s, Shape{s.C, 1, 1}, Shape{1, s.H, s.W}, Shape{1, 1, 1})
		return d.Constant(name+".constant", c, d.normal(c.Size(), 1))
	}
	return d.pick(func(n *Node) bool { return n.shape == s })
}

// tame brings a value to about the size of 1.
func (d *drawing) tame(name string, x *Node) *Node {
	return d.Activation(name, x, Activation{Function: Tanh})
}

// draws are the operators, each with how it is drawn, as often as it is listed. One that does not
// fit gives nil.
var draws = []func(d *drawing, name string) *Node{
	func(d *drawing, name string) *Node { return d.conv(name, d.any()) },
	func(d *drawing, name string) *Node { return d.conv(name, d.any()) },
	func(d *drawing, name string) *Node { return d.norm(d.Graph, name, d.any()) },
	func(d *drawing, name string) *Node { return d.ReLU(name, d.any()) },
	func(d *drawing, name string) *Node { return d.ReLU(name, d.any()) },
	func(d *drawing, name string) *Node {
		x := d.any()
		return d.Affine(name, x, among(d, nil, d.normal(1, 1), d.positive(x.shape.C)), among(d, nil, d.normal(x.shape.C, 1)))
	},
	func(d *drawing, name string) *Node {
		x := d.any()
		a := among(d, Activation{Function: Clip, B: 6}, Activation{Function: Clip, A: -1, B: 0.5}, Activation{Function: LeakyReLU, A: 0.1},
			Activation{Function: PReLU, Slopes: d.normal(x.shape.C, 0.3)}, Activation{Function: Sigmoid}, Activation{Function: HardSigmoid, A: 1. / 6, B: 0.5},
			Activation{Function: Tanh}, Activation{Function: SiLU}, Activation{Function: HardSwish}, Activation{Function: GELU}, Activation{Function: GELUTanh},
			Activation{Function: ELU, A: 0.7}, Activation{Function: SELU}, Activation{Function: CELU, A: 1.5}, Activation{Function: Softplus},
			Activation{Function: Softsign}, Activation{Function: Mish}, Activation{Function: Abs})
		return d.Activation(name, x, a)
	},
	func(d *drawing, name string) *Node { // roots and the like of positive values
		x := d.Activation(name+".positive", d.any(), Activation{Function: Softplus})
		x = d.Affine(name+".shifted", x, nil, []float32{0.5})
		return d.Activation(name, x, among(d, Activation{Function: Sqrt}, Activation{Function: Log}, Activation{Function: Reciprocal}, Activation{Function: Pow, A: 1.5}))
	},
	func(d *drawing, name string) *Node {
		return d.Activation(name, d.tame(name+".tame", d.any()), Activation{Function: Exp})
	},
	func(d *drawing, name string) *Node {
		x := d.any()
		if y := d.pick(func(n *Node) bool { return n.shape == x.shape }); y != nil {
			return d.Add(name, x, y)
		}
		return nil
	},
	func(d *drawing, name string) *Node {
		x := d.any()
		y := d.partner(name, x)
		if y == nil {
			return nil
		}
		if d.IntN(2) == 0 {
			x, y = y, x
		}
		switch d.IntN(4) {
		case 0:
			return d.Add(name, x, y)
		case 1:
			return d.Sub(name, x, y)
		case 2:
			return d.Mul(name, d.tame(name+".tame", x), y)
		}
		y = d.Affine(name+".divisor", d.Activation(name+".gate", y, Activation{Function: Sigmoid}), nil, []float32{0.5})
		return d.Div(name, x, y)
	},
	func(d *drawing, name string) *Node { // a squeeze and excitation, or x times its own gate
		x := d.any()
		y := x
		if d.IntN(2) == 0 {
			y = d.conv(name+".squeeze", d.MeanPool(name+".mean", x))
			y = d.Linear(name+".fc", y, d.normal(y.shape.C*x.shape.C, 0.5), nil, x.shape.C)
		}
		y = d.Activation(name+".gate", y, among(d, Activation{Function: Sigmoid}, Activation{Function: HardSigmoid, A: 0.2, B: 0.5}))
		return d.Mul(name, x, y)
	},
	func(d *drawing, name string) *Node {
		x := d.any()
		p := Pool{Window: d.window(x.shape, 2, 3, 5, 9), Ceil: d.IntN(2) == 0, CountPad: d.IntN(2) == 0}
		if _, err := p.on(x.shape); err != nil {
			return nil
		}
		if d.IntN(2) == 0 {
			return d.MaxPool(name, x, p)
		}
		return d.AvgPool(name, x, p)
	},
	func(d *drawing, name string) *Node { return among(d, d.MeanPool, d.GlobalMaxPool)(name, d.any()) },
	func(d *drawing, name string) *Node {
		return d.LRN(name, d.any(), LRN{Size: among(d, 5, 5, 3, 7), Alpha: 0.5, Beta: among(d, float32(0.75), 0.75, 0.5), K: 1})
	},
	func(d *drawing, name string) *Node {
		a := d.any()
		same := func(b *Node) bool { return b.shape.H == a.shape.H && b.shape.W == a.shape.W && b.shape.C < 100 }
		if !same(a) {
			return nil
		}
		return d.Concat(name, a, d.pick(same), d.pick(same))
	},
	func(d *drawing, name string) *Node {
		p := Pad{Top: d.IntN(4), Left: d.IntN(4), Bottom: d.IntN(3), Right: d.IntN(3), Mode: Padding(d.IntN(4))}
		if p.Mode == PadConstant {
			p.Front, p.Back, p.Value = d.IntN(3), d.IntN(3), among(d, float32(0), 0.5)
		}
		return d.Pad(name, d.any(), p)
	},
	func(d *drawing, name string) *Node {
		x := d.any()
		cut := func(n int) Range {
			return among(d, Range{}, Range{From: n / 3}, Range{To: -(n / 3)}, Range{Step: 1 + d.IntN(2)}, Range{Step: -1}, Range{From: -n, To: n/2 + 1})
		}
		return d.Slice(name, x, cut(x.shape.C), cut(x.shape.H), cut(x.shape.W))
	},
	func(d *drawing, name string) *Node {
		x := d.any()
		groups := 1 + d.IntN(x.shape.C)
		for ; x.shape.C%groups > 0; groups-- {
		}
		return d.Shuffle(name, x, groups)
	},
	func(d *drawing, name string) *Node {
		x := d.any()
		r := Resize{H: 1 + d.IntN(2*x.shape.H), W: 1 + d.IntN(2*x.shape.W), Mode: ResizeMode(d.IntN(2)), Coordinates: Coordinates(d.IntN(4)), Rounding: Rounding(d.IntN(4))}
		return d.Resize(name, x, r)
	},
	func(d *drawing, name string) *Node {
		return d.Mean(name, d.any(), d.IntN(2) == 0, d.IntN(2) == 0, d.IntN(2) == 0)
	},
	func(d *drawing, name string) *Node {
		x := d.any()
		if x.shape.Size() > 4000 {
			return nil
		}
		if d.IntN(2) == 0 {
			return d.Transpose(name, x, among(d, [3]int{1, 2, 0}, [3]int{2, 0, 1}, [3]int{0, 2, 1}, [3]int{2, 1, 0}))
		}
		return d.Reshape(name, x, among(d, Shape{x.shape.Size(), 1, 1}, Shape{1, x.shape.C, x.shape.H * x.shape.W}, Shape{x.shape.W, x.shape.H, x.shape.C}))
	},
	func(d *drawing, name string) *Node {
		x := d.any()
		n := Normalise{Gamma: among(d, nil, d.normal(x.shape.C, 1)), Beta: among(d, nil, d.normal(x.shape.C, 1)), Eps: 1e-3}
		if d.IntN(2) == 0 {
			return d.LayerNorm(name, x, n)
		}
		groups := 1 + d.IntN(x.shape.C)
		for ; x.shape.C%groups > 0; groups-- {
		}
		if x.shape.Size()/groups > 1500 {
			return nil // the oracle takes the square of it
		}
		return d.GroupNorm(name, x, groups, n)
	},
	func(d *drawing, name string) *Node { return among(d, d.Softmax, d.LogSoftmax)(name, d.any()) },
	func(d *drawing, name string) *Node {
		a := d.any()
		fits := func(b *Node) bool { return b.shape.H == a.shape.W && (b.shape.C == a.shape.C || b.shape.C == 1) }
		b := d.pick(fits)
		if b == nil {
			return nil
		}
		return d.MatMul(name, d.tame(name+".tame", a), b)
	},
}

// arbitrary draws a network: operators of every kind in any order that Compile takes, each on
// whichever of the values before it fit, of odd sizes and channel counts. Values may have many
// users, or none.
func arbitrary(seed uint64) *Graph {
	d := &drawing{random: newRandom(seed)}
	d.Graph = NewGraph(Shape{among(d, 1, 3, 3, 3, 4, 8, 17, 35), 6 + d.IntN(24), 6 + d.IntN(24)})
	d.values = []*Node{d.Input()}
	switch d.IntN(4) {
	case 0:
		d.InputAffine(d.positive(d.input.C), d.normal(d.input.C, 0.2))
	case 1: // the same, and more, by operators
		x := d.Affine("pre1", d.Input(), d.positive(1), d.normal(d.input.C, 0.2))
		d.values = []*Node{d.norm(d.Graph, "pre2", x)}
	}
	if d.IntN(4) > 0 {
		d.values = append(d.values, d.conv("first", d.values[0]))
	}
	for i := range 4 + d.IntN(12) {
		if n := draws[d.IntN(len(draws))](d, fmt.Sprint("n", i)); n != nil {
			d.values = append(d.values, n)
		}
	}
	x := d.values[len(d.values)-1]
	classes := 2 + d.IntN(9)
	switch d.IntN(4) {
	case 0: // a convolution makes the logits, and their mean is taken
		x = d.Conv("logits", x, Conv{Weight: d.normal(classes*x.shape.C, 0.3), Out: classes, Window: Window{KH: 1, KW: 1}})
		d.MeanPool("mean", x)
	case 1: // of the whole map
		d.Linear("fc", x, d.normal(classes*x.shape.Size(), 1/math.Sqrt(float64(x.shape.Size()))), nil, classes)
	default:
		x = d.MeanPool("mean", x)
		d.Linear("fc", x, d.normal(classes*x.shape.C, 0.3), d.normal(classes, 0.1), classes)
	}
	return d.Graph
}

// drawn is a drawn network with what the float64 oracle says of it: image 1 is explained, the
// last one is the reference.
type drawn struct {
	seed    uint64
	g       *Graph
	x       []float32   // images
	logits  []float64   // of all of them
	layer   string      // that leads to the logits
	seeds   []float32   // of the signals
	signals [][]float64 // at layer, by rule
}

const drawnImages = 3

var drawnRules = []Rule{Gradient, Guided, DeepLIFT, Excitation, ExcitationDuplicated, ContrastiveExcitation}

func draw(seed uint64) *drawn {
	d := &drawn{seed: seed, g: arbitrary(seed)}
	nodes, size := d.g.nodes, d.g.input.Size()
	d.x = newRandom(seed+1000).normal(drawnImages*size, 1)
	var all [drawnImages][][]float64
	for i := range all {
		all[i] = evaluate(d.g, widen(d.x[i*size:][:size]))
		d.logits = append(d.logits, all[i][len(nodes)-1]...)
	}
	leads := make([]bool, len(nodes)) // to the logits
	leads[len(leads)-1] = true
	var layers []*Node
	for _, n := range slices.Backward(nodes[1:]) {
		if !leads[n.id] {
			continue
		}
		for _, in := range n.in {
			leads[in.id] = true
		}
		if n.id < len(nodes)-1 {
			layers = append(layers, n)
		}
	}
	r := newRandom(seed + 2000)
	layer := layers[r.IntN(len(layers))]
	d.layer = layer.names[0]
	d.seeds = r.normal(nodes[len(nodes)-1].shape.C, 1)
	for _, rule := range drawnRules {
		d.signals = append(d.signals, signals(d.g, rule, all[1], all[drawnImages-1], widen(d.seeds))[layer.id])
	}
	return d
}

// drawnDifference is the difference of values that should be of the order of 1: where all are
// much smaller, they are what is left of terms that cancel.
func drawnDifference(got []float32, want []float64) float64 {
	return difference(append(slices.Clone(got), 1e-3), append(slices.Clone(want), 1e-3))
}

// TestArbitraryGraphs compares the logits of drawn networks, and the signals of every rule at one
// of their layers, with the float64 oracle, for other batches and numbers of threads, with
// Winograd's transforms and without.
func TestArbitraryGraphs(t *testing.T) {
	count := 80
	if testing.Short() {
		count = 30
	}
	var all []*drawn
	for seed := range uint64(count) {
		if seed != 68 { // the mean of an instance normalisation: 0, and excitation divides by it
			all = append(all, draw(seed))
		}
	}
	eachTier(t, func(t *testing.T, k *asm.Kernels) {
		for _, d := range all {
			m, err := Compile(d.g, CompileOptions{Kernels: k, Direct: d.seed%2 == 0})
			if err != nil {
				t.Errorf("seed %d: %v", d.seed, err)
				continue
			}
			size := d.g.input.Size()
			var first []float32
			for _, o := range []SessionOptions{{Batch: drawnImages, Threads: 2}, {Batch: 1, Threads: 1}, {Batch: drawnImages, Whole: true}} {
				s := session(t, m, o)
				var got []float32
				for i := 0; i < drawnImages; i += o.Batch {
					got = append(got, s.Forward(d.x[i*size:][:o.Batch*size])...)
				}
				if e := drawnDifference(got, d.logits); e > f32Bound {
					t.Errorf("seed %d, %+v: logits differ by %.2g", d.seed, o, e)
				}
				if first != nil && !o.Whole && !slices.Equal(got, first) {
					t.Errorf("seed %d, %+v: other bytes than the first session's", d.seed, o)
				}
				first = got
				s.Close()
			}
			half, err := Compile(d.g, CompileOptions{Kernels: k, BF16: true, Direct: d.seed%2 == 0})
			if err != nil {
				t.Errorf("seed %d: %v", d.seed, err)
				continue
			}
			s := session(t, half, SessionOptions{Batch: drawnImages})
			if e := drawnDifference(s.Forward(d.x), d.logits); e > 0x1p-5 {
				t.Errorf("seed %d, bf16: logits differ by %.2g", d.seed, e)
			}
			s.Close()
			for i, rule := range drawnRules {
				s := session(t, m, SessionOptions{Batch: drawnImages, Keep: []string{d.layer}, Whole: rule == DeepLIFT})
				s.Forward(d.x)
				got, err := s.Backward(rule, 1, d.seeds, d.layer)
				if err != nil {
					t.Errorf("seed %d, rule %d: %v", d.seed, rule, err)
				} else if e := drawnDifference(got[0], d.signals[i]); e > 1e-4 {
					t.Errorf("seed %d, rule %d: the signal at %s differs by %.2g", d.seed, rule, d.layer, e)
				}
				s.Close()
			}
		}
	})
}

// TestOracle wants the oracle's gradients to be its own finite differences, and DeepLIFT's
// multipliers at the input times its change to sum to the change of the logits.
func TestOracle(t *testing.T) {
	smooth := 0
	for seed := range uint64(100) {
		g := arbitrary(seed)
		r, size, last := newRandom(seed+3000), g.input.Size(), g.nodes[len(g.nodes)-1]
		x, ref := widen(r.normal(size, 1)), widen(r.normal(size, 1))
		all, refs, weights := evaluate(g, x), evaluate(g, ref), widen(r.normal(last.shape.C, 1))
		dot := func(a, b []float64) (sum, terms float64) {
			for i, v := range a {
				sum += v * b[i]
				terms += math.Abs(v * b[i])
			}
			return sum, terms
		}
		change := make([]float64, size)
		for i := range change {
			change[i] = x[i] - ref[i]
		}
		got, terms := dot(signals(g, DeepLIFT, all, refs, weights)[0], change)
		z, _ := dot(weights, all[last.id])
		zRef, _ := dot(weights, refs[last.id])
		if !(math.Abs(got-(z-zRef)) <= 1e-7*(terms+math.Abs(z)+math.Abs(zRef))) {
			t.Errorf("seed %d: multipliers sum to %g, want %g", seed, got, z-zRef)
		}
		// The derivative in some direction of the input, from both sides.
		const h = 1e-7
		along := widen(r.normal(size, 1))
		at := func(h float64) float64 {
			moved := slices.Clone(x)
			for i, v := range along {
				moved[i] += h * v
			}
			sum, _ := dot(weights, evaluate(g, moved)[last.id])
			return sum
		}
		want, _ := dot(signals(g, Gradient, all, all, weights)[0], along)
		right, left := (at(h)-z)/h, (z-at(-h))/h
		if !(math.Abs(right-left) <= 1e-4*(math.Abs(right)+1e-2)) {
			continue // a ReLU or a maximum changes between them
		}
		smooth++
		if !(math.Abs((right+left)/2-want) <= 1e-5*(math.Abs(want)+1e-1)) {
			t.Errorf("seed %d: derivative %g, want %g", seed, want, (right+left)/2)
		}
	}
	if smooth < 50 {
		t.Errorf("only %d smooth networks", smooth)
	}
}
