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
	Stage    string // "group" or "class"
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
	side               int           // of the embedded heatmaps
	seen               vision.Region // in shares of the photograph's sides
	frame              frame
}

func newBuilder(e *cwox.Explanation, r *Report, at frame) *builder {
	b := &builder{e: e, r: r, names: labels(e), prob: map[int]float64{}, seen: shareSeen(e), frame: at}
	for _, t := range e.Top {
		b.prob[t.Class] = t.Probability
	}
	count := 0
	for _, c := range r.Clusters {
		if c.Heat != nil {
			b.groupMax = max(b.groupMax, c.Heat.Max)
			count++
		}
	}
	var alone float32
	for _, c := range r.Classes {
		if c.Heat != nil {
			if count++; b.contrasted(c) {
				b.classMax = max(b.classMax, c.Heat.Max)
			} else {
				alone = max(alone, c.Heat.Max)
			}
		}
	}
	if b.classMax == 0 {
		b.classMax = alone
	}
	b.side = heatSide(count)
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

// sections are the rows of the page: a cluster's own map, then its classes'.
func (b *builder) sections() []section {
	var list []section
	for i, c := range b.e.Clusters {
		s := section{Tag: tag(i), Hue: i % hues, Name: b.either(c.Classes), Percent: percent(c.Probability), Say: b.about(c)}
		if b.r.Clusters[i].Heat != nil {
			var rest []int
			for k, o := range b.e.Clusters {
				if k != i {
					rest = append(rest, o.Classes...)
				}
			}
			t := b.tile("group", s.Name, b.either(rest), c.Map, b.groupMax, c.Noise)
			if len(rest) > 0 {
				b.compare(&t, c.Map, c.Base)
			}
			t.Effect = b.effect(c.Effect, c.Classes, rest)
			b.aim(&t, c.Aim, c.Map)
			t.From = b.origin(t, c.Base, c.Rest, "The difference of the two saliency maps, where it is positive, is the map above.")
			s.Tiles = append(s.Tiles, t)
		}
		list = append(list, s)
	}
	for i, c := range b.e.Classes {
		name := b.names[c.Class]
		s := &list[c.Cluster]
		if b.r.Classes[i].Heat == nil {
			s.Say = strings.TrimSpace(fmt.Sprintf("%s The %s variant makes no map of %s by itself.", s.Say, shown(b.r.Variant), name))
			continue
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
		s.Tiles = append(s.Tiles, t)
	}
	return list
}

// originHow says how a class map follows from its two base maps.
var originHow = map[cwox.Method]string{
	cwox.CWOX2s:  "The difference of the two saliency maps, where it is positive and the group has evidence, is the map above.",
	cwox.CWOX1sA: "The difference of the two saliency maps, where it is positive, is the map above.",
	cwox.CWOX1sB: "The first saliency map, times the inverse of the second, is the map above.",
}

func (b *builder) tile(stage, name, against string, m saliency.Map, top float32, n *saliency.Noise) tile {
	s := measure(m)
	t := tile{Stage: stage, Step: b.step(stage, against != ""), For: name, Against: against, Where: capital(b.where(s)), frame: b.frame,
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
