package importer

import "math"

// affine is what the graph has done to the image so far: x*scale + shift, a number for each of
// the node's channels. It is followed from the input through the steps of preprocessing.
type affine struct{ scale, shift []float64 }

func newAffine(channels int) *affine {
	a := &affine{make([]float64, channels), make([]float64, channels)}
	for c := range a.scale {
		a.scale[c] = 1
	}
	return a
}

// then is the affine function followed by another; k and d have an element, or one per channel.
func (a *affine) then(k, d []float32) *affine {
	if a == nil {
		return nil
	}
	out := newAffine(len(a.scale))
	at := func(x []float32, c int, otherwise float64) float64 {
		switch len(x) {
		case 0:
			return otherwise
		case 1:
			return float64(x[0])
		}
		return float64(x[c])
	}
	for c := range out.scale {
		out.scale[c] = a.scale[c] * at(k, c, 1)
		out.shift[c] = float64(a.shift[c]*at(k, c, 1)) + at(d, c, 0)
	}
	return out
}

// wants is the range of pixels, 255 or 1, that the function brings to numbers as networks take
// them: some units wide around zero, or Caffe's whole range less the means. 0 where it does
// neither: then it is no preprocessing.
func (a *affine) wants() int {
	scale, shift := 0.0, 0.0
	for c := range a.scale {
		scale, shift = scale+math.Abs(a.scale[c])/float64(len(a.scale)), shift+a.shift[c]/float64(len(a.shift))
	}
	const narrow, wide = 0.5, 12
	switch {
	case 255*scale >= narrow && 255*scale <= wide:
		return 255
	case scale >= 0.9 && math.Abs(shift) > wide:
		return 255
	case scale > 1.5 && scale <= wide && shift < 0:
		return 1
	}
	return 0
}

// preprocessed looks at a tensor that the network proper begins with.
func (b *builder) preprocessed(t *tensor) {
	in := &b.net.Input
	if t.pre == nil || in.Range != 0 {
		return
	}
	if in.Range = t.pre.wants(); in.Range == 0 && !(in.Type.IsFloat()) {
		in.Range = 255
	}
}
