package asm

// Block is the number of channels in a block of the NCHW16c activation layout, and
// so the number of float32 lanes of one output vector of GemmF32.
const Block = 16

// Kernels is the table of one tier. Every entry is set: what a tier has no kernel of
// its own for, it takes from the tier below, down to ref.
type Kernels struct {
	Tier    string // ref, avx2, avx512, avx512bf16, amx, neon, neonbf16
	GemmF32 GemmF32
	// Winograd2F32 and Winograd4F32 make tiles of 2x2 and 4x4 outputs.
	Winograd2F32, Winograd4F32 WinogradF32
	MaxPoolF32                 func(*MaxPoolF32Args)
	LRNF32                     func(*LRNF32Args)
	GaussF32                   func(*GaussF32Args)
	DepthwiseF32               func(*DepthwiseF32Args)
	MapF32                     func(*MapF32Args)
	SigmoidF32                 func(*SigmoidF32Args)
	PeakF32                    Peak

	// BF16 says that the tier has bfloat16 arithmetic of its own. Without, the kernels
	// below are there for reference and slow. With, they still need not be faster than
	// float32: PeakBF16 against PeakF32 tells.
	BF16          bool
	GemmBF16      GemmBF16
	Winograd2BF16 WinogradBF16
	MaxPoolBF16   func(*MaxPoolBF16Args)
	NarrowBF16    func(*NarrowBF16Args)
	WidenBF16     func(*WidenBF16Args)
	PeakBF16      Peak
}

// GemmF32 is a matrix-product kernel and the tiles it can run.
type GemmF32 struct {
	Name    string
	Rows    []int // tile heights, descending, ending in 1
	MaxVecs int   // output vectors of Block lanes per tile: 1 to MaxVecs all work
	Run     func(*GemmF32Args)
}

// Peak is a loop of multiply-adds between registers alone: the speed no kernel of its
// instruction set can pass.
type Peak struct {
	Name string
	MACs int         // multiply-adds per iteration
	Run  func(n int) // n iterations
}

// GemmF32Args describes a strip of tiles of a batch-reduce matrix product. It is the
// one shape behind convolution (forward, input gradient, weight gradient) and linear
// layers; the kernel gathers rows through the tap table, so no im2col copy is made.
//
//	for i := 0; i < Tiles; i++ {
//		for r := 0; r < Rows; r++ {
//			for v := 0; v < Vecs; v++ {
//				for j := 0; j < Block; j++ {
//					acc := Bias[v*Block+j] (0 if Bias is nil)
//					for t, tap := range Taps {
//						for k := 0; k < K; k++ {
//							acc += A[i*ATile + r*ARow + tap + k*AStep] * B[(t*K+k)*BStep + v*BVec + j]
//						}
//					}
//					if Res != nil { acc += Res[i*CTile + r*CRow + v*ResVec + j] }   // after the sum over taps and k
//					if Clamp { acc = min(max(acc, Low), High) }
//					C[i*CTile + r*CRow + v*CVec + j] = acc
//				}
//			}
//		}
//	}
//
// All distances are in BYTES. The order of the sum (t outer, k inner, one fused
// multiply-add each, starting from the bias) is part of the contract: every tier whose
// accumulation is a plain fused chain gives the same bits. The ref tier rounds the
// product too; it stays within (NTaps*K+2) 2^-24 sum|A B| of the exact sum, as they do.
// A NaN is not clamped: it must survive. C may be Res (the sum is made in place), and
// must not overlap A, B or Bias.
type GemmF32Args struct {
	A, B, C, Res, Bias *float32
	Taps               *int // NTaps byte offsets into A
	NTaps, K           int  // K >= 1
	ARow, AStep        int
	BStep, BVec        int
	CRow, CVec, ResVec int
	Rows, Vecs         int // of this tile: see GemmF32.Rows
	Tiles              int
	ATile, CTile       int
	Low, High          float32
	Clamp              bool
}

// MaxPoolF32Args describes a row of max-pooling over NCHW16c vectors.
//
//	for r := 0; r < Rows; r++ {
//		for j := 0; j < Block; j++ {
//			C[r*CRow + j] = max over tap in Taps of A[r*ARow + tap + j]
//		}
//	}
//
// Distances are in BYTES. A NaN among the operands gives NaN; of equal values (0 and
// -0) the first counts. The bits are the same in every tier.
type MaxPoolF32Args struct {
	A, C       *float32
	Taps       *int // NTaps byte offsets into A
	NTaps      int  // at least 1
	Rows       int
	ARow, CRow int
}

// LRNF32Args describes Caffe's local response normalisation across five channels with
// exponent 3/4, over one channel block of Rows consecutive pixels in NCHW16c. Prev and
// Next are the same pixels of the channel blocks before and after, nil where there is
// none (its channels count as zero).
//
//	x := channels c-2..c+2 of the pixel
//	s := K + Alpha*(x[-2]^2 + x[-1]^2 + x[0]^2 + x[1]^2 + x[2]^2)
//	C = x[0] / (sqrt(s) * sqrt(sqrt(s)))
//
// Alpha is Caffe's alpha divided by the window size 5. Every operation is rounded on
// its own, in the order written, so the bits are the same in every tier. C may be A.
type LRNF32Args struct {
	A, Prev, Next, C *float32
	Rows             int
	K, Alpha         float32
}

// GaussF32Args describes a Gaussian kernel of distances over Rows times Block elements, for
// kernel regression: from the inner products of a vector with others and their squared
// lengths,
//
//	C = exp((2*Inner - Norm - Norms) * Scale)
//
// within 1e-7 (3 - x) of exp(x) where x <= 0; above 0 it is 1, below -86 and where x is not
// a number it is 0. Every operation is rounded on its own, so the bits are the same in every
// tier. C may be Inner.
type GaussF32Args struct {
	Inner, Norms, C *float32
	Rows            int
	Norm, Scale     float32
}
