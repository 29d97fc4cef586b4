package main

import (
	"bufio"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"cwox/cwox/report"
	"cwox/hlta"
	"cwox/internal/place"
	"cwox/internal/say"
)

// showFlags say how to show a tree.
type showFlags struct {
	wordFlags
	given, out  string
	examples    string
	level       int
	ascii, json bool
}

func newTreeShow() *cobra.Command {
	var f showFlags
	c := &cobra.Command{
		Use:   "show [flags] [TREE]",
		Short: "Print or draw a label tree, or a part of it",
		Long: `Print a tree with its probabilities, or draw it (-o FILE.svg, or FILE.html, which can be
searched; of more than 3,000 words it has a list that opens as it is asked). With --examples each
class of a page has a picture: of the images that 'cwox documents' has labelled the one that shows
it most clearly. Without TREE the embedded tree of ImageNet's classes is shown; demo is that of the demo
network. In a part
of a tree latents with a single one below them are left out, unless --level asks for them.

With --given the probabilities are those after the words given were seen, or (with !) seen
to be absent: exact, by message passing over the whole tree.`,
		Example: `  cwox tree show --classes 486,889,402,420,546
  cwox tree show tree.json --level 1
  cwox tree show --given '486,!889' --classes 486,889,402,546
  cwox tree show tree.json -o tree.html
  cwox tree show --examples docs.txt -o tree.html`,
		Args: oneTree,
		RunE: func(c *cobra.Command, args []string) error { return treeShow(c, &f, args) },
	}
	f.add(c)
	f.complete(c, "classes")
	s := c.Flags()
	s.StringVar(&f.given, "given", "", "show probabilities given these words or classes, e.g. 'cello,!c889'")
	s.IntVar(&f.level, "level", 0, "text: the lowest level shown (0: words); drawings: the level whose groups have a colour each (default 1)")
	s.BoolVar(&f.ascii, "ascii", false, "draw branches in ASCII")
	s.StringVar(&f.examples, "examples", "", "page: journal of 'cwox documents' (FILE or FILE.jsonl) to take a picture of each class from")
	s.StringVarP(&f.out, "output", "o", "", "draw into this file (.svg or .html), or print into it (.txt)")
	s.BoolVar(&f.json, "json", false, "print the tree as tree.json, or with --given the probabilities")
	return c
}

func treeShow(c *cobra.Command, f *showFlags, args []string) error {
	suffix := strings.ToLower(filepath.Ext(f.out))
	switch {
	case f.out != "" && suffix != ".svg" && suffix != ".html" && suffix != ".txt":
		return usage(c, "-o %s: want a name that ends in .svg, .html or .txt", f.out)
	case f.out != "" && f.json:
		return usage(c, "--json prints to standard output: not with -o")
	case f.examples != "" && suffix != ".html":
		return usage(c, "--examples: for -o FILE.html (figure tree draws one to print)")
	}
	whole, name, err := readTree(args)
	if err != nil {
		return err
	}
	names, err := f.names(whole)
	if err != nil {
		return err
	}
	label := labelled(names)
	words, err := f.chosen(c, names)
	if err != nil {
		return err
	}
	var evidence hlta.Evidence
	if f.given != "" {
		if evidence, err = parseEvidence(f.given, whole, names); err != nil {
			return usage(c, "--given %s: %v", f.given, err)
		}
	}
	if f.level < 0 || f.level > whole.Levels() {
		return usage(c, "--level %d: the tree has levels 0 (words) to %d", f.level, whole.Levels())
	}
	tree := whole
	if words != nil {
		if tree, err = whole.Restrict(words, f.level < 2); err != nil {
			return err
		}
	}
	var posterior *hlta.Posterior
	if f.given != "" {
		in, err := whole.NewInference()
		if err != nil {
			return err
		}
		if posterior, err = in.Posterior(evidence); err != nil {
			return err
		}
	}
	if f.json {
		return showJSON(tree, posterior)
	}
	text := func(w io.Writer) error {
		err := tree.Text(w, hlta.ShowOptions{Label: label, Posterior: posterior, Depth: f.level, ASCII: f.ascii})
		if err == nil && posterior != nil {
			_, err = fmt.Fprintf(w, "given %s: ln P = %.4f\n", say.Clean(f.given), posterior.LogLikelihood)
		}
		return err
	}
	draw := hlta.DrawOptions{Title: name, Label: label, Posterior: posterior, Level: f.level}
	if f.examples != "" {
		example, err := pictures(f.examples, 72)
		if err != nil {
			return err
		}
		bar := newProgress("pictures", "words", false)
		defer bar.finish()
		total, done := int64(len(tree.Words())), int64(0)
		draw.Picture = func(word string) string {
			done++
			bar.update(done, total)
			if img := example(word); img != nil {
				return report.JPEGURL(img)
			}
			return ""
		}
	}
	if posterior != nil {
		draw.Title += ", given " + f.given
	}
	write := text
	switch suffix {
	case "":
		w := bufio.NewWriter(stdout)
		if err := text(w); err != nil {
			return err
		}
		return w.Flush()
	case ".svg":
		write = func(w io.Writer) error { return tree.WriteSVG(w, draw) }
	case ".html":
		write = func(w io.Writer) error { return tree.WriteHTML(w, draw) }
	}
	return place.Write(f.out, place.Gzip(f.out, write))
}

// showJSON prints a tree, or what is known of its latents and words.
func showJSON(tree *hlta.Tree, p *hlta.Posterior) error {
	if p == nil {
		w := bufio.NewWriter(stdout)
		if err := tree.WriteJSON(w); err != nil {
			return err
		}
		return w.Flush()
	}
	shown := hlta.Posterior{LogLikelihood: p.LogLikelihood, Latents: map[string]float64{}, Words: map[string]float64{}}
	for level := range tree.Levels() {
		for _, n := range tree.Latents(level + 1) {
			shown.Latents[n.ID] = p.Latents[n.ID]
		}
	}
	for _, w := range tree.Words() {
		shown.Words[w] = p.Words[w]
	}
	return printJSON(struct {
		LogLikelihood float64            `json:"log_likelihood"`
		Latents       map[string]float64 `json:"latents"`
		Words         map[string]float64 `json:"words"`
	}(shown))
}
