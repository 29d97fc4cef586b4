package cwox

import (
	"fmt"

	"cwox/cwox/saliency"
)

// job is one method on one image: what it asks of the explainer, and what it makes of
// the answer.
type job struct {
	method   Method
	variant  Variant
	rectify  bool
	delta    float64
	epsilon  float64
	top      []int   // the explained classes by rank
	clusters [][]int // by first appearance, members by rank
	base     *bases
}

// clustered says whether a method needs clusters.
func clustered(m Method) bool { return m == CWOX2s || m == "" }

// apart has each class in a cluster of its own.
func apart(top []int) [][]int {
	clusters := make([][]int, len(top))
	for i, c := range top {
		clusters[i] = []int{c}
	}
	return clusters
}

// ask registers the maps that the method needs.
func (j *job) ask() {
	switch j.method {
	case SWOX:
		for _, c := range j.top {
			j.base.want(saliency.ClusterStage, []int{c})
		}
	case CWOX1sA, CWOX1sB:
		for _, c := range j.top {
			j.base.want(saliency.ClusterStage, []int{c})
		}
		if len(j.top) == 1 || j.method == CWOX1sA && j.variant == Reference {
			return
		}
		for _, c := range j.top {
			j.base.contrast(saliency.ClusterStage, []int{c}, others(j.top, c))
		}
	default:
		for _, cluster := range j.clusters {
			j.base.want(saliency.ClusterStage, cluster)
		}
		for i, cluster := range j.clusters {
			if j.variant == Paper && len(j.clusters) > 1 {
				j.base.contrast(saliency.ClusterStage, cluster, j.rest(i))
			}
			if !j.hasClassMaps(i) {
				continue
			}
			for _, c := range cluster {
				j.base.want(saliency.ClassStage, []int{c})
				if j.variant == Paper && len(cluster) > 1 {
					j.base.contrast(saliency.ClassStage, []int{c}, others(cluster, c))
				}
			}
		}
	}
}

// combine fills in the maps of an explanation that has its clusters and classes.
func (j *job) combine(e *Explanation) {
	switch j.method {
	case SWOX:
		j.independent(e)
	case CWOX1sA:
		j.contrastAll(e)
	case CWOX1sB:
		j.scout(e)
	default:
		j.contrastClusters(e)
		j.contrastClasses(e)
	}
}

// independent explains each class by itself (SWOX, paper section 1).
func (j *job) independent(e *Explanation) {
	for k := range e.Classes {
		c := &e.Classes[k]
		base := j.rendered(saliency.ClusterStage, []int{c.Class})
		c.Map, c.Base = rectified(*base), base
		c.Noise = j.base.noise(saliency.ClusterStage, []int{c.Class})
	}
}

// contrastAll contrasts each class with all the others at once (CWOX-1s): with one map
// of their union, or in the reference variant with each of their maps.
func (j *job) contrastAll(e *Explanation) {
	const stage = saliency.ClusterStage
	for k := range e.Classes {
		c := &e.Classes[k]
		fact := []int{c.Class}
		c.Base = j.rendered(stage, fact)
		switch foil := others(j.top, c.Class); {
		case len(foil) == 0:
			c.Map = rectified(*c.Base)
			c.Noise = j.base.noise(stage, fact)
		case j.variant == Reference:
			c.Map = individually(*c.Base, j.each(stage, foil))
			c.Noise = j.base.noise(stage, fact)
		default:
			c.Foil = j.rendered(stage, foil)
			c.Map = minus(*c.Base, *c.Foil)
			c.Noise = j.base.contrastNoise(stage, fact, foil)
		}
	}
}

// scout multiplies each class map a by the inverse max(b)-b of the map b of all other
// classes, at the maps' own resolution (CWOX-1sB: SCOUT, Wang and Vasconcelos, 2020).
func (j *job) scout(e *Explanation) {
	const stage = saliency.ClusterStage
	for k := range e.Classes {
		c := &e.Classes[k]
		fact, foil := []int{c.Class}, others(j.top, c.Class)
		c.Base = j.rendered(stage, fact)
		c.Noise = j.base.noise(stage, fact)
		a := rectified(j.base.get(stage, fact))
		if len(foil) == 0 {
			c.Map = j.base.enlarge(a)
			continue
		}
		c.Foil = j.rendered(stage, foil)
		b := rectified(j.base.get(stage, foil))
		c.Map = j.base.enlarge(inverseProduct(a, b))
	}
}

// contrastClusters is the first stage (paper Eq. 1): every cluster against the union of
// the others, or in the reference variant against each of them.
func (j *job) contrastClusters(e *Explanation) {
	const stage = saliency.ClusterStage
	for i := range e.Clusters {
		c := &e.Clusters[i]
		c.Base = j.rendered(stage, c.Classes)
		c.Noise = j.base.noise(stage, c.Classes)
		switch {
		case len(e.Clusters) == 1:
			c.Map = rectified(*c.Base)
		case j.variant == Reference:
			var rest []saliency.Map
			for k := range e.Clusters {
				if k != i {
					rest = append(rest, *j.rendered(stage, e.Clusters[k].Classes))
				}
			}
			c.Map = individually(*c.Base, rest)
		default:
			rest := j.rest(i)
			c.Rest = j.rendered(stage, rest)
			c.Map = minus(*c.Base, *c.Rest)
			c.Noise = j.base.contrastNoise(stage, c.Classes, rest)
		}
	}
}

// contrastClasses is the second stage (paper Eq. 2): every class against the rest of
// its cluster, where the cluster's map supports it.
func (j *job) contrastClasses(e *Explanation) {
	const stage = saliency.ClassStage
	for k := range e.Classes {
		c := &e.Classes[k]
		if !j.hasClassMaps(c.Cluster) {
			continue
		}
		cluster := &e.Clusters[c.Cluster]
		fact, foil := []int{c.Class}, others(cluster.Classes, c.Class)
		c.Base = j.rendered(stage, fact)
		c.Noise = j.base.noise(stage, fact)
		above := 0.0
		switch {
		case j.variant == Reference:
			if j.delta >= 0 {
				above = percentile(cluster.Map.Data, j.delta)
			}
			c.Map = individually(*c.Base, j.each(stage, foil))
		case len(foil) == 0:
			above = j.epsilon
			c.Map = rectified(*c.Base)
		default:
			c.Foil = j.rendered(stage, foil)
			c.Map = minus(*c.Base, *c.Foil)
			c.Noise = j.base.contrastNoise(stage, fact, foil)
		}
		support(c.Map, cluster.Map, above)
	}
}

// hasClassMaps says whether the second stage makes maps for a cluster: the authors'
// code makes none for one class among several clusters.
func (j *job) hasClassMaps(i int) bool {
	return j.variant == Paper || len(j.clusters[i]) > 1 || len(j.clusters) == 1
}

// rest is the union of all clusters but one, by rank.
func (j *job) rest(i int) []int {
	in := map[int]bool{}
	for _, c := range j.clusters[i] {
		in[c] = true
	}
	var out []int
	for _, c := range j.top {
		if !in[c] {
			out = append(out, c)
		}
	}
	return out
}

// rendered is a base map as the method combines it: rectified or not, then enlarged.
func (j *job) rendered(stage saliency.Stage, classes []int) *saliency.Map {
	m := j.base.get(stage, classes)
	if j.rectify {
		m = rectified(m)
	}
	m = j.base.enlarge(m)
	return &m
}

// each are the maps of single classes.
func (j *job) each(stage saliency.Stage, classes []int) []saliency.Map {
	var out []saliency.Map
	for _, c := range classes {
		out = append(out, *j.rendered(stage, []int{c}))
	}
	return out
}

// others are all classes but one, in order.
func others(classes []int, c int) []int {
	var out []int
	for _, o := range classes {
		if o != c {
			out = append(out, o)
		}
	}
	return out
}

// bases collects the base maps that some methods want of one image, each once, and
// holds them when they are made.
type bases struct {
	height, width int // of the network's input
	reqs          [2]saliency.Request
	index         [2]map[string]int
	contrasts     [2]map[saliency.Contrast]int
	results       [2]saliency.Result
}

func newBases(height, width int) *bases {
	b := &bases{height: height, width: width}
	for s := range b.reqs {
		b.reqs[s].Stage = saliency.Stage(s)
		b.index[s] = map[string]int{}
		b.contrasts[s] = map[saliency.Contrast]int{}
	}
	return b
}

// want asks for the map of a set of classes, given by rank.
func (b *bases) want(stage saliency.Stage, classes []int) int {
	key := fmt.Sprint(classes)
	i, ok := b.index[stage][key]
	if !ok {
		i = len(b.reqs[stage].Targets)
		b.index[stage][key] = i
		b.reqs[stage].Targets = append(b.reqs[stage].Targets, saliency.Target{Classes: classes})
	}
	return i
}

// contrast asks for two maps that will be subtracted.
func (b *bases) contrast(stage saliency.Stage, fact, foil []int) {
	c := saliency.Contrast{Fact: b.want(stage, fact), Foil: b.want(stage, foil)}
	if _, ok := b.contrasts[stage][c]; !ok {
		b.contrasts[stage][c] = len(b.reqs[stage].Contrasts)
		b.reqs[stage].Contrasts = append(b.reqs[stage].Contrasts, c)
	}
}

// requests are the requests that are not empty.
func (b *bases) requests() []saliency.Request {
	var out []saliency.Request
	for _, r := range b.reqs {
		if len(r.Targets) > 0 {
			out = append(out, r)
		}
	}
	return out
}

// get is a map at its native resolution.
func (b *bases) get(stage saliency.Stage, classes []int) saliency.Map {
	return b.results[stage].Maps[b.index[stage][fmt.Sprint(classes)]]
}

// noise says how settled a map is; nil where nobody knows.
func (b *bases) noise(stage saliency.Stage, classes []int) *saliency.Noise {
	all := b.results[stage].Noise
	if all == nil {
		return nil
	}
	return &all[b.index[stage][fmt.Sprint(classes)]]
}

// contrastNoise says how settled the difference of two maps is; nil where nobody knows.
func (b *bases) contrastNoise(stage saliency.Stage, fact, foil []int) *saliency.Noise {
	all := b.results[stage].ContrastNoise
	if all == nil {
		return nil
	}
	i, ok := b.contrasts[stage][saliency.Contrast{
		Fact: b.index[stage][fmt.Sprint(fact)], Foil: b.index[stage][fmt.Sprint(foil)]}]
	if !ok {
		return nil
	}
	return &all[i]
}

// enlarge scales a map to the size of the network's input.
func (b *bases) enlarge(m saliency.Map) saliency.Map {
	if m.Height == b.height && m.Width == b.width {
		return m
	}
	return m.Resize(b.height, b.width)
}
