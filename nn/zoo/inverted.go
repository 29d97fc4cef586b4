package zoo

import (
	"fmt"
	"strings"

	"cwox/nn"
)

// Networks of inverted residual blocks: MobileNetV2 (Sandler et al., 2018), MnasNet (Tan et al.,
// 2019), MobileNetV3 (Howard et al., 2019), EfficientNet (Tan and Le, 2019) and EfficientNetV2
// (2021). They begin with a convolution of stride 2 and end with one of 1x1; between lie stages of
// blocks, the first of which has the stage's stride.

// A block's form is a letter: what its convolutions are, in order.
//
//	i  expand (1x1), depthwise, project (1x1)    I  the same, gated before project
//	d  depthwise, project                        D  the same, gated before project
//	f  expand and look around at once, project   c  that alone
const invertedForms = "IiDdfc"

// invertedFamily is what shapes do not tell of the networks whose blocks have these forms and
// kernels.
type invertedFamily struct {
	name string
	// stages are, for each, the forms that its blocks may have, the side of their kernels and the
	// stride of the first: "d3/1".
	stages string
	depth  []int // blocks of each stage of the published network
	// act is the activation, early that of the blocks of the first stages.
	act, early nn.Activation
	stagesOf   int              // how many those are
	gate       [2]nn.Activation // behind the two layers of a gate
	noSkip     bool             // the first stage has no identity around its blocks
	names      string           // spelling by which its layers and parameters are called
}

// invertedFamilies is all there are. No two can be mistaken for each other.
var invertedFamilies = []invertedFamily{
	{name: "mobilenet_v2", stages: "d3/1 i3/2 i3/2 i3/2 i3/1 i3/2 i3/1", depth: []int{1, 2, 3, 4, 3, 3, 1}, act: actReLU6, names: "MobileNetV2"},
	{name: "mobilenet_v3_large", stages: "d3/1 i3/2 I5/2 i3/2 I3/1 I5/2", depth: []int{1, 2, 3, 4, 2, 3}, act: actHardSwish, early: actReLU, stagesOf: 3, gate: hardGate, names: "MobileNetV3"},
	{name: "mobilenet_v3_small", stages: "D3/2 i3/2 I5/2 I5/1 I5/2", depth: []int{1, 2, 3, 2, 3}, act: actHardSwish, early: actReLU, stagesOf: 2, gate: hardGate, names: "MobileNetV3"},
	{name: "mnasnet", stages: "d3/1 i3/2 i5/2 i5/2 i3/1 i5/2 i3/1", depth: []int{1, 3, 3, 3, 2, 4, 1}, act: actReLU, noSkip: true, names: "timm"},
	{name: "semnasnet", stages: "d3/1 i3/2 I5/2 i3/2 I3/1 I5/2 i3/1", depth: []int{1, 2, 3, 4, 2, 3, 1}, act: actReLU, gate: softGate(actReLU), noSkip: true, names: "timm"},
	{name: "efficientnet", stages: "D3/1 I3/2 I5/2 I3/2 I5/1 I5/2 I3/1", depth: []int{1, 2, 2, 3, 3, 4, 1}, act: actSiLU, gate: softGate(actSiLU), names: "EfficientNet"},
	{name: "efficientnet_lite", stages: "d3/1 i3/2 i5/2 i3/2 i5/1 i5/2 i3/1", depth: []int{1, 2, 2, 3, 3, 4, 1}, act: actReLU6, names: "timm"},
	{name: "efficientnet_v2", stages: "cf3/1 f3/2 f3/2 I3/2 I3/1 I3/2", depth: []int{2, 4, 4, 6, 9, 15}, act: actSiLU, gate: softGate(actSiLU), names: "EfficientNet"},
	{name: "efficientnet_v2", stages: "cf3/1 f3/2 f3/2 I3/2 I3/1 I3/2 I3/1", depth: []int{3, 5, 5, 7, 14, 18, 5}, act: actSiLU, gate: softGate(actSiLU), names: "EfficientNet"},
}

var hardGate = [2]nn.Activation{actReLU, actHardSigmoid}

func softGate(act nn.Activation) [2]nn.Activation { return [2]nn.Activation{act, actSigmoid} }

// invertedSpelling is a way to name the layers of such a network.
type invertedSpelling struct {
	name    string
	of      string   // that by which the families are called whose files are spelled so; "" is any
	anchors []string // tensors of which all files have one
	root    string   // before all names, where nothing else stands there
	// stem and head are the first and the last convolution with their normalisations; of a head
	// in the numbering of the blocks %d is its number.
	stem, head string
	// block is before the names of a block's layers: with its stage and number, or with its number
	// in the whole network. first is the first of the former.
	block string
	first int
	// forms are the layers of a block, each a convolution and its normalisation, or the two
	// convolutions of a gate.
	forms map[byte]string
	eps   float64
	same  bool       // "SAME" padding
	heads [][]string // the layers of the heads that are published
}

// sequenced are the layers of blocks in a Sequential, as torchvision has them.
var sequenced = map[byte]string{
	'I': "block.0.0/block.0.1 block.1.0/block.1.1 block.2.fc1/block.2.fc2 block.3.0/block.3.1",
	'i': "block.0.0/block.0.1 block.1.0/block.1.1 block.2.0/block.2.1",
	'D': "block.0.0/block.0.1 block.1.fc1/block.1.fc2 block.2.0/block.2.1",
	'd': "block.0.0/block.0.1 block.1.0/block.1.1",
	'f': "block.0.0/block.0.1 block.1.0/block.1.1",
	'c': "block.0.0/block.0.1",
}

var invertedSpellings = []invertedSpelling{
	{name: "MobileNetV2", of: "MobileNetV2", anchors: []string{"1.conv.0.0.weight"}, root: "features.", stem: "0.0/0.1", head: "%d.0/%[1]d.1", block: "%d.", first: 1, eps: 1e-5, heads: [][]string{{"classifier.1"}},
		forms: map[byte]string{'i': "conv.0.0/conv.0.1 conv.1.0/conv.1.1 conv.2/conv.3", 'd': "conv.0.0/conv.0.1 conv.1/conv.2"}},
	{name: "EfficientNet", of: "EfficientNet", anchors: []string{"1.0.block.0.0.weight"}, root: "features.", stem: "0.0/0.1", head: "%d.0/%[1]d.1", block: "%d.%d.", first: 1, eps: 1e-5, heads: [][]string{{"classifier.1"}}, forms: sequenced},
	{name: "MobileNetV3", of: "MobileNetV3", anchors: []string{"1.block.0.0.weight"}, root: "features.", stem: "0.0/0.1", head: "%d.0/%[1]d.1", block: "%d.", first: 1, eps: 1e-3, heads: [][]string{{"classifier.0", "classifier.3"}}, forms: sequenced},
	{name: "timm", anchors: []string{"blocks.0.0.conv_dw.weight", "blocks.0.0.conv_exp.weight", "blocks.0.0.conv.weight"}, stem: "conv_stem/bn1", head: "conv_head/bn2", block: "blocks.%d.%d.", eps: 1e-5, heads: [][]string{{"classifier"}, {"conv_head", "classifier"}},
		forms: map[byte]string{
			'I': "conv_pw/bn1 conv_dw/bn2 se.conv_reduce/se.conv_expand conv_pwl/bn3",
			'i': "conv_pw/bn1 conv_dw/bn2 conv_pwl/bn3",
			'D': "conv_dw/bn1 se.conv_reduce/se.conv_expand conv_pw/bn2",
			'd': "conv_dw/bn1 conv_pw/bn2",
			'f': "conv_exp/bn1 conv_pwl/bn2",
			'c': "conv/bn1",
		}},
	{name: "efficientnet_pytorch", of: "EfficientNet", anchors: []string{"_blocks.0._depthwise_conv.weight"}, stem: "_conv_stem/_bn0", head: "_conv_head/_bn1", block: "_blocks.%d.", eps: 1e-3, same: true, heads: [][]string{{"_fc"}},
		forms: map[byte]string{
			'I': "_expand_conv/_bn0 _depthwise_conv/_bn1 _se_reduce/_se_expand _project_conv/_bn2",
			'D': "_depthwise_conv/_bn1 _se_reduce/_se_expand _project_conv/_bn2",
		}},
}

// invertedBlock is the measures of a block: its form, the side of its kernel, and the widths of
// its inner convolutions, of its gate's first, and of what it gives.
type invertedBlock struct {
	form                byte
	kernel              int
	inner, squeeze, out int
}

// invertedNet is the measures of a network.
type invertedNet struct {
	in, stem, head int
	stages         [][]invertedBlock
}

// layersOf are the names of the network's layers in order, each a convolution and its
// normalisation, or the two of a gate.
func (s *invertedSpelling) layersOf(n *invertedNet) [][2]string {
	var out [][2]string
	add := func(at, names string) {
		for _, pair := range strings.Fields(names) {
			a, b, _ := strings.Cut(pair, "/")
			out = append(out, [2]string{at + a, at + b})
		}
	}
	add(s.root, s.stem)
	for i, blocks := range n.stages {
		for j, b := range blocks {
			add(s.root+s.at(n.stages, i, j), s.forms[b.form])
		}
	}
	head := s.head
	if strings.Contains(head, "%") {
		head = fmt.Sprintf(head, s.number(n.stages, len(n.stages)))
	}
	add(s.root, head)
	return out
}

// trunk is before the names of all blocks: "blocks.".
func (s *invertedSpelling) trunk() string { return s.block[:strings.IndexByte(s.block, '%')] }

// flat says that blocks are numbered through all stages.
func (s *invertedSpelling) flat() bool { return strings.Count(s.block, "%d") == 1 }

// number is that of a stage, or of its first block.
func (s *invertedSpelling) number(stages [][]invertedBlock, stage int) int {
	n := s.first + stage
	if s.flat() {
		n = s.first
		for _, blocks := range stages[:stage] {
			n += len(blocks)
		}
	}
	return n
}

// at is before the names of a block's layers.
func (s *invertedSpelling) at(stages [][]invertedBlock, stage, block int) string {
	n := s.number(stages, stage)
	if s.flat() {
		return fmt.Sprintf(s.block, n+block)
	}
	return fmt.Sprintf(s.block, n, block)
}

// newInverted is the network of a family with such measures.
func newInverted(f *invertedFamily, m *invertedNet) *net {
	s := spellingOf(f.names)
	names := s.layersOf(m)
	next := func() [2]string { n := names[0]; names = names[1:]; return n }
	in := m.in
	add := func(out, kernel, groups, stride int, act nn.Activation) *layer {
		name := next()
		l := &layer{titled{name[1] + ".act"}, conv{name: name[0], norm: name[1], in: in, out: out, kernel: kernel, groups: groups, stride: stride, pad: kernel / 2, eps: s.eps}, act}
		switch at := above(name[0]); {
		case act.Function == none.Function:
			l.called = name[1]
		case name == [2]string{at + ".0", at + ".1"}:
			l.called = at
		}
		in = out
		return l
	}
	n := &net{units: []unit{add(m.stem, 3, 1, 2, f.act)}}
	for i, blocks := range m.stages {
		act, strides := f.act, f.strides()
		if i < f.stagesOf {
			act = f.early
		}
		var stage []unit
		for j, b := range blocks {
			stride := 1
			if j == 0 {
				stride = strides[i]
			}
			title, from := strings.TrimSuffix(s.root+s.at(m.stages, i, j), "."), in
			var units []unit
			if strings.IndexByte("Ii", b.form) >= 0 {
				units = append(units, add(b.inner, 1, 1, 1, act))
			}
			if strings.IndexByte("fc", b.form) >= 0 {
				units = append(units, add(b.inner, b.kernel, 1, stride, act))
			} else {
				units = append(units, add(b.inner, b.kernel, b.inner, stride, act))
			}
			if strings.IndexByte("ID", b.form) >= 0 {
				name := next()
				g := &gate{titled{above(name[0])}, conv{name: name[0], in: in, out: b.squeeze, kernel: 1}, conv{name: name[1], in: b.squeeze, out: in, kernel: 1}, f.gate[0], f.gate[1]}
				for _, c := range []*conv{&g.squeeze, &g.excite} {
					c.groups, c.stride, c.bias = 1, 1, true
				}
				units = append(units, g)
			}
			if b.form != 'c' {
				units = append(units, add(b.out, 1, 1, 1, none))
			}
			stage = append(stage, &residual{group{titled{title}, units}, stride == 1 && from == in && !(i == 0 && f.noSkip)})
		}
		if s.flat() {
			n.units = append(n.units, stage...)
		} else {
			n.units = append(n.units, &group{titled{above(strings.TrimSuffix(s.root+s.at(m.stages, i, 0), "."))}, stage})
		}
	}
	n.units = append(n.units, add(m.head, 1, 1, 1, f.act))
	n.out = m.head
	return n
}

// strides are those of the stages.
func (f *invertedFamily) strides() []int {
	var out []int
	for _, s := range strings.Fields(f.stages) {
		out = append(out, int(s[len(s)-1]-'0'))
	}
	return out
}

// above is the module that a layer is in: a name without its last part.
func above(name string) string { return name[:max(strings.LastIndexByte(name, '.'), 0)] }
