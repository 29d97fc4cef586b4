// Package elementary has the elementary functions of float64 with the same bits on every
// processor. Those of package math differ in the last digit: some have assembly, not of all
// processors the same, and the compiler may fuse x*y + z where a processor can (arm64, riscv64,
// s390x, ppc64, amd64 with GOAMD64=v3). Here every product that is added to something is
// rounded by an explicit conversion, over which the language forbids fusing (a half is a product
// too); internal/sourcecheck looks into the machine code for what was forgotten.
//
// Errors are at most 0.52 units in the last place of the result, of sines and cosines 0.9, as tests
// find them against math/big; half a unit more where the result is subnormal. Results that a
// float64 holds are exact but for some of sines and cosines. Special cases are those of package math.
//
// The method is that of Tang (ACM Transactions on Mathematical Software 15, 1989, and 16, 1990):
// a table leaves an argument so small that a short polynomial does the rest, and what rounding
// takes from the leading terms is kept apart.
package elementary

import "math"

//go:generate go test -run TestTables -write

const (
	indexBits = 7 // of an index into the tables
	entries   = 1 << indexBits
	mantissa  = 52

	// ln 2 over entries: the first part has 34 bits, so that up to 2^18 times it is exact.
	stepHigh = 0x1.62e42fef8p-8
	stepLow  = 0x1.1cf79abc9e3b4p-43

	// ln 2: the first part is a multiple of 2^-42, as those in logs are.
	ln2High = 0x1.62e42fefa38p-1
	ln2Low  = 0x1.ef35793c7673p-45

	// 1/(2 pi) goes by so many bits, and Erfc by so many steps of 1 up to an end.
	turnBits = 48
	erfSteps = 32
	erfEnd   = 4

	// lowest is the least number that logarithms reduce others to; up to 2 lowest they lie
	// around 1.
	lowest = 0x3fe6800000000000 // 0.703125
)

// Exp is e to the power of x.
func Exp(x float64) float64 {
	if !(x >= -746 && x <= 710) {
		return expBeyond(x)
	}
	k, high, low := expParts(x, 0)
	return scaled(high+low, k)
}

// expBeyond is Exp where a float64 can't hold it.
func expBeyond(x float64) float64 {
	if x < 0 {
		return 0
	}
	return x + math.Inf(1) // or NaN
}

// expParts is e to the power of x + rest as (high + low) 2^k, high from 1 to 2.
func expParts(x, rest float64) (k int, high, low float64) {
	const shift = 0x1.8p52 // added and taken away it leaves the whole part
	n := float64(x*(entries/math.Ln2)) + shift - shift
	r, tail := twoSum(x-float64(n*stepHigh), rest-float64(n*stepLow))
	square := float64(r * r)
	q := 1./6 + float64(r*(1./24)) + float64(square*(1./120+float64(r*(1./720))))
	p := r + (tail + float64(square*(0.5+float64(r*q))))
	at := int(n)
	t := &exps[at&(entries-1)]
	return at >> indexBits, t.high, t.low + float64(t.high*p)
}

// scaled is x 2^k, x between 1/2 and 4.
func scaled(x float64, k int) float64 {
	if k >= -1021 && k <= 1021 {
		return x * power(k)
	}
	half := k / 2
	return x * power(half) * power(k-half)
}

// power is 2^k for normal numbers.
func power(k int) float64 { return math.Float64frombits(uint64(k+1023) << mantissa) }

// Expm1 is e to the power of x, less 1, exact to the last digits near 0 too.
func Expm1(x float64) float64 {
	switch {
	case x != x || x > 710:
		return expBeyond(x)
	case x < -40:
		return -1
	case math.Abs(x) < 0x1p-54:
		return x
	}
	high, low := expm1Parts(x)
	return high + low
}

// expm1Parts is Expm1 of x from -40 to 710 as high + low.
func expm1Parts(x float64) (high, low float64) {
	if math.Abs(x) < 0.25 {
		series := 0.0
		for _, c := range expSeries {
			series = float64(series*x) + c
		}
		h, l := product(x, x)
		sum, rest := twoSum(x, float64(h/2))
		return twoSum(sum, rest+(float64(l/2)+float64(float64(h*x)*series)))
	}
	k, high, low := expParts(x, 0)
	if k > 1000 {
		return scaled(high+low, k), 0
	}
	sum, rest := twoSum(float64(high*power(k)), -1)
	return twoSum(sum, rest+float64(low*power(k)))
}

// expSeries is 1/15!, 1/14!, ... 1/3!.
var expSeries = func() (c [13]float64) {
	factorial := 2.0
	for n := 3; n <= 15; n++ {
		factorial *= float64(n)
		c[15-n] = 1 / factorial
	}
	return c
}()

// Tanh is the hyperbolic tangent.
func Tanh(x float64) float64 {
	a := math.Abs(x)
	switch {
	case !(a >= 0x1p-28): // or NaN
		return x
	case a > 22:
		return math.Copysign(1, x)
	}
	// e / (e + 2) with e = exp 2x - 1
	high, low := expm1Parts(2 * a)
	under, rest := twoSum(high, 2)
	rest += low
	q := high / under
	h, l := product(q, under)
	return math.Copysign(q+((high-h)-l+(low-float64(q*rest)))/under, x)
}

// Log is the natural logarithm.
func Log(x float64) float64 {
	shift := 0
	if !(x >= 0x1p-1022 && x <= math.MaxFloat64) {
		if !(x > 0 && x < 1) {
			return logBeyond(x)
		}
		x, shift = x*0x1p54, 54
	}
	z, k := reduced(x)
	t := entry(z)
	r, rest := t.over(z)
	return t.sum(k-shift, r, rest)
}

// logBeyond is the logarithm of what is no positive number.
func logBeyond(x float64) float64 {
	switch {
	case x == 0:
		return math.Inf(-1)
	case x < 0:
		return math.NaN()
	}
	return x // NaN and infinity
}

// reduced takes a normal number apart: z 2^k, z from lowest to 2 lowest.
func reduced(x float64) (z float64, k int) {
	b := math.Float64bits(x)
	k = int(int64(b-lowest) >> mantissa)
	return math.Float64frombits(b - uint64(k)<<mantissa), k
}

// entry is that of a reduced number.
func entry(z float64) *logEntry {
	return &logs[(math.Float64bits(z)-lowest)>>(mantissa-indexBits)&(entries-1)]
}

// over is z/c - 1 as high + low.
func (t *logEntry) over(z float64) (high, low float64) {
	front := math.Float64frombits(math.Float64bits(z) &^ (1<<27 - 1)) // half of the digits: times 1/c, which has few, it is exact
	return twoSum(float64(front*t.inverse)-1, float64((z-front)*t.inverse))
}

// sum is ln(1 + r + rest) + ln c + k ln 2.
func (t *logEntry) sum(k int, r, rest float64) float64 {
	n := float64(k)
	sum, tail := twoSum(float64(n*ln2High)+t.high, r)
	square := float64(r * r)
	tail += rest - float64(rest*r) + (t.low + float64(n*ln2Low))
	return sum + (tail + float64(square*(-0.5+float64(r*logSeries(r, square)))))
}

// logSeries is 1/3 - r/4 + r^2/5 - ... to r^7.
func logSeries(r, square float64) float64 {
	return 1./3 - float64(r*(1./4)) + float64(square*(1./5-float64(r*(1./6))+
		float64(square*(1./7-float64(r*(1./8))+float64(square*(1./9-float64(r*(1./10))))))))
}

// logParts is ln z as high + low, to 15 digits more than high has.
func logParts(z float64) (high, low float64) {
	t := entry(z)
	r, rest := t.over(z)
	h, l := product(r, r)
	sum, tail := twoSum(t.high, r)
	sum, more := twoSum(sum, -float64(h/2))
	tail += more + (rest - float64(rest*r)) + t.low - float64(l/2) + float64(float64(h*r)*logSeries(r, h))
	return twoSum(sum, tail)
}

// Log1p is the natural logarithm of 1 + x, exact to the last digits near 0 too.
func Log1p(x float64) float64 {
	switch {
	case !(x > -1 && x <= math.MaxFloat64):
		return logBeyond(1 + x)
	case math.Abs(x) < 0x1p-54:
		return x
	case math.Abs(x) < 0x1p-8:
		return entry(1).sum(0, x, 0)
	}
	one, lost := twoSum(1, x)
	z, k := reduced(one)
	t := entry(z)
	r, rest := t.over(z)
	return t.sum(k, r, rest+float64(float64(lost*power(-min(k, 1000)))*t.inverse))
}

// Log2 is the logarithm to the base 2.
func Log2(x float64) float64 {
	return logOf(x, 1, 0, 0x1.71547652b82fep+0, 0x1.777d0ffda0d24p-56)
}

// Log10 is the logarithm to the base 10.
func Log10(x float64) float64 {
	return logOf(x, 0x1.34413509f8p-2, -0x1.80433b83b532ap-44, 0x1.bcb7b1526e50ep-2, 0x1.95355baaafad3p-57)
}

// logOf is the logarithm to a base, given that of 2 and 1 over its natural one.
func logOf(x, twoHigh, twoLow, high, low float64) float64 {
	if !(x > 0 && x <= math.MaxFloat64) {
		return logBeyond(x)
	}
	shift := 0
	if x < 0x1p-1022 {
		x, shift = x*0x1p54, 54
	}
	z, k := reduced(x)
	n := float64(k - shift)
	h, l := logParts(z)
	h, rest := times(h, l, high, low)
	sum, more := twoSum(float64(n*twoHigh), h)
	return sum + (more + rest + float64(n*twoLow))
}

// Pow is x to the power of y.
func Pow(x, y float64) float64 {
	switch {
	case y == 0 || x == 1:
		return 1
	case x != x || y != y:
		return x + y
	}
	a, sign := math.Abs(x), 1.0
	if math.Signbit(x) && odd(y) {
		sign = -1
	}
	switch {
	case a == 0 || math.IsInf(a, 1) || math.IsInf(y, 0):
		return powBeyond(a, y, sign)
	case x < 0 && y != math.Trunc(y):
		return math.NaN()
	case a == 1 || math.Abs(y) < 0x1p-70:
		return sign
	case math.Abs(y) > 0x1p70:
		return powBeyond(a, y, sign)
	}
	shift := 0
	if a < 0x1p-1022 {
		a, shift = a*0x1p54, 54
	}
	z, k := reduced(a)
	n := float64(k - shift)
	h, l := logParts(z)
	sum, rest := twoSum(float64(n*ln2High), h)
	sum, rest = twoSum(sum, rest+(l+float64(n*ln2Low)))
	p, tail := times(sum, rest, y, 0)
	if p > 710 || p < -746 {
		return sign * expBeyond(p)
	}
	k, high, low := expParts(p, tail)
	return sign * scaled(high+low, k)
}

// powBeyond is a to the power of y where that is 0, 1 or infinite.
func powBeyond(a, y, sign float64) float64 {
	switch {
	case a == 1:
		return 1
	case (a > 1) == (y > 0):
		return math.Copysign(math.Inf(1), sign)
	}
	return math.Copysign(0, sign)
}

// odd says whether y is an odd whole number.
func odd(y float64) bool {
	return math.Abs(y) < 1<<53 && y == math.Trunc(y) && int64(y)&1 != 0
}

// Cbrt is the cube root.
func Cbrt(x float64) float64 {
	a := math.Abs(x)
	if !(a > 0 && a <= math.MaxFloat64) {
		return x
	}
	shift := 0
	if a < 0x1p-1022 {
		a, shift = a*0x1p54, 54
	}
	z, k := reduced(a)
	k -= shift
	third := (k + 3000) / 3
	z = float64(z * power(k+3000-3*third))
	// One step of Newton's: what its cube lacks has more digits than the first root.
	root := Exp(Log(z) / 3)
	square, rest := product(root, root)
	cube, tail := times(square, rest, root, 0)
	root += ((z - cube) - tail) / (3 * square)
	return math.Copysign(root*power(third-1000), x)
}

// twoSum is a + b, and what rounding took from it.
func twoSum(a, b float64) (sum, rest float64) {
	sum = a + b
	part := sum - a
	return sum, (a - (sum - part)) + (b - part)
}

// product is a*b, and what rounding took from it (Dekker 1971): exact unless it overflows.
func product(a, b float64) (high, low float64) {
	const split = 1<<27 + 1
	high = float64(a * b)
	c, d := float64(a*split), float64(b*split)
	a1, b1 := c-(c-a), d-(d-b)
	a2, b2 := a-a1, b-b1
	return high, ((float64(a1*b1) - high) + float64(a1*b2) + float64(a2*b1)) + float64(a2*b2)
}

// times is (a + b) (c + d) with small b and d.
func times(a, b, c, d float64) (high, low float64) {
	high, low = product(a, c)
	return high, low + (float64(a*d) + float64(b*c))
}
