package saliency

import (
	"fmt"
	"math"

	"cwox/internal/elementary"
)

// maxSmooth is the largest standard deviation of a smoothing, in pixels.
const maxSmooth = 64

// checkSmooth makes sure that a standard deviation can be used.
func checkSmooth(name string, sigma float64) error {
	if !(sigma >= 0 && sigma <= maxSmooth) {
		return fmt.Errorf("saliency: %s: smoothing by %g pixels: want 0 to %d", name, sigma, maxSmooth)
	}
	return nil
}

// smooth convolves a map [height][width] with a Gaussian of a standard deviation in pixels,
// cut off at three of them; 0 changes nothing. Beyond its border the map is mirrored, so that
// its sum stays.
func smooth(m []float64, height, width int, sigma float64) {
	if sigma == 0 {
		return
	}
	taps := make([]float64, 2*int(math.Ceil(3*sigma))+1)
	total := 0.0
	for i := range taps {
		d := float64(i - len(taps)/2)
		taps[i] = elementary.Exp(-d * d / (2 * sigma * sigma))
		total += taps[i]
	}
	for i := range taps {
		taps[i] /= total
	}
	line := make([]float64, max(height, width))
	for y := range height {
		smoothLine(m[y*width:], 1, line[:width], taps)
	}
	for x := range width {
		smoothLine(m[x:], width, line[:height], taps)
	}
}

// smoothLine smooths len(line) elements of m that lie step apart.
func smoothLine(m []float64, step int, line, taps []float64) {
	n := len(line)
	for i := range line {
		line[i] = m[i*step]
	}
	for i := range line {
		sum := 0.0
		for k, w := range taps {
			at := i + k - len(taps)/2
			for at < 0 || at >= n { // more than once where the map is narrow
				if at < 0 {
					at = -1 - at
				} else {
					at = 2*n - 1 - at
				}
			}
			sum += float64(w * line[at])
		}
		m[i*step] = sum
	}
}
