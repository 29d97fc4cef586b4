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
	// How far an element is, in src's order, from one a channel, row or column before.
	steps := [3]int{dst.h * dst.w, dst.w, 1}
	if r.perm != nil {
		in := [3]int{src.h * src.w, src.w, 1}
		for i, p := range r.perm {
			steps[i] = in[p]
		}
	}
	return &rowStep{dst: dst, row: func(w *worker, image, blk, y int, out []float32) {
		for i := range out {
			c := blk*block + i%block
			if c >= dst.c {
				continue
			}
			at := c*steps[0] + y*steps[1] + i/block*steps[2]
			c, px := at/(src.h*src.w), at%(src.h*src.w)
			out[i] = w.mem[src.at(image, c/block, px/src.w, px%src.w)+c%block]
		}
	}}
}
