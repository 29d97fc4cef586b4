package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

func newTreeCut() *cobra.Command {
	var f wordFlags
	var level int
	var asJSON bool
	c := &cobra.Command{
		Use:   "cut [flags] [TREE]",
		Short: "Group classes into confusion clusters",
		Long: `Group classes, or words, by the latent of a level that they belong to, in order of first
appearance: at level 1 into confusion clusters. Without TREE the embedded tree of ImageNet's
classes is cut, without classes or words the whole of it.`,
		Example: `  cwox tree cut tree.json --classes 486,402,420,889,546 --json
  cwox tree cut --level 2`,
		Args: oneTree,
		RunE: func(c *cobra.Command, args []string) error {
			tree, _, err := readTree(args)
			if err != nil {
				return err
			}
			names, err := f.names(tree)
			if err != nil {
				return err
			}
			words, err := f.chosen(c, names)
			if err != nil {
				return err
			}
			label := labelled(names)
			if words == nil {
				words = tree.Words()
			}
			if level > tree.Levels() {
				return usage(c, "--level %d: the tree has levels 1 to %d", level, tree.Levels())
			}
			groups, err := tree.Cut(words, level)
			if err != nil {
				return err
			}
			if asJSON {
				return printGroups(words, groups)
			}
			for i, group := range groups {
				members := make([]string, len(group))
				for k, w := range group {
					if members[k] = words[w]; label(words[w]) != "" {
						members[k] = fmt.Sprintf("%s (%s)", label(words[w]), words[w])
					}
				}
				stdout.Printf("%d: %s\n", i+1, strings.Join(members, ", "))
			}
			return nil
		},
	}
	f.add(c)
	f.complete(c, "classes")
	c.Flags().IntVar(&level, "level", 1, "level of the tree to cut at")
	c.Flags().BoolVar(&asJSON, "json", false, "print lists of classes, or of words where not all stand for classes")
	return c
}

// printGroups prints [[486,889],[402,420,546]], words instead where they are no classes.
func printGroups(words []string, groups [][]int) error {
	if classes, ok := classesOf(words); ok {
		return printJSON(grouped(classes, groups))
	}
	return printJSON(grouped(words, groups))
}

func grouped[T any](items []T, groups [][]int) [][]T {
	out := make([][]T, len(groups))
	for i, group := range groups {
		for _, k := range group {
			out[i] = append(out[i], items[k])
		}
	}
	return out
}
