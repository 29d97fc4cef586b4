package cwox_test

import (
	"fmt"

	"cwox/cwox"
	"cwox/nn"
)

// The embedded classifier and its tree need no files: which of five answers compete?
func ExampleDemo() {
	c, err := cwox.Demo(nn.CompileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	clusters, err := cwox.DefaultTree(c).CutClasses([]int{22, 20, 13, 32, 33}, 1)
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
