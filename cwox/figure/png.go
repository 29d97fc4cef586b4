package figure

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/draw"
	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// raster draws into pixels.
type raster struct {
	img   *image.RGBA
	scale float64 // pixels a point
}

func (d *Drawing) writePNG(w io.Writer) error {
	const scale = float64(DPI) / 72
	c := raster{image.NewRGBA(image.Rect(0, 0, int(math.Ceil(d.Width*scale)), int(math.Ceil(d.Height*scale)))), scale}
	draw.Draw(c.img, c.img.Rect, image.White, image.Point{}, draw.Src)
	for _, item := range d.Items {
		item.on(c)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, c.img); err != nil {
		return err
	}
	_, err := w.Write(withResolution(b.Bytes()))
	return err
}

// withResolution adds the chunk pHYs, of pixels a metre, after the header of a PNG, so that it is
// set at its size.
func withResolution(file []byte) []byte {
	const header = 8 + 25
	chunk := make([]byte, 4, 21)
	binary.BigEndian.PutUint32(chunk, 9)
	chunk = append(chunk, "pHYs"...)
	perMetre := uint32(math.Round(DPI / 0.0254))
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = binary.BigEndian.AppendUint32(chunk, perMetre)
	chunk = append(chunk, 1)
	chunk = binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
	return bytes.Join([][]byte{file[:header], chunk, file[header:]}, nil)
}

func (c raster) text(t Text) {
	f := face(t.Style, t.Size*c.scale)
	defer f.Close()
	x := float64(t.X * c.scale)
	switch width := float64(textWidth(t.S, t.Size, t.Style) * c.scale); t.Anchor {
	case Middle:
		x -= half(width)
	case End:
		x -= width
	}
	at := fixed.Point26_6{X: fixed.Int26_6(math.Round(64 * x)), Y: fixed.Int26_6(math.Round(64 * t.Y * c.scale))}
	// Glyphs stand where their own advances put them, as in the other formats: no kerning.
	for _, r := range t.S {
		(&font.Drawer{Dst: c.img, Src: image.NewUniform(ink(t.Color)), Face: f, Dot: at}).DrawString(string(r))
		at.X += fixed.Int26_6(math.Round(64 * c.scale * textWidth(string(r), t.Size, t.Style)))
	}
}

func (c raster) line(l Line) {
	for _, piece := range dashed(l.Points, l.Dash) {
		for i := 1; i < len(piece); i++ {
			a, b := piece[i-1], piece[i]
			x, y := b[0]-a[0], b[1]-a[1]
			long := length(x, y)
			if long == 0 {
				continue
			}
			// Half a width to both sides, and, for round enough corners, of solid lines to both ends.
			x, y = float64(x/long*l.Width/2), float64(y/long*l.Width/2)
			over := 0.5
			if l.Dash != nil {
				over = 0
			}
			dx, dy := float64(over*x), float64(over*y)
			a, b = [2]float64{a[0] - dx, a[1] - dy}, [2]float64{b[0] + dx, b[1] + dy}
			c.fill(l.Color, [2]float64{a[0] - y, a[1] + x}, [2]float64{b[0] - y, b[1] + x}, [2]float64{b[0] + y, b[1] - x}, [2]float64{a[0] + y, a[1] - x})
		}
	}
}

// dashed are the pieces of a line that are drawn.
func dashed(points [][2]float64, dash []float64) (pieces [][][2]float64) {
	total := 0.0
	for _, d := range dash {
		total += max(d, 0)
	}
	if !(total > 0) || len(points) < 2 {
		return [][][2]float64{points}
	}
	k, left := 0, dash[0]
	piece := [][2]float64{points[0]}
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		long := length(b[0]-a[0], b[1]-a[1])
		done := 0.0
		for done+left < long {
			done += left
			t := done / long
			at := [2]float64{a[0] + float64(t*(b[0]-a[0])), a[1] + float64(t*(b[1]-a[1]))}
			if k%2 == 0 {
				pieces = append(pieces, append(piece, at))
			}
			piece = [][2]float64{at}
			k++
			left = max(dash[k%len(dash)], total/1000)
		}
		left -= long - done
		piece = append(piece, b)
	}
	if k%2 == 0 {
		pieces = append(pieces, piece)
	}
	return pieces
}

func (c raster) rect(r Rect) {
	x, y := r.X+r.Width, r.Y+r.Height
	c.fill(r.Color, [2]float64{r.X, r.Y}, [2]float64{x, r.Y}, [2]float64{x, y}, [2]float64{r.X, y})
}

// fill fills a polygon.
func (c raster) fill(with color.RGBA, corners ...[2]float64) {
	box := image.Rectangle{c.img.Rect.Max, c.img.Rect.Min}
	for _, p := range corners {
		x, y := int(math.Floor(p[0]*c.scale)), int(math.Floor(p[1]*c.scale))
		box.Min.X, box.Min.Y = min(box.Min.X, x), min(box.Min.Y, y)
		box.Max.X, box.Max.Y = max(box.Max.X, x+1), max(box.Max.Y, y+1)
	}
	if box = box.Intersect(c.img.Rect); box.Empty() {
		return
	}
	z := vector.NewRasterizer(box.Dx(), box.Dy())
	for i, p := range corners {
		x, y := float32(float64(p[0]*c.scale)-float64(box.Min.X)), float32(float64(p[1]*c.scale)-float64(box.Min.Y))
		if i == 0 {
			z.MoveTo(x, y)
		} else {
			z.LineTo(x, y)
		}
	}
	z.ClosePath()
	z.Draw(c.img, box, image.NewUniform(ink(with)), image.Point{})
}

func (c raster) picture(p Picture) {
	round := func(v float64) int { return int(math.Round(v * c.scale)) }
	to := image.Rect(round(p.X), round(p.Y), round(p.X+p.Width), round(p.Y+p.Height))
	draw.CatmullRom.Scale(c.img, to, p.Image, p.Image.Rect, draw.Src, nil)
}
