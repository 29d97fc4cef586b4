package report

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestZip: an archive holds what a folder does.
func TestZip(t *testing.T) {
	e := synthetic(2, 1)
	dir := t.TempDir()
	if err := Write(dir, e); err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	w := zip.NewWriter(&text)
	if err := Zip(w, "cello", e); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(text.Bytes()), int64(text.Len()))
	if err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != len(r.File) {
		t.Errorf("%d files in the archive, %d in the folder", len(r.File), len(entries))
	}
	for _, entry := range entries {
		want, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		f, err := r.Open("cello/" + entry.Name())
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := io.ReadAll(f)
		f.Close()
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s differs (%v)", entry.Name(), err)
		}
	}
}
