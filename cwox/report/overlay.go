package report

import (
	"image"
	"image/draw"
	"math"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/nn/vision"
)

// OverlayOptions steer Overlay. The zero value is the good default.
type OverlayOptions struct {
	Colormap *Colormap // nil means Viridis
	Opacity  float64   // of the heatmap where there is evidence, in (0, 1]; 0 means DefaultOpacity
	Max      float32   // the value that gets the last colour; 0 means the map's own maximum
	MaxSide  int       // the longer side of the result in pixels; 0 means the picture's own
	InColour bool      // leave the photograph its colours; by default it is grey, so that colour means evidence
	// Seen is the part of the picture, in its pixels, that the map shows; the rest is dimmed.
	// Its zero value is the whole picture.
	Seen vision.Region
}

// unseenLight is how bright the part of a photograph is that the network did not see.
const unseenLight = 0.35

// DefaultOpacity is how much a heatmap covers the photograph.
const DefaultOpacity = 0.65

// fadeBelow is the share of the scale under which a heatmap fades into the
// photograph, so that pixels without evidence show the photograph as it is.
const fadeBelow = 0.3

// Overlay draws the heatmap over the photograph, at the photograph's aspect ratio.
// The map [Height][Width] is stretched to the part of the picture that the network saw
// (as that was squeezed to the network's input) by bilinear interpolation, half-pixel
// centres, edges clamped. Values are clamped to [0, Max]; NaN, zero and a map without data
// leave the photograph uncovered.
func Overlay(pic *vision.Picture, m saliency.Map, o OverlayOptions) *image.RGBA {
	side := o.MaxSide
	if side <= 0 {
		side = max(pic.Width, pic.Height)
	}
	return overlay(photograph(pic, side), m, o, portion(o.Seen, pic))
}

// overlay draws m over the seen part of a copy of photo, in shares of its sides.
func overlay(photo *image.RGBA, m saliency.Map, o OverlayOptions, seen vision.Region) *image.RGBA {
	cm := o.Colormap
	if cm == nil {
		cm = Viridis
	}
	opacity := o.Opacity
	if opacity == 0 {
		opacity = DefaultOpacity
	}
	top := o.Max
	if top == 0 {
		top = measure(m).max
	}
	var alpha [256]int32 // of each level, in 1/65536
	for i := range alpha {
		alpha[i] = int32(math.Round(65536 * min(max(opacity, 0), 1) * fade(uint8(i))))
	}
	w, h := photo.Rect.Dx(), photo.Rect.Dy()
	out := image.NewRGBA(photo.Rect)
	heat := levels(m, w, h, top, seen)
	dim := dimmed(w, h, seen)
	for i := range w * h {
		p, q := photo.Pix[4*i:4*i+3:4*i+3], out.Pix[4*i:4*i+4:4*i+4]
		r, g, b := int32(p[0]), int32(p[1]), int32(p[2])
		if !o.InColour {
			r = (2126*r + 7152*g + 722*b + 5000) / 10000
			g, b = r, r
		}
		if dim != nil && dim[i] {
			r, g, b = dark(r), dark(g), dark(b)
		}
		c, a := cm.RGB[heat[i]], alpha[heat[i]]
		q[0] = uint8(r + (a*(int32(c[0])-r)+32768)>>16)
		q[1] = uint8(g + (a*(int32(c[1])-g)+32768)>>16)
		q[2] = uint8(b + (a*(int32(c[2])-b)+32768)>>16)
		q[3] = 255
	}
	return out
}

// photographOf is the photograph of an explanation, grey where the network saw it in grey.
func photographOf(e *cwox.Explanation, side int) *image.RGBA {
	img := photograph(e.Picture, side)
	if t := e.Input.Transform; t != nil && t.Channels == vision.Grey {
		for p := img.Pix; len(p) > 0; p = p[4:] {
			p[0] = vision.Luma(p[0], p[1], p[2])
			p[1], p[2] = p[0], p[0]
		}
	}
	return img
}

// photograph is the picture with its longer side reduced to at most side pixels.
func photograph(pic *vision.Picture, side int) *image.RGBA {
	w, h := pic.Width, pic.Height
	if long := max(w, h); long > side {
		w, h = max(1, (w*side+long/2)/long), max(1, (h*side+long/2)/long)
		pic = pic.Resize(w, h)
	}
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		p, q := pic.Pix[3*i:3*i+3:3*i+3], img.Pix[4*i:4*i+4:4*i+4]
		q[0], q[1], q[2], q[3] = p[0], p[1], p[2], 255
	}
	return img
}

// Square is the middle of a picture, a square of so many pixels a side.
func Square(pic *vision.Picture, side int) *image.RGBA {
	w, h := side, side
	if pic.Width > pic.Height {
		w = max(side, (pic.Width*side+pic.Height/2)/pic.Height)
	} else {
		h = max(side, (pic.Height*side+pic.Width/2)/pic.Width)
	}
	img := photograph(pic.Resize(min(w, side*maxAspect), min(h, side*maxAspect)), side*maxAspect)
	b := img.Bounds()
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.Draw(out, out.Rect, img, image.Pt((b.Dx()-side)/2, (b.Dy()-side)/2), draw.Src)
	return out
}

// whole is the whole of a picture, in shares of its sides.
var whole = vision.Region{Width: 1, Height: 1}

// shareSeen is the part of its picture that an explanation's network saw, in shares of the
// sides.
func shareSeen(e *cwox.Explanation) vision.Region { return portion(e.Input.Seen, e.Picture) }

// portion is a part of a picture in shares of its sides; the whole where none is given.
func portion(part vision.Region, pic *vision.Picture) vision.Region {
	if part == (vision.Region{}) {
		return whole
	}
	w, h := float64(pic.Width), float64(pic.Height)
	return vision.Region{X: part.X / w, Y: part.Y / h, Width: part.Width / w, Height: part.Height / h}
}

// sound says whether a region is finite and has an area.
func sound(r vision.Region) bool {
	const most = 1 << 40
	return math.Abs(r.X) < most && math.Abs(r.Y) < most && r.Width > 0 && r.Width < most && r.Height > 0 && r.Height < most
}

// levels resizes the map to the seen part of [h][w] pixels, in shares of the sides, and turns
// it into levels: round(255 value/top); 0 outside.
func levels(m saliency.Map, w, h int, top float32, seen vision.Region) []uint8 {
	out := make([]uint8, w*h)
	if len(m.Data) == 0 || !(top > 0) {
		return out
	}
	xs, ys := taps(m.Width, w, seen.X, seen.Width), taps(m.Height, h, seen.Y, seen.Height)
	for y, ty := range ys {
		if ty.outside {
			continue
		}
		a, b := m.Data[ty.lo*m.Width:], m.Data[ty.hi*m.Width:]
		row := out[y*w : y*w+w]
		for x, tx := range xs {
			if tx.outside {
				continue
			}
			u := a[tx.lo] + float32((a[tx.hi]-a[tx.lo])*tx.frac)
			v := b[tx.lo] + float32((b[tx.hi]-b[tx.lo])*tx.frac)
			row[x] = level((u + float32((v-u)*ty.frac)) / top)
		}
	}
	return out
}

// dimmed says which of [h][w] pixels lie outside the seen part; nil where none does.
func dimmed(w, h int, seen vision.Region) []bool {
	if seen == whole {
		return nil
	}
	out := make([]bool, w*h)
	xs, ys := taps(1, w, seen.X, seen.Width), taps(1, h, seen.Y, seen.Height)
	for i := range out {
		out[i] = xs[i%w].outside || ys[i/w].outside
	}
	return out
}

func dark(v int32) int32 { return int32(float64(float64(v)*unseenLight) + 0.5) }

// tap is where an output sample lies between two input samples.
type tap struct {
	lo, hi  int
	frac    float32
	outside bool // beyond the first and the last
}

// taps are the bilinear taps from n samples to the part of out samples that begins at the
// share first and is length of them long: half-pixel centres, edges clamped.
func taps(n, out int, first, length float64) []tap {
	ts := make([]tap, out)
	from, size := float64(first*float64(out)), length*float64(out)
	for i := range ts {
		pos := (float64(i)+0.5-from)*float64(n)/size - 0.5
		outside := pos < -0.5 || pos > float64(n)-0.5
		pos = min(max(pos, 0), float64(n-1))
		lo := int(pos)
		ts[i] = tap{lo, min(lo+1, n-1), float32(pos - float64(lo)), outside}
	}
	return ts
}

// fade is the share of the full opacity that a level gets.
func fade(level uint8) float64 { return min(1, float64(level)/255/fadeBelow) }

// measurement is what a map holds, in the numbers a reader needs.
type measurement struct {
	max      float32 // of the finite values; 0 where there is none above 0
	positive float64 // share of pixels above 0
	strong   float64 // share of pixels of at least half the maximum
	row, col float64 // of the first maximum, as a share of the height and width
	nan      bool    // some value is NaN or infinite
}

func measure(m saliency.Map) (s measurement) {
	at := -1
	for i, v := range m.Data {
		switch {
		case math.IsNaN(float64(v)) || math.IsInf(float64(v), 0):
			s.nan = true
		case v > 0:
			s.positive++
			if v > s.max {
				s.max, at = v, i
			}
		}
	}
	if at < 0 {
		return s
	}
	for _, v := range m.Data {
		if v >= s.max/2 && v <= s.max {
			s.strong++
		}
	}
	s.positive /= float64(len(m.Data))
	s.strong /= float64(len(m.Data))
	s.row = (float64(at/m.Width) + 0.5) / float64(m.Height)
	s.col = (float64(at%m.Width) + 0.5) / float64(m.Width)
	return s
}
