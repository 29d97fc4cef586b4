package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/dataset"
	"cwox/internal/say"
)

func newDocuments() *cobra.Command {
	var m modelFlags
	var o dataset.DocumentsOptions
	var shard shardFlag
	var out string
	c := &cobra.Command{
		Use:   "documents [flags] -o FILE DIR|LIST",
		Short: "Label lists of many images, to learn a label tree from",
		Long: `Classify all images of a folder, or those that a text file names one a line, and write the
label list of each: the fewest top classes whose probabilities sum to more than 0.95, as
lines "image number, class". Images of a single label are left out, and so are damaged ones
and lists of more than 100 labels (--keep-doubtful keeps them). Next comes tree learn.

FILE.jsonl gets a line per image, with classes, probabilities and errors: an image that
cannot be read costs a line, not the run. FILE.settings.json says what it was made with.
After an interruption of any kind the same command goes on where it stopped. It compares the
images that are done with the hashes in their lines, and does those again that were replaced
or could not be read. One program at a time can work on FILE.

` + shardHelp,
		Example: `  cwox documents -o docs.txt.gz photos/
  cwox documents --model googlenet --max-labels 5 -o docs.txt list.txt
  cwox tree learn docs.txt.gz -o tree.json`,
		Args: exactly(1, "a folder or a list of images"),
		RunE: func(c *cobra.Command, args []string) (err error) {
			if err := checkDocuments(c, &o, out); err != nil {
				return err
			}
			if o.Shard, err = shard.read(c); err != nil {
				return err
			}
			if err := m.check(c); err != nil {
				return err
			}
			images, err := listImages(args[0])
			if err != nil {
				return err
			}
			cl, closeFile, err := m.load(c)
			if err != nil {
				return err
			}
			defer closeFile()
			o.Threads, o.Decode = m.threads, m.vision()
			return documents(c.Context(), cl, images, out, o, stdout, &m)
		},
	}
	m.add(c)
	shard.add(c)
	s := c.Flags()
	s.StringVarP(&out, "output", "o", "", "file of documents to write, compressed if named .gz")
	s.IntVar(&o.MaxLabels, "max-labels", 0, "at most this many labels per image (default: all)")
	s.Float64Var(&o.Cumulative, "cumulative", cwox.DefaultCumulative, "probability that an image's labels exceed together")
	s.BoolVar(&o.KeepDoubtful, "keep-doubtful", false, "keep damaged images, and lists of more than 100 labels")
	s.IntVar(&o.Batch, "batch", 8, "images per pass through the network")
	s.BoolVar(&o.Restart, "restart", false, "begin anew, whatever an earlier run has left")
	return c
}

func checkDocuments(c *cobra.Command, o *dataset.DocumentsOptions, out string) error {
	if out == "" {
		return usage(c, "-o FILE: name the file to write")
	}
	return nil
}

// documents labels images, and says on w what came out.
func documents(ctx context.Context, cl *cwox.Classifier, images []string, out string, o dataset.DocumentsOptions, w *say.Voice, m *modelFlags) error {
	start := time.Now()
	bars := phases{quiet: m.quiet, units: map[string]string{dataset.PhaseCheck: "images", dataset.PhaseLabel: "images"}}
	reached, total, first := 0, 0, true
	o.Progress = func(phase string, done, all int) {
		total = all
		if reached = done; phase == dataset.PhaseCheck {
			reached = all
		} else if first {
			if first = false; done > 0 && !m.quiet {
				stderr.Printf("cwox: going on after %d of %d images\n", done, all)
			}
		}
		bars.update(phase, done, all)
	}
	r, err := dataset.WriteDocuments(ctx, cl, images, out, o)
	bars.finish()
	switch {
	case errors.Is(err, context.Canceled):
		return resumable{err, fmt.Sprintf("the same command goes on after %d of %d images", reached, total)}
	case err != nil:
		return err
	}
	if r.Unchecked > 0 && !m.quiet {
		stderr.Printf("cwox: %d of %d images cannot be read now: their lines are those of an earlier run\n", r.Unchecked, r.Images)
	}
	if o.Shard.Of > 0 {
		return shardDone{out, o.Shard, r.Images, r.Unreadable, r.FirstError, start}.say(m)
	}
	return sayDocuments(out, r, start, w, m)
}

// sayDocuments says what came out, of one run or of shards that were merged.
func sayDocuments(out string, r *dataset.DocumentsResult, start time.Time, w *say.Voice, m *modelFlags) (err error) {
	if m.json {
		err = printJSON(struct {
			File string `json:"file"`
			*dataset.DocumentsResult
			Seconds float64 `json:"seconds"`
		}{out, r, time.Since(start).Seconds()})
	} else {
		w.Printf("%s: %d document%s, %d labels, of %d image%s (%d with a single label, %d damaged, %d undecided, %d unreadable)\n",
			out, r.Documents, plural(r.Documents), r.Labels, r.Images, plural(r.Images), r.Certain, r.Damaged, r.Undecided, r.Unreadable)
	}
	switch {
	case r.Unreadable == r.Images:
		return fmt.Errorf("no image could be read: %s", r.FirstError)
	case r.Unreadable > 0 && !m.quiet:
		stderr.Printf("cwox: %d of %d images could not be read, see \"error\" in %s.jsonl; the first: %s\n",
			r.Unreadable, r.Images, out, r.FirstError)
	}
	return err
}
