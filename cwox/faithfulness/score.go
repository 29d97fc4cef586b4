package faithfulness

import (
	"context"
	"fmt"
	"math"
	"slices"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/nn"
)

// Scorer gives the class probabilities [n][classes] of n inputs x [n][C][H][W]. They are
// valid until the next call.
type Scorer func(x []float32) []float64

// Network scores by a session of a model whose classes compete, in pieces of the session's batch.
func Network(m *nn.Model, s *nn.Session) Scorer { return scorer(m, s, saliency.Softmax) }

// Classifier scores by a session of a classifier's network, in pieces of the session's batch.
func Classifier(c *cwox.Classifier, s *nn.Session) Scorer { return scorer(c.Net, s, c.Output()) }

func scorer(m *nn.Model, s *nn.Session, output saliency.Output) Scorer {
	var out []float64
	return func(x []float32) []float64 {
		out = out[:0]
		for part := range slices.Chunk(x, s.Batch()*m.Input().Size()) {
			for logits := range slices.Chunk(s.Forward(part), m.Classes()) {
				out = append(out, output.Probabilities(logits)...)
			}
		}
		return out
	}
}

// Query asks how faithful a heatmap is to what speaks for the classes Pos against the
// classes Neg; Neg may be empty, then s = P(pos).
type Query struct {
	Heatmap  Heatmap
	Pos, Neg []int
	Count    int // pixels that CAUC and CDROP cover; 0 means the heatmap's n_delta
	// Exact, if not 0, saves work where CAUC is wanted over so many pixels only: behind
	// them the curve has few points, and is linear in between; CDROP stays exact.
	Exact int
}

// tailPoints is about how many points a curve has behind Query.Exact.
const tailPoints = 24

// Salient returns n_delta of a heatmap, and whether it can be scored, without scoring it.
func Salient(h Heatmap, o Options) (int, Status, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return 0, "", err
	}
	n, status := h.judge(&o)
	return n, status, nil
}

// Options steer Score. The zero value is the paper's definition, every pixel evaluated.
type Options struct {
	Definition Definition // "" means Paper
	// Step is the number of pixels between evaluations of the contrastive score; 0 means 1
	// for Paper, 16 for Reference.
	Step  int
	Delta float64 // share of the maximum from which on pixels are salient; 0 means 0.5
	// AUCSteps is the number of steps of the deletion and the insertion curve; 0 means
	// DefaultAUCSteps, a negative number leaves them out.
	AUCSteps int
	Batch    int // inputs per call of the Scorer; 0 means 8
	// Output says how the probabilities of several classes join; the zero value adds them.
	Output saliency.Output
	// Progress, if not nil, is told how many of the inputs are scored.
	Progress func(done, total int)
}

// DefaultAUCSteps is 224: of 224 pixels each for an input of 224 x 224.
const DefaultAUCSteps = 224

// Result is what Score finds.
type Result struct {
	Status Status
	NDelta int // number of delta-salient pixels
	Count  int // pixels that CAUC and CDROP cover

	// Values by the definition; NaN where the Status leaves them without meaning.
	CAUC, CDROP                   float64
	DeletionAUC, InsertionAUC     float64
	Contrast, Deletion, Insertion Curve // empty where nothing was evaluated
}

// WithDefaults fills in defaults.
func (o Options) WithDefaults() (Options, error) {
	if o.Definition == "" {
		o.Definition = Paper
	}
	if o.Definition != Paper && o.Definition != Reference {
		return o, fmt.Errorf("faithfulness: unknown definition %q (known: %s, %s)", o.Definition, Paper, Reference)
	}
	if o.Step == 0 {
		o.Step = 1
		if o.Definition == Reference {
			o.Step = 16
		}
	}
	if o.Delta == 0 {
		o.Delta = 0.5
	}
	if o.AUCSteps == 0 {
		o.AUCSteps = DefaultAUCSteps
	}
	if o.Batch == 0 {
		o.Batch = 8
	}
	if o.Step < 0 {
		return o, fmt.Errorf("faithfulness: step %d: want at least 1 pixel", o.Step)
	}
	if !(o.Delta > 0 && o.Delta <= 1) {
		return o, fmt.Errorf("faithfulness: delta %g: want more than 0 and at most 1", o.Delta)
	}
	if o.Batch < 0 {
		return o, fmt.Errorf("faithfulness: batch %d: want at least 1", o.Batch)
	}
	return o, nil
}

// Score answers queries about one input x [C][H][W], all in one sweep of batches. It
// returns ctx's error after at most one batch. Heatmaps of another size than the input's,
// classes that do not exist and probabilities that are not finite are errors.
func Score(ctx context.Context, score Scorer, x []float32, queries []Query, o Options) ([]Result, error) {
	o, err := o.WithDefaults()
	if err != nil {
		return nil, err
	}
	results := make([]Result, len(queries))
	var sweep sweep
	for i, q := range queries {
		if err := q.check(x); err != nil {
			return nil, fmt.Errorf("faithfulness: heatmap %d of %d: %w", i+1, len(queries), err)
		}
		results[i] = q.prepare(&sweep, &o)
	}
	if err := sweep.run(ctx, score, x, &o); err != nil {
		return nil, err
	}
	for i := range results {
		results[i].finish(&o)
	}
	return results, nil
}

func (q *Query) check(x []float32) error {
	h := q.Heatmap
	plane := h.Height * h.Width
	if h.Height < 1 || h.Width < 1 || len(h.Data) != plane || len(x)%plane != 0 {
		return fmt.Errorf("%d x %d with %d values does not fit an input of %d values", h.Height, h.Width, len(h.Data), len(x))
	}
	if len(q.Pos) == 0 {
		return fmt.Errorf("no class whose evidence it should show")
	}
	for _, set := range [][]int{q.Pos, q.Neg} {
		for i, c := range set {
			if c < 0 || slices.Contains(set[:i], c) {
				return fmt.Errorf("class %d is negative or given twice", c)
			}
		}
	}
	if q.Count < 0 || q.Count > plane || q.Exact < 0 {
		return fmt.Errorf("%d pixels to cover, %d of them exactly: want 0 to %d", q.Count, q.Exact, plane)
	}
	return nil
}

// prepare adds what must be evaluated for a query to the sweep.
func (q *Query) prepare(s *sweep, o *Options) Result {
	var r Result
	r.NDelta, r.Status = q.Heatmap.judge(o)
	if r.Status == NotFinite {
		return r
	}
	r.Count = r.NDelta
	if q.Count > 0 {
		r.Count = q.Count
		if r.Status == TooFew && q.Count > o.Step {
			r.Status = OK
		}
	}
	heat := q.Heatmap
	if o.Definition == Reference {
		heat = heat.normalised()
	}
	size := len(heat.Data)
	reach := max(r.NDelta, r.Count)
	r.Contrast = newCurve(size)
	switch {
	case reach == 0: // the score of the input itself
		r.Contrast.Pixels = append(r.Contrast.Pixels, 0)
	case o.Definition == Reference:
		for t := range points(reach, o.Step) {
			r.Contrast.Pixels = append(r.Contrast.Pixels, t*o.Step)
		}
	default:
		for n := 0; n < reach; n += o.Step {
			r.Contrast.Pixels = append(r.Contrast.Pixels, n)
		}
		r.Contrast.Pixels = append(r.Contrast.Pixels, r.Count, r.NDelta)
		slices.Sort(r.Contrast.Pixels)
		r.Contrast.Pixels = slices.Compact(r.Contrast.Pixels)
	}
	if q.Exact > 0 {
		r.Contrast.Pixels = sparse(r.Contrast.Pixels, q.Exact)
	}
	s.add(&trail{query: q, order: heat.Order(), curve: r.Contrast.allocate()})
	if o.AUCSteps < 0 {
		return r
	}
	order := q.Heatmap.Order()
	steps := min(o.AUCSteps, size)
	r.Deletion, r.Insertion = newCurve(size), newCurve(size)
	for _, c := range []*Curve{&r.Deletion, &r.Insertion} {
		for i := range steps + 1 {
			c.Pixels = append(c.Pixels, i*size/steps)
		}
		s.add(&trail{query: q, order: order, curve: c.allocate(), insert: c == &r.Insertion})
	}
	return r
}

// sparse keeps the points up to the first one that has exact pixels or more, about tailPoints
// of those behind it, and the last three, which the reference's CDROP takes.
func sparse(pixels []int, exact int) []int {
	fine, _ := slices.BinarySearch(pixels, exact)
	stride := max((len(pixels)-fine)/tailPoints, 1)
	var out []int
	for i, n := range pixels {
		if i <= fine || (i-fine)%stride == 0 || i >= len(pixels)-3 {
			out = append(out, n)
		}
	}
	return out
}

func newCurve(size int) Curve { return Curve{Size: size} }

// allocate makes room for the probabilities and returns the curve as the sweep writes it.
func (c *Curve) allocate() Curve {
	c.Pos, c.Neg = make([]float64, len(c.Pixels)), make([]float64, len(c.Pixels))
	return *c
}

// finish computes the metrics of evaluated curves.
func (r *Result) finish(o *Options) {
	nan := math.NaN()
	r.CAUC, r.CDROP, r.DeletionAUC, r.InsertionAUC = nan, nan, nan, nan
	if r.Status == NotFinite {
		return
	}
	if r.Count > 0 && r.Status != Blank && r.Status != TooFew {
		r.CAUC = r.Contrast.CAUC(o.Definition, r.Count, o.Step)
		r.CDROP = r.Contrast.CDROP(o.Definition, r.Count, o.Step)
	}
	if r.Deletion.Pixels != nil {
		r.DeletionAUC, r.InsertionAUC = r.Deletion.AUC(), r.Insertion.AUC()
	}
}
