package cwox

import (
	"context"

	"cwox/cwox/saliency"
)

// Effect says what becomes of the probabilities when the pixels that a map marks are erased: an
// intervention on the network's input, unlike the map itself, and so something to check it by.
// Marked are the pixels of at least half the map's maximum; erased they are 0 after
// normalisation, grey, as RISE's masks make them.
type Effect struct {
	Erased        float64   // share of the input's pixels
	Probabilities []float64 // of the explained classes, in the order of Explanation.Top
}

// effects erases what each map of an explanation marks, one forward pass a map.
func (p *Pipeline) effects(ctx context.Context, in *saliency.Input, e *Explanation) error {
	shape := p.classifier.Net.Input()
	mask := make([]float32, shape.H*shape.W)
	of := func(m saliency.Map) (*Effect, error) {
		erased := mark(m, mask)
		if len(m.Data) != len(mask) || erased == 0 {
			return nil, nil
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		logits := p.logits(in.Session.ForwardMasked(in.X, mask))
		prob := in.Output.Probabilities(logits)
		effect := &Effect{Erased: float64(erased) / float64(len(mask))}
		for _, t := range e.Top {
			effect.Probabilities = append(effect.Probabilities, prob[t.Class])
		}
		return effect, nil
	}
	var err error
	for i := range e.Clusters {
		if e.Clusters[i].Effect, err = of(e.Clusters[i].Map); err != nil {
			return err
		}
	}
	for i := range e.Classes {
		if e.Classes[i].Effect, err = of(e.Classes[i].Map); err != nil {
			return err
		}
	}
	return nil
}

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
