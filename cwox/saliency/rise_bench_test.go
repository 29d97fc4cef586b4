package saliency

import (
	"context"
	"testing"

	"cwox/nn"
)

// What RISE costs besides the network: at 30 pictures a second 2,500 masks take the
// network 83 s, 1,000 masks 33 s.
func BenchmarkRISEBesidesTheNetwork(b *testing.B) {
	// Five classes that look at a few pixels each.
	glance := func(masks []float32, classes []int, dst []float64) {
		const plane = 224 * 224
		var logits [5]float32
		for i := range len(masks) / plane {
			m := masks[i*plane:][:plane]
			for c := range logits {
				logits[c] = 0
				for k := range 12 {
					logits[c] += m[(40+30*c+5*(k/4))*224+60+20*c+11*(k%4)]
				}
			}
			softmaxOf(logits[:], classes, dst[i*len(classes):][:len(classes)])
		}
	}
	var req Request
	for c := range 5 {
		req.Targets = append(req.Targets, Target{[]int{c}})
		req.Contrasts = append(req.Contrasts, Contrast{c, (c + 1) % 5})
	}
	for _, bc := range []struct {
		name string
		r    *RISE
	}{
		{"plain-15x15-5000", &RISE{}},
		{"fast-15x15-2500", &RISE{Quality: Fast}},
		{"fast-10x10-1000", &RISE{Quality: Fast, Cluster: RISEStage{1000, 10, 0.14}}},
	} {
		b.Run(bc.name, func(b *testing.B) {
			in := toyInput(b, 0)
			for b.Loop() {
				if _, err := bc.r.explain(context.Background(), in, nn.Shape{C: 3, H: 224, W: 224}, []Request{req}, glance); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
