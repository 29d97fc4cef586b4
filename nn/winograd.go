package nn

import (
	"unsafe"

	"cwox/asm"
)

// winogradWeights are the transformed weights of a 3x3 convolution: for each place xi of a tile
// and each group of output blocks a panel [in][group blocks x 16].
type winogradWeights struct {
	in, out int
	panels  []float32 // in float32,
	half    []uint16  // or in bfloat16: pairs of inputs next to each other
	xi      int       // elements from one place to the next
	bias    []float32 // [blocks(out)*16], or nil
}

// packWinograd transforms and packs the weights of convolution c; scale, if not nil, multiplies
// output channel o.
func packWinograd(kernel *asm.WinogradF32, c *conv, scale []float64, bias []float32, group int) *winogradWeights {
	nb, depth := blocks(c.Out), blocks(c.in)*block
	w := &winogradWeights{in: c.in, out: c.Out, xi: nb * block * depth, bias: bias}
	places := kernel.In * kernel.In
	w.panels = alignedFloats(places * w.xi)
	parallel((nb+group-1)/group, func(gi int) {
		b0 := gi * group
		width := min(group, nb-b0) * block
		u := make([]float32, places)
		var g [9]float32
		for i := range c.in {
			for j := 0; j < width && b0*block+j < c.Out; j++ {
				o := b0*block + j
				copy(g[:], c.Weight[(o*c.in+i)*9:])
				if scale != nil {
					for k := range g {
						g[k] = float32(float64(g[k]) * scale[o])
					}
				}
				kernel.Weights(u, &g)
				at := b0*block*depth + i*width + j
				for xi, v := range u {
					w.panels[xi*w.xi+at] = v
				}
			}
		}
	})
	return w
}

// toHalf rounds the panels to bfloat16 and interleaves pairs of inputs.
func (w *winogradWeights) toHalf(places, group int) {
	nb, depth := blocks(w.out), blocks(w.in)*block
	w.half = make([]uint16, len(w.panels))
	parallel(places, func(xi int) {
		for b0 := 0; b0 < nb; b0 += group {
			width := min(group, nb-b0) * block
			pairUp(w.half, w.panels, xi*w.xi+b0*block*depth, depth, width)
		}
	})
	w.panels = nil
}

// winogradKernel chooses the algorithm of a convolution by its shape: the transform to use, or
// nil for the direct sum. The choice must not depend on the batch, since it changes the last
// bits of the result.
func (m *Model) winogradKernel(n *Node) *asm.WinogradF32 {
	c, ok := n.op.(*conv)
	if !ok || m.direct || c.Groups > 1 || c.readsImage(n) {
		return nil
	}
	want := Square(3, 1, 1)
	want.DilationH, want.DilationW = 1, 1
	if c.Window != want || c.in < 32 || c.Out < 32 || n.shape.H*n.shape.W < 6*6 {
		return nil // too few products to pay for the transforms
	}
	// Large tiles save more products, but on small maps much of them lies outside, and their
	// weights are four times as many. In bfloat16 they would lose too many digits.
	if m.bf16 || n.shape.H*n.shape.W < 10*10 {
		return &m.kernels.Winograd2F32
	}
	return &m.kernels.Winograd4F32
}

// winograd is the layout of a convolution that runs in three rounds: transform the input,
// multiply, transform back. It works on groups of tile rows that keep the scratch memory
// small enough for the caches.
type winograd struct {
	kernels  *asm.Kernels
	kernel   *asm.WinogradF32
	gemm     *asm.GemmF32
	bf16     *asm.WinogradBF16 // instead of kernel: maps and products in bfloat16
	gemmBF16 *asm.GemmBF16
	w        *winogradWeights
	src, dst view
	epilogue

	tileRows, tileCols int
	rows               int  // tile rows per group; all of them where images are taken together
	whole              bool // a group is the whole of all images
	v, m               scratch
	taps               []int // byte offsets of the blocks in v
	cuts               [][]call
}

// scratch is transformed data: [place][block][tile][16], at off of the session's memory.
type scratch struct {
	off, xi, plane int // elements: start, from place to place, from block to block
}

// winogradBytes bounds the transformed data of a group, input and output together: about what
// the cores' second-level caches hold.
const winogradBytes = 1 << 20

// newWinograd plans a convolution. whole says that it runs over the whole batch at once.
func (m *Model) newWinograd(kernel *asm.WinogradF32, n, norm *Node, batch int, whole bool, alloc func(size int) int) *winograd {
	s := &winograd{kernels: m.kernels, kernel: kernel, gemm: &m.kernels.GemmF32, w: m.winogradWeights(kernel, n, norm), whole: whole}
	if m.bf16 {
		s.bf16, s.gemmBF16 = &m.kernels.Winograd2BF16, &m.kernels.GemmBF16
	}
	s.tileRows, s.tileCols = ceilDiv(n.shape.H, kernel.Out), ceilDiv(n.shape.W, kernel.Out)
	places := kernel.In * kernel.In
	perRow := s.tileCols * places * block * (blocks(s.w.in)*s.bytes() + blocks(s.w.out)*4)
	s.rows = min(s.tileRows, max(1, winogradBytes/perRow))
	s.rows = ceilDiv(s.tileRows, ceilDiv(s.tileRows, s.rows))
	tiles := s.rows * s.tileCols
	if whole {
		s.rows = s.tileRows
		tiles = batch * s.tileRows * s.tileCols
	}
	layout := func(nb int, half bool) scratch {
		c := scratch{plane: tiles * block}
		// Odd multiples of a cache line, so that places do not share a cache set.
		c.xi = nb*c.plane + block
		if c.xi/block%2 == 0 {
			c.xi += block
		}
		if half { // offsets count elements of the type
			c.off = 2 * alloc(ceilDiv(places*c.xi, 2*block)*block)
		} else {
			c.off = alloc(places * c.xi)
		}
		return c
	}
	s.v, s.m = layout(blocks(s.w.in), m.bf16), layout(blocks(s.w.out), false)
	for b := range blocks(s.w.in) {
		s.taps = append(s.taps, s.bytes()*b*s.v.plane)
	}
	s.cuts = make([][]call, tiles+1)
	return s
}

// bytes is the size of an element of the maps and of the transformed input.
func (s *winograd) bytes() int {
	if s.bf16 != nil {
		return 2
	}
	return 4
}

// cut divides n tiles into kernel calls.
func (s *winograd) cut(n int) []call {
	if s.cuts[n] == nil {
		for at := 0; at < n; {
			r, tiles := nextTiles(s.heights(), n-at)
			s.cuts[n] = append(s.cuts[n], call{a: at * block, c: at * block, rows: r, tiles: tiles, aTile: r * block, cTile: r * block})
			at += r * tiles
		}
	}
	return s.cuts[n]
}

// steps are the rounds of all groups in order.
func (s *winograd) steps() []step {
	var out []step
	for y0 := 0; y0 < s.tileRows; y0 += s.rows {
		y1 := min(s.tileRows, y0+s.rows)
		images := 1
		if s.whole {
			images = max(1, (len(s.cuts)-1)/(s.tileRows*s.tileCols))
		}
		for n := 1; n <= images; n++ {
			s.cut(n * (y1 - y0) * s.tileCols)
		}
		work := (y1 - y0) * s.tileCols * blocks(s.w.in) * block * s.vecs() * block
		per := min(max(1, (1<<19)/max(1, work)), s.groups())
		out = append(out, &winogradIn{s, y0, y1}, &winogradProduct{s, y0, y1, per}, &winogradOut{s, y0, y1})
	}
	return out
}

// heights and vecs are the tiles that the kernel of the products takes.
func (s *winograd) heights() []int {
	if s.bf16 != nil {
		return s.gemmBF16.Rows
	}
	return s.gemm.Rows
}

func (s *winograd) vecs() int {
	if s.bf16 != nil {
		return s.gemmBF16.MaxVecs
	}
	return s.gemm.MaxVecs
}

func (s *winograd) groups() int { return ceilDiv(blocks(s.w.out), s.vecs()) }

// winogradIn transforms the input of tile rows y0..y1-1.
type winogradIn struct {
	*winograd
	y0, y1 int
}

func (s *winogradIn) items(n int) int { return n * (s.y1 - s.y0) * blocks(s.w.in) }

func (s *winogradIn) run(w *worker, first, n, item int) {
	nb := blocks(s.w.in)
	b, item := item%nb, item/nb
	ty, image := s.y0+item%(s.y1-s.y0), item/(s.y1-s.y0)
	tile := (image*(s.y1-s.y0) + ty - s.y0) * s.tileCols
	y := ty*s.kernel.Out - 1
	if s.bf16 != nil {
		w.winInHalf = asm.WinogradInBF16Args{
			A:    &w.half[s.src.at(first+image, b, y, -1)],
			C:    &w.half[s.v.off+b*s.v.plane+tile*block],
			ARow: 2 * s.src.row, CTile: 2 * block, CXi: 2 * s.v.xi, Tiles: s.tileCols,
			Rows: s.src.h + 1 - y, Cols: s.src.w + 2,
		}
		s.bf16.Input(&w.winInHalf)
		return
	}
	w.winIn = asm.WinogradInF32Args{
		A:    &w.mem[s.src.at(first+image, b, y, -1)],
		C:    &w.mem[s.v.off+b*s.v.plane+tile*block],
		ARow: 4 * s.src.row, CTile: 4 * block, CXi: 4 * s.v.xi, Tiles: s.tileCols,
		Rows: s.src.h + 1 - y, Cols: s.src.w + 2,
	}
	s.kernel.Input(&w.winIn)
}

// winogradProduct multiplies, for each place of a tile, tiles by weights.
type winogradProduct struct {
	*winograd
	y0, y1 int
	per    int // output groups per item
}

func (s *winogradProduct) items(n int) int {
	return s.kernel.In * s.kernel.In * ceilDiv(s.groups(), s.per)
}

func (s *winogradProduct) run(w *worker, first, n, item int) {
	parts := ceilDiv(s.groups(), s.per)
	xi, part := item/parts, item%parts
	cuts := s.cuts[n*(s.y1-s.y0)*s.tileCols]
	for g := part * s.per; g < min(s.groups(), (part+1)*s.per); g++ {
		if s.bf16 != nil {
			s.multiplyBF16(w, xi, g, cuts)
		} else {
			s.multiplyF32(w, xi, g, cuts)
		}
	}
}

func (s *winograd) multiplyF32(w *worker, xi, group int, cuts []call) {
	depth := len(s.taps) * block
	b0 := group * s.gemm.MaxVecs
	vecs := min(s.gemm.MaxVecs, blocks(s.w.out)-b0)
	args := &w.gemm
	*args = asm.GemmF32Args{
		B:    &s.w.panels[xi*s.w.xi+b0*block*depth],
		Taps: &s.taps[0], NTaps: len(s.taps), K: block,
		ARow: 4 * block, AStep: 4, BStep: 4 * block * vecs, BVec: 4 * block,
		CRow: 4 * block, CVec: 4 * s.m.plane, Vecs: vecs,
	}
	a := unsafe.Pointer(&w.mem[s.v.off+xi*s.v.xi])
	c := unsafe.Pointer(&w.mem[s.m.off+xi*s.m.xi+b0*s.m.plane])
	for i := range cuts {
		k := &cuts[i]
		args.A, args.C = (*float32)(unsafe.Add(a, 4*k.a)), (*float32)(unsafe.Add(c, 4*k.c))
		args.Rows, args.Tiles, args.ATile, args.CTile = k.rows, k.tiles, 4*k.aTile, 4*k.cTile
		s.gemm.Run(args)
	}
}

func (s *winograd) multiplyBF16(w *worker, xi, group int, cuts []call) {
	depth := len(s.taps) * block
	b0 := group * s.gemmBF16.MaxVecs
	vecs := min(s.gemmBF16.MaxVecs, blocks(s.w.out)-b0)
	args := &w.gemmHalf
	*args = asm.GemmBF16Args{
		B:    &s.w.half[xi*s.w.xi+b0*block*depth],
		Taps: &s.taps[0], NTaps: len(s.taps), K: block / 2,
		ARow: 2 * block, AStep: 4, BStep: 4 * block * vecs, BVec: 4 * block,
		CRow: 4 * block, CVec: 4 * s.m.plane, Vecs: vecs, Wide: true,
	}
	a := unsafe.Pointer(&w.half[s.v.off+xi*s.v.xi])
	c := unsafe.Pointer(&w.mem[s.m.off+xi*s.m.xi+b0*s.m.plane])
	for i := range cuts {
		k := &cuts[i]
		args.A, args.C = (*uint16)(unsafe.Add(a, 2*k.a)), (*uint16)(unsafe.Add(c, 4*k.c))
		args.Rows, args.Tiles, args.ATile, args.CTile = k.rows, k.tiles, 2*k.aTile, 4*k.cTile
		s.gemmBF16.Run(args)
	}
}

// winogradOut transforms back, adds bias and residual, and applies the ReLU.
type winogradOut struct {
	*winograd
	y0, y1 int
}

func (s *winogradOut) items(n int) int { return n * (s.y1 - s.y0) * blocks(s.w.out) }

func (s *winogradOut) run(w *worker, first, n, item int) {
	nb := blocks(s.w.out)
	b, item := item%nb, item/nb
	ty, image := s.y0+item%(s.y1-s.y0), item/(s.y1-s.y0)
	tile := (image*(s.y1-s.y0) + ty - s.y0) * s.tileCols
	y := ty * s.kernel.Out
	if s.bf16 != nil {
		s.runBF16(w, first+image, b, y, tile)
		return
	}
	clearBorder(&s.dst, w.mem, first+image, b, y, min(s.dst.h, y+s.kernel.Out))
	w.winOut = asm.WinogradOutF32Args{
		A:     &w.mem[s.m.off+b*s.m.plane+tile*block],
		C:     &w.mem[s.dst.at(first+image, b, y, 0)],
		ATile: 4 * block, AXi: 4 * s.m.xi, CRow: 4 * s.dst.row, Tiles: s.tileCols,
		Rows: s.dst.h - y, Cols: s.dst.w, Relu: s.relu(),
	}
	if s.w.bias != nil {
		w.winOut.Bias = &s.w.bias[b*block]
	}
	if s.res != nil {
		w.winOut.Res = &w.mem[s.res.at(first+image, b, y, 0)]
		w.winOut.ResRow = 4 * s.res.row
	}
	s.kernel.Output(&w.winOut)
	for ; !s.relu() && y < min(s.dst.h, (ty+1)*s.kernel.Out); y++ {
		s.finish(s.kernels, w, b, s.dst.c, s.dst.line(w.mem, first+image, b, y))
	}
}

func (s *winogradOut) runBF16(w *worker, image, b, y, tile int) {
	clearBorder(&s.dst, w.half, image, b, y, min(s.dst.h, y+s.kernel.Out))
	w.winOutHalf = asm.WinogradOutBF16Args{
		A:     &w.mem[s.m.off+b*s.m.plane+tile*block],
		C:     &w.half[s.dst.at(image, b, y, 0)],
		ATile: 4 * block, AXi: 4 * s.m.xi, CRow: 2 * s.dst.row, Tiles: s.tileCols,
		Rows: s.dst.h - y, Cols: s.dst.w, Relu: s.relu(),
	}
	if s.w.bias != nil {
		w.winOutHalf.Bias = &s.w.bias[b*block]
	}
	if s.res != nil {
		w.winOutHalf.Res = &w.half[s.res.at(image, b, y, 0)]
		w.winOutHalf.ResRow = 2 * s.res.row
	}
	s.bf16.Output(&w.winOutHalf)
}
