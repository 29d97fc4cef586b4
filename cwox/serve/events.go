package serve

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"cwox/internal/say"
)

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
