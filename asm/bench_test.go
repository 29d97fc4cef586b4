package asm

import (
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"
)

// layer is a convolution shape of the networks this project runs: square maps of size
// in, kernel size x size. Fewer than 16 channels are interleaved, [H][W][channels].
type layer struct {
	name                          string
	in, channels, out, size, step int
}

var layers = []layer{
	{"resnet50/224x224_3to64_7x7s2", 224, 3, 64, 7, 2},
	{"resnet50/56x56_64to64_1x1", 56, 64, 64, 1, 1},
	{"resnet50/56x56_64to256_1x1", 56, 64, 256, 1, 1},
	{"resnet50/56x56_256to64_1x1", 56, 256, 64, 1, 1},
	{"resnet50/56x56_64to64_3x3", 56, 64, 64, 3, 1},
	{"resnet50/56x56_128to128_3x3s2", 56, 128, 128, 3, 2},
	{"resnet50/28x28_512to128_1x1", 28, 512, 128, 1, 1},
	{"resnet50/28x28_128to128_3x3", 28, 128, 128, 3, 1},
	{"resnet50/14x14_1024to256_1x1", 14, 1024, 256, 1, 1},
	{"resnet50/14x14_256to256_3x3", 14, 256, 256, 3, 1},
	{"resnet50/14x14_256to1024_1x1", 14, 256, 1024, 1, 1},
	{"resnet50/7x7_512to512_3x3", 7, 512, 512, 3, 1},
	{"resnet50/7x7_512to2048_1x1", 7, 512, 2048, 1, 1},
	{"googlenet/14x14_480to192_1x1", 14, 480, 192, 1, 1},
	{"googlenet/28x28_32to96_3x3", 28, 32, 96, 3, 1},
}

// BenchmarkGemmF32 runs whole layers on one core. GMAC/s and peak% are of the fastest
// run, since the machine may be shared.
func BenchmarkGemmF32(b *testing.B) {
	for _, k := range Tiers() {
		if k.BF16 {
			continue // the float32 kernels of the tier below
		}
		b.Run(k.Tier, func(b *testing.B) {
			peak := peakRate(&k.PeakF32)
			b.Run("peak", func(b *testing.B) {
				for b.Loop() {
					peak = max(peak, peakRate(&k.PeakF32))
				}
				b.ReportMetric(peak, "GMAC/s")
			})
			for _, l := range layers {
				b.Run(l.name, func(b *testing.B) {
					run := l.runner(&k.GemmF32)
					best := time.Hour
					for b.Loop() {
						start := time.Now()
						run()
						best = min(best, time.Since(start))
					}
					rate := l.macs() / best.Seconds() / 1e9
					b.ReportMetric(rate, "GMAC/s")
					b.ReportMetric(100*rate/peak, "peak%")
				})
			}
		})
	}
}

// BenchmarkGemmBF16 is BenchmarkGemmF32 in bfloat16, where the CPU has it.
func BenchmarkGemmBF16(b *testing.B) {
	for _, k := range Tiers() {
		if !k.BF16 {
			continue
		}
		b.Run(k.Tier, func(b *testing.B) {
			peak := peakRate(&k.PeakBF16)
			b.Run("peak", func(b *testing.B) {
				for b.Loop() {
					peak = max(peak, peakRate(&k.PeakBF16))
				}
				b.ReportMetric(peak, "GMAC/s")
			})
			for _, l := range layers {
				if l.channels < Block {
					continue
				}
				b.Run(l.name, func(b *testing.B) {
					// The float32 layer of half the input channels has the same arguments: each
					// element of A and B stands for a pair. Its output is float32 too.
					half := l
					half.channels /= 2
					gemm := GemmF32{Rows: k.GemmBF16.Rows, MaxVecs: k.GemmBF16.MaxVecs, Run: func(g *GemmF32Args) {
						args := GemmBF16Args{
							A: (*uint16)(unsafe.Pointer(g.A)), B: (*uint16)(unsafe.Pointer(g.B)), C: (*uint16)(unsafe.Pointer(g.C)),
							Bias: g.Bias, Taps: g.Taps, NTaps: g.NTaps, K: g.K, ARow: g.ARow, AStep: g.AStep,
							BStep: g.BStep, BVec: g.BVec, CRow: g.CRow, CVec: g.CVec, Rows: g.Rows, Vecs: g.Vecs,
							Tiles: g.Tiles, ATile: g.ATile, CTile: g.CTile, Low: g.Low, High: g.High, Clamp: g.Clamp,
						}
						k.GemmBF16.Run(&args)
					}}
					run := half.runner(&gemm)
					best := time.Hour
					for b.Loop() {
						start := time.Now()
						run()
						best = min(best, time.Since(start))
					}
					rate := l.macs() / best.Seconds() / 1e9
					b.ReportMetric(rate, "GMAC/s")
					b.ReportMetric(100*rate/peak, "peak%")
				})
			}
		})
	}
}

// peakRate is the speed of the peak loop in GMAC/s, the best of some short runs.
func peakRate(p *Peak) float64 {
	n := 4 << 20 / p.MACs
	best := time.Hour
	for range 50 {
		start := time.Now()
		p.Run(n)
		best = min(best, time.Since(start))
	}
	return float64(n*p.MACs) / best.Seconds() / 1e9
}

func (l layer) outSize() int { return (l.in-1)/l.step + 1 }

func (l layer) macs() float64 {
	o := l.outSize()
	return float64(o * o * l.out * l.channels * l.size * l.size)
}

// runner returns a function that runs the layer: padded NCHW16c input, weight panels
// of MaxVecs blocks, bias and ReLU.
func (l layer) runner(k *GemmF32) func() {
	rng := rand.New(rand.NewPCG(1, 1))
	random := func(n int) []float32 {
		s := make([]float32, n+16)
		for i := range s {
			s[i] = rng.Float32() - 0.5
		}
		return s
	}
	pad := l.size / 2
	pixel := min(l.channels, Block)
	row := (l.in + 2*pad) * pixel
	plane := (l.in + 2*pad) * row
	o := l.outSize()
	x := random(l.channels / pixel * plane)
	w := random(l.channels * l.out * l.size * l.size)
	y := random(l.out * o * o)
	bias := random(l.out)
	var taps []int
	run := pixel // consecutive inputs of a tap
	if pixel < Block {
		run *= l.size
	}
	for c := range l.channels / pixel {
		for i := range l.size {
			for j := 0; j < l.size*pixel; j += run {
				taps = append(taps, 4*(c*plane+i*row+j))
			}
		}
	}
	depth := len(taps) * run
	type call struct{ a, c, rows, tiles, aTile, cTile int }
	var calls []call
	// cut makes tiles of nearly equal height out of n pixels of one or more lines.
	cut := func(a, c, n, lines, aLine, cLine int) {
		for left := (n + k.Rows[0] - 1) / k.Rows[0]; left > 0; {
			h := (n + left - 1) / left
			tiles, aTile, cTile := lines, 4*aLine, 4*cLine
			used := 1
			if lines == 1 {
				if used = n - left*(h-1); h == 1 {
					used = left
				}
				tiles, aTile, cTile = used, 4*h*l.step*pixel, 4*h*Block
			}
			calls = append(calls, call{a, c, h, tiles, aTile, cTile})
			a, c, n, left = a+used*h*l.step*pixel, c+used*h*Block, n-used*h, left-used
		}
	}
	if l.size == 1 && l.step == 1 {
		cut(0, 0, o*o, 1, 0, 0)
	} else {
		cut(0, 0, o, o, l.step*row, o*Block)
	}
	return func() {
		for v := 0; v < l.out/Block; v += k.MaxVecs {
			for _, t := range calls {
				args := GemmF32Args{
					A: &x[t.a], Taps: &taps[0], NTaps: len(taps), K: run,
					ARow: 4 * l.step * pixel, AStep: 4, ATile: t.aTile,
					B: &w[v*Block*depth], BStep: 4 * Block * k.MaxVecs, BVec: 4 * Block,
					C: &y[v*Block*o*o+t.c], CRow: 4 * Block, CVec: 4 * Block * o * o, CTile: t.cTile,
					Bias: &bias[v*Block], Rows: t.rows, Vecs: k.MaxVecs, Tiles: t.tiles, High: 6, Clamp: true,
				}
				k.Run(&args)
			}
		}
	}
}
