package figure

import (
	"fmt"

	"cwox/cwox"
)

// Stages draws an explanation by the two-stage method as a tree, as the paper's Fig. 3: the
// photograph, below it the maps of the clusters, and below each those of its classes.
func Stages(s Subject, o Options) (*Drawing, error) {
	if err := check([]Subject{s}); err != nil {
		return nil, err
	}
	e := s.Runs[0]
	if len(s.Runs) != 1 || e.Method != cwox.CWOX2s {
		return nil, fmt.Errorf("figure: %s: want one explanation by %s", s.Name, cwox.CWOX2s)
	}
	p := newPainter(s, o)
	d := &Drawing{Title: "Explanation in two stages", Width: o.width()}
	leaves := 0
	for _, k := range e.Clusters {
		leaves += max(1, len(k.Classes))
	}
	n := float64(leaves)
	width := min((d.Width-float64(gap*(n-1)))/n, widestPanel)
	if width < leastPanel {
		return nil, tooMany(s.Name, leaves, d.Width)
	}
	left := half(d.Width - float64(width*n) - float64(gap*(n-1)))
	at := func(leaf float64) float64 { return left + float64(leaf*(width+gap)) }

	const branch = 16.0 // between a caption and the pictures below it
	photo := p.photo("a", width)
	photo.name = "input"
	root := half(d.Width)
	d.draw(photo, root-half(width), 0, width, width)
	// Where branches leave the photograph and the clusters, and where those hang.
	under := photo.height(width) + photo.captionHeight(width)
	groups := under + branch
	tall := 0.0
	type hung struct {
		panel
		x       float64
		first   float64 // leaf
		caption float64 // its width
	}
	var list []hung
	leaf := 0.0
	for i, k := range e.Clusters {
		members := float64(max(1, len(k.Classes)))
		a, ok := p.group(e, i, letter(i+1), width)
		if !ok {
			return nil, fmt.Errorf("figure: %s: cluster %d has no map", s.Name, i)
		}
		a.more = share(k.Probability)
		x := (at(leaf) + at(leaf+members-1)) / 2
		over := float64(members*(width+gap)) - gap // what is below it
		list = append(list, hung{a, x, leaf, over})
		tall = max(tall, a.height(width)+a.captionHeight(over))
		leaf += members
	}
	classes := groups + tall + branch
	bottom := groups + tall
	for i, g := range list {
		d.fork(root, under, g.x+half(width), groups)
		d.draw(g.panel, g.x, groups, width, g.caption)
		for j, class := range e.Clusters[i].Classes {
			a, ok := p.class(e, class, fmt.Sprintf("%s.%d", letter(i+1), j+1), width)
			if !ok {
				continue
			}
			x := at(g.first + float64(j))
			d.fork(g.x+half(width), groups+g.height(width)+g.captionHeight(g.caption), x+half(width), classes)
			d.draw(a, x, classes, width, width)
			bottom = max(bottom, classes+a.height(width)+a.captionHeight(width))
		}
	}
	d.Height = bottom
	return d, nil
}

// fork draws a branch from above down to a place, with a bend half way.
func (d *Drawing) fork(x0, y0, x1, y1 float64) {
	m := y1 - 7
	d.add(Line{Points: [][2]float64{{x0, y0}, {x0, m}, {x1, m}, {x1, y1 - 1}}, Width: 0.7, Color: grey})
}
