package main

import (
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// progress shows how far long work has come: a bar on a terminal, a line every few
// seconds elsewhere, nothing when quiet. Work that ends within a moment shows nothing.
type progress struct {
	quiet bool
	what  string
	unit  string

	mu       sync.Mutex
	start    time.Time
	bar      *progressbar.ProgressBar
	lastLine time.Time
	done     int64
}

const (
	progressDelay = 700 * time.Millisecond
	progressLines = 5 * time.Second
)

func newProgress(what, unit string, quiet bool) *progress {
	return &progress{what: what, unit: unit, quiet: quiet, start: time.Now(), lastLine: time.Now()}
}

// update says that done of total units are finished; total 0 means unknown.
func (p *progress) update(done, total int64) {
	if p.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = done
	if time.Since(p.start) < progressDelay {
		return
	}
	if !isTerminal(os.Stderr) {
		if time.Since(p.lastLine) < progressLines {
			return
		}
		p.lastLine = time.Now()
		rate := float64(done) / time.Since(p.start).Seconds()
		line := fmt.Sprintf("%s: %d", p.what, done)
		if total > 0 {
			line += fmt.Sprintf(" of %d", total)
		}
		line += fmt.Sprintf(" %s, %.1f/s", p.unit, rate)
		if total > done && rate > 0 {
			left := time.Duration(float64(total-done) / rate * float64(time.Second))
			line += fmt.Sprintf(", %s left", left.Round(time.Second))
		}
		fmt.Fprintln(os.Stderr, line)
		return
	}
	if p.bar == nil {
		if total == 0 {
			total = -1
		}
		p.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(p.what),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetItsString(p.unit),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(24),
			progressbar.OptionThrottle(100*time.Millisecond))
	}
	_ = p.bar.Set64(done)
}

// finish removes the bar.
func (p *progress) finish() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}
