package report

import (
	"cwox/cwox/saliency"
	"cwox/nn/vision"
	"math"
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

// TestConfusedAverage: of three pictures and more a mistake has an average of the pictures and of
// the maps, each map with its own maximum as one.
func TestConfusedAverage(t *testing.T) {
	at := func(value float32, x, y int) saliency.Map {
		m := saliency.Map{Height: 4, Width: 4, Data: make([]float32, 16)}
		m.Data[4*y+x] = value
		return m
	}
	cell := ConfusedCell{True: "<a>", Predicted: "b", Count: 9}
	for i := range 3 {
		if got := cell.average(); got != nil {
			t.Errorf("an average of %d", i)
		}
		e := synthetic(2)
		for k := range e.Picture.Pix {
			e.Picture.Pix[k] = uint8(30 * i)
		}
		// For class 0 two times at the upper left and once, much larger, at the lower right.
		e.Classes[0].Map = at(1, 0, 0)
		if i == 2 {
			e.Classes[0].Map = at(100, 3, 3)
		}
		e.Classes[1].Map = at(5, 3, 0)
		cell.Add(e, 0, 1)
	}
	got := cell.average()
	if got == nil || got.Say != "Where the evidence lies, on average of 3 pictures as the network sees them." || got.True != "<a>" {
		t.Fatalf("%+v", got)
	}
	if !strings.HasPrefix(got.TrueWhere, "strongest at the upper left") || !strings.HasPrefix(got.PredictedWhere, "strongest at the upper right") {
		t.Errorf("%q, %q", got.TrueWhere, got.PredictedWhere)
	}
	if v := cell.sum.maps[0]; math.Abs(v[0]-2) > 1e-9 || math.Abs(v[len(v)-1]-1) > 1e-9 || cell.sum.rgb[1][5] != 90 {
		t.Errorf("sums %g and %g of the map, %g of the pictures", v[0], v[len(v)-1], cell.sum.rgb[1][5])
	}

	// A crop: of a picture whose left half the network saw only that counts.
	e := synthetic(2)
	for k := range e.Picture.Pix {
		e.Picture.Pix[k] = uint8(200 * (k / 3 % 120 / 60))
	}
	e.Input.Seen = vision.Region{Width: 60, Height: 90}
	if img := seenPicture(e, 8); img.Pix[0] != 0 || img.Pix[len(img.Pix)-4] > 20 {
		t.Errorf("the part that was seen is %v", img.Pix)
	}

	example, err := NewConfusedExample(e, 0, 1, "")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), PageFile)
	if err := WriteConfusions(path, Confusions{Groups: []ConfusedGroup{{Cells: []ConfusedCell{{True: "x", Predicted: "y", Count: 9, sum: cell.sum,
		Examples: []ConfusedExample{example}}}}}}); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(path)
	checkPage(t, text)
	if !strings.Contains(string(text), "on average of 3 pictures") || strings.Count(string(text), "<figure>") != 2 {
		t.Error("the page lacks the average")
	}
}
