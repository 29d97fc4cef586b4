package labeltree_test

import (
	"fmt"

	"cwox/cwox"
	"cwox/cwox/labeltree"
	"cwox/nn"
)

// The demo network's last layer tells which drawn things it is likely to confuse.
func ExampleFromWeights() {
	c, err := cwox.Demo(nn.CompileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	tree := labeltree.FromWeights(c.Net, false)
	fit, err := labeltree.Match(tree, nil, c.Names())
	if err != nil {
		fmt.Println(err)
		return
	}
	clusters, err := fit.Cut([]int{22, 20, 13, 32, 33}, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, cluster := range clusters {
		var names []string
		for _, class := range cluster {
			names = append(names, c.Label(class))
		}
		fmt.Printf("%q\n", names)
	}
	// Output:
	// ["oar boat" "sail boat"]
	// ["dormer house"]
	// ["keyboard" "mouse"]
}
