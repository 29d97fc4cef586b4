package nn

import (
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
	for _, n := range slices.Backward(g.nodes) {
		if n.kind == kindInput {
			if g.affineScale != nil {
				at(n.shape, func(c, _, _, i int) { out[n.id][i] *= float64(g.affineScale[c]) })
			}
			continue
		}
		sig, in, s := out[n.id], n.in[0].id, n.in[0].shape
		switch n.kind {
		case kindConv:
			c := n.conv
			at(n.shape, func(o, oy, ox, i int) {
				for ic := range s.C {
					for ky := range c.KH {
						for kx := range c.KW {
							iy, ix := oy*c.Stride-c.Pad+ky, ox*c.Stride-c.Pad+kx
							if iy >= 0 && iy < s.H && ix >= 0 && ix < s.W {
								out[in][(ic*s.H+iy)*s.W+ix] += sig[i] * float64(c.Weight[((o*s.C+ic)*c.KH+ky)*c.KW+kx])
							}
						}
					}
				}
			})
		case kindNorm:
			at(n.shape, func(c, _, _, i int) {
				a, _ := n.norm.affine(c)
				out[in][i] += a * sig[i]
			})
		case kindReLU:
			for i, v := range sig {
				slope := 0.0
				if x[in][i] > 0 {
					slope = 1
				}
				if d := x[in][i] - ref[in][i]; rule == DeepLIFT && math.Abs(d) > 1e-12 {
					slope = (max(x[in][i], 0) - max(ref[in][i], 0)) / d
				}
				if rule == Guided {
					v = max(v, 0)
				}
				out[in][i] += slope * v
			}
		case kindAdd:
			for i, v := range sig {
				out[in][i] += v
				out[n.in[1].id][i] += v
			}
		case kindMaxPool:
			at(n.shape, func(c, oy, ox, i int) {
				y0, y1 := window(oy, *n.pool, s.H)
				x0, x1 := window(ox, *n.pool, s.W)
				largest := func(a []float64) int {
					best := (c*s.H+y0)*s.W + x0
					for iy := y0; iy < y1; iy++ {
						for ix := x0; ix < x1; ix++ {
							if k := (c*s.H+iy)*s.W + ix; a[k] > a[best] {
								best = k
							}
						}
					}
					return best
				}
				to, m := largest(x[in]), 1.0
				if rule == DeepLIFT {
					if k := largest(ref[in]); ref[in][k] > x[in][to] {
						to = k
					}
					if d := x[in][to] - ref[in][to]; math.Abs(d) > 1e-12 {
						m = (x[n.id][i] - ref[n.id][i]) / d
					}
				}
				out[in][to] += m * sig[i]
			})
		case kindMeanPool:
			for c, v := range sig {
				for i := range s.H * s.W {
					out[in][c*s.H*s.W+i] += v / float64(s.H*s.W)
				}
			}
		case kindLRN:
			// y = x f(s): the exact change is that of x times the mean of f, and that of f
			// times the mean of x.
			z, r := x[in], ref[in]
			if rule != DeepLIFT {
				r = z
			}
			a, k := float64(n.lrn.Alpha)/float64(n.lrn.Size), float64(n.lrn.K)
			half, plane := n.lrn.Size/2, s.H*s.W
			at(n.shape, func(c, py, px, i int) {
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
				slope := -0.75 * math.Pow(sz, -1.75)
				if sz != sr {
					slope = (math.Pow(sz, -0.75) - math.Pow(sr, -0.75)) / (sz - sr)
				}
				out[in][i] += sig[i] * (math.Pow(sz, -0.75) + math.Pow(sr, -0.75)) / 2
				window(func(j int) {
					out[in][j] += sig[i] * (z[i] + r[i]) / 2 * slope * a * (z[j] + r[j])
				})
			})
		case kindConcat:
			for _, p := range n.in {
				for i := range out[p.id] {
					out[p.id][i] += sig[i]
				}
				sig = sig[len(out[p.id]):]
			}
		}
	}
	return out
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
