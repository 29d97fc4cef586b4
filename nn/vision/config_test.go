package vision

import (
	"encoding/json"
	"hash/crc32"
	"math"
	"strings"
	"testing"
)

// Image processors of transformers 4.44 (with Pillow 13.0.0): the pixels before they are
// rescaled, and the values of a pixel in the end.
func TestHuggingFace(t *testing.T) {
	for _, c := range []struct {
		preprocessor          string
		fromWidth, fromHeight int
		width, height         int
		crc                   uint32     // of the pixels
		values                [3]float64 // of the pixel at (width/3, height/2)
	}{
		{`{"image_processor_type":"ViTImageProcessor"}`, 133, 90, 224, 224, 0x55087340, [3]float64{0.2, 0.3647059, -0.1294118}},
		{`{"size":{"height":40,"width":64},"resample":3,"image_processor_type":"ViTImageProcessor"}`, 133, 90, 64, 40, 0x01f7bb58, [3]float64{-0.145098, -0.01960784, 0.1764706}},
		{`{"size":64,"resample":1,"image_mean":[0.1, 0.2, 0.3],"image_std":[0.4, 0.5, 0.6],"image_processor_type":"ViTImageProcessor"}`, 133, 90, 64, 64, 0x2983f58e, [3]float64{0.3284313, 1.003922, 0.7614379}},
		{`{"size":{"shortest_edge":64},"crop_pct":0.875,"resample":2,"image_processor_type":"ConvNextImageProcessor"}`, 133, 90, 64, 64, 0x18efc456, [3]float64{-0.1764706, 0.6705883, 0.5137255}},
		{`{"size":{"shortest_edge":65},"resample":2,"image_processor_type":"ConvNextImageProcessor"}`, 90, 133, 65, 65, 0xebef835c, [3]float64{-0.2549019, 0.9607843, 0.1764706}},
		{`{"size":{"shortest_edge":384},"resample":2,"image_processor_type":"ConvNextImageProcessor"}`, 133, 90, 384, 384, 0x98e4c290, [3]float64{0.2235295, 0.5215687, 0.03529418}},
		{`{"image_processor_type":"BitImageProcessor"}`, 133, 90, 224, 224, 0xaa1d37ca, [3]float64{-0.507601, -1.121771, 0.6243501}},
		{`{"size":{"shortest_edge":70},"crop_size":{"height":64,"width":48},"image_processor_type":"BitImageProcessor"}`, 133, 90, 48, 64, 0x289fce15, [3]float64{-0.7411758, -0.011196, 1.065172}},
		{`{"size":70,"crop_size":65,"image_processor_type":"CLIPImageProcessor"}`, 133, 90, 65, 65, 0x7232cb97, [3]float64{-0.2448293, 0.4390371, 1.022512}},
		{`{"size":{"shortest_edge":40},"crop_size":65,"image_processor_type":"BitImageProcessor"}`, 133, 90, 65, 65, 0x23b8ed33, [3]float64{-0.02585294, 0.4690526, 0.5248097}},
		{`{"size":{"height":71,"width":73},"crop_size":64,"image_processor_type":"DeiTImageProcessor"}`, 133, 90, 64, 64, 0x0ea1aea9, [3]float64{0.3254902, 0.8196079, -0.06666666}},
		{`{"size":80,"crop_size":64,"do_center_crop":true,"image_processor_type":"BeitImageProcessor"}`, 133, 90, 64, 64, 0x5cb0114a, [3]float64{-0.4117647, 0.6784314, 0.8039216}},
		{`{"size":{"height":64,"width":64},"image_processor_type":"EfficientNetImageProcessor"}`, 133, 90, 64, 64, 0x43145208, [3]float64{-0.4941176, 0.4313726, 1.356863}},
		{`{"size":{"height":64,"width":64},"rescale_offset":true,"rescale_factor":0.00784313725490196,"resample":3,"include_top":false,"do_normalize":false,"image_processor_type":"EfficientNetImageProcessor"}`, 133, 90, 64, 64, 0x941b950e, [3]float64{-0.4823529, 0.3568628, 0.4588236}},
		{`{"size":{"shortest_edge":64},"crop_size":{"height":64,"width":64},"image_processor_type":"LevitImageProcessor"}`, 133, 90, 64, 64, 0x01d59ce5, [3]float64{-0.6622999, 1.938375, 1.698824}},
		{`{"size":{"shortest_edge":64},"crop_size":64,"crop_pct":0.95,"image_processor_type":"PoolFormerImageProcessor"}`, 133, 90, 64, 64, 0x6672a960, [3]float64{-0.5424266, -0.9677871, 0.9319392}},
		{`{"size":{"height":64,"width":64},"crop_size":64,"image_processor_type":"PoolFormerImageProcessor"}`, 133, 90, 64, 64, 0x571cd7e0, [3]float64{0.02269024, 2.043417, 1.297952}},
		{`{"size":{"height":64,"width":72},"crop_size":64,"crop_pct":0.8,"image_processor_type":"PoolFormerImageProcessor"}`, 133, 90, 64, 64, 0xdc9bddad, [3]float64{-0.6109256, -0.407563, 0.5659261}},
		{`{"size":{"shortest_edge":73},"crop_size":64,"image_processor_type":"MobileNetV2ImageProcessor"}`, 133, 90, 64, 64, 0x18efc456, [3]float64{-0.1764706, 0.6705883, 0.5137255}},
		{`{"size":{"shortest_edge":73},"crop_size":64,"image_processor_type":"MobileViTImageProcessor"}`, 133, 90, 64, 64, 0x18efc456, [3]float64{0.7568628, 0.8352941, 0.4117647}},
		{`{"size":{"height":64,"width":64},"image_processor_type":"PvtImageProcessor"}`, 133, 90, 64, 64, 0xf0727a3f, [3]float64{-0.6622999, 0.7829133, 1.141089}},
		{`{"size":{"height":64,"width":64},"image_processor_type":"SiglipImageProcessor"}`, 133, 90, 64, 64, 0x941b950e, [3]float64{-0.4823529, 0.3568628, 0.4588236}},
		{`{"size":{"height":64,"width":64},"image_processor_type":"SegformerImageProcessor"}`, 133, 90, 64, 64, 0xf0727a3f, [3]float64{-0.6622999, 0.7829133, 1.141089}},
		{`{"size":{"shortest_edge":73},"crop_size":64,"image_processor_type":"ViTHybridImageProcessor"}`, 133, 90, 64, 64, 0x01d59ce5, [3]float64{-0.5513963, 1.654666, 1.378013}},
		{`{"size":{"height":70,"width":70},"crop_size":64,"image_processor_type":"EfficientFormerImageProcessor"}`, 133, 90, 64, 64, 0xe9b98302, [3]float64{-1.090419, 0.9229692, 2.029978}},
		{`{"do_resize":true,"size":64,"do_normalize":false,"image_processor_type":"ViTImageProcessor"}`, 133, 90, 64, 64, 0xf0727a3f, [3]float64{0.3333333, 0.6313726, 0.6627451}},
		{`{"size":64,"do_rescale":false,"image_processor_type":"ViTImageProcessor"}`, 133, 90, 64, 64, 0xf0727a3f, [3]float64{169, 321, 337}},
	} {
		tr, source, ok, err := FromConfig(nil, []byte(c.preprocessor), nil)
		if err != nil || !ok || source != PreprocessorFile {
			t.Errorf("%s: found %v in %q, error %v", c.preprocessor, ok, source, err)
			continue
		}
		if err := tr.Validate(3); err != nil || tr.Width != c.width || tr.Height != c.height {
			t.Errorf("%s: %s, error %v, want %dx%d", c.preprocessor, tr, err, c.width, c.height)
			continue
		}
		q := tr.Input(made(c.fromWidth, c.fromHeight))
		if got := crc32.ChecksumIEEE(q.Pix); got != c.crc {
			t.Errorf("%s: %s: pixels have CRC %#08x, want %#08x", c.preprocessor, tr, got, c.crc)
		}
		x := tr.Normalize(q)
		for i, want := range c.values { // printed with seven digits, computed with other roundings
			got := float64(x[i*c.width*c.height+c.height/2*c.width+c.width/3])
			if !(math.Abs(got-want) <= 1e-6*math.Max(1, math.Abs(want))) {
				t.Errorf("%s: %s: channel %d: %g, want %g", c.preprocessor, tr, i, got, want)
			}
		}
		// Newer and older releases have other endings.
		for _, ending := range []string{"ImageProcessorFast", "FeatureExtractor"} {
			other := strings.Replace(c.preprocessor, "ImageProcessor", ending, 1)
			if ending == "FeatureExtractor" {
				other = strings.Replace(other, "image_processor_type", "feature_extractor_type", 1)
			}
			again, _, ok, err := FromConfig(nil, []byte(other), nil)
			if err != nil || !ok || again.String() != tr.String() {
				t.Errorf("%s: %s, error %v", other, again, err)
			}
		}
	}
}

// timm's configurations, by its transforms_imagenet_eval.
func TestTimm(t *testing.T) {
	const imageNet = "; rgb / 255, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"
	for _, c := range []struct{ config, want string }{
		{`{"input_size":[3,224,224],"interpolation":"bilinear","crop_pct":0.875,"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}`, "shorter side to 256, middle 224x224, bilinear" + imageNet},
		{`{"architecture":"x","pretrained_cfg":{"input_size":[3,160,160],"crop_pct":0.95,"interpolation":"bicubic","test_input_size":[3,288,288],"test_crop_pct":1.0}}`, "shorter side to 168, middle 160x160, bicubic" + imageNet},
		{`{"pretrained_cfg":{}}`, "shorter side to 256, middle 224x224, bicubic" + imageNet},
		{`{"pretrained_cfg":{"crop_pct":null,"interpolation":"random","crop_mode":null}}`, "shorter side to 256, middle 224x224, bilinear" + imageNet},
		{`{"pretrained_cfg":{"input_size":[3,299,299],"crop_pct":0.875,"mean":[0.5,0.5,0.5],"std":0.5}}`, "shorter side to 341, middle 299x299, bicubic; rgb / 255, mean 0.5 0.5 0.5, std 0.5 0.5 0.5"},
		{`{"pretrained_cfg":{"crop_pct":1.0,"crop_mode":"squash","input_size":[3,384,384]}}`, "stretched to 384x384, middle 384x384, bicubic" + imageNet},
		{`{"pretrained_cfg":{"crop_pct":0.9,"crop_mode":"squash","input_size":[3,100,200],"interpolation":"lanczos"}}`, "stretched to 111x222, middle 100x200, lanczos" + imageNet},
		{`{"pretrained_cfg":{"crop_pct":0.9,"crop_mode":"border","input_size":[3,100,200],"interpolation":"lanczos"}}`, "scaled to fit into 111x222, middle 100x200, lanczos" + imageNet},
		{`{"pretrained_cfg":{"crop_pct":0.9,"input_size":[3,100,200]}}`, "scaled to cover 111x222, middle 100x200, bilinear" + imageNet},
		{`{"pretrained_cfg":{"input_size":[1,28,28],"crop_pct":1,"mean":[0.1307],"std":[0.3081]}}`, "shorter side to 28, middle 28x28, bicubic; grey / 255, mean 0.1307, std 0.3081"},
		{`{"pretrained_cfg":{"input_size":[1,28,28]}}`, "shorter side to 32, middle 28x28, bicubic; grey / 255, mean 0.5, std 0.5"},
	} {
		tr, source, ok, err := FromConfig([]byte(c.config), nil, nil)
		if err != nil || !ok || source != ConfigFile || tr.String() != c.want {
			t.Errorf("%s: %s from %q, error %v, want %s", c.config, tr, source, err, c.want)
		}
		if tr, err := ParseTransform("x.json", []byte(c.config)); err != nil || tr.String() != c.want {
			t.Errorf("%s as any file: %s, error %v, want %s", c.config, tr, err, c.want)
		}
		tr, _, ok, err = FromConfig(nil, []byte(`{"image_processor_type":"TimmWrapperImageProcessor","pretrained_cfg":`+c.config+`}`), nil)
		if strings.HasPrefix(c.config, `{"input_size"`) && (err != nil || !ok || tr.String() != c.want) {
			t.Errorf("%s in a preprocessor: %s, error %v", c.config, tr, err)
		}
	}
	border, _, _, err := FromConfig([]byte(`{"pretrained_cfg":{"crop_mode":"border"}}`), nil, nil)
	if err != nil || string(border.Fill) != "\x7c\x74\x68" { // 255 times the mean, rounded
		t.Errorf("border filled with %v, error %v", border.Fill, err)
	}
}

// Which of several places is followed, and where nothing is said.
func TestFromConfigSource(t *testing.T) {
	form, err := json.Marshal(BVLC)
	if err != nil {
		t.Fatal(err)
	}
	const timm, vit = `{"pretrained_cfg":{}}`, `{"image_processor_type":"ViTImageProcessor"}`
	for _, c := range []struct {
		config, preprocessor, metadata string
		name, source                   string
	}{
		{timm, vit, string(form), "bvlc-caffe", "metadata cwox.transform"},
		{timm, vit, "", "ViTImageProcessor", PreprocessorFile},
		{timm, "", "", "timm", ConfigFile},
		{timm, `{"processor_class":"CLIPProcessor"}`, "", "timm", ConfigFile},
		{`{"model_type":"resnet","id2label":{"0":"cat"},"hidden_sizes":[3,6]}`, "", "", "", ""},
		{`{"num_classes":3,"input_size":[3,224,224]}`, "", "", "", ""},
		{"", `{"image_processor":` + vit + `,"processor_class":"x"}`, "", "ViTImageProcessor", PreprocessorFile},
		{"", "", "", "", ""},
	} {
		var config, preprocessor []byte
		var metadata map[string]string
		if c.config != "" {
			config = []byte(c.config)
		}
		if c.preprocessor != "" {
			preprocessor = []byte(c.preprocessor)
		}
		if c.metadata != "" {
			metadata = map[string]string{MetadataKey: c.metadata, "format": "pt"}
		}
		tr, source, ok, err := FromConfig(config, preprocessor, metadata)
		if err != nil || tr.Name != c.name || source != c.source || ok != (c.source != "") {
			t.Errorf("%s, %s, %s: %q from %q, error %v, want %q from %q", c.config, c.preprocessor, c.metadata, tr.Name, source, err, c.name, c.source)
		}
	}
}

// Wrong configurations are errors that name file and field.
func TestFromConfigRefuses(t *testing.T) {
	for _, c := range []struct{ config, preprocessor, metadata, want string }{
		{"[]", "", "", "vision: config.json: not a JSON object"},
		{`{"a":`, "", "", `config.json: "a": unexpected EOF`},
		{`{"pretrained_cfg":7}`, "", "", `config.json: "pretrained_cfg": not a JSON object`},
		{`{"pretrained_cfg":{"input_size":[3,224]}}`, "", "", `config.json: "pretrained_cfg": "input_size": 2 numbers, want 3`},
		{`{"pretrained_cfg":{"input_size":[3,0,224]}}`, "", "", `"input_size": 0: want whole numbers`},
		{`{"pretrained_cfg":{"input_size":[3,9000,224]}}`, "", "", `config.json: an input of 9000x224 pixels: want sides of 1 to 4096`},
		{`{"pretrained_cfg":{"input_size":[4,224,224]}}`, "", "", `"input_size": 4 channels: a picture has 3 (or 1, grey); give inputs as they are with --tensor`},
		{`{"pretrained_cfg":{"input_size":[1,224,224],"mean":[0.485,0.456,0.406]}}`, "", "", `"mean": 3 values for 1 channels`},
		{`{"pretrained_cfg":{"crop_pct":-1}}`, "", "", `"crop_pct": -1: want more than 0 and at most 1`},
		{`{"pretrained_cfg":{"crop_pct":1e-9}}`, "", "", "want 1 to 65536"},
		{`{"pretrained_cfg":{"interpolation":"quintic"}}`, "", "", `"interpolation": "quintic": want one of`},
		{`{"pretrained_cfg":{"interpolation":9}}`, "", "", `"interpolation": 9: want one of Pillow's filters`},
		{`{"pretrained_cfg":{"crop_mode":"spiral"}}`, "", "", `"crop_mode": "spiral"`},
		{`{"pretrained_cfg":{"std":[0,0,0]}}`, "", "", "standard deviation 0"},
		{"", `{"do_resize":true,"size":224}`, "", `preprocessor_config.json: "image_processor_type": missing`},
		{"", `{"image_processor_type":"PerceiverImageProcessor"}`, "", `"image_processor_type": "PerceiverImageProcessor" is not known: describe the input with --preprocess FILE.json`},
		{"", `{"image_processor_type":"ViTImageProcessor","size":{"longest_edge":3}}`, "", `"size": {"longest_edge":3}: want a number, "height" and "width", or "shortest_edge"`},
		{"", `{"image_processor_type":"ViTImageProcessor","size":{"shortest_edge":224}}`, "", `"do_center_crop": false: shorter side to 224, the input has no fixed size`},
		{"", `{"image_processor_type":"ViTImageProcessor","do_resize":false}`, "", `"do_center_crop": false: not resized, the input has no fixed size`},
		{"", `{"image_processor_type":"ViTImageProcessor","size":-3}`, "", `"size": -3: want`},
		{"", `{"image_processor_type":"ViTImageProcessor","size":true}`, "", `"size": true: want`},
		{"", `{"image_processor_type":"ViTImageProcessor","do_rescale":"yes"}`, "", `"do_rescale": "yes": want true or false`},
		{"", `{"image_processor_type":"ViTImageProcessor","rescale_factor":0}`, "", "scale +Inf"},
		{"", `{"image_processor_type":"ViTImageProcessor","image_mean":[1,2]}`, "", `"image_mean": 2 values for 3 channels`},
		{"", `{"image_processor_type":"ViTImageProcessor","image_std":0}`, "", "standard deviation 0"},
		{"", `{"image_processor_type":"ConvNextImageProcessor","size":{"height":3,"width":4}}`, "", `"size": {"height":3,"width":4}: want "shortest_edge"`},
		{"", "", `{"size":3}`, `metadata cwox.transform: "mean": missing`},
		{"", "", "", "metadata cwox.transform: not a JSON object"},
	} {
		var config, preprocessor []byte
		metadata := map[string]string{}
		switch {
		case c.config != "":
			config = []byte(c.config)
		case c.preprocessor != "":
			preprocessor = []byte(c.preprocessor)
		default:
			metadata[MetadataKey] = c.metadata
		}
		_, _, ok, err := FromConfig(config, preprocessor, metadata)
		if err == nil || ok || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "vision: ") {
			t.Errorf("%s%s%s: error %v, want %q", c.config, c.preprocessor, c.metadata, err, c.want)
		}
	}
	huge := []byte(`{"a":"` + strings.Repeat("x", maxConfig) + `"}`)
	if _, _, _, err := FromConfig(huge, nil, nil); err == nil || !strings.Contains(err.Error(), "the limit is 16777216") {
		t.Errorf("%d bytes: %v", len(huge), err)
	}
	deep := []byte(`{"a":` + strings.Repeat("[", 1<<20) + strings.Repeat("]", 1<<20) + `}`)
	if _, _, _, err := FromConfig(deep, nil, nil); err == nil || !strings.Contains(err.Error(), "max depth") {
		t.Errorf("a deep text: %v", err)
	}
}

// A file of any kind, told apart by its fields.
func TestParseTransform(t *testing.T) {
	form, err := json.Marshal(BVLC)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, name, err string }{
		{string(form), "bvlc-caffe", ""},
		{`{"preset":"torchvision","size":64}`, "torchvision", ""},
		{`{"image_processor_type":"BitImageProcessor"}`, "BitImageProcessor", ""},
		{`{"image_processor":{"feature_extractor_type":"ViTFeatureExtractor"}}`, "ViTFeatureExtractor", ""},
		{`{"architecture":"resnet18","num_classes":5,"pretrained_cfg":{"input_size":[3,64,64]}}`, "timm", ""},
		{`{"size":64}`, "", `vision: mine.json: "mean": missing`},
		{`{"model_type":"resnet"}`, "", `vision: mine.json: unknown field "model_type"`},
		{`{"pretrained_cfg":{"crop_pct":7}}`, "", `vision: mine.json: "pretrained_cfg": "crop_pct": 7`},
		{`{"input_size":[3,64,5000],"mean":0}`, "", "vision: mine.json: an input of 64x5000"},
		{``, "", "vision: mine.json: not a JSON object"},
	} {
		tr, err := ParseTransform("mine.json", []byte(c.text))
		if c.err == "" && (err != nil || tr.Name != c.name) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %q, error %v, want %q%q", c.text, tr.Name, err, c.name, c.err)
		}
	}
}

// Whatever a configuration holds, it is refused or can be followed.
func FuzzFromConfig(f *testing.F) {
	f.Add(`{"pretrained_cfg":{"input_size":[3,160,160],"crop_pct":0.95,"crop_mode":"border","interpolation":"bicubic"}}`, ``, ``)
	f.Add(`{"input_size":[1,28,28],"mean":0.5}`, `{"image_processor_type":"ConvNextImageProcessor","crop_pct":0.875,"size":{"shortest_edge":224}}`, ``)
	f.Add(``, `{"image_processor_type":"MobileViTImageProcessor","crop_size":{"height":3,"width":40},"size":9,"resample":1}`, `{"preset":"timm"}`)
	f.Add(``, `{"image_processor_type":"EfficientNetImageProcessor","size":[3,40],"rescale_offset":true,"rescale_factor":0.5}`, ``)
	p := made(7, 19)
	f.Fuzz(func(t *testing.T, config, preprocessor, metadata string) {
		m := map[string]string{}
		if metadata != "" {
			m[MetadataKey] = metadata
		}
		for _, text := range []string{config, preprocessor, metadata} {
			if tr, err := ParseTransform("x", []byte(text)); err == nil && tr.check() != nil {
				t.Fatalf("%s: %v", text, tr.check())
			}
		}
		tr, _, ok, err := FromConfig([]byte(config), []byte(preprocessor), m)
		if err != nil || !ok {
			return
		}
		if err := tr.Validate(len(tr.Mean)); err != nil {
			t.Fatalf("%+v: %v", tr, err)
		}
		if tr.Width*tr.Height <= 1<<14 {
			tr.Tensor(p)
		}
	})
}
