package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/hlta"
	"cwox/nn/vision"
)

// explainFlags say what to explain and how; demo shares them.
type explainFlags struct {
	tree, clusters, classes    string
	level, top                 int
	cumulative                 float64
	method, explainer, variant string
	relu                       string
	delta, epsilon             float64
	settings                   settingFlags
	out                        string
}

func (f *explainFlags) add(c *cobra.Command, out string) {
	s := c.Flags()
	s.StringVar(&f.tree, "tree", "", "label tree: tree.json, nodes.json or .bif (default: the embedded one)")
	s.StringVar(&f.clusters, "clusters", "", "clusters given by hand, e.g. '[[486,889],[402,420,546]]'")
	s.IntVar(&f.level, "level", 1, "level of the tree to cut at")
	s.IntVar(&f.top, "top", 0, "explain this many top classes (default min(5, Cum(0.95)))")
	s.Float64Var(&f.cumulative, "cumulative", 0, "explain the fewest top classes whose probabilities exceed this")
	s.StringVar(&f.classes, "classes", "", "explain these classes, e.g. 486,889")
	s.StringVar(&f.method, "method", string(cwox.CWOX2s), "cwox2s, cwox1sa, cwox1sb or swox")
	s.StringVar(&f.explainer, "explainer", "gradcam", "base explainer: "+strings.Join(explainerNames, ", "))
	s.StringVar(&f.variant, "variant", string(cwox.Paper), "paper (its equations) or reference (what the authors' code does)")
	s.StringVar(&f.relu, "relu", "", "rectify base maps: on or off (default: as the variant has it)")
	s.Float64Var(&f.delta, "delta", 0, "support percentile of the reference variant (default: the authors' for the explainer)")
	s.Float64Var(&f.epsilon, "epsilon", 0, "support threshold of singleton clusters in the paper's variant")
	f.settings.add(c)
	s.StringVarP(&f.out, "output", "o", out, "folder for the results")
	complete := func(flag string, values ...string) {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete("method", "cwox2s", "cwox1sa", "cwox1sb", "swox")
	complete("explainer", explainerNames...)
	complete("variant", "paper", "reference")
	complete("relu", "on", "off")
}

// options turns the flags into options for a classifier.
func (f *explainFlags) options(c *cobra.Command, m *modelFlags, cl *cwox.Classifier) (cwox.Options, error) {
	o := cwox.Options{
		Method: cwox.Method(f.method), Variant: cwox.Variant(f.variant), ReLU: cwox.ReLU(f.relu),
		Level: f.level, TopK: f.top, Cumulative: f.cumulative, Delta: f.delta, Epsilon: f.epsilon,
		Seed: m.seed, Threads: m.threads,
	}
	var err error
	if f.clusters != "" {
		if err := json.Unmarshal([]byte(f.clusters), &o.Clusters); err != nil {
			return o, usage(c, "--clusters %s: want lists of class numbers like [[486,889],[402]]: %v", f.clusters, err)
		}
	}
	if f.classes != "" {
		if o.Classes, err = parseInts(f.classes); err != nil {
			return o, usage(c, "--classes %s: %v", f.classes, err)
		}
	}
	if f.tree != "" {
		if o.Tree, err = hlta.ReadTree(f.tree); err != nil {
			return o, err
		}
		o.TreeFile = f.tree
	} else if o.Clusters == nil {
		o.Tree = cwox.DefaultTree(cl)
	}
	if o.Explainer, err = f.settings.explainer(c, f.explainer, cl, o.Variant); err != nil {
		return o, err
	}
	return o, o.Check(cl)
}

func newExplain() *cobra.Command {
	var m modelFlags
	var f explainFlags
	c := &cobra.Command{
		Use:   "explain [flags] IMAGE...",
		Short: "Explain the classifier's output for images",
		Long: `Explain the classifier's whole output for each image (files or folders): the top classes
are grouped into confusion clusters, and heatmaps show what speaks for each cluster and
for each class against the others of its cluster.

Writes report.json, maps.safetensors, overlays and a self-contained index.html.`,
		Example: `  cwox explain photo.jpg
  cwox explain --explainer rise --rise-masks 2000 -o out photo.jpg
  cwox explain --method swox --variant reference --top 3 photos/
  cwox explain --clusters '[[486,889],[402,420,546]]' cello.jpg`,
		Args: atLeast(1, "images or folders"),
		RunE: func(c *cobra.Command, args []string) error { return explain(c, &m, &f, args) },
	}
	m.add(c)
	f.add(c, "cwox-out")
	return c
}

func explain(c *cobra.Command, m *modelFlags, f *explainFlags, args []string) error {
	start := time.Now()
	images, err := findImages(args)
	if err != nil {
		return err
	}
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	o, err := f.options(c, m, cl)
	if err != nil {
		return err
	}
	load := time.Since(start)
	p := cwox.New(cl)
	defer p.Close()
	dirs := outputFolders(f.out, images)
	var entries []report.IndexEntry
	failed := false
	for i, image := range images {
		e, err := explainOne(c.Context(), p, image, o, m)
		if err != nil {
			if c.Context().Err() != nil || len(images) == 1 {
				return err
			}
			fmt.Fprintln(os.Stderr, "cwox:", err)
			failed = true
			entries = append(entries, report.IndexEntry{File: image, Err: err.Error()})
			continue
		}
		if i == 0 {
			e.Seconds["load"] = load.Seconds()
		}
		if err := report.Write(dirs[i], e); err != nil {
			return err
		}
		if m.json {
			if err := printReport(dirs[i]); err != nil {
				return err
			}
		} else {
			describe(os.Stdout, image, e, filepath.Join(dirs[i], report.PageFile))
		}
		if len(images) > 1 {
			entry, err := report.NewIndexEntry(filepath.Base(dirs[i]), e)
			if err != nil {
				return err
			}
			entries = append(entries, entry)
		}
	}
	if len(images) > 1 {
		if err := report.WriteIndex(f.out, entries); err != nil {
			return err
		}
		if !m.json {
			fmt.Printf("All %d images: %s\n", len(images), filepath.Join(f.out, report.PageFile))
		}
	}
	if failed {
		return silent{}
	}
	return nil
}

// explainOne decodes and explains an image.
func explainOne(ctx context.Context, p *cwox.Pipeline, image string, o cwox.Options, m *modelFlags) (*cwox.Explanation, error) {
	start := time.Now()
	pic, err := vision.DecodeFile(image, m.vision())
	if err != nil {
		return nil, err
	}
	decode := time.Since(start)
	bar := newProgress(filepath.Base(image), "steps", m.quiet)
	o.Progress = func(done, total int) { bar.update(int64(done), int64(total)) }
	e, err := p.Explain(ctx, pic, o)
	m.file.Release() // gradients have packed what they need
	bar.finish()
	if err != nil {
		if ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %w", image, err)
	}
	e.File = image
	e.Seconds["decode"] = decode.Seconds()
	return e, nil
}

// outputFolders gives each image a folder: out itself for a single one, else one named after
// the image, numbered where two images share a name.
func outputFolders(out string, images []string) []string {
	if len(images) == 1 {
		return []string{out}
	}
	taken := map[string]int{}
	var dirs []string
	for _, image := range images {
		base := filepath.Base(image)
		name := strings.TrimSuffix(base, filepath.Ext(base))
		if name == "" {
			name = "image"
		}
		unique := name
		for n := 2; taken[strings.ToLower(unique)] > 0; n++ {
			unique = fmt.Sprintf("%s-%d", name, n)
		}
		taken[strings.ToLower(unique)]++
		dirs = append(dirs, filepath.Join(out, unique))
	}
	return dirs
}

// printReport copies report.json to standard output as one line.
func printReport(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, report.JSONFile))
	if err != nil {
		return err
	}
	return printJSON(json.RawMessage(text))
}

// describe prints an explanation in words.
func describe(w io.Writer, image string, e *cwox.Explanation, page string) {
	names := map[int]string{}
	prob := map[int]float64{}
	for _, t := range e.Top {
		prob[t.Class] = t.Probability
		if names[t.Class] = t.Label; t.Label == "" {
			names[t.Class] = "class " + strconv.Itoa(t.Class)
		}
	}
	fmt.Fprintf(w, "%s: %d top classes in %d confusion cluster%s\n", image, len(e.Top), len(e.Clusters), plural(len(e.Clusters)))
	for i, cluster := range e.Clusters {
		fmt.Fprintf(w, "  cluster %d   %5.1f %%\n", i+1, 100*cluster.Probability)
		for _, class := range cluster.Classes {
			fmt.Fprintf(w, "    %5.1f %%  %-28s %4d\n", 100*prob[class], names[class], class)
		}
	}
	for _, warning := range e.Warnings {
		fmt.Fprintf(w, "  note: %s\n", warning.Message)
	}
	total := 0.0
	for _, s := range e.Seconds {
		total += s
	}
	fmt.Fprintf(w, "%s by %s (%s), %.2f s: %s\n", e.Method, e.Explainer, e.Variant, total, page)
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}

// parseInts reads "486,889".
func parseInts(text string) ([]int, error) {
	var out []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(part))
		if err != nil {
			return nil, errors.New("want numbers separated by commas")
		}
		out = append(out, n)
	}
	return out, nil
}
