package vision

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"cwox/internal/testdata"
)

// expectedInput is what torchvision, timm and transformers make of a picture.
type expectedInput struct {
	Shape  []int
	SHA256 string    `json:"sha256_f32"`
	Sums   []float64 `json:"channel_sums"`
	At     []int
	Values []float32
}

type inputCase struct {
	File, Kind, Name, Picture string
	Expected                  *expectedInput `json:"expected_input"`
	Pictures                  []struct {
		Picture  string
		Expected *expectedInput `json:"expected_input"`
	}
}

func inputCases(t *testing.T, kind string) []inputCase {
	t.Helper()
	var all struct{ Cases []inputCase }
	text, err := os.ReadFile(testdata.Path(t, "checkpoints", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(all.Cases, func(c inputCase) bool { return c.Kind != kind })
}

// check compares an input with what is expected, to the bit.
func (want *expectedInput) check(t *testing.T, name string, tr Transform, picture string) {
	t.Helper()
	pic, err := DecodeFile(testdata.Path(t, "checkpoints", filepath.FromSlash(picture)), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if shape := []int{len(tr.Mean), tr.Height, tr.Width}; !slices.Equal(shape, want.Shape) {
		t.Errorf("%s, %s: shape %v, want %v", name, picture, shape, want.Shape)
		return
	}
	x := tr.Tensor(pic)
	raw := make([]byte, 0, 4*len(x))
	sums := make([]float64, len(tr.Mean))
	for i, v := range x {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(v))
		sums[i/(tr.Width*tr.Height)] += float64(v)
	}
	for i, at := range want.At {
		if x[at] != want.Values[i] {
			t.Errorf("%s, %s: value %d is %v, want %v", name, picture, at, x[at], want.Values[i])
		}
	}
	for c, sum := range want.Sums {
		if !(math.Abs(sums[c]-sum) <= 1e-9*float64(len(x))) {
			t.Errorf("%s, %s: channel %d has sum %v, want %v", name, picture, c, sums[c], sum)
		}
	}
	if sum := sha256.Sum256(raw); hex.EncodeToString(sum[:]) != want.SHA256 {
		t.Errorf("%s, %s: SHA-256 %x, want %s", name, picture, sum, want.SHA256)
	}
}

// Recipes as people write them, on photographs of all shapes: the network's input to the bit.
func TestTransformGolden(t *testing.T) {
	recipe := func(size int, resize Resize, crop Crop, by Interpolation) Transform {
		tr := paper(size, size)
		tr.Pillow, tr.Resize, tr.Crop, tr.Interpolation = 13, resize, crop, by
		return tr
	}
	halves := func(tr Transform) Transform {
		tr.Mean, tr.Std = []float32{0.5, 0.5, 0.5}, []float32{0.5, 0.5, 0.5}
		return tr
	}
	unit := recipe(160, Resize{}, NoCrop, Bilinear)
	unit.Mean, unit.Std = []float32{0, 0, 0}, []float32{1, 1, 1}
	grey := Transform{Width: 64, Height: 64, Channels: Grey, Scale: 255, Mean: []float32{0.5}, Std: []float32{0.5}}
	newer := func(tr Transform) Transform { // the cases come from Pillow 13
		tr.Pillow = 13
		return tr
	}
	recipes := map[string]Transform{
		"squash224":          newer(Paper),
		"torchvision256_224": torchvision(224, 224),
		"torchvision_v2":     recipe(224, Resize{Short: 232}, Center, Bilinear),
		"timm_bicubic95_224": recipe(224, Resize{Short: 235}, Center, Bicubic),
		"timm_bicubic90_288": recipe(288, Resize{Short: 320}, Center, Bicubic),
		"half_224":           halves(torchvision(224, 224)),
		"size299":            halves(recipe(299, Resize{Short: 342}, Center, Bicubic)),
		"gray64":             grey,
		"unit160":            unit,
		"caffe":              newer(BVLC),
	}
	n := 0
	for _, c := range inputCases(t, "preprocessing") {
		tr, ok := recipes[c.Name]
		if !ok {
			if len(c.Pictures) > 0 {
				t.Errorf("no recipe %q", c.Name)
			}
			continue
		}
		for _, p := range c.Pictures {
			n++
			p.Expected.check(t, c.Name, tr, p.Picture)
		}
	}
	if n != 60 {
		t.Errorf("%d inputs, want 60", n)
	}
}

// Folders of Hugging Face and timm: their files say how the input is made.
func TestFromConfigGolden(t *testing.T) {
	read := func(dir, name string) []byte {
		text, err := os.ReadFile(filepath.Join(testdata.Path(t, "checkpoints", dir), name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return text
	}
	n := 0
	for _, c := range inputCases(t, "folder") {
		tr, source, ok, err := FromConfig(read(c.File, ConfigFile), read(c.File, PreprocessorFile), nil)
		if err != nil || !ok || source == "" {
			t.Errorf("%s: found %v in %q, error %v", c.File, ok, source, err)
			continue
		}
		n++
		c.Expected.check(t, c.File, tr, c.Picture)
	}
	if n != 6 {
		t.Errorf("%d folders, want 6", n)
	}
}
