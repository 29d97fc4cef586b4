package cwox

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cwox/cwox/labeltree"
	"cwox/cwox/saliency"
	"cwox/hlta"
	"cwox/nn"
	"cwox/nn/vision"
	"cwox/nn/zoo"
)

func TestSoftmaxAndCum(t *testing.T) {
	p := Softmax([]float32{1000, 1000 + float32(math.Ln2), -1000})
	for i, want := range []float64{1. / 3, 2. / 3, 0} {
		if math.Abs(p[i]-want) > 1e-5 { // float32 of 1000 + ln 2
			t.Errorf("p[%d] = %g, want %g", i, p[i], want)
		}
	}
	prob := []float64{0.2, 0.5, 0.2, 0.1}
	ranked := Rank(prob)
	if want := []int{1, 0, 2, 3}; !slices.Equal(ranked, want) {
		t.Errorf("rank %v, want %v: ties by index", ranked, want)
	}
	for _, tt := range []struct {
		t    float64
		want int
	}{{0, 1}, {0.49, 1}, {0.5, 2}, {0.69, 2}, {0.95, 4}, {1, 4}} {
		if got := Cum(prob, ranked, tt.t); got != tt.want {
			t.Errorf("Cum(%g) = %d, want %d: the sum must be greater", tt.t, got, tt.want)
		}
	}
}

func TestPick(t *testing.T) {
	prob := []float64{0.05, 0.3, 0.25, 0.2, 0.1, 0.06, 0.04}
	for _, tt := range []struct {
		name string
		o    Options
		want []int
	}{
		{"default: at most 5", Options{}, []int{1, 2, 3, 4, 5}},
		{"exactly k", Options{TopK: 2}, []int{1, 2}},
		{"cumulative, uncapped", Options{Cumulative: 0.95}, []int{1, 2, 3, 4, 5, 0}},
		{"both", Options{TopK: 3, Cumulative: 0.5}, []int{1, 2}},
		{"by hand, by rank", Options{Classes: []int{0, 6, 1}}, []int{1, 0, 6}},
		{"clusters by hand", Options{Clusters: [][]int{{6, 2}, {1}}}, []int{1, 2, 6}},
	} {
		got, err := tt.o.pick(prob)
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Classes: []int{7}}, "class 7: the model has classes 0 to 6"},
		{Options{Classes: []int{-1}}, "class -1"},
		{Options{Classes: []int{1, 1}}, "class 1 is given twice"},
		{Options{Clusters: [][]int{{1, 2}, {2}}}, "class 2 is given twice"},
	} {
		if _, err := tt.o.pick(prob); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q in it", tt.o, err, tt.want)
		}
	}
}

func TestCut(t *testing.T) {
	top := []int{4, 2, 9, 7}
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{}, "[[4 2 9 7]]"},
		{Options{Clusters: [][]int{{7, 2}, {9, 4}}}, "[[4 9] [2 7]]"},
		{Options{Clusters: [][]int{{7, 2}, {9, 4}}, Classes: []int{7, 2, 9, 4}}, "[[4 9] [2 7]]"},
		{Options{Clusters: [][]int{{7, 2, 9, 4}, {}}}, "cluster 2 of 2 given is empty"},
		{Options{Clusters: [][]int{{7, 2, 9, 4}}, Classes: []int{7, 2}}, "2 classes are to be explained, but the clusters given hold 4"},
		{Options{Clusters: [][]int{{7, 2}}, Classes: []int{7, 3}}, "class 3 is to be explained, but is in none"},
		{Options{Tree: tinyTree(t), Level: 1}, "[[4 9] [2] [7]]"},
	} {
		got, err := tt.o.cut(top)
		if text := fmt.Sprint(got); err == nil && text != tt.want || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: %v, %v, want %s", tt.o, got, err, tt.want)
		}
	}
}

// tinyTree has the level-1 groups {4 9}, {2 3}, {7 8}.
func tinyTree(t *testing.T) *hlta.Tree {
	t.Helper()
	tree, err := hlta.ParseTree("tiny", []byte(`[{"id":"Z21","text":"","data":{"name":"Z21","level":2,"percentage":0.5},"children":[
	{"id":"Z11","text":"c004-a 0.01 c009-b 0.01","data":{"name":"Z11","level":1,"percentage":0.1},"children":[]},
	{"id":"Z12","text":"c002-a 0.01 c003-b 0.01","data":{"name":"Z12","level":1,"percentage":0.1},"children":[]},
	{"id":"Z13","text":"c007-a 0.01 c008-b 0.01","data":{"name":"Z13","level":1,"percentage":0.1},"children":[]}]}]`))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// fake is an explainer whose map of a set of classes is the mean of made-up class maps.
type fake struct {
	size int
	maps map[int][]float32
	err  error
	reqs []saliency.Request
}

func (f *fake) Name() string             { return "fake" }
func (f *fake) Settings() map[string]any { return map[string]any{} }
func (f *fake) Keep() []string           { return nil }
func (f *fake) Explain(_ context.Context, _ *saliency.Input, reqs []saliency.Request) ([]saliency.Result, error) {
	f.reqs = reqs
	out := make([]saliency.Result, len(reqs))
	for r, req := range reqs {
		for _, target := range req.Targets {
			m := saliency.Map{Height: f.size, Width: f.size, Data: make([]float32, f.size*f.size)}
			for _, c := range target.Classes {
				for i, v := range f.maps[c] {
					m.Data[i] += v / float32(len(target.Classes))
				}
			}
			out[r].Maps = append(out[r].Maps, m)
		}
	}
	return out, f.err
}

// tinyClassifier is tinyNetwork over 32x32 pixels, stretched as in the paper.
func tinyClassifier(t *testing.T) *Classifier {
	t.Helper()
	tr := vision.Paper
	tr.Width, tr.Height = 32, 32
	return tinyNetwork(t, nn.Shape{C: 3, H: 32, W: 32}, tr)
}

// tinyNetwork is a network of two convolutions with made-up weights and ten classes.
func tinyNetwork(t *testing.T, shape nn.Shape, tr vision.Transform) *Classifier {
	t.Helper()
	state := uint32(1)
	made := func(n int, scale float32) []float32 {
		x := make([]float32, n)
		for i := range x {
			state = state*1664525 + 1013904223
			x[i] = (float32(state>>8)/(1<<24) - 0.5) * scale
		}
		return x
	}
	g := nn.NewGraph(shape)
	x := g.Conv("conv1", g.Input(), nn.Conv{Weight: made(16*9*shape.C, 1), Out: 16, Window: nn.Square(3, 2, 1)})
	x = g.ReLU("relu1", x)
	x = g.Conv("conv2", x, nn.Conv{Weight: made(32*144, 0.5), Out: 32, Window: nn.Square(3, 2, 1)})
	x = g.ReLU("relu2", x)
	x = g.MeanPool("pool", x)
	g.Linear("fc", x, made(320, 2), made(10, 0.2), 10)
	net, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	arch := &zoo.Arch{Name: "tiny", Transform: tr, ClusterLayer: "relu2", ClassLayer: "relu1",
		MWPClusterLayer: "relu2", MWPClassLayer: "relu1"}
	return &Classifier{Net: net, Arch: arch, Transform: tr, Labels: []string{"zero", "one", "two", "three"}}
}

func tinyPicture() *vision.Picture {
	pic := &vision.Picture{Width: 60, Height: 50, Pix: make([]uint8, 3*60*50)}
	for i := range pic.Pix {
		pic.Pix[i] = uint8(i * i / 7)
	}
	pic.Notes = []vision.Note{{Code: "truncated", Message: "the file ends early"}}
	return pic
}

// TestNotAClassifier: what lacks its parts is an error, whatever is asked of it.
func TestNotAClassifier(t *testing.T) {
	whole := tinyClassifier(t)
	for name, c := range map[string]*Classifier{"nil": nil, "nothing": {}, "no Arch": {Net: whole.Net}, "no Net": {Arch: whole.Arch}} {
		p := New(c)
		_, err1 := p.Explain(context.Background(), tinyPicture(), Options{})
		_, err2 := p.Classify(tinyPicture(), 1, 0)
		_, _, err3 := p.Cut(tinyPicture(), Options{})
		_, err4 := p.ExplainTensor(context.Background(), make([]float32, 3*32*32), Options{})
		for i, err := range []error{err1, err2, err3, err4, Options{}.Check(c)} {
			if err == nil || !strings.Contains(err.Error(), "a classifier needs a network") {
				t.Errorf("%s, %d: %v", name, i, err)
			}
		}
		p.Close()
	}
}

func TestExplainDegenerate(t *testing.T) {
	c := tinyClassifier(t)
	p := New(c)
	defer p.Close()
	maps := map[int][]float32{0: {1, 0, 0, 0}, 1: {0, 2, 0, 0}, 2: {0, 0, 3, 0}, 3: {0, 0, 0, -1}, 4: {float32(math.NaN()), 1, 0, 0}, 5: {0, 1, 0, 0}}
	for _, tt := range []struct {
		name     string
		o        Options
		warnings string // codes of the paper variant
	}{
		{"one class", Options{Classes: []int{0}}, "truncated single-class"},
		{"one class in a tree's cluster", Options{Clusters: [][]int{{2}}}, "truncated single-class"},
		{"one cluster", Options{Classes: []int{0, 1}}, "truncated single-cluster"},
		{"all singletons", Options{Clusters: [][]int{{0}, {1}, {2}}}, "truncated all-singletons"},
		{"mixed", Options{Clusters: [][]int{{0, 1}, {2}}}, "truncated"},
		{"blank", Options{Clusters: [][]int{{0, 3}, {1}}}, "truncated blank-map"},
		{"NaN, in both stages", Options{Clusters: [][]int{{0, 2}, {4}}}, "truncated nan-map nan-map"},
		{"NaN and blank", Options{Clusters: [][]int{{4, 5}, {2, 0}}}, "truncated nan-map nan-map blank-map blank-map"},
	} {
		for _, variant := range []Variant{Paper, Reference} {
			for _, m := range Methods() {
				o := tt.o
				o.Method, o.Variant, o.Explainer = m, variant, &fake{size: 2, maps: maps}
				e, err := p.Explain(context.Background(), tinyPicture(), o)
				if err != nil {
					t.Fatalf("%s, %s, %s: %v", tt.name, variant, m, err)
				}
				checkExplanation(t, fmt.Sprintf("%s, %s, %s", tt.name, variant, m), e)
				if variant != Paper || m != CWOX2s {
					continue
				}
				var codes []string
				for _, w := range e.Warnings {
					codes = append(codes, w.Code)
				}
				slices.Sort(codes)
				want := strings.Fields(tt.warnings)
				slices.Sort(want)
				if !slices.Equal(codes, want) {
					t.Errorf("%s: warnings %v, want %s", tt.name, e.Warnings, tt.warnings)
				}
			}
		}
	}
}

// checkExplanation checks what holds for all explanations.
func checkExplanation(t *testing.T, what string, e *Explanation) {
	t.Helper()
	seen, members := map[int]bool{}, 0
	sum := 0.0
	for _, k := range e.Clusters {
		members += len(k.Classes)
		sum += k.Probability
		if (k.Map.Data != nil) != (e.Method == CWOX2s) {
			t.Errorf("%s: cluster %v has a map: %v", what, k.Classes, k.Map.Data != nil)
		}
	}
	for _, top := range e.Top {
		sum -= top.Probability
	}
	if !(math.Abs(sum) <= 1e-12) {
		t.Errorf("%s: probabilities of clusters and classes differ by %g", what, sum)
	}
	if len(e.Classes) != len(e.Top) || members != len(e.Top) {
		t.Errorf("%s: %d classes, %d members of clusters, want %d", what, len(e.Classes), members, len(e.Top))
	}
	check := func(name string, m saliency.Map, signed bool) {
		if m.Data == nil {
			return
		}
		if m.Height != e.Model.Height || m.Width != e.Model.Width || len(m.Data) != m.Height*m.Width {
			t.Errorf("%s: %s is %dx%d with %d values", what, name, m.Height, m.Width, len(m.Data))
		}
		for _, v := range m.Data {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) || v < 0 && !signed {
				t.Errorf("%s: %s has the value %g", what, name, v)
				return
			}
		}
	}
	for i, k := range e.Clusters {
		check(fmt.Sprint("cluster ", i), k.Map, false)
		for _, b := range []*saliency.Map{k.Base, k.Rest} {
			if b != nil {
				check(fmt.Sprint("a base map of cluster ", i), *b, true)
			}
		}
	}
	for _, k := range e.Classes {
		if seen[k.Class] || !slices.Contains(e.Clusters[k.Cluster].Classes, k.Class) {
			t.Errorf("%s: class %d is listed twice, or not in its cluster", what, k.Class)
		}
		seen[k.Class] = true
		skipped := e.Method == CWOX2s && e.Variant == Reference && len(e.Clusters) > 1 && len(e.Clusters[k.Cluster].Classes) == 1
		if (k.Map.Data == nil) != skipped {
			t.Errorf("%s: class %d has a map: %v", what, k.Class, k.Map.Data != nil)
		}
		check(fmt.Sprint("class ", k.Class), k.Map, false)
	}
}

func TestExplainSharesBaseMaps(t *testing.T) {
	c := tinyClassifier(t)
	p := New(c)
	defer p.Close()
	f := &fake{size: 2, maps: map[int][]float32{0: {1, 0, 0, 0}, 1: {0, 2, 0, 0}, 2: {0, 0, 3, 0}}}
	o := Options{Explainer: f, Clusters: [][]int{{0, 1}, {2}}}
	all, err := p.ExplainAll(context.Background(), tinyPicture(), o, Methods())
	if err != nil {
		t.Fatal(err)
	}
	if len(f.reqs) != 2 {
		t.Fatalf("%d requests, want one per stage", len(f.reqs))
	}
	// Three classes, their three complements (one of them the cluster), one cluster.
	if n := len(f.reqs[0].Targets); n != 6 {
		t.Errorf("%d targets at the cluster stage, want 6: %v", n, f.reqs[0].Targets)
	}
	for i, m := range Methods() {
		o.Method = m
		one, err := p.Explain(context.Background(), tinyPicture(), o)
		if err != nil {
			t.Fatal(err)
		}
		for k := range one.Classes {
			if !slices.Equal(one.Classes[k].Map.Data, all[i].Classes[k].Map.Data) {
				t.Errorf("%s: the map of class %d differs when the methods run together", m, one.Classes[k].Class)
			}
		}
	}
}

func TestExplainErrors(t *testing.T) {
	c := tinyClassifier(t)
	p := New(c)
	defer p.Close()
	broken := errors.New("it broke")
	good := &fake{size: 2, maps: map[int][]float32{}}
	for _, tt := range []struct {
		pic  *vision.Picture
		o    Options
		want string
	}{
		{nil, Options{}, "picture is empty"},
		{&vision.Picture{Width: 2, Height: 2, Pix: make([]uint8, 11)}, Options{}, "do not fit"},
		{tinyPicture(), Options{Method: "cwox3"}, `unknown method "cwox3"`},
		{tinyPicture(), Options{Variant: "draft"}, `unknown variant "draft"`},
		{tinyPicture(), Options{ReLU: "maybe"}, `unknown ReLU choice "maybe"`},
		{tinyPicture(), Options{TopK: 11}, "11 top classes: want 1 to 10"},
		{tinyPicture(), Options{Cumulative: 1}, "cumulative probability 1"},
		{tinyPicture(), Options{Cumulative: math.NaN()}, "cumulative probability NaN"},
		{tinyPicture(), Options{Delta: 101}, "delta 101"},
		{tinyPicture(), Options{Epsilon: -1}, "epsilon -1"},
		{tinyPicture(), Options{Level: -1}, "tree level -1"},
		{tinyPicture(), Options{Threads: -1}, "-1 threads"},
		{tinyPicture(), Options{Classes: []int{10}}, "class 10: the model has classes 0 to 9"},
		{tinyPicture(), Options{Explainer: &fake{size: 2, err: broken}}, "it broke"},
		{tinyPicture(), Options{Explainer: &saliency.GradCAM{ClusterLayer: "layer9"}}, "layer9"},
		{tinyPicture(), Options{Explainer: &saliency.GradCAM{ClusterLayer: "relu2"}}, "no pivot layer given for the class stage"},
		{tinyPicture(), Options{Explainer: &saliency.GradCAM{ClusterLayer: "pool", ClassLayer: "relu1"}}, "1x1"},
	} {
		if tt.o.Explainer == nil {
			tt.o.Explainer = good
		}
		_, err := p.Explain(context.Background(), tt.pic, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: error %v, want %q in it", tt.o, err, tt.want)
		}
	}
	if _, err := NewExplainer("shap", c, Paper); err == nil || !strings.Contains(err.Error(), `"shap"`) {
		t.Errorf("unknown explainer: %v", err)
	}
}

// Every explainer with every method and variant gives a whole explanation.
func TestExplainEveryCombination(t *testing.T) {
	c := tinyClassifier(t)
	p := New(c)
	defer p.Close()
	for _, variant := range []Variant{Paper, Reference} {
		for _, name := range ExplainerNames() {
			e, err := NewExplainer(name, c, variant)
			if err != nil {
				t.Fatal(err)
			}
			switch e := e.(type) {
			case *saliency.RISE:
				e.Cluster.Masks, e.Class.Masks = 24, 24
				defer e.Close()
			case *saliency.LIME:
				e.Cluster.Samples, e.Class.Samples = 24, 24
				defer e.Close()
			}
			o := Options{Variant: variant, Explainer: e, Clusters: [][]int{{0, 1}, {2}}}
			all, err := p.ExplainAll(context.Background(), tinyPicture(), o, Methods())
			if err != nil {
				t.Fatalf("%s, %s: %v", name, variant, err)
			}
			for i, x := range all {
				checkExplanation(t, fmt.Sprintf("%s, %s, %s", name, variant, Methods()[i]), x)
				if x.Explainer != name || x.Settings["relu"] == nil {
					t.Errorf("explainer %q, settings %v", x.Explainer, x.Settings)
				}
			}
		}
	}
}

func TestClassify(t *testing.T) {
	p := New(tinyClassifier(t))
	defer p.Close()
	top, err := p.Classify(tinyPicture(), 99, 0)
	if err != nil || len(top) != 10 {
		t.Fatalf("%d classes, %v, want all 10", len(top), err)
	}
	sum := 0.0
	for i, k := range top {
		sum += k.Probability
		if i > 0 && k.Probability > top[i-1].Probability {
			t.Errorf("rank %d is more probable than the one before", i+1)
		}
		if want := (k.Class < 4); (k.Label != "") != want {
			t.Errorf("class %d has the label %q", k.Class, k.Label)
		}
	}
	if !(math.Abs(sum-1) <= 1e-12) {
		t.Errorf("probabilities sum to %g", sum)
	}
}

func TestDefaultTree(t *testing.T) {
	tree := DefaultTree(tinyClassifier(t))
	if n := len(tree.Words()); n != 10 || tree.Provenance.Method != labeltree.Method {
		t.Errorf("%d words by %q for a classifier of 10 classes that has no tree of its own", n, tree.Provenance.Method)
	}
	imagenet, reversed := zoo.Labels(1000), zoo.Labels(1000)
	slices.Reverse(reversed)
	for _, tt := range []struct {
		name   string
		arch   string
		rows   []float32 // of the last layer
		labels []string
		want   string
	}{
		{"ImageNet's classes", "resnet50", likeTree(embeddedTree(), 0.5), imagenet, ""},
		{"a network of the zoo, no names", "resnet50", likeTree(embeddedTree(), 0.5), nil, ""},
		{"an unknown network, ImageNet's names", "mine", likeTree(embeddedTree(), 0.5), imagenet, ""},
		{"an unknown network, no names", "mine", likeTree(embeddedTree(), 0.5), nil, labeltree.Method},
		{"1000 other classes", "resnet50", likeTree(embeddedTree(), 0.5), reversed, labeltree.Method},
		{"1000 other classes that were taken for ImageNet's", "resnet50", likeTree(embeddedTree(), 0), imagenet, labeltree.Method},
	} {
		c := &Classifier{Net: headOf(t, tt.rows, 1000), Arch: &zoo.Arch{Name: tt.arch}, Labels: tt.labels}
		if got := DefaultTree(c); got.Provenance.Method != tt.want || (tt.want == "") != (got == embeddedTree()) {
			t.Errorf("%s: a tree by %q, want %q", tt.name, got.Provenance.Method, tt.want)
		}
	}
}

// likeTree are weight rows of 64 numbers for a tree's 1000 classes; those of a level-1 latent
// have about the given cosine.
func likeTree(tree *hlta.Tree, cosine float64) []float32 {
	rng := rand.New(rand.NewPCG(1, 2))
	rows := make([]float32, 1000*64)
	groups, err := tree.Partition(1)
	if err != nil {
		panic(err)
	}
	for _, g := range groups {
		var common [64]float64
		for i := range common {
			common[i] = rng.NormFloat64()
		}
		for _, w := range g.Words {
			class, _ := hlta.ParseClassWord(w)
			for i, v := range common {
				rows[64*class+i] = float32(math.Sqrt(cosine)*v + math.Sqrt(1-cosine)*rng.NormFloat64())
			}
		}
	}
	return rows
}

// headOf is a network whose last layer has these weight rows.
func headOf(t *testing.T, rows []float32, classes int) *nn.Model {
	t.Helper()
	inputs := len(rows) / classes
	g := nn.NewGraph(nn.Shape{C: 1, H: 2, W: 2})
	x := g.Conv("conv", g.Input(), nn.Conv{Weight: make([]float32, inputs), Out: inputs, Window: nn.Square(1, 1, 0)})
	g.Linear("fc", g.MeanPool("pool", g.ReLU("relu", x)), rows, nil, classes)
	m, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A tree is used only if its words are the classifier's classes, and its source is recorded.
func TestTreeIsTheClassifiers(t *testing.T) {
	c := tinyClassifier(t)
	p := New(c)
	defer p.Close()
	ten := labeltree.FromWeights(c.Net, false)
	for _, tt := range []struct {
		name string
		o    Options
		want string // in the error, or the source
	}{
		{"ImageNet's tree", Options{Tree: embeddedTree(), TreeFile: "t.json"}, "cwox: t.json: it is not a tree of this model's classes: it has 1000 words"},
		{"the demo's tree", Options{Tree: DemoTree()}, "cwox: the label tree: it is not a tree of this model's classes: it has 36 words"},
		{"but clusters given by hand stand", Options{Tree: DemoTree(), Clusters: [][]int{{0, 1}, {2}}}, "given "},
		{"no tree", Options{Classes: []int{1, 2}}, "none "},
		{"weights", Options{Tree: ten}, "weights sha level 1"},
		{"weights, coarser", Options{Tree: ten, Level: 2}, "weights sha level 2"},
		{"a file", Options{Tree: ten, TreeFile: "mine.json"}, "file mine.json sha level 1"},
		{"a program's", Options{Tree: mod5(t), Classes: []int{0, 5, 1}}, "given sha level 1"},
		{"a class that it lacks", Options{Tree: tinyTree(t), Classes: []int{4, 0}}, "given sha level 1"},
	} {
		tt.o.Explainer = &fake{size: 2, maps: map[int][]float32{}}
		e, err := p.Explain(context.Background(), tinyPicture(), tt.o)
		if err != nil {
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: error %v, want %q", tt.name, err, tt.want)
			}
			if tt.o.Check(c) == nil {
				t.Errorf("%s: Check finds nothing", tt.name)
			}
			continue
		}
		got := string(e.Tree.Source) + " " + e.Tree.File
		if e.Tree.SHA256 != "" {
			got = strings.TrimSpace(got) + fmt.Sprintf(" sha level %d", e.Tree.Level)
		}
		if got != tt.want || e.Tree.SHA256 != "" && len(e.Tree.SHA256) != 64 {
			t.Errorf("%s: %+v, want %s", tt.name, e.Tree, tt.want)
		}
	}
	if err := (Options{Tree: ten}).Check(c); err != nil {
		t.Error(err)
	}
	// A class that the tree lacks is a cluster of its own, and a warning says so where clusters
	// matter.
	o := Options{Tree: tinyTree(t), Classes: []int{4, 0}, Explainer: &fake{size: 2, maps: map[int][]float32{}}}
	all, err := p.ExplainAll(context.Background(), tinyPicture(), o, Methods())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all {
		warned := slices.ContainsFunc(e.Warnings, func(w Warning) bool {
			return w.Code == TreeLacks && strings.Contains(w.Message, "zero (0)")
		})
		if len(e.Clusters) != 2 || warned != (e.Method == CWOX2s) {
			t.Errorf("%s: %d clusters, %v", e.Method, len(e.Clusters), e.Warnings)
		}
	}
}

// mod5 has the level-1 groups {0 5}, {1 6} and so on.
func mod5(t *testing.T) *hlta.Tree {
	t.Helper()
	var nodes []string
	for i := range 5 {
		nodes = append(nodes, fmt.Sprintf(`{"id":"Z1%d","level":1,"words":[{"word":"c%03d"},{"word":"c%03d"}]}`, i, i, i+5))
	}
	tree, err := hlta.ParseTree("mod5", []byte(`{"format":"cwox-tree/1","roots":[`+strings.Join(nodes, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// Weights that do not bear a tree out are said, where there are enough pairs to tell.
func TestDoubtfulTree(t *testing.T) {
	for _, tt := range []struct {
		cosine float64
		want   bool
	}{{0.5, false}, {0.1, false}, {0, true}} {
		c := &Classifier{Net: headOf(t, likeTree(embeddedTree(), tt.cosine), 1000), Arch: &zoo.Arch{Name: "resnet50"}}
		use, err := c.useTree(embeddedTree(), "tree.json")
		if err != nil || use.doubtful != tt.want {
			t.Errorf("cosine %g: doubtful %v, %v", tt.cosine, use.doubtful, err)
		}
	}
}

// TestMeasure wants an input that is measured to be explained to the same bytes, and the next
// not to be measured.
func TestMeasure(t *testing.T) {
	for _, bf16 := range []bool{false, true} {
		c, err := Demo(nn.CompileOptions{BF16: bf16})
		if err != nil {
			t.Fatal(err)
		}
		p := New(c)
		defer p.Close()
		pic := vision.New(90, 60)
		for i := range pic.Pix {
			pic.Pix[i] = uint8(i * i / 7)
		}
		o := Options{Tree: DefaultTree(c), TopK: 4}
		var all []*Explanation
		for i := range 3 {
			if i == 1 {
				p.Measure()
			}
			e, err := p.Explain(t.Context(), pic, o)
			if err != nil {
				t.Fatal(err)
			}
			if s, measured := p.Statistics(); measured != (i == 1) || measured && s.Layers == 0 {
				t.Errorf("explanation %d: measured %t, %+v", i, measured, s)
			}
			e.Seconds = nil
			e.Warnings = slices.DeleteFunc(append([]Warning{}, e.Warnings...), func(w Warning) bool { return w.Code == StatisticsDiffer })
			all = append(all, e)
		}
		if !reflect.DeepEqual(all[0], all[1]) || !reflect.DeepEqual(all[0], all[2]) {
			t.Errorf("bf16 %t: explanations differ", bf16)
		}
	}
}
