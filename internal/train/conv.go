package train

import "cwox/asm"

// conv is a convolution without bias, or with one if bias is not nil, and its gradients.
// Weights are stored as the forward kernel reads them: for each group of up to two output
// blocks a panel [tap][k][group*16], where a tap is (input block, ky, kx) and k one of its
// 16 channels; for the network's input, which is interleaved [y][x][3], a tap is a kernel
// row ky and k one of its size*3 elements.
type conv struct {
	in, out           int
	size, stride, pad int
	image             bool // reads an interleaved picture

	weight, bias []float32
	backward     []float32 // the weights as the input gradient reads them, per input group [phase][tap][k][group*16]
}

// grads are gradients of a conv's parameters, in the layout of the parameters.
type grads struct{ weight, bias []float32 }

func newConv(in, out, size, stride int, image, bias bool) *conv {
	c := &conv{in: in, out: out, size: size, stride: stride, pad: size / 2, image: image}
	c.weight = aligned(c.taps() * c.depth() * blocks(out) * lanes)
	if !image {
		c.backward = aligned(len(c.weight))
		if n := size * size * blocks(in) * blocks(out) * lanes * lanes; n != len(c.weight) {
			panic("train: weights and their transpose differ in size")
		}
	}
	if bias {
		c.bias = aligned(blocks(out) * lanes)
	}
	return c
}

func (c *conv) newGrads() grads {
	g := grads{weight: aligned(len(c.weight))}
	if c.bias != nil {
		g.bias = aligned(len(c.bias))
	}
	return g
}

// taps and depth are the numbers of taps and of inputs per tap.
func (c *conv) taps() int {
	if c.image {
		return c.size
	}
	return blocks(c.in) * c.size * c.size
}

func (c *conv) depth() int {
	if c.image {
		return c.size * c.in
	}
	return lanes
}

// index is where the weight of output channel o, input channel i, kernel position
// (ky, kx) is stored.
func (c *conv) index(o, i, ky, kx int) int {
	tap, k := (i/lanes*c.size+ky)*c.size+kx, i%lanes
	if c.image {
		tap, k = ky, kx*c.in+i
	}
	panel := o / (2 * lanes)
	width := c.width(panel)
	return panel*2*lanes*c.taps()*c.depth() + (tap*c.depth()+k)*width + o%(2*lanes)
}

// width is the number of output channels of a panel.
func (c *conv) width(panel int) int {
	return min(blocks(c.out)-2*panel, 2) * lanes
}

// outSize is the size of the output map for an input of size n.
func (c *conv) outSize(n int) int { return (n+2*c.pad-c.size)/c.stride + 1 }

// worker is what one goroutine needs to run layers.
type worker struct {
	kernel *asm.GemmF32
	rows   *rowKernels
	args   asm.GemmF32Args
	taps   []int
}

func newWorker(k *asm.Kernels) *worker {
	w := &worker{kernel: &k.GemmF32, rows: &avx2Rows}
	if k.Tier == "ref" {
		w.rows = &portableRows
	}
	return w
}

// strip runs the product for n rows, cut into tiles of nearly the same height.
func (w *worker) strip(n int) {
	a := &w.args
	top := w.kernel.Rows[0]
	count := (n + top - 1) / top
	for n > 0 {
		a.Rows = (n + count - 1) / count
		// All tiles of this height: the rest is then divided into lower ones.
		a.Tiles = count
		if n%count != 0 {
			a.Tiles = n % count
		}
		a.ATile, a.CTile = a.Rows*a.ARow, a.Rows*a.CRow
		w.kernel.Run(a)
		done := a.Rows * a.Tiles
		n -= done
		count -= a.Tiles
		if n > 0 {
			a.A = add(a.A, done*a.ARow)
			a.C = add(a.C, done*a.CRow)
			if a.Res != nil {
				a.Res = add(a.Res, done*a.CRow)
			}
		}
	}
}

// chunk is how many pixels are worked on at a time where a layer is a plain product: few
// enough that all their channels stay in a core's second-level cache.
func chunk(channels int) int { return max(112, 128<<10/channels/112*112) }

// forward computes y = c(x), and adds its moments to m unless m is nil. y has no border.
func (c *conv) forward(w *worker, x, y *tensor, m *moments) {
	c.check(x, y)
	a := &w.args
	w.taps = w.taps[:0]
	rowBytes := x.row() * 4
	pixelBytes := lanes * 4
	if c.image {
		rowBytes, pixelBytes = (x.w+2*x.border)*c.in*4, c.in*4
		for ky := range c.size {
			w.taps = append(w.taps, ky*rowBytes)
		}
	} else {
		for blk := range blocks(c.in) {
			for ky := range c.size {
				for kx := range c.size {
					w.taps = append(w.taps, blk*x.block()*4+ky*rowBytes+kx*pixelBytes)
				}
			}
		}
	}
	plain := c.size == 1 && c.stride == 1 && x.border == 0
	for panel := range (blocks(c.out) + 1) / 2 {
		*a = asm.GemmF32Args{
			Taps: &w.taps[0], NTaps: len(w.taps), K: c.depth(), ARow: c.stride * pixelBytes, AStep: 4,
			B: &c.weight[panel*2*lanes*c.taps()*c.depth()], BStep: c.width(panel) * 4, BVec: lanes * 4,
			CRow: lanes * 4, CVec: y.block() * 4, Vecs: c.width(panel) / lanes,
		}
		if c.bias != nil {
			a.Bias = &c.bias[panel*2*lanes]
		}
		b := *a
		if plain {
			total, step := y.n*y.h*y.w, chunk(c.in)
			for p := 0; p < total; p += step {
				*a = b
				a.A, a.C = &x.data[x.at(0, 0, 0, 0)+p*lanes], &y.data[y.at(2*panel, 0, 0, 0)+p*lanes]
				n := min(step, total-p)
				w.strip(n)
				for v := range b.Vecs {
					m.add(2*panel+v, y.data[y.at(2*panel+v, 0, 0, 0)+p*lanes:][:n*lanes])
				}
			}
			continue
		}
		for image := range y.n {
			from := x.at(0, image, -c.pad, -c.pad)
			if c.image {
				from = x.imageAt(c.in, image, -c.pad, -c.pad)
			}
			if y.w <= w.kernel.Rows[0] {
				*a = b
				a.A, a.C = &x.data[from], &y.data[y.at(2*panel, image, 0, 0)]
				a.Rows, a.Tiles, a.ATile, a.CTile = y.w, y.h, c.stride*rowBytes, y.row()*4
				w.kernel.Run(a)
			} else {
				for oy := range y.h {
					*a = b
					a.A, a.C = &x.data[from+oy*c.stride*rowBytes/4], &y.data[y.at(2*panel, image, oy, 0)]
					w.strip(y.w)
				}
			}
			for v := range b.Vecs {
				m.add(2*panel+v, y.data[y.at(2*panel+v, image, 0, 0):][:y.plane()])
			}
		}
	}
}

// weightGrad adds the gradient of the weights, and of the bias if there is one, to g. dy
// has the border of x unless the convolution reads the picture or is 1x1 with a stride;
// then it has none.
func (c *conv) weightGrad(w *worker, x, dy *tensor, g grads) {
	c.check(x, dy)
	a := &w.args
	if c.bias != nil {
		for blk := range blocks(c.out) {
			row := g.bias[blk*lanes:][:lanes]
			for i, v := range dy.pixels(blk) {
				row[i%lanes] += v
			}
		}
	}
	b := asm.GemmF32Args{ARow: 4, BStep: lanes * 4, BVec: dy.block() * 4, CVec: lanes * 4}
	area := c.size * c.size
	// run adds the product of pixels at from+tap in x with pixels at to in dy to the
	// weights of all panels.
	run := func(from, to, tap, rows int) {
		for panel := range (blocks(c.out) + 1) / 2 {
			width := c.width(panel)
			*a = b
			a.A, a.B = &x.data[from], &dy.data[to+2*panel*dy.block()]
			a.C = &g.weight[(panel*2*lanes*c.taps()+tap*width)*c.depth()]
			a.Res = a.C
			a.CRow, a.ResVec, a.Vecs = width*4, lanes*4, width/lanes
			w.strip(rows)
		}
	}
	if c.image {
		rowBytes := (x.w + 2*x.border) * c.in * 4
		w.taps = w.taps[:0]
		for oy := range dy.h {
			w.taps = append(w.taps, oy*c.stride*rowBytes)
		}
		b.Taps, b.NTaps, b.K, b.AStep = &w.taps[0], len(w.taps), dy.w, c.stride*c.in*4
		for image := range dy.n {
			for ky := range c.size {
				run(x.imageAt(c.in, image, ky-c.pad, -c.pad), dy.at(0, image, 0, 0), ky, c.depth())
			}
		}
		return
	}
	if c.stride == 1 {
		// x and dy have the same geometry: a pixel of dy, border and all, goes with
		// the pixel of x at a fixed distance.
		if x.border != dy.border {
			panic("train: a convolution's input and output gradient have different borders")
		}
		w.taps = append(w.taps[:0], 0)
		b.Taps, b.NTaps, b.AStep = &w.taps[0], 1, lanes*4
		start := x.border*x.row() + x.border*lanes
		total := dy.block() / lanes
		step := chunk(c.in + c.out)
		for p := 0; p < total; p += step {
			b.K = min(step, total-p)
			for blk := range blocks(c.in) {
				for t := range area {
					shift := (t/c.size-c.pad)*x.row() + (t%c.size-c.pad)*lanes
					run(x.at(blk, 0, 0, 0)-start+shift+p*lanes, dy.at(0, 0, 0, 0)-start+p*lanes, blk*area+t, lanes)
				}
			}
		}
		return
	}
	// Row by row, from the left border of dy to its right one.
	w.taps = w.taps[:0]
	for oy := range dy.h {
		w.taps = append(w.taps, oy*c.stride*x.row()*4)
	}
	b.Taps, b.NTaps, b.K, b.AStep = &w.taps[0], len(w.taps), dy.w+2*dy.border, c.stride*lanes*4
	for image := range dy.n {
		for blk := range blocks(c.in) {
			for t := range area {
				run(x.at(blk, image, t/c.size-c.pad, t%c.size-c.pad-c.stride*dy.border), dy.at(0, image, 0, -dy.border), blk*area+t, lanes)
			}
		}
	}
}

// transpose prepares inputGrad after the weights have changed.
func (c *conv) transpose() {
	if c.image {
		return
	}
	area := c.size * c.size
	at := 0
	for group := range (blocks(c.in) + 1) / 2 {
		width := min(blocks(c.in)-2*group, 2)
		for _, p := range c.phases() {
			for ob := range blocks(c.out) {
				panel := ob / 2
				panelWidth := c.width(panel)
				for _, t := range p.taps {
					for v := range width {
						from := c.weight[(panel*2*lanes*c.taps()+((2*group+v)*area+t)*panelWidth)*lanes+ob%2*lanes:]
						to := c.backward[at+v*lanes:]
						for i := range lanes {
							row := from[i*panelWidth:][:lanes]
							for o, x := range row {
								to[o*width*lanes+i] = x
							}
						}
					}
					at += width * lanes * lanes
				}
			}
		}
	}
}

// phase is the set of input pixels (y, x) modulo the stride, and the kernel positions
// that reach them.
type phase struct {
	y, x int
	taps []int // ky*size + kx
}

func (c *conv) phases() []phase {
	var out []phase
	for y := range c.stride {
		for x := range c.stride {
			p := phase{y: y, x: x}
			for t := range c.size * c.size {
				if (y+c.pad-t/c.size)%c.stride == 0 && (x+c.pad-t%c.size)%c.stride == 0 {
					p.taps = append(p.taps, t)
				}
			}
			out = append(out, p)
		}
	}
	return out
}

// inputGrad computes the gradient of the input, dx = c'(dy), or adds it to dx. dx has no
// border; dy has one of at least pad.
func (c *conv) inputGrad(w *worker, dy, dx *tensor, accumulate bool) {
	if c.image || dx.border != 0 {
		panic("train: no such input gradient")
	}
	c.check(dx, dy)
	a := &w.args
	rowBytes := dy.row() * 4
	plain := c.size == 1 && c.stride == 1 && dy.border == 0
	at := 0
	for group := range (blocks(c.in) + 1) / 2 {
		vecs := min(blocks(c.in)-2*group, 2)
		for _, p := range c.phases() {
			if len(p.taps) == 0 {
				if !accumulate {
					panic("train: this input gradient can only be added")
				}
				continue
			}
			w.taps = w.taps[:0]
			for ob := range blocks(c.out) {
				for _, t := range p.taps {
					oy, ox := (p.y+c.pad-t/c.size)/c.stride, (p.x+c.pad-t%c.size)/c.stride
					w.taps = append(w.taps, ob*dy.block()*4+oy*rowBytes+ox*lanes*4)
				}
			}
			b := asm.GemmF32Args{
				Taps: &w.taps[0], NTaps: len(w.taps), K: lanes, ARow: lanes * 4, AStep: 4,
				B: &c.backward[at], BStep: vecs * lanes * 4, BVec: lanes * 4,
				CRow: c.stride * lanes * 4, CVec: dx.block() * 4, ResVec: dx.block() * 4, Vecs: vecs,
			}
			at += len(w.taps) * lanes * lanes * vecs
			rows := (dx.h - p.y + c.stride - 1) / c.stride
			cols := (dx.w - p.x + c.stride - 1) / c.stride
			if plain {
				total, step := dx.n*dx.h*dx.w, chunk(c.out)
				for q := 0; q < total; q += step {
					*a = b
					a.A, a.C = &dy.data[dy.at(0, 0, 0, 0)+q*lanes], &dx.data[dx.at(2*group, 0, 0, 0)+q*lanes]
					if accumulate {
						a.Res = a.C
					}
					w.strip(min(step, total-q))
				}
				continue
			}
			for image := range dx.n {
				for r := range rows {
					*a = b
					a.A = &dy.data[dy.at(0, image, r, 0)]
					a.C = &dx.data[dx.at(2*group, image, p.y+r*c.stride, p.x)]
					if accumulate {
						a.Res = a.C
					}
					if cols <= w.kernel.Rows[0] {
						a.Rows, a.Tiles = cols, rows
						a.ATile, a.CTile = rowBytes, c.stride*dx.row()*4
						w.kernel.Run(a)
						break
					}
					w.strip(cols)
				}
			}
		}
	}
}

// check panics unless y has the shape of c(x) and x a wide enough border.
func (c *conv) check(x, y *tensor) {
	if x.c != c.in || y.c != c.out || x.n != y.n || y.h != c.outSize(x.h) || y.w != c.outSize(x.w) {
		panic("train: tensors do not fit the convolution")
	}
}
