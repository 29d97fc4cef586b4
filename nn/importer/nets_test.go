package importer_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
	"cwox/nn"
	"cwox/nn/importer"
	"cwox/weights"
	"cwox/weights/onnx"
)

// net is a network of the data's index.
type net struct {
	Name  string
	Input struct{ Name, Type, Range, Layout string }

	Output       string
	LogitsTensor string `json:"logits_tensor"`
	Classes      []int
	Step         int `json:"grad_input_step"`
	Offset       int `json:"grad_input_offset"`
	Activations  []struct {
		Tensor, Layout string
		Shape          []int
		Same           []string `json:"same_values"`
	}
	Tolerance struct{ Output, Gradient, Cam float64 }
}

// testNet is a network ready to run, with the numbers that are expected of it.
type testNet struct {
	*testing.T
	net
	expected *weights.File
	network  *importer.Network
	model    *nn.Model
	x        []float32 // [n][C][H][W]
	n        int
	worst    map[string]float64 // by what is compared: the difference by the tolerance
}

func nets(t *testing.T) (dir string, all []net) {
	t.Helper()
	dir = testdata.Path(t, "onnx", "nets")
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	var index struct{ Nets []net }
	if err == nil {
		err = json.Unmarshal(text, &index)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir, index.Nets
}

func open(t *testing.T, path string) *weights.File {
	t.Helper()
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func (t *testNet) floats(name string) ([]float64, []int) {
	t.Helper()
	x, ok := t.expected.Tensor(name)
	if !ok {
		t.Fatalf("no %s", name)
	}
	v, err := x.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return v, x.Shape
}

// load imports the network and makes its input.
func load(t *testing.T, dir string, n net) *testNet {
	t.Helper()
	tn := &testNet{T: t, net: n, expected: open(t, filepath.Join(dir, n.Name, "expected.safetensors")), worst: map[string]float64{}}
	x, shape := tn.floats("input_u8")
	if n.Input.Layout == "NHWC" {
		x = chw(x, shape[0], shape[1]*shape[2], shape[3])
		shape = []int{shape[0], shape[3], shape[1], shape[2]}
	}
	for _, v := range x {
		if n.Input.Range == "centred" {
			v = (v - 128) / 64
		}
		tn.x = append(tn.x, float32(v))
	}
	tn.n = shape[0]
	var err error
	tn.network, err = importer.Import(open(t, filepath.Join(dir, n.Name, "model.onnx")).Model(), importer.Options{Height: shape[2], Width: shape[3]})
	if err == nil {
		tn.model, err = nn.Compile(tn.network.Graph, nn.CompileOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return tn
}

// chw brings [n][pixels][channels] to [n][channels][pixels].
func chw[T any](x []T, n, pixels, channels int) []T {
	out := make([]T, len(x))
	for i := range n {
		for p := range pixels {
			for c := range channels {
				out[(i*channels+c)*pixels+p] = x[(i*pixels+p)*channels+c]
			}
		}
	}
	return out
}

// edge is a network, and the kernel tier that rounds the input of one of its ReLUs to the other side
// of zero: the gradients below are right, and others.
var edge = map[string]string{"resnetv2_preact": "ref"} // element 575 of stages.1.blocks.0.conv3's sum

// near compares with what is expected, relative to the largest value.
func (t *testNet) near(what string, got []float32, want []float64, tolerance float64) {
	t.Helper()
	scale, worst := 0.0, 0.0
	for i, w := range want {
		scale, worst = max(scale, math.Abs(w)), max(worst, math.Abs(float64(got[i])-w))
	}
	t.worst[what] = worst / scale / tolerance
	if len(got) != len(want) || !(worst <= tolerance*scale) {
		t.Errorf("%s: %d elements, want %d; differs by %.2g of the scale, tolerance %.2g", what, len(got), len(want), worst/scale, tolerance)
	}
}

// inner is what is expected at an inner tensor, [t][pixels][channels] or [t][channels][pixels], as
// the latter.
func (t *testNet) inner(name, layout string, shape []int) []float64 {
	x, _ := t.floats(name)
	if layout != "CHW" {
		c := shape[len(shape)-1]
		size := 1
		for _, n := range shape {
			size *= n
		}
		return chw(x, len(x)/size, size/c, c)
	}
	return x
}

// TestNets compares whole networks with float64: logits, the gradient of the input, activations,
// their gradients and Grad-CAM. With -v it lists the largest difference of each, by its tolerance.
func TestNets(t *testing.T) {
	dir, all := nets(t)
	for _, n := range all {
		t.Run(n.Name, func(t *testing.T) {
			tn := load(t, dir, n)
			tn.check()
			var parts []string
			for what, d := range tn.worst {
				parts = append(parts, fmt.Sprintf("%s %.2f", what, d))
			}
			slices.Sort(parts)
			t.Logf("%s: %s", n.Name, strings.Join(parts, ", "))
		})
	}
}

func (t *testNet) check() {
	layers := []string{"input"}
	for _, a := range t.Activations {
		layers = append(layers, a.Tensor)
	}
	s, err := t.model.NewSession(nn.SessionOptions{Batch: t.n, Keep: layers})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	logits := slices.Clone(s.Forward(t.x))
	if len(t.Activations) == 0 { // quantised
		want, _ := t.floats("output_onnxruntime")
		t.near("output", logits, want, 0.02)
		return
	}
	if t.network.Output != t.Output || t.network.Logits != t.LogitsTensor {
		t.Errorf("output %q, logits %q, want %q, %q", t.network.Output, t.network.Logits, t.Output, t.LogitsTensor)
	}
	name := "output_f64"
	if t.LogitsTensor != t.Output {
		name = "logits_f64"
	}
	want, _ := t.floats(name)
	t.near("logits", logits, want, t.Tolerance.Output)

	classes := t.model.Classes()
	seeds := make([]float32, len(t.Classes)*classes)
	for i, c := range t.Classes {
		seeds[i*classes+c] = 1
	}
	gradients, err := s.Backward(nn.Gradient, 0, seeds, layers...)
	if err != nil {
		t.Fatal(err)
	}
	if edge[t.net.Name] != t.model.Kernel() {
		t.inputGradient(gradients[0])
	}
	for i, a := range t.Activations {
		act, shape, err := s.Activation(0, a.Tensor)
		if err != nil {
			t.Fatal(err)
		}
		of := func(what string) string { return fmt.Sprintf("%s%d", what, i) }
		t.near(of("act"), act, t.inner(of("act"), a.Layout, a.Shape), 8*t.Tolerance.Output)
		t.near(of("grad_act"), gradients[1+i], t.inner(of("grad_act"), a.Layout, a.Shape), t.Tolerance.Gradient)
		if _, ok := t.expected.Tensor(of("cam")); !ok { // of tokens there is none
			continue
		}
		cam, _ := t.floats(of("cam"))
		t.near(of("cam"), gradCAM(act, gradients[1+i], shape), cam, t.Tolerance.Cam)
	}
}

// inputGradient compares the stored rows and columns of the input's gradient of the first class,
// and its sums.
func (t *testNet) inputGradient(g []float32) {
	s := t.network.Input.Shape
	want, shape := t.floats("grad_input")
	if t.Input.Layout == "NHWC" {
		want = chw(want, 1, shape[0]*shape[1], shape[2])
	}
	var got []float32
	sums, absolute := make([]float32, s.C), make([]float32, s.C)
	for c := range s.C {
		sum, abs := 0.0, 0.0
		for y := range s.H {
			for x := range s.W {
				v := g[(c*s.H+y)*s.W+x]
				sum, abs = sum+float64(v), abs+math.Abs(float64(v))
				if y%t.Step == t.Offset && x%t.Step == t.Offset {
					got = append(got, v)
				}
			}
		}
		sums[c], absolute[c] = float32(sum), float32(abs)
	}
	t.near("grad_input", got, want, t.Tolerance.Gradient)
	all, _ := t.floats("grad_input_abs_sum")
	t.near("grad_input_abs_sum", absolute, all, t.Tolerance.Gradient)
}

// gradCAM is the sum over channels of the gradient's mean times the activation, for each of the
// gradients.
func gradCAM(act, gradients []float32, s nn.Shape) []float32 {
	plane := s.H * s.W
	var out []float32
	for i := range len(gradients) / s.Size() {
		cam := make([]float64, plane)
		for c := range s.C {
			mean := 0.0
			for _, v := range gradients[i*s.Size()+c*plane:][:plane] {
				mean += float64(v) / float64(plane)
			}
			for p := range plane {
				cam[p] += mean * float64(act[c*plane+p])
			}
		}
		for _, v := range cam {
			out = append(out, float32(v))
		}
	}
	return out
}

// TestEveryTensor compares every map of every network with that of onnx's own evaluation, and
// says which is the first that differs.
func TestEveryTensor(t *testing.T) {
	dir, all := nets(t)
	for _, n := range all {
		t.Run(n.Name, func(t *testing.T) {
			if len(n.Activations) == 0 {
				t.Skip("quantised: rounded there")
			}
			tn := load(t, dir, n)
			if len(tn.x) > 4*3*100*100 {
				t.Skip("large")
			}
			tn.everyTensor(open(t, filepath.Join(dir, n.Name, "model.onnx")).Model())
		})
	}
}

func (t *testNet) everyTensor(m *onnx.Model) {
	places, err := importer.Places(m, importer.Options{Height: t.network.Input.Shape.H, Width: t.network.Input.Shape.W})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, l := range t.model.Layers() {
		if places[l] != nil {
			names = append(names, l)
		}
	}
	s, err := t.model.NewSession(nn.SessionOptions{Batch: t.n, Keep: names, Whole: true})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Forward(t.x)
	x, shape := t.floats("input_u8")
	in := make([]float32, len(x))
	for i, v := range x {
		if in[i] = float32(v); t.Input.Range == "centred" {
			in[i] = float32(v-128) / 64
		}
	}
	value := onnx.NewFloats(shape, in)
	if k := m.Graph.Inputs[0].Type(); k != onnx.Float {
		value = value.As(k)
	}
	p, err := m.Fold(onnx.FoldOptions{Given: map[string]*onnx.Value{t.Input.Name: value}, Outputs: names, Work: math.MaxInt / 16})
	if err != nil {
		t.Fatal(err)
	}
	for i, name := range names {
		got, shape, err := s.Activation(0, name)
		if err != nil {
			if strings.Contains(err.Error(), "image itself") {
				continue
			}
			t.Fatal(err)
		}
		want, err := p.Outputs[i].Float64s()
		if err != nil {
			t.Fatal(err)
		}
		scale, worst, j := 0.0, 0.0, 0
		for c := range shape.C {
			for y := range shape.H {
				for x := range shape.W {
					w := want[places[name](c, y, x)]
					scale, worst = max(scale, math.Abs(w)), max(worst, math.Abs(float64(got[j])-w))
					j++
				}
			}
		}
		if !(worst <= max(5e-5, 4*t.Tolerance.Output)*scale) {
			t.Errorf("%s %v: differs by %.2g of %.3g", name, p.Outputs[i].Shape, worst/scale, scale)
		}
	}
}

// TestPivots wants the last map of the picture, and the last of the resolution before it.
func TestPivots(t *testing.T) {
	dir, all := nets(t)
	for _, n := range all {
		want, ok := map[string][2]string{
			"resnet18":        {"/layer4/layer4.1/relu_1/Relu_output_0", "/layer3/layer3.1/relu_1/Relu_output_0"},
			"resnet50":        {"/layer4/layer4.0/relu_2/Relu_output_0", "/layer3/layer3.0/relu_2/Relu_output_0"},
			"vit":             {"/encoder/layers/encoder_layer_1/ln_1/LayerNormalization_output_0@4x4", "/encoder/layers/encoder_layer_1/ln_1/LayerNormalization_output_0@4x4"},
			"swin":            {"/norm/LayerNormalization_output_0", "/features/features.1/features.1.0/Add_1_output_0"},
			"shufflenet_v2":   {"/conv5/conv5.2/Relu_output_0", "/stage3/stage3.2/Reshape_1_output_0"},
			"convnext":        {"/features/features.7/features.7.0/Add_output_0", "/features/features.6/features.6.0/LayerNormalization_output_0"},
			"keras_mobilenet": {"functional_1/conv_pw_13_relu_1/Relu6:0", "functional_1/conv_pw_11_relu_1/Relu6:0"},
			"densenet":        {"/Relu_output_0", "/features/transition3/conv/Conv_output_0"},
			"mobilenet_v2":    {"/features/features.9/features.9.2/Clip_output_0", "/features/features.4/conv/conv.0/conv.0.2/Clip_output_0"},
		}[n.Name]
		if !ok {
			continue
		}
		net := load(t, dir, n).network
		if net.Cluster.Name != want[0] && want[0] != "" || net.Class.Name != want[1] && want[1] != "" {
			t.Errorf("%s: %v and %v, want %v", n.Name, net.Cluster, net.Class, want)
		}
	}
}

// TestRanges wants the pixels that a graph takes to be found in it.
func TestRanges(t *testing.T) {
	dir, all := nets(t)
	for _, n := range all {
		net := load(t, dir, n).network
		want := 0
		if n.Input.Range == "0..255" {
			want = 255
		}
		if net.Input.Range != want || net.Input.Layout != n.Input.Layout {
			t.Errorf("%s: range %d, %s, want %d, %s", n.Name, net.Input.Range, net.Input.Layout, want, n.Input.Layout)
		}
	}
}

// TestTokenMap wants the map of a transformer's patches to be the tokens but for the class's, and
// to have their gradient.
func TestTokenMap(t *testing.T) {
	dir, all := nets(t)
	i := slices.IndexFunc(all, func(n net) bool { return n.Name == "vit" })
	tn := load(t, dir, all[i])
	tokens, _, _ := strings.Cut(tn.network.Cluster.Name, "@")
	s, err := tn.model.NewSession(nn.SessionOptions{Keep: []string{tokens}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	s.Forward(tn.x[:tn.model.Input().Size()])
	seeds := make([]float32, tn.model.Classes())
	seeds[1] = 1
	gradients, err := s.Backward(nn.Gradient, 0, seeds, tokens, tn.network.Cluster.Name)
	if err != nil {
		t.Fatal(err)
	}
	x, shape, err := s.Activation(0, tokens)
	if err != nil {
		t.Fatal(err)
	}
	y, laid, err := s.Activation(0, tn.network.Cluster.Name)
	if err != nil {
		t.Fatal(err)
	}
	if shape != (nn.Shape{C: 32, H: 1, W: 17}) || laid != (nn.Shape{C: 32, H: 4, W: 4}) {
		t.Fatalf("tokens %v, map %v", shape, laid)
	}
	for c := range 32 {
		if !slices.Equal(x[17*c+1:][:16], y[16*c:][:16]) || !slices.Equal(gradients[0][17*c+1:][:16], gradients[1][16*c:][:16]) {
			t.Errorf("channel %d differs", c)
		}
	}
}
