package dataset

import (
	"cmp"
	"context"
	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/nn/vision"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// defaultExamples is how many mistakes a page shows, mostAcross how many pairs of different
// clusters.
const (
	defaultExamples = 120
	mostAcross      = 40
)

// page makes the page: every pair in turn gets one more of its mistakes explained, as long as
// there are examples left.
func (f *Confusions) page(ctx context.Context, c *cwox.Classifier, o ConfusionsOptions) (*report.Confusions, error) {
	name := func(class int) string {
		if label := c.Label(class); label != "" {
			return label
		}
		return "class " + strconv.Itoa(class)
	}
	p := &report.Confusions{Title: o.Title, Lead: f.lead()}
	if n := f.Unreadable; n > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("%d images could not be read.", n))
	}
	if n := f.Unknown; n > 0 {
		p.Notes = append(p.Notes, fmt.Sprintf("Of %d images the true class is not known.", n))
	}
	for _, k := range f.Clusters {
		g := report.ConfusedGroup{Name: strings.Join(labelsOf(k.Classes, name), ", "),
			Say: fmt.Sprintf("%s among these; of their images %d were recognised.", report.Plural(wrong(k.Pairs), "mistake", "mistakes"), k.Correct)}
		g.Classes = labelsOf(k.Classes, name)
		g.Counts = make([][]int, len(k.Classes))
		for i, class := range k.Classes {
			g.Counts[i] = make([]int, len(k.Classes))
			g.Counts[i][i] = k.right[class]
		}
		for _, pair := range k.Pairs {
			row, column := slices.Index(k.Classes, pair.True), slices.Index(k.Classes, pair.Predicted)
			g.Counts[row][column] = pair.Count
			g.Cells = append(g.Cells, report.ConfusedCell{Row: row, Column: column, True: name(pair.True), Predicted: name(pair.Predicted), Count: pair.Count})
		}
		p.Groups = append(p.Groups, g)
	}
	across := f.Across[:min(len(f.Across), mostAcross)]
	if len(across) > 0 {
		g := report.ConfusedGroup{Name: "Between groups",
			Say: fmt.Sprintf("%s between classes that the model does not confuse as a rule: look for wrong labels, several things in a picture, and odd pictures.", report.Plural(wrong(f.Across), "mistake", "mistakes"))}
		for i, pair := range across {
			g.Cells = append(g.Cells, report.ConfusedCell{Row: i, True: name(pair.True), Predicted: name(pair.Predicted), Count: pair.Count})
		}
		p.Groups = append(p.Groups, g)
	}
	return p, f.illustrate(ctx, c, p, across, o)
}

// lead is the finding in a sentence.
func (f *Confusions) lead() string {
	if f.Images == 0 {
		return "No image has a true class."
	}
	inside := 0
	for _, k := range f.Clusters {
		inside += wrong(k.Pairs)
	}
	lead := fmt.Sprintf("%d of %d images are recognised (%.1f %%).", f.Correct, f.Images, 100*float64(f.Correct)/float64(f.Images))
	if all := f.Images - f.Correct; all > 0 {
		lead += fmt.Sprintf(" Mistakes within %s of classes that are often confused: %d of %d.", report.Plural(len(f.Clusters), "group", "groups"), inside, all)
	}
	return lead
}

// illustrate explains the most confident mistakes of each pair.
func (f *Confusions) illustrate(ctx context.Context, c *cwox.Classifier, p *report.Confusions, across []ConfusedPair, o ConfusionsOptions) error {
	type task struct {
		cell *report.ConfusedCell
		mistake
	}
	pairs := map[*report.ConfusedCell][]mistake{}
	var cells []*report.ConfusedCell
	for g := range p.Groups {
		from := across
		if g < len(f.Clusters) {
			from = f.Clusters[g].Pairs
		}
		for i := range p.Groups[g].Cells {
			cell := &p.Groups[g].Cells[i]
			pairs[cell] = from[i].mistakes
			cells = append(cells, cell)
		}
	}
	left := cmp.Or(o.Examples, defaultExamples)
	var tasks []task
	for round := 0; left > 0; round++ {
		more := false
		for _, cell := range cells {
			if left > 0 && round < len(pairs[cell]) {
				tasks = append(tasks, task{cell, pairs[cell][round]})
				left--
				more = true
			}
		}
		if !more {
			break
		}
	}
	pipeline := cwox.New(c)
	defer pipeline.Close()
	for i, t := range tasks {
		o.Progress(PhaseExplain, i, len(tasks))
		pic, err := vision.DecodeFile(t.image, o.Documents.Decode)
		if err != nil {
			return err // it was decoded a moment ago
		}
		settings := o.Explain
		settings.Tree, settings.Clusters, settings.Classes = nil, [][]int{{t.real, t.predicted}}, nil
		e, err := pipeline.Explain(ctx, pic, settings)
		if err != nil {
			return fmt.Errorf("dataset: %s: %w", t.image, err)
		}
		e.File = t.image
		say := fmt.Sprintf("%.1f %% %s", 100*t.probability, t.cell.Predicted)
		if t.rank > 0 {
			say += fmt.Sprintf(", %.1f %% %s (rank %d)", 100*t.ofTruth, t.cell.True, t.rank)
		} else {
			say += fmt.Sprintf(", %s not among the likely ones", t.cell.True)
		}
		example, err := report.NewConfusedExample(e, t.real, t.predicted, say)
		if err != nil {
			return err
		}
		t.cell.Examples = append(t.cell.Examples, example)
		t.cell.Add(e, t.real, t.predicted)
	}
	o.Progress(PhaseExplain, len(tasks), len(tasks))
	return nil
}

func labelsOf(classes []int, name func(int) string) (out []string) {
	for _, class := range classes {
		out = append(out, name(class))
	}
	return out
}
