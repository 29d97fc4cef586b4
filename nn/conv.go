package nn

import (
	"unsafe"

	"cwox/asm"
)

// convWeights are a convolution's weights as the kernel reads them: for each group of
// output blocks a panel [taps][k][group blocks x 16], one after the other.
type convWeights struct {
	geometry convGeometry
	panels   []float32 // in float32,
	half     []uint16  // or in bfloat16: pairs of k next to each other, [taps][k/2][group blocks x 16][2]
	bias     []float32 // [blocks(out)*16], or nil
}

// convGeometry says which input pixels an output pixel is made of. Output pixel (y, x)
// of the phase, which lies at (y*outStep + phase.y, x*outStep + phase.x) of the output
// map, sums over taps at input pixel (y*inStep + dy, x*inStep + dx). An ordinary
// convolution has one phase; the gradient of one with stride s has s*s.
type convGeometry struct {
	in, out         int // channels
	inStep, outStep int
	phases          []convPhase
	// run is the number of consecutive input elements a tap covers: 16 (a channel
	// block) in NCHW16c, kw*channels in the interleaved layout of the network's input.
	run         int
	interleaved bool // that of the network's input
}

type convPhase struct {
	y, x   int
	taps   []convTap
	panels int // offset of the phase's panels
}

// convTap is one spatial position of the kernel.
type convTap struct{ dy, dx int }

// weightSource says where the weight for output channel o, input channel i and tap t of a phase comes
// from: element base(o, phase, t) + i*stride of values, times scale.
type weightSource struct {
	values            []float32
	base              func(o int, p *convPhase, t int) int
	stride            int
	outScale, inScale []float64 // by o and by i; nil for none
	sign              int       // see signed
}

// forwardGeometry is the geometry of convolution c itself.
func forwardGeometry(c *Conv, in int) convGeometry {
	g := convGeometry{in: in, out: c.Out, inStep: c.Stride, outStep: 1, run: block}
	var p convPhase
	for y := 0; y < c.KH; y++ {
		for x := 0; x < c.KW; x++ {
			p.taps = append(p.taps, convTap{y - c.Pad, x - c.Pad})
		}
	}
	g.phases = []convPhase{p}
	return g
}

// packForward packs weights of convolution c; scale, if not nil, multiplies output
// channel o (a folded batch normalisation).
func packForward(c *Conv, in int, scale []float64, bias []float32, group int) *convWeights {
	w := &convWeights{geometry: forwardGeometry(c, in), bias: bias}
	area := c.KH * c.KW
	w.pack(group, &weightSource{
		values: c.Weight, stride: area, outScale: scale,
		base: func(o int, _ *convPhase, t int) int { return o*in*area + t },
	})
	return w
}

// packInput packs a convolution that reads the network's input, interleaved [H][W][C]:
// a tap is a whole kernel row of kw*in consecutive elements, rounded up to whole pairs where
// even asks for it.
func packInput(c *Conv, in int, scale []float64, bias []float32, group int, even bool) *convWeights {
	w := &convWeights{bias: bias}
	w.geometry = convGeometry{in: in, out: c.Out, inStep: c.Stride, outStep: 1, run: c.KW * in, interleaved: true}
	if even {
		w.geometry.run += w.geometry.run % 2
	}
	var p convPhase
	for y := 0; y < c.KH; y++ {
		p.taps = append(p.taps, convTap{y - c.Pad, -c.Pad})
	}
	w.geometry.phases = []convPhase{p}
	nb := blocks(c.Out)
	w.panels = alignedFloats(nb * block * c.KH * w.geometry.run)
	for b0 := 0; b0 < nb; b0 += group {
		dst := w.panels[b0*block*c.KH*w.geometry.run:]
		width := min(group, nb-b0) * block
		for y := 0; y < c.KH; y++ {
			for k := range c.KW * in {
				for j := 0; j < width && b0*block+j < c.Out; j++ {
					o := b0*block + j
					v := c.Weight[((o*in+k%in)*c.KH+y)*c.KW+k/in]
					if scale != nil {
						v = float32(float64(v) * scale[o])
					}
					dst[j] = v
				}
				dst = dst[width:]
			}
			dst = dst[(w.geometry.run-c.KW*in)*width:] // zeros where the run was rounded up
		}
	}
	return w
}

// toHalf rounds the panels to bfloat16 and interleaves pairs of k. The run must be even.
func (w *convWeights) toHalf(group int) {
	g := &w.geometry
	w.half = make([]uint16, len(w.panels))
	nb := blocks(g.out)
	for pi := range g.phases {
		p := &g.phases[pi]
		depth := len(p.taps) * g.run
		if !g.interleaved {
			depth *= blocks(g.in)
		}
		parallel((nb+group-1)/group, func(gi int) {
			b0 := gi * group
			width := min(group, nb-b0) * block
			at := p.panels + b0*block*depth
			for k := 0; k < depth; k += 2 {
				for j := range width {
					w.half[at+k*width+2*j] = asm.BF16(w.panels[at+k*width+j])
					w.half[at+k*width+2*j+1] = asm.BF16(w.panels[at+(k+1)*width+j])
				}
			}
		})
	}
	w.panels = nil
}

// packGradient packs the input gradient of convolution c: a convolution from its output
// channels to its input channels, one phase for each residue of the input position modulo
// the stride. scale, if not nil, multiplies output channel o of c; sign, if not 0, keeps
// only the weights of that sign (negative ones as their magnitude), as excitation
// backprop asks for.
func packGradient(c *Conv, in int, scale []float64, sign, group int) *convWeights {
	w := &convWeights{geometry: convGeometry{in: c.Out, out: in, inStep: 1, outStep: c.Stride, run: block}}
	s := c.Stride
	for py := 0; py < s; py++ {
		for px := 0; px < s; px++ {
			p := convPhase{y: py, x: px}
			// Input position y = s*oy - pad + ky, so oy = (y + pad - ky)/s.
			for ky := 0; ky < c.KH; ky++ {
				for kx := 0; kx < c.KW; kx++ {
					ny, nx := py+c.Pad-ky, px+c.Pad-kx
					if mod(ny, s) == 0 && mod(nx, s) == 0 {
						p.taps = append(p.taps, convTap{floorDiv(ny, s), floorDiv(nx, s)})
					}
				}
			}
			w.geometry.phases = append(w.geometry.phases, p)
		}
	}
	area := c.KH * c.KW
	w.pack(group, &weightSource{
		values: c.Weight, stride: in * area, inScale: scale, sign: sign,
		base: func(o int, p *convPhase, t int) int {
			tap := p.taps[t]
			return o*area + (p.y+c.Pad-s*tap.dy)*c.KW + p.x + c.Pad - s*tap.dx
		},
	})
	return w
}

// signed keeps v if it has the sign asked for (as its magnitude), else gives 0; sign 0
// keeps everything as it is.
func signed(v float32, sign int) float32 {
	switch {
	case sign == 0, sign > 0 && v > 0:
		return v
	case sign < 0 && v < 0:
		return -v
	}
	return 0
}

// pack fills the panels in parallel over groups.
func (w *convWeights) pack(group int, from *weightSource) {
	g := &w.geometry
	nb, ib := blocks(g.out), blocks(g.in)
	total := 0
	for i := range g.phases {
		g.phases[i].panels = total
		total += nb * block * ib * block * len(g.phases[i].taps)
	}
	w.panels = alignedFloats(total)
	for pi := range g.phases {
		p := &g.phases[pi]
		depth := ib * block * len(p.taps)
		parallel((nb+group-1)/group, func(gi int) {
			b0 := gi * group
			width := min(group, nb-b0) * block
			dst := w.panels[p.panels+b0*block*depth:]
			for b := 0; b < ib; b++ {
				for t := range p.taps {
					for j := 0; j < width && b0*block+j < g.out; j++ {
						from.column(dst[j:], width, b0*block+j, b*block, min(block, g.in-b*block), p, t)
					}
					dst = dst[block*width:]
				}
			}
		})
	}
}

// column fetches the weights of output channel o and input channels i0 .. i0+n-1 to every
// step-th element of dst.
func (from *weightSource) column(dst []float32, step, o, i0, n int, p *convPhase, t int) {
	src := from.values[from.base(o, p, t)+i0*from.stride:]
	for k := range n {
		v := src[k*from.stride]
		if from.sign != 0 {
			v = signed(v, from.sign)
		}
		if from.inScale != nil {
			v = float32(float64(v) * from.inScale[i0+k])
		}
		if from.outScale != nil {
			v = float32(float64(v) * from.outScale[o])
		}
		dst[k*step] = v
	}
}

// convStep runs a convolution over views.
type convStep struct {
	f32      *asm.GemmF32
	bf16     *asm.GemmBF16 // instead of f32: all operands but the bias are bfloat16,
	wide     bool          // or all but bias and output
	heights  []int         // of the kernel's tiles
	maxVecs  int
	w        *convWeights
	src, dst view
	srcMem   []float32 // where src lies; nil means the run's own memory
	res      *view     // added before the ReLU; nil for none
	relu     bool
	phases   []phasePlan
	groups   int
	// pixelsFirst makes consecutive items share their pixels rather than their weights.
	pixelsFirst bool
	chunks      int // over all phases
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

// chunkMACs is the work that a chunk should hold, in multiply-adds: tens of
// microseconds, so that goroutines end together and the garbage collector need not wait.
const chunkMACs = 3 << 20

// newConvStep plans a convolution in float32.
func (m *Model) newConvStep(w *convWeights, src, dst view, res *view, relu bool) *convStep {
	k := &m.kernels.GemmF32
	s := newConvStep(k.Rows, k.MaxVecs, 4, w, src, dst, res, relu)
	s.f32 = k
	return s
}

// newConvStep cuts a convolution into chunks, for a kernel with tiles of those heights and
// widths and operands of so many bytes an element. The kernel itself is for the caller to set.
func newConvStep(heights []int, maxVecs, bytes int, w *convWeights, src, dst view, res *view, relu bool) *convStep {
	s := &convStep{heights: heights, maxVecs: maxVecs, w: w, src: src, dst: dst, res: res, relu: relu}
	g := &w.geometry
	s.groups = (blocks(g.out) + maxVecs - 1) / maxVecs
	weights := 0
	for i := range g.phases {
		p := &g.phases[i]
		plan := phasePlan{phase: p}
		if !g.interleaved {
			for b := 0; b < blocks(g.in); b++ {
				for _, t := range p.taps {
					plan.taps = append(plan.taps, bytes*(b*src.plane+t.dy*src.row+t.dx*block))
				}
			}
		} else {
			for _, t := range p.taps {
				plan.taps = append(plan.taps, bytes*(t.dy*src.row+t.dx*g.in))
			}
		}
		depth := len(plan.taps) * g.run
		plan.chunks = s.cut(p, depth)
		s.chunks += len(plan.chunks)
		s.phases = append(s.phases, plan)
		weights += depth * s.groups * maxVecs * block
	}
	s.pixelsFirst = weights*bytes <= 256<<10
	return s
}

// pixel is the number of elements from one input pixel to the next.
func (s *convStep) pixel() int {
	if !s.w.geometry.interleaved {
		return block
	}
	return s.w.geometry.in
}

// cut divides the output pixels of a phase into chunks of calls.
func (s *convStep) cut(p *convPhase, depth int) []chunk {
	g := &s.w.geometry
	oh := ceilDiv(s.dst.h-p.y, g.outStep)
	ow := ceilDiv(s.dst.w-p.x, g.outStep)
	if oh <= 0 || ow <= 0 {
		return nil
	}
	work := max(1, depth) * s.maxVecs * block
	perChunk := max(14, chunkMACs/work)
	px := s.pixel()
	single := len(p.taps) == 1 && g.inStep == 1 && g.outStep == 1 && p.taps[0] == (convTap{})
	flat := single && s.src.contiguous() && s.dst.contiguous() && (s.res == nil || s.res.contiguous())
	var out []chunk
	if flat {
		total := oh * ow
		perChunk = max(14, perChunk/14*14)
		for p0 := 0; p0 < total; p0 += perChunk {
			n := min(perChunk, total-p0)
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
	rows := max(1, perChunk/ow)
	for y0 := 0; y0 < oh; y0 += rows {
		y1 := min(oh, y0+rows)
		ch := chunk{y0: y0*g.outStep + p.y, y1: min(s.dst.h, (y1-1)*g.outStep+p.y+1)}
		if g.outStep > 1 { // the border is cleared by the first phase alone
			ch.y0, ch.y1 = 0, 0
			if p.y == 0 && p.x == 0 {
				ch.y0, ch.y1 = y0*g.outStep, min(s.dst.h, y1*g.outStep)
			}
		}
		for x := 0; x < ow; {
			r, tiles := nextTiles(s.heights, ow-x)
			for i := 0; i < tiles; i++ {
				c := call{rows: r, tiles: y1 - y0, aTile: g.inStep * s.src.row, cTile: g.outStep * s.dst.row}
				c.a = y0*g.inStep*s.src.row + x*g.inStep*px
				c.c = (y0*g.outStep+p.y)*s.dst.row + (x*g.outStep+p.x)*block
				if s.res != nil {
					c.r = (y0*g.outStep+p.y)*s.res.row + (x*g.outStep+p.x)*block
				}
				if s.res != nil && s.res.row != s.dst.row && c.tiles > 1 {
					// The kernel steps through C and Res alike, so rows of different
					// pitch go one by one.
					for y := 0; y < y1-y0; y++ {
						one := c
						one.tiles = 1
						one.a += y * c.aTile
						one.c += y * c.cTile
						one.r += y * g.outStep * s.res.row
						ch.calls = append(ch.calls, one)
					}
				} else {
					ch.calls = append(ch.calls, c)
				}
				x += r
			}
		}
		out = append(out, ch)
	}
	return out
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

func (s *convStep) items(n int) int { return n * s.chunks * s.groups }

func (s *convStep) run(w *worker, first, n, item int) {
	var image, group, ci int
	if s.pixelsFirst {
		group, item = item%s.groups, item/s.groups
		ci, image = item%s.chunks, item/s.chunks
	} else {
		ci, item = item%s.chunks, item/s.chunks
		image, group = item%n, item/n
	}
	for i := range s.phases {
		p := &s.phases[i]
		if ci < len(p.chunks) {
			s.runChunk(w, p, &p.chunks[ci], first+image, group)
			return
		}
		ci -= len(p.chunks)
	}
}

func (s *convStep) runChunk(w *worker, p *phasePlan, ch *chunk, image, group int) {
	b0 := group * s.maxVecs
	vecs := min(s.maxVecs, blocks(s.w.geometry.out)-b0)
	for b := b0; b < b0+vecs; b++ {
		if s.bf16 != nil && !s.wide {
			clearBorder(&s.dst, w.half, image, b, ch.y0, ch.y1)
		} else {
			clearBorder(&s.dst, w.mem, image, b, ch.y0, ch.y1)
		}
	}
	switch {
	case len(p.taps) == 0:
		s.runEmpty(w.mem, ch, image, b0, vecs)
	case s.bf16 != nil:
		s.runBF16(w, p, ch, image, b0, vecs)
	default:
		s.runF32(w, p, ch, image, b0, vecs)
	}
}

func (s *convStep) runF32(w *worker, p *phasePlan, ch *chunk, image, b0, vecs int) {
	g := &s.w.geometry
	depth := len(p.taps) * g.run
	args := &w.gemm
	*args = asm.GemmF32Args{
		B:    &s.w.panels[p.phase.panels+b0*block*depth],
		Taps: &p.taps[0], NTaps: len(p.taps), K: g.run,
		ARow: 4 * g.inStep * s.pixel(), AStep: 4,
		BStep: 4 * block * vecs, BVec: 4 * block,
		CRow: 4 * g.outStep * block, CVec: 4 * s.dst.plane,
		Vecs: vecs, Relu: s.relu,
	}
	if s.w.bias != nil {
		args.Bias = &s.w.bias[b0*block]
	}
	from := w.mem
	if s.srcMem != nil {
		from = s.srcMem
	}
	a := unsafe.Pointer(&from[s.src.off+image*s.src.image])
	c := unsafe.Pointer(&w.mem[s.dst.at(image, b0, 0, 0)])
	var r unsafe.Pointer
	if s.res != nil {
		r = unsafe.Pointer(&w.mem[s.res.at(image, b0, 0, 0)])
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
	}
}

func (s *convStep) runBF16(w *worker, p *phasePlan, ch *chunk, image, b0, vecs int) {
	g := &s.w.geometry
	depth := len(p.taps) * g.run
	out := 2 // bytes of an output element
	if s.wide {
		out = 4
	}
	args := &w.gemmHalf
	*args = asm.GemmBF16Args{
		B:    &s.w.half[p.phase.panels+b0*block*depth],
		Taps: &p.taps[0], NTaps: len(p.taps), K: g.run / 2,
		ARow: 2 * g.inStep * s.pixel(), AStep: 4,
		BStep: 4 * block * vecs, BVec: 4 * block,
		CRow: out * g.outStep * block, CVec: out * s.dst.plane,
		Vecs: vecs, Relu: s.relu, Wide: s.wide,
	}
	if s.w.bias != nil {
		args.Bias = &s.w.bias[b0*block]
	}
	a := unsafe.Pointer(&w.half[s.src.off+image*s.src.image])
	c := unsafe.Pointer(unsafe.SliceData(w.mem))
	c = unsafe.Add(c, out*s.dst.at(image, b0, 0, 0))
	var r unsafe.Pointer
	if s.res != nil {
		r = unsafe.Pointer(&w.half[s.res.at(image, b0, 0, 0)])
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
func (s *convStep) runEmpty(mem []float32, ch *chunk, image, b0, vecs int) {
	step := s.w.geometry.outStep
	for b := b0; b < b0+vecs; b++ {
		for i := range ch.calls {
			k := &ch.calls[i]
			for t := 0; t < k.tiles; t++ {
				for r := 0; r < k.rows; r++ {
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

// linearStep is a convolution on 1x1 maps: the images are the pixels.
type linearStep struct {
	kernel   *asm.GemmF32
	w        *convWeights
	src, dst view
	srcMem   []float32 // where src lies; nil means the run's own memory
	relu     bool
	taps     []int
	groups   int
	cuts     [][]call // for each number of images
}

func newLinearStep(kernel *asm.GemmF32, w *convWeights, src, dst view, relu bool, batch int) *linearStep {
	s := &linearStep{kernel: kernel, w: w, src: src, dst: dst, relu: relu}
	s.groups = (blocks(w.geometry.out) + kernel.MaxVecs - 1) / kernel.MaxVecs
	for b := 0; b < blocks(w.geometry.in); b++ {
		s.taps = append(s.taps, 4*b*src.plane)
	}
	s.cuts = make([][]call, batch+1)
	for n := range s.cuts {
		for at := 0; at < n; {
			r, tiles := nextTiles(kernel.Rows, n-at)
			s.cuts[n] = append(s.cuts[n], call{a: at * src.image, c: at * dst.image, rows: r, tiles: tiles, aTile: r * src.image, cTile: r * dst.image})
			at += r * tiles
		}
	}
	return s
}

func (s *linearStep) items(n int) int { return s.groups }

func (s *linearStep) run(w *worker, first, n, group int) {
	if first != 0 {
		panic("nn: a linear layer runs over the whole batch")
	}
	b0 := group * s.kernel.MaxVecs
	vecs := min(s.kernel.MaxVecs, blocks(s.w.geometry.out)-b0)
	args := &w.gemm
	*args = asm.GemmF32Args{
		B:    &s.w.panels[b0*block*len(s.taps)*block],
		Taps: &s.taps[0], NTaps: len(s.taps), K: block,
		ARow: 4 * s.src.image, AStep: 4,
		BStep: 4 * block * vecs, BVec: 4 * block,
		CRow: 4 * s.dst.image, CVec: 4 * s.dst.plane,
		Vecs: vecs, Relu: s.relu,
	}
	if s.w.bias != nil {
		args.Bias = &s.w.bias[b0*block]
	}
	from := w.mem
	if s.srcMem != nil {
		from = s.srcMem
	}
	for i := range s.cuts[n] {
		k := &s.cuts[n][i]
		args.A = &from[s.src.off+k.a]
		args.C = &w.mem[s.dst.at(0, b0, 0, 0)+k.c]
		args.Rows, args.Tiles = k.rows, k.tiles
		args.ATile, args.CTile = 4*k.aTile, 4*k.cTile
		s.kernel.Run(args)
	}
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func floorDiv(a, b int) int { return (a - mod(a, b)) / b }

// mod is the remainder in 0..b-1.
func mod(a, b int) int { return ((a % b) + b) % b }
