package bench

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"cwox/asm"
	"cwox/nn"
	"cwox/nn/zoo"
)

// tiny is a time budget that ends every measurement after its least number of runs.
const tiny = 1e-9

// kinds are all measurements.
var kinds = map[string]func(context.Context, Options, func(Record)) error{
	"kernels": Kernels, "layers": Layers, "model": Model, "explain": Explain,
}

// run measures something and returns its records.
func run(t *testing.T, kind string, o Options) []Record {
	t.Helper()
	var out []Record
	if err := kinds[kind](t.Context(), o, func(r Record) { out = append(out, r) }); err != nil {
		t.Fatal(err)
	}
	return out
}

// fields are the names in a record's JSON.
func fields(t *testing.T, r Record) []string {
	t.Helper()
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(text, &m); err != nil {
		t.Fatal(err)
	}
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func positive(x float64) bool { return x > 0 && !math.IsInf(x, 1) }

func checkSpread(t *testing.T, what string, s *Spread, bestIsLarge bool) {
	t.Helper()
	if s == nil {
		t.Fatalf("%s: nothing measured", what)
	}
	if !positive(s.Best) || !positive(s.Median) || (s.Best < s.Median) == bestIsLarge && s.Best != s.Median {
		t.Errorf("%s: best %g, median %g", what, s.Best, s.Median)
	}
}

func TestKernels(t *testing.T) {
	records := run(t, "kernels", Options{Threads: 2, Seconds: 0.01})
	if want := 2 * len(asm.Tiers()); len(records) != want {
		t.Fatalf("%d records, want %d", len(records), want)
	}
	for i, r := range records {
		if tier, threads := asm.Tiers()[i/2].Tier, i%2+1; r.What != "peak" || r.ISA != tier || r.Threads != threads {
			t.Errorf("record %d: %+v, want the peak of %s on %d threads", i, r, tier, threads)
		}
		if !positive(r.GMACPerSecond) {
			t.Errorf("%s: %g GMAC/s", r.ISA, r.GMACPerSecond)
		}
		if got, want := fields(t, r), []string{"gmac_per_second", "isa", "threads", "what"}; !slices.Equal(got, want) {
			t.Errorf("fields %q, want %q", got, want)
		}
	}
}

// TestLayers recovers the network's multiply-adds from the rates and times of its layers.
func TestLayers(t *testing.T) {
	const batch = 2
	records := run(t, "layers", Options{Model: "resnet18", Batch: batch, Threads: 1, Seconds: tiny})
	peak := records[0]
	if peak.What != "peak" || !positive(peak.GMACPerSecond) || peak.Threads != 1 {
		t.Fatalf("the first record is %+v, want the peak on one thread", peak)
	}
	seen := map[string]bool{}
	macs := 0.0
	for _, r := range records[1:] {
		if r.What != "layer" || r.Model != "resnet18" || r.Batch != batch || r.Threads != 1 || r.Shape == "" || r.Kernel == "" || r.Precision != "f32" {
			t.Errorf("%+v", r)
		}
		if seen[r.Layer] {
			t.Errorf("layer %s twice", r.Layer)
		}
		seen[r.Layer] = true
		if !positive(r.Microseconds) || !positive(r.MBPerSecond) || math.Abs(r.ShareOfPeak-r.GMACPerSecond/peak.GMACPerSecond) > 1e-9 {
			t.Errorf("%+v with a peak of %g GMAC/s", r, peak.GMACPerSecond)
		}
		macs += r.GMACPerSecond * 1e9 * r.Microseconds / 1e6 / float64(batch)
	}
	// 1.814 G: the sum over the convolutions and the linear layer of out x in x kernel x map.
	if want := 1814073344.0; !(math.Abs(macs/want-1) <= 1e-6) {
		t.Errorf("%.0f multiply-adds per image, want %.0f", macs, want)
	}
	for _, name := range []string{"conv1", "layer1.0.conv1", "layer4.1.conv2", "fc"} {
		if !seen[name] {
			t.Errorf("no layer %s", name)
		}
	}
}

func TestModel(t *testing.T) {
	loads := 0
	for _, o := range []Options{
		{Model: "demo", Batch: 3, Threads: 1, Seconds: tiny},
		{Model: "demo", Threads: 2, Seconds: tiny, Compile: nn.CompileOptions{Direct: true}},
	} {
		records := run(t, "model", o)
		if len(records) != 1 {
			t.Fatalf("%d records", len(records))
		}
		r := records[0]
		if r.What != "model" || r.Model != "demo" || r.Batch != max(1, o.Batch) || r.Threads != o.Threads || r.Precision != "f32" ||
			strings.HasSuffix(r.Kernel, "-direct") != o.Compile.Direct {
			t.Errorf("%+v for %+v", r, o)
		}
		checkSpread(t, "images per second", r.ImagesPerSecond, true)
		want := []string{"batch", "images_per_second", "kernel", "model", "precision", "threads", "what"}
		if got := fields(t, r); !slices.Equal(got, want) {
			t.Errorf("fields %q, want %q", got, want)
		}
	}
	bf16 := Options{Model: "demo", Compile: nn.CompileOptions{BF16: true}}
	o := Options{Model: "demo", Seconds: tiny, Load: func() (*nn.Model, error) { loads++; return bf16.load() }}
	if r := run(t, "model", o)[0]; loads != 1 || r.Precision != "bf16" {
		t.Errorf("%d loads, precision %s: want the network of Load", loads, r.Precision)
	}
}

func TestExplain(t *testing.T) {
	loads := 0
	random := Options{Model: "demo"}
	o := Options{Model: "demo", Threads: 1, Seconds: tiny, Load: func() (*nn.Model, error) { loads++; return random.load() }}
	records := run(t, "explain", o)
	var jobs []string
	for _, r := range records {
		jobs = append(jobs, r.Job)
		if r.What != "explain" || r.Model != "demo" || r.Threads != 1 || r.Precision != "f32" || r.Kernel == "" {
			t.Errorf("%+v", r)
		}
		want := []string{"job", "kernel", "model", "precision", "seconds", "threads", "what"}
		if r.Job == "rise" {
			checkSpread(t, "masks per second", r.MasksPerSecond, true)
			checkSpread(t, "images per second", r.ImagesPerSecond, true)
			if !positive(r.ShareOfForward) || r.Batch != 8 {
				t.Errorf("rise: %+v", r)
			}
			want = []string{"batch", "images_per_second", "job", "kernel", "masks_per_second", "model", "precision", "share_of_forward", "threads", "what"}
		} else {
			checkSpread(t, r.Job, r.Seconds, false)
		}
		if got := fields(t, r); !slices.Equal(got, want) {
			t.Errorf("%s: fields %q, want %q", r.Job, got, want)
		}
	}
	if want := []string{"cold", "cwox2s", "gradcam", "rise"}; !slices.Equal(jobs, want) {
		t.Errorf("jobs %q, want %q", jobs, want)
	}
	// Once to begin with, then each cold start: one to warm up and three that count.
	if loads != 5 {
		t.Errorf("the network was loaded %d times, want 5", loads)
	}
}

func TestErrors(t *testing.T) {
	broken := errors.New("no such network")
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for kind, measure := range kinds {
		o := Options{Model: "demo", Threads: 1, Seconds: tiny}
		if err := measure(cancelled, o, func(r Record) { t.Errorf("%s, cancelled: %v", kind, r) }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s, cancelled: %v", kind, err)
		}
		if kind == "kernels" {
			continue
		}
		o.Load = func() (*nn.Model, error) { return nil, broken }
		if err := measure(t.Context(), o, nil); !errors.Is(err, broken) {
			t.Errorf("%s with a network that cannot be loaded: %v", kind, err)
		}
		if err := measure(t.Context(), Options{Model: "vgg"}, nil); err == nil || !strings.Contains(err.Error(), `"vgg"`) {
			t.Errorf("%s of vgg: %v", kind, err)
		}
	}
	if err := Explain(t.Context(), Options{Model: "demo", Seconds: tiny, Load: fourClasses}, nil); err == nil || !strings.Contains(err.Error(), "4 classes, want at least 5") {
		t.Errorf("explain with 4 classes: %v", err)
	}
}

// Networks of another size, and of one channel.
func TestExplainGeometry(t *testing.T) {
	for _, shape := range []nn.Shape{{C: 1, H: 24, W: 40}, {C: 3, H: 40, W: 24}} {
		load := func() (*nn.Model, error) {
			g := nn.NewGraph(shape)
			x := g.ReLU("relu", g.Conv("conv", g.Input(), nn.Conv{Weight: RandomParameter("conv.weight", []int{16, shape.C, 3, 3}), Out: 16, Window: nn.Square(3, 2, 1)}))
			g.Linear("fc", g.MeanPool("pool", x), RandomParameter("fc.weight", []int{6, 16}), make([]float32, 6), 6)
			return nn.Compile(g, nn.CompileOptions{})
		}
		arch, err := zoo.Lookup("demo")
		if err != nil {
			t.Fatal(err)
		}
		net, err := load()
		if err != nil {
			t.Fatal(err)
		}
		tr, err := transformOf(arch, net)
		if err != nil || tr.Validate(shape.C) != nil || tr.Width != shape.W || tr.Height != shape.H {
			t.Errorf("%v: transform %v, error %v", shape, tr, err)
		}
		b := &explainBench{Options: Options{Threads: 1}, arch: arch, transform: tr, pic: photograph(64, 48)}
		b.use(net)
		defer b.close()
		if in := b.input(); len(in.X) != shape.Size() {
			t.Errorf("%v: an input of %d numbers", shape, len(in.X))
		}
		if top, err := b.pipeline.Classify(b.pic, 5, 1); err != nil || len(top) != 5 {
			t.Errorf("%v: %v, error %v", shape, top, err)
		}
	}
	four, err := nn.Compile(func() *nn.Graph {
		g := nn.NewGraph(nn.Shape{C: 4, H: 8, W: 8})
		x := g.Conv("conv", g.Input(), nn.Conv{Weight: make([]float32, 16), Out: 4, Window: nn.Square(1, 1, 0)})
		g.Linear("fc", g.MeanPool("pool", x), make([]float32, 8), nil, 2)
		return g
	}(), nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	arch, err := zoo.Lookup("demo")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := transformOf(arch, four); err == nil || !strings.Contains(err.Error(), "the network wants 4 channels") {
		t.Errorf("four channels: %v", err)
	}
}

// fourClasses is a network that has not enough to explain.
func fourClasses() (*nn.Model, error) {
	g := nn.NewGraph(nn.Shape{C: 3, H: 224, W: 224})
	x := g.ReLU("relu", g.Conv("conv", g.Input(), nn.Conv{Weight: make([]float32, 16*3), Out: 16, Window: nn.Square(1, 1, 0)}))
	g.Linear("fc", g.MeanPool("pool", x), make([]float32, 4*16), make([]float32, 4), 4)
	return nn.Compile(g, nn.CompileOptions{})
}

func TestRecordString(t *testing.T) {
	s := &Spread{Best: 12.345, Median: 11}
	for want, r := range map[string]Record{
		"peak   avx2     1 thread      50.0 GMAC/s": {What: "peak", ISA: "avx2", Threads: 1, GMACPerSecond: 50},
		"90 % of peak":                               {What: "layer", Layer: "conv1", GMACPerSecond: 45, ShareOfPeak: 0.9},
		"best    12.3  median    11.0 images/s":      {What: "model", ImagesPerSecond: s},
		"cold     2 threads  f32   ref     best 12.": {What: "explain", Job: "cold", Threads: 2, Precision: "f32", Kernel: "ref", Seconds: s},
		"11.0 masks/s, 97.5 % of the forward":        {What: "explain", Job: "rise", MasksPerSecond: s, ShareOfForward: 0.975},
	} {
		if got := r.String(); !strings.Contains(got, want) {
			t.Errorf("%q, want ...%s...", got, want)
		}
	}
}

func TestRandomParameter(t *testing.T) {
	a := RandomParameter("layer1.0.conv1.weight", []int{64, 64, 3, 3})
	if b := RandomParameter("layer1.0.conv1.weight", []int{64, 64, 3, 3}); !slices.Equal(a, b) {
		t.Error("not the same twice")
	}
	if b := RandomParameter("layer1.0.conv2.weight", []int{64, 64, 3, 3}); slices.Equal(a, b) {
		t.Error("the same for another name")
	}
	sum, square := 0.0, 0.0
	for _, v := range a {
		sum += float64(v)
		square += float64(v) * float64(v)
	}
	// Uniform with variance 24/fan/12 = 2/576: He's for a ReLU network. 36,864 draws give a
	// variance within 2 % (three standard errors) and a mean within 0.001.
	n := float64(len(a))
	if got, want := square/n, 2.0/576; math.Abs(got/want-1) > 0.02 || math.Abs(sum/n) > 0.001 {
		t.Errorf("mean %g, variance %g, want 0 and %g", sum/n, got, want)
	}
	for _, v := range RandomParameter("bn1.running_var", []int{64}) {
		if v < 0.5 || v >= 1.5 {
			t.Errorf("a variance of %g, want 0.5 to 1.5", v)
		}
	}
}
