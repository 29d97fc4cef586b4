package vision

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// chunk is a PNG chunk.
func chunk(name string, body []byte) []byte {
	c := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	c = append(append(c, name...), body...)
	return binary.BigEndian.AppendUint32(c, crc32.ChecksumIEEE(c[4:]))
}

func deflated(data []byte) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write(data)
	z.Close()
	return b.Bytes()
}

// pngNoise is a PNG file of random rows, with every kind of filter.
func pngNoise(rng *rand.Rand, width, height, depth int, colour uint8, interlaced bool, extra ...[]byte) []byte {
	channels := map[uint8]int{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
	var rows []byte
	pass := func(n, m int) {
		for range m {
			if n == 0 {
				continue
			}
			row := make([]byte, 1+(n*depth*channels+7)/8)
			for i := range row {
				row[i] = uint8(rng.Uint32())
			}
			row[0] %= 5
			rows = append(rows, row...)
		}
	}
	header := []byte{0, 0, 0, uint8(width), 0, 0, 0, uint8(height), uint8(depth), colour, 0, 0, 0}
	if interlaced { // Adam7, section 8.2 of the specification
		header[12] = 1
		pass((width+7)/8, (height+7)/8)
		pass((width+3)/8, (height+7)/8)
		pass((width+3)/4, (height+3)/8)
		pass((width+1)/4, (height+3)/4)
		pass((width+1)/2, (height+1)/4)
		pass(width/2, (height+1)/2)
		pass(width, height/2)
	} else {
		pass(width, height)
	}
	data := deflated(rows)
	parts := slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", header), slices.Concat(extra...))
	half := len(data) / 2
	return slices.Concat(parts, chunk("IDAT", data[:half]), chunk("IDAT", nil), chunk("IDAT", data[half:]), chunk("IEND", nil))
}

// pngKinds are all kinds of colour with all depths.
func pngKinds(yield func(name string, depth int, colour uint8, extra [][]byte) bool) {
	for colour, depths := range map[uint8][]int{0: {1, 2, 4, 8, 16}, 2: {8, 16}, 3: {1, 2, 4, 8}, 4: {8, 16}, 6: {8, 16}} {
		for _, depth := range depths {
			var extra [][]byte
			if colour == 3 {
				palette := make([]byte, 3<<depth)
				for i := range palette {
					palette[i] = uint8(7*i + 50)
				}
				extra = [][]byte{chunk("PLTE", palette), chunk("tRNS", []byte{255, 40})}
			}
			if !yield(fmt.Sprintf("colour %d, %d bits", colour, depth), depth, colour, extra) {
				return
			}
		}
	}
}

// The standard library's decoder is the authority for sound files of every kind.
func TestPNGAsStandardLibrary(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	pngKinds(func(name string, depth int, colour uint8, extra [][]byte) bool {
		for _, interlaced := range []bool{false, true} {
			for _, size := range [][2]int{{1, 1}, {2, 9}, {5, 3}, {8, 8}, {33, 21}} {
				data := pngNoise(rng, size[0], size[1], depth, colour, interlaced, extra...)
				m, err := png.Decode(bytes.NewReader(data))
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				want := FromImage(m)
				got, err := Decode(name, data, Options{})
				if err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(got.Pix, want.Pix) || got.Width != size[0] || !slices.Equal(got.Notes, want.Notes) {
					t.Errorf("%s, interlaced %t, %v: pixels or notes differ: %v, want %v", name, interlaced, size, got.Notes, want.Notes)
				}
			}
		}
		return true
	})
}

// A colour that tRNS names is transparent.
func TestPNGTransparentColour(t *testing.T) {
	for _, c := range []struct {
		colour uint8
		depth  int
		key    string
		row    string
		want   []string
	}{
		{0, 8, "\x00\x07", "\x07", []string{NoteAlphaDropped}},
		{0, 8, "\x00\x07", "\x08", nil},
		{0, 2, "\x00\x03", "\xc0", []string{NoteAlphaDropped}},
		{2, 8, "\x00\x01\x00\x02\x00\x03", "\x01\x02\x03", []string{NoteAlphaDropped}},
		{2, 8, "\x00\x01\x00\x02\x00\x03", "\x01\x02\x04", nil},
		{2, 16, "\x01\x02\x03\x04\x05\x06", "\x01\x02\x03\x04\x05\x06", []string{NoteAlphaDropped, NoteDepthReduced}},
		{2, 16, "\x01\x02\x03\x04\x05\x06", "\x01\x02\x03\x04\x05\x07", []string{NoteDepthReduced}},
	} {
		header := []byte{0, 0, 0, 1, 0, 0, 0, 1, uint8(c.depth), c.colour, 0, 0, 0}
		data := slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", header), chunk("tRNS", []byte(c.key)),
			chunk("IDAT", deflated([]byte("\x00"+c.row))), chunk("IEND", nil))
		p, err := Decode("x", data, Options{})
		if err != nil || !slices.Equal(codes(p), c.want) {
			t.Errorf("%+v: error %v, notes %v", c, err, p)
		}
	}
}

// Of a file that ends early the rows that are there are right; the others are black, or
// of the first colour of the palette.
func TestPNGTruncated(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	pngKinds(func(name string, depth int, colour uint8, extra [][]byte) bool {
		const width, height = 10, 16
		data := pngNoise(rng, width, height, depth, colour, false, extra...)
		whole, err := Decode(name, data, Options{})
		if err != nil {
			t.Fatal(err)
		}
		empty := make([]byte, 3*width)
		if colour == 3 {
			for i := range empty {
				empty[i] = uint8(7*(i%3) + 50)
			}
		}
		begin := bytes.Index(data, []byte("IDAT")) + 4
		rows := -1
		for n := begin; n < len(data); n += 1 + min(n, len(data)-n)/24 { // every byte at the end
			p, err := Decode(name, data[:n], Options{})
			if err != nil {
				if rows >= 0 {
					t.Fatalf("%s: %v, but less could be read", name, err)
				}
				continue
			}
			if !slices.Contains(codes(p), NoteTruncated) {
				t.Fatalf("%s: the first %d of %d bytes pass as sound", name, n, len(data))
			}
			there := height
			for there > 0 && bytes.Equal(p.row(there-1), empty) {
				there--
			}
			if !bytes.Equal(p.Pix[:3*width*there], whole.Pix[:3*width*there]) || there < rows {
				t.Fatalf("%s: the first %d bytes give other pixels, or fewer than less gave: %d rows, %d", name, n, there, rows)
			}
			rows = there
		}
		if rows != height {
			t.Errorf("%s: without its last byte %d rows of %d are there", name, rows, height)
		}
		return true
	})
}

// Damage other than a missing end: what is said, and whether the pixels are there.
func TestPNGDamaged(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	data := pngNoise(rng, 30, 20, 8, 2, false, chunk("tEXt", []byte("Title\x00x")))
	sound, err := Decode("x", data, Options{})
	if err != nil {
		t.Fatal(err)
	}
	ihdr, text, idat, end := 8, bytes.Index(data, []byte("tEXt"))-4, bytes.Index(data, []byte("IDAT"))-4, len(data)-12
	flip := func(at int) []byte {
		d := bytes.Clone(data)
		d[at] ^= 0xff
		return d
	}
	more := slices.Concat(data[:idat], chunk("IDAT", deflated(make([]byte, 91*20+5))), data[end:])
	for _, c := range []struct {
		what string
		data []byte
		want string // of the note, or of the error
		ok   bool
	}{
		{"no end chunk", data[:end], "the end chunk (IEND) is missing", true},
		{"end chunk cut", data[:len(data)-1], "chunk IEND has a wrong checksum", true},
		{"end chunk's checksum", flip(len(data) - 1), "chunk IEND has a wrong checksum", true},
		{"text's checksum", flip(text + 9), "chunk tEXt has a wrong checksum", true},
		{"pixel data's checksum", flip(end - 5), "the checksum of the pixel data is wrong", true},
		{"no checksum of the pixel data", slices.Concat(data[:end-10], data[end:]), "the end chunk (IEND) is missing", true},
		{"more than the pixels", more, "more pixel data than pixels", false},
		{"header's checksum", flip(ihdr + 9), "want IHDR with 13", false},
		{"no header", slices.Concat(data[:8], data[text:]), "the first chunk is tEXt", false},
		{"nothing", data[:8], "no chunk", false},
		{"zlib's dictionary", flip(idat + 9), "not zlib", false},
		{"zlib's check", slices.Concat(data[:idat+9], []byte{data[idat+9] ^ 1}, data[idat+10:]), "not zlib", false},
		{"not zlib", slices.Concat(data[:idat], chunk("IDAT", bytes.Repeat([]byte{7}, 200)), data[end:]), "not zlib", false},
	} {
		p, err := Decode("x", c.data, Options{})
		switch {
		case err != nil:
			if c.ok || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: %v", c.what, err)
			}
		case len(p.Notes) != 1 || p.Notes[0].Code != NoteTruncated || !strings.Contains(p.Notes[0].Message, c.want):
			t.Errorf("%s: notes %v, want %q", c.what, p.Notes, c.want)
		case c.ok && !bytes.Equal(p.Pix, sound.Pix):
			t.Errorf("%s: other pixels", c.what)
		}
	}
}

// A palette behind the pixels is too late (5.6 of the specification).
func TestPNGLatePalette(t *testing.T) {
	header := []byte{0, 0, 0, 1, 0, 0, 0, 1, 8, 3, 0, 0, 0}
	data := slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", header), chunk("IDAT", deflated(make([]byte, 2))),
		chunk("PLTE", make([]byte, 3)), chunk("IEND", nil))
	if _, err := Decode("x", data, Options{}); err == nil || !strings.Contains(err.Error(), "no palette") {
		t.Errorf("error %v, want no palette", err)
	}
}

// A header must be one that the specification has.
func TestPNGHeaders(t *testing.T) {
	for colour := range 9 {
		for depth := range 34 {
			header := []byte{0, 0, 0, 1, 0, 0, 0, 1, uint8(depth), uint8(colour), 0, 0, 0}
			data := slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", header), chunk("PLTE", make([]byte, 3)),
				chunk("IDAT", deflated(make([]byte, 9))), chunk("IEND", nil))
			_, err := openPNG(data)
			_, want := png.DecodeConfig(bytes.NewReader(data))
			if (err == nil) != (want == nil) {
				t.Fatalf("colour %d, %d bits: error %v, image/png: %v", colour, depth, err, want)
			}
		}
	}
	for _, c := range []struct {
		at    int
		value byte
		want  string
	}{{10, 1, "compression 1"}, {11, 1, "filter 1"}, {12, 2, "interlacing 2"}, {0, 0x80, "size"}, {9, 3, "no palette"}, {3, 0, "size 0x1"}} {
		header := []byte{0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0}
		header[c.at] = c.value
		data := slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR", header), chunk("IDAT", deflated(make([]byte, 9))), chunk("IEND", nil))
		if _, err := Decode("x", data, Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("byte %d of the header %d: error %v, want %q", c.at, c.value, err, c.want)
		}
	}
}
