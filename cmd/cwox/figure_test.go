package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestFigure(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	if code, _, stderr := cli(t, "demo", "--quiet", "--effects=false", "-o", at("demo")); code != 0 {
		t.Fatal(stderr)
	}
	scene := at("demo/scene.png")
	if code, _, stderr := cli(t, "documents", "--quiet", "--model", "demo", "-o", at("docs.txt"), at("demo")); code != 0 {
		t.Fatal(stderr)
	}
	for _, c := range []struct {
		args  string
		begin string
		holds []string
	}{
		{"compare --model demo SCENE -o stages.svg", "<svg", []string{"(a) input", "(b.2) sail boat", "(c.1) dormer house"}},
		{"compare --model demo SCENE --method swox,cwox2s --width one --scale own --photo colour -o two.svg", "<svg", []string{"SWOX, Grad-CAM", "(c2) dormer", `width="234pt"`}},
		{"compare --model demo SCENE --colours jet -o stages.pdf", "%PDF-", []string{"/FontFile2"}},
		{"grid --model demo SCENE SCENE -o grid.png", "\x89PNG", nil},
		{"curve --model demo SCENE --method cwox2s,swox --step 64 --width 5in -o curve.svg", "<svg", []string{"P(oar boat)", "P(sail boat)", "(ii) SWOX, Grad-CAM", `width="360pt"`}},
		{"curve --model demo SCENE --pos 'dormer house' --neg 'oar boat' --step 64 -o other.svg", "<svg", []string{"P(dormer house)", "P(oar boat)"}},
		{"tree demo --examples DOCS --classes 'sail boat,oar boat' -o tree.svg", "<svg", []string{"sail", "<image"}},
		{"tree demo -o tree.pdf", "%PDF-", nil},
	} {
		var args []string
		for i, part := range strings.Split(c.args, "'") {
			if i%2 == 1 {
				args = append(args, part)
			} else {
				args = append(args, strings.Fields(strings.NewReplacer("SCENE", scene, "DOCS", at("docs.txt")).Replace(part))...)
			}
		}
		out := at(args[len(args)-1])
		args[len(args)-1] = out
		code, _, stderr := cli(t, append([]string{"figure"}, args...)...)
		if code != 0 {
			t.Errorf("%s: exit code %d, %s", c.args, code, stderr)
			continue
		}
		b, err := os.ReadFile(out)
		if err != nil || !strings.HasPrefix(string(b), c.begin) {
			t.Errorf("%s: begins with %.10q, error %v", c.args, b, err)
		}
		for _, s := range c.holds {
			if !strings.Contains(string(b), s) {
				t.Errorf("%s: lacks %q", c.args, s)
			}
		}
	}
}

func TestFigureUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"compare x.jpg", `-o : want a file whose name ends in .svg, .pdf or .png`},
		{"compare x.jpg -o a.gif", "-o a.gif: want"},
		{"compare x.jpg -o a.svg --width 0.5", "--width 0.5: want one, two"},
		{"compare x.jpg -o a.svg --width three", "--width three"},
		{"compare x.jpg -o a.svg --colours red", "--colours red: want one of viridis"},
		{"compare x.jpg -o a.svg --photo blue", "--photo blue: want grey or colour"},
		{"compare x.jpg -o a.svg --scale 1", "--scale 1: want shared or own"},
		{"compare x.jpg -o a.svg --method cwox3", "--method cwox3"},
		{"compare x.jpg -o a.svg --effects", "unknown flag: --effects"},
		{"compare -o a.svg", "want an image"},
		{"grid x.jpg -o a.svg --method swox,cwox2s", "a grid is of one method"},
		{"curve a.jpg b.jpg -o a.svg", "want an image"},
		{"curve a.jpg -o a.svg --colours jet", "unknown flag: --colours"},
		{"tree demo -o a.txt", "-o a.txt"},
		{"pie", `unknown command "pie"`},
	} {
		code, _, stderr := cli(t, append([]string{"figure"}, strings.Fields(c.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, %q, want %q", c.args, code, stderr, c.want)
		}
	}
}
