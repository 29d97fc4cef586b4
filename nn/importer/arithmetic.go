package importer

import (
	"fmt"
	"math"
	"slices"

	"cwox/nn"
	"cwox/weights/onnx"
)

// operation is one of the four of arithmetic.
type operation int

const (
	addition operation = iota
	subtraction
	multiplication
	division
)

func arithmeticRow(op operation) row {
	return func(b *builder, s *onnx.Step) error {
		if len(s.In) != 2 || s.In[0] == nil || s.In[1] == nil {
			return fmt.Errorf("want two operands")
		}
		return b.arithmetic(s, op, s.In[0], s.In[1], b.tensors[s.In[0]], b.tensors[s.In[1]])
	}
}

// arithmetic appends an operation of two values, of which one may be a constant (no tensor).
func (b *builder) arithmetic(s *onnx.Step, op operation, x, y *onnx.Value, t, u *tensor) error {
	for i, v := range []*onnx.Value{x, y} {
		if []*tensor{t, u}[i] == nil && !v.Known() {
			return fmt.Errorf("reads %q, another input than the images", clip(v.Name()))
		}
	}
	if t != nil && u == nil && b.gelu(s, op, t, y) {
		return nil
	}
	switch {
	case t == nil:
		return b.withConstant(s, op, u, x, true)
	case u == nil:
		return b.withConstant(s, op, t, y, false)
	}
	node, g, err := b.together(s.Out[0], op, t, u)
	if err != nil {
		return err
	}
	if g == nil { // the elements lie as those of the operands
		rank := len(s.Out[0].Shape)
		dims, others := slices.Clone(t.ranked(rank).dims), u.ranked(rank).dims
		for d := range dims {
			if len(dims[d]) == 0 {
				dims[d] = others[d]
			}
		}
		b.set(s.Out[0], &tensor{node: node, dims: dims})
		return nil
	}
	b.set(s.Out[0], arranged(node, s.Out[0].Shape, *g, ""))
	return nil
}

// gelu makes one function of x / sqrt 2, Erf, + 1, * x, * 1/2, where nothing else reads what lies
// between.
func (b *builder) gelu(s *onnx.Step, op operation, t *tensor, y *onnx.Value) bool {
	is := func(v *onnx.Value, want float64) bool {
		x, err := v.Float64s()
		return err == nil && len(x) == 1 && math.Abs(x[0]-want) < 1e-6
	}
	if !(op == division && is(y, math.Sqrt2) || op == multiplication && is(y, math.Sqrt2/2)) {
		return false
	}
	chain := []*onnx.Step{s}
	for _, name := range []string{"Erf", "Add", "Mul", "Mul"} {
		next := b.next(chain[len(chain)-1].Out[0], name)
		if next == nil {
			return false
		}
		chain = append(chain, next)
	}
	other := func(i int) *onnx.Value { // the operand that does not come from the step before
		in := chain[i].In
		if in[0] == chain[i-1].Out[0] {
			return in[1]
		}
		return in[0]
	}
	if !is(other(2), 1) || other(3) != s.In[0] || !is(other(4), 0.5) {
		return false
	}
	for _, step := range chain[1:] {
		b.skip[step] = true
	}
	b.activate(chain[4], t, nn.Activation{Function: nn.GELU})
	return true
}

func (b *builder) binary(name string, op operation, x, y *nn.Node) *nn.Node {
	switch op {
	case addition:
		return b.Add(name, x, y)
	case subtraction:
		return b.Sub(name, x, y)
	case multiplication:
		return b.Mul(name, x, y)
	}
	return b.Div(name, x, y)
}

// together brings two tensors into one arrangement and appends the operation. The grouping is nil
// where neither had to be moved.
func (b *builder) together(out *onnx.Value, op operation, t, u *tensor) (*nn.Node, *grouping, error) {
	b.preprocessed(t)
	b.preprocessed(u)
	rank := len(out.Shape)
	x, y := t.ranked(rank), u.ranked(rank)
	if alike(x, y) {
		return b.binary(b.name(out), op, t.node, u.node), nil, nil
	}
	var tries []grouping
	for _, v := range []*tensor{x, y} {
		if g, ok := v.arrangement(); ok {
			tries = append(tries, g)
		}
	}
	first := 0
	for first < rank && isBatch(x.dims[first]) {
		first++
	}
	for _, g := range append(tries, segments(first, rank)...) {
		if !fits(x, y, g) {
			continue
		}
		p, err := b.as(x, g)
		if err != nil {
			return nil, nil, err
		}
		q, err := b.as(y, g)
		if err != nil {
			return nil, nil, err
		}
		return b.binary(b.name(out), op, p, q), &g, nil
	}
	return nil, nil, fmt.Errorf("shapes %v and %v cannot be brought together", t.shape(), u.shape())
}

func isBatch(dim []atom) bool { return len(dim) > 0 && dim[0].axis == batch }

// alike says that two tensors' nodes can be operands as they lie: each axis has the same atoms in
// both, or none in one, whose node then has length 1 there.
func alike(x, y *tensor) bool {
	p, q := x.node.Shape(), y.node.Shape()
	for axis := range 3 {
		if n, m := axisSize(p, axis), axisSize(q, axis); n != m && n != 1 && m != 1 {
			return false
		}
	}
	for d := range x.dims {
		a, c := x.dims[d], y.dims[d]
		if slices.Equal(a, c) {
			continue
		}
		if len(a) > 0 && len(c) > 0 {
			return false
		}
		// What only one of them has must be what the other's node repeats.
		for _, one := range append(slices.Clone(a), c...) {
			other := q
			if len(a) == 0 {
				other = p
			}
			if one.axis == batch || axisSize(other, one.axis) != 1 {
				return false
			}
		}
	}
	return true
}

// fits says that a grouping serves both tensors: each group is the same in both, or all of length
// 1 in one of them, and nothing is left out but the batch.
func fits(x, y *tensor, g grouping) bool {
	if x.covers(g) != nil || y.covers(g) != nil {
		return false
	}
	for _, list := range g {
		same, left, right := true, true, true
		for _, d := range list {
			n, m := length(x.dims[d]), length(y.dims[d])
			same, left, right = same && n == m, left && n == 1, right && m == 1
		}
		if !same && !left && !right {
			return false
		}
	}
	return true
}

// spread are the values of a constant of an ONNX shape, broadcast against the tensor, as the
// tensor's node has its elements: of a shape whose axes have length 1 where the constant does not
// depend on them.
func (t *tensor) spread(v *onnx.Value, shape []int) ([]float32, nn.Shape, error) {
	values, err := v.Float32s()
	if err != nil {
		return nil, nn.Shape{}, err
	}
	if len(shape) > len(t.dims) {
		return nil, nn.Shape{}, fmt.Errorf("a constant of shape %v with %v", shape, t.shape())
	}
	skip := len(t.dims) - len(shape)
	var needs [3]bool
	for d, n := range shape {
		dim := t.dims[skip+d]
		if n == 1 {
			continue
		}
		if n != length(dim) {
			return nil, nn.Shape{}, fmt.Errorf("a constant of shape %v with %v", shape, t.shape())
		}
		for _, a := range dim {
			if a.axis == batch {
				return nil, nn.Shape{}, fmt.Errorf("a constant of shape %v, which differs between the images of a batch", shape)
			}
			needs[a.axis] = true
		}
	}
	own := t.node.Shape()
	out := nn.Shape{C: 1, H: 1, W: 1}
	if needs[channels] {
		out.C = own.C
	}
	if needs[rowsAxis] {
		out.H = own.H
	}
	if needs[columns] {
		out.W = own.W
	}
	result := make([]float32, 0, out.Size())
	for c := range out.C {
		for y := range out.H {
			for x := range out.W {
				at := 0
				for d, n := range shape {
					at *= n
					if n > 1 {
						at += position(t.dims[skip+d], [3]int{c, y, x})
					}
				}
				result = append(result, values[at])
			}
		}
	}
	return result, out, nil
}

// affine appends x*scale + shift as a step's result.
func (b *builder) affine(s *onnx.Step, t *tensor, scale, shift []float32) {
	node := b.Affine(b.name(s.Out[0]), t.node, scale, shift)
	b.set(s.Out[0], &tensor{node: node, dims: t.dims, pre: t.pre.then(scale, shift)})
}

// withConstant appends an operation with a constant; left says that it is the first operand.
func (b *builder) withConstant(s *onnx.Step, op operation, t *tensor, v *onnx.Value, left bool) error {
	out := s.Out[0]
	if !slices.Equal(t.shape(), out.Shape) { // the constant is the larger
		var err error
		if t, err = b.enlarged(out, t); err != nil {
			return err
		}
	}
	shape := v.Shape
	if s.Opset < 7 && s.Int("broadcast", 0) != 0 && s.Attribute("axis") != nil {
		for at := axisOf(s, 0, len(out.Shape)); at+len(shape) < len(out.Shape); {
			shape = append(slices.Clone(shape), 1)
		}
	}
	for len(shape) > len(t.dims) && shape[0] == 1 {
		shape = shape[1:]
	}
	values, at, err := t.spread(v, shape)
	if err != nil {
		return err
	}
	if at.H != 1 || at.W != 1 {
		c := b.Constant(b.fresh(out.Name()), at, values)
		x, y := t.node, c
		if left {
			x, y = c, t.node
		}
		b.set(out, &tensor{node: b.binary(b.name(out), op, x, y), dims: t.dims})
		return nil
	}
	minus := func(x []float32) []float32 {
		out := make([]float32, len(x))
		for i := range x {
			out[i] = -x[i]
		}
		return out
	}
	switch {
	case op == addition:
		b.affine(s, t, nil, values)
	case op == subtraction && left:
		b.affine(s, t, []float32{-1}, values)
	case op == subtraction:
		b.affine(s, t, nil, minus(values))
	case op == multiplication:
		b.affine(s, t, values, nil)
	case left:
		node := b.Activation(b.fresh(out.Name()), t.node, nn.Activation{Function: nn.Reciprocal})
		b.affine(s, &tensor{node: node, dims: t.dims}, values, nil)
	default:
		inverse := make([]float32, len(values))
		for i, x := range values {
			inverse[i] = float32(1 / float64(x))
		}
		b.affine(s, t, inverse, nil)
	}
	return nil
}

// mostMade is the most elements of a constant that is made here: what the file does not pay for.
const mostMade = 1 << 24

func roomFor(elements int) error {
	if elements > mostMade {
		return fmt.Errorf("a constant of %d elements would be needed, at most %d are made", elements, mostMade)
	}
	return nil
}

// enlarged repeats a tensor to a value's shape.
func (b *builder) enlarged(out *onnx.Value, t *tensor) (*tensor, error) {
	if err := roomFor(out.Len()); err != nil {
		return nil, err
	}
	zeros := make([]float32, out.Len())
	u, err := b.stored(onnx.NewFloats(out.Shape, zeros))
	if err != nil {
		return nil, err
	}
	node, g, err := b.together(out, addition, t, u)
	if err != nil {
		return nil, err
	}
	if g == nil {
		return &tensor{node: node, dims: u.dims}, nil
	}
	return arranged(node, out.Shape, *g, ""), nil
}

func sum(b *builder, s *onnx.Step) error {
	if len(s.In) == 1 {
		return same(b, s)
	}
	acc, v := b.tensors[s.In[0]], s.In[0]
	for i, y := range s.In[1:] {
		step := *s
		if i < len(s.In)-2 {
			step.Out = []*onnx.Value{{Names: []string{b.fresh(s.Out[0].Name())}, Type: s.Out[0].Type, Shape: s.Out[0].Shape}}
		}
		if err := b.arithmetic(&step, addition, v, y, acc, b.tensors[y]); err != nil {
			return err
		}
		v = step.Out[0]
		acc = b.tensors[v]
	}
	return nil
}
