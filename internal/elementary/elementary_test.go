package elementary

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/big"
	"math/rand/v2"
	"testing"
)

// function is one under test; args makes its arguments of two numbers between 0 and 1: over its
// whole range, and close to where it is hard.
type function struct {
	name  string
	of    func(x, y float64) float64
	std   func(x, y float64) float64 // that of package math, for special cases
	exact func(x, y float64) *big.Float
	args  func(u, v float64) (x, y float64)
	bound float64 // of the error, ulp
	hash  uint64  // of the bits of the results for some thousand arguments
}

func one(f func(float64) float64) func(x, y float64) float64 {
	return func(x, _ float64) float64 { return f(x) }
}

// wide is a positive number of any size.
func wide(u float64) float64 { return math.Float64frombits(uint64(u * 0x7ff0000000000000)) }

func spread(from, to float64) func(u, v float64) (x, y float64) {
	return func(u, v float64) (float64, float64) {
		if v < 0.3 { // also tiny ones, of both signs
			return math.Copysign(math.Float64frombits(uint64(v/0.3*0x3ff0000000000000)), u-0.5), 0
		}
		return from + float64(u*(to-from)), 0
	}
}

func positive(u, v float64) (float64, float64) {
	switch {
	case v < 0.3:
		return wide(u), 0
	case v < 0.6:
		return 0.5 + u, 0
	case v < 0.8:
		return math.Nextafter(1+float64((u-0.5)*0x1p-20), 2), 0
	}
	return float64(u * 1000), 0
}

func over(f func(x *big.Float) *big.Float) func(x, y float64) *big.Float {
	return func(x, _ float64) *big.Float { return f(real(x)) }
}

func quotient(a, b *big.Float) *big.Float { return real(0).Quo(a, b) }

var functions = []function{
	{name: "Exp", of: one(Exp), std: one(math.Exp), exact: over(bigExp), args: spread(-745, 709.7), bound: 0.52, hash: 0x67724a6682bec1c7},
	{name: "Expm1", of: one(Expm1), std: one(math.Expm1), exact: over(bigExpm1), args: func(u, v float64) (float64, float64) {
		if v > 0.6 {
			return float64(2*u) - 1, 0
		}
		return spread(-50, 709.7)(u, v)
	}, bound: 0.52, hash: 0x67ab53f4a4e0ed9a},
	{name: "Tanh", of: one(Tanh), std: one(math.Tanh), exact: over(func(x *big.Float) *big.Float {
		e := bigExpm1(x.Add(x, x))
		return quotient(e, real(0).Add(e, real(2)))
	}), args: func(u, v float64) (float64, float64) {
		if v > 0.6 {
			return float64(4*u) - 2, 0
		}
		return spread(-23, 23)(u, v)
	}, bound: 0.52, hash: 0x522cf8d0f191a165},
	{name: "Log", of: one(Log), std: one(math.Log), exact: over(bigLog), args: positive, bound: 0.52, hash: 0xbc6429ea9ea153fa},
	{name: "Log1p", of: one(Log1p), std: one(math.Log1p), exact: over(func(x *big.Float) *big.Float { return bigLog1p(x) }),
		args: func(u, v float64) (float64, float64) {
			if v > 0.6 {
				return float64(2*u) - 1, 0
			}
			return spread(-1, 10)(u, v)
		}, bound: 0.52, hash: 0xb143d4d19cd07fb7},
	{name: "Log2", of: one(Log2), std: one(math.Log2), exact: over(func(x *big.Float) *big.Float {
		return quotient(bigLog(x), bigLn2())
	}), args: positive, bound: 0.52, hash: 0x6ba45a3a6345e368},
	{name: "Log10", of: one(Log10), std: one(math.Log10), exact: over(func(x *big.Float) *big.Float {
		return quotient(bigLog(x), bigLog(real(10)))
	}), args: positive, bound: 0.52, hash: 0xb03d436ee5212603},
	{name: "Pow", of: Pow, std: math.Pow, exact: func(x, y float64) *big.Float {
		ln := bigLog(real(math.Abs(x)))
		return bigExp(ln.Mul(ln, real(y)))
	}, args: func(u, v float64) (float64, float64) {
		x := wide(u)
		if v < 0.7 {
			x, _ = positive(u, float64(v/0.7))
		}
		// as large as it may be, or a small number
		if y := (float64(v*1480) - 745) / math.Abs(Log(x)); u > 0.4 && math.Abs(y) < 1e60 {
			return x, y
		}
		return float64(u * 10), float64(v*20) - 10
	}, bound: 0.52, hash: 0x499f405b0729cd01},
	{name: "Cbrt", of: one(Cbrt), std: one(math.Cbrt), exact: over(func(x *big.Float) *big.Float {
		if x.Sign() < 0 {
			return real(0).Neg(bigCbrt(x.Neg(x)))
		}
		return bigCbrt(x)
	}), args: func(u, v float64) (float64, float64) {
		x, _ := positive(u, v)
		return math.Copysign(x, v-0.5), 0
	}, bound: 0.52, hash: 0xa7004bedf3d84071},
	{name: "sin", of: one(func(x float64) float64 { sin, _ := SinCosTurn(x); return sin }),
		exact: over(func(x *big.Float) *big.Float { return bigSin(x) }), args: turns, bound: 0.9, hash: 0x2bcd5ff67ee9c53f},
	{name: "cos", of: one(func(x float64) float64 { _, cos := SinCosTurn(x); return cos }),
		exact: over(func(x *big.Float) *big.Float { return bigSin(x.Add(x, real(0.25))) }), args: turns, bound: 0.9, hash: 0xfdc15e4bcb8ced9a},
	{name: "Sin", of: one(Sin), std: one(math.Sin), exact: over(func(x *big.Float) *big.Float { return bigSin(inTurns(x)) }), args: angles, bound: 0.9, hash: 0x99b15611d79857c0},
	{name: "Cos", of: one(Cos), std: one(math.Cos), exact: over(func(x *big.Float) *big.Float {
		turn := inTurns(x)
		return bigSin(turn.Add(turn, real(0.25)))
	}), args: angles, bound: 0.9, hash: 0x9afa20b00c8e03fa},
	{name: "Erf", of: one(Erf), std: one(math.Erf), exact: over(bigErf), args: spread(-6.5, 6.5), bound: 0.52, hash: 0x4411d1c5ed086615},
	{name: "Erfc", of: one(Erfc), std: one(math.Erfc), exact: over(bigErfc), args: func(u, v float64) (float64, float64) {
		if v > 0.6 {
			return float64(2*u) - 1, 0
		}
		return spread(-6.5, 27)(u, v)
	}, bound: 0.52, hash: 0x5d8db4d4a822db41},
}

// angles are small ones and such of up to 2^90.
func angles(u, v float64) (float64, float64) {
	if v > 0.9 {
		return math.Ldexp(u-0.5, int(v*1000)-900), 0
	}
	return spread(-100, 100)(u, v)
}

// inTurns is a share of the full turn, without the whole ones.
func inTurns(x *big.Float) *big.Float {
	turn := quotient(x, real(0).Add(bigPi, bigPi))
	whole, _ := turn.Int(nil)
	return turn.Sub(turn, new(big.Float).SetInt(whole))
}

func turns(u, v float64) (float64, float64) {
	if v < 0.1 {
		return float64(u * 1e-9), 0
	}
	return float64(u*4) - 2, 0
}

// bigExpm1 and bigLog1p are the first terms of their series where adding 1 would take digits.
func bigExpm1(x *big.Float) *big.Float {
	if x.MantExp(nil) < -60 {
		return series(x, 1, 1./2, 1./6, 1./24)
	}
	return real(0).Sub(bigExp(x), real(1))
}

func bigLog1p(x *big.Float) *big.Float {
	if x.MantExp(nil) < -60 {
		return series(x, 1, -1./2, 1./3, -1./4)
	}
	return bigLog(real(0).Add(x, real(1)))
}

// series is c[0] x + c[1] x^2 + ...
func series(x *big.Float, c ...float64) *big.Float {
	sum := real(0)
	for i := len(c) - 1; i >= 0; i-- {
		sum.Add(sum, real(c[i]))
		sum.Mul(sum, x)
	}
	return sum
}

func bigCbrt(x *big.Float) *big.Float { return bigExp(quotient(bigLog(x), real(3))) }

func bigSin(turn *big.Float) *big.Float {
	x := real(0).Mul(turn, real(0).Add(bigPi, bigPi))
	sum, term, square := real(0), real(0).Set(x), real(0).Mul(x, x)
	for n := 1.0; term.Sign() != 0 && term.MantExp(nil) > x.MantExp(nil)-precision; n += 2 {
		sum.Add(sum, term)
		term.Mul(term, square)
		term.Quo(term, real(-(n+1)*(n+2)))
	}
	return sum
}

// ulps is how far got is from want, in units of want's last place.
func ulps(got float64, want *big.Float) float64 {
	exponent := max(want.MantExp(nil)-53, -1074)
	d := real(0).Sub(real(got), want)
	v, _ := d.SetMantExp(d, -exponent).Float64()
	return math.Abs(v)
}

func TestError(t *testing.T) {
	n := 20000
	if testing.Short() {
		n = 2000
	}
	for _, f := range functions {
		random := rand.New(rand.NewPCG(1, 2))
		worst, at := 0.0, [2]float64{}
		for range n {
			x, y := f.args(random.Float64(), random.Float64())
			want := f.exact(x, y)
			if v, _ := want.Float64(); math.IsInf(v, 0) || v != 0 && math.Abs(v) < 0x1p-1022 || want.MantExp(nil) < -1100 || want.Sign() == 0 {
				// beyond what has all digits: to an ulp
				if got := f.of(x, y); got != v && !(math.Abs(got-v) <= 0x1p-1074) {
					t.Errorf("%s(%v, %v) = %v, want %v", f.name, x, y, got, v)
				}
				continue
			}
			if e := ulps(f.of(x, y), want); !(e <= worst) {
				worst, at = e, [2]float64{x, y}
			}
		}
		t.Logf("%s: %.4f ulp at %v", f.name, worst, at)
		if !(worst <= f.bound) {
			t.Errorf("%s: an error of %.4f ulp at %v, want at most %v", f.name, worst, at, f.bound)
		}
	}
}

// TestBits holds the bits of some thousand results: a processor that gives others is found.
func TestBits(t *testing.T) {
	for _, f := range functions {
		hash := fnv.New64a()
		random := rand.New(rand.NewPCG(3, 4))
		for range 5000 {
			x, y := f.args(random.Float64(), random.Float64())
			binary.Write(hash, binary.LittleEndian, f.of(x, y))
		}
		if got := hash.Sum64(); got != f.hash {
			t.Errorf("%s: the results have the hash %#x, want %#x", f.name, got, f.hash)
		}
	}
}

func TestSpecial(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	values := []float64{0, 0x1p-1022, 1e-300, 1e-20, 0.5, 1, 2, 3, 4, 710, 746, 1e10, 1<<53 - 1, 1 << 53, 1e300, math.MaxFloat64, inf}
	for _, v := range values {
		values = append(values, -v)
	}
	values = append(values, nan)
	same := func(a, b float64) bool {
		return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b ||
			math.Abs(a-b) <= 1e-14*math.Abs(b) && !math.IsInf(b, 0) && math.Signbit(a) == math.Signbit(b)
	}
	for _, f := range functions {
		if f.std == nil {
			continue
		}
		for _, x := range values {
			for _, y := range values {
				if got, want := f.of(x, y), f.std(x, y); !same(got, want) {
					t.Errorf("%s(%v, %v) = %v, want %v", f.name, x, y, got, want)
				}
				if f.name != "Pow" {
					break
				}
			}
		}
	}
	for _, x := range []float64{inf, -inf, nan} {
		if sin, cos := SinCosTurn(x); sin == sin || cos == cos {
			t.Errorf("SinCosTurn(%v) = %v, %v, want NaN", x, sin, cos)
		}
	}
}

func TestExact(t *testing.T) {
	for k := -1074; k <= 1023; k++ {
		if got := Log2(math.Ldexp(1, k)); got != float64(k) {
			t.Errorf("Log2(2^%d) = %v", k, got)
		}
		if got, want := Pow(2, float64(k)), math.Ldexp(1, k); got != want {
			t.Errorf("Pow(2, %d) = %v, want %v", k, got, want)
		}
	}
	for k, v := 0, 1.0; k <= 22; k, v = k+1, v*10 {
		if got := Log10(v); got != float64(k) {
			t.Errorf("Log10(1e%d) = %v", k, got)
		}
		if got := Pow(10, float64(k)); got != v {
			t.Errorf("Pow(10, %d) = %v", k, got)
		}
	}
	for i := range 2000 {
		v := float64(i)
		if got := Cbrt(v * v * v); got != v {
			t.Errorf("Cbrt(%v^3) = %v", v, got)
		}
		if got := Pow(v*v, 0.5); got != v {
			t.Errorf("Pow(%v^2, 0.5) = %v", v, got)
		}
		if got := Pow(-v, 3); got != -v*v*v {
			t.Errorf("Pow(%v, 3) = %v", -v, got)
		}
	}
	for quarter, want := range [4][2]float64{{0, 1}, {1, 0}, {0, -1}, {-1, 0}} {
		if sin, cos := SinCosTurn(float64(quarter) / 4); sin != want[0] || cos != want[1] {
			t.Errorf("SinCosTurn(%d/4) = %v, %v, want %v", quarter, sin, cos, want)
		}
	}
	// math.Log of amd64 is wrong for subnormal numbers.
	if got := Log(0x1p-1074); got != -744.4400719213812 {
		t.Errorf("Log(2^-1074) = %v", got)
	}
	// Payne and Hanek's cases, by the first of which libraries are known to fail.
	for _, c := range [][3]float64{{1e22, -0.8522008497671888, 0.523214785395139}, {math.MaxFloat64, 0.004961954789184062, -0.9999876894265599}, {6381956970095103 * 0x1p797, 1, -4.687165924254628e-19}} {
		if sin, cos := Sin(c[0]), Cos(c[0]); sin != c[1] || cos != c[2] {
			t.Errorf("of %v: sine %v, cosine %v, want %v, %v", c[0], sin, cos, c[1], c[2])
		}
	}
	if Exp(0) != 1 || Log(1) != 0 || Exp(1) != math.E || Log(2) != math.Ln2 || Exp(math.Copysign(0, -1)) != 1 {
		t.Error("a constant is not exact")
	}
}

// TestMonotone follows functions over numbers that are neighbours, where tables change entries
// and elsewhere.
func TestMonotone(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	for _, f := range functions {
		grows := 1.0
		switch f.name {
		case "Pow", "sin", "cos", "Sin", "Cos":
			continue
		case "Erfc":
			grows = -1
		}
		for range 300 {
			x, _ := f.args(random.Float64(), random.Float64())
			if random.IntN(2) == 0 {
				x = (math.Round(x*entries/math.Ln2) + 0.5) * math.Ln2 / entries
			} else if random.IntN(2) == 0 {
				x = math.Float64frombits(math.Float64bits(x) &^ (1<<45 - 1))
			}
			for range 20 {
				x = math.Nextafter(x, math.Inf(-1))
			}
			last := math.Inf(-1)
			for range 40 {
				if y := grows * f.of(x, 0); y < last {
					t.Errorf("%s turns back at %v", f.name, x)
				} else if y == y {
					last = y
				}
				x = math.Nextafter(x, math.Inf(1))
			}
		}
	}
}

func Example() {
	fmt.Println(Exp(1), Log(10), Pow(2, 0.5))
	// Output: 2.718281828459045 2.302585092994046 1.4142135623730951
}
