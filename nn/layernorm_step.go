package nn

import "math"

// layerNormStep normalises every pixel over its channels. Sums of a block are in float32, those of
// all blocks in float64.
type layerNormStep struct {
	src, dst    view
	gamma, beta []float32 // in whole blocks, zero beyond the channels
	eps         float64
}

func newLayerNormStep(s *statistics, src, dst view) *layerNormStep {
	st := &layerNormStep{src: src, dst: dst, eps: s.Eps}
	st.gamma, st.beta = make([]float32, blocks(dst.c)*block), make([]float32, blocks(dst.c)*block)
	copy(st.gamma, s.Gamma)
	copy(st.beta, s.Beta)
	return st
}

func (s *layerNormStep) items(n int) int { return n * s.dst.h }

func (s *layerNormStep) run(w *worker, first, n, item int) {
	image, y := first+item/s.dst.h, item%s.dst.h
	v := w.buffers(2, s.dst.w)
	means, scales := v[0], v[1]
	clear(means)
	clear(scales)
	channels := float64(s.dst.c)
	for b := range blocks(s.dst.c) {
		row := s.src.line(w.mem, image, b, y)
		for x := range means {
			means[x] += sumOf((*[block]float32)(row[x*block:]))
		}
	}
	for x := range means {
		means[x] /= channels
	}
	for b := range blocks(s.dst.c) {
		row, lanes := s.src.line(w.mem, image, b, y), min(block, s.dst.c-b*block)
		for x := range scales {
			scales[x] += squaresOf((*[block]float32)(row[x*block:]), float32(means[x]), lanes)
		}
	}
	for x, sum := range scales {
		off := means[x] - float64(float32(means[x])) // the squares are of distances from the rounded mean
		scales[x] = 1 / math.Sqrt(max(sum/channels-float64(off*off), 0)+s.eps)
	}
	for b := range blocks(s.dst.c) {
		clearBorder(&s.dst, w.mem, image, b, y, y+1)
		in, out := s.src.line(w.mem, image, b, y), s.dst.line(w.mem, image, b, y)
		gamma, beta := (*[block]float32)(s.gamma[b*block:]), (*[block]float32)(s.beta[b*block:])
		for x := range means {
			mean, scale := float32(means[x]), float32(scales[x])
			from, to := (*[block]float32)(in[x*block:]), (*[block]float32)(out[x*block:])
			for i, v := range from {
				to[i] = float32((v-mean)*scale*gamma[i]) + beta[i]
			}
		}
	}
}

// sumOf is the sum of a block.
func sumOf(p *[block]float32) float64 {
	a, b, c, d := p[0]+p[4], p[1]+p[5], p[2]+p[6], p[3]+p[7]
	e, f, g, h := p[8]+p[12], p[9]+p[13], p[10]+p[14], p[11]+p[15]
	return float64((a + b) + (c + d) + ((e + f) + (g + h)))
}

// squaresOf is the sum of the squared distances of the first lanes from a number.
func squaresOf(p *[block]float32, from float32, lanes int) float64 {
	var sums [4]float32
	if lanes == block {
		for i := 0; i < block; i += 4 {
			a, b, c, d := p[i]-from, p[i+1]-from, p[i+2]-from, p[i+3]-from
			sums[0] += float32(a * a)
			sums[1] += float32(b * b)
			sums[2] += float32(c * c)
			sums[3] += float32(d * d)
		}
	} else {
		for _, v := range p[:lanes] {
			sums[0] += float32((v - from) * (v - from))
		}
	}
	return float64(sums[0] + sums[1] + (sums[2] + sums[3]))
}
