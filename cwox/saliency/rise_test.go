package saliency

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"cwox/nn"
)

// Known-answer vectors of Random123's kat_vectors file for Philox4x32-10.
func TestPhilox(t *testing.T) {
	tests := []struct {
		counter [4]uint32
		key     uint64
		want    [4]uint32
	}{
		{[4]uint32{}, 0, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, 0xffffffffffffffff, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, 0x299f31d0a4093822, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	}
	for _, tt := range tests {
		if got := philox(tt.counter, tt.key); got != tt.want {
			t.Errorf("philox(%x, %x) = %x, want %x", tt.counter, tt.key, got, tt.want)
		}
	}
}

func TestMaskGolden(t *testing.T) {
	f := openTensors(t, "rise.safetensors")
	worst := 0.0
	for _, c := range []struct {
		name  string
		cells int
		keep  float64
	}{{"s8_p0.5", 8, 0.5}, {"s15_p0.3", 15, 0.3}, {"s10_p0.14", 10, 0.14}} {
		law := newMaskLaw(224, 224, c.cells, c.keep, 0, 0)
		masks := goldenMasks(t, law, c.name)
		whole, _ := tensor(t, f, c.name+"/mask_0_2")
		every8, _ := tensor(t, f, c.name+"/mask_all_every8")
		got := make([]float32, 224*224)
		for i, m := range masks {
			law.render(&m, got)
			for y := range 28 {
				for x := range 28 {
					worst = max(worst, math.Abs(float64(got[8*y*224+8*x]-every8[(i*28+y)*28+x])))
				}
			}
			if i == 0 || i == 2 {
				for k, v := range whole[i/2*224*224:][:224*224] {
					worst = max(worst, math.Abs(float64(got[k]-v)))
				}
			}
		}
	}
	t.Logf("largest difference %.2g", worst)
	if worst > 1e-6 {
		t.Errorf("off by %.3g, want at most 1e-6", worst)
	}
}

// goldenMasks are the stored grids and offsets of a setting.
func goldenMasks(t testing.TB, law *maskLaw, name string) []mask {
	f := openTensors(t, "rise.safetensors")
	grid, ok1 := f.Tensor(name + "/grid")
	offsets, ok2 := f.Tensor(name + "/offset_row_col")
	if !ok1 || !ok2 {
		t.Fatalf("no golden masks %q", name)
	}
	bits, err := grid.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	at, err := offsets.Float64()
	if err != nil {
		t.Fatal(err)
	}
	n := law.cells * law.cells
	masks := make([]mask, grid.Shape[0])
	for i := range masks {
		masks[i] = mask{slices.Clone(bits[i*n:][:n]), int(at[2*i]), int(at[2*i+1])}
	}
	return masks
}

func TestRISEGolden(t *testing.T) {
	var golden struct {
		Saliency map[string]any
	}
	readJSON(t, "rise.json", &golden)
	f := openTensors(t, "rise.safetensors")
	for model := range modelFiles {
		in := input(t, model, "cello_guitar.jpg", nil)
		var classes []int
		for _, c := range golden.Saliency[model].(map[string]any)["top"].([]any) {
			classes = append(classes, int(c.(float64)))
		}
		law := newMaskLaw(224, 224, 8, 0.5, 0, 0)
		law.fixed = goldenMasks(t, law, "saliency")
		session, err := in.Model.NewSession(nn.SessionOptions{Batch: 8})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		s := &sweep{RISEStage: RISEStage{Masks: len(law.fixed), Cells: 8, Keep: 0.5}, batch: 8, law: law,
			classes: classes, probs: sessionProber(session, in), progress: func(int) {}}
		const forwards = 24 // of the 256: networks take their time
		if err := s.extend(context.Background(), forwards); err != nil {
			t.Fatal(err)
		}
		x, ok := f.Tensor("saliency/" + model + "/probability")
		if !ok {
			t.Fatal("no golden probabilities")
		}
		want, err := x.Float64()
		if err != nil {
			t.Fatal(err)
		}
		worst := 0.0
		for i, p := range s.p {
			worst = max(worst, math.Abs(p-want[i]))
		}
		t.Logf("%s: probabilities of %d masks: largest difference %.2g", model, forwards, worst)
		if worst > 1e-5 {
			t.Errorf("%s: probabilities off by %.3g, want at most 1e-5", model, worst)
		}
		// The estimators, from the stored probabilities of all masks.
		s.p, s.ids = want, nil
		for i := range law.fixed {
			s.ids = append(s.ids, maskID{0, uint32(i)})
		}
		for _, e := range []struct {
			name      string
			maps      [][]float64
			tolerance float64
		}{{"plain", s.plain().maps, 1e-5}, {"debiased", s.debiased().maps, 1e-4}} {
			data, _ := tensor(t, f, "saliency/"+model+"/"+e.name+"_every2")
			worst := 0.0
			for c, m := range e.maps {
				for y := range 112 {
					for x := range 112 {
						worst = max(worst, math.Abs(m[2*y*224+2*x]-float64(data[(c*112+y)*112+x])))
					}
				}
			}
			t.Logf("%s: %s maps: largest difference %.2g", model, e.name, worst)
			if worst > e.tolerance {
				t.Errorf("%s: %s maps off by %.3g, want at most %g", model, e.name, worst, e.tolerance)
			}
		}
	}
}

func TestMaskSums(t *testing.T) {
	const h, w = 30, 22
	for _, cells := range []int{1, 2, 3, 7, 22} {
		law := newMaskLaw(h, w, cells, 0.4, 7, 0)
		sum, squares := law.newSum(2), law.newSquareSum()
		var want [3][h * w]float64
		var m mask
		one := make([]float32, h*w)
		points := law.newSampler(5)
		values := make([]float64, points.points())
		for i := range 50 {
			law.draw(maskID{3, uint32(i)}, &m)
			law.render(&m, one)
			weights := []float64{1, math.Sin(float64(i))}
			sum.add(&m, weights)
			squares.add(&m)
			for x, v := range one {
				if v < 0 || v > 1 {
					t.Fatalf("%d cells: a mask has the value %g", cells, v)
				}
				want[0][x] += float64(v)
				want[1][x] += weights[1] * float64(v)
				want[2][x] += float64(v) * float64(v)
			}
			points.sample(&m, values)
			for k, x := range points.pixels() {
				if !(math.Abs(values[k]-float64(one[x])) <= 1e-6) {
					t.Fatalf("%d cells: sampled value %g, rendered %g", cells, values[k], one[x])
				}
			}
		}
		for k, got := range [][]float64{sum.column(0), sum.column(1), squares.sum()} {
			for x, v := range got {
				if math.Abs(v-want[k][x]) > 1e-5 { // float32 masks summed 50 times
					t.Fatalf("%d cells: sum %d is %g at pixel %d, want %g", cells, k, v, x, want[k][x])
				}
			}
		}
	}
}

// The mean of masks is keep at every pixel, since interpolation weights sum to 1.
func TestMaskMean(t *testing.T) {
	law := newMaskLaw(224, 224, 10, 0.14, 1, 0)
	sum := law.newSum(1)
	var m mask
	const n = 20000
	for i := range n {
		law.draw(maskID{0, uint32(i)}, &m)
		sum.add(&m, []float64{1})
	}
	// A pixel's standard error is at most sqrt(.14 .86 / 20000) = 0.0025.
	for x, v := range sum.column(0) {
		if !(math.Abs(v/n-0.14) <= 5*0.0025) {
			t.Fatalf("mean mask is %g at pixel %d, want 0.14", v/n, x)
		}
	}
}

// toy is a network of three classes over a 24x24 picture: a class likes its own square.
func toy(masks []float32, classes []int, dst []float64) {
	const side = 24
	var logits [3]float32
	for i := range len(masks) / (side * side) {
		m := masks[i*side*side:][:side*side]
		for c, corner := range [3][2]int{{2, 2}, {2, 14}, {14, 8}} {
			var z float32
			for y := range 8 {
				for x := range 8 {
					z += m[(corner[0]+y)*side+corner[1]+x]
				}
			}
			logits[c] = z / 8
		}
		softmaxOf(logits[:], classes, dst[i*len(classes):][:len(classes)])
	}
}

var toyShape = nn.Shape{C: 3, H: 24, W: 24}

// toyRequests ask for the classes, a pair of them, and a contrast.
func toyRequests(stages ...Stage) []Request {
	var reqs []Request
	for _, s := range stages {
		reqs = append(reqs, Request{Stage: s, Targets: []Target{{[]int{0}}, {[]int{1}}, {[]int{2}}, {[]int{1, 2}}},
			Contrasts: []Contrast{{0, 3}}})
	}
	return reqs
}

func qualities() []Quality { return []Quality{Plain, Debiased, Fast} }

// toyInput has a model for its kernels only.
func toyInput(t testing.TB, seed uint64) *Input {
	t.Helper()
	g := nn.NewGraph(nn.Shape{C: 1, H: 1, W: 1})
	g.Linear("fc", g.Input(), []float32{1}, []float32{0}, 1)
	m, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return &Input{Model: m, Seed: seed}
}

func TestRISEFindsWhatTheToyLooksAt(t *testing.T) {
	for _, q := range qualities() {
		r := &RISE{Quality: q, pool: 5000, Cluster: RISEStage{Masks: 2000, Cells: 6, Keep: 0.4}}
		results, err := r.explain(context.Background(), toyInput(t, 1), toyShape, toyRequests(ClusterStage), toy)
		if err != nil {
			t.Fatal(err)
		}
		for c, at := range []int{6*24 + 6, 6*24 + 18, 18*24 + 12} {
			m := results[0].Maps[c].Data
			if slices.Min(m) != 0 || slices.Max(m) != 1 {
				t.Errorf("%s: map %d ranges from %g to %g, want 0 to 1", q, c, slices.Min(m), slices.Max(m))
			}
			if m[at] < 0.8 {
				t.Errorf("%s: map %d is %g in the middle of its square, want at least 0.8", q, c, m[at])
			}
			n := results[0].Noise[c]
			if n.Masks != 2000 || n.Fidelity < 0.9 || n.FidelityLow > n.Fidelity || n.Tail > 0.1 {
				t.Errorf("%s: map %d: noise %+v", q, c, n)
			}
		}
	}
}

// The predicted error and fidelity against those of 24 repetitions.
func TestRISENoiseIsWhatRepetitionsShow(t *testing.T) {
	for _, q := range qualities() {
		const n = 24
		var maps [n][]Map
		var predicted []Noise
		for i := range n {
			r := &RISE{Quality: q, pool: 5000, Cluster: RISEStage{Masks: 300, Cells: 6, Keep: 0.4}, Raw: true}
			results, err := r.explain(context.Background(), toyInput(t, uint64(100+i)), toyShape, toyRequests(ClusterStage), toy)
			if err != nil {
				t.Fatal(err)
			}
			maps[i] = results[0].Maps
			for _, m := range maps[i] { // the constant part tells nothing
				mean := 0.0
				for _, v := range m.Data {
					mean += float64(v) / float64(len(m.Data))
				}
				for x := range m.Data {
					m.Data[x] -= float32(mean)
				}
			}
			predicted = results[0].Noise
		}
		for target := range predicted {
			variance := 0.0
			pixels := 24 * 24
			for x := range pixels {
				mean, square := 0.0, 0.0
				for i := range n {
					v := float64(maps[i][target].Data[x])
					mean += v / n
					square += v * v / n
				}
				variance += (square - mean*mean) * n / (n - 1)
			}
			measured := math.Sqrt(variance / float64(pixels))
			ratio := predicted[target].StdErr / measured
			t.Logf("%s: target %d: standard error predicted %.4g, measured %.4g, fidelity %.3f", q, target,
				predicted[target].StdErr, measured, predicted[target].Fidelity)
			if ratio < 0.6 || ratio > 1.4 {
				t.Errorf("%s: target %d: predicted standard error is %.2f times the measured one", q, target, ratio)
			}
		}
	}
}

func TestRISEIsTheSameForAnyBatch(t *testing.T) {
	for _, q := range qualities() {
		var first []Result
		for _, batch := range []int{1, 7, 64} {
			in := toyInput(t, 3)
			in.Threads = batch
			r := &RISE{Quality: q, pool: 5000, Batch: batch, Cluster: RISEStage{Masks: 500, Cells: 6, Keep: 0.4}}
			results, err := r.explain(context.Background(), in, toyShape, toyRequests(ClusterStage), toy)
			if err != nil {
				t.Fatal(err)
			}
			if first == nil {
				first = results
			}
			for c := range results[0].Maps {
				if !slices.Equal(results[0].Maps[c].Data, first[0].Maps[c].Data) {
					t.Errorf("%s: map %d differs between batches of 1 and %d", q, c, batch)
				}
			}
		}
	}
}

func TestRISEStagesShareMasksOfEqualSettings(t *testing.T) {
	masks := 0
	count := func(m []float32, classes []int, dst []float64) {
		masks += len(m) / (24 * 24)
		toy(m, classes, dst)
	}
	same := RISEStage{Masks: 100, Cells: 6, Keep: 0.4}
	r := &RISE{Cluster: same, Class: same}
	results, err := r.explain(context.Background(), toyInput(t, 0), toyShape, toyRequests(ClusterStage, ClassStage), count)
	if err != nil {
		t.Fatal(err)
	}
	if masks != 100 || !slices.Equal(results[0].Maps[0].Data, results[1].Maps[0].Data) {
		t.Errorf("%d masks for two stages of equal settings, want 100 and equal maps", masks)
	}
	masks, r.Class.Cells = 0, 5
	if _, err := r.explain(context.Background(), toyInput(t, 0), toyShape, toyRequests(ClusterStage, ClassStage), count); err != nil {
		t.Fatal(err)
	}
	if masks != 200 {
		t.Errorf("%d masks for two stages of different settings, want 200", masks)
	}
}

func TestRISEStopsWhenSettled(t *testing.T) {
	for _, q := range qualities() {
		r := &RISE{Quality: q, pool: 5000, Tolerance: 0.1, Cluster: RISEStage{Cells: 6, Keep: 0.4}}
		results, err := r.explain(context.Background(), toyInput(t, 0), toyShape, toyRequests(ClusterStage), toy)
		if err != nil {
			t.Fatal(err)
		}
		if n := results[0].Noise[0]; n.Masks != stopFrom || !n.Resolved {
			t.Errorf("%s: stopped after %d masks, resolved %v, want %d and true", q, n.Masks, n.Resolved, stopFrom)
		}
	}
}

func TestRISEDegenerate(t *testing.T) {
	constant := func(_ []float32, _ []int, dst []float64) {
		for i := range dst {
			dst[i] = 0.25
		}
	}
	for _, q := range qualities() {
		for _, stage := range []RISEStage{{20, 1, 1}, {1, 24, 0.5}, {20, 6, 1}} {
			r := &RISE{Quality: q, pool: 5000, Cluster: stage}
			results, err := r.explain(context.Background(), toyInput(t, 0), toyShape, toyRequests(ClusterStage), constant)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range results[0].Maps {
				for _, v := range m.Data {
					if !(v >= 0 && v <= 1) {
						t.Fatalf("%s %+v: a map has the value %g", q, stage, v)
					}
				}
			}
			for _, n := range slices.Concat(results[0].Noise, results[0].ContrastNoise) {
				if math.IsNaN(n.Fidelity) || math.IsNaN(n.StdErr) || math.IsNaN(n.Tail) {
					t.Errorf("%s %+v: noise %+v", q, stage, n)
				}
			}
		}
	}
}

func TestRISECancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	calls := 0
	slow := func(m []float32, classes []int, dst []float64) {
		if calls++; calls == 3 {
			cancel()
		}
		toy(m, classes, dst)
	}
	_, err := (&RISE{}).explain(ctx, toyInput(t, 0), toyShape, toyRequests(ClusterStage), slow)
	if !errors.Is(err, context.Canceled) || calls != 3 {
		t.Errorf("after %d calls: %v, want it cancelled at once", calls, err)
	}
}

func TestRISESettingsOutOfRange(t *testing.T) {
	for _, r := range []*RISE{
		{Quality: "best"}, {Tolerance: 1}, {Tolerance: math.NaN()}, {Batch: -1},
		{Cluster: RISEStage{Masks: -1}}, {Cluster: RISEStage{Masks: 1 << 21}}, {Cluster: RISEStage{Cells: 25}},
		{Cluster: RISEStage{Keep: 1.1}}, {Cluster: RISEStage{Keep: math.NaN()}}, {Cluster: RISEStage{Masks: 1 << 20, Cells: 2}},
	} {
		err := r.check(toyShape, toyRequests(ClusterStage))
		if r.Cluster.Masks == 1<<20 { // 1 Mi masks are fine, but not for 16 classes
			var req Request
			for c := range 16 {
				req.Targets = append(req.Targets, Target{[]int{c}})
			}
			_, err = r.explain(context.Background(), toyInput(t, 0), toyShape, []Request{req}, toy)
		}
		if err == nil {
			t.Errorf("%+v: no error", r)
		} else {
			t.Log(err)
		}
	}
}

// The mean of many fast maps against a plain map of many masks: the fast estimator has
// the plain map's expectation.
func TestRISEFastIsUnbiased(t *testing.T) {
	stage := RISEStage{Masks: 200000, Cells: 6, Keep: 0.3}
	in := toyInput(t, 77)
	plain, err := (&RISE{Cluster: stage, Raw: true, Batch: 64}).explain(context.Background(), in, toyShape, toyRequests(ClusterStage), toy)
	if err != nil {
		t.Fatal(err)
	}
	const n = 12
	stage.Masks = 600
	var mean [4][]float64
	for i := range n {
		in.Seed = uint64(i)
		r := &RISE{Quality: Fast, pool: 5000, Cluster: stage, Raw: true}
		results, err := r.explain(context.Background(), in, toyShape, toyRequests(ClusterStage), toy)
		if err != nil {
			t.Fatal(err)
		}
		for target, m := range results[0].Maps {
			if mean[target] == nil {
				mean[target] = make([]float64, len(m.Data))
			}
			for x, v := range m.Data {
				mean[target][x] += float64(v) / n
			}
		}
	}
	for target, want := range plain[0].Maps {
		sum, square, lo, hi := 0.0, 0.0, math.Inf(1), math.Inf(-1)
		for x, v := range want.Data {
			d := mean[target][x] - float64(v)
			sum += d
			square += d * d
			lo, hi = min(lo, float64(v)), max(hi, float64(v))
		}
		pixels := float64(len(want.Data))
		bias := sum / pixels
		rms := math.Sqrt(square/pixels - bias*bias)
		t.Logf("target %d: mean of the difference %.4f, root mean square around it %.4f of the map's range", target, bias/(hi-lo), rms/(hi-lo))
		// Noise alone is 0.004. What is left is a bias of order 1 over the masks.
		if math.Abs(bias) > 0.01*(hi-lo) || rms > 0.008*(hi-lo) {
			t.Errorf("target %d: fast maps are off by %.4f, and %.4f around it, of the map's range %.3f", target, bias/(hi-lo), rms/(hi-lo), hi-lo)
		}
	}
}
