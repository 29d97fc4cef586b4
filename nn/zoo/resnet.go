package zoo

import (
	"fmt"
	"slices"
	"strings"

	"cwox/nn"
)

// resnet is a residual network (He et al., 2016) of any measures, every block with its own.
// Layers and parameters are called as in torchvision.
type resnet struct {
	// stem is the first convolution, or the three of a deep stem (He et al., 2019, ResNet-C).
	stem   []conv
	pool   *nn.Pool // of the stem; nil for none
	stages [][]block
	// caffe says that the names are those of the first SE-ResNets, which came from Caffe: strides
	// on the first convolution, and a pooling without padding.
	caffe bool
}

// block is a residual block: two convolutions 3x3, or a bottleneck of 1x1, 3x3 and 1x1.
type block struct {
	convs []conv
	gate  *gate // squeeze-and-excitation behind them; nil for none
	// rectified says that a ReLU comes before the gate, as in the basic blocks of the first SE-ResNets.
	rectified bool
	shortcut  *conv // nil: the identity
}

// stemPool is the max-pooling of all ResNets for large pictures.
func stemPool() *nn.Pool { return &nn.Pool{Window: nn.Square(3, 2, 1)} }

// knownResNet is a row of knownResNets.
type knownResNet struct {
	name   string
	kind   string // "basic" or "bottleneck"
	stem   []int  // channels of its convolutions
	width  int    // of the first stage
	depth  []int
	groups int
	inner  float64 // inner width of the bottlenecks by that of ResNet's
	// kernel is that of a single convolution in the stem; 0 means 7.
	kernel   int
	averaged bool // ResNet-D's shortcuts
	gated    bool // squeeze-and-excitation to a sixteenth, at least 8
}

// Stems of timm: one convolution, three of half the width, three that widen.
var (
	single = []int{64}
	deep   = []int{32, 32, 64}
	tiered = []int{24, 32, 64}
)

// knownResNets are torchvision's, then timm's, then those for CIFAR (3x3 stem, 3 stages).
var knownResNets = []knownResNet{
	{name: "resnet18", kind: "basic", stem: single, width: 64, depth: []int{2, 2, 2, 2}},
	{name: "resnet34", kind: "basic", stem: single, width: 64, depth: []int{3, 4, 6, 3}},
	{name: "resnet50", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 6, 3}},
	{name: "resnet101", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 23, 3}},
	{name: "resnet152", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 8, 36, 3}},
	{name: "wide_resnet50_2", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 6, 3}, inner: 2},
	{name: "wide_resnet101_2", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 23, 3}, inner: 2},
	{name: "resnext50_32x4d", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 6, 3}, groups: 32, inner: 2},
	{name: "resnext101_32x4d", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 23, 3}, groups: 32, inner: 2},
	{name: "resnext101_32x8d", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 23, 3}, groups: 32, inner: 4},
	{name: "resnext101_64x4d", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 23, 3}, groups: 64, inner: 4},
	{name: "resnet10", kind: "basic", stem: single, width: 64, depth: []int{1, 1, 1, 1}},
	{name: "resnet26", kind: "bottleneck", stem: single, width: 64, depth: []int{2, 2, 2, 2}},
	{name: "resnet200", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 24, 36, 3}},
	{name: "resnet50c", kind: "bottleneck", stem: deep, width: 64, depth: []int{3, 4, 6, 3}},
	{name: "resnet18d", kind: "basic", stem: deep, width: 64, depth: []int{2, 2, 2, 2}, averaged: true},
	{name: "resnet34d", kind: "basic", stem: deep, width: 64, depth: []int{3, 4, 6, 3}, averaged: true},
	{name: "resnet26d", kind: "bottleneck", stem: deep, width: 64, depth: []int{2, 2, 2, 2}, averaged: true},
	{name: "resnet50d", kind: "bottleneck", stem: deep, width: 64, depth: []int{3, 4, 6, 3}, averaged: true},
	{name: "resnet101d", kind: "bottleneck", stem: deep, width: 64, depth: []int{3, 4, 23, 3}, averaged: true},
	{name: "resnet152d", kind: "bottleneck", stem: deep, width: 64, depth: []int{3, 8, 36, 3}, averaged: true},
	{name: "resnet200d", kind: "bottleneck", stem: deep, width: 64, depth: []int{3, 24, 36, 3}, averaged: true},
	{name: "resnext50d_32x4d", kind: "bottleneck", stem: deep, width: 64, depth: []int{3, 4, 6, 3}, groups: 32, inner: 2, averaged: true},
	{name: "seresnet18", kind: "basic", stem: single, width: 64, depth: []int{2, 2, 2, 2}, gated: true},
	{name: "seresnet34", kind: "basic", stem: single, width: 64, depth: []int{3, 4, 6, 3}, gated: true},
	{name: "seresnet50", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 6, 3}, gated: true},
	{name: "seresnet101", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 23, 3}, gated: true},
	{name: "seresnet152", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 8, 36, 3}, gated: true},
	{name: "seresnet152d", kind: "bottleneck", stem: deep, width: 64, depth: []int{3, 8, 36, 3}, averaged: true, gated: true},
	{name: "seresnext50_32x4d", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 6, 3}, groups: 32, inner: 2, gated: true},
	{name: "seresnext101_32x4d", kind: "bottleneck", stem: single, width: 64, depth: []int{3, 4, 23, 3}, groups: 32, inner: 2, gated: true},
	{name: "seresnext26d_32x4d", kind: "bottleneck", stem: deep, width: 64, depth: []int{2, 2, 2, 2}, groups: 32, inner: 2, averaged: true, gated: true},
	{name: "resnet10t", kind: "basic", stem: tiered, width: 64, depth: []int{1, 1, 1, 1}, averaged: true},
	{name: "resnet14t", kind: "bottleneck", stem: tiered, width: 64, depth: []int{1, 1, 1, 1}, averaged: true},
	{name: "resnet26t", kind: "bottleneck", stem: tiered, width: 64, depth: []int{2, 2, 2, 2}, averaged: true},
	{name: "resnet50t", kind: "bottleneck", stem: tiered, width: 64, depth: []int{3, 4, 6, 3}, averaged: true},
	{name: "resnet20", kind: "basic", stem: []int{16}, width: 16, depth: []int{3, 3, 3}, kernel: 3},
	{name: "resnet32", kind: "basic", stem: []int{16}, width: 16, depth: []int{5, 5, 5}, kernel: 3},
	{name: "resnet44", kind: "basic", stem: []int{16}, width: 16, depth: []int{7, 7, 7}, kernel: 3},
	{name: "resnet56", kind: "basic", stem: []int{16}, width: 16, depth: []int{9, 9, 9}, kernel: 3},
	{name: "resnet110", kind: "basic", stem: []int{16}, width: 16, depth: []int{18, 18, 18}, kernel: 3},
}

// form is the network of a row.
func (k *knownResNet) form() *resnet {
	r := newResNet(k.kind, k.stem, k.width, k.depth)
	for i := range r.stages {
		for j := range r.stages[i] {
			b := &r.stages[i][j]
			if k.inner > 0 {
				inner := int(k.inner * float64(b.convs[0].out))
				b.convs[0].out, b.convs[1].in, b.convs[1].out, b.convs[2].in = inner, inner, inner, inner
			}
			b.convs[1].groups = max(k.groups, 1)
			if b.shortcut != nil {
				b.shortcut.averaged = k.averaged && b.shortcut.stride == 2
			}
			if k.gated {
				out := b.convs[len(b.convs)-1].out
				b.gate = newGate(fmt.Sprintf("layer%d.%d.se", i+1, j), out, max(8, (out/16+4)/8*8))
			}
		}
	}
	if k.kernel != 0 {
		c := &r.stem[0]
		c.kernel, c.stride, c.pad = k.kernel, 1, k.kernel/2
		r.pool = nil
	}
	return r
}

// newResNet is a ResNet for colour pictures as torchvision has it: width is that of the first
// stage's blocks and doubles from stage to stage.
func newResNet(kind string, stem []int, width int, depth []int) *resnet {
	r := &resnet{}
	in := 3
	for i, out := range stem {
		c := conv{name: "conv1", norm: "bn1", in: in, out: out, kernel: 7}
		if len(stem) > 1 {
			c = conv{name: deepConv(i), norm: deepNorm(i, len(stem)), in: in, out: out, kernel: 3}
		}
		r.stem = append(r.stem, c)
		in = out
	}
	for stage, n := range depth {
		var blocks []block
		for i := range n {
			name := fmt.Sprintf("layer%d.%d", stage+1, i)
			inner := width << stage
			out := inner
			kernels, outs := []int{3, 3}, []int{inner, inner}
			if kind == "bottleneck" {
				out = 4 * inner
				kernels, outs = []int{1, 3, 1}, []int{inner, inner, out}
			}
			var b block
			at := in
			for k, kernel := range kernels {
				b.convs = append(b.convs, conv{name: fmt.Sprintf("%s.conv%d", name, k+1), norm: fmt.Sprintf("%s.bn%d", name, k+1), in: at, out: outs[k], kernel: kernel, groups: 1})
				at = outs[k]
			}
			if in != out || i == 0 && stage > 0 {
				b.shortcut = &conv{name: name + ".downsample.0", norm: name + ".downsample.1", in: in, out: out, kernel: 1, groups: 1}
			}
			in = out
			blocks = append(blocks, b)
		}
		r.stages = append(r.stages, blocks)
	}
	r.choose(false, 1)
	return r
}

// newGate is the gate of a block of so many channels.
func newGate(name string, channels, squeezed int) *gate {
	one := func(name string, in, out int) conv {
		return conv{name: name, in: in, out: out, kernel: 1, groups: 1, stride: 1, bias: true}
	}
	return &gate{titled{name}, one(name+".fc1", channels, squeezed), one(name+".fc2", squeezed, channels), actReLU, actSigmoid}
}

// gated says that some block has a gate.
func (r *resnet) gated() bool {
	return slices.ContainsFunc(slices.Concat(r.stages...), func(b block) bool { return b.gate != nil })
}

// deepConv and deepNorm name the layers of a deep stem.
func deepConv(i int) string { return fmt.Sprintf("conv1.%d", 3*i) }

func deepNorm(i, n int) string {
	if i == n-1 {
		return "bn1"
	}
	return fmt.Sprintf("conv1.%d", 3*i+1)
}

// choose sets what shapes do not tell, as it is nearly everywhere: the stride of a stage in its
// first block, on the 3x3 convolution, or on the first one if early is set; that of the first
// stage is first; a stem of stride 2 and a max-pooling, or neither where its single convolution
// is 3x3. An identity shortcut means that the block keeps the size of the map.
func (r *resnet) choose(early bool, first int) {
	for conv := range r.convs() {
		conv.stride, conv.pad, conv.eps, conv.groups = 1, conv.kernel/2, 1e-5, max(conv.groups, 1)
	}
	r.pool = nil
	if !r.small() {
		r.stem[0].stride = 2
		r.pool = stemPool()
		if r.caffe {
			r.pool = &nn.Pool{Window: nn.Square(3, 2, 0), Ceil: true}
		}
	}
	for i, blocks := range r.stages {
		for j := range blocks {
			b := &blocks[j]
			stride := 2
			if i == 0 {
				stride = first
			}
			if j > 0 || b.shortcut == nil {
				stride = 1
			}
			at := 0
			if len(b.convs) == 3 && !early && !(r.caffe && b.convs[1].groups == 1) {
				at = 1
			}
			b.convs[at].stride = stride
			if s := b.shortcut; s != nil {
				s.stride = stride
				s.averaged = s.averaged && stride == 2
			}
		}
	}
}

// small says that the stem is a single convolution 3x3, as for CIFAR.
func (r *resnet) small() bool { return len(r.stem) == 1 && r.stem[0].kernel == 3 }

// convs ranges over all convolutions, in the order of the network.
func (r *resnet) convs() func(yield func(*conv) bool) {
	return func(yield func(*conv) bool) {
		for i := range r.stem {
			if !yield(&r.stem[i]) {
				return
			}
		}
		for _, blocks := range r.stages {
			for i := range blocks {
				b := &blocks[i]
				if b.shortcut != nil && !yield(b.shortcut) {
					return
				}
				for j := range b.convs {
					if !yield(&b.convs[j]) {
						return
					}
				}
			}
		}
	}
}

// build appends the network up to its last map.
func (r *resnet) build(b *builder) *nn.Node {
	x := b.Input()
	for i := range r.stem {
		name := "relu"
		if i < len(r.stem)-1 {
			name = fmt.Sprintf("conv1.%d", 3*i+2)
		}
		x = b.ReLU(name, b.conv(&r.stem[i], x))
	}
	if r.pool != nil {
		x = b.MaxPool("maxpool", x, *r.pool)
	}
	for i, blocks := range r.stages {
		stage := fmt.Sprintf("layer%d", i+1)
		for j := range blocks {
			x = blocks[j].build(b, fmt.Sprintf("%s.%d", stage, j), x)
		}
		b.Alias(x, stage)
		b.Alias(x, fmt.Sprintf("%s.%d.relu", stage, len(blocks)-1))
	}
	return x
}

// build appends the block.
func (k *block) build(b *builder, name string, x *nn.Node) *nn.Node {
	shortcut := x
	if k.shortcut != nil {
		shortcut = b.conv(k.shortcut, x)
		if b.err == nil {
			b.Alias(shortcut, name+".downsample")
		}
	}
	for i := range k.convs {
		x = b.conv(&k.convs[i], x)
		if i < len(k.convs)-1 {
			x = b.ReLU(fmt.Sprintf("%s.relu%d", name, i+1), x)
		}
	}
	if k.gate != nil && b.err == nil {
		if k.rectified {
			x = b.ReLU(name+".relu2", x)
		}
		x = k.gate.build(b, x)
	}
	if b.err == nil && x.Shape() != shortcut.Shape() {
		b.fail("zoo: %s: the block gives %v, its shortcut %v", name, x.Shape(), shortcut.Shape())
	}
	return b.ReLU(name, b.Add(name+".sum", x, shortcut))
}

// layers are the last stage and the one before it, and for MWP the last stage and its first
// block, as the paper's for ResNet-50. Where a stage has a single block, or a network a single
// stage, the layer before stands in.
func (r *resnet) layers() [4]string {
	n := len(r.stages)
	last := fmt.Sprintf("layer%d", n)
	before := "relu"
	if r.pool != nil {
		before = "maxpool"
	}
	if n > 1 {
		before = fmt.Sprintf("layer%d", n-1)
	}
	first := last + ".0"
	if len(r.stages[n-1]) == 1 {
		first = before
	}
	return [4]string{last, before, last, first}
}

func (r *resnet) channels() (in, out int) {
	last := r.stages[len(r.stages)-1]
	convs := last[len(last)-1].convs
	return r.stem[0].in, convs[len(convs)-1].out
}

// kind is the form of the blocks: "basic", "bottleneck" or "mixed".
func (r *resnet) kind() string {
	kind := ""
	for _, blocks := range r.stages {
		for _, b := range blocks {
			k := map[int]string{2: "basic", 3: "bottleneck"}[len(b.convs)]
			if kind != "" && k != kind {
				return "mixed"
			}
			kind = k
		}
	}
	return kind
}

// depth is the number of blocks of each stage.
func (r *resnet) depth() []int {
	var out []int
	for _, blocks := range r.stages {
		out = append(out, len(blocks))
	}
	return out
}

// key tells networks of different shapes apart, the channels of the input and biases aside.
// stem, if not 0, stands for the kernel of the first convolution.
func (r *resnet) key(stem int) string {
	var s strings.Builder
	for c := range r.convs() {
		kernel := c.kernel
		if stem != 0 && c == &r.stem[0] {
			kernel = stem
		}
		fmt.Fprintf(&s, "%s %d %d %d %v\n", c.name, c.out, kernel, c.groups, c.averaged)
	}
	for _, b := range slices.Concat(r.stages...) {
		if b.gate != nil {
			fmt.Fprintf(&s, "%s %d\n", b.gate.called, b.gate.squeeze.out)
		}
	}
	return s.String()
}

// width is that of the first stage: of a bottleneck a quarter of what it gives, of a basic
// block what it gives. inner is by how much the bottleneck's inner convolution is wider.
func (r *resnet) width() (width int, inner float64, groups int) {
	convs := r.stages[0][0].convs
	out := convs[len(convs)-1].out
	if len(convs) == 2 {
		return out, float64(convs[0].out) / float64(out), 1
	}
	return out / 4, float64(4*convs[1].out) / float64(out), convs[1].groups
}

// title is the usual name of a ResNet, or a description.
func (r *resnet) title(string) string {
	for _, a := range archs {
		if k, ok := a.body.(*resnet); ok && k.key(0) == r.key(0) {
			return a.Name
		}
	}
	if base := r.base(); base != "" {
		return base + r.stemSuffix()
	}
	return r.describe()
}

// base is the name of the network with a stem of 7x7 where this has another kernel.
func (r *resnet) base() string {
	if len(r.stem) == 1 && r.stem[0].kernel != 7 {
		for _, a := range archs {
			if k, ok := a.body.(*resnet); ok && k.key(0) == r.key(7) {
				return a.Name
			}
		}
	}
	return ""
}

// describe is the name of a network that has none.
func (r *resnet) describe() string {
	width, inner, groups := r.width()
	s := "resnet-" + r.kind()
	depth := r.depth()
	for _, n := range depth[:min(len(depth), 8)] {
		s += fmt.Sprintf("-%d", n)
	}
	s += fmt.Sprintf("-w%d", width)
	if groups > 1 {
		s += fmt.Sprintf("-g%d", groups)
	}
	if inner != 1 {
		s += fmt.Sprintf("-x%.3g", inner)
	}
	if r.gated() {
		s = strings.Replace(s, "resnet", "seresnet", 1)
	}
	return s + r.stemSuffix() + r.shortcutSuffix()
}

// stemSuffix is what a name says of an unusual stem.
func (r *resnet) stemSuffix() string {
	switch {
	case len(r.stem) > 1:
		return "-deep"
	case r.stem[0].kernel != 7:
		return fmt.Sprintf("-%dx%d", r.stem[0].kernel, r.stem[0].kernel)
	}
	return ""
}

func (r *resnet) shortcutSuffix() string {
	for c := range r.convs() {
		if c.averaged {
			return "-d"
		}
	}
	return ""
}

// stemText says the stem in words.
func (r *resnet) stemText() string {
	if len(r.stem) > 1 {
		return "deep 3x3"
	}
	c := &r.stem[0]
	s := fmt.Sprintf("%dx%d/%d", c.kernel, c.kernel, c.stride)
	if r.pool == nil {
		return s + ", no max-pool"
	}
	return s + " + max-pool"
}
