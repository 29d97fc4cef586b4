package main

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cwox/cwox/report"
)

// picture writes a small drawn picture.
func picture(t *testing.T, path string, shade uint8) {
	t.Helper()
	m := image.NewGray(image.Rect(0, 0, 32, 24))
	for i := range m.Pix {
		m.Pix[i] = uint8(i) * shade
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	putAt(t, path, b.String())
}

func putAt(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// files lists all files below a folder.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestNamesStayInTheFolder: an image's name leads nowhere but into a folder of -o.
func TestNamesStayInTheFolder(t *testing.T) {
	dir := t.TempDir()
	names := []string{"...png", "..png", ".png", "index.html.png", "index.json.png", "-o.png", "con.png", "a.png", "A.png", "a.jpg", "line\nbreak.png"}
	for i, name := range names {
		picture(t, filepath.Join(dir, "in", name), uint8(i+1))
	}
	putAt(t, filepath.Join(dir, "index.html"), "precious")
	putAt(t, filepath.Join(dir, "out", "notes.txt"), "mine")
	code, _, stderr := cli(t, "explain", "--model", "demo", "--quiet", "-o", filepath.Join(dir, "out"), filepath.Join(dir, "in"))
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	index, err := report.ReadIndex(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	var folders []string
	for _, i := range index.Images {
		folders = append(folders, i.Folder)
		if r, err := report.ReadJSON(filepath.Join(dir, "out", i.Folder, report.JSONFile)); err != nil || r.Image.File != i.File {
			t.Errorf("%s: no report of %q: %v", i.Folder, i.File, err)
		}
	}
	slices.Sort(folders)
	if len(slices.Compact(folders)) != len(names) {
		t.Errorf("folders %q of images %q", folders, names)
	}
	for _, name := range files(t, dir) {
		if top, _, _ := strings.Cut(name, "/"); top != "in" && top != "out" && name != "index.html" {
			t.Errorf("%s was written beside -o", name)
		}
	}
	for name, text := range map[string]string{"index.html": "precious", "out/notes.txt": "mine"} {
		if got, _ := os.ReadFile(filepath.Join(dir, name)); string(got) != text {
			t.Errorf("%s holds %q", name, got)
		}
	}
}

// TestOneRunAFolder: results of several runs are never mixed.
func TestOneRunAFolder(t *testing.T) {
	dir := t.TempDir()
	for i, name := range []string{"a", "b", "c"} {
		picture(t, filepath.Join(dir, name+".png"), uint8(i+1))
	}
	run := func(images string, flags ...string) (int, string) {
		args := append([]string{"explain", "--model", "demo", "--quiet", "-o", filepath.Join(dir, "out")}, flags...)
		for _, i := range strings.Fields(images) {
			args = append(args, filepath.Join(dir, i+".png"))
		}
		code, _, stderr := cli(t, args...)
		return code, stderr
	}
	for _, step := range []struct {
		images, flags string
		code          int
		says          string
		holds         string // the folder's subfolders and pages
	}{
		{"a", "", 0, "", "index.html report.json"},
		{"a", "", 0, "", "index.html report.json"},
		{"b", "", 0, "the report of " + filepath.Join(dir, "a.png") + " is replaced", "index.html report.json"},
		{"a b", "", exitFailed, "holds the report of " + filepath.Join(dir, "b.png") + ": choose another folder with -o, or replace that with --overwrite", "index.html report.json"},
		{"a b", "--overwrite", 0, "held the report of", "a b index.html index.json"},
		{"a b c", "", 0, "", "a b c index.html index.json"},
		{"a b", "", exitFailed, "holds the reports of 1 images that are not among these (c)", "a b c index.html index.json"},
		{"a", "", exitFailed, "holds the reports of 3 images", "a b c index.html index.json"},
		{"c b", "--overwrite", 0, "held the reports of 1 images that are not among these (a)", "b c index.html index.json"},
		{"c", "--overwrite", 0, "held the reports of", "index.html report.json"},
	} {
		code, stderr := run(step.images, strings.Fields(step.flags)...)
		if code != step.code || !strings.Contains(stderr, step.says) || step.says == "" && stderr != "" {
			t.Fatalf("%s %s: exit code %d, %q; want %d, %q", step.images, step.flags, code, stderr, step.code, step.says)
		}
		entries, err := os.ReadDir(filepath.Join(dir, "out"))
		if err != nil {
			t.Fatal(err)
		}
		var holds []string
		for _, e := range entries {
			if n := e.Name(); e.IsDir() || strings.HasPrefix(n, "index") || n == "report.json" {
				holds = append(holds, n)
			}
		}
		if got := strings.Join(holds, " "); got != step.holds {
			t.Fatalf("after %s %s the folder holds %s, want %s", step.images, step.flags, got, step.holds)
		}
	}
	code, _, stderr := cli(t, "evaluate", "--model", "demo", "-o", filepath.Join(dir, "out"), dir)
	if code != exitFailed || !strings.Contains(stderr, "holds reports (report.json)") {
		t.Errorf("evaluate: exit code %d, %q", code, stderr)
	}
	// A page that is not a report's, and an evaluation.
	for _, c := range []struct{ name, explain, evaluate, confusions string }{
		{"index.html", "holds something else (index.html)", "-", "-"}, // of which nothing is known
		{"settings.json", "holds what evaluate has measured", "-", "holds what evaluate has measured (settings.json)"},
		{"truth-mwp.settings.json", "holds what evaluate has measured", "-", "holds what evaluate has measured"},
		{"confusions.json", "holds what confusions has found", "holds what confusions has found", "-"},
		{"documents.txt.gz.settings.json", "holds what confusions has found", "holds what confusions has found", "-"},
		{"report.json", "", "holds reports (report.json)", "holds reports (report.json)"},
	} {
		other := filepath.Join(dir, "of-"+c.name)
		putAt(t, filepath.Join(other, c.name), "{}")
		for command, says := range map[string]string{"explain": c.explain, "evaluate": c.evaluate, "confusions": c.confusions} {
			if says == "-" || says == "" {
				continue
			}
			code, _, stderr := cli(t, command, "--model", "demo", "-o", other, dir)
			if code != exitFailed || !strings.Contains(stderr, says) {
				t.Errorf("%s beside %s: exit code %d, %q", command, c.name, code, stderr)
			}
		}
	}
}

// TestStoppedReport: a report that was being written when the program was killed is no obstacle
// to the same command.
func TestStoppedReport(t *testing.T) {
	dir := t.TempDir()
	picture(t, filepath.Join(dir, "a.png"), 1)
	args := []string{"explain", "--model", "demo", "--quiet", "-o", filepath.Join(dir, "out"), filepath.Join(dir, "a.png")}
	if code, _, stderr := cli(t, args...); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if err := os.Remove(filepath.Join(dir, "out", report.JSONFile)); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := cli(t, args...); code != 0 || stderr != "" {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code, _, stderr := cli(t, "verify", "--quiet", filepath.Join(dir, "out")); code != 0 {
		t.Errorf("verify: exit code %d: %s", code, stderr)
	}
	// The page of several is not that of one.
	if code, _, stderr := cli(t, append(args[:6:6], filepath.Join(dir, "a.png"), filepath.Join(dir, "a.png"), "--overwrite")...); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	if err := os.Remove(filepath.Join(dir, "out", report.IndexFile)); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := cli(t, args...); code != exitFailed || !strings.Contains(stderr, "holds something else (index.html)") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// TestVerifyChecksTheFolder changes a folder in every way that somebody could look at.
func TestVerifyChecksTheFolder(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	if code, _, stderr := cli(t, "demo", "-o", good, "--quiet"); code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte {
			if !bytes.Contains(b, []byte(old)) {
				t.Fatalf("%q is not there", old)
			}
			return bytes.Replace(b, []byte(old), []byte(new), 1)
		}
	}
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	type change struct {
		name   string
		change func([]byte) []byte // nil removes
		says   string
	}
	changes := []change{
		{"index.html", replace("</body>", "TAMPERED</body>"), "index.html: differs"},
		{"maps.safetensors", flip, "differs, by"},
		{"maps.safetensors", replace(`"image":"scene.png"`, `"image":"evil!.png"`), "maps.safetensors: differs"},
		{"report.json", replace(`"method"`, `"more": 1, "method"`), "report.json: differs"},
		{"report.json", replace(`"probability": 0.`, `"probability": 0.0`), "report.json: differs"},
		{"truth.json", replace(`"part"`, `"party"`), "truth.json: differs"},
		{"extra.txt", func([]byte) []byte { return []byte("x") }, "extra.txt: is no file of the report"},
	}
	for _, name := range files(t, good) {
		if name != "report.json" && name != "maps.safetensors" && name != "truth.json" {
			changes = append(changes, change{name, nil, name + ": "})
		}
		if strings.HasSuffix(name, ".png") && name != "scene.png" {
			changes = append(changes, change{name, flip, name + ": differs"})
		}
	}
	for _, c := range changes {
		bad := filepath.Join(dir, "bad")
		if err := errorsOf(os.RemoveAll(bad), os.CopyFS(bad, os.DirFS(good))); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(bad, c.name)
		if c.change == nil {
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		} else {
			b, _ := os.ReadFile(path)
			putAt(t, path, string(c.change(b)))
		}
		code, out, stderr := cli(t, "verify", "--image", filepath.Join(good, "scene.png"), bad)
		if code != exitFailed || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d, %s%s; want %q", c.name, code, out, stderr, c.says)
		}
	}
	if code, out, stderr := cli(t, "verify", good); code != 0 || !strings.Contains(out, fmt.Sprintf("all %d files", len(files(t, good)))) {
		t.Errorf("untouched: exit code %d: %s%s", code, out, stderr)
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestVerifyMany verifies the reports of several images, one of which is broken, and the page.
func TestVerifyMany(t *testing.T) {
	dir := t.TempDir()
	picture(t, filepath.Join(dir, "in", "a.png"), 1)
	picture(t, filepath.Join(dir, "in", "b.png"), 2)
	putAt(t, filepath.Join(dir, "in", "c.png"), "broken")
	out := filepath.Join(dir, "out")
	code, said, stderr := cli(t, "explain", "--model", "demo", "-o", out, filepath.Join(dir, "in"))
	if code != exitFailed || !strings.Contains(said, "2 of 3 images explained") || !strings.Contains(stderr, "c.png") {
		t.Fatalf("exit code %d: %s%s", code, said, stderr)
	}
	if code, said, stderr := cli(t, "verify", out); code != 0 || !strings.Contains(said, fmt.Sprintf("all %d files", len(files(t, out)))) {
		t.Errorf("exit code %d: %s%s", code, said, stderr)
	}
	page := filepath.Join(out, "index.html")
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	putAt(t, page, strings.Replace(string(text), "explained", "understood", 1))
	if code, _, stderr := cli(t, "verify", out); code != exitFailed || !strings.Contains(stderr, "index.html: differs") {
		t.Errorf("the page: exit code %d: %s", code, stderr)
	}
	putAt(t, page, string(text))
	putAt(t, filepath.Join(out, "b", "index.html"), "other")
	if code, _, stderr := cli(t, "verify", out); code != exitFailed || !strings.Contains(stderr, filepath.Join("b", "index.html")+": differs") {
		t.Errorf("a report: exit code %d: %s", code, stderr)
	}
}

func TestOutputFolders(t *testing.T) {
	for _, c := range []struct{ images, want string }{
		{"photo.jpg", ""},
		{"a.png b.png", "a b"},
		{"a.png x/a.jpg A.gif a-2.png", "a a-2 A-3 a-2-2"},
		{"...png ..png .png", "_ _-2 _-3"},
		{"index.html.png Index.json.png", "index.html-2 Index.json-2"},
		{"-o.png x/nul.png a.tar.gz", "_o _nul a.tar"},
	} {
		if got := strings.Join(outputFolders(strings.Fields(c.images)), " "); got != c.want {
			t.Errorf("%s: %q, want %q", c.images, got, c.want)
		}
	}
}
