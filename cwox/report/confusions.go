package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"path/filepath"
	"slices"

	"cwox/cwox"
	"cwox/cwox/saliency"
)

//go:embed confusions.html
var confusionsHTML string

var confusionsTemplate = pageOf(confusionsHTML)

// Confusions is the page of what a classifier confuses in a data set.
type Confusions struct {
	Title, Lead string
	Notes       []string
	Groups      []ConfusedGroup
}

// ConfusedGroup is a cluster of classes that are confused with each other, with its confusion
// matrix and the pictures behind each cell of it that is a mistake.
type ConfusedGroup struct {
	Name, Say string
	Classes   []string // of the matrix; none for a list of pairs
	Counts    [][]int  // [true][predicted], by Classes
	Cells     []ConfusedCell
}

// ConfusedCell is a mistake that was made several times: a cell off the matrix's diagonal.
type ConfusedCell struct {
	Row, Column     int // of the matrix
	True, Predicted string
	Count           int
	Examples        []ConfusedExample
}

// ConfusedExample is one picture of a mistake, with the two maps that contrast what it is with
// what it was called. Pictures are embedded.
type ConfusedExample struct {
	File                         string
	True, Predicted              string
	Photo, TrueMap, PredictedMap template.URL
	TrueWhere, PredictedWhere    string
	Say                          string
}

// confusedSide is the longer side of a picture of an example, in pixels.
const confusedSide = 220

// NewConfusedExample shows an explanation of two classes, one against the other. say is what
// stands below it.
func NewConfusedExample(e *cwox.Explanation, real, predicted int, say string) (ConfusedExample, error) {
	r, err := New(e)
	if err != nil {
		return ConfusedExample{}, err
	}
	b := newBuilder(e, r, frame{})
	photo := photographOf(e, confusedSide)
	out := ConfusedExample{File: shown(filepath.Base(e.File)), Photo: jpegURL(photo, 80), Say: Plain(say)}
	for _, side := range []struct {
		class int
		name  *string
		url   *template.URL
		where *string
	}{{real, &out.True, &out.TrueMap, &out.TrueWhere}, {predicted, &out.Predicted, &out.PredictedMap, &out.PredictedWhere}} {
		at := slices.IndexFunc(e.Classes, func(c cwox.Class) bool { return c.Class == side.class })
		if at < 0 {
			return ConfusedExample{}, fmt.Errorf("report: %s: class %d is not explained", e.File, side.class)
		}
		m := e.Classes[at].Map
		if m.Data == nil {
			m = saliency.Map{Height: 1, Width: 1, Data: []float32{0}}
		}
		*side.name = b.names[side.class]
		*side.url = jpegURL(overlay(photo, m, OverlayOptions{}, shareSeen(e)), 80)
		*side.where = b.where(measure(m))
	}
	return out, nil
}

// WriteConfusions writes the page, self-contained, to path, whole or not at all.
func WriteConfusions(path string, c Confusions) error {
	type cell struct {
		Count       int
		Class, Link string
	}
	type row struct {
		Name  string
		Cells []cell
	}
	type matrix struct {
		Columns []string
		Rows    []row
	}
	type gallery struct {
		ConfusedCell
		ID, More string
	}
	type group struct {
		Name, Say string
		Matrix    *matrix
		Cells     []gallery
	}
	page := struct {
		head
		Lead   string
		Notes  []string
		Groups []group
	}{head: head{kindConfusions, shown(c.Title), picturesOnly, template.CSS(pageCSS)}, Lead: clip(Plain(c.Lead), 500), Notes: c.Notes}
	for g, from := range c.Groups {
		to := group{Name: clip(Plain(from.Name), 200), Say: clip(Plain(from.Say), 500)}
		link := func(k ConfusedCell) string { return fmt.Sprintf("g%d-%d-%d", g, k.Row, k.Column) }
		links := map[[2]int]string{}
		for _, k := range from.Cells {
			more := ""
			if n := k.Count - len(k.Examples); n > 0 && len(k.Examples) > 0 {
				more = fmt.Sprintf("%d more, see confusions.csv.", n)
			}
			k.True, k.Predicted = shown(k.True), shown(k.Predicted)
			links[[2]int{k.Row, k.Column}] = link(k)
			to.Cells = append(to.Cells, gallery{k, link(k), more})
		}
		if len(from.Classes) > 0 {
			to.Matrix = &matrix{}
			most := 1
			for i, counts := range from.Counts {
				for j, n := range counts {
					if i != j {
						most = max(most, n)
					}
				}
			}
			for i, name := range from.Classes {
				to.Matrix.Columns = append(to.Matrix.Columns, shown(name))
				r := row{Name: shown(name)}
				for j, n := range from.Counts[i] {
					k := cell{Count: n, Link: links[[2]int{i, j}]}
					if i == j {
						k.Class = "right"
					} else if n > 0 { // five shades
						k.Class = fmt.Sprintf("m%d", int(math.Ceil(5*float64(n)/float64(most))))
					}
					r.Cells = append(r.Cells, k)
				}
				to.Matrix.Rows = append(to.Matrix.Rows, r)
			}
		}
		page.Groups = append(page.Groups, to)
	}
	return writeOne(path, func(w io.Writer) error { return confusionsTemplate.Execute(w, page) })
}
