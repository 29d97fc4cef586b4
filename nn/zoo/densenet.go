package zoo

import (
	"fmt"

	"cwox/nn"
)

// denseBlock is a block of a DenseNet (Huang et al., 2017) by the widths of the two convolutions
// of its layers, and of the transition after it, 0 for none.
type denseBlock struct {
	layers     [][2]int
	transition int
}

// newDenseNet is a DenseNet with so many channels behind its first convolution.
func newDenseNet(in, stem int, blocks []denseBlock) *net {
	conv := func(name string, in, out, kernel int) conv {
		return conv{name: "features." + name, in: in, out: out, kernel: kernel, groups: 1, stride: 1, pad: kernel / 2, eps: 1e-5}
	}
	before := func(at, norm, relu string, channels int) *prior {
		return &prior{titled: titled{"features." + at + relu}, norm: "features." + at + norm, channels: channels, eps: 1e-5}
	}
	first := &layer{titled{"features.relu0"}, conv("conv0", in, stem, 7), actReLU}
	first.stride, first.norm = 2, "features.norm0"
	n := &net{units: []unit{first, &pool{titled: titled{"features.pool0"}, Pool: nn.Pool{Window: nn.Square(3, 2, 1)}}}, out: stem}
	for i, b := range blocks {
		at := fmt.Sprintf("denseblock%d", i+1)
		g := &group{titled: titled{"features." + at}}
		for j, w := range b.layers {
			at := fmt.Sprintf("%s.denselayer%d.", at, j+1)
			inner, last := conv(at+"conv1", n.out, w[0], 1), conv(at+"conv2", w[0], w[1], 3)
			inner.norm = "features." + at + "norm2"
			g.units = append(g.units, &dense{group{titled{"features." + at[:len(at)-1]}, []unit{
				before(at, "norm1", "relu1", n.out),
				&layer{titled{"features." + at + "relu2"}, inner, actReLU},
				&layer{titled{last.name}, last, none},
			}}})
			n.out += w[1]
		}
		n.units = append(n.units, g)
		if b.transition > 0 {
			at := fmt.Sprintf("transition%d", i+1)
			c := conv(at+".conv", n.out, b.transition, 1)
			n.units = append(n.units, before(at, ".norm", ".relu", n.out), &layer{titled{c.name}, c, none},
				&pool{titled: titled{"features." + at + ".pool"}, Pool: nn.Pool{Window: nn.Square(2, 2, 0)}, average: true})
			n.out = b.transition
		}
	}
	last := before("", fmt.Sprintf("norm%d", len(blocks)+1), "relu", n.out)
	n.units = append(n.units, last)
	return n
}

// knownDenseNets are torchvision's: channels that each layer adds, those behind the first
// convolution, and layers of each block.
var knownDenseNets = []struct {
	name         string
	growth, stem int
	depth        []int
}{
	{"densenet121", 32, 64, []int{6, 12, 24, 16}},
	{"densenet169", 32, 64, []int{6, 12, 32, 32}},
	{"densenet201", 32, 64, []int{6, 12, 48, 32}},
	{"densenet161", 48, 96, []int{6, 12, 36, 24}},
}

// denseBlocks are those of a published DenseNet: bottlenecks of four times the growth, and
// transitions that halve the channels.
func denseBlocks(growth, stem int, depth []int) []denseBlock {
	var out []denseBlock
	for i, n := range depth {
		b := denseBlock{}
		for range n {
			b.layers = append(b.layers, [2]int{4 * growth, growth})
		}
		if stem += n * growth; i < len(depth)-1 {
			stem /= 2
			b.transition = stem
		}
		out = append(out, b)
	}
	return out
}

// measureDenseNet reads a DenseNet.
func (m *matcher) measureDenseNet(at *place) (*net, error) {
	out := func(format string, args ...any) int { // of a convolution, 0 where there is none
		if s := m.shape(at.path(fmt.Sprintf(format, args...)) + ".weight"); len(s) == 4 {
			return s[0]
		}
		return 0
	}
	var blocks []denseBlock
	for i := 1; out("denseblock%d.denselayer1.conv1", i) > 0; i++ {
		var b denseBlock
		for j := 1; out("denseblock%d.denselayer%d.conv1", i, j) > 0; j++ {
			b.layers = append(b.layers, [2]int{out("denseblock%d.denselayer%d.conv1", i, j), out("denseblock%d.denselayer%d.conv2", i, j)})
		}
		b.transition = out("transition%d.conv", i)
		blocks = append(blocks, b)
	}
	stem := m.shape(at.path("conv0") + ".weight")
	if len(stem) != 4 {
		return nil, m.errorf("%q: missing, or not a convolution: a DenseNet with a stem of its own?", at.path("conv0")+".weight")
	}
	return newDenseNet(stem[1], stem[0], blocks), nil
}
