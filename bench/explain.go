package bench

import (
	"context"
	"fmt"
	"math"
	"os"
	"time"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/internal/place"
	"cwox/nn"
	"cwox/nn/vision"
	"cwox/nn/zoo"
)

// Explain measures whole jobs on one picture, all on five classes in two clusters:
//
//	cold     load the network, explain the picture as in cwox2s, write the report
//	cwox2s   classify and explain by CWOX-2s with Grad-CAM at both of its layers
//	gradcam  classify and make the five class maps at the cluster layer alone
//	rise     RISE's masks, in turns with bare forward passes of the same batch
//
// In all but the first the network is loaded and has seen a picture before.
func Explain(ctx context.Context, o Options, emit func(Record)) error {
	if o.Batch == 0 {
		o.Batch = 8
	}
	o = o.withDefaults()
	arch, err := o.Arch, error(nil)
	if arch == nil {
		if arch, err = zoo.Lookup(o.Model); err != nil {
			return err
		}
	}
	if o.Load == nil {
		o.Load = rebuilder(arch, o.Compile)
	}
	net, err := o.Load()
	if err != nil {
		return err
	}
	b := &explainBench{Options: o, arch: arch, pic: photograph(640, 480)}
	if b.transform, err = transformOf(arch, net); err != nil {
		return err
	}
	b.use(net)
	defer b.close()
	top, err := b.pipeline.Classify(b.pic, 5, o.Threads)
	if err != nil {
		return err
	}
	if len(top) < 5 {
		return fmt.Errorf("bench: explain: the network has %d classes, want at least 5", len(top))
	}
	for _, t := range top {
		b.classes = append(b.classes, t.Class)
	}
	for _, job := range []struct {
		name string
		work func(context.Context) error
	}{{"cold", b.cold}, {"cwox2s", b.twoStages}, {"gradcam", b.gradCAM}} {
		if err := job.work(ctx); err != nil { // once to warm up
			return err
		}
		times, err := repeat(ctx, o.Seconds, func() error { return job.work(ctx) })
		if err != nil {
			return err
		}
		r := b.record(job.name)
		r.Seconds = ofTimes(times)
		emit(r)
	}
	r, err := b.rise(ctx)
	if err != nil {
		return err
	}
	emit(r)
	return nil
}

// rebuilder makes a network with random parameters again and again; the parameters, as good
// as a mapped file, are made once.
func rebuilder(arch *zoo.Arch, o nn.CompileOptions) func() (*nn.Model, error) {
	made := map[string][]float32{}
	return func() (*nn.Model, error) {
		return arch.Build(1000, func(name string, shape []int) []float32 {
			if made[name] == nil {
				made[name] = RandomParameter(name, shape)
			}
			return made[name]
		}, o)
	}
}

// explainBench is what the jobs of Explain share.
type explainBench struct {
	Options
	arch      *zoo.Arch
	transform vision.Transform
	pic       *vision.Picture
	net       *nn.Model
	pipeline  *cwox.Pipeline
	classes   []int // five, by rank

	session *nn.Session // of gradCAM
}

// transformOf is the architecture's transform, or for a network of another size or number of
// channels a stretched picture.
func transformOf(arch *zoo.Arch, net *nn.Model) (vision.Transform, error) {
	shape, t := net.Input(), arch.Transform
	if t.Validate(shape.C) == nil && t.Width == shape.W && t.Height == shape.H {
		return t, nil
	}
	t, err := vision.Preset("paper", shape.C, shape.H, shape.W)
	if err != nil {
		return t, fmt.Errorf("bench: explain: %w", err)
	}
	return t, nil
}

// use takes a freshly loaded network.
func (b *explainBench) use(net *nn.Model) {
	b.net = net
	b.pipeline = cwox.New(&cwox.Classifier{Net: net, Arch: b.arch, Transform: b.transform, Labels: zoo.Labels(net.Classes())})
}

func (b *explainBench) close() {
	b.pipeline.Close()
	if b.session != nil {
		b.session.Close()
	}
}

func (b *explainBench) record(job string) Record {
	return Record{What: "explain", Job: job, Model: b.Model, Threads: b.Threads, Precision: b.net.Precision(), Kernel: b.net.Kernel()}
}

func (b *explainBench) cold(ctx context.Context) error {
	net, err := b.Load()
	if err != nil {
		return err
	}
	b.pipeline.Close()
	b.use(net)
	e, err := b.explain(ctx)
	if err != nil {
		return err
	}
	dir, err := place.Temporary("cwox-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return report.Write(dir, e)
}

func (b *explainBench) twoStages(ctx context.Context) error {
	_, err := b.explain(ctx)
	return err
}

func (b *explainBench) explain(ctx context.Context) (*cwox.Explanation, error) {
	return b.pipeline.Explain(ctx, b.pic, cwox.Options{Clusters: [][]int{b.classes[:2], b.classes[2:]}, Threads: b.Threads})
}

func (b *explainBench) gradCAM(ctx context.Context) error {
	g := &saliency.GradCAM{ClusterLayer: b.arch.ClusterLayer, ClassLayer: b.arch.ClusterLayer}
	if b.session == nil {
		s, err := b.net.NewSession(nn.SessionOptions{Threads: b.Threads, Keep: g.Keep()})
		if err != nil {
			return err
		}
		b.session = s
	}
	in := b.input()
	in.Logits = b.session.Forward(in.X)
	in.Session, in.Prob = b.session, cwox.Softmax(in.Logits)
	_, err := g.Explain(ctx, in, []saliency.Request{b.request()})
	return err
}

// rise takes turns between bare forward passes and RISE over as many masked pictures.
func (b *explainBench) rise(ctx context.Context) (Record, error) {
	r := b.record("rise")
	r.Batch = b.Batch
	s, err := b.net.NewSession(nn.SessionOptions{Batch: b.Batch, Threads: b.Threads})
	if err != nil {
		return r, err
	}
	defer s.Close()
	x := pictures(b.Batch, b.net.Input().Size())
	passes := func(n int) float64 {
		start := time.Now()
		for range n {
			s.Forward(x)
		}
		return time.Since(start).Seconds()
	}
	passes(1)
	n := max(1, int(math.Round(b.Seconds/6/passes(1)))) // three turns of both

	rise := &saliency.RISE{Batch: b.Batch}
	defer rise.Close()
	in := b.input()
	masks := func(n int) (float64, error) {
		rise.Cluster.Masks = n
		start := time.Now()
		_, err := rise.Explain(ctx, in, []saliency.Request{b.request()})
		return time.Since(start).Seconds(), err
	}
	if _, err := masks(b.Batch); err != nil {
		return r, err
	}
	var rates, forward, share []float64
	for end := time.Now().Add(time.Duration(b.Seconds * float64(time.Second))); time.Now().Before(end) || len(rates) < 3; {
		images := float64(n * b.Batch)
		bare := passes(n)
		whole, err := masks(n * b.Batch)
		if err != nil {
			return r, err
		}
		forward = append(forward, images/bare)
		rates = append(rates, images/whole)
		share = append(share, bare/whole)
	}
	r.MasksPerSecond, r.ImagesPerSecond, r.ShareOfForward = ofRates(rates), ofRates(forward), ofRates(share).Median
	return r, nil
}

// input is the picture as explainers see it.
func (b *explainBench) input() *saliency.Input {
	pre := b.transform
	in := &saliency.Input{Model: b.net, Picture: pre.Input(b.pic), Tensor: pre.Normalize, Threads: b.Threads}
	in.X = pre.Normalize(in.Picture)
	return in
}

// request asks for the map of each class.
func (b *explainBench) request() saliency.Request {
	r := saliency.Request{Stage: saliency.ClusterStage}
	for _, c := range b.classes {
		r.Targets = append(r.Targets, saliency.Target{Classes: []int{c}})
	}
	return r
}

// photograph is a picture with the smoothness of one.
func photograph(width, height int) *vision.Picture {
	p := vision.New(width, height)
	state := uint64(1)
	for y := range height {
		for x := range width {
			for c := range 3 {
				u, v := float64(x)/float64(width), float64(y)/float64(height)
				wave := math.Sin(9*u+float64(c)) * math.Cos(7*v*(1+u)+2*float64(c))
				p.Pix[(y*width+x)*3+c] = uint8(128 + 90*wave + 16*float64(uniform(&state)))
			}
		}
	}
	return p
}
