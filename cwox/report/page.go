package report

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cwox/cwox"
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
func WritePage(w io.Writer, e *cwox.Explanation, also ...*cwox.Explanation) error {
	r, err := New(e, also...)
	if err != nil {
		return err
	}
	return writePage(w, append([]*cwox.Explanation{e}, also...), r, photographOf(e, photoSide))
}

func writePage(w io.Writer, all []*cwox.Explanation, r *Report, photo *image.RGBA) error {
	return pageTemplate.Execute(w, newPage(all, r, photo))
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
	Input         *inputShown  // what the network got; nil where that is not known
	Ramp          template.URL
	Filters       []filter
	Opacity       float64

	Groups, Classes bool // there are maps of that stage

	Lead     string   // the answer, in one or two sentences
	Truth    string   // what is known to be in the picture
	Notes    []string // how to read the maps of this method
	Bars     []bar
	Rest     string // probability of all other classes
	Pairs    []tile // two groups, in one picture
	Clusters []section
	Runs     int // explanations side by side
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
	Group   []tile // its own maps, one of each explanation
	Rows    []row
}

// row are the maps of a class, one of each explanation; of a single explanation all classes are
// in one row.
type row struct{ Tiles []tile }

// inputShown is the network's input beside the photograph.
type inputShown struct {
	ViewBox string       // of the photograph: what was seen
	Aspect  template.CSS // of the input, width over height
	Say     string
}

// frame is where a heatmap lies on the photograph.
type frame struct {
	ViewBox string       // of the photograph
	Box     template.CSS // the heatmap's, in per cent of it; "" for the whole
	Cropped bool         // there is a part that the network did not see
}

type fact struct{ Name, Value string }

func newPage(all []*cwox.Explanation, r *Report, photo *image.RGBA) *page {
	e := all[0]
	p := &page{
		Runs: len(all),
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
	p.Aspect = aspect(float64(p.Width), float64(p.Height))
	for i, m := range Colormaps() {
		p.Filters = append(p.Filters, newFilter(m, i == 0))
	}
	var remarks []string
	for i, one := range r.Each() {
		for _, w := range one.Warnings {
			switch message := clip(Plain(w.Message), 500); {
			case remark[w.Code]:
				remarks = append(remarks, message)
			case i > 0 && !slices.Contains(r.Warnings, w):
				p.Warnings = append(p.Warnings, Warning{shown(w.Code), runSays(all[i]) + ": " + message})
			case i == 0:
				p.Warnings = append(p.Warnings, Warning{shown(w.Code), message})
			}
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
	p.Input = newInputShown(e, seen, p.Width, p.Height)
	var builders []*builder
	tiles := 0
	for i, one := range r.Each() {
		b := newBuilder(all[i], one, at)
		p.Groups, p.Classes = p.Groups || b.groupMax > 0, p.Classes || b.classMax > 0
		tiles += b.tiles
		builders = append(builders, b)
		p.Notes = append(p.Notes, notes(all[i].Method)...)
	}
	for _, b := range builders {
		b.side, b.several = heatSide(tiles), len(all) > 1
	}
	p.Pairs = eachOf(builders, (*builder).clusterPair)
	b := builders[max(0, slices.IndexFunc(all, func(e *cwox.Explanation) bool { return e.Method == cwox.CWOX2s }))]
	p.Lead, p.Truth = b.lead(), clip(Plain(e.Truth), 500)
	p.Notes = unique(slices.Concat(p.Notes, grouping(b.e), remarks))
	p.Bars, p.Rest = b.bars()
	p.Clusters = sections(builders, b)
	p.Facts = facts(r)
	return p
}

// newInputShown shows what the network got: the part of the photograph that it saw, stretched to
// the shape of its input.
func newInputShown(e *cwox.Explanation, seen vision.Region, width, height int) *inputShown {
	w, h := e.Model.Width, e.Model.Height
	if e.Input.Seen == (vision.Region{}) || e.Input.Transform == nil || w < 1 || h < 1 {
		return nil
	}
	s := e.Input.Seen
	in := &inputShown{
		ViewBox: fmt.Sprintf("%.2f %.2f %.2f %.2f", seen.X*float64(width), seen.Y*float64(height), seen.Width*float64(width), seen.Height*float64(height)),
		Aspect:  aspect(float64(w), float64(h)),
		Say:     fmt.Sprintf("What the network gets: %d \u00d7 %d pixels", w, h),
	}
	stretch := s.Width / s.Height * float64(h) / float64(w) // what a square of it looks like
	switch {
	case stretch > 1.02:
		in.Say += fmt.Sprintf(", squeezed to %s of its width", percent(1/stretch))
	case stretch < 0.98:
		in.Say += fmt.Sprintf(", squeezed to %s of its height", percent(stretch))
	}
	if e.Input.Unseen > 0 {
		in.Say += fmt.Sprintf(", without the darkened %s of the picture", percent(e.Input.Unseen))
	}
	in.Say += "."
	return in
}

// aspect is a ratio of sides within what a page can show.
func aspect(width, height float64) template.CSS {
	return template.CSS(strconv.FormatFloat(min(max(width/height, 1.0/maxAspect), maxAspect), 'f', 4, 64))
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

// around is the outline of a photograph less its seen part, for the even-odd rule.
func around(seen vision.Region, width, height int) string {
	w, h := float64(width), float64(height)
	x0, x1 := min(max(seen.X*w, 0), w), min(max((seen.X+seen.Width)*w, 0), w)
	y0, y1 := min(max(seen.Y*h, 0), h), min(max((seen.Y+seen.Height)*h, 0), h)
	return fmt.Sprintf("M0 0H%dV%dH0ZM%.2f %.2fH%.2fV%.2fH%.2fZ", width, height, x0, y0, x1, y1, x0)
}

// policy lets the page run its own script and show its own pictures, and nothing else.
func policy(script string) string {
	sum := sha256.Sum256([]byte(script))
	return "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-" +
		base64.StdEncoding.EncodeToString(sum[:]) + "'"
}
