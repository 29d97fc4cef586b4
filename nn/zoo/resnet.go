package zoo

import (
	"fmt"

	"cwox/nn"
	"cwox/nn/vision"
)

// resnet is torchvision's ResNet (He et al., 2016; stride on the 3x3 convolution of a
// bottleneck, "v1.5") with the given numbers of blocks. width is that of the first
// convolution and of the first stage's blocks: 64 in all of torchvision's.
func resnet(name string, block blockFunc, width int, blocks ...int) *Arch {
	last := func(stage int) int { return blocks[stage-1] - 1 }
	a := &Arch{
		Name:         name,
		Transform:    vision.Paper,
		ClusterLayer: "layer4",
		ClassLayer:   "layer3",
		head:         "fc",
	}
	a.MWPClusterLayer, a.MWPClassLayer = "layer4", "layer4.0"
	a.build = func(b *builder) {
		x := b.ReLU("relu", b.norm("bn1", b.conv("conv1", b.Input(), width, 7, 2, 3), 1e-5))
		x = b.MaxPool("maxpool", x, nn.Pool{Size: 3, Stride: 2, Pad: 1})
		for stage := 1; stage <= 4; stage++ {
			for i := range blocks[stage-1] {
				stride := 1
				if stage > 1 && i == 0 {
					stride = 2
				}
				x = block(b, fmt.Sprintf("layer%d.%d", stage, i), x, width<<(stage-1), stride)
			}
			b.Alias(x, fmt.Sprintf("layer%d", stage))
			b.Alias(x, fmt.Sprintf("layer%d.%d.relu", stage, last(stage)))
		}
		b.head("avgpool", "fc", x)
	}
	return a
}

// blockFunc appends a residual block of the given width.
type blockFunc func(b *builder, name string, x *nn.Node, width, stride int) *nn.Node

func basic(b *builder, name string, x *nn.Node, width, stride int) *nn.Node {
	shortcut := b.shortcut(name, x, width, stride)
	y := b.ReLU(name+".relu1", b.norm(name+".bn1", b.conv(name+".conv1", x, width, 3, stride, 1), 1e-5))
	y = b.norm(name+".bn2", b.conv(name+".conv2", y, width, 3, 1, 1), 1e-5)
	return b.ReLU(name, b.Add(name+".sum", y, shortcut))
}

func bottleneck(b *builder, name string, x *nn.Node, width, stride int) *nn.Node {
	shortcut := b.shortcut(name, x, 4*width, stride)
	y := b.ReLU(name+".relu1", b.norm(name+".bn1", b.conv(name+".conv1", x, width, 1, 1, 0), 1e-5))
	y = b.ReLU(name+".relu2", b.norm(name+".bn2", b.conv(name+".conv2", y, width, 3, stride, 1), 1e-5))
	y = b.norm(name+".bn3", b.conv(name+".conv3", y, 4*width, 1, 1, 0), 1e-5)
	return b.ReLU(name, b.Add(name+".sum", y, shortcut))
}

// shortcut is the identity, or a strided 1x1 convolution where the shape changes.
func (b *builder) shortcut(name string, x *nn.Node, out, stride int) *nn.Node {
	if stride == 1 && x.Shape().C == out {
		return x
	}
	y := b.norm(name+".downsample.1", b.conv(name+".downsample.0", x, out, 1, stride, 0), 1e-5)
	b.Alias(y, name+".downsample")
	return y
}
