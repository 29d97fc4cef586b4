package saliency

import (
	"context"
	"fmt"
	"math"

	"cwox/internal/elementary"
	"cwox/nn"
	"cwox/nn/vision"
)

// Target is a non-empty set of classes explained as one compound class:
// z_C = log sum of exp z_c and p(C) = sum of p_c (paper section 4.1), or as Output has it.
type Target struct {
	Classes []int
}

// Stage is the step of CWOX-2s a map is made for; explainers have settings for each.
type Stage int

// The two stages: contrasting clusters, and classes inside a cluster.
const (
	ClusterStage Stage = iota
	ClassStage
)

// String is "cluster" or "class".
func (s Stage) String() string {
	if s == ClassStage {
		return "class"
	}
	return "cluster"
}

// Map is a saliency map, row-major, at the explainer's native resolution:
// the pivot layer's for Grad-CAM and MWP, the input's for the others.
type Map struct {
	Height, Width int
	Data          []float32 // [Height][Width]
}

// Input is one image as the explainers see it.
type Input struct {
	Model *nn.Model
	// Session has run Forward on X alone and keeps the layers that the explainer's
	// Keep names. An explainer may use it, but must not call Forward on it.
	Session *nn.Session
	X       []float32       // normalised network input [C][H][W]
	Picture *vision.Picture // resized to the network's input size (LIME segments it)
	// Tensor normalises another picture of that size the way X was made.
	Tensor  func(*vision.Picture) []float32
	Logits  []float32 // of X, [classes]
	Prob    []float64 // Output.Probabilities of Logits
	Output  Output
	Seed    uint64
	Threads int // 0 means GOMAXPROCS
	// Progress, if not nil, is told how much of the work is done (0 <= done <= total).
	Progress func(done, total int)
	// Partial, if not nil, is given the maps of all requests as far as sampling has come, from time
	// to time; those of a stage that has not begun are zero. They are valid during the call.
	Partial func([]Result)
	// Known, if not nil, keeps the class maps of Grad-CAM and MWP, of this input and session:
	// for targets of the same classes Session is not asked again.
	Known *Known

	sets [][]int // see columns
}

// Request asks for maps at one stage.
type Request struct {
	Stage   Stage
	Targets []Target
	// Contrasts are the pairs of Targets whose maps will be subtracted from each other;
	// explainers that sample say how settled the difference is, and sample for it.
	Contrasts []Contrast
}

// Contrast is a pair of a request's targets: the fact and its foil.
type Contrast struct {
	Fact, Foil int // indices into Request.Targets
}

// none are the results of requests before anything is known: blank maps.
func none(reqs []Request, height, width int) []Result {
	out := make([]Result, len(reqs))
	for i, req := range reqs {
		for range req.Targets {
			out[i].Maps = append(out[i].Maps, Map{height, width, make([]float32, height*width)})
		}
	}
	return out
}

// Result answers a Request.
type Result struct {
	Maps []Map // one per target
	// Noise and ContrastNoise say how settled the maps and the contrasts are, one per
	// target and one per contrast; nil where the explainer does not sample.
	Noise, ContrastNoise []Noise
}

// Noise says how far a map made by sampling has settled.
type Noise struct {
	Masks int // network evaluations behind the map
	// Fidelity is the predicted correlation of the map with the one that endless
	// sampling would give; FidelityLow is the cautious value of it (variance times 1.8).
	Fidelity, FidelityLow float64
	// StdErr is the root mean square over the pixels of the map's standard error, in
	// the map's own unit.
	StdErr float64
	// Tail is the share of the variance that the single heaviest mask carries. Above
	// 0.5 the other figures are not to be trusted.
	Tail float64
	// Resolved says that FidelityLow reaches the explainer's tolerance and Tail is
	// at most 0.5.
	Resolved bool
}

// Explainer makes maps: for every request one map per target, in order. All
// requests of an image come in one call so that work can be shared between them.
type Explainer interface {
	// Name is the explainer's name on the command line: "gradcam", "mwp", "rise", "lime",
	// "guided", "deeplift".
	Name() string
	// Settings are what report.json records: everything that determines the maps.
	Settings() map[string]any
	// Keep names the layers that Input.Session must keep for a pass from the logits
	// down to the pivot layers; nil where none is needed.
	Keep() []string
	// Explain answers every request. It returns ctx's error within a second of its end.
	Explain(ctx context.Context, in *Input, reqs []Request) ([]Result, error)
}

// Logit is the target's compound logit z_C = log sum exp z_c (paper section 4.1).
func (t Target) Logit(logits []float32) float64 {
	top := math.Inf(-1)
	for _, c := range t.Classes {
		top = max(top, float64(logits[c]))
	}
	if math.IsInf(top, 0) {
		return top
	}
	sum := 0.0
	for _, c := range t.Classes {
		sum += elementary.Exp(float64(logits[c]) - top)
	}
	return top + elementary.Log(sum)
}

// key tells targets apart.
func (t Target) key() string { return fmt.Sprint(t.Classes) }

// weights are the members' shares p_c/p(C) of the compound class, which is also the
// gradient of z_C with respect to the members' logits.
func (t Target) weights(logits []float32) []float64 {
	z := t.Logit(logits)
	w := make([]float64, len(t.Classes))
	for i, c := range t.Classes {
		w[i] = elementary.Exp(float64(logits[c]) - z)
	}
	return w
}

// union lists the classes of all targets of some requests, each once, in order of
// first appearance, and says where each is in the list.
func union(reqs []Request, stages ...Stage) (classes []int, index map[int]int) {
	index = map[int]int{}
	for _, r := range reqs {
		if len(stages) > 0 && stages[0] != r.Stage {
			continue
		}
		for _, t := range r.Targets {
			for _, c := range t.Classes {
				if _, ok := index[c]; !ok {
					index[c] = len(classes)
					classes = append(classes, c)
				}
			}
		}
	}
	return classes, index
}
