package classname_test

import (
	"fmt"

	"cwox/cwox/classname"
)

func ExampleNames() {
	names := classname.New(4, []string{"cello", "crane", "crane", "tench, Tinca tinca"}, nil)
	fmt.Println(names.List("cello, c2, tench"))
	fmt.Println(names.Clusters(`[["cello"], ["tinca tinca", 1]]`))
	fmt.Println(names.Find("crane"))
	fmt.Println(names.Find("chello"))
	// Output:
	// [0 2 3] <nil>
	// [[0] [3 1]] <nil>
	// 0 "crane" is the name of several classes, 1 (crane), 2 (crane): give the number
	// 0 no class is called "chello": the nearest are 0 (cello)
}
