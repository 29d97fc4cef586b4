package vision

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// Small made pictures in the formats that other packages decode, saved with Pillow
// 12.3.0, and the CRC-32 (IEEE) of its convert("RGB"). JPEG has its own.
func TestDecodeAsPillow(t *testing.T) {
	for _, c := range []struct {
		name          string
		width, height int
		crc           uint32
		notes         []string
	}{
		{"lossy.webp", 37, 29, 0x2c7b5c1c, nil},
		{"lossy-alpha.webp", 37, 29, 0x10a926c1, []string{NoteAlphaDropped}},
		{"lossless.webp", 37, 29, 0x79b9cfd0, nil},
		{"interlaced.gif", 16, 9, 0x43b8bd19, nil},
		{"margin.gif", 20, 12, 0xbc83d8e2, []string{NoteAlphaDropped}},
		{"animated.gif", 16, 9, 0x9b74e17a, []string{NoteFirstFrame}},
		{"palette.bmp", 16, 9, 0x43b8bd19, nil},
		{"rgb.bmp", 16, 9, 0x9b74e17a, nil},
		{"lzw.tif", 16, 9, 0x9b74e17a, nil},
		{"deflate.tif", 16, 9, 0x43b8bd19, nil},
		{"palette.png", 16, 9, 0x43b8bd19, []string{NoteAlphaDropped}},
		{"la.png", 16, 9, 0x28be5784, []string{NoteAlphaDropped}},
	} {
		p, err := DecodeFile(filepath.Join("testdata", c.name), Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if p.Width != c.width || p.Height != c.height {
			t.Errorf("%s: size %dx%d, want %dx%d", c.name, p.Width, p.Height, c.width, c.height)
		}
		if crc := crc32.ChecksumIEEE(p.Pix); crc != c.crc {
			t.Errorf("%s: pixels have CRC %#08x, want %#08x", c.name, crc, c.crc)
		}
		if codes := codes(p); !slices.Equal(codes, c.notes) {
			t.Errorf("%s: notes %v, want %v", c.name, codes, c.notes)
		}
		if len(p.SHA256) != 64 || !strings.HasPrefix(c.name[strings.LastIndex(c.name, ".")+1:], p.Format[:3]) {
			t.Errorf("%s: format %q, SHA-256 %q", c.name, p.Format, p.SHA256)
		}
	}
}

func codes(p *Picture) []string {
	var codes []string
	for _, n := range p.Notes {
		codes = append(codes, n.Code)
	}
	return codes
}

// Hostile and unusual pictures: the verdict, in time and memory, and the pixels.
func TestAttacks(t *testing.T) {
	var golden struct {
		Images []struct{ File, Verdict, Why string } `json:"image_files"`
	}
	readJSON(t, &golden, "attacks.json")
	if len(golden.Images) < 20 {
		t.Fatalf("only %d files", len(golden.Images))
	}
	expected := readTensors(t, "attacks_images_expected.safetensors")
	for _, c := range golden.Images {
		path := testdata.Path(t, "golden", "attacks", filepath.FromSlash(c.File))
		var p *Picture
		var err error
		allocated := testdata.Allocated(func() { p, err = DecodeFile(path, reference) })
		got := "ok"
		switch {
		case err != nil:
			got = "error"
			if !strings.HasPrefix(err.Error(), "vision: "+path+": ") {
				t.Errorf("%s: the error does not name the file: %v", c.File, err)
			}
		case slices.Contains(codes(p), NoteTruncated):
			got = "warning"
		}
		t.Logf("%-36s %-18s got %-8s %9d bytes  %v", filepath.Base(path), c.Verdict, got, allocated, err)
		if allocated > 16<<20 {
			t.Errorf("%s: %d bytes allocated", c.File, allocated)
		}
		switch c.Verdict {
		case "error":
			if got != "error" {
				t.Errorf("%s (%s): %s, want an error", c.File, c.Why, got)
			}
		case "error_or_warning":
			if got == "ok" {
				t.Errorf("%s (%s): passes as sound", c.File, c.Why)
			}
		case "ok", "ok_or_unsupported":
			want, found := expected[filepath.Base(path)]
			if !found {
				want, found = expected[c.File]
			}
			if !found {
				t.Errorf("%s: no expected pixels", c.File)
			} else if got != "ok" {
				t.Errorf("%s (%s): %s: %v, want pixels", c.File, c.Why, got, err)
			} else if d, _ := difference(t, p.Resize(224, 224), want); d != 0 {
				t.Errorf("%s: largest difference %d, want 0", c.File, d)
			}
		}
	}
}

// tiffFile is a little-endian TIFF header with one directory of whole numbers.
func tiffFile(entries ...[2]uint32) []byte {
	file := []byte{'I', 'I', '*', 0, 8, 0, 0, 0, byte(len(entries)), 0}
	for _, e := range entries {
		file = binary.LittleEndian.AppendUint16(file, uint16(e[0]))
		file = append(file, 4, 0, 1, 0, 0, 0)
		file = binary.LittleEndian.AppendUint32(file, e[1])
	}
	return append(file, 0, 0, 0, 0)
}

// Headers that claim what the file cannot hold, or what is not supported, are refused
// before anything is allocated for them.
func TestRefused(t *testing.T) {
	const depth, photometric = 258, 262
	pngHeader := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x10\x00\x00\x00\x10\x00\x10\x06\x00\x00\x00")
	pngHeader = binary.BigEndian.AppendUint32(pngHeader, crc32.ChecksumIEEE(pngHeader[12:]))
	bmp := make([]byte, 54)
	copy(bmp, "BM")
	bmp[10], bmp[14], bmp[19], bmp[23], bmp[26], bmp[28] = 54, 40, 16, 16, 1, 24 // 4096x4096
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"png", pngHeader, "too few for 4096x4096"},
		{"gif", []byte("GIF89a\x00\x10\x00\x10\x00\x00\x00,\x00\x00\x00\x00\x00\x10\x00\x10\x00"), "too few for 4096x4096"},
		{"gif without frame", []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;         "), "no frame"},
		{"gif cut in an extension", []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00!\xfe\x20        "), "unexpected EOF"},
		{"bmp", bmp, "too few for 4096x4096"},
		{"tiff", tiffFile([2]uint32{tagWidth, 4096}, [2]uint32{tagHeight, 4096}, [2]uint32{depth, 8}, [2]uint32{tagCompression, 5}, [2]uint32{photometric, 1}, [2]uint32{273, 8}), "too few for 4096x4096"},
		{"tiff LogL", tiffFile([2]uint32{tagWidth, 8}, [2]uint32{tagHeight, 8}, [2]uint32{depth, 16}, [2]uint32{photometric, 32844}), "PhotometricInterpretation (262) is 32844, LogL, which is not read"},
		{"tiff tiles", tiffFile([2]uint32{tagWidth, 4104}, [2]uint32{tagHeight, 4104}, [2]uint32{depth, 8}, [2]uint32{tagCompression, 5}, [2]uint32{photometric, 1}, [2]uint32{tagTileWidth, 8}, [2]uint32{tagTileHeight, 8}), "263169 strips or tiles"},
		{"webp animated", []byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x00"), "animation without a frame"},
		{"webp cut", []byte("RIFF\x16\x00\x00\x00WEBPVP8X\xff\xff\xff\xff"), "webp"},
	} {
		var err error
		n := testdata.Allocated(func() { _, err = Decode("x", c.data, Options{}) })
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
		if n > 1<<20 {
			t.Errorf("%s: %d bytes allocated", c.name, n)
		}
	}
}

func TestLimits(t *testing.T) {
	var file bytes.Buffer
	if err := png.Encode(&file, image.NewNRGBA64(image.Rect(0, 0, 300, 200))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{}, ""},
		{Options{MaxPixels: 60000}, ""},
		{Options{MaxPixels: 59999}, "x.png: png: 300x200 are 60000 pixels, the limit is 59999; --max-pixels 60000 allows it"},
		{Options{MaxBytes: int64(file.Len())}, ""},
		{Options{MaxBytes: int64(file.Len()) - 1}, fmt.Sprintf("the limit is %d", file.Len()-1)},
		{Options{MaxMemory: 3*60000 + 2*2401 + 1<<17}, ""},
		{Options{MaxMemory: 3*60000 + 2*2401 + 1<<17 - 1}, "takes 315874 bytes, the limit is 315873; --max-memory 315874 allows it"},
	} {
		_, err := Decode("x.png", file.Bytes(), c.o)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%+v: error %v, want %q", c.o, err, c.want)
		}
	}
}

// TestLongSides: a line of pixels is refused by its header.
func TestLongSides(t *testing.T) {
	for _, c := range []struct {
		width, height int
		o             Options
		want          string
	}{
		{65536, 1, Options{}, ""},
		{1, 65537, Options{}, "1x65537 pixels, the limit of a side is 65536; --max-pixels 52429600 allows it"},
		{65537, 1, Options{MaxPixels: 800 * 65537}, ""},
		{1, 65538, Options{MaxPixels: 800 * 65537}, "the limit of a side is 65537; --max-pixels 52430400 allows it"},
	} {
		var file bytes.Buffer
		if err := png.Encode(&file, image.NewGray(image.Rect(0, 0, c.width, c.height))); err != nil {
			t.Fatal(err)
		}
		_, err := Decode("x.png", file.Bytes(), c.o)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%dx%d, %+v: error %v, want %q", c.width, c.height, c.o, err, c.want)
		}
	}
}

func TestDecodeFileErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct{ path, want string }{
		{filepath.Join(dir, "none.jpg"), "none.jpg"},
		{dir, "directory"},
		{write("empty.png", ""), "the file is empty"},
		{write("text.jpg", "not a picture"), `it begins with "not a pi"`},
		{write("short.gif", "GIF89a"), "gif: unexpected EOF"},
		{write("big.bmp", "BM"+strings.Repeat("x", 2000)), "2002 bytes or more, at most 1000 are read; the limit is an eighth of --max-memory"},
	} {
		_, err := DecodeFile(c.path, Options{MaxBytes: 1000})
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "vision: ") {
			t.Errorf("%s: error %v, want %q", c.path, err, c.want)
		}
	}
}

// A stream may never end, or never begin.
func TestStreamIsRefused(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	path := fmt.Sprintf("/dev/fd/%d", r.Fd())
	if _, err := os.Stat(path); err != nil {
		t.Skip("no /dev/fd")
	}
	if _, err := DecodeFile(path, Options{}); err == nil || !strings.Contains(err.Error(), "is a pipe, not a regular file") {
		t.Errorf("error %v", err)
	}
}

// letterF is a picture without any symmetry: top left red, top right green, bottom
// left blue, on white.
func letterF() *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, 3, 2))
	for i := range m.Pix {
		m.Pix[i] = 255
	}
	m.SetNRGBA(0, 0, color.NRGBA{255, 0, 0, 255})
	m.SetNRGBA(2, 0, color.NRGBA{0, 255, 0, 255})
	m.SetNRGBA(0, 1, color.NRGBA{0, 0, 255, 255})
	return m
}

// Orientation n says what the first row and column of the stored picture are (EXIF
// 2.3, tag 0x0112): 1 top left, 2 top right, 3 bottom right, 4 bottom left, 5 left
// top, 6 right top, 7 right bottom, 8 left bottom.
func TestOrientation(t *testing.T) {
	want := [9]string{
		1: "R.G\nB..", 2: "G.R\n..B", 3: "..B\nG.R", 4: "B..\nR.G",
		5: "RB\n..\nG.", 6: "BR\n..\n.G", 7: ".G\n..\nBR", 8: "G.\n..\nRB",
	}
	names := map[[3]uint8]byte{{255, 0, 0}: 'R', {0, 255, 0}: 'G', {0, 0, 255}: 'B', {255, 255, 255}: '.'}
	p := FromImage(letterF())
	for n := 1; n <= 8; n++ {
		q := p.oriented(n)
		var rows []string
		for y := range q.Height {
			var row []byte
			for x := range q.Width {
				row = append(row, names[[3]uint8(q.row(y)[3*x:])])
			}
			rows = append(rows, string(row))
		}
		if got := strings.Join(rows, "\n"); got != want[n] {
			t.Errorf("orientation %d:\n%s\nwant:\n%s", n, got, want[n])
		}
	}
}

// exif is a TIFF structure with an orientation.
func exif(orientation byte, big bool) []byte {
	if big {
		return []byte{'M', 'M', 0, '*', 0, 0, 0, 8, 0, 1, 0x01, 0x12, 0, 3, 0, 0, 0, 1, 0, orientation, 0, 0, 0, 0, 0, 0}
	}
	return []byte{'I', 'I', '*', 0, 8, 0, 0, 0, 1, 0, 0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0}
}

func TestOrientationFromFile(t *testing.T) {
	var jpg, pngFile bytes.Buffer
	if err := jpeg.Encode(&jpg, letterF(), nil); err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(&pngFile, letterF()); err != nil {
		t.Fatal(err)
	}
	webp, err := os.ReadFile(filepath.Join("testdata", "lossless.webp"))
	if err != nil {
		t.Fatal(err)
	}
	withEXIF := map[string]func(e []byte) []byte{
		"jpeg": func(e []byte) []byte {
			segment := append([]byte{0xff, 0xe1, 0, byte(len(e) + 8)}, "Exif\x00\x00"...)
			return slices.Concat(jpg.Bytes()[:2], segment, e, jpg.Bytes()[2:])
		},
		"png": func(e []byte) []byte {
			chunk := append([]byte{0, 0, 0, byte(len(e))}, "eXIf"...)
			chunk = append(chunk, e...)
			sum := crc32.ChecksumIEEE(chunk[4:])
			chunk = append(chunk, byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum))
			return slices.Concat(pngFile.Bytes()[:33], chunk, pngFile.Bytes()[33:])
		},
		"webp": func(e []byte) []byte { // RIFF, then VP8X before and EXIF behind the picture
			header := []byte{'V', 'P', '8', 'X', 10, 0, 0, 0, 8, 0, 0, 0, 36, 0, 0, 28, 0, 0}
			chunk := append([]byte{'E', 'X', 'I', 'F', byte(len(e)), 0, 0, 0}, e...)
			file := slices.Concat(webp[:12], header, webp[12:], chunk)
			file[4], file[5] = byte(len(file)-8), byte((len(file)-8)>>8)
			return file
		},
	}
	for name, file := range withEXIF {
		plain, err := Decode(name, file(exif(1, false)), Options{})
		if err != nil {
			t.Fatal(err)
		}
		if len(plain.Notes) != 0 || plain.Orientation != 1 || plain.Format != name {
			t.Errorf("%s: orientation %d, notes %v, format %s", name, plain.Orientation, plain.Notes, plain.Format)
		}
		for n := 2; n <= 9; n++ {
			for _, ignore := range []bool{false, true} {
				p, err := Decode(name, file(exif(byte(n), n%2 == 0)), Options{IgnoreOrientation: ignore})
				if err != nil {
					t.Fatal(err)
				}
				want, note, found := plain.oriented(n), NoteOrientationApplied, n
				if ignore {
					want, note = plain, NoteOrientationIgnored
				}
				notes := []string{note}
				if n == 9 { // no such orientation
					notes, found = nil, 0
				}
				if !bytes.Equal(p.Pix, want.Pix) || p.Width != want.Width || !slices.Equal(codes(p), notes) || p.Orientation != found {
					t.Errorf("%s, orientation %d, ignore %t: size %dx%d, found %d, notes %v", name, n, ignore, p.Width, p.Height, p.Orientation, p.Notes)
				}
			}
		}
	}
}

func TestFirstIFDHostile(t *testing.T) {
	good := exif(6, true)
	for n := range len(good) {
		firstIFD(good[:n]) // must not panic
	}
	for _, c := range []struct {
		data []byte
		want int
	}{
		{good, 6},
		{exif(6, false), 6},
		{good[:20], 0},
		{slices.Concat([]byte("MM\x00*\xff\xff\xff\xff"), good[8:]), 0},
		{slices.Concat([]byte("MM\x00+"), good[4:]), 0},
		{exif(9, true), 0},
		{nil, 0},
	} {
		var s source
		if s.describe(metadata{exif: c.data}); s.orientation != c.want {
			t.Errorf("%q: orientation %d, want %d", c.data, s.orientation, c.want)
		}
	}
}

// Every kind of image gives straight (not premultiplied) colours.
func TestFromImage(t *testing.T) {
	r := image.Rect(5, 7, 6, 8) // not at the origin
	palette := color.Palette{color.NRGBA{1, 2, 3, 255}, color.NRGBA{9, 8, 7, 0}}
	for _, c := range []struct {
		name string
		m    interface {
			image.Image
			Set(x, y int, c color.Color)
		}
		set   color.Color
		want  [3]uint8
		notes []string
	}{
		{"Gray", image.NewGray(r), color.Gray{77}, [3]uint8{77, 77, 77}, nil},
		{"Gray16", image.NewGray16(r), color.Gray16{0x12ff}, [3]uint8{0x12, 0x12, 0x12}, []string{NoteDepthReduced}},
		{"RGBA", image.NewRGBA(r), color.RGBA{10, 20, 30, 255}, [3]uint8{10, 20, 30}, nil},
		{"RGBA translucent", image.NewRGBA(r), color.RGBA{10, 20, 30, 51}, [3]uint8{50, 100, 150}, []string{NoteAlphaDropped}},
		{"NRGBA", image.NewNRGBA(r), color.NRGBA{10, 20, 30, 0}, [3]uint8{10, 20, 30}, []string{NoteAlphaDropped}},
		{"RGBA64", image.NewRGBA64(r), color.RGBA64{0x1234, 0x5678, 0x9abc, 0xffff}, [3]uint8{0x12, 0x56, 0x9a}, []string{NoteDepthReduced}},
		{"NRGBA64", image.NewNRGBA64(r), color.NRGBA64{0x1234, 0x5678, 0x9abc, 0x00ff}, [3]uint8{0x12, 0x56, 0x9a}, []string{NoteAlphaDropped, NoteDepthReduced}},
		{"Paletted", image.NewPaletted(r, palette), color.NRGBA{1, 2, 3, 255}, [3]uint8{1, 2, 3}, nil},
		{"CMYK", image.NewCMYK(r), color.CMYK{255, 0, 51, 0}, [3]uint8{0, 255, 204}, []string{NoteCMYK}},
	} {
		c.m.Set(5, 7, c.set)
		p := FromImage(c.m)
		if p.Width != 1 || p.Height != 1 || [3]uint8(p.Pix) != c.want || !slices.Equal(codes(p), c.notes) {
			t.Errorf("%s: %v %v, want %v %v", c.name, p.Pix, codes(p), c.want, c.notes)
		}
	}
	transparent := image.NewPaletted(r, palette)
	transparent.SetColorIndex(5, 7, 1)
	if p := FromImage(transparent); [3]uint8(p.Pix) != [3]uint8{9, 8, 7} || !slices.Equal(codes(p), []string{NoteAlphaDropped}) {
		t.Errorf("transparent palette entry: %v %v", p.Pix, codes(p))
	}
	m := letterF()
	if back := FromImage(FromImage(m).Image()); !bytes.Equal(back.Pix, FromImage(m).Pix) {
		t.Error("Image does not give the same pixels")
	}
}

func noise(seed uint64, width, height int) *Picture {
	rng := rand.New(rand.NewPCG(seed, 1))
	p := New(width, height)
	for i := range p.Pix {
		p.Pix[i] = uint8(rng.Uint32())
		if seed%2 == 1 { // extremes: the largest sums
			p.Pix[i] = uint8(int8(p.Pix[i]) >> 7)
		}
	}
	return p
}

// resizeSlow is the resize by its definition, one value at a time in float64 and
// 64-bit integers.
func resizeSlow(p *Picture, width, height int) *Picture {
	pass := func(n, m int, at func(int) uint8, set func(int, uint8)) {
		s := float64(n) / float64(m)
		f := math.Max(1, s)
		for i := range m {
			c := (float64(i) + 0.5) * s
			lo, hi := max(0, int(c-f+0.5)), min(n, int(c+f+0.5))
			var sum float64
			var weights []float64
			for x := lo; x < hi; x++ {
				w := math.Max(0, 1-math.Abs((float64(x)-c+0.5)*(1/f)))
				weights = append(weights, w)
				sum += w
			}
			total := new(big.Int)
			for k, w := range weights {
				fixed := int64(math.Floor(w/sum*(1<<22) + 0.5))
				total.Add(total, big.NewInt(fixed*int64(at(lo+k))))
			}
			v := total.Add(total, big.NewInt(1<<21)).Rsh(total, 22).Int64()
			set(i, uint8(max(0, min(v, 255))))
		}
	}
	rows := New(width, p.Height)
	for y := range p.Height {
		for c := range 3 {
			pass(p.Width, width, func(x int) uint8 { return p.row(y)[3*x+c] }, func(x int, v uint8) { rows.row(y)[3*x+c] = v })
		}
	}
	if width == p.Width {
		copy(rows.Pix, p.Pix)
	}
	out := New(width, height)
	for i := range 3 * width {
		pass(p.Height, height, func(y int) uint8 { return rows.row(y)[i] }, func(y int, v uint8) { out.row(y)[i] = v })
	}
	if height == p.Height {
		copy(out.Pix, rows.Pix)
	}
	return out
}

func TestResize(t *testing.T) {
	for i, c := range []struct{ w, h, width, height int }{
		{1, 1, 1, 1}, {1, 1, 7, 5}, {7, 5, 1, 1}, {5, 7, 5, 7}, {5, 7, 5, 20}, {5, 7, 20, 7}, {40, 31, 13, 17},
		{13, 17, 40, 31}, {100, 3, 9, 9}, {3, 101, 9, 9}, {448, 448, 224, 224}, {333, 1, 224, 2}, {4000, 2, 1, 1}, {2, 4001, 2, 3},
	} {
		p := noise(uint64(i), c.w, c.h)
		kept := bytes.Clone(p.Pix)
		got, want := p.Resize(c.width, c.height), resizeSlow(p, c.width, c.height)
		if !bytes.Equal(got.Pix, want.Pix) || got.Width != c.width || got.Height != c.height {
			t.Errorf("%+v: pixels differ from the definition", c)
		}
		if !bytes.Equal(p.Pix, kept) || len(p.Pix) > 0 && &got.Pix[0] == &p.Pix[0] {
			t.Errorf("%+v: the source was changed or is shared", c)
		}
	}
	// Constant pictures stay constant, however many taps round up.
	for _, v := range []uint8{0, 1, 254, 255} {
		p := New(70000, 1)
		for i := range p.Pix {
			p.Pix[i] = v
		}
		if got := p.Resize(1, 1).Pix[0]; got != v {
			t.Errorf("constant %d becomes %d", v, got)
		}
	}
}

func TestTensor(t *testing.T) {
	p := noise(2, 224, 224)
	if Paper.Input(p) != p {
		t.Error("a picture of the network's size is copied")
	}
	x := Paper.Tensor(p)
	y := BVLC.Tensor(p)
	if len(x) != 3*224*224 || len(y) != len(x) {
		t.Fatalf("lengths %d and %d", len(x), len(y))
	}
	for i := range 224 * 224 {
		for c := range 3 {
			v := float32(p.Pix[3*i+c])
			want := (v/255 - Paper.Mean[c]) / Paper.Std[c]
			if got := x[c*224*224+i]; got != want {
				t.Fatalf("Paper pixel %d channel %d: %v, want %v", i, c, got, want)
			}
			if got, want := y[(2-c)*224*224+i], v-[3]float32{123, 117, 104}[c]; got != want {
				t.Fatalf("BVLC pixel %d channel %d: %v, want %v", i, c, got, want)
			}
		}
	}
	large := noise(4, 300, 260)
	if !slices.Equal(Paper.Tensor(large), Paper.Tensor(large.Resize(224, 224))) {
		t.Error("Tensor does not resize")
	}
	for _, v := range []uint8{0, 17, 255} {
		p.Pix[0] = v
		if got, want := BVLC.Value(2, v), BVLC.Tensor(p)[2*224*224]; got != want {
			t.Errorf("Value(2, %d) = %v, want %v", v, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	entries, err := os.ReadDir("testdata")
	if err != nil {
		f.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() {
			continue
		}
		data, err := os.ReadFile(filepath.Join("testdata", e.Name()))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, path := range testdata.Glob("..", "field", "cases", "images", "*") {
		if data, err := os.ReadFile(path); err == nil && len(data) < 60000 {
			f.Add(data)
		}
	}
	o := Options{MaxPixels: 4 << 20}
	f.Fuzz(func(t *testing.T, data []byte) {
		var p *Picture
		var err error
		n := testdata.Allocated(func() { p, err = Decode("fuzz", data, o) })
		// Beside what the guard counts: what grows with the file, tables and texts.
		if limit := counted(data, o) + 4*int64(len(data)) + 8<<20; n > limit {
			t.Fatalf("%d bytes allocated, at most %d are counted; error %v", n, limit, err)
		}
		if err != nil {
			if strings.Contains(err.Error(), "the decoder failed") {
				t.Log(err) // a panic of another package: contained
			}
			return
		}
		if n := int64(p.Width) * int64(p.Height); n <= 0 || n > o.MaxPixels || int64(len(p.Pix)) != 3*n {
			t.Fatalf("%dx%d with %d bytes", p.Width, p.Height, len(p.Pix))
		}
		if n := testdata.Allocated(func() { p.Resize(224, 224) }); n > 80<<20 { // as in TestInputMemory
			t.Fatalf("%d bytes allocated to resize %dx%d", n, p.Width, p.Height)
		}
	})
}

// counted is what the guard counts for a file that it lets pass, else 0.
func counted(data []byte, o Options) (n int64) {
	defer func() { recover() }() // contained by Decode
	if format := sniff(data); format != nil {
		if s, err := format.open(data); err == nil && s.check(o) == nil {
			n = s.memory
			if s.orientation > 1 {
				n += 3 * s.pixels()
			}
		}
	}
	return n
}

// What the guard counts is what decoding takes, within a tenth and some tables: never
// less, and not much more, or honest files would be refused.
func TestMemoryCounted(t *testing.T) {
	rng := rand.New(rand.NewPCG(15, 16))
	files := map[string][]byte{}
	pngKinds(func(name string, depth int, colour uint8, extra [][]byte) bool {
		files["png "+name] = pngNoise(rng, 250, 250, depth, colour, false, extra...)
		files["png interlaced "+name] = pngNoise(rng, 250, 250, depth, colour, true, extra...)
		return true
	})
	files["gif"], _ = gifFile(rng, [4]byte{0, 0, 250, 250}, [4]byte{0, 0, 250, 250}, 0, true, 7)
	files["jpeg turned"] = newCarriers(t).inJPEG(segment(0xe1, "Exif\x00\x00", string(exif(6, true))))
	// A lossless WebP file of 42 megapixels fits into the default limit.
	if s, err := openWebP([]byte("RIFF\x12\x00\x00\x00WEBPVP8L\x05\x00\x00\x00\x2f\x6f\xd7\xd5\x06\x00")); err != nil || s.pixels() != 6000*7000 || s.check(Options{}) != nil {
		t.Errorf("WebP: %v, %+v", err, s)
	}
	for name, data := range files {
		want := counted(data, Options{})
		got := testdata.Allocated(func() {
			if _, err := Decode(name, data, Options{}); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		if got > want+want/10+64<<10 || want > got+got/10+160<<10 {
			t.Errorf("%s: %d bytes allocated, %d counted", name, got, want)
		}
	}
}

func FuzzResize(f *testing.F) {
	f.Add(uint64(1), 7, 5, 3, 9)
	f.Add(uint64(2), 100, 1, 1, 100)
	f.Fuzz(func(t *testing.T, seed uint64, w, h, width, height int) {
		for _, n := range []*int{&w, &h, &width, &height} {
			*n = int(uint(*n)%97) + 1
		}
		p := noise(seed, w, h)
		if !bytes.Equal(p.Resize(width, height).Pix, resizeSlow(p, width, height).Pix) {
			t.Fatalf("%dx%d to %dx%d differs from the definition", w, h, width, height)
		}
	})
}

func BenchmarkResize(b *testing.B) {
	p := noise(2, 1280, 720)
	for b.Loop() {
		p.Resize(224, 224)
	}
}

func BenchmarkTensor(b *testing.B) {
	p := noise(2, 224, 224)
	for b.Loop() {
		Paper.Tensor(p)
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, name := range []string{"cello_guitar.jpg", "desktop1.JPEG"} {
		data, err := os.ReadFile(testdata.Path(b, "images", "paper", name))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Decode(name, data, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(name+"/standard", func(b *testing.B) {
			for b.Loop() {
				if _, err := jpeg.Decode(bytes.NewReader(data)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
