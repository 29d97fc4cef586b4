package hlta

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"slices"
)

// Group is a latent with the words below it.
type Group struct {
	ID    string
	Words []string
}

// Partition returns all words grouped by the latent of the given level, in the
// order of the tree. A level that the tree does not have is an error.
func (t *Tree) Partition(level int) ([]Group, error) {
	words := t.Words()
	cut, err := t.Cut(words, level)
	if err != nil {
		return nil, err
	}
	x := t.indexed()
	groups := make([]Group, len(cut))
	for g, members := range cut {
		groups[g].ID = x.latents[x.ancestor(int32(members[0]), level)].ID
		for _, i := range members {
			groups[g].Words = append(groups[g].Words, words[i])
		}
	}
	return groups, nil
}

// WritePartition writes a JSON array with one object per level, from level 1 on:
// the words (sorted) of every latent (sorted by identifier).
func (t *Tree) WritePartition(w io.Writer) error {
	b := bufio.NewWriter(w) // remembers the first error
	for level := 1; level <= t.Levels(); level++ {
		groups, err := t.Partition(level)
		if err != nil {
			return err
		}
		words := map[string][]string{}
		for _, g := range groups {
			slices.Sort(g.Words)
			words[g.ID] = g.Words
		}
		separator := "[{"
		if level > 1 {
			separator = ",\n{"
		}
		for _, id := range slices.Sorted(maps.Keys(words)) {
			fmt.Fprintf(b, "%s\n %s: %s", separator, jsonOf(id), jsonOf(words[id]))
			separator = ","
		}
		b.WriteString("}")
	}
	b.WriteString("]\n")
	return b.Flush()
}
