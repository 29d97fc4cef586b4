package nn

import "cwox/asm"

// convWeights are a convolution's weights as the kernel reads them, panel by panel:
// [taps][k][panel's blocks x 16].
type convWeights struct {
	geometry convGeometry
	panels   []float32 // in float32,
	half     []uint16  // or in bfloat16: pairs of k next to each other, [taps][k/2][panel's blocks x 16][2]
	bias     []float32 // [blocks(out)*16], or nil
}

// convGeometry says which input pixels an output pixel is made of. Output pixel (y, x)
// of the phase, which lies at (y*outStep.y + phase.y, x*outStep.x + phase.x) of the output
// map, sums over taps at input pixel (y*inStep.y + dy, x*inStep.x + dx). An ordinary
// convolution has one phase; the gradient of one with stride s has s*s.
type convGeometry struct {
	in, out         int // channels
	inStep, outStep steps
	phases          []convPhase
	panels          []panel
	// run is the number of consecutive input elements a tap covers: 16 (a channel
	// block) in NCHW16c, kw*channels in the interleaved layout of the network's input.
	run         int
	interleaved bool // that of the network's input
	// depthwise says that every channel is made of itself alone; there are no panels then, but
	// [blocks][taps][16] weights for each phase.
	depthwise bool
}

// steps are distances in pixels, down and to the right.
type steps struct{ y, x int }

type convPhase struct {
	y, x int
	taps []convTap
	at   int // of the phase's first panel
}

// convTap is one spatial position of the kernel.
type convTap struct{ dy, dx int }

// panel is a set of output blocks that the kernel makes together, and the input blocks that
// they read.
type panel struct {
	b0, vecs int // output blocks b0..b0+vecs-1
	i0, i1   int // input blocks i0..i1-1; of an interleaved input 0..0
	at       int // where its weights begin among those of a phase with one tap
}

// layPanels cuts the output blocks into panels. With groups, outputs read the blocks that hold
// their group's channels, and weights of other groups' channels there are zero.
func (g *convGeometry) layPanels(groups, maxVecs int) {
	perIn, perOut := g.in/groups, g.out/groups
	nb, at := blocks(g.out), 0
	reads := func(b int) (from, to int) {
		last := min((b+1)*block, g.out) - 1
		return b * block / perOut * perIn / block, blocks((last/perOut + 1) * perIn)
	}
	for b := 0; b < nb; {
		p := panel{b0: b, at: at}
		p.i0, p.i1 = reads(b)
		for b++; b < nb && b-p.b0 < maxVecs; b++ {
			if from, to := reads(b); from != p.i0 || to != p.i1 {
				break
			}
		}
		p.vecs = b - p.b0
		if g.interleaved {
			p.i0, p.i1 = 0, 0
		}
		g.panels = append(g.panels, p)
		at += p.vecs * block * g.span(&p)
	}
}

// span is how many input elements a tap of a panel covers, over all its blocks.
func (g *convGeometry) span(p *panel) int {
	if g.interleaved {
		return g.run
	}
	return (p.i1 - p.i0) * block
}

// size is the number of weights of all panels for one tap.
func (g *convGeometry) size() int {
	last := &g.panels[len(g.panels)-1]
	return last.at + last.vecs*block*g.span(last)
}

// start is where the weights of a panel begin in a phase.
func (p *convPhase) start(of *panel) int { return p.at + of.at*len(p.taps) }

// weightSource says where the weights for output channel o and tap t of a phase come from: for
// the i-th input channel of its group, element base(o, phase, t) + i*stride of values, times
// scale.
type weightSource struct {
	values            []float32
	base              func(o int, p *convPhase, t int) int
	stride            int
	perOut, perIn     int       // channels of a group
	outScale, inScale []float64 // by output and by input channel; nil for none
	sign              int       // see signed
}

// packForward packs weights of convolution c; scale, if not nil, multiplies output
// channel o (a folded batch normalisation).
func packForward(c *conv, scale []float64, bias []float32, maxVecs int) *convWeights {
	w := &convWeights{geometry: convGeometry{in: c.in, out: c.Out, inStep: steps{c.StrideH, c.StrideW}, outStep: steps{1, 1}, run: block, depthwise: c.depthwise()}, bias: bias}
	var p convPhase
	for y := range c.KH {
		for x := range c.KW {
			p.taps = append(p.taps, convTap{y*c.DilationH - c.Top, x*c.DilationW - c.Left})
		}
	}
	w.geometry.phases = []convPhase{p}
	area, perIn, perOut := c.KH*c.KW, c.in/c.Groups, c.Out/c.Groups
	if !c.depthwise() {
		w.geometry.layPanels(c.Groups, maxVecs)
	}
	w.pack(&weightSource{
		values: c.Weight, stride: area, outScale: scale, perIn: perIn, perOut: perOut,
		base: func(o int, _ *convPhase, t int) int { return o*perIn*area + t },
	})
	return w
}

// packImage packs a convolution that reads the network's input, interleaved [H][W][C]:
// a tap is a whole kernel row of kw*in consecutive elements, rounded up to whole pairs where
// even asks for it.
func packImage(c *conv, scale []float64, bias []float32, maxVecs int, even bool) *convWeights {
	w := &convWeights{bias: bias}
	g := &w.geometry
	*g = convGeometry{in: c.in, out: c.Out, inStep: steps{c.StrideH, c.StrideW}, outStep: steps{1, 1}, run: c.KW * c.in, interleaved: true}
	if even {
		g.run += g.run % 2
	}
	var p convPhase
	for y := range c.KH {
		p.taps = append(p.taps, convTap{y*c.DilationH - c.Top, -c.Left})
	}
	g.phases = []convPhase{p}
	g.layPanels(1, maxVecs)
	w.panels = alignedFloats(g.size() * len(p.taps))
	for i := range g.panels {
		of := &g.panels[i]
		dst, width := w.panels[p.start(of):], of.vecs*block
		for y := range c.KH {
			for k := range c.KW * c.in {
				for j := 0; j < width && of.b0*block+j < c.Out; j++ {
					o := of.b0*block + j
					v := c.Weight[((o*c.in+k%c.in)*c.KH+y)*c.KW+k/c.in]
					if scale != nil {
						v = float32(float64(v) * scale[o])
					}
					dst[j] = v
				}
				dst = dst[width:]
			}
			dst = dst[(g.run-c.KW*c.in)*width:] // zeros where the run was rounded up
		}
	}
	return w
}

// packGradient packs the input gradient of convolution c, of maps in and out: a convolution
// from its output channels to its input channels, one phase for each residue of the input
// position modulo the stride. scale, if not nil, multiplies output channel o of c; sign, if not
// 0, keeps only the weights of that sign (negative ones as their magnitude), as excitation
// backprop asks for.
func packGradient(c *conv, in, out Shape, scale []float64, sign, maxVecs int) *convWeights {
	s := steps{c.rows().gradientStride(in.H, out.H), c.cols().gradientStride(in.W, out.W)}
	w := &convWeights{geometry: convGeometry{in: c.Out, out: c.in, inStep: steps{1, 1}, outStep: s, run: block, depthwise: c.depthwise()}}
	g := &w.geometry
	for py := range min(s.y, in.H) {
		for px := range min(s.x, in.W) {
			p := convPhase{y: py, x: px}
			// Input position y = s*oy - pad + ky*dilation, so oy = (y + pad - ky*dilation)/s.
			for ky := range c.KH {
				for kx := range c.KW {
					ny, nx := py+c.Top-ky*c.DilationH, px+c.Left-kx*c.DilationW
					if mod(ny, s.y) == 0 && mod(nx, s.x) == 0 {
						p.taps = append(p.taps, convTap{floorDiv(ny, s.y), floorDiv(nx, s.x)})
					}
				}
			}
			g.phases = append(g.phases, p)
		}
	}
	area, perIn, perOut := c.KH*c.KW, c.in/c.Groups, c.Out/c.Groups
	if !c.depthwise() {
		g.layPanels(c.Groups, maxVecs)
	}
	w.pack(&weightSource{
		values: c.Weight, stride: perIn * area, inScale: scale, sign: sign, perIn: perOut, perOut: perIn,
		base: func(i int, p *convPhase, t int) int {
			tap, first := p.taps[t], i/perIn*perOut // the group's first output channel
			ky, kx := (p.y+c.Top-s.y*tap.dy)/c.DilationH, (p.x+c.Left-s.x*tap.dx)/c.DilationW
			return (first*perIn+i%perIn)*area + ky*c.KW + kx
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

// pack fills the panels in parallel.
func (w *convWeights) pack(from *weightSource) {
	g := &w.geometry
	if g.depthwise {
		w.packDepthwise(from)
		return
	}
	total := 0
	for i := range g.phases {
		g.phases[i].at = total
		total += g.size() * len(g.phases[i].taps)
	}
	w.panels = alignedFloats(total)
	parallel(len(g.panels)*len(g.phases), func(i int) {
		p, of := &g.phases[i/len(g.panels)], &g.panels[i%len(g.panels)]
		width := of.vecs * block
		dst := w.panels[p.start(of):]
		for b := of.i0; b < of.i1; b++ {
			for t := range p.taps {
				for j := 0; j < width && of.b0*block+j < g.out; j++ {
					from.column(dst[j:], width, of.b0*block+j, b*block, min(block, g.in-b*block), p, t)
				}
				dst = dst[block*width:]
			}
		}
	})
}

// packDepthwise is pack for a convolution of each channel by itself.
func (w *convWeights) packDepthwise(from *weightSource) {
	g := &w.geometry
	for i := range g.phases {
		p := &g.phases[i]
		p.at = len(w.panels)
		w.panels = append(w.panels, make([]float32, blocks(g.out)*block*len(p.taps))...)
		for t := range p.taps {
			for c := range g.out {
				from.column(w.panels[p.at+(c/block*len(p.taps)+t)*block+c%block:], 1, c, c, 1, p, t)
			}
		}
	}
}

// column fetches the weights of output channel o and input channels i0 .. i0+n-1 to every
// step-th element of dst. Channels of other groups have none.
func (from *weightSource) column(dst []float32, step, o, i0, n int, p *convPhase, t int) {
	first := o / from.perOut * from.perIn
	lo, hi := max(i0, first), min(i0+n, first+from.perIn)
	if lo >= hi {
		return
	}
	src := from.values[from.base(o, p, t)+(lo-first)*from.stride:]
	for i := lo; i < hi; i++ {
		v := src[(i-lo)*from.stride]
		if from.sign != 0 {
			v = signed(v, from.sign)
		}
		if from.inScale != nil {
			v = float32(float64(v) * from.inScale[i])
		}
		if from.outScale != nil {
			v = float32(float64(v) * from.outScale[o])
		}
		dst[(i-i0)*step] = v
	}
}

// toHalf rounds the panels to bfloat16 and interleaves pairs of k. The run must be even.
func (w *convWeights) toHalf() {
	g := &w.geometry
	w.half = make([]uint16, len(w.panels))
	parallel(len(g.panels)*len(g.phases), func(i int) {
		p, of := &g.phases[i/len(g.panels)], &g.panels[i%len(g.panels)]
		pairUp(w.half, w.panels, p.start(of), len(p.taps)*g.span(of), of.vecs*block)
	})
	w.panels = nil
}

// pairUp rounds depth rows of width weights at an offset to bfloat16, those of two rows next to
// each other.
func pairUp(half []uint16, panels []float32, at, depth, width int) {
	for k := 0; k < depth; k += 2 {
		for j := range width {
			half[at+k*width+2*j] = asm.BF16(panels[at+k*width+j])
			half[at+k*width+2*j+1] = asm.BF16(panels[at+(k+1)*width+j])
		}
	}
}
