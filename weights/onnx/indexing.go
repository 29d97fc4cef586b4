package onnx

import (
	"errors"
	"fmt"
	"slices"
)

// The operators that take elements by their places, which are constants where images are involved.

func gather(s *Step) (*Value, error) {
	if err := s.operands(2); err != nil {
		return nil, err
	}
	x, at := s.In[0], s.In[1]
	d, err := axis(s.Int("axis", 0), len(x.Shape))
	if err != nil {
		return nil, err
	}
	shape := slices.Concat(x.Shape[:d], at.Shape, x.Shape[d+1:])
	out, fill, err := s.result(x.Type, shape)
	if !fill || err != nil {
		return out, err
	}
	list, err := at.Int64s()
	if err != nil {
		return nil, err
	}
	outer, n, inner := blocksOf(x.Shape, d)
	index := make([]int, 0, out.Len())
	for o := range outer {
		for _, i := range list {
			k, err := axis(i, n)
			if err != nil {
				return nil, fmt.Errorf("index %d of %d", i, n)
			}
			for j := range inner {
				index = append(index, (o*n+k)*inner+j)
			}
		}
	}
	return x.pick(shape, index, nil), nil
}

// scatterND puts slices of updates at the places that the last axis of indices names, the later
// ones over the earlier.
func scatterND(s *Step) (*Value, error) {
	if err := s.operands(3); err != nil {
		return nil, err
	}
	x, at, updates := s.In[0], s.In[1], s.In[2]
	if s.Text("reduction", "none") != "none" {
		return nil, fmt.Errorf("reduction %s", clip(s.Text("reduction", "")))
	}
	q := len(at.Shape)
	if q == 0 || at.Shape[q-1] > len(x.Shape) || updates.Type != x.Type {
		return nil, fmt.Errorf("indices of shape %v into %v", at.Shape, x.Shape)
	}
	k := at.Shape[q-1]
	if want := slices.Concat(at.Shape[:q-1], x.Shape[k:]); !slices.Equal(updates.Shape, want) {
		return nil, fmt.Errorf("updates of shape %v, want %v", updates.Shape, want)
	}
	out, fill, err := s.result(x.Type, x.Shape)
	if !fill || err != nil {
		return out, err
	}
	list, err := at.Int64s()
	if err != nil {
		return nil, err
	}
	// The places of a value that has x before updates.
	index := make([]int, x.Len())
	for i := range index {
		index[i] = i
	}
	own, size := strides(x.Shape), 1
	for _, n := range x.Shape[k:] {
		size *= n
	}
	for i := 0; i*k < len(list) && k > 0; i++ {
		base := 0
		for d, v := range list[i*k:][:k] {
			p, err := axis(v, x.Shape[d])
			if err != nil {
				return nil, fmt.Errorf("index %d of %d", v, x.Shape[d])
			}
			base += p * own[d]
		}
		for j := range size {
			index[base+j] = len(index) + i*size + j
		}
	}
	both := &Step{Node: &Node{Op: "Concat"}, Opset: s.Opset, In: []*Value{x.reshaped([]int{x.Len()}), updates.reshaped([]int{updates.Len()})}, budget: s.budget}
	both.Attributes = []*Attribute{{Name: "axis", I: 0}}
	all, err := concat(both)
	if err != nil {
		return nil, err
	}
	return all.pick(x.Shape, index, nil), nil
}

// triangular keeps the upper or lower triangle of matrices.
func triangular(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	rank := len(x.Shape)
	if rank < 2 {
		return nil, fmt.Errorf("a triangle of shape %v", x.Shape)
	}
	shift, err := s.FloatOr("", 1, 0)
	if err != nil {
		return nil, err
	}
	out, fill, err := s.result(x.Type, x.Shape)
	if !fill || err != nil {
		return out, err
	}
	rows, columns := x.Shape[rank-2], x.Shape[rank-1]
	upper := s.Int("upper", 1) != 0
	index := make([]int, x.Len())
	for i := range index {
		index[i] = i
		r, c := i/columns%rows, i%columns
		if d := float64(c-r) - shift; upper && d < 0 || !upper && d > 0 {
			index[i] = -1
		}
	}
	return x.pick(x.Shape, index, nil), nil
}

// nonZero are the places of elements that are not zero, a row for each axis.
func nonZero(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	if !x.isKnown {
		return nil, errors.New("the places of what depends on the input")
	}
	if err := s.made(x.Len() * (1 + len(x.Shape))); err != nil {
		return nil, err
	}
	var places []int
	for i, v := range x.doubles() {
		if v != 0 {
			places = append(places, i)
		}
	}
	own, out := strides(x.Shape), []int64{}
	for d, n := range x.Shape {
		for _, i := range places {
			out = append(out, int64(i/own[d]%n))
		}
	}
	return newInts(out...).reshaped([]int{len(x.Shape), len(places)}), nil
}

// sumSoFar is CumSum: the running sum along an axis.
func sumSoFar(s *Step) (*Value, error) {
	if err := s.operands(2); err != nil {
		return nil, err
	}
	x := s.In[0]
	which, err := s.In[1].Int64s()
	if err != nil {
		return nil, err
	}
	d, err := axes(which, len(x.Shape))
	if err != nil {
		return nil, err
	}
	if len(d) != 1 || s.Int("reverse", 0) != 0 || s.Int("exclusive", 0) != 0 {
		return nil, fmt.Errorf("a running sum along %v, reverse %d, exclusive %d", which, s.Int("reverse", 0), s.Int("exclusive", 0))
	}
	return s.along(x, d, func(row []float64) {
		for i := 1; i < len(row); i++ {
			row[i] += row[i-1]
		}
	})
}

// gatherND takes slices at the places that the last axis of indices names.
func gatherND(s *Step) (*Value, error) {
	if err := s.operands(2); err != nil {
		return nil, err
	}
	x, at := s.In[0], s.In[1]
	q, rank := len(at.Shape), len(x.Shape)
	batch := int(s.Int("batch_dims", 0))
	if q == 0 || batch < 0 || batch >= q || batch+at.Shape[q-1] > rank || !slices.Equal(at.Shape[:batch], x.Shape[:batch]) {
		return nil, fmt.Errorf("indices of shape %v into %v, %d axes of batch", at.Shape, x.Shape, batch)
	}
	k := at.Shape[q-1]
	shape := slices.Concat(at.Shape[:q-1], x.Shape[batch+k:])
	out, fill, err := s.result(x.Type, shape)
	if !fill || err != nil {
		return out, err
	}
	list, err := at.Int64s()
	if err != nil {
		return nil, err
	}
	own, size, batches := strides(x.Shape), 1, 1
	for _, n := range x.Shape[batch+k:] {
		size *= n
	}
	for _, n := range x.Shape[:batch] {
		batches *= n
	}
	index := make([]int, 0, out.Len())
	rows := 0
	if size > 0 {
		rows = out.Len() / size
	}
	for i := range rows {
		base := 0
		if batch > 0 {
			base = i / (rows / batches) * own[batch-1]
		}
		for d, v := range list[i*k:][:k] {
			p, err := axis(v, x.Shape[batch+d])
			if err != nil {
				return nil, fmt.Errorf("index %d of %d", v, x.Shape[batch+d])
			}
			base += p * own[batch+d]
		}
		for j := range size {
			index = append(index, base+j)
		}
	}
	return x.pick(shape, index, nil), nil
}

// gatherElements takes, at each place of indices, the element there with another place along an axis.
func gatherElements(s *Step) (*Value, error) {
	if err := s.operands(2); err != nil {
		return nil, err
	}
	x, at := s.In[0], s.In[1]
	d, err := axis(s.Int("axis", 0), len(x.Shape))
	if err != nil {
		return nil, err
	}
	if len(at.Shape) != len(x.Shape) {
		return nil, fmt.Errorf("indices of shape %v into %v", at.Shape, x.Shape)
	}
	for i, n := range at.Shape {
		if i != d && n > x.Shape[i] {
			return nil, fmt.Errorf("indices of shape %v into %v", at.Shape, x.Shape)
		}
	}
	out, fill, err := s.result(x.Type, at.Shape)
	if !fill || err != nil {
		return out, err
	}
	list, err := at.Int64s()
	if err != nil {
		return nil, err
	}
	own, steps := strides(x.Shape), strides(at.Shape)
	index := make([]int, len(list))
	for i, v := range list {
		p, err := axis(v, x.Shape[d])
		if err != nil {
			return nil, fmt.Errorf("index %d of %d", v, x.Shape[d])
		}
		for a := range at.Shape {
			k := i / steps[a] % at.Shape[a]
			if a == d {
				k = p
			}
			index[i] += k * own[a]
		}
	}
	return x.pick(at.Shape, index, nil), nil
}
