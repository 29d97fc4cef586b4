package figure

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"fmt"
	"html"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"strconv"
	"strings"
)

// svg writes a drawing as SVG, with its lengths in points.
type svg struct{ *bufio.Writer }

// The family of text that is no part of the file: what comes nearest to the Go fonts.
const svgFonts = `Go, "Helvetica Neue", Helvetica, Arial, sans-serif`

func (d *Drawing) writeSVG(w io.Writer) error {
	c := svg{bufio.NewWriter(w)}
	fmt.Fprintf(c, `<svg xmlns="http://www.w3.org/2000/svg" width="%spt" height="%[2]spt" viewBox="0 0 %[1]s %[2]s" role="img" font-family="%[3]s">`+"\n",
		pt(d.Width), pt(d.Height), html.EscapeString(svgFonts))
	fmt.Fprintf(c, "<title>%s</title>\n", html.EscapeString(d.Title))
	c.rect(Rect{0, 0, d.Width, d.Height, color.RGBA{255, 255, 255, 255}})
	for _, item := range d.Items {
		item.on(c)
	}
	c.WriteString("</svg>\n")
	return c.Flush()
}

func (c svg) text(t Text) {
	style := map[Style]string{Bold: ` font-weight="700"`, Italic: ` font-style="italic"`}[t.Style]
	fmt.Fprintf(c, `<text x="%s" y="%s" font-size="%s" text-anchor="%s"%s fill="%s">%s</text>`+"\n",
		pt(t.X), pt(t.Y), pt(t.Size), t.Anchor, style, hex(t.Color), html.EscapeString(t.S))
}

func (c svg) line(l Line) {
	var path strings.Builder
	for i, p := range l.Points {
		path.WriteString(map[bool]string{true: "M", false: "L"}[i == 0] + pt(p[0]) + " " + pt(p[1]))
	}
	dash := ""
	if len(l.Dash) > 0 {
		var list []string
		for _, v := range l.Dash {
			list = append(list, pt(v))
		}
		dash = fmt.Sprintf(` stroke-dasharray="%s"`, strings.Join(list, " "))
	}
	fmt.Fprintf(c, `<path d="%s" fill="none" stroke="%s" stroke-width="%s" stroke-linejoin="round"%s/>`+"\n", path.String(), hex(l.Color), pt(l.Width), dash)
}

func (c svg) rect(r Rect) {
	fmt.Fprintf(c, `<rect x="%s" y="%s" width="%s" height="%s" fill="%s"/>`+"\n", pt(r.X), pt(r.Y), pt(r.Width), pt(r.Height), hex(r.Color))
}

func (c svg) picture(p Picture) {
	fmt.Fprintf(c, `<image x="%s" y="%s" width="%s" height="%s" preserveAspectRatio="none" role="img" aria-label="%s" href="data:image/jpeg;base64,%s"/>`+"\n",
		pt(p.X), pt(p.Y), pt(p.Width), pt(p.Height), html.EscapeString(p.Alt), base64.StdEncoding.EncodeToString(jpegOf(p.Image)))
}

// jpegOf is a picture as SVG and PDF embed it.
func jpegOf(img *image.RGBA) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 92}); err != nil {
		panic("figure: a JPEG in memory cannot fail")
	}
	return b.Bytes()
}

func hex(c color.RGBA) string {
	c = ink(c)
	return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B)
}

// pt is a length.
func pt(v float64) string {
	s := strconv.FormatFloat(v, 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
}
