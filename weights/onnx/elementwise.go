package onnx

import (
	"errors"
	"fmt"
	"math"

	"cwox/internal/elementary"
)

// The operators that work element by element.

// pointwise is an operator of one operand; of makes its function of the attributes.
func pointwise(of func(s *Step) func(float64) float64) eval {
	return one(func(s *Step) (*Value, error) {
		if err := s.operands(1); err != nil {
			return nil, err
		}
		x := s.In[0]
		out, fill, err := s.result(x.Type, x.Shape)
		if !fill || err != nil {
			return out, err
		}
		f := of(s)
		y := make([]float64, x.Len())
		for i, v := range x.doubles() {
			y[i] = f(v)
		}
		out.setDoubles(y)
		return out, nil
	})
}

func plain(f func(float64) float64) eval {
	return pointwise(func(*Step) func(float64) float64 { return f })
}

func sigmoid(x float64) float64 { return 1 / (1 + elementary.Exp(-x)) }

func softplus(x float64) float64 { return max(x, 0) + elementary.Log1p(elementary.Exp(-math.Abs(x))) }

func sign(x float64) float64 {
	switch {
	case x > 0:
		return 1
	case x < 0:
		return -1
	}
	return x
}

func leaky(s *Step) func(float64) float64 {
	a := s.Float("alpha", 0.01)
	return func(x float64) float64 {
		if x < 0 {
			return a * x
		}
		return x
	}
}

func elu(s *Step) func(float64) float64 {
	a := s.Float("alpha", 1)
	return func(x float64) float64 {
		if x < 0 {
			return a * elementary.Expm1(x)
		}
		return x
	}
}

func celu(s *Step) func(float64) float64 {
	a := s.Float("alpha", 1)
	return func(x float64) float64 { return max(x, 0) + min(0, a*elementary.Expm1(x/a)) }
}

// The defaults of Selu, as onnx.proto's float32 has them.
const (
	seluAlpha = 1.67326319217681884765625
	seluGamma = 1.05070102214813232421875
)

func selu(s *Step) func(float64) float64 {
	a, g := s.Float("alpha", seluAlpha), s.Float("gamma", seluGamma)
	if s.Opset < 6 {
		a, g = s.Float("alpha", 1.6732), s.Float("gamma", 1.0507)
	}
	return func(x float64) float64 {
		if x <= 0 {
			return g * a * elementary.Expm1(x)
		}
		return g * x
	}
}

func hardSigmoid(s *Step) func(float64) float64 {
	a, b := s.Float("alpha", 0.2), s.Float("beta", 0.5)
	return func(x float64) float64 { return max(0, min(1, float64(a*x)+b)) }
}

func hardSwish(x float64) float64 { return x * max(0, min(1, x/6+0.5)) }

func thresholded(s *Step) func(float64) float64 {
	a := s.Float("alpha", 1)
	return func(x float64) float64 {
		if x > a {
			return x
		}
		return 0
	}
}

func gelu(s *Step) func(float64) float64 {
	if s.Text("approximate", "none") == "tanh" {
		return func(x float64) float64 {
			return 0.5 * x * (1 + elementary.Tanh(math.Sqrt(2/math.Pi)*(x+float64(0.044715*x*x*x))))
		}
	}
	return func(x float64) float64 { return 0.5 * x * (1 + elementary.Erf(x/math.Sqrt2)) }
}

func swish(s *Step) func(float64) float64 {
	a := s.Float("alpha", 1)
	return func(x float64) float64 { return x * sigmoid(a*x) }
}

func shrink(s *Step) func(float64) float64 {
	l, b := s.Float("lambd", 0.5), s.Float("bias", 0)
	return func(x float64) float64 {
		switch {
		case x < -l:
			return x + b
		case x > l:
			return x - b
		}
		return 0
	}
}

// arithmetic is an operator of two operands with broadcasting: on floats, and on integers.
type arithmetic struct {
	float   func(a, b float64) float64
	integer func(a, b int64) (int64, error)
	truth   bool // the result is boolean
}

func exact(f func(a, b int64) int64) func(a, b int64) (int64, error) {
	return func(a, b int64) (int64, error) { return f(a, b), nil }
}

func comparison(less, equal, greater bool) arithmetic {
	return arithmetic{truth: true,
		float: func(a, b float64) float64 { return truth(a < b && less || a == b && equal || a > b && greater) },
		integer: exact(func(a, b int64) int64 {
			return int64(truth(a < b && less || a == b && equal || a > b && greater))
		}),
	}
}

func logic(f func(a, b bool) bool) arithmetic {
	return arithmetic{truth: true,
		float:   func(a, b float64) float64 { return truth(f(a != 0, b != 0)) },
		integer: exact(func(a, b int64) int64 { return int64(truth(f(a != 0, b != 0))) }),
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

var errDivision = errors.New("a division by zero")

var (
	addition       = arithmetic{float: func(a, b float64) float64 { return a + b }, integer: exact(func(a, b int64) int64 { return a + b })}
	subtraction    = arithmetic{float: func(a, b float64) float64 { return a - b }, integer: exact(func(a, b int64) int64 { return a - b })}
	multiplication = arithmetic{float: func(a, b float64) float64 { return a * b }, integer: exact(func(a, b int64) int64 { return a * b })}
	division       = arithmetic{float: func(a, b float64) float64 { return a / b }, integer: func(a, b int64) (int64, error) {
		if b == 0 {
			return 0, errDivision
		}
		return a / b, nil
	}}
	minimum = arithmetic{float: func(a, b float64) float64 { return min(a, b) }, integer: exact(func(a, b int64) int64 { return min(a, b) })}
	maximum = arithmetic{float: func(a, b float64) float64 { return max(a, b) }, integer: exact(func(a, b int64) int64 { return max(a, b) })}
	power   = arithmetic{float: elementary.Pow, integer: exact(func(a, b int64) int64 { return toInt(elementary.Pow(float64(a), float64(b))) })}
	slope   = arithmetic{float: func(x, a float64) float64 {
		if x < 0 {
			return a * x
		}
		return x
	}, integer: exact(func(x, a int64) int64 {
		if x < 0 {
			return a * x
		}
		return x
	})}
	remainder = arithmetic{float: math.Mod, integer: func(a, b int64) (int64, error) {
		if b == 0 {
			return 0, errDivision
		}
		if r := a % b; r != 0 && (r < 0) != (b < 0) {
			return r + b, nil // the sign of the divisor, as in Python
		}
		return a % b, nil
	}}
	cRemainder = arithmetic{float: math.Mod, integer: func(a, b int64) (int64, error) {
		if b == 0 {
			return 0, errDivision
		}
		return a % b, nil
	}}
)

// binary is an operator of two operands.
func binaryOf(op arithmetic) eval {
	return one(func(s *Step) (*Value, error) {
		if err := s.operands(2); err != nil {
			return nil, err
		}
		a, b, err := s.aligned()
		if err != nil {
			return nil, err
		}
		return s.apply(op, a, b)
	})
}

// aligned are the two operands; before opset 7 the second's axes may begin at one of the first's.
func (s *Step) aligned() (a, b *Value, err error) {
	a, b = s.In[0], s.In[1]
	if s.Opset >= 7 || s.Int("broadcast", 0) == 0 || s.Attribute("axis") == nil {
		return a, b, nil
	}
	at, err := axis(s.Int("axis", 0), len(a.Shape))
	if err != nil {
		return nil, nil, err
	}
	shape := append([]int{}, b.Shape...)
	for at+len(shape) < len(a.Shape) {
		shape = append(shape, 1)
	}
	return a, b.reshaped(shape), nil
}

// apply works out a binary operator.
func (s *Step) apply(op arithmetic, a, b *Value) (*Value, error) {
	shape, err := broadcast(a.Shape, b.Shape)
	if err != nil {
		return nil, err
	}
	t := a.Type
	if op.truth {
		t = Bool
	}
	out, fill, err := s.result(t, shape)
	if !fill || err != nil {
		return out, err
	}
	if err := s.room(2 * out.Len()); err != nil { // both, expanded
		return nil, err
	}
	a, b = a.expanded(shape), b.expanded(shape)
	if !a.Type.IsFloat() && !b.Type.IsFloat() {
		out.isKnown, out.i64 = true, make([]int64, len(a.i64))
		for i := range a.i64 {
			x, err := op.integer(a.i64[i], b.i64[i])
			if err != nil {
				return nil, err
			}
			out.i64[i] = wrap(t, x)
		}
		return out, nil
	}
	x, y := a.doubles(), b.doubles()
	z := make([]float64, len(x))
	for i := range z {
		z[i] = op.float(x[i], y[i])
	}
	out.setDoubles(z)
	return out, nil
}

// variadic is an operator of any number of operands, taken two by two.
func variadic(op arithmetic) eval {
	return one(func(s *Step) (*Value, error) {
		if err := s.operands(max(1, len(s.In))); err != nil {
			return nil, err
		}
		acc := s.In[0].reshaped(s.In[0].Shape)
		for _, b := range s.In[1:] {
			var err error
			if acc, err = s.apply(op, acc, b); err != nil {
				return nil, err
			}
		}
		return acc, nil
	})
}

// mean is the mean of any number of operands.
func mean(s *Step) (*Value, error) {
	sum, err := variadic(addition)(s)
	if err != nil || !sum[0].isKnown {
		return first(sum), err
	}
	x := append([]float64{}, sum[0].doubles()...)
	for i := range x {
		x[i] /= float64(len(s.In))
	}
	out := blank(sum[0].Type, sum[0].Shape)
	out.setDoubles(x)
	return out, nil
}

func mod(s *Step) ([]*Value, error) {
	if s.Int("fmod", 0) != 0 {
		return binaryOf(cRemainder)(s)
	}
	return binaryOf(remainder)(s)
}

// where chooses by a condition.
func where(s *Step) (*Value, error) {
	if err := s.operands(3); err != nil {
		return nil, err
	}
	c, a, b := s.In[0], s.In[1], s.In[2]
	shape, err := broadcast(a.Shape, b.Shape)
	if err == nil {
		shape, err = broadcast(c.Shape, shape)
	}
	if err != nil {
		return nil, err
	}
	if a.Type != b.Type || c.Type != Bool {
		return nil, fmt.Errorf("types %v, %v, %v", c.Type, a.Type, b.Type)
	}
	out, fill, err := s.result(a.Type, shape)
	if !fill || err != nil {
		return out, err
	}
	if err := s.room(3 * out.Len()); err != nil {
		return nil, err
	}
	c, a, b = c.expanded(shape), a.expanded(shape), b.expanded(shape)
	out.set(out.Len(), func() {
		for i, yes := range c.i64 {
			v := b
			if yes != 0 {
				v = a
			}
			switch types[a.Type].kind {
			case inFloats:
				out.f32[i] = v.f32[i]
			case inDoubles:
				out.f64[i] = v.f64[i]
			default:
				out.i64[i] = v.i64[i]
			}
		}
	})
	return out, nil
}

// Bounds are what Clip (or Relu6 and the like, spelt so) bounds by.
func (s *Step) Bounds() (low, high float64, err error) {
	low, err = s.FloatOr("min", 1, math.Inf(-1))
	if err == nil {
		high, err = s.FloatOr("max", 2, math.Inf(1))
	}
	return low, high, err
}

func clipping(s *Step) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	low, high, err := s.Bounds()
	if err != nil {
		return nil, err
	}
	out, err := plain(func(x float64) float64 { return min(max(x, low), high) })(s)
	return first(out), err
}

func first(v []*Value) *Value {
	if len(v) == 0 {
		return nil
	}
	return v[0]
}

// cast changes the type: numbers are rounded to it, integers wrap, and booleans are 0 and 1.
func (s *Step) cast(t Type) (*Value, error) {
	if err := s.operands(1); err != nil {
		return nil, err
	}
	x := s.In[0]
	out, fill, err := s.result(t, x.Shape)
	if !fill || err != nil {
		return out, err
	}
	switch {
	case !t.IsFloat() && !x.Type.IsFloat():
		out.set(x.Len(), func() { fillInts(out, x.i64) })
	case t == Bool:
		out.set(x.Len(), func() {
			for i, v := range x.doubles() {
				out.i64[i] = int64(truth(v != 0))
			}
		})
	default:
		out.setDoubles(x.doubles())
		narrow(out)
	}
	return out, nil
}

func fillInts(out *Value, from []int64) {
	for i, v := range from {
		out.i64[i] = wrap(out.Type, v)
	}
}

func castTo(s *Step) (*Value, error) { return s.cast(Type(s.Int("to", 0))) }

func castLike(s *Step) (*Value, error) {
	if err := s.operands(2); err != nil {
		return nil, err
	}
	t := s.In[1].Type
	of := *s
	of.In = s.In[:1]
	return of.cast(t)
}
