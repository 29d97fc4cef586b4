package hlta

import (
	"encoding/json"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// published reads one of the trees that the authors published.
func published(tb testing.TB, name string) *Tree {
	tb.Helper()
	t, err := ReadTree(testdata.Path(tb, "trees", name))
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

// Every case of golden/clusters.json, exactly.
func TestCutGolden(t *testing.T) {
	type levels map[string][][]int
	var golden struct {
		Examples, Random []struct {
			Tree    string
			Classes []int
			Levels  levels
		}
		Images map[string]map[string]struct {
			Top   []int
			Trees map[string]levels
		}
	}
	data, err := os.ReadFile(testdata.Path(t, "golden", "clusters.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &golden); err != nil {
		t.Fatal(err)
	}
	trees := map[string]*Tree{}
	for _, name := range []string{"published-resnet50.json", "published-googlenet.json"} {
		trees[name] = published(t, name)
	}
	checked := 0
	check := func(tree string, classes []int, want levels) {
		for level, groups := range want {
			l, err := strconv.Atoi(level)
			if err != nil {
				t.Fatal(err)
			}
			got, err := trees[tree].CutClasses(classes, l)
			if err != nil || !reflect.DeepEqual(got, groups) {
				t.Errorf("%s: %v at level %s: %v, want %v (error %v)", tree, classes, level, got, groups, err)
			}
			checked++
		}
	}
	for _, c := range append(golden.Examples, golden.Random...) {
		check(c.Tree, c.Classes, c.Levels)
	}
	for _, models := range golden.Images {
		for _, c := range models {
			for tree, want := range c.Trees {
				check(tree, c.Top, want)
			}
		}
	}
	if checked < 200 {
		t.Errorf("only %d cases", checked)
	}
}

func TestCut(t *testing.T) {
	tree := smallTree(t)
	for _, c := range []struct {
		words string
		level int
		want  [][]int
		err   string
	}{
		{"c001 c005 c002", 1, [][]int{{0, 2}, {1}}, ""},
		{"c005 c003 c001", 2, [][]int{{0}, {1, 2}}, ""},
		{"", 1, [][]int{}, ""},
		{"c001 c009", 1, nil, `hlta: word "c009" is not among the 6 words of the tree`},
		{"c001 c002 c001", 1, nil, `hlta: word "c001" is given twice`},
		{"c001", 0, nil, "hlta: level 0: the tree has levels 1 to 2"},
		{"c001", 3, nil, "hlta: level 3: the tree has levels 1 to 2"},
	} {
		got, err := tree.Cut(strings.Fields(c.words), c.level)
		if msg := errText(err); msg != c.err || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s at %d: %v, %s; want %v, %s", c.words, c.level, got, msg, c.want, c.err)
		}
	}
	if _, err := tree.CutClasses([]int{-1}, 1); errText(err) != "hlta: class -1 is negative" {
		t.Errorf("negative class: %v", err)
	}
	if _, err := tree.CutClasses([]int{1234}, 1); errText(err) != `hlta: word "c1234" is not among the 6 words of the tree` {
		t.Errorf("unknown class: %v", err)
	}
}

func BenchmarkCut(b *testing.B) {
	tree := published(b, "published-resnet50.json")
	for b.Loop() {
		if _, err := tree.CutClasses([]int{486, 402, 420, 889, 546}, 1); err != nil {
			b.Fatal(err)
		}
	}
}

func TestClassWord(t *testing.T) {
	for class, word := range map[int]string{0: "c000", 7: "c007", 999: "c999", 1000: "c1000", 20483: "c20483"} {
		if got := ClassWord(class); got != word {
			t.Errorf("%d: %q, want %q", class, got, word)
		}
		for _, w := range []string{word, word + "-jack-o'-lantern", word + "-"} {
			if got, ok := ParseClassWord(w); !ok || got != class {
				t.Errorf("%q: %d %v, want %d", w, got, ok, class)
			}
		}
	}
	for _, w := range []string{"", "c", "c7", "c07", "c0007", "c01000", "c-01", "c+07", "c 07", "C007", "007", "c007x", "c007 ", "c0x7", "cat", "c12345678901234567890"} {
		if got, ok := ParseClassWord(w); ok {
			t.Errorf("%q: %d, want no class", w, got)
		}
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}
