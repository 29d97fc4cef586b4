package report_test

import (
	"fmt"
	"os"
	"path/filepath"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/nn/vision"
)

// An explanation as cwox.Explain returns it, reduced to the minimum.
var explanation = &cwox.Explanation{
	File:    "strings.png",
	Picture: &vision.Picture{Width: 2, Height: 2, Pix: make([]uint8, 12)},
	Top: []cwox.TopClass{
		{Class: 486, Label: "cello", Probability: 0.84},
		{Class: 889, Label: "violin", Probability: 0.12},
	},
	Clusters: []cwox.Cluster{{Classes: []int{486, 889}, Probability: 0.96, Map: saliency.Map{Height: 1, Width: 2, Data: []float32{1, 3}}}},
	Classes: []cwox.Class{
		{Class: 486, Map: saliency.Map{Height: 1, Width: 2, Data: []float32{0, 2}}},
		{Class: 889, Map: saliency.Map{Height: 1, Width: 2, Data: []float32{1, 0}}},
	},
	Method: cwox.CWOX2s, Variant: cwox.Paper, Explainer: "gradcam",
}

func ExampleWrite() {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := report.Write(dir, explanation); err != nil {
		panic(err)
	}
	files, err := os.ReadDir(dir)
	if err != nil {
		panic(err)
	}
	for _, f := range files {
		fmt.Println(f.Name())
	}
	// Output:
	// class-486.png
	// class-889.png
	// cluster-0.png
	// index.html
	// maps.safetensors
	// report.json
}

func ExampleReadJSON() {
	dir, err := os.MkdirTemp("", "report")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	if err := report.Write(dir, explanation); err != nil {
		panic(err)
	}
	r, err := report.ReadJSON(filepath.Join(dir, report.JSONFile))
	if err != nil {
		panic(err)
	}
	for _, c := range r.Classes {
		fmt.Println(c.Class, "against", c.Foil, "is in", c.Map)
	}
	// Output:
	// 486 against [889] is in class/486
	// 889 against [486] is in class/889
}

func ExampleOverlay() {
	img := report.Overlay(explanation.Picture, explanation.Classes[0].Map, report.OverlayOptions{Opacity: 1})
	fmt.Println(img.Bounds(), img.RGBAAt(0, 0), img.RGBAAt(1, 0) == report.Viridis.At(1))
	// Output: (0,0)-(2,2) {0 0 0 255} true
}
