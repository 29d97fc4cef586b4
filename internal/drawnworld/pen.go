package drawnworld

// pen draws paths in the frame of one figure, a square from (-1, -1) to (1, 1) with y
// downwards.
type pen struct {
	c    *canvas
	m    affine
	unit float64 // pixels per unit of the figure
	clip *mask
}

func newPen(c *canvas, m affine) *pen { return &pen{c: c, m: m, unit: m.scale()} }

// paint describes the surface of a solid.
type surface struct {
	color   rgb
	flat    bool // no gradient
	pattern pattern
	ink     rgb
	weight  int32   // of the pattern, 0..256
	period  float64 // of the pattern, in units
	turn    float64 // of the pattern, in turns
	relief  int32   // strength of the shaded edge; 0 means the usual one, negative none
	alpha   int32   // 0 means opaque
}

// solid fills a path with a surface that looks like soft clay: lighter above, darker
// below, its edges shaded by a light from the top left.
func (p *pen) solid(q *path, s surface) {
	m := p.c.raster(q, p.m, p.c.size/16)
	if m == nil {
		return
	}
	b := brush{from: s.color, alpha: 256}
	if s.alpha > 0 {
		b.alpha = s.alpha
	}
	if !s.flat {
		b.from, b.to = s.color.lighter(26), s.color.darker(30)
		// Along the picture's vertical over the extent of the shape.
		b.ty = 65536 / int64(m.h)
		b.t0 = -int64(m.y0) * b.ty
	}
	if s.pattern != noPattern {
		b.pattern, b.ink, b.strength = s.pattern, s.ink, s.weight
		sin, cos := sincos(s.turn)
		k := 1 / s.period
		b.frame = newFrame(p.m.inverse().then(affine{a: float64(cos * k), b: float64(sin * k), d: float64(-sin * k), e: float64(cos * k)}))
	}
	if s.relief >= 0 {
		b.relief = 70
		if s.relief > 0 {
			b.relief = s.relief
		}
		r := max(1, int(mad(p.unit, 0.045, 0.5)))
		b.reach = max(1, r*3/4)
		b.emboss = p.c.soften(m, r)
	}
	p.c.paint(m, p.clip, &b)
	p.c.release(m, b.emboss)
}

// flat fills a path with one colour; alpha is 0..256.
func (p *pen) flat(q *path, c rgb, alpha int32) {
	m := p.c.raster(q, p.m, 0)
	p.c.paint(m, p.clip, &brush{from: c, alpha: alpha})
	p.c.release(m)
}

// shadow lets a path cast a soft shadow on what is drawn so far.
func (p *pen) shadow(q *path, height float64, alpha int32) {
	d := float64(p.unit * height)
	r := max(1, int(mad(d, 0.7, 0.5)))
	m := p.c.raster(q, p.m.then(affine{a: 1, e: 1, c: d * 0.6, f: d}), 2*r)
	if m == nil {
		return
	}
	s := p.c.soften(m, r)
	p.c.paint(s, nil, &brush{from: shade, alpha: alpha})
	p.c.release(m, s)
}

// within confines what follows to a path until release is called.
func (p *pen) within(q *path) (release func()) {
	outer := p.clip
	m := p.c.raster(q, p.m, 0)
	if m == nil {
		m = p.c.mask(0, 0, 0, 0)
	}
	p.clip = m
	return func() {
		p.c.release(m)
		p.clip = outer
	}
}
