package nn

// Shape is a channel count and a spatial size.
type Shape struct{ C, H, W int }

// Size is the number of elements.
func (s Shape) Size() int { return s.C * s.H * s.W }

// SessionOptions size a session's scratch memory.
type SessionOptions struct {
	Batch   int // most images per Forward; 0 means 1
	Threads int // 0 means GOMAXPROCS
	// Keep names layers that Backward or Activation will be asked for; all
	// activations from the lowest of them to the logits survive Forward.
	// Empty: nothing but the logits survives.
	Keep []string
	// Whole gives every operator's output a value of its own: nothing is fused or
	// folded. Slower; for tests and for rules that need it.
	Whole bool
	// Moments takes the moments of every batch normalisation on the way; see Drift.
	Moments bool
}

// Rule says how Backward passes a signal through the layers.
type Rule int

// The rules.
const (
	// Gradient is the ordinary derivative.
	Gradient Rule = iota
	// Guided is guided backpropagation (Springenberg et al., 2015): a ReLU also
	// stops negative signals.
	Guided
	// DeepLIFT is its rescale rule (Shrikumar et al., 2017), the reference being the last
	// image of the last Forward: signals are multipliers, and those of the network's input
	// times the image's difference from the reference sum to the difference of the seeded
	// logits. It needs a session with Whole.
	DeepLIFT
	// Excitation is excitation backprop, MWP (Zhang et al., 2016), the residual
	// sum splitting its signal in proportion (spec: normalised).
	Excitation
	// ExcitationDuplicated is Excitation with the signal sent whole into both
	// branches of a residual sum, as the authors' code has it.
	ExcitationDuplicated
	// ContrastiveExcitation is c-MWP: the difference of the signals of W+ and W-
	// of the last linear layer, then Excitation.
	ContrastiveExcitation
	// ContrastiveExcitationDuplicated is c-MWP with residual sums as ExcitationDuplicated
	// has them.
	ContrastiveExcitationDuplicated
)

// splits says whether a residual sum splits the signal in proportion.
func (r Rule) splits() bool { return r == Excitation || r == ContrastiveExcitation }

// contrastive says whether the signal of the last layer's negative weights is taken off.
func (r Rule) contrastive() bool {
	return r == ContrastiveExcitation || r == ContrastiveExcitationDuplicated
}
