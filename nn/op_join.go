package nn

import (
	"fmt"
	"slices"
)

// Concat appends the concatenation along channels.
func (g *Graph) Concat(name string, xs ...*Node) *Node {
	return g.append(name, &concat{}, xs...)
}

// Constant appends a value that is the same for every image, [C][H][W]: an operand of Add, Mul
// and the like.
func (g *Graph) Constant(name string, s Shape, values []float32) *Node {
	return g.append(name, &constant{size: s, values: values})
}

type concat struct{ plain }

func (c *concat) shape(in []Shape) (Shape, error) {
	if len(in) == 0 {
		return Shape{}, fmt.Errorf("a concatenation of nothing")
	}
	s := in[0]
	s.C = 0
	for _, x := range in {
		if x.H != s.H || x.W != s.W {
			return s, fmt.Errorf("concatenation of %v with a %dx%d map", x, s.H, s.W)
		}
		s.C += x.C
	}
	return s, nil
}

type constant struct {
	plain
	size   Shape
	values []float32
}

func (c *constant) shape([]Shape) (Shape, error) {
	if c.size.fits() && len(c.values) != c.size.Size() {
		return c.size, fmt.Errorf("%d values of a constant of shape %v", len(c.values), c.size)
	}
	return c.size, nil
}

func (c *concat) nonNegative(n *Node) bool { return allNonNegative(n) }

// forward copies operands that could not be computed in place.
func (c *concat) forward(l *layout, j *job) []step {
	var srcs []view
	var starts []int // their first channels, and the end
	at := 0
	for _, in := range j.root.in {
		srcs, starts = append(srcs, j.src(in)), append(starts, at)
		at += in.shape.C
	}
	starts = append(starts, at)
	return []step{&rowStep{dst: j.dst, row: func(w *worker, image, blk, y int, out []float32) {
		c0 := blk * block
		i, exact := slices.BinarySearch(starts, c0)
		if !exact {
			i--
		}
		if from := c0 - starts[i]; from%block == 0 && (starts[i+1]-c0 >= block || i == len(srcs)-1) {
			copy(out, srcs[i].line(w.mem, image, from/block, y))
			return
		}
		gather(out, w.mem, at-c0, func(k int) int {
			for c0+k >= starts[i+1] {
				i++
			}
			from := c0 + k - starts[i]
			return srcs[i].at(image, from/block, y, 0) + from%block
		})
	}}}
}

func (c *concat) signalBorder(b *descent, n *Node) int {
	need := 0
	for _, in := range n.in {
		if b.group[in.id] != nil {
			need = max(need, b.signalBorder(in))
		}
	}
	return need
}

func (c *concat) backward(b *descent, g *fused, sig view) {
	at := 0
	for _, in := range g.root.in {
		_, taken := b.addend[in.id]
		full := at%block == 0 && (in.shape.C%block == 0 || at+in.shape.C == sig.c)
		switch {
		case !b.below[in.id]:
		case full && !taken && !b.ready[in.id] && b.signal[in.id].c == 0:
			// The operand's signal is a part of this one; nobody reads this one again.
			b.signal[in.id] = sig.channels(at, in.shape.C)
			b.ready[in.id] = true
			b.extend(g.last, in)
		default:
			c0 := at
			b.contribute(in, func(dst view, res *view) step {
				return &rowStep{dst: dst, res: res, row: func(w *worker, image, blk, y int, out []float32) {
					for i := range out {
						c := c0 + min(blk*block+i%block, dst.c-1)
						out[i] = w.mem[sig.at(image, c/block, y, i/block)+c%block]
					}
				}}
			})
		}
		at += in.shape.C
	}
}

// extend keeps the memory of concatenation n's signal alive until its operand in is handled.
func (b *descent) extend(n, in *Node) {
	v := b.signal[n.id]
	base := v.off - v.border*v.row - v.border*block
	for i := range b.arena.live {
		if s := &b.arena.live[i]; s.off <= base && base < s.off+s.size && s.from <= b.at && b.at <= s.to {
			s.to = max(s.to, b.index[in.id])
			if g := b.groupOf(in); g.res != nil {
				s.to = max(s.to, b.index[g.res.id])
			}
		}
	}
}

func (c *constant) forward(l *layout, j *job) []step {
	size, values := c.size, c.values
	return []step{&rowStep{dst: j.dst, row: func(_ *worker, _, blk, y int, out []float32) {
		for c := blk * block; c < min((blk+1)*block, size.C); c++ {
			for x, v := range values[(c*size.H+y)*size.W:][:size.W] {
				out[x*block+c%block] = v
			}
		}
	}}}
}

func (c *constant) nonNegative(*Node) bool { return slices.Min(c.values) >= 0 }

func (c *constant) backward(*descent, *fused, view) {}
