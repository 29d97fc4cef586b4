package faithfulness

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cwox/cwox/saliency"
)

// blocks is a made-up network for inputs [2][4][6]: three classes, whose logits are sums of
// the input over thirds of the picture.
func blocks(x []float32) []float64 {
	const plane, channels = 24, 2
	var out []float64
	for input := range slices.Chunk(x, channels*plane) {
		var z [3]float64
		for i, v := range input {
			z[i%plane/8] += float64(v)
		}
		total := 0.0
		for _, v := range z {
			total += math.Exp(v)
		}
		for _, v := range z {
			out = append(out, math.Exp(v)/total)
		}
	}
	return out
}

func random(seed uint64, n int) []float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	out := make([]float64, n)
	for i := range out {
		out[i] = r.Float64() - 0.3
	}
	return out
}

func picture() []float32 {
	x := make([]float32, 48)
	for i, v := range random(7, 48) {
		x[i] = float32(v)
	}
	return x
}

// byHand evaluates a definition one pixel set at a time, from the text of the definition.
func byHand(x []float32, q Query, d Definition, step int) (n int, cauc, cdrop float64) {
	h := q.Heatmap.Data
	size := len(h)
	top := slices.Max(h)
	for _, v := range h {
		if d == Paper && v >= 0.5*top || d == Reference && max(v, 0)/top > 0.5 {
			n++
		}
	}
	order := orderOf(h)
	s := func(erased int) float64 {
		y := slices.Clone(x)
		for _, p := range order[:erased] {
			y[p], y[size+p] = 0, 0
		}
		p := blocks(y)
		pos, neg := 0.0, 0.0
		for _, c := range q.Pos {
			pos += p[c]
		}
		for _, c := range q.Neg {
			neg += p[c]
		}
		return pos * (1 - neg)
	}
	tau := 0.05 * float64(size)
	penalty := math.Log2(1 + max(float64(n), tau)/tau)
	if d == Paper {
		for r := 1; r <= n; r++ {
			cauc += s(r-1) / float64(size)
		}
		return n, cauc, (s(0) - s(n)) / penalty
	}
	m := (n + step - 1) / step
	for i := range m {
		cauc += s(i * step)
	}
	cauc = (cauc - (s(0)+s((m-1)*step))/2) / float64((size+step-1)/step+1)
	end := s((m - 1) * step)
	if m >= 3 {
		end = (end + s((m-2)*step) + s((m-3)*step)) / 3
	}
	return n, cauc, (s(0) - end) / penalty
}

// TestScore compares with the definitions, for many heatmaps at once, any batch.
func TestScore(t *testing.T) {
	x := picture()
	var queries []Query
	for seed := range uint64(12) {
		queries = append(queries, Query{Heatmap: Heatmap{4, 6, random(seed, 24)}, Pos: []int{int(seed) % 3}, Neg: []int{int(seed+1) % 3}})
	}
	queries[3].Neg = nil
	queries[4].Neg = []int{2, 0}
	for _, tt := range []struct {
		o    Options
		step int
	}{
		{Options{}, 1}, {Options{Batch: 1}, 1}, {Options{Batch: 1000, AUCSteps: -1}, 1},
		{Options{Definition: Reference, Step: 2}, 2}, {Options{Definition: Reference, Step: 3, Batch: 5}, 3},
	} {
		last := 0
		tt.o.Progress = func(done, total int) {
			if done <= last || done > total {
				t.Errorf("progress %d of %d after %d", done, total, last)
			}
			last = done
		}
		results, err := Score(t.Context(), blocks, x, queries, tt.o)
		if err != nil {
			t.Fatal(err)
		}
		d := tt.o.Definition
		if d == "" {
			d = Paper
		}
		for i, r := range results {
			n, cauc, cdrop := byHand(x, queries[i], d, tt.step)
			if r.Status != OK || r.NDelta != n || r.Count != n {
				t.Fatalf("%+v: heatmap %d: %s, n_delta %d, covers %d, want %d", tt.o, i, r.Status, r.NDelta, r.Count, n)
			}
			// Sums of at most 24 doubles below 1, in another order.
			near(t, "CAUC", r.CAUC, cauc, 1e-14)
			near(t, "CDROP", r.CDROP, cdrop, 1e-14)
			points := 25 // no more steps than pixels
			if tt.o.AUCSteps < 0 {
				points = 0
			}
			if math.IsNaN(r.DeletionAUC) != (points == 0) || len(r.Deletion.Pixels) != points || len(r.Insertion.Pixels) != points {
				t.Errorf("%+v: deletion AUC %g of %d points, insertion %d, want %d", tt.o, r.DeletionAUC, len(r.Deletion.Pixels), len(r.Insertion.Pixels), points)
			}
		}
	}
}

// TestPaperStep wants the points of a coarse curve on the fine one, the metrics close to its,
// and CDROP equal: both end after n_delta pixels.
func TestPaperStep(t *testing.T) {
	x := picture()
	q := []Query{{Heatmap: Heatmap{4, 6, random(3, 24)}, Pos: []int{0}, Neg: []int{1}}}
	fine, err := Score(t.Context(), blocks, x, q, Options{})
	if err != nil {
		t.Fatal(err)
	}
	coarse, err := Score(t.Context(), blocks, x, q, Options{Step: 4})
	if err != nil {
		t.Fatal(err)
	}
	f, c := fine[0], coarse[0]
	if len(c.Contrast.Pixels) >= len(f.Contrast.Pixels) || c.CDROP != f.CDROP || c.CAUC == f.CAUC || math.Abs(c.CAUC-f.CAUC) > 0.1*f.CAUC {
		t.Errorf("%d of %d points, CDROP %g of %g, CAUC %g of %g", len(c.Contrast.Pixels), len(f.Contrast.Pixels), c.CDROP, f.CDROP, c.CAUC, f.CAUC)
	}
	for i, n := range c.Contrast.Pixels {
		if c.Contrast.Score(i) != f.Contrast.At(n) {
			t.Errorf("after %d pixels %g, on the fine curve %g", n, c.Contrast.Score(i), f.Contrast.At(n))
		}
	}
}

// TestCount covers fewer and more pixels than are salient.
func TestCount(t *testing.T) {
	x := picture()
	h := Heatmap{4, 6, random(5, 24)}
	for _, d := range []Definition{Paper, Reference} {
		for _, count := range []int{4, 24} {
			rs, err := Score(t.Context(), blocks, x, []Query{{Heatmap: h, Pos: []int{0}, Neg: []int{1}, Count: count}}, Options{Definition: d, Step: 2})
			if err != nil {
				t.Fatal(err)
			}
			r := rs[0]
			if r.Count != count || r.NDelta == count || math.IsNaN(r.CAUC) || r.CAUC != r.Contrast.CAUC(d, count, 2) {
				t.Errorf("%s, %d pixels: covers %d, n_delta %d, CAUC %g", d, count, r.Count, r.NDelta, r.CAUC)
			}
		}
	}
}

// TestExact wants the same CAUC over the exact part, and the same CDROP, from fewer points.
func TestExact(t *testing.T) {
	// A ramp: 60 of 120 pixels are salient.
	x := make([]float32, 240)
	h := Heatmap{10, 12, make([]float64, 120)}
	for i := range h.Data {
		x[i], x[120+i] = float32(i%7), float32(i%5)-1
		h.Data[i] = float64(i) + 0.5
	}
	mean := func(x []float32) []float64 {
		var p []float64
		for input := range slices.Chunk(x, 240) {
			sum := float32(0)
			for _, v := range input {
				sum += v
			}
			p = append(p, float64(sum)/1000, 0.5)
		}
		return p
	}
	for _, o := range []Options{{AUCSteps: -1}, {Definition: Reference, Step: 2, AUCSteps: -1}, {Step: 3, AUCSteps: -1}} {
		n, status, err := Salient(h, o)
		if err != nil || n != 60 || status != OK {
			t.Fatalf("%d salient, %s, %v", n, status, err)
		}
		q := Query{Heatmap: h, Pos: []int{0}, Neg: []int{1}}
		exact := q
		exact.Exact = 7
		rs, err := Score(t.Context(), mean, x, []Query{q, exact}, o)
		if err != nil {
			t.Fatal(err)
		}
		full, some := rs[0], rs[1]
		step := max(o.Step, 1)
		if a, b := full.Contrast.CAUC(o.Definition, 7, step), some.Contrast.CAUC(o.Definition, 7, step); a != b || math.IsNaN(a) {
			t.Errorf("%+v: CAUC of 7 pixels %g, of the whole curve %g", o, b, a)
		}
		if full.CDROP != some.CDROP {
			t.Errorf("%+v: CDROP %g, of the whole curve %g", o, some.CDROP, full.CDROP)
		}
		if n := len(some.Contrast.Pixels); o.Step == 0 && n >= len(full.Contrast.Pixels) || math.Abs(some.CAUC/full.CAUC-1) > 0.01 {
			t.Errorf("%+v: %d of %d points, CAUC %g of %g", o, n, len(full.Contrast.Pixels), some.CAUC, full.CAUC)
		}
	}
}

// TestSparse has the points that are left by hand: all up to exact, then every stride-th, and the
// last three.
func TestSparse(t *testing.T) {
	to := func(n int) (pixels []int) {
		for i := range n {
			pixels = append(pixels, i)
		}
		return pixels
	}
	hundred := []int{0, 1, 2, 3} // then every (100-3)/24 = 4th
	for n := 7; n < 99; n += 4 {
		hundred = append(hundred, n)
	}
	thousand := to(101) // then every (1000-100)/24 = 37th
	for n := 137; n < 989; n += 37 {
		thousand = append(thousand, n)
	}
	for _, tt := range []struct {
		pixels []int
		exact  int
		want   []int
	}{
		{to(100), 3, append(hundred, 97, 98, 99)},
		{to(1000), 100, append(thousand, 997, 998, 999)},
		{to(20), 5, to(20)},
		{to(50), 80, to(50)},
		{to(1), 1, to(1)},
	} {
		if got := sparse(tt.pixels, tt.exact); !slices.Equal(got, tt.want) {
			t.Errorf("of %d points, %d exact: %v are left, want %v", len(tt.pixels), tt.exact, got, tt.want)
		}
	}
}

// TestDefaults has the steps of the definitions: the authors' code erases 16 pixels at a time.
func TestDefaults(t *testing.T) {
	for _, tt := range []struct {
		o, want Options
	}{
		{Options{}, Options{Definition: Paper, Step: 1, Delta: 0.5, AUCSteps: 224, Batch: 8}},
		{Options{Definition: Reference}, Options{Definition: Reference, Step: 16, Delta: 0.5, AUCSteps: 224, Batch: 8}},
		{Options{Step: 3, Delta: 0.1, AUCSteps: -1, Batch: 2}, Options{Definition: Paper, Step: 3, Delta: 0.1, AUCSteps: -1, Batch: 2}},
	} {
		if got, err := tt.o.WithDefaults(); err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%+v, %v, want %+v", got, err, tt.want)
		}
	}
}

func TestCurve(t *testing.T) {
	// s falls from 0.8 by 0.1 a pixel.
	line := Curve{Size: 40, Pixels: []int{0, 2, 5, 6}, Pos: []float64{0.8, 0.6, 0.3, 0.2}, Neg: make([]float64, 4)}
	for _, tt := range []struct {
		name      string
		got, want float64
	}{
		{"At a point", line.At(2), 0.6},
		{"At between", line.At(4), 0.4},
		{"At outside", line.At(7), math.NaN()},
		{"paper, 1", line.CAUC(Paper, 1, 1), 0.8 / 40},
		{"paper, 4", line.CAUC(Paper, 4, 1), (0.8 + 0.7 + 0.6 + 0.5) / 40},
		{"paper, 7", line.CAUC(Paper, 7, 1), (0.8 + 0.7 + 0.6 + 0.5 + 0.4 + 0.3 + 0.2) / 40},
		{"paper, too far", line.CAUC(Paper, 8, 1), math.NaN()},
		{"reference, 5 by 2", line.CAUC(Reference, 5, 2), (0.8/2 + 0.6 + 0.4/2) / 21},
		{"reference, one step", line.CAUC(Reference, 2, 2), 0},
		{"reference, too far", line.CAUC(Reference, 9, 2), math.NaN()},
		{"none", line.CAUC(Paper, 0, 1), 0},
		{"drop, paper", line.CDROP(Paper, 2, 1), 0.2},
		{"drop, paper, 6: penalty log2(1+6/2)", line.CDROP(Paper, 6, 1), 0.3},
		{"drop, reference: mean of 0.6, 0.4, 0.2 after 8/2 steps", line.CDROP(Reference, 8, 2), (0.8 - 0.4) / math.Log2(5)},
		{"drop, none", line.CDROP(Paper, 0, 1), math.NaN()},
		{"AUC", Curve{Size: 4, Pixels: []int{0, 1, 4}, Pos: []float64{1, 0.5, 0}}.AUC(), (0.75 + 0.75) / 4},
	} {
		if !(math.Abs(tt.got-tt.want) < 1e-15) && !(math.IsNaN(tt.got) && math.IsNaN(tt.want)) {
			t.Errorf("%s: %g, want %g", tt.name, tt.got, tt.want)
		}
	}
	if thin := line.Thin(3); !slices.Equal(thin.Pixels, []int{0, 2, 6}) || thin.Size != 40 || thin.Score(2) != 0.2 {
		t.Errorf("thinned to %+v", thin)
	}
	if whole := line.Thin(4); len(whole.Pixels) != 4 {
		t.Errorf("thinned to %+v", whole)
	}
}

// TestOutputs: probabilities of several classes join as the network's output has it: they add up, or of
// multi-label classes their odds do (1 and 3 to 1: 4 to 5).
func TestOutputs(t *testing.T) {
	score := func(x []float32) []float64 {
		var out []float64
		for range len(x) / 4 {
			out = append(out, 0.5, 0.25, 0.75)
		}
		return out
	}
	heat := Heatmap{Height: 2, Width: 2, Data: []float64{1, 1, 0, 0}}
	for _, tt := range []struct {
		output   saliency.Output
		pos, neg float64
	}{{saliency.Softmax, 1.25, 0.25}, {saliency.Sigmoid, 0.8, 0.25}} {
		r, err := Score(t.Context(), score, make([]float32, 4), []Query{{Heatmap: heat, Pos: []int{0, 2}, Neg: []int{1}}}, Options{AUCSteps: -1, Output: tt.output})
		if err != nil {
			t.Fatal(err)
		}
		if c := r[0].Contrast; math.Abs(c.Pos[0]-tt.pos) > 1e-12 || c.Neg[0] != tt.neg {
			t.Errorf("%s: %g, %g, want %g, %g", tt.output, c.Pos[0], c.Neg[0], tt.pos, tt.neg)
		}
	}
}

// TestStatus wants no metric, above all no perfect one, for heatmaps without an order.
func TestStatus(t *testing.T) {
	heat := func(values ...float64) Heatmap {
		h := Heatmap{4, 6, make([]float64, 24)}
		copy(h.Data, values)
		return h
	}
	flat, negative := heat(), heat()
	for i := range flat.Data {
		flat.Data[i], negative.Data[i] = 0.7, -float64(i+1)
	}
	for _, tt := range []struct {
		name   string
		h      Heatmap
		d      Definition
		count  int
		status Status
		n      int
		cauc   bool // there is one
	}{
		{"zero", heat(), Paper, 0, Blank, 0, false},
		{"zero", heat(), Reference, 0, Blank, 0, false},
		{"negative", negative, Paper, 0, Blank, 0, false},
		{"negative", negative, Reference, 0, Blank, 0, false},
		{"flat", flat, Paper, 0, Flat, 24, true},
		{"flat", flat, Reference, 0, Flat, 0, false},
		{"NaN", heat(1, math.NaN()), Paper, 0, NotFinite, 0, false},
		{"NaN", heat(1, math.NaN()), Reference, 0, NotFinite, 0, false},
		{"infinite", heat(math.Inf(1), 1), Paper, 0, NotFinite, 0, false},
		{"one pixel", heat(1), Paper, 0, OK, 1, true},
		{"one pixel", heat(1), Reference, 0, TooFew, 1, false},
		{"one step", heat(1, 1), Reference, 0, TooFew, 2, false},
		{"more than a step", heat(1, 1, 1), Reference, 0, OK, 3, true},
		{"one step covered", heat(1), Reference, 2, TooFew, 1, false},
		{"more than a step covered", heat(1), Reference, 3, OK, 1, true},
	} {
		rs, err := Score(t.Context(), blocks, picture(), []Query{{Heatmap: tt.h, Pos: []int{0}, Neg: []int{1}, Count: tt.count}}, Options{Definition: tt.d, Step: 2})
		if err != nil {
			t.Fatal(err)
		}
		r := rs[0]
		if r.Status != tt.status || r.NDelta != tt.n || tt.cauc == math.IsNaN(r.CAUC) || tt.cauc == math.IsNaN(r.CDROP) {
			t.Errorf("%s, %s: %s, n_delta %d, CAUC %g, CDROP %g", tt.name, tt.d, r.Status, r.NDelta, r.CAUC, r.CDROP)
		}
		if (r.Status == NotFinite) != math.IsNaN(r.DeletionAUC) {
			t.Errorf("%s, %s: deletion AUC %g", tt.name, tt.d, r.DeletionAUC)
		}
	}
}

func TestScoreErrors(t *testing.T) {
	h := Heatmap{4, 6, random(1, 24)}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	undefined := func(x []float32) []float64 { return make([]float64, len(x)/48*3) }
	nan := func(x []float32) []float64 {
		p := undefined(x)
		p[0] = math.NaN()
		return p
	}
	for _, tt := range []struct {
		ctx   context.Context
		score Scorer
		q     Query
		o     Options
		want  string
	}{
		{ended, blocks, Query{Heatmap: h, Pos: []int{0}}, Options{}, "context canceled"},
		{nil, blocks, Query{Heatmap: h, Pos: []int{3}}, Options{}, "class 3: the network has classes 0 to 2"},
		{nil, blocks, Query{Heatmap: h, Pos: []int{0}, Neg: []int{-1}}, Options{}, "heatmap 1 of 1: class -1 is negative"},
		{nil, blocks, Query{Heatmap: h, Pos: []int{0, 0}}, Options{}, "class 0 is negative or given twice"},
		{nil, blocks, Query{Heatmap: h}, Options{}, "no class"},
		{nil, blocks, Query{Heatmap: Heatmap{5, 5, make([]float64, 25)}, Pos: []int{0}}, Options{}, "5 x 5 with 25 values does not fit an input of 48 values"},
		{nil, blocks, Query{Heatmap: Heatmap{4, 6, nil}, Pos: []int{0}}, Options{}, "4 x 6 with 0 values"},
		{nil, blocks, Query{Heatmap: h, Pos: []int{0}, Count: 25}, Options{}, "25 pixels to cover, 0 of them exactly: want 0 to 24"},
		{nil, nan, Query{Heatmap: h, Pos: []int{0}}, Options{}, "probability of the classes [0] is NaN"},
		{nil, blocks, Query{Heatmap: h, Pos: []int{0}}, Options{Definition: "mine"}, `unknown definition "mine"`},
		{nil, blocks, Query{Heatmap: h, Pos: []int{0}}, Options{Step: -1}, "step -1"},
		{nil, blocks, Query{Heatmap: h, Pos: []int{0}}, Options{Delta: 1.5}, "delta 1.5"},
		{nil, blocks, Query{Heatmap: h, Pos: []int{0}}, Options{Batch: -1}, "batch -1"},
	} {
		if tt.ctx == nil {
			tt.ctx = t.Context()
		}
		_, err := Score(tt.ctx, tt.score, picture(), []Query{tt.q}, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q in it", err, tt.want)
		}
		if tt.ctx == ended && !errors.Is(err, context.Canceled) {
			t.Errorf("%v is not the context's error", err)
		}
	}
}

func BenchmarkSweep(b *testing.B) {
	// What the package itself costs per evaluated input of 224 x 224: order, erasing.
	x := make([]float32, 3*224*224)
	q := []Query{{Heatmap: Heatmap{224, 224, random(1, 224*224)}, Pos: []int{0}}}
	uniform := func(x []float32) []float64 { return make([]float64, len(x)/(3*224*224)) }
	points := 0
	for b.Loop() {
		if _, err := Score(b.Context(), uniform, x, q, Options{Definition: Reference, Progress: func(done, total int) { points = total }}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*points), "us/input")
}
