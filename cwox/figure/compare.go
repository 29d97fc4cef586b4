package figure

import (
	"fmt"
	"slices"
	"strconv"

	"cwox/cwox"
)

// Compare draws runs side by side, as the paper's Figs. 1, 2, 8 and 9: of each subject the
// photograph, beside it a row for each run and in it a column for each class, those of a cluster
// after the cluster itself where some run has a map of that.
func Compare(subjects []Subject, o Options) (*Drawing, error) {
	if err := check(subjects); err != nil {
		return nil, err
	}
	d := &Drawing{Title: "Explanations side by side", Width: o.width()}
	for _, s := range subjects {
		block, err := compare(s, o)
		if err != nil {
			return nil, err
		}
		d.move(block, 0, d.Height)
		d.Height += block.Height + gap
	}
	d.Height -= gap
	return d, nil
}

// column is what the maps of a column speak for.
type column struct {
	cluster int
	class   int // -1 for the cluster itself
}

// columns lists the clusters and classes that some run has a map of. A cluster of one class has
// one column, of its own map where a run has one: that is contrasted, its class's is not.
func columns(runs []*cwox.Explanation) (list []column) {
	for i, k := range runs[0].Clusters {
		if len(k.Classes) > 1 && slices.ContainsFunc(runs, func(e *cwox.Explanation) bool { return e.Clusters[i].Map.Data != nil }) {
			list = append(list, column{i, -1})
		}
		for _, class := range k.Classes {
			list = append(list, column{i, class})
		}
	}
	return list
}

// cell is what a run has in a column; false where that is nothing.
func (p *painter) cell(e *cwox.Explanation, c column, tag string, width float64) (panel, bool) {
	if c.class < 0 {
		return p.group(e, c.cluster, tag, width)
	}
	if len(e.Clusters[c.cluster].Classes) == 1 {
		if a, ok := p.group(e, c.cluster, tag, width); ok {
			a.more = share(p.prob[c.class])
			return a, true
		}
	}
	return p.class(e, c.class, tag, width)
}

// tags are the letters of a run's panels: "b.1", "b.2" one after the other, or where the run has
// maps of several clusters "b1" for a cluster and "b1.1" below it.
func tags(e *cwox.Explanation, list []column, row string) (out []string) {
	staged := slices.ContainsFunc(list, func(c column) bool { return c.class < 0 && e.Clusters[c.cluster].Map.Data != nil })
	n := 0
	for i, c := range list {
		group := row
		if len(e.Clusters) > 1 {
			group += strconv.Itoa(c.cluster + 1)
		}
		if i > 0 && (staged && list[i-1].cluster != c.cluster) {
			n = 0
		}
		switch {
		case c.class < 0 || staged && len(e.Clusters[c.cluster].Classes) == 1:
			out = append(out, group)
			continue
		case staged:
			n++
			out = append(out, fmt.Sprintf("%s.%d", group, n))
		default:
			n++
			out = append(out, fmt.Sprintf("%s.%d", row, n))
		}
	}
	return out
}

// compare draws one subject.
func compare(s Subject, o Options) (*Drawing, error) {
	p := newPainter(s, o)
	list := columns(s.Runs)
	d := &Drawing{Width: o.width()}
	n := float64(len(list) + 1)
	width := min((d.Width-float64(gap*(n-1)))/n, widestPanel)
	if width < leastPanel {
		return nil, tooMany(s.Name, len(list), d.Width)
	}
	left := half(d.Width - float64(width*n) - float64(gap*(n-1)))
	at := func(i int) float64 { return left + float64(float64(i)*(width+gap)) }
	photo := p.photo("a", width)
	y := 0.0
	for r, e := range s.Runs {
		d.add(Text{X: at(1), Y: y + leading, Size: textSize, Style: Bold, Anchor: Start, S: fit(run(e), d.Width-at(1), textSize, Bold)})
		y += leading + 4
		tall := 0.0
		names := tags(e, list, letter(r+1))
		for i, c := range list {
			if a, ok := p.cell(e, c, names[i], width); ok {
				d.draw(a, at(i+1), y, width, width)
				tall = max(tall, a.height(width)+a.captionHeight(width))
			}
		}
		y += tall + gap
	}
	own := photo.height(width) + photo.captionHeight(width)
	d.Height = max(y-gap, own+leading+4)
	d.draw(photo, at(0), max((d.Height-own)/2, leading+4), width, width)
	return d, nil
}

func tooMany(name string, maps int, width float64) error {
	return fmt.Errorf("figure: %s: %d maps beside each other are too small on %.3g inches: choose fewer classes, or a wider figure", name, maps, width/72)
}

// Grid draws a row for each subject: the photograph and the maps of its first run.
func Grid(subjects []Subject, o Options) (*Drawing, error) {
	if err := check(subjects); err != nil {
		return nil, err
	}
	most := 0
	for _, s := range subjects {
		most = max(most, len(columns(s.Runs[:1])))
	}
	d := &Drawing{Title: "Explanations of several pictures", Width: o.width()}
	width := min((d.Width-float64(gap*float64(most)))/float64(most+1), widestPanel)
	if width < leastPanel {
		return nil, tooMany("the fullest row", most, d.Width)
	}
	for row, s := range subjects {
		p, e := newPainter(s, o), s.Runs[0]
		all := []panel{p.photo(letter(row), width)}
		for i, c := range columns(s.Runs[:1]) {
			tag := fmt.Sprintf("%s.%d", letter(row), i+1)
			if a, ok := p.cell(e, c, tag, width); ok {
				all = append(all, a)
			}
		}
		tall := 0.0
		for i, a := range all {
			d.draw(a, float64(float64(i)*(width+gap)), d.Height, width, width)
			tall = max(tall, a.height(width)+a.captionHeight(width))
		}
		d.Height += tall + gap
	}
	d.Height -= gap
	return d, nil
}
