package asm

import (
	"math"
	"unsafe"
)

// ref is the tier in plain Go: the reference of every other tier, and what runs where
// there is none. Products are rounded before they are added (the conversions forbid the
// compiler to fuse them), so its bits are the same on every machine.
var ref = Kernels{
	Tier: "ref",
	GemmF32: GemmF32{
		Name: "gemmF32Ref", Rows: []int{14, 7, 4, 2, 1}, MaxVecs: 2, Run: gemmF32Ref,
	},
	Winograd2F32: WinogradF32{"winograd2F32Ref", 2, 4, winogradIn2F32Ref, winogradOut2F32Ref, &winograd2},
	Winograd4F32: WinogradF32{"winograd4F32Ref", 4, 6, winogradIn4F32Ref, winogradOut4F32Ref, &winograd4},
	MaxPoolF32:   maxPoolF32Ref,
	LRNF32:       lrnF32Ref,
	GaussF32:     gaussF32Ref,
	DepthwiseF32: depthwiseF32Ref,
	MapF32:       mapF32Ref,
	SigmoidF32:   sigmoidF32Ref,
	PeakF32:      Peak{Name: "peakF32Ref", MACs: 8, Run: peakF32Ref},

	GemmBF16:      GemmBF16{Name: "gemmBF16Ref", Rows: []int{14, 7, 4, 2, 1}, MaxVecs: 2, Run: gemmBF16Ref},
	Winograd2BF16: WinogradBF16{"winograd2BF16Ref", 2, 4, winogradIn2BF16Ref, winogradOut2BF16Ref},
	MaxPoolBF16:   maxPoolBF16Ref,
	NarrowBF16:    narrowBF16Ref,
	WidenBF16:     widenBF16Ref,
	PeakBF16:      Peak{Name: "peakBF16Ref", MACs: 8, Run: peakBF16Ref},
}

func gemmF32Ref(g *GemmF32Args) {
	checkGemmF32(g, 14, 2)
	taps := unsafe.Slice(g.Taps, g.NTaps)
	for i := range g.Tiles {
		for r := range g.Rows {
			row := i*g.ATile + r*g.ARow
			for v := range g.Vecs {
				for j := 0; j < Block; j += 8 {
					var acc [8]float32
					if g.Bias != nil {
						acc = *lanes8(g.Bias, 4*(v*Block+j))
					}
					dot8(&acc, g, taps, row, v*g.BVec+4*j)
					if g.Res != nil {
						res := lanes8(g.Res, i*g.CTile+r*g.CRow+v*g.ResVec+4*j)
						for l := range acc {
							acc[l] += res[l]
						}
					}
					if g.Clamp {
						for l := range acc {
							acc[l] = clamp(acc[l], g.Low, g.High)
						}
					}
					*lanes8(g.C, i*g.CTile+r*g.CRow+v*g.CVec+4*j) = acc
				}
			}
		}
	}
}

// dot8 adds to eight lanes the products of the row of A and the lanes of B at these
// distances. The lanes are variables, not elements, so that they stay in registers.
func dot8(acc *[8]float32, g *GemmF32Args, taps []int, row, bAt int) {
	c0, c1, c2, c3, c4, c5, c6, c7 := acc[0], acc[1], acc[2], acc[3], acc[4], acc[5], acc[6], acc[7]
	for _, tap := range taps {
		aAt := row + tap
		for range g.K {
			x := *add(g.A, aAt)
			y := lanes8(g.B, bAt)
			c0 += float32(x * y[0])
			c1 += float32(x * y[1])
			c2 += float32(x * y[2])
			c3 += float32(x * y[3])
			c4 += float32(x * y[4])
			c5 += float32(x * y[5])
			c6 += float32(x * y[6])
			c7 += float32(x * y[7])
			aAt += g.AStep
			bAt += g.BStep
		}
	}
	*acc = [8]float32{c0, c1, c2, c3, c4, c5, c6, c7}
}

func relu(acc *[Block]float32) {
	for j := range acc {
		if acc[j] < 0 {
			acc[j] = 0
		}
	}
}

func maxPoolF32Ref(p *MaxPoolF32Args) {
	checkMaxPoolF32(p)
	taps := unsafe.Slice(p.Taps, p.NTaps)
	for r := range p.Rows {
		acc := *lanes16(p.A, r*p.ARow+taps[0])
		for _, tap := range taps[1:] {
			x := lanes16(p.A, r*p.ARow+tap)
			for j := range acc {
				if x[j] > acc[j] || x[j] != x[j] {
					acc[j] = x[j]
				}
			}
		}
		*lanes16(p.C, r*p.CRow) = acc
	}
}

func lrnF32Ref(l *LRNF32Args) {
	for r := range l.Rows {
		at := 4 * Block * r
		x := *lanes16(l.A, at)
		var sq [Block + 4]float32 // squares of channels -2 to Block+1
		if l.Prev != nil {
			p := lanes16(l.Prev, at)
			sq[0], sq[1] = p[Block-2]*p[Block-2], p[Block-1]*p[Block-1]
		}
		for j := range x {
			sq[2+j] = x[j] * x[j]
		}
		if l.Next != nil {
			n := lanes16(l.Next, at)
			sq[Block+2], sq[Block+3] = n[0]*n[0], n[1]*n[1]
		}
		out := lanes16(l.C, at)
		for j := range x {
			sum := sq[j] + sq[j+1] + sq[j+2] + sq[j+3] + sq[j+4]
			root := sqrt(l.K + float32(l.Alpha*sum))
			out[j] = x[j] / float32(root*sqrt(root))
		}
	}
}

func gaussF32Ref(g *GaussF32Args) {
	for r := range g.Rows {
		at := 4 * Block * r
		inner, norms, out := lanes16(g.Inner, at), lanes16(g.Norms, at), lanes16(g.C, at)
		for j := range out {
			out[j] = expNegative(float32((float32(2*inner[j]) - g.Norm - norms[j]) * g.Scale))
		}
	}
}

// expNegative is exp(x) for x <= 0; above 0 it is 1, below -86 and for a NaN it is 0.
func expNegative(x float32) float32 {
	if !(x >= -86) {
		return 0
	}
	x = float32(min(x, 0) * math.Log2E)
	whole := int32(x) - 1 // the fraction is in (0, 1]
	f := float32((x - float32(whole) - 0.5) * math.Ln2)
	// 2^(1/2) e^f by its Taylor series.
	p := float32(f*(1./720)) + 1./120
	p = float32(p*f) + 1./24
	p = float32(p*f) + 1./6
	p = float32(p*f) + 1./2
	p = float32(p*f) + 1
	p = float32(p*f) + 1
	return float32(p*math.Sqrt2) * math.Float32frombits(uint32(whole+127)<<23)
}

func peakF32Ref(n int) {
	var c [8]float32
	c0, c1, c2, c3, c4, c5, c6, c7 := c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7]
	x, y := float32(1), float32(0.5)
	for range n {
		c0 += float32(x * y)
		c1 += float32(x * y)
		c2 += float32(x * y)
		c3 += float32(x * y)
		c4 += float32(x * y)
		c5 += float32(x * y)
		c6 += float32(x * y)
		c7 += float32(x * y)
	}
	peakSink = c0 + c1 + c2 + c3 + c4 + c5 + c6 + c7
}

// peakSink keeps the compiler from leaving the sums out.
//
//lint:ignore U1000 it is only written
var peakSink float32

// checkGemmF32 panics where the arguments make no tile. It cannot see the buffers.
func checkGemmF32(g *GemmF32Args, maxRows, maxVecs int) {
	if g.K < 1 || g.NTaps < 0 || g.Rows < 1 || g.Rows > maxRows || g.Vecs < 1 || g.Vecs > maxVecs {
		panic("asm: GemmF32: bad tile")
	}
}

func checkMaxPoolF32(p *MaxPoolF32Args) {
	if p.NTaps < 1 {
		panic("asm: MaxPoolF32: no taps")
	}
}

// sqrt is the correctly rounded float32 root: float64 has more than twice the digits.
func sqrt(x float32) float32 { return float32(math.Sqrt(float64(x))) }

func add(p *float32, bytes int) *float32 { return (*float32)(unsafe.Add(unsafe.Pointer(p), bytes)) }

func lanes8(p *float32, bytes int) *[8]float32 { return (*[8]float32)(unsafe.Pointer(add(p, bytes))) }

func lanes16(p *float32, bytes int) *[16]float32 {
	return (*[16]float32)(unsafe.Pointer(add(p, bytes)))
}
