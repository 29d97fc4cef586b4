package vision

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// maxTransform bounds the JSON form of a transform, in bytes.
const maxTransform = 1 << 16

// transformFields are the fields of the JSON form.
var transformFields = []string{"preset", "name", "size", "resize", "crop", "fill", "interpolation", "pillow", "channels", "range", "mean", "std"}

// MarshalJSON writes the transform as
//
//	{"name": "torchvision",
//	 "size": [224, 224],             height and width of the input
//	 "resize": 256,                  the shorter side; or "stretch" (to the input), "none", [height, width],
//	                                 {"cover": [height, width]}, {"contain": [height, width]}
//	 "crop": "center",               or "center-floor", "none"
//	 "fill": [0, 0, 0],              red, green and blue of the padding; left out for black
//	 "interpolation": "bilinear",    one of Interpolations
//	 "pillow": 13,                   whose order of passes: 12 or 13
//	 "channels": "rgb",              or "bgr", "grey"
//	 "range": 1,                     what 255 becomes before the mean is subtracted: 1 or 255, mostly
//	 "mean": [0.485, 0.456, 0.406],  in the network's channel order
//	 "std": [0.229, 0.224, 0.225]}
//
// It fails where the transform is not valid.
func (t Transform) MarshalJSON() ([]byte, error) {
	if err := t.check(); err != nil {
		return nil, fmt.Errorf("vision: transform: %w", err)
	}
	form := struct {
		Name          string        `json:"name"`
		Size          [2]int        `json:"size"`
		Resize        any           `json:"resize"`
		Crop          Crop          `json:"crop"`
		Fill          []int         `json:"fill,omitempty"`
		Interpolation Interpolation `json:"interpolation"`
		Pillow        int           `json:"pillow"`
		Channels      Channels      `json:"channels"`
		Range         float64       `json:"range"`
		Mean          []float32     `json:"mean"`
		Std           []float32     `json:"std"`
	}{t.Name, [2]int{t.Height, t.Width}, "stretch", t.Crop, nil, t.interpolation(), t.pillow(), t.order(), 255 / float64(t.Scale), t.Mean, t.Std}
	if t.Crop == NoCrop {
		form.Crop = "none"
	}
	for _, v := range t.Fill {
		form.Fill = append(form.Fill, int(v))
	}
	switch r := t.Resize; {
	case r.Fit == AsIs:
		form.Resize = AsIs
	case r.Short > 0:
		form.Resize = r.Short
	case r.Fit != Stretch:
		form.Resize = map[Fit][2]int{r.Fit: {r.Height, r.Width}}
	case r.Width > 0:
		form.Resize = [2]int{r.Height, r.Width}
	}
	return json.Marshal(form)
}

// UnmarshalJSON reads the form that MarshalJSON writes, strictly: what is not known, given
// twice, not finite or out of bounds is an error that names the field. "preset", one of
// Presets, gives what the other fields leave open, for the "size" given (else 224 x 224);
// without it "size", "mean" and "std" are needed, and the others are stretch, none, bilinear,
// 13, rgb and 1. A size may be one number; so may mean and std, for all channels.
func (t *Transform) UnmarshalJSON(text []byte) error {
	made, err := parseTransform("transform", text)
	if err != nil {
		return fmt.Errorf("vision: %w", err)
	}
	*t = made
	return nil
}

func parseTransform(what string, text []byte) (Transform, error) {
	f, err := parseFields(what, text)
	if err != nil {
		return Transform{}, err
	}
	for _, name := range slices.Sorted(maps.Keys(f.text)) {
		if !slices.Contains(transformFields, name) {
			return Transform{}, fmt.Errorf("%s: unknown field %q (known: %s)", what, name, list(transformFields))
		}
	}
	t := Transform{Scale: 255}
	if f.has("size") {
		t.Height, t.Width = f.size("size")
	}
	if f.has("preset") {
		height, width, channels := 224, 224, 3
		if f.has("size") {
			height, width = t.Height, t.Width
		}
		if f.string("channels", "") == string(Grey) {
			channels = 1
		}
		if t, err = preset(f.string("preset", ""), channels, height, width); err != nil && *f.err == nil {
			f.fail("preset", "%w", err)
		}
	} else {
		for _, name := range []string{"size", "mean", "std"} {
			if !f.has(name) {
				f.fail(name, "missing (so is \"preset\", which would give it)")
			}
		}
	}
	t.Name = f.string("name", t.Name)
	if f.has("resize") {
		t.Resize = f.resize()
	}
	if f.has("crop") {
		if t.Crop = Crop(f.string("crop", "")); t.Crop == "none" {
			t.Crop = NoCrop
		}
	}
	if f.has("fill") {
		t.Fill = f.bytes("fill")
	}
	t.Interpolation = Interpolation(f.string("interpolation", string(t.interpolation())))
	if f.has("pillow") {
		t.Pillow = f.side("pillow")
	}
	t.Channels = Channels(f.string("channels", string(t.order())))
	if f.has("range") {
		t.Scale = float32(255 / f.number("range", 1))
	}
	if v := f.perChannel("mean", t.channels()); v != nil {
		t.Mean = v
	}
	if v := f.perChannel("std", t.channels()); v != nil {
		t.Std = v
	}
	if *f.err != nil {
		return Transform{}, *f.err
	}
	if err := t.check(); err != nil {
		return Transform{}, fmt.Errorf("%s: %w", what, err)
	}
	return t, nil
}

// size returns a field that is [height, width], or one number for both.
func (f *fields) size(name string) (height, width int) {
	if f.is(name) == '0' {
		n := f.side(name)
		return n, n
	}
	if v := f.sides(name, 2); v != nil {
		return v[0], v[1]
	}
	return 0, 0
}

// resize returns the field "resize".
func (f *fields) resize() (r Resize) {
	switch f.is("resize") {
	case '0':
		r.Short = f.side("resize")
	case '[':
		r.Height, r.Width = f.size("resize")
	case '{':
		o := f.object("resize")
		for _, fit := range []Fit{Cover, Contain} {
			if o.has(string(fit)) && len(o.text) == 1 {
				r.Fit = fit
				r.Height, r.Width = o.size(string(fit))
				return r
			}
		}
		f.fail("resize", "%s: want {\"cover\": [height, width]} or {\"contain\": [height, width]}", abridged(f.text["resize"]))
	default:
		switch word := f.string("resize", ""); word {
		case "stretch":
		case "none":
			r.Fit = AsIs
		default:
			f.fail("resize", "%q: want \"stretch\", \"none\", a number, a size or an object", word)
		}
	}
	return r
}

// bytes returns a field that is a list of three numbers from 0 to 255.
func (f *fields) bytes(name string) []uint8 {
	var list []int
	f.decode(name, "a list of whole numbers", &list)
	out := []uint8{}
	for _, v := range list {
		if v < 0 || v > 255 {
			f.fail(name, "%d: want 0 to 255", v)
		}
		out = append(out, uint8(v))
	}
	return out
}

// perChannel returns a field that is one number for every channel, or for all; nil where it
// is absent.
func (f *fields) perChannel(name string, channels int) []float32 {
	v := f.numbers(name)
	if len(v) == 1 {
		return slices.Repeat(v, channels)
	}
	return v
}
