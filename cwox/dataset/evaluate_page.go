package dataset

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/report"
)

// write writes everything that is made of the rows.
func (e *Evaluation) write(dir string, examples []example) error {
	if err := writeTables(dir, e, e.writeCSV, e.tables(), e.notes()); err != nil {
		return err
	}
	return report.WriteArticle(filepath.Join(dir, report.PageFile), e.article(examples))
}

// WriteText writes the tables as text.
func (e *Evaluation) WriteText(w io.Writer) error {
	return tablesText(w, e.tables(), e.notes())
}

// writeCSV writes every mean in a row of its own.
func (e *Evaluation) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	number := func(v float64) string {
		if math.IsNaN(v) {
			return ""
		}
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	mean := func(m Mean) []string {
		paper := ""
		if m.Paper != nil {
			paper = number(*m.Paper)
		}
		return []string{number(float64(m.Mean)), number(float64(m.Low)), number(float64(m.High)), paper}
	}
	row := func(kind, model, explainer string, method, than cwox.Method, metric string, m Mean, wins []int, pairs, images int) {
		line := append([]string{kind, model, explainer, string(method), string(than), metric}, mean(m)...)
		for i := range 3 {
			text := ""
			if wins != nil {
				text = strconv.Itoa(wins[i])
			}
			line = append(line, text)
		}
		_ = out.Write(append(line, strconv.Itoa(pairs), strconv.Itoa(images))) // Error reports it
	}
	_ = out.Write([]string{"kind", "model", "explainer", "method", "than", "metric", "mean", "low", "high", "paper", "better", "worse", "same", "pairs", "images"})
	for _, c := range e.Columns {
		for _, m := range c.Methods {
			for i, v := range []Mean{m.NDelta, m.CAUC, m.CDROP, m.CDROPCommon, m.DeletionAUC, m.InsertionAUC} {
				metric := []string{"n_delta", "cauc", "cdrop", "cdrop_common", "deletion_auc", "insertion_auc"}[i]
				row("method", c.Model, c.Explainer, m.Method, "", metric, v, nil, c.Compared, c.Images)
			}
		}
		for _, r := range c.Ranks {
			for _, m := range r.Methods {
				for i, v := range []Mean{m.CAUC, m.CDROP, m.CDROPCommon} {
					row(r.Rank, c.Model, c.Explainer, m.Method, "", []string{"cauc", "cdrop", "cdrop_common"}[i], v, nil, r.Pairs, c.Images)
				}
			}
		}
		for _, d := range c.Differences {
			for i, v := range []Difference{d.CAUC, d.CDROP, d.CDROPCommon} {
				row("difference", c.Model, c.Explainer, d.Method, d.Than, []string{"cauc", "cdrop", "cdrop_common"}[i], v.Mean, []int{v.Better, v.Worse, v.Same}, c.Compared, c.Images)
			}
		}
	}
	for _, c := range e.Explainers {
		for _, x := range c.Explainer {
			for i, v := range []Mean{x.NDelta, x.CAUC, x.CDROP} {
				row("explainer", c.Model, x.Explainer, c.Method, "", []string{"n_delta", "cauc", "cdrop"}[i], v, nil, c.Pairs, c.Images)
			}
		}
	}
	out.Flush()
	return out.Error()
}

// Units of the tables, as the paper has them.
const (
	unitCAUC  = 1e-3
	unitCDROP = 1e-2
)

const intervals = "mean [95 % interval], * the best"

// tables are all tables: 1 to 3 as the paper numbers them.
func (e *Evaluation) tables() []report.Table {
	out := []report.Table{e.caucTable(), e.cdropTable()}
	if len(e.Settings.Methods) > 1 {
		out = append(out, e.commonTable())
	}
	for _, c := range e.Explainers {
		out = append(out, c.table())
	}
	if len(e.Settings.Methods) > 1 {
		out = append(out, e.differenceTable())
	}
	out = append(out, e.rankTable())
	if e.Settings.AUCSteps > 0 {
		out = append(out, e.deletionTable(), e.insertionTable())
	}
	return append(out, e.coverageTable())
}

func (e *Evaluation) caucTable() report.Table {
	return e.methodTable("Table 1. CAUC in 10^-3, smaller is better: "+intervals, unitCAUC, -1, func(m *MethodScores) Mean { return m.CAUC })
}

func (e *Evaluation) cdropTable() report.Table {
	return e.methodTable("Table 2. CDROP in 10^-2, larger is better: "+intervals, unitCDROP, 1, func(m *MethodScores) Mean { return m.CDROP })
}

func (e *Evaluation) commonTable() report.Table {
	return e.methodTable("CDROP over as many pixels for all methods, in 10^-2, larger is better: "+intervals, unitCDROP, 1, func(m *MethodScores) Mean { return m.CDROPCommon })
}

func (e *Evaluation) deletionTable() report.Table {
	return e.methodTable("Deletion AUC, smaller is better: "+intervals, 1, -1, func(m *MethodScores) Mean { return m.DeletionAUC })
}

func (e *Evaluation) insertionTable() report.Table {
	return e.methodTable("Insertion AUC, larger is better: "+intervals, 1, 1, func(m *MethodScores) Mean { return m.InsertionAUC })
}

// methodTable has the methods in rows; sign is 1 where larger is better.
func (e *Evaluation) methodTable(caption string, unit, sign float64, get func(*MethodScores) Mean) report.Table {
	t := report.Table{Caption: caption, Head: []string{""}}
	rows := make([][]string, len(e.Settings.Methods))
	for m, method := range e.Settings.Methods {
		rows[m] = []string{report.MethodName(method)}
	}
	for i := range e.Columns {
		c := &e.Columns[i]
		means := make([]Mean, len(c.Methods))
		published := false
		for m := range c.Methods {
			means[m] = get(&c.Methods[m])
			published = published || means[m].Paper != nil
		}
		t.Head = append(t.Head, c.name())
		if published {
			t.Head = append(t.Head, "paper")
		}
		top := best(means, sign)
		for m, mean := range means {
			rows[m] = append(rows[m], mean.text(unit, m == top && len(means) > 1))
			if published {
				rows[m] = append(rows[m], mean.paperText(unit))
			}
		}
	}
	t.Rows = rows
	return t
}

func (c *ExplainerComparison) table() report.Table {
	t := report.Table{
		Caption: fmt.Sprintf("Table 3. %s with several base explainers, %s, %d pairs of %d images: %s", report.MethodName(c.Method), c.Model, c.Pairs, c.Images, intervals),
		Head:    []string{"", "n_delta", "paper", "CAUC 10^-3", "paper", "CDROP 10^-2", "paper"},
	}
	var cauc, cdrop []Mean
	for _, x := range c.Explainer {
		cauc, cdrop = append(cauc, x.CAUC), append(cdrop, x.CDROP)
	}
	topCAUC, topCDROP := best(cauc, -1), best(cdrop, 1)
	for i, x := range c.Explainer {
		t.Rows = append(t.Rows, []string{report.ExplainerName(x.Explainer),
			fmt.Sprintf("%.0f", float64(x.NDelta.Mean)), x.NDelta.paperText(0),
			x.CAUC.text(unitCAUC, i == topCAUC), x.CAUC.paperText(unitCAUC),
			x.CDROP.text(unitCDROP, i == topCDROP), x.CDROP.paperText(unitCDROP)})
	}
	return t
}

func (e *Evaluation) differenceTable() report.Table {
	t := report.Table{
		Caption: "Paired differences: mean [95 % interval]; in how many pairs the first method is better, worse, the same",
		Head:    []string{"", "methods", "CAUC 10^-3", "better, worse, same", "CDROP 10^-2", "better, worse, same", "CDROP over as many pixels", "better, worse, same"},
	}
	wins := func(d Difference) string { return fmt.Sprintf("%d, %d, %d", d.Better, d.Worse, d.Same) }
	for i := range e.Columns {
		c := &e.Columns[i]
		for _, d := range c.Differences {
			t.Rows = append(t.Rows, []string{c.name(), report.MethodName(d.Method) + " - " + report.MethodName(d.Than),
				d.CAUC.text(unitCAUC, false), wins(d.CAUC), d.CDROP.text(unitCDROP, false), wins(d.CDROP),
				d.CDROPCommon.text(unitCDROP, false), wins(d.CDROPCommon)})
		}
	}
	return t
}

func (e *Evaluation) rankTable() report.Table {
	t := report.Table{
		Caption: "By the class's rank in its cluster: CAUC in 10^-3, CDROP in 10^-2, CDROP over as many pixels for all methods in 10^-2",
		Head:    []string{"", "class", "pairs"},
	}
	for _, m := range e.Settings.Methods {
		t.Head = append(t.Head, report.MethodName(m))
	}
	for i := range e.Columns {
		c := &e.Columns[i]
		for _, r := range c.Ranks {
			row := []string{c.name(), r.Rank, strconv.Itoa(r.Pairs)}
			for _, m := range r.Methods {
				cell := "-"
				if r.Pairs > 0 {
					cell = fmt.Sprintf("%.2f, %.2f, %.2f", float64(m.CAUC.Mean)/unitCAUC, float64(m.CDROP.Mean)/unitCDROP, float64(m.CDROPCommon.Mean)/unitCDROP)
				}
				row = append(row, cell)
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

func (e *Evaluation) coverageTable() report.Table {
	t := report.Table{
		Caption: "What was compared: pairs for which the maps of all methods can be scored",
		Head:    []string{"", "images", "pairs", "compared"},
	}
	for _, m := range e.Settings.Methods {
		t.Head = append(t.Head, report.MethodName(m)+" unscored", "n_delta")
	}
	for i := range e.Columns {
		c := &e.Columns[i]
		row := []string{c.name(), strconv.Itoa(c.Images), strconv.Itoa(c.Pairs), strconv.Itoa(c.Compared)}
		for _, m := range c.Methods {
			var unscored []string
			for _, s := range []faithfulness.Status{faithfulness.Blank, faithfulness.TooFew, faithfulness.Flat, faithfulness.NotFinite} {
				if n := m.Unscored[s]; n > 0 {
					unscored = append(unscored, fmt.Sprintf("%d %s", n, s))
				}
			}
			row = append(row, cmp.Or(strings.Join(unscored, ", "), "0"), m.NDelta.text(0, false))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// text is the mean with its interval in a unit; unit 0 means whole numbers.
func (m Mean) text(unit float64, best bool) string {
	if math.IsNaN(float64(m.Mean)) {
		return "-"
	}
	format := func(v report.Real) string {
		switch unit {
		case 0:
			return strconv.FormatFloat(float64(v), 'f', 0, 64)
		case 1:
			return strconv.FormatFloat(float64(v), 'f', 4, 64)
		}
		return strconv.FormatFloat(float64(v)/unit, 'f', 2, 64)
	}
	text := fmt.Sprintf("%s [%s, %s]", format(m.Mean), format(m.Low), format(m.High))
	if best {
		text += " *"
	}
	return text
}

func (m Mean) paperText(unit float64) string {
	switch {
	case m.Paper == nil:
		return "-"
	case unit == 0:
		return strconv.FormatFloat(*m.Paper, 'f', 0, 64)
	}
	return strconv.FormatFloat(*m.Paper/unit, 'f', 2, 64)
}

// best is the index of the largest mean, times sign; -1 where there is none.
func best(means []Mean, sign float64) int {
	top := -1
	for i, m := range means {
		if v := float64(m.Mean); !math.IsNaN(v) && (top < 0 || sign*v > sign*float64(means[top].Mean)) {
			top = i
		}
	}
	return top
}

func (c *EvaluationColumn) name() string { return c.Model + ", " + report.ExplainerName(c.Explainer) }

// fewImages are too few for percentiles of bootstrap samples to be relied on.
const fewImages = 20

// notes say how it was measured.
func (e *Evaluation) notes() []string {
	s := &e.Settings
	definition := fmt.Sprintf("CAUC and CDROP by the paper's definition (Eq. 3 to 5), delta %g, tau 5 %% of the pixels; the score is evaluated every %d pixels.", s.Delta, s.Step)
	if s.Definition == faithfulness.Reference {
		definition = fmt.Sprintf("CAUC and CDROP as the authors' code computes them: step %d, trapezoid rule, the end of the drop a mean of three; delta %g, tau 5 %% of the pixels.", s.Step, s.Delta)
	}
	out := []string{
		definition,
		"CAUC covers the least number of salient pixels among the methods of a pair (in Table 3: among the explainers), CDROP each map's own but where it says otherwise.",
		"A pair is a top class and the other classes of its confusion cluster. Maps of the " + string(s.Variant) + " variant of the methods.",
		fmt.Sprintf("Intervals: percentiles of %d bootstrap samples of the images, each drawn with all its pairs.", replicates),
	}
	if slices.ContainsFunc(e.Columns, func(c EvaluationColumn) bool { return c.Images < fewImages }) {
		out = append(out, fmt.Sprintf("Intervals from fewer than %d images are rough.", fewImages))
	}
	if s.AUCSteps > 0 {
		out = append(out, fmt.Sprintf("Deletion and insertion AUC in %d steps.", s.AUCSteps))
	}
	for _, model := range e.models() {
		m, n := s.Models[model], e.Images[model]
		out = append(out, fmt.Sprintf("%s: %d images evaluated; passed over: %d with a single top class, %d without a cluster of two, %d that failed. Weights %.12s, %s, kernels %s.",
			model, n.Evaluated, n.SingleClass, n.NoCluster, n.Failed, m.WeightsSHA256, m.Precision, m.Kernel))
	}
	if _, ok := s.Models["googlenet-caffe"]; ok && e.hasPaper() {
		out = append(out, "The paper's GoogLeNet is torchvision's; googlenet-caffe is BVLC's, with other weights.")
	}
	return out
}

func (e *Evaluation) hasPaper() bool {
	for _, c := range e.Columns {
		for _, m := range c.Methods {
			if m.CAUC.Paper != nil {
				return true
			}
		}
	}
	return false
}

// lead is the finding in a sentence.
func (e *Evaluation) lead() string {
	shown := e.Settings.shownMethod()
	name := report.MethodName(e.Settings.Methods[shown])
	pairs, cauc, cdrop := 0, 0, 0
	for _, c := range e.Columns {
		pairs += c.Compared
		var a, d []Mean
		for _, m := range c.Methods {
			a, d = append(a, m.CAUC), append(d, m.CDROP)
		}
		if best(a, -1) == shown {
			cauc++
		}
		if best(d, 1) == shown {
			cdrop++
		}
	}
	switch n := len(e.Columns); {
	case len(e.Settings.Methods) == 1:
		return fmt.Sprintf("%s, scored on %d pairs of a class and its foil.", name, pairs)
	case n == 1:
		return fmt.Sprintf("%s has %s CAUC and %s CDROP, over %d pairs of a class and its foil.", name,
			[]string{"not the smallest", "the smallest"}[cauc], []string{"not the largest", "the largest"}[cdrop], pairs)
	default:
		return fmt.Sprintf("%s has the smallest CAUC in %d and the largest CDROP in %d of %d combinations of model and explainer.", name, cauc, cdrop, n)
	}
}

// certainty says in how many columns the method shown is better than all others beyond chance.
func (e *Evaluation) certainty() string {
	shown := e.Settings.Methods[e.Settings.shownMethod()]
	cauc, cdrop := 0, 0
	for _, c := range e.Columns {
		betterCAUC, betterCDROP := true, true
		for _, d := range c.Differences {
			switch shown {
			case d.Method:
				betterCAUC = betterCAUC && d.CAUC.High < 0
				betterCDROP = betterCDROP && d.CDROP.Low > 0
			case d.Than:
				betterCAUC = betterCAUC && d.CAUC.Low > 0
				betterCDROP = betterCDROP && d.CDROP.High < 0
			}
		}
		if betterCAUC {
			cauc++
		}
		if betterCDROP {
			cdrop++
		}
	}
	return fmt.Sprintf("%s is better than every other method beyond chance in %d (CAUC) and %d (CDROP) of %d combinations of model and explainer.",
		report.MethodName(shown), cauc, cdrop, len(e.Columns))
}

// example is a pair whose curves are shown.
type example struct {
	column string
	rows   []EvaluationRow
}

// examples picks a typical pair of each column: the one whose gain in CDROP, of the method
// shown over the first one, is the median.
func (e *Evaluation) examples(path string) ([]example, error) {
	shown := e.Settings.shownMethod()
	gain := func(p *pairScores) float64 {
		g := p.values[shown][metricCDROP]
		if shown > 0 {
			g -= p.values[0][metricCDROP]
		}
		return g
	}
	wanted := map[string]pairScores{}
	for i := range e.Columns {
		c := &e.Columns[i]
		if len(c.pairs) == 0 {
			continue
		}
		sorted := slices.Clone(c.pairs)
		slices.SortStableFunc(sorted, func(a, b pairScores) int { return cmp.Compare(gain(&a), gain(&b)) })
		wanted[c.Model+"/"+c.Explainer] = sorted[(len(sorted)-1)/2]
	}
	var out []example
	err := e.eachImage(path, func(rows []EvaluationRow) error {
		for pair := range slices.Chunk(rows, len(e.Settings.Methods)) {
			key := pair[0].Model + "/" + pair[0].Explainer
			if w, ok := wanted[key]; ok && w.image == pair[0].Image && w.class == pair[0].Class {
				out = append(out, example{key, pair})
			}
		}
		return nil
	})
	return out, err
}

// article is the page.
func (e *Evaluation) article(examples []example) report.Article {
	a := report.Article{Title: "How faithful are the explanations?", Lead: e.lead()}
	add := func(p report.Part) { a.Parts = append(a.Parts, p) }
	withTable := func(p report.Part, t report.Table) report.Part {
		p.Table = &t
		return p
	}
	cauc := report.Part{Heading: "Contrastive AUC",
		Text: []string{"The area under the contrastive score s = P(class) (1 - P(foil)) while the most salient pixels are erased, over as many pixels for all methods of a pair. Smaller is better."}}
	cdrop := report.Part{Heading: "Weighted drop in contrastive score",
		Text: []string{"How far the contrastive score falls when all salient pixels are erased, with a penalty for many of them. Larger is better."}}
	for i := range e.Columns {
		c := &e.Columns[i]
		cauc.Charts = append(cauc.Charts, report.Chart{Title: c.name(), X: "CAUC, 10^-3", MarkName: "paper"}.Dots(
			c.estimates(unitCAUC, func(m *MethodScores) Mean { return m.CAUC })...))
		cdrop.Charts = append(cdrop.Charts, report.Chart{Title: c.name(), X: "CDROP, 10^-2", MarkName: "paper"}.Dots(
			c.estimates(unitCDROP, func(m *MethodScores) Mean { return m.CDROP })...))
	}
	add(withTable(cauc, e.caucTable()))
	add(withTable(cdrop, e.cdropTable()))
	if len(e.Settings.Methods) > 1 {
		add(withTable(report.Part{Text: []string{"The more pixels a map marks, the further the score falls, whatever pixels they are; so here all methods of a pair erase as many, those that CAUC covers."}}, e.commonTable()))
	}
	for _, c := range e.Explainers {
		add(withTable(c.part(), c.table()))
	}
	if len(e.Settings.Methods) > 1 {
		add(withTable(e.differencePart(), e.differenceTable()))
	}
	add(withTable(report.Part{Heading: "The first of a cluster, and the others",
		Text: []string{"The likeliest class of a cluster has most of the probability that erasing pixels can take away, so it rules the means."}}, e.rankTable()))
	add(e.curvePart())
	for _, x := range examples {
		add(e.examplePart(x))
	}
	add(e.distributionPart())
	if e.Settings.AUCSteps > 0 {
		add(withTable(report.Part{Heading: "Deletion and insertion"}, e.deletionTable()))
		add(withTable(report.Part{}, e.insertionTable()))
	}
	add(withTable(report.Part{Heading: "How it was measured", Text: e.notes()}, e.coverageTable()))
	return a
}

// estimates are a column's means in a unit, for a chart.
func (c *EvaluationColumn) estimates(unit float64, get func(*MethodScores) Mean) []report.Estimate {
	var out []report.Estimate
	for i := range c.Methods {
		out = append(out, get(&c.Methods[i]).estimate(report.MethodName(c.Methods[i].Method), unit))
	}
	return out
}

func (m Mean) estimate(name string, unit float64) report.Estimate {
	x := report.Estimate{Name: name, Value: float64(m.Mean) / unit, Low: float64(m.Low) / unit, High: float64(m.High) / unit}
	if m.Paper != nil {
		mark := *m.Paper / unit
		x.Mark = &mark
	}
	return x
}

func (c *ExplainerComparison) part() report.Part {
	p := report.Part{Heading: "Base explainers, " + c.Model}
	var cauc, cdrop []report.Estimate
	for _, x := range c.Explainer {
		cauc = append(cauc, x.CAUC.estimate(report.ExplainerName(x.Explainer), unitCAUC))
		cdrop = append(cdrop, x.CDROP.estimate(report.ExplainerName(x.Explainer), unitCDROP))
	}
	p.Charts = append(p.Charts,
		report.Chart{Title: c.Model, X: "CAUC, 10^-3", MarkName: "paper"}.Dots(cauc...),
		report.Chart{Title: c.Model, X: "CDROP, 10^-2", MarkName: "paper"}.Dots(cdrop...))
	return p
}

func (e *Evaluation) differencePart() report.Part {
	name := report.MethodName(e.Settings.Methods[e.Settings.shownMethod()])
	p := report.Part{Heading: "Pair by pair",
		Text: []string{"Differences between methods on the same pairs. For CAUC a negative difference speaks for the first method, for CDROP a positive one; an interval without 0 is more than chance.", e.certainty()}}
	for i := range e.Columns {
		c := &e.Columns[i]
		var cauc, cdrop []report.Estimate
		for _, d := range c.Differences {
			if report.MethodName(d.Method) == name {
				cauc = append(cauc, d.CAUC.estimate("- "+report.MethodName(d.Than), unitCAUC))
				cdrop = append(cdrop, d.CDROP.estimate("- "+report.MethodName(d.Than), unitCDROP))
			}
		}
		if len(cauc) > 0 {
			p.Charts = append(p.Charts,
				report.Chart{Title: c.name() + ": CAUC of " + name, X: "difference in CAUC, 10^-3"}.Dots(cauc...),
				report.Chart{Title: c.name() + ": CDROP of " + name, X: "difference in CDROP, 10^-2"}.Dots(cdrop...))
		}
	}
	return p
}

func (e *Evaluation) curvePart() report.Part {
	p := report.Part{Heading: "Mean contrastive score curves",
		Text: []string{"The contrastive score after so many of the most salient pixels are erased, a mean over the compared pairs. Only salient pixels are erased: a map that has no more of them stays at its last score."}}
	for i := range e.Columns {
		c := &e.Columns[i]
		size := e.Settings.Models[c.Model].Pixels
		x := make([]float64, curvePoints)
		for k := range x {
			x[k] = 100 * float64(pixelsAt(k, size)) / float64(size)
		}
		var curves []report.Curve
		for m, method := range e.Settings.Methods {
			curves = append(curves, report.Curve{Name: report.MethodName(method), X: x, Y: c.curves[m]})
		}
		p.Charts = append(p.Charts, report.Chart{Title: c.name(), X: "pixels erased, %", Y: "contrastive score"}.Curves(curves...))
	}
	return p
}

// examplePart shows a pair as the paper's Figure 6 does.
func (e *Evaluation) examplePart(x example) report.Part {
	row := x.rows[0]
	label := func(class int, label string) string { return strings.TrimSpace(fmt.Sprintf("%s %d", label, class)) }
	var foil []string
	for i, c := range row.Foil {
		name := ""
		if i < len(row.FoilLabels) {
			name = row.FoilLabels[i]
		}
		foil = append(foil, label(c, name))
	}
	fact := label(row.Class, row.Label)
	p := report.Part{
		Heading: "A typical pair, " + row.Model + ", " + report.ExplainerName(row.Explainer),
		Text:    []string{fmt.Sprintf("%s: %s against %s, the pair whose gain in CDROP is the median.", filepath.Base(row.Image), fact, strings.Join(foil, ", "))},
	}
	for _, r := range x.rows {
		n := len(r.Curve.Pixels)
		pixels, score := make([]float64, n), make([]float64, n)
		for i := range n {
			pixels[i] = float64(r.Curve.Pixels[i])
			score[i] = r.Curve.Pos[i] * (1 - r.Curve.Neg[i])
		}
		p.Charts = append(p.Charts, report.Chart{
			Title: fmt.Sprintf("%s: CAUC %.2f, CDROP %.2f", report.MethodName(r.Method), float64(r.CAUC)/unitCAUC, float64(r.CDROP)/unitCDROP),
			X:     "pixels erased", Y: "probability", Width: 480, Height: 280,
		}.Curves(
			report.Curve{Name: "class", X: pixels, Y: r.Curve.Pos},
			report.Curve{Name: "foil", X: pixels, Y: r.Curve.Neg},
			report.Curve{Name: "score", X: pixels, Y: score},
		))
	}
	return p
}

func (e *Evaluation) distributionPart() report.Part {
	p := report.Part{Heading: "Distributions over the pairs"}
	for i := range e.Columns {
		c := &e.Columns[i]
		for _, d := range []struct {
			metric int
			name   string
			unit   float64
		}{{metricCAUC, "CAUC, 10^-3", unitCAUC}, {metricCDROP, "CDROP, 10^-2", unitCDROP}} {
			var samples []report.Sample
			for m, method := range e.Settings.Methods {
				s := report.Sample{Name: report.MethodName(method)}
				for _, pair := range c.pairs {
					s.Values = append(s.Values, pair.values[m][d.metric]/d.unit)
				}
				samples = append(samples, s)
			}
			p.Charts = append(p.Charts, report.Chart{Title: c.name(), X: d.name}.Distributions(samples...))
		}
	}
	return p
}
