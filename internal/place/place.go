// Package place is the one way out: every file that the program leaves behind is made here.
// A file appears whole under its name or not at all, whatever stops the program, and lies on
// the disk once it is there: it is written under another name, synced, renamed, and its folder
// synced. Files of a folder never leave it, whatever they are called (os.Root). Permissions
// are those that the user's umask leaves.
package place

import (
	"bufio"
	"cmp"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
)

// Dir is a folder to write files into. Its methods may be called at once from several goroutines.
type Dir struct {
	path  string
	root  *os.Root
	dirty atomic.Bool // a name was changed since the last sync
}

// Make makes a folder, with those above it, if need be, opens it, and removes what writers
// that were killed have left in it. It must be closed.
func Make(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o777); err != nil {
		return nil, err
	}
	return Open(path)
}

// Open is Make for a folder that is there.
func Open(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	d := &Dir{path: path, root: root}
	d.sweep()
	return d, nil
}

// Temporary makes a folder, its name beginning with prefix, for what is needed for a while; the
// caller removes it. An error says where such folders go.
func Temporary(prefix string) (string, error) {
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		err = fmt.Errorf("no folder for temporary files, set TMPDIR to one: %w", err)
	}
	return dir, err
}

// Path is where a file of the folder lies, for messages and for readers.
func (d *Dir) Path(name string) string { return filepath.Join(d.path, name) }

// Root is the folder itself, for reading it.
func (d *Dir) Root() *os.Root { return d.root }

// Close syncs the folder and closes it.
func (d *Dir) Close() error {
	d.Sync()
	return d.root.Close()
}

// Sync makes the names in the folder last, on systems that can.
func (d *Dir) Sync() {
	if !d.dirty.Swap(false) {
		return
	}
	if f, err := d.root.Open("."); err == nil {
		f.Sync()
		f.Close()
	}
}

// Write lets fill write a file, which then has its name, whole, or has changed nothing. What
// had the name before is replaced. Errors name the file.
func (d *Dir) Write(name string, fill func(io.Writer) error) error {
	_, err := d.write(name, fill, false)
	return err
}

// Hold opens a file for reading and writing, makes it if need be, and takes it for this program
// alone, as far as there are locks: see Lock. Errors name the file.
func (d *Dir) Hold(name string) (_ *os.File, err error) {
	defer func() {
		if p, ok := err.(*fs.PathError); ok {
			err = p.Err
		}
		if err != nil {
			err = fmt.Errorf("%s: %w", d.Path(name), err)
		}
	}()
	for {
		f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			return nil, err
		}
		info, err := f.Stat()
		if err == nil && !info.Mode().IsRegular() {
			err = errors.New("not a regular file")
		}
		if err == nil {
			if err = lockFile(f); errors.Is(err, errors.ErrUnsupported) {
				err = nil
			}
		}
		if err != nil {
			f.Close()
			return nil, err
		}
		// Another program may have exchanged it before it was taken.
		if there, err := d.root.Stat(name); err == nil && os.SameFile(info, there) {
			return f, nil
		}
		f.Close()
	}
}

// Exchange is Write for a file that this program holds. It returns the new one, open and held:
// there is no moment at which another program could take it.
func (d *Dir) Exchange(name string, fill func(io.Writer) error) (*os.File, error) {
	return d.write(name, fill, true)
}

func (d *Dir) write(name string, fill func(io.Writer) error, keep bool) (_ *os.File, err error) {
	f, err := d.temp()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", d.Path(name), bare(err))
	}
	temp := f.Name()
	defer func() {
		if err != nil {
			f.Close()
			d.root.Remove(filepath.Base(temp))
			err = fmt.Errorf("%s: %w", d.Path(name), bare(err))
		}
	}()
	w := bufio.NewWriterSize(f, 1<<16)
	if err := fill(w); err != nil {
		return nil, err
	}
	if err := errors.Join(w.Flush(), f.Sync()); err != nil {
		return nil, err
	}
	if !keep {
		if err := f.Close(); err != nil {
			return nil, err
		}
	}
	d.dirty.Store(true)
	return f, d.root.Rename(filepath.Base(temp), name)
}

// Rename gives a file of the folder another name.
func (d *Dir) Rename(old, name string) error {
	d.dirty.Store(true)
	return d.root.Rename(old, name)
}

// Link gives a file from elsewhere a second name in the folder; where that cannot be, it is
// copied. It is for files that are only ever replaced, as those written here are.
func (d *Dir) Link(from, name string) error {
	d.dirty.Store(true)
	if os.Link(from, d.Path(name)) == nil {
		return nil
	}
	f, err := os.Open(from)
	if err != nil {
		return err
	}
	defer f.Close()
	return d.Write(name, func(w io.Writer) error { _, err := io.Copy(w, f); return err })
}

// Remove removes files; that there are none is no error.
func (d *Dir) Remove(names ...string) error {
	for _, name := range names {
		if err := d.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		d.dirty.Store(true)
	}
	return nil
}

// Write is Dir.Write to a file by its path. A path that leads to what is no regular file, as
// /dev/stdout, is written directly.
func Write(path string, fill func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return direct(path, fill)
	}
	d, err := Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(d.Write(filepath.Base(path), fill), d.Close())
}

// Gzip is fill for a file of that name: compressed, without a name or a time in it, if it ends
// in .gz. It compresses while fill goes on.
func Gzip(name string, fill func(io.Writer) error) func(io.Writer) error {
	if !strings.EqualFold(filepath.Ext(name), ".gz") {
		return fill
	}
	return func(w io.Writer) error {
		from, to := io.Pipe()
		done := make(chan error, 1)
		go func() {
			z := gzip.NewWriter(w)
			_, err := io.Copy(z, from)
			if err == nil {
				err = z.Close()
			}
			from.CloseWithError(err) // fill need not go on
			done <- err
		}()
		text := bufio.NewWriterSize(to, 1<<16)
		err := fill(text)
		if err == nil {
			err = text.Flush()
		}
		to.CloseWithError(err)
		return cmp.Or(<-done, err)
	}
}

func direct(path string, fill func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	w := bufio.NewWriterSize(f, 1<<16)
	err = fill(w)
	if err == nil {
		err = w.Flush()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("%s: %w", path, bare(err))
	}
	return nil
}

// Temporary files have a name that says whose they are; a writer holds a lock on its own.
const tempPrefix, tempSuffix = ".cwox-", ".tmp"

// temp makes and locks a temporary file.
func (d *Dir) temp() (*os.File, error) {
	for range 100 {
		name := tempPrefix + strconv.FormatUint(rand.Uint64(), 36) + tempSuffix
		f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o666)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		lockFile(f) // where there are no locks there is no sweeping either
		// Another program may have swept it away before it was locked.
		if mine, err := f.Stat(); err == nil {
			if there, err := d.root.Lstat(name); err == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
		f.Close()
	}
	return nil, errors.New("cannot make a temporary file")
}

// sweep removes temporary files whose writers are no more.
func (d *Dir) sweep() {
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return
	}
	for _, e := range entries {
		if !e.Type().IsRegular() || !strings.HasPrefix(e.Name(), tempPrefix) || !strings.HasSuffix(e.Name(), tempSuffix) {
			continue
		}
		f, err := d.root.OpenFile(e.Name(), os.O_RDWR, 0)
		if err != nil {
			continue
		}
		if lockFile(f) == nil {
			d.root.Remove(e.Name())
		}
		f.Close()
	}
}

// ErrLocked is the error of Lock where another program holds the file.
var ErrLocked = errors.New("another program is at work on it")

// Lock takes a file for this program alone until it is closed or the program ends, however that
// ends. It does not wait: held by another program it is ErrLocked. Systems and file systems
// without locks give errors.ErrUnsupported.
func Lock(f *os.File) error { return lockFile(f) }

// lockFile is how all files are locked; tests take locks away, as some network file systems do.
var lockFile = lock

// bare takes the path and the operation off an error of a file: they name temporary files.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) && strings.Contains(p.Path, tempPrefix) {
		return p.Err
	}
	var l *os.LinkError
	if errors.As(err, &l) && strings.Contains(l.Old, tempPrefix) {
		return l.Err
	}
	return err
}
