package hlta

import (
	"errors"
	"fmt"
)

// Restrict returns the part of the tree above some words: those words and their
// ancestors, in the tree's order. With collapse, a latent that is left with a single
// latent below it gives way to that one, whose P then is relative to the next latent
// above; cuts stay the same. An unknown word is an error that names it.
//
// The roots of the result are independent of each other: it has no Links, and every
// root has its Marginal as prior. Where that matters, as in the posterior of one
// root given words below another, ask the whole tree.
func (t *Tree) Restrict(words []string, collapse bool) (*Tree, error) {
	if len(words) == 0 {
		return nil, errors.New("hlta: no words to restrict the tree to")
	}
	x := t.indexed()
	keep := make(map[string]bool, len(words))
	for _, w := range words {
		if _, ok := x.at[w]; !ok {
			return nil, fmt.Errorf("hlta: word %q is not among the %d words of the tree", w, len(x.words))
		}
		keep[w] = true
	}
	part := &Tree{Provenance: t.Provenance, names: t.names}
	for _, r := range t.Roots {
		if r := restrict(r, [2]float64{r.Marginal, r.Marginal}, keep, collapse); r != nil {
			part.Roots = append(part.Roots, r)
		}
	}
	return part, nil
}

// restrict copies what is left of n, nil if nothing is; p is P(n=1) for each state
// of the latent that will be above it.
func restrict(n *Node, p [2]float64, keep map[string]bool, collapse bool) *Node {
	m := &Node{ID: n.ID, Level: n.Level, P: p, Marginal: n.Marginal}
	for _, w := range n.Words {
		if keep[w.Name] {
			m.Words = append(m.Words, w)
		}
	}
	for _, c := range n.Children {
		if c := restrict(c, c.P, keep, collapse); c != nil {
			m.Children = append(m.Children, c)
		}
	}
	switch {
	case len(m.Words) == 0 && len(m.Children) == 0:
		return nil
	case collapse && len(m.Children) == 1:
		c := m.Children[0]
		c.P = [2]float64{total(c.P, p[0]), total(c.P, p[1])}
		return c
	}
	return m
}
