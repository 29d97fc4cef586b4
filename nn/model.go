package nn

import (
	"errors"
	"sort"
	"strings"
	"sync"

	"cwox/asm"
)

// Model is a compiled network. It is immutable and safe for concurrent use; sessions
// made from it share its packed weights.
type Model struct {
	graph   *Graph
	kernels *asm.Kernels
	user    []*Node // by node id: the last node that reads it
	direct  bool
	bf16    bool

	mu     sync.Mutex
	packed map[packKey]*packing
}

// packKey names a set of packed weights.
type packKey struct {
	conv, norm int // node ids; norm is -1 where nothing is folded
	kind       packKind
}

type packKind int

const (
	packedForward packKind = iota
	packedHalf
	packedGradient
	packedExcitation         // positive weights, forwards
	packedExcitationGradient // positive weights, backwards
	packedInhibitionForward  // magnitudes of the negative weights
	packedInhibitionGradient
	packedWinograd
)

type packing struct {
	once     sync.Once
	w        *convWeights
	winograd *winogradWeights
}

// CompileOptions steer Compile. The zero value is the good default.
type CompileOptions struct {
	// Kernels are the kernels to use; nil means asm.Select's choice.
	Kernels *asm.Kernels
	// Direct computes every convolution as its definition sums it. Otherwise the 3x3
	// convolutions for which it pays use Winograd's transforms, whose rounding errors are
	// about twice as large.
	Direct bool
	// BF16 stores activations and weights of most layers in bfloat16, with float32 sums:
	// about twice as fast where the CPU is fast at it, and less exact.
	BF16 bool
}

// Compile checks a graph, and packs its weights for the kernels. The model keeps a copy of the
// graph, but not of its weights, which must not change.
func Compile(g *Graph, o CompileOptions) (*Model, error) {
	if g == nil || len(g.nodes) == 0 {
		return nil, errors.New("nn: a graph that NewGraph has not made")
	}
	if g.err != nil {
		return nil, g.err
	}
	g = g.sealed()
	last := g.nodes[len(g.nodes)-1]
	if last.kind != kindConv || last.shape.H != 1 || last.shape.W != 1 {
		return nil, errors.New("nn: the last operator must be a linear layer")
	}
	m := &Model{graph: g, kernels: o.Kernels, direct: o.Direct, bf16: o.BF16, packed: map[packKey]*packing{}, user: make([]*Node, len(g.nodes))}
	if m.kernels == nil {
		k, _, err := asm.Select()
		if err != nil {
			return nil, err
		}
		m.kernels = k
	}
	for _, n := range g.nodes {
		for _, in := range n.in {
			m.user[in.id] = n
		}
	}
	keep := make([]bool, len(g.nodes))
	for _, f := range m.fuse(keep, false) {
		if f.root.kind != kindConv {
			continue
		}
		if k := m.winogradKernel(f.root); k != nil {
			m.winogradWeights(k, f.root, f.norm)
		} else {
			half := m.bf16 && f.root.in[0].shape.H*f.root.in[0].shape.W > 1
			m.weights(f.root, f.norm, half)
		}
	}
	return m, nil
}

// Input is the shape of the images the network takes.
func (m *Model) Input() Shape { return m.graph.input }

// Classes is the number of logits.
func (m *Model) Classes() int { return m.graph.nodes[len(m.graph.nodes)-1].shape.C }

// Head is the weight of the last linear layer, [Classes][inputs]: a row per class. It is shared
// with the model and must not be changed.
func (m *Model) Head() (weight []float32, inputs int) {
	last := m.graph.nodes[len(m.graph.nodes)-1]
	return last.conv.Weight, len(last.conv.Weight) / last.shape.C
}

// Kernel is the name of the kernel tier the model was compiled for, with "-direct" behind it if
// Winograd's transforms are not used. It determines the last bits of results.
func (m *Model) Kernel() string {
	if m.direct {
		return m.kernels.Tier + "-direct"
	}
	return m.kernels.Tier
}

// Precision is the element type of the arithmetic: "f32" or "bf16".
func (m *Model) Precision() string {
	if m.bf16 {
		return "bf16"
	}
	return "f32"
}

// Layers lists the names of all layers in evaluation order, aliases after the name they
// stand for.
func (m *Model) Layers() []string {
	var out []string
	for _, n := range m.graph.nodes {
		out = append(out, n.names...)
	}
	return out
}

// LayerShape is the output shape of a layer.
func (m *Model) LayerShape(layer string) (Shape, error) {
	n, err := m.resolve(layer)
	if err != nil {
		return Shape{}, err
	}
	return n.shape, nil
}

// weights returns the packed weights of a convolution, in bfloat16 if half is set, with the batch
// normalisation that follows it folded in unless norm is nil.
func (m *Model) weights(n, norm *Node, half bool) *convWeights {
	kind := packedForward
	if half {
		kind = packedHalf
	}
	return m.pack(n, norm, kind, func(scale []float64, bias []float32) *convWeights {
		in, group := n.in[0].shape.C, m.kernels.GemmF32.MaxVecs
		if half {
			group = m.kernels.GemmBF16.MaxVecs
		}
		var w *convWeights
		if n.in[0].kind == kindInput {
			w = packInput(n.conv, in, scale, bias, group, half)
		} else {
			w = packForward(n.conv, in, scale, bias, group)
		}
		if half {
			w.toHalf(group)
		}
		return w
	})
}

// winogradWeights returns a convolution's transformed weights; see weights.
func (m *Model) winogradWeights(k *asm.WinogradF32, n, norm *Node) *winogradWeights {
	p := m.packing(n, norm, packedWinograd)
	p.once.Do(func() {
		scale, bias := fold(n.conv, norm)
		group := m.kernels.GemmF32.MaxVecs
		if m.bf16 {
			group = m.kernels.GemmBF16.MaxVecs
		}
		p.winograd = packWinograd(k, n.conv, n.in[0].shape.C, scale, bias, group)
		if m.bf16 {
			p.winograd.toHalf(k.In*k.In, group)
		}
	})
	return p.winograd
}

// pack makes packed weights once.
func (m *Model) pack(n, norm *Node, kind packKind, build func(scale []float64, bias []float32) *convWeights) *convWeights {
	p := m.packing(n, norm, kind)
	p.once.Do(func() { p.w = build(fold(n.conv, norm)) })
	return p.w
}

// packing is the place of packed weights.
func (m *Model) packing(n, norm *Node, kind packKind) *packing {
	key := packKey{n.id, -1, kind}
	if norm != nil {
		key.norm = norm.id
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.packed[key]
	if p == nil {
		p = &packing{}
		m.packed[key] = p
	}
	return p
}

// fold gives the factor of each output channel and the bias, [blocks*16], that a
// convolution has once the normalisation after it is folded in; nil where there is none.
func fold(c *Conv, norm *Node) (scale []float64, bias []float32) {
	if norm == nil && c.Bias == nil {
		return nil, nil
	}
	bias = make([]float32, blocks(c.Out)*block)
	copy(bias, c.Bias)
	if norm == nil {
		return nil, bias
	}
	scale = make([]float64, c.Out)
	for o := range scale {
		a, d := norm.norm.affine(o)
		scale[o] = a
		bias[o] = float32(float64(a*float64(bias[o])) + d)
	}
	return scale, bias
}

// near lists layer names that resemble a mistyped one.
func (m *Model) near(layer string) string {
	type match struct {
		name   string
		common int
	}
	var all []match
	for _, name := range m.Layers() {
		c := 0
		for c < min(len(name), len(layer)) && name[c] == layer[c] {
			c++
		}
		all = append(all, match{name, c})
	}
	sort.SliceStable(all, func(i, j int) bool {
		if all[i].common != all[j].common {
			return all[i].common > all[j].common
		}
		return len(all[i].name) < len(all[j].name)
	})
	var names []string
	for _, a := range all[:min(5, len(all))] {
		names = append(names, a.name)
	}
	return strings.Join(names, ", ")
}
