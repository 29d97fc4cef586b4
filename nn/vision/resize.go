package vision

import "math"

// Resize returns the picture at another size, to the bit as Pillow (up to version
// 12) computes resize((width, height), BILINEAR): a triangle filter that widens
// with the reduction, horizontally first and then vertically, in 22-bit fixed
// point with the intermediate rounded to 8 bits. A pass that changes nothing is
// skipped. It panics unless both sizes are positive.
func (p *Picture) Resize(width, height int) *Picture {
	if width <= 0 || height <= 0 {
		panic("vision: Resize: size not positive")
	}
	q := p
	if width != p.Width {
		q = q.resizeRows(width)
	}
	if height != p.Height {
		q = q.resizeColumns(height)
	}
	if q == p {
		q = p.like(width, height)
		copy(q.Pix, p.Pix)
	}
	return q
}

const (
	weightBits = 22
	weightHalf = 1 << (weightBits - 1)
)

// taps are the input positions that one output position is made of.
type taps struct {
	first   int      // input position of weights[0]
	weights []uint32 // sum about 1<<weightBits
}

// triangle returns the taps of a resize from n to m positions. With s = n/m and
// f = max(1, s), output i is centred at c = (i+0.5)s and takes the inputs x of
// [trunc(c-f+0.5), trunc(c+f+0.5)) with weight max(0, 1-|(x-c+0.5)(1/f)|), divided
// by their sum. The conversions around products keep them from being fused into
// the following addition on other processors.
func triangle(n, m int) []taps {
	s := float64(n) / float64(m)
	f := max(1, s)
	inverse := 1 / f
	all := make([]taps, m)
	w := make([]float64, 0, int(2*f)+3)
	store := make([]uint32, 0, m*min(n, int(2*f)+2))
	for i := range all {
		c := float64((float64(i) + 0.5) * s)
		lo, hi := max(0, int(c-f+0.5)), min(n, int(c+f+0.5))
		w = w[:0]
		sum := 0.0
		for x := lo; x < hi; x++ {
			v := max(0, 1-math.Abs(float64((float64(x)-c+0.5)*inverse)))
			w = append(w, v)
			sum += v
		}
		start := len(store)
		for _, v := range w {
			store = append(store, uint32(float64(v/sum*(1<<weightBits))+0.5))
		}
		all[i] = taps{lo, store[start:len(store):len(store)]}
	}
	return all
}

// resizeRows is the horizontal pass. Two rows go at once, one in the low and one
// in the high half of 64-bit words: weights are not negative and a sum stays
// below 2^32, so the halves do not meet.
func (p *Picture) resizeRows(width int) *Picture {
	q := p.like(width, p.Height)
	all := triangle(p.Width, width)
	reds, greens, blues := make([]uint64, p.Width), make([]uint64, p.Width), make([]uint64, p.Width)
	for y := 0; y < p.Height; y += 2 {
		below := min(y+1, p.Height-1)
		src0, src1 := p.row(y), p.row(below)
		greens, blues = greens[:len(reds)], blues[:len(reds)]
		for i := range reds {
			s0, s1 := src0[3*i:3*i+3], src1[3*i:3*i+3]
			reds[i] = uint64(s0[0]) | uint64(s1[0])<<32
			greens[i] = uint64(s0[1]) | uint64(s1[1])<<32
			blues[i] = uint64(s0[2]) | uint64(s1[2])<<32
		}
		dst0, dst1 := q.row(y), q.row(below)
		for i := range all {
			first, weights := all[i].first, all[i].weights
			rs, gs, bs := reds[first:][:len(weights)], greens[first:][:len(weights)], blues[first:][:len(weights)]
			const half = weightHalf | weightHalf<<32
			r, g, b := uint64(half), uint64(half), uint64(half)
			for k, w := range weights {
				w := uint64(w)
				r += w * rs[k]
				g += w * gs[k]
				b += w * bs[k]
			}
			d0, d1 := dst0[3*i:3*i+3], dst1[3*i:3*i+3]
			d0[0], d1[0] = clip(uint32(r)), clip(uint32(r>>32))
			d0[1], d1[1] = clip(uint32(g)), clip(uint32(g>>32))
			d0[2], d1[2] = clip(uint32(b)), clip(uint32(b>>32))
		}
	}
	return q
}

// resizeColumns is the vertical pass: sums of whole rows.
func (p *Picture) resizeColumns(height int) *Picture {
	q := p.like(p.Width, height)
	sums := make([]uint32, 3*p.Width)
	for y, t := range triangle(p.Height, height) {
		for i := range sums {
			sums[i] = weightHalf
		}
		for k, w := range t.weights {
			src := p.row(t.first + k)[:len(sums)]
			for i, v := range src {
				sums[i] += w * uint32(v)
			}
		}
		dst := q.row(y)[:len(sums)]
		for i, v := range sums {
			dst[i] = clip(v)
		}
	}
	return q
}

// clip drops the fraction of a sum. Rounded weights of very many taps can add up
// to a little more than one.
func clip(sum uint32) uint8 { return uint8(min(sum>>weightBits, 255)) }
