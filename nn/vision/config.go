package vision

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// MetadataKey is the key of a weight file's metadata under which its transform stands, in
// the JSON form of Transform.
const MetadataKey = "cwox.transform"

// Names of the files that FromConfig is told the content of.
const (
	ConfigFile       = "config.json"              // timm's, Hugging Face's
	PreprocessorFile = "preprocessor_config.json" // Hugging Face's
)

// FromConfig returns the transform that a weight file or the files beside it tell: its
// metadata under MetadataKey, else preprocessor_config.json as Hugging Face writes it, else
// the pretrained_cfg in timm's config.json. Source says where it was found; ok is false where
// nothing tells. Texts may be nil. An error names the file and the field; a transform that is
// there but cannot be followed is an error, never another transform.
//
// timm's test_input_size and test_crop_pct are not used, as timm does not by itself.
func FromConfig(config, preprocessor []byte, metadata map[string]string) (t Transform, source string, ok bool, err error) {
	for _, p := range []struct {
		name string
		text []byte
		read func(what string, text []byte) (Transform, bool, error)
	}{
		{"metadata " + MetadataKey, ownForm(metadata), ownFile},
		{PreprocessorFile, preprocessor, huggingFaceFile},
		{ConfigFile, config, timmFile},
	} {
		if p.text == nil {
			continue
		}
		t, ok, err := p.read(p.name, p.text)
		if err != nil {
			return Transform{}, p.name, false, fmt.Errorf("vision: %w", err)
		}
		if ok {
			return t, p.name, true, nil
		}
	}
	return Transform{}, "", false, nil
}

// ParseTransform reads a transform from a file's content: the JSON form of Transform, or a
// file that FromConfig reads, told apart by their fields. What is the file's name, for
// errors.
func ParseTransform(what string, text []byte) (Transform, error) {
	for _, read := range []func(string, []byte) (Transform, bool, error){huggingFaceFile, timmFile, ownFile} {
		t, ok, err := read(what, text)
		if err != nil {
			return Transform{}, fmt.Errorf("vision: %w", err)
		}
		if ok {
			return t, nil
		}
	}
	panic("vision: what is no other file is one of our own form, or an error")
}

// ownForm is what a weight file's metadata say; nil where they say nothing.
func ownForm(metadata map[string]string) []byte {
	if text, ok := metadata[MetadataKey]; ok {
		return []byte(text)
	}
	return nil
}

// ownFile reads the JSON form of Transform; what is not one is an error.
func ownFile(what string, text []byte) (Transform, bool, error) {
	t, err := parseTransform(what, text)
	return t, err == nil, err
}

// huggingFaceFile reads a preprocessor_config.json; false where it is another file.
func huggingFaceFile(what string, text []byte) (Transform, bool, error) {
	f, err := parseFields(what, text, append([]string{"image_processor", "pretrained_cfg"}, processorFields...)...)
	if err != nil {
		return Transform{}, false, err
	}
	if f.has("image_processor") { // a processor_config.json, for more than pictures
		f = f.object("image_processor", processorFields...)
	}
	t, ok := huggingFace(f)
	return checked(what, t, ok, *f.err)
}

// timmFile reads a config.json of timm's; false where it is another file.
func timmFile(what string, text []byte) (Transform, bool, error) {
	f, err := parseFields(what, text, append([]string{"pretrained_cfg"}, timmFields...)...)
	if err != nil {
		return Transform{}, false, err
	}
	if f.has("pretrained_cfg") {
		f = f.object("pretrained_cfg", timmFields...)
	} else if !f.has("input_size") || !f.has("mean") && !f.has("crop_pct") && !f.has("interpolation") {
		return Transform{}, false, nil
	}
	return checked(what, timmConfig(f), true, *f.err)
}

// checked is a transform that was read, where it is sound.
func checked(what string, t Transform, ok bool, err error) (Transform, bool, error) {
	if err == nil && ok {
		if err = t.check(); err != nil {
			err = fmt.Errorf("%s: %w", what, err)
		}
	}
	if err != nil || !ok {
		return Transform{}, false, err
	}
	return t, true, nil
}

var timmFields = []string{"input_size", "interpolation", "crop_pct", "crop_mode", "mean", "std"}

// timmConfig follows timm's transforms_imagenet_eval and resolve_data_config.
func timmConfig(f *fields) Transform {
	channels, height, width := 3, 224, 224
	if v := f.sides("input_size", 3); v != nil {
		channels, height, width = v[0], v[1], v[2]
	}
	share := f.share("crop_pct", 0.875)
	t := paper(width, height)
	t.Name, t.Crop, t.Pillow = "timm", Center, 13
	t.Interpolation = f.interpolation("interpolation", Bicubic)
	switch mode := f.string("crop_mode", "center"); mode {
	case "center", "":
		if t.Resize = cropped(width, height, share); t.Resize.Fit == Cover {
			t.Interpolation = Bilinear // timm forgets the interpolation there
		}
	case "squash", "border":
		t.Resize.Width, t.Resize.Height = int(math.Floor(float64(width)/share)), int(math.Floor(float64(height)/share))
		if mode == "border" {
			t.Resize.Fit = Contain
		}
	default:
		f.fail("crop_mode", "%q: want center, squash or border", mode)
	}
	if channels == 1 {
		t.Channels, t.Mean, t.Std = Grey, []float32{0.5}, []float32{0.5}
	}
	f.normalisation(&t, "mean", "std")
	if channels != t.channels() {
		f.fail("input_size", "%d channels: a picture has 3 (or 1, grey); give inputs as they are with --tensor FILE.safetensors", channels)
	}
	if t.Resize.Fit == Contain {
		for _, m := range t.Mean {
			t.Fill = append(t.Fill, uint8(min(max(math.RoundToEven(255*float64(m)), 0), 255)))
		}
		if len(t.Fill) == 1 {
			t.Fill = slices.Repeat(t.Fill, 3)
		}
	}
	return t
}

// interpolation returns a field that is a filter's name or Pillow's number of it.
func (f *fields) interpolation(name string, otherwise Interpolation) Interpolation {
	if f.is(name) == '0' {
		// Image.Resampling of Pillow.
		byNumber := []Interpolation{Nearest, Lanczos, Bilinear, Bicubic, Box, Hamming}
		v := f.number(name, 0)
		if !(v >= 0 && v < float64(len(byNumber)) && v == math.Trunc(v)) {
			f.fail(name, "%g: want one of Pillow's filters, 0 to 5", v)
			return otherwise
		}
		return byNumber[int(v)]
	}
	v := Interpolation(strings.ToLower(f.string(name, string(otherwise))))
	switch v {
	case "random": // chosen anew while training; bilinear when not
		return Bilinear
	case "":
		return otherwise
	}
	if filters[v] == nil {
		f.fail(name, "%q: want one of %s", v, list(Interpolations()))
	}
	return v
}

// normalisation reads mean and standard deviation, in the order of red, green and blue.
func (f *fields) normalisation(t *Transform, mean, std string) {
	for _, c := range []struct {
		name string
		to   *[]float32
	}{{mean, &t.Mean}, {std, &t.Std}} {
		v := f.perChannel(c.name, t.channels())
		if v == nil {
			continue
		}
		if len(v) != t.channels() {
			f.fail(c.name, "%d values for %d channels", len(v), t.channels())
		}
		*c.to = v
	}
}
