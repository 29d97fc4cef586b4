package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"cwox/cwox/dataset"
	"cwox/internal/demo"
	"cwox/internal/drawnworld"
)

// scenes makes a folder of drawn scenes; the first and the last file are broken.
func scenes(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		pic := drawnworld.New(uint64(i), drawnworld.Options{}).Picture(demo.PictureSize)
		m := image.NewNRGBA(image.Rect(0, 0, pic.Width, pic.Height))
		for p := range pic.Width * pic.Height {
			copy(m.Pix[4*p:], pic.Pix[3*p:][:3])
			m.Pix[4*p+3] = 255
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		if i == 0 || i == n-1 {
			b.Truncate(9)
		}
		putAt(t, filepath.Join(dir, fmt.Sprintf("%02d.png", i)), b.String())
	}
	return dir
}

// seconds are the times in a report, all that differs from run to run.
var seconds = regexp.MustCompile(`(?s)"seconds": \{[^}]*\}`)

// made reads all files below a folder but for folders of shards.
func made(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, name := range files(t, dir) {
		if strings.Contains(name, ".shards/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if out[name] = string(text); filepath.Base(name) == "report.json" {
			out[name] = seconds.ReplaceAllString(out[name], "")
		}
	}
	return out
}

func sameMade(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: %s: other bytes", what, name)
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d files, want %d", what, len(got), len(want))
	}
}

// TestShards: shards that are processes of their own, with different numbers of threads, some of
// them killed and run again, make the files of one run; so does its exit code.
func TestShards(t *testing.T) {
	in := scenes(t, 9)
	truth := filepath.Join(t.TempDir(), "truth.csv")
	putAt(t, truth, "image,class\n00.png,35\n01.png,35\n03.png,34\n05.png,35\n06.png,34\n")
	random := rand.New(rand.NewPCG(3, 4))
	for _, c := range []struct {
		name    string
		args    []string
		out     string
		journal string
		code    int // of the whole
		says    string
	}{
		{"documents", []string{"documents", "--model", "demo", "--batch", "2", in}, "docs.txt.gz", "docs.txt.gz.jsonl", 0, "of 9 images"},
		{"evaluate", []string{"evaluate", "--model", "demo", "--step", "2048", "--auc-steps", "0", "--methods", "swox,cwox2s", in}, "results", dataset.ImagesFile, 0, "The page: "},
		{"truth", []string{"evaluate", "--truth", "--scenes", "5,1", "--explainers", "gradcam,gradcam-fine", "--step", "4096"}, "truth", "truth-gradcam.jsonl", 0, "The page: "},
		{"explain", []string{"explain", "--model", "demo", in}, "reports", dataset.ReportsFile, exitFailed, "7 of 9 images explained"},
		{"confusions", []string{"confusions", "--model", "demo", "--truth", truth, "--examples", "2", in}, "confused", dataset.ConfusionsDocuments + ".jsonl", 0, "0 of 4 images are recognised (2 unreadable, 3 without"},
	} {
		single := t.TempDir()
		if code, stdout, stderr := cli(t, append(c.args, "--quiet", "-o", filepath.Join(single, c.out))...); code != c.code || !strings.Contains(stdout, c.says) {
			t.Fatalf("%s: exit code %d: %s%s", c.name, code, stdout, stderr)
		}
		want := made(t, single)
		numbers := []int{1, 2, 3, 7}
		if c.name == "evaluate" || c.name == "truth" || c.name == "confusions" { // which take long; the package has them all
			numbers = []int{3}
		}
		for _, n := range numbers {
			dir := t.TempDir()
			out := filepath.Join(dir, c.out)
			for k, i := range random.Perm(n) {
				args := append(slices.Clone(c.args), "--shard", fmt.Sprintf("%d/%d", i, n), "--threads", fmt.Sprint(1+k%3), "--quiet", "--json", "-o", out)
				folder := filepath.Join(out+".shards", fmt.Sprintf("%d-of-%d", i, n))
				if k%2 == 0 { // killed
					p := program(args...)
					if err := p.Start(); err != nil {
						t.Fatal(err)
					}
					ended := make(chan struct{})
					go func() { p.Wait(); close(ended) }()
					for running := true; running && lines(filepath.Join(folder, c.journal)) < 1; {
						select {
						case <-ended:
							running = false
						case <-time.After(time.Millisecond):
						}
					}
					_ = p.Process.Kill()
					<-ended
				}
				code, stdout, stderr := cli(t, args...)
				var done struct {
					Output         string
					Shard, Of      int
					Images, Failed *int
					Seconds        *float64
				}
				if err := json.Unmarshal([]byte(stdout), &done); code != 0 || err != nil || strings.Count(stdout, "\n") != 1 ||
					done.Output != out || done.Shard != i || done.Of != n || done.Seconds == nil || done.Images == nil || done.Failed == nil {
					t.Fatalf("%s, shard %d of %d: exit code %d, %v: %s%s", c.name, i, n, code, err, stdout, stderr)
				}
			}
			if code, stdout, _ := cli(t, "merge", "--missing", out); code != 0 || stdout != "" {
				t.Errorf("%s: exit code %d, missing %s", c.name, code, stdout)
			}
			code, stdout, stderr := cli(t, "merge", out)
			if code != c.code || !strings.Contains(stdout, c.says) {
				t.Fatalf("%s, %d shards: exit code %d: %s%s", c.name, n, code, stdout, stderr)
			}
			sameMade(t, fmt.Sprintf("%s, %d shards", c.name, n), made(t, dir), want)
			if c.name == "explain" && n == 3 {
				if code, stdout, stderr := cli(t, "verify", out); code != 0 {
					t.Errorf("verify: exit code %d: %s%s", code, stdout, stderr)
				}
			}
		}
	}
}

// TestShardCodes: 42 is for what will fail again, 2 for a --shard that names no shard, 1 for what
// may go well another time.
func TestShardCodes(t *testing.T) {
	in := scenes(t, 4)
	dir := t.TempDir()
	t.Setenv("CWOX_CACHE", t.TempDir())
	for _, name := range []string{"SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX", "JOB_COMPLETIONS"} {
		t.Setenv(name, "")
	}
	putAt(t, filepath.Join(dir, "whole", "index.json"), "{}")
	putAt(t, filepath.Join(dir, "whole.txt"), "0, c1\n")
	out := func(name string) string { return filepath.Join(dir, name) }
	documents := func(more ...string) []string {
		return append([]string{"documents", "--model", "demo", "--quiet", "--shard", "0/2", in}, more...)
	}
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{documents("-o", out("docs.txt"), "--shard", "2/2"), exitUsage, "--shard 2/2: want i/n"},
		{documents("-o", out("docs.txt"), "--shard", "one"), exitUsage, "--shard one: want i/n"},
		{documents("-o", out("docs.txt"), "--shard", "auto"), exitUsage, "neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX is set"},
		{documents("-o", out("docs.txt")), 0, ""},
		{documents("-o", out("docs.txt"), "--max-labels", "3"), exitLasting, "max_labels was 0 and is 3 now"},
		{documents("-o", out("docs.txt"), "--max-labels", "1"), exitLasting, "--max-labels 1"},
		{documents("-o", out("docs.txt"), "--frobnicate"), exitLasting, "unknown flag"},
		{documents("-o", out("docs.txt"), "--shard=1/3"), exitLasting, "holds a shard of 2 (0-of-2), this is one of 3"},
		{documents("-o", out("docs.txt"), "more"), exitLasting, "want a folder or a list"},
		{documents("-o", out("whole.txt")), exitLasting, "holds the whole already"},
		{documents("-o", out("x"), "--model", "resnet50"), exitLasting, "cwox weights fetch resnet50"},
		{documents("-o", out("x"), "--weights", out("none.pth")), exitLasting, "none.pth"},
		{[]string{"documents", "--model", "demo", "--shard", "0/2", "-o", out("x"), out("nowhere")}, exitLasting, "nowhere"},
		{[]string{"evaluate", "--model", "demo", "--shard", "0/2", "-o", out("x"), "--max-images", "3", in}, exitLasting, "--max-images with --shard"},
		{[]string{"evaluate", "--truth", "--shard", "0/2", "-o", out("whole")}, exitLasting, "holds reports"},
		{[]string{"explain", "--model", "demo", "--shard", "0/2", "-o", out("whole"), in}, exitLasting, "holds the whole already"},
		{[]string{"explain", "--model", "demo", "--shard", "0/2", "-o", out("x"), filepath.Join(in, "01.png")}, exitLasting, "want several images"},
		{[]string{"explain", "--model", "demo", "--shard", "0/2", "-o", out("x"), "--learn-tree", in, in}, exitLasting, "learn the tree first"},
		{[]string{"explain", "--model", "demo", "--shard", "0/2", "-o", out("x"), "--overwrite", in}, exitLasting, "want --restart"},
		{[]string{"explain", "--model", "demo", "--restart", "-o", out("x"), filepath.Join(in, "01.png")}, exitUsage, "--restart: of several images"},
		{[]string{"merge"}, exitUsage, "want the -o of the shards"},
		{[]string{"merge", out("docs.txt")}, exitFailed, "--array=1, each with --shard $SLURM_ARRAY_TASK_ID/2"},
		{[]string{"merge", out("nothing")}, exitFailed, "nothing.shards"},
	} {
		code, _, stderr := cli(t, tc.args...)
		if code != tc.code || !strings.Contains(stderr, tc.says) {
			t.Errorf("%q: exit code %d, %q; want %d, ...%s...", tc.args, code, stderr, tc.code, tc.says)
		}
	}
	if code, stdout, _ := cli(t, "merge", "--missing", out("docs.txt")); code != 0 || stdout != "1\n" {
		t.Errorf("exit code %d, missing %q, want 1", code, stdout)
	}
	// auto says what it took, and takes nothing unasked.
	t.Setenv("SLURM_ARRAY_TASK_ID", "4")
	t.Setenv("SLURM_ARRAY_TASK_MIN", "3")
	t.Setenv("SLURM_ARRAY_TASK_COUNT", "2")
	if code, stdout, stderr := cli(t, documents("-o", out("docs.txt"), "--shard", "auto")...); code != 0 || !strings.Contains(stderr, "shard 1/2, of SLURM_ARRAY_TASK_ID=4") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	if code, _, stderr := cli(t, "documents", "--model", "demo", "-o", out("all.txt"), in); code != 0 || lines(out("all.txt.jsonl")) != 4 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code, _, stderr := cli(t, "merge", out("docs.txt")); code != 0 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func TestProcessors(t *testing.T) {
	for _, tc := range []struct {
		slurm, gomaxprocs string
		found, want       int
	}{
		{"", "", 8, 0}, {"2", "", 8, 2}, {"8", "", 8, 0}, {"64", "", 8, 0}, {"2", "4", 4, 0}, {"0", "", 8, 0}, {"-3", "", 8, 0}, {"many", "", 8, 0},
	} {
		env := map[string]string{"SLURM_CPUS_PER_TASK": tc.slurm, "GOMAXPROCS": tc.gomaxprocs}
		if got := processors(func(name string) string { return env[name] }, tc.found); got != tc.want {
			t.Errorf("%+v: %d", tc, got)
		}
	}
}
