package labeltree

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cwox/cwox/classname"
	"cwox/hlta"
)

// Fit is a label tree whose words are known to be a model's classes.
type Fit struct {
	// Missing is the number of the model's classes that the tree lacks: of trees learned from
	// few images, those that were never among the top ones.
	Missing int

	tree  *hlta.Tree
	words []string // by class; "" where the tree lacks it
	names *classname.Names
}

// Match finds the class of each word of a tree, or says why it is the tree of another model.
// Words are names of classes (labels or synonyms, each of one class), or else numbers, as c486,
// c486-cello and 486 are. Of numbers
//
//   - every one must be a class of the model;
//   - where the tree gives names to its words, name says which, and the model has labels, more than
//     half of the names must be the same, since spellings differ and classes of another model have
//     hardly any name in common;
//   - else they must reach up far enough: so many classes drawn at random out of all would lie
//     below the highest number only once in a thousand draws where the tree is that of a model
//     with fewer classes.
//
// name may be nil, then it is hlta.Tree.Name. The number of classes must be known.
func Match(t *hlta.Tree, name func(word string) string, names *classname.Names) (*Fit, error) {
	if names.Count() < 1 {
		panic("labeltree: Match: the number of classes is not known")
	}
	if name == nil {
		name = t.Name
	}
	words := t.Words()
	f := &Fit{tree: t, names: names, words: make([]string, names.Count())}
	place := func(word string, class int) error {
		if other := f.words[class]; other != "" {
			return fmt.Errorf("the words %q and %q are both class %d", other, word, class)
		}
		f.words[class] = word
		return nil
	}
	if classes, ok := byName(words, names); ok {
		for i, w := range words {
			if err := place(w, classes[i]); err != nil {
				return nil, err
			}
		}
	} else {
		uses := map[string]int{} // of names; one of several words tells nothing
		given := make([]string, len(words))
		for i, w := range words {
			if given[i] = name(w); given[i] == "" {
				_, given[i], _ = wordClass(w)
			}
			uses[given[i]]++
		}
		highest, same, named := 0, 0, 0
		different := ""
		for i, w := range words {
			class, _, ok := wordClass(w)
			if !ok {
				return nil, f.foreign(words, f.unnamed(words), name)
			}
			if class >= names.Count() {
				return nil, f.foreign(words, fmt.Sprintf("there is no class %d", class), name)
			}
			if err := place(w, class); err != nil {
				return nil, err
			}
			highest = max(highest, class)
			if label := names.Label(class); given[i] != "" && uses[given[i]] == 1 && label != "" {
				if named++; names.Alike(class, given[i]) {
					same++
				} else if different == "" {
					different = fmt.Sprintf("class %d is %q in the tree and %q in the model", class, given[i], label)
				}
			}
		}
		switch {
		case named > 0 && 2*same <= named:
			return nil, f.foreign(words, fmt.Sprintf("only %d of %d names are the same, %s", same, named, different), name)
		case named == 0 && chance(len(words), highest+1, names.Count()) < 1e-3:
			return nil, f.foreign(words, fmt.Sprintf("the highest is class %d of the model's %d, so that they look like those of a smaller model", highest, names.Count()), name)
		}
	}
	for _, w := range f.words {
		if w == "" {
			f.Missing++
		}
	}
	return f, nil
}

// NameWords gives the words that stand for classes the classes' names, in the tree's provenance,
// so that tree.json tells whose classes they are.
func NameWords(t *hlta.Tree, names *classname.Names) {
	t.Provenance.Names = map[string]string{}
	for _, w := range t.Words() {
		if class, _, ok := wordClass(w); ok && names.Label(class) != "" {
			t.Provenance.Names[w] = names.Label(class)
		}
	}
}

// Cut groups classes by the latent of a level that they belong to: see hlta.Tree.Cut. A class
// that the tree lacks, since it never was among the top ones when the tree was learned, is a
// group of its own.
func (f *Fit) Cut(classes []int, level int) ([][]int, error) {
	var words []string
	var at []int // the places in classes that have words
	var out [][]int
	for i, c := range classes {
		if f.words[c] == "" {
			out = append(out, []int{i})
			continue
		}
		words, at = append(words, f.words[c]), append(at, i)
	}
	groups, err := f.tree.Cut(words, level)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		for i := range g {
			g[i] = at[g[i]]
		}
		out = append(out, g)
	}
	slices.SortFunc(out, func(a, b []int) int { return cmp.Compare(a[0], b[0]) })
	for _, g := range out {
		for i := range g {
			g[i] = classes[g[i]]
		}
	}
	return out, nil
}

// Lacking are those of some classes that the tree lacks.
func (f *Fit) Lacking(classes []int) []int {
	return slices.DeleteFunc(slices.Clone(classes), func(c int) bool { return f.words[c] != "" })
}

// byName are the classes of words that are all names.
func byName(words []string, names *classname.Names) ([]int, bool) {
	classes := make([]int, len(words))
	for i, w := range words {
		named := names.Named(w)
		if len(named) != 1 {
			return nil, false
		}
		classes[i] = named[0]
	}
	return classes, true
}

// unnamed says which word is not the name of one class.
func (f *Fit) unnamed(words []string) string {
	for _, w := range words {
		switch named := f.names.Named(w); len(named) {
		case 0:
			return fmt.Sprintf("%q is the name of no class of the model", w)
		case 1:
		default:
			return fmt.Sprintf("%q is the name of several classes of the model, %v", w, named)
		}
	}
	return "the words are neither all names nor all numbers"
}

// wordClass reads c486, c486-cello and 486.
func wordClass(word string) (class int, name string, ok bool) {
	if class, ok = hlta.ParseClassWord(word); ok {
		_, name, _ = strings.Cut(word, "-")
		return class, strings.ReplaceAll(name, "_", " "), true
	}
	if len(word) > 9 || strings.Trim(word, "0123456789") != "" {
		return 0, "", false
	}
	class, err := strconv.Atoi(word)
	return class, "", err == nil
}

// chance is the probability that so many different numbers drawn out of 0..all-1 all lie below a
// bound: C(below, drawn) / C(all, drawn).
func chance(drawn, below, all int) float64 {
	p := 1.0
	for i := range drawn {
		p *= float64(below-i) / float64(all-i)
	}
	return p
}

// foreign says that words are not the model's classes: both sets, and what to do.
func (f *Fit) foreign(words []string, why string, name func(string) string) error {
	const some = 3
	var tree, model []string
	words = slices.Sorted(slices.Values(words))
	for _, w := range words[:min(some, len(words))] {
		if given := name(w); given != "" {
			w += " (" + given + ")"
		}
		tree = append(tree, w)
	}
	for c := range min(some, f.names.Count()) {
		model = append(model, describe(f.names, c))
	}
	return fmt.Errorf("it is not a tree of this model's classes: it has %d words such as %s, the model has %d classes such as %s; %s. "+
		"Make one with 'cwox documents IMAGES -o docs.txt' and 'cwox tree learn docs.txt -o tree.json', or leave --tree out: clusters then come from the model's weights",
		len(words), strings.Join(tree, ", "), f.names.Count(), strings.Join(model, ", "), why)
}

// describe names a class: "486 (cello)".
func describe(names *classname.Names, class int) string {
	if label := names.Label(class); label != "" {
		return fmt.Sprintf("%d (%s)", class, label)
	}
	return fmt.Sprintf("class %d", class)
}
