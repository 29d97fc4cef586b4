package train

import (
	"fmt"
	"math"

	"cwox/asm"
	"cwox/weights"
)

// Shape is the architecture: a torchvision ResNet of bottleneck blocks (stride on the
// 3x3 convolution), narrowed. The zero values are the good defaults.
type Shape struct {
	Classes int    // at least 2
	Width   int    // channels of the stem and of the first stage's bottleneck, a multiple of 16; 0 means 16
	Blocks  [4]int // blocks of the four stages; all 0 means 2, 2, 2, 2
}

// Net is a network and its parameters.
type Net struct {
	shape  Shape
	stem   *unit
	blocks []*residual
	fc     *conv
	units  []*unit // all of them, in torchvision's order
}

// unit is a convolution and the batch normalisation after it.
type unit struct {
	convName, normName string
	id                 int
	conv               *conv
	norm               *norm
}

// residual is a bottleneck block.
type residual struct {
	reduce, mix, expand *unit
	shortcut            *unit // nil for the identity
}

// NewNet makes a network with random weights (He et al., 2015, by fan-out).
func NewNet(s Shape, seed uint64) *Net {
	if s.Width == 0 {
		s.Width = lanes
	}
	if s.Blocks == [4]int{} {
		s.Blocks = [4]int{2, 2, 2, 2}
	}
	if s.Classes < 2 || s.Width < lanes || s.Width%lanes != 0 || min(s.Blocks[0], s.Blocks[1], s.Blocks[2], s.Blocks[3]) < 1 {
		panic("train: bad shape")
	}
	n := &Net{shape: s}
	add := func(convName, normName string, in, out, size, stride int, relu bool) *unit {
		u := &unit{convName: convName, normName: normName, id: len(n.units),
			conv: newConv(in, out, size, stride, in == 3, false), norm: newNorm(out, relu)}
		n.units = append(n.units, u)
		return u
	}
	n.stem = add("conv1", "bn1", 3, s.Width, 7, 2, true)
	channels := s.Width
	for stage, count := range s.Blocks {
		width := s.Width << stage
		for i := range count {
			name := fmt.Sprintf("layer%d.%d.", stage+1, i)
			stride := 1
			if stage > 0 && i == 0 {
				stride = 2
			}
			r := &residual{
				reduce: add(name+"conv1", name+"bn1", channels, width, 1, 1, true),
				mix:    add(name+"conv2", name+"bn2", width, width, 3, stride, true),
				expand: add(name+"conv3", name+"bn3", width, 4*width, 1, 1, true),
			}
			if channels != 4*width || stride != 1 {
				r.shortcut = add(name+"downsample.0", name+"downsample.1", channels, 4*width, 1, stride, false)
			}
			// Every block starts as its shortcut (Goyal et al., 2017).
			clear(r.expand.norm.gamma)
			channels = 4 * width
			n.blocks = append(n.blocks, r)
		}
	}
	n.fc = newConv(channels, s.Classes, 1, 1, false, true)
	for i, u := range n.units {
		deviation := math.Sqrt(2 / float64(u.conv.size*u.conv.size*u.conv.out))
		n.fill(u.conv, seed, uint64(i), deviation)
	}
	n.fill(n.fc, seed, uint64(len(n.units)), 0.01)
	return n
}

// Parameters is the number of parameters that are learned.
func (n *Net) Parameters() int {
	total := n.fc.out * (n.fc.in + 1)
	for _, u := range n.units {
		total += u.conv.in*u.conv.out*u.conv.size*u.conv.size + 2*u.conv.out
	}
	return total
}

// fill draws weights, nearly normal: the sum of twelve uniform numbers.
func (n *Net) fill(c *conv, seed, stream uint64, deviation float64) {
	key := hash(hash(seed) ^ hash(stream+1))
	i := uint64(0)
	for o := range c.out {
		for in := range c.in {
			for ky := range c.size {
				for kx := range c.size {
					sum := -6.0
					for range 3 {
						h := hash(key + i)
						i++
						for range 4 {
							sum += float64(h&0xffff) / 65536
							h >>= 16
						}
					}
					c.weight[c.index(o, in, ky, kx)] = float32(sum * deviation)
				}
			}
		}
	}
}

// hash is the finaliser of splitmix64.
func hash(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Tensors returns the parameters with torchvision's names and shapes, row-major.
func (n *Net) Tensors() []*weights.Tensor {
	var out []*weights.Tensor
	kernel := func(name string, c *conv, shape ...int) {
		data := make([]float32, c.out*c.in*c.size*c.size)
		n.visit(c, func(i, at int) { data[i] = c.weight[at] })
		out = append(out, weights.NewF32(name, shape, data))
	}
	vector := func(name string, data []float32) {
		out = append(out, weights.NewF32(name, []int{len(data)}, append([]float32(nil), data...)))
	}
	for _, u := range n.units {
		kernel(u.convName+".weight", u.conv, u.conv.out, u.conv.in, u.conv.size, u.conv.size)
		vector(u.normName+".weight", u.norm.gamma)
		vector(u.normName+".bias", u.norm.beta)
		vector(u.normName+".running_mean", narrow(u.norm.mean))
		vector(u.normName+".running_var", narrow(u.norm.vars))
	}
	kernel("fc.weight", n.fc, n.fc.out, n.fc.in)
	vector("fc.bias", n.fc.bias[:n.fc.out])
	return out
}

// visit calls f with the row-major index of every weight and with where it is stored.
func (n *Net) visit(c *conv, f func(i, at int)) {
	i := 0
	for o := range c.out {
		for in := range c.in {
			for ky := range c.size {
				for kx := range c.size {
					f(i, c.index(o, in, ky, kx))
					i++
				}
			}
		}
	}
}

func narrow(x []float64) []float32 {
	out := make([]float32, len(x))
	for i, v := range x {
		out[i] = float32(v)
	}
	return out
}

// gradient is what a group of images contributes to a step.
type gradient struct {
	conv    []grads
	norm    []normGrads
	fc      grads
	moments []*moments
	loss    float64 // sum over the group's images
	correct int     // images whose largest logit is the target's largest class
}

func (n *Net) newGradient() *gradient {
	g := &gradient{fc: n.fc.newGrads()}
	for _, u := range n.units {
		g.conv = append(g.conv, u.conv.newGrads())
		g.norm = append(g.norm, u.norm.newGrads())
		g.moments = append(g.moments, newMoments(u.norm.channels))
	}
	return g
}

func (g *gradient) reset() {
	for i := range g.conv {
		clear(g.conv[i].weight)
		clear(g.norm[i].gamma)
		clear(g.norm[i].beta)
	}
	clear(g.fc.weight)
	clear(g.fc.bias)
	g.loss, g.correct = 0, 0
}

// workspace holds one group's activations; it belongs to one goroutine.
type workspace struct {
	*worker
	net     *Net
	n, size int

	pictures *tensor // [n][size][size][3]
	targets  []float32
	y, z     []*tensor // by unit: the convolution's output; the normalisation's
	pooled   *tensor
	from     []uint8   // of the max-pool
	out      []*tensor // by block
	mean     *tensor
	logits   *tensor

	free map[[4]int][]*tensor // scratch by channels, height, width, border
}

// newWorkspace makes room for n pictures of size x size.
func (n *Net) newWorkspace(k *asm.Kernels, images, size int) *workspace {
	ws := &workspace{worker: newWorker(k), net: n, n: images, size: size, free: map[[4]int][]*tensor{},
		pictures: newPictures(3, images, size, size, 3), targets: make([]float32, images*n.shape.Classes),
		y: make([]*tensor, len(n.units)), z: make([]*tensor, len(n.units))}
	output := func(u *unit, side, border int) int {
		side = u.conv.outSize(side)
		ws.y[u.id] = newTensor(u.conv.out, images, side, side, 0)
		if border >= 0 {
			ws.z[u.id] = newTensor(u.conv.out, images, side, side, border)
		}
		return side
	}
	side := output(n.stem, size, 0)
	side = (side-1)/2 + 1
	ws.pooled = newTensor(n.stem.conv.out, images, side, side, 0)
	ws.from = make([]uint8, len(ws.pooled.pixels(0))*blocks(ws.pooled.c))
	for _, r := range n.blocks {
		output(r.reduce, side, 1)
		if r.shortcut != nil {
			output(r.shortcut, side, -1)
		}
		side = output(r.mix, side, 0)
		output(r.expand, side, -1)
		ws.out = append(ws.out, newTensor(r.expand.conv.out, images, side, side, 0))
	}
	ws.mean = newTensor(n.fc.in, images, 1, 1, 0)
	ws.logits = newTensor(n.fc.out, images, 1, 1, 0)
	return ws
}

// take returns a scratch tensor; its inside is undefined, its border zero. put gives it
// back.
func (ws *workspace) take(c, h, w, border int) *tensor {
	key := [4]int{c, h, w, border}
	if list := ws.free[key]; len(list) > 0 {
		ws.free[key] = list[:len(list)-1]
		return list[len(list)-1]
	}
	return newTensor(c, ws.n, h, w, border)
}

func (ws *workspace) put(ts ...*tensor) {
	for _, t := range ts {
		key := [4]int{t.c, t.h, t.w, t.border}
		ws.free[key] = append(ws.free[key], t)
	}
}

// set puts an 8-bit RGB picture [size][size][3] and its target into place i, normalised
// as nn/vision's ImageNet does.
func (ws *workspace) set(i int, pix []uint8, target []float32) {
	x := ws.pictures
	for y := range ws.size {
		to := x.data[x.imageAt(3, i, y, 0):][:3*ws.size]
		for j, v := range pix[y*3*ws.size:][:3*ws.size] {
			to[j] = normalised[j%3][v]
		}
	}
	copy(ws.targets[i*ws.net.shape.Classes:(i+1)*ws.net.shape.Classes], target)
}

// forward computes the logits, and the moments of the group; with fixed it normalises by
// the running averages instead.
func (ws *workspace) forward(g *gradient, fixed bool) {
	net := ws.net
	apply := func(u *unit, x, other, z *tensor) {
		m := g.moments[u.id]
		m.reset(ws.worker)
		u.conv.forward(ws.worker, x, ws.y[u.id], m)
		if fixed {
			m.fix(u.norm)
		}
		u.norm.forward(ws.worker, ws.y[u.id], other, z, m)
	}
	apply(net.stem, ws.pictures, nil, ws.z[0])
	maxPool(ws.z[0], ws.pooled, ws.from)
	x := ws.pooled
	for i, r := range net.blocks {
		apply(r.reduce, x, nil, ws.z[r.reduce.id])
		apply(r.mix, ws.z[r.reduce.id], nil, ws.z[r.mix.id])
		other := x
		if r.shortcut != nil {
			other = ws.out[i]
			apply(r.shortcut, x, nil, other)
		}
		apply(r.expand, ws.z[r.mix.id], other, ws.out[i])
		x = ws.out[i]
	}
	meanPool(x, ws.mean)
	net.fc.forward(ws.worker, ws.mean, ws.logits, nil)
}

// backward adds the gradients of the cross-entropy, times scale, to g. It follows a
// forward that was not fixed.
func (ws *workspace) backward(g *gradient, scale float64) {
	net, w := ws.net, ws.worker
	d := ws.take(ws.logits.c, 1, 1, 0)
	ws.loss(g, d, scale)
	net.fc.weightGrad(w, ws.mean, d, g.fc)
	dMean := ws.take(ws.mean.c, 1, 1, 0)
	net.fc.inputGrad(w, d, dMean, false)
	last := ws.out[len(ws.out)-1]
	dOut := ws.take(last.c, last.h, last.w, 0)
	meanPoolGrad(dMean, dOut)
	ws.put(d, dMean)
	for i := len(net.blocks) - 1; i >= 0; i-- {
		x := ws.pooled
		if i > 0 {
			x = ws.out[i-1]
		}
		dOut = ws.backwardBlock(net.blocks[i], x, ws.out[i], dOut, g)
	}
	y := ws.y[0]
	dz := ws.take(y.c, y.h, y.w, 0)
	maxPoolGrad(dOut, dz, ws.from)
	// The normalisation may work in place.
	net.stem.norm.backward(w, y, dz, dz, g.moments[0], false, g.norm[0])
	net.stem.conv.weightGrad(w, ws.pictures, dz, g.conv[0])
	ws.put(dOut, dz)
}

// backwardBlock turns the gradient of a block's output into that of its input, x.
func (ws *workspace) backwardBlock(r *residual, x, out, dOut *tensor, g *gradient) *tensor {
	w := ws.worker
	for blk := range blocks(out.c) {
		z, d := out.pixels(blk), dOut.pixels(blk)
		w.rows.mask(&z[0], &d[0], len(z)/lanes)
	}
	// through is the gradient behind a unit's convolution, given that of its output.
	through := func(u *unit, in, dz *tensor, border int, masked bool) *tensor {
		y := ws.y[u.id]
		dy := ws.take(y.c, y.h, y.w, border)
		u.norm.backward(w, y, dz, dy, g.moments[u.id], masked, g.norm[u.id])
		u.conv.weightGrad(w, in, dy, g.conv[u.id])
		return dy
	}
	z1, z2 := ws.z[r.reduce.id], ws.z[r.mix.id]

	dy3 := through(r.expand, z2, dOut, 0, true)
	dz2 := ws.take(z2.c, z2.h, z2.w, 0)
	r.expand.conv.inputGrad(w, dy3, dz2, false)
	ws.put(dy3)

	dy2 := through(r.mix, z1, dz2, 1, false)
	ws.put(dz2)
	dz1 := ws.take(z1.c, z1.h, z1.w, 0)
	r.mix.conv.inputGrad(w, dy2, dz1, false)
	ws.put(dy2)

	dy1 := through(r.reduce, x, dz1, 0, false)
	ws.put(dz1)
	if r.shortcut == nil {
		r.reduce.conv.inputGrad(w, dy1, dOut, true)
		ws.put(dy1)
		return dOut
	}
	dx := ws.take(x.c, x.h, x.w, 0)
	r.reduce.conv.inputGrad(w, dy1, dx, false)
	ws.put(dy1)
	dyS := through(r.shortcut, x, dOut, 0, true)
	r.shortcut.conv.inputGrad(w, dyS, dx, true)
	ws.put(dyS, dOut)
	return dx
}

// loss adds the cross-entropy of the group to g and computes its gradient.
func (ws *workspace) loss(g *gradient, d *tensor, scale float64) {
	classes := ws.net.shape.Classes
	p := make([]float64, classes)
	for i := range ws.n {
		target := ws.targets[i*classes:][:classes]
		top := ws.softmax(i, p)
		best := 0
		for c, t := range target {
			if t > 0 {
				g.loss -= float64(t) * math.Log(max(p[c], 1e-30))
			}
			if t > target[best] {
				best = c
			}
		}
		if best == top {
			g.correct++
		}
		for blk := range blocks(classes) {
			row := d.line(blk, i, 0)
			for j := range row {
				row[j] = 0
				if c := blk*lanes + j; c < classes {
					row[j] = float32(scale * (p[c] - float64(target[c])))
				}
			}
		}
	}
}

// softmax fills p with the probabilities of an image and returns the likeliest class.
func (ws *workspace) softmax(image int, p []float64) int {
	top, sum := 0, 0.0
	for c := range p {
		p[c] = float64(ws.logits.line(c/lanes, image, 0)[c%lanes])
		if p[c] > p[top] {
			top = c
		}
	}
	largest := p[top]
	for c := range p {
		p[c] = math.Exp(p[c] - largest)
		sum += p[c]
	}
	for c := range p {
		p[c] /= sum
	}
	return top
}

// fix replaces the moments by the running averages.
func (m *moments) fix(n *norm) {
	m.count = 1
	for c := range n.channels {
		m.sum[c], m.square[c] = n.mean[c], n.vars[c]+n.mean[c]*n.mean[c]
	}
}
