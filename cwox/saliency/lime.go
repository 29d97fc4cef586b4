package saliency

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"cwox/nn"
	"cwox/nn/vision"
)

// LIME explains by a linear model around the picture (Ribeiro et al., 2016): the picture is
// cut into superpixels, random sets of them are blackened, and a ridge regression says how
// much each superpixel adds to the probability of the target. The map is each superpixel's
// coefficient, where positive, over the largest one.
//
// A target's probability is the sum of its classes' (the authors' code takes the mean, which
// gives the same map). All targets share superpixels, samples and one factorisation; so do
// both stages as far as their settings agree.
type LIME struct {
	Cluster, Class LIMEStage   // zero fields mean the defaults below
	Superpixels    Superpixels // "" means Quickshift

	// Batch is how many blackened pictures go through the network together; 0 means 8.
	// It does not change the result.
	Batch int

	session ownSession
}

// LIMEStage are one stage's settings.
type LIMEStage struct {
	Samples  int     // network evaluations; 2000
	Kernel   float64 // Quickshift's kernel size in pixels, larger for fewer superpixels; 4
	Segments int     // SLIC's superpixels, about; 200
}

// Limits of the settings: they bound memory and time.
const (
	maxKernel      = 20
	maxSuperpixels = 2048
	maxLIMESamples = 1 << 20
	maxLIMEProbs   = 1 << 23 // samples x classes
)

// Random streams: Philox counters are (block, sample, 0, stream).
const (
	limeStreamOn = 0x4C494D45 + iota // which superpixels stay
	limeStreamNoise
)

// Name is "lime".
func (e *LIME) Name() string { return "lime" }

// Settings are the kind of superpixels and both stages' settings.
func (e *LIME) Settings() map[string]any {
	a, b := e.stage(ClusterStage), e.stage(ClassStage)
	out := map[string]any{"superpixels": string(e.kind()), "cluster_samples": a.Samples, "class_samples": b.Samples}
	if e.kind() == SLIC {
		out["cluster_segments"], out["class_segments"] = a.Segments, b.Segments
	} else {
		out["cluster_kernel"], out["class_kernel"] = a.Kernel, b.Kernel
	}
	return out
}

// Keep is nil: blackened pictures go through a session of LIME's own.
func (e *LIME) Keep() []string { return nil }

// Close frees the session that LIME keeps between calls. It makes a new one when it is used
// again.
func (e *LIME) Close() { e.session.Close() }

// Explain makes maps of the size of the network's input.
func (e *LIME) Explain(ctx context.Context, in *Input, reqs []Request) ([]Result, error) {
	shape := in.Model.Input()
	if in.Picture.Height != shape.H || in.Picture.Width != shape.W {
		panic("saliency: lime: the picture does not have the size of the network's input")
	}
	if err := e.check(reqs); err != nil {
		return nil, err
	}
	if err := e.session.open(in.Model, nn.SessionOptions{Batch: e.batch(), Threads: in.Threads}); err != nil {
		return nil, err
	}
	in, reqs = in.columns(reqs)
	return e.explain(ctx, in, reqs, newBlackener(e.session.Session, in, e.batch()).probabilities)
}

// lookup gives the probabilities dst [n][classes] of the picture where only the superpixels
// stay that are on [n][superpixels]. Its classes are Input.columns.
type lookup func(s *segmentation, on []bool, classes []int, dst []float64)

// blackener blackens superpixels of a picture and runs it through a network.
type blackener struct {
	session *nn.Session
	in      *Input
	x       []float32 // the picture, [C][H][W]
	black   []float32 // a black one
	buf     []float32 // [batch][C][H][W]
	logits  int
}

func newBlackener(s *nn.Session, in *Input, batch int) *blackener {
	return &blackener{session: s, in: in, x: in.X, black: in.Tensor(vision.New(in.Picture.Width, in.Picture.Height)),
		buf: make([]float32, batch*len(in.X)), logits: in.Model.Classes()}
}

func (b *blackener) probabilities(s *segmentation, on []bool, classes []int, dst []float64) {
	n, size, plane := len(on)/s.count, len(b.x), len(s.label)
	for i := range n {
		keep := on[i*s.count:][:s.count]
		for c := 0; c < size; c += plane {
			out, x, black := b.buf[i*size+c:][:plane], b.x[c:][:plane], b.black[c:][:plane]
			for p, l := range s.label {
				if keep[l] {
					out[p] = x[p]
				} else {
					out[p] = black[p]
				}
			}
		}
	}
	logits := b.session.Forward(b.buf[:n*size])
	for i := range n {
		b.in.fill(dst[i*len(classes):][:len(classes)], logits[i*b.logits:][:b.logits], classes)
	}
}

// limeGroup are requests that share superpixels and samples.
type limeGroup struct {
	settings LIMEStage // of the superpixels
	samples  int       // the most that a request wants
	reqs     []Request
	at       []int // where they are in the list of all
}

// explain answers the requests with a given network.
func (e *LIME) explain(ctx context.Context, in *Input, reqs []Request, probs lookup) ([]Result, error) {
	groups := e.groups(reqs)
	total, done := 0, 0
	for _, g := range groups {
		total += g.samples
	}
	m := newLabImage(in.Picture)
	results := none(reqs, in.Picture.Height, in.Picture.Width)
	for _, g := range groups {
		seg, err := e.cut(ctx, m, g.settings, in)
		if err != nil {
			return nil, err
		}
		classes, index := union(g.reqs)
		if g.samples*len(classes) > maxLIMEProbs {
			return nil, fmt.Errorf("saliency: lime: %d samples for %d classes: at most %d samples times classes", g.samples, len(classes), maxLIMEProbs)
		}
		s := &samples{seg: seg, seed: in.Seed, classes: classes, p: make([]float64, g.samples*len(classes))}
		// explain makes the maps of the first so many samples.
		explain := func(most int) error {
			var fit *linearFit
			for i, req := range g.reqs {
				n := min(e.stage(req.Stage).Samples, most)
				if fit == nil || fit.rows != n {
					if fit, err = s.fit(ctx, n); err != nil {
						return err
					}
				}
				if results[g.at[i]], err = s.result(ctx, fit, req, index); err != nil {
					return err
				}
			}
			return nil
		}
		shown := limeGlanceFrom / 2
		if err := s.evaluate(ctx, probs, e.batch(), func(n int) error {
			if in.Progress != nil {
				in.Progress(done+n, total)
			}
			if in.Partial == nil || n < 2*shown || n >= g.samples {
				return nil
			}
			shown = n
			if err := explain(n); err != nil {
				return err
			}
			in.Partial(results)
			return nil
		}); err != nil {
			return nil, err
		}
		done += g.samples
		if err := explain(g.samples); err != nil {
			return nil, err
		}
	}
	return results, nil
}

// limeGlanceFrom is the number of samples from which maps are shown before all are evaluated: then,
// and whenever they have doubled.
const limeGlanceFrom = 200

func (e *LIME) groups(reqs []Request) []limeGroup {
	var out []limeGroup
	for i, req := range reqs {
		stage := e.stage(req.Stage)
		n := stage.Samples
		stage.Samples = 0
		if e.kind() == SLIC {
			stage.Kernel = 0
		} else {
			stage.Segments = 0
		}
		k := slices.IndexFunc(out, func(g limeGroup) bool { return g.settings == stage })
		if k < 0 {
			k = len(out)
			out = append(out, limeGroup{settings: stage})
		}
		g := &out[k]
		g.samples, g.reqs, g.at = max(g.samples, n), append(g.reqs, req), append(g.at, i)
	}
	return out
}

// cut cuts the picture into superpixels.
func (e *LIME) cut(ctx context.Context, m *labImage, settings LIMEStage, in *Input) (*segmentation, error) {
	var seg *segmentation
	var err error
	what := fmt.Sprintf("kernel size %g", settings.Kernel)
	if e.kind() == SLIC {
		what = fmt.Sprintf("%d segments", settings.Segments)
		seg, err = slic(ctx, m, settings.Segments)
	} else {
		seg, err = quickshift(ctx, m, settings.Kernel, tieNoise(len(m.l), in.Seed), in.Threads)
	}
	if err != nil {
		return nil, err
	}
	if seg.count > maxSuperpixels {
		return nil, fmt.Errorf("saliency: lime: %s with %s cuts the picture into %d superpixels: at most %d are explained", e.kind(), what, seg.count, maxSuperpixels)
	}
	return seg, nil
}

// samples are the network's answers to random sets of superpixels. The first set is all of
// them; in the others each is on with probability 1/2.
type samples struct {
	seg     *segmentation
	seed    uint64
	classes []int
	p       []float64 // [samples][classes]
}

// draw writes the set of a sample, a pure function of seed and index.
func (s *samples) draw(sample int, on []bool) {
	for i := 0; i < len(on); i += 128 {
		words := philox([4]uint32{uint32(i / 128), uint32(sample), 0, limeStreamOn}, s.seed)
		for j := range on[i:min(i+128, len(on))] {
			on[i+j] = sample == 0 || words[j/32]>>(j%32)&1 != 0
		}
	}
}

// evaluate asks the network about every sample.
func (s *samples) evaluate(ctx context.Context, probs lookup, batch int, progress func(done int) error) error {
	k, m := len(s.classes), s.seg.count
	on := make([]bool, batch*m)
	total := len(s.p) / k
	for at := 0; at < total; at += batch {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(batch, total-at)
		for i := range n {
			s.draw(at+i, on[i*m:][:m])
		}
		probs(s.seg, on[:n*m], s.classes, s.p[at*k:][:n*k])
		if err := progress(at + n); err != nil {
			return err
		}
	}
	return nil
}

// fit explains the first n samples.
func (s *samples) fit(ctx context.Context, n int) (*linearFit, error) {
	return fitLinear(ctx, n, s.seg.count, s.draw, s.p[:n*len(s.classes)])
}

// result makes the maps of a request, and says how settled they are.
func (s *samples) result(ctx context.Context, fit *linearFit, req Request, index map[int]int) (Result, error) {
	var out Result
	coef := make([][]float64, len(req.Targets))
	factor := make([]float64, len(req.Targets)) // from coefficients to the map
	var wanted []limeWanted
	for i, t := range req.Targets {
		coef[i] = fit.of(t, index)
		if top := slices.Max(coef[i]); top > 0 || math.IsNaN(top) {
			factor[i] = 1 / top
		}
		out.Maps = append(out.Maps, s.seg.paint(coef[i], factor[i]))
		w := newLIMEWanted(len(s.classes), s.seg.count)
		w.add(factor[i], t, index, coef[i])
		wanted = append(wanted, w)
	}
	for _, c := range req.Contrasts {
		w := newLIMEWanted(len(s.classes), s.seg.count)
		w.add(factor[c.Fact], req.Targets[c.Fact], index, coef[c.Fact])
		w.add(-factor[c.Foil], req.Targets[c.Foil], index, coef[c.Foil])
		wanted = append(wanted, w)
	}
	noise, err := s.noise(ctx, fit, wanted)
	if err != nil {
		return out, err
	}
	out.Noise, out.ContrastNoise = noise[:len(req.Targets)], noise[len(req.Targets):]
	return out, nil
}

// limeWanted is a map whose noise matters: a target's or a contrast's, before negative
// coefficients are dropped.
type limeWanted struct {
	factor []float64 // [classes]: what each class's coefficients are multiplied with
	value  []float64 // [superpixels]: the map
}

func newLIMEWanted(classes, superpixels int) limeWanted {
	return limeWanted{make([]float64, classes), make([]float64, superpixels)}
}

func (w *limeWanted) add(factor float64, t Target, index map[int]int, coef []float64) {
	for _, c := range t.Classes {
		w.factor[index[c]] += factor
	}
	for j, b := range coef {
		w.value[j] += float64(factor * b)
	}
}

// noise says how settled maps are as far as sampling goes: with other superpixels they would
// be other maps.
func (s *samples) noise(ctx context.Context, fit *linearFit, wanted []limeWanted) ([]Noise, error) {
	area := s.seg.areas()
	factors := make([][]float64, len(wanted))
	for k, w := range wanted {
		factors[k] = w.factor
	}
	variance, tail, err := fit.variance(ctx, factors, area)
	if err != nil {
		return nil, err
	}
	out := make([]Noise, len(wanted))
	for k, w := range wanted {
		mean, signal := 0.0, 0.0
		for j, v := range w.value {
			mean += area[j] * v / float64(len(s.seg.label))
		}
		for j, v := range w.value {
			signal += float64(area[j] * (v - mean) * (v - mean))
		}
		out[k] = newNoise(fit.rows, variance[k], signal, len(s.seg.label), tail[k], 1, 0)
	}
	return out, nil
}

// paint is the map of max(coefficient, 0) times a factor.
func (s *segmentation) paint(coef []float64, factor float64) Map {
	value := make([]float32, s.count)
	for i, c := range coef {
		value[i] = float32(max(c, 0) * factor)
	}
	out := Map{s.height, s.width, make([]float32, len(s.label))}
	for i, l := range s.label {
		out.Data[i] = value[l]
	}
	return out
}

// stage are a stage's settings with defaults: those of the authors' README.
func (e *LIME) stage(s Stage) LIMEStage {
	out := e.Cluster
	if s == ClassStage {
		out = e.Class
	}
	if out.Samples == 0 {
		out.Samples = 2000
	}
	if out.Kernel == 0 {
		out.Kernel = 4
	}
	if out.Segments == 0 {
		out.Segments = 200
	}
	return out
}

func (e *LIME) kind() Superpixels {
	if e.Superpixels == "" {
		return Quickshift
	}
	return e.Superpixels
}

func (e *LIME) batch() int {
	if e.Batch == 0 {
		return 8
	}
	return e.Batch
}

func (e *LIME) check(reqs []Request) error {
	if k := e.kind(); !slices.Contains(SuperpixelKinds(), k) {
		return fmt.Errorf("saliency: lime: unknown superpixels %q (known: %s, %s)", k, Quickshift, SLIC)
	}
	if e.Batch < 0 || e.Batch > 1024 {
		return fmt.Errorf("saliency: lime: batch %d: want 1 to 1024", e.Batch)
	}
	for _, req := range reqs {
		s := e.stage(req.Stage)
		if s.Samples < 1 || s.Samples > maxLIMESamples {
			return fmt.Errorf("saliency: lime: %s stage: %d samples: want 1 to %d", req.Stage, s.Samples, maxLIMESamples)
		}
		if !(s.Kernel >= 0.5 && s.Kernel <= maxKernel) {
			return fmt.Errorf("saliency: lime: %s stage: kernel size %g: want 0.5 to %d", req.Stage, s.Kernel, maxKernel)
		}
		if s.Segments < 1 || s.Segments > maxSuperpixels {
			return fmt.Errorf("saliency: lime: %s stage: %d segments: want 1 to %d", req.Stage, s.Segments, maxSuperpixels)
		}
	}
	if len(reqs) == 0 {
		return errors.New("saliency: lime: nothing is asked for")
	}
	return nil
}
