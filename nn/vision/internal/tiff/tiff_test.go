package tiff

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// writer makes TIFF files for tests.
type writer struct {
	order binary.AppendByteOrder
	big   bool
}

// entry is a tag with values of a type.
type entry struct {
	tag, kind uint16
	values    []uint64
}

func short(tag uint16, values ...uint64) entry { return entry{tag, 3, values} }
func long(tag uint16, values ...uint64) entry  { return entry{tag, 4, values} }

func (w writer) value(b []byte, kind uint16, v uint64) []byte {
	switch kindSizes[kind] {
	case 1:
		return append(b, byte(v))
	case 2:
		return w.order.AppendUint16(b, uint16(v))
	case 4:
		return w.order.AppendUint32(b, uint32(v))
	}
	return w.order.AppendUint64(b, v)
}

func (w writer) offset(b []byte, v uint64) []byte {
	if w.big {
		return w.order.AppendUint64(b, v)
	}
	return w.order.AppendUint32(b, uint32(v))
}

// file writes the segments, then the values that are too long for a directory, then
// the directory, whose next one is at an offset (0 for none).
func (w writer) file(entries []entry, segments [][]byte, offsets, lengths uint16, next uint64) []byte {
	mark := "II"
	if w.order == binary.AppendByteOrder(binary.BigEndian) {
		mark = "MM"
	}
	b := []byte(mark)
	if w.big {
		b = w.order.AppendUint16(b, 43)
		b = w.order.AppendUint32(b, 8<<16)
		if mark == "II" {
			b = append(b[:4], 8, 0, 0, 0)
		}
	} else {
		b = w.order.AppendUint16(b, 42)
	}
	patch := len(b)
	b = w.offset(b, 0)
	if segments != nil {
		at, n := entry{offsets, 4, nil}, entry{lengths, 4, nil}
		for _, s := range segments {
			at.values, n.values = append(at.values, uint64(len(b))), append(n.values, uint64(len(s)))
			b = append(b, s...)
		}
		entries = append(entries[:len(entries):len(entries)], at, n)
	}
	var dir []byte
	for _, e := range entries {
		dir = w.order.AppendUint16(dir, e.tag)
		dir = w.order.AppendUint16(dir, e.kind)
		dir = w.offset(dir, uint64(len(e.values)))
		var data []byte
		for _, v := range e.values {
			data = w.value(data, e.kind, v)
		}
		room := len(w.offset(nil, 0))
		if len(data) > room {
			at := uint64(len(b))
			b = append(b, data...)
			data = w.offset(nil, at)
		}
		dir = append(append(dir, data...), make([]byte, room-len(data))...)
	}
	copy(b[patch:], w.offset(nil, uint64(len(b))))
	if w.big {
		b = w.order.AppendUint64(b, uint64(len(entries)))
	} else {
		b = w.order.AppendUint16(b, uint16(len(entries)))
	}
	return w.offset(append(b, dir...), next)
}

// picture is what a test file holds: samples [height][width][samples] of so many bits.
type picture struct {
	width, height, samples, bits int
	values                       []uint64
}

// strew makes a picture of values that have nothing to do with each other.
func strew(width, height, samples, bits int) picture {
	p := picture{width, height, samples, bits, make([]uint64, width*height*samples)}
	for i := range p.values {
		p.values[i] = uint64(i) * 0x9e3779b97f4a7c15 >> (64 - bits)
	}
	return p
}

// pack writes the samples of a rectangle, of one plane or (plane < 0) of all, with
// rows that begin at bytes. Beyond the picture there are ones.
func (w writer) pack(p picture, x0, y0, width, height, plane, predictor int) []byte {
	first, n := plane, 1
	if plane < 0 {
		first, n = 0, p.samples
	}
	var out []byte
	for y := y0; y < y0+height; y++ {
		row := make([]uint64, 0, width*n)
		for x := x0; x < x0+width; x++ {
			for s := first; s < first+n; s++ {
				v := uint64(1)<<p.bits - 1
				if x < p.width && y < p.height {
					v = p.values[(y*p.width+x)*p.samples+s]
				}
				row = append(row, v)
			}
		}
		if predictor == 2 {
			for i := len(row) - 1; i >= n; i-- {
				row[i] -= row[i-n]
			}
		}
		var b []byte
		switch p.bits {
		case 8, 16, 32, 64:
			kind := map[int]uint16{8: 1, 16: 3, 32: 4, 64: 16}[p.bits]
			for _, v := range row {
				b = w.value(b, kind, v)
			}
		case 24:
			for _, v := range row {
				if three := w.order.AppendUint32(nil, uint32(v)); w.order == binary.AppendByteOrder(binary.BigEndian) {
					b = append(b, three[1:]...)
				} else {
					b = append(b, three[:3]...)
				}
			}
		default:
			at := 0
			b = make([]byte, (len(row)*p.bits+7)/8)
			for _, v := range row {
				for k := p.bits - 1; k >= 0; k-- {
					b[at/8] |= byte(v>>k&1) << (7 - at%8)
					at++
				}
			}
		}
		if predictor == 3 {
			size := p.bits / 8
			planes := make([]byte, len(b))
			for i, v := range b {
				k := i % size
				if w.order == binary.AppendByteOrder(binary.LittleEndian) {
					k = size - 1 - k
				}
				planes[k*len(b)/size+i/size] = v
			}
			for i := len(b) - 1; i >= n; i-- {
				planes[i] -= planes[i-n]
			}
			b = planes
		}
		out = append(out, b...)
	}
	return out
}

// compress encodes a segment.
func compress(compression uint64, b []byte) []byte {
	switch compression {
	case compressionDeflate, compressionDeflate0:
		var z bytes.Buffer
		w := zlib.NewWriter(&z)
		w.Write(b)
		w.Close()
		return z.Bytes()
	case compressionPackBits:
		return packBits(b)
	case compressionLZW:
		return lzw(b)
	}
	return b
}

// packBits writes runs of three or more as such, and a byte of nothing before each.
func packBits(b []byte) []byte {
	var out []byte
	for len(b) > 0 {
		run := 1
		for run < len(b) && run < 128 && b[run] == b[0] {
			run++
		}
		if run >= 3 {
			out = append(out, 0x80, byte(1-run), b[0])
			b = b[run:]
			continue
		}
		n := min(len(b), 5)
		out = append(append(out, byte(n-1)), b[:n]...)
		b = b[n:]
	}
	return out
}

// lzw is the compressor of TIFF 6.0, section 13.
func lzw(b []byte) []byte {
	var out []byte
	acc, held := uint64(0), 0
	width := 9
	put := func(code int) {
		acc, held = acc<<width|uint64(code), held+width
		for held >= 8 {
			out = append(out, byte(acc>>(held-8)))
			held -= 8
		}
	}
	var table map[string]int
	code := func(s []byte) int {
		if len(s) == 1 {
			return int(s[0])
		}
		return table[string(s)]
	}
	put(256)
	table = map[string]int{}
	omega := []byte{}
	for _, k := range b {
		longer := append(omega[:len(omega):len(omega)], k)
		if _, known := table[string(longer)]; known || len(longer) == 1 {
			omega = longer
			continue
		}
		put(code(omega))
		next := 258 + len(table)
		table[string(longer)] = next
		omega = []byte{k}
		switch next {
		case 511, 1023, 2047:
			width++
		case 4094:
			put(256)
			table, width = map[string]int{}, 9
		}
	}
	if len(omega) > 0 {
		put(code(omega))
	}
	if held > 0 {
		out = append(out, byte(acc<<(8-held)))
	}
	return out
}

// layout is how a picture is cut and coded.
type layout struct {
	tileW, tileH           int // tiles; strips of tileH rows where tileW is 0
	planar                 bool
	reverse                bool
	compression, predictor uint64
}

// write makes a file of a picture. Tags given replace those of the layout.
func (w writer) write(p picture, l layout, tags ...entry) []byte {
	planar, fill := uint64(1), uint64(1)
	width, planes := l.tileW, []int{-1}
	offsets, lengths := uint16(tagTileOffsets), uint16(tagTileCounts)
	entries := []entry{short(tagTileWidth, uint64(l.tileW)), short(tagTileHeight, uint64(l.tileH))}
	if l.tileW == 0 {
		width, offsets, lengths = p.width, tagStripOffsets, tagStripCounts
		entries = []entry{short(tagRowsPerStrip, uint64(l.tileH))}
	}
	if l.planar {
		planar, planes = 2, nil
		for s := range p.samples {
			planes = append(planes, s)
		}
	}
	if l.reverse {
		fill = 2
	}
	var segments [][]byte
	for _, plane := range planes {
		for y := 0; y < p.height; y += l.tileH {
			for x := 0; x < p.width; x += width {
				height := l.tileH
				if l.tileW == 0 {
					height = min(height, p.height-y)
				}
				b := compress(l.compression, w.pack(p, x, y, width, height, plane, int(l.predictor)))
				if l.reverse {
					for i := range b {
						b[i] = bits.Reverse8(b[i])
					}
				}
				segments = append(segments, b)
			}
		}
	}
	entries = append(entries, short(tagWidth, uint64(p.width)), long(tagHeight, uint64(p.height)), short(tagBits, uint64(p.bits)),
		short(tagSamples, uint64(p.samples)), short(tagCompression, l.compression), short(tagPredictor, l.predictor),
		short(tagPlanar, planar), short(tagFillOrder, fill))
	for _, t := range tags {
		entries = append([]entry{t}, entries...) // of a tag that occurs twice the first counts
	}
	return w.file(entries, segments, offsets, lengths, 0)
}

var writers = map[string]writer{
	"II":     {binary.LittleEndian, false},
	"MM":     {binary.BigEndian, false},
	"II big": {binary.LittleEndian, true},
	"MM big": {binary.BigEndian, true},
}

// eight is what a sample of so many bits is in 8: all its range for fewer, its 8
// highest bits for more.
func eight(v uint64, bits int) uint8 {
	if bits <= 8 {
		return uint8(math.Round(float64(v) * 255 / float64(uint64(1)<<bits-1)))
	}
	return uint8(v >> (bits - 8))
}

// Strips and tiles of any size, planes or not, both orders of bits and bytes, all
// compressions and predictors, all sizes of samples give the samples that were written.
func TestLayouts(t *testing.T) {
	layouts := []layout{
		{0, 7, false, false, compressionNone, 1}, // more rows than the picture
		{0, 2, false, false, compressionNone, 1},
		{0, 3, true, false, compressionNone, 1},
		{0, 2, false, true, compressionNone, 1},
		{4, 3, false, false, compressionNone, 1},
		{16, 16, true, false, compressionNone, 1}, // larger than the picture
		{1, 1, false, false, compressionNone, 1},
		{0, 2, false, false, compressionPackBits, 1},
		{4, 3, true, true, compressionPackBits, 1},
		{0, 5, false, false, compressionLZW, 1},
		{4, 3, true, false, compressionLZW, 2},
		{0, 3, false, true, compressionLZW, 1},
		{0, 2, false, false, compressionDeflate, 2},
		{5, 4, false, false, compressionDeflate0, 1},
	}
	for name, w := range writers {
		for _, depth := range []int{1, 2, 3, 4, 5, 8, 10, 12, 16, 24, 32} {
			for _, samples := range []int{1, 3} {
				if depth == 32 && samples == 1 {
					continue // cut, not reduced: see TestNumbers
				}
				p := strew(7, 5, samples, depth)
				var want []uint8
				for _, v := range p.values {
					for range 3 / samples {
						want = append(want, eight(v, depth))
					}
				}
				for _, l := range layouts {
					photometric := short(tagPhotometric, blackIsZero)
					if samples == 3 {
						photometric = short(tagPhotometric, isRGB)
					}
					data := w.write(p, l, photometric)
					m, err := Decode(data)
					if l.predictor == 2 && depth != 8 && depth != 16 && depth != 32 {
						if err == nil || !strings.Contains(err.Error(), "Predictor (317) is 2") {
							t.Errorf("%s, %d bits, %+v: error %v", name, depth, l, err)
						}
						continue
					}
					switch {
					case err != nil:
						t.Errorf("%s, %d bits, %d samples, %+v: %v", name, depth, samples, l, err)
					case m.Damage != "" || m.Width != 7 || m.Height != 5 || !bytes.Equal(m.Pix, want):
						t.Errorf("%s, %d bits, %d samples, %+v: %q\n%v, want\n%v", name, depth, samples, l, m.Damage, m.Pix, want)
					case (m.Depth != "") != (depth > 8):
						t.Errorf("%s, %d bits: depth %q", name, depth, m.Depth)
					}
				}
			}
		}
	}
}

// LZW beyond 4,096 strings, against the compressor above.
func TestLZW(t *testing.T) {
	p := strew(200, 100, 1, 8)
	for i := range p.values {
		if i%3 == 0 {
			p.values[i] = 7
		}
	}
	m, err := Decode(writers["II"].write(p, layout{0, 100, false, false, compressionLZW, 1}, short(tagPhotometric, blackIsZero)))
	if err != nil || m.Damage != "" {
		t.Fatalf("%v, %q", err, m.Damage)
	}
	for i, v := range p.values {
		if m.Pix[3*i] != uint8(v) {
			t.Fatalf("pixel %d is %d, want %d", i, m.Pix[3*i], v)
		}
	}
}

// A dictionary of 4,096 strings stays as it is until it is cleared, and a string must
// be known or the next.
func TestFullLZW(t *testing.T) {
	var data []byte
	at := 0
	put := func(code, width int) {
		for k := width - 1; k >= 0; k-- {
			if at%8 == 0 {
				data = append(data, 0)
			}
			data[at/8] |= byte(code>>k&1) << (7 - at%8)
			at++
		}
	}
	put(256, 9)
	var want []uint8
	width := 9
	for i := range 5000 {
		put(i%256, width)
		want = append(want, uint8(i))
		if known := min(258+i, 4096); known+1 >= 1<<width && width < 12 {
			width++
		}
	}
	put(4095, 12) // the last string, of two bytes: 4095-258 = 3837, and the byte after
	want = append(want, uint8(3837&255), uint8(3838&255))
	got := make([]byte, len(want))
	if n, err := unLZW(new(decoder), got, data); err != nil || n != len(want) || !bytes.Equal(got, want) {
		t.Errorf("%d of %d bytes, error %v", n, len(want), err)
	}
	for _, codes := range [][]int{{256, 258}, {256, 65, 259}, {258}} {
		data, at = nil, 0
		for _, code := range codes {
			put(code, 9)
		}
		put(257, 9)
		if _, err := unLZW(new(decoder), got, data); err == nil || !strings.Contains(err.Error(), "beyond the") {
			t.Errorf("codes %v: error %v", codes, err)
		}
	}
}

// LZW of the time before TIFF 6.0 has the lowest bit first, and its codes grow a
// string later: a hundred bytes, each the code of itself, then a string of two.
func TestOldLZW(t *testing.T) {
	codes := []int{256}
	want := []uint8{}
	for i := range 254 {
		codes, want = append(codes, i), append(want, uint8(i))
	}
	// The strings 258 to 510 are known, and 511 is next: codes still have 9 bits, and the
	// one after this has 10.
	codes, want = append(codes, 258), append(want, 0, 1)
	codes, want = append(codes, 510), append(want, 252, 253)
	var data []byte
	at := 0
	for i, code := range codes {
		width := 9
		if i == len(codes)-1 {
			width = 10
		}
		for k := range width {
			if at%8 == 0 {
				data = append(data, 0)
			}
			data[at/8] |= byte(code>>k&1) << (at % 8)
			at++
		}
	}
	got := make([]byte, len(want))
	if n, err := unLZW(new(decoder), got, data); err != nil || n != len(want) || !bytes.Equal(got, want) {
		t.Errorf("%d bytes, error %v: %v, want %v", n, err, got, want)
	}
}

// What samples mean, one pixel each: values from the specification's arithmetic and
// Pillow 13.
func TestColours(t *testing.T) {
	palette := make([]uint64, 12) // of 2 bits
	for i := range palette {
		palette[i] = uint64(i)*0x1111 + 0x80
	}
	narrow := make([]uint64, 12)
	for i := range narrow {
		narrow[i] = uint64(20 * i)
	}
	for _, c := range []struct {
		name        string
		photometric uint64
		bits        int
		samples     []uint64
		tags        []entry
		want        [3]uint8
		alpha       bool
	}{
		{"white is zero", whiteIsZero, 8, []uint64{10}, nil, [3]uint8{245, 245, 245}, false},
		{"white is zero, 16 bits", whiteIsZero, 16, []uint64{0x1234}, nil, [3]uint8{0xed, 0xed, 0xed}, false},
		{"white is zero, 1 bit", whiteIsZero, 1, []uint64{1}, nil, [3]uint8{0, 0, 0}, false},
		{"grey and alpha", blackIsZero, 8, []uint64{100, 50}, []entry{short(tagExtraSamples, 2)}, [3]uint8{100, 100, 100}, true},
		{"grey and opaque alpha", blackIsZero, 8, []uint64{100, 255}, []entry{short(tagExtraSamples, 2)}, [3]uint8{100, 100, 100}, false},
		{"grey and associated alpha", blackIsZero, 8, []uint64{100, 200}, []entry{short(tagExtraSamples, 1)}, [3]uint8{127, 127, 127}, true},
		{"grey and something", blackIsZero, 8, []uint64{100, 50}, []entry{short(tagExtraSamples, 0)}, [3]uint8{100, 100, 100}, false},
		{"RGB", isRGB, 8, []uint64{1, 2, 3}, nil, [3]uint8{1, 2, 3}, false},
		{"RGBA, not said", isRGB, 8, []uint64{1, 2, 3, 4}, nil, [3]uint8{1, 2, 3}, true},
		{"RGBX", isRGB, 8, []uint64{1, 2, 3, 4}, []entry{short(tagExtraSamples, 0)}, [3]uint8{1, 2, 3}, false},
		{"associated alpha", isRGB, 8, []uint64{100, 50, 20, 128}, []entry{short(tagExtraSamples, 1)}, [3]uint8{199, 99, 39}, true},
		{"associated alpha below the colour", isRGB, 8, []uint64{100, 50, 20, 40}, []entry{short(tagExtraSamples, 1)}, [3]uint8{255, 255, 127}, true},
		{"associated alpha 0", isRGB, 8, []uint64{100, 50, 20, 0}, []entry{short(tagExtraSamples, 1)}, [3]uint8{0, 0, 0}, true},
		{"associated alpha, 16 bits", isRGB, 16, []uint64{0x64ff, 0x3200, 0x1480, 0x80ff}, []entry{short(tagExtraSamples, 1)}, [3]uint8{199, 99, 39}, true},
		{"alpha and more", isRGB, 8, []uint64{9, 8, 7, 255, 1, 2}, []entry{short(tagExtraSamples, 2, 0, 0)}, [3]uint8{9, 8, 7}, false},
		{"palette", isPalette, 2, []uint64{2}, []entry{{tagPalette, 3, palette}}, [3]uint8{0x22, 0x66, 0xab}, false},
		{"palette of 8 bits", isPalette, 2, []uint64{3}, []entry{{tagPalette, 3, narrow}}, [3]uint8{60, 140, 220}, false},
		{"CMYK", isCMYK, 8, []uint64{0, 128, 255, 0}, nil, [3]uint8{255, 127, 0}, false},
		{"CMYK, black", isCMYK, 8, []uint64{0, 128, 255, 55}, nil, [3]uint8{200, 100, 0}, false},
		{"YCbCr, red", isYCbCr, 8, []uint64{76, 85, 255}, []entry{short(tagSubsampling, 1, 1)}, [3]uint8{254, 0, 0}, false},
		{"YCbCr, grey", isYCbCr, 8, []uint64{90, 128, 128}, []entry{short(tagSubsampling, 1, 1)}, [3]uint8{90, 90, 90}, false},
		// 1.402 * 64 = 89.7, which Pillow's own reader cuts and libtiff rounds; 0.71414 * 64 =
		// 45.7; BT.709: 1.5748 * 64 = 100.8, 0.46812 * 64 = 30.0
		{"YCbCr", isYCbCr, 8, []uint64{100, 128, 192}, []entry{short(tagSubsampling, 1, 1)}, [3]uint8{189, 54, 100}, false},
		{"YCbCr, by libtiff", isYCbCr, 8, []uint64{100, 128, 192}, []entry{short(tagSubsampling, 1, 1), floats(tagCoefficients, .299, .587, .114)}, [3]uint8{190, 54, 100}, false},
		{"YCbCr, BT.709", isYCbCr, 8, []uint64{100, 128, 192}, []entry{short(tagSubsampling, 1, 1), floats(tagCoefficients, .2126, .7152, .0722)}, [3]uint8{201, 70, 100}, false},
		// Y from 16 to 235: (100-16) * 255/219 = 97.8
		{"YCbCr, levels", isYCbCr, 8, []uint64{100, 128, 128}, []entry{short(tagSubsampling, 1, 1), floats(tagReferenceLevels, 16, 235, 128, 240, 128, 240)}, [3]uint8{97, 97, 97}, false},
		{"Lab, white", isLab, 8, []uint64{255, 0, 0}, nil, [3]uint8{255, 255, 255}, false},
		{"Lab, black", isLab, 8, []uint64{0, 0, 0}, nil, [3]uint8{0, 0, 0}, false},
		{"Lab, middle grey", isLab, 8, []uint64{128, 0, 0}, nil, [3]uint8{119, 119, 119}, false}, // L 50.2
	} {
		for _, planar := range []bool{false, true} {
			p := picture{1, 1, len(c.samples), c.bits, c.samples}
			m, err := Decode(writers["MM"].write(p, layout{0, 1, planar, false, compressionNone, 1}, append(c.tags, short(tagPhotometric, c.photometric))...))
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if got := [3]uint8(m.Pix); got != c.want || m.Alpha != c.alpha || m.CMYK != (c.photometric == isCMYK) {
				t.Errorf("%s: %v, alpha %v, CMYK %v; want %v, alpha %v", c.name, got, m.Alpha, m.CMYK, c.want, c.alpha)
			}
		}
	}
}

func floats(tag uint16, values ...float64) entry {
	e := entry{tag, kindDouble, nil}
	for _, v := range values {
		e.values = append(e.values, math.Float64bits(v))
	}
	return e
}

// CIELab's primaries of sRGB (D50), within 2 levels.
func TestLab(t *testing.T) {
	for _, c := range []struct {
		l, a, b float64
		want    [3]uint8
	}{
		{54.29, 80.81, 69.89, [3]uint8{255, 0, 0}},
		{87.82, -79.27, 80.99, [3]uint8{0, 255, 0}},
		{29.57, 68.30, -112.03, [3]uint8{0, 0, 255}},
	} {
		var got [3]uint8
		newLab().convert(got[:], uint8(math.Round(c.l*2.55)), uint8(int8(math.Round(c.a))), uint8(int8(math.Round(c.b))))
		for i, v := range got {
			if d := int(v) - int(c.want[i]); d < -12 || d > 12 {
				t.Errorf("Lab %g %g %g is %v, want %v", c.l, c.a, c.b, got, c.want)
			}
		}
	}
}

// Blocks of YCbCr: each pixel has its own Y, and the chroma of its block.
func TestSubsampling(t *testing.T) {
	for _, sub := range [][2]int{{2, 2}, {2, 1}, {1, 2}, {4, 1}, {4, 4}, {4, 2}} {
		const width, height, rows = 7, 10, 8
		luma := func(x, y int) uint8 { return uint8(10 + 20*y + x) }
		chroma := func(bx, by int) uint8 { return uint8(128 + 8*(bx-by)) }
		for _, compression := range []uint64{compressionNone, compressionPackBits} {
			var segments [][]byte
			for y0 := 0; y0 < height; y0 += rows {
				var b []byte
				for by := y0; by < min(y0+rows, height); by += sub[1] {
					for bx := 0; bx < width; bx += sub[0] {
						for y := range sub[1] {
							for x := range sub[0] {
								b = append(b, luma(bx+x, by+y))
							}
						}
						b = append(b, 128, chroma(bx/sub[0], by/sub[1]))
					}
				}
				segments = append(segments, compress(compression, b))
			}
			data := writers["II"].file([]entry{short(tagWidth, width), short(tagHeight, height), short(tagBits, 8, 8, 8), short(tagSamples, 3),
				short(tagCompression, compression), short(tagPhotometric, isYCbCr), short(tagRowsPerStrip, rows),
				short(tagSubsampling, uint64(sub[0]), uint64(sub[1]))}, segments, tagStripOffsets, tagStripCounts, 0)
			m, err := Decode(data)
			if err != nil || m.Damage != "" {
				t.Errorf("%v: %v %v", sub, err, m)
				continue
			}
			for y := range height {
				for x := range width {
					l, v := float64(luma(x, y)), float64(chroma(x/sub[0], y/sub[1]))-128
					want := [3]float64{l + 1.402*v, l - 0.714136*v, l}
					for i, w := range want {
						if got := m.Pix[3*(y*width+x)+i]; !(math.Abs(float64(got)-max(0, min(w, 255))) <= .51) {
							t.Fatalf("%v: pixel %d,%d has %d, want %g", sub, x, y, m.Pix[3*(y*width+x):][:3], want)
						}
					}
				}
			}
		}
	}
}

// Grey samples that are signed, real or of 32 bits are cut to 0..255, as Pillow does,
// and the range is told; others tell the largest value.
func TestNumbers(t *testing.T) {
	f32 := func(values ...float64) (out []uint64) {
		for _, v := range values {
			out = append(out, uint64(math.Float32bits(float32(v))))
		}
		return out
	}
	minus := func(v int64) uint64 { return uint64(v) }
	for _, c := range []struct {
		name   string
		format uint64
		bits   int
		values []uint64
		want   []uint8
		note   string
	}{
		{"int16", signed, 16, []uint64{minus(-32768), 0, 7, 255, 32767}, []uint8{0, 0, 7, 255, 255}, "signed samples of 16 bits, from -32,768 to 32,767, cut"},
		{"int16 within 8 bits", signed, 16, []uint64{0, 7, 255}, []uint8{0, 7, 255}, ""},
		{"int32", signed, 32, []uint64{minus(-1000000), 100, 70000}, []uint8{0, 100, 255}, "from -1,000,000 to 70,000, cut"},
		{"uint32", unsigned, 32, []uint64{3, 100, 4000000000}, []uint8{3, 100, 255}, "whole samples of 32 bits, from 3 to 4,000,000,000, cut"},
		{"int8", signed, 8, []uint64{minus(-1), 0, 100}, []uint8{255, 0, 100}, "read as unsigned"},
		{"float32", real, 32, f32(-1.5, 0, .99, 1, 254.99, 255, 1e9), []uint8{0, 0, 0, 1, 254, 255, 255}, "real samples of 32 bits, from -1.5 to 1,000,000,000, cut"},
		{"float32 that is none", real, 32, f32(math.NaN(), 3, math.Inf(1), math.Inf(-1)), []uint8{0, 3, 255, 0}, "from -Inf to +Inf, cut"},
		{"float64", real, 64, []uint64{math.Float64bits(12.5), math.Float64bits(-3)}, []uint8{12, 0}, "from -3 to 12.5, cut"},
		{"float16", real, 16, []uint64{0x3c00, 0x4900, 0xc000, 0x0001, 0x7c00, 0x5bf8}, []uint8{1, 10, 0, 0, 255, 255}, "from -2 to +Inf, cut"},
		{"float24", real, 24, []uint64{0x3f0000, 0x404000, 0xbf0000}, []uint8{1, 2, 0}, "from -1 to 2.5, cut"},
		{"uint16", unsigned, 16, []uint64{0, 4095}, []uint8{0, 15}, "16-bit samples reduced to their high byte; values up to 4,095 of 65,535"},
		{"uint12", unsigned, 12, []uint64{0, 4095, 16}, []uint8{0, 255, 1}, "12-bit samples reduced to their 8 highest bits; values up to 4,095 of 4,095"},
	} {
		for name, w := range writers {
			p := picture{len(c.values), 1, 1, c.bits, c.values}
			layouts := []layout{{0, 1, false, false, compressionNone, 1}}
			if c.format == real {
				layouts = append(layouts, layout{0, 1, false, false, compressionDeflate, 3})
			}
			if c.bits != 12 && c.bits != 24 {
				layouts = append(layouts, layout{0, 1, false, false, compressionLZW, 2})
			}
			for _, l := range layouts {
				m, err := Decode(w.write(p, l, short(tagPhotometric, blackIsZero), short(tagSampleFormat, c.format)))
				if err != nil {
					t.Errorf("%s %s: %v", c.name, name, err)
					continue
				}
				for i, v := range c.want {
					if m.Pix[3*i] != v {
						t.Errorf("%s %s: value %d is %d, want %d", c.name, name, i, m.Pix[3*i], v)
					}
				}
				if (m.Depth == "") != (c.note == "") || !strings.Contains(m.Depth, c.note) {
					t.Errorf("%s %s: %q, want %q", c.name, name, m.Depth, c.note)
				}
			}
		}
	}
}

// Files that libtiff 4.7 wrote through Pillow 13, with the CRC-32 of its pixels: fax
// codes for white and black runs of 0 to 63 and 64, 128 ... 2560 pixels; JPEG.
func TestLibtiff(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		crc           uint32
	}{
		{"jpeg-420.tif", 40, 24, 0xabc715e8},
		{"jpeg-cmyk.tif", 40, 24, 0x3491b252},
		{"jpeg-grey.tif", 40, 24, 0xd4110431},
		{"jpeg-old.tif", 40, 24, 0xd36f1e06},
		{"jpeg-rgb.tif", 40, 24, 0x3491b252},
		{"jpeg-ycbcr.tif", 40, 24, 0x60c2aa3b},
		{"rgb-lzw-2.tif", 40, 24, 0xf8d31ca8},
		{"runs-g3-2d.tif", 5200, 104, 0x1d0fb47c},
		{"runs-g3-fill.tif", 5200, 104, 0x1d0fb47c},
		{"runs-g3.tif", 5200, 104, 0x1d0fb47c},
		{"runs-g4.tif", 5200, 104, 0x1d0fb47c},
		{"runs-rle.tif", 5200, 104, 0x1d0fb47c},
		{"ycbcr-lzw.tif", 40, 24, 0x1098ebdd},
	} {
		data, err := os.ReadFile(filepath.Join("testdata", c.name))
		if err != nil {
			t.Fatal(err)
		}
		m, err := Decode(data)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if crc := crc32.ChecksumIEEE(m.Pix); m.Width != c.width || m.Height != c.height || crc != c.crc || m.Damage != "" {
			t.Errorf("%s: %dx%d, CRC %#08x, %q; want %dx%d, %#08x", c.name, m.Width, m.Height, crc, m.Damage, c.width, c.height, c.crc)
		}
	}
}

// Fax rows written by hand (ITU-T T.4, tables 2 to 4).
func TestFax(t *testing.T) {
	const eol = "000000000001"
	for _, c := range []struct {
		name        string
		compression uint64
		options     uint64
		bits        string
		rows        []string
	}{
		{"rows at bytes", compressionFaxRows, 0, "10011 000 0111 11 1011", []string{"........", "..##...."}},
		{"rows at words", compressionFaxWords, 0, "10011 00000000000 0111 11 1011", []string{"........", "..##...."}},
		{"without ends of lines", compressionFax3, 0, "0111 11 1011 10011", []string{"..##....", "........"}},
		{"with them", compressionFax3, 0, eol + "0111 11 1011" + "0000" + eol + "10011" + eol + eol, []string{"..##....", "........"}},
		{"black first, and no code behind the last", compressionFax3, 0, eol + "00110101 000101" + eol + "10011", []string{"########", "........"}},
		{"in two dimensions", compressionFax3, 1, eol + "1 0111 11 1011" + eol + "0 1 011 1", []string{"..##....", "..###..."}},
		{"horizontal, vertical, pass", compressionFax4, 0, "001 0111 11 1  011 1 1  0001 1  001 00110101 011 1", []string{"..##....", "...#....", "........", "####...."}},
		{"more changes than the row before", compressionFax4, 0, "001 1110 010 1  001 000111 010 1 1 1", []string{"......#.", ".#....#."}},
		{"back to a change that was passed", compressionFax4, 0, "001 1011 11 1  0000010 0000010 1 1 1", []string{"....##..", ".##.##.."}},
		{"at the first column", compressionFax4, 0, "001 00110101 10 1  1 1 1  0001 1", []string{"###.....", "###.....", "........"}},
	} {
		var data []byte
		n := 0
		for _, b := range strings.ReplaceAll(c.bits, " ", "") {
			if n%8 == 0 {
				data = append(data, 0)
			}
			data[n/8] |= byte(b-'0') << (7 - n%8)
			n++
		}
		file := writers["II"].file([]entry{short(tagWidth, 8), short(tagHeight, uint64(len(c.rows))), short(tagCompression, c.compression),
			short(tagPhotometric, whiteIsZero), long(tagFaxOptions, c.options)}, [][]byte{data}, tagStripOffsets, tagStripCounts, 0)
		m, err := Decode(file)
		if err != nil || m.Damage != "" {
			t.Errorf("%s: %v %+v", c.name, err, m)
			continue
		}
		for y, row := range c.rows {
			got := ""
			for x := range 8 {
				got += map[uint8]string{0: "#", 255: "."}[m.Pix[3*(8*y+x)]]
			}
			if got != row {
				t.Errorf("%s: row %d is %s, want %s", c.name, y, got, row)
			}
		}
	}
}

// A row with a bad code ends there, and the next end of a line begins another; ten
// zeros and a one are none.
func TestFaxDamage(t *testing.T) {
	var data []byte
	n := 0
	for _, b := range strings.ReplaceAll("000000000001 0111 11 1011  000000000001 0111 11 00000000 0100000000001  000000000001 1011 11 0111", " ", "") {
		if n%8 == 0 {
			data = append(data, 0)
		}
		data[n/8] |= byte(b-'0') << (7 - n%8)
		n++
	}
	m, err := Decode(writers["MM"].file([]entry{short(tagWidth, 8), short(tagHeight, 3), short(tagCompression, compressionFax3),
		short(tagPhotometric, whiteIsZero)}, [][]byte{data}, tagStripOffsets, tagStripCounts, 0))
	if err != nil {
		t.Fatal(err)
	}
	if want := "strip 0 of 1: row 1: no fax code begins with these bits"; m.Damage != want {
		t.Errorf("damage %q, want %q", m.Damage, want)
	}
	got := ""
	for i := range 24 {
		got += map[uint8]string{0: "#", 255: ".", 128: "?"}[m.Pix[3*i]]
	}
	if want := "..##...." + "..##...." + "....##.."; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

// No code is the beginning of another.
func TestFaxCodes(t *testing.T) {
	for name, codes := range map[string]string{"white": whiteCodes + " " + longCodes, "black": blackCodes + " " + longCodes, "modes": modeCodes} {
		words := strings.Fields(codes)
		if want := map[string]int{"white": 104, "black": 104, "modes": 9}[name]; len(words) != want {
			t.Errorf("%s: %d codes, want %d", name, len(words), want)
		}
		for i, a := range words {
			for j, b := range words {
				if i != j && strings.HasPrefix(b, a) {
					t.Errorf("%s: code %d (%s) begins code %d (%s)", name, i, a, j, b)
				}
			}
		}
	}
}

// What is not read is refused by the tag, its number and its value.
func TestRefused(t *testing.T) {
	w := writers["II"]
	grey, colour := strew(3, 2, 1, 8), strew(3, 2, 3, 8)
	plain := layout{0, 2, false, false, compressionNone, 1}
	packed := layout{0, 2, false, false, compressionDeflate, 1}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"LogL", w.write(grey, plain, short(tagPhotometric, 32844)), "PhotometricInterpretation (262) is 32844, LogL, which is not read"},
		{"a filter array", w.write(grey, plain, short(tagPhotometric, 32803)), "PhotometricInterpretation (262) is 32803, a colour filter array"},
		{"an unknown colour", w.write(grey, plain, short(tagPhotometric, 77)), "PhotometricInterpretation (262) is 77, which is not read"},
		{"old JPEG", w.write(grey, plain, short(tagCompression, 6)), "Compression (259) is 6, JPEG of the old style in pieces, which is not read"},
		{"Zstandard", w.write(grey, plain, short(tagCompression, 50000)), "Compression (259) is 50000, Zstandard"},
		{"other inks", w.write(strew(3, 2, 4, 8), plain, short(tagPhotometric, isCMYK), short(tagInkSet, 2)), "InkSet (332) is 2, inks other than CMYK"},
		{"complex", w.write(grey, plain, short(tagSampleFormat, 6)), "SampleFormat (339) is 6, complex numbers"},
		{"real colour", w.write(strew(3, 2, 3, 32), plain, short(tagPhotometric, isRGB), short(tagSampleFormat, 3)), "SampleFormat (339) is 3"},
		{"signed colour", w.write(colour, plain, short(tagPhotometric, isRGB), short(tagSampleFormat, 2)), "SampleFormat (339) is 2"},
		{"mixed bits", w.write(colour, plain, short(tagPhotometric, isRGB), short(tagBits, 5, 6, 5)), "BitsPerSample (258) is 5 for one sample and 6 for another"},
		{"0 bits", w.write(grey, plain, short(tagBits, 0)), "BitsPerSample (258) is 0"},
		{"33 bits", w.write(grey, plain, short(tagBits, 33)), "BitsPerSample (258) is 33"},
		{"48 bits", w.write(grey, plain, short(tagBits, 48)), "BitsPerSample (258) is 48"},
		{"too few samples", w.write(grey, plain, short(tagPhotometric, isRGB)), "SamplesPerPixel (277) is 1, and PhotometricInterpretation (262) is 2, which takes 3"},
		{"samples without a name", w.write(strew(3, 2, 5, 8), plain, short(tagPhotometric, isRGB)), "SamplesPerPixel (277) is 5"},
		{"no photometric", w.write(colour, plain), "PhotometricInterpretation (262) is missing, with 3 samples a pixel"},
		{"planar 3", w.write(grey, plain, short(tagPlanar, 3)), "PlanarConfiguration (284) is 3, the most is 2"},
		{"fill order 3", w.write(grey, plain, short(tagFillOrder, 3)), "FillOrder (266) is 3, the most is 2"},
		{"predictor 4", w.write(grey, packed, short(tagPredictor, 4)), "Predictor (317) is 4, the most is 3"},
		{"predictor 3 of whole numbers", w.write(grey, packed, short(tagPredictor, 3)), "Predictor (317) is 3, which samples of 8 bits do not have"},
		{"no palette", w.write(grey, plain, short(tagPhotometric, isPalette)), "ColorMap (320) has 0 values, want 768"},
		{"short palette", w.write(grey, plain, short(tagPhotometric, isPalette), entry{tagPalette, 3, make([]uint64, 30)}), "ColorMap (320) has 30 values, want 768"},
		{"sampling", w.write(colour, plain, short(tagPhotometric, isYCbCr), short(tagSubsampling, 3, 1)), "YCbCrSubSampling (530) is [3 1]"},
		{"coefficients", w.write(colour, plain, short(tagPhotometric, isYCbCr), short(tagSubsampling, 1, 1), floats(tagCoefficients, 1, 0, 0)), "YCbCrCoefficients (529)"},
		{"fax of 8 bits", w.write(grey, plain, short(tagCompression, 4)), "Compression (259) is 4, fax"},
		{"no size", w.file([]entry{short(tagWidth, 3)}, nil, 0, 0, 0), "ImageLength (257) is missing"},
		{"size 0", w.write(grey, plain, short(tagWidth, 0)), "size 0x2"},
		{"size that overflows", w.write(grey, plain, short(tagPhotometric, 1), long(tagWidth, 1<<30), long(tagHeight, 1<<30)), "size 1073741824x1073741824"},
		{"size of text", w.write(grey, plain, entry{tagWidth, 15, []uint64{3}}), "type 15"},
		{"2^29 strips", lie(w.write(strew(3, 40, 1, 8), layout{0, 1, false, false, compressionNone, 1}, short(tagPhotometric, 1)), tagStripOffsets, 1<<29), "StripOffsets (273) claims 536870912 values, the file ends after"},
		{"fewer strips", lie(w.write(strew(3, 40, 1, 8), layout{0, 1, false, false, compressionNone, 1}, short(tagPhotometric, 1)), tagStripOffsets, 39), "StripOffsets (273) has 39 values, the picture has 40 strips or tiles"},
		{"many tiles", w.write(grey, plain, short(tagPhotometric, 1), long(tagWidth, 1<<16), long(tagHeight, 1<<10), short(tagTileWidth, 8), short(tagTileHeight, 8)), "1048576 strips or tiles, the limit is 262144"},
		{"giant tiles", w.write(grey, plain, short(tagPhotometric, 1), long(tagTileWidth, 1<<30), long(tagTileHeight, 1<<30)), "strips or tiles of 1073741824x1073741824 pixels hold"},
		{"next to nothing", w.write(grey, packed, short(tagPhotometric, 1), long(tagWidth, 5000), long(tagHeight, 5000), short(tagRowsPerStrip, 5000)), "too few for 5000x5000"},
		{"nothing but a bad strip", w.write(grey, plain, short(tagPhotometric, 1), short(tagCompression, 8)), "strip 0 of 1: zlib: invalid header"},
		{"strip outside", w.write(grey, plain, short(tagPhotometric, 1), long(tagStripOffsets, 1<<20)), "strip 0 of 1: it begins at byte 1048576, the file has"},
		{"cut header", []byte("II*\x00\x08"), "the file ends inside its header"},
		{"no directory", []byte("II*\x00\x08\x00\x00\x00"), "the directory at byte 8 is outside the file of 8 bytes"},
		{"directory outside", []byte("II*\x00\xff\xff\xff\xff"), "the directory at byte 4294967295 is outside the file of 8 bytes"},
		{"directory of nothing", []byte("II*\x00\x08\x00\x00\x00\xff\xff"), "claims 65535 entries, the file ends after 0"},
	} {
		_, err := Decode(c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// lie changes the count of a field of a little-endian file.
func lie(data []byte, tag uint16, count uint32) []byte {
	for at := int(binary.LittleEndian.Uint32(data[4:])) + 2; at+12 <= len(data); at += 12 {
		if binary.LittleEndian.Uint16(data[at:]) == tag {
			binary.LittleEndian.PutUint32(data[at+4:], count)
		}
	}
	return data
}

// Files that ask for much work get little.
func TestHostile(t *testing.T) {
	w := writers["II"]
	// 65,536 tiles share a megabyte that says nothing.
	idle := bytes.Repeat([]byte{0x80}, 1<<20)
	n := uint64(1 << 16)
	entries := func(compression, bits uint64) []entry {
		same := entry{tagTileOffsets, 4, make([]uint64, n)}
		all := entry{tagTileCounts, 4, make([]uint64, n)}
		for i := range n {
			same.values[i], all.values[i] = 8, 1<<20
		}
		return []entry{short(tagWidth, 4096), short(tagHeight, 1024), short(tagBits, bits), short(tagCompression, compression),
			short(tagPhotometric, 1), short(tagTileWidth, 8), short(tagTileHeight, 8), same, all}
	}
	for _, compression := range []uint64{compressionPackBits, compressionLZW, compressionDeflate, compressionFax3} {
		bits := uint64(8)
		if compression == compressionFax3 {
			bits = 1
		}
		data := w.file(entries(compression, bits), nil, 0, 0, 0)
		at := binary.LittleEndian.Uint32(data[4:])
		data = append(append(append([]byte(nil), data[:8]...), idle...), data[8:]...) // and all offsets move
		binary.LittleEndian.PutUint32(data[4:], at+1<<20)
		for e := int(at) + 1<<20 + 2; e+12 <= len(data); e += 12 {
			if binary.LittleEndian.Uint32(data[e+4:]) == uint32(n) {
				binary.LittleEndian.PutUint32(data[e+8:], binary.LittleEndian.Uint32(data[e+8:])+1<<20)
			}
		}
		d := new(decoder)
		if err := d.readHeader(data); err != nil {
			t.Fatal(err)
		}
		var last error
		for i := range int(n) {
			var buf []byte
			if _, err := d.decode(&buf, i, 8); err == nil {
				t.Fatalf("compression %d: tile %d is sound", compression, i)
			} else {
				last = err
			}
		}
		if last.Error() != "the strips or tiles share data too often" {
			t.Errorf("compression %d: %v after %d bytes", compression, last, d.spent)
		}
	}
	// A strip of 10 bytes inflates to 64 MB.
	bomb := compress(compressionDeflate, make([]byte, 64<<20))
	data := w.file([]entry{short(tagWidth, 100), short(tagHeight, 100), short(tagBits, 8), short(tagCompression, compressionDeflate),
		short(tagPhotometric, 1)}, [][]byte{bomb}, tagStripOffsets, tagStripCounts, 0)
	if used, m := allocated(data); m == nil || m.Damage != "" || used > 1<<19 {
		t.Errorf("bomb: %d bytes allocated, %v", used, m != nil)
	}
	// Strips of JPEG whose sizes are not those of the directory.
	grey, err := os.ReadFile(filepath.Join("testdata", "jpeg-grey.tif"))
	if err != nil {
		t.Fatal(err)
	}
	set := func(tag uint16, value byte) {
		for e := int(binary.LittleEndian.Uint32(grey[4:])) + 2; e+12 <= len(grey); e += 12 {
			if binary.LittleEndian.Uint16(grey[e:]) == tag {
				grey[e+8] = value
			}
		}
	}
	set(tagRowsPerStrip, 20)
	m, err := Decode(grey)
	if want := "17 % of the rows are missing: strip 0 of 2: JPEG has 16 rows, want 20"; err != nil || m.Damage != want || m.Pix[3*40*16] != 128 {
		t.Errorf("JPEG of fewer rows: %q, error %v; want %q", m.Damage, err, want)
	}
	set(tagWidth, 41)
	if _, err := Decode(grey); err == nil || !strings.Contains(err.Error(), "JPEG has 40 pixels a row and 1 components, want 41 and 1") {
		t.Errorf("JPEG of another width: error %v", err)
	}
}

// Of a cut file what is there is shown, the rest is grey, and Damage says so.
func TestCut(t *testing.T) {
	for _, compression := range []uint64{compressionNone, compressionLZW, compressionDeflate, compressionPackBits} {
		p := strew(40, 40, 3, 8)
		w := writers["II"]
		data := w.write(p, layout{0, 10, false, false, compression, 1}, short(tagPhotometric, isRGB))
		d := new(file)
		if _, err := d.open(data); err != nil {
			t.Fatal(err)
		}
		dir, _, err := d.directory(uint64(binary.LittleEndian.Uint32(data[4:])))
		if err != nil {
			t.Fatal(err)
		}
		// The last two strips lie behind the end of the file.
		cut := append([]byte(nil), data...)
		at := bytes.Index(cut, dir[tagStripOffsets].data)
		binary.LittleEndian.PutUint32(cut[at+8:], uint32(len(cut)))
		binary.LittleEndian.PutUint32(cut[at+12:], uint32(len(cut)+100))
		m, err := Decode(cut)
		if err != nil {
			t.Errorf("compression %d: %v", compression, err)
			continue
		}
		if !strings.HasPrefix(m.Damage, "50 % of the rows are missing: strip 2 of 4: it begins at byte") {
			t.Errorf("compression %d: damage %q", compression, m.Damage)
		}
		for i, v := range m.Pix {
			if want := uint8(p.values[i]); i < 3*40*20 && v != want || i >= 3*40*20 && v != 128 {
				t.Fatalf("compression %d: sample %d is %d", compression, i, v)
			}
		}
	}
}

// Pages are counted, without reduced ones, and chains that loop end.
func TestPages(t *testing.T) {
	w := writers["II"]
	one := w.write(strew(3, 2, 1, 8), layout{0, 2, false, false, compressionNone, 1}, short(tagPhotometric, 1))
	dir := binary.LittleEndian.Uint32(one[4:])
	page := func(data []byte, subfile, next uint32) []byte {
		data = binary.LittleEndian.AppendUint16(data, 1)
		data = append(data, 254, 0, 4, 0, 1, 0, 0, 0)
		data = binary.LittleEndian.AppendUint32(data, subfile)
		return binary.LittleEndian.AppendUint32(data, next)
	}
	link := func(to uint32) []byte {
		data := append([]byte(nil), one...)
		binary.LittleEndian.PutUint32(data[len(data)-4:], to)
		return data
	}
	end := uint32(len(one))
	for _, c := range []struct {
		name string
		data []byte
		want int
	}{
		{"one", one, 1},
		{"to itself", link(dir), 1},
		{"outside", link(1 << 30), 1},
		{"a second", page(link(end), 0, 0), 2},
		{"a smaller version", page(link(end), 1, 0), 1},
		{"three", page(page(link(end), 2, end+18), 0, 0), 3},
		{"a loop of two", page(link(end), 0, end), 2},
	} {
		if h, err := DecodeHeader(c.data); err != nil || h.Pages != c.want {
			t.Errorf("%s: %d pages, error %v; want %d", c.name, h.Pages, err, c.want)
		}
	}
}

func TestMetadata(t *testing.T) {
	for name, w := range writers {
		data := w.write(strew(3, 2, 1, 8), layout{0, 2, false, false, compressionNone, 1}, short(tagPhotometric, 1), short(tagOrientation, 6),
			entry{tagXMP, 1, []uint64{'<', 'x', '/', '>', ' ', ' ', ' ', ' ', ' '}}, entry{tagProfile, 7, []uint64{1, 2, 3}})
		h, err := DecodeHeader(data)
		if err != nil || h.Orientation != 6 || string(h.XMP) != "<x/>     " || string(h.Profile) != "\x01\x02\x03" {
			t.Errorf("%s: %+v, error %v", name, h, err)
		}
	}
}

// A strip of grey takes a byte a pixel, the picture three, and samples that are not
// compressed nothing.
func TestMemory(t *testing.T) {
	p := strew(1000, 1000, 1, 8)
	for compression, want := range map[uint64]int64{compressionNone: 3e6, compressionLZW: 4e6, compressionDeflate: 4e6, compressionPackBits: 4e6} {
		data := writers["II"].write(p, layout{0, 1000, false, false, compression, 1}, short(tagPhotometric, 1))
		h, err := DecodeHeader(data)
		if err != nil || h.Memory < want || h.Memory > want+200e3 {
			t.Errorf("compression %d: %d bytes, error %v; want %d", compression, h.Memory, err, want)
		}
		if n, m := allocated(data); m == nil || n > h.Memory+slack {
			t.Errorf("compression %d: %d bytes allocated, the header says %d", compression, n, h.Memory)
		}
	}
}

// slack is what Decode may allocate beyond Header.Memory: the field values, readers
// and messages.
const slack = 1 << 19

// allocated decodes a file and returns the bytes that this took.
func allocated(data []byte) (n int64, m *Image) {
	n = testdata.Allocated(func() { m, _ = Decode(data) })
	return n, m
}

func FuzzDecode(f *testing.F) {
	faxTables() // once
	names, _ := filepath.Glob(filepath.Join("testdata", "*.tif"))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, w := range writers {
		for _, compression := range []uint64{1, 2, 3, 4, 5, 8, 32771, 32773} {
			f.Add(w.write(strew(9, 6, 3, 16), layout{4, 4, true, false, compression, 2}, short(tagPhotometric, isRGB)))
			f.Add(w.write(strew(9, 6, 1, 1), layout{0, 4, false, true, compression, 1}, short(tagPhotometric, 0)))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := DecodeHeader(data)
		if err != nil {
			if _, err := Decode(data); err == nil {
				t.Fatal("Decode takes what DecodeHeader refuses")
			}
			return
		}
		if h.Memory > 16<<20 {
			return
		}
		var d decoder
		if err := d.readHeader(data); err != nil {
			t.Fatal(err)
		}
		limit := h.Memory + slack
		if d.compression == compressionJPEG { // each strip has tables
			limit += int64(d.across*d.down*d.needed) * 1 << 16
		}
		n, m := allocated(data)
		if n > limit {
			t.Fatalf("%d bytes allocated, the limit is %d", n, limit)
		}
		if m != nil && (m.Width != h.Width || m.Height != h.Height || len(m.Pix) != 3*m.Width*m.Height) {
			t.Fatalf("picture %dx%d with %d bytes, header %dx%d", m.Width, m.Height, len(m.Pix), h.Width, h.Height)
		}
	})
}
