//go:build !purego

package train

// avx2Rows are the element-wise kernels of processors that have AVX2 and FMA.
var avx2Rows = rowKernels{
	sums:       sumsAVX2,
	affine:     affineAVX2,
	affineAdd:  affineAddAVX2,
	gradSums:   gradSumsAVX2,
	gradAffine: gradAffineAVX2,
	mask:       maskAVX2,
	descend:    descendAVX2,
}

//go:noescape
func sumsAVX2(x *float32, rows int, sum, square *[16]float32)

//go:noescape
func affineAVX2(x, z *float32, rows int, a, b *[16]float32, floor float32)

//go:noescape
func affineAddAVX2(x, y, z *float32, rows int, a, b *[16]float32, floor float32)

//go:noescape
func gradSumsAVX2(d, x *float32, rows int, a, b, sum, product *[16]float32)

//go:noescape
func gradAffineAVX2(d, x, out *float32, rows int, a, b, p, q, r *[16]float32)

//go:noescape
func maskAVX2(z, d *float32, rows int)

//go:noescape
func descendAVX2(w, grad, v *float32, rows int, decay, momentum, rate float32)
