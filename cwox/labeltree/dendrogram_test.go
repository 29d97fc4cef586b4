package labeltree

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// Dendrograms by arithmetic.
func TestAverageLink(t *testing.T) {
	for _, tt := range []struct {
		name string
		n    int
		sim  []float32 // (1,0); (2,0) (2,1); (3,0) (3,1) (3,2); ...
		want string
	}{
		{"one item", 1, nil, "[]"},
		{"two", 2, []float32{0.25}, "[{0 1 0.25}]"},
		// 0-1 at 0.5; {0 1}-2 at (0.25+0.125)/2.
		{"three", 3, []float32{0.5, 0.25, 0.125}, "[{0 1 0.5} {0 2 0.1875}]"},
		// 2-3 at 0.75, 0-1 at 0.5, then the mean of (0.25, 0, 0, 0.25).
		{"two pairs", 4, []float32{0.5, 0.25, 0, 0, 0.25, 0.75}, "[{2 3 0.75} {0 1 0.5} {0 2 0.125}]"},
		// 0-1 at 0.75; {0 1}-2 at (0.5+0.25)/2 = 0.375; {0 1 2}-3 at (0.25+0.125+0)/3 = 0.125: means over pairs, not over clusters.
		{"a chain", 4, []float32{0.75, 0.5, 0.25, 0.25, 0.125, 0}, "[{0 1 0.75} {0 2 0.375} {0 3 0.125}]"},
		{"all equal: the lowest first", 4, []float32{1, 1, 1, 1, 1, 1}, "[{0 1 1} {0 2 1} {0 3 1}]"},
		{"negative", 3, []float32{-0.5, -0.25, -0.75}, "[{0 2 -0.25} {0 1 -0.625}]"},
	} {
		if got := fmt.Sprint(averageLink(slices.Clone(tt.sim), tt.n)); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

// The chains find what a search over all pairs of clusters finds.
func TestAverageLinkAgainstDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		n := 2 + rng.IntN(14)
		sim := make([]float32, n*(n-1)/2)
		for i := range sim {
			sim[i] = float32(rng.NormFloat64())
		}
		merges := averageLink(slices.Clone(sim), n)
		clusters := make([][]int, n)
		for i := range clusters {
			clusters[i] = []int{i}
		}
		for k := range merges {
			a, b, best := 0, 0, -1e9
			for i := range clusters {
				for j := range i {
					sum := 0.0
					for _, x := range clusters[i] {
						for _, y := range clusters[j] {
							sum += float64(sim[pair(x, y)])
						}
					}
					if mean := sum / float64(len(clusters[i])*len(clusters[j])); mean > best {
						a, b, best = j, i, mean
					}
				}
			}
			if d := merges[k].similarity - best; d > 1e-5 || d < -1e-5 {
				t.Fatalf("n %d, merge %d: similarity %g, want %g", n, k, merges[k].similarity, best)
			}
			clusters[a] = append(clusters[a], clusters[b]...)
			clusters = slices.Delete(clusters, b, b+1)
			home, count := cut(n, merges[:k+1])
			if count != len(clusters) {
				t.Fatalf("%d clusters, want %d", count, len(clusters))
			}
			for _, c := range clusters {
				for _, x := range c {
					if home[x] != home[c[0]] {
						t.Fatalf("n %d, %d merges: %d and %d apart", n, k+1, x, c[0])
					}
				}
			}
		}
	}
}

// Blocks hold every row once, none too many, and a far-off group stays whole.
func TestBlocks(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const n, inputs = 1000, 4
	rows := make([]float32, n*inputs)
	for i := range rows {
		rows[i] = float32(rng.NormFloat64()) * 0.1
		if i/inputs%5 < 2 && i%inputs == 1 {
			rows[i] += 3
		}
	}
	var all []int
	for _, part := range blocks(rows, n, inputs, 700) {
		if len(part) > 700 {
			t.Errorf("a block of %d", len(part))
		}
		for _, r := range part {
			if (r%5 < 2) != (part[0]%5 < 2) {
				t.Fatalf("rows %d and %d in a block", part[0], r)
			}
		}
		all = append(all, part...)
	}
	slices.Sort(all)
	if !slices.Equal(all, every(n, n)) {
		t.Errorf("%d rows in blocks, want %d", len(all), n)
	}
	for _, part := range blocks(make([]float32, n*inputs), n, inputs, 100) { // equal rows
		if len(part) > 100 {
			t.Errorf("a block of %d equal rows", len(part))
		}
	}
}

// The threshold is the median plus so many deviations: of 45 pairs 3.06 for 0.05/45.
func TestThreshold(t *testing.T) {
	sim := make([]float32, 45)
	for i := range sim {
		sim[i] = float32(i-22) / 100
	}
	sim[44] = 0.9 // what is related changes nothing
	got := threshold(slices.Clone(sim), 10, 1<<20, -1./9)
	if want := 0 + 0.15*3.0606; got < want-1e-3 || got > want+1e-3 {
		t.Errorf("threshold %g, want %g", got, want)
	}
	// As few inputs as 4 allow directions to be alike by chance: deviation (1+1/9)/2.
	got = threshold(sim, 10, 4, -1./9)
	if want := 5. / 9 * 3.0606; got < want-1e-3 || got > want+1e-3 {
		t.Errorf("threshold %g, want %g", got, want)
	}
}
