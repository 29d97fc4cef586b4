package zoo

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cwox/nn"
	"cwox/nn/vision"
	"cwox/weights"
)

// network is a narrow network by torchvision or timm with their numbers: see
// testdata/networks.py.
type network struct {
	Name, Arch    string
	Model, Config string // the Spec, and config.json
	Side          int
	State         []string // "name 3,4,5"
	Logits        []float64
	Class         int
	Float32       float64 // largest relative difference of what PyTorch gives in float32
	InputGradient struct {
		Sum    []float64
		AbsSum []float64 `json:"abs_sum"`
	} `json:"input_gradient"`
	GradCAM [2][][]float64 // at the cluster's and the class's layer
}

// publishedInput is the input that torchvision's weights are for.
type publishedInput struct {
	Size, Resize  int
	Interpolation string
	Mean, Std     []float32
}

// networks reads them.
func networks(t *testing.T) []network {
	t.Helper()
	all, _ := readNetworks(t)
	return all
}

// readNetworks reads the networks, and the inputs of those that torchvision publishes.
func readNetworks(t *testing.T) ([]network, map[string]publishedInput) {
	t.Helper()
	f, err := os.Open("testdata/networks.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Networks []network
		Inputs   map[string]publishedInput
	}
	if err := json.NewDecoder(z).Decode(&all); err != nil {
		t.Fatal(err)
	}
	if len(all.Networks) == 0 || len(all.Inputs) == 0 {
		t.Fatal("no networks")
	}
	return all.Networks, all.Inputs
}

// TestInputs compares the inputs of known networks with torchvision's.
func TestInputs(t *testing.T) {
	_, inputs := readNetworks(t)
	for name, want := range inputs {
		a, err := Lookup(name)
		if err != nil {
			t.Error(err)
			continue
		}
		got := a.Transform
		if got.Name == vision.Paper.Name { // for which callers take torchvision's own
			if got, err = vision.Preset("torchvision", 3, got.Height, got.Width); err != nil {
				t.Fatal(err)
			}
		}
		interpolation := got.Interpolation
		if interpolation == "" {
			interpolation = vision.Bilinear
		}
		if got.Width != want.Size || got.Height != want.Size || got.Resize.Short != want.Resize || string(interpolation) != want.Interpolation || got.Crop != vision.Center || !slices.Equal(got.Mean, want.Mean) || !slices.Equal(got.Std, want.Std) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
}

// file is a file of the network's tensors, whose names rename changes.
func (n *network) file(t *testing.T, rename func(string) string) *weights.File {
	t.Helper()
	p := &parameters{shape: map[string][]int{}, value: map[string][]float32{}}
	for _, line := range n.State {
		name, dims, _ := strings.Cut(line, " ")
		var shape []int
		for _, d := range strings.Split(dims, ",") {
			v, err := strconv.Atoi(d)
			if err != nil {
				t.Fatal(err)
			}
			shape = append(shape, v)
		}
		p.add(name, shape, formulaParam("")(name, shape))
	}
	f := p.file(t, rename, nil)
	if n.Config != "" {
		*f.About() = weights.About{Config: []byte(n.Config)}
	}
	return f
}

// TestNetworks matches each, and compares logits, the input's gradient and Grad-CAM at both
// default layers.
func TestNetworks(t *testing.T) {
	for _, n := range networks(t) {
		t.Run(n.Name, func(t *testing.T) {
			spec, err := ParseSpec(n.Model)
			if err != nil {
				t.Fatal(err)
			}
			f := n.file(t, nil)
			a, err := Match(f, spec)
			if err != nil {
				t.Fatal(err)
			}
			if a.Name != n.Arch || a.Facts.Classes != len(n.Logits) || a.Facts.Taken != len(f.Names()) {
				t.Errorf("%s, want %s of %d classes", a.Describe(), n.Arch, len(n.Logits))
			}
			m, err := a.Load(f, LoadOptions{Width: n.Side, Height: n.Side})
			if err != nil {
				t.Fatal(err)
			}
			s, err := m.NewSession(nn.SessionOptions{Keep: []string{"input"}})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			// Eight times what single precision does, where that is much (deep networks of few channels).
			tolerance := max(1e-4, 8*n.Float32)
			if d := differ(s.Forward(picture(m.Input())), n.Logits); !(d <= max(2e-5, 8*n.Float32)) {
				t.Errorf("logits differ by %.3g", d)
			}
			seeds := make([]float32, len(n.Logits))
			seeds[n.Class] = 1
			grads, err := s.Backward(nn.Gradient, 0, seeds, "input")
			if err != nil {
				t.Fatal(err)
			}
			area := n.Side * n.Side
			var sums, magnitudes []float32
			for c := range 3 {
				sum, magnitude := 0.0, 0.0
				for _, g := range grads[0][c*area:][:area] {
					sum += float64(g)
					magnitude += math.Abs(float64(g))
				}
				sums, magnitudes = append(sums, float32(sum)), append(magnitudes, float32(magnitude))
			}
			if d := differ(magnitudes, n.InputGradient.AbsSum); !(d <= tolerance) {
				t.Errorf("the input's gradient: sums of magnitudes differ by %.3g", d)
			}
			for i := range sums { // they cancel: a tolerance by the magnitudes
				if d := math.Abs(float64(sums[i]) - n.InputGradient.Sum[i]); !(d <= tolerance*n.InputGradient.AbsSum[i]) {
					t.Errorf("the input's gradient: channel %d sums to %g, want %g", i, sums[i], n.InputGradient.Sum[i])
				}
			}
			for i, layer := range []string{a.ClusterLayer, a.ClassLayer} {
				var want []float64
				for _, row := range n.GradCAM[i] {
					want = append(want, row...)
				}
				if d := differ(gradcam(t, s, m, layer, 0, []int{n.Class}), want); !(d <= tolerance) {
					t.Errorf("Grad-CAM at %s differs by %.3g", layer, d)
				}
			}
		})
	}
}

// TestNetworksAsFound matches them below a prefix, with another head, and with other things
// beside.
func TestNetworksAsFound(t *testing.T) {
	for _, n := range networks(t) {
		spec, err := ParseSpec(n.Model)
		if err != nil {
			t.Fatal(err)
		}
		want := matched(t, n.file(t, nil), spec, n.Name)
		prefixed := matched(t, n.file(t, replace(`^`, "module.net.")), spec, n.Name+", below a prefix")
		if want == nil || prefixed == nil {
			continue
		}
		if prefixed.Facts.Prefix != "module.net."+want.Facts.Prefix || prefixed.Name != want.Name || prefixed.Facts.HeadName != want.Facts.HeadName {
			t.Errorf("%s: below a prefix %+v, want %+v", n.Name, prefixed.Facts, want.Facts)
		}
		for i, as := range want.Facts.Assumed {
			if as.Warn != prefixed.Facts.Assumed[i].Warn {
				t.Errorf("%s: below a prefix %v, want %v", n.Name, prefixed.Facts.Assumed[i], as)
			}
		}
	}
}

// matched is what Match finds, nil and an error of the test where it finds nothing.
func matched(t *testing.T, f *weights.File, s Spec, what string) *Arch {
	t.Helper()
	a, err := Match(f, s)
	if err != nil {
		t.Errorf("%s: %v", what, err)
	}
	return a
}

// TestStateDicts matches the tensors of published networks by names and shapes, all of them.
func TestStateDicts(t *testing.T) {
	f, err := os.Open("testdata/statedicts.txt.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 400<<20) // never touched
	var title string
	var lines []string
	done := 0
	check := func() {
		if title == "" {
			return
		}
		done++
		want, _, _ := strings.Cut(title, " = ")
		file := shapesOf(t, title, lines, zeros)
		a := matched(t, file, Spec{}, title)
		if a == nil {
			return
		}
		if a.Name != want || a.Facts.Classes != 1000 || a.Facts.Taken != len(lines) {
			t.Errorf("%s: found %s", title, a.Describe())
		}
		if n, ok := a.body.(*net); ok { // of a name under which only a ported network is published, the padding is known
			ported := strings.Contains(title, "timm tf_efficientnetv2") || strings.Contains(title, "timm efficientnet_b7")
			if first(n).same != ported {
				t.Errorf("%s: padding as TensorFlow's is %v", title, !ported)
			}
		}
	}
	for s := bufio.NewScanner(z); s.Scan(); {
		if text, ok := strings.CutPrefix(s.Text(), "# "); ok {
			check()
			title, lines = text, nil
		} else if title != "" {
			lines = append(lines, s.Text())
		}
	}
	check()
	if done < 40 {
		t.Errorf("%d networks", done)
	}
}

// shapesOf is a file of half floats of the given names and shapes, whose values are never read.
func shapesOf(t testing.TB, name string, lines []string, zeros []byte) *weights.File {
	t.Helper()
	header := map[string]any{}
	at := 0
	for _, line := range lines {
		name, dims, _ := strings.Cut(line, " ")
		n, shape := 2, []int{}
		for _, d := range strings.Split(dims, ",") {
			v, err := strconv.Atoi(d)
			if err != nil {
				t.Fatalf("%q: %v", line, err)
			}
			n *= v
			shape = append(shape, v)
		}
		header[name] = map[string]any{"dtype": "F16", "shape": shape, "data_offsets": []int{at, at + n}}
		at += n
	}
	return parseHeader(t, fmt.Sprintf("%s.safetensors", name), header, at, zeros)
}

// wholeNet are the layers of a net as torch.save(model) has them: convolutions, normalisations,
// and the activation class act beside each.
func wholeNet(t *testing.T, n *net, act string) map[string]weights.Module {
	t.Helper()
	pair := func(n int) []any { return []any{int64(n), int64(n)} }
	m := map[string]weights.Module{"": module("torchvision.models.mobilenetv2.MobileNetV2")}
	for c := range n.convs() {
		m[c.name] = module("torch.nn.modules.conv.Conv2d", "stride", pair(c.stride), "padding", pair(c.pad), "dilation", pair(1), "groups", int64(c.groups), "padding_mode", "zeros")
		m[c.norm] = module("torch.nn.modules.batchnorm.BatchNorm2d", "eps", c.eps, "track_running_stats", true)
		if stem, ok := strings.CutSuffix(c.name, ".0"); ok {
			m[stem+".2"] = module("torch.nn.modules.activation." + act)
		}
	}
	return m
}

// TestWholeNet changes layers of a whole MobileNetV2: what can be run is, and all else is refused.
func TestWholeNet(t *testing.T) {
	var mobile network
	for _, n := range networks(t) {
		if n.Name == "torchvision mobilenet_v2" {
			mobile = n
		}
	}
	plain := matched(t, mobile.file(t, nil), Spec{}, mobile.Name)
	for _, c := range []struct {
		what, act string
		change    func(map[string]weights.Module)
		check     func(n *net) bool
		want      string // of the error
	}{
		{"plain", "ReLU6", nil, func(n *net) bool { return first(n).eps == 1e-5 && !first(n).same }, ""},
		{"eps", "ReLU6", func(m map[string]weights.Module) { m["features.0.1"].Attributes["eps"] = 1e-3 }, func(n *net) bool { return first(n).eps == 1e-3 }, ""},
		{"SAME", "ReLU6", func(m map[string]weights.Module) {
			m["features.0.0"] = module("timm.layers.conv2d_same.Conv2dSame", "stride", []any{int64(2), int64(2)}, "padding", []any{int64(0), int64(0)})
		}, func(n *net) bool { return first(n).same }, ""},
		{"stride", "ReLU6", func(m map[string]weights.Module) { m["features.0.0"].Attributes["stride"] = []any{int64(1), int64(1)} }, func(n *net) bool { return first(n).stride == 1 }, ""},
		{"ReLU", "ReLU", nil, nil, "is a ReLU"},
		{"SiLU", "SiLU", nil, nil, "SiLU"},
		{"another layer", "ReLU6", func(m map[string]weights.Module) { m["features.3.trick"] = module("mynet.Trick") }, nil, "mynet.Trick"},
	} {
		f := mobile.file(t, nil)
		m := wholeNet(t, plain.body.(*net), c.act)
		if c.change != nil {
			c.change(m)
		}
		*f.About() = weights.About{Modules: m}
		a, err := Match(f, Spec{})
		switch {
		case (c.want == "") != (err == nil), err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%s: %v, want %q", c.what, err, c.want)
		case err == nil && !c.check(a.body.(*net)):
			t.Errorf("%s: %+v", c.what, *first(a.body.(*net)))
		}
	}
}

// first is the first convolution.
func first(n *net) (c *conv) {
	for c = range n.convs() {
		break
	}
	return c
}

// TestKeptNet keeps what a configuration says in settings: with the tensors alone they give the
// same network.
func TestKeptNet(t *testing.T) {
	for _, n := range networks(t) {
		if n.Config == "" && n.Model == "" {
			continue
		}
		spec, err := ParseSpec(n.Model)
		if err != nil {
			t.Fatal(err)
		}
		a := matched(t, n.file(t, nil), spec, n.Name)
		bare := n
		bare.Config = ""
		kept, err := a.Kept(bare.file(t, nil), spec)
		if err != nil {
			t.Errorf("%s: %v", n.Name, err)
			continue
		}
		if n.Config != "" && kept.Settings["pad"] != "same" {
			t.Errorf("%s: kept %v", n.Name, kept)
		}
		if b := matched(t, bare.file(t, nil), kept, n.Name); b != nil && !reflect.DeepEqual(a.body, b.body) {
			t.Errorf("%s: %v makes another network", n.Name, kept)
		}
	}
}

// TestUndecided: what tensors do not tell is said, aloud where files of both kinds are common.
func TestUndecided(t *testing.T) {
	want := map[string]string{ // what a user is warned of
		"timm efficientnet": "pad", "timm mobilenetv2": "", "timm mobilenetv3_large": "pad", "timm tf_efficientnet": "", "timm tf_efficientnet, its config": "", "torchvision efficientnet": "",
		"torchvision mobilenet_v2": "", "torchvision vgg11": "activation and pooling", "timm seresnet, basic": "",
	}
	for _, n := range networks(t) {
		what, ok := want[n.Name]
		if !ok {
			continue
		}
		spec, err := ParseSpec(n.Model)
		if err != nil {
			t.Fatal(err)
		}
		a := matched(t, n.file(t, nil), spec, n.Name)
		var got []string
		for _, w := range a.Facts.Warnings() {
			got = append(got, w.What)
		}
		if strings.Join(got, " ") != what {
			t.Errorf("%s: warned of %q, want %q", n.Name, got, what)
		}
		if n.Config == "" && len(a.Facts.Assumed) == 0 {
			t.Errorf("%s: nothing undecided", n.Name)
		}
	}
	// A configuration beside the weights decides, or refuses.
	for config, want := range map[string]string{
		`{"architecture":"efficientnet_b0"}`:                                       "",
		`{"architecture":"efficientnet_blur_b0"}`:                                  "blur",
		`{"architecture":"efficientnet_b0","model_args":{"act_layer":"relu"}}`:     "the activation is relu",
		`{"architecture":"efficientnet_b0","model_args":{"act_layer":"silu"}}`:     "",
		`{"architecture":"efficientnet_b0","model_args":{"norm_layer":"evonorm"}}`: "evonorm",
	} {
		for _, n := range networks(t) {
			if n.Name != "timm efficientnet" {
				continue
			}
			n.Config = config
			a, err := Match(n.file(t, nil), Spec{})
			switch {
			case (want == "") != (err == nil), err != nil && !strings.Contains(err.Error(), want):
				t.Errorf("%s: %v, want %q", config, err, want)
			case err == nil && len(a.Facts.Warnings()) > 0:
				t.Errorf("%s: %v", config, a.Facts.Warnings())
			}
		}
	}
}

// TestSmallVGG gives a VGG whose head takes its last map flat the input of which it makes that
// map, and reads poolings of a whole module.
func TestSmallVGG(t *testing.T) {
	lines := []string{"classifier.0.weight 6,64", "classifier.3.weight 3,6"}
	for _, i := range []string{"0 4,3", "2 4,4", "5 4,4", "7 4,4", "10 4,4"} { // poolings at 4, 9 and 12
		at, channels, _ := strings.Cut(i, " ")
		lines = append(lines, "features."+at+".weight "+channels+",3,3", "features."+at+".bias 4")
	}
	for _, c := range []struct {
		class string
		side  int
		want  string
	}{
		{"", 32, ""}, {"torch.nn.modules.pooling.MaxPool2d", 32, ""}, {"torch.nn.modules.pooling.AvgPool2d", 0, `"features.9" is a torch.nn.modules.pooling.AvgPool2d`},
		{"torch.nn.modules.dropout.Dropout", 0, "where a vgg has a pooling"},
	} {
		f := named(t, lines...)
		if c.class != "" {
			*f.About() = weights.About{Modules: map[string]weights.Module{"features.9": module(c.class, "kernel_size", int64(2), "stride", int64(2), "padding", int64(0))}}
		}
		a, err := Match(f, Spec{})
		switch {
		case (c.want == "") != (err == nil), err != nil && !strings.Contains(err.Error(), c.want):
			t.Errorf("%q: %v, want %q", c.class, err, c.want)
		case err == nil && (a.Transform.Width != c.side || a.Transform.Height != c.side || a.head.pool != flat):
			t.Errorf("%q: an input of %dx%d, head %s", c.class, a.Transform.Width, a.Transform.Height, a.Facts.Head)
		case err == nil:
			if _, err := a.Load(f, LoadOptions{}); err != nil {
				t.Error(err)
			}
		}
	}
}
