package nn

import (
	"unsafe"

	"cwox/asm"
)

// convStep runs a convolution over views.
type convStep struct {
	kernels  *asm.Kernels
	f32      *asm.GemmF32
	bf16     *asm.GemmBF16 // instead of f32: all operands but the bias are bfloat16,
	wide     bool          // or all but bias and output
	heights  []int         // of the kernel's tiles
	w        *convWeights
	src, dst view
	srcMem   []float32 // where src lies; nil means the run's own memory,
	inBand   bool      // or the worker's
	epilogue
	clamp  clamp
	phases []phasePlan
	// pixelsFirst makes consecutive items share their pixels rather than their weights.
	pixelsFirst bool
	chunks      int // over all phases
}

// epilogue is what is done to a convolution's sums.
type epilogue struct {
	res *view        // added before the function; nil for none
	act *elementwise // nil for none
}

// clamp is what a kernel does to its sums at the end.
type clamp struct {
	low, high float32
	is        bool
}

// clamp takes the function out of e if the kernel can do it: if it only clamps and keeps the zeros
// beyond the channels.
func (e *epilogue) clamp() (c clamp) {
	if e.act == nil {
		return c
	}
	if c.low, c.high, c.is = e.act.bounds(); !c.is || c.low > 0 || c.high < 0 {
		return clamp{}
	}
	e.act = nil
	return c
}

// relu says that the kernel is to end in a ReLU.
func (e *epilogue) relu() bool { return e.act != nil && e.act.Function == ReLU }

// finish applies the function to pixels of a block of c channels, while they
// are in the cache.
func (e *epilogue) finish(k *asm.Kernels, w *worker, blk, c int, pixels []float32) {
	if e.act != nil {
		e.act.apply(k, w, blk, pixels, pixels)
		clearBeyond(pixels, c-blk*block)
	}
}

// phasePlan is how the pixels of a phase are cut into kernel calls.
type phasePlan struct {
	phase  *convPhase
	taps   []int // byte offsets, block by block
	chunks []chunk
}

// chunk is a set of kernel calls that one goroutine makes in one go.
type chunk struct {
	calls  []call
	y0, y1 int // rows of the output map whose border the chunk clears
}

// call is one kernel call: element offsets from the views' first pixel.
type call struct {
	a, c, r      int // into src, dst, res
	rows, tiles  int
	aTile, cTile int // steps between tiles, in elements
}

// chunkMACs is the work that a chunk should hold, in multiply-adds: about ten microseconds, so that
// goroutines end together and the garbage collector need not wait.
const chunkMACs = 1 << 20

// newConvStep plans a convolution in float32.
func (m *Model) newConvStep(w *convWeights, src, dst view, e epilogue) *convStep {
	k := &m.kernels.GemmF32
	s := newConvStep(k.Rows, 4, w, src, dst, e)
	s.f32, s.kernels = k, m.kernels
	return s
}

// newConvStep cuts a convolution into chunks, for a kernel with tiles of those heights and
// operands of so many bytes an element. The kernel itself is for the caller to set.
func newConvStep(heights []int, bytes int, w *convWeights, src, dst view, e epilogue) *convStep {
	s := &convStep{heights: heights, w: w, src: src, dst: dst, clamp: e.clamp(), epilogue: e}
	g := &w.geometry
	weights := 0
	for i := range g.phases {
		p := &g.phases[i]
		plan := phasePlan{phase: p, taps: s.tapOffsets(p, bytes)}
		work := 1
		for j := range g.panels {
			work = max(work, len(p.taps)*g.span(&g.panels[j])*g.panels[j].vecs*block)
		}
		plan.chunks = s.cut(p, max(14, chunkMACs/work))
		s.chunks += len(plan.chunks)
		s.phases = append(s.phases, plan)
		weights += len(p.taps) * g.size()
	}
	s.pixelsFirst = weights*bytes <= 256<<10
	return s
}

// tapOffsets are the distances in bytes of a phase's taps, block by block.
func (s *convStep) tapOffsets(p *convPhase, bytes int) []int {
	g := &s.w.geometry
	var out []int
	if g.interleaved {
		for _, t := range p.taps {
			out = append(out, bytes*(t.dy*s.src.row+t.dx*g.in))
		}
		return out
	}
	for b := range blocks(g.in) {
		for _, t := range p.taps {
			out = append(out, bytes*(b*s.src.plane+t.dy*s.src.row+t.dx*block))
		}
	}
	return out
}

// pixel is the number of elements from one input pixel to the next.
func (s *convStep) pixel() int {
	if !s.w.geometry.interleaved {
		return block
	}
	return s.w.geometry.in
}

// cut divides the output pixels of a phase into chunks of calls, of about so many pixels.
func (s *convStep) cut(p *convPhase, pixels int) []chunk {
	g := &s.w.geometry
	oh := ceilDiv(s.dst.h-p.y, g.outStep.y)
	ow := ceilDiv(s.dst.w-p.x, g.outStep.x)
	if oh <= 0 || ow <= 0 {
		return nil
	}
	single := len(p.taps) == 1 && g.inStep == steps{1, 1} && g.outStep == steps{1, 1} && p.taps[0] == (convTap{})
	if single && s.src.contiguous() && s.dst.contiguous() && (s.res == nil || s.res.contiguous()) {
		return s.cutFlat(oh*ow, max(14, pixels/14*14))
	}
	var out []chunk
	rows := max(1, pixels/ow)
	for y0 := 0; y0 < oh; y0 += rows {
		out = append(out, s.cutRows(p, y0, min(oh, y0+rows), ow))
	}
	return out
}

// cutFlat cuts a map whose pixels follow each other without gaps.
func (s *convStep) cutFlat(total, pixels int) []chunk {
	var out []chunk
	for p0 := 0; p0 < total; p0 += pixels {
		n := min(pixels, total-p0)
		ch := chunk{}
		for at := 0; at < n; {
			r, tiles := nextTiles(s.heights, n-at)
			pos := (p0 + at) * block
			ch.calls = append(ch.calls, call{a: pos, c: pos, r: pos, rows: r, tiles: tiles, aTile: r * block, cTile: r * block})
			at += r * tiles
		}
		out = append(out, ch)
	}
	return out
}

// cutRows makes a chunk of rows y0..y1-1 of a phase, ow pixels wide.
func (s *convStep) cutRows(p *convPhase, y0, y1, ow int) chunk {
	g := &s.w.geometry
	ch := chunk{y0: y0*g.outStep.y + p.y, y1: min(s.dst.h, (y1-1)*g.outStep.y+p.y+1)}
	if g.outStep != (steps{1, 1}) { // the border is cleared by the first phase alone
		ch.y0, ch.y1 = 0, 0
		if p.y == 0 && p.x == 0 {
			ch.y0, ch.y1 = y0*g.outStep.y, min(s.dst.h, y1*g.outStep.y)
		}
	}
	for x := 0; x < ow; {
		r, tiles := nextTiles(s.heights, ow-x)
		for range tiles {
			c := call{rows: r, tiles: y1 - y0, aTile: g.inStep.y * s.src.row, cTile: g.outStep.y * s.dst.row}
			c.a = y0*c.aTile + x*g.inStep.x*s.pixel()
			c.c = (y0*g.outStep.y+p.y)*s.dst.row + (x*g.outStep.x+p.x)*block
			if s.res != nil {
				c.r = (y0*g.outStep.y+p.y)*s.res.row + (x*g.outStep.x+p.x)*block
			}
			ch.calls = s.appendCall(ch.calls, c)
			x += r
		}
	}
	return ch
}

// appendCall appends a call. The kernel steps through C and Res alike, so rows of different
// pitch go one by one.
func (s *convStep) appendCall(calls []call, c call) []call {
	if s.res == nil || s.res.row == s.dst.row || c.tiles == 1 {
		return append(calls, c)
	}
	for y := range c.tiles {
		one := c
		one.tiles = 1
		one.a += y * c.aTile
		one.c += y * c.cTile
		one.r += y * s.w.geometry.outStep.y * s.res.row
		calls = append(calls, one)
	}
	return calls
}

// nextTiles takes the first tiles off a strip of n pixels: the tile height that cuts the
// whole strip most cheaply, and how many of them in a row.
func nextTiles(heights []int, n int) (rows, tiles int) {
	best := tileCosts(heights, n)
	rows = best[n].rows
	for n > 0 && best[n].rows == rows {
		tiles++
		n -= rows
	}
	return rows, tiles
}

type tileCost struct {
	cost float64
	rows int
}

// tileCosts finds for each strip length up to n the cheapest cut: a tile of r pixels
// costs r, and something for starting, and never less than the latency of its chain.
func tileCosts(heights []int, n int) []tileCost {
	best := make([]tileCost, n+1)
	for i := 1; i <= n; i++ {
		for _, r := range heights {
			if r > i {
				continue
			}
			c := best[i-r].cost + max(float64(r), 4) + 0.7
			if best[i].rows == 0 || c < best[i].cost {
				best[i] = tileCost{c, r}
			}
		}
	}
	return best
}

func (s *convStep) items(n int) int { return n * s.chunks * len(s.w.geometry.panels) }

func (s *convStep) run(w *worker, first, n, item int) {
	panels := s.w.geometry.panels
	var image, pi, ci int
	if s.pixelsFirst {
		pi, item = item%len(panels), item/len(panels)
		ci, image = item%s.chunks, item/s.chunks
	} else {
		ci, item = item%s.chunks, item/s.chunks
		image, pi = item%n, item/n
	}
	for i := range s.phases {
		p := &s.phases[i]
		if ci < len(p.chunks) {
			s.runChunk(w, p, &p.chunks[ci], first+image, &panels[pi])
			return
		}
		ci -= len(p.chunks)
	}
}

func (s *convStep) runChunk(w *worker, p *phasePlan, ch *chunk, image int, of *panel) {
	for b := of.b0; b < of.b0+of.vecs; b++ {
		if s.bf16 != nil && !s.wide {
			clearBorder(&s.dst, w.half, image, b, ch.y0, ch.y1)
		} else {
			clearBorder(&s.dst, w.mem, image, b, ch.y0, ch.y1)
		}
	}
	switch {
	case len(p.taps) == 0:
		s.runEmpty(w.mem, ch, image, of)
	case s.bf16 != nil:
		s.runBF16(w, p, ch, image, of)
	default:
		s.runF32(w, p, ch, image, of)
	}
}

// tapsOf are the offsets of the taps that a panel reads.
func (s *convStep) tapsOf(p *phasePlan, of *panel) []int {
	if s.w.geometry.interleaved {
		return p.taps
	}
	n := len(p.phase.taps)
	return p.taps[of.i0*n : of.i1*n]
}

func (s *convStep) runF32(w *worker, p *phasePlan, ch *chunk, image int, of *panel) {
	g := &s.w.geometry
	taps := s.tapsOf(p, of)
	args := &w.gemm
	*args = asm.GemmF32Args{
		B:    &s.w.panels[p.phase.start(of)],
		Taps: &taps[0], NTaps: len(taps), K: g.run,
		ARow: 4 * g.inStep.x * s.pixel(), AStep: 4,
		BStep: 4 * block * of.vecs, BVec: 4 * block,
		CRow: 4 * g.outStep.x * block, CVec: 4 * s.dst.plane,
		Vecs: of.vecs, Low: s.clamp.low, High: s.clamp.high, Clamp: s.clamp.is,
	}
	if s.w.bias != nil {
		args.Bias = &s.w.bias[of.b0*block]
	}
	from := w.mem
	switch {
	case s.inBand:
		from = w.band
	case s.srcMem != nil:
		from = s.srcMem
	}
	a := unsafe.Pointer(&from[s.src.off+image*s.src.image])
	c := unsafe.Pointer(&w.mem[s.dst.at(image, of.b0, 0, 0)])
	var r unsafe.Pointer
	if s.res != nil {
		r = unsafe.Pointer(&w.mem[s.res.at(image, of.b0, 0, 0)])
		args.ResVec = 4 * s.res.plane
	}
	for i := range ch.calls {
		k := &ch.calls[i]
		args.A = (*float32)(unsafe.Add(a, 4*k.a))
		args.C = (*float32)(unsafe.Add(c, 4*k.c))
		if s.res != nil {
			args.Res = (*float32)(unsafe.Add(r, 4*k.r))
		}
		args.Rows, args.Tiles = k.rows, k.tiles
		args.ATile, args.CTile = 4*k.aTile, 4*k.cTile
		s.f32.Run(args)
		if s.act != nil {
			s.finishCall(w, k, image, of)
		}
	}
}

// finishCall applies the function to what a call has written.
func (s *convStep) finishCall(w *worker, k *call, image int, of *panel) {
	for b := of.b0; b < of.b0+of.vecs; b++ {
		for t := range k.tiles {
			s.finish(s.kernels, w, b, s.dst.c, w.mem[s.dst.at(image, b, 0, 0)+k.c+t*k.cTile:][:k.rows*block])
		}
	}
}

func (s *convStep) runBF16(w *worker, p *phasePlan, ch *chunk, image int, of *panel) {
	g := &s.w.geometry
	taps := s.tapsOf(p, of)
	out := 2 // bytes of an output element
	if s.wide {
		out = 4
	}
	args := &w.gemmHalf
	*args = asm.GemmBF16Args{
		B:    &s.w.half[p.phase.start(of)],
		Taps: &taps[0], NTaps: len(taps), K: g.run / 2,
		ARow: 2 * g.inStep.x * s.pixel(), AStep: 4,
		BStep: 4 * block * of.vecs, BVec: 4 * block,
		CRow: out * g.outStep.x * block, CVec: out * s.dst.plane,
		Vecs: of.vecs, Low: s.clamp.low, High: s.clamp.high, Clamp: s.clamp.is, Wide: s.wide,
	}
	if s.w.bias != nil {
		args.Bias = &s.w.bias[of.b0*block]
	}
	a := unsafe.Pointer(&w.half[s.src.off+image*s.src.image])
	c := unsafe.Pointer(unsafe.SliceData(w.mem))
	c = unsafe.Add(c, out*s.dst.at(image, of.b0, 0, 0))
	var r unsafe.Pointer
	if s.res != nil {
		r = unsafe.Pointer(&w.half[s.res.at(image, of.b0, 0, 0)])
		args.ResVec = 2 * s.res.plane
	}
	for i := range ch.calls {
		k := &ch.calls[i]
		args.A = (*uint16)(unsafe.Add(a, 2*k.a))
		args.C = (*uint16)(unsafe.Add(c, out*k.c))
		if s.res != nil {
			args.Res = (*uint16)(unsafe.Add(r, 2*k.r))
		}
		args.Rows, args.Tiles = k.rows, k.tiles
		args.ATile, args.CTile = 2*k.aTile, out*k.cTile
		s.bf16.Run(args)
	}
}

// runEmpty is a phase without taps: the sum is empty, so only the residual remains.
func (s *convStep) runEmpty(mem []float32, ch *chunk, image int, of *panel) {
	step := s.w.geometry.outStep.x
	for b := of.b0; b < of.b0+of.vecs; b++ {
		for i := range ch.calls {
			k := &ch.calls[i]
			for t := range k.tiles {
				for r := range k.rows {
					out := mem[s.dst.at(image, b, 0, 0)+k.c+t*k.cTile+r*step*block:][:block]
					if s.res == nil {
						clear(out)
						continue
					}
					copy(out, mem[s.res.at(image, b, 0, 0)+k.r+t*k.cTile+r*step*block:][:block])
				}
			}
		}
	}
}
