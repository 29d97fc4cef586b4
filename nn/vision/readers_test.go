package vision

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// Tags of the TIFF files that tests make.
const (
	tagWidth       = 256
	tagHeight      = 257
	tagCompression = 259
	tagTileWidth   = 322
	tagTileHeight  = 323
)

// tiffPixels is a TIFF file with one strip of pixels.
func tiffPixels(pixels string, entries ...[2]uint32) []byte {
	entries = append(entries, [2]uint32{273, 0})
	n := len(tiffFile(entries...))
	entries[len(entries)-1][1] = uint32(n)
	return append(tiffFile(entries...), pixels...)
}

// What the readers of TIFF, BMP and PNM leave out is in the notes.
func TestNotes(t *testing.T) {
	const depth, photometric, samples, extra, format = 258, 262, 277, 338, 339
	size := func(more ...[2]uint32) [][2]uint32 {
		return append([][2]uint32{{tagWidth, 2}, {tagHeight, 1}, {depth, 8}}, more...)
	}
	pages := tiffPixels("\x01\x02", size([2]uint32{photometric, 1})...)
	// The directory of the second page begins with the number of its entries.
	pages = append(pages, 1, 0, 0, 1, 4, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0)
	pages[len(tiffFile(make([][2]uint32, 5)...))-4] = byte(len(pages) - 18)
	bmp := func(pixels string) []byte {
		return []byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x46\x00\x00\x00\x38\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x01\x00\x20\x00\x03\x00\x00\x00" +
			strings.Repeat("\x00", 20) + "\x00\x00\xff\x00\x00\xff\x00\x00\xff\x00\x00\x00\x00\x00\x00\xff" + pixels)
	}
	for _, c := range []struct {
		name string
		data []byte
		pix  []uint8
		code string // of the one note
		says string
	}{
		{"tiff", tiffPixels("\x01\x02", size([2]uint32{photometric, 1})...), []uint8{1, 1, 1, 2, 2, 2}, "", ""},
		{"tiff of two pages", pages, []uint8{1, 1, 1, 2, 2, 2}, NoteFirstFrame, "2 pictures in the file: only the first was read"},
		{"tiff of inks", tiffPixels("\x00\x00\x00\x00\x00\xff\x00\x00", size([2]uint32{photometric, 5}, [2]uint32{samples, 4})...), []uint8{255, 255, 255, 255, 0, 255}, NoteCMYK, "without a colour profile"},
		{"tiff with alpha", tiffPixels("\x01\xff\x02\x80", size([2]uint32{photometric, 1}, [2]uint32{samples, 2}, [2]uint32{extra, 2})...), []uint8{1, 1, 1, 2, 2, 2}, NoteAlphaDropped, "transparency"},
		{"tiff with a band more", tiffPixels("\x01\xff\x02\x80", size([2]uint32{photometric, 1}, [2]uint32{samples, 2}, [2]uint32{extra, 0})...), []uint8{1, 1, 1, 2, 2, 2}, NoteAlphaDropped, "neither colour nor alpha were dropped: 1 a pixel"},
		{"tiff of 16 bits", tiffPixels("\xff\x00\x00\x0f", [2]uint32{tagWidth, 2}, [2]uint32{tagHeight, 1}, [2]uint32{depth, 16}, [2]uint32{photometric, 1}), []uint8{0, 0, 0, 15, 15, 15}, NoteDepthReduced, "16-bit samples reduced to their high byte; values up to 3,840 of 65,535"},
		{"tiff of signed numbers", tiffPixels("\xff\xff\x2c\x01", [2]uint32{tagWidth, 2}, [2]uint32{tagHeight, 1}, [2]uint32{depth, 16}, [2]uint32{photometric, 1}, [2]uint32{format, 2}), []uint8{0, 0, 0, 255, 255, 255}, NoteDepthReduced, "from -1 to 300, cut"},
		{"tiff that is cut", tiffPixels("\x01\x02\x03", [2]uint32{tagWidth, 2}, [2]uint32{tagHeight, 2}, [2]uint32{depth, 8}, [2]uint32{photometric, 1}), []uint8{1, 1, 1, 2, 2, 2, 128, 128, 128, 128, 128, 128}, NoteTruncated, "50 % of the rows are missing: strip 0 of 1: the data end early"},
		{"bmp with alpha", bmp("\x01\x02\x03\xff\x04\x05\x06\x00"), []uint8{6, 5, 4, 3, 2, 1}, NoteAlphaDropped, "transparency"},
		{"bmp that is cut", bmp("\x01\x02\x03\xff"), []uint8{128, 128, 128, 3, 2, 1}, NoteTruncated, "the file ends after 1 of 2 rows"},
		{"pnm", []byte("P5 2 1 255\n\x01\x02"), []uint8{1, 1, 1, 2, 2, 2}, "", ""},
		{"pnm of two pictures", []byte("P5 1 1 255\n\x01P5 1 1 255\n\x01"), []uint8{1, 1, 1}, NoteFirstFrame, "only the first was read"},
		{"pnm with alpha", []byte("P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nENDHDR\n\x01\x02"), []uint8{1, 1, 1}, NoteAlphaDropped, "transparency"},
		{"pnm of 16 bits", []byte("P5 1 1 65535\n\x12\x34"), []uint8{18, 18, 18}, NoteDepthReduced, "values up to 4,660 of 65,535"},
		{"pnm that is cut", []byte("P5 1 2 255\n\x01"), []uint8{1, 1, 1, 128, 128, 128}, NoteTruncated, "the file ends in row 1 of 2"},
	} {
		p, err := Decode(c.name, c.data, Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if !slices.Equal(p.Pix, c.pix) || p.Format != strings.Fields(c.name)[0] {
			t.Errorf("%s: %s %v, want %v", c.name, p.Format, p.Pix, c.pix)
		}
		if c.code == "" && p.Notes == nil {
			continue
		}
		if len(p.Notes) != 1 || p.Notes[0].Code != c.code || !strings.Contains(p.Notes[0].Message, c.says) {
			t.Errorf("%s: notes %v, want %s: %s", c.name, p.Notes, c.code, c.says)
		}
	}
}

// Files of the kinds that people have and that decoders refused or showed wrongly:
// TIFF, BMP and PNM give the pixels of Pillow 13, and the notes say what was left out.
func TestReaderCases(t *testing.T) {
	cases := testdata.Path(t, "..", "field", "cases", "images")
	data, err := os.ReadFile(testdata.Path(t, "..", "field", "cases", "images", "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	var expected struct {
		Files map[string]struct {
			Same string `json:"same_as"`
		}
	}
	if err := json.Unmarshal(data, &expected); err != nil {
		t.Fatal(err)
	}
	for name, notes := range map[string][]string{
		"big.tif":                 nil,
		"bgra32_bitfields_40.bmp": nil,
		"cmyk.tif":                {NoteCMYK},
		"fillorder1_rgb8.tif":     nil,
		"fillorder2_rgb8.tif":     nil,
		"float.tif":               {NoteDepthReduced},
		"g4.tif":                  nil,
		"int32.tif":               nil,
		"jpegintiff.tif":          nil,
		"la.tif":                  nil,
		"planar_tiled_512.tif":    nil,
		"planar_tiled_64.tif":     nil,
		"rgb555.bmp":              nil,
		"small.ppm":               nil,
		"two_pages.tif":           {NoteFirstFrame},
		"ycbcr.tif":               nil,
		"a4_600dpi_grey_lzw.tif":  nil, // 35 million pixels, within the default limits
	} {
		p, err := DecodeFile(cases+"/"+name, Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if got := codes(p); !slices.Equal(got, notes) {
			t.Errorf("%s: notes %v, want %v", name, p.Notes, notes)
		}
		same := expected.Files[name].Same
		if same == "" {
			continue
		}
		want, err := DecodeFile(cases+"/"+same, Options{})
		if err != nil {
			t.Error(err)
			continue
		}
		if p.Width != want.Width || p.Height != want.Height || !slices.Equal(p.Pix, want.Pix) {
			t.Errorf("%s: pixels are not those of %s", name, same)
		}
	}
}
