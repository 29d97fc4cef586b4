package tiff

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"sync"
)

// The codes of ITU-T T.4, tables 2 and 3: runs of 0 to 63, then of 64, 128 ... 1728.
const (
	whiteCodes = `00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100 110101
		101010 101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011 0100100 0011000 00000010 00000011 00011010
		00011011 00010010 00010011 00010100 00010101 00010110 00010111 00101000 00101001 00101010 00101011 00101100 00101101 00000100 00000101 00001010
		00001011 01010010 01010011 01010100 01010101 00100100 00100101 01011000 01011001 01011010 01011011 01001010 01001011 00110010 00110011 00110100
		11011 10010 010111 0110111 00110110 00110111 01100100 01100101 01101000 01100111 011001100 011001101 011010010 011010011
		011010100 011010101 011010110 011010111 011011000 011011001 011011010 011011011 010011000 010011001 010011010 011000 010011011`
	blackCodes = `0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100 00000111 000011000
		0000010111 0000011000 0000001000 00001100111 00001101000 00001101100 00000110111 00000101000 00000010111 00000011000 000011001010 000011001011 000011001100 000011001101 000001101000 000001101001
		000001101010 000001101011 000011010010 000011010011 000011010100 000011010101 000011010110 000011010111 000001101100 000001101101 000011011010 000011011011 000001010100 000001010101 000001010110 000001010111
		000001100100 000001100101 000001010010 000001010011 000000100100 000000110111 000000111000 000000100111 000000101000 000001011000 000001011001 000000101011 000000101100 000001011010 000001100110 000001100111
		0000001111 000011001000 000011001001 000001011011 000000110011 000000110100 000000110101 0000001101100 0000001101101 0000001001010 0000001001011 0000001001100 0000001001101 0000001110010
		0000001110011 0000001110100 0000001110101 0000001110110 0000001110111 0000001010010 0000001010011 0000001010100 0000001010101 0000001011010 0000001011011 0000001100100 0000001100101`
	// Both colours have these for runs of 1792, 1856 ... 2560.
	longCodes = `00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101
		000000010110 000000010111 000000011100 000000011101 000000011110 000000011111`
	// The modes of T.4, table 4: vertical from 3 to the left to 3 to the right, pass, horizontal.
	modeCodes = `0000010 000010 010 1 011 000011 0000011 0001 001`
)

const (
	modePass       = 7
	modeHorizontal = 8
)

// faxCode is the meaning of the next bits: a run or a mode, and the bits it has; 0
// bits where no code begins like that.
type faxCode struct {
	value int16
	bits  uint8
}

const faxWidth = 13 // bits of the longest code

type faxTable [1 << faxWidth]faxCode

func (t *faxTable) add(codes string, value func(i int) int) {
	for i, code := range strings.Fields(codes) {
		first := 0
		for _, bit := range code {
			first = first<<1 | int(bit-'0')
		}
		free := faxWidth - len(code)
		for k := range 1 << free {
			t[first<<free|k] = faxCode{int16(value(i)), uint8(len(code))}
		}
	}
}

// faxTables returns the runs of white, those of black, and the modes.
var faxTables = sync.OnceValues(func() (runs *[2]faxTable, modes *faxTable) {
	runs, modes = new([2]faxTable), new(faxTable)
	for colour, codes := range []string{whiteCodes, blackCodes} {
		runs[colour].add(codes, func(i int) int {
			if i >= 64 {
				return 64 * (i - 63)
			}
			return i
		})
		runs[colour].add(longCodes, func(i int) int { return 1792 + 64*i })
	}
	modes.add(modeCodes, func(i int) int { return i })
	return runs, modes
})

var errFaxCode = errors.New("no fax code begins with these bits")

// faxReader reads bits, the highest first. Behind the end it finds zeros.
type faxReader struct {
	data []byte
	pos  int // in bits
}

// peek returns the next faxWidth bits.
func (r *faxReader) peek() int {
	var v uint32
	for k := range 3 {
		v <<= 8
		if at := r.pos/8 + k; at < len(r.data) {
			v |= uint32(r.data[at])
		}
	}
	return int(v >> (24 - faxWidth - r.pos%8) & (1<<faxWidth - 1))
}

func (r *faxReader) ended() bool { return r.pos >= 8*len(r.data) }

// run reads a run of a colour: codes of multiples of 64, then one below.
func (r *faxReader) run(t *faxTable, limit int) (int, error) {
	for n := 0; ; {
		c := t[r.peek()]
		switch {
		case c.bits > 0:
		case n > 0 && n == limit: // some encoders leave out the code of 0 at the end of a row
			return n, nil
		case r.ended():
			return n, errEnds
		default:
			return n, errFaxCode
		}
		r.pos += int(c.bits)
		n += int(c.value)
		if n > limit {
			return n, fmt.Errorf("a run of %d pixels where %d are left", n, limit)
		}
		if c.value < 64 {
			return n, nil
		}
	}
}

// endOfLine tells whether an end-of-line code is next (11 zeros or more, and a one),
// and goes to its last 12 bits; where only zeros are left, behind the end.
func (r *faxReader) endOfLine() bool {
	return r.peek()>>(faxWidth-11) == 0 && r.resync()
}

// resync goes to the next end-of-line code, or behind the end where there is none.
func (r *faxReader) resync() bool {
	zeros := 0
	for at := r.pos; at < 8*len(r.data); {
		v := r.data[at/8] << (at % 8)
		n := bits.LeadingZeros8(v)
		if left := 8 - at%8; n >= left {
			zeros, at = zeros+left, at+left
			continue
		}
		if at += n; zeros+n >= 11 {
			r.pos = at - 11
			return true
		}
		zeros, at = 0, at+1
	}
	r.pos = 8 * len(r.data)
	return false
}

// unFax decodes the codings of ITU-T T.4 and T.6: rows of runs in modified Huffman
// codes (compressions 2 and 32771: rows begin at bytes or words, without end-of-line
// codes; 3: usually with those, and by T4Options rows that refer to the row before),
// or rows that always refer to the row before (4). White is 0, black 1.
func unFax(d *decoder, dst, src []byte) (int, error) {
	runs, modes := faxTables()
	r := &faxReader{data: src}
	width := d.segW
	stride := (width + 7) / 8
	if d.changes[0] == nil {
		d.changes = [2][]int32{make([]int32, 0, width+4), make([]int32, 0, width+4)}
	}
	current, reference := d.changes[0][:0], d.changes[1][:0]
	var damage error
	for n := 0; n < len(dst); n += stride {
		row := dst[n : n+stride]
		twoDim := d.compression == compressionFax4
		switch d.compression {
		case compressionFaxRows:
			r.pos = (r.pos + 7) &^ 7
		case compressionFaxWords:
			r.pos = (r.pos + 15) &^ 15
		case compressionFax3:
			lines := 0
			for r.endOfLine() {
				r.pos += 12
				if lines++; d.faxOptions&1 != 0 {
					twoDim = r.peek()>>(faxWidth-1) == 0
					r.pos++
				}
				if lines == 2 { // two in a row: the end of the page
					return n, errEnds
				}
			}
			if lines == 0 && d.faxOptions&1 != 0 {
				twoDim = false
			}
		}
		if r.ended() {
			return n, errEnds
		}
		var err error
		reference, current = current, reference[:0]
		if twoDim {
			current, err = r.row2D(runs, modes, current, reference, width)
		} else {
			current, err = r.row1D(runs, current, width)
		}
		paint(row, current, width)
		if err != nil {
			if damage == nil {
				damage = fmt.Errorf("row %d: %w", n/stride, err)
			}
			if d.compression != compressionFax3 || !r.resync() {
				return n, damage
			}
			current = append(current[:0], reference...)
		}
	}
	return len(dst), damage
}

// row1D appends the places where the colour changes, beginning with white. The last
// is the width.
func (r *faxReader) row1D(runs *[2]faxTable, changes []int32, width int) ([]int32, error) {
	for x, colour := 0, 0; x < width; colour ^= 1 {
		n, err := r.run(&runs[colour], width-x)
		if err != nil {
			return changes, err
		}
		x += n
		if changes = append(changes, int32(x)); len(changes) > width+1 {
			return changes, errFaxCode // runs of no pixels without end
		}
	}
	return changes, nil
}

// row2D does so for a row that refers to the changes of the row before (T.4, 4.2).
func (r *faxReader) row2D(runs *[2]faxTable, modes *faxTable, changes, reference []int32, width int) ([]int32, error) {
	at := func(i int) int {
		if i < len(reference) {
			return int(reference[i])
		}
		return width
	}
	x, colour, b := -1, 0, 0 // before the first column, so that a change there counts
	for x < width {
		// b1: the first change of the row before to the right of x, to the other colour.
		for b > 0 && at(b-1) > x {
			b--
		}
		for b < len(reference) && (at(b) <= x || b&1 != colour) {
			b++
		}
		m := modes[r.peek()]
		if m.bits == 0 {
			if r.ended() {
				return changes, errEnds
			}
			return changes, errFaxCode
		}
		r.pos += int(m.bits)
		switch m.value {
		case modePass:
			x = at(b + 1)
		case modeHorizontal:
			x = max(x, 0)
			for range 2 {
				n, err := r.run(&runs[colour], width-x)
				if err != nil {
					return changes, err
				}
				x += n
				changes = append(changes, int32(x))
				colour ^= 1
			}
		default:
			to := at(b) + int(m.value) - 3
			if to < x || to < 0 || to > width {
				return changes, fmt.Errorf("a change of colour at column %d behind column %d of %d", to, x, width)
			}
			x = to
			changes = append(changes, int32(x))
			colour ^= 1
		}
		if len(changes) > width+2 {
			return changes, errFaxCode
		}
	}
	return changes, nil
}

// paint sets the black runs between the changes of a row, and clears the others.
func paint(row []byte, changes []int32, width int) {
	clear(row)
	for i := 0; i < len(changes); i += 2 {
		x, end := int(changes[i]), width
		if i+1 < len(changes) {
			end = int(changes[i+1])
		}
		for ; x < end && x%8 != 0; x++ {
			row[x/8] |= 0x80 >> (x % 8)
		}
		for ; x+8 <= end; x += 8 {
			row[x/8] = 0xff
		}
		for ; x < end; x++ {
			row[x/8] |= 0x80 >> (x % 8)
		}
	}
}
