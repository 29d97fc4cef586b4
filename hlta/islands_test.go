package hlta

import (
	"context"
	"math"
	"slices"
	"testing"
)

func testBuilder(t *testing.T, d *data, o Options) *builder {
	t.Helper()
	o, err := o.resolve()
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMutual(context.Background(), d, 1, maxPairs)
	if err != nil {
		t.Fatal(err)
	}
	b := &builder{
		o: &o, level: 1, d: d, pool: newPool(m), batch: d.total,
		pattern: make([]uint32, d.rows.len()), starts: make([]start, o.EMRestarts),
	}
	b.fillSeeds()
	return b
}

// The likelihoods that decide about an island, from pattern counts, against sums over
// documents of sums over states.
func TestIslandLikelihoods(t *testing.T) {
	d := randomData(12, 60, 3)
	b := testBuilder(t, d, Options{})
	vars := []int32{7, 2, 9, 4, 0}
	for _, v := range vars {
		b.join(v)
	}
	s := island{vars, 0.3, [][2]float64{{.1, .7}, {.2, .6}, {.05, .5}, {.3, .4}, {.15, .8}}}
	z := params{.2, .9, .1, .6, .35, .45} // between Y and the words at 2 and 4
	const at = 2

	wantOne, wantTwo := 0.0, 0.0
	each := func(weight float64, present func(v int32) bool) {
		one, two := 0.0, 0.0
		for y, py := range [2]float64{1 - s.prior, s.prior} {
			all, others := py, py
			for i, v := range vars {
				p := s.p[i][y]
				if !present(v) {
					p = 1 - p
				}
				all *= p
				if i != at && i != 4 {
					others *= p
				}
			}
			below := 0.0
			for state, pz := range [2]float64{1 - z[y], z[y]} {
				w, x := z[2+state], z[4+state]
				if !present(vars[at]) {
					w = 1 - w
				}
				if !present(vars[4]) {
					x = 1 - x
				}
				below += pz * w * x
			}
			one += all
			two += others * below
		}
		wantOne += weight * math.Log(one)
		wantTwo += weight * math.Log(two)
	}
	stored := 0.0
	for i := range d.rows.len() {
		each(d.rows.weight[i], func(v int32) bool { return slices.Contains(d.rows.row(i), v) })
		stored += d.rows.weight[i]
	}
	each(d.total-stored, func(int32) bool { return false })

	// Sums of 60 logarithms in another order.
	if got := b.logLikelihood(&s); !(math.Abs(got-wantOne) <= 1e-10) {
		t.Errorf("one latent: got %v, want %v", got, wantOne)
	}
	if got := b.splitLogLikelihood(&s, at, &z); !(math.Abs(got-wantTwo) <= 1e-10) {
		t.Errorf("two latents: got %v, want %v", got, wantTwo)
	}
	if n := b.hist[0] + 0; n < 5 {
		t.Errorf("%v documents without the words, want 5 at least", n)
	}

	b.commit(s)
	if slices.ContainsFunc(b.pattern, func(p uint32) bool { return p != 0 }) {
		t.Error("commit leaves patterns behind")
	}
}

// Islands are a partition of the variables, whatever the options, and have the sizes
// that the algorithm can give.
func TestIslandsPartition(t *testing.T) {
	for _, o := range []Options{
		{},
		{NoCorrelationTest: true},
		{NoCorrelationTest: true, MaxIsland: 4},
		{NoCorrelationTest: true, MaxIsland: 16, UDThreshold: 1e9},
		{WholeIsland: true, MaxIsland: 15},
		{WholeIsland: true, NoCorrelationTest: true, BatchSize: -1, UDThreshold: 1e-9},
		{UDThreshold: -1e9, CTThreshold: -1e9},
		{EMRestarts: 1, EMSteps: 1},
	} {
		for n := 3; n <= 40; n++ {
			full, err := o.resolve()
			if err != nil {
				t.Fatal(err)
			}
			islands, err := buildIslands(context.Background(), randomData(n, 50, uint64(n)), 1, &full)
			if err != nil {
				t.Fatal(err)
			}
			seen := make([]bool, n)
			for _, s := range islands {
				if len(s.vars) < 2 || len(s.vars) > full.MaxIsland+2 || len(s.p) != len(s.vars) {
					t.Fatalf("%+v, %d words: an island of %d words", o, n, len(s.vars))
				}
				if s.posterior(0) > 0.5 {
					t.Fatalf("%+v, %d words: a document without words is in state 1", o, n)
				}
				for _, v := range s.vars {
					if seen[v] {
						t.Fatalf("%+v, %d words: %d is in two islands", o, n, v)
					}
					seen[v] = true
				}
			}
			if slices.Contains(seen, false) {
				t.Fatalf("%+v, %d words: some have no island", o, n)
			}
		}
	}
}

func TestBatchNormalisedScore(t *testing.T) {
	d := randomData(5, 50, 1)
	b := testBuilder(t, d, Options{})
	b.batch = 5000
	b.d.total = 20000
	// At B=5000 and a threshold of 3 a word must gain 7.26 nats per 5,000
	// documents, a second latent 11.5.
	if got := b.score(4*7.2586, 1); !(math.Abs(got-3) <= 1e-3) {
		t.Errorf("a word that gains 7.2586 nats per batch scores %v, want 3", got)
	}
	if got := b.score(4*11.5172, 2); !(math.Abs(got-3) <= 1e-3) {
		t.Errorf("a latent that gains 11.5172 nats per batch scores %v, want 3", got)
	}
}

// The island of the last two words keeps the tables that the split found, and has the P(Y) of an
// EM that changes nothing but P(Y) and the seed's table: written out here, document by document.
func TestLastPairKeepsItsTables(t *testing.T) {
	d := randomData(6, 200, 5)
	b := testBuilder(t, d, Options{EMTolerance: 1e-13, EMSteps: 1_000_000})
	for _, v := range []int32{4, 0, 2, 5} {
		b.join(v)
	}
	const at, last, seed = 2, 3, 1
	z := params{.2, .9, .1, .6, .35, .45}
	got := b.lastPair(&island{}, at, &z)
	if !slices.Equal(got.vars, []int32{2, 5}) || !slices.Equal(got.p, [][2]float64{{.1, .6}, {.35, .45}}) {
		t.Errorf("variables %v with the tables %v", got.vars, got.p)
	}

	prior, p := 0.5, [2]float64{0.3, 0.6}
	for range 100_000 {
		var n, seen [2]float64
		for pattern, count := range b.counts(at, last, seed) {
			r := [2]float64{1 - prior, prior}
			for y := range r {
				r[y] *= bernoulli(z[2+y], pattern&1) * bernoulli(z[4+y], pattern>>1&1) * bernoulli(p[y], pattern>>2&1)
			}
			for y := range r {
				expected := count * r[y] / (r[0] + r[1])
				n[y] += expected
				seen[y] += expected * float64(pattern>>2&1)
			}
		}
		prior = (n[1] + 1) / (n[0] + n[1] + 2)
		p = [2]float64{(seen[0] + 1) / (n[0] + 2), (seen[1] + 1) / (n[1] + 2)}
	}
	if math.Abs(got.prior-prior) > 1e-4 { // EM creeps towards its end
		t.Errorf("P(Y) = %v, want %v", got.prior, prior)
	}
}
