package nn

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Graph is a network as its author describes it: named operators in evaluation
// order. Build one with the constructors below and in the op_*.go files, then Compile it. A
// mistake in the description (shapes that do not fit, a name used twice) is kept and returned
// by Compile.
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
	op    operator
	id    int // position in evaluation order
	names []string
	in    []*Node
	shape Shape
	users int
	// positive says that no element can be below zero.
	positive bool
}

// Shape is the node's output shape for one image.
func (n *Node) Shape() Shape { return n.shape }

// NewGraph starts a network for images of the given shape.
func NewGraph(input Shape) *Graph {
	g := &Graph{input: input, names: map[string]*Node{}}
	g.append("input", &image{size: input})
	return g
}

// Input is the image itself.
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
	g.nodes[0].op.(*image).mapped = true
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

// append adds an operator that reads xs.
func (g *Graph) append(name string, o operator, xs ...*Node) *Node {
	n := &Node{op: o, in: slices.Clone(xs)}
	shapes := make([]Shape, len(xs))
	for i, x := range n.in {
		n.in[i] = g.operand(name, x)
		n.in[i].users++
		shapes[i] = n.in[i].shape
	}
	var err error
	if n.shape, err = o.shape(shapes); err == nil && !n.shape.fits() {
		err = fmt.Errorf("a value of shape %v: want sides of at least 1, and at most %d elements", n.shape, maxElements)
	}
	if err != nil {
		g.fail("%s: %w", name, err)
		n.shape = Shape{1, 1, 1}
	} else {
		n.positive = o.nonNegative(n)
	}
	n.id = len(g.nodes)
	g.nodes = append(g.nodes, n)
	g.Alias(n, name)
	return n
}

// maxElements bounds what a value holds for one image.
const maxElements = 1 << 28

// fits says that a value of the shape can exist.
func (s Shape) fits() bool {
	if s.C < 1 || s.H < 1 || s.W < 1 {
		return false
	}
	n, ok := volume(blocks(s.C)*block, s.H, s.W)
	return ok && n <= maxElements
}

// beyondReason is 2^40, or what an int holds.
const beyondReason = math.MaxInt & (1<<40 - 1)

// volume is the product of counts, and false where one is negative or it is beyond all reason.
func volume(dims ...int) (int, bool) {
	n := 1
	for _, d := range dims {
		if d < 0 || d > 0 && n > beyondReason/d {
			return 0, false
		}
		n *= d
	}
	return n, true
}

// operand is a node of this graph. Where it is none, a node that stands in for it is returned,
// and Compile says so.
func (g *Graph) operand(name string, n *Node) *Node {
	switch {
	case g.names == nil:
		g.fail("%s: %w", name, errNoGraph)
		g.names = map[string]*Node{}
		g.nodes = []*Node{{op: &image{}, shape: Shape{1, 1, 1}}}
	case n == nil:
		g.fail("%s: an operand is nil", name)
	case n.id < len(g.nodes) && g.nodes[n.id] == n:
		return n
	default:
		g.fail("%s: an operand is a node of another graph", name)
	}
	return g.nodes[0]
}

var errNoGraph = errors.New("a graph that NewGraph has not made")

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
		if im, ok := n.op.(*image); ok {
			own := *im
			m.op = &own
		}
		c.nodes[i] = &m
	}
	for name, n := range g.names {
		c.names[name] = c.nodes[n.id]
	}
	return &c
}

// Err is the first mistake in the description so far; Compile returns it.
func (g *Graph) Err() error { return g.err }

func (g *Graph) fail(format string, args ...any) {
	if g.err == nil {
		g.err = fmt.Errorf("nn: "+format, args...)
	}
}
