package cwox_test

import (
	"fmt"

	"cwox/cwox"
)

// The number of explained classes is min(5, Cum(0.95)).
func ExampleCum() {
	prob := []float64{0.02, 0.88, 0.06, 0.03, 0.01}
	ranked := cwox.Rank(prob)
	k := min(cwox.DefaultTopK, cwox.Cum(prob, ranked, cwox.DefaultCumulative))
	fmt.Println(ranked[:k])
	// Output: [1 2 3]
}
