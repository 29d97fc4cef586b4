package dataset

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"time"

	"cwox/internal/outside"
	"cwox/internal/place"
)

// lines is a file of JSON texts, one a line, that grows. A line is there once its newline is.
// One program has the file at a time.
type lines struct {
	dir    *place.Dir
	name   string
	file   *os.File
	size   int64 // of the whole lines
	dirty  bool  // something was written since the last sync
	synced time.Time
}

// syncEvery bounds the work that is lost when the machine stops, not just the program.
const syncEvery = time.Second

// maxLineBytes bounds what is read of a file at once.
const maxLineBytes = 16 << 20

// openLines opens a file, makes it if need be, and takes it for this program alone. Where
// there are no locks, append notices other programs.
func openLines(dir *place.Dir, name string) (*lines, error) {
	f, err := dir.Hold(name)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	l := &lines{dir: dir, name: name, file: f, synced: time.Now()}
	return l, l.measure()
}

// measure takes all that is in the file for its lines.
func (l *lines) measure() error {
	info, err := l.file.Stat()
	if err == nil {
		l.size = info.Size()
	}
	return l.fail(err)
}

// fail says which file an error is about; nil stays nil.
func (l *lines) fail(err error) error {
	if err == nil {
		return nil
	}
	if p := (*fs.PathError)(nil); errors.As(err, &p) {
		err = p.Err // its path may be that of a temporary file
	}
	return fmt.Errorf("dataset: %s: %w", l.dir.Path(l.name), err)
}

// append adds whole lines, and syncs if that is a while ago. It notices another program that
// writes to the file.
func (l *lines) append(text []byte) error {
	info, err := l.file.Stat()
	if err == nil && info.Size() != l.size {
		err = fmt.Errorf("has %d bytes, %d were written: %w", info.Size(), l.size, place.ErrLocked)
	}
	if err == nil {
		_, err = l.file.WriteAt(text, l.size)
	}
	if err != nil {
		return l.fail(err)
	}
	l.size += int64(len(text))
	l.dirty = true
	if time.Since(l.synced) < syncEvery {
		return nil
	}
	return l.sync()
}

// sync makes what was written last.
func (l *lines) sync() error {
	if !l.dirty {
		return nil
	}
	l.dirty, l.synced = false, time.Now()
	return l.fail(l.file.Sync())
}

// cut removes what stands behind size.
func (l *lines) cut(size int64) error {
	l.size, l.dirty = size, true
	return l.fail(l.file.Truncate(size))
}

// arrange puts the lines in order of their keys, those of one key as they came, and drops
// each that the next one in this order replaces.
func arrange[T, K any](l *lines, key func(*T) K, compare func(a, b K) int, replaces func(old, next K) bool) error {
	type piece struct {
		key      K
		from, to int64
	}
	var pieces []piece
	_, err := each(l, func(line *T, at span) error {
		p := piece{key(line), at.from, at.to}
		if n := len(pieces); n > 0 && compare(pieces[n-1].key, p.key) == 0 && !replaces(p.key, p.key) {
			pieces[n-1].to = at.to
		} else {
			pieces = append(pieces, p)
		}
		return nil
	})
	if err != nil {
		return err
	}
	byKey := func(a, b piece) int { return compare(a.key, b.key) }
	inOrder, all := slices.IsSortedFunc(pieces, byKey), len(pieces)
	slices.SortStableFunc(pieces, byKey)
	kept := pieces[:0]
	for i, p := range pieces {
		if i+1 == all || !replaces(p.key, pieces[i+1].key) {
			kept = append(kept, p)
		}
	}
	if inOrder && len(kept) == all {
		return l.sync()
	}
	f, err := l.dir.Exchange(l.name, func(w io.Writer) error {
		for _, p := range kept {
			if _, err := io.Copy(w, io.NewSectionReader(l.file, p.from, p.to-p.from)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	l.file.Close()
	l.file, l.dirty = f, false
	return l.measure()
}

func (l *lines) close() error { return errors.Join(l.sync(), l.file.Close()) }

// span is where a line stands in a file.
type span struct {
	line     int // its number, from 1
	from, to int64
}

// each visits the whole lines and says where the last one ends.
func each[T any](l *lines, visit func(line *T, at span) error) (end int64, err error) {
	end, err = eachLine(l.dir.Path(l.name), io.NewSectionReader(l.file, 0, l.size), visit)
	if err != nil {
		err = fmt.Errorf("dataset: %w", err)
	}
	return end, err
}

// eachOf is each for a file that is only read.
func eachOf[T any](path string, visit func(line *T, at span) error) error {
	f, err := outside.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = eachLine(path, f, visit)
	return err
}

// eachLine visits lines of JSON and says where the last one ends.
func eachLine[T any](name string, r io.Reader, visit func(line *T, at span) error) (end int64, err error) {
	lines := readLines[T](name, r, 1<<16)
	for {
		line, _, err := lines.next()
		if line == nil || err != nil {
			return lines.at.to, err
		}
		if err := visit(line, lines.at); err != nil {
			return lines.at.from, lines.fail(err)
		}
	}
}

// lineReader reads lines of JSON. A last line without its newline, which a program that was
// killed has left, or zeros, which a machine has, are no line. Errors name file and line.
type lineReader[T any] struct {
	name string
	text *bufio.Scanner
	at   span // of the last line
}

// readLines makes a lineReader with a buffer that is so large at first.
func readLines[T any](name string, r io.Reader, buffer int) *lineReader[T] {
	text := bufio.NewScanner(r)
	text.Buffer(make([]byte, buffer), maxLineBytes)
	text.Split(func(data []byte, atEOF bool) (int, []byte, error) {
		if i := bytes.IndexByte(data, '\n'); i >= 0 {
			return i + 1, data[:i+1], nil
		}
		if atEOF {
			return len(data), nil, nil
		}
		return 0, nil, nil
	})
	return &lineReader[T]{name: name, text: text}
}

// next returns the next line, also as it is written, until the next call; nil at the end.
func (r *lineReader[T]) next() (*T, []byte, error) {
	r.at.line++
	if !r.text.Scan() {
		err := r.text.Err()
		if errors.Is(err, bufio.ErrTooLong) {
			err = fmt.Errorf("more than %d bytes", maxLineBytes)
		}
		return nil, nil, r.fail(err)
	}
	text := r.text.Bytes()
	line := new(T)
	if err := json.Unmarshal(text, line); err != nil {
		r.at.from = r.at.to
		return nil, nil, r.fail(err)
	}
	r.at.from, r.at.to = r.at.to, r.at.to+int64(len(text))
	return line, text, nil
}

// fail says which line an error is about; nil stays nil.
func (r *lineReader[T]) fail(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: line %d: %w", r.name, r.at.line, err)
}

// encode makes lines.
func encode[T any](of ...T) ([]byte, error) {
	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	for i := range of {
		if err := e.Encode(&of[i]); err != nil {
			return nil, err
		}
	}
	return text.Bytes(), nil
}
