package main

import (
	"context"
	"cwox/internal/say"
	"errors"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"cwox/cwox/dataset"
)

// Exit codes. Of an interruption it is 128 and the number of the signal, as shells have it.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitLasting     = 42      // of a shard: it will fail again however often it is tried
	exitInterrupted = 128 + 2 // by Ctrl-C
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40) // little is garbage, and weights should not let as much pile up
	}
	// The runtime's poller needs two descriptors, and ends the program if it asks for them when
	// there are none left.
	if f, err := os.Open(os.DevNull); err == nil {
		f.Close()
	}
	if n := processors(os.Getenv, runtime.GOMAXPROCS(0)); n > 0 {
		runtime.GOMAXPROCS(n)
	}
	os.Exit(run(os.Args[1:]))
}

// processors are those that Slurm gives a task where nothing confines the task to them; 0 is for
// as many as the runtime finds, which heeds GOMAXPROCS and the limits of control groups.
func processors(getenv func(string) string, found int) int {
	n, err := strconv.Atoi(getenv("SLURM_CPUS_PER_TASK"))
	if err != nil || n < 1 || n >= found || getenv("GOMAXPROCS") != "" {
		return 0
	}
	return n
}

// run carries out a command line and returns the exit code.
func run(args []string) int {
	stdout, stderr = say.To(os.Stdout), say.To(os.Stderr)
	ctx, stop := interruptible()
	defer stop()
	root := newRoot()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if full := stdout.Err(); err == nil && full != nil {
		err = fmt.Errorf("standard output: %w", full)
	}
	var sig interruption
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, context.Canceled) && errors.As(context.Cause(ctx), &sig):
		stderr.Printf("cwox: interrupted%s\n", hint(err))
		return sig.code()
	}
	if !errors.As(err, new(silent)) {
		complain(err)
	}
	var u usageError
	code := exitFailed
	if errors.As(err, &u) {
		stderr.Printf("Run 'cwox %s--help' for how to use it.\n", u.command)
		code = exitUsage
	}
	if isShard(args) && !errors.As(err, new(noShard)) && !dataset.OfTheMoment(err) {
		return exitLasting
	}
	return code
}

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "cwox",
		Short: "Explain an image classifier's whole output",
		Long: `cwox explains an image classifier's whole output. It groups the top classes into
confusion clusters, learned from which classes appear together, then contrasts the
clusters with each other and the classes inside each cluster (CWOX-2s, UAI 2023).`,
		Example: `  cwox demo                                        no files needed
  cwox weights fetch resnet50                      get the weights once
  cwox explain photo.jpg                           writes cwox-out/index.html
  cwox explain --explainer rise --method swox photo.jpg`,
		SilenceUsage:               true,
		SilenceErrors:              true,
		Args:                       cobra.ArbitraryArgs,
		SuggestionsMinimumDistance: 2,
		RunE:                       helpOrSuggest,
	}
	root.AddCommand(commands()...)
	root.CompletionOptions.HiddenDefaultCmd = false
	root.PersistentPreRunE = func(c *cobra.Command, _ []string) error { return checkNumbers(c) }
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, "%v", err) })
	return root
}

// helpOrSuggest is what a command that only has sub-commands does by itself.
func helpOrSuggest(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	text := fmt.Sprintf("unknown command %q", args[0])
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		text += ", did you mean " + strings.Join(near, " or ") + "?"
	}
	return usage(c, "%s", text)
}

// commands lists the sub-commands in the order of the pipeline.
func commands() []*cobra.Command {
	return []*cobra.Command{
		newExplain(),
		newClassify(),
		newDocuments(),
		newTree(),
		newEvaluate(),
		newConfusions(),
		newFigure(),
		newMerge(),
		newPlan(),
		newScore(),
		newDemo(),
		newVerify(),
		newServe(),
		newBench(),
		newWeights(),
		newVersion(),
	}
}

// usageError is a mistake in how the program was called.
type usageError struct {
	error
	command string // path without the program's name, with a space behind, or empty
}

// usage makes a usageError.
func usage(c *cobra.Command, format string, args ...any) error {
	path := c.CommandPath()
	path = path[min(len(path), len(c.Root().Name())):]
	if path != "" {
		path = path[1:] + " "
	}
	return usageError{fmt.Errorf(format, args...), path}
}

// silent is a failure that has been reported already.
type silent struct{}

func (silent) Error() string { return "some of the work failed" }

// resumable says how to go on with work that was interrupted.
type resumable struct {
	error
	how string
}

func (r resumable) Unwrap() error { return r.error }

// goesOn is the error of work with a journal.
func goesOn(c *cobra.Command, err error) error {
	if c.Context().Err() != nil {
		return resumable{c.Context().Err(), "the same command goes on where this one stopped"}
	}
	return err
}

func hint(err error) string {
	var r resumable
	if errors.As(err, &r) {
		return "; " + r.how
	}
	return ""
}

// atLeast is a validator of the number of arguments.
func atLeast(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < n {
			return usage(c, "%s: want %s", c.CommandPath(), what)
		}
		return nil
	}
}

// exactly is a validator of the number of arguments.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(c, "%s: want %s, got %d arguments", c.CommandPath(), what, len(args))
		}
		return nil
	}
}
