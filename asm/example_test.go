package asm_test

import (
	"fmt"

	"cwox/asm"
)

// A fully connected layer of 3 inputs and 16 outputs, for two images.
func Example() {
	kernels, err := asm.ByName("ref") // or asm.Select, for the best this CPU has
	if err != nil {
		panic(err)
	}
	x := []float32{1, 2, 3, 4, 5, 6}                // [2][3]
	w := make([]float32, 3*asm.Block)               // [3][16]
	y := make([]float32, 2*asm.Block)               // [2][16]
	w[0], w[asm.Block], w[2*asm.Block] = 1, 10, 100 // output 0; the others are zero
	taps := []int{0}
	kernels.GemmF32.Run(&asm.GemmF32Args{
		A: &x[0], ARow: 4 * 3, AStep: 4, Taps: &taps[0], NTaps: 1, K: 3,
		B: &w[0], BStep: 4 * asm.Block, BVec: 4 * asm.Block,
		C: &y[0], CRow: 4 * asm.Block,
		Rows: 2, Vecs: 1, Tiles: 1,
	})
	fmt.Println(y[0], y[asm.Block])
	// Output: 321 654
}
