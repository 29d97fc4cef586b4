package hlta

// Tree is a hierarchical latent tree model: a forest of binary latent variables
// whose leaves are words. It is immutable once built.
type Tree struct {
	Roots []*Node // the latents of the highest level, in order
	// Links join the top-level latents into a tree (Chow-Liu); empty in trees
	// read from nodes.json, which do not store them.
	Links []Link
	// Provenance says where the tree came from; it is written to tree.json.
	Provenance Provenance
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
	// P is P(Z=1 | parent=0), P(Z=1 | parent=1); a root without an incoming Link
	// has its prior P(Z=1) in both. NaN where the source did not store it (nodes.json).
	P [2]float64
	// Marginal is P(Z=1).
	Marginal float64
	Children []*Node // latents of the level below; empty at level 1
	Words    []Word  // at level 1 only
}

// Word is an observed binary variable: the child of a level-1 latent.
type Word struct {
	Name string     // "c486"
	P    [2]float64 // P(w=1 | Z=0), P(w=1 | Z=1); P[1] is NaN in trees read from nodes.json
}

// Provenance records how a tree was made. Empty fields are not written.
type Provenance struct {
	Program   string   `json:"program,omitempty"` // "cwox 1.0.0", or what the source file says
	Input     string   `json:"input,omitempty"`   // base name of the documents file
	InputHash string   `json:"input_sha256,omitempty"`
	Documents int      `json:"documents,omitempty"` // number of documents (N)
	Words     int      `json:"words,omitempty"`
	Options   *Options `json:"options,omitempty"`
}
