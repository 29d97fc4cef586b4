package saliency

import (
	"math"

	"cwox/internal/elementary"
)

// Output says how logits become probabilities, of classes and of compound classes. It is the
// only place that does.
type Output int

const (
	// Softmax is for classes that compete: p_c = exp z_c / sum exp z, and p(C) = sum p_c.
	Softmax Output = iota
	// Sigmoid is for classes that do not (multi-label): p_c = 1 / (1 + exp -z_c). The members
	// of a compound class are alternative names of one thing, of which at most one is right,
	// against that none is: the odds of exclusive alternatives add up, so that the compound's
	// logit is z_C = log sum exp z_c as it is under Softmax (paper section 4.1), and
	// p(C) = 1 / (1 + exp -z_C). It is never below the largest p_c, never above 1, and p_c for
	// a single class. Were the members independent, p(C) = 1 - prod (1 - p_c), the odds would
	// be larger by their products.
	Sigmoid
)

// String is "softmax" or "sigmoid".
func (o Output) String() string {
	if o == Sigmoid {
		return "sigmoid"
	}
	return "softmax"
}

// Probabilities are those of all classes.
func (o Output) Probabilities(logits []float32) []float64 {
	out := make([]float64, len(logits))
	if o == Sigmoid {
		for i, z := range logits {
			out[i] = sigmoid(float64(z))
		}
		return out
	}
	top := math.Inf(-1)
	for _, z := range logits {
		top = max(top, float64(z))
	}
	sum := 0.0
	for i, z := range logits {
		out[i] = elementary.Exp(float64(z) - top)
		sum += out[i]
	}
	for i := range out {
		out[i] /= sum
	}
	return out
}

// Compound is the probability of a compound class of members with the given probabilities.
func (o Output) Compound(members []float64) float64 {
	sum := 0.0
	if o != Sigmoid {
		for _, p := range members {
			sum += p
		}
		return sum
	}
	if len(members) == 1 {
		return members[0]
	}
	for _, p := range members {
		sum += p / (1 - p) // +Inf for 1
	}
	if math.IsInf(sum, 1) {
		return 1
	}
	return sum / (1 + sum)
}

func sigmoid(z float64) float64 {
	if z < 0 {
		e := elementary.Exp(z)
		return e / (1 + e)
	}
	return 1 / (1 + elementary.Exp(-z))
}

// columns are the probabilities that an explainer samples. Under Softmax a column is a class, and
// a target's probability the sum of its classes'. Otherwise probabilities do not add up: each
// target is a column of its own, and the result's sets has its classes.
func (in *Input) columns(reqs []Request) (*Input, []Request) {
	if in.Output == Softmax {
		return in, reqs
	}
	index := map[string]int{}
	var columns []Request
	var sets [][]int
	for _, req := range reqs {
		req.Targets = append([]Target(nil), req.Targets...)
		for i, t := range req.Targets {
			at, ok := index[t.key()]
			if !ok {
				at = len(sets)
				index[t.key()] = at
				sets = append(sets, t.Classes)
			}
			req.Targets[i] = Target{Classes: []int{at}}
		}
		columns = append(columns, req)
	}
	copied := *in
	copied.sets = sets
	return &copied, columns
}

// fill writes the probabilities of some columns.
func (in *Input) fill(dst []float64, logits []float32, columns []int) {
	if in.Output == Softmax {
		softmaxOf(logits, columns, dst)
		return
	}
	for i, c := range columns {
		dst[i] = sigmoid(Target{Classes: in.sets[c]}.Logit(logits))
	}
}

// softmaxOf writes the softmax probabilities of some classes.
func softmaxOf(logits []float32, classes []int, dst []float64) {
	top := math.Inf(-1)
	for _, z := range logits {
		top = max(top, float64(z))
	}
	sum := 0.0
	for _, z := range logits {
		sum += elementary.Exp(float64(z) - top)
	}
	for i, c := range classes {
		dst[i] = elementary.Exp(float64(logits[c])-top) / sum
	}
}
