package nn

import (
	"fmt"
	"slices"
)

// Add appends a + b: the residual sum of a branch and a shortcut. Of two operands either may
// have a single channel, row or column where the other has more: it is repeated.
func (g *Graph) Add(name string, a, b *Node) *Node {
	return g.append(name, &binary{what: addition}, a, b)
}

// Sub appends a - b; see Add.
func (g *Graph) Sub(name string, a, b *Node) *Node {
	return g.append(name, &binary{what: subtraction}, a, b)
}

// Mul appends a * b; see Add. A gate is a product with a value of a sigmoid.
func (g *Graph) Mul(name string, a, b *Node) *Node {
	return g.append(name, &binary{what: multiplication}, a, b)
}

// Div appends a / b; see Add.
func (g *Graph) Div(name string, a, b *Node) *Node {
	return g.append(name, &binary{what: division}, a, b)
}

// binary is an element-wise operator of two values.
type binary struct {
	plain
	what arithmetic
}

type arithmetic int

const (
	addition arithmetic = iota
	subtraction
	multiplication
	division
)

func (o *binary) shape(in []Shape) (Shape, error) {
	a, b := in[0], in[1]
	out := Shape{max(a.C, b.C), max(a.H, b.H), max(a.W, b.W)}
	for _, s := range in {
		if s.C != out.C && s.C != 1 || s.H != out.H && s.H != 1 || s.W != out.W && s.W != 1 {
			return out, fmt.Errorf("%v and %v together", a, b)
		}
	}
	return out, nil
}

func (o *binary) nonNegative(n *Node) bool { return o.what != subtraction && allNonNegative(n) }

func (o *binary) remembers() bool { return true }

// operand is an operand whose single channel, row or column may stand for all of the output.
type operand struct{ all struct{ c, h, w bool } }

func spread(s, out Shape) operand {
	var o operand
	o.all.c, o.all.h, o.all.w = s.C < out.C, s.H < out.H, s.W < out.W
	return o
}

// whole says that the operand has the output's shape.
func (o *operand) whole() bool { return !o.all.c && !o.all.h && !o.all.w }

// rowOf is a row of a block as the output sees it; buf is room for it. in reads a row.
func (o *operand) rowOf(blk, y int, buf []float32, in func(blk, y int) []float32) []float32 {
	if o.all.c {
		blk = 0
	}
	if o.all.h {
		y = 0
	}
	row := in(blk, y)
	if !o.all.c && !o.all.w {
		return row
	}
	for i := range buf {
		at := i
		if o.all.w {
			at %= block
		}
		if o.all.c {
			at -= at % block
		}
		buf[i] = row[at]
	}
	return buf
}

func (o *binary) forward(l *layout, j *job) []step {
	n := j.root
	a, b := spread(n.in[0].shape, n.shape), spread(n.in[1].shape, n.shape)
	srcA, srcB := j.src(n.in[0]), j.src(n.in[1])
	if st := o.perChannel(l, j); st != nil {
		return []step{st}
	}
	return []step{&rowStep{dst: j.dst, row: func(w *worker, image, blk, y int, out []float32) {
		two := w.scratch(2 * len(out))
		x := a.rowOf(blk, y, two[:len(out)], func(blk, y int) []float32 { return srcA.line(w.mem, image, blk, y) })
		z := b.rowOf(blk, y, two[len(out):], func(blk, y int) []float32 { return srcB.line(w.mem, image, blk, y) })
		o.apply(out, x, z)
	}}}
}

// perChannel is the step for a map and an operand with one number for each channel, as a gate
// has; nil where the operands are not such.
func (o *binary) perChannel(l *layout, j *job) step {
	if o.what != addition && o.what != multiplication {
		return nil
	}
	x, v := j.root.in[0], j.root.in[1]
	if x.shape != j.root.shape {
		x, v = v, x
	}
	if x.shape != j.root.shape || v.shape != (Shape{x.shape.C, 1, 1}) {
		return nil
	}
	src, one, kernel := j.src(x), j.src(v), l.m.kernels.MapF32
	return &rowStep{dst: j.dst, row: func(w *worker, image, blk, y int, out []float32) {
		scale, shift := &ones[0], &one.line(w.mem, image, blk, 0)[0]
		if o.what == multiplication {
			scale, shift = shift, &zeros[0]
		}
		affineRow(kernel, w, &src.line(w.mem, image, blk, y)[0], out, scale, shift)
	}}
}

// apply computes a row.
func (o *binary) apply(out, a, b []float32) {
	b = b[:len(a)]
	switch o.what {
	case addition:
		for i, v := range a {
			out[i] = v + b[i]
		}
	case subtraction:
		for i, v := range a {
			out[i] = v - b[i]
		}
	case multiplication:
		for i, v := range a {
			out[i] = v * b[i]
		}
	case division:
		for i, v := range a {
			out[i] = v / b[i]
		}
	}
}

// factor is what an operand's signal is of the output's: o is which operand, (a, b) the values
// of the image and (ra, rb) those of the reference, which are the same but for DeepLIFT. A
// product's change is that of each operand times the mean of the other, which is exact, and the
// Shapley value of its two operands; a quotient is the product with the reciprocal.
func (o *binary) factor(which int, a, b, ra, rb float32) float32 {
	switch {
	case o.what == addition, o.what == subtraction && which == 0:
		return 1
	case o.what == subtraction:
		return -1
	case o.what == multiplication && which == 0:
		return (b + rb) / 2
	case o.what == multiplication:
		return (a + ra) / 2
	case which == 0:
		return (1/b + 1/rb) / 2
	}
	return -(a + ra) / 2 / (b * rb)
}

// backward: see factor. Excitation backprop divides the signal of a sum in proportion, see
// shares (or sends it whole to both, by the rule); a difference and a quotient pass it to
// their first operand, the other one inhibiting; a product passes it to the operand that is not
// a gate (the "signal takes all" rule of Arras et al., 2017), half to each if there is no telling
// which is (Arjona-Medina et al., 2019). Constants get none.
func (o *binary) backward(b *descent, g *fused, sig view) {
	n := g.root
	for which, in := range n.in {
		if !b.below[in.id] {
			continue
		}
		op := spread(in.shape, n.shape)
		if op.whole() {
			b.contribute(in, func(dst view, res *view) step {
				st := o.part(b, g, which, sig, dst)
				st.res = res
				return st
			})
			continue
		}
		part := b.scratch(n.shape, 0, b.capacity)
		b.steps = append(b.steps, o.part(b, g, which, sig, part))
		b.contribute(in, func(dst view, res *view) step { return &reduceStep{src: part, operand: op, dst: dst, res: res} })
	}
}

// part is a step that writes what an operand gets of the signal to dst, in the output's shape.
func (o *binary) part(b *descent, g *fused, which int, sig, dst view) *rowStep {
	n := g.root
	if b.rule >= Excitation {
		weight, proportional := o.excitation(b.rule, n, which)
		if proportional {
			return b.shares(n, g).step(sig, dst, b.operandOf(n, 0), which == 1)
		}
		return &rowStep{dst: dst, row: func(w *worker, image, blk, y int, p []float32) {
			for i, v := range sig.line(w.mem, image, blk, y) {
				p[i] = v * weight
			}
		}}
	}
	a, c := b.operandOf(n, 0), b.operandOf(n, 1)
	ra, rc := a.against(b), c.against(b)
	return &rowStep{dst: dst, row: func(w *worker, image, blk, y int, p []float32) {
		room := w.scratch(5 * len(p))[len(p):] // the first part may be p
		take := func(i int, o *activationOperand) []float32 {
			return o.rowOf(blk, y, room[i*len(p):][:len(p)], o.row)
		}
		va, vc, vra, vrc := take(0, &a), take(1, &c), take(2, &ra), take(3, &rc)
		for i, v := range sig.line(w.mem, image, blk, y) {
			p[i] = v * o.factor(which, va[i], vc[i], vra[i], vrc[i])
		}
	}}
}

// activationOperand is an operand among the activations.
type activationOperand struct {
	operand
	source
}

func (b *descent) operandOf(n *Node, which int) activationOperand {
	in := n.in[which]
	return activationOperand{spread(in.shape, n.shape), b.activation(in)}
}

// against is the operand of the reference; see descent.against.
func (a activationOperand) against(b *descent) activationOperand {
	a.reference = b.rule == DeepLIFT
	return a
}

// excitation is the part of the signal that an operand gets, or that it is in proportion to the
// values.
func (o *binary) excitation(r Rule, n *Node, which int) (weight float32, proportional bool) {
	this, other := n.in[which], n.in[1-which]
	switch {
	case this.fixed():
		return 0, false
	case other.fixed():
		return 1, false
	case o.what == addition:
		return 1, r.splits()
	case o.what != multiplication:
		return float32(1 - which), false
	}
	switch a, b := this.gates(n), other.gates(n); {
	case a == b:
		return 0.5, false
	case a:
		return 0, false
	}
	return 1, false
}

// fixed says that a value is the same for all images.
func (v *Node) fixed() bool { _, ok := v.op.(*constant); return ok }

// gates says that a value can only be a gate in product n: it lies between 0 and 1 by its
// definition, or is one number for a whole map.
func (v *Node) gates(n *Node) bool {
	a, ok := v.op.(*elementwise)
	return ok && functions[a.Function].gate || v.shape != n.shape
}

// reduceStep sums src over the axes that an operand spreads over.
type reduceStep struct {
	src view
	operand
	dst view
	res *view
}

func (s *reduceStep) items(n int) int { return n }

func (s *reduceStep) run(w *worker, first, n, image int) {
	sums := w.buffers(1, s.dst.c*s.dst.h*s.dst.w)[0]
	clear(sums)
	for c := range s.src.c {
		for y := range s.src.h {
			row := s.src.line(w.mem, image, c/block, y)[c%block:]
			at := s.index(c, y)
			for x := range s.src.w {
				to := at
				if !s.all.w {
					to += x
				}
				sums[to] += float64(row[x*block])
			}
		}
	}
	for b := range blocks(s.dst.c) {
		start(w, &s.dst, s.res, image, b, 0)
	}
	for i, v := range sums {
		c, y, x := i/(s.dst.h*s.dst.w), i/s.dst.w%s.dst.h, i%s.dst.w
		w.mem[s.dst.at(image, c/block, y, x)+c%block] += float32(v)
	}
}

// index is where the sums of a row of a channel begin.
func (s *reduceStep) index(c, y int) int {
	if s.all.c {
		c = 0
	}
	if s.all.h {
		y = 0
	}
	return (c*s.dst.h + y) * s.dst.w
}

// shares is how the signal of a sum is divided: in proportion to its operands, as the paper's
// authors do for residual sums, if all that reads it is ReLUs, which stop the signal where the sum
// is not positive; else in proportion to the operands' positive parts, as by a convolution.
type shares struct {
	sum      source // or what a ReLU made of it
	positive bool
}

func (b *descent) shares(sum *Node, g *fused) shares {
	s := shares{sum: b.activation(g.last)}
	for _, n := range b.model.graph.nodes {
		if slices.Contains(n.in, sum) {
			a, ok := n.op.(*elementwise)
			s.positive = s.positive || !ok || a.Function != ReLU
		}
	}
	return s
}

// of is the signal v times what its sum's part, or the rest of it, is of the whole. 0 stays 0.
func (s *shares) of(v, sum, part float32, rest bool) float32 {
	other := sum - part
	if s.positive {
		part, other = max(part, 0), max(other, 0)
		sum = part + other
	}
	if rest {
		part = other
	}
	switch {
	case v == 0:
		return v
	case sum == 0:
		return v / 2
	}
	return float32(v*part) / sum
}

// step writes the share of one operand: the one given, or the other one.
func (s shares) step(sig, dst view, part activationOperand, rest bool) *rowStep {
	return &rowStep{dst: dst, row: func(w *worker, image, blk, y int, p []float32) {
		sums := s.sum.row(blk, y)
		values := part.rowOf(blk, y, w.scratch(2 * len(p))[len(p):], part.row) // the first part may be p
		for i, v := range sig.line(w.mem, image, blk, y) {
			p[i] = s.of(v, sums[i], values[i], rest)
		}
	}}
}
