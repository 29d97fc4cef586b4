//go:build !purego

package asm

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestBFDOT holds the bits of neonbf16's sums to the rule of the Arm Architecture Reference Manual
// (BFDotAdd, FPCR.EBF 0): the products of a pair are exact, their sum is rounded to odd, and so is
// that added to the sum so far.
func TestBFDOT(t *testing.T) {
	k, err := ByName("neonbf16")
	if err != nil {
		t.Skip(err)
	}
	rng := rand.New(rand.NewPCG(20, 21))
	for range 200 {
		const pairs = 9
		var a [2 * pairs]uint16
		var b [2 * pairs * Block]uint16
		for _, s := range [][]uint16{a[:], b[:]} {
			for i := range s {
				s[i] = BF16(float32(rng.IntN(511)-255) / 64) // so that all sums are exact in float64
			}
		}
		var bias [Block]float32
		for i := range bias {
			bias[i] = rng.Float32() - 0.5
		}
		var out [2 * Block]uint16
		tap := 0
		k.GemmBF16.Run(&GemmBF16Args{A: &a[0], B: &b[0], C: &out[0], Bias: &bias[0], Taps: &tap, NTaps: 1, K: pairs,
			AStep: 4, BStep: 4 * Block, CRow: 4 * Block, Rows: 1, Vecs: 1, Tiles: 1, Wide: true})
		for j := range Block {
			want := bias[j]
			for n := range pairs {
				sum := 0.0
				for i := range 2 {
					sum += float64(F32(a[2*n+i])) * float64(F32(b[2*Block*n+2*j+i]))
				}
				want = roundToOdd(float64(want) + float64(roundToOdd(sum)))
			}
			got := math.Float32frombits(uint32(out[2*j]) | uint32(out[2*j+1])<<16)
			if got != want {
				t.Fatalf("lane %d: %v (%x), want %v (%x)", j, got, math.Float32bits(got), want, math.Float32bits(want))
			}
		}
	}
}

// roundToOdd is x in float32, its last digit 1 unless x is one.
func roundToOdd(x float64) float32 {
	near := float32(x)
	if math.Abs(float64(near)) > math.Abs(x) {
		near = math.Nextafter32(near, 0)
	}
	if float64(near) != x {
		near = math.Float32frombits(math.Float32bits(near) | 1)
	}
	return near
}
