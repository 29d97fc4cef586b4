package drawnworld

import (
	"image"
	"image/draw"
	"math"

	"golang.org/x/image/vector"
)

// canvas is a square 8-bit RGB picture being drawn. Everything that touches pixels is
// integer arithmetic.
type canvas struct {
	size int
	pix  []uint8 // [size][size][3]

	ras  vector.Rasterizer
	dev  []pt // scratch: a path in pixels
	free [][]uint8
	sums []int32
}

// mask is the coverage, 0..255, of a rectangle of pixels. The rectangle may reach
// beyond the canvas, as blurring needs.
type mask struct {
	x0, y0, w, h int
	a            []uint8 // [h][w]
}

// brush says what colour a covered pixel gets.
type brush struct {
	from, to rgb // a gradient along (t0 + x*tx + y*ty) / 2^16 in 0..1; one colour if tx = ty = 0
	t0, tx   int64
	ty       int64
	alpha    int32 // 0..256

	pattern  pattern
	ink      rgb   // the pattern's colour
	strength int32 // 0..256
	frame    frame // pattern coordinates

	emboss *mask // blurred coverage: its slope is the shading; nil for none
	reach  int   // distance in pixels over which the slope is taken
	relief int32 // 0..256
}

// frame turns pixels into pattern coordinates with 16 fractional bits.
type frame struct{ u0, ux, uy, v0, vx, vy int64 }

func newFrame(m affine) frame {
	f := func(x float64) int64 { return int64(math.Floor(mad(x, 65536, 0.5))) }
	// The centre of pixel (0, 0) is at (0.5, 0.5).
	o := m.apply(pt{0.5, 0.5})
	return frame{f(o.x), f(m.a), f(m.b), f(o.y), f(m.d), f(m.e)}
}

// raster returns the coverage of p under m, cut to the canvas widened by pad pixels, or
// nil where nothing of it is visible. Return it with release.
func (c *canvas) raster(p *path, m affine, pad int) *mask {
	c.dev = c.dev[:0]
	minX, minY, maxX, maxY := math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	for _, q := range p.pts {
		d := m.apply(q)
		d.x = math.Floor(mad(d.x, 512, 0.5)) / 512
		d.y = math.Floor(mad(d.y, 512, 0.5)) / 512
		c.dev = append(c.dev, d)
		minX, maxX = min(minX, d.x), max(maxX, d.x)
		minY, maxY = min(minY, d.y), max(maxY, d.y)
	}
	x0, y0 := max(int(math.Floor(minX)), -pad), max(int(math.Floor(minY)), -pad)
	x1, y1 := min(int(math.Ceil(maxX)), c.size+pad), min(int(math.Ceil(maxY)), c.size+pad)
	if len(p.pts) == 0 || x0 >= x1 || y0 >= y1 {
		return nil
	}
	k := c.mask(x0, y0, x1-x0, y1-y0)
	// Above 512 pixels a side the rasteriser would change to floating point.
	const tile = 512
	for ty := 0; ty < k.h; ty += tile {
		for tx := 0; tx < k.w; tx += tile {
			w, h := min(tile, k.w-tx), min(tile, k.h-ty)
			c.ras.Reset(w, h)
			c.ras.DrawOp = draw.Src
			ox, oy := float64(x0+tx), float64(y0+ty)
			start := 0
			for _, e := range p.ends {
				for i := start; i < e; i++ {
					x, y := float32(c.dev[i].x-ox), float32(c.dev[i].y-oy)
					if i == start {
						c.ras.MoveTo(x, y)
					} else {
						c.ras.LineTo(x, y)
					}
				}
				c.ras.ClosePath()
				start = e
			}
			dst := image.Alpha{Pix: k.a[ty*k.w+tx:], Stride: k.w, Rect: image.Rect(0, 0, w, h)}
			if w == k.w {
				dst.Pix = dst.Pix[:w*h]
				c.ras.Draw(&dst, dst.Rect, image.Opaque, image.Point{})
				continue
			}
			part := image.NewAlpha(dst.Rect)
			c.ras.Draw(part, part.Rect, image.Opaque, image.Point{})
			for y := range h {
				copy(dst.Pix[y*k.w:], part.Pix[y*w:(y+1)*w])
			}
		}
	}
	return k
}

// mask takes a mask with undefined coverage.
func (c *canvas) mask(x0, y0, w, h int) *mask {
	n := w * h
	for i, a := range c.free {
		if cap(a) >= n {
			last := len(c.free) - 1
			c.free[i] = c.free[last]
			c.free = c.free[:last]
			return &mask{x0, y0, w, h, a[:n]}
		}
	}
	return &mask{x0, y0, w, h, make([]uint8, n, max(n, 4096))}
}

func (c *canvas) release(ms ...*mask) {
	for _, m := range ms {
		if m != nil {
			c.free = append(c.free, m.a)
			m.a = nil
		}
	}
}

// soften returns m blurred twice by a box of 2r+1 pixels, on a rectangle widened by 2r.
func (c *canvas) soften(m *mask, r int) *mask {
	g := 2 * r
	out := c.mask(m.x0-g, m.y0-g, m.w+2*g, m.h+2*g)
	tmp := c.mask(0, 0, out.w, m.h)
	for y := range m.h {
		row := tmp.a[y*out.w : (y+1)*out.w]
		clear(row)
		copy(row[g:], m.a[y*m.w:(y+1)*m.w])
		boxRow(row, r)
		boxRow(row, r)
	}
	clear(out.a)
	copy(out.a[g*out.w:], tmp.a)
	c.release(tmp)
	c.boxColumns(out, r)
	c.boxColumns(out, r)
	return out
}

// boxRow replaces row[i] by the mean of row[i-r..i+r], zero outside.
func boxRow(row []uint8, r int) {
	var ringBuf [64]uint8
	scale := int32(65536 / (2*r + 1))
	sum := int32(0)
	for i := range min(r, len(row)) {
		sum += int32(row[i])
	}
	for i := range row {
		if i+r < len(row) {
			sum += int32(row[i+r])
		}
		if i-r-1 >= 0 {
			sum -= int32(ringBuf[(i-r-1)&63])
		}
		ringBuf[i&63] = row[i]
		row[i] = uint8((sum*scale + 32768) >> 16)
	}
}

func (c *canvas) boxColumns(m *mask, r int) {
	if cap(c.sums) < m.w {
		c.sums = make([]int32, m.w)
	}
	sum := c.sums[:m.w]
	clear(sum)
	scale := int32(65536 / (2*r + 1))
	old := c.mask(0, 0, m.w, r+1) // the last r+1 rows before they were replaced
	for y := -r; y < m.h; y++ {
		if in := y + r; in < m.h {
			for x, a := range m.a[in*m.w : (in+1)*m.w] {
				sum[x] += int32(a)
			}
		}
		if y < 0 {
			continue
		}
		slot := old.a[y%(r+1)*m.w:][:m.w]
		if y > r {
			for x, a := range slot {
				sum[x] -= int32(a)
			}
		}
		row := m.a[y*m.w : (y+1)*m.w]
		copy(slot, row)
		for x := range row {
			row[x] = uint8((sum[x]*scale + 32768) >> 16)
		}
	}
	c.release(old)
}

// paint blends a brush over the canvas where m, and clip unless nil, cover it.
func (c *canvas) paint(m, clip *mask, b *brush) {
	if m == nil {
		return
	}
	x0, x1 := max(m.x0, 0), min(m.x0+m.w, c.size)
	y0, y1 := max(m.y0, 0), min(m.y0+m.h, c.size)
	if clip != nil {
		x0, x1 = max(x0, clip.x0), min(x1, clip.x0+clip.w)
		y0, y1 = max(y0, clip.y0), min(y1, clip.y0+clip.h)
	}
	plain := b.tx == 0 && b.ty == 0
	for y := y0; y < y1; y++ {
		if x0 >= x1 {
			return
		}
		cov := m.a[(y-m.y0)*m.w-m.x0+x0:][:x1-x0]
		var cut []uint8
		if clip != nil {
			cut = clip.a[(y-clip.y0)*clip.w-clip.x0+x0:][:x1-x0]
		}
		dst := c.pix[(y*c.size+x0)*3:][:(x1-x0)*3]
		for i, a8 := range cov {
			if a8 == 0 {
				continue
			}
			a := int32(a8) + int32(a8>>7)
			if cut != nil {
				a = a * (int32(cut[i]) + int32(cut[i]>>7)) >> 8
			}
			a = a * b.alpha >> 8
			if a == 0 {
				continue
			}
			col := b.from
			x := x0 + i
			if !plain {
				t := b.t0 + int64(x)*b.tx + int64(y)*b.ty
				col = b.from.mix(b.to, int32(min(max(t, 0), 65536)>>8))
			}
			if b.pattern != noPattern {
				u := b.frame.u0 + int64(x)*b.frame.ux + int64(y)*b.frame.uy
				v := b.frame.v0 + int64(x)*b.frame.vx + int64(y)*b.frame.vy
				col = col.mix(b.ink, b.pattern.at(u, v)*b.strength>>8)
			}
			if b.emboss != nil {
				s := (b.emboss.at(x+b.reach, y+b.reach) - b.emboss.at(x-b.reach, y-b.reach)) * b.relief >> 8
				if s > 0 {
					col = col.mix(white, min(s, 255))
				} else {
					col = col.mix(shade, min(-s, 255))
				}
			}
			d := dst[3*i:][:3]
			d[0] = uint8(int32(d[0]) + ((col.r-int32(d[0]))*a+128)>>8)
			d[1] = uint8(int32(d[1]) + ((col.g-int32(d[1]))*a+128)>>8)
			d[2] = uint8(int32(d[2]) + ((col.b-int32(d[2]))*a+128)>>8)
		}
	}
}

// at is the coverage of a pixel, 0 outside.
func (m *mask) at(x, y int) int32 {
	x, y = x-m.x0, y-m.y0
	if uint(x) >= uint(m.w) || uint(y) >= uint(m.h) {
		return 0
	}
	return int32(m.a[y*m.w+x])
}
