package vision

import (
	"compress/lzw"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// gifFrame is the first frame of a GIF file (CompuServe, GIF89a) and the screen that it
// is on. The standard library's decoder gives nothing of a file that ends early.
type gifFrame struct {
	left, top, width, height int
	interlaced               bool
	colours                  [256][3]uint8
	transparent              int    // index, or -1
	data                     []byte // from the size of the codes on
}

// openGIF reads up to the first frame.
func openGIF(data []byte) (*source, error) {
	if len(data) < 13 {
		return nil, io.ErrUnexpectedEOF
	}
	u16 := func(b []byte) int { return int(binary.LittleEndian.Uint16(b)) }
	palette, rest, err := gifPalette(data[10], data[13:])
	if err != nil {
		return nil, err
	}
	f := gifFrame{transparent: -1}
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
			f.transparent = -1
			if rest[3]&1 != 0 {
				f.transparent = int(rest[6])
			}
		}
		if rest, err = gifSkip(rest[2:]); err != nil {
			return nil, err
		}
	}
	f.left, f.top, f.width, f.height = u16(rest[1:]), u16(rest[3:]), u16(rest[5:]), u16(rest[7:])
	f.interlaced = rest[9]&0x40 != 0
	local, after, err := gifPalette(rest[9], rest[10:])
	if err != nil {
		return nil, err
	}
	if local != nil {
		palette = local
	}
	f.data = after
	for i := range f.colours {
		switch {
		case 3*i+3 <= len(palette):
			copy(f.colours[i][:], palette[3*i:])
		case palette == nil: // grey, as Pillow has it
			f.colours[i] = [3]uint8{uint8(i), uint8(i), uint8(i)}
		}
	}
	// The screen grows where a frame does not fit on it.
	s := &source{width: max(u16(data[6:]), f.left+f.width), height: max(u16(data[8:]), f.top+f.height)}
	s.memory = 3*s.pixels() + 1<<16
	// LZW makes at most 4096 pixels of a code of 3 bits or more.
	if s.pixels()/4096*3/8 > int64(len(data)) {
		return nil, s.tooShort(len(data))
	}
	s.decode = func() (*Picture, error) { return f.decode(New(s.width, s.height)) }
	return s, nil
}

// gifRows are where the rows of an interlaced frame begin, and how far apart they are.
var gifRows = []struct{ first, step int }{{0, 8}, {4, 8}, {2, 4}, {1, 2}}

// decode draws the frame. What it leaves, or lacks, is of the transparent colour or the
// first, as Pillow has it. It is an error if no pixel is there.
func (f *gifFrame) decode(p *Picture) (*Picture, error) {
	if len(f.data) == 0 || f.data[0] < 2 || f.data[0] > 8 {
		return nil, fmt.Errorf("frame with codes of an undefined size (%.1q), want 2 to 8 bits", f.data)
	}
	background := uint8(max(0, f.transparent))
	for i := range p.Pix {
		p.Pix[i] = f.colours[background][i%3]
	}
	translucent := background == uint8(f.transparent) && (f.width < p.Width || f.height < p.Height)
	codes := lzw.NewReader(&gifData{rest: f.data[1:]}, lzw.LSB, int(f.data[0]))
	passes := gifRows
	if !f.interlaced {
		passes = []struct{ first, step int }{{0, 1}}
	}
	row := make([]uint8, f.width)
	there := 0
	var broken error
	for _, pass := range passes {
		for y := pass.first; y < f.height && broken == nil; y += pass.step {
			var n int
			n, broken = io.ReadFull(codes, row)
			there += n
			dst := p.row(f.top + y)[3*f.left:]
			for i, v := range row[:n] {
				copy(dst[3*i:], f.colours[v][:])
				translucent = translucent || int(v) == f.transparent
			}
		}
	}
	if broken != nil {
		if there == 0 {
			return nil, fmt.Errorf("no pixel: %w", broken)
		}
		missing := 100 - 100*int64(there)/(int64(f.width)*int64(f.height))
		p.note(NoteTruncated, "damaged file: %d %% of the pixels are missing: %v", missing, broken)
	}
	if translucent {
		p.noteAlpha()
	}
	if gifHasMore(f.data) {
		p.note(NoteFirstFrame, "animation: only the first frame was read")
	}
	return p, nil
}

// gifData reads the content of a chain of sub-blocks.
type gifData struct{ block, rest []byte }

func (d *gifData) ReadByte() (byte, error) {
	for len(d.block) == 0 {
		if len(d.rest) == 0 {
			return 0, io.ErrUnexpectedEOF
		}
		n := int(d.rest[0])
		if n == 0 {
			return 0, io.EOF
		}
		d.block = d.rest[1:min(1+n, len(d.rest))]
		d.rest = d.rest[1+len(d.block):]
	}
	b := d.block[0]
	d.block = d.block[1:]
	return b, nil
}

// Read makes gifData a Reader: lzw asks for single bytes.
func (d *gifData) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	b, err := d.ReadByte()
	if err != nil {
		return 0, err
	}
	p[0] = b
	return 1, nil
}

// gifPalette returns the colour table [n][3], if the flags say that there is one.
func gifPalette(flags uint8, data []byte) (palette, rest []byte, err error) {
	if flags&0x80 == 0 {
		return nil, data, nil
	}
	n := 3 * (2 << (flags & 7))
	if len(data) < n {
		return nil, nil, io.ErrUnexpectedEOF
	}
	return data[:n], data[n:], nil
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
