package vision

import (
	"fmt"
	"image"
	"image/color"

	"cwox/nn/vision/internal/jpeg"
)

// Picture is a decoded image: 8-bit RGB, row-major, interleaved.
type Picture struct {
	Width, Height int
	Pix           []uint8 // [Height][Width][3]

	Format      string // "jpeg", "png", "gif", "webp", "bmp", "tiff", "pnm"; empty for pictures not decoded here
	SHA256      string // of the file's bytes, hex; empty for pictures not read from a file
	Orientation int    // EXIF orientation found in the file (EXIF, XMP), 1..8; 0 when there is none
	Notes       []Note // what a reader of a report should know
}

// Note says that something about a file was repaired, assumed or ignored.
type Note struct {
	Code    string // one of the Note* constants
	Message string
}

// The codes of notes.
const (
	NoteOrientationApplied = "orientation-applied" // the EXIF rotation was carried out
	NoteOrientationIgnored = "orientation-ignored" // there is one, Options.IgnoreOrientation left it
	NoteTruncated          = "truncated"           // the file ends early or is damaged: part of the picture may be missing
	NoteAlphaDropped       = "alpha-dropped"       // transparency was dropped, not composited
	NoteDepthReduced       = "depth-reduced"       // 16-bit samples: the high byte was taken; the range that occurs is told
	NoteCMYK               = "cmyk-converted"      // four inks, converted without a colour profile
	NoteFirstFrame         = "first-frame"         // several pictures: only the first was read
	NoteProfile            = "profile-ignored"     // the colours are for another colour space than sRGB
)

// New returns a black picture. It panics unless both sizes are positive.
func New(width, height int) *Picture {
	if width <= 0 || height <= 0 {
		panic("vision: New: size not positive")
	}
	return &Picture{Width: width, Height: height, Pix: make([]uint8, 3*width*height)}
}

// FromImage converts an image of any kind as Pillow's convert("RGB") does: alpha
// is dropped, not composited, 16-bit samples give their high byte, and CMYK is
// converted without a colour profile. Notes say so. It panics on an empty image.
func FromImage(m image.Image) *Picture {
	b := m.Bounds()
	p := New(b.Dx(), b.Dy())
	var drop dropped
	for y := range p.Height {
		drop.row(p.row(y), m, b.Min.Y+y)
	}
	if drop.alpha {
		p.noteAlpha()
	}
	if drop.depth {
		p.noteDepth(drop.highest)
	}
	if drop.cmyk {
		p.note(NoteCMYK, "CMYK converted without a colour profile")
	}
	return p
}

// Image returns a copy of the pixels, for drawing and encoding.
func (p *Picture) Image() *image.RGBA {
	m := image.NewRGBA(image.Rect(0, 0, p.Width, p.Height))
	dst, src := m.Pix, p.Pix
	for len(src) >= 3 {
		dst[0], dst[1], dst[2], dst[3] = src[0], src[1], src[2], 255
		dst, src = dst[4:], src[3:]
	}
	return m
}

// note adds a note. Pictures made from p before keep theirs.
func (p *Picture) note(code, format string, args ...any) {
	p.Notes = append(p.Notes[:len(p.Notes):len(p.Notes)], Note{code, fmt.Sprintf(format, args...)})
}

func (p *Picture) noteAlpha() {
	p.note(NoteAlphaDropped, "transparency dropped, not composited")
}

// noteDepth notes 16-bit samples, of which one has the highest value.
func (p *Picture) noteDepth(highest int) {
	values := fmt.Sprint(highest)
	if highest >= 1000 {
		values = fmt.Sprintf("%d,%03d", highest/1000, highest%1000)
	}
	p.note(NoteDepthReduced, "16-bit samples reduced to their high byte; values up to %s of 65,535", values)
}

// row returns the pixels of row y, [Width][3].
func (p *Picture) row(y int) []uint8 { return p.Pix[3*p.Width*y : 3*p.Width*(y+1)] }

// like returns a black picture of another size that keeps what is known about p.
func (p *Picture) like(width, height int) *Picture {
	q := *p
	q.Width, q.Height = width, height
	q.Pix = make([]uint8, 3*width*height)
	return &q
}

// oriented returns the picture turned and mirrored so that a camera's EXIF
// orientation (1..8) shows upright. Orientation 1 returns p itself.
func (p *Picture) oriented(orientation int) *Picture {
	w, h := p.Width, p.Height
	// The pixel (x, y) of the result is pixel origin + x*dx + y*dy of p.
	var origin, dx, dy int
	switch orientation {
	case 2: // mirrored left to right
		origin, dx, dy = w-1, -1, w
	case 3: // turned by 180 degrees
		origin, dx, dy = w*h-1, -1, -w
	case 4: // mirrored top to bottom
		origin, dx, dy = w*(h-1), 1, -w
	case 5: // transposed
		origin, dx, dy = 0, w, 1
	case 6: // to be turned by 90 degrees clockwise
		origin, dx, dy = w*(h-1), -w, 1
	case 7: // transposed about the other diagonal
		origin, dx, dy = w*h-1, -w, -1
	case 8: // to be turned by 90 degrees anticlockwise
		origin, dx, dy = w-1, w, -1
	default:
		return p
	}
	if orientation >= 5 {
		w, h = h, w
	}
	q := p.like(w, h)
	for y := range h {
		dst := q.row(y)
		for at := 3 * (origin + y*dy); len(dst) >= 3; at += 3 * dx {
			src := p.Pix[at : at+3]
			dst[0], dst[1], dst[2] = src[0], src[1], src[2]
			dst = dst[3:]
		}
	}
	return q
}

// dropped converts rows to RGB and remembers what that took away.
type dropped struct {
	alpha, depth, cmyk bool
	highest            int // sample of 16 bits
}

// sample is the high byte of the 16-bit sample that b begins with.
func (d *dropped) sample(b []uint8) uint8 {
	d.highest = max(d.highest, int(b[0])<<8|int(b[1]))
	return b[0]
}

// row writes row y of m to dst, [width][3].
func (d *dropped) row(dst []uint8, m image.Image, y int) {
	b := m.Bounds()
	n := b.Dx()
	switch m := m.(type) {
	case *image.Gray:
		src := m.Pix[m.PixOffset(b.Min.X, y):][:n]
		for i, v := range src {
			dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
		}
	case *image.Gray16:
		d.depth = true
		src := m.Pix[m.PixOffset(b.Min.X, y):][:2*n]
		for i := range n {
			v := d.sample(src[2*i:])
			dst[3*i], dst[3*i+1], dst[3*i+2] = v, v, v
		}
	case *image.NRGBA:
		src := m.Pix[m.PixOffset(b.Min.X, y):][:4*n]
		opaque := uint8(255)
		for i := range n {
			p := src[4*i : 4*i+4]
			dst[3*i], dst[3*i+1], dst[3*i+2] = p[0], p[1], p[2]
			opaque &= p[3]
		}
		d.alpha = d.alpha || opaque != 255
	case *image.NRGBA64:
		d.depth = true
		src := m.Pix[m.PixOffset(b.Min.X, y):][:8*n]
		opaque := uint8(255)
		for i := range n {
			p := src[8*i : 8*i+8]
			dst[3*i], dst[3*i+1], dst[3*i+2] = d.sample(p), d.sample(p[2:]), d.sample(p[4:])
			opaque &= p[6] & p[7]
		}
		d.alpha = d.alpha || opaque != 255
	case *image.Paletted:
		var palette [256][3]uint8
		var translucent [256]bool
		for i, c := range m.Palette[:min(len(m.Palette), 256)] {
			palette[i], translucent[i] = straight(c)
		}
		src := m.Pix[m.PixOffset(b.Min.X, y):][:n]
		for i, v := range src {
			copy(dst[3*i:3*i+3], palette[v][:])
			d.alpha = d.alpha || translucent[v]
		}
	case *image.CMYK:
		d.cmyk = true
		src := m.Pix[m.PixOffset(b.Min.X, y):][:4*n]
		for i := range n {
			p := src[4*i : 4*i+4]
			dst[3*i], dst[3*i+1], dst[3*i+2] = jpeg.Ink(p[0], p[3]), jpeg.Ink(p[1], p[3]), jpeg.Ink(p[2], p[3])
		}
	case *image.RGBA64:
		d.depth = true
		for i := range n {
			c := color.NRGBA64Model.Convert(m.RGBA64At(b.Min.X+i, y)).(color.NRGBA64)
			d.highest = max(d.highest, int(c.R), int(c.G), int(c.B))
			dst[3*i], dst[3*i+1], dst[3*i+2] = uint8(c.R>>8), uint8(c.G>>8), uint8(c.B>>8)
			d.alpha = d.alpha || c.A != 0xffff
		}
	default: // premultiplied kinds, whose straight colours this recovers, and foreign ones
		for i := range n {
			c, translucent := straight(m.At(b.Min.X+i, y))
			copy(dst[3*i:3*i+3], c[:])
			d.alpha = d.alpha || translucent
		}
	}
}

// straight returns a colour without its alpha, and whether it had any.
func straight(c color.Color) (rgb [3]uint8, translucent bool) {
	if n, ok := c.(color.NRGBA); ok {
		return [3]uint8{n.R, n.G, n.B}, n.A != 255
	}
	n := color.NRGBA64Model.Convert(c).(color.NRGBA64)
	return [3]uint8{uint8(n.R >> 8), uint8(n.G >> 8), uint8(n.B >> 8)}, n.A != 0xffff
}
