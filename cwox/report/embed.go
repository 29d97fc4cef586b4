package report

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"html/template"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"strconv"
	"strings"

	"cwox/cwox/saliency"
)

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
	w, h := embedded(m, side)
	return pngURL(&image.Paletted{Pix: levels(m, w, h, top, whole), Stride: w, Rect: image.Rect(0, 0, w, h), Palette: heatPalette})
}

// embedded is the size of a map in a page: at most side, and of a coarse one that too.
func embedded(m saliency.Map, side int) (w, h int) {
	w, h = m.Width, m.Height
	if long := max(w, h); long > side || long < side/4 {
		w, h = max(1, w*side/long), max(1, h*side/long)
	}
	return w, h
}

// The colours of the two sides of a pair, which those who do not see red and green apart tell
// apart, too, and which page.css has for the words beside them.
var pairColors = [2]color.NRGBA{{0xe0, 0x6c, 0x00, 255}, {0x2b, 0x6f, 0xe0, 255}}

// pairURL shows two maps of which at most one is positive at a pixel, one colour each, as opaque
// as they are large: alpha is round(255 value/top).
func pairURL(x, y saliency.Map, top float32, side int) template.URL {
	w, h := embedded(x, side)
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	first, second := levels(x, w, h, top, whole), levels(y, w, h, top, whole)
	for i := range first {
		c, a := pairColors[0], first[i]
		if second[i] > a {
			c, a = pairColors[1], second[i]
		}
		c.A = a
		copy(img.Pix[4*i:], []uint8{c.R, c.G, c.B, c.A})
	}
	return pngURL(img)
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

// JPEGURL is a small picture as the address of an image.
func JPEGURL(img image.Image) string { return string(jpegURL(img, 70)) }

func jpegURL(img image.Image, quality int) template.URL {
	return dataURL("image/jpeg", jpegBytes(img, quality))
}

func jpegBytes(img image.Image, quality int) []byte {
	var buf bytes.Buffer
	if err := jpeg.Encode(&buf, img, &jpeg.Options{Quality: quality}); err != nil {
		panic("report: a JPEG in memory cannot fail")
	}
	return buf.Bytes()
}

func dataURL(mime string, b []byte) template.URL {
	return template.URL("data:" + mime + ";base64," + base64.StdEncoding.EncodeToString(b))
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
