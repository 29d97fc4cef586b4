package labeltree

import (
	"math"

	"cwox/hlta"
	"cwox/nn"
)

// Doubtful says that the weights of the network's last layer do not bear the tree out: the rows
// of classes that share a level-1 latent are no more alike than rows in general, as if the tree
// were that of other classes. ResNet-50's and GoogLeNet's are, for both published trees, by 8 to
// 10 standard errors. It is false where there are too few pairs to tell, and no proof where it is
// false.
func (f *Fit) Doubtful(m *nn.Model) bool {
	z, pairs := f.kinship(m)
	return pairs >= leastPairs && z < leastKinship
}

const (
	leastPairs   = 50  // in clusters, below which chance decides
	leastKinship = 3   // standard errors
	mostPairs    = 128 // that are looked at, of each kind
)

// kinship is how much more alike the rows of classes in one cluster are than those of classes in
// neighbouring clusters of the list, in standard errors of the mean difference.
func (f *Fit) kinship(m *nn.Model) (z float64, pairs int) {
	groups, err := f.tree.Partition(1)
	if err != nil {
		return 0, 0
	}
	class := map[string]int{}
	for c, w := range f.words {
		class[w] = c
	}
	var within, apart [][2]int
	var before hlta.Group
	for _, g := range groups {
		for i, w := range g.Words {
			for _, other := range g.Words[:i] {
				within = append(within, [2]int{class[w], class[other]})
			}
			for _, other := range before.Words {
				apart = append(apart, [2]int{class[w], class[other]})
			}
		}
		before = g
	}
	if len(within) == 0 || len(apart) == 0 {
		return 0, 0
	}
	weight, inputs := m.Head()
	if weight == nil {
		return 0, 0
	}
	meanIn, errorIn := cosines(weight, inputs, within)
	meanOut, errorOut := cosines(weight, inputs, apart)
	return (meanIn - meanOut) / math.Sqrt(errorIn+errorOut), min(len(within), mostPairs)
}

// cosines are the mean cosine of some of the pairs of rows, evenly spaced, and the square of its
// standard error.
func cosines(weight []float32, inputs int, pairs [][2]int) (mean, squaredError float64) {
	some := every(len(pairs), mostPairs)
	sum, squares := 0.0, 0.0
	for _, k := range some {
		a, b := weight[pairs[k][0]*inputs:][:inputs], weight[pairs[k][1]*inputs:][:inputs]
		var ab, aa, bb float64
		for i, x := range a {
			ab += float64(float64(x) * float64(b[i]))
			aa += float64(float64(x) * float64(x))
			bb += float64(float64(b[i]) * float64(b[i]))
		}
		if c := ab / math.Sqrt(aa*bb); !math.IsNaN(c) {
			sum += c
			squares += float64(c * c)
		}
	}
	n := float64(len(some))
	mean = sum / n
	return mean, (squares/n - float64(mean*mean)) / n
}
