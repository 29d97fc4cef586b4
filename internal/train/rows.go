package train

import "unsafe"

// rowKernels are element-wise loops over rows of 16 channels. a, b, ... are one number a
// channel; masks with b = +Inf let everything through.
type rowKernels struct {
	// sum += x; square += x*x
	sums func(x *float32, rows int, sum, square *[16]float32)
	// z = max(a*x + b, floor)
	affine func(x, z *float32, rows int, a, b *[16]float32, floor float32)
	// z = max(a*x + b + y, floor)
	affineAdd func(x, y, z *float32, rows int, a, b *[16]float32, floor float32)
	// m := d where a*x + b > 0, else 0; sum += m; product += m*x
	gradSums func(d, x *float32, rows int, a, b, sum, product *[16]float32)
	// m := d where a*x + b > 0, else 0; out = p*m + q*x + r
	gradAffine func(d, x, out *float32, rows int, a, b, p, q, r *[16]float32)
	// d = d where z > 0, else 0
	mask func(z, d *float32, rows int)
	// h := g + decay*w; v = momentum*v + h; w -= rate*(h + momentum*v): Nesterov's
	// momentum as Sutskever et al. (2013) write it
	descend func(w, g, v *float32, rows int, decay, momentum, rate float32)
}

// portableRows are the kernels in Go.
var portableRows = rowKernels{
	sums: func(x *float32, rows int, sum, square *[16]float32) {
		for r := range rows {
			for j, v := range row(x, r) {
				sum[j] += v
				square[j] += v * v
			}
		}
	},
	affine: func(x, z *float32, rows int, a, b *[16]float32, floor float32) {
		for r := range rows {
			to := row(z, r)
			for j, v := range row(x, r) {
				to[j] = max(a[j]*v+b[j], floor)
			}
		}
	},
	affineAdd: func(x, y, z *float32, rows int, a, b *[16]float32, floor float32) {
		for r := range rows {
			to, other := row(z, r), row(y, r)
			for j, v := range row(x, r) {
				to[j] = max(a[j]*v+b[j]+other[j], floor)
			}
		}
	},
	gradSums: func(d, x *float32, rows int, a, b, sum, product *[16]float32) {
		for r := range rows {
			from := row(d, r)
			for j, v := range row(x, r) {
				if a[j]*v+b[j] > 0 {
					sum[j] += from[j]
					product[j] += from[j] * v
				}
			}
		}
	},
	gradAffine: func(d, x, out *float32, rows int, a, b, p, q, r *[16]float32) {
		for i := range rows {
			from, to := row(d, i), row(out, i)
			for j, v := range row(x, i) {
				y := q[j]*v + r[j]
				if a[j]*v+b[j] > 0 {
					y += p[j] * from[j]
				}
				to[j] = y
			}
		}
	},
	mask: func(z, d *float32, rows int) {
		for r := range rows {
			to := row(d, r)
			for j, v := range row(z, r) {
				if !(v > 0) {
					to[j] = 0
				}
			}
		}
	},
	descend: func(w, g, v *float32, rows int, decay, momentum, rate float32) {
		for r := range rows {
			weight, grad, speed := row(w, r), row(g, r), row(v, r)
			for j := range weight {
				h := grad[j] + decay*weight[j]
				speed[j] = momentum*speed[j] + h
				weight[j] -= rate * (h + momentum*speed[j])
			}
		}
	},
}

func row(p *float32, r int) *[16]float32 {
	return (*[16]float32)(unsafe.Add(unsafe.Pointer(p), r*64))
}
