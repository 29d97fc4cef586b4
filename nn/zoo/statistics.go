package zoo

import (
	"fmt"
	"strings"

	"cwox/internal/elementary"
	"cwox/nn"
	"cwox/weights"
)

// Statistics say how well a network and its input fit the statistics that training left in
// its batch normalisations, on one image: means over the normalisations of nn.Drift. For the
// network that was trained, on any photograph prepared as in training, both are well below
// one (ResNet-50, 20 photographs: Z .19 to .40, LogVar .13 to .80).
//
// They see a wrong activation, scale of the input, stem or transform_input, if the fault is
// gross, and nothing behind the last normalisation: no wrong pooling before the head, no
// order of channels, hardly a wrong eps, stride or dilation. Silence is no proof.
type Statistics struct {
	Z, LogVar float64
	// Layers is the number of batch normalisations measured; of the Small ones that were not,
	// a single image says too little.
	Layers, Small int
	// Worst is the normalisation with the largest sum of both.
	Worst string
}

// Limits beyond which no network lies that is run as it was trained: a study of ResNet-50 on
// 20 photographs and of 130 narrow random networks found none above 0.42 of the one and 0.963
// of the other, so the second has little to spare.
const (
	maxZ      = 0.6
	maxLogVar = 1.0
)

// minPixels is the smallest map that is measured: the last one of most networks.
const minPixels = 7 * 7

// CheckStatistics runs a network on one input, [C][H][W], and compares. It costs one forward
// pass on the model's own packed weights, in which batch normalisations are not fused with
// what follows them.
func CheckStatistics(m *nn.Model, x []float32) (Statistics, error) {
	if len(x) != m.Input().Size() {
		return Statistics{}, fmt.Errorf("zoo: %d input values, want one image of %v", len(x), m.Input())
	}
	s, err := m.NewSession(nn.SessionOptions{Moments: true})
	if err != nil {
		return Statistics{}, err
	}
	defer s.Close()
	s.Forward(x)
	return StatisticsOf(s.Drift(0)), nil
}

// StatisticsOf sums up what a session with Moments says of an image: for callers that run the
// network anyway.
func StatisticsOf(drifts []nn.Drift) Statistics {
	var out Statistics
	worst := -1.0
	for _, d := range drifts {
		if d.Pixels < minPixels {
			out.Small++
			continue
		}
		out.Z += d.Z
		out.LogVar += d.LogVar
		out.Layers++
		if sum := d.Z + d.LogVar; !(sum <= worst) {
			worst, out.Worst = sum, d.Layer
		}
	}
	if out.Layers > 0 {
		out.Z /= float64(out.Layers)
		out.LogVar /= float64(out.Layers)
	}
	return out
}

// Distance is what candidates are compared by: the sum of both figures.
func (s Statistics) Distance() float64 { return s.Z + s.LogVar }

// Warning says, where it can be trusted, that the network or its input is not what the
// weights were trained with; "" where nothing can be said.
func (s Statistics) Warning() string {
	if s.Z <= maxZ && s.LogVar <= maxLogVar || s.Layers < 3*s.Small {
		return "" // of small pictures too few layers can be measured
	}
	return fmt.Sprintf("the batch-norm statistics in the weights are not those of this network on this picture (means off by %.2g deviations, variances by a factor of %.2g): another activation, stem or preprocessing in training? The explanation is of the network as it was run",
		s.Z, elementary.Exp(s.LogVar))
}

// Candidate is a way to run the network of a file.
type Candidate struct {
	Spec       Spec
	Statistics Statistics
	Err        error // why it cannot be run
}

// Compare measures the candidates on one input, [C][H][W], and returns the index of the one
// that fits best, -1 where none can be run. On the same picture this is far sharper than any
// limit: for the stride of ResNet-50's bottlenecks the right one is nearer on 20 of 20
// photographs, for max-pooling 20, for another eps 12. Differences of a few hundredths mean
// nothing, nor do choices behind the last normalisation; and a candidate with larger maps is
// at a small advantage.
func Compare(f *weights.File, x []float32, o LoadOptions, specs []Spec) (candidates []Candidate, best int) {
	best = -1
	for i, spec := range specs {
		c := Candidate{Spec: spec}
		c.Statistics, c.Err = measure(f, x, o, spec)
		if c.Err == nil && (best < 0 || c.Statistics.Distance() < candidates[best].Statistics.Distance()) {
			best = i
		}
		candidates = append(candidates, c)
	}
	return candidates, best
}

// measure loads a candidate and checks it.
func measure(f *weights.File, x []float32, o LoadOptions, spec Spec) (Statistics, error) {
	a, err := Match(f, spec)
	if err != nil {
		return Statistics{}, err
	}
	m, err := a.Load(f, o)
	if err != nil {
		return Statistics{}, err
	}
	return CheckStatistics(m, x)
}

// Alternatives are the candidates for Compare: the network as it was matched, and with each
// assumption that the statistics can see turned round.
func (a *Arch) Alternatives(s Spec) []Spec {
	specs := []Spec{s}
	for _, as := range a.Facts.Assumed {
		key, value, ok := strings.Cut(as.Setting, "=")
		if !ok || key == "pool" || key == "head_act" {
			continue
		}
		settings := map[string]string{key: value}
		for k, v := range s.Settings {
			settings[k] = v
		}
		specs = append(specs, Spec{s.Name, settings})
	}
	return specs
}
