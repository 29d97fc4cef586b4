package nn

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"cwox/asm"
)

// arbitrary draws a network: operators of every kind in any order that Compile takes, each on
// whichever of the values before it fit, of odd sizes and channel counts. Values may have many
// users, or none.
func arbitrary(seed uint64) *Graph {
	r := newRandom(seed)
	g := NewGraph(Shape{1 + r.IntN(8), 6 + r.IntN(30), 6 + r.IntN(30)})
	if r.IntN(3) == 0 {
		scale, shift := r.positive(g.input.C), r.normal(g.input.C, 0.2)
		g.InputAffine(scale, shift)
	}
	values := []*Node{g.Input()}
	// pick takes a value that fits, rather a late one; nil where there is none.
	pick := func(fits func(*Node) bool) *Node {
		var all []*Node
		for _, n := range values[1:] {
			if fits(n) {
				all = append(all, n)
			}
		}
		if len(all) == 0 {
			return nil
		}
		return all[max(r.IntN(len(all)), r.IntN(len(all)))]
	}
	any := func(*Node) bool { return true }
	conv := func(name string, x *Node) *Node {
		k := []int{1, 1, 3, 3, 5, 7}[r.IntN(6)]
		k = min(k, x.shape.H, x.shape.W)
		c := Conv{Out: 1 + r.IntN(40), Window: Square(k, 1+r.IntN(2), r.IntN(k/2+1))}
		if r.IntN(4) == 0 { // not square
			c.Window = Window{KH: k, KW: 1, StrideH: c.StrideH, StrideW: c.StrideW}
		}
		fan := x.shape.C * c.KH * c.KW
		c.Weight = r.normal(c.Out*fan, math.Sqrt(2/float64(fan)))
		if r.IntN(2) == 0 {
			c.Bias = r.normal(c.Out, 0.1)
		}
		return g.Conv(name, x, c)
	}
	values = append(values, conv("first", g.Input()))
	for i := range 4 + r.IntN(12) {
		name := fmt.Sprint("n", i)
		var n *Node
		switch r.IntN(10) {
		case 0, 1:
			n = conv(name, values[max(r.IntN(len(values)), r.IntN(len(values)))]) // the input, too
		case 2:
			n = r.norm(g, name, pick(any))
		case 3, 4:
			n = g.ReLU(name, pick(any))
		case 5, 6:
			a := pick(any)
			n = g.Add(name, a, pick(func(b *Node) bool { return b.shape == a.shape }))
		case 7:
			if x := pick((*Node).nonNegative); x != nil {
				p := Pool{Window: Square(2+r.IntN(2), 1+r.IntN(2), r.IntN(2)), Ceil: r.IntN(2) == 0}
				if _, err := p.on(x.shape); err == nil {
					n = g.MaxPool(name, x, p)
				}
			}
		case 8:
			n = g.LRN(name, pick(any), LRN{Size: 5, Alpha: 0.5, Beta: 0.75, K: 1})
		case 9:
			a := pick(any)
			if a.shape.C < 100 {
				same := func(b *Node) bool { return b.shape.H == a.shape.H && b.shape.W == a.shape.W && b.shape.C < 100 }
				n = g.Concat(name, a, pick(same), pick(same))
			}
		}
		if n != nil {
			values = append(values, n)
		}
	}
	x := g.MeanPool("mean", values[len(values)-1])
	classes := 2 + r.IntN(9)
	g.Linear("fc", x, r.normal(classes*x.shape.C, 0.3), r.normal(classes, 0.1), classes)
	return g
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

var drawnRules = []Rule{Gradient, Guided, DeepLIFT}

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

// TestArbitraryGraphs compares the logits of drawn networks, and the signals of every rule at one
// of their layers, with the float64 oracle, for other batches and numbers of threads, with
// Winograd's transforms and without.
func TestArbitraryGraphs(t *testing.T) {
	count := 60
	if testing.Short() {
		count = 30
	}
	var all []*drawn
	for seed := range uint64(count) {
		all = append(all, draw(seed))
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
				if e := difference(got, d.logits); e > f32Bound {
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
			if e := difference(s.Forward(d.x), d.logits); e > 0x1p-5 {
				t.Errorf("seed %d, bf16: logits differ by %.2g", d.seed, e)
			}
			s.Close()
			for i, rule := range drawnRules {
				s := session(t, m, SessionOptions{Batch: drawnImages, Keep: []string{d.layer}, Whole: rule == DeepLIFT})
				s.Forward(d.x)
				got, err := s.Backward(rule, 1, d.seeds, d.layer)
				if err != nil {
					t.Errorf("seed %d, rule %d: %v", d.seed, rule, err)
				} else if e := difference(got[0], d.signals[i]); e > 1e-4 {
					t.Errorf("seed %d, rule %d: the signal at %s differs by %.2g", d.seed, rule, d.layer, e)
				}
				s.Close()
			}
		}
	})
}
