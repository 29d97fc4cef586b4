package serve

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSoak has 64 clients at a server for as long as CWOX_SOAK says, such as 10m: they upload, explain,
// move classes, erase, cancel, save, and come again when the server is busy. No accepted job may be
// lost, memory may not grow, and no client may have much less than the others of its kind.
func TestSoak(t *testing.T) {
	span, err := time.ParseDuration(os.Getenv("CWOX_SOAK"))
	if err != nil {
		t.Skip("CWOX_SOAK=10m runs it")
	}
	const clients = 64
	s := start(t, func(c *Config) { c.MaxMemory = 512 << 20 })
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 2 * clients}}
	begin := time.Now()
	var mu sync.Mutex
	rounds, work := make([]int, clients), make([]string, clients) // what a round of the client is
	kinds := map[string]int{}
	var probes []time.Duration
	count := func(what string) { mu.Lock(); kinds[what]++; mu.Unlock() }

	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			c := &soakClient{web: web, url: s.web.URL, count: count, rng: rand.New(rand.NewPCG(uint64(n), 1))}
			raw := drawn(uint64(1000 + n))
			for time.Since(begin) < span {
				took, err := c.round(raw, n%8 == 0)
				if err != nil {
					t.Errorf("client %d: %v", n, err)
					return
				}
				mu.Lock()
				rounds[n]++
				work[n] = fmt.Sprintf("Grad-CAM of %d classes", c.classes)
				if n%8 == 0 {
					work[n] = fmt.Sprintf("RISE of %d classes", c.classes)
				}
				probes = append(probes, took...)
				mu.Unlock()
			}
		})
	}
	var heap []uint64
	ticks := time.NewTicker(span / 20)
	defer ticks.Stop()
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	for running := true; running; {
		select {
		case <-ended:
			running = false
		case <-ticks.C:
			runtime.GC()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			heap = append(heap, m.HeapAlloc)
		}
	}
	groups := map[string][]float64{} // rounds of clients that ask for as much
	for n, r := range rounds {
		groups[work[n]] = append(groups[work[n]], float64(r))
	}
	for _, name := range slices.Sorted(maps.Keys(groups)) {
		var sum, squares float64
		for _, r := range groups[name] {
			sum, squares = sum+r, squares+r*r
		}
		count := float64(len(groups[name]))
		fair := sum * sum / (count * squares) // Jain's index: 1 where all have the same
		t.Logf("%s: %.0f clients, %.0f rounds, at least %.0f each, Jain's index %.3f", name, count, sum, slices.Min(groups[name]), fair)
		if !(fair > 0.9) {
			t.Errorf("%s: rounds %v", name, groups[name])
		}
	}
	slices.Sort(probes)
	t.Logf("%v; %d strokes, half of them within %v, 95 %% within %v", kinds, len(probes), probes[len(probes)/2], probes[len(probes)*95/100])
	t.Logf("heap in MB: %s", megabytes(heap))
	half := len(heap) / 2
	if early, late := slices.Max(heap[half/2:half]), slices.Max(heap[half:]); float64(late) > 1.15*float64(early) {
		t.Errorf("the heap grows: %d MB in the second quarter, %d later", early>>20, late>>20)
	}
	if n := kinds["accepted"] - kinds[done] - kinds[cancelled]; n != 0 {
		t.Errorf("%d accepted jobs were lost: %v", n, kinds)
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	for _, j := range s.store.jobs {
		if !j.ended() {
			t.Errorf("a job is still %s", j.state)
		}
	}
}

func megabytes(sizes []uint64) string {
	var parts []string
	for _, n := range sizes {
		parts = append(parts, strconv.FormatUint(n>>20, 10))
	}
	return strings.Join(parts, " ")
}

// soakClient is somebody at the page.
type soakClient struct {
	web   *http.Client
	url   string
	count func(what string)
	rng   *rand.Rand

	classes int // of its picture
}

// round explains a picture, moves a class, erases five times, and now and then saves or cancels.
func (c *soakClient) round(raw []byte, slow bool) (probes []time.Duration, err error) {
	settings := `{}`
	if slow {
		settings = `{"masks":400,"effects":false}`
	}
	id, end, text, err := c.explain(map[string]string{"image=scene.png": string(raw), "settings": settings}, slow && c.rng.IntN(4) == 0)
	if err != nil || end != done {
		return nil, err
	}
	var r result
	if err := json.Unmarshal(text, &r); err != nil {
		return nil, err
	}
	c.classes = len(r.Top)
	if !slow && len(r.Top) > 1 {
		clusters := [][]int{{r.Top[0].Class, r.Top[1].Class}}
		for _, x := range r.Top[2:] {
			clusters = append(clusters, []int{x.Class})
		}
		set, _ := json.Marshal(map[string]any{"clusters": clusters})
		if _, _, _, err := c.explain(map[string]string{"of": id, "settings": string(set)}, false); err != nil {
			return nil, err
		}
	}
	mask := bytes.Repeat([]byte{255}, 224*224)
	for range 5 {
		at := c.rng.IntN(200 * 224)
		clear(mask[at : at+20*224])
		start := time.Now()
		status, _, err := c.send("POST", "/api/jobs/"+id+"/probe", "application/octet-stream", mask)
		if err != nil {
			return nil, err
		}
		if status == http.StatusNotFound { // forgotten for newer ones
			c.count("forgotten")
			return probes, nil
		}
		probes = append(probes, time.Since(start))
	}
	if c.rng.IntN(10) == 0 {
		status, text, err := c.send("GET", "/api/jobs/"+id+"/report.zip", "", nil)
		if err != nil || status == 200 && !bytes.HasPrefix(text, []byte("PK")) {
			return nil, fmt.Errorf("report: %d, %v", status, err)
		}
		c.count("saved")
	}
	return probes, nil
}

// send sends a request, again and again while the server is busy.
func (c *soakClient) send(method, path, kind string, body []byte) (int, []byte, error) {
	for {
		r, err := http.NewRequest(method, c.url+path, bytes.NewReader(body))
		if err != nil {
			return 0, nil, err
		}
		r.Header.Set("Content-Type", kind)
		answer, err := c.web.Do(r)
		if err != nil {
			return 0, nil, err
		}
		text, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != http.StatusTooManyRequests || err != nil {
			if answer.StatusCode >= 500 {
				err = fmt.Errorf("%s %s: %d %s", method, path, answer.StatusCode, text)
			}
			return answer.StatusCode, text, err
		}
		c.count("busy")
		after, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
		time.Sleep(time.Duration(after) * time.Second)
	}
}

// explain asks and follows the job to its end, or cancels it on the way.
func (c *soakClient) explain(fields map[string]string, cancel bool) (id, end string, text []byte, err error) {
	kind, body := form(fields)
	raw, _ := io.ReadAll(body)
	status, reply, err := c.send("POST", "/api/explain", kind, raw)
	if status == http.StatusNotFound {
		c.count("forgotten")
		return "", "", nil, nil
	}
	if err != nil || status != http.StatusAccepted {
		return "", "", nil, fmt.Errorf("explain: %d %.200s %v", status, reply, err)
	}
	c.count("accepted")
	var v struct{ ID string }
	if err := json.Unmarshal(reply, &v); err != nil {
		return "", "", nil, err
	}
	answer, err := c.web.Get(c.url + "/api/jobs/" + v.ID + "/events")
	if err != nil {
		return "", "", nil, err
	}
	defer answer.Body.Close()
	lines := bufio.NewReader(answer.Body)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return "", "", nil, fmt.Errorf("events ended with %q: %v", end, err)
		}
		if name, ok := bytes.CutPrefix(line, []byte("event: ")); ok {
			end = string(bytes.TrimSpace(name))
		}
		data, ok := bytes.CutPrefix(line, []byte("data: "))
		switch {
		case !ok:
		case end == failed:
			return "", "", nil, fmt.Errorf("failed: %s", data)
		case end == done || end == cancelled:
			c.count(end)
			return v.ID, end, data, nil
		case cancel && end != queued:
			cancel = false
			if _, _, err := c.send("DELETE", "/api/jobs/"+v.ID, "", nil); err != nil {
				return "", "", nil, err
			}
		}
	}
}
