package nn

import "fmt"

// Conv is a two-dimensional convolution (cross-correlation) with zero padding.
type Conv struct {
	Weight []float32 // [Out][In/Groups][KH][KW]
	Bias   []float32 // [Out], or nil
	Out    int
	Groups int // 0 means 1
	Window
}

// Conv appends a convolution.
func (g *Graph) Conv(name string, x *Node, c Conv) *Node {
	return g.append(name, &conv{Conv: c}, x)
}

// Linear appends a fully connected layer, weight [out][C*H*W] over the elements of the map in
// the order [C][H][W]: PyTorch's Flatten and Linear in one.
func (g *Graph) Linear(name string, x *Node, weight, bias []float32, out int) *Node {
	s := g.operand(name, x).shape
	return g.Conv(name, x, Conv{Weight: weight, Bias: bias, Out: out, Window: Window{KH: s.H, KW: s.W}})
}

type conv struct {
	plain
	Conv
	in int // channels
}

func (c *conv) shape(in []Shape) (Shape, error) {
	x := in[0]
	c.in = x.C
	if c.Groups == 0 {
		c.Groups = 1
	}
	if c.Out < 1 {
		return x, fmt.Errorf("%d outputs of %v: want at least 1", c.Out, c.Window)
	}
	if c.Groups < 1 || x.C%c.Groups != 0 || c.Out%c.Groups != 0 {
		return x, fmt.Errorf("%d groups of %d channels in, %d out", c.Groups, x.C, c.Out)
	}
	out, err := c.on(x, false)
	if err != nil {
		return x, err
	}
	out.C = c.Out
	if want, ok := volume(c.Out, x.C/c.Groups, c.KH, c.KW); !ok || len(c.Weight) != want {
		return x, fmt.Errorf("%d weights, want %d x %d x %d x %d", len(c.Weight), c.Out, x.C/c.Groups, c.KH, c.KW)
	}
	if c.Bias != nil && len(c.Bias) != c.Out {
		return x, fmt.Errorf("%d biases, want %d", len(c.Bias), c.Out)
	}
	return out, nil
}

func (c *conv) border(n *Node) int { return c.reach(n.in[0].shape, n.shape) }

// depthwise says that every channel is convolved by itself.
func (c *conv) depthwise() bool { return c.Groups > 1 && c.Groups == c.in && c.Groups == c.Out }

// pointwise says that every pixel is convolved by itself.
func (c *conv) pointwise() bool {
	return c.KH == 1 && c.KW == 1 && c.Groups == 1 && c.StrideH == 1 && c.StrideW == 1 && c.Top == 0 && c.Left == 0 && c.Bottom == 0 && c.Right == 0
}

// half leaves the last layers, on maps of one pixel, in float32, and what has no kernel.
func (c *conv) half(n *Node) bool { return n.in[0].shape.H*n.in[0].shape.W > 1 && !c.depthwise() }

func (c *conv) readsImage(n *Node) bool {
	if c.in >= block || c.Groups > 1 || c.DilationW > 1 {
		return false
	}
	_, _, ok := imageOf(n.in[0])
	return ok
}

// prepare packs the weights for forward.
func (c *conv) prepare(m *Model, n, normed *Node) {
	if k := m.winogradKernel(n); k != nil {
		m.winogradWeights(k, n, normed)
	} else {
		m.forwardWeights(n, normed, m.bf16 && c.half(n))
	}
}

func (c *conv) forward(l *layout, j *job) []step {
	m, n := l.m, j.root
	var in view
	switch {
	case c.readsImage(n):
		in = l.image.dst
	case j.before == nil:
		in = j.src(n.in[0])
	}
	var e epilogue
	if j.act != nil {
		e.act = j.act.op.(*elementwise)
	}
	if j.res != nil {
		v := j.src(j.res)
		e.res = &v
	}
	if k := m.winogradKernel(n); k != nil && !l.o.Whole {
		s := m.newWinograd(k, n, j.norm, l.o.Batch, j.i >= l.split && l.o.Batch > 1, func(size int) int { return l.arena.alloc(size, j.i, j.i) })
		s.src, s.dst, s.epilogue = in, j.dst, e
		return s.steps()
	}
	w := m.forwardWeights(n, j.norm, j.half)
	if j.before != nil {
		return []step{l.newPreparedStep(w, n.in[0].shape, l.rows(&job{fused: *j.before, src: j.src}), j.dst, e)}
	}
	if j.half {
		s := newConvStep(m.kernels.GemmBF16.Rows, 2, w, in, j.dst, e)
		s.bf16, s.wide = &m.kernels.GemmBF16, !j.natural
		return []step{s}
	}
	if w.geometry.depthwise {
		return []step{newDepthwiseStep(m.kernels, w, in, j.dst, e)}
	}
	if e.res == nil && w.geometry.linear(&j.dst) {
		return []step{newLinearStep(m.kernels, w, in, j.dst, e.act, l.o.Batch)}
	}
	return []step{m.newConvStep(w, in, j.dst, e)}
}

func (c *conv) signalBorder(_ *descent, n *Node) int {
	in := n.in[0].shape
	return max(c.rows().gradientReach(in.H, n.shape.H), c.cols().gradientReach(in.W, n.shape.W))
}

func (c *conv) backward(b *descent, g *fused, sig view) {
	branch := sig
	if g.add != nil && b.below[g.res.id] {
		shortcut := sig
		if b.rule.splits() {
			branch, shortcut = b.split(g, sig)
		}
		b.pass(g.res, shortcut)
	}
	n, in := g.root, g.root.in[0]
	switch {
	case !b.below[in.id]:
	case b.rule.contrastive() && n == b.model.head():
		b.excite(n, branch, 1, false)
		b.excite(n, branch, -1, true)
	case b.rule >= Excitation:
		b.excite(n, branch, 1, false)
	default:
		w := b.model.gradientWeights(n, g.norm, 0)
		dst, res := b.contribution(in)
		b.steps = append(b.steps, b.convolution(w, branch, nil, dst, res))
	}
}

// split divides the signal of a residual sum in proportion between its operands: in place for
// the shortcut.
func (b *descent) split(g *fused, sig view) (branch, shortcut view) {
	s, short := b.shares(g.add, g), activationOperand{source: b.activation(g.res)}
	branch = b.scratch(g.last.shape, sig.border, b.capacity)
	b.steps = append(b.steps, s.step(sig, branch, short, true), s.step(sig, sig, short, false))
	return branch, sig
}

// excitationEps keeps the division of excitation backprop from 0/0.
const excitationEps = 1e-20

// excite adds the steps of the excitation rule for convolution n, whose output has the signal p:
// P_in = x * convT(W, P / conv(x, W)) for the weights W of the given sign, subtracted if minus.
//
// The paper's rule is for activations that are not negative. Where they may be, what has the
// sign is the product x W: the positive part of x meets the weights of the sign, the negative
// part those of the other (which is LRP's alpha-beta rule with alpha 1, Bach et al., 2015, and
// the paper's where nothing is negative).
func (b *descent) excite(n *Node, p view, sign int, minus bool) {
	in, m := n.in[0], b.model
	y := b.scratch(n.shape, 0, 1)
	q := b.scratch(n.shape, n.op.signalBorder(b, n), b.capacity)
	r := b.scratch(in.shape, 0, b.capacity)
	x := b.activation(in)
	if in.positive {
		f := &onceStep{step: b.convolution(m.signedWeights(n, sign), x.view, x.mem, y, nil), from: &x}
		switch st := f.step.(type) {
		case *depthwiseStep:
			f.src = &st.src
		case *convStep:
			f.src = &st.src
		case *linearStep:
			f.src = &st.src
		}
		b.steps = append(b.steps, f, ratioStep(p, y, q), b.convolution(m.gradientWeights(n, nil, sign), q, nil, r, nil))
		b.multiply(in, x, nil, r, minus)
		return
	}
	var parts [2]view // the positive and the negative part of x
	var res *view
	for i := range parts {
		parts[i] = b.scratch(in.shape, n.op.border(n), 1)
		b.once(partStep(x, i == 1, parts[i]))
		b.once(b.convolution(m.signedWeights(n, sign*(1-2*i)), parts[i], nil, y, res))
		res = &y
	}
	b.steps = append(b.steps, ratioStep(p, y, q))
	for i := range parts {
		b.steps = append(b.steps, b.convolution(m.gradientWeights(n, nil, sign*(1-2*i)), q, nil, r, nil))
		b.multiply(in, x, &parts[i], r, minus)
	}
}

// excitePositive is excite for a linear operator whose weights are not negative, given by the
// steps that apply it and its transpose.
func (b *descent) excitePositive(n *Node, p view, apply, transpose func(src, dst view) step) {
	in := n.in[0]
	x, y := b.scratch(in.shape, 0, 1), b.scratch(n.shape, 0, 1)
	q, r := b.scratch(n.shape, 0, b.capacity), b.scratch(in.shape, 0, b.capacity)
	b.once(partStep(b.activation(in), false, x))
	b.once(apply(x, y))
	b.steps = append(b.steps, ratioStep(p, y, q), transpose(q, r))
	b.multiply(in, source{}, &x, r, false)
}

// partStep writes the positive part of an activation, or the magnitude of its negative part.
func partStep(x source, negative bool, dst view) step {
	return &rowStep{dst: dst, row: func(_ *worker, _, blk, y int, out []float32) {
		for i, v := range x.row(blk, y) {
			if negative {
				v = -v
			}
			out[i] = max(v, 0)
		}
	}}
}

// ratioStep is dst = p / (y + eps), y being the same for all seeds; 0 stays 0.
func ratioStep(p, y, dst view) step {
	return &rowStep{dst: dst, row: func(w *worker, image, blk, row int, out []float32) {
		sums := y.line(w.mem, 0, blk, row)
		for i, v := range p.line(w.mem, image, blk, row) {
			if v != 0 {
				v /= sums[i] + excitationEps
			}
			out[i] = v
		}
	}}
}

// multiply contributes r times an activation, or a map of its own that all seeds share, to the
// signal of a node; subtracted if minus.
func (b *descent) multiply(in *Node, x source, own *view, r view, minus bool) {
	b.contribute(in, func(dst view, res *view) step {
		return &rowStep{dst: dst, res: res, row: func(w *worker, image, blk, y int, out []float32) {
			var xs []float32
			if own != nil {
				xs = own.line(w.mem, 0, blk, y)
			} else {
				xs = x.row(blk, y)
			}
			for i, v := range r.line(w.mem, image, blk, y) {
				v *= xs[i]
				if minus {
					v = -v
				}
				out[i] = v
			}
		}}
	})
}

// convolution is a step that runs packed weights from src, which lies in srcMem (nil: the
// backward memory), to dst.
func (b *descent) convolution(w *convWeights, src view, srcMem []float32, dst view, res *view) step {
	if res == nil && w.geometry.linear(&dst) {
		st := newLinearStep(b.model.kernels, w, src, dst, nil, b.capacity)
		st.srcMem = srcMem
		return st
	}
	if w.geometry.depthwise {
		st := newDepthwiseStep(b.model.kernels, w, src, dst, epilogue{res: res})
		st.srcMem = srcMem
		return st
	}
	st := b.model.newConvStep(w, src, dst, epilogue{res: res})
	st.srcMem = srcMem
	return st
}
