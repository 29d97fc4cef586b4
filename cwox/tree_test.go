package cwox

import (
	"bytes"
	"reflect"
	"testing"

	"cwox/hlta"
	"cwox/internal/testdata"
)

// TestEmbeddedTree wants the paper's examples (Fig. 1, 3 and 5) in one cluster each.
func TestEmbeddedTree(t *testing.T) {
	tree := embeddedTree()
	if n := len(tree.Words()); n != 1000 {
		t.Fatalf("%d classes, want 1000", n)
	}
	for _, tc := range []struct {
		name    string
		classes []int
		want    [][]int
	}{
		{"cello, acoustic guitar, banjo, violin, electric guitar", []int{486, 402, 420, 889, 546}, [][]int{{486, 889}, {402, 420, 546}}},
		{"wood rabbit, hare", []int{330, 331}, [][]int{{330, 331}}},
		{"keyboard, mouse", []int{508, 673}, [][]int{{508, 673}}},
		{"screwdriver, syringe", []int{784, 845}, [][]int{{784, 845}}},
	} {
		got, err := tree.CutClasses(tc.classes, 1)
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if !reflect.DeepEqual(got, tc.want) {
			t.Errorf("%s: clusters %v, want %v", tc.name, got, tc.want)
		}
	}
}

// TestEmbeddedTreeIsLearned learns the tree again from the documents and the options in its
// provenance: the same bytes.
func TestEmbeddedTreeIsLearned(t *testing.T) {
	tree := embeddedTree()
	docs, err := hlta.ReadDocuments(testdata.Path(t, "hlta", "resnet50val.sparse.txt.gz"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := hlta.Learn(t.Context(), docs, *tree.Provenance.Options)
	if err != nil {
		t.Fatal(err)
	}
	again.Provenance.Program = tree.Provenance.Program
	var was, is bytes.Buffer
	if err := tree.WriteJSON(&was); err != nil {
		t.Fatal(err)
	}
	if err := again.WriteJSON(&is); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(was.Bytes(), is.Bytes()) {
		t.Error("learning gives another tree")
	}
}
