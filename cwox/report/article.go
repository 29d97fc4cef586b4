package report

import (
	"cwox/internal/place"
	_ "embed"
	"errors"
	"fmt"
	"html/template"
	"io"
	"path/filepath"
)

//go:embed article.html
var articleHTML string

var articleTemplate = pageOf(articleHTML)

// Article is a page of text, tables and charts, in the style of the reports: what
// an evaluation found.
type Article struct {
	Title string
	Lead  string // the finding, in a sentence or two
	Parts []Part
}

// Part is a piece of an article; what is empty is left out.
type Part struct {
	Heading string
	Text    []string // paragraphs
	Table   *Table
	Charts  []template.HTML // from Chart's methods
}

// Table has its row names in the first column.
type Table struct {
	Caption string
	Head    []string
	Rows    [][]string
}

// WriteArticle writes a self-contained page to path, whole or not at all. Text and
// table are escaped.
func WriteArticle(path string, a Article) error {
	page := struct {
		head
		Lead  string
		Parts []Part
	}{head{kindArticle, a.Title, "default-src 'none'; style-src 'unsafe-inline'", template.CSS(pageCSS)}, a.Lead, a.Parts}
	return writeOne(path, func(w io.Writer) error { return articleTemplate.Execute(w, page) })
}

// writeOne writes a file, whole or not at all, and makes its folder where there is none.
func writeOne(path string, fill func(io.Writer) error) error {
	d, err := place.Make(filepath.Dir(path))
	if err == nil {
		err = errors.Join(d.Write(filepath.Base(path), fill), d.Close())
	}
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
