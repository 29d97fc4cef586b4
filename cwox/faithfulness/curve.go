package faithfulness

import (
	"math"
	"slices"

	"cwox/internal/elementary"
)

// Definition is a definition of CAUC and CDROP.
type Definition string

// The definitions. With n pixels in a picture and tau = 0.05 n:
//
// Paper: a pixel is salient with at least delta of the maximum; CAUC = (1/n) sum of
// s(r), r = 1..n_delta, s(r) the score after r-1 pixels; CDROP = (s(1) - s(n_delta+1)) /
// log2(1 + max(n_delta,tau)/tau) (Eq. 4 and 5). With a step above 1 the score is
// evaluated every so many pixels and taken to be linear in between.
//
// Reference: the map is clipped at 0 and divided by its maximum, a pixel is salient above
// min + delta (max-min); the score is evaluated after 0, step, 2 step ... pixels, m =
// ceil(n_delta/step) times, so the last step is never erased; CAUC is the trapezoid sum
// over ceil(n/step)+1; CDROP drops to the mean of the last three scores, to the last one
// where there are less than three.
const (
	Paper     Definition = "paper"
	Reference Definition = "reference"
)

// Curve is how the probabilities change as pixels are erased (Fig. 6), or inserted.
type Curve struct {
	Size     int       // pixels of the picture
	Pixels   []int     // how many are erased, ascending from 0
	Pos, Neg []float64 // probability of the two sets
}

// Score is the contrastive score at point i (Eq. 3).
func (c Curve) Score(i int) float64 { return float64(c.Pos[i] * (1 - c.Neg[i])) }

// At is the contrastive score after n pixels, linear between the points; NaN outside.
func (c Curve) At(n int) float64 {
	i, found := slices.BinarySearch(c.Pixels, n)
	switch {
	case found:
		return c.Score(i)
	case i == 0 || i == len(c.Pixels):
		return math.NaN()
	}
	a, b := c.Pixels[i-1], c.Pixels[i]
	t := float64(n-a) / float64(b-a)
	return c.Score(i-1) + float64(t*(c.Score(i)-c.Score(i-1)))
}

// CAUC is the area under the first n pixels of the curve (Eq. 4): 0 for n = 0, NaN where
// the curve is too short. Step is that of the evaluation; Paper ignores it.
func (c Curve) CAUC(d Definition, n, step int) float64 {
	if n <= 0 {
		return 0
	}
	if d == Reference {
		end := (points(n, step) - 1) * step
		return c.integrate(end, func(length, a, b float64) float64 { return length / float64(step) * (a + b) / 2 }) /
			float64(points(c.Size, step)+1)
	}
	// The sum of s after 0..n-1 pixels: of a line from a to b, without its end.
	sum := c.integrate(n-1, func(length, a, b float64) float64 { return float64(length*a) + float64((b-a)*(length-1)/2) })
	return (sum + c.At(n-1)) / float64(c.Size)
}

// CDROP is the weighted drop of the contrastive score over n pixels (Eq. 5): NaN for
// n = 0 or where the curve is too short.
func (c Curve) CDROP(d Definition, n, step int) float64 {
	if n <= 0 {
		return math.NaN()
	}
	end := c.At(n)
	if d == Reference {
		m := points(n, step)
		end = c.At((m - 1) * step)
		if m >= 3 {
			end = (c.At((m-3)*step) + c.At((m-2)*step) + end) / 3
		}
	}
	tau := 0.05 * float64(c.Size)
	return (c.At(0) - end) / elementary.Log2(1+max(float64(n), tau)/tau)
}

// AUC is the area under P(pos) over the share of pixels erased or inserted, by the
// trapezoid rule: the deletion or insertion AUC (Petsiuk et al., 2018).
func (c Curve) AUC() float64 {
	sum := 0.0
	for i := 1; i < len(c.Pixels); i++ {
		sum += float64(float64(c.Pixels[i]-c.Pixels[i-1]) * (c.Pos[i] + c.Pos[i-1]) / 2)
	}
	return sum / float64(c.Size)
}

// Thin keeps at most so many points (2 or more), evenly chosen, the first and the last
// among them.
func (c Curve) Thin(most int) Curve {
	n := len(c.Pixels)
	if n <= most {
		return c
	}
	out := Curve{Size: c.Size}
	for i := range most {
		k := i * (n - 1) / (most - 1)
		out.Pixels = append(out.Pixels, c.Pixels[k])
		out.Pos = append(out.Pos, c.Pos[k])
		out.Neg = append(out.Neg, c.Neg[k])
	}
	return out
}

// integrate sums the areas of the curve's lines from 0 to end pixels.
func (c Curve) integrate(end int, area func(length, a, b float64) float64) float64 {
	sum, last := 0.0, c.At(end)
	if math.IsNaN(last) {
		return math.NaN()
	}
	for i := 1; i < len(c.Pixels) && c.Pixels[i-1] < end; i++ {
		to, b := c.Pixels[i], c.Score(i)
		if to > end {
			to, b = end, last
		}
		sum += area(float64(to-c.Pixels[i-1]), c.Score(i-1), b)
	}
	return sum
}

// points is ceil(n/step).
func points(n, step int) int { return (n + step - 1) / step }
