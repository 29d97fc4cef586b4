package hlta_test

import (
	"fmt"
	"os"

	"cwox/hlta"
)

// instruments is a tree as the authors' program writes it: a nodes.json with the
// words of a latent in its text.
const instruments = `[{"id": "Z21", "text": "", "data": {"level": 2, "percentage": 0.21}, "children": [
 {"id": "Z11", "text": "c402-acoustic_guitar 0.01 c546-electric_guitar 0.02 c420-banjo 0.01", "data": {"level": 1, "percentage": 0.12}},
 {"id": "Z12", "text": "c889-violin 0.01 c486-cello 0.01", "data": {"level": 1, "percentage": 0.15}}]}]`

// The confusion clusters of an image's top classes: the level-1 latents they share.
func ExampleTree_CutClasses() {
	tree, err := hlta.ParseTree("instruments.json", []byte(instruments))
	if err != nil {
		fmt.Println(err)
		return
	}
	clusters, err := tree.CutClasses([]int{486, 402, 420, 889, 546}, 1)
	fmt.Println(clusters, err)
	_, err = tree.CutClasses([]int{486, 282}, 1)
	fmt.Println(err)
	// Output:
	// [[486 889] [402 420 546]] <nil>
	// hlta: word "c282" is not among the 5 words of the tree
}

func ExampleTree_Text() {
	tree, err := hlta.ParseTree("instruments.json", []byte(instruments))
	if err != nil {
		fmt.Println(err)
		return
	}
	tree, err = tree.Restrict([]string{"c889", "c486", "c420"}, false)
	if err != nil {
		fmt.Println(err)
		return
	}
	names := map[string]string{"c889": "violin", "c486": "cello", "c420": "banjo"}
	if err := tree.Text(os.Stdout, hlta.ShowOptions{Label: func(w string) string { return names[w] }}); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 3 words, 2/1 latents      P    off  on
	// Z21                   0.210
	// ├─ Z11                0.120
	// │  └─ c420 banjo          -  0.010   -
	// └─ Z12                0.150
	//    ├─ c889 violin         -  0.010   -
	//    └─ c486 cello          -  0.010   -
}

// What a tree with parameters, here a .bif, says about the other words once one of
// them was seen.
func ExampleTree_NewInference() {
	tree, err := hlta.ParseTree("strings.bif", []byte(`network strings { }
variable Z11 { type discrete[2] { off on }; }
variable violin { type discrete[2] { absent present }; }
variable cello { type discrete[2] { absent present }; }
probability (Z11) { table 0.9 0.1; }
probability (violin | Z11) { table 0.99 0.25 0.01 0.75; }
probability (cello | Z11) { table 0.98 0.5 0.02 0.5; }
`))
	if err != nil {
		fmt.Println(err)
		return
	}
	inference, err := tree.NewInference()
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, e := range []hlta.Evidence{{}, {Present: []string{"violin"}}, {Absent: []string{"violin"}}} {
		p, err := inference.Posterior(e)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("P(Z11) = %.3f, P(cello) = %.3f\n", p.Latents["Z11"], p.Words["cello"])
	}
	// Output:
	// P(Z11) = 0.100, P(cello) = 0.068
	// P(Z11) = 0.893, P(cello) = 0.449
	// P(Z11) = 0.027, P(cello) = 0.033
}
