package dataset

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// WriteFile lets write fill a file that then appears whole at path, or not at all. A name
// ending in .gz is compressed. What is no regular file, as /dev/stdout, is written directly.
func WriteFile(path string, write func(io.Writer) error) (err error) {
	target, err := newTarget(path)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	defer func() {
		if err != nil {
			target.discard()
			err = fmt.Errorf("dataset: %s: %w", path, err)
		}
	}()
	buf := bufio.NewWriterSize(target.file, 1<<16)
	var w io.Writer = buf
	var z *gzip.Writer
	if strings.EqualFold(filepath.Ext(path), ".gz") {
		z = gzip.NewWriter(buf) // without a name or a time: the same content gives the same bytes
		w = z
	}
	if err := write(w); err != nil {
		return err
	}
	if z != nil {
		if err := z.Close(); err != nil {
			return err
		}
	}
	if err := buf.Flush(); err != nil {
		return err
	}
	return target.commit()
}

// target is where a file is written before it gets its name.
type target struct {
	path   string
	file   *os.File
	direct bool
}

func newTarget(path string) (*target, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return &target{path, f, true}, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	return &target{path, f, false}, err
}

func (t *target) commit() error {
	if t.direct {
		return t.file.Close()
	}
	if err := t.file.Chmod(0o644); err != nil {
		return err
	}
	if err := t.file.Sync(); err != nil {
		return err
	}
	if err := t.file.Close(); err != nil {
		return err
	}
	return os.Rename(t.file.Name(), t.path)
}

func (t *target) discard() {
	t.file.Close()
	if !t.direct {
		os.Remove(t.file.Name())
	}
}
