package labeltree_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"cwox/cwox/labeltree"
	"cwox/hlta"
	"cwox/nn"
)

// headOf is a network whose last layer has these weight rows.
func headOf(t testing.TB, rows []float32, classes int) *nn.Model {
	t.Helper()
	inputs := len(rows) / classes
	g := nn.NewGraph(nn.Shape{C: 1, H: 2, W: 2})
	x := g.Conv("conv", g.Input(), nn.Conv{Weight: make([]float32, inputs), Out: inputs, Window: nn.Square(1, 1, 0)})
	x = g.MeanPool("pool", g.ReLU("relu", x))
	g.Linear("fc", x, rows, nil, classes)
	m, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// families are n rows of d numbers in which neighbours in families of a size share a direction:
// the cosine of two of a family is about share, of others about 0.
func families(n, d, size int, share float64) []float32 {
	rng := rand.New(rand.NewPCG(uint64(n), uint64(d)))
	noise := func() []float64 {
		x := make([]float64, d)
		for i := range x {
			x[i] = rng.NormFloat64()
		}
		return x
	}
	var rows []float32
	var common []float64
	for c := range n {
		if c%size == 0 {
			common = noise()
		}
		for i, v := range noise() {
			rows = append(rows, float32(math.Sqrt(share)*common[i]+math.Sqrt(1-share)*v))
		}
	}
	return rows
}

func TestFromWeights(t *testing.T) {
	nan := float32(math.NaN())
	inf := float32(math.Inf(1))
	for _, tt := range []struct {
		name    string
		rows    []float32
		classes int
		want    string // level 1
	}{
		{"one class", []float32{1, 2}, 1, "[[0]]"},
		{"two classes contrast as two clusters", []float32{1, 2, 1, 2.1}, 2, "[[0] [1]]"},
		{"two equal rows", []float32{1, 2, 1, 2}, 2, "[[0] [1]]"},
		{"three, two of them alike", families(4, 512, 2, 0.6)[:3*512], 3, "[[0 1] [2]]"},
		{"three unlike", families(3, 512, 1, 0), 3, "[[0] [1] [2]]"},
		{"three equal rows", []float32{1, 2, 1, 2, 1, 2}, 3, "[[0] [1] [2]]"},
		{"all zero", make([]float32, 40), 4, "[[0] [1] [2] [3]]"},
		{"pairs", families(10, 512, 2, 0.5), 10, "[[0 1] [2 3] [4 5] [6 7] [8 9]]"},
		{"two families of five", families(10, 512, 5, 0.5), 10, "[[0 1 2 3 4] [5 6 7 8 9]]"},
		{"random rows", families(10, 512, 1, 0), 10, "[[0] [1] [2] [3] [4] [5] [6] [7] [8] [9]]"},
		{"random rows, few inputs", families(10, 8, 1, 0), 10, "[[0] [1] [2] [3] [4] [5] [6] [7] [8] [9]]"},
		{"a common vector changes nothing", plus(families(10, 512, 2, 0.5), 512, 3), 10, "[[0 1] [2 3] [4 5] [6 7] [8 9]]"},
		{"nor does a scale", times(families(10, 512, 2, 0.5), 1e-6), 10, "[[0 1] [2 3] [4 5] [6 7] [8 9]]"},
		{"rows that are no numbers are like none", with(families(10, 512, 2, 0.5), map[int]float32{3: nan, 2*512 + 7: inf}), 10,
			"[[0] [1] [2] [3] [4 5] [6 7] [8 9]]"},
		{"a row of zeros", zeroed(families(10, 512, 2, 0.5), 512, 4), 10, "[[0 1] [2 3] [4] [5] [6 7] [8 9]]"},
	} {
		tree := labeltree.FromWeights(headOf(t, tt.rows, tt.classes), false)
		all := make([]int, tt.classes)
		for i := range all {
			all[i] = i
		}
		got, err := tree.CutClasses(all, 1)
		if err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("%s: clusters %v, %v, want %s", tt.name, got, err, tt.want)
		}
		if tt.classes > 1 && len(tree.Roots) < 2 {
			t.Errorf("%s: all classes in one cluster", tt.name)
		}
	}
}

func plus(rows []float32, inputs int, by float32) []float32 {
	for i := range rows {
		rows[i] += by * float32(1+i%inputs%3)
	}
	return rows
}

func times(rows []float32, by float32) []float32 {
	for i := range rows {
		rows[i] *= by
	}
	return rows
}

func with(rows []float32, values map[int]float32) []float32 {
	for at, v := range values {
		rows[at] = v
	}
	return rows
}

func zeroed(rows []float32, inputs, class int) []float32 {
	clear(rows[class*inputs:][:inputs])
	return rows
}

// Whatever the weights: a tree with every class once, and no level with all of them in one cluster.
func FuzzFromWeights(f *testing.F) {
	f.Add([]byte{1, 2, 3, 4, 5, 6, 7, 8}, uint8(3), uint8(2))
	f.Add([]byte{0, 0, 128, 127, 0, 0, 192, 127, 255, 255, 127, 127}, uint8(5), uint8(1))
	f.Fuzz(func(t *testing.T, data []byte, classes, inputs uint8) {
		n, d := 1+int(classes)%20, 1+int(inputs)%8
		rows := make([]float32, n*d)
		for i := range rows {
			var bits [4]byte
			for k := range bits {
				if len(data) > 0 {
					bits[k] = data[(4*i+k)%len(data)]
				}
			}
			rows[i] = math.Float32frombits(binary.LittleEndian.Uint32(bits[:]))
		}
		for _, independent := range []bool{false, true} {
			tree := labeltree.FromWeights(headOf(t, rows, n), independent)
			if words := tree.Words(); len(words) != n {
				t.Fatalf("%d words of %d classes", len(words), n)
			}
			for level := 1; level <= tree.Levels(); level++ {
				if k := count(homes(t, tree, n, level)); n > 1 && k < 2 {
					t.Fatalf("level %d: %d clusters of %d classes", level, k, n)
				}
			}
		}
	})
}

// Where classes do not compete a common part of the rows counts.
func TestFromWeightsIndependent(t *testing.T) {
	rows := plus(families(6, 512, 2, 0.5), 512, 3) // all much alike now
	tree := labeltree.FromWeights(headOf(t, rows, 6), true)
	if n := len(tree.Latents(1)); n < 2 {
		t.Errorf("%d clusters", n)
	}
	rows = families(6, 512, 2, 0.5)
	tree = labeltree.FromWeights(headOf(t, rows, 6), true)
	got, err := tree.CutClasses([]int{0, 1, 2, 3, 4, 5}, 1)
	if err != nil || fmt.Sprint(got) != "[[0 1] [2 3] [4 5]]" {
		t.Errorf("clusters %v, %v", got, err)
	}
}

// Levels coarsen, every class is in each, and a tree is written and read again.
func TestFromWeightsLevels(t *testing.T) {
	tree := labeltree.FromWeights(headOf(t, families(90, 256, 3, 0.6), 90), false)
	var sizes []int
	for level := 1; level <= tree.Levels(); level++ {
		sizes = append(sizes, len(tree.Latents(level)))
		if level > 1 {
			fine, coarse := homes(t, tree, 90, level-1), homes(t, tree, 90, level)
			above := map[int]int{}
			for c := range fine {
				if h, ok := above[fine[c]]; ok && h != coarse[c] {
					t.Fatalf("level %d: the cluster of class %d is torn apart", level, c)
				}
				above[fine[c]] = coarse[c]
			}
		}
	}
	if fmt.Sprint(sizes) != "[30 10 3]" {
		t.Errorf("clusters by level %v, want [30 10 3]", sizes)
	}
	if tree.HasParameters() {
		t.Error("a dendrogram has no probabilities")
	}
}

// More classes than one dendrogram holds: families are found all the same, but for those that
// a block's border cuts, in bounded time.
func TestFromWeightsOfManyClasses(t *testing.T) {
	if testing.Short() {
		t.Skip("long")
	}
	const n, size = 10_000, 4
	start := time.Now()
	tree := labeltree.FromWeights(headOf(t, families(n, 64, size, 0.95), n), false)
	home := homes(t, tree, n, 1)
	truth := make([]int, n)
	for c := range truth {
		truth[c] = c / size
	}
	ari := hlta.ARI(home, truth)
	t.Logf("%d classes: ARI %.3f, %v", n, ari, time.Since(start))
	if ari < 0.8 {
		t.Errorf("ARI %.3f of the families", ari)
	}
}

// TestNoRows wants a network without a row of weights for each class to have no class like another.
func TestNoRows(t *testing.T) {
	g := nn.NewGraph(nn.Shape{C: 3, H: 4, W: 4})
	branch := func(name string) *nn.Node {
		return g.Conv(name, g.Input(), nn.Conv{Weight: make([]float32, 30), Out: 10, Window: nn.Square(1, 1, 0)})
	}
	g.MeanPool("mean", g.Mul("product", branch("a"), branch("b")))
	m, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	groups, err := labeltree.FromWeights(m, false).Partition(1)
	if err != nil || len(groups) != 10 {
		t.Errorf("%v: %d clusters, want one for each class", err, len(groups))
	}
}
