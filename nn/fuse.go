package nn

import "slices"

// fused is a run of nodes that one step computes: a convolution with the linear function of
// its channels, residual sum and ReLU that follow it, or a single other node.
type fused struct {
	before *fused // computes root's operand on the way; nil for none
	root   *Node  // the first node
	norm   *Node  // nil for none
	add    *Node
	res    *Node // the other operand of add
	act    *Node
	last   *Node // whose value the step writes
}

// fuse groups the graph's nodes into steps. Nodes in keep, and all if whole is set, get a
// value of their own, and what functions are of from node keepFrom on.
func (m *Model) fuse(keep []bool, keepFrom int, whole bool) []fused {
	var out []fused
	taken := make([]bool, len(m.graph.nodes))
	for _, n := range m.graph.nodes {
		if taken[n.id] {
			continue
		}
		f := fused{root: n, last: n}
		for !whole && f.extend(m, keep, keepFrom) {
			taken[f.last.id] = true
		}
		out = append(out, f)
	}
	return out
}

// extend takes in the node after the others if it can be computed along with them: in a
// convolution's epilogue, or as a function of what is written row by row.
func (f *fused) extend(m *Model, keep []bool, keepFrom int) bool {
	if f.last.users != 1 || keep[f.last.id] || f.act != nil {
		return false
	}
	next := m.user[f.last.id]
	_, product := f.root.op.(*conv)
	switch op := next.op.(type) {
	case *norm:
		if !product || f.norm != nil || f.add != nil {
			return false
		}
		f.norm = next
	case *binary:
		other := next.in[1]
		if other == f.last {
			other = next.in[0]
		}
		// The other operand must be computed before this step runs.
		if !product || op.what != addition || f.add != nil || other.shape != f.last.shape || other.id >= f.root.id {
			return false
		}
		f.add, f.res = next, other
	case *elementwise:
		if !f.takes(m, op, next.id >= keepFrom) {
			return false
		}
		f.act = next
	default:
		return false
	}
	f.last = next
	return true
}

// takes says that a function of the last node can be computed along with it. A ReLU's
// derivative is known by its output; what other functions are of must stay where it is wanted.
// The kernels of bfloat16 have no others.
func (f *fused) takes(m *Model, a *elementwise, wanted bool) bool {
	if a.Function != ReLU && wanted {
		return false
	}
	switch op := f.root.op.(type) {
	case *conv:
		return (&epilogue{act: a}).clamp().is && m.winogradKernel(f.root) == nil || a.Function == ReLU || !m.bf16 || op.depthwise()
	case *norm, *binary:
		return true
	}
	return false
}

// inputs are the nodes whose values the step reads.
func (f *fused) inputs() []*Node {
	in := f.root.in
	if f.before != nil {
		in = f.before.root.in
	}
	if f.res == nil {
		return in
	}
	return append(slices.Clone(in), f.res)
}

// describe says what the step of f does.
func (f *fused) describe() Operator {
	o := Operator{Name: f.last.names[0], Out: f.last.shape}
	if len(f.root.in) > 0 {
		o.In = f.root.in[0].shape
	}
	if c, ok := f.root.op.(*conv); ok {
		o.Name, o.Kernel, o.Stride = f.root.names[0], c.KH, c.StrideH
		o.MACs = int64(f.root.shape.Size()) * int64(c.in/c.Groups*c.KH*c.KW)
	}
	return o
}
