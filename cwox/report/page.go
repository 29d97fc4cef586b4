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
