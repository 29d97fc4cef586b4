package vision

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"slices"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"

	"cwox/nn/vision/internal/jpeg"
)

// format is a kind of file. open reads its header, without allocating by what that
// claims, and refuses files that are too short for it.
type format struct {
	name  string
	magic string // '?' stands for any byte
	open  func(data []byte) (*source, error)
}

var formats = []format{
	{"jpeg", "\xff\xd8\xff", openJPEG},
	{"png", "\x89PNG\r\n\x1a\n", openPNG},
	{"gif", "GIF8", openGIF},
	{"webp", "RIFF????WEBP", openWebP},
	{"bmp", "BM", openBMP},
	{"tiff", "II*\x00", openTIFF},
	{"tiff", "MM\x00*", openTIFF},
}

// sniff returns the format of a file, or nil.
func sniff(data []byte) *format {
	for i := range formats {
		if matches(data, formats[i].magic) {
			return &formats[i]
		}
	}
	return nil
}

func matches(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

// open reads the header of a file that another package decodes.
func open(data []byte, config func(io.Reader) (image.Config, error), decode func(io.Reader) (image.Image, error)) (*source, error) {
	c, err := config(bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	return &source{width: c.Width, height: c.Height, decode: func() (*Picture, error) {
		m, err := decode(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		return FromImage(m), nil
	}}, nil
}

// tooShort is the error of a file that cannot hold the picture it claims.
func (s *source) tooShort(size int) error {
	return fmt.Errorf("%d bytes of picture data are too few for %dx%d pixels", size, s.width, s.height)
}

func openJPEG(data []byte) (*source, error) {
	h, err := jpeg.DecodeHeader(data)
	if err != nil {
		return nil, err
	}
	return &source{h.Width, h.Height, h.Memory, orientation(h.Exif), func() (*Picture, error) {
		m, err := jpeg.Decode(data)
		if err != nil {
			return nil, err
		}
		p := &Picture{Width: m.Width, Height: m.Height, Pix: m.Pix}
		if m.Damage != "" {
			p.note(NoteTruncated, "damaged file, part of the picture may be missing: %s", m.Damage)
		}
		if m.Components == 4 {
			p.note(NoteCMYK, "CMYK converted without a colour profile")
		}
		return p, nil
	}}, nil
}

func openPNG(data []byte) (*source, error) {
	s, err := open(data, png.DecodeConfig, png.Decode)
	if err != nil {
		return nil, err
	}
	// The header was checked: it is the first chunk, of 13 bytes.
	header := data[16:29]
	depth, kind, interlaced := int64(header[8]), header[9], header[12] != 0
	var exif []byte
	size := 0
	for rest := data[8:]; len(rest) >= 12; {
		n := int64(binary.BigEndian.Uint32(rest))
		if n > int64(len(rest)-12) {
			n = int64(len(rest) - 12)
		}
		switch string(rest[4:8]) {
		case "IDAT":
			size += int(n)
		case "eXIf":
			exif = rest[8 : 8+n]
		}
		rest = rest[12+n:]
	}
	s.orientation = orientation(exif)
	channels := [7]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[min(kind, 6)]
	// Deflate shrinks at most 1032 times.
	if s.pixels()/8*depth*channels/1032 > int64(size) {
		return nil, s.tooShort(size)
	}
	bytes := max(depth/8, 1) // of a sample of the decoded image
	if channels > 1 {
		channels = 4
	}
	s.memory = s.pixels() * (channels*bytes + 3)
	if kind == 0 || kind == 2 { // a transparent colour makes these RGBA
		s.memory = s.pixels() * (4*bytes + 3)
	}
	if interlaced {
		s.memory += s.memory / 2
	}
	return s, nil
}

func openBMP(data []byte) (*source, error) {
	s, err := open(data, bmp.DecodeConfig, bmp.Decode)
	if err != nil {
		return nil, err
	}
	s.memory = 7 * s.pixels()
	depth := int64(binary.LittleEndian.Uint16(data[28:]))
	if s.pixels()/8*depth > int64(len(data)) {
		return nil, s.tooShort(len(data))
	}
	return s, nil
}

func openTIFF(data []byte) (*source, error) {
	s, err := open(data, tiff.DecodeConfig, tiff.Decode)
	if err != nil {
		return nil, err
	}
	tags := firstIFD(data)
	if v := tags[tagOrientation]; v <= 8 {
		s.orientation = int(v)
	}
	// The decoder takes at most 8 bytes a pixel for the image, and as much for a
	// strip or tile.
	s.memory = s.pixels() * (8 + 8 + 3)
	const maxBlocks = 1 << 17
	blocks := int64(s.height)
	if n := int64(tags[tagRowsPerStrip]); n > 0 {
		blocks /= n
	}
	if w, h := int64(tags[tagTileWidth]), int64(tags[tagTileHeight]); w > 0 && h > 0 {
		blocks = (int64(s.width)/w + 1) * (int64(s.height)/h + 1)
	}
	if blocks > maxBlocks {
		return nil, fmt.Errorf("%d strips or tiles, the limit is %d", blocks, maxBlocks)
	}
	// Readers disagree about black and white in these.
	if c := tags[tagCompression]; 2 <= c && c <= 4 {
		return nil, errors.New("fax compression is not supported")
	}
	// LZW, the densest of the others, makes at most 4096 bytes of a code of 9 bits.
	if s.pixels()/8/4096 > int64(len(data)) {
		return nil, s.tooShort(len(data))
	}
	return s, nil
}

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
			p.note(NoteAlphaDropped, "transparency dropped, not composited")
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
