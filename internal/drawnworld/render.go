package drawnworld

import (
	"math"
	"sync"

	"cwox/nn/vision"
)

// MaxSize bounds the side of a picture.
const MaxSize = 2048

// Picture draws the scene at size x size pixels, the same scene at every size: blur and
// noise are defined on the grid of NetworkSize. It panics unless 8 <= size <= MaxSize.
func (s *Scene) Picture(size int) *vision.Picture {
	c := takeCanvas(size)
	s.draw(c)
	pic := &vision.Picture{Width: size, Height: size, Pix: append([]uint8(nil), c.pix...)}
	canvases.Put(c)
	return pic
}

func (s *Scene) draw(c *canvas) {
	k := affine{a: float64(c.size), e: float64(c.size)}
	s.back.draw(c)
	for i := range s.clutter {
		s.clutter[i].draw(c, k)
	}
	for i := range s.Objects {
		s.Objects[i].draw(c, k)
	}
	for i := range s.veils {
		s.veils[i].draw(c, k)
	}
	if s.blur > 0 {
		r := max(1, (s.blur*c.size+NetworkSize/2)/NetworkSize)
		c.blur(r)
		c.blur(r)
	}
	c.finish(&s.tone, s.noise, hash(s.Seed))
}

func (o *Object) draw(c *canvas, k affine) {
	p := newPen(c, o.m.then(k))
	p.shadow(o.silhouette(), 0.09, 95)
	for _, behind := range []bool{true, false} {
		for _, i := range o.parts {
			if q := &o.fig.parts[i]; q.behind == behind && q.paint != nil {
				q.paint(p, &o.look)
			}
		}
		if behind {
			o.fig.paint(p, &o.look)
		}
	}
}

// silhouette is the outline of the body and the parts drawn.
func (o *Object) silhouette() *path {
	q := o.fig.body(&o.look)
	for _, i := range o.parts {
		if shape := o.fig.parts[i].shape; shape != nil {
			q = join(q, shape(&o.look))
		}
	}
	return q
}

// BodyMask is the visible coverage [size][size], 0..1, of an object with the parts
// drawn on it.
func (s *Scene) BodyMask(object, size int) []float32 {
	c := takeCanvas(size)
	defer canvases.Put(c)
	out := c.cover(s.Objects[object].silhouette(), s.Objects[object].m)
	s.uncover(c, object, out)
	return out
}

// PartMask is the visible coverage [size][size], 0..1, of the place on an object where a
// class of its family has its telling part, whether that part is drawn or not; for a
// plain member the places of all its siblings' parts, which are where its evidence (the
// absence of a part) is. In a family drawn together it is the object itself, and empty
// for other classes. It panics if class is not of the object's family.
//
// What tells class a from sibling b is the union of their two masks.
func (s *Scene) PartMask(object, class, size int) []float32 {
	if class < 0 || class >= len(classes) || classes[class].Family != classes[s.Objects[object].Class].Family {
		panic("drawnworld: not a sibling")
	}
	c := takeCanvas(size)
	defer canvases.Put(c)
	out := s.place(c, object, class)
	s.uncover(c, object, out)
	return out
}

// place is PartMask before other things cover it.
func (s *Scene) place(c *canvas, object, class int) []float32 {
	o := &s.Objects[object]
	switch own := &o.fig.parts[partOf[class]]; {
	case figureOf[class] != o.fig:
		return make([]float32, c.size*c.size)
	case own.shape != nil:
		return o.partCover(c, own)
	case !own.plain:
		return c.cover(o.silhouette(), o.m)
	}
	out := make([]float32, c.size*c.size)
	for i := range o.fig.parts {
		if p := &o.fig.parts[i]; p.shape != nil {
			for j, v := range o.partCover(c, p) {
				out[j] = max(out[j], v)
			}
		}
	}
	return out
}

func (o *Object) partCover(c *canvas, p *part) []float32 {
	out := c.cover(p.shape(&o.look), o.m)
	if p.behind {
		for i, v := range c.cover(o.fig.body(&o.look), o.m) {
			out[i] *= 1 - v
		}
	}
	return out
}

// uncover takes away what later objects and veils hide.
func (s *Scene) uncover(c *canvas, object int, a []float32) {
	for i := object + 1; i < len(s.Objects); i++ {
		for j, v := range c.cover(s.Objects[i].silhouette(), s.Objects[i].m) {
			a[j] *= 1 - v
		}
	}
	for i := range s.veils {
		for j, x := range s.veils[i].cover(c) {
			a[j] *= 1 - x
		}
	}
}

// measure fills in what the objects know about being seen.
func (s *Scene) measure() {
	const size = 64
	c := takeCanvas(size)
	defer canvases.Put(c)
	total := 0.0
	for i := range s.Objects {
		o := &s.Objects[i]
		body := c.cover(o.silhouette(), o.m)
		s.uncover(c, i, body)
		o.Box = boxOf(body, size)
		o.Weight = math.Sqrt(sum(body))
		total += o.Weight
		part := s.place(c, i, o.Class)
		whole := sum(part)
		s.uncover(c, i, part)
		o.Hidden = 0
		if whole > 0 {
			o.Hidden = 1 - sum(part)/whole
		}
	}
	for i := range s.Objects {
		if total > 0 {
			s.Objects[i].Weight /= total
		} else {
			s.Objects[i].Weight = 1 / float64(len(s.Objects))
		}
	}
}

// cover is the coverage [size][size] of a path in scene coordinates.
func (c *canvas) cover(p *path, m affine) []float32 {
	out := make([]float32, c.size*c.size)
	k := c.raster(p, m.then(affine{a: float64(c.size), e: float64(c.size)}), 0)
	c.store(k, out)
	return out
}

// store writes coverage as shares into [size][size] and releases it.
func (c *canvas) store(k *mask, out []float32) {
	if k == nil {
		return
	}
	x0, x1 := max(k.x0, 0), min(k.x0+k.w, c.size)
	for y := max(k.y0, 0); y < min(k.y0+k.h, c.size) && x0 < x1; y++ {
		row := out[y*c.size+x0:]
		for x, a := range k.a[(y-k.y0)*k.w-k.x0+x0:][:x1-x0] {
			row[x] = float32(a) / 255
		}
	}
	c.release(k)
}

func sum(a []float32) float64 {
	t := 0.0
	for _, v := range a {
		t += float64(v)
	}
	return t
}

// boxOf is the bounding box of coverage of at least a half.
func boxOf(a []float32, size int) [4]float64 {
	x0, y0, x1, y1 := size, size, 0, 0
	for i, v := range a {
		if v >= 0.5 {
			x0, x1 = min(x0, i%size), max(x1, i%size+1)
			y0, y1 = min(y0, i/size), max(y1, i/size+1)
		}
	}
	if x0 >= x1 {
		return [4]float64{}
	}
	n := float64(size)
	return [4]float64{float64(x0) / n, float64(y0) / n, float64(x1) / n, float64(y1) / n}
}

// blur replaces every pixel by the mean of the (2r+1)^2 around it, edges repeated.
func (c *canvas) blur(r int) {
	n := c.size
	line := make([]uint8, 3*n)
	scale := int32(65536 / (2*r + 1))
	box := func(at, step int) { // at and step in bytes; one line of n pixels
		for i := range n {
			copy(line[3*i:3*i+3], c.pix[at+i*step:])
		}
		var sum [3]int32
		for j := -r; j <= r; j++ {
			q := 3 * min(max(j, 0), n-1)
			for ch := range 3 {
				sum[ch] += int32(line[q+ch])
			}
		}
		for i := range n {
			in, out := 3*min(i+r+1, n-1), 3*max(i-r, 0)
			for ch := range 3 {
				c.pix[at+i*step+ch] = uint8((sum[ch]*scale + 32768) >> 16)
				sum[ch] += int32(line[in+ch]) - int32(line[out+ch])
			}
		}
	}
	for y := range n {
		box(y*n*3, 3)
	}
	for x := range n {
		box(x*3, n*3)
	}
}

// finish maps the tones and adds noise, defined on the grid of NetworkSize and
// interpolated between its knots.
func (c *canvas) finish(tone *[256]uint8, noise int32, key uint64) {
	if noise == 0 {
		for i, v := range c.pix {
			c.pix[i] = tone[v]
		}
		return
	}
	n := c.size
	// A knot's noise has a triangular distribution over -255..255 in each channel.
	grid := func(gy int, to *[3 * NetworkSize]int32) {
		for gx := range NetworkSize {
			h := hash(key ^ uint64(gy*NetworkSize+gx)<<1)
			to[3*gx] = (int32(h&255) + int32(h>>8&255) - 255) * noise
			to[3*gx+1] = (int32(h>>16&255) + int32(h>>24&255) - 255) * noise
			to[3*gx+2] = (int32(h>>32&255) + int32(h>>40&255) - 255) * noise
		}
	}
	add := func(v uint8, noise int32) uint8 {
		return uint8(min(max(int32(tone[v])+(noise+128)>>8, 0), 255))
	}
	var above, below [3 * NetworkSize]int32
	if n == NetworkSize {
		for y := range n {
			grid(y, &above)
			for i, v := range c.pix[y*3*n : (y+1)*3*n] {
				c.pix[y*3*n+i] = add(v, above[i])
			}
		}
		return
	}
	last := -1
	for y := range n {
		ty := max((2*y+1)*NetworkSize*128/n-128, 0) // 8 fractional bits
		gy, fy := min(ty>>8, NetworkSize-1), int32(ty&255)
		if gy != last {
			grid(gy, &above)
			grid(min(gy+1, NetworkSize-1), &below)
			last = gy
		}
		for x := range n {
			tx := max((2*x+1)*NetworkSize*128/n-128, 0)
			gx, fx := min(tx>>8, NetworkSize-1), int32(tx&255)
			gx1 := min(gx+1, NetworkSize-1)
			d := c.pix[(y*n+x)*3:][:3]
			for ch := range 3 {
				a := above[3*gx+ch]*(256-fx) + above[3*gx1+ch]*fx
				b := below[3*gx+ch]*(256-fx) + below[3*gx1+ch]*fx
				d[ch] = add(d[ch], (a>>8*(256-fy)+b>>8*fy)>>8)
			}
		}
	}
}

var canvases sync.Pool

// takeCanvas returns a canvas of the size with undefined pixels.
func takeCanvas(size int) *canvas {
	if size < 8 || size > MaxSize {
		panic("drawnworld: picture size out of range")
	}
	c, _ := canvases.Get().(*canvas)
	if c == nil {
		c = &canvas{}
	}
	if n := size * size * 3; cap(c.pix) < n {
		c.pix = make([]uint8, n)
	} else {
		c.pix = c.pix[:n]
	}
	c.size = size
	return c
}
