package nn

import (
	"math"

	"cwox/asm"
)

// depthwiseStep runs a convolution of each channel by itself.
type depthwiseStep struct {
	kernels  *asm.Kernels
	w        *convWeights
	src, dst view
	srcMem   []float32 // where src lies; nil means the run's own memory
	epilogue
	clamp clamp   // before anything is added
	taps  [][]int // by phase: byte offsets
	band  int     // rows of the output that are an item
}

func newDepthwiseStep(k *asm.Kernels, w *convWeights, src, dst view, e epilogue) *depthwiseStep {
	c := clamp{low: float32(math.Inf(-1)), high: float32(math.Inf(1))}
	if e.res == nil {
		if own := e.clamp(); own.is {
			c = own
		}
	}
	s := &depthwiseStep{kernels: k, w: w, src: src, dst: dst, clamp: c, epilogue: e}
	for i := range w.geometry.phases {
		var taps []int
		for _, t := range w.geometry.phases[i].taps {
			taps = append(taps, 4*(t.dy*src.row+t.dx*block))
		}
		s.taps = append(s.taps, taps)
	}
	s.band = max(1, bandPixels/dst.w)
	return s
}

func (s *depthwiseStep) items(n int) int { return n * blocks(s.dst.c) * ceilDiv(s.dst.h, s.band) }

func (s *depthwiseStep) run(w *worker, first, n, item int) {
	bands, nb := ceilDiv(s.dst.h, s.band), blocks(s.dst.c)
	y0 := item % bands * s.band
	y1 := min(y0+s.band, s.dst.h)
	image, b := first+item/bands/nb, item/bands%nb
	clearBorder(&s.dst, w.mem, image, b, y0, y1)
	g := &s.w.geometry
	for y := y0; y < y1; y++ {
		for i := range g.phases {
			if p := &g.phases[i]; y >= p.y && (y-p.y)%g.outStep.y == 0 && p.x < s.dst.w {
				s.row(w, i, image, b, y)
			}
		}
		s.finish(s.kernels, w, b, s.dst.c, s.dst.line(w.mem, image, b, y))
	}
}

// row computes what phase i makes of row y.
func (s *depthwiseStep) row(w *worker, i, image, b, y int) {
	g := &s.w.geometry
	p := &g.phases[i]
	out, step := w.mem[s.dst.at(image, b, y, p.x):], g.outStep.x*block
	n := ceilDiv(s.dst.w-p.x, g.outStep.x)
	sums, sumStep := out, step
	if s.res != nil { // which may be the output
		sums, sumStep = w.scratch(n*block), block
	}
	if len(p.taps) == 0 {
		for x := range n {
			clear(sums[x*sumStep:][:block])
		}
	} else {
		from := w.mem
		if s.srcMem != nil {
			from = s.srcMem
		}
		w.depthwise = asm.DepthwiseF32Args{
			A: &from[s.src.at(image, b, (y-p.y)/g.outStep.y*g.inStep.y, 0)], B: &s.w.panels[p.at+b*len(p.taps)*block], C: &sums[0],
			Taps: &s.taps[i][0], NTaps: len(p.taps), Rows: n,
			ARow: 4 * g.inStep.x * block, CRow: 4 * sumStep, Low: s.clamp.low, High: s.clamp.high,
		}
		if s.w.bias != nil {
			w.depthwise.Bias = &s.w.bias[b*block]
		}
		s.kernels.DepthwiseF32(&w.depthwise)
	}
	if s.res != nil {
		res := w.mem[s.res.at(image, b, y, p.x):]
		for x := range n {
			for j := range block {
				out[x*step+j] = sums[x*block+j] + res[x*step+j]
			}
		}
	}
}
