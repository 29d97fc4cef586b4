package saliency

import (
	"context"
	"errors"
	"math"
	"slices"

	"cwox/internal/elementary"
)

// linearFit is a weighted ridge regression of several columns at once: for each column q the
// minimiser of
//
//	sum over rows i of w_i (y_iq - b_q - sum over j of beta_qj z_ij)^2 + |beta_q|^2
//
// over 0/1 rows z, with LIME's weights w (limeWeight).
type linearFit struct {
	rows      int
	coef      [][]float64 // [columns][superpixels]
	intercept []float64   // [columns]

	design design
	beta   matrix // coef
	normal matrix // the factor of the normal equations
}

// design are the rows of a regression, weighed and centred on demand.
type design struct {
	rows, superpixels, columns int
	draw                       func(row int, on []bool)
	y                          []float64 // [rows][columns]
	weight                     []float64 // [rows]
	total                      float64   // of the weights
	mean                       []float64 // [superpixels], weighted
	meanY                      []float64 // [columns], weighted
}

// fitLinear fits n rows of m superpixels, drawn by a function, to y [n][columns]. One Cholesky
// factorisation of the centred normal equations serves all columns.
func fitLinear(ctx context.Context, n, m int, draw func(row int, on []bool), y []float64) (*linearFit, error) {
	f := &linearFit{rows: n, design: newDesign(n, m, draw, y), normal: newMatrix(m, m)}
	d := &f.design
	f.beta = newMatrix(d.columns, m)
	if err := d.each(ctx, func(_ int, z, v matrix) {
		z, v = z.transposed(), v.transposed()
		f.normal.lessSquare(z)
		f.beta.less(v, z)
	}); err != nil {
		return nil, err
	}
	f.normal.negate()
	f.beta.negate()
	for j := range m {
		f.normal.row(j)[j] += ridgePenalty
	}
	if !f.normal.factorise() {
		return nil, errors.New("saliency: lime: the normal equations are singular")
	}
	f.normal.solve(f.beta)
	f.intercept = slices.Clone(d.meanY)
	for c := range d.columns {
		coef := f.beta.row(c)
		f.intercept[c] -= dot(coef, d.mean)
		f.coef = append(f.coef, coef)
	}
	return f, nil
}

// newDesign finds the weights and weighted means of n rows.
func newDesign(n, m int, draw func(row int, on []bool), y []float64) design {
	q := len(y) / n
	d := design{rows: n, superpixels: m, columns: q, draw: draw, y: y,
		weight: make([]float64, n), mean: make([]float64, m), meanY: make([]float64, q)}
	on := make([]bool, m)
	for i := range n {
		draw(i, on)
		w := limeWeight(on)
		d.weight[i] = w
		d.total += w
		for j, o := range on {
			if o {
				d.mean[j] += w
			}
		}
		for c := range q {
			d.meanY[c] += float64(w * y[i*q+c])
		}
	}
	for j := range d.mean {
		d.mean[j] /= d.total
	}
	for c := range d.meanY {
		d.meanY[c] /= d.total
	}
	return d
}

// each visits the rows in chunks: z [rows][superpixels] and v [rows][columns] are centred and
// multiplied by the square root of the weight; first is the number of the chunk's first row.
func (d *design) each(ctx context.Context, visit func(first int, z, v matrix)) error {
	on := make([]bool, d.superpixels)
	for at := 0; at < d.rows; at += fitRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(fitRows, d.rows-at)
		z, v := newMatrix(n, d.superpixels), newMatrix(n, d.columns)
		for r := range n {
			d.draw(at+r, on)
			s := math.Sqrt(d.weight[at+r])
			for j, row := 0, z.row(r); j < len(row); j++ {
				row[j] = float64(-s * d.mean[j])
				if on[j] {
					row[j] += s
				}
			}
			for c, row := 0, v.row(r); c < len(row); c++ {
				row[c] = s * (d.y[(at+r)*d.columns+c] - d.meanY[c])
			}
		}
		visit(at, z, v)
	}
	return nil
}

// variance says how far sampling has settled combinations of the columns' maps, given by
// their factors [combinations][columns]: for each the variance of the map, summed over the
// pixels, and the share of it that the single heaviest row carries. area are the superpixels'
// sizes.
//
// A row moves the coefficients by G^-1 z r, with G the normal equations and r its residual;
// the sum of squares of these moves is the variance (White, 1980). Each is divided by 1 less
// the row's leverage, which makes up for what the fit has adapted to it (MacKinnon and White,
// 1985: HC2). The first row, all superpixels, is the same in every sampling and counts for
// nothing.
func (f *linearFit) variance(ctx context.Context, factors [][]float64, area []float64) (sum, tail []float64, err error) {
	u := newMatrix(len(factors), f.design.columns)
	for k, of := range factors {
		copy(u.row(k), of)
	}
	sum, tail = make([]float64, len(factors)), make([]float64, len(factors))
	err = f.design.each(ctx, func(first int, z, v matrix) {
		moves := newMatrix(z.rows, z.columns)
		copy(moves.data, z.data)
		f.normal.solve(moves)
		v.less(z, f.beta)
		residual := newMatrix(z.rows, len(factors)) // with the other sign
		residual.less(v, u)
		for i := range z.rows {
			if first+i == 0 {
				continue
			}
			leverage, size := f.design.weight[first+i]/f.design.total, 0.0
			for j, zij := range z.row(i) {
				move := moves.row(i)[j]
				leverage += float64(zij * move)
				size += float64(area[j] * move * move)
			}
			size /= max(1-leverage, 1e-6)
			for k, r := range residual.row(i) {
				sum[k] += float64(r * r * size)
				tail[k] = max(tail[k], r*r*size)
			}
		}
	})
	for k := range tail {
		if sum[k] > 0 {
			tail[k] /= sum[k]
		}
	}
	return sum, tail, err
}

// fitRows is how many rows are summed at a time: it bounds memory.
const fitRows = 128

// ridgePenalty is what the squares of the coefficients weigh.
const ridgePenalty = 1

// of are a target's coefficients: the fit is linear in y, so they are its classes' sums.
func (f *linearFit) of(t Target, index map[int]int) []float64 {
	sum := make([]float64, len(f.coef[0]))
	for _, c := range t.Classes {
		for j, b := range f.coef[index[c]] {
			sum[j] += b
		}
	}
	return sum
}

// limeWeight is LIME's weight of a sample: sqrt(exp(-d^2/0.25^2)), d = 1 - sqrt(k/m) being the
// cosine distance of its k of m superpixels to all of them.
func limeWeight(on []bool) float64 {
	k := 0
	for _, o := range on {
		if o {
			k++
		}
	}
	d := 1 - math.Sqrt(float64(k)/float64(len(on)))
	return elementary.Exp(-d * d * 8)
}
