package hlta

import (
	"bytes"
	"io"
	"math"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// Whatever the bytes are, they are an error or a tree that every part of the package
// can work with, and that comes back the same from our own format.
func FuzzParseTree(f *testing.F) {
	tree := smallTree(f)
	var nodes bytes.Buffer
	if err := tree.WriteNodes(&nodes, nil); err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(smallTreeJSON))
	f.Add(nodes.Bytes())
	f.Add([]byte(bifText(f, tree)))
	f.Add(zipped(f, nodes.Bytes()))
	f.Add([]byte(`[{"id":"Z11","text":"c889-violin 0.0 c486-cello 1.0","data":{"level":1,"percentage":0.1}}]`))
	f.Add([]byte(`network x{} variable Z{type discrete[2]{a,b};} variable w{type discrete[2]{a,b};} probability(Z){table 0,1;} probability(w|Z){(a)1,0;(b)0,1;}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 1<<16 {
			return
		}
		var tree *Tree
		var err error
		// What gzip makes of it may have 64 MiB.
		if n := testdata.Allocated(func() { tree, err = ParseTree("x", data) }); n > 600<<20 {
			t.Fatalf("%d bytes took %d", len(data), n)
		}
		if err != nil {
			if !strings.HasPrefix(err.Error(), "hlta: x: ") {
				t.Errorf("error does not name the file: %v", err)
			}
			return
		}
		exercise(t, tree)
	})
}

func exercise(t *testing.T, tree *Tree) {
	text := treeText(t, tree)
	again, err := ParseTree("again", []byte(text))
	if err != nil {
		t.Fatalf("cannot read back: %v\n%s", err, text)
	}
	if got := treeText(t, again); got != text {
		t.Fatalf("not the same again: %s\n%s", got, text)
	}
	words := tree.Words()
	for level := 1; level <= tree.Levels(); level++ {
		groups, err := tree.Cut(words, level)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for _, g := range groups {
			n += len(g)
		}
		if n != len(words) {
			t.Fatalf("level %d: %d of %d words", level, n, len(words))
		}
	}
	for _, collapse := range []bool{false, true} {
		part, err := tree.Restrict(words[:(len(words)+1)/2], collapse)
		if err != nil {
			t.Fatal(err)
		}
		if err := part.check(); err != nil {
			t.Fatalf("restricted (collapse %v): %v", collapse, err)
		}
	}
	if err := tree.WriteNodes(io.Discard, nil); err != nil {
		t.Fatal(err)
	}
	if err := tree.WritePartition(io.Discard); err != nil {
		t.Fatal(err)
	}
	if len(words) <= 1000 {
		svgText(t, tree, DrawOptions{Layout: Layout(1 + len(words)%2)})
	}
	if err := tree.Text(io.Discard, ShowOptions{}); err != nil {
		t.Fatal(err)
	}
	if !tree.HasParameters() {
		return
	}
	if _, err := ParseTree("again.bif", []byte(bifText(t, tree))); err != nil && tree.isUniform() {
		t.Fatalf("cannot read back .bif: %v\n%s", err, bifText(t, tree))
	}
	in, err := tree.NewInference()
	if err != nil {
		t.Fatal(err)
	}
	ll, err := in.LogLikelihood(words[:1])
	if err != nil || math.IsNaN(ll) || ll > 1e-9 {
		t.Fatalf("log-likelihood %v, %v", ll, err)
	}
	post, err := in.Posterior(Evidence{Present: words[:1]})
	if err != nil {
		return // impossible evidence
	}
	for id, p := range post.Latents {
		if !(p >= 0 && p <= 1) {
			t.Fatalf("P(%s) = %v", id, p)
		}
	}
}

// isUniform says whether every latent is one level above its children and all roots
// are of the same level, which is all that .bif can tell.
func (t *Tree) isUniform() bool {
	x := t.indexed()
	for i, n := range x.latents {
		if p := x.parent[i]; p < 0 && n.Level != x.levels || p >= 0 && x.latents[p].Level != n.Level+1 {
			return false
		}
	}
	return true
}
