//go:build !js

package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// probe holds the page and tells the test what that shows: of the scene, and then of a picture
// that is chosen.
const probe = `<!DOCTYPE html><iframe id="page" src="/page"></iframe><script>
const frame = document.getElementById("page");
const at = (id) => frame.contentDocument.getElementById(id);
const read = (url) => new Promise((done, fail) => {
  const r = new XMLHttpRequest();
  r.open("GET", url);
  r.onload = () => done(r.responseText);
  r.onerror = fail;
  r.send();
});
async function shown() {
  for (;;) {
    const said = at("say") && at("say").textContent;
    if (said && !/unpacked|being/.test(said)) {
      if (at("result").hidden) return {said};
      return {said, sha256: at("sha256").textContent, command: at("proof").hidden ? "" : at("command").textContent,
        report: await read(at("report").href), page: await read(at("page").src)};
    }
    await new Promise((done) => setTimeout(done, 200));
  }
}
async function choose(name, data) {
  const chosen = new frame.contentWindow.DataTransfer();
  chosen.items.add(new frame.contentWindow.File([data], name));
  at("file").files = chosen.files;
  at("say").textContent = "being chosen";
  at("file").dispatchEvent(new Event("change"));
  return shown();
}
onload = async () => {
  const scene = await shown();
  const canvas = document.createElement("canvas");
  canvas.width = 300; canvas.height = 200;
  const picture = await choose("chosen.png", await new Promise((done) => canvas.toBlob(done)));
  const broken = await choose("broken.png", "no picture");
  fetch("/shown", {method: "POST", body: JSON.stringify([scene, picture, broken])});
};
</script>`

// TestPage opens the page in a browser and compares what that shows with what the command line
// makes in the portable tier: maps and report.
func TestPage(t *testing.T) {
	if testing.Short() {
		t.Skip("builds two programs and starts a browser")
	}
	browser, err := exec.LookPath("chromium")
	if err != nil {
		t.Skip(err)
	}
	page, program, err := makePage()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the page has %.1f MB, %.1f MB of that the program", float64(len(page))/1e6, float64(program)/1e6)
	type shown struct{ Said, SHA256, Command, Report, Page string }
	result := make(chan []shown, 1)
	mux := http.NewServeMux()
	for path, text := range map[string]string{"/{$}": probe, "/page": page} {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = w.Write([]byte(text))
		})
	}
	mux.HandleFunc("POST /shown", func(_ http.ResponseWriter, r *http.Request) {
		var all []shown
		if err := json.NewDecoder(r.Body).Decode(&all); err != nil || len(all) != 3 {
			t.Error(err, all)
		}
		result <- append(all, make([]shown, 3)...)
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	ctx, cancel := context.WithTimeout(t.Context(), 9*time.Minute)
	defer cancel()
	// As root, and in containers, Chromium has no sandbox.
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
		"--user-data-dir="+t.TempDir(), "--remote-debugging-port=0", server.URL)
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var all []shown
	select {
	case all = <-result:
	case <-ctx.Done():
		t.Error("the browser shows nothing in time")
	}
	cancel()
	_ = cmd.Wait() // killed
	if t.Failed() {
		return
	}
	got, picture, broken := all[0], all[1], all[2]
	t.Log(got.Said)
	if len(picture.SHA256) != 64 || picture.SHA256 == got.SHA256 || picture.Command != "" || !strings.Contains(picture.Report, `"file": "chosen.png"`) {
		t.Errorf("of a chosen picture the page says %q: %.300s", picture.Said, picture.Report)
	}
	if want := "broken.png: not a JPEG"; !strings.Contains(broken.Said, want) || broken.SHA256 != "" {
		t.Errorf("of what is no picture the page says %q, want %q ...", broken.Said, want)
	}
	if got.SHA256 == "" {
		t.Fatalf("the page says %q", got.Said)
	}

	dir := filepath.Join(t.TempDir(), "demo")
	demo := exec.CommandContext(t.Context(), "go", "run", "cwox/cmd/cwox", "demo", "-o", dir)
	demo.Env = append(os.Environ(), "CWOX_ISA=ref")
	if said, err := demo.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	read := func(name string) string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if want := fmt.Sprintf("%x", sha256.Sum256([]byte(read("maps.safetensors")))); got.SHA256 != want {
		t.Errorf("the page shows maps with the sum %s, the command line's have %s", got.SHA256, want)
	}
	if want := "CWOX_ISA=ref cwox demo --seed 893 && sha256sum cwox-demo/maps.safetensors"; got.Command != want {
		t.Errorf("the page says %q gives the same, want %q", got.Command, want)
	}
	plain := func(report string) string { // without what differs from run to run
		report = regexp.MustCompile(`(?s)"seconds": \{.*?\}`).ReplaceAllString(report, "")
		return regexp.MustCompile(`"file": ".*?"`).ReplaceAllString(report, "")
	}
	for what, pair := range map[string][2]string{"report": {got.Report, read("report.json")}, "page": {got.Page, read("index.html")}} {
		got, want := strings.Split(plain(pair[0]), "\n"), strings.Split(plain(pair[1]), "\n")
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Errorf("the %s has %d lines, the command line's %d; from line %d on:\n%.300s\n%.300s", what, len(got), len(want), i+1,
					strings.Join(got[min(i, len(got)):], "\n"), strings.Join(want[min(i, len(want)):], "\n"))
				break
			}
		}
	}
}
