package saliency

import (
	"context"
	"math"

	"cwox/nn"
)

// Guided is guided backpropagation (Springenberg et al., 2015): the gradient of the target's
// logit with respect to the picture, a ReLU also stopping negative signals on the way. The map
// is the largest magnitude over the colour channels (Simonyan et al., 2014), never negative,
// at the resolution of the network's input.
type Guided struct {
	// Smooth is the standard deviation in pixels of a Gaussian that the maps are smoothed
	// with, since single pixels are hard to see; 0 leaves them as they are.
	Smooth float64
}

// Name is "guided".
func (g *Guided) Name() string { return "guided" }

// Settings say how channels are reduced and maps smoothed.
func (g *Guided) Settings() map[string]any {
	return map[string]any{"channels": "largest magnitude", "smooth": g.Smooth}
}

// Keep names the network's input.
func (g *Guided) Keep() []string { return []string{inputLayer} }

// Explain makes maps of the size of the network's input from one backward pass per target.
func (g *Guided) Explain(ctx context.Context, in *Input, reqs []Request) ([]Result, error) {
	if err := checkSmooth(g.Name(), g.Smooth); err != nil {
		return nil, err
	}
	return inputMaps(ctx, in, in.Session, nn.Guided, reqs, g.Smooth, func(dst []float64, signal []float32) {
		for i, v := range signal {
			p := i % len(dst)
			dst[p] = max(dst[p], math.Abs(float64(v)))
		}
	})
}
