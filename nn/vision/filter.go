package vision

import "math"

// Interpolation is a filter of Pillow's, antialiased: it widens with the reduction.
type Interpolation string

// The filters, by the names that Pillow, torchvision and timm give them.
const (
	Nearest  Interpolation = "nearest"
	Box      Interpolation = "box"
	Bilinear Interpolation = "bilinear"
	Hamming  Interpolation = "hamming"
	Bicubic  Interpolation = "bicubic"
	Lanczos  Interpolation = "lanczos"
)

// Interpolations lists the filters, the default first.
func Interpolations() []Interpolation {
	return []Interpolation{Bilinear, Bicubic, Lanczos, Nearest, Box, Hamming}
}

// filter is an interpolation: weights by the distance from the centre, zero from support on.
// Nearest has none; it takes one pixel.
type filter struct {
	support float64
	weight  func(x float64) float64
}

var filters = map[Interpolation]*filter{
	Nearest:  {},
	Box:      {0.5, box},
	Bilinear: {1, triangle},
	Hamming:  {1, hamming},
	Bicubic:  {2, cubic},
	Lanczos:  {3, lanczos3},
}

// The conversions around products keep them from being fused into the following addition on
// other processors.

func box(x float64) float64 {
	if x > -0.5 && x <= 0.5 {
		return 1
	}
	return 0
}

func triangle(x float64) float64 { return max(0, 1-math.Abs(x)) }

// cubic is Keys' cubic with a = -1/2 (1981).
func cubic(x float64) float64 {
	x = math.Abs(x)
	switch {
	case x < 1:
		return float64((float64(1.5*x)-2.5)*x*x) + 1
	case x < 2:
		return -0.5 * (float64((float64((x-5)*x)+8)*x) - 4)
	}
	return 0
}

func lanczos3(x float64) float64 {
	if x < -3 || x >= 3 {
		return 0
	}
	return sinc(x) * sinc(x/3)
}

func hamming(x float64) float64 {
	x = math.Abs(x)
	if x >= 1 {
		return 0
	}
	// Pillow has these two constants in single precision.
	return sinc(x) * (float64(float32(0.54)) + float64(float64(float32(0.46))*sinPi(x+0.5)))
}

// sinc is sin(pi x) / (pi x).
func sinc(x float64) float64 {
	if x == 0 {
		return 1
	}
	return sinPi(x) / (x * math.Pi)
}

// sinPi is sin(pi x), to about 1e-16, with the same bits on every processor: Taylor's series
// around the nearest whole number.
func sinPi(x float64) float64 {
	n := math.RoundToEven(x)
	y := float64((x - n) * math.Pi)
	square := float64(y * y)
	sum := 0.0
	for _, c := range sineTaylor {
		sum = float64(sum*square) + c
	}
	sum = float64(sum * y)
	if math.Mod(n, 2) != 0 {
		return -sum
	}
	return sum
}

// sineTaylor are 1/21!, -1/19!, ..., -1/3!, 1.
var sineTaylor = func() (c [11]float64) {
	f := 1.0
	for i := range c {
		c[len(c)-1-i] = 1 / f
		f *= -float64((2*i + 2) * (2*i + 3))
	}
	return c
}()

// weightBits is the precision of weights: 22 bits after the binary point.
const (
	weightBits = 22
	weightHalf = 1 << (weightBits - 1)
)

// taps are the input positions that one output position is made of.
type taps struct {
	first   int     // input position of weights[0]
	weights []int32 // sum about 1<<weightBits
}

// end is the input position behind the last one.
func (t taps) end() int { return t.first + len(t.weights) }

// weight is the weight of an input position, 0 where it takes no part.
func (t taps) weight(x int) int32 {
	if x < t.first || x >= t.end() {
		return 0
	}
	return t.weights[x-t.first]
}

// scale is what resizing from n to m positions does: n/m, and how much the filter widens.
func (f *filter) scale(n, m int) (step, widen float64) {
	step = float64(n) / float64(m)
	return step, max(1, step)
}

// reach bounds the number of taps of a position.
func (f *filter) reach(n, m int) int {
	_, widen := f.scale(n, m)
	return min(n, int(2*f.support*widen)+2)
}

// taps returns the taps of output position i of a resize from n to m positions, with their
// weights in store. With s = n/m and f = max(1, s), i is centred at c = (i+0.5)s and takes
// the inputs x of [trunc(c-rf+0.5), trunc(c+rf+0.5)), r the filter's support, with the
// filter's weight at (x-c+0.5)(1/f), divided by their sum and rounded half away from zero.
// scratch and store are grown where they are too small.
func (f *filter) taps(n, m, i int, scratch *[]float64, store []int32) taps {
	step, widen := f.scale(n, m)
	centre, reach := float64((float64(i)+0.5)*step), float64(f.support*widen)
	lo, hi := max(0, int(centre-reach+0.5)), min(n, int(centre+reach+0.5))
	inverse := 1 / widen
	most := f.reach(n, m)
	*scratch, store = grown(*scratch, most), grown(store, most)[:0]
	w := (*scratch)[:0]
	sum := 0.0
	for x := lo; x < hi; x++ {
		v := f.weight(float64((float64(x) - centre + 0.5) * inverse))
		w = append(w, v)
		sum += v
	}
	for _, v := range w {
		if sum != 0 {
			v /= sum
		}
		fixed := float64(v * (1 << weightBits))
		if fixed < 0 {
			fixed -= 0.5
		} else {
			fixed += 0.5
		}
		store = append(store, int32(fixed))
	}
	return taps{lo, store}
}

// nearest returns the input positions of the output positions from..to-1 of a resize from n
// to m positions. The position is added up, as Pillow does, not multiplied.
func nearest(n, m, from, to int) []int {
	step := float64(n) / float64(m)
	at := float64(step * 0.5)
	out := make([]int, 0, to-from)
	for i := range to {
		if i >= from {
			out = append(out, min(int(at), n-1))
		}
		at += step
	}
	return out
}
