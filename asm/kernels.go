package asm

// Block is the number of channels in a block of the NCHW16c activation layout, and
// so the number of float32 lanes of one output vector of GemmF32.
const Block = 16

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
//					if Relu { acc = max(acc, 0) }
//					C[i*CTile + r*CRow + v*CVec + j] = acc
//				}
//			}
//		}
//	}
//
// All distances are in BYTES. The order of the sum (t outer, k inner, one fused
// multiply-add each, starting from the bias) is part of the contract: every tier whose
// accumulation is a plain fused chain gives the same bits.
// max(NaN, 0) is NaN: a NaN must survive.
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
	Relu               bool
}
