package dataset

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"cwox/cwox/report"
	"cwox/internal/place"
)

// writeTables writes a summary into a folder as JSON, and its tables and notes as CSV, text
// and Markdown.
func writeTables(dir string, summary any, csv func(io.Writer) error, tables []report.Table, notes []string) error {
	for _, f := range []struct {
		name string
		fill func(io.Writer) error
	}{
		{SummaryFile, asJSON(summary)},
		{TablesCSV, csv},
		{TablesFile, func(w io.Writer) error { return tablesText(w, tables, notes) }},
		{TablesMarkdown, func(w io.Writer) error { return tablesMarkdown(w, tables, notes) }},
	} {
		if err := place.Write(filepath.Join(dir, f.name), f.fill); err != nil {
			return err
		}
	}
	return nil
}

// tablesText writes tables with aligned columns, and the notes.
func tablesText(w io.Writer, tables []report.Table, notes []string) error {
	for i, t := range tables {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, t.Caption)
		aligned := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
		for _, row := range append([][]string{t.Head}, t.Rows...) {
			fmt.Fprintln(aligned, strings.TrimRight(strings.Join(row, "\t"), "\t"))
		}
		if err := aligned.Flush(); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.Join(notes, "\n"))
	return err
}

// tablesMarkdown writes tables and notes as Markdown, what is best in bold.
func tablesMarkdown(w io.Writer, tables []report.Table, notes []string) error {
	escape := strings.NewReplacer("|", `\|`, "*", `\*`, "_", `\_`, "`", "\\`", "<", "&lt;")
	line := func(cells []string) string {
		var out strings.Builder
		for _, cell := range cells {
			if value, best := strings.CutSuffix(cell, " *"); best {
				cell = "**" + escape.Replace(value) + "**"
			} else {
				cell = escape.Replace(cell)
			}
			out.WriteString("| " + cell + " ")
		}
		return out.String() + "|"
	}
	for _, t := range tables {
		caption := strings.Replace(t.Caption, "* the best", "the best in bold", 1)
		fmt.Fprintf(w, "%s\n\n%s\n%s|\n", escape.Replace(caption), line(t.Head), strings.Repeat("|---", len(t.Head)))
		for _, row := range t.Rows {
			fmt.Fprintln(w, line(row))
		}
		fmt.Fprintln(w)
	}
	_, err := fmt.Fprintln(w, escape.Replace(strings.Join(notes, "\n\n")))
	return err
}
