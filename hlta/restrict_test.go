package hlta

import (
	"math"
	"testing"
)

func TestRestrict(t *testing.T) {
	tree := smallTree(t)
	for _, c := range []struct {
		words    []string
		collapse bool
		want     string // the roots
	}{
		{[]string{"c006", "c001"}, false, `[
 {"id": "Z21", "level": 2, "p": [0.25, 0.25], "marginal": 0.25, "children": [
  {"id": "Z11", "level": 1, "p": [0.1, 0.8], "marginal": 0.275, "words": [
   {"word": "c001", "p": [0.01, 0.5]}]}]},
 {"id": "Z22", "level": 2, "p": [0.375, 0.375], "marginal": 0.375, "children": [
  {"id": "Z13", "level": 1, "p": [0.05, 0.9], "marginal": 0.36875, "words": [
   {"word": "c006", "p": [0.06, 0.7]}]}]}]}
`},
		{[]string{"c006", "c001"}, true, `[
 {"id": "Z11", "level": 1, "p": [0.275, 0.275], "marginal": 0.275, "words": [
  {"word": "c001", "p": [0.01, 0.5]}]},
 {"id": "Z13", "level": 1, "p": [0.36875, 0.36875], "marginal": 0.36875, "words": [
  {"word": "c006", "p": [0.06, 0.7]}]}]}
`},
		{[]string{"c003", "c002", "c001"}, true, `[
 {"id": "Z21", "level": 2, "p": [0.25, 0.25], "marginal": 0.25, "children": [
  {"id": "Z11", "level": 1, "p": [0.1, 0.8], "marginal": 0.275, "words": [
   {"word": "c001", "p": [0.01, 0.5]},
   {"word": "c002", "p": [0.02, 0.6]}]},
  {"id": "Z12", "level": 1, "p": [0.2, 0.7], "marginal": 0.325, "words": [
   {"word": "c003", "p": [0.03, 0.4]}]}]}]}
`},
	} {
		part, err := tree.Restrict(c.words, c.collapse)
		if err != nil {
			t.Fatal(err)
		}
		text := treeText(t, part)
		if got := text[len(text)-len(c.want):]; got != c.want {
			t.Errorf("%v, collapse %v: %s\nwant %s", c.words, c.collapse, text, c.want)
		}
	}
	for _, c := range []struct {
		words []string
		want  string
	}{
		{nil, "hlta: no words to restrict the tree to"},
		{[]string{"c001", "cello"}, `hlta: word "cello" is not among the 6 words of the tree`},
	} {
		if _, err := tree.Restrict(c.words, false); errText(err) != c.want {
			t.Errorf("%v: %v, want %s", c.words, err, c.want)
		}
	}
}

// Restriction and collapse change neither the joint distribution of the words that
// are left (below one root) nor any cut.
func TestRestrictKeepsTheModel(t *testing.T) {
	tree := bigTree(27, 0.9)
	tree.Roots = []*Node{{ID: "top", Level: 3, P: [2]float64{0.3, 0.3}, Children: tree.Roots}}
	for i, n := range tree.Latents(1) {
		n.P = [2]float64{0.1 + float64(i)/50, 0.8}
	}
	tree.Roots[0].Children[0].P = [2]float64{0.2, 0.7}
	tree = &Tree{Roots: tree.Roots}
	tree.setMarginals()
	if err := tree.check(); err != nil {
		t.Fatal(err)
	}
	words := []string{"c000", "c001", "c004", "c009", "c026", "c025"}
	whole, err := tree.NewInference()
	if err != nil {
		t.Fatal(err)
	}
	e := Evidence{Present: []string{"c000", "c009"}, Absent: []string{"c026"}}
	want, err := whole.Posterior(e)
	if err != nil {
		t.Fatal(err)
	}
	for _, collapse := range []bool{false, true} {
		part, err := tree.Restrict(words, collapse)
		if err != nil {
			t.Fatal(err)
		}
		in, err := part.NewInference()
		if err != nil {
			t.Fatal(err)
		}
		got, err := in.Posterior(e)
		if err != nil {
			t.Fatal(err)
		}
		if !(math.Abs(got.LogLikelihood-want.LogLikelihood) <= 1e-12) {
			t.Errorf("collapse %v: log-likelihood %v, want %v", collapse, got.LogLikelihood, want.LogLikelihood)
		}
		for id, p := range got.Latents {
			if !(math.Abs(p-want.Latents[id]) <= 1e-12) {
				t.Errorf("collapse %v: P(%s) = %v, want %v", collapse, id, p, want.Latents[id])
			}
		}
		for w, p := range got.Words {
			if !(math.Abs(p-want.Words[w]) <= 1e-12) {
				t.Errorf("collapse %v: P(%s) = %v, want %v", collapse, w, p, want.Words[w])
			}
		}
		for level := 1; level <= part.Levels(); level++ {
			a, err := tree.Cut(words, level)
			if err != nil {
				t.Fatal(err)
			}
			b, err := part.Cut(words, level)
			if err != nil {
				t.Fatal(err)
			}
			if len(a) != len(b) {
				t.Errorf("collapse %v, level %d: cut %v, want %v", collapse, level, b, a)
			}
		}
	}
}
