package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cwox/cwox/dataset"
	"cwox/cwox/report"
)

// shardHelp ends the help of the commands that have shards.
const shardHelp = `Many machines share the work with --shard i/n: image k of the list belongs to shard k mod n,
which writes to OUT.shards/i-of-n. 'cwox merge OUT' makes of all shards what one run writes.
Exit code 0: the shard is finished, images that failed included; 42: it will fail again
however often it is tried; 1: try again; after a signal 128 and its number: the same command
goes on.`

// shardFlag is --shard.
type shardFlag struct{ text string }

// noShard is the usage error of a --shard that names none.
type noShard struct{ error }

func (n noShard) Unwrap() error { return n.error }

func (f *shardFlag) add(c *cobra.Command) {
	c.Flags().StringVar(&f.text, "shard", "", "do part i of n, i from 0, as i/n; auto asks Slurm's array or Kubernetes' Indexed Job")
}

// read is the shard; the whole without the flag.
func (f *shardFlag) read(c *cobra.Command) (s dataset.Shard, err error) {
	switch {
	case !c.Flags().Changed("shard"):
		return s, nil
	case f.text == "auto":
		var from string
		if s, from, err = dataset.ShardFrom(os.Getenv); err == nil {
			stderr.Printf("cwox: shard %v, of %s\n", s, from)
		}
	default:
		s, err = dataset.ParseShard(f.text)
	}
	if err != nil {
		return s, noShard{usage(c, "--shard %s: %v", f.text, err)}
	}
	return s, nil
}

// isShard says whether a command line is one of a shard, also if it cannot be read.
func isShard(args []string) bool {
	return slices.ContainsFunc(args, func(arg string) bool { return arg == "--shard" || strings.HasPrefix(arg, "--shard=") })
}

// shardDone is what is said of a shard at its end.
type shardDone struct {
	out            string
	shard          dataset.Shard
	images, failed int // or scenes
	firstError     string
	start          time.Time
}

func (d shardDone) say(m *modelFlags) error {
	if d.failed > 0 && !m.quiet {
		stderr.Printf("cwox: %d of %d images failed; the first: %s\n", d.failed, d.images, d.firstError)
	}
	if m.json {
		return printJSON(struct {
			Output     string  `json:"output"`
			Shard      int     `json:"shard"`
			Of         int     `json:"of"`
			Images     int     `json:"images"`
			Failed     int     `json:"failed"`
			FirstError string  `json:"first_error,omitempty"`
			Seconds    float64 `json:"seconds"`
		}{d.out, d.shard.Index, d.shard.Of, d.images, d.failed, d.firstError, time.Since(d.start).Seconds()})
	}
	stdout.Printf("%s: shard %v is finished, %d done, %d of them failed: 'cwox merge %s' joins all shards\n", d.out, d.shard, d.images, d.failed, d.out)
	return nil
}

func newMerge() *cobra.Command {
	var m modelFlags
	var missing bool
	c := &cobra.Command{
		Use:   "merge [flags] OUT",
		Short: "Join the shards of a command to what one run writes",
		Long: `Join all shards in OUT.shards, which --shard i/n of documents, evaluate, explain or confusions has
written, to OUT: the same bytes as one run writes (but for the times in reports). It checks
that all are there, are finished, and agree in settings, weights, kernel tier and list of
images, and else says what is missing or differs. It needs neither weights nor images, but of
confusions to explain the mistakes. OUT.shards can be removed afterwards.`,
		Example: `  cwox merge docs.txt.gz
  sbatch --array=$(cwox merge --missing results) ...    run what is missing`,
		Args: exactly(1, "the -o of the shards"),
		RunE: func(c *cobra.Command, args []string) error {
			out := filepath.Clean(args[0])
			if missing {
				return sayMissing(dataset.Left(out))
			}
			start := time.Now()
			r, err := dataset.Merge(c.Context(), out)
			switch {
			case err != nil && c.Context().Err() != nil:
				return resumable{c.Context().Err(), "nothing was merged"}
			case err != nil:
				return err
			case r.Rest != nil:
				return mergeConfusions(c, out, r.Rest, &m)
			case r.Documents != nil:
				return sayDocuments(out, r.Documents, start, stdout, &m)
			case r.Evaluation != nil:
				return sayEvaluation(out, r.Evaluation, &m, slices.Sorted(maps.Keys(r.Evaluation.Images))...)
			case r.Truth != nil:
				return sayTruth(out, r.Truth, &m)
			}
			return sayReports(out, r.Reports, &m)
		},
	}
	c.Flags().BoolVar(&missing, "missing", false, "only print the shards that are missing or unfinished, as sbatch --array takes them")
	m.addOutput(c)
	return c
}

// mergeConfusions makes the rest of merged confusions, as the shards would have.
func mergeConfusions(c *cobra.Command, out string, rest []string, m *modelFlags) error {
	args := append([]string{"confusions", "--output=" + out, fmt.Sprintf("--quiet=%t", m.quiet), fmt.Sprintf("--json=%t", m.json)}, rest...)
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(c.Context())
	if err != nil && c.Context().Err() == nil {
		return fmt.Errorf("the labels of all shards are in %s; of them the rest could not be made: %w", out, err)
	}
	return err
}

// sayMissing prints the shards that are left, if there are any.
func sayMissing(err error) error {
	var left *dataset.LeftError
	if errors.As(err, &left) {
		stdout.Printf("%s\n", dataset.Ranges(left.Left()))
		return nil
	}
	return err
}

// sayReports says how many images were explained.
func sayReports(out string, r *dataset.ReportsResult, m *modelFlags) error {
	if m.json {
		if err := printJSON(r); err != nil {
			return err
		}
	} else {
		stdout.Printf("%d of %d images explained: %s\n", r.Images-r.Failed, r.Images, filepath.Join(out, report.PageFile))
	}
	if r.Failed > 0 {
		return errors.New(r.FirstError)
	}
	return nil
}
