package nn

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"cwox/asm"
)

// signals are the signals of every node for one seed by the definitions, in float64, from the
// values of the image and of the reference.
func signals(g *Graph, rule Rule, x, ref [][]float64, seed []float64) [][]float64 {
	out := make([][]float64, len(g.nodes))
	for _, n := range g.nodes {
		out[n.id] = make([]float64, n.shape.Size())
	}
	copy(out[len(out)-1], seed)
	seen := func(vals [][]float64, p *Node) []float64 { // an operand's value, as its reader sees it
		v := vals[p.id]
		if p.id == 0 && g.affineScale != nil {
			v = slices.Clone(v)
			at(p.shape, func(c, _, _, i int) { v[i] = v[i]*float64(g.affineScale[c]) + float64(g.affineShift[c]) })
		}
		return v
	}
	// The layer that contrasts: the last convolution, if everything passes through it.
	head := g.nodes[len(g.nodes)-1]
	for _, ok := head.op.(*conv); !ok; _, ok = head.op.(*conv) {
		if len(head.in) != 1 {
			head = nil
			break
		}
		head = head.in[0]
	}
	for _, n := range slices.Backward(g.nodes) {
		if n.id == 0 {
			if g.affineScale != nil {
				at(n.shape, func(c, _, _, i int) { out[n.id][i] *= float64(g.affineScale[c]) })
			}
			continue
		}
		o := &oracleNode{Node: n, rule: rule, head: n == head, sig: out[n.id], y: x[n.id], refY: ref[n.id]}
		o.rectified = true
		for _, m := range g.nodes {
			if a, ok := m.op.(*elementwise); slices.Contains(m.in, n) && (!ok || a.Function != ReLU) {
				o.rectified = false
			}
		}
		for _, p := range n.in {
			o.to = append(o.to, out[p.id])
			o.x = append(o.x, seen(x, p))
			o.ref = append(o.ref, seen(ref, p))
			if rule != DeepLIFT {
				o.ref[len(o.ref)-1] = o.x[len(o.x)-1]
			}
		}
		o.pass()
	}
	return out
}

// oracleNode is an operator whose signal is passed on: to its operands' signals, from their
// values x and those of the reference, the same but for DeepLIFT.
type oracleNode struct {
	*Node
	rule       Rule
	head       bool
	rectified  bool // all readers are ReLUs
	sig        []float64
	y, refY    []float64
	x, ref, to [][]float64
}

// change is the rescale rule: the change of a function over that of its input, or the slope.
func change(f func(float64) float64, x, ref, slope float64) float64 {
	if math.Abs(x-ref) > 1e-9 {
		return (f(x) - f(ref)) / (x - ref)
	}
	return slope
}

func (o *oracleNode) pass() {
	if o.rule >= Excitation {
		o.excite()
		return
	}
	var s Shape
	if len(o.in) > 0 {
		s = o.in[0].shape
	}
	switch op := o.op.(type) {
	case *conv:
		connections(op, s, o.shape, func(i, from, weight int) { o.to[0][from] += o.sig[i] * float64(op.Weight[weight]) })
	case *norm:
		at(o.shape, func(c, _, _, i int) {
			a, _ := op.channel(c)
			o.to[0][i] += a * o.sig[i]
		})
	case *elementwise:
		at(o.shape, func(c, _, _, i int) {
			p, f := op.at(c), &functions[op.Function]
			v := o.sig[i]
			if o.rule == Guided && op.Function == ReLU {
				v = max(v, 0)
			}
			o.to[0][i] += v * change(func(x float64) float64 { return f.f(x, &p) }, o.x[0][i], o.ref[0][i], f.slope(o.x[0][i], &p))
		})
	case *binary:
		at(o.shape, func(c, py, px, i int) {
			ia, ib := within(o.in[0].shape, c, py, px), within(o.in[1].shape, c, py, px)
			a, b, ra, rb := o.x[0][ia], o.x[1][ib], o.ref[0][ia], o.ref[1][ib]
			var da, db float64
			switch op.what {
			case addition:
				da, db = 1, 1
			case subtraction:
				da, db = 1, -1
			case multiplication:
				da, db = (b+rb)/2, (a+ra)/2
			case division:
				da, db = (1/b+1/rb)/2, (a+ra)/2*change(func(x float64) float64 { return 1 / x }, b, rb, -1/(b*b))
			}
			o.to[0][ia] += da * o.sig[i]
			o.to[1][ib] += db * o.sig[i]
		})
	case *maxPool:
		at(o.shape, func(c, oy, ox, i int) {
			largest := func(a []float64) int {
				best := -1
				places(&op.Window, s, c, oy, ox, func(k int) {
					if best < 0 || a[k] > a[best] {
						best = k
					}
				})
				return best
			}
			to, m := largest(o.x[0]), 1.0
			if k := largest(o.ref[0]); o.ref[0][k] > o.x[0][to] {
				to = k
			}
			if d := o.x[0][to] - o.ref[0][to]; math.Abs(d) > 1e-12 {
				m = (o.y[i] - o.refY[i]) / d
			}
			o.to[0][to] += m * o.sig[i]
		})
	case *avgPool:
		at(o.shape, func(c, oy, ox, i int) {
			places(&op.Window, s, c, oy, ox, func(k int) { o.to[0][k] += o.sig[i] / divisor(op, s, oy, ox) })
		})
	case *lrn:
		o.passLRN(op, s)
	case *concat:
		sig := o.sig
		for _, to := range o.to {
			for i := range to {
				to[i] += sig[i]
			}
			sig = sig[len(to):]
		}
	case *constant:
	case *resample:
		links(op, s, o.shape, func(i, from int, weight float64) { o.to[0][from] += weight * o.sig[i] })
	case *rearrange:
		at(o.shape, func(c, py, px, i int) { o.to[0][moves(op, s, o.shape, c, py, px)] += o.sig[i] })
	case *statistics:
		o.passStatistics(op, s)
	case *softmax:
		o.passSoftmax(op, s)
	case *matmul:
		terms(o.Node, func(i, a, b int) {
			o.to[0][a] += o.sig[i] * (o.x[1][b] + o.ref[1][b]) / 2
			o.to[1][b] += o.sig[i] * (o.x[0][a] + o.ref[0][a]) / 2
		})
	default:
		panic(fmt.Sprintf("no oracle for %T", op))
	}
}

// passStatistics sums the changes of y_j = d_j r by every x_i, term by term.
func (o *oracleNode) passStatistics(op *statistics, s Shape) {
	for _, set := range sets(op.groups, s) {
		mean, r := meanAndScale(o.x[0], set, op.Eps)
		meanRef, rRef := meanAndScale(o.ref[0], set, op.Eps)
		n := float64(len(set))
		slope := change(func(v float64) float64 { return 1 / math.Sqrt(v) }, 1/(r*r), 1/(rRef*rRef), -r*r*r/2)
		for _, j := range set {
			sig := o.sig[j] * float64(op.Gamma[j/(s.H*s.W)])
			dj := (o.x[0][j] - mean + o.ref[0][j] - meanRef) / 2
			for _, i := range set {
				di := (o.x[0][i] - mean + o.ref[0][i] - meanRef) / 2
				same := 0.0
				if i == j {
					same = 1
				}
				o.to[0][i] += sig * ((r+rRef)/2*(same-1/n) + dj*slope*2*di/n)
			}
		}
	}
}

// passSoftmax sums the changes of every y_j by every x_i.
func (o *oracleNode) passSoftmax(op *softmax, s Shape) {
	for _, set := range sets(0, s) {
		sum, sumRef := 0.0, 0.0
		for _, i := range set {
			sum += math.Exp(o.x[0][i])
			sumRef += math.Exp(o.ref[0][i])
		}
		for _, i := range set {
			x, ref := o.x[0][i], o.ref[0][i]
			exp := change(math.Exp, x, ref, math.Exp(x))
			for _, j := range set {
				same := 0.0
				if i == j {
					same = 1
				}
				ej := (math.Exp(o.x[0][j]) + math.Exp(o.ref[0][j])) / 2
				if op.log {
					o.to[0][i] += o.sig[j] * (same - exp*change(math.Log, sum, sumRef, 1/sum))
				} else {
					o.to[0][i] += o.sig[j] * exp * (same*(1/sum+1/sumRef)/2 - ej/(sum*sumRef))
				}
			}
		}
	}
}

// excite passes the signal on by the rules of excitation backprop.
func (o *oracleNode) excite() {
	var s Shape
	if len(o.in) > 0 {
		s = o.in[0].shape
	}
	switch op := o.op.(type) {
	case *conv:
		products := func(visit func(i, from int, v float64)) {
			connections(op, s, o.shape, func(i, from, weight int) { visit(i, from, o.x[0][from]*float64(op.Weight[weight])) })
		}
		o.share(products, 0)
		if o.rule.contrastive() && o.head {
			for i := range o.sig {
				o.sig[i] = -o.sig[i]
			}
			o.share(func(visit func(i, from int, v float64)) {
				products(func(i, from int, v float64) { visit(i, from, -v) })
			}, 0)
			for i := range o.sig {
				o.sig[i] = -o.sig[i]
			}
		}
	case *avgPool:
		o.share(func(visit func(i, from int, v float64)) {
			at(o.shape, func(c, oy, ox, i int) {
				places(&op.Window, s, c, oy, ox, func(k int) { visit(i, k, o.x[0][k]/divisor(op, s, oy, ox)) })
			})
		}, 0)
	case *resample:
		if op.sums {
			o.share(func(visit func(i, from int, v float64)) {
				links(op, s, o.shape, func(i, from int, weight float64) { visit(i, from, o.x[0][from]*weight) })
			}, 0)
		} else {
			links(op, s, o.shape, func(i, from int, _ float64) { o.to[0][from] += o.sig[i] })
		}
	case *matmul:
		o.share(func(visit func(i, from int, v float64)) {
			terms(o.Node, func(i, a, b int) { visit(i, b, max(o.x[0][a], 0)*o.x[1][b]) })
		}, 1)
	case *elementwise:
		for i, v := range o.sig {
			if op.Function != ReLU || o.y[i] > 0 {
				o.to[0][i] += v
			}
		}
	case *binary:
		o.exciteBinary(op)
	case *norm, *lrn, *statistics, *softmax:
		for i, v := range o.sig {
			o.to[0][i] += v
		}
	default:
		o.rule = Gradient
		o.pass()
	}
}

// share divides every signal in proportion to the positive terms of its sum.
func (o *oracleNode) share(terms func(visit func(i, from int, v float64)), which int) {
	sums := make([]float64, len(o.sig))
	terms(func(i, _ int, v float64) { sums[i] += max(v, 0) })
	terms(func(i, from int, v float64) {
		if o.sig[i] != 0 {
			o.to[which][from] += max(v, 0) * o.sig[i] / (sums[i] + 1e-20)
		}
	})
}

func (o *oracleNode) exciteBinary(op *binary) {
	gate := func(n *Node) bool {
		a, ok := n.op.(*elementwise)
		return ok && (a.Function == Sigmoid || a.Function == HardSigmoid) || n.shape != o.shape
	}
	fixed := func(n *Node) bool { _, ok := n.op.(*constant); return ok }
	at(o.shape, func(c, py, px, i int) {
		if o.sig[i] == 0 {
			return
		}
		ia, ib := within(o.in[0].shape, c, py, px), within(o.in[1].shape, c, py, px)
		a, b := 1.0, 0.0
		switch {
		case fixed(o.in[0]):
			a, b = 0, 1
		case fixed(o.in[1]):
		case op.what == addition && o.rule.splits():
			a, b = o.x[0][ia]/o.y[i], o.x[1][ib]/o.y[i]
			if !o.rectified {
				x, z := max(o.x[0][ia], 0), max(o.x[1][ib], 0)
				if a, b = x/(x+z), z/(x+z); x+z == 0 {
					a, b = 0.5, 0.5
				}
			}
		case op.what == addition:
			b = 1
		case op.what == multiplication && gate(o.in[0]) == gate(o.in[1]):
			a, b = 0.5, 0.5
		case op.what == multiplication && gate(o.in[0]):
			a, b = 0, 1
		}
		o.to[0][ia] += a * o.sig[i]
		o.to[1][ib] += b * o.sig[i]
	})
}

// passLRN: y = x f(s), so the exact change is that of x times the mean of f, and that of f times
// the mean of x.
func (o *oracleNode) passLRN(op *lrn, s Shape) {
	z, r := o.x[0], o.ref[0]
	a, k, beta := float64(op.Alpha)/float64(op.Size), float64(op.K), float64(op.Beta)
	half, plane := op.Size/2, s.H*s.W
	at(o.shape, func(c, py, px, i int) {
		sz, sr := k, k
		window := func(f func(j int)) {
			for j := max(0, c-half); j <= min(s.C-1, c+half); j++ {
				f(j*plane + py*s.W + px)
			}
		}
		window(func(j int) {
			sz += a * z[j] * z[j]
			sr += a * r[j] * r[j]
		})
		slope := -beta * math.Pow(sz, -beta-1)
		if sz != sr {
			slope = (math.Pow(sz, -beta) - math.Pow(sr, -beta)) / (sz - sr)
		}
		o.to[0][i] += o.sig[i] * (math.Pow(sz, -beta) + math.Pow(sr, -beta)) / 2
		window(func(j int) {
			o.to[0][j] += o.sig[i] * (z[i] + r[i]) / 2 * slope * a * (z[j] + r[j])
		})
	})
}

// TestSignals compares every layer's signal, down to the network's input, with the float64
// oracle for the rules that reach it.
func TestSignals(t *testing.T) {
	g := mixed(21, 37, 29)
	r := newRandom(22)
	size, classes := g.input.Size(), 11
	x := r.normal(3*size, 1) // image 2 is the reference
	const image, seeds = 1, 9
	seed := r.normal(seeds*classes, 1) // more than maxSeeds
	all, ref := evaluate(g, widen(x[image*size:][:size])), evaluate(g, widen(x[2*size:]))
	rules := []Rule{Gradient, Guided, DeepLIFT}
	some := []int{0, 5, 8}                 // of the seeds: compared
	want := map[Rule]map[int][][]float64{} // rule -> seed -> node
	for _, rule := range rules {
		want[rule] = map[int][][]float64{}
		for _, i := range some {
			want[rule][i] = signals(g, rule, all, ref, widen(seed[i*classes:][:classes]))
		}
	}
	layers := []string{"mean", "r2", "r1", "i2", "i1", "i1.pool", "c2", "lrn", "pool1", "stem", "stem.conv", "input"}
	eachTier(t, func(t *testing.T, k *asm.Kernels) {
		m := compile(t, g, k)
		for _, rule := range rules {
			for _, whole := range []bool{false, true} {
				s := session(t, m, SessionOptions{Batch: 3, Keep: []string{"input", "stem.conv"}, Whole: whole})
				s.Forward(x)
				got, err := s.Backward(rule, image, seed, layers...)
				if rule == DeepLIFT && !whole {
					if err == nil {
						t.Error("DeepLIFT without Whole: no error")
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				for _, i := range some {
					for l, layer := range layers {
						n := g.names[layer]
						// As much as the gradient may be off (TestGradient).
						if d := difference(got[l][i*n.shape.Size():][:n.shape.Size()], want[rule][i][n.id]); d > 1e-4 {
							t.Errorf("rule %d, whole %v, seed %d: %s differs by %.2g", rule, whole, i, layer, d)
						}
					}
				}
			}
		}
	})
}

// TestDeepLIFTSums wants multipliers times differences from the reference to sum to the
// difference of the logits, at every cut through the network and at its input.
func TestDeepLIFTSums(t *testing.T) {
	worst := 0.0
	for seed := range uint64(4) {
		g := mixed(30+seed, 37+int(seed)*6, 29+int(seed)*5)
		size, classes := g.input.Size(), 11
		x := newRandom(40+seed).normal(2*size, 1)
		s := session(t, compile(t, g, nil), SessionOptions{Batch: 2, Keep: []string{"input"}, Whole: true})
		logits := slices.Clone(s.Forward(x))
		seeds := make([]float32, classes*classes)
		for c := range classes {
			seeds[c*classes+c] = 1
		}
		// The layers that everything passes through.
		layers := []string{"mean", "r2", "i2", "i1", "c2", "lrn", "pool1", "stem", "stem.bn", "stem.conv", "input"}
		got, err := s.Backward(DeepLIFT, 0, seeds, layers...)
		if err != nil {
			t.Fatal(err)
		}
		for l, layer := range layers {
			a, b := x[:size], x[size:]
			if layer != "input" {
				if a, _, err = s.Activation(0, layer); err != nil {
					t.Fatal(err)
				}
				if b, _, err = s.Activation(1, layer); err != nil {
					t.Fatal(err)
				}
			}
			for c := range classes {
				sum, mass := 0.0, 0.0
				for i, m := range got[l][c*len(a):][:len(a)] {
					v := float64(m) * (float64(a[i]) - float64(b[i]))
					sum += v
					mass += math.Abs(v)
				}
				z, zRef := float64(logits[c]), float64(logits[classes+c])
				d := math.Abs(sum-(z-zRef)) / (mass + math.Abs(z) + math.Abs(zRef))
				if worst = max(worst, d); d > 4e-6 { // some dozen roundings of 2^-24 lie behind a logit
					t.Errorf("graph %d, %s, class %d: sum %g, want %g; off by %.2g", seed, layer, c, sum, z-zRef, d)
				}
			}
		}
	}
	t.Logf("largest difference %.2g of the terms summed", worst)
}

func TestInputIsNoLayerToRead(t *testing.T) {
	g := mixed(23, 37, 29)
	s := session(t, compile(t, g, nil), SessionOptions{Keep: []string{"input"}})
	s.Forward(make([]float32, g.input.Size()))
	if _, _, err := s.Activation(0, "input"); err == nil || !strings.Contains(err.Error(), `"input" is the image itself`) {
		t.Errorf("activation of the input: %v", err)
	}
	if _, err := s.Backward(Excitation, 0, make([]float32, 11), "input"); err == nil || !strings.Contains(err.Error(), "ends above") {
		t.Errorf("excitation of the input: %v", err)
	}
}
