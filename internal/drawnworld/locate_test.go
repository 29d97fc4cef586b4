package drawnworld

import (
	"math"
	"testing"
)

// discCover is coverage [size][size] of a disc.
func discCover(size int, x, y, radius float64) []float32 {
	out := make([]float32, size*size)
	for i := range out {
		if math.Hypot(float64(i%size)-x, float64(i/size)-y) <= radius {
			out[i] = 1
		}
	}
	return out
}

func TestLocate(t *testing.T) {
	const n = NetworkSize
	region := NewRegion(discCover(n, 60, 60, 20), n)
	point := func(x, y int) []float32 {
		m := make([]float32, n*n)
		m[y*n+x] = 2
		return m
	}
	even := make([]float32, n*n)
	for i := range even {
		even[i] = 3
	}
	half := discCover(n, 60, 60, 20)
	for i := range half {
		if i%n > 60 {
			half[i] = 0
		}
	}
	a := float64(region.Area())
	left := 0.0
	for _, v := range half {
		left += float64(v)
	}
	for name, c := range map[string]struct {
		m    []float32
		want Location
	}{
		"blank":                {make([]float32, n*n), Location{}},
		"the region itself":    {discCover(n, 60, 60, 20), Location{1, 1, 1}},
		"half of it":           {half, Location{1, 1, left / a}},
		"a pixel inside":       {point(60, 60), Location{1, 1, 1 / a}},
		"within the tolerance": {point(60, 95), Location{1, 0, 0}},
		"just outside of it":   {point(60, 96), Location{0, 0, 0}},
		"diagonally outside":   {point(86, 86), Location{0, 0, 0}},
		"diagonally within":    {point(84, 84), Location{1, 0, 0}},
		"elsewhere":            {discCover(n, 160, 160, 20), Location{}},
	} {
		got := region.Locate(c.m)
		if !(math.Abs(got.Hit-c.want.Hit)+math.Abs(got.Energy-c.want.Energy)+math.Abs(got.IoU-c.want.IoU) <= 1e-9) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	// An even map does as well as chance at what does not depend on the order of ties.
	got, chance := region.Locate(even), region.Chance()
	if math.Abs(got.Hit-chance.Hit) > 1e-9 || math.Abs(got.Energy-chance.Energy) > 1e-9 {
		t.Errorf("even map: %+v, by chance %+v", got, chance)
	}
	if grown := math.Pi * 35 * 35 / (n * n); !(math.Abs(chance.Hit-grown) <= 0.02*grown) {
		t.Errorf("region with its tolerance: share %.4f of the picture, want about %.4f", chance.Hit, grown)
	}
	if got := region.Mean(half); !(math.Abs(got-left/a) <= 1e-9) {
		t.Errorf("mean %g, want %g", got, left/a)
	}
}

// TestChance compares the chance level with maps of random pixels.
func TestChance(t *testing.T) {
	const n = 112
	region := NewRegion(discCover(n, 50, 40, 30), n)
	var mean Location
	const maps = 200
	for k := range maps {
		r := newRNG(uint64(k), 99)
		m := make([]float32, n*n)
		for i := range m {
			m[i] = float32(r.unit())
		}
		l := region.Locate(m)
		mean.Hit += l.Hit / maps
		mean.Energy += l.Energy / maps
		mean.IoU += l.IoU / maps
	}
	want := region.Chance()
	// The standard error of a rate over 200 maps is at most 0.035; the others hardly vary.
	if math.Abs(mean.Hit-want.Hit) > 0.12 || math.Abs(mean.Energy-want.Energy) > 0.003 || math.Abs(mean.IoU-want.IoU) > 0.003 {
		t.Errorf("%+v over %d random maps, want about %+v", mean, maps, want)
	}
}

// TestEvidence checks what counts as evidence for a class of every family.
func TestEvidence(t *testing.T) {
	const n = NetworkSize
	same := func(a, b []float32) bool {
		for i := range a {
			if a[i] != b[i] {
				return false
			}
		}
		return len(a) == len(b)
	}
	for _, f := range Families() {
		a, b := f.Classes[0], f.Classes[1]
		s := New(5, Options{Classes: []int{a}, Clean: true})
		got := s.Evidence(0, a, []int{b, (a + 17) % len(classes), a}, n)
		if f.Together {
			if got != nil {
				t.Errorf("%s: evidence against a class that looks different", f.Name)
			}
			continue
		}
		want := s.PartMask(0, a, n)
		for i, v := range s.PartMask(0, b, n) {
			want[i] = max(want[i], v)
		}
		if !same(got, want) {
			t.Errorf("%s: the evidence for %d against %d is not at their parts", f.Name, a, b)
		}
		if s.Evidence(0, a, []int{a}, n) != nil {
			t.Errorf("%s: evidence against nothing", f.Name)
		}
	}
	// A rival's part speaks for the rival.
	for seed := uint64(0); ; seed++ {
		if seed == 1000 {
			t.Fatal("no rival in 1000 scenes")
		}
		s := New(seed, Options{})
		o := &s.Objects[0]
		if o.Rival < 0 {
			continue
		}
		if !same(s.Evidence(0, o.Class, []int{o.Rival}, n), s.PartMask(0, o.Class, n)) ||
			!same(s.Evidence(0, o.Rival, []int{o.Class}, n), s.PartMask(0, o.Rival, n)) {
			t.Errorf("scene %d: a rival's part counts as evidence for its rival", seed)
		}
		if i, ok := s.ObjectOf(o.Rival); !ok || i != 0 {
			t.Errorf("scene %d: class %d is placed at object %d, %t", seed, o.Rival, i, ok)
		}
		break
	}
}
