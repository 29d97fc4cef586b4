package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/internal/outside"
	"cwox/internal/place"
)

var (
	//go:embed index.html
	indexHTML string
	//go:embed index.js
	indexJS string
)

var indexTemplate = pageOf(indexHTML)

// IndexEntry is one image in the page over several.
type IndexEntry struct {
	Folder    string  // of its report, relative to the page's folder
	File      string  // the image
	Lead      string  // the answer in a sentence
	Sure      float64 // probability of the most probable class
	Thumbnail []byte  // JPEG; may be nil
	Maps      []IndexMap
	Warnings  int
	Err       string // why there is no report; empty where there is one
}

// IndexMap is a small picture of a heatmap over the photograph.
type IndexMap struct {
	Name string `json:"name"` // what speaks for what
	JPEG []byte `json:"jpeg"`
}

// indexMaps is how many maps of an image the page over several shows, and fewImages of how many
// images at most: more would make it too large to open.
const (
	indexMaps = 3
	fewImages = 600
)

// NewIndexEntry is the entry of an explanation whose report lies in folder. It
// keeps thumbnails of some kilobytes, not the explanation.
func NewIndexEntry(folder string, e *cwox.Explanation) (IndexEntry, error) {
	r, err := New(e)
	if err != nil {
		return IndexEntry{}, err
	}
	b := newBuilder(e, r, frame{})
	entry := IndexEntry{Folder: folder, File: e.File, Lead: b.lead(), Thumbnail: jpegBytes(photographOf(e, 192), 75), Warnings: warnings(r)}
	if len(e.Top) > 0 {
		entry.Sure = e.Top[0].Probability
	}
	small := photographOf(e, 112)
	add := func(name string, m saliency.Map) {
		if m.Data != nil && len(entry.Maps) < indexMaps {
			entry.Maps = append(entry.Maps, IndexMap{name, jpegBytes(overlay(small, m, OverlayOptions{}, shareSeen(e)), 65)})
		}
	}
	for _, k := range e.Clusters {
		add(b.either(k.Classes), k.Map)
	}
	if len(entry.Maps) == 0 { // a method without maps of groups
		for _, k := range e.Classes {
			add(b.names[k.Class], k.Map)
		}
	}
	return entry, nil
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

type mapShown struct {
	Name string
	URL  template.URL
}

// WriteIndex writes dir/index.html, a page that leads to the reports of several
// images, in the order given, and dir/index.json.
func WriteIndex(dir string, entries []IndexEntry) error {
	type card struct {
		File, Lead, Warnings, Failed string
		Link, Thumbnail              template.URL
		Maps                         []mapShown
		Sure                         string // for sorting
		Worries                      int
	}
	page := struct {
		head
		JS    template.JS
		Cards []card
	}{head: head{Kind: kindIndex, Policy: policy(indexJS), CSS: template.CSS(pageCSS)}, JS: template.JS(indexJS)}
	failed := 0
	for _, e := range entries {
		c := card{File: shown(filepath.Base(e.File)), Lead: clip(Plain(e.Lead), 500), Failed: clip(Plain(e.Err), 500),
			Link: link(e.Folder), Sure: strconv.FormatFloat(e.Sure, 'f', 4, 64), Worries: e.Warnings}
		if e.Err != "" {
			failed++
		}
		if e.Thumbnail != nil {
			c.Thumbnail = dataURL("image/jpeg", e.Thumbnail)
		}
		for _, m := range e.Maps {
			if len(entries) <= fewImages {
				c.Maps = append(c.Maps, mapShown{shown(m.Name), dataURL("image/jpeg", m.JPEG)})
			}
		}
		if e.Warnings > 0 {
			c.Warnings = Plural(e.Warnings, "warning", "warnings")
		}
		page.Cards = append(page.Cards, c)
	}
	page.Title = Plural(len(entries)-failed, "image explained", "images explained")
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

// Plural is a number with its noun.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
