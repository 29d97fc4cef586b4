package cwox

import (
	"context"

	"cwox/cwox/saliency"
	"cwox/nn"
)

// Effect says what becomes of the probabilities when the pixels that a map marks are erased: an
// intervention on the network's input, unlike the map itself, and so something to check it by.
// Marked are the pixels of at least half the map's maximum; erased they are 0 after
// normalisation, grey, as RISE's masks make them.
type Effect struct {
	Erased        float64   // share of the input's pixels
	Probabilities []float64 // of the explained classes, in the order of Explanation.Top
}

// effects erases what each map of an explanation marks, one forward pass a map. Each is a function
// that is given to run.
func (p *Pipeline) effects(ctx context.Context, in *saliency.Input, keep []string, e *Explanation, run func(pass func() error) error) error {
	shape := p.classifier.Net.Input()
	mask := make([]float32, shape.H*shape.W)
	of := func(m saliency.Map, to **Effect) error {
		erased := mark(m, mask)
		if len(m.Data) != len(mask) || erased == 0 {
			return nil
		}
		return run(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			if in.Session == nil || in.Session != p.session { // held, or the pipeline was used in between
				if err := p.open(in, nn.SessionOptions{Batch: 1, Threads: in.Threads, Keep: keep}); err != nil {
					return err
				}
			}
			logits := p.logits(in.Session.ForwardMasked(in.X, mask))
			prob := in.Output.Probabilities(logits)
			effect := &Effect{Erased: float64(erased) / float64(len(mask))}
			for _, t := range e.Top {
				effect.Probabilities = append(effect.Probabilities, prob[t.Class])
			}
			*to = effect
			return nil
		})
	}
	for i := range e.Clusters {
		if err := of(e.Clusters[i].Map, &e.Clusters[i].Effect); err != nil {
			return err
		}
	}
	for i := range e.Classes {
		if err := of(e.Classes[i].Map, &e.Classes[i].Effect); err != nil {
			return err
		}
	}
	return nil
}

// atOnce runs a pass there and then.
func atOnce(pass func() error) error { return pass() }

// mark makes a mask that erases the pixels of at least half a map's maximum, and returns how
// many they are; none of a map without positive values.
func mark(m saliency.Map, mask []float32) (marked int) {
	var top float32
	for _, v := range m.Data {
		top = max(top, v)
	}
	for i := range mask {
		mask[i] = 1
		if i < len(m.Data) && top > 0 && m.Data[i] >= top/2 {
			mask[i] = 0
			marked++
		}
	}
	return marked
}
