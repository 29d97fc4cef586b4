package jpeg

// Progressive files may lack scans. libjpeg-turbo then estimates the coefficients of
// lowest frequency from the DC coefficients of the block and of the 24 around it, which
// takes away the edges of the blocks (T.81 K.8 does so with the 8 around it): those that
// are zero and not told to the last bit.

// estimate is a coefficient as a weighted sum of the DC coefficients around, in 1/256,
// both dequantised.
type estimate [5][5]int

func (e *estimate) transposed() (t estimate) {
	for y := range e {
		for x := range e {
			t[x][y] = e[y][x]
		}
	}
	return t
}

// Where no AC coefficient of the first nine is told at all, these, by zigzag index,
// are the kernel for the DC coefficient itself and those for the others.
var estimates = [10]estimate{
	0: {
		{-2, -6, -8, -6, -2},
		{-6, 6, 42, 6, -6},
		{-8, 42, 152, 42, -8},
		{-6, 6, 42, 6, -6},
		{-2, -6, -8, -6, -2},
	},
	1: {
		{-1, -1, 0, 1, 1},
		{-3, 13, 0, -13, 3},
		{-3, 38, 0, -38, 3},
		{-3, 13, 0, -13, 3},
		{-1, -1, 0, 1, 1},
	},
	4: {
		{-1, 0, 0, 0, 1},
		{0, 9, 0, -9, 0},
		{},
		{0, -9, 0, 9, 0},
		{1, 0, 0, 0, -1},
	},
	5: {
		1: {0, 2, -5, 2, 0},
		2: {1, 7, -14, 7, 1},
		3: {0, 2, -5, 2, 0},
	},
	6: {
		1: {0, 1, 0, -1, 0},
		2: {0, 2, 0, -2, 0},
		3: {0, 1, 0, -1, 0},
	},
	7: {
		1: {0, 1, -3, 1, 0},
		3: {0, -1, 3, -1, 0},
	},
}

// Where some AC coefficients are told, only five others are estimated.
var fewEstimates = [6]estimate{
	1: {2: {-7, 50, 0, -50, 7}},
	4: {
		{0, -1, 0, 1, 0},
		{-1, 10, 0, -10, 1},
		{},
		{1, -10, 0, 10, -1},
		{0, 1, 0, -1, 0},
	},
	5: {2: {-1, 13, -24, 13, -1}},
}

func init() { // what y is for one coefficient, x is for another
	for to, from := range map[int]int{2: 1, 3: 5, 8: 7, 9: 6} {
		estimates[to] = estimates[from].transposed()
	}
	for to, from := range map[int]int{2: 1, 3: 5} {
		fewEstimates[to] = fewEstimates[from].transposed()
	}
}

// tell notes what scan s, which begins, tells about c.
func (c *component) tell(s *scan) {
	for k := min(s.from, 1); k <= max(s.to, 9); k++ {
		c.before[k] = 0
		if s.number > 1 {
			c.before[k] = c.accuracy[k]
		}
	}
	for k := s.from; k <= s.to; k++ {
		c.accuracy[k] = int8(s.low)
	}
}

// smoothing tells whether coefficients are to be estimated: something is missing, and
// every component has its DC coefficients and can be divided by its quantisation.
func (d *decoder) smoothing() bool {
	missing := false
	for i := range d.comps {
		c := &d.comps[i]
		if c.quant == nil || c.accuracy[0] < 0 {
			return false
		}
		for k, bits := range c.accuracy[:10] {
			if c.quant[zigzag[k]] == 0 {
				return false
			}
			missing = missing || k > 0 && bits != 0
		}
	}
	return missing
}

// smooth estimates coefficients of block (bx, by), of which b is a copy, and returns the
// last zigzag index that may be other than zero now.
func (d *decoder) smooth(c *component, b *[64]int16, bx, by int) (last int) {
	accuracy := c.accuracy[:10]
	mcuRow := by / c.v
	if mcuRow > d.lastRow { // the last scan does not reach here
		accuracy = c.before[:10]
		if d.scans == 1 {
			accuracy = nothing[:]
		}
	}
	kernels := fewEstimates[:]
	if [9]int8(accuracy[1:]) == [9]int8(nothing[1:]) {
		kernels = estimates[:]
	}
	// Beyond the picture the outermost blocks are repeated: those of whole MCUs at the
	// bottom, but in the last row of MCUs, where libjpeg counts rows as if every row of
	// MCUs had as few.
	at, count := by, c.blocksY
	if rows := ceilDiv(c.height, 8) - mcuRow*c.v; mcuRow == d.mcusY-1 && rows < c.v {
		at, count = mcuRow*rows+by-mcuRow*c.v, d.mcusY*rows
	}
	columns := ceilDiv(c.width, 8)
	var dcs [5][5]int
	for y := range dcs {
		row := by + max(-at, min(y-2, count-1-at))
		for x := range dcs {
			column := max(0, min(bx+x-2, columns-1))
			dcs[y][x] = int(c.coefs[64*(row*c.blocksX+column)])
		}
	}
	for k := range kernels {
		kernel := &kernels[k]
		bits, p, q := accuracy[k], &b[zigzag[k]], int(c.quant[zigzag[k]])
		if k == 0 && len(kernels) < 10 || k > 0 && (bits == 0 || *p != 0) {
			continue
		}
		sum := 0
		for y := range dcs {
			for x, dc := range dcs[y] {
				sum += dc * kernel[y][x]
			}
		}
		sum *= int(c.quant[0])
		size := (max(sum, -sum) + q<<7) / (q << 8)
		if k > 0 && bits > 0 { // it has no higher bits
			size = min(size, 1<<bits-1)
		}
		if sum < 0 {
			size = -size
		}
		*p = int16(size)
		last = k
	}
	return last
}

var nothing = [10]int8{-1, -1, -1, -1, -1, -1, -1, -1, -1, -1}
