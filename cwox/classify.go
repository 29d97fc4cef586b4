package cwox

import (
	"fmt"
	"slices"

	"cwox/cwox/saliency"
)

// Softmax is the softmax of float32 logits in float64.
func Softmax(logits []float32) []float64 { return saliency.Softmax.Probabilities(logits) }

// Output says how the classifier's logits become probabilities.
func (c *Classifier) Output() saliency.Output {
	if c.MultiLabel {
		return saliency.Sigmoid
	}
	return saliency.Softmax
}

// BinaryLabels names the two classes of a network with one logit (zoo.TwoClasses): "not crack" and
// "crack" of one name; two names are those of the absent and the present class, as of two folders.
func BinaryLabels(labels []string) []string {
	switch {
	case len(labels) == 1 && labels[0] != "":
		return []string{"not " + labels[0], labels[0]}
	case len(labels) == 2:
		return labels
	}
	return []string{"negative", "positive"}
}

// Rank lists all classes by descending probability, ties by ascending index.
func Rank(prob []float64) []int {
	order := make([]int, len(prob))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int {
		switch {
		case prob[a] > prob[b]:
			return -1
		case prob[a] < prob[b]:
			return 1
		}
		return 0
	})
	return order
}

// Cum is Cum(t): the least number of top classes whose probabilities sum to more than t
// (paper section 5); all of them where rounding keeps the sum at t. ranked is Rank(prob).
func Cum(prob []float64, ranked []int, t float64) int {
	sum := 0.0
	for k, c := range ranked {
		sum += prob[c]
		if sum > t {
			return k + 1
		}
	}
	return len(ranked)
}

// Cum is the least number of top classes that say it all: Cum(t) where classes compete; in a
// multi-label classifier those that are more probable than not, whatever t is, but the first in
// any case.
func (c *Classifier) Cum(prob []float64, ranked []int, t float64) int {
	if c.MultiLabel {
		return likely(prob, ranked)
	}
	return Cum(prob, ranked, t)
}

// likely is the number of classes that are more probable than not, at least 1.
func likely(prob []float64, ranked []int) int {
	k := 1
	for k < len(ranked) && prob[ranked[k]] > 0.5 {
		k++
	}
	return k
}

// Defaults of the number of explained classes: min(TopK, Cum(Cumulative)).
const (
	DefaultTopK       = 5
	DefaultCumulative = 0.95
)

// pick chooses the classes to explain, by rank.
func (o *Options) pick(prob []float64) ([]int, error) {
	ranked := Rank(prob)
	if chosen := o.chosen(); len(chosen) > 0 {
		in := map[int]bool{}
		for _, c := range chosen {
			if c < 0 || c >= len(prob) {
				return nil, fmt.Errorf("cwox: class %d: the model has classes 0 to %d", c, len(prob)-1)
			}
			if in[c] {
				return nil, fmt.Errorf("cwox: class %d is given twice", c)
			}
			in[c] = true
		}
		return slices.DeleteFunc(ranked, func(c int) bool { return !in[c] }), nil
	}
	k := len(ranked)
	if o.TopK > 0 {
		k = min(k, o.TopK)
	}
	if o.Cumulative > 0 {
		k = min(k, o.cum(prob, ranked, o.Cumulative))
	}
	if o.TopK == 0 && o.Cumulative == 0 {
		k = min(k, DefaultTopK, o.cum(prob, ranked, DefaultCumulative))
	}
	return ranked[:k], nil
}

// cum is Classifier.Cum.
func (o *Options) cum(prob []float64, ranked []int, t float64) int {
	return (&Classifier{MultiLabel: o.multiLabel}).Cum(prob, ranked, t)
}

// chosen are the classes given by hand, in any order; nil where none are.
func (o *Options) chosen() []int {
	if len(o.Clusters) == 0 {
		return o.Classes
	}
	return slices.Concat(o.Clusters...)
}

// cut groups the classes, given by rank, into confusion clusters: in order of first
// appearance, members by rank.
func (o *Options) cut(top []int) ([][]int, error) {
	if len(o.Clusters) == 0 {
		if o.Tree == nil {
			return [][]int{top}, nil
		}
		if o.use == nil { // nothing to match it with
			return o.Tree.CutClasses(top, o.Level)
		}
		clusters, err := o.use.fit.Cut(top, o.Level)
		if err != nil {
			return nil, fmt.Errorf("cwox: %w", err)
		}
		return clusters, nil
	}
	home := map[int]int{}
	for i, cluster := range o.Clusters {
		if len(cluster) == 0 {
			return nil, fmt.Errorf("cwox: cluster %d of %d given is empty", i+1, len(o.Clusters))
		}
		for _, c := range cluster {
			home[c] = i
		}
	}
	if len(o.Classes) > 0 {
		for _, c := range o.Classes {
			if _, ok := home[c]; !ok {
				return nil, fmt.Errorf("cwox: class %d is to be explained, but is in none of the clusters given", c)
			}
		}
		if len(o.Classes) != len(home) {
			return nil, fmt.Errorf("cwox: %d classes are to be explained, but the clusters given hold %d", len(o.Classes), len(home))
		}
	}
	var clusters [][]int
	at := map[int]int{}
	for _, c := range top {
		i, ok := at[home[c]]
		if !ok {
			i = len(clusters)
			at[home[c]] = i
			clusters = append(clusters, nil)
		}
		clusters[i] = append(clusters[i], c)
	}
	return clusters, nil
}

// compound is p(C) and z_C of a set of classes (paper section 4.1).
func compound(classes []int, in *saliency.Input) (p, z float64) {
	members := make([]float64, len(classes))
	for i, c := range classes {
		members[i] = in.Prob[c]
	}
	return in.Output.Compound(members), saliency.Target{Classes: classes}.Logit(in.Logits)
}
