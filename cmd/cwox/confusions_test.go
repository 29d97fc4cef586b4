package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cwox/cwox/dataset"
	"cwox/cwox/report"
)

// TestConfusionsCommand puts drawn things into the folders of their classes, and one into that of
// a sibling: just that is found, in one group, with a picture of it.
func TestConfusionsCommand(t *testing.T) {
	dir := t.TempDir()
	draw := func(thing, seed, folder string) {
		out := filepath.Join(dir, "drawn", thing+seed)
		if code, _, stderr := cli(t, "demo", "--quiet", "--scene", thing, "--seed", seed, "-o", out); code != 0 {
			t.Fatalf("exit code %d: %s", code, stderr)
		}
		text, err := os.ReadFile(filepath.Join(out, "scene.png"))
		if err != nil {
			t.Fatal(err)
		}
		putAt(t, filepath.Join(dir, "set", folder, thing+seed+".png"), string(text))
	}
	draw("sail boat", "1", "sail boat")
	draw("sail boat", "2", "oar boat") // wrong
	draw("oar boat", "3", "22")        // by number
	draw("dormer house", "4", "dormer house")
	draw("dormer house", "5", "unsorted") // of no class
	out := filepath.Join(dir, "out")
	code, said, stderr := cli(t, "confusions", "--model", "demo", "--tree", "demo", "--quiet", "-o", out, "--json", filepath.Join(dir, "set"))
	if code != 0 {
		t.Fatalf("exit code %d: %s", code, stderr)
	}
	var c dataset.Confusions
	if err := json.Unmarshal([]byte(said), &c); err != nil {
		t.Fatal(err)
	}
	if c.Images != 4 || c.Correct != 3 || c.Unknown != 1 || len(c.Clusters) != 1 || len(c.Clusters[0].Pairs) != 1 || len(c.Across) != 0 {
		t.Fatalf("%s", said)
	}
	if p := c.Clusters[0].Pairs[0]; p.True != 22 || p.Predicted != 20 || p.Count != 1 {
		t.Errorf("pair %+v", p)
	}
	page, err := os.ReadFile(filepath.Join(out, report.PageFile))
	if err != nil || strings.Count(string(page), "data:image/jpeg") != 3 || !strings.Contains(string(page), "What speaks for oar boat and against sail boat: strongest") {
		t.Errorf("the page does not show the mistake: %v", err)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"confusions --model demo x", exitUsage, "-o DIR: name the folder"},
		{"confusions --model demo -o " + out + " --examples -1 x", exitUsage, "--examples -1: want 0 to 10000"},
		{"confusions --model demo -o " + out + " --smooth 2 x", exitUsage, "--smooth: a setting of guided and deeplift"},
		{"confusions --model demo -o " + filepath.Join(dir, "none") + " " + filepath.Join(dir, "set", "unsorted"), exitFailed, "no folder of the images is named after a class"},
		{"confusions --model demo -o " + filepath.Join(dir, "drawn", "sail boat1") + " " + filepath.Join(dir, "set"), exitFailed, "holds reports"},
	} {
		args := strings.Fields(c.args)
		if strings.Contains(c.args, "sail boat1") {
			args = []string{"confusions", "--model", "demo", "-o", filepath.Join(dir, "drawn", "sail boat1"), filepath.Join(dir, "set")}
		}
		if code, _, stderr := cli(t, args...); code != c.code || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d, %q; want %d, %q", c.args, code, stderr, c.code, c.says)
		}
	}
}
