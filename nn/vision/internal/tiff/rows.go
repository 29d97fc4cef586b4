package tiff

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"cwox/nn/vision/internal/jpeg"
)

// depthRange is the range of the samples of more than 8 bits, or that are signed or real.
type depthRange struct {
	low, high float64
	cut       bool // some were not whole numbers from 0 to 255
}

func (r *depthRange) include(v float64) {
	if v < r.low {
		r.low = v
	}
	if v > r.high {
		r.high = v
	}
	if v != float64(uint8(max(0, min(v, 255)))) {
		r.cut = true
	}
}

// depthNote says how samples were reduced to 8 bits.
func (d *decoder) depthNote() string {
	r := d.depth
	switch {
	case d.isHigh() && d.bits > 8:
		part := "8 highest bits"
		if d.bits == 16 {
			part = "high byte"
		}
		return fmt.Sprintf("%d-bit samples reduced to their %s; values up to %s of %s", d.bits, part, number(r.high), number(math.Ldexp(1, d.bits)-1))
	case d.isHigh() && d.format == signed:
		return "signed samples of 8 bits were read as unsigned ones, as other programs do"
	case d.isHigh() || !r.cut && d.format != real:
		return ""
	}
	kind := [...]string{unsigned: "whole", signed: "signed", real: "real"}[d.format]
	if r.low > r.high {
		return fmt.Sprintf("%s samples of %d bits, none of them a number", kind, d.bits)
	}
	return fmt.Sprintf("%s samples of %d bits, from %s to %s, cut to whole numbers from 0 to 255", kind, d.bits, number(r.low), number(r.high))
}

// number writes whole numbers with commas, and others in short.
func number(v float64) string {
	if v != math.Trunc(v) || math.Abs(v) > 1<<53 {
		return strconv.FormatFloat(v, 'g', 6, 64)
	}
	s := strconv.FormatFloat(math.Abs(v), 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 {
		s = "-" + s
	}
	return s
}

// isHigh tells whether samples give their 8 highest bits: unsigned ones, but for grey
// of more than 24 bits; and signed ones of 8, as Pillow takes those.
func (d *decoder) isHigh() bool {
	if d.bits <= 8 {
		return d.format != real
	}
	return d.format == unsigned && (d.bits <= 24 || d.colours > 1)
}

// rows converts rows of segments to RGB.
type rows struct {
	d           *decoder
	samples     []uint8 // a row of pixels, all samples, 8 bits
	plane       []uint8 // a row of one plane
	lab         *labTables
	translucent bool
}

func (d *decoder) newRows() *rows {
	r := &rows{d: d, samples: make([]uint8, d.segW*d.samples)}
	if d.planes > 1 {
		r.plane = make([]uint8, d.segW)
	}
	if d.photometric == isLab {
		r.lab = newLab()
	}
	if !d.isHigh() {
		d.depth = depthRange{low: math.Inf(1), high: math.Inf(-1)}
	}
	return r
}

// convert writes row y of a segment, whose planes are given, to dst, [width][3].
func (r *rows) convert(dst []uint8, planes [][]byte, y int) {
	d := r.d
	switch {
	case d.subX*d.subY > 1:
		r.subsampled(planes[0][y/d.subY*d.rowBytes:][:d.rowBytes], y%d.subY)
	case d.planes == 1:
		d.unpack(r.samples, planes[0][y*d.rowBytes:][:d.rowBytes], d.samples, d.colours)
	default:
		for p, data := range planes {
			colour := 0
			if p < d.colours {
				colour = 1
			}
			d.unpack(r.plane, data[y*d.rowBytes:][:d.rowBytes], 1, colour)
			for i, v := range r.plane {
				r.samples[i*d.samples+p] = v
			}
		}
	}
	r.colour(dst)
}

// subsampled gathers row y of a band of YCbCr whose blocks hold subX*subY samples of
// Y, one of Cb and one of Cr.
func (r *rows) subsampled(band []byte, y int) {
	d := r.d
	block := d.subX*d.subY + 2
	for x := range d.segW {
		b := band[x/d.subX*block:][:block]
		s := r.samples[3*x : 3*x+3]
		s[0], s[1], s[2] = b[y*d.subX+x%d.subX], b[block-2], b[block-1]
	}
}

// unpack reduces the samples of a row to 8 bits. Of each pixel, which has n, the first
// count for the range: those of the colour.
func (d *decoder) unpack(dst []uint8, src []byte, n, colours int) {
	switch {
	case d.bits == 8 && d.isHigh():
		copy(dst, src)
	case d.bits == 16 && d.isHigh():
		top := uint16(d.depth.high)
		for i := 0; i < len(dst); i += n {
			for k := range n {
				v := d.order.Uint16(src[2*(i+k):])
				dst[i+k] = uint8(v >> 8)
				if k < colours {
					top = max(top, v)
				}
			}
		}
		d.depth.high = float64(top)
	case d.isHigh():
		top, limit := uint64(d.depth.high), uint64(1)<<d.bits-1
		for i := range dst {
			v := d.uint(src, i)
			switch {
			case d.photometric == isPalette:
				dst[i] = uint8(v)
			case d.bits < 8:
				dst[i] = uint8((v*255 + limit/2) / limit)
			default:
				dst[i] = uint8(v >> (d.bits - 8))
				if i%n < colours {
					top = max(top, v)
				}
			}
		}
		d.depth.high = float64(top)
	default:
		for i := range dst {
			v := d.float(src, i)
			if i%n < colours {
				d.depth.include(v)
			}
			if v > 0 { // not for NaN
				dst[i] = uint8(min(v, 255))
			} else {
				dst[i] = 0
			}
		}
	}
}

// uint returns sample i of a row as a whole number without sign.
func (d *decoder) uint(src []byte, i int) uint64 {
	switch d.bits {
	case 8:
		return uint64(src[i])
	case 16:
		return uint64(d.order.Uint16(src[2*i:]))
	case 24:
		b := src[3*i : 3*i+3]
		if d.order.Uint16([]byte{1, 0}) == 1 {
			return uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16
		}
		return uint64(b[2]) | uint64(b[1])<<8 | uint64(b[0])<<16
	case 32:
		return uint64(d.order.Uint32(src[4*i:]))
	case 64:
		return d.order.Uint64(src[8*i:])
	}
	// Samples of other sizes follow each other as a stream of bits, the highest first.
	var v uint64
	for at, end := i*d.bits, (i+1)*d.bits; at < end; {
		take := min(8-at%8, end-at)
		v = v<<take | uint64(src[at/8]>>(8-at%8-take))&(1<<take-1)
		at += take
	}
	return v
}

// float returns sample i of a row as a number.
func (d *decoder) float(src []byte, i int) float64 {
	v := d.uint(src, i)
	switch d.format {
	case unsigned:
		return float64(v)
	case signed:
		free := 64 - d.bits
		return float64(int64(v<<free) >> free)
	}
	switch d.bits {
	case 16:
		return small(v, 5, 10)
	case 24:
		return small(v, 7, 16)
	case 32:
		return float64(math.Float32frombits(uint32(v)))
	default:
		return math.Float64frombits(v)
	}
}

// small is the real number with few bits of exponent and fraction (Adobe's Technical
// Note 3).
func small(v uint64, exponent, fraction int) float64 {
	e := int(v >> fraction & (1<<exponent - 1))
	f := float64(v&(1<<fraction-1)) / float64(int(1)<<fraction)
	bias := 1<<(exponent-1) - 1
	switch {
	case e == 0:
		f = math.Ldexp(f, 1-bias)
	case e == 1<<exponent-1 && f == 0:
		f = math.Inf(1)
	case e == 1<<exponent-1:
		f = math.NaN()
	default:
		f = math.Ldexp(1+f, e-bias)
	}
	if v>>(exponent+fraction)&1 == 1 {
		return -f
	}
	return f
}

// colour converts the row of samples to RGB.
func (r *rows) colour(dst []uint8) {
	d := r.d
	n := d.samples
	for s := r.samples; len(dst) >= 3; s, dst = s[n:], dst[3:] {
		switch d.photometric {
		case whiteIsZero:
			v := s[0]
			if d.isHigh() || d.format == unsigned { // for others zero says nothing of a white
				v = 255 - v
			}
			dst[0], dst[1], dst[2] = v, v, v
		case blackIsZero:
			dst[0], dst[1], dst[2] = s[0], s[0], s[0]
		case isRGB:
			dst[0], dst[1], dst[2] = s[0], s[1], s[2]
		case isPalette:
			copy(dst, d.palette[s[0]][:])
		case isCMYK:
			dst[0], dst[1], dst[2] = jpeg.Ink(s[0], s[3]), jpeg.Ink(s[1], s[3]), jpeg.Ink(s[2], s[3])
		case isYCbCr:
			d.ycc.convert(dst, s[0], s[1], s[2])
		case isLab:
			r.lab.convert(dst, s[0], s[1], s[2])
		}
		if d.alpha == 0 {
			continue
		}
		a := s[d.colours]
		if a == 255 {
			continue
		}
		r.translucent = true
		if d.alpha == alphaAssociated && (d.photometric == isRGB || d.photometric <= blackIsZero) {
			for c := range 3 {
				if a == 0 {
					dst[c] = 0
				} else {
					dst[c] = uint8(min(int(dst[c])*255/int(a), 255))
				}
			}
		}
	}
}

// yccTables convert YCbCr (TIFF 6.0, section 21) in 16-bit fixed point, as libtiff does.
type yccTables struct {
	y        [256]int32
	crR, cbB [256]int32
	crG, cbG [256]int32
}

// newYCC makes the tables for the coefficients of luma and the levels of black and
// white (ReferenceBlackWhite).
func newYCC(luma, levels []float64) (*yccTables, error) {
	for _, v := range append(luma[:3:3], levels...) {
		if !(v >= -1e6 && v <= 1e6) {
			return nil, fmt.Errorf("%g is not a level", v)
		}
	}
	red, green, blue := float32(luma[0]), float32(luma[1]), float32(luma[2])
	if green == 0 {
		return nil, errors.New("no part of green in the luma")
	}
	fix := func(v float32) int32 {
		return int32(max(-1<<30, min(float64(v)*(1<<16)+.5, 1<<30)))
	}
	toR := fix(2 - 2*red)
	toB := fix(2 - 2*blue)
	fromCr := -fix(red * (2 - 2*red) / green)
	fromCb := -fix(blue * (2 - 2*blue) / green)
	level := func(code int, black, white float64, scale float32) int32 {
		span := float32(white - black)
		if span == 0 {
			span = 1
		}
		return int32(max(-1<<12, min(float32(code-int(black))*scale/span, 1<<12)))
	}
	t := new(yccTables)
	for i := range 256 {
		cb := level(i-128, levels[2]-128, levels[3]-128, 127)
		cr := level(i-128, levels[4]-128, levels[5]-128, 127)
		t.y[i] = level(i, levels[0], levels[1], 255)
		t.crR[i] = int32((int64(toR)*int64(cr) + 1<<15) >> 16)
		t.cbB[i] = int32((int64(toB)*int64(cb) + 1<<15) >> 16)
		t.crG[i] = int32(max(-1<<29, min(int64(fromCr)*int64(cr), 1<<29)))
		t.cbG[i] = int32(max(-1<<29, min(int64(fromCb)*int64(cb)+1<<15, 1<<29)))
	}
	return t, nil
}

// newJFIF makes the tables for JFIF's YCbCr in 6-bit fixed point, which is what Pillow
// has for files that it reads without libtiff.
func newJFIF() *yccTables {
	t := new(yccTables)
	for i := range 256 {
		fix := func(v float64) int32 { return int32(v*float64(i-128)*(1<<6) + .5) }
		t.y[i] = int32(i)
		t.crR[i], t.cbB[i] = fix(1.402)>>6, fix(1.772)>>6
		t.crG[i], t.cbG[i] = fix(-0.71414)<<10, fix(-0.34414)<<10
	}
	return t
}

func (t *yccTables) convert(dst []uint8, y, cb, cr uint8) {
	l := t.y[y]
	dst[0] = clamp(l + t.crR[cr])
	dst[1] = clamp(l + (t.cbG[cb]+t.crG[cr])>>16)
	dst[2] = clamp(l + t.cbB[cb])
}

func clamp(v int32) uint8 { return uint8(max(0, min(v, 255))) }

// labTables convert CIELab (TIFF 6.0, section 23), whose white is D50, to sRGB.
type labTables struct {
	gamma [1 << 14]uint8
}

func newLab() *labTables {
	t := new(labTables)
	for i := range t.gamma {
		v := float64(i) / float64(len(t.gamma)-1)
		if v <= 0.0031308 {
			v *= 12.92
		} else {
			v = 1.055*math.Pow(v, 1/2.4) - 0.055
		}
		t.gamma[i] = uint8(255*v + .5)
	}
	return t
}

// convert takes L from 0 to 255 for 0 to 100, and a and b as signed bytes.
func (t *labTables) convert(dst []uint8, l, a, b uint8) {
	cube := func(f float64) float64 {
		if f > 6./29 {
			return f * f * f
		}
		return 3 * (6. / 29) * (6. / 29) * (f - 4./29)
	}
	fy := (float64(l)*100/255 + 16) / 116
	x := 0.9642 * cube(fy+float64(int8(a))/500)
	y := cube(fy)
	z := 0.8249 * cube(fy-float64(int8(b))/200)
	// sRGB's primaries, adapted to D50 by Bradford's method (ICC's sRGB profile).
	for i, v := range [3]float64{
		3.1338561*x - 1.6168667*y - 0.4906146*z,
		-0.9787684*x + 1.9161415*y + 0.0334540*z,
		0.0719453*x - 0.2289914*y + 1.4052427*z,
	} {
		dst[i] = t.gamma[int(max(0, min(v, 1))*float64(len(t.gamma)-1)+.5)]
	}
}
