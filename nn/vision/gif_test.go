package vision

import (
	"bytes"
	"compress/lzw"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// gifFile is a GIF file with one frame of noise. The colour of index i is grey 255-2i.
func gifFile(rng *rand.Rand, screen, frame [4]byte, flags byte, table bool, literal int) (file, indexes []byte) {
	indexes = make([]byte, int(frame[2])*int(frame[3]))
	for i := range indexes {
		indexes[i] = byte(rng.IntN(min(1<<literal, 100)))
	}
	var codes bytes.Buffer
	w := lzw.NewWriter(&codes, lzw.LSB, literal)
	w.Write(indexes)
	w.Close()
	file = []byte("GIF89a")
	file = append(file, screen[2], 0, screen[3], 0, 0, 0, 0)
	if table {
		file[10] = 0x80 | 6
		for i := range 128 {
			v := byte(255 - 2*i)
			file = append(file, v, v, v)
		}
	}
	file = append(file, ',', frame[0], 0, frame[1], 0, frame[2], 0, frame[3], 0, flags, byte(literal))
	for part := range slices.Chunk(codes.Bytes(), 50) {
		file = append(append(file, byte(len(part))), part...)
	}
	return append(file, 0, ';'), indexes
}

func TestGIF(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for _, c := range []struct {
		name          string
		screen, frame [4]byte // left, top, width, height
		flags         byte
		table         bool
		literal       int
		width, height int
	}{
		{"plain", [4]byte{0, 0, 30, 20}, [4]byte{0, 0, 30, 20}, 0, true, 8, 30, 20},
		{"few colours", [4]byte{0, 0, 30, 20}, [4]byte{0, 0, 30, 20}, 0, true, 2, 30, 20},
		{"interlaced", [4]byte{0, 0, 30, 21}, [4]byte{0, 0, 30, 21}, 0x40, true, 7, 30, 21},
		{"two interlaced rows", [4]byte{0, 0, 30, 2}, [4]byte{0, 0, 30, 2}, 0x40, true, 7, 30, 2},
		{"margin", [4]byte{0, 0, 30, 20}, [4]byte{3, 4, 20, 10}, 0, true, 7, 30, 20},
		{"beyond the screen", [4]byte{0, 0, 30, 20}, [4]byte{20, 4, 20, 30}, 0, true, 7, 40, 34},
		{"no table", [4]byte{0, 0, 30, 20}, [4]byte{0, 0, 30, 20}, 0, false, 7, 30, 20},
	} {
		file, indexes := gifFile(rng, c.screen, c.frame, c.flags, c.table, c.literal)
		p, err := Decode(c.name, file, Options{})
		if err != nil || p.Width != c.width || p.Height != c.height || len(p.Notes) > 0 {
			t.Errorf("%s: error %v, picture %+v", c.name, err, p)
			continue
		}
		grey := func(index byte) byte {
			if c.table {
				return 255 - 2*index
			}
			return index
		}
		width, height := int(c.frame[2]), int(c.frame[3])
		order := make([]int, 0, height) // of the rows in the file: appendix E of the specification
		for y := range height {
			if c.flags == 0 || y%8 == 0 {
				order = append(order, y)
			}
		}
		if c.flags != 0 {
			for _, pass := range [][2]int{{4, 8}, {2, 4}, {1, 2}} {
				for y := pass[0]; y < height; y += pass[1] {
					order = append(order, y)
				}
			}
		}
		want := bytes.Repeat([]byte{grey(0)}, 3*c.width*c.height)
		for i, y := range order {
			for x := range width {
				v := grey(indexes[i*width+x])
				copy(want[3*((int(c.frame[1])+y)*c.width+int(c.frame[0])+x):], []byte{v, v, v})
			}
		}
		if !bytes.Equal(p.Pix, want) {
			t.Errorf("%s: other pixels", c.name)
		}
	}
}

// Of a file that ends early the pixels that are there are right, the others of the first
// colour.
func TestGIFTruncated(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for _, flags := range []byte{0, 0x40} {
		file, _ := gifFile(rng, [4]byte{0, 0, 30, 20}, [4]byte{0, 0, 30, 20}, flags, true, 7)
		whole, err := Decode("whole", file, Options{})
		if err != nil {
			t.Fatal(err)
		}
		before := -1
		for n := range len(file) {
			p, err := Decode("part", file[:n], Options{})
			if err != nil {
				if before >= 0 {
					t.Fatalf("%d bytes: %v, but fewer gave something", n, err)
				}
				continue
			}
			same, wrong := 0, 0
			for i, v := range p.Pix {
				if v == whole.Pix[i] {
					same++
				} else if v != 255 {
					wrong++
				}
			}
			if wrong > 0 || same < before || (same < len(p.Pix)) && !slices.Equal(codes(p), []string{NoteTruncated}) {
				t.Fatalf("%d bytes: %d samples right, %d before, %d wrong; notes %v", n, same, before, wrong, p.Notes)
			}
			before = same
		}
		if before != len(whole.Pix) {
			t.Errorf("without its last byte %d samples of %d are there", before, len(whole.Pix))
		}
	}
}

// Indexes beyond the colours are black; a margin is transparent where an index is.
func TestGIFColours(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	file, indexes := gifFile(rng, [4]byte{0, 0, 30, 20}, [4]byte{0, 0, 30, 20}, 0, true, 7)
	few := slices.Concat(file[:10], []byte{0x80}, file[11:13+6], file[13+3*128:])
	p, err := Decode("two colours", few, Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, index := range indexes {
		if want := max(0, 255-2*int(index)) * btoi(index < 2); int(p.Pix[3*i]) != want {
			t.Fatalf("pixel %d of index %d is %d, want %d", i, index, p.Pix[3*i], want)
		}
	}
	file, _ = gifFile(rng, [4]byte{0, 0, 30, 20}, [4]byte{0, 0, 29, 20}, 0, true, 7)
	control := []byte("!\xf9\x04\x01\x00\x00\x78\x00") // index 120 is transparent; no pixel has it
	p, err = Decode("margin", slices.Concat(file[:13+3*128], control, file[13+3*128:]), Options{})
	if err != nil || !slices.Equal(codes(p), []string{NoteAlphaDropped}) || p.Pix[len(p.Pix)-1] != 15 {
		t.Errorf("margin: error %v, picture %+v", err, p)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestGIFErrors(t *testing.T) {
	file, err := os.ReadFile(filepath.Join("testdata", "animated.gif"))
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.IndexByte(file[13+3*2<<(file[10]&7):], ',') + 13 + 3*2<<(file[10]&7)
	bits := at + 10
	if file[at+9]&0x80 != 0 {
		bits += 3 * 2 << (file[at+9] & 7)
	}
	for _, c := range []struct {
		at    int
		value byte
		want  string
	}{
		{bits, 1, "undefined size"}, {bits, 9, "undefined size"}, {bits + 1, 0, "no pixel"}, {at, 'x', "no frame"},
		{at + 5, 0, ""}, // a frame without width
	} {
		data := bytes.Clone(file)
		data[c.at] = c.value
		p, err := Decode("x", data, Options{})
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%d at %d: error %v, picture %t, want %q", c.value, c.at, err, p != nil, c.want)
		}
	}
}
