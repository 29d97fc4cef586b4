package vision

import (
	"encoding/json"
	"os"
	"slices"
	"testing"

	"cwox/internal/testdata"
)

// Files of the kinds that people have and that decoders refused or showed wrongly:
// TIFF, BMP and PNM give the pixels of Pillow 13, and the notes say what was left out.
func TestFieldCases(t *testing.T) {
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
