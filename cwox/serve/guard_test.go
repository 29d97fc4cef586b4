package serve

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// TestHost: only names that the server is known by are answered, whatever the path; a page that makes
// a name of its own point here (DNS rebinding) sends another.
func TestHost(t *testing.T) {
	local := start(t, func(c *Config) { c.Hosts = []string{"lab.example"} })
	public := start(t, func(c *Config) { c.Public, c.Token = true, "secret" })
	for _, tt := range []struct {
		host          string
		local, public bool
	}{
		{"127.0.0.1:80", true, true}, {"localhost:8080", true, true}, {"LOCALHOST.", true, true}, {"[::1]:80", true, true}, {"127.8.8.8", true, true},
		{"lab.example", true, false}, {"lab.example:443", true, false}, {"LAB.example", true, false},
		{"192.168.1.5:80", false, true}, {"[fe80::1]", false, true},
		{"evil.example", false, false}, {"evil.example:80", false, false}, {"localhost.evil.example", false, false}, {"127.0.0.1.evil.example", false, false},
		{"lab.example.evil.example", false, false}, {"127.1", false, false}, {"", false, false},
	} {
		for server, want := range map[*testServer]bool{local: tt.local, public: tt.public} {
			if got := server.known(tt.host); got != want {
				t.Errorf("host %q, public %v: known %v", tt.host, server.cfg.Public, got)
			}
		}
	}
	for _, path := range []string{"/", "/healthz", "/api/model", "/app.js"} {
		if answer, _ := local.send("GET", path, "", nil, "Host", "evil.example"); answer.StatusCode != http.StatusForbidden {
			t.Errorf("%s for a foreign host: %d", path, answer.StatusCode)
		}
	}
	contentType, body := form(map[string]string{"example": "0"})
	if answer, _ := local.send("POST", "/api/explain", contentType, body, "Host", "evil.example"); answer.StatusCode != http.StatusForbidden {
		t.Errorf("a question for a foreign host: %d", answer.StatusCode)
	}
}

// TestOrigin: what a foreign page has a browser send is refused, by its origin or by what the browser
// says of the site.
func TestOrigin(t *testing.T) {
	s := start(t, nil)
	own := "http://" + s.web.Listener.Addr().String()
	for _, tt := range []struct {
		method  string
		headers []string
		want    int
	}{
		{"GET", nil, 200},
		{"GET", []string{"Origin", own}, 200},
		{"GET", []string{"Origin", "http://evil.example"}, 403},
		{"GET", []string{"Origin", "null"}, 403},
		{"GET", []string{"Origin", "http://127.0.0.1:1"}, 403}, // another server of this machine
		{"POST", nil, 202},
		{"POST", []string{"Origin", own, "Sec-Fetch-Site", "same-origin"}, 202},
		{"POST", []string{"Origin", "http://evil.example"}, 403},
		{"POST", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", []string{"Sec-Fetch-Site", "same-site"}, 403},
		{"POST", []string{"Origin", "null"}, 403},
	} {
		path, contentType, body := "/api/model", "", io.Reader(nil)
		if tt.method == "POST" {
			path = "/api/explain"
			contentType, body = form(map[string]string{"example": "0"})
		}
		if answer, text := s.send(tt.method, path, contentType, body, tt.headers...); answer.StatusCode != tt.want {
			t.Errorf("%s with %q: %d %.100s, want %d", tt.method, tt.headers, answer.StatusCode, text, tt.want)
		}
	}
	id := s.question(map[string]string{"example": "0"})
	s.answered(id)
	if answer, _ := s.send("DELETE", "/api/jobs/"+id, "", nil, "Origin", "http://evil.example"); answer.StatusCode != 403 || s.store.get(id) == nil {
		t.Errorf("a foreign page deletes a job: %d", answer.StatusCode)
	}
}

// TestToken: without the token nothing is told but the page, which has nothing in it.
func TestToken(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte("<h1>report</h1>"), 0o666); err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := start(t, func(c *Config) { c.Token, c.Folder = "the-token", root })
	with := []string{"Authorization", "Bearer the-token"}
	for _, tt := range []struct {
		path    string
		headers []string
		want    int
	}{
		{"/", nil, 200}, {"/app.js", nil, 200}, {"/healthz", nil, 200},
		{"/api/model", nil, 401}, {"/api/model", []string{"Authorization", "Bearer the-tokem"}, 401},
		{"/api/model", []string{"Authorization", "Bearer "}, 401}, {"/api/model", []string{"Authorization", "the-token"}, 401},
		{"/api/model?token=the-token", nil, 401}, {"/api/model", with, 200},
		{"/api/examples/0", nil, 401}, {"/api/jobs/x/events", nil, 401}, {"/api/jobs/x", with, 404},
		{"/folder/", nil, 401}, {"/folder/", []string{"Cookie", folderCookie + "=guessed"}, 401}, {"/folder/", with, 401},
	} {
		if answer, text := s.send("GET", tt.path, "", nil, tt.headers...); answer.StatusCode != tt.want {
			t.Errorf("%s with %q: %d %.80s, want %d", tt.path, tt.headers, answer.StatusCode, text, tt.want)
		}
	}
	if answer, _ := s.send("POST", "/api/session", "", nil); answer.StatusCode != 401 {
		t.Errorf("a cookie without the token: %d", answer.StatusCode)
	}
	answer, _ := s.send("POST", "/api/session", "", nil, with...)
	cookies := answer.Cookies()
	if len(cookies) != 1 || !cookies[0].HttpOnly || cookies[0].Path != "/folder/" || strings.Contains(cookies[0].Value, "the-token") {
		t.Fatalf("cookies %v", cookies)
	}
	cookie := []string{"Cookie", cookies[0].Name + "=" + cookies[0].Value}
	if answer, text := s.send("GET", "/folder/", "", nil, cookie...); answer.StatusCode != 200 || string(text) != "<h1>report</h1>" {
		t.Errorf("the folder with its cookie: %d %s", answer.StatusCode, text)
	}
	if answer, _ := s.send("GET", "/api/model", "", nil, cookie...); answer.StatusCode != 401 {
		t.Errorf("the folder's cookie opens the interface: %d", answer.StatusCode)
	}
	if _, err := New(Config{Classifier: s.cfg.Classifier, Options: s.cfg.Options, Public: true}); err == nil {
		t.Error("others than this machine are listened to without a token")
	}
}

// TestFolder: a folder's files are served, what lies outside of it is not, nor is a list of them; its
// pages are of no origin.
func TestFolder(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{"secret.txt": "secret", "out/index.html": "all", "out/one/index.html": "one", "out/bare/map.txt": "map"} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	links := os.Symlink(filepath.Join(dir, "secret.txt"), filepath.Join(dir, "out", "link.txt")) == nil
	root, err := os.OpenRoot(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	s := start(t, func(c *Config) { c.Folder = root })
	for path, want := range map[string]string{
		"/folder/": "all", "/folder/one/": "one", "/folder/bare/map.txt": "map",
		"/folder/bare/": "404", "/folder/%2e%2e/secret.txt": "404", "/folder/..%2fsecret.txt": "404", "/folder/link.txt": "404",
	} {
		if strings.Contains(path, "link") && !links {
			continue
		}
		answer, text := s.send("GET", path, "", nil)
		if !strings.Contains(string(text), want) || strings.Contains(string(text), "secret") || want == "404" && answer.StatusCode != 404 {
			t.Errorf("%s: %d %s, want %s", path, answer.StatusCode, text, want)
		}
		if policy := answer.Header.Get("Content-Security-Policy"); answer.StatusCode == 200 && !strings.HasPrefix(policy, "sandbox ") || strings.Contains(policy, "allow-same-origin") {
			t.Errorf("%s: policy %q", path, policy)
		}
	}
}

// TestHeaders: every answer says how it may be used; the page's scripts and styles are in files.
func TestHeaders(t *testing.T) {
	s := start(t, nil)
	id := s.question(map[string]string{"example": "0"})
	s.answered(id)
	for _, path := range []string{"/", "/app.js", "/style.css", "/healthz", "/api/model", "/api/jobs/" + id, "/api/jobs/" + id + "/picture", "/api/jobs/" + id + "/report.zip", "/nothing"} {
		answer, text := s.send("GET", path, "", nil)
		for name, want := range map[string]string{"Content-Security-Policy": pagePolicy, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
			"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": ""} {
			if got := answer.Header.Get(name); got != want && !(path == "/nothing" && name == "Cache-Control") {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
		if kind := answer.Header.Get("Content-Type"); path == "/app.js" && !strings.HasPrefix(kind, "text/javascript") {
			t.Errorf("%s is %s, and no browser runs it", path, kind)
		}
		_ = text
	}
	for _, forbidden := range []string{"unsafe-inline", "unsafe-eval", "http:", "https:", "*"} {
		if strings.Contains(pagePolicy, forbidden) {
			t.Errorf("the page's policy allows %s", forbidden)
		}
	}
	page, err := pageFiles.ReadFile("page/index.html")
	if err != nil {
		t.Fatal(err)
	}
	if bad := regexp.MustCompile(`(?i)<script(>|[^>]*[^>]>[^<])|<style|\son[a-z]+=|\sstyle=|javascript:|https?://`).Find(page); bad != nil {
		t.Errorf("the page has %q in it, which its policy forbids", bad)
	}
	files, err := pageFiles.ReadDir("page")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := pageFiles.ReadFile("page/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		if bad := regexp.MustCompile(`(?:innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|setAttribute\("style"|["'(]https?://)`).FindAll(text, -1); len(bad) > 0 && !bytes.Contains(text, []byte("www.w3.org")) {
			t.Errorf("%s has %q in it: text becomes markup, or something is loaded", f.Name(), bad)
		}
	}
}

// TestGetChangesNothing: reading, by whatever address, leaves jobs and work as they are.
func TestGetChangesNothing(t *testing.T) {
	s := start(t, nil)
	id := s.question(map[string]string{"example": "0", "settings": `{"effects":false}`})
	s.answered(id)
	before := len(s.store.jobs)
	for _, path := range []string{"/api/explain?example=0", "/api/jobs/" + id, "/api/jobs/" + id + "/events", "/api/jobs/" + id + "/probe", "/api/jobs/" + id + "/curve",
		"/api/jobs/" + id + "/report.zip", "/api/session", "/api/examples/0", "/api/model"} {
		answer, _ := s.send("GET", path, "", nil)
		if len(answer.Cookies()) > 0 {
			t.Errorf("%s sets a cookie", path)
		}
	}
	if len(s.store.jobs) != before || s.engine.waiting() != 0 || s.store.get(id) == nil || s.store.get(id).state != done {
		t.Error("reading has changed something")
	}
}

// TestSlowClients: who does not send its header, or its body, or who does not read, is left.
func TestSlowClients(t *testing.T) {
	for name, d := range map[string]time.Duration{"header": headerTime, "body": bodyTime, "answer": answerTime, "idle": idleTime} {
		if d <= 0 || d > 5*time.Minute {
			t.Errorf("the time for the %s is %v", name, d)
		}
	}
	s := start(t, nil)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	server, err := New(s.cfg)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(ctx, l) }()
	answer, err := http.Get("http://" + l.Addr().String() + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	big, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer big.Close()
	go io.WriteString(big, "GET / HTTP/1.1\r\nHost: localhost\r\nX: "+strings.Repeat("x", 1<<20)+"\r\n\r\n") // it may be left before all is sent
	reply := make([]byte, 12)
	if _, err := io.ReadFull(big, reply); err != nil || string(reply) != "HTTP/1.1 431" {
		t.Errorf("a header of a megabyte: %q, %v", reply, err)
	}
	cancel()
	if err := <-ended; err != context.Canceled {
		t.Errorf("the server ended with %v", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the port is still open")
	}
}
