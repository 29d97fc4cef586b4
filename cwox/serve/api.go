package serve

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"cwox/internal/say"
)

// Limits of what a client says, beside its picture.
const (
	maxSettingsBytes  = 64 << 10
	maxSettingsValues = 4096
	maxNameBytes      = 120
	quickClasses      = 20 // that are explained in a moment
)

// fault is an error that a client is told, with its status.
type fault struct {
	status int
	text   string
}

func (f fault) Error() string { return f.text }

func faultf(status int, format string, args ...any) error {
	return fault{status, say.Sprintf(format, args...)}
}

// refuse answers with an error.
func refuse(w http.ResponseWriter, status int, text string) {
	answer(w, status, map[string]string{"error": text})
}

// answer writes JSON.
func answer(w http.ResponseWriter, status int, v any) {
	text, err := json.Marshal(v)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"error":"the answer cannot be written"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(text, '\n'))
}

// complain answers with an error's status, and where there is too much to do with when to come again.
func (s *Server) complain(w http.ResponseWriter, q *queue, err error) {
	var f fault
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &f):
		refuse(w, f.status, f.text)
	case errors.As(err, &large):
		refuse(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("more than %d bytes", large.Limit))
	case errors.Is(err, errBusy):
		w.Header().Set("Retry-After", strconv.Itoa(s.engine.retry(q)))
		refuse(w, http.StatusTooManyRequests, errBusy.Error())
	case errors.Is(err, errEnded):
		refuse(w, http.StatusServiceUnavailable, errEnded.Error())
	default:
		refuse(w, http.StatusInternalServerError, say.Sprintf("%v", err))
	}
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"ok": true, "waiting": s.engine.waiting()})
}

// explain takes a question.
func (s *Server) explain(w http.ResponseWriter, r *http.Request) {
	j, q, err := s.ask(w, r)
	if err != nil {
		s.complain(w, q, err)
		return
	}
	w.Header().Set("Location", "/api/jobs/"+j.id)
	answer(w, http.StatusAccepted, map[string]string{"id": j.id})
}

// ask makes a job of a request and puts it into its queue.
func (s *Server) ask(w http.ResponseWriter, r *http.Request) (*job, *queue, error) {
	q := &s.engine.quick
	select { // a slow upload holds a place, so that all of them have a limit
	case s.waiting <- struct{}{}:
		defer func() { <-s.waiting }()
	default:
		return nil, q, errBusy
	}
	ctx, cancel := s.soon(r)
	defer cancel()
	select {
	case s.uploading <- struct{}{}:
		defer func() { <-s.uploading }()
	case <-ctx.Done():
		return nil, q, errEnded
	}
	r.Body = http.MaxBytesReader(w, r.Body, s.cfg.MaxUpload+maxSettingsBytes+16<<10)
	p, settings, err := s.read(r)
	if err != nil {
		return nil, q, err
	}
	o, err := s.cfg.Options(settings.values)
	if err != nil {
		return nil, q, faultf(http.StatusBadRequest, "%v", err)
	}
	o.Threads = s.cfg.Threads
	if !isQuick(&o) {
		q = &s.engine.slow
	}
	j := newJob(s.ctx, p, o, settings.text)
	work := &work{ctx: j.ctx, done: make(chan struct{})}
	work.run = func() { s.compute(j, q) }
	j.ahead = func() int { return s.engine.ahead(q, work) }
	if err := s.store.add(j); err != nil {
		return nil, q, err
	}
	if err := s.engine.add(q, work, false); err != nil {
		s.store.remove(j)
		return nil, q, err
	}
	go s.follow(j, q, work)
	return j, q, nil
}

// withJob finds the job of a request.
func (s *Server) withJob(handle func(http.ResponseWriter, *http.Request, *job)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		j := s.store.get(r.PathValue("id"))
		if j == nil {
			s.complain(w, nil, gone)
			return
		}
		handle(w, r, j)
	}
}

var gone = fault{http.StatusNotFound, "no such job: it may have been forgotten for newer ones; ask again"}

func (s *Server) job(w http.ResponseWriter, _ *http.Request, j *job) {
	j.mu.Lock()
	v := map[string]any{"id": j.id, "state": j.state, "done": j.steps[0], "total": j.steps[1]}
	if j.err != "" {
		v["error"] = j.err
	}
	if j.result != nil {
		v["result"] = json.RawMessage(j.result)
	}
	j.mu.Unlock()
	answer(w, http.StatusOK, v)
}

// end cancels a job, and forgets one that has ended.
func (s *Server) end(w http.ResponseWriter, _ *http.Request, j *job) {
	if j.ended() {
		s.store.remove(j)
	} else {
		j.cancel()
	}
	w.WriteHeader(http.StatusNoContent)
}
