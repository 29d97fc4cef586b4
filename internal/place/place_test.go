package place

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

func text(s string) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := io.WriteString(w, s)
		return err
	}
}

// names lists a folder.
func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	d, err := Make(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, content := range []string{"first", "second"} {
		if err := d.Write("file", text(content)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(dir, "file")); err != nil || string(got) != content {
			t.Errorf("%q, %v, want %q", got, err, content)
		}
	}
	// What fails leaves what was there, and nothing beside it.
	broken := errors.New("broken")
	err = d.Write("file", func(w io.Writer) error {
		text("third")(w)
		return broken
	})
	if !errors.Is(err, broken) || !strings.HasPrefix(err.Error(), filepath.Join(dir, "file")+": ") {
		t.Errorf("error %v", err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "file")); string(got) != "second" {
		t.Errorf("after a failure: %q", got)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file"}) {
		t.Errorf("the folder holds %q", got)
	}
	if err := d.Remove("file", "none"); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); len(got) > 0 {
		t.Errorf("after Remove the folder holds %q", got)
	}
}

// TestStaysInside: no name and no link leads out of a folder.
func TestStaysInside(t *testing.T) {
	outer := t.TempDir()
	if err := os.WriteFile(filepath.Join(outer, "precious"), []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	d, err := Make(filepath.Join(outer, "in"))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	if err := os.Symlink(outer, filepath.Join(outer, "in", "link")); err != nil {
		t.Skip(err)
	}
	for _, name := range []string{"../precious", "link/precious", filepath.Join(outer, "precious"), "..", "."} {
		if err := d.Write(name, text("yours")); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if got, _ := os.ReadFile(filepath.Join(outer, "precious")); string(got) != "mine" {
		t.Errorf("the file outside holds %q", got)
	}
	if got := names(t, filepath.Join(outer, "in")); !slices.Equal(got, []string{"link"}) {
		t.Errorf("the folder holds %q", got)
	}
}

// TestSweep: files of writers that are no more go, those of living writers stay.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, ".cwox-dead.tmp"))
	if err != nil {
		t.Fatal(err)
	}
	err = lock(f)
	f.Close()
	if errors.Is(err, errors.ErrUnsupported) {
		t.Skip("no locks here")
	}
	for _, name := range []string{".cwox-mine", "cwox-x.tmp", ".other.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	want := []string{".cwox-mine", ".other.tmp", "cwox-x.tmp"}
	if got := names(t, dir); !slices.Equal(got, want) {
		t.Errorf("the folder holds %q, want %q", got, want)
	}
	err = d.Write("file", func(w io.Writer) error {
		other, err := Open(dir)
		if err != nil {
			return err
		}
		defer other.Close()
		if got := names(t, dir); len(got) != len(want)+1 {
			t.Errorf("while a file is written: %q", got)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	open := func() *os.File {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o666)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	a, b := open(), open()
	defer b.Close()
	if err := Lock(a); errors.Is(err, errors.ErrUnsupported) {
		t.Skip("no locks here")
	} else if err != nil {
		t.Fatal(err)
	}
	if err := Lock(b); err != ErrLocked {
		t.Errorf("the second: %v", err)
	}
	a.Close()
	if err := Lock(b); err != nil {
		t.Errorf("after the first: %v", err)
	}
}

// TestExchange: a file that is held stays so when another takes its name.
func TestExchange(t *testing.T) {
	dir := t.TempDir()
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	old, err := d.Hold("file")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.Hold("file"); errors.Is(err, ErrLocked) {
		if want := filepath.Join(dir, "file") + ": " + ErrLocked.Error(); err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	} else {
		t.Skip("no locks here")
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o777); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Hold("folder"); err == nil || !strings.HasPrefix(err.Error(), filepath.Join(dir, "folder")+": ") {
		t.Errorf("a folder: %v", err)
	}
	f, err := d.Exchange("file", text("new"))
	if err != nil {
		t.Fatal(err)
	}
	old.Close()
	other, err := os.OpenFile(filepath.Join(dir, "file"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := Lock(other); err != ErrLocked {
		t.Errorf("the new file is not held: %v", err)
	}
	if _, err := f.WriteAt([]byte("er"), 3); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(other); err != nil || string(got) != "newer" {
		t.Errorf("%q, %v", got, err)
	}
	f.Close()
	if err := Lock(other); err != nil {
		t.Error(err)
	}
	if got := names(t, dir); !slices.Equal(got, []string{"file", "folder"}) {
		t.Errorf("the folder holds %q", got)
	}
	broken := errors.New("broken")
	if _, err := d.Exchange("file", func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if got, _ := os.ReadFile(filepath.Join(dir, "file")); string(got) != "newer" {
		t.Errorf("after a failure: %q", got)
	}
}

func TestGzip(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"a.txt", "b.gz", "c.GZ"} {
		path := filepath.Join(dir, name)
		if err := Write(path, Gzip(path, text("content"))); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if name != "a.txt" {
			z, err := gzip.NewReader(bytes.NewReader(got))
			if err != nil {
				t.Fatal(err)
			}
			if z.Name != "" || !z.ModTime.IsZero() {
				t.Errorf("%s: %+v", name, z.Header)
			}
			if got, err = io.ReadAll(z); err != nil {
				t.Fatal(err)
			}
		}
		if string(got) != "content" {
			t.Errorf("%s: %q", name, got)
		}
	}
	broken := errors.New("broken")
	if err := Gzip("x.gz", func(io.Writer) error { return broken })(io.Discard); err != broken {
		t.Error(err)
	}
}

func TestDirect(t *testing.T) {
	if _, err := os.Stat("/dev/null"); err != nil {
		t.Skip(err)
	}
	if err := Write("/dev/null", text("x")); err != nil {
		t.Error(err)
	}
	if runtime.GOOS == "linux" {
		if err := Write("/dev/full", text("x")); err == nil || !strings.Contains(err.Error(), "/dev/full") {
			t.Errorf("a full disk: %v", err)
		}
	}
	if err := Write(filepath.Join(t.TempDir(), "none", "file"), text("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func TestName(t *testing.T) {
	long := strings.Repeat("é", 200)
	for _, c := range [][2]string{
		{"photo", "photo"},
		{"my photo (1)", "my photo (1)"},
		{"キッチン.v2", "キッチン.v2"},
		{"", "_"},
		{".", "_"},
		{"..", "_"},
		{".hidden", "_hidden"},
		{"-o", "_o"},
		{"a/b", "a_b"},
		{`C:\x`, "C__x"},
		{"a\nb\x1b[31m", "a_b_[31m"},
		{"a\u202eb", "a_b"},
		{"\xff", "_"},
		{"x. ", "x"},
		{"nul", "_nul"},
		{"COM1.jpg", "_COM1.jpg"},
		{"common", "common"},
		{long, long[:200]},
	} {
		if got := Name(c[0]); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}

// TestLink: a second name for the same bytes, also where there can be none.
func TestLink(t *testing.T) {
	from, to := t.TempDir(), t.TempDir()
	a := filepath.Join(from, "a")
	if err := os.WriteFile(a, []byte("content"), 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := Open(to)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 2 { // the second time the name is taken, so that it is copied
		if err := d.Link(a, "b"); err != nil {
			t.Fatal(err)
		}
		if text, err := os.ReadFile(d.Path("b")); err != nil || string(text) != "content" {
			t.Errorf("%q, %v", text, err)
		}
	}
	if err := d.Link(filepath.Join(from, "none"), "c"); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// TestNoLocks: where there are no locks files are written and held all the same, and what others
// may be writing is left alone.
func TestNoLocks(t *testing.T) {
	old := lockFile
	defer func() { lockFile = old }()
	lockFile = func(*os.File) error { return errors.ErrUnsupported }
	dir := t.TempDir()
	theirs := filepath.Join(dir, tempPrefix+"1"+tempSuffix)
	if err := os.WriteFile(theirs, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	d, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for range 2 {
		f, err := d.Hold("held")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
	}
	if err := d.Write("x", text("content")); err != nil {
		t.Error(err)
	}
	f, err := d.Exchange("held", text("exchanged"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := Lock(f); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if _, err := os.Stat(theirs); err != nil {
		t.Error("another program's file was swept away")
	}
}

func TestTemporary(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("asks the system, not TMPDIR")
	}
	t.Setenv("TMPDIR", t.TempDir())
	dir, err := Temporary("for-a-while-")
	if info, statErr := os.Stat(dir); err != nil || statErr != nil || !info.IsDir() || filepath.Dir(dir) != os.Getenv("TMPDIR") {
		t.Errorf("%s: %v, %v", dir, err, statErr)
	}
	t.Setenv("TMPDIR", filepath.Join(dir, "missing"))
	if _, err := Temporary("x"); err == nil || !strings.Contains(err.Error(), "set TMPDIR") || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without such a folder: %v", err)
	}
}
