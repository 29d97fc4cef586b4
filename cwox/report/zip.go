package report

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"sync"

	"cwox/cwox"
)

// folder is where the files of a report go.
type folder interface {
	Write(name string, fill func(io.Writer) error) error
	Remove(names ...string) error
	Path(name string) string // of what is there; "" where nothing can be
}

// Zip writes the report of e as a folder of an archive: the files that Write makes.
func Zip(w *zip.Writer, dir string, e *cwox.Explanation) error {
	r, err := New(e)
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return fmt.Errorf("report: %s: %w", JSONFile, err)
	}
	if err := write(&zipFolder{w: w, dir: dir}, []*cwox.Explanation{e}, r, append(text, '\n')); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// zipFolder is a new folder of an archive.
type zipFolder struct {
	mu  sync.Mutex
	w   *zip.Writer
	dir string
}

func (z *zipFolder) Write(name string, fill func(io.Writer) error) error {
	var text bytes.Buffer
	if err := fill(&text); err != nil {
		return err
	}
	z.mu.Lock()
	defer z.mu.Unlock()
	f, err := z.w.Create(path.Join(z.dir, name))
	if err == nil {
		_, err = f.Write(text.Bytes())
	}
	return err
}

func (z *zipFolder) Remove(...string) error { return nil }

func (z *zipFolder) Path(string) string { return "" }
