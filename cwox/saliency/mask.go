package saliency

import "math"

// maskLaw is the distribution of RISE's masks (Petsiuk et al., 2018): a grid of cells x
// cells bits, each on with probability keep, is enlarged to (cells+1) cell sides by linear
// interpolation at half-pixel centres, mirrored at the border without repeating the edge,
// and cut to the picture's size at a random offset of less than a cell side.
type maskLaw struct {
	height, width int
	cells         int
	keep          float64
	side          [2]int    // height and width of a cell in pixels
	taps          [2][]mtap // how the enlarged rows and columns read the grid
	key           uint64
	stream        uint32
	fixed         []mask // masks to use instead of draws, by index; nil but in tests
}

// mtap is where a row or column of the enlarged grid reads: (1-frac) grid[lo] + frac grid[hi].
type mtap struct {
	lo, hi int
	frac   float64
}

// mask is one draw: its bits and its offset. The bits are reused by the next draw.
type mask struct {
	grid   []uint8 // [cells][cells], 0 or 1
	dy, dx int
}

// maskID names a draw: a mask is a pure function of law and ID.
type maskID struct{ round, index uint32 }

// Random streams of a law: Philox counters are (block, candidate, round, stream).
const (
	streamCells  = iota // words are the cells' draws
	streamOffset        // words 0 and 1 give the offsets
	streamPick          // word 0 of candidate 0 starts the systematic picking of a round
	streams
)

// newMaskLaw prepares a law. number keeps the draws of laws with the same seed apart.
func newMaskLaw(height, width, cells int, keep float64, seed uint64, number int) *maskLaw {
	l := &maskLaw{height: height, width: width, cells: cells, keep: keep, key: seed, stream: uint32(number * streams)}
	for axis, n := range [2]int{height, width} {
		side := (n + cells - 1) / cells
		l.side[axis] = side
		up := (cells + 1) * side
		l.taps[axis] = make([]mtap, up)
		for i := range up {
			src := (float64(i)+0.5)*float64(cells)/float64(up) - 0.5
			lo := math.Floor(src)
			l.taps[axis][i] = mtap{mirror(int(lo), cells), mirror(int(lo)+1, cells), src - lo}
		}
	}
	return l
}

// mirror folds an index at most one step outside 0..n-1 back in, without repeating the edge.
func mirror(i, n int) int {
	if i < 0 {
		i = -i
	}
	if i >= n {
		i = 2*(n-1) - i
	}
	return max(i, 0)
}

// draw makes the mask of an ID.
func (l *maskLaw) draw(id maskID, m *mask) {
	if l.fixed != nil {
		*m = l.fixed[id.index]
		return
	}
	n := l.cells * l.cells
	if len(m.grid) != n {
		m.grid = make([]uint8, n)
	}
	threshold := uint64(l.keep * (1 << 32))
	for i := 0; i < n; i += 4 {
		words := l.words(uint32(i/4), id, streamCells)
		for j, w := range words[:min(4, n-i)] {
			m.grid[i+j] = uint8((uint64(w) - threshold) >> 63) // 1 if w < threshold, without a branch that cannot be foretold
		}
	}
	words := l.words(0, id, streamOffset)
	m.dy = int(uint64(words[0]) * uint64(l.side[0]) >> 32)
	m.dx = int(uint64(words[1]) * uint64(l.side[1]) >> 32)
}

// words are the random words of a counter.
func (l *maskLaw) words(block uint32, id maskID, stream uint32) [4]uint32 {
	return philox([4]uint32{block, id.index, id.round, l.stream + stream}, l.key)
}

// render writes a mask [height][width], values 0 to 1.
func (l *maskLaw) render(m *mask, dst []float32) {
	rows, cols := l.taps[0][m.dy:][:l.height], l.taps[1][m.dx:][:l.width]
	line := make([]float32, l.cells)
	for y, r := range rows {
		f := float32(r.frac)
		a, b := m.grid[r.lo*l.cells:][:l.cells], m.grid[r.hi*l.cells:][:l.cells]
		for u := range line {
			line[u] = float32((1-f)*float32(a[u])) + float32(f*float32(b[u]))
		}
		out := dst[y*l.width:][:l.width]
		for x, c := range cols {
			f := float32(c.frac)
			out[x] = float32((1-f)*line[c.lo]) + float32(f*line[c.hi])
		}
	}
}

// offsets is the number of different offsets.
func (l *maskLaw) offsets() int { return l.side[0] * l.side[1] }

// maskSum adds up weighted masks: for each of some columns, the map sum of weight x mask.
// A mask is linear in its bits, so bits are summed per offset and enlarged once at the
// end, which is exact and costs next to nothing.
type maskSum struct {
	law     *maskLaw
	columns int
	sums    []float64 // [offsets][columns][cells][cells]
}

func (l *maskLaw) newSum(columns int) *maskSum {
	return &maskSum{law: l, columns: columns, sums: make([]float64, l.offsets()*columns*l.cells*l.cells)}
}

// add adds a mask with one weight per column.
func (s *maskSum) add(m *mask, weights []float64) {
	n := len(m.grid)
	at := (m.dy*s.law.side[1] + m.dx) * s.columns * n
	for _, w := range weights[:s.columns] {
		sums := s.sums[at:][:n]
		at += n
		for i, on := range m.grid {
			if on != 0 {
				sums[i] += w
			}
		}
	}
}

// column enlarges the sum of a column to [height][width].
func (s *maskSum) column(c int) []float64 {
	n := s.law.cells * s.law.cells
	return s.law.enlarge(s.law.cells, mtap.linear, func(offset int) []float64 {
		return s.sums[(offset*s.columns+c)*n:][:n]
	})
}

// squareSum adds up squared masks. The square of a mask is linear in the products of
// neighbouring bits: cell u of an axis is product 2u, cells u and u+1 are product 2u+1.
type squareSum struct {
	law  *maskLaw
	wide int       // 2 cells - 1 products per axis
	sums []float64 // [offsets][wide][wide]
}

func (l *maskLaw) newSquareSum() *squareSum {
	wide := 2*l.cells - 1
	return &squareSum{law: l, wide: wide, sums: make([]float64, l.offsets()*wide*wide)}
}

// add adds the square of a mask.
func (s *squareSum) add(m *mask) {
	n, wide := s.law.cells, s.wide
	sums := s.sums[(m.dy*s.law.side[1]+m.dx)*wide*wide:][:wide*wide]
	for u := range n {
		row := m.grid[u*n:][:n]
		for v, on := range row {
			if on != 0 {
				sums[2*u*wide+2*v]++
				if v+1 < n && row[v+1] != 0 {
					sums[2*u*wide+2*v+1]++
				}
			}
		}
		if u+1 == n {
			break
		}
		next := m.grid[(u+1)*n:][:n]
		for v := range n {
			if row[v] != 0 && next[v] != 0 {
				sums[(2*u+1)*wide+2*v]++
			}
			if v+1 < n {
				// The product of four weights is shared by both diagonals.
				sums[(2*u+1)*wide+2*v+1] += float64(0.5 * float64(row[v]*next[v+1]+row[v+1]*next[v]))
			}
		}
	}
}

// sum enlarges the sum to [height][width].
func (s *squareSum) sum() []float64 {
	n := s.wide * s.wide
	return s.law.enlarge(s.wide, mtap.square, func(offset int) []float64 {
		return s.sums[offset*n:][:n]
	})
}

// enlarge adds up, over all offsets (dy, dx), the grids [wide][wide] enlarged and cut
// there: first over dy down the rows, then over dx along them. terms says what a row or
// column reads of a grid.
func (l *maskLaw) enlarge(wide int, terms func(mtap) [3]term, grid func(offset int) []float64) []float64 {
	out := make([]float64, l.height*l.width)
	tall := make([]float64, l.height*wide)
	var reads [2][][3]term
	for axis := range reads {
		for _, t := range l.taps[axis] {
			reads[axis] = append(reads[axis], terms(t))
		}
	}
	for dx := range l.side[1] {
		clear(tall)
		for dy := range l.side[0] {
			g := grid(dy*l.side[1] + dx)
			for y, row := range reads[0][dy:][:l.height] {
				line := tall[y*wide:][:wide]
				for _, t := range row {
					if t.weight != 0 {
						for u, v := range g[t.index*wide:][:wide] {
							line[u] += float64(t.weight * v)
						}
					}
				}
			}
		}
		for y := range l.height {
			line, dst := tall[y*wide:][:wide], out[y*l.width:][:l.width]
			for x, c := range reads[1][dx:][:l.width] {
				dst[x] += float64(c[0].weight*line[c[0].index]) + float64(c[1].weight*line[c[1].index]) + float64(c[2].weight*line[c[2].index])
			}
		}
	}
	return out
}

// term is a weighted read of a grid's row or column.
type term struct {
	index  int
	weight float64
}

// linear are the terms of (1-frac) lo + frac hi.
func (t mtap) linear() [3]term {
	return [3]term{{t.lo, 1 - t.frac}, {t.hi, t.frac}}
}

// square are the terms of its square: products of bits as squareSum numbers them.
func (t mtap) square() [3]term {
	a, b := 1-t.frac, t.frac
	if t.lo == t.hi { // a grid of one cell
		return [3]term{{2 * t.lo, 1}}
	}
	return [3]term{{2 * t.lo, a * a}, {2 * t.hi, b * b}, {2*min(t.lo, t.hi) + 1, 2 * a * b}}
}

// sampler evaluates masks at a coarse lattice of points.
type sampler struct {
	law  *maskLaw
	at   [2][]int // rows and columns of the lattice
	line []float64
}

// newSampler makes a lattice of about n x n points.
func (l *maskLaw) newSampler(n int) *sampler {
	s := &sampler{law: l, line: make([]float64, l.cells)}
	for axis, size := range [2]int{l.height, l.width} {
		k := min(n, size)
		for i := range k {
			s.at[axis] = append(s.at[axis], (2*i+1)*size/(2*k))
		}
	}
	return s
}

// points is the number of points.
func (s *sampler) points() int { return len(s.at[0]) * len(s.at[1]) }

// pixels are the points' indices into a map [height][width].
func (s *sampler) pixels() []int {
	out := make([]int, 0, s.points())
	for _, y := range s.at[0] {
		for _, x := range s.at[1] {
			out = append(out, y*s.law.width+x)
		}
	}
	return out
}

// sample writes the mask's values at the points.
func (s *sampler) sample(m *mask, dst []float64) {
	n := s.law.cells
	for i, y := range s.at[0] {
		r := s.law.taps[0][m.dy+y]
		a, b := m.grid[r.lo*n:][:n], m.grid[r.hi*n:][:n]
		for u := range s.line {
			s.line[u] = float64((1-r.frac)*float64(a[u])) + float64(r.frac*float64(b[u]))
		}
		out := dst[i*len(s.at[1]):][:len(s.at[1])]
		for j, x := range s.at[1] {
			c := s.law.taps[1][m.dx+x]
			out[j] = float64((1-c.frac)*s.line[c.lo]) + float64(c.frac*s.line[c.hi])
		}
	}
}
