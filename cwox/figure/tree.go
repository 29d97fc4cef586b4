package figure

import (
	"fmt"
	"image"
	"image/color"

	"cwox/cwox/report"
	"cwox/hlta"
)

// TreeOptions steer Tree.
type TreeOptions struct {
	Options
	// Label is the name of a word ("" for the word itself), Example a picture of it, or nil.
	Label   func(word string) string
	Example func(word string) *image.RGBA
}

// mostBelow is how many words stand side by side at the foot of a tree; more are lines, one below
// the other.
const mostBelow = 14

// mostWords is what a page can hold.
const mostWords = 60

// Tree draws a latent tree with a picture of each word, as the paper's Fig. 5: the words at its
// foot, or where they are many on its right.
func Tree(t *hlta.Tree, o TreeOptions) (*Drawing, error) {
	words := t.Words()
	if len(words) == 0 || len(words) > mostWords {
		return nil, fmt.Errorf("figure: a tree of %d words: 1 to %d can be seen on a page: choose some of them", len(words), mostWords)
	}
	d := &Drawing{Title: "Label tree", Width: o.width()}
	f := forest{d: d, o: o, levels: t.Levels()}
	if f.below = len(words) <= mostBelow && d.Width/float64(len(words)) >= leastPanel+gap; f.below {
		f.step = d.Width / float64(len(words))
		f.side = min(f.step-gap, 62)
		f.depth = 30
		f.foot = 14 + float64(f.depth*float64(f.levels))
		d.Height = f.foot + f.side + 3*leading
	} else {
		f.step = 24
		f.side = 20
		f.foot = min(d.Width*0.55, 40+float64(70*float64(f.levels)))
		f.depth = (f.foot - 24) / float64(max(f.levels, 1))
		d.Height = f.step * float64(len(words))
	}
	for _, r := range t.Roots {
		f.node(r)
	}
	// Latents above all lines.
	d.add(f.dots...)
	return d, nil
}

// forest is a tree while it is drawn: at counts the words.
type forest struct {
	d           *Drawing
	o           TreeOptions
	levels      int
	below       bool    // words side by side
	step        float64 // from word to word
	side        float64 // of a word's picture
	depth, foot float64 // of a level, and of the words
	at          int
	dots        []Item
}

// place turns a place among the words and a height above them into one on the page.
func (f *forest) place(along, level float64) [2]float64 {
	p := [2]float64{along * f.step, f.foot - float64(level*f.depth)}
	if !f.below {
		p[0], p[1] = p[1], p[0]
	}
	return p
}

// node draws a latent with what is below it, and returns where among the words it stands.
func (f *forest) node(n *hlta.Node) float64 {
	type end struct{ along, level float64 }
	var ends []end
	for _, c := range n.Children {
		ends = append(ends, end{f.node(c), float64(c.Level)})
	}
	for _, w := range n.Words {
		ends = append(ends, end{f.word(w.Name), 0})
	}
	along := 0.0
	if len(ends) > 0 {
		along = (ends[0].along + ends[len(ends)-1].along) / 2
	}
	level := float64(n.Level)
	for _, e := range ends {
		from, to := f.place(along, level), f.place(e.along, e.level)
		f.d.add(Line{Points: [][2]float64{from, to}, Width: 0.8, Color: grey})
	}
	p := f.place(along, level)
	size := textWidth(n.ID, textSize-1, Regular)
	f.dots = append(f.dots,
		Rect{p[0] - half(size) - 2.5, p[1] - 5, size + 5, 10, color.RGBA{0xe4, 0xec, 0xf6, 255}},
		Text{X: p[0], Y: p[1] + 2.2, Size: textSize - 1, Anchor: Middle, S: report.Plain(n.ID)})
	return along
}

// word draws a word with its picture, and returns where it stands.
func (f *forest) word(name string) float64 {
	along := float64(f.at) + 0.5
	f.at++
	p := f.place(along, 0)
	label := report.Plain(f.o.Label(name))
	if label == "" {
		label = report.Plain(name)
	}
	img := f.o.Example(name)
	if f.below {
		if img != nil {
			f.d.add(Picture{p[0] - half(f.side), p[1] + 2, f.side, f.side, img, "An image of " + label})
		}
		for i, line := range wrap(label, 2, f.step-3, textSize, Regular) {
			f.d.add(Text{X: p[0], Y: p[1] + f.side + 2 + float64(leading*float64(i+1)), Size: textSize, Anchor: Middle, S: line})
		}
		return along
	}
	x := p[0] + 3
	if img != nil {
		f.d.add(Picture{x, p[1] - half(f.side), f.side, f.side, img, "An image of " + label})
		x += f.side + 4
	}
	f.d.add(Text{X: x, Y: p[1] + 2.5, Size: textSize + 1, Anchor: Start, S: fit(label, f.d.Width-x, textSize+1, Regular)})
	return along
}
