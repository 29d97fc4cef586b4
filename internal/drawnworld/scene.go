package drawnworld

import "math"

// Class is one label of the world.
type Class struct {
	Name   string // "cross van"
	Family int    // index into Families
	Part   string // what tells it from its siblings: "cross"; "nothing" for a plain member
}

// Family is a group of classes that a classifier confuses.
type Family struct {
	Name string
	// Together is true where the members do not look alike but are drawn together
	// (keyboard and mouse): a co-occurrence cluster. Otherwise the members share
	// their body and differ in exactly one part.
	Together bool
	Classes  []int
}

// Classes lists the classes; a class is known by its index here.
func Classes() []Class { return append([]Class(nil), classes...) }

// Families lists the families in class order.
func Families() []Family {
	out := append([]Family(nil), families...)
	for i := range out {
		out[i].Classes = append([]int(nil), out[i].Classes...)
	}
	return out
}

// Options steer what is drawn. The zero value is the world as the network sees it.
type Options struct {
	// Classes of the objects, back to front, at most MaxObjects; nil lets the seed
	// choose one to three.
	Classes []int
	// Clean leaves out what makes a scene hard: veils over parts, second parts,
	// clutter, blur and noise.
	Clean bool
}

// MaxObjects bounds the objects of a scene.
const MaxObjects = 4

// Object is a thing that has a class.
type Object struct {
	Class int
	// Rival is a sibling whose part is drawn on the same body as well, or -1: such
	// an object has evidence for two classes, each in a place of its own.
	Rival int
	// Box is x0, y0, x1, y1 of what can be seen, in shares of the picture; all zero
	// if nothing can.
	Box [4]float64
	// Weight is the object's share of the label: in proportion to the square root
	// of its visible area, that is to its size as a length.
	Weight float64
	// Hidden is the share of the telling part's area (of a plain member: of the
	// places where its siblings have theirs) that something covers.
	Hidden float64

	fig   *figure
	look  look
	m     affine // figure to scene, which is the unit square
	parts []int  // indices of the parts drawn
}

// Scene is a picture before it is drawn: shapes in the unit square and the truth about
// them. It is immutable and safe for concurrent use.
type Scene struct {
	Seed    uint64
	Objects []Object

	back    backdrop
	clutter []sprite
	veils   []sprite

	blur  int // box radius in pixels of a picture of NetworkSize
	noise int32
	tone  [256]uint8
}

// NetworkSize is the side of the picture that the embedded network sees, and of the
// grid on which noise is drawn.
const NetworkSize = 224

// New draws up the scene of a seed. It panics if o.Classes names an unknown class or
// more than MaxObjects.
func New(seed uint64, o Options) *Scene {
	s := &Scene{Seed: seed}
	r := newRNG(seed, 1)
	s.backdrop(r)
	s.choose(newRNG(seed, 2), o)
	s.arrange(newRNG(seed, 3))
	for i := range s.Objects {
		s.Objects[i].dress(newRNG(seed, 16+uint64(i)), s, o.Clean)
	}
	if !o.Clean {
		s.scatter(newRNG(seed, 4))
		s.hide(newRNG(seed, 5))
	}
	s.develop(newRNG(seed, 6), o.Clean)
	s.measure()
	return s
}

// WithClass is the same scene with an object turned into a sibling (its Rival is
// dropped): everything but the telling parts stays where and what it was. It panics if
// class is not of the object's family or the family is drawn together.
func (s *Scene) WithClass(object, class int) *Scene {
	old := &s.Objects[object]
	if class < 0 || class >= len(classes) || figureOf[class] != old.fig {
		panic("drawnworld: not a sibling")
	}
	out := *s
	out.Objects = append([]Object(nil), s.Objects...)
	n := &out.Objects[object]
	n.Class, n.Rival, n.parts = class, -1, []int{partOf[class]}
	out.measure()
	return &out
}

// Target is the label of the scene as a distribution over the classes: every object's
// Weight, halved between its Class and its Rival if it has one. A network trained on it
// gives every object its share of the probability, as networks trained on photographs
// with one label each learn to.
func (s *Scene) Target() []float32 {
	t := make([]float32, len(classes))
	for i := range s.Objects {
		o := &s.Objects[i]
		w := float32(o.Weight)
		if o.Rival >= 0 {
			w = float32(w / 2)
			t[o.Rival] += w
		}
		t[o.Class] += w
	}
	return t
}

func (s *Scene) backdrop(r *rng) {
	g := grounds[r.intn(len(grounds))]
	s.back = backdrop{kind: r.intn(backdrops), top: g[0], low: g[1], seed: r.next()}
	s.back.tint = g[1].mix(bodies[r.intn(len(bodies))], int32(r.between(60, 150)))
	if s.back.kind == 1 {
		s.back.tint = wood.mix(bodies[r.intn(len(bodies))], int32(r.between(0, 150)))
	}
}

// choose decides how many objects there are and their classes.
func (s *Scene) choose(r *rng, o Options) {
	var list []int
	switch {
	case len(o.Classes) > MaxObjects:
		panic("drawnworld: too many objects")
	case o.Classes != nil:
		list = o.Classes
	default:
		n := 1
		if u := r.unit(); u < 0.18 {
			n = 3
		} else if u < 0.55 {
			n = 2
		}
		used := make([]bool, len(families))
		for len(list) < n {
			f := r.intn(len(families))
			if used[f] {
				continue
			}
			used[f] = true
			fam := &families[f]
			if first := r.intn(len(fam.Classes)); fam.Together && r.chance(0.8) {
				list = append(list, fam.Classes...)
			} else {
				list = append(list, fam.Classes[first])
			}
		}
	}
	for _, c := range list {
		if c < 0 || c >= len(classes) {
			panic("drawnworld: unknown class")
		}
		ob := Object{Class: c, Rival: -1, fig: figureOf[c], parts: []int{partOf[c]}}
		rival := r.intn(len(ob.fig.parts))
		if second := r.chance(0.2); second && !o.Clean && !ob.fig.swap && rival != partOf[c] &&
			!ob.fig.parts[rival].plain && !ob.fig.parts[partOf[c]].plain {
			ob.Rival = c - partOf[c] + rival
			ob.parts = append(ob.parts, rival)
		}
		s.Objects = append(s.Objects, ob)
	}
}

// arrange places the objects: near each other but mostly apart, members of a pair side
// by side.
func (s *Scene) arrange(r *rng) {
	type spot struct{ x, y, w, h float64 }
	n := len(s.Objects)
	lo, hi := 0.27, 0.42
	switch n {
	case 2:
		lo, hi = 0.2, 0.28
	case 3, 4:
		lo, hi = 0.15, 0.205
	}
	var spots []spot
	for i := range s.Objects {
		o := &s.Objects[i]
		size := r.between(lo, hi)
		if o.fig == &mouse && n > 1 {
			size = float64(size * 0.62)
		}
		if o.fig.width < 0.8 {
			size = float64(size * 1.1)
		}
		stretch := r.between(0.9, 1.1)
		w, h := float64(size*stretch*o.fig.width), size
		var best spot
		bestGap := math.Inf(-1)
		for try := range 24 {
			x, y := r.between(w*0.9, 1-float64(w*0.9)), r.between(h*0.9, 1-float64(h*0.9))
			if n == 1 {
				x, y = mad(0.7, x-0.5, 0.5), mad(0.7, y-0.5, 0.5)
			}
			gap := 1.0
			for k, q := range spots {
				g := max(math.Abs(x-q.x)-(w+q.w), math.Abs(y-q.y)-(h+q.h))
				if f := s.Objects[k].fig; f != o.fig && f.family.Together && f.family.Name == o.fig.family.Name {
					g = min(g, 0.06-math.Abs(g)) // beside its companion
				}
				gap = min(gap, g)
			}
			if gap > bestGap {
				bestGap, best = gap, spot{x, y, w, h}
			}
			if gap > 0.01 && try > 8 {
				break
			}
		}
		spots = append(spots, best)
		turn := mad(o.fig.turn, r.between(-1, 1), 0)
		o.m = placed(best.x, best.y, size, turn, stretch, o.fig.mirror && r.chance(0.5))
	}
}

// dress chooses an object's look without regard to its class.
func (o *Object) dress(r *rng, s *Scene, clean bool) {
	l := &o.look
	mean := s.back.top.mix(s.back.low, 128)
	pick := func(from rgb, least int32) rgb {
		best, bestFar := rgb{}, int32(-1)
		for range 12 {
			c := bodies[r.intn(len(bodies))]
			c = c.mix(bodies[r.intn(len(bodies))], int32(r.between(0, 70)))
			f := min(c.far(from), 2*c.far(mean))
			if f > bestFar {
				best, bestFar = c, f
			}
			if f > least {
				break
			}
		}
		return best
	}
	l.main = pick(mean, 40000)
	l.accent = pick(l.main, 70000)
	l.trim = pick(l.main, 30000)
	if r.chance(0.4) {
		l.trim = l.main.mix(l.trim, 90).darker(40)
	}
	if faint := r.unit(); !clean && faint < 0.2 {
		l.accent = l.accent.mix(l.main, int32(r.between(100, 215)))
	}
	for i := range l.vary {
		l.vary[i] = r.between(-1, 1)
	}
	l.phase = r.unit()
	l.surface = surface{color: l.main, pattern: o.fig.tex[r.intn(len(o.fig.tex))], weight: int32(r.between(50, 130)),
		period: r.between(0.16, 0.34), turn: r.between(-0.03, 0.03)}
	l.surface.ink = l.main.mix(l.trim, 150)
	switch {
	case l.surface.pattern == grain:
		l.surface.ink, l.surface.period = l.main.darker(110), float64(l.surface.period*0.7)
	case l.surface.pattern == speckle:
		l.surface.ink, l.surface.period = l.main.darker(120), float64(l.surface.period*0.25)
		l.surface.weight /= 2
	case r.chance(0.3):
		l.surface.turn = l.surface.turn + 0.25
	}
}

// scatter strews clutter behind the objects.
func (s *Scene) scatter(r *rng) {
	n := r.intn(10)
	for range n {
		c := s.back.tint.mix(bodies[r.intn(len(bodies))], int32(r.between(60, 200)))
		s.clutter = append(s.clutter, sprite{kind: r.intn(clutterKinds), color: c, ink: c.darker(120), alpha: 256,
			m: placed(r.unit(), r.unit(), r.between(0.02, 0.07), r.unit(), r.between(0.8, 1.2), r.chance(0.5))})
	}
}

// hide puts a veil over the telling part of some objects, or over the place where a
// sibling has its own.
func (s *Scene) hide(r *rng) {
	for i := range s.Objects {
		o := &s.Objects[i]
		veiled, which := r.chance(0.36), o.parts[0]
		if other := r.intn(len(o.fig.parts)); o.fig.parts[which].plain || r.chance(0.25) {
			which = other
		}
		if !veiled || o.fig.parts[which].shape == nil {
			continue
		}
		x0, y0, x1, y1 := bounds(o.fig.parts[which].shape(&o.look).mapped(o.m))
		size := float64(max(x1-x0, y1-y0) / 2 * r.between(0.85, 1.4))
		size = max(size, 0.03)
		x, y := mad(x1-x0, r.between(0.4, 0.6), x0), mad(y1-y0, r.between(0.4, 0.6), y0)
		v := sprite{kind: veils[r.intn(len(veils))], alpha: 256, ink: hex(0x3a3f4e)}
		v.color = s.back.tint.mix(bodies[r.intn(len(bodies))], int32(r.between(120, 256)))
		turn, stretch := r.between(-0.08, 0.08), r.between(0.9, 1.15)
		switch v.kind {
		case leaf:
			turn, stretch, size = r.unit(), 1.5, float64(size*1.25)
			v.color = []rgb{hex(0x5c9a4c), hex(0x87ab3f), hex(0xd98a3d), hex(0xc9563c), hex(0x3f7f63)}[r.intn(5)]
		case note:
			v.color = []rgb{hex(0xfbe27a), hex(0xf7b5c5), hex(0xa8dcef), hex(0xcdeaa5), cream}[r.intn(5)]
		case cloud:
			v.soft, v.alpha, v.color = true, int32(r.between(150, 256)), s.back.top.mix(white, 140)
			size = float64(size * 1.2)
		}
		v.m = placed(x, y, size, turn, stretch, false)
		s.veils = append(s.veils, v)
	}
}

// develop chooses blur, noise and tone.
func (s *Scene) develop(r *rng, clean bool) {
	blurred, strength := r.chance(0.35), 1+min(r.intn(5)/2, r.intn(3))
	noisy, level := r.chance(0.7), int32(r.between(2, 17))
	bright, contrast := r.between(-22, 22), r.between(0.8, 1.15)
	if clean {
		blurred, noisy, bright, contrast = false, false, 0, 1
	}
	if blurred {
		s.blur = strength
	}
	if noisy {
		s.noise = level
	}
	for i := range s.tone {
		v := math.Floor(mad(contrast, float64(i)-128, 128.5) + bright)
		s.tone[i] = uint8(min(max(v, 0), 255))
	}
}

func bounds(p *path) (x0, y0, x1, y1 float64) {
	x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, q := range p.pts {
		x0, x1 = min(x0, q.x), max(x1, q.x)
		y0, y1 = min(y0, q.y), max(y1, q.y)
	}
	return
}

var (
	classes  []Class
	families []Family
	figureOf []*figure // by class
	partOf   []int     // by class: index into the figure's parts
)

func init() {
	for _, f := range figures {
		i := len(families) - 1
		if i < 0 || families[i].Name != f.family.Name {
			families = append(families, f.family)
			i++
		}
		for k, p := range f.parts {
			families[i].Classes = append(families[i].Classes, len(classes))
			classes = append(classes, Class{Name: p.label, Family: i, Part: p.name})
			figureOf = append(figureOf, f)
			partOf = append(partOf, k)
		}
	}
}
