package asm

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// both are the Winograd kernels of a tier.
func (k *Kernels) both() []*WinogradF32 { return []*WinogradF32{&k.Winograd2F32, &k.Winograd4F32} }

// kernelMatrix is G of the transforms with out outputs, written down as the definition has it:
// row p is 1, p, p^2 over the product of p's distances to the other points, and 0, 0, 1 for
// the point at infinity. (With out 2 the signs of rows differ from B' as the definition
// has it; it follows the usual form.)
func kernelMatrix(out int) [][3]float64 {
	points := map[int][]float64{2: {0, 1, -1}, 4: {0, 5. / 8, -5. / 8, 1.5, -1.5}}[out]
	var g [][3]float64
	for i, p := range points {
		n := 1.0
		for j, q := range points {
			if i != j {
				n *= p - q
			}
		}
		if out == 2 && i == 0 {
			n = -n
		}
		g = append(g, [3]float64{1 / n, p / n, p * p / n})
	}
	return append(g, [3]float64{0, 0, 1})
}

// The matrices satisfy Winograd's identity: the transforms of the unit impulses of d and g
// give the convolution of the impulses.
func TestWinogradMatrices(t *testing.T) {
	for _, w := range []*winograd{&winograd2, &winograd4} {
		in, out := len(w.bt), len(w.at)
		g := kernelMatrix(out)
		for o := range out {
			for i := range in {
				for k := range 3 {
					var got, want float64
					for xi := range in {
						got += float64(w.at[o][xi]) * float64(w.bt[xi][i]) * g[xi][k]
					}
					if i == o+k {
						want = 1
					}
					if !(math.Abs(got-want) <= 1e-15) {
						t.Errorf("F(%d,3): output %d from input %d by weight %d is %v, want %v", out, o, i, k, got, want)
					}
				}
			}
		}
	}
}

func TestWinogradWeights(t *testing.T) {
	rng := rand.New(rand.NewPCG(20, 21))
	for _, w := range ref.both() {
		m := kernelMatrix(w.Out)
		for range 100 {
			var g [9]float32
			for i := range g {
				g[i] = rng.Float32() - 0.5
			}
			u := make([]float32, w.In*w.In)
			w.Weights(u, &g)
			for z, got := range u {
				var want, size float64
				for k, x := range g {
					v := m[z/w.In][k/3] * m[z%w.In][k%3] * float64(x)
					want += v
					size += math.Abs(v)
				}
				// Rounded to float32 once, after float64 sums.
				if d := math.Abs(float64(got) - want); d > 0x1p-24*math.Abs(want)+1e-14*size {
					t.Fatalf("%s: u[%d] = %v, want %v", w.Name, z, got, want)
				}
			}
		}
	}
}

// winogradIn is a random input transform.
type winogradIn struct {
	args WinogradInF32Args
	a, c []float32
}

func newWinogradIn(t testing.TB, rng *rand.Rand, w *WinogradF32) *winogradIn {
	g := &winogradIn{}
	p := &g.args
	p.Tiles = 1 + rng.IntN(4)
	p.Cols = (p.Tiles-1)*w.Out + w.In
	p.Rows = w.In
	if rng.IntN(2) == 0 {
		p.Cols -= rng.IntN(w.In)
	}
	if rng.IntN(2) == 0 {
		p.Rows -= rng.IntN(w.In)
	}
	p.ARow = 4 * Block * (p.Cols + rng.IntN(3))
	p.CTile = 4 * Block * (1 + rng.IntN(2))
	p.CXi = p.Tiles*p.CTile + 4*Block*rng.IntN(2)
	atEnd := rng.IntN(2) == 0
	g.a = guarded[float32](t, (p.Rows-1)*p.ARow/4+p.Cols*Block, atEnd)
	g.c = guarded[float32](t, ((w.In*w.In-1)*p.CXi+(p.Tiles-1)*p.CTile)/4+Block, atEnd)
	for _, s := range [][]float32{g.a, g.c} {
		for i := range s {
			s[i] = rng.Float32()*2 - 1
		}
	}
	p.A, p.C = &g.a[0], &g.c[0]
	return g
}

// at is input (p, q) of tile i in lane j.
func (g *winogradIn) at(w *WinogradF32, i, p, q, j int) float64 {
	if q += i * w.Out; p >= g.args.Rows || q >= g.args.Cols {
		return 0
	}
	return float64(g.a[p*g.args.ARow/4+q*Block+j])
}

// twoSided is x d x' at (p, q), and the same of the absolute values.
func twoSided(x [][]float32, d func(p, q int) float64, p, q int) (sum, size float64) {
	for k, a := range x[p] {
		for l, b := range x[q] {
			v := float64(a) * float64(b) * d(k, l)
			sum += v
			size += math.Abs(v)
		}
	}
	return sum, size
}

// solve gives what C must hold, and within what.
func (g *winogradIn) solve(w *WinogradF32) (want, bound []float64) {
	want, bound = make([]float64, len(g.c)), make([]float64, len(g.c))
	for i, x := range g.c {
		want[i] = float64(x) // what the transform leaves alone
	}
	for i := range g.args.Tiles {
		for j := range Block {
			for p := range w.In {
				for q := range w.In {
					at := (i*g.args.CTile+(p*w.In+q)*g.args.CXi)/4 + j
					sum, size := twoSided(w.points.bt, func(p, q int) float64 { return g.at(w, i, p, q, j) }, p, q)
					want[at], bound[at] = sum, 10*0x1p-24*size // at most five roundings down, five along
				}
			}
		}
	}
	return want, bound
}

func testWinogradIn(t testing.TB, rng *rand.Rand, w *WinogradF32) []float32 {
	g := newWinogradIn(t, rng, w)
	want, bound := g.solve(w)
	w.Input(&g.args)
	checkWithin(t, fmt.Sprintf("%s: %+v", w.Name, g.args), g.c, want, bound)
	return g.c
}

func checkWithin(t testing.TB, what string, got []float32, want, bound []float64) {
	t.Helper()
	for i, x := range got {
		if d := math.Abs(float64(x) - want[i]); !(d <= bound[i]) {
			t.Fatalf("%s: c[%d] = %v, want %v within %v", what, i, x, want[i], bound[i])
		}
	}
}

func TestWinogradInput(t *testing.T) {
	testWinograd(t, testWinogradIn, 0x70ff6791dec1cb22, 0x9300f7e48cafcd54)
}

func TestWinogradOutput(t *testing.T) {
	testWinograd(t, testWinogradOut, 0x54dc11e8d0995d27, 0xa7bc324a76856013)
}

// testWinograd runs a test of one kernel over all tiers. The vector tiers must agree in every
// bit, also with those of other processors: want are FNV-1a of all the results, 2x2 and 4x4.
func testWinograd(t *testing.T, test func(t testing.TB, rng *rand.Rand, w *WinogradF32) []float32, want ...uint64) {
	for _, k := range Tiers() {
		for size, w := range k.both() {
			sum := fnv.New64a()
			for i := range 100 {
				for _, x := range test(t, rand.New(rand.NewPCG(uint64(i), 11)), w) {
					binary.Write(sum, binary.LittleEndian, x)
				}
			}
			if k.Tier != "ref" && sum.Sum64() != want[size] {
				t.Errorf("%s: the sum of its results is %#x, want %#x", w.Name, sum.Sum64(), want[size])
			}
		}
	}
}

// winogradOut is a random output transform.
type winogradOut struct {
	args            WinogradOutF32Args
	a, c, res, bias []float32
}

func newWinogradOut(t testing.TB, rng *rand.Rand, w *WinogradF32) *winogradOut {
	g := &winogradOut{args: WinogradOutF32Args{Tiles: 1 + rng.IntN(4), Rows: w.Out, Relu: rng.IntN(2) == 0}}
	p := &g.args
	p.Cols = p.Tiles * w.Out
	if rng.IntN(2) == 0 {
		p.Cols -= rng.IntN(w.Out)
	}
	if rng.IntN(2) == 0 {
		p.Rows -= rng.IntN(w.Out)
	}
	p.ATile = 4 * Block * (1 + rng.IntN(2))
	p.AXi = p.Tiles*p.ATile + 4*Block*rng.IntN(2)
	p.CRow = 4 * Block * (p.Cols + rng.IntN(3))
	p.ResRow = 4 * Block * (p.Cols + rng.IntN(3))
	atEnd := rng.IntN(2) == 0
	buffer := func(n int) []float32 {
		s := guarded[float32](t, n, atEnd)
		for i := range s {
			s[i] = rng.Float32()*2 - 1
		}
		return s
	}
	g.a = buffer(((w.In*w.In-1)*p.AXi+(p.Tiles-1)*p.ATile)/4 + Block)
	g.c = buffer((p.Rows-1)*p.CRow/4 + p.Cols*Block)
	if rng.IntN(2) == 0 {
		g.bias = buffer(Block)
		p.Bias = &g.bias[0]
	}
	switch rng.IntN(3) {
	case 0:
		g.res = buffer((p.Rows-1)*p.ResRow/4 + p.Cols*Block)
		p.Res = &g.res[0]
	case 1: // in place
		g.res, p.ResRow = g.c, p.CRow
		p.Res = &g.c[0]
	}
	p.A, p.C = &g.a[0], &g.c[0]
	return g
}

// solve gives what C must hold, and within what.
func (g *winogradOut) solve(w *WinogradF32) (want, bound []float64) {
	p := &g.args
	want, bound = make([]float64, len(g.c)), make([]float64, len(g.c))
	for i, x := range g.c {
		want[i] = float64(x)
	}
	for y := range p.Rows {
		for x := range p.Cols {
			for j := range Block {
				sum, size := 0.0, 0.0
				for k, u := range w.points.at[y] {
					for l, v := range w.points.at[x%w.Out] {
						m := float64(g.a[(x/w.Out*p.ATile+(k*w.In+l)*p.AXi)/4+j])
						sum += float64(u) * float64(v) * m
						size += math.Abs(float64(u) * float64(v) * m)
					}
				}
				if g.bias != nil {
					sum += float64(g.bias[j])
					size += math.Abs(float64(g.bias[j]))
				}
				if g.res != nil {
					r := float64(g.res[y*p.ResRow/4+x*Block+j])
					sum += r
					size += math.Abs(r)
				}
				if p.Relu {
					sum = max(sum, 0)
				}
				at := y*p.CRow/4 + x*Block + j
				want[at], bound[at] = sum, 14*0x1p-24*size // six roundings each way, bias, residual
			}
		}
	}
	return want, bound
}

func testWinogradOut(t testing.TB, rng *rand.Rand, w *WinogradF32) []float32 {
	g := newWinogradOut(t, rng, w)
	want, bound := g.solve(w)
	w.Output(&g.args)
	checkWithin(t, fmt.Sprintf("%s: %+v", w.Name, g.args), g.c, want, bound)
	return g.c
}

// The transforms in bfloat16 do the same to rounded maps, and round the result.
func TestWinogradBF16(t *testing.T) {
	for _, k := range Tiers() {
		rng := rand.New(rand.NewPCG(18, 19))
		for range 100 {
			testWinogradInBF16(t, rng, &k.Winograd2BF16, &ref.Winograd2F32)
			testWinogradOutBF16(t, rng, &k.Winograd2BF16, &ref.Winograd2F32)
		}
	}
}

// rounded rounds s and returns the same numbers as bfloat16, between guards.
func rounded(t testing.TB, rng *rand.Rand, s []float32) []uint16 {
	b := guarded[uint16](t, len(s), rng.IntN(2) == 0)
	for i, x := range s {
		b[i] = BF16(x)
		s[i] = F32(b[i])
	}
	return b
}

func checkRounded(t testing.TB, what string, got []uint16, want, bound []float64) {
	t.Helper()
	for i, b := range got {
		// 2^-8 of the value is the most that rounding adds.
		if d := math.Abs(float64(F32(b)) - want[i]); !(d <= bound[i]+0x1p-8*(math.Abs(want[i])+bound[i])) {
			t.Fatalf("%s: c[%d] = %v, want %v", what, i, F32(b), want[i])
		}
	}
}

func testWinogradInBF16(t testing.TB, rng *rand.Rand, w *WinogradBF16, f32 *WinogradF32) {
	g := newWinogradIn(t, rng, f32)
	a, c := rounded(t, rng, g.a), rounded(t, rng, g.c)
	want, bound := g.solve(f32)
	args := WinogradInBF16Args{
		A: &a[0], C: &c[0], ARow: g.args.ARow / 2, CTile: g.args.CTile / 2, CXi: g.args.CXi / 2,
		Tiles: g.args.Tiles, Rows: g.args.Rows, Cols: g.args.Cols,
	}
	w.Input(&args)
	checkRounded(t, fmt.Sprintf("%s: %+v", w.Name, args), c, want, bound)
}

func testWinogradOutBF16(t testing.TB, rng *rand.Rand, w *WinogradBF16, f32 *WinogradF32) {
	g := newWinogradOut(t, rng, f32)
	c := rounded(t, rng, g.c)
	p := &g.args
	args := WinogradOutBF16Args{
		A: p.A, ATile: p.ATile, AXi: p.AXi, C: &c[0], CRow: p.CRow / 2, ResRow: p.ResRow / 2, Bias: p.Bias,
		Tiles: p.Tiles, Rows: p.Rows, Cols: p.Cols, Relu: p.Relu,
	}
	switch p.Res {
	case nil:
	case p.C:
		args.Res = &c[0]
	default:
		args.Res = &rounded(t, rng, g.res)[0]
	}
	want, bound := g.solve(f32)
	w.Output(&args)
	checkRounded(t, fmt.Sprintf("%s: %+v", w.Name, args), c, want, bound)
}

// A NaN reaches the outputs that depend on it, also through a ReLU and from the residual.
func TestWinogradOutputNaN(t *testing.T) {
	nan := float32(math.NaN())
	for _, k := range Tiers() {
		for _, w := range k.both() {
			a := make([]float32, w.In*w.In*Block)
			c := make([]float32, w.Out*w.Out*Block)
			res := make([]float32, len(c))
			a[w.In*Block+Block+3] = nan // product (1, 1): part of every output
			res[5] = nan
			args := WinogradOutF32Args{
				A: &a[0], AXi: 4 * Block, C: &c[0], CRow: 4 * w.Out * Block, Res: &res[0], ResRow: 4 * w.Out * Block,
				Tiles: 1, Rows: w.Out, Cols: w.Out, Relu: true,
			}
			w.Output(&args)
			for i, got := range c {
				if want := i%Block == 3 || i == 5; (got != got) != want {
					t.Errorf("%s: output %d is %v, want NaN: %v", w.Name, i, got, want)
				}
			}
		}
	}
}

// An infinite pixel reaches the places whose coefficient for it is not zero, and no others: there
// a product with zero would be NaN.
func TestWinogradInputInfinite(t *testing.T) {
	for _, k := range Tiers() {
		for _, w := range k.both() {
			for pixel := range w.In * w.In {
				a, c := make([]float32, w.In*w.In*Block), make([]float32, w.In*w.In*Block)
				a[pixel*Block] = float32(math.Inf(1))
				w.Input(&WinogradInF32Args{A: &a[0], ARow: 4 * w.In * Block, C: &c[0], CTile: 4 * Block, CXi: 4 * Block,
					Tiles: 1, Rows: w.In, Cols: w.In})
				for xi := range w.In * w.In {
					want := float32(0)
					if x := w.points.bt[xi/w.In][pixel/w.In] * w.points.bt[xi%w.In][pixel%w.In]; x != 0 {
						want = x * a[pixel*Block]
					}
					if got := c[xi*Block]; got != want {
						t.Fatalf("%s: an infinite pixel %d makes place %d %v, want %v", w.Name, pixel, xi, got, want)
					}
				}
			}
		}
	}
}

// A whole convolution by the transforms and GemmF32 stays within the bound that
// WinogradF32 states, and on this data within a small multiple of the direct sum's error.
func TestWinogradConvolution(t *testing.T) {
	const (
		channels = 64
		size     = 7 // not a multiple of a tile
		row      = size + 2
	)
	rng := rand.New(rand.NewPCG(12, 13))
	x := make([]float32, channels*row*row) // [channels/16][row][row][16], border of zeros
	for b := range channels / Block {
		for y := range size {
			for i := range size * Block {
				x[((b*row+y+1)*row+1)*Block+i] = rng.Float32()
			}
		}
	}
	weights := make([][9]float32, channels*Block) // [channels][16]
	for i := range weights {
		for k := range 9 {
			weights[i][k] = rng.Float32() - 0.5
		}
	}
	for size2 := range 2 {
		w := ref.both()[size2]
		want, bound, direct := winogradOracle(w, x, weights, channels, size)
		for _, k := range Tiers() {
			w := k.both()[size2]
			y := winogradConv(k, w, x, weights, channels, size)
			worst, sum := 0.0, 0.0
			for i, got := range y {
				d := math.Abs(float64(got) - want[i])
				limit := bound[i] * (channels + 24) * 0x1p-24
				if !(d <= limit) {
					t.Fatalf("%s: output %d off by %v, bound %v", w.Name, i, d, limit)
				}
				worst = max(worst, d/limit)
				sum += d * d
			}
			ratio := math.Sqrt(sum / direct)
			t.Logf("%s: error %.2f of the direct sum's, at most %.4f of the bound", w.Name, ratio, worst)
			if ratio > 3 {
				t.Errorf("%s: error %.2f times that of the direct sum, want at most 3", w.Name, ratio)
			}
		}
	}
}

// winogradConv convolves x with the weights of one output block.
func winogradConv(k *Kernels, w *WinogradF32, x []float32, weights [][9]float32, channels, size int) []float32 {
	row := size + 2
	blocks := channels / Block
	tiles := (size + w.Out - 1) / w.Out
	n := tiles * tiles
	xi := w.In * w.In
	v := make([]float32, xi*blocks*n*Block) // [xi][blocks][n][16]
	m := make([]float32, xi*n*Block)        // [xi][n][16]
	u := make([]float32, xi*channels*Block) // [xi][channels][16]
	y := make([]float32, size*size*Block)   // [size][size][16]
	one := make([]float32, xi)
	for i := range weights {
		w.Weights(one, &weights[i])
		for z, value := range one {
			u[z*len(weights)+i] = value
		}
	}
	for b := range blocks {
		for ty := range tiles {
			w.Input(&WinogradInF32Args{
				A: &x[(b*row+ty*w.Out)*row*Block], ARow: 4 * row * Block,
				C: &v[(b*n+ty*tiles)*Block], CTile: 4 * Block, CXi: 4 * blocks * n * Block,
				Tiles: tiles, Rows: row - ty*w.Out, Cols: row,
			})
		}
	}
	var taps []int
	for b := range blocks {
		taps = append(taps, 4*b*n*Block)
	}
	for z := range xi {
		for r := range n {
			k.GemmF32.Run(&GemmF32Args{
				A: &v[(z*blocks*n+r)*Block], AStep: 4, Taps: &taps[0], NTaps: blocks, K: Block,
				B: &u[z*len(weights)], BStep: 4 * Block,
				C: &m[(z*n+r)*Block], Rows: 1, Vecs: 1, Tiles: 1,
			})
		}
	}
	for ty := range tiles {
		w.Output(&WinogradOutF32Args{
			A: &m[ty*tiles*Block], ATile: 4 * Block, AXi: 4 * n * Block,
			C: &y[ty*w.Out*size*Block], CRow: 4 * size * Block,
			Tiles: tiles, Rows: size - ty*w.Out, Cols: size,
		})
	}
	return y
}

// winogradOracle gives the outputs of winogradConv exactly, for each the sum that the bound of
// WinogradF32 multiplies, and the squared error of plain float32 sums.
func winogradOracle(w *WinogradF32, x []float32, weights [][9]float32, channels, size int) (want, bound []float64, direct float64) {
	row := size + 2
	at := func(c, y, x0 int) float32 {
		if y >= row || x0 >= row {
			return 0
		}
		return x[(c/Block*row*row+y*row+x0)*Block+c%Block]
	}
	want, bound = make([]float64, size*size*Block), make([]float64, size*size*Block)
	plain := make([]float32, len(want))
	xi := w.In * w.In
	gm := kernelMatrix(w.Out)
	m := make([]float64, xi*Block) // sums of |G||g||G'| * |B'||d||B|
	for ty := 0; ty < size; ty += w.Out {
		for tx := 0; tx < size; tx += w.Out {
			clear(m)
			for c := range channels {
				for z := range xi {
					_, v := twoSided(w.points.bt, func(p, q int) float64 { return float64(at(c, ty+p, tx+q)) }, z/w.In, z%w.In)
					for j := range Block {
						var g float64
						for k, value := range weights[c*Block+j] {
							g += math.Abs(gm[z/w.In][k/3] * gm[z%w.In][k%3] * float64(value))
						}
						m[z*Block+j] += g * v
					}
				}
			}
			for p := range min(w.Out, size-ty) {
				for q := range min(w.Out, size-tx) {
					for j := range Block {
						i := ((ty+p)*size+tx+q)*Block + j
						for z := range xi {
							bound[i] += math.Abs(float64(w.points.at[p][z/w.In])*float64(w.points.at[q][z%w.In])) * m[z*Block+j]
						}
						for c := range channels {
							for k, value := range weights[c*Block+j] {
								d := at(c, ty+p+k/3, tx+q+k%3)
								want[i] += float64(value) * float64(d)
								plain[i] = fma32(value, d, plain[i])
							}
						}
						direct += (float64(plain[i]) - want[i]) * (float64(plain[i]) - want[i])
					}
				}
			}
		}
	}
	return want, bound, direct
}

func BenchmarkWinogradF32(b *testing.B) {
	for _, k := range Tiers() {
		for _, w := range k.both() {
			const tiles = 14
			rng := rand.New(rand.NewPCG(1, 1))
			side := tiles*w.Out + 2
			x := make([]float32, w.In*side*Block+16)
			for i := range x {
				x[i] = rng.Float32()
			}
			v := make([]float32, w.In*w.In*(tiles+1)*Block+16)
			align := func(s []float32) *float32 {
				return &s[(64-int(uintptr(unsafe.Pointer(&s[0]))%64))%64/4]
			}
			in := WinogradInF32Args{A: align(x), ARow: 4 * side * Block, C: align(v), CTile: 4 * Block, CXi: 4 * (tiles + 1) * Block, Tiles: tiles, Rows: w.In, Cols: side}
			out := WinogradOutF32Args{A: align(v), ATile: 4 * Block, AXi: in.CXi, C: align(x), CRow: in.ARow, Tiles: tiles, Rows: w.Out, Cols: tiles * w.Out}
			for name, run := range map[string]func(){
				"in":  func() { w.Input(&in) },
				"out": func() { w.Output(&out) },
			} {
				b.Run(fmt.Sprintf("%s/%s", w.Name, name), func(b *testing.B) {
					best := time.Hour
					for b.Loop() {
						start := time.Now()
						for range 10 {
							run()
						}
						best = min(best, time.Since(start))
					}
					b.ReportMetric(float64(best.Nanoseconds())/10/tiles, "ns/tile") // of the fastest
				})
			}
		}
	}
}

// BenchmarkWinogradLayer runs whole 3x3 layers on one core, a group of rows of tiles at a
// time: all input blocks, then for each pair of output blocks the products and the
// outputs. GMAC/s counts the multiply-adds of the direct convolution, of the fastest run.
func BenchmarkWinogradLayer(b *testing.B) {
	for _, k := range Tiers()[1:] {
		if k.BF16 {
			continue // the float32 kernels of the tier below
		}
		for _, w := range k.both() {
			for _, l := range layers {
				if l.size != 3 || l.step != 1 {
					continue
				}
				for _, images := range []int{1, 8} {
					for _, group := range []int{28, 112} {
						b.Run(fmt.Sprintf("%s/%s/images=%d/tiles=%d", w.Name, l.name, images, group), func(b *testing.B) {
							run := l.winogradRunner(k, w, images, group)
							best := time.Hour
							for b.Loop() {
								start := time.Now()
								run()
								best = min(best, time.Since(start))
							}
							b.ReportMetric(l.macs()*float64(images)/best.Seconds()/1e9, "GMAC/s")
						})
					}
				}
			}
		}
	}
}

// winogradRunner returns a function that runs the layer over images, group tiles at a time,
// or a few more or less.
func (l layer) winogradRunner(k *Kernels, w *WinogradF32, images, group int) func() {
	rng := rand.New(rand.NewPCG(1, 1))
	random := func(n int) []float32 {
		s := make([]float32, n+16)
		for i := range s {
			s[i] = rng.Float32() - 0.5
		}
		return s[(64-int(uintptr(unsafe.Pointer(&s[0]))%64))%64/4:]
	}
	row := l.in + 2
	plane := row * row * Block
	inBlocks, outBlocks := l.channels/Block, l.out/Block
	xi := w.In * w.In
	tiles := (l.in + w.Out - 1) / w.Out // of a row, and rows of an image
	rows := max(1, group/tiles)         // rows of tiles per group
	most := rows * tiles
	vXi := inBlocks*most*Block + Block
	mXi := 2*most*Block + Block
	x := random(images * inBlocks * plane)
	u := random(xi * l.channels * l.out)
	v, m := random(xi*vXi), random(xi*mXi)
	y := random(images * outBlocks * plane)
	bias := random(l.out)
	var taps []int
	for c := range inBlocks {
		taps = append(taps, 4*c*most*Block)
	}
	return func() {
		for r0 := 0; r0 < images*tiles; r0 += rows {
			n := min(rows, images*tiles-r0)
			for c := range inBlocks {
				for r := range n {
					image, ty := (r0+r)/tiles, (r0+r)%tiles
					w.Input(&WinogradInF32Args{
						A: &x[(image*inBlocks+c)*plane+ty*w.Out*row*Block], ARow: 4 * row * Block,
						C: &v[(c*most+r*tiles)*Block], CTile: 4 * Block, CXi: 4 * vXi,
						Tiles: tiles, Rows: row - ty*w.Out, Cols: row,
					})
				}
			}
			for o := 0; o < outBlocks; o += 2 {
				for z := range xi {
					args := GemmF32Args{
						ARow: 4 * Block, AStep: 4, Taps: &taps[0], NTaps: inBlocks, K: Block,
						B: &u[(z*outBlocks+o)*Block*l.channels], BStep: 8 * Block, BVec: 4 * Block,
						CRow: 4 * Block, CVec: 4 * most * Block, Vecs: 2,
					}
					left := n * tiles
					for count := (left + k.GemmF32.Rows[0] - 1) / k.GemmF32.Rows[0]; count > 0; {
						h := (left + count - 1) / count
						same := left - count*(h-1) // tiles of that height
						if h == 1 {
							same = count
						}
						at := n*tiles - left
						args.A, args.C = &v[z*vXi+at*Block], &m[z*mXi+at*Block]
						args.Rows, args.Tiles, args.ATile, args.CTile = h, same, 4*h*Block, 4*h*Block
						k.GemmF32.Run(&args)
						left -= same * h
						count -= same
					}
				}
				for r := range n {
					image, ty := (r0+r)/tiles, (r0+r)%tiles
					for i := range 2 {
						w.Output(&WinogradOutF32Args{
							A: &m[(i*most+r*tiles)*Block], ATile: 4 * Block, AXi: 4 * mXi,
							C: &y[(image*outBlocks+o+i)*plane+(ty*w.Out+1)*row*Block+Block], CRow: 4 * row * Block,
							Bias: &bias[(o+i)*Block], Relu: true,
							Tiles: tiles, Rows: l.in - ty*w.Out, Cols: l.in,
						})
					}
				}
			}
		}
	}
}

func BenchmarkWinogradWeights(b *testing.B) {
	u := make([]float32, 36)
	g := [9]float32{1, 2, 3, 4, 5, 6, 7, 8, 9}
	for b.Loop() {
		ref.Winograd4F32.Weights(u, &g)
	}
}
