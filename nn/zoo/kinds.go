package zoo

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cwox/nn"
	"cwox/nn/vision"
)

// kind is a way in which files hold a net.
type kind struct {
	family, spelling string
	// anchors are ends of names of tensors of which all files have one, and what stands before it
	// is before the names of all tensors of the trunk; root is that where nothing else is: in
	// torchvision's files "features.". trunk is what follows it everywhere but in the first and
	// last layer.
	anchors     []string
	root, trunk string
	is          func(m *matcher, root string) bool // nil: the anchor is enough
	measure     func(m *matcher, at *place) (*net, error)
	rename      func(name string) string // of a layer behind the root, into the file's; nil: as it is
	// heads are the layers of the heads that the network is published with; the names of the first
	// are those of the network built.
	heads [][]string
	// late says that the single layer is a convolution, and a ReLU and the mean come after it.
	late bool
	// adaptive is the side of the map that the head takes, to which larger ones are pooled.
	adaptive int
	names    *invertedSpelling
}

// kinds is all there are.
var kinds = append([]kind{
	{family: "vgg", spelling: "torchvision", anchors: []string{"0.weight"}, root: "features.", is: begins(3), measure: (*matcher).measureVGG, adaptive: 7,
		heads: [][]string{{"classifier.0", "classifier.3", "classifier.6"}, {"pre_logits.fc1", "pre_logits.fc2", "head.fc"}}},
	{family: "alexnet", spelling: "torchvision", anchors: []string{"0.weight"}, root: "features.", is: begins(alexKernel), measure: (*matcher).measureVGG, adaptive: 6,
		heads: [][]string{{"classifier.1", "classifier.4", "classifier.6"}}},
	{family: "squeezenet", spelling: "torchvision", anchors: []string{"3.squeeze.weight"}, root: "features.", measure: (*matcher).measureSqueezeNet, late: true,
		heads: [][]string{{"classifier.1"}}},
	{family: "densenet", spelling: "torchvision", anchors: []string{"denseblock1.denselayer1.conv1.weight"}, root: "features.", measure: (*matcher).measureDenseNet,
		heads: [][]string{{"classifier"}}},
	{family: "densenet", spelling: "torchvision before 0.4", anchors: []string{"denseblock1.denselayer1.conv.1.weight"}, root: "features.", measure: (*matcher).measureDenseNet,
		rename: replaceAll(`(norm|conv)([12])$`, "$1.$2"), heads: [][]string{{"classifier"}}},
}, invertedKinds()...)

// invertedKinds are those of the spellings of inverted residual blocks.
func invertedKinds() []kind {
	var out []kind
	for i := range invertedSpellings {
		s := &invertedSpellings[i]
		stem, _, _ := strings.Cut(s.stem, "/")
		k := kind{family: "inverted residual", spelling: s.name, is: func(m *matcher, root string) bool { return len(m.shape(root+stem+".weight")) == 4 }, anchors: s.anchors, root: s.root, trunk: s.trunk(), measure: (*matcher).measureInverted, heads: s.heads, names: s}
		if s.root != "" {
			k.spelling = "torchvision"
		}
		out = append(out, k)
	}
	return out
}

// begins says of names below a root that the first is a convolution of such a kernel, and that
// so many more follow directly that it is no stem.
func begins(kernel int) func(m *matcher, root string) bool {
	return func(m *matcher, root string) bool {
		last := root[strings.LastIndexByte(strings.TrimSuffix(root, "."), '.')+1:]
		if _, err := strconv.Atoi(strings.TrimSuffix(last, ".")); root != "" && last != "features." && err != nil {
			return false
		}
		n := 0
		for i := range 64 {
			if s := m.shape(root + strconv.Itoa(i) + ".weight"); len(s) == 4 {
				n++
			}
		}
		s := m.shape(root + "0.weight")
		return n >= 5 && len(s) == 4 && s[2] == kernel
	}
}

// replaceAll renames by a regular expression.
func replaceAll(pattern, with string) func(string) string {
	re := regexp.MustCompile(pattern)
	return func(name string) string { return re.ReplaceAllString(name, with) }
}

// path is the name of a layer of the net in the file.
func (at *place) path(name string) string {
	if p, ok := at.paths[name]; ok {
		return p
	}
	name = strings.TrimPrefix(name, at.kind.root)
	if at.kind.rename != nil {
		name = at.kind.rename(name)
	}
	return at.root + name
}

// inTrunk says that a name is of a layer between the first and the last of the trunk.
func (m *matcher) inTrunk(at *place, name string) bool {
	if at.kind == nil {
		return at.trunk != nil && m.inBlocks(at.trunk, name)
	}
	before := at.root + at.kind.trunk
	return before != "" && strings.HasPrefix(name, before)
}

// matchNet measures the net of a place, takes its parameters and settles the rest.
func (m *matcher) matchNet(at *place) (*Arch, error) {
	n, err := at.kind.measure(m, at)
	if err == nil {
		err = m.checkSpec(at.family)
	}
	if err == nil {
		err = m.adopt(n, at)
	}
	if err == nil {
		err = m.strange(at)
	}
	if err == nil {
		err = m.settleNet(n, at)
	}
	if err != nil {
		return nil, err
	}
	a, err := m.arch(at, n, at.kind.heads[0], inputOf(n.title(at.family)))
	if err == nil && at.family == "vgg" && a.head.pool == flat && !a.head.adaptive {
		if side := a.head.side << len(n.pools()); side <= 1<<10 { // else the last map is not what the head takes
			a.Transform.Width, a.Transform.Height = side, side
		}
	}
	return a, err
}

// adopt takes the parameters of a net from the file, which must have its shapes. Biases and
// normalisations are as they are there.
func (m *matcher) adopt(n *net, at *place) error {
	first := true
	for c := range n.convs() {
		in := c.in
		if first {
			in, first = 0, false
		}
		got, err := m.conv(c.name, at.path(c.name), c.norm, at.path(c.norm), in)
		if err != nil {
			return err
		}
		if got.out != c.out || got.in != c.in || got.kernel != c.kernel || got.groups != c.groups {
			return m.errorf("%q: shape %v, want [%d %d %d %d] in a %s", at.path(c.name)+".weight", m.shape(at.path(c.name)+".weight"), c.out, c.in/c.groups, c.kernel, c.kernel, at.family)
		}
		c.bias, c.norm, c.plain = got.bias, got.norm, got.plain
	}
	for p := range n.priors() {
		path := at.path(p.norm)
		plain, err := m.normOf(path, 0, p.channels)
		if err != nil {
			return err
		}
		p.plain = plain
		m.take(p.norm, path)
	}
	return nil
}

// title is the usual name of a net of the family, or one that tells its width.
func (n *net) title(family string) string {
	for _, a := range archs {
		if k, ok := a.body.(*net); ok && k.key() == n.key() {
			return a.Name
		}
	}
	return family + "-w" + strconv.Itoa(n.out)
}

// inputOf is the input of a published network: torchvision's for most, for which vision.Paper
// stands.
func inputOf(name string) vision.Transform {
	k, ok := map[string]struct {
		side, resize int
		bilinear     bool
		half         bool // mean and deviation are 0.5
	}{
		"efficientnet_b0": {side: 224, resize: 256}, "efficientnet_b1": {side: 240, resize: 256}, "efficientnet_b2": {side: 288, resize: 288},
		"efficientnet_b3": {side: 300, resize: 320}, "efficientnet_b4": {side: 380, resize: 384}, "efficientnet_b5": {side: 456, resize: 456},
		"efficientnet_b6": {side: 528, resize: 528}, "efficientnet_b7": {side: 600, resize: 600},
		"efficientnet_v2_s": {side: 384, resize: 384, bilinear: true}, "efficientnet_v2_m": {side: 480, resize: 480, bilinear: true}, "efficientnet_v2_l": {side: 480, resize: 480, half: true},
	}[name]
	if !ok {
		return vision.Paper
	}
	t, _ := vision.Preset("torchvision", 3, k.side, k.side)
	t.Resize = vision.Resize{Short: k.resize}
	if !k.bilinear {
		t.Interpolation = vision.Bicubic
	}
	if k.half {
		t.Mean, t.Std = []float32{.5, .5, .5}, []float32{.5, .5, .5}
	}
	return t
}

// functions are the element-wise functions that a net runs.
func (n *net) functions() []nn.Function {
	var out []nn.Function
	each(n.units, func(u unit) bool {
		switch u := u.(type) {
		case *layer:
			out = append(out, u.act.Function)
		case *gate:
			out = append(out, u.act.Function, u.sigmoid.Function)
		case *prior:
			out = append(out, nn.ReLU)
		}
		return true
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// knownNets are torchvision's networks, and those of other publishers that have their names.
func knownNets() []*Arch {
	var out []*Arch
	add := func(family, name string, n *net, widths ...int) {
		k := &kinds[slices.IndexFunc(kinds, func(k kind) bool { return k.family == family })]
		a := newArch(name, inputOf(name), n, k.heads[0]...)
		a.head = k.head(n.out, widths, "ReLU")
		out = append(out, a)
	}
	for _, name := range slices.Sorted(maps.Keys(knownVGGs)) {
		add("vgg", name, newVGG(3, vggLayers(knownVGGs[name], false)), 4096, 4096)
		add("vgg", name+"_bn", newVGG(3, vggLayers(knownVGGs[name], true)), 4096, 4096)
	}
	add("alexnet", "alexnet", newVGG(3, alexLayers), 4096, 4096)
	for _, k := range knownSqueezeNets {
		add("squeezenet", k.name, newSqueezeNet(3, k.stem, k.kernel, squeezeWidths(k.pools)))
	}
	for _, k := range knownDenseNets {
		add("densenet", k.name, newDenseNet(3, k.stem, denseBlocks(k.growth, k.stem, k.depth)))
	}
	for i := range knownInverteds {
		k := &knownInverteds[i]
		f := k.of()
		j := slices.IndexFunc(kinds, func(k kind) bool { return k.names == spellingOf(f.names) })
		n := k.form()
		a := newArch(k.name, inputOf(k.name), n, kinds[j].heads[0]...)
		a.head = kinds[j].head(n.out, k.hidden, f.between())
		out = append(out, a)
	}
	return out
}

// head is the published one on a last map of so many channels, with hidden layers of the widths
// and what stands between them.
func (k *kind) head(in int, widths []int, between string) head {
	names := k.heads[0]
	h := head{last: names[len(names)-1], late: k.late}
	if k.adaptive > 0 {
		h.pool, h.side, h.adaptive = flat, k.adaptive, true
		in *= k.adaptive * k.adaptive
	}
	for i, out := range append(slices.Clone(widths), 0) {
		h.layers = append(h.layers, headLayer{kind: "Linear", name: names[i], in: in, out: out, bias: true})
		if out > 0 {
			h.layers = append(h.layers, headLayer{kind: between, name: names[i] + ".relu", in: out, out: out})
		}
		in = out
	}
	return h
}
