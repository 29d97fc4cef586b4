package figure

import (
	"fmt"
	"image"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
)

// Options steer the figures. The zero value is as wide as a page and draws as the report's page
// does.
type Options struct {
	Width    float64          // 0 means TwoColumns
	Colormap *report.Colormap // nil means report.Viridis
	InColour bool             // the photographs under heatmaps keep their colours
	// OwnScale gives each map the whole range of colours; by default the maps of a stage of a
	// run share one, so that weak evidence looks weak.
	OwnScale bool
}

// The widths of print: a column and the text of the proceedings of UAI, in points.
const (
	OneColumn  = 3.25 * 72
	TwoColumns = 6.75 * 72
)

// Subject is a picture with the explanations of it, all of one answer.
type Subject struct {
	Name string
	Runs []*cwox.Explanation
}

// Sizes of text and gaps, in points.
const (
	textSize = 7.0
	leading  = 8.5
	gap      = 5.0
)

// leastPanel is the narrowest panel that shows anything, widestPanel the widest that is of use.
const (
	leastPanel  = 24.0
	widestPanel = 150.0
)

// panel is a picture with its caption.
type panel struct {
	tag  string // "b.1"
	name string
	more string // a line below it: its probability, or ""
	img  *image.RGBA
	alt  string
}

func (o Options) width() float64 {
	if o.Width == 0 {
		return TwoColumns
	}
	return o.Width
}

// check refuses explanations that do not belong together.
func check(subjects []Subject) error {
	if len(subjects) == 0 {
		return fmt.Errorf("figure: nothing to draw")
	}
	for _, s := range subjects {
		if len(s.Runs) == 0 {
			return fmt.Errorf("figure: %s: no explanation", s.Name)
		}
		if _, err := report.New(s.Runs[0], s.Runs[1:]...); err != nil {
			return fmt.Errorf("figure: %s: %w", s.Name, err)
		}
	}
	return nil
}

// painter makes the panels of a subject.
type painter struct {
	Subject
	o     Options
	names map[int]string
	prob  map[int]float64
}

func newPainter(s Subject, o Options) *painter {
	p := &painter{s, o, map[int]string{}, map[int]float64{}}
	for _, t := range s.Runs[0].Top {
		if p.names[t.Class] = report.Plain(t.Label); p.names[t.Class] == "" {
			p.names[t.Class] = "class " + strconv.Itoa(t.Class)
		}
		p.prob[t.Class] = t.Probability
	}
	return p
}

// pixels is the longer side of a picture in a panel of a width, for print.
func pixels(width float64) int { return int(width / 72 * DPI) }

// photo is the panel of the photograph.
func (p *painter) photo(tag string, width float64) panel {
	e := p.Runs[0]
	img := report.Overlay(e.Picture, saliency.Map{}, report.OverlayOptions{InColour: true, MaxSide: pixels(width), Seen: e.Input.Seen})
	name := report.Plain(p.Name)
	return panel{tag: tag, name: strings.TrimSuffix(name, filepath.Ext(name)), img: img, alt: "The photograph " + name}
}

// scale is the value of the last colour of the maps of a stage of a run.
func (p *painter) scale(e *cwox.Explanation, group bool) (top float32) {
	if p.o.OwnScale {
		return 0
	}
	see := func(m saliency.Map) {
		for _, v := range m.Data {
			if v > top && v <= 1e30 {
				top = v
			}
		}
	}
	if group {
		for _, k := range e.Clusters {
			see(k.Map)
		}
		return top
	}
	for _, k := range e.Classes {
		if e.Method != cwox.CWOX2s || len(e.Clusters[k.Cluster].Classes) > 1 {
			see(k.Map)
		}
	}
	return top
}

// group is the panel of a cluster; false where there is no map.
func (p *painter) group(e *cwox.Explanation, i int, tag string, width float64) (panel, bool) {
	k := e.Clusters[i]
	if k.Map.Data == nil {
		return panel{}, false
	}
	var all []string
	for _, c := range k.Classes {
		all = append(all, p.names[c])
	}
	return p.heat(e, k.Map, p.scale(e, true), panel{tag: tag, name: join(all)}, width), true
}

// class is the panel of a class; false where there is no map.
func (p *painter) class(e *cwox.Explanation, class int, tag string, width float64) (panel, bool) {
	i := slices.IndexFunc(e.Classes, func(k cwox.Class) bool { return k.Class == class })
	if i < 0 || e.Classes[i].Map.Data == nil {
		return panel{}, false
	}
	top := p.scale(e, false)
	if e.Method == cwox.CWOX2s && len(e.Clusters[e.Classes[i].Cluster].Classes) == 1 {
		top = 0 // no contrast, and so not of their scale
	}
	return p.heat(e, e.Classes[i].Map, top, panel{tag: tag, name: p.names[class], more: share(p.prob[class])}, width), true
}

func (p *painter) heat(e *cwox.Explanation, m saliency.Map, top float32, a panel, width float64) panel {
	a.img = report.Overlay(e.Picture, m, report.OverlayOptions{Colormap: p.o.Colormap, InColour: p.o.InColour, Max: top, MaxSide: pixels(width), Seen: e.Input.Seen})
	a.alt = "What speaks for " + a.name + ", " + run(e)
	return a
}

// run names an explanation: "CWOX-2s, Grad-CAM".
func run(e *cwox.Explanation) string {
	return report.MethodName(e.Method) + ", " + report.ExplainerName(e.Explainer)
}

// heights of a panel: its picture's at a width, and its caption's.
func (a panel) height(width float64) float64 {
	return float64(width * min(float64(a.img.Rect.Dy())/float64(a.img.Rect.Dx()), 2))
}

func (a panel) captionHeight(width float64) float64 {
	n := len(a.caption(width))
	if a.more != "" {
		n++
	}
	return float64(leading*float64(n)) + 3
}

// caption are the lines below a panel.
func (a panel) caption(width float64) []string {
	return wrap("("+a.tag+") "+a.name, 3, width, textSize, Regular)
}

// draw draws a panel at a place, with a caption that may be wider.
func (d *Drawing) draw(a panel, x, y, width, captionWidth float64) {
	height := a.height(width)
	d.add(Picture{x, y, width, height, a.img, a.alt})
	t := Text{X: x + half(width), Y: y + height, Size: textSize, Anchor: Middle}
	for _, t.S = range a.caption(captionWidth) {
		t.Y += leading
		d.add(t)
	}
	if a.more != "" {
		t.Y, t.S, t.Size, t.Color = t.Y+leading, fit(a.more, width, textSize-1, Regular), textSize-1, grey
		d.add(t)
	}
}

// share is a probability as figures write it: "0.839".
func share(p float64) string { return strconv.FormatFloat(p, 'f', 3, 64) }

// join names a cluster as the paper does: "{cello, violin}".
func join(names []string) string {
	if len(names) == 1 {
		return names[0]
	}
	s := names[0]
	for _, n := range names[1:] {
		s += ", " + n
	}
	return "{" + s + "}"
}
