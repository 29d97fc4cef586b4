package zoo

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cwox/nn/vision"
	"cwox/weights"
)

// Facts are what the tensors of a file, its configuration and a Spec say of a network.
type Facts struct {
	Family   string // "resnet", "googlenet", "googlenet-caffe"
	Classes  int
	Channels int    // of the input
	Prefix   string // of the names of the network's tensors in the file
	Spelling string // of the names behind it: "torchvision", "Hugging Face", ...
	Head     string // in words: "fc.0: Linear, ReLU, fc.3: Linear"
	HeadName string // of the last linear layer in the file, without Prefix: "fc.3"
	Taken    int    // tensors of the file that are the network's, counters of batches among them
	Ignored  []string
	Assumed  []Assumption

	// Measures of a ResNet.
	Block        string // "basic" or "bottleneck"
	Depth        []int  // blocks of each stage
	Width        int    // of the first stage: what a basic block gives, a quarter of what a bottleneck gives
	StemChannels int
	Stem         string // "7x7/2 + max-pool"
	Groups       int
	InnerFactor  float64 // inner width of the first bottleneck by Width: 2 in a wide ResNet
}

// Assumption is a fact that the file does not decide, and what was taken for it.
type Assumption struct {
	What  string // "transform_input", "stride", "activation of the head"
	Taken string // in words: "on, as in torchvision's pretrained models"
	// Setting of a Spec chooses otherwise: "transform_input=off"; "" where none does.
	Setting string
	// Warn says that the alternative is common, so that a user must be told; otherwise it
	// is for whoever inspects the file.
	Warn bool
}

// String is a sentence.
func (a Assumption) String() string {
	s := fmt.Sprintf("%s is not in the file: assumed %s", a.What, a.Taken)
	if a.Setting != "" {
		s += "; --model :" + a.Setting + " chooses otherwise"
	}
	return s
}

// Match finds the network whose tensors a file holds. What tensors cannot tell is taken from
// the Spec's settings, then from the layers of a whole module, then from a configuration
// beside the weights; what is left is assumed, and listed in Facts.Assumed.
//
// An error says what is in the file instead, and what to do.
func Match(f *weights.File, s Spec) (*Arch, error) {
	if err := s.check(""); err != nil {
		return nil, err
	}
	m := &matcher{
		tensors: newTensors(f), spec: s, says: newSays(f.About()),
		names: map[string]*param{}, paths: map[string]string{}, used: map[string]bool{},
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
	spec      Spec
	says      says
	prefix    string            // of the network
	within    string            // what its tensors' names begin with, where the file holds others without a prefix
	away      []string          // prefixes of other networks
	names     map[string]*param // by the names that the body and head ask for
	paths     map[string]string // of layers in the file, by their names in the network
	used      map[string]bool   // names of parameters taken
	published bool              // a GoogLeNet of the published widths
	assumed   []Assumption
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
	m.prefix = at.prefix
	m.exclude(at, places)
	a, err := at.match(m)
	if err != nil {
		return nil, err
	}
	a.names = m.names
	m.facts(a, at)
	return a, nil
}

// place is where a network was found in the file.
type place struct {
	prefix   string
	family   string
	spelling string
	trunk    *trunk // of a ResNet
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
		out = append(out, &place{t.prefix, "resnet", t.spelling, &t})
	}
	for _, a := range anchors {
		for _, name := range m.order {
			if prefix, ok := strings.CutSuffix(name, a.name); ok && len(out) < maxNetworks && (prefix == "" || strings.HasSuffix(prefix, ".")) {
				out = append(out, &place{prefix, a.family, "torchvision", nil})
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

// words in the names of what stands beside a classifier: losses, margins, metrics, parts of
// training. BVLC's loss3_classifier is the head, the two before it are auxiliary.
var words = regexp.MustCompile(`(^|[._])(aux|loss([12_.]|$)|losses|lossfn|criteri|arc_?face|cos_?face|sphere_?face|(arc_?)?margin|projector|projection|proj_head|predictor|queue|metric|decoder|discriminator|generator|momentum|perceptual|lpips)`)

// aside says that a name is of something beside a classifier.
func aside(name string) bool { return words.MatchString(strings.ToLower(name)) }

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

// match measures the network of a place and finds its head.
func (at *place) match(m *matcher) (*Arch, error) {
	if err := m.spec.check(at.family); err != nil {
		return nil, fmt.Errorf("%s: %w", m.file.Name(), err)
	}
	switch at.family {
	case "googlenet":
		g, err := m.measureGoogLeNet()
		if err != nil {
			return nil, err
		}
		if err := m.settleGoogLeNet(g); err != nil {
			return nil, err
		}
		return m.arch(at, g, "fc", vision.Paper)
	case "googlenet-caffe":
		g, err := m.measureCaffe()
		if err != nil {
			return nil, err
		}
		return m.arch(at, g, caffeHead, vision.BVLC)
	}
	r, err := m.measureResNet(at.trunk)
	if err == nil {
		err = m.strange(at.trunk, len(r.stages))
	}
	if err != nil {
		return nil, err
	}
	if err := m.settleResNet(r, at.trunk); err != nil {
		return nil, err
	}
	return m.arch(at, r, "fc", vision.Paper)
}

// arch finds the head and what is left to say.
func (m *matcher) arch(at *place, b body, last string, t vision.Transform) (*Arch, error) {
	in, out := b.channels()
	if in > 8 {
		return nil, m.errorf("%d input channels: 1 to 8 can be run", in)
	}
	head, err := m.findHead(out, last)
	if err != nil {
		return nil, err
	}
	if err := m.between(head); err != nil {
		return nil, err
	}
	if err := m.check(at); err != nil {
		return nil, err
	}
	pool := m.says.globalPool(m.prefix, m.apart(at))
	if pool == "" {
		pool = m.says.config.pool()
	}
	if set := m.spec.Settings["pool"]; set != "" {
		pool = set
	}
	switch {
	case pool != "" && pool != "avg" && pool != "max":
		return nil, m.errorf("global pooling %q cannot be run: avg and max can", clip(pool))
	case head.pool == meanPool && pool == "max":
		head.pool = maxPool
	case head.pool == meanPool && pool == "":
		m.assume(Assumption{What: "pool", Taken: "the mean over the last map, as nearly everywhere", Setting: "pool=max"})
	case head.pool == concatPool:
		m.assume(Assumption{What: "pool", Taken: "the largest value and the mean of each channel, in this order, as fastai", Warn: head.layers[0].kind != "BatchNorm1d"})
	}
	name := at.family
	switch b := b.(type) {
	case *resnet:
		name = b.name()
	default:
		if !m.published {
			name += fmt.Sprintf("-w%d", out)
		}
	}
	a := newArch(name, t, b, last)
	a.head = *head
	return a, nil
}

// name is the usual one of a ResNet, or a description.
func (r *resnet) name() string {
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

// settleResNet decides what shapes do not tell.
func (m *matcher) settleResNet(r *resnet, t *trunk) error {
	if err := m.says.config.check(); err != nil {
		return m.errorf("%w", err)
	}
	c := choices{}
	cfg := &m.says.config
	if t.spelling == "Hugging Face" && cfg.ModelType != "" && !cfg.fromHF && !cfg.fromTimm {
		return m.errorf("config.json says model_type %q: only \"resnet\" is known", clip(cfg.ModelType))
	}
	if cfg.fromHF && cfg.DownsampleInBottleneck != nil {
		c.early = *cfg.DownsampleInBottleneck
	}
	if cfg.fromHF && cfg.DownsampleInFirstStage != nil && *cfg.DownsampleInFirstStage {
		c.firstStride = 2
	}
	r.choose(c)
	if k := r.stem[0].kernel; len(r.stem) == 1 && k != 3 && k != 7 && m.says.modules == nil && m.spec.Settings["conv1_stride"] == "" {
		return m.errorf("%q: a stem of %dx%d: its stride is not in the file; say %s", m.paths["conv1"]+".weight", k, k, m.spec.with("conv1_stride", "2"))
	}

	// The layers of a whole module.
	told, n := 0, 0
	for conv := range r.convs() {
		ok, err := m.says.conv(conv, m.paths[conv.name], m.paths[conv.norm])
		if err != nil {
			return m.errorf("%w", err)
		}
		n++
		if ok {
			told++
		}
		if conv.averaged && conv.stride == 1 {
			conv.stride = 2 // that of the pooling before it
		}
	}
	beside := func(path string) bool { return !m.inBlocks(t, path) && m.beside(path) }
	pool, poolTold, err := m.says.stemPool(m.prefix, beside)
	if err != nil {
		return m.errorf("%w", err)
	}
	if poolTold {
		r.pool = pool
	}

	set := m.spec.Settings
	if s := set["stride"]; s != "" {
		if r.kind() == "basic" {
			return m.errorf("--model setting stride=%s: the blocks are basic, their stride is on conv1", s)
		}
		for i := range r.stages {
			for j := range r.stages[i] {
				if k := r.stages[i][j].convs; len(k) == 3 {
					stride := k[0].stride * k[1].stride
					k[0].stride, k[1].stride = 1, 1
					k[map[string]int{"conv1": 0, "conv2": 1}[s]].stride = stride
				}
			}
		}
	}
	if s := set["eps"]; s != "" {
		eps, _ := strconv.ParseFloat(s, 64)
		for conv := range r.convs() {
			conv.eps = eps
		}
	}
	if s := set["conv1_stride"]; s != "" {
		r.stem[0].stride, _ = strconv.Atoi(s)
	}
	switch set["maxpool"] {
	case "on":
		r.pool = stemPool()
	case "off":
		r.pool = nil
	}
	m.assumeResNet(r, told == n || cfg.given, poolTold)
	return nil
}

// assumeResNet lists what nothing decided.
func (m *matcher) assumeResNet(r *resnet, told, poolTold bool) {
	set := m.spec.Settings
	given := m.says.config.given
	if r.small() && set["conv1_stride"] == "" && !told {
		m.assume(Assumption{What: "conv1_stride", Taken: "1, as nearly always where the first convolution is 3x3 (CIFAR)", Setting: "conv1_stride=2"})
	}
	if set["maxpool"] == "" && !poolTold && !(given && !r.small()) {
		a := Assumption{What: "maxpool", Taken: "a max-pooling 3x3/2 in the stem", Setting: "maxpool=off"}
		if r.pool == nil {
			a.Taken, a.Setting = "none after a first convolution of 3x3", "maxpool=on"
		}
		m.assume(a)
	}
	if r.kind() != "basic" && set["stride"] == "" && !told {
		m.assume(Assumption{What: "stride", Taken: "on conv2 (3x3) of the bottlenecks, as in torchvision and timm", Setting: "stride=conv1"})
	}
	if set["eps"] == "" && !told {
		m.assume(Assumption{What: "eps", Taken: "1e-5 in every batch normalisation, PyTorch's default", Setting: "eps=1e-3"})
	}
	if !told && m.says.modules == nil {
		m.assume(Assumption{What: "activation, dilation, anti-aliasing", Taken: "ReLU, and none of the others; a whole module or a config.json would tell"})
	}
	for conv := range r.convs() {
		if conv.groups > 1 {
			m.assume(Assumption{What: "groups", Taken: fmt.Sprintf("%d groups are computed as one dense convolution: exact, but slower than need be", conv.groups)})
			break
		}
	}
}

// settleGoogLeNet decides what shapes do not tell.
func (m *matcher) settleGoogLeNet(g *googlenet) error {
	for _, name := range googlenetUnits(g) {
		c := g.convs[name]
		if _, err := m.says.conv(c, m.paths[c.name], m.paths[c.norm]); err != nil {
			return m.errorf("%w", err)
		}
		if s := m.spec.Settings["eps"]; s != "" {
			c.eps, _ = strconv.ParseFloat(s, 64)
		}
	}
	root := m.says.modules[strings.TrimSuffix(m.prefix, ".")]
	attribute, ok := root.Attributes["transform_input"].(bool)
	set := m.spec.Settings["transform_input"]
	in, _ := g.channels()
	switch {
	case in != 3 && set == "on":
		return m.errorf("--model setting transform_input=on: for three channels, the input has %d", in)
	case set != "":
		g.transform = set == "on"
	case in != 3:
		g.transform = false
	case ok:
		g.transform = attribute
	case m.says.config.TransformInput != nil:
		g.transform = *m.says.config.TransformInput
	case m.official("googlenet"):
		g.transform = true
	default:
		g.transform = true
		m.assume(Assumption{What: "transform_input", Taken: "on, as in torchvision's pretrained GoogLeNet and what was fine-tuned from it; off where it was trained from scratch (weights=None)", Setting: "transform_input=off", Warn: true})
	}
	return nil
}

// googlenetUnits are the names of all convolutions, in a fixed order.
func googlenetUnits(g *googlenet) []string {
	var names []string
	for name := range g.convs {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// official says that the file is torchvision's own of a model. It hashes the file, if its
// size may be the one.
func (m *matcher) official(model string) bool {
	k, err := weights.LookupKnown(model)
	if err != nil || !m.published {
		return false
	}
	sum, err := m.file.SHA256()
	return err == nil && strings.HasPrefix(sum, k.HashPrefix())
}

// strange finds tensors that change what the network computes and are not known: any other
// in a residual block, and convolutions beside the trunk that are not of something aside.
func (m *matcher) strange(t *trunk, stages int) error {
	for _, name := range m.order {
		if m.used[name] || strings.HasSuffix(name, ".num_batches_tracked") {
			continue
		}
		if m.inBlocks(t, name) {
			if what := partOf(strings.TrimPrefix(name, m.prefix)); what != "" {
				return m.errorf("%q is in a residual block: %s cannot be run", clip(name), what)
			}
			return m.errorf("%q, shape %v, is in a residual block, and not known there", clip(name), m.shape(name))
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

// inBlocks says that a path is in a residual block, or the stem.
func (m *matcher) inBlocks(t *trunk, path string) bool {
	rest, ok := strings.CutPrefix(path, t.prefix)
	if !ok {
		return false
	}
	before, after, _ := strings.Cut(strings.TrimSuffix(t.stage, ".%d"), "%d") // "layer", ""
	rest, ok = strings.CutPrefix(rest, before)
	digits := 0
	for digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '9' {
		digits++
	}
	if !ok || digits == 0 || digits > 3 {
		return false
	}
	n, _ := strconv.Atoi(rest[:digits])
	rest, ok = strings.CutPrefix(rest[digits:], after)
	if !ok || rest == "" || rest[0] != '.' || n < t.first {
		return false
	}
	// Of a Sequential only its stages; a head may follow.
	return m.shape(t.prefix+t.block(n-t.first+1, 0)+"."+t.conv.of(1)+".weight") != nil
}

// apart says which paths are neither in blocks nor of something aside.
func (m *matcher) apart(at *place) func(path string) bool {
	return func(path string) bool {
		return (at.trunk == nil || !m.inBlocks(at.trunk, path)) && m.beside(path)
	}
}

// check looks for layers in a whole module that cannot be run.
func (m *matcher) check(at *place) error {
	if m.says.modules == nil {
		return nil
	}
	heads := map[string]bool{}
	for name, path := range m.paths {
		if name == "fc" || name == caffeHead || strings.HasPrefix(name, "head.") {
			heads[m.root(path)] = true
		}
	}
	foreign := func(path string) bool {
		return !m.beside(path) || heads[m.root(path)] && path != strings.TrimSuffix(m.prefix, ".")
	}
	inside := func(path string) bool { return at.trunk != nil && m.inBlocks(at.trunk, path) }
	if err := m.says.check(m.prefix, foreign, inside); err != nil {
		return m.errorf("%w", err)
	}
	return nil
}

// facts fills in what is to be said.
func (m *matcher) facts(a *Arch, at *place) {
	f := &a.Facts
	f.Family, f.Prefix, f.Spelling = at.family, m.prefix, at.spelling
	f.Channels, _ = a.body.channels()
	h := a.head
	h.layers = slices.Clone(h.layers)
	for i := range h.layers {
		l := &h.layers[i]
		l.path = strings.TrimPrefix(l.path, m.prefix)
		if l.name == h.last {
			f.Classes, f.HeadName = l.out, l.path
		}
	}
	f.Head = h.String()
	taken := map[string]bool{}
	for _, p := range m.names {
		for _, part := range p.parts {
			taken[part] = true
		}
	}
	for _, name := range m.file.Names() {
		if base, counter := strings.CutSuffix(name, ".num_batches_tracked"); taken[name] || counter && m.used[base+".running_mean"] {
			f.Taken++
		} else {
			f.Ignored = append(f.Ignored, name)
		}
	}
	f.Assumed = m.assumed
	if r, ok := a.body.(*resnet); ok {
		f.Block, f.Depth, f.Stem = r.kind(), r.depth(), r.stemText()
		f.Width, f.InnerFactor, f.Groups = r.width()
		f.StemChannels = r.stem[len(r.stem)-1].out
	}
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
	return m.errorf("no network that is known: no residual blocks (\"layer1.0.conv1.weight\") and no inception modules, after any prefix; it holds %s", resembles(m.order))
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
		if c.groups > 1 && c.out*c.in*c.kernel*c.kernel > maxDense {
			return c, m.errorf("%q: %d groups of %v weights are too many", path+".weight", c.groups, shape)
		}
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
	mean := m.shape(normPath + ".running_mean")
	weight, bias := m.shape(normPath+".weight"), m.shape(normPath+".bias")
	switch {
	case mean == nil && weight == nil && c.bias:
		return c, nil // folded into the convolution
	case mean == nil && weight == nil:
		return c, m.errorf("%q: missing, and its convolution has no bias", normPath+".weight")
	case mean == nil:
		return c, m.errorf("%q: missing, %q is there: group norm, or a file without buffers (named_parameters() in place of state_dict())", normPath+".running_mean", normPath+".weight")
	}
	for _, s := range []struct {
		suffix string
		shape  []int
	}{{".running_mean", mean}, {".running_var", m.shape(normPath + ".running_var")}, {".weight", weight}, {".bias", bias}} {
		if s.shape == nil && weight == nil && bias == nil {
			continue // affine=False
		}
		if equal(s.shape, []int{c.in}) && c.in != c.out {
			return c, m.errorf("%q: the channels that come in, not the %d that go out: a network with pre-activation (ResNet v2)?", normPath+s.suffix, c.out)
		}
		if s.shape == nil || !equal(s.shape, []int{c.out}) {
			return c, m.errorf("%q: shape %v, want [%d]", normPath+s.suffix, s.shape, c.out)
		}
	}
	c.norm, c.plain = norm, weight == nil
	m.take(norm, normPath)
	return c, nil
}

// Bounds on what a file may ask for.
const (
	maxChannels = 1 << 16
	maxDense    = 1 << 26 // weights of a convolution in groups written as a dense one
)

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

// assume notes an assumption.
func (m *matcher) assume(a Assumption) { m.assumed = append(m.assumed, a) }

// errorf is an error that names the file.
func (m *matcher) errorf(format string, args ...any) error {
	return fmt.Errorf("%s: "+format, append([]any{m.file.Name()}, args...)...)
}

// Warnings are the assumptions that a user must be told of.
func (f *Facts) Warnings() []Assumption {
	return slices.DeleteFunc(slices.Clone(f.Assumed), func(a Assumption) bool { return !a.Warn })
}
