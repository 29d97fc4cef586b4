//go:build (amd64 || arm64) && !purego

package asm

// secondVector is the second vector of a tile of two as a tile of its own.
func secondVector(args *GemmF32Args) GemmF32Args {
	second := *args
	second.Vecs = 1
	second.B = add(args.B, args.BVec)
	second.C = add(args.C, args.CVec)
	if args.Bias != nil {
		second.Bias = add(args.Bias, 4*Block)
	}
	if args.Res != nil {
		second.Res = add(args.Res, args.ResVec)
	}
	return second
}
