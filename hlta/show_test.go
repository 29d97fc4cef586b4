package hlta

import (
	"bytes"
	"errors"
	"testing"
)

func TestText(t *testing.T) {
	tree := smallTree(t)
	part, err := tree.Restrict([]string{"c003", "c001", "c004"}, false)
	if err != nil {
		t.Fatal(err)
	}
	in, err := tree.NewInference()
	if err != nil {
		t.Fatal(err)
	}
	post, err := in.Posterior(Evidence{Present: []string{"c001"}, Absent: []string{"c004"}})
	if err != nil {
		t.Fatal(err)
	}
	nodes, err := ParseTree("x", []byte(`[{"id":"Z11","text":"c889-violin 0.02 c486-cello 0.01","data":{"level":1,"percentage":0.1332}}]`))
	if err != nil {
		t.Fatal(err)
	}
	names := func(word string) string {
		return map[string]string{"c001": "gold\x1b\nfish", "c003": "tiger shark"}[word]
	}
	for _, c := range []struct {
		name string
		tree *Tree
		o    ShowOptions
		want string
	}{
		{"whole", tree, ShowOptions{}, `
6 words, 3/2 latents      P    off     on
Z21                   0.250
├─ Z11                0.275
│  ├─ c001            0.145  0.010  0.500
│  └─ c002            0.179  0.020  0.600
└─ Z12                0.325
   ├─ c003            0.150  0.030  0.400
   └─ c004            0.124  0.040  0.300
Z22                   0.375
└─ Z13                0.369
   ├─ c005            0.105  0.050  0.200
   └─ c006            0.296  0.060  0.700
`},
		{"labels, part", part, ShowOptions{Label: names, ASCII: true}, "\n" +
			"3 words, 2/1 latents        P    off     on\n" +
			"Z21                     0.250\n" +
			"|- Z11                  0.275\n" +
			"|  `- c001 goldfish     0.145  0.010  0.500\n" +
			"`- Z12                  0.325\n" +
			"   |- c003 tiger shark  0.150  0.030  0.400\n" +
			"   `- c004              0.124  0.040  0.300\n"},
		// That P(Z11=1 | c001=1, c004=0) and the others are right is for
		// TestInferenceAgainstEnumeration; here it is their place that counts.
		{"given", part, ShowOptions{Posterior: post, Label: names}, `
3 words, 2/1 latents        P  given
Z21                     0.250  0.` + three(post.Latents["Z21"]) + `
├─ Z11                  0.275  0.` + three(post.Latents["Z11"]) + `
│  └─ c001 goldfish     0.145      1
└─ Z12                  0.325  0.` + three(post.Latents["Z12"]) + `
   ├─ c003 tiger shark  0.150  0.` + three(post.Words["c003"]) + `
   └─ c004              0.124      0
`},
		{"depth 2", tree, ShowOptions{Depth: 2}, `
6 words, 3/2 latents      P
Z21 (4 words)         0.250
Z22 (2 words)         0.375
`},
		{"no parameters", nodes, ShowOptions{}, `
2 words, 1 latent      P    off  on
Z11                0.133
├─ c889                -  0.020   -
└─ c486                -  0.010   -
`},
	} {
		var b bytes.Buffer
		if err := c.tree.Text(&b, c.o); err != nil {
			t.Fatal(err)
		}
		if got := "\n" + b.String(); got != c.want {
			t.Errorf("%s:%s\nwant%s", c.name, got, c.want)
		}
	}
}

func three(p float64) string { return decimals(p)[2:] }

func TestDecimals(t *testing.T) {
	for p, want := range map[float64]string{0: "0", 1: "1", 1e-9: "<0.001", 0.99999: ">0.999", 0.25: "0.250", 0.9989: "0.999"} {
		if got := decimals(p); got != want {
			t.Errorf("%v: %s, want %s", p, got, want)
		}
	}
}

// A writer that fails is reported by every format.
func TestWriteErrors(t *testing.T) {
	tree := smallTree(t)
	for name, write := range map[string]func() error{
		"json":      func() error { return tree.WriteJSON(failing{}) },
		"nodes":     func() error { return tree.WriteNodes(failing{}, nil) },
		"bif":       func() error { return tree.WriteBIF(failing{}) },
		"partition": func() error { return tree.WritePartition(failing{}) },
		"text":      func() error { return tree.Text(failing{}, ShowOptions{}) },
	} {
		if err := write(); !errors.Is(err, errFull) {
			t.Errorf("%s: %v, want %v", name, err, errFull)
		}
	}
}

type failing struct{}

var errFull = errors.New("disk full")

func (failing) Write([]byte) (int, error) { return 0, errFull }
