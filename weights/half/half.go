// Package half converts IEEE 754 binary16 numbers.
package half

import "math"

// Float32 widens a binary16, exactly.
func Float32(h uint16) float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10)&31, uint32(h)&1023
	switch exp {
	case 0: // zero or subnormal: frac * 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(frac)*0x1p-24))
	case 31: // infinity or NaN
		return math.Float32frombits(sign | 0xff<<23 | frac<<13)
	}
	return math.Float32frombits(sign | (exp+127-15)<<23 | frac<<13)
}

// FromFloat32 rounds to the nearest binary16, ties to even; what is too large becomes infinite.
func FromFloat32(v float32) uint16 {
	bits := math.Float32bits(v)
	sign, abs := uint16(bits>>16)&0x8000, bits&0x7fffffff
	switch {
	case abs > 0x7f800000: // NaN
		return sign | 0x7e00
	case abs < 0x38800000: // below 2^-14: subnormal, in steps of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(abs))*0x1p24))
	}
	// Drop 13 bits of the fraction; a carry goes into the exponent, as it should.
	h := (abs - (127-15)<<23 + 0xfff + abs>>13&1) >> 13
	return sign | uint16(min(h, 0x7c00))
}
