package zoo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// spelling is a way to name the parameters of a ResNet. The layers here are called as
// torchvision calls them; a spelling says how a file does.
type spelling struct {
	name string
	// stems are the first convolution and its normalisation, one pair of them in the file;
	// of a deep stem, the Sequential of its convolutions, and what follows that.
	stems [][2]string
	// stage is a block's name by stage and block; first is the number of the first stage,
	// unless that is to be found (a Sequential of stages).
	stage string
	first numbers
	// conv and norm number a block's layers.
	conv, norm numbered
	// shortcuts are the convolution and the normalisation of a shortcut, one pair in the file.
	shortcuts [][2]string
}

// numbers are the stage numbers that a spelling may begin with.
type numbers []int

// numbered is a name with a number: step*k + offset for the k-th layer, from 1.
type numbered struct {
	format       string
	step, offset int
}

func (n numbered) of(k int) string { return fmt.Sprintf(n.format, n.step*k+n.offset) }

// shortcuts as torchvision, timm and those who followed them spell them: in a Sequential, or,
// behind an average pooling, from .1 on (ResNet-D).
var shortcuts = [][2]string{
	{"downsample.0", "downsample.1"}, {"downsample.1", "downsample.2"},
	{"shortcut.0", "shortcut.1"}, {"shortcut.1", "shortcut.2"},
	{"downsample.conv", "downsample.bn"}, {"shortcut.conv", "shortcut.bn"},
}

// averaged says that a shortcut's convolution comes behind an average pooling.
func averaged(conv string) bool { return strings.HasSuffix(conv, ".1") }

// spellings is all there are; a file may mix the stems and shortcuts of a row.
var spellings = []spelling{
	{
		name:  "torchvision", // and timm, and most repositories
		stems: [][2]string{{"conv1", "bn1"}, {"layer0.conv1", "layer0.bn1"}, {"layer0.0", "layer0.1"}, {"stem.0", "stem.1"}, {"stem.conv1", "stem.bn1"}, {"conv1.0", "conv1.1"}, {"stem.conv", "stem.bn"}},
		stage: "layer%d.%d", first: numbers{1},
		conv: numbered{"conv%d", 1, 0}, norm: numbered{"bn%d", 1, 0}, shortcuts: shortcuts,
	},
	{
		name:  "Sequential", // list(resnet.children()), fastai
		stems: [][2]string{{"0", "1"}},
		stage: "%d.%d", first: numbers{4, 3, 2},
		conv: numbered{"conv%d", 1, 0}, norm: numbered{"bn%d", 1, 0}, shortcuts: shortcuts,
	},
	{
		name:  "Hugging Face",
		stems: [][2]string{{"embedder.embedder.convolution", "embedder.embedder.normalization"}},
		stage: "encoder.stages.%d.layers.%d", first: numbers{0},
		conv: numbered{"layer.%d.convolution", 1, -1}, norm: numbered{"layer.%d.normalization", 1, -1},
		shortcuts: [][2]string{{"shortcut.convolution", "shortcut.normalization"}},
	},
	{
		name:  "residual_function", // conv2_x ... of CIFAR-100 repositories
		stems: [][2]string{{"conv1.0", "conv1.1"}},
		stage: "conv%d_x.%d", first: numbers{2},
		conv: numbered{"residual_function.%d", 3, -3}, norm: numbered{"residual_function.%d", 3, -2},
		shortcuts: [][2]string{{"shortcut.0", "shortcut.1"}},
	},
}

// trunk is a place where a file holds the body of a ResNet.
type trunk struct {
	prefix string // of the names of its tensors
	first  int    // number of the first stage
	*spelling
}

// block is the name of a block in the file, without the prefix; stage counts from 1, block
// from 0.
func (t *trunk) block(stage, block int) string {
	return fmt.Sprintf(t.stage, t.first+stage-1, block)
}

// trunks finds the bodies of ResNets by their first block, in file order.
func (t *tensors) trunks() []trunk {
	var out []trunk
	for i := range spellings {
		s := &spellings[i]
		for _, first := range s.first {
			at := fmt.Sprintf(s.stage, first, 0) + "." + s.conv.of(1) + ".weight"
			for _, name := range t.order {
				prefix, ok := strings.CutSuffix(name, at)
				if !ok || prefix != "" && !strings.HasSuffix(prefix, ".") || len(t.shape(name)) != 4 {
					continue
				}
				// A Sequential's stages begin where the one before is none.
				before := prefix + fmt.Sprintf(s.stage, first-1, 0) + "." + s.conv.of(1) + ".weight"
				if len(s.first) > 1 && t.shape(before) != nil {
					continue
				}
				if !slices.ContainsFunc(out, func(o trunk) bool { return o.prefix == prefix }) {
					out = append(out, trunk{prefix, first, s})
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
