package hlta

import (
	"fmt"
	"math"
	"testing"
)

func TestSpanningTree(t *testing.T) {
	w := func(rows ...[]float64) [][]float64 { return rows }
	for _, c := range []struct {
		name   string
		weight [][]float64
		want   string
	}{
		{"one", w([]float64{0}), "[]"},
		{"two", w([]float64{0, 1}, []float64{0, 0}), "[[0 1]]"},
		{"chain", w([]float64{0, 1, 5, 2}, []float64{0, 0, 3, 4}, []float64{0, 0, 0, 1}, []float64{0, 0, 0, 0}), "[[0 2] [1 3] [1 2]]"},
		{"ties", w([]float64{0, 1, 1, 1}, []float64{0, 0, 1, 1}, []float64{0, 0, 0, 1}, []float64{0, 0, 0, 0}), "[[0 1] [0 2] [0 3]]"},
	} {
		for range 5 { // maps iterate differently every time
			if got := fmt.Sprint(spanningTree(len(c.weight), c.weight)); got != c.want {
				t.Errorf("%s: got %s, want %s", c.name, got, c.want)
			}
		}
	}
}

func topIslands() (*data, []island) {
	d := randomData(9, 80, 6)
	var islands []island
	for i := range 3 {
		s := island{prior: 0.4}
		for v := 3 * i; v < 3*i+3; v++ {
			s.vars = append(s.vars, int32(v))
			s.p = append(s.p, [2]float64{.1, .7 - .1*float64(i)})
		}
		islands = append(islands, s)
	}
	return d, islands
}

func TestPosteriorInformation(t *testing.T) {
	d, islands := topIslands()
	n := len(islands)
	joint := make([]float64, n*n)
	single := make([]float64, n)
	each := func(weight float64, row []int32) {
		post := make([]float64, n)
		for i, s := range islands {
			pattern := uint32(0)
			for j, v := range s.vars {
				for _, u := range row {
					if u == v {
						pattern |= 1 << j
					}
				}
			}
			post[i] = s.posterior(pattern)
		}
		for i := range n {
			single[i] += weight * post[i]
			for j := range n {
				joint[i*n+j] += weight * post[i] * post[j]
			}
		}
	}
	empty := d.total
	for i := range d.rows.len() {
		each(d.rows.weight[i], d.rows.row(i))
		empty -= d.rows.weight[i]
	}
	each(empty, nil)
	got := posteriorInformation(d, islands)
	for i := range n {
		for j := i + 1; j < n; j++ {
			want := mutualInformation(d.total, single[i], single[j], joint[i*n+j])
			if !(math.Abs(got[i][j]-want) <= 1e-13) {
				t.Errorf("%d, %d: got %v, want %v", i, j, got[i][j], want)
			}
		}
	}
}

// Links form a tree from the first island with three variables, parents before
// children, and say how dependent their latents are.
func TestLinkIslands(t *testing.T) {
	d, islands := topIslands()
	pair := island{vars: islands[0].vars[:2], prior: .4, p: islands[0].p[:2]}
	islands = append([]island{pair}, islands[1:]...)
	o, err := Options{}.resolve()
	if err != nil {
		t.Fatal(err)
	}
	links := linkIslands(d, islands, 2, &o)
	if len(links) != 2 {
		t.Fatalf("%d links between 3 islands", len(links))
	}
	reached := map[int]bool{1: true}
	for _, l := range links {
		if !reached[l.Parent] || reached[l.Child] {
			t.Errorf("link %d -> %d after %v", l.Parent, l.Child, reached)
		}
		reached[l.Child] = true
		if l.P[0] == l.P[1] || l.P[0] <= 0 || l.P[1] >= 1 {
			t.Errorf("link %d -> %d: P %v", l.Parent, l.Child, l.P)
		}
	}
}
