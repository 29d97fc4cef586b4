package saliency

import (
	"cmp"
	"context"
	"math"
	"runtime"
	"slices"

	"cwox/internal/elementary"
	"cwox/nn"
	"golang.org/x/sync/errgroup"
)

// fast chooses masks for the Fast estimator. Candidates come from the plain law; a
// surrogate of log p, fitted to the masks so far, decides which are worth a pass through
// the network; a mask's weight is the inverse of the known rate at which masks like it were
// chosen, over all rounds (the balance heuristic). Given the past every round is unbiased
// for its own rates. At the end a surrogate fitted to the other masks serves each mask as
// control variate.
type fast struct {
	s         *sweep
	model     *nn.Model // whose kernels multiply matrices
	features  *features
	variances []float64 // of the features
	pool      int       // most candidates at a time
	rounds    []*fastRound
	pools     uint32 // of candidates drawn so far, each under a number of its own
	space     *workspace
	values    []float64 // memory of predictAll
	sum       []float64 // per mask: its rates in the rounds but the last, times their masks
	rate      []float64 // per mask: its rate in the last round
}

// fastRound is a law by which masks were chosen, and its rate relative to the plain law.
type fastRound struct {
	masks     int
	known     int        // masks that the surrogate was fitted to
	surrogate *surrogate // of log p, a column per fold and class; nil in the first round, which is plain
	tilt      float64    // exponent of the surrogate in scores
	mean      []float64  // per column: the mean of exp(tilt g) over the candidates
	score     float64    // the mean score of the candidates
}

// Constants of the method, from trials on GoogLeNet and ResNet-50.
const (
	poolSize     = 40000   // most candidates at a time
	poolLeast    = 10000   // least candidates of a round
	poolPerMask  = 30      // candidates per mask that a round chooses: even the largest score is chosen about once
	controlPool  = 32      // candidates per mask for the control variate, but at least poolSize: they add a tenth to the noise
	poolValues   = 1 << 22 // most surrogate values at a time
	defensive    = 0.15    // share of masks chosen as by the plain law
	scoreCap     = 30      // largest score, relative to 1
	floorScore   = 0.1     // of log(p + floor mean p): keeps tiny values from ruling the fit
	floorControl = 0.05    // the same for the control variate
	folds        = 4       // of cross-fitted surrogates
	trainingMost = 2000    // masks a surrogate is fitted to
	roundMost    = 2000    // masks chosen at a time
	roundGrowth  = 1.4     // growth of the number of masks from which on a new surrogate is fitted
	roundLeast   = 8       // below it rounds are not worth a surrogate
	poolRound    = 1 << 31
)

// tilts are the exponents to choose from. On GoogLeNet and ResNet-50 from 0, where the
// surrogate explains a tenth of log p, to 1.6, where it explains half and tails are heavy.
var tilts = []float64{0, 0.4, 0.7, 1, 1.3, 1.6}

func newFast(s *sweep, model *nn.Model) *fast {
	f := &fast{s: s, model: model, features: newFeatures(s.law), pool: poolSize}
	f.variances = f.features.variances(poolRound, 2000)
	return f
}

// extend chooses and evaluates masks until there are n. The first tenth are the plain
// law's; a fifth and three tenths follow, so that the rest is chosen by what most know.
func (f *fast) extend(ctx context.Context, n int) error {
	var sizes []int
	if len(f.rounds) == 0 && n/10 >= roundLeast {
		sizes = []int{n / 10, n / 5, n * 3 / 10}
	}
	for len(f.s.ids) < n {
		size := n - len(f.s.ids)
		if len(sizes) > 0 {
			size, sizes = sizes[0], sizes[1:]
		}
		round := f.choose
		if len(f.rounds) == 0 {
			round = f.plain
		}
		if err := round(ctx, min(size, roundMost)); err != nil {
			return err
		}
		f.s.glance()
	}
	return nil
}

// plain evaluates n masks of the plain law as the first round.
func (f *fast) plain(ctx context.Context, n int) error {
	ids := make([]maskID, n)
	for i := range ids {
		ids[i] = maskID{0, uint32(i)}
	}
	f.rounds = append(f.rounds, &fastRound{})
	f.pools = 1
	return f.add(ctx, ids)
}

// add evaluates masks that the last round's law chose, some perhaps twice in a row.
func (f *fast) add(ctx context.Context, ids []maskID) error {
	k := len(f.s.classes)
	from := len(f.s.ids)
	once := slices.Compact(slices.Clone(ids))
	if err := f.s.evaluate(ctx, once); err != nil {
		return err
	}
	if len(once) < len(ids) { // a mask chosen twice counts twice
		p := slices.Clone(f.s.p[from*k:])
		f.s.ids, f.s.p = f.s.ids[:from], f.s.p[:from*k]
		for i, at := 0, 0; i < len(ids); i++ {
			if i > 0 && ids[i] != ids[i-1] {
				at++
			}
			f.s.ids = append(f.s.ids, ids[i])
			f.s.p = append(f.s.p, p[at*k:][:k]...)
		}
	}
	last := len(f.rounds) - 1
	for i, r := range f.rounds {
		for j, rate := range f.rates(r, ids) {
			if i == 0 {
				f.sum, f.rate = append(f.sum, 0), append(f.rate, 0)
			}
			if i == last {
				f.rate[from+j] = rate
			} else {
				f.sum[from+j] += float64(float64(r.masks) * rate)
			}
		}
	}
	f.rounds[last].masks += len(ids)
	return nil
}

// begin makes a round the last one.
func (f *fast) begin(r *fastRound) {
	before := float64(f.rounds[len(f.rounds)-1].masks)
	for i, rate := range f.rate {
		f.sum[i] += float64(before * rate)
	}
	copy(f.rate, f.rates(r, f.s.ids))
	f.rounds = append(f.rounds, r)
}

// rates are how much oftener than the plain law a round chooses each of some masks.
func (f *fast) rates(r *fastRound, ids []maskID) []float64 {
	out := make([]float64, len(ids))
	if r.surrogate == nil {
		for i := range out {
			out[i] = 1
		}
		return out
	}
	f.predict(r.surrogate, ids, func(i int, g []float64) {
		out[i] = defensive + (1-defensive)*scoreOf(g, r.tilt, r.mean)/r.score
	})
	return out
}

// predict hands out a surrogate's columns for masks.
func (f *fast) predict(g *surrogate, ids []maskID, visit func(i int, columns []float64)) {
	size := f.features.size()
	x := make([]float32, predictRows*size)
	out := make([]float64, predictRows*g.columns)
	var tmp scratch
	for first := 0; first < len(ids); first += predictRows {
		some := ids[first:min(first+predictRows, len(ids))]
		f.describe(some, x)
		g.predict(x, len(some), out, &tmp)
		for i := range some {
			visit(first+i, out[i*g.columns:][:g.columns])
		}
	}
}

// describe writes the features of masks.
func (f *fast) describe(ids []maskID, x []float32) {
	size := f.features.size()
	var m mask
	for i, id := range ids {
		f.s.law.draw(id, &m)
		f.features.of(&m, x[i*size:][:size])
	}
}

// scoreOf is a mask's score from its surrogate values: the mean over the columns of the
// tilted surrogate over its own mean, capped.
func scoreOf(g []float64, tilt float64, mean []float64) float64 {
	sum := 0.0
	for c, v := range g {
		sum += elementary.Exp(tilt*v) / mean[c]
	}
	return min(scoreCap, sum/float64(len(g)))
}

// choose evaluates n masks chosen from fresh candidates, in a new round where there are
// enough masks that the last surrogate has not seen.
func (f *fast) choose(ctx context.Context, n int) error {
	r := f.rounds[len(f.rounds)-1]
	known := len(f.s.ids)
	fresh := r.surrogate == nil || float64(known) >= roundGrowth*float64(r.known)
	if fresh {
		surrogate, own, err := f.crossFit(ctx, floorScore)
		if err != nil {
			return err
		}
		r = &fastRound{known: known, surrogate: surrogate, tilt: f.bestTilt(own), mean: make([]float64, surrogate.columns)}
	}
	number := f.pools
	f.pools++
	columns := r.surrogate.columns
	candidates := min(f.most(columns), max(poolLeast, poolPerMask*n))
	g, err := f.predictAll(ctx, r.surrogate, number, 0, candidates)
	if err != nil {
		return err
	}
	if fresh {
		for c := range columns {
			for j := range candidates {
				r.mean[c] += elementary.Exp(r.tilt*g[j*columns+c]) / float64(candidates)
			}
		}
	}
	scores := make([]float64, candidates)
	mean := 0.0
	for j := range scores {
		scores[j] = scoreOf(g[j*columns:][:columns], r.tilt, r.mean)
		mean += scores[j] / float64(candidates)
	}
	if fresh {
		r.score = mean
		f.begin(r)
	}
	return f.add(ctx, f.pick(scores, r.score, n, number))
}

// bestTilt is the exponent that promises the least variance, in the geometric mean over
// the classes, by the cross-fitted surrogate's values [masks][classes]: the plain law's
// mean of (p - b0 - b1 h)^2 / rate with the best b0 and b1.
func (f *fast) bestTilt(own []float64) float64 {
	n, k := len(f.s.ids), len(f.s.classes)
	w := f.weights()
	best, least := 0.0, math.Inf(1)
	for _, tilt := range tilts {
		mean := make([]float64, k)
		total := 0.0
		for i := range n {
			total += w[i]
			for c := range k {
				mean[c] += float64(w[i] * elementary.Exp(tilt*own[i*k+c]))
			}
		}
		for c := range mean {
			mean[c] /= total
		}
		rate := make([]float64, n)
		score := 0.0
		for i := range n {
			rate[i] = scoreOf(own[i*k:][:k], tilt, mean)
			score += w[i] * rate[i] / total
		}
		for i := range rate {
			rate[i] = defensive + (1-defensive)*rate[i]/score
		}
		logs := 0.0
		for c := range k {
			row := func(i int) (x0, x1, y float64) {
				root := math.Sqrt(w[i] / rate[i])
				return root, float64(root * elementary.Exp(own[i*k+c])), float64(root * f.s.p[i*k+c])
			}
			b0, b1 := leastSquares(n, row)
			rest := 0.0
			for i := range n {
				x0, x1, y := row(i)
				rest += float64((y - float64(b0*x0) - float64(b1*x1)) * (y - float64(b0*x0) - float64(b1*x1)))
			}
			logs += elementary.Log(rest + 1e-300)
		}
		if logs < least {
			best, least = tilt, logs
		}
	}
	return best
}

// pick draws n candidates of a round systematically: sorted by score, each as often as its
// rate says.
func (f *fast) pick(scores []float64, mean float64, n int, round uint32) []maskID {
	order := make([]int, len(scores))
	sum := 0.0
	rate := func(j int) float64 { return defensive + (1-defensive)*scores[j]/mean }
	for j := range order {
		order[j] = j
		sum += rate(j)
	}
	slices.SortFunc(order, func(a, b int) int {
		return cmp.Or(cmp.Compare(scores[a], scores[b]), cmp.Compare(a, b))
	})
	word := f.s.law.words(0, maskID{round, 0}, streamPick)[0]
	next := (float64(word) + 0.5) / (1 << 32)
	var out []maskID
	at := 0.0
	for _, j := range order {
		at += rate(j) * float64(n) / sum
		for ; next < at && len(out) < n; next++ {
			out = append(out, maskID{round, uint32(j)})
		}
	}
	for len(out) < n { // rounding kept the last one out
		out = append(out, maskID{round, uint32(order[len(order)-1])})
	}
	return out
}

// training lists the masks that surrogates are fitted to: all, or evenly spaced ones.
func (f *fast) training() []int {
	n := len(f.s.ids)
	most := min(n, trainingMost)
	out := make([]int, most)
	for i := range out {
		out[i] = i * n / most
	}
	return out
}

// regression prepares the surrogates of values y [masks][classes] of the masks listed.
func (f *fast) regression(training []int, y []float64) *regression {
	x := make([]float32, len(training)*f.features.size())
	ids := make([]maskID, len(training))
	for j, i := range training {
		ids[j] = f.s.ids[i]
	}
	f.describe(ids, x)
	metric := f.features.metric(x, y, len(training), len(f.s.classes), f.variances)
	return newRegression(f.model, x, len(training), metric, f.space)
}

// logs are log(p + floor mean p) for some masks, [masks][classes].
func (f *fast) logs(masks []int, floor float64) []float64 {
	k := len(f.s.classes)
	mean := f.means(f.weights())
	out := make([]float64, 0, len(masks)*k)
	for _, i := range masks {
		for c := range k {
			p := f.s.p[i*k+c]
			if !(p >= 0) {
				p = 0
			}
			out = append(out, elementary.Log(p+float64(floor*mean[c])+1e-30))
		}
	}
	return out
}

// weights are the masks' weights w: a weighted mean of all masks estimates the plain law's.
func (f *fast) weights() []float64 {
	n := float64(len(f.s.ids))
	last := float64(f.rounds[len(f.rounds)-1].masks)
	out := make([]float64, len(f.s.ids))
	for i := range out {
		out[i] = n / (f.sum[i] + float64(last*f.rate[i]))
	}
	return out
}

// means are the classes' mean probabilities under the plain law.
func (f *fast) means(weights []float64) []float64 {
	k := len(f.s.classes)
	out := make([]float64, k)
	sum := 0.0
	for i, w := range weights {
		sum += w
		for c := range k {
			if p := f.s.p[i*k+c]; p >= 0 {
				out[c] += float64(w * p)
			}
		}
	}
	for c := range out {
		out[c] /= sum
	}
	return out
}

// most is how many candidates are predicted at a time.
func (f *fast) most(columns int) int { return max(1, min(f.pool, poolValues/columns)) }

// predictAll is a surrogate's values for n candidates of a round, [candidates][columns],
// valid until the next call.
func (f *fast) predictAll(ctx context.Context, g *surrogate, round uint32, from, n int) ([]float64, error) {
	const rows = predictRows
	size := f.features.size()
	f.values = slices.Grow(f.values[:0], n*g.columns)
	out := f.values[:n*g.columns]
	threads := f.s.threads
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	blocks := (n + rows - 1) / rows
	var team errgroup.Group
	for t := range threads {
		team.Go(func() error {
			x := make([]float32, rows*size)
			var m mask
			var tmp scratch
			for b := t; b < blocks; b += threads {
				if err := ctx.Err(); err != nil {
					return err
				}
				first, end := b*rows, min((b+1)*rows, n)
				for j := first; j < end; j++ {
					f.s.law.draw(maskID{round, uint32(from + j)}, &m)
					f.features.of(&m, x[(j-first)*size:][:size])
				}
				g.predict(x, end-first, out[first*g.columns:end*g.columns], &tmp)
			}
			return nil
		})
	}
	return out, team.Wait()
}

// estimate is
//
//	H_c = b0 + b1 mean h + (mean over the masks of R M + b1 mean over candidates of (h - mean h) M) / keep
//	R   = w (p - b0 - b1 h)
//
// where h = exp(surrogate), for a mask that of the fold that it took no part in, its mean
// that over fresh candidates, and b0, b1 make R least. It is the plain map's expectation,
// and so are its classes' sums.
func (f *fast) estimate(ctx context.Context) (*estimate, error) {
	s := f.s
	n, k := len(s.ids), len(s.classes)
	w := f.weights()
	h, err := f.control(ctx)
	if err != nil {
		return nil, err
	}
	e := &estimate{influence: make([]float64, n*k)}
	level, slope := make([]float64, k), make([]float64, k)
	for c := range k {
		level[c], slope[c] = leastSquares(n, func(i int) (w1, w2, y float64) {
			return w[i], w[i] * h.masks[i*k+c], w[i] * s.p[i*k+c]
		})
		for i := range n {
			e.influence[i*k+c] = w[i] * (s.p[i*k+c] - level[c] - float64(slope[c]*h.masks[i*k+c])) / s.Keep
		}
	}
	e.maps = s.weighted(e.influence)
	for c, out := range e.maps {
		for x := range out {
			out[x] += level[c] + float64(slope[c]*h.mean[c]) + slope[c]*h.maps[c][x]/s.Keep
		}
	}
	return e, nil
}

// control is the control variate h = exp(surrogate).
type control struct {
	masks []float64   // [masks][classes], by the fit without a mask's fold
	mean  []float64   // [classes], over fresh candidates, of the mean of all fits
	maps  [][]float64 // [classes][H][W], the mean of (h - mean h) M over them
}

// control fits the control variate; where there are few masks it is 0.
func (f *fast) control(ctx context.Context) (*control, error) {
	n, k := len(f.s.ids), len(f.s.classes)
	h := &control{make([]float64, n*k), make([]float64, k), make([][]float64, k)}
	for c := range h.maps {
		h.maps[c] = make([]float64, f.s.law.height*f.s.law.width)
	}
	if n < folds*roundLeast {
		return h, nil
	}
	g, own, err := f.crossFit(ctx, floorControl)
	if err != nil {
		return nil, err
	}
	for i, v := range own {
		h.masks[i] = elementary.Exp(v)
	}
	candidates := max(f.pool, controlPool*n)
	sum := f.s.law.newSum(k + 1) // of h M, and of M
	weight := append(make([]float64, k), 1)
	var m mask
	most := f.most(g.columns)
	for from := 0; from < candidates; from += most {
		some := min(most, candidates-from)
		values, err := f.predictAll(ctx, g, poolRound, from, some)
		if err != nil {
			return nil, err
		}
		for j := range some {
			for c := range k {
				weight[c] = 0
				for t := range folds {
					weight[c] += float64(elementary.Exp(values[(j*folds+t)*k+c]) / folds)
				}
				h.mean[c] += weight[c] / float64(candidates)
			}
			f.s.law.draw(maskID{poolRound, uint32(from + j)}, &m)
			sum.add(&m, weight)
		}
	}
	all := sum.column(k)
	for c, out := range h.maps {
		for x, v := range sum.column(c) {
			out[x] = (v - float64(h.mean[c]*all[x])) / float64(candidates)
		}
	}
	return h, nil
}

// crossFit fits surrogates of the classes' log p to the masks without each fold: a column
// per fold and class. own [masks][classes] are the values for the masks by the fit without
// their own fold. All fits share the metric, which has seen every mask: like b0 and b1 of
// estimate it adds a bias of order 1 over the masks.
func (f *fast) crossFit(ctx context.Context, floor float64) (g *surrogate, own []float64, err error) {
	k := len(f.s.classes)
	training := f.training()
	if most := min(max(f.s.Masks, len(training)), trainingMost); f.space == nil || f.space.masks < most {
		f.space = newWorkspace(most)
	}
	y := f.logs(training, floor)
	reg := f.regression(training, y)
	a := make([]float32, len(training)*k*folds)
	var level []float64
	for t := range folds {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		level = append(level, reg.fit(y, k, func(i int) bool { return f.fold(training[i]) == t }, a, k*folds, k*t)...)
	}
	g = reg.surrogate(a, level)
	own = make([]float64, len(f.s.ids)*k)
	f.predict(g, f.s.ids, func(i int, columns []float64) {
		copy(own[i*k:][:k], columns[f.fold(i)*k:])
	})
	return g, own, nil
}

// fold is the part of the masks that a mask belongs to.
func (f *fast) fold(i int) int { return int(f.s.ids[i].index % folds) }

// leastSquares fits y = b0 x0 + b1 x1; b1 is 0 where x1 tells nothing.
func leastSquares(n int, row func(i int) (x0, x1, y float64)) (b0, b1 float64) {
	var a00, a01, a11, y0, y1 float64
	for i := range n {
		x0, x1, y := row(i)
		a00 += float64(x0 * x0)
		a01 += float64(x0 * x1)
		a11 += float64(x1 * x1)
		y0 += float64(x0 * y)
		y1 += float64(x1 * y)
	}
	det := float64(a00*a11) - float64(a01*a01)
	if !(det > 1e-12*a00*a11) {
		if a00 > 0 {
			b0 = y0 / a00
		}
		return b0, 0
	}
	return (float64(y0*a11) - float64(y1*a01)) / det, (float64(y1*a00) - float64(y0*a01)) / det
}
