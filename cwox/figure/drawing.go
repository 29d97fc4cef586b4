package figure

import (
	"fmt"
	"image"
	"image/color"
	"io"
	"math"
	"slices"
)

// Drawing is a page with what is drawn on it, in that order.
type Drawing struct {
	Title         string // for the file's metadata
	Width, Height float64
	Items         []Item
}

// Item is something that is drawn: Text, Line, Rect or Picture.
type Item interface{ on(canvas) }

// Text is a line of text; X, Y is the start, middle or end of its baseline.
type Text struct {
	X, Y   float64
	Size   float64 // of the font
	Style  Style
	Anchor Anchor
	Color  color.RGBA // black where it is zero
	S      string
}

// Line joins points by straight lines.
type Line struct {
	Points [][2]float64
	Width  float64
	Dash   []float64 // lengths of dashes and gaps; nil for a solid line
	Color  color.RGBA
}

// Rect is a filled rectangle.
type Rect struct {
	X, Y, Width, Height float64
	Color               color.RGBA
}

// Picture is an opaque picture, stretched to its place.
type Picture struct {
	X, Y, Width, Height float64
	Image               *image.RGBA
	Alt                 string // what it shows, in words
}

func (t Text) on(c canvas)    { c.text(t) }
func (l Line) on(c canvas)    { c.line(l) }
func (r Rect) on(c canvas)    { c.rect(r) }
func (p Picture) on(c canvas) { c.picture(p) }

// canvas is what a writer of a format can draw.
type canvas interface {
	text(Text)
	line(Line)
	rect(Rect)
	picture(Picture)
}

// Anchor is which point of a text its place is.
type Anchor string

// The anchors, by their names in SVG.
const (
	Start  Anchor = "start"
	Middle Anchor = "middle"
	End    Anchor = "end"
)

// Format is a file format.
type Format string

// The formats, by the suffixes of their files.
const (
	SVG Format = "svg"
	PNG Format = "png"
	PDF Format = "pdf"
)

// Formats lists the formats.
func Formats() []Format { return []Format{SVG, PNG, PDF} }

// DPI is the resolution of a PNG in pixels an inch, that of print.
const DPI = 300

// What a drawing may be: more is nothing that can be printed, and would take memory without end.
const (
	maxSide  = 72 * 40
	maxItems = 1 << 17
)

// Write writes the drawing as a file of a format.
func (d *Drawing) Write(w io.Writer, f Format) error {
	if !(d.Width > 0 && d.Height > 0 && d.Width <= maxSide && d.Height <= maxSide) || len(d.Items) > maxItems {
		return fmt.Errorf("figure: %.4g x %.4g inches with %d items: at most %d x %[4]d inches with %d can be drawn",
			d.Width/72, d.Height/72, len(d.Items), maxSide/72, maxItems)
	}
	switch f {
	case SVG:
		return d.writeSVG(w)
	case PNG:
		return d.writePNG(w)
	case PDF:
		return d.writePDF(w)
	}
	return fmt.Errorf("figure: format %q: want one of %v", f, Formats())
}

func (d *Drawing) add(items ...Item) { d.Items = append(d.Items, items...) }

// move draws another drawing at a place.
func (d *Drawing) move(from *Drawing, x, y float64) {
	for _, item := range from.Items {
		switch i := item.(type) {
		case Text:
			i.X, i.Y = i.X+x, i.Y+y
			item = i
		case Line:
			i.Points = slices.Clone(i.Points)
			for k, p := range i.Points {
				i.Points[k] = [2]float64{p[0] + x, p[1] + y}
			}
			item = i
		case Rect:
			i.X, i.Y = i.X+x, i.Y+y
			item = i
		case Picture:
			i.X, i.Y = i.X+x, i.Y+y
			item = i
		}
		d.add(item)
	}
}

// The ink of text and lines.
var (
	black = color.RGBA{0, 0, 0, 255}
	grey  = color.RGBA{0x55, 0x55, 0x55, 255}
	pale  = color.RGBA{0xc8, 0xc8, 0xc8, 255}
)

// ink is a colour, black where none is given.
func ink(c color.RGBA) color.RGBA {
	if c == (color.RGBA{}) {
		return black
	}
	return c
}

// letter is the letter of a panel: a, b, ... z, aa.
func letter(i int) string {
	if i < 26 {
		return string(rune('a' + i))
	}
	return letter(i/26-1) + letter(i%26)
}

// half and length are written so that no processor fuses their steps with others.
func half(v float64) float64 { return float64(v / 2) }

func length(x, y float64) float64 { return math.Sqrt(float64(x*x) + float64(y*y)) }
