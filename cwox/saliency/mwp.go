package saliency

import (
	"context"

	"cwox/nn"
)

// MWP is the marginal winning probability of excitation backprop (Zhang et al., 2016):
// a unit of probability sent from the target's logit down to the pivot layer, at every
// layer in proportion to activation times positive weight; the map sums the channels.
type MWP struct {
	ClusterLayer, ClassLayer string // pivot layers, e.g. "layer4" and "layer4.0"
	// Duplicated sends the whole signal into both branches of a residual sum, as the
	// authors' code comes to do; by default the sum splits it in proportion, which
	// conserves its mass.
	Duplicated bool
	// Contrastive is c-MWP: the signal of the positive weights of the last layer less
	// that of the negative ones. Its maps are signed.
	Contrastive bool
}

// Name is "mwp".
func (m *MWP) Name() string { return "mwp" }

// Settings are the pivot layers, the rule at residual sums and whether it is contrastive.
func (m *MWP) Settings() map[string]any {
	residual := "normalised"
	if m.Duplicated {
		residual = "duplicated"
	}
	return map[string]any{"cluster_layer": m.ClusterLayer, "class_layer": m.ClassLayer,
		"residual": residual, "contrastive": m.Contrastive}
}

// Keep names the pivot layers.
func (m *MWP) Keep() []string { return keepLayers([2]string{m.ClusterLayer, m.ClassLayer}) }

// Explain makes maps at the pivot layers' resolution from one pass down per class.
func (m *MWP) Explain(ctx context.Context, in *Input, reqs []Request) ([]Result, error) {
	rule, layers := m.pivots()
	if err := checkLayers(m.Name(), in.Model, layers, reqs); err != nil {
		return nil, err
	}
	return pivotMaps(ctx, in, rule, layers, reqs, sumChannels)
}

func (m *MWP) pivots() (nn.Rule, [2]string) {
	rule := nn.Excitation
	switch {
	case m.Contrastive && m.Duplicated:
		rule = nn.ContrastiveExcitationDuplicated
	case m.Contrastive:
		rule = nn.ContrastiveExcitation
	case m.Duplicated:
		rule = nn.ExcitationDuplicated
	}
	return rule, [2]string{m.ClusterLayer, m.ClassLayer}
}

// sumChannels adds the relevance of all channels.
func sumChannels(dst []float64, _, relevance []float32, s nn.Shape) {
	plane := s.H * s.W
	for k := range s.C {
		for i, r := range relevance[k*plane:][:plane] {
			dst[i] += float64(r)
		}
	}
}
