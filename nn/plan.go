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
	feed   *feed
	values []value // by node id
	size   int     // elements of memory
	// moments are the steps that measure batch normalisations.
	moments []*momentStep

	ends       []int   // by group: the number of steps up to it
	splitGroup int     // the first group of the others
	crossing   []*Node // whose values these read, made by the leading ones
}

// value is where a node's output lies: in float32, in bfloat16, in both or not at all.
type value struct {
	f32, bf16       view
	hasF32, hasBF16 bool
}

// batchMaps is the largest map, in pixels, from which on a plan runs over the whole batch.
const batchMaps = 14 * 14

// layout is a plan under construction.
type layout struct {
	*plan
	m        *Model
	o        SessionOptions
	whole    SessionOptions // those of the session: o may be for one image of it
	survives []bool         // by node id: its value in float32 is still there after Forward
	groups   []fused
	made     []int      // by node id: the group that computes it, -1 for none
	lastUse  []int      // by node id: the last group that reads it
	home     []home     // by node id
	inPlace  []bool     // by node id: a concatenation that needs no step
	need     []needs    // by node id
	live     []bool     // by node id: its value is wanted, or leads to one that is
	border   []int      // by node id
	image    *imageStep // nil where nobody reads the interleaved input
	split    int        // the first group that runs over the whole batch
	arena    arena
}

// needs says in which element types a node's value is read.
type needs struct{ f32, bf16 bool }

// newPlan lays out the graph for a batch. Values of nodes from keepFrom on survive.
func (m *Model) newPlan(o SessionOptions, keep []bool, keepFrom int) *plan {
	return m.layOut(o, o, keep, keepFrom)
}

// layOut is newPlan for a part of a session, whose operators are fused as for the whole.
func (m *Model) layOut(o, whole SessionOptions, keep []bool, keepFrom int) *plan {
	l := &layout{plan: &plan{values: make([]value, len(m.graph.nodes)), feed: &feed{}}, m: m, o: o, whole: whole, survives: m.survivors(keepFrom)}
	l.groups = m.fuse(keep, keepFrom, o.Whole)
	l.joinOperands(keep)
	l.uses()
	for i := range l.groups {
		f := &l.groups[i]
		op := f.describe()
		for _, s := range l.steps(i, f) {
			l.plan.steps = append(l.plan.steps, s)
			l.ops = append(l.ops, op)
			op.MACs = 0 // counted once
		}
		if o.Moments && f.last.measured() {
			st := &momentStep{n: f.last, src: l.values[f.last.id].f32, sums: make([]float64, o.Batch*blocks(f.last.shape.C)*block*2)}
			l.moments = append(l.moments, st)
			l.plan.steps = append(l.plan.steps, st)
			l.ops = append(l.ops, Operator{Name: f.last.names[0] + " moments", In: f.last.shape, Out: f.last.shape})
		}
		if i < l.split {
			l.plan.split = len(l.plan.steps)
		}
		l.ends = append(l.ends, len(l.plan.steps))
	}
	l.size = l.arena.size
	l.findCrossing()
	return l.plan
}

// furnish gives a worker the scratch memory that the steps will ask it for.
func (p *plan) furnish(w *worker) {
	row := 0
	for i := range p.values {
		row = max(row, p.values[i].f32.w*block)
	}
	w.scratch(2 * row)
	for _, s := range p.steps {
		switch s := s.(type) {
		case *setStep:
			w.buffers(s.values, s.most())
		case *layerNormStep:
			w.buffers(2, s.dst.w)
		case *softmaxStep:
			w.buffers(2, s.dst.w)
		case *imageStep:
			w.scratch(s.dst.w * s.size.C)
		case *preparedStep:
			w.band = alignedFloats(max(len(w.band), blocks(s.src.c)*s.src.plane))
		}
	}
}

// survivors are the nodes whose values backward steps may read: those from keepFrom on, and what
// these were multiplied by.
func (m *Model) survivors(keepFrom int) []bool {
	out := make([]bool, len(m.graph.nodes))
	for _, n := range m.graph.nodes[keepFrom:] {
		out[n.id] = true
		for _, in := range n.in {
			out[in.id] = out[in.id] || n.op.remembers()
		}
	}
	return out
}

// uses finds which group makes and which reads each value, and in which type.
func (l *layout) uses() {
	nodes := l.m.graph.nodes
	l.made, l.lastUse, l.need, l.live = make([]int, len(nodes)), make([]int, len(nodes)), make([]needs, len(nodes)), make([]bool, len(nodes))
	for i := range l.made {
		l.made[i] = -1
	}
	for i, f := range l.groups {
		l.made[f.last.id] = i
	}
	l.home, l.inPlace = l.m.concatHomes(l.made, l.o.Whole)
	l.border = l.borders()
	output := nodes[len(nodes)-1]
	l.lastUse[output.id] = len(l.groups)
	l.need[output.id].f32 = true
	for _, n := range nodes[1:] {
		l.need[n.id].f32 = l.need[n.id].f32 || l.survives[n.id] || l.o.Moments && n.measured()
		l.live[n.id] = l.need[n.id].f32
	}
	l.live[0] = true
	for i := range slices.Backward(l.groups) {
		f := &l.groups[i]
		half := l.isHalf(f)
		for k, in := range f.inputs() {
			switch {
			case !l.live[f.last.id]:
			case l.inPlace[f.last.id]: // nothing is read
				l.live[in.id] = true
				l.use(i, in)
			case k == 0 && f.before == nil && f.root.op.readsImage(f.root):
				l.readImage(in, half)
			default:
				l.read(i, in, half)
			}
		}
	}
	l.need[0].f32 = l.need[0].f32 || l.survives[0] && l.need[0].bf16
	l.shareNeeds()
	l.findSplit()
}

// read notes that group i reads a node's value in an element type.
func (l *layout) read(i int, in *Node, half bool) {
	l.live[in.id] = true
	l.use(i, in)
	l.need[in.id].f32 = l.need[in.id].f32 || !half
	l.need[in.id].bf16 = l.need[in.id].bf16 || half
}

// use keeps a node's value until group i.
func (l *layout) use(i int, in *Node) {
	l.lastUse[in.id] = max(l.lastUse[in.id], i)
	if h := l.home[in.id].of; h != nil {
		l.lastUse[h.id] = max(l.lastUse[h.id], i)
	}
}

// readImage notes that the interleaved input is read, as what imageOf says of node in.
func (l *layout) readImage(in *Node, half bool) {
	if l.image == nil {
		l.image = newImageStep(l.m.kernels, l.m.graph, in, l.feed, l.border[in.id], l.o.Batch, half, &l.arena)
	}
}

// shareNeeds sees to it that a concatenation is read where its operands are, and they where it
// is, if they are computed in its memory.
func (l *layout) shareNeeds() {
	nodes := l.m.graph.nodes
	for _, n := range nodes {
		if h := l.home[n.id].of; h != nil {
			l.need[h.id].f32 = l.need[h.id].f32 || l.need[n.id].f32
			l.need[h.id].bf16 = l.need[h.id].bf16 || l.need[n.id].bf16
			l.survives[h.id] = l.survives[h.id] || l.survives[n.id]
		}
	}
	for _, n := range nodes {
		if h := l.home[n.id].of; h != nil {
			l.need[n.id] = l.need[h.id]
		}
	}
}

// findSplit finds the first group whose output, and all outputs after it, are small maps.
func (l *layout) findSplit() {
	l.split = len(l.groups)
	for i := len(l.groups) - 1; i >= 0; i-- {
		if s := l.groups[i].last.shape; s.H*s.W > batchMaps {
			break
		}
		l.split = i
	}
	if l.o.Batch == 1 {
		l.split = 0
	}
}

// findCrossing finds what the groups after the split read of what those before it make.
func (l *layout) findCrossing() {
	l.splitGroup = l.split
	seen := make([]bool, len(l.made))
	for i := l.split; i < len(l.groups); i++ {
		f := &l.groups[i]
		if !l.live[f.last.id] {
			continue
		}
		for k, in := range f.inputs() {
			if k == 0 && f.before == nil && f.root.op.readsImage(f.root) {
				l.splitGroup = 0 // the image itself crosses
			}
			if l.made[in.id] < l.split && !seen[in.id] {
				seen[in.id] = true
				l.crossing = append(l.crossing, in)
			}
		}
	}
}

// isHalf says that f reads bfloat16.
func (l *layout) isHalf(f *fused) bool {
	return l.m.bf16 && !l.o.Whole && f.root.op.half(f.root)
}

// place finds memory for group i's value in an element type, at its first use.
func (l *layout) place(i int, n *Node, half bool) view {
	target := n
	if h := l.home[n.id].of; h != nil {
		target = h
	}
	v, ok := l.values[target.id].in(half)
	if !ok {
		end := max(l.lastUse[target.id], i) // it is written, even if nobody reads it
		images := l.o.Batch
		if !half && l.survives[target.id] {
			end = len(l.groups)
		} else if i < l.split && end < l.split && l.made[target.id] < l.split {
			images = 1
		}
		begin := i
		if images == l.o.Batch && i < l.split {
			begin = 0 // the steps before this one run again, for the next image
		}
		v = l.view(target.shape, l.border[target.id], images, half, begin, end)
		l.values[target.id].set(v, half)
	}
	if target != n {
		v = v.channels(l.home[n.id].at, n.shape.C)
		l.values[n.id].set(v, half)
	}
	return v
}

// view allocates memory that lives from group begin to group end.
func (l *layout) view(s Shape, border, images int, half bool, begin, end int) view {
	v, size := newView(s, border, images, 0)
	if half { // offsets count elements of the view's own type
		v.off += 2 * l.arena.alloc(ceilDiv(size, 2*block)*block, begin, end)
	} else {
		v.off += l.arena.alloc(size, begin, end)
	}
	if images == 1 && l.o.Batch > 1 {
		v.image = 0
	}
	return v
}

// in is the view of an element type, and whether it is there.
func (v *value) in(half bool) (view, bool) {
	if half {
		return v.bf16, v.hasBF16
	}
	return v.f32, v.hasF32
}

func (v *value) set(w view, half bool) {
	if half {
		v.bf16, v.hasBF16 = w, true
	} else {
		v.f32, v.hasF32 = w, true
	}
}

// borders is the width of the zero border that the readers of each node's value need, and those of
// what shares its memory.
func (l *layout) borders() []int {
	b := make([]int, len(l.home))
	for _, n := range l.m.graph.nodes {
		need := n.op.border(n)
		for _, in := range n.in {
			b[in.id] = max(b[in.id], need)
		}
	}
	for id, h := range l.home {
		if h.of != nil {
			b[h.of.id] = max(b[h.of.id], b[id])
		}
	}
	return b
}

// steps makes the steps of group i: those that compute its value in the type in which they
// come naturally, and a conversion where it is read in the other, too. There are none where the
// operands of a concatenation already lie in place.
func (l *layout) steps(i int, f *fused) []step {
	n := f.last
	need := l.need[n.id]
	var out []step
	switch {
	case n.id == 0 && l.image != nil:
		out = append(out, l.image)
		if !need.f32 && !need.bf16 {
			return out
		}
	case !l.live[n.id]:
		return nil
	case l.inPlace[n.id]:
		l.placeWhole(i, n)
		return nil
	}
	j := &job{fused: *f, i: i, half: l.isHalf(f)}
	j.src = func(in *Node) view { return l.operand(j, in) }
	j.natural = l.natural(j, need)
	j.dst = l.result(j, need)
	if f.rowByRow() {
		out = append(out, l.rows(j))
	} else {
		out = append(out, f.root.op.forward(l, j)...)
	}
	switch {
	case j.natural && need.f32:
		out = append(out, newConvertStep(l.m.kernels, false, j.dst, l.place(i, n, false)))
	case !j.natural && need.bf16:
		out = append(out, newConvertStep(l.m.kernels, true, j.dst, l.place(i, n, true)))
	}
	return out
}

// placeWhole finds the memory of a concatenation whose operands lie in place.
func (l *layout) placeWhole(i int, n *Node) {
	if l.need[n.id].f32 {
		l.place(i, n, false)
	}
	if l.need[n.id].bf16 {
		l.place(i, n, true)
	}
}

// rows is the step of a job that is computed row by row.
func (l *layout) rows(j *job) *rowStep {
	st := j.root.op.forward(l, j)[0].(*rowStep)
	if j.act != nil {
		st.kernels, st.act = l.m.kernels, j.act.op.(*elementwise)
	}
	return st
}

// result is where a job writes: its value's place, or memory of its own if that is only read
// in the other type.
func (l *layout) result(j *job, need needs) view {
	if (j.natural && need.bf16) || (!j.natural && need.f32) {
		return l.place(j.i, j.last, j.natural)
	}
	images := l.o.Batch
	if j.i < l.split {
		images = 1
	}
	return l.view(j.last.shape, 0, images, j.natural, j.i, j.i)
}

// natural says that a job's result comes in bfloat16, not in float32. The products of a direct
// convolution can be written in float32 as well.
func (l *layout) natural(j *job, need needs) bool {
	_, product := j.root.op.(*conv)
	direct := product && l.m.winogradKernel(j.root) == nil && j.res == nil
	return j.half && (need.bf16 || !direct)
}

// operand is where a job finds an operand.
func (l *layout) operand(j *job, in *Node) view {
	v, ok := l.values[in.id].in(j.half)
	if !ok {
		panic("nn: a value is read in a type in which it was not made")
	}
	return v
}

// resolve finds the node a layer name means.
func (m *Model) resolve(layer string) (*Node, error) {
	if n, ok := m.graph.names[layer]; ok {
		return n, nil
	}
	return nil, fmt.Errorf("nn: no layer %q (near: %s)", layer, m.near(layer))
}
