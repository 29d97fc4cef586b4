package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
	"time"
)

// interruption is the cause that a context was cancelled by a signal.
type interruption struct{ sig os.Signal }

func (i interruption) Error() string { return i.sig.String() }

func (i interruption) code() int {
	if n, ok := i.sig.(syscall.Signal); ok {
		return 128 + int(n)
	}
	return exitFailed
}

// stopTime is how long work may take to stop by itself. What it has written until then is
// whole, as after any other end.
const stopTime = 900 * time.Millisecond

// interruptible is a context that the first signal cancels. If the work has not stopped in
// time, as one that waits for a file system that went away, or with the second signal, the
// program ends there and then.
func interruptible() (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	const hangup = syscall.Signal(1)                         // SIGHUP, which WebAssembly knows not even by name
	if runtime.GOARCH != "wasm" && !signal.Ignored(hangup) { // by nohup
		signal.Notify(signals, hangup)
	}
	done := make(chan struct{})
	go func() {
		var first os.Signal
		select {
		case first = <-signals:
		case <-done:
			return
		}
		cancel(interruption{first})
		select {
		case <-signals:
		case <-time.After(stopTime):
			stderr.Printf("cwox: interrupted, and ended without waiting for what was at work\n")
		case <-done:
			return
		}
		os.Exit(interruption{first}.code())
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel(nil)
	}
}
