package vision

import (
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/adler32"
	"hash/crc32"
	"io"
	"strings"
)

func ceilDiv(a, b int) int { return (a + b - 1) / b }

// pngFile is a PNG file (W3C, Portable Network Graphics, third edition) whose chunks were
// looked at. The standard library's decoder gives nothing of a file of which the last
// byte is missing.
type pngFile struct {
	width, height   int
	depth           int // bits of a sample: 1, 2, 4, 8 or 16
	colour          uint8
	channels        int
	interlaced      bool
	palette         []byte // [n][3]
	transparent     []byte // content of tRNS
	data            []byte // from the first IDAT chunk on
	damage          string // the first defect that does not make the file unreadable
	translucent     bool   // found when decoding
	highest         int    // sample of 16 bits, likewise
	rows, rowsThere int    // of all passes, likewise
}

// The kinds of colour.
const (
	pngGrey      = 0
	pngRGB       = 2
	pngPalette   = 3
	pngGreyAlpha = 4
	pngRGBA      = 6
)

// pngChannels is by the kind of colour; pngDepths are the bits that a sample may have.
var (
	pngChannels = [7]int{pngGrey: 1, pngRGB: 3, pngPalette: 1, pngGreyAlpha: 2, pngRGBA: 4}
	pngDepths   = [7]uint32{pngGrey: 0x10116, pngRGB: 0x10100, pngPalette: 0x116, pngGreyAlpha: 0x10100, pngRGBA: 0x10100} // bit n: n bits
)

// pngChunk is a chunk; the body of the last one of a file may be cut.
type pngChunk struct {
	name string
	body []byte
	sum  []byte // checksum, nil if the chunk is cut
}

func (c *pngChunk) sound() bool {
	return c.sum != nil && crc32.Update(crc32.ChecksumIEEE([]byte(c.name)), crc32.IEEETable, c.body) == binary.BigEndian.Uint32(c.sum)
}

// nextChunk returns the chunk that data begin with and what follows it; ok is false where
// there is none.
func nextChunk(data []byte) (c pngChunk, rest []byte, ok bool) {
	if len(data) < 8 {
		return c, nil, false
	}
	c.name = string(data[4:8])
	if strings.ContainsFunc(c.name, func(r rune) bool { return r|0x20 < 'a' || r|0x20 > 'z' }) {
		return c, nil, false
	}
	end := 8 + int64(binary.BigEndian.Uint32(data))
	if end+4 > int64(len(data)) {
		c.body = data[8:min(end, int64(len(data)))]
		return c, nil, true
	}
	c.body, c.sum = data[8:end], data[end:end+4]
	return c, data[end+4:], true
}

// pngData reads the content of consecutive IDAT chunks.
type pngData struct{ body, rest []byte }

// ready looks for the next byte.
func (d *pngData) ready() bool {
	for len(d.body) == 0 && len(d.rest) > 0 {
		c, rest, ok := nextChunk(d.rest)
		d.body, d.rest = c.body, rest
		if !ok || c.name != "IDAT" {
			d.body, d.rest = nil, nil
		}
	}
	return len(d.body) > 0
}

func (d *pngData) ReadByte() (byte, error) {
	if !d.ready() {
		return 0, io.ErrUnexpectedEOF
	}
	b := d.body[0]
	d.body = d.body[1:]
	return b, nil
}

func (d *pngData) Read(p []byte) (int, error) {
	if !d.ready() {
		return 0, io.ErrUnexpectedEOF
	}
	n := copy(p, d.body)
	d.body = d.body[n:]
	return n, nil
}

func openPNG(data []byte) (*source, error) {
	var (
		f                      pngFile
		size                   int64 // of the pixel data
		about                  metadata
		ended, srgb, animation bool
	)
	for at := data[8:]; !ended; {
		c, rest, ok := nextChunk(at)
		if !ok {
			break
		}
		if f.channels == 0 {
			if err := f.header(&c); err != nil {
				return nil, err
			}
		}
		switch c.name {
		case "IDAT":
			if f.data == nil {
				f.data = at
			}
			size += int64(len(c.body))
		case "IEND", "PLTE", "tRNS", "eXIf", "iCCP", "sRGB", "acTL", "tEXt", "zTXt", "iTXt":
			if !c.sound() {
				f.damaged("chunk %s has a wrong checksum", c.name)
				break
			}
			switch c.name {
			case "IEND":
				ended = true
			case "PLTE":
				if f.data == nil { // too late otherwise
					f.palette = c.body
				}
			case "tRNS":
				if f.data == nil {
					f.transparent = c.body
				}
			case "eXIf":
				about.exif = c.body
			case "iCCP":
				_, profile, _ := bytes.Cut(c.body, []byte{0}) // name, method
				about.profile = func() []byte { return inflated(profile[min(1, len(profile)):]) }
			case "sRGB":
				srgb = true
			case "acTL":
				animation = len(c.body) >= 8 && binary.BigEndian.Uint32(c.body) > 1
			default:
				c.text(&about)
			}
		}
		at = rest
	}
	if f.channels == 0 {
		return nil, errors.New("no chunk")
	}
	if !ended {
		f.damaged("the end chunk (IEND) is missing")
	}
	if f.colour == pngPalette && len(f.palette) < 3 {
		return nil, errors.New("no palette (chunk PLTE)")
	}
	s := &source{width: f.width, height: f.height}
	// Deflate shrinks at most 1032 times.
	if s.pixels()/8*int64(f.depth*f.channels)/1032 > size {
		return nil, s.tooShort(int(size))
	}
	s.memory = 3*s.pixels() + 2*f.rowBytes(s.width) + 1<<17 // two rows, and the inflater
	if srgb {
		about.profile = nil
	}
	s.describe(about)
	s.decode = func() (*Picture, error) {
		p, err := f.decode()
		if err != nil {
			return nil, err
		}
		if animation {
			p.note(NoteFirstFrame, "animation: only the first frame was read")
		}
		return p, nil
	}
	return s, nil
}

// header reads IHDR.
func (f *pngFile) header(c *pngChunk) error {
	if c.name != "IHDR" || len(c.body) != 13 || !c.sound() {
		return fmt.Errorf("the first chunk is %s with %d bytes, want IHDR with 13 and the right checksum", c.name, len(c.body))
	}
	b := c.body
	width, height := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:])
	if width > 1<<31-1 || height > 1<<31-1 {
		return fmt.Errorf("size %dx%d", width, height)
	}
	f.width, f.height = int(width), int(height)
	f.depth, f.colour, f.interlaced = int(b[8]), b[9], b[12] == 1
	if b[9] > 6 || b[8] > 16 || pngDepths[b[9]]>>b[8]&1 == 0 {
		return fmt.Errorf("colour kind %d with %d bits a sample", b[9], b[8])
	}
	if b[10] != 0 || b[11] != 0 || b[12] > 1 {
		return fmt.Errorf("compression %d, filter %d, interlacing %d: want 0, 0 and 0 or 1", b[10], b[11], b[12])
	}
	f.channels = pngChannels[f.colour]
	return nil
}

func (f *pngFile) damaged(format string, args ...any) {
	if f.damage == "" {
		f.damage = fmt.Sprintf(format, args...)
	}
}

// rowBytes is the size of a row of n pixels with its filter byte.
func (f *pngFile) rowBytes(n int) int64 {
	return 1 + (int64(n)*int64(f.depth*f.channels)+7)/8
}

// pngPass is a set of pixels: every dx-th of every dy-th row from (x, y) on.
type pngPass struct{ x, y, dx, dy int }

var (
	pngWhole = []pngPass{{0, 0, 1, 1}}
	pngAdam7 = []pngPass{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
)

// decode inflates the pixels row by row. Rows that are missing are black, or of the first
// colour of the palette, as Pillow leaves them; it is an error if all are.
func (f *pngFile) decode() (*Picture, error) {
	p := New(f.width, f.height)
	passes := pngWhole
	if f.interlaced {
		passes = pngAdam7
	}
	for _, pass := range passes {
		if pass.x < f.width {
			f.rows += max(0, ceilDiv(f.height-pass.y, pass.dy))
		}
	}
	stream, sum := &pngData{rest: f.data}, adler32.New()
	var header [2]byte
	_, broken := io.ReadFull(stream, header[:])
	if broken == nil && (header[0]&15 != 8 || header[1]&0x20 != 0 || binary.BigEndian.Uint16(header[:])%31 != 0) {
		broken = fmt.Errorf("the pixel data begin with %q, which is not zlib", header)
	}
	inflater := flate.NewReader(stream)
	buffers := [2][]byte{make([]byte, f.rowBytes(f.width)), make([]byte, f.rowBytes(f.width))}
	for _, pass := range passes {
		if pass.x >= f.width {
			continue
		}
		n := ceilDiv(f.width-pass.x, pass.dx)
		row, above := buffers[0][:f.rowBytes(n)], buffers[1][:f.rowBytes(n)]
		clear(above)
		for y := pass.y; y < f.height; y += pass.dy {
			if broken == nil {
				if _, broken = io.ReadFull(inflater, row); broken == nil {
					sum.Write(row)
					broken = f.unfilter(row, above)
				}
			}
			if broken == nil {
				f.rowsThere++
			} else if f.colour == pngPalette {
				clear(row)
			} else {
				break
			}
			f.convert(p.row(y)[3*pass.x:], row[1:], n, 3*pass.dx)
			row, above = above, row
		}
	}
	switch {
	case f.rowsThere == 0:
		return nil, fmt.Errorf("no row of pixels: %w", broken)
	case broken != nil:
		f.damage = fmt.Sprintf("%d %% of the rows are missing: %v", ceilDiv(100*(f.rows-f.rowsThere), f.rows), broken)
	default:
		f.checkEnd(inflater, stream, sum.Sum32())
	}
	if f.damage != "" {
		p.note(NoteTruncated, "damaged file: %s", f.damage)
	}
	if f.translucent {
		p.noteAlpha()
	}
	if f.depth == 16 {
		p.noteDepth(f.highest)
	}
	return p, nil
}

// checkEnd notes pixel data that do not end with the pixels and the right checksum.
func (f *pngFile) checkEnd(inflater io.Reader, stream *pngData, sum uint32) {
	var want [4]byte
	if n, err := io.ReadFull(inflater, want[:1]); n > 0 {
		f.damaged("there are more pixel data than pixels")
	} else if err != io.EOF {
		f.damaged("the end of the pixel data: %v", err)
	} else if _, err := io.ReadFull(stream, want[:]); err != nil {
		f.damaged("the checksum of the pixel data is missing")
	} else if binary.BigEndian.Uint32(want[:]) != sum {
		f.damaged("the checksum of the pixel data is wrong")
	}
}

// unfilter undoes the filter of a row that its first byte tells.
func (f *pngFile) unfilter(row, above []byte) error {
	filter := row[0]
	row, above = row[1:], above[1:]
	above = above[:len(row)]
	distance := max(1, f.depth*f.channels/8) // to the same sample of the pixel before
	left := min(distance, len(row))
	switch filter {
	case 0:
	case 1:
		for i := left; i < len(row); i++ {
			row[i] += row[i-distance]
		}
	case 2:
		for i, b := range above {
			row[i] += b
		}
	case 3:
		for i, b := range above[:left] {
			row[i] += b / 2
		}
		for i := left; i < len(row); i++ {
			row[i] += uint8((int(row[i-distance]) + int(above[i])) / 2)
		}
	case 4:
		for i, b := range above[:left] {
			row[i] += b
		}
		for i := left; i < len(row); i++ {
			row[i] += paeth(int(row[i-distance]), int(above[i]), int(above[i-distance]))
		}
	default:
		return fmt.Errorf("filter %d, want 0 to 4", filter)
	}
	return nil
}

// paeth is whichever of a (left), b (above) and c (both) is nearest to a + b - c.
func paeth(a, b, c int) uint8 {
	pa, pb := b-c, a-c
	pc := pa + pb
	pa, pb, pc = max(pa, -pa), max(pb, -pb), max(pc, -pc)
	switch {
	case pa <= pb && pa <= pc:
		return uint8(a)
	case pb <= pc:
		return uint8(b)
	}
	return uint8(c)
}

// convert writes n pixels of a row as RGB, step bytes apart.
func (f *pngFile) convert(dst, row []byte, n, step int) {
	switch {
	case f.depth < 8 || f.colour == pngPalette:
		mask, scale := 1<<f.depth-1, 255/(1<<f.depth-1)
		key := f.key(0)
		for i := range n {
			bit := i * f.depth
			v := int(row[bit/8]) >> (8 - f.depth - bit%8) & mask
			d := dst[i*step : i*step+3]
			if f.colour == pngPalette {
				if v < len(f.transparent) && f.transparent[v] != 255 {
					f.translucent = true
				}
				if v = 3 * v; v+3 <= len(f.palette) {
					copy(d, f.palette[v:])
				}
				continue
			}
			f.translucent = f.translucent || v == key
			d[0], d[1], d[2] = uint8(v*scale), uint8(v*scale), uint8(v*scale)
		}
	case f.depth == 8 && f.colour == pngRGB && f.key(0) < 0 && step == 3:
		copy(dst, row[:3*n])
	case f.depth == 8 && f.colour == pngGrey && f.key(0) < 0:
		for i, v := range row[:n] {
			d := dst[i*step : i*step+3]
			d[0], d[1], d[2] = v, v, v
		}
	case f.depth == 8:
		green, blue := 0, 0
		if f.channels > 2 {
			green, blue = 1, 2
		}
		keys := [3]int{f.key(0), f.key(green), f.key(blue)}
		opaque := uint8(255)
		for i := range n {
			s := row[i*f.channels : (i+1)*f.channels]
			d := dst[i*step : i*step+3]
			d[0], d[1], d[2] = s[0], s[green], s[blue]
			if f.channels&1 == 0 { // the last is alpha
				opaque &= s[f.channels-1]
			} else if keys[0] >= 0 && keys == [3]int{int(d[0]), int(d[1]), int(d[2])} {
				opaque = 0
			}
		}
		f.translucent = f.translucent || opaque != 255
	default: // 16 bits
		green, blue := 0, 0
		if f.channels > 2 {
			green, blue = 1, 2
		}
		keys := [3]int{f.key(0), f.key(green), f.key(blue)}
		for i := range n {
			s := row[2*i*f.channels : 2*(i+1)*f.channels]
			at := func(c int) int { return int(binary.BigEndian.Uint16(s[2*c:])) }
			r, g, b := at(0), at(green), at(blue)
			f.highest = max(f.highest, r, g, b)
			d := dst[i*step : i*step+3]
			d[0], d[1], d[2] = uint8(r>>8), uint8(g>>8), uint8(b>>8)
			if f.channels&1 == 0 {
				f.translucent = f.translucent || at(f.channels-1) != 0xffff
			} else if keys == [3]int{r, g, b} {
				f.translucent = true
			}
		}
	}
}

// key is channel c of the transparent colour, or -1.
func (f *pngFile) key(c int) int {
	if f.channels&1 == 0 || f.colour == pngPalette || len(f.transparent) != 2*f.channels {
		return -1
	}
	return int(binary.BigEndian.Uint16(f.transparent[2*c:]))
}

// text looks in a tEXt, zTXt or iTXt chunk for what tells the orientation.
func (c *pngChunk) text(about *metadata) {
	key, text, _ := bytes.Cut(c.body, []byte{0})
	deflated := false
	switch c.name {
	case "zTXt":
		deflated, text = true, text[min(1, len(text)):] // method
	case "iTXt":
		if len(text) < 2 {
			return
		}
		deflated = text[0] != 0
		_, rest, _ := bytes.Cut(text[2:], []byte{0}) // language
		_, text, _ = bytes.Cut(rest, []byte{0})      // translated key
	}
	value := func() []byte {
		if deflated {
			return inflated(text)
		}
		return text
	}
	switch string(key) {
	case "XML:com.adobe.xmp":
		about.xmp = value
	case "Raw profile type exif":
		about.exifText = value
	}
}
