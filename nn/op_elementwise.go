package nn

import (
	"fmt"
	"math"

	"cwox/asm"
)

// Function is an element-wise function. Its definitions are those of PyTorch and ONNX.
type Function int

// The functions of x, with parameters a and b.
const (
	ReLU        Function = iota // max(x, 0)
	Clip                        // min(max(x, a), b): ReLU6 is Clip with 0 and 6
	LeakyReLU                   // x where x >= 0, else a*x
	PReLU                       // x where x >= 0, else slope*x, a slope per channel
	Sigmoid                     // 1/(1+exp(-x))
	HardSigmoid                 // min(max(a*x+b, 0), 1): PyTorch has 1/6, 0.5
	Tanh                        // tanh x
	SiLU                        // x*sigmoid(x), also called swish
	HardSwish                   // x*min(max(x/6+0.5, 0), 1)
	GELU                        // x*(1+erf(x/sqrt 2))/2
	GELUTanh                    // x*(1+tanh(sqrt(2/pi)*(x+0.044715 x^3)))/2
	ELU                         // x where x >= 0, else a*(exp(x)-1)
	SELU                        // b*(x where x >= 0, else a*(exp(x)-1)); 0, 0 mean the usual constants
	CELU                        // x where x >= 0, else a*(exp(x/a)-1)
	Softplus                    // ln(1+exp(x))
	Softsign                    // x/(1+|x|)
	Mish                        // x*tanh(softplus(x))
	Abs                         // |x|
	Sqrt                        // square root; not a number below 0
	Exp                         // exp(x)
	Log                         // natural logarithm
	Pow                         // x^a
	Reciprocal                  // 1/x
	Erf                         // error function
	Round                       // nearest integer, halves to even; its slope counts as 1 (straight-through, Bengio et al., 2013)
)

// Activation is an element-wise function with its parameters.
type Activation struct {
	Function Function
	A, B     float64
	Slopes   []float32 // of PReLU: one, or one per channel
}

// Activation appends an element-wise function.
func (g *Graph) Activation(name string, x *Node, a Activation) *Node {
	return g.append(name, &elementwise{Activation: a}, x)
}

// ReLU appends max(x, 0).
func (g *Graph) ReLU(name string, x *Node) *Node {
	return g.Activation(name, x, Activation{Function: ReLU})
}

type elementwise struct {
	plain
	Activation
	slopes []float32 // below 0, per channel, in whole blocks

	scale, shift [block]float32 // of hard functions
}

func (a *elementwise) shape(in []Shape) (Shape, error) {
	if a.Function < 0 || int(a.Function) >= len(functions) {
		return in[0], fmt.Errorf("no element-wise function of number %d", a.Function)
	}
	a.slopes, a.scale, a.shift = []float32{float32(a.A)}, repeated(float32(a.A)), repeated(float32(a.B))
	if a.Function == HardSwish {
		a.scale, a.shift = repeated(1./6), repeated(0.5)
	}
	switch name := functions[a.Function].name; {
	case a.Function == SELU && a.A == 0 && a.B == 0:
		a.A, a.B = 1.67326319217681884765625, 1.05070102214813232421875 // ONNX's
	case a.Function == CELU && !(a.A > 0), a.Function == Clip && !(a.A <= a.B):
		return in[0], fmt.Errorf("%s with parameters %g and %g", name, a.A, a.B)
	case a.Function == PReLU:
		if len(a.Slopes) == 0 {
			return in[0], fmt.Errorf("%s without slopes", name)
		}
		slopes, err := perChannel("slopes", a.Slopes, 0, in[0].C)
		if err != nil {
			return in[0], err
		}
		a.slopes = make([]float32, blocks(in[0].C)*block)
		copy(a.slopes, slopes)
	}
	return in[0], nil
}

func (a *elementwise) nonNegative(*Node) bool {
	f := functions[a.Function].nonNegative
	return f != nil && f(&a.Activation)
}

// at is the parameters for a channel.
func (a *elementwise) at(c int) Activation {
	p := a.Activation
	if a.Function == PReLU {
		p.A = float64(a.slopes[c])
	}
	return p
}

// over applies the definition to a row of a block, with the same parameters for all channels.
func (a *elementwise) over(in, out []float32) {
	f := functions[a.Function].f
	for i, v := range in {
		out[i] = float32(f(float64(v), &a.Activation))
	}
}

// bounds are those of a function that only clamps.
func (a *elementwise) bounds() (low, high float32, ok bool) {
	switch a.Function {
	case ReLU:
		return 0, float32(math.Inf(1)), true
	case Clip:
		return float32(a.A), float32(a.B), true
	}
	return 0, 0, false
}

// apply computes the function of pixels of a block, by a kernel where there is one, else by its
// definition, rounded once. out may be in. Kernels' results differ from the definition by at most
// 4*2^-24 of the result (Sigmoid; clamps are exact), of 1 (HardSigmoid) or of x (SiLU,
// HardSwish, GELU).
func (a *elementwise) apply(k *asm.Kernels, w *worker, blk int, in, out []float32) {
	clampTo := func(scale, shift *[block]float32, low, high float32, gate bool) {
		w.affine = asm.MapF32Args{A: &in[0], C: &out[0], Scale: &scale[0], Shift: &shift[0], Rows: len(in) / block, Low: low, High: high, Gate: gate}
		k.MapF32(&w.affine)
	}
	switch a.Function {
	case ReLU, Clip:
		low, high, _ := a.bounds()
		clampTo(&ones, &zeros, low, high, false)
	case HardSigmoid, HardSwish:
		clampTo(&a.scale, &a.shift, 0, 1, a.Function == HardSwish)
	case Sigmoid, SiLU:
		w.sigmoid = asm.SigmoidF32Args{A: &in[0], C: &out[0], Rows: len(in) / block, Gate: a.Function == SiLU}
		k.SigmoidF32(&w.sigmoid)
	case GELU, GELUTanh:
		w.sigmoid = asm.SigmoidF32Args{A: &in[0], C: &out[0], Rows: len(in) / block, Gate: true, Curve: &geluCurve, Cap: 36}
		if a.Function == GELUTanh {
			w.sigmoid.Curve, w.sigmoid.Cap = &geluTanhCurve, 1e4
		}
		k.SigmoidF32(&w.sigmoid)
	case LeakyReLU, PReLU:
		for i, v := range in {
			if v < 0 {
				v *= a.slopes[(blk*block+i%block)%len(a.slopes)]
			}
			out[i] = v
		}
	default:
		a.over(in, out)
	}
}

// geluCurve is ln(F/(1-F))/x, F being the normal distribution function, as a polynomial of x^2 up
// to 36: least squares with weights that make the largest error of F small, 0.8*2^-24 in float32.
// Beyond 6, where F is 1e-9 from its end, its error is no larger. So GELU is x*sigmoid(x*curve).
var geluCurve = [...]float32{1.5957697629928589, 0.07266674935817719, -6.605985254282132e-05, -0.00011009861918864772,
	7.788920811435673e-06, -2.457696837154799e-07, 2.3426107720325717e-09, 2.6955087467639416e-11}

// geluTanhCurve is the function's own where it has the hyperbolic tangent: 2 sqrt(2/pi) times 1 and
// 0.044715.
var geluTanhCurve = [8]float32{1.5957691216, 0.0713548162726}

var zeros, ones = repeated(0), repeated(1)

func repeated(v float32) (out [block]float32) {
	for i := range out {
		out[i] = v
	}
	return out
}

func (a *elementwise) forward(l *layout, j *job) []step {
	src, k := j.src(j.root.in[0]), l.m.kernels
	return []step{&rowStep{dst: j.dst, row: func(w *worker, image, blk, y int, out []float32) {
		a.apply(k, w, blk, src.line(w.mem, image, blk, y), out)
	}}}
}

// backward multiplies by the slope, for DeepLIFT by the change of the output over that of the
// input (the rescale rule). Excitation backprop passes unchanged where a ReLU does not stop it.
func (a *elementwise) backward(b *descent, g *fused, sig view) {
	b.gate(g.root, sig)
	b.copy(g.root.in[0], sig, nil)
}

// gate passes a signal through an element-wise function, in place.
func (b *descent) gate(n *Node, sig view) {
	a := n.op.(*elementwise)
	switch {
	case b.rule == DeepLIFT && a.Function == ReLU:
		b.steps = append(b.steps, reluRescale(sig, b.activation(n.in[0]), b.referenceOf(n.in[0])))
	case a.Function == ReLU:
		b.steps = append(b.steps, reluGate(sig, b.activation(n), b.rule == Guided))
	case b.rule < Excitation: // also DeepLIFT
		b.times(sig, b.slopes(n, a))
	}
}

// reluGate passes a signal only where the ReLU did, whose output is act. Guided backpropagation
// also stops negative signals.
func reluGate(sig view, act source, guided bool) step {
	return &rowStep{dst: sig, row: func(w *worker, image, blk, y int, p []float32) {
		for i, a := range act.row(blk, y) {
			// Written so that a NaN activation blocks nothing and a NaN signal survives.
			if a <= 0 || guided && p[i] < 0 {
				p[i] = 0
			}
		}
	}}
}

// reluRescale is DeepLIFT's rescale rule for a ReLU of x.
func reluRescale(sig view, x, ref source) step {
	return &rowStep{dst: sig, row: func(w *worker, image, blk, y int, p []float32) {
		rs := ref.row(blk, y)
		for i, v := range x.row(blk, y) {
			switch change := v - rs[i]; {
			case change > -smallChange && change < smallChange:
				if v <= 0 {
					p[i] = 0
				}
			default:
				p[i] *= (max(v, 0) - max(rs[i], 0)) / change
			}
		}
	}}
}

// smallChange is the change of an operator's input below which its multiplier is the gradient.
const smallChange = 1e-10

// slopes is a map of what a signal of n is multiplied by: the same for all seeds.
func (b *descent) slopes(n *Node, a *elementwise) view {
	x, ref := b.activation(n.in[0]), b.against(n.in[0])
	f := &functions[a.Function]
	v := b.scratch(n.shape, 0, 1)
	b.once(&rowStep{dst: v, row: func(_ *worker, _, blk, y int, out []float32) {
		var params [block]Activation
		for i := range params {
			params[i] = a.at(blk*block + i)
		}
		r := ref.row(blk, y)
		for i, v := range x.row(blk, y) {
			p := &params[i%block]
			if change := v - r[i]; change <= -smallChange || change >= smallChange {
				out[i] = float32((f.f(float64(v), p) - f.f(float64(r[i]), p)) / (float64(v) - float64(r[i])))
			} else {
				out[i] = float32(f.slope(float64(v), p))
			}
		}
	}})
	return v
}

// times multiplies a signal by a map that all seeds share, in place.
func (b *descent) times(sig, by view) {
	b.steps = append(b.steps, &rowStep{dst: sig, row: func(w *worker, image, blk, y int, p []float32) {
		for i, v := range by.line(w.mem, 0, blk, y) {
			p[i] *= v
		}
	}})
}
