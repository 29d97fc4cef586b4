package nn

import (
	"math"
	"testing"

	"cwox/asm"
)

// functionCases are all functions, with parameters.
var functionCases = []Activation{
	{Function: ReLU}, {Function: Clip, A: -1, B: 6}, {Function: LeakyReLU, A: 0.01}, {Function: PReLU, Slopes: []float32{0.3}},
	{Function: Sigmoid}, {Function: HardSigmoid, A: 0.2, B: 0.5}, {Function: Tanh}, {Function: SiLU}, {Function: HardSwish},
	{Function: GELU}, {Function: GELUTanh}, {Function: ELU, A: 1.3}, {Function: SELU}, {Function: CELU, A: 0.8}, {Function: Softplus},
	{Function: Softsign}, {Function: Mish}, {Function: Abs}, {Function: Sqrt}, {Function: Exp}, {Function: Log}, {Function: Pow, A: 3},
	{Function: Reciprocal}, {Function: Erf}, {Function: Round},
}

// TestFunctions holds what every tier computes to the definitions, within the bounds that apply
// states, the definitions' slopes to their differences, and where values have a sign to it.
func TestFunctions(t *testing.T) {
	if len(functionCases) != len(functions) {
		t.Fatalf("%d functions, %d are tested", len(functions), len(functionCases))
	}
	var xs []float32
	for x := float32(-20); x < 20; x += 0.01 {
		xs = append(xs, x, x*x*x/40)
	}
	xs = append(xs, float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN()), 0, 1e-30, -1e-30, 88, -88)
	for len(xs)%block > 0 {
		xs = append(xs, 1)
	}
	eachTier(t, func(t *testing.T, k *asm.Kernels) {
		for _, p := range functionCases {
			a := &elementwise{Activation: p}
			if _, err := a.shape([]Shape{{1, 1, 1}}); err != nil {
				t.Fatal(err)
			}
			a.slopes = []float32{a.slopes[0]} // for all channels
			f := &functions[p.Function]
			got := make([]float32, len(xs))
			a.apply(k, &worker{}, 0, xs, got)
			for i, v := range got {
				x, params := float64(xs[i]), a.Activation
				if len(p.Slopes) > 0 {
					params.A = float64(p.Slopes[0])
				}
				want := f.f(x, &params)
				if p.Function == SiLU && math.IsInf(x, -1) || p.Function == HardSwish && math.IsInf(x, 0) || p.Function == Mish && math.IsInf(x, -1) || p.Function >= GELU && math.IsInf(x, 0) {
					continue // 0 times infinity
				}
				scale := math.Abs(want)
				switch p.Function {
				case HardSigmoid:
					scale = 1
				case SiLU, HardSwish, GELU, GELUTanh:
					scale = max(scale, math.Abs(x))
				}
				if math.Abs(float64(v)-want) > 4*0x1p-24*scale+1e-37 && !math.IsInf(float64(float32(want)), 0) || (v != v) != (want != want) {
					t.Errorf("%s(%v) = %v, want %v", f.name, xs[i], v, want)
					break
				}
				if f.nonNegative != nil && f.nonNegative(&params) && v < 0 {
					t.Errorf("%s(%v) = %v, said not to be negative", f.name, xs[i], v)
					break
				}
			}
		}
	})
	for _, p := range functionCases {
		a := &elementwise{Activation: p}
		if _, err := a.shape([]Shape{{1, 1, 1}}); err != nil {
			t.Fatal(err)
		}
		f, params := &functions[p.Function], a.Activation
		if len(p.Slopes) > 0 {
			params.A = float64(p.Slopes[0])
		}
		for x := -8.05; x < 8; x += 0.1 { // no edge lies there
			const h = 1e-5
			want := (f.f(x+h, &params) - f.f(x-h, &params)) / (2 * h)
			if p.Function == Round { // straight through, by convention
				want = 1
			}
			if got := f.slope(x, &params); !(math.Abs(got-want) < 1e-6*max(1, math.Abs(want))) && want == want {
				t.Errorf("%s: slope %g at %g, want %g", f.name, got, x, want)
			}
		}
	}
}
