package jpeg

// pixels reconstructs, upsamples and converts to RGB [height][width][3].
func (d *decoder) pixels() []uint8 {
	for i := range d.comps {
		c := &d.comps[i]
		if c.plane == nil {
			d.reconstructAll(c)
		}
	}
	pix := make([]uint8, 3*d.width*d.height)
	convert := d.conversion()
	var lines, buffers [4][]uint8
	for i := range d.comps {
		buffers[i] = make([]uint8, d.width+d.maxH)
	}
	for y := range d.height {
		for i := range d.comps {
			lines[i] = d.line(&d.comps[i], y, buffers[i])[:d.width]
		}
		convert(pix[3*d.width*y:3*d.width*(y+1)], &lines)
	}
	return pix
}

// reconstructAll fills the plane of c from its coefficients, and lets those go.
// Without any (a damaged file) it is grey.
func (d *decoder) reconstructAll(c *component) {
	c.plane = make([]uint8, 64*c.blocks())
	if c.coefs == nil {
		for i := range c.plane {
			c.plane[i] = 128
		}
		return
	}
	smooth := d.smoothing()
	for by := range ceilDiv(c.height, 8) {
		for bx := range ceilDiv(c.width, 8) {
			at := by*c.blocksX + bx
			b, last := (*[64]int16)(c.coefs[64*at:]), int(c.last[at])
			if smooth {
				block := *b
				last = max(last, d.smooth(c, &block, bx, by))
				b = &block
			}
			c.reconstruct(b, last, bx, by)
		}
	}
	c.coefs, c.last = nil, nil
}

// line returns row y of c at full size, at least d.width samples, in buf if it is
// not in the plane already. Where chroma has half the columns, or half the rows, or
// both, samples lie between the centres of the full grid, and a new sample is 3/4
// the nearer and 1/4 the farther one in each direction, with roundings that
// alternate; elsewhere samples are repeated. That is libjpeg-turbo's rule, which
// also repeats columns in pictures of at most two chroma columns.
func (d *decoder) line(c *component, y int, buf []uint8) []uint8 {
	stride := 8 * c.blocksX
	row := func(y int) []uint8 { return c.plane[stride*y : stride*y+c.width] }
	fx, fy := d.maxH/c.h, d.maxV/c.v
	near := y / fy
	far := near - 1
	if y%fy > 0 {
		far = near + 1
	}
	far = max(0, min(far, c.height-1))
	switch {
	case fx == 1 && fy == 1:
		return row(y)
	case fx == 1 && fy == 2:
		between(buf, row(near), row(far), 1+uint(y&1))
	case fx == 2 && fy == 1 && c.width > 2:
		double(buf, row(near))
	case fx == 2 && fy == 2 && c.width > 2:
		doubleBetween(buf, row(near), row(far))
	default:
		src := row(near)
		for x := range d.width {
			buf[x] = src[x/fx]
		}
	}
	return buf
}

// between interpolates vertically: (3 near + far + bias)/4.
func between(dst, near, far []uint8, bias uint) {
	far, dst = far[:len(near)], dst[:len(near)]
	for i, v := range near {
		dst[i] = uint8((3*uint(v) + uint(far[i]) + bias) >> 2)
	}
}

// double interpolates horizontally.
func double(dst, src []uint8) {
	n := len(src)
	left := uint(src[0])
	v := left
	dst[0] = src[0]
	for i, right := range src[1:] {
		right := uint(right)
		if i > 0 {
			dst[2*i] = uint8((3*v + left + 1) >> 2)
		}
		dst[2*i+1] = uint8((3*v + right + 2) >> 2)
		left, v = v, right
	}
	dst[2*n-2] = uint8((3*v + left + 1) >> 2)
	dst[2*n-1] = src[n-1]
}

// doubleBetween interpolates in both directions.
func doubleBetween(dst, near, far []uint8) {
	n := len(near)
	far = far[:n]
	left := 3*uint(near[0]) + uint(far[0])
	v := left
	dst[0] = uint8((4*v + 8) >> 4)
	for i := 1; i < n; i++ {
		right := 3*uint(near[i]) + uint(far[i])
		d := dst[2*i-1 : 2*i+1]
		d[0] = uint8((3*v + right + 7) >> 4)
		d[1] = uint8((3*right + v + 8) >> 4)
		v = right
	}
	dst[2*n-1] = uint8((4*v + 7) >> 4)
}

// conversion returns the function that turns the lines of the components into RGB.
// What the components mean follows libjpeg: the JFIF and Adobe segments decide,
// then the component names.
func (d *decoder) conversion() func(dst []uint8, lines *[4][]uint8) {
	switch len(d.comps) {
	case 1:
		return fromGrey
	case 3:
		ids := [3]uint8{d.comps[0].id, d.comps[1].id, d.comps[2].id}
		if !d.jfif && (d.adobe && d.adobeTransform == 0 || !d.adobe && ids == [3]uint8{'R', 'G', 'B'}) {
			return fromRGB
		}
		return fromYCC
	default:
		if d.adobe && d.adobeTransform != 0 {
			return fromYCCK
		}
		return fromCMYK
	}
}

func fromGrey(dst []uint8, lines *[4][]uint8) {
	for _, v := range lines[0] {
		dst[0], dst[1], dst[2] = v, v, v
		dst = dst[3:]
	}
}

func fromRGB(dst []uint8, lines *[4][]uint8) {
	r, g, b := lines[0], lines[1], lines[2]
	for i := range r {
		dst[0], dst[1], dst[2] = r[i], g[i], b[i]
		dst = dst[3:]
	}
}

// fromYCC is JFIF's YCbCr in 16-bit fixed point.
func fromYCC(dst []uint8, lines *[4][]uint8) {
	ys := lines[0]
	cbs, crs := lines[1][:len(ys)], lines[2][:len(ys)]
	for i, y := range ys {
		l, u, v := int32(y), int32(cbs[i])-128, int32(crs[i])-128
		d := dst[3*i : 3*i+3]
		d[0] = clamp(l + (91881*v+1<<15)>>16)          // 1.402
		d[1] = clamp(l + (-22554*u-46802*v+1<<15)>>16) // 0.34414, 0.71414
		d[2] = clamp(l + (116130*u+1<<15)>>16)         // 1.772
	}
}

// fromYCCK converts Adobe's YCCK: read as YCbCr, the colours are the inks C, M and Y
// themselves; K is stored inverted.
func fromYCCK(dst []uint8, lines *[4][]uint8) {
	fromYCC(dst, lines)
	for i, k := range lines[3] {
		d := dst[3*i : 3*i+3]
		d[0], d[1], d[2] = Ink(d[0], 255-k), Ink(d[1], 255-k), Ink(d[2], 255-k)
	}
}

// fromCMYK converts inks that are stored inverted, as Adobe's programs do.
func fromCMYK(dst []uint8, lines *[4][]uint8) {
	for i, c := range lines[0] {
		m, y, k := lines[1][i], lines[2][i], 255-lines[3][i]
		dst[0], dst[1], dst[2] = Ink(255-c, k), Ink(255-m, k), Ink(255-y, k)
		dst = dst[3:]
	}
}

// Ink is what is left of white under colour ink c and black ink k, as Pillow
// converts CMYK to RGB: clip((255-k) - (255-k) c/255), with the division rounded.
func Ink(c, k uint8) uint8 {
	paper := 255 - int(k)
	t := int(c)*paper + 128
	return uint8(max(0, paper-(t+t>>8)>>8))
}
