package train

import (
	"fmt"
	"math"
	"testing"

	"cwox/asm"
)

// random fills x with numbers in [-1, 1).
func random(x []float32, key uint64) {
	for i := range x {
		x[i] = float32(int32(hash(key+uint64(i))>>40)-1<<23) / (1 << 23)
	}
}

// randomTensor fills the inside of a new tensor; padding channels stay zero.
func randomTensor(c, n, h, w, border int, key uint64) *tensor {
	t := newTensor(c, n, h, w, border)
	for blk := range blocks(c) {
		for image := range n {
			for y := range h {
				row := t.line(blk, image, y)
				random(row, key+uint64(t.at(blk, image, y, 0)))
				for i := range row {
					if blk*lanes+i%lanes >= c {
						row[i] = 0
					}
				}
			}
		}
	}
	return t
}

func (t *tensor) value(c, image, y, x int) float64 {
	if y < 0 || y >= t.h || x < 0 || x >= t.w {
		return 0
	}
	return float64(t.data[t.at(c/lanes, image, y, x)+c%lanes])
}

// near fails unless got is within the bound of a float32 sum of n terms whose
// magnitudes add up to scale.
func near(t *testing.T, what string, got float32, want, scale float64, n int) {
	t.Helper()
	bound := float64(n+2) * 0x1p-24 * (scale + math.Abs(want))
	if d := math.Abs(float64(got) - want); !(d <= bound) {
		t.Fatalf("%s: %g, want %g, off by %g, bound %g", what, got, want, d, bound)
	}
}

// TestConv compares a convolution and both its gradients with their definitions in
// float64, on every tier.
func TestConv(t *testing.T) {
	cases := []struct {
		in, out, size, stride, h, w int
		bias                        bool
	}{
		{16, 16, 1, 1, 5, 5, false},
		{48, 32, 1, 1, 7, 17, false},
		{32, 36, 1, 1, 1, 1, true},
		{16, 48, 1, 2, 8, 10, false},
		{32, 16, 1, 2, 7, 7, false},
		{16, 16, 3, 1, 7, 7, false},
		{32, 48, 3, 1, 6, 16, false},
		{16, 32, 3, 2, 8, 8, false},
		{48, 16, 3, 2, 5, 7, false},
		{16, 16, 3, 2, 4, 34, false},
		{3, 16, 7, 2, 13, 14, false},
		{3, 48, 7, 2, 8, 32, false},
	}
	for _, k := range asm.Tiers() {
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s/%dto%d_%dx%ds%d_%dx%d", k.Tier, c.in, c.out, c.size, c.size, c.stride, c.h, c.w), func(t *testing.T) {
				testConv(t, k, newConv(c.in, c.out, c.size, c.stride, c.in == 3, c.bias), c.h, c.w)
			})
		}
	}
}

func testConv(t *testing.T, k *asm.Kernels, c *conv, h, w int) {
	const n = 2
	wk := newWorker(k)
	for o := range c.out {
		for i := range c.in {
			for j := range c.size * c.size {
				random(c.weight[c.index(o, i, j/c.size, j%c.size):][:1], uint64((o*c.in+i)*c.size*c.size+j))
			}
		}
	}
	if c.bias != nil {
		random(c.bias[:c.out], 99)
	}
	weight := func(o, i, ky, kx int) float64 { return float64(c.weight[c.index(o, i, ky, kx)]) }

	border := c.pad
	var x *tensor
	value := func(i, image, y, xx int) float64 { return x.value(i, image, y, xx) }
	if c.image {
		x = newPictures(3, n, h, w, 3)
		for image := range n {
			for y := range h {
				random(x.data[x.imageAt(3, image, y, 0):][:3*w], uint64(image*h+y)<<20)
			}
		}
		value = func(i, image, y, xx int) float64 {
			if y < 0 || y >= h || xx < 0 || xx >= w {
				return 0
			}
			return float64(x.data[x.imageAt(3, image, y, xx)+i])
		}
	} else {
		x = randomTensor(c.in, n, h, w, border, 1)
	}
	oh, ow := c.outSize(h), c.outSize(w)
	y := newTensor(c.out, n, oh, ow, 0)
	m := newMoments(blocks(c.out) * lanes)
	m.reset(wk)
	c.forward(wk, x, y, m)
	terms := c.in * c.size * c.size
	if m.count != float64(n*oh*ow) {
		t.Fatalf("%g pixels counted, want %d", m.count, n*oh*ow)
	}
	for o := range c.out {
		total, square := 0.0, 0.0
		for image := range n {
			for oy := range oh {
				for ox := range ow {
					want, scale := 0.0, 0.0
					if c.bias != nil {
						want = float64(c.bias[o])
					}
					for i := range c.in {
						for j := range c.size * c.size {
							v := weight(o, i, j/c.size, j%c.size) * value(i, image, oy*c.stride+j/c.size-c.pad, ox*c.stride+j%c.size-c.pad)
							want += v
							scale += math.Abs(v)
						}
					}
					got := y.value(o, image, oy, ox)
					near(t, fmt.Sprintf("y[%d][%d][%d][%d]", image, o, oy, ox), float32(got), want, scale, terms)
					total += got
					square += got * got
				}
			}
		}
		near(t, "sum", float32(m.sum[o]), total, math.Sqrt(square*m.count), n*oh*ow)
		near(t, "sum of squares", float32(m.square[o]), square, square, n*oh*ow)
	}

	dyBorder := border
	if c.image {
		dyBorder = 0
	}
	dy := randomTensor(c.out, n, oh, ow, dyBorder, 7)
	g := c.newGrads()
	random(g.weight, 3) // it is added to
	before := append([]float32(nil), g.weight...)
	c.weightGrad(wk, x, dy, g)
	for o := range c.out {
		if c.bias != nil {
			want, scale := 0.0, 0.0
			for image := range n {
				want += dy.value(o, image, 0, 0)
				scale += math.Abs(dy.value(o, image, 0, 0))
			}
			near(t, "bias gradient", g.bias[o], want, scale, n)
		}
		for i := range c.in {
			for j := range c.size * c.size {
				at := c.index(o, i, j/c.size, j%c.size)
				want, scale := float64(before[at]), math.Abs(float64(before[at]))
				for image := range n {
					for oy := range oh {
						for ox := range ow {
							v := dy.value(o, image, oy, ox) * value(i, image, oy*c.stride+j/c.size-c.pad, ox*c.stride+j%c.size-c.pad)
							want += v
							scale += math.Abs(v)
						}
					}
				}
				near(t, fmt.Sprintf("dw[%d][%d][%d]", o, i, j), g.weight[at], want, scale, n*oh*ow)
			}
		}
	}

	if c.image {
		return
	}
	c.transpose()
	dx := randomTensor(c.in, n, h, w, 0, 5)
	accumulate := c.stride > c.size // else every input pixel is written
	was := append([]float32(nil), dx.data...)
	c.inputGrad(wk, dy, dx, accumulate)
	for i := range c.in {
		for image := range n {
			for yy := range h {
				for xx := range w {
					want, scale := 0.0, 0.0
					if accumulate {
						want = float64(was[dx.at(i/lanes, image, yy, xx)+i%lanes])
					}
					for o := range c.out {
						for j := range c.size * c.size {
							py, px := yy+c.pad-j/c.size, xx+c.pad-j%c.size
							if py%c.stride != 0 || px%c.stride != 0 {
								continue
							}
							v := weight(o, i, j/c.size, j%c.size) * dy.value(o, image, py/c.stride, px/c.stride)
							want += v
							scale += math.Abs(v)
						}
					}
					near(t, fmt.Sprintf("dx[%d][%d][%d][%d]", image, i, yy, xx), float32(dx.value(i, image, yy, xx)), want, scale, blocks(c.out)*lanes*c.size*c.size)
				}
			}
		}
	}
}
