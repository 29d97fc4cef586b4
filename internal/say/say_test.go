package say

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"
)

func TestClean(t *testing.T) {
	for _, c := range [][2]string{
		{"", ""},
		{"photo (1).jpg", "photo (1).jpg"},
		{"crème brûlée, 寿司 👩‍🚒", "crème brûlée, 寿司 👩‍🚒"}, // a joiner inside
		{"a b", "a b"}, // no-break space
		{"a\nb\tc\rd", `a\nb\tc\rd`},
		{"\x1b[31mred\x1b]0;title\a", `\x1b[31mred\x1b]0;title\x07`},
		{"\x7f\u0085\u009b31m", `\x7f\x85\x9b31m`},   // DEL, and control characters of eight bits
		{"cello\u202egnp.exe", `cello\u202egnp.exe`}, // right to left from here
		{"a\u2066b\u2069\u200e\u061c", `a\u2066b\u2069\u200e\u061c`},
		{"a\u2028b\ufeff", `a\u2028b\ufeff`},
		{"\xff\xc3(", `\xff\xc3(`},   // no UTF-8
		{"\U000e0041", `\U000e0041`}, // a tag, invisible
		{"�", "�"},                   // the character itself is one
	} {
		if got := Clean(c[0]); got != c[1] {
			t.Errorf("%q: %q, want %q", c[0], got, c[1])
		}
	}
}

func TestSprintf(t *testing.T) {
	bad := errors.New("a\nb")
	path := &fs.PathError{Op: "open", Path: "x\x1b[31m", Err: fs.ErrNotExist}
	for _, c := range []struct {
		format string
		args   []any
		want   string
	}{
		{"%s: %d\n", []any{"a\nb", 3}, "a\\nb: 3\n"},
		{"%q", []any{"a\nb"}, `"a\nb"`},
		{"%-6s|%6.2f|%*d", []any{"ab", 1.5, 4, 7}, "ab    |  1.50|   7"},
		{"%v %v", []any{[]string{"a\x07"}, true}, `[a\x07] true`},
		{"%v", []any{path}, `open x\x1b[31m: file does not exist`},
		{"%v", []any{errors.Join(bad, path)}, "a\\nb\nopen x\\x1b[31m: file does not exist"},
		{"%v", []any{fmt.Errorf("%w: %w", bad, path)}, `a\nb: open x\x1b[31m: file does not exist`},
		{"%v", []any{nil}, "<nil>"},
		{"%%", nil, "%"},
	} {
		if got := Sprintf(c.format, c.args...); got != c.want {
			t.Errorf("%s: %q, want %q", c.format, got, c.want)
		}
	}
}

func TestVoice(t *testing.T) {
	var b strings.Builder
	v := To(&b)
	v.Printf("%s\n", "x\x1b")
	fmt.Fprintf(v, "%s\n", "y\x1b") // as it is
	if want := "x\\x1b\ny\x1b\n"; b.String() != want || v.Err() != nil {
		t.Errorf("%q, %v, want %q", b.String(), v.Err(), want)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	w.Close()
	v = To(w)
	v.Printf("lost\n")
	if v.Err() == nil {
		t.Error("writing to a closed file was no error")
	}
}
