package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/classname"
	"cwox/hlta"
	"cwox/internal/drawnworld"
	"cwox/nn/zoo"
)

func newTree() *cobra.Command {
	c := &cobra.Command{
		Use:   "tree",
		Short: "Learn, show, cut and convert label trees",
		Long: `A label tree is a hierarchical latent tree model over a classifier's classes, learned from
which of them appear together. Its cut at level 1 groups classes into confusion clusters.`,
		Example: `  cwox tree learn docs.txt.gz -o tree.json
  cwox tree show --classes 486,889,402,420,546
  cwox tree show tree.json -o tree.html
  cwox tree show demo
  cwox tree cut tree.json --classes 486,402,420,889,546 --json
  cwox tree convert tree.json -o nodes.json --to nodes`,
		Args:                       cobra.ArbitraryArgs,
		SuggestionsMinimumDistance: 2,
		RunE:                       helpOrSuggest,
	}
	c.AddCommand(newTreeLearn(), newTreeShow(), newTreeCut(), newTreeConvert())
	return c
}

// oneTree is a validator of the arguments of commands that read a tree.
func oneTree(c *cobra.Command, args []string) error {
	if len(args) > 1 {
		return usage(c, "%s: want one tree, got %d arguments", c.CommandPath(), len(args))
	}
	return nil
}

// readTree reads the tree that was named, or takes the embedded one. "demo" is the demo
// network's, where no file has that name.
func readTree(args []string) (tree *hlta.Tree, name string, err error) {
	if len(args) == 0 {
		return cwox.EmbeddedTree(), "embedded tree", nil
	}
	if _, err := os.Stat(args[0]); args[0] == zoo.Demo && err != nil {
		return cwox.DemoTree(), "demo tree", nil
	}
	tree, err = hlta.ReadTree(args[0])
	return tree, filepath.Base(args[0]), err
}

// useTree makes the tree of --tree the one that clusters come from.
func useTree(o *cwox.Options, path string) (err error) {
	if o.Tree, _, err = readTree([]string{path}); err == nil && o.Tree != cwox.DemoTree() {
		o.TreeFile = path
	}
	return err
}

// wordFlags choose words of a tree, and name them.
type wordFlags struct {
	classes, words, labels string
	noLabels               bool
}

func (f *wordFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.classes, "classes", "", "only these classes, e.g. cello,889")
	s.StringVar(&f.words, "words", "", "only these words, e.g. c486,c889")
	f.addLabels(c)
}

// complete completes class names: those of the tree that is named, the embedded one's else.
func (f *wordFlags) complete(c *cobra.Command, flags ...string) {
	for _, flag := range flags {
		_ = c.RegisterFlagCompletionFunc(flag, func(_ *cobra.Command, args []string, text string) ([]string, cobra.ShellCompDirective) {
			tree, _, err := readTree(args)
			if err != nil {
				tree = cwox.EmbeddedTree()
			}
			names, err := f.names(tree)
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			return names.Complete(text, 100), cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
		})
	}
}

func (f *wordFlags) addLabels(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.labels, "labels", "", "class names, one a line (default: those of the embedded trees; ImageNet's where all words are classes, up to one from 500 to 999)")
	s.BoolVar(&f.noLabels, "no-labels", false, "no class names")
}

// chosen are the words asked for, in the order given; nil if none are.
func (f *wordFlags) chosen(c *cobra.Command, names *classname.Names) ([]string, error) {
	var out []string
	if f.classes != "" {
		classes, err := names.List(f.classes)
		if err != nil {
			return nil, usage(c, "--classes %s: %v", f.classes, err)
		}
		for _, class := range classes {
			out = append(out, hlta.ClassWord(class))
		}
	}
	if f.words != "" {
		for word := range strings.SplitSeq(f.words, ",") {
			if word = strings.TrimSpace(word); word == "" {
				return nil, usage(c, "--words %s: want words separated by commas", f.words)
			}
			out = append(out, word)
		}
	}
	return out, nil
}

// names are those of the classes that the words of a tree stand for.
func (f *wordFlags) names(tree *hlta.Tree) (*classname.Names, error) {
	highest, all := highestClass(tree.Words())
	var labels []string
	var synonyms [][]string
	switch {
	case f.noLabels:
	case f.labels != "":
		var err error
		if labels, synonyms, err = readNames(f.labels); err != nil {
			return nil, err
		}
		switch {
		case highest < 0:
			return nil, fmt.Errorf("%s: class names, but no word of the tree stands for a class, as c486 does", f.labels)
		case highest >= len(labels):
			return nil, fmt.Errorf("%s: %d class names, the tree has class %d", f.labels, len(labels), highest)
		}
	case tree == cwox.DemoTree():
		for _, class := range drawnworld.Classes() {
			labels = append(labels, class.Name)
		}
	case all && highest >= 500 && highest < 1000: // fewer are hardly ImageNet's
		labels = zoo.Labels(1000)
	}
	return classname.New(0, labels, synonyms), nil
}

// labelled is the function that names words, "" where there is no name.
func labelled(names *classname.Names) func(word string) string {
	return func(word string) string {
		if class, ok := hlta.ParseClassWord(word); ok {
			return names.Label(class)
		}
		return ""
	}
}

// highestClass is the highest class that a word stands for, -1 if none does, and whether all
// words stand for classes.
func highestClass(words []string) (highest int, all bool) {
	highest, all = -1, true
	for _, w := range words {
		class, ok := hlta.ParseClassWord(w)
		if !ok {
			all = false
			continue
		}
		highest = max(highest, class)
	}
	return highest, all
}

// parseEvidence reads 'cello,!c889': words of the tree or classes by number or name; those with
// ! are absent.
func parseEvidence(text string, tree *hlta.Tree, names *classname.Names) (e hlta.Evidence, err error) {
	known := map[string]bool{}
	for _, w := range tree.Words() {
		known[w] = true
	}
	for part := range strings.SplitSeq(text, ",") {
		word, absent := strings.CutPrefix(strings.TrimSpace(part), "!")
		if word == "" {
			return e, errors.New("want words or classes separated by commas, with ! before those that are absent")
		}
		if !known[word] {
			class, err := names.Find(word)
			if err != nil {
				return e, err
			}
			word = hlta.ClassWord(class)
		}
		if absent {
			e.Absent = append(e.Absent, word)
		} else {
			e.Present = append(e.Present, word)
		}
	}
	return e, nil
}

// levelSizes are the numbers of latents per level, from level 1 up.
func levelSizes(tree *hlta.Tree) []int {
	var out []int
	for level := range tree.Levels() {
		out = append(out, len(tree.Latents(level+1)))
	}
	return out
}

// classesOf turns words into the classes they stand for, if all of them do.
func classesOf(words []string) ([]int, bool) {
	var out []int
	for _, w := range words {
		class, ok := hlta.ParseClassWord(w)
		if !ok {
			return nil, false
		}
		out = append(out, class)
	}
	return out, true
}
