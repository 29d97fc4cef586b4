package nn

import (
	"fmt"
	"math"

	"cwox/asm"
)

// BatchNorm is batch normalisation in evaluation mode:
// Gamma*(x-Mean)/sqrt(Var+Eps) + Beta.
type BatchNorm struct {
	Gamma, Beta, Mean, Var []float32
	Eps                    float64
}

// BatchNorm appends a batch normalisation.
func (g *Graph) BatchNorm(name string, x *Node, b BatchNorm) *Node {
	return g.append(name, &norm{BatchNorm: b}, x)
}

// Affine appends x*scale + shift, per channel where there are C of them, for all where there
// is one. Nil means a scale of 1, a shift of 0.
func (g *Graph) Affine(name string, x *Node, scale, shift []float32) *Node {
	return g.append(name, &norm{BatchNorm: BatchNorm{Gamma: scale, Beta: shift}, affine: true}, x)
}

// norm is a linear function of each channel.
type norm struct {
	plain
	BatchNorm
	affine bool // no statistics: Gamma*x + Beta
}

func (b *norm) shape(in []Shape) (Shape, error) {
	c := in[0].C
	if b.affine {
		var err error
		if b.Gamma, err = perChannel("scales", b.Gamma, 1, c); err != nil {
			return in[0], err
		}
		b.Beta, err = perChannel("shifts", b.Beta, 0, c)
		return in[0], err
	}
	if len(b.Gamma) != c || len(b.Beta) != c || len(b.Mean) != c || len(b.Var) != c {
		return in[0], fmt.Errorf("%d, %d, %d, %d parameters for %d channels", len(b.Gamma), len(b.Beta), len(b.Mean), len(b.Var), c)
	}
	return in[0], nil
}

// perChannel is x of one or c numbers as c numbers.
func perChannel(what string, x []float32, unset float32, c int) ([]float32, error) {
	switch len(x) {
	case c:
		return x, nil
	case 0:
		x = []float32{unset}
	case 1:
	default:
		return nil, fmt.Errorf("%d %s for %d channels", len(x), what, c)
	}
	out := make([]float32, c)
	for i := range out {
		out[i] = x[0]
	}
	return out, nil
}

// channel is the map scale*x+shift of a channel, in float64.
func (b *norm) channel(c int) (scale, shift float64) {
	if b.affine {
		return float64(b.Gamma[c]), float64(b.Beta[c])
	}
	scale = float64(b.Gamma[c]) / math.Sqrt(float64(b.Var[c])+b.Eps)
	return scale, float64(b.Beta[c]) - float64(scale*float64(b.Mean[c]))
}

// vectors are the scales and shifts of all channels, padded to whole blocks.
func (b *norm) vectors(channels int) (scale, shift []float32) {
	scale, shift = make([]float32, blocks(channels)*block), make([]float32, blocks(channels)*block)
	for c := range channels {
		a, d := b.channel(c)
		scale[c], shift[c] = float32(a), float32(d)
	}
	return scale, shift
}

func (b *norm) forward(l *layout, j *job) []step {
	src := j.src(j.root.in[0])
	scales, shifts := b.vectors(src.c)
	kernel := l.m.kernels.MapF32
	return []step{&rowStep{dst: j.dst, row: func(w *worker, image, blk, y int, out []float32) {
		affineRow(kernel, w, &src.line(w.mem, image, blk, y)[0], out, &scales[blk*block], &shifts[blk*block])
	}}}
}

// backward: excitation backprop passes unchanged.
func (b *norm) backward(d *descent, g *fused, sig view) {
	scale, _ := b.vectors(g.root.shape.C)
	if d.rule >= Excitation {
		scale = nil
	}
	d.copy(g.root.in[0], sig, scale)
}

// affineRow writes scale*x + shift, both [16], for the pixels of a row.
func affineRow(kernel func(*asm.MapF32Args), w *worker, x *float32, out []float32, scale, shift *float32) {
	w.affine = asm.MapF32Args{A: x, C: &out[0], Scale: scale, Shift: shift, Rows: len(out) / block, Low: float32(math.Inf(-1)), High: float32(math.Inf(1))}
	kernel(&w.affine)
}
