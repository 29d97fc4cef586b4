package nn

import (
	"math"
	"testing"
)

// TestDrift compares the moments taken on the way with those of the normalisations' inputs,
// which a session that fuses nothing keeps: for any batch and number of threads.
func TestDrift(t *testing.T) {
	values := func(n int, seed uint64, scale, shift float64) []float32 {
		out := make([]float32, n)
		for i := range out {
			seed = seed*6364136223846793005 + 1442695040888963407
			out[i] = float32((float64(seed>>40)/(1<<24)-0.5)*scale + shift)
		}
		return out
	}
	normed := func(g *Graph, name string, x *Node, seed uint64) *Node {
		c := x.Shape().C
		b := BatchNorm{Gamma: values(c, seed, 2, 0.3), Beta: values(c, seed+1, 1, 0), Mean: values(c, seed+2, 1, 0), Var: values(c, seed+3, 1, 1), Eps: 1e-3}
		b.Gamma[1] = 0 // tells nothing of what came in
		return g.BatchNorm(name, x, b)
	}
	g := NewGraph(Shape{C: 3, H: 18, W: 22})
	conv := func(name string, x *Node, out, k, stride int, seed uint64) *Node {
		return g.Conv(name, x, Conv{Weight: values(out*x.Shape().C*k*k, seed, 1, 0), Out: out, Window: Square(k, stride, k/2)})
	}
	inputs := map[string]string{"bn1": "conv1", "bn2": "conv2", "bn3": "conv3"}
	x := g.ReLU("relu1", normed(g, "bn1", conv("conv1", g.Input(), 20, 3, 1, 11), 21))
	y := normed(g, "bn2", conv("conv2", x, 24, 3, 2, 12), 31)
	z := normed(g, "bn3", conv("conv3", x, 24, 1, 2, 13), 41)
	p := g.MeanPool("pool", g.ReLU("sum.relu", g.Add("sum", y, z)))
	p = normed(g, "bn4", p, 51) // of a single pixel: not measured
	g.Linear("fc", p, values(5*24, 14, 1, 0), nil, 5)
	m, err := Compile(g, CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const images = 3
	in := values(images*m.Input().Size(), 15, 4, 0)
	whole, err := m.NewSession(SessionOptions{Batch: images, Keep: []string{"conv1"}, Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	defer whole.Close()
	logits := append([]float32(nil), whole.Forward(in)...)
	// In bfloat16 nothing but the figures' last digits differ.
	half, err := Compile(g, CompileOptions{BF16: true})
	if err != nil {
		t.Fatal(err)
	}
	hs, err := half.NewSession(SessionOptions{Batch: images, Moments: true})
	if err != nil {
		t.Fatal(err)
	}
	defer hs.Close()
	hs.Forward(in)
	var first []Drift
	for _, o := range []SessionOptions{{Batch: 3, Threads: 1, Moments: true}, {Batch: 3, Threads: 3, Moments: true}, {Batch: 1, Moments: true}} {
		s, err := m.NewSession(o)
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		var all []Drift
		for i := 0; i < images; i += o.Batch {
			got := s.Forward(in[i*m.Input().Size():][:o.Batch*m.Input().Size()])
			for j, v := range got {
				if !(math.Abs(float64(v-logits[i*5+j])) <= 1e-4) {
					t.Errorf("logits %v, want %v", got, logits[i*5:])
					break
				}
			}
			for k := range o.Batch {
				all = append(all, s.Drift(k)...)
			}
		}
		if first == nil {
			first = all
		}
		for i, d := range all {
			if d != first[i] {
				t.Errorf("%+v: %+v, want the same as %+v", o, d, first[i])
			}
		}
	}
	if len(first) != images*len(inputs) {
		t.Fatalf("%d figures, want %d", len(first), images*len(inputs))
	}
	for i, d := range first {
		if h := hs.Drift(i / len(inputs))[i%len(inputs)]; math.Abs(h.Z-d.Z) > 0.02*d.Z+0.02 || math.Abs(h.LogVar-d.LogVar) > 0.02*d.LogVar+0.02 {
			t.Errorf("in bfloat16 %+v, want about %+v", h, d)
		}
		act, shape, err := whole.Activation(i/len(inputs), inputs[d.Layer])
		if err != nil {
			t.Fatal(err)
		}
		n, _ := m.resolve(d.Layer)
		area := shape.H * shape.W
		want := Drift{Layer: d.Layer, Pixels: area}
		for c := range shape.C {
			if c == 1 {
				continue
			}
			mean, variance := 0.0, 0.0
			for _, v := range act[c*area:][:area] {
				mean += float64(v) / float64(area)
			}
			for _, v := range act[c*area:][:area] {
				variance += (float64(v) - mean) * (float64(v) - mean) / float64(area)
			}
			running := float64(n.op.(*norm).Var[c])
			want.Z += math.Abs(mean-float64(n.op.(*norm).Mean[c])) / math.Sqrt(running+1e-5) / float64(shape.C-1)
			want.LogVar += math.Abs(math.Log((variance+1e-5)/(running+1e-5))) / float64(shape.C-1)
		}
		if d.Pixels != area || math.Abs(d.Z-want.Z) > 1e-5*want.Z || math.Abs(d.LogVar-want.LogVar) > 1e-5*want.LogVar {
			t.Errorf("image %d: %+v, want %+v", i/len(inputs), d, want)
		}
	}
}
