package drawnworld

// sprite is a small thing that has no class: clutter behind the objects, or a veil in
// front of one.
type sprite struct {
	kind  int // index into sprites
	m     affine
	color rgb
	ink   rgb
	alpha int32 // 0..256
	soft  bool  // edges fade away instead of casting a shadow
}

type spriteKind struct {
	shape func() *path
	paint func(p *pen, s *sprite)
}

var sprites = []spriteKind{
	leaf:    {leafShape, paintLeaf},
	pebble:  {pebbleShape, paintClay(pebbleShape)},
	slip:    {slipShape, paintClay(slipShape)},
	loop:    {loopShape, paintClay(loopShape)},
	pencil:  {pencilShape, paintPencil},
	bead:    {beadShape, paintClay(beadShape)},
	twig:    {twigShape, paintClay(twigShape)},
	note:    {noteShape, paintNote},
	balloon: {beadShape, paintBalloon},
	cloud:   {cloudShape, nil},
}

const (
	leaf = iota
	pebble
	slip
	loop
	pencil
	bead
	twig
	note // from here on veils only
	balloon
	cloud

	clutterKinds = note
)

// veils are the kinds that may hide a part.
var veils = []int{leaf, note, balloon, cloud, cloud}

// draw paints s on a canvas of scene-to-pixel scale k.
func (s *sprite) draw(c *canvas, k affine) {
	p := newPen(c, s.m.then(k))
	if s.soft {
		p.fog(sprites[s.kind].shape(), s.color, s.alpha)
		return
	}
	p.shadow(sprites[s.kind].shape(), 0.12, 70)
	sprites[s.kind].paint(p, s)
}

// cover is how much of every pixel s hides, [size][size].
func (s *sprite) cover(c *canvas) []float32 {
	k := affine{a: float64(c.size), e: float64(c.size)}
	out := make([]float32, c.size*c.size)
	r := 0
	if s.soft {
		r = fogRadius(s.m.then(k).scale())
	}
	m := c.raster(sprites[s.kind].shape(), s.m.then(k), 2*r)
	if m != nil && r > 0 {
		sharp := m
		m = c.soften(m, r)
		c.release(sharp)
	}
	c.store(m, out)
	for i := range out {
		out[i] = float32(out[i]*float32(s.alpha)) / 256
	}
	return out
}

func fogRadius(unit float64) int { return max(1, int(mad(unit, 0.14, 0.5))) }

// fog fills a path whose edge fades away.
func (p *pen) fog(q *path, c rgb, alpha int32) {
	r := fogRadius(p.unit)
	m := p.c.raster(q, p.m, 2*r)
	if m == nil {
		return
	}
	f := p.c.soften(m, r)
	p.c.paint(f, nil, &brush{from: c, alpha: alpha})
	p.c.release(m, f)
}

func paintClay(shape func() *path) func(p *pen, s *sprite) {
	return func(p *pen, s *sprite) { p.solid(shape(), surface{color: s.color}) }
}

func leafShape() *path {
	return join(blob(0, -1, 0.34, -0.62, 0.5, -0.1, 0.38, 0.42, 0, 0.78, -0.38, 0.42, -0.5, -0.1, -0.34, -0.62),
		stroke(0.07, false, 0, 0.7, 0.04, 1))
}

func paintLeaf(p *pen, s *sprite) {
	p.solid(leafShape(), surface{color: s.color})
	veins := stroke(0.045, false, 0, -0.85, 0, 0.75)
	for i := range 4 {
		y := mad(float64(i), 0.3, -0.45)
		veins = join(veins, stroke(0.03, false, 0, y+0.2, 0.3, y-0.05).mirrored())
	}
	p.flat(veins, s.color.darker(80), 170)
}

func pebbleShape() *path {
	return blob(-0.8, 0.1, -0.4, -0.55, 0.3, -0.6, 0.85, -0.1, 0.6, 0.5, -0.2, 0.62)
}
func slipShape() *path { return box(-0.9, -0.35, 0.9, 0.35, 0.05) }
func loopShape() *path { return ring(0, 0, 0.8, 0.8, 0.28) }
func beadShape() *path { return disc(0, 0, 0.85) }
func twigShape() *path {
	return join(stroke(0.16, true, -0.9, 0.3, -0.2, 0.05, 0.3, -0.1, 0.95, -0.1), stroke(0.12, false, 0, 0, 0.35, -0.5), stroke(0.1, false, -0.4, 0.1, -0.55, -0.35))
}
func pencilShape() *path {
	return join(box(-0.9, -0.14, 0.6, 0.14, 0.03), poly(0.58, -0.14, 0.98, 0, 0.58, 0.14))
}

func paintPencil(p *pen, s *sprite) {
	p.solid(poly(0.58, -0.14, 0.98, 0, 0.58, 0.14), surface{color: hex(0xe9c79a)})
	p.flat(poly(0.85, -0.046, 0.98, 0, 0.85, 0.046), hex(0x3a3f4e), 256)
	p.solid(box(-0.9, -0.14, 0.6, 0.14, 0.03), surface{color: s.color})
	p.flat(box(-0.9, -0.05, 0.6, 0.05, 0), white, 60)
	p.solid(box(-0.98, -0.14, -0.78, 0.14, 0.05), surface{color: hex(0xe58f9a)})
}

func noteShape() *path { return poly(-0.85, -0.85, 0.85, -0.85, 0.85, 0.55, 0.55, 0.85, -0.85, 0.85) }

func paintNote(p *pen, s *sprite) {
	p.solid(noteShape(), surface{color: s.color, relief: 25})
	p.flat(poly(0.85, 0.55, 0.55, 0.55, 0.55, 0.85), s.color.darker(60), 256)
	for i := range 4 {
		y := mad(float64(i), 0.3, -0.5)
		p.flat(stroke(0.05, false, -0.6, y, mad(float64(i&1), -0.3, 0.6), y), s.ink, 110)
	}
}

func paintBalloon(p *pen, s *sprite) {
	p.solid(beadShape(), surface{color: s.color})
	p.flat(ellipse(-0.32, -0.36, 0.16, 0.24), white, 110)
}

func cloudShape() *path {
	return join(ellipse(-0.45, 0.15, 0.5, 0.48), ellipse(0.45, 0.15, 0.5, 0.48), ellipse(0, -0.2, 0.6, 0.55), ellipse(0, 0.3, 0.7, 0.4))
}

// backdrop is what everything stands before.
type backdrop struct {
	kind     int
	top, low rgb
	tint     rgb
	seed     uint64
}

const backdrops = 5

func (b *backdrop) draw(c *canvas) {
	k := affine{a: float64(c.size), e: float64(c.size)}
	p := newPen(c, k)
	r := newRNG(b.seed, 0)
	fill := func(q *path, top, low rgb) {
		m := c.raster(q, k, 0)
		if m == nil {
			return
		}
		br := brush{from: top, to: low, alpha: 256}
		br.ty = 65536 / int64(m.h)
		br.t0 = -int64(m.y0) * br.ty
		c.paint(m, nil, &br)
		c.release(m)
	}
	sheet := box(0, 0, 1, 1, 0)
	fill(sheet, b.top, b.low)
	switch b.kind {
	case 0: // lights out of focus
		for range 4 + r.intn(8) {
			x, y, rad := r.unit(), r.unit(), r.between(0.04, 0.17)
			p.flat(disc(x, y, rad), b.top.mix(white, 60), int32(r.between(20, 70)))
		}
	case 1: // a wall and a table
		h := r.between(0.52, 0.78)
		tilt := r.between(-0.03, 0.03)
		table := poly(-0.1, h-tilt, 1.1, h+tilt, 1.1, 1.1, -0.1, 1.1)
		m := c.raster(table, k, 0)
		top := b.tint
		br := brush{from: top.lighter(40), to: top.darker(40), alpha: 256, pattern: grain, ink: top.darker(90), strength: 90,
			frame: newFrame(affine{a: 1.7 / float64(c.size), b: 0, d: 0, e: 1}.then(affine{a: 0, b: 14 / float64(c.size), d: 1, e: 0}))}
		br.ty = 65536 / int64(m.h)
		br.t0 = -int64(m.y0) * br.ty
		c.paint(m, nil, &br)
		c.release(m)
		p.flat(poly(-0.1, h-tilt, 1.1, h+tilt, 1.1, h+tilt+0.012, -0.1, h-tilt+0.012), white, 60)
		p.flat(poly(-0.1, h-tilt-0.02, 1.1, h+tilt-0.02, 1.1, h+tilt, -0.1, h-tilt), shade, 34)
	case 2: // wallpaper
		sin, cos := sincos(r.unit())
		f := r.between(7, 16) / float64(c.size)
		m := c.raster(sheet, k, 0)
		br := brush{from: b.top, to: b.low, ty: 65536 / int64(c.size), alpha: 256,
			pattern: []pattern{stripes, dots, checks}[r.intn(3)], ink: b.tint, strength: int32(r.between(20, 70)),
			frame: newFrame(affine{a: float64(cos * f), b: float64(sin * f), d: float64(-sin * f), e: float64(cos * f)})}
		c.paint(m, nil, &br)
		c.release(m)
	case 3: // hills
		if r.chance(0.6) {
			x, y := r.between(0.1, 0.9), r.between(0.08, 0.35)
			p.flat(disc(x, y, 0.11), b.top.mix(hex(0xffedb0), 150), 90)
			p.flat(disc(x, y, 0.08), hex(0xfff0b8), 190)
		}
		for i := range 3 {
			y := mad(float64(i), 0.17, r.between(0.4, 0.5))
			a := b.low.mix(b.tint, int32(60+60*i))
			q := blob(-0.3, y, 0.05, y+r.between(-0.07, 0.07), 0.35, y+r.between(-0.07, 0.07), 0.65, y+r.between(-0.07, 0.07), 0.95, y+r.between(-0.07, 0.07),
				1.3, y, 1.4, 1.2, 0.5, 1.25, -0.4, 1.2)
			fill(q, a, a.darker(50))
		}
	case 4: // cut paper
		for i := range 3 + r.intn(3) {
			x, y, w := r.between(-0.1, 1.1), r.between(-0.1, 1.1), r.between(0.2, 0.45)
			q := blob(x-w, y, x-float64(w*0.5), y-float64(w*r.between(0.5, 1)), x+float64(w*0.6), y-float64(w*r.between(0.5, 0.9)), x+w, y+float64(w*0.2), x+float64(w*0.3), y+float64(w*r.between(0.6, 1)), x-float64(w*0.6), y+float64(w*0.7))
			p.shadow(q, 0.014, 50)
			p.flat(q, b.top.mix(b.tint, int32(30+30*(i%3))), 256)
		}
	}
}
