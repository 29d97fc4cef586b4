package zoo

import (
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	drawn "cwox/internal/demo"
	"cwox/nn"
	"cwox/weights"
)

// TestClosedFile wants a model to work on after its weight file was closed, also where weights
// are packed late: for the first relevance.
func TestClosedFile(t *testing.T) {
	var tensors []*weights.Tensor
	for _, name := range drawn.Weights().Names() {
		x, _ := drawn.Weights().Tensor(name)
		v, err := x.Float32()
		if err != nil {
			t.Fatal(err)
		}
		tensors = append(tensors, weights.NewF32(name, x.Shape, v)) // float32: a view of the map
	}
	path := filepath.Join(t.TempDir(), "demo.safetensors")
	if err := weights.WriteFile(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	load := func(closeFirst bool) []float32 {
		f, err := weights.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		a, err := Match(f, Spec{})
		if err != nil {
			t.Fatal(err)
		}
		m, err := a.Load(f, LoadOptions{Width: 64, Height: 64})
		if err != nil {
			t.Fatal(err)
		}
		if closeFirst {
			f.Close()
			runtime.GC()
		}
		s, err := m.NewSession(nn.SessionOptions{Keep: []string{"layer3"}})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		x := make([]float32, m.Input().Size())
		for i := range x {
			x[i] = float32(i%17)/8 - 1
		}
		s.Forward(x)
		seeds := make([]float32, m.Classes())
		seeds[3] = 1
		maps, err := s.Backward(nn.Excitation, 0, seeds, "layer3")
		if err != nil {
			t.Fatal(err)
		}
		return maps[0]
	}
	if open, closed := load(false), load(true); !slices.Equal(open, closed) {
		t.Error("other maps after the file was closed")
	}
}
