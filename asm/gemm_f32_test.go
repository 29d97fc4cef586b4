package asm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"
)

// gemmCase is a GemmF32 problem: its arguments, and the buffers behind them with only
// as many elements as the arguments describe.
type gemmCase struct {
	args        GemmF32Args
	taps        []int
	a, b, bias  []float32
	c, res      []float32
	aAt         int // bytes from a's start to args.A
	want, bound []float64
	fused       []float32 // the fused chain
	before      []float32 // c as it was
	description string
}

// newGemmCase makes a random problem of rows x vecs tiles.
func newGemmCase(t testing.TB, rng *rand.Rand, rows, vecs int) *gemmCase {
	g := &gemmCase{}
	p := &g.args
	p.Rows, p.Vecs = rows, vecs
	p.Tiles = 1 + rng.IntN(3)
	p.NTaps = 1 + rng.IntN(9)
	p.K = []int{1, 2, 3, 5, 16, 16, 21}[rng.IntN(7)]
	p.ARow = 4 * []int{1, 3, 6, 16, 32, 48, -16}[rng.IntN(7)]
	p.AStep = 4 * []int{1, 1, 1, 16, 3}[rng.IntN(5)]
	p.ATile = rows*p.ARow + 4*rng.IntN(40)
	p.BVec = 4 * Block
	p.BStep = vecs*p.BVec + 4*Block*rng.IntN(2)
	p.CRow = 4 * Block * (1 + rng.IntN(3))
	p.CVec = rows*p.CRow*p.Tiles + 4*Block*rng.IntN(3)
	p.ResVec = p.CVec + 4*Block*rng.IntN(3)
	p.CTile = rows * p.CRow
	p.Low, p.High, p.Clamp = anyBounds(rng)
	for range p.NTaps {
		g.taps = append(g.taps, 4*(rng.IntN(400)-100))
	}
	p.Taps = &g.taps[0]

	atEnd := rng.IntN(2) == 0
	lo, hi := math.MaxInt, math.MinInt
	g.eachA(func(at int) { lo, hi = min(lo, at), max(hi, at) })
	g.a = guarded[float32](t, (hi-lo)/4+1, atEnd)
	g.aAt = -lo
	g.b = guarded[float32](t, (p.NTaps*p.K-1)*p.BStep/4+vecs*Block, atEnd)
	g.c = guarded[float32](t, g.cLen(p.CVec), atEnd)
	fill := func(s []float32) {
		for i := range s {
			s[i] = rng.Float32()*2 - 1
		}
	}
	fill(g.a)
	fill(g.b)
	fill(g.c)
	if rng.IntN(2) == 0 {
		g.bias = guarded[float32](t, vecs*Block, atEnd)
		fill(g.bias)
		p.Bias = &g.bias[0]
	}
	switch rng.IntN(3) {
	case 0:
		g.res = guarded[float32](t, g.cLen(p.ResVec), atEnd)
		fill(g.res)
		p.Res = &g.res[0]
	case 1: // in place
		p.ResVec = p.CVec
		g.res = g.c
		p.Res = &g.c[0]
	}
	p.A = (*float32)(unsafe.Add(unsafe.Pointer(&g.a[0]), g.aAt))
	p.B, p.C = &g.b[0], &g.c[0]
	g.description = fmt.Sprintf("%dx%d tiles %d, taps %d, k %d, ARow %d, AStep %d, bias %v, res %v, clamp %v",
		rows, vecs*Block, p.Tiles, p.NTaps, p.K, p.ARow, p.AStep, p.Bias != nil, p.Res != nil, p.Clamp)
	return g
}

// anyBounds are those of a ReLU, others, or none.
func anyBounds(rng *rand.Rand) (low, high float32, clamp bool) {
	switch rng.IntN(4) {
	case 0:
		return 0, float32(math.Inf(1)), true
	case 1:
		return -0.25, 0.5, true
	}
	return 0, 0, false
}

func (g *gemmCase) eachA(f func(at int)) {
	p := &g.args
	for i := range p.Tiles {
		for r := range p.Rows {
			for _, tap := range g.taps {
				for k := range p.K {
					f(i*p.ATile + r*p.ARow + tap + k*p.AStep)
				}
			}
		}
	}
}

// cLen is the number of elements that the outputs span.
func (g *gemmCase) cLen(vec int) int {
	p := &g.args
	return ((p.Tiles-1)*p.CTile+(p.Rows-1)*p.CRow+(p.Vecs-1)*vec)/4 + Block
}

// solve computes what the doc comment of GemmF32Args says: in float64 with the bound of
// a float32 sum, and as a chain of fused float32 multiply-adds.
func (g *gemmCase) solve() {
	p := &g.args
	g.want = make([]float64, len(g.c))
	g.bound = make([]float64, len(g.c))
	g.fused = append([]float32(nil), g.c...)
	g.before = append([]float32(nil), g.c...)
	for i := range g.want {
		g.want[i] = float64(g.c[i])
	}
	for i := range p.Tiles {
		for r := range p.Rows {
			for v := range p.Vecs {
				for j := range Block {
					var sum, size float64
					var acc float32
					if g.bias != nil {
						acc = g.bias[v*Block+j]
						sum = float64(acc)
						size = math.Abs(sum)
					}
					for t, tap := range g.taps {
						for k := range p.K {
							a := g.a[(g.aAt+i*p.ATile+r*p.ARow+tap+k*p.AStep)/4]
							b := g.b[((t*p.K+k)*p.BStep+v*p.BVec)/4+j]
							acc = fma32(a, b, acc)
							sum += float64(a) * float64(b)
							size += math.Abs(float64(a) * float64(b))
						}
					}
					if g.res != nil {
						x := g.res[(i*p.CTile+r*p.CRow+v*p.ResVec)/4+j]
						acc += x
						sum += float64(x)
						size += math.Abs(float64(x))
					}
					if p.Clamp {
						acc = clamp(acc, p.Low, p.High)
						sum = min(max(sum, float64(p.Low)), float64(p.High))
					}
					at := (i*p.CTile+r*p.CRow+v*p.CVec)/4 + j
					g.want[at], g.fused[at] = sum, acc
					g.bound[at] = float64(p.NTaps*p.K+2) * 0x1p-24 * size
				}
			}
		}
	}
}

// check compares c, as a kernel left it, with the solution.
func (g *gemmCase) check(t testing.TB, fused bool) {
	t.Helper()
	for i, got := range g.c {
		want := g.want[i]
		if d := math.Abs(float64(got) - want); d > g.bound[i] || (got != got) != (want != want) {
			t.Fatalf("%s: c[%d] = %v, want %v within %v", g.description, i, got, want, g.bound[i])
		}
		if fused && !sameBits(got, g.fused[i]) {
			t.Fatalf("%s: c[%d] = %v (%x), fused chain gives %v (%x)", g.description, i, got, math.Float32bits(got), g.fused[i], math.Float32bits(g.fused[i]))
		}
	}
}

func TestGemmF32(t *testing.T) {
	for _, k := range Tiers() {
		t.Run(k.GemmF32.Name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(1, 2))
			for _, rows := range k.GemmF32.Rows {
				for vecs := 1; vecs <= k.GemmF32.MaxVecs; vecs++ {
					for range 20 {
						g := newGemmCase(t, rng, rows, vecs)
						g.solve()
						k.GemmF32.Run(&g.args)
						g.check(t, k.Tier != "ref")
					}
				}
			}
		})
	}
}

// A NaN in A, B, Bias or Res reaches the output, and no other one; a ReLU keeps it.
func TestGemmF32NaN(t *testing.T) {
	nan := float32(math.NaN())
	for _, k := range Tiers() {
		t.Run(k.GemmF32.Name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(3, 4))
			for _, rows := range k.GemmF32.Rows {
				for range 12 {
					g := newGemmCase(t, rng, rows, 1)
					for _, s := range [][]float32{g.a, g.b, g.bias, g.res} {
						if len(s) > 0 && rng.IntN(2) == 0 {
							s[rng.IntN(len(s))] = nan
						}
					}
					g.solve()
					k.GemmF32.Run(&g.args)
					g.check(t, false)
				}
			}
		})
	}
}

// Without taps the output is the bias; without tiles it is left alone.
func TestGemmF32Empty(t *testing.T) {
	for _, k := range Tiers() {
		var a, b, c [Block]float32
		bias := [Block]float32{1, -2, 3}
		for i := range c {
			c[i] = 7
		}
		args := GemmF32Args{A: &a[0], B: &b[0], C: &c[0], Bias: &bias[0], K: 1, Rows: 1, Vecs: 1, Tiles: 0}
		k.GemmF32.Run(&args)
		if c[0] != 7 {
			t.Errorf("%s: no tiles: wrote %v", k.GemmF32.Name, c)
		}
		args.Tiles = 1
		k.GemmF32.Run(&args)
		if c != bias {
			t.Errorf("%s: no taps: %v, want the bias %v", k.GemmF32.Name, c, bias)
		}
	}
}

func TestGemmF32BadTile(t *testing.T) {
	for _, k := range Tiers() {
		for _, p := range []GemmF32Args{
			{Rows: 0, Vecs: 1, K: 1}, {Rows: 15, Vecs: 1, K: 1}, {Rows: 1, Vecs: 0, K: 1},
			{Rows: 1, Vecs: 3, K: 1}, {Rows: 1, Vecs: 1, K: 0}, {Rows: 1, Vecs: 1, K: 1, NTaps: -1},
		} {
			func() {
				defer func() {
					if r := recover(); r != "asm: GemmF32: bad tile" {
						t.Errorf("%s: %d rows, %d vectors, K %d: recovered %v", k.GemmF32.Name, p.Rows, p.Vecs, p.K, r)
					}
				}()
				k.GemmF32.Run(&p)
			}()
		}
	}
}

func FuzzGemmF32(f *testing.F) {
	f.Add(uint64(1), uint8(14), uint8(2))
	f.Add(uint64(2), uint8(1), uint8(1))
	f.Fuzz(func(t *testing.T, seed uint64, rows, vecs uint8) {
		for _, k := range Tiers() {
			rng := rand.New(rand.NewPCG(seed, 0))
			h := k.GemmF32.Rows[int(rows)%len(k.GemmF32.Rows)]
			g := newGemmCase(t, rng, h, 1+int(vecs)%k.GemmF32.MaxVecs)
			g.solve()
			k.GemmF32.Run(&g.args)
			g.check(t, k.Tier != "ref")
		}
	})
}

func TestKernelsDoNotAllocate(t *testing.T) {
	var x [4 * Block]float32
	taps := []int{0, 4 * Block}
	pool := &MaxPoolF32Args{A: &x[0], C: &x[3*Block], Taps: &taps[0], NTaps: 2, Rows: 1}
	lrn := &LRNF32Args{A: &x[0], C: &x[0], Rows: 4, K: 1}
	var y [72 * Block]float32
	var z [8 * Block]uint16
	in := &WinogradInF32Args{A: &x[0], C: &y[0], CXi: 4 * Block, Tiles: 1, Rows: 2, Cols: 2, ARow: 8 * Block}
	out := &WinogradOutF32Args{A: &y[0], C: &x[0], AXi: 4 * Block, Tiles: 1, Rows: 2, Cols: 2, CRow: 8 * Block}
	bf16 := &GemmBF16Args{A: &z[0], B: &z[0], C: &z[4*Block], Taps: &taps[0], NTaps: 1, K: 1, BStep: 4 * Block, Rows: 1, Vecs: 1, Tiles: 1}
	narrow := &NarrowBF16Args{A: &x[0], C: &z[0], Rows: 4}
	widen := &WidenBF16Args{A: &z[0], C: &x[0], Rows: 4}
	for _, k := range Tiers() {
		gemm := &newGemmCase(t, rand.New(rand.NewPCG(5, 6)), k.GemmF32.Rows[0], k.GemmF32.MaxVecs).args
		n := testing.AllocsPerRun(10, func() {
			k.GemmF32.Run(gemm)
			k.MaxPoolF32(pool)
			k.LRNF32(lrn)
			k.PeakF32.Run(1)
			for _, w := range []*WinogradF32{&k.Winograd2F32, &k.Winograd4F32} {
				w.Input(in)
				w.Output(out)
			}
			k.GemmBF16.Run(bf16)
			k.NarrowBF16(narrow)
			k.WidenBF16(widen)
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", k.Tier, n)
		}
	}
}

// fma32 is a*b+c rounded once. The float64 product is exact; the float64 sum is rounded
// to odd, so that rounding it again to float32 equals rounding once.
func fma32(a, b, c float32) float32 {
	p, q := float64(a)*float64(b), float64(c)
	s := p + q
	if math.IsNaN(s) || math.IsInf(s, 0) {
		return float32(s)
	}
	back := s - p // the error of s, exactly (Knuth's two-sum)
	e := (p - (s - back)) + (q - back)
	if bits := math.Float64bits(s); e != 0 && bits&1 == 0 {
		if (e > 0) == (s > 0) {
			bits++
		} else {
			bits--
		}
		s = math.Float64frombits(bits)
	}
	return float32(s)
}

func TestFMA32(t *testing.T) {
	// 1 + 2^-23 times 1 + 2^-23 is 1 + 2^-22 + 2^-46; added to 2^24 the sum lies just
	// above the middle between 2^24 and 2^24+2, where rounding twice goes down.
	x := float32(1 + 0x1p-23)
	if got := fma32(x, x, 1<<24); got != 1<<24+2 {
		t.Errorf("got %v, want %v", got, 1<<24+2)
	}
	y := float32(1 - 0x1p-24) // below the middle, though its square has 48 digits
	if got := fma32(y, y, 1<<24); got != 1<<24 {
		t.Errorf("got %v, want %v", got, 1<<24)
	}
	// Just above a middle by less than a float64 ulp: 1*1 + ... as a product of odd parts.
	a, b := float32(1+0x1p-12), float32(1+0x1p-12) // 1 + 2^-11 + 2^-24
	c := float32(0x1p-60)
	if got, want := fma32(a, b, c), float32(1+0x1p-11+0x1p-23); got != want {
		t.Errorf("got %x, want %x", got, want)
	}
	if got, want := fma32(a, b, -c), float32(1+0x1p-11); got != want {
		t.Errorf("got %x, want %x", got, want)
	}
}

func sameBits(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}
