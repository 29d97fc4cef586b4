package nn

import "fmt"

// Window is what a convolution or a pooling looks at: a kernel of KH x KW places, Dilation
// pixels apart, moved by Stride over a map with Top, Left, Bottom and Right pixels of padding.
// Strides and dilations of zero mean one.
type Window struct {
	KH, KW                   int
	StrideH, StrideW         int
	DilationH, DilationW     int
	Top, Left, Bottom, Right int
}

// Square is the window of kernel x kernel places with the same stride and padding everywhere.
func Square(kernel, stride, pad int) Window {
	return Window{KH: kernel, KW: kernel, StrideH: stride, StrideW: stride, Top: pad, Left: pad, Bottom: pad, Right: pad}
}

// maxWindow bounds each number of a window.
const maxWindow = 1 << 14

// check sets what was left out, and says what no window can have.
func (w *Window) check() error {
	for _, p := range []*int{&w.StrideH, &w.StrideW, &w.DilationH, &w.DilationW} {
		if *p == 0 {
			*p = 1
		}
	}
	for _, v := range []int{w.KH, w.KW, w.StrideH, w.StrideW, w.DilationH, w.DilationW} {
		if v < 1 || v > maxWindow {
			return fmt.Errorf("%v: want kernel, stride and dilation of 1 to %d", w, maxWindow)
		}
	}
	for _, v := range []int{w.Top, w.Left, w.Bottom, w.Right} {
		if v < 0 || v > maxWindow {
			return fmt.Errorf("%v: want padding of 0 to %d", w, maxWindow)
		}
	}
	return nil
}

// String describes the window.
func (w Window) String() string {
	return fmt.Sprintf("a %dx%d kernel, stride %dx%d, dilation %dx%d, padding %d,%d,%d,%d", w.KH, w.KW, w.StrideH, w.StrideW, w.DilationH, w.DilationW, w.Top, w.Left, w.Bottom, w.Right)
}

// axis is the window along the rows or the columns of a map.
type axis struct{ kernel, stride, dilation, before, after int }

func (w *Window) rows() axis { return axis{w.KH, w.StrideH, w.DilationH, w.Top, w.Bottom} }
func (w *Window) cols() axis { return axis{w.KW, w.StrideW, w.DilationW, w.Left, w.Right} }

// extent is the length from the first to the last place.
func (a axis) extent() int { return (a.kernel-1)*a.dilation + 1 }

// out is the number of positions on n pixels, less than 1 where the window does not fit. ceil
// counts a last one that reaches over the end, unless it would start in the padding behind it,
// as PyTorch and Caffe do.
func (a axis) out(n int, ceil bool) int {
	span := n + a.before + a.after - a.extent()
	if span < 0 {
		return 0
	}
	if !ceil {
		return span/a.stride + 1
	}
	out := ceilDiv(span, a.stride) + 1
	if (out-1)*a.stride >= n+a.before {
		out--
	}
	return out
}

// reach is how far beyond n pixels the out positions look, on the side where it is most.
func (a axis) reach(n, out int) int {
	return max(a.before, (out-1)*a.stride+a.extent()-a.before-n, 0)
}

// inside is the range of places that position o has within n pixels: place k at pixel
// o*stride - before + k*dilation.
func (a axis) inside(o, n int) (from, to int) {
	start := o*a.stride - a.before
	from = max(0, ceilDiv(-start, a.dilation))
	to = min(a.kernel, floorDiv(n-1-start, a.dilation)+1)
	return min(from, a.kernel), max(to, min(from, a.kernel))
}

// at is the pixel of place k of position o.
func (a axis) at(o, k int) int { return o*a.stride - a.before + k*a.dilation }

// stretch is a run of n positions from o on that have the same places k0..k1-1 inside the map.
type stretch struct{ o, n, k0, k1 int }

// stretches cuts the out positions on n pixels.
func (a axis) stretches(n, out int) []stretch {
	var all []stretch
	for o := range out {
		k0, k1 := a.inside(o, n)
		if last := len(all) - 1; last >= 0 && all[last].k0 == k0 && all[last].k1 == k1 {
			all[last].n++
		} else {
			all = append(all, stretch{o, 1, k0, k1})
		}
	}
	return all
}

// gradientStride is the stride by which the input gradient tells the pixels apart. With a
// single position the stride means nothing, and one that no pixel shares is cheapest.
func (a axis) gradientStride(n, out int) int {
	if out == 1 && n > 1 {
		return n + a.before + a.extent()
	}
	return a.stride
}

// gradientReach is how far the input gradient, for n pixels, looks beyond the out positions.
func (a axis) gradientReach(n, out int) int {
	need, s := 0, a.gradientStride(n, out)
	for p := range min(s, n) {
		for k := range a.kernel {
			if v := p + a.before - k*a.dilation; mod(v, s) == 0 {
				d := floorDiv(v, s)
				need = max(need, -d, ceilDiv(n-p, s)-1+d-(out-1))
			}
		}
	}
	return need
}

// on is the output's shape of a window on a map, and an error where it does not fit.
func (w *Window) on(s Shape, ceil bool) (Shape, error) {
	if err := w.check(); err != nil {
		return s, err
	}
	out := Shape{s.C, w.rows().out(s.H, ceil), w.cols().out(s.W, ceil)}
	if out.H < 1 || out.W < 1 {
		return s, fmt.Errorf("%v does not fit on a %dx%d map", w, s.H, s.W)
	}
	b := w.reach(s, out)
	if bordered := (Shape{s.C, s.H + 2*b, s.W + 2*b}); !bordered.fits() {
		return s, fmt.Errorf("%v on %v: too large", w, s)
	}
	return out, nil
}

// reach is the border of zeros that a window needs around a map.
func (w *Window) reach(in, out Shape) int {
	return max(w.rows().reach(in.H, out.H), w.cols().reach(in.W, out.W))
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func floorDiv(a, b int) int { return (a - mod(a, b)) / b }

// mod is the remainder in 0..b-1.
func mod(a, b int) int { return ((a % b) + b) % b }
