package hlta

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
)

//go:embed dendrogram.html
var pageText string

var page = template.Must(template.New("tree").Parse(pageText))

// pageData is what dendrogram.html shows.
type pageData struct {
	Title, Summary, Source string
	Caption                string
	Circle                 bool
	SVG                    template.HTML
	Levels                 []int // from the second highest to 1
	Roots                  []*pageNode
}

type pageNode struct {
	ID          string
	Index       int
	Level       int
	First, Last int // indices of its words
	Color       template.CSS
	P           string
	Size        string // "97 words"
	Preview     string // the first of them
	Open        bool
	Children    []*pageNode
	Words       []pageWord
}

type pageWord struct {
	Name, Label, Tip, P string
	Given               bool
	Width               int // of the bar, in percent
}

// WriteHTML draws the tree as one self-contained page that needs no network: the
// picture of [Tree.WriteSVG], and all latents and words as a list to open, close and
// search.
func (t *Tree) WriteHTML(w io.Writer, o DrawOptions) error {
	if err := t.drawable(); err != nil {
		return err
	}
	d := newDrawing(t, o)
	data := pageData{
		Title:   d.title(),
		Summary: d.summary,
		Source:  t.Provenance.source(),
		Caption: d.caption(),
		Circle:  !d.inRows(),
		Roots:   d.pageNodes(),
	}
	for level := d.top - 1; level >= 1; level-- {
		data.Levels = append(data.Levels, level)
	}
	var svg bytes.Buffer
	b := bufio.NewWriter(&svg)
	if data.Circle {
		d.circle(b, "")
	} else {
		d.rows(b, "")
	}
	if err := b.Flush(); err != nil {
		return err
	}
	data.SVG = template.HTML(svg.String())
	return page.Execute(w, data)
}

// caption explains the picture.
func (d *drawing) caption() string {
	caption := "Dots are latents, filled as far as they are probable"
	if d.o.Posterior != nil {
		caption += " given the evidence"
	}
	if !d.blind() {
		caption += "; bars are " + d.wordProbability()
	}
	return caption + "."
}

// source says what the tree was learned from.
func (p Provenance) source() string {
	if p.Input == "" {
		return ""
	}
	if p.Documents == 0 {
		return "from " + p.Input
	}
	return fmt.Sprintf("from %s (%s)", p.Input, plural(p.Documents, "document"))
}

// pageNodes returns the roots.
func (d *drawing) pageNodes() []*pageNode {
	const previewed = 6
	nodes := make([]*pageNode, len(d.latents))
	var roots []*pageNode
	word := 0
	for i, z := range d.latents {
		n := &pageNode{
			ID:    z.ID,
			Index: i,
			Level: z.Level,
			First: word,
			Last:  word + z.words - 1,
			Color: template.CSS(z.color),
			Size:  plural(z.words, "word"),
			Open:  len(d.words) <= 200 || z.Level == d.top,
		}
		if !math.IsNaN(z.p) {
			n.P = decimals(z.p)
		}
		var preview []string
		for _, w := range d.words[n.First:min(n.Last+1, n.First+previewed)] {
			preview = append(preview, w.label)
		}
		if n.Preview = strings.Join(preview, ", "); z.words > previewed {
			n.Preview += " ..."
		}
		for _, w := range d.words[word : word+len(z.Words)] {
			v := pageWord{Name: w.Name, Label: w.label, Tip: d.wordTip(w), Given: w.given && w.p == 1}
			if !math.IsNaN(w.p) {
				v.P = decimals(w.p)
				v.Width = int(math.Round(100 * w.p))
			}
			n.Words = append(n.Words, v)
		}
		word += len(z.Words)
		nodes[i] = n
		if z.parent < 0 {
			roots = append(roots, n)
		} else {
			nodes[z.parent].Children = append(nodes[z.parent].Children, n)
		}
	}
	return roots
}
