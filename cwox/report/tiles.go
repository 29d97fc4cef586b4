package report

import (
	"fmt"
	"html/template"
	"math"
	"slices"
	"strconv"
	"strings"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/nn/vision"
)

// tile is one heatmap over the photograph.
type tile struct {
	Stage    string // "group", "class", "both" or absent
	Run      string // method and explainer, where there are several
	Column   int    // where not every explanation has a tile; 0 for the next
	Step     string // what is compared, e.g. "Inside the group"
	For      string
	Against  string // "" without contrast
	Alt      string // the whole tile in words
	Where    string // "Strongest at the upper left; ..."
	frame           // of the heatmap
	Heat     template.URL
	Shared   template.CSS // brightness under the shared scale, in (0, 1]
	Strength string       // the contrast beside the map it was taken from, in words; "" where there is none
	Bar      template.CSS // the same as a width
	Weak     bool
	Effect   string // what erasing the marked part does; "" where it was not tried
	Aim      string // how much of the map lies where it should; "" where that is unknown
	Outline  template.URL
	Settled  string // how far sampling has settled the map; "" where it was not sampled
	Open     bool   // not resolved
	From     *origin
}

// origin is the pair of base maps behind a tile.
type origin struct {
	Plus, Minus       template.URL
	PlusSay, MinusSay string
	Sign, Word, How   string
	frame
}

// builder holds what the parts of a page share.
type builder struct {
	e                  *cwox.Explanation
	r                  *Report
	names              map[int]string // of the classes, as shown
	prob               map[int]float64
	groupMax, classMax float32       // the shared scales
	tiles              int           // heatmaps
	side               int           // of the embedded heatmaps
	several            bool          // explanations on the page
	seen               vision.Region // in shares of the photograph's sides
	frame              frame
}

func newBuilder(e *cwox.Explanation, r *Report, at frame) *builder {
	b := &builder{e: e, r: r, names: labels(e), prob: map[int]float64{}, seen: shareSeen(e), frame: at}
	for _, t := range e.Top {
		b.prob[t.Class] = t.Probability
	}
	for _, c := range r.Clusters {
		if c.Heat != nil {
			b.groupMax = max(b.groupMax, c.Heat.Max)
			b.tiles++
		}
	}
	var alone float32
	for _, c := range r.Classes {
		if c.Heat != nil {
			if b.tiles++; b.contrasted(c) {
				b.classMax = max(b.classMax, c.Heat.Max)
			} else {
				alone = max(alone, c.Heat.Max)
			}
		}
	}
	if b.classMax == 0 {
		b.classMax = alone
	}
	b.side = heatSide(b.tiles)
	return b
}

// contrasted says whether a class map is a contrast, and so on one scale with others: that of a
// class without a rival in its group is not.
func (b *builder) contrasted(c Class) bool { return b.e.Method != cwox.CWOX2s || len(c.Foil) > 0 }

// bars are the probabilities of the explained classes, and that of all others.
func (b *builder) bars() (list []bar, rest string) {
	home := map[int]int{}
	for i, c := range b.e.Clusters {
		for _, class := range c.Classes {
			home[class] = i
		}
	}
	left := 1.0
	for _, t := range b.e.Top {
		v := bar{Label: b.names[t.Class], Percent: percent(t.Probability), Width: share(t.Probability), Hue: -1}
		if i, ok := home[t.Class]; ok {
			v.Tag, v.Hue = tag(i), i%hues
		}
		list = append(list, v)
		left -= t.Probability
	}
	if left > 0 && b.e.Model.Output == saliency.Softmax {
		rest = percent(left)
	}
	return list, rest
}

// sections are the clusters of the page with the maps of all explanations: first of the cluster
// itself, then of its classes. lead is the explanation that speaks of groups.
func sections(all []*builder, lead *builder) []section {
	var list []section
	for i, c := range lead.e.Clusters {
		s := section{Tag: tag(i), Hue: i % hues, Name: lead.either(c.Classes), Percent: percent(c.Probability), Say: lead.about(c)}
		grouped := slices.ContainsFunc(all, func(b *builder) bool { return b.r.Clusters[i].Heat != nil })
		for _, b := range all {
			if grouped {
				s.Group = append(s.Group, b.group(i))
			}
		}
		list = append(list, s)
	}
	for i, c := range lead.e.Classes {
		s := &list[c.Cluster]
		var made []tile
		for _, b := range all {
			t := b.class(i)
			if t.Stage == absent && len(all) == 1 {
				s.Say = strings.TrimSpace(s.Say + " " + t.Step + ".")
				continue
			}
			made = append(made, t)
		}
		if len(all) > 1 || len(s.Rows) == 0 {
			s.Rows = append(s.Rows, row{})
		}
		last := &s.Rows[len(s.Rows)-1]
		last.Tiles = append(last.Tiles, made...)
	}
	for i := range list {
		s := &list[i]
		pairs := eachOf(all, func(b *builder) []tile { return b.classPair(i) })
		switch {
		case len(pairs) == 0:
		case len(all) == 1:
			s.Rows[0].Tiles = append(s.Rows[0].Tiles, pairs...)
		default:
			s.Rows = append(s.Rows, row{pairs})
		}
		s.Rows = slices.DeleteFunc(s.Rows, func(r row) bool { return len(r.Tiles) == 0 })
	}
	return list
}

// eachOf are the tiles that some explanations have, each in its column.
func eachOf(all []*builder, of func(*builder) []tile) (list []tile) {
	for column, b := range all {
		for _, t := range of(b) {
			if len(all) > 1 {
				t.Column = column + 1
			}
			list = append(list, t)
		}
	}
	return list
}

// absent is the stage of a tile without a map, in whose place others have one.
const absent = "absent"

// group is the tile of a cluster.
func (b *builder) group(i int) tile {
	c := b.e.Clusters[i]
	name := b.either(c.Classes)
	if b.r.Clusters[i].Heat == nil {
		return tile{Stage: absent, Run: b.run(), Step: "This method makes no map of a group"}
	}
	rest := b.otherClasses(i)
	t := b.tile("group", name, b.either(rest), c.Map, b.groupMax, c.Noise)
	if len(rest) > 0 {
		b.compare(&t, c.Map, c.Base)
	}
	t.Effect = b.effect(c.Effect, c.Classes, rest)
	b.aim(&t, c.Aim, c.Map)
	t.From = b.origin(t, c.Base, c.Rest, "The difference of the two saliency maps, where it is positive, is the map above.")
	return t
}

// otherClasses are the classes of all clusters but one.
func (b *builder) otherClasses(i int) (rest []int) {
	for k, o := range b.e.Clusters {
		if k != i {
			rest = append(rest, o.Classes...)
		}
	}
	return rest
}

// class is the tile of a class.
func (b *builder) class(i int) tile {
	c := b.e.Classes[i]
	name := b.names[c.Class]
	if b.r.Classes[i].Heat == nil {
		return tile{Stage: absent, Run: b.run(), Step: fmt.Sprintf("The %s variant makes no map of %s by itself", shown(b.r.Variant), name)}
	}
	foil := b.r.Classes[i].Foil
	top := b.classMax
	if !b.contrasted(b.r.Classes[i]) {
		top = 0
	}
	t := b.tile("class", name, b.either(foil), c.Map, top, c.Noise)
	if len(foil) > 0 && b.e.Method != cwox.CWOX1sB { // which is a product, not a difference
		b.compare(&t, c.Map, c.Base)
	}
	t.Effect = b.effect(c.Effect, []int{c.Class}, foil)
	b.aim(&t, c.Aim, c.Map)
	t.From = b.origin(t, c.Base, c.Foil, originHow[b.e.Method])
	return t
}

// clusterPair shows the maps of two clusters, which are contrasted with each other, in one
// picture; none of another number of clusters.
func (b *builder) clusterPair() []tile {
	if k := b.e.Clusters; len(k) == 2 && b.r.Clusters[0].Heat != nil && b.r.Clusters[1].Heat != nil {
		return []tile{b.pair("Both groups in one picture", [2]string{b.either(k[0].Classes), b.either(k[1].Classes)}, k[0].Map, k[1].Map)}
	}
	return nil
}

// classPair shows the maps of the two classes of a cluster, where each is contrasted with the
// other alone, in one picture.
func (b *builder) classPair(cluster int) []tile {
	var both []int
	for i, c := range b.r.Classes {
		if c.Cluster == cluster {
			both = append(both, i)
		}
	}
	if len(both) != 2 || b.e.Method == cwox.CWOX1sB { // whose maps may both mark a pixel
		return nil
	}
	x, y := b.r.Classes[both[0]], b.r.Classes[both[1]]
	if x.Heat == nil || y.Heat == nil || !slices.Equal(x.Foil, []int{y.Class}) || !slices.Equal(y.Foil, []int{x.Class}) {
		return nil
	}
	return []tile{b.pair("Both in one picture", [2]string{b.names[x.Class], b.names[y.Class]}, b.e.Classes[both[0]].Map, b.e.Classes[both[1]].Map)}
}

// pair is the tile of two maps of which at most one is positive at a pixel.
func (b *builder) pair(step string, names [2]string, x, y saliency.Map) tile {
	p, q := measure(x), measure(y)
	t := tile{Stage: "both", Run: b.run(), Step: step, For: names[0], Against: names[1], frame: b.frame, Heat: pairURL(x, y, max(p.max, q.max), b.side)}
	strong, weak, ratio := names[0], names[1], float64(p.max)/float64(q.max)
	if q.max > p.max {
		strong, weak, ratio = names[1], names[0], 1/ratio
	}
	switch {
	case p.nan || q.nan || max(p.max, q.max) == 0:
		t.Where = "Nothing to compare"
	case math.IsInf(ratio, 0):
		t.Where = "Only " + strong + " has evidence against the other"
	case ratio < 1.1:
		t.Where = "On one scale: the strongest evidence for the one is as strong as that for the other"
	default:
		t.Where = fmt.Sprintf("On one scale: the strongest evidence for %s is %.2g times that for %s", strong, ratio, weak)
	}
	t.Alt = fmt.Sprintf("In one picture, what speaks for %s (orange; %s) and for %s (blue; %s).", names[0], b.where(p), names[1], b.where(q))
	return t
}

// run names the explanation of a tile where there are several.
func (b *builder) run() string {
	if !b.several {
		return ""
	}
	return runSays(b.e)
}

// originHow says how a class map follows from its two base maps.
var originHow = map[cwox.Method]string{
	cwox.CWOX2s:  "The difference of the two saliency maps, where it is positive and the group has evidence, is the map above.",
	cwox.CWOX1sA: "The difference of the two saliency maps, where it is positive, is the map above.",
	cwox.CWOX1sB: "The first saliency map, times the inverse of the second, is the map above.",
}

func (b *builder) tile(stage, name, against string, m saliency.Map, top float32, n *saliency.Noise) tile {
	s := measure(m)
	t := tile{Stage: stage, Run: b.run(), Step: b.step(stage, against != ""), For: name, Against: against, Where: capital(b.where(s)), frame: b.frame,
		Heat: heatURL(m, s.max, b.side), Shared: "1"}
	if top > 0 {
		t.Shared = template.CSS(strconv.FormatFloat(float64(min(s.max/top, 1)), 'f', 4, 64))
	}
	t.Alt = "What speaks for " + name
	if against != "" {
		t.Alt += " and against " + against
	}
	t.Alt += ": " + b.where(s) + "."
	if n != nil {
		t.Open = !n.Resolved
		t.Settled = fmt.Sprintf("%d samples; standard error %.2g", n.Masks, n.StdErr)
		if !math.IsNaN(n.Fidelity) {
			t.Settled += fmt.Sprintf("; expected correlation with the settled map %.2f", n.Fidelity)
		}
	}
	if t.Open {
		t.Alt += " Not resolved: too few samples to trust it."
	}
	return t
}

// weak is the share of the map that it was taken from below which a contrast is hardly one.
const weak = 0.1

// compare sets a contrast beside the map of what it speaks for: that has the unit in common with
// it, so their ratio says whether there is a difference at all.
func (b *builder) compare(t *tile, m saliency.Map, base *saliency.Map) {
	if base == nil || base.Data == nil || m.Data == nil {
		return
	}
	own, top := measure(*base), measure(m)
	if own.nan || top.nan || !(own.max > 0) {
		return
	}
	ratio := float64(top.max / own.max)
	t.Bar = share(ratio)
	t.Strength = fmt.Sprintf("the difference is at most %s of what speaks for %s by itself", percent(min(ratio, 1)), t.For)
	if t.Weak = ratio < weak; t.Weak && top.max > 0 {
		t.Where = "Hardly any difference; if anything, " + b.where(top)
		t.Alt += " Hardly any difference."
	}
}

// aim says how much of a map lies where it should, and outlines that.
func (b *builder) aim(t *tile, a *cwox.Aim, m saliency.Map) {
	if a == nil || len(a.Cover) != m.Width*m.Height {
		return
	}
	t.Aim = fmt.Sprintf("%s of the map lies on %s (outlined), %s would by chance", percent(a.Share), shown(a.Name), percent(a.Chance))
	t.Outline = outlineURL(a.Cover, m.Width, m.Height)
}

// mostEffects is how many classes of a side an effect names.
const mostEffects = 2

// effect says in words what erasing what a map marks does to the classes that it speaks for and
// against.
func (b *builder) effect(e *cwox.Effect, speaksFor, against []int) string {
	if e == nil || len(e.Probabilities) != len(b.e.Top) {
		return ""
	}
	var parts []string
	for _, side := range [][]int{speaksFor, against} {
		named := 0
		for i, t := range b.e.Top { // the likeliest first
			if named < mostEffects && slices.Contains(side, t.Class) {
				parts = append(parts, fmt.Sprintf("%s from %s to %s", b.names[t.Class], percent(t.Probability), percent(e.Probabilities[i])))
				named++
			}
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return fmt.Sprintf("Without the strongest part (%s of the input): %s", percent(e.Erased), strings.Join(parts, ", "))
}

// step says what a map compares.
func (b *builder) step(stage string, contrast bool) string {
	switch {
	case stage == "group" && contrast:
		return "The group against the others"
	case stage == "group":
		return "The group as a whole"
	case b.e.Method == cwox.CWOX2s && contrast:
		return "Inside the group"
	case b.e.Method == cwox.CWOX2s:
		return "The class by itself, in more detail"
	case contrast:
		return "The class against all other explained classes"
	}
	return "The class by itself"
}

// origin shows the base maps of t on one scale; nil where there are none, or where
// the page would grow too large.
func (b *builder) origin(t tile, plus, minus *saliency.Map, how string) *origin {
	if b.side < fullSide || plus == nil || minus == nil || plus.Data == nil || minus.Data == nil {
		return nil
	}
	top := max(measure(*plus).max, measure(*minus).max)
	o := &origin{
		Plus: heatURL(*plus, top, originSide), PlusSay: "what speaks for " + t.For,
		Minus: heatURL(*minus, top, originSide), MinusSay: "what speaks for " + t.Against,
		Sign: "\u2212", Word: "minus", How: how, frame: b.frame,
	}
	if b.e.Method == cwox.CWOX1sB {
		o.Sign, o.Word = "\u00f7", "times the inverse of"
	}
	return o
}

// originSide is the longer side of the small base maps, in pixels.
const originSide = 64

// fullSide is the longest side of a heatmap in a page, in pixels.
const fullSide = 224

// heatSide keeps the page small: many heatmaps are shown coarser.
func heatSide(count int) int {
	switch {
	case count <= 24:
		return fullSide
	case count <= 96:
		return fullSide / 2
	default:
		return fullSide / 4
	}
}
