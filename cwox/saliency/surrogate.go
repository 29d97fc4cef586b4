package saliency

import (
	"cwox/nn"
	"gonum.org/v1/gonum/mat"
)

// features describes masks by their mean over blocks of pixels, less the keep probability.
type features struct {
	law   *maskLaw
	side  int          // blocks per side
	means [2][]float64 // per axis: [offsets][side][cells], how a block averages the grid
	spans [2][][2]int  // per axis: [offsets][side], the cells that a block touches
}

// featureSide is the number of blocks per side: 14 x 14 blocks. Ten lose a tenth of the
// gain, twenty bring nothing.
const featureSide = 14

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
	var buf [featureSide * 256]float64
	half := buf[:0]
	if s*n > len(buf) {
		half = make([]float64, s*n)
	}
	half = half[:s*n]
	clear(half)
	up, across := f.spans[0][m.dy*s:][:s], f.spans[1][m.dx*s:][:s]
	for b := range s {
		sums := half[b*n:][:n]
		for u := up[b][0]; u < up[b][1]; u++ {
			w := rows[b*n+u]
			for v, on := range m.grid[u*n:][:n] {
				sums[v] += w * float64(on) // without a branch that cannot be foretold
			}
		}
		for c := range s {
			sum := 0.0
			for v := across[c][0]; v < across[c][1]; v++ {
				sum += sums[v] * cols[c*n+v]
			}
			dst[b*s+c] = float32(sum - f.law.keep)
		}
	}
}

// variance is the sum over the features of their variance over n plain masks of a round.
func (f *features) variance(round uint32, n int) float64 {
	x := make([]float32, f.size())
	var m mask
	sum := 0.0
	for i := range n {
		f.law.draw(maskID{round, uint32(i)}, &m)
		f.of(&m, x)
		sum += norm2(x)
	}
	return max(sum/float64(n), 1e-12)
}

// surrogate is kernel ridge regression from masks' features to some columns of values:
// g(f) = level + sum over i of a_i exp(-|f - f_i|^2 / (4 V)), V the features' variance.
type surrogate struct {
	scale   float32   // 1 / (4 V)
	norms   []float32 // [points.Columns]
	level   []float64 // per column
	points  *nn.Product
	weights *nn.Product
	n       int // points
	columns int
}

// ridge is the penalty of the regression.
const ridge = 0.1

// regression holds the kernel of training masks, from which several surrogates are made.
type regression struct {
	model    *nn.Model
	n, size  int
	points   *nn.Product
	norms    []float32 // [points.Columns]
	variance float64
	kernel   []float32 // [n][n]
	space    *workspace
}

// workspace is the memory of regressions of at most some masks, one after the other: what
// they would leave behind is more than all else that RISE needs.
type workspace struct {
	masks  int
	kernel []float32
	gram   []float64
	factor mat.Cholesky
}

func newWorkspace(masks int) *workspace {
	most := masks*4/5 + 1 // a fit leaves out about a quarter
	w := &workspace{masks: masks, kernel: make([]float32, masks*masks), gram: make([]float64, most*most)}
	// Cholesky keeps the memory of the largest matrix it has seen.
	one := mat.NewSymDense(most, w.gram)
	for i := range most {
		one.SetSym(i, i, 1)
	}
	w.factor.Factorize(one)
	return w
}

// newRegression takes n masks' features x [n][size]; the workspace is its own until it has
// made its surrogates.
func newRegression(model *nn.Model, x []float32, n, size int, variance float64, space *workspace) *regression {
	r := &regression{model: model, n: n, size: size, variance: variance, norms: make([]float32, n), space: space}
	for i := range n {
		r.norms[i] = float32(norm2(x[i*size:][:size]))
	}
	r.points = model.NewProduct(x, n, size)
	wide := r.points.Columns()
	r.norms = append(r.norms, make([]float32, wide-n)...)
	inner := make([]float32, predictRows*wide)
	r.kernel = space.kernel[:n*n]
	scale := float32(1 / (4 * variance))
	for first := 0; first < n; first += predictRows {
		some := min(predictRows, n-first)
		r.points.Mul(inner, x[first*size:][:some*size], some)
		for i := range some {
			row := inner[i*wide:][:wide]
			r.points.Gauss(row, r.norms, r.norms[first+i], scale)
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
	k := mat.NewSymDense(len(in), r.space.gram[:len(in)*len(in)]) // only its upper triangle counts
	rest := mat.NewDense(len(in), columns, nil)
	for p, i := range in {
		for q, j := range in[:p+1] {
			k.SetSym(p, q, float64(r.kernel[i*r.n+j]))
		}
		k.SetSym(p, p, 1+ridge)
		for c := range columns {
			rest.Set(p, c, y[i*columns+c]-level[c])
		}
	}
	var solved mat.Dense
	if factor := &r.space.factor; !factor.Factorize(k) || factor.SolveTo(&solved, rest) != nil {
		return level
	}
	for p, i := range in {
		for c := range columns {
			a[i*width+at+c] = float32(solved.At(p, c))
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
	return &surrogate{scale: float32(1 / (4 * r.variance)), norms: r.norms, level: level, columns: columns,
		n: r.n, points: r.points, weights: r.model.NewProduct(turned, columns, r.n)}
}

// scratch is a goroutine's memory for surrogates.
type scratch struct {
	inner, kernel, out []float32
}

// predict writes the columns' values [rows][columns] for features x [rows][size].
func (s *surrogate) predict(x []float32, rows, size int, dst []float64, tmp *scratch) {
	n, wide, out := s.n, s.points.Columns(), s.weights.Columns()
	tmp.inner = grown(tmp.inner, predictRows*wide)
	tmp.kernel = grown(tmp.kernel, predictRows*n)
	tmp.out = grown(tmp.out, predictRows*out)
	for first := 0; first < rows; first += predictRows {
		some := min(predictRows, rows-first)
		x := x[first*size:][:some*size]
		s.points.Mul(tmp.inner, x, some)
		for i := range some {
			row := tmp.inner[i*wide:][:wide]
			s.points.Gauss(row, s.norms, float32(norm2(x[i*size:][:size])), s.scale)
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

func norm2(x []float32) float64 {
	sum := 0.0
	for _, v := range x {
		sum += float64(v) * float64(v)
	}
	return sum
}

func grown(x []float32, n int) []float32 {
	if cap(x) < n {
		return make([]float32, n)
	}
	return x[:n]
}
