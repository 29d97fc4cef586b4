package nn

import "fmt"

// descent is a sweep under construction: it goes from the logits down through the groups of
// fused nodes, and each operator's backward adds the steps that pass its signal on.
type descent struct {
	*sweep
	s       *Session
	arena   arena
	at      int      // the group being handled, counted from the logits
	index   []int    // by node id: the group that handles its signal, so counted
	group   []*fused // by node id: the group whose value it is
	signal  []view   // by node id: where its signal lies
	borders []*int   // by node id: that of a group's root, once it is known
	ready   []bool   // by node id: something has been written there
	// addend is a signal for a node that lies in another node's memory and is to be
	// added by the first step that contributes to it.
	addend map[int]view
	below  []bool // by node id: it depends on a wanted layer, and the logits on it
}

// newSweep plans a sweep down to some nodes.
func (s *Session) newSweep(rule Rule, wanted []*Node, capacity int) (*sweep, error) {
	nodes := s.model.graph.nodes
	b := &descent{
		sweep: &sweep{model: s.model, rule: rule, capacity: capacity}, s: s, addend: map[int]view{},
		index: make([]int, len(nodes)), group: make([]*fused, len(nodes)), signal: make([]view, len(nodes)), ready: make([]bool, len(nodes)),
		borders: make([]*int, len(nodes)),
	}
	for i := range s.groups {
		g := &s.groups[i]
		b.index[g.last.id], b.group[g.last.id] = len(s.groups)-1-i, g
	}
	b.findBelow(wanted)
	last := nodes[len(nodes)-1]
	b.sweep.seeds = b.target(last)
	b.ready[last.id] = true
	outs := map[*Node]*extractStep{}
	for _, n := range wanted {
		outs[n] = &extractStep{n: n}
		b.outs = append(b.outs, outs[n])
	}
	for b.at = range s.groups {
		g := &s.groups[len(s.groups)-1-b.at]
		if b.below[g.last.id] {
			b.handle(g, outs[g.last])
		}
	}
	for _, e := range b.outs {
		if e.src.c == 0 {
			return nil, fmt.Errorf("nn: layer %q does not lead to the logits", e.n.names[0])
		}
	}
	b.mem = alignedFloats(b.arena.size)
	return b.sweep, nil
}

// findBelow marks the nodes that lead from a wanted one to the logits.
func (b *descent) findBelow(wanted []*Node) {
	nodes := b.model.graph.nodes
	b.below = make([]bool, len(nodes))
	for _, n := range wanted {
		b.below[n.id] = true
	}
	for _, n := range nodes {
		for _, in := range n.in {
			b.below[n.id] = b.below[n.id] || b.below[in.id]
		}
	}
	leads := make([]bool, len(nodes))
	leads[len(nodes)-1] = true
	for i := len(nodes) - 1; i >= 0; i-- {
		b.below[i] = b.below[i] && leads[i]
		for _, in := range nodes[i].in {
			leads[in.id] = leads[in.id] || leads[i]
		}
	}
}

// handle takes the signal of a group's value out, if it is wanted, and passes it on.
func (b *descent) handle(g *fused, out *extractStep) {
	n := g.last
	b.settle(n)
	if out != nil {
		out.src = b.signal[n.id]
		if n.id == 0 {
			out.scale = b.model.graph.affineScale
		}
		b.steps = append(b.steps, out)
	}
	needed := false
	for _, in := range g.inputs() {
		needed = needed || b.below[in.id]
	}
	if !needed {
		return
	}
	sig := b.signal[n.id]
	if g.act != nil {
		b.gate(g.act, sig)
	}
	g.root.op.backward(b, g, sig)
}

// target is where the signal of node n lies, allocated at its first use.
func (b *descent) target(n *Node) view {
	if !b.ready[n.id] && b.signal[n.id].c == 0 {
		g := b.groupOf(n)
		v, size := newView(n.shape, b.signalBorder(n), b.capacity, 0)
		// It lives until its group is handled; if an identity shortcut passes it on, until
		// the shortcut's source is. A requested layer below everything has no later user.
		to := b.index[n.id]
		if g.res != nil {
			to = max(to, b.index[g.res.id])
		}
		v.off += b.arena.alloc(size, b.at, max(to, b.at))
		b.signal[n.id] = v
	}
	return b.signal[n.id]
}

// groupOf is the group whose value is node n.
func (b *descent) groupOf(n *Node) *fused {
	if g := b.group[n.id]; g != nil {
		return g
	}
	panic("nn: a signal for a node that is not kept")
}

// signalBorder is the border that the signal of node n needs.
func (b *descent) signalBorder(n *Node) int {
	root := b.groupOf(n).root
	if b.borders[root.id] == nil {
		border := root.op.signalBorder(b, root)
		b.borders[root.id] = &border
	}
	return *b.borders[root.id]
}

// contribution prepares a step that writes to the signal of node n: the step computes
// dst = something + *res, where res is what is there already (nil for nothing).
func (b *descent) contribution(n *Node) (dst view, res *view) {
	dst = b.target(n)
	if b.ready[n.id] {
		v := dst
		res = &v
	} else if a, ok := b.addend[n.id]; ok {
		delete(b.addend, n.id)
		res = &a
	}
	b.ready[n.id] = true
	return dst, res
}

// contribute adds a step that contributes to the signal of node n, if that is wanted.
func (b *descent) contribute(n *Node, make func(dst view, res *view) step) {
	if b.below[n.id] {
		dst, res := b.contribution(n)
		b.steps = append(b.steps, make(dst, res))
	}
}

// copy contributes a signal, times a factor per channel unless that is nil.
func (b *descent) copy(n *Node, sig view, scale []float32) {
	b.contribute(n, func(dst view, res *view) step {
		return &rowStep{dst: dst, res: res, row: func(w *worker, image, blk, y int, out []float32) {
			in := sig.line(w.mem, image, blk, y)
			if scale == nil {
				copy(out, in)
				return
			}
			factor := scale[blk*block:][:block]
			for i, v := range in {
				out[i] = v * factor[i%block]
			}
		}}
	})
}

// pass gives node n a signal that lies in another node's memory.
func (b *descent) pass(n *Node, src view) {
	if _, taken := b.addend[n.id]; taken || b.ready[n.id] {
		b.copy(n, src, nil)
		return
	}
	b.addend[n.id] = src
}

// settle makes sure that the signal of node n lies in memory of its own.
func (b *descent) settle(n *Node) {
	if a, ok := b.addend[n.id]; ok && !b.ready[n.id] {
		delete(b.addend, n.id)
		b.copy(n, a, nil)
	}
	if !b.ready[n.id] { // the rule passes it nothing
		b.contribute(n, func(dst view, _ *view) step {
			return &rowStep{dst: dst, row: func(_ *worker, _, _, _ int, out []float32) { clear(out) }}
		})
	}
}

// activation is where the forward pass left the value of node n.
func (b *descent) activation(n *Node) source {
	return source{view: b.s.plan.values[n.id].f32, mem: b.s.mem, sweep: b.sweep}
}

// referenceOf is where the forward pass left the value that node n has for the reference.
func (b *descent) referenceOf(n *Node) source {
	a := b.activation(n)
	a.reference = true
	return a
}

// against is referenceOf for DeepLIFT, and the activation itself for the other rules: what is
// exact between two values is the derivative where they are the same.
func (b *descent) against(n *Node) source {
	if b.rule == DeepLIFT {
		return b.referenceOf(n)
	}
	return b.activation(n)
}

// scratch allocates memory that only the group being handled uses, unless it is passed on.
func (b *descent) scratch(s Shape, border, images int) view {
	v, size := newView(s, border, images, 0)
	v.off += b.arena.alloc(size, b.at, b.at)
	return v
}

// once adds a step that depends on the image alone, not on the seeds.
func (b *descent) once(st step) { b.steps = append(b.steps, &onceStep{step: st}) }

// changes are what backward steps of sets are given: the values of an operand, those that they
// are compared with (see against), and the signals.
func (b *descent) changes(in *Node, sig view) []from {
	x, ref := b.activation(in), b.against(in)
	return []from{{source: &x}, {source: &ref}, {view: sig}}
}
