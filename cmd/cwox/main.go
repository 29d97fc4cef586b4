// Command cwox explains an image classifier's whole output: it groups the top classes
// into confusion clusters and shows what speaks for each cluster, and for each class
// against the others of its cluster.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130
)

func main() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(40) // little is garbage, and weights should not let as much pile up
	}
	os.Exit(run(os.Args[1:]))
}

// run carries out a command line and returns the exit code.
func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { // a second Ctrl-C ends the program at once
		<-ctx.Done()
		stop()
	}()
	root := newRoot()
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "cwox: interrupted"+hint(err))
		return exitInterrupted
	}
	if !errors.As(err, new(silent)) {
		fmt.Fprintln(os.Stderr, "cwox:", err)
	}
	var u usageError
	if errors.As(err, &u) {
		fmt.Fprintf(os.Stderr, "Run 'cwox %s--help' for how to use it.\n", u.command)
		return exitUsage
	}
	return exitFailed
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
		newScore(),
		newDemo(),
		newVerify(),
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

// wantPositive refuses values below 1 of flags that count something, as far as they are given:
// 0 is no way to say the default.
func wantPositive(c *cobra.Command, flags ...string) error {
	for _, name := range flags {
		f := c.Flags().Lookup(name)
		if f == nil || !f.Changed {
			continue
		}
		if n, err := strconv.Atoi(f.Value.String()); err == nil && n < 1 {
			return usage(c, "--%s %d: want at least 1", name, n)
		}
	}
	return nil
}

// wantShare refuses values that are not between 0 and 1, as far as they are given.
func wantShare(c *cobra.Command, flags ...string) error {
	for _, name := range flags {
		f := c.Flags().Lookup(name)
		if f == nil || !f.Changed {
			continue
		}
		if v, err := strconv.ParseFloat(f.Value.String(), 64); err == nil && !(v > 0 && v < 1) {
			return usage(c, "--%s %g: want more than 0 and less than 1", name, v)
		}
	}
	return nil
}
