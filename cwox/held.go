package cwox

import (
	"context"
	"fmt"
	"time"

	"cwox/cwox/saliency"
	"cwox/nn"
	"cwox/nn/vision"
)

// Held is a picture with what the network has said of it, kept for whoever asks again: the logits,
// and the maps of single classes that Grad-CAM and MWP have made. Other clusters of the same
// classes, another method and another threshold then need no pass through the network. It
// belongs to one goroutine at a time, and to one classifier, whose pipelines it may go between.
type Held struct {
	pic  *vision.Picture
	runs map[string]*saliency.Input // by the layers that were kept: an input, without its session
}

// maxRuns bounds Held.runs: pairs of layers that somebody has tried.
const maxRuns = 4

// Hold keeps a picture.
func Hold(pic *vision.Picture) *Held { return &Held{pic: pic} }

// Picture is the picture.
func (h *Held) Picture() *vision.Picture { return h.pic }

// recall is the input of a run with some layers kept; nil where there was none.
func (h *Held) recall(keep []string) *saliency.Input {
	if h == nil || h.runs[fmt.Sprint(keep)] == nil {
		return nil
	}
	in := *h.runs[fmt.Sprint(keep)]
	return &in
}

// remember keeps the input of a run, and gives it a place for what becomes known.
func (h *Held) remember(keep []string, in *saliency.Input) {
	if h == nil {
		return
	}
	if h.runs == nil || len(h.runs) >= maxRuns {
		h.runs = map[string]*saliency.Input{}
	}
	in.Known = new(saliency.Known)
	kept := *in
	kept.Session = nil
	h.runs[fmt.Sprint(keep)] = &kept
}

// ExplainHeld is Explain for a picture that is held. The maps are the same, byte for byte.
func (p *Pipeline) ExplainHeld(ctx context.Context, h *Held, o Options) (*Explanation, error) {
	all, err := p.explainAll(ctx, subject{pic: h.pic, held: h}, o, []Method{o.Method})
	if err != nil {
		return nil, err
	}
	return all[0], nil
}

// Effects does what Options.Effects asks for, afterwards, for an explanation of a held picture
// that was made with the same options. Whatever uses the pipeline or the picture, one forward
// pass at most, is a function that is given to run: the caller decides when.
func (p *Pipeline) Effects(ctx context.Context, h *Held, e *Explanation, o Options, run func(pass func() error) error) error {
	start := time.Now()
	o, err := p.options(o)
	if err != nil {
		return err
	}
	keep := o.Explainer.Keep()
	var in *saliency.Input
	err = run(func() (err error) {
		in, err = p.forward(subject{pic: h.pic, held: h}, keep, o.Threads)
		return err
	})
	if err == nil {
		err = p.effects(ctx, in, keep, e, run)
	}
	e.Seconds["effects"] = time.Since(start).Seconds()
	return err
}

// Masked gives the probabilities of all classes for a held picture under a mask [H][W] of the
// network's input: 1 leaves a pixel, 0 erases it, as RISE and Effect do.
func (p *Pipeline) Masked(h *Held, mask []float32, threads int) ([]float64, error) {
	c := p.classifier
	if err := c.whole(); err != nil {
		return nil, err
	}
	if shape := c.Net.Input(); len(mask) != shape.H*shape.W {
		return nil, fmt.Errorf("cwox: a mask of %d values, the input has %d x %d", len(mask), shape.H, shape.W)
	}
	in := h.recall(nil)
	if in == nil {
		var err error
		if in, err = p.forward(subject{pic: h.pic, held: h}, nil, threads); err != nil {
			return nil, err
		}
	}
	if err := p.open(in, nn.SessionOptions{Batch: 1, Threads: threads}); err != nil {
		return nil, err
	}
	return in.Output.Probabilities(p.logits(in.Session.ForwardMasked(in.X, mask))), nil
}
