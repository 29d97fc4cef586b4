package zoo

import (
	"fmt"

	"cwox/nn"
)

// inception widths: 1x1; 3x3 reduce, 3x3; 5x5 reduce, 5x5; pool projection
// (Szegedy et al., 2015, table 1).
type inception struct {
	name                         string
	b1, b2red, b2, b3red, b3, b4 int
}

var inceptions = []inception{
	{"3a", 64, 96, 128, 16, 32, 32},
	{"3b", 128, 128, 192, 32, 96, 64},
	{"4a", 192, 96, 208, 16, 48, 64},
	{"4b", 160, 112, 224, 24, 64, 64},
	{"4c", 128, 128, 256, 24, 64, 64},
	{"4d", 112, 144, 288, 32, 64, 64},
	{"4e", 256, 160, 320, 32, 128, 128},
	{"5a", 256, 160, 320, 32, 128, 128},
	{"5b", 384, 192, 384, 48, 128, 128},
}

// googlenet is torchvision's GoogLeNet, of any widths: batch normalisation (eps 1e-3), 3x3
// where the paper has 5x5, its input map, and no auxiliary heads.
type googlenet struct {
	convs     map[string]*conv
	published bool // the widths are
	// transform is torchvision's transform_input: the input is normalised by ImageNet's mean
	// and deviation, the network was trained on 0.5 and 0.5.
	transform bool
}

// newGoogLeNet is the published network.
func newGoogLeNet() *googlenet {
	g := &googlenet{convs: map[string]*conv{}, transform: true, published: true}
	add := func(name string, in, out, kernel int) {
		stride := 1
		if name == "conv1" {
			stride = 2
		}
		g.convs[name] = &conv{name: name + ".conv", norm: name + ".bn", in: in, out: out, kernel: kernel, stride: stride, pad: kernel / 2, groups: 1, eps: 1e-3}
	}
	add("conv1", 3, 64, 7)
	add("conv2", 64, 64, 1)
	add("conv3", 64, 192, 3)
	in := 192
	for _, w := range inceptions {
		n := "inception" + w.name
		add(n+".branch1", in, w.b1, 1)
		add(n+".branch2.0", in, w.b2red, 1)
		add(n+".branch2.1", w.b2red, w.b2, 3)
		add(n+".branch3.0", in, w.b3red, 1)
		add(n+".branch3.1", w.b3red, w.b3, 3)
		add(n+".branch4.1", in, w.b4, 1)
		in = w.b1 + w.b2 + w.b3 + w.b4
	}
	return g
}

// build appends the network up to its last map.
func (g *googlenet) build(b *builder) *nn.Node {
	if g.transform {
		var scale, shift []float32
		for c, mean := range []float64{0.485, 0.456, 0.406} {
			std := []float64{0.229, 0.224, 0.225}[c]
			scale = append(scale, float32(std/0.5))
			shift = append(shift, float32((mean-0.5)/0.5))
		}
		b.InputAffine(scale, shift)
	}
	unit := func(name string, x *nn.Node) *nn.Node { return b.ReLU(name, b.conv(g.convs[name], x)) }
	x := unit("conv1", b.Input())
	x = b.MaxPool("maxpool1", x, nn.Pool{Window: nn.Square(3, 2, 0), Ceil: true})
	x = unit("conv2", x)
	x = unit("conv3", x)
	x = b.MaxPool("maxpool2", x, nn.Pool{Window: nn.Square(3, 2, 0), Ceil: true})
	for _, w := range inceptions {
		if b.err != nil {
			return x
		}
		n := "inception" + w.name
		b1 := unit(n+".branch1", x)
		b2 := unit(n+".branch2.1", unit(n+".branch2.0", x))
		b3 := unit(n+".branch3.1", unit(n+".branch3.0", x))
		b4 := b.MaxPool(n+".branch4.0", x, nn.Pool{Window: nn.Square(3, 1, 1), Ceil: true})
		b4 = unit(n+".branch4.1", b4)
		b.Alias(b2, n+".branch2")
		b.Alias(b3, n+".branch3")
		b.Alias(b4, n+".branch4")
		x = b.Concat(n, b1, b2, b3, b4)
		switch w.name {
		case "3b":
			x = b.MaxPool("maxpool3", x, nn.Pool{Window: nn.Square(3, 2, 0), Ceil: true})
		case "4e":
			x = b.MaxPool("maxpool4", x, nn.Pool{Window: nn.Square(2, 2, 0), Ceil: true})
		}
	}
	return x
}

func (g *googlenet) layers() [4]string {
	return [4]string{"inception5b", "inception4e", "inception5b", "inception5a"}
}

func (g *googlenet) channels() (in, out int) {
	for _, branch := range []string{"1", "2.1", "3.1", "4.1"} {
		out += g.convs["inception5b.branch"+branch].out
	}
	return g.convs["conv1"].in, out
}

func (g *googlenet) title(family string) string { return published(g, family, g.published) }

// published is a family's name, with the width where it is not the published one.
func published(b body, family string, is bool) string {
	if _, out := b.channels(); !is {
		return fmt.Sprintf("%s-w%d", family, out)
	}
	return family
}

// measureGoogLeNet reads torchvision's GoogLeNet off names and shapes.
func (m *matcher) measureGoogLeNet() (*googlenet, error) {
	g := newGoogLeNet()
	wide := true
	measure := func(name string, in int) (int, error) {
		want := g.convs[name]
		c, err := m.conv(want.name, m.prefix+want.name, want.norm, m.prefix+want.norm, in)
		if err == nil && (c.kernel != want.kernel || c.groups != 1) {
			err = m.errorf("%q: kernel %d and %d groups, GoogLeNet has %d and 1", m.prefix+want.name+".weight", c.kernel, c.groups, want.kernel)
		}
		if err != nil {
			return 0, err
		}
		c.stride, c.pad, c.eps = want.stride, want.pad, want.eps
		wide = wide && c.out == want.out
		*want = c
		return c.out, nil
	}
	in := 0
	for _, name := range []string{"conv1", "conv2", "conv3"} {
		out, err := measure(name, in)
		if err != nil {
			return nil, err
		}
		in = out
	}
	for _, w := range inceptions {
		sum := 0
		for _, branch := range [][]string{{"1"}, {"2.0", "2.1"}, {"3.0", "3.1"}, {"4.1"}} {
			at := in
			for _, name := range branch {
				out, err := measure("inception"+w.name+".branch"+name, at)
				if err != nil {
					return nil, err
				}
				at = out
			}
			sum += at
		}
		in = sum
	}
	g.published = wide
	return g, nil
}

// caffeHead is the name of the last layer of BVLC's GoogLeNet.
const caffeHead = "loss3_classifier"

// caffe is BVLC's GoogLeNet, of any widths: biases, local response normalisation, real 5x5
// branches, BGR input with the mean subtracted.
type caffe struct {
	convs     map[string]*conv // by parameter
	published bool             // the widths are
}

// newCaffe is the published network.
func newCaffe() *caffe {
	g := &caffe{convs: map[string]*conv{}, published: true}
	add := func(param, layer string, in, out, kernel int) {
		stride := 1
		if kernel == 7 {
			stride = 2
		}
		g.convs[param] = &conv{name: layer, in: in, out: out, kernel: kernel, stride: stride, pad: kernel / 2, groups: 1, bias: true}
	}
	add("conv1_7x7_s2", "conv1_7x7_s2", 3, 64, 7)
	add("conv2_3x3_reduce", "conv2_3x3_reduce", 64, 64, 1)
	add("conv2_3x3", "conv2_3x3", 64, 192, 3)
	in := 192
	for _, w := range inceptions {
		n := "inception_" + w.name
		add(n+"_1x1", n+".1x1", in, w.b1, 1)
		add(n+"_3x3_reduce", n+".3x3_reduce", in, w.b2red, 1)
		add(n+"_3x3", n+".3x3", w.b2red, w.b2, 3)
		add(n+"_5x5_reduce", n+".5x5_reduce", in, w.b3red, 1)
		add(n+"_5x5", n+".5x5", w.b3red, w.b3, 5)
		add(n+"_pool_proj", n+".pool_proj", in, w.b4, 1)
		in = w.b1 + w.b2 + w.b3 + w.b4
	}
	return g
}

// build appends the network up to its last map.
func (g *caffe) build(b *builder) *nn.Node {
	// unit is a convolution with bias and ReLU; its layers are called otherwise than its
	// parameters.
	unit := func(param string, x *nn.Node) *nn.Node {
		c := g.convs[param]
		w, bias := b.get(param+".weight", c.out, c.in, c.kernel, c.kernel), b.get(param+".bias", c.out)
		if b.err != nil {
			return x
		}
		x = b.Conv(c.name, x, nn.Conv{Weight: w, Bias: bias, Out: c.out, Window: nn.Square(c.kernel, c.stride, c.pad)})
		return b.ReLU(c.name+".relu", x)
	}
	lrn := nn.LRN{Size: 5, Alpha: 1e-4, Beta: 0.75, K: 1}
	x := unit("conv1_7x7_s2", b.Input())
	x = b.MaxPool("pool1", x, nn.Pool{Window: nn.Square(3, 2, 0), Ceil: true})
	x = b.LRN("norm1", x, lrn)
	x = unit("conv2_3x3_reduce", x)
	x = unit("conv2_3x3", x)
	x = b.LRN("norm2", x, lrn)
	x = b.MaxPool("pool2", x, nn.Pool{Window: nn.Square(3, 2, 0), Ceil: true})
	for _, w := range inceptions {
		if b.err != nil {
			return x
		}
		n := "inception_" + w.name
		b1 := unit(n+"_1x1", x)
		b2 := unit(n+"_3x3", unit(n+"_3x3_reduce", x))
		b3 := unit(n+"_5x5", unit(n+"_5x5_reduce", x))
		b4 := b.MaxPool(n+".pool", x, nn.Pool{Window: nn.Square(3, 1, 1), Ceil: true})
		b4 = unit(n+"_pool_proj", b4)
		x = b.Concat(n, b1, b2, b3, b4)
		switch w.name {
		case "3b":
			x = b.MaxPool("pool3", x, nn.Pool{Window: nn.Square(3, 2, 0), Ceil: true})
		case "4e":
			x = b.MaxPool("pool4", x, nn.Pool{Window: nn.Square(3, 2, 0), Ceil: true})
		}
	}
	return x
}

func (g *caffe) layers() [4]string {
	return [4]string{"inception_5b", "inception_4e", "inception_5b", "inception_5a"}
}

func (g *caffe) channels() (in, out int) {
	for _, branch := range []string{"1x1", "3x3", "5x5", "pool_proj"} {
		out += g.convs["inception_5b_"+branch].out
	}
	return g.convs["conv1_7x7_s2"].in, out
}

func (g *caffe) title(family string) string { return published(g, family, g.published) }

// measureCaffe reads BVLC's GoogLeNet off names and shapes.
func (m *matcher) measureCaffe() (*caffe, error) {
	g := newCaffe()
	wide := true
	measure := func(param string, in int) (int, error) {
		want := g.convs[param]
		c, err := m.conv(param, m.prefix+param, "", "", in)
		if err == nil && (c.kernel != want.kernel || !c.bias || c.groups != 1) {
			err = m.errorf("%q: kernel %d, %d groups, bias %v; Caffe's GoogLeNet has %d, 1 and true", m.prefix+param+".weight", c.kernel, c.groups, c.bias, want.kernel)
		}
		wide = wide && c.out == want.out
		want.in, want.out = c.in, c.out
		return c.out, err
	}
	in := 0
	for _, name := range []string{"conv1_7x7_s2", "conv2_3x3_reduce", "conv2_3x3"} {
		out, err := measure(name, in)
		if err != nil {
			return nil, err
		}
		in = out
	}
	for _, w := range inceptions {
		sum := 0
		for _, branch := range [][]string{{"1x1"}, {"3x3_reduce", "3x3"}, {"5x5_reduce", "5x5"}, {"pool_proj"}} {
			at := in
			for _, name := range branch {
				out, err := measure("inception_"+w.name+"_"+name, at)
				if err != nil {
					return nil, err
				}
				at = out
			}
			sum += at
		}
		in = sum
	}
	g.published = wide
	return g, nil
}
