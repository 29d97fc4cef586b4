package zoo

import (
	"slices"
	"strconv"
	"strings"

	"cwox/nn"
	"cwox/weights"
)

// settleResNet decides what shapes do not tell.
func (m *matcher) settleResNet(r *resnet, t *trunk) error {
	if err := m.says.config.check(classesOf[nn.ReLU]); err != nil {
		return m.errorf("%w", err)
	}
	early, first := false, 1
	cfg := &m.says.config
	if t.spelling == "Hugging Face" && cfg.ModelType != "" && !cfg.fromHF && !cfg.fromTimm {
		return m.errorf("config.json says model_type %q: only \"resnet\" is known", clip(cfg.ModelType))
	}
	if cfg.fromHF && cfg.DownsampleInBottleneck != nil {
		early = *cfg.DownsampleInBottleneck
	}
	if cfg.fromHF && cfg.DownsampleInFirstStage != nil && *cfg.DownsampleInFirstStage {
		first = 2
	}
	r.choose(early, first)

	// The layers of a whole module.
	set := m.spec.Settings
	told, n := 0, 0
	for conv := range r.convs() {
		ok, err := m.says.conv(conv, m.paths[conv.name], m.paths[conv.norm])
		if err != nil {
			return m.errorf("%w", err)
		}
		if k := conv.kernel; n == 0 && len(r.stem) == 1 && k != 3 && k != 7 && !ok && set["conv1_stride"] == "" {
			return m.errorf("%q: a stem of %dx%d: its stride is not in the file; say %s", m.paths["conv1"]+".weight", k, k, m.spec.with("conv1_stride", "2"))
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
		m.assume(Assumption{What: "conv1_stride", Taken: "1, as nearly always where the first convolution is 3x3 (CIFAR)", Setting: "conv1_stride=2", Warn: true})
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
		m.assume(Assumption{What: "activation (or dilation, or anti-aliasing)", Taken: "ReLU, and neither of the others; a whole module or a config.json would tell"})
	}
}

// settlePool decides the pooling, as far as the inputs of the head do not.
func (m *matcher) settlePool(h *head, at *place) error {
	set := m.spec.Settings["pool"]
	pool := set
	if pool == "" {
		pool = m.says.globalPool(m.prefix, m.apart(at))
	}
	if pool == "" {
		pool = m.says.config.pool()
	}
	if pool == "catavgmax" {
		pool = string(catPool)
	}
	both := pool == string(concatPool) || pool == string(catPool)
	switch {
	case h.late && set != "":
		return m.errorf("pool=%s: the mean comes after the head's convolution", pool)
	case h.late:
	case h.pool == flat && set != "", h.pool == meanPool && both, h.pool == concatPool && set != "" && !both:
		return m.errorf("pool=%s: the head takes %s", pool, h.String())
	case h.pool == flat:
	case h.pool == meanPool && pool == "max":
		h.pool = maxPool
	case h.pool == meanPool && pool == "":
		m.assume(Assumption{What: "pool", Taken: "the mean over the last map, as nearly everywhere", Setting: "pool=max"})
	case h.pool == meanPool && pool != "avg":
		return m.errorf("global pooling %q cannot be run: avg, max and both can", clip(pool))
	case h.pool == concatPool && both:
		h.pool = pooling(pool)
	case h.pool == concatPool:
		m.assume(Assumption{What: "pool", Taken: "the largest value and the mean of each channel, in this order, as fastai", Setting: "pool=avg+max", Warn: h.layers[0].kind != "BatchNorm1d"})
	}
	return nil
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
	case g.published && m.official("googlenet"):
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
	if err != nil {
		return false
	}
	sum, err := m.file.SHA256()
	return err == nil && sum == k.SHA256
}

// check looks for layers in a whole module that cannot be run.
func (m *matcher) check(at *place, b body) error {
	if m.says.modules == nil {
		return nil
	}
	heads := map[string]bool{}
	for name, path := range m.paths {
		if name == "fc" || name == caffeHead || strings.HasPrefix(name, "head.") || at.kind != nil && slices.Contains(at.kind.heads[0], name) {
			heads[m.root(path)] = true
		}
	}
	delete(heads, m.prefix+"*") // one Sequential of trunk and head: its layers are looked at
	foreign := func(path string) bool {
		return !m.beside(path) || heads[m.root(path)] && path != strings.TrimSuffix(m.prefix, ".")
	}
	inside := func(path string) bool { return m.inTrunk(at, path) }
	if err := m.says.check(m.prefix, foreign, inside, ownClasses(b)); err != nil {
		return m.errorf("%w", err)
	}
	return nil
}

// apart says which paths are neither in blocks nor of something aside.
func (m *matcher) apart(at *place) func(path string) bool {
	return func(path string) bool {
		return !m.inTrunk(at, path) && m.beside(path)
	}
}

// inBlocks says that a path is in a residual block.
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
