package hlta

import (
	"fmt"
	"strings"
)

// Cut groups words by the latent of the given level that they belong to: the
// confusion clusters of a list of labels are its cut at level 1. A group is the
// indices into words of its members in their order; groups are in order of first
// appearance. An unknown or repeated word and a level that the tree does not have
// are errors that name it.
func (t *Tree) Cut(words []string, level int) ([][]int, error) {
	x := t.indexed()
	if level < 1 || level > x.levels {
		return nil, fmt.Errorf("hlta: level %d: the tree has levels 1 to %d", level, x.levels)
	}
	groups := [][]int{}
	groupOf := make(map[int32]int, len(words))
	seen := make(map[int32]bool, len(words))
	for i, w := range words {
		at, ok := x.at[w]
		if !ok {
			return nil, fmt.Errorf("hlta: word %q is not among the %d words of the tree", w, len(x.words))
		}
		if seen[at] {
			return nil, fmt.Errorf("hlta: word %q is given twice", w)
		}
		seen[at] = true
		z := x.ancestor(at, level)
		g, ok := groupOf[z]
		if !ok {
			g = len(groups)
			groupOf[z] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	return groups, nil
}

// CutClasses is [Tree.Cut] for classes, whose words are those of [ClassWord]: it
// groups the classes themselves.
func (t *Tree) CutClasses(classes []int, level int) ([][]int, error) {
	words := make([]string, len(classes))
	for i, c := range classes {
		if c < 0 {
			return nil, fmt.Errorf("hlta: class %d is negative", c)
		}
		words[i] = ClassWord(c)
	}
	groups, err := t.Cut(words, level)
	for _, g := range groups {
		for i := range g {
			g[i] = classes[g[i]]
		}
	}
	return groups, err
}

// ClassWord returns the word that stands for a class: "c007", "c1234".
func ClassWord(class int) string {
	if class < 0 {
		panic("hlta: negative class")
	}
	return fmt.Sprintf("c%03d", class)
}

// ParseClassWord returns the class of a word as [ClassWord] writes it, with or
// without a name behind it: 889 for "c889" and for "c889-violin".
func ParseClassWord(word string) (class int, ok bool) {
	digits, ok := strings.CutPrefix(word, "c")
	if !ok {
		return 0, false
	}
	digits, _, _ = strings.Cut(digits, "-")
	if n := len(digits); n < 3 || n > 9 || n > 3 && digits[0] == '0' {
		return 0, false
	}
	for _, d := range []byte(digits) {
		if d < '0' || d > '9' {
			return 0, false
		}
		class = 10*class + int(d-'0')
	}
	return class, true
}

// className strips the name from a word that stands for a class.
func className(word string) (string, bool) {
	if _, ok := ParseClassWord(word); !ok {
		return word, false
	}
	word, _, _ = strings.Cut(word, "-")
	return word, true
}
