package hlta

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ShowOptions say how [Tree.Text] shows a tree. The zero value shows all of it, with
// words as they are. To show a part, restrict the tree first.
type ShowOptions struct {
	// Label gives the name to show with a word ("" for none).
	Label func(word string) string
	// Posterior, if not nil, is shown beside the tree's own probabilities. It may
	// be that of a larger tree.
	Posterior *Posterior
	// Depth is the lowest level shown: 0 for words (the default), 1 for the latents
	// above them, and so on.
	Depth int
	// ASCII draws branches without line-drawing characters.
	ASCII bool
}

func (o *ShowOptions) label(word string) string {
	if o.Label == nil {
		return ""
	}
	return strings.Map(func(r rune) rune { // no control of the terminal by a file of labels
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, o.Label(word))
}

// Text draws the tree as lines of text with columns of probabilities: P is P(=1) of
// a latent or word; off and on are P(word=1) where the latent above it is 0 and 1.
// With a posterior the second column is P(=1) given the evidence instead.
// Probabilities that are not known are dashes.
func (t *Tree) Text(w io.Writer, o ShowOptions) error {
	d := textDrawing{o: o, fork: "├─ ", last: "└─ ", down: "│  "}
	if o.ASCII {
		d.fork, d.last, d.down = "|- ", "`- ", "|  "
	}
	heading := [3]string{"P"}
	if o.Posterior != nil {
		heading[1] = "given"
	} else if o.Depth < 1 {
		heading[1], heading[2] = "off", "on"
	}
	d.lines = append(d.lines, textLine{t.summary(), heading})
	for _, r := range t.Roots {
		if r.Level >= o.Depth {
			d.node(r, "", "")
		}
	}
	return d.write(w)
}

// summary says how large the tree is: "1000 words, 287/77/18/6 latents" from level 1 up.
func (t *Tree) summary() string {
	var counts []string
	for level := 1; level <= t.Levels(); level++ {
		counts = append(counts, fmt.Sprint(len(t.Latents(level))))
	}
	latents := strings.Join(counts, "/") + " latents"
	if latents == "1 latents" {
		latents = "1 latent"
	}
	return plural(len(t.indexed().words), "word") + ", " + latents
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// textLine is a line of the drawing: a branch with a name, and the columns.
type textLine struct {
	text    string
	columns [3]string
}

type textDrawing struct {
	o                ShowOptions
	fork, last, down string
	lines            []textLine
}

// node draws a latent and what is below it. first leads its own line, rest all others.
func (d *textDrawing) node(n *Node, first, rest string) {
	columns := [3]string{decimals(n.Marginal)}
	if p := d.o.Posterior; p != nil {
		columns[1] = decimals(lookup(p.Latents, n.ID))
	}
	name := n.ID
	if n.Level == d.o.Depth {
		name += " (" + plural(countWords(n), "word") + ")"
	}
	d.lines = append(d.lines, textLine{first + name, columns})
	if n.Level <= d.o.Depth {
		return
	}
	lead := func(i, n int) (first, below string) {
		if i == n-1 {
			return rest + d.last, rest + "   "
		}
		return rest + d.fork, rest + d.down
	}
	for i, c := range n.Children {
		if c.Level >= d.o.Depth {
			first, below := lead(i, len(n.Children))
			d.node(c, first, below)
		}
	}
	for i, w := range n.Words {
		first, _ := lead(i, len(n.Words))
		name := w.Name
		if label := d.o.label(w.Name); label != "" {
			name += " " + label
		}
		columns := [3]string{decimals(total(w.P, n.Marginal)), decimals(w.P[0]), decimals(w.P[1])}
		if p := d.o.Posterior; p != nil {
			columns[1], columns[2] = decimals(lookup(p.Words, w.Name)), ""
		}
		d.lines = append(d.lines, textLine{first + name, columns})
	}
}

// write aligns the columns.
func (d *textDrawing) write(w io.Writer) error {
	var width [4]int
	for _, l := range d.lines {
		width[0] = max(width[0], utf8.RuneCountInString(l.text))
		for i, c := range l.columns {
			width[i+1] = max(width[i+1], len(c))
		}
	}
	b := bufio.NewWriter(w) // remembers the first error
	for _, l := range d.lines {
		line := fmt.Sprintf("%-*s", width[0], l.text)
		for i, c := range l.columns {
			line += fmt.Sprintf("  %*s", width[i+1], c)
		}
		b.WriteString(strings.TrimRight(line, " "))
		b.WriteByte('\n')
	}
	return b.Flush()
}

func countWords(n *Node) int {
	words := len(n.Words)
	for _, c := range n.Children {
		words += countWords(c)
	}
	return words
}

func lookup(p map[string]float64, name string) float64 {
	if v, ok := p[name]; ok {
		return v
	}
	return math.NaN()
}

// decimals writes a probability with three decimals, keeping what is neither 0 nor 1
// apart from both.
func decimals(p float64) string {
	switch {
	case math.IsNaN(p):
		return "-"
	case p == 0:
		return "0"
	case p == 1:
		return "1"
	case p < 0.001:
		return "<0.001"
	case p > 0.999:
		return ">0.999"
	}
	return fmt.Sprintf("%.3f", p)
}
