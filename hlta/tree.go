package hlta

// Tree is a forest of latent variables over words. Level 1 latents own words;
// the roots are the latents of the highest level.
type Tree struct {
	Roots []*Node
}

// Node is a latent variable.
type Node struct {
	ID       string
	Level    int     // 1 for the parents of words
	Prob     float64 // P(state 1)
	Children []*Node // latents of the level below; empty at level 1
	Words    []Word  // at level 1 only
}

// Word is an observed binary variable under a level-1 latent.
type Word struct {
	Name string // "c486"
}
