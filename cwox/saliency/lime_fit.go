package saliency

import (
	"context"
	"errors"
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/mat"
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
}

// fitLinear fits n rows of m superpixels, drawn by a function, to y [n][columns]. One Cholesky
// factorisation of the centred normal equations serves all columns.
func fitLinear(ctx context.Context, n, m int, draw func(row int, on []bool), y []float64) (*linearFit, error) {
	q := len(y) / n
	on := make([]bool, m)
	weight, mean, meanY := make([]float64, n), make([]float64, m), make([]float64, q)
	total := 0.0
	for i := range n {
		draw(i, on)
		w := limeWeight(on)
		weight[i] = w
		total += w
		for j, o := range on {
			if o {
				mean[j] += w
			}
		}
		for c := range q {
			meanY[c] += w * y[i*q+c]
		}
	}
	for j := range mean {
		mean[j] /= total
	}
	for c := range meanY {
		meanY[c] /= total
	}

	normal := mat.NewSymDense(m, nil)
	right := mat.NewDense(m, q, nil)
	z, v := mat.NewDense(fitRows, m, nil), mat.NewDense(fitRows, q, nil)
	for at := 0; at < n; at += fitRows {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		z.Zero()
		v.Zero()
		for r := range min(fitRows, n-at) {
			i := at + r
			draw(i, on)
			s := math.Sqrt(weight[i])
			for j, row := 0, z.RawRowView(r); j < m; j++ {
				row[j] = -s * mean[j]
				if on[j] {
					row[j] += s
				}
			}
			for c, row := 0, v.RawRowView(r); c < q; c++ {
				row[c] = s * (y[i*q+c] - meanY[c])
			}
		}
		blas64.Syrk(blas.Trans, 1, z.RawMatrix(), 1, normal.RawSymmetric())
		blas64.Gemm(blas.Trans, blas.NoTrans, 1, z.RawMatrix(), v.RawMatrix(), 1, right.RawMatrix())
	}
	for j := range m {
		normal.SetSym(j, j, normal.At(j, j)+ridgePenalty)
	}
	var factor mat.Cholesky
	if !factor.Factorize(normal) {
		return nil, errors.New("saliency: lime: the normal equations are singular")
	}
	var beta mat.Dense
	if err := factor.SolveTo(&beta, right); err != nil {
		var badly mat.Condition
		if !errors.As(err, &badly) {
			return nil, err
		}
	}
	f := &linearFit{rows: n, intercept: meanY}
	for c := range q {
		coef := mat.Col(nil, c, &beta)
		for j, b := range coef {
			f.intercept[c] -= b * mean[j]
		}
		f.coef = append(f.coef, coef)
	}
	return f, nil
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
	return math.Exp(-d * d * 8)
}
