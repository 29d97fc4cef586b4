package asm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"
	"unsafe"
)

// The loops in assembly read the arguments in bfloat16 by the offsets of those in float32.
func TestArgsLayout(t *testing.T) {
	for _, c := range [][2]any{
		{GemmF32Args{}, GemmBF16Args{}},
		{MaxPoolF32Args{}, MaxPoolBF16Args{}},
		{WinogradInF32Args{}, WinogradInBF16Args{}},
		{WinogradOutF32Args{}, WinogradOutBF16Args{}},
	} {
		f32, bf16 := reflect.TypeOf(c[0]), reflect.TypeOf(c[1])
		for i := range f32.NumField() {
			f := f32.Field(i)
			if b, ok := bf16.FieldByName(f.Name); !ok || b.Offset != f.Offset {
				t.Errorf("%s lies at %d in %v, not in %v", f.Name, f.Offset, f32, bf16)
			}
		}
	}
}

func TestBF16(t *testing.T) {
	for _, c := range []struct {
		x    float32
		want uint16
	}{
		{0, 0}, {float32(math.Copysign(0, -1)), 0x8000}, {1, 0x3f80}, {-2, 0xc000},
		{1 + 0x1p-8, 0x3f80}, {1 + 0x1p-7 + 0x1p-8, 0x3f82}, {1 + 0x1p-8 + 0x1p-23, 0x3f81}, // ties to even, and just above
		{math.MaxFloat32, 0x7f80}, {float32(math.Inf(-1)), 0xff80},
		{0x1p-126, 0x0080}, {0x1p-127, 0}, {-0x1p-130, 0x8000}, // the least normal, and below
		{math.Float32frombits(0x7f800001), 0x7fc0}, {math.Float32frombits(0xffc12345), 0xffc1},
	} {
		if got := BF16(c.x); got != c.want {
			t.Errorf("BF16(%x) = %#x, want %#x", math.Float32bits(c.x), got, c.want)
		}
	}
	for b := range 1 << 16 { // what is a bfloat16 stays one
		x := F32(uint16(b))
		want := uint16(b)
		if x != x {
			want |= 0x40
		} else if b&0x7f80 == 0 {
			want &= 0x8000
		}
		if got := BF16(x); got != want {
			t.Fatalf("BF16(F32(%#x)) = %#x", b, got)
		}
	}
}

func TestConvertBF16(t *testing.T) {
	rng := rand.New(rand.NewPCG(14, 15))
	for _, k := range Tiers() {
		for rows := range 9 {
			for _, atEnd := range []bool{false, true} {
				a := guarded[float32](t, rows*Block, atEnd)
				c := guarded[uint16](t, rows*Block, atEnd)
				back := guarded[float32](t, rows*Block, atEnd)
				for i := range a {
					a[i] = math.Float32frombits(rng.Uint32())
				}
				first := func(s []float32) *float32 { return unsafe.SliceData(s) }
				k.NarrowBF16(&NarrowBF16Args{A: first(a), C: unsafe.SliceData(c), Rows: rows})
				k.WidenBF16(&WidenBF16Args{A: unsafe.SliceData(c), C: first(back), Rows: rows})
				for i, x := range a {
					if c[i] != BF16(x) || math.Float32bits(back[i]) != uint32(c[i])<<16 {
						t.Fatalf("%s: %x becomes %#x, then %x; want %#x", k.Tier, math.Float32bits(x), c[i], math.Float32bits(back[i]), BF16(x))
					}
				}
			}
		}
	}
}

func TestGemmBF16(t *testing.T) {
	for _, k := range Tiers() {
		t.Run(k.Tier+"/"+k.GemmBF16.Name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(16, 17))
			for _, rows := range k.GemmBF16.Rows {
				for vecs := 1; vecs <= k.GemmBF16.MaxVecs; vecs++ {
					for range 16 {
						testGemmBF16(t, rng, k, rows, vecs)
					}
				}
			}
		})
	}
}

func FuzzGemmBF16(f *testing.F) {
	f.Add(uint64(1), uint8(14), uint8(2))
	f.Fuzz(func(t *testing.T, seed uint64, rows, vecs uint8) {
		for _, k := range Tiers() {
			rng := rand.New(rand.NewPCG(seed, 0))
			testGemmBF16(t, rng, k, k.GemmBF16.Rows[int(rows)%len(k.GemmBF16.Rows)], 1+int(vecs)%k.GemmBF16.MaxVecs)
		}
	})
}

// testGemmBF16 runs a random problem and compares with the sum in float64.
func testGemmBF16(t testing.TB, rng *rand.Rand, k *Kernels, rows, vecs int) {
	p := GemmBF16Args{
		Rows: rows, Vecs: vecs, Tiles: 1 + rng.IntN(3), NTaps: 1 + rng.IntN(9), K: []int{1, 2, 3, 8, 11}[rng.IntN(5)],
		ARow: 2 * []int{1, 6, 16, 32, -16}[rng.IntN(5)], AStep: 2 * []int{2, 2, 16}[rng.IntN(3)],
		Wide: rng.IntN(3) == 0,
	}
	p.Low, p.High, p.Clamp = anyBounds(rng)
	p.ATile = rows*p.ARow + 2*rng.IntN(40)
	p.BVec = 4 * Block
	p.BStep = vecs*p.BVec + 4*Block*rng.IntN(2)
	size := 2 // bytes of an element of C
	if p.Wide {
		size = 4
	}
	p.CRow = size * Block * (1 + rng.IntN(3))
	p.CTile = rows * p.CRow
	p.CVec = p.Tiles * p.CTile
	p.ResVec = p.CVec + 2*Block*rng.IntN(3)
	var taps []int
	lo, hi := math.MaxInt, math.MinInt
	for range p.NTaps {
		tap := 2 * (rng.IntN(400) - 100)
		taps = append(taps, tap)
		for _, tile := range []int{0, (p.Tiles - 1) * p.ATile} {
			for _, row := range []int{0, (rows - 1) * p.ARow} {
				lo, hi = min(lo, tile+row+tap), max(hi, tile+row+tap+(p.K-1)*p.AStep)
			}
		}
	}
	atEnd := rng.IntN(2) == 0
	random := func(s []uint16) []uint16 {
		for i := range s {
			s[i] = BF16(rng.Float32()*2 - 1)
		}
		return s
	}
	a := random(guarded[uint16](t, (hi-lo)/2+2, atEnd))
	b := random(guarded[uint16](t, (p.NTaps*p.K-1)*p.BStep/2+vecs*2*Block, atEnd))
	span := func(vec, size int) int {
		return ((p.Tiles-1)*p.CTile+(rows-1)*p.CRow+(vecs-1)*vec)/size + Block
	}
	var c, res []uint16
	var wide, bias []float32
	if p.Wide {
		wide = guarded[float32](t, span(p.CVec, 4), atEnd)
		p.C = (*uint16)(unsafe.Pointer(&wide[0]))
	} else {
		c = random(guarded[uint16](t, span(p.CVec, 2), atEnd))
		p.C = &c[0]
		switch rng.IntN(3) {
		case 0:
			res = random(guarded[uint16](t, span(p.ResVec, 2), atEnd))
			p.Res = &res[0]
		case 1: // in place
			p.ResVec = p.CVec
			p.Res = &c[0]
			res = append(res, c...)
		}
	}
	if rng.IntN(2) == 0 {
		bias = guarded[float32](t, vecs*Block, atEnd)
		for i := range bias {
			bias[i] = rng.Float32() - 0.5
		}
		p.Bias = &bias[0]
	}
	if rng.IntN(4) == 0 {
		a[rng.IntN(len(a))] = 0x7fc0
		b[rng.IntN(len(b))] = 0xffc0
	}
	p.Taps = &taps[0]
	p.A, p.B = (*uint16)(unsafe.Add(unsafe.Pointer(&a[0]), -lo)), &b[0]
	before := append([]uint16(nil), c...)
	k.GemmBF16.Run(&p)

	written := make(map[int]bool)
	for i := range p.Tiles {
		for r := range rows {
			for v := range vecs {
				for j := range Block {
					var want, sum float64
					if bias != nil {
						want = float64(bias[v*Block+j])
						sum = math.Abs(want)
					}
					for ti, tap := range taps {
						for n := range 2 * p.K {
							x := F32(a[(i*p.ATile+r*p.ARow+tap+n/2*p.AStep-lo)/2+n%2])
							y := F32(b[((ti*p.K+n/2)*p.BStep+v*p.BVec)/2+2*j+n%2])
							want += float64(x) * float64(y)
							sum += math.Abs(float64(x) * float64(y))
						}
					}
					if res != nil {
						x := float64(F32(res[(i*p.CTile+r*p.CRow+v*p.ResVec)/2+j]))
						want += x
						sum += math.Abs(x)
					}
					if p.Clamp {
						want = min(max(want, float64(p.Low)), float64(p.High))
					}
					bound := float64(2*p.NTaps*p.K+2) * 0x1p-24 * sum
					if k.Tier == "neonbf16" { // rounds to odd
						bound *= 2
					}
					at := (i*p.CTile + r*p.CRow + v*p.CVec) / size
					var got float64
					if p.Wide {
						got = float64(wide[at+j])
					} else {
						got = float64(F32(c[at+j]))
						bound += 0x1p-8*(math.Abs(want)+bound) + 0x1p-126
						written[at+j] = true
					}
					if d := math.Abs(got - want); d > bound || (got != got) != (want != want) {
						t.Fatalf("%s: %s: C[%d][%d][%d][%d] = %v, want %v within %v", k.Tier, fmt.Sprintf("%+v", p), i, r, v, j, got, want, bound)
					}
				}
			}
		}
	}
	for i, x := range c {
		if !written[i] && x != before[i] {
			t.Fatalf("%s: %+v: wrote c[%d]", k.Tier, p, i)
		}
	}
}

func TestGemmBF16BadTile(t *testing.T) {
	var x uint16
	for _, k := range Tiers() {
		for _, p := range []GemmBF16Args{
			{Rows: 0, Vecs: 1, K: 1}, {Rows: 33, Vecs: 1, K: 1}, {Rows: 1, Vecs: 3, K: 1}, {Rows: 1, Vecs: 1, K: 0},
			{Rows: 1, Vecs: 1, K: 1, Wide: true, Res: &x},
		} {
			func() {
				defer func() {
					if r := recover(); r != "asm: GemmBF16: bad tile" {
						t.Errorf("%s: %+v: recovered %v", k.Tier, p, r)
					}
				}()
				k.GemmBF16.Run(&p)
			}()
		}
	}
}
