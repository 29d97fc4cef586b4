package saliency

// Resize scales the map to height x width by bilinear interpolation with half-pixel
// centres and clamped edges (PyTorch's align_corners=false). It does not smooth
// when it shrinks. Values are computed in float64 and rounded once.
func (m Map) Resize(height, width int) Map {
	if m.Height < 1 || m.Width < 1 || height < 1 || width < 1 || len(m.Data) != m.Height*m.Width {
		panic("saliency: Resize: the map or the size is empty, or the data does not fit the size")
	}
	out := Map{Height: height, Width: width, Data: make([]float32, height*width)}
	rows, cols := taps(m.Height, height), taps(m.Width, width)
	line := make([]float64, m.Width)
	for y, r := range rows {
		a, b := m.Data[r.lo*m.Width:][:m.Width], m.Data[r.hi*m.Width:][:m.Width]
		for x := range line {
			line[x] = float64((1-r.frac)*float64(a[x])) + float64(r.frac*float64(b[x]))
		}
		dst := out.Data[y*width:][:width]
		for x, c := range cols {
			dst[x] = float32(float64((1-c.frac)*line[c.lo]) + float64(c.frac*line[c.hi]))
		}
	}
	return out
}

// tap is where one output position reads: (1-frac)*in[lo] + frac*in[hi].
type tap struct {
	lo, hi int
	frac   float64
}

// taps are the positions of a resize from n samples to m.
func taps(n, m int) []tap {
	out := make([]tap, m)
	scale := float64(n) / float64(m)
	for i := range out {
		src := max(0, float64((float64(i)+0.5)*scale)-0.5)
		lo := min(int(src), n-1)
		hi := min(lo+1, n-1)
		out[i] = tap{lo, hi, src - float64(lo)}
		if lo == hi {
			out[i].frac = 0
		}
	}
	return out
}
