package nn

import "fmt"

// Reshape appends a value with the same elements in the order [C][H][W].
func (g *Graph) Reshape(name string, x *Node, s Shape) *Node {
	return g.append(name, &rearrange{to: s}, x)
}

// Flatten appends the elements in the order [C][H][W] as channels: [C*H*W][1][1].
func (g *Graph) Flatten(name string, x *Node) *Node {
	return g.Reshape(name, x, Shape{g.operand(name, x).shape.Size(), 1, 1})
}

// Transpose appends a value with its axes (0 channels, 1 rows, 2 columns) permuted: axis i is
// axis perm[i] of x.
func (g *Graph) Transpose(name string, x *Node, perm [3]int) *Node {
	return g.append(name, &rearrange{perm: &perm}, x)
}

// rearrange moves elements to other places: all of them, each to one.
type rearrange struct {
	plain
	perm *[3]int // of axes, or
	to   Shape   // the shape, in order
}

func (r *rearrange) shape(in []Shape) (Shape, error) {
	if r.perm == nil {
		if r.to.fits() && r.to.Size() != in[0].Size() {
			return r.to, fmt.Errorf("%v as %v: %d elements, want %d", in[0], r.to, in[0].Size(), r.to.Size())
		}
		return r.to, nil
	}
	var seen, out [3]int
	for i, p := range r.perm {
		if p < 0 || p > 2 || seen[p] > 0 {
			return in[0], fmt.Errorf("axes permuted by %v", *r.perm)
		}
		seen[p]++
		out[i] = in[0].axes()[p]
	}
	return Shape{out[0], out[1], out[2]}, nil
}

func (r *rearrange) nonNegative(n *Node) bool { return allNonNegative(n) }

func (r *rearrange) forward(l *layout, j *job) []step {
	return []step{r.step(j.src(j.root.in[0]), j.dst)}
}

func (r *rearrange) backward(b *descent, g *fused, sig view) {
	back := &rearrange{}
	if r.perm != nil {
		back.perm = &[3]int{}
		for i, p := range r.perm {
			back.perm[p] = i
		}
	}
	b.contribute(g.root.in[0], func(dst view, res *view) step {
		st := back.step(sig, dst)
		st.res = res
		return st
	})
}

// step moves the elements of src to dst.
func (r *rearrange) step(src, dst view) *rowStep {
	if r.perm == nil {
		return reshapeStep(src, dst)
	}
	// How far an element lies from the first one, by its place along each of dst's axes.
	along := [3][]int{}
	for i, p := range r.perm {
		n := [3]int{src.c, src.h, src.w}[p]
		for k := range n {
			along[i] = append(along[i], [3]int{k/block*src.plane + k%block, k * src.row, k * block}[p])
		}
	}
	return &rowStep{dst: dst, row: func(w *worker, image, blk, y int, out []float32) {
		lanes := along[0][blk*block : min((blk+1)*block, dst.c)]
		from := w.mem[src.at(image, 0, 0, 0)+along[1][y]:]
		for x, column := range along[2] {
			to := out[x*block:][:len(lanes)]
			for i, lane := range lanes {
				to[i] = from[lane+column]
			}
		}
	}}
}

// reshapeStep moves the elements of src, in order, to dst.
func reshapeStep(src, dst view) *rowStep {
	return &rowStep{dst: dst, row: func(w *worker, image, blk, y int, out []float32) {
		for i := range min(block, dst.c-blk*block) {
			at := ((blk*block+i)*dst.h + y) * dst.w // in order
			c, py, px := at/(src.h*src.w), at/src.w%src.h, at%src.w
			from := src.at(image, c/block, py, px) + c%block
			for x := range dst.w {
				out[x*block+i] = w.mem[from]
				from += block
				if px++; px == src.w && x+1 < dst.w {
					px = 0
					if py++; py == src.h {
						py = 0
						c++
					}
					from = src.at(image, c/block, py, px) + c%block
				}
			}
		}
	}}
}
