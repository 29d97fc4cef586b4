package zoo

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cwox/nn"
)

// settleNet decides what shapes do not tell of a net: by the user's settings, the layers of a
// whole module, the configuration, and else by what the publishers of the spelling do.
func (m *matcher) settleNet(n *net, at *place) error {
	set, s := m.spec.Settings, at.kind.names
	// What torchvision publishes with another eps than the others of its spelling.
	if i := slices.IndexFunc(knownInverteds, func(k knownInverted) bool { return k.name == n.title(at.family) }); i >= 0 && at.kind.spelling == "torchvision" {
		n.setEps(knownInverteds[i].eps)
	} else if s != nil {
		n.setEps(s.eps)
	}
	same := m.padsSame(n, at)
	for c := range n.convs() {
		c.same = same
	}
	if same {
		n.setEps(1e-3)
	}
	told, all := 0, 0
	for c := range n.convs() {
		ok, err := m.says.conv(c, at.path(c.name), at.path(c.norm))
		if err != nil {
			return m.errorf("%w", err)
		}
		all++
		if ok {
			told++
		}
	}
	for p := range n.priors() {
		if err := m.says.norm(&p.eps, at.path(p.norm)); err != nil {
			return m.errorf("%w", err)
		}
	}
	if err := m.poolings(n, at); err != nil {
		return err
	}
	if s := set["eps"]; s != "" {
		eps, _ := strconv.ParseFloat(s, 64)
		n.setEps(eps)
	}
	if act, ok := map[string]nn.Activation{"relu": actReLU, "relu6": actReLU6, "silu": actSiLU, "hardswish": actHardSwish}[set["act"]]; ok && s != nil {
		each(n.units, func(u unit) bool {
			if l, ok := u.(*layer); ok && l.act.Function != none.Function {
				l.act = act
			}
			return true
		})
	}
	var classes []string
	for _, f := range n.functions() {
		classes = append(classes, classesOf[f]...)
	}
	if err := m.says.config.check(classes); err != nil {
		return m.errorf("%w", err)
	}
	m.assumeNet(n, at, told == all || m.says.config.given)
	return nil
}

// padsSame says whether convolutions pad as TensorFlow's do: those of the package
// efficientnet_pytorch, and in timm networks that were ported, which have the same tensors as its
// own. Of some it publishes no others.
func (m *matcher) padsSame(n *net, at *place) bool {
	if pad := m.spec.Settings["pad"]; pad != "" {
		return pad == "same"
	}
	if base, _, _ := strings.Cut(m.says.config.Architecture, "."); base != "" {
		return strings.HasPrefix(base, "tf_") || strings.HasSuffix(base, "_pruned")
	}
	s := at.kind.names
	return s != nil && (s.same || s.name == "timm" && onlyPorted(n.title(at.family)))
}

// onlyPorted says that timm publishes a network with weights from TensorFlow alone.
func onlyPorted(name string) bool {
	return slices.Contains([]string{"efficientnet_b6", "efficientnet_b7", "efficientnet_v2_s", "efficientnet_v2_m", "efficientnet_v2_l"}, name)
}

// ports are the families of which timm has ported networks.
var ports = []string{"efficientnet", "efficientnet_lite", "efficientnet_v2", "mobilenet_v3_large", "mobilenet_v3_small"}

// setEps gives all normalisations the same epsilon.
func (n *net) setEps(eps float64) {
	for c := range n.convs() {
		c.eps = eps
	}
	for p := range n.priors() {
		p.eps = eps
	}
}

// poolings takes those of a whole module.
func (m *matcher) poolings(n *net, at *place) error {
	if m.says.modules == nil {
		return nil
	}
	for _, p := range n.pools() {
		path := at.path(p.called)
		switch l, ok := m.says.modules[path]; {
		case !ok:
		case class(l) == "MaxPool2d" && !p.average:
			got, err := maxPoolOf(path, l)
			if err != nil {
				return m.errorf("%w", err)
			}
			p.Pool = *got
		case class(l) != "AvgPool2d" || !p.average:
			return m.errorf("%q is a %s, where a %s has a pooling", clip(path), clip(l.Class), at.family)
		}
	}
	return nil
}

// assumeNet lists what nothing decided.
func (m *matcher) assumeNet(n *net, at *place, told bool) {
	if told {
		return
	}
	set, s := m.spec.Settings, at.kind.names
	_, unknown := Lookup(n.title(at.family))
	eps, normed := 0.0, false
	for c := range n.convs() {
		if c.norm != "" {
			eps, normed = c.eps, true
		}
	}
	if normed && set["eps"] == "" {
		other := "eps=1e-3"
		if eps == 1e-3 {
			other = "eps=1e-5"
		}
		m.assume(Assumption{What: "eps", Taken: fmt.Sprintf("%g in every batch normalisation, as its publishers have it", eps), Setting: other})
	}
	switch {
	case s == nil:
		m.assume(Assumption{What: "activation and pooling", Taken: "those of " + at.family + ": ReLU, and a pooling where tensors leave out a number", Warn: unknown != nil && at.family == "vgg"})
		return
	case set["pad"] != "":
	case s.name == "timm" && m.padsSame(n, at):
		m.assume(Assumption{What: "pad", Taken: "TensorFlow's \"SAME\", and eps 1e-3, as in timm's ported network (tf_...), the only one published", Setting: "pad=symmetric", Warn: true})
	case s.name == "timm" && slices.Contains(ports, at.family):
		m.assume(Assumption{What: "pad", Taken: "the padding and eps of timm's own networks: those ported from TensorFlow (tf_...) have the same tensors", Setting: "pad=same", Warn: true})
	case s.same:
		m.assume(Assumption{What: "pad", Taken: "\"SAME\", for the size of the input", Setting: "pad=symmetric"})
	}
	if set["act"] == "" {
		m.assume(Assumption{What: "activation", Taken: "that of a " + at.family + ", which forms and kernels of its blocks tell", Setting: "act=relu"})
	}
}
