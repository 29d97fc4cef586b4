package asm

import (
	"math"
	"unsafe"
)

// GemmBF16 is a matrix-product kernel on bfloat16 with float32 sums, and the tiles it can
// run.
type GemmBF16 struct {
	Name    string
	Rows    []int // tile heights, descending, ending in 1
	MaxVecs int   // output vectors of Block lanes per tile: 1 to MaxVecs all work
	Run     func(*GemmBF16Args)
}

// GemmBF16Args describes the strip of tiles of GemmF32Args with A, B, C and Res in
// bfloat16, the bias and the sums in float32. The inner dimension goes by pairs, as the
// instructions do: K and AStep count pairs of neighbouring channels, and B holds for each
// pair and lane the two weights next to each other.
//
//	acc := Bias[v*Block+j] (0 if Bias is nil)
//	for t, tap := range Taps {
//		for k := 0; k < K; k++ {
//			a := A[i*ATile + r*ARow + tap + k*AStep], and the element after it
//			b := B[(t*K+k)*BStep + v*BVec + 2*j], and the element after it
//			acc += a[0]*b[0] + a[1]*b[1]
//		}
//	}
//	if Res != nil { acc += Res[i*CTile + r*CRow + v*ResVec + j] }
//	if Clamp { acc = min(max(acc, Low), High) }
//	C[i*CTile + r*CRow + v*CVec + j] = acc, rounded to nearest, ties to even
//
// Distances are in BYTES: of a channel block of NCHW16c, ARow, AStep and K are 32, 4 and
// 8 for a 1x1 convolution. With Wide set, C holds float32, not rounded, and Res must
// be nil.
//
// The sum stays within (2*NTaps*K+2) 2^-24 sum|A B| of the exact one, in neonbf16, which rounds
// to odd, within twice that; rounding C adds at most 2^-8 of it. How an instruction rounds within a pair is its own affair, so bits may
// differ between tiers; subnormal operands and results count as zero. A NaN survives.
type GemmBF16Args struct {
	A, B, C, Res       *uint16
	Bias               *float32
	Taps               *int // NTaps byte offsets into A
	NTaps, K           int  // K >= 1
	ARow, AStep        int
	BStep, BVec        int
	CRow, CVec, ResVec int
	Rows, Vecs         int // of this tile: see GemmBF16.Rows
	Tiles              int
	ATile, CTile       int
	Low, High          float32
	Clamp              bool
	Wide               bool
}

// NarrowBF16Args describes a conversion of Rows vectors of Block lanes, one after the
// other, from float32 to bfloat16: to nearest, ties to even. A subnormal becomes zero, a
// NaN a quiet one. Same bits in every tier.
type NarrowBF16Args struct {
	A    *float32
	C    *uint16
	Rows int
}

// WidenBF16Args describes the conversion back, which is exact.
type WidenBF16Args struct {
	A    *uint16
	C    *float32
	Rows int
}

// MaxPoolBF16Args is MaxPoolF32Args with A and C in bfloat16.
type MaxPoolBF16Args struct {
	A, C       *uint16
	Taps       *int // NTaps byte offsets into A
	NTaps      int  // at least 1
	Rows       int
	ARow, CRow int
}

// BF16 rounds x to bfloat16 as NarrowBF16 does.
func BF16(x float32) uint16 {
	b := math.Float32bits(x)
	switch {
	case x != x:
		return uint16(b>>16) | 0x40
	case b&0x7f800000 == 0:
		return uint16(b>>16) & 0x8000
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// F32 is the value of the bfloat16 b.
func F32(b uint16) float32 { return math.Float32frombits(uint32(b) << 16) }

func gemmBF16Ref(g *GemmBF16Args) {
	checkGemmBF16(g, 32, 2)
	taps := unsafe.Slice(g.Taps, g.NTaps)
	for i := range g.Tiles {
		for r := range g.Rows {
			for v := range g.Vecs {
				var acc [Block]float32
				if g.Bias != nil {
					acc = *lanes16(g.Bias, 4*v*Block)
				}
				bAt := v * g.BVec
				for _, tap := range taps {
					aAt := i*g.ATile + r*g.ARow + tap
					for range g.K {
						a := (*[2]uint16)(at16(g.A, aAt))
						b := (*[2 * Block]uint16)(at16(g.B, bAt))
						a0, a1 := F32(a[0]), F32(a[1])
						for j := range acc {
							acc[j] += float32(a0 * F32(b[2*j]))
							acc[j] += float32(a1 * F32(b[2*j+1]))
						}
						aAt += g.AStep
						bAt += g.BStep
					}
				}
				if g.Res != nil {
					res := (*[Block]uint16)(at16(g.Res, i*g.CTile+r*g.CRow+v*g.ResVec))
					for j := range acc {
						acc[j] += F32(res[j])
					}
				}
				if g.Clamp {
					for j := range acc {
						acc[j] = clamp(acc[j], g.Low, g.High)
					}
				}
				out := at16(g.C, i*g.CTile+r*g.CRow+v*g.CVec)
				if g.Wide {
					*(*[Block]float32)(out) = acc
					continue
				}
				for j := range acc {
					(*[Block]uint16)(out)[j] = BF16(acc[j])
				}
			}
		}
	}
}

func maxPoolBF16Ref(p *MaxPoolBF16Args) {
	checkMaxPoolBF16(p)
	taps := unsafe.Slice(p.Taps, p.NTaps)
	for r := range p.Rows {
		acc := *(*[Block]uint16)(at16(p.A, r*p.ARow+taps[0]))
		for _, tap := range taps[1:] {
			x := (*[Block]uint16)(at16(p.A, r*p.ARow+tap))
			for j := range acc {
				if v := F32(x[j]); v > F32(acc[j]) || v != v {
					acc[j] = x[j]
				}
			}
		}
		*(*[Block]uint16)(at16(p.C, r*p.CRow)) = acc
	}
}

func narrowBF16Ref(args *NarrowBF16Args) {
	for r := range args.Rows {
		in := lanes16(args.A, 4*Block*r)
		out := (*[Block]uint16)(at16(args.C, 2*Block*r))
		for j, x := range in {
			out[j] = BF16(x)
		}
	}
}

func widenBF16Ref(args *WidenBF16Args) {
	for r := range args.Rows {
		in := (*[Block]uint16)(at16(args.A, 2*Block*r))
		out := lanes16(args.C, 4*Block*r)
		for j, x := range in {
			out[j] = F32(x)
		}
	}
}

func peakBF16Ref(n int) {
	var acc [8]float32
	a, b := BF16(1), BF16(0.5)
	for range n {
		for j := range acc {
			acc[j] += float32(F32(a) * F32(b))
		}
	}
	peakSink = acc[0] + acc[7]
}

func checkGemmBF16(g *GemmBF16Args, maxRows, maxVecs int) {
	if g.K < 1 || g.NTaps < 0 || g.Rows < 1 || g.Rows > maxRows || g.Vecs < 1 || g.Vecs > maxVecs || g.Wide && g.Res != nil {
		panic("asm: GemmBF16: bad tile")
	}
}

func checkMaxPoolBF16(p *MaxPoolBF16Args) {
	if p.NTaps < 1 {
		panic("asm: MaxPoolBF16: no taps")
	}
}

func at16(p *uint16, bytes int) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(p), bytes) }
