package saliency

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cwox/nn"
	"cwox/nn/vision"
	"cwox/weights"
)

// TestRidgeGolden compares with the solutions that scikit-learn agrees to.
func TestRidgeGolden(t *testing.T) {
	g := openLIMEGolden(t)
	on := make([]bool, g.m)
	for i, want := range wide(t, g.file, "ridge/weight") {
		g.draw(i, on)
		if w := limeWeight(on); !(math.Abs(w-want) <= 1e-12*want) {
			t.Fatalf("row %d: weight %.17g, want %.17g", i, w, want)
		}
	}
	for _, n := range []int{500, 300, 100} {
		f, err := fitLinear(context.Background(), n, g.m, g.draw, g.y[:n*g.columns])
		if err != nil {
			t.Fatal(err)
		}
		coef, intercept := wide(t, g.file, fmt.Sprintf("ridge/n%d/coef", n)), wide(t, g.file, fmt.Sprintf("ridge/n%d/intercept", n))
		worst := 0.0
		for c := range g.columns {
			worst = max(worst, math.Abs(f.intercept[c]-intercept[c]))
			for j, b := range f.coef[c] {
				worst = max(worst, math.Abs(b-coef[c*g.m+j]))
			}
		}
		t.Logf("%d rows: largest difference %.2g", n, worst)
		if worst > 1e-9 { // golden/README.md section 9
			t.Errorf("%d rows: off by %.3g, want at most 1e-9", n, worst)
		}
	}
}

// TestLIMEGolden runs the stored samples through the network.
func TestLIMEGolden(t *testing.T) {
	g := openLIMEGolden(t)
	in := input(t, "googlenet-caffe", "cello_guitar.jpg", nil)
	seg := cutQuickshift(t, newLabImage(in.Picture), 5, wide(t, g.file, "quickshift/noise"), 0)
	if seg.count != g.m {
		t.Fatalf("%d superpixels, want %d", seg.count, g.m)
	}
	session, err := in.Model.NewSession(nn.SessionOptions{Batch: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	const n = 100 // rows
	classes := []int{486, 402, 546, 889, 420}
	clusters := []Target{{[]int{486, 889}}, {[]int{402, 546}}, {[]int{420}}}
	index := map[int]int{486: 0, 402: 1, 546: 2, 889: 3, 420: 4}
	probs := newBlackener(session, in, 8).probabilities
	on, p := make([]bool, 8*g.m), make([]float64, n*len(classes))
	for at := 0; at < n; at += 8 {
		some := min(8, n-at)
		for i := range some {
			g.draw(at+i, on[i*g.m:][:g.m])
		}
		probs(seg, on[:some*g.m], classes, p[at*len(classes):][:some*len(classes)])
	}
	worst := 0.0
	for i := range n {
		for c := range g.columns {
			y := p[i*len(classes)+min(c, len(classes)-1)]
			if c >= len(classes) {
				y = 0
				for _, class := range clusters[c-len(classes)].Classes {
					y += p[i*len(classes)+index[class]]
				}
			}
			worst = max(worst, math.Abs(y-g.y[i*g.columns+c]))
		}
	}
	t.Logf("probabilities: largest difference %.2g", worst)
	if worst > 1e-5 { // golden/README.md section 9
		t.Errorf("probabilities: off by %.3g, want at most 1e-5", worst)
	}

	// Maps: from own probabilities of 100 rows against the stored coefficients of 100 rows
	// (tolerance 1e-3, same section), from the stored ones of 500 rows against stored maps.
	own, err := fitLinear(context.Background(), n, g.m, g.draw, p)
	if err != nil {
		t.Fatal(err)
	}
	stored, err := fitLinear(context.Background(), 500, g.m, g.draw, g.y)
	if err != nil {
		t.Fatal(err)
	}
	coef := wide(t, g.file, "ridge/n100/coef")
	targets := append([]Target{{[]int{486}}, {[]int{402}}, {[]int{546}}, {[]int{889}}, {[]int{420}}}, clusters...)
	for c, target := range targets {
		d := mapDifference(painted(seg, own.of(target, index)), painted(seg, coef[c*g.m:][:g.m]).Data)
		t.Logf("map of %v from own probabilities: largest difference %.2g", target.Classes, d)
		if d > 1e-3 {
			t.Errorf("map of %v: off by %.3g, want at most 1e-3", target.Classes, d)
		}
	}
	for name, target := range map[string]Target{"lime/class/486": targets[0], "lime/cluster/0": clusters[0]} {
		want, _ := tensor(t, g.file, name)
		d := mapDifference(painted(seg, stored.of(target, index)), want)
		t.Logf("%s: largest difference %.2g", name, d)
		if d > 1e-6 { // float32
			t.Errorf("%s: off by %.3g, want at most 1e-6", name, d)
		}
	}
}

// limeGolden is the regression problem of golden/lime.safetensors.
type limeGolden struct {
	file       *weights.File
	z, y       []float64
	m, columns int
}

func openLIMEGolden(t *testing.T) *limeGolden {
	t.Helper()
	f := openTensors(t, "lime.safetensors")
	g := &limeGolden{file: f, z: wide(t, f, "ridge/Z"), y: wide(t, f, "ridge/y")}
	g.m, g.columns = len(g.z)/500, len(g.y)/500
	return g
}

func (g *limeGolden) draw(row int, on []bool) {
	for j := range on {
		on[j] = g.z[row*g.m+j] != 0
	}
}

// painted is the map of coefficients with the maximum 1.
func painted(s *segmentation, coef []float64) Map { return s.paint(coef, 1/slices.Max(coef)) }

func mapDifference(m Map, want []float32) float64 {
	d := 0.0
	for i, v := range want {
		d = max(d, math.Abs(float64(m.Data[i])-float64(v)))
	}
	return d
}

// TestRidge compares with the normal equations by Gauss elimination, for shapes and columns
// that a factorisation in blocks might get wrong.
func TestRidge(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, size := range [][3]int{{1, 1, 1}, {2, 1, 3}, {5, 9, 2}, {300, 70, 3}, {129, 130, 1}} {
		n, m, q := size[0], size[1], size[2]
		z := make([]bool, n*m)
		for i := range z {
			z[i] = i < m || rng.IntN(2) == 0
		}
		y := make([]float64, n*q)
		for i := range y {
			y[i] = rng.Float64()
		}
		draw := func(row int, on []bool) { copy(on, z[row*m:]) }
		f, err := fitLinear(context.Background(), n, m, draw, y)
		if err != nil {
			t.Fatal(err)
		}
		for c := range q {
			// Unknowns: the coefficients and the intercept.
			a := make([][]float64, m+1)
			for j := range a {
				a[j] = make([]float64, m+2)
				if j < m {
					a[j][j] = 1
				}
			}
			for i := range n {
				row := make([]float64, m+1)
				for j := range m {
					if z[i*m+j] {
						row[j] = 1
					}
				}
				row[m] = 1
				w := limeWeight(z[i*m:][:m])
				for j, v := range row {
					for k, u := range row {
						a[j][k] += w * v * u
					}
					a[j][m+1] += w * v * y[i*q+c]
				}
			}
			want := eliminate(a)
			for j, b := range append(slices.Clone(f.coef[c]), f.intercept[c]) {
				if !(math.Abs(b-want[j]) <= 1e-10) {
					t.Errorf("%v, column %d, unknown %d: %.12g, want %.12g", size, c, j, b, want[j])
				}
			}
		}
	}
}

// eliminate solves the equations a [n][n+1].
func eliminate(a [][]float64) []float64 {
	n := len(a)
	for i := range n {
		p := i
		for r := i; r < n; r++ {
			if math.Abs(a[r][i]) > math.Abs(a[p][i]) {
				p = r
			}
		}
		a[i], a[p] = a[p], a[i]
		for r := range n {
			if f := a[r][i] / a[i][i]; r != i && f != 0 {
				for c := i; c <= n; c++ {
					a[r][c] -= f * a[i][c]
				}
			}
		}
	}
	x := make([]float64, n)
	for i := range n {
		x[i] = a[i][n] / a[i][i]
	}
	return x
}

// limeToy is a picture of 4 x 3 flat fields and a network whose class 0 looks at some of them.
type limeToy struct {
	in    *Input
	asked int
}

// toyFields are what fields add to the probability of class 0; class 1 looks at field 5 alone.
var toyFields = [12]float64{1: 0.2, 6: 0.1, 11: 0.05, 3: -0.1}

func newLIMEToy() *limeToy {
	pic := vision.New(40, 30)
	for i := range 1200 {
		f := i/40/10*4 + i%40/10
		copy(pic.Pix[3*i:], []uint8{uint8(f * 83), uint8(f * 59), uint8(f*31 + 40)})
	}
	return &limeToy{in: &Input{Picture: pic}}
}

// probs answers by which fields' middles stay.
func (n *limeToy) probs(s *segmentation, on []bool, classes []int, dst []float64) {
	for i := range len(on) / s.count {
		keep := func(f int) bool { return on[i*s.count+int(s.label[(f/4*10+5)*40+f%4*10+5])] }
		p := [2]float64{0.5, 0.1}
		for f, v := range toyFields {
			if keep(f) {
				p[0] += v
			}
		}
		if keep(5) {
			p[1] += 0.3
		}
		for c, class := range classes {
			dst[i*len(classes)+c] = p[class]
		}
		n.asked++
	}
}

func (n *limeToy) explain(t *testing.T, e *LIME, reqs ...Request) []Result {
	t.Helper()
	results, err := e.explain(context.Background(), n.in, reqs, n.probs)
	if err != nil {
		t.Fatal(err)
	}
	return results
}

func TestLIMEFindsWhatTheToyLooksAt(t *testing.T) {
	targets := []Target{{[]int{0}}, {[]int{1}}, {[]int{0, 1}}}
	for _, kind := range SuperpixelKinds() {
		e := &LIME{Superpixels: kind, Class: LIMEStage{Samples: 4000, Kernel: 3, Segments: 12}}
		r := newLIMEToy().explain(t, e, Request{Stage: ClassStage, Targets: targets})[0]
		for f := range 12 {
			at := (f/4*10+5)*40 + f%4*10 + 5
			own, other := max(0, toyFields[f]), 0.0
			if f == 5 {
				other = 0.3
			}
			// The penalty shrinks coefficients by 1/(0.25 sum of w) = 0.2 %, of which there is
			// no noise in a linear model.
			for i, want := range []float64{own / 0.2, other / 0.3, (own + other) / 0.3} {
				if d := math.Abs(float64(r.Maps[i].Data[at]) - want); d > 0.01 {
					t.Errorf("%s: map %d at field %d: %g, want %g", kind, i, f, r.Maps[i].Data[at], want)
				}
			}
		}
	}
}

func TestLIMEStagesShareWhatAgrees(t *testing.T) {
	a := Request{Stage: ClusterStage, Targets: []Target{{[]int{0, 1}}}}
	b := Request{Stage: ClassStage, Targets: []Target{{[]int{0}}, {[]int{1}}}}
	for _, tt := range []struct {
		e     LIME
		asked int
	}{
		{LIME{Cluster: LIMEStage{Samples: 50}, Class: LIMEStage{Samples: 50}}, 50},
		{LIME{Cluster: LIMEStage{Samples: 50}, Class: LIMEStage{Samples: 80}}, 80},
		{LIME{Cluster: LIMEStage{Samples: 50, Kernel: 3}, Class: LIMEStage{Samples: 80}}, 130},
		{LIME{Superpixels: SLIC, Cluster: LIMEStage{Samples: 50, Kernel: 3}, Class: LIMEStage{Samples: 80}}, 80},
		{LIME{Superpixels: SLIC, Cluster: LIMEStage{Samples: 50, Segments: 9}, Class: LIMEStage{Samples: 80}}, 130},
	} {
		toy := newLIMEToy()
		both := toy.explain(t, &tt.e, a, b)
		if toy.asked != tt.asked {
			t.Errorf("%+v: %d pictures went through the network, want %d", tt.e, toy.asked, tt.asked)
		}
		alone := slices.Concat(newLIMEToy().explain(t, &tt.e, a), newLIMEToy().explain(t, &tt.e, b))
		for i := range both {
			for k := range both[i].Maps {
				if !slices.Equal(both[i].Maps[k].Data, alone[i].Maps[k].Data) {
					t.Errorf("%+v: map %d of request %d is another one than that of the request alone", tt.e, k, i)
				}
			}
		}
	}
}

func TestLIMEIsTheSameForAnyBatchAndThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	req := Request{Stage: ClassStage, Targets: []Target{{[]int{0}}, {[]int{1}}}}
	var first []float32
	for _, tt := range [][2]int{{1, 1}, {7, 2}, {64, 4}} {
		runtime.GOMAXPROCS(tt[1])
		toy := newLIMEToy()
		toy.in.Threads = tt[1]
		// A small kernel: many superpixels, so that matrix products are cut into blocks.
		r := toy.explain(t, &LIME{Batch: tt[0], Superpixels: SLIC, Class: LIMEStage{Samples: 300, Segments: 150}}, req)
		data := slices.Concat(r[0].Maps[0].Data, r[0].Maps[1].Data)
		if first == nil {
			first = data
		} else if !slices.Equal(first, data) {
			t.Errorf("batch %d, %d threads: other bytes", tt[0], tt[1])
		}
	}
	toy := newLIMEToy()
	toy.in.Seed = 1
	r := toy.explain(t, &LIME{Superpixels: SLIC, Class: LIMEStage{Samples: 300, Segments: 150}}, req)
	if slices.Equal(first, slices.Concat(r[0].Maps[0].Data, r[0].Maps[1].Data)) {
		t.Error("the seed does not change the map")
	}
}

// TestRidgeIsTheSameForAnyThreads fits enough superpixels for matrix products to be shared out
// among goroutines.
func TestRidgeIsTheSameForAnyThreads(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	const n, m, q = 300, 350, 70
	s := &samples{seg: &segmentation{count: m}, classes: make([]int, q), p: make([]float64, n*q)}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range s.p {
		s.p[i] = rng.Float64()
	}
	var first *linearFit
	for _, threads := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(threads)
		f, err := s.fit(context.Background(), n)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = f
		}
		for c := range q {
			if !slices.Equal(f.coef[c], first.coef[c]) || f.intercept[c] != first.intercept[c] {
				t.Fatalf("%d threads: other bytes in column %d", threads, c)
			}
		}
	}
}

func TestLIMEDegenerate(t *testing.T) {
	req := Request{Stage: ClassStage, Targets: []Target{{[]int{0}}}}
	for _, tt := range []struct {
		name string
		p    float64
		e    LIME
		nan  bool
	}{
		{"never probable", 0, LIME{}, false},
		{"always the same", 0.5, LIME{}, false},
		{"not a number", math.NaN(), LIME{}, true},
		{"one sample", 0.5, LIME{Class: LIMEStage{Samples: 1}}, false},
		{"one superpixel", 0.5, LIME{Superpixels: SLIC, Class: LIMEStage{Segments: 1}}, false},
	} {
		toy := newLIMEToy()
		r, err := tt.e.explain(context.Background(), toy.in, []Request{req}, func(s *segmentation, on []bool, classes []int, dst []float64) {
			for i := range dst {
				dst[i] = tt.p
			}
		})
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		for _, v := range r[0].Maps[0].Data {
			if math.IsNaN(float64(v)) != tt.nan || !tt.nan && v > 1 {
				t.Fatalf("%s: value %g", tt.name, v)
			}
		}
	}
}

// TestLIMENoiseIsWhatRepetitionsShow compares the predicted variance with that of repetitions,
// for an answer that a linear model cannot fit.
func TestLIMENoiseIsWhatRepetitionsShow(t *testing.T) {
	toy := newLIMEToy()
	seg, err := slic(context.Background(), newLabImage(toy.in.Picture), 12)
	if err != nil {
		t.Fatal(err)
	}
	area := seg.areas()
	for _, n := range []int{40, 300} {
		const repetitions = 200
		factors := [][]float64{{1, 0}, {0, 1}, {1, -1}}
		predicted := make([]float64, len(factors))
		mean := make([][]float64, len(factors)) // of the maps
		square := make([]float64, len(factors)) // of the maps' squares, summed over the pixels
		for k := range mean {
			mean[k] = make([]float64, seg.count)
		}
		for r := range repetitions {
			s := &samples{seg: seg, seed: uint64(r), classes: []int{0, 1}, p: make([]float64, 2*n)}
			on := make([]bool, seg.count)
			for i := range n {
				s.draw(i, on)
				on := func(j int) float64 {
					if on[j] {
						return 1
					}
					return 0
				}
				s.p[2*i] = on(0)*on(1) + 0.5*on(2)*(1-on(3))
				s.p[2*i+1] = on(0)*on(1)*on(4) + 0.2*on(7)
			}
			f, err := s.fit(context.Background(), n)
			if err != nil {
				t.Fatal(err)
			}
			variance, _, err := f.variance(context.Background(), factors, area)
			if err != nil {
				t.Fatal(err)
			}
			for k, of := range factors {
				predicted[k] += variance[k] / repetitions
				for j := range mean[k] {
					v := of[0]*f.coef[0][j] + of[1]*f.coef[1][j]
					mean[k][j] += v / repetitions
					square[k] += area[j] * v * v / repetitions
				}
			}
		}
		for k := range factors {
			measured := square[k]
			for j, v := range mean[k] {
				measured -= area[j] * v * v
			}
			measured *= repetitions / (repetitions - 1.)
			// 200 repetitions: the measured variance is good to some percent.
			t.Logf("%d samples, combination %d: predicted %.3g, measured %.3g", n, k, predicted[k], measured)
			if ratio := predicted[k] / measured; ratio < 0.8 || ratio > 1.2 {
				t.Errorf("%d samples, combination %d: predicted variance %.3g, measured %.3g", n, k, predicted[k], measured)
			}
		}
	}
}

func TestLIMESaysWhatIsSettled(t *testing.T) {
	req := Request{Stage: ClassStage, Targets: []Target{{[]int{0}}, {[]int{1}}}, Contrasts: []Contrast{{0, 1}}}
	for _, tt := range []struct {
		samples int
		settled bool
	}{{4, false}, {2000, true}} {
		r := newLIMEToy().explain(t, &LIME{Superpixels: SLIC, Class: LIMEStage{Samples: tt.samples, Segments: 12}}, req)[0]
		if len(r.Noise) != 2 || len(r.ContrastNoise) != 1 {
			t.Fatalf("noise of %d maps and %d contrasts, want 2 and 1", len(r.Noise), len(r.ContrastNoise))
		}
		for _, n := range slices.Concat(r.Noise, r.ContrastNoise) {
			if n.Masks != tt.samples || n.Resolved != tt.settled {
				t.Errorf("%d samples: %+v", tt.samples, n)
			}
		}
	}
}

func TestLIMECancel(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	toy := newLIMEToy()
	toy.in.Progress = func(done, total int) {
		if done >= 40 {
			cancel()
		}
	}
	_, err := new(LIME).explain(ctx, toy.in, []Request{{Stage: ClassStage, Targets: []Target{{[]int{0}}}}}, toy.probs)
	if !errors.Is(err, context.Canceled) || toy.asked > 48 {
		t.Errorf("%v after %d pictures", err, toy.asked)
	}
}

func TestLIMESettingsOutOfRange(t *testing.T) {
	req := []Request{{Stage: ClassStage, Targets: []Target{{[]int{0}}}}}
	for _, tt := range []struct {
		e    LIME
		reqs []Request
		want string
	}{
		{LIME{Superpixels: "felzenszwalb"}, req, `unknown superpixels "felzenszwalb" (known: quickshift, slic)`},
		{LIME{Batch: -1}, req, "batch -1: want 1 to 1024"},
		{LIME{Class: LIMEStage{Samples: -3}}, req, "class stage: -3 samples"},
		{LIME{Class: LIMEStage{Samples: 1 << 21}}, req, "2097152 samples: want 1 to 1048576"},
		{LIME{Class: LIMEStage{Kernel: 0.1}}, req, "kernel size 0.1: want 0.5 to 20"},
		{LIME{Class: LIMEStage{Kernel: math.NaN()}}, req, "kernel size NaN"},
		{LIME{Class: LIMEStage{Segments: 5000}}, req, "5000 segments: want 1 to 2048"},
		{LIME{}, nil, "nothing is asked for"},
	} {
		if err := tt.e.check(tt.reqs); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q in it", tt.e, err, tt.want)
		}
	}
	// More superpixels than can be explained.
	toy := newLIMEToy()
	toy.in.Picture = noisyPicture(rand.New(rand.NewPCG(1, 1)), 150, 150)
	_, err := (&LIME{Class: LIMEStage{Kernel: 0.5}}).explain(context.Background(), toy.in, req, toy.probs)
	if err == nil || !strings.Contains(err.Error(), "kernel size 0.5 cuts the picture into") {
		t.Errorf("too many superpixels: %v", err)
	}
}

// BenchmarkLIMEFit is what LIME costs beside the network: one fit of ten classes with its
// error bars.
func BenchmarkLIMEFit(b *testing.B) {
	for _, m := range []int{200, 400} {
		b.Run(fmt.Sprintf("superpixels%d", m), func(b *testing.B) {
			const n, q = 2000, 10
			s := &samples{seg: &segmentation{count: m}, classes: make([]int, q), p: make([]float64, n*q)}
			rng := rand.New(rand.NewPCG(1, 2))
			for i := range s.p {
				s.p[i] = rng.Float64()
			}
			factors := make([][]float64, 2*q)
			for k := range factors {
				factors[k] = make([]float64, q)
				factors[k][k%q] = 1
			}
			for b.Loop() {
				f, err := s.fit(context.Background(), n)
				if err != nil {
					b.Fatal(err)
				}
				if _, _, err := f.variance(context.Background(), factors, make([]float64, m)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
