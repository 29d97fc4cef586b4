package drawnworld

import (
	"math"
	"slices"
)

// ObjectOf finds the object that a class stands for: the first whose Class or Rival it is.
func (s *Scene) ObjectOf(class int) (object int, ok bool) {
	for i := range s.Objects {
		if o := &s.Objects[i]; o.Class == class || o.Rival == class {
			return i, true
		}
	}
	return 0, false
}

// Evidence is where the picture speaks for a class that an object has against some of its
// siblings: the place of its own telling part, and the places of the siblings' parts that
// are not drawn on the object, whose emptiness speaks against them. (A rival's part, which
// is drawn, speaks for the rival.) It is visible coverage [size][size], 0..1, nil where none
// of against is a sibling that looks alike.
func (s *Scene) Evidence(object, class int, against []int, size int) []float32 {
	o := &s.Objects[object]
	var out []float32
	for _, b := range against {
		if b == class || b < 0 || b >= len(classes) || figureOf[b] != o.fig {
			continue
		}
		if out == nil {
			out = s.PartMask(object, class, size)
		}
		if b == o.Class || b == o.Rival {
			continue
		}
		for i, v := range s.PartMask(object, b, size) {
			out[i] = max(out[i], v)
		}
	}
	return out
}

// Tolerance is how far from a region a map's maximum may lie and still count as pointing
// at it, in pixels of a picture of NetworkSize: that of the pointing game (Zhang et al.,
// "Top-down neural attention by excitation backprop", ECCV 2016).
const Tolerance = 15

// Location says how well a map points at a region.
type Location struct {
	// Hit is 1 if the map's maximum lies in the region or within the tolerance, 0 if not;
	// where several pixels share the maximum it is the share of them that do.
	Hit float64 `json:"hit"`
	// Energy is the share of the map's sum that lies in the region (Wang et al.,
	// "Score-CAM", 2020: the energy-based pointing game).
	Energy float64 `json:"energy"`
	// IoU is the intersection over union of the region and the map's highest pixels, as
	// many as the region has; those of value 0 do not count.
	IoU float64 `json:"iou"`
}

// Region is a part of the picture that maps may point at.
type Region struct {
	size  int
	cover []float32 // [size][size]
	near  []bool    // within the tolerance
	area  int       // pixels that are covered by half or more
}

// NewRegion makes a region of coverage [size][size].
func NewRegion(cover []float32, size int) *Region {
	if len(cover) != size*size {
		panic("drawnworld: a region that does not fit its size")
	}
	r := &Region{size: size, cover: cover}
	for _, v := range cover {
		if v >= 0.5 {
			r.area++
		}
	}
	r.near = r.grown(Tolerance * size / NetworkSize)
	return r
}

// Area is the number of pixels that are covered by half or more.
func (r *Region) Area() int { return r.area }

// Locate compares a map [size][size] of values that are not negative. A map that is 0
// everywhere points at nothing.
func (r *Region) Locate(m []float32) Location {
	if len(m) != len(r.cover) {
		panic("drawnworld: a map that does not fit the region")
	}
	top := slices.Max(m)
	if !(top > 0) {
		return Location{}
	}
	var ties, hits int
	var inside, all float64
	for i, v := range m {
		all += float64(v)
		inside += float64(float64(v) * float64(r.cover[i]))
		if v == top {
			ties++
			if r.near[i] {
				hits++
			}
		}
	}
	return Location{Hit: float64(hits) / float64(ties), Energy: inside / all, IoU: r.overlap(m)}
}

// Mean is the mean of a map over the region, by coverage.
func (r *Region) Mean(m []float32) float64 {
	var sum, area float64
	for i, v := range r.cover {
		sum += float64(float64(v) * float64(m[i]))
		area += float64(v)
	}
	return sum / max(area, 1e-9)
}

// Chance is what a map that knows nothing is expected to reach: one of independent random
// pixels, or for Energy any even one.
func (r *Region) Chance() Location {
	near := 0
	for _, v := range r.near {
		if v {
			near++
		}
	}
	n := float64(len(r.cover))
	a := float64(r.area) / n
	return Location{Hit: float64(near) / n, Energy: sum(r.cover) / n, IoU: a / (2 - a)}
}

// overlap is Location.IoU. Of pixels that tie for the last places the first in raster order
// are taken.
func (r *Region) overlap(m []float32) float64 {
	if r.area == 0 {
		return 0
	}
	sorted := slices.Clone(m)
	slices.Sort(sorted)
	last := max(sorted[len(sorted)-r.area], math.SmallestNonzeroFloat32)
	left := r.area // places for pixels of value last
	for _, v := range sorted[len(sorted)-r.area:] {
		if v > last {
			left--
		}
	}
	taken, both := 0, 0
	for i, v := range m {
		if v < last {
			continue
		}
		if v == last {
			if left == 0 {
				continue
			}
			left--
		}
		taken++
		if r.cover[i] >= 0.5 {
			both++
		}
	}
	return float64(both) / float64(r.area+taken-both)
}

// grown marks the pixels at most a distance away from the region.
func (r *Region) grown(distance int) []bool {
	n := r.size
	// far is the distance to the region along the row.
	far := make([]int, n*n)
	for y := range n {
		row := far[y*n : (y+1)*n]
		d := n
		for x := range row {
			if d++; r.cover[y*n+x] >= 0.5 {
				d = 0
			}
			row[x] = d
		}
		d = n
		for x := n - 1; x >= 0; x-- {
			if d++; row[x] == 0 {
				d = 0
			}
			row[x] = min(row[x], d)
		}
	}
	out := make([]bool, n*n)
	for dy := -distance; dy <= distance; dy++ {
		reach := int(math.Sqrt(float64(distance*distance - dy*dy)))
		for y := max(0, -dy); y < min(n, n-dy); y++ {
			for x, d := range far[(y+dy)*n : (y+dy+1)*n] {
				if d <= reach {
					out[y*n+x] = true
				}
			}
		}
	}
	return out
}
