package report

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConfusionsPage: every cell of the matrix that is a mistake leads to its pictures.
func TestConfusionsPage(t *testing.T) {
	e := synthetic(2)
	example, err := NewConfusedExample(e, 1, 0, "70 % thing 0")
	if err != nil {
		t.Fatal(err)
	}
	if example.True != "thing 1" || example.Predicted != "thing 0" || example.TrueMap == example.PredictedMap || example.File != "scene.png" {
		t.Errorf("%q, %q, %q", example.True, example.Predicted, example.File)
	}
	if _, err := NewConfusedExample(e, 1, 7, ""); err == nil || !strings.Contains(err.Error(), "class 7 is not explained") {
		t.Errorf("a class that is not explained: %v", err)
	}
	path := filepath.Join(t.TempDir(), "out", PageFile)
	err = WriteConfusions(path, Confusions{Title: "What <x> confuses", Lead: "2 of 5.", Groups: []ConfusedGroup{
		{Name: "thing 0, <b>", Classes: []string{"thing 0", "<b>"}, Counts: [][]int{{2, 1}, {3, 0}}, Cells: []ConfusedCell{
			{Row: 1, Column: 0, True: "<b>", Predicted: "thing 0", Count: 3, Examples: []ConfusedExample{example}},
			{Row: 0, Column: 1, True: "thing 0", Predicted: "<b>", Count: 1},
		}},
		{Name: "Between groups", Cells: []ConfusedCell{{True: "a", Predicted: "b", Count: 1}}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	checkPage(t, text)
	page := string(text)
	for _, want := range []string{
		`<td class="m5"><a href="#g0-1-0">3</a></td>`, `<td class="m2"><a href="#g0-0-1">1</a></td>`, `<td class="right">2</td>`,
		`id="g0-1-0"`, `id="g0-0-1"`, `id="g1-0-0"`, "2 more, see confusions.csv.", "70 % thing 0", "&lt;b&gt;",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if n := len(regexp.MustCompile(`class="matrix|class="data matrix`).FindAllString(page, -1)); n != 1 {
		t.Errorf("%d matrices, want 1", n)
	}
}
