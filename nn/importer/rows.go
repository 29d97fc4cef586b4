package importer

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"cwox/nn"
	"cwox/weights/onnx"
)

// row makes an operator of ONNX out of the engine's.
type row func(b *builder, s *onnx.Step) error

// rows are the operators that can be run, by ONNX's names.
var rows map[string]row

func init() {
	rows = map[string]row{
		"Relu":    activation(func(*onnx.Step) nn.Activation { return nn.Activation{Function: nn.ReLU} }),
		"Sigmoid": gate(func(*onnx.Step) nn.Activation { return nn.Activation{Function: nn.Sigmoid} }, nn.SiLU), "Tanh": function(nn.Tanh), "Softplus": function(nn.Softplus), "Softsign": function(nn.Softsign),
		"HardSwish": function(nn.HardSwish), "Mish": function(nn.Mish), "Abs": function(nn.Abs), "Sqrt": function(nn.Sqrt),
		"Exp": function(nn.Exp), "Log": function(nn.Log), "Reciprocal": function(nn.Reciprocal), "Erf": function(nn.Erf),
		"LeakyRelu": activation(func(s *onnx.Step) nn.Activation {
			return nn.Activation{Function: nn.LeakyReLU, A: s.Float("alpha", 0.01)}
		}),
		"Elu":         activation(func(s *onnx.Step) nn.Activation { return nn.Activation{Function: nn.ELU, A: s.Float("alpha", 1)} }),
		"Celu":        activation(func(s *onnx.Step) nn.Activation { return nn.Activation{Function: nn.CELU, A: s.Float("alpha", 1)} }),
		"HardSigmoid": gate(hardSigmoid, nn.HardSwish),
		"Selu":        activation(selu),
		"Gelu":        activation(gelu),
		"Clip":        clipRow, "PRelu": prelu, "Neg": neg, "Swish": swish,

		"Add": arithmeticRow(addition), "Sub": arithmeticRow(subtraction), "Mul": arithmeticRow(multiplication), "Div": arithmeticRow(division),
		"Sum": sum, "Pow": pow, "Min": bound(false), "Max": bound(true),

		"Dropout": func(*builder, *onnx.Step) error { return nil }, // its first result is its operand

		"Cast": same, "QuantizeLinear": quantize, "DequantizeLinear": dequantize,
		"Reshape": view, "Flatten": view, "Squeeze": view, "Unsqueeze": view, "Expand": expand,
		"Transpose": transpose, "DepthToSpace": depthToSpace, "SpaceToDepth": spaceToDepth,
		"Slice": slice, "Split": split, "Gather": gather, "Concat": concat, "Pad": pad, "Resize": resize, "Upsample": resize,

		"Conv": conv, "Gemm": gemm, "MatMul": matMul, "Einsum": einsum,
		"MaxPool": pool(true), "AveragePool": pool(false), "GlobalAveragePool": globalPool(false), "GlobalMaxPool": globalPool(true),
		"ReduceMean": reduce, "ReduceSum": reduce, "ReduceMax": reduce, "ReduceL2": reduce, "ReduceSumSquare": reduce,
		"BatchNormalization": batchNorm, "InstanceNormalization": groupNorm, "GroupNormalization": groupNorm,
		"LayerNormalization": layerNorm, "LRN": localNorm, "Softmax": softmax, "LogSoftmax": softmax,
	}
}

// same is an operator that changes nothing here.
func same(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	if !s.Out[0].Type.IsFloat() {
		return fmt.Errorf("a cast to %v, which would round", s.Out[0].Type)
	}
	b.set(s.Out[0], &tensor{node: t.node, dims: t.dims, pre: t.pre})
	return nil
}

// The element-wise functions. They read elements wherever they lie.

func activation(of func(s *onnx.Step) nn.Activation) row {
	return func(b *builder, s *onnx.Step) error {
		t, err := b.of(s, 0)
		if err != nil {
			return err
		}
		b.activate(s, t, of(s))
		return nil
	}
}

func function(f nn.Function) row {
	return activation(func(*onnx.Step) nn.Activation { return nn.Activation{Function: f} })
}

// activate appends an element-wise function as a step's result.
func (b *builder) activate(s *onnx.Step, t *tensor, a nn.Activation) {
	b.preprocessed(t)
	node := b.Activation(b.name(s.Out[0]), t.node, a)
	b.set(s.Out[0], &tensor{node: node, dims: t.dims})
}

// gate is a function f that, multiplied by its own operand, is another one: x*f(x).
func gate(f func(s *onnx.Step) nn.Activation, whole nn.Function) row {
	return func(b *builder, s *onnx.Step) error {
		a := f(s)
		mul := b.next(s.Out[0], "Mul")
		usual := a.Function != nn.HardSigmoid || math.Abs(a.A-1.0/6) < 1e-7 && a.B == 0.5
		if mul == nil || !usual || !slices.Contains(mul.In, s.In[0]) || b.tensors[s.In[0]] == nil {
			return activation(f)(b, s)
		}
		b.skip[mul] = true
		b.activate(mul, b.tensors[s.In[0]], nn.Activation{Function: whole})
		return nil
	}
}

func hardSigmoid(s *onnx.Step) nn.Activation {
	return nn.Activation{Function: nn.HardSigmoid, A: s.Float("alpha", 0.2), B: s.Float("beta", 0.5)}
}

func selu(s *onnx.Step) nn.Activation {
	return nn.Activation{Function: nn.SELU, A: s.Float("alpha", 0), B: s.Float("gamma", 0)}
}

func gelu(s *onnx.Step) nn.Activation {
	if s.Text("approximate", "none") == "tanh" {
		return nn.Activation{Function: nn.GELUTanh}
	}
	return nn.Activation{Function: nn.GELU}
}

func swish(b *builder, s *onnx.Step) error {
	if a := s.Float("alpha", 1); a != 1 {
		return fmt.Errorf("alpha %g, only 1 can be run", a)
	}
	return function(nn.SiLU)(b, s)
}

func clipRow(b *builder, s *onnx.Step) error {
	low, high, err := s.Bounds()
	if err != nil {
		return err
	}
	return b.clip(s, low, high)
}

// clip bounds the first operand.
func (b *builder) clip(s *onnx.Step, low, high float64) error {
	t, err := b.of(s, 0)
	switch {
	case err != nil:
		return err
	case math.IsInf(low, -1) && math.IsInf(high, 1):
		b.set(s.Out[0], &tensor{node: t.node, dims: t.dims, pre: t.pre})
	case low == 0 && high >= math.MaxFloat32:
		b.activate(s, t, nn.Activation{Function: nn.ReLU})
	default:
		b.activate(s, t, nn.Activation{Function: nn.Clip, A: low, B: high})
	}
	return nil
}

func bound(below bool) row {
	return func(b *builder, s *onnx.Step) error {
		if len(s.In) == 2 && s.In[0].Known() {
			s.In[0], s.In[1] = s.In[1], s.In[0]
		}
		if len(s.In) != 2 || !s.In[1].Known() || s.In[1].Len() != 1 {
			return errors.New("of two tensors; only with a constant number it can be run")
		}
		x, err := s.In[1].Float64s()
		if err != nil {
			return err
		}
		if below {
			return b.clip(s, x[0], math.Inf(1))
		}
		return b.clip(s, math.Inf(-1), x[0])
	}
}

func prelu(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	slope := s.Operand(1)
	if slope == nil || !slope.Known() {
		return errors.New("slopes that are no constant")
	}
	shape := slope.Shape
	if s.Opset < 7 && len(shape) == 1 {
		shape = []int{shape[0]}
		for range len(s.In[0].Shape) - 2 {
			shape = append(shape, 1)
		}
	}
	values, at, err := t.spread(slope, shape)
	if err != nil {
		return err
	}
	if at.H != 1 || at.W != 1 {
		return fmt.Errorf("slopes of shape %v, want one, or one per channel", slope.Shape)
	}
	b.activate(s, t, nn.Activation{Function: nn.PReLU, Slopes: values})
	return nil
}

func neg(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	b.affine(s, t, []float32{-1}, nil)
	return nil
}

func pow(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	x, err := constant(s, 1)
	if err != nil {
		return err
	}
	if len(x) != 1 {
		return fmt.Errorf("exponents of shape %v, want a number", s.In[1].Shape)
	}
	b.activate(s, t, nn.Activation{Function: nn.Pow, A: float64(x[0])})
	return nil
}

// quantize rounds and bounds as a quantisation does, in float32: the integers that follow, times
// the scale. For gradients rounding counts as the identity.
func quantize(b *builder, s *onnx.Step) error {
	b.note("quantised model: dequantised, its activations rounded in float32; gradients pass through the rounding")
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	scale, err := constant(s, 1)
	if err != nil {
		return err
	}
	zero := []float32{0}
	if s.Operand(2) != nil {
		if zero, err = constant(s, 2); err != nil {
			return err
		}
	}
	if len(scale) != 1 || len(zero) != 1 {
		return errors.New("activations quantised by channel")
	}
	low, high := s.Out[0].Type.Range()
	name := s.Out[0].Name()
	node := b.Affine(b.fresh(name), t.node, []float32{float32(1 / float64(scale[0]))}, nil)
	node = b.Activation(b.fresh(name), node, nn.Activation{Function: nn.Round})
	node = b.Activation(b.fresh(name), node, nn.Activation{Function: nn.Clip, A: low - float64(zero[0]), B: high - float64(zero[0])})
	b.set(s.Out[0], &tensor{node: b.Affine(b.fresh(name), node, scale, nil), dims: t.dims})
	return nil
}

func dequantize(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err == nil {
		b.set(s.Out[0], &tensor{node: t.node, dims: t.dims})
	}
	return err
}

// The operators that move elements.

// view is an operator whose result has the same elements in the same order.
func view(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	v, err := b.reshaped(t, s.Out[0].Shape)
	if err == nil {
		b.set(s.Out[0], v)
	}
	return err
}

// reshaped is a tensor in another shape, its elements moved only where atoms do not fit.
func (b *builder) reshaped(t *tensor, shape []int) (*tensor, error) {
	if v := t.reshape(shape); v != nil {
		return v, nil
	}
	// In one row the elements can be cut anywhere.
	first := 0
	for first < len(t.dims) && len(t.dims[first]) > 0 && t.dims[first][0].axis == batch {
		first++
	}
	all := segments(first, len(t.dims))
	node, err := b.as(&tensor{node: t.node, dims: t.dims, name: t.name}, all[len(all)-1])
	if err != nil {
		return nil, err
	}
	row := arranged(node, t.shape(), all[len(all)-1], t.name)
	if v := row.reshape(shape); v != nil {
		v.pre = nil
		return v, nil
	}
	return nil, fmt.Errorf("%v cannot become %v image by image", t.shape(), shape)
}

func transpose(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	perm, err := s.Permutation(len(t.dims))
	if err == nil {
		b.set(s.Out[0], t.permuted(perm))
	}
	return err
}

func expand(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	if err := roomFor(s.Out[0].Len()); err != nil {
		return err
	}
	ones := make([]float32, s.Out[0].Len())
	for i := range ones {
		ones[i] = 1
	}
	return b.arithmetic(s, multiplication, s.In[0], onnx.NewFloats(s.Out[0].Shape, ones), t, nil)
}

// blocksOf is the shape of four axes of a step's operand and the side of its blocks.
func (b *builder) blocks(s *onnx.Step) (t *tensor, n, c, h, w, k int, err error) {
	if t, err = b.of(s, 0); err != nil {
		return t, 0, 0, 0, 0, 0, err
	}
	x := t.shape()
	return t, x[0], x[1], x[2], x[3], int(s.Int("blocksize", 1)), nil
}

func (b *builder) rearranged(s *onnx.Step, t *tensor, shape, perm []int) error {
	v, err := b.reshaped(t, shape)
	if err == nil {
		v, err = b.reshaped(v.permuted(perm), s.Out[0].Shape)
	}
	if err == nil {
		b.set(s.Out[0], v)
	}
	return err
}

func depthToSpace(b *builder, s *onnx.Step) error {
	t, n, c, h, w, k, err := b.blocks(s)
	if err != nil {
		return err
	}
	if s.Text("mode", "DCR") == "CRD" {
		return b.rearranged(s, t, []int{n, c / (k * k), k, k, h, w}, []int{0, 1, 4, 2, 5, 3})
	}
	return b.rearranged(s, t, []int{n, k, k, c / (k * k), h, w}, []int{0, 3, 4, 1, 5, 2})
}

func spaceToDepth(b *builder, s *onnx.Step) error {
	t, n, c, h, w, k, err := b.blocks(s)
	if err != nil {
		return err
	}
	return b.rearranged(s, t, []int{n, c, h / k, k, w / k, k}, []int{0, 3, 5, 1, 2, 4})
}

// along brings an axis of a tensor to an axis of a node of its own, or finds it there: node axis
// k. ok is false where the axis has length 1.
func (b *builder) along(t *tensor, d int) (node *nn.Node, k int, g grouping, err error) {
	if g, ok := t.arrangement(); ok {
		for k := range g {
			if slices.Equal(g[k], []int{d}) {
				return t.node, k, g, nil
			}
		}
	}
	g = alone(t, d)
	node, err = b.as(t, g)
	return node, channels, g, err
}

// alone is the grouping with an axis as channels, and the others, but for the batch, as rows and
// columns.
func alone(t *tensor, d int) grouping {
	g := grouping{channels: {d}}
	var others []int
	for i, dim := range t.dims {
		if i != d && (len(dim) > 0 && dim[0].axis != batch) {
			others = append(others, i)
		}
	}
	if n := len(others); n > 0 {
		g[rowsAxis], g[columns] = others[:n-1], others[n-1:]
	}
	return g
}

// part appends every step-th of count places along a node's axis.
func (b *builder) part(name string, node *nn.Node, k, from, count, step int) *nn.Node {
	r := nn.Range{From: from, To: from + (count-1)*step + 1, Step: step}
	if step < 0 {
		r.To = from + (count-1)*step - 1
		if r.To < 0 {
			r.To = 0 // to the beginning
			if from == 0 {
				r = nn.Range{From: 0, To: 1, Step: 1}
			}
		}
	}
	var all [3]nn.Range
	all[k] = r
	return b.Slice(name, node, all[0], all[1], all[2])
}

// cut takes places along an ONNX axis and gives the tensor of the given shape.
func (b *builder) cut(t *tensor, d int, from, count, step int, name string) (*tensor, error) {
	shape := t.shape()
	if from == 0 && step == 1 && count == shape[d] {
		return t, nil
	}
	if count < 1 {
		return nil, fmt.Errorf("an axis of %d of which nothing is taken", shape[d])
	}
	shape[d] = count
	// Neighbouring pieces of an axis of the node are cut out without moving anything.
	if atoms := t.dims[d]; len(atoms) == 1 && step == 1 && atoms[0].axis != batch {
		a := atoms[0]
		if a.size*a.stride == axisSize(t.node.Shape(), a.axis) {
			node := b.part(name, t.node, a.axis, from*a.stride, count*a.stride, 1)
			out := &tensor{node: node, dims: slices.Clone(t.dims), name: t.name, pre: t.pre}
			out.dims[d] = merged([]atom{{a.axis, count, a.stride}})
			return out, nil
		}
	}
	node, k, g, err := b.along(t, d)
	if err != nil {
		return nil, err
	}
	out := arranged(b.part(name, node, k, from, count, step), shape, g, t.name)
	out.pre = t.pre
	if t.pre != nil && out.node.Shape().C != len(t.pre.scale) {
		out.pre = nil
	}
	return out, nil
}

func slice(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	cuts, err := s.Cuts(t.shape())
	if err != nil {
		return err
	}
	shape := t.shape()
	for d, c := range cuts {
		if c.Count == shape[d] && c.Step == 1 {
			continue
		}
		if t, err = b.cut(t, d, c.From, c.Count, c.Step, b.fresh(s.Out[0].Name())); err != nil {
			return err
		}
	}
	b.set(s.Out[0], &tensor{node: t.node, dims: t.dims, pre: t.pre})
	return nil
}

func split(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	d := axisOf(s, 0, len(t.dims))
	parts, err := s.Parts(t.shape()[d])
	if err != nil {
		return err
	}
	from := 0
	for i, n := range parts {
		if i < len(s.Out) && len(b.readers[s.Out[i]]) > 0 {
			v, err := b.cut(t, d, from, n, 1, b.fresh(s.Out[i].Name()))
			if err != nil {
				return err
			}
			b.set(s.Out[i], &tensor{node: v.node, dims: v.dims, pre: v.pre})
		}
		from += n
	}
	return nil
}

// axisOf is the step's axis, which folding has checked.
func axisOf(s *onnx.Step, otherwise int64, rank int) int {
	a := s.Int("axis", otherwise)
	if a < 0 {
		a += int64(rank)
	}
	return int(a)
}

func gather(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	if s.In[1] == nil || !s.In[1].Known() {
		return errors.New("indices that are no constants")
	}
	list, err := s.In[1].Int64s()
	if err != nil {
		return err
	}
	d, shape := axisOf(s, 0, len(t.dims)), t.shape()
	var nodes []*tensor
	for i := 0; i < len(list); {
		at := func(i int) int { return (int(list[i]) + shape[d]) % shape[d] }
		n, step := 1, 1
		if i+1 < len(list) {
			step = at(i+1) - at(i)
		}
		for step != 0 && i+n < len(list) && at(i+n)-at(i+n-1) == step {
			n++
		}
		if n == 1 {
			step = 1
		}
		v, err := b.cut(t, d, at(i), n, step, b.fresh(s.Out[0].Name()))
		if err != nil {
			return err
		}
		nodes = append(nodes, v)
		i += n
	}
	shape[d] = len(list)
	all, err := b.joined(nodes, d, shape, b.fresh(s.Out[0].Name()))
	if err != nil {
		return err
	}
	all.pre = nil
	if t.pre != nil && all.node.Shape().C == len(t.pre.scale) {
		all.pre = t.pre
	}
	v, err := b.reshaped(all, s.Out[0].Shape)
	if err == nil {
		b.set(s.Out[0], v)
	}
	return err
}

// joined is the concatenation of tensors along an axis.
func (b *builder) joined(all []*tensor, d int, shape []int, name string) (*tensor, error) {
	if len(all) == 1 {
		return all[0], nil
	}
	g, ok := all[0].arrangement()
	ok = ok && slices.Equal(g[channels], []int{d})
	for _, t := range all[1:] {
		other, same := t.arrangement()
		ok = ok && same && fmt.Sprint(other) == fmt.Sprint(g)
	}
	if !ok {
		big := all[0]
		for _, t := range all {
			if length(t.dims[d]) > 1 {
				big = t
			}
		}
		g = alone(big, d)
	}
	var nodes []*nn.Node
	for _, t := range all {
		node, err := b.as(t, g)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, node)
	}
	return arranged(b.Graph.Concat(name, nodes...), shape, g, ""), nil
}

func concat(b *builder, s *onnx.Step) error {
	d := axisOf(s, 1, len(s.Out[0].Shape))
	var all []*tensor
	for _, v := range s.In {
		t := b.tensors[v]
		if t == nil {
			var err error
			if t, err = b.stored(v); err != nil {
				return err
			}
		}
		all = append(all, t)
	}
	t, err := b.joined(all, d, s.Out[0].Shape, b.name(s.Out[0]))
	if err == nil {
		b.set(s.Out[0], t)
	}
	return err
}

// stored is a constant as a tensor of the network.
func (b *builder) stored(v *onnx.Value) (*tensor, error) {
	x, err := v.Float32s()
	if err != nil {
		return nil, err
	}
	g := standard(len(v.Shape))
	if len(v.Shape) > 0 && v.Shape[0] != 1 {
		g = segments(0, len(v.Shape))[0]
	}
	s := nn.Shape{C: 1, H: 1, W: 1}
	for _, d := range g[channels] {
		s.C *= v.Shape[d]
	}
	for _, d := range g[rowsAxis] {
		s.H *= v.Shape[d]
	}
	for _, d := range g[columns] {
		s.W *= v.Shape[d]
	}
	if s.Size() != len(x) {
		return nil, fmt.Errorf("a constant of shape %v for a batch", v.Shape)
	}
	return arranged(b.Constant(b.name(v), s, x), v.Shape, g, v.Name()), nil
}

var paddings = map[string]nn.Padding{"constant": nn.PadConstant, "reflect": nn.PadReflect, "edge": nn.PadEdge}

func pad(b *builder, s *onnx.Step) error {
	t, err := b.of(s, 0)
	if err != nil {
		return err
	}
	before, after, err := s.Pads(len(t.dims))
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(slices.Concat(before, after), func(n int) bool { return n != 0 }) {
		return same(b, s)
	}
	mode, ok := paddings[s.Text("mode", "constant")]
	if !ok {
		return fmt.Errorf("mode %s", s.Text("mode", ""))
	}
	fill, err := s.FloatOr("value", 2, 0)
	if err != nil {
		return err
	}
	g, ok := t.arrangement()
	var amounts [3][2]int
	place := func() bool {
		amounts = [3][2]int{}
		for d := range before {
			if before[d] == 0 && after[d] == 0 {
				continue
			}
			k := slices.IndexFunc(g[:], func(list []int) bool { return slices.Equal(list, []int{d}) })
			if k < 0 {
				return false
			}
			amounts[k] = [2]int{before[d], after[d]}
		}
		return true
	}
	if !ok || !place() {
		if g = standard(len(t.dims)); !place() {
			return fmt.Errorf("padding of the axes of %v", t.shape())
		}
	}
	b.preprocessed(t)
	node, err := b.as(t, g)
	if err != nil {
		return err
	}
	if out := s.Out[0]; b.next(out, "Conv") != nil && len(out.Shape) == 4 && mode == nn.PadConstant && fill == 0 && amounts[0] == [2]int{} &&
		min(amounts[1][0], amounts[1][1], amounts[2][0], amounts[2][1]) >= 0 && fmt.Sprint(g) == fmt.Sprint(standard(4)) {
		b.padding[out] = [4]int{amounts[1][0], amounts[2][0], amounts[1][1], amounts[2][1]}
		b.tensors[out] = t // the convolution pads
		return nil
	}
	node = b.Pad(b.name(s.Out[0]), node, nn.Pad{Front: amounts[0][0], Back: amounts[0][1], Top: amounts[1][0], Bottom: amounts[1][1],
		Left: amounts[2][0], Right: amounts[2][1], Mode: mode, Value: float32(fill)})
	b.set(s.Out[0], arranged(node, s.Out[0].Shape, g, ""))
	return nil
}

// resample is any resizing, as a matrix product along the rows and one along the columns.
func (b *builder) resample(s *onnx.Step, t *tensor, node *nn.Node) error {
	maps, err := s.Resamplings(t.shape())
	if err != nil {
		return err
	}
	in, out := node.Shape(), s.Out[0].Shape
	if err := roomFor(max(out[2]*in.H, in.W*out[3])); err != nil {
		return err
	}
	down, across := make([]float32, out[2]*in.H), make([]float32, in.W*out[3])
	for y, taps := range maps[2] {
		for _, tap := range taps {
			down[y*in.H+tap.At] += float32(tap.Weight)
		}
	}
	for x, taps := range maps[3] {
		for _, tap := range taps {
			across[tap.At*out[3]+x] += float32(tap.Weight)
		}
	}
	name := s.Out[0].Name()
	node = b.MatMul(b.fresh(name), b.Constant(b.fresh(name), nn.Shape{C: 1, H: out[2], W: in.H}, down), node)
	node = b.MatMul(b.name(s.Out[0]), node, b.Constant(b.fresh(name), nn.Shape{C: 1, H: in.W, W: out[3]}, across))
	b.map_(s, node)
	return nil
}

var coordinates = map[string]nn.Coordinates{"half_pixel": nn.HalfPixel, "asymmetric": nn.Asymmetric, "align_corners": nn.AlignCorners, "pytorch_half_pixel": nn.PyTorchHalfPixel}

var roundings = map[string]nn.Rounding{"round_prefer_floor": nn.RoundPreferFloor, "round_prefer_ceil": nn.RoundPreferCeil, "floor": nn.RoundFloor, "ceil": nn.RoundCeil}

func resize(b *builder, s *onnx.Step) error {
	node, t, err := b.image(s)
	if err != nil {
		return err
	}
	_, scales, err := s.Scales(t.shape())
	if err != nil {
		return err
	}
	out := s.Out[0].Shape
	if len(out) != 4 || out[1] != t.shape()[1] {
		return fmt.Errorf("%v to %v", t.shape(), out)
	}
	how := s.Resizing()
	place, ok1 := coordinates[how.Coordinates]
	round, ok2 := roundings[how.Nearest]
	if !ok1 || !ok2 || how.Antialias || how.Mode == "cubic" {
		return b.resample(s, t, node)
	}
	r := nn.Resize{H: out[2], W: out[3], ScaleH: scales[2], ScaleW: scales[3], Coordinates: place, Rounding: round, Mode: nn.Nearest}
	if how.Mode == "linear" {
		r.Mode = nn.Bilinear
	}
	b.map_(s, b.Resize(b.name(s.Out[0]), node, r))
	return nil
}
