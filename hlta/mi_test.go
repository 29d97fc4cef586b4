package hlta

import (
	"context"
	"math"
	"testing"
)

// The mutual information of vectorCounts, from two programs that agree to 9
// digits.
func TestMutualInformation(t *testing.T) {
	var lists [][]string
	vectorPatterns(func(present []string, count int) {
		for range count {
			lists = append(lists, present)
		}
	})
	docs, err := NewDocuments(lists)
	if err != nil {
		t.Fatal(err)
	}
	index := map[string]int32{}
	for i, w := range docs.Words {
		index[w] = int32(i)
	}
	// 600 documents have no word: NewDocuments leaves them out, the vectors do not.
	d := newData(4, float64(docs.N+600), docs.rows)
	m, err := newMutual(context.Background(), d, 1, maxPairs)
	if err != nil {
		t.Fatal(err)
	}
	for pair, want := range map[string]float64{
		"ab": 0.021750980936577, "ac": 0.032049121622394, "ad": 0.024439247211806,
		"bc": 0.020961474472648, "bd": 0.025636561742301, "cd": 0.022982486898336,
	} {
		for _, uv := range [][2]int32{{index[pair[:1]], index[pair[1:]]}, {index[pair[1:]], index[pair[:1]]}} {
			found := false
			for i, u := range m.rows[uv[0]].col {
				if u == uv[1] {
					found = true
					if got := m.rows[uv[0]].val[i]; !(math.Abs(got-want) <= 1e-14) {
						t.Errorf("%s: got %.15f, want %.15f", pair, got, want)
					}
				}
			}
			if !found {
				t.Errorf("%s is missing", pair)
			}
		}
	}
}

func TestMutualInformationEdges(t *testing.T) {
	for _, c := range []struct {
		name        string
		n, a, b, ab float64
		want        float64
	}{
		{"independent", 8, 4, 4, 2, 0},
		{"equal", 8, 4, 4, 4, math.Ln2},
		{"opposite", 8, 4, 4, 0, math.Ln2},
		{"a word in every document", 8, 8, 3, 3, 0},
		{"both in every document", 8, 8, 8, 8, 0},
		{"a variable that is never 1", 8, 3, 0, 0, 0},
		{"a single document", 1, 1, 1, 1, 0},
		{"never together", 10, 3, 2, 0, .3*math.Log(1/.8) + .2*math.Log(1/.7) + .5*math.Log(.5/(.7*.8))},
	} {
		if got := mutualInformation(c.n, c.a, c.b, c.ab); !(math.Abs(got-c.want) <= 1e-15) {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}

// The pool takes it for granted that of two words which v never occurs with, the more
// frequent one shares more information with it.
func TestApartGrowsWithCount(t *testing.T) {
	for _, n := range []float64{20, 1000, 1.28e6} {
		for _, a := range []float64{1, 2, n / 10, n / 3} {
			last := math.Inf(-1)
			for _, share := range []float64{0, .001, .01, .1, .3, .6} {
				b := math.Floor(share * n)
				mi := mutualInformation(n, max(a, b), min(a, b), 0)
				if mi < last {
					t.Errorf("n=%v a=%v b=%v: %v after %v", n, a, b, mi, last)
				}
				last = mi
			}
		}
	}
}

func TestMutualLimits(t *testing.T) {
	long := make([]int32, 100_000)
	for i := range long {
		long[i] = int32(i)
	}
	d := newData(len(long), 1, rowSet{start: []int{0, len(long)}, item: long, weight: []float64{1}})
	if _, err := newMutual(context.Background(), d, 2, 1e6); err == nil {
		t.Error("a document of 100,000 words: no error")
	}
	d = newData(2_000, 1, rowSet{start: []int{0, 2_000}, item: long[:2_000], weight: []float64{1}})
	if _, err := newMutual(context.Background(), d, 2, 1e6); err == nil {
		t.Error("4 million pairs of words where a million may be: no error")
	}
}
