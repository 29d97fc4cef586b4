package nn

import (
	"fmt"
	"math"
	"slices"
)

// Graph is a network as its author describes it: named operators in evaluation
// order. Build one with the methods below, then Compile it. A mistake in the
// description (shapes that do not fit, a name used twice) is kept and returned by
// Compile.
type Graph struct {
	input Shape
	// affine is applied to the input per channel, x*scale+shift, before anything
	// else (GoogLeNet's transform_input); nil when there is none.
	affineScale, affineShift []float32
	nodes                    []*Node
	names                    map[string]*Node
	err                      error
}

// Node is the output of one operator.
type Node struct {
	kind  kind
	id    int // position in evaluation order
	names []string
	in    []*Node
	shape Shape
	users int

	conv *Conv
	norm *BatchNorm
	pool *Pool
	lrn  *LRN
}

// Shape is the node's output shape for one image.
func (n *Node) Shape() Shape { return n.shape }

type kind int

const (
	kindInput kind = iota
	kindConv
	kindNorm
	kindReLU
	kindAdd
	kindMaxPool
	kindMeanPool
	kindLRN
	kindConcat
)

// Conv is a two-dimensional convolution (cross-correlation) with zero padding, or a
// linear layer (KH = KW = 1 on a 1x1 map).
type Conv struct {
	Weight      []float32 // [Out][In][KH][KW]
	Bias        []float32 // [Out], or nil
	Out         int
	KH, KW      int
	Stride, Pad int
}

// BatchNorm is batch normalisation in evaluation mode:
// Gamma*(x-Mean)/sqrt(Var+Eps) + Beta.
type BatchNorm struct {
	Gamma, Beta, Mean, Var []float32
	Eps                    float64
}

// Pool is a max-pooling window. Ceil rounds the output size up (and drops a last
// window that would start in the padding), as PyTorch and Caffe do.
type Pool struct {
	Size, Stride, Pad int
	Ceil              bool
}

// LRN is local response normalisation across channels:
// x * (K + Alpha/Size * sum of squares over Size channels)^-Beta. Beta must be 0.75.
type LRN struct {
	Size        int
	Alpha, Beta float32
	K           float32
}

// NewGraph starts a network for images of the given shape.
func NewGraph(input Shape) *Graph {
	g := &Graph{input: input, names: map[string]*Node{}}
	if input.C < 1 || input.C > 8 || input.H < 1 || input.W < 1 {
		g.fail("input shape %v: 1 to 8 channels are supported", input)
	}
	g.add("input", &Node{kind: kindInput, shape: input})
	return g
}

// Input is the image itself. Only convolutions can read it.
func (g *Graph) Input() *Node { return g.operand("input", first(g.nodes)) }

func first(nodes []*Node) *Node {
	if len(nodes) == 0 {
		return nil
	}
	return nodes[0]
}

// InputAffine maps the input per channel, x*scale+shift, before anything else.
func (g *Graph) InputAffine(scale, shift []float32) {
	if len(scale) != g.input.C || len(shift) != g.input.C {
		g.fail("input affine: %d scales and %d shifts for %d channels", len(scale), len(shift), g.input.C)
		return
	}
	g.affineScale, g.affineShift = scale, shift
}

// Conv appends a convolution.
func (g *Graph) Conv(name string, x *Node, c Conv) *Node {
	x = g.operand(name, x)
	if c.Out < 1 || c.KH < 1 || c.KW < 1 || c.Stride < 1 || c.Pad < 0 {
		g.fail("%s: %d outputs of a %dx%d kernel, stride %d, padding %d: want at least 1, padding at least 0", name, c.Out, c.KH, c.KW, c.Stride, c.Pad)
		return g.add(name, &Node{kind: kindConv, in: []*Node{x}, conv: &c, shape: Shape{1, 1, 1}})
	}
	want := c.Out * x.shape.C * c.KH * c.KW
	if len(c.Weight) != want {
		g.fail("%s: %d weights, want %d x %d x %d x %d", name, len(c.Weight), c.Out, x.shape.C, c.KH, c.KW)
	}
	if c.Bias != nil && len(c.Bias) != c.Out {
		g.fail("%s: %d biases, want %d", name, len(c.Bias), c.Out)
	}
	oh := (x.shape.H+2*c.Pad-c.KH)/c.Stride + 1
	ow := (x.shape.W+2*c.Pad-c.KW)/c.Stride + 1
	if oh < 1 || ow < 1 || x.shape.H+2*c.Pad < c.KH || x.shape.W+2*c.Pad < c.KW {
		g.fail("%s: a %dx%d kernel on a %dx%d map", name, c.KH, c.KW, x.shape.H, x.shape.W)
		oh, ow = 1, 1
	}
	return g.add(name, &Node{kind: kindConv, in: []*Node{x}, conv: &c, shape: Shape{c.Out, oh, ow}})
}

// Linear appends a fully connected layer, weight [out][in], on a 1x1 map.
func (g *Graph) Linear(name string, x *Node, weight, bias []float32, out int) *Node {
	x = g.operand(name, x)
	if x.shape.H != 1 || x.shape.W != 1 {
		g.fail("%s: a linear layer on a %dx%d map", name, x.shape.H, x.shape.W)
	}
	return g.Conv(name, x, Conv{Weight: weight, Bias: bias, Out: out, KH: 1, KW: 1, Stride: 1})
}

// BatchNorm appends a batch normalisation.
func (g *Graph) BatchNorm(name string, x *Node, b BatchNorm) *Node {
	x = g.operand(name, x)
	c := x.shape.C
	if len(b.Gamma) != c || len(b.Beta) != c || len(b.Mean) != c || len(b.Var) != c {
		g.fail("%s: %d, %d, %d, %d parameters for %d channels", name, len(b.Gamma), len(b.Beta), len(b.Mean), len(b.Var), c)
	}
	return g.add(name, &Node{kind: kindNorm, in: []*Node{x}, norm: &b, shape: x.shape})
}

// ReLU appends max(x, 0).
func (g *Graph) ReLU(name string, x *Node) *Node {
	x = g.operand(name, x)
	return g.add(name, &Node{kind: kindReLU, in: []*Node{x}, shape: x.shape})
}

// Add appends the residual sum branch + shortcut.
func (g *Graph) Add(name string, branch, shortcut *Node) *Node {
	branch, shortcut = g.operand(name, branch), g.operand(name, shortcut)
	if branch.shape != shortcut.shape {
		g.fail("%s: sum of %v and %v", name, branch.shape, shortcut.shape)
	}
	return g.add(name, &Node{kind: kindAdd, in: []*Node{branch, shortcut}, shape: branch.shape})
}

// MaxPool appends a max-pooling. Its input must be non-negative (the output of a ReLU,
// LRN or another pooling of such), so that zero padding changes no maximum.
func (g *Graph) MaxPool(name string, x *Node, p Pool) *Node {
	x = g.operand(name, x)
	if !x.nonNegative() {
		g.fail("%s: max-pooling of values that may be negative", name)
	}
	oh, eh := p.out(x.shape.H)
	ow, ew := p.out(x.shape.W)
	if eh != nil || ew != nil {
		g.fail("%s: window %d, stride %d, padding %d on a %dx%d map", name, p.Size, p.Stride, p.Pad, x.shape.H, x.shape.W)
		oh, ow = 1, 1
	}
	return g.add(name, &Node{kind: kindMaxPool, in: []*Node{x}, pool: &p, shape: Shape{x.shape.C, oh, ow}})
}

// MeanPool appends the mean over the whole map: [C][1][1].
func (g *Graph) MeanPool(name string, x *Node) *Node {
	x = g.operand(name, x)
	return g.add(name, &Node{kind: kindMeanPool, in: []*Node{x}, shape: Shape{x.shape.C, 1, 1}})
}

// LRN appends a local response normalisation.
func (g *Graph) LRN(name string, x *Node, l LRN) *Node {
	x = g.operand(name, x)
	if l.Beta != 0.75 || l.Size != 5 {
		g.fail("%s: local response normalisation of size %d, beta %g (only 5 and 0.75)", name, l.Size, l.Beta)
	}
	return g.add(name, &Node{kind: kindLRN, in: []*Node{x}, lrn: &l, shape: x.shape})
}

// Concat appends the concatenation along channels.
func (g *Graph) Concat(name string, xs ...*Node) *Node {
	if len(xs) == 0 {
		g.fail("%s: a concatenation of nothing", name)
		xs = []*Node{nil}
	}
	xs = slices.Clone(xs)
	for i, x := range xs {
		xs[i] = g.operand(name, x)
	}
	s := xs[0].shape
	s.C = 0
	for _, x := range xs {
		if x.shape.H != s.H || x.shape.W != s.W {
			g.fail("%s: concatenation of %v with a %dx%d map", name, x.shape, s.H, s.W)
		}
		s.C += x.shape.C
	}
	return g.add(name, &Node{kind: kindConcat, in: xs, shape: s})
}

// Alias gives a node one more name.
func (g *Graph) Alias(n *Node, name string) {
	n = g.operand(name, n)
	if _, taken := g.names[name]; taken {
		g.fail("%s: the name is taken", name)
		return
	}
	g.names[name] = n
	n.names = append(n.names, name)
}

func (g *Graph) add(name string, n *Node) *Node {
	n.id = len(g.nodes)
	for _, in := range n.in {
		in.users++
		// The image lies interleaved in memory, which only convolutions know how to read.
		if in.kind == kindInput && n.kind != kindConv {
			g.fail("%s: only a convolution can read the network's input", name)
		}
	}
	g.nodes = append(g.nodes, n)
	g.Alias(n, name)
	return n
}

// operand is a node of this graph. Where it is none, a node that stands in for it is returned,
// and Compile says so.
func (g *Graph) operand(name string, n *Node) *Node {
	switch {
	case g.names == nil:
		g.fail("%s: a graph that NewGraph has not made", name)
		g.names = map[string]*Node{}
		g.nodes = []*Node{{kind: kindInput, shape: Shape{1, 1, 1}}}
	case n == nil:
		g.fail("%s: an operand is nil", name)
	case n.id < len(g.nodes) && g.nodes[n.id] == n:
		return n
	default:
		g.fail("%s: an operand is a node of another graph", name)
	}
	return g.nodes[0]
}

// sealed is a copy that later calls on the graph do not change. Weights are shared.
func (g *Graph) sealed() *Graph {
	c := *g
	c.nodes, c.names = make([]*Node, len(g.nodes)), make(map[string]*Node, len(g.names))
	for i, n := range g.nodes {
		m := *n
		m.names, m.in = slices.Clone(n.names), slices.Clone(n.in)
		for j, in := range m.in {
			m.in[j] = c.nodes[in.id]
		}
		c.nodes[i] = &m
	}
	for name, n := range g.names {
		c.names[name] = c.nodes[n.id]
	}
	return &c
}

func (g *Graph) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("nn: "+format, args...)
	}
}

// nonNegative says that no element of the node's output can be below zero.
func (n *Node) nonNegative() bool {
	switch n.kind {
	case kindReLU:
		return true
	case kindMaxPool, kindMeanPool, kindLRN, kindConcat:
		for _, in := range n.in {
			if !in.nonNegative() {
				return false
			}
		}
		return true
	}
	return false
}

// out is the output length for an input of length n.
func (p Pool) out(n int) (int, error) {
	span := n + 2*p.Pad - p.Size
	if p.Size < 1 || p.Stride < 1 || p.Pad < 0 || 2*p.Pad > p.Size || span < 0 {
		return 0, fmt.Errorf("nn: window does not fit")
	}
	if !p.Ceil {
		return span/p.Stride + 1, nil
	}
	out := (span+p.Stride-1)/p.Stride + 1
	if (out-1)*p.Stride >= n+p.Pad {
		out--
	}
	return out, nil
}

// affine is the channel map scale*x+shift that the normalisation amounts to, in
// float64.
func (b *BatchNorm) affine(c int) (scale, shift float64) {
	scale = float64(b.Gamma[c]) / math.Sqrt(float64(b.Var[c])+b.Eps)
	return scale, float64(b.Beta[c]) - float64(scale*float64(b.Mean[c]))
}
