package vision

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"cwox/internal/testdata"
)

// segment is a JPEG segment.
func segment(marker byte, body ...string) []byte {
	s := strings.Join(body, "")
	return append([]byte{0xff, marker, byte((len(s) + 2) >> 8), byte(len(s) + 2)}, s...)
}

// riff is a RIFF chunk.
func riff(name string, body ...[]byte) []byte {
	b := slices.Concat(body...)
	c := binary.LittleEndian.AppendUint32([]byte(name), uint32(len(b)))
	c = append(c, b...)
	if len(b)&1 > 0 {
		c = append(c, 0)
	}
	return c
}

// carriers put a chunk or a segment into a small file of letterF (WebP: of another).
type carriers struct {
	jpeg, png []byte
	webp      []byte // chunks of a still file
}

func newCarriers(t *testing.T) *carriers {
	t.Helper()
	var c carriers
	var j, p bytes.Buffer
	if err := jpeg.Encode(&j, letterF(), nil); err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(&p, letterF()); err != nil {
		t.Fatal(err)
	}
	webp, err := os.ReadFile(filepath.Join("testdata", "lossless.webp")) // 37x29
	if err != nil {
		t.Fatal(err)
	}
	c.jpeg, c.png, c.webp = j.Bytes(), p.Bytes(), webp[12:]
	return &c
}

func (c *carriers) inJPEG(s ...[]byte) []byte {
	return slices.Concat(c.jpeg[:2], slices.Concat(s...), c.jpeg[2:])
}

func (c *carriers) inPNG(s ...[]byte) []byte {
	return slices.Concat(c.png[:33], slices.Concat(s...), c.png[33:])
}

func (c *carriers) behindPNG(s ...[]byte) []byte {
	return slices.Concat(c.png[:len(c.png)-12], slices.Concat(s...), c.png[len(c.png)-12:])
}

// canvas is a VP8X chunk.
func canvas(flags byte, width, height int) []byte {
	return riff("VP8X", []byte{flags, 0, 0, 0, byte(width - 1), 0, 0, byte(height - 1), 0, 0})
}

func (c *carriers) inWebP(s ...[]byte) []byte {
	return riff("RIFF", []byte("WEBP"), canvas(0, 37, 29), c.webp, slices.Concat(s...))
}

// Where an orientation is found, and which one counts: as Pillow's getexif.
func TestOrientationSources(t *testing.T) {
	const (
		asAttribute = `<x:xmpmeta><rdf:Description tiff:Make="a" tiff:Orientation="6"/></x:xmpmeta>`
		asElement   = `<x:xmpmeta><tiff:Orientation>6</tiff:Orientation></x:xmpmeta>`
		none        = `<x:xmpmeta tiff:Orientation="landscape"/>`
		header      = "http://ns.adobe.com/xap/1.0/\x00"
	)
	raw := func(e []byte) string {
		digits := hex.EncodeToString(append([]byte("Exif\x00\x00"), e...))
		return fmt.Sprintf("\nexif\n%8d\n%s\n%s\n", len(digits)/2, digits[:20], digits[20:])
	}
	text := func(name, key, method, value string) []byte { return chunk(name, []byte(key+"\x00"+method+value)) }
	const xmp, profile = "XML:com.adobe.xmp", "Raw profile type exif"
	zip := func(s string) string { return string(deflated([]byte(s))) }
	six, five, empty := exif(6, true), exif(5, false), exif(5, false)
	empty[10] = 0x13 // another tag
	exifJPEG := func(e []byte) []byte { return segment(0xe1, "Exif\x00\x00", string(e)) }
	f := newCarriers(t)
	for _, c := range []struct {
		name string
		data []byte
		want int
	}{
		{"jpeg xmp attribute", f.inJPEG(segment(0xe1, header, asAttribute)), 6},
		{"jpeg xmp element", f.inJPEG(segment(0xe1, header, asElement)), 6},
		{"jpeg xmp without a number", f.inJPEG(segment(0xe1, header, none)), 0},
		{"jpeg exif before xmp", f.inJPEG(segment(0xe1, header, asElement), exifJPEG(five)), 5},
		{"jpeg exif without the tag", f.inJPEG(exifJPEG(empty), segment(0xe1, header, asElement)), 6},
		{"jpeg exif with an undefined one", f.inJPEG(exifJPEG(exif(9, true)), segment(0xe1, header, asElement)), 0},
		{"png iTXt", f.inPNG(text("iTXt", xmp, "\x00\x00en\x00k\x00", asAttribute)), 6},
		{"png iTXt deflated", f.inPNG(text("iTXt", xmp, "\x01\x00\x00\x00", zip(asElement))), 6},
		{"png iTXt cut", f.inPNG(text("iTXt", xmp, "\x01", "")), 0},
		{"png zTXt", f.inPNG(text("zTXt", xmp, "\x00", zip(asElement))), 6},
		{"png long zTXt", f.inPNG(text("zTXt", xmp, "\x00", zip(strings.Repeat(" ", 500000)+asElement))), 6},
		{"png zTXt behind the pixels", f.behindPNG(text("zTXt", xmp, "\x00", zip(asElement))), 6},
		{"png zTXt that is no zlib", f.inPNG(text("zTXt", xmp, "\x00", asElement)), 0},
		{"png raw profile, tEXt", f.inPNG(text("tEXt", profile, "", raw(six))), 6},
		{"png raw profile, zTXt", f.inPNG(text("zTXt", profile, "\x00", zip(raw(six)))), 6},
		{"png raw profile, iTXt", f.inPNG(text("iTXt", profile, "\x00\x00\x00\x00", raw(six))), 6},
		{"png raw profile cut", f.inPNG(text("tEXt", profile, "", "\nexif\n")), 0},
		{"png eXIf before raw profile", f.inPNG(text("tEXt", profile, "", raw(six)), chunk("eXIf", five)), 5},
		{"png raw profile before xmp", f.inPNG(text("tEXt", xmp, "", strings.Replace(asElement, "6", "8", 1)), text("tEXt", profile, "", raw(six))), 6},
		{"png comment", f.inPNG(text("tEXt", "Comment", "", asElement)), 0},
		{"webp xmp", f.inWebP(riff("XMP ", []byte(asElement))), 6},
		{"webp exif before xmp", f.inWebP(riff("EXIF", five), riff("XMP ", []byte(asElement))), 5},
	} {
		p, err := Decode(c.name, c.data, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var want []string
		if c.want > 0 {
			want = []string{NoteOrientationApplied}
		}
		if p.Orientation != c.want || !slices.Equal(codes(p), want) {
			t.Errorf("%s: orientation %d, want %d; notes %v", c.name, p.Orientation, c.want, p.Notes)
		}
	}
	// A text that inflates to much costs no more than its first mebibyte.
	bomb := f.inPNG(text("zTXt", xmp, "\x00", string(deflated(append(bytes.Repeat([]byte(" "), 1<<20), asElement...)))))
	if p, err := Decode("bomb", bomb, Options{}); err != nil || p.Orientation != 0 {
		t.Errorf("text behind a mebibyte: %v", err)
	}
}

// icc is an ICC profile with a description as of version 2 or 4.
func icc(space, name string, version int) []byte {
	p := make([]byte, 128, 400)
	copy(p[16:], space)
	var desc []byte
	if version == 2 {
		desc = append(binary.BigEndian.AppendUint32([]byte("desc\x00\x00\x00\x00"), uint32(len(name)+1)), name+"\x00"...)
	} else {
		desc = []byte("mluc\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x0cenUS")
		desc = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(desc, uint32(2*len(name))), 28)
		for _, u := range utf16.Encode([]rune(name)) {
			desc = binary.BigEndian.AppendUint16(desc, u)
		}
	}
	p = append(p, "\x00\x00\x00\x02wtpt\x00\x00\x00\x00\x00\x00\x00\x00desc\x00\x00\x00\x9c"...)
	p = binary.BigEndian.AppendUint32(p, uint32(len(desc)))
	return append(p, desc...)
}

func TestProfileNotes(t *testing.T) {
	f := newCarriers(t)
	inJPEG := func(p []byte) []byte { return f.inJPEG(segment(0xe2, "ICC_PROFILE\x00\x01\x01", string(p))) }
	inPNG := func(p []byte) []byte { return chunk("iCCP", append([]byte("name\x00\x00"), deflated(p)...)) }
	p3, adobe, srgb := icc("RGB ", "Display P3", 4), icc("RGB ", "Adobe RGB (1998)", 2), icc("RGB ", "sRGB IEC61966-2.1", 2)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"jpeg", inJPEG(p3), `colour profile "Display P3" was ignored`},
		{"jpeg version 2", inJPEG(adobe), `colour profile "Adobe RGB (1998)" was ignored`},
		{"jpeg sRGB", inJPEG(srgb), ""},
		{"jpeg sRGB, version 4", inJPEG(icc("RGB ", "sRGB v4 ICC preference", 4)), ""},
		{"jpeg small sRGB", inJPEG(icc("RGB ", "c2ci", 4)), ""},
		{"jpeg inks", inJPEG(icc("CMYK", "Coated FOGRA39", 2)), ""},
		{"jpeg without a name", inJPEG(p3[:140]), `colour profile "without a name" was ignored`},
		{"jpeg second part first", f.inJPEG(segment(0xe2, "ICC_PROFILE\x00\x02\x02", "x"), segment(0xe2, "ICC_PROFILE\x00\x01\x02", string(p3))), `colour profile "Display P3" was ignored`},
		{"png", f.inPNG(inPNG(p3)), `colour profile "Display P3" was ignored`},
		{"png sRGB", f.inPNG(inPNG(srgb)), ""},
		{"png that says sRGB, too", f.inPNG(inPNG(p3), chunk("sRGB", []byte{0})), ""},
		{"webp", f.inWebP(riff("ICCP", adobe)), `colour profile "Adobe RGB (1998)" was ignored`},
	} {
		p, err := Decode(c.name, c.data, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := ""
		if len(p.Notes) > 0 && p.Notes[0].Code == NoteProfile {
			got = p.Notes[0].Message
		}
		if got != c.want || len(p.Notes) > 1 {
			t.Errorf("%s: notes %v, want %q", c.name, p.Notes, c.want)
		}
	}
	for n := range p3 { // must not panic
		foreignProfile(p3[:n])
		damaged := bytes.Clone(p3)
		damaged[n] = 0xff
		foreignProfile(damaged)
	}
}

// The first of several pictures is read, and that is said.
func TestFirstOfMany(t *testing.T) {
	f := newCarriers(t)
	mpf := func(n byte) []byte {
		return segment(0xe2, "MPF\x00MM\x00*\x00\x00\x00\x08\x00\x01\xb0\x01\x00\x04\x00\x00\x00\x01\x00\x00\x00", string(n), "\x00\x00\x00\x00")
	}
	acTL := func(n byte) []byte { return chunk("acTL", []byte{0, 0, 0, n, 0, 0, 0, 0}) }
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"jpeg of two", f.inJPEG(mpf(2)), "2 pictures: only the first was read"},
		{"jpeg of one", f.inJPEG(mpf(1)), ""},
		{"jpeg with a gain map", f.inJPEG(segment(0xe1, "http://ns.adobe.com/xap/1.0/\x00", `<x hdrgm:Version="1.0"/>`), mpf(2)), ""},
		{"png of three", f.inPNG(acTL(3)), "animation: only the first frame was read"},
		{"png of one", f.inPNG(acTL(1)), ""},
	} {
		p, err := Decode(c.name, c.data, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		got := ""
		if len(p.Notes) > 0 && p.Notes[0].Code == NoteFirstFrame {
			got = p.Notes[0].Message
		}
		if got != c.want {
			t.Errorf("%s: notes %v, want %q", c.name, p.Notes, c.want)
		}
	}
}

// Frames of animated WebP are still pictures in a wrapping, placed on transparent black.
func TestAnimatedWebP(t *testing.T) {
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	frame := func(x, y, width, height int, chunks []byte) []byte {
		return riff("ANMF", []byte{byte(x / 2), 0, 0, byte(y / 2), 0, 0, byte(width - 1), 0, 0, byte(height - 1), 0, 0, 100, 0, 0, 0}, chunks)
	}
	for name, crc := range map[string]uint32{"lossless.webp": 0x79b9cfd0, "lossy.webp": 0x2c7b5c1c, "lossy-alpha.webp": 0x10a926c1} {
		file := read(name)
		still, err := Decode(name, file, Options{})
		if err != nil {
			t.Fatal(err)
		}
		inner := file[12:]
		if string(inner[:4]) == "VP8X" {
			inner = inner[18:]
		}
		alpha := codes(still)
		for _, c := range []struct {
			what   string
			data   []byte
			notes  []string
			margin bool
		}{
			{"one frame", riff("RIFF", []byte("WEBP"), canvas(2, 37, 29), riff("ANIM", make([]byte, 6)), frame(0, 0, 37, 29, inner)), alpha, false},
			{"two frames", riff("RIFF", []byte("WEBP"), canvas(2, 37, 29), riff("ANIM", make([]byte, 6)), frame(0, 0, 37, 29, inner), frame(0, 0, 1, 1, nil)), append(alpha[:len(alpha):len(alpha)], NoteFirstFrame), false},
			{"margin", riff("RIFF", []byte("WEBP"), canvas(18, 50, 40), riff("ANIM", []byte("\xff\xff\xff\xff\x00\x00")), frame(10, 6, 37, 29, inner)), []string{NoteAlphaDropped}, true},
		} {
			p, err := Decode(c.what, c.data, Options{})
			if err != nil {
				t.Errorf("%s, %s: %v", name, c.what, err)
				continue
			}
			if !slices.Equal(codes(p), c.notes) {
				t.Errorf("%s, %s: notes %v, want %v", name, c.what, p.Notes, c.notes)
			}
			if !c.margin {
				if got := crc32.ChecksumIEEE(p.Pix); got != crc {
					t.Errorf("%s, %s: pixels have CRC %#08x, want %#08x", name, c.what, got, crc)
				}
				continue
			}
			for y := range p.Height {
				for x := range p.Width {
					var want [3]uint8
					if x >= 10 && x < 47 && y >= 6 && y < 35 {
						want = [3]uint8(still.row(y - 6)[3*(x-10):])
					}
					if [3]uint8(p.row(y)[3*x:]) != want {
						t.Fatalf("%s, %s: pixel (%d, %d) is %v, want %v", name, c.what, x, y, p.row(y)[3*x:3*x+3], want)
					}
				}
			}
		}
		for what, data := range map[string][]byte{
			"is beyond the picture": riff("RIFF", []byte("WEBP"), canvas(2, 37, 29), frame(2, 0, 37, 29, inner)),
			"without a frame":       riff("RIFF", []byte("WEBP"), canvas(2, 37, 29)),
			"webp: ":                riff("RIFF", []byte("WEBP"), canvas(2, 37, 29), frame(0, 0, 37, 28, inner)),
		} {
			if _, err := Decode(name, data, Options{}); err == nil || !strings.Contains(err.Error(), what) {
				t.Errorf("%s: error %v, want %q", name, err, what)
			}
		}
	}
}

// The field's files whose pixels Pillow gives (expected.json there), with what is said.
func TestFieldCases(t *testing.T) {
	folder := testdata.Path(t, "..", "field", "cases", "images")
	for _, c := range []struct{ name, same, code, message string }{
		{"dropped_300_bytes_restart.jpg", "dropped_300_bytes_restart.jpg.ref.png", NoteTruncated, "27 %"},
		{"progressive_dc_only_eoi.jpg", "progressive_dc_only_eoi.jpg.ref.png", NoteTruncated, "scans are missing"},
		{"progressive_3scans_eoi.jpg", "progressive_3scans_eoi.jpg.ref.png", NoteTruncated, "scans are missing"},
		{"mjpeg_no_dht.jpg", "mjpeg_no_dht.jpg.ref.png", "", ""},
		{"anim.webp", "base.png", NoteFirstFrame, "first of 2 frames"},
		{"anim.png", "base.png", NoteFirstFrame, "first frame"},
		{"png_no_iend.png", "base.png", NoteTruncated, "IEND"},
		{"xmp6.jpg", "xmp6.jpg.ref.png", NoteOrientationApplied, "orientation 6"},
		{"rawprofile6.png", "base.png", NoteOrientationApplied, "orientation 6"},
		{"grey12in16.png", "", NoteDepthReduced, "values up to 3,824 of 65,535"},
	} {
		p, err := DecodeFile(filepath.Join(folder, c.name), Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if c.same != "" {
			want, err := DecodeFile(filepath.Join(folder, c.same), Options{})
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(p.Pix, want.Pix) || p.Width != want.Width {
				t.Errorf("%s: other pixels than %s", c.name, c.same)
			}
		}
		if c.code == "" && len(p.Notes) > 0 || c.code != "" && (len(p.Notes) != 1 || p.Notes[0].Code != c.code || !strings.Contains(p.Notes[0].Message, c.message)) {
			t.Errorf("%s: notes %v, want %s %q", c.name, p.Notes, c.code, c.message)
		}
	}
}
