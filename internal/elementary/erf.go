package elementary

import "math"

// Erf is the error function.
func Erf(x float64) float64 {
	a := math.Abs(x)
	var y float64
	switch {
	case !(a > 0): // or NaN
		return x
	case a < 0x1p-900:
		return Erf(x*0x1p200) * 0x1p-200
	case a >= erfEnd:
		y = 1 - erfcBeyond(a)
	default:
		high, low := erfcParts(a)
		one, rest := twoSum(1, -high)
		y = one + (rest - low)
	}
	return math.Copysign(y, x)
}

// Erfc is 1 - Erf, exact to the last digits where that is small too.
func Erfc(x float64) float64 {
	switch {
	case x >= erfEnd:
		return erfcBeyond(x)
	case x >= 0x1p-60:
		high, low := erfcParts(x)
		return high + low
	case x > -0x1p-60:
		return 1
	case x > -erfEnd:
		high, low := erfcParts(-x)
		two, rest := twoSum(2, -high)
		return two + (rest - low)
	}
	return 2 - erfcBeyond(-x) // or NaN
}

// erfcParts is Erfc of x from 0 to erfEnd as high + low. With h = x - c, c the nearest of the
// table,
//
//	erfc(c) - erfc(x) = 2/sqrt pi exp(-c^2) (integral of exp(-2ct - t^2) from 0 to h)
//
// and the terms b of that function's power series follow from the two before: (n+1) b[n+1] =
// -2 (c b[n] + b[n-1]).
func erfcParts(x float64) (high, low float64) {
	at := math.Round(x * erfSteps)
	t := &erfcs[int(at)]
	c := float64(at / erfSteps)
	h := x - c
	first, second := -2*c*h, -2*h*h
	before, term, sum := 1.0, first, float64(first/2)
	for n := 1; n < len(oneOver)-1; n++ {
		before, term = term, float64(first*oneOver[n]*term)+float64(second*oneOver[n]*before)
		sum += float64(term * oneOver[n+1])
	}
	step, rest := product(t.slope, h)
	rest += float64(t.slopeLow*h) + float64(step*sum)
	high, low = twoSum(t.high, -step)
	return high, low + (t.low - rest)
}

// erfcBeyond is Erfc of x >= erfEnd, by its continued fraction:
//
//	exp(-x^2)/sqrt pi / (x + 1/2/(x + 1/(x + 3/2/(x + ...))))
func erfcBeyond(x float64) float64 {
	if !(x < 28) {
		return 0 / x // or NaN
	}
	under := x
	for n := 24.0; n > 1; n-- {
		under = x + float64(n/2/under)
	}
	under, lost := twoSum(x, float64(0.5/under))
	square, low := product(x, x)
	k, high, low := expParts(-square, -low)
	high, low = times(high, low, 0x1.20dd750429b6dp-1, 0x1.1ae3a914fed8p-57)
	q := high / under
	h, l := product(q, under)
	return scaled(q+((high-h)-l+(low-float64(q*lost)))/under, k)
}
