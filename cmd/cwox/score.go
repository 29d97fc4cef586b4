package main

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/report"
	"cwox/internal/place"
	"cwox/internal/say"
	"cwox/nn"
	"cwox/nn/vision"
)

// measureFlags say how faithfulness is measured; evaluate shares them.
type measureFlags struct {
	definition string
	step       int
	delta      float64
	aucSteps   int
}

func (f *measureFlags) add(c *cobra.Command, aucSteps int) {
	s := c.Flags()
	s.StringVar(&f.definition, "definition", string(faithfulness.Paper), "of CAUC and CDROP: paper (per pixel), or reference (what the authors' code does)")
	s.IntVar(&f.step, "step", 0, "pixels between evaluations of the score, linear in between for paper (default 1, reference 16)")
	s.Float64Var(&f.delta, "delta", 0.5, "share of the heatmap's maximum from which on a pixel is salient")
	s.IntVar(&f.aucSteps, "auc-steps", aucSteps, "steps of the deletion and insertion curves, 0 for none")
	_ = c.RegisterFlagCompletionFunc("definition", cobra.FixedCompletions([]string{"paper", "reference"}, cobra.ShellCompDirectiveNoFileComp))
}

// options checks the flags.
func (f *measureFlags) options(c *cobra.Command) (faithfulness.Options, error) {
	o := faithfulness.Options{Definition: faithfulness.Definition(f.definition), Step: f.step, Delta: f.delta, AUCSteps: f.aucSteps}
	switch {
	case o.Definition != faithfulness.Paper && o.Definition != faithfulness.Reference:
		return o, usage(c, "--definition %s: want paper or reference", f.definition)
	case f.aucSteps == 0:
		o.AUCSteps = -1
	}
	return o.WithDefaults()
}

type scoreFlags struct {
	measure            measureFlags
	heatmap, tensor    string
	pos, neg           string
	count              int
	curve              string
	posClass, negClass []int
}

func newScore() *cobra.Command {
	var m modelFlags
	var f scoreFlags
	c := &cobra.Command{
		Use:   "score [flags] --map FILE --pos CLASS IMAGE",
		Short: "Faithfulness of one given heatmap, from this tool or any other",
		Long: `Measure how faithful a heatmap is to what the network sees in an image for the classes
--pos against the classes --neg: pixels are erased in the order of the heatmap while the
contrastive score s = P(pos) (1 - P(neg)) is watched.

CAUC (smaller is better) is the area under s over the salient pixels, CDROP (larger is
better) its weighted drop; deletion AUC (smaller) and insertion AUC (larger) are those of
P(pos) over all pixels. FILE is .npy or .safetensors, [height][width] of the network's
input. A heatmap that cannot be scored gets a status other than ok, and no numbers.`,
		Example: `  cwox score --map cwox-out/maps.safetensors --tensor class/486 --pos 486 --neg 889 cello.jpg
  cwox score --map other-tool.npy --pos 486 --definition reference --json photo.jpg
  cwox score --map heat.npy --pos 486 --neg 889 --step 16 --curve curve.csv photo.jpg`,
		Args: exactly(1, "an image"),
		RunE: func(c *cobra.Command, args []string) error { return score(c, &m, &f, args[0]) },
	}
	m.add(c)
	s := c.Flags()
	s.StringVar(&f.heatmap, "map", "", "heatmap: .npy or .safetensors")
	s.StringVar(&f.tensor, "tensor", "", "its name in a .safetensors file, e.g. class/486")
	s.StringVar(&f.pos, "pos", "", "classes the heatmap speaks for, e.g. cello or 486")
	s.StringVar(&f.neg, "neg", "", "classes they are contrasted with, e.g. violin,546")
	s.IntVar(&f.count, "count", 0, "cover this many pixels, to compare heatmaps (default: all salient ones)")
	s.StringVar(&f.curve, "curve", "", "write the contrastive score curve to this CSV file")
	f.measure.add(c, faithfulness.DefaultAUCSteps)
	m.completeClasses(c, "pos", "neg")
	return c
}

// check finds mistakes that need no file to be opened.
func (f *scoreFlags) check(c *cobra.Command) error {
	switch {
	case f.heatmap == "":
		return usage(c, "--map FILE: name the heatmap")
	case f.pos == "":
		return usage(c, "--pos CLASS: say which class the heatmap speaks for")
	}
	return nil
}

// find finds the classes that are named.
func (f *scoreFlags) find(c *cobra.Command, cl *cwox.Classifier) (err error) {
	names := cl.Names()
	if f.posClass, err = names.List(f.pos); err != nil {
		return usage(c, "--pos %s: %v", f.pos, err)
	}
	if f.neg != "" {
		if f.negClass, err = names.List(f.neg); err != nil {
			return usage(c, "--neg %s: %v", f.neg, err)
		}
	}
	return nil
}

// scoreResult is what score --json prints.
type scoreResult struct {
	Image        string                  `json:"image"`
	Map          string                  `json:"map"`
	Tensor       string                  `json:"tensor,omitempty"`
	Pos          []int                   `json:"pos"`
	Neg          []int                   `json:"neg"`
	Definition   faithfulness.Definition `json:"definition"`
	Step         int                     `json:"step"`
	Status       faithfulness.Status     `json:"status"`
	NDelta       int                     `json:"n_delta"`
	Count        int                     `json:"count"`
	CAUC         report.Real             `json:"cauc"`
	CDROP        report.Real             `json:"cdrop"`
	DeletionAUC  report.Real             `json:"deletion_auc"`
	InsertionAUC report.Real             `json:"insertion_auc"`
}

func score(c *cobra.Command, m *modelFlags, f *scoreFlags, image string) error {
	if err := f.check(c); err != nil {
		return err
	}
	o, err := f.measure.options(c)
	if err != nil {
		return err
	}
	cl, closeFile, err := m.load(c)
	if err != nil {
		return err
	}
	defer closeFile()
	if err := f.find(c, cl); err != nil {
		return err
	}
	in := cl.Net.Input()
	heat, err := faithfulness.ReadHeatmap(f.heatmap, f.tensor, in.H, in.W)
	if err != nil {
		return err
	}
	pic, err := vision.DecodeFile(image, m.vision())
	if err != nil {
		return err
	}
	r, err := scoreOne(c, m, cl, pic, faithfulness.Query{Heatmap: heat, Pos: f.posClass, Neg: f.negClass, Count: f.count}, o)
	if err != nil {
		return err
	}
	if f.curve != "" {
		err := place.Write(f.curve, place.Gzip(f.curve, func(w io.Writer) error { return writeCurve(w, r.Contrast) }))
		if err != nil {
			return err
		}
	}
	if r.Status != faithfulness.OK && !m.quiet {
		stderr.Printf("cwox: %s: %s\n", f.heatmap, meaning[r.Status])
	}
	out := scoreResult{Image: image, Map: f.heatmap, Tensor: f.tensor, Pos: f.posClass, Neg: append([]int{}, f.negClass...),
		Definition: o.Definition, Step: o.Step, Status: r.Status, NDelta: r.NDelta, Count: r.Count,
		CAUC: report.Real(r.CAUC), CDROP: report.Real(r.CDROP),
		DeletionAUC: report.Real(r.DeletionAUC), InsertionAUC: report.Real(r.InsertionAUC)}
	if m.json {
		return printJSON(out)
	}
	out.print(stdout, cl)
	return nil
}

// meaning says what a status means.
var meaning = map[faithfulness.Status]string{
	faithfulness.Blank:     "the heatmap is blank (no value is positive), so it cannot be scored",
	faithfulness.Flat:      "the heatmap has the same value everywhere, so it puts no pixel before another",
	faithfulness.NotFinite: "the heatmap holds NaN or infinite values, so it cannot be scored",
	faithfulness.TooFew:    "no more salient pixels than one step erases, so CAUC and CDROP of the reference are no measure",
}

func scoreOne(c *cobra.Command, m *modelFlags, cl *cwox.Classifier, pic *vision.Picture, q faithfulness.Query, o faithfulness.Options) (faithfulness.Result, error) {
	session, err := cl.Net.NewSession(nn.SessionOptions{Batch: o.Batch, Threads: m.threads})
	if err != nil {
		return faithfulness.Result{}, err
	}
	defer session.Close()
	bar := newProgress("score", "inputs", m.quiet)
	defer bar.finish()
	o.Output = cl.Output()
	o.Progress = func(done, total int) { bar.update(int64(done), int64(total)) }
	results, err := faithfulness.Score(c.Context(), faithfulness.Classifier(cl, session), cl.Transform.Tensor(pic),
		[]faithfulness.Query{q}, o)
	if err != nil {
		return faithfulness.Result{}, err
	}
	return results[0], nil
}

// writeCurve writes the contrastive score curve as CSV.
func writeCurve(w io.Writer, c faithfulness.Curve) error {
	out := bufio.NewWriter(w)
	fmt.Fprintln(out, "pixels,p_pos,p_neg,score")
	for i, n := range c.Pixels {
		fmt.Fprintf(out, "%d,%s,%s,%s\n", n, decimal(c.Pos[i]), decimal(c.Neg[i]), decimal(c.Score(i)))
	}
	return out.Flush()
}

// decimal is the shortest text that reads back as v.
func decimal(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

func (r *scoreResult) print(w *say.Voice, cl *cwox.Classifier) {
	names := func(classes []int) string {
		var all []string
		for _, c := range classes {
			all = append(all, strings.TrimSpace(fmt.Sprintf("%s %d", cl.Label(c), c)))
		}
		return strings.Join(all, ", ")
	}
	w.Printf("%s: %s", r.Image, names(r.Pos))
	if len(r.Neg) > 0 {
		w.Printf(" against %s", names(r.Neg))
	}
	w.Printf("\n  status         %s\n", r.Status)
	if r.Status != faithfulness.NotFinite {
		w.Printf("  n_delta        %d salient pixels", r.NDelta)
		if r.Count != r.NDelta {
			w.Printf(" (%d covered)", r.Count)
		}
		w.Printf("\n")
	}
	for _, line := range []struct {
		name  string
		value report.Real
		good  string
	}{
		{"CAUC", r.CAUC, "smaller is better"}, {"CDROP", r.CDROP, "larger is better"},
		{"deletion AUC", r.DeletionAUC, "smaller is better"}, {"insertion AUC", r.InsertionAUC, "larger is better"},
	} {
		if line.value == line.value { // not NaN
			w.Printf("  %-14s %-12.6g %s\n", line.name, float64(line.value), line.good)
		}
	}
}
