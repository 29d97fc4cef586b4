package vision

import (
	"encoding/binary"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// tensor is an uint8 tensor of a golden file.
type tensor struct {
	shape []int
	data  []uint8
}

// readTensors reads the uint8 tensors of a .safetensors file among the golden ones.
// (The package weights reads such files too; it is not imported here so that the
// two can be tested apart.)
func readTensors(t *testing.T, elem ...string) map[string]tensor {
	t.Helper()
	file, err := os.ReadFile(testdata.Path(t, append([]string{"golden"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	n := binary.LittleEndian.Uint64(file)
	var header map[string]json.RawMessage
	if err := json.Unmarshal(file[8:8+n], &header); err != nil {
		t.Fatal(err)
	}
	delete(header, "__metadata__")
	all := make(map[string]tensor)
	for name, raw := range header {
		var e struct {
			DType   string `json:"dtype"`
			Shape   []int  `json:"shape"`
			Offsets [2]int `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &e); err != nil {
			t.Fatal(err)
		}
		if e.DType != "U8" {
			t.Fatalf("%s: %s: type %s", elem, name, e.DType)
		}
		all[name] = tensor{e.Shape, file[8+int(n):][e.Offsets[0]:e.Offsets[1]]}
	}
	if len(all) == 0 {
		t.Fatalf("%s holds no tensors", elem)
	}
	return all
}

func readJSON(t *testing.T, v any, elem ...string) {
	t.Helper()
	text, err := os.ReadFile(testdata.Path(t, append([]string{"golden"}, elem...)...))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, v); err != nil {
		t.Fatal(err)
	}
}

// difference returns the largest difference of two pictures and the share of the
// values that differ at all.
func difference(t *testing.T, got *Picture, want tensor) (largest int, share float64) {
	t.Helper()
	if !slices.Equal(want.shape, []int{got.Height, got.Width, 3}) {
		t.Fatalf("size %dx%d, want shape %v", got.Width, got.Height, want.shape)
	}
	n := 0
	for i, v := range got.Pix {
		d := int(v) - int(want.data[i])
		if d != 0 {
			n++
		}
		largest = max(largest, d, -d)
	}
	return largest, float64(n) / float64(len(got.Pix))
}

func mustDecode(t *testing.T, o Options, elem ...string) *Picture {
	t.Helper()
	p, err := DecodeFile(testdata.Path(t, elem...), o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// reference are the options that do what the reference does.
var reference = Options{IgnoreOrientation: true}

// Pillow's bilinear resize, to the bit: every picture that is stored without loss.
func TestResizeGolden(t *testing.T) {
	n := 0
	for name, want := range readTensors(t, "preprocess_png.safetensors") {
		if !strings.HasSuffix(name, ".png") {
			continue
		}
		n++
		got := mustDecode(t, reference, "golden", "preprocess", name).Resize(224, 224)
		if d, share := difference(t, got, want); d != 0 {
			t.Errorf("%s: largest difference %d at %.2f %% of the values, want 0", name, d, 100*share)
		}
	}
	if n < 15 {
		t.Errorf("only %d pictures", n)
	}
}

// The sums of the pictures whose pixels are not stored.
func TestChannelSumsGolden(t *testing.T) {
	var golden struct {
		PNG map[string]struct {
			Size []int
			Sums [3]int `json:"channel_sums"`
		}
	}
	readJSON(t, &golden, "preprocess.json")
	for _, name := range slices.Sorted(maps.Keys(golden.PNG)) {
		want := golden.PNG[name]
		p := mustDecode(t, reference, "golden", "preprocess", name)
		if !slices.Equal(want.Size, []int{p.Width, p.Height}) {
			t.Errorf("%s: size %dx%d, want %v", name, p.Width, p.Height, want.Size)
		}
		sums := want.Sums
		if name == "grey16.png" { // Pillow saturates; the high byte is right
			sums = golden.PNG["grey.png"].Sums
		}
		if got := channelSums(p.Resize(224, 224)); got != sums {
			t.Errorf("%s: channel sums %v, want %v", name, got, sums)
		}
	}
	if len(golden.PNG) < 20 {
		t.Errorf("only %d pictures", len(golden.PNG))
	}
}

// Decoded pixels of JPEG files of every kind against libjpeg-turbo. The files allow 2
// levels (1 for CMYK) for an inverse DCT of one's own; ours is libjpeg's, so 0.
func TestJPEGGolden(t *testing.T) {
	for name, want := range readTensors(t, "preprocess_decoded.safetensors") {
		o := reference
		if file, ok := strings.CutSuffix(name, ":transposed"); ok {
			name, o = file, Options{}
		}
		got := mustDecode(t, o, "golden", "preprocess", name)
		d, share := difference(t, got, want)
		t.Logf("%s: largest difference %d, %.3f %% of the values differ", name, d, 100*share)
		if d != 0 {
			t.Errorf("%s: largest difference %d, want 0", name, d)
		}
	}
}

// The paper's pictures from the file to 224x224.
func TestPaperGolden(t *testing.T) {
	for name, want := range readTensors(t, "preprocess.safetensors") {
		file, ok := strings.CutPrefix(name, "paper/")
		if !ok {
			continue
		}
		got := mustDecode(t, reference, "images", "paper", file).Resize(224, 224)
		d, share := difference(t, got, want)
		t.Logf("%s: largest difference %d, %.3f %% of the values differ", file, d, 100*share)
		if d != 0 {
			t.Errorf("%s: largest difference %d, want 0", file, d)
		}
	}
}

func channelSums(p *Picture) (sums [3]int) {
	for i, v := range p.Pix {
		sums[i%3] += int(v)
	}
	return sums
}
