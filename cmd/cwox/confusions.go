package main

import (
	"errors"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"cwox/cwox"
	"cwox/cwox/dataset"
	"cwox/cwox/report"
)

// trueFolders is the value of --truth that takes the folders' names.
const trueFolders = "folders"

type confusionsFlags struct {
	truth, tree, explainer, out string
	level, examples             int
	settings                    settingFlags
	restart                     bool
	shard                       shardFlag
}

func newConfusions() *cobra.Command {
	var m modelFlags
	var f confusionsFlags
	c := &cobra.Command{
		Use:   "confusions [flags] DIR|LIST",
		Short: "What a classifier confuses in images whose true classes are known",
		Long: `Compare what the classifier says of the images of a folder (or of a list) with what they
are, and group the mistakes by confusion clusters: a page with a confusion matrix for each
group of classes and the pictures behind each of its cells, the most confident mistakes
first, each with the two maps that contrast what it is with what it was called.

The true class is the name (or number) of the image's folder, or comes from a CSV file with
the columns image and class. Also writes confusions.json, and confusions.csv with a line for
each mistake. The same command goes on where it stopped.

` + shardHelp + `
Merging shards of confusions explains the mistakes, too: it needs weights and images where the
shards found them, and takes the shards' flags.`,
		Example: `  cwox confusions --weights finetuned.pth -o confused validation/
  cwox confusions --truth labels.csv -o confused photos/
  cwox confusions --explainer mwp --examples 300 -o confused validation/`,
		Args: exactly(1, "a folder or a list of images"),
		RunE: func(c *cobra.Command, args []string) error { return confusions(c, &m, &f, args[0]) },
	}
	m.add(c)
	s := c.Flags()
	s.StringVar(&f.truth, "truth", trueFolders, "true classes: folders (their names), or a CSV file with the columns image and class")
	s.StringVar(&f.tree, "tree", "", "label tree: tree.json, nodes.json or .bif (default: the embedded one for ImageNet's classes, else the last layer's weights)")
	s.IntVar(&f.level, "level", 1, "level of the tree to cut at")
	s.IntVar(&f.examples, "examples", 120, "explain and show this many mistakes at most, 0 for none")
	s.StringVar(&f.explainer, "explainer", "gradcam", "base explainer of the maps")
	f.settings.add(c)
	f.shard.add(c)
	s.BoolVar(&f.restart, "restart", false, "begin anew, whatever an earlier run has left")
	s.StringVarP(&f.out, "output", "o", "", "folder for the results")
	_ = c.RegisterFlagCompletionFunc("explainer", cobra.FixedCompletions(explainerNames, cobra.ShellCompDirectiveNoFileComp))
	return c
}

func confusions(c *cobra.Command, m *modelFlags, f *confusionsFlags, source string) error {
	switch {
	case f.out == "":
		return usage(c, "-o DIR: name the folder for the results")
	case f.examples == 0:
		f.examples = -1
	}
	shard, err := f.shard.read(c)
	if err := errors.Join(err, m.check(c), f.settings.check(c, f.explainer), refuseOthers(f.out, confusedSet)); err != nil {
		return err
	}
	start := time.Now()
	images, err := listImages(source)
	if err != nil {
		return err
	}
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	var truth []int
	if f.truth == trueFolders {
		truth, err = dataset.TrueFolders(images, cl.Names())
	} else {
		truth, err = dataset.TrueTable(f.truth, images, cl.Names())
	}
	if err != nil {
		return err
	}
	o := dataset.ConfusionsOptions{Examples: f.examples, Title: "What " + cl.Arch.Name + " confuses in " + filepath.Base(source)}
	o.Documents = dataset.DocumentsOptions{Threads: m.threads, Decode: m.vision(), Restart: f.restart, Shard: shard}
	o.Explain = cwox.Options{Level: f.level, Seed: m.seed, Threads: m.threads}
	if o.Explain.Explainer, err = f.settings.explainer(c, f.explainer, cl, cwox.Paper); err != nil {
		return err
	}
	if o.Explain.Tree = cwox.DefaultTree(cl); f.tree != "" {
		if err := useTree(&o.Explain, f.tree); err != nil {
			return err
		}
	}
	bars := phases{quiet: m.quiet, units: map[string]string{dataset.PhaseCheck: "images", dataset.PhaseLabel: "images", dataset.PhaseExplain: "mistakes"}}
	o.Progress = bars.update
	if shard.Of > 0 {
		o.Documents.Progress = bars.update
		r, err := dataset.LabelConfusions(c.Context(), cl, images, f.out, o.Documents, callOf(c, source))
		bars.finish()
		if err != nil {
			return goesOn(c, err)
		}
		return shardDone{f.out, shard, r.Images, r.Unreadable, r.FirstError, start}.say(m)
	}
	found, err := dataset.WriteConfusions(c.Context(), cl, images, truth, f.out, o)
	bars.finish()
	if err != nil {
		return goesOn(c, err)
	}
	if m.json {
		return printJSON(found)
	}
	stdout.Printf("%d of %d images are recognised (%d unreadable, %d without a true class): %s\n", found.Correct, found.Images,
		found.Unreadable, found.Unknown, filepath.Join(f.out, report.PageFile))
	return nil
}

// callOf is how a command was called, but for where its results go and how it is done.
func callOf(c *cobra.Command, source string) (args []string) {
	c.Flags().Visit(func(f *pflag.Flag) {
		if !slices.Contains([]string{"output", "shard", "restart", "threads", "quiet", "json"}, f.Name) {
			args = append(args, "--"+f.Name+"="+f.Value.String())
		}
	})
	return append(args, "--", source)
}
