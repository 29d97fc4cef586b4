package nn

// This file is the fusion in front of a convolution, where the epilogue is that behind it: a
// pointwise convolution of a value that is computed row by row and read by nobody else, as
// DenseNet's batch normalisations and the gates of squeeze-and-excitation are.

// Limits of it: what a worker prepares must stay in its core's cache along with the weights, which
// every band of rows reads anew.
const (
	preparedBytes  = 128 << 10 // of a band
	preparedWeight = 512 << 10 // of all weights
)

// joinOperands makes groups whose value only a pointwise convolution reads a part of its group.
func (l *layout) joinOperands(keep []bool) {
	if l.o.Whole || l.m.bf16 {
		return
	}
	by := make(map[*Node]int) // the group that computes a node's value
	for i := range l.groups {
		by[l.groups[i].last] = i
	}
	joined := make([]bool, len(l.groups))
	for i := range l.groups {
		f := &l.groups[i]
		if len(f.root.in) == 0 || !l.preparable(f.root) {
			continue
		}
		in := f.root.in[0]
		b := &l.groups[by[in]]
		if in.users == 1 && !keep[in.id] && !l.survives[in.id] && b.rowByRow() && !(l.o.Moments && in.measured()) {
			f.before = b
			joined[by[in]] = true
		}
	}
	var rest []fused
	for i, f := range l.groups {
		if !joined[i] {
			rest = append(rest, f)
		}
	}
	l.groups = rest
}

// preparable says that n is a convolution whose operand can be computed on the way.
func (l *layout) preparable(n *Node) bool {
	c, ok := n.op.(*conv)
	if !ok || !c.pointwise() || c.readsImage(n) || 4*c.in*c.Out > preparedWeight {
		return false
	}
	bands := ceilDiv(n.shape.H, bandRows(n.in[0].shape, l.whole.Batch, l.whole.Threads))
	return n.shape.H*n.shape.W > 1 && bands*l.whole.Batch >= l.whole.Threads
}

// rowByRow says that a group's only step is a rowStep.
func (f *fused) rowByRow() bool {
	switch f.root.op.(type) {
	case *norm, *binary, *elementwise:
		return true
	}
	return false
}

// bandRows is how many rows of an operand of shape s a worker prepares at a time: as many as the
// cache holds, but few enough for all workers to have some.
func bandRows(s Shape, images, threads int) int {
	fit := preparedBytes / (4 * blocks(s.C) * block * s.W)
	share := s.H * images / (2 * threads)
	return max(1, ceilDiv(14, s.W), min(fit, share)) // a kernel's tile has up to 14 pixels
}

// preparedStep is a pointwise convolution of rows that it computes itself, in the worker's memory.
type preparedStep struct {
	*convStep          // of the band that lies in a worker's memory
	before    *rowStep // computes the operand
}

// newPreparedStep plans a convolution of what before computes, whose shape is s.
func (l *layout) newPreparedStep(w *convWeights, s Shape, before *rowStep, dst view, e epilogue) *preparedStep {
	rows := bandRows(s, l.o.Batch, l.o.Threads)
	band := view{c: s.C, h: rows, w: s.W, row: s.W * block, plane: rows * s.W * block}
	st := &preparedStep{convStep: l.m.newConvStep(w, band, dst, e), before: before}
	st.inBand = true
	plan := &st.phases[0]
	flat := dst.contiguous() && (e.res == nil || e.res.contiguous())
	plan.chunks = nil
	for y := 0; y < s.H; y += rows {
		end := min(y+rows, s.H)
		ch := chunk{y0: y, y1: end}
		if flat {
			n := (end - y) * s.W
			ch.calls = st.cutFlat(n, n)[0].calls
		} else {
			ch.calls = st.cutRows(plan.phase, y, end, s.W).calls
		}
		for i := range ch.calls {
			c := &ch.calls[i]
			if flat {
				c.c, c.r = c.c+y*dst.row, c.r+y*dst.row
			} else {
				c.a -= y * band.row
			}
		}
		plan.chunks = append(plan.chunks, ch)
	}
	st.chunks = len(plan.chunks)
	return st
}

func (s *preparedStep) items(n int) int { return n * s.chunks }

func (s *preparedStep) run(w *worker, first, n, item int) {
	plan, image := &s.phases[0], first+item/s.chunks
	ch := &plan.chunks[item%s.chunks]
	for b := range blocks(s.src.c) {
		for y := ch.y0; y < ch.y1; y++ {
			row := s.src.line(w.band, 0, b, y-ch.y0)
			s.before.compute(w, image, b, y, row)
			clearBeyond(row, s.src.c-b*block)
		}
	}
	for i := range s.w.geometry.panels {
		s.runChunk(w, plan, ch, image, &s.w.geometry.panels[i])
	}
}
