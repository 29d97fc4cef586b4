package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cwox/cwox/report"
	"cwox/internal/demo"
	"cwox/internal/drawnworld"
)

// TestDemo makes the demonstration twice, verifies it, and explains its picture as any other.
func TestDemo(t *testing.T) {
	dirs := []string{filepath.Join(t.TempDir(), "a"), filepath.Join(t.TempDir(), "b"), filepath.Join(t.TempDir(), "c")}
	code, out, stderr := cli(t, "demo", "-o", dirs[0], "--threads", "1")
	if code != 0 || !strings.Contains(out, "2 confusion clusters") || !strings.Contains(out, filepath.Join(dirs[0], report.PageFile)) ||
		!strings.Contains(out, "of the map lies on the telling parts") {
		t.Fatalf("exit code %d: %s%s", code, out, stderr)
	}
	code, out, stderr = cli(t, "demo", "-o", dirs[1], "--json")
	var r report.Report
	if err := json.Unmarshal([]byte(out), &r); code != 0 || err != nil || len(r.Clusters) != 2 || r.Model.Name != "demo" || r.Top[0].Label == "" {
		t.Fatalf("exit code %d, %v: %s%s", code, err, out, stderr)
	}
	if code, _, stderr = cli(t, "explain", "--model", "demo", "--seed", strconv.Itoa(demo.SceneSeed), "-o", dirs[2], filepath.Join(dirs[0], "scene.png")); code != 0 {
		t.Fatalf("explain: exit code %d: %s", code, stderr)
	}
	same := map[string]int{"maps.safetensors": 3, "cluster-0.png": 3, "scene.png": 2, "truth.json": 2, "mask-0-body.png": 2}
	for name, n := range same {
		want, err := os.ReadFile(filepath.Join(dirs[0], name))
		if err != nil {
			t.Fatal(err)
		}
		for _, dir := range dirs[1:n] {
			if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(got) != string(want) {
				t.Errorf("%s: other bytes in another run: %v", name, err)
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(dirs[0], "truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var truth drawnworld.Truth
	if err := json.Unmarshal(text, &truth); err != nil || len(truth.Objects) < 2 || truth.Seed != demo.SceneSeed {
		t.Errorf("truth.json: %v: %s", err, text)
	}
	page, err := os.ReadFile(filepath.Join(dirs[0], report.PageFile))
	if err != nil || !strings.Contains(string(page), "In the scene: sail boat (with oars, too), dormer house.") ||
		strings.Count(string(page), `class="outline"`) != 4 || strings.Count(string(page), "of the map lies on the telling parts (outlined)") != 2 {
		t.Errorf("the page does not show what is known: %v", err)
	}
	if a, b := r.Clusters[0].Aim, r.Classes[0].Aim; a == nil || b == nil || !(a.Share > a.Chance) || !(b.Share > b.Chance) {
		t.Errorf("report.json: aims %+v, %+v", a, b)
	}
	if code, out, stderr := cli(t, "verify", dirs[0]); code != 0 || !strings.Contains(out, "agree to the byte") {
		t.Errorf("verify: exit code %d: %s%s", code, out, stderr)
	}
}

func TestDemoUsage(t *testing.T) {
	if code, out, _ := cli(t, "demo", "--list"); code != 0 || !strings.Contains(out, "cross van") {
		t.Errorf("--list: exit code %d: %s", code, out)
	}
	var families []struct{ Members []struct{ Label string } }
	if code, out, _ := cli(t, "demo", "--list", "--json"); code != 0 || json.Unmarshal([]byte(out), &families) != nil || len(families) < 8 {
		t.Errorf("--list --json: exit code %d: %s", code, out)
	}
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"photo.jpg"}, exitUsage, "want no arguments"},
		{[]string{"--scene", "cross vn"}, exitUsage, `there is no "cross vn"`},
		{[]string{"--scene", "0,1,2,3,4"}, exitUsage, "at most 4 fit"},
		{[]string{"--scene", "36"}, exitUsage, `no "36"`},
		{[]string{"--precision", "f16"}, exitUsage, "--precision f16"},
		{[]string{"--method", "cwox3s", "-o", filepath.Join(t.TempDir(), "out")}, exitUsage, "--method cwox3s: want swox"},
	} {
		if code, _, stderr := cli(t, append([]string{"demo"}, tc.args...)...); code != tc.code || !strings.Contains(stderr, tc.says) {
			t.Errorf("demo %v: exit code %d, %q; want %d, ...%s...", tc.args, code, stderr, tc.code, tc.says)
		}
	}
	for text, want := range map[string]int{"": 0, " cross  VAN ,5": 2, "keyboard": 1} {
		if got, err := parseScene(text); err != nil || len(got) != want {
			t.Errorf("scene %q: %v, %v", text, got, err)
		}
	}
}

// TestDemoModel uses the embedded network and its tree in other commands.
func TestDemoModel(t *testing.T) {
	dir := t.TempDir()
	if err := drawnworld.New(1, drawnworld.Options{Classes: []int{4}, Clean: true}).WriteTruth(dir, 300); err != nil {
		t.Fatal(err)
	}
	code, out, stderr := cli(t, "classify", "--model", "demo", filepath.Join(dir, "scene.png"))
	if code != 0 || !strings.Contains(out, "van") {
		t.Errorf("classify: exit code %d: %s%s", code, out, stderr)
	}
	labels := filepath.Join(dir, "labels.txt")
	if err := os.WriteFile(labels, []byte(strings.Repeat("thing\n", len(drawnworld.Classes()))), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, out, _ := cli(t, "classify", "--model", "demo", "--labels", labels, filepath.Join(dir, "scene.png")); !strings.Contains(out, "thing") {
		t.Errorf("classify --labels: %s", out)
	}
	if code, out, stderr := cli(t, "documents", "--model", "demo", "-o", filepath.Join(dir, "docs.txt"), dir); code != 0 {
		t.Errorf("documents: exit code %d: %s%s", code, out, stderr)
	}
}
