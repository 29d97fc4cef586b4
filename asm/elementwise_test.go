package asm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"
)

func TestDepthwiseF32(t *testing.T) {
	for _, k := range Tiers() {
		t.Run(k.Tier, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(13, 14))
			for i := range 300 {
				testDepthwiseF32(t, rng, k, i%3 > 0)
			}
			defer func() {
				if r := recover(); r != "asm: DepthwiseF32: no taps" {
					t.Errorf("no taps: recovered %v", r)
				}
			}()
			k.DepthwiseF32(&DepthwiseF32Args{Rows: 1})
		})
	}
}

// testDepthwiseF32 compares with a chain of fused multiply-adds: the ref tier within GemmF32's
// bound, the others to the bit.
func testDepthwiseF32(t *testing.T, rng *rand.Rand, k *Kernels, ordinary bool) {
	p := DepthwiseF32Args{NTaps: 1 + rng.IntN(25), Rows: rng.IntN(20), ARow: 4 * Block * (1 + rng.IntN(3)), CRow: 4 * Block * (1 + rng.IntN(2))}
	p.Low, p.High = float32(math.Inf(-1)), float32(math.Inf(1))
	if rng.IntN(2) == 0 {
		p.Low, p.High = 0, []float32{6, p.High}[rng.IntN(2)]
	}
	var taps []int
	for range p.NTaps {
		taps = append(taps, 4*(rng.IntN(200)-50))
	}
	p.Taps = &taps[0]
	fill := func(s []float32) []float32 {
		rough(rng, s)
		if ordinary {
			for i := range s {
				s[i] = rng.Float32()*4 - 2
			}
		}
		return s
	}
	atEnd := rng.IntN(2) == 0
	lo, hi := slices.Min(taps), slices.Max(taps)+(max(p.Rows, 1)-1)*p.ARow
	a := fill(guarded[float32](t, (hi-lo)/4+Block, atEnd))
	b := fill(guarded[float32](t, p.NTaps*Block, atEnd))
	c := fill(guarded[float32](t, (max(p.Rows, 1)-1)*p.CRow/4+Block, atEnd))
	bias := make([]float32, Block)
	if rng.IntN(2) == 0 {
		bias = fill(guarded[float32](t, Block, atEnd))
		p.Bias = &bias[0]
	}
	p.A, p.B, p.C = (*float32)(unsafe.Add(unsafe.Pointer(&a[0]), -lo)), &b[0], &c[0]
	before := slices.Clone(c)
	k.DepthwiseF32(&p)
	for r := range max(p.Rows, 1) {
		for j := range p.CRow / 4 {
			at := r*p.CRow/4 + j
			if at >= len(c) {
				break
			}
			if r >= p.Rows || j >= Block {
				if !sameBits(c[at], before[at]) {
					t.Fatalf("%d rows: c[%d] was written", p.Rows, at)
				}
				continue
			}
			fused, size := bias[j], math.Abs(float64(bias[j]))
			for n, tap := range taps {
				x, y := a[(tap-lo+r*p.ARow)/4+j], b[n*Block+j]
				fused = fma32(x, y, fused)
				size += math.Abs(float64(x) * float64(y))
			}
			want := clamp(fused, p.Low, p.High)
			if k.Tier != "ref" {
				if !sameBits(c[at], want) {
					t.Fatalf("%d taps: c[%d] = %v, want %v", p.NTaps, at, c[at], want)
				}
				continue
			}
			if bound := float64(p.NTaps+2) * size * 0x1p-24; ordinary && math.Abs(float64(c[at]-want)) > bound {
				t.Fatalf("%d taps: c[%d] = %v, want %v within %g", p.NTaps, at, c[at], want, bound)
			}
			if !(size > math.MaxFloat32) && (want != want) != (c[at] != c[at]) { // overflow may differ
				t.Fatalf("%d taps: c[%d] = %v, want %v", p.NTaps, at, c[at], want)
			}
		}
	}
}

// TestElementwiseF32 compares the functions of every element with their definitions, and the
// bits with the ref tier.
func TestElementwiseF32(t *testing.T) {
	for _, k := range Tiers() {
		t.Run(k.Tier, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(15, 16))
			for i := range 400 {
				rows, gate := rng.IntN(6), rng.IntN(2) == 0
				a := guarded[float32](t, rows*Block, rng.IntN(2) == 0)
				rough(rng, a)
				if i%4 > 0 {
					for i := range a {
						a[i] = float32(rng.NormFloat64() * math.Pow(10, float64(rng.IntN(4))-1))
					}
				}
				x, want := slices.Clone(a), make([]float32, rows*Block+1)
				c := guarded[float32](t, rows*Block, true)
				if rng.IntN(2) == 0 {
					c = a
				}
				first := func(s []float32) *float32 { return (*float32)(unsafe.Pointer(unsafe.SliceData(s))) }
				linear := i%2 == 0
				scale, shift := guarded[float32](t, Block, true), guarded[float32](t, Block, false)
				rough(rng, scale)
				rough(rng, shift)
				low := rng.Float32()*4 - 3
				if linear {
					m := MapF32Args{A: first(a), C: &want[0], Scale: &scale[0], Shift: &shift[0], Rows: rows, Low: low, High: low + 3, Gate: gate}
					mapF32Ref(&m)
					m.C = first(c)
					k.MapF32(&m)
				} else {
					s := SigmoidF32Args{A: first(a), C: &want[0], Rows: rows, Gate: gate}
					if rng.IntN(2) == 0 {
						s.Curve, s.Cap = new([8]float32), rng.Float32()*40
						for i := range s.Curve {
							s.Curve[i] = rng.Float32() / float32(int(1)<<(3*i))
						}
					}
					sigmoidF32Ref(&s)
					s.C = first(c)
					k.SigmoidF32(&s)
				}
				for i, got := range c {
					if !sameBits(got, want[i]) {
						t.Fatalf("linear %v, gate %v: f(%v) = %v, ref gives %v", linear, gate, x[i], got, want[i])
					}
				}
			}
		})
	}
}

// TestSigmoid holds the ref tier's logistic function to its bound.
func TestSigmoid(t *testing.T) {
	worst := 0.0
	for x := float32(-90); x < 90; x += 0.0007 {
		exact := 1 / (1 + math.Exp(-float64(x)))
		if x < sigmoidLeast {
			if v := sigmoid(x); !(v >= 0 && v < 2e-38) {
				t.Fatalf("sigmoid(%v) = %v", x, v)
			}
			continue
		}
		worst = max(worst, math.Abs(float64(sigmoid(x))-exact)/exact)
	}
	t.Logf("largest relative error %.2g: %.2f of 2^-24", worst, worst*(1<<24))
	if worst > 4*0x1p-24 {
		t.Errorf("relative error %.3g", worst)
	}
	for x, want := range map[float32]float32{0: 0.5, float32(math.Inf(1)): 1, 100: 1} {
		if got := sigmoid(x); got != want {
			t.Errorf("sigmoid(%v) = %v, want %v", x, got, want)
		}
	}
}
