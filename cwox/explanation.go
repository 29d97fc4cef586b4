package cwox

import (
	"cwox/cwox/saliency"
	"cwox/nn/vision"
)

// Explanation is everything known about the output for one image.
type Explanation struct {
	File    string          // the image's path or name as given; may be empty
	Picture *vision.Picture // as decoded, full size
	Input   Input           // what the network got of it

	Model    ModelInfo
	Tree     TreeInfo   // where the clusters come from
	Top      []TopClass // the explained classes, by rank
	Clusters []Cluster  // by first appearance in Top
	Classes  []Class    // cluster by cluster, members in Top's order

	Method    Method
	Variant   Variant
	Explainer string
	Settings  map[string]any // of the explainer, both stages
	Seed      uint64
	Warnings  []Warning
	Truth     string             // what is known to be in the picture; empty for pictures of the world
	Seconds   map[string]float64 // stage -> wall time
}

// Input says what the network got of a picture.
type Input struct {
	// Transform made the input; nil where the input was given as it is, and Picture only
	// shows it.
	Transform *vision.Transform
	From      string // Classifier.TransformFrom
	// Seen is the part of the picture that the input shows, in the picture's pixels; Unseen
	// is the share of the picture outside of it.
	Seen   vision.Region
	Unseen float64
}

// ModelInfo identifies the network that was explained.
type ModelInfo struct {
	Name          string
	Settings      string // Classifier.Settings
	WeightsFile   string
	WeightsKey    string // Classifier.WeightsKey
	WeightsSHA256 string
	Precision     string // "f32", "bf16"
	Kernel        string // kernel tier
	Width, Height int    // of the input
	Output        saliency.Output
}

// TopClass is one of the classes being explained.
type TopClass struct {
	Class       int
	Label       string
	Probability float64
	Logit       float64
}

// Cluster is a confusion cluster with its contrastive heatmap (Eq. 1). Map.Data is nil
// where the method makes no cluster maps (all but CWOX2s).
type Cluster struct {
	Classes     []int
	Probability float64 // sum over the members
	Logit       float64 // log sum exp over the members
	Map         saliency.Map
	Base, Rest  *saliency.Map // what Map came from; nil where the method uses none
	// Noise says how settled the map is, before rectification, where the explainer
	// samples: of the contrast in the paper variant of Eq. 1, else of Base.
	Noise  *saliency.Noise
	Effect *Effect // Options.Effects; nil without a map, or of a blank one
	Aim    *Aim
}

// Class is a class with its contrastive heatmap (Eq. 2). Map.Data is nil where the
// method and variant emit no class map (reference variant, singleton cluster).
type Class struct {
	Class      int
	Cluster    int // index into Clusters
	Map        saliency.Map
	Base, Foil *saliency.Map
	Noise      *saliency.Noise // as Cluster.Noise, of Eq. 2
	Effect     *Effect
	Aim        *Aim
}

// Aim is where a map should point, of pictures that were drawn so that it is known.
type Aim struct {
	Name   string    // "the sail"
	Cover  []float32 // [Height][Width] of the map, 0..1
	Share  float64   // of the map's sum that lies there
	Chance float64   // what that is of a map that is the same everywhere
}

// Warning is something a reader of the explanation must know.
type Warning struct {
	Code    string // "blank-map", "nan-map", "single-class", "single-cluster", "orientation-applied", ...
	Message string
}

// Method is a whole-output explanation method.
type Method string

// The methods (paper sections 3.3 and 5).
const (
	CWOX2s  Method = "cwox2s"
	CWOX1sA Method = "cwox1sa"
	CWOX1sB Method = "cwox1sb"
	SWOX    Method = "swox"
)

// Variant chooses between the paper's equations and what the authors' code does.
type Variant string

// The variants (spec: where the paper and the code differ).
const (
	Paper     Variant = "paper"
	Reference Variant = "reference"
)
