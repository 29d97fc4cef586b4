package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"io"
	"slices"
)

// openGIF reads up to the first frame by itself, for what image/gif does not tell:
// the colour of the transparent index.
func openGIF(data []byte) (*source, error) {
	if len(data) < 13 {
		return nil, io.ErrUnexpectedEOF
	}
	s := &source{
		width:  int(binary.LittleEndian.Uint16(data[6:])),
		height: int(binary.LittleEndian.Uint16(data[8:])),
	}
	s.memory = s.pixels() * (3 + 3)
	// LZW makes at most 4096 pixels of a code of 3 bits or more.
	if s.pixels()/4096*3/8 > int64(len(data)) {
		return nil, s.tooShort(len(data))
	}
	palette, rest, err := gifPalette(data[10], data[13:])
	if err != nil {
		return nil, err
	}
	transparent := -1
	for {
		if len(rest) < 10 {
			return nil, io.ErrUnexpectedEOF
		}
		if rest[0] == ',' {
			break
		}
		if rest[0] != '!' {
			return nil, errors.New("no frame")
		}
		if rest[1] == 0xf9 {
			transparent = -1
			if rest[3]&1 != 0 {
				transparent = int(rest[6])
			}
		}
		if rest, err = gifSkip(rest[2:]); err != nil {
			return nil, err
		}
	}
	local, after, err := gifPalette(rest[9], rest[10:])
	if err != nil {
		return nil, err
	}
	if local != nil {
		palette = local
	}
	s.decode = func() (*Picture, error) {
		m, err := gif.Decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		frame := m.(*image.Paletted)
		// The frame may leave a margin, which Pillow fills with the transparent
		// colour or the first.
		screen := image.NewPaletted(image.Rect(0, 0, s.width, s.height), palette)
		if transparent > 0 {
			for i := range screen.Pix {
				screen.Pix[i] = uint8(transparent)
			}
		}
		b := frame.Rect
		for y := b.Min.Y; y < b.Max.Y; y++ {
			copy(screen.Pix[screen.PixOffset(b.Min.X, y):], frame.Pix[frame.PixOffset(b.Min.X, y):][:b.Dx()])
		}
		p := FromImage(screen)
		if transparent >= 0 && slices.Contains(screen.Pix, uint8(transparent)) {
			p.noteAlpha()
		}
		if gifHasMore(after) {
			p.note(NoteFirstFrame, "animation: only the first frame was read")
		}
		return p, nil
	}
	return s, nil
}

// gifPalette reads a colour table, if the flags say that there is one.
func gifPalette(flags uint8, data []byte) (color.Palette, []byte, error) {
	if flags&0x80 == 0 {
		return nil, data, nil
	}
	n := 2 << (flags & 7)
	if len(data) < 3*n {
		return nil, nil, io.ErrUnexpectedEOF
	}
	p := make(color.Palette, n)
	for i := range p {
		p[i] = color.NRGBA{data[3*i], data[3*i+1], data[3*i+2], 255}
	}
	return p, data[3*n:], nil
}

// gifHasMore tells whether another frame follows the frame data that rest begins with.
func gifHasMore(rest []byte) bool {
	skip := 1 // the size of the first codes, then sub-blocks
	for len(rest) > skip {
		var err error
		if rest, err = gifSkip(rest[skip:]); err != nil || len(rest) == 0 {
			return false
		}
		switch rest[0] {
		case ',':
			return true
		case '!':
			skip = 2
		default:
			return false
		}
	}
	return false
}

// gifSkip goes behind a chain of sub-blocks.
func gifSkip(data []byte) ([]byte, error) {
	for {
		if len(data) == 0 || len(data) < 1+int(data[0]) {
			return nil, io.ErrUnexpectedEOF
		}
		n := int(data[0])
		data = data[1+n:]
		if n == 0 {
			return data, nil
		}
	}
}
