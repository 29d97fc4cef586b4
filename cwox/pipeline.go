package cwox

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"time"

	"cwox/cwox/saliency"
	"cwox/nn"
	"cwox/nn/vision"
	"cwox/nn/zoo"
)

// Classifier is a network with what is needed to explain it. It is immutable and
// shared freely.
type Classifier struct {
	Net  *nn.Model
	Arch *zoo.Arch // its name, its default pivot layers
	// Transform makes the network's input of a picture; TransformFrom says in words where it
	// was found ("config.json", "as torchvision does").
	Transform     vision.Transform
	TransformFrom string
	Labels        []string   // names of the classes; nil where there are none
	Synonyms      [][]string // further names of the classes, to find them by; may be nil
	// MultiLabel says that classes do not compete: each has the sigmoid of its logit.
	MultiLabel bool

	// Recorded in explanations: where the weights are, which state dict of the file was taken,
	// and the settings of the user that tensors cannot tell ("stride=conv1": zoo.Spec).
	WeightsFile, WeightsKey, WeightsSHA256 string
	Settings                               string
	// Warnings are what a reader of every explanation must know of the network.
	Warnings []Warning

	trees sync.Map // useKey -> *treeUse: those matched with the classes
}

// Label is a class's name, or "" where it has none.
func (c *Classifier) Label(class int) string {
	if class < 0 || class >= len(c.Labels) {
		return ""
	}
	return c.Labels[class]
}

// NewExplainer makes the explainer of a name, one of ExplainerNames, with the classifier's
// default layers and the settings of a variant.
func NewExplainer(name string, c *Classifier, v Variant) (saliency.Explainer, error) {
	switch name {
	case "gradcam":
		return &saliency.GradCAM{ClusterLayer: c.Arch.ClusterLayer, ClassLayer: c.Arch.ClassLayer}, nil
	case "mwp":
		return &saliency.MWP{ClusterLayer: c.Arch.MWPClusterLayer, ClassLayer: c.Arch.MWPClassLayer,
			Duplicated: v == Reference}, nil
	case "rise":
		return &saliency.RISE{}, nil
	case "lime":
		return &saliency.LIME{}, nil
	case "guided":
		return &saliency.Guided{}, nil
	case "deeplift":
		return &saliency.DeepLIFT{}, nil
	}
	return nil, fmt.Errorf("cwox: unknown explainer %q (known: %s)", name, strings.Join(ExplainerNames(), ", "))
}

// ExplainerNames lists the base explainers, the default first.
func ExplainerNames() []string {
	return []string{"gradcam", "mwp", "rise", "lime", "guided", "deeplift"}
}

// Pipeline explains images with one classifier. It keeps a session from image to image
// and belongs to one goroutine at a time; several pipelines share a classifier.
type Pipeline struct {
	classifier *Classifier
	session    *nn.Session
	sessionFor string // what the session was made for

	measure    bool
	statistics *zoo.Statistics // of the last input, if it was measured
}

// New makes a pipeline. Its memory is allocated by the first image.
func New(c *Classifier) *Pipeline { return &Pipeline{classifier: c} }

// Measure has the statistics of the next input compared with those that training left in the
// weights (zoo.Statistics): its explanation has a warning where they do not fit. It costs less
// than a forward pass and changes no other byte.
func (p *Pipeline) Measure() { p.measure = true }

// Statistics are those of the last input, if it was measured.
func (p *Pipeline) Statistics() (s zoo.Statistics, measured bool) {
	if p.statistics == nil {
		return s, false
	}
	return *p.statistics, true
}

// Close frees the pipeline's session. The pipeline makes a new one when it is used again.
func (p *Pipeline) Close() {
	if p.session != nil {
		p.session.Close()
	}
	p.session, p.sessionFor = nil, ""
}

// Classify returns the k most probable classes of a picture, by rank.
func (p *Pipeline) Classify(pic *vision.Picture, k, threads int) ([]TopClass, error) {
	return p.classify(subject{pic: pic}, k, threads)
}

// ClassifyTensor is Classify for a network input [C][H][W], given as it is.
func (p *Pipeline) ClassifyTensor(x []float32, k, threads int) ([]TopClass, error) {
	return p.classify(subject{x: x}, k, threads)
}

func (p *Pipeline) classify(s subject, k, threads int) ([]TopClass, error) {
	in, err := p.forward(s, nil, threads)
	if err != nil {
		return nil, err
	}
	return p.top(in, Rank(in.Prob)[:min(max(k, 0), len(in.Prob))]), nil
}

// Cut returns the classes that Explain would explain, by rank, and their confusion clusters,
// without making any map.
func (p *Pipeline) Cut(pic *vision.Picture, o Options) (top []TopClass, clusters [][]int, err error) {
	if o, err = p.options(o); err != nil {
		return nil, nil, err
	}
	in, err := p.forward(subject{pic: pic}, nil, o.Threads)
	if err != nil {
		return nil, nil, err
	}
	classes, err := o.pick(in.Prob)
	if err != nil {
		return nil, nil, err
	}
	clusters, err = o.cut(classes)
	return p.top(in, classes), clusters, err
}

// Explain explains a picture by one method.
func (p *Pipeline) Explain(ctx context.Context, pic *vision.Picture, o Options) (*Explanation, error) {
	all, err := p.ExplainAll(ctx, pic, o, []Method{o.Method})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// ExplainAll explains a picture by several methods that share all the network's work;
// o.Method is ignored. The base maps of the explanations are shared, too.
func (p *Pipeline) ExplainAll(ctx context.Context, pic *vision.Picture, o Options, methods []Method) ([]*Explanation, error) {
	return p.explainAll(ctx, subject{pic: pic}, o, methods)
}

// ExplainTensor explains a network input [C][H][W], given as it is, by one method. The
// explanation's Picture shows it: each channel from its least to its largest value. Where an
// explainer blackens pixels they become 0.
func (p *Pipeline) ExplainTensor(ctx context.Context, x []float32, o Options) (*Explanation, error) {
	all, err := p.ExplainTensorAll(ctx, x, o, []Method{o.Method})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// ExplainTensorAll is ExplainAll for a network input, as ExplainTensor is Explain.
func (p *Pipeline) ExplainTensorAll(ctx context.Context, x []float32, o Options, methods []Method) ([]*Explanation, error) {
	return p.explainAll(ctx, subject{x: x}, o, methods)
}

func (p *Pipeline) explainAll(ctx context.Context, s subject, o Options, methods []Method) ([]*Explanation, error) {
	o.Method = ""
	o, err := p.options(o)
	if err != nil {
		return nil, err
	}
	start := time.Now()
	in, err := p.forward(s, o.Explainer.Keep(), o.Threads)
	if err != nil {
		return nil, err
	}
	in.Seed, in.Progress, in.Partial = o.Seed, o.Progress, nil
	top, err := o.pick(in.Prob)
	if err != nil {
		return nil, err
	}
	clusters, err := o.cut(top)
	if err != nil && o.use != nil && !slices.ContainsFunc(methods, clustered) {
		clusters, err = apart(top), nil // no method asks what the tree cannot tell
	}
	if err != nil {
		return nil, err
	}
	seconds := map[string]float64{"classify": time.Since(start).Seconds()}

	start = time.Now()
	shape := p.classifier.Net.Input()
	base := newBases(shape.H, shape.W)
	jobs := make([]*job, len(methods))
	for i, m := range methods {
		o.Method = m
		if o, err = o.withDefaults(p.classifier); err != nil {
			return nil, err
		}
		jobs[i] = &job{method: o.Method, variant: o.Variant, rectify: o.rectify(), delta: o.Delta,
			epsilon: o.Epsilon, top: top, clusters: clusters, base: base}
		jobs[i].ask()
	}
	if in.Session == nil && o.Explainer.Keep() != nil && !in.Known.Holds(o.Explainer, base.requests()) {
		if err := p.run(in, o.Explainer.Keep()); err != nil {
			return nil, err
		}
	}
	if o.Partial != nil {
		in.Partial = func(results []saliency.Result) {
			for r, req := range base.requests() {
				base.results[req.Stage] = results[r]
			}
			for _, j := range jobs {
				e := p.skeleton(s, in, &o, j)
				j.combine(e)
				o.Partial(e)
			}
		}
	}
	warnings, err := base.fill(ctx, o.Explainer, in, p.classifier)
	if err != nil {
		return nil, err
	}
	seconds["explain"] = time.Since(start).Seconds()

	out := make([]*Explanation, len(jobs))
	for i, j := range jobs {
		start = time.Now()
		e := p.skeleton(s, in, &o, j)
		j.combine(e)
		for _, n := range e.Picture.Notes {
			e.Warnings = append(e.Warnings, Warning{n.Code, n.Message})
		}
		e.Warnings = append(e.Warnings, e.Input.remarks()...)
		e.Warnings = append(e.Warnings, p.classifier.Warnings...)
		if s, _ := p.Statistics(); s.Warning() != "" {
			e.Warnings = append(e.Warnings, Warning{StatisticsDiffer, s.Warning() + ". 'cwox weights check' tries the alternatives."})
		}
		e.Warnings = append(e.Warnings, warnings...)
		if o.use != nil && j.method == CWOX2s {
			e.Warnings = append(e.Warnings, o.use.remarks(top, p.classifier)...)
		}
		e.Warnings = append(e.Warnings, j.remarks(e, p.classifier)...)
		e.Seconds = maps.Clone(seconds)
		e.Seconds["combine"] = time.Since(start).Seconds()
		if o.Effects {
			start = time.Now()
			if err := p.effects(ctx, in, o.Explainer.Keep(), e, atOnce); err != nil {
				return nil, err
			}
			e.Seconds["effects"] = time.Since(start).Seconds()
		}
		out[i] = e
	}
	return out, nil
}

// options fills in defaults and matches the tree with the classifier, once for each tree.
func (p *Pipeline) options(o Options) (Options, error) {
	if err := p.classifier.whole(); err != nil {
		return o, err
	}
	o, err := o.withDefaults(p.classifier)
	if err != nil || o.Tree == nil || len(o.Clusters) > 0 {
		return o, err
	}
	if o.use, err = p.classifier.useTree(o.Tree, o.TreeFile); err != nil {
		return o, fmt.Errorf("cwox: %w", err)
	}
	return o, nil
}

// rectify says whether base maps are rectified.
func (o *Options) rectify() bool {
	switch {
	case o.Method == CWOX1sB: // its product has no meaning for signed maps
		return true
	case o.ReLU == AutoReLU:
		return o.Variant == Paper || o.Method == SWOX
	}
	return o.ReLU == WithReLU
}

// forward classifies a picture or a network input with a session that keeps some layers.
func (p *Pipeline) forward(what subject, keep []string, threads int) (*saliency.Input, error) {
	c := p.classifier
	if err := c.whole(); err != nil {
		return nil, err
	}
	if in := what.held.recall(keep); in != nil {
		return in, nil
	}
	in, err := what.input(c)
	if err != nil {
		return nil, err
	}
	in.Threads = threads
	if err := p.run(in, keep); err != nil {
		return nil, err
	}
	what.held.remember(keep, in)
	return in, nil
}

// run puts an input through a session that keeps some layers.
func (p *Pipeline) run(in *saliency.Input, keep []string) error {
	c := p.classifier
	// What is measured must change nothing: in bfloat16 it would, so it is a pass of its own.
	o := nn.SessionOptions{Batch: 1, Threads: in.Threads, Keep: keep, Moments: p.measure && c.Net.Precision() == "f32"}
	if err := p.open(in, o); err != nil {
		return err
	}
	in.Logits = p.logits(p.session.Forward(in.X))
	for i, z := range in.Logits {
		if math.IsNaN(float64(z)) || math.IsInf(float64(z), 0) {
			return fmt.Errorf("cwox: %s: the logit of class %d is %g: the network's output cannot be ranked", c.Arch.Name, i, z)
		}
	}
	var err error
	if p.statistics, err = p.measured(in.X, o.Moments); err != nil {
		return err
	}
	in.Output, in.Prob = c.Output(), c.Output().Probabilities(in.Logits)
	return nil
}

// open gives an input the pipeline's session, made anew where it was for something else.
func (p *Pipeline) open(in *saliency.Input, o nn.SessionOptions) error {
	if key := fmt.Sprint(o); p.session == nil || p.sessionFor != key {
		p.Close()
		s, err := p.classifier.Net.NewSession(o)
		if err != nil {
			return err
		}
		p.session, p.sessionFor = s, key
	}
	in.Session = p.session
	return nil
}

// logits is a copy of the network's output for an input.
func (p *Pipeline) logits(out []float32) []float32 {
	out = slices.Clone(out)
	if p.classifier.Arch.OneLogit() { // -z/2 and z/2 are shown as 0 and z
		first := out[0]
		for i := range out {
			out[i] -= first
		}
	}
	return out
}

// measured are the statistics of an input, nil if nobody asked for them; inSession says that
// its forward pass took them.
func (p *Pipeline) measured(x []float32, inSession bool) (*zoo.Statistics, error) {
	if !p.measure {
		return nil, nil
	}
	p.measure = false
	if inSession {
		s := zoo.StatisticsOf(p.session.Drift(0))
		return &s, nil
	}
	s, err := zoo.CheckStatistics(p.classifier.Net, x)
	return &s, err
}

// StatisticsDiffer is the code of the warning that the statistics in the weights are not those
// of the network on this picture.
const StatisticsDiffer = "statistics"

// fill has the explainer make the maps, and says which values were not finite.
func (b *bases) fill(ctx context.Context, e saliency.Explainer, in *saliency.Input, c *Classifier) ([]Warning, error) {
	reqs := b.requests()
	results, err := e.Explain(ctx, in, reqs)
	if err != nil {
		return nil, err
	}
	var warnings []Warning
	for r, req := range reqs {
		for t, target := range req.Targets {
			m := results[r].Maps[t]
			if bad := sanitise(m); bad > 0 {
				warnings = append(warnings, Warning{"nan-map", fmt.Sprintf(
					"%d of %d values of the %s-stage %s map of %s are not finite numbers; they count as 0.",
					bad, len(m.Data), req.Stage, e.Name(), c.names(target.Classes))})
			}
		}
		b.results[req.Stage] = results[r]
	}
	return warnings, nil
}

// skeleton is an explanation without its maps.
func (p *Pipeline) skeleton(s subject, in *saliency.Input, o *Options, j *job) *Explanation {
	c := p.classifier
	shape := c.Net.Input()
	e := &Explanation{
		Model: ModelInfo{Name: c.Arch.Name, Settings: c.Settings, WeightsKey: c.WeightsKey, WeightsFile: c.WeightsFile, WeightsSHA256: c.WeightsSHA256,
			Precision: c.Net.Precision(), Kernel: c.Net.Kernel(), Width: shape.W, Height: shape.H, Output: c.Output()},
		Tree:   o.treeInfo(),
		Top:    p.top(in, j.top),
		Method: j.method, Variant: j.variant, Explainer: o.Explainer.Name(), Settings: o.Explainer.Settings(), Seed: o.Seed,
	}
	e.Picture, e.Input = s.shown(c, in)
	e.Settings["relu"] = j.rectify
	if j.method == CWOX2s && j.variant == Reference {
		e.Settings["delta"] = j.delta
	}
	if j.method == CWOX2s && j.variant == Paper {
		e.Settings["epsilon"] = j.epsilon
	}
	for i, cluster := range j.clusters {
		prob, logit := compound(cluster, in)
		e.Clusters = append(e.Clusters, Cluster{Classes: cluster, Probability: prob, Logit: logit})
		for _, class := range cluster {
			e.Classes = append(e.Classes, Class{Class: class, Cluster: i})
		}
	}
	return e
}

func (p *Pipeline) top(in *saliency.Input, classes []int) []TopClass {
	out := make([]TopClass, len(classes))
	for i, c := range classes {
		out[i] = TopClass{Class: c, Label: p.classifier.Label(c), Probability: in.Prob[c], Logit: float64(in.Logits[c])}
	}
	return out
}

// remarks are the warnings that follow from what was explained and what came out.
func (j *job) remarks(e *Explanation, c *Classifier) []Warning {
	var out []Warning
	add := func(code, format string, args ...any) {
		out = append(out, Warning{code, fmt.Sprintf(format, args...)})
	}
	switch {
	case len(j.top) == 1:
		add("single-class", "Only %s is explained, so nothing is contrasted.", c.names(j.top))
	case len(j.clusters) == 1 && j.method == CWOX2s:
		add("single-cluster", "All explained classes form one cluster, so its map is not contrasted.")
	case len(j.clusters) == len(j.top) && j.method == CWOX2s:
		add("all-singletons", "Every explained class is a cluster of its own, so no classes are contrasted within a cluster.")
	}
	sampled := func(what string, n *saliency.Noise) {
		if n != nil && !n.Resolved {
			add("not-resolved", "%s is not resolved: %d samples give it a predicted fidelity of %.2f (cautiously %.2f).",
				what, n.Masks, n.Fidelity, n.FidelityLow)
		}
	}
	for i := range e.Clusters {
		if k := &e.Clusters[i]; k.Map.Data != nil {
			what := "The map of cluster " + c.names(k.Classes)
			if blank(k.Map) {
				add("blank-map", "%s is blank: no pixel speaks for it.", what)
			}
			sampled(what, k.Noise)
		}
	}
	for i := range e.Classes {
		if k := &e.Classes[i]; k.Map.Data != nil {
			what := "The map of " + c.names([]int{k.Class})
			if blank(k.Map) {
				add("blank-map", "%s is blank: no pixel speaks for it.", what)
			}
			sampled(what, k.Noise)
		}
	}
	return out
}

// names lists classes in words: "cello (486), violin (889)".
func (c *Classifier) names(classes []int) string {
	var parts []string
	for _, class := range classes {
		if label := c.Label(class); label != "" {
			parts = append(parts, fmt.Sprintf("%s (%d)", label, class))
		} else {
			parts = append(parts, fmt.Sprintf("class %d", class))
		}
	}
	return strings.Join(parts, ", ")
}
