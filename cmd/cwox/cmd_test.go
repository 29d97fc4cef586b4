package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// cli runs a command line in this process and returns its exit code and what it printed.
func cli(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	oldOut, oldErr := os.Stdout, os.Stderr
	defer func() { os.Stdout, os.Stderr = oldOut, oldErr }()
	collect := func() (*os.File, func() string) {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		text := make(chan string)
		go func() {
			b, _ := io.ReadAll(r)
			text <- string(b)
		}()
		return w, func() string { w.Close(); return <-text }
	}
	var endOut, endErr func() string
	os.Stdout, endOut = collect()
	os.Stderr, endErr = collect()
	code = run(args)
	return code, endOut(), endErr()
}

func TestUsage(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing.jpg")
	for _, tc := range []struct {
		args string
		code int
		says string
	}{
		{"--help", 0, ""},
		{"explain --help", 0, ""},
		{"explain", exitUsage, "want images or folders"},
		{"clasify", exitUsage, "did you mean classify?"},
		{"explain --frobnicate x.jpg", exitUsage, "unknown flag"},
		{"explain --model vgg17 " + os.Args[0], exitUsage, "--model vgg17: unknown"},
		{"explain --precision f16 " + os.Args[0], exitUsage, "--precision f16"},
		{"explain --threads -1 " + os.Args[0], exitUsage, "--threads -1"},
		{"explain " + missing, exitFailed, "missing.jpg"},
		{"bench nothing", exitUsage, "want kernels, layers, model or explain"},
		{"bench --batch 0", exitUsage, "--batch 0"},
		{"verify", exitUsage, "want the folder of a report"},
		{"verify " + missing, exitFailed, "missing.jpg"},
	} {
		code, _, stderr := cli(t, strings.Fields(tc.args)...)
		if code != tc.code || !strings.Contains(stderr, tc.says) {
			t.Errorf("cwox %s: exit code %d, %q; want %d, ...%s...", tc.args, code, stderr, tc.code, tc.says)
		}
	}
}

func TestMissingWeights(t *testing.T) {
	t.Setenv("CWOX_CACHE", t.TempDir())
	code, _, stderr := cli(t, "classify", os.Args[0])
	if code != exitFailed || !strings.Contains(stderr, "cwox weights fetch resnet50") || !strings.Contains(stderr, "--weights") {
		t.Errorf("exit code %d, %q: want both ways to get weights", code, stderr)
	}
}

func TestVersion(t *testing.T) {
	code, out, _ := cli(t, "version", "--json")
	var v struct {
		Version, Go, Kernel, Why string
		CPU                      struct{ Features []string }
	}
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 || v.Kernel == "" || v.Why == "" || v.Go == "" {
		t.Errorf("exit code %d, %s: %v", code, out, err)
	}
	t.Setenv("CWOX_ISA", "mmx")
	if code, _, stderr := cli(t, "version"); code != exitFailed || !strings.Contains(stderr, "mmx") {
		t.Errorf("CWOX_ISA=mmx: exit code %d, %q", code, stderr)
	}
}

// TestExplain does the main job on a real photograph, twice with other numbers of threads, and
// verifies the result.
func TestExplain(t *testing.T) {
	image := testdata.Path(t, "images", "paper", "cello_guitar.jpg")
	flags := []string{
		"--weights", testdata.Path(t, "weights", "resnet50_tf_v15.safetensors"),
		"--tree", testdata.Path(t, "trees", "published-resnet50.json"), "--top", "5",
	}
	var dirs []string
	for _, threads := range []string{"1", "2"} {
		dir := filepath.Join(t.TempDir(), "out")
		dirs = append(dirs, dir)
		code, out, stderr := cli(t, append(append([]string{"explain", "--threads", threads, "-o", dir}, flags...), image)...)
		if code != 0 || !strings.Contains(out, "5 top classes in 3 confusion clusters") {
			t.Fatalf("exit code %d: %s%s", code, out, stderr)
		}
	}
	for _, name := range []string{"maps.safetensors", "cluster-0.png", "class-486.png"} {
		a, err := os.ReadFile(filepath.Join(dirs[0], name))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dirs[1], name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(a, b) {
			t.Errorf("%s: other bytes with other threads", name)
		}
	}
	if code, out, stderr := cli(t, "verify", dirs[0]); code != 0 || !strings.Contains(out, "agree to the byte") {
		t.Errorf("verify: exit code %d: %s%s", code, out, stderr)
	}
	// A changed map is found.
	maps := filepath.Join(dirs[0], "maps.safetensors")
	b, err := os.ReadFile(maps)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)-1] ^= 1
	if err := os.WriteFile(maps, b, 0o644); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := cli(t, "verify", dirs[0]); code != exitFailed || !strings.Contains(stderr, "differs") {
		t.Errorf("verify of a changed map: exit code %d: %s", code, stderr)
	}
}

// TestClassifyGoesOn wants every readable image classified although one is not.
func TestClassifyGoesOn(t *testing.T) {
	broken := filepath.Join(t.TempDir(), "broken.jpg")
	if err := os.WriteFile(broken, []byte("not an image"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, out, _ := cli(t, "classify", "--json", "--top", "2", "--weights", testdata.Path(t, "weights", "googlenet_bvlc_caffe.safetensors"),
		"--model", "googlenet-caffe", broken, testdata.Path(t, "images", "paper", "screwdriver.JPEG"))
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != exitFailed || len(lines) != 2 {
		t.Fatalf("exit code %d, %d lines: %s", code, len(lines), out)
	}
	var first, second classifyLine
	if err := json.Unmarshal([]byte(lines[0]), &first); err != nil || first.Error == "" || first.Image != broken {
		t.Errorf("%s: %v", lines[0], err)
	}
	if err := json.Unmarshal([]byte(lines[1]), &second); err != nil || len(second.Top) != 2 || second.Top[0].Class != 784 {
		t.Errorf("%s: %v", lines[1], err)
	}
}
