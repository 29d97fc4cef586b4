package hlta

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"cwox/internal/elementary"
)

// Inference answers questions about the joint distribution that a tree describes,
// exactly, by message passing in log space (Pearl 1988). It is immutable and safe
// for concurrent use.
type Inference struct {
	x       *treeIndex
	parent  []int32         // of each latent, along edges and Links; -1 without one
	depth   []int32         // of each latent
	order   []int32         // latents, each after its parent
	latent  [][2][2]float64 // latent[i][s][z] = ln P(z | parent = s); without one both s are the prior
	word    [][2][2]float64 // word[i][v][z] = ln P(word = v | z)
	base    []logSum        // of each latent: messages from its children in a document without words
	message [][2]float64    // of each latent: to its parent in a document without words
	empty   logSum          // ln P(document without words), in [0]
	scratch sync.Pool       // of *documentScratch
}

// Evidence is what is known of the words; unknown words are summed over.
type Evidence struct {
	Present []string
	Absent  []string
	// OthersAbsent makes all words absent that are not present: a whole document.
	OthersAbsent bool
}

// Posterior is what follows from evidence.
type Posterior struct {
	LogLikelihood float64            // ln P(evidence), nats
	Latents       map[string]float64 // P(Z=1 | evidence) by identifier
	Words         map[string]float64 // P(word=1 | evidence); 1 and 0 where it is evidence itself
}

// NewInference prepares the tree for inference. A tree without parameters (see
// [Tree.HasParameters]) is an error.
func (t *Tree) NewInference() (*Inference, error) {
	if !t.HasParameters() {
		return nil, errors.New("hlta: the tree has no parameters, which inference needs (nodes.json does not store them)")
	}
	x := t.indexed()
	in := &Inference{
		x:       x,
		parent:  append([]int32(nil), x.parent...),
		depth:   make([]int32, len(x.latents)),
		order:   make([]int32, 0, len(x.latents)),
		latent:  make([][2][2]float64, len(x.latents)),
		word:    make([][2][2]float64, len(x.words)),
		base:    make([]logSum, len(x.latents)),
		message: make([][2]float64, len(x.latents)),
	}
	// The roots in the order of their Links, then all others: the index has
	// parents before children.
	at := make([]int32, len(t.Roots))
	for i := range x.latents {
		if x.parent[i] < 0 {
			at[x.root[i]] = int32(i)
		}
	}
	for _, e := range t.rootOrder() {
		i := at[e.root]
		if e.parent >= 0 {
			in.parent[i] = at[e.parent]
		}
		in.order = append(in.order, i)
	}
	for i, n := range x.latents {
		in.latent[i] = logTable(n.P)
		if x.parent[i] >= 0 {
			in.order = append(in.order, int32(i))
		}
	}
	w := 0
	for _, n := range x.latents {
		for _, word := range n.Words {
			p := logTable(word.P) // [z][v]
			in.word[w] = [2][2]float64{{p[0][0], p[1][0]}, {p[0][1], p[1][1]}}
			w++
		}
	}
	for _, i := range in.order {
		if up := in.parent[i]; up >= 0 {
			in.depth[i] = in.depth[up] + 1
		}
	}
	in.passUp(make([]int8, len(x.words)), in.base, in.message, &in.empty)
	return in, nil
}

// logTable returns ln P(child = v | parent = s) as [s][v].
func logTable(p [2]float64) [2][2]float64 {
	return [2][2]float64{{elementary.Log1p(-p[0]), elementary.Log(p[0])}, {elementary.Log1p(-p[1]), elementary.Log(p[1])}}
}

// unobserved marks words that are neither present (1) nor absent (0).
const unobserved = -1

// passUp computes, for words present (1), absent (0) or unobserved, the sum of the
// messages to every latent, the message that it sends to its parent, and in total[0]
// the log-likelihood.
func (in *Inference) passUp(state []int8, sums []logSum, messages [][2]float64, total *logSum) {
	for w, s := range state {
		if s != unobserved {
			sums[in.x.home[w]].add(in.word[w][s])
		}
	}
	for k := len(in.order) - 1; k >= 0; k-- {
		i := in.order[k]
		messages[i] = in.send(i, sums[i].value())
		if up := in.parent[i]; up >= 0 {
			sums[up].add(messages[i])
		} else {
			total.add(messages[i])
		}
	}
}

// send returns the message of a latent to its parent: for each state s of that,
// ln sum over z of P(z | s) exp(below[z]).
func (in *Inference) send(i int32, below [2]float64) [2]float64 {
	t := &in.latent[i]
	return [2]float64{
		logAdd(t[0][0]+below[0], t[0][1]+below[1]),
		logAdd(t[1][0]+below[0], t[1][1]+below[1]),
	}
}

// Posterior returns the probability of every latent and word given evidence. An
// unknown word, one that is both present and absent, and evidence that the tree
// holds to be impossible are errors.
func (in *Inference) Posterior(e Evidence) (*Posterior, error) {
	state, err := in.states(e)
	if err != nil {
		return nil, err
	}
	n := len(in.x.latents)
	sums, messages := make([]logSum, n), make([][2]float64, n)
	var all logSum
	in.passUp(state, sums, messages, &all)
	post := &Posterior{
		LogLikelihood: all.value()[0],
		Latents:       make(map[string]float64, n),
		Words:         make(map[string]float64, len(state)),
	}
	if math.IsInf(post.LogLikelihood, -1) {
		return nil, errors.New("hlta: by this tree the evidence is impossible")
	}
	on := make([][2]float64, n) // P(z | evidence)
	for _, i := range in.order {
		below := sums[i].value()
		above := [2]float64{1, 0} // without a parent, for either row of its table
		if up := in.parent[i]; up >= 0 {
			above = on[up]
		}
		for s, p := range above {
			if p > 0 {
				for z := range 2 {
					on[i][z] += float64(p * elementary.Exp(in.latent[i][s][z]+below[z]-messages[i][s]))
				}
			}
		}
		sum := on[i][0] + on[i][1] // 1 but for rounding
		on[i][0] /= sum
		on[i][1] /= sum
		post.Latents[in.x.latents[i].ID] = on[i][1]
	}
	for w, s := range state {
		p := float64(s)
		if s == unobserved {
			z := on[in.x.home[w]]
			p = float64(z[0]*elementary.Exp(in.word[w][1][0])) + float64(z[1]*elementary.Exp(in.word[w][1][1]))
		}
		post.Words[in.x.words[w]] = p
	}
	return post, nil
}

func (in *Inference) states(e Evidence) ([]int8, error) {
	state := make([]int8, len(in.x.words))
	if !e.OthersAbsent {
		for i := range state {
			state[i] = unobserved
		}
	}
	absent := map[int32]bool{}
	for _, w := range e.Absent {
		i, err := in.find(w)
		if err != nil {
			return nil, err
		}
		state[i] = 0
		absent[i] = true
	}
	for _, w := range e.Present {
		i, err := in.find(w)
		if err != nil {
			return nil, err
		}
		if absent[i] {
			return nil, fmt.Errorf("hlta: word %q is given as present and as absent", w)
		}
		state[i] = 1
	}
	return state, nil
}

func (in *Inference) find(word string) (int32, error) {
	i, ok := in.x.at[word]
	if !ok {
		return 0, fmt.Errorf("hlta: word %q is not among the %d words of the tree", word, len(in.x.words))
	}
	return i, nil
}

// LogLikelihood returns ln P(document) in nats: of the given words being present and
// all others absent; -Inf if the tree holds that to be impossible. Repeated words
// count once; an unknown word is an error. The time it takes grows with the number
// of words present times the levels of the tree.
func (in *Inference) LogLikelihood(words []string) (float64, error) {
	present := make([]int32, len(words))
	for k, w := range words {
		i, err := in.find(w)
		if err != nil {
			return 0, err
		}
		present[k] = i
	}
	s := in.getScratch()
	defer in.scratch.Put(s)
	return in.document(present, s), nil
}

// MeanLogLikelihood returns the mean of [Inference.LogLikelihood] over documents:
// nats per document. A word that the tree does not have is an error.
func (in *Inference) MeanLogLikelihood(docs *Documents) (float64, error) {
	of := make([]int32, len(docs.Words))
	for k, w := range docs.Words {
		i, err := in.find(w)
		if err != nil {
			return 0, err
		}
		of[k] = i
	}
	s := in.getScratch()
	defer in.scratch.Put(s)
	var present []int32
	sum := 0.0
	for d := range docs.Distinct() {
		words, n := docs.At(d)
		present = present[:0]
		for _, w := range words {
			present = append(present, of[w])
		}
		sum += float64(float64(n) * in.document(present, s))
	}
	return sum / float64(docs.N), nil
}

// documentScratch holds how a document differs from the one without words.
type documentScratch struct {
	run     uint64
	word    []uint64  // of each word: the run that last saw it
	latent  []uint64  // of each latent: the run that last touched it
	sums    []logSum  // of touched latents
	touched [][]int32 // by depth
}

func (in *Inference) getScratch() *documentScratch {
	if s, ok := in.scratch.Get().(*documentScratch); ok {
		return s
	}
	depths := int32(0)
	for _, d := range in.depth {
		depths = max(depths, d+1)
	}
	n := len(in.x.latents)
	return &documentScratch{
		word:    make([]uint64, len(in.x.words)),
		latent:  make([]uint64, n),
		sums:    make([]logSum, n),
		touched: make([][]int32, depths),
	}
}

// document is the log-likelihood of a document: only the latents above its words
// get other messages than in the document without words.
func (in *Inference) document(present []int32, s *documentScratch) float64 {
	s.run++
	touch := func(i int32) *logSum {
		if s.latent[i] != s.run {
			s.latent[i] = s.run
			s.sums[i] = in.base[i]
			s.touched[in.depth[i]] = append(s.touched[in.depth[i]], i)
		}
		return &s.sums[i]
	}
	for _, w := range present {
		if s.word[w] != s.run {
			s.word[w] = s.run
			touch(in.x.home[w]).replace(in.word[w][0], in.word[w][1])
		}
	}
	total := in.empty
	for d := len(s.touched) - 1; d >= 0; d-- {
		for _, i := range s.touched[d] {
			m := in.send(i, s.sums[i].value())
			if up := in.parent[i]; up >= 0 {
				touch(up).replace(in.message[i], m)
			} else {
				total.replace(in.message[i], m)
			}
		}
		s.touched[d] = s.touched[d][:0]
	}
	return total.value()[0]
}

// logSum is a sum of logarithms per state. Infinite ones are counted, not added, so
// that they can be taken away again.
type logSum struct {
	finite   [2]float64
	infinite [2]int32
}

func (s *logSum) add(m [2]float64) {
	for z, v := range m {
		if math.IsInf(v, -1) {
			s.infinite[z]++
		} else {
			s.finite[z] += v
		}
	}
}

func (s *logSum) replace(old, new [2]float64) {
	for z, v := range old {
		if math.IsInf(v, -1) {
			s.infinite[z]--
		} else {
			s.finite[z] -= v
		}
	}
	s.add(new)
}

func (s *logSum) value() [2]float64 {
	v := s.finite
	for z, n := range s.infinite {
		if n > 0 {
			v[z] = math.Inf(-1)
		}
	}
	return v
}

// logAdd returns ln(exp(a) + exp(b)).
func logAdd(a, b float64) float64 {
	if a < b {
		a, b = b, a
	}
	if math.IsInf(b, -1) {
		return a
	}
	return a + elementary.Log1p(elementary.Exp(b-a))
}
