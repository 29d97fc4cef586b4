package serve

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"sync"

	"cwox/cwox"
	"cwox/nn/vision"
)

// picture is an uploaded file. Held belongs to the engine.
type picture struct {
	name string // as report.json has it: a file's name, without folders
	raw  []byte
	held *cwox.Held
	jobs int // that are about it
}

func (p *picture) decoded() *vision.Picture { return p.held.Picture() }

// bytes is what a picture takes, with what the network says of it.
func (p *picture) bytes() int64 {
	const beside = 4 << 20 // inputs and maps of classes: see cwox.Held
	return int64(len(p.raw)+len(p.decoded().Pix)) + beside
}

// States of a job.
const (
	queued    = "queued"
	running   = "running"
	done      = "done"
	failed    = "failed"
	cancelled = "cancelled"
)

// job is a question about a picture, and the answer as far as it is known.
type job struct {
	id       string
	picture  *picture
	options  cwox.Options
	settings json.RawMessage // as given
	ctx      context.Context
	cancel   context.CancelFunc

	mu          sync.Mutex
	changed     chan struct{} // closed, and made anew, whenever something below changes
	state       string
	err         string
	steps       [2]int            // done, total
	result      []byte            // JSON, of the last partial maps or of the last ones
	version     int               // of result
	explanation *cwox.Explanation // of quick work without base maps: see Server.whole
	watchers    int
	ahead       func() int // how many wait in front of it
}

func newJob(ctx context.Context, p *picture, o cwox.Options, settings json.RawMessage) *job {
	j := &job{id: rand.Text(), picture: p, options: o, settings: settings, changed: make(chan struct{}), state: queued, ahead: func() int { return 0 }}
	j.ctx, j.cancel = context.WithCancel(ctx)
	return j
}

// update changes a job and wakes those who watch it.
func (j *job) update(change func()) {
	j.mu.Lock()
	defer j.mu.Unlock()
	change()
	close(j.changed)
	j.changed = make(chan struct{})
}

// end says how a job has ended.
func (j *job) end(err error) {
	j.update(func() {
		switch {
		case err == nil:
			j.state = done
		case j.ctx.Err() != nil || errors.Is(err, context.Canceled):
			j.state = cancelled
		default:
			j.state, j.err = failed, err.Error()
		}
	})
	j.cancel()
}

func (j *job) ended() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.over()
}

// over is ended for who holds the lock.
func (j *job) over() bool { return j.state == done || j.state == failed || j.state == cancelled }

// bytes is what a job takes beside its picture.
func (j *job) bytes() int64 {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := int64(len(j.result))
	if e := j.explanation; e != nil {
		for _, c := range e.Clusters {
			n += mapBytes(&c.Map, c.Base, c.Rest)
		}
		for _, c := range e.Classes {
			n += mapBytes(&c.Map, c.Base, c.Foil)
		}
	}
	return n
}

// store keeps jobs and their pictures, and forgets the least recently used.
type store struct {
	mu       sync.Mutex
	jobs     map[string]*job
	order    []*job // least recently used first
	pictures map[string]*picture
	maxJobs  int
	maxBytes int64
}

func newStore(maxJobs int, maxBytes int64) *store {
	return &store{jobs: map[string]*job{}, pictures: map[string]*picture{}, maxJobs: maxJobs, maxBytes: maxBytes}
}

// hold returns the picture of a file: the one that is there, where that has the same bytes and name.
func (s *store) hold(name string, raw []byte, pic *vision.Picture) *picture {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := s.pictures[pic.SHA256]; p != nil && p.name == name {
		return p
	}
	return &picture{name: name, raw: raw, held: cwox.Hold(pic)}
}

// add keeps a job. Where everything that is kept is still at work it is refused.
func (s *store) add(j *job) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.makeRoom(1, j.picture) {
		return errBusy
	}
	s.jobs[j.id] = j
	s.order = append(s.order, j)
	if j.picture.jobs++; j.picture.jobs == 1 {
		s.pictures[j.picture.decoded().SHA256] = j.picture
	}
	return nil
}

// trim forgets what is too much, after a job's answer has come.
func (s *store) trim() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(0, nil)
}

// makeRoom forgets ended jobs until so many more fit, and a picture that is not kept yet.
func (s *store) makeRoom(more int, p *picture) bool {
	total := int64(0)
	if p != nil && p.jobs == 0 {
		total = p.bytes()
	}
	counted := map[*picture]bool{}
	for _, j := range s.order {
		if total += j.bytes(); !counted[j.picture] {
			counted[j.picture] = true
			total += j.picture.bytes()
		}
	}
	for len(s.order)+more > s.maxJobs || total > s.maxBytes {
		i := slices.IndexFunc(s.order, (*job).ended)
		if i < 0 {
			return len(s.order)+more <= s.maxJobs && total <= s.maxBytes
		}
		old := s.order[i]
		total -= old.bytes()
		if s.forget(i); old.picture.jobs == 0 && old.picture != p {
			total -= old.picture.bytes()
		}
	}
	return true
}

// forget removes the i-th job, and its picture with the last one about it.
func (s *store) forget(i int) {
	j := s.order[i]
	s.order = slices.Delete(s.order, i, i+1)
	delete(s.jobs, j.id)
	if j.picture.jobs--; j.picture.jobs == 0 {
		if sum := j.picture.decoded().SHA256; s.pictures[sum] == j.picture {
			delete(s.pictures, sum)
		}
	}
}

// get finds a job and makes it the most recently used one; nil if there is none.
func (s *store) get(id string) *job {
	s.mu.Lock()
	defer s.mu.Unlock()
	j := s.jobs[id]
	if i := slices.Index(s.order, j); j != nil && i >= 0 {
		s.order = append(slices.Delete(s.order, i, i+1), j)
	}
	return j
}

// remove forgets a job.
func (s *store) remove(j *job) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.order, j); i >= 0 {
		s.forget(i)
	}
}
