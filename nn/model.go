package nn

import (
	"fmt"
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
		return nil, fmt.Errorf("nn: %w", errNoGraph)
	}
	if g.err != nil {
		return nil, g.err
	}
	g = g.sealed()
	if last := g.nodes[len(g.nodes)-1]; last.shape.H != 1 || last.shape.W != 1 {
		return nil, fmt.Errorf("nn: the last operator, %s, has a %dx%d map: want logits, a map of one pixel", last.names[0], last.shape.H, last.shape.W)
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
	for _, f := range m.fuse(make([]bool, len(g.nodes)), len(g.nodes), false) {
		if c, ok := f.root.op.(*conv); ok {
			c.prepare(m, f.root, f.norm)
		}
	}
	return m, nil
}

// Input is the shape of the images the network takes.
func (m *Model) Input() Shape { return m.graph.input }

// Classes is the number of logits.
func (m *Model) Classes() int { return m.graph.nodes[len(m.graph.nodes)-1].shape.C }

// Head is the weight of the last linear layer, [Classes][inputs]: a row per class; nil if there
// is no layer that all logits come from, each from a row of its own. It is shared with the model
// and must not be changed.
func (m *Model) Head() (weight []float32, inputs int) {
	n := m.head()
	if n == nil || n.shape.C != m.Classes() {
		return nil, 0
	}
	c := n.op.(*conv)
	if c.Groups > 1 {
		return nil, 0
	}
	return c.Weight, len(c.Weight) / c.Out
}

// head is the linear layer that the logits come from: the last convolution, if everything passes
// through it; else nil.
func (m *Model) head() *Node {
	for n := m.graph.nodes[len(m.graph.nodes)-1]; ; n = n.in[0] {
		if _, ok := n.op.(*conv); ok {
			return n
		}
		if len(n.in) != 1 {
			return nil
		}
	}
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
