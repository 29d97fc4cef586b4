package hlta

import (
	"fmt"
	"math"
	"runtime"
)

// Options steer learning. The zero value of every field means the default of the
// program that built the published trees, so Options{} learns as that program does.
// A threshold of exactly zero is asked for by any tiny number.
//
// The variants of the papers: NoCorrelationTest, WholeIsland and MaxIsland 15.
type Options struct {
	// Seed starts every random number: those of EM, of sampling and of shuffling.
	Seed uint64 `json:"seed"`

	// EMRestarts is the number of random starts of every EM (16).
	EMRestarts int `json:"em_restarts,omitempty"`
	// EMSteps bounds the rounds of one EM (200).
	EMSteps int `json:"em_steps,omitempty"`
	// EMTolerance ends an EM whose log-likelihood over all documents improves by
	// less, in nats (0.01).
	EMTolerance float64 `json:"em_tolerance,omitempty"`

	// UDThreshold is by how much, in nats of BIC, a second latent must improve an
	// island before the uni-dimensionality test splits it (3).
	UDThreshold float64 `json:"ud_threshold,omitempty"`
	// CTThreshold is by how much, in nats of BIC, joining an island must beat
	// independence for a word to be let in: the correlation test (3).
	CTThreshold float64 `json:"ct_threshold,omitempty"`
	// NoCorrelationTest leaves that test out, as the papers do.
	NoCorrelationTest bool `json:"no_correlation_test,omitempty"`
	// WholeIsland looks for the next word next to all words of an island, as the
	// papers do, not only next to those that are not its seeds.
	WholeIsland bool `json:"whole_island,omitempty"`
	// MaxIsland is the number of words at which an island is closed, 4 to 16 (10).
	// The last island of a level may have two more.
	MaxIsland int `json:"max_island,omitempty"`
	// MaxTop is the number of latents at which no further level is built, at least 2 (15).
	MaxTop int `json:"max_top,omitempty"`
	// BatchSize B scores models as if there were B documents, where there are more:
	// the batch-normalised BIC, LL/(N/B) - d/2 ln B for d parameters. Left out it is 5000, and
	// on a level of rare variables as many as hold the median one 4 times together with
	// another: with fewer it cannot gain what joining an island takes. -1: the plain BIC.
	BatchSize int `json:"batch_size,omitempty"`
	// LearnSize is the number of distinct documents above which a level and those
	// above it are learned from a sample of that size. Left out it is 100000, and on a level
	// of rare variables as many as hold the median one 100 times together with another.
	// -1: never.
	LearnSize int `json:"learn_size,omitempty"`

	// GlobalEM estimates all parameters of the finished tree together.
	GlobalEM GlobalEM `json:"global_em,omitempty"`
	// GlobalSteps bounds the steps of batch EM (50) or the updates of stepwise EM (128).
	GlobalSteps int `json:"global_steps,omitempty"`
	// GlobalTolerance ends global EM whose log-likelihood changes by less, in nats (0.01).
	GlobalTolerance float64 `json:"global_tolerance,omitempty"`
	// Minibatch is the number of documents of one stepwise update (1000).
	Minibatch int `json:"minibatch,omitempty"`
	// Epochs bounds the passes of stepwise EM over the documents (10).
	Epochs int `json:"epochs,omitempty"`
	// Alpha is the exponent of the stepwise learning rate (u+2)^-alpha, above 0.5
	// and at most 1 (0.75).
	Alpha float64 `json:"alpha,omitempty"`

	// Threads is the number of goroutines that learn (0: GOMAXPROCS). The tree
	// does not depend on it.
	Threads int `json:"-"`
	// Progress, if set, is called by the goroutine that called Learn: after every
	// island, and after every step of global EM. It should return quickly.
	Progress func(Progress) `json:"-"`
}

// GlobalEM names a way to estimate all parameters of a tree together.
type GlobalEM string

const (
	NoGlobalEM       GlobalEM = ""         // keep what the islands have: clusters do not need more
	BatchGlobalEM    GlobalEM = "batch"    // every step sees all documents
	StepwiseGlobalEM GlobalEM = "stepwise" // every update sees a minibatch
)

// Progress says how far Learn is.
type Progress struct {
	Level   int // the level under construction, from 1; 0 during global EM
	Islands int // islands found so far at this level
	Left    int // words (or latents of the level below) that have no island yet

	Step, Steps   int     // global EM: steps done, and at most to do
	LogLikelihood float64 // global EM: nats per document, of the parameters before this step
}

// Check says which option makes no sense, if one does: Learn would refuse it.
func (o Options) Check() error {
	_, err := o.resolve()
	return err
}

// resolve returns o with every default filled in, or an error that names the
// first field that makes no sense.
func (o Options) resolve() (Options, error) {
	setInt(&o.EMRestarts, 16)
	setInt(&o.EMSteps, 200)
	setFloat(&o.EMTolerance, 0.01)
	setFloat(&o.UDThreshold, 3)
	setFloat(&o.CTThreshold, 3)
	setInt(&o.MaxIsland, 10)
	setInt(&o.MaxTop, 15)
	setInt(&o.Threads, runtime.GOMAXPROCS(0))
	switch o.GlobalEM {
	case NoGlobalEM:
	case BatchGlobalEM:
		setInt(&o.GlobalSteps, 50)
		setFloat(&o.GlobalTolerance, 0.01)
	case StepwiseGlobalEM:
		setInt(&o.GlobalSteps, 128)
		setFloat(&o.GlobalTolerance, 0.01)
		setInt(&o.Minibatch, 1000)
		setInt(&o.Epochs, 10)
		setFloat(&o.Alpha, 0.75)
	default:
		return o, fmt.Errorf("hlta: global EM %q, want %q or %q", string(o.GlobalEM), BatchGlobalEM, StepwiseGlobalEM)
	}

	for _, c := range []struct {
		name         string
		v, low, high int
	}{
		{"EM restarts", o.EMRestarts, 1, 1024},
		{"EM steps", o.EMSteps, 1, 1_000_000},
		{"max island", o.MaxIsland, 4, maxMaxIsland},
		{"max top", o.MaxTop, 2, 1024},
		{"batch size", o.BatchSize, -1, math.MaxInt32},
		{"learn size", o.LearnSize, -1, math.MaxInt32},
		{"global EM steps", o.GlobalSteps, 0, 1_000_000},
		{"minibatch", o.Minibatch, 0, math.MaxInt32},
		{"epochs", o.Epochs, 0, 1_000_000},
		{"threads", o.Threads, 1, 1024},
	} {
		if c.v < c.low || c.v > c.high {
			return o, fmt.Errorf("hlta: %s %d, want %d to %d", c.name, c.v, c.low, c.high)
		}
	}
	for _, c := range []struct {
		name string
		v    float64
	}{
		{"EM tolerance", o.EMTolerance},
		{"UD threshold", o.UDThreshold},
		{"CT threshold", o.CTThreshold},
		{"global EM tolerance", o.GlobalTolerance},
	} {
		if math.IsNaN(c.v) || math.IsInf(c.v, 0) {
			return o, fmt.Errorf("hlta: %s %v, want a finite number", c.name, c.v)
		}
	}
	if o.Alpha != 0 && !(o.Alpha > 0.5 && o.Alpha <= 1) {
		return o, fmt.Errorf("hlta: alpha %v, want above 0.5 and at most 1", o.Alpha)
	}
	return o, nil
}

// suited is a size that was left out: the default, or as many documents as hold the median
// variable that often.
func (d *data) suited(size, def int, often float64) float64 {
	if size != 0 {
		return float64(size)
	}
	return max(float64(def), often/d.telling())
}

// maxMaxIsland keeps the pattern tables of an island small: 2^(16+3) counts.
const maxMaxIsland = 16

func setInt(v *int, def int) {
	if *v == 0 {
		*v = def
	}
}

func setFloat(v *float64, def float64) {
	if *v == 0 {
		*v = def
	}
}
