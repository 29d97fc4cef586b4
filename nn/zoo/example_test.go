package zoo_test

import (
	"fmt"

	"cwox/internal/demo"
	"cwox/nn/zoo"
)

// The file decides: what is in it, and how its input must look.
func ExampleMatch() {
	a, err := zoo.Match(demo.Weights(), zoo.Spec{})
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := a.Load(demo.Weights(), zoo.LoadOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(a.Describe())
	fmt.Println(a.Facts.Stem, a.Facts.Depth, a.Facts.Head)
	fmt.Println(m.Input(), a.ClusterLayer, a.ClassLayer)
	fmt.Println(a.Facts.Assumed[0])
	// Output:
	// demo (36 classes)
	// 7x7/2 + max-pool [2 2 2 2] fc: Linear
	// {3 224 224} layer4 layer3
	// maxpool is not in the file: assumed a max-pooling 3x3/2 in the stem; --model :maxpool=off chooses otherwise
}
