package hlta

import (
	"bytes"
	"context"
	"math"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// smallTree has two roots and two levels, six words and a link.
const smallTreeJSON = `{"format": "cwox-tree/1", "provenance": {"program": "by hand", "documents": 100},
"roots": [
 {"id": "Z21", "level": 2, "p": [0.25, 0.25], "children": [
  {"id": "Z11", "level": 1, "p": [0.1, 0.8], "words": [{"word": "c001", "p": [0.01, 0.5]}, {"word": "c002", "p": [0.02, 0.6]}]},
  {"id": "Z12", "level": 1, "p": [0.2, 0.7], "words": [{"word": "c003", "p": [0.03, 0.4]}, {"word": "c004", "p": [0.04, 0.3]}]}]},
 {"id": "Z22", "level": 2, "p": [0.3, 0.6], "children": [
  {"id": "Z13", "level": 1, "p": [0.05, 0.9], "words": [{"word": "c005", "p": [0.05, 0.2]}, {"word": "c006", "p": [0.06, 0.7]}]}]}],
"links": [{"parent": 0, "child": 1, "p": [0.3, 0.6]}]}`

func smallTree(tb testing.TB) *Tree {
	tb.Helper()
	t, err := ParseTree("small", []byte(smallTreeJSON))
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestTreeFacts(t *testing.T) {
	tree := smallTree(t)
	if tree.Levels() != 2 {
		t.Errorf("levels %d", tree.Levels())
	}
	if got := strings.Join(tree.Words(), " "); got != "c001 c002 c003 c004 c005 c006" {
		t.Errorf("words %s", got)
	}
	ids := func(level int) string {
		var ids []string
		for _, n := range tree.Latents(level) {
			ids = append(ids, n.ID)
		}
		return strings.Join(ids, " ")
	}
	if ids(1) != "Z11 Z12 Z13" || ids(2) != "Z21 Z22" || ids(3) != "" {
		t.Errorf("latents %s, %s, %s", ids(1), ids(2), ids(3))
	}
	if !tree.HasParameters() {
		t.Error("parameters are there")
	}
	// P(Z11) = .75*.1 + .25*.8; P(Z22) = .75*.3 + .25*.6; P(Z13) = ...
	want := map[string]float64{"Z21": 0.25, "Z11": 0.275, "Z12": 0.325, "Z22": 0.375, "Z13": 0.05*0.625 + 0.9*0.375}
	for level := 1; level <= 2; level++ {
		for _, n := range tree.Latents(level) {
			if !(math.Abs(n.Marginal-want[n.ID]) <= 1e-15) {
				t.Errorf("P(%s) = %v, want %v", n.ID, n.Marginal, want[n.ID])
			}
		}
	}
}

func treeText(tb testing.TB, t *Tree) string {
	tb.Helper()
	var b bytes.Buffer
	if err := t.WriteJSON(&b); err != nil {
		tb.Fatal(err)
	}
	return b.String()
}

// A learned tree comes back from tree.json to the byte, and from .bif with the same
// parameters and Links (in another order).
func TestLearnedTreeRoundTrip(t *testing.T) {
	docs, err := ReadDocuments(testdata.Path(t, "hlta", "synth5k.sparse.txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	tree, err := Learn(context.Background(), docs, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.check(); err != nil {
		t.Fatal(err)
	}
	text := treeText(t, tree)
	again, err := ParseTree("again", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if treeText(t, again) != text {
		t.Error("not the same through tree.json")
	}
	if again, err = ParseTree("again", []byte(bifText(t, tree))); err != nil {
		t.Fatal(err)
	}
	byChild := func(a, b Link) int { return a.Child - b.Child }
	links := slices.SortedFunc(slices.Values(tree.Links), byChild)
	if !slices.Equal(links, slices.SortedFunc(slices.Values(again.Links), byChild)) {
		t.Error("other links through .bif")
	}
	tree.Links, again.Links = nil, nil
	if diff := sameModel(tree, again); diff != "" {
		t.Errorf("through .bif: %s", diff)
	}
}

func BenchmarkReadTree(b *testing.B) {
	path := testdata.Path(b, "trees", "published-resnet50.json")
	for b.Loop() {
		if _, err := ReadTree(path); err != nil {
			b.Fatal(err)
		}
	}
}

func TestPublishedTrees(t *testing.T) {
	for _, c := range []struct {
		name   string
		counts []int // latents per level
		sizes  map[int]int
	}{
		// Counts from the specification, section 11.
		{"published-resnet50.json", []int{287, 77, 18, 6}, map[int]int{2: 89, 3: 101, 4: 43, 5: 15, 6: 17, 7: 15, 8: 2, 9: 1, 10: 4}},
		{"published-googlenet.json", []int{410, 146, 54, 22, 8}, map[int]int{2: 289, 3: 84, 4: 24, 5: 9, 6: 2, 7: 1, 10: 1}},
	} {
		tree := published(t, c.name)
		if len(tree.Words()) != 1000 || tree.Levels() != len(c.counts) {
			t.Errorf("%s: %d words, %d levels", c.name, len(tree.Words()), tree.Levels())
		}
		for i, want := range c.counts {
			if got := len(tree.Latents(i + 1)); got != want {
				t.Errorf("%s: level %d has %d latents, want %d", c.name, i+1, got, want)
			}
		}
		sizes := map[int]int{}
		for _, n := range tree.Latents(1) {
			sizes[len(n.Words)]++
		}
		for size, want := range c.sizes {
			if sizes[size] != want {
				t.Errorf("%s: %d latents of %d words, want %d", c.name, sizes[size], size, want)
			}
		}
		if tree.HasParameters() {
			t.Errorf("%s: nodes.json has no parameters", c.name)
		}
		again, err := ParseTree("again", []byte(treeText(t, tree)))
		if err != nil {
			t.Fatal(err)
		}
		if treeText(t, again) != treeText(t, tree) {
			t.Errorf("%s: not the same through tree.json", c.name)
		}
		var nodes bytes.Buffer
		if err := tree.WriteNodes(&nodes, func(string) string { return "some name" }); err != nil {
			t.Fatal(err)
		}
		again, err = ParseTree("again", nodes.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if treeText(t, again) != treeText(t, tree) {
			t.Errorf("%s: not the same through nodes.json", c.name)
		}
	}
}
