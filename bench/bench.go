package bench

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"cwox/asm"
	"cwox/nn"
	"cwox/nn/zoo"
)

// Options say what to measure. The zero value measures ResNet-50 at batch 1 on all processors.
type Options struct {
	Model   string            // architecture, "" means resnet50
	Batch   int               // images per pass; 0 means 1, for Explain 8
	Threads int               // 0 means GOMAXPROCS
	Seconds float64           // time to spend on each figure; 0 means 2
	Compile nn.CompileOptions // of a network with random weights

	// Load makes the network; nil means one with random weights, which Compile belongs to.
	Load func() (*nn.Model, error)
	// Arch is that of Load's network; nil means Model's.
	Arch *zoo.Arch
}

func (o Options) withDefaults() Options {
	if o.Model == "" {
		o.Model = "resnet50"
	}
	if o.Batch == 0 {
		o.Batch = 1
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Seconds == 0 {
		o.Seconds = 2
	}
	return o
}

// Record is one figure. Fields that do not apply are empty.
type Record struct {
	What      string `json:"what"`          // "peak", "layer", "model", "explain"
	Job       string `json:"job,omitempty"` // of "explain": "cold", "cwox2s", "gradcam", "rise"
	ISA       string `json:"isa,omitempty"`
	Model     string `json:"model,omitempty"`
	Layer     string `json:"layer,omitempty"`
	Shape     string `json:"shape,omitempty"` // of a layer: input -> output, kernel, stride
	Batch     int    `json:"batch,omitempty"`
	Threads   int    `json:"threads,omitempty"`
	Precision string `json:"precision,omitempty"`
	Kernel    string `json:"kernel,omitempty"`

	Microseconds  float64 `json:"microseconds,omitempty"`         // best
	GMACPerSecond float64 `json:"gmac_per_second,omitempty"`      // multiply-adds by definition, not those Winograd needs
	ShareOfPeak   float64 `json:"share_of_peak,omitempty"`        // of the tier's measured peak on as many threads
	MBPerSecond   float64 `json:"megabytes_per_second,omitempty"` // weights and maps that a layer must move at least

	ImagesPerSecond *Spread `json:"images_per_second,omitempty"` // of bare forward passes
	MasksPerSecond  *Spread `json:"masks_per_second,omitempty"`
	ShareOfForward  float64 `json:"share_of_forward,omitempty"` // median of masks over images per second
	Seconds         *Spread `json:"seconds,omitempty"`
}

// Spread is a figure over several runs.
type Spread struct {
	Best   float64 `json:"best"`
	Median float64 `json:"median"`
}

// ofRates is the spread of rates, whose best is the largest.
func ofRates(x []float64) *Spread {
	slices.Sort(x)
	return &Spread{Best: x[len(x)-1], Median: x[len(x)/2]}
}

// ofTimes is the spread of times, whose best is the least.
func ofTimes(x []float64) *Spread {
	slices.Sort(x)
	return &Spread{Best: x[0], Median: x[len(x)/2]}
}

// String is the record for people.
func (r Record) String() string {
	switch r.What {
	case "peak":
		return fmt.Sprintf("peak   %-8s %d thread%s  %7.1f GMAC/s", r.ISA, r.Threads, plural(r.Threads), r.GMACPerSecond)
	case "layer":
		s := fmt.Sprintf("%-28s %-34s %8.0f us", r.Layer, r.Shape, r.Microseconds)
		if r.GMACPerSecond > 0 {
			s += fmt.Sprintf("  %7.1f GMAC/s  %3.0f %% of peak", r.GMACPerSecond, 100*r.ShareOfPeak)
		}
		return s
	case "model":
		return fmt.Sprintf("%-16s batch %-3d %d thread%s  %-5s %-7s best %7.1f  median %7.1f images/s",
			r.Model, r.Batch, r.Threads, plural(r.Threads), r.Precision, r.Kernel, r.ImagesPerSecond.Best, r.ImagesPerSecond.Median)
	case "explain":
		s := fmt.Sprintf("%-16s %-8s %d thread%s  %-5s %-7s ", r.Model, r.Job, r.Threads, plural(r.Threads), r.Precision, r.Kernel)
		if r.Seconds != nil {
			return s + fmt.Sprintf("best %7.4f  median %7.4f s", r.Seconds.Best, r.Seconds.Median)
		}
		return s + fmt.Sprintf("best %7.1f  median %7.1f masks/s, %.1f %% of the forward passes' speed at batch %d",
			r.MasksPerSecond.Best, r.MasksPerSecond.Median, 100*r.ShareOfForward, r.Batch)
	}
	panic("bench: a record of unknown kind")
}

func plural(n int) string {
	if n == 1 {
		return " "
	}
	return "s"
}

// Peak measures the multiply-adds per second of a tier's units on some threads: a loop
// between registers.
func Peak(k *asm.Kernels, threads int, seconds float64) Record {
	const n = 1 << 16
	best := 0.0
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end); {
		start := time.Now()
		var wg sync.WaitGroup
		for range threads {
			wg.Go(func() { k.PeakF32.Run(n) })
		}
		wg.Wait()
		best = max(best, float64(threads*n*k.PeakF32.MACs)/time.Since(start).Seconds())
	}
	return Record{What: "peak", ISA: k.Tier, Threads: threads, GMACPerSecond: best / 1e9}
}

// BF16Gain measures, within a few milliseconds, how many times faster than float32 a tier
// multiplies in bfloat16: 2 on AMD's Zen 4, less than 1 on Intel CPUs without AMX.
func BF16Gain(k *asm.Kernels) float64 {
	if !k.BF16 {
		return 0.1 // emulated
	}
	speed := func(p asm.Peak) float64 {
		best := 0.0
		n := max(1, 200_000/p.MACs)
		for range 20 {
			start := time.Now()
			p.Run(n)
			best = max(best, float64(n*p.MACs)/float64(time.Since(start)+1))
		}
		return best
	}
	return speed(k.PeakBF16) / speed(k.PeakF32)
}

// Kernels measures the peak of every tier this CPU has, on one thread and on all.
func Kernels(ctx context.Context, o Options, emit func(Record)) error {
	o = o.withDefaults()
	for _, k := range asm.Tiers() {
		for _, threads := range threadCounts(o.Threads) {
			if err := ctx.Err(); err != nil {
				return err
			}
			emit(Peak(k, threads, o.Seconds/4))
		}
	}
	return nil
}

func threadCounts(n int) []int {
	if n == 1 {
		return []int{1}
	}
	return []int{1, n}
}

// Layers measures each operator of a network in place, between its neighbours.
func Layers(ctx context.Context, o Options, emit func(Record)) error {
	o = o.withDefaults()
	m, err := o.load()
	if err != nil {
		return err
	}
	s, err := m.NewSession(nn.SessionOptions{Batch: o.Batch, Threads: o.Threads})
	if err != nil {
		return err
	}
	defer s.Close()
	k, err := asm.ByName(strings.TrimSuffix(m.Kernel(), "-direct"))
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	peak := Peak(k, o.Threads, 0.3)
	emit(peak)
	x := pictures(o.Batch, m.Input().Size())
	best := s.Profile(x)
	for end := time.Now().Add(time.Duration(o.Seconds * float64(time.Second))); time.Now().Before(end); {
		if err := ctx.Err(); err != nil {
			return err
		}
		for i, t := range s.Profile(x) {
			best[i].Duration = min(best[i].Duration, t.Duration)
		}
	}
	// Layers that ran image by image are summed.
	var order []string
	sum := map[string]*Record{}
	for _, t := range best {
		r := sum[t.Name]
		if r == nil {
			r = &Record{What: "layer", Model: o.Model, Layer: t.Name, Batch: o.Batch, Threads: o.Threads, Precision: m.Precision(), Kernel: m.Kernel()}
			r.Shape = fmt.Sprintf("%dx%dx%d -> %dx%dx%d", t.In.C, t.In.H, t.In.W, t.Out.C, t.Out.H, t.Out.W)
			if t.Kernel > 0 {
				r.Shape += fmt.Sprintf(" %dx%d/%d", t.Kernel, t.Kernel, t.Stride)
			}
			sum[t.Name] = r
			order = append(order, t.Name)
		}
		r.Microseconds += float64(t.Duration.Nanoseconds()) / 1e3
	}
	for _, t := range best {
		r := sum[t.Name]
		if t.MACs == 0 && r.GMACPerSecond > 0 {
			continue // a further step of the same layer
		}
		seconds := r.Microseconds / 1e6
		macs := float64(t.MACs) * float64(o.Batch)
		r.GMACPerSecond = macs / seconds / 1e9
		r.ShareOfPeak = r.GMACPerSecond / peak.GMACPerSecond
		bytes := 4 * float64(o.Batch) * float64(t.In.Size()+t.Out.Size())
		if t.MACs > 0 {
			bytes += 4 * float64(t.MACs) / float64(t.Out.H*t.Out.W)
		}
		r.MBPerSecond = bytes / seconds / 1e6
	}
	for _, name := range order {
		emit(*sum[name])
	}
	return nil
}

// Model measures whole forward passes.
func Model(ctx context.Context, o Options, emit func(Record)) error {
	o = o.withDefaults()
	m, err := o.load()
	if err != nil {
		return err
	}
	s, err := m.NewSession(nn.SessionOptions{Batch: o.Batch, Threads: o.Threads})
	if err != nil {
		return err
	}
	defer s.Close()
	x := pictures(o.Batch, m.Input().Size())
	s.Forward(x)
	times, err := repeat(ctx, o.Seconds, func() error { s.Forward(x); return nil })
	if err != nil {
		return err
	}
	rates := make([]float64, len(times))
	for i, t := range times {
		rates[i] = float64(o.Batch) / t
	}
	emit(Record{What: "model", Model: o.Model, Batch: o.Batch, Threads: o.Threads, Precision: m.Precision(), Kernel: m.Kernel(),
		ImagesPerSecond: ofRates(rates)})
	return nil
}

// repeat does some work again and again, three times at least, until the time is over, and
// returns how many seconds each took.
func repeat(ctx context.Context, seconds float64, work func() error) ([]float64, error) {
	var times []float64
	for end := time.Now().Add(time.Duration(seconds * float64(time.Second))); time.Now().Before(end) || len(times) < 3; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		start := time.Now()
		if err := work(); err != nil {
			return nil, err
		}
		times = append(times, time.Since(start).Seconds())
	}
	return times, nil
}

// load makes the network to measure.
func (o *Options) load() (*nn.Model, error) {
	if o.Load != nil {
		return o.Load()
	}
	a, err := zoo.Lookup(o.Model)
	if err != nil {
		return nil, err
	}
	return a.Build(1000, RandomParameter, o.Compile)
}

// RandomParameter makes the same random parameter of a name and shape every time, scaled so
// that activations neither vanish nor explode.
func RandomParameter(name string, shape []int) []float32 {
	n := 1
	for _, d := range shape {
		n *= d
	}
	state := uint64(len(name))
	for _, c := range []byte(name) {
		state = (state ^ uint64(c)) * 0x100000001b3
	}
	scale := float32(math.Sqrt(24 / float64(n/shape[0])))
	out := make([]float32, n)
	for i := range out {
		u := uniform(&state)
		switch {
		case len(shape) > 1:
			out[i] = (u - 0.5) * scale
		case strings.HasSuffix(name, ".bias"), strings.HasSuffix(name, ".running_mean"):
			out[i] = (u - 0.5) / 4
		case strings.HasSuffix(name, ".bn3.weight"):
			out[i] = (u + 0.5) / 4
		default:
			out[i] = u + 0.5
		}
	}
	return out
}

// pictures is random network input.
func pictures(n, size int) []float32 {
	state := uint64(1)
	x := make([]float32, n*size)
	for i := range x {
		x[i] = 4*uniform(&state) - 2
	}
	return x
}

// uniform steps a linear congruential generator: enough for data whose values do not matter.
func uniform(state *uint64) float32 {
	*state = *state*6364136223846793005 + 1442695040888963407
	return float32(*state>>40) * 0x1p-24
}
