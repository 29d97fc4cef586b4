package labeltree_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/classname"
	"cwox/cwox/labeltree"
	"cwox/hlta"
	"cwox/nn/zoo"
)

// treeOf makes a tree with these clusters of words.
func treeOf(t testing.TB, clusters ...string) *hlta.Tree {
	t.Helper()
	var nodes []string
	for i, words := range clusters {
		nodes = append(nodes, fmt.Sprintf(`{"id": "Z1%d", "level": 1, "words": [{"word": %q}]}`, i+1, words))
		nodes[i] = strings.ReplaceAll(nodes[i], " ", "")
	}
	text := strings.ReplaceAll(strings.Join(nodes, ","), "|", `"},{"word":"`)
	tree, err := hlta.ParseTree("made", []byte(`{"format":"cwox-tree/1","roots":[`+text+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func numbers(from, to int) string {
	var words []string
	for c := from; c < to; c++ {
		words = append(words, hlta.ClassWord(c))
	}
	return strings.Join(words, "|")
}

func TestMatch(t *testing.T) {
	labels := []string{"cello", "acoustic guitar", "violin", "banjo"}
	for _, tt := range []struct {
		name    string
		tree    *hlta.Tree
		count   int
		labels  []string
		missing int
		want    string // in the error
	}{
		{"numbers", treeOf(t, "c000|c002", "c001|c003"), 4, nil, 0, ""},
		{"bare numbers", treeOf(t, "0|2", "1|3"), 4, labels, 0, ""},
		{"names", treeOf(t, "cello|Violin", "acoustic_guitar|banjo"), 4, labels, 0, ""},
		{"numbers with names", treeOf(t, "c000-cello|c002-violin", "c001-acoustic_guitar|c003-banjo"), 4, labels, 0, ""},
		{"other spellings of some", treeOf(t, "c000-cello|c002-fiddle", "c001-acoustic-guitar|c003-banjo"), 4, labels, 0, ""},
		{"names, one class never seen", treeOf(t, "cello|violin", "banjo"), 4, labels, 1, ""},
		{"numbers, some never seen", treeOf(t, "c000|c007", "c003"), 10, nil, 7, ""},
		{"a class too many", treeOf(t, "c000|c002", "c001|c003"), 3, nil, 0, "there is no class 3"},
		{"another model's names", treeOf(t, "c000-tench|c002-shark", "c001-goldfish|c003-ray"), 4, labels, 0,
			`only 0 of 4 names are the same, class 0 is "tench" in the tree and "cello" in the model`},
		{"another model's words", treeOf(t, "tench|shark"), 4, labels, 0, `"tench" is the name of no class`},
		{"a name of no class", treeOf(t, "cello|tench"), 4, labels, 0, `"tench" is the name of no class of the model`},
		{"an ambiguous name", treeOf(t, "cello|crane"), 3, []string{"crane", "cello", "crane"}, 0, `"crane" is the name of several classes of the model, [0 2]`},
		{"a smaller model's", treeOf(t, numbers(0, 12)), 36, nil, 0, "the highest is class 11 of the model's 36"},
		{"one class twice", treeOf(t, "c001|c001-x"), 4, nil, 0, `both class 1`},
		{"one class twice by name", treeOf(t, "cello|Cello"), 4, labels, 0, `both class 0`},
	} {
		fit, err := labeltree.Match(tt.tree, nil, classname.New(tt.count, tt.labels, nil))
		if tt.want != "" {
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: error %v, want %q in it", tt.name, err, tt.want)
			}
			continue
		}
		if err != nil || fit.Missing != tt.missing {
			t.Errorf("%s: %+v, %v", tt.name, fit, err)
		}
	}

	fit, err := labeltree.Match(treeOf(t, "cello|violin", "banjo"), nil, classname.New(4, labels, nil))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := fit.Cut([]int{2, 3, 0}, 1); err != nil || fmt.Sprint(got) != "[[2 0] [3]]" {
		t.Errorf("cut %v, %v", got, err)
	}
	// A class that the tree lacks is by itself, in order of first appearance.
	for classes, want := range map[[4]int]string{{2, 1, 3, 0}: "[[2 0] [1] [3]]", {1, 3, 2, 0}: "[[1] [3] [2 0]]"} {
		if got, err := fit.Cut(classes[:], 1); err != nil || fmt.Sprint(got) != want {
			t.Errorf("cut of %v: %v, %v; want %s", classes, got, err, want)
		}
	}
	if got, err := fit.Cut([]int{1}, 1); err != nil || fmt.Sprint(got, fit.Lacking([]int{2, 1})) != "[[1]] [1]" {
		t.Errorf("cut %v, lacking %v, %v", got, fit.Lacking([]int{2, 1}), err)
	}
	if _, err := fit.Cut([]int{2}, 9); err == nil || !strings.Contains(err.Error(), "level 9") {
		t.Errorf("a level that the tree lacks: %v", err)
	}
}

// Whatever the words: a fit knows each word's class, and cuts what it knows; all else is an error.
func FuzzMatch(f *testing.F) {
	f.Add("c000-cello|c001", "2|3", "cello\nviolin", uint8(4))
	f.Add("cello", "violin|banjo", "cello\nviolin\nbanjo\nbanjo", uint8(4))
	f.Add("c999999999|c0001", "0|00", "", uint8(2))
	f.Fuzz(func(t *testing.T, a, b, labels string, count uint8) {
		var nodes []string
		for i, words := range []string{a, b} {
			var list []string
			for w := range strings.SplitSeq(words, "|") {
				text, _ := json.Marshal(w)
				list = append(list, `{"word":`+string(text)+`}`)
			}
			nodes = append(nodes, fmt.Sprintf(`{"id":"Z1%d","level":1,"words":[%s]}`, i, strings.Join(list, ",")))
		}
		tree, err := hlta.ParseTree("x", []byte(`{"format":"cwox-tree/1","roots":[`+strings.Join(nodes, ",")+`]}`))
		if err != nil {
			return
		}
		n := 1 + int(count)
		fit, err := labeltree.Match(tree, nil, classname.New(n, strings.Split(labels, "\n"), nil))
		if err != nil {
			return
		}
		known := 0
		for c := range n {
			if len(fit.Lacking([]int{c})) == 0 {
				known++
			}
			if got, err := fit.Cut([]int{c}, 1); err != nil || len(got) != 1 || got[0][0] != c {
				t.Fatalf("class %d: %v, %v", c, got, err)
			}
		}
		if known != len(tree.Words()) || known+fit.Missing != n {
			t.Fatalf("%d classes known of %d words, %d missing of %d", known, len(tree.Words()), fit.Missing, n)
		}
	})
}

// A tree that names its words is known again, and told from another model's of as many classes.
func TestNameWords(t *testing.T) {
	names := classname.New(4, []string{"cello", "", "violin", "banjo"}, nil)
	tree := treeOf(t, "c000|c002", "c001|c003")
	labeltree.NameWords(tree, names)
	var text bytes.Buffer
	if err := tree.WriteJSON(&text); err != nil {
		t.Fatal(err)
	}
	again, err := hlta.ParseTree("again", text.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if again.Name("c002") != "violin" || again.Name("c001") != "" {
		t.Errorf("names %v", again.Provenance.Names)
	}
	if _, err := labeltree.Match(again, nil, names); err != nil {
		t.Error(err)
	}
	other := classname.New(4, []string{"tench", "ray", "shark", "eel"}, nil)
	if _, err := labeltree.Match(again, nil, other); err == nil || !strings.Contains(err.Error(), "only 0 of 3 names") {
		t.Errorf("of other classes: %v", err)
	}
}

// The message names both sets and the way out.
func TestMatchMessage(t *testing.T) {
	_, err := labeltree.Match(treeOf(t, "c000-tench|c999"), nil, classname.New(10, []string{"cello"}, nil))
	const want = `it has 2 words such as c000-tench, c999, the model has 10 classes such as 0 (cello), class 1, class 2; there is no class 999. Make one with 'cwox documents`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("%v\nwant %s", err, want)
	}
}

// The real trees are ImageNet's, whatever the spelling, and nobody else's.
func TestMatchRealTrees(t *testing.T) {
	imagenet := zoo.Labels(1000)
	other := slices.Clone(imagenet)
	slices.Reverse(other)
	name := func(word string) string {
		class, _ := hlta.ParseClassWord(word)
		return imagenet[class]
	}
	for _, tt := range []struct {
		what string
		tree *hlta.Tree
		name func(string) string
	}{
		{"embedded", cwox.EmbeddedTree(), name},
		{"published ResNet-50", published(t, "published-resnet50.json"), nil},
		{"published GoogLeNet", published(t, "published-googlenet.json"), nil},
	} {
		if fit, err := labeltree.Match(tt.tree, tt.name, classname.New(1000, imagenet, nil)); err != nil || fit.Missing != 0 {
			t.Errorf("%s: %v", tt.what, err)
		}
		if _, err := labeltree.Match(tt.tree, tt.name, classname.New(1000, nil, nil)); err != nil {
			t.Errorf("%s, no labels: %v", tt.what, err)
		}
		for _, c := range []struct {
			names *classname.Names
			want  string
		}{
			{classname.New(1000, other, nil), "only "},
			{classname.New(10, other[:10], nil), "there is no class"},
			{classname.New(999, nil, nil), "there is no class 999"},
		} {
			if _, err := labeltree.Match(tt.tree, tt.name, c.names); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s for %d classes: %v, want %q", tt.what, c.names.Count(), err, c.want)
			}
		}
	}
}
