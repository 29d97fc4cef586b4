package elementary

import "math"

// SinCosTurn is the sine and the cosine of a share of a full turn.
func SinCosTurn(turn float64) (sin, cos float64) {
	if math.IsInf(turn, 0) || turn != turn {
		return math.NaN(), math.NaN()
	}
	return sinCos(math.Mod(turn, 1), 0)
}

// sinCos is the sine and the cosine of turn + rest of a full turn, turn not far beyond 1.
func sinCos(turn, rest float64) (sin, cos float64) {
	quarter := math.Round(4 * turn)
	turn, rest = twoSum(turn-float64(quarter/4), rest)
	a, rest := times(turn, rest, 0x1.921fb54442d18p+2, 0x1.1a62633145c07p-52)
	square, lost := product(a, a)
	s, c := 0.0, 0.0 // sin a = a (1 + s), cos a = 1 - a^2/2 (1 + c)
	for n := 20.0; n > 2; n -= 2 {
		s = (1 + s) * square / -((n - 1) * (n - 2))
		c = (1 + c) * square / -(n * (n - 1))
	}
	one, more := twoSum(1, -float64(square/2))
	sin = a + (float64(a*s) + rest)
	cos = one + (more - float64(lost/2) - float64(square/2*c) - float64(a*rest))
	switch int(quarter) & 3 {
	case 1:
		return cos, -sin
	case 2:
		return -sin, -cos
	case 3:
		return -cos, sin
	}
	return sin, cos
}

// Sin and Cos are those of an angle in radians, of any size.
func Sin(x float64) float64 {
	if math.Abs(x) < 0x1p-27 {
		return x // and its sign, if it is 0
	}
	sin, _ := sinCos(turnsOf(x))
	return sin
}

func Cos(x float64) float64 {
	_, cos := sinCos(turnsOf(x))
	return cos
}

// turnsOf is how many full turns an angle is, without most of the whole ones: x times those
// digits of 1/(2 pi) that leave a fraction (Payne and Hanek 1983).
func turnsOf(x float64) (turn, rest float64) {
	if math.IsInf(x, 0) || x != x {
		return math.NaN(), 0
	}
	z, e := math.Frexp(x)
	first := max(0, (e-mantissa-1)/turnBits)
	for i := first; i < first+5; i++ {
		high, low := product(z, inverseTurn[i])
		for _, part := range [2]float64{high, low} {
			sum, lost := twoSum(turn, math.Mod(math.Ldexp(part, e-turnBits*(i+1)), 1))
			turn, rest = sum, rest+lost
		}
	}
	return twoSum(turn, rest)
}
