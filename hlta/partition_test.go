package hlta

import (
	"bytes"
	"encoding/json"
	"os"
	"reflect"
	"testing"

	"cwox/internal/testdata"
)

func TestWritePartition(t *testing.T) {
	var b bytes.Buffer
	if err := smallTree(t).WritePartition(&b); err != nil {
		t.Fatal(err)
	}
	const want = `[{
 "Z11": ["c001","c002"],
 "Z12": ["c003","c004"],
 "Z13": ["c005","c006"]},
{
 "Z21": ["c001","c002","c003","c004"],
 "Z22": ["c005","c006"]}]
`
	if got := b.String(); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// A reference partition, made a tree and written again, has the same content.
func TestPartitionOfReference(t *testing.T) {
	data, err := os.ReadFile(testdata.Path(t, "hlta", "reference-partitions", "cwox-resnet50val.json"))
	if err != nil {
		t.Fatal(err)
	}
	var want []map[string][]string
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	tree := treeOfPartition(want)
	if err := tree.check(); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := tree.WritePartition(&b); err != nil {
		t.Fatal(err)
	}
	var got []map[string][]string
	if err := json.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Error("not the same partition")
	}
	groups, err := tree.Partition(2)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, g := range groups {
		n += len(g.Words)
	}
	if len(groups) != 100 || n != 1000 {
		t.Errorf("level 2: %d groups of %d words, want 100 of 1000", len(groups), n)
	}
	if _, err := tree.Partition(5); errText(err) != "hlta: level 5: the tree has levels 1 to 4" {
		t.Error(err)
	}
}

// treeOfPartition makes a tree without parameters from the groups of every level.
func treeOfPartition(levels []map[string][]string) *Tree {
	t := &Tree{}
	above := map[string]*Node{} // of each word: its latent one level up
	for l := len(levels) - 1; l >= 0; l-- {
		here := map[string]*Node{}
		for id, words := range levels[l] {
			n := &Node{ID: id, Level: l + 1}
			for _, w := range words {
				here[w] = n
				if l == 0 {
					n.Words = append(n.Words, Word{Name: w})
				}
			}
			if up := above[words[0]]; up != nil {
				up.Children = append(up.Children, n)
			} else {
				t.Roots = append(t.Roots, n)
			}
		}
		above = here
	}
	return t
}
