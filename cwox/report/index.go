package report

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"image/jpeg"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"cwox/cwox"
)

//go:embed index.html
var indexHTML string

var indexTemplate = template.Must(template.New("index").Parse(indexHTML))

// IndexEntry is one image in the page over several.
type IndexEntry struct {
	Folder    string // of its report, relative to the page's folder
	File      string // the image
	Lead      string // the answer in a sentence
	Thumbnail []byte // JPEG; may be nil
	Warnings  int
	Err       string // why there is no report; empty where there is one
}

// NewIndexEntry is the entry of an explanation whose report lies in folder. It
// keeps a thumbnail of some kilobytes, not the explanation.
func NewIndexEntry(folder string, e *cwox.Explanation) (IndexEntry, error) {
	r, err := New(e)
	if err != nil {
		return IndexEntry{}, err
	}
	var thumb bytes.Buffer
	if err := jpeg.Encode(&thumb, photographOf(e, 192), &jpeg.Options{Quality: 75}); err != nil {
		return IndexEntry{}, fmt.Errorf("report: %s: thumbnail: %w", e.File, err)
	}
	return IndexEntry{Folder: folder, File: e.File, Lead: newBuilder(e, r, frame{}).lead(),
		Thumbnail: thumb.Bytes(), Warnings: len(r.Warnings)}, nil
}

// WriteIndex writes dir/index.html, a page that leads to the reports of several
// images, in the order given.
func WriteIndex(dir string, entries []IndexEntry) error {
	type card struct {
		File, Lead, Warnings, Failed string
		Link, Thumbnail              template.URL
	}
	page := struct {
		CSS           template.CSS
		Policy, Title string
		Cards         []card
	}{CSS: template.CSS(pageCSS), Policy: "default-src 'none'; img-src data:; style-src 'unsafe-inline'"}
	failed := 0
	for _, e := range entries {
		c := card{File: shown(filepath.Base(e.File)), Lead: clip(plain(e.Lead), 500), Failed: clip(plain(e.Err), 500),
			Link: link(e.Folder)}
		if e.Err != "" {
			failed++
		}
		if e.Thumbnail != nil {
			c.Thumbnail = dataURL("image/jpeg", e.Thumbnail)
		}
		if e.Warnings > 0 {
			c.Warnings = plural(e.Warnings, "warning", "warnings")
		}
		page.Cards = append(page.Cards, c)
	}
	page.Title = plural(len(entries)-failed, "image explained", "images explained")
	if failed > 0 {
		page.Title += fmt.Sprintf(", %d not", failed)
	}
	return writeOne(filepath.Join(dir, PageFile), func(w io.Writer) error { return indexTemplate.Execute(w, page) })
}

// link is the relative address of a report's page; a folder's name cannot turn it
// into another kind of address.
func link(folder string) template.URL {
	parts := strings.Split(filepath.ToSlash(folder), "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return template.URL("./" + strings.Join(parts, "/") + "/" + PageFile)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
