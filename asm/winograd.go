package asm

// WinogradF32 are the transforms of Winograd's minimal filtering F(Out x Out, 3 x 3): a
// 3x3 convolution of stride 1 that makes tiles of Out x Out outputs from tiles of
// In x In inputs, In = Out+2, with In*In products instead of 9*Out*Out. With
// Input, then for each of the In*In places xi of a tile a matrix product over the channels
// (GemmF32, with the tiles as rows), then Output:
//
//	V[xi] = B' d B     Input, for each tile and channel
//	U[xi] = G g G'     Weights, for each pair of channels, once
//	M[xi] = V[xi] U[xi]
//	y     = A' M A     Output, for each tile and channel
//
// (A. Lavin, S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016.)
// The interpolation points are 0, +-1, infinity for Out 2; for Out 4 they are 0, +-5/8,
// +-3/2, infinity, which are exact in float32 and lose half as many digits as the usual
// 0, +-1, +-2, infinity: the root mean square error over 256 channels is twice that of the
// direct sum.
//
// The result y of C channels differs from the exact one by at most
//
//	(C+24) 2^-24 sum over channels of |A'| (|G||g||G'| * |B'||d||B|) |A|
//
// where * is element by element: each operand takes part in at most C+24 roundings on
// its way.
type WinogradF32 struct {
	Name    string
	Out, In int
	Input   func(*WinogradInF32Args)
	Output  func(*WinogradOutF32Args)
	points  *winograd
}

// WinogradInF32Args describes the input transform of a row of tiles of one channel block
// of an NCHW16c map.
//
//	for i := 0; i < Tiles; i++ {
//		for j := 0; j < Block; j++ {
//			d[p][q] := A[p*ARow + (i*Out+q)*(4*Block) + j]   // for p, q < In
//			C[i*CTile + (p*In+q)*CXi + j] = (B' d B)[p][q]
//		}
//	}
//
// Distances are in BYTES. Inputs of row Rows or column Cols (counted from A, in pixels) or
// beyond are not read and count as zero. C must not overlap A. CXi should not be a multiple
// of 4096: stores to that many lines of one cache set would evict each other.
type WinogradInF32Args struct {
	A, C       *float32
	ARow       int
	CTile, CXi int
	Tiles      int
	Rows, Cols int
}

// WinogradOutF32Args describes the output transform of a row of tiles of one channel
// block, and the rest of the layer.
//
//	for i := 0; i < Tiles; i++ {
//		for j := 0; j < Block; j++ {
//			m[p][q] := A[i*ATile + (p*In+q)*AXi + j]   // for p, q < In
//			y := A' m A
//			for p, q < Out:
//				at := (i*Out+q)*(4*Block) + j
//				acc := y[p][q] + Bias[j]
//				if Res != nil { acc += Res[p*ResRow + at] }
//				if Relu { acc = max(acc, 0) }
//				C[p*CRow + at] = acc
//		}
//	}
//
// Distances are in BYTES. Outputs of row Rows or column Cols (counted from C, in pixels) or
// beyond are neither read nor written. A NaN survives Relu. C may be Res; it must not
// overlap A.
type WinogradOutF32Args struct {
	A, C, Res, Bias *float32 // Bias [Block]; Res and Bias may be nil
	ATile, AXi      int
	CRow, ResRow    int
	Tiles           int
	Rows, Cols      int
	Relu            bool
}

// WinogradBF16 are the same transforms between maps in bfloat16; they compute in float32.
// Input rounds V to bfloat16, as GemmBF16 takes it, and Output takes M in float32, as
// GemmBF16 gives it with Wide set.
//
// Rounding V and U to eight digits costs accuracy: over 256 channels of normal weights and
// inputs, the root mean square error against exact weights is 2.2 times that of the direct
// sum with rounded weights for Out 2 (0.33 % of the output). It would be 5.8 times (1 %) for
// Out 4, so there are none.
type WinogradBF16 struct {
	Name    string
	Out, In int
	Input   func(*WinogradInBF16Args)
	Output  func(*WinogradOutBF16Args)
}

// WinogradInBF16Args is WinogradInF32Args with A and C in bfloat16: a pixel is 2*Block
// bytes.
type WinogradInBF16Args struct {
	A, C       *uint16
	ARow       int
	CTile, CXi int
	Tiles      int
	Rows, Cols int
}

// WinogradOutBF16Args is WinogradOutF32Args with C and Res in bfloat16: a pixel is 2*Block
// bytes, of A's vectors 4*Block.
type WinogradOutBF16Args struct {
	A            *float32
	C, Res       *uint16
	Bias         *float32 // [Block]; Res and Bias may be nil
	ATile, AXi   int
	CRow, ResRow int
	Tiles        int
	Rows, Cols   int
	Relu         bool
}

// Weights transforms a 3x3 kernel g, row-major, to u, In*In values: G g G', computed in
// float64 and rounded at the end.
func (w *WinogradF32) Weights(u []float32, g *[9]float32) { w.points.weights(u, g) }

// winograd are the matrices of a set of interpolation points.
type winograd struct {
	bt [][]float32 // B', [In][In]
	at [][]float32 // A', [Out][In]
	// weights computes G g G'.
	weights func(u []float32, g *[9]float32)
}

// The points of the transforms with 4x4 outputs, and their squares.
const (
	pA, pAA = 5.0 / 8, pA * pA
	pB, pBB = 3.0 / 2, pB * pB
)

var winograd2 = winograd{
	bt: [][]float32{
		{1, 0, -1, 0},
		{0, 1, 1, 0},
		{0, -1, 1, 0},
		{0, -1, 0, 1},
	},
	at: [][]float32{
		{1, 1, 1, 0},
		{0, 1, -1, 1},
	},
	weights: winograd2Weights,
}

// For points 0, +-a, +-b: row p of B' holds the coefficients of the product of (x - p')
// over the other points p', and column p of A' the powers of p.
var winograd4 = winograd{
	bt: [][]float32{
		{pAA * pBB, 0, -(pAA + pBB), 0, 1, 0},
		{0, -pA * pBB, -pBB, pA, 1, 0},
		{0, pA * pBB, -pBB, -pA, 1, 0},
		{0, -pAA * pB, -pAA, pB, 1, 0},
		{0, pAA * pB, -pAA, -pB, 1, 0},
		{0, pAA * pBB, 0, -(pAA + pBB), 0, 1},
	},
	at: [][]float32{
		{1, 1, 1, 1, 1, 0},
		{0, pA, -pA, pB, -pB, 0},
		{0, pAA, pAA, pBB, pBB, 0},
		{0, pA * pAA, -pA * pAA, pB * pBB, -pB * pBB, 1},
	},
	weights: winograd4Weights,
}

func winograd2Weights(u []float32, g *[9]float32) {
	var t [4][3]float64 // G g
	for c := range 3 {
		t[0][c], t[1][c], t[2][c], t[3][c] = points2(float64(g[c]), float64(g[3+c]), float64(g[6+c]))
	}
	for p := range t {
		u0, u1, u2, u3 := points2(t[p][0], t[p][1], t[p][2])
		out := u[4*p : 4*p+4]
		out[0], out[1], out[2], out[3] = float32(u0), float32(u1), float32(u2), float32(u3)
	}
}

func winograd4Weights(u []float32, g *[9]float32) {
	var t [6][3]float64 // G g
	for c := range 3 {
		t[0][c], t[1][c], t[2][c], t[3][c], t[4][c], t[5][c] = points4(float64(g[c]), float64(g[3+c]), float64(g[6+c]))
	}
	for p := range t {
		u0, u1, u2, u3, u4, u5 := points4(t[p][0], t[p][1], t[p][2])
		out := u[6*p : 6*p+6]
		out[0], out[1], out[2] = float32(u0), float32(u1), float32(u2)
		out[3], out[4], out[5] = float32(u3), float32(u4), float32(u5)
	}
}

// points2 is G g: the polynomial g at the points, each divided by the product of its
// distances to the others.
func points2(g0, g1, g2 float64) (u0, u1, u2, u3 float64) {
	even, odd := float64((g0+g2)*0.5), float64(g1*0.5)
	return g0, even + odd, even - odd, g2
}

func points4(g0, g1, g2 float64) (u0, u1, u2, u3, u4, u5 float64) {
	const (
		na = 1 / (2 * pAA * (pAA - pBB)) // 1/((a-0) (a+a) (a-b) (a+b)), and of -a
		nb = 1 / (2 * pBB * (pBB - pAA))
	)
	evenA, oddA := float64((g0+float64(pAA*g2))*na), float64(g1*(pA*na))
	evenB, oddB := float64((g0+float64(pBB*g2))*nb), float64(g1*(pB*nb))
	return g0 * (1 / (pAA * pBB)), evenA + oddA, evenA - oddA, evenB + oddB, evenB - oddB, g2
}

func winogradIn2F32Ref(args *WinogradInF32Args)     { winogradInF32Ref(&winograd2, args) }
func winogradIn4F32Ref(args *WinogradInF32Args)     { winogradInF32Ref(&winograd4, args) }
func winogradIn2BF16Ref(args *WinogradInBF16Args)   { winogradInBF16Ref(&winograd2, args) }
func winogradOut2F32Ref(args *WinogradOutF32Args)   { winogradOutF32Ref(&winograd2, args) }
func winogradOut4F32Ref(args *WinogradOutF32Args)   { winogradOutF32Ref(&winograd4, args) }
func winogradOut2BF16Ref(args *WinogradOutBF16Args) { winogradOutBF16Ref(&winograd2, args) }

func winogradInF32Ref(w *winograd, args *WinogradInF32Args) {
	out, in := len(w.at), len(w.bt)
	for i := range args.Tiles {
		var d winogradTile
		for p := range min(in, args.Rows) {
			for q := range min(in, args.Cols-i*out) {
				d[p][q] = *lanes16(args.A, p*args.ARow+(i*out+q)*4*Block)
			}
		}
		v := sandwich(w.bt, &d)
		for p := range in {
			for q := range in {
				*lanes16(args.C, i*args.CTile+(p*in+q)*args.CXi) = v[p][q]
			}
		}
	}
}

func winogradInBF16Ref(w *winograd, args *WinogradInBF16Args) {
	out, in := len(w.at), len(w.bt)
	for i := range args.Tiles {
		var d winogradTile
		for p := range min(in, args.Rows) {
			for q := range min(in, args.Cols-i*out) {
				widenBF16Ref(&WidenBF16Args{(*uint16)(at16(args.A, p*args.ARow+(i*out+q)*2*Block)), &d[p][q][0], 1})
			}
		}
		v := sandwich(w.bt, &d)
		for p := range in {
			for q := range in {
				narrowBF16Ref(&NarrowBF16Args{&v[p][q][0], (*uint16)(at16(args.C, i*args.CTile+(p*in+q)*args.CXi)), 1})
			}
		}
	}
}

func winogradOutF32Ref(w *winograd, args *WinogradOutF32Args) {
	out := len(w.at)
	for i := range args.Tiles {
		y := w.output(args.A, args.Bias, i*args.ATile, args.AXi)
		for p := range min(out, args.Rows) {
			for q := range min(out, args.Cols-i*out) {
				acc := &y[p][q]
				at := (i*out + q) * 4 * Block
				if args.Res != nil {
					addScaled(acc, lanes16(args.Res, p*args.ResRow+at), 1)
				}
				if args.Relu {
					relu(acc)
				}
				*lanes16(args.C, p*args.CRow+at) = *acc
			}
		}
	}
}

func winogradOutBF16Ref(w *winograd, args *WinogradOutBF16Args) {
	out := len(w.at)
	for i := range args.Tiles {
		y := w.output(args.A, args.Bias, i*args.ATile, args.AXi)
		for p := range min(out, args.Rows) {
			for q := range min(out, args.Cols-i*out) {
				acc := &y[p][q]
				at := (i*out + q) * 2 * Block
				if args.Res != nil {
					var res [Block]float32
					widenBF16Ref(&WidenBF16Args{(*uint16)(at16(args.Res, p*args.ResRow+at)), &res[0], 1})
					addScaled(acc, &res, 1)
				}
				if args.Relu {
					relu(acc)
				}
				narrowBF16Ref(&NarrowBF16Args{&acc[0], (*uint16)(at16(args.C, p*args.CRow+at)), 1})
			}
		}
	}
}

// winogradTile is a tile of vectors; not all of it is used.
type winogradTile [6][6][Block]float32

// output is the transform of the products of a tile, with the bias.
func (w *winograd) output(a, bias *float32, at, xi int) winogradTile {
	in := len(w.bt)
	var m winogradTile
	for p := range in {
		for q := range in {
			m[p][q] = *lanes16(a, at+(p*in+q)*xi)
		}
	}
	y := sandwich(w.at, &m)
	if bias != nil {
		for p := range w.at {
			for q := range w.at {
				addScaled(&y[p][q], lanes16(bias, 0), 1)
			}
		}
	}
	return y
}

// sandwich is x d x'.
func sandwich(x [][]float32, d *winogradTile) winogradTile {
	var t, y winogradTile
	for p := range x {
		for q := range x[0] {
			for k, c := range x[p] {
				addScaled(&t[p][q], &d[k][q], c)
			}
		}
		for q := range x {
			for k, c := range x[q] {
				addScaled(&y[p][q], &t[p][k], c)
			}
		}
	}
	return y
}

// addScaled adds x times v to acc, and nothing if x is zero.
func addScaled(acc, v *[Block]float32, x float32) {
	if x == 0 {
		return
	}
	for j := range acc {
		acc[j] += float32(x * v[j])
	}
}
