package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cwox/cwox/classname"
	"cwox/cwox/labeltree"
	"cwox/hlta"
	"cwox/internal/place"
	"cwox/internal/say"
)

func newTreeLearn() *cobra.Command {
	var f modelFlags
	var o hlta.Options
	var globalEM, out string
	c := &cobra.Command{
		Use:   "learn [flags] -o FILE DOCUMENTS...",
		Short: "Learn a label tree from documents",
		Long: `Learn a hierarchical latent tree model (HLTA) from documents: lines "document, word" as
cwox documents writes them, plain or compressed. Files of several runs are given one by one,
not joined: an identifier means another document in each. The same documents, options and seed give
the same bytes for any number of threads.

The variants of the papers: --no-correlation-test --whole-island --max-island 15.`,
		Example: `  cwox tree learn docs.txt.gz -o tree.json
  cwox tree learn docs_0.txt.gz docs_1.txt.gz -o tree.json
  cwox tree learn --global-em stepwise -o tree.json docs.txt`,
		Args: atLeast(1, "files of documents"),
		RunE: func(c *cobra.Command, args []string) error {
			if out == "" {
				return usage(c, "-o FILE: name the tree file to write")
			}
			o.GlobalEM, o.Seed, o.Threads = hlta.GlobalEM(globalEM), f.seed, f.threads
			if err := checkLearn(c, &o); err != nil {
				return err
			}
			return learn(c.Context(), args, out, o, nil, stdout, &f)
		},
	}
	s := c.Flags()
	s.StringVarP(&out, "output", "o", "", "tree file to write")
	s.Uint64Var(&f.seed, "seed", 0, "seed of everything random")
	s.IntVar(&f.threads, "threads", 0, "goroutines to compute with (default: all processors)")
	s.IntVar(&o.EMRestarts, "em-restarts", 0, "random starts of every EM (default 16)")
	s.IntVar(&o.EMSteps, "em-steps", 0, "most rounds of one EM (default 200)")
	s.Float64Var(&o.EMTolerance, "em-tolerance", 0, "end an EM that gains less, in nats (default 0.01)")
	s.Float64Var(&o.UDThreshold, "ud-threshold", 0, "BIC gain that splits an island, in nats (default 3)")
	s.Float64Var(&o.CTThreshold, "ct-threshold", 0, "BIC gain that lets a word into an island, in nats (default 3)")
	s.BoolVar(&o.NoCorrelationTest, "no-correlation-test", false, "let words in without the correlation test")
	s.BoolVar(&o.WholeIsland, "whole-island", false, "look for partners of all words of an island, its seeds included")
	s.IntVar(&o.MaxIsland, "max-island", 0, "words at which an island is closed, 4 to 16 (default 10)")
	s.IntVar(&o.MaxTop, "max-top", 0, "latents at which no further level is built (default 15)")
	s.IntVar(&o.BatchSize, "batch-size", 0, "score as if of at most this many documents, -1: of all (default 5000, more where words are rare)")
	s.IntVar(&o.LearnSize, "learn-size", 0, "learn from a sample of at most this many distinct documents, -1: of all (default 100000, more where words are rare)")
	s.StringVar(&globalEM, "global-em", "", "estimate all parameters together: batch or stepwise (default: not)")
	s.IntVar(&o.GlobalSteps, "global-steps", 0, "global EM: most steps (default 50 batch, 128 stepwise)")
	s.Float64Var(&o.GlobalTolerance, "global-tolerance", 0, "global EM: end when the gain is less, in nats (default 0.01)")
	s.IntVar(&o.Minibatch, "minibatch", 0, "stepwise: documents per update (default 1000)")
	s.IntVar(&o.Epochs, "epochs", 0, "stepwise: most passes over the documents (default 10)")
	s.Float64Var(&o.Alpha, "alpha", 0, "stepwise: exponent of the learning rate, above 0.5 and at most 1 (default 0.75)")
	f.addOutput(c)
	_ = c.RegisterFlagCompletionFunc("global-em", cobra.FixedCompletions([]string{"batch", "stepwise"}, cobra.ShellCompDirectiveNoFileComp))
	return c
}

// checkLearn finds options that make no sense. Zero values of the options mean the defaults:
// of those flags for which zero makes sense, a tiny number does the same.
func checkLearn(c *cobra.Command, o *hlta.Options) error {
	for _, name := range []string{"batch-size", "learn-size"} {
		if flag := c.Flags().Lookup(name); flag.Changed && flag.Value.String() == "0" {
			return usage(c, "--%s 0: want another number, or no --%s for the default", name, name)
		}
	}
	for name, v := range map[string]*float64{"em-tolerance": &o.EMTolerance, "ud-threshold": &o.UDThreshold,
		"ct-threshold": &o.CTThreshold, "global-tolerance": &o.GlobalTolerance} {
		if c.Flags().Changed(name) && *v == 0 {
			*v = 1e-300
		}
	}
	if err := o.Check(); err != nil {
		return usage(c, "%v", err)
	}
	return nil
}

// learned is what tree learn --json prints.
type learned struct {
	File      string             `json:"file"`
	Documents int                `json:"documents"`
	Distinct  int                `json:"distinct"`
	Words     int                `json:"words"`
	Latents   []int              `json:"latents"` // per level, from level 1 up
	Notes     []string           `json:"notes,omitempty"`
	Seconds   map[string]float64 `json:"seconds"`
}

// learn learns a tree from files of documents, and says on w what came out. The tree keeps the
// names of the classes that its words stand for, where they are known.
func learn(ctx context.Context, in []string, out string, o hlta.Options, names *classname.Names, w *say.Voice, f *modelFlags) error {
	start := time.Now()
	docs, err := hlta.ReadDocuments(in...)
	if err != nil {
		return err
	}
	for _, note := range docs.Notes {
		stderr.Printf("cwox: %s\n", note)
	}
	r := learned{File: out, Documents: docs.N, Distinct: docs.Distinct(), Words: len(docs.Words), Seconds: map[string]float64{}}
	r.Seconds["read"] = lap(&start)
	line := newLiveLine(f.quiet)
	o.Progress = func(p hlta.Progress) { line.show(learnStep(p)) }
	tree, err := hlta.Learn(ctx, docs, o)
	line.clear()
	switch {
	case errors.Is(err, context.Canceled):
		return resumable{err, "no tree was written"}
	case err != nil:
		return err
	}
	r.Seconds["learn"] = lap(&start)
	r.Notes = append(docs.Notes, tree.Notes...)
	for _, note := range tree.Notes {
		stderr.Printf("cwox: %s\n", note)
	}
	tree.Provenance.Program = "cwox " + version
	if names != nil {
		labeltree.NameWords(tree, names)
	}
	if err := place.Write(out, place.Gzip(out, tree.WriteJSON)); err != nil {
		return err
	}
	r.Seconds["write"] = lap(&start)
	r.Latents = levelSizes(tree)
	if f.json {
		return printJSON(r)
	}
	w.Printf("%s: %d words below %s latents (level 1 up), learned from %d documents in %.2f s\n",
		out, r.Words, slashed(r.Latents), r.Documents, r.Seconds["read"]+r.Seconds["learn"]+r.Seconds["write"])
	return nil
}

// lap is the time since start, in seconds, and starts anew.
func lap(start *time.Time) float64 {
	s := time.Since(*start).Seconds()
	*start = time.Now()
	return s
}

func learnStep(p hlta.Progress) string {
	if p.Level == 0 {
		return fmt.Sprintf("all parameters: step %d of at most %d, %.4f nats per document", p.Step, p.Steps, p.LogLikelihood)
	}
	what := "words"
	if p.Level > 1 {
		what = "latents"
	}
	return fmt.Sprintf("level %d: %d islands found, %d %s left", p.Level, p.Islands, p.Left, what)
}

func slashed(numbers []int) string {
	parts := make([]string, len(numbers))
	for i, n := range numbers {
		parts[i] = fmt.Sprint(n)
	}
	return strings.Join(parts, "/")
}

// liveLine shows how work stands that cannot be counted towards an end: a line that changes
// on a terminal, a new one every few seconds elsewhere.
type liveLine struct {
	quiet, terminal, shown bool
	next                   time.Time
	every                  time.Duration
}

func newLiveLine(quiet bool) *liveLine {
	l := &liveLine{quiet: quiet, terminal: isTerminal(os.Stderr), next: time.Now().Add(progressDelay), every: 100 * time.Millisecond}
	if !l.terminal {
		l.every = progressLines
		l.next = time.Now().Add(progressLines)
	}
	return l
}

func (l *liveLine) show(text string) {
	now := time.Now()
	if l.quiet || now.Before(l.next) {
		return
	}
	l.next = now.Add(l.every)
	if !l.terminal {
		stderr.Printf("%s\n", text)
		return
	}
	io.WriteString(stderr, "\r\x1b[K"+say.Clean(text))
	l.shown = true
}

func (l *liveLine) clear() {
	if l.shown {
		io.WriteString(stderr, "\r\x1b[K")
	}
}
