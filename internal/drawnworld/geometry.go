package drawnworld

import (
	"math"

	"cwox/internal/elementary"
)

// All geometry is float64 and written so that no multiply-add can be fused (an explicit
// conversion forbids it), and coordinates are rounded to 1/512 pixel before they are
// rasterised: the same seed gives the same bytes on every machine.

type pt struct{ x, y float64 }

// mad is a*b + c with both roundings.
func mad(a, b, c float64) float64 { return float64(a*b) + float64(c) }

// affine maps (u, v) to (a*u + b*v + c, d*u + e*v + f).
type affine struct{ a, b, c, d, e, f float64 }

func (m affine) apply(p pt) pt {
	return pt{
		float64(m.a*p.x) + float64(m.b*p.y) + m.c,
		float64(m.d*p.x) + float64(m.e*p.y) + m.f,
	}
}

// then returns the map that applies m first, n second.
func (m affine) then(n affine) affine {
	o := n.apply(pt{m.c, m.f})
	return affine{
		float64(n.a*m.a) + float64(n.b*m.d), float64(n.a*m.b) + float64(n.b*m.e), o.x,
		float64(n.d*m.a) + float64(n.e*m.d), float64(n.d*m.b) + float64(n.e*m.e), o.y,
	}
}

func (m affine) inverse() affine {
	det := float64(m.a*m.e) - float64(m.b*m.d)
	i := affine{a: m.e / det, b: -m.b / det, d: -m.d / det, e: m.a / det}
	i.c = -float64(i.a*m.c) - float64(i.b*m.f)
	i.f = -float64(i.d*m.c) - float64(i.e*m.f)
	return i
}

// scale is the square root of the determinant: pixels per unit.
func (m affine) scale() float64 {
	return math.Sqrt(math.Abs(float64(m.a*m.e) - float64(m.b*m.d)))
}

// placed puts the unit square [-1,1]^2 at (x, y), with half its side r wide, turned
// clockwise by a share of a full turn, and stretched sideways.
func placed(x, y, r, turn, stretch float64, mirror bool) affine {
	sin, cos := sincos(turn)
	w := float64(r * stretch)
	if mirror {
		w = -w
	}
	return affine{float64(cos * w), float64(-sin * r), x, float64(sin * w), float64(cos * r), y}
}

// sincos of a share of a full turn, from a table of 4096 steps rounded to 2^-30.
func sincos(turn float64) (sin, cos float64) {
	i := int(math.Floor(mad(turn, sinSteps, 0.5)))
	return sinTable[i&(sinSteps-1)], sinTable[(i+sinSteps/4)&(sinSteps-1)]
}

const sinSteps = 4096

var sinTable = func() (t [sinSteps]float64) {
	for i := range t {
		sin, _ := elementary.SinCosTurn(float64(i) / sinSteps)
		t[i] = math.Round(sin*(1<<30)) / (1 << 30)
	}
	return t
}()

// path is a set of closed contours. All solid contours turn the same way and holes the
// other way, so that overlapping ones unite.
type path struct {
	pts  []pt
	ends []int // end of each contour in pts
}

// join returns the union of paths.
func join(ps ...*path) *path {
	out := &path{}
	for _, p := range ps {
		if p == nil {
			continue
		}
		for _, e := range p.ends {
			out.ends = append(out.ends, len(out.pts)+e)
		}
		out.pts = append(out.pts, p.pts...)
	}
	return out
}

// mapped returns p moved by m.
func (p *path) mapped(m affine) *path {
	out := &path{pts: make([]pt, len(p.pts)), ends: p.ends}
	for i, q := range p.pts {
		out.pts[i] = m.apply(q)
	}
	if m.a*m.e < m.b*m.d {
		out.reverse()
	}
	return out
}

// mirrored returns p together with its mirror image about the vertical axis.
func (p *path) mirrored() *path {
	return join(p, p.mapped(affine{a: -1, e: 1}))
}

func (p *path) reverse() {
	start := 0
	for _, e := range p.ends {
		for i, j := start, e-1; i < j; i, j = i+1, j-1 {
			p.pts[i], p.pts[j] = p.pts[j], p.pts[i]
		}
		start = e
	}
}

// closed makes a contour of points, turned clockwise on the screen.
func closed(pts []pt) *path {
	area := 0.0
	for i, a := range pts {
		b := pts[(i+1)%len(pts)]
		area += float64(a.x*b.y) - float64(b.x*a.y)
	}
	p := &path{pts: pts, ends: []int{len(pts)}}
	if area < 0 {
		p.reverse()
	}
	return p
}

// hole turns p the other way.
func hole(p *path) *path {
	q := &path{pts: append([]pt(nil), p.pts...), ends: p.ends}
	q.reverse()
	return q
}

// poly is a polygon of x, y pairs.
func poly(xy ...float64) *path { return closed(points(xy)) }

// blob is a smooth closed curve through x, y pairs (Catmull-Rom).
func blob(xy ...float64) *path {
	ps := points(xy)
	n := len(ps)
	out := make([]pt, 0, n*curveSteps)
	for i := range ps {
		out = appendCurve(out, ps[(i+n-1)%n], ps[i], ps[(i+1)%n], ps[(i+2)%n])
	}
	return closed(out)
}

// stroke is a line of width w with round ends along a polyline of x, y pairs; smooth
// bends it through them.
func stroke(w float64, smooth bool, xy ...float64) *path {
	ps := points(xy)
	if smooth && len(ps) > 2 {
		out := make([]pt, 0, len(ps)*curveSteps)
		for i := 0; i+1 < len(ps); i++ {
			out = appendCurve(out, ps[max(i-1, 0)], ps[i], ps[i+1], ps[min(i+2, len(ps)-1)])
		}
		ps = append(out, ps[len(ps)-1])
	}
	if len(ps) == 1 {
		return ellipse(ps[0].x, ps[0].y, w/2, w/2)
	}
	// The outline of the whole line: left side, round end, right side, round end.
	var left, right []pt
	for i := range ps {
		a, b := ps[max(i-1, 0)], ps[min(i+1, len(ps)-1)]
		dx, dy := b.x-a.x, b.y-a.y
		l := math.Sqrt(float64(dx*dx) + float64(dy*dy))
		if l == 0 {
			continue
		}
		nx, ny := float64(-dy/l*w/2), float64(dx/l*w/2)
		left = append(left, pt{ps[i].x + nx, ps[i].y + ny})
		right = append(right, pt{ps[i].x - nx, ps[i].y - ny})
	}
	var out []pt
	out = append(out, left...)
	out = appendCap(out, left[len(left)-1], right[len(right)-1])
	for i := len(right) - 1; i >= 0; i-- {
		out = append(out, right[i])
	}
	out = appendCap(out, right[0], left[0])
	return closed(out)
}

func appendCap(out []pt, from, to pt) []pt {
	c := pt{float64((from.x + to.x) / 2), float64((from.y + to.y) / 2)}
	dx, dy := from.x-c.x, from.y-c.y
	const n = 8
	for i := 1; i < n; i++ {
		sin, cos := sincos(-0.5 * float64(i) / n)
		out = append(out, pt{
			c.x + (float64(dx*cos) - float64(dy*sin)),
			c.y + (float64(dx*sin) + float64(dy*cos)),
		})
	}
	return out
}

func ellipse(x, y, rx, ry float64) *path {
	n := 16
	if r := max(rx, ry); r > 0.3 {
		n = 64
	} else if r > 0.08 {
		n = 32
	}
	pts := make([]pt, n)
	for i := range pts {
		sin, cos := sincos(float64(i) / float64(n))
		pts[i] = pt{mad(rx, cos, x), mad(ry, sin, y)}
	}
	return closed(pts)
}

func disc(x, y, r float64) *path { return ellipse(x, y, r, r) }

// ring is an elliptic ring with outer radii rx, ry and the given thickness.
func ring(x, y, rx, ry, thick float64) *path {
	return join(ellipse(x, y, rx, ry), hole(ellipse(x, y, rx-thick, ry-thick)))
}

// box is a rectangle from (x0, y0) to (x1, y1) with corners rounded by r.
func box(x0, y0, x1, y1, r float64) *path {
	if r <= 0 {
		return poly(x0, y0, x1, y0, x1, y1, x0, y1)
	}
	const n = 6
	pts := make([]pt, 0, 4*(n+1))
	for c, k := range []pt{{x1 - r, y1 - r}, {x0 + r, y1 - r}, {x0 + r, y0 + r}, {x1 - r, y0 + r}} {
		for i := 0; i <= n; i++ {
			sin, cos := sincos(0.25 * (float64(c) + float64(i)/n))
			pts = append(pts, pt{mad(r, cos, k.x), mad(r, sin, k.y)})
		}
	}
	return closed(pts)
}

func points(xy []float64) []pt {
	ps := make([]pt, len(xy)/2)
	for i := range ps {
		ps[i] = pt{xy[2*i], xy[2*i+1]}
	}
	return ps
}

const curveSteps = 8

// appendCurve appends the Catmull-Rom arc from b (included) to c (excluded).
func appendCurve(out []pt, a, b, c, d pt) []pt {
	for i := range curveSteps {
		w := &curveWeights[i]
		out = append(out, pt{
			float64(w[0]*a.x) + float64(w[1]*b.x) + float64(w[2]*c.x) + float64(w[3]*d.x),
			float64(w[0]*a.y) + float64(w[1]*b.y) + float64(w[2]*c.y) + float64(w[3]*d.y),
		})
	}
	return out
}

// curveWeights are exact: multiples of 2^-10.
var curveWeights = func() (w [curveSteps][4]float64) {
	for i := range w {
		t := float64(float64(i) / curveSteps)
		w[i] = [4]float64{
			(-t + float64(2*t*t) - float64(t*t*t)) / 2,
			(2 - float64(5*t*t) + float64(3*t*t*t)) / 2,
			(t + float64(4*t*t) - float64(3*t*t*t)) / 2,
			(float64(-t*t) + float64(t*t*t)) / 2,
		}
	}
	return w
}()
