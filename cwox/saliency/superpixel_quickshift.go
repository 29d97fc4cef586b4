package saliency

import (
	"context"
	"math"
	"slices"

	"cwox/internal/elementary"
)

// quickshift cuts a picture into superpixels (Vedaldi and Soatto, 2008). A pixel's density is
//
//	sum over a window of exp(-(|dLab|^2 + dr^2 + dc^2) / (2 kernel^2)) + noise
//
// and its parent is the strictly denser pixel of the window at the least distance in colour
// and place, the first in raster order. Pixels without a parent, or further than 10 from it,
// are roots; each tree is a superpixel. The window reaches ceil(3 kernel) pixels in each
// direction. noise [height][width] breaks the ties of flat regions.
func quickshift(ctx context.Context, m *labImage, kernel float64, noise []float64, threads int) (*segmentation, error) {
	reach := int(math.Ceil(3 * kernel))
	density := make([]float64, m.height*m.width)
	d := newParzen(m, kernel, reach)
	if err := eachRow(ctx, threads, m.height, func(y int) { d.row(y, density, noise) }); err != nil {
		return nil, err
	}
	parent := make([]int32, len(density))
	offsets := neighbours(reach)
	if err := eachRow(ctx, threads, m.height, func(y int) { climb(m, density, offsets, y, parent) }); err != nil {
		return nil, err
	}
	return trees(parent, m.height, m.width), nil
}

// farthest is the distance to a parent beyond which a pixel is a root.
const farthest = 10

// parzen computes quickshift's densities.
type parzen struct {
	m     *labImage
	reach int
	scale float64   // 1 / (2 kernel^2)
	place []float64 // exp(-d^2 scale) for d = 0..reach
}

func newParzen(m *labImage, kernel float64, reach int) *parzen {
	d := &parzen{m: m, reach: reach, scale: 1 / (2 * kernel * kernel), place: make([]float64, reach+1)}
	for i := range d.place {
		d.place[i] = elementary.Exp(-float64(i*i) * d.scale)
	}
	return d
}

// row writes the densities of the pixels of row y.
func (d *parzen) row(y int, dst, noise []float64) {
	m := d.m
	across := make([]float64, 2*d.reach+1) // place, both ways
	for i := range across {
		across[i] = d.place[max(d.reach-i, i-d.reach)]
	}
	for x := range m.width {
		at := y*m.width + x
		l, a, b := m.l[at], m.a[at], m.b[at]
		x0, x1 := max(0, x-d.reach), min(m.width, x+d.reach+1)
		weight := across[x0-x+d.reach:][:x1-x0]
		total := 0.0
		for r := max(0, y-d.reach); r < min(m.height, y+d.reach+1); r++ {
			from := r*m.width + x0
			ls, as, bs := m.l[from:][:len(weight)], m.a[from:][:len(weight)], m.b[from:][:len(weight)]
			sum := 0.0
			for i, w := range weight {
				dl, da, db := ls[i]-l, as[i]-a, bs[i]-b
				if q := float64((float64(dl*dl) + float64(da*da) + float64(db*db)) * d.scale); q < expReach {
					sum += float64(w * expMinus(q))
				}
			}
			total += float64(sum * d.place[max(r-y, y-r)])
		}
		dst[at] = total + noise[at]
	}
}

// expReach is where exp(-q) is lost in a sum of 1 or more.
const expReach = 40

// expSteps is the number of table entries per unit.
const expSteps = 64

var expTable = func() (t [expReach * expSteps]float64) {
	for i := range t {
		t[i] = elementary.Exp(-float64(i) / expSteps)
	}
	return t
}()

// expMinus is exp(-q) for 0 <= q < expReach, to 3e-14 of itself: a table and Taylor's series.
func expMinus(q float64) float64 {
	n := int(q * expSteps)
	f := q - float64(float64(n)*(1./expSteps))
	return expTable[n] * (1 - float64(f*(1-float64(f*(1./2)*(1-float64(f*(1./3)*(1-float64(f*(1./4)*(1-float64(f*(1./5)))))))))))
}

// neighbour is a place in the window relative to its centre.
type neighbour struct{ dr, dc, square int }

// neighbours lists the places that can hold a parent, the nearest first.
func neighbours(reach int) []neighbour {
	var out []neighbour
	for dr := -reach; dr <= reach; dr++ {
		for dc := -reach; dc <= reach; dc++ {
			if s := dr*dr + dc*dc; s > 0 && s <= farthest*farthest {
				out = append(out, neighbour{dr, dc, s})
			}
		}
	}
	slices.SortStableFunc(out, func(a, b neighbour) int { return a.square - b.square })
	return out
}

// climb finds the parents of the pixels of row y; a root is its own.
func climb(m *labImage, density []float64, offsets []neighbour, y int, parent []int32) {
	for x := range m.width {
		at := y*m.width + x
		to, best := -1, float64(farthest*farthest)
		for _, o := range offsets {
			if float64(o.square) > best {
				break // all others are further away
			}
			r, c := y+o.dr, x+o.dc
			if r < 0 || r >= m.height || c < 0 || c >= m.width {
				continue
			}
			other := r*m.width + c
			if density[other] <= density[at] {
				continue
			}
			s := m.distance(other, at) + float64(o.square)
			if s < best || s == best && (to < 0 || other < to) {
				to, best = other, s
			}
		}
		if to < 0 {
			to = at
		}
		parent[at] = int32(to)
	}
}

// trees numbers the trees of a forest by their roots' raster order.
func trees(parent []int32, height, width int) *segmentation {
	s := &segmentation{height: height, width: width, label: make([]int32, len(parent))}
	for i, p := range parent {
		if int(p) == i {
			s.label[i] = int32(s.count)
			s.count++
		}
	}
	for i := range parent {
		root := int32(i)
		for parent[root] != root {
			root = parent[root]
		}
		for at := int32(i); parent[at] != root && at != root; { // shorten the way for those that follow
			at, parent[at] = parent[at], root
		}
		s.label[i] = s.label[root]
	}
	return s
}

// tieNoise is the noise of quickshift's densities: normal, standard deviation 1e-5.
func tieNoise(n int, seed uint64) []float64 {
	out := make([]float64, n)
	for i := 0; i < n; i += 2 {
		w := philox([4]uint32{uint32(i), 0, 0, limeStreamNoise}, seed)
		// Box and Muller: two normal numbers from two uniform ones in (0, 1].
		u := (float64(float64(w[0])*(1<<32)) + float64(w[1]) + 1) / (1 << 64)
		sin, cos := elementary.SinCosTurn(float64(w[2]) / (1 << 32))
		r := 1e-5 * math.Sqrt(-2*elementary.Log(u))
		out[i] = r * cos
		if i+1 < n {
			out[i+1] = r * sin
		}
	}
	return out
}
