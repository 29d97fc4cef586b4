package dataset

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/saliency"
	"cwox/nn"
	"cwox/nn/vision"
)

// greyWide makes inputs of one channel, 10 wide and 6 high, cut out of the middle.
var greyWide = vision.Transform{Name: "grey", Width: 10, Height: 6, Resize: vision.Resize{Width: 12, Height: 7, Fit: vision.Cover},
	Crop: vision.Center, Channels: vision.Grey, Interpolation: vision.Bicubic, Scale: 255, Mean: []float32{0.5}, Std: []float32{0.5}}

// A network of another size and channel: documents are what it says of its own inputs, runs
// record the transform, and go on with no other.
func TestGeometry(t *testing.T) {
	c := smallOf(greyWide)
	_, images := smallImages(t, 14)
	out := filepath.Join(t.TempDir(), "docs.txt")
	if _, err := WriteDocuments(t.Context(), c, images, out, DocumentsOptions{Batch: 3, Threads: 2}); err != nil {
		t.Fatal(err)
	}
	session, err := c.Net.NewSession(nn.SessionOptions{Batch: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	text, err := os.ReadFile(out + ".jsonl")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for line := range strings.Lines(string(text)) {
		var l ImageLabels
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if l.Error != "" {
			continue
		}
		pic, err := vision.DecodeFile(l.Image, vision.Options{})
		if err != nil {
			t.Fatal(err)
		}
		prob := cwox.Softmax(session.Forward(greyWide.Tensor(pic)))
		if ranked := cwox.Rank(prob); l.Top[0].Class != ranked[0] || math.Abs(l.Top[0].Probability-prob[ranked[0]]) > 1e-6 {
			t.Errorf("%s: %v, want class %d with %g", l.Image, l.Top[0], ranked[0], prob[ranked[0]])
		}
		compared++
	}
	if compared != 12 {
		t.Errorf("%d images compared, want 12", compared)
	}
	var settings documentsSettings
	text, err = os.ReadFile(out + ".settings.json")
	if err == nil {
		err = json.Unmarshal(text, &settings)
	}
	if err != nil || settings.Transform == nil || settings.Transform.String() != greyWide.String() {
		t.Errorf("settings: transform %v, error %v", settings.Transform, err)
	}

	dir := t.TempDir()
	o := EvaluateOptions{
		Explainers:   []saliency.Explainer{&saliency.Guided{}, &saliency.DeepLIFT{}},
		Explain:      cwox.Options{Tree: mod5(t)},
		Faithfulness: faithfulness.Options{Definition: faithfulness.Paper, Step: 2, AUCSteps: 300},
	}
	e, err := Evaluate(t.Context(), c, images, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	m := e.Settings.Models["small"]
	if m.Pixels != 60 || m.Transform == nil || m.Transform.String() != greyWide.String() {
		t.Errorf("settings: %d pixels, transform %v", m.Pixels, m.Transform)
	}
	rows, _ := readRows(t, dir)
	if len(rows) == 0 {
		t.Error("no rows")
	}
	for _, r := range rows {
		if last := slices.Max(r.Curve.Pixels); last > 60 || r.NDelta > 60 {
			t.Errorf("%d pixels erased, %d salient, of 60", last, r.NDelta)
		}
	}

	stretched := smallOf(greyWide)
	stretched.Transform.Resize, stretched.Transform.Crop = vision.Resize{}, vision.NoCrop
	if _, err := WriteDocuments(t.Context(), stretched, images, out, DocumentsOptions{}); err == nil || !strings.Contains(err.Error(), `transform.crop was "center" and is "none" now`) {
		t.Errorf("documents with another transform: %v", err)
	}
	if _, err := Evaluate(t.Context(), stretched, images, dir, o); err == nil || !strings.Contains(err.Error(), `models.small.transform.crop was "center" and is "none" now`) {
		t.Errorf("evaluation with another transform: %v", err)
	}
	stretched.Transform.Channels, stretched.Transform.Mean, stretched.Transform.Std = vision.RGB, []float32{0, 0, 0}, []float32{1, 1, 1}
	const want = "the network's input has 1 channel, the transform makes 3"
	if _, err := WriteDocuments(t.Context(), stretched, images, out+"2", DocumentsOptions{}); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("documents with three channels: %v", err)
	}
	if _, err := Evaluate(t.Context(), stretched, images, t.TempDir(), o); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("evaluation with three channels: %v", err)
	}
	if err := wholeScenes(c); err == nil || !strings.Contains(err.Error(), "of 448 x 448 pixels, height first (scaled to cover 7x12, middle 6x10)") {
		t.Errorf("scenes: %v", err)
	}
	if err := wholeScenes(small()); err != nil {
		t.Errorf("scenes of a square, stretched input: %v", err)
	}
}
