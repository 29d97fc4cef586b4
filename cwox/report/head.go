package report

import (
	"bytes"
	_ "embed"
	"errors"
	"html/template"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"cwox/internal/outside"
)

// head is what begins every page. Its text is plain; the template escapes it.
type head struct {
	Kind   string // of the page, for programs: see the constants
	Title  string
	Policy string // content security policy
	CSS    template.CSS
}

// The kinds of pages.
const (
	kindReport     = "report"
	kindIndex      = "index"
	kindArticle    = "article"
	kindConfusions = "confusions"
)

// picturesOnly lets a page show what is embedded in it, and nothing else.
const picturesOnly = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

//go:embed head.html
var headHTML string

// pageOf is the template of a page, which begins with {{template "head" .}}.
func pageOf(text string) *template.Template {
	return template.Must(template.Must(template.New("page").Parse(headHTML)).Parse(text))
}

// Unfinished tells whether a folder holds the page of a report without its report.json: Write was
// stopped on the way.
func Unfinished(dir string) bool {
	if _, err := os.Lstat(filepath.Join(dir, JSONFile)); !errors.Is(err, fs.ErrNotExist) {
		return false
	}
	f, err := outside.Open(filepath.Join(dir, PageFile))
	if err != nil {
		return false
	}
	defer f.Close()
	begin, _ := io.ReadAll(io.LimitReader(f, 1<<12)) // as far as it can be read
	return bytes.Contains(begin, []byte(`<meta name="generator" content="cwox `+kindReport+`">`))
}
