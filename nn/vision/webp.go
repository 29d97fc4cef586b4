package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"

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

func openWebP(data []byte) (*source, error) {
	var exif []byte
	lossless, alpha, animated := false, false, false
	for rest := data[12:]; len(rest) >= 8; {
		n := int64(binary.LittleEndian.Uint32(rest[4:]))
		if n > int64(len(rest)-8) {
			n = int64(len(rest) - 8)
		}
		chunk := rest[8 : 8+n]
		switch string(rest[:4]) {
		case "VP8X":
			animated = n > 0 && chunk[0]&2 != 0
		case "VP8L":
			lossless = true
		case "ALPH":
			alpha = true
		case "EXIF":
			exif = bytes.TrimPrefix(chunk, []byte("Exif\x00\x00"))
		}
		rest = rest[min(8+n+n&1, int64(len(rest))):]
	}
	if animated {
		return nil, errors.New("animated WebP is not supported")
	}
	s, err := open(data, webp.DecodeConfig, nil)
	if err != nil {
		return nil, err
	}
	s.orientation = orientation(exif)
	s.memory = s.pixels() * (2 + 3)
	s.decode = func() (*Picture, error) {
		m, err := webp.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		switch m := m.(type) {
		case *image.YCbCr:
			return fromWebP(m), nil
		case *image.NYCbCrA:
			p := fromWebP(&m.YCbCr)
			if !m.Opaque() {
				p.note(NoteAlphaDropped, "transparency dropped, not composited")
			}
			return p, nil
		}
		return FromImage(m), nil
	}
	if lossless || alpha { // the lossless decoder works on 4 bytes a pixel, twice
		s.memory += 8 * s.pixels()
	}
	return s, nil
}
