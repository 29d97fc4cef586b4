package nn

import (
	"fmt"
	"slices"
)

// plan is a graph laid out for a session: which nodes exist in memory, where, and the
// steps that compute them.
type plan struct {
	steps []step
	ops   []Operator // what each step does
	// split is the number of leading steps that run image by image: their maps are
	// large, and one image's stay in cache from layer to layer. The others run over
	// the whole batch, to share their weights.
	split  int
	input  *inputStep
	views  []view // by node id; valid where present is set
	placed []bool
	size   int // elements of memory
}

// fused is a run of nodes that one step computes: a convolution with the batch
// normalisation, residual sum and ReLU that follow it, or a single other node.
type fused struct {
	root *Node // the first node
	norm *Node // nil for none
	add  *Node
	res  *Node // the other operand of add
	relu *Node
	last *Node // whose value the step writes
}

// fuse groups the graph's nodes into steps. Nodes in keep, and all if whole is set, get a
// value of their own.
func (m *Model) fuse(keep []bool, whole bool) []fused {
	var out []fused
	taken := make([]bool, len(m.graph.nodes))
	for _, n := range m.graph.nodes {
		if taken[n.id] {
			continue
		}
		f := fused{root: n, last: n}
		if n.kind == kindConv && !whole {
			f.extend(m, keep)
		}
		for _, part := range []*Node{f.root, f.norm, f.add, f.relu} {
			if part != nil {
				taken[part.id] = true
			}
		}
		out = append(out, f)
	}
	slices.SortStableFunc(out, func(a, b fused) int { return a.root.id - b.root.id })
	return out
}

// extend takes in the nodes after a convolution that can be computed in its epilogue.
func (f *fused) extend(m *Model, keep []bool) {
	for {
		if f.last.users != 1 || keep[f.last.id] {
			return
		}
		next := m.user[f.last.id]
		switch {
		case next.kind == kindNorm && f.norm == nil && f.add == nil && f.relu == nil:
			f.norm = next
		case next.kind == kindAdd && f.add == nil && f.relu == nil:
			other := next.in[1]
			if other == f.last {
				other = next.in[0]
			}
			if other.id >= f.root.id { // not yet computed when this step runs
				return
			}
			f.add, f.res = next, other
		case next.kind == kindReLU && f.relu == nil:
			f.relu = next
		default:
			return
		}
		f.last = next
		if f.relu != nil {
			return
		}
	}
}

// batchMaps is the largest map, in pixels, from which on a plan runs over the whole batch.
const batchMaps = 14 * 14

// newPlan lays out the graph for a batch. Values of nodes from keepFrom on survive.
func (m *Model) newPlan(o SessionOptions, keep []bool, keepFrom int) *plan {
	g := m.graph
	groups := m.fuse(keep, o.Whole)
	p := &plan{views: make([]view, len(g.nodes)), placed: make([]bool, len(g.nodes))}

	// The step that computes each node, and the last step that reads it.
	made := make([]int, len(g.nodes))
	lastUse := make([]int, len(g.nodes))
	for i := range made {
		made[i] = -1
	}
	for i, f := range groups {
		made[f.last.id] = i
	}
	home := m.concatHomes(made, o.Whole)
	for i, f := range groups {
		for _, in := range f.inputs() {
			lastUse[in.id] = max(lastUse[in.id], i)
			if h := home[in.id]; h != nil {
				lastUse[h.id] = max(lastUse[h.id], i)
			}
		}
	}
	output := g.nodes[len(g.nodes)-1]
	lastUse[output.id] = len(groups)

	// The first group whose output, and all outputs after it, are small maps.
	split := len(groups)
	for i := len(groups) - 1; i >= 0; i-- {
		if s := groups[i].last.shape; s.H*s.W > batchMaps {
			break
		}
		split = i
	}
	if o.Batch == 1 {
		split = 0
	}

	var a arena
	border := m.borders()
	for i, f := range groups {
		n := f.last
		if f.root.kind == kindInput {
			p.input = newInputStep(g, border[n.id], o.Batch, &a)
			p.views[n.id], p.placed[n.id] = p.input.dst, true
			continue
		}
		target := n
		if h := home[n.id]; h != nil {
			target = h
		}
		if !p.placed[target.id] {
			end := lastUse[target.id]
			images := o.Batch
			if target.id >= keepFrom {
				end = len(groups)
			} else if i < split && end < split && made[target.id] < split {
				images = 1
			}
			begin := i
			if images == o.Batch && i < split {
				begin = 0 // the steps before this one run again, for the next image
			}
			v, size := newView(target.shape, border[target.id], images, 0)
			v.off += a.alloc(size, begin, end)
			if images == 1 && o.Batch > 1 {
				v.image = 0
			}
			p.views[target.id], p.placed[target.id] = v, true
		}
		if target != n {
			at := 0
			for _, in := range target.in {
				if in == n {
					break
				}
				at += in.shape.C
			}
			p.views[n.id], p.placed[n.id] = p.views[target.id].channels(at, n.shape.C), true
		}
	}
	for i, f := range groups {
		op := f.describe()
		scratch := func(size int) int { return a.alloc(size, i, i) }
		for _, s := range m.newSteps(p, f, home, o, i >= split && o.Batch > 1, scratch) {
			p.steps = append(p.steps, s)
			p.ops = append(p.ops, op)
			op.MACs = 0 // counted once
		}
		if i < split {
			p.split = len(p.steps)
		}
	}
	p.size = a.size
	return p
}

// inputs are the nodes whose values the step reads.
func (f *fused) inputs() []*Node {
	if f.res == nil {
		return f.root.in
	}
	return []*Node{f.root.in[0], f.res}
}

// concatHomes finds for each node the concatenation in whose memory its value can be
// computed directly: all operands must fill whole channel blocks.
func (m *Model) concatHomes(made []int, whole bool) []*Node {
	home := make([]*Node, len(m.graph.nodes))
	for _, n := range m.graph.nodes {
		if n.kind != kindConcat || whole {
			continue
		}
		fits := true
		for i, in := range n.in {
			whole := in.shape.C%block == 0 || i == len(n.in)-1
			fits = fits && whole && home[in.id] == nil && made[in.id] >= 0 && in.kind != kindInput && in.kind != kindConcat
		}
		for i, in := range n.in {
			fits = fits && !slices.Contains(n.in[:i], in)
		}
		if fits {
			for _, in := range n.in {
				home[in.id] = n
			}
		}
	}
	return home
}

// borders is the width of the zero border that the readers of each node's value need.
func (m *Model) borders() []int {
	b := make([]int, len(m.graph.nodes))
	for _, n := range m.graph.nodes {
		need := 0
		switch n.kind {
		case kindConv:
			need = n.conv.Pad
		case kindMaxPool:
			in := n.in[0].shape
			overH := (n.shape.H-1)*n.pool.Stride - n.pool.Pad + n.pool.Size - in.H
			overW := (n.shape.W-1)*n.pool.Stride - n.pool.Pad + n.pool.Size - in.W
			need = max(n.pool.Pad, overH, overW)
		}
		for _, in := range n.in {
			b[in.id] = max(b[in.id], need)
		}
	}
	// Operands computed inside a concatenation share its layout.
	for _, n := range m.graph.nodes {
		if n.kind == kindConcat {
			for _, in := range n.in {
				b[n.id] = max(b[n.id], b[in.id])
			}
		}
	}
	return b
}

// newSteps makes the steps that compute f; none where its operands already lie in place. whole
// says that they run over the whole batch, scratch allocates memory for them alone.
func (m *Model) newSteps(p *plan, f fused, home []*Node, o SessionOptions, whole bool, scratch func(size int) int) []step {
	dst := p.views[f.last.id]
	n := f.root
	var src view
	if len(n.in) > 0 {
		src = p.views[n.in[0].id]
	}
	switch n.kind {
	case kindInput:
		return []step{p.input}
	case kindConv:
		var res *view
		if f.res != nil {
			v := p.views[f.res.id]
			res = &v
		}
		if k := m.winogradKernel(n); k != nil && !o.Whole {
			s := m.newWinograd(k, n, f.norm, o.Batch, whole, scratch)
			s.src, s.dst, s.res, s.relu = src, dst, res, f.relu != nil
			return s.steps()
		}
		w := m.weights(n, f.norm)
		if n.in[0].kind != kindInput && src.h == 1 && src.w == 1 && dst.h == 1 && dst.w == 1 && res == nil && n.conv.KH == 1 {
			return []step{newLinearStep(&m.kernels.GemmF32, w, src, dst, f.relu != nil, o.Batch)}
		}
		return []step{newConvStep(&m.kernels.GemmF32, w, src, dst, res, f.relu != nil)}
	case kindNorm:
		return []step{newNormStep(n.norm, src, dst)}
	case kindReLU:
		return []step{&reluStep{src: src, dst: dst}}
	case kindAdd:
		return []step{&addStep{a: src, b: p.views[n.in[1].id], dst: dst}}
	case kindMaxPool:
		return []step{newMaxPoolStep(m.kernels, *n.pool, src, dst)}
	case kindMeanPool:
		return []step{&meanPoolStep{src: src, dst: dst}}
	case kindLRN:
		return []step{newLRNStep(m.kernels, *n.lrn, src, dst)}
	case kindConcat:
		if home[n.in[0].id] == n {
			return nil
		}
		var srcs []view
		for _, in := range n.in {
			srcs = append(srcs, p.views[in.id])
		}
		return []step{&concatStep{srcs: srcs, dst: dst}}
	}
	panic("nn: operator without a step")
}

// describe says what the step of f does.
func (f *fused) describe() Operator {
	o := Operator{Name: f.last.names[0], Out: f.last.shape}
	if len(f.root.in) > 0 {
		o.In = f.root.in[0].shape
	}
	if c := f.root.conv; c != nil {
		o.Name, o.Kernel, o.Stride = f.root.names[0], c.KH, c.Stride
		o.MACs = int64(f.root.shape.Size()) * int64(o.In.C*c.KH*c.KW)
	}
	return o
}

// arena hands out memory by lifetime: two values may share it if they never live at the
// same time.
type arena struct {
	live []span
	size int
}

type span struct{ off, size, from, to int } // lives from step from to step to, both included

func (a *arena) alloc(size, from, to int) int {
	off := 0
	slices.SortFunc(a.live, func(x, y span) int { return x.off - y.off })
	for _, s := range a.live {
		if s.to < from || s.from > to {
			continue
		}
		if off+size <= s.off {
			break
		}
		off = max(off, s.off+s.size)
	}
	a.live = append(a.live, span{off, size, from, to})
	a.size = max(a.size, off+size)
	return off
}

// resolve finds the node a layer name means.
func (m *Model) resolve(layer string) (*Node, error) {
	if n, ok := m.graph.names[layer]; ok {
		return n, nil
	}
	return nil, fmt.Errorf("nn: no layer %q (near: %s)", layer, m.near(layer))
}
