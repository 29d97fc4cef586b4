package hlta

import (
	"fmt"
	"slices"
	"testing"
)

func TestAssign(t *testing.T) {
	d := randomData(9, 80, 4)
	var islands []island
	for i := range 3 {
		s := island{prior: 0.3}
		for v := 3 * i; v < 3*i+3; v++ {
			s.vars = append(s.vars, int32(v))
			s.p = append(s.p, [2]float64{.1, .6 - .1*float64(i)})
		}
		islands = append(islands, s)
	}
	want := map[string]float64{}
	for i := range d.rows.len() {
		var on []int32
		for z, s := range islands {
			p := [2]float64{.7, .3}
			for j, v := range s.vars {
				for y := range p {
					q := s.p[j][y]
					if !slices.Contains(d.rows.row(i), v) {
						q = 1 - q
					}
					p[y] *= q
				}
			}
			if p[1] > p[0] {
				on = append(on, int32(z))
			}
		}
		if len(on) > 0 {
			want[fmt.Sprint(on)] += d.rows.weight[i]
		}
	}
	if len(want) < 4 {
		t.Fatalf("the data is too plain: %v", want)
	}
	for threads := 1; threads <= 3; threads++ {
		got := assign(d, islands, threads)
		rows := map[string]float64{}
		for i := range got.rows.len() {
			rows[fmt.Sprint(got.rows.row(i))] = got.rows.weight[i]
		}
		if fmt.Sprint(rows) != fmt.Sprint(want) || got.total != d.total || len(rows) != got.rows.len() {
			t.Errorf("got %v of %v, want %v of %v", rows, got.total, want, d.total)
		}
	}
}

func TestSample(t *testing.T) {
	d := randomData(20, 300, 5)
	s := d.sample(50_000, newStream(1))
	if s.total != 50_000 {
		t.Errorf("%v documents, want 50000", s.total)
	}
	for v := range d.n {
		// Four standard deviations of a share of 50,000 draws.
		got, want := s.count[v]/s.total, d.count[v]/d.total
		if diff := got - want; diff > .009 || diff < -.009 {
			t.Errorf("word %d: in %v of the documents, want %v", v, got, want)
		}
	}
	again := d.sample(50_000, newStream(1))
	if !slices.Equal(s.rows.weight, again.rows.weight) {
		t.Error("the same stream gives another sample")
	}
}
