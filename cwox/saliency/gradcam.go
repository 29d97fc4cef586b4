package saliency

import (
	"context"

	"cwox/nn"
)

// GradCAM is Grad-CAM (Selvaraju et al., 2017) at one pivot layer per stage: the
// activations weighed by the spatial mean of the target logit's gradient. The maps are
// not rectified: contrasting methods do that where they want it, and the authors'
// code does not.
type GradCAM struct {
	ClusterLayer, ClassLayer string // pivot layers, e.g. "layer4" and "layer3"
}

// Name is "gradcam".
func (g *GradCAM) Name() string { return "gradcam" }

// Settings are the pivot layers.
func (g *GradCAM) Settings() map[string]any {
	return map[string]any{"cluster_layer": g.ClusterLayer, "class_layer": g.ClassLayer}
}

// Keep names the pivot layers.
func (g *GradCAM) Keep() []string { return keepLayers([2]string{g.ClusterLayer, g.ClassLayer}) }

// Explain makes maps at the pivot layers' resolution from one backward pass per class.
func (g *GradCAM) Explain(ctx context.Context, in *Input, reqs []Request) ([]Result, error) {
	rule, layers := g.pivots()
	if err := checkLayers(g.Name(), in.Model, layers, reqs); err != nil {
		return nil, err
	}
	return pivotMaps(ctx, in, rule, layers, reqs, weighChannels)
}

func (g *GradCAM) pivots() (nn.Rule, [2]string) {
	return nn.Gradient, [2]string{g.ClusterLayer, g.ClassLayer}
}

// weighChannels is M = sum over channels k of mean(gradient_k) A_k.
func weighChannels(dst []float64, act, gradient []float32, s nn.Shape) {
	plane := s.H * s.W
	for k := range s.C {
		mean := 0.0
		for _, g := range gradient[k*plane:][:plane] {
			mean += float64(g)
		}
		mean /= float64(plane)
		if mean == 0 {
			continue
		}
		for i, a := range act[k*plane:][:plane] {
			dst[i] += float64(mean * float64(a))
		}
	}
}
