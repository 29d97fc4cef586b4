package zoo

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// chain is a run of layers that may be a head or a part of one: those below one name.
type chain struct {
	root   string // "fc", "classifier", "model.head"
	layers []headLayer
}

// out is the number of outputs.
func (c *chain) out() int { return c.layers[len(c.layers)-1].out }

// linear says that some layer is not a normalisation.
func (c *chain) linear() bool {
	return slices.ContainsFunc(c.layers, func(l headLayer) bool { return l.kind == "Linear" })
}

// Bounds on heads: layers in a chain, heads, chains in all.
const (
	maxHeadLayers = 64
	maxHeads      = 64
	maxChains     = 1024
)

// findHead finds the head of the network of the given prefix whose last map has the given
// number of channels.
func (m *matcher) findHead(channels int, last []string) (*head, error) {
	chosen := m.spec.Settings["head"]
	chains, err := m.chains(chosen != "")
	if err != nil {
		return nil, err
	}
	var heads [][]*chain
	pool, side := meanPool, 1
	for _, try := range m.inputs(chains, channels) {
		heads = paths(chains, try.in)
		if heads != nil {
			pool, side = try.pool, try.side
			break
		}
	}
	if chosen != "" {
		return m.chosenHead(heads, chosen, pool, side, last)
	}
	switch len(heads) {
	case 0:
		return nil, m.noHead(chains, channels)
	case 1:
		return m.newHead(heads[0], pool, side, last)
	}
	var names, options []string
	for _, h := range heads {
		root := h[len(h)-1].root
		names = append(names, fmt.Sprintf("%s (%s)", root, plural(h[len(h)-1].out(), "class", "classes")))
		options = append(options, m.spec.with("head", root))
	}
	return nil, m.errorf("the network has %d heads: %s; choose one with %s", len(heads), list(names, 8), strings.Join(options[:min(len(options), 8)], " or "))
}

// input is a way to take the last map.
type input struct {
	in   int
	pool pooling
	side int
}

// inputs are the ways, in the order in which they are tried: pooled, both pools as fastai,
// flat.
func (m *matcher) inputs(chains []*chain, channels int) []input {
	out := []input{{channels, meanPool, 1}, {2 * channels, concatPool, 1}}
	for _, c := range chains {
		if len(out) == 8 {
			break
		}
		if l := c.layers[0]; l.kind == "Linear" && l.in > channels && l.in%channels == 0 {
			if side := int(math.Round(math.Sqrt(float64(l.in / channels)))); side*side*channels == l.in && side > 1 && side <= 64 {
				out = append(out, input{l.in, flat, side})
			}
		}
	}
	return out
}

// chosenHead is the head that a user names.
func (m *matcher) chosenHead(heads [][]*chain, want string, pool pooling, side int, last []string) (*head, error) {
	want = strings.TrimSuffix(want, ".")
	var names []string
	for _, h := range heads {
		for i, c := range h {
			own := strings.TrimPrefix(c.root, m.prefix)
			if (c.root == want || own == want || strings.HasPrefix(want, own+".")) && c.linear() {
				return m.newHead(h[:i+1], pool, side, last)
			}
			names = append(names, c.root)
		}
	}
	if len(names) == 0 {
		return nil, m.errorf("--model setting head=%s: no head is in the file", want)
	}
	slices.Sort(names)
	return nil, m.errorf("--model setting head=%s: no such head; there are %s", want, list(slices.Compact(names), 8))
}

// noHead says what is in the file instead of a head.
func (m *matcher) noHead(chains []*chain, channels int) error {
	if all, err := m.chains(true); err == nil {
		for _, c := range all {
			if c.linear() && c.layers[0].in == channels {
				return m.errorf("no head: %q takes the %d channels of the last map, but is called like something beside a classifier; if it is the head, say %s", c.layers[0].path+".weight", channels, m.spec.with("head", c.root))
			}
		}
	}
	for _, c := range chains {
		if c.linear() {
			return m.errorf("no head: the last map has %d channels, and no linear layer takes them; %q has shape [%d %d]", channels, c.layers[0].path+".weight", c.layers[0].out, c.layers[0].in)
		}
	}
	return m.errorf("no head: a trunk of %d channels, and %q is missing, or any other linear layer that takes them: a feature extractor? cwox explains classifiers; save the whole network, with its last layer", channels, m.prefix+"fc.weight")
}

// chains collects the linear layers and normalisations beside the trunk, by the name above
// them; all says that those called like a loss or a projector count.
func (m *matcher) chains(all bool) ([]*chain, error) {
	var out []*chain
	byRoot := map[string]*chain{}
	for _, name := range m.tensors.order {
		if m.used[name] || m.elsewhere(name) || !all && !m.beside(name) {
			continue
		}
		var l headLayer
		shape := m.shape(name)
		base, isWeight := strings.CutSuffix(name, ".weight")
		switch {
		case isWeight && (len(shape) == 2 || m.headConv(base)) && slices.Min(shape) > 0:
			l = headLayer{kind: "Linear", path: base, in: 1, out: shape[0]}
			for _, n := range shape[1:] {
				l.in = min(l.in*n, 1<<40)
			}
			if bias := m.shape(base + ".bias"); bias != nil {
				if !equal(bias, shape[:1]) {
					return nil, m.errorf("%q: shape %v, want [%d]", base+".bias", bias, shape[0])
				}
				l.bias = true
			}
			if f := m.tensors.params[name].fold; f != nil && f.what != "pruned" {
				l.note = f.what
			}
		case strings.HasSuffix(name, ".running_mean") && len(shape) == 1 && shape[0] > 0:
			base = strings.TrimSuffix(name, ".running_mean")
			if !equal(m.shape(base+".running_var"), shape) || m.used[base+".weight"] {
				continue
			}
			w := m.shape(base + ".weight")
			if w != nil && len(w) != 1 {
				continue
			}
			l = headLayer{kind: "BatchNorm1d", path: base, in: shape[0], out: shape[0], plain: w == nil, eps: 1e-5}
		default:
			continue
		}
		root := m.root(base)
		c := byRoot[root]
		if c == nil {
			c = &chain{root: root}
			byRoot[root] = c
			out = append(out, c)
		}
		c.layers = append(c.layers, l)
	}
	// Layers below one name that are no chain are several: heads in a ModuleDict.
	var chains []*chain
	for len(out) > 0 && len(chains) < maxChains {
		c := out[0]
		out = out[1:]
		if c.order() {
			chains = append(chains, c)
		} else if len(c.layers) > 1 {
			out = append(c.split(), out...)
		}
	}
	return chains, nil
}

// split divides a chain by the next component of its layers' names.
func (c *chain) split() []*chain {
	var out []*chain
	byRoot := map[string]*chain{}
	at := len(strings.TrimSuffix(c.root, "*"))
	for _, l := range c.layers {
		root := l.path
		if rest := strings.TrimPrefix(l.path[min(at, len(l.path)):], "."); rest != "" {
			next, _, _ := strings.Cut(rest, ".")
			root = l.path[:len(l.path)-len(rest)] + next
		}
		part := byRoot[root]
		if part == nil {
			part = &chain{root: root}
			byRoot[root] = part
			out = append(out, part)
		}
		part.layers = append(part.layers, l)
	}
	if len(out) == 1 && out[0].root == c.root { // cannot be: a path is there once
		return nil
	}
	return out
}

// root is the name above a layer that begins a chain: the first component that is not shared
// with the trunk's prefix. Numbered components are those of one Sequential.
func (m *matcher) root(path string) string {
	n := m.shared(path)
	first, _, _ := strings.Cut(path[n:], ".")
	if _, err := strconv.Atoi(first); err == nil {
		return path[:n] + "*"
	}
	return path[:n] + first
}

// order sorts the layers so that each takes what the one before gives, and says whether it
// could.
func (c *chain) order() bool {
	if len(c.layers) > maxHeadLayers {
		return false
	}
	fits := func(l []headLayer) bool {
		for i := 1; i < len(l); i++ {
			if l[i].in != l[i-1].out {
				return false
			}
		}
		return true
	}
	inFile := slices.Clone(c.layers)
	slices.SortStableFunc(c.layers, func(a, b headLayer) int { return natural(a.path, b.path) })
	if fits(c.layers) {
		return true
	}
	if fits(inFile) {
		c.layers = inFile
		return true
	}
	// Named layers in no order: follow the widths from each that could be the first.
	for first := range c.layers {
		left := slices.Clone(c.layers)
		chain := []headLayer{left[first]}
		left = slices.Delete(left, first, first+1)
		for len(left) > 0 {
			next := slices.IndexFunc(left, func(l headLayer) bool { return l.in == chain[len(chain)-1].out })
			if next < 0 {
				break
			}
			chain = append(chain, left[next])
			left = slices.Delete(left, next, next+1)
		}
		if len(left) == 0 {
			c.layers = chain
			return true
		}
	}
	return false
}

// paths lists the heads: runs of chains, the first of which takes in inputs, and each of the
// others what the one before gives. Chains that only normalise do not end a head, and a head
// that leaves out one that another takes in on the way to the same end is not listed.
func paths(chains []*chain, in int) [][]*chain {
	var out [][]*chain
	steps := 0
	var follow func(path []*chain, at int)
	follow = func(path []*chain, at int) {
		if steps++; len(out) >= maxHeads || len(path) >= 8 || steps > 1000 {
			return
		}
		end := true
		for _, c := range chains {
			if c.layers[0].in == at && !slices.Contains(path, c) {
				end = end && !c.linear()
				follow(append(path[:len(path):len(path)], c), c.out())
			}
		}
		if len(path) > 0 && end && slices.ContainsFunc(path, (*chain).linear) {
			out = append(out, path)
		}
	}
	follow(nil, in)
	all := slices.Clone(out)
	return slices.DeleteFunc(out, func(p []*chain) bool {
		return slices.ContainsFunc(all, func(q []*chain) bool {
			return len(q) > len(p) && last(q, (*chain).linear) == last(p, (*chain).linear) && !slices.ContainsFunc(p, func(c *chain) bool { return !slices.Contains(q, c) })
		})
	})
}

// last is the last element for which ok holds.
func last[T any](s []T, ok func(T) bool) (v T) {
	for _, x := range s {
		if ok(x) {
			v = x
		}
	}
	return v
}

// newHead puts the layers of chains together and decides where ReLUs stand between them.
func (m *matcher) newHead(chains []*chain, pool pooling, side int, last []string) (*head, error) {
	h := &head{pool: pool, side: side, last: last[len(last)-1]}
	var layers []headLayer
	for _, c := range chains {
		layers = append(layers, c.layers...)
	}
	ends, linears := 0, 0 // the last linear layer, and how many there are
	for i, l := range layers {
		if l.kind == "Linear" {
			ends = i
			linears++
		}
	}
	if len(layers) > ends+2 {
		return nil, m.errorf("the head ends in %d normalisations: %s", len(layers)-ends-1, layers[len(layers)-1].path)
	}
	for i, l := range layers {
		l.name = fmt.Sprintf("head.%d", i)
		if linears == len(last) && len(layers) == linears {
			l.name = last[i]
		} else if i == ends {
			l.name = h.last
		}
		m.take(l.name, l.path)
		if eps, ok := number(m.says.modules[l.path].Attributes["eps"]); ok && eps >= 0 && eps <= 1 {
			l.eps = eps
		}
		h.layers = append(h.layers, l)
		if i >= ends {
			continue
		}
		act, err := m.activation(layers, i)
		if err != nil {
			return nil, err
		}
		if act {
			h.layers = append(h.layers, headLayer{kind: m.headAct, name: l.name + ".relu", in: l.out, out: l.out})
		}
	}
	if m.kind != nil {
		first := m.shape(layers[0].path + ".weight")
		h.adaptive = pool == flat && side == m.kind.adaptive && len(first) == 2
		h.late = m.kind.late && len(layers) == 1 && len(first) == 4
	}
	classes := layers[ends].out
	if classes > maxClasses {
		return nil, m.errorf("%q: %d classes, at most %d can be explained", layers[ends].path+".weight", classes, maxClasses)
	}
	for _, l := range layers {
		for _, p := range []string{".weight", ".running_mean"} {
			if m.shape(l.path+p) != nil && !m.tensors.floats(l.path+p) {
				return nil, m.errorf("%q: whole numbers, not weights: a quantised network? save it before quantisation", l.path+p)
			}
		}
	}
	return h, nil
}

const maxClasses = 1 << 16

// activation says whether a ReLU follows layer i. It belongs between two linear layers, one
// each: behind the normalisation that follows the first directly, else behind the first. In a
// Sequential numbers tell whether there is room; of a whole module its layers are known.
func (m *matcher) activation(layers []headLayer, i int) (bool, error) {
	prev := i // the linear layer that begins this pair
	for prev >= 0 && layers[prev].kind != "Linear" {
		prev--
	}
	if prev < 0 {
		return false, nil // the last map is positive already; a normalisation comes first
	}
	next := i + 1 // the linear layer that ends it
	for layers[next].kind != "Linear" {
		next++
	}
	if there, known, err := m.says.between(layers[i].path, layers[i+1].path, m.headAct); err != nil || known {
		return there, err
	}
	if act := m.spec.Settings["head_act"]; act != "" {
		return act == "relu" && i == m.place(layers, prev, next), nil
	}
	if i != m.place(layers, prev, next) {
		return false, nil
	}
	if gap(layers[i].path, layers[i+1].path) == 1 {
		return false, nil // nothing lies between them
	}
	if m.published(layers[i].path, layers[i+1].path) {
		return true, nil
	}
	m.assume(Assumption{
		What:    "activation of the head",
		Taken:   fmt.Sprintf("%s between %s and %s", m.headAct, layers[i].path, layers[i+1].path),
		Setting: "head_act=none",
		Warn:    true,
	})
	return true, nil
}

// published says that two layers follow each other in a head that the network is published with.
func (m *matcher) published(a, b string) bool {
	if m.kind == nil {
		return false
	}
	a, b = strings.TrimPrefix(a, m.prefix), strings.TrimPrefix(b, m.prefix)
	return slices.ContainsFunc(m.kind.heads, func(h []string) bool {
		i := slices.Index(h, a)
		return i >= 0 && i+1 < len(h) && h[i+1] == b
	})
}

// headConv says that a convolution is a layer of a published head: a linear layer on a map, whose
// side is the kernel's.
func (m *matcher) headConv(path string) bool {
	s := m.shape(path + ".weight")
	if m.kind == nil || len(s) != 4 || s[2] != s[3] {
		return false
	}
	name := strings.TrimPrefix(path, m.prefix)
	return slices.ContainsFunc(m.kind.heads, func(h []string) bool { return slices.Contains(h, name) })
}

// place is the layer behind which the ReLU between two linear layers stands.
func (m *matcher) place(layers []headLayer, prev, next int) int {
	if next-prev == 1 || gap(layers[prev].path, layers[prev+1].path) > 1 {
		return prev
	}
	return next - 1
}

// gap is by how much two numbers in a Sequential differ, -1 of layers that are not numbered
// in one. Of a network's own last layer, "0.fc", and the next in a Sequential, "1", too.
func gap(a, b string) int {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	i := 0
	for i < min(len(as), len(bs))-1 && as[i] == bs[i] {
		i++
	}
	x, errX := strconv.Atoi(as[i])
	y, errY := strconv.Atoi(bs[i])
	if errX != nil || errY != nil || y <= x || len(bs) > i+1 {
		return -1
	}
	for _, part := range as[i+1:] {
		if _, err := strconv.Atoi(part); err == nil {
			return -1
		}
	}
	return y - x
}
