package hlta

import "cwox/internal/elementary"

// submodel is a latent tree model with three or four words, and what EM needs to
// know of the documents: how many show each pattern of these words. It never
// allocates, and nothing in it grows with the number of documents.
//
// The parameters of its three forms, each a probability of state 1:
//
//	latentClass  Y -> a, b, c            P(Y); P(a|Y=0), P(a|Y=1); b; c
//	attached     Y -> a, b fixed; Y -> x     P(x|Y=0), P(x|Y=1)
//	split        Y -> a, b fixed; Y -> Z -> w, x  P(Z|Y=0), P(Z|Y=1); P(w|Z=..); P(x|Z=..)
type submodel struct {
	form  form
	count [16]float64   // by pattern: bit i is word i in the order a, b, c or a, b, x or a, b, w, x
	base  [2][4]float64 // attached, split: P(Y=y) P(a|y) P(b|y) by pattern of a, b
	start params        // values of the fixed parameters
	fixed [4]bool       // by group of parameters, in the order above (P(Y) alone, then pairs)
}

type form uint8

const (
	latentClass form = iota
	attached
	split
)

type params [7]float64

// groups are the parameters that form a table: [first, end).
func (f form) groups() [][2]int {
	switch f {
	case latentClass:
		return latentClassGroups[:]
	case attached:
		return pairGroups[:1]
	default:
		return pairGroups[:]
	}
}

var (
	latentClassGroups = [...][2]int{{0, 1}, {1, 3}, {3, 5}, {5, 7}}
	pairGroups        = [...][2]int{{0, 2}, {2, 4}, {4, 6}}
)

// setBase fixes Y and its children a and b.
func (m *submodel) setBase(prior float64, a, b [2]float64) {
	for y, py := range [2]float64{1 - prior, prior} {
		m.base[y] = [4]float64{
			py * (1 - a[y]) * (1 - b[y]), py * a[y] * (1 - b[y]),
			py * (1 - a[y]) * b[y], py * a[y] * b[y],
		}
	}
}

// fit estimates the parameters that are not fixed: EM from o.EMRestarts random
// starts, of which a tournament leaves one (Chickering and Heckerman 1997):
// after 1, 2, 4 ... rounds the worse half goes. starts is scratch for as many.
func (m *submodel) fit(o *Options, starts []start, random stream) params {
	for i := range starts {
		starts[i] = start{p: m.random(random.uint64())}
	}

	rounds := 1
	for i := range starts {
		starts[i].ll = m.step(&starts[i].p)
	}
	for alive, q := len(starts), 1; alive > 1 && rounds < o.EMSteps; {
		for range q {
			improved := false
			for i := range starts[:alive] {
				c := &starts[i]
				ll := m.step(&c.p)
				improved = improved || ll-c.ll > o.EMTolerance
				c.ll = ll
			}
			rounds++
			if !improved {
				return starts[0].p
			}
		}
		rank(starts[:alive])
		alive /= 2
		q = min(2*q, o.EMSteps-rounds)
	}

	winner := starts[0].p
	before := m.step(&winner)
	for rounds++; rounds < o.EMSteps; rounds++ {
		ll := m.step(&winner)
		if ll-before <= o.EMTolerance {
			break
		}
		before = ll
	}
	return winner
}

// start is a candidate of the tournament: its parameters, and the log-likelihood of
// those before its last step.
type start struct {
	p  params
	ll float64
}

// rank sorts by falling log-likelihood, equal ones by where they were.
func rank(starts []start) {
	for i := 1; i < len(starts); i++ {
		c := starts[i]
		j := i
		for ; j > 0 && starts[j-1].ll < c.ll; j-- {
			starts[j] = starts[j-1]
		}
		starts[j] = c
	}
}

// random draws a start: every column of every free table is two uniform numbers,
// normalised.
func (m *submodel) random(seed uint64) params {
	s := stream(seed)
	p := m.start
	for g, group := range m.form.groups() {
		if m.fixed[g] {
			continue
		}
		for i := group[0]; i < group[1]; i++ {
			u, v := s.float64(), s.float64()
			p[i] = u / (u + v)
		}
	}
	return p
}

// step does one E and one M step in place and returns the log-likelihood of the
// parameters before it. The M step adds one to every expected count: the MAP
// estimate under a Dirichlet(2,2) prior.
func (m *submodel) step(p *params) float64 {
	switch m.form {
	case latentClass:
		return m.stepLatentClass(p)
	case attached:
		return m.stepAttached(p)
	default:
		return m.stepSplit(p)
	}
}

func (m *submodel) stepLatentClass(p *params) (ll float64) {
	var joint [2][8]float64 // P(Y=y, pattern)
	for y, py := range [2]float64{1 - p[0], p[0]} {
		a, b, c := p[1+y], p[3+y], p[5+y]
		ab := [4]float64{py * (1 - a) * (1 - b), py * a * (1 - b), py * (1 - a) * b, py * a * b}
		for t, v := range ab {
			joint[y][t] = v * (1 - c)
			joint[y][t+4] = v * c
		}
	}
	var n [2]float64    // expected documents with Y=y
	var e [3][2]float64 // and with word i
	for t, count := range m.count[:8] {
		if count == 0 {
			continue
		}
		j0, j1 := joint[0][t], joint[1][t]
		sum := j0 + j1
		ll += float64(count * elementary.Log(sum))
		r := [2]float64{count * (j0 / sum), count * (j1 / sum)}
		for y := range r {
			n[y] += r[y]
			if t&1 != 0 {
				e[0][y] += r[y]
			}
			if t&2 != 0 {
				e[1][y] += r[y]
			}
			if t&4 != 0 {
				e[2][y] += r[y]
			}
		}
	}
	if !m.fixed[0] {
		p[0] = (n[1] + 1) / (n[0] + n[1] + 2)
	}
	for i := range e {
		if m.fixed[1+i] {
			continue
		}
		for y := range n {
			p[1+2*i+y] = (e[i][y] + 1) / (n[y] + 2)
		}
	}
	return ll
}

func (m *submodel) stepAttached(p *params) (ll float64) {
	var n [2][2]float64 // expected documents: [y][x]
	for x, q := range [2][2]float64{{1 - p[0], 1 - p[1]}, {p[0], p[1]}} {
		ll += m.given(q, 4*x, &n[0][x], &n[1][x])
	}
	for y := range n {
		p[y] = (n[y][1] + 1) / (n[y][0] + n[y][1] + 2)
	}
	return ll
}

func (m *submodel) stepSplit(p *params) (ll float64) {
	qz := [2][2]float64{{1 - p[0], p[0]}, {1 - p[1], p[1]}} // P(Z=z | Y=y) at [y][z]
	var nz [2][2]float64                                    // expected documents: [y][z]
	var nw, nx [2]float64                                   // and with w, with x: [z]
	for wx := range 4 {
		var g, e [2]float64 // P(pattern of w, x | Z=z); expected documents with z and it
		for z := range g {
			w, x := p[2+z], p[4+z]
			if wx&1 == 0 {
				w = 1 - w
			}
			if wx&2 == 0 {
				x = 1 - x
			}
			g[z] = w * x
		}
		h := [2]float64{float64(qz[0][0]*g[0]) + float64(qz[0][1]*g[1]), float64(qz[1][0]*g[0]) + float64(qz[1][1]*g[1])}
		var n [2]float64
		ll += m.given(h, 4*wx, &n[0], &n[1])
		for y := range n {
			n[y] /= h[y]
			for z := range g {
				r := float64(n[y] * (qz[y][z] * g[z]))
				nz[y][z] += r
				e[z] += r
			}
		}
		for z := range e {
			if wx&1 != 0 {
				nw[z] += e[z]
			}
			if wx&2 != 0 {
				nx[z] += e[z]
			}
		}
	}
	if !m.fixed[0] {
		for y := range nz {
			p[y] = (nz[y][1] + 1) / (nz[y][0] + nz[y][1] + 2)
		}
	}
	for z := range nw {
		n := nz[0][z] + nz[1][z] + 2
		if !m.fixed[1] {
			p[2+z] = (nw[z] + 1) / n
		}
		if !m.fixed[2] {
			p[4+z] = (nx[z] + 1) / n
		}
	}
	return ll
}

// given goes through the four patterns of a and b at m.count[at:] for one pattern of
// the other words, whose probability given Y=y is q[y]. It returns their
// log-likelihood and sets n0, n1 to the expected documents among them with Y=0, 1.
func (m *submodel) given(q [2]float64, at int, n0, n1 *float64) (ll float64) {
	var s0, s1 float64
	for ab, count := range m.count[at : at+4] {
		if count == 0 {
			continue
		}
		j0, j1 := float64(m.base[0][ab]*q[0]), float64(m.base[1][ab]*q[1])
		sum := j0 + j1
		ll += float64(count * elementary.Log(sum))
		s0 += float64(count * (j0 / sum))
		s1 += float64(count * (j1 / sum))
	}
	*n0, *n1 = s0, s1
	return ll
}
