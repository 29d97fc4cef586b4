package saliency

import (
	"math"
	"testing"
)

func TestSmooth(t *testing.T) {
	const h, w = 40, 50
	// A point becomes a Gaussian.
	m := make([]float64, h*w)
	m[20*w+25] = 1
	smooth(m, h, w, 2)
	for _, at := range [][2]int{{20, 25}, {20, 27}, {17, 25}, {18, 28}} {
		dy, dx := float64(at[0]-20), float64(at[1]-25)
		want := math.Exp(-(dy*dy+dx*dx)/8) / (8 * math.Pi)
		// Three standard deviations hold 99.7 % in each direction.
		if v := m[at[0]*w+at[1]]; !(math.Abs(v/want-1) <= 0.01) {
			t.Errorf("at %v: %g, want %g", at, v, want)
		}
	}
	// Sums stay, also at the border and where the Gaussian is wider than the map.
	for _, at := range []int{0, w - 1, 7*w + 1, h*w - 1} {
		for _, sigma := range []float64{0, 0.5, 3, 40} {
			m := make([]float64, h*w)
			m[at] = 2
			smooth(m, h, w, sigma)
			sum, least := 0.0, 0.0
			for _, v := range m {
				sum += v
				least = min(least, v)
			}
			if math.Abs(sum-2) > 1e-12 || least < 0 {
				t.Errorf("point at %d, sigma %g: sum %g, least value %g", at, sigma, sum, least)
			}
			if (m[at] == 2) != (sigma == 0) {
				t.Errorf("point at %d, sigma %g: %g is left of it", at, sigma, m[at])
			}
		}
	}
}
