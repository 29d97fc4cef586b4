package nn

import (
	"cwox/internal/elementary"
	"math"
)

// function is a row of the table of element-wise functions: its definition in float64.
type function struct {
	name  string
	f     func(x float64, a *Activation) float64
	slope func(x float64, a *Activation) float64 // the derivative; at an edge, that to the left
	// nonNegative says that no value is below zero; nil means that some are.
	nonNegative func(a *Activation) bool
	gate        bool // values lie between 0 and 1: a product with them is a gate
}

func always(*Activation) bool { return true }

// functions is the table. Slopes at edges count as what lies to the left of them, and those at
// the upper edge of a clip as what lies to the right: 0.
var functions = [...]function{
	ReLU: {"relu", func(x float64, _ *Activation) float64 { return max(x, 0) },
		func(x float64, _ *Activation) float64 { return step01(x > 0) }, always, false},
	Clip: {"clip", func(x float64, a *Activation) float64 { return min(max(x, a.A), a.B) },
		func(x float64, a *Activation) float64 { return step01(x > a.A && x < a.B) },
		func(a *Activation) bool { return a.A >= 0 && a.B >= 0 }, false},
	LeakyReLU: {"leaky relu", leaky, leakySlope, nil, false},
	PReLU:     {"prelu", leaky, leakySlope, nil, false},
	Sigmoid: {"sigmoid", func(x float64, _ *Activation) float64 { return sigmoid(x) },
		func(x float64, _ *Activation) float64 { return sigmoid(x) * sigmoid(-x) }, always, true},
	HardSigmoid: {"hard sigmoid", func(x float64, a *Activation) float64 { return min(max(float64(a.A*x)+a.B, 0), 1) },
		func(x float64, a *Activation) float64 { v := float64(a.A*x) + a.B; return a.A * step01(v > 0 && v < 1) }, always, true},
	Tanh: {"tanh", func(x float64, _ *Activation) float64 { return elementary.Tanh(x) },
		func(x float64, _ *Activation) float64 { return sech2(x) }, nil, false},
	SiLU: {"silu", func(x float64, _ *Activation) float64 { return x * sigmoid(x) },
		func(x float64, _ *Activation) float64 { return sigmoid(x) * (1 + float64(x*sigmoid(-x))) }, nil, false},
	HardSwish: {"hard swish", func(x float64, _ *Activation) float64 { return x * min(max(x/6+0.5, 0), 1) },
		func(x float64, _ *Activation) float64 {
			switch {
			case x <= -3:
				return 0
			case x >= 3:
				return 1
			}
			return x/3 + 0.5
		}, nil, false},
	GELU: {"gelu", func(x float64, _ *Activation) float64 { return x * elementary.Erfc(-x/math.Sqrt2) / 2 },
		func(x float64, _ *Activation) float64 {
			return float64(elementary.Erfc(-x/math.Sqrt2)/2) + x*elementary.Exp(-x*x/2)/math.Sqrt(2*math.Pi)
		}, nil, false},
	GELUTanh: {"gelu (tanh)", func(x float64, _ *Activation) float64 { return x * sigmoid(2*geluInner(x)) },
		func(x float64, _ *Activation) float64 {
			u := 2 * geluInner(x)
			return sigmoid(u) + float64(x*sigmoid(u)*sigmoid(-u)*(2*math.Sqrt(2/math.Pi))*(1+float64(0.134145*float64(x*x))))
		}, nil, false},
	ELU: {"elu", func(x float64, a *Activation) float64 { return elu(x, a.A, 1) },
		func(x float64, a *Activation) float64 { return eluSlope(x, a.A, 1) }, nil, false},
	SELU: {"selu", func(x float64, a *Activation) float64 { return a.B * elu(x, a.A, 1) },
		func(x float64, a *Activation) float64 { return a.B * eluSlope(x, a.A, 1) }, nil, false},
	CELU: {"celu", func(x float64, a *Activation) float64 { return elu(x, a.A, a.A) },
		func(x float64, a *Activation) float64 { return eluSlope(x, a.A, a.A) }, nil, false},
	Softplus: {"softplus", func(x float64, _ *Activation) float64 { return softplus(x) },
		func(x float64, _ *Activation) float64 { return sigmoid(x) }, always, false},
	Softsign: {"softsign", func(x float64, _ *Activation) float64 { return x / (1 + math.Abs(x)) },
		func(x float64, _ *Activation) float64 { d := 1 + math.Abs(x); return 1 / (d * d) }, nil, false},
	Mish: {"mish", func(x float64, _ *Activation) float64 { return x * elementary.Tanh(softplus(x)) },
		func(x float64, _ *Activation) float64 {
			s := softplus(x)
			return elementary.Tanh(s) + float64(x*sigmoid(x)*sech2(s))
		}, nil, false},
	Abs: {"abs", func(x float64, _ *Activation) float64 { return math.Abs(x) },
		func(x float64, _ *Activation) float64 { return step01(x > 0) - step01(x < 0) }, always, false},
	Sqrt: {"sqrt", func(x float64, _ *Activation) float64 { return math.Sqrt(x) },
		func(x float64, _ *Activation) float64 { return 1 / (2 * math.Sqrt(x)) }, always, false},
	Exp: {"exp", func(x float64, _ *Activation) float64 { return elementary.Exp(x) },
		func(x float64, _ *Activation) float64 { return elementary.Exp(x) }, always, false},
	Log: {"log", func(x float64, _ *Activation) float64 { return elementary.Log(x) },
		func(x float64, _ *Activation) float64 { return 1 / x }, nil, false},
	Pow: {"pow", func(x float64, a *Activation) float64 { return elementary.Pow(x, a.A) },
		func(x float64, a *Activation) float64 { return a.A * elementary.Pow(x, a.A-1) },
		func(a *Activation) bool { return math.Mod(a.A, 2) == 0 }, false},
	Round: {"round", func(x float64, _ *Activation) float64 { return math.RoundToEven(x) },
		func(float64, *Activation) float64 { return 1 }, nil, false},
	Reciprocal: {"reciprocal", func(x float64, _ *Activation) float64 { return 1 / x },
		func(x float64, _ *Activation) float64 { return -1 / (x * x) }, nil, false},
	Erf: {"erf", func(x float64, _ *Activation) float64 { return elementary.Erf(x) },
		func(x float64, _ *Activation) float64 { return 2 / math.Sqrt(math.Pi) * elementary.Exp(-x*x) }, nil, false},
}

func step01(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

// leaky has its slope below 0 in A, for PReLU set for each channel.
func leaky(x float64, a *Activation) float64 {
	if x < 0 {
		return a.A * x
	}
	return x
}

func leakySlope(x float64, a *Activation) float64 {
	if x > 0 {
		return 1
	}
	return a.A
}

func sigmoid(x float64) float64 { return 1 / (1 + elementary.Exp(-x)) }

// sech2 is the derivative of tanh, 1/cosh(x)^2.
func sech2(x float64) float64 { return 4 * sigmoid(2*x) * sigmoid(-2*x) }

func softplus(x float64) float64 { return max(x, 0) + elementary.Log1p(elementary.Exp(-math.Abs(x))) }

func elu(x, a, scale float64) float64 {
	if x < 0 {
		return a * elementary.Expm1(x/scale)
	}
	return x
}

func eluSlope(x, a, scale float64) float64 {
	if x > 0 {
		return 1
	}
	return a / scale * elementary.Exp(x/scale)
}

// geluInner is what GELU's approximation takes the tanh of.
func geluInner(x float64) float64 {
	cube := float64(x * x * x)
	return float64(math.Sqrt(2/math.Pi) * (x + float64(0.044715*cube))) // of which twice is a sum
}
