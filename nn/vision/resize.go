package vision

import (
	"image"
	"slices"
)

// Resize returns the picture at another size, to the bit as Pillow (up to version
// 12) computes resize((width, height), BILINEAR): a triangle filter that widens
// with the reduction, horizontally first and then vertically (for very tall pictures
// the other way round), in 22-bit fixed point with the intermediate rounded to 8 bits.
// A pass that changes nothing is skipped. It panics unless both sizes are positive.
func (p *Picture) Resize(width, height int) *Picture {
	return p.ResizeAs(12, Bilinear, width, height)
}

// ResizeAs is Resize by any of Pillow's filters, as version 12 or 13 does it: they differ in
// which pass comes first, and so by a level here and there. It panics where the filter is
// not one of Interpolations.
func (p *Picture) ResizeAs(pillow int, by Interpolation, width, height int) *Picture {
	if width <= 0 || height <= 0 {
		panic("vision: Resize: size not positive")
	}
	if filters[by] == nil {
		panic("vision: Resize: unknown interpolation")
	}
	q := p.like(width, height)
	r := resampler{src: p, pillow: pillow, filter: filters[by], width: width, height: height}
	r.draw(q, image.Point{}, image.Rect(0, 0, width, height))
	return q
}

// resampler draws parts of a resized picture, without making the whole: beside the part it
// needs memory for the taps of a few rows and columns, and for the sums of the rows that are
// begun, at most those of the part.
type resampler struct {
	src           *Picture
	pillow        int  // the version whose order of passes this is
	grey          bool // of the picture's convert("L")
	filter        *filter
	width, height int // of the whole resized picture

	// Memory that is used again.
	scratch []float64
	weights []int32
	packed  []uint64
	pair    [2][]uint8
	greys   [2][]uint8
}

// draw draws a part of the resized picture into q, its upper left corner at a point.
func (r *resampler) draw(q *Picture, at image.Point, part image.Rectangle) {
	if part.Empty() {
		return
	}
	if r.filter.weight == nil {
		r.drawNearest(q, at, part)
		return
	}
	for x := part.Min.X; x < part.Max.X; {
		c := r.columns(x, part.Max.X)
		put := func(y int, row []uint8) {
			c.put(q, at.X+x-part.Min.X, at.Y+y-part.Min.Y, row)
		}
		switch {
		case r.height == r.src.Height:
			for y := part.Min.Y; y < part.Max.Y; y += 2 {
				for i, row := range c.horizontal(r.rows(c, y, part.Max.Y)) {
					put(y+i, row)
				}
			}
		case r.verticalFirst():
			v := r.vertical(part.Min.Y, part.Max.Y, 3*(c.hi-c.lo))
			for y := v.first(); v.wants(y); y += 2 {
				v.add(y, r.rows(c, y, r.src.Height), func(y int, row []uint8) {
					put(y, c.horizontal([][]uint8{row})[0])
				})
			}
		default:
			v := r.vertical(part.Min.Y, part.Max.Y, 3*c.distinct())
			for y := v.first(); v.wants(y); y += 2 {
				v.add(y, c.horizontal(r.rows(c, y, r.src.Height)), put)
			}
		}
		x += c.n
	}
}

// verticalFirst is Pillow's choice: up to version 12 for very tall pictures that become
// shorter, from 13 on where that takes fewer steps.
func (r *resampler) verticalFirst() bool {
	w, h := r.src.Width, r.src.Height
	if r.pillow < 13 {
		return h > r.height && int64(h) > 100*int64(w)
	}
	return h > r.height && int64(h-r.height) > 2*int64(w-r.width)
}

// drawNearest takes one pixel for each.
func (r *resampler) drawNearest(q *Picture, at image.Point, part image.Rectangle) {
	xs := nearest(r.src.Width, r.width, part.Min.X, part.Max.X)
	for i, y := range nearest(r.src.Height, r.height, part.Min.Y, part.Max.Y) {
		dst := q.row(at.Y + i)[3*at.X:]
		for k, x := range xs {
			copy(dst[3*k:3*k+3], r.row(0, y, x, x+1))
		}
	}
}

// rows returns the columns' pixels of one or two rows of the source, y and, below end, y+1.
func (r *resampler) rows(c *columns, y, end int) [][]uint8 {
	r.pair[0] = r.row(0, y, c.lo, c.hi)
	if y+1 == end {
		return r.pair[:1]
	}
	r.pair[1] = r.row(1, y+1, c.lo, c.hi)
	return r.pair[:2]
}

// row returns the pixels lo..hi-1 of a row of the source; two may be held at a time.
func (r *resampler) row(slot, y, lo, hi int) []uint8 {
	row := r.src.row(y)[3*lo : 3*hi]
	if !r.grey {
		return row
	}
	r.greys[slot] = grown(r.greys[slot], len(row))
	for line := r.greys[slot]; len(row) >= 3; row, line = row[3:], line[3:] {
		l := Luma(row[0], row[1], row[2])
		line[0], line[1], line[2] = l, l, l
	}
	return r.greys[slot]
}

// Luma is the grey of a colour by Pillow's convert("L"): ITU-R BT.601 in 16-bit fixed point.
func Luma(r, g, b uint8) uint8 {
	return uint8((uint32(r)*19595 + uint32(g)*38470 + uint32(b)*7471 + 0x8000) >> 16)
}

// columns are some neighbouring columns of the result. Neighbours that are made of the same
// pixels with the same weights, as those of a very narrow picture are, are computed once.
type columns struct {
	n      int     // how many
	of     []int32 // [n] which of all a column is; nil where every column is its own
	all    []taps  // of the distinct columns; nil where columns are those of the source
	lo, hi int     // the columns of the source that they are made of

	reds, greens, blues []uint64   // [hi-lo] two rows of the source
	rows                [2][]uint8 // of the result
}

// columnTaps bounds the taps of a block of columns.
const columnTaps = 1 << 18

// columns returns the columns from x on, up to end, as many as memory allows. They are valid
// until the next call.
func (r *resampler) columns(x, end int) *columns {
	if r.width == r.src.Width {
		return &columns{n: end - x, lo: x, hi: end}
	}
	reach := r.filter.reach(r.src.Width, r.width)
	c := &columns{n: min(end-x, max(1, columnTaps/reach))}
	r.weights = grown(r.weights, c.n*reach)
	store := r.weights[:0]
	c.of = make([]int32, c.n)
	for i := range c.n {
		t := r.filter.taps(r.src.Width, r.width, x+i, &r.scratch, store[len(store):])
		if k := len(c.all) - 1; k < 0 || c.all[k].first != t.first || !slices.Equal(c.all[k].weights, t.weights) {
			store = store[:len(store)+len(t.weights)]
			c.all = append(c.all, taps{t.first, t.weights[:len(t.weights):len(t.weights)]})
		}
		c.of[i] = int32(len(c.all) - 1)
	}
	if len(c.all) == c.n {
		c.of = nil
	}
	c.lo = c.all[0].first
	for _, t := range c.all {
		c.hi = max(c.hi, t.end())
	}
	n := c.hi - c.lo
	if len(r.packed) < 3*n { // room for the blocks to come, which may be less cut off at the border
		step, _ := r.filter.scale(r.src.Width, r.width)
		r.packed = make([]uint64, 3*min(r.src.Width, reach+int(step*float64(c.n))+2))
	}
	c.reds, c.greens, c.blues = r.packed[:n], r.packed[n:2*n], r.packed[2*n:]
	for i := range c.rows {
		c.rows[i] = make([]uint8, 3*len(c.all))
	}
	return c
}

// distinct is the number of columns to compute.
func (c *columns) distinct() int {
	if c.all == nil {
		return c.n
	}
	return len(c.all)
}

// put writes a row of distinct columns into q.
func (c *columns) put(q *Picture, x, y int, row []uint8) {
	dst := q.row(y)[3*x:][:3*c.n]
	if c.of == nil {
		copy(dst, row)
		return
	}
	for i, k := range c.of {
		copy(dst[3*i:3*i+3], row[3*k:3*k+3])
	}
}

// horizontal is the horizontal pass over one or two rows [hi-lo][3]. They go at once, one in
// the low and one in the high half of 64-bit words: a sum of products fits into 32 bits with
// its sign, so what the low half borrows from the high one can be given back. The result
// [distinct][3] is valid until the next call.
func (c *columns) horizontal(rows [][]uint8) [][]uint8 {
	if c.all == nil {
		return rows
	}
	reds, greens, blues := c.reds, c.greens[:len(c.reds)], c.blues[:len(c.reds)]
	src0, src1 := rows[0], rows[len(rows)-1]
	for i := range reds {
		s0, s1 := src0[3*i:3*i+3], src1[3*i:3*i+3]
		reds[i] = uint64(s0[0]) | uint64(s1[0])<<32
		greens[i] = uint64(s0[1]) | uint64(s1[1])<<32
		blues[i] = uint64(s0[2]) | uint64(s1[2])<<32
	}
	dst0, dst1 := c.rows[0], c.rows[1]
	for i := range c.all {
		first, weights := c.all[i].first-c.lo, c.all[i].weights
		rs, gs, bs := reds[first:][:len(weights)], greens[first:][:len(weights)], blues[first:][:len(weights)]
		const half = weightHalf | weightHalf<<32
		red, green, blue := uint64(half), uint64(half), uint64(half)
		for k, w := range weights {
			w := uint64(int64(w))
			red += w * rs[k]
			green += w * gs[k]
			blue += w * bs[k]
		}
		d0, d1 := dst0[3*i:3*i+3], dst1[3*i:3*i+3]
		d0[0], d1[0] = clip2(red)
		d0[1], d1[1] = clip2(green)
		d0[2], d1[2] = clip2(blue)
	}
	return c.rows[:len(rows)]
}

// clip2 takes two sums out of a word.
func clip2(sums uint64) (low, high uint8) {
	l := int32(sums)
	h := int32((sums - uint64(int64(l))) >> 32)
	return clip(l), clip(h)
}

// clip drops the fraction of a sum. Negative weights overshoot, and the rounded weights of
// very many taps can add up to a little more than one.
func clip(sum int32) uint8 {
	v := sum >> weightBits
	if uint32(v) > 255 {
		v = ^(v >> 31) & 255
	}
	return uint8(v)
}

// vertical is the vertical pass: rows of the source are added to all rows of the result that
// they are a part of, so that no row has to be kept.
type vertical struct {
	r         *resampler
	size      int // of a row
	next, end int // rows of the result that are not begun
	coming    taps
	open      []openRow // ascending
	free      []openRow // to be used again
	out       []uint8
}

// openRow is a row of the result that is begun.
type openRow struct {
	y int
	taps
	sums []int32
}

// vertical begins the pass that makes the rows from..end-1 of the result.
func (r *resampler) vertical(from, end, size int) *vertical {
	v := &vertical{r: r, size: size, next: from, end: end, out: make([]uint8, size)}
	v.come(nil)
	return v
}

// come computes the taps of the next row of the result.
func (v *vertical) come(store []int32) {
	if v.next < v.end {
		v.coming = v.r.filter.taps(v.r.src.Height, v.r.height, v.next, &v.r.scratch, store)
	}
}

// first is the first row of the source that is needed.
func (v *vertical) first() int { return v.coming.first }

// wants says whether rows of the source are missing.
func (v *vertical) wants(y int) bool {
	return y < v.r.src.Height && (v.next < v.end || len(v.open) > 0)
}

// add adds one or two rows of the source, from y on, and hands over the rows of the result
// that are done.
func (v *vertical) add(y int, rows [][]uint8, done func(y int, row []uint8)) {
	end := y + len(rows)
	for v.next < v.end && v.coming.first < end {
		var o openRow
		if n := len(v.free); n > 0 {
			o, v.free = v.free[n-1], v.free[:n-1]
		}
		store := o.weights
		o.y, o.taps = v.next, v.coming
		o.sums = grown(o.sums, v.size)
		for i := range o.sums {
			o.sums[i] = weightHalf
		}
		v.open = append(v.open, o)
		v.next++
		v.come(store)
	}
	first, second := rows[0], rows[len(rows)-1]
	for i := range v.open {
		o := &v.open[i]
		w0, w1 := o.weight(y), int32(0)
		if len(rows) == 2 {
			w1 = o.weight(y + 1)
		}
		sums, second := o.sums[:len(first)], second[:len(first)]
		for i, s := range first {
			sums[i] += w0*int32(s) + w1*int32(second[i])
		}
	}
	for len(v.open) > 0 && v.open[0].end() <= end {
		o := v.open[0]
		for i, sum := range o.sums {
			v.out[i] = clip(sum)
		}
		done(o.y, v.out)
		v.open = append(v.open[:0], v.open[1:]...)
		v.free = append(v.free, o)
	}
}

// grown returns n elements, those of x where it has as many.
func grown[T any](x []T, n int) []T {
	if cap(x) < n {
		return make([]T, n)
	}
	return x[:n]
}
