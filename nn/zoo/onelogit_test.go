package zoo

import (
	"math"
	"slices"
	"testing"

	"cwox/nn"
)

// The two logits are -z/2 and z/2, whose softmax is the sigmoid of z, and their gradients are
// opposite.
func TestTwoClasses(t *testing.T) {
	weight, bias := []float32{3, -1, 0.5}, []float32{-0.25}
	w2, b2 := TwoClasses(weight, bias)
	if !slices.Equal(w2, []float32{-1.5, 0.5, -0.25, 1.5, -0.5, 0.25}) || !slices.Equal(b2, []float32{0.125, -0.125}) {
		t.Fatalf("weight %v, bias %v", w2, b2)
	}
	if w, b := TwoClasses(weight, nil); !slices.Equal(w, w2) || b != nil {
		t.Errorf("without bias: %v, %v", w, b)
	}
	g := nn.NewGraph(nn.Shape{C: 3, H: 1, W: 1})
	x := g.Conv("conv", g.Input(), nn.Conv{Weight: []float32{1, 0, 0, 0, 1, 0, 0, 0, 1}, Out: 3, Window: nn.Square(1, 1, 0)})
	g.Linear("fc", x, w2, b2, 2)
	m, err := nn.Compile(g, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession(nn.SessionOptions{Keep: []string{"conv"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	z := 3*0.5 - 1*2 + 0.5*1 - 0.25
	logits := s.Forward([]float32{0.5, 2, 1})
	p := 1 / (1 + math.Exp(float64(logits[0])-float64(logits[1])))
	if want := 1 / (1 + math.Exp(-z)); logits[0] != float32(-z/2) || logits[1] != float32(z/2) || math.Abs(p-want) > 1e-7 {
		t.Errorf("logits %v, probability %g, want %g and %g", logits, p, z, want)
	}
	gradients, err := s.Backward(nn.Gradient, 0, []float32{1, 0, 0, 1}, "conv")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(gradients[0], []float32{-1.5, 0.5, -0.25, 1.5, -0.5, 0.25}) {
		t.Errorf("gradients %v", gradients[0])
	}
}
