package main

import (
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/internal/onnxmake"
	"cwox/internal/testdata"
	"cwox/weights"
)

// onnxFile writes a network of two convolutions and a head, whose classes are alike in pairs. The
// end is what comes behind the logits.
func onnxFile(t *testing.T, classes int, input []int64, before []onnxmake.Node, end string) string {
	t.Helper()
	numbers := func(n int, scale float64) []float32 {
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(scale * math.Sin(float64(i*i+n)))
		}
		return x
	}
	head := numbers(classes*8, 1)
	for c := 1; c < classes; c += 2 {
		for i := range 8 {
			head[c*8+i] = head[(c-1)*8+i] + 0.05*float32(i%3-1)
		}
	}
	m := onnxmake.Model{
		Opset:  17,
		Inputs: []onnxmake.Value{{Name: "pixels", Shape: input}},
		Constants: []onnxmake.Constant{
			{Name: "w1", Shape: []int64{8, 3, 3, 3}, Floats: numbers(216, 0.5)}, {Name: "w2", Shape: []int64{8, 8, 3, 3}, Floats: numbers(576, 0.3)},
			{Name: "w3", Shape: []int64{int64(classes), 8}, Floats: head}, {Name: "255", Shape: []int64{}, Floats: []float32{255}},
		},
		Nodes: append(before,
			onnxmake.Node{Op: "Conv", In: []string{"pixels", "w1"}, Out: []string{"first"}, Attributes: map[string]any{"strides": []int64{2, 2}, "pads": []int64{1, 1, 1, 1}}},
			onnxmake.Node{Op: "Relu", In: []string{"first"}, Out: []string{"fine"}},
			onnxmake.Node{Op: "Conv", In: []string{"fine", "w2"}, Out: []string{"second"}, Attributes: map[string]any{"strides": []int64{2, 2}, "pads": []int64{1, 1, 1, 1}}},
			onnxmake.Node{Op: "Relu", In: []string{"second"}, Out: []string{"coarse"}},
			onnxmake.Node{Op: "GlobalAveragePool", In: []string{"coarse"}, Out: []string{"pooled"}},
			onnxmake.Node{Op: "Flatten", In: []string{"pooled"}, Out: []string{"flat"}},
			onnxmake.Node{Op: "Gemm", In: []string{"flat", "w3"}, Out: []string{"scores"}, Attributes: map[string]any{"transB": 1}}),
		Outputs: []onnxmake.Value{{Name: "scores"}},
	}
	if n := len(before); n > 0 {
		m.Nodes[n].In[0] = before[n-1].Out[0]
	}
	if end != "" {
		m.Nodes = append(m.Nodes, onnxmake.Node{Op: end, In: []string{"scores"}, Out: []string{"probabilities"}})
		m.Outputs[0].Name = "probabilities"
	}
	path := filepath.Join(t.TempDir(), "net.onnx")
	if err := os.WriteFile(path, m.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// pngFile writes a picture with something in it.
func pngFile(t *testing.T) string {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, 60, 48))
	for y := range 48 {
		for x := range 60 {
			m.Set(x, y, color.RGBA{uint8(4 * x), uint8(5 * y), uint8(x * y), 255})
		}
	}
	path := filepath.Join(t.TempDir(), "photo.png")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := png.Encode(f, m); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestONNX runs the commands on a network by hand.
func TestONNX(t *testing.T) {
	nchw, photo := []int64{1, 3, 32, 32}, pngFile(t)
	net := onnxFile(t, 6, nchw, nil, "Softmax")

	code, out, errs := cli(t, "weights", "inspect", "--json", net)
	var in inspection
	if err := json.Unmarshal([]byte(out), &in); code != 0 || err != nil {
		t.Fatal(code, errs, err)
	}
	if in.Format != weights.ONNX || in.Model != "onnx" || in.Classes != 6 || in.Head != "scores, then softmax" || in.Input == nil || in.Input.Width != 32 {
		t.Errorf("%+v", in)
	}
	if want := []layerLine{{"coarse", [3]int{8, 8, 8}}, {"second", [3]int{8, 8, 8}}, {"fine", [3]int{8, 16, 16}}, {"first", [3]int{8, 16, 16}}}; !slices.Equal(in.Layers, want) {
		t.Errorf("layers %v, want %v", in.Layers, want)
	}

	dir := filepath.Join(t.TempDir(), "out")
	for _, args := range [][]string{
		{"explain", "--weights", net, photo, "-o", dir, "--top", "4"},
		{"verify", dir},
		{"explain", "--weights", net, photo, "-o", dir + "2", "--cluster-layer", "second", "--class-layer", "first"},
		{"explain", "--weights", net, photo, "-o", dir + "3", "--explainer", "mwp"},
		{"explain", "--weights", net, photo, "-o", dir + "4", "--explainer", "rise", "--rise-masks", "20"},
		{"bench", "layers", "--weights", net, "--seconds", "0.001"},
	} {
		if code, _, errs := cli(t, append(args, "--quiet")...); code != 0 {
			t.Errorf("%v: %d, %s", args, code, errs)
		}
	}
	for _, c := range []struct {
		args string
		says string
	}{
		{"classify --weights " + net + " --model resnet50", "an ONNX file says itself what its network is"},
		{"classify --weights " + net + " --size 64", "takes 32x32"},
		{"explain --weights " + net + " --cluster-layer nobody -o " + dir + "5", "nobody"},
	} {
		if code, _, errs := cli(t, append(strings.Fields(c.args), photo)...); code == 0 || !strings.Contains(errs, c.says) {
			t.Errorf("%s: %d, %q, want %q", c.args, code, errs, c.says)
		}
	}
	if code, _, errs := cli(t, "weights", "convert", net, "-o", filepath.Join(t.TempDir(), "x.safetensors")); code == 0 || !strings.Contains(errs, "its tensors alone would not be") {
		t.Errorf("%d, %q", code, errs)
	}
}

// TestONNXEndings wants what the end and the beginning of a graph say.
func TestONNXEndings(t *testing.T) {
	photo := pngFile(t)
	top := func(t *testing.T, args ...string) []classLine {
		t.Helper()
		code, out, errs := cli(t, append([]string{"classify", "--json", "--quiet"}, args...)...)
		var line classifyLine
		if err := json.Unmarshal([]byte(out), &line); code != 0 || err != nil {
			t.Fatal(code, errs, err)
		}
		return line.Top
	}
	sum := func(top []classLine) (p float64) {
		for _, t := range top {
			p += t.Probability
		}
		return p
	}
	nchw := []int64{1, 3, 32, 32}
	plain := top(t, "--weights", onnxFile(t, 4, nchw, nil, ""), "--top", "4", photo)
	soft := top(t, "--weights", onnxFile(t, 4, nchw, nil, "Softmax"), "--top", "4", photo)
	if !slices.Equal(plain, soft) || math.Abs(sum(soft)-1) > 1e-6 {
		t.Errorf("logits %v, before a softmax %v", plain, soft)
	}
	if own := top(t, "--weights", onnxFile(t, 4, nchw, nil, "Sigmoid"), "--top", "4", photo); math.Abs(sum(own)-1) < 1e-3 || own[0].Logit != plain[0].Logit {
		t.Errorf("a sigmoid's classes compete: %v", own)
	}
	if one := top(t, "--weights", onnxFile(t, 1, nchw, nil, "Sigmoid"), photo); len(one) != 2 || math.Abs(sum(one)-1) > 1e-6 {
		t.Errorf("one logit: %v", one)
	}
	// A network that divides by 255 itself is given pixels from 0 to 255, not normalised ones.
	scaled := onnxFile(t, 4, nchw, []onnxmake.Node{{Op: "Div", In: []string{"pixels", "255"}, Out: []string{"scaled"}}}, "")
	if got, want := top(t, "--weights", scaled, photo), top(t, "--weights", onnxFile(t, 4, nchw, nil, ""), "--mean", "0", "--std", "1", photo); !(math.Abs(got[0].Logit-want[0].Logit) <= 1e-4) {
		t.Errorf("%v, want %v", got, want)
	}
	if code, out, _ := cli(t, "classify", "--weights", scaled, photo); code != 0 {
		t.Errorf("%s", out)
	}
	// Channels last: the same picture, and the same numbers as a tensor in that layout.
	last := onnxFile(t, 4, []int64{1, 32, 32, 3}, []onnxmake.Node{{Op: "Transpose", In: []string{"pixels"}, Out: []string{"turned"}, Attributes: map[string]any{"perm": []int64{0, 3, 1, 2}}}}, "")
	if got := top(t, "--weights", last, "--top", "4", photo); !slices.Equal(got, plain) {
		t.Errorf("channels last: %v, want %v", got, plain)
	}
	x := make([]float32, 32*32*3)
	y := make([]float32, len(x))
	for i := range x {
		x[i] = float32(math.Sin(float64(i)))
		y[i%3*32*32+i/3] = x[i]
	}
	tensor := func(shape []int, x []float32) string {
		path := filepath.Join(t.TempDir(), "x.safetensors")
		if err := weights.WriteFile(path, []*weights.Tensor{weights.NewF32("input", shape, x)}, nil); err != nil {
			t.Fatal(err)
		}
		return path
	}
	got := top(t, "--weights", last, "--tensor", tensor([]int{1, 32, 32, 3}, x))
	want := top(t, "--weights", onnxFile(t, 4, nchw, nil, ""), "--tensor", tensor([]int{1, 3, 32, 32}, y))
	if !slices.Equal(got, want) {
		t.Errorf("a tensor with channels last: %v, want %v", got, want)
	}
}

// TestONNXTensors classifies the data's own inputs: the logits are those that PyTorch and
// TensorFlow compute in float64.
func TestONNXTensors(t *testing.T) {
	dir := testdata.Path(t, "onnx", "nets")
	for _, name := range []string{"resnet18", "any_size", "pre_nhwc", "pre_subdiv", "keras_cnn", "lenet_gray", "fp16_io", "densenet_multilabel", "head_one_logit", "resnet_external"} {
		t.Run(name, func(t *testing.T) {
			expected, err := weights.Open(filepath.Join(dir, name, "expected.safetensors"))
			if err != nil {
				t.Fatal(err)
			}
			defer expected.Close()
			u8, _ := expected.Tensor("input_u8")
			x, err := u8.Float32()
			if err != nil {
				t.Fatal(err)
			}
			x = slices.Clone(x)
			if !slices.Contains([]string{"pre_nhwc", "pre_subdiv", "keras_cnn"}, name) {
				for i := range x {
					x[i] = (x[i] - 128) / 64
				}
			}
			path := filepath.Join(t.TempDir(), "x.safetensors")
			if err := weights.WriteFile(path, []*weights.Tensor{weights.NewF32("input", u8.Shape, x)}, nil); err != nil {
				t.Fatal(err)
			}
			logits, ok := expected.Tensor("logits_f64")
			if !ok {
				logits, _ = expected.Tensor("output_f64")
			}
			want, err := logits.Float64()
			if err != nil {
				t.Fatal(err)
			}
			code, out, errs := cli(t, "classify", "--json", "--quiet", "--top", fmt.Sprint(max(2, logits.Shape[1])), "--weights", filepath.Join(dir, name, "model.onnx"), "--tensor", path)
			if code != 0 {
				t.Fatal(errs)
			}
			for i, text := range strings.Split(strings.TrimSpace(out), "\n") {
				var line classifyLine
				if err := json.Unmarshal([]byte(text), &line); err != nil {
					t.Fatal(err)
				}
				for _, c := range line.Top {
					w := 0.0
					if logits.Shape[1] > 1 {
						w = want[i*logits.Shape[1]+c.Class]
					} else if c.Class == 1 {
						w = want[i]
					}
					if !(math.Abs(c.Logit-w) <= 1e-4*max(1, math.Abs(w))) {
						t.Errorf("image %d, class %d: %g, want %g", i, c.Class, c.Logit, w)
					}
				}
			}
		})
	}
}
