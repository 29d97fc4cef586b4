package cwox

import (
	"fmt"
	"slices"

	"cwox/cwox/saliency"
	"cwox/hlta"
)

// Options say what to explain and how. The zero value explains min(5, Cum(0.95)) top
// classes by CWOX-2s as in the paper, with Grad-CAM at the architecture's default
// layers; it needs only a Tree, such as DefaultTree.
type Options struct {
	Method  Method  // "" means CWOX2s
	Variant Variant // "" means Paper

	// Explainer makes the base maps; nil means NewExplainer("gradcam", ...). It may
	// keep scratch memory and is used by one Explain at a time.
	Explainer saliency.Explainer

	// Tree and Level cut the top classes into confusion clusters; level 0 means 1. A tree
	// whose words are not the classifier's classes is an error (labeltree.Match). Without a
	// tree and without Clusters all classes form one cluster.
	Tree     *hlta.Tree
	TreeFile string // the file that Tree was read from, for messages and the report
	Level    int

	// Clusters, where given, are the confusion clusters, and Classes, where given, the
	// classes to explain: instead of the tree's and of the top ones. Both are put in
	// order of rank.
	Clusters [][]int
	Classes  []int

	// TopK alone explains exactly that many top classes, Cumulative alone the fewest
	// whose probabilities sum to more than it, both the smaller number of the two;
	// neither means min(5, Cum(0.95)) (paper section 5); of a multi-label classifier the
	// classes more probable than not, at least 1 and at most 5.
	TopK       int
	Cumulative float64

	// ReLU says whether base maps are rectified, at their native resolution, before
	// they are combined.
	ReLU ReLU

	// Delta is the percentile of the rectified cluster map above which the reference
	// variant's class maps are supported, in percent. 0 means the authors' value for
	// the explainer (DefaultDelta); a negative value supports all positive pixels.
	Delta float64

	// Epsilon is the least value, exclusive, of the cluster map that supports the class
	// map of a singleton cluster in the paper's variant: supp(H, epsilon) of Eq. 2,
	// which leaves its value open.
	Epsilon float64

	// Effects has each map's marked pixels erased, to see what becomes of the probabilities: a
	// forward pass a map.
	Effects bool

	Seed    uint64 // of everything random
	Threads int    // 0 means GOMAXPROCS

	// Progress, if not nil, is told how much of the work is done (0 <= done <= total).
	Progress func(done, total int)
	// Partial, if not nil, is given explanations as far as sampling has come, by RISE and LIME.
	// Warnings, effects and times are not in them.
	Partial func(*Explanation)

	use        *treeUse // Tree, matched with the classifier
	multiLabel bool     // the classifier's
}

// ReLU says whether base maps are rectified.
type ReLU string

// The choices.
const (
	AutoReLU ReLU = ""    // off where the authors' code has it off: CWOX2s and CWOX1sA in the reference variant
	WithReLU ReLU = "on"  // as Grad-CAM is defined
	NoReLU   ReLU = "off" // signed maps are contrasted
)

// Methods lists all methods, baselines first.
func Methods() []Method { return []Method{SWOX, CWOX1sA, CWOX1sB, CWOX2s} }

// DefaultDelta is the percentile of the support threshold that the authors' code uses
// with an explainer: gradcam 50, mwp 60, rise 70, lime 85; 50 for others.
func DefaultDelta(explainer string) float64 {
	switch explainer {
	case "mwp":
		return 60
	case "rise":
		return 70
	case "lime":
		return 85
	}
	return 50
}

// Check says what is wrong with options for a classifier that does not depend on the image, so
// that it need not be found out image by image.
func (o Options) Check(c *Classifier) error {
	_, err := New(c).options(o)
	return err
}

// withDefaults fills in defaults and checks what does not depend on the image.
func (o Options) withDefaults(c *Classifier) (Options, error) {
	o.multiLabel = c.MultiLabel
	if o.Method == "" {
		o.Method = CWOX2s
	}
	if o.Variant == "" {
		o.Variant = Paper
	}
	if !slices.Contains(Methods(), o.Method) {
		return o, fmt.Errorf("cwox: unknown method %q (known: %v)", o.Method, Methods())
	}
	if o.Variant != Paper && o.Variant != Reference {
		return o, fmt.Errorf("cwox: unknown variant %q (known: %s, %s)", o.Variant, Paper, Reference)
	}
	if o.ReLU != AutoReLU && o.ReLU != WithReLU && o.ReLU != NoReLU {
		return o, fmt.Errorf("cwox: unknown ReLU choice %q (known: %q, %q)", o.ReLU, WithReLU, NoReLU)
	}
	if o.Explainer == nil {
		e, err := NewExplainer("gradcam", c, o.Variant)
		if err != nil {
			return o, err
		}
		o.Explainer = e
	}
	if o.Delta == 0 {
		o.Delta = DefaultDelta(o.Explainer.Name())
	}
	if !(o.Delta <= 100) {
		return o, fmt.Errorf("cwox: delta %g: want a percentile, at most 100", o.Delta)
	}
	if !(o.Epsilon >= 0) {
		return o, fmt.Errorf("cwox: epsilon %g: want at least 0", o.Epsilon)
	}
	if o.TopK < 0 || o.TopK > c.Net.Classes() {
		return o, fmt.Errorf("cwox: %d top classes: want 1 to %d", o.TopK, c.Net.Classes())
	}
	if !(o.Cumulative >= 0 && o.Cumulative < 1) {
		return o, fmt.Errorf("cwox: cumulative probability %g: want more than 0 and less than 1", o.Cumulative)
	}
	if o.Cumulative > 0 && c.MultiLabel {
		return o, fmt.Errorf("cwox: cumulative probability %g: the probabilities of a multi-label classifier do not add up; the number of top classes can be given", o.Cumulative)
	}
	if o.Level < 0 {
		return o, fmt.Errorf("cwox: tree level %d: want at least 1", o.Level)
	}
	if o.Level == 0 {
		o.Level = 1
	}
	if o.Threads < 0 {
		return o, fmt.Errorf("cwox: %d threads: want at least 1", o.Threads)
	}
	return o, nil
}
