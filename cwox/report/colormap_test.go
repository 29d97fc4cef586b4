package report

import (
	"math"
	"testing"
)

// TestPublishedColours compares with entries of the published tables (matplotlib's
// viridis and inferno, MATLAB's jet). The polynomials miss them by a few levels.
func TestPublishedColours(t *testing.T) {
	for _, c := range []struct {
		m         *Colormap
		at        int
		want      [3]float64
		tolerance float64 // in levels
	}{
		{Viridis, 0, [3]float64{0.267004, 0.004874, 0.329415}, 4},
		{Viridis, 64, [3]float64{0.229739, 0.322361, 0.545706}, 4},
		{Viridis, 128, [3]float64{0.127568, 0.566949, 0.550556}, 4},
		{Viridis, 191, [3]float64{0.360741, 0.785964, 0.387814}, 4},
		{Viridis, 255, [3]float64{0.993248, 0.906157, 0.143936}, 4},
		{Inferno, 0, [3]float64{0.001462, 0.000466, 0.013866}, 4},
		{Inferno, 128, [3]float64{0.735683, 0.215906, 0.330245}, 4},
		{Inferno, 255, [3]float64{0.988362, 0.998364, 0.644924}, 4},
		{Jet, 0, [3]float64{0, 0, 0.5}, 0.51},
		{Jet, 255, [3]float64{0.5, 0, 0}, 0.51},
		{Jet, 128, [3]float64{0.4902, 1, 0.4775}, 1},
		{Grey, 77, [3]float64{77. / 255, 77. / 255, 77. / 255}, 0},
	} {
		for ch, want := range c.want {
			if got := float64(c.m.RGB[c.at][ch]); !(math.Abs(got-255*want) <= c.tolerance) {
				t.Errorf("%s[%d] channel %d: %v, published %.1f", c.m.Name, c.at, ch, got, 255*want)
			}
		}
	}
}

// TestEven holds the two even maps to their promise: lightness rises, at nearly the
// same rate throughout.
func TestEven(t *testing.T) {
	for _, m := range []*Colormap{Viridis, Inferno, Grey} {
		first, last := lightness(m.RGB[0]), lightness(m.RGB[255])
		worst := 0.0
		for i := range 256 {
			line := first + (last-first)*float64(i)/255
			worst = max(worst, math.Abs(lightness(m.RGB[i])-line))
			if i >= 8 && lightness(m.RGB[i]) < lightness(m.RGB[i-8]) {
				t.Errorf("%s: lightness falls before entry %d", m.Name, i)
			}
		}
		if worst > 6 {
			t.Errorf("%s: lightness is %.1f off a straight line, want at most 6 of 100", m.Name, worst)
		}
	}
}

// lightness is CIE L* of an sRGB colour, 0 to 100.
func lightness(c [3]uint8) float64 {
	y := 0.0
	for ch, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := float64(c[ch]) / 255
		if v > 0.04045 {
			v = math.Pow((v+0.055)/1.055, 2.4)
		} else {
			v /= 12.92
		}
		y += weight * v
	}
	if y > 0.008856 {
		return 116*math.Cbrt(y) - 16
	}
	return 903.3 * y
}

func TestAt(t *testing.T) {
	for _, c := range []struct {
		v    float32
		want int
	}{{-1, 0}, {0, 0}, {1, 255}, {7, 255}, {0.5, 128}, {float32(math.NaN()), 0}, {float32(math.Inf(1)), 255}} {
		got, want := Viridis.At(c.v), Viridis.RGB[c.want]
		if [3]uint8{got.R, got.G, got.B} != want || got.A != 255 {
			t.Errorf("At(%v) = %v, want %v", c.v, got, want)
		}
	}
}
