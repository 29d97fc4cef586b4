package serve

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/nn/vision"
)

// TestEngine: work runs in the order of arrival, quick work first and between the steps of slow work,
// each once; a full queue refuses; what is cancelled leaves; a panic costs one answer.
func TestEngine(t *testing.T) {
	e := newEngine(4, 2)
	var ran []string
	var all []*work
	put := func(q *queue, name string, do func()) error {
		w := &work{ctx: context.Background(), run: func() { ran = append(ran, name); do() }, done: make(chan struct{})}
		all = append(all, w)
		return e.add(q, w, false)
	}
	nothing := func() {}
	step := func() {
		if err := put(&e.quick, "late", nothing); err != nil {
			t.Error(err)
		}
		e.yield()
	}
	for _, err := range []error{
		put(&e.slow, "slow 1", func() { step(); ran = append(ran, "step"); step() }),
		put(&e.slow, "slow 2", nothing),
		put(&e.quick, "quick 1", nothing),
		put(&e.quick, "quick 2", func() { panic("broken") }),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := put(&e.slow, "slow 3", nothing); !errors.Is(err, errBusy) {
		t.Errorf("a third in a queue of two: %v", err)
	}
	if n := e.ahead(&e.slow, all[1]); n != 1 {
		t.Errorf("%d before the second", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	gone, leave := context.WithCancel(context.Background())
	leave()
	if err := e.do(gone, &e.quick, func() { t.Error("cancelled work ran") }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled work: %v", err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); e.loop(ctx) }()
	for _, w := range slices.Delete(all, 4, 5) { // but for the one refused
		<-w.done
	}
	cancel()
	<-ended
	want := "quick 1, quick 2, slow 1, late, step, late, slow 2"
	if got := strings.Join(ran, ", "); got != want {
		t.Errorf("it ran %s, want %s", got, want)
	}
	if err := all[3].err; err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("work that panicked: %v", err)
	}
	if err := e.do(context.Background(), &e.quick, nothing); !errors.Is(err, errEnded) {
		t.Errorf("work after the end: %v", err)
	}
}

// TestBusy: a full queue is answered with 429 and a time to come again, nothing of it is kept, and what
// was accepted is done.
func TestBusy(t *testing.T) {
	s := start(t, func(c *Config) { c.Queue = 1 })
	slow := map[string]string{"example": "0", "settings": `{"masks":300000}`}
	first := s.question(slow)
	for s.engine.waiting() > 0 { // until it is at work
		s.send("GET", "/healthz", "", nil)
	}
	second := s.question(slow)
	contentType, body := form(slow)
	answer, text := s.send("POST", "/api/explain", contentType, body)
	if answer.StatusCode != http.StatusTooManyRequests {
		t.Errorf("a third: %d %s", answer.StatusCode, text)
	}
	if after, err := strconv.Atoi(answer.Header.Get("Retry-After")); err != nil || after < 1 || after > 60 {
		t.Errorf("Retry-After %q", answer.Header.Get("Retry-After"))
	}
	if len(s.store.jobs) != 2 {
		t.Errorf("%d jobs are kept", len(s.store.jobs))
	}
	s.answered(s.question(map[string]string{"example": "0"})) // a moment's work has its turn
	s.send("DELETE", "/api/jobs/"+first, "", nil)
	s.send("DELETE", "/api/jobs/"+second, "", nil)
}

// TestStore: jobs that have ended are forgotten, the least recently used first, by number and by
// bytes; those at work are not; a picture goes with its last job.
func TestStore(t *testing.T) {
	pic := func(sum string) *picture {
		p := vision.New(10, 10)
		p.SHA256 = sum
		return &picture{name: sum, held: cwox.Hold(p)}
	}
	s := newStore(3, 1<<30)
	add := func(p *picture, over bool) *job {
		j := newJob(context.Background(), p, cwox.Options{}, nil)
		if err := s.add(j); err != nil {
			t.Fatal(err)
		}
		if over {
			j.end(nil)
		}
		return j
	}
	p, q := pic("p"), pic("q")
	a, b, c := add(p, true), add(q, true), add(p, false)
	s.get(a.id) // used
	d := add(q, true)
	if s.get(b.id) != nil || s.get(a.id) == nil || s.get(c.id) == nil || s.get(d.id) == nil {
		t.Error("not the least recently used one was forgotten")
	}
	e := add(pic("r"), false)
	f := add(pic("s"), false)
	if s.get(c.id) == nil || s.get(e.id) == nil || s.get(f.id) == nil || len(s.jobs) != 3 {
		t.Error("work that goes on was forgotten")
	}
	if err := s.add(newJob(context.Background(), p, cwox.Options{}, nil)); !errors.Is(err, errBusy) {
		t.Errorf("where all are at work: %v", err)
	}
	if s.pictures["q"] != nil || s.pictures["p"] != p {
		t.Error("pictures do not go with their last job")
	}
	c.end(nil)
	s.remove(c)
	if s.pictures["p"] != nil || len(s.pictures) != 2 {
		t.Errorf("%d pictures are left", len(s.pictures))
	}

	s = newStore(1000, 3*p.bytes())
	p, q = pic("p"), pic("q")
	first := add(p, true)
	add(q, true)
	add(q, true)
	add(pic("r"), true)
	if len(s.jobs) != 4 {
		t.Errorf("%d jobs of three pictures are kept, want all 4", len(s.jobs))
	}
	add(pic("s"), true)
	if s.get(first.id) != nil || len(s.pictures) != 3 {
		t.Errorf("%d pictures are kept, want 3", len(s.pictures))
	}
	last := add(pic("t"), true)
	last.update(func() { last.result = make([]byte, 2*p.bytes()+1) })
	s.trim()
	if len(s.jobs) != 0 && len(s.jobs) != 1 {
		t.Errorf("%d jobs are kept beside a large answer", len(s.jobs))
	}
	ids := map[string]bool{}
	for range 1000 {
		id := newJob(context.Background(), p, cwox.Options{}, nil).id
		if len(id) < 26 || ids[id] {
			t.Fatalf("id %q", id)
		}
		ids[id] = true
	}
}

func TestFileName(t *testing.T) {
	for given, want := range map[string]string{
		"photo.jpg": "photo.jpg", "": "picture", `C:\a\b.png`: "b.png", "../../etc/passwd": "passwd",
	} {
		if got := fileName(given); got != want {
			t.Errorf("%q becomes %q, want %q", given, got, want)
		}
	}
	for _, given := range []string{".", "..", "/", "a/..", "\x00", "a\nb.png", "con", strings.Repeat("ä", 500) + ".jpeg", ".jpg", "x." + strings.Repeat("y", 300)} {
		got := fileName(given)
		if got == "" || len(got) > maxNameBytes || strings.ContainsAny(got, "/\\\x00\n") || strings.Trim(got, ".") == "" {
			t.Errorf("%q becomes %q", given, got)
		}
	}
}
