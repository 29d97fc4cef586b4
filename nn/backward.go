package nn

import (
	"errors"
	"fmt"
	"strings"
)

// Backward passes signals from the logits of one image of the last Forward down to layers,
// all in one sweep. seeds is [t][classes]: t signals at the logits (for the gradient of class
// c, 1 at c and 0 elsewhere). The result holds for each layer [t][C][H][W]: the derivative of
// the seeded logits with respect to the layer's output, or the relevance that reaches it.
//
// A layer that is named twice, by the same or another name, has one result, shared. Every layer
// must be in the session's Keep or come after one that is. The network's input,
// "input", is a layer like others for the gradient, Guided and DeepLIFT.
func (s *Session) Backward(rule Rule, image int, seeds []float32, layers ...string) ([][]float32, error) {
	classes := s.model.Classes()
	if len(seeds) == 0 || len(seeds)%classes != 0 {
		panic("nn: Backward: the seeds are not whole rows of classes")
	}
	if image < 0 || image >= s.images {
		panic("nn: Backward: no such image in the last Forward")
	}
	s.crew.check("Backward")
	t := len(seeds) / classes
	layers, place := s.model.distinct(layers)
	b, err := s.backward(rule, layers, min(t, maxSeeds))
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(layers))
	for i := range out {
		out[i] = make([]float32, t*b.outs[i].n.shape.Size())
	}
	b.image, b.reference = image, s.images-1
	for _, st := range b.steps {
		if f, ok := st.(*forwardStep); ok {
			f.aim(image)
		}
	}
	for t0 := 0; t0 < t; t0 += b.capacity {
		n := min(b.capacity, t-t0)
		b.seed(seeds[t0*classes:][:n*classes])
		for i, o := range b.outs {
			o.dst = out[i][t0*o.n.shape.Size():]
		}
		if b.runs[n] == nil {
			b.runs[n] = newRun(b.mem, b.schedule(n))
		}
		s.crew.do(b.runs[n])
	}
	all := make([][]float32, len(place))
	for i, at := range place {
		all[i] = out[at]
	}
	return all, nil
}

// distinct are some layers without those that are there already by another name, and where
// each is among them.
func (m *Model) distinct(layers []string) (distinct []string, place []int) {
	at := map[*Node]int{}
	for _, layer := range layers {
		n := m.graph.names[layer] // nil for one that backward refuses
		i, seen := at[n]
		if n == nil || !seen {
			i = len(distinct)
			at[n] = i
			distinct = append(distinct, layer)
		}
		place = append(place, i)
	}
	return distinct, place
}

// schedule lists the steps for n seeds.
func (b *backward) schedule(n int) []scheduled {
	var out []scheduled
	for _, st := range b.steps {
		if _, ok := st.(*forwardStep); ok {
			out = append(out, scheduled{st, 0, 1})
		} else {
			out = append(out, scheduled{st, 0, n})
		}
	}
	return out
}

// maxSeeds is how many signals go down together at most.
const maxSeeds = 8

// backward is a plan for one rule and set of layers.
type backward struct {
	s        *Session
	capacity int // seeds per run
	rule     Rule
	mem      []float32
	steps    []step
	runs     [maxSeeds + 1]*run
	outs     []*extractStep
	seeds    view

	// Set before each run: images of the forward pass.
	image, reference int

	// While planning:
	arena  arena
	at     int         // index of the group being handled
	index  map[int]int // node id -> index of the group that handles its signal
	signal []view      // by node id: where its signal lies
	ready  []bool
	// addend is a signal for a node that lies in another node's memory and is to be
	// added by the first step that contributes to it.
	addend map[int]view
}

// forwardStep is a convolution of an activation of the image being explained: it depends on
// the image alone, not on the seeds.
type forwardStep struct {
	step
	from *source
	src  *view // of the step
}

// aim points the step at an image of the last Forward.
func (f *forwardStep) aim(image int) { f.src.off = f.from.view.off + image*f.from.view.image }

// backward is the plan for a rule and layers: one, for the most seeds asked for so far.
func (s *Session) backward(rule Rule, layers []string, capacity int) (*backward, error) {
	key := fmt.Sprintf("%d %q", rule, layers)
	if b := s.backs[key]; b != nil && b.capacity >= capacity {
		return b, nil
	}
	m := s.model
	if rule < Gradient || rule > ContrastiveExcitationDuplicated {
		return nil, fmt.Errorf("nn: no rule of number %d", rule)
	}
	if rule == DeepLIFT && !s.whole {
		return nil, errors.New("nn: DeepLIFT needs a session with Whole")
	}
	lowest := len(m.graph.nodes) - 1
	wanted := map[int]bool{}
	var nodes []*Node
	for _, layer := range layers {
		n, err := m.resolve(layer)
		if err != nil {
			return nil, err
		}
		if n.id < s.keepFrom || !s.plan.values[n.id].hasF32 {
			return nil, fmt.Errorf("nn: layer %q is not kept by this session", layer)
		}
		if n.kind == kindInput && rule >= Excitation {
			return nil, fmt.Errorf("nn: layer %q: excitation backprop ends above the network's input", layer)
		}
		nodes = append(nodes, n)
		wanted[n.id] = true
		lowest = min(lowest, n.id)
	}
	b := &backward{s: s, rule: rule, capacity: capacity, index: map[int]int{}, addend: map[int]view{}}
	b.signal = make([]view, len(m.graph.nodes))
	b.ready = make([]bool, len(m.graph.nodes))
	var groups []fused
	for i := len(s.groups) - 1; i >= 0; i-- {
		if g := s.groups[i]; g.last.id >= lowest {
			b.index[g.last.id] = len(groups)
			groups = append(groups, g)
		}
	}
	last := m.graph.nodes[len(m.graph.nodes)-1]
	b.seeds = b.target(last)
	b.ready[last.id] = true
	below := map[int]bool{} // nodes whose value depends on a wanted layer, and the logits on it
	for _, n := range m.graph.nodes {
		below[n.id] = wanted[n.id]
		for _, in := range n.in {
			below[n.id] = below[n.id] || below[in.id]
		}
	}
	for leads, i := map[int]bool{last.id: true}, last.id; i >= 0; i-- {
		below[i] = below[i] && leads[i]
		for _, in := range m.graph.nodes[i].in {
			leads[in.id] = leads[in.id] || leads[i]
		}
	}
	for i, g := range groups {
		b.at = i
		n := g.last
		if !below[n.id] {
			continue
		}
		b.settle(n)
		for _, w := range nodes {
			if w == n {
				e := &extractStep{n: n, src: b.signal[n.id]}
				if n.kind == kindInput {
					e.scale = m.graph.affineScale
				}
				b.steps = append(b.steps, e)
			}
		}
		needed := false
		for _, in := range g.inputs() {
			needed = needed || below[in.id]
		}
		if needed {
			b.group(&g, below)
		}
	}
	for _, n := range nodes {
		for _, st := range b.steps {
			if e, ok := st.(*extractStep); ok && e.n == n {
				b.outs = append(b.outs, e)
				break
			}
		}
	}
	if len(b.outs) != len(nodes) {
		return nil, fmt.Errorf("nn: a layer of %s does not lead to the logits", strings.Join(layers, ", "))
	}
	b.mem = alignedFloats(b.arena.size)
	s.backs[key] = b
	return b, nil
}

// seed writes the signals at the logits.
func (b *backward) seed(seeds []float32) {
	classes := b.s.model.Classes()
	for i := range len(seeds) / classes {
		b.seeds.pack(b.mem, i, seeds[i*classes:][:classes])
	}
}

// target is where the signal of node n lies, allocated at its first use.
func (b *backward) target(n *Node) view {
	if !b.ready[n.id] && b.signal[n.id].c == 0 {
		v, size := newView(n.shape, b.border(n), b.capacity, 0)
		// It lives until its group is handled; if an identity shortcut passes it on, until
		// the shortcut's source is. A requested layer below everything has no later user.
		to := b.index[n.id]
		if g := b.groupOf(n); g.res != nil {
			to = max(to, b.index[g.res.id])
		}
		v.off += b.arena.alloc(size, b.at, max(to, b.at))
		b.signal[n.id] = v
	}
	return b.signal[n.id]
}

// groupOf is the group whose value is node n.
func (b *backward) groupOf(n *Node) *fused {
	for i := range b.s.groups {
		if b.s.groups[i].last == n {
			return &b.s.groups[i]
		}
	}
	panic("nn: a signal for a node that is not kept")
}

// border is the border that the signal of node n needs.
func (b *backward) border(n *Node) int {
	g := b.groupOf(n)
	switch g.root.kind {
	case kindConv:
		return gradientBorder(g.root.conv, g.root.in[0].shape, g.root.shape)
	case kindConcat:
		need := 0
		for _, in := range n.in {
			need = max(need, b.border(in))
		}
		return need
	}
	return 0
}

// gradientBorder is how far the gradient of convolution c reaches beyond its output map.
func gradientBorder(c *Conv, in, out Shape) int {
	need := 0
	for py := range c.Stride {
		for ky := range c.KH {
			if ny := py + c.Pad - ky; mod(ny, c.Stride) == 0 {
				d := floorDiv(ny, c.Stride)
				rows := ceilDiv(in.H-py, c.Stride)
				need = max(need, -d, rows-1+d-(out.H-1))
			}
		}
		for kx := range c.KW {
			if nx := py + c.Pad - kx; mod(nx, c.Stride) == 0 {
				d := floorDiv(nx, c.Stride)
				cols := ceilDiv(in.W-py, c.Stride)
				need = max(need, -d, cols-1+d-(out.W-1))
			}
		}
	}
	return need
}

// contribution prepares a step that writes to the signal of node n: the step computes
// dst = something + *res, where res is what is there already (nil for nothing).
func (b *backward) contribution(n *Node) (dst view, res *view) {
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

// pass gives node n a signal that lies in another node's memory.
func (b *backward) pass(n *Node, src view) {
	if _, taken := b.addend[n.id]; taken || b.ready[n.id] {
		dst, res := b.contribution(n)
		b.steps = append(b.steps, &combineStep{a: src, res: res, dst: dst})
		return
	}
	b.addend[n.id] = src
}

// settle makes sure that the signal of node n lies in memory of its own.
func (b *backward) settle(n *Node) {
	if a, ok := b.addend[n.id]; ok && !b.ready[n.id] {
		delete(b.addend, n.id)
		dst, _ := b.contribution(n)
		b.steps = append(b.steps, &combineStep{a: a, dst: dst})
	}
	if !b.ready[n.id] {
		panic("nn: a layer without a signal")
	}
}

// activation is where the forward pass left the value of node n.
func (b *backward) activation(n *Node) source {
	return source{view: b.s.plan.values[n.id].f32, mem: b.s.mem, back: b}
}

// referenceOf is where the forward pass left the value that node n has for the reference.
func (b *backward) referenceOf(n *Node) source {
	a := b.activation(n)
	a.reference = true
	return a
}

// source is an activation of the image being explained, or of the reference.
type source struct {
	view      view
	mem       []float32
	back      *backward
	reference bool
}

// row is a row of a block.
func (a *source) row(blk, y int) []float32 {
	image := a.back.image
	if a.reference {
		image = a.back.reference
	}
	return a.mem[a.view.at(image, blk, y, 0):][:a.view.w*block]
}

// group passes the signal of a group's output on to its inputs.
func (b *backward) group(g *fused, below map[int]bool) {
	n := g.last
	sig := b.signal[n.id]
	root := g.root
	excite := b.rule >= Excitation
	if g.relu != nil {
		b.steps = append(b.steps, &gateStep{signal: sig, act: b.activation(n), guided: b.rule == Guided})
	}
	switch root.kind {
	case kindConv:
		branch := sig
		if g.add != nil {
			if b.rule.splits() && below[g.res.id] {
				branch = b.scratch(n.shape, sig.border, b.capacity)
				b.steps = append(b.steps, &splitStep{signal: sig, branch: branch, out: b.activation(n), shortcut: b.activation(g.res)})
			}
			if below[g.res.id] {
				b.pass(g.res, sig)
			}
		}
		in := root.in[0]
		if !below[in.id] {
			return
		}
		switch {
		case b.rule.contrastive() && n == b.s.model.graph.nodes[len(b.s.model.graph.nodes)-1]:
			b.excite(g, branch, in, 1, false)
			b.excite(g, branch, in, -1, true)
		case excite:
			b.excite(g, branch, in, 1, false)
		default:
			w := b.s.model.gradientWeights(root, g.norm, 0)
			dst, res := b.contribution(in)
			b.steps = append(b.steps, b.convolution(w, branch, nil, dst, res))
		}
	case kindNorm:
		b.elementwise(root.in[0], below, func(dst view, res *view) step {
			s := newNormStep(root.norm, sig, dst)
			if excite {
				return &combineStep{a: sig, res: res, dst: dst}
			}
			return &combineStep{a: sig, scale: s.scale, res: res, dst: dst}
		})
	case kindReLU:
		b.elementwise(root.in[0], below, func(dst view, res *view) step {
			if b.rule == DeepLIFT {
				b.steps = append(b.steps, &rescaleStep{signal: sig, x: b.activation(root.in[0]), ref: b.referenceOf(root.in[0])})
			} else {
				b.steps = append(b.steps, &gateStep{signal: sig, act: b.activation(n), guided: b.rule == Guided})
			}
			return &combineStep{a: sig, res: res, dst: dst}
		})
	case kindAdd:
		if b.rule.splits() {
			second := b.scratch(n.shape, 0, b.capacity)
			b.steps = append(b.steps, &splitStep{signal: sig, branch: second, out: b.activation(n), shortcut: b.activation(root.in[0])})
			b.elementwise(root.in[0], below, func(dst view, res *view) step { return &combineStep{a: sig, res: res, dst: dst} })
			b.elementwise(root.in[1], below, func(dst view, res *view) step { return &combineStep{a: second, res: res, dst: dst} })
			return
		}
		for _, in := range root.in {
			b.elementwise(in, below, func(dst view, res *view) step { return &combineStep{a: sig, res: res, dst: dst} })
		}
	case kindMeanPool:
		b.elementwise(root.in[0], below, func(dst view, res *view) step {
			st := &meanPoolBack{signal: sig, dst: dst, res: res}
			if excite {
				x, y := b.activation(root.in[0]), b.activation(n)
				st.x, st.y = &x, &y
			}
			return st
		})
	case kindMaxPool:
		b.elementwise(root.in[0], below, func(dst view, res *view) step {
			back := maxPoolBack{pool: *root.pool, signal: sig, x: b.activation(root.in[0]), dst: dst, res: res}
			if b.rule == DeepLIFT {
				return &maxPoolRescale{back, b.referenceOf(root.in[0])}
			}
			return &back
		})
	case kindLRN:
		b.elementwise(root.in[0], below, func(dst view, res *view) step {
			if excite { // like batch normalisation: passes unchanged
				return &combineStep{a: sig, res: res, dst: dst}
			}
			back := &lrnBack{lrn: *root.lrn, signal: sig, x: b.activation(root.in[0]), dst: dst, res: res}
			if b.rule == DeepLIFT {
				ref := b.referenceOf(root.in[0])
				back.ref = &ref
			}
			return back
		})
	case kindConcat:
		at := 0
		for _, in := range root.in {
			if below[in.id] {
				if at%block == 0 && !b.ready[in.id] && b.addend[in.id].c == 0 {
					// The operand's signal is a part of this one; nobody reads this one again.
					b.signal[in.id] = sig.channels(at, in.shape.C)
					b.ready[in.id] = true
					b.extend(n, in)
				} else {
					dst, res := b.contribution(in)
					b.steps = append(b.steps, &sliceStep{src: sig, c0: at, dst: dst, res: res})
				}
			}
			at += in.shape.C
		}
	}
}

// elementwise adds a step that contributes to in, if its signal is wanted.
func (b *backward) elementwise(in *Node, below map[int]bool, make func(dst view, res *view) step) {
	if !below[in.id] {
		return
	}
	dst, res := b.contribution(in)
	b.steps = append(b.steps, make(dst, res))
}

// scratch allocates memory that only the group being handled uses, unless it is passed on.
func (b *backward) scratch(s Shape, border, images int) view {
	v, size := newView(s, border, images, 0)
	v.off += b.arena.alloc(size, b.at, b.at)
	return v
}

// extend keeps the memory of concatenation n alive until its operand in is handled.
func (b *backward) extend(n, in *Node) {
	v := b.signal[n.id]
	base := v.off - v.border*v.row - v.border*block
	for i := range b.arena.live {
		if s := &b.arena.live[i]; s.off == base && s.to >= b.at && s.from <= b.at {
			s.to = max(s.to, b.index[in.id])
			if g := b.groupOf(in); g.res != nil {
				s.to = max(s.to, b.index[g.res.id])
			}
		}
	}
}

// convolution is a step that runs packed weights from src, which lies in srcMem (nil: the
// backward memory), to dst.
func (b *backward) convolution(w *convWeights, src view, srcMem []float32, dst view, res *view) step {
	k := &b.s.model.kernels.GemmF32
	if res == nil && src.h == 1 && src.w == 1 && dst.h == 1 && dst.w == 1 && len(w.geometry.phases) == 1 && len(w.geometry.phases[0].taps) == 1 {
		st := newLinearStep(k, w, src, dst, false, b.capacity)
		st.srcMem = srcMem
		return st
	}
	st := b.s.model.newConvStep(w, src, dst, res, false)
	st.srcMem = srcMem
	return st
}

// excite adds the steps of the excitation rule for a convolution:
// P_in = x * convT(W, P / conv(x, W)) for the weights of the given sign, subtracted if minus.
func (b *backward) excite(g *fused, p view, in *Node, sign int, minus bool) {
	m := b.s.model
	x := b.activation(in)
	y := b.scratch(g.root.shape, 0, 1)
	f := &forwardStep{step: b.convolution(m.signedWeights(g.root, sign), x.view, x.mem, y, nil), from: &x}
	switch st := f.step.(type) {
	case *convStep:
		f.src = &st.src
	case *linearStep:
		f.src = &st.src
	}
	b.steps = append(b.steps, f)
	q := b.scratch(g.root.shape, gradientBorder(g.root.conv, in.shape, g.root.shape), b.capacity)
	b.steps = append(b.steps, &divideStep{p: p, y: y, dst: q})
	r := b.scratch(in.shape, 0, b.capacity)
	b.steps = append(b.steps, b.convolution(m.gradientWeights(g.root, nil, sign), q, nil, r, nil))
	dst, res := b.contribution(in)
	b.steps = append(b.steps, &multiplyStep{x: x, r: r, res: res, dst: dst, minus: minus})
}

// gradientWeights packs the input gradient of convolution n; see packGradient.
func (m *Model) gradientWeights(n, norm *Node, sign int) *convWeights {
	kind := packedGradient
	switch {
	case sign > 0:
		kind = packedExcitationGradient
	case sign < 0:
		kind = packedInhibitionGradient
	}
	return m.pack(n, norm, kind, func(scale []float64, _ []float32) *convWeights {
		return packGradient(n.conv, n.in[0].shape.C, scale, sign, m.kernels.GemmF32.MaxVecs)
	})
}

// signedWeights packs the weights of one sign of convolution n, forwards, without bias.
func (m *Model) signedWeights(n *Node, sign int) *convWeights {
	kind := packedExcitation
	if sign < 0 {
		kind = packedInhibitionForward
	}
	return m.pack(n, nil, kind, func([]float64, []float32) *convWeights {
		w := make([]float32, len(n.conv.Weight))
		for i, v := range n.conv.Weight {
			w[i] = signed(v, sign)
		}
		c := *n.conv
		c.Weight, c.Bias = w, nil
		return packForward(&c, n.in[0].shape.C, nil, nil, m.kernels.GemmF32.MaxVecs)
	})
}
