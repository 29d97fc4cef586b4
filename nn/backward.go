package nn

import (
	"errors"
	"fmt"
)

// Backward passes signals from the logits of one image of the last Forward down to layers,
// all in one sweep. seeds is [t][classes]: t signals at the logits (for the gradient of class
// c, 1 at c and 0 elsewhere). The result holds for each layer [t][C][H][W]: the derivative of
// the seeded logits with respect to the layer's output, or the relevance that reaches it.
//
// A layer that is named twice, by the same or another name, has one result, shared. Every layer
// must be in the session's Keep or come after one that is. The network's input,
// "input", is a layer like others for the gradient, Guided and DeepLIFT.
func (s *Session) Backward(rule Rule, image int, seeds []float32, layers ...string) ([][]float32, error) {
	classes := s.model.Classes()
	if len(seeds) == 0 || len(seeds)%classes != 0 {
		panic("nn: Backward: the seeds are not whole rows of classes")
	}
	if image < 0 || image >= s.images {
		panic("nn: Backward: no such image in the last Forward")
	}
	s.crew.check("Backward")
	t := len(seeds) / classes
	layers, place := s.model.distinct(layers)
	b, err := s.sweep(rule, layers, min(t, maxSeeds))
	if err != nil {
		return nil, err
	}
	out := make([][]float32, len(layers))
	for i := range out {
		out[i] = make([]float32, t*b.outs[i].n.shape.Size())
	}
	b.image, b.reference = image, s.images-1
	for _, st := range b.steps {
		if f, ok := st.(*onceStep); ok {
			f.aim(image)
		}
	}
	for t0 := 0; t0 < t; t0 += b.capacity {
		n := min(b.capacity, t-t0)
		b.seed(seeds[t0*classes:][:n*classes])
		for i, o := range b.outs {
			o.dst = out[i][t0*o.n.shape.Size():]
		}
		if b.runs[n] == nil {
			b.runs[n] = s.crew.newRun(b.mem, b.schedule(n))
		}
		s.crew.do(b.runs[n])
	}
	all := make([][]float32, len(place))
	for i, at := range place {
		all[i] = out[at]
	}
	return all, nil
}

// distinct are some layers without those that are there already by another name, and where
// each is among them.
func (m *Model) distinct(layers []string) (distinct []string, place []int) {
	at := map[*Node]int{}
	for _, layer := range layers {
		n := m.graph.names[layer] // nil for one that sweep refuses
		i, seen := at[n]
		if n == nil || !seen {
			i = len(distinct)
			at[n] = i
			distinct = append(distinct, layer)
		}
		place = append(place, i)
	}
	return distinct, place
}

// maxSeeds is how many signals go down together at most.
const maxSeeds = 8

// sweep is a plan for one rule and set of layers.
type sweep struct {
	model    *Model
	capacity int // seeds per run
	rule     Rule
	mem      []float32
	steps    []step
	runs     [maxSeeds + 1]*run
	outs     []*extractStep
	seeds    view

	// Set before each run: images of the forward pass.
	image, reference int
}

// sweep is the plan for a rule and layers: one, for the most seeds asked for so far.
func (s *Session) sweep(rule Rule, layers []string, capacity int) (*sweep, error) {
	key := fmt.Sprintf("%d %q", rule, layers)
	if b := s.sweeps[key]; b != nil && b.capacity >= capacity {
		return b, nil
	}
	if rule < Gradient || rule > ContrastiveExcitationDuplicated {
		return nil, fmt.Errorf("nn: no rule of number %d", rule)
	}
	if rule == DeepLIFT && !s.whole {
		return nil, errors.New("nn: DeepLIFT needs a session with Whole")
	}
	var nodes []*Node
	for _, layer := range layers {
		n, err := s.model.resolve(layer)
		switch {
		case err != nil:
			return nil, err
		case n.id < s.keepFrom || n.id > 0 && !s.plan.values[n.id].hasF32:
			return nil, fmt.Errorf("nn: layer %q is not kept by this session", layer)
		case n.id == 0 && rule >= Excitation:
			return nil, fmt.Errorf("nn: layer %q: excitation backprop ends above the network's input", layer)
		}
		nodes = append(nodes, n)
	}
	b, err := s.newSweep(rule, nodes, capacity)
	if err == nil {
		s.sweeps[key] = b
	}
	return b, err
}

// schedule lists the steps for n seeds.
func (b *sweep) schedule(n int) []scheduled {
	var out []scheduled
	for _, st := range b.steps {
		if _, ok := st.(*onceStep); ok {
			out = append(out, scheduled{st, 0, 1})
		} else {
			out = append(out, scheduled{st, 0, n})
		}
	}
	return out
}

// seed writes the signals at the logits.
func (b *sweep) seed(seeds []float32) {
	classes := b.model.Classes()
	for i := range len(seeds) / classes {
		b.seeds.pack(b.mem, i, seeds[i*classes:][:classes])
	}
}

// onceStep is a step over activations of the image being explained: it depends on the image
// alone, not on the seeds.
type onceStep struct {
	step
	from *source // what the step reads by a view of its own; nil if it needs no aiming
	src  *view   // that view
}

// aim points the step at an image of the last Forward.
func (f *onceStep) aim(image int) {
	if f.from != nil {
		f.src.off = f.from.view.off + image*f.from.view.image
	}
}

// source is an activation of the image being explained, or of the reference.
type source struct {
	view      view
	mem       []float32
	sweep     *sweep
	reference bool
}

// image is the image that is meant.
func (a *source) image() int {
	if a.reference {
		return a.sweep.reference
	}
	return a.sweep.image
}

// row is a row of a block.
func (a *source) row(blk, y int) []float32 { return a.view.line(a.mem, a.image(), blk, y) }
