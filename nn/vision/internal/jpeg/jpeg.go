// Package jpeg decodes baseline, extended and progressive JPEG files (ITU-T T.81,
// Huffman coding, 8 bits) to the very pixels that libjpeg-turbo gives by default:
// its "islow" inverse DCT, its "fancy" (triangle) chroma upsampling and its integer
// colour conversion. The standard library's decoder has another inverse DCT, leaves
// chroma subsampled and returns nothing of a file that ends early.
//
// The pixels of damaged files and of those that lack scans are libjpeg-turbo's, too (on
// x86, for coefficients beyond what a sound file has): bad codes, missing data and lost
// restart markers mean what they mean there, and blocks are smoothed. Where it gives up,
// at bad segments between scans, this shows what came before.
//
// Decode needs about Header.Memory bytes, which DecodeHeader tells beforehand. It
// never panics on a file's content, and its time is bounded by the sizes of the file
// and of the picture.
package jpeg

import (
	"bytes"
	"errors"
	"fmt"
	"math"
)

// Header is what a file says before its first scan.
type Header struct {
	Width, Height int
	Components    int // 1 grey, 3 colour, 4 CMYK or YCCK
	Progressive   bool
	Exif          []byte // the TIFF structure of the EXIF segment, part of the file's bytes; nil if absent
	XMP           []byte // the XML of the XMP segment, likewise
	Profile       []byte // the first part of the ICC profile, likewise
	Pictures      []byte // the TIFF structure of the multi-picture segment (CIPA DC-007), likewise
	Memory        int64  // bytes that Decode allocates, nearly
}

// Image is a decoded file.
type Image struct {
	Header
	Pix    []uint8 // RGB [Height][Width][3]
	Damage string  // why something may be missing: the file ends early or is corrupt; empty for a sound file
}

// DecodeHeader reads everything before the first scan.
func DecodeHeader(data []byte) (Header, error) {
	var d decoder
	if err := d.readHeader(data); err != nil {
		return Header{}, err
	}
	return d.header(), nil
}

// Decode decodes a whole file. Of a file that ends early or is corrupt it returns
// what can be decoded (the rest is grey, or lacks detail) and sets Damage; it is an
// error if that is nothing.
func Decode(data []byte) (*Image, error) {
	var d decoder
	if err := d.readHeader(data); err != nil {
		return nil, err
	}
	if err := d.readScans(); err != nil {
		return nil, err
	}
	m := &Image{Header: d.header(), Damage: d.damage}
	if d.lost > 0 {
		m.Damage += fmt.Sprintf("; %.0f %% is missing", math.Ceil(100*d.lost))
	}
	m.Pix = d.pixels()
	return m, nil
}

// component is one colour plane.
type component struct {
	id     uint8
	h, v   int // sampling factors
	tq     uint8
	quant  *[64]uint16 // of the first scan, natural order; nil before that
	pred   int32       // DC prediction of the current scan
	dc, ac *huffman    // of the current scan

	width, height    int     // samples that count
	blocksX, blocksY int     // blocks stored, whole MCUs
	plane            []uint8 // [8 blocksY][8 blocksX]
	coefs            []int16 // [blocksY][blocksX][64] natural order; progressive files only
	last             []uint8 // [blocksY][blocksX] last zigzag index that may be other than zero; likewise

	// Of progressive files: by zigzag index, how many low bits are not told yet, -1 for
	// all; and what that was before the last scan of the component.
	accuracy, before [64]int8
}

func (c *component) blocks() int { return c.blocksX * c.blocksY }

type decoder struct {
	data []byte
	pos  int

	width, height  int
	progressive    bool
	comps          []component
	maxH, maxV     int
	mcusX, mcusY   int
	quants         [4]*[64]uint16
	dcs, acs       [4]*huffman
	restart        int // MCUs between restart markers, 0 for none
	jfif, adobe    bool
	adobeTransform uint8
	about          Header  // metadata only
	damage         string  // the first defect
	lost           float64 // part of the scan that lost most, 0..1
	scans          int     // that were decoded, or begun
	lastRow        int     // of whole MCUs, the last that the last scan has data for
}

// Markers of T.81 table B.1.
const (
	markerSOF0  = 0xc0
	markerSOF1  = 0xc1
	markerSOF2  = 0xc2
	markerDHT   = 0xc4
	markerRST0  = 0xd0
	markerRST7  = 0xd7
	markerSOI   = 0xd8
	markerEOI   = 0xd9
	markerSOS   = 0xda
	markerDQT   = 0xdb
	markerDNL   = 0xdc
	markerDRI   = 0xdd
	markerAPP0  = 0xe0
	markerAPP1  = 0xe1
	markerAPP2  = 0xe2
	markerAPP14 = 0xee
	markerTEM   = 0x01
)

// zigzag maps the order of the file to natural (row-major) order.
var zigzag = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10,
	17, 24, 32, 25, 18, 11, 4, 5,
	12, 19, 26, 33, 40, 48, 41, 34,
	27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36,
	29, 22, 15, 23, 30, 37, 44, 51,
	58, 59, 52, 45, 38, 31, 39, 46,
	53, 60, 61, 54, 47, 55, 62, 63,
}

var (
	errNoScan = errors.New("the file ends before any picture data")
	errShort  = errors.New("the file ends inside a segment")
)

// readHeader reads up to the first SOS marker and leaves pos behind that.
func (d *decoder) readHeader(data []byte) error {
	d.data = data
	if len(data) < 2 || data[0] != 0xff || data[1] != markerSOI {
		return errors.New("no SOI marker at the beginning")
	}
	d.pos = 2
	marker, err := d.readTables()
	switch {
	case err != nil:
		return err
	case marker != markerSOS:
		return errNoScan
	case d.comps == nil:
		return errors.New("picture data before the frame header")
	}
	// A block of the first component takes a bit at least, so a tiny file cannot
	// claim a huge picture.
	if blocks, rest := d.comps[0].blocks(), len(data)-d.pos; blocks > 8*rest {
		return fmt.Errorf("%d bytes of picture data are too few for %dx%d pixels", rest, d.width, d.height)
	}
	return nil
}

func (d *decoder) header() Header {
	h := d.about
	h.Width, h.Height, h.Components, h.Progressive = d.width, d.height, len(d.comps), d.progressive
	h.Memory = 3 * int64(d.width) * int64(d.height)
	for _, c := range d.comps {
		block := int64(64)
		if d.progressive {
			block += 2*64 + 1
		}
		h.Memory += block * int64(c.blocks())
	}
	return h
}

// readTables reads marker segments until one that it does not handle: SOS or EOI,
// or 0 where the file ends.
func (d *decoder) readTables() (marker uint8, err error) {
	for {
		marker := d.nextMarker()
		switch {
		case marker == 0, marker == markerEOI, marker == markerSOS:
			return marker, nil
		case marker == markerTEM, marker == markerSOI, markerRST0 <= marker && marker <= markerRST7:
			continue // no segment; stray restart markers do no harm
		}
		segment, err := d.segment()
		if err != nil {
			return 0, err
		}
		switch marker {
		case markerSOF0, markerSOF1, markerSOF2:
			d.progressive = marker == markerSOF2
			err = d.readFrame(segment)
		case markerDHT:
			err = d.readHuffman(segment)
		case markerDQT:
			err = d.readQuant(segment)
		case markerDRI:
			if len(segment) != 2 {
				return 0, fmt.Errorf("DRI segment has %d bytes, want 2", len(segment))
			}
			d.restart = int(segment[0])<<8 | int(segment[1])
		case markerAPP0:
			if len(segment) >= 14 && string(segment[:5]) == "JFIF\x00" {
				d.jfif = true
			}
		case markerAPP1:
			if exif, ok := bytes.CutPrefix(segment, []byte("Exif\x00\x00")); ok && d.about.Exif == nil && len(exif) > 0 {
				d.about.Exif = exif
			} else if xmp, ok := bytes.CutPrefix(segment, []byte("http://ns.adobe.com/xap/1.0/\x00")); ok {
				d.about.XMP = xmp
			}
		case markerAPP2:
			if icc, ok := bytes.CutPrefix(segment, []byte("ICC_PROFILE\x00\x01")); ok && len(icc) > 0 { // part 1 of so many
				d.about.Profile = icc[1:]
			} else if mpf, ok := bytes.CutPrefix(segment, []byte("MPF\x00")); ok {
				d.about.Pictures = mpf
			}
		case markerAPP14:
			if len(segment) >= 12 && string(segment[:5]) == "Adobe" {
				d.adobe, d.adobeTransform = true, segment[11]
			}
		default:
			if what := unsupported[marker]; what != "" {
				err = fmt.Errorf("%s (SOF%d) is not supported: convert the file with djpeg or ImageMagick", what, marker-markerSOF0)
			}
		}
		if err != nil {
			return 0, err
		}
	}
}

// unsupported are the coding processes of T.81 that are hardly in use.
var unsupported = [256]string{
	0xc3: "lossless coding", 0xc5: "hierarchical coding", 0xc6: "hierarchical coding", 0xc7: "hierarchical coding",
	0xc9: "arithmetic coding", 0xca: "arithmetic coding", 0xcb: "lossless arithmetic coding",
	0xcd: "hierarchical coding", 0xce: "hierarchical coding", 0xcf: "hierarchical coding",
	0xf7: "JPEG-LS",
}

// nextMarker skips to the byte behind the next marker and returns the marker, or 0
// where the file ends.
func (d *decoder) nextMarker() uint8 {
	for d.pos+1 < len(d.data) {
		if d.data[d.pos] == 0xff {
			if m := d.data[d.pos+1]; m != 0 && m != 0xff {
				d.pos += 2
				return m
			}
		}
		d.pos++
	}
	d.pos = len(d.data)
	return 0
}

// segment returns the content of the segment at pos and goes behind it.
func (d *decoder) segment() ([]byte, error) {
	if d.pos+2 > len(d.data) {
		return nil, errShort
	}
	n := int(d.data[d.pos])<<8 | int(d.data[d.pos+1])
	if n < 2 {
		return nil, fmt.Errorf("segment length %d is less than 2", n)
	}
	if d.pos+n > len(d.data) {
		return nil, errShort
	}
	s := d.data[d.pos+2 : d.pos+n]
	d.pos += n
	return s, nil
}

// readFrame reads an SOF segment (T.81 B.2.2).
func (d *decoder) readFrame(s []byte) error {
	if d.comps != nil {
		return errors.New("second frame header")
	}
	if len(s) < 6 || len(s) != 6+3*int(s[5]) {
		return fmt.Errorf("frame header of %d bytes does not fit its number of components", len(s))
	}
	if s[0] != 8 {
		return fmt.Errorf("%d bits a sample: only 8 are supported: convert the file with ImageMagick", s[0])
	}
	d.height = int(s[1])<<8 | int(s[2])
	d.width = int(s[3])<<8 | int(s[4])
	if d.height == 0 { // told by a DNL segment behind the first scan (T.81 B.2.5)
		if _, after, ok := bytes.Cut(d.data[d.pos:], []byte{0xff, markerDNL, 0, 4}); ok && len(after) >= 2 {
			d.height = int(after[0])<<8 | int(after[1])
		}
	}
	if d.width == 0 || d.height == 0 {
		return fmt.Errorf("size %dx%d", d.width, d.height)
	}
	n := int(s[5])
	if n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("%d components: only 1, 3 and 4 are supported", n)
	}
	comps := make([]component, n)
	d.maxH, d.maxV = 1, 1
	for i := range comps {
		c := &comps[i]
		t := s[6+3*i:]
		c.id, c.h, c.v, c.tq = t[0], int(t[1]>>4), int(t[1]&15), t[2]
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 {
			return fmt.Errorf("component %d: sampling factors %dx%d, want 1 to 4", c.id, c.h, c.v)
		}
		if c.tq > 3 {
			return fmt.Errorf("component %d: quantisation table %d, want 0 to 3", c.id, c.tq)
		}
		d.maxH, d.maxV = max(d.maxH, c.h), max(d.maxV, c.v)
		for k := range c.accuracy {
			c.accuracy[k] = -1
		}
	}
	d.mcusX, d.mcusY = ceilDiv(d.width, 8*d.maxH), ceilDiv(d.height, 8*d.maxV)
	for i := range comps {
		c := &comps[i]
		if d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return fmt.Errorf("component %d: sampling %dx%d of %dx%d is fractional: not supported", c.id, c.h, c.v, d.maxH, d.maxV)
		}
		c.width, c.height = ceilDiv(d.width*c.h, d.maxH), ceilDiv(d.height*c.v, d.maxV)
		c.blocksX, c.blocksY = d.mcusX*c.h, d.mcusY*c.v
	}
	d.comps = comps
	return nil
}

// readQuant reads a DQT segment (T.81 B.2.4.1).
func (d *decoder) readQuant(s []byte) error {
	for len(s) > 0 {
		wide, id := int(s[0]>>4), s[0]&15
		s = s[1:]
		if wide > 1 || id > 3 {
			return errors.New("bad quantisation table header")
		}
		if len(s) < 64*(wide+1) {
			return errors.New("quantisation table ends early")
		}
		if d.quants[id] == nil {
			d.quants[id] = new([64]uint16)
		}
		q := d.quants[id]
		for k, at := range zigzag {
			if wide == 0 {
				q[at] = uint16(s[k])
			} else {
				q[at] = uint16(s[2*k])<<8 | uint16(s[2*k+1])
			}
		}
		s = s[64*(wide+1):]
	}
	return nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
