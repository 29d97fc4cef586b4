package dataset

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/classname"
	"cwox/internal/drawnworld"
)

var animals = classname.New(4, []string{"tabby cat", "dog", "hen", "crane"}, [][]string{{"tabby"}, nil, nil, nil})

func TestTrueFolders(t *testing.T) {
	images := []string{"set/dog/1.jpg", "set/tabby_cat/2.jpg", "set/2/3.jpg", "set/misc/4.jpg", "set/dog/5.jpg"}
	got, err := TrueFolders(images, animals)
	if want := []int{1, 0, 2, -1, 1}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if _, err := TrueFolders([]string{"set/misc/4.jpg"}, animals); err == nil || !strings.Contains(err.Error(), `as "misc" is not`) {
		t.Errorf("no folder of a class: %v", err)
	}
}

func TestTrueTable(t *testing.T) {
	dir := t.TempDir()
	images := []string{"a/1.jpg", "a/2.jpg", "b/2.jpg", "b/3.jpg"}
	for _, c := range []struct {
		text string
		want []int
		says string
	}{
		{"image,class\na/1.jpg,dog\n3.jpg,0\n", []int{1, -1, -1, 0}, ""},
		{"\ufeffClass , more, IMAGE\r\ntabby,x,1.jpg\r\n\"hen\",\"y,z\",b/2.jpg\r\n", []int{0, -1, 2, -1}, ""},
		{"image,class\na/1.jpg,dog\n1.jpg,dog\nelse.jpg,wolf\n", []int{1, -1, -1, -1}, ""},
		{"image,label\na/1.jpg,dog\n", nil, `line 1: columns ["image" "label"]: want image and class`},
		{"image,class\n2.jpg,dog\n", nil, `line 2: "2.jpg" is the name of several images`},
		{"image,class\na/1.jpg,dog\n1.jpg,hen\n", nil, "line 3: \"1.jpg\" again, with another class"},
		{"image,class\na/1.jpg,wolf\n", nil, "line 2: "},
		{"image,class\na/1.jpg\n", nil, "line 2: 1 columns, the first line has 2"},
		{"image,class\nelse.jpg,dog\n", nil, "names none of the 4 images"},
		{"", nil, "want a first line"},
	} {
		path := filepath.Join(dir, "truth.csv")
		if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := TrueTable(path, images, animals)
		if c.says == "" && (err != nil || !slices.Equal(got, c.want)) {
			t.Errorf("%q: %v, %v, want %v", c.text, got, err, c.want)
		}
		if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), path)) {
			t.Errorf("%q: error %v, want %q", c.text, err, c.says)
		}
	}
}

// TestConfusions counts lines written by hand.
func TestConfusions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "d.jsonl")
	err := os.WriteFile(path, []byte(`{"id":0,"image":"0","top":[{"class":1,"probability":0.9}]}
{"id":1,"image":"1","top":[{"class":2,"probability":0.6},{"class":1,"probability":0.3}]}
{"id":2,"image":"2","top":[{"class":2,"probability":0.8}]}
{"id":3,"image":"3","error":"broken"}
{"id":4,"image":"4","top":[{"class":7,"probability":0.5}]}
{"id":5,"image":"5","top":[{"class":2,"probability":0.5}]}
{"id":6,"image":"6","top":[{"class":5,"probability":0.7}]}
{"id":7,"image":"=7","top":[{"class":6,"probability":0.7},{"class":0,"probability":0.1},{"class":5,"probability":0.05}]}
`), 0o644)
	if err != nil {
		t.Fatal(err)
	}
	c := small()
	f, all, err := confusions(path, []int{1, 1, 1, 1, -1, 2, 1, 5})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.group(c, all, cwox.Options{Clusters: [][]int{{1, 2, 9}, {5, 6}}}); err != nil {
		t.Fatal(err)
	}
	if f.Images != 6 || f.Correct != 2 || f.Unreadable != 1 || f.Unknown != 1 {
		t.Errorf("%+v", f)
	}
	var got strings.Builder
	for _, k := range f.Clusters {
		got.WriteString("|")
		for _, class := range k.Classes {
			got.WriteByte('0' + byte(class))
		}
		got.WriteByte('r')
		got.WriteByte('0' + byte(k.Correct))
		for _, p := range k.Pairs {
			got.Write([]byte{' ', '0' + byte(p.True), '>', '0' + byte(p.Predicted), 'x', '0' + byte(p.Count)})
			for _, m := range p.mistakes {
				got.WriteString("," + m.image)
			}
		}
	}
	// The most confident mistake first; the cluster with more mistakes first.
	if want := "|12r2 1>2x2,2,1|56r0 5>6x1,=7"; got.String() != want {
		t.Errorf("clusters %q, want %q", got.String(), want)
	}
	if len(f.Across) != 1 || f.Across[0].True != 1 || f.Across[0].Predicted != 5 || f.Across[0].Count != 1 {
		t.Errorf("across %+v", f.Across)
	}
	if lead := f.lead(); lead != "2 of 6 images are recognised (33.3 %). Mistakes within 2 groups of classes that are often confused: 3 of 4." {
		t.Errorf("lead %q", lead)
	}
	var table strings.Builder
	if err := writeMistakes(&table, c, all); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(table.String(), "\n")
	if len(lines) != 6 || !strings.HasPrefix(lines[1], "1,1,") || !strings.HasSuffix(lines[1], ",0.6,0.3,2") ||
		!strings.HasPrefix(lines[4], "'=7,5,") || !strings.HasSuffix(lines[4], ",0.7,0.05,3") || !strings.HasSuffix(lines[2], ",0.8,,") {
		t.Errorf("table %q", lines)
	}
	for i, bad := range []string{`{"id":9,"image":"x"}`, `{"id":-1}`, `{`} {
		if err := os.WriteFile(path, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := confusions(path, make([]int, 3)); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("bad line %d: %v", i, err)
		}
	}
}

// drawnFolder writes drawn scenes as pictures, and says where.
func drawnFolder(t *testing.T, n int) (folder string, images []string) {
	t.Helper()
	folder = t.TempDir()
	for seed := range uint64(n) {
		dir := filepath.Join(folder, "scenes", strconv.FormatUint(seed, 10))
		if err := drawnworld.New(seed, drawnworld.Options{}).WriteTruth(dir, 96); err != nil {
			t.Fatal(err)
		}
		images = append(images, filepath.Join(dir, "scene.png"))
	}
	return folder, images
}

// TestConfusionsGoOn: an interrupted run goes on and comes to the same files.
func TestConfusionsGoOn(t *testing.T) {
	c := demoClassifier(t)
	folder, images := drawnFolder(t, 3)
	truth := []int{20, 22, 13} // whatever they show
	o := ConfusionsOptions{Title: "What", Examples: 2, Explain: cwox.Options{Tree: cwox.DemoTree()}}
	whole := filepath.Join(folder, "whole")
	if _, err := WriteConfusions(context.Background(), c, images, truth, whole, o); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	o.Documents.Batch = 1
	o.Progress = func(phase string, done, _ int) {
		if phase == PhaseLabel && done == 1 {
			cancel()
		}
	}
	again := filepath.Join(folder, "again")
	if _, err := WriteConfusions(ctx, c, images, truth, again, o); err == nil {
		t.Fatal("not interrupted")
	}
	o.Progress = nil
	if _, err := WriteConfusions(context.Background(), c, images, truth, again, o); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{ConfusionsFile, ConfusionsTable, "index.html", ConfusionsDocuments} {
		a, err := os.ReadFile(filepath.Join(whole, name))
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(filepath.Join(again, name)); err != nil || string(a) != string(b) {
			t.Errorf("%s: other bytes after an interruption: %v", name, err)
		}
	}
}
