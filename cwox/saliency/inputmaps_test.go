package saliency

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"cwox/nn"
)

// TestDeepLIFTSums wants each map to sum to the difference of the target's logits between the
// picture and the reference, in the networks as they are used.
func TestDeepLIFTSums(t *testing.T) {
	targets := []Target{{[]int{486}}, {[]int{402}}, {[]int{486, 889}}, {[]int{402, 420, 546}}}
	for model := range modelFiles {
		in := input(t, model, "cello_guitar.jpg", nil)
		reference := slices.Clone(in.Session.Forward(make([]float32, len(in.X))))
		in.Session.Forward(in.X)
		e := &DeepLIFT{Smooth: 3}
		defer e.Close()
		results, err := e.Explain(context.Background(), in, []Request{{Stage: ClusterStage, Targets: targets[2:]}, {Stage: ClassStage, Targets: targets}})
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i, m := range results[1].Maps {
			sum, mass := 0.0, 0.0
			for _, v := range m.Data {
				sum += float64(v)
				mass += math.Abs(float64(v))
			}
			want := 0.0
			for k, w := range targets[i].weights(in.Logits) {
				c := targets[i].Classes[k]
				want += w * (float64(in.Logits[c]) - float64(reference[c]))
			}
			d := math.Abs(sum-want) / mass
			worst = max(worst, d)
			// Fifty layers of float32, and logits from a session that adds in another order.
			if d > 1e-5 {
				t.Errorf("%s: the map of %v sums to %g, want %g (mass %g)", model, targets[i].Classes, sum, want, mass)
			}
		}
		t.Logf("%s: largest difference %.2g of the mass", model, worst)
		if !slices.Equal(results[0].Maps[0].Data, results[1].Maps[2].Data) {
			t.Errorf("%s: another map in the other stage", model)
		}
	}
}

// TestInputMapsOfTinyNetwork computes by hand what a network of one ReLU layer gives.
func TestInputMapsOfTinyNetwork(t *testing.T) {
	in := tinyInput(t)
	// Hidden units at pixel (y, x): h0 = relu(r - g), h1 = relu(g + b - 1); the logits are
	// z0 = mean(h0) - mean(h1), z1 = 2 mean(h1).
	pixels := len(in.X) / 3
	n := float64(pixels)
	guided := make([][]float64, 2)
	lift := make([][]float64, 2)
	for p := range pixels {
		r, g, b := float64(in.X[p]), float64(in.X[pixels+p]), float64(in.X[2*pixels+p])
		a0, a1 := r-g, g+b-1
		g0, g1 := 0.0, 0.0
		if a0 > 0 {
			g0 = 1 / n
		}
		if a1 > 0 {
			g1 = 2 / n
		}
		guided[0], guided[1] = append(guided[0], g0), append(guided[1], g1)
		m0 := max(a0, 0) / a0
		m1 := max(a1, 0) / (a1 + 1) // the reference is 0, where a1 = -1
		lift[0] = append(lift[0], (m0*(r-g)-m1*(g+b))/n)
		lift[1] = append(lift[1], 2*m1*(g+b)/n)
	}
	reqs := []Request{{Stage: ClassStage, Targets: []Target{{[]int{0}}, {[]int{1}}, {[]int{0, 1}}}}}
	for _, tt := range []struct {
		e      Explainer
		want   [][]float64
		linear bool
	}{{&Guided{}, guided, false}, {&DeepLIFT{}, lift, true}} {
		results, err := tt.e.Explain(context.Background(), in, reqs)
		if err != nil {
			t.Fatal(err)
		}
		for c, want := range tt.want {
			for p, w := range want {
				if v := float64(results[0].Maps[c].Data[p]); !(math.Abs(v-w) <= 1e-6*2/n) {
					t.Fatalf("%s, class %d, pixel %d: %g, want %g", tt.e.Name(), c, p, v, w)
				}
			}
		}
		w := Target{[]int{0, 1}}.weights(in.Logits)
		for p, v := range results[0].Maps[2].Data {
			want := w[0]*tt.want[0][p] + w[1]*tt.want[1][p]
			if !tt.linear {
				// The hidden signals are w0 and 2 w1 - w0, the latter stopped where negative.
				s0, s1 := w[0]*tt.want[0][p], max(0, 2*w[1]-w[0])*tt.want[1][p]/2
				want = max(math.Abs(s0), math.Abs(s1-s0), math.Abs(s1))
			}
			if !(math.Abs(float64(v)-want) <= 1e-6*2/n) {
				t.Fatalf("%s, both classes, pixel %d: %g, want %g", tt.e.Name(), p, v, want)
			}
		}
	}
}

func TestSmoothOutOfRange(t *testing.T) {
	in := tinyInput(t)
	for _, sigma := range []float64{-1, 65, math.NaN()} {
		for _, e := range []Explainer{&Guided{Smooth: sigma}, &DeepLIFT{Smooth: sigma}} {
			_, err := e.Explain(context.Background(), in, []Request{{Targets: []Target{{[]int{0}}}}})
			if err == nil || !strings.Contains(err.Error(), e.Name()+": smoothing by") {
				t.Errorf("%s, %g: %v", e.Name(), sigma, err)
			}
		}
	}
}

func TestInputMapsCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	in := tinyInput(t)
	for _, e := range []Explainer{&Guided{}, &DeepLIFT{}} {
		if _, err := e.Explain(ctx, in, []Request{{Targets: []Target{{[]int{0}}}}}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", e.Name(), err)
		}
	}
}

// tinyInput is a random picture of 8x8 pixels and a network of one hidden layer.
func tinyInput(t *testing.T) *Input {
	t.Helper()
	g := nn.NewGraph(nn.Shape{C: 3, H: 8, W: 8})
	h := g.ReLU("hidden", g.Conv("conv", g.Input(), nn.Conv{Weight: []float32{1, -1, 0, 0, 1, 1}, Bias: []float32{0, -1}, Out: 2, Window: nn.Square(1, 1, 0)}))
	g.Linear("logits", g.MeanPool("mean", h), []float32{1, -1, 0, 2}, []float32{0.1, 0}, 2)
	m, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(nn.SessionOptions{Keep: (&Guided{}).Keep()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	x := make([]float32, 3*64)
	for i := range x {
		w := philox([4]uint32{uint32(i)}, 1)
		x[i] = float32(w[0])/(1<<31) - 1 + 0.001
	}
	return &Input{Model: m, Session: s, X: x, Logits: slices.Clone(s.Forward(x))}
}
