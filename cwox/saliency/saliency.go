package saliency

import (
	"context"

	"cwox/nn"
	"cwox/nn/vision"
)

// Target is a non-empty set of classes explained as one compound class:
// p(C) = sum of p_c, z_C = log sum of exp z_c (paper section 4.1).
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

// Map is a saliency map, row-major, at the explainer's native resolution:
// the pivot layer's for Grad-CAM and MWP, the input's for RISE and LIME.
type Map struct {
	Height, Width int
	Data          []float32 // [Height][Width]
}

// Input is one image as the explainers see it.
type Input struct {
	Model   *nn.Model
	X       []float32       // normalised network input [3][H][W]
	Picture *vision.Picture // resized to the network's input size (LIME segments it)
	Logits  []float32       // of X, [classes]
	Prob    []float32       // softmax of Logits
	Seed    uint64
	Threads int
	// Progress, if not nil, is told how much of the work is done (0 <= done <= total).
	Progress func(done, total int)
}

// Request asks for maps at one stage.
type Request struct {
	Stage   Stage
	Targets []Target
}

// Explainer makes maps: for every request one map per target, in order. All
// requests of an image come in one call so that work can be shared between them.
type Explainer interface {
	// Name is the explainer's name on the command line: "gradcam", "mwp", "rise", "lime".
	Name() string
	// Settings are what report.json records: everything that determines the maps.
	Settings() map[string]any
	Explain(ctx context.Context, in *Input, reqs []Request) ([][]Map, error)
}
