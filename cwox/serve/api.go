package serve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/internal/outside"
	"cwox/internal/place"
	"cwox/internal/say"
	"cwox/nn/vision"
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

// isQuick says whether an explanation takes a moment, as far as can be told beforehand.
func isQuick(o *cwox.Options) bool {
	few := o.TopK <= quickClasses && len(o.Classes) <= quickClasses && (o.Cumulative == 0 || o.TopK > 0)
	classes := 0
	for _, c := range o.Clusters {
		classes += len(c)
	}
	switch o.Explainer.(type) {
	case *saliency.RISE, *saliency.LIME:
		return false
	}
	return few && classes <= quickClasses
}

// settings are what a client asks for.
type settings struct {
	text   json.RawMessage
	values map[string]json.RawMessage
}

// read reads the parts of a question.
func (s *Server) read(r *http.Request) (*picture, *settings, error) {
	parts, err := r.MultipartReader()
	if err != nil {
		return nil, nil, faultf(http.StatusBadRequest, "want multipart/form-data: %v", err)
	}
	var p *picture
	set := &settings{text: json.RawMessage("{}")}
	for {
		part, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, nil, bad(err)
		}
		name := part.FormName()
		if (name == "image" || name == "of" || name == "example") && p != nil {
			return nil, nil, faultf(http.StatusBadRequest, "more than one picture")
		}
		switch name {
		case "image":
			p, err = s.upload(part)
		case "of":
			p, err = s.pictureOf(part)
		case "example":
			p, err = s.example(part)
		case "settings":
			set, err = readSettings(part)
		default:
			err = faultf(http.StatusBadRequest, "unknown field %q: want image, of or example, and settings", name)
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if p == nil {
		return nil, nil, faultf(http.StatusBadRequest, "no picture: want a field image with a file, of with a job's id, or example with a number")
	}
	return p, set, nil
}

// bad is the error of a body that cannot be read.
func bad(err error) error {
	if errors.As(err, new(*http.MaxBytesError)) {
		return err
	}
	return faultf(http.StatusBadRequest, "%v", err)
}

// short reads a field of a few bytes.
func short(part io.Reader, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(part, most+1))
	switch {
	case err != nil:
		return nil, bad(err)
	case int64(len(text)) > most:
		return nil, faultf(http.StatusRequestEntityTooLarge, "a field of more than %d bytes", most)
	}
	return text, nil
}

func readSettings(part io.Reader) (*settings, error) {
	text, err := short(part, maxSettingsBytes)
	if err != nil {
		return nil, err
	}
	set := &settings{values: map[string]json.RawMessage{}}
	if err := outside.JSON(text, &set.values, maxSettingsValues); err != nil {
		return nil, faultf(http.StatusBadRequest, "settings: %v", err)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, text); err != nil || set.values == nil {
		return nil, faultf(http.StatusBadRequest, "settings: want an object")
	}
	set.text = compact.Bytes()
	return set, nil
}

// upload decodes an uploaded file. Its name is a client's: what is left of it is a file's name
// without folders, for the report.
func (s *Server) upload(part *multipart.Part) (*picture, error) {
	raw, err := io.ReadAll(io.LimitReader(part, s.cfg.MaxUpload+1))
	if err != nil {
		return nil, bad(err)
	}
	if int64(len(raw)) > s.cfg.MaxUpload {
		return nil, &http.MaxBytesError{Limit: s.cfg.MaxUpload}
	}
	return s.decode(fileName(part.FileName()), raw)
}

func (s *Server) decode(name string, raw []byte) (*picture, error) {
	pic, err := vision.Decode(name, raw, s.cfg.Decode)
	if errors.Is(err, vision.ErrLimit) {
		return nil, faultf(http.StatusRequestEntityTooLarge, "%v", err)
	}
	if err != nil {
		return nil, faultf(http.StatusUnprocessableEntity, "%v", err)
	}
	return s.store.hold(name, raw, pic), nil
}

// fileName is a name that a file can have anywhere.
func fileName(given string) string {
	name := place.Name(path.Base(strings.ReplaceAll(given, `\`, "/")))
	ext := path.Ext(name)
	if len(ext) > 8 {
		ext = ""
	}
	stem := strings.ToValidUTF8(strings.TrimSuffix(name, ext), "")
	if strings.Trim(stem, "_.") == "" {
		stem = "picture"
	}
	if len(stem)+len(ext) > maxNameBytes {
		stem = strings.ToValidUTF8(stem[:maxNameBytes-len(ext)], "")
	}
	return stem + ext
}

func (s *Server) pictureOf(part io.Reader) (*picture, error) {
	id, err := short(part, 64)
	if err != nil {
		return nil, err
	}
	j := s.store.get(string(id))
	if j == nil {
		return nil, gone
	}
	return j.picture, nil
}

// compute makes the maps of a job, in the engine.
func (s *Server) compute(j *job, q *queue) {
	j.update(func() { j.state = running })
	o := j.options
	o.Effects = false // measured afterwards
	pipeline := s.quick
	if q == &s.engine.slow {
		pipeline = s.slow
	}
	var told time.Time
	o.Progress = func(done, total int) {
		if now := time.Now(); done == total || now.Sub(told) > progressEvery {
			told = now
			j.update(func() { j.steps = [2]int{done, total} })
		}
		if q == &s.engine.slow {
			s.engine.yield()
		}
	}
	o.Partial = func(e *cwox.Explanation) {
		if text, err := s.resultOf(j, e); err == nil {
			j.update(func() { j.result, j.version = text, j.version+1 })
		}
	}
	switch e := o.Explainer.(type) { // few pictures at a time: others wait for a batch
	case *saliency.RISE:
		e.Batch = slowBatch
	case *saliency.LIME:
		e.Batch = slowBatch
	}
	defer release(o.Explainer)
	e, err := pipeline.ExplainHeld(j.ctx, j.picture.held, o)
	if err != nil {
		j.update(func() { j.err = err.Error() })
		return
	}
	s.sign(j, e)
	if q == &s.engine.quick {
		slim(e)
	}
	s.publish(j, e)
}

// sign says whose explanation it is, and hides where files lie from others than this machine.
func (s *Server) sign(j *job, e *cwox.Explanation) {
	e.File = j.picture.name
	if s.cfg.Public {
		e.Model.WeightsFile = path.Base(strings.ReplaceAll(e.Model.WeightsFile, `\`, "/"))
	}
}

// slim drops the base maps of an explanation that can be made again in a moment.
func slim(e *cwox.Explanation) {
	for i := range e.Clusters {
		e.Clusters[i].Base, e.Clusters[i].Rest = nil, nil
	}
	for i := range e.Classes {
		e.Classes[i].Base, e.Classes[i].Foil = nil, nil
	}
}

// whole is a job's explanation with its base maps.
func (s *Server) whole(r *http.Request, j *job, e *cwox.Explanation) (*cwox.Explanation, error) {
	if !isQuick(&j.options) {
		return e, nil
	}
	o := j.options
	o.Effects, o.Progress, o.Partial = false, nil, nil
	var again *cwox.Explanation
	var err error
	if failed := s.run(r, func() {
		defer release(o.Explainer)
		again, err = s.quick.ExplainHeld(s.ctx, j.picture.held, o)
	}); failed != nil || err != nil {
		return nil, errors.Join(failed, err)
	}
	s.sign(j, again)
	again.Seconds = e.Seconds
	for i := range e.Clusters {
		again.Clusters[i].Effect = e.Clusters[i].Effect
	}
	for i := range e.Classes {
		again.Classes[i].Effect = e.Classes[i].Effect
	}
	return again, nil
}

// release frees the session that an explainer may have of its own.
func release(e saliency.Explainer) {
	if c, ok := e.(interface{ Close() }); ok {
		c.Close()
	}
}

// progressEvery is how often progress is told.
const progressEvery = 200 * time.Millisecond

// slowBatch is how many pictures go through the network together in slow work.
const slowBatch = 2

// publish shows an explanation of a job.
func (s *Server) publish(j *job, e *cwox.Explanation) {
	text, err := s.resultOf(j, e)
	j.update(func() {
		if err != nil {
			j.err = err.Error()
			return
		}
		j.result, j.explanation, j.version = text, e, j.version+1
	})
}

// follow sees a job through: its maps, then what erasing them does, a pass at a time, so that others
// have their turn.
func (s *Server) follow(j *job, q *queue, w *work) {
	err := s.engine.wait(q, w)
	j.mu.Lock()
	if err == nil && j.err != "" {
		err = errors.New(j.err)
	}
	shown := j.explanation
	j.mu.Unlock()
	if err == nil && j.options.Effects {
		e := *shown // what is shown is being read
		e.Clusters, e.Classes = append([]cwox.Cluster(nil), e.Clusters...), append([]cwox.Class(nil), e.Classes...)
		e.Seconds = map[string]float64{}
		for stage, seconds := range shown.Seconds {
			e.Seconds[stage] = seconds
		}
		pipeline := s.quick
		if j.options.Explainer.Keep() == nil {
			pipeline = s.probe // whose session keeps nothing, either
		}
		err = pipeline.Effects(j.ctx, j.picture.held, &e, j.options, func(pass func() error) (err error) {
			w := &work{ctx: j.ctx, run: func() { err = pass() }, done: make(chan struct{})}
			if err := s.engine.add(&s.engine.quick, w, true); err != nil {
				return err
			}
			if err := s.engine.wait(&s.engine.quick, w); err != nil {
				return err
			}
			return err
		})
		if err == nil {
			s.publish(j, &e)
		}
	}
	j.end(err)
	s.store.trim()
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

// abandoned is how long a job goes on when nobody watches it any more.
const abandoned = 10 * time.Second

// watch counts those who watch a job, and cancels it when the last one has been away for a while.
func (j *job) watch() (leave func()) {
	count := func(n int) int {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.watchers += n
		return j.watchers
	}
	count(1)
	return func() {
		if count(-1) > 0 || j.ended() {
			return
		}
		time.AfterFunc(abandoned, func() {
			if count(0) == 0 {
				j.cancel()
			}
		})
	}
}

// events tells what becomes of a job, until it has ended. Who reads slowly is told the last of what
// has happened meanwhile.
func (s *Server) events(w http.ResponseWriter, r *http.Request, j *job) {
	ctx, cancel := s.soon(r)
	defer cancel()
	defer j.watch()()
	c := unhurried(w)
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no")
	send := func(event string, data any) bool {
		text, ok := data.([]byte)
		if !ok {
			text, _ = json.Marshal(data)
		}
		_ = c.SetWriteDeadline(time.Now().Add(answerTime))
		_, err := fmt.Fprintf(w, "event: %s\ndata: %s\n\n", event, text)
		return err == nil && c.Flush() == nil
	}
	alive := time.NewTicker(5 * time.Second)
	defer alive.Stop()
	version, steps, ahead := 0, [2]int{}, -1
	for {
		j.mu.Lock()
		state, text, over := j.state, j.err, j.over()
		changed, nowVersion, nowSteps, result := j.changed, j.version, j.steps, j.result
		j.mu.Unlock()
		ok := true
		switch n := j.ahead(); {
		case state == queued && n != ahead:
			ahead = n
			ok = send("queued", map[string]int{"ahead": max(n, 0)})
		case nowSteps != steps && !over:
			steps = nowSteps
			ok = send("progress", map[string]int{"done": steps[0], "total": steps[1]})
		}
		if ok && nowVersion != version && !over {
			version = nowVersion
			ok = send("partial", result)
		}
		if !ok {
			return
		}
		if over {
			switch state {
			case done:
				send(done, result)
			case failed:
				send(failed, map[string]string{"error": say.Sprintf("%s", text)})
			default:
				send(cancelled, struct{}{})
			}
			return
		}
		select {
		case <-changed:
		case <-alive.C:
			if _, err := io.WriteString(w, ": alive\n\n"); err != nil || c.Flush() != nil {
				return
			}
		case <-ctx.Done():
			if s.ctx.Err() != nil {
				send(cancelled, struct{}{})
			}
			return
		}
	}
}

// run does quick work for a request.
func (s *Server) run(r *http.Request, f func()) error {
	ctx, cancel := s.soon(r)
	defer cancel()
	return s.engine.do(ctx, &s.engine.quick, f)
}
