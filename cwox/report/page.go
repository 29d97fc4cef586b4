package report

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/nn/vision"
)

var (
	//go:embed page.html
	pageHTML string
	//go:embed page.css
	pageCSS string
	//go:embed page.js
	pageJS string

	pageTemplate = pageOf(pageHTML)
)

// WritePage writes index.html: one self-contained page. Photograph and heatmaps are
// embedded; colour map, scale and photograph are chosen by style sheet alone, so the
// page is whole without its script, which adds the opacity slider and the read-out.
func WritePage(w io.Writer, e *cwox.Explanation) error {
	r, err := New(e)
	if err != nil {
		return err
	}
	return writePage(w, e, r, photographOf(e, photoSide))
}

func writePage(w io.Writer, e *cwox.Explanation, r *Report, photo *image.RGBA) error {
	return pageTemplate.Execute(w, newPage(e, r, photo))
}

// page is what page.html shows. All text is plain; the template escapes it.
type page struct {
	head
	JS            template.JS
	Model, File   string
	Photo         template.URL
	Width, Height int          // of the photograph, in the page's own pixels
	Aspect        template.CSS // width over height of the photograph in a tile
	Unseen        string       // outline of what the network did not see, as an SVG path; "" where it saw all
	Ramp          template.URL
	Filters       []filter
	Opacity       float64

	Groups, Classes bool // there are maps of that stage

	Lead     string   // the answer, in one or two sentences
	Truth    string   // what is known to be in the picture
	Notes    []string // how to read the maps of this method
	Bars     []bar
	Rest     string // probability of all other classes
	Clusters []section
	Warnings []Warning
	Folded   string // what the warnings are, where they are too many to show at once
	Facts    []fact
}

// filter is a colour map as an SVG filter: red, green and blue tables.
type filter struct {
	Name    string
	R, G, B string
	Checked bool
}

// bar is a class in the chart of probabilities.
type bar struct {
	Label, Tag, Percent string
	Hue                 int // of its cluster: index into the page's colours; -1 for none
	Width               template.CSS
}

// section is a cluster with its maps.
type section struct {
	Tag     string // "A", "B", ...
	Hue     int
	Name    string // "cello or violin"
	Percent string
	Say     string // what the reader should know about this group
	Tiles   []tile
}

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

// frame is where a heatmap lies on the photograph.
type frame struct {
	ViewBox string       // of the photograph
	Box     template.CSS // the heatmap's, in per cent of it; "" for the whole
	Cropped bool         // there is a part that the network did not see
}

type fact struct{ Name, Value string }

func newPage(e *cwox.Explanation, r *Report, photo *image.RGBA) *page {
	p := &page{
		head: head{Kind: kindReport, CSS: template.CSS(pageCSS) + colormapCSS(), Policy: policy(pageJS)}, JS: template.JS(pageJS),
		Model: shown(r.Model.Name), File: shown(filepath.Base(e.File)),
		Photo: jpegURL(photo, 85), Width: photo.Rect.Dx(), Height: photo.Rect.Dy(),
		Ramp: rampURL(), Opacity: DefaultOpacity,
	}
	if e.File == "" {
		p.File = "this picture"
	}
	if p.Model == "" {
		p.Model = "the model"
	}
	p.Title = "What " + p.Model + " sees in " + p.File
	p.Aspect = template.CSS(strconv.FormatFloat(min(max(float64(p.Width)/float64(p.Height), 1.0/maxAspect), maxAspect), 'f', 4, 64))
	for i, m := range Colormaps() {
		p.Filters = append(p.Filters, newFilter(m, i == 0))
	}
	var remarks []string
	for _, w := range r.Warnings {
		if message := clip(plain(w.Message), 500); remark[w.Code] {
			remarks = append(remarks, message)
		} else {
			p.Warnings = append(p.Warnings, Warning{shown(w.Code), message})
		}
	}

	p.Folded = folded(p.Warnings)

	seen := shareSeen(e)
	at := frame{ViewBox: fmt.Sprintf("0 0 %d %d", p.Width, p.Height)}
	if seen != whole {
		p.Unseen = around(seen, p.Width, p.Height)
		at.Cropped = true
		at.Box = template.CSS(fmt.Sprintf("left:%.4f%%;top:%.4f%%;width:%.4f%%;height:%.4f%%",
			100*seen.X, 100*seen.Y, 100*seen.Width, 100*seen.Height))
	}
	b := newBuilder(e, r, at)
	p.Groups, p.Classes = b.groupMax > 0, b.classMax > 0
	p.Lead, p.Truth = b.lead(), clip(plain(e.Truth), 500)
	p.Notes = slices.Concat(notes(e.Method), grouping(e), remarks)
	p.Bars, p.Rest = b.bars()
	p.Clusters = b.sections()
	p.Facts = facts(r)
	return p
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

// From which probability on an answer is likely, and possible at all.
const (
	likely   = 0.5
	possible = 0.2
)

// lead answers the reader's first question: what does the model see, and where
// does it hesitate?
func (b *builder) lead() string {
	e := b.e
	if len(e.Top) == 0 {
		return "There is nothing to explain."
	}
	first := e.Top[0]
	switch {
	case len(e.Top) == 1:
		return fmt.Sprintf("One answer: %s (%s).", b.names[first.Class], percent(first.Probability))
	case e.Method != cwox.CWOX2s || len(e.Clusters) == 0:
		return fmt.Sprintf("The first answer is %s (%s); %s classes are explained.",
			b.names[first.Class], percent(first.Probability), number(len(e.Top)))
	case len(e.Clusters) == 1:
		return fmt.Sprintf("One answer with %s names: %s (%s).",
			number(len(e.Top)), b.either(e.Clusters[0].Classes), percent(e.Clusters[0].Probability))
	}
	var parts []string
	best := 0.0
	for i, c := range e.Clusters {
		if i == 4 && len(e.Clusters) > 5 {
			parts = append(parts, number(len(e.Clusters)-i)+" more")
			break
		}
		parts = append(parts, fmt.Sprintf("%s (%s)", b.either(c.Classes), percent(c.Probability)))
		best = max(best, c.Probability)
	}
	all := strings.Join(parts, "; ")
	switch count := number(len(e.Clusters)); {
	case e.Model.Output != saliency.Softmax: // each by itself
		return fmt.Sprintf("%s answers, each by itself: %s.", capital(count), all)
	case e.Clusters[0].Probability >= likely:
		return fmt.Sprintf("Most likely %s; otherwise %s.", parts[0], strings.Join(parts[1:], "; "))
	case best >= possible:
		return fmt.Sprintf("Undecided between %s answers: %s.", count, all)
	default:
		return fmt.Sprintf("%s unrelated guesses, none of them likely: %s.", capital(count), all)
	}
}

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

// about says what a cluster is.
func (b *builder) about(c cwox.Cluster) string {
	alone := len(b.e.Clusters) == 1
	switch {
	case b.e.Method != cwox.CWOX2s:
		return ""
	case len(c.Classes) == 1 && alone:
		return "Nothing competes with it, so nothing is contrasted: the maps show what speaks for it."
	case len(c.Classes) == 1:
		return "One name that " + b.relation("tends to come without the others.", "is unlike the others.") + " It has no rival in its group, so its own map is not contrasted: it shows what speaks for it, in more detail."
	case alone:
		return capital(number(len(c.Classes))) + " names that " + b.relation("the model tends to give together.", "are alike to the model.") + " All explained classes are among them, so the group as a whole is not contrasted."
	}
	return capital(number(len(c.Classes))) + " names that " + b.relation("the model tends to give together.", "are alike to the model.")
}

// relation is what the tree says of names: learned from what appeared together, or of the weights.
func (b *builder) relation(together, alike string) string {
	if b.e.Tree.Source == cwox.TreeWeights {
		return alike
	}
	return together
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

// outlineURL draws the edge of what is covered by half or more, [height][width]: white inside,
// black outside, so that it is seen on any picture.
func outlineURL(cover []float32, width, height int) template.URL {
	img := image.NewPaletted(image.Rect(0, 0, width, height), color.Palette{color.NRGBA{}, color.NRGBA{255, 255, 255, 255}, color.NRGBA{0, 0, 0, 255}})
	in := func(x, y int) bool {
		return x >= 0 && x < width && y >= 0 && y < height && cover[y*width+x] >= 0.5
	}
	for y := range height {
		for x := range width {
			here := in(x, y)
			edge := in(x-1, y) != here || in(x+1, y) != here || in(x, y-1) != here || in(x, y+1) != here
			switch {
			case edge && here:
				img.Pix[y*width+x] = 1
			case edge:
				img.Pix[y*width+x] = 2
			}
		}
	}
	return pngURL(img)
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

func (b *builder) either(classes []int) string { return either(pick(b.names, classes)) }

// base is a file's name without its folders, which are nobody's business; "" stays.
func base(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Base(path)
}

// remark are the codes of warnings that are no cause for worry: how the picture was read, and
// what is normal of a result.
var remark = map[string]bool{
	"single-class": true, "single-cluster": true, "all-singletons": true,
	vision.NoteOrientationApplied: true, vision.NoteFirstFrame: true, vision.NoteAlphaDropped: true,
	vision.NoteDepthReduced: true, vision.NoteCMYK: true, vision.NoteProfile: true,
}

// maxAspect is the longest side of a tile over its shortest: pictures beyond it are squeezed.
const maxAspect = 8

// hues is the number of cluster colours in page.css.
const hues = 6

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

// notes say how the maps of the method are to be read.
func notes(m cwox.Method) []string {
	list := []string{"Colour is evidence in favour; where the photograph is bare there is none. Heatmaps are not certainties: they say which pixels the model used, not whether it was right to."}
	switch m {
	case cwox.SWOX:
		list = append(list, "Each map stands alone (method swox): it shows what speaks for a class, and may look the same for several.")
	case cwox.CWOX1sA:
		list = append(list, "Each class is contrasted with all other explained classes at once (method cwox1sa), not with its group first.")
	case cwox.CWOX1sB:
		list = append(list, "Each class map is multiplied by the inverse of the map of all other explained classes (method cwox1sb).")
	}
	return list
}

// grouping says where the groups come from, in a sentence; none where nothing is grouped.
func grouping(e *cwox.Explanation) []string {
	if e.Method != cwox.CWOX2s || len(e.Top) < 2 {
		return nil
	}
	t := e.Tree
	var say string
	switch t.Source {
	case cwox.TreeWeights:
		say = "Groups come from the model itself: classes whose weights in its last layer are alike form one."
	case cwox.TreeEmbedded:
		say = "Groups come from the label tree that is part of cwox, learned from the names that a model gave together for many pictures."
	case cwox.TreeFile:
		say = "Groups come from the label tree in " + shown(filepath.Base(t.File)) + "."
	case cwox.ClustersOnly:
		say = "Groups were given by hand."
		if t.SHA256 != "" {
			say = "Groups come from a label tree that was given."
		}
	default:
		return nil
	}
	if t.Level > 1 {
		say = strings.TrimSuffix(say, ".") + fmt.Sprintf(", cut at its level %d.", t.Level)
	}
	return []string{say}
}

// folded counts warnings by code, in order of appearance: "6 warnings: not-resolved
// (5), blank-map (1)"; "" for the few that a page shows at once.
func folded(list []Warning) string {
	if len(list) <= 4 {
		return ""
	}
	var codes []string
	count := map[string]int{}
	for _, w := range list {
		if count[w.Code] == 0 {
			codes = append(codes, w.Code)
		}
		count[w.Code]++
	}
	for i, c := range codes {
		codes[i] = fmt.Sprintf("%s (%d)", c, count[c])
	}
	return clip(fmt.Sprintf("%d warnings: %s", len(list), strings.Join(codes, ", ")), 200)
}

// facts are the settings that the maps depend on.
func facts(r *Report) []fact {
	list := []fact{
		{"Image", fmt.Sprintf("%s, %d \u00d7 %d", base(plain(r.Image.File)), r.Image.Width, r.Image.Height)},
		{"Image SHA-256", r.Image.SHA256},
		{"Input", inputFact(r.Input)},
		{"Seen", seenFact(r)},
		{"Model", r.Model.Name},
		{"Weights", base(plain(r.Model.Weights))},
		{"Weights SHA-256", r.Model.WeightsSHA256},
		{"Arithmetic", strings.TrimSpace(r.Model.Precision + " " + r.Model.Kernel)},
		{"Probabilities", probabilities(r.Model.Output)},
		{"Method", r.Method + " (" + r.Variant + ")"},
		{"Label tree", treeFact(r.Tree)},
		{"Label tree SHA-256", r.Tree.SHA256},
		{"Explainer", r.Explainer.Name},
	}
	list = append(list, settings("", r.Explainer.Settings)...)
	list = append(list, fact{"Seed", strconv.FormatUint(r.Seed, 10)})
	for i := range list {
		list[i] = fact{clip(plain(list[i].Name), 80), clip(plain(list[i].Value), 500)}
	}
	return slices.DeleteFunc(list, func(f fact) bool { return f.Value == "" })
}

// inputFact says how the network's input was made.
func inputFact(in *Input) string {
	switch {
	case in == nil:
		return ""
	case in.Transform == nil:
		return "given as it is"
	}
	return strings.TrimPrefix(in.Transform.Name+": "+in.Transform.String(), ": ")
}

// seenFact says what part of the picture the network saw, where it is not the whole.
func seenFact(r *Report) string {
	if r.Input == nil || r.Input.Unseen <= 0 {
		return ""
	}
	s := r.Input.Seen
	return fmt.Sprintf("%.4g \u00d7 %.4g of %d \u00d7 %d pixels, from %.4g, %.4g on (%s)", s.Width, s.Height,
		r.Image.Width, r.Image.Height, s.X, s.Y, percent(1-r.Input.Unseen))
}

// around is the outline of a photograph less its seen part, for the even-odd rule.
func around(seen vision.Region, width, height int) string {
	w, h := float64(width), float64(height)
	x0, x1 := min(max(seen.X*w, 0), w), min(max((seen.X+seen.Width)*w, 0), w)
	y0, y1 := min(max(seen.Y*h, 0), h), min(max((seen.Y+seen.Height)*h, 0), h)
	return fmt.Sprintf("M0 0H%dV%dH0ZM%.2f %.2fH%.2fV%.2fH%.2fZ", width, height, x0, y0, x1, y1, x0)
}

// probabilities says how they come from the logits, where it is not by softmax.
func probabilities(output string) string {
	if output == "" {
		return ""
	}
	return output + ": each class by itself"
}

// treeFact is a tree in a line: "file tree.json, level 1".
func treeFact(t Tree) string {
	parts := []string{strings.TrimSpace(t.Source + " " + base(plain(t.File)))}
	if t.Level > 0 {
		parts = append(parts, fmt.Sprintf("level %d", t.Level))
	}
	if t.Missing > 0 {
		parts = append(parts, fmt.Sprintf("lacks %d of the classes", t.Missing))
	}
	return strings.Join(parts, ", ")
}

// settings lists nested settings in the order of their names: "cluster layer: layer4".
func settings(prefix string, set map[string]any) []fact {
	var list []fact
	for _, k := range slices.Sorted(maps.Keys(set)) {
		if inner, ok := set[k].(map[string]any); ok {
			list = append(list, settings(prefix+k+" ", inner)...)
			continue
		}
		text, err := json.Marshal(set[k])
		if err != nil {
			text = []byte("not a value") // Write has refused it
		}
		list = append(list, fact{capital(strings.ReplaceAll(prefix+k, "_", " ")), strings.Trim(string(text), `"`)})
	}
	return list
}

// where says in words where on the photograph a map is strong.
func (b *builder) where(s measurement) string {
	of := "the picture"
	if b.frame.Cropped {
		of = "what the network saw"
	}
	s.row, s.col = b.seen.Y+float64(s.row*b.seen.Height), b.seen.X+float64(s.col*b.seen.Width)
	return where(s, of)
}

// where says in words where a map is strong, and on how much of what.
func where(s measurement, of string) string {
	switch {
	case s.nan:
		return "the map holds values that are not numbers, nothing can be concluded"
	case s.max == 0:
		return "blank, no pixel speaks for it"
	}
	rows, cols := [3]string{"upper", "", "lower"}, [3]string{"left", "", "right"}
	third := func(share float64) int { return min(max(int(share*3), 0), 2) }
	at := strings.TrimSpace(rows[third(s.row)] + " " + cols[third(s.col)])
	switch at {
	case "":
		at = "in the centre"
	case "upper":
		at = "at the top"
	case "lower":
		at = "at the bottom"
	case "left", "right":
		at = "on the " + at
	default:
		at = "at the " + at
	}
	return fmt.Sprintf("strongest %s; at least half as strong on %s of %s", at, percent(s.strong), of)
}

// labels are the names to show: cut to a readable length, "class 486" where there
// is none, with the index where two classes share a name.
func labels(e *cwox.Explanation) map[int]string {
	count := map[string]int{}
	names := map[int]string{}
	for _, t := range e.Top {
		names[t.Class] = shown(t.Label)
		if names[t.Class] == "" {
			names[t.Class] = "class " + strconv.Itoa(t.Class)
		}
		count[names[t.Class]]++
	}
	for class, name := range names {
		if count[name] > 1 {
			names[class] = name + " (" + strconv.Itoa(class) + ")"
		}
	}
	return names
}

func pick(names map[int]string, classes []int) []string {
	var list []string
	for _, c := range classes {
		name, ok := names[c]
		if !ok {
			name = "class " + strconv.Itoa(c)
		}
		list = append(list, name)
	}
	return list
}

// either joins names: "a", "a or b", "a, b or c"; long lists are cut.
func either(names []string) string {
	if n := len(names); n > 7 {
		names = append(slices.Clone(names[:5]), strconv.Itoa(n-5)+" more")
	}
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

func number(n int) string {
	words := []string{"no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"}
	if n < len(words) {
		return words[n]
	}
	return strconv.Itoa(n)
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// tag is a cluster's letter: A .. Z, then A27 and so on.
func tag(i int) string {
	if i < 26 {
		return string(rune('A' + i))
	}
	return "A" + strconv.Itoa(i+1)
}

// percent is a share in words: "87.9 %", "< 0.1 %".
func percent(p float64) string {
	switch {
	case math.IsNaN(p):
		return "not a number"
	case p > 0 && p < 0.001:
		return "< 0.1\u00a0%"
	default:
		return strconv.FormatFloat(100*p, 'f', 1, 64) + "\u00a0%"
	}
}

// share is a probability as a width.
func share(p float64) template.CSS {
	return template.CSS(strconv.FormatFloat(100*min(max(p, 0), 1), 'f', 2, 64) + "%")
}

// shown is a name as a page shows it: plain, and not longer than a line.
func shown(s string) string { return clip(plain(s), 80) }

// plain drops what could break or reverse a line: control and format characters,
// invalid UTF-8.
func plain(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		switch {
		case r == '\t' || r == '\n':
			return ' '
		case r == '\ufffd' || r < ' ' || r >= 0x7f && r < 0xa0, r >= '\u200b' && r <= '\u200f',
			r >= '\u2028' && r <= '\u202e', r >= '\u2060' && r <= '\u206f', r == '\ufeff':
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "")))
}

// clip cuts after n characters.
func clip(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n-1]) + "\u2026"
	}
	return s
}

// policy lets the page run its own script and show its own pictures, and nothing else.
func policy(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// colormapCSS lets the radio buttons of the page choose among the filters.
func colormapCSS() template.CSS {
	var b strings.Builder
	for i, m := range Colormaps() {
		if i > 0 {
			fmt.Fprintf(&b, ":root:has(#c-%s:checked) ", m.Name)
		}
		fmt.Fprintf(&b, ":is(.heat,.ramp){filter:brightness(var(--now,1)) url(#f-%s)}\n", m.Name)
	}
	return template.CSS(b.String())
}

func newFilter(m *Colormap, checked bool) filter {
	var t [3]strings.Builder
	for i, rgb := range m.RGB {
		for ch := range t {
			if i > 0 {
				t[ch].WriteByte(' ')
			}
			t[ch].WriteString(strings.TrimPrefix(strconv.FormatFloat(float64(rgb[ch])/255, 'f', 3, 64), "0"))
		}
	}
	return filter{m.Name, t[0].String(), t[1].String(), t[2].String(), checked}
}

// heatURL is the map as an 8-bit PNG: grey level round(255 value/top), more
// transparent below fadeBelow, at most side pixels on its longer side.
func heatURL(m saliency.Map, top float32, side int) template.URL {
	w, h := m.Width, m.Height
	if long := max(w, h); long > side || long < side/4 {
		w, h = max(1, w*side/long), max(1, h*side/long)
	}
	return pngURL(&image.Paletted{Pix: levels(m, w, h, top, whole), Stride: w, Rect: image.Rect(0, 0, w, h), Palette: heatPalette})
}

// rampURL is a grey ramp from 0 to 255 for the colour bar, faded as heatmaps are.
func rampURL() template.URL {
	img := &image.Paletted{Pix: make([]uint8, 256), Stride: 256, Rect: image.Rect(0, 0, 256, 1), Palette: heatPalette}
	for i := range img.Pix {
		img.Pix[i] = uint8(i)
	}
	return pngURL(img)
}

var heatPalette = func() color.Palette {
	p := make(color.Palette, 256)
	for i := range p {
		v := uint8(i)
		p[i] = color.NRGBA{v, v, v, uint8(math.Round(255 * fade(v)))}
	}
	return p
}()

func pngURL(img image.Image) template.URL {
	var buf bytes.Buffer
	if err := png.Encode(&buf, img); err != nil {
		panic("report: a PNG in memory cannot fail")
	}
	return dataURL("image/png", buf.Bytes())
}

func jpegURL(img image.Image, quality int) template.URL {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality}); err != nil {
		panic("report: a JPEG in memory cannot fail")
	}
	return dataURL("image/jpeg", buf.Bytes())
}

func dataURL(mime string, b []byte) template.URL {
	return template.URL("data:" + mime + ";base64," + base64.StdEncoding.EncodeToString(b))
}
