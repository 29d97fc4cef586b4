package nn

import (
	"sync"

	"cwox/asm"
)

// packKey names a set of packed weights.
type packKey struct {
	conv, norm int // node ids; norm is -1 where nothing is folded
	kind       packKind
}

type packKind int

const (
	packedForward packKind = iota
	packedHalf
	packedGradient
	packedExcitation         // positive weights, forwards
	packedExcitationGradient // positive weights, backwards
	packedInhibitionForward  // magnitudes of the negative weights
	packedInhibitionGradient
	packedWinograd
)

type packing struct {
	once     sync.Once
	w        *convWeights
	winograd *winogradWeights
}

// forwardWeights returns the packed weights of convolution n, in bfloat16 if half is set, with
// the batch normalisation that follows it folded in unless that is nil.
func (m *Model) forwardWeights(n, normed *Node, half bool) *convWeights {
	kind, vecs := packedForward, m.kernels.GemmF32.MaxVecs
	if half {
		kind, vecs = packedHalf, m.kernels.GemmBF16.MaxVecs
	}
	return m.pack(n, normed, kind, func(c *conv, scale []float64, bias []float32) (w *convWeights) {
		if c.readsImage(n) {
			w = packImage(c, scale, bias, vecs, half)
		} else {
			w = packForward(c, scale, bias, vecs)
		}
		if half {
			w.toHalf()
		}
		return w
	})
}

// signedWeights packs the weights of one sign of convolution n, forwards, without bias.
func (m *Model) signedWeights(n *Node, sign int) *convWeights {
	kind := packedExcitation
	if sign < 0 {
		kind = packedInhibitionForward
	}
	return m.pack(n, nil, kind, func(c *conv, _ []float64, _ []float32) *convWeights {
		one := *c
		one.Weight, one.Bias = make([]float32, len(c.Weight)), nil
		for i, v := range c.Weight {
			one.Weight[i] = signed(v, sign)
		}
		return packForward(&one, nil, nil, m.kernels.GemmF32.MaxVecs)
	})
}

// gradientWeights packs the input gradient of convolution n; see packGradient.
func (m *Model) gradientWeights(n, normed *Node, sign int) *convWeights {
	kind := packedGradient
	switch {
	case sign > 0:
		kind = packedExcitationGradient
	case sign < 0:
		kind = packedInhibitionGradient
	}
	return m.pack(n, normed, kind, func(c *conv, scale []float64, _ []float32) *convWeights {
		return packGradient(c, n.in[0].shape, n.shape, scale, sign, m.kernels.GemmF32.MaxVecs)
	})
}

// winogradWeights returns a convolution's transformed weights; see forwardWeights.
func (m *Model) winogradWeights(k *asm.WinogradF32, n, normed *Node) *winogradWeights {
	p := m.packing(n, normed, packedWinograd)
	p.once.Do(func() {
		c := n.op.(*conv)
		scale, bias := fold(c, normed)
		vecs := m.kernels.GemmF32.MaxVecs
		if m.bf16 {
			vecs = m.kernels.GemmBF16.MaxVecs
		}
		p.winograd = packWinograd(k, c, scale, bias, vecs)
		if m.bf16 {
			p.winograd.toHalf(k.In*k.In, vecs)
		}
	})
	return p.winograd
}

// pack makes packed weights once.
func (m *Model) pack(n, normed *Node, kind packKind, build func(c *conv, scale []float64, bias []float32) *convWeights) *convWeights {
	p := m.packing(n, normed, kind)
	p.once.Do(func() {
		c := n.op.(*conv)
		scale, bias := fold(c, normed)
		p.w = build(c, scale, bias)
	})
	return p.w
}

// packing is the place of packed weights.
func (m *Model) packing(n, normed *Node, kind packKind) *packing {
	key := packKey{n.id, -1, kind}
	if normed != nil {
		key.norm = normed.id
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.packed[key]
	if p == nil {
		p = &packing{}
		m.packed[key] = p
	}
	return p
}

// fold gives the factor of each output channel and the bias, [blocks*16], that a
// convolution has once the normalisation after it is folded in; nil where there is none.
func fold(c *conv, normed *Node) (scale []float64, bias []float32) {
	if normed == nil && c.Bias == nil {
		return nil, nil
	}
	bias = make([]float32, blocks(c.Out)*block)
	copy(bias, c.Bias)
	if normed == nil {
		return nil, bias
	}
	scale = make([]float64, c.Out)
	for o := range scale {
		a, d := normed.op.(*norm).channel(o)
		scale[o] = a
		bias[o] = float32(float64(a*float64(bias[o])) + d)
	}
	return scale, bias
}
