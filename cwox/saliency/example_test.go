package saliency_test

import (
	"fmt"

	"cwox/cwox/saliency"
)

// A pivot layer's map is coarse: it is enlarged to be seen over the picture.
func ExampleMap_Resize() {
	m := saliency.Map{Height: 2, Width: 2, Data: []float32{0, 1, 2, 3}}
	for _, v := range m.Resize(2, 4).Data {
		fmt.Print(v, " ")
	}
	// Output: 0 0.25 0.75 1 2 2.25 2.75 3
}

// The logit of a compound class is the log of the sum of its members' exponentials.
func ExampleTarget_Logit() {
	logits := []float32{0, 2, 2, -1}
	fmt.Printf("%.4f\n", saliency.Target{Classes: []int{1, 2}}.Logit(logits))
	// Output: 2.6931
}
