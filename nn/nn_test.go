package nn

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cwox/asm"
)

// eachTier runs a test with the kernels of every tier this machine has, in short mode with
// those of the best.
func eachTier(t *testing.T, f func(t *testing.T, k *asm.Kernels)) {
	tiers := asm.Tiers()
	if testing.Short() {
		tiers = tiers[len(tiers)-1:]
	}
	for _, k := range tiers {
		t.Run(k.Tier, func(t *testing.T) { f(t, k) })
	}
}

func compile(t *testing.T, g *Graph, k *asm.Kernels) *Model {
	t.Helper()
	m, err := Compile(g, CompileOptions{Kernels: k})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func session(t *testing.T, m *Model, o SessionOptions) *Session {
	t.Helper()
	s, err := m.NewSession(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

func widen(x []float32) []float64 {
	out := make([]float64, len(x))
	for i, v := range x {
		out[i] = float64(v)
	}
	return out
}

// difference is the largest |got-want| over the largest |want|.
func difference(got []float32, want []float64) float64 {
	var d, scale float64
	for i, w := range want {
		d = max(d, math.Abs(float64(got[i])-w))
		scale = max(scale, math.Abs(w))
		if math.IsNaN(float64(got[i])) {
			return math.Inf(1)
		}
	}
	return d / max(scale, 1e-30)
}

// f32Bound is what float32 sums of a few hundred terms over a dozen layers may lose,
// relative to the largest value.
const f32Bound = 2e-5

func TestForward(t *testing.T) {
	g := mixed(1, 77, 61)
	r := newRandom(2)
	const n = 5
	x := r.normal(n*g.input.Size(), 1)
	var want []float64
	for i := range n {
		all := evaluate(g, widen(x[i*g.input.Size():][:g.input.Size()]))
		want = append(want, all[len(all)-1]...)
	}
	eachTier(t, func(t *testing.T, k *asm.Kernels) {
		m := compile(t, g, k)
		var first []float32
		for _, o := range []SessionOptions{{Batch: n}, {Batch: n, Threads: 1}, {Batch: n, Threads: 3}, {Batch: 2}, {Batch: 1}, {Batch: n, Keep: []string{"i1"}}} {
			s := session(t, m, o)
			var got []float32
			for i := 0; i < n; i += o.Batch {
				got = append(got, s.Forward(x[i*g.input.Size():min(n, i+o.Batch)*g.input.Size()])...)
			}
			if d := difference(got, want); d > f32Bound {
				t.Errorf("%+v: logits differ by %.2g", o, d)
			}
			if first == nil {
				first = got
			} else if !slices.Equal(got, first) {
				t.Errorf("%+v: other bytes than the first session's", o)
			}
		}
	})
}

// TestWinograd wants the transforms used where they should be, and nowhere else.
func TestWinograd(t *testing.T) {
	for _, direct := range []bool{false, true} {
		m, err := Compile(mixed(16, 77, 61), CompileOptions{Direct: direct})
		if err != nil {
			t.Fatal(err)
		}
		s := session(t, m, SessionOptions{Batch: 2})
		used := map[string]bool{}
		for i, st := range s.plan.steps {
			if _, ok := st.(*winogradProduct); ok {
				used[s.plan.ops[i].Name] = true
			}
		}
		if used["c2.conv"] == direct || used["r2.conv1"] == direct || used["stem.conv"] || used["r1.conv2"] {
			t.Errorf("direct %v: Winograd's transforms for %v", direct, used)
		}
		if want := m.kernels.Tier; (m.Kernel() == want) == direct {
			t.Errorf("direct %v: kernel %s", direct, m.Kernel())
		}
	}
}

// TestBF16 compares bfloat16 with the float64 oracle. Every layer rounds weights and activations
// to 8 bits, half a unit being 2^-9; over the dozen layers such errors, which are random, add to
// some 2^-7 of the largest logit.
func TestBF16(t *testing.T) {
	g := mixed(17, 77, 61)
	const n = 3
	x := newRandom(18).normal(n*g.input.Size(), 1)
	var want []float64
	for i := range n {
		all := evaluate(g, widen(x[i*g.input.Size():][:g.input.Size()]))
		want = append(want, all[len(all)-1]...)
	}
	eachTier(t, func(t *testing.T, k *asm.Kernels) {
		for _, direct := range []bool{false, true} {
			m, err := Compile(g, CompileOptions{Kernels: k, BF16: true, Direct: direct})
			if err != nil {
				t.Fatal(err)
			}
			var first []float32
			for _, o := range []SessionOptions{{Batch: n}, {Batch: n, Threads: 1}, {Batch: 1}, {Batch: n, Keep: []string{"i1"}}} {
				s := session(t, m, o)
				var got []float32
				for i := 0; i < n; i += o.Batch {
					got = append(got, s.Forward(x[i*g.input.Size():min(n, i+o.Batch)*g.input.Size()])...)
				}
				d := difference(got, want)
				if d > 0x1p-6 {
					t.Errorf("direct %v, %+v: logits differ by %.2g", direct, o, d)
				}
				if d < 1e-4 {
					t.Errorf("direct %v, %+v: logits differ by only %.2g: is this bfloat16?", direct, o, d)
				}
				if first == nil {
					first = got
				} else if !slices.Equal(got, first) {
					t.Errorf("direct %v, %+v: other bytes than the first session's", direct, o)
				}
			}
		}
	})
}

func TestActivations(t *testing.T) {
	g := mixed(3, 77, 61)
	x := newRandom(4).normal(2*g.input.Size(), 1)
	eachTier(t, func(t *testing.T, k *asm.Kernels) {
		m := compile(t, g, k)
		for _, whole := range []bool{false, true} {
			s := session(t, m, SessionOptions{Batch: 2, Keep: []string{"stem"}, Whole: whole})
			s.Forward(x)
			for image := range 2 {
				all := evaluate(g, widen(x[image*g.input.Size():][:g.input.Size()]))
				seen := 0
				for _, n := range g.nodes[1:] {
					got, shape, err := s.Activation(image, n.names[0])
					if err != nil {
						if whole && n.id >= s.keepFrom {
							t.Errorf("%s: %v", n.names[0], err)
						}
						continue
					}
					seen++
					if shape != n.shape {
						t.Errorf("%s: shape %v, want %v", n.names[0], shape, n.shape)
					}
					if d := difference(got, all[n.id]); d > f32Bound {
						t.Errorf("whole %v: %s differs by %.2g", whole, n.names[0], d)
					}
				}
				if seen < 15 {
					t.Errorf("only %d layers could be read", seen)
				}
			}
		}
	})
}

func TestForwardMasked(t *testing.T) {
	g := mixed(5, 37, 29)
	r := newRandom(6)
	x := r.normal(g.input.Size(), 1)
	plane := g.input.H * g.input.W
	const n = 3
	masks := r.positive(n * plane)
	masks[7] = 0
	var masked []float32
	for i := range n {
		for j, v := range x {
			masked = append(masked, v*masks[i*plane+j%plane])
		}
	}
	m := compile(t, g, nil)
	s := session(t, m, SessionOptions{Batch: n})
	want := slices.Clone(s.Forward(masked))
	if got := s.ForwardMasked(x, masks); !slices.Equal(got, want) {
		t.Errorf("masked logits %v, want %v", got[:3], want[:3])
	}
}

// TestGradient compares Backward with central differences of the float64 oracle at some
// elements of each layer, by evaluating the rest of the network from there.
func TestGradient(t *testing.T) {
	g := mixed(7, 37, 29)
	x := newRandom(8).normal(g.input.Size(), 1)
	classes := 11
	layers := []string{"stem", "pool1", "lrn", "c2", "i1.b", "i1.pool", "i1", "i2", "r1.down.bn", "r1", "r2", "mean"}
	all := evaluate(g, widen(x))
	eachTier(t, func(t *testing.T, k *asm.Kernels) {
		m := compile(t, g, k)
		for _, keep := range [][]string{layers, {"stem", "r1.bn3", "r2.sum", "r1.relu2"}} {
			s := session(t, m, SessionOptions{Keep: keep})
			s.Forward(x)
			seeds := newRandom(9).normal(9*classes, 1) // more than maxSeeds
			got, err := s.Backward(Gradient, 0, seeds, keep...)
			if err != nil {
				t.Fatal(err)
			}
			for li, layer := range keep {
				n := g.names[layer]
				size := n.shape.Size()
				var d, scale float64
				smooth, logits := 0, all[len(all)-1]
				for e := 0; e < size; e += 1 + size/16 {
					const h = 1e-6
					up := moved(g, all, n, e, h)
					down := moved(g, all, n, e, -h)
					if kink(down, logits, up) {
						continue
					}
					smooth++
					for seed := range 9 {
						want := 0.0
						for c := range classes {
							want += float64(seeds[seed*classes+c]) * (up[c] - down[c]) / (2 * h)
						}
						d = max(d, math.Abs(float64(got[li][seed*size+e])-want))
						scale = max(scale, math.Abs(want))
					}
				}
				if smooth < 5 {
					t.Errorf("%s: only %d elements where the logits are smooth", layer, smooth)
				}
				if d > 1e-4*scale {
					t.Errorf("%s: gradient differs by %.2g of %.2g", layer, d, scale)
				}
			}
		}
	})
}

// kink says that the two one-sided differences disagree: a ReLU or a maximum changes there,
// and no derivative exists.
func kink(down, mid, up []float64) bool {
	for i := range mid {
		l, r := mid[i]-down[i], up[i]-mid[i]
		if !(math.Abs(l-r) <= 1e-3*max(math.Abs(l), math.Abs(r))) {
			return true
		}
	}
	return false
}

// moved re-evaluates the network after element e of node n is moved by h, and returns the
// logits.
func moved(g *Graph, all [][]float64, n *Node, e int, h float64) []float64 {
	changed := map[int]bool{n.id: true}
	vals := slices.Clone(all)
	v := slices.Clone(all[n.id])
	v[e] += h
	vals[n.id] = v
	for _, node := range g.nodes {
		in := make([][]float64, len(node.in))
		for i, p := range node.in {
			changed[node.id] = changed[node.id] || changed[p.id]
			in[i] = vals[p.id]
		}
		if changed[node.id] && node.id != n.id {
			vals[node.id] = evaluateOne(node, in)
		}
	}
	return vals[len(vals)-1]
}

func TestExcitationConserves(t *testing.T) {
	g := mixed(10, 37, 29)
	x := newRandom(11).normal(g.input.Size(), 1)
	m := compile(t, g, nil)
	s := session(t, m, SessionOptions{Keep: []string{"c2"}})
	s.Forward(x)
	seeds := make([]float32, 2*11)
	seeds[3], seeds[11+7] = 1, 1
	for _, rule := range []Rule{Excitation, ContrastiveExcitation} {
		want := 1.0
		if rule == ContrastiveExcitation {
			want = 0
		}
		got, err := s.Backward(rule, 0, seeds, "mean", "r2", "r1", "i2", "i1", "c2")
		if err != nil {
			t.Fatal(err)
		}
		for li, layer := range []string{"mean", "r2"} {
			size := len(got[li]) / 2
			for i := range 2 {
				sum := 0.0
				for _, v := range got[li][i*size:][:size] {
					sum += float64(v)
				}
				if !(math.Abs(sum-want) <= 1e-5) {
					t.Errorf("rule %d, %s: mass %g, want %g", rule, layer, sum, want)
				}
			}
		}
	}
}

func TestNoAllocation(t *testing.T) {
	g := mixed(12, 77, 61)
	x := newRandom(13).normal(2*g.input.Size(), 1)
	m := compile(t, g, nil)
	s := session(t, m, SessionOptions{Batch: 2, Threads: 2})
	s.Forward(x)
	if n := testing.AllocsPerRun(10, func() { s.Forward(x) }); n != 0 {
		t.Errorf("Forward allocates %v times", n)
	}
	for seed := range uint64(40) {
		g := arbitrary(seed)
		x := newRandom(13).normal(g.input.Size(), 1)
		s := session(t, compile(t, g, nil), SessionOptions{Threads: 2})
		s.Forward(x)
		if n := testing.AllocsPerRun(3, func() { s.Forward(x) }); n != 0 {
			t.Errorf("seed %d: Forward allocates %v times", seed, n)
		}
		s.Close()
	}
}

func TestSessionEndsItsGoroutines(t *testing.T) {
	m := compile(t, mixed(14, 37, 29), nil)
	before := runtime.NumGoroutine()
	for range 10 {
		s, err := m.NewSession(SessionOptions{Threads: 3})
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
	}
	for i := 0; i < 1000 && runtime.NumGoroutine() > before; i++ {
		time.Sleep(time.Millisecond)
	}
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("%d goroutines, %d before", n, before)
	}
}

func TestErrors(t *testing.T) {
	g := NewGraph(Shape{3, 8, 8})
	x := g.Conv("a", g.Input(), Conv{Weight: make([]float32, 7), Out: 2, Window: Square(1, 1, 0)})
	g.Linear("fc", g.MeanPool("mean", x), make([]float32, 4), nil, 2)
	if _, err := Compile(g, CompileOptions{}); err == nil || !strings.Contains(err.Error(), "a: 7 weights, want 2 x 3 x 1 x 1") {
		t.Errorf("wrong weights: %v", err)
	}
	m := compile(t, mixed(15, 37, 29), nil)
	if _, err := m.NewSession(SessionOptions{Keep: []string{"r3"}}); err == nil || !strings.Contains(err.Error(), `"r3"`) {
		t.Errorf("unknown layer: %v", err)
	}
	s := session(t, m, SessionOptions{Keep: []string{"r1"}})
	s.Forward(make([]float32, m.Input().Size()))
	if _, _, err := s.Activation(0, "c2"); err == nil || !strings.Contains(err.Error(), "not kept") {
		t.Errorf("layer that was not kept: %v", err)
	}
}

func TestNextTiles(t *testing.T) {
	for _, heights := range [][]int{{14, 8, 7, 4, 2, 1}, {6, 5, 4, 3, 2, 1}, {1}} {
		for n := 1; n < 200; n++ {
			sum, calls := 0, ""
			for sum < n {
				r, k := nextTiles(heights, n-sum)
				if !slices.Contains(heights, r) || k < 1 {
					t.Fatalf("%v: %d pixels: %d tiles of %d", heights, n, k, r)
				}
				sum += r * k
				calls += fmt.Sprint(" ", k, "x", r)
			}
			if sum != n {
				t.Fatalf("%v: %d pixels are cut into%s", heights, n, calls)
			}
		}
	}
}
