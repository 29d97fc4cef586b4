package saliency

import (
	"math"
	"runtime"
	"sync"
)

// matrix is row-major.
//
// Products and factors are summed here, in the order of the columns and without fused steps,
// and not by a library, whose order differs between processors: the same bits everywhere, on
// any number of threads.
type matrix struct {
	rows, columns int
	data          []float64 // [rows][columns]
}

func newMatrix(rows, columns int) matrix {
	return matrix{rows, columns, make([]float64, rows*columns)}
}

func (m matrix) row(i int) []float64 { return m.data[i*m.columns:][:m.columns] }

// transposed is a copy.
func (m matrix) transposed() matrix {
	t := newMatrix(m.columns, m.rows)
	for i := range m.rows {
		for j, v := range m.row(i) {
			t.data[j*m.rows+i] = v
		}
	}
	return t
}

// negate changes all signs.
func (m matrix) negate() {
	for i := range m.data {
		m.data[i] = -m.data[i]
	}
}

// less takes products of rows off: m -= a b^T.
func (m matrix) less(a, b matrix) { m.lessPart(a, b, 0, 0, b.rows, a.columns, false) }

// lessSquare is less with a for b, of the elements up to the diagonal alone; those above it
// count for nothing.
func (m matrix) lessSquare(a matrix) { m.lessPart(a, a, 0, 0, a.rows, a.columns, true) }

// lessPart is less for the rows from top on and the columns from left to right, with the first
// depth columns of a and b.
func (m matrix) lessPart(a, b matrix, top, left, right, depth int, lower bool) {
	eachGroup((m.rows-top+tileRows-1)/tileRows, depth*(right-left)*tileRows, func(group int) {
		i := top + group*tileRows
		end := right
		if lower {
			end = min(end, i+tileRows)
		}
		for from := 0; from < depth; from += tileDepth {
			to := min(from+tileDepth, depth)
			for j := left; j < end; j += tileColumns {
				m.lessTile(a, b, i, j, from, to)
			}
		}
	})
}

// A tile is what registers hold of a product; its rows are taken tileDepth columns at a time, so
// that they stay in the nearest cache.
const (
	tileRows    = 4
	tileColumns = 2
	tileDepth   = 512
)

// lessTile is less for the tile at (i, j) and the columns of a and b between two.
func (m matrix) lessTile(a, b matrix, i, j, from, to int) {
	// Rows and columns beyond the last are the last once more, and are not stored.
	part := func(of matrix, i int) []float64 { return of.row(min(i, of.rows-1))[from:to] }
	x0, x1 := part(b, j), part(b, j+1)
	y0, y1, y2, y3 := part(a, i), part(a, i+1), part(a, i+2), part(a, i+3)
	var tile [tileRows][tileColumns]float64
	rows, columns := min(tileRows, m.rows-i), min(tileColumns, m.columns-j)
	for r := range rows {
		copy(tile[r][:columns], m.row(i + r)[j:])
	}
	s00, s01, s10, s11 := tile[0][0], tile[0][1], tile[1][0], tile[1][1]
	s20, s21, s30, s31 := tile[2][0], tile[2][1], tile[3][0], tile[3][1]
	x1, y0, y1, y2, y3 = x1[:len(x0)], y0[:len(x0)], y1[:len(x0)], y2[:len(x0)], y3[:len(x0)]
	for k, u := range x0 {
		v := x1[k]
		s00, s01 = s00-float64(y0[k]*u), s01-float64(y0[k]*v)
		s10, s11 = s10-float64(y1[k]*u), s11-float64(y1[k]*v)
		s20, s21 = s20-float64(y2[k]*u), s21-float64(y2[k]*v)
		s30, s31 = s30-float64(y3[k]*u), s31-float64(y3[k]*v)
	}
	tile = [tileRows][tileColumns]float64{{s00, s01}, {s10, s11}, {s20, s21}, {s30, s31}}
	for r := range rows {
		copy(m.row(i + r)[j:], tile[r][:columns])
	}
}

// factorise writes Cholesky's factor of a symmetric matrix over its lower triangle, which alone
// counts; false if the matrix is not positive definite.
func (m matrix) factorise() bool {
	const width = 16
	for left := 0; left < m.rows; left += width {
		right := min(left+width, m.rows)
		m.lessPart(m, m, left, left, right, left, true)
		for j := left; j < right; j++ {
			pivot := m.row(j)[left : j+1]
			d := pivot[j-left] - dot(pivot[:j-left], pivot[:j-left])
			if !(d > 0) || math.IsInf(d, 1) {
				return false
			}
			d = math.Sqrt(d)
			pivot[j-left] = d
			for i := j + 1; i < m.rows; i++ {
				row := m.row(i)[left : j+1]
				row[j-left] = (row[j-left] - dot(row[:j-left], pivot)) / d
			}
		}
	}
	return true
}

// solve solves for every row of right, in place, by the factor in m.
func (m matrix) solve(right matrix) {
	eachGroup(right.rows, m.rows*m.rows, func(r int) {
		x := right.row(r)
		for i := range x {
			row := m.row(i)
			x[i] = (x[i] - dot(row[:i], x)) / row[i]
		}
		for i := len(x) - 1; i >= 0; i-- {
			row := m.row(i)
			x[i] /= row[i]
			for j, v := range row[:i] {
				x[j] -= float64(v * x[i])
			}
		}
	})
}

// dot is the sum of the products of a's elements and b's first ones.
func dot(a, b []float64) float64 {
	sum := 0.0
	b = b[:len(a)]
	for i, v := range a {
		sum += float64(v * b[i])
	}
	return sum
}

// eachGroup calls a function for numbers up to n, on all processors where that much work a call
// is worth it.
func eachGroup(n, work int, call func(i int)) {
	threads := min(runtime.GOMAXPROCS(0), n, n*work>>17+1)
	var team sync.WaitGroup
	for t := 1; t < threads; t++ {
		team.Go(func() {
			for i := t; i < n; i += threads {
				call(i)
			}
		})
	}
	for i := 0; i < n; i += threads {
		call(i)
	}
	team.Wait()
}
