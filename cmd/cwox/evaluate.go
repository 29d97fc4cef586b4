package main

import (
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/dataset"
	"cwox/cwox/report"
)

// evaluateFlags say what is compared, and how.
type evaluateFlags struct {
	methods, explainers []string
	variant, relu, tree string
	level, top          int
	cumulative          float64
	support, epsilon    float64
	measure             measureFlags
	settings            settingFlags
	maxImages           int
	restart             bool
	shard               shardFlag
	out                 string
}

func (f *evaluateFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.StringSliceVar(&f.methods, "methods", methodNames(), "methods to compare, in the order of the tables")
	s.StringSliceVar(&f.explainers, "explainers", explainerNames[:1], "base explainers: "+strings.Join(explainerNames, ", "))
	s.StringVar(&f.variant, "variant", string(cwox.Paper), "paper (its equations) or reference (what the authors' code does)")
	s.StringVar(&f.relu, "relu", "", "rectify base maps: on or off (default: as the variant has it)")
	s.StringVar(&f.tree, "tree", "", "label tree: tree.json, nodes.json or .bif (default: the embedded one)")
	s.IntVar(&f.level, "level", 1, "level of the tree to cut at")
	s.IntVar(&f.top, "top", 0, "explain this many top classes (default min(5, Cum(0.95)))")
	s.Float64Var(&f.cumulative, "cumulative", 0, "explain the fewest top classes whose probabilities exceed this")
	s.Float64Var(&f.support, "support-delta", 0, "support percentile of the reference variant (default: the authors' for the explainer)")
	s.Float64Var(&f.epsilon, "epsilon", 0, "support threshold of singleton clusters in the paper's variant")
	f.measure.add(c, dataset.DefaultEvaluateAUCSteps)
	f.settings.add(c)
	s.IntVar(&f.maxImages, "max-images", 0, "evaluate at most this many images that qualify")
	f.shard.add(c)
	s.BoolVar(&f.restart, "restart", false, "begin anew, whatever earlier runs have left")
	s.StringVarP(&f.out, "output", "o", "cwox-evaluate", "folder for the results")
	complete := func(flag string, values ...string) {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
	complete("methods", methodNames()...)
	complete("explainers", explainerNames...)
	complete("variant", "paper", "reference")
	complete("relu", "on", "off")
}

func methodNames() []string {
	var out []string
	for _, m := range cwox.Methods() {
		out = append(out, string(m))
	}
	return out
}

// options turns the flags into options for a classifier.
func (f *evaluateFlags) options(c *cobra.Command, m *modelFlags, cl *cwox.Classifier, o dataset.EvaluateOptions) (dataset.EvaluateOptions, error) {
	var err error
	o.Explain = cwox.Options{
		Variant: cwox.Variant(f.variant), ReLU: cwox.ReLU(f.relu), Level: f.level, TopK: f.top, Cumulative: f.cumulative,
		Delta: f.support, Epsilon: f.epsilon, Seed: m.seed, Threads: m.threads,
	}
	if f.tree != "" {
		if err = useTree(&o.Explain, f.tree); err != nil {
			return o, err
		}
	} else {
		o.Explain.Tree = cwox.DefaultTree(cl)
	}
	for _, name := range f.explainers {
		e, err := f.settings.explainer(c, name, cl, o.Explain.Variant)
		if err != nil {
			return o, err
		}
		o.Explainers = append(o.Explainers, e)
	}
	o.MaxImages, o.Restart, o.Decode = f.maxImages, f.restart, m.vision()
	return o, nil
}

// check finds mistakes that need no file to be opened.
func (f *evaluateFlags) check(c *cobra.Command) (o dataset.EvaluateOptions, err error) {
	if o.Faithfulness, err = f.measure.options(c); err != nil {
		return o, err
	}
	known := methodNames()
	seen := map[string]bool{}
	for _, name := range f.methods {
		if !slices.Contains(known, name) || seen[name] {
			return o, usage(c, "--methods %s: want some of %s, each once", strings.Join(f.methods, ","), strings.Join(known, ", "))
		}
		seen[name] = true
		o.Methods = append(o.Methods, cwox.Method(name))
	}
	for _, name := range f.explainers {
		if !slices.Contains(explainerNames, name) || seen[name] {
			return o, usage(c, "--explainers %s: want some of %s, each once", strings.Join(f.explainers, ","), strings.Join(explainerNames, ", "))
		}
		seen[name] = true
	}
	switch {
	case len(f.methods) == 0 || len(f.explainers) == 0:
		return o, usage(c, "--methods, --explainers: want at least one each")
	case f.out == "":
		return o, usage(c, "-o DIR: name the folder for the results")
	}
	if err := checkVariant(c, f.variant, "support-delta", slices.Contains(f.methods, string(cwox.CWOX2s))); err != nil {
		return o, err
	}
	return o, f.settings.check(c, f.explainers...)
}

func newEvaluate() *cobra.Command {
	var m modelFlags
	var f evaluateFlags
	var t truthFlags
	c := &cobra.Command{
		Use:   "evaluate [flags] DIR|LIST|--truth",
		Short: "Faithfulness of methods and explainers over many images: the paper's tables",
		Long: `Measure how faithful the maps of several methods and base explainers are, over all images
of a folder, or those that a text file names one a line: Tables 1 to 3 of the paper, with
confidence intervals and paired comparisons. Images with more than one top class and a
confusion cluster of at least two qualify; each class of such a cluster is scored against
the others.

The folder -o gets results.jsonl (a line per image, class, method and explainer),
images.jsonl (a line per image, also for those that fail or do not qualify), summary.json,
tables.txt, tables.md, tables.csv and index.html. After an interruption of any kind the same
command goes on where it stopped, and tries images again that failed. Another model and other
explainers can be added to a folder: run again with the same -o. It stops where an evaluated
image was replaced since. One program at a time can work on a folder.

With --truth the maps are those of drawn scenes of which it is known what tells the classes
apart: do they point at it? The folder gets truth-<explainer>.jsonl (a line per scene) and
the same tables. gradcam-fine and mwp-fine have both stages at the class stage's layer.

` + shardHelp,
		Example: `  cwox evaluate -o results photos/
  cwox evaluate -o results --definition reference --explainers gradcam,rise --rise-quality fast --max-images 40 photos/
  cwox evaluate -o results --definition reference --model googlenet list.txt
  cwox evaluate -o truth --truth --explainers gradcam,mwp,rise --rise-masks 2000`,
		Args: t.args,
		RunE: func(c *cobra.Command, args []string) error {
			if t.on {
				return evaluateTruth(c, &m, &f, &t)
			}
			return evaluate(c, &m, &f, args[0])
		},
	}
	m.add(c)
	f.add(c)
	t.add(c)
	return c
}

func evaluate(c *cobra.Command, m *modelFlags, f *evaluateFlags, source string) error {
	start := time.Now()
	o, err := f.check(c)
	if err != nil {
		return err
	}
	if o.Shard, err = f.shard.read(c); err != nil {
		return err
	}
	if f.maxImages > 0 && o.Shard.Of > 0 {
		return usage(c, "--max-images with --shard: a bound on the images that qualify is one of the whole list")
	}
	if err := m.check(c); err != nil {
		return err
	}
	if err := refuseOthers(f.out, evaluation); err != nil {
		return err
	}
	images, err := listImages(source)
	if err != nil {
		return err
	}
	m.reference = f.variant == string(cwox.Reference)
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	if o, err = f.options(c, m, cl, o); err != nil {
		return err
	}
	bars := phases{quiet: m.quiet, units: map[string]string{dataset.PhaseCheck: "images", dataset.PhaseSelect: "images", dataset.PhaseEvaluate: "pairs"}}
	o.Progress = bars.update
	e, err := dataset.Evaluate(c.Context(), cl, images, f.out, o)
	bars.finish()
	if err != nil {
		return goesOn(c, err)
	}
	if e.Unchecked > 0 && !m.quiet {
		stderr.Printf("cwox: %d image%s cannot be read now: what is known of them is an earlier run's\n", e.Unchecked, plural(e.Unchecked))
	}
	if o.Shard.Of > 0 {
		n := e.Images[cl.Arch.Name]
		return shardDone{f.out, o.Shard, n.Evaluated + n.SingleClass + n.NoCluster + n.Failed, n.Failed, n.FirstError, start}.say(m)
	}
	return sayEvaluation(f.out, e, m, cl.Arch.Name)
}

// sayEvaluation says what came out, of one run or of shards that were merged, and of some models
// which images failed.
func sayEvaluation(out string, e *dataset.Evaluation, m *modelFlags, models ...string) (err error) {
	if m.json {
		err = printJSON(e)
	} else if err = e.WriteText(stdout); err == nil {
		stdout.Printf("\nThe page: %s\n", filepath.Join(out, report.PageFile))
	}
	for _, model := range models {
		if n := e.Images[model]; n.Failed > 0 && !m.quiet {
			stderr.Printf("cwox: %d image%s failed, see \"error\" in %s; the first: %s\n",
				n.Failed, plural(n.Failed), filepath.Join(out, dataset.ImagesFile), n.FirstError)
		}
	}
	return err
}

// phases shows the progress of work in phases, a bar for each.
type phases struct {
	quiet bool
	units map[string]string

	mu   sync.Mutex
	name string
	bar  *progress
}

func (p *phases) update(phase string, done, total int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.name != phase {
		if p.bar != nil {
			p.bar.finish()
		}
		p.name, p.bar = phase, newProgress(phase, p.units[phase], p.quiet)
	}
	p.bar.update(int64(done), int64(total))
}

func (p *phases) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		p.bar.finish()
	}
}
