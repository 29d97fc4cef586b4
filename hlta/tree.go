package hlta

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
)

// Tree is a hierarchical latent tree model: a forest of binary latent variables
// whose leaves are words. It is immutable once built.
//
// The levels of a tree count from the words: a latent of level 1 has words as
// children, a latent above it has latents of lower levels (of the next lower level,
// unless single children were left out: see [Tree.Restrict]).
type Tree struct {
	Roots []*Node // the latents of the highest level, in order
	// Links join the top-level latents into a tree (Chow-Liu); empty in trees
	// read from nodes.json, which do not store them.
	Links []Link
	// Provenance says where the tree came from; it is written to tree.json.
	Provenance Provenance
	// Notes are what Learn found to be wrong with the documents: where the groups of the
	// tree mean little. They are not written to tree.json.
	Notes []string

	names map[string]string // of words, as a nodes.json gives them
	once  sync.Once
	index *treeIndex // made on first use: see indexed
}

// Link is an edge between two top-level latents.
type Link struct {
	Parent, Child int        // indices into Roots
	P             [2]float64 // P(child=1 | parent=0), P(child=1 | parent=1)
}

// Node is a binary latent variable. State 1 is the "topic on" state.
type Node struct {
	ID    string // "Z136": Z, level, running index within the level
	Level int    // 1 for the parents of words
	// P is P(Z=1 | parent=0), P(Z=1 | parent=1), along an edge or a Link; a root
	// without an incoming Link has its prior P(Z=1) in both. NaN where the source did
	// not store it (nodes.json).
	P [2]float64
	// Marginal is P(Z=1).
	Marginal float64
	Children []*Node // latents of lower levels; empty at level 1
	Words    []Word  // at level 1 only
}

// Word is an observed binary variable: the child of a level-1 latent.
type Word struct {
	Name string     // "c486"
	P    [2]float64 // P(w=1 | Z=0), P(w=1 | Z=1); P[1] is NaN in trees read from nodes.json
}

// Provenance records how a tree was made. Empty fields are not written.
type Provenance struct {
	Program   string `json:"program,omitempty"` // "cwox 1.0.0", or what the source file says
	Method    string `json:"method,omitempty"`  // "" means latent tree analysis (Learn)
	Input     string `json:"input,omitempty"`   // base name of the documents file
	InputHash string `json:"input_sha256,omitempty"`
	Documents int    `json:"documents,omitempty"` // number of documents (N)
	Words     int    `json:"words,omitempty"`
	// Names are those of the words, "violin" of c889, where whoever made the tree knew
	// them: they tell whose classes the words are.
	Names   map[string]string `json:"names,omitempty"`
	Options *Options          `json:"options,omitempty"`
}

// Levels returns the number of levels of latents: the highest level to cut at.
func (t *Tree) Levels() int { return t.indexed().levels }

// Words returns the words in the order of the tree, depth first.
func (t *Tree) Words() []string { return slices.Clone(t.indexed().words) }

// Name is the name of a word as the tree's source gives it, "violin" of c889; "" where it gives
// none. A nodes.json has such names, a tree.json where its provenance does.
func (t *Tree) Name(word string) string {
	if name := t.Provenance.Names[word]; name != "" {
		return name
	}
	return t.names[word]
}

// Latents returns the latents of a level in the order of the tree; none where the
// tree has no such level.
func (t *Tree) Latents(level int) []*Node {
	var nodes []*Node
	for _, n := range t.indexed().latents {
		if n.Level == level {
			nodes = append(nodes, n)
		}
	}
	return nodes
}

// HasParameters says whether every conditional probability is known, which
// inference and .bif need. It is false for trees read from nodes.json.
func (t *Tree) HasParameters() bool {
	for _, n := range t.indexed().latents {
		if !known(n.P) {
			return false
		}
		for _, w := range n.Words {
			if !known(w.P) {
				return false
			}
		}
	}
	return true
}

func known(p [2]float64) bool { return !math.IsNaN(p[0]) && !math.IsNaN(p[1]) }

// treeIndex is the tree as flat lists: latents before their children, siblings in
// order; words in the order of their latents.
type treeIndex struct {
	levels  int
	latents []*Node
	parent  []int32 // of each latent, -1 for roots
	root    []int32 // of each latent: the index into Roots it descends from
	words   []string
	home    []int32 // of each word: its latent
	at      map[string]int32
}

func (t *Tree) indexed() *treeIndex {
	t.once.Do(func() {
		x := &treeIndex{at: map[string]int32{}}
		for i, r := range t.Roots {
			x.add(r, -1, int32(i))
		}
		t.index = x
	})
	return t.index
}

func (x *treeIndex) add(n *Node, parent, root int32) {
	me := int32(len(x.latents))
	x.latents = append(x.latents, n)
	x.parent = append(x.parent, parent)
	x.root = append(x.root, root)
	x.levels = max(x.levels, n.Level)
	for _, w := range n.Words {
		x.at[w.Name] = int32(len(x.words))
		x.words = append(x.words, w.Name)
		x.home = append(x.home, me)
	}
	for _, c := range n.Children {
		x.add(c, me, root)
	}
}

// ancestor returns the latent that word i belongs to at a level: the highest one
// above the word whose level is not above the wanted one.
func (x *treeIndex) ancestor(i int32, level int) int32 {
	z := x.home[i]
	for p := x.parent[z]; p >= 0 && x.latents[p].Level <= level; p = x.parent[z] {
		z = p
	}
	return z
}

// setMarginals computes Marginal of every latent from the parameters.
func (t *Tree) setMarginals() {
	var down func(n *Node, p float64)
	down = func(n *Node, p float64) {
		n.Marginal = p
		for _, c := range n.Children {
			down(c, total(c.P, p))
		}
	}
	for _, e := range t.rootOrder() {
		if e.parent < 0 {
			down(t.Roots[e.root], t.Roots[e.root].P[1])
		} else {
			down(t.Roots[e.root], total(t.Roots[e.root].P, t.Roots[e.parent].Marginal))
		}
	}
}

// total is P(child=1) where P(parent=1) is p. The conversions forbid fused
// multiply-add, so that every machine gets the same bits.
func total(cpt [2]float64, p float64) float64 {
	return float64(cpt[0]*(1-p)) + float64(cpt[1]*p)
}

// rootEdge is a root with the root that a Link to it starts at, -1 if there is none.
type rootEdge struct{ root, parent int }

// rootOrder returns the roots such that each comes after the one its Link starts at.
// Where the Links form a cycle the roots on it and behind it are missing.
func (t *Tree) rootOrder() []rootEdge {
	linked := make([]bool, len(t.Roots))
	from := make([][]int, len(t.Roots))
	for _, l := range t.Links {
		linked[l.Child] = true
		from[l.Parent] = append(from[l.Parent], l.Child)
	}
	var order []rootEdge
	for i := range t.Roots {
		if linked[i] {
			continue
		}
		order = append(order, rootEdge{i, -1})
		for at := len(order) - 1; at < len(order); at++ {
			for _, child := range from[order[at].root] {
				order = append(order, rootEdge{child, order[at].root})
			}
		}
	}
	return order
}

// Bounds on a tree that comes from outside.
const (
	maxLevels    = 64      // a level has at most half as many latents as the one below
	maxVariables = 1 << 19 // words and latents together
)

// check says what is wrong with a tree that comes from outside: levels, names that
// are not names or occur twice, latents without words, probabilities outside
// [0,1], links that are not a forest over the roots.
func (t *Tree) check() error {
	if len(t.Roots) == 0 {
		return errors.New("the tree is empty")
	}
	c := treeCheck{seen: map[string]string{}}
	for _, r := range t.Roots {
		if err := c.node(r, maxLevels+1); err != nil {
			return err
		}
	}
	return t.checkLinks()
}

// treeCheck knows which names were seen, and what has them.
type treeCheck struct {
	seen map[string]string
	n    int // latents and words
}

func (c *treeCheck) node(n *Node, above int) error {
	if err := c.name("latent", n.ID); err != nil {
		return err
	}
	switch {
	case n.Level < 1:
		return fmt.Errorf("latent %q: level %d, want at least 1", n.ID, n.Level)
	case n.Level >= above && above > maxLevels:
		return fmt.Errorf("latent %q: level %d, want at most %d", n.ID, n.Level, maxLevels)
	case n.Level >= above:
		return fmt.Errorf("latent %q: level %d, but its parent is of level %d", n.ID, n.Level, above)
	case n.Level == 1 && len(n.Children) > 0:
		return fmt.Errorf("latent %q: level 1, but it has %d latents as children", n.ID, len(n.Children))
	case n.Level == 1 && len(n.Words) == 0:
		return fmt.Errorf("latent %q: level 1, but it has no words", n.ID)
	case n.Level > 1 && len(n.Words) > 0:
		return fmt.Errorf("latent %q: level %d, but it has %d words of its own", n.ID, n.Level, len(n.Words))
	case n.Level > 1 && len(n.Children) == 0:
		return fmt.Errorf("latent %q: level %d, but it has no children", n.ID, n.Level)
	}
	if err := checkP(n.P[0], n.P[1], n.Marginal); err != nil {
		return fmt.Errorf("latent %q: %w", n.ID, err)
	}
	for _, w := range n.Words {
		if err := c.name("word", w.Name); err != nil {
			return fmt.Errorf("latent %q: %w", n.ID, err)
		}
		if err := checkP(w.P[:]...); err != nil {
			return fmt.Errorf("word %q: %w", w.Name, err)
		}
	}
	for _, child := range n.Children {
		if err := c.node(child, n.Level); err != nil {
			return err
		}
	}
	return nil
}

// name checks the name of a latent or word. Words and latents share one name space
// since .bif has only one.
func (c *treeCheck) name(kind, name string) error {
	if c.n++; c.n > maxVariables {
		return fmt.Errorf("more than %d latents and words", maxVariables)
	}
	if err := checkName([]byte(name)); err != nil {
		return fmt.Errorf("%s %q %w", kind, name, err)
	}
	if other, ok := c.seen[name]; ok {
		return fmt.Errorf("%s %q occurs twice (before as a %s)", kind, name, other)
	}
	c.seen[name] = kind
	return nil
}

func checkP(p ...float64) error {
	for _, p := range p {
		if !math.IsNaN(p) && !(p >= 0 && p <= 1) {
			return fmt.Errorf("probability %v, want 0 to 1", p)
		}
	}
	return nil
}

func (t *Tree) checkLinks() error {
	linkOf := make([]int, len(t.Roots)) // of each root: 1 + the Link that leads to it
	for i, l := range t.Links {
		if l.Parent < 0 || l.Parent >= len(t.Roots) || l.Child < 0 || l.Child >= len(t.Roots) {
			return fmt.Errorf("link %d -> %d: the tree has %d roots", l.Parent, l.Child, len(t.Roots))
		}
		if other := linkOf[l.Child]; other > 0 {
			return fmt.Errorf("links lead to %q from both %q and %q", t.Roots[l.Child].ID, t.Roots[t.Links[other-1].Parent].ID, t.Roots[l.Parent].ID)
		}
		linkOf[l.Child] = i + 1
		if err := checkP(l.P[:]...); err != nil {
			return fmt.Errorf("link %q -> %q: %w", t.Roots[l.Parent].ID, t.Roots[l.Child].ID, err)
		}
	}
	if n := len(t.rootOrder()); n < len(t.Roots) {
		return fmt.Errorf("the links between %d of the %d roots form a cycle", len(t.Roots)-n, len(t.Roots))
	}
	return nil
}
