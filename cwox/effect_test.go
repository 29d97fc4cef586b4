package cwox

import (
	"context"
	"math"
	"slices"
	"testing"

	"cwox/cwox/saliency"
	"cwox/nn"
)

// TestEffects erases by hand what each map marks, and wants the probabilities of that input.
func TestEffects(t *testing.T) {
	c := tinyClassifier(t)
	p := New(c)
	defer p.Close()
	pic := tinyPicture()
	o := Options{Tree: tinyTree(t), TopK: 4, Effects: true}
	e, err := p.Explain(context.Background(), pic, o)
	if err != nil {
		t.Fatal(err)
	}
	session, err := c.Net.NewSession(nn.SessionOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	checked := 0
	check := func(what string, m saliency.Map, effect *Effect) {
		x := c.Transform.Tensor(pic)
		top := slices.Max(append([]float32{0}, m.Data...))
		plane, erased := m.Height*m.Width, 0
		for i, v := range m.Data {
			if top > 0 && v >= top/2 {
				erased++
				for ch := range len(x) / plane {
					x[ch*plane+i] = 0
				}
			}
		}
		if erased == 0 {
			if effect != nil {
				t.Errorf("%s: an effect %+v of a map that marks nothing", what, effect)
			}
			return
		}
		checked++
		prob := Softmax(session.Forward(x))
		if effect == nil || effect.Erased != float64(erased)/float64(plane) || len(effect.Probabilities) != len(e.Top) {
			t.Errorf("%s: effect %+v, want %d pixels of %d", what, effect, erased, plane)
			return
		}
		for i, top := range e.Top {
			if got, want := effect.Probabilities[i], prob[top.Class]; !(math.Abs(got-want) <= 1e-6) {
				t.Errorf("%s: class %d has %g, want %g", what, top.Class, got, want)
			}
		}
	}
	for _, k := range e.Clusters {
		check("cluster", k.Map, k.Effect)
	}
	for _, k := range e.Classes {
		check("class", k.Map, k.Effect)
	}
	if checked < 3 {
		t.Errorf("only %d maps mark anything", checked)
	}
	// They change nothing else, and are not there unasked.
	o.Effects = false
	plain, err := p.Explain(context.Background(), pic, o)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range plain.Classes {
		if k.Effect != nil || !slices.Equal(k.Map.Data, e.Classes[i].Map.Data) {
			t.Errorf("class %d: an effect %+v, or another map", k.Class, k.Effect)
		}
	}
}
