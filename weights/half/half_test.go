package half_test

import (
	"math"
	"testing"

	"cwox/weights/half"
)

// TestFloatToHalf takes every binary16 there and back, and the float32 on both sides of the
// middle between it and the next.
func TestFloatToHalf(t *testing.T) {
	for h := range uint16(0x7c00) {
		v, next := half.Float32(h), half.Float32(h+1)
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
			if got := half.FromFloat32(c.v); got != c.want {
				t.Fatalf("%x (%g): %#x, want %#x", math.Float32bits(c.v), c.v, got, c.want)
			}
			if got := half.FromFloat32(-c.v); got != c.want|0x8000 {
				t.Fatalf("-%g: %#x, want %#x", c.v, got, c.want|0x8000)
			}
		}
	}
	for v, want := range map[float32]uint16{1e9: 0x7c00, float32(math.Inf(1)): 0x7c00, float32(math.Inf(-1)): 0xfc00} {
		if got := half.FromFloat32(v); got != want {
			t.Errorf("%g: %#x, want %#x", v, got, want)
		}
	}
	if v := half.Float32(half.FromFloat32(float32(math.NaN()))); v == v {
		t.Errorf("NaN became %g", v)
	}
}
