package vision

import (
	"fmt"
	"math"
)

// Paper stretches a picture to 224 x 224 and normalises it as torchvision does, as the
// paper's authors do, with the Pillow of their days; BVLC is Caffe's GoogLeNet's.
var (
	Paper = paper(224, 224)
	BVLC  = bvlc(224, 224)
)

// presets are the transforms that have a name, the default of most programs' first.
var presets = []struct {
	name string
	make func(width, height int) Transform
}{
	{"torchvision", torchvision},
	{"paper", paper},
	{"timm", timm},
	{"bvlc-caffe", bvlc},
}

// Presets lists the names that Preset knows.
func Presets() []string {
	var names []string
	for _, p := range presets {
		names = append(names, p.name)
	}
	return names
}

// Preset returns the transform of a name for a network's input:
//
//	torchvision  shorter side to int(size/0.875), 256 for 224; middle; bilinear; ImageNet's mean and deviation
//	paper        the whole picture stretched to the input, else as torchvision
//	timm         as torchvision, bicubic: timm's defaults
//	bvlc-caffe   stretched; blue, green, red from 0 to 255 less their means
//
// For one channel it is made grey, with mean and deviation 0.5, which nearly everybody takes
// then. The size is height x width; for one that is not square "shorter side" means that the
// picture is scaled to cover size/0.875.
func Preset(name string, channels, height, width int) (Transform, error) {
	t, err := preset(name, channels, height, width)
	if err == nil {
		err = t.validate(channels)
	}
	if err != nil {
		return Transform{}, fmt.Errorf("vision: %w", err)
	}
	return t, nil
}

func preset(name string, channels, height, width int) (Transform, error) {
	for _, p := range presets {
		if p.name == name {
			t := p.make(width, height)
			if channels == 1 {
				t.Channels, t.Scale, t.Mean, t.Std = Grey, 255, []float32{0.5}, []float32{0.5}
			}
			return t, nil
		}
	}
	return Transform{}, fmt.Errorf("unknown preprocessing %q (known: %s)", name, list(Presets()))
}

func paper(width, height int) Transform {
	return Transform{Name: "paper", Width: width, Height: height, Pillow: 12, Scale: 255,
		Mean: []float32{0.485, 0.456, 0.406}, Std: []float32{0.229, 0.224, 0.225}}
}

func torchvision(width, height int) Transform {
	t := paper(width, height)
	t.Name, t.Crop, t.Resize, t.Pillow = "torchvision", Center, cropped(width, height, 0.875), 13
	return t
}

func timm(width, height int) Transform {
	t := torchvision(width, height)
	t.Name, t.Interpolation = "timm", Bicubic
	if width != height {
		t.Interpolation = Bilinear // timm forgets the interpolation there
	}
	return t
}

func bvlc(width, height int) Transform {
	return Transform{Name: "bvlc-caffe", Width: width, Height: height, Pillow: 12, Channels: BGR, Scale: 1,
		Mean: []float32{104, 117, 123}, Std: []float32{1, 1, 1}}
}

// cropped is the resize of which a crop of width x height keeps a share of each side.
func cropped(width, height int, share float64) Resize {
	w, h := int(math.Floor(float64(width)/share)), int(math.Floor(float64(height)/share))
	if w == h {
		return Resize{Short: w}
	}
	return Resize{Width: w, Height: h, Fit: Cover}
}
