package vision

import (
	"slices"
	"strings"
)

// processorFields are the fields of preprocessor_config.json that matter.
var processorFields = []string{"image_processor_type", "feature_extractor_type", "do_resize", "size", "crop_pct", "resample",
	"do_center_crop", "crop_size", "do_rescale", "rescale_factor", "rescale_offset", "do_normalize", "image_mean", "image_std",
	"include_top", "do_flip_channel_order"}

// processor is an image processor of Hugging Face's transformers: its defaults, and what it
// does in its own way.
type processor struct {
	name     string // image_processor_type without ImageProcessor, FeatureExtractor, Fast
	shortest bool   // size is that of the shorter side, not of a square
	size     int
	resample Interpolation
	crop     int // crop_size; 0: no centre crop
	// mean and std are image_mean and image_std; nil where the processor does not normalise.
	mean, std []float32
	// own changes what the fields common to all processors have made.
	own func(f *fields, t *Transform)
}

var (
	defaultMean, defaultStd   = []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225} // IMAGENET_DEFAULT
	standardMean, standardStd = []float32{0.5, 0.5, 0.5}, []float32{0.5, 0.5, 0.5}             // IMAGENET_STANDARD
	clipMean, clipStd         = []float32{0.48145466, 0.4578275, 0.40821073}, []float32{0.26862954, 0.26130258, 0.27577711}
)

// processors are those of image classifiers, by their sources in transformers.
var processors = []processor{
	{"ViT", false, 224, Bilinear, 0, standardMean, standardStd, nil},
	{"ConvNext", true, 384, Bicubic, 0, standardMean, standardStd, convNext},
	{"Bit", true, 224, Bicubic, 224, clipMean, clipStd, nil},
	{"CLIP", true, 224, Bicubic, 224, clipMean, clipStd, nil},
	{"ViTHybrid", true, 224, Bicubic, 224, clipMean, clipStd, nil},
	{"DeiT", false, 256, Bicubic, 224, standardMean, standardStd, nil},
	{"Beit", false, 256, Bicubic, 224, standardMean, standardStd, nil},
	{"Siglip", false, 224, Bicubic, 0, standardMean, standardStd, nil},
	{"Pvt", false, 224, Bilinear, 0, defaultMean, defaultStd, nil},
	{"Segformer", false, 512, Bilinear, 0, defaultMean, defaultStd, nil},
	{"EfficientFormer", false, 224, Bicubic, 224, defaultMean, defaultStd, nil},
	{"EfficientNet", false, 346, Nearest, 0, standardMean, standardStd, efficientNet},
	{"Levit", true, 224, Bicubic, 224, defaultMean, defaultStd, levit},
	{"PoolFormer", true, 224, Bicubic, 224, defaultMean, defaultStd, poolFormer},
	{"MobileNetV1", true, 256, Bilinear, 224, standardMean, standardStd, nil},
	{"MobileNetV2", true, 256, Bilinear, 224, standardMean, standardStd, nil},
	{"MobileViT", true, 224, Bilinear, 256, nil, nil, mobileViT},
}

// huggingFace follows a preprocessor_config.json; false where it is not one.
func huggingFace(f *fields) (Transform, bool) {
	if f.has("pretrained_cfg") { // TimmWrapperImageProcessor
		return timmConfig(f.object("pretrained_cfg", timmFields...)), true
	}
	kind := f.string("image_processor_type", f.string("feature_extractor_type", ""))
	if kind == "" {
		if f.has("do_resize") || f.has("do_normalize") || f.has("image_mean") {
			f.fail("image_processor_type", "missing: what the other fields mean depends on it")
		}
		return Transform{}, false
	}
	p := processorOf(kind)
	if p == nil {
		f.fail("image_processor_type", "%q is not known: describe the input with --preprocess FILE.json", kind)
		return Transform{}, false
	}
	t := Transform{Name: kind, Pillow: 13, Interpolation: f.interpolation("resample", p.resample)}
	p.geometry(f, &t)
	p.values(f, &t)
	if p.own != nil {
		p.own(f, &t)
	}
	switch {
	case *f.err == nil && t.Width == 0:
		f.fail("do_center_crop", "false: %s, the input has no fixed size", t.Resize.words(t))
	case t.Crop == NoCrop && t.Resize.Fit == Stretch && t.Resize.Short == 0:
		t.Resize = Resize{} // to the input's size
	}
	return t, true
}

// processorOf finds a processor by its type; newer and older releases have other endings.
func processorOf(kind string) *processor {
	for _, ending := range []string{"Fast", "Pil", "ImageProcessor", "FeatureExtractor"} {
		kind = strings.TrimSuffix(kind, ending)
	}
	if i := slices.IndexFunc(processors, func(p processor) bool { return p.name == kind }); i >= 0 {
		return &processors[i]
	}
	return nil
}

// geometry reads resize and crop. The input's size stays 0 where neither fixes it.
func (p *processor) geometry(f *fields, t *Transform) {
	short, height, width := 0, p.size, p.size
	if p.shortest {
		short, height, width = p.size, 0, 0
	}
	if f.has("size") {
		short, height, width = f.edges("size", p.shortest)
	}
	switch {
	case !f.flag("do_resize", true):
		t.Resize.Fit = AsIs
	case short > 0:
		t.Resize.Short = short
	default:
		t.Resize.Width, t.Resize.Height = width, height
		t.Width, t.Height = width, height
	}
	if f.flag("do_center_crop", p.crop > 0) {
		short, height, width = 0, p.crop, p.crop
		if f.has("crop_size") {
			if short, height, width = f.edges("crop_size", false); short > 0 {
				height, width = short, short
			}
		}
		t.Crop, t.Width, t.Height = CenterFloor, width, height
	}
}

// edges reads a size: {"height", "width"}, {"shortest_edge"}, or a number, which stands for
// the shorter side or for a square.
func (f *fields) edges(name string, shortest bool) (short, height, width int) {
	switch f.is(name) {
	case '0':
		if n := f.side(name); shortest {
			short = n
		} else {
			height, width = n, n
		}
	case '[': // (height, width), in old files
		height, width = f.size(name)
	default:
		o := &fields{err: f.err}
		if f.is(name) == '{' {
			o = f.object(name, "height", "width", "shortest_edge", "longest_edge")
		}
		switch {
		case o.has("height") && o.has("width"):
			height, width = o.side("height"), o.side("width")
		case o.has("shortest_edge") && !o.has("longest_edge"):
			short = o.side("shortest_edge")
		default:
			f.fail(name, "%s: want a number, \"height\" and \"width\", or \"shortest_edge\"", abridged(f.text[name]))
		}
	}
	return short, height, width
}

// values reads scale, mean and standard deviation.
func (p *processor) values(f *fields, t *Transform) {
	t.Scale = 1
	if f.flag("do_rescale", true) {
		t.Scale = float32(1 / f.number("rescale_factor", 1./255))
	}
	t.Mean, t.Std = []float32{0, 0, 0}, []float32{1, 1, 1}
	if p.mean != nil && f.flag("do_normalize", true) {
		t.Mean, t.Std = slices.Clone(p.mean), slices.Clone(p.std)
		f.normalisation(t, "image_mean", "image_std")
	}
}

// convNext crops by itself below 384 pixels, and stretches from there on.
func convNext(f *fields, t *Transform) {
	short := t.Resize.Short
	if short == 0 {
		if t.Resize.Fit != AsIs {
			f.fail("size", "%s: want \"shortest_edge\"", abridged(f.text["size"]))
		}
		return
	}
	t.Width, t.Height, t.Crop, t.Resize = short, short, NoCrop, Resize{}
	if share := f.share("crop_pct", 224./256); short < 384 {
		t.Crop, t.Resize.Short = CenterFloor, int(float64(short)/share)
	}
}

// efficientNet centres values where it is told to, and divides by the deviation once more
// for classifiers.
func efficientNet(f *fields, t *Transform) {
	for c := range t.Mean {
		if f.flag("rescale_offset", false) {
			t.Mean[c] = float32(float64(t.Mean[c]) + 127.5/float64(t.Scale))
		}
		if f.flag("do_normalize", true) && f.flag("include_top", true) {
			t.Std[c] *= t.Std[c]
		}
	}
}

// levit enlarges the shorter side by 256/224.
func levit(_ *fields, t *Transform) { t.Resize.Short = int(256. / 224 * float64(t.Resize.Short)) }

// poolFormer enlarges the size by the share that the crop keeps.
func poolFormer(f *fields, t *Transform) {
	if string(f.text["crop_pct"]) == "null" { // no crop, here
		return
	}
	share := f.share("crop_pct", 0.9)
	grown := func(n int) int { return int(float64(n) / share) }
	switch r := &t.Resize; {
	case r.Short > 0:
		r.Short = grown(r.Short)
	case r.Width > 0 && r.Width == r.Height:
		*r = Resize{Short: grown(r.Width)}
	case r.Width > 0:
		r.Width, r.Height = grown(r.Width), grown(r.Height)
	}
}

// mobileViT takes blue, green and red.
func mobileViT(f *fields, t *Transform) {
	if f.flag("do_flip_channel_order", true) {
		t.Channels = BGR
	}
}
