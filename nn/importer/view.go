package importer

import (
	"fmt"
	"slices"
	"strings"

	"cwox/nn"
)

// The axes of a node, and the batch, which no node has.
const (
	channels = iota
	rowsAxis
	columns
	batch
)

// atom is a piece of a node's axis: size places, each stride elements of the axis apart.
type atom struct{ axis, size, stride int }

// tensor is an ONNX tensor: a node, and for each of the tensor's axes the atoms whose product it
// is, the outermost first. An axis of length 1 has none.
type tensor struct {
	node *nn.Node
	dims [][]atom
	name string // of the ONNX tensor
	pre  *affine
}

// grouping says which axes of an ONNX shape become a node's channels, rows and columns.
type grouping [3][]int

// axisSize is the length of a node's axis.
func axisSize(s nn.Shape, axis int) int { return [3]int{s.C, s.H, s.W}[axis] }

// length is the product of atoms.
func length(atoms []atom) int {
	n := 1
	for _, a := range atoms {
		n *= a.size
	}
	return n
}

// shape are the lengths of a tensor's axes.
func (t *tensor) shape() []int {
	out := make([]int, len(t.dims))
	for d, atoms := range t.dims {
		out[d] = length(atoms)
	}
	return out
}

// merged joins neighbours that are one run of an axis, and drops atoms of size 1.
func merged(atoms []atom) []atom {
	var out []atom
	for _, a := range atoms {
		if a.size == 1 {
			continue
		}
		if last := len(out) - 1; last >= 0 && out[last].axis == a.axis && out[last].stride == a.size*a.stride {
			out[last] = atom{a.axis, out[last].size * a.size, a.stride}
			continue
		}
		out = append(out, a)
	}
	return out
}

// whole is an axis of a node as a single atom; none where its length is 1.
func whole(s nn.Shape, axis int) []atom { return merged([]atom{{axis, axisSize(s, axis), 1}}) }

// arranged is the tensor of an ONNX shape whose axes a node's are made of. Axes that are in no
// group are the batch, or of length 1.
func arranged(node *nn.Node, shape []int, g grouping, name string) *tensor {
	t := &tensor{node: node, dims: make([][]atom, len(shape)), name: name}
	grouped := 0
	for axis, list := range g {
		stride := 1
		for _, d := range slices.Backward(list) {
			t.dims[d] = merged([]atom{{axis, shape[d], stride}})
			stride *= shape[d]
		}
		grouped += len(list)
	}
	for d, n := range shape {
		if n > 1 && !slices.ContainsFunc(g[:], func(list []int) bool { return slices.Contains(list, d) }) {
			t.dims[d] = []atom{{batch, n, 1}}
		}
	}
	return t
}

// standard is the grouping of [images][C][H][W] and of what has more or fewer axes.
func standard(rank int) (g grouping) {
	switch {
	case rank == 1:
		g[channels] = []int{0}
	case rank >= 2:
		g[channels] = []int{1}
	}
	for d := 2; d < rank; d++ {
		axis := rowsAxis
		if d == rank-1 {
			axis = columns
		}
		g[axis] = append(g[axis], d)
	}
	return g
}

// reshape is the tensor in another shape; nil where an atom would have to be cut unevenly.
func (t *tensor) reshape(shape []int) *tensor {
	var atoms []atom
	for _, dim := range t.dims {
		atoms = append(atoms, dim...)
	}
	atoms = merged(atoms)
	out := &tensor{node: t.node, dims: make([][]atom, len(shape)), name: t.name, pre: t.pre}
	for d, want := range shape {
		for want > 1 {
			if len(atoms) == 0 {
				return nil
			}
			a := &atoms[0]
			switch {
			case want%a.size == 0:
				want /= a.size
				out.dims[d] = append(out.dims[d], *a)
				atoms = atoms[1:]
			case a.size%want == 0:
				rest := a.size / want
				out.dims[d] = append(out.dims[d], atom{a.axis, want, a.stride * rest})
				a.size, want = rest, 1
			default:
				return nil
			}
		}
		out.dims[d] = merged(out.dims[d])
	}
	return out
}

// permuted is the tensor with its axes in another order.
func (t *tensor) permuted(perm []int) *tensor {
	out := &tensor{node: t.node, name: t.name, pre: t.pre}
	for _, p := range perm {
		out.dims = append(out.dims, t.dims[p])
	}
	return out
}

// isWhole says that atoms are one whole axis of the node, or that both have length 1.
func (t *tensor) isWhole(atoms []atom, axis int) bool {
	return slices.Equal(atoms, whole(t.node.Shape(), axis))
}

// ofAxis says that atoms are all of a node's axis, in whatever order.
func (t *tensor) ofAxis(atoms []atom, axis int) bool {
	for _, a := range atoms {
		if a.axis != axis {
			return false
		}
	}
	return length(atoms) == axisSize(t.node.Shape(), axis)
}

// position is where an element of the node lies along an axis of atoms.
func position(atoms []atom, at [3]int) int {
	p := 0
	for _, a := range atoms {
		p = p * a.size
		if a.axis != batch {
			p += at[a.axis] / a.stride % a.size
		}
	}
	return p
}

// arrangement is the grouping by which the tensor lies in its node as it is; ok is false where
// an ONNX axis has pieces of two, or the pieces are in another order.
func (t *tensor) arrangement() (g grouping, ok bool) {
	var atoms [3][]atom
	for d, dim := range t.dims {
		for i, a := range dim {
			if a.axis == batch {
				continue
			}
			if a.axis != dim[0].axis {
				return g, false
			}
			if i == 0 {
				g[a.axis] = append(g[a.axis], d)
			}
			atoms[a.axis] = append(atoms[a.axis], a)
		}
	}
	for axis := range atoms {
		if !t.isWhole(merged(atoms[axis]), axis) {
			return g, false
		}
	}
	return g, true
}

// segments are the groupings of consecutive axes, each of so many axes from first on.
func segments(first, rank int) []grouping {
	var out []grouping
	for i := first; i <= rank; i++ {
		for j := i; j <= rank; j++ {
			var g grouping
			for d := first; d < rank; d++ {
				axis := channels
				if d >= i {
					axis = rowsAxis
				}
				if d >= j {
					axis = columns
				}
				g[axis] = append(g[axis], d)
			}
			out = append(out, g)
		}
	}
	return out
}

// covers says that a grouping leaves out nothing but the batch.
func (t *tensor) covers(g grouping) error {
	for d, dim := range t.dims {
		in := slices.ContainsFunc(g[:], func(list []int) bool { return slices.Contains(list, d) })
		isBatch := slices.ContainsFunc(dim, func(a atom) bool { return a.axis == batch })
		switch {
		case in && isBatch, !in && isBatch && len(dim) > 1:
			return fmt.Errorf("axis %d of %v mixes the images of a batch: export the model with a batch of 1", d, t.shape())
		case !in && !isBatch && len(dim) > 0:
			return fmt.Errorf("axis %d of %v is the images', it should have length 1", d, t.shape())
		}
	}
	return nil
}

// as is a node whose axes are those of the grouping: the tensor's own where it lies so, else one
// that moves the elements.
func (b *builder) as(t *tensor, g grouping) (*nn.Node, error) {
	if err := t.covers(g); err != nil {
		return nil, err
	}
	var want [3][]atom
	var sizes [3]int
	same := true
	for axis, list := range g {
		for _, d := range list {
			want[axis] = append(want[axis], t.dims[d]...)
		}
		sizes[axis] = length(want[axis])
		want[axis] = merged(want[axis])
		same = same && t.isWhole(want[axis], axis)
	}
	if same {
		return t.node, nil
	}
	node := b.move(t, want, nn.Shape{C: sizes[0], H: sizes[1], W: sizes[2]})
	moved := arranged(node, t.shape(), g, t.name)
	t.node, t.dims = moved.node, moved.dims // whoever asks next finds it so
	if name := b.label(t.name); name != "" {
		b.Alias(node, name)
		b.layer(t)
	}
	return node, nil
}

// move appends the operators that bring a tensor's elements into another order.
func (b *builder) move(t *tensor, want [3][]atom, shape nn.Shape) *nn.Node {
	own := t.node.Shape()
	if t.isWhole(want[1], 1) && t.isWhole(want[2], 2) && len(want[0]) == 2 {
		if in, out := want[0][1], want[0][0]; in.axis == channels && out.axis == channels && out.stride == 1 && in.stride == out.size {
			node := b.Shuffle(b.fresh(t.name), t.node, in.size)
			b.spatial[node] = b.spatial[t.node]
			return node
		}
	}
	// The three axes as they are, in another order.
	perm, free := [3]int{-1, -1, -1}, []int{}
	for axis := range want {
		if len(want[axis]) == 1 && t.isWhole(want[axis], want[axis][0].axis) {
			perm[axis] = want[axis][0].axis
		}
	}
	for axis := range 3 {
		if axisSize(own, axis) == 1 {
			free = append(free, axis)
		}
	}
	for axis := range want {
		if perm[axis] < 0 && len(want[axis]) == 0 && len(free) > 0 {
			perm[axis], free = free[0], free[1:]
		}
	}
	if !slices.Contains(perm[:], -1) {
		node := b.Transpose(b.fresh(t.name), t.node, perm)
		b.spatial[node] = false
		return node
	}
	// In general, by the fewest transpositions of three segments.
	var target []atom
	for _, atoms := range want {
		target = append(target, atoms...)
	}
	now := slices.Clone(target)
	slices.SortFunc(now, func(a, b atom) int {
		if a.axis != b.axis {
			return a.axis - b.axis
		}
		return b.stride - a.stride
	})
	order := make([]int, len(target))
	for i, a := range target {
		order[i] = slices.Index(now, a)
	}
	node := t.node
	reshape := func(to nn.Shape) {
		if node.Shape() != to {
			node = b.Reshape(b.fresh(t.name), node, to)
		}
	}
	for _, turn := range turns(order) {
		var parts [3][]atom
		for axis, cut := range turn.segments() {
			parts[axis] = now[cut[0]:cut[1]:cut[1]]
		}
		reshape(nn.Shape{C: length(parts[0]), H: length(parts[1]), W: length(parts[2])})
		node = b.Transpose(b.fresh(t.name), node, turn.perm)
		now = slices.Concat(parts[turn.perm[0]], parts[turn.perm[1]], parts[turn.perm[2]])
	}
	reshape(shape)
	b.spatial[node] = node == t.node && b.spatial[node] || t.isWhole(want[1], 1) && t.isWhole(want[2], 2) && b.spatial[t.node]
	return node
}

// turn cuts n things in three segments, at i and j, and puts these in another order.
type turn struct {
	i, j, n int
	perm    [3]int
}

func (t turn) segments() [3][2]int { return [3][2]int{{0, t.i}, {t.i, t.j}, {t.j, t.n}} }

// apply is the order of things after a turn.
func (t turn) apply(order string) string {
	s := t.segments()
	part := func(k int) string { return order[s[t.perm[k]][0]:s[t.perm[k]][1]] }
	return part(0) + part(1) + part(2)
}

// perms are the orders of three segments.
var perms = [...][3]int{{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}

// turns are the fewest that bring 0, 1, 2, ... into an order, found breadth first. Beyond seven
// things, things are brought to their places one by one.
func turns(order []int) []turn {
	n := len(order)
	name := func(list []int) string {
		var s []byte
		for _, k := range list {
			s = append(s, byte('a'+k))
		}
		return string(s)
	}
	start := make([]int, n)
	for i := range start {
		start[i] = i
	}
	from, to := name(start), name(order)
	if n > 7 {
		var out []turn
		for i := range n {
			if at := strings.IndexByte(from[i:], to[i]); at > 0 { // what is done, what is before it, and the rest
				rotate := []turn{{0, i, n, [3]int{0, 2, 1}}, {at, at + 1, n, [3]int{1, 0, 2}}, {0, n - i, n, [3]int{0, 2, 1}}}
				for _, t := range rotate {
					from = t.apply(from)
				}
				out = append(out, rotate...)
			}
		}
		return out
	}
	type step struct {
		before string
		turn   turn
	}
	seen := map[string]step{from: {}}
	for queue := []string{from}; len(queue) > 0 && from != to; queue = queue[1:] {
		now := queue[0]
		if now == to {
			break
		}
		for i := range n {
			for j := i; j <= n; j++ {
				for _, p := range perms {
					t := turn{i, j, n, p}
					next := t.apply(now)
					if _, known := seen[next]; !known {
						seen[next] = step{now, t}
						queue = append(queue, next)
					}
				}
			}
		}
	}
	var out []turn
	for at := to; at != from; at = seen[at].before {
		out = append(out, seen[at].turn)
	}
	slices.Reverse(out)
	return out
}
