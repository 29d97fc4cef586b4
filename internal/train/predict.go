package train

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"cwox/asm"
)

// Predict calls see, in order, with the class probabilities of pictures first ..
// first+count-1 under the running averages, and with their targets. The slices are valid
// during the call. threads 0 means GOMAXPROCS.
func (n *Net) Predict(ctx context.Context, k *asm.Kernels, d Draw, first uint64, count, size, threads int, see func(i uint64, p []float64, target []float32)) error {
	const group = 16
	if threads == 0 {
		threads = runtime.GOMAXPROCS(0)
	}
	type answer struct {
		p      []float64
		target []float32
	}
	answers := make([]answer, count)
	var next atomic.Int64
	var wg sync.WaitGroup
	for range threads {
		wg.Go(func() {
			ws, g := n.newWorkspace(k, group, size), n.newGradient()
			for {
				at := int(next.Add(group)) - group
				if at >= count || ctx.Err() != nil {
					return
				}
				ws.draw(d, first+uint64(at))
				ws.forward(g, true)
				for i := range min(group, count-at) {
					p := make([]float64, n.shape.Classes)
					ws.softmax(i, p)
					target := append([]float32(nil), ws.targets[i*len(p):(i+1)*len(p)]...)
					answers[at+i] = answer{p, target}
				}
			}
		})
	}
	wg.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	for i, a := range answers {
		see(first+uint64(i), a.p, a.target)
	}
	return nil
}
