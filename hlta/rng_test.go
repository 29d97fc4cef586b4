package hlta

import (
	"math"
	"testing"
)

func TestStream(t *testing.T) {
	seen := map[uint64][]uint64{}
	for a := range uint64(20) {
		for b := range uint64(20) {
			for _, key := range [][]uint64{{a, b}, {a, b, 0}, {a}} {
				s := newStream(key...)
				v := s.uint64()
				if other, ok := seen[v]; ok && len(key) > 1 {
					t.Fatalf("keys %v and %v start alike", key, other)
				}
				seen[v] = key
			}
		}
	}

	s := newStream(1, 2, 3)
	const n = 100_000
	var sum, squares float64
	var dice [6]int
	for range n {
		v := s.float64()
		if v <= 0 || v >= 1 {
			t.Fatalf("%v is not between 0 and 1", v)
		}
		sum += v
		squares += v * v
		dice[s.intn(6)]++
	}
	// Five standard deviations of the mean, of the mean square, and of a count.
	if m := sum / n; !(math.Abs(m-0.5) <= 5*math.Sqrt(1./12/n)) {
		t.Errorf("mean %v", m)
	}
	if m := squares / n; !(math.Abs(m-1./3) <= 5*math.Sqrt(4./45/n)) {
		t.Errorf("mean square %v", m)
	}
	for i, k := range dice {
		if !(math.Abs(float64(k)-n/6.) <= 5*math.Sqrt(n*5./36)) {
			t.Errorf("%d came %d times", i, k)
		}
	}
}
