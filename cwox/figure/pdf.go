package figure

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"

	"codeberg.org/go-pdf/fpdf"
)

// pdf draws into a document of one page.
type pdf struct {
	*fpdf.Fpdf
	count *int
}

func (d *Drawing) writePDF(w io.Writer) error {
	f := fpdf.NewCustom(&fpdf.InitType{UnitStr: "pt", Size: fpdf.SizeType{Wd: d.Width, Ht: d.Height}})
	f.SetMargins(0, 0, 0)
	f.SetAutoPageBreak(false, 0)
	f.SetCatalogSort(true) // the same bytes every time
	f.SetCreationDate(time.Unix(0, 0).UTC())
	f.SetModificationDate(time.Unix(0, 0).UTC())
	f.SetProducer("cwox", true)
	f.SetTitle(d.Title, true)
	for style, data := range ttf {
		f.AddUTF8FontFromBytes("Go", pdfStyle(Style(style)), data)
	}
	f.AddPage()
	c := pdf{Fpdf: f, count: new(int)}
	for _, item := range d.Items {
		item.on(c)
	}
	if err := f.Output(w); err != nil {
		return fmt.Errorf("figure: %w", err)
	}
	return nil
}

func pdfStyle(s Style) string { return map[Style]string{Bold: "B", Italic: "I"}[s] }

func (c pdf) text(t Text) {
	s := strings.Map(func(r rune) rune { // the library knows two bytes of a character
		if r > 0xffff {
			return '\u25a1'
		}
		return r
	}, t.S)
	c.SetFont("Go", pdfStyle(t.Style), t.Size)
	k := ink(t.Color)
	c.SetTextColor(int(k.R), int(k.G), int(k.B))
	x := t.X
	switch width := textWidth(t.S, t.Size, t.Style); t.Anchor {
	case Middle:
		x -= half(width)
	case End:
		x -= width
	}
	c.Fpdf.Text(x, t.Y, s)
}

func (c pdf) line(l Line) {
	k := ink(l.Color)
	c.SetDrawColor(int(k.R), int(k.G), int(k.B))
	c.SetLineWidth(l.Width)
	c.SetLineJoinStyle("round")
	c.SetDashPattern(l.Dash, 0)
	for i, p := range l.Points {
		if i == 0 {
			c.MoveTo(p[0], p[1])
		} else {
			c.LineTo(p[0], p[1])
		}
	}
	c.DrawPath("D")
}

func (c pdf) rect(r Rect) {
	k := ink(r.Color)
	c.SetFillColor(int(k.R), int(k.G), int(k.B))
	c.Fpdf.Rect(r.X, r.Y, r.Width, r.Height, "F")
}

func (c pdf) picture(p Picture) {
	*c.count++
	name := fmt.Sprintf("picture%06d", *c.count)
	o := fpdf.ImageOptions{ImageType: "JPG"}
	c.RegisterImageOptionsReader(name, o, bytes.NewReader(jpegOf(p.Image)))
	c.ImageOptions(name, p.X, p.Y, p.Width, p.Height, false, o, 0, "")
}
