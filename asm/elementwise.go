package asm

import (
	"math"
	"unsafe"
)

// DepthwiseF32Args describes a row of a convolution of each channel by itself over NCHW16c
// vectors.
//
//	for r := 0; r < Rows; r++ {
//		for j := 0; j < Block; j++ {
//			acc := Bias[j] (0 if Bias is nil)
//			for t, tap := range Taps {
//				acc += A[r*ARow + tap + j] * B[t*Block + j]
//			}
//			C[r*CRow + j] = min(max(acc, Low), High)
//		}
//	}
//
// Distances are in BYTES. The order of the sum and its rounding are those of GemmF32: a fused
// multiply-add for each tap, in order, but in the ref tier, which rounds the product too. A sum
// that is not a number stays so.
type DepthwiseF32Args struct {
	A, B, C, Bias *float32
	Taps          *int // NTaps byte offsets into A
	NTaps         int  // at least 1
	Rows          int
	ARow, CRow    int
	Low, High     float32
}

// MapF32Args describes a clamped linear function of each channel of Rows consecutive vectors,
// or a product with it.
//
//	t := min(max(A*Scale[j] + Shift[j], Low), High)
//	C = t, or A*t if Gate
//
// Every operation is rounded on its own, so the bits are the same in every tier. What is not a
// number stays so. C may be A.
type MapF32Args struct {
	A, C         *float32
	Scale, Shift *float32 // [Block]
	Rows         int
	Low, High    float32
	Gate         bool
}

// SigmoidF32Args describes the logistic function of Rows consecutive vectors, or a product with
// it.
//
//	t := min(A*A, Cap)
//	u := A, or A * (Curve[0] + Curve[1]*t + ... + Curve[7]*t^7) if Curve is not nil
//	s := 1 / (1 + exp(-u))
//	C = s, or A*s if Gate
//
// within 4*2^-24 of s (5*2^-24 of A*s) relative to it, or 2e-38. The polynomial, by Horner's rule,
// must be positive. Every operation is rounded on its own, so the bits are the same in every tier.
// What is not a number stays so. C may be A.
type SigmoidF32Args struct {
	A, C  *float32
	Curve *[8]float32
	Rows  int
	Cap   float32
	Gate  bool
}

func checkDepthwiseF32(d *DepthwiseF32Args) {
	if d.NTaps < 1 {
		panic("asm: DepthwiseF32: no taps")
	}
}

func depthwiseF32Ref(d *DepthwiseF32Args) {
	checkDepthwiseF32(d)
	taps := unsafe.Slice(d.Taps, d.NTaps)
	for r := range d.Rows {
		var acc [Block]float32
		if d.Bias != nil {
			acc = *lanes16(d.Bias, 0)
		}
		for t, tap := range taps {
			a, b := lanes16(d.A, r*d.ARow+tap), lanes16(d.B, 4*Block*t)
			for j := range acc {
				acc[j] += float32(a[j] * b[j])
			}
		}
		for j := range acc {
			acc[j] = clamp(acc[j], d.Low, d.High)
		}
		*lanes16(d.C, r*d.CRow) = acc
	}
}

// clamp keeps what is not a number, and a zero of either sign.
func clamp(x, low, high float32) float32 {
	if x < low {
		x = low
	}
	if x > high {
		x = high
	}
	return x
}

func mapF32Ref(m *MapF32Args) {
	scale, shift := lanes16(m.Scale, 0), lanes16(m.Shift, 0)
	for r := range m.Rows {
		a, c := lanes16(m.A, 4*Block*r), lanes16(m.C, 4*Block*r)
		for j, x := range a {
			t := clamp(float32(x*scale[j])+shift[j], m.Low, m.High)
			if m.Gate {
				t = x * t
			}
			c[j] = t
		}
	}
}

func sigmoidF32Ref(s *SigmoidF32Args) {
	for r := range s.Rows {
		a, c := lanes16(s.A, 4*Block*r), lanes16(s.C, 4*Block*r)
		for j, x := range a {
			u := x
			if s.Curve != nil {
				u = x * curve(s.Curve, x*x, s.Cap)
			}
			v := sigmoid(u)
			if s.Gate {
				v = x * v
			}
			c[j] = v
		}
	}
}

// curve is a polynomial of min(t, most).
func curve(c *[8]float32, t, most float32) float32 {
	if t > most {
		t = most
	}
	p := c[7]
	for i := 6; i >= 0; i-- {
		p = float32(p*t) + c[i]
	}
	return p
}

// The constants of sigmoid: those of exp(x) = 2^n e^r, r = x - n ln 2, are Cephes'.
const (
	sigmoidLeast = -87
	log2E        = 1.44269504088896341
	ln2High      = 0.693359375
	ln2Low       = -2.12194440e-4
	exp5         = 1.9875691500e-4
	exp4         = 1.3981999507e-3
	exp3         = 8.3334519073e-3
	exp2         = 4.1665795894e-2
	exp1         = 1.6666665459e-1
	exp0         = 5.0000001201e-1
)

// sigmoid is 1/(1+exp(-x)), or e/(1+e) with e = exp(-|x|) where x is negative.
func sigmoid(x float32) float32 {
	if x != x {
		return x
	}
	y := -float32(math.Abs(float64(x)))
	if y < sigmoidLeast {
		y = sigmoidLeast
	}
	n := float32(math.RoundToEven(float64(float32(y * log2E))))
	y -= float32(n * ln2High)
	y -= float32(n * ln2Low)
	p := float32(exp5*y) + exp4
	p = float32(p*y) + exp3
	p = float32(p*y) + exp2
	p = float32(p*y) + exp1
	p = float32(p*y) + exp0
	p = float32(float32(y*y)*p) + y
	p += 1
	e := float32(p * math.Float32frombits(uint32(int32(n)+127)<<23))
	top := float32(1)
	if math.Signbit(float64(x)) {
		top = e
	}
	return top / (1 + e)
}
