package dataset

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"time"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/saliency"
	"cwox/nn"
)

// PlanOptions steer [NewPlan].
type PlanOptions struct {
	Evaluate EvaluateOptions // what is planned, as for Evaluate, and how images are decoded
	Sample   int             // images to try, spread over the list; 0 means 16
	// Forwards is the number of forward passes per second to reckon with, of another machine;
	// 0 measures this one's.
	Forwards float64
	// Progress, if not nil, is told how many images of the sample are done.
	Progress func(phase string, done, total int)
}

// PhaseTry is the phase of [NewPlan].
const PhaseTry = "try"

// Plan says how long the images of a list take on one machine, by what some of them took.
type Plan struct {
	Images   int           `json:"images"`
	Tried    int           `json:"tried"`
	Qualify  int           `json:"qualify"` // of those tried: images that are evaluated
	Forwards float64       `json:"forwards_per_second"`
	Work     []PlannedWork `json:"work"`
}

// PlannedWork is documents, or an evaluation with one explainer.
type PlannedWork struct {
	Command   string  `json:"command"`
	Explainer string  `json:"explainer,omitempty"`
	Seconds   float64 `json:"seconds_per_image"`
	// Error is the standard error of Seconds, as images differ; 0 where it is not known.
	Error  float64 `json:"error"`
	Passes float64 `json:"forwards_per_image"` // of Seconds, those that were reckoned and not run
}

// Hours is how long machines take together, each as fast as the one of the plan.
func (p *Plan) Hours(w PlannedWork, machines int) float64 {
	return float64(p.Images) * w.Seconds / 3600 / float64(machines)
}

// NewPlan tries some images of a list. What runs the network thousands of times is not run but
// reckoned: the masks of RISE and the samples of LIME but for few, and all that scores maps, whose
// forward passes are counted.
func NewPlan(ctx context.Context, c *cwox.Classifier, images []string, o PlanOptions) (*Plan, error) {
	if o.Sample == 0 {
		o.Sample = 16
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	if len(images) == 0 || o.Sample < 1 {
		return nil, fmt.Errorf("dataset: %d images, %d to try: want at least one", len(images), o.Sample)
	}
	p := &Plan{Images: len(images), Forwards: o.Forwards}
	sample := spread(images, o.Sample)
	p.Tried = len(sample)
	wanted := make([]float64, len(o.Evaluate.Explainers)) // passes that the trial leaves out
	for i, x := range o.Evaluate.Explainers {
		o.Evaluate.Explainers[i], wanted[i] = trial(x)
	}
	e := &evaluator{c: c, o: o.Evaluate}
	if err := e.prepare(); err != nil {
		return nil, err
	}
	defer e.close()
	if p.Forwards == 0 {
		var err error
		if p.Forwards, err = forwards(c, o.Evaluate.Explain.Threads); err != nil {
			return nil, err
		}
	}
	seconds, err := tryDocuments(ctx, c, sample, &o.Evaluate)
	if err != nil {
		return nil, err
	}
	p.Work = append(p.Work, PlannedWork{Command: commandDocuments, Seconds: seconds})
	all := make([][]float64, len(e.o.Explainers)) // seconds of each image
	passes := make([]float64, len(all))
	for i, image := range sample {
		o.Progress(PhaseTry, i, len(sample))
		took, run, err := e.try(ctx, image)
		if err != nil {
			return nil, err
		}
		if run != nil {
			p.Qualify++
		}
		for k := range all {
			n := 0.0
			if run != nil {
				n = run[k] + wanted[k]
			}
			all[k] = append(all[k], took[k]+n/p.Forwards)
			passes[k] += n / float64(len(sample))
		}
	}
	for k, x := range e.o.Explainers {
		mean, err := meanOf(all[k])
		p.Work = append(p.Work, PlannedWork{commandEvaluate, x.Name(), mean, err, passes[k]})
	}
	o.Progress(PhaseTry, len(sample), len(sample))
	return p, nil
}

// spread takes n of a list, at equal distances.
func spread(images []string, n int) (out []string) {
	n = min(n, len(images))
	for i := range n {
		out = append(out, images[(2*i+1)*len(images)/(2*n)])
	}
	return out
}

// trialPasses is how often an explainer runs the network for an image when it is tried.
const trialPasses = 64

// trial makes of an explainer that runs the network very often one that does so seldom, and says
// how many of its passes are left out.
func trial(x saliency.Explainer) (saliency.Explainer, float64) {
	fewer := func(a, b string) (cluster, class int, left float64) {
		s := x.Settings()
		n, m := s[a].(int), s[b].(int)
		share := min(1, trialPasses/float64(n+m))
		cluster, class = int(math.Ceil(float64(n)*share)), int(math.Ceil(float64(m)*share))
		return cluster, class, float64(n + m - cluster - class)
	}
	switch of := x.(type) {
	case *saliency.RISE:
		y := &saliency.RISE{Cluster: of.Cluster, Class: of.Class, Raw: of.Raw, Batch: of.Batch}
		var left float64
		y.Cluster.Masks, y.Class.Masks, left = fewer("cluster_masks", "class_masks")
		return y, left
	case *saliency.LIME:
		y := &saliency.LIME{Cluster: of.Cluster, Class: of.Class, Superpixels: of.Superpixels, Batch: of.Batch}
		var left float64
		y.Cluster.Samples, y.Class.Samples, left = fewer("cluster_samples", "class_samples")
		return y, left
	}
	return x, 0
}

// forwards measures the forward passes per second, for a second or two.
func forwards(c *cwox.Classifier, threads int) (float64, error) {
	s, err := c.Net.NewSession(nn.SessionOptions{Batch: defaultBatch, Threads: threads})
	if err != nil {
		return 0, err
	}
	defer s.Close()
	x := make([]float32, defaultBatch*c.Net.Input().Size())
	s.Forward(x) // which fetches the weights
	start, n := time.Now(), 0
	for n == 0 || time.Since(start) < 1500*time.Millisecond {
		s.Forward(x)
		n += defaultBatch
	}
	return float64(n) / time.Since(start).Seconds(), nil
}

// tryDocuments measures the seconds that an image's labels take.
func tryDocuments(ctx context.Context, c *cwox.Classifier, images []string, o *EvaluateOptions) (float64, error) {
	temp, err := os.MkdirTemp("", "cwox-plan-")
	if err != nil {
		return 0, fmt.Errorf("dataset: %w", err)
	}
	defer os.RemoveAll(temp)
	start := time.Now()
	_, err = WriteDocuments(ctx, c, images, filepath.Join(temp, "d"), DocumentsOptions{Threads: o.Explain.Threads, Decode: o.Decode})
	return time.Since(start).Seconds() / float64(len(images)), err
}

// try explains an image without scoring its maps. It returns the seconds that this took with each
// explainer, and how often the network would run to score its maps; nil where the image does not
// qualify.
func (e *evaluator) try(ctx context.Context, image string) (seconds, passes []float64, err error) {
	seconds = make([]float64, len(e.o.Explainers))
	start := time.Now()
	add := func(to ...int) {
		for _, k := range to {
			seconds[k] += time.Since(start).Seconds()
		}
		start = time.Now()
	}
	every := make([]int, len(seconds))
	for k := range every {
		every[k] = k
	}
	line := EvaluatedImage{Image: image, Model: e.c.Arch.Name}
	pic, err := e.decode(&line)
	if err != nil {
		add(every...)
		if ofTheMoment(err) {
			return nil, nil, err
		}
		return seconds, nil, nil
	}
	add(every...)
	_, clusters, err := e.selecting.Cut(pic, e.o.Explain)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: %s: %w", image, err)
	}
	add(every...)
	if _, skipped := pairs(clusters); skipped != "" {
		return seconds, nil, nil
	}
	if pic, err = e.decode(&line); err != nil { // as when it is evaluated
		return nil, nil, err
	}
	add(every...)
	for k := range e.o.Explainers {
		o := e.o.Explain
		o.Explainer = e.o.Explainers[k]
		all, err := e.pipelines[k].ExplainAll(ctx, pic, o, e.o.Methods)
		if err != nil {
			return nil, nil, errors.Join(ctx.Err(), fmt.Errorf("dataset: %s: %s: %w", image, o.Explainer.Name(), err))
		}
		n := 0
		rows, queries := e.ask(nil, nil, all, line)
		for i := 0; i < len(rows); i += len(e.o.Methods) {
			if err := e.find(rows[i:][:len(e.o.Methods)], queries[i:][:len(e.o.Methods)]); err != nil {
				return nil, nil, err
			}
		}
		f := e.o.Faithfulness
		f.Output = e.c.Output()
		if _, err := faithfulness.Score(ctx, e.count(&n), e.c.Transform.Tensor(pic), queries, f); err != nil {
			return nil, nil, fmt.Errorf("dataset: %s: %w", image, err)
		}
		add(k)
		passes = append(passes, float64(n))
	}
	return seconds, passes, nil
}

// count is a scorer that runs no network: it counts, and finds all classes alike.
func (e *evaluator) count(n *int) faithfulness.Scorer {
	size, classes := e.c.Net.Input().Size(), e.c.Net.Classes()
	var out []float64
	return func(x []float32) []float64 {
		k := len(x) / size
		*n += k
		for len(out) < k*classes {
			out = append(out, 1/float64(classes))
		}
		return out[:k*classes]
	}
}

// meanOf is the mean of values with its standard error.
func meanOf(v []float64) (mean, err float64) {
	n := float64(len(v))
	for _, x := range v {
		mean += x / n
	}
	if len(v) < 2 {
		return mean, 0
	}
	for _, x := range v {
		err += float64((x - mean) * (x - mean))
	}
	return mean, math.Sqrt(err / (n - 1) / n)
}
