package faithfulness_test

import (
	"context"
	"fmt"

	"cwox/cwox/faithfulness"
)

// A heatmap that says which pixel the network looks at is faithful: the score falls at once.
func ExampleScore() {
	// A network of two classes that looks at the second of three pixels only.
	network := func(x []float32) []float64 {
		var p []float64
		for i := 1; i < len(x); i += 3 {
			p = append(p, float64(x[i]), 1-float64(x[i]))
		}
		return p
	}
	image := []float32{0.5, 0.9, 0.5} // one channel
	results, err := faithfulness.Score(context.Background(), network, image, []faithfulness.Query{
		{Heatmap: faithfulness.Heatmap{Height: 1, Width: 3, Data: []float64{0.1, 1, 0.2}}, Pos: []int{0}, Neg: []int{1}},
		{Heatmap: faithfulness.Heatmap{Height: 1, Width: 3, Data: []float64{1, 0.1, 0.2}}, Pos: []int{0}, Neg: []int{1}},
		{Heatmap: faithfulness.Heatmap{Height: 1, Width: 3, Data: []float64{0, 0, 0}}, Pos: []int{0}, Neg: []int{1}},
	}, faithfulness.Options{AUCSteps: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Printf("%-5s n_delta %d, CAUC %.2f, CDROP %.2f, deletion AUC %.2f\n", r.Status, r.NDelta, r.CAUC, r.CDROP, r.DeletionAUC)
	}
	// Output:
	// ok    n_delta 1, CAUC 0.27, CDROP 0.28, deletion AUC 0.15
	// ok    n_delta 1, CAUC 0.27, CDROP 0.00, deletion AUC 0.75
	// blank n_delta 0, CAUC NaN, CDROP NaN, deletion AUC 0.45
}
