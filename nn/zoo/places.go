package zoo

import (
	"fmt"
	"slices"
	"strings"
)

// place is where a network was found in the file.
type place struct {
	prefix   string
	family   string
	spelling string
	trunk    *trunk // of a ResNet
	kind     *kind  // of a net, whose trunk's names begin with root; paths are layers in the file that are not called so
	root     string
	paths    map[string]string
}

// anchors of the families that have one spelling: a tensor that all have.
var anchors = []struct{ family, name string }{
	{"googlenet", "inception3a.branch1.conv.weight"},
	{"googlenet-caffe", "inception_3a_1x1.weight"},
}

// places are all networks in the file.
func (m *matcher) places() []*place {
	var out []*place
	for _, t := range m.trunks() {
		out = append(out, &place{prefix: t.prefix, family: "resnet", spelling: t.spelling, trunk: &t})
	}
	for _, a := range anchors {
		for _, name := range m.order {
			if prefix, ok := strings.CutSuffix(name, a.name); ok && len(out) < maxNetworks && (prefix == "" || strings.HasSuffix(prefix, ".")) {
				out = append(out, &place{prefix: prefix, family: a.family, spelling: "torchvision"})
			}
		}
	}
	for i := range kinds {
		k := &kinds[i]
		for _, name := range m.order {
			for _, anchor := range k.anchors {
				root, ok := strings.CutSuffix(name, anchor)
				if !ok || len(out) >= maxNetworks || root != "" && !strings.HasSuffix(root, ".") || len(m.shape(name)) != 4 || k.is != nil && !k.is(m, root) {
					continue
				}
				prefix := root
				if k.root != "" && (root == k.root || strings.HasSuffix(root, "."+k.root)) {
					prefix = strings.TrimSuffix(root, k.root)
				}
				out = append(out, &place{prefix: prefix, family: k.family, spelling: k.spelling, kind: k, root: root, paths: map[string]string{}})
			}
		}
	}
	return out
}

// choose picks one of the networks.
func (m *matcher) choose(places []*place) (*place, error) {
	want, given := m.spec.Settings["prefix"]
	if given {
		want = strings.Trim(want, ".")
		var fit []*place
		for _, p := range places {
			if strings.TrimSuffix(p.prefix, ".") == want {
				return p, nil
			}
			if strings.HasPrefix(p.prefix, want+".") {
				fit = append(fit, p)
			}
		}
		if len(fit) == 1 {
			return fit[0], nil
		}
		return nil, m.errorf("--model setting prefix=%s: %s there; %s", want, plural(len(fit), "network is", "networks are"), prefixes(places))
	}
	own := slices.DeleteFunc(slices.Clone(places), func(p *place) bool { return aside(p.prefix) })
	if len(own) == 0 {
		own = places
	}
	if len(own) > 1 && m.same(own) {
		own = own[:1]
	}
	switch len(own) {
	case 0:
		return nil, nil
	case 1:
		return own[0], nil
	}
	var options []string
	for _, p := range own[:min(len(own), 4)] {
		options = append(options, m.spec.with("prefix", distinct(p, own)))
	}
	return nil, m.errorf("%d networks are in the file; %s: choose one with %s", len(own), prefixes(own), strings.Join(options, " or "))
}

// prefixes names the networks.
func prefixes(places []*place) string {
	var names []string
	for _, p := range places {
		names = append(names, fmt.Sprintf("%q (%s)", clip(p.prefix+"*"), p.family))
	}
	return "the names begin with " + list(names, 6)
}

// distinct is the shortest part of a prefix that the others do not share, "." for none.
func distinct(p *place, all []*place) string {
	parts := strings.Split(strings.TrimSuffix(p.prefix, "."), ".")
	for n := 1; n <= len(parts); n++ {
		start := strings.Join(parts[:n], ".")
		alone := start != ""
		for _, o := range all {
			alone = alone && (o == p || !strings.HasPrefix(o.prefix, start+"."))
		}
		if alone {
			return start
		}
	}
	if p.prefix == "" {
		return "."
	}
	return strings.TrimSuffix(p.prefix, ".")
}

// same says whether networks are one that has several names: the same values below all
// prefixes (a module that is an attribute twice).
func (m *matcher) same(places []*place) bool {
	first := places[0].prefix
	for _, p := range places[1:] {
		if first == "" || p.prefix == "" || p.family != places[0].family {
			return false
		}
		n := 0
		for _, name := range m.order {
			rest, ok := strings.CutPrefix(name, first)
			if !ok {
				continue
			}
			a, b := m.params[name], m.params[p.prefix+rest]
			if b == nil || !equal(a.shape, b.shape) || len(a.parts) != 1 || len(b.parts) != 1 {
				return false
			}
			x, _ := m.file.Tensor(a.parts[0])
			y, _ := m.file.Tensor(b.parts[0])
			vx, errX := x.Bytes()
			vy, errY := y.Bytes()
			if errX != nil || errY != nil || string(vx) != string(vy) {
				return false
			}
			n++
		}
		if n == 0 {
			return false
		}
	}
	return true
}

// exclude keeps the names of other networks, and what the user says to ignore, from being
// looked at.
func (m *matcher) exclude(at *place, places []*place) {
	for _, p := range places {
		if p != at {
			if d := distinct(p, places); d != "." && !strings.HasPrefix(at.prefix, d+".") {
				m.away = append(m.away, d)
			} else {
				m.within = distinct(at, places) + "."
			}
		}
	}
	if s := m.spec.Settings["ignore"]; s != "" {
		m.away = append(m.away, strings.TrimSuffix(s, "."))
	}
}
