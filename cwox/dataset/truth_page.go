package dataset

import (
	"encoding/csv"
	"fmt"
	"html/template"
	"io"
	"maps"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cwox/cwox"
	"cwox/cwox/report"
)

// write writes summary.json, the tables and the page.
func (s *TruthSummary) write(dir string) error {
	err := writeTables(dir, s, s.writeCSV, s.tables(), s.notes())
	if err == nil {
		err = report.WriteArticle(filepath.Join(dir, report.PageFile), s.article())
	}
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	return nil
}

// WriteText writes the tables as text.
func (s *TruthSummary) WriteText(w io.Writer) error {
	return tablesText(w, s.tables(), s.notes())
}

// writeCSV writes every mean in a row of its own.
func (s *TruthSummary) writeCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	number := func(v report.Real) string {
		if math.IsNaN(float64(v)) {
			return ""
		}
		return strconv.FormatFloat(float64(v), 'g', -1, 64)
	}
	row := func(kind, explainer, column, than, measure string, m Mean, wins [3]string, maps int, chance report.Real) {
		_ = out.Write([]string{kind, explainer, column, than, measure, number(m.Mean), number(m.Low), number(m.High),
			wins[0], wins[1], wins[2], strconv.Itoa(maps), number(chance)}) // Error reports it
	}
	_ = out.Write([]string{"kind", "explainer", "method", "than", "measure", "mean", "low", "high", "better", "worse", "same", "maps", "chance"})
	nan := report.Real(math.NaN())
	for _, r := range s.Explainers {
		for _, m := range r.Measures {
			for k, mean := range m.Means {
				row("mean", r.Explainer, m.Columns[k], "", m.Name, mean, [3]string{}, m.Maps, m.Chance)
			}
			for k, d := range m.Differences {
				wins := [3]string{strconv.Itoa(d.Better), strconv.Itoa(d.Worse), strconv.Itoa(d.Same)}
				row("difference", r.Explainer, m.Columns[len(m.Columns)-1], m.Columns[k], m.Name, d.Mean, wins, m.Maps, nan)
			}
		}
		for _, a := range r.Agreement {
			row("agreement", r.Explainer, "", "", a.Metric+" with "+a.Truth, a.Share, [3]string{}, a.Pairs, 0.5)
		}
	}
	out.Flush()
	return out.Error()
}

func (s *TruthSummary) tables() []report.Table {
	tables := []report.Table{
		s.methodTable("Class maps at the telling part: what tells the class from its explained siblings. %, mean [95 % interval], * the best.",
			[]string{TruthPartHit, TruthPartEnergy, TruthPartIoU, TruthSide},
			[]string{"pointing", "energy", "IoU", "own side"}),
		s.methodTable("Class maps at the object. %.",
			[]string{TruthBodyHit, TruthBodyEnergy, TruthBodyIoU}, []string{"pointing", "energy", "IoU"}),
		s.methodTable("Faithfulness of the maps with a telling part and a foil. CAUC in 10^-3 (small is good), CDROP in %, over the map's own salient pixels and over as many for all methods.",
			[]string{TruthCAUC, TruthCDROP, TruthCDROPCommon, TruthNDelta}, []string{"CAUC", "CDROP", "CDROP, as many", "salient pixels"}),
		s.clusterTable(),
		s.differenceTable(),
		s.agreementTable(),
	}
	return slices.DeleteFunc(tables, func(t report.Table) bool { return len(t.Rows) == 0 })
}

// methodTable has a row per explainer and method.
func (s *TruthSummary) methodTable(caption string, names, titles []string) report.Table {
	t := report.Table{Caption: caption, Head: append([]string{"Explainer, method", "maps"}, titles...)}
	for i := range s.Explainers {
		r := &s.Explainers[i]
		first := r.find(names[0])
		if first == nil {
			continue
		}
		for k, method := range s.Methods {
			row := []string{report.ExplainerName(r.Explainer) + ", " + report.MethodName(method), strconv.Itoa(first.Maps)}
			for _, name := range names {
				row = append(row, r.find(name).cell(k))
			}
			t.Rows = append(t.Rows, row)
		}
		for _, other := range []struct {
			title string
			get   func(m *TruthMeasure) report.Real
		}{
			{"even map of the object", func(m *TruthMeasure) report.Real { return m.Object }},
			{"by chance", func(m *TruthMeasure) report.Real { return m.Chance }},
		} {
			row, some := []string{report.ExplainerName(r.Explainer) + ", " + other.title, strconv.Itoa(first.Maps)}, false
			for _, name := range names {
				text := "-"
				if m := r.find(name); m != nil && !math.IsNaN(float64(other.get(m))) {
					text, some = fmt.Sprintf("%.1f", float64(other.get(m))/unitOf(name)), true
				}
				row = append(row, text)
			}
			if some {
				t.Rows = append(t.Rows, row)
			}
		}
	}
	return t
}

// clusterTable compares contrastive cluster maps with what they are made of.
func (s *TruthSummary) clusterTable() report.Table {
	t := report.Table{Caption: "Cluster maps of CWOX-2s at the cluster's objects, among several clusters: Eq. 1, and the base map before it. %.",
		Head: []string{"Explainer, map", "maps", "pointing", "energy", "IoU"}}
	names := []string{TruthClusterHit, TruthClusterEnergy, TruthClusterIoU}
	for i := range s.Explainers {
		r := &s.Explainers[i]
		first := r.find(names[0])
		if first == nil {
			continue
		}
		for k, title := range []string{"base", "contrast"} {
			row := []string{report.ExplainerName(r.Explainer) + ", " + title, strconv.Itoa(first.Maps)}
			for _, name := range names {
				row = append(row, r.find(name).cell(k))
			}
			t.Rows = append(t.Rows, row)
		}
		row := []string{report.ExplainerName(r.Explainer) + ", by chance", strconv.Itoa(first.Maps)}
		for _, name := range names {
			row = append(row, fmt.Sprintf("%.1f", 100*float64(r.find(name).Chance)))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// differenceTable compares the last method with the others, map by map.
func (s *TruthSummary) differenceTable() report.Table {
	last := len(s.Methods) - 1
	t := report.Table{Caption: report.MethodName(s.Methods[last]) + " minus the other methods, map by map: mean difference [95 % interval], maps better : worse.",
		Head: []string{"Explainer, against", "part pointing", "part energy", "part IoU", "CAUC", "CDROP", "CDROP, as many"}}
	for i := range s.Explainers {
		r := &s.Explainers[i]
		if r.find(TruthPartEnergy) == nil {
			continue
		}
		for k := range last {
			row := []string{report.ExplainerName(r.Explainer) + ", " + report.MethodName(s.Methods[k])}
			for _, name := range []string{TruthPartHit, TruthPartEnergy, TruthPartIoU, TruthCAUC, TruthCDROP, TruthCDROPCommon} {
				m := r.find(name)
				if m == nil {
					row = append(row, "-")
					continue
				}
				d := m.Differences[k]
				row = append(row, fmt.Sprintf("%s %d:%d", intervalText(d.Mean, unitOf(name), true), d.Better, d.Worse))
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// agreementTable says how often faithfulness and truth prefer the same map.
func (s *TruthSummary) agreementTable() report.Table {
	t := report.Table{Caption: "Of two methods' maps of a class, does the metric prefer the one that truth prefers? % of pairs, 50 by guessing.",
		Head: []string{"Explainer, metric", "part pointing", "part energy", "part IoU"}}
	for _, r := range s.Explainers {
		for _, metric := range []string{TruthCAUC, TruthCDROP, TruthCDROPCommon} {
			title := map[string]string{TruthCAUC: "CAUC", TruthCDROP: "CDROP", TruthCDROPCommon: "CDROP, as many"}[metric]
			row := []string{report.ExplainerName(r.Explainer) + ", " + title}
			for _, truth := range []string{TruthPartHit, TruthPartEnergy, TruthPartIoU} {
				cell := "-"
				for _, a := range r.Agreement {
					if a.Metric == metric && a.Truth == truth {
						cell = fmt.Sprintf("%s of %d", intervalText(a.Share, 0.01, false), a.Pairs)
					}
				}
				row = append(row, cell)
			}
			if row[1] != "-" || row[2] != "-" {
				t.Rows = append(t.Rows, row)
			}
		}
	}
	return t
}

// cell is a column's mean in a table; an asterisk marks the best.
func (m *TruthMeasure) cell(k int) string {
	if m == nil {
		return "-"
	}
	text := intervalText(m.Means[k], unitOf(m.Name), false)
	if m.Name == TruthNDelta {
		return m.Means[k].text(0, false)
	}
	if best(m.Means, signOf(m.Name)) == k {
		text += " *"
	}
	return text
}

// unitOf is the unit in which a measure is shown.
func unitOf(measure string) float64 {
	if measure == TruthCAUC {
		return unitCAUC
	}
	return 0.01
}

func intervalText(m Mean, unit float64, sign bool) string {
	if math.IsNaN(float64(m.Mean)) {
		return "-"
	}
	format := "%.1f [%.1f, %.1f]"
	if sign {
		format = "%+.1f [%+.1f, %+.1f]"
	}
	return fmt.Sprintf(format, float64(m.Mean)/unit, float64(m.Low)/unit, float64(m.High)/unit)
}

// notes say how it was measured.
func (s *TruthSummary) notes() []string {
	var out []string
	for _, r := range s.Explainers {
		text := fmt.Sprintf("%s: scenes %d to %d, of which %d have a single explained class and %d no explained class that is in the scene; %d maps per method",
			report.ExplainerName(r.Explainer), s.First, s.First+uint64(r.Scenes)-1, r.SingleClass, r.Nothing, r.Maps)
		var blank []string
		for k, n := range r.Blank {
			if n > 0 {
				blank = append(blank, fmt.Sprintf("%s %d", report.MethodName(s.Methods[k]), n))
			}
		}
		if len(blank) > 0 {
			text += ", blank ones, which point at nothing: " + strings.Join(blank, ", ")
		}
		var settings []string
		for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
			settings = append(settings, fmt.Sprintf("%s %v", name, r.Settings[name]))
		}
		out = append(out, text+". Settings: "+strings.Join(settings, ", ")+".")
	}
	out = append(out, "Pointing: the map's maximum lies in the region or within 15 pixels. Energy: the share of the map's sum in it. "+
		"IoU: with as many of the map's highest pixels as the region has. By chance: a random pixel, an even map, random pixels. "+
		"Own side: where a sibling's part is drawn on the same body, the map is stronger on the class's own part.",
		fmt.Sprintf("Intervals are from %d bootstrap samples of the scenes.", replicates))
	if s.Step > 0 {
		out = append(out, fmt.Sprintf("CAUC over the least n_delta of all methods, CDROP over each one's own, by the paper's definition, a point every %d pixels.", s.Step))
	}
	return out
}

// lead is the finding in a few sentences: does the last method point at the telling part
// better than the others, and do faithfulness and truth agree?
func (s *TruthSummary) lead() string {
	last := len(s.Methods) - 1
	if last == 0 || len(s.Explainers) == 0 {
		return "How well heatmaps point at what they should, on drawn scenes for which that is known."
	}
	count := func(name string) (all, ahead, behind int) {
		for i := range s.Explainers {
			m := s.Explainers[i].find(name)
			if m == nil {
				continue
			}
			for _, d := range m.Differences {
				all++
				low, high := signOf(name)*float64(d.Low), signOf(name)*float64(d.High)
				if low > 0 && high > 0 {
					ahead++
				}
				if low < 0 && high < 0 {
					behind++
				}
			}
		}
		return all, ahead, behind
	}
	all, ahead, behind := count(TruthPartEnergy)
	text := fmt.Sprintf("%s puts more of its class maps on the part that tells the class from its siblings in %d of %d comparisons with another method, less in %d.",
		report.MethodName(s.Methods[last]), ahead, all, behind)
	if s.Step > 0 {
		_, ahead, behind = count(TruthCAUC)
		text += fmt.Sprintf(" By CAUC it is ahead in %d and behind in %d,", ahead, behind)
		_, ahead, behind = count(TruthCDROP)
		text += fmt.Sprintf(" by CDROP ahead in %d and behind in %d.", ahead, behind)
	}
	return text
}

// article is the page.
func (s *TruthSummary) article() report.Article {
	a := report.Article{Title: "Do heatmaps point at what tells classes apart?", Lead: s.lead()}
	for _, t := range s.tables() {
		a.Parts = append(a.Parts, report.Part{Table: &t})
	}
	charts := []struct{ name, title string }{
		{TruthPartHit, "Maximum at the telling part, %"}, {TruthPartEnergy, "Weight on the telling part, %"},
		{TruthPartIoU, "Overlap with the telling part, %"}, {TruthBodyEnergy, "Weight on the object, %"},
	}
	for i := range s.Explainers {
		r := &s.Explainers[i]
		if len(r.Measures) == 0 {
			continue
		}
		p := report.Part{Heading: report.ExplainerName(r.Explainer)}
		for _, c := range charts {
			if m := r.find(c.name); m != nil {
				p.Charts = append(p.Charts, m.chart(c.title))
			}
		}
		a.Parts = append(a.Parts, p)
	}
	a.Parts = append(a.Parts, report.Part{Heading: "How it was measured", Text: s.notes()})
	return a
}

// chart shows the means with their intervals, and chance as the mark.
func (m *TruthMeasure) chart(title string) template.HTML {
	var rows []report.Estimate
	unit := unitOf(m.Name)
	for k, column := range m.Columns {
		chance := float64(m.Chance) / unit
		e := m.Means[k].estimate(report.MethodName(cwox.Method(column)), unit)
		e.Mark = &chance
		rows = append(rows, e)
	}
	return report.Chart{Title: title, MarkName: "by chance"}.Dots(rows...)
}
