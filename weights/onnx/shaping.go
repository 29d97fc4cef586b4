package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// The operators that make shapes and constants, and move elements.

func constant(s *Step) (*Value, error) {
	if len(s.Attributes) == 0 {
		return nil, errors.New("no value")
	}
	switch a := s.Attributes[0]; a.Name {
	case "value":
		if a.T == nil {
			return nil, errors.New("no value")
		}
		return a.T.Value(), nil
	case "value_float":
		return NewFloats(nil, []float32{a.F}), nil
	case "value_floats":
		f := a.Floats()
		return NewFloats([]int{len(f)}, f), nil
	case "value_int":
		return newInts(a.I).reshaped(nil), nil
	case "value_ints":
		return newInts(a.Ints...), nil
	default:
		return nil, fmt.Errorf("a constant by %s, which is not read", clip(a.Name))
	}
}

// Value is the tensor of the file, to be read when it is needed.
func (t *Tensor) Value() *Value {
	return &Value{Type: Type(t.kind), Shape: t.shape, isKnown: true, stored: t}
}

// dims are the elements of an operand as a shape.
func (s *Step) dims(i int) ([]int, error) {
	v := s.Operand(i)
	if v == nil {
		return nil, fmt.Errorf("operand %d is missing", i)
	}
	x, err := v.Int64s()
	if err != nil {
		return nil, err
	}
	return toShape(x)
}

func toShape(x []int64) ([]int, error) {
	if len(x) > mostRank {
		return nil, fmt.Errorf("a shape of %d axes, at most %d are read", len(x), mostRank)
	}
	out := make([]int, len(x))
	for i, d := range x {
		if d < -1 || d > mostElements {
			return nil, fmt.Errorf("shape %v: too large, or negative", x)
		}
		out[i] = int(d)
	}
	return out, nil
}

func constantOfShape(s *Step) (*Value, error) {
	shape, err := s.dims(0)
	if err != nil {
		return nil, err
	}
	fill := NewFloats([]int{1}, []float32{0})
	if a := s.Attribute("value"); a != nil && a.T != nil {
		fill = a.T.Value()
		if err := fill.want(); err != nil {
			return nil, err
		}
	}
	if fill.Len() != 1 {
		return nil, fmt.Errorf("a value of %d elements, want one", fill.Len())
	}
	out, _, err := s.result(fill.Type, shape)
	if err != nil {
		return nil, err
	}
	return fill.strided(out.Shape, make([]int, len(shape)), 0), nil
}

func numberRange(s *Step) (*Value, error) {
	if err := s.operands(3); err != nil {
		return nil, err
	}
	var x [3]float64
	for i := range x {
		v, err := s.In[i].Float64s()
		if err == nil && len(v) != 1 {
			err = fmt.Errorf("operand %d has %d elements, want one", i, len(v))
		}
		if err != nil {
			return nil, err
		}
		x[i] = v[0]
	}
	n := max(0, math.Ceil((x[1]-x[0])/x[2]))
	if !(n <= mostElements) {
		return nil, fmt.Errorf("a range from %g to %g by %g: too large", x[0], x[1], x[2])
	}
	out, _, err := s.result(s.In[0].Type, []int{int(n)})
	if err != nil {
		return nil, err
	}
	y := make([]float64, int(n))
	for i := range y {
		y[i] = x[0] + float64(float64(i)*x[2])
	}
	out.setDoubles(y)
	return out, nil
}

func shapeOf(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	shape := s.In[0].Shape
	n := int64(len(shape))
	bound := func(a int64) int64 {
		if a < 0 {
			a += n
		}
		return min(max(a, 0), n)
	}
	from, to := bound(s.Int("start", 0)), bound(s.Int("end", n))
	return newInts(convertInts(shape[from:max(from, to)])...), nil
}

func convertInts(x []int) []int64 {
	out := make([]int64, len(x))
	for i := range x {
		out[i] = int64(x[i])
	}
	return out
}

func sizeOf(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	return newInts(int64(s.In[0].Len())).reshaped(nil), nil
}

// same is an operator that changes nothing. Its result is its operand, with one more name.
func same(s *Step) (*Value, error) {
	return s.Operand(0), s.operands(1)
}

// dropout changes nothing either: networks are read as they predict. The mask is all true.
func dropout(s *Step) ([]*Value, error) {
	x, err := same(s)
	if err != nil {
		return nil, err
	}
	if len(s.Outputs) < 2 {
		return []*Value{x}, nil
	}
	t := Bool
	if s.Opset < 10 {
		t = x.Type
	}
	mask, fill, err := s.result(t, x.Shape)
	if fill && err == nil {
		mask.setDoubles(slices.Repeat([]float64{1}, x.Len()))
	}
	return []*Value{x, mask}, err
}

func reshape(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	list, err := s.IntsOr("shape", 1)
	if err != nil {
		return nil, err
	}
	shape, err := toShape(list)
	if err != nil {
		return nil, err
	}
	x := s.In[0]
	rest, open := 1, -1
	for d := range shape {
		if shape[d] == 0 && s.Int("allowzero", 0) == 0 {
			if d >= len(x.Shape) {
				return nil, fmt.Errorf("%v to %v: no axis %d to keep", x.Shape, list, d)
			}
			shape[d] = x.Shape[d]
		}
		if shape[d] < 0 {
			if open >= 0 {
				return nil, fmt.Errorf("%v to %v: two axes are open", x.Shape, list)
			}
			open = d
			continue
		}
		if shape[d] > 0 && rest > mostElements/shape[d] {
			return nil, fmt.Errorf("%v to %v: too large", x.Shape, list)
		}
		rest *= shape[d]
	}
	n := x.Len()
	if open >= 0 && rest > 0 {
		shape[open] = n / rest
		rest *= shape[open]
	}
	if rest != n || open >= 0 && shape[open] < 0 {
		return nil, fmt.Errorf("%v cannot become %v", x.Shape, list)
	}
	return x.reshaped(shape), nil
}

func flatten(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	a := s.Int("axis", 1)
	rank := int64(len(x.Shape))
	if a < -rank || a > rank {
		return nil, fmt.Errorf("axis %d of %d", a, rank)
	}
	if a < 0 {
		a += rank
	}
	rows, columns := 1, 1
	for d, n := range x.Shape {
		if d < int(a) {
			rows *= n
		} else {
			columns *= n
		}
	}
	return x.reshaped([]int{rows, columns}), nil
}

func squeeze(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	list, err := s.IntsOr("axes", 1)
	if err != nil {
		return nil, err
	}
	drop, err := axes(list, len(x.Shape))
	if err != nil {
		return nil, err
	}
	shape := []int{}
	for d, n := range x.Shape {
		switch {
		case list == nil && n == 1:
		case slices.Contains(drop, d):
			if n != 1 {
				return nil, fmt.Errorf("axis %d of %v is not 1", d, x.Shape)
			}
		default:
			shape = append(shape, n)
		}
	}
	return x.reshaped(shape), nil
}

func unsqueeze(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	list, err := s.IntsOr("axes", 1)
	if err != nil {
		return nil, err
	}
	if len(x.Shape)+len(list) > mostRank {
		return nil, fmt.Errorf("%d axes, at most %d are read", len(x.Shape)+len(list), mostRank)
	}
	added, err := axes(list, len(x.Shape)+len(list))
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(x.Shape)
	for _, d := range added {
		shape = slices.Insert(shape, d, 1)
	}
	return x.reshaped(shape), nil
}

// Permutation is that of a Transpose of so many axes.
func (s *Step) Permutation(rank int) ([]int, error) {
	a := s.Attribute("perm")
	perm := make([]int, rank)
	if a == nil {
		for d := range perm {
			perm[d] = rank - 1 - d
		}
		return perm, nil
	}
	if len(a.Ints) != rank {
		return nil, fmt.Errorf("perm %v of %d axes", a.Ints, rank)
	}
	sorted, err := axes(a.Ints, rank)
	if err != nil || len(sorted) != rank {
		return nil, fmt.Errorf("perm %v: not each axis once", a.Ints)
	}
	for d, p := range a.Ints {
		perm[d], _ = axis(p, rank)
	}
	return perm, nil
}

func transpose(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	perm, err := s.Permutation(len(x.Shape))
	if err != nil {
		return nil, err
	}
	shape, own, step := make([]int, len(perm)), strides(x.Shape), make([]int, len(perm))
	for d, p := range perm {
		shape[d], step[d] = x.Shape[p], own[p]
	}
	return s.moved(x, shape, step, 0)
}

// moved is strided within the budget. x is an operand.
func (s *Step) moved(x *Value, shape, stride []int, base int) (*Value, error) {
	_, fill, err := s.result(x.Type, shape)
	if err != nil {
		return nil, err
	}
	if !fill {
		return blank(x.Type, shape), nil
	}
	return x.strided(shape, stride, base), nil
}

// Cut is what Slice takes along an axis: Count elements from From on, every Step-th.
type Cut struct{ From, Count, Step int }

// Cuts are those of a Slice, an axis each, of an operand of the given shape.
func (s *Step) Cuts(shape []int) ([]Cut, error) {
	starts, err := s.IntsOr("starts", 1)
	ends, err2 := s.IntsOr("ends", 2)
	list, err3 := s.IntsOr("axes", 3)
	var steps []int64
	var err4 error
	if v := s.Operand(4); v != nil {
		steps, err4 = v.Int64s()
	}
	if err := errors.Join(err, err2, err3, err4); err != nil {
		return nil, err
	}
	out := make([]Cut, len(shape))
	for d, n := range shape {
		out[d] = Cut{0, n, 1}
	}
	if list == nil {
		for d := range starts {
			list = append(list, int64(d))
		}
	}
	if len(starts) != len(ends) || len(starts) != len(list) || steps != nil && len(steps) != len(list) {
		return nil, fmt.Errorf("%d starts, %d ends, %d axes, %d steps", len(starts), len(ends), len(list), len(steps))
	}
	for i, a := range list {
		d, err := axis(a, len(shape))
		if err != nil {
			return nil, err
		}
		step := int64(1)
		if steps != nil {
			step = steps[i]
		}
		if step == 0 {
			return nil, errors.New("a step of 0")
		}
		out[d] = cut(starts[i], ends[i], step, int64(shape[d]))
	}
	return out, nil
}

func cut(from, to, step, n int64) Cut {
	if from < 0 {
		from = max(from, -n-1) + n
	}
	if to < 0 {
		to = max(to, -n-1) + n
	}
	step = min(max(step, -mostElements), mostElements)
	var count int64
	if step > 0 {
		from, to = min(max(from, 0), n), min(max(to, 0), n)
		count = (to - from + step - 1) / step
	} else {
		from, to = min(max(from, 0), n-1), min(max(to, -1), n-1)
		count = (from - to - step - 1) / -step
	}
	return Cut{int(max(from, 0)), int(max(count, 0)), int(step)}
}

func slice(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	cuts, err := s.Cuts(x.Shape)
	if err != nil {
		return nil, err
	}
	shape, step, base := make([]int, len(cuts)), strides(x.Shape), 0
	for d, c := range cuts {
		shape[d] = c.Count
		base += c.From * step[d]
		step[d] *= c.Step
	}
	return s.moved(x, shape, step, base)
}

// blocksOf splits a shape at an axis: what comes before, the axis, and what comes after it.
func blocksOf(shape []int, d int) (outer, n, inner int) {
	outer, inner = 1, 1
	for i, k := range shape {
		switch {
		case i < d:
			outer *= k
		case i > d:
			inner *= k
		}
	}
	return outer, shape[d], inner
}

func concat(s *Step) (*Value, error) {
	if err := s.operands(max(1, len(s.In))); err != nil {
		return nil, err
	}
	x := s.In[0]
	d, err := axis(s.Int("axis", 1), len(x.Shape))
	if err != nil {
		return nil, err
	}
	shape := slices.Clone(x.Shape)
	shape[d] = 0
	for _, v := range s.In {
		if len(v.Shape) != len(shape) || v.Type != x.Type {
			return nil, fmt.Errorf("%v %v with %v %v", x.Type, x.Shape, v.Type, v.Shape)
		}
		for i, n := range v.Shape {
			if i == d {
				shape[d] += n
			} else if n != shape[i] {
				return nil, fmt.Errorf("shapes %v and %v along axis %d", x.Shape, v.Shape, d)
			}
		}
	}
	out, fill, err := s.result(x.Type, shape)
	if !fill || err != nil {
		return out, err
	}
	outer, _, inner := blocksOf(shape, d)
	out.set(out.Len(), func() {
		at := 0
		for o := range outer {
			for _, v := range s.In {
				n := v.Shape[d] * inner
				switch types[x.Type].kind {
				case inFloats:
					copy(out.f32[at:], v.f32[o*n:][:n])
				case inDoubles:
					copy(out.f64[at:], v.f64[o*n:][:n])
				default:
					copy(out.i64[at:], v.i64[o*n:][:n])
				}
				at += n
			}
		}
	})
	return out, nil
}

// Parts are the lengths that a Split makes of an axis of n.
func (s *Step) Parts(n int) ([]int, error) {
	list, err := s.IntsOr("split", 1)
	if err != nil {
		return nil, err
	}
	sizes, err := toShape(list)
	if err != nil {
		return nil, err
	}
	if list == nil {
		parts := len(s.Outputs)
		if k := s.Int("num_outputs", 0); k > 0 && k <= 1<<16 {
			parts = int(k)
		}
		if parts == 0 {
			return nil, errors.New("no results")
		}
		each := (n + parts - 1) / parts
		for left := n; len(sizes) < parts; left -= sizes[len(sizes)-1] {
			sizes = append(sizes, min(each, left))
		}
	}
	sum := 0
	for _, k := range sizes {
		if k < 0 {
			return nil, fmt.Errorf("parts %v", sizes)
		}
		sum += k
	}
	if sum != n || len(sizes) < len(s.Outputs) {
		return nil, fmt.Errorf("an axis of %d in parts of %v for %d results", n, sizes, len(s.Outputs))
	}
	return sizes, nil
}

func split(s *Step) ([]*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	d, err := axis(s.Int("axis", 0), len(x.Shape))
	if err != nil {
		return nil, err
	}
	parts, err := s.Parts(x.Shape[d])
	if err != nil {
		return nil, err
	}
	var out []*Value
	own, base := strides(x.Shape), 0
	for _, k := range parts {
		shape := slices.Clone(x.Shape)
		shape[d] = k
		v, err := s.moved(x, shape, own, base)
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		base += k * own[d]
	}
	return out, nil
}

func expand(s *Step) (*Value, error) {
	to, err := s.dims(1)
	if err != nil {
		return nil, err
	}
	x := s.In[0]
	shape, err := broadcast(x.Shape, to)
	if err != nil {
		return nil, err
	}
	if _, _, err := s.result(x.Type, shape); err != nil {
		return nil, err
	}
	return x.expanded(shape), nil
}

func tile(s *Step) (*Value, error) {
	times, err := s.dims(1)
	if err != nil {
		return nil, err
	}
	x := s.In[0]
	if len(times) != len(x.Shape) {
		return nil, fmt.Errorf("repeats %v of %v", times, x.Shape)
	}
	// An axis of n repeated k times is two axes, k of stride 0.
	own := strides(x.Shape)
	var two, step, shape []int
	for d, n := range x.Shape {
		two, step, shape = append(two, times[d], n), append(step, 0, own[d]), append(shape, times[d]*n)
	}
	if _, err := elements(two[:min(len(two), mostRank)]); err != nil || len(two) > mostRank {
		return nil, fmt.Errorf("repeats %v of %v: too large", times, x.Shape)
	}
	out, err := s.moved(x, two, step, 0)
	if err != nil {
		return nil, err
	}
	return out.reshaped(shape), nil
}

// Pads are what a Pad adds before and after each axis of so many.
func (s *Step) Pads(rank int) (before, after []int, err error) {
	name := "pads"
	if s.Opset < 2 {
		name = "paddings"
	}
	list, err := s.IntsOr(name, 1)
	var which []int64
	if v := s.Operand(3); v != nil && err == nil {
		which, err = v.Int64s()
	}
	if err != nil {
		return nil, nil, err
	}
	if which == nil {
		for d := range rank {
			which = append(which, int64(d))
		}
	}
	if len(list) != 2*len(which) {
		return nil, nil, fmt.Errorf("%d pads for %d axes, want %d", len(list), len(which), 2*len(which))
	}
	before, after = make([]int, rank), make([]int, rank)
	for i, a := range which {
		d, err := axis(a, rank)
		if err != nil {
			return nil, nil, err
		}
		for j, to := range [2][]int{before, after} {
			p := list[i+j*len(which)]
			if p < -mostElements || p > mostElements {
				return nil, nil, fmt.Errorf("padding of %d", p)
			}
			to[d] = int(p)
		}
	}
	return before, after, nil
}

func pad(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	before, after, err := s.Pads(len(x.Shape))
	if err != nil {
		return nil, err
	}
	mode := s.Text("mode", "constant")
	shape := make([]int, len(x.Shape))
	from := make([][]int, len(shape)) // of each axis: what each place takes, -1 for the fill
	for d, n := range x.Shape {
		if shape[d] = before[d] + n + after[d]; shape[d] < 0 {
			return nil, fmt.Errorf("pads %v and %v of %v", before, after, x.Shape)
		}
		if mode == "reflect" && max(before[d], after[d]) >= n || n == 0 && mode != "constant" {
			return nil, fmt.Errorf("%s pads %v and %v of %v", mode, before, after, x.Shape)
		}
	}
	out, fill, err := s.result(x.Type, shape)
	if !fill || err != nil {
		return out, err
	}
	value := s.Operand(2)
	if value == nil {
		value = blank(x.Type, nil)
		value.setDoubles([]float64{s.Float("value", 0)})
	}
	if value.Len() != 1 || value.Type != x.Type {
		return nil, fmt.Errorf("a fill of %v %v", value.Type, value.Shape)
	}
	for d, n := range x.Shape {
		for i := range shape[d] {
			from[d] = append(from[d], padded(i-before[d], n, mode))
		}
	}
	own := strides(x.Shape)
	index := make([]int, out.Len())
	for i := range index {
		rest, at := i, 0
		for d := len(shape) - 1; d >= 0; d-- {
			k := from[d][rest%shape[d]]
			rest /= shape[d]
			if k < 0 {
				at = -1
				break
			}
			at += k * own[d]
		}
		index[i] = at
	}
	return x.pick(shape, index, value), nil
}

// padded is what lies at place i of an axis of n that goes on beyond its ends; -1 for nothing.
func padded(i, n int, mode string) int {
	if i >= 0 && i < n {
		return i
	}
	switch mode {
	case "edge":
		return min(max(i, 0), n-1)
	case "wrap":
		return (i%n + n) % n
	case "reflect":
		if i < 0 {
			return -i
		}
		return 2*(n-1) - i
	}
	return -1
}

func depthToSpace(s *Step) (*Value, error) {
	x, b, err := s.blocks()
	if err != nil {
		return nil, err
	}
	n, c, h, w := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	if c%(b*b) != 0 {
		return nil, fmt.Errorf("%d channels in blocks of %d", c, b)
	}
	c /= b * b
	out := []int{n, c, h, b, w, b}
	size := h * w
	step := []int{c * b * b * size, size, w, b * c * size, 1, c * size} // [b][b][c][h][w]
	if s.Text("mode", "DCR") == "CRD" {
		step = []int{c * b * b * size, b * b * size, w, b * size, 1, size}
	}
	v, err := s.moved(x, out, step, 0)
	if err != nil {
		return nil, err
	}
	return v.reshaped([]int{n, c, h * b, w * b}), nil
}

func spaceToDepth(s *Step) (*Value, error) {
	x, b, err := s.blocks()
	if err != nil {
		return nil, err
	}
	n, c, h, w := x.Shape[0], x.Shape[1], x.Shape[2], x.Shape[3]
	if h%b != 0 || w%b != 0 {
		return nil, fmt.Errorf("a %dx%d map in blocks of %d", h, w, b)
	}
	v, err := s.moved(x, []int{n, b, b, c, h / b, w / b}, []int{c * h * w, w, 1, h * w, b * w, b}, 0)
	if err != nil {
		return nil, err
	}
	return v.reshaped([]int{n, c * b * b, h / b, w / b}), nil
}

// blocks is the operand, of four axes, and the side of the blocks.
func (s *Step) blocks() (*Value, int, error) {
	if err := s.operands(1); err != nil {
		return nil, 0, err
	}
	b := s.Int("blocksize", 0)
	if b < 1 || b > 1<<10 || len(s.In[0].Shape) != 4 {
		return nil, 0, fmt.Errorf("blocks of %d in %v", b, s.In[0].Shape)
	}
	return s.In[0], int(b), nil
}
