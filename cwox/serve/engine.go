package serve

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// engine computes one thing at a time, with all processors, in the order of arrival. There are two
// queues: quick is for what takes a moment (Grad-CAM, a stroke of the brush, a point of a curve),
// slow for what takes minutes (RISE, LIME). Quick work is first, and has its turn between two steps of
// slow work, but takes no more than quickShare of the time while there is slow work: neither stops
// the other.
type engine struct {
	mu          sync.Mutex
	wake        chan struct{} // holds one if something has come
	quick, slow queue
	ended       bool

	// Of the loop alone: how long quick work has run since slow work last did, and since when that
	// runs.
	held  time.Duration
	since time.Time
}

// quickShare is how long quick work may run for each moment of slow work.
const quickShare = 3

// patience is how long quick work may keep slow work from beginning.
const patience = time.Second

// queue is work in the order of arrival.
type queue struct {
	waiting []*work
	most    int
	seconds float64 // that a piece of it takes, of late
}

// work is a function that the engine runs; done is closed when it has, or when it will not.
type work struct {
	ctx  context.Context
	run  func()
	done chan struct{}
	err  error // why it did not run, or how it failed
}

// errBusy says that a queue is full.
var errBusy = errors.New("the server has more to do than it takes on")

// errEnded says that the engine has stopped.
var errEnded = errors.New("the server stops")

func newEngine(quick, slow int) *engine {
	return &engine{wake: make(chan struct{}, 1), quick: queue{most: quick, seconds: 0.1}, slow: queue{most: slow, seconds: 60}}
}

// do runs a function in the engine and waits for it, or for the context's end.
func (e *engine) do(ctx context.Context, q *queue, run func()) error {
	w := &work{ctx: ctx, run: run, done: make(chan struct{})}
	if err := e.add(q, w, false); err != nil {
		return err
	}
	return e.wait(q, w)
}

// add puts work into a queue; where it is full that is an error, unless the work must be taken.
func (e *engine) add(q *queue, w *work, must bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	switch {
	case e.ended:
		return errEnded
	case len(q.waiting) >= q.most && !must:
		return errBusy
	}
	q.waiting = append(q.waiting, w)
	select {
	case e.wake <- struct{}{}:
	default:
	}
	return nil
}

// wait waits for work that was added. If its context ends first it leaves the queue; if it runs
// already the engine has to notice by itself.
func (e *engine) wait(q *queue, w *work) error {
	select {
	case <-w.done:
		return w.err
	case <-w.ctx.Done():
	}
	e.mu.Lock()
	i := slices.Index(q.waiting, w)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	e.mu.Unlock()
	if i >= 0 {
		return w.ctx.Err()
	}
	<-w.done
	return w.err
}

// ahead is how many wait in front of some work; -1 if it does not wait.
func (e *engine) ahead(q *queue, w *work) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return slices.Index(q.waiting, w)
}

// waiting is how many wait in both queues.
func (e *engine) waiting() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.quick.waiting) + len(e.slow.waiting)
}

// retry is in how many seconds a full queue will probably take more: when half of it is done.
func (e *engine) retry(q *queue) int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return int(min(max(math.Ceil(q.seconds*float64(len(q.waiting))/2), 1), 60))
}

// loop runs work until the context ends; what waits then is told so.
func (e *engine) loop(ctx context.Context) {
	defer e.end()
	for ctx.Err() == nil {
		if e.held > patience {
			e.held = 0
			if e.begin() {
				continue
			}
		}
		start := time.Now()
		if e.one(&e.quick) {
			e.held += time.Since(start)
			continue
		}
		e.held = 0
		if e.begin() {
			continue
		}
		select {
		case <-e.wake:
		case <-ctx.Done():
		}
	}
}

func (e *engine) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ended = true
	for _, q := range []*queue{&e.quick, &e.slow} {
		for _, w := range q.waiting {
			w.err = errEnded
			close(w.done)
		}
		q.waiting = nil
	}
}

// begin runs the first of the slow work.
func (e *engine) begin() bool {
	e.since = time.Now()
	return e.one(&e.slow)
}

// yield lets quick work run: those that wait now, but the rest later when they have had their share.
// Slow work calls it between its steps.
func (e *engine) yield() {
	e.mu.Lock()
	n := len(e.quick.waiting)
	e.mu.Unlock()
	start := time.Now()
	for range n {
		if !e.one(&e.quick) || time.Since(start) > quickShare*start.Sub(e.since) {
			break
		}
	}
	e.since = time.Now()
}

// one runs the first of a queue.
func (e *engine) one(q *queue) bool {
	e.mu.Lock()
	if len(q.waiting) == 0 {
		e.mu.Unlock()
		return false
	}
	w := q.waiting[0]
	q.waiting = slices.Delete(q.waiting, 0, 1)
	e.mu.Unlock()
	start := time.Now()
	w.do()
	e.mu.Lock()
	q.seconds += float64((time.Since(start).Seconds() - q.seconds) / 8)
	e.mu.Unlock()
	return true
}

// do runs the function, unless nobody waits for it any more. A broken contract of the program costs
// this answer, not the server.
func (w *work) do() {
	defer close(w.done)
	if w.err = w.ctx.Err(); w.err != nil {
		return
	}
	defer func() {
		if r := recover(); r != nil {
			w.err = fmt.Errorf("the program failed: %v", r)
		}
	}()
	w.run()
}
