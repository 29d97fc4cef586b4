package onnx_test

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
	"cwox/weights/onnx"
)

// backendCase is one of ONNX's own tests, as the data's index lists them.
type backendCase struct {
	Name, Kind, Path string
	Operators        []string
	Sets             int
	RTol, ATol       float64
	Inputs           []struct{ Name string }
}

func backendCases(t *testing.T) (dir string, cases []backendCase) {
	dir = testdata.Path(t, "onnx", "backend")
	var index struct{ Cases []backendCase }
	read(t, filepath.Join(dir, "index.json"), &index)
	return dir, index.Cases
}

func read(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(text, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func value(t *testing.T, path string) *onnx.Value {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	v, err := onnx.ParseTensor(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return v
}

// TestBackend evaluates ONNX's own tests of single operators and small expressions. With -v it
// lists the cases of each operator.
func TestBackend(t *testing.T) {
	dir, cases := backendCases(t)
	count := map[string][2]int{} // of each operator: cases, and those that hold
	for _, c := range cases {
		if c.Kind == "light" {
			continue
		}
		ok := t.Run(c.Name, func(t *testing.T) {
			data, err := os.ReadFile(filepath.Join(dir, c.Path, "model.onnx"))
			if err != nil {
				t.Fatal(err)
			}
			m, err := onnx.Parse(data, nil)
			if err != nil {
				t.Fatal(err)
			}
			for k := range c.Sets {
				set := filepath.Join(dir, c.Path, fmt.Sprintf("test_data_set_%d", k))
				given := map[string]*onnx.Value{}
				for i, in := range c.Inputs {
					given[in.Name] = value(t, filepath.Join(set, fmt.Sprintf("input_%d.pb", i)))
				}
				p, err := m.Fold(onnx.FoldOptions{Given: given})
				if err != nil {
					t.Fatal(err)
				}
				for i, got := range p.Outputs {
					want := value(t, filepath.Join(set, fmt.Sprintf("output_%d.pb", i)))
					compare(t, got, want, c.RTol, c.ATol)
				}
				shapes(t, m, given, p)
			}
		})
		for _, op := range c.Operators {
			n := count[op]
			n[0]++
			if ok {
				n[1]++
			}
			count[op] = n
		}
	}
	var lines []string
	for op, n := range count {
		lines = append(lines, fmt.Sprintf("%s %d/%d", op, n[1], n[0]))
	}
	slices.Sort(lines)
	t.Log(strings.Join(lines, ", "))
}

// shapes wants the types and shapes that are found without the first input's elements to be
// those found with them. (Whose elements are a shape cannot be left out.)
func shapes(t *testing.T, m *onnx.Model, given map[string]*onnx.Value, want *onnx.Program) {
	t.Helper()
	if len(given) == 0 {
		return
	}
	first := m.Graph.Inputs[0].Name
	if given[first] == nil || !given[first].Type.IsFloat() {
		return
	}
	some := map[string]*onnx.Value{}
	for name, v := range given {
		if name != first {
			some[name] = v
		}
	}
	shape := given[first].Shape
	p, err := m.Fold(onnx.FoldOptions{Given: some, Dim: func(_ *onnx.ValueInfo, d int, _ string) int { return shape[d] }})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range p.Outputs {
		if w := want.Outputs[i]; v.Type != w.Type || !slices.Equal(v.Shape, w.Shape) {
			t.Errorf("output %d: found %v %v without elements, %v %v with them", i, v.Type, v.Shape, w.Type, w.Shape)
		}
	}
}

func compare(t *testing.T, got, want *onnx.Value, rtol, atol float64) {
	t.Helper()
	if got.Type != want.Type || !slices.Equal(got.Shape, want.Shape) {
		t.Fatalf("%v %v, want %v %v", got.Type, got.Shape, want.Type, want.Shape)
	}
	x, err := got.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	y, err := want.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	for i := range x {
		if x[i] != y[i] && !(math.Abs(x[i]-y[i]) <= atol+rtol*math.Abs(y[i])) && !(x[i] != x[i] && y[i] != y[i]) {
			t.Fatalf("element %d: %g, want %g", i, x[i], y[i])
		}
	}
}
