package train

import "math"

// norm is batch normalisation in training mode, over the images and pixels of a group,
// with or without a ReLU after it.
type norm struct {
	channels int
	relu     bool

	gamma, beta []float32 // parameters
	mean, vars  []float64 // running averages, the variance unbiased as torchvision's is
}

const normEps = 1e-5

// normGrads are the gradients of a norm's parameters.
type normGrads struct{ gamma, beta []float32 }

// moments are the sums of a group's activations and of their squares, by channel, and
// what follows from them.
type moments struct {
	w           *worker
	sum, square []float64
	count       float64

	mean, vars []float64
	a, b       [][16]float32 // by block: normalised and scaled, y is a*x + b
}

func newNorm(channels int, relu bool) *norm {
	n := &norm{channels: channels, relu: relu, gamma: aligned(channels), beta: aligned(channels),
		mean: make([]float64, channels), vars: make([]float64, channels)}
	for i := range n.gamma {
		n.gamma[i], n.vars[i] = 1, 1
	}
	return n
}

func (n *norm) newGrads() normGrads {
	return normGrads{aligned(n.channels), aligned(n.channels)}
}

func newMoments(channels int) *moments {
	return &moments{sum: make([]float64, channels), square: make([]float64, channels),
		mean: make([]float64, channels), vars: make([]float64, channels),
		a: make([][16]float32, blocks(channels)), b: make([][16]float32, blocks(channels))}
}

// reset starts the sums of a new group.
func (m *moments) reset(w *worker) {
	m.w, m.count = w, 0
	clear(m.sum)
	clear(m.square)
}

// add adds rows of a block to the sums; those of block 0 are counted. It does nothing if
// m is nil.
func (m *moments) add(blk int, x []float32) {
	if m == nil {
		return
	}
	var s, q [16]float32
	m.w.rows.sums(&x[0], len(x)/lanes, &s, &q)
	for j := range lanes {
		m.sum[blk*lanes+j] += float64(s[j])
		m.square[blk*lanes+j] += float64(q[j])
	}
	if blk == 0 {
		m.count += float64(len(x) / lanes)
	}
}

// finish turns the sums into the affine map of the layer.
func (n *norm) finish(m *moments) {
	for c := range n.channels {
		mean := m.sum[c] / m.count
		vars := max(m.square[c]/m.count-mean*mean, 0)
		m.mean[c], m.vars[c] = mean, vars
		a := float64(n.gamma[c]) / math.Sqrt(vars+normEps)
		m.a[c/lanes][c%lanes] = float32(a)
		m.b[c/lanes][c%lanes] = float32(float64(n.beta[c]) - a*mean)
	}
}

// forward computes z = norm(y), with the ReLU if there is one. y has no border. With
// other, which has no border and may be z, it is added before the ReLU.
func (n *norm) forward(w *worker, y, other, z *tensor, m *moments) {
	n.finish(m)
	floor := float32(math.Inf(-1))
	if n.relu {
		floor = 0
	}
	for blk := range blocks(n.channels) {
		a, b := &m.a[blk], &m.b[blk]
		switch {
		case other != nil:
			x, o, out := y.pixels(blk), other.pixels(blk), z.pixels(blk)
			w.rows.affineAdd(&x[0], &o[0], &out[0], len(x)/lanes, a, b, floor)
		case z.border == 0:
			x, out := y.pixels(blk), z.pixels(blk)
			w.rows.affine(&x[0], &out[0], len(x)/lanes, a, b, floor)
		default:
			for image := range y.n {
				for r := range y.h {
					w.rows.affine(&y.line(blk, image, r)[0], &z.line(blk, image, r)[0], y.w, a, b, floor)
				}
			}
		}
	}
}

// backward computes dy from dz, and adds the parameters' gradients to g. masked says
// that dz is zero already where the ReLU was (it lay behind a sum). dz has no border.
func (n *norm) backward(w *worker, y, dz, dy *tensor, m *moments, masked bool, g normGrads) {
	open := &[16]float32{}
	for j := range open {
		open[j] = float32(math.Inf(1))
	}
	for blk := range blocks(n.channels) {
		a, b := &m.a[blk], &m.b[blk]
		if masked || !n.relu {
			b = open
		}
		x, d := y.pixels(blk), dz.pixels(blk)
		var sum, product [lanes]float64
		plane := y.plane()
		for at := 0; at < len(x); at += plane {
			var s, q [16]float32
			w.rows.gradSums(&d[at], &x[at], plane/lanes, a, b, &s, &q)
			for j := range lanes {
				sum[j] += float64(s[j])
				product[j] += float64(q[j])
			}
		}
		var p, q, r [16]float32
		for j := range lanes {
			c := blk*lanes + j
			inv := 1 / math.Sqrt(m.vars[c]+normEps)
			// Sum of dz times the normalised activation.
			dot := (product[j] - m.mean[c]*sum[j]) * inv
			g.beta[c] += float32(sum[j])
			g.gamma[c] += float32(dot)
			// dy = gamma/sd (dz - mean(dz) - x^ mean(dz x^)): Ioffe and Szegedy, 2015.
			scale := float64(n.gamma[c]) * inv
			slope := -scale * dot / m.count * inv
			p[j], q[j] = float32(scale), float32(slope)
			r[j] = float32(-scale*sum[j]/m.count - slope*m.mean[c])
		}
		if dy.border == 0 {
			out := dy.pixels(blk)
			w.rows.gradAffine(&d[0], &x[0], &out[0], len(x)/lanes, a, b, &p, &q, &r)
			continue
		}
		for image := range y.n {
			for line := range y.h {
				w.rows.gradAffine(&dz.line(blk, image, line)[0], &y.line(blk, image, line)[0], &dy.line(blk, image, line)[0], y.w, a, b, &p, &q, &r)
			}
		}
	}
}

// track moves the running averages towards a group's moments by share.
func (n *norm) track(m *moments, share float64) {
	for c := range n.channels {
		n.mean[c] += share * (m.mean[c] - n.mean[c])
		n.vars[c] += share * (m.vars[c]*m.count/max(m.count-1, 1) - n.vars[c])
	}
}
