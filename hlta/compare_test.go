package hlta

import (
	"math"
	"testing"
)

// The wanted values are from the definitions, worked by hand: for the third case
// the cells are {1,1},{2}: pairs 0+0+1 = 1, rows 1+1 = 2, columns 0+3 = 3 of 6.
func TestCompareGroupings(t *testing.T) {
	for _, c := range []struct {
		name string
		a, b []int
		want float64
	}{
		{"equal up to names", []int{0, 0, 1, 1}, []int{7, 7, -3, -3}, 1},
		{"crossed", []int{0, 0, 1, 1}, []int{0, 1, 0, 1}, -0.5},
		{"one moved", []int{0, 0, 1, 1}, []int{0, 1, 1, 1}, 0},
		{"all together twice", []int{1, 1, 1}, []int{2, 2, 2}, 1},
		{"all apart twice", []int{1, 2, 3}, []int{3, 2, 1}, 1},
		{"together and apart", []int{1, 1, 1}, []int{3, 2, 1}, 0},
		{"no item", nil, nil, 1},
		{"one item", []int{4}, []int{5}, 1},
	} {
		if got := ARI(c.a, c.b); !(math.Abs(got-c.want) <= 1e-12) {
			t.Errorf("%s: ARI %v, want %v", c.name, got, c.want)
		}
		if ARI(c.a, c.b) != ARI(c.b, c.a) {
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
