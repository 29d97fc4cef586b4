package jpeg

import (
	"encoding/binary"
	"errors"
)

const fastBits = 9

// huffman is a decoding table (T.81 annex C).
type huffman struct {
	fast    [1 << fastBits]uint16 // by the next bits: length<<8 | symbol, 0 where the code is longer
	limit   [17]uint32            // first 16-bit word that is above all codes of this or a lesser length
	offset  [17]int32             // index of a code's symbol, less the code
	symbols [256]uint8
}

// readHuffman reads a DHT segment (T.81 B.2.4.2).
func (d *decoder) readHuffman(s []byte) error {
	for len(s) > 0 {
		if len(s) < 17 {
			return errors.New("Huffman table ends early")
		}
		class, id := s[0]>>4, s[0]&15
		if class > 1 || id > 3 {
			return errors.New("bad Huffman table header")
		}
		counts := s[1:17]
		total := 0
		for _, n := range counts {
			total += int(n)
		}
		s = s[17:]
		if total > 256 || total > len(s) {
			return errors.New("Huffman table ends early")
		}
		h, err := newHuffman(counts, s[:total])
		if err != nil {
			return err
		}
		s = s[total:]
		if class == 0 {
			d.dcs[id] = h
		} else {
			d.acs[id] = h
		}
	}
	return nil
}

// newHuffman makes a table from the number of codes of each length 1 to 16, and the
// symbols.
func newHuffman(counts, symbols []byte) (*huffman, error) {
	h := new(huffman)
	copy(h.symbols[:], symbols)
	code, index := 0, 0
	for length := 1; length <= 16; length++ {
		n := int(counts[length-1])
		h.offset[length] = int32(index - code)
		if code+n > 1<<length {
			return nil, errors.New("Huffman table has more codes than fit")
		}
		for range n {
			if length <= fastBits {
				entry := uint16(length)<<8 | uint16(h.symbols[index])
				first := code << (fastBits - length)
				for i := range 1 << (fastBits - length) {
					h.fast[first+i] = entry
				}
			}
			code++
			index++
		}
		h.limit[length] = uint32(code) << (16 - length)
		code <<= 1
	}
	return h, nil
}

// bits reads the bits of one entropy-coded segment: up to the next marker, with
// stuffed bytes taken out. Behind the end it gives zero bits, which overrun tells.
type bits struct {
	data []byte
	pos  int
	acc  uint64 // the next bits, most significant first
	n    int    // bits in acc, 0..64, padding included
	pad  int    // bits of padding that were put into acc
	end  bool   // pos is at a marker or the end of the file
}

var errCode = errors.New("undefined Huffman code")

// overrun tells whether more bits were taken than there were.
func (r *bits) overrun() bool { return r.pad > r.n }

// need makes at least 32 bits available.
func (r *bits) need() {
	if r.n < 32 {
		r.fill()
	}
}

// fill makes at least 56 bits available.
func (r *bits) fill() {
	if r.pos+8 <= len(r.data) {
		x := binary.BigEndian.Uint64(r.data[r.pos:])
		// Without a byte 0xff among the next eight, no stuffing and no marker.
		if v := ^x; (v-0x0101010101010101)&^v&0x8080808080808080 == 0 {
			// The bits beyond n are the right ones too: another fill ors the same.
			r.acc |= x >> r.n
			k := (63 - r.n) >> 3
			r.pos += k
			r.n += 8 * k
			return
		}
	}
	r.acc &^= ^uint64(0) >> r.n
	for r.n <= 56 {
		if !r.end && r.pos < len(r.data) {
			b := r.data[r.pos]
			if b != 0xff {
				r.pos++
			} else if r.pos+1 < len(r.data) && r.data[r.pos+1] == 0 {
				r.pos += 2
			} else {
				r.end = true
				continue
			}
			r.acc |= uint64(b) << (56 - r.n)
		} else {
			r.end = true
			r.pad += 8
		}
		r.n += 8
	}
}

// take drops k bits that were looked at.
func (r *bits) take(k int) {
	r.acc <<= k
	r.n -= k
}

// bit returns the next bit.
func (r *bits) bit() bool {
	if r.n == 0 {
		r.fill()
	}
	one := int64(r.acc) < 0
	r.take(1)
	return one
}

// value returns the next k <= 16 bits as a number. Needs k bits.
func (r *bits) value(k int) int32 {
	v := int32(r.acc >> 1 >> (63 - k))
	r.take(k)
	return v
}

// signed returns the next k of 1..16 bits as the file's signed numbers (T.81 F.2.2.1):
// those beginning with 0 stand for v - (2^k - 1). Needs k bits.
func (r *bits) signed(k int) int32 {
	negative := int32(^int64(r.acc) >> 63)
	return r.value(k) + negative&(1-1<<k)
}

// symbol decodes a symbol. It needs 16 bits and takes at most as many.
func (r *bits) symbol(h *huffman) (uint8, bool) {
	if e := h.fast[r.acc>>(64-fastBits)]; e != 0 {
		r.take(int(e >> 8))
		return uint8(e), true
	}
	return r.longSymbol(h)
}

func (r *bits) longSymbol(h *huffman) (uint8, bool) {
	word := uint32(r.acc >> 48)
	for length := fastBits + 1; length <= 16; length++ {
		if word < h.limit[length] {
			r.take(length)
			return h.symbols[(int32(word>>(16-length))+h.offset[length])&255], true
		}
	}
	return 0, false
}
