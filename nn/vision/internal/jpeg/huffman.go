package jpeg

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
)

const fastBits = 9

// huffman is a decoding table (T.81 annex C).
type huffman struct {
	wide    bool                  // a symbol is above 15: not for DC coefficients
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
		tables := &d.dcs
		if class == 1 {
			tables = &d.acs
		}
		if tables[id] == nil { // else no scan needs the old one any more
			tables[id] = new(huffman)
		}
		if err := tables[id].make(counts, s[:total]); err != nil {
			return err
		}
		s = s[total:]
	}
	return nil
}

// make makes the table from the number of codes of each length 1 to 16, and the symbols.
func (h *huffman) make(counts, symbols []byte) error {
	*h = huffman{}
	copy(h.symbols[:], symbols)
	h.wide = len(symbols) > 0 && slices.Max(symbols) > 15
	code, index := 0, 0
	for length := 1; length <= 16; length++ {
		n := int(counts[length-1])
		h.offset[length] = int32(index - code)
		if code+n > 1<<length {
			return errors.New("Huffman table has more codes than fit")
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
	return nil
}

// standardDC and standardAC are the tables of T.81 annex K.3, for luminance and
// chrominance, which frames of motion JPEG leave out.
var (
	standardDC = [4]*huffman{
		standard("00010501010101010100000000000000", "000102030405060708090a0b"),
		standard("00030101010101010101010000000000", "000102030405060708090a0b"),
	}
	standardAC = [4]*huffman{
		standard("0002010303020403050504040000017d",
			"01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728"+
				"292a3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a83848586878889"+
				"8a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2"+
				"e3e4e5e6e7e8e9eaf1f2f3f4f5f6f7f8f9fa"),
		standard("00020102040403040705040400010277",
			"000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125f11718191a26"+
				"2728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a828384858687"+
				"88898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9da"+
				"e2e3e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"),
	}
)

func standard(counts, symbols string) *huffman {
	c, _ := hex.DecodeString(counts)
	s, _ := hex.DecodeString(symbols)
	h := new(huffman)
	if err := h.make(c, s); err != nil {
		panic(err)
	}
	return h
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
	odd  bool   // something undefined was decoded
}

// overrun tells whether more bits were taken than there were.
func (r *bits) overrun() bool { return r.pad > r.n }

// leftOver tells whether whole bytes up to end were not taken, but for padding.
func (r *bits) leftOver(end int) bool {
	from := r.pos - max(0, r.n-r.pad)/8
	return from < end && len(bytes.Trim(r.data[from:end], "\x00\xff")) > 0
}

// atEnd tells whether the rest of a byte is ones, which pad the end of the data
// (T.81 F.1.2.3).
func (r *bits) atEnd() bool {
	k := max(0, r.n-r.pad) & 7
	return ^r.acc>>1>>(63-k) == 0
}

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
			next := r.pos + 1
			if b == 0xff { // repeated, too, it is data before a zero byte and a marker before others
				for next < len(r.data) && r.data[next] == 0xff {
					next++
				}
				if next == len(r.data) || r.data[next] != 0 {
					r.end = true
					continue
				}
				next++
			}
			r.pos = next
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

// symbol decodes a symbol. It needs 17 bits and takes at most as many: those of a
// code that the table does not have stand for symbol 0.
func (r *bits) symbol(h *huffman) uint8 {
	if e := h.fast[r.acc>>(64-fastBits)]; e != 0 {
		r.take(int(e >> 8))
		return uint8(e)
	}
	return r.longSymbol(h)
}

func (r *bits) longSymbol(h *huffman) uint8 {
	word := uint32(r.acc >> 48)
	for length := fastBits + 1; length <= 16; length++ {
		if word < h.limit[length] {
			r.take(length)
			return h.symbols[(int32(word>>(16-length))+h.offset[length])&255]
		}
	}
	r.take(17)
	r.odd = true
	return 0
}
