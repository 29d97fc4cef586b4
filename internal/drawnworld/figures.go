package drawnworld

// look is what members of a family share in a scene whatever their class: colours,
// texture and proportions.
type look struct {
	main, accent rgb        // the body's colour; the marks' colour, far from it
	trim         rgb        // a second colour of the body, near or far
	vary         [4]float64 // proportions in [-1, 1]
	phase        float64    // in [0, 1): hands of clocks and the like
	surface      surface    // of the body
}

// figure draws one family.
type figure struct {
	family Family
	parts  []part
	body   func(l *look) *path // silhouette of what the members share
	paint  func(p *pen, l *look)
	width  float64   // half the width of everything that can be drawn, for placement
	turn   float64   // largest rotation, in turns
	mirror bool      // may be drawn mirrored
	swap   bool      // parts exclude each other: they share a place
	tex    []pattern // textures that suit the body
}

// part is what tells a member of a family from its siblings.
type part struct {
	label  string // of the class: "cross van"
	name   string // of the part: "cross"
	shape  func(l *look) *path
	paint  func(p *pen, l *look)
	behind bool // drawn before the body
	plain  bool // the member without a part: shape and paint are nil
}

// figures lists the families in class order.
var figures = []*figure{
	&cup, &van, &guitar, &house, &fish, &clock, &boat, &butterfly, &bottle, &cake,
	&keyboard, &mouse, &bucket, &spade,
}

// solidPart makes a part that is one clay shape in the colour that pick chooses.
func solidPart(shape func(l *look) *path, pick func(l *look) rgb) func(p *pen, l *look) {
	return func(p *pen, l *look) { p.solid(shape(l), surface{color: pick(l)}) }
}

func mainColor(l *look) rgb   { return l.main }
func accentColor(l *look) rgb { return l.accent }

// cup

var cup = figure{
	family: Family{Name: "cup"},
	width:  1.05, turn: 0.05, tex: []pattern{noPattern, stripes, dots, checks, speckle},
	body: func(l *look) *path { return join(cupBody(l), ellipse(0, cupTop, cupHalf(l), 0.14)) },
	paint: func(p *pen, l *look) {
		w := cupHalf(l)
		p.solid(join(cupBody(l), ellipse(0, cupTop, w, 0.14)), l.surface)
		p.flat(ellipse(0, cupTop, w-0.02, 0.125), l.main.lighter(120), 256)
		p.flat(ellipse(0, cupTop+0.02, w-0.08, 0.09), l.main.darker(130), 256)
		p.flat(ellipse(0, cupTop+0.04, w-0.11, 0.065), hex(0x6b3f2a), 256)
		p.flat(ellipse(-0.12, cupTop+0.035, w*0.45, 0.025), hex(0xa06a48), 200)
		p.flat(stroke(0.07, true, -w+0.16, -0.45, -w+0.2, 0, -w+0.25, 0.45), white, 70)
	},
	parts: []part{
		{label: "left-handle cup", name: "left handle", behind: true,
			shape: cupHandle(-1), paint: solidPart(cupHandle(-1), mainColor)},
		{label: "right-handle cup", name: "right handle", behind: true,
			shape: cupHandle(1), paint: solidPart(cupHandle(1), mainColor)},
		{label: "spout cup", name: "spout", behind: true,
			shape: cupSpout, paint: solidPart(cupSpout, mainColor)},
		{label: "plain cup", name: "nothing", plain: true},
	},
}

const cupTop = -0.72

func cupHalf(l *look) float64 { return mad(0.05, l.vary[0], 0.56) }

func cupBody(l *look) *path {
	w, b := cupHalf(l), mad(0.06, l.vary[1], 0.44)
	return join(
		poly(-w, cupTop, w, cupTop, b+0.06, 0.6, -b-0.06, 0.6),
		blob(-b-0.06, 0.58, 0, 0.5, b+0.06, 0.58, b, 0.8, 0, 0.88, -b, 0.8))
}

func cupHandle(side float64) func(l *look) *path {
	return func(l *look) *path {
		w := float64(cupHalf(l) * 0.93)
		return ring(side*(w+0.03), -0.02, 0.38, 0.42, 0.15)
	}
}

func cupSpout(l *look) *path {
	w := cupHalf(l)
	return poly(w-0.12, cupTop-0.04, w+0.12, cupTop-0.14, w+0.42, cupTop-0.17, w+0.28, cupTop+0.12, w-0.04, cupTop+0.52, w-0.2, cupTop+0.5)
}

// van

var van = figure{
	family: Family{Name: "van"},
	width:  1, turn: 0.06, mirror: true, tex: []pattern{noPattern, speckle},
	body: func(l *look) *path { return join(vanBody(l), vanWheels()) },
	paint: func(p *pen, l *look) {
		dark := hex(0x2b2d3a)
		p.flat(box(-0.85, 0.3, 0.85, 0.48, 0.05), dark, 256)
		p.solid(vanBody(l), l.surface)
		done := p.within(vanBody(l))
		p.flat(box(-1, 0.33, 1, 0.6, 0), l.trim, 256)
		done()
		glass := hex(0x9fd0e6)
		p.solid(poly(0.26, -0.38, 0.47, -0.38, 0.67, -0.06, 0.26, -0.06), surface{color: glass, relief: -1})
		p.flat(poly(0.3, -0.38, 0.37, -0.38, 0.5, -0.06, 0.43, -0.06), white, 110)
		p.flat(stroke(0.018, false, 0.2, -0.4, 0.2, 0.32), l.main.darker(110), 200)
		p.flat(stroke(0.03, false, 0.25, 0.08, 0.33, 0.08), l.main.darker(140), 256)
		p.solid(ellipse(0.9, 0.12, 0.05, 0.07), surface{color: gold})
		p.flat(box(-0.97, 0.02, -0.92, 0.16, 0.02), hex(0xd64545), 256)
		for _, x := range []float64{-0.52, 0.55} {
			p.solid(disc(x, 0.46, 0.22), surface{color: dark})
			p.solid(disc(x, 0.46, 0.11), surface{color: steel})
			p.flat(disc(x, 0.46, 0.035), dark, 256)
		}
	},
	parts: []part{
		{label: "cross van", name: "cross", shape: func(*look) *path { return disc(vanX, -0.12, 0.22) },
			paint: func(p *pen, l *look) {
				p.flat(disc(vanX, -0.12, 0.22), l.accent.lighter(225), 256)
				p.solid(join(box(vanX-0.055, -0.28, vanX+0.055, 0.04, 0), box(vanX-0.16, -0.175, vanX+0.16, -0.065, 0)),
					surface{color: l.accent, relief: 30})
			}},
		{label: "stripe van", name: "stripe", shape: func(*look) *path { return box(-0.93, 0.15, 0.18, 0.31, 0) },
			paint: func(p *pen, l *look) {
				p.flat(box(-0.93, 0.15, 0.18, 0.31, 0), l.accent.lighter(225), 256)
				for i := range 7 {
					for j := range 2 {
						if (i+j)%2 == 0 {
							x := mad(float64(i), 0.1585, -0.93)
							y := mad(float64(j), 0.08, 0.15)
							p.flat(box(x, y, x+0.1585, y+0.08, 0), l.accent, 256)
						}
					}
				}
			}},
		{label: "ladder van", name: "ladder", shape: func(*look) *path { return vanLadder() },
			paint: func(p *pen, l *look) { p.solid(vanLadder(), surface{color: l.accent, relief: 40}) }},
		{label: "plain van", name: "nothing", plain: true},
	},
}

const vanX = -0.36

func vanBody(l *look) *path {
	f := mad(0.04, l.vary[0], 0.72)
	return blob(-0.97, -0.3, -0.9, -0.5, -0.5, -0.52, 0.1, -0.52, 0.46, -0.5, f, -0.1, 0.95, 0, 0.98, 0.3, 0.9, 0.42, 0.3, 0.42, -0.4, 0.42, -0.93, 0.42, -0.98, 0.2)
}

func vanWheels() *path { return join(disc(-0.52, 0.46, 0.22), disc(0.55, 0.46, 0.22)) }

func vanLadder() *path {
	q := join(box(-0.85, -0.8, 0.36, -0.745, 0.02), box(-0.85, -0.64, 0.36, -0.585, 0.02),
		box(-0.7, -0.6, -0.64, -0.5, 0), box(0.14, -0.6, 0.2, -0.5, 0))
	for i := range 6 {
		x := mad(float64(i), 0.19, -0.74)
		q = join(q, box(x, -0.78, x+0.05, -0.6, 0))
	}
	return q
}

// guitar

var guitar = figure{
	family: Family{Name: "guitar"},
	width:  0.62, turn: 0.16, tex: []pattern{grain, grain, noPattern, speckle},
	body: func(l *look) *path { return join(guitarBody(l), guitarNeck(), guitarHead()) },
	paint: func(p *pen, l *look) {
		neck := hex(0x4a3328)
		p.solid(guitarHead(), surface{color: l.trim.darker(60)})
		for i := range 3 {
			y := mad(float64(i), 0.085, -0.95)
			p.flat(join(disc(-0.115, y, 0.028), disc(0.115, y, 0.028)), cream, 256)
		}
		p.solid(guitarBody(l), l.surface)
		p.flat(guitarRim(l), l.main.darker(90), 150)
		p.solid(guitarNeck(), surface{color: neck, relief: 40})
		for i := range 8 {
			y := mad(float64(i), 0.105, -0.7)
			p.flat(box(-0.07, y, 0.07, y+0.014, 0), steel, 220)
		}
		p.solid(box(-0.2, 0.76, 0.2, 0.83, 0.03), surface{color: neck})
	},
	parts: []part{
		{label: "f-hole guitar", name: "f-holes", shape: func(*look) *path { return guitarHoles().mirrored() },
			paint: func(p *pen, l *look) {
				p.flat(guitarHoles().mirrored(), l.main.darker(215), 256)
				guitarStrings(p)
			}},
		{label: "round-hole guitar", name: "round hole", shape: func(*look) *path { return disc(0, 0.36, 0.155) },
			paint: func(p *pen, l *look) {
				p.flat(disc(0, 0.36, 0.155), l.accent, 256)
				p.flat(disc(0, 0.36, 0.125), l.main.darker(215), 256)
				guitarStrings(p)
			}},
		{label: "pickup guitar", name: "pickups", shape: func(*look) *path { return guitarPickups() },
			paint: func(p *pen, l *look) {
				p.solid(guitarPickups(), surface{color: hex(0x2b2d3a)})
				for _, y := range []float64{0.535, 0.645} {
					for i := range 6 {
						p.flat(disc(mad(float64(i), 0.055, -0.1375), y, 0.016), steel, 256)
					}
				}
				guitarStrings(p)
			}},
	},
}

func guitarBody(l *look) *path {
	u, b := mad(0.03, l.vary[0], 0.39), mad(0.03, l.vary[1], 0.52)
	return blob(0, -0.02, 0.2, -0.04, u, 0.1, u-0.04, 0.26, u-0.07, 0.38, b-0.04, 0.54, b, 0.72, b-0.14, 0.93, 0, 0.99,
		-b+0.14, 0.93, -b, 0.72, -b+0.04, 0.54, -u+0.07, 0.38, -u+0.04, 0.26, -u, 0.1, -0.2, -0.04)
}

// guitarRim is the line along the body's edge.
func guitarRim(l *look) *path {
	b := guitarBody(l)
	return join(b.mapped(affine{a: 0.94, e: 0.95, f: 0.024}), hole(b.mapped(affine{a: 0.905, e: 0.92, f: 0.039})))
}

func guitarNeck() *path { return box(-0.075, -0.78, 0.075, 0.2, 0.02) }

func guitarHead() *path {
	return poly(-0.07, -0.74, -0.12, -0.8, -0.14, -0.98, -0.07, -1.02, 0.07, -1.02, 0.14, -0.98, 0.12, -0.8, 0.07, -0.74)
}

func guitarHoles() *path {
	return join(stroke(0.05, true, -0.22, 0.4, -0.29, 0.43, -0.29, 0.54, -0.32, 0.66, -0.33, 0.74, -0.4, 0.77),
		disc(-0.215, 0.42, 0.035), disc(-0.4, 0.755, 0.035), box(-0.35, 0.575, -0.25, 0.595, 0))
}

func guitarPickups() *path {
	return join(box(-0.19, 0.495, 0.19, 0.575, 0.03), box(-0.19, 0.605, 0.19, 0.685, 0.03))
}

// guitarStrings redraws the strings over a part.
func guitarStrings(p *pen) {
	for i := range 4 {
		x := mad(float64(i), 0.03, -0.045)
		p.flat(box(x-0.005, -0.75, x+0.005, 0.78, 0), cream, 190)
	}
}

// house

var house = figure{
	family: Family{Name: "house"},
	width:  0.95, turn: 0.04, mirror: true, tex: []pattern{noPattern, stripes, checks, speckle},
	body: func(l *look) *path { return join(houseWalls(), houseRoof(l)) },
	paint: func(p *pen, l *look) {
		p.solid(houseWalls(), l.surface)
		p.flat(box(-0.66, -0.06, 0.66, 0.03, 0), l.main.darker(120), 110)
		door := l.trim.darker(70)
		p.solid(box(-0.14, 0.32, 0.16, 0.85, 0.03), surface{color: door})
		p.flat(disc(0.1, 0.6, 0.025), gold, 256)
		for _, x := range []float64{-0.42, 0.44} {
			p.flat(box(x-0.17, 0.2, x+0.17, 0.54, 0.02), cream, 256)
			p.solid(box(x-0.13, 0.24, x+0.13, 0.5, 0.01), surface{color: hex(0x8cc3dc), relief: -1})
			p.flat(join(box(x-0.015, 0.22, x+0.015, 0.52, 0), box(x-0.15, 0.355, x+0.15, 0.385, 0)), cream, 256)
		}
		p.solid(houseRoof(l), surface{color: l.trim, pattern: stripes, ink: l.trim.darker(90), weight: 90, period: 0.11, turn: 0.25})
	},
	parts: []part{
		{label: "chimney house", name: "chimney", behind: true, shape: func(*look) *path { return houseChimney() },
			paint: func(p *pen, l *look) {
				p.solid(houseChimney(), surface{color: l.accent, pattern: checks, ink: l.accent.darker(90), weight: 120, period: 0.12})
				p.flat(box(0.24, -0.98, 0.58, -0.9, 0.02), l.accent.darker(90), 256)
			}},
		{label: "flag house", name: "flag", behind: true, shape: func(*look) *path { return join(houseFlag(), housePole()) },
			paint: func(p *pen, l *look) {
				p.flat(housePole(), hex(0x5a5f6e), 256)
				p.solid(houseFlag(), surface{color: l.accent})
			}},
		{label: "dormer house", name: "dormer", shape: func(*look) *path { return join(houseGable(), box(-0.17, -0.45, 0.17, -0.13, 0)) },
			paint: func(p *pen, l *look) {
				p.solid(box(-0.17, -0.45, 0.17, -0.13, 0), surface{color: l.main})
				p.solid(houseGable(), surface{color: l.accent})
				p.flat(box(-0.1, -0.39, 0.1, -0.17, 0.02), cream, 256)
				p.flat(box(-0.075, -0.365, 0.075, -0.195, 0.01), hex(0x8cc3dc), 256)
				p.flat(box(-0.01, -0.37, 0.01, -0.19, 0), cream, 256)
			}},
	},
}

func houseWalls() *path { return box(-0.68, -0.12, 0.68, 0.86, 0.02) }

func houseRoof(l *look) *path {
	t := mad(0.06, l.vary[0], 0.5)
	return poly(-0.9, -0.06, -t, -0.64, t, -0.64, 0.9, -0.06)
}

func houseChimney() *path {
	return join(box(0.28, -0.94, 0.54, -0.4, 0), box(0.24, -0.98, 0.58, -0.9, 0.02))
}
func housePole() *path { return box(-0.44, -1.05, -0.395, -0.5, 0.01) }
func houseFlag() *path {
	return blob(-0.4, -1.02, -0.25, -1.06, -0.1, -1, 0.06, -1.02, 0.05, -0.8, -0.1, -0.78, -0.25, -0.83, -0.4, -0.79)
}
func houseGable() *path { return poly(-0.26, -0.42, 0, -0.66, 0.26, -0.42) }

// fish

var fish = figure{
	family: Family{Name: "fish"},
	width:  1, turn: 0.08, mirror: true, tex: []pattern{noPattern, dots, speckle, checks},
	body: func(l *look) *path { return join(fishBody(l), fishTail()) },
	paint: func(p *pen, l *look) {
		p.solid(fishTail(), surface{color: l.trim})
		for i := range 3 {
			y := mad(float64(i), 0.13, -0.09)
			p.flat(stroke(0.025, false, 0.64, float64(y*0.5)+0.02, 0.86, float64(y*1.7)+0.02), l.trim.darker(110), 150)
		}
		p.solid(fishBody(l), l.surface)
		done := p.within(fishBody(l))
		p.flat(blob(-0.9, 0.2, -0.3, 0.27, 0.2, 0.22, 0.7, 0.1, 0.7, 0.7, -0.9, 0.7), white, 90)
		p.flat(stroke(0.035, true, -0.3, -0.28, -0.21, 0, -0.3, 0.3), l.main.darker(110), 130)
		done()
		p.solid(blob(-0.1, 0.1, 0.14, 0.06, 0.26, 0.2, 0.08, 0.26), surface{color: l.trim})
		p.flat(disc(-0.5, -0.08, 0.11), cream, 256)
		p.flat(disc(-0.52, -0.075, 0.06), hex(0x22223a), 256)
		p.flat(disc(-0.54, -0.1, 0.022), white, 256)
		p.flat(stroke(0.03, true, -0.78, 0.1, -0.7, 0.12, -0.64, 0.09), l.main.darker(150), 220)
	},
	parts: []part{
		{label: "sailfin fish", name: "sail fin", behind: true, shape: func(*look) *path { return fishSail() },
			paint: func(p *pen, l *look) {
				p.solid(fishSail(), surface{color: l.accent})
				for i := range 4 {
					x := mad(float64(i), 0.15, -0.16)
					p.flat(stroke(0.02, false, x, -0.25, x+0.06, -0.68), l.accent.darker(120), 170)
				}
			}},
		{label: "lantern fish", name: "lantern", shape: func(*look) *path { return join(fishRod(), disc(-0.9, -0.5, 0.12)) },
			paint: func(p *pen, l *look) {
				p.flat(fishRod(), l.main.darker(120), 256)
				p.flat(disc(-0.9, -0.5, 0.12), gold, 110)
				p.solid(disc(-0.9, -0.5, 0.085), surface{color: hex(0xffe27a)})
			}},
		{label: "whisker fish", name: "whiskers", shape: func(*look) *path { return fishWhiskers() },
			paint: func(p *pen, l *look) { p.solid(fishWhiskers(), surface{color: l.accent, relief: 40}) }},
	},
}

func fishBody(l *look) *path {
	h := mad(0.05, l.vary[0], 0.42)
	return blob(-0.84, 0.04, -0.66, -h*0.6, -0.2, -h, 0.3, -h*0.68, 0.66, -0.07, 0.66, 0.1, 0.3, h*0.68, -0.2, h, -0.64, h*0.66)
}

func fishTail() *path {
	return blob(0.56, 0.01, 0.76, -0.14, 0.96, -0.32, 0.97, -0.14, 0.88, 0.01, 0.97, 0.16, 0.96, 0.34, 0.76, 0.16)
}

func fishSail() *path {
	return blob(-0.34, -0.2, -0.26, -0.52, -0.08, -0.78, 0.14, -0.8, 0.34, -0.66, 0.44, -0.42, 0.5, -0.12, 0.1, -0.1)
}
func fishRod() *path {
	return stroke(0.045, true, -0.5, -0.3, -0.55, -0.58, -0.74, -0.72, -0.88, -0.6, -0.9, -0.52)
}
func fishWhiskers() *path {
	return join(stroke(0.055, true, -0.72, 0.2, -0.82, 0.36, -0.78, 0.54, -0.86, 0.66),
		stroke(0.055, true, -0.6, 0.26, -0.6, 0.44, -0.52, 0.56, -0.56, 0.7))
}

// clock

var clock = figure{
	family: Family{Name: "clock"},
	width:  0.72, turn: 0.05, tex: []pattern{noPattern, speckle, grain},
	body: func(*look) *path { return disc(0, 0, 0.64) },
	paint: func(p *pen, l *look) {
		p.solid(disc(0, 0, 0.64), l.surface)
		p.solid(disc(0, 0, 0.5), surface{color: cream.mix(l.main, 14), relief: 40})
		ink := hex(0x2b2d3a)
		for i := range 12 {
			sin, cos := sincos(float64(i) / 12)
			in := 0.41
			if i%3 == 0 {
				in = 0.37
			}
			p.flat(stroke(0.03, false, sin*in, -cos*in, sin*0.455, -cos*0.455), ink, 230)
		}
		sin, cos := sincos(l.phase)
		p.flat(stroke(0.05, false, 0, 0, sin*0.26, -cos*0.26), ink, 256)
		sin, cos = sincos(l.phase * 12)
		p.flat(stroke(0.035, false, 0, 0, sin*0.39, -cos*0.39), ink, 256)
		p.flat(disc(0, 0, 0.045), l.main, 256)
	},
	parts: []part{
		{label: "bell clock", name: "bells", behind: true, shape: func(*look) *path { return join(clockBells(), clockHammer()) },
			paint: func(p *pen, l *look) {
				p.flat(clockHammer(), hex(0x4a4f5e), 256)
				p.solid(clockBells(), surface{color: l.accent})
			}},
		{label: "pendulum clock", name: "pendulum", behind: true, shape: func(l *look) *path { return clockPendulum(l) },
			paint: func(p *pen, l *look) { p.solid(clockPendulum(l), surface{color: l.accent}) }},
		{label: "footed clock", name: "feet", behind: true, shape: func(*look) *path { return clockFeet() },
			paint: solidPart(func(*look) *path { return clockFeet() }, accentColor)},
	},
}

func clockBells() *path {
	var dome []pt
	for i := 0; i <= 16; i++ {
		sin, cos := sincos(float64(float64(i)/32) + 0.4)
		dome = append(dome, pt{mad(0.23, cos, -0.46), mad(0.23, sin, -0.65)})
	}
	return join(closed(dome), stroke(0.07, false, -0.46, -0.65, -0.36, -0.5)).mirrored()
}

func clockHammer() *path { return join(box(-0.03, -0.9, 0.03, -0.6, 0.01), disc(0, -0.88, 0.065)) }

func clockPendulum(l *look) *path {
	x := mad(0.14, l.vary[1], 0)
	return join(stroke(0.05, false, 0, 0.55, x, 0.85), disc(x, 0.86, 0.14))
}

func clockFeet() *path { return stroke(0.13, false, -0.4, 0.48, -0.56, 0.8).mirrored() }

// boat

var boat = figure{
	family: Family{Name: "boat"},
	width:  1, turn: 0.05, mirror: true, tex: []pattern{noPattern, grain, speckle},
	body: func(l *look) *path { return join(boatHull(l), boatCabin()) },
	paint: func(p *pen, l *look) {
		p.solid(boatCabin(), surface{color: cream})
		for i := range 3 {
			p.solid(disc(mad(float64(i), 0.16, 0.24), -0.06, 0.05), surface{color: hex(0x6aa9c9), relief: 40})
		}
		p.flat(box(0.1, -0.24, 0.7, -0.18, 0.02), l.trim.darker(40), 256)
		p.solid(boatHull(l), l.surface)
		done := p.within(boatHull(l))
		p.flat(box(-1.1, 0.46, 1.1, 0.8, 0), l.trim, 256)
		p.flat(box(-1.1, 0.1, 1.1, 0.2, 0), white, 120)
		done()
	},
	parts: []part{
		{label: "sail boat", name: "sail", behind: true, shape: func(*look) *path { return join(boatSail(), boatMast()) },
			paint: func(p *pen, l *look) {
				p.flat(boatMast(), hex(0x70503c), 256)
				p.solid(boatSail(), surface{color: l.accent})
			}},
		{label: "funnel boat", name: "funnel", behind: true, shape: func(*look) *path { return join(boatFunnel(), boatSmoke()) },
			paint: func(p *pen, l *look) {
				p.flat(boatSmoke(), hex(0xd8d8df), 215)
				p.solid(boatFunnel(), surface{color: l.accent})
				p.flat(box(0.29, -0.58, 0.54, -0.48, 0), l.accent.darker(150), 256)
			}},
		{label: "oar boat", name: "oars", shape: func(*look) *path { return boatOars() },
			paint: func(p *pen, l *look) { p.solid(boatOars(), surface{color: l.accent, relief: 50}) }},
	},
}

func boatHull(l *look) *path {
	b := mad(0.06, l.vary[0], 0.62)
	return poly(-0.98, 0.06, -0.4, 0.15, 0.4, 0.15, 0.98, 0.06, 0.9, 0.3, b, 0.62, -b, 0.62, -0.88, 0.32)
}

func boatCabin() *path  { return box(0.14, -0.22, 0.66, 0.2, 0.03) }
func boatMast() *path   { return box(-0.4, -0.98, -0.35, 0.2, 0.01) }
func boatFunnel() *path { return poly(0.3, -0.64, 0.53, -0.64, 0.56, -0.2, 0.27, -0.2) }
func boatSmoke() *path {
	return join(disc(0.44, -0.76, 0.09), disc(0.54, -0.86, 0.1), disc(0.68, -0.93, 0.08))
}
func boatSail() *path {
	return join(blob(-0.33, -0.92, -0.1, -0.6, 0.03, -0.3, 0.06, -0.02, -0.15, 0.02, -0.33, 0.02, -0.33, -0.4),
		blob(-0.43, -0.82, -0.6, -0.5, -0.75, -0.2, -0.82, 0, -0.6, 0.03, -0.43, 0.02, -0.43, -0.4))
}
func boatOars() *path {
	return join(
		stroke(0.05, false, -0.12, 0.18, -0.36, 0.72), blob(-0.35, 0.66, -0.28, 0.78, -0.36, 0.98, -0.48, 0.94, -0.44, 0.78),
		stroke(0.05, false, 0.34, 0.18, 0.1, 0.72), blob(0.11, 0.66, 0.18, 0.78, 0.1, 0.98, -0.02, 0.94, 0.02, 0.78))
}

// butterfly

var butterfly = figure{
	family: Family{Name: "butterfly"},
	width:  1, turn: 0.14, tex: []pattern{noPattern, speckle},
	body: func(*look) *path {
		return join(wingUpper().mirrored(), wingLower().mirrored(), ellipse(0, 0.02, 0.08, 0.52), antennae())
	},
	paint: func(p *pen, l *look) {
		dark := l.main.darker(170)
		p.flat(antennae(), dark, 256)
		for _, w := range []*path{wingLower().mirrored(), wingUpper().mirrored()} {
			p.solid(w, surface{color: l.trim.darker(90)})
		}
		in := affine{a: 0.86, b: 0, c: -0.065, e: 0.86, f: -0.04}
		s := l.surface
		s.relief = -1
		p.solid(wingLower().mapped(affine{a: 0.86, c: -0.04, e: 0.84, f: 0.045}).mirrored(), s)
		p.solid(wingUpper().mapped(in).mirrored(), s)
		for _, w := range [][4]float64{{-0.1, -0.1, -0.72, -0.56}, {-0.1, -0.02, -0.78, -0.22}, {-0.1, 0.1, -0.5, 0.5}} {
			p.flat(stroke(0.018, false, w[0], w[1], w[2], w[3]).mirrored(), dark, 120)
		}
		p.solid(ellipse(0, 0.02, 0.08, 0.52), surface{color: hex(0x3a3140)})
		p.solid(disc(0, -0.5, 0.09), surface{color: hex(0x3a3140)})
	},
	parts: []part{
		{label: "eyespot butterfly", name: "eyespots", shape: func(*look) *path { return disc(-0.56, -0.42, 0.17).mirrored() },
			paint: func(p *pen, l *look) {
				p.flat(disc(-0.56, -0.42, 0.17).mirrored(), l.accent.lighter(170), 256)
				p.flat(disc(-0.56, -0.42, 0.125).mirrored(), l.accent, 256)
				p.flat(disc(-0.56, -0.42, 0.06).mirrored(), shade, 256)
				p.flat(join(disc(-0.59, -0.45, 0.025), disc(0.53, -0.45, 0.025)), white, 256)
			}},
		{label: "banded butterfly", name: "bands", shape: func(*look) *path { return wingBands() },
			paint: func(p *pen, l *look) { p.flat(wingBands(), l.accent, 256) }},
		{label: "tailed butterfly", name: "tails", behind: true, shape: func(*look) *path { return wingTails() },
			paint: func(p *pen, l *look) { p.solid(wingTails(), surface{color: l.accent}) }},
	},
}

func wingUpper() *path {
	return blob(-0.06, -0.08, -0.3, -0.5, -0.62, -0.78, -0.9, -0.8, -0.97, -0.58, -0.9, -0.26, -0.68, -0.02, -0.36, 0.08, -0.06, 0.06)
}

func wingLower() *path {
	return blob(-0.06, 0.02, -0.36, 0.03, -0.66, 0.12, -0.74, 0.34, -0.62, 0.62, -0.4, 0.72, -0.2, 0.52, -0.06, 0.24)
}

func antennae() *path {
	return join(stroke(0.03, true, -0.03, -0.54, -0.1, -0.74, -0.24, -0.88), disc(-0.25, -0.89, 0.035)).mirrored()
}

func wingBands() *path {
	return join(stroke(0.065, true, -0.22, 0.16, -0.38, 0.2, -0.58, 0.2), stroke(0.065, true, -0.24, 0.31, -0.4, 0.35, -0.58, 0.35),
		stroke(0.065, true, -0.28, 0.46, -0.38, 0.5, -0.52, 0.5)).mirrored()
}

func wingTails() *path {
	return join(stroke(0.09, true, -0.5, 0.6, -0.52, 0.78, -0.62, 0.94), disc(-0.63, 0.94, 0.075)).mirrored()
}

// bottle

var bottle = figure{
	family: Family{Name: "bottle"},
	width:  0.6, turn: 0.08, mirror: true, swap: true, tex: []pattern{noPattern, speckle, stripes},
	body: func(l *look) *path { return bottleBody(l) },
	paint: func(p *pen, l *look) {
		p.solid(bottleBody(l), l.surface)
		w := bottleHalf(l)
		done := p.within(bottleBody(l))
		p.solid(box(-w-0.1, 0.18, w+0.1, 0.72, 0), surface{color: cream, relief: -1})
		p.flat(box(-w-0.1, 0.22, w+0.1, 0.25, 0), l.trim, 256)
		p.flat(box(-w-0.1, 0.65, w+0.1, 0.68, 0), l.trim, 256)
		done()
		p.flat(blob(-0.02, 0.3, 0.12, 0.42, 0.02, 0.56, -0.12, 0.46), l.trim, 230)
		p.flat(stroke(0.06, true, -w+0.1, -0.05, -w+0.09, 0.3, -w+0.1, 0.75), white, 90)
	},
	parts: []part{
		{label: "cork bottle", name: "cork", behind: true, shape: func(*look) *path { return bottleCork() },
			paint: func(p *pen, l *look) {
				p.solid(bottleCork(), surface{color: hex(0xc99a66), pattern: speckle, ink: hex(0x7d5330), weight: 120, period: 0.06})
			}},
		{label: "pump bottle", name: "pump", behind: true, shape: func(*look) *path { return bottlePump() },
			paint: solidPart(func(*look) *path { return bottlePump() }, accentColor)},
		{label: "dropper bottle", name: "dropper", behind: true, shape: func(*look) *path { return bottleDropper() },
			paint: func(p *pen, l *look) {
				p.solid(bottleDropper(), surface{color: l.accent})
				p.solid(box(-0.2, -0.66, 0.2, -0.5, 0.03), surface{color: hex(0x3a3f4e)})
			}},
	},
}

func bottleHalf(l *look) float64 { return mad(0.05, l.vary[0], 0.42) }

func bottleBody(l *look) *path {
	w := bottleHalf(l)
	return join(box(-w, 0.1, w, 0.98, 0.08), box(-0.15, -0.56, 0.15, 0, 0.03),
		blob(-0.15, -0.34, -0.05, -0.36, 0.05, -0.36, 0.15, -0.34, w*0.75, -0.16, w, 0.12, w, 0.3, 0, 0.4, -w, 0.3, -w, 0.12, -w*0.75, -0.16))
}

func bottleCork() *path {
	return poly(-0.11, -0.46, -0.155, -0.8, 0.155, -0.8, 0.11, -0.46)
}
func bottlePump() *path {
	return join(box(-0.21, -0.66, 0.21, -0.48, 0.04), box(-0.045, -0.86, 0.045, -0.6, 0),
		blob(-0.12, -0.84, -0.1, -0.97, 0.14, -0.98, 0.38, -0.92, 0.5, -0.78, 0.42, -0.76, 0.3, -0.84))
}
func bottleDropper() *path {
	return join(box(-0.2, -0.66, 0.2, -0.5, 0.03),
		blob(-0.1, -0.62, -0.13, -0.74, -0.17, -0.88, -0.1, -1.02, 0.1, -1.02, 0.17, -0.88, 0.13, -0.74, 0.1, -0.62))
}

// cake

var cake = figure{
	family: Family{Name: "cake"},
	width:  0.9, turn: 0.05, mirror: true, tex: []pattern{noPattern, dots, stripes, speckle},
	body: func(*look) *path { return join(cakeTier(0), cakeTier(1), ellipse(0, 0.84, 0.92, 0.12)) },
	paint: func(p *pen, l *look) {
		p.solid(ellipse(0, 0.84, 0.92, 0.12), surface{color: hex(0xdfe5ea)})
		icing := l.trim.lighter(90)
		for i := range 2 {
			p.solid(cakeTier(i), l.surface)
			w, y := 0.76, 0.24
			if i == 1 {
				w, y = 0.52, -0.3
			}
			drip := []float64{-w - 0.02, y - 0.03, -w * 0.5, y - 0.07, w * 0.5, y - 0.07, w + 0.02, y - 0.03, w + 0.01, y + 0.14}
			for k := 4; k >= -4; k-- {
				d := 0.08
				if k&1 == 0 {
					d = 0.2
				}
				drip = append(drip, float64(k)*w/5, y+d)
			}
			p.solid(blob(append(drip, -w-0.01, y+0.14)...), surface{color: icing})
		}
	},
	parts: []part{
		{label: "candle cake", name: "candle", behind: true, shape: func(*look) *path { return join(cakeCandle(), cakeFlame()) },
			paint: func(p *pen, l *look) {
				p.solid(cakeCandle(), surface{color: l.accent, pattern: stripes, ink: cream, weight: 220, period: 0.16, turn: 0.17})
				p.solid(cakeFlame(), surface{color: hex(0xffc23d)})
				p.flat(ellipse(-0.28, -0.83, 0.03, 0.06), hex(0xfff3c4), 256)
			}},
		{label: "cherry cake", name: "cherry", behind: true, shape: func(*look) *path { return join(disc(0, -0.44, 0.16), cakeStem()) },
			paint: func(p *pen, l *look) {
				p.flat(cakeStem(), hex(0x4f7d3a), 256)
				p.solid(disc(0, -0.44, 0.16), surface{color: l.accent})
				p.flat(ellipse(-0.055, -0.5, 0.045, 0.03), white, 170)
			}},
		{label: "star cake", name: "star", behind: true, shape: func(*look) *path { return join(cakeStar(), cakeStick()) },
			paint: func(p *pen, l *look) {
				p.flat(cakeStick(), hex(0x8a7a6a), 256)
				p.solid(cakeStar(), surface{color: l.accent})
			}},
	},
}

func cakeTier(i int) *path {
	if i == 0 {
		return box(-0.76, 0.2, 0.76, 0.82, 0.06)
	}
	return box(-0.52, -0.32, 0.52, 0.26, 0.06)
}
func cakeCandle() *path { return box(-0.345, -0.72, -0.215, -0.3, 0.02) }
func cakeFlame() *path {
	return blob(-0.28, -0.98, -0.21, -0.82, -0.24, -0.73, -0.32, -0.73, -0.35, -0.82)
}
func cakeStem() *path  { return stroke(0.03, true, 0, -0.56, 0.03, -0.7, 0.1, -0.8) }
func cakeStick() *path { return box(0.27, -0.7, 0.31, -0.3, 0) }
func cakeStar() *path {
	xy := make([]float64, 0, 20)
	for i := range 10 {
		r := 0.21
		if i&1 == 1 {
			r = 0.095
		}
		sin, cos := sincos(float64(i) / 10)
		xy = append(xy, mad(r, sin, 0.29), mad(-r, cos, -0.76))
	}
	return poly(xy...)
}

// keyboard and mouse, bucket and spade: single classes that are drawn together.

var keyboard = figure{
	family: Family{Name: "desk", Together: true},
	width:  1, turn: 0.07, tex: []pattern{noPattern, speckle},
	body: func(*look) *path { return keyboardCase() },
	paint: func(p *pen, l *look) {
		p.solid(keyboardCase(), l.surface)
		key := surface{color: l.main.lighter(130), relief: 60}
		if l.main.luma() > 150 {
			key.color = l.main.darker(150)
		}
		keys := &path{}
		for r := range 4 {
			for c := range 12 {
				x, y := mad(float64(c), 0.152, -0.905), mad(float64(r), 0.15, -0.31)
				if r == 3 && c > 2 && c < 9 {
					continue
				}
				keys = join(keys, box(x, y, x+0.125, y+0.12, 0.02))
			}
		}
		p.solid(join(keys, box(-0.449, 0.14, 0.432, 0.26, 0.02)), key)
	},
	parts: []part{{label: "keyboard", name: "keyboard"}},
}

func keyboardCase() *path { return box(-0.99, -0.4, 0.99, 0.38, 0.08) }

var mouse = figure{
	family: Family{Name: "desk", Together: true},
	width:  0.6, turn: 0.14, tex: []pattern{noPattern, speckle},
	body: func(*look) *path { return join(mouseShell(), mouseCord()) },
	paint: func(p *pen, l *look) {
		p.solid(mouseCord(), surface{color: l.main.darker(90), relief: 40})
		p.solid(mouseShell(), l.surface)
		p.flat(join(stroke(0.025, false, 0, -0.44, 0, 0.02), stroke(0.025, true, -0.46, 0.06, 0, 0.02, 0.46, 0.06)), l.main.darker(130), 200)
		p.solid(box(-0.065, -0.34, 0.065, -0.1, 0.05), surface{color: l.accent})
	},
	parts: []part{{label: "mouse", name: "mouse"}},
}

func mouseShell() *path {
	return blob(0, -0.46, 0.3, -0.42, 0.47, -0.12, 0.5, 0.3, 0.36, 0.78, 0, 0.92, -0.36, 0.78, -0.5, 0.3, -0.47, -0.12, -0.3, -0.42)
}
func mouseCord() *path { return stroke(0.07, true, 0, -0.4, 0.02, -0.62, -0.14, -0.78, -0.04, -1) }

var bucket = figure{
	family: Family{Name: "beach", Together: true},
	width:  0.8, turn: 0.06, tex: []pattern{noPattern, stripes, dots},
	body: func(l *look) *path { return join(bucketBody(), bucketRim(), bucketGrip()) },
	paint: func(p *pen, l *look) {
		p.solid(bucketGrip(), surface{color: l.trim})
		p.solid(bucketBody(), l.surface)
		p.solid(bucketRim(), surface{color: l.main.lighter(60)})
		p.flat(ellipse(0, -0.36, 0.56, 0.09), l.main.darker(150), 256)
		p.flat(join(disc(-0.58, -0.36, 0.06), disc(0.58, -0.36, 0.06)), l.trim.darker(40), 256)
	},
	parts: []part{{label: "bucket", name: "bucket"}},
}

func bucketBody() *path {
	return join(poly(-0.62, -0.36, 0.62, -0.36, 0.46, 0.84, -0.46, 0.84), ellipse(0, 0.84, 0.46, 0.08))
}
func bucketRim() *path  { return ellipse(0, -0.36, 0.66, 0.14) }
func bucketGrip() *path { return ring(0, -0.36, 0.62, 0.6, 0.075) }

var spade = figure{
	family: Family{Name: "beach", Together: true},
	width:  0.45, turn: 0.12, tex: []pattern{noPattern, speckle},
	body: func(*look) *path { return join(spadeBlade(), spadeShaft(), spadeGrip()) },
	paint: func(p *pen, l *look) {
		p.solid(spadeShaft(), surface{color: wood, pattern: grain, ink: wood.darker(120), weight: 120, period: 0.05})
		p.solid(spadeGrip(), surface{color: l.trim})
		p.solid(spadeBlade(), l.surface)
		p.flat(stroke(0.035, false, 0, 0.3, 0, 0.78), l.main.darker(110), 140)
	},
	parts: []part{{label: "spade", name: "spade"}},
}

func spadeBlade() *path {
	return blob(-0.3, 0.16, 0, 0.13, 0.3, 0.16, 0.33, 0.5, 0.22, 0.82, 0, 0.98, -0.22, 0.82, -0.33, 0.5)
}
func spadeShaft() *path { return box(-0.055, -0.8, 0.055, 0.3, 0.02) }
func spadeGrip() *path  { return ring(0, -0.8, 0.22, 0.17, 0.08) }
