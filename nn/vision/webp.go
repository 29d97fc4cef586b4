package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"io"
	"iter"

	"golang.org/x/image/webp"
)

// fromWebP converts the planes of a lossy WebP file as libwebp does: chroma, which
// has half the rows and columns, is interpolated with weights 9/16, 3/16, 3/16 and
// 1/16, and converted from BT.601's limited range in fixed point.
func fromWebP(m *image.YCbCr) *Picture {
	p := New(m.Rect.Dx(), m.Rect.Dy())
	chroma := func(plane []uint8, y int) []uint8 {
		return plane[y*m.CStride:][:(p.Width+1)/2]
	}
	last := (p.Height - 1) / 2
	u, v := make([]uint8, p.Width+1), make([]uint8, p.Width+1)
	for y := range p.Height {
		near := y / 2
		far := near - 1
		if y&1 > 0 {
			far = near + 1
		}
		far = max(0, min(far, last))
		quarter(u, chroma(m.Cb, near), chroma(m.Cb, far))
		quarter(v, chroma(m.Cr, near), chroma(m.Cr, far))
		dst := p.row(y)
		for x, l := range m.Y[y*m.YStride:][:p.Width] {
			luma := scaled(l, 19077) // 1.164
			d := dst[3*x : 3*x+3]
			d[0] = clip6(luma + scaled(v[x], 26149) - 14234)                     // 1.596
			d[1] = clip6(luma - scaled(u[x], 6419) - scaled(v[x], 13320) + 8708) // 0.392, 0.813
			d[2] = clip6(luma + scaled(u[x], 33050) - 17685)                     // 2.017
		}
	}
	return p
}

// quarter doubles a row of chroma between a nearer and a farther row. The sum of
// four samples is rounded in two steps, as libwebp does.
func quarter(dst, near, far []uint8) {
	n := len(near)
	dst[0] = uint8((3*uint(near[0]) + uint(far[0]) + 2) >> 2)
	for i := 1; i < n; i++ {
		a, b := uint(near[i-1]), uint(near[i])
		c, d := uint(far[i-1]), uint(far[i])
		sum := a + b + c + d + 8
		dst[2*i-1] = uint8(((sum+2*(b+c))>>3 + a) >> 1)
		dst[2*i] = uint8(((sum+2*(a+d))>>3 + b) >> 1)
	}
	dst[2*n-1] = uint8((3*uint(near[n-1]) + uint(far[n-1]) + 2) >> 2)
}

// scaled is v times a coefficient of 14 fractional bits, of which 6 remain.
func scaled(v uint8, coefficient int32) int32 { return int32(v) * coefficient >> 8 }

// clip6 drops 6 fractional bits.
func clip6(v int32) uint8 { return uint8(max(0, min(v>>6, 255))) }

// riffChunks walks over the chunks of a RIFF file; the last may be cut. It yields a
// chunk's name, its content and it all with its header.
func riffChunks(data []byte) iter.Seq2[string, [2][]byte] {
	return func(yield func(string, [2][]byte) bool) {
		for len(data) >= 8 {
			n := min(int64(binary.LittleEndian.Uint32(data[4:])), int64(len(data)-8))
			end := min(8+n+n&1, int64(len(data)))
			if !yield(string(data[:4]), [2][]byte{data[8 : 8+n], data[:end]}) {
				return
			}
			data = data[end:]
		}
	}
}

// webpFrame is a picture, or the first frame of an animation.
type webpFrame struct {
	file            []io.Reader // parts of a still file
	rect            image.Rectangle
	lossless, alpha bool
}

func openWebP(data []byte) (*source, error) {
	var about metadata
	var header, frame []byte // VP8X, the first ANMF
	frames := 0
	still := webpFrame{file: []io.Reader{bytes.NewReader(data)}}
	for name, chunk := range riffChunks(data[12:]) {
		body := chunk[0]
		switch name {
		case "VP8X":
			header = body
		case "VP8L":
			still.lossless = true
		case "ALPH":
			still.alpha = true
		case "ANMF":
			if frames++; frames == 1 {
				frame = body
			}
		case "EXIF":
			about.exif = body
		case "XMP ":
			about.xmp = func() []byte { return body }
		case "ICCP":
			about.profile = func() []byte { return body }
		}
	}
	s := &source{}
	if len(header) >= 10 && header[0]&2 != 0 {
		s.width, s.height = 1+u24(header[4:]), 1+u24(header[7:])
		var err error
		if still, err = firstFrame(frame); err != nil {
			return nil, err
		}
		if !still.rect.In(image.Rect(0, 0, s.width, s.height)) {
			return nil, fmt.Errorf("frame %v is beyond the picture of %dx%d pixels", still.rect, s.width, s.height)
		}
	} else {
		c, err := webp.DecodeConfig(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		s.width, s.height = c.Width, c.Height
		still.rect = image.Rect(0, 0, s.width, s.height)
	}
	s.describe(about)
	// A lossy picture has 3/2 bytes a pixel; the lossless decoder has 4, up to 2 more while
	// it unpacks a palette, and its tables; alpha is a byte that a lossless picture gives.
	s.memory = 3 * s.pixels()
	pixels := int64(still.rect.Dx()) * int64(still.rect.Dy())
	if still.rect.Size() != image.Pt(s.width, s.height) {
		s.memory += 3 * pixels
	}
	if !still.lossless {
		s.memory += 2 * pixels
	}
	if still.lossless || still.alpha {
		s.memory += 7 * pixels
	}
	if still.alpha {
		s.memory += pixels
	}
	s.decode = func() (*Picture, error) {
		p, err := still.decode()
		if err != nil {
			return nil, err
		}
		if p.Width != still.rect.Dx() || p.Height != still.rect.Dy() {
			return nil, fmt.Errorf("the picture has %dx%d pixels, the header says %dx%d", p.Width, p.Height, still.rect.Dx(), still.rect.Dy())
		}
		if p.Width != s.width || p.Height != s.height { // on transparent black
			screen := New(s.width, s.height)
			for y := range p.Height {
				copy(screen.row(still.rect.Min.Y + y)[3*still.rect.Min.X:], p.row(y))
			}
			p = screen
			p.noteAlpha()
		}
		if frames > 1 {
			p.note(NoteFirstFrame, "animation: only the first of %d frames was read", frames)
		}
		return p, nil
	}
	return s, nil
}

// firstFrame makes a still file of the content of an ANMF chunk: a header and the chunks
// in it.
func firstFrame(body []byte) (webpFrame, error) {
	if len(body) < 16 {
		return webpFrame{}, errors.New("animation without a frame")
	}
	x, y := 2*u24(body), 2*u24(body[3:])
	f := webpFrame{rect: image.Rect(x, y, x+1+u24(body[6:]), y+1+u24(body[9:]))}
	var parts [2][]byte
	for name, chunk := range riffChunks(body[16:]) {
		switch name {
		case "ALPH":
			parts[0], f.alpha = chunk[1], true
		case "VP8 ", "VP8L":
			parts[1], f.lossless = chunk[1], name == "VP8L"
		}
	}
	flags := byte(0)
	if f.alpha && !f.lossless {
		flags = 16
	} else {
		parts[0], f.alpha = nil, false
	}
	head := []byte("RIFF\x00\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00")
	binary.LittleEndian.PutUint32(head[4:], uint32(22+len(parts[0])+len(parts[1])))
	head = append(append(head, flags, 0, 0, 0), body[6:12]...)
	f.file = []io.Reader{bytes.NewReader(head), bytes.NewReader(parts[0]), bytes.NewReader(parts[1])}
	return f, nil
}

func (f *webpFrame) decode() (*Picture, error) {
	m, err := webp.Decode(io.MultiReader(f.file...))
	if err != nil {
		return nil, err
	}
	switch m := m.(type) {
	case *image.YCbCr:
		return fromWebP(m), nil
	case *image.NYCbCrA:
		p := fromWebP(&m.YCbCr)
		if !m.Opaque() {
			p.noteAlpha()
		}
		return p, nil
	}
	return FromImage(m), nil
}

// u24 is a number of three bytes.
func u24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }
