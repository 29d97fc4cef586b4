//go:build !js

package weights

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cwox/internal/place"
)

// content is what the servers of these tests have.
var content = func() []byte {
	b := make([]byte, 300_000)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return b
}()

var contentFile = func() KnownFile {
	sum := fmt.Sprintf("%x", sha256.Sum256(content))
	return KnownFile{Model: "x", Name: "x-" + sum[:8] + ".pth", SHA256: sum}
}()

// server answers each request with the next of its steps, the last one again and again,
// and notes the Range headers.
type server struct {
	*httptest.Server
	steps  []http.HandlerFunc
	ranges []string
}

func newServer(t *testing.T, steps ...http.HandlerFunc) *server {
	s := &server{steps: steps}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/models/"+contentFile.Name {
			t.Errorf("asked for %s", r.URL)
		}
		s.ranges = append(s.ranges, r.Header.Get("Range"))
		s.steps[min(len(s.ranges), len(s.steps))-1](w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// whole answers as a proper server does, ranges and all.
func whole(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

// ignoreRange sends everything, whatever was asked for.
func ignoreRange(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Length", fmt.Sprint(len(content)))
	w.Write(content)
}

// cut announces everything after the range's begin and sends n bytes of it.
func cut(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		begin := 0
		if h := r.Header.Get("Range"); h != "" {
			fmt.Sscanf(h, "bytes=%d-", &begin)
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", begin, len(content)-1, len(content)))
		}
		w.Header().Set("Content-Length", fmt.Sprint(len(content)-begin))
		if begin > 0 {
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(content[begin : begin+n])
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}
}

// hang sends n bytes and then nothing.
func hang(n int) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(len(content)))
		w.Write(content[:n])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}
}

func status(code int) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", code) }
}

func wrong(w http.ResponseWriter, _ *http.Request) { w.Write(make([]byte, 100)) }

func TestFetch(t *testing.T) {
	set(t, &fetchPause, time.Millisecond)
	set(t, &maxFetch, int64(len(content))+1000)
	half := len(content) / 2
	from := func(n int) string { return fmt.Sprintf("bytes=%d-", n) }
	cases := []struct {
		name   string
		there  []byte // the file, before
		part   []byte // NAME.part, before
		steps  []http.HandlerFunc
		ranges []string // asked for
		want   string   // of the error
		kept   int      // bytes of NAME.part after an error
	}{
		{name: "plain", steps: []http.HandlerFunc{whole}, ranges: []string{""}},
		{name: "already there", there: content, steps: []http.HandlerFunc{status(500)}},
		{name: "damaged", there: content[:5], steps: []http.HandlerFunc{whole}, ranges: []string{""}},
		{name: "all but the name", part: content, steps: []http.HandlerFunc{status(500)}},
		{name: "resume", part: content[:half], steps: []http.HandlerFunc{whole}, ranges: []string{from(half)}},
		{name: "resume where ranges are ignored", part: content[:half], steps: []http.HandlerFunc{ignoreRange}, ranges: []string{from(half)}},
		{name: "resume on wrong bytes", part: make([]byte, half), steps: []http.HandlerFunc{whole}, ranges: []string{from(half), ""}},
		{name: "resume on too many bytes", part: slices.Concat(content, content), steps: []http.HandlerFunc{whole}, ranges: []string{from(2 * len(content)), ""}},
		{name: "cut", steps: []http.HandlerFunc{cut(half), whole}, ranges: []string{"", from(half)}},
		{name: "cut again and again", steps: slices.Repeat([]http.HandlerFunc{cut(len(content) / 10)}, 10),
			ranges: []string{"", from(30_000), from(60_000), from(90_000), from(120_000), from(150_000), from(180_000), from(210_000), from(240_000), from(270_000)}},
		{name: "cut, then ranges ignored", steps: []http.HandlerFunc{cut(half), ignoreRange}, ranges: []string{"", from(half)}},
		{name: "busy", steps: []http.HandlerFunc{status(503), status(429), whole}, ranges: []string{"", "", ""}},
		{name: "wrong range", part: content[:half], steps: []http.HandlerFunc{
			func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Range", fmt.Sprintf("bytes 5-10/%d", len(content)))
				w.WriteHeader(http.StatusPartialContent)
			}, whole}, ranges: []string{from(half), ""}},

		{name: "not found", steps: []http.HandlerFunc{status(404)}, ranges: []string{""}, want: "the server answered 404 Not Found"},
		{name: "not found keeps what there is", part: content[:half], steps: []http.HandlerFunc{status(404)}, ranges: []string{from(half)}, want: "404", kept: half},
		{name: "always busy", steps: []http.HandlerFunc{status(503)}, ranges: []string{"", "", "", ""}, want: "503 Service Unavailable (gave up after 4 tries"},
		{name: "cut for good", steps: []http.HandlerFunc{cut(half), cut(0)}, ranges: []string{"", from(half), from(half), from(half), from(half)},
			want: fmt.Sprintf("gave up after 4 tries; the same command goes on after the %d bytes", half), kept: half},
		{name: "wrong content", steps: []http.HandlerFunc{wrong}, ranges: []string{""}, want: "wrong content: its SHA-256 is cd00e292c5970d3c5e2f0ffa5171e555bc46bfc4faddfb4a418b6840b86e79a3, want " + contentFile.SHA256},
		{name: "wrong content, resumed", part: content[:5], steps: []http.HandlerFunc{wrong}, ranges: []string{from(5)}, want: "wrong content"},
		{name: "too large, announced", steps: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Length", "1000000000000")
			w.WriteHeader(200)
		}}, ranges: []string{""}, want: "announces 1000000000000 bytes, at most 301000 are fetched"},
		{name: "too large, unannounced", steps: []http.HandlerFunc{func(w http.ResponseWriter, r *http.Request) {
			w.(http.Flusher).Flush()
			for range 100 {
				w.Write(content)
			}
		}}, ranges: []string{""}, want: "sends more than 301000 bytes"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "new")
			t.Setenv("CWOX_CACHE", dir)
			path := filepath.Join(dir, contentFile.Name)
			os.Mkdir(dir, 0o777)
			for p, b := range map[string][]byte{path: c.there, path + ".part": c.part} {
				if b != nil {
					if err := os.WriteFile(p, b, 0o666); err != nil {
						t.Fatal(err)
					}
				}
			}
			s := newServer(t, c.steps...)
			done, total := int64(-1), int64(-1)
			got, err := Fetch(t.Context(), contentFile, FetchOptions{BaseURL: s.URL + "/models/", Progress: func(d, n int64) { done, total = d, n }})
			if !slices.Equal(s.ranges, c.ranges) {
				t.Errorf("asked for the ranges %q, want %q", s.ranges, c.ranges)
			}
			part, partErr := os.ReadFile(path + ".part")
			if c.want == "" {
				if err != nil || got != path || !bytes.Equal(must(os.ReadFile(path)), content) {
					t.Fatalf("got %s, %v", got, err)
				}
				if partErr == nil {
					t.Error("the .part file is still there")
				}
				if len(c.ranges) > 0 && (done != int64(len(content)) || total != done) {
					t.Errorf("progress ends at %d of %d", done, total)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), s.URL+"/models/"+contentFile.Name) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			if strings.Count(err.Error(), s.URL) != 1 {
				t.Errorf("the error repeats the URL: %v", err)
			}
			if _, err := os.Stat(path); err == nil {
				t.Error("the file has its name in spite of the error")
			}
			if len(part) != c.kept || (partErr == nil) != (c.kept > 0) || !bytes.Equal(part, content[:c.kept]) {
				t.Errorf("%d bytes kept, want %d", len(part), c.kept)
			}
		})
	}
}

func TestFetchInterrupted(t *testing.T) {
	t.Setenv("CWOX_CACHE", t.TempDir())
	s := newServer(t, hang(100_000), whole)
	o := FetchOptions{BaseURL: s.URL + "/models"}
	ctx, cancel := context.WithCancel(t.Context())
	o.Progress = func(done, _ int64) {
		if done == 100_000 {
			cancel()
		}
	}
	_, err := Fetch(ctx, contentFile, o)
	if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "interrupted after 100000 bytes") {
		t.Errorf("error %v", err)
	}
	if _, err := Fetch(t.Context(), contentFile, o); err != nil {
		t.Error(err)
	}
	if want := []string{"", "bytes=100000-"}; !slices.Equal(s.ranges, want) {
		t.Errorf("asked for the ranges %q, want %q", s.ranges, want)
	}
}

// TestFetchProxy runs itself with a proxy in the environment, since net/http reads that
// only once.
func TestFetchProxy(t *testing.T) {
	if os.Getenv("HTTP_PROXY") != "" && os.Getenv("CWOX_TEST_PROXY") == "1" {
		if _, err := Fetch(t.Context(), contentFile, FetchOptions{BaseURL: "http://example.invalid/models"}); err != nil {
			t.Fatal(err)
		}
		return
	}
	asked := ""
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String()
		whole(w, r)
	}))
	defer proxy.Close()
	cmd := exec.Command(must(os.Executable()), "-test.run=^TestFetchProxy$")
	cmd.Env = append(os.Environ(), "CWOX_TEST_PROXY=1", "HTTP_PROXY="+proxy.URL, "NO_PROXY=", "CWOX_CACHE="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if want := "http://example.invalid/models/" + contentFile.Name; asked != want {
		t.Errorf("the proxy was asked for %q, want %q", asked, want)
	}
}

func TestFetchRedirect(t *testing.T) {
	t.Setenv("CWOX_CACHE", t.TempDir())
	plain := newServer(t, whole)
	secure := httptest.NewTLSServer(http.RedirectHandler(plain.URL+"/models/"+contentFile.Name, http.StatusFound))
	defer secure.Close()
	client := *secure.Client()
	client.CheckRedirect = defaultClient.CheckRedirect
	set(t, &fetchPause, time.Millisecond)
	_, err := Fetch(t.Context(), contentFile, FetchOptions{BaseURL: secure.URL, Client: &client})
	if err == nil || !strings.Contains(err.Error(), "redirected from https to http://") || len(plain.ranges) != 0 {
		t.Errorf("error %v", err)
	}
}

// TestFetchStalled has a server that stops: what came is kept, and the next request goes on.
func TestFetchStalled(t *testing.T) {
	t.Setenv("CWOX_CACHE", t.TempDir())
	set(t, &fetchPause, time.Millisecond)
	ticks := make(chan time.Time)
	set(t, &rateTicks, func() (<-chan time.Time, func()) { return ticks, func() {} })
	half := len(content) / 2
	arrived, stalled := make(chan bool), hang(half)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		go func() {
			<-arrived
			ticks <- time.Time{} // the half is enough for the first minute
			ticks <- time.Time{} // and nothing too little for the second
		}()
		stalled(w, r)
	}, whole)
	o := FetchOptions{BaseURL: s.URL + "/models", Progress: func(done, _ int64) {
		if done == int64(half) && len(s.ranges) == 1 {
			close(arrived)
		}
	}}
	if _, err := Fetch(t.Context(), contentFile, o); err != nil {
		t.Error(err)
	}
	if want := []string{"", fmt.Sprintf("bytes=%d-", half)}; !slices.Equal(s.ranges, want) {
		t.Errorf("asked for the ranges %q, want %q", s.ranges, want)
	}
}

// TestFetchSlow has a server that sends ten bytes a minute: that comes to an end.
func TestFetchSlow(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CWOX_CACHE", dir)
	set(t, &fetchPause, time.Millisecond)
	ticks := make(chan time.Time)
	set(t, &rateTicks, func() (<-chan time.Time, func()) { return ticks, func() {} })
	var s *server
	s = newServer(t, func(w http.ResponseWriter, r *http.Request) {
		begin := 10 * (len(s.ranges) - 1)
		if begin > 0 {
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", begin, len(content)-1, len(content)))
			w.WriteHeader(http.StatusPartialContent)
		}
		w.Write(content[begin : begin+10])
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	o := FetchOptions{BaseURL: s.URL + "/models", Progress: func(done, _ int64) {
		if done == int64(10*len(s.ranges)) {
			go func() { ticks <- time.Time{} }()
		}
	}}
	_, err := Fetch(t.Context(), contentFile, o)
	want := "only 10 bytes came in 1m0s, less than 1 KiB a second (gave up after 4 tries; the same command goes on after the 40 bytes it has)"
	if err == nil || !strings.Contains(err.Error(), want) || len(s.ranges) != 4 {
		t.Errorf("after %d requests: %v, want %s", len(s.ranges), err, want)
	}
	if part, _ := os.ReadFile(filepath.Join(dir, contentFile.Name+".part")); !bytes.Equal(part, content[:40]) {
		t.Errorf("%d bytes are kept, want 40", len(part))
	}
}

// TestFetchTwice has a second program fetch what a first one is fetching: it waits, and asks the
// server for nothing.
func TestFetchTwice(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CWOX_CACHE", dir)
	set(t, &fetchPause, time.Millisecond)
	lock, err := os.Create(filepath.Join(dir, "lock"))
	if err == nil {
		err = place.Lock(lock)
		lock.Close()
	}
	if err != nil {
		t.Skip(err)
	}
	half := len(content) / 2
	begun, waits := make(chan bool), make(chan bool)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Write(content[:half])
		w.(http.Flusher).Flush()
		close(begun)
		<-waits
		w.Write(content[half:])
	})
	first := make(chan error)
	go func() {
		_, err := Fetch(t.Context(), contentFile, FetchOptions{BaseURL: s.URL + "/models"})
		first <- err
	}()
	<-begun
	var once sync.Once
	path, err := Fetch(t.Context(), contentFile, FetchOptions{BaseURL: s.URL + "/models", Progress: func(done, _ int64) {
		once.Do(func() { close(waits) })
	}})
	if err := errors.Join(err, <-first); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(must(os.ReadFile(path)), content) || len(s.ranges) != 1 {
		t.Errorf("%d requests", len(s.ranges))
	}
	if _, err := os.Stat(path + ".part"); err == nil {
		t.Error("the .part file is still there")
	}
}

// TestFetchWholeHash refuses content of which only the eight digits in the name are right.
func TestFetchWholeHash(t *testing.T) {
	t.Setenv("CWOX_CACHE", t.TempDir())
	k := contentFile
	k.SHA256 = k.SHA256[:8] + strings.Repeat("0", 56)
	for range 2 { // a part file, too
		s := newServer(t, whole)
		if _, err := Fetch(t.Context(), k, FetchOptions{BaseURL: s.URL + "/models"}); err == nil || !strings.Contains(err.Error(), "wrong content: its SHA-256 is "+contentFile.SHA256+", want "+k.SHA256) {
			t.Error(err)
		}
		part := filepath.Join(os.Getenv("CWOX_CACHE"), k.Name)
		for _, name := range []string{part, part + ".part"} {
			if err := os.WriteFile(name, content, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestFetchOvertaken has another program, without locks, give the file its name first.
func TestFetchOvertaken(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CWOX_CACHE", dir)
	path := filepath.Join(dir, contentFile.Name)
	s := newServer(t, func(w http.ResponseWriter, r *http.Request) {
		if err := errors.Join(os.Remove(path+".part"), os.WriteFile(path, content, 0o666)); err != nil {
			t.Error(err)
		}
		whole(w, r)
	})
	got, err := Fetch(t.Context(), contentFile, FetchOptions{BaseURL: s.URL + "/models"})
	if err != nil || !bytes.Equal(must(os.ReadFile(got)), content) {
		t.Error(err)
	}
}

// TestFetchLink has a link at NAME.part: what it leads to is not touched.
func TestFetchLink(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CWOX_CACHE", dir)
	part := filepath.Join(dir, contentFile.Name+".part")
	for _, target := range []string{filepath.Join(t.TempDir(), "outside"), filepath.Join(dir, "inside"), filepath.Join(dir, "none")} {
		if filepath.Base(target) != "none" {
			if err := os.WriteFile(target, []byte("precious"), 0o666); err != nil {
				t.Fatal(err)
			}
		}
		os.Remove(part)
		if err := os.Symlink(target, part); err != nil {
			t.Skip(err)
		}
		s := newServer(t, whole)
		_, err := Fetch(t.Context(), contentFile, FetchOptions{BaseURL: s.URL + "/models"})
		if want := part + " is a link or no regular file: remove it"; err == nil || !strings.Contains(err.Error(), want) || len(s.ranges) > 0 {
			t.Errorf("%d requests, error %v, want %s", len(s.ranges), err, want)
		}
		if got, err := os.ReadFile(target); err == nil && string(got) != "precious" {
			t.Errorf("%s holds %q", target, got)
		} else if _, err := os.Lstat(filepath.Join(dir, "none")); err == nil {
			t.Error("the link was followed")
		}
	}
}

// TestFetchWrongURLs are refused at once, and show no secrets.
func TestFetchWrongURLs(t *testing.T) {
	t.Setenv("CWOX_CACHE", filepath.Join(t.TempDir(), "none"))
	for base, want := range map[string]string{
		"ftp://user:secret@example.invalid/models": "ftp://user:xxxxx@example.invalid/models: want a URL that begins with https:// or http://",
		"file:///models":                      "file:///models: want",
		"/models":                             "/models: want",
		"mirror.example/models":               "mirror.example/models: want",
		"http:///models":                      "http:///models: want",
		"http://user:secret@host:no port/":    "the folder to fetch from is no URL",
		"ftp://example.invalid/?token=secret": "ftp://example.invalid/?...: want",
	} {
		_, err := Fetch(t.Context(), contentFile, FetchOptions{BaseURL: base})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v, want %s", base, err, want)
		}
	}
	if _, err := os.Stat(os.Getenv("CWOX_CACHE")); err == nil {
		t.Error("a cache folder was made for nothing")
	}
}

// TestFetchAnswers are those of servers that end a fetch, at once where asking again does not
// help, with errors that no terminal obeys and that show no password.
func TestFetchAnswers(t *testing.T) {
	to := func(where string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, where, http.StatusFound) }
	}
	set(t, &fetchPause, time.Millisecond)
	line := func(code string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			io.WriteString(conn, "HTTP/1.1 "+code+" \x1b[31mred\x1b]0;title\a\r\nContent-Length: 0\r\n\r\n")
		}
	}
	for _, c := range []struct {
		name     string
		step     http.HandlerFunc
		want     string
		requests int
	}{
		{"to a file", to("file:///etc/passwd"), "redirected to file:///etc/passwd: want a URL", 1},
		{"to ftp", to("ftp://user:secret@example.invalid/x"), "redirected to ftp://user:xxxxx@example.invalid/x: want a URL", 1},
		{"to itself", to(contentFile.Name), "redirected ten times", 10},
		{"a status that drives terminals", line("404"), `the server answered 404 \x1b[31mred\x1b]0;title\x07`, 1},
		{"and one that may pass", line("503"), `the server answered 503 \x1b[31mred\x1b]0;title\x07 (gave up after 4 tries`, 4},
	} {
		t.Setenv("CWOX_CACHE", t.TempDir())
		s := newServer(t, c.step)
		base := strings.Replace(s.URL, "http://", "http://user:secret@", 1) + "/models/"
		_, err := Fetch(t.Context(), contentFile, FetchOptions{BaseURL: base})
		if err == nil || !strings.Contains(err.Error(), c.want) || len(s.ranges) != c.requests {
			t.Errorf("%s: %d requests, error %v, want %d, %s", c.name, len(s.ranges), err, c.requests, c.want)
		} else if strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "http://user:xxxxx@") {
			t.Errorf("%s: error %v", c.name, err)
		}
	}
}

// TestFetchCertificate: without the certificate of the server's authority the error says how to
// get it, at once.
func TestFetchCertificate(t *testing.T) {
	t.Setenv("CWOX_CACHE", t.TempDir())
	s := httptest.NewUnstartedServer(http.HandlerFunc(whole))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	_, err := Fetch(t.Context(), contentFile, FetchOptions{BaseURL: s.URL})
	if err == nil || !strings.Contains(err.Error(), "SSL_CERT_FILE") || !strings.Contains(err.Error(), "cwox weights verify") ||
		strings.Contains(err.Error(), "tries") {
		t.Errorf("error %v", err)
	}
}

func TestIdentify(t *testing.T) {
	set(t, &known, []KnownFile{{Model: "y", Name: "y.pth", SHA256: strings.Repeat("0", 64)}, contentFile})
	dir := t.TempDir()
	for name, c := range map[string]struct {
		content []byte
		want    KnownFile
	}{
		"carried.bin":    {content, contentFile},
		contentFile.Name: {content[1:], KnownFile{}},
		"empty":          {nil, KnownFile{}},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, c.content, 0o666); err != nil {
			t.Fatal(err)
		}
		k, sum, err := Identify(path)
		if err != nil || k != c.want || sum != fmt.Sprintf("%x", sha256.Sum256(c.content)) {
			t.Errorf("%s: %+v, %s, %v", name, k, sum, err)
		}
	}
	if _, _, err := Identify(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
}

func TestKnown(t *testing.T) {
	var models []string
	for _, k := range Known() {
		models = append(models, k.Model)
		rest, ok := strings.CutSuffix(k.Name, "-"+k.SHA256[:min(8, len(k.SHA256))]+".pth")
		if infix, its := strings.CutPrefix(rest, k.Model); !ok || !its || len(k.SHA256) != 64 || !slices.Contains([]string{"", "-owt", "_rwightman"}, infix) || k.URL() != "https://download.pytorch.org/models/"+k.Name {
			t.Errorf("%+v: URL %s", k, k.URL())
		}
		if got, err := LookupKnown(k.Model); got != k || err != nil {
			t.Errorf("%s: %+v, %v", k.Model, got, err)
		}
	}
	if want := []string{"resnet18", "resnet34", "resnet50", "resnet101", "resnet152", "googlenet", "squeezenet1_1", "mobilenet_v3_small", "mobilenet_v3_large", "efficientnet_b0", "alexnet", "vgg16", "vgg16_bn"}; !slices.Equal(models, want) {
		t.Errorf("models %v, want %v", models, want)
	}
	if _, err := LookupKnown("vgg"); err == nil || !strings.Contains(err.Error(), `"vgg"`) || !strings.Contains(err.Error(), "resnet50") {
		t.Errorf("vgg: %v", err)
	}
}

func TestCached(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("CWOX_CACHE", dir)
	want := filepath.Join(dir, "resnet18-f37072fd.pth")
	if path, ok := Cached("resnet18"); ok || path != want {
		t.Errorf("%s, %v before it is there", path, ok)
	}
	if err := os.WriteFile(want, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if path, ok := Cached("resnet18"); !ok || path != want {
		t.Errorf("%s, %v", path, ok)
	}
	if _, ok := Cached("vgg"); ok {
		t.Error("a model that is not known is cached")
	}
	t.Setenv("CWOX_CACHE", "")
	if runtime.GOOS == "linux" {
		t.Setenv("XDG_CACHE_HOME", "")
		t.Setenv("HOME", "")
		if _, err := CacheDir(); err == nil || !strings.Contains(err.Error(), "set CWOX_CACHE to a folder") {
			t.Errorf("without a home: %v", err)
		}
		if _, err := Fetch(t.Context(), contentFile, FetchOptions{}); err == nil || !strings.Contains(err.Error(), "set CWOX_CACHE to a folder") {
			t.Errorf("without a home: %v", err)
		}
	}
	t.Setenv("XDG_CACHE_HOME", dir)
	if got, err := CacheDir(); err != nil || filepath.Base(got) != "cwox" {
		t.Errorf("cache directory %s, %v", got, err)
	}
}

// set changes a variable for the length of a test.
func set[T any](t *testing.T, p *T, v T) {
	old := *p
	*p = v
	t.Cleanup(func() { *p = old })
}
