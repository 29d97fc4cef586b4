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
	first    int64 // where the first update found the work
	done     int64
}

const (
	progressDelay = 700 * time.Millisecond
	progressLines = 5 * time.Second

	bytesUnit = "bytes" // shown in megabytes
)

func newProgress(what, unit string, quiet bool) *progress {
	return &progress{what: what, unit: unit, quiet: quiet, start: time.Now(), lastLine: time.Now(), first: -1}
}

// update says that done of total units are finished; total 0 or less means unknown.
func (p *progress) update(done, total int64) {
	if p.quiet {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done = done
	if p.first < 0 || done < p.first { // what was there before says nothing about the speed
		p.first = done
	}
	if time.Since(p.start) < progressDelay {
		return
	}
	if !isTerminal(os.Stderr) {
		if time.Since(p.lastLine) < progressLines {
			return
		}
		p.lastLine = time.Now()
		rate := float64(done-p.first) / time.Since(p.start).Seconds()
		line := p.what + ": " + p.amounts(done, total, rate)
		if total > done && rate > 0 {
			left := time.Duration(float64(total-done) / rate * float64(time.Second))
			line += fmt.Sprintf(", %s left", left.Round(time.Second))
		}
		stderr.Printf("%s\n", line)
		return
	}
	if p.bar == nil {
		if total <= 0 {
			total = -1
		}
		options := []progressbar.Option{
			progressbar.OptionSetWriter(os.Stderr), progressbar.OptionSetDescription(p.what), progressbar.OptionShowCount(),
			progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(24),
			progressbar.OptionThrottle(100 * time.Millisecond),
		}
		if p.unit == bytesUnit {
			options = append(options, progressbar.OptionShowBytes(true))
		} else {
			options = append(options, progressbar.OptionShowIts(), progressbar.OptionSetItsString(p.unit))
		}
		p.bar = progressbar.NewOptions64(total, options...)
	}
	_ = p.bar.Set64(done)
}

// amounts is "12 of 40 masks, 3.1/s" (or "5.2 s each" where that is slower), or the same in
// megabytes.
func (p *progress) amounts(done, total int64, rate float64) string {
	if p.unit == bytesUnit {
		if total <= 0 {
			return fmt.Sprintf("%.1f MB, %.1f MB/s", float64(done)/1e6, rate/1e6)
		}
		return fmt.Sprintf("%.1f of %.1f MB, %.1f MB/s", float64(done)/1e6, float64(total)/1e6, rate/1e6)
	}
	speed := fmt.Sprintf("%.1f/s", rate)
	if rate > 0 && rate < 1 {
		speed = fmt.Sprintf("%.1f s each", 1/rate)
	}
	if total <= 0 {
		return fmt.Sprintf("%d %s, %s", done, p.unit, speed)
	}
	return fmt.Sprintf("%d of %d %s, %s", done, total, p.unit, speed)
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
