package zoo

import (
	"fmt"
	"slices"
	"strings"

	"cwox/nn"
)

// net is a body put together from units, each of which takes the map that the one before gives.
// Its layers and parameters are called as in torchvision.
type net struct {
	units []unit
	out   int // channels of the last map
}

// unit is a part of a net.
type unit interface {
	build(b *builder, x *nn.Node) *nn.Node
	// title is the name of its output, and shrinks says that it makes the map smaller.
	title() string
	shrinks() bool
	// parts are the units inside, in order.
	parts() []unit
}

// titled is what most units have.
type titled struct{ called string }

func (u *titled) title() string { return u.called }
func (u *titled) shrinks() bool { return false }
func (u *titled) parts() []unit { return nil }

// layer is a convolution, its normalisation and an activation, after which it is called.
type layer struct {
	titled
	conv
	act nn.Activation
}

// The activations of the families; none leaves a map as it is.
var (
	actReLU        = nn.Activation{Function: nn.ReLU}
	actReLU6       = nn.Activation{Function: nn.Clip, B: 6}
	actSiLU        = nn.Activation{Function: nn.SiLU}
	actHardSwish   = nn.Activation{Function: nn.HardSwish}
	actSigmoid     = nn.Activation{Function: nn.Sigmoid}
	actHardSigmoid = nn.Activation{Function: nn.HardSigmoid, A: 1. / 6, B: 0.5}
	none           = nn.Activation{Function: -1}
)

func (l *layer) shrinks() bool { return l.stride > 1 }

func (l *layer) build(b *builder, x *nn.Node) *nn.Node {
	x = b.conv(&l.conv, x)
	if l.act.Function == none.Function {
		return x
	}
	return b.Activation(l.called, x, l.act)
}

// prior is a normalisation that comes before a convolution, and its ReLU.
type prior struct {
	titled
	norm     string
	channels int
	plain    bool // without weight and bias
	eps      float64
}

func (p *prior) build(b *builder, x *nn.Node) *nn.Node {
	return b.ReLU(p.called, b.norm(p.norm, x, p.eps, p.plain))
}

// pool is a pooling: of averages, or of largest values.
type pool struct {
	titled
	nn.Pool
	average bool
}

func (p *pool) shrinks() bool { return p.StrideW > 1 }

func (p *pool) build(b *builder, x *nn.Node) *nn.Node {
	if p.average {
		return b.AvgPool(p.called, x, p.Pool)
	}
	return b.MaxPool(p.called, x, p.Pool)
}

// gate is a squeeze-and-excitation (Hu et al., 2018): the map times a number for each channel,
// which two layers make of the means.
type gate struct {
	titled
	squeeze, excite conv
	act, sigmoid    nn.Activation // behind each
}

func (g *gate) build(b *builder, x *nn.Node) *nn.Node {
	s := b.MeanPool(g.called+".avgpool", x)
	s = b.Activation(g.called+".activation", b.conv(&g.squeeze, s), g.act)
	s = b.Activation(g.called+".scale_activation", b.conv(&g.excite, s), g.sigmoid)
	return b.Mul(g.called, x, s)
}

// group is units one after the other, of which the last has the group's name, too.
type group struct {
	titled
	units []unit
}

func (g *group) shrinks() bool { return slices.ContainsFunc(g.units, unit.shrinks) }
func (g *group) parts() []unit { return g.units }

func (g *group) build(b *builder, x *nn.Node) *nn.Node {
	x = inTurn(b, x, g.units)
	if b.err == nil {
		b.Alias(x, g.called)
	}
	return x
}

// residual is a block: a group, around which an identity leads where skip is set.
type residual struct {
	group
	skip bool
}

func (r *residual) build(b *builder, x *nn.Node) *nn.Node {
	if !r.skip {
		return r.group.build(b, x)
	}
	return b.Add(r.called, inTurn(b, x, r.units), x)
}

// dense is a group whose output goes behind its input.
type dense struct{ group }

func (d *dense) build(b *builder, x *nn.Node) *nn.Node {
	return b.Concat(d.called+".concat", x, d.group.build(b, x))
}

// fire joins two layers on the output of a third (SqueezeNet).
type fire struct {
	titled
	squeeze, single, triple layer
}

func (f *fire) parts() []unit { return []unit{&f.squeeze, &f.single, &f.triple} }

func (f *fire) build(b *builder, x *nn.Node) *nn.Node {
	x = f.squeeze.build(b, x)
	return b.Concat(f.called, f.single.build(b, x), f.triple.build(b, x))
}

// inTurn appends units one after the other.
func inTurn(b *builder, x *nn.Node, units []unit) *nn.Node {
	for _, u := range units {
		if b.err != nil {
			return x
		}
		x = u.build(b, x)
	}
	return x
}

func (n *net) build(b *builder) *nn.Node { return inTurn(b, b.Input(), n.units) }

// each ranges over units and those inside them, in order.
func each(units []unit, yield func(unit) bool) bool {
	for _, u := range units {
		if !yield(u) || !each(u.parts(), yield) {
			return false
		}
	}
	return true
}

// convs ranges over all convolutions, in the order of the network.
func (n *net) convs() func(yield func(*conv) bool) {
	return func(yield func(*conv) bool) {
		each(n.units, func(u unit) bool {
			switch u := u.(type) {
			case *layer:
				return yield(&u.conv)
			case *gate:
				return yield(&u.squeeze) && yield(&u.excite)
			}
			return true
		})
	}
}

// priors ranges over the normalisations that come before convolutions.
func (n *net) priors() func(yield func(*prior) bool) {
	return func(yield func(*prior) bool) {
		each(n.units, func(u unit) bool {
			p, ok := u.(*prior)
			return !ok || yield(p)
		})
	}
}

// pools are the poolings.
func (n *net) pools() (out []*pool) {
	each(n.units, func(u unit) bool {
		if p, ok := u.(*pool); ok {
			out = append(out, p)
		}
		return true
	})
	return out
}

// layers are the last map, and the last one before a map is made smaller. A stage counts by its
// blocks, and its last block by its own name.
func (n *net) layers() [4]string {
	var names []string
	var shrinks []bool
	for _, u := range n.units {
		blocks := []unit{u}
		if g, ok := u.(*group); ok {
			blocks = g.units
		}
		for _, b := range blocks {
			names, shrinks = append(names, b.title()), append(shrinks, b.shrinks())
		}
		names[len(names)-1] = u.title()
	}
	at := len(names) - 1
	for at > 1 && !shrinks[at] {
		at--
	}
	last, before := names[len(names)-1], names[max(at-1, 0)]
	return [4]string{last, before, last, before}
}

func (n *net) channels() (in, out int) {
	for c := range n.convs() {
		return c.in, n.out
	}
	return 0, n.out
}

// key tells nets of different shapes apart, the channels of the input and biases aside.
func (n *net) key() string {
	var s strings.Builder
	for c := range n.convs() {
		fmt.Fprintf(&s, "%s %d %d %d\n", c.name, c.out, c.kernel, c.groups)
	}
	return s.String()
}
