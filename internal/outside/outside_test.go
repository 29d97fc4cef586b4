package outside

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte("12345"), 0o666); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(file, link); err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		path  string
		limit int64
		want  string // within the error; empty: the content
	}{
		{file, 5, ""},
		{file, 1 << 20, ""},
		{link, 5, ""},
		{file, 4, "file: too large: 5 bytes or more, at most 4 are read"},
		{dir, 5, "is a directory, not a regular file"},
		{filepath.Join(dir, "none"), 5, "none: no such file or directory"},
		{"/dev/zero", 5, "/dev/zero: is a device, not a regular file"},
		{"/proc/self/status", 5, "at most 5 are read"}, // regular, of size 0, not empty
	} {
		got, err := Read(c.path, c.limit)
		if _, gone := os.Stat(c.path); gone != nil && !strings.HasPrefix(c.path, dir) {
			continue // not on this system
		}
		if c.want == "" {
			if err != nil || string(got) != "12345" {
				t.Errorf("%s: %q, %v", c.path, got, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.path, err, c.want)
		}
		var p *fs.PathError
		if !errors.As(err, &p) || p.Path != c.path {
			t.Errorf("%s: %T does not tell the path", c.path, err)
		}
	}
}

func TestCountJSON(t *testing.T) {
	for _, c := range []struct {
		text string
		want int
	}{
		{`1`, 1},
		{`"a,b:[{"`, 1},
		{`"\",["`, 1},
		{`[]`, 1},
		{`{}`, 1},
		{`[ ]`, 1},
		{`[null]`, 2},
		{`[null,null,[]]`, 4},
		{`[[],[[]]]`, 4},
		{`{"a":1}`, 3},
		{`{"a":[1,2],"b":null}`, 7},
	} {
		if n := CountJSON([]byte(c.text), 100); n != c.want {
			t.Errorf("%s: %d values, want %d", c.text, n, c.want)
		}
	}
	var v any
	nulls := []byte("[" + strings.Repeat("null,", 9) + "null]")
	if err := JSON(nulls, &v, 11); err != nil || len(v.([]any)) != 10 {
		t.Errorf("eleven values: %v, %v", v, err)
	}
	if err := JSON(nulls, &v, 10); err == nil || err.Error() != "more than 10 JSON values" {
		t.Errorf("one too many: %v", err)
	}
}
