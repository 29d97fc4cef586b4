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
	"cwox/nn/zoo"
)

// tinyHead is tinyClassifier with another last layer.
func tinyHead(t *testing.T, rows, bias []float32) *Classifier {
	t.Helper()
	c := tinyClassifier(t)
	state := uint32(1)
	made := func(n int, scale float32) []float32 {
		x := make([]float32, n)
		for i := range x {
			state = state*1664525 + 1013904223
			x[i] = (float32(state>>8)/(1<<24) - 0.5) * scale
		}
		return x
	}
	g := nn.NewGraph(nn.Shape{C: 3, H: 32, W: 32})
	x := g.ReLU("relu1", g.Conv("conv1", g.Input(), nn.Conv{Weight: made(16*27, 1), Out: 16, Window: nn.Square(3, 2, 1)}))
	x = g.ReLU("relu2", g.Conv("conv2", x, nn.Conv{Weight: made(32*144, 0.5), Out: 32, Window: nn.Square(3, 2, 1)}))
	g.Linear("fc", g.MeanPool("pool", x), rows, bias, len(bias))
	net, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c.Net, c.Labels = net, nil
	return c
}

func wave(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(math.Sin(float64(i*i))) * 3
	}
	return x
}

// A multi-label target is explained as a softmax over its classes and none of them, a class of
// logit 0, would explain it: the same maps and probabilities, by every explainer.
func TestMultiLabelIsSoftmaxAgainstNone(t *testing.T) {
	rows := wave(64)
	multi := tinyHead(t, rows, []float32{0.1, -0.2})
	multi.MultiLabel = true
	none := tinyHead(t, append(slices.Clone(rows), make([]float32, 32)...), []float32{0.1, -0.2, 0})
	for _, name := range ExplainerNames() {
		var maps [2]*Explanation
		for i, c := range []*Classifier{multi, none} {
			e, err := NewExplainer(name, c, Paper)
			if err != nil {
				t.Fatal(err)
			}
			switch e := e.(type) {
			case *saliency.RISE:
				e.Cluster.Masks, e.Class.Masks = 64, 64
				defer e.Close()
			case *saliency.LIME:
				e.Cluster.Samples, e.Class.Samples = 64, 64
				defer e.Close()
			}
			p := New(c)
			defer p.Close()
			if maps[i], err = p.Explain(context.Background(), tinyPicture(), Options{Explainer: e, Clusters: [][]int{{0, 1}}}); err != nil {
				t.Fatal(err)
			}
		}
		a, b := maps[0].Clusters[0], maps[1].Clusters[0]
		if math.Abs(a.Probability-b.Probability) > 1e-6 || math.Abs(a.Logit-b.Logit) > 1e-6 {
			t.Errorf("%s: p %g, z %g, want %g, %g", name, a.Probability, a.Logit, b.Probability, b.Logit)
		}
		top := slices.Max(b.Map.Data)
		for i, v := range b.Map.Data {
			if d := math.Abs(float64(a.Map.Data[i] - v)); d > 1e-4*float64(top) {
				t.Errorf("%s: the map differs by %g of %g", name, d, top)
				break
			}
		}
		if top <= 0 {
			t.Errorf("%s: a blank map shows nothing", name)
		}
		if maps[0].Model.Output != saliency.Sigmoid {
			t.Errorf("output %s", maps[0].Model.Output)
		}
	}
}

// Multi-label classes are explained if they are more probable than not.
func TestPickMultiLabel(t *testing.T) {
	for _, tt := range []struct {
		prob []float64
		o    Options
		want string
	}{
		{[]float64{0.9, 0.2, 0.7, 0.6}, Options{}, "[0 2 3]"},
		{[]float64{0.1, 0.2, 0.3}, Options{}, "[2]"},
		{[]float64{0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9}, Options{}, "[0 1 2 3 4]"},
		{[]float64{0.9, 0.2, 0.7}, Options{TopK: 3}, "[0 2 1]"},
	} {
		tt.o.multiLabel = true
		if got, err := tt.o.pick(tt.prob); err != nil || fmt.Sprint(got) != tt.want {
			t.Errorf("%v: %v, %v, want %s", tt.prob, got, err, tt.want)
		}
	}
	c := tinyClassifier(t)
	c.MultiLabel = true
	if err := (Options{Cumulative: 0.9}).Check(c); err == nil || !strings.Contains(err.Error(), "do not add up") {
		t.Errorf("a cumulative probability: %v", err)
	}
}

// One logit, two classes: probabilities are the sigmoid's, and each class's contrastive map is
// what speaks for it in the whole gradient of the logit.
func TestOneLogit(t *testing.T) {
	weight := wave(32)
	w, b := zoo.TwoClasses(weight, []float32{0.3})
	two := tinyHead(t, w, b)
	one := tinyHead(t, weight, []float32{0.3})
	labels := BinaryLabels([]string{"crack"})
	two.Labels = labels
	p, q := New(two), New(one)
	defer p.Close()
	defer q.Close()
	z, err := q.Classify(tinyPicture(), 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	top, err := p.Classify(tinyPicture(), 5, 0)
	if err != nil || len(top) != 2 {
		t.Fatalf("%v, %v", top, err)
	}
	sigmoid := 1 / (1 + math.Exp(-z[0].Logit))
	for _, k := range top {
		want := sigmoid
		if k.Class == 0 {
			want = 1 - sigmoid
		}
		if math.Abs(k.Probability-want) > 1e-6 || k.Label != []string{"not crack", "crack"}[k.Class] {
			t.Errorf("%+v, want %g", k, want)
		}
	}
	tree := DefaultTree(two)
	e, err := p.Explain(context.Background(), tinyPicture(), Options{Tree: tree, Classes: []int{0, 1}, ReLU: NoReLU})
	if err != nil {
		t.Fatal(err)
	}
	whole, err := q.Explain(context.Background(), tinyPicture(), Options{ReLU: NoReLU, Classes: []int{0}})
	if err != nil {
		t.Fatal(err)
	}
	if len(e.Clusters) != 2 {
		t.Fatalf("%d clusters, want two that are contrasted", len(e.Clusters))
	}
	base := whole.Clusters[0].Base.Data
	var scale float64
	for _, v := range base {
		scale = max(scale, math.Abs(float64(v)))
	}
	for _, k := range e.Clusters {
		sign := float32(2*k.Classes[0] - 1)
		for i, v := range k.Map.Data {
			if want := max(sign*base[i], 0); !(math.Abs(float64(v-want)) <= 1e-4*scale) {
				t.Fatalf("class %d: %g at %d, want %g", k.Classes[0], v, i, want)
			}
		}
	}
}

func TestBinaryLabels(t *testing.T) {
	for _, tt := range []struct{ labels, want []string }{
		{[]string{"crack"}, []string{"not crack", "crack"}},
		{[]string{"cats", "dogs"}, []string{"cats", "dogs"}}, // class_to_idx of two folders, the second is positive
		{nil, []string{"negative", "positive"}},
		{[]string{""}, []string{"negative", "positive"}},
	} {
		if got := BinaryLabels(tt.labels); !slices.Equal(got, tt.want) {
			t.Errorf("%q: %q, want %q", tt.labels, got, tt.want)
		}
	}
}
