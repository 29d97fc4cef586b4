package zoo

import (
	"cwox/nn"
	"cwox/nn/vision"
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

// googlenet is torchvision's GoogLeNet: batch normalisation (eps 1e-3), 3x3 where the paper
// has 5x5, its input map, and no auxiliary heads.
func googlenet() *Arch {
	a := &Arch{
		Name:         "googlenet",
		Transform:    vision.Paper,
		ClusterLayer: "inception5b", ClassLayer: "inception4e",
		MWPClusterLayer: "inception5b", MWPClassLayer: "inception5a",
		head: "fc", ignored: []string{"aux1.", "aux2."},
	}
	unit := func(b *builder, name string, x *nn.Node, out, k, stride, pad int) *nn.Node {
		y := b.norm(name+".bn", b.conv(name+".conv", x, out, k, stride, pad), 1e-3)
		return b.ReLU(name, y)
	}
	a.build = func(b *builder) {
		var scale, shift []float32
		for c, mean := range []float64{0.485, 0.456, 0.406} {
			std := []float64{0.229, 0.224, 0.225}[c]
			scale = append(scale, float32(std/0.5))
			shift = append(shift, float32((mean-0.5)/0.5))
		}
		b.InputAffine(scale, shift)
		x := unit(b, "conv1", b.Input(), 64, 7, 2, 3)
		x = b.MaxPool("maxpool1", x, nn.Pool{Size: 3, Stride: 2, Ceil: true})
		x = unit(b, "conv2", x, 64, 1, 1, 0)
		x = unit(b, "conv3", x, 192, 3, 1, 1)
		x = b.MaxPool("maxpool2", x, nn.Pool{Size: 3, Stride: 2, Ceil: true})
		for _, w := range inceptions {
			n := "inception" + w.name
			b1 := unit(b, n+".branch1", x, w.b1, 1, 1, 0)
			b2 := unit(b, n+".branch2.0", x, w.b2red, 1, 1, 0)
			b2 = unit(b, n+".branch2.1", b2, w.b2, 3, 1, 1)
			b3 := unit(b, n+".branch3.0", x, w.b3red, 1, 1, 0)
			b3 = unit(b, n+".branch3.1", b3, w.b3, 3, 1, 1)
			b4 := b.MaxPool(n+".branch4.0", x, nn.Pool{Size: 3, Stride: 1, Pad: 1, Ceil: true})
			b4 = unit(b, n+".branch4.1", b4, w.b4, 1, 1, 0)
			b.Alias(b2, n+".branch2")
			b.Alias(b3, n+".branch3")
			b.Alias(b4, n+".branch4")
			x = b.Concat(n, b1, b2, b3, b4)
			switch w.name {
			case "3b":
				x = b.MaxPool("maxpool3", x, nn.Pool{Size: 3, Stride: 2, Ceil: true})
			case "4e":
				x = b.MaxPool("maxpool4", x, nn.Pool{Size: 2, Stride: 2, Ceil: true})
			}
		}
		b.head("avgpool", "fc", x)
	}
	return a
}

// googlenetCaffe is BVLC's GoogLeNet: biases, local response normalisation, real 5x5
// branches, BGR input with the mean subtracted.
func googlenetCaffe() *Arch {
	a := &Arch{
		Name:         "googlenet-caffe",
		Transform:    vision.BVLC,
		ClusterLayer: "inception_5b", ClassLayer: "inception_4e",
		MWPClusterLayer: "inception_5b", MWPClassLayer: "inception_5a",
		head: "loss3_classifier",
	}
	// unit is a convolution with bias and ReLU; layer is its name as a layer.
	unit := func(b *builder, param, layer string, x *nn.Node, out, k, stride, pad int) *nn.Node {
		y := b.Conv(layer, x, nn.Conv{
			Weight: b.get(param+".weight", out, x.Shape().C, k, k), Bias: b.get(param+".bias", out),
			Out: out, KH: k, KW: k, Stride: stride, Pad: pad,
		})
		return b.ReLU(layer+".relu", y)
	}
	a.build = func(b *builder) {
		lrn := nn.LRN{Size: 5, Alpha: 1e-4, Beta: 0.75, K: 1}
		x := unit(b, "conv1_7x7_s2", "conv1_7x7_s2", b.Input(), 64, 7, 2, 3)
		x = b.MaxPool("pool1", x, nn.Pool{Size: 3, Stride: 2, Ceil: true})
		x = b.LRN("norm1", x, lrn)
		x = unit(b, "conv2_3x3_reduce", "conv2_3x3_reduce", x, 64, 1, 1, 0)
		x = unit(b, "conv2_3x3", "conv2_3x3", x, 192, 3, 1, 1)
		x = b.LRN("norm2", x, lrn)
		x = b.MaxPool("pool2", x, nn.Pool{Size: 3, Stride: 2, Ceil: true})
		for _, w := range inceptions {
			n := "inception_" + w.name
			b1 := unit(b, n+"_1x1", n+".1x1", x, w.b1, 1, 1, 0)
			b2 := unit(b, n+"_3x3_reduce", n+".3x3_reduce", x, w.b2red, 1, 1, 0)
			b2 = unit(b, n+"_3x3", n+".3x3", b2, w.b2, 3, 1, 1)
			b3 := unit(b, n+"_5x5_reduce", n+".5x5_reduce", x, w.b3red, 1, 1, 0)
			b3 = unit(b, n+"_5x5", n+".5x5", b3, w.b3, 5, 1, 2)
			b4 := b.MaxPool(n+".pool", x, nn.Pool{Size: 3, Stride: 1, Pad: 1, Ceil: true})
			b4 = unit(b, n+"_pool_proj", n+".pool_proj", b4, w.b4, 1, 1, 0)
			x = b.Concat(n, b1, b2, b3, b4)
			switch w.name {
			case "3b":
				x = b.MaxPool("pool3", x, nn.Pool{Size: 3, Stride: 2, Ceil: true})
			case "4e":
				x = b.MaxPool("pool4", x, nn.Pool{Size: 3, Stride: 2, Ceil: true})
			}
		}
		b.head("pool5", "loss3_classifier", x)
	}
	return a
}
