// Package pnm decodes the portable anymaps to RGB: PBM, PGM and PPM, plain and binary
// (P1 to P6), with samples of up to 16 bits, PAM (P7), and PFM in grey (Pf).
//
// Pixels are those of Pillow's convert("RGB"): samples are scaled from their largest
// value to 255 and rounded, real ones cut to whole numbers from 0 to 255. Unlike
// Pillow, grey samples of more than 8 bits give the high byte of what they are on a
// scale of 65,535.
//
// Decode needs about Header.Memory bytes, which DecodeHeader tells beforehand. It
// never panics on a file's content, and its time is bounded by the sizes of the file
// and of the picture.
package pnm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
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
	More   bool    // other pictures follow the first
	Depth  string  // how samples of more than 8 bits were reduced; empty where nothing was lost
	Damage string  // why a part of the picture is missing, and is grey; empty for a sound file
}

type decoder struct {
	kind          byte // the second character: '1' to '7' or 'f'
	width, height int
	samples       int // of a pixel
	limit         int // the largest value of a sample; 1 for bits
	order         binary.ByteOrder
	data          []byte // behind the header
}

// DecodeHeader reads everything before the pixels.
func DecodeHeader(data []byte) (Header, error) {
	var d decoder
	err := d.readHeader(data)
	return d.header(), err
}

func (d *decoder) header() Header {
	return Header{d.width, d.height, 3*int64(d.width)*int64(d.height) + 2*int64(d.width)*int64(d.samples) + 1<<16}
}

func isSpace(c byte) bool { return c == ' ' || '\t' <= c && c <= '\r' }

// token returns the next word, without comments, and goes behind the one character
// that ends it.
func (d *decoder) token() string {
	var word []byte
	for len(d.data) > 0 && len(word) < 32 {
		c := d.data[0]
		d.data = d.data[1:]
		switch {
		case c == '#':
			d.line()
		case !isSpace(c):
			word = append(word, c)
		case len(word) > 0:
			return string(word)
		}
	}
	return string(word)
}

// line goes behind the end of the line, and returns it.
func (d *decoder) line() string {
	for i, c := range d.data {
		if c == '\n' || c == '\r' {
			line := d.data[:i]
			d.data = d.data[i+1:]
			return string(line)
		}
	}
	d.data = nil
	return ""
}

// number reads a whole number from 1.
func (d *decoder) number(what string, limit int) (int, error) {
	word := d.token()
	v, err := strconv.Atoi(word)
	if err != nil || v < 1 || v > limit {
		return 0, fmt.Errorf("%s is %q, want a number from 1 to %d", what, word, limit)
	}
	return v, nil
}

const maxSide = 1 << 30

func (d *decoder) readHeader(data []byte) (err error) {
	if len(data) < 3 || data[0] != 'P' || !isSpace(data[2]) {
		return fmt.Errorf("no header: it begins with %q", data[:min(len(data), 3)])
	}
	d.kind, d.data, d.limit, d.samples = data[1], data[3:], 1, 1
	if d.kind == '7' {
		return d.readPAM()
	}
	if d.width, err = d.number("the width", maxSide); err != nil {
		return err
	}
	if d.height, err = d.number("the height", maxSide); err != nil {
		return err
	}
	switch d.kind {
	case '1', '4':
	case '3', '6':
		d.samples = 3
		fallthrough
	case '2', '5':
		d.limit, err = d.number("the largest value", math.MaxUint16)
	case 'f':
		word := d.token()
		scale, bad := strconv.ParseFloat(word, 64)
		if bad != nil || scale == 0 || math.IsInf(scale, 0) || math.IsNaN(scale) {
			return fmt.Errorf("the scale is %q, want a finite number other than 0", word)
		}
		d.order = binary.BigEndian
		if scale < 0 {
			d.order = binary.LittleEndian
		}
	case 'F':
		return errors.New("real samples in colour (PF) are not read: convert the picture to PNG")
	default:
		return fmt.Errorf("P%c is not known: want P1 to P7 or Pf", d.kind)
	}
	if err != nil {
		return err
	}
	return d.checkSize()
}

// readPAM reads the header of a PAM file: lines of a name and a value.
func (d *decoder) readPAM() (err error) {
	for {
		switch word := d.token(); word {
		case "ENDHDR":
			switch {
			case d.width == 0 || d.height == 0:
				return fmt.Errorf("size %dx%d", d.width, d.height)
			case d.samples > 4:
				return fmt.Errorf("DEPTH is %d, want 1 to 4", d.samples)
			}
			return d.checkSize()
		case "WIDTH":
			d.width, err = d.number(word, maxSide)
		case "HEIGHT":
			d.height, err = d.number(word, maxSide)
		case "DEPTH":
			d.samples, err = d.number(word, 4)
		case "MAXVAL":
			d.limit, err = d.number(word, math.MaxUint16)
		case "TUPLTYPE":
			d.line()
		default:
			return fmt.Errorf("the header has %q", word)
		}
		if err != nil {
			return err
		}
	}
}

// rowSize returns the bytes of a row, or for plain files the fewest that it can have.
func (d *decoder) rowSize() int {
	n := d.width * d.samples
	switch {
	case d.kind == '2' || d.kind == '3':
		return 2*n - 1
	case d.kind == '4':
		return (n + 7) / 8
	case d.kind == 'f':
		return 4 * n
	case d.limit > math.MaxUint8:
		return 2 * n
	}
	return n
}

// checkSize refuses files with next to nothing of the picture; others may be cut.
func (d *decoder) checkSize() error {
	if float64(d.rowSize())*float64(d.height)/64 > float64(len(d.data)) || len(d.data) == 0 {
		return fmt.Errorf("%d bytes of picture data are too few for %dx%d pixels", len(d.data), d.width, d.height)
	}
	return nil
}

// Decode decodes the first picture of a file. Of a file that ends early or is damaged
// it returns what can be decoded, the rest is grey, and sets Damage.
func Decode(data []byte) (*Image, error) {
	var d decoder
	if err := d.readHeader(data); err != nil {
		return nil, err
	}
	m := &Image{Header: d.header(), Pix: make([]uint8, 3*d.width*d.height)}
	scale := d.scale()
	row := make([]uint16, d.width*d.samples)
	high := uint16(0)
	low, top := math.Inf(1), math.Inf(-1)
	rows := 0
	var err error
	for ; rows < d.height && err == nil; rows++ {
		y := rows
		if d.kind == 'f' { // from the bottom up
			y = d.height - 1 - rows
		}
		dst := m.Pix[3*d.width*y:][:3*d.width]
		switch d.kind {
		case '1', '2', '3':
			err = d.plain(row)
		case 'f':
			err = d.reals(row, &low, &top)
		default:
			err = d.binary(row)
		}
		if err != nil {
			break
		}
		for x := range d.width {
			s := row[x*d.samples:][:d.samples]
			c := dst[3*x : 3*x+3]
			if d.samples < 3 {
				high = max(high, s[0])
				c[0] = scale[s[0]]
				c[1], c[2] = c[0], c[0]
			} else {
				high = max(high, s[0], s[1], s[2])
				c[0], c[1], c[2] = scale[s[0]], scale[s[1]], scale[s[2]]
			}
			if d.samples&1 == 0 && int(s[d.samples-1]) < d.limit {
				m.Alpha = true
			}
		}
	}
	if err != nil {
		if rows == 0 {
			return nil, err
		}
		m.Damage = fmt.Sprintf("%v in row %d of %d", err, rows, d.height)
		for y := range d.height {
			if missing := d.kind == 'f' && y < d.height-rows || d.kind != 'f' && y >= rows; missing {
				for i := range m.Pix[3*d.width*y:][:3*d.width] {
					m.Pix[3*d.width*y+i] = 128
				}
			}
		}
		return m, nil
	}
	m.More = len(d.data) > 2 && d.data[0] == 'P' && '1' <= d.data[1] && d.data[1] <= '7' && isSpace(d.data[2])
	switch {
	case d.kind == 'f':
		m.Depth = fmt.Sprintf("real samples, from %.6g to %.6g, cut to whole numbers from 0 to 255", low, top)
	case d.limit > math.MaxUint8:
		m.Depth = fmt.Sprintf("samples reduced to 8 bits; values up to %s of %s", thousands(int(high)), thousands(d.limit))
	}
	return m, nil
}

func thousands(v int) string {
	if v < 1000 {
		return strconv.Itoa(v)
	}
	return fmt.Sprintf("%d,%03d", v/1000, v%1000)
}

// scale maps the values of samples to 0..255.
func (d *decoder) scale() []uint8 {
	table := make([]uint8, math.MaxUint16+1)
	for v := range table {
		part := float64(v) / float64(d.limit)
		switch {
		case d.kind == 'f':
			table[v] = uint8(min(v, 255))
		case d.kind == '1' || d.kind == '4': // 1 is black
			table[v] = 255 * uint8(1-v&1)
		case d.samples < 3 && d.limit > math.MaxUint8:
			table[v] = uint8(int(min(math.RoundToEven(part*math.MaxUint16), math.MaxUint16)) >> 8)
		default:
			table[v] = uint8(min(math.RoundToEven(part*math.MaxUint8), math.MaxUint8))
		}
	}
	return table
}

var errEnds = errors.New("the file ends")

// plain reads a row of numbers in decimal; bits need no space between them.
func (d *decoder) plain(row []uint16) error {
	for i := range row {
		for len(d.data) > 0 && (isSpace(d.data[0]) || d.data[0] == '#') {
			if d.data[0] == '#' {
				d.line()
			} else {
				d.data = d.data[1:]
			}
		}
		if len(d.data) == 0 {
			return errEnds
		}
		v, digits := 0, 0
		for ; digits < len(d.data) && '0' <= d.data[digits] && d.data[digits] <= '9'; digits++ {
			v = 10*v + int(d.data[digits]-'0')
			if v > d.limit {
				return fmt.Errorf("a sample is %d or more, the largest value is %d", v, d.limit)
			}
			if d.kind == '1' {
				digits++
				break
			}
		}
		if digits == 0 {
			return fmt.Errorf("%q is no digit", d.data[0])
		}
		d.data = d.data[digits:]
		row[i] = uint16(v)
	}
	return nil
}

// binary reads a row of bits, bytes or words.
func (d *decoder) binary(row []uint16) error {
	n := d.rowSize()
	if len(d.data) < n {
		return errEnds
	}
	src := d.data[:n]
	d.data = d.data[n:]
	for i := range row {
		switch {
		case d.kind == '4':
			row[i] = uint16(src[i/8] >> (7 - i%8) & 1)
		case d.limit > math.MaxUint8:
			row[i] = binary.BigEndian.Uint16(src[2*i:])
		default:
			row[i] = uint16(src[i])
		}
	}
	return nil
}

// reals reads a row of real numbers, cut to 0..255, and widens their range.
func (d *decoder) reals(row []uint16, low, high *float64) error {
	n := d.rowSize()
	if len(d.data) < n {
		return errEnds
	}
	for i := range row {
		v := float64(math.Float32frombits(d.order.Uint32(d.data[4*i:])))
		*low, *high = math.Min(*low, v), math.Max(*high, v)
		row[i] = 0
		if v > 0 { // not for NaN
			row[i] = uint16(math.Min(v, 255))
		}
	}
	d.data = d.data[n:]
	return nil
}
