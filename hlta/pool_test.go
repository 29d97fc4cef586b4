package hlta

import (
	"context"
	"math"
	"testing"
)

// randomData has many words of equal count and many pairs that never occur together.
func randomData(n, documents int, seed uint64) *data {
	s := newStream(seed)
	m := newMerger(documents)
	for v := range int32(n) { // no word is absent from all documents
		m.add([]int32{v}, 1)
	}
	for range documents {
		var row []int32
		for v := s.intn(n); v < n; v += 1 + s.intn(n/2) {
			row = append(row, int32(v))
		}
		m.add(row, float64(1+s.intn(3)))
	}
	total := 5.0 // documents without any word
	for _, w := range m.weight {
		total += w
	}
	return newData(n, total, m.rowSet)
}

// denseMutual is the matrix that a program which does not care about memory has.
func denseMutual(d *data) [][]float64 {
	m := make([][]float64, d.n)
	for u := range m {
		m[u] = make([]float64, d.n)
		for v := range m[u] {
			together := 0.0
			for i := range d.rows.len() {
				has := [2]bool{}
				for _, w := range d.rows.row(i) {
					has[0] = has[0] || int(w) == u
					has[1] = has[1] || int(w) == v
				}
				if has[0] && has[1] {
					together += d.rows.weight[i]
				}
			}
			m[u][v] = mutualInformation(d.total, max(d.count[u], d.count[v]), min(d.count[u], d.count[v]), together)
		}
	}
	return m
}

func TestClosestIsThatOfTheDenseMatrix(t *testing.T) {
	for seed := range uint64(5) {
		d := randomData(30, 25, seed)
		m, err := newMutual(context.Background(), d, 2, maxPairs)
		if err != nil {
			t.Fatal(err)
		}
		dense := denseMutual(d)
		p := newPool(m)
		s := newStream(100 + seed)
		for p.left > 1 {
			for v := range int32(d.n) {
				got := p.closest(v, &p.marker)
				want := closest{of: v, v: -1, mi: math.Inf(-1)}
				for u := range int32(d.n) {
					if mi := dense[v][u]; u != v && p.free[u] && mi > want.mi {
						want.v, want.mi = u, mi
					}
				}
				if got != want {
					t.Fatalf("seed %d, %d left, closest to %d: got %v, want %v", seed, p.left, v, got, want)
				}
			}
			v := int32(s.intn(d.n))
			if !p.free[v] {
				continue
			}
			p.take(v)
			switch s.intn(3) {
			case 0:
				p.giveBack(v)
			case 1:
				p.remove(v)
			} // else it is taken but still in the ring, as members of an unfinished island are
		}
	}
}
