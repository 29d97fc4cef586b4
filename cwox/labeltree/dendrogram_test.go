package labeltree

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"cwox/nn"
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
		if got := fmt.Sprint(averageLink(slices.Clone(tt.sim), nil, tt.n)); got != tt.want {
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
		merges := averageLink(slices.Clone(sim), nil, n)
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

// A cluster of three counts three times: (3 x 0.25 + 0.5) / 4.
func TestAverageLinkOfSizes(t *testing.T) {
	got := fmt.Sprint(averageLink([]float32{0.75, 0.25, 0.5}, []int{3, 1, 2}, 3))
	if want := "[{0 1 0.75} {0 2 0.3125}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// Without all similarities in memory the merges above the cut are the same.
func TestSparseLink(t *testing.T) {
	const n, inputs, least = 300, 24, 0.25
	rng := rand.New(rand.NewPCG(5, 6))
	weight := make([]float32, n*inputs)
	for i := range weight {
		weight[i] = float32(rng.NormFloat64())
		if c := i / inputs; c%3 > 0 && i%inputs < 12 { // like the class before
			weight[i] = weight[i-inputs] + weight[i]/3
		}
	}
	g := nn.NewGraph(nn.Shape{C: 1, H: 1, W: 1})
	x := g.Conv("conv", g.Input(), nn.Conv{Weight: make([]float32, inputs), Out: inputs, Window: nn.Square(1, 1, 0)})
	g.Linear("fc", x, weight, nil, n)
	m, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	rows := unitRows(weight, n, inputs, true)
	dense := averageLink(similarities(m, rows, n, inputs), nil, n)
	k := 0
	for dense[k].similarity > least {
		k++
	}
	sparse, size := sparseLink(m, rows, n, inputs, least)
	if len(sparse) != k || k < 50 {
		t.Fatalf("%d merges, want %d", len(sparse), k)
	}
	for i, x := range sparse {
		if d := x.similarity - dense[i].similarity; d > 1e-5 || d < -1e-5 {
			t.Fatalf("merge %d: similarity %g, want %g", i, x.similarity, dense[i].similarity)
		}
	}
	want, _ := cut(n, dense[:k])
	got, clusters := cut(n, sparse)
	if !slices.Equal(got, want) {
		t.Error("other clusters")
	}
	total := 0
	for c, s := range size {
		total += s
		if s > 0 {
			clusters--
		}
		for i := 0; s > 0 && i < c; i++ {
			if got[i] == got[c] {
				t.Errorf("class %d counts %d, but class %d is its cluster's lowest", c, s, i)
			}
		}
	}
	if total != n || clusters != 0 {
		t.Errorf("sizes sum to %d, %d clusters too few", total, clusters)
	}
}

// The threshold is the median plus 1.2 times so many deviations: 4.26265 for 0.05/4950, 3.05880 for 0.05/45.
func TestThreshold(t *testing.T) {
	sim := make([]float32, 45)
	for i := range sim {
		sim[i] = float32(i-22) / 100
	}
	sim[44] = 0.9 // what is related changes nothing
	for _, tt := range []struct {
		name      string
		n, inputs int
		deviation float64
	}{
		{"the lower half's deviation", 100, 1 << 20, 0.15},
		{"not less than that of few random inputs", 100, 4, (1 + 1./99) / 2},
		{"nor for few classes", 10, 4, (1 + 1./9) / 2},
		{"which have at most twice that", 10, 900, 2 * (1 + 1./9) / 30},
		{"and else their own", 10, 100, 0.15},
	} {
		want := 1.2 * 4.26265 * tt.deviation
		if tt.n == 10 {
			want = 1.2 * 3.05880 * tt.deviation
		}
		if got := threshold(slices.Clone(sim), tt.n, tt.inputs, -1/float64(tt.n-1)); !(math.Abs(got-want) <= 1e-4) {
			t.Errorf("%s: %g, want %g", tt.name, got, want)
		}
	}
}
