package zoo

import (
	"regexp"
	"strings"
)

// words in the names of what stands beside a classifier: losses, margins, metrics, parts of
// training. BVLC's loss3_classifier is the head, the two before it are auxiliary.
var words = regexp.MustCompile(`(^|[._])(aux|loss([12_.]|$)|losses|lossfn|criteri|arc_?face|cos_?face|sphere_?face|(arc_?)?margin|projector|projection|proj_head|predictor|queue|metric|decoder|discriminator|generator|momentum|perceptual|lpips)`)

// aside says that a name is of something beside a classifier.
func aside(name string) bool { return words.MatchString(strings.ToLower(name)) }

// beside says that a name may be a part of the network beside its trunk.
func (m *matcher) beside(name string) bool {
	return !m.elsewhere(name) && !aside(name[m.shared(name):])
}

// elsewhere says that a name is of another network, or to be ignored.
func (m *matcher) elsewhere(name string) bool {
	if !strings.HasPrefix(name, m.within) {
		return true
	}
	for _, p := range m.away {
		if name == p || strings.HasPrefix(name, p+".") {
			return true
		}
	}
	return false
}

// shared is how much of a name are components that the trunk's prefix begins with, too.
func (m *matcher) shared(name string) int {
	n := 0
	for i := 0; i < min(len(name), len(m.prefix)) && name[i] == m.prefix[i]; i++ {
		if name[i] == '.' {
			n = i + 1
		}
	}
	return n
}

// strange finds tensors that change what the network computes and are not known: any other
// in a residual block or in the trunk of a net, and convolutions beside it that are not of
// something aside.
func (m *matcher) strange(at *place) error {
	where := "a residual block"
	if at.kind != nil {
		where = "the trunk of a " + at.family
	}
	for _, name := range m.order {
		if m.used[name] || strings.HasSuffix(name, ".num_batches_tracked") || m.headConv(strings.TrimSuffix(name, ".weight")) {
			continue
		}
		if m.inTrunk(at, name) {
			if what := partOf(strings.TrimPrefix(name, m.prefix)); what != "" {
				return m.errorf("%q is in %s: %s cannot be run", clip(name), where, what)
			}
			return m.errorf("%q, shape %v, is in %s, and not known there", clip(name), m.shape(name), where)
		}
		if len(m.shape(name)) >= 3 && strings.HasSuffix(name, ".weight") && m.beside(name) {
			what := partOf(strings.TrimPrefix(name, m.prefix))
			if what != "" {
				what = " (" + what + "?)"
			}
			return m.errorf("%q, shape %v, stands beside the trunk and is not known%s; if it takes no part in classification, say %s", clip(name), m.shape(name), what, m.spec.with("ignore", strings.TrimSuffix(m.root(name), ".*")))
		}
	}
	return nil
}

// between finds layers that stand between the trunk and the logits, or may, and cannot be run:
// parameters below a head's name that none of its layers has, normalisations of the last map
// or of a layer's outputs without running statistics, recurrent layers and attention.
func (m *matcher) between(h *head) error {
	roots, widths := map[string]bool{}, map[int]bool{}
	for _, l := range h.layers {
		widths[l.in] = true
		if l.path != "" {
			roots[m.root(l.path)] = true
		}
	}
	for _, name := range m.order {
		if m.used[name] || !m.beside(name) || strings.HasSuffix(name, ".num_batches_tracked") {
			continue
		}
		shape := m.shape(name)
		base, isWeight := strings.CutSuffix(name, ".weight")
		switch {
		case strings.HasSuffix(name, "weight_ih_l0"):
			return m.errorf("%q: a recurrent layer cannot be run", clip(name))
		case strings.HasSuffix(name, "in_proj_weight"):
			return m.errorf("%q: attention behind the trunk cannot be run", clip(name))
		case isWeight && len(shape) == 1 && m.shape(base+".running_mean") == nil &&
			(roots[m.root(base)] || widths[shape[0]] && equal(m.shape(base+".bias"), shape)):
			return m.errorf("%q, shape %v: a layer norm or a PReLU of the head? neither can be run; if it takes no part, say %s", clip(name), shape, m.spec.with("ignore", base))
		}
	}
	return nil
}
