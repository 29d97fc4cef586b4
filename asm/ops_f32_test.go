package asm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

// special are values that a maximum or a norm could get wrong.
var special = []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), math.MaxFloat32, 1e-45}

// rough fills s with numbers, some of them special.
func rough(rng *rand.Rand, s []float32) {
	for i := range s {
		if s[i] = rng.Float32()*20 - 10; rng.IntN(12) == 0 {
			s[i] = special[rng.IntN(len(special))]
		}
	}
}

func TestMaxPoolF32(t *testing.T) {
	for _, k := range Tiers() {
		t.Run(k.Tier, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(7, 8))
			for range 200 {
				testMaxPoolF32(t, rng, k)
			}
		})
	}
}

func testMaxPoolF32(t *testing.T, rng *rand.Rand, k *Kernels) {
	p := MaxPoolF32Args{NTaps: 1 + rng.IntN(9), Rows: rng.IntN(9), ARow: 4 * Block * (1 + rng.IntN(3)), CRow: 4 * Block * (1 + rng.IntN(2))}
	var taps []int
	for range p.NTaps {
		taps = append(taps, 4*(rng.IntN(200)-50))
	}
	p.Taps = &taps[0]
	lo, hi := slices.Min(taps), slices.Max(taps)+(max(p.Rows, 1)-1)*p.ARow
	atEnd := rng.IntN(2) == 0
	a := guarded[float32](t, (hi-lo)/4+Block, atEnd)
	rough(rng, a)
	for i, x := range a { // also bfloat16
		a[i] = F32(uint16(math.Float32bits(x) >> 16))
	}
	c := guarded[float32](t, (max(p.Rows, 1)-1)*p.CRow/4+Block, atEnd)
	rough(rng, c)
	want := slices.Clone(c)
	for r := range p.Rows {
		for j := range Block {
			at := func(tap int) float32 { return a[(tap-lo+r*p.ARow)/4+j] }
			best := at(taps[0])
			for _, tap := range taps[1:] {
				if x := at(tap); best == best && !(x <= best) {
					best = x
				}
			}
			want[r*p.CRow/4+j] = best
		}
	}
	p.A, p.C = (*float32)(unsafe.Add(unsafe.Pointer(&a[0]), -lo)), &c[0]
	k.MaxPoolF32(&p)
	for i := range c {
		if !sameBits(c[i], want[i]) {
			t.Fatalf("%d rows, taps %v: c[%d] = %v, want %v", p.Rows, taps, i, c[i], want[i])
		}
	}

	// The same in bfloat16, the upper halves.
	a16, c16 := guarded[uint16](t, len(a), atEnd), guarded[uint16](t, len(c), atEnd)
	for i, x := range a {
		a16[i] = uint16(math.Float32bits(x) >> 16)
	}
	for i := range taps {
		taps[i] /= 2
	}
	k.MaxPoolBF16(&MaxPoolBF16Args{
		A: (*uint16)(unsafe.Add(unsafe.Pointer(&a16[0]), -lo/2)), C: &c16[0],
		Taps: p.Taps, NTaps: p.NTaps, Rows: p.Rows, ARow: p.ARow / 2, CRow: p.CRow / 2,
	})
	for r := range p.Rows {
		for j := range Block {
			at := r*p.CRow/4 + j
			if want := uint16(math.Float32bits(want[at]) >> 16); c16[at] != want {
				t.Fatalf("bfloat16: %d rows, taps %v: c[%d] = %#x, want %#x", p.Rows, taps, at, c16[at], want)
			}
		}
	}
}

func TestMaxPoolF32NoTaps(t *testing.T) {
	for _, k := range Tiers() {
		func() {
			defer func() {
				if r := recover(); r != "asm: MaxPoolF32: no taps" {
					t.Errorf("%s: recovered %v", k.Tier, r)
				}
			}()
			k.MaxPoolF32(&MaxPoolF32Args{Rows: 1})
		}()
	}
}

func TestLRNF32(t *testing.T) {
	for _, k := range Tiers() {
		t.Run(k.Tier, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(9, 10))
			for i := range 200 {
				testLRNF32(t, rng, k, i%2 == 0)
			}
		})
	}
}

// testLRNF32 compares with the formula in float64, and the bits with the ref tier.
func testLRNF32(t *testing.T, rng *rand.Rand, k *Kernels, ordinary bool) {
	rows := rng.IntN(7)
	p := LRNF32Args{Rows: rows, K: 1 + rng.Float32(), Alpha: rng.Float32() * 0.1}
	block := func() []float32 {
		s := guarded[float32](t, rows*Block, rng.IntN(2) == 0)
		rough(rng, s)
		if ordinary {
			for i := range s {
				s[i] = rng.Float32()*200 - 100
			}
		}
		return s
	}
	first := func(s []float32) *float32 { return (*float32)(unsafe.Pointer(unsafe.SliceData(s))) }
	all := [3][]float32{nil, block(), nil} // Prev, A, Next
	if rng.IntN(3) > 0 {
		all[0] = block()
		p.Prev = first(all[0])
	}
	if rng.IntN(3) > 0 {
		all[2] = block()
		p.Next = first(all[2])
	}
	p.A = first(all[1])
	want := make([]float32, rows*Block+1)
	p.C = &want[0]
	lrnF32Ref(&p)
	if ordinary {
		for i, got := range want[:rows*Block] {
			var sum float64
			for d := -2; d <= 2; d++ {
				c := i%Block + d + Block
				if s := all[c/Block]; s != nil {
					x := float64(s[i/Block*Block+c%Block])
					sum += x * x
				}
			}
			exact := float64(all[1][i]) * math.Pow(float64(p.K)+float64(p.Alpha)*sum, -0.75)
			// Each of the roundings on the way moves the result by at most half an ulp,
			// those inside the power by three quarters of that.
			if d := math.Abs(float64(got) - exact); d > 8*0x1p-24*math.Abs(exact) {
				t.Fatalf("ref: c[%d] = %v, want %v", i, got, exact)
			}
		}
	}
	c := guarded[float32](t, rows*Block, true)
	if rng.IntN(2) == 0 { // in place
		c = all[1]
	}
	p.C = first(c)
	k.LRNF32(&p)
	for i, got := range c {
		if !sameBits(got, want[i]) {
			t.Fatalf("c[%d] = %v, ref gives %v", i, got, want[i])
		}
	}
}

func TestGaussF32(t *testing.T) {
	for _, k := range Tiers() {
		t.Run(k.Tier, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(11, 12))
			for i := range 200 {
				testGaussF32(t, rng, k, i%2 == 0)
			}
		})
	}
}

// testGaussF32 compares with the formula in float64, and the bits with the ref tier.
func testGaussF32(t *testing.T, rng *rand.Rand, k *Kernels, ordinary bool) {
	rows := rng.IntN(5)
	inner, norms := guarded[float32](t, rows*Block, rng.IntN(2) == 0), guarded[float32](t, rows*Block, rng.IntN(2) == 0)
	rough(rng, inner)
	rough(rng, norms)
	p := GaussF32Args{Rows: rows, Norm: 20 * rng.Float32(), Scale: 5 * rng.Float32()}
	if ordinary { // distances of vectors: 2 inner <= norm + norms
		for i := range inner {
			norms[i] = 20 * rng.Float32()
			inner[i] = (p.Norm + norms[i]) / 2 * (1 - rng.Float32()*rng.Float32())
		}
	}
	first := func(s []float32) *float32 { return (*float32)(unsafe.Pointer(unsafe.SliceData(s))) }
	p.Inner, p.Norms = first(inner), first(norms)
	want := make([]float32, rows*Block+1)
	p.C = &want[0]
	gaussF32Ref(&p)
	if ordinary {
		for i, got := range want[:rows*Block] {
			x := float64((2*inner[i] - p.Norm - norms[i]) * p.Scale)
			exact := math.Exp(min(x, 0))
			if d := math.Abs(float64(got) - exact); d > 1e-7*(3-x)*exact && !(x < -86 && got == 0) {
				t.Fatalf("ref: c[%d] = %v, want %v = exp(%v)", i, got, exact, x)
			}
		}
	}
	c := guarded[float32](t, rows*Block, true)
	if rng.IntN(2) == 0 { // in place
		c = inner
	}
	p.C = first(c)
	k.GaussF32(&p)
	for i, got := range c {
		if !sameBits(got, want[i]) {
			t.Fatalf("c[%d] = %v, ref gives %v", i, got, want[i])
		}
	}
}

func TestExpNegative(t *testing.T) {
	worst := 0.0
	for x := float32(0); x > -90; x -= 0.0007 {
		want := math.Exp(float64(x))
		bound := 1e-7 * (3 - float64(x)) * want
		if x < -86 {
			bound = 5e-38
		}
		worst = max(worst, math.Abs(float64(expNegative(x))-want)/bound)
	}
	t.Logf("largest error %.2g of the bound", worst)
	if worst > 1 || expNegative(-1000) != 0 {
		t.Errorf("error %.3g of the bound; exp(-1000) = %g", worst, expNegative(-1000))
	}
}
