package saliency

import (
	"math"
	"slices"

	"cwox/internal/elementary"
	"cwox/nn"
)

// features describes masks by their mean over blocks of pixels, less the keep probability.
type features struct {
	law   *maskLaw
	side  int          // blocks per side
	means [2][]float64 // per axis: [offsets][side][cells], how a block averages the grid
	spans [2][][2]int  // per axis: [offsets][side], the cells that a block touches
}

// featureSide is the number of blocks per side: with 14 x 14 blocks the surrogate explains
// a twentieth less of log p at 15 cells, more than 20 x 20 bring next to nothing.
const featureSide = 20

func newFeatures(l *maskLaw) *features {
	f := &features{law: l, side: min(featureSide, l.height, l.width)}
	for axis, size := range [2]int{l.height, l.width} {
		f.means[axis] = make([]float64, l.side[axis]*f.side*l.cells)
		f.spans[axis] = make([][2]int, l.side[axis]*f.side)
		for offset := range l.side[axis] {
			m := f.means[axis][offset*f.side*l.cells:]
			for y, t := range l.taps[axis][offset:][:size] {
				b := y * f.side / size
				first, end := (b*size+f.side-1)/f.side, ((b+1)*size+f.side-1)/f.side
				m[b*l.cells+t.lo] += (1 - t.frac) / float64(end-first)
				m[b*l.cells+t.hi] += t.frac / float64(end-first)
			}
			for b := range f.side {
				f.spans[axis][offset*f.side+b] = span(m[b*l.cells:][:l.cells])
			}
		}
	}
	return f
}

// span is the range of the elements that are not 0.
func span(row []float64) [2]int {
	first, end := 0, len(row)
	for first < end && row[first] == 0 {
		first++
	}
	for end > first && row[end-1] == 0 {
		end--
	}
	return [2]int{first, end}
}

// size is the number of features of a mask.
func (f *features) size() int { return f.side * f.side }

// of writes a mask's features.
func (f *features) of(m *mask, dst []float32) {
	n, s := f.law.cells, f.side
	rows, cols := f.means[0][m.dy*s*n:][:s*n], f.means[1][m.dx*s*n:][:s*n]
	var buf [256]float64
	sums := buf[:0]
	if n > len(buf) {
		sums = make([]float64, n)
	}
	sums = sums[:n]
	up, across := f.spans[0][m.dy*s:][:s], f.spans[1][m.dx*s:][:s]
	for b := range s {
		clear(sums)
		for u := up[b][0]; u < up[b][1]; u++ {
			w := rows[b*n+u]
			for v, on := range m.grid[u*n:][:n] {
				sums[v] += float64(w * float64(on)) // without a branch that cannot be foretold
			}
		}
		for c := range s {
			sum := 0.0
			for v := across[c][0]; v < across[c][1]; v++ {
				sum += float64(sums[v] * cols[c*n+v])
			}
			dst[b*s+c] = float32(sum - f.law.keep)
		}
	}
}

// variances are the features' variances over n plain masks of a round.
func (f *features) variances(round uint32, n int) []float64 {
	x := make([]float32, f.size())
	out := make([]float64, f.size())
	var m mask
	for i := range n {
		f.law.draw(maskID{round, uint32(i)}, &m)
		f.of(&m, x)
		for j, v := range x {
			out[j] += float64(v) * float64(v) / float64(n)
		}
	}
	return out
}

// metric says how far apart masks are: features are multiplied by it before distances are
// taken. A feature counts as much as the values y [n][columns] of masks x [n][size] depend
// on it and its surroundings, by ridge regression; the mean squared distance of two plain
// masks is 1. A kernel that looks everywhere alike learns slower: with 1,000 masks of 15
// cells it explains a seventh less of log p.
func (f *features) metric(x []float32, y []float64, n, columns int, variances []float64) []float32 {
	slopes := ridgeSlopes(x, y, n, columns, metricRidge*max(total(variances), tiny))
	weight := make([]float64, f.size())
	for c := range columns {
		norm := max(dot(slopes[c], slopes[c]), tiny)
		for j, v := range slopes[c] {
			weight[j] += v * v / norm
		}
	}
	for range metricSmoothing {
		weight = blur(weight, f.side)
	}
	most := slices.Max(weight)
	spread := 0.0
	for j, v := range weight {
		weight[j] = 1
		if most > tiny { // else nothing is known
			weight[j] = elementary.Pow(v/most, metricPower/2)
		}
		spread += float64(weight[j] * weight[j] * variances[j])
	}
	out := make([]float32, len(weight))
	for j, v := range weight {
		out[j] = float32(v / math.Sqrt(2*max(spread, tiny)))
	}
	return out
}

// Constants of the metric. Half or twice as much makes little difference.
const (
	metricRidge     = 4   // penalty of the regression, relative to the features' variance
	metricSmoothing = 3   // blurs of the squared slopes
	metricPower     = 1.5 // exponent of the blurred slope
	tiny            = 1e-12
)

// ridgeSlopes are the slopes [columns][size] of a ridge regression of values y [n][columns]
// on x [n][size]; 0 where it is singular to rounding.
func ridgeSlopes(x []float32, y []float64, n, columns int, penalty float64) [][]float64 {
	size := len(x) / n
	all := newMatrix(size, n)
	for i := range n {
		for j, v := range x[i*size:][:size] {
			all.row(j)[i] = float64(v)
		}
	}
	values := matrix{n, columns, y}.transposed()
	all.centreRows()
	values.centreRows()
	gram, slopes := newMatrix(size, size), newMatrix(columns, size)
	gram.lessSquare(all)
	slopes.less(values, all)
	gram.negate()
	slopes.negate()
	for j := range size {
		gram.row(j)[j] += penalty
	}
	if gram.factorise() {
		gram.solve(slopes)
	} else {
		clear(slopes.data)
	}
	out := make([][]float64, columns)
	for c := range out {
		out[c] = slopes.row(c)
	}
	return out
}

// centreRows takes the mean off every row.
func (m matrix) centreRows() {
	for i := range m.rows {
		row := m.row(i)
		mean := total(row) / float64(m.columns)
		for j := range row {
			row[j] -= mean
		}
	}
}

func total(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	return sum
}

// blur averages a map [side][side] with weights 1, 2, 1 along both axes; beyond the border
// it goes on as at the border.
func blur(m []float64, side int) []float64 {
	out := make([]float64, len(m))
	inside := func(at int) int { return min(max(at, 0), side-1) }
	for y := range side {
		for x := range side {
			for i, wy := range [3]float64{1, 2, 1} {
				for j, wx := range [3]float64{1, 2, 1} {
					out[y*side+x] += float64(wy * wx / 16 * m[inside(y+i-1)*side+inside(x+j-1)])
				}
			}
		}
	}
	return out
}

// surrogate is kernel ridge regression from masks' features to some columns of values:
// g(f) = level + sum over i of a_i exp(-|f - f_i|^2), features multiplied by the metric.
type surrogate struct {
	metric  []float32
	norms   []float32 // [points.Columns]
	level   []float64 // per column
	points  *nn.Product
	weights *nn.Product
	n       int // points
	columns int
}

// ridge is the penalty of the regression.
const ridge = 0.2

// regression holds the kernel of training masks, from which several surrogates are made.
type regression struct {
	model  *nn.Model
	n      int
	metric []float32
	points *nn.Product
	norms  []float32 // [points.Columns]
	kernel []float32 // [n][n]
	space  *workspace
}

// workspace is the memory of regressions of at most some masks, one after the other: what
// they would leave behind is more than all else that RISE needs.
type workspace struct {
	masks  int
	kernel []float32
	gram   []float64
}

func newWorkspace(masks int) *workspace {
	most := masks*4/5 + 1 // a fit leaves out about a quarter
	return &workspace{masks: masks, kernel: make([]float32, masks*masks), gram: make([]float64, most*most)}
}

// newRegression takes n masks' features x [n][size], which it multiplies by the metric; the
// workspace is its own until it has made its surrogates.
func newRegression(model *nn.Model, x []float32, n int, metric []float32, space *workspace) *regression {
	r := &regression{model: model, n: n, metric: metric, norms: make([]float32, n), space: space}
	size := len(metric)
	for i := range n {
		scale(x[i*size:][:size], metric)
		r.norms[i] = float32(norm2(x[i*size:][:size]))
	}
	r.points = model.NewProduct(x, n, size)
	wide := r.points.Columns()
	r.norms = append(r.norms, make([]float32, wide-n)...)
	inner := make([]float32, predictRows*wide)
	r.kernel = space.kernel[:n*n]
	for first := 0; first < n; first += predictRows {
		some := min(predictRows, n-first)
		r.points.Mul(inner, x[first*size:][:some*size], some)
		for i := range some {
			row := inner[i*wide:][:wide]
			r.points.Gauss(row, r.norms, r.norms[first+i], 1)
			copy(r.kernel[(first+i)*n:], row[:n])
		}
	}
	return r
}

// fit solves for the coefficients of columns y [n][columns], and puts those of column c at
// [i][at+c] of a; a mask for which skip is true takes no part and gets 0. It returns the
// columns' levels. Where the kernel is singular to rounding the coefficients are 0.
func (r *regression) fit(y []float64, columns int, skip func(i int) bool, a []float32, width, at int) []float64 {
	var in []int
	for i := range r.n {
		if !skip(i) {
			in = append(in, i)
		}
	}
	level := make([]float64, columns)
	if len(in) == 0 {
		return level
	}
	for _, i := range in {
		for c := range columns {
			level[c] += y[i*columns+c] / float64(len(in))
		}
	}
	if need := len(in) * len(in); len(r.space.gram) < need {
		r.space.gram = make([]float64, need)
	}
	k := matrix{len(in), len(in), r.space.gram[:len(in)*len(in)]}
	rest := newMatrix(columns, len(in))
	for p, i := range in {
		row := k.row(p)
		for q, j := range in[:p] {
			row[q] = float64(r.kernel[i*r.n+j])
		}
		row[p] = 1 + ridge
		for c := range columns {
			rest.row(c)[p] = y[i*columns+c] - level[c]
		}
	}
	if !k.factorise() {
		return level
	}
	k.solve(rest)
	for p, i := range in {
		for c := range columns {
			a[i*width+at+c] = float32(rest.row(c)[p])
		}
	}
	return level
}

// surrogate makes a surrogate of coefficients [n][columns].
func (r *regression) surrogate(a []float32, level []float64) *surrogate {
	columns := len(level)
	turned := make([]float32, len(a))
	for i := range r.n {
		for c := range columns {
			turned[c*r.n+i] = a[i*columns+c]
		}
	}
	return &surrogate{metric: r.metric, norms: r.norms, level: level, columns: columns,
		n: r.n, points: r.points, weights: r.model.NewProduct(turned, columns, r.n)}
}

// scratch is a goroutine's memory for surrogates.
type scratch struct {
	inner, kernel, out []float32
}

// predict writes the columns' values [rows][columns] for features x [rows][size], which it
// multiplies by the metric.
func (s *surrogate) predict(x []float32, rows int, dst []float64, tmp *scratch) {
	size, n, wide, out := len(s.metric), s.n, s.points.Columns(), s.weights.Columns()
	tmp.inner = grown(tmp.inner, predictRows*wide)
	tmp.kernel = grown(tmp.kernel, predictRows*n)
	tmp.out = grown(tmp.out, predictRows*out)
	for first := 0; first < rows; first += predictRows {
		some := min(predictRows, rows-first)
		x := x[first*size:][:some*size]
		for i := range some {
			scale(x[i*size:][:size], s.metric)
		}
		s.points.Mul(tmp.inner, x, some)
		for i := range some {
			row := tmp.inner[i*wide:][:wide]
			s.points.Gauss(row, s.norms, float32(norm2(x[i*size:][:size])), 1)
			copy(tmp.kernel[i*n:], row[:n])
		}
		s.weights.Mul(tmp.out, tmp.kernel, some)
		for i := range some {
			for c := range s.columns {
				dst[(first+i)*s.columns+c] = s.level[c] + float64(tmp.out[i*out+c])
			}
		}
	}
}

// predictRows is how many masks are predicted at a time: their kernel stays in the cache.
const predictRows = 56

// scale multiplies a mask's features by a metric.
func scale(x, metric []float32) {
	for j, v := range metric {
		x[j] *= v
	}
}

func norm2(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(float64(v) * float64(v))
	}
	return sum
}

func grown(x []float32, n int) []float32 {
	if cap(x) < n {
		return make([]float32, n)
	}
	return x[:n]
}
