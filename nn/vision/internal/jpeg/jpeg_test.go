package jpeg

import (
	"bytes"
	"hash/crc32"
	"image"
	stdjpeg "image/jpeg"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// files are a made picture, saved with Pillow 12.3.0 (libjpeg-turbo) in many ways,
// and the CRC-32 (IEEE) of the RGB pixels that it decodes.
var files = []struct {
	name          string
	width, height int
	crc           uint32
}{
	{"baseline444.jpg", 37, 29, 0x1071f5c8},
	{"progressive444.jpg", 37, 29, 0x1071f5c8},
	{"baseline422.jpg", 37, 29, 0x0c90b344},
	{"progressive422.jpg", 37, 29, 0x0c90b344},
	{"baseline420.jpg", 37, 29, 0xc34589e9},
	{"progressive420.jpg", 37, 29, 0xc34589e9},
	{"baseline440.jpg", 20, 45, 0xda92747e},
	{"baseline411.jpg", 93, 15, 0x55bac493},
	{"restart420.jpg", 37, 29, 0xc34589e9},
	{"restart-progressive.jpg", 37, 29, 0xc34589e9},
	{"quality100.jpg", 37, 29, 0xee5aad8a},
	{"quality1.jpg", 37, 29, 0x41deace9},
	{"narrow.jpg", 3, 40, 0xdd0b31e2}, // two chroma columns: repeated
	{"grey.jpg", 37, 29, 0x00aac9c7},
	{"rgb.jpg", 37, 29, 0xcf7c075a},
	{"cmyk.jpg", 37, 29, 0xcf7c075a},
	{"ycck.jpg", 37, 29, 0x7916f6da},
}

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestDecodeAsLibjpegTurbo(t *testing.T) {
	for _, f := range files {
		data := read(t, f.name)
		m, err := Decode(data)
		if err != nil {
			t.Errorf("%s: %v", f.name, err)
			continue
		}
		if m.Width != f.width || m.Height != f.height || m.Damage != "" {
			t.Errorf("%s: size %dx%d, want %dx%d; damage %q", f.name, m.Width, m.Height, f.width, f.height, m.Damage)
		}
		if crc := crc32.ChecksumIEEE(m.Pix); crc != f.crc {
			t.Errorf("%s: pixels have CRC %#08x, want %#08x", f.name, crc, f.crc)
		}
		h, err := DecodeHeader(data)
		if err != nil || h.Width != m.Width || h.Components != m.Components || h.Progressive != strings.Contains(f.name, "progressive") {
			t.Errorf("%s: header %+v, %v", f.name, h, err)
		}
	}
}

// A decoder with another inverse DCT agrees within a level before the chroma is
// touched; a slip in the entropy decoding would not.
func TestPlanesAgreeWithStandardLibrary(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []image.Point{{1, 1}, {8, 8}, {17, 9}, {64, 40}, {131, 97}} {
		m := image.NewRGBA(image.Rectangle{Max: size})
		for i := range m.Pix {
			m.Pix[i] = uint8(128 + 60*math.Sin(float64(i)/50) + 60*rng.Float64())
		}
		for _, quality := range []int{20, 75, 100} {
			var file bytes.Buffer
			if err := stdjpeg.Encode(&file, m, &stdjpeg.Options{Quality: quality}); err != nil {
				t.Fatal(err)
			}
			std, err := stdjpeg.Decode(bytes.NewReader(file.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			want := std.(*image.YCbCr)
			var d decoder
			if err := d.readHeader(file.Bytes()); err != nil {
				t.Fatal(err)
			}
			if err := d.readScans(); err != nil {
				t.Fatal(err)
			}
			for i, plane := range []struct {
				pix    []uint8
				stride int
			}{{want.Y, want.YStride}, {want.Cb, want.CStride}, {want.Cr, want.CStride}} {
				c := &d.comps[i]
				for y := range c.height {
					for x := range c.width {
						got, want := c.plane[8*c.blocksX*y+x], plane.pix[plane.stride*y+x]
						if diff := int(got) - int(want); diff < -1 || diff > 1 {
							t.Fatalf("%v quality %d plane %d (%d, %d): %d, want %d +- 1", size, quality, i, x, y, got, want)
						}
					}
				}
			}
		}
	}
}

// The inverse DCT against its definition (T.81 A.3.3) in float64: the fixed-point
// one is off by less than one level (IEEE 1180 allows a peak error of 1).
func TestInverseDCT(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	var basis [8][8]float64 // [frequency][position]
	for u := range 8 {
		for x := range 8 {
			basis[u][x] = math.Cos(float64(2*x+1)*float64(u)*math.Pi/16) / 2
			if u == 0 {
				basis[u][x] /= math.Sqrt2
			}
		}
	}
	c := component{blocksX: 1, blocksY: 1, plane: make([]uint8, 64), quant: new([64]uint16)}
	for trial := range 2000 {
		var b [64]int16
		last := rng.IntN(64)
		if trial < 50 {
			last = 0
		}
		for k := range last + 1 {
			b[zigzag[k]] = int16(rng.IntN(61) - 30)
		}
		for i := range c.quant {
			c.quant[i] = uint16(1 + rng.IntN(8))
		}
		c.reconstruct(&b, last, 0, 0)
		for y := range 8 {
			for x := range 8 {
				want := 128.0
				for v := range 8 {
					for u := range 8 {
						want += float64(b[8*v+u]) * float64(c.quant[8*v+u]) * basis[v][y] * basis[u][x]
					}
				}
				want = max(0, min(want, 255))
				if got := float64(c.plane[8*y+x]); math.Abs(got-want) >= 1 {
					t.Fatalf("trial %d (%d, %d): %v, want %.3f", trial, x, y, got, want)
				}
			}
		}
	}
}

// Every prefix of a file is an error or a damaged picture, never a sound one.
func TestTruncated(t *testing.T) {
	for _, name := range []string{"baseline420.jpg", "progressive422.jpg", "restart420.jpg", "cmyk.jpg"} {
		data := read(t, name)
		whole, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		damaged := 0
		for n := range len(data) {
			m, err := Decode(data[:n])
			if err != nil {
				continue
			}
			damaged++
			if m.Damage == "" {
				t.Fatalf("%s: the first %d of %d bytes pass as sound", name, n, len(data))
			}
			if n == len(data)-2 && !bytes.Equal(m.Pix, whole.Pix) {
				t.Errorf("%s: without its end marker the picture differs", name)
			}
		}
		if damaged < len(data)/4 {
			t.Errorf("%s: only %d of %d prefixes show anything", name, damaged, len(data))
		}
	}
}

// The first rows of a file cut in half are those of the whole one.
func TestTruncatedKeepsWhatIsThere(t *testing.T) {
	data := read(t, "quality100.jpg")
	whole, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(data[:2*len(data)/3])
	if err != nil {
		t.Fatal(err)
	}
	t.Log(m.Damage)
	if n := 3 * m.Width * 8; !bytes.Equal(m.Pix[:n], whole.Pix[:n]) {
		t.Error("the first rows differ")
	}
	if tail := m.Pix[len(m.Pix)-3:]; !bytes.Equal(tail, []byte{128, 128, 128}) {
		t.Errorf("the last pixel is %v, want grey", tail)
	}
}

// Unusual files that say the same as sound ones.
func TestUnusual(t *testing.T) {
	sound := read(t, "baseline420.jpg")
	want, err := Decode(sound)
	if err != nil {
		t.Fatal(err)
	}
	sof := bytes.Index(sound, []byte{0xff, markerSOF0})
	sos := bytes.Index(sound, []byte{0xff, markerSOS})
	noHeight := bytes.Clone(sound)
	noHeight[sof+6] = 0
	oneName := bytes.Clone(sound)
	oneName[sof+13], oneName[sof+16] = 1, 1
	oneName[sos+7], oneName[sos+9] = 1, 1
	end := len(sound) - 2
	for what, data := range map[string][]byte{
		"height behind the scan": slices.Concat(noHeight[:end], []byte{0xff, markerDNL, 0, 4, 0, 29}, sound[end:]),
		"components of one name": oneName,
		"bytes behind the scan":  slices.Concat(sound[:end], []byte("some bytes"), sound[end:]),
	} {
		m, err := Decode(data)
		if err != nil || !bytes.Equal(m.Pix, want.Pix) || m.Damage != "" {
			t.Errorf("%s: error %v, or other pixels", what, err)
		}
	}
}

func TestErrors(t *testing.T) {
	sound := read(t, "baseline420.jpg")
	sof := bytes.Index(sound, []byte{0xff, markerSOF0})
	sos := bytes.Index(sound, []byte{0xff, markerSOS})
	dht := bytes.Index(sound, []byte{0xff, markerDHT})
	dqt := bytes.Index(sound, []byte{0xff, markerDQT})
	set := func(at int, values ...byte) []byte {
		data := bytes.Clone(sound)
		copy(data[at:], values)
		return data
	}
	for _, c := range []struct {
		data []byte
		want string
	}{
		{nil, "no SOI"},
		{[]byte("\xff\xd8\xff\xd9"), "ends before any picture data"},
		{sound[:sof+1], "ends before any picture data"},
		{sound[:sof+6], "ends inside a segment"},
		{set(sof+1, 0xc9), "arithmetic coding (SOF9)"},
		{set(sof+1, 0xc3), "lossless coding (SOF3)"},
		{set(sof+4, 12), "12 bits"},
		{set(sof+5, 0, 0), "size 37x0"},
		{set(sof+7, 0, 0), "size 0x29"},
		{set(sof+5, 255, 255, 255, 255), "too few for 65535x65535"},
		{set(sof+9, 2), "does not fit"},
		{set(sof+11, 0x50), "sampling factors"},
		{set(sof+11, 0x32, 0, 2, 0x21), "fractional"},
		{set(sof+12, 7), "quantisation table 7"},
		{set(sos+5, 9), "component 9"},
		{set(sos+7, 1), "occurs twice"},
		{set(sos+6, 0x40), "Huffman tables 4 and 0"},
		{set(sos+6, 0x33), "Huffman table is missing"},
		{set(sos+4, 5), "does not fit"},
		{set(dht+4, 0x24), "bad Huffman table header"},
		{set(dht+5, 255), "Huffman table"},
		{set(dqt+4, 0x27), "bad quantisation table header"},
		{set(dqt+1, 0xfe), "quantisation table 0 is missing"},
	} {
		m, err := Decode(c.data)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, picture %t, want %q", err, m != nil, c.want)
		}
	}
}

// flood is a grey progressive square of n blocks a side: a scan that sets every DC
// coefficient to zero, then scans that refine all others, of which there are none: a
// few bytes each, since runs of blocks are skipped.
func flood(n, scans int) []byte {
	size := []byte{byte(8 * n >> 8), byte(8 * n)}
	one := append([]byte{1}, make([]byte, 15)...) // a single code, of one bit
	file := slices.Concat(
		[]byte{0xff, markerSOI, 0xff, markerDQT, 0, 67, 0}, bytes.Repeat([]byte{1}, 64),
		[]byte{0xff, markerSOF2, 0, 11, 8}, size, size, []byte{1, 1, 0x11, 0},
		[]byte{0xff, markerDHT, 0, 20, 0x00}, one, []byte{0}, // no difference
		[]byte{0xff, markerDHT, 0, 20, 0x10}, one, []byte{0xe0}, // 2^14 blocks and more are done
		[]byte{0xff, markerSOS, 0, 8, 1, 1, 0, 0, 0, 0}, make([]byte, n*n/8+1))
	// Code 0 and 14 bits 11110111101111: a run of 32239 blocks.
	bits := strings.Repeat("0"+"11110111101111", n*n/32239+1)
	bits += "1111111"[:-len(bits)&7]
	var runs []byte
	for ; bits != ""; bits = bits[8:] {
		v, _ := strconv.ParseUint(bits[:8], 2, 8)
		runs = append(runs, byte(v))
	}
	for range scans {
		file = append(file, 0xff, markerSOS, 0, 8, 1, 1, 0, 1, 63, 0x10)
		file = append(file, runs...)
	}
	return append(file, 0xff, markerEOI)
}

// Many scans over a large picture would cost time out of proportion to the file.
func TestScanLimit(t *testing.T) {
	for _, c := range []struct {
		n, scans int
		ok       bool
	}{
		{4, maxScans - 1, true},
		{4, maxScans, false},
		{160, 70, true}, // 25600 blocks: maxVisits and freeVisit allow 72 visits
		{160, 72, false},
	} {
		m, err := Decode(flood(c.n, c.scans))
		if c.ok && (err != nil || m.Damage != "") {
			t.Errorf("%d blocks a side, %d refining scans: error %v, picture %t", c.n, c.scans, err, m != nil)
		}
		if !c.ok && (err == nil || !strings.Contains(err.Error(), "too many scans")) {
			t.Errorf("%d blocks a side, %d refining scans: error %v", c.n, c.scans, err)
		}
	}
}

func BenchmarkFlood(b *testing.B) {
	file := flood(896, maxVisits-1) // 7168x7168 pixels
	b.ReportMetric(float64(len(file)), "file-bytes")
	for b.Loop() {
		if _, err := Decode(file); err != nil {
			b.Fatal(err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, file := range files {
		f.Add(read(f, file.name))
	}
	for _, c := range damagedFiles {
		sound := read(f, c.name)
		f.Add(slices.Concat(sound[:c.at], []byte(c.in), sound[c.at+c.out:]))
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
		if n := testdata.Allocated(func() { m, err = Decode(data) }); n > h.Memory+1<<20 {
			t.Fatalf("%d bytes allocated, the header says %d", n, h.Memory)
		}
		if err != nil {
			return
		}
		if m.Width != h.Width || m.Height != h.Height || len(m.Pix) != 3*m.Width*m.Height {
			t.Fatalf("picture %dx%d with %d bytes, header %dx%d", m.Width, m.Height, len(m.Pix), h.Width, h.Height)
		}
	})
}
