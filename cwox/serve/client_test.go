package serve

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"image/png"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/internal/demo"
	"cwox/internal/drawnworld"
	"cwox/nn"
)

var demoClassifier = sync.OnceValues(func() (*cwox.Classifier, error) { return cwox.Demo(nn.CompileOptions{}) })

// scene is a drawn picture as a PNG file.
var scene = sync.OnceValue(func() []byte { return drawn(893) })

func drawn(seed uint64) []byte {
	var text bytes.Buffer
	if err := png.Encode(&text, drawnworld.New(seed, drawnworld.Options{}).Picture(demo.PictureSize).Image()); err != nil {
		panic(err)
	}
	return text.Bytes()
}

// testServer is a server of the demo network, whose settings are few: explainer, method, masks, top
// and clusters.
type testServer struct {
	*Server
	web   *httptest.Server
	end   context.CancelFunc
	ended chan struct{} // closed when nothing is computed any more
	t     testing.TB
}

func start(t testing.TB, change func(*Config)) *testServer {
	t.Helper()
	c, err := demoClassifier()
	if err != nil {
		t.Fatal(err)
	}
	tree := cwox.DefaultTree(c)
	cfg := Config{Classifier: c, Tree: tree, Settings: map[string]any{"explainer": "gradcam"},
		Examples: []Example{{"scene.png", func() ([]byte, error) { return scene(), nil }}},
		Options: func(settings map[string]json.RawMessage) (cwox.Options, error) {
			o := cwox.Options{Tree: tree, Effects: true}
			for name, value := range settings {
				var err error
				var text string
				switch name {
				case "top":
					err = json.Unmarshal(value, &o.TopK)
				case "clusters":
					err = json.Unmarshal(value, &o.Clusters)
				case "method":
					err = json.Unmarshal(value, &o.Method)
				case "effects":
					err = json.Unmarshal(value, &o.Effects)
				case "masks":
					var masks int
					err = json.Unmarshal(value, &masks)
					o.Explainer = &saliency.RISE{Cluster: saliency.RISEStage{Masks: masks}, Class: saliency.RISEStage{Masks: masks}}
				default:
					err = json.Unmarshal(value, &text)
					if err == nil {
						err = fmt.Errorf("unknown setting %q", name)
					}
				}
				if err != nil {
					return o, err
				}
			}
			if o.Explainer == nil {
				e, err := cwox.NewExplainer("gradcam", c, cwox.Paper)
				if err != nil {
					return o, err
				}
				o.Explainer = e
			}
			return o, o.Check(c)
		}}
	if change != nil {
		change(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); s.Run(ctx) }()
	web := httptest.NewServer(s.Handler())
	t.Cleanup(func() { cancel(); <-ended; web.Close() })
	return &testServer{s, web, cancel, ended, t}
}

// form is a body of multipart/form-data: fields by name, files as "name=file".
func form(fields map[string]string) (string, io.Reader) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		field, file, isFile := strings.Cut(name, "=")
		var part io.Writer
		if isFile {
			part, _ = w.CreateFormFile(field, file)
		} else {
			part, _ = w.CreateFormField(field)
		}
		io.WriteString(part, fields[name])
	}
	w.Close()
	return w.FormDataContentType(), &body
}

// send sends a request, with headers in pairs, and returns the answer with its body read.
func (s *testServer) send(method, path, contentType string, body io.Reader, headers ...string) (*http.Response, []byte) {
	s.t.Helper()
	r, err := http.NewRequest(method, s.web.URL+path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			r.Host = headers[i+1]
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	answer, err := s.web.Client().Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer, text
}

// ask puts a question and returns the status and the job's id or the error.
func (s *testServer) tryAsk(fields map[string]string) (int, string) {
	s.t.Helper()
	contentType, body := form(fields)
	answer, text := s.send("POST", "/api/explain", contentType, body)
	var v struct{ ID, Error string }
	if err := json.Unmarshal(text, &v); err != nil {
		s.t.Fatalf("%s: %v", text, err)
	}
	return answer.StatusCode, v.ID + v.Error
}

func (s *testServer) question(fields map[string]string) string {
	s.t.Helper()
	status, id := s.tryAsk(fields)
	if status != http.StatusAccepted {
		s.t.Fatalf("status %d: %s", status, id)
	}
	return id
}

type event struct {
	name string
	data []byte
}

// events follows a job to its end; each is called with what comes, if it is not nil.
func (s *testServer) follow(id string, each func(event)) (all []event) {
	s.t.Helper()
	answer, err := s.web.Client().Get(s.web.URL + "/api/jobs/" + id + "/events")
	if err != nil {
		s.t.Fatal(err)
	}
	defer answer.Body.Close()
	if kind := answer.Header.Get("Content-Type"); kind != "text/event-stream" {
		s.t.Fatalf("events are %s", kind)
	}
	lines := bufio.NewReader(answer.Body)
	var e event
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return all
		}
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			e.name = strings.TrimSpace(name)
		}
		if data, ok := strings.CutPrefix(line, "data: "); ok {
			e.data = []byte(data)
			all = append(all, e)
			if each != nil {
				each(e)
			}
		}
	}
}

// answered follows a job and wants it done.
func (s *testServer) answered(id string) *result {
	s.t.Helper()
	all := s.follow(id, nil)
	if len(all) == 0 || all[len(all)-1].name != done {
		s.t.Fatalf("the job ended with %.300s", all)
	}
	r := new(result)
	if err := json.Unmarshal(all[len(all)-1].data, r); err != nil {
		s.t.Fatal(err)
	}
	return r
}
