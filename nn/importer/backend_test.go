package importer

import (
	"encoding/binary"
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
	"cwox/weights/onnx"
)

// backendCase is one of ONNX's own tests.
type backendCase struct {
	Name, Kind, Path string
	Operators        []string
	Image            bool `json:"image_input"`
	Sets             int
	RTol, ATol       float64
	Inputs           []struct{ Name string }
}

// tensorFile is a file of a TensorProto, read as the only constant of a model.
func tensorFile(t *testing.T, path string) *onnx.Value {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	within := func(field byte, data []byte) []byte {
		return append(binary.AppendUvarint([]byte{field<<3 | 2}, uint64(len(data))), data...)
	}
	m, err := onnx.Parse(append(within(7, within(5, data)), within(8, []byte{2 << 3, 13})...), nil)
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph.Initializers[0].Value()
}

// TestBackend runs ONNX's own tests of operators on images, in the engine. What cannot be run must
// be an error that names the operator. With -v it lists the cases of each operator.
func TestBackend(t *testing.T) {
	dir := testdata.Path(t, "onnx", "backend")
	text, err := os.ReadFile(filepath.Join(dir, "index.json"))
	var index struct{ Cases []backendCase }
	if err == nil {
		err = json.Unmarshal(text, &index)
	}
	if err != nil {
		t.Fatal(err)
	}
	count := map[string][2]int{}
	var refused []string
	for _, c := range index.Cases {
		if !c.Image || c.Kind == "light" {
			continue
		}
		ran := false
		t.Run(c.Name, func(t *testing.T) {
			for k := range c.Sets {
				err := c.run(t, filepath.Join(dir, c.Path), k)
				if err != nil && !slices.ContainsFunc(c.Operators, func(op string) bool { return strings.Contains(err.Error(), op) }) {
					t.Errorf("an error that names no operator: %v", err)
				}
				if err != nil {
					refused = append(refused, c.Name+": "+err.Error())
					return
				}
			}
			ran = true
		})
		for _, op := range c.Operators {
			n := count[op]
			n[0]++
			if ran {
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
	t.Logf("%s\nrefused:\n%s", strings.Join(lines, ", "), strings.Join(refused, "\n"))
}

// run compares a case's first output.
func (c *backendCase) run(t *testing.T, path string, set int) error {
	data, err := os.ReadFile(filepath.Join(path, "model.onnx"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := onnx.Parse(data, nil)
	if err != nil {
		return err
	}
	in := func(i int) *onnx.Value {
		return tensorFile(t, filepath.Join(path, fmt.Sprintf("test_data_set_%d/input_%d.pb", set, i)))
	}
	image := in(0)
	given := map[string]*onnx.Value{}
	for i, x := range c.Inputs[1:] {
		given[x.Name] = in(i + 1)
	}
	p, err := m.Fold(onnx.FoldOptions{Given: given, Dim: func(_ *onnx.ValueInfo, d int, _ string) int { return image.Shape[d] }})
	if err != nil {
		return err
	}
	out := p.Outputs[0]
	want := tensorFile(t, filepath.Join(path, fmt.Sprintf("test_data_set_%d/output_0.pb", set)))
	wanted, err := want.Float64s()
	if err != nil {
		t.Fatal(err)
	}
	if out.Known() {
		return nil // a shape: folding's tests compare it
	}
	got, err := engine(p, c.Inputs[0].Name, image, out)
	if err != nil {
		return err
	}
	if len(got) != len(wanted) {
		t.Fatalf("%d elements, want %d", len(got), len(wanted))
	}
	for i, w := range wanted {
		// The engine's kernels are not ONNX's; 1e-6 of float32's noise is allowed where sums cancel.
		if g := float64(got[i]); !(math.Abs(g-w) <= max(c.ATol, 1e-6)+c.RTol*math.Abs(w)) && g != w {
			t.Fatalf("element %d of %v: %g, want %g", i, want.Shape, g, w)
		}
	}
	return nil
}

// layoutOf takes three channels at the end for Keras's layout.
func layoutOf(shape []int) string {
	if shape[3] == 3 && shape[1] != 3 && shape[0] == 1 {
		return "NHWC"
	}
	return "NCHW"
}

// engine runs a program of one operand on the engine, image by image.
func engine(p *onnx.Program, name string, image, out *onnx.Value) ([]float32, error) {
	net := &Network{Input: Input{Layout: layoutOf(image.Shape)}}
	b := newBuilder(net, p.Needed(out), out)
	if err := b.start(p, name); err != nil {
		return nil, err
	}
	if err := b.run(); err != nil {
		return nil, err
	}
	t := b.tensors[out]
	if _, ok := t.arrangement(); !ok {
		if _, err := b.as(t, standard(len(t.dims))); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Steps[len(p.Steps)-1].Op, err)
		}
		if err := b.Err(); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Steps[len(p.Steps)-1].Op, err)
		}
	}
	if t.node == b.Graph.Input() {
		return image.Float32s()
	}
	b.Alias(t.node, "the result")
	b.MeanPool("an end", t.node)
	m, err := nn.Compile(b.Graph, nn.CompileOptions{})
	if err != nil {
		return nil, err
	}
	x, err := image.Float32s()
	if err != nil {
		return nil, err
	}
	n := len(x) / m.Input().Size()
	if net.Input.Layout == "NHWC" {
		in := m.Input()
		y := make([]float32, 0, len(x))
		for c := range in.C { // of one image
			for i := range in.H * in.W {
				y = append(y, x[i*in.C+c])
			}
		}
		x = y
	}
	s, err := m.NewSession(nn.SessionOptions{Batch: n, Keep: []string{"the result"}, Threads: 1})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	s.Forward(x)
	result := make([]float32, out.Len())
	for i := range n {
		act, shape, err := s.Activation(i, "the result")
		if err != nil {
			return nil, err
		}
		k := 0
		for c := range shape.C {
			for y := range shape.H {
				for x := range shape.W {
					at := 0
					for d, dim := range t.dims {
						at *= out.Shape[d]
						if isBatch(dim) {
							at += i
						} else {
							at += position(dim, [3]int{c, y, x})
						}
					}
					result[at] = act[k]
					k++
				}
			}
		}
	}
	return result, nil
}
