package weights

import (
	"math"
	"testing"
)

// TestFloatToHalf takes every binary16 there and back, and the float32 on both sides of the
// middle between it and the next.
func TestFloatToHalf(t *testing.T) {
	for h := range uint16(0x7c00) {
		v, next := halfToFloat(h), halfToFloat(h+1)
		if h == 0x7bff {
			next = 65536 // what would follow the largest
		}
		middle := (v + next) / 2 // exact
		even := h + h&1
		for _, c := range []struct {
			v    float32
			want uint16
		}{
			{v, h},
			{math.Nextafter32(middle, 0), h},
			{middle, even},
			{math.Nextafter32(middle, 1e30), h + 1},
		} {
			if got := floatToHalf(c.v); got != c.want {
				t.Fatalf("%x (%g): %#x, want %#x", math.Float32bits(c.v), c.v, got, c.want)
			}
			if got := floatToHalf(-c.v); got != c.want|0x8000 {
				t.Fatalf("-%g: %#x, want %#x", c.v, got, c.want|0x8000)
			}
		}
	}
	for v, want := range map[float32]uint16{1e9: 0x7c00, float32(math.Inf(1)): 0x7c00, float32(math.Inf(-1)): 0xfc00} {
		if got := floatToHalf(v); got != want {
			t.Errorf("%g: %#x, want %#x", v, got, want)
		}
	}
	if v := halfToFloat(floatToHalf(float32(math.NaN()))); v == v {
		t.Errorf("NaN became %g", v)
	}
}

func TestNewF16(t *testing.T) {
	data := []float32{1, -0.333333, 1e-7, 2048.5, 0, 65504}
	x := NewF16("x", []int{2, 3}, data)
	got, err := x.Float32()
	if err != nil || x.DType != F16 || x.Len() != 6 {
		t.Fatalf("%v: %v", x, err)
	}
	for i, v := range data {
		if math.Abs(float64(got[i]-v)) > max(math.Abs(float64(v))*0x1p-11, 0x1p-25) {
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
