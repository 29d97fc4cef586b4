package hlta

import (
	"bufio"
	"bytes"
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
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
	SVG                    template.HTML // empty of a large tree
	Levels                 []int         // from the second highest to 1
	Roots                  []*pageNode
	Large                  *largeTree // instead of Roots
}

// fewWords is how many words a page has a picture of and a list that is whole: of more a script
// builds the parts of the list that are opened.
const fewWords = 3000

// mostPictures bounds the pictures of a page: each has a kilobyte or two.
const mostPictures = 4000

// largeTree is what a script builds a list from; latents are in order, a parent before those
// below it.
type largeTree struct {
	Latents [][]any `json:"latents"` // id, level, index of the parent, first and last word, colour, name, P
	Words   [][]any `json:"words"`   // word, label, P in percent, picture
}

type pageNode struct {
	ID          string
	Index       int
	Level       int
	First, Last int // indices of its words
	Color       template.CSS
	P           string
	Size        string // "97 words"
	Name        string // see groupName
	Open        bool
	Children    []*pageNode
	Words       []pageWord
}

type pageWord struct {
	Name, Label, Tip, P string
	Picture             template.URL
	Given               bool
	Width               int // of the bar, in percent
}

// WriteHTML draws the tree as one self-contained page that needs no network: the
// picture of [Tree.WriteSVG], and all latents and words as a list to open, close and
// search. Of more than 3,000 words there is no picture, and a script builds what is opened of
// the list.
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
	}
	nodes := d.pageNodes()
	for level := d.top - 1; level >= 1; level-- {
		data.Levels = append(data.Levels, level)
	}
	if len(d.words) > fewWords {
		data.Large, data.Circle = d.large(nodes), false
		return page.Execute(w, data)
	}
	for i, n := range nodes {
		if d.latents[i].parent < 0 {
			data.Roots = append(data.Roots, n)
		}
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

// large is the list of a large tree.
func (d *drawing) large(nodes []*pageNode) *largeTree {
	t := &largeTree{Latents: [][]any{}, Words: [][]any{}}
	for i, n := range nodes {
		t.Latents = append(t.Latents, []any{n.ID, n.Level, d.latents[i].parent, n.First, n.Last, n.Color, n.Name, n.P})
		for _, w := range n.Words {
			t.Words = append(t.Words, []any{w.Name, w.Label, w.Width, w.Picture})
		}
	}
	return t
}

// pageNodes returns all latents, a parent before those below it.
func (d *drawing) pageNodes() []*pageNode {
	nodes := make([]*pageNode, len(d.latents))
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
		n.Name = groupName(d.words[n.First : n.Last+1])
		for k, w := range d.words[word : word+len(z.Words)] {
			v := pageWord{Name: w.Name, Label: w.label, Tip: d.wordTip(w), Given: w.given && w.p == 1}
			if d.o.Picture != nil && word+k < mostPictures {
				v.Picture = template.URL(d.o.Picture(w.Name))
			}
			if !math.IsNaN(w.p) {
				v.P = decimals(w.p)
				v.Width = int(math.Round(100 * w.p))
			}
			n.Words = append(n.Words, v)
		}
		word += len(z.Words)
		nodes[i] = n
		if z.parent >= 0 {
			nodes[z.parent].Children = append(nodes[z.parent].Children, n)
		}
	}
	return nodes
}

// groupName names a group after its words: "terrier: Norwich, Cairn, Norfolk ..." where at least
// half of their names end in one and the same, else after those that are the most probable where
// the group is on.
func groupName(words []drawnWord) string {
	const shown = 4
	list := slices.Clone(words)
	slices.SortStableFunc(list, func(a, b drawnWord) int {
		p, q := a.P[1], b.P[1]
		if math.IsNaN(p) || math.IsNaN(q) {
			return 0
		}
		return cmp.Compare(q, p)
	})
	count, last := map[string]int{}, ""
	for _, w := range list {
		if _, noun, ok := cutLast(w.label); ok {
			if count[noun]++; count[noun] > count[last] {
				last = noun
			}
		}
	}
	prefix := ""
	if n := count[last]; n > 1 && 2*n >= len(list) {
		prefix = last + ": "
	}
	var names []string
	for _, w := range list {
		name := w.label
		if kind, noun, ok := cutLast(name); ok && prefix != "" && noun == last {
			name = kind
		} else if prefix != "" {
			continue // the others are counted among the rest
		}
		if len(names) < shown {
			names = append(names, shorten(name, 30))
		}
	}
	text := prefix + strings.Join(names, ", ")
	if len(list) > len(names) {
		text += " \u2026"
	}
	return text
}

// cutLast cuts a name of several words before its last one.
func cutLast(name string) (kind, last string, ok bool) {
	i := strings.LastIndexByte(name, ' ')
	if i <= 0 || i == len(name)-1 {
		return "", "", false
	}
	return name[:i], name[i+1:], true
}
