// Package bmp decodes Windows and OS/2 bitmaps (BMP) to RGB: headers of 12 to 124
// bytes, 1 to 32 bits a pixel, bit masks of any place and size, RLE4 and RLE8, from
// the bottom up or from the top down. Other compressions are refused by name.
//
// Pixels are those of Pillow's convert("RGB"): alpha is dropped, colours that a short
// palette lacks are black, and pixels that run lengths leave out have colour 0.
//
// Decode needs about Header.Memory bytes, which DecodeHeader tells beforehand. It
// never panics on a file's content, and its time is bounded by the sizes of the file
// and of the picture.
package bmp

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
)

// Header is what a file says before its pixels.
type Header struct {
	Width, Height int
	Memory        int64 // bytes that Decode allocates, nearly
}

// Image is a decoded file.
type Image struct {
	Header
	Pix    []uint8 // RGB [Height][Width][3]
	Alpha  bool    // transparency was dropped
	Damage string  // why a part of the picture is missing, and is grey; empty for a sound file
}

// The values of the compression field.
const (
	raw            = 0
	rle8           = 1
	rle4           = 2
	bitfields      = 3
	alphaBitfields = 6
)

const maxPixels = 1 << 40 // so that no product overflows; callers have lower limits

// refused names other values.
var refused = map[uint32]string{4: ", JPEG,", 5: ", PNG,", 11: ", CMYK,", 12: ", CMYK by RLE8,", 13: ", CMYK by RLE4,"}

// channel is one colour of a pixel of 16, 24 or 32 bits.
type channel struct {
	mask  uint32
	shift int
	limit uint32 // the largest value; 0 for a channel that is not there
}

// value returns the channel of a pixel, reduced to 8 bits.
func (c *channel) value(pixel uint32) uint8 {
	v := pixel & c.mask >> c.shift
	switch {
	case c.limit == 255:
		return uint8(v)
	case c.limit > 255:
		return uint8(v >> (bits.Len32(c.limit) - 8))
	case c.limit > 0:
		return uint8(v * 255 / c.limit)
	}
	return 0
}

type decoder struct {
	width, height int
	topDown       bool
	bits          int
	compression   uint32
	palette       [256][3]uint8
	channels      [4]channel // red, green, blue, alpha
	stride        int        // bytes of a row
	pixels        []byte     // to the end of the file
}

// DecodeHeader reads everything before the pixels.
func DecodeHeader(data []byte) (Header, error) {
	var d decoder
	err := d.readHeader(data)
	return d.header(), err
}

func (d *decoder) header() Header {
	return Header{d.width, d.height, 3*int64(d.width)*int64(d.height) + int64(d.stride)}
}

func (d *decoder) readHeader(data []byte) error {
	const fileHeader = 14
	if len(data) < fileHeader+4 {
		return errors.New("the file ends inside its header")
	}
	if data[0] != 'B' || data[1] != 'M' {
		return fmt.Errorf("no BMP header: it begins with %q", data[:2])
	}
	le := binary.LittleEndian
	size := int64(le.Uint32(data[fileHeader:]))
	if size != 12 && (size < 16 || size > 124) {
		return fmt.Errorf("header of %d bytes, want 12 or 16 to 124", size)
	}
	if int64(len(data)) < fileHeader+size {
		return errors.New("the file ends inside its header")
	}
	// Fields that a shorter header lacks are 0.
	var h [124]byte
	copy(h[:], data[fileHeader:fileHeader+size])
	colourBytes := 4
	if size == 12 {
		colourBytes = 3
		copy(h[12:], h[8:12]) // planes and bits are elsewhere
		d.width, d.height = int(le.Uint16(h[4:])), int(le.Uint16(h[6:]))
		le.PutUint32(h[16:], 0)
	} else {
		d.width, d.height = int(int32(le.Uint32(h[4:]))), int(int32(le.Uint32(h[8:])))
	}
	d.bits, d.compression = int(le.Uint16(h[14:])), le.Uint32(h[16:])
	if d.height < 0 {
		d.topDown, d.height = true, -d.height
	}
	if d.width <= 0 || d.height <= 0 || int64(d.width)*int64(d.height) > maxPixels {
		return fmt.Errorf("size %dx%d", d.width, d.height)
	}
	rest := data[fileHeader+size:]
	start := int64(le.Uint32(data[10:]))
	// Masks are in the header, or follow one of 40 bytes.
	masks := h[40:56]
	if size == 40 && (d.compression == bitfields || d.compression == alphaBitfields) {
		n := 12
		if d.compression == alphaBitfields {
			n = 16
		}
		if len(rest) < n {
			return errors.New("the file ends inside its bit masks")
		}
		masks = make([]byte, 16)
		copy(masks, rest[:n])
		rest = rest[n:]
	}
	switch {
	case size == 64 && d.compression > rle4:
		return fmt.Errorf("compression %d of OS/2, Huffman or RLE24, is not read: convert the picture to PNG", d.compression)
	case d.compression > bitfields && d.compression != alphaBitfields:
		return fmt.Errorf("compression %d%s is not read: convert the picture to PNG", d.compression, refused[d.compression])
	case d.compression == rle8 && d.bits != 8, d.compression == rle4 && d.bits != 4:
		return fmt.Errorf("compression %d, run lengths, with %d bits a pixel", d.compression, d.bits)
	}
	switch d.bits {
	case 1, 2, 4, 8:
		rest, start = d.readPalette(rest, colourBytes, int64(le.Uint32(h[32:])), start, fileHeader+size)
	case 16, 24, 32:
		if err := d.readMasks(masks); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%d bits a pixel, want 1, 2, 4, 8, 16, 24 or 32", d.bits)
	}
	if start == 0 {
		start = int64(len(data) - len(rest))
	}
	if start > int64(len(data)) {
		return fmt.Errorf("the pixels begin at byte %d, the file has %d", start, len(data))
	}
	d.pixels = data[start:]
	d.stride = (d.width*d.bits + 31) / 32 * 4
	// A file may be cut, but not hold next to nothing.
	if d.compression != rle4 && d.compression != rle8 && int64(d.stride)*int64(d.height)/64 > int64(len(d.pixels)) || len(d.pixels) == 0 {
		return fmt.Errorf("%d bytes of picture data are too few for %dx%d pixels", len(d.pixels), d.width, d.height)
	}
	return nil
}

// readPalette reads n colours, all of them where n is 0, and returns what follows,
// and where the pixels start: some files say that they do where the palette does.
func (d *decoder) readPalette(rest []byte, size int, n, start, headers int64) ([]byte, int64) {
	if n == 0 {
		n = 1 << d.bits
	}
	if start == headers {
		start += n * int64(size)
	}
	for i := range min(n, 1<<d.bits) {
		if len(rest) < size {
			break
		}
		d.palette[i] = [3]uint8{rest[2], rest[1], rest[0]}
		rest = rest[size:]
	}
	return rest, start
}

// readMasks makes the channels of pixels without a palette.
func (d *decoder) readMasks(data []byte) error {
	masks := [4]uint32{0xff0000, 0xff00, 0xff, 0}
	if d.bits == 16 {
		masks = [4]uint32{0x7c00, 0x3e0, 0x1f, 0}
	}
	if d.compression != raw {
		var given [4]uint32
		for i := range given {
			given[i] = binary.LittleEndian.Uint32(data[4*i:])
		}
		if given != [4]uint32{} {
			masks = given
		}
	}
	for i, mask := range masks {
		shift := bits.TrailingZeros32(mask) & 31
		limit := mask >> shift
		if limit&(limit+1) != 0 {
			return fmt.Errorf("bit mask %#x has holes", mask)
		}
		d.channels[i] = channel{mask, shift, limit}
	}
	return nil
}

// Decode decodes a whole file. Of a file that ends early it returns what can be
// decoded, the rest is grey, and sets Damage.
func Decode(data []byte) (*Image, error) {
	var d decoder
	if err := d.readHeader(data); err != nil {
		return nil, err
	}
	m := &Image{Header: d.header(), Pix: make([]uint8, 3*d.width*d.height)}
	if d.compression == rle4 || d.compression == rle8 {
		if y := d.runs(m); y < d.height/64 {
			return nil, fmt.Errorf("the file ends in row %d of %d", y, d.height)
		} else if y < d.height {
			m.Damage = fmt.Sprintf("the file ends in row %d of %d", y, d.height)
		}
		return m, nil
	}
	padding := d.stride - (d.width*d.bits+7)/8 // which the last row may lack
	whole := min((len(d.pixels)+padding)/d.stride, d.height)
	for y := range d.height {
		dst := d.row(m, y)
		if y < whole {
			m.Alpha = d.convert(dst, d.pixels[y*d.stride:]) || m.Alpha
			continue
		}
		for i := range dst {
			dst[i] = 128
		}
	}
	if whole < d.height {
		m.Damage = fmt.Sprintf("the file ends after %d of %d rows", whole, d.height)
	}
	return m, nil
}

// row returns the pixels of row y of the file.
func (d *decoder) row(m *Image, y int) []uint8 {
	if !d.topDown {
		y = d.height - 1 - y
	}
	return m.Pix[3*d.width*y:][:3*d.width]
}

// convert writes a row of pixels that are not compressed, and tells whether some are
// translucent.
func (d *decoder) convert(dst []uint8, src []byte) (translucent bool) {
	if d.bits <= 8 {
		perByte, mask := 8/d.bits, uint8(1<<d.bits-1)
		for x := range d.width {
			v := src[x/perByte] >> (8 - d.bits*(x%perByte+1)) & mask
			copy(dst[3*x:], d.palette[v][:])
		}
		return false
	}
	for n := d.bits / 8; len(dst) >= 3; src, dst = src[n:], dst[3:] {
		pixel := uint32(src[0]) | uint32(src[1])<<8
		if n > 2 {
			pixel |= uint32(src[2]) << 16
		}
		if n > 3 {
			pixel |= uint32(src[3]) << 24
		}
		for c := range 3 {
			dst[c] = d.channels[c].value(pixel)
		}
		translucent = translucent || d.channels[3].limit > 0 && d.channels[3].value(pixel) != 255
	}
	return translucent
}

// runs decodes RLE4 and RLE8. Every code begins with two bytes: a count and the colour
// or the two colours that alternate, or 0 and what else comes. Runs end at the end of
// their row. It returns the row where the file ends without saying so, or the height.
func (d *decoder) runs(m *Image) int {
	for i := 0; i < len(m.Pix); i += 3 {
		copy(m.Pix[i:], d.palette[0][:])
	}
	src := d.pixels
	x, y := 0, 0
	put := func(colour uint8) {
		copy(d.row(m, y)[3*x:], d.palette[colour][:])
		x++
	}
	for y < d.height {
		if len(src) < 2 {
			return y
		}
		count, code := int(src[0]), src[1]
		src = src[2:]
		switch {
		case count > 0:
			pair := [2]uint8{code, code}
			if d.compression == rle4 {
				pair = [2]uint8{code >> 4, code & 15}
			}
			for i := range min(count, d.width-x) {
				put(pair[i&1])
			}
		case code == 0: // end of the row
			x, y = 0, y+1
		case code == 1: // end of the picture
			return d.height
		case code == 2: // to the right and up
			if len(src) >= 2 {
				x, y = min(x+int(src[0]), d.width), y+int(src[1])
				src = src[2:]
			}
		default: // as many pixels, padded to an even number of bytes
			n := int(code)
			size := n
			if d.compression == rle4 {
				size = (n + 1) / 2
			}
			for i := range min(n, d.width-x) {
				switch {
				case d.compression == rle8 && i < len(src):
					put(src[i])
				case d.compression == rle4 && i/2 < len(src):
					put(src[i/2] >> (4 - 4*(i&1)) & 15)
				}
			}
			src = src[min(size+size&1, len(src)):]
		}
	}
	return d.height
}
