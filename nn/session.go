package nn

import (
	"fmt"
	"runtime"
	"time"
)

// Session runs a model. It owns its scratch memory and belongs to one goroutine at a
// time.
type Session struct {
	model    *Model
	front    *front // nil for none
	plan     *plan
	batch    int
	keepFrom int // values of nodes from here on survive Forward
	whole    bool
	mem      []float32
	crew     *crew
	runs     []*run // by number of images
	logits   []float32
	images   int // of the last Forward
	groups   []fused
	sweeps   map[string]*sweep // by rule and layers
}

// NewSession allocates memory for a batch and plans the work. A layer in Keep that does not
// exist is an error that names it.
func (m *Model) NewSession(o SessionOptions) (*Session, error) {
	if o.Batch == 0 {
		o.Batch = 1
	}
	if o.Threads == 0 {
		o.Threads = runtime.GOMAXPROCS(0)
	}
	if o.Batch < 0 || o.Threads < 0 {
		return nil, fmt.Errorf("nn: batch %d, threads %d: want positive numbers", o.Batch, o.Threads)
	}
	nodes := m.graph.nodes
	keep := make([]bool, len(nodes))
	keepFrom := len(nodes) - 1
	for _, layer := range o.Keep {
		n, err := m.resolve(layer)
		if err != nil {
			return nil, err
		}
		keep[n.id] = true
		keepFrom = min(keepFrom, n.id)
	}
	for _, n := range nodes {
		keep[n.id] = keep[n.id] || o.Moments && n.measured()
	}
	s := &Session{model: m, batch: o.Batch, keepFrom: keepFrom, whole: o.Whole, groups: m.fuse(keep, keepFrom, o.Whole)}
	s.plan = m.newPlan(o, keep, keepFrom)
	s.front = m.newFront(o, s.plan, keep, keepFrom)
	s.mem = alignedFloats(s.plan.size)
	s.crew = newCrew(o.Threads)
	for _, w := range s.crew.workers {
		s.plan.furnish(w)
		if s.front != nil {
			s.front.plan.furnish(w)
		}
	}
	s.runs = make([]*run, o.Batch+1)
	s.sweeps = map[string]*sweep{}
	s.logits = make([]float32, o.Batch*m.Classes())
	runtime.AddCleanup(s, func(c *crew) { c.close() }, s.crew)
	return s, nil
}

// Close ends the session's goroutines. A session that is garbage collected closes itself.
func (s *Session) Close() { s.crew.close() }

// Batch is the most images that Forward takes.
func (s *Session) Batch() int { return s.batch }

// MemoryBytes is the size of the session's scratch memory, that of its backward passes so far
// included.
func (s *Session) MemoryBytes() int64 {
	n := len(s.mem)
	for _, b := range s.sweeps {
		n += len(b.mem)
	}
	if s.front != nil {
		n += len(s.front.mems) * s.front.plan.size
	}
	return 4 * int64(n)
}

// Forward returns logits [n][classes] for x [n][C][H][W], 1 <= n <= batch. They are valid
// until the next call.
func (s *Session) Forward(x []float32) []float32 {
	size := s.model.graph.input.Size()
	if len(x) == 0 || len(x)%size != 0 || len(x)/size > s.batch {
		panic("nn: Forward: the input is not 1 to Batch whole images")
	}
	return s.forward(x, nil, len(x)/size)
}

// ForwardMasked returns logits [n][classes] for the image x [C][H][W] multiplied by each of
// the masks [n][H][W], 1 <= n <= batch: what RISE asks for. They are valid until the next
// call.
func (s *Session) ForwardMasked(x, masks []float32) []float32 {
	in := s.model.graph.input
	plane := in.H * in.W
	if len(x) != in.Size() {
		panic("nn: ForwardMasked: the input is not one image")
	}
	if len(masks) == 0 || len(masks)%plane != 0 || len(masks)/plane > s.batch {
		panic("nn: ForwardMasked: not 1 to Batch whole masks")
	}
	return s.forward(x, masks, len(masks)/plane)
}

func (s *Session) forward(x, masks []float32, n int) []float32 {
	s.crew.check("Forward")
	s.images = n
	given := feed{x, masks}
	*s.plan.feed = given
	if s.front != nil {
		*s.front.plan.feed = given
		defer func() { *s.front.plan.feed = feed{} }()
	}
	if s.runs[n] == nil {
		s.runs[n] = s.newRun(n)
	}
	s.crew.do(s.runs[n])
	*s.plan.feed = feed{}
	classes := s.model.Classes()
	v := &s.plan.values[len(s.model.graph.nodes)-1].f32
	for i := range n {
		v.unpack(s.mem, i, s.logits[i*classes:][:classes])
	}
	return s.logits[:n*classes]
}

// newRun schedules n images. As many as there are workers, or a multiple of it, go through the
// front.
func (s *Session) newRun(n int) *run {
	if s.front == nil {
		return s.crew.newRun(s.mem, s.plan.schedule(0, n))
	}
	images := n - n%len(s.crew.workers)
	r := s.crew.newRun(s.mem, s.plan.schedule(images, n))
	r.front = &frontRun{front: s.front, images: int64(images)}
	return r
}

// schedule lists the plan's steps for n images: the leading ones image by image, for those from
// the first-th on.
func (p *plan) schedule(first, n int) []scheduled {
	var out []scheduled
	for i := first; i < n; i++ {
		for _, s := range p.steps[:p.split] {
			out = append(out, scheduled{s, i, 1})
		}
	}
	for _, s := range p.steps[p.split:] {
		out = append(out, scheduled{s, 0, n})
	}
	return out
}

// Activation copies a layer's output for one image of the last Forward, [C][H][W]. The layer
// must be in the session's Keep, or come after one that is and not be fused into another.
func (s *Session) Activation(image int, layer string) ([]float32, Shape, error) {
	n, err := s.model.resolve(layer)
	if err != nil {
		return nil, Shape{}, err
	}
	if n.id == 0 {
		return nil, Shape{}, fmt.Errorf("nn: layer %q is the image itself", layer)
	}
	if n.id < s.keepFrom || !s.plan.values[n.id].hasF32 {
		return nil, Shape{}, fmt.Errorf("nn: layer %q is not kept by this session", layer)
	}
	if image < 0 || image >= s.images {
		panic("nn: Activation: no such image in the last Forward")
	}
	out := make([]float32, n.shape.Size())
	s.plan.values[n.id].f32.unpack(s.mem, image, out)
	return out, n.shape, nil
}

// Operator describes a step of a session's plan.
type Operator struct {
	Name           string
	In, Out        Shape
	Kernel, Stride int   // of a convolution, else 0
	MACs           int64 // multiply-adds of a convolution by its definition, per image
}

// Timing is how long an operator took, on all threads together.
type Timing struct {
	Operator
	Duration time.Duration
}

// Profile runs Forward step by step, with a wait after each, and says how long each took.
// Layers that run image by image are listed once for each image.
func (s *Session) Profile(x []float32) []Timing {
	n := len(x) / s.model.graph.input.Size()
	s.Forward(x)
	s.plan.feed.x = x
	defer func() { s.plan.feed.x = nil }()
	var out []Timing
	time1 := func(i, first, n int) {
		r := s.crew.newRun(s.mem, []scheduled{{s.plan.steps[i], first, n}})
		start := time.Now()
		s.crew.do(r)
		out = append(out, Timing{s.plan.ops[i], time.Since(start)})
	}
	for image := range n {
		for i := range s.plan.split {
			time1(i, image, 1)
		}
	}
	for i := s.plan.split; i < len(s.plan.steps); i++ {
		time1(i, 0, n)
	}
	return out
}
