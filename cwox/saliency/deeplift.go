package saliency

import (
	"context"

	"cwox/nn"
)

// DeepLIFT attributes the difference of the target's logit between the picture and one of 0 in
// the network's input (the mean colour, where the transform subtracts one) to pixels, by the
// rescale rule (Shrikumar et al., 2017; nn.DeepLIFT says how each operator is treated). The
// map is the sum over the channels of multiplier times difference, signed, at the resolution of the network's
// input; its sum is the difference of the logits. A compound class is the mean of its classes
// with the weights p_c/p(C).
type DeepLIFT struct {
	// Smooth is the standard deviation in pixels of a Gaussian that the maps are smoothed
	// with, since single pixels are hard to see; 0 leaves them as they are. Sums stay.
	Smooth float64

	session ownSession
}

// Name is "deeplift".
func (d *DeepLIFT) Name() string { return "deeplift" }

// Settings are the rule, the reference and the smoothing.
func (d *DeepLIFT) Settings() map[string]any {
	return map[string]any{"rule": "rescale", "reference": "mean colour", "smooth": d.Smooth}
}

// Keep is nil: picture and reference go through a session of DeepLIFT's own.
func (d *DeepLIFT) Keep() []string { return nil }

// Close frees the session that DeepLIFT keeps between calls. It makes a new one when it is
// used again.
func (d *DeepLIFT) Close() { d.session.Close() }

// Explain makes maps of the size of the network's input from one backward pass per target.
func (d *DeepLIFT) Explain(ctx context.Context, in *Input, reqs []Request) ([]Result, error) {
	if err := checkSmooth(d.Name(), d.Smooth); err != nil {
		return nil, err
	}
	if err := d.session.open(in.Model, nn.SessionOptions{Batch: 2, Threads: in.Threads, Keep: []string{inputLayer}, Whole: true}); err != nil {
		return nil, err
	}
	pair := make([]float32, 2*len(in.X)) // the picture, then the reference
	copy(pair, in.X)
	d.session.Forward(pair)
	return inputMaps(ctx, in, d.session.Session, nn.DeepLIFT, reqs, d.Smooth, func(dst []float64, signal []float32) {
		for i, v := range signal {
			dst[i%len(dst)] += float64(float64(v) * float64(in.X[i]))
		}
	})
}
