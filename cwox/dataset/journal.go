package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"cwox/internal/outside"
	"cwox/internal/place"
)

// journal is how far long work has come, on the disk: a file of settings, which all that
// follows depends on, and files of lines, which grow by what each unit of the work (a batch of
// images, an image with an explainer, a scene) comes to. One program has it at a time. It may
// end in any way: opened again with the same settings, the journal says which units are done.
//
// Part of the work has a journal of the same settings with the lines of some units: a line
// says which, so that those of all parts, in any order, are the journal of the whole.
type journal struct {
	dir   *place.Dir
	files []*lines
}

// maxSettingsBytes bounds what is read of settings.
const maxSettingsBytes = 1 << 20

// openJournal begins a journal in a folder, which it closes in the end, or opens the one that
// is there: load takes its lines. Settings that differ from now are an error that names the
// difference; what may differ, unite makes the same. With restart no line stays.
func openJournal[S any](dir *place.Dir, settings string, now *S, unite func(before, now *S), restart bool, load func(files []*lines) error, files ...string) (_ *journal, err error) {
	j := &journal{dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, j.close())
		}
	}()
	var size int64
	for _, name := range files {
		l, err := openLines(dir, name)
		if err != nil {
			return nil, err
		}
		j.files = append(j.files, l)
		if restart {
			if err := l.cut(0); err != nil {
				return nil, err
			}
		}
		size += l.size
	}
	j.sweep(append(files, settings, strings.TrimSuffix(settings, ".settings.json")))
	if size > 0 {
		if err = compare(dir.Path(settings), now, unite); err == nil {
			err = load(j.files)
		}
		if err != nil {
			return nil, refuse(err)
		}
	}
	if size == 0 || unite != nil {
		err = dir.Write(settings, asJSON(now))
		dir.Sync() // they are there before the first line is
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	return j, nil
}

// sweep removes temporary files that earlier releases left when they were killed.
func (j *journal) sweep(names []string) {
	entries, _ := fs.ReadDir(j.dir.Root().FS(), ".")
	for _, e := range entries {
		dot := strings.LastIndexByte(e.Name(), '.')
		if dot < 1 || e.Name()[0] != '.' || !e.Type().IsRegular() || strings.Trim(e.Name()[dot+1:], "0123456789") != "" {
			continue
		}
		if slices.Contains(names, e.Name()[1:dot]) {
			_ = j.dir.Remove(e.Name())
		}
	}
}

func (j *journal) close() error {
	var errs []error
	for _, l := range j.files {
		errs = append(errs, l.close())
	}
	return errors.Join(append(errs, j.dir.Close())...)
}

// refuse says what to do about a journal with which nothing can go on. That the system cannot
// read it is another matter.
func refuse(err error) error {
	if err == nil || errors.As(err, new(syscall.Errno)) {
		return err
	}
	return fmt.Errorf("%w: cannot go on with what is there: --restart begins anew, another -o leaves it as it is", err)
}

// compare names the first setting that is not as in a file.
func compare[S any](path string, now *S, unite func(before, now *S)) error {
	before, err := readSettings[S](path)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("dataset: %s: missing, and it says what the lines beside it were made with", path)
	}
	if err != nil {
		return err
	}
	if unite != nil {
		unite(before, now)
	}
	d, err := differ(before, now)
	if err != nil {
		return fmt.Errorf("dataset: %s: %w", path, err)
	}
	return d.changed(path)
}

// readSettings reads a file of settings. Those that this release does not know are an error.
func readSettings[S any](path string) (*S, error) {
	text, err := outside.Read(path, maxSettingsBytes)
	s := new(S)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		d.DisallowUnknownFields() // a later release's
		err = d.Decode(s)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return s, nil
}

// plain is a value as JSON has it, its numbers to the last digit.
func plain(v any) (out any, err error) {
	text, err := json.Marshal(v)
	if err == nil {
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		err = d.Decode(&out)
	}
	return out, err
}

// difference is a value that is not the same on two sides, as JSON.
type difference struct{ name, before, now string }

// changed is the error that the settings in a file are not those of now; nil of no difference.
func (d *difference) changed(path string) error {
	if d == nil {
		return nil
	}
	return fmt.Errorf("dataset: %s: %s was %s and is %s now", path, d.name, d.before, d.now)
}

// differ finds the first value, in order of name, that is not the same in two of a kind; nil
// if there is none.
func differ(before, now any) (*difference, error) {
	was, err1 := plain(before)
	is, err2 := plain(now)
	return differing("", was, is), errors.Join(err1, err2)
}

func differing(path string, before, now any) *difference {
	a, mapA := before.(map[string]any)
	b, mapB := now.(map[string]any)
	if !mapA || !mapB {
		if reflect.DeepEqual(before, now) {
			return nil
		}
		was, _ := json.Marshal(before) // cannot fail: it was JSON
		is, _ := json.Marshal(now)
		return &difference{path, string(was), string(is)}
	}
	keys := slices.AppendSeq(slices.Collect(maps.Keys(a)), maps.Keys(b))
	slices.Sort(keys)
	for _, key := range slices.Compact(keys) {
		if d := differing(strings.TrimPrefix(path+"."+key, "."), a[key], b[key]); d != nil {
			return d
		}
	}
	return nil
}

// asJSON fills a file with an indented value.
func asJSON(v any) func(io.Writer) error {
	return func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		return e.Encode(v)
	}
}
