package main

import (
	"encoding/json"
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
	restart                    bool          // of several images
	shard                      dataset.Shard // of them

	opened *cwox.Options // its label tree, where that is open already
}

func (f *explainFlags) add(c *cobra.Command, out string) {
	f.addWhat(c)
	s := c.Flags()
	s.StringVarP(&f.out, "output", "o", out, "folder for the results")
	f.addEffects(c)
	s.BoolVar(&f.overwrite, "overwrite", false, "replace results of another run in the folder")
}

// addWhat adds the flags that say what to explain and how.
func (f *explainFlags) addWhat(c *cobra.Command) {
	f.addTree(c)
	c.Flags().StringVar(&f.learnTree, "learn-tree", "", "learn the label tree from the images of this folder first")
	f.addQuestion(c)
}

func (f *explainFlags) addTree(c *cobra.Command) {
	c.Flags().StringVar(&f.tree, "tree", "", "label tree: tree.json, nodes.json or .bif (default: the embedded one for ImageNet's classes, else the last layer's weights)")
}

func (f *explainFlags) addEffects(c *cobra.Command) {
	c.Flags().BoolVar(&f.effects, "effects", true, "erase what each map marks and tell what becomes of the probabilities")
}

// addQuestion adds the flags that say what is asked of one picture: none names a file.
func (f *explainFlags) addQuestion(c *cobra.Command) {
	s := c.Flags()
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
	case f.opened != nil:
		o.Tree, o.TreeFile = f.opened.Tree, f.opened.TreeFile
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
	c := &cobra.Command{
		Use:   "explain [flags] IMAGE...",
		Short: "Explain the classifier's output for images",
		Long: `Explain the classifier's whole output for each image (files or folders): the top classes
are grouped into confusion clusters, and heatmaps show what speaks for each cluster and
for each class against the others of its cluster.

The weight file decides which network it is; clusters come from the label tree of ImageNet's
classes, or for other classes from the network's last layer, --learn-tree or --tree.

Writes report.json, maps.safetensors, overlays and a self-contained index.html; of several
images each into a folder of its own, and a page over all. Interrupted, the same command goes
on where it stopped.

` + shardHelp,
		Example: `  cwox explain photo.jpg
  cwox explain --weights finetuned.pth photo.jpg
  cwox explain --weights finetuned.pth --learn-tree photos/ photo.jpg
  cwox explain --explainer rise --rise-masks 2000 -o out photo.jpg
  cwox explain --method swox --variant reference --top 3 photos/
  cwox explain --method swox,cwox2s photo.jpg
  cwox explain --clusters '[["cello","violin"],[402,420,546]]' cello.jpg`,
		Args: t.args,
		RunE: func(c *cobra.Command, args []string) (err error) {
			if f.shard, err = shard.read(c); err != nil {
				return err
			}
			return explain(c, &m, &f, &t, args)
		},
	}
	m.add(c)
	f.add(c, "cwox-out")
	t.add(c)
	shard.add(c)
	c.Flags().BoolVar(&f.restart, "restart", false, "of several images: begin anew, whatever an earlier run has left")
	m.completeClasses(c, "classes")
	return c
}

func explain(c *cobra.Command, m *modelFlags, f *explainFlags, t *tensorFlags, args []string) error {
	start := time.Now()
	if err := f.check(c); err != nil {
		return err
	}
	if f.shard.Of > 0 {
		if err := checkShard(c); err != nil {
			return err
		}
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
	several := len(images) > 1
	switch {
	case f.shard.Of > 0 && !several:
		return usage(c, "--shard: want several images, as in a folder")
	case f.restart && !several:
		return usage(c, "--restart: of several images")
	}
	folders := outputFolders(images)
	if f.shard.Of == 0 {
		if err := claim(f.out, images, folders, f.overwrite); err != nil {
			return err
		}
	}
	m.reference = f.variant == string(cwox.Reference)
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	o, err := f.asked(c, m, cl)
	if err != nil {
		return err
	}
	if several {
		return explainMany(c, cl, images, folders, o, m, f, start)
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
	e, err := explainOne(c.Context(), p, images[0], o, m)
	if err != nil {
		return err
	}
	e[0].Seconds["load"] = load.Seconds()
	return finish(f.out, e, m)
}

// checkShard refuses what a shard cannot do.
func checkShard(c *cobra.Command) error {
	for _, flag := range []string{"learn-tree", "tensor", "overwrite"} {
		if c.Flags().Changed(flag) {
			return usage(c, "--%s with --shard: %s", flag, map[string]string{
				"learn-tree": "learn the tree first: documents, with --shard too, then tree learn, then --tree",
				"tensor":     "shards are of images",
				"overwrite":  "want --restart, which begins the shard anew"}[flag])
		}
	}
	return nil
}

// explainMany explains several images, or a shard of them, each into its folder, with a page over
// all. An image that cannot be explained costs its report, not the run.
func explainMany(c *cobra.Command, cl *cwox.Classifier, images, folders []string, o asked, m *modelFlags, f *explainFlags, start time.Time) error {
	whole := f.shard.Of == 0
	p := cwox.New(cl)
	defer p.Close()
	bars := phases{quiet: m.quiet, units: map[string]string{dataset.PhaseCheck: "images", dataset.PhaseExplain: "images"}}
	silently := *m
	silently.quiet = true // there is a bar over all images
	each := o.each()
	r, err := dataset.WriteReports(c.Context(), cl, images, folders, f.out, dataset.ReportsOptions{
		Explain: each[0], Also: each[1:], Decode: m.vision(), Shard: f.shard, Restart: f.restart || f.overwrite, Progress: bars.update,
		Run: func(image string, first bool) ([]*cwox.Explanation, error) {
			if first {
				p.Measure()
			}
			return explainOne(c.Context(), p, image, o, &silently)
		},
		Done: func(image, folder string, e []*cwox.Explanation, err error) error {
			bars.finish()
			switch {
			case !whole:
				return nil
			case err == nil:
				return sayReport(folder, e, m)
			case m.json:
				return printJSON(classifyLine{Image: image, Error: err.Error()})
			}
			complain(err)
			return nil
		}})
	bars.finish()
	switch {
	case err != nil:
		return goesOn(c, err)
	case !whole:
		return shardDone{f.out, f.shard, r.Images, r.Failed, r.FirstError, start}.say(m)
	}
	if r.Resumed > 0 && !m.quiet {
		stderr.Printf("cwox: %d of %d images were explained by an earlier run\n", r.Resumed, r.Images)
	}
	if !m.json {
		stdout.Printf("%d of %d images explained: %s\n", r.Images-r.Failed, r.Images, filepath.Join(f.out, report.PageFile))
	}
	if r.Failed > 0 {
		return silent{}
	}
	return nil
}

// finish writes the report of the explanations of an image and says what is in it.
func finish(dir string, e []*cwox.Explanation, m *modelFlags) error {
	if err := report.Write(dir, e[0], e[1:]...); err != nil {
		return err
	}
	return sayReport(dir, e, m)
}

// sayReport says what is in a report.
func sayReport(dir string, e []*cwox.Explanation, m *modelFlags) error {
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
