package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"image"
	"io"
	"math"
	"path/filepath"
	"slices"

	"cwox/cwox"
	"cwox/cwox/saliency"

	"golang.org/x/image/draw"
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
	sum             *confusedSum
}

// confusedSum are the pictures of a mistake and their maps, added up in the frame of the
// network's input.
type confusedSum struct {
	n    int
	rgb  [3][]float64 // of the pictures, [averageSide][averageSide], 0 to 255
	maps [2][]float64 // for the true class, for the predicted one; each map's maximum is 1
}

// averageSide is the side of an average in pixels, and fewestAveraged the pictures that make one.
const (
	averageSide    = 112
	fewestAveraged = 3
)

// Add adds an explanation of two classes, one against the other, to the average of a mistake.
func (k *ConfusedCell) Add(e *cwox.Explanation, real, predicted int) {
	const size = averageSide * averageSide
	if k.sum == nil {
		k.sum = &confusedSum{}
		for i := range k.sum.rgb {
			k.sum.rgb[i] = make([]float64, size)
		}
		for i := range k.sum.maps {
			k.sum.maps[i] = make([]float64, size)
		}
	}
	s := k.sum
	s.n++
	seen := seenPicture(e, averageSide)
	for i := range size {
		for ch := range s.rgb {
			s.rgb[ch][i] += float64(seen.Pix[4*i+ch])
		}
	}
	for side, class := range [2]int{real, predicted} {
		for _, c := range e.Classes {
			if c.Class == class && c.Map.Data != nil {
				for i, v := range levels(c.Map, averageSide, averageSide, measure(c.Map).max, whole) {
					s.maps[side][i] += float64(v) / 255
				}
			}
		}
	}
}

// seenPicture is what the network saw of a picture, a square.
func seenPicture(e *cwox.Explanation, side int) *image.RGBA {
	photo, seen := photographOf(e, photoSide), shareSeen(e)
	b := photo.Bounds()
	part := image.Rect(int(seen.X*float64(b.Dx())), int(seen.Y*float64(b.Dy())),
		int((seen.X+seen.Width)*float64(b.Dx())), int((seen.Y+seen.Height)*float64(b.Dy()))).Intersect(b)
	out := image.NewRGBA(image.Rect(0, 0, side, side))
	draw.ApproxBiLinear.Scale(out, out.Rect, photo, part, draw.Src, nil)
	return out
}

// average is the average of a mistake over the pictures that were added: nil of too few.
func (k *ConfusedCell) average() *ConfusedExample {
	s := k.sum
	if s == nil || s.n < fewestAveraged {
		return nil
	}
	photo := image.NewRGBA(image.Rect(0, 0, averageSide, averageSide))
	for i := range s.rgb[0] {
		for ch := range s.rgb {
			photo.Pix[4*i+ch] = uint8(math.Round(s.rgb[ch][i] / float64(s.n)))
		}
		photo.Pix[4*i+3] = 255
	}
	out := &ConfusedExample{File: "(average)", True: shown(k.True), Predicted: shown(k.Predicted), Photo: jpegURL(photo, 80),
		Say: fmt.Sprintf("Where the evidence lies, on average of %d pictures as the network sees them.", s.n)}
	for side, to := range [2]struct {
		url   *template.URL
		where *string
	}{{&out.TrueMap, &out.TrueWhere}, {&out.PredictedMap, &out.PredictedWhere}} {
		m := saliency.Map{Height: averageSide, Width: averageSide, Data: make([]float32, len(s.maps[side]))}
		for i, v := range s.maps[side] {
			m.Data[i] = float32(v / float64(s.n))
		}
		*to.url = jpegURL(overlay(photo, m, OverlayOptions{}, whole), 80)
		*to.where = where(measure(m), "what the network sees")
	}
	return out
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
		Average  *ConfusedExample
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
			to.Cells = append(to.Cells, gallery{k, link(k), more, k.average()})
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
