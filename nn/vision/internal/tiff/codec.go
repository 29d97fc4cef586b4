package tiff

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
)

// errEnds is the error of data that end before the strip or tile is full.
var errEnds = errors.New("the data end early")

// A codec fills dst from the compressed src as far as it goes. It returns the bytes
// written, and why they are fewer than dst has.
type codec func(d *decoder, dst, src []byte) (int, error)

// unpackBits decodes PackBits (TIFF 6.0, section 9).
func unpackBits(_ *decoder, dst, src []byte) (int, error) {
	n := 0
	for n < len(dst) {
		if len(src) < 2 {
			return n, errEnds
		}
		switch count := int(int8(src[0])); {
		case count >= 0:
			run := src[1:min(count+2, len(src))]
			n += copy(dst[n:], run)
			src = src[1+len(run):]
		case count == -128:
			src = src[1:]
		default:
			run := dst[n:min(n+1-count, len(dst))]
			for i := range run {
				run[i] = src[1]
			}
			n += len(run)
			src = src[2:]
		}
	}
	return n, nil
}

// inflate decodes a zlib stream. The decoder keeps the reader, which is large.
func inflate(d *decoder, dst, src []byte) (n int, err error) {
	if d.zlib == nil {
		d.zlib, err = zlib.NewReader(bytes.NewReader(src))
	} else {
		err = d.zlib.(zlib.Resetter).Reset(bytes.NewReader(src), nil)
	}
	if err == nil {
		n, err = io.ReadFull(d.zlib, dst)
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errEnds
	}
	return n, err
}

// Codes of LZW with a meaning of their own.
const (
	lzwClear = 256
	lzwEnd   = 257
	lzwFirst = 258
	lzwLimit = 1 << 12
)

// lzwTable holds the strings of an LZW dictionary: each is that of prefix and one byte.
type lzwTable struct {
	prefix [lzwLimit]uint16
	length [lzwLimit]uint32
	suffix [lzwLimit]uint8
}

// unLZW decodes LZW (TIFF 6.0, section 13): codes of 9 to 12 bits, the highest bit
// first, and wider by one when the next string but one would need it. Files of the
// time before that specification have the lowest bit first and grow a string later;
// they are known by their first code, 256, of which a byte 0 is the beginning.
func unLZW(d *decoder, dst, src []byte) (int, error) {
	if d.lzw == nil {
		d.lzw = new(lzwTable)
		for i := range lzwClear {
			d.lzw.suffix[i], d.lzw.length[i] = uint8(i), 1
		}
	}
	t := d.lzw
	old := len(src) >= 2 && src[0] == 0 && src[1]&1 == 1
	early := 1
	if old {
		early = 0
	}
	var acc uint32 // held bits: the low ones (old), or the high ones
	held := 0
	next, width := lzwFirst, 9
	previous := -1
	n := 0
	for n < len(dst) {
		for held < width {
			if len(src) == 0 {
				return n, errEnds
			}
			if old {
				acc |= uint32(src[0]) << held
			} else {
				acc |= uint32(src[0]) << (24 - held)
			}
			src = src[1:]
			held += 8
		}
		var code int
		if old {
			code = int(acc & (1<<width - 1))
			acc >>= width
		} else {
			code = int(acc >> (32 - width))
			acc <<= width
		}
		held -= width
		switch {
		case code == lzwClear:
			next, width, previous = lzwFirst, 9, -1
			continue
		case code == lzwEnd:
			return n, errEnds
		case code > next || code >= lzwFirst && previous < 0:
			return n, fmt.Errorf("LZW code %d is beyond the %d known", code, next)
		}
		if previous >= 0 && next < lzwLimit {
			t.prefix[next], t.length[next] = uint16(previous), t.length[previous]+1
			from := code
			if code == next { // the string that this very code makes
				from = previous
			}
			for from >= lzwFirst {
				from = int(t.prefix[from])
			}
			t.suffix[next] = uint8(from)
			next++
		}
		length := int(t.length[code])
		end := n + length
		for at, c := end-1, code; at >= n; at-- {
			if at < len(dst) {
				dst[at] = t.suffix[c]
			}
			c = int(t.prefix[c])
		}
		n = min(end, len(dst))
		previous = code
		if next+early >= 1<<width && width < 12 {
			width++
		}
	}
	return n, nil
}

// grow returns n bytes of a buffer, which it replaces if it is too small.
func grow(buf *[]byte, n int) []byte {
	if cap(*buf) < n {
		*buf = make([]byte, n)
	}
	*buf = (*buf)[:n]
	return *buf
}

// reversed returns a copy in a buffer with the bits of every byte in the other order
// (FillOrder 2).
func reversed(buf *[]byte, src []byte) []byte {
	dst := grow(buf, len(src))
	for i, v := range src {
		dst[i] = bits.Reverse8(v)
	}
	return dst
}

// difference undoes predictor 2 in one row: samples are stored as the difference to
// the same sample of the pixel to the left.
func (d *decoder) difference(row []byte, samples int) {
	switch d.bits {
	case 8:
		for i := samples; i < len(row); i++ {
			row[i] += row[i-samples]
		}
	case 16:
		for i := 2 * samples; i+1 < len(row); i += 2 {
			d.order.PutUint16(row[i:], d.order.Uint16(row[i:])+d.order.Uint16(row[i-2*samples:]))
		}
	case 32:
		for i := 4 * samples; i+3 < len(row); i += 4 {
			d.order.PutUint32(row[i:], d.order.Uint32(row[i:])+d.order.Uint32(row[i-4*samples:]))
		}
	case 64:
		for i := 8 * samples; i+7 < len(row); i += 8 {
			d.order.PutUint64(row[i:], d.order.Uint64(row[i:])+d.order.Uint64(row[i-8*samples:]))
		}
	}
}

// floatDifference undoes predictor 3 (Adobe's Technical Note 3) in one row: the most
// significant bytes of all samples, then the next ones, as differences of bytes. The
// row comes out in the byte order of the file.
func (d *decoder) floatDifference(row []byte, samples int) {
	for i := samples; i < len(row); i++ {
		row[i] += row[i-samples]
	}
	size := d.bits / 8
	n := len(row) / size
	scratch := grow(&d.scratch, len(row))
	copy(scratch, row)
	for k := range size {
		to := k
		if d.order == binary.ByteOrder(binary.LittleEndian) {
			to = size - 1 - k
		}
		for i, v := range scratch[k*n : (k+1)*n] {
			row[i*size+to] = v
		}
	}
}

// jpegStream joins the tables of a file and the data of a strip or tile into one JPEG
// stream. Where the samples are YCbCr an Adobe segment says so.
func (d *decoder) jpegStream(src []byte) []byte {
	start := []byte{0xff, 0xd8}
	if d.jpegYCC {
		start = append(start, "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x01"...)
	}
	tables := bytes.TrimSuffix(bytes.TrimPrefix(d.jpegTables, []byte("\xff\xd8")), []byte("\xff\xd9"))
	return slices.Concat(start, tables, src) // the SOI of src is skipped there
}
