package saliency

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"cwox/nn"
)

// RISE is randomised input sampling (Petsiuk et al., 2018): a class's map is the mean of
// random masks weighted with the class's probability for the masked picture. Masked
// pixels are 0 in the network's input, that is the mean colour. A target's map is the sum
// of its classes' maps. All targets share all masks; stages share them where their
// settings are equal.
type RISE struct {
	Cluster, Class RISEStage // zero fields mean the defaults below
	Quality        Quality   // "" means Plain

	// Tolerance, where positive, stops a stage when every wanted map and contrast has
	// settled: its cautious fidelity is at least 1 - Tolerance and no single mask
	// carries half of its variance. Masks is then the most that are spent, by default
	// 8000.
	Tolerance float64

	// Raw leaves out the last step, the scaling of each map to [0, 1].
	Raw bool

	// Batch is how many masked pictures go through the network together; 0 means 8.
	// It does not change the result.
	Batch int

	session ownSession
	pool    int // candidates per round of Fast; 0 means poolSize
}

// RISEStage are one stage's settings.
type RISEStage struct {
	Masks int     // network evaluations; cluster stage 5000, class stage 3000 (fast: 2500, 1000)
	Cells int     // grid cells per side; 15, 10
	Keep  float64 // probability to keep a cell; 0.3, 0.14
}

// Quality is RISE's estimator.
type Quality string

// The estimators.
const (
	// Plain is the definition: the mean of p_c(M) M over plain masks, over keep.
	Plain Quality = "plain"
	// Debiased is cov(p_c, M) / var(M) for each pixel, over plain masks.
	Debiased Quality = "debiased"
	// Fast estimates the plain map from half (15 cells, p 0.3) to a quarter (10 cells,
	// p 0.14) of the masks: a surrogate of log p picks those that matter, weights undo the
	// choice, and the surrogate is the control variate.
	Fast Quality = "fast"
)

// Limits of the settings: they bound memory.
const (
	maxMasks     = 1 << 20
	maxMaskProbs = 1 << 21 // masks x classes
)

// defaultTolerance is that of Noise.Resolved where the options give none.
const defaultTolerance = 0.10

// Name is "rise".
func (r *RISE) Name() string { return "rise" }

// Settings are the settings of both stages, the estimator, the tolerance and whether maps
// are scaled to [0, 1].
func (r *RISE) Settings() map[string]any {
	a, b := r.stage(ClusterStage), r.stage(ClassStage)
	return map[string]any{
		"cluster_masks": a.Masks, "cluster_cells": a.Cells, "cluster_keep": a.Keep,
		"class_masks": b.Masks, "class_cells": b.Cells, "class_keep": b.Keep,
		"quality": string(r.quality()), "tolerance": r.Tolerance, "minmax": !r.Raw,
	}
}

// Keep is nil: masked pictures go through a session of RISE's own.
func (r *RISE) Keep() []string { return nil }

// Close frees the session that RISE keeps between calls. It makes a new one when it is used
// again.
func (r *RISE) Close() { r.session.Close() }

// Explain makes maps of the size of the network's input.
func (r *RISE) Explain(ctx context.Context, in *Input, reqs []Request) ([]Result, error) {
	shape := in.Model.Input()
	if err := r.check(shape, reqs); err != nil {
		return nil, err
	}
	if err := r.session.open(in.Model, nn.SessionOptions{Batch: r.batch(), Threads: in.Threads}); err != nil {
		return nil, err
	}
	in, reqs = in.columns(reqs)
	return r.explain(ctx, in, shape, reqs, sessionProber(r.session.Session, in))
}

// prober gives the probabilities [n][classes] of the picture under n masks [n][H][W]. Its classes
// are Input.columns.
type prober func(masks []float32, classes []int, dst []float64)

// sessionProber runs the picture through a session.
func sessionProber(s *nn.Session, in *Input) prober {
	shape := in.Model.Input()
	return func(masks []float32, classes []int, dst []float64) {
		logits := s.ForwardMasked(in.X, masks)
		n := in.Model.Classes()
		for i := range len(masks) / (shape.H * shape.W) {
			in.fill(dst[i*len(classes):][:len(classes)], logits[i*n:][:n], classes)
		}
	}
}

// explain answers the requests with a given network.
func (r *RISE) explain(ctx context.Context, in *Input, shape nn.Shape, reqs []Request, probs prober) ([]Result, error) {
	results := none(reqs, shape.H, shape.W)
	var total, done int
	var space *workspace // of the stages, one after the other
	groups := r.groups(reqs)
	for _, g := range groups {
		total += g.Masks
	}
	for number, g := range groups {
		s := &sweep{
			RISEStage: g.RISEStage, quality: r.quality(), tolerance: r.Tolerance, batch: r.batch(), raw: r.Raw, threads: in.Threads,
			law: newMaskLaw(shape.H, shape.W, g.Cells, g.Keep, in.Seed, number), probs: probs,
			progress: func(n int) {
				if in.Progress != nil {
					in.Progress(done+n, total)
				}
			},
		}
		s.classes, s.index = union(g.reqs)
		if s.Masks*len(s.classes) > maxMaskProbs {
			return nil, fmt.Errorf("saliency: rise: %d masks for %d classes: at most %d masks times classes", s.Masks, len(s.classes), maxMaskProbs)
		}
		if in.Partial != nil {
			s.partial = func() {
				for i, at := range g.at {
					results[at] = s.result(i)
				}
				in.Partial(results)
			}
		}
		for _, req := range g.reqs {
			s.addRequest(req)
		}
		if s.quality == Fast {
			s.fast = newFast(s, in.Model)
			s.fast.space = space
			if r.pool > 0 {
				s.fast.pool = r.pool
			}
		}
		if err := s.run(ctx); err != nil {
			return nil, err
		}
		if s.fast != nil {
			space = s.fast.space
		}
		for i, at := range g.at {
			results[at] = s.result(i)
		}
		done += g.Masks
		if in.Progress != nil {
			in.Progress(done, total)
		}
	}
	return results, nil
}

// group are requests that share masks.
type group struct {
	RISEStage
	reqs []Request
	at   []int // where they are in the list of all
}

func (r *RISE) groups(reqs []Request) []group {
	var out []group
	for i, req := range reqs {
		stage := r.stage(req.Stage)
		k := slices.IndexFunc(out, func(g group) bool { return g.RISEStage == stage })
		if k < 0 {
			k = len(out)
			out = append(out, group{RISEStage: stage})
		}
		out[k].reqs, out[k].at = append(out[k].reqs, req), append(out[k].at, i)
	}
	return out
}

// stage are a stage's settings with defaults: those of the authors' README.
func (r *RISE) stage(s Stage) RISEStage {
	out, def := r.Cluster, RISEStage{5000, 15, 0.3}
	if s == ClassStage {
		out, def = r.Class, RISEStage{3000, 10, 0.14}
	}
	switch {
	case r.Tolerance > 0:
		def.Masks = 8000
	case r.quality() == Fast && s == ClusterStage:
		def.Masks = 2500
	case r.quality() == Fast:
		def.Masks = 1000
	}
	if out.Masks == 0 {
		out.Masks = def.Masks
	}
	if out.Cells == 0 {
		out.Cells = def.Cells
	}
	if out.Keep == 0 {
		out.Keep = def.Keep
	}
	return out
}

func (r *RISE) quality() Quality {
	if r.Quality == "" {
		return Plain
	}
	return r.Quality
}

func (r *RISE) batch() int {
	if r.Batch == 0 {
		return 8
	}
	return r.Batch
}

func (r *RISE) check(shape nn.Shape, reqs []Request) error {
	if q := r.quality(); q != Plain && q != Debiased && q != Fast {
		return fmt.Errorf("saliency: rise: unknown quality %q (known: %s, %s, %s)", q, Plain, Debiased, Fast)
	}
	if !(r.Tolerance >= 0 && r.Tolerance < 1) {
		return fmt.Errorf("saliency: rise: tolerance %g: want at least 0 and less than 1", r.Tolerance)
	}
	if r.Batch < 0 || r.Batch > 1024 {
		return fmt.Errorf("saliency: rise: batch %d: want 1 to 1024", r.Batch)
	}
	for _, req := range reqs {
		s := r.stage(req.Stage)
		if s.Masks < 1 || s.Masks > maxMasks {
			return fmt.Errorf("saliency: rise: %s stage: %d masks: want 1 to %d", req.Stage, s.Masks, maxMasks)
		}
		if most := min(shape.H, shape.W); s.Cells < 1 || s.Cells > most {
			return fmt.Errorf("saliency: rise: %s stage: %d cells per side: want 1 to %d, the size of the input", req.Stage, s.Cells, most)
		}
		if !(s.Keep > 0 && s.Keep <= 1) {
			return fmt.Errorf("saliency: rise: %s stage: keep probability %g: want more than 0 and at most 1", req.Stage, s.Keep)
		}
	}
	if len(reqs) == 0 {
		return errors.New("saliency: rise: nothing is asked for")
	}
	return nil
}

// Qualities lists the estimators, the default first.
func Qualities() []Quality { return []Quality{Plain, Debiased, Fast} }
