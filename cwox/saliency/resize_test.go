package saliency

import (
	"math"
	"testing"
)

func TestResize(t *testing.T) {
	m := Map{2, 2, []float32{0, 1, 2, 3}}
	tests := []struct {
		name string
		in   Map
		h, w int
		want []float32
	}{
		{"same size", m, 2, 2, []float32{0, 1, 2, 3}},
		// Half-pixel centres of 4 in 2: -0.25 (clamped to 0), 0.25, 0.75, 1.25 (clamped to 1).
		{"twice as wide", m, 2, 4, []float32{0, .25, .75, 1, 2, 2.25, 2.75, 3}},
		{"one pixel spreads", Map{1, 1, []float32{5}}, 2, 2, []float32{5, 5, 5, 5}},
		// Centres of 1 in 2: 0.5, between both.
		{"shrinks", m, 1, 1, []float32{1.5}},
	}
	for _, tt := range tests {
		got := tt.in.Resize(tt.h, tt.w)
		for i, v := range got.Data {
			if !(math.Abs(float64(v-tt.want[i])) <= 1e-7) {
				t.Errorf("%s: pixel %d = %g, want %g", tt.name, i, v, tt.want[i])
			}
		}
	}
}

func TestTargetWeightsAreStable(t *testing.T) {
	logits := []float32{1000, 999, -1000, 3}
	target := Target{[]int{0, 1, 2}}
	w := target.weights(logits)
	if got := w[0] + w[1] + w[2]; !(math.Abs(got-1) <= 1e-12) {
		t.Errorf("shares sum to %g, want 1", got)
	}
	if want := math.Exp(1) / (1 + math.Exp(1)); !(math.Abs(w[0]-want) <= 1e-12) {
		t.Errorf("share of the first class = %g, want %g", w[0], want)
	}
	if got, want := target.Logit(logits), 1000+math.Log1p(math.Exp(-1)); !(math.Abs(got-want) <= 1e-12) {
		t.Errorf("compound logit = %g, want %g", got, want)
	}
	if got := (Target{[]int{3}}).weights(logits)[0]; got != 1 {
		t.Errorf("share of a single class = %g, want 1", got)
	}
}
