package hlta

import (
	"math"
	"testing"
)

// Known answers, computed by two independent programs that agree to 9 digits: counts of the patterns of a, b, c, d, a first.
var vectorCounts = [16]float64{600, 30, 25, 5, 40, 8, 6, 4, 35, 6, 9, 5, 7, 6, 5, 9}

// vectorPatterns spells the counts as documents over the words a, b, c, d.
func vectorPatterns(f func(present []string, count int)) {
	for t, count := range vectorCounts {
		var present []string
		for i, w := range []string{"a", "b", "c", "d"} {
			if t>>(3-i)&1 != 0 {
				present = append(present, w)
			}
		}
		f(present, int(count))
	}
}

// reversed turns a pattern whose first word is the highest bit into ours, whose
// first word is the lowest.
func reversed(t, bits int) int {
	r := 0
	for i := range bits {
		r |= t >> i & 1 << (bits - 1 - i)
	}
	return r
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if !(math.Abs(got-want) <= 5e-9*math.Max(1, math.Abs(want))) {
		t.Errorf("%s = %.12f, want %.12f to 9 digits", what, got, want)
	}
}

func TestLatentClassSteps(t *testing.T) {
	m := submodel{form: latentClass}
	for i, c := range vectorCounts {
		m.count[reversed(i>>1, 3)] += c // d summed out
	}
	p := params{0.3, 0.1, 0.6, 0.15, 0.5, 0.2, 0.4}
	for i, want := range []float64{-899.020594884, -726.427101125, -720.502226088} {
		near(t, "log-likelihood before step "+string(rune('1'+i)), m.step(&p), want)
	}
	for i, want := range (params{0.161651687359, 0.031829372346, 0.478913758697, 0.051052831872,
		0.402797216565, 0.032427544933, 0.368669808026}) {
		near(t, "parameter", p[i], want)
	}
	last := p
	ll := m.step(&last)
	near(t, "log-likelihood after", ll, -718.564541261)
	near(t, "BIC", ll-7./2*math.Log(800), -741.960682308)
}

func TestSplitSteps(t *testing.T) {
	m := submodel{form: split}
	for i, c := range vectorCounts {
		m.count[reversed(i, 4)] += c
	}
	m.setBase(0.3, [2]float64{0.1, 0.6}, [2]float64{0.15, 0.5})
	p := params{0.2, 0.7, 0.1, 0.5, 0.12, 0.4}
	for i, want := range []float64{-1138.756173937, -1051.045358222, -1044.679430603} {
		near(t, "log-likelihood before step "+string(rune('1'+i)), m.step(&p), want)
	}
	for i, want := range (params{0.092024831729, 0.705553011483, 0.018251770898, 0.355343246565,
		0.028496149453, 0.345868175004}) {
		near(t, "parameter", p[i], want)
	}
	last := p
	ll := m.step(&last)
	near(t, "log-likelihood after", ll, -1040.710094447)
	near(t, "BIC", ll-11./2*math.Log(800), -1077.475458949)
}

// An attached word is the special case of a latent class model whose other tables
// are fixed: both code paths must agree.
func TestAttachedIsFrozenLatentClass(t *testing.T) {
	var lcm, att submodel
	lcm = submodel{form: latentClass, fixed: [4]bool{true, true, true, false}}
	att = submodel{form: attached}
	for i, c := range vectorCounts {
		lcm.count[reversed(i>>1, 3)] += c
		att.count[reversed(i>>1, 3)] += c
	}
	att.setBase(0.3, [2]float64{0.1, 0.6}, [2]float64{0.15, 0.5})
	p := params{0.3, 0.1, 0.6, 0.15, 0.5, 0.2, 0.4}
	q := params{0.2, 0.4}
	for range 5 {
		near(t, "log-likelihood", att.step(&q), lcm.step(&p))
		near(t, "P(x|0)", q[0], p[5])
		near(t, "P(x|1)", q[1], p[6])
	}
	for i, want := range []float64{0.3, 0.1, 0.6, 0.15, 0.5} {
		if p[i] != want {
			t.Errorf("fixed parameter %d became %v, want %v", i, p[i], want)
		}
	}
}

// The tournament must reach the optimum from every seed, keep to its bound on
// rounds, and not allocate.
func TestFit(t *testing.T) {
	m := submodel{form: latentClass}
	for i, c := range vectorCounts {
		m.count[reversed(i>>1, 3)] += c
	}
	o, err := Options{}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	starts := make([]start, o.EMRestarts)
	best := params{0.3, 0.1, 0.6, 0.15, 0.5, 0.2, 0.4}
	for range 1000 {
		m.step(&best)
	}
	want := m.step(&best)
	for seed := range uint64(20) {
		p := m.fit(&o, starts, newStream(keyEM, seed))
		// The end is within a tail of steps that each gain less than 0.01.
		if ll := m.step(&p); !(math.Abs(ll-want) <= 0.1) {
			t.Errorf("seed %d: log-likelihood %v, want %v", seed, ll, want)
		}
	}
	if n := testing.AllocsPerRun(10, func() { m.fit(&o, starts, newStream(keyEM, 1)) }); n != 0 {
		t.Errorf("fit allocates %v times", n)
	}
	o.EMRestarts, o.EMSteps = 1, 3
	got := m.fit(&o, starts[:1], newStream(keyEM, 7))
	random := newStream(keyEM, 7)
	single := m.random(random.uint64())
	for range 3 {
		m.step(&single)
	}
	if got != single {
		t.Errorf("one start and three steps: %v, want %v", got, single)
	}
}

func BenchmarkFit(b *testing.B) {
	o, _ := Options{}.resolve()
	starts := make([]start, o.EMRestarts)
	for _, form := range []form{latentClass, attached, split} {
		m := submodel{form: form, count: vectorCounts}
		m.setBase(0.3, [2]float64{0.1, 0.6}, [2]float64{0.15, 0.5})
		b.Run([]string{"latentClass", "attached", "split"}[form], func(b *testing.B) {
			for b.Loop() {
				m.fit(&o, starts, newStream(keyEM, 1))
			}
		})
	}
}
