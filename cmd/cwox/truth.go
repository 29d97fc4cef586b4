package main

import (
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/dataset"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/nn/zoo"
)

// truthFlags turn evaluate into the comparison with what is known of drawn scenes.
type truthFlags struct {
	on     bool
	scenes string
	first  uint64
}

// fine is the ending of an explainer's name that puts both stages at the class stage's pivot
// layer: the baselines, which have one stage, see as sharply as CWOX-2s then.
const fine = "-fine"

// sampling are the explainers that run the network thousands of times for a scene.
var sampling = []string{"rise", "lime"}

func (f *truthFlags) add(c *cobra.Command) {
	s := c.Flags()
	s.BoolVar(&f.on, "truth", false, "evaluate on drawn scenes, of which it is known what heatmaps should point at: needs no images")
	s.StringVar(&f.scenes, "scenes", "1000,100", "truth: number of scenes, N or N,M, M for explainers that sample ("+strings.Join(sampling, ", ")+")")
	s.Uint64Var(&f.first, "first-scene", 0, "truth: number of the first scene")
}

// args wants a folder or a list, but none for drawn scenes.
func (f *truthFlags) args(c *cobra.Command, args []string) error {
	if f.on {
		return exactly(0, "no images with --truth")(c, args)
	}
	return exactly(1, "a folder or a list of images, or --truth")(c, args)
}

func evaluateTruth(c *cobra.Command, m *modelFlags, f *evaluateFlags, t *truthFlags) error {
	start := time.Now()
	shard, err := f.shard.read(c)
	if err != nil {
		return err
	}
	if !c.Flags().Changed("model") {
		m.model = zoo.Demo
	}
	names := f.explainers // f.check knows those without an ending
	f.explainers = nil
	for _, name := range names {
		if base := strings.TrimSuffix(name, fine); !slices.Contains(f.explainers, base) {
			f.explainers = append(f.explainers, base)
		}
	}
	if _, err := f.check(c); err != nil {
		return err
	}
	if err := m.check(c); err != nil {
		return err
	}
	if err := refuseOthers(f.out, evaluation); err != nil {
		return err
	}
	var scenes, sampled int
	if err := both("scenes", t.scenes, strconv.Atoi, &scenes, &sampled); err != nil {
		return usage(c, "%v", err)
	}
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	o := dataset.TruthOptions{First: t.first, Step: f.measure.step, Threads: m.threads, Shard: shard, Restart: f.restart}
	o.Explain = cwox.Options{
		Variant: cwox.Variant(f.variant), ReLU: cwox.ReLU(f.relu), Level: f.level, TopK: f.top, Cumulative: f.cumulative,
		Delta: f.support, Epsilon: f.epsilon, Seed: m.seed,
	}
	if f.tree != "" {
		if err = useTree(&o.Explain, f.tree); err != nil {
			return err
		}
	}
	for _, name := range f.methods {
		o.Methods = append(o.Methods, cwox.Method(name))
	}
	for _, name := range names {
		n := scenes
		if slices.Contains(sampling, name) {
			n = sampled
		}
		o.Explainers = append(o.Explainers, dataset.TruthExplainer{Name: name, Scenes: n, New: func() (saliency.Explainer, error) {
			return f.truthExplainer(c, name, cl)
		}})
	}
	bars := phases{quiet: m.quiet, units: map[string]string{}}
	for _, name := range names {
		bars.units[name] = "scenes"
	}
	o.Progress = bars.update
	s, err := dataset.EvaluateTruth(c.Context(), cl, f.out, o)
	bars.finish()
	switch {
	case err != nil:
		return goesOn(c, err)
	case shard.Of > 0:
		all := 0
		for _, x := range s.Explainers {
			all += x.Scenes
		}
		return shardDone{f.out, shard, all, 0, "", start}.say(m)
	}
	return sayTruth(f.out, s, m)
}

// sayTruth says what came out, of one run or of shards that were merged.
func sayTruth(out string, s *dataset.TruthSummary, m *modelFlags) error {
	if m.json {
		return printJSON(s)
	}
	if err := s.WriteText(stdout); err != nil {
		return err
	}
	stdout.Printf("\nThe page: %s\n", filepath.Join(out, report.PageFile))
	return nil
}

// truthExplainer makes an explainer by its name, which may have the ending fine.
func (f *evaluateFlags) truthExplainer(c *cobra.Command, name string, cl *cwox.Classifier) (saliency.Explainer, error) {
	base, isFine := strings.CutSuffix(name, fine)
	e, err := f.settings.explainer(c, base, cl, cwox.Variant(f.variant))
	if err != nil || !isFine {
		return e, err
	}
	switch e := e.(type) {
	case *saliency.GradCAM:
		e.ClusterLayer = e.ClassLayer
	case *saliency.MWP:
		e.ClusterLayer = e.ClassLayer
	default:
		return nil, usage(c, "--explainers %s: only gradcam and mwp have pivot layers", name)
	}
	return e, nil
}
