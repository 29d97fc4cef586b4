package nn

import (
	"fmt"
	"math"

	"cwox/asm"
)

// MatMul appends the matrix product over rows and columns, channel by channel: [C][M][N] of a
// [C][M][K] and b [C][K][N]. Either may have one channel, which then is every channel's.
func (g *Graph) MatMul(name string, a, b *Node) *Node { return g.append(name, &matmul{}, a, b) }

type matmul struct{ plain }

func (o *matmul) shape(in []Shape) (Shape, error) {
	a, b := in[0], in[1]
	if a.W != b.H || a.C != b.C && a.C != 1 && b.C != 1 {
		return a, fmt.Errorf("matrix product of %v and %v", a, b)
	}
	return Shape{max(a.C, b.C), a.H, b.W}, nil
}

func (o *matmul) nonNegative(n *Node) bool { return allNonNegative(n) }

func (o *matmul) remembers() bool { return true }

// matrix is a factor of a product: of the run's memory or of activations, perhaps transposed.
// With a reference its elements are the means of both.
type matrix struct {
	from
	reference  *from
	transposed bool
	one        bool // it has one channel for all
}

// product adds a row of x times z to out, [columns][16], for a block of channels.
func product(w *worker, image, blk, y int, x, z *matrix, depth int, out []float32) {
	for k := range depth {
		a := x.element(w, image, blk, y, k)
		for col := range len(out) / block {
			b := z.element(w, image, blk, k, col)
			to := out[col*block:][:block]
			for i := range to {
				to[i] += float32(a[i] * b[i])
			}
		}
	}
}

// element is a block of channels of the element in a row and a column.
func (f *matrix) element(w *worker, image, blk, y, x int) (out [block]float32) {
	if f.transposed {
		y, x = x, y
	}
	f.read(&f.from, w, image, blk, y, x, &out)
	if f.reference != nil {
		var ref [block]float32
		f.read(f.reference, w, image, blk, y, x, &ref)
		for i, v := range ref {
			out[i] = (out[i] + v) / 2
		}
	}
	return out
}

func (f *matrix) read(v *from, w *worker, image, blk, y, x int, out *[block]float32) {
	mem, at, image := v.of(w, image)
	if !f.one {
		*out = [block]float32(mem[at.at(image, blk, y, x):])
		return
	}
	for i := range out {
		out[i] = mem[at.at(image, 0, y, x)]
	}
}

func (o *matmul) forward(l *layout, j *job) []step {
	n := j.root
	x := matrix{from: from{view: j.src(n.in[0])}, one: n.in[0].shape.C < n.shape.C}
	z := matrix{from: from{view: j.src(n.in[1])}, one: n.in[1].shape.C < n.shape.C}
	if !x.one && !z.one {
		return []step{productStep(l.m.kernels, x.view, z.view, j.dst)}
	}
	return []step{&rowStep{dst: j.dst, row: func(w *worker, image, blk, y int, out []float32) {
		clear(out)
		product(w, image, blk, y, &x, &z, n.in[0].shape.W, out)
	}}}
}

// productMACs bounds the work of a kernel's call, in multiply-adds of vectors.
const productMACs = 1 << 16

// productStep is the product of two maps, channel by channel: a row of it is that of x convolved
// with the columns of z.
func productStep(k *asm.Kernels, x, z, dst view) *rowStep {
	var taps []int // the rows of z
	for y := range z.h {
		taps = append(taps, 4*y*z.row)
	}
	per := max(1, productMACs/len(taps))
	return &rowStep{dst: dst, row: func(w *worker, image, blk, y int, out []float32) {
		for col := 0; col < dst.w; col += per {
			w.depthwise = asm.DepthwiseF32Args{
				A: &w.mem[z.at(image, blk, 0, col)], B: &w.mem[x.at(image, blk, y, 0)], C: &out[col*block],
				Taps: &taps[0], NTaps: len(taps), Rows: min(per, dst.w-col), ARow: 4 * block, CRow: 4 * block,
				Low: float32(math.Inf(-1)), High: float32(math.Inf(1)),
			}
			k.DepthwiseF32(&w.depthwise)
		}
	}}
}

// backward: the signals of a and b are S b' and a' S. DeepLIFT takes the mean of the image's
// and the reference's for what the signal is multiplied by, as for other products. Excitation
// backprop takes the first matrix for weights (those of attention): the second one gets the signal in
// proportion to the positive terms of the sums.
func (o *matmul) backward(b *descent, g *fused, sig view) {
	n := g.root
	if b.rule >= Excitation {
		o.excite(b, n, sig)
		return
	}
	for which, in := range n.in {
		other := o.operand(b, n, 1-which)
		other.transposed = true
		signal := matrix{from: from{view: sig}}
		x, z, depth := &signal, &other, n.shape.W
		if which == 1 {
			x, z, depth = &other, &signal, n.shape.H
		}
		o.contribute(b, n, in, func(dst view) *rowStep {
			return &rowStep{dst: dst, row: func(w *worker, image, blk, y int, out []float32) {
				clear(out)
				product(w, image, blk, y, x, z, depth, out)
			}}
		})
	}
}

// operand is an operand among the activations.
func (o *matmul) operand(b *descent, n *Node, which int) matrix {
	in := n.in[which]
	x := b.activation(in)
	f := matrix{from: from{source: &x}, one: in.shape.C < n.shape.C}
	if b.rule == DeepLIFT {
		ref := b.referenceOf(in)
		f.reference = &from{source: &ref}
	}
	return f
}

// contribute adds a step that contributes to an operand, summed over channels if it has one for
// all.
func (o *matmul) contribute(b *descent, n, in *Node, make func(dst view) *rowStep) {
	if !b.below[in.id] {
		return
	}
	whole := in.shape
	whole.C = n.shape.C
	if whole == in.shape {
		b.contribute(in, func(dst view, res *view) step {
			st := make(dst)
			st.res = res
			return st
		})
		return
	}
	each := b.scratch(whole, 0, b.capacity)
	b.steps = append(b.steps, make(each))
	b.contribute(in, func(dst view, res *view) step {
		return &reduceStep{src: each, operand: spread(in.shape, whole), dst: dst, res: res}
	})
}

// excite passes the signal to the second operand.
func (o *matmul) excite(b *descent, n *Node, p view) {
	in := n.in[1]
	if !b.below[in.id] {
		return
	}
	weights := b.scratch(n.in[0].shape, 0, 1)
	b.once(partStep(b.activation(n.in[0]), false, weights))
	x, y := b.scratch(in.shape, 0, 1), b.scratch(n.shape, 0, 1)
	b.once(partStep(b.activation(in), false, x))
	a, z := matrix{from: from{view: weights, shared: true}, one: n.in[0].shape.C < n.shape.C}, matrix{from: from{view: x, shared: true}, one: in.shape.C < n.shape.C}
	b.once(&rowStep{dst: y, row: func(w *worker, image, blk, row int, out []float32) {
		clear(out)
		product(w, image, blk, row, &a, &z, n.in[0].shape.W, out)
	}})
	q := b.scratch(n.shape, 0, b.capacity)
	b.steps = append(b.steps, ratioStep(p, y, q))
	back, signal := a, matrix{from: from{view: q}}
	back.transposed = true
	o.contribute(b, n, in, func(dst view) *rowStep {
		return &rowStep{dst: dst, row: func(w *worker, image, blk, row int, out []float32) {
			clear(out)
			product(w, image, blk, row, &back, &signal, n.shape.H, out)
			for col := range len(out) / block {
				v := z.element(w, 0, blk, row, col)
				for i := range v {
					out[col*block+i] *= v[i]
				}
			}
		}}
	})
}
