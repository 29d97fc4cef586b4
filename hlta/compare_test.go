package hlta

import (
	"math"
	"testing"
)

// The wanted values are from the definitions, worked by hand: for the third case
// the cells are {1,1},{2}: pairs 0+0+1 = 1, rows 1+1 = 2, columns 0+3 = 3 of 6.
func TestCompareGroupings(t *testing.T) {
	ln := math.Log
	h := func(p ...float64) (sum float64) {
		for _, p := range p {
			sum -= p * ln(p)
		}
		return sum
	}
	for _, c := range []struct {
		name     string
		a, b     []int
		ari, nmi float64
	}{
		{"equal up to names", []int{0, 0, 1, 1}, []int{7, 7, -3, -3}, 1, 1},
		{"crossed", []int{0, 0, 1, 1}, []int{0, 1, 0, 1}, -0.5, 0},
		{"one moved", []int{0, 0, 1, 1}, []int{0, 1, 1, 1}, 0,
			2 * (ln(2) + h(0.25, 0.75) - h(0.25, 0.25, 0.5)) / (ln(2) + h(0.25, 0.75))},
		{"all together twice", []int{1, 1, 1}, []int{2, 2, 2}, 1, 1},
		{"all apart twice", []int{1, 2, 3}, []int{3, 2, 1}, 1, 1},
		{"together and apart", []int{1, 1, 1}, []int{3, 2, 1}, 0, 0},
		{"no item", nil, nil, 1, 1},
		{"one item", []int{4}, []int{5}, 1, 1},
	} {
		if got := ARI(c.a, c.b); math.Abs(got-c.ari) > 1e-12 {
			t.Errorf("%s: ARI %v, want %v", c.name, got, c.ari)
		}
		if got := NMI(c.a, c.b); math.Abs(got-c.nmi) > 1e-12 {
			t.Errorf("%s: NMI %v, want %v", c.name, got, c.nmi)
		}
		if ARI(c.a, c.b) != ARI(c.b, c.a) || math.Abs(NMI(c.a, c.b)-NMI(c.b, c.a)) > 1e-15 {
			t.Errorf("%s: not symmetric", c.name)
		}
	}
}

func TestCompareGroupingsOfDifferentLength(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	ARI([]int{1}, []int{1, 2})
}
