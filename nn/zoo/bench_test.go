package zoo

import (
	"fmt"
	"testing"

	"cwox/nn"
)

// BenchmarkForward runs whole networks on formula weights and pictures.
func BenchmarkForward(b *testing.B) {
	for _, arch := range []string{"resnet50", "googlenet"} {
		a, err := Lookup(arch)
		if err != nil {
			b.Fatal(err)
		}
		m, err := a.Build(1000, formulaParam(arch), nn.CompileOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for _, batch := range []int{1, 8} {
			for _, threads := range []int{1, 2} {
				b.Run(fmt.Sprintf("%s/batch=%d/threads=%d", arch, batch, threads), func(b *testing.B) {
					s, err := m.NewSession(nn.SessionOptions{Batch: batch, Threads: threads})
					if err != nil {
						b.Fatal(err)
					}
					defer s.Close()
					x := make([]float32, batch*m.Input().Size())
					for i := range x {
						x[i] = float32(splitmix64(uint64(i))>>40)*0x1p-22 - 2
					}
					s.Forward(x)
					for b.Loop() {
						s.Forward(x)
					}
					b.ReportMetric(float64(batch*b.N)/b.Elapsed().Seconds(), "images/s")
				})
			}
		}
	}
}
