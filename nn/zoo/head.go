package zoo

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cwox/nn"
)

// head is what makes logits of the last map: a pooling and a chain of layers. Its last linear
// layer is called as the family calls it ("fc"), the layers before it "head.0", "head.1", ...,
// so do their parameters.
type head struct {
	pool pooling
	side int // of the map that is taken flat
	// adaptive says that a larger map is averaged to that side, as torchvision's VGG does.
	adaptive bool
	// late says that the single layer is a convolution, and the mean of its ReLU the logits, as in
	// SqueezeNet.
	late   bool
	layers []headLayer // nil: a single linear layer with bias
	last   string      // name of the last linear layer
}

// pooling is how a head takes the last map.
type pooling string

// The poolings.
const (
	meanPool   pooling = ""        // the mean
	maxPool    pooling = "max"     // the largest value
	concatPool pooling = "max+avg" // both, one after the other: fastai
	catPool    pooling = "avg+max" // timm's catavgmax
	flat       pooling = "flat"    // the map itself, of a stated size
)

// headLayer is a layer of a head.
type headLayer struct {
	kind    string // "Linear", "BatchNorm1d", "ReLU" or "Hardswish"
	name    string // of the layer in the network built
	path    string // of the layer in the file, without ".weight"; "" of a ReLU
	in, out int    // out is 0 where it is the number of classes
	bias    bool
	plain   bool // a normalisation without weight and bias
	eps     float64
	note    string // what was undone: "weight norm"
}

// build appends the head, and names its output "logits".
func (h *head) build(b *builder, x *nn.Node, classes int) {
	if b.err != nil {
		return
	}
	layers := h.layers
	if layers == nil {
		layers = []headLayer{{kind: "Linear", name: h.last, in: x.Shape().C, out: classes, bias: true}}
	}
	if !h.late {
		x = h.take(b, x)
	}
	for i := 0; i < len(layers) && b.err == nil; i++ {
		l := layers[i]
		if l.out == 0 {
			l.out = classes
		}
		switch l.kind {
		case "Linear":
			var bias []float32
			if l.bias {
				bias = b.get(l.name+".bias", l.out)
			}
			side := 1
			if i == 0 && h.pool == flat {
				side = h.side
			}
			w := b.get(l.name+".weight", l.out, l.in)
			if i == len(layers)-2 && layers[i+1].kind == "BatchNorm1d" {
				w, bias = h.fold(b, w, bias, &layers[i+1])
				i++
			}
			if b.err != nil {
				return
			}
			out := l.out
			if l.name == h.last && out == 1 && !h.late {
				w, bias = TwoClasses(w, bias)
				out = 2
			}
			x = b.Conv(l.name, x, nn.Conv{Weight: w, Bias: bias, Out: out, Window: nn.Square(side, 1, 0)})
			if h.late {
				x = b.MeanPool("avgpool", b.ReLU(l.name+".relu", x))
			}
			if h.late && out == 1 {
				w, _ := TwoClasses([]float32{1}, nil)
				x = b.Conv(l.name+".both", x, nn.Conv{Weight: w, Out: 2, Window: nn.Square(1, 1, 0)})
			}
		case "BatchNorm1d":
			x = b.norm(l.name, x, l.eps, l.plain)
		case "ReLU":
			x = b.ReLU(l.name, x)
		case "Hardswish":
			x = b.Activation(l.name, x, actHardSwish)
		}
	}
	b.Alias(x, "logits")
}

// take pools the last map, or leaves it as it is for a layer that takes it flat.
func (h *head) take(b *builder, x *nn.Node) *nn.Node {
	name := "avgpool"
	if h.last == caffeHead {
		name = "pool5"
	}
	switch h.pool {
	case maxPool:
		return b.GlobalMaxPool(name, x)
	case concatPool:
		return b.Concat(name, b.GlobalMaxPool(name+".max", x), b.MeanPool(name+".mean", x))
	case catPool:
		return b.Concat(name, b.MeanPool(name+".mean", x), b.GlobalMaxPool(name+".max", x))
	case flat:
		s := x.Shape()
		switch high, wide := s.H/h.side, s.W/h.side; {
		case s.H == h.side && s.W == h.side:
			return x
		case h.adaptive && high > 0 && wide > 0 && s.H%h.side == 0 && s.W%h.side == 0:
			return b.AvgPool(name, x, nn.Pool{Window: nn.Window{KH: high, KW: wide, StrideH: high, StrideW: wide}})
		case h.adaptive:
			b.fail("zoo: the head takes a map of %dx%d or averages of a multiple of it; the last map is %dx%d here: choose an input size of which it is one (224x224, 448x448)", h.side, h.side, s.H, s.W)
		default:
			b.fail("zoo: the head's first layer takes %d channels of a %dx%d map without pooling; the last map is %dx%d here: choose the input size of the training", s.C, h.side, h.side, s.H, s.W)
		}
		return x
	}
	return b.MeanPool(name, x)
}

// fold takes a normalisation that ends the head into the linear layer before it.
func (h *head) fold(b *builder, w, bias []float32, n *headLayer) ([]float32, []float32) {
	mean, variance := b.get(n.name+".running_mean", n.out), b.get(n.name+".running_var", n.out)
	gamma, beta := slices.Repeat([]float32{1}, n.out), make([]float32, n.out)
	if !n.plain {
		gamma, beta = b.get(n.name+".weight", n.out), b.get(n.name+".bias", n.out)
	}
	if b.err != nil {
		return nil, nil
	}
	in := len(w) / n.out
	folded, shift := make([]float32, len(w)), make([]float32, n.out)
	for o := range n.out {
		scale := float64(gamma[o]) / math.Sqrt(float64(variance[o])+n.eps)
		for i := range in {
			folded[o*in+i] = float32(scale * float64(w[o*in+i]))
		}
		at := -float64(mean[o])
		if bias != nil {
			at += float64(bias[o])
		}
		shift[o] = float32(float64(scale*at) + float64(beta[o]))
	}
	return folded, shift
}

// String says the layers as a file has them: "fc.0: Linear, ReLU, fc.3: Linear".
func (h *head) String() string {
	var parts []string
	switch h.pool {
	case maxPool:
		parts = append(parts, "max pool")
	case concatPool:
		parts = append(parts, "concat(max pool, average pool)")
	case catPool:
		parts = append(parts, "concat(average pool, max pool)")
	case flat:
		parts = append(parts, fmt.Sprintf("the %dx%d map", h.side, h.side))
	}
	if h.late {
		return h.layers[0].path + ": Conv2d, ReLU, average pool"
	}
	for _, l := range h.layers {
		s := l.kind
		if l.path != "" {
			s = l.path + ": " + s
		}
		if l.kind == "Linear" && !l.bias {
			s += " without bias"
		}
		if l.note != "" {
			s += ", " + l.note
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, ", ")
}
