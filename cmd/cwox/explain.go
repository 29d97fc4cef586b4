package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/dataset"
	"cwox/cwox/report"
	"cwox/hlta"
	"cwox/internal/say"
)

// explainFlags say what to explain and how; demo shares them.
type explainFlags struct {
	tree, learnTree            string
	clusters, classes          string
	level, top                 int
	cumulative                 float64
	method, explainer, variant string
	relu                       string
	delta, epsilon             float64
	settings                   settingFlags
	out                        string
	overwrite, effects         bool
}

func (f *explainFlags) add(c *cobra.Command, out string) {
	f.addWhat(c)
	s := c.Flags()
	s.StringVarP(&f.out, "output", "o", out, "folder for the results")
	s.BoolVar(&f.effects, "effects", true, "erase what each map marks and tell what becomes of the probabilities")
	s.BoolVar(&f.overwrite, "overwrite", false, "replace results of another run in the folder")
}

// addWhat adds the flags that say what to explain and how.
func (f *explainFlags) addWhat(c *cobra.Command) {
	s := c.Flags()
	s.StringVar(&f.tree, "tree", "", "label tree: tree.json, nodes.json or .bif (default: the embedded one for ImageNet's classes, else the last layer's weights)")
	s.StringVar(&f.learnTree, "learn-tree", "", "learn the label tree from the images of this folder first")
	s.StringVar(&f.clusters, "clusters", "", `clusters given by hand, e.g. '[["cello","violin"],[402,420,546]]'`)
	s.IntVar(&f.level, "level", 1, "level of the tree to cut at")
	s.IntVar(&f.top, "top", 0, "explain this many top classes (default min(5, Cum(0.95)))")
	s.Float64Var(&f.cumulative, "cumulative", 0, "explain the fewest top classes whose probabilities exceed this")
	s.StringVar(&f.classes, "classes", "", "explain these classes, e.g. cello,889")
	s.StringVar(&f.method, "method", string(cwox.CWOX2s), "cwox2s, cwox1sa, cwox1sb or swox; several for one page, e.g. swox,cwox2s")
	s.StringVar(&f.explainer, "explainer", "gradcam", "base explainer: "+strings.Join(explainerNames, ", ")+"; or several")
	s.StringVar(&f.variant, "variant", string(cwox.Paper), "paper (its equations) or reference (what the authors' code does)")
	s.StringVar(&f.relu, "relu", "", "rectify base maps: on or off (default: as the variant has it)")
	s.Float64Var(&f.delta, "delta", 0, "support percentile of the reference variant (default: the authors' for the explainer)")
	s.Float64Var(&f.epsilon, "epsilon", 0, "support threshold of singleton clusters in the paper's variant")
	f.settings.add(c)
	complete := func(flag string, values ...string) {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete("method", "cwox2s", "cwox1sa", "cwox1sb", "swox")
	complete("explainer", explainerNames...)
	complete("variant", "paper", "reference")
	complete("relu", "on", "off")
}

// check finds mistakes that need no file to be opened.
func (f *explainFlags) check(c *cobra.Command) error {
	given := ""
	for _, flag := range []string{"tree", "learn-tree", "clusters"} {
		if !c.Flags().Changed(flag) {
			continue
		}
		if given != "" {
			return usage(c, "--%s and --%s: clusters come from one of them", given, flag)
		}
		given = flag
	}
	if err := oneOf(c, "explainer", f.explainers(), explainerNames); err != nil {
		return err
	}
	if err := oneOf(c, "method", f.methods(), methodNames()); err != nil {
		return err
	}
	if f.relu != "" && f.relu != "on" && f.relu != "off" {
		return usage(c, "--relu %s: want on or off", f.relu)
	}
	if err := checkVariant(c, f.variant, "delta", slices.Contains(f.methods(), string(cwox.CWOX2s))); err != nil {
		return err
	}
	return f.settings.check(c, f.explainers()...)
}

// checkVariant refuses an unknown variant, and thresholds of the two-stage method that the
// variant or the method does not have; support is the flag of the reference variant's.
func checkVariant(c *cobra.Command, variant, support string, twoStages bool) error {
	if variant != string(cwox.Paper) && variant != string(cwox.Reference) {
		return usage(c, "--variant %s: want paper or reference", variant)
	}
	other := map[string]string{string(cwox.Paper): support, string(cwox.Reference): "epsilon"}[variant]
	for _, flag := range []string{support, "epsilon"} {
		if c.Flags().Changed(flag) && (flag == other || !twoStages) {
			return usage(c, "--%s: a threshold of cwox2s alone, in the variant %s", flag,
				map[string]cwox.Variant{support: cwox.Reference, "epsilon": cwox.Paper}[flag])
		}
	}
	return nil
}

// options turns the flags into options for a classifier, all but method and explainer.
func (f *explainFlags) options(c *cobra.Command, m *modelFlags, cl *cwox.Classifier) (cwox.Options, error) {
	o := cwox.Options{
		Variant: cwox.Variant(f.variant), ReLU: cwox.ReLU(f.relu),
		Level: f.level, TopK: f.top, Cumulative: f.cumulative, Delta: f.delta, Epsilon: f.epsilon,
		Effects: f.effects, Seed: m.seed, Threads: m.threads,
	}
	names := cl.Names()
	var err error
	if f.clusters != "" {
		if o.Clusters, err = names.Clusters(f.clusters); err != nil {
			return o, usage(c, "--clusters %s: %v", f.clusters, err)
		}
	}
	if f.classes != "" {
		if o.Classes, err = names.List(f.classes); err != nil {
			return o, usage(c, "--classes %s: %v", f.classes, err)
		}
	}
	switch {
	case o.Clusters != nil:
	case f.tree != "" || f.learnTree != "":
		file := f.tree
		if f.learnTree != "" {
			if file, err = learnTree(c, cl, f.learnTree, f.out+"-tree", m); err != nil {
				return o, err
			}
		}
		if err = useTree(&o, file); err != nil {
			return o, err
		}
	default:
		o.Tree = cwox.DefaultTree(cl)
	}
	switch {
	case o.Tree != nil && f.level > o.Tree.Levels():
		return o, usage(c, "--level %d: the tree has levels 1 to %d", f.level, o.Tree.Levels())
	case f.top > cl.Net.Classes():
		return o, usage(c, "--top %d: want 1 to %d", f.top, cl.Net.Classes())
	case f.delta == 0 && c.Flags().Changed("delta"):
		o.Delta = math.SmallestNonzeroFloat64 // 0 means the default
	}
	return o, nil
}

// learnTree labels the images of a folder and learns a label tree from the lists, both in
// dir, and returns the tree's file. What an earlier run has labelled is not labelled again.
func learnTree(c *cobra.Command, cl *cwox.Classifier, folder, dir string, m *modelFlags) (string, error) {
	images, err := listImages(folder)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return "", err
	}
	docs, tree := filepath.Join(dir, "documents.txt.gz"), filepath.Join(dir, "tree.json")
	said := *m
	said.json = false
	if err := documents(c.Context(), cl, images, docs, dataset.DocumentsOptions{Threads: m.threads, Decode: m.vision()}, stderr, &said); err != nil {
		return "", fmt.Errorf("--learn-tree: %w", err)
	}
	if err := learn(c.Context(), []string{docs}, tree, hlta.Options{Seed: m.seed, Threads: m.threads}, cl.Names(), stderr, &said); err != nil {
		return "", fmt.Errorf("--learn-tree %s: %w (without --learn-tree clusters come from the network's last layer)", folder, err)
	}
	return tree, nil
}

func newExplain() *cobra.Command {
	var m modelFlags
	var f explainFlags
	var t tensorFlags
	var shard shardFlag
	var restart bool
	c := &cobra.Command{
		Use:   "explain [flags] IMAGE...",
		Short: "Explain the classifier's output for images",
		Long: `Explain the classifier's whole output for each image (files or folders): the top classes
are grouped into confusion clusters, and heatmaps show what speaks for each cluster and
for each class against the others of its cluster.

The weight file decides which network it is; clusters come from the label tree of ImageNet's
classes, or for other classes from the network's last layer, --learn-tree or --tree.

Writes report.json, maps.safetensors, overlays and a self-contained index.html.

` + shardHelp,
		Example: `  cwox explain photo.jpg
  cwox explain --weights finetuned.pth photo.jpg
  cwox explain --weights finetuned.pth --learn-tree photos/ photo.jpg
  cwox explain --explainer rise --rise-masks 2000 -o out photo.jpg
  cwox explain --method swox --variant reference --top 3 photos/
  cwox explain --method swox,cwox2s photo.jpg
  cwox explain --clusters '[["cello","violin"],[402,420,546]]' cello.jpg`,
		Args: t.args,
		RunE: func(c *cobra.Command, args []string) error {
			part, err := shard.read(c)
			switch {
			case err != nil:
				return err
			case part.Of > 0:
				return explainShard(c, &m, &f, part, restart, args)
			case restart:
				return usage(c, "--restart: of a --shard; --overwrite replaces other results")
			}
			return explain(c, &m, &f, &t, args)
		},
	}
	m.add(c)
	f.add(c, "cwox-out")
	t.add(c)
	shard.add(c)
	c.Flags().BoolVar(&restart, "restart", false, "of a shard: begin anew, whatever an earlier run has left")
	m.completeClasses(c, "classes")
	return c
}

func explain(c *cobra.Command, m *modelFlags, f *explainFlags, t *tensorFlags, args []string) error {
	start := time.Now()
	if err := f.check(c); err != nil {
		return err
	}
	images, err := findImages(args)
	if err != nil {
		return err
	}
	tensors, err := t.read(m)
	if err != nil {
		return err
	}
	if tensors.n > 0 {
		_, name := tensors.at(0)
		images = []string{name}
	}
	folders := outputFolders(images)
	if err := claim(f.out, images, folders, f.overwrite); err != nil {
		return err
	}
	m.reference = f.variant == string(cwox.Reference)
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	o, err := f.plan(c, m, cl)
	if err != nil {
		return err
	}
	load := time.Since(start)
	p := cwox.New(cl)
	defer p.Close()
	p.Measure()
	if tensors.n > 0 {
		e, err := explainTensor(c.Context(), p, tensors, o, m)
		if err != nil {
			return err
		}
		e[0].Seconds["load"] = load.Seconds()
		return finish(f.out, e, m)
	}
	if len(images) == 1 {
		e, err := explainOne(c.Context(), p, images[0], o, m)
		if err != nil {
			return err
		}
		e[0].Seconds["load"] = load.Seconds()
		return finish(f.out, e, m)
	}
	return explainMany(c.Context(), p, images, folders, f.out, o, m)
}

// explainMany explains several images, each into its folder, and writes the index over them. An
// image that cannot be explained costs its report, not the run. Before the next image is opened
// the last one's report is whole; an index of what there is remains after an interruption.
func explainMany(ctx context.Context, p *cwox.Pipeline, images, folders []string, out string, o plan, m *modelFlags) (err error) {
	entries := make([]report.IndexEntry, len(images))
	for i, image := range images {
		entries[i] = report.IndexEntry{File: image, Folder: folders[i], Err: "not explained yet"}
	}
	if err := report.WriteIndex(out, entries); err != nil {
		return err
	}
	failed := 0
	for i, image := range images {
		var e []*cwox.Explanation
		if e, err = explainOne(ctx, p, image, o, m); err == nil {
			if err = finish(filepath.Join(out, folders[i]), e, m); err == nil {
				entries[i], err = report.NewIndexEntry(folders[i], e[0])
			}
			if err != nil {
				break // the disk is full, or the like
			}
			continue
		}
		if ctx.Err() != nil {
			break
		}
		failed++
		entries[i].Folder, entries[i].Err = "", err.Error()
		if m.json {
			err = printJSON(classifyLine{Image: image, Error: err.Error()})
		} else {
			complain(err)
			err = nil
		}
		if err != nil {
			break
		}
	}
	if err := errors.Join(err, report.WriteIndex(out, entries)); err != nil {
		return err
	}
	if !m.json {
		stdout.Printf("%d of %d images explained: %s\n", len(images)-failed, len(images), filepath.Join(out, report.PageFile))
	}
	if failed > 0 {
		return silent{}
	}
	return nil
}

// explainShard explains a shard of several images.
func explainShard(c *cobra.Command, m *modelFlags, f *explainFlags, shard dataset.Shard, restart bool, args []string) error {
	start := time.Now()
	for _, flag := range []string{"learn-tree", "tensor", "overwrite"} {
		if c.Flags().Changed(flag) {
			return usage(c, "--%s with --shard: %s", flag, map[string]string{
				"learn-tree": "learn the tree first: documents, with --shard too, then tree learn, then --tree",
				"tensor":     "shards are of images",
				"overwrite":  "want --restart, which begins the shard anew"}[flag])
		}
	}
	if err := f.check(c); err != nil {
		return err
	}
	if len(f.methods()) > 1 || len(f.explainers()) > 1 {
		return usage(c, "--shard: by one method and one explainer")
	}
	images, err := findImages(args)
	if err != nil {
		return err
	}
	if len(images) < 2 {
		return usage(c, "--shard: want several images, as in a folder")
	}
	m.reference = f.variant == string(cwox.Reference)
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	o, err := f.plan(c, m, cl)
	if err != nil {
		return err
	}
	p := cwox.New(cl)
	defer p.Close()
	bars := phases{quiet: m.quiet, units: map[string]string{dataset.PhaseCheck: "images", dataset.PhaseExplain: "images"}}
	silently := *m
	silently.quiet = true // there is a bar over all images
	settings := o.options[0]
	settings.Method = o.methods[0]
	r, err := dataset.WriteReports(c.Context(), cl, images, outputFolders(images), f.out, dataset.ReportsOptions{
		Explain: settings, Decode: m.vision(), Shard: shard, Restart: restart, Progress: bars.update,
		Run: func(image string, first bool) (*cwox.Explanation, error) {
			if first { // as one run measures its first image
				p.Measure()
			}
			e, err := explainOne(c.Context(), p, image, o, &silently)
			if err != nil {
				return nil, err
			}
			return e[0], nil
		}})
	bars.finish()
	if err != nil {
		return goesOn(c, err)
	}
	return shardDone{f.out, shard, r.Images, r.Failed, r.FirstError, start}.say(m)
}

// finish writes the report of the explanations of an image and says what is in it.
func finish(dir string, e []*cwox.Explanation, m *modelFlags) error {
	if err := report.Write(dir, e[0], e[1:]...); err != nil {
		return err
	}
	if m.json {
		return printReport(dir)
	}
	describe(stdout, e, filepath.Join(dir, report.PageFile))
	return nil
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
func describe(w *say.Voice, all []*cwox.Explanation, page string) {
	e := all[0]
	names := map[int]string{}
	prob := map[int]float64{}
	for _, t := range e.Top {
		prob[t.Class] = t.Probability
		if names[t.Class] = t.Label; t.Label == "" {
			names[t.Class] = "class " + strconv.Itoa(t.Class)
		}
	}
	classes := "classes"
	if len(e.Top) == 1 {
		classes = "class"
	}
	w.Printf("%s: %d top %s in %d confusion cluster%s\n", e.File, len(e.Top), classes, len(e.Clusters), plural(len(e.Clusters)))
	for i, cluster := range e.Clusters {
		w.Printf("  cluster %d   %5.1f %%\n", i+1, 100*cluster.Probability)
		for _, class := range cluster.Classes {
			w.Printf("    %5.1f %%  %-28s %4d\n", 100*prob[class], names[class], class)
		}
	}
	said := map[string]bool{}
	var by []string
	total := 0.0
	for i, e := range all {
		for _, warning := range e.Warnings {
			if !said[warning.Message] {
				w.Printf("  note: %s\n", warning.Message)
			}
			said[warning.Message] = true
		}
		by = append(by, fmt.Sprintf("%s by %s", e.Method, e.Explainer))
		for stage, s := range e.Seconds {
			// Methods share the work of their explainer.
			if i == 0 || e.Explainer != all[i-1].Explainer || stage == "combine" || stage == "effects" {
				total += s
			}
		}
	}
	w.Printf("%s (%s), %.2f s: %s\n", strings.Join(by, ", "), e.Variant, total, page)
}

func plural(n int) string {
	if n == 1 {
		return ""
	}
	return "s"
}
