package weights

import (
	"math"
	"testing"
)

func TestNewF16(t *testing.T) {
	data := []float32{1, -0.333333, 1e-7, 2048.5, 0, 65504}
	x := NewF16("x", []int{2, 3}, data)
	got, err := x.Float32()
	if err != nil || x.DType != F16 || x.Len() != 6 {
		t.Fatalf("%v: %v", x, err)
	}
	for i, v := range data {
		if !(math.Abs(float64(got[i]-v)) <= max(math.Abs(float64(v))*0x1p-11, 0x1p-25)) {
			t.Errorf("element %d: %g, want about %g", i, got[i], v)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("no panic where the shape does not fit")
		}
	}()
	NewF16("x", []int{7}, data)
}
