package hlta

import (
	"container/heap"
	"context"
	"math"
	"slices"

	"cwox/internal/elementary"
)

// island is a group of variables under one latent variable Y.
type island struct {
	vars  []int32      // the seeds first
	prior float64      // P(Y=1)
	p     [][2]float64 // P(var=1 | Y=0), P(var=1 | Y=1)
}

// posterior returns P(Y=1 | pattern of the variables).
func (s *island) posterior(pattern uint32) float64 {
	p0, p1 := 1-s.prior, s.prior
	for i, p := range s.p {
		if pattern>>i&1 != 0 {
			p0, p1 = p0*p[0], p1*p[1]
		} else {
			p0, p1 = p0*(1-p[0]), p1*(1-p[1])
		}
	}
	return p1 / (p0 + p1)
}

// flip swaps the states of Y.
func (s *island) flip() {
	s.prior = 1 - s.prior
	for i, p := range s.p {
		s.p[i] = [2]float64{p[1], p[0]}
	}
}

// with returns the island with one more variable.
func (s *island) with(v int32, p [2]float64) island {
	return island{append(slices.Clip(s.vars), v), s.prior, append(slices.Clip(s.p), p)}
}

// without returns the island without its i-th variable.
func (s *island) without(i int) island {
	return island{slices.Delete(slices.Clone(s.vars), i, i+1), s.prior, slices.Delete(slices.Clone(s.p), i, i+1)}
}

// builder divides the variables of one level into islands: progressive EM
// (AAAI 2016) with the correlation test and the batch-normalised score of the program
// that built the published trees.
type builder struct {
	o     *Options
	level int
	d     *data
	pool  *pool
	seeds seedHeap
	batch float64 // documents that a score stands for

	// The island under construction and the word that is tried: documents by pattern.
	vars    []int32   // bit i of a pattern is vars[i]
	closest []closest // the free variable closest to vars[i], if still free
	pattern []uint32  // per row of d
	hist    []float64 // documents per pattern

	starts []start      // scratch of EM
	joint  [2][]float64 // scratch of likelihoods, per pattern
}

// buildIslands returns the islands in the order in which they were found. State 0 of
// each is that of a document with none of its variables.
func buildIslands(ctx context.Context, d *data, level int, o *Options) ([]island, error) {
	mi, err := newMutual(ctx, d, o.Threads, maxPairs)
	if err != nil {
		return nil, err
	}
	b := &builder{
		o: o, level: level, d: d, pool: newPool(mi),
		batch:   d.total,
		pattern: make([]uint32, d.rows.len()),
		starts:  make([]start, o.EMRestarts),
	}
	if o.BatchSize >= 0 {
		b.batch = min(b.batch, d.suited(o.BatchSize, 5000, 4))
	}
	b.fillSeeds()
	var islands []island
	for b.pool.left > 0 {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		islands = append(islands, b.build()...)
		if o.Progress != nil {
			o.Progress(Progress{Level: level, Islands: len(islands), Left: b.pool.left})
		}
	}
	for i := range islands {
		if islands[i].posterior(0) > 0.5 {
			islands[i].flip()
		}
	}
	return islands, nil
}

// build finds the next island, or the last two of the level where the very last word
// splits the island that it was to join. Whatever it leaves is at least 3 words.
func (b *builder) build() []island {
	first, second := b.nextSeeds()
	b.join(first)
	b.join(second)
	b.join(b.third())
	m := b.latentClass()
	ll := b.logLikelihood(&m)
	for b.pool.left > 0 {
		x, at := b.nextWord() // closest to the at-th word of m
		left := b.pool.left - 1
		b.extend(x)
		m1 := b.attach(&m, x)
		ll1 := b.logLikelihood(&m1)
		if !b.o.NoCorrelationTest && left+1 >= 3 {
			px := b.d.count[x] / b.d.total
			apart := ll + float64(b.d.total*(xlogx(px)+xlogx(1-px)))
			if b.score(ll1-apart, 1) < b.o.CTThreshold {
				return b.commit(m)
			}
		}
		z := b.split(&m1, at)
		if b.score(b.splitLogLikelihood(&m1, at, &z)-ll1, 2) > b.o.UDThreshold {
			if left > 0 {
				b.pool.giveBack(m.vars[at])
				return b.commit(m.without(at))
			}
			b.pool.take(x)
			return b.commit(m.without(at), b.lastPair(&m1, at, &z))
		}
		b.pool.take(x)
		m, ll = m1, ll1
		if len(m.vars) >= b.o.MaxIsland && left >= 3 {
			break
		}
	}
	return b.commit(m)
}

// score is the difference of two models' BIC, of whose parameters the second has
// that many more, as if there were only batch documents.
func (b *builder) score(logLikelihoods float64, parameters float64) float64 {
	return float64(logLikelihoods*(b.batch/b.d.total)) - float64(parameters/2*elementary.Log(b.batch))
}

// commit closes the islands of a build and makes ready for the next.
func (b *builder) commit(islands ...island) []island {
	for _, s := range islands {
		for _, v := range s.vars {
			b.pool.remove(v)
		}
	}
	for _, v := range b.vars {
		for _, row := range b.d.postings(v) {
			b.pattern[row] = 0
		}
	}
	b.vars, b.closest, b.hist = b.vars[:0], b.closest[:0], b.hist[:0]
	return islands
}

// fillSeeds finds every variable's closest other one.
func (b *builder) fillSeeds() {
	b.seeds = make(seedHeap, b.d.n)
	markers := make([]marker, b.o.Threads)
	parallel(b.o.Threads, b.d.n, func(worker, i int) {
		b.seeds[i] = b.pool.closest(int32(i), &markers[worker])
	})
	heap.Init(&b.seeds)
}

// nextSeeds returns the two free variables with the largest mutual information; among
// equals those with the smallest first, then the smallest second index. What the heap
// says about variables that are no longer free is an upper bound.
func (b *builder) nextSeeds() (first, second int32) {
	for {
		top := &b.seeds[0]
		switch {
		case !b.pool.free[top.of]:
			heap.Pop(&b.seeds)
		case !b.pool.free[top.v]:
			*top = b.pool.closest(top.of, &b.pool.marker)
			heap.Fix(&b.seeds, 0)
		default:
			return top.of, top.v
		}
	}
}

// third returns the free variable closest to a seed.
func (b *builder) third() int32 {
	c, _ := b.closestTo(0, 2)
	return c.v
}

// nextWord returns the free variable closest to a member, and which member that is.
// Seeds do not count unless the options say so.
func (b *builder) nextWord() (x int32, at int) {
	from := 2
	if b.o.WholeIsland {
		from = 0
	}
	c, at := b.closestTo(from, len(b.vars))
	return c.v, at
}

// closestTo returns the free variable closest to vars[from:end], and to which of them.
func (b *builder) closestTo(from, end int) (best closest, at int) {
	best.mi = math.Inf(-1)
	for i := from; i < end; i++ {
		if c := &b.closest[i]; !b.pool.free[c.v] {
			*c = b.pool.closest(c.of, &b.pool.marker)
		}
		if b.closest[i].mi > best.mi {
			best, at = b.closest[i], i
		}
	}
	return best, at
}

// join makes v a member of the island under construction.
func (b *builder) join(v int32) {
	b.pool.take(v)
	b.extend(v)
}

// extend adds v to the patterns.
func (b *builder) extend(v int32) {
	if len(b.vars) == 0 {
		b.hist = append(b.hist, b.d.total)
	}
	bit := uint32(1) << len(b.vars)
	b.hist = append(b.hist, make([]float64, bit)...)
	for _, row := range b.d.postings(v) {
		pattern, w := b.pattern[row], b.d.rows.weight[row]
		b.hist[pattern] -= w
		b.hist[pattern|bit] += w
		b.pattern[row] = pattern | bit
	}
	b.vars = append(b.vars, v)
	b.closest = append(b.closest, closest{of: v, v: v}) // v is not free: found when asked for
}

// The EMs of an island, which differ in the last element of their keys.
const (
	emLatentClass uint64 = iota
	emAttach
	emSplit
	emLastPair
)

// random names the random numbers of an EM: an island by its seeds, a test by the
// number of words.
func (b *builder) random(em uint64) stream {
	return newStream(keyEM, b.o.Seed, uint64(b.level), uint64(b.vars[0]), uint64(b.vars[1]), uint64(len(b.vars)), em)
}

// latentClass fits a latent class model to the first three variables.
func (b *builder) latentClass() island {
	m := submodel{form: latentClass, count: b.counts(0, 1, 2)}
	p := m.fit(b.o, b.starts, b.random(emLatentClass))
	return island{slices.Clone(b.vars), p[0], [][2]float64{{p[1], p[2]}, {p[3], p[4]}, {p[5], p[6]}}}
}

// attach adds x, the last variable of the patterns, to s: only P(x|Y) is estimated,
// from x and the seeds (PEM-LCM).
func (b *builder) attach(s *island, x int32) island {
	m := submodel{form: attached, count: b.counts(0, 1, len(b.vars)-1)}
	m.setBase(s.prior, s.p[0], s.p[1])
	p := m.fit(b.o, b.starts, b.random(emAttach))
	return s.with(x, [2]float64{p[0], p[1]})
}

// split is the alternative to attach, of which s is the result: a second latent Z
// between Y and two variables, the at-th w and the last x. Only P(Z|Y), P(w|Z) and
// P(x|Z) are estimated, from w, x and the seeds (PEM-LTM-2L).
func (b *builder) split(s *island, at int) params {
	i, j := seedsBeside(at)
	m := submodel{form: split, count: b.counts(i, j, at, len(b.vars)-1)}
	m.setBase(s.prior, s.p[i], s.p[j])
	return m.fit(b.o, b.starts, b.random(emSplit))
}

// lastPair makes an island of w and x, as split found them, when no variable is left
// to join them: their tables stay, P(Y) is estimated with a seed as third variable.
func (b *builder) lastPair(s *island, at int, z *params) island {
	_, j := seedsBeside(at)
	last := len(b.vars) - 1
	m := submodel{
		form:  latentClass,
		count: b.counts(at, last, j),
		start: params{0, z[2], z[3], z[4], z[5]},
		fixed: [4]bool{false, true, true, false},
	}
	p := m.fit(b.o, b.starts, b.random(emLastPair))
	return island{[]int32{b.vars[at], b.vars[last]}, p[0], [][2]float64{{z[2], z[3]}, {z[4], z[5]}}}
}

// seedsBeside returns the first two variables that are not the at-th.
func seedsBeside(at int) (int, int) {
	switch at {
	case 0:
		return 1, 2
	case 1:
		return 0, 2
	default:
		return 0, 1
	}
}

// counts are the documents by pattern of some of the variables.
func (b *builder) counts(bits ...int) (count [16]float64) {
	for pattern, n := range b.hist {
		if n == 0 {
			continue
		}
		t := 0
		for i, bit := range bits {
			t |= pattern >> bit & 1 << i
		}
		count[t] += n
	}
	return count
}

// logLikelihood of all documents, as far as the variables of the patterns go, under s
// over all of them.
func (b *builder) logLikelihood(s *island) float64 {
	b.fillJoint(s, -1)
	return b.sumLogs()
}

// splitLogLikelihood is that of s with a second latent as split found it.
func (b *builder) splitLogLikelihood(s *island, at int, z *params) float64 {
	last := len(b.vars) - 1
	b.fillJoint(s, at)
	for y, joint := range b.joint {
		var h [4]float64 // P(w, x | Y=y)
		for wx := range h {
			w, x := wx&1, wx>>1
			for state, pz := range [2]float64{1 - z[y], z[y]} {
				h[wx] += float64(pz * bernoulli(z[2+state], w) * bernoulli(z[4+state], x))
			}
		}
		for pattern := range joint {
			joint[pattern] *= h[pattern>>at&1|pattern>>last&1<<1]
		}
	}
	return b.sumLogs()
}

// fillJoint sets joint[y][pattern] to P(Y=y, pattern), without the at-th and the last
// variable if at >= 0.
func (b *builder) fillJoint(s *island, at int) {
	for y, py := range [2]float64{1 - s.prior, s.prior} {
		joint := append(b.joint[y][:0], py)
		for i, p := range s.p {
			off, on := 1-p[y], p[y]
			if at >= 0 && (i == at || i == len(s.p)-1) {
				off, on = 1, 1
			}
			for _, v := range joint {
				joint = append(joint, v*on)
			}
			for t := range 1 << i {
				joint[t] *= off
			}
		}
		b.joint[y] = joint
	}
}

func (b *builder) sumLogs() (ll float64) {
	for pattern, n := range b.hist {
		if n != 0 {
			ll += float64(n * elementary.Log(b.joint[0][pattern]+b.joint[1][pattern]))
		}
	}
	return ll
}

func bernoulli(p float64, state int) float64 {
	if state == 0 {
		return 1 - p
	}
	return p
}
