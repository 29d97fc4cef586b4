package dataset

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClearExamples(t *testing.T) {
	journal := `{"id":0,"image":"a.jpg","top":[{"class":3,"probability":0.5},{"class":7,"probability":0.4}]}
{"id":1,"image":"b.jpg","error":"not a picture"}
{"id":2,"image":"c.jpg","top":[{"class":3,"probability":0.9}]}
{"id":3,"image":"d.jpg","top":[{"class":3,"probability":0.9},{"class":7,"probability":0.05}]}
{"id":4,"image":"e.jpg","top":[{"class":7,"probability":0.2}]}
`
	path := filepath.Join(t.TempDir(), "docs.txt")
	if err := os.WriteFile(path+".jsonl", []byte(journal), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, path + ".jsonl"} {
		got, err := ClearExamples(name)
		if want := (map[int]string{3: "c.jpg", 7: "e.jpg"}); err != nil || !maps.Equal(got, want) {
			t.Errorf("%v, error %v, want %v", got, err, want)
		}
	}
	for text, want := range map[string]string{
		"":                      "names no image",
		`{"id":1,"image":"a"}`:  "names no image",
		"{\"id\":0}\nnot json":  "line 2",
		`{"id":0,"top":"what"}`: "line 1",
	} {
		if err := os.WriteFile(path+".jsonl", []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := ClearExamples(path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", text, err, want)
		}
	}
}
