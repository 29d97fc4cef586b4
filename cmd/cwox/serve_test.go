package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"mime/multipart"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/internal/demo"
	"cwox/nn"
)

// served is 'cwox serve' as a process of its own.
type served struct {
	*exec.Cmd
	address string // with the token, if there is one
	stderr  *bytes.Buffer
}

// base is the address without the token.
func (s *served) base() string { base, _, _ := strings.Cut(s.address, "#"); return base }

func startServe(t *testing.T, args ...string) *served {
	t.Helper()
	s := &served{Cmd: program(append([]string{"serve"}, args...)...), stderr: new(bytes.Buffer)}
	s.Stderr = s.stderr
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Process.Kill(); _ = s.Wait() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = s.Wait()
		t.Fatalf("no address: %v, %s", err, s.stderr)
	}
	s.address = strings.TrimSpace(line)
	return s
}

// upload asks about a file and returns the status and the answer.
func (s *served) upload(t *testing.T, name string, raw []byte, settings string, token string) (*http.Response, map[string]string) {
	t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	part, _ := w.CreateFormFile("image", name)
	_, _ = part.Write(raw)
	_ = w.WriteField("settings", settings)
	w.Close()
	r, err := http.NewRequest("POST", s.base()+"api/explain", &body)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", w.FormDataContentType())
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	v := map[string]string{}
	_ = json.NewDecoder(answer.Body).Decode(&v)
	return answer, v
}

// get reads a path to its end.
func (s *served) get(t *testing.T, path, token string) (int, []byte) {
	t.Helper()
	r, err := http.NewRequest("GET", s.base()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, text
}

// unzip unpacks an archive into a folder.
func unzip(t *testing.T, archive []byte, dir string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(archive), int64(len(archive)))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(dir, z); err != nil {
		t.Fatal(err)
	}
}

// TestServe: a report that the server makes is one that verify accepts, by each explainer, and where
// clusters were given; whoever has no token gets nothing where one is asked for.
func TestServe(t *testing.T) {
	s := startServe(t, "--model", "demo", "--token")
	_, token, ok := strings.Cut(s.address, "#token=")
	if !ok || len(token) < 26 || !strings.HasPrefix(s.address, "http://127.0.0.1:") {
		t.Fatalf("the address is %q", s.address)
	}
	scene, err := drawnExample(demo.SceneSeed).Read()
	if err != nil {
		t.Fatal(err)
	}
	if answer, _ := s.upload(t, "scene.png", scene, "{}", ""); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", answer.StatusCode)
	}
	for name, settings := range map[string]string{
		"gradcam": `{}`,
		"given":   `{"clusters":[["oar boat","dormer house"],[20]],"explainer":"mwp"}`,
		"rise":    `{"explainer":"rise","rise-masks":[30,20],"rise-quality":"debiased","seed":3}`,
		"lime":    `{"explainer":"lime","limesamples":40,"lime-superpixels":"slic","top":2}`,
		"swox":    `{"method":"swox","variant":"reference","effects":false}`,
	} {
		answer, v := s.upload(t, name+".png", scene, settings, token)
		if answer.StatusCode != http.StatusAccepted {
			t.Errorf("%s: %d %v", name, answer.StatusCode, v)
			continue
		}
		if _, events := s.get(t, "api/jobs/"+v["id"]+"/events", token); !strings.Contains(string(events), "event: done") {
			t.Errorf("%s: %.500s", name, events)
			continue
		}
		status, archive := s.get(t, "api/jobs/"+v["id"]+"/report.zip", token)
		if status != 200 {
			t.Errorf("%s: %d %s", name, status, archive)
			continue
		}
		dir := t.TempDir()
		unzip(t, archive, dir)
		if code, out, errors := cli(t, "verify", filepath.Join(dir, name)); code != exitDone {
			t.Errorf("%s: verify ends with %d: %s%s", name, code, out, errors)
		}
	}
	for settings, want := range map[string]string{
		`{"weights":"/etc/passwd"}`:                         `unknown setting "weights"`,
		`{"tree":"/etc/passwd"}`:                            `unknown setting "tree"`,
		`{"labels":"/etc/passwd"}`:                          `unknown setting "labels"`,
		`{"output":"/tmp/x"}`:                               `unknown setting "output"`,
		`{"learn-tree":"/tmp"}`:                             `unknown setting "learn-tree"`,
		`{"top":0}`:                                         "top",
		`{"top":99}`:                                        "want 1 to 36",
		`{"classes":["no such thing"]}`:                     "no such thing",
		`{"explainer":"magic"}`:                             "want gradcam",
		`{"method":"swox,cwox2s"}`:                          "one method",
		`{"rise-masks":5}`:                                  "a setting of rise, and the explainer is gradcam",
		`{"cluster-layer":"nowhere","explainer":"gradcam"}`: "",
	} {
		answer, v := s.upload(t, "scene.png", scene, settings, token)
		if answer.StatusCode == http.StatusAccepted && want == "" { // found out by the engine
			if _, events := s.get(t, "api/jobs/"+v["id"]+"/events", token); !strings.Contains(string(events), "nowhere") || !strings.Contains(string(events), "event: failed") {
				t.Errorf("%s: %.500s", settings, events)
			}
			continue
		}
		if answer.StatusCode != http.StatusBadRequest || !strings.Contains(v["error"], want) {
			t.Errorf("%s: %d %q, want %q", settings, answer.StatusCode, v["error"], want)
		}
	}
}

// TestServeEnds: a signal ends the server, with requests under way, as it ends other commands.
func TestServeEnds(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("signals are Unix's")
	}
	scene, err := drawnExample(demo.SceneSeed).Read()
	if err != nil {
		t.Fatal(err)
	}
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		s := startServe(t, "--model", "demo", "--explainer", "rise", "--rise-masks", "300000")
		_, v := s.upload(t, "scene.png", scene, "{}", "")
		answer, err := http.Get(s.base() + "api/jobs/" + v["id"] + "/events")
		if err != nil {
			t.Fatal(err)
		}
		events := bufio.NewReader(answer.Body)
		if _, err := events.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		_ = s.Process.Signal(sig)
		rest, _ := io.ReadAll(events)
		answer.Body.Close()
		_ = s.Wait()
		if code := s.ProcessState.ExitCode(); code != 128+int(sig) || !strings.Contains(s.stderr.String(), "cwox: interrupted") {
			t.Errorf("%v: exit code %d, %s", sig, code, s.stderr)
		}
		if !strings.Contains(string(rest), "event: cancelled") {
			t.Errorf("%v: the events end with %.300s", sig, rest)
		}
	}
}

// TestServeUsage: what cannot be served is refused before anything is listened to for long.
func TestServeUsage(t *testing.T) {
	for _, tt := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--listen", "nowhere"}, exitUsage, "--listen nowhere"},
		{[]string{"--queue", "0"}, exitUsage, "queue"},
		{[]string{"--explainer", "magic"}, exitUsage, "want gradcam"},
		{[]string{"no such folder"}, exitFailed, "no such folder"},
		{[]string{"--output", "x"}, exitUsage, "unknown flag"},
	} {
		if code, _, stderr := cli(t, append([]string{"serve", "--model", "demo"}, tt.args...)...); code != tt.code || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q: exit code %d, %q", tt.args, code, stderr)
		}
	}
}

// TestServeFolders: what other commands have written is found, with the pictures that it is about.
func TestServeFolders(t *testing.T) {
	dir := t.TempDir()
	photo := filepath.Join(dir, "photos", "[a] photo.png")
	picture(t, photo, 3)
	picture(t, filepath.Join(dir, "photos", "b.png"), 5)
	out := filepath.Join(dir, "out [1]")
	if code, _, stderr := cli(t, "explain", "--model", "demo", "--quiet", "-o", out, photo); code != 0 {
		t.Fatal(stderr)
	}
	many := filepath.Join(dir, "many")
	if code, _, stderr := cli(t, "explain", "--model", "demo", "--quiet", "-o", many, filepath.Join(dir, "photos")); code != 0 {
		t.Fatal(stderr)
	}
	for name, want := range map[string]struct {
		args     []string
		examples []string
		page     string
	}{
		"pictures":    {[]string{filepath.Join(dir, "photos")}, []string{"[a] photo.png", "b.png"}, ""},
		"one picture": {[]string{photo}, []string{"[a] photo.png"}, ""},
		"a report":    {[]string{out}, []string{"[a] photo.png"}, "Report of [a] photo.png"},
		"reports":     {[]string{many}, []string{"[a] photo.png", "b.png"}, "Reports of 2 images"},
		"drawn":       {nil, []string{"scene-893.png"}, ""},
	} {
		s := startServe(t, append([]string{"--model", "demo"}, want.args...)...)
		_, text := s.get(t, "api/model", "")
		var m struct {
			Examples []string
			Pages    []struct{ Title, Path string }
		}
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err)
		}
		if len(m.Examples) < len(want.examples) || !reflect.DeepEqual(m.Examples[:len(want.examples)], want.examples) {
			t.Errorf("%s: examples %q, want %q", name, m.Examples, want.examples)
		}
		if want.page == "" {
			if m.Pages != nil {
				t.Errorf("%s: pages %v", name, m.Pages)
			}
			continue
		}
		if len(m.Pages) != 1 || m.Pages[0].Title != want.page {
			t.Errorf("%s: pages %v, want %q", name, m.Pages, want.page)
			continue
		}
		if status, page := s.get(t, "folder/"+m.Pages[0].Path, ""); status != 200 || !bytes.Contains(page, []byte("<!DOCTYPE html>")) {
			t.Errorf("%s: %d %.100s", name, status, page)
		}
	}
}

// TestQuestion: settings of a client are explain's flags; those of the server's command line are the
// defaults, unless they belong to something else than is asked for.
func TestQuestion(t *testing.T) {
	cl, err := cwox.Demo(nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	tree := cwox.DefaultTree(cl)
	for _, tt := range []struct {
		server   []string
		settings string
		check    func(o cwox.Options) any
		want     any
	}{
		{nil, `{}`, func(o cwox.Options) any { return o.Tree == tree && o.Effects && o.Method == cwox.CWOX2s }, true},
		{nil, `{"clusters":[["oar boat",20],[13]]}`, func(o cwox.Options) any { return o.Clusters }, [][]int{{22, 20}, {13}}},
		{nil, `{"classes":[22,"sail boat"]}`, func(o cwox.Options) any { return o.Classes }, []int{22, 20}},
		{nil, `{"classes":"oar boat,20"}`, func(o cwox.Options) any { return o.Classes }, []int{22, 20}},
		{nil, `{"top":3,"seed":18446744073709551615}`, func(o cwox.Options) any { return []uint64{uint64(o.TopK), o.Seed} }, []uint64{3, 1<<64 - 1}},
		{nil, `{"explainer":"rise","rise-masks":"50,20"}`, func(o cwox.Options) any { return o.Explainer.(*saliency.RISE).Class.Masks }, 20},
		{nil, `{"explainer":"rise","rise_masks":50}`, func(o cwox.Options) any { return o.Explainer.(*saliency.RISE).Class.Masks }, 50},
		{nil, `{"explainer":null,"top":""}`, func(o cwox.Options) any { return o.Explainer.Name() }, "gradcam"},
		{[]string{"--explainer", "rise", "--rise-masks", "70"}, `{}`, func(o cwox.Options) any { return o.Explainer.(*saliency.RISE).Cluster.Masks }, 70},
		{[]string{"--explainer", "rise", "--rise-masks", "70"}, `{"explainer":"gradcam"}`, func(o cwox.Options) any { return o.Explainer.Name() }, "gradcam"},
		{[]string{"--top", "2"}, `{}`, func(o cwox.Options) any { return o.TopK }, 2},
		{[]string{"--top", "2"}, `{"cumulative":0.5}`, func(o cwox.Options) any { return o.TopK }, 0},
		{[]string{"--variant", "reference", "--delta", "30"}, `{"variant":"paper"}`, func(o cwox.Options) any { return o.Delta }, 0.0},
		{[]string{"--clusters", "[[1,2],[3]]"}, `{}`, func(o cwox.Options) any { return o.Clusters }, [][]int{{1, 2}, {3}}},
		{[]string{"--clusters", "[[1,2],[3]]"}, `{"top":2}`, func(o cwox.Options) any { return o.Clusters }, [][]int(nil)},
		{[]string{"--seed", "7"}, `{}`, func(o cwox.Options) any { return o.Seed }, uint64(7)},
	} {
		var m modelFlags
		var f explainFlags
		c := &cobra.Command{Use: "serve"}
		m.add(c)
		f.addTree(c)
		f.addQuestion(c)
		f.addEffects(c)
		if err := c.ParseFlags(tt.server); err != nil {
			t.Fatal(err)
		}
		q := question{c, &m, cl, &cwox.Options{Tree: tree}}
		settings := map[string]json.RawMessage{}
		if err := json.Unmarshal([]byte(tt.settings), &settings); err != nil {
			t.Fatal(err)
		}
		o, err := q.options(settings)
		if err != nil {
			t.Errorf("%q, %s: %v", tt.server, tt.settings, err)
			continue
		}
		if got := tt.check(o); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%q, %s: %v, want %v", tt.server, tt.settings, got, tt.want)
		}
	}
}
