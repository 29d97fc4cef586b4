package cwox

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"cwox/cwox/saliency"
	"cwox/nn"
	"cwox/nn/vision"
)

// Whole explanations of networks of other sizes and channels, by every explainer.
func TestExplainGeometry(t *testing.T) {
	for _, c := range []struct {
		preset string
		shape  nn.Shape
		seen   vision.Region // of 60 x 50 pixels
		unseen float64
	}{
		{"paper", nn.Shape{C: 1, H: 24, W: 40}, vision.Region{Width: 60, Height: 50}, 0},
		// Scaled to cover 45 x 27: by 0.75 to 45 x 38 (37.5 rounded to even).
		{"torchvision", nn.Shape{C: 3, H: 24, W: 40}, vision.Region{X: 2 * 60. / 45, Y: 7 * 50. / 38, Width: 40 * 60. / 45, Height: 24 * 50. / 38}, 1 - 40./45*24/38},
		// Shorter side to 36: 43 x 36; the middle 32 x 32 from 6 (5.5 rounded to even), 2 on.
		{"torchvision", nn.Shape{C: 1, H: 32, W: 32}, vision.Region{X: 6 * 60. / 43, Y: 2 * 50. / 36, Width: 32 * 60. / 43, Height: 32 * 50. / 36}, 1 - 32./43*32/36},
	} {
		tr, err := vision.Preset(c.preset, c.shape.C, c.shape.H, c.shape.W)
		if err != nil {
			t.Fatal(err)
		}
		p := New(tinyNetwork(t, c.shape, tr))
		defer p.Close()
		for _, x := range []saliency.Explainer{
			&saliency.GradCAM{ClusterLayer: "relu2", ClassLayer: "relu1"}, &saliency.MWP{ClusterLayer: "relu2", ClassLayer: "relu1"},
			&saliency.RISE{Cluster: saliency.RISEStage{Masks: 40}, Class: saliency.RISEStage{Masks: 40}},
			&saliency.LIME{Cluster: saliency.LIMEStage{Samples: 40}, Class: saliency.LIMEStage{Samples: 40}},
			&saliency.Guided{}, &saliency.DeepLIFT{},
		} {
			name := fmt.Sprintf("%s, %v, %s", c.preset, c.shape, x.Name())
			e, err := p.Explain(context.Background(), tinyPicture(), Options{Explainer: x, Clusters: [][]int{{0, 1}, {2}}})
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			checkExplanation(t, name, e)
			if e.Model.Height != c.shape.H || e.Model.Width != c.shape.W {
				t.Errorf("%s: maps of %d x %d", name, e.Model.Height, e.Model.Width)
			}
			if s := e.Input.Seen; math.Abs(s.X-c.seen.X)+math.Abs(s.Y-c.seen.Y)+math.Abs(s.Width-c.seen.Width)+math.Abs(s.Height-c.seen.Height) > 1e-9 ||
				math.Abs(e.Input.Unseen-c.unseen) > 1e-12 || e.Input.Transform == nil || e.Input.Transform.Name != c.preset {
				t.Errorf("%s: %+v, want %+v and %g unseen", name, e.Input, c.seen, c.unseen)
			}
			cropped := slices.ContainsFunc(e.Warnings, func(w Warning) bool {
				return w.Code == "cropped" && strings.Contains(w.Message, fmt.Sprintf("%.0f %%", 100*c.unseen)) && strings.Contains(w.Message, "--preprocess paper")
			})
			if cropped != (c.unseen > 0.1) {
				t.Errorf("%s: warnings %v", name, e.Warnings)
			}
		}
	}
}

// A transform that does not make what the network takes is an error that names both.
func TestTransformMismatch(t *testing.T) {
	shape := nn.Shape{C: 3, H: 24, W: 40}
	tr, err := vision.Preset("paper", 3, 40, 24)
	if err != nil {
		t.Fatal(err)
	}
	grey, err := vision.Preset("paper", 1, 24, 40)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		shape nn.Shape
		tr    vision.Transform
		want  string
	}{
		{shape, tr, "tiny takes 24 x 40 pixels, its transform makes 40 x 24"},
		{shape, grey, "the network's input has 3 channels, the transform makes 1"},
		{nn.Shape{C: 1, H: 40, W: 24}, tr, "the network's input has 1 channel, the transform makes 3 (rgb)"},
		{nn.Shape{C: 4, H: 40, W: 24}, tr, "the network wants 4 channels, a picture has 3 (or 1, grey): give it inputs as they are with --tensor"},
		{shape, vision.Transform{}, "0x0"},
	} {
		p := New(tinyNetwork(t, c.shape, c.tr))
		if _, err := p.Classify(tinyPicture(), 1, 1); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: error %v, want %q", c.shape, err, c.want)
		}
		p.Close()
	}
}

// Inputs as they are: the same maps as from the picture that they come from, and any number
// of channels.
func TestExplainTensor(t *testing.T) {
	c := tinyClassifier(t)
	p := New(c)
	defer p.Close()
	o := Options{Clusters: [][]int{{0, 1}, {2}}, Explainer: &saliency.GradCAM{ClusterLayer: "relu2", ClassLayer: "relu1"}}
	x := c.Transform.Tensor(tinyPicture())
	want, err := p.Explain(context.Background(), tinyPicture(), o)
	if err != nil {
		t.Fatal(err)
	}
	got, err := p.ExplainTensor(context.Background(), x, o)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want.Classes {
		if !slices.Equal(want.Classes[i].Map.Data, got.Classes[i].Map.Data) {
			t.Errorf("the map of class %d differs", want.Classes[i].Class)
		}
	}
	if got.Input.Transform != nil || got.Input.Seen != (vision.Region{Width: 32, Height: 32}) || got.Picture.Width != 32 {
		t.Errorf("input %+v", got.Input)
	}
	top, err := p.ClassifyTensor(x, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	if also, err := p.Classify(tinyPicture(), 3, 1); err != nil || !slices.Equal(top, also) {
		t.Errorf("top classes %v and %v, error %v", top, also, err)
	}
	if _, err := p.ClassifyTensor(x[1:], 3, 1); err == nil || !strings.Contains(err.Error(), "an input of 3071 numbers, tiny takes 3 x 32 x 32 = 3072") {
		t.Errorf("error %v", err)
	}
	for _, channels := range []int{1, 2, 4, 8} {
		p := New(tinyNetwork(t, nn.Shape{C: channels, H: 24, W: 40}, vision.Transform{}))
		defer p.Close()
		x := make([]float32, channels*24*40)
		for i := range x {
			x[i] = float32(math.Sin(float64(i*i))) * 3
		}
		for _, e := range []saliency.Explainer{o.Explainer, &saliency.LIME{Cluster: saliency.LIMEStage{Samples: 30}, Class: saliency.LIMEStage{Samples: 30, Kernel: 6}}} {
			o.Explainer = e
			got, err := p.ExplainTensor(context.Background(), x, o)
			if err != nil {
				t.Errorf("%d channels, %s: %v", channels, e.Name(), err)
				continue
			}
			checkExplanation(t, fmt.Sprintf("%d channels, %s", channels, e.Name()), got)
		}
		o.Explainer = &saliency.GradCAM{ClusterLayer: "relu2", ClassLayer: "relu1"}
	}
}

// A tensor is shown from its least to its largest value.
func TestPictureOf(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		channels int
		x        []float32 // [channels][1][2]
		want     []uint8
	}{
		{1, []float32{-2, 2}, []uint8{0, 0, 0, 255, 255, 255}},
		{2, []float32{0, 1, 5, 5}, []uint8{0, 0, 0, 255, 255, 255}},
		{3, []float32{0, 1, 7, 5, 2, 2}, []uint8{0, 255, 0, 255, 0, 0}},
		{4, []float32{0, 1, 7, 5, nan, 2, 9, 9}, []uint8{0, 255, 0, 255, 0, 0}},
	} {
		if got := pictureOf(c.x, c.channels, 1, 2).Pix; !slices.Equal(got, c.want) {
			t.Errorf("%v: %v, want %v", c.x, got, c.want)
		}
	}
}
