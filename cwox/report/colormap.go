package report

import (
	"image/color"
	"math"
)

// Colormap turns a value in [0, 1] into a colour: entry round(255 value).
type Colormap struct {
	Name string
	RGB  [256][3]uint8 // sRGB
}

// The colour maps. Viridis and Inferno are perceptually even and rise in lightness
// throughout, so they survive grey printing and colour blindness: the sixth-degree
// polynomials that M. Zucker fitted to matplotlib's maps of S. van der Walt and
// N. Smith (both CC0). Turbo is A. Mikhailov's published polynomial: a rainbow with
// smooth lightness. Jet is MATLAB's and matplotlib's piecewise linear rainbow,
// which the paper's figures use; its lightness is uneven, so it shows edges
// that are not there.
var (
	Viridis = polynomial("viridis", [3][]float64{
		{0.2777273272234177, 0.1050930431085774, -0.3308618287255563, -4.634230498983486, 6.228269936347081, 4.776384997670288, -5.435455855934631},
		{0.005407344544966578, 1.404613529898575, 0.214847559468213, -5.799100973351585, 14.17993336680509, -13.74514537774601, 4.645852612178535},
		{0.3340998053353061, 1.384590162594685, 0.09509516302823659, -19.33244095627987, 56.69055260068105, -65.35303263337234, 26.3124352495832},
	})
	Inferno = polynomial("inferno", [3][]float64{
		{0.0002189403691192265, 0.1065134194856116, 11.60249308247187, -41.70399613139459, 77.162935699427, -71.31942824499214, 25.13112622477341},
		{0.001651004631001012, 0.5639564367884091, -3.972853965665698, 17.43639888205313, -33.40235894210092, 32.62606426397723, -12.24266895238567},
		{-0.01948089843709184, 3.932712388889277, -15.9423941062914, 44.35414519872813, -81.80730925738993, 73.20951985803202, -23.07032500287172},
	})
	Turbo = polynomial("turbo", [3][]float64{
		{0.13572138, 4.61539260, -42.66032258, 132.13108234, -152.94239396, 59.28637943},
		{0.09140261, 2.19418839, 4.84296658, -14.18503333, 4.27729857, 2.82956604},
		{0.10667330, 12.64194608, -60.58204836, 110.36276771, -89.90310912, 27.34824973},
	})
	Jet = piecewise("jet", [3][][2]float64{
		{{0, 0}, {0.35, 0}, {0.66, 1}, {0.89, 1}, {1, 0.5}},
		{{0, 0}, {0.125, 0}, {0.375, 1}, {0.64, 1}, {0.91, 0}, {1, 0}},
		{{0, 0.5}, {0.11, 1}, {0.34, 1}, {0.65, 0}, {1, 0}},
	})
	Grey = polynomial("grey", [3][]float64{{0, 1}, {0, 1}, {0, 1}})
)

// Colormaps lists all colour maps, the default first.
func Colormaps() []*Colormap { return []*Colormap{Viridis, Inferno, Turbo, Jet, Grey} }

// At is the colour of v; v is clamped to [0, 1] and NaN counts as 0.
func (m *Colormap) At(v float32) color.RGBA {
	c := m.RGB[level(v)]
	return color.RGBA{c[0], c[1], c[2], 255}
}

// level is round(255 v) for v clamped to [0, 1]; NaN is 0.
func level(v float32) uint8 {
	if !(v > 0) {
		return 0
	}
	return uint8(float32(min(v, 1)*255) + 0.5)
}

// polynomial tabulates one polynomial per channel, lowest power first.
func polynomial(name string, coef [3][]float64) *Colormap {
	return tabulate(name, func(ch int, t float64) float64 {
		sum := 0.0
		for i := len(coef[ch]) - 1; i >= 0; i-- {
			sum = float64(sum*t) + coef[ch][i]
		}
		return sum
	})
}

// piecewise tabulates one polyline of (position, value) per channel.
func piecewise(name string, knots [3][][2]float64) *Colormap {
	return tabulate(name, func(ch int, t float64) float64 {
		k := knots[ch]
		i := 1
		for i < len(k)-1 && t > k[i][0] {
			i++
		}
		a, b := k[i-1], k[i]
		return a[1] + (b[1]-a[1])*(t-a[0])/(b[0]-a[0])
	})
}

func tabulate(name string, f func(channel int, t float64) float64) *Colormap {
	m := &Colormap{Name: name}
	for i := range m.RGB {
		for ch := range m.RGB[i] {
			v := f(ch, float64(i)/255)
			m.RGB[i][ch] = uint8(math.Round(255 * min(max(v, 0), 1)))
		}
	}
	return m
}
