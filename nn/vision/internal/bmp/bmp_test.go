package bmp

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// bitmap writes a file: a header of a size, what follows it (masks, palette), and the
// pixels. Fields that the header does not reach are left out.
type bitmap struct {
	size          uint32
	width, height int32
	bits          uint16
	compression   uint32
	colours       uint32
	masks         []uint32 // in headers of 52 bytes or more, else behind it
	palette       []byte
	pixels        []byte
	offset        uint32 // of the pixels; 0 for where they are
}

func (b bitmap) file() []byte {
	le := binary.LittleEndian
	var h []byte
	if b.size == 12 {
		h = le.AppendUint32(h, 12)
		h = le.AppendUint16(h, uint16(b.width))
		h = le.AppendUint16(h, uint16(b.height))
		h = le.AppendUint16(h, 1)
		h = le.AppendUint16(h, b.bits)
	} else {
		for _, v := range []uint32{b.size, uint32(b.width), uint32(b.height), 1 | uint32(b.bits)<<16, b.compression, 0, 0, 0, b.colours, 0} {
			h = le.AppendUint32(h, v)
		}
		for _, m := range b.masks {
			h = le.AppendUint32(h, m)
		}
		switch {
		case b.size > 40:
			h = append(h, make([]byte, max(0, int(b.size)-len(h)))...)
		case b.size < 40:
			h = h[:b.size]
		}
	}
	start := uint32(14 + len(h) + len(b.palette))
	if b.offset != 0 {
		start = b.offset
	}
	file := le.AppendUint32([]byte("BM\x00\x00\x00\x00\x00\x00\x00\x00"), start)
	return append(append(append(file, h...), b.palette...), b.pixels...)
}

// four are colours of a palette with a byte of padding, three without.
var (
	four  = []byte("\x01\x02\x03\x00\x11\x12\x13\x00\x21\x22\x23\x00\x31\x32\x33\x00")
	three = []byte("\x01\x02\x03\x11\x12\x13\x21\x22\x23\x31\x32\x33")
)

// rgb repeats colours by their numbers in the palettes above; '.' is black.
func rgb(numbers string) []uint8 {
	var pix []uint8
	for _, c := range numbers {
		v := uint8(c-'0') << 4
		if c == '.' {
			pix = append(pix, 0, 0, 0)
		} else {
			pix = append(pix, v|3, v|2, v|1)
		}
	}
	return pix
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name string
		file bitmap
		want []uint8
	}{
		{"1 bit", bitmap{size: 40, width: 10, height: 2, bits: 1, palette: four[:8], pixels: []byte("\xaa\x40\x00\x00\x0f\xc0\x00\x00")},
			rgb("0000111111" + "1010101001")},
		{"2 bits", bitmap{size: 40, width: 5, height: 1, bits: 2, palette: four, pixels: []byte("\x1b\x40\x00\x00")}, rgb("01231")},
		{"4 bits", bitmap{size: 40, width: 3, height: 1, bits: 4, colours: 4, palette: four, pixels: []byte("\x01\x20\x00\x00")}, rgb("012")},
		{"8 bits, from the top", bitmap{size: 40, width: 3, height: -2, bits: 8, colours: 4, palette: four, pixels: []byte("\x00\x01\x02\x00\x03\x02\x01\x00")}, rgb("012" + "321")},
		{"beyond the palette", bitmap{size: 40, width: 3, height: 1, bits: 8, colours: 2, palette: four[:8], pixels: []byte("\x00\x01\x02\x00")}, rgb("01.")},
		{"OS/2", bitmap{size: 12, width: 3, height: 1, bits: 2, palette: three, pixels: []byte("\x18\x00\x00\x00")}, rgb("012")},
		{"OS/2, short second header", bitmap{size: 16, width: 3, height: 1, bits: 2, palette: four, pixels: []byte("\x18\x00\x00\x00")}, rgb("012")},
		{"OS/2, second header", bitmap{size: 64, width: 3, height: 1, bits: 2, palette: four, pixels: []byte("\x18\x00\x00\x00")}, rgb("012")},
		{"pixels said to be where the palette is", bitmap{size: 40, width: 3, height: 1, bits: 8, colours: 4, palette: four, pixels: []byte("\x03\x01\x02\x00"), offset: 54}, rgb("312")},
		{"16 bits", bitmap{size: 40, width: 2, height: 1, bits: 16, pixels: []byte("\x00\x7c\xe1\x03")}, []uint8{255, 0, 0, 0, 255, 8}},
		{"24 bits", bitmap{size: 40, width: 1, height: 2, bits: 24, pixels: []byte("\x01\x02\x03\x00\x04\x05\x06\x00")}, []uint8{6, 5, 4, 3, 2, 1}},
		{"24 bits of OS/2", bitmap{size: 12, width: 1, height: 1, bits: 24, pixels: []byte("\x01\x02\x03\x00")}, []uint8{3, 2, 1}},
		{"32 bits", bitmap{size: 40, width: 1, height: 1, bits: 32, pixels: []byte("\x01\x02\x03\x04")}, []uint8{3, 2, 1}},
		{"32 bits, rows without padding", bitmap{size: 40, width: 1, height: 2, bits: 32, pixels: []byte("\x01\x02\x03\x04\x05\x06\x07\x08")}, []uint8{7, 6, 5, 3, 2, 1}},
		{"no mask of red", bitmap{size: 52, width: 1, height: 1, bits: 32, compression: bitfields, masks: []uint32{0, 0xff00, 0xff}, pixels: []byte("\x01\x02\x03\x04")}, []uint8{0, 2, 1}},
		{"565", bitmap{size: 40, width: 2, height: 1, bits: 16, compression: bitfields, masks: []uint32{0xf800, 0x7e0, 0x1f}, pixels: []byte("\x20\x08\xff\xff")}, []uint8{8, 4, 0, 255, 255, 255}},
		{"masks in the header", bitmap{size: 56, width: 1, height: 1, bits: 32, compression: bitfields, masks: []uint32{0xff, 0xff00, 0xff0000, 0xff000000}, pixels: []byte("\x01\x02\x03\xff")}, []uint8{1, 2, 3}},
		{"wide and narrow masks", bitmap{size: 108, width: 1, height: 1, bits: 32, compression: bitfields, masks: []uint32{0xffc00000, 0x3ff000, 0x8, 0}, pixels: []byte("\x08\x00\x20\x80")}, []uint8{0x80, 0x80, 255}},
		{"masks of nothing", bitmap{size: 124, width: 1, height: 1, bits: 32, compression: bitfields, masks: []uint32{0, 0, 0, 0}, pixels: []byte("\x01\x02\x03\x04")}, []uint8{3, 2, 1}},
		{"alpha behind the header", bitmap{size: 40, width: 1, height: 1, bits: 32, compression: alphaBitfields, masks: []uint32{0xff, 0xff00, 0xff0000, 0xff000000}, pixels: []byte("\x01\x02\x03\xff")}, []uint8{1, 2, 3}},
		{"RLE8", bitmap{size: 40, width: 5, height: 3, bits: 8, compression: rle8, colours: 4, palette: four,
			pixels: []byte("\x03\x01\x02\x02\x00\x00" + "\x00\x03\x01\x02\x03\x00\x00\x02\x01\x01" + "\x01\x03\x00\x01")},
			rgb("00003" + "12300" + "11122")},
		{"RLE8, rows without pixels, runs too long", bitmap{size: 40, width: 3, height: 3, bits: 8, compression: rle8, colours: 4, palette: four,
			pixels: []byte("\x00\x00\x09\x02\x00\x00\x00\x04\x01\x01\x01\x01\x00\x01")}, rgb("111" + "222" + "000")},
		{"RLE4", bitmap{size: 40, width: 6, height: 2, bits: 4, compression: rle4, colours: 4, palette: four,
			pixels: []byte("\x05\x12\x00\x00" + "\x00\x05\x12\x31\x20\x00\x01\x30\x00\x01")}, rgb("123123" + "121210")},
		{"RLE8 with rows beyond the last", bitmap{size: 40, width: 2, height: 1, bits: 8, compression: rle8, colours: 4, palette: four, pixels: []byte("\x02\x01\x00\x00\x02\x02\x00\x02\x00\xff\x01\x01")}, rgb("11")},
		{"RLE4 that ends early", bitmap{size: 40, width: 2, height: 2, bits: 4, compression: rle4, colours: 4, palette: four, pixels: []byte("\x02\x12\x00\x01")}, rgb("00" + "12")},
	} {
		m, err := Decode(c.file.file())
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !bytes.Equal(m.Pix, c.want) || m.Alpha || m.Damage != "" {
			t.Errorf("%s: %v, alpha %v, damage %q; want %v", c.name, m.Pix, m.Alpha, m.Damage, c.want)
		}
	}
}

func TestAlpha(t *testing.T) {
	b := bitmap{size: 56, width: 2, height: 1, bits: 32, compression: bitfields, masks: []uint32{0xff0000, 0xff00, 0xff, 0xff000000}, pixels: []byte("\x01\x02\x03\xff\x04\x05\x06\x80")}
	if m, err := Decode(b.file()); err != nil || !m.Alpha || !bytes.Equal(m.Pix, []uint8{3, 2, 1, 6, 5, 4}) {
		t.Errorf("%+v, error %v", m, err)
	}
}

// Of a cut file what is there is shown, and the rest is grey; the padding of the last
// row may be missing.
func TestCut(t *testing.T) {
	b := bitmap{size: 40, width: 2, height: 3, bits: 24, pixels: bytes.Repeat([]byte("\x01\x02\x03\x04\x05\x06\x00\x00"), 3)}
	row := []uint8{3, 2, 1, 6, 5, 4}
	grey := bytes.Repeat([]uint8{128}, 6)
	whole := b.pixels
	for n, want := range map[int]struct {
		rows   int
		damage string
	}{
		22: {3, ""},
		21: {2, "the file ends after 2 of 3 rows"},
		14: {2, "the file ends after 2 of 3 rows"},
		13: {1, "the file ends after 1 of 3 rows"},
	} {
		b.pixels = whole[:n]
		m, err := Decode(b.file())
		pix := append(bytes.Repeat(grey, 3-want.rows), bytes.Repeat(row, want.rows)...)
		if err != nil || m.Damage != want.damage || !bytes.Equal(m.Pix, pix) {
			t.Errorf("%d bytes: %+v, error %v", n, m, err)
		}
	}
	for _, c := range []struct {
		compression uint32
		pixels      string
		damage      string
		want        string
	}{
		{rle8, "\x02\x01\x00\x00\x01", "the file ends in row 1 of 2", "00" + "11"},
		{rle8, "\x00\x02\x00\x01", "the file ends in row 1 of 2", "00" + "00"},
		{rle8, "\x02\x01\x00\x00\x00\x02\x01", "the file ends in row 1 of 2", "00" + "11"},
		{rle8, "\x02\x01\x00\x00\x00\x03\x02", "the file ends in row 1 of 2", "20" + "11"},
		{rle4, "\x02\x11\x00\x00\x00\x03", "the file ends in row 1 of 2", "00" + "11"},
		{rle4, "\x02\x11\x00\x00\x00\x03\x23", "the file ends in row 1 of 2", "23" + "11"},
	} {
		runs := bitmap{size: 40, width: 2, height: 2, bits: 8, compression: c.compression, colours: 4, palette: four, pixels: []byte(c.pixels)}
		if c.compression == rle4 {
			runs.bits = 4
		}
		if m, err := Decode(runs.file()); err != nil || m.Damage != c.damage || !bytes.Equal(m.Pix, rgb(c.want)) {
			t.Errorf("runs %q: %+v, error %v", c.pixels, m, err)
		}
	}
}

// Pixels that are nowhere said to be follow the palette.
func TestNoOffset(t *testing.T) {
	data := bitmap{size: 40, width: 3, height: 1, bits: 8, colours: 4, palette: four, pixels: []byte("\x02\x01\x00\x00")}.file()
	clear(data[10:14])
	if m, err := Decode(data); err != nil || !bytes.Equal(m.Pix, rgb("210")) {
		t.Errorf("%+v, error %v", m, err)
	}
}

func TestRefused(t *testing.T) {
	sound := bitmap{size: 40, width: 3, height: 1, bits: 8, colours: 4, palette: four, pixels: []byte("\x00\x01\x02\x00")}
	change := func(f func(*bitmap)) []byte {
		b := sound
		f(&b)
		return b.file()
	}
	for _, c := range []struct {
		data []byte
		want string
	}{
		{append([]byte("BX"), sound.file()[2:]...), `it begins with "BX"`},
		{append([]byte("XM"), sound.file()[2:]...), `it begins with "XM"`},
		{[]byte("BM\x00"), "the file ends inside its header"},
		{sound.file()[:40], "the file ends inside its header"},
		{change(func(b *bitmap) { b.size = 13 }), "header of 13 bytes, want 12 or 16 to 124"},
		{change(func(b *bitmap) { b.size = 200 }), "header of 200 bytes"},
		{change(func(b *bitmap) { b.bits = 3 }), "3 bits a pixel, want 1, 2, 4, 8, 16, 24 or 32"},
		{change(func(b *bitmap) { b.compression = 4 }), "compression 4, JPEG, is not read"},
		{change(func(b *bitmap) { b.compression = 5 }), "compression 5, PNG, is not read"},
		{change(func(b *bitmap) { b.compression = 9 }), "compression 9 is not read"},
		{change(func(b *bitmap) { b.size, b.compression = 64, 4 }), "compression 4 of OS/2"},
		{change(func(b *bitmap) { b.compression = rle4 }), "compression 2, run lengths, with 8 bits a pixel"},
		{change(func(b *bitmap) { b.width = -3 }), "size -3x1"},
		{change(func(b *bitmap) { b.height = 0 }), "size 3x0"},
		{change(func(b *bitmap) { b.height = -1 << 31 }), "too few for 3x2147483648"},
		{change(func(b *bitmap) { b.width, b.height = 1<<31-1, 1<<31-1 }), "size 2147483647x2147483647"},
		{change(func(b *bitmap) { b.offset = 500 }), "the pixels begin at byte 500, the file has 74"},
		{change(func(b *bitmap) { b.bits, b.compression, b.masks = 32, bitfields, []uint32{0xff0000, 0xff00, 0x5} }), "bit mask 0x5 has holes"},
		{change(func(b *bitmap) { b.width, b.height = 4096, 4096 }), "4 bytes of picture data are too few for 4096x4096"},
		{change(func(b *bitmap) { b.height, b.compression, b.pixels = 200, rle8, []byte("\x03\x01") }), "the file ends in row 0 of 200"},
	} {
		if _, err := Decode(c.data); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, b := range []bitmap{
		{size: 12, width: 3, height: 1, bits: 2, palette: three, pixels: []byte("\x18\x00\x00\x00")},
		{size: 40, width: 2, height: 1, bits: 16, pixels: []byte("\x00\x7c\xe1\x03")},
		{size: 108, width: 1, height: -1, bits: 32, compression: bitfields, masks: []uint32{0xffc00000, 0x3ff000, 0x8, 0}, pixels: []byte("\x08\x00\x20\x80")},
		{size: 40, width: 5, height: 3, bits: 8, compression: rle8, colours: 4, palette: four, pixels: []byte("\x03\x01\x02\x02\x00\x00\x00\x03\x01\x02\x03\x00\x00\x02\x01\x01\x01\x03\x00\x01")},
		{size: 40, width: 6, height: 2, bits: 4, compression: rle4, colours: 4, palette: four, pixels: []byte("\x05\x12\x00\x00\x00\x05\x12\x31\x20\x00\x01\x30\x00\x01")},
	} {
		f.Add(b.file())
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
		var m *Image
		if n := testdata.Allocated(func() { m, _ = Decode(data) }); n > h.Memory+1<<16 {
			t.Fatalf("%d bytes allocated, the header says %d", n, h.Memory)
		}
		if m != nil && (m.Width != h.Width || m.Height != h.Height || len(m.Pix) != 3*m.Width*m.Height) {
			t.Fatalf("picture %dx%d with %d bytes, header %dx%d", m.Width, m.Height, len(m.Pix), h.Width, h.Height)
		}
	})
}
