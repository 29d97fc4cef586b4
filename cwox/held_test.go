package cwox

import (
	"context"
	"math"
	"reflect"
	"slices"
	"testing"

	"cwox/cwox/saliency"
	"cwox/internal/demo"
	"cwox/internal/drawnworld"
	"cwox/nn"
)

func demoScene(t *testing.T) (*Classifier, *Held) {
	t.Helper()
	c, err := Demo(nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c, Hold(drawnworld.New(893, drawnworld.Options{}).Picture(demo.PictureSize))
}

// timeless is an explanation without its times.
func timeless(e *Explanation) *Explanation {
	e.Seconds = nil
	return e
}

// TestHeld wants of a held picture what a fresh one gives, byte for byte: whoever asked before, and
// for whatever.
func TestHeld(t *testing.T) {
	c, h := demoScene(t)
	p := New(c)
	defer p.Close()
	tree := DefaultTree(c)
	explainer := func(e saliency.Explainer) func() saliency.Explainer { return func() saliency.Explainer { return e } }
	named := func(name string) func() saliency.Explainer {
		return func() saliency.Explainer {
			e, err := NewExplainer(name, c, Paper)
			if err != nil {
				t.Fatal(err)
			}
			return e
		}
	}
	rise := explainer(&saliency.RISE{Cluster: saliency.RISEStage{Masks: 24}, Class: saliency.RISEStage{Masks: 16}})
	top, err := p.Classify(h.Picture(), 4, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, b, d := top[0].Class, top[1].Class, top[2].Class
	for _, tt := range []struct {
		name      string
		explainer func() saliency.Explainer
		o         Options
	}{
		{"the first", named("gradcam"), Options{Tree: tree, Effects: true}},
		{"the same again", named("gradcam"), Options{Tree: tree, Effects: true}},
		{"other clusters", named("gradcam"), Options{Clusters: [][]int{{a, d}, {b}}}},
		{"another method", named("gradcam"), Options{Tree: tree, Method: SWOX}},
		{"other layers", explainer(&saliency.GradCAM{ClusterLayer: "layer3", ClassLayer: "layer2"}), Options{Tree: tree}},
		{"MWP", named("mwp"), Options{Tree: tree}},
		{"guided, which needs the session", named("guided"), Options{Tree: tree}},
		{"guided again", named("guided"), Options{Tree: tree}},
		{"RISE", rise, Options{Tree: tree, Effects: true}},
		{"a class that was not asked for", named("gradcam"), Options{Classes: []int{a, 35, 0}, Tree: tree}},
	} {
		tt.o.Explainer = tt.explainer()
		held, err := p.ExplainHeld(context.Background(), h, tt.o)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		fresh := New(c)
		tt.o.Explainer = tt.explainer()
		want, err := fresh.Explain(context.Background(), h.Picture(), tt.o)
		fresh.Close()
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(timeless(held), timeless(want)) {
			t.Errorf("%s: not what a fresh picture gives", tt.name)
		}
	}
}

// TestHeldNeedsNoPass: other clusters of known classes are explained without a session.
func TestHeldNeedsNoPass(t *testing.T) {
	c, h := demoScene(t)
	p := New(c)
	first, err := p.ExplainHeld(context.Background(), h, Options{Tree: DefaultTree(c)})
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	var classes []int
	for _, x := range first.Top {
		classes = append(classes, x.Class)
	}
	o := Options{Clusters: [][]int{classes}}
	again, err := p.ExplainHeld(context.Background(), h, o)
	if err != nil {
		t.Fatal(err)
	}
	if p.session != nil {
		t.Error("known classes were put through the network again")
	}
	if len(again.Clusters) != 1 {
		t.Errorf("%d clusters, want 1", len(again.Clusters))
	}
	passes := 0
	if err := p.Effects(context.Background(), h, again, o, func(pass func() error) error {
		passes++
		p.Close()
		return pass()
	}); err != nil {
		t.Fatal(err)
	}
	o.Effects = true
	want, err := New(c).Explain(context.Background(), h.Picture(), o)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(timeless(again), timeless(want)) || passes < 3 {
		t.Errorf("effects measured afterwards differ (%d passes)", passes)
	}
}

func TestMasked(t *testing.T) {
	c, h := demoScene(t)
	p := New(c)
	defer p.Close()
	in := c.Net.Input()
	mask := slices.Repeat([]float32{1}, in.H*in.W)
	whole, err := p.Masked(h, mask, 0)
	if err != nil {
		t.Fatal(err)
	}
	top, err := p.Classify(h.Picture(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := whole[top[0].Class]; got != top[0].Probability {
		t.Errorf("nothing erased: probability %g, want %g", got, top[0].Probability)
	}
	grey := make([]float32, in.Size()) // 0 after normalisation
	want, err := p.ClassifyTensor(grey, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	clear(mask)
	none, err := p.Masked(h, mask, 0)
	if err != nil {
		t.Fatal(err)
	}
	if got := none[want[0].Class]; got != want[0].Probability {
		t.Errorf("all erased: probability %g, want that of grey, %g", got, want[0].Probability)
	}
	if _, err := p.Masked(h, mask[1:], 0); err == nil {
		t.Error("a mask of another size was taken")
	}
}

// TestPartial: maps are shown on the way, the last ones do not change by it, and what is shown
// tends to them.
func TestPartial(t *testing.T) {
	c, h := demoScene(t)
	p := New(c)
	defer p.Close()
	for name, explainer := range map[string]func() saliency.Explainer{
		"plain": func() saliency.Explainer {
			return &saliency.RISE{Cluster: saliency.RISEStage{Masks: 320}, Class: saliency.RISEStage{Masks: 240}}
		},
		"debiased": func() saliency.Explainer {
			return &saliency.RISE{Cluster: saliency.RISEStage{Masks: 320}, Class: saliency.RISEStage{Masks: 240}, Quality: saliency.Debiased}
		},
		"fast": func() saliency.Explainer {
			return &saliency.RISE{Cluster: saliency.RISEStage{Masks: 400}, Class: saliency.RISEStage{Masks: 200}, Quality: saliency.Fast}
		},
		"lime": func() saliency.Explainer {
			return &saliency.LIME{Cluster: saliency.LIMEStage{Samples: 450}, Superpixels: saliency.SLIC, Class: saliency.LIMEStage{Samples: 420}}
		},
	} {
		o := Options{Tree: DefaultTree(c), Explainer: explainer()}
		var seen []float64 // correlation of the first cluster's base map with the last one
		var bases [][]float32
		o.Partial = func(e *Explanation) { bases = append(bases, slices.Clone(e.Clusters[0].Base.Data)) }
		got, err := p.ExplainHeld(context.Background(), h, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		want, err := p.ExplainHeld(context.Background(), h, Options{Tree: o.Tree, Explainer: explainer()})
		if err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(timeless(got), timeless(want)) {
			t.Errorf("%s: who looks on changes the maps", name)
		}
		for _, b := range bases {
			seen = append(seen, correlation(b, want.Clusters[0].Base.Data))
		}
		if n := len(seen); n < 2 || seen[0] == 1 || !(seen[n-1] >= seen[0]) {
			t.Errorf("%s: partial maps correlate with the last as %.3f", name, seen)
		}
	}
}

// correlation is Pearson's; 0 of a constant map.
func correlation(a, b []float32) float64 {
	var sa, sb, saa, sbb, sab float64
	n := float64(len(a))
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		sa, sb, saa, sbb, sab = sa+x, sb+y, saa+x*x, sbb+y*y, sab+x*y
	}
	va, vb := saa-sa*sa/n, sbb-sb*sb/n
	if va <= 0 || vb <= 0 {
		return 0
	}
	return (sab - sa*sb/n) / math.Sqrt(va*vb)
}
