package labeltree

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"cwox/hlta"
	"cwox/internal/elementary"
	"cwox/nn"
)

// FromWeights makes a label tree of a network's last linear layer alone: average link on the
// cosine of its weight rows, one a class. The package comment says how the cut is chosen and how
// well it agrees with trees learned from documents.
//
// Softmax sees a row only up to what all rows share, so their mean is taken off first;
// independent says that the classes do not compete (multi-label), where rows stand as they are.
// Rows that are zero or not finite are like no other. Above maxDendrogram classes merges below
// the cut are not looked for one by one, see sparseLink, and levels above the first exist only if
// it has at most so many clusters.
func FromWeights(m *nn.Model, independent bool) *hlta.Tree {
	weight, inputs := m.Head()
	n := m.Classes()
	if weight == nil { // no layer has a row for each class: none are known to be alike
		return levelsOf(n, nil, 1)
	}
	rows := unitRows(weight, n, inputs, !independent)
	null := 0.0 // of unit vectors that sum to zero and are all equally unlike
	if !independent && n > 1 {
		null = -1 / float64(n-1)
	}
	sample := every(n, maxDendrogram)
	sim := similarities(m, take(rows, inputs, sample), len(sample), inputs)
	least := threshold(slices.Clone(sim), n, inputs, null)
	if n <= maxDendrogram {
		return levelsOf(n, averageLink(sim, nil, n), least)
	}
	merges, size := sparseLink(m, rows, n, inputs, least)
	if clusters := n - len(merges); clusters <= maxDendrogram { // go on with these
		var lowest, sizes []int
		for c, k := range size {
			if k > 0 {
				lowest, sizes = append(lowest, c), append(sizes, k)
				for i := range inputs {
					rows[c*inputs+i] /= float32(k)
				}
			}
		}
		sim := similarities(m, take(rows, inputs, lowest), clusters, inputs)
		for _, x := range averageLink(sim, sizes, clusters) {
			merges = append(merges, merge{lowest[x.a], lowest[x.b], min(x.similarity, least)})
		}
	}
	return levelsOf(n, merges, least)
}

// maxDendrogram is the most items of one dendrogram: it bounds the similarities, 2 n^2 bytes, to
// 34 MB.
const maxDendrogram = 4096

// unitRows are the rows at length 1, without their mean if centred; a row without direction is
// zero.
func unitRows(weight []float32, n, inputs int, centred bool) []float32 {
	usable := make([]bool, n)
	mean := make([]float64, inputs)
	count := 0
	for c := range n {
		row := weight[c*inputs:][:inputs]
		if usable[c] = hasDirection(row); usable[c] && centred {
			count++
			for i, v := range row {
				mean[i] += float64(v)
			}
		}
	}
	for i := range mean {
		mean[i] /= float64(max(count, 1))
	}
	length := make([]float64, n)
	longest := 0.0
	for c := range n {
		if usable[c] {
			for i, v := range weight[c*inputs:][:inputs] {
				d := float64(v) - mean[i]
				length[c] += float64(d * d)
			}
			length[c] = math.Sqrt(length[c])
			longest = max(longest, length[c])
		}
	}
	out := make([]float32, n*inputs)
	for c := range n {
		if length[c] > shortest*longest {
			for i, v := range weight[c*inputs:][:inputs] {
				out[c*inputs+i] = float32((float64(v) - mean[i]) / length[c])
			}
		}
	}
	return out
}

// shortest is the length, relative to the longest row's, up to which a row is rounding error of
// float32 and has no direction.
const shortest = 1e-6

// hasDirection says whether a row is finite and not zero.
func hasDirection(row []float32) bool {
	zero := true
	for _, v := range row {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			return false
		}
		zero = zero && v == 0
	}
	return !zero
}

// take copies some of the rows.
func take(rows []float32, inputs int, some []int) []float32 {
	out := make([]float32, 0, len(some)*inputs)
	for _, c := range some {
		out = append(out, rows[c*inputs:][:inputs]...)
	}
	return out
}

// similarities are the inner products of all pairs of n rows, at pair(i, j).
func similarities(m *nn.Model, rows []float32, n, inputs int) []float32 {
	sim := make([]float32, n*(n-1)/2)
	allProducts(m, rows, n, inputs, func(row int, products []float32) {
		copy(sim[row*(row-1)/2:][:row], products)
	})
	return sim
}

// allProducts gives visit each of n rows' inner products with all of them, several at once. They
// are valid until it returns.
func allProducts(m *nn.Model, rows []float32, n, inputs int, visit func(row int, products []float32)) {
	const tall = 32
	product := m.NewProduct(rows, n, inputs)
	work := make(chan int)
	var group sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), (n+tall-1)/tall) {
		group.Go(func() {
			c := make([]float32, tall*product.Columns())
			for from := range work {
				height := min(tall, n-from)
				product.Mul(c, rows[from*inputs:], height)
				for i := range height {
					visit(from+i, c[i*product.Columns():][:n])
				}
			}
		})
	}
	for from := 0; from < n; from += tall {
		work <- from
	}
	close(work)
	group.Wait()
}

// threshold is the mean similarity above which two clusters are joined: a fifth more than any of
// the n(n-1)/2 pairs of unrelated classes would have, with a probability of 95 %, were these
// similarities normal (Bonferroni). Classes that are related beyond chance are not confused yet,
// as a cello and a guitar are not; the margin is where agreement with trees learned from documents
// is best. Most pairs of classes are unrelated, and those that are
// related lie above, so the lower half tells the distribution: its centre is the median, its
// standard deviation the median's distance from the quantile one deviation below, but never less
// than that of random directions, and of few classes at most twice as much: where they are all in
// families, these repel each other once the mean is taken off, and the lower half is wide. (Of the
// thousand classes of ResNet-50 and GoogLeNet it is 1.3 and 1.7 times as much, of the demo's 36 as
// much.) sim is a sample of all pairs, and is reordered.
//
// null is the similarity of classes that are all equally unlike: the range of similarities from
// there to 1 is what the deviation of random directions, 1/sqrt(inputs), is a share of.
func threshold(sim []float32, n, inputs int, null float64) float64 {
	if len(sim) == 0 {
		return math.Inf(1)
	}
	slices.Sort(sim)
	last := float64(len(sim) - 1)
	centre := float64(sim[int(last/2)])
	deviation := centre - float64(sim[int(math.Round(last*below))])
	random := (1 - null) / math.Sqrt(float64(inputs))
	if n < fewClasses {
		deviation = min(deviation, 2*random)
	}
	deviation = max(deviation, random)
	pairs := float64(n) * float64(n-1) / 2
	return centre + float64(margin*deviation*upperQuantile(mistaken/pairs))
}

const (
	below    = 0.15865525393145707 // P(x < -1) of a standard normal x
	mistaken = 0.05                // probability that any pair of unrelated classes is so similar
	margin   = 1.2                 // of the deviations above the centre

	fewClasses = 64
)

// upperQuantile is the x that a standard normal variable exceeds with probability p.
// (at most 1/4), by Newton's steps on the logarithm of that probability, which is the density times
// 1/(x + 1/(x + 2/(x + 3/...))) (Laplace).
func upperQuantile(p float64) float64 {
	x := 1.0
	for range 12 {
		fraction := x
		for k := 1000.0; k > 0; k-- {
			fraction = x + k/fraction
		}
		const logRoot = 0.9189385332046727 // ln sqrt(2 pi)
		x += (-float64(x*x/2) - logRoot - elementary.Log(fraction) - elementary.Log(p)) / fraction
	}
	return x
}

// every are n classes, or so many of them in equal steps.
func every(n, most int) []int {
	out := make([]int, min(n, most))
	for i := range out {
		out[i] = i * n / len(out)
	}
	return out
}

// levelsOf makes a tree of the cut of a dendrogram at a similarity, level 1, and of coarser ones:
// a level has a third of the clusters of the one below, as HLTA's trees of real networks have.
// No level has all classes in one cluster: their union has the probability 1 whatever the
// picture, and nothing to explain.
func levelsOf(n int, merges []merge, least float64) *hlta.Tree {
	taken := 0
	for taken < len(merges) && merges[taken].similarity > least && n-taken > 2 {
		taken++
	}
	var levels [][]int // class -> cluster
	var counts []int
	for len(levels) < maxLevels {
		home, count := cut(n, merges[:taken])
		levels, counts = append(levels, home), append(counts, count)
		fewer := (count + 1) / shrink // rounded
		if fewer < 2 || n-fewer > len(merges) {
			break
		}
		taken = n - fewer
	}
	t := &hlta.Tree{Provenance: hlta.Provenance{Method: Method, Words: n}}
	unknown := [2]float64{math.NaN(), math.NaN()}
	nodes := make([][]*hlta.Node, len(levels))
	for l, count := range counts {
		for i := range count {
			nodes[l] = append(nodes[l], &hlta.Node{ID: fmt.Sprintf("Z%d%d", l+1, i+1), Level: l + 1, P: unknown, Marginal: math.NaN()})
		}
	}
	for c := range n {
		z := nodes[0][levels[0][c]]
		fresh := len(z.Words) == 0 // a cluster is put in its place above with its lowest class
		for l := 1; fresh && l < len(levels); l++ {
			above := nodes[l][levels[l][c]]
			fresh = len(above.Children) == 0
			above.Children = append(above.Children, nodes[l-1][levels[l-1][c]])
		}
		z.Words = append(z.Words, hlta.Word{Name: hlta.ClassWord(c), P: unknown})
	}
	t.Roots = nodes[len(nodes)-1]
	return t
}

// Method is Provenance.Method of the trees of FromWeights.
const Method = "average link on the cosine of the last layer's weight rows"

const (
	maxLevels = 3
	shrink    = 3 // HLTA's trees: 268, 83, 27, 9 clusters for ResNet-50; 410, 146, 54, 22, 8 for GoogLeNet
)
