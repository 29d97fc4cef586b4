package nn

import (
	"math"

	"cwox/internal/elementary"
)

// Drift is how far what goes into a batch normalisation is, for one image, from the statistics
// that training left there: means over its channels.
type Drift struct {
	Layer  string
	Pixels int // of a map
	// Z is |mean - running mean| in running standard deviations, LogVar |ln| of the variance
	// by the running variance (both with 1e-5 added).
	Z, LogVar float64
}

// Drift measures the batch normalisations of maps larger than a pixel, for an image of the
// last Forward. The session must have been made with Moments.
//
// Each is read off the normalisation's output, y = Gamma (x - Mean)/sd + Beta, which a pass
// with folded weights computes anyway. Channels whose Gamma is too small for that are left
// out.
func (s *Session) Drift(image int) []Drift {
	if image < 0 || image >= s.images {
		panic("nn: Drift: no such image in the last Forward")
	}
	var out []Drift
	for _, m := range s.plan.moments {
		out = append(out, m.drift(image))
	}
	return out
}

// measured says that a node is one whose moments are taken.
func (n *Node) measured() bool {
	b, ok := n.op.(*norm)
	return ok && !b.affine && n.shape.H*n.shape.W > 1
}

// momentStep sums a batch normalisation's output and its square over each map.
type momentStep struct {
	n    *Node
	src  view
	sums []float64 // [images][blocks*16][2]
}

func (s *momentStep) items(n int) int { return n * blocks(s.src.c) }

func (s *momentStep) run(w *worker, first, _, item int) {
	nb := blocks(s.src.c)
	image, b := first+item/nb, item%nb
	var sum, square [block]float64
	for y := range s.src.h {
		row := w.mem[s.src.at(image, b, y, 0):][:s.src.w*block]
		for c := 0; c < block; c += 4 { // four channels at a time, whose sums stay in registers
			var s0, s1, s2, s3, q0, q1, q2, q3 float64
			for at := row[c:]; ; at = at[block:] {
				v0, v1, v2, v3 := float64(at[0]), float64(at[1]), float64(at[2]), float64(at[3])
				s0, s1, s2, s3 = s0+v0, s1+v1, s2+v2, s3+v3
				q0, q1, q2, q3 = q0+float64(v0*v0), q1+float64(v1*v1), q2+float64(v2*v2), q3+float64(v3*v3)
				if len(at) <= block {
					break
				}
			}
			sum[c], sum[c+1], sum[c+2], sum[c+3] = sum[c]+s0, sum[c+1]+s1, sum[c+2]+s2, sum[c+3]+s3
			square[c], square[c+1], square[c+2], square[c+3] = square[c]+q0, square[c+1]+q1, square[c+2]+q2, square[c+3]+q3
		}
	}
	out := s.sums[(image*nb+b)*block*2:][:2*block]
	for i := range sum {
		out[2*i], out[2*i+1] = sum[i], square[i]
	}
}

// drift compares the moments of an image with the running statistics.
func (s *momentStep) drift(image int) Drift {
	const least = 1e-5
	p := s.n.op.(*norm)
	area := float64(s.src.h * s.src.w)
	d := Drift{Layer: s.n.names[0], Pixels: s.src.h * s.src.w}
	count := 0.0
	for c := range s.src.c {
		at := (image*blocks(s.src.c)*block + c) * 2
		gamma, beta := float64(p.Gamma[c]), float64(p.Beta[c])
		if math.Abs(gamma) <= 1e-4*math.Abs(beta) {
			continue
		}
		mean := s.sums[at] / area
		variance := max(s.sums[at+1]/area-float64(mean*mean), 0)
		running := float64(p.Var[c])
		scale := math.Sqrt(running+p.Eps) / gamma
		d.Z += math.Abs(mean-beta) * math.Abs(scale) / math.Sqrt(running+least)
		d.LogVar += math.Abs(elementary.Log((float64(variance*scale*scale) + least) / (running + least)))
		count++
	}
	if count > 0 {
		d.Z /= count
		d.LogVar /= count
	}
	return d
}
