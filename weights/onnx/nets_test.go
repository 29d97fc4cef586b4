package onnx_test

import (
	"math"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
	"cwox/weights"
	"cwox/weights/onnx"
)

// net is a network of the data's index.
type net struct {
	Name  string
	Input struct {
		Name, Type, Range, Layout string
		Shape                     []any
	}
	OutputName   string `json:"output"`
	LogitsTensor string `json:"logits_tensor"`
	Activations  []struct {
		Tensor string
		Shape  []int
		Same   []string `json:"same_values"`
	}
	Tolerance struct{ Output float64 }
	Tags      []string
}

func nets(t *testing.T) (string, []net) {
	dir := testdata.Path(t, "onnx", "nets")
	var index struct{ Nets []net }
	read(t, filepath.Join(dir, "index.json"), &index)
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

// floats are a tensor's elements and shape.
func floats(t *testing.T, f *weights.File, name string) ([]float64, []int) {
	t.Helper()
	x, ok := f.Tensor(name)
	if !ok {
		t.Fatalf("no %s", name)
	}
	v, err := x.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return v, x.Shape
}

// given is the number fed to the graph, from the picture's bytes.
func (n *net) given(t *testing.T, expected *weights.File) *onnx.Value {
	x, shape := floats(t, expected, "input_u8")
	y := make([]float32, len(x))
	for i, v := range x {
		if y[i] = float32(v); n.Input.Range == "centred" {
			y[i] = float32((v - 128) / 64)
		}
	}
	return onnx.NewFloats(shape, y)
}

// TestNets evaluates whole networks and compares outputs and inner tensors.
func TestNets(t *testing.T) {
	dir, all := nets(t)
	for _, n := range all {
		t.Run(n.Name, func(t *testing.T) {
			expected := open(t, filepath.Join(dir, n.Name, "expected.safetensors"))
			m := open(t, filepath.Join(dir, n.Name, "model.onnx")).Model()
			in := n.given(t, expected)
			in.Type = m.Graph.Inputs[0].Type()
			if in.Type != onnx.Float {
				in = in.As(in.Type)
			}
			if testing.Short() && in.Len() > 3*100*100 {
				t.Skip("large")
			}
			outputs := []string{n.OutputName, n.LogitsTensor}
			for _, a := range n.Activations {
				outputs = append(outputs, a.Tensor)
			}
			p, err := m.Fold(onnx.FoldOptions{Given: map[string]*onnx.Value{n.Input.Name: in}, Outputs: outputs, Work: math.MaxInt / 16})
			if err != nil {
				t.Fatal(err)
			}
			want := "output_f64"
			if len(n.Activations) == 0 {
				want = "output_onnxruntime"
				n.Tolerance.Output = 0.02
			}
			near(t, p.Outputs[0], expected, want, n.Tolerance.Output)
			if n.LogitsTensor != n.OutputName {
				near(t, p.Outputs[1], expected, "logits_f64", n.Tolerance.Output)
			}
			for i := range n.Activations {
				near(t, p.Outputs[2+i], expected, []string{"act0", "act1"}[i], n.Tolerance.Output)
			}
		})
	}
}

func near(t *testing.T, got *onnx.Value, expected *weights.File, name string, tolerance float64) {
	t.Helper()
	x, err := got.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	y, _ := floats(t, expected, name)
	scale, worst := 0.0, 0.0
	for i := range y { // of an activation item 0 alone is there
		scale, worst = max(scale, math.Abs(y[i])), max(worst, math.Abs(x[i]-y[i]))
	}
	if len(x) < len(y) || !(worst <= tolerance*scale) {
		t.Errorf("%s: %d elements, want %d; differs by %.2g of %.2g", name, len(x), len(y), worst/scale, tolerance)
	}
}

// TestHostile opens and folds malformed files: an error, or the logits, within 300 MB.
func TestHostile(t *testing.T) {
	dir := testdata.Path(t, "onnx", "hostile")
	var index struct {
		Files []struct {
			File, Verdict, What string
			Names               []string
			Output              []float64
		}
	}
	read(t, filepath.Join(dir, "index.json"), &index)
	for _, c := range index.Files {
		t.Run(c.File, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			out, err := logits(filepath.Join(dir, c.File))
			runtime.ReadMemStats(&after)
			if used := after.TotalAlloc - before.TotalAlloc; used > 300e6 {
				t.Errorf("took %d MB", used/1e6)
			}
			switch {
			case c.Verdict == "error" && err == nil:
				t.Errorf("no error: %s", c.What)
			case c.Verdict == "ok" && err != nil:
				t.Error(err)
			case err != nil:
				t.Log(err)
				for _, name := range c.Names {
					if !strings.Contains(err.Error(), name) {
						t.Errorf("%v: want %s in it", err, name)
					}
				}
				if len(err.Error()) > 1000 {
					t.Errorf("an error of %d bytes", len(err.Error()))
				}
			default:
				for i, w := range c.Output {
					if !(math.Abs(out[i]-w) <= 1e-5) {
						t.Errorf("logit %d: %g, want %g", i, out[i], w)
					}
				}
			}
		})
	}
}

// logits are a small network's on numbers from 0 to 1.
func logits(path string) ([]float64, error) {
	f, err := weights.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	x := make([]float32, 768)
	for i := range x {
		x[i] = float32(i) / 768
	}
	m := f.Model()
	p, err := m.Fold(onnx.FoldOptions{}) // the shapes alone, as a program does first
	if err != nil {
		return nil, err
	}
	in := p.Inputs[0]
	if !slices.Equal(in.Shape, []int{1, 3, 16, 16}) {
		return nil, nil
	}
	p, err = m.Fold(onnx.FoldOptions{Given: map[string]*onnx.Value{in.Name(): onnx.NewFloats(in.Shape, x)}})
	if err != nil {
		return nil, err
	}
	return p.Outputs[0].Float64s()
}
