package vision

import (
	"bytes"
	"encoding/json"
	"hash/crc32"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Every resize with every crop: the bytes that Pillow 13.0.0 gives where torchvision's and
// timm's steps are followed by hand, as CRC-32 (IEEE).
func TestTransformAsPillow(t *testing.T) {
	for _, c := range []struct {
		form          string
		width, height int
		crc           uint32
	}{
		{`{"size":[20, 20],"interpolation":"bilinear","crop":"center","resize":23,"mean":[0, 0, 0],"std":[1, 1, 1]}`, 61, 40, 0xabbf4143},
		{`{"size":[20, 20],"interpolation":"bilinear","crop":"center","resize":23,"mean":[0, 0, 0],"std":[1, 1, 1]}`, 40, 61, 0xa333a4d2},
		{`{"size":[20, 20],"interpolation":"bicubic","crop":"center","resize":25,"mean":[0, 0, 0],"std":[1, 1, 1]}`, 77, 40, 0xa5606c63},
		{`{"size":[16, 24],"interpolation":"bicubic","crop":"center","resize":25,"mean":[0, 0, 0],"std":[1, 1, 1]}`, 77, 40, 0x6627dae9},
		{`{"size":[16, 24],"interpolation":"lanczos","crop":"none","resize":"stretch","mean":[0, 0, 0],"std":[1, 1, 1]}`, 77, 40, 0xd0783778},
		{`{"size":[20, 20],"interpolation":"nearest","crop":"center","resize":15,"mean":[0, 0, 0],"std":[1, 1, 1]}`, 50, 31, 0x965bcc5b},
		{`{"size":[20, 21],"interpolation":"bilinear","crop":"center","resize":15,"mean":[0, 0, 0],"std":[1, 1, 1]}`, 50, 31, 0x2eea4d1f},
		{`{"size":[21, 20],"interpolation":"bilinear","crop":"center","resize":12,"mean":[0, 0, 0],"std":[1, 1, 1]}`, 31, 50, 0x6e7852e7},
		{`{"size":[20, 20],"interpolation":"bilinear","crop":"center","resize":"none","mean":[0, 0, 0],"std":[1, 1, 1]}`, 19, 27, 0x1d08ab04},
		{`{"size":[20, 20],"interpolation":"bilinear","crop":"center","resize":"none","mean":[0, 0, 0],"std":[1, 1, 1]}`, 55, 20, 0x806da1b6},
		{`{"size":[24, 20],"interpolation":"box","crop":"center","resize":[28, 22],"mean":[0, 0, 0],"std":[1, 1, 1]}`, 50, 31, 0x07a8225c},
		{`{"size":[16, 24],"interpolation":"bilinear","crop":"center","resize":{"cover":[18, 27]},"mean":[0, 0, 0],"std":[1, 1, 1]}`, 50, 31, 0xaf4d0fe2},
		{`{"size":[16, 24],"interpolation":"bilinear","crop":"center","resize":{"cover":[18, 27]},"mean":[0, 0, 0],"std":[1, 1, 1]}`, 31, 50, 0xd36b35f6},
		{`{"size":[16, 24],"interpolation":"bicubic","crop":"center","resize":{"contain":[18, 27]},"mean":[0, 0, 0],"std":[1, 1, 1],"fill":[124, 116, 104]}`, 31, 50, 0xadc1c7d5},
		{`{"size":[16, 24],"interpolation":"hamming","crop":"center","resize":{"contain":[16, 24]},"mean":[0, 0, 0],"std":[1, 1, 1],"fill":[124, 116, 104]}`, 50, 31, 0x5a2654da},
		{`{"size":[20, 20],"interpolation":"bicubic","crop":"center","resize":23,"mean":[0],"std":[1],"channels":"grey"}`, 61, 40, 0xbcae6fa9},
		{`{"size":[31, 9],"interpolation":"bilinear","crop":"none","resize":"stretch","mean":[0],"std":[1],"channels":"grey"}`, 61, 140, 0xe62c0af7},
	} {
		var tr Transform
		if err := json.Unmarshal([]byte(c.form), &tr); err != nil {
			t.Error(err)
			continue
		}
		p := made(c.width, c.height)
		kept := bytes.Clone(p.Pix)
		q := tr.Input(p)
		if q.Width != tr.Width || q.Height != tr.Height {
			t.Errorf("%s of %dx%d: %dx%d", tr, c.width, c.height, q.Width, q.Height)
		}
		if got := crc32.ChecksumIEEE(q.Pix); got != c.crc {
			t.Errorf("%s of %dx%d: pixels have CRC %#08x, want %#08x", tr, c.width, c.height, got, c.crc)
		}
		if !bytes.Equal(p.Pix, kept) {
			t.Errorf("%s changes the picture", tr)
		}
	}
}

// What a transform shows of a picture, by arithmetic.
func TestRegion(t *testing.T) {
	torchvision, err := Preset("torchvision", 3, 224, 224)
	if err != nil {
		t.Fatal(err)
	}
	contain := Transform{Width: 20, Height: 10, Crop: Center, Resize: Resize{Width: 20, Height: 10, Fit: Contain}}
	floor := torchvision
	floor.Crop = CenterFloor
	for _, c := range []struct {
		name          string
		t             Transform
		width, height int
		seen          Region
		unseen        float64
	}{
		{"stretched", Paper, 333, 500, Region{0, 0, 333, 500}, 0},
		{"square", torchvision, 512, 512, Region{32, 32, 448, 448}, 1 - 0.875*0.875},
		// 341 x 256: offset 58.5, to even 58.
		{"wide", torchvision, 400, 300, Region{58. * 400 / 341, 16. * 300 / 256, 224. * 400 / 341, 224. * 300 / 256}, 1 - 224./341*224/256},
		// 256 x 379: offset 77.5, to even 78, floored 77.
		{"tall", torchvision, 270, 400, Region{16. * 270 / 256, 78. * 400 / 379, 224. * 270 / 256, 224. * 400 / 379}, 1 - 224./256*224/379},
		{"tall, floor", floor, 270, 400, Region{16. * 270 / 256, 77. * 400 / 379, 224. * 270 / 256, 224. * 400 / 379}, 1 - 224./256*224/379},
		// 10 x 10 in the middle of 20 x 10.
		{"padded", contain, 50, 50, Region{-25, 0, 100, 50}, 0},
		{"as it is, too small", Transform{Width: 8, Height: 8, Crop: Center, Resize: Resize{Fit: AsIs}}, 5, 20, Region{-1, 6, 8, 8}, 1 - 8./20},
	} {
		seen, unseen := c.t.Region(c.width, c.height)
		if seen != c.seen || math.Abs(unseen-c.unseen) > 1e-15 {
			t.Errorf("%s: %+v and %g unseen, want %+v and %g", c.name, seen, unseen, c.seen, c.unseen)
		}
	}
}

// The JSON form, word for word, and back.
func TestTransformJSON(t *testing.T) {
	grey, err := Preset("torchvision", 1, 96, 64)
	if err != nil {
		t.Fatal(err)
	}
	odd := Transform{Name: "odd", Width: 20, Height: 10, Resize: Resize{Width: 30, Height: 12}, Crop: CenterFloor, Fill: []uint8{1, 2, 255},
		Interpolation: Lanczos, Pillow: 13, Channels: BGR, Scale: 127.5, Mean: []float32{-1, 0.1, 1e-7}, Std: []float32{1, -2, 3}}
	border := odd
	border.Resize = Resize{Width: 20, Height: 10, Fit: Contain}
	asIs := odd
	asIs.Resize = Resize{Fit: AsIs}
	for _, c := range []struct {
		t    Transform
		want string
	}{
		{Paper, `{"name":"paper","size":[224,224],"resize":"stretch","crop":"none","interpolation":"bilinear","pillow":12,"channels":"rgb","range":1,"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}`},
		{BVLC, `{"name":"bvlc-caffe","size":[224,224],"resize":"stretch","crop":"none","interpolation":"bilinear","pillow":12,"channels":"bgr","range":255,"mean":[104,117,123],"std":[1,1,1]}`},
		{grey, `{"name":"torchvision","size":[96,64],"resize":{"cover":[109,73]},"crop":"center","interpolation":"bilinear","pillow":13,"channels":"grey","range":1,"mean":[0.5],"std":[0.5]}`},
		{odd, `{"name":"odd","size":[10,20],"resize":[12,30],"crop":"center-floor","fill":[1,2,255],"interpolation":"lanczos","pillow":13,"channels":"bgr","range":2,"mean":[-1,0.1,1e-7],"std":[1,-2,3]}`},
		{border, `{"name":"odd","size":[10,20],"resize":{"contain":[10,20]},"crop":"center-floor","fill":[1,2,255],"interpolation":"lanczos","pillow":13,"channels":"bgr","range":2,"mean":[-1,0.1,1e-7],"std":[1,-2,3]}`},
		{asIs, `{"name":"odd","size":[10,20],"resize":"none","crop":"center-floor","fill":[1,2,255],"interpolation":"lanczos","pillow":13,"channels":"bgr","range":2,"mean":[-1,0.1,1e-7],"std":[1,-2,3]}`},
	} {
		text, err := json.Marshal(c.t)
		if err != nil {
			t.Error(err)
			continue
		}
		if string(text) != c.want {
			t.Errorf("%s\nwant %s", text, c.want)
		}
		var back Transform
		if err := json.Unmarshal(text, &back); err != nil {
			t.Error(err)
			continue
		}
		if again, err := json.Marshal(back); err != nil || !bytes.Equal(again, text) {
			t.Errorf("read back: %s, error %v", again, err)
		}
		p := made(50, 40)
		if !slices.Equal(back.Tensor(p), c.t.Tensor(p)) {
			t.Errorf("%s: read back it makes another tensor", text)
		}
	}
	if _, err := json.Marshal(Transform{}); err == nil {
		t.Error("the form of a transform that is none: no error")
	}
}

// What a person writes by hand.
func TestTransformShort(t *testing.T) {
	for _, c := range []struct{ form, want string }{
		{`{"preset":"torchvision"}`, "shorter side to 256, middle 224x224, bilinear; rgb / 255, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"},
		{`{"preset":"torchvision","size":288,"interpolation":"bicubic"}`, "shorter side to 329, middle 288x288, bicubic; rgb / 255, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"},
		{`{"preset":"timm","size":[128,256]}`, "scaled to cover 146x292, middle 128x256, bilinear; rgb / 255, mean 0.485 0.456 0.406, std 0.229 0.224 0.225"},
		{`{"preset":"paper","size":32,"channels":"grey"}`, "stretched to 32x32, bilinear; grey / 255, mean 0.5, std 0.5"},
		{`{"preset":"bvlc-caffe","mean":0,"channels":"rgb"}`, "stretched to 224x224, bilinear; rgb / 1, mean 0 0 0, std 1 1 1"},
		{`{"size":64,"mean":0.5,"std":0.25}`, "stretched to 64x64, bilinear; rgb / 255, mean 0.5 0.5 0.5, std 0.25 0.25 0.25"},
		{`{"size":64,"mean":[0.1],"std":0.3,"channels":"grey","resize":72,"crop":"center","range":255}`, "shorter side to 72, middle 64x64, bilinear; grey / 1, mean 0.1, std 0.3"},
	} {
		var tr Transform
		if err := json.Unmarshal([]byte(c.form), &tr); err != nil {
			t.Errorf("%s: %v", c.form, err)
		} else if got := tr.String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.form, got, c.want)
		}
	}
}

// Every refusal names what is wrong.
func TestTransformRefuses(t *testing.T) {
	good := `{"name":"x","size":[224,224],"resize":"stretch","crop":"none","interpolation":"bilinear","pillow":13,"channels":"rgb","range":1,"mean":[0,0,0],"std":[1,1,1]}`
	for _, c := range []struct{ from, to, want string }{
		{`"name"`, `"nmae"`, `unknown field "nmae" (known: preset, name,`},
		{`"name":"x"`, `"name":"x","name":"y"`, `"name": given twice`},
		{`"name":"x"`, `"name":7`, `"name": 7: want a string`},
		{`"name":"x"`, `"name":"` + strings.Repeat("y", 300) + `"`, "a name of 300 bytes"},
		{`[224,224]`, `[224,224,3]`, `"size": 3 numbers, want 2`},
		{`[224,224]`, `[224,224.5]`, `"size": 224.5: want whole numbers`},
		{`[224,224]`, `-1`, `"size": -1: want a whole number from 1 to 65536`},
		{`[224,224]`, `0`, `"size": 0: want`},
		{`[224,224]`, `"224"`, `"size": "224": want a list of 2 whole numbers`},
		{`[224,224]`, `[5000,224]`, "an input of 5000x224 pixels: want sides of 1 to 4096"},
		{`[224,224]`, `[4096,4096]`, "4096x4096 = 16777216 pixels, the limit is 4194304"},
		{`"size":[224,224],`, ``, `"size": missing`},
		{`"mean":[0,0,0],`, ``, `"mean": missing`},
		{`"stretch"`, `"squash"`, `"resize": "squash": want`},
		{`"stretch"`, `256`, "resize shorter side to 256 without a crop does not make the input of 224x224"},
		{`"stretch"`, `[256,256]`, "resize stretched to 256x256 without a crop"},
		{`"stretch"`, `"none"`, "resize not resized without a crop"},
		{`"stretch"`, `1e9`, `"resize": 1e+09: want a whole number from 1 to 65536`},
		{`"stretch"`, `{"fit":[1,1]}`, `"resize": {"fit":[1,1]}: want`},
		{`"stretch"`, `{"cover":[1,1],"contain":[1,1]}`, `"resize": {"cover"`},
		{`"stretch"`, `{"cover":[1]}`, `"cover": 1 numbers, want 2`},
		{`"crop":"none"`, `"crop":"middle"`, `crop "middle": want none, center or center-floor`},
		{`"crop":"none"`, `"crop":"none","fill":[1,2]`, "fill: 2 values, want 3"},
		{`"crop":"none"`, `"crop":"none","fill":[1,2,256]`, `"fill": 256: want 0 to 255`},
		{`"bilinear"`, `"cubic"`, `interpolation "cubic": want one of bilinear, bicubic, lanczos`},
		{`"pillow":13`, `"pillow":9`, "pillow 9: want 12"},
		{`"rgb"`, `"rgba"`, `channels "rgba": want one of rgb, bgr, grey`},
		{`"range":1`, `"range":0`, "scale +Inf"},
		{`"range":1`, `"range":-1`, "scale -255"},
		{`"range":1`, `"range":NaN`, "invalid character 'N'"},
		{`"range":1`, `"range":"1"`, `"range": "1": want a number`},
		{`"mean":[0,0,0]`, `"mean":[0,0]`, "2 means and 3 standard deviations: want 3 each for rgb"},
		{`"mean":[0,0,0]`, `"mean":[0,0,1e39]`, `"mean": 1e+39: too large`},
		{`"mean":[0,0,0]`, `"mean":[0,0,null,0,0,0,0,0,0,0,0,0,0,0,0,0,0]`, `"mean": 17 numbers: want 1 to 16`},
		{`"std":[1,1,1]`, `"std":[1,0,1]`, "channel 1: mean 0 and standard deviation 0"},
		{`"std":[1,1,1]`, `"std":1e-60`, "standard deviation 0"},
		{`"rgb"`, `"grey"`, "3 means and 3 standard deviations: want 1 each for grey"},
		{`"name":"x"`, `"preset":"mine"`, `unknown preprocessing "mine" (known: torchvision, paper, timm, bvlc-caffe)`},
		{`}`, ``, "unexpected"},
		{`}`, `} 1`, "after top-level value"},
		{`{"name"`, `[{"name"`, "unexpected end"},
		{good, `null`, ""},
		{good, `7`, "not a JSON object"},
		{good, `{"a":"` + strings.Repeat("x", 1<<17) + `"}`, "the limit is 65536"},
	} {
		var tr Transform
		err := json.Unmarshal([]byte(strings.Replace(good, c.from, c.to, 1)), &tr)
		if c.to == "null" {
			if err == nil {
				t.Error("null: no error")
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: error %v, want %q", abridged([]byte(c.to)), c.from, err, c.want)
		}
		if !reflect.DeepEqual(tr, Transform{}) {
			t.Errorf("%s for %s: half a transform is left", abridged([]byte(c.to)), c.from)
		}
	}
}

func TestValidate(t *testing.T) {
	grey, err := Preset("paper", 1, 20, 30)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		t        Transform
		channels int
		want     string
	}{
		{Paper, 3, ""}, {BVLC, 3, ""}, {grey, 1, ""},
		{Paper, 1, "vision: the network's input has 1 channel, the transform makes 3 (rgb): choose the channels grey"},
		{BVLC, 1, "the transform makes 3 (bgr)"},
		{grey, 3, "the network's input has 3 channels, the transform makes 1 (grey)"},
		{Paper, 4, "the network wants 4 channels, a picture has 3 (or 1, grey): give it inputs as they are with --tensor FILE.safetensors"},
		{grey, 2, "the network wants 2 channels"},
		{Transform{}, 3, "an input of 0x0 pixels"},
	} {
		err := c.t.Validate(c.channels)
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s for %d channels: error %v, want %q", c.t.Name, c.channels, err, c.want)
		}
	}
	if _, err := Preset("torchvision", 4, 224, 224); err == nil || !strings.Contains(err.Error(), "--tensor") {
		t.Errorf("a preset of 4 channels: %v", err)
	}
}

// Whatever is read as a transform can be followed, and writes the same form again.
func FuzzTransformJSON(f *testing.F) {
	for _, t := range []Transform{Paper, BVLC, torchvision(224, 224), timm(128, 256)} {
		text, err := json.Marshal(t)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Add(`{"preset":"torchvision","size":7,"resize":{"contain":[3,9]},"fill":[1,2,3],"crop":"center-floor","channels":"grey","mean":1,"std":2}`)
	p := made(9, 14)
	f.Fuzz(func(t *testing.T, text string) {
		var tr Transform
		if json.Unmarshal([]byte(text), &tr) != nil {
			return
		}
		out, err := json.Marshal(tr)
		if err != nil {
			t.Fatalf("%s: cannot be written: %v", text, err)
		}
		var again Transform
		if err := json.Unmarshal(out, &again); err != nil {
			t.Fatalf("%s: cannot be read back: %v", out, err)
		}
		if second, err := json.Marshal(again); err != nil || !bytes.Equal(out, second) {
			t.Fatalf("%s becomes %s", out, second)
		}
		seen, unseen := tr.Region(p.Width, p.Height)
		if !(seen.Width > 0 && seen.Height > 0 && unseen >= 0 && unseen <= 1) {
			t.Fatalf("%s: %+v, %g unseen", out, seen, unseen)
		}
		if tr.Width*tr.Height > 1<<14 {
			return
		}
		if x := tr.Tensor(p); len(x) != len(tr.Mean)*tr.Width*tr.Height {
			t.Fatalf("%s: %d numbers", out, len(x))
		}
	})
}
