package cwox

import (
	"math"
	"slices"
	"testing"

	"cwox/cwox/saliency"
)

var (
	nan32 = float32(math.NaN())
	inf32 = float32(math.Inf(1))
)

// rowOf is a map of one row.
func rowOf(v ...float32) saliency.Map { return saliency.Map{Height: 1, Width: len(v), Data: v} }

// TestContrasts has the values of Eq. 1 and 2 (and of the authors' code) worked out by hand.
func TestContrasts(t *testing.T) {
	fact := rowOf(1, -2, 3, 6000)
	foil := rowOf(2, -5, 1, 0.5)
	for _, tt := range []struct {
		name string
		got  saliency.Map
		want []float32
	}{
		{"max(m, 0)", rectified(fact), []float32{1, 0, 3, 6000}},
		{"ReLU(fact - foil)", minus(fact, foil), []float32{0, 3, 2, 5999.5}},
		{"the authors' code, no foil: clip(fact, 0, 10000)", individually(rowOf(1, -2, 9999, 20000), nil), []float32{1, 0, 9999, 10000}},
		{"one foil: clip(fact - foil)", individually(fact, []saliency.Map{foil}), []float32{0, 3, 2, 5999.5}},
		// 2*1-2-0, 2*-2+5-4, 2*3-1+7, 2*6000-0.5-0
		{"two foils: clip(2 fact - their sum)", individually(fact, []saliency.Map{foil, rowOf(0, 4, -7, 0)}), []float32{0, 0, 12, 10000}},
		// the largest of b is 5: 1*(5-2), 2*(5-0), 3*(5-5)
		{"a (max(b) - b)", inverseProduct(rowOf(1, 2, 3), rowOf(2, 0, 5)), []float32{3, 10, 0}},
	} {
		if !slices.Equal(tt.got.Data, tt.want) || tt.got.Height != 1 || tt.got.Width != len(tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	if !slices.Equal(fact.Data, []float32{1, -2, 3, 6000}) {
		t.Errorf("the operand became %v", fact.Data)
	}
}

// TestSupport wants a pixel supported only above the value, not at it.
func TestSupport(t *testing.T) {
	for _, tt := range []struct {
		above float64
		want  []float32
	}{
		{-1, []float32{7, 7, 7, 0}},
		{0, []float32{0, 7, 7, 0}},
		{1, []float32{0, 0, 7, 0}},
		{2, []float32{0, 0, 0, 0}},
	} {
		m := rowOf(7, 7, 7, 7)
		support(m, rowOf(0, 1, 2, nan32), tt.above)
		if !slices.Equal(m.Data, tt.want) {
			t.Errorf("above %g: got %v, want %v", tt.above, m.Data, tt.want)
		}
	}
}

// TestPercentile has the values of numpy.percentile.
func TestPercentile(t *testing.T) {
	x := []float32{4, 1, 3, 2}
	for _, tt := range []struct{ q, want float64 }{{0, 1}, {10, 1.3}, {50, 2.5}, {85, 3.55}, {100, 4}} {
		if got := percentile(x, tt.q); !(math.Abs(got-tt.want) <= 1e-12) {
			t.Errorf("percentile %g = %g, want %g", tt.q, got, tt.want)
		}
	}
	if got := percentile([]float32{5}, 60); got != 5 {
		t.Errorf("percentile of one value %g, want 5", got)
	}
}

func TestSanitiseAndBlank(t *testing.T) {
	m := rowOf(1, nan32, inf32, -inf32, -2, 0)
	if n := sanitise(m); n != 3 || !slices.Equal(m.Data, []float32{1, 0, 0, 0, -2, 0}) {
		t.Errorf("%d values set to 0, left %v, want 3", n, m.Data)
	}
	for _, tt := range []struct {
		m    saliency.Map
		want bool
	}{{rowOf(0, -1), true}, {rowOf(-1, 0, 1e-30), false}, {rowOf(), true}} {
		if got := blank(tt.m); got != tt.want {
			t.Errorf("blank(%v) = %v", tt.m.Data, got)
		}
	}
}
