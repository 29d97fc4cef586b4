package main

import (
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"cwox/internal/place"
)

func newTreeConvert() *cobra.Command {
	var f wordFlags
	var to, out string
	formats := []string{"tree", "nodes", "bif", "partition"}
	c := &cobra.Command{
		Use:   "convert [flags] [TREE] -o FILE --to FORMAT",
		Short: "Write a label tree in another format",
		Long: `Read a tree (tree.json, the authors' nodes.json or .bif, told apart by content; without
TREE the embedded one) and write it as
  tree       our tree.json, with everything there is to know
  nodes      nodes.json, which the authors' web page and scripts read
  bif        a Bayesian network, in the form the authors' program writes
  partition  per level, the words of every latent`,
		Example: `  cwox tree convert nodes.json -o tree.json --to tree
  cwox tree convert tree.json -o tree.bif --to bif`,
		Args: oneTree,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case out == "":
				return usage(c, "-o FILE: name the file to write")
			case !slices.Contains(formats, to):
				return usage(c, "--to %q: want %s", to, strings.Join(formats, ", "))
			}
			tree, _, err := readTree(args)
			if err != nil {
				return err
			}
			names, err := f.names(tree)
			if err != nil {
				return err
			}
			write := tree.WriteJSON
			switch to {
			case "nodes":
				write = func(w io.Writer) error { return tree.WriteNodes(w, labelled(names)) }
			case "bif":
				write = tree.WriteBIF
			case "partition":
				write = tree.WritePartition
			}
			return place.Write(out, place.Gzip(out, write))
		},
	}
	s := c.Flags()
	s.StringVarP(&out, "output", "o", "", "file to write")
	s.StringVar(&to, "to", "", "format: "+strings.Join(formats, ", "))
	f.addLabels(c)
	_ = c.RegisterFlagCompletionFunc("to", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
	return c
}
