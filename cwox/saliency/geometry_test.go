package saliency

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"cwox/nn"
	"cwox/nn/vision"
)

// patchWorld is a network of which everything is known: logit k is the sum over a patch of
// its own of a weight times ReLU(mean of the channels), less a little of all the rest.
type patchWorld struct {
	channels, height, width int
	in                      *Input
	act                     []float64   // [H][W] of "relu"
	weight                  [][]float64 // [classes][H][W]
	patch                   [][4]int    // y0, x0, y1, x1
}

func newPatchWorld(t *testing.T, channels, height, width int) *patchWorld {
	t.Helper()
	const classes = 3
	rng := rand.New(rand.NewPCG(uint64(channels), uint64(height*width)))
	w := &patchWorld{channels: channels, height: height, width: width,
		patch: [][4]int{{1, 1, height / 3, width / 4}, {height / 2, 2, height - 2, width / 4}, {2, width * 2 / 3, height / 2, width - 1}}}
	mean := make([]float32, channels)
	for c := range mean {
		mean[c] = 1 / float32(channels)
	}
	last := make([]float32, classes*height*width)
	for k, p := range w.patch {
		weight := make([]float64, height*width)
		for i := range weight {
			y, x := i/width, i%width
			v := float32(-0.001 * (1 + rng.Float64()))
			if y >= p[0] && y < p[2] && x >= p[1] && x < p[3] {
				v = float32(0.2 * (0.8 + 0.4*rng.Float64()))
			}
			last[k*height*width+i], weight[i] = v, float64(v)
		}
		w.weight = append(w.weight, weight)
	}
	g := nn.NewGraph(nn.Shape{C: channels, H: height, W: width})
	x := g.ReLU("relu", g.Conv("mean", g.Input(), nn.Conv{Weight: mean, Out: 1, Window: nn.Square(1, 1, 0)}))
	x = g.Conv("patches", x, nn.Conv{Weight: last, Out: classes, Window: nn.Window{KH: height, KW: width}})
	identity := make([]float32, classes*classes)
	for i := range classes {
		identity[i*classes+i] = 1
	}
	g.Linear("fc", x, identity, nil, classes)
	m, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	in := &Input{Model: m, X: make([]float32, channels*height*width), Picture: vision.New(width, height), Threads: 1, Seed: 4}
	in.Tensor = func(*vision.Picture) []float32 { return make([]float32, len(in.X)) }
	for i := range in.X {
		in.X[i] = float32(0.2 + 0.4*rng.Float64())
	}
	w.act = make([]float64, height*width)
	for i, v := range in.X {
		w.act[i%len(w.act)] += float64(v) / float64(channels)
	}
	for i := range w.act { // squares of 5 x 5 pixels in many colours, for LIME
		y, x := i/width/5, i%width/5
		copy(in.Picture.Pix[3*i:], []uint8{uint8(97 * y), uint8(61 * x), uint8(37 * (x + y))})
	}
	s, err := m.NewSession(nn.SessionOptions{Batch: 1, Keep: []string{"relu", "input"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	in.Session = s
	in.Logits = append(in.Logits, s.Forward(in.X)...)
	in.Prob = make([]float64, classes)
	softmaxOf(in.Logits, []int{0, 1, 2}, in.Prob)
	for k := range classes {
		want := 0.0
		for i, a := range w.act {
			want += a * w.weight[k][i]
		}
		if !(math.Abs(float64(in.Logits[k])-want) <= 1e-5*math.Abs(want)) {
			t.Fatalf("logit %d is %g, want %g", k, in.Logits[k], want)
		}
	}
	w.in = in
	return w
}

// inside is a map's mean in the patch of a class, and outside of all patches.
func (w *patchWorld) inside(m Map, class int) (in, out float64) {
	var nIn, nOut float64
	for i, v := range m.Data {
		y, x, some := i/w.width, i%w.width, false
		for k, p := range w.patch {
			if y >= p[0] && y < p[2] && x >= p[1] && x < p[3] {
				some = true
				if k == class {
					in += float64(v)
					nIn++
				}
			}
		}
		if !some {
			out += float64(v)
			nOut++
		}
	}
	return in / nIn, out / nOut
}

// Every explainer on inputs of 1 to 8 channels that are not square: by formula where there
// is one, else by where the map is strong.
func TestGeometry(t *testing.T) {
	for _, shape := range [][3]int{{1, 24, 40}, {1, 41, 23}, {2, 24, 40}, {3, 30, 22}, {4, 24, 40}, {8, 20, 36}} {
		w := newPatchWorld(t, shape[0], shape[1], shape[2])
		req := Request{Stage: ClassStage, Contrasts: []Contrast{{0, 1}}}
		for k := range w.patch {
			req.Targets = append(req.Targets, Target{[]int{k}})
		}
		formulas := []struct {
			e    Explainer
			want func(k, i int) float64 // value of pixel i of the map of class k, up to a factor
		}{
			{&GradCAM{ClusterLayer: "relu", ClassLayer: "relu"}, func(k, i int) float64 {
				mean := 0.0
				for _, v := range w.weight[k] {
					mean += v / float64(len(w.act))
				}
				return mean * w.act[i]
			}},
			{&MWP{ClusterLayer: "relu", ClassLayer: "relu"}, func(k, i int) float64 {
				total := 0.0
				for j, v := range w.weight[k] {
					total += max(v, 0) * w.act[j]
				}
				return max(w.weight[k][i], 0) * w.act[i] / total
			}},
			{&Guided{}, func(k, i int) float64 { // the ReLU stops what is negative
				return max(w.weight[k][i], 0) / float64(w.channels)
			}},
			{&DeepLIFT{}, func(k, i int) float64 { return w.weight[k][i] * w.act[i] }},
		}
		for _, f := range formulas {
			name := fmt.Sprintf("%s of %v", f.e.Name(), shape)
			maps := explainOnce(t, name, f.e, w, req)
			for k, m := range maps {
				top := 0.0
				for i := range w.act {
					top = max(top, math.Abs(f.want(k, i)))
				}
				for i, v := range m.Data {
					if !(math.Abs(float64(v)-f.want(k, i)) <= 1e-4*top) {
						t.Errorf("%s: class %d, row %d, column %d: %g, want %g", name, k, i/w.width, i%w.width, v, f.want(k, i))
						break
					}
				}
			}
		}
		for _, e := range []Explainer{
			&RISE{Class: RISEStage{Masks: 1500, Cells: 6, Keep: 0.5}},
			&RISE{Class: RISEStage{Masks: 1500, Cells: 6, Keep: 0.5}, Quality: Debiased},
			&RISE{Class: RISEStage{Masks: 700, Cells: 6, Keep: 0.5}, Quality: Fast},
			&LIME{Class: LIMEStage{Samples: 800, Segments: 40}, Superpixels: SLIC},
			&LIME{Class: LIMEStage{Samples: 800, Kernel: 1}},
		} {
			name := fmt.Sprintf("%s of %v, %v", e.Name(), shape, e.Settings())
			for k, m := range explainOnce(t, name, e, w, req) {
				if in, out := w.inside(m, k); !(in > out+0.2) {
					t.Errorf("%s: class %d: mean %.3g in its patch and %.3g elsewhere", name, k, in, out)
				}
			}
		}
	}
}

// explainOnce makes the maps of a request, which have the size of the input.
func explainOnce(t *testing.T, name string, e Explainer, w *patchWorld, req Request) []Map {
	t.Helper()
	results, err := e.Explain(context.Background(), w.in, []Request{req})
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if c, ok := e.(interface{ Close() }); ok {
		defer c.Close()
	}
	for _, m := range results[0].Maps {
		if m.Height != w.height || m.Width != w.width || len(m.Data) != w.height*w.width {
			t.Fatalf("%s: a map of %d x %d with %d values", name, m.Height, m.Width, len(m.Data))
		}
	}
	return results[0].Maps
}
