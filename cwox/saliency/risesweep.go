package saliency

import (
	"context"
	"math"
	"slices"
)

// sweep is RISE with one mask law: the masks evaluated so far and what they say.
type sweep struct {
	RISEStage
	quality   Quality
	tolerance float64
	batch     int
	raw       bool
	threads   int
	law       *maskLaw
	probs     prober
	progress  func(masks int)
	partial   func() // shows the maps so far, where somebody looks; nil where nobody does
	shown     int    // the masks of those that were shown last

	classes []int
	index   map[int]int // class -> position in classes
	wanted  []wanted    // targets and contrasts of all requests
	first   []int       // per request: its first target in wanted
	reqs    []Request

	ids []maskID  // the masks evaluated
	p   []float64 // [masks][classes]

	fast  *fast     // chooses masks; nil where they are the plain law's
	last  *estimate // from all masks, made by run
	noise []Noise   // of wanted
}

// wanted is a map whose noise matters: a target's, or the difference of two targets'.
type wanted struct {
	fact, foil []int // positions in classes; foil is nil for a target
}

// estimate is what an estimator says of every class: a map, and per mask an influence a
// so that the map is, up to a constant, the mean over the masks of a (M - keep) / scale.
type estimate struct {
	maps      [][]float64 // [classes][H][W]
	influence []float64   // [masks][classes]
	scale     []float64   // [H][W]; nil means 1
}

func (s *sweep) addRequest(req Request) {
	s.reqs = append(s.reqs, req)
	s.first = append(s.first, len(s.wanted))
	for _, t := range req.Targets {
		s.wanted = append(s.wanted, wanted{fact: s.positions(t)})
	}
	for _, c := range req.Contrasts {
		s.wanted = append(s.wanted, wanted{s.positions(req.Targets[c.Fact]), s.positions(req.Targets[c.Foil])})
	}
}

func (s *sweep) positions(t Target) []int {
	out := make([]int, len(t.Classes))
	for i, c := range t.Classes {
		out[i] = s.index[c]
	}
	return out
}

// run evaluates masks until the budget is spent or the maps have settled.
func (s *sweep) run(ctx context.Context) error {
	first := s.Masks
	if s.tolerance > 0 {
		first = min(first, stopFrom)
	}
	for n := first; ; n = min(s.Masks, len(s.ids)+max(1, len(s.ids)*2/5)) {
		if err := s.extend(ctx, n); err != nil {
			return err
		}
		var err error
		if s.last, err = s.estimate(ctx); err != nil {
			return err
		}
		s.noise = s.measure(s.last)
		if len(s.ids) >= s.Masks || s.settled() {
			return nil
		}
	}
}

// stopFrom is the number of masks from which a sweep may stop early.
const stopFrom = 1000

// settled says whether every wanted map is resolved, or will not be within the budget.
func (s *sweep) settled() bool {
	for _, n := range s.noise {
		if hopeless := n.Tail <= 0.5 && n.needed(s.tolerance) > 2*float64(s.Masks); !n.Resolved && !hopeless {
			return false
		}
	}
	return true
}

// extend evaluates masks until there are n.
func (s *sweep) extend(ctx context.Context, n int) error {
	if s.fast != nil {
		return s.fast.extend(ctx, n)
	}
	var ids []maskID
	for i := len(s.ids); i < n; i++ {
		ids = append(ids, maskID{0, uint32(i)})
	}
	return s.evaluate(ctx, ids)
}

// evaluate runs the network on masks.
func (s *sweep) evaluate(ctx context.Context, ids []maskID) error {
	plane := s.law.height * s.law.width
	buf := make([]float32, min(s.batch, max(1, len(ids)))*plane)
	var m mask
	for at := 0; at < len(ids); at += s.batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		some := ids[at:min(at+s.batch, len(ids))]
		for i, id := range some {
			s.law.draw(id, &m)
			s.law.render(&m, buf[i*plane:][:plane])
		}
		from := len(s.p)
		s.p = append(s.p, make([]float64, len(some)*len(s.classes))...)
		s.probs(buf[:len(some)*plane], s.classes, s.p[from:])
		s.ids = append(s.ids, some...)
		s.progress(len(s.ids))
		if s.fast == nil {
			s.glance()
		}
	}
	return nil
}

// glanceFrom is the number of masks from which maps are shown before all are made.
const glanceFrom = 100

// glance shows the maps as far as they have come, whenever there are two fifths more masks: it
// costs a few of the passes through the masks that the last estimate takes. Fast is shown without
// its control variate.
func (s *sweep) glance() {
	n, k := len(s.ids), len(s.classes)
	if s.partial == nil || n < glanceFrom || n < s.shown*7/5 || n >= s.Masks {
		return
	}
	s.shown = n
	switch s.quality {
	case Debiased:
		s.last = s.debiased()
	case Fast:
		s.last = &estimate{influence: make([]float64, n*k)}
		for i, w := range s.fast.weights() {
			for c := range k {
				s.last.influence[i*k+c] = w * s.p[i*k+c] / s.Keep
			}
		}
		s.last.maps = s.weighted(s.last.influence)
	default:
		s.last = s.plain()
	}
	s.noise = s.measure(s.last)
	s.partial()
}

// result makes the maps of a request, and says how settled they are.
func (s *sweep) result(request int) Result {
	req := s.reqs[request]
	at := s.first[request]
	var out Result
	for i := range req.Targets {
		m := s.combine(s.last.maps, s.wanted[at+i].fact)
		if !s.raw {
			minMax(m)
		}
		out.Maps = append(out.Maps, Map{s.law.height, s.law.width, round(m)})
	}
	out.Noise = s.noise[at:][:len(req.Targets)]
	out.ContrastNoise = s.noise[at+len(req.Targets):][:len(req.Contrasts)]
	return out
}

func (s *sweep) estimate(ctx context.Context) (*estimate, error) {
	switch s.quality {
	case Fast:
		return s.fast.estimate(ctx)
	case Debiased:
		return s.debiased(), nil
	}
	return s.plain(), nil
}

// plain is S_c = mean over the masks of p_c M / keep.
func (s *sweep) plain() *estimate {
	e := &estimate{influence: make([]float64, len(s.p))}
	for i, p := range s.p {
		e.influence[i] = p / s.Keep
	}
	e.maps = s.weighted(e.influence)
	return e
}

// debiased is D_c = cov(p_c, M) / var(M), population moments; 0 where the variance is
// at most 1e-12.
func (s *sweep) debiased() *estimate {
	n, k := len(s.ids), len(s.classes)
	e := &estimate{influence: slices.Clone(s.p)}
	for c := range k {
		mean := 0.0
		for i := range n {
			mean += s.p[i*k+c]
		}
		mean /= float64(n)
		for i := range n {
			e.influence[i*k+c] -= mean
		}
	}
	e.maps = s.weighted(e.influence)
	squares := s.law.newSquareSum()
	sum := s.law.newSum(1)
	one := []float64{1}
	var m mask
	for _, id := range s.ids {
		s.law.draw(id, &m)
		squares.add(&m)
		sum.add(&m, one)
	}
	e.scale = squares.sum()
	for x, mean := range sum.column(0) {
		mean /= float64(n)
		e.scale[x] = e.scale[x]/float64(n) - float64(mean*mean)
	}
	for _, out := range e.maps {
		for x, v := range e.scale {
			if v > 1e-12 {
				out[x] /= v
			} else {
				out[x] = 0
			}
		}
	}
	return e
}

// weighted is the mean over the masks of a M for every class, a [masks][classes].
func (s *sweep) weighted(a []float64) [][]float64 {
	k := len(s.classes)
	maps := make([][]float64, 0, k)
	var m mask
	for from := 0; from < k; from += sumColumns {
		some := min(sumColumns, k-from)
		sum := s.law.newSum(some)
		for i, id := range s.ids {
			s.law.draw(id, &m)
			sum.add(&m, a[i*k+from:][:some])
		}
		for c := range some {
			out := sum.column(c)
			for x := range out {
				out[x] /= float64(len(s.ids))
			}
			maps = append(maps, out)
		}
	}
	return maps
}

// sumColumns is how many classes are summed in one pass over the masks: it bounds memory.
const sumColumns = 16

// combine is the sum of some classes' maps.
func (s *sweep) combine(maps [][]float64, classes []int) []float64 {
	out := make([]float64, s.law.height*s.law.width)
	for _, c := range classes {
		for x, v := range maps[c] {
			out[x] += v
		}
	}
	return out
}

// measure says how settled the wanted maps are. With the influence a_i of mask i, a map is
// the mean of a_i (M_i - keep), and its variance that of the terms over their number; the
// predicted fidelity is sqrt(1 - sum of variances / sum of squares of the centred map)
// over points of the map.
func (s *sweep) measure(e *estimate) []Noise {
	n, k := len(s.ids), len(s.classes)
	points := s.law.newSampler(noiseGrid)
	pixels := points.pixels()
	out := make([]Noise, len(s.wanted))
	value := make([]float64, points.points())
	scales := make([]float64, len(pixels))
	for i, x := range pixels {
		scales[i] = 1
		if e.scale != nil {
			scales[i] = 0
			if e.scale[x] > 1e-12 {
				scales[i] = 1 / e.scale[x]
			}
		}
	}
	type moments struct {
		fact, foil  float64   // factors of the two maps
		signal      float64   // sum of squares of the centred map
		sum, square []float64 // of the terms, at the points
		all, most   float64   // sum and maximum of the squared influences
	}
	maps := make([]moments, len(s.wanted))
	for w, want := range s.wanted {
		m := s.combine(e.maps, want.fact)
		maps[w] = moments{fact: s.factor(m), sum: make([]float64, len(pixels)), square: make([]float64, len(pixels))}
		for x := range m {
			m[x] *= maps[w].fact
		}
		if want.foil != nil {
			foil := s.combine(e.maps, want.foil)
			maps[w].foil = s.factor(foil)
			for x := range m {
				m[x] -= float64(maps[w].foil * foil[x])
			}
		}
		maps[w].signal = spread(m, pixels)
	}
	var m mask
	for i, id := range s.ids {
		s.law.draw(id, &m)
		points.sample(&m, value)
		influence := e.influence[i*k:][:k]
		for w, want := range s.wanted {
			t := &maps[w]
			a := 0.0
			for _, c := range want.fact {
				a += float64(t.fact * influence[c])
			}
			for _, c := range want.foil {
				a -= float64(t.foil * influence[c])
			}
			t.all += float64(a * a)
			t.most = max(t.most, a*a)
			for x, v := range value {
				d := float64(a * (v - s.Keep))
				t.sum[x] += d
				t.square[x] += float64(d * d)
			}
		}
	}
	for w := range s.wanted {
		t := &maps[w]
		variance := 0.0
		for x, sc := range scales {
			mean := t.sum[x] / float64(n)
			variance += float64(max(0, t.square[x]/float64(n)-float64(mean*mean)) / float64(n) * sc * sc)
		}
		out[w] = newNoise(n, variance, t.signal, len(pixels), t.most, t.all, s.tolerance)
	}
	return out
}

// noiseGrid is the side of the lattice of points at which noise is measured.
const noiseGrid = 28

// newNoise says how settled a map is from the sums over the points of its variance and of
// the squares of its centred values.
func newNoise(masks int, variance, signal float64, points int, most, all, tolerance float64) Noise {
	if tolerance == 0 {
		tolerance = defaultTolerance
	}
	out := Noise{Masks: masks, StdErr: math.Sqrt(variance / float64(points))}
	if all > 0 {
		out.Tail = most / all
	}
	if signal > variance {
		rho2 := 1 - variance/signal
		nu := caution * (1 - rho2) / rho2
		out.Fidelity, out.FidelityLow = math.Sqrt(rho2), 1/math.Sqrt(1+nu)
	}
	out.Resolved = out.FidelityLow >= 1-tolerance && out.Tail <= 0.5
	return out
}

// needed is the number of masks that would reach a tolerance, as far as can be told.
func (n Noise) needed(tolerance float64) float64 {
	nu := 1/(n.FidelityLow*n.FidelityLow) - 1
	return float64(n.Masks) * nu / (1/((1-tolerance)*(1-tolerance)) - 1)
}

// caution multiplies the variance in cautious figures: measured noise was up to 1.77 times
// the predicted one in nine of ten maps.
const caution = 1.8

// factor is what a map is multiplied with when it is scaled to [0, 1].
func (s *sweep) factor(m []float64) float64 {
	if s.raw {
		return 1
	}
	lo, hi := slices.Min(m), slices.Max(m)
	if !(hi > lo) {
		return 0
	}
	return 1 / (hi - lo)
}

// minMax scales a map to [0, 1]; a constant map becomes 0. A NaN stays.
func minMax(m []float64) {
	lo, hi := slices.Min(m), slices.Max(m)
	for x := range m {
		if hi == lo {
			m[x] = 0
		} else {
			m[x] = (m[x] - lo) / (hi - lo)
		}
	}
}

// spread is the sum over points of the squares of a map's centred values.
func spread(m []float64, pixels []int) float64 {
	mean := 0.0
	for _, x := range pixels {
		mean += m[x]
	}
	mean /= float64(len(pixels))
	sum := 0.0
	for _, x := range pixels {
		sum += float64((m[x] - mean) * (m[x] - mean))
	}
	return sum
}
