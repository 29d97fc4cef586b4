package zoo

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cwox/nn"
)

// measureInverted reads a network of inverted residual blocks off names and shapes; paths are
// its layers in the file.
func (m *matcher) measureInverted(at *place) (*net, error) {
	file := *at.kind.names
	file.root = at.root
	stages := m.invertedStages(&file)
	if n := len(stages) - 1; n > 0 && file.name == "timm" && len(stages[n]) == 1 && stages[n][0].form == 'c' && stages[n][0].kernel == 1 {
		file.head = fmt.Sprintf("blocks.%d.0.conv/blocks.%[1]d.0.bn1", n) // MobileNetV3's last convolution is called as a stage
		stages = stages[:n]
	}
	f, stages := file.familyOf(stages)
	if f == nil {
		return nil, m.errorf("%q: inverted residual blocks whose stages %q (form and kernel) are not those of %s: where strides stand the tensors do not tell; export the network to ONNX", at.root+"*", signature(stages), strings.Join(invertedNames(), ", "))
	}
	n := &invertedNet{stages: stages}
	theirs := file.layersOf(n)
	for _, c := range []struct {
		name       [2]string
		in, number *int
	}{{theirs[0], &n.in, &n.stem}, {theirs[len(theirs)-1], new(int), &n.head}} {
		shape := m.shape(c.name[0] + ".weight")
		if len(shape) != 4 {
			return nil, m.errorf("%q: missing, or not a convolution", c.name[0]+".weight")
		}
		*c.number, *c.in = shape[0], shape[1]
	}
	for i, ours := range spellingOf(f.names).layersOf(n) {
		at.paths[ours[0]], at.paths[ours[1]] = theirs[i][0], theirs[i][1]
	}
	at.family, m.headAct = f.name, f.between()
	return newInverted(f, n), nil
}

// between is the class of what stands between the layers of the head.
func (f *invertedFamily) between() string {
	if f.act.Function == nn.HardSwish {
		return "Hardswish"
	}
	return "ReLU"
}

// maxBlocks bounds the blocks of a network.
const maxBlocks = 512

// invertedStages reads the blocks of a file. In a flat numbering they are one stage.
func (m *matcher) invertedStages(s *invertedSpelling) (stages [][]invertedBlock) {
	total := 0
	for stage := 0; ; stage++ {
		var blocks []invertedBlock
		for ; total < maxBlocks; total++ {
			b, ok := m.invertedBlock(s, s.root+s.at(make([][]invertedBlock, stage), stage, len(blocks)))
			if !ok {
				break
			}
			blocks = append(blocks, b)
		}
		if len(blocks) > 0 {
			stages = append(stages, blocks)
		}
		if len(blocks) == 0 || s.flat() {
			return stages
		}
	}
}

// invertedBlock reads the block whose layers' names begin with at: the form with the most layers,
// of which all are there.
func (m *matcher) invertedBlock(s *invertedSpelling, at string) (b invertedBlock, ok bool) {
	for _, form := range []byte(invertedForms) {
		var convs [][]int // shapes
		all := s.forms[form] != ""
		for _, pair := range strings.Fields(s.forms[form]) {
			name, _, _ := strings.Cut(pair, "/")
			shape := m.shape(at + name + ".weight")
			if all = all && len(shape) == 4; !all {
				break
			}
			convs = append(convs, shape)
		}
		if !all {
			continue
		}
		look := convs[strings.Count("Ii", string(form))] // that with the kernel
		if depthwise := look[1] == 1; depthwise != (strings.IndexByte("fc", form) < 0) && look[0] > 1 {
			continue
		}
		b = invertedBlock{form: form, kernel: look[2], inner: look[0], out: convs[len(convs)-1][0]}
		if strings.IndexByte("ID", form) >= 0 {
			b.squeeze = convs[len(convs)-2][0]
		}
		return b, true
	}
	return b, false
}

// familyOf finds the family of the blocks of a file, and divides those of a flat numbering into
// its stages: as many each as in the published network, if that fits, else where form, kernel
// or width change. Of nil the stages are those of the latter.
func (s *invertedSpelling) familyOf(stages [][]invertedBlock) (*invertedFamily, [][]invertedBlock) {
	var changes [][]invertedBlock
	if s.flat() && len(stages) > 0 {
		changes = slices.Collect(chunks(stages[0]))
	}
	for i := range invertedFamilies {
		f := &invertedFamilies[i]
		ways := [][][]invertedBlock{stages}
		if s.flat() && len(stages) > 0 {
			ways = [][][]invertedBlock{split(stages[0], f.depth), changes}
		}
		for _, way := range ways {
			if (s.of == "" || s.of == f.names) && f.fits(way) {
				return f, way
			}
		}
	}
	if s.flat() {
		stages = changes
	}
	return nil, stages
}

// chunks divides blocks where their form, kernel or width changes.
func chunks(blocks []invertedBlock) func(yield func([]invertedBlock) bool) {
	return func(yield func([]invertedBlock) bool) {
		for len(blocks) > 0 {
			n := 1
			for n < len(blocks) && blocks[n].form == blocks[0].form && blocks[n].kernel == blocks[0].kernel && blocks[n].out == blocks[0].out {
				n++
			}
			if !yield(blocks[:n]) {
				return
			}
			blocks = blocks[n:]
		}
	}
}

// split divides blocks into stages of so many, nil where that is not all of them.
func split(blocks []invertedBlock, depth []int) (out [][]invertedBlock) {
	for _, n := range depth {
		if n > len(blocks) {
			return nil
		}
		out, blocks = append(out, blocks[:n]), blocks[n:]
	}
	if len(blocks) > 0 {
		return nil
	}
	return out
}

// fits says that stages have the forms and kernels of the family's, and that each block of one
// gives as much as the others.
func (f *invertedFamily) fits(stages [][]invertedBlock) bool {
	tokens := strings.Fields(f.stages)
	if len(stages) != len(tokens) {
		return false
	}
	for i, blocks := range stages {
		form, rest := tokens[i][:len(tokens[i])-3], tokens[i][len(tokens[i])-3:]
		for _, b := range blocks {
			if !strings.Contains(form, string(b.form)) || b.kernel != int(rest[0]-'0') || b.out != blocks[0].out {
				return false
			}
		}
	}
	return true
}

// signature is the forms and kernels of stages in words.
func signature(stages [][]invertedBlock) string {
	var out []string
	for _, blocks := range stages[:min(len(stages), 16)] {
		var stage []string
		for _, b := range blocks {
			stage = append(stage, fmt.Sprintf("%c%d", b.form, b.kernel))
		}
		out = append(out, strings.Join(slices.Compact(stage), ","))
	}
	return strings.Join(out, " ")
}

// invertedNames are the families.
func invertedNames() []string {
	var out []string
	for _, f := range invertedFamilies {
		out = append(out, f.name)
	}
	return slices.Compact(out)
}

// spellingOf finds a spelling by its name.
func spellingOf(name string) *invertedSpelling {
	return &invertedSpellings[slices.IndexFunc(invertedSpellings, func(s invertedSpelling) bool { return s.name == name })]
}

// knownInverted is a published network.
type knownInverted struct {
	name, family string
	stem, head   int
	out          []int // of each stage
	ratio        []int // by which its blocks expand
	inner        []int // or how wide each block is inside
	depth        []int // nil is the family's
	eps          float64
	hidden       []int // widths of the head's inner layers
}

// scaled is an EfficientNet of the smallest one's widths and depths times two factors.
func scaled(name string, widths, depths, eps float64) knownInverted {
	k := knownInverted{name: name, family: "efficientnet", stem: eighths(32 * widths), head: eighths(1280 * widths), ratio: []int{1, 6, 6, 6, 6, 6, 6}, eps: eps}
	for i, n := range []int{1, 2, 2, 3, 3, 4, 1} {
		k.out = append(k.out, eighths(widths*[]float64{16, 24, 40, 80, 112, 192, 320}[i]))
		k.depth = append(k.depth, int(math.Ceil(depths*float64(n))))
	}
	return k
}

// eighths is a width rounded to a multiple of eight, and up where that takes off more than a tenth.
// (It is a product: not fused with the sum.)
func eighths(v float64) int {
	n := max(8, int(float64(v)+4)/8*8)
	if float64(n) < 0.9*v {
		n += 8
	}
	return n
}

// knownInverteds are torchvision's.
var knownInverteds = []knownInverted{
	{"mobilenet_v2", "mobilenet_v2", 32, 1280, []int{16, 24, 32, 64, 96, 160, 320}, []int{1, 6, 6, 6, 6, 6, 6}, nil, nil, 1e-5, nil},
	{"mobilenet_v3_large", "mobilenet_v3_large", 16, 960, []int{16, 24, 40, 80, 112, 160}, nil, []int{16, 64, 72, 72, 120, 120, 240, 200, 184, 184, 480, 672, 672, 960, 960}, nil, 1e-3, []int{1280}},
	{"mobilenet_v3_small", "mobilenet_v3_small", 16, 576, []int{16, 24, 40, 48, 96}, nil, []int{16, 72, 88, 96, 240, 240, 120, 144, 288, 576, 576}, nil, 1e-3, []int{1024}},
	scaled("efficientnet_b0", 1, 1, 1e-5),
	scaled("efficientnet_b1", 1, 1.1, 1e-5),
	scaled("efficientnet_b2", 1.1, 1.2, 1e-5),
	scaled("efficientnet_b3", 1.2, 1.4, 1e-5),
	scaled("efficientnet_b4", 1.4, 1.8, 1e-5),
	scaled("efficientnet_b5", 1.6, 2.2, 1e-3),
	scaled("efficientnet_b6", 1.8, 2.6, 1e-3),
	scaled("efficientnet_b7", 2, 3.1, 1e-3),
	{"efficientnet_v2_s", "efficientnet_v2", 24, 1280, []int{24, 48, 64, 128, 160, 256}, []int{1, 4, 4, 4, 6, 6}, nil, nil, 1e-3, nil},
	{"efficientnet_v2_m", "efficientnet_v2", 24, 1280, []int{24, 48, 80, 160, 176, 304, 512}, []int{1, 4, 4, 4, 6, 6, 6}, nil, nil, 1e-3, nil},
	{"efficientnet_v2_l", "efficientnet_v2", 32, 1280, []int{32, 64, 96, 192, 224, 384, 640}, []int{1, 4, 4, 4, 6, 6, 6}, nil, []int{4, 7, 7, 10, 19, 25, 7}, 1e-3, nil},
}

// of is the family of a row.
func (k *knownInverted) of() *invertedFamily {
	return &invertedFamilies[slices.IndexFunc(invertedFamilies, func(f invertedFamily) bool {
		return f.name == k.family && strings.Count(f.stages, " ") == len(k.out)-1
	})]
}

// form is the network of a row.
func (k *knownInverted) form() *net {
	f, depth := k.of(), k.depth
	if depth == nil {
		depth = f.depth
	}
	n := &invertedNet{in: 3, stem: k.stem, head: k.head}
	in, inner := k.stem, k.inner
	for i, token := range strings.Fields(f.stages) {
		var blocks []invertedBlock
		for range depth[i] {
			b := invertedBlock{form: token[0], kernel: int(token[len(token)-3] - '0'), out: k.out[i]}
			if inner != nil { // MobileNetV3
				b.inner, inner = inner[0], inner[1:]
				b.squeeze = eighths(float64(b.inner / 4))
			} else {
				b.inner, b.squeeze = in*k.ratio[i], max(in/4, 1)
			}
			if b.form == 'c' {
				b.inner = b.out
			}
			in = b.out
			blocks = append(blocks, b)
		}
		n.stages = append(n.stages, blocks)
	}
	net := newInverted(f, n)
	for c := range net.convs() {
		c.eps = k.eps
	}
	return net
}
