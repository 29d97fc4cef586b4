package saliency

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"cwox/internal/elementary"
	"cwox/nn/vision"
)

// Superpixels is a way to cut a picture into superpixels.
type Superpixels string

// The ways.
const (
	// Quickshift climbs from every pixel to the nearest denser one (Vedaldi and Soatto,
	// 2008), as LIME's authors do. The number of superpixels follows from the picture.
	Quickshift Superpixels = "quickshift"
	// SLIC is k-means over colour and place (Achanta et al., 2012): superpixels of about
	// the same size.
	SLIC Superpixels = "slic"
)

// SuperpixelKinds lists the ways to cut a picture, the default first.
func SuperpixelKinds() []Superpixels { return []Superpixels{Quickshift, SLIC} }

// segmentation is a picture cut into superpixels, numbered in the raster order of a pixel of
// theirs.
type segmentation struct {
	height, width int
	label         []int32 // [height][width], 0 to count-1
	count         int
}

// areas are the superpixels' sizes in pixels.
func (s *segmentation) areas() []float64 {
	out := make([]float64, s.count)
	for _, l := range s.label {
		out[l]++
	}
	return out
}

// labImage is a picture in CIE Lab: L from 0 to 100, a and b about -100 to 100.
type labImage struct {
	height, width int
	l, a, b       []float64 // [height][width]
}

func newLabImage(p *vision.Picture) *labImage {
	n := p.Width * p.Height
	m := &labImage{height: p.Height, width: p.Width, l: make([]float64, n), a: make([]float64, n), b: make([]float64, n)}
	var linear [256]float64
	for v := range linear {
		linear[v] = linearised(uint8(v))
	}
	for i := range n {
		rgb := p.Pix[3*i:][:3]
		m.l[i], m.a[i], m.b[i] = labOf(linear[rgb[0]], linear[rgb[1]], linear[rgb[2]])
	}
	return m
}

// distance is the squared distance of the colours of two pixels.
func (m *labImage) distance(i, j int) float64 {
	dl, da, db := m.l[i]-m.l[j], m.a[i]-m.a[j], m.b[i]-m.b[j]
	return float64(dl*dl) + float64(da*da) + float64(db*db)
}

// linearised undoes the sRGB transfer curve (IEC 61966-2-1): 0 to 1.
func linearised(v uint8) float64 {
	x := float64(v) / 255
	if x > 0.04045 {
		return elementary.Pow((x+0.055)/1.055, 2.4)
	}
	return x / 12.92
}

// labOf converts linear sRGB to CIE Lab (1976) under the white point D65.
func labOf(r, g, b float64) (l, a, bb float64) {
	x := labCurve((float64(0.412453*r) + float64(0.357580*g) + float64(0.180423*b)) / 0.95047)
	y := labCurve(float64(0.212671*r) + float64(0.715160*g) + float64(0.072169*b))
	z := labCurve((float64(0.019334*r) + float64(0.119193*g) + float64(0.950227*b)) / 1.08883)
	return float64(116*y) - 16, 500 * (x - y), 200 * (y - z)
}

func labCurve(t float64) float64 {
	if t > 0.008856 {
		return elementary.Cbrt(t)
	}
	return float64(7.787*t) + 16./116
}

// eachRow calls f(0), ..., f(rows-1) from several goroutines, until the context ends.
func eachRow(ctx context.Context, threads, rows int, f func(y int)) error {
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(threads, rows) {
		wg.Go(func() {
			for y := int(next.Add(1)) - 1; y < rows && ctx.Err() == nil; y = int(next.Add(1)) - 1 {
				f(y)
			}
		})
	}
	wg.Wait()
	return ctx.Err()
}
