package report

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"image/jpeg"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"cwox/cwox"
	"cwox/internal/outside"
	"cwox/internal/place"
)

//go:embed index.html
var indexHTML string

var indexTemplate = pageOf(indexHTML)

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
		Thumbnail: thumb.Bytes(), Warnings: warnings(r)}, nil
}

// IndexFile says in JSON which reports a folder holds.
const IndexFile = "index.json"

// Index is the content of index.json.
type Index struct {
	Images []IndexedImage `json:"images"` // in the order given
}

// IndexedImage is one image of an Index.
type IndexedImage struct {
	File   string `json:"file"`
	Folder string `json:"folder"`          // of its report, relative to the index; empty where there is none
	Error  string `json:"error,omitempty"` // why there is none
}

// ReadIndex reads the index.json of a folder. Folders that lead out of it are an error.
func ReadIndex(dir string) (*Index, error) {
	path := filepath.Join(dir, IndexFile)
	text, err := outside.Read(path, maxReportBytes)
	if err != nil {
		return nil, fmt.Errorf("report: %w", err)
	}
	x := new(Index)
	if err := outside.JSON(text, x, maxReportBytes/16); err != nil {
		return nil, fmt.Errorf("report: %s: %w", path, err)
	}
	for _, i := range x.Images {
		if i.Folder != "" && i.Folder != place.Name(i.Folder) {
			return nil, fmt.Errorf("report: %s: %q is no folder in it", path, i.Folder)
		}
	}
	return x, nil
}

// warnings counts what a reader should worry about.
func warnings(r *Report) (n int) {
	for _, w := range r.Warnings {
		if !remark[w.Code] {
			n++
		}
	}
	return n
}

// WriteIndex writes dir/index.html, a page that leads to the reports of several
// images, in the order given, and dir/index.json.
func WriteIndex(dir string, entries []IndexEntry) error {
	type card struct {
		File, Lead, Warnings, Failed string
		Link, Thumbnail              template.URL
	}
	page := struct {
		head
		Cards []card
	}{head: head{Kind: kindIndex, Policy: picturesOnly, CSS: template.CSS(pageCSS)}}
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
	x := Index{Images: []IndexedImage{}}
	for _, e := range entries {
		x.Images = append(x.Images, IndexedImage{e.File, e.Folder, e.Err})
	}
	text, err := json.MarshalIndent(x, "", " ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	err = writeOne(filepath.Join(dir, IndexFile), func(w io.Writer) error {
		_, err := w.Write(append(text, '\n'))
		return err
	})
	if err != nil {
		return err
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
