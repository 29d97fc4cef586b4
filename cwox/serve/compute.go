package serve

import (
	"errors"
	"net/http"
	"path"
	"strings"
	"time"

	"cwox/cwox"
	"cwox/cwox/saliency"
)

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

// run does quick work for a request.
func (s *Server) run(r *http.Request, f func()) error {
	ctx, cancel := s.soon(r)
	defer cancel()
	return s.engine.do(ctx, &s.engine.quick, f)
}
