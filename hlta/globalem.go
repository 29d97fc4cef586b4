package hlta

import (
	"context"
	"math"

	"cwox/internal/elementary"
)

// globalEM estimates all parameters of t together, from what they are now.
func globalEM(ctx context.Context, t *Tree, docs *Documents, o *Options) error {
	m := newModel(t, docs.Words)
	defer m.store()
	if o.GlobalEM == StepwiseGlobalEM {
		return m.stepwise(ctx, docs, o)
	}
	return m.batch(ctx, docs, o)
}

// batch takes EM steps over all documents; the M step adds one to every count.
func (m *model) batch(ctx context.Context, docs *Documents, o *Options) error {
	before := math.Inf(-1)
	for step := 1; step <= o.GlobalSteps; step++ {
		e := m.expect(ctx, docs.Distinct(), func(i int) ([]int32, float64) {
			return docs.rows.row(i), docs.rows.weight[i]
		}, o.Threads)
		if err := ctx.Err(); err != nil {
			return err
		}
		m.maximise(e, 1, 0)
		if o.Progress != nil {
			o.Progress(Progress{Step: step, Steps: o.GlobalSteps, LogLikelihood: e.ll / float64(docs.N)})
		}
		if e.ll-before < o.GlobalTolerance {
			break
		}
		before = e.ll
	}
	return nil
}

// stepwise goes through the documents in random order and after every minibatch
// moves the expected counts towards those of the minibatch, by less and less (AIJ
// 2017 section 7). Probabilities are the quotients of counts, but not closer to 0
// and 1 than batch EM could take them.
func (m *model) stepwise(ctx context.Context, docs *Documents, o *Options) error {
	order := make([]int32, 0, docs.N)
	for i, w := range docs.rows.weight {
		for range int(w) {
			order = append(order, int32(i))
		}
	}
	random := newStream(keyShuffle, o.Seed)
	for i := len(order) - 1; i > 0; i-- {
		j := random.intn(i + 1)
		order[i], order[j] = order[j], order[i]
	}

	size := min(o.Minibatch, len(order))
	batches := len(order) / size
	floor := 1 / float64(docs.N+2)
	mean := newExpected(m)
	before := math.Inf(-1)
	for u := range min(o.GlobalSteps, o.Epochs*batches) {
		at := u % batches * size
		batch := order[at : at+size]
		e := m.expect(ctx, size, func(i int) ([]int32, float64) { return docs.rows.row(int(batch[i])), 1 }, o.Threads)
		if err := ctx.Err(); err != nil {
			return err
		}
		mean.blend(e, elementary.Pow(float64(u+2), -o.Alpha))
		m.maximise(mean, 0, floor)
		if o.Progress != nil {
			o.Progress(Progress{Step: u + 1, Steps: o.GlobalSteps, LogLikelihood: e.ll / float64(size)})
		}
		if math.Abs(e.ll-before) < o.GlobalTolerance {
			break
		}
		before = e.ll
	}
	return nil
}

// model is a tree in arrays: latents so that every parent comes before its children,
// the linked latents of the top level being parents and children too. There is one
// root, latent 0.
type model struct {
	nodes  []*Node
	parent []int32      // -1 for the root
	depth  []int32      // 0 for the root
	p      [][2]float64 // P(Z=1 | parent)

	words []*Word
	owner []int32      // the latent of a word
	wp    [][2]float64 // P(w=1 | Z)

	// What a document that has no words makes of the model. Documents are short: one
	// changes only its own words and the latents above them.
	absent [][2][2]float64 // P(Z=z | parent=y, no word below): [latent][y][z]
	empty  float64         // log-likelihood of the document without words
	odds   [][2]float64    // P(w=1|z) / P(w=0|z)
}

func newModel(t *Tree, words []string) *model {
	m := &model{
		words: make([]*Word, len(words)),
		owner: make([]int32, len(words)),
		wp:    make([][2]float64, len(words)),
		odds:  make([][2]float64, len(words)),
	}
	index := make(map[string]int, len(words))
	for i, w := range words {
		index[w] = i
	}
	linked := make([][]int, len(t.Roots))
	root := make([]bool, len(t.Roots))
	for i := range root {
		root[i] = true
	}
	for _, l := range t.Links {
		linked[l.Parent] = append(linked[l.Parent], l.Child)
		root[l.Child] = false
	}
	var visit func(z *Node, parent, depth int32) int32
	visit = func(z *Node, parent, depth int32) int32 {
		at := int32(len(m.nodes))
		m.nodes = append(m.nodes, z)
		m.parent = append(m.parent, parent)
		m.depth = append(m.depth, depth)
		m.p = append(m.p, z.P)
		for i := range z.Words {
			w := index[z.Words[i].Name]
			m.words[w], m.owner[w], m.wp[w] = &z.Words[i], at, z.Words[i].P
		}
		for _, c := range z.Children {
			visit(c, at, depth+1)
		}
		return at
	}
	var visitTop func(i int, parent, depth int32)
	visitTop = func(i int, parent, depth int32) {
		at := visit(t.Roots[i], parent, depth)
		for _, c := range linked[i] {
			visitTop(c, at, depth+1)
		}
	}
	for i := range t.Roots {
		if root[i] {
			visitTop(i, -1, 0)
		}
	}
	m.absent = make([][2][2]float64, len(m.nodes))
	m.prepare()
	return m
}

// store writes the parameters back to the tree.
func (m *model) store() {
	for i, z := range m.nodes {
		z.P = m.p[i]
	}
	for i, w := range m.words {
		w.P = m.wp[i]
	}
}

// prepare computes what does not depend on the document.
func (m *model) prepare() {
	m.empty = 0
	none := make([][2]float64, len(m.nodes)) // P(no word below | Z=z), but for a factor
	for i := range none {
		none[i] = [2]float64{1, 1}
	}
	multiply := func(i int32, f [2]float64) {
		q := [2]float64{float64(none[i][0] * f[0]), float64(none[i][1] * f[1])}
		sum := q[0] + q[1]
		m.empty += elementary.Log(sum)
		none[i] = [2]float64{q[0] / sum, q[1] / sum}
	}
	for w, p := range m.wp {
		multiply(m.owner[w], [2]float64{1 - p[0], 1 - p[1]})
		m.odds[w] = [2]float64{p[0] / (1 - p[0]), p[1] / (1 - p[1])}
	}
	for i := len(m.nodes) - 1; i >= 0; i-- {
		var f [2]float64
		for y, p := range m.p[i] {
			off, on := float64((1-p)*none[i][0]), float64(p*none[i][1])
			f[y] = off + on
			m.absent[i][y] = [2]float64{off / f[y], on / f[y]}
		}
		if m.parent[i] >= 0 {
			multiply(m.parent[i], f)
		} else {
			m.empty += elementary.Log(f[0])
		}
	}
}

// expected are sums over documents: how many are expected to be in each state.
type expected struct {
	ll   float64
	edge [][2][2]float64 // latent Z and its parent: [latent][parent's state][Z's state]; the root's parent is always 0
	word [][2]float64    // word present and its latent's state
	node [][2]float64    // latent's state
}

func newExpected(m *model) *expected {
	return &expected{
		edge: make([][2][2]float64, len(m.nodes)),
		word: make([][2]float64, len(m.words)),
		node: make([][2]float64, len(m.nodes)),
	}
}

// blend moves e by rate towards other.
func (e *expected) blend(other *expected, rate float64) {
	move := func(v *float64, to float64) { *v += float64(rate * (to - *v)) }
	for i := range e.edge {
		for y := range 2 {
			move(&e.edge[i][y][0], other.edge[i][y][0])
			move(&e.edge[i][y][1], other.edge[i][y][1])
			move(&e.node[i][y], other.node[i][y])
		}
	}
	for w := range e.word {
		move(&e.word[w][0], other.word[w][0])
		move(&e.word[w][1], other.word[w][1])
	}
}

// shards is into how many parts documents are divided, for any number of threads: a
// part is summed in order, then the parts are.
const shards = 16

// expect is the E step over n documents, each a sorted list of words and a weight. The
// sums lack documents when ctx ends before it does.
func (m *model) expect(ctx context.Context, n int, document func(i int) ([]int32, float64), threads int) *expected {
	parts := make([]*expected, shards)
	parallel(threads, shards, func(_, s int) {
		parts[s] = newExpected(m)
		if ctx.Err() != nil {
			return
		}
		w := newWalker(m, parts[s])
		for i := s * n / shards; i < (s+1)*n/shards; i++ {
			words, weight := document(i)
			w.add(words, weight)
		}
	})
	sum := parts[0]
	for _, p := range parts[1:] {
		sum.ll += p.ll
		for i := range sum.edge {
			for y := range 2 {
				sum.edge[i][y][0] += p.edge[i][y][0]
				sum.edge[i][y][1] += p.edge[i][y][1]
			}
		}
		for w := range sum.word {
			sum.word[w][0] += p.word[w][0]
			sum.word[w][1] += p.word[w][1]
		}
	}
	// Documents that did not touch a latent left it to its parent.
	for i := range m.nodes {
		e := &sum.edge[i]
		for y := range 2 {
			if at := m.parent[i]; at >= 0 {
				rest := max(0, sum.node[at][y]-e[y][0]-e[y][1])
				e[y][0] += float64(rest * m.absent[i][y][0])
				e[y][1] += float64(rest * m.absent[i][y][1])
			}
			sum.node[i][0] += e[y][0]
			sum.node[i][1] += e[y][1]
		}
	}
	return sum
}

// maximise is the M step: prior is added to every count, and no probability is nearer
// to 0 or 1 than floor.
func (m *model) maximise(e *expected, prior, floor float64) {
	probability := func(of, all float64) float64 {
		if all <= 0 {
			return 0.5
		}
		return min(max((of+prior)/(all+float64(2*prior)), floor), 1-floor)
	}
	for i := range m.p {
		for y := range 2 {
			m.p[i][y] = probability(e.edge[i][y][1], e.edge[i][y][0]+e.edge[i][y][1])
		}
	}
	m.p[0][1] = m.p[0][0] // the root's prior
	for w := range m.wp {
		for z := range 2 {
			m.wp[w][z] = probability(e.word[w][z], e.node[m.owner[w]][z])
		}
	}
	m.prepare()
}

// walker adds documents to sums, one after the other.
type walker struct {
	m *model
	e *expected

	levels [][]int32    // touched latents by depth
	seen   []bool       // touched by the document at hand
	ratio  [][2]float64 // P(its words below | Z=z) / P(no word below | Z=z), but for a factor
	up     [][2]float64 // the same given the parent's state
	post   [][2]float64 // P(Z=z | document)
}

func newWalker(m *model, e *expected) *walker {
	w := &walker{
		m: m, e: e,
		seen:  make([]bool, len(m.nodes)),
		ratio: make([][2]float64, len(m.nodes)),
		up:    make([][2]float64, len(m.nodes)),
		post:  make([][2]float64, len(m.nodes)),
	}
	for _, d := range m.depth {
		for len(w.levels) <= int(d) {
			w.levels = append(w.levels, nil)
		}
	}
	return w
}

// add adds a document, which has at least one word.
func (w *walker) add(words []int32, weight float64) {
	m, ll := w.m, w.m.empty
	for _, word := range words {
		z := m.owner[word]
		w.touch(z)
		ll += scaleInto(&w.ratio[z], m.odds[word])
	}
	for d := len(w.levels) - 1; d > 0; d-- {
		for _, z := range w.levels[d] {
			r, a := w.ratio[z], &m.absent[z]
			w.up[z] = [2]float64{float64(a[0][0]*r[0]) + float64(a[0][1]*r[1]), float64(a[1][0]*r[0]) + float64(a[1][1]*r[1])}
			ll += scaleInto(&w.ratio[m.parent[z]], w.up[z])
		}
	}

	a, r := m.absent[0][0], w.ratio[0]
	p0, p1 := float64(a[0]*r[0]), float64(a[1]*r[1])
	w.e.ll += float64(weight * (ll + elementary.Log(p0+p1)))
	w.post[0] = [2]float64{p0 / (p0 + p1), p1 / (p0 + p1)}
	w.e.edge[0][0][0] += float64(weight * w.post[0][0])
	w.e.edge[0][0][1] += float64(weight * w.post[0][1])
	w.seen[0] = false
	w.levels[0] = w.levels[0][:0]
	for d, level := range w.levels[1:] {
		for _, z := range level {
			r, a, e := w.ratio[z], &m.absent[z], &w.e.edge[z]
			var post [2]float64
			for y, parent := range w.post[m.parent[z]] {
				if parent == 0 {
					continue // up may be 0 as well
				}
				parent /= w.up[z][y]
				q0, q1 := float64(parent*a[y][0]*r[0]), float64(parent*a[y][1]*r[1])
				e[y][0] += float64(weight * q0)
				e[y][1] += float64(weight * q1)
				post[0] += q0
				post[1] += q1
			}
			w.post[z] = post
			w.seen[z] = false
		}
		w.levels[1+d] = level[:0]
	}
	for _, word := range words {
		post := w.post[m.owner[word]]
		w.e.word[word][0] += float64(weight * post[0])
		w.e.word[word][1] += float64(weight * post[1])
	}
}

// touch makes sure that z and all above it take part.
func (w *walker) touch(z int32) {
	for ; z >= 0 && !w.seen[z]; z = w.m.parent[z] {
		w.seen[z] = true
		w.ratio[z] = [2]float64{1, 1}
		d := w.m.depth[z]
		w.levels[d] = append(w.levels[d], z)
	}
}

// scaleInto multiplies r by f and keeps it within what float64 can hold; it returns
// the logarithm of what it took out.
func scaleInto(r *[2]float64, f [2]float64) float64 {
	r[0], r[1] = r[0]*f[0], r[1]*f[1]
	if m := max(r[0], r[1]); m < 1e-100 || m > 1e100 {
		r[0], r[1] = r[0]/m, r[1]/m
		return elementary.Log(m)
	}
	return 0
}
