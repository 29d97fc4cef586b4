package saliency

import (
	"math"
	"slices"
	"testing"
)

func TestFeaturesAreBlockMeans(t *testing.T) {
	for _, cells := range []int{1, 4, 15} {
		law := newMaskLaw(35, 30, cells, 0.3, 5, 0)
		f := newFeatures(law)
		got := make([]float32, f.size())
		pixels := make([]float32, 35*30)
		var m mask
		for i := range 20 {
			law.draw(maskID{1, uint32(i)}, &m)
			law.render(&m, pixels)
			f.of(&m, got)
			want, count := make([]float64, f.size()), make([]float64, f.size())
			for y := range 35 {
				for x := range 30 {
					b := y*f.side/35*f.side + x*f.side/30
					want[b] += float64(pixels[y*30+x])
					count[b]++
				}
			}
			for b := range want {
				if d := math.Abs(float64(got[b]) - (want[b]/count[b] - 0.3)); d > 1e-5 {
					t.Fatalf("%d cells: feature %d is %g, want %g", cells, b, got[b], want[b]/count[b]-0.3)
				}
			}
		}
	}
}

// Kernel ridge regression of a smooth function of the features: it must fit better than
// the mean, predict what its coefficients say, and leave skipped masks out.
func TestSurrogate(t *testing.T) {
	law := newMaskLaw(24, 24, 6, 0.4, 1, 0)
	f := newFeatures(law)
	const n, unseen = 300, 200
	x := make([]float32, (n+unseen)*f.size())
	y := make([]float64, n+unseen)
	var m mask
	for i := range y {
		law.draw(maskID{0, uint32(i)}, &m)
		row := x[i*f.size():][:f.size()]
		f.of(&m, row)
		for b, v := range row {
			y[i] += float64(v) * math.Sin(float64(b)/9)
		}
	}
	model := toyInput(t, 0).Model
	metric := f.metric(x[:n*f.size()], y[:n], n, 1, f.variances(9, 500))
	reg := newRegression(model, slices.Clone(x[:n*f.size()]), n, metric, newWorkspace(n))
	a := make([]float32, n)
	level := reg.fit(y[:n], 1, func(i int) bool { return i%5 == 0 }, a, 1, 0)
	for i := 0; i < n; i += 5 {
		if a[i] != 0 {
			t.Fatalf("skipped mask %d has the coefficient %g", i, a[i])
		}
	}
	g := make([]float64, n+unseen)
	reg.surrogate(a, level).predict(x, n+unseen, g, &scratch{})
	var rest, all, mean float64
	for i := n; i < n+unseen; i++ {
		mean += y[i] / unseen
	}
	for i := n; i < n+unseen; i++ {
		rest += (y[i] - g[i]) * (y[i] - g[i])
		all += (y[i] - mean) * (y[i] - mean)
	}
	t.Logf("explains %.3f of the variance of unseen masks", 1-rest/all)
	if rest > 0.2*all {
		t.Errorf("explains %.3f of the variance of unseen masks, want at least 0.8", 1-rest/all)
	}
	// A training mask's residual is ridge times its coefficient.
	for i := 1; i < n; i += 7 {
		if i%5 != 0 && math.Abs(y[i]-g[i]-ridge*float64(a[i])) > 1e-4 {
			t.Errorf("mask %d: residual %g, want %g", i, y[i]-g[i], ridge*float64(a[i]))
		}
	}
}

// TestMetric: the features that the values depend on count most, all alike where there is
// nothing to go by, and two plain masks are at a mean squared distance of 1.
func TestMetric(t *testing.T) {
	law := newMaskLaw(40, 40, 8, 0.4, 1, 0)
	f := newFeatures(law)
	const n = 400
	x := make([]float32, n*f.size())
	spot, even := make([]float64, 2*n), slices.Repeat([]float64{3}, 2*n)
	inSpot := func(b int) bool { y, x := b/f.side, b%f.side; return 4 <= y && y < 7 && 12 <= x && x < 15 }
	var m mask
	for i := range n {
		law.draw(maskID{0, uint32(i)}, &m)
		f.of(&m, x[i*f.size():][:f.size()])
		for b, v := range x[i*f.size():][:f.size()] {
			if inSpot(b) {
				spot[2*i] += float64(v)
				spot[2*i+1] -= 100 * float64(v) // units do not matter
			}
		}
	}
	variances := f.variances(9, 1000)
	for name, y := range map[string][]float64{"spot": spot, "even": even} {
		metric := f.metric(x, y, n, 2, variances)
		distance, within, without, beside := 0.0, 0.0, 0.0, float64(metric[7*f.side+13])
		for i := 1; i < n; i++ {
			for b, w := range metric {
				d := float64(w) * float64(x[i*f.size()+b]-x[(i-1)*f.size()+b])
				distance += d * d / (n - 1)
			}
		}
		for b, w := range metric {
			if inSpot(b) {
				within += float64(w) / 9
			} else {
				without += float64(w) / float64(f.size()-9)
			}
		}
		t.Logf("%s: mean squared distance %.3f, weight %.4f in the spot, %.4f beside it, %.4f elsewhere", name, distance, within, beside, without)
		if !(math.Abs(distance-1) <= 0.1) {
			t.Errorf("%s: mean squared distance %.3f, want 1", name, distance)
		}
		if name == "spot" && (within < 10*without || beside < within/4) {
			t.Errorf("weight %.4f in the spot, %.4f beside it, %.4f elsewhere", within, beside, without)
		}
		if name == "even" && math.Abs(within/without-1) > 1e-6 {
			t.Errorf("weight %.4f at one place, %.4f elsewhere, want an even metric", within, without)
		}
	}
}

func TestBlur(t *testing.T) {
	spot := make([]float64, 25)
	spot[2*5+1], spot[4*5+4] = 16, 16
	for b, want := range []float64{
		0, 0, 0, 0, 0,
		1, 2, 1, 0, 0,
		2, 4, 2, 0, 0,
		1, 2, 1, 1, 3,
		0, 0, 0, 3, 9, // the border goes on
	} {
		if got := blur(spot, 5)[b]; got != want {
			t.Errorf("row %d, column %d: %g, want %g", b/5, b%5, got, want)
		}
	}
	if got := blur([]float64{3}, 1); got[0] != 3 {
		t.Errorf("a map of one block becomes %g, want 3", got[0])
	}
}

// TestFastWeights compares the masks' weights with the balance heuristic written out: one
// over the mean of all rounds' rates, each round counting with the masks that it chose, also
// where a round has chosen masks more than once.
func TestFastWeights(t *testing.T) {
	s := &sweep{RISEStage: RISEStage{400, 6, 0.3}, quality: Fast, batch: 8, classes: []int{0, 1, 2}, progress: func(int) {},
		law: newMaskLaw(24, 24, 6, 0.3, 3, 0), probs: toy}
	s.fast = newFast(s, toyInput(t, 0).Model)
	s.fast.pool = 1500
	if err := s.extend(t.Context(), 200); err != nil {
		t.Fatal(err)
	}
	rounds := len(s.fast.rounds)
	s.fast.rounds[rounds-1].known = 180 // so that 200 masks are no reason for a new round
	for _, n := range []int{230, 250} {
		if err := s.extend(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	if len(s.fast.rounds) != rounds {
		t.Fatalf("%d rounds, want %d, the last one used again", len(s.fast.rounds), rounds)
	}
	if err := s.extend(t.Context(), 400); err != nil {
		t.Fatal(err)
	}
	if err := s.extend(t.Context(), 440); err != nil {
		t.Fatal(err)
	}
	if len(s.fast.rounds) == rounds {
		t.Fatal("no new round")
	}
	total := 0
	want := make([]float64, len(s.ids))
	for _, r := range s.fast.rounds {
		total += r.masks
		for i, rate := range s.fast.rates(r, s.ids) {
			want[i] += float64(r.masks) * rate / float64(len(s.ids))
		}
	}
	if total != len(s.ids) || total != 440 {
		t.Errorf("the rounds have chosen %d masks, want %d", total, len(s.ids))
	}
	for i, w := range s.fast.weights() {
		if !(math.Abs(w*want[i]-1) <= 1e-9) {
			t.Fatalf("mask %d: weight %g, want %g", i, w, 1/want[i])
		}
	}
}
