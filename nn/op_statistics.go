package nn

import (
	"cwox/internal/elementary"
	"fmt"
	"math"
)

// Normalise is a normalisation by the value's own statistics: (x-mean)/sqrt(variance+Eps), times
// Gamma plus Beta, both per channel (or one for all), nil for none.
type Normalise struct {
	Gamma, Beta []float32
	Eps         float64
}

// LayerNorm appends a normalisation of every pixel over its channels.
func (g *Graph) LayerNorm(name string, x *Node, n Normalise) *Node {
	return g.append(name, &statistics{Normalise: n}, x)
}

// GroupNorm appends a normalisation over groups of channels and the map. InstanceNorm is one
// with as many groups as channels; one group normalises everything together.
func (g *Graph) GroupNorm(name string, x *Node, groups int, n Normalise) *Node {
	return g.append(name, &statistics{Normalise: n, grouped: true, groups: groups}, x)
}

// Softmax appends exp(x_c) / sum over channels of exp(x), for every pixel.
func (g *Graph) Softmax(name string, x *Node) *Node { return g.append(name, &softmax{}, x) }

// LogSoftmax appends the logarithm of Softmax.
func (g *Graph) LogSoftmax(name string, x *Node) *Node { return g.append(name, &softmax{log: true}, x) }

// statistics is a normalisation over sets of elements.
type statistics struct {
	plain
	Normalise
	grouped bool
	groups  int // 0 where every pixel is a set
}

func (s *statistics) shape(in []Shape) (Shape, error) {
	c := in[0].C
	if s.grouped && (s.groups < 1 || c%s.groups != 0) {
		return in[0], fmt.Errorf("normalisation of %d channels in %d groups", c, s.groups)
	}
	if !(s.Eps >= 0) {
		return in[0], fmt.Errorf("normalisation with an epsilon of %g", s.Eps)
	}
	var err error
	if s.Gamma, err = perChannel("factors", s.Gamma, 1, c); err != nil {
		return in[0], err
	}
	s.Beta, err = perChannel("shifts", s.Beta, 0, c)
	return in[0], err
}

// moments are the mean of a set and 1/sqrt(variance + Eps).
func (s *statistics) moments(x []float64) (mean, scale float64) {
	for _, v := range x {
		mean += v / float64(len(x))
	}
	variance := 0.0
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x))
	}
	return mean, 1 / math.Sqrt(variance+s.Eps)
}

func (s *statistics) forward(l *layout, j *job) []step {
	if !s.grouped {
		return []step{newLayerNormStep(s, j.src(j.root.in[0]), j.dst)}
	}
	return []step{&setStep{dst: j.dst, groups: s.groups, in: []from{{view: j.src(j.root.in[0])}}, values: 2, f: func(v [][]float64, c0, area int) {
		mean, scale := s.moments(v[0])
		for k, x := range v[0] {
			c := c0 + k/area
			v[1][k] = float64((x-mean)*scale*float64(s.Gamma[c])) + float64(s.Beta[c])
		}
	}}}
}

// backward: y = d r with d = x - mean(x), r = (var + Eps)^-1/2, var = mean(d^2), and every
// change taken exactly between two values: that of a product is of each factor times the mean of
// the other, that of a function of one number the change of it over that of the number. Where
// the two values are the same it is the gradient, else DeepLIFT's. Excitation backprop passes
// unchanged, as by batch normalisation.
func (s *statistics) backward(b *descent, g *fused, sig view) {
	in := g.root.in[0]
	if b.rule >= Excitation {
		b.copy(in, sig, nil)
		return
	}
	b.contribute(in, func(dst view, res *view) step {
		return &setStep{dst: dst, res: res, groups: s.groups, in: b.changes(in, sig), values: 4, f: s.pass}
	})
}

func (s *statistics) pass(v [][]float64, c0, area int) {
	x, ref, sig, out := v[0], v[1], v[2], v[3]
	mean, r := s.moments(x)
	meanRef, rRef := s.moments(ref)
	n, sum, both := float64(len(x)), 0.0, 0.0
	for k := range sig {
		sig[k] *= float64(s.Gamma[c0+k/area])
		x[k] += ref[k] - mean - meanRef // d of both values
		sum += sig[k]
		both += float64(sig[k] * x[k] / 2)
	}
	slope := -(r * r * r) / 2 // of r by var
	if variance, other := 1/(r*r), 1/(rRef*rRef); math.Abs(variance-other) > 1e-9*(variance+other) {
		slope = (r - rRef) / (variance - other)
	}
	a := (r + rRef) / 2
	for k := range out {
		out[k] = float64(a*(sig[k]-float64(sum/n))) + float64(both*slope*x[k]/n)
	}
}

// softmax is exp over its sum over channels, or the logarithm of that.
type softmax struct {
	plain
	log bool
}

func (s *softmax) shape(in []Shape) (Shape, error) { return in[0], nil }
func (s *softmax) nonNegative(*Node) bool          { return !s.log }

func (s *softmax) forward(l *layout, j *job) []step {
	if !s.log {
		return []step{&softmaxStep{l.m.kernels, j.src(j.root.in[0]), j.dst}}
	}
	return []step{&setStep{dst: j.dst, in: []from{{view: j.src(j.root.in[0])}}, values: 2, f: func(v [][]float64, _, _ int) {
		x, out := v[0], v[1]
		top := largest(x)
		sum := exponentials(out, x, top)
		for k := range out {
			out[k] = x[k] - top - elementary.Log(sum)
		}
	}}}
}

// largest is the largest element, not a number if one is none.
func largest(x []float64) float64 {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, v)
	}
	return top
}

// exponentials writes exp(x - top) and returns the sum.
func exponentials(out, x []float64, top float64) (sum float64) {
	for k, v := range x {
		out[k] = elementary.Exp(v - top)
		sum += out[k]
	}
	return sum
}

// backward: y = e/S with e = exp(x), S the sum of e, or ln e - ln S, taken apart as in
// statistics. Excitation backprop passes unchanged, as by other activation functions.
func (s *softmax) backward(b *descent, g *fused, sig view) {
	in := g.root.in[0]
	if b.rule >= Excitation {
		b.copy(in, sig, nil)
		return
	}
	b.contribute(in, func(dst view, res *view) step {
		return &setStep{dst: dst, res: res, in: b.changes(in, sig), values: 6, f: s.pass}
	})
}

func (s *softmax) pass(v [][]float64, _, _ int) {
	x, ref, sig, e, f, out := v[0], v[1], v[2], v[3], v[4], v[5]
	top := max(largest(x), largest(ref))
	const least = 1e-300 // where all of one value is far below the other
	sum, sumRef := max(exponentials(e, x, top), least), max(exponentials(f, ref, top), least)
	signals, both := 0.0, 0.0
	for k, u := range sig {
		signals += u
		both += float64(u * (e[k] + f[k]) / 2)
	}
	perSum := 1 / sum // the change of ln S over that of S
	if math.Abs(sum-sumRef) > 1e-9*(sum+sumRef) {
		perSum = elementary.Log(sum/sumRef) / (sum - sumRef)
	}
	for k := range out {
		slope := e[k] // of exp
		if d := x[k] - ref[k]; d > 1e-9 || d < -1e-9 {
			slope = (e[k] - f[k]) / d
		}
		if s.log {
			out[k] = sig[k] - float64(signals*perSum*slope)
		} else {
			out[k] = (float64(sig[k]*(1/sum+1/sumRef)/2) - both/(sum*sumRef)) * slope
		}
	}
}
