package zoo

import (
	"fmt"
	"slices"
	"strings"
)

// measureResNet reads a ResNet off names and shapes. The error says what is in the way.
func (m *matcher) measureResNet(t *trunk) (*resnet, error) {
	r := &resnet{}
	if err := m.measureStem(t, r); err != nil {
		return nil, err
	}
	in := r.stem[len(r.stem)-1].out
	for stage := 1; m.shape(t.prefix+t.block(stage, 0)+"."+t.conv.of(1)+".weight") != nil; stage++ {
		var blocks []block
		for i := 0; ; i++ {
			at := t.prefix + t.block(stage, i) + "."
			if m.shape(at+t.conv.of(1)+".weight") == nil {
				break
			}
			b, err := m.measureBlock(t, fmt.Sprintf("layer%d.%d", stage, i), at, in)
			if err != nil {
				return nil, err
			}
			in = b.convs[len(b.convs)-1].out
			if m.shape(at+caffeGate+".fc1.weight") != nil {
				r.caffe, b.rectified = true, len(b.convs) == 2
			}
			blocks = append(blocks, b)
		}
		r.stages = append(r.stages, blocks)
	}
	return r, nil
}

// measureStem reads the first convolution, or the three of a deep stem.
func (m *matcher) measureStem(t *trunk, r *resnet) error {
	for _, s := range stems {
		first, norm := t.prefix+s[0], t.prefix+s[1]
		switch {
		case len(m.shape(first+".weight")) == 4 && m.normed(first, norm):
			c, err := m.conv("conv1", first, "bn1", norm, 0)
			r.stem = []conv{c}
			return err
		case len(m.shape(first+".0.weight")) == 4 && len(m.shape(first+".3.weight")) == 4:
			in := 0
			for i := range 3 {
				at := fmt.Sprintf("%s.%d", first, 3*i+1)
				if i == 2 && !m.isNorm(at) {
					at = norm
				}
				c, err := m.conv(deepConv(i), fmt.Sprintf("%s.%d", first, 3*i), deepNorm(i, 3), at, in)
				if err != nil {
					return err
				}
				r.stem = append(r.stem, c)
				in = c.out
			}
			return nil
		}
	}
	for _, s := range stems {
		first, norm := t.prefix+s[0], t.prefix+s[1]
		if m.shape(first+".weight") == nil {
			continue
		}
		if m.shape(norm+".weight") == nil {
			return m.errorf("%q is there but no normalisation %q after it: a network with pre-activation (ResNet v2)?", first+".weight", norm)
		}
		return m.errorf("%q: no running mean and variance: group norm, or a file without buffers (named_parameters() in place of state_dict())", norm)
	}
	return m.errorf("the residual blocks %q have no stem: no %q, nor any other that is known", t.prefix+t.block(1, 0)+".*", t.prefix+stems[0][0]+".weight")
}

// measureBlock reads a residual block whose tensors' names begin with at.
func (m *matcher) measureBlock(t *trunk, name, at string, in int) (block, error) {
	var b block
	from := in
	fail := func(err error) (block, error) { // a part that is known says more
		for _, other := range m.below(at) {
			if what := partOf(strings.TrimPrefix(other, m.prefix)); what != "" {
				return b, m.errorf("%q is in a residual block: %s cannot be run", clip(other), what)
			}
		}
		return b, err
	}
	for k := 1; m.shape(at+t.conv.of(k)+".weight") != nil; k++ {
		c, err := m.conv(fmt.Sprintf("%s.conv%d", name, k), at+t.conv.of(k), fmt.Sprintf("%s.bn%d", name, k), at+t.norm.of(k), from)
		if err != nil {
			return fail(err)
		}
		from = c.out
		b.convs = append(b.convs, c)
	}
	var kernels []int
	for _, c := range b.convs {
		kernels = append(kernels, c.kernel)
	}
	if !slices.Equal(kernels, []int{3, 3}) && !slices.Equal(kernels, []int{1, 3, 1}) {
		return fail(m.errorf("%q: convolutions of kernel sizes %v; a ResNet's blocks have 3 3 (basic) or 1 3 1 (bottleneck)", at+"*", kernels))
	}
	var err error
	if b.gate, err = m.measureGate(name, at, from); err != nil {
		return fail(err)
	}
	if b.shortcut, err = m.measureShortcut(name, at, in); err != nil {
		return fail(err)
	}
	if b.shortcut != nil && b.shortcut.out != from {
		return fail(m.errorf("%q: %d channels, the block's convolutions give %d", m.paths[b.shortcut.name]+".weight", b.shortcut.out, from))
	}
	if b.shortcut == nil && from != in {
		return fail(m.errorf("%q: %d channels come in and %d go out, but no shortcut convolution is there: shortcuts without parameters (option A of the ResNet paper, e.g. akamaster's CIFAR networks) cannot be run", at+"*", in, from))
	}
	return b, nil
}

// gateNames are the two layers of a block's gate: timm's, and those of the first SE-ResNets.
var gateNames = [][2]string{{"se.fc1", "se.fc2"}, {caffeGate + ".fc1", caffeGate + ".fc2"}}

const caffeGate = "se_module"

// measureGate reads the gate behind a block of so many channels, nil where there is none.
func (m *matcher) measureGate(name, at string, channels int) (*gate, error) {
	for _, n := range gateNames {
		shape := m.shape(at + n[0] + ".weight")
		if len(shape) != 4 {
			continue
		}
		g := newGate(name+".se", channels, shape[0])
		for i, c := range []*conv{&g.squeeze, &g.excite} {
			got, err := m.conv(c.name, at+n[i], "", "", c.in)
			if err != nil {
				return nil, err
			}
			if got.out != c.out || got.kernel != 1 || got.groups != 1 {
				return nil, m.errorf("%q: shape %v, want [%d %d 1 1] in a gate", at+n[i]+".weight", m.shape(at+n[i]+".weight"), c.out, c.in)
			}
			c.bias = got.bias
		}
		return g, nil
	}
	return nil, nil
}

// measureShortcut reads the convolution that is left in a block, nil where there is none.
func (m *matcher) measureShortcut(name, at string, in int) (*conv, error) {
	for _, tensor := range m.below(at) {
		path, ok := strings.CutSuffix(tensor, ".weight")
		if !ok || m.used[tensor] || len(m.shape(tensor)) != 4 {
			continue
		}
		for _, s := range shortcuts {
			base, ok := strings.CutSuffix(path, s.conv)
			if !ok || !m.normed(path, base+s.norm) || strings.Contains(base[len(at):], ".") {
				continue
			}
			c, err := m.conv(name+".downsample.0", path, name+".downsample.1", base+s.norm, in)
			if err == nil && s.averaged && c.kernel != 1 {
				err = m.errorf("%q: a %dx%d convolution after an average pooling", tensor, c.kernel, c.kernel)
			}
			c.averaged = s.averaged
			return &c, err
		}
	}
	return nil, nil
}

// conv measures a convolution and its normalisation, by their names in the network and in the
// file, and takes their parameters. in is its number of input channels, 0 of the first one.
func (m *matcher) conv(name, path, norm, normPath string, in int) (conv, error) {
	c := conv{name: name, groups: 1, eps: 1e-5}
	shape := m.shape(path + ".weight")
	if shape == nil {
		return c, m.errorf("%q: missing", path+".weight")
	}
	if len(shape) != 4 || shape[2] != shape[3] || slices.Min(shape) < 1 || shape[2] > 16 || shape[0] > maxChannels || shape[1] > maxChannels {
		return c, m.errorf("%q: shape %v, want [out in k k] of a convolution", path+".weight", shape)
	}
	if !m.floats(path + ".weight") {
		return c, m.errorf("%q: whole numbers, not weights: a quantised network? save it before quantisation", path+".weight")
	}
	c.out, c.in, c.kernel = shape[0], shape[1], shape[2]
	c.stride, c.pad = 1, c.kernel/2
	if in > 0 {
		if c.in == 0 || in%c.in != 0 || c.out%(in/c.in) != 0 {
			return c, m.errorf("%q: shape %v takes %d channels, %d come in", path+".weight", shape, c.in, in)
		}
		c.groups, c.in = in/c.in, in
	}
	if bias := m.shape(path + ".bias"); bias != nil {
		if !equal(bias, shape[:1]) {
			return c, m.errorf("%q: shape %v, want [%d]", path+".bias", bias, c.out)
		}
		c.bias = true
	}
	m.take(name, path)
	if norm == "" {
		return c, nil
	}
	if m.shape(normPath+".running_mean") == nil && m.shape(normPath+".weight") == nil && c.bias {
		return c, nil // folded into the convolution
	}
	plain, err := m.normOf(normPath, c.in, c.out)
	if err != nil {
		return c, err
	}
	c.norm, c.plain = norm, plain
	m.take(norm, normPath)
	return c, nil
}

// normOf checks a batch normalisation of so many channels, behind a convolution of in channels (0:
// behind none), and says whether it has no weight and bias.
func (m *matcher) normOf(path string, in, channels int) (plain bool, err error) {
	mean, weight, bias := m.shape(path+".running_mean"), m.shape(path+".weight"), m.shape(path+".bias")
	switch {
	case mean == nil && weight == nil && in > 0:
		return false, m.errorf("%q: missing, and its convolution has no bias", path+".weight")
	case mean == nil && weight == nil:
		return false, m.errorf("%q: missing", path+".weight")
	case mean == nil:
		return false, m.errorf("%q: missing, %q is there: group norm, or a file without buffers (named_parameters() in place of state_dict())", path+".running_mean", path+".weight")
	}
	for _, s := range []struct {
		suffix string
		shape  []int
	}{{".running_mean", mean}, {".running_var", m.shape(path + ".running_var")}, {".weight", weight}, {".bias", bias}} {
		if s.shape == nil && weight == nil && bias == nil {
			continue // affine=False
		}
		if equal(s.shape, []int{in}) && in != channels {
			return false, m.errorf("%q: the channels that come in, not the %d that go out: a network with pre-activation (ResNet v2)?", path+s.suffix, channels)
		}
		if s.shape == nil || !equal(s.shape, []int{channels}) {
			return false, m.errorf("%q: shape %v, want [%d]", path+s.suffix, s.shape, channels)
		}
	}
	return weight == nil, nil
}

// maxChannels bounds what a file may ask for.
const maxChannels = 1 << 16

// isNorm says that a path is a batch normalisation.
func (m *matcher) isNorm(path string) bool { return len(m.shape(path+".running_mean")) == 1 }

// normed says that a convolution has a normalisation after it, or one was folded into it.
func (m *matcher) normed(conv, norm string) bool {
	return m.isNorm(norm) || m.shape(norm+".weight") == nil && m.shape(conv+".bias") != nil
}

// take notes that the parameters of a layer in the file are those of one in the network.
func (m *matcher) take(name, path string) {
	m.paths[name] = path
	for _, suffix := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
		if p := m.params[path+suffix]; p != nil {
			m.names[name+suffix] = p
			m.used[path+suffix] = true
		}
	}
}
