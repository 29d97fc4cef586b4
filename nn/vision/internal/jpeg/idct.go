package jpeg

// Constants of the inverse DCT: round(2^13 x), x from Loeffler, Ligtenberg and
// Moschytz, "Practical fast 1-D DCT algorithms with 11 multiplications", 1989, in
// the arrangement with 12 multiplications that libjpeg calls islow. All products
// are exact, so results depend on these constants and on the two roundings only, and
// for absurd coefficients (of a damaged file) on where the vector code of libjpeg-turbo
// for x86 has 16 bits: products with the quantisation table and sums of two
// coefficients wrap, what the first pass leaves saturates.
const (
	fix0_298 = 2446
	fix0_390 = 3196
	fix0_541 = 4433
	fix0_765 = 6270
	fix0_899 = 7373
	fix1_175 = 9633
	fix1_501 = 12299
	fix1_847 = 15137
	fix1_961 = 16069
	fix2_053 = 16819
	fix2_562 = 20995
	fix3_072 = 25172

	constBits = 13
	passBits  = 2 // more than the coefficients after the first pass
)

// reconstruct writes block (bx, by) to the plane: dequantise, invert the DCT, add
// 128, clip. last is the last zigzag index that may be other than zero.
func (c *component) reconstruct(b *[64]int16, last, bx, by int) {
	stride := 8 * c.blocksX
	dst := c.plane[8*(by*stride+bx):]
	q := c.quant
	if last == 0 {
		v := clamp((int32(int16(int32(b[0])*int32(q[0])<<passBits))+1<<(passBits+2))>>(passBits+3) + 128)
		for range 8 {
			row := dst[:8]
			for i := range row {
				row[i] = v
			}
			dst = dst[min(stride, len(dst)):]
		}
		return
	}
	// Columns first, to 2 bits more than the coefficients have.
	var work [64]int32
	const round = 1 << (constBits - passBits - 1)
	rows := int16(0) // is zero without coefficients below the first row
	for i := range 8 {
		b0 := int32(int16(int32(b[i]) * int32(q[i])))
		below := b[8+i] | b[16+i] | b[24+i] | b[32+i] | b[40+i] | b[48+i] | b[56+i]
		rows |= below
		if below == 0 {
			v := saturate(b0 << passBits)
			work[i], work[8+i], work[16+i], work[24+i] = v, v, v, v
			work[32+i], work[40+i], work[48+i], work[56+i] = v, v, v, v
			continue
		}
		x0, x1, x2, x3, x4, x5, x6, x7 := idct8(b0,
			int32(int16(int32(b[8+i])*int32(q[8+i]))),
			int32(int16(int32(b[16+i])*int32(q[16+i]))),
			int32(int16(int32(b[24+i])*int32(q[24+i]))),
			int32(int16(int32(b[32+i])*int32(q[32+i]))),
			int32(int16(int32(b[40+i])*int32(q[40+i]))),
			int32(int16(int32(b[48+i])*int32(q[48+i]))),
			int32(int16(int32(b[56+i])*int32(q[56+i]))), round)
		const shift = constBits - passBits
		work[i], work[8+i] = saturate(x0>>shift), saturate(x1>>shift)
		work[16+i], work[24+i] = saturate(x2>>shift), saturate(x3>>shift)
		work[32+i], work[40+i] = saturate(x4>>shift), saturate(x5>>shift)
		work[48+i], work[56+i] = saturate(x6>>shift), saturate(x7>>shift)
	}
	if rows == 0 { // a shortcut in which the first pass wraps
		for i := range work {
			work[i] = int32(int16(int32(b[i&7]) * int32(q[i&7]) << passBits))
		}
	}
	// Then rows; 8 times the DCT's scale remains, hence 3 bits more.
	for y := range 8 {
		const shift = constBits + passBits + 3
		w := work[8*y : 8*y+8 : 8*y+8]
		x0, x1, x2, x3, x4, x5, x6, x7 := idct8(w[0], w[1], w[2], w[3], w[4], w[5], w[6], w[7],
			1<<(shift-1)+128<<shift)
		row := dst[y*stride : y*stride+8 : y*stride+8]
		row[0], row[1], row[2], row[3] = clamp(x0>>shift), clamp(x1>>shift), clamp(x2>>shift), clamp(x3>>shift)
		row[4], row[5], row[6], row[7] = clamp(x4>>shift), clamp(x5>>shift), clamp(x6>>shift), clamp(x7>>shift)
	}
}

// idct8 is the 8-point inverse DCT of 16-bit numbers times 2^13 sqrt(8), plus bias.
func idct8(a0, a1, a2, a3, a4, a5, a6, a7, bias int32) (x0, x1, x2, x3, x4, x5, x6, x7 int32) {
	// Even part.
	s := int32(int16(a0+a4))<<constBits + bias
	t := int32(int16(a0-a4))<<constBits + bias
	z := (a2 + a6) * fix0_541
	u := z - a6*fix1_847
	v := z + a2*fix0_765
	e0, e3 := s+v, s-v
	e1, e2 := t+u, t-u
	// Odd part.
	s73, s51 := int32(int16(a7+a3)), int32(int16(a5+a1))
	z5 := (s73 + s51) * fix1_175
	z1 := (a7 + a1) * -fix0_899
	z2 := (a5 + a3) * -fix2_562
	z3 := s73*-fix1_961 + z5
	z4 := s51*-fix0_390 + z5
	o0 := a1*fix1_501 + z1 + z4
	o1 := a3*fix3_072 + z2 + z3
	o2 := a5*fix2_053 + z2 + z4
	o3 := a7*fix0_298 + z1 + z3
	return e0 + o0, e1 + o1, e2 + o2, e3 + o3, e3 - o3, e2 - o2, e1 - o1, e0 - o0
}

// saturate is the nearest number of 16 bits.
func saturate(v int32) int32 { return max(-1<<15, min(v, 1<<15-1)) }

func clamp(v int32) uint8 {
	if uint32(v) > 255 {
		return uint8(^v >> 31)
	}
	return uint8(v)
}
