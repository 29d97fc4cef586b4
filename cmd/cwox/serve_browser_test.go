package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"cwox/internal/demo"
)

// browserTime is how long the browser may take for anything before a test fails.
const browserTime = 90 * time.Second

// tab is a page in a real browser.
type tab struct {
	context.Context
	t *testing.T

	mu     sync.Mutex
	errors []string // that the page has met
}

// openTab opens an address in chromium, or skips the test where there is none.
func openTab(t *testing.T, address string, width, height int) *tab {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		if os.Getenv("CWOX_REQUIRE_BROWSER") == "1" {
			t.Fatal("no chromium here (CWOX_REQUIRE_BROWSER=1)")
		}
		t.Skip("no chromium here: the page is not tried")
	}
	parent, kill := context.WithTimeout(context.Background(), 3*browserTime)
	allocator, _ := chromedp.NewExecAllocator(parent, chromedp.Headless, chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.ExecPath(program),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()), chromedp.WindowSize(width, height), chromedp.Flag("disable-background-networking", true))
	ctx, cancel := chromedp.NewContext(allocator)
	b := &tab{Context: ctx, t: t}
	t.Cleanup(func() { // a browser that does not end by itself in a while is ended
		closed := make(chan struct{})
		go func() { cancel(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
		}
		kill()
		<-closed
	})
	err := chromedp.Listen(ctx, func(e any) {
		text := ""
		switch e := e.(type) {
		case *runtime.EventExceptionThrown:
			text = fmt.Sprintf("%s at %s:%d", e.ExceptionDetails.Text, e.ExceptionDetails.URL, e.ExceptionDetails.LineNumber)
		case *cdplog.EventEntryAdded:
			if e.Entry.Level == cdplog.EntryLevelError {
				text = e.Entry.Text + " " + e.Entry.URL
			}
		}
		if text != "" {
			b.mu.Lock()
			b.errors = append(b.errors, text)
			b.mu.Unlock()
		}
	})
	if err == nil {
		_, err = chromedp.Call(ctx, cdplog.Enable, cdp.Empty{})
	}
	if err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.EmulateViewport(int64(width), int64(height)), chromedp.Navigate(address))
	return b
}

func (b *tab) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	if err := chromedp.Do(b, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// eval evaluates an expression of the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	v, err := chromedp.Run(b, chromedp.Evaluate[T](expression))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return v
}

// wait waits until an expression is true.
func (b *tab) wait(what, expression string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b, browserTime)
	defer cancel()
	if err := chromedp.Do(ctx, chromedp.Poll[chromedp.Void](expression, chromedp.WithPollingTimeout(browserTime))); err != nil {
		state, _ := chromedp.Run(b, chromedp.Evaluate[string](`document.getElementById("alert").textContent + " | " + document.getElementById("status").textContent + " | " + document.getElementById("bars").textContent`))
		b.t.Fatalf("%s: %v (%s): %s", what, err, expression, state)
	}
}

// settled waits until nothing is being computed.
func (b *tab) settled() {
	b.t.Helper()
	b.wait("an answer", `!document.getElementById("save").disabled && !document.querySelector(".outdated")`)
}

// drag moves the mouse, pressed, from a place to another, both expressions of [x, y].
func (b *tab) drag(from, to string) {
	b.t.Helper()
	a, z := eval[[2]float64](b, from), eval[[2]float64](b, to)
	b.do(chromedp.DragAndDropXY(a[0], a[1], z[0], z[1], 8))
}

// middle is the middle of an element, moved by shares of its sides; the element is in view then.
func middle(selector string, dx, dy float64) string {
	return fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: "center"}); const b = e.getBoundingClientRect();
		return [b.x + b.width * (0.5 + %g), b.y + b.height * (0.5 + %g)]; })()`, selector, dx, dy)
}

// choose sets a control as a person does.
func (b *tab) choose(selector, value string) {
	b.t.Helper()
	eval[bool](b, fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.value = %q; for (const n of ["input", "change"]) e.dispatchEvent(new Event(n, {bubbles: true})); return true; })()`, selector, value))
}

// clean wants no error of the page.
func (b *tab) clean() {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, e := range b.errors {
		b.t.Errorf("the page: %s", e)
	}
}

const cluster = `[...document.querySelectorAll(".cluster")].map(c => [...c.querySelectorAll("[data-class]")].map(t => t.dataset.class).join(" ")).join(" | ")`

// TestPage does in a real browser what a person does: looks, uploads, moves classes by mouse and
// keyboard, erases, follows the curve, waits for RISE and cancels it, saves, and sends the address.
func TestPage(t *testing.T) {
	s := startServe(t, "--model", "demo")
	b := openTab(t, s.address, 1280, 1000)
	b.settled()
	if got := eval[string](b, cluster); got != "22 20 | 13" {
		t.Errorf("the first screen shows %q, want the clusters of the boat and the house", got)
	}
	b.wait("all thumbnails", `performance.getEntriesByType("resource").filter(e => e.name.includes("/api/examples/")).length === document.querySelectorAll("#examples button").length`)

	// Upload.
	photo := filepath.Join(t.TempDir(), "my boat.png")
	scene, err := drawnExample(demo.SceneSeed).Read()
	if err != nil {
		t.Fatal(err)
	}
	putAt(t, photo, string(scene))
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{photo}))
	b.wait("the uploaded picture", `document.getElementById("caption").textContent.startsWith("my boat.png")`)
	b.settled()

	// A class to another cluster, by mouse; then by keyboard to one of its own; then out and back.
	b.drag(middle(`[data-class="20"] .map`, 0, 0), middle(`[data-cluster="1"] h3`, 0, 0))
	b.wait("the class dragged", cluster+` === "22 | 20 13"`)
	b.settled()
	if hash := eval[string](b, `decodeURIComponent(location.hash)`); !strings.Contains(hash, "clusters=[[22],[13,20]]") {
		t.Errorf("the address says %q", hash)
	}
	b.do(chromedp.Focus(chromedp.CSS(`[data-class="20"] select`)), chromedp.SendKeys(chromedp.CSS(`[data-class="20"] select`), "to a cl"))
	b.choose(`[data-class="20"] select`, "-1")
	b.wait("the class by itself", cluster+` === "22 | 20 | 13"`)
	b.settled()
	b.choose(`[data-class="13"] select`, "drop")
	b.wait("the class left out", cluster+` === "22 | 20"`)
	b.settled()
	b.choose("#add", "dormer house")
	b.wait("the class added", cluster+` === "22 | 20 | 13"`)
	b.settled()
	// The branch of the tree that joins the boats, by keyboard.
	b.do(chromedp.Focus(chromedp.CSS(`.node`)), chromedp.KeyEvent("\r"))
	b.wait("the branch joined", cluster+` === "22 20 | 13"`)
	b.settled()
	b.do(chromedp.Focus(chromedp.CSS(`.node`)), chromedp.KeyEvent(" "))
	b.wait("the branch parted", cluster+` === "22 | 20 | 13"`)
	b.settled()
	b.choose("#s-top", "2")
	b.wait("two classes", cluster+` === "22 20"`)
	b.settled()
	b.do(chromedp.Click(chromedp.CSS("#defaults")))
	b.wait("the defaults", cluster+` === "22 20 | 13"`)
	b.settled()

	// The brush: erasing the boat, by mouse, then all restored; a spot by keyboard.
	before := eval[string](b, `document.querySelector("#bars .num").textContent`)
	eval[bool](b, `document.querySelector("[name=tool][value=erase]").click(), true`)
	b.drag(middle("#stage", -0.2, 0.15), middle("#stage", 0.2, 0.3))
	b.wait("changed probabilities", `document.querySelector("#bars .num").textContent.includes("→") && performance.getEntriesByName("stroke").length > 0`)
	b.wait("that they are told", `document.getElementById("live").textContent.includes("oar boat")`)
	b.do(chromedp.Click(chromedp.CSS("#reset")))
	b.wait("the picture restored", fmt.Sprintf(`document.querySelector("#bars .num").textContent === %q`, before))
	b.do(chromedp.Focus(chromedp.CSS("#stage")), chromedp.KeyEvent(" "))
	b.wait("a spot erased by keyboard", `document.querySelector("#bars .num").textContent.includes("→")`)
	b.do(chromedp.KeyEvent("\u001b"))
	b.wait("Escape restores", `!document.querySelector("#bars .num").textContent.includes("→")`)

	// The deletion curve.
	b.do(chromedp.Focus(chromedp.CSS("#cut")))
	b.wait("the whole curve", `document.querySelectorAll("#curve .line").length === 3 && document.querySelector("#curve .line").getAttribute("d").split("L").length === 33`)
	b.choose("#cut", "50")
	b.wait("probabilities of the curve", `document.getElementById("now").textContent.includes("25 %") && document.querySelector("#bars .num").textContent.includes("→")`)
	b.choose("#cut", "0")

	// Side by side.
	b.choose("#s-compare", "swox")
	b.wait("two answers", `document.querySelectorAll(".pane").length === 2 && document.querySelectorAll('[data-pane="1"] [data-map]').length === 3`)
	b.choose("#s-compare", "")
	b.wait("one answer", `document.querySelectorAll(".pane").length === 1`)

	// RISE waits to be asked, shows maps on the way, and is cancelled.
	b.choose("#s-explainer", "rise")
	b.wait("the mark of what is outdated", `document.querySelector(".outdated") && document.getElementById("status").textContent.includes("Outdated")`)
	b.choose("#s-rise-masks", "200000")
	b.do(chromedp.Click(chromedp.CSS("#again")))
	b.wait("partial maps", `document.querySelector(".tile .soft") && document.getElementById("board").textContent.includes("not settled yet") && !document.getElementById("work").hidden`)
	b.do(chromedp.Click(chromedp.CSS("#cancel")))
	b.wait("the end of it", `document.getElementById("status").textContent.includes("Cancelled") && document.getElementById("work").hidden`)
	b.choose("#s-explainer", "gradcam")
	b.settled()

	// Saved, and verified.
	downloads := t.TempDir()
	if _, err := chromedp.CallBrowser(b, browser.SetDownloadBehavior, browser.SetDownloadBehaviorParams{Behavior: browser.SetDownloadBehaviorBehaviorAllow, DownloadPath: downloads}); err != nil {
		t.Fatal(err)
	}
	b.do(chromedp.Click(chromedp.CSS("#save")))
	var archive []byte
	for start := time.Now(); len(archive) == 0; time.Sleep(20 * time.Millisecond) {
		if time.Since(start) > browserTime {
			t.Fatal("nothing was saved")
		}
		if text, err := os.ReadFile(filepath.Join(downloads, "report.zip")); err == nil {
			archive = text
		}
	}
	dir := t.TempDir()
	unzip(t, archive, dir)
	if code, out, errors := cli(t, "verify", filepath.Join(dir, "my boat")); code != exitDone {
		t.Errorf("verify ends with %d: %s%s", code, out, errors)
	}

	// The address says the state; a phone shows it without scrolling sideways.
	b.do(chromedp.Click(chromedp.CSS(`#examples [data-n="1"]`)))
	b.wait("another example", `document.getElementById("caption").textContent.startsWith("scene-12.png")`)
	b.settled()
	b.choose("#s-method", "swox")
	b.wait("another method", `location.hash.includes("method=swox")`)
	b.settled()
	b.clean()
	phone := openTab(t, eval[string](b, `location.href`), 390, 800)
	phone.settled()
	if caption := eval[string](phone, `document.getElementById("caption").textContent + document.getElementById("s-method").value`); !strings.HasPrefix(caption, "scene-12.png") || !strings.HasSuffix(caption, "swox") {
		t.Errorf("the address opens %q", caption)
	}
	if wide := eval[int](phone, `document.documentElement.scrollWidth`); wide > 390 {
		t.Errorf("the page is %d pixels wide on a phone of 390", wide)
	}
	phone.clean()
	if got := eval[[]string](phone, unnamed); len(got) > 0 {
		t.Errorf("controls without a name: %q", got)
	}
}

// unnamed lists what can be focused and has no name for a screen reader.
const unnamed = `[...document.querySelectorAll("button, select, input, [tabindex='0'], [role=button]")].filter(e => e.offsetParent !== null || e.closest("svg")).filter(e =>
	!(e.getAttribute("aria-label") || e.textContent.trim() && e.tagName === "BUTTON" || e.labels && [...e.labels].some(l => l.textContent.trim()))).map(e => e.outerHTML.slice(0, 120))`

// TestPageRefused: with a token the page works from the address that was printed, and says what is
// wrong without it; a foreign host, a picture that is too large and a full queue are refused.
func TestPageRefused(t *testing.T) {
	s := startServe(t, "--model", "demo", "--token", "--queue", "1", "--max-upload", "300000")
	_, token, _ := strings.Cut(s.address, "#token=")
	b := openTab(t, s.address, 1280, 900)
	b.settled()
	if address := eval[string](b, `location.href`); strings.Contains(address, token) {
		t.Errorf("the token stays in the address, which is sent: %s", address)
	}
	b.clean()
	stranger := openTab(t, s.base(), 1280, 900)
	stranger.wait("a word about the token", `document.getElementById("alert").textContent.includes("token")`)

	large := filepath.Join(t.TempDir(), "large.png")
	putAt(t, large, strings.Repeat("x", 400000))
	b.do(chromedp.SetUploadFiles(chromedp.CSS("#file"), []string{large}))
	b.wait("a word about the size", `document.getElementById("alert").textContent.includes("bytes")`)
	if answer, _ := s.upload(t, "large.png", []byte(strings.Repeat("x", 400000)), "{}", token); answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a large picture: %d", answer.StatusCode)
	}
	r, err := http.NewRequest("GET", s.base()+"api/model", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = "evil.example"
	r.Header.Set("Authorization", "Bearer "+token)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign host: %d", answer.StatusCode)
	}
	scene, err := drawnExample(demo.SceneSeed).Read()
	if err != nil {
		t.Fatal(err)
	}
	busy := 0
	for range 4 { // one at work, one that waits
		if answer, _ := s.upload(t, "scene.png", scene, `{"explainer":"rise","rise-masks":300000}`, token); answer.StatusCode == http.StatusTooManyRequests && answer.Header.Get("Retry-After") != "" {
			busy++
		}
	}
	if busy < 2 {
		t.Errorf("%d of 4 long computations are refused where one may wait", busy)
	}
}

// TestPageAxe has axe-core look at the page, in both themes and on desktop and phone.
func TestPageAxe(t *testing.T) {
	script, err := os.ReadFile(os.Getenv("CWOX_AXE"))
	if err != nil {
		t.Skip("CWOX_AXE names no axe.min.js")
	}
	s := startServe(t, "--model", "demo")
	for _, width := range []int{1280, 390} {
		for _, theme := range []string{"light", "dark"} {
			b := openTab(t, s.address, width, 900)
			b.settled()
			b.choose("#theme", theme)
			b.choose("#s-compare", "swox")
			b.wait("two answers", `document.querySelectorAll('[data-pane="1"] [data-map]').length === 3`)
			b.choose("#cut", "30")
			b.wait("the curve", `document.querySelectorAll("#curve .line").length === 3`)
			b.do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
				_, err := chromedp.Run(ctx, chromedp.Evaluate[chromedp.Void](string(script)+"; void 0"))
				return err
			}))
			found, err := chromedp.Run(b, chromedp.Evaluate[[]string](`axe.run().then(r => r.violations.map(v => v.impact + ": " + v.id + ": " + v.nodes.slice(0, 3).map(n => n.target.join(" ") + " " + n.failureSummary.replace(/\n/g, " ")).join("; ")))`, chromedp.EvalAwaitPromise))
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range found {
				t.Errorf("%d, %s: %s", width, theme, v)
			}
		}
	}
}
