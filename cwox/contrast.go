package cwox

import (
	"math"
	"slices"

	"cwox/cwox/saliency"
)

// rectified is max(m, 0).
func rectified(m saliency.Map) saliency.Map {
	out := saliency.Map{Height: m.Height, Width: m.Width, Data: make([]float32, len(m.Data))}
	for i, v := range m.Data {
		out.Data[i] = max(v, 0)
	}
	return out
}

// minus is ReLU(fact - foil) (paper Eq. 1 and 2).
func minus(fact, foil saliency.Map) saliency.Map {
	out := saliency.Map{Height: fact.Height, Width: fact.Width, Data: make([]float32, len(fact.Data))}
	for i, v := range fact.Data {
		out.Data[i] = max(v-foil.Data[i], 0)
	}
	return out
}

// ceiling is where the authors' code clips maps.
const ceiling = 10000

// individually is clip(n fact - sum of the n foils, 0, 10000), as the authors' code has
// Eq. 1 and 2; without foils clip(fact, 0, 10000).
func individually(fact saliency.Map, foils []saliency.Map) saliency.Map {
	out := saliency.Map{Height: fact.Height, Width: fact.Width, Data: make([]float32, len(fact.Data))}
	n := float64(max(len(foils), 1))
	for i, v := range fact.Data {
		d := n * float64(v)
		for _, f := range foils {
			d -= float64(f.Data[i])
		}
		out.Data[i] = float32(min(max(d, 0), ceiling))
	}
	return out
}

// inverseProduct is a (max(b) - b) for maps that are not negative.
func inverseProduct(a, b saliency.Map) saliency.Map {
	out := saliency.Map{Height: a.Height, Width: a.Width, Data: make([]float32, len(a.Data))}
	top := float64(slices.Max(b.Data))
	for i, v := range a.Data {
		out.Data[i] = float32(float64(v) * (top - float64(b.Data[i])))
	}
	return out
}

// support sets m to 0 where the cluster's map is not above a value.
func support(m, cluster saliency.Map, above float64) {
	for i, v := range cluster.Data {
		if !(float64(v) > above) {
			m.Data[i] = 0
		}
	}
}

// percentile is the q-th percentile, 0 <= q <= 100: linear interpolation at rank
// (n-1) q/100, as NumPy's.
func percentile(x []float32, q float64) float64 {
	sorted := slices.Clone(x)
	slices.Sort(sorted)
	rank := float64(len(sorted)-1) * q / 100
	lo := int(math.Floor(rank))
	hi := min(lo+1, len(sorted)-1)
	frac := rank - float64(lo)
	return float64(sorted[lo]) + float64(frac*(float64(sorted[hi])-float64(sorted[lo])))
}

// sanitise sets values that are not finite to 0 and counts them.
func sanitise(m saliency.Map) (bad int) {
	for i, v := range m.Data {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			m.Data[i] = 0
			bad++
		}
	}
	return bad
}

// blank says whether no value is positive.
func blank(m saliency.Map) bool {
	for _, v := range m.Data {
		if v > 0 {
			return false
		}
	}
	return true
}
