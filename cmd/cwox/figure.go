package main

import (
	"fmt"
	"image"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/dataset"
	"cwox/cwox/faithfulness"
	"cwox/cwox/figure"
	"cwox/cwox/report"
	"cwox/hlta"
	"cwox/internal/place"
	"cwox/nn"
	"cwox/nn/vision"
)

// figureFlags say how a figure is drawn, and into which file.
type figureFlags struct {
	out, width, colours, photo, scale string

	format  figure.Format
	options figure.Options
}

func (f *figureFlags) add(c *cobra.Command, maps bool) {
	s := c.Flags()
	s.StringVarP(&f.out, "output", "o", "", "file for the figure: .svg, .pdf or .png")
	s.StringVar(&f.width, "width", "two", "one or two (columns: 3.25 or 6.75 inches), or inches")
	_ = c.RegisterFlagCompletionFunc("width", cobra.FixedCompletions([]string{"one", "two"}, cobra.ShellCompDirectiveNoFileComp))
	if !maps {
		return
	}
	s.StringVar(&f.colours, "colours", report.Viridis.Name, "of the heatmaps: "+strings.Join(colourNames(), ", "))
	s.StringVar(&f.photo, "photo", "grey", "the photograph under a heatmap: grey or colour")
	s.StringVar(&f.scale, "scale", "shared", "of the colours: shared by the maps of a stage, or own")
	for flag, values := range map[string][]string{"colours": colourNames(), "photo": {"grey", "colour"}, "scale": {"shared", "own"}} {
		_ = c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	}
}

func colourNames() (out []string) {
	for _, m := range report.Colormaps() {
		out = append(out, m.Name)
	}
	return out
}

// check finds mistakes that need no file to be opened.
func (f *figureFlags) check(c *cobra.Command) error {
	f.format = figure.Format(strings.TrimPrefix(strings.ToLower(filepath.Ext(f.out)), "."))
	if !slices.Contains(figure.Formats(), f.format) {
		return usage(c, "-o %s: want a file whose name ends in .svg, .pdf or .png", f.out)
	}
	inches, err := strconv.ParseFloat(strings.TrimSuffix(f.width, "in"), 64)
	switch {
	case f.width == "one":
		f.options.Width = figure.OneColumn
	case f.width == "two":
		f.options.Width = figure.TwoColumns
	case err == nil && inches >= 1 && inches <= 40:
		f.options.Width = 72 * inches
	default:
		return usage(c, "--width %s: want one, two, or 1 to 40 inches", f.width)
	}
	if f.colours == "" { // a figure without maps
		return nil
	}
	i := slices.IndexFunc(report.Colormaps(), func(m *report.Colormap) bool { return m.Name == f.colours })
	if i < 0 {
		return usage(c, "--colours %s: want one of %s", f.colours, strings.Join(colourNames(), ", "))
	}
	for _, choice := range []struct{ flag, value, first, second string }{{"photo", f.photo, "grey", "colour"}, {"scale", f.scale, "shared", "own"}} {
		if choice.value != choice.first && choice.value != choice.second {
			return usage(c, "--%s %s: want %s or %s", choice.flag, choice.value, choice.first, choice.second)
		}
	}
	f.options.Colormap, f.options.InColour, f.options.OwnScale = report.Colormaps()[i], f.photo == "colour", f.scale == "own"
	return nil
}

// write writes the figure, and says so.
func (f *figureFlags) write(d *figure.Drawing, err error) error {
	if err != nil {
		return err
	}
	if err := place.Write(f.out, func(w io.Writer) error { return d.Write(w, f.format) }); err != nil {
		return err
	}
	stdout.Printf("%s: %.2f x %.2f inches\n", f.out, d.Width/72, d.Height/72)
	return nil
}

func newFigure() *cobra.Command {
	c := &cobra.Command{
		Use:   "figure",
		Short: "Figures to print: maps side by side, deletion curves, a label tree with pictures",
		Long: `Draw the figures of a paper from images of one's own, as SVG with text that can be edited, as
PDF with its fonts embedded, or as PNG at 300 pixels an inch, at the width of one column or two.`,
		Example: `  cwox figure compare photo.jpg --method swox,cwox1sa -o fig2.pdf
  cwox figure compare photo.jpg -o fig3.pdf
  cwox figure curve photo.jpg --method cwox2s,swox,cwox1sa --pos cello --neg violin -o fig6.pdf
  cwox figure tree --classes cello,violin,banjo --examples docs.txt -o fig5.svg
  cwox figure grid photos/ -o photos.pdf`,
		Args:                       cobra.ArbitraryArgs,
		SuggestionsMinimumDistance: 2,
		RunE:                       helpOrSuggest,
	}
	c.AddCommand(newFigureCompare(), newFigureCurve(), newFigureTree(), newFigureGrid())
	return c
}

// figureOf is what the figures of maps have in common: images, and how they are explained.
type figureOf struct {
	m    modelFlags
	what explainFlags
	figureFlags
}

func (f *figureOf) add(c *cobra.Command) {
	f.m.add(c)
	f.what.addWhat(c)
	f.figureFlags.add(c, true)
	f.m.completeClasses(c, "classes")
}

// subjects explains images.
func (f *figureOf) subjects(c *cobra.Command, args []string, most int) (subjects []figure.Subject, err error) {
	if err := f.figureFlags.check(c); err != nil {
		return nil, err
	}
	if err := f.what.check(c); err != nil {
		return nil, err
	}
	images, err := findImages(args)
	if err != nil {
		return nil, err
	}
	if len(images) > most {
		return nil, usage(c, "%d images: a figure holds at most %d", len(images), most)
	}
	f.what.out = strings.TrimSuffix(f.figureFlags.out, filepath.Ext(f.figureFlags.out)) // of --learn-tree
	f.m.reference = f.what.variant == string(cwox.Reference)
	cl, closeFile, err := f.m.load(c)
	if err != nil {
		return nil, err
	}
	defer closeFile()
	o, err := f.what.asked(c, &f.m, cl)
	if err != nil {
		return nil, err
	}
	p := cwox.New(cl)
	defer p.Close()
	for _, image := range images {
		e, err := explainOne(c.Context(), p, image, o, &f.m)
		if err != nil {
			return nil, err
		}
		subjects = append(subjects, figure.Subject{Name: filepath.Base(image), Runs: e})
	}
	return subjects, nil
}

// What a figure holds at most, for a page of it to be of use.
const (
	mostCompared = 8
	mostGrid     = 40
)

func newFigureCompare() *cobra.Command {
	var f figureOf
	c := &cobra.Command{
		Use:   "compare [flags] IMAGE...",
		Short: "Methods and explainers as rows, classes as columns; one two-stage explanation as a tree",
		Long: `Draw explanations side by side: of each image the photograph, beside it a row for each method
and explainer with a column for each class, as Figs. 1, 2, 8 and 9 of the paper. A single image
by cwox2s alone is drawn as its Fig. 3: the image, the maps of its clusters, below each those
of its classes. Maps of a stage share a scale of colours (--scale own: not).`,
		Example: `  cwox figure compare photo.jpg -o fig3.pdf
  cwox figure compare photo.jpg --method swox,cwox1sa --width two -o fig2.svg
  cwox figure compare a.jpg b.jpg --method swox,cwox2s --explainer gradcam,rise -o compare.png`,
		Args: atLeast(1, "an image"),
		RunE: func(c *cobra.Command, args []string) error {
			subjects, err := f.subjects(c, args, mostCompared)
			if err != nil {
				return err
			}
			if len(subjects) == 1 && len(subjects[0].Runs) == 1 && subjects[0].Runs[0].Method == cwox.CWOX2s {
				return f.write(figure.Stages(subjects[0], f.options))
			}
			return f.write(figure.Compare(subjects, f.options))
		},
	}
	f.add(c)
	return c
}

func newFigureGrid() *cobra.Command {
	var f figureOf
	c := &cobra.Command{
		Use:   "grid [flags] IMAGE...",
		Short: "Many images, a row each: the photograph and its maps",
		Long:  `Draw a row for each image (files or folders): the photograph and the maps of one method.`,
		Example: `  cwox figure grid photos/ -o photos.pdf
  cwox figure grid photos/ --explainer mwp --top 3 -o photos.png`,
		Args: atLeast(1, "an image"),
		RunE: func(c *cobra.Command, args []string) error {
			if len(f.what.methods()) > 1 || len(f.what.explainers()) > 1 {
				return usage(c, "a grid is of one method and explainer: 'figure compare' takes several")
			}
			subjects, err := f.subjects(c, args, mostGrid)
			if err != nil {
				return err
			}
			return f.write(figure.Grid(subjects, f.options))
		},
	}
	f.add(c)
	return c
}

func newFigureCurve() *cobra.Command {
	var f figureOf
	var measure measureFlags
	var pos, neg string
	c := &cobra.Command{
		Use:   "curve [flags] IMAGE",
		Short: "What becomes of the probabilities as each map's salient pixels are erased",
		Long: `Draw deletion curves, as Fig. 6 of the paper: for each method and explainer a panel with the
probability of a class, that of the classes it is contrasted with, and the contrastive score,
as the map's salient pixels are erased from the strongest on; with CDROP, and CAUC over as many
pixels as the map with the fewest has. Without --pos the first class with a rival in its cluster
is taken, against these rivals.`,
		Example: `  cwox figure curve photo.jpg --method cwox2s,swox,cwox1sa -o fig6.pdf
  cwox figure curve photo.jpg --pos cello --neg violin --width one -o curve.svg`,
		Args: exactly(1, "an image"),
		RunE: func(c *cobra.Command, args []string) error {
			o, err := measure.options(c)
			if err != nil {
				return err
			}
			subjects, err := f.subjects(c, args, 1)
			if err != nil {
				return err
			}
			return f.curve(c, subjects[0], pos, neg, o)
		},
	}
	f.m.add(c)
	f.what.addWhat(c)
	f.figureFlags.add(c, false)
	s := c.Flags()
	s.StringVar(&pos, "pos", "", "the class whose map is followed, e.g. cello")
	s.StringVar(&neg, "neg", "", "the classes it is contrasted with, e.g. violin (default: those of its cluster)")
	s.StringVar(&measure.definition, "definition", string(faithfulness.Paper), "of CAUC and CDROP: paper, or reference (what the authors' code does)")
	s.IntVar(&measure.step, "step", 16, "pixels between evaluations")
	s.Float64Var(&measure.delta, "salient", 0.5, "share of the map's maximum from which on a pixel is salient")
	f.m.completeClasses(c, "classes", "pos", "neg")
	return c
}

// curve measures what erasing does by each explanation of an image, and draws that.
func (f *figureOf) curve(c *cobra.Command, s figure.Subject, pos, neg string, o faithfulness.Options) error {
	e := s.Runs[0]
	cl, closeFile, err := f.m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	names := cl.Names()
	class, rivals := -1, []int(nil)
	if pos != "" {
		list, err := names.List(pos)
		if err != nil || len(list) != 1 {
			return usage(c, "--pos %s: want one class", pos)
		}
		class = list[0]
	}
	if neg != "" {
		if rivals, err = names.List(neg); err != nil {
			return usage(c, "--neg %s: %v", neg, err)
		}
	}
	for _, k := range e.Clusters {
		if class < 0 && len(k.Classes) > 1 {
			class = k.Classes[0]
		}
		if slices.Contains(k.Classes, class) && neg == "" {
			rivals = slices.DeleteFunc(slices.Clone(k.Classes), func(other int) bool { return other == class })
		}
	}
	if class < 0 {
		return fmt.Errorf("%s: no explained class has a rival in its cluster: name one with --pos, and --neg", s.Name)
	}
	pic, err := vision.DecodeFile(e.File, f.m.vision())
	if err != nil {
		return err
	}
	session, err := cl.Net.NewSession(nn.SessionOptions{Batch: o.Batch, Threads: f.m.threads})
	if err != nil {
		return err
	}
	defer session.Close()
	var queries []faithfulness.Query
	for _, e := range s.Runs {
		i := slices.IndexFunc(e.Classes, func(k cwox.Class) bool { return k.Class == class })
		if i < 0 || e.Classes[i].Map.Data == nil {
			return fmt.Errorf("%s: %s has no map of %s: choose one of the explained classes, or explain it with --classes", s.Name, e.Method, cl.Label(class))
		}
		queries = append(queries, faithfulness.Query{Heatmap: faithfulness.FromMap(e.Classes[i].Map), Pos: []int{class}, Neg: rivals})
	}
	bar := newProgress("curve", "inputs", f.m.quiet)
	defer bar.finish()
	o.Output = cl.Output()
	o.Progress = func(done, total int) { bar.update(int64(done), int64(total)) }
	results, err := faithfulness.Score(c.Context(), faithfulness.Classifier(cl, session), cl.Transform.Tensor(pic), queries, o)
	if err != nil {
		return err
	}
	least := 0
	for _, r := range results {
		if r.Status == faithfulness.OK && (least == 0 || r.NDelta < least) {
			least = r.NDelta
		}
	}
	var list []figure.Deletion
	for i, r := range results {
		e := s.Runs[i]
		d := figure.Deletion{Name: report.MethodName(e.Method) + ", " + report.ExplainerName(e.Explainer), Curve: r.Contrast, Salient: r.NDelta, CDROP: r.CDROP}
		d.CAUC = r.Contrast.CAUC(o.Definition, least, o.Step)
		list = append(list, d)
	}
	var others []string
	for _, k := range rivals {
		others = append(others, cl.Label(k))
	}
	return f.write(figure.Curves(cl.Label(class), strings.Join(others, ", "), list, f.options))
}

func newFigureTree() *cobra.Command {
	var f figureFlags
	var words wordFlags
	var examples string
	var whole bool
	c := &cobra.Command{
		Use:   "tree [flags] [TREE]",
		Short: "A part of a label tree, with a picture of each class",
		Long: `Draw a part of a label tree, as Fig. 5 of the paper. Without TREE the embedded tree of ImageNet's
classes is taken; demo is that of the demo network. With --examples each class has a picture:
of the images that 'cwox documents' has labelled the one that shows it most clearly.`,
		Example: `  cwox figure tree --classes cello,violin,banjo,'acoustic guitar' -o tree.pdf
  cwox documents photos/ -o docs.txt && cwox figure tree --examples docs.txt --classes 486,889,402 -o tree.svg`,
		Args: oneTree,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c); err != nil {
				return err
			}
			tree, _, err := readTree(args)
			if err != nil {
				return err
			}
			names, err := words.names(tree)
			if err != nil {
				return err
			}
			chosen, err := words.chosen(c, names)
			if err != nil {
				return err
			}
			if chosen != nil {
				if tree, err = tree.Restrict(chosen, !whole); err != nil {
					return err
				}
			}
			example := func(string) *image.RGBA { return nil }
			if examples != "" {
				if example, err = pictures(examples, examplePixels); err != nil {
					return err
				}
			}
			return f.write(figure.Tree(tree, figure.TreeOptions{Options: f.options, Label: labelled(names), Example: example}))
		},
	}
	f.add(c, false)
	words.add(c)
	words.complete(c, "classes")
	s := c.Flags()
	s.StringVar(&examples, "examples", "", "journal of 'cwox documents' (FILE or FILE.jsonl) to take a picture of each class from")
	s.BoolVar(&whole, "levels", false, "all levels: also latents with a single one below them")
	return c
}

// examplePixels is the side of a square picture of a class in print.
const examplePixels = 256

// pictures are those that show classes most clearly among the images of a journal of documents:
// the middle of each, square; nil of words that have none. A picture that cannot be read is said.
func pictures(journal string, side int) (func(word string) *image.RGBA, error) {
	files, err := dataset.ClearExamples(journal)
	if err != nil {
		return nil, err
	}
	return func(word string) *image.RGBA {
		class, ok := hlta.ParseClassWord(word)
		if !ok || files[class] == "" {
			return nil
		}
		pic, err := vision.DecodeFile(files[class], vision.Options{})
		if err != nil {
			complain(fmt.Errorf("%s: no picture of %s: %w", journal, word, err))
			return nil
		}
		return report.Square(pic, side)
	}, nil
}
