package nn

import "cwox/asm"

// linearStep is a convolution whose output is one pixel: the images are the pixels, so that
// they share the weights. The bias comes last: added first, a large one takes digits from terms that
// cancel it.
type linearStep struct {
	kernels  *asm.Kernels
	w        *convWeights
	src, dst view
	srcMem   []float32 // where src lies; nil means the run's own memory
	epilogue
	taps []int    // byte offsets, block by block
	cuts [][]call // for each number of images
}

// linear says that a convolution with this geometry is one that linearStep can run.
func (g *convGeometry) linear(dst *view) bool {
	return !g.interleaved && !g.depthwise && dst.h == 1 && dst.w == 1 && len(g.phases) == 1 && len(g.phases[0].taps) > 0
}

func newLinearStep(k *asm.Kernels, w *convWeights, src, dst view, act *elementwise, batch int) *linearStep {
	s := &linearStep{kernels: k, w: w, src: src, dst: dst, epilogue: epilogue{act: act}}
	for b := range blocks(w.geometry.in) {
		for _, t := range w.geometry.phases[0].taps {
			s.taps = append(s.taps, 4*(b*src.plane+t.dy*src.row+t.dx*block))
		}
	}
	s.cuts = make([][]call, batch+1)
	for n := range s.cuts {
		for at := 0; at < n; {
			r, tiles := nextTiles(k.GemmF32.Rows, n-at)
			s.cuts[n] = append(s.cuts[n], call{a: at * src.image, c: at * dst.image, rows: r, tiles: tiles, aTile: r * src.image, cTile: r * dst.image})
			at += r * tiles
		}
	}
	return s
}

func (s *linearStep) items(n int) int { return len(s.w.geometry.panels) }

func (s *linearStep) run(w *worker, first, n, item int) {
	of := &s.w.geometry.panels[item]
	p := &s.w.geometry.phases[0]
	taps := s.taps[of.i0*len(p.taps) : of.i1*len(p.taps)]
	args := &w.gemm
	*args = asm.GemmF32Args{
		B:    &s.w.panels[p.start(of)],
		Taps: &taps[0], NTaps: len(taps), K: block,
		ARow: 4 * s.src.image, AStep: 4,
		BStep: 4 * block * of.vecs, BVec: 4 * block,
		CRow: 4 * s.dst.image, CVec: 4 * s.dst.plane,
		Vecs: of.vecs,
	}
	from := w.mem
	if s.srcMem != nil {
		from = s.srcMem
	}
	for i := range s.cuts[n] {
		k := &s.cuts[n][i]
		args.A = &from[s.src.off+first*s.src.image+k.a]
		args.C = &w.mem[s.dst.at(first, of.b0, 0, 0)+k.c]
		args.Rows, args.Tiles = k.rows, k.tiles
		args.ATile, args.CTile = 4*k.aTile, 4*k.cTile
		s.kernels.GemmF32.Run(args)
	}
	for i := range n {
		for b := of.b0; b < of.b0+of.vecs; b++ {
			out := s.dst.line(w.mem, first+i, b, 0)
			if s.w.bias != nil {
				for j, v := range s.w.bias[b*block:][:block] {
					out[j] += v
				}
			}
			s.finish(s.kernels, w, b, s.dst.c, out)
		}
	}
}
