package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"cwox/nn/vision"
	"cwox/nn/zoo"
	"cwox/weights"
)

// TestCaffeKeepsItsChannels wants a preset to change the geometry of Caffe's GoogLeNet alone: it
// takes blue, green, red from 0 to 255, whatever the crop.
func TestCaffeKeepsItsChannels(t *testing.T) {
	for _, c := range []struct {
		preprocess string
		classes    int
		geometry   string
		guess      bool
	}{
		{"auto", 1000, "stretched to 224x224", true},
		{"auto", 10, "shorter side to 256, middle 224x224", true},
		{"torchvision", 1000, "shorter side to 256, middle 224x224", false},
		{"paper", 10, "stretched to 224x224", false},
	} {
		known, err := zoo.Lookup("googlenet-caffe")
		if err != nil {
			t.Fatal(err)
		}
		arch := *known
		arch.Facts.Classes, arch.Facts.Channels = c.classes, 3
		in, err := (&inputFlags{preprocess: c.preprocess}).choose(&cobra.Command{}, &arch, weights.Bare("x", nil), false)
		if err != nil {
			t.Fatal(err)
		}
		if in.Geometry() != c.geometry || in.guess != c.guess || in.Channels != vision.BGR || in.Scale != 1 ||
			!slices.Equal(in.Mean, []float32{104, 117, 123}) || !slices.Equal(in.Std, []float32{1, 1, 1}) {
			t.Errorf("%s, %d classes: %s, guess %t", c.preprocess, c.classes, in, in.guess)
		}
	}
}

// TestPublishedInput wants the size and resize that torchvision publishes a network with.
func TestPublishedInput(t *testing.T) {
	for name, want := range map[string]string{
		"efficientnet_b3":   "shorter side to 320, middle 300x300, bicubic",
		"efficientnet_v2_s": "shorter side to 384, middle 384x384, bilinear",
		"densenet121":       "shorter side to 256, middle 224x224, bilinear",
	} {
		known, err := zoo.Lookup(name)
		if err != nil {
			t.Fatal(err)
		}
		arch := *known
		arch.Facts.Classes, arch.Facts.Channels = 10, 3
		in, err := (&inputFlags{}).choose(&cobra.Command{}, &arch, weights.Bare("x", nil), false)
		if err != nil {
			t.Fatal(err)
		}
		interpolation := in.Interpolation
		if interpolation == "" {
			interpolation = vision.Bilinear
		}
		if got := in.Geometry() + ", " + string(interpolation); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// TestSizeOrder wants sizes said as they are given, height first.
func TestSizeOrder(t *testing.T) {
	arch, err := zoo.Lookup("resnet50")
	if err != nil {
		t.Fatal(err)
	}
	a := *arch
	a.Facts.Channels = 3
	in, err := (&inputFlags{preprocess: "paper", size: "160x288"}).choose(&cobra.Command{}, &a, weights.Bare("x", nil), false)
	if err != nil || in.Height != 160 || in.Width != 288 || !strings.HasPrefix(in.String(), "stretched to 160x288") {
		t.Errorf("%v, %v", in, err)
	}
}
