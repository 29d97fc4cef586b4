package hlta

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cwox/internal/elementary"
)

// Learn builds the tree of documents (Chen et al., "Progressive EM for Latent Tree
// Models and Hierarchical Topic Detection", AAAI 2016): words are divided into islands
// under one latent each, documents are rewritten as states of these latents, and so on
// upwards until few enough are left, which a spanning tree then links.
//
// The tree is the same to the last bit for the same documents, options and seed,
// whatever Threads is. It takes memory for the documents, for the pairs of words
// that occur together (24 bytes each), and little else. It returns ctx's error soon
// after ctx ends, and an error where there is nothing to learn: less than three
// words, or options that make no sense.
func Learn(ctx context.Context, docs *Documents, o Options) (*Tree, error) {
	o, err := o.resolve()
	if err != nil {
		return nil, err
	}
	if len(docs.Words) < 3 {
		return nil, fmt.Errorf("hlta: %s: %d distinct words in %d documents, learning needs at least 3", docs.Name, len(docs.Words), docs.N)
	}

	written := o
	written.Threads, written.Progress = 0, nil
	t := &Tree{Provenance: Provenance{
		Program:   "cwox",
		Input:     docs.Name,
		InputHash: docs.SHA256,
		Documents: docs.N,
		Words:     len(docs.Words),
		Options:   &written,
	}}
	d := newData(len(docs.Words), float64(docs.N), docs.rows)
	var islands []island
	for level := 1; ; level++ {
		if size := d.suited(o.LearnSize, 100_000, 100); o.LearnSize >= 0 && float64(d.rows.len()) > size {
			d = d.sample(int(size), newStream(keySample, o.Seed, uint64(level)))
		}
		if islands, err = buildIslands(ctx, d, level, &o); err != nil {
			return nil, err
		}
		if level == 1 {
			t.Roots = stackWords(docs.Words, islands)
		} else {
			t.Roots = stack(t.Roots, islands, level)
		}
		if len(islands) <= o.MaxTop {
			t.Links = linkIslands(d, islands, level, &o)
			break
		}
		d = assign(d, islands, o.Threads)
	}
	for _, l := range t.Links {
		t.Roots[l.Child].P = l.P
	}
	if o.GlobalEM != NoGlobalEM {
		if err := globalEM(ctx, t, docs, &o); err != nil {
			return nil, err
		}
	}
	settle(t)
	orderStates(t)
	name(t)
	if o.GlobalEM != BatchGlobalEM { // whose M step has smoothed already
		smooth(t, float64(docs.N))
	}
	settle(t) // states have changed places
	t.Notes = remarks(t, docs)
	return t, nil
}

// remarks say where a tree is not what it looks like.
func remarks(t *Tree, docs *Documents) []string {
	if docs.Distinct() == 1 {
		return []string{fmt.Sprintf("all %d documents are the same: nothing tells their words apart, and the groups mean nothing", docs.N)}
	}
	if len(docs.rows.item) == docs.Distinct() {
		return []string{"no two words are ever in one document: nothing tells what belongs together, and the groups mean nothing"}
	}
	var levels []string
	least, all := 0, 0 // groups of three: no island has fewer, whatever the documents say
	for level := 1; level <= t.Levels(); level++ {
		groups, threes := t.Latents(level), 0
		for _, z := range groups {
			if len(z.Words)+len(z.Children) == 3 {
				threes++
			}
		}
		const few = 20 // of which nothing can be said
		if len(groups) >= few && 10*threes >= 9*len(groups) {
			levels = append(levels, strconv.Itoa(level))
			least, all = least+threes, all+len(groups)
		}
	}
	if levels == nil {
		return nil
	}
	return []string{fmt.Sprintf("level %s: %d of %d groups have three members, the fewest that there can be: the documents hardly tell what belongs together there",
		strings.Join(levels, ", "), least, all)}
}

// stackWords makes the latents of level 1.
func stackWords(words []string, islands []island) []*Node {
	nodes := make([]*Node, len(islands))
	for i, s := range islands {
		z := &Node{Level: 1, P: [2]float64{s.prior, s.prior}}
		for j, v := range s.vars {
			z.Words = append(z.Words, Word{Name: words[v], P: s.p[j]})
		}
		nodes[i] = z
	}
	return nodes
}

// stack makes the latents of a level above the one below, whose priors give way to
// what the islands say.
func stack(below []*Node, islands []island, level int) []*Node {
	nodes := make([]*Node, len(islands))
	for i, s := range islands {
		z := &Node{Level: level, P: [2]float64{s.prior, s.prior}}
		for j, v := range s.vars {
			below[v].P = s.p[j]
			z.Children = append(z.Children, below[v])
		}
		nodes[i] = z
	}
	return nodes
}

// settle copies to the Links what the parameters of their children have become, and
// computes the marginals.
func settle(t *Tree) {
	for i := range t.Links {
		t.Links[i].P = t.Roots[t.Links[i].Child].P
	}
	t.setMarginals()
}

// orderStates makes state 1 of every latent the one under which its three most
// informative words are more probable, as the authors do.
func orderStates(t *Tree) {
	linked := make([][]*Node, len(t.Roots))
	for _, l := range t.Links {
		linked[l.Parent] = append(linked[l.Parent], t.Roots[l.Child])
	}
	for i, z := range t.Roots {
		orderBelow(z, linked[i])
	}
}

// orderBelow orders the states of z and all below it, and returns P(w=1|Z=0),
// P(w=1|Z=1) of its words. linked are further latents whose parent is z.
func orderBelow(z *Node, linked []*Node) [][2]float64 {
	var words [][2]float64
	for _, w := range z.Words {
		words = append(words, w.P)
	}
	for _, c := range z.Children {
		for _, w := range orderBelow(c, nil) {
			words = append(words, [2]float64{
				float64((1-c.P[0])*w[0]) + float64(c.P[0]*w[1]),
				float64((1-c.P[1])*w[0]) + float64(c.P[1]*w[1]),
			})
		}
	}

	// The three words with the most information about z, the first of equals.
	type ranked struct {
		p  [2]float64
		mi float64
	}
	var top []ranked
	for _, p := range words {
		mi := mutualInformation(1, z.Marginal, float64((1-z.Marginal)*p[0])+float64(z.Marginal*p[1]), z.Marginal*p[1])
		at := len(top)
		for at > 0 && top[at-1].mi < mi {
			at--
		}
		if at < 3 {
			top = slices.Insert(top, at, ranked{p, mi})
			top = top[:min(3, len(top))]
		}
	}
	severity := 0.0
	for _, w := range top {
		severity += elementary.Log(w.p[1]) - elementary.Log(w.p[0])
	}
	if !(severity < 0) {
		return words
	}

	z.P[0], z.P[1] = 1-z.P[0], 1-z.P[1]
	z.Marginal = 1 - z.Marginal
	for i, w := range z.Words {
		z.Words[i].P = swapped(w.P)
	}
	for _, c := range slices.Concat(z.Children, linked) {
		c.P = swapped(c.P)
	}
	for i := range words {
		words[i] = swapped(words[i])
	}
	return words
}

func swapped(p [2]float64) [2]float64 { return [2]float64{p[1], p[0]} }

// name numbers the latents of every level from 1, in depth-first order: Z21 is the
// first of level 2. Above level 9 a line keeps the two numbers apart.
func name(t *Tree) {
	var last []int // per level
	var visit func(z *Node)
	visit = func(z *Node) {
		for len(last) <= z.Level {
			last = append(last, 0)
		}
		last[z.Level]++
		z.ID = fmt.Sprintf("Z%d%d", z.Level, last[z.Level])
		if z.Level > 9 {
			z.ID = fmt.Sprintf("Z%d_%d", z.Level, last[z.Level])
		}
		for _, c := range z.Children {
			visit(c)
		}
	}
	for _, z := range t.Roots {
		visit(z)
	}
}

// smooth moves every probability a little towards 1/2, as one more document for each
// state would.
func smooth(t *Tree, n float64) {
	each := func(p *[2]float64) {
		for i := range p {
			p[i] = (float64(p[i]*n) + 1) / (n + 2)
		}
	}
	var visit func(z *Node)
	visit = func(z *Node) {
		each(&z.P)
		for i := range z.Words {
			each(&z.Words[i].P)
		}
		for _, c := range z.Children {
			visit(c)
		}
	}
	for _, z := range t.Roots {
		visit(z)
	}
}
