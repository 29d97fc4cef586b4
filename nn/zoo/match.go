package zoo

import (
	"fmt"
	"slices"
	"strings"

	"cwox/nn/vision"
	"cwox/weights"
)

// Match finds the network whose tensors a file holds, or that an ONNX file describes. What
// tensors cannot tell is taken from the Spec's settings and those in the file's metadata, then from the layers of a whole module,
// then from a configuration beside the weights; what is left is assumed, and listed in
// Facts.Assumed.
//
// An error says what is in the file instead, and what to do.
func Match(f *weights.File, s Spec) (*Arch, error) {
	if f.Model() != nil {
		return matchONNX(f, s)
	}
	s, err := s.withKept(f)
	if err != nil {
		return nil, err
	}
	if err := s.check(""); err != nil {
		return nil, err
	}
	m := &matcher{
		tensors: newTensors(f), spec: s, says: newSays(f.About()),
		headAct: "ReLU", names: map[string]*param{}, paths: map[string]string{}, used: map[string]bool{},
	}
	a, err := m.match()
	if err != nil {
		return nil, err
	}
	if err := m.named(a); err != nil {
		return nil, err
	}
	return a, nil
}

// matcher is a match under way.
type matcher struct {
	*tensors
	spec    Spec
	says    says
	prefix  string            // of the network
	within  string            // what its tensors' names begin with, where the file holds others without a prefix
	away    []string          // prefixes of other networks
	names   map[string]*param // by the names that the body and head ask for
	paths   map[string]string // of layers in the file, by their names in the network
	used    map[string]bool   // names of parameters taken
	kind    *kind             // of a net
	headAct string            // class of what stands between the layers of the head
	assumed []Assumption
}

// match finds the network.
func (m *matcher) match() (*Arch, error) {
	if err := m.refuse(true); err != nil {
		return nil, err
	}
	places := m.places()
	at, err := m.choose(places)
	if err != nil {
		return nil, err
	}
	if at == nil {
		return nil, m.nothing()
	}
	m.prefix, m.kind = at.prefix, at.kind
	m.exclude(at, places)
	a, err := at.match(m)
	if err != nil {
		return nil, err
	}
	a.names = m.names
	m.facts(a, at)
	return a, nil
}

// match measures the network of a place and finds its head.
func (at *place) match(m *matcher) (*Arch, error) {
	switch {
	case at.kind != nil:
		return m.matchNet(at)
	case at.trunk != nil:
		return m.matchResNet(at)
	case at.family == "googlenet":
		g, err := m.measureGoogLeNet()
		if err == nil {
			err = m.settleGoogLeNet(g)
		}
		if err != nil {
			return nil, err
		}
		return m.arch(at, g, []string{"fc"}, vision.Paper)
	}
	g, err := m.measureCaffe()
	if err == nil {
		err = m.checkSpec(at.family)
	}
	if err != nil {
		return nil, err
	}
	return m.arch(at, g, []string{caffeHead}, vision.BVLC)
}

// matchResNet measures a ResNet.
func (m *matcher) matchResNet(at *place) (*Arch, error) {
	if err := m.checkSpec(at.family); err != nil {
		return nil, err
	}
	r, err := m.measureResNet(at.trunk)
	if err == nil {
		err = m.strange(at)
	}
	if err == nil {
		err = m.settleResNet(r, at.trunk)
	}
	if err != nil {
		return nil, err
	}
	return m.arch(at, r, []string{"fc"}, vision.Paper)
}

// checkSpec finds settings that the family does not have.
func (m *matcher) checkSpec(family string) error {
	if err := m.spec.check(family); err != nil {
		return m.errorf("%w", err)
	}
	return nil
}

// arch finds the head, whose layers are called by last if there are so many, and what is left to
// say.
func (m *matcher) arch(at *place, b body, last []string, t vision.Transform) (*Arch, error) {
	in, out := b.channels()
	if in > 8 {
		return nil, m.errorf("%d input channels: 1 to 8 can be run", in)
	}
	head, err := m.findHead(out, last)
	if err == nil {
		err = m.between(head)
	}
	if err == nil {
		err = m.check(at, b)
	}
	if err == nil {
		err = m.settlePool(head, at)
	}
	if err != nil {
		return nil, err
	}
	a := newArch(b.title(at.family), t, b, last...)
	a.head = *head
	return a, nil
}

// named compares the network found with the name that a user gives.
func (m *matcher) named(a *Arch) error {
	name := m.spec.Name
	base := ""
	if r, ok := a.body.(*resnet); ok {
		base = r.base()
	}
	if name == "" || name == a.Name || name == a.Facts.Family || name == base {
		return nil
	}
	if _, err := Lookup(name); err != nil {
		return fmt.Errorf("%w; the tensors of %s are those of %s", err, m.file.Name(), a.Name)
	}
	return m.errorf("--model %s: the tensors are those of %s (%s)", name, a.Name, plural(a.Facts.Classes, "class", "classes"))
}

// nothing is the error of a file without a network that can be run.
func (m *matcher) nothing() error {
	if err := m.refuse(false); err != nil {
		return err
	}
	if i := slices.IndexFunc(m.order, func(n string) bool { return strings.HasSuffix(n, "fc.weight") || strings.HasSuffix(n, ".weight") }); i < 0 {
		return m.errorf("no network: no tensor is called \"*.weight\" (%s)", resembles(m.order))
	}
	for _, name := range m.order {
		if n := len(m.shape(name)); strings.HasSuffix(name, ".weight") && (n == 5 || n == 3) {
			return m.errorf("no network that is known: %q, shape %v, convolves in %s, pictures have two", clip(name), m.shape(name), map[int]string{3: "one dimension", 5: "three dimensions"}[n])
		}
	}
	return m.errorf("no network that is known (%s), after any prefix; it holds %s", runs, resembles(m.order))
}

// assume notes an assumption.
func (m *matcher) assume(a Assumption) { m.assumed = append(m.assumed, a) }

// errorf is an error that names the file.
func (m *matcher) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{m.file.Name()}, args...)...)
}
