package zoo

import (
	"fmt"
	"slices"

	"cwox/nn"
)

// Networks whose layers are numbered in one Sequential, "features.0", "features.1", ...: VGG
// (Simonyan and Zisserman, 2015), AlexNet (Krizhevsky, 2014) and SqueezeNet (Iandola et al.,
// 2016). Poolings and ReLUs have no tensors, but their numbers are left out.

// plainLayer is a layer of VGG or AlexNet: a convolution, a normalisation if norm is set, a ReLU,
// and a max-pooling if pool is set.
type plainLayer struct {
	out, kernel int
	norm, pool  bool
}

// newVGG is the network of such layers; AlexNet, if the first convolution is as large as its.
func newVGG(in int, layers []plainLayer) *net {
	n := &net{}
	size, alex := 2, layers[0].kernel == alexKernel
	if alex {
		size = 3
	}
	at := 0
	name := func() string { at++; return fmt.Sprintf("features.%d", at-1) }
	for i, l := range layers {
		c := conv{name: name(), in: in, out: l.out, kernel: l.kernel, groups: 1, stride: 1, pad: l.kernel / 2, bias: true, eps: 1e-5}
		if alex && i == 0 {
			c.stride, c.pad = 4, 2
		}
		if l.norm {
			c.norm = name()
		}
		n.units = append(n.units, &layer{titled{name()}, c, actReLU})
		if l.pool {
			n.units = append(n.units, &pool{titled: titled{name()}, Pool: nn.Pool{Window: nn.Square(size, 2, 0)}})
		}
		in = l.out
	}
	n.out = in
	return n
}

// alexKernel is the side of AlexNet's first convolution, whose stride is 4.
const alexKernel = 11

// knownVGGs are torchvision's, by the convolutions between poolings.
var knownVGGs = map[string][]int{"vgg11": {1, 1, 2, 2, 2}, "vgg13": {2, 2, 2, 2, 2}, "vgg16": {2, 2, 3, 3, 3}, "vgg19": {2, 2, 4, 4, 4}}

// vggLayers are those of a published VGG.
func vggLayers(depth []int, norm bool) []plainLayer {
	var out []plainLayer
	for stage, n := range depth {
		for i := range n {
			out = append(out, plainLayer{min(64<<stage, 512), 3, norm, i == n-1})
		}
	}
	return out
}

// alexLayers are AlexNet's.
var alexLayers = []plainLayer{{64, alexKernel, false, true}, {192, 5, false, true}, {384, 3, false, false}, {256, 3, false, false}, {256, 3, false, true}}

// measureVGG reads a VGG or an AlexNet: where a number is left out behind a ReLU a pooling
// stands, and one stands at the end.
func (m *matcher) measureVGG(at *place) (*net, error) {
	root := at.root
	conv := func(i int) []int {
		if s := m.shape(fmt.Sprintf("%s%d.weight", root, i)); len(s) == 4 {
			return s
		}
		return nil
	}
	var layers []plainLayer
	for i := 0; conv(i) != nil && len(layers) < maxHeadLayers; {
		l := plainLayer{out: conv(i)[0], kernel: conv(i)[2]}
		name := fmt.Sprintf("%s%d.weight", root, i)
		i += 2
		if m.isNorm(fmt.Sprintf("%s%d", root, i-1)) {
			l.norm = true
			i++
		}
		if conv(i) == nil {
			l.pool = true
			i++
		}
		layers = append(layers, l)
		if k := l.kernel; k != 3 && !(layers[0].kernel == alexKernel && (len(layers) == 1 || k == 5)) {
			return nil, m.errorf("%q: a convolution of %dx%d: VGG's are all 3x3, AlexNet begins with 11x11; what else a Sequential is made of its tensors do not tell (export it to ONNX)", name, k, k)
		}
	}
	return newVGG(m.shape(root + "0.weight")[1], layers), nil
}

// fireWidths are those of a SqueezeNet's layers: of the squeeze, and of the two that are joined.
// The zero value stands for a max-pooling.
type fireWidths struct{ squeeze, single, triple int }

// newSqueezeNet is the network of a first convolution, a max-pooling and such layers.
func newSqueezeNet(in, stem, kernel int, fires []fireWidths) *net {
	one := func(name string, in, out, kernel int) layer {
		return layer{titled{name + "_activation"}, conv{name: name, in: in, out: out, kernel: kernel, groups: 1, stride: 1, pad: kernel / 2, bias: true}, actReLU}
	}
	first := one("features.0", in, stem, kernel)
	first.called, first.stride, first.pad = "features.1", 2, 0
	n := &net{units: []unit{&first}, out: stem}
	for i, f := range fires {
		name := fmt.Sprintf("features.%d", i+2)
		if f == (fireWidths{}) {
			n.units = append(n.units, &pool{titled: titled{name}, Pool: nn.Pool{Window: nn.Square(3, 2, 0), Ceil: true}})
			continue
		}
		n.units = append(n.units, &fire{titled{name}, one(name+".squeeze", n.out, f.squeeze, 1), one(name+".expand1x1", f.squeeze, f.single, 1), one(name+".expand3x3", f.squeeze, f.triple, 3)})
		n.out = f.single + f.triple
	}
	return n
}

// knownSqueezeNets are torchvision's: the first convolution, and which of the layers behind it
// are poolings.
var knownSqueezeNets = []struct {
	name         string
	stem, kernel int
	pools        []int
}{
	{"squeezenet1_0", 96, 7, []int{0, 4, 9}},
	{"squeezenet1_1", 64, 3, []int{0, 3, 6}},
}

// squeezeWidths are the published widths with poolings between them.
func squeezeWidths(pools []int) []fireWidths {
	var out []fireWidths
	for _, w := range []int{16, 16, 32, 32, 48, 48, 64, 64} {
		if slices.Contains(pools, len(out)) {
			out = append(out, fireWidths{})
		}
		out = append(out, fireWidths{w, 4 * w, 4 * w})
	}
	return out
}

// measureSqueezeNet reads a SqueezeNet: a number that is left out is a pooling.
func (m *matcher) measureSqueezeNet(at *place) (*net, error) {
	root := at.root
	dim := func(i int, name string) []int {
		return m.shape(fmt.Sprintf("%s%d.%s.weight", root, i, name))
	}
	stem := m.shape(root + "0.weight")
	if len(stem) != 4 {
		return nil, m.errorf("%q: missing, or not a convolution", root+"0.weight")
	}
	var fires []fireWidths
	for i := 2; len(fires) < maxHeadLayers; i++ {
		s, a, b := dim(i, "squeeze"), dim(i, "expand1x1"), dim(i, "expand3x3")
		switch {
		case len(s) == 4 && len(a) == 4 && len(b) == 4:
			fires = append(fires, fireWidths{s[0], a[0], b[0]})
		case s == nil && dim(i+1, "squeeze") != nil:
			fires = append(fires, fireWidths{})
		default:
			return newSqueezeNet(stem[1], stem[0], stem[2], fires), nil
		}
	}
	return nil, m.errorf("%q: more than %d layers", root+"*", maxHeadLayers)
}
