package zoo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// spelling is a way to name the blocks of a ResNet. The layers here are called as torchvision
// calls them; a spelling says how a file does. A row stands for all its combinations.
type spelling struct {
	name string
	// stages are a block's name by stage and block, first the numbers that the first stage may
	// have: the stages begin where there is none before.
	stages []string
	first  []int
	// layers number the convolutions of a block and their normalisations.
	layers []layerNames
}

// layerNames are the names of a convolution and its normalisation.
type layerNames struct{ conv, norm numbered }

// numbered is a name with a number: step*k + offset for the k-th layer, from 1.
type numbered struct {
	format       string
	step, offset int
}

func (n numbered) of(k int) string { return fmt.Sprintf(n.format, n.step*k+n.offset) }

// inSequence numbers convolution, normalisation and activation in a Sequential.
func inSequence(name string) layerNames {
	return layerNames{numbered{name + ".%d", 3, -3}, numbered{name + ".%d", 3, -2}}
}

// eachNamed numbers the layers themselves.
func eachNamed(conv, norm string) layerNames {
	return layerNames{numbered{conv, 1, 0}, numbered{norm, 1, 0}}
}

// spellings is all there are.
var spellings = []spelling{
	{"torchvision", // timm, and most repositories
		[]string{"layer%d.%d", "layers.%d.%d", "layer_%d.%d", "stage%d.%d", "stages.%d.%d", "stage_%d.%d", "block%d.%d", "blocks.%d.%d", "group%d.%d", "conv%d_x.%d", "conv%d.%d", "res%d.%d"}, []int{0, 1, 2},
		[]layerNames{
			eachNamed("conv%d", "bn%d"), eachNamed("conv%d", "norm%d"), eachNamed("conv%d", "batch_norm%d"), eachNamed("conv%d.conv", "conv%d.bn"), eachNamed("conv%d.0", "conv%d.1"),
			inSequence("residual_function"), inSequence("residual"), inSequence("left"), inSequence("block"), inSequence("conv"), inSequence("layers"), inSequence("layer"), inSequence("main"), inSequence("body"),
		}},
	{"Sequential", // list(resnet.children()), fastai
		[]string{"%d.%d"}, []int{4, 3, 2}, []layerNames{eachNamed("conv%d", "bn%d")}},
	{"Hugging Face",
		[]string{"encoder.stages.%d.layers.%d"}, []int{0},
		[]layerNames{{numbered{"layer.%d.convolution", 1, -1}, numbered{"layer.%d.normalization", 1, -1}}}},
}

// stems are the names of the first convolution and its normalisation, the usual ones first; of
// a deep stem the Sequential of its convolutions, and what follows that.
var stems = [][2]string{
	{"conv1", "bn1"}, {"embedder.embedder.convolution", "embedder.embedder.normalization"}, {"layer0.conv1", "layer0.bn1"}, {"stem.conv1", "stem.bn1"}, {"conv1.conv", "conv1.bn"},
	{"0", "1"}, {"layer0.0", "layer0.1"}, {"stem.0", "stem.1"}, {"conv1.0", "conv1.1"}, {"stem.conv", "stem.bn"}, {"conv", "bn"}, {"conv_stem", "bn1"}, {"conv0", "bn0"}, {"pre.0", "pre.1"},
}

// shortcuts are the ends of the names of a shortcut's convolution and its normalisation, by
// what stands before them: "downsample.0" and "downsample.1". Behind an average pooling in a
// Sequential (ResNet-D) they begin at .1.
var shortcuts = []struct {
	conv, norm string
	averaged   bool
}{
	{".0", ".1", false}, {".1", ".2", true}, {".conv", ".bn", false}, {".conv", ".norm", false}, {".convolution", ".normalization", false}, {"_conv", "_bn", false}, {"_conv", "_norm", false},
}

// trunk is a place where a file holds the body of a ResNet.
type trunk struct {
	prefix     string // of the names of its tensors
	spelling   string // name of the row
	stage      string
	first      int // number of the first stage
	conv, norm numbered
}

// block is the name of a block in the file, without the prefix; stage counts from 1, block
// from 0.
func (t *trunk) block(stage, block int) string {
	return fmt.Sprintf(t.stage, t.first+stage-1, block)
}

// maxNetworks bounds the networks looked for in a file.
const maxNetworks = 32

// trunks finds the bodies of ResNets by their first block, in the order of the table.
func (t *tensors) trunks() []trunk {
	var convs []string // names of convolutions that may be the first of a first block
	for _, name := range t.order {
		if strings.HasSuffix(name, ".weight") && len(t.shape(name)) == 4 && strings.Contains(name, "0.") {
			convs = append(convs, name)
		}
	}
	var out []trunk
	for _, s := range spellings {
		for _, stage := range s.stages {
			for _, layers := range s.layers {
				for _, first := range s.first {
					anchor := func(n int) string { return fmt.Sprintf(stage, n, 0) + "." + layers.conv.of(1) + ".weight" }
					at := anchor(first)
					for _, name := range convs {
						prefix, ok := strings.CutSuffix(name, at)
						if !ok || prefix != "" && !strings.HasSuffix(prefix, ".") || t.shape(prefix+anchor(first-1)) != nil {
							continue
						}
						if len(out) == maxNetworks {
							return out
						}
						if !slices.ContainsFunc(out, func(o trunk) bool { return o.prefix == prefix }) {
							out = append(out, trunk{prefix, s.name, stage, first, layers.conv, layers.norm})
						}
					}
				}
			}
		}
	}
	return out
}

// natural compares names with numbers by value: "fc.9" before "fc.10".
func natural(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(as), len(bs)) {
		x, errX := strconv.Atoi(as[i])
		y, errY := strconv.Atoi(bs[i])
		switch {
		case errX == nil && errY == nil && x != y:
			return x - y
		case as[i] != bs[i]:
			return strings.Compare(as[i], bs[i])
		}
	}
	return len(as) - len(bs)
}
