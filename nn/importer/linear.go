package importer

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"cwox/nn"
	"cwox/weights/onnx"
)

// image is the first operand as a map: [images][C][H][W], or one axis fewer.
func (b *builder) image(s *onnx.Step) (*nn.Node, *tensor, error) {
	t, err := b.of(s, 0)
	if err != nil {
		return nil, nil, err
	}
	b.preprocessed(t)
	node, err := b.as(t, standard(len(t.dims)))
	return node, t, err
}

// map_ sets a step's result, a map.
func (b *builder) map_(s *onnx.Step, node *nn.Node) {
	shape := s.Out[0].Shape
	b.set(s.Out[0], arranged(node, shape, standard(len(shape)), ""))
}

// window is that of a convolution or pooling. One of a single axis looks along the columns.
func window(s *onnx.Step, spatial, kernel []int) (nn.Window, *onnx.Window, error) {
	w, err := s.Window(spatial, kernel)
	if err != nil {
		return nn.Window{}, nil, err
	}
	at := func(list []int, axis, otherwise int) int {
		if axis += len(list) - 2; axis < 0 {
			return otherwise
		}
		return list[axis]
	}
	if len(spatial) > 2 {
		return nn.Window{}, nil, fmt.Errorf("%d spatial axes, pictures have two", len(spatial))
	}
	return nn.Window{
		KH: at(w.Kernel, 0, 1), KW: at(w.Kernel, 1, 1), StrideH: at(w.Stride, 0, 1), StrideW: at(w.Stride, 1, 1),
		DilationH: at(w.Dilation, 0, 1), DilationW: at(w.Dilation, 1, 1),
		Top: at(w.Before, 0, 0), Left: at(w.Before, 1, 0), Bottom: at(w.After, 0, 0), Right: at(w.After, 1, 0),
	}, w, nil
}

func conv(b *builder, s *onnx.Step) error {
	node, _, err := b.image(s)
	if err != nil {
		return err
	}
	weight, err := constant(s, 1)
	if err != nil {
		return err
	}
	var bias []float32
	if s.Operand(2) != nil {
		if bias, err = constant(s, 2); err != nil {
			return err
		}
	}
	shape := s.In[1].Shape
	w, _, err := window(s, s.In[0].Shape[2:], shape[2:])
	if err != nil {
		return err
	}
	extra := b.padding[s.In[0]]
	w.Top, w.Left, w.Bottom, w.Right = w.Top+extra[0], w.Left+extra[1], w.Bottom+extra[2], w.Right+extra[3]
	out, bias, err := b.withBias(s, bias, shape[0], 1)
	if err != nil {
		return err
	}
	c := nn.Conv{Weight: weight, Bias: bias, Out: shape[0], Groups: int(s.Int("group", 1)), Window: w}
	node = b.Conv(b.name(out), node, c)
	b.set(out, arranged(node, out.Shape, standard(len(out.Shape)), ""))
	return nil
}

// withBias looks whether a step's result is read by nothing but an addition of a constant for
// each element of an axis: then that is the bias, and the step's result the sum.
func (b *builder) withBias(s *onnx.Step, bias []float32, n, d int) (*onnx.Value, []float32, error) {
	out := s.Out[0]
	next := b.next(out, "Add")
	if bias != nil || next == nil || len(next.In) != 2 || !slices.Equal(next.Out[0].Shape, out.Shape) || next.Opset < 7 {
		return out, bias, nil
	}
	v := next.In[1-slices.Index(next.In, out)]
	at := len(v.Shape) - len(out.Shape) + d // of the axis, counted in the constant
	if !v.Known() || v.Len() != n || at < 0 || v.Shape[at] != n {
		return out, bias, nil
	}
	x, err := v.Float32s()
	b.skip[next] = true
	return next.Out[0], x, err
}

// matrix is a constant [in][out] of a linear layer, or its transpose, times alpha.
type matrix struct {
	data       []float32
	in, out    int
	transposed bool // data is [out][in]
	alpha      float32
}

func (m *matrix) at(i, o int) float32 {
	if m.transposed {
		return m.data[o*m.in+i] * m.alpha
	}
	return m.data[i*m.out+o] * m.alpha
}

// rows is the matrix as [out][in], its columns in the order that places gives them in.
func (m *matrix) rows(places func(yield func(from int))) []float32 {
	order := make([]int, 0, m.in)
	natural := true
	places(func(from int) {
		natural = natural && from == len(order)
		order = append(order, from)
	})
	if natural && m.transposed && m.alpha == 1 {
		return m.data
	}
	out := make([]float32, 0, m.out*m.in)
	for o := range m.out {
		for _, from := range order {
			out = append(out, m.at(from, o))
		}
	}
	return out
}

// linear appends the product of the tensor's last axis with a matrix. out is a value of the
// result's shape.
func (b *builder) linear(out *onnx.Value, t *tensor, m *matrix, bias []float32) error {
	b.preprocessed(t)
	last := len(t.dims) - 1
	dim, shape := t.dims[last], t.node.Shape()
	all := length(dim) == shape.Size() && !slices.ContainsFunc(dim, func(a atom) bool { return a.axis == batch })
	if !all && !t.ofAxis(dim, channels) {
		if _, err := b.as(t, alone(t, last)); err != nil {
			return err
		}
		dim, shape = t.dims[last], t.node.Shape()
	}
	if all {
		weight := m.rows(func(yield func(from int)) { // the elements of the whole map, in whatever order they lie
			for c := range shape.C {
				for y := range shape.H {
					for x := range shape.W {
						yield(position(dim, [3]int{c, y, x}))
					}
				}
			}
		})
		node := b.Linear(b.name(out), t.node, weight, bias, m.out)
		b.set(out, arranged(node, out.Shape, grouping{{last}}, ""))
		return nil
	}
	weight := m.rows(func(yield func(from int)) {
		for c := range m.in {
			yield(position(dim, [3]int{c}))
		}
	})
	node := b.Conv(b.name(out), t.node, nn.Conv{Weight: weight, Bias: bias, Out: m.out, Window: nn.Square(1, 1, 0)})
	result := &tensor{node: node, dims: slices.Clone(t.dims)}
	result.dims[last] = whole(node.Shape(), channels)
	b.set(out, result)
	return nil
}

func gemm(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	if s.Int("transA", 0) != 0 {
		t = t.permuted([]int{1, 0})
	}
	if s.In[1] == nil || !s.In[1].Known() {
		return errors.New("a product of two tensors that depend on the input")
	}
	data, err := constant(s, 1)
	if err != nil {
		return err
	}
	shape := s.In[1].Shape
	m := &matrix{data: data, in: shape[0], out: shape[1], alpha: float32(s.Float("alpha", 1))}
	if s.Int("transB", 0) != 0 {
		m.in, m.out, m.transposed = shape[1], shape[0], true
	}
	var bias []float32
	if c := s.Operand(2); c != nil {
		x, err := constant(s, 2)
		if err != nil {
			return err
		}
		if len(x) != 1 && len(x) != m.out || len(c.Shape) > 1 && c.Shape[len(c.Shape)-1] != len(x) {
			return fmt.Errorf("a bias of shape %v for %d results", c.Shape, m.out)
		}
		bias = make([]float32, m.out)
		for i := range bias {
			bias[i] = x[min(i, len(x)-1)] * float32(s.Float("beta", 1))
		}
	}
	out, bias, err := b.withBias(s, bias, m.out, len(s.Out[0].Shape)-1)
	if err != nil {
		return err
	}
	return b.linear(out, t, m, bias)
}

func matMul(b *builder, s *onnx.Step) error {
	if len(s.In) != 2 || s.In[0] == nil || s.In[1] == nil {
		return errors.New("want two operands")
	}
	if !s.In[1].Known() {
		return b.product(s)
	}
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	shape := s.In[1].Shape
	for len(shape) > 2 && shape[0] == 1 {
		shape = shape[1:]
	}
	if len(shape) > 2 {
		return b.product(s)
	}
	if len(shape) == 1 { // a vector: its column is left out of the result
		return b.vector(s, t)
	}
	data, err := constant(s, 1)
	if err != nil {
		return err
	}
	m := &matrix{data: data, in: shape[0], out: shape[1], alpha: 1}
	out, bias, err := b.withBias(s, nil, m.out, len(s.Out[0].Shape)-1)
	if err != nil {
		return err
	}
	return b.linear(out, t, m, bias)
}

// vector is a product with a constant vector.
func (b *builder) vector(s *onnx.Step, t *tensor) error {
	data, err := constant(s, 1)
	if err != nil {
		return err
	}
	out := s.Out[0]
	column := &onnx.Value{Names: []string{b.fresh(out.Name())}, Type: out.Type, Shape: append(slices.Clone(out.Shape), 1)}
	if err := b.linear(column, t, &matrix{data: data, in: len(data), out: 1, alpha: 1}, nil); err != nil {
		return err
	}
	v, err := b.reshaped(b.tensors[column], out.Shape)
	if err == nil {
		b.set(out, v)
	}
	return err
}

// product is a matrix product of two tensors: attention. The axes before the last two become
// channels.
func (b *builder) product(s *onnx.Step) error {
	out := s.Out[0].Shape
	rank := len(out)
	if rank < 2 {
		return fmt.Errorf("a product of shapes %v and %v", s.In[0].Shape, s.In[1].Shape)
	}
	var nodes [2]*nn.Node
	var g grouping
	for i, v := range s.In {
		t := b.tensors[v]
		if t == nil {
			var err error
			if t, err = b.stored(v); err != nil {
				return err
			}
		}
		if len(v.Shape) < 2 {
			return fmt.Errorf("a product of shapes %v and %v", s.In[0].Shape, s.In[1].Shape)
		}
		t = t.ranked(rank)
		g = grouping{}
		lead := 1
		for d := range rank - 2 {
			if len(t.dims[d]) == 0 || t.dims[d][0].axis != batch {
				g[channels] = append(g[channels], d)
				lead *= length(t.dims[d])
			}
		}
		g[rowsAxis], g[columns] = []int{rank - 2}, []int{rank - 1}
		node, err := b.as(t, g)
		if err != nil {
			return err
		}
		nodes[i] = node
	}
	for d := range rank - 2 { // all alike, or none
		x, y := s.In[0].Shape, s.In[1].Shape
		if len(x) == rank && len(y) == rank && x[d] != y[d] && nodes[0].Shape().C != 1 && nodes[1].Shape().C != 1 {
			return fmt.Errorf("a product of shapes %v and %v", x, y)
		}
	}
	b.set(s.Out[0], arranged(b.MatMul(b.name(s.Out[0]), nodes[0], nodes[1]), out, g, ""))
	return nil
}

// ranked is the tensor with axes of length 1 before its own, to be of a rank.
func (t *tensor) ranked(rank int) *tensor {
	for len(t.dims) < rank {
		t = &tensor{node: t.node, name: t.name, pre: t.pre, dims: append([][]atom{nil}, t.dims...)}
	}
	return t
}

// band is an average over neighbouring channels, [1][C][H][W] seen as maps with C for depth: a
// sum over channels like any other.
func (b *builder) band(s *onnx.Step, t *tensor) (bool, error) {
	shape := t.shape()
	if len(shape) != 5 || shape[1] != 1 || s.Op != "AveragePool" {
		return false, nil
	}
	w, err := s.Window(shape[2:], nil)
	if err != nil {
		return true, err
	}
	if w.Kernel[1] != 1 || w.Kernel[2] != 1 || !slices.Equal(w.Stride, []int{1, 1, 1}) {
		return true, errors.New("pooling in three axes")
	}
	g := grouping{{2}, {3}, {4}}
	node, err := b.as(t, g)
	if err != nil {
		return true, err
	}
	in, out := shape[2], w.Out[0]
	if err := roomFor(in * out); err != nil {
		return true, err
	}
	weight := make([]float32, out*in)
	for o := range out {
		var taps []int
		count := 0
		for k := range w.Kernel[0] {
			c := o - w.Before[0] + k*w.Dilation[0]
			if c >= 0 && c < in {
				taps = append(taps, c)
				count++
			} else if s.Int("count_include_pad", 0) != 0 {
				count++
			}
		}
		for _, c := range taps {
			weight[o*in+c] = 1 / float32(count)
		}
	}
	node = b.Conv(b.name(s.Out[0]), node, nn.Conv{Weight: weight, Out: out, Window: nn.Square(1, 1, 0)})
	b.set(s.Out[0], arranged(node, s.Out[0].Shape, g, ""))
	return true, nil
}

func pool(largest bool) row {
	return func(b *builder, s *onnx.Step) error {
		t, err := b.of(s, 0)
		if err != nil {
			return err
		}
		if done, err := b.band(s, t); done {
			return err
		}
		node, t, err := b.image(s)
		if err != nil {
			return err
		}
		w, own, err := window(s, t.shape()[2:], nil)
		if err != nil {
			return err
		}
		p := nn.Pool{Window: w, Ceil: own.Ceil, CountPad: s.Int("count_include_pad", 0) != 0}
		if largest {
			b.map_(s, b.MaxPool(b.name(s.Out[0]), node, p))
		} else {
			b.map_(s, b.AvgPool(b.name(s.Out[0]), node, p))
		}
		return nil
	}
}

func globalPool(largest bool) row {
	return func(b *builder, s *onnx.Step) error {
		node, _, err := b.image(s)
		if err != nil {
			return err
		}
		if largest {
			b.map_(s, b.GlobalMaxPool(b.name(s.Out[0]), node))
		} else {
			b.map_(s, b.MeanPool(b.name(s.Out[0]), node))
		}
		return nil
	}
}

// reduce is a mean, sum or maximum over some axes.
func reduce(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	b.preprocessed(t)
	which, keep, err := s.Reduced(len(t.dims))
	if err != nil {
		return err
	}
	over, count, ok := t.axesOf(which)
	if !ok {
		g := grouping{channels: which}
		for d, dim := range t.dims {
			if !slices.Contains(which, d) && len(dim) > 0 && dim[0].axis != batch {
				g[columns] = append(g[columns], d)
			}
		}
		if _, err := b.as(t, g); err != nil {
			return err
		}
		over, count, _ = t.axesOf(which)
	}
	var node *nn.Node
	name := b.name(s.Out[0])
	sumOf := func(name string, x *nn.Node) *nn.Node {
		return b.Affine(name, b.Mean(b.fresh(s.Out[0].Name()), x, over[0], over[1], over[2]), []float32{float32(count)}, nil)
	}
	squared := func() *nn.Node {
		return b.Activation(b.fresh(s.Out[0].Name()), t.node, nn.Activation{Function: nn.Pow, A: 2})
	}
	switch {
	case s.Op == "ReduceMax" && over == [3]bool{false, true, true}:
		node = b.GlobalMaxPool(name, t.node)
	case s.Op == "ReduceMax":
		return fmt.Errorf("a maximum over axes %v of %v", which, t.shape())
	case s.Op == "ReduceSum":
		node = sumOf(name, t.node)
	case s.Op == "ReduceSumSquare":
		node = sumOf(name, squared())
	case s.Op == "ReduceL2":
		node = b.Activation(name, sumOf(b.fresh(s.Out[0].Name()), squared()), nn.Activation{Function: nn.Sqrt})
	case over == [3]bool{false, true, true}:
		node = b.MeanPool(name, t.node)
	default:
		node = b.Mean(name, t.node, over[0], over[1], over[2])
	}
	out := &tensor{node: node}
	for d, dim := range t.dims {
		switch {
		case !slices.Contains(which, d):
			out.dims = append(out.dims, dim)
		case keep:
			out.dims = append(out.dims, nil)
		}
	}
	b.set(s.Out[0], out)
	return nil
}

// axesOf are the node's axes that some of the tensor's are made of; ok is false where they have
// but a part of one. An axis of length 1 counts with rows and columns.
func (t *tensor) axesOf(which []int) (over [3]bool, count int, ok bool) {
	n := [3]int{1, 1, 1}
	for _, d := range which {
		for _, a := range t.dims[d] {
			if a.axis == batch {
				return over, 0, false
			}
			n[a.axis] *= a.size
		}
	}
	s := t.node.Shape()
	for axis := range n {
		size := axisSize(s, axis)
		if n[axis] != 1 && n[axis] != size {
			return over, 0, false
		}
		over[axis] = n[axis] > 1 || size == 1 && axis != channels
	}
	return over, n[0] * n[1] * n[2], true
}

// batchNorm takes the channels wherever they lie: its numbers are brought into their order.
func batchNorm(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	b.preprocessed(t)
	if !t.ofAxis(t.dims[1], channels) {
		if _, err := b.as(t, alone(t, 1)); err != nil {
			return err
		}
	}
	var p [4][]float32
	for i := range p {
		x, err := constant(s, i+1)
		if err != nil {
			return err
		}
		p[i] = make([]float32, len(x))
		for c := range x {
			p[i][c] = x[position(t.dims[1], [3]int{c})]
		}
	}
	node := b.BatchNorm(b.name(s.Out[0]), t.node, nn.BatchNorm{Gamma: p[0], Beta: p[1], Mean: p[2], Var: p[3], Eps: s.Epsilon()})
	b.set(s.Out[0], &tensor{node: node, dims: t.dims})
	return nil
}

func groupNorm(b *builder, s *onnx.Step) error {
	node, t, err := b.image(s)
	if err != nil {
		return err
	}
	n := nn.Normalise{Eps: s.Epsilon()}
	if n.Gamma, err = constant(s, 1); err != nil {
		return err
	}
	if n.Beta, err = constant(s, 2); err != nil {
		return err
	}
	c := t.shape()[1]
	groups := int(s.Int("num_groups", int64(c)))
	for _, list := range []*[]float32{&n.Gamma, &n.Beta} {
		if len(*list) == groups && groups != c { // before opset 21: one for each group
			spread := make([]float32, c)
			for i := range spread {
				spread[i] = (*list)[i/(c/groups)]
			}
			*list = spread
		}
	}
	b.map_(s, b.GroupNorm(b.name(s.Out[0]), node, groups, n))
	return nil
}

func layerNorm(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	b.preprocessed(t)
	var which []int
	for d := axisOf(s, -1, len(t.dims)); d < len(t.dims); d++ {
		which = append(which, d)
	}
	var dim []atom
	for _, d := range which {
		dim = append(dim, t.dims[d]...)
	}
	gamma, err := constant(s, 1)
	if err != nil {
		return err
	}
	var beta []float32
	if s.Operand(2) != nil {
		if beta, err = constant(s, 2); err != nil {
			return err
		}
	}
	if length(dim) != len(gamma) {
		return fmt.Errorf("a scale of shape %v for %v", s.In[1].Shape, t.shape())
	}
	if !t.ofAxis(dim, channels) {
		g := grouping{channels: which}
		for d, x := range t.dims[:which[0]] {
			if len(x) > 0 && x[0].axis != batch {
				g[columns] = append(g[columns], d)
			}
		}
		if _, err := b.as(t, g); err != nil {
			return err
		}
		dim = nil
		for _, d := range which {
			dim = append(dim, t.dims[d]...)
		}
	}
	n := nn.Normalise{Gamma: make([]float32, len(gamma)), Eps: s.Epsilon()}
	if beta != nil {
		n.Beta = make([]float32, len(beta))
	}
	for c := range n.Gamma {
		from := position(dim, [3]int{c})
		if n.Gamma[c] = gamma[from]; beta != nil {
			n.Beta[c] = beta[from]
		}
	}
	b.set(s.Out[0], &tensor{node: b.LayerNorm(b.name(s.Out[0]), t.node, n), dims: t.dims})
	return nil
}

func localNorm(b *builder, s *onnx.Step) error {
	node, _, err := b.image(s)
	if err != nil {
		return err
	}
	b.map_(s, b.LRN(b.name(s.Out[0]), node, nn.LRN{Size: int(s.Int("size", 1)), Alpha: float32(s.Float("alpha", 1e-4)),
		Beta: float32(s.Float("beta", 0.75)), K: float32(s.Float("bias", 1))}))
	return nil
}

// softmax within the network: attention.
func softmax(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	which, err := s.SoftmaxAxes(len(t.dims))
	if err != nil {
		return err
	}
	var dim []atom
	for _, d := range which {
		dim = append(dim, t.dims[d]...)
	}
	if !t.ofAxis(dim, channels) {
		g := grouping{channels: which}
		var others []int
		for d, x := range t.dims {
			if !slices.Contains(which, d) && len(x) > 0 && x[0].axis != batch {
				others = append(others, d)
			}
		}
		if n := len(others); n > 0 {
			g[rowsAxis], g[columns] = others[:n-1], others[n-1:]
		}
		if _, err := b.as(t, g); err != nil {
			return err
		}
	}
	name := b.name(s.Out[0])
	var node *nn.Node
	if s.Op == "LogSoftmax" {
		node = b.LogSoftmax(name, t.node)
	} else {
		node = b.Softmax(name, t.node)
	}
	b.set(s.Out[0], &tensor{node: node, dims: t.dims})
	return nil
}

// einsum is a product of two tensors that is a matrix product once the labels are sorted: those of
// both and of the result, those of one and of the result, and those that are summed over.
func einsum(b *builder, s *onnx.Step) error {
	operands, result, err := s.Labels()
	if err != nil {
		return err
	}
	if len(operands) != 2 {
		return fmt.Errorf("%d operands, two can be run", len(operands))
	}
	var groups [2]grouping // of the operands
	var out grouping
	for k, labels := range operands {
		other := operands[1-k]
		at := func(c rune) int { return strings.IndexRune(labels, c) }
		for d, c := range result {
			switch inOther := strings.ContainsRune(other, c); {
			case at(c) < 0:
			case inOther:
				groups[k][channels] = append(groups[k][channels], at(c))
				if k == 0 {
					out[channels] = append(out[channels], d)
				}
			default:
				groups[k][1+k] = append(groups[k][1+k], at(c)) // rows of the first, columns of the second
				out[1+k] = append(out[1+k], d)
			}
		}
		for _, c := range operands[0] { // in one order for both
			if !strings.ContainsRune(result, c) {
				if at(c) < 0 {
					return fmt.Errorf("a sum over %c, which one operand has alone", c)
				}
				groups[k][2-k] = append(groups[k][2-k], at(c))
			}
		}
		for _, c := range labels {
			if !strings.ContainsRune(result, c) && !strings.ContainsRune(other, c) {
				return fmt.Errorf("a sum over %c, which one operand has alone", c)
			}
		}
	}
	var nodes [2]*nn.Node
	for k, v := range s.In {
		t := b.tensors[v]
		if t == nil {
			if t, err = b.stored(v); err != nil {
				return err
			}
		}
		b.preprocessed(t)
		if slices.ContainsFunc(t.dims, isBatch) {
			return errors.New("of a batch: export the model with a batch of 1")
		}
		if nodes[k], err = b.as(t, groups[k]); err != nil {
			return err
		}
	}
	node := b.MatMul(b.name(s.Out[0]), nodes[0], nodes[1])
	b.set(s.Out[0], arranged(node, s.Out[0].Shape, out, ""))
	return nil
}
