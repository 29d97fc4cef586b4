package saliency

import (
	"context"
	"math"
)

// slic cuts a picture into about n superpixels (Achanta et al., 2012, algorithm 1). Centres
// start on a grid of step S = sqrt(pixels/n), each moved to the least gradient of its
// neighbourhood; a pixel belongs to the nearest of the centres at most S away in each
// direction, by
//
//	|dLab|^2 + (compactness/S)^2 (dr^2 + dc^2)
//
// and centres move to the mean of their pixels, ten times. Then every superpixel is made
// connected: pieces smaller than a quarter of S^2 join their neighbour.
func slic(ctx context.Context, m *labImage, n int) (*segmentation, error) {
	s := newSLIC(m, n)
	for range slicRounds {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		s.assign()
		s.move()
	}
	return connected(s.label, m.height, m.width, max(1, int(s.step*s.step/4))), nil
}

const (
	slicRounds  = 10
	compactness = 10 // colour distance that weighs as much as a distance of S pixels
)

// centre is a superpixel's mean colour and place.
type centre struct{ l, a, b, y, x float64 }

// clusters is the state of slic.
type clusters struct {
	m       *labImage
	step    float64
	centres []centre
	label   []int32
	nearest []float64 // distance to the pixel's centre
}

func newSLIC(m *labImage, n int) *clusters {
	s := &clusters{m: m, step: math.Sqrt(float64(m.height*m.width) / float64(n)),
		label: make([]int32, m.height*m.width), nearest: make([]float64, m.height*m.width)}
	rows := max(1, int(math.Round(float64(m.height)/s.step)))
	cols := max(1, int(math.Round(float64(m.width)/s.step)))
	rows, cols = min(rows, m.height), min(cols, m.width)
	for i := range rows {
		for j := range cols {
			y, x := (2*i+1)*m.height/(2*rows), (2*j+1)*m.width/(2*cols)
			s.centres = append(s.centres, s.at(s.flattest(y, x)))
		}
	}
	for i := range s.label { // for pixels that no centre reaches
		y, x := i/m.width, i%m.width
		s.label[i] = int32(y*rows/m.height*cols + x*cols/m.width)
	}
	return s
}

// at is the centre at a pixel.
func (s *clusters) at(i int) centre {
	m := s.m
	return centre{m.l[i], m.a[i], m.b[i], float64(i / m.width), float64(i % m.width)}
}

// flattest is the pixel of least gradient among a pixel and its neighbours, the first in
// raster order; the border of the picture has none.
func (s *clusters) flattest(y, x int) int {
	m := s.m
	best, at := math.Inf(1), y*m.width+x
	for r := max(1, y-1); r <= min(m.height-2, y+1); r++ {
		for c := max(1, x-1); c <= min(m.width-2, x+1); c++ {
			i := r*m.width + c
			if g := m.distance(i-1, i+1) + m.distance(i-m.width, i+m.width); g < best {
				best, at = g, i
			}
		}
	}
	return at
}

// assign gives each pixel to the nearest centre.
func (s *clusters) assign() {
	m := s.m
	for i := range s.nearest {
		s.nearest[i] = math.Inf(1)
	}
	place := compactness * compactness / (s.step * s.step)
	for k, c := range s.centres {
		for y := max(0, int(math.Ceil(c.y-s.step))); y <= min(m.height-1, int(c.y+s.step)); y++ {
			dy := float64(y) - c.y
			for x := max(0, int(math.Ceil(c.x-s.step))); x <= min(m.width-1, int(c.x+s.step)); x++ {
				i := y*m.width + x
				dx := float64(x) - c.x
				dl, da, db := m.l[i]-c.l, m.a[i]-c.a, m.b[i]-c.b
				if d := float64(dl*dl) + float64(da*da) + float64(db*db) + float64(place*(float64(dy*dy)+float64(dx*dx))); d < s.nearest[i] {
					s.nearest[i], s.label[i] = d, int32(k)
				}
			}
		}
	}
}

// move puts each centre at the mean of its pixels; one without pixels stays.
func (s *clusters) move() {
	sums := make([]centre, len(s.centres))
	count := make([]float64, len(s.centres))
	for i, k := range s.label {
		p, t := s.at(i), &sums[k]
		*t = centre{t.l + p.l, t.a + p.a, t.b + p.b, t.y + p.y, t.x + p.x}
		count[k]++
	}
	for k, n := range count {
		if n > 0 {
			t := sums[k]
			s.centres[k] = centre{t.l / n, t.a / n, t.b / n, t.y / n, t.x / n}
		}
	}
}

// connected numbers the connected pieces of a labelling in raster order of their first
// pixels. A piece of fewer than least pixels takes the number of the piece to the left of
// its first pixel, or else above it.
func connected(label []int32, height, width, least int) *segmentation {
	out := &segmentation{height: height, width: width, label: make([]int32, len(label))}
	for i := range out.label {
		out.label[i] = -1
	}
	var piece []int32
	for first := range label {
		if out.label[first] >= 0 {
			continue
		}
		number := int32(out.count)
		piece = append(piece[:0], int32(first))
		out.label[first] = number
		for k := 0; k < len(piece); k++ {
			i := int(piece[k])
			visit := func(j int) {
				if out.label[j] < 0 && label[j] == label[i] {
					out.label[j] = number
					piece = append(piece, int32(j))
				}
			}
			if i%width > 0 {
				visit(i - 1)
			}
			if i%width < width-1 {
				visit(i + 1)
			}
			if i >= width {
				visit(i - width)
			}
			if i < len(label)-width {
				visit(i + width)
			}
		}
		if len(piece) >= least || first == 0 {
			out.count++
			continue
		}
		join := first - width
		if first%width > 0 {
			join = first - 1
		}
		for _, i := range piece {
			out.label[i] = out.label[join]
		}
	}
	return out
}
