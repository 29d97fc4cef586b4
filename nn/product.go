package nn

import "cwox/asm"

// Product multiplies matrices by a fixed one on a model's kernels: for what explainers
// compute besides the network. It is immutable and safe for concurrent use.
type Product struct {
	gemm    asm.GemmF32
	gauss   func(*asm.GaussF32Args)
	k, n    int
	columns int       // n rounded up to whole blocks
	panels  []float32 // groups of MaxVecs blocks: [k][vectors][16]
}

// NewProduct packs b [n][k].
func (m *Model) NewProduct(b []float32, n, k int) *Product {
	if n < 1 || k < 1 || len(b) != n*k {
		panic("nn: NewProduct: the matrix does not have its size")
	}
	p := &Product{gemm: m.kernels.GemmF32, gauss: m.kernels.GaussF32, k: k, n: n, columns: blocks(n) * block}
	p.panels = alignedFloats(p.columns * k)
	group := p.gemm.MaxVecs * block
	for c0 := 0; c0 < p.columns; c0 += group {
		width := min(group, p.columns-c0)
		dst := p.panels[c0*k:]
		for j := 0; j < min(width, n-c0); j++ {
			for i, v := range b[(c0+j)*k:][:k] {
				dst[i*width+j] = v
			}
		}
	}
	return p
}

// Columns is the width of Mul's result: n rounded up to a multiple of 16, the surplus zero.
func (p *Product) Columns() int { return p.columns }

// Gauss turns a row of Mul's result, of at least Columns elements, into the Gaussian kernel
// exp((2 inner - norm - norms) scale) in place; norms has the squared lengths of b's rows,
// padded to Columns. See asm.GaussF32Args.
func (p *Product) Gauss(inner, norms []float32, norm, scale float32) {
	if len(inner) < p.columns || len(norms) < p.columns {
		panic("nn: Gauss: a vector is too small")
	}
	p.gauss(&asm.GaussF32Args{Inner: &inner[0], Norms: &norms[0], C: &inner[0], Rows: p.columns / block, Norm: norm, Scale: scale})
}

// Mul computes c [rows][Columns] = a [rows][k] x b transposed. The sum over k is in order,
// so a row's result does not depend on the other rows.
func (p *Product) Mul(c, a []float32, rows int) {
	if rows < 1 || len(a) < rows*p.k || len(c) < rows*p.columns {
		panic("nn: Mul: a matrix is too small")
	}
	group := p.gemm.MaxVecs * block
	tap := 0
	for c0 := 0; c0 < p.columns; c0 += group {
		width := min(group, p.columns-c0)
		args := asm.GemmF32Args{
			B: &p.panels[c0*p.k], Taps: &tap, NTaps: 1, K: p.k, ARow: 4 * p.k, AStep: 4,
			BStep: 4 * width, BVec: 4 * block, CRow: 4 * p.columns, CVec: 4 * block, Vecs: width / block,
		}
		for r := 0; r < rows; {
			for _, height := range p.gemm.Rows {
				if tiles := (rows - r) / height; tiles > 0 {
					args.A, args.C = &a[r*p.k], &c[r*p.columns+c0]
					args.Rows, args.Tiles = height, tiles
					args.ATile, args.CTile = height*args.ARow, height*args.CRow
					p.gemm.Run(&args)
					r += tiles * height
					break
				}
			}
		}
	}
}
