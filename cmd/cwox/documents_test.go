package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"cwox/cwox/dataset"
	"cwox/nn"
	"cwox/nn/zoo"
	"cwox/weights"
)

// asProgram makes the test binary the program itself: its value is the command line, an
// argument a line.
const asProgram = "CWOX_TEST_ARGS"

func TestMain(m *testing.M) {
	if args := os.Getenv(asProgram); args != "" {
		os.Exit(run(strings.Split(args, "\n")))
	}
	os.Exit(m.Run())
}

// program is this program as a process of its own, with arguments.
func program(args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asProgram+"="+strings.Join(args, "\n"))
	return c
}

// smallWeights writes weights of resnet18 for twelve classes, made by a formula.
func smallWeights(t *testing.T) string {
	t.Helper()
	arch, err := zoo.Lookup("resnet18")
	if err != nil {
		t.Fatal(err)
	}
	var tensors []*weights.Tensor
	_, err = arch.Build(12, func(name string, shape []int) []float32 {
		n := 1
		for _, s := range shape {
			n *= s
		}
		x := make([]float32, n)
		state := uint64(len(tensors) + 1)
		for i := range x {
			state = state*6364136223846793005 + 1442695040888963407
			u := float32(state>>40) / (1 << 24)
			switch {
			case len(shape) > 1:
				x[i] = (u - 0.5) * float32(math.Sqrt(24*float64(shape[0])/float64(n)))
			case strings.HasSuffix(name, "running_var"):
				x[i] = 0.5 + u
			case strings.HasSuffix(name, "bn2.weight"):
				x[i] = 0.25 * (0.5 + u)
			case strings.HasSuffix(name, "weight"):
				x[i] = 0.5 + u
			default:
				x[i] = u - 0.5
			}
		}
		tensors = append(tensors, weights.NewF32(name, shape, x))
		return x
	}, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "resnet18.safetensors")
	if err := weights.WriteFile(path, tensors, nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// smallImages makes a folder of pictures of 40x40; the one before the last is broken.
func smallImages(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		m := image.NewRGBA(image.Rect(0, 0, 40, 40))
		for p := range 1600 {
			x, y := p%40, p/40
			m.Set(x, y, color.RGBA{uint8(x * (i + 1)), uint8(y * (i + 2)), uint8((x*y + 31*i) * 3), 255})
		}
		var b bytes.Buffer
		if err := png.Encode(&b, m); err != nil {
			t.Fatal(err)
		}
		data := b.Bytes()
		if i == n-2 {
			data = []byte("broken")
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02d.png", i)), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestDocumentsUsage(t *testing.T) {
	dir := smallImages(t, 2)
	missing := filepath.Join(t.TempDir(), "missing")
	for _, tc := range []struct {
		args string
		code int
		says string
	}{
		{"documents", exitUsage, "want a folder or a list of images"},
		{"documents " + dir, exitUsage, "-o FILE"},
		{"documents -o x --max-labels 1 " + dir, exitUsage, "--max-labels 1"},
		{"documents -o x --max-labels 0 " + dir, exitUsage, "--max-labels 0"},
		{"documents -o x --cumulative 1 " + dir, exitUsage, "--cumulative 1"},
		{"documents -o x --batch 0 " + dir, exitUsage, "--batch 0"},
		{"documents -o x --model vgg17 " + dir, exitUsage, "--model vgg17"},
		{"documents -o x " + missing, exitFailed, missing},
		{"documents -o x " + filepath.Join(dir, "01.png"), exitFailed, "neither a folder nor a text file"},
	} {
		code, _, stderr := cli(t, strings.Fields(tc.args)...)
		if code != tc.code || !strings.Contains(stderr, tc.says) {
			t.Errorf("cwox %s: exit code %d, %q; want %d, ...%s...", tc.args, code, stderr, tc.code, tc.says)
		}
	}
}

// A run that is killed goes on to the same bytes as one that is not, with other threads and
// another batch; a tree can be learned from them.
func TestDocuments(t *testing.T) {
	const n = 14
	dir, model := smallImages(t, n), smallWeights(t)
	args := func(out string, more ...string) []string {
		return append([]string{"documents", "--model", "resnet18", "--weights", model, "-o", out, dir}, more...)
	}
	whole := filepath.Join(t.TempDir(), "docs.txt")
	code, stdout, stderr := cli(t, args(whole, "--json")...)
	var r struct {
		File string
		dataset.DocumentsResult
	}
	if err := json.Unmarshal([]byte(stdout), &r); err != nil || code != 0 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	if r.File != whole || r.Images != n || r.Unreadable != 1 || r.Documents+r.Certain != n-1 || r.Documents == 0 {
		t.Errorf("%+v", r)
	}
	if !strings.Contains(stderr, "1 of 14 images could not be read") || !strings.Contains(stderr, "12.png") {
		t.Errorf("%q", stderr)
	}

	out := filepath.Join(t.TempDir(), "docs.txt")
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asProgram+"="+strings.Join(args(out, "--batch", "1", "--threads", "1"), "\n"))
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); lines(out+".jsonl") < 3 && time.Since(start) < time.Minute; {
		time.Sleep(time.Millisecond)
	}
	_ = c.Process.Kill()
	_ = c.Wait()
	if k := lines(out + ".jsonl"); k < 3 || k >= n {
		t.Errorf("killed after %d lines", k)
	}
	if code, stdout, stderr := cli(t, args(out)...); code != 0 || !strings.Contains(stderr, "going on after") || !strings.Contains(stdout, "of 14 images") {
		t.Fatalf("exit code %d: %s%s", code, stdout, stderr)
	}
	for _, suffix := range []string{"", ".jsonl", ".settings.json"} {
		a, err := os.ReadFile(whole + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(out + suffix); err != nil || !bytes.Equal(a, b) {
			t.Errorf("docs.txt%s: other bytes after a kill: %v", suffix, err)
		}
	}

	if code, _, stderr := cli(t, args(out, "--cumulative", "0.5")...); code != exitFailed || !strings.Contains(stderr, "cumulative was 0.95 and is 0.5 now") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code, _, stderr := cli(t, args(out, "--cumulative", "0.5", "--restart", "--quiet")...); code != 0 || stderr != "" {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	if code, _, stderr := cli(t, "tree", "learn", whole, "-o", filepath.Join(t.TempDir(), "tree.json")); code != 0 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

func lines(path string) int {
	text, _ := os.ReadFile(path)
	return bytes.Count(text, []byte("\n"))
}

// Ctrl-C ends the run, and says how to go on.
func TestDocumentsInterrupted(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no interrupts between processes on Windows")
	}
	dir, model := smallImages(t, 14), smallWeights(t)
	out := filepath.Join(t.TempDir(), "docs.txt")
	c := exec.Command(os.Args[0])
	c.Env = append(os.Environ(), asProgram+"="+strings.Join([]string{"documents", "--model", "resnet18", "--weights", model, "-o", out,
		"--batch", "1", "--threads", "1", dir}, "\n"))
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); lines(out+".jsonl") < 2 && time.Since(start) < time.Minute; {
		time.Sleep(time.Millisecond)
	}
	_ = c.Process.Signal(os.Interrupt)
	_ = c.Wait()
	done := lines(out + ".jsonl")
	want := fmt.Sprintf("cwox: interrupted; the same command goes on after %d of 14 images", done)
	if code := c.ProcessState.ExitCode(); code != exitInterrupted || !strings.Contains(stderr.String(), want) {
		t.Errorf("exit code %d, %q; want %d, %q", code, stderr.String(), exitInterrupted, want)
	}
	if _, err := os.Stat(out); err == nil {
		t.Error("there are documents of an interrupted run")
	}
}

func TestDocumentsNothingReadable(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.jpg"), []byte("broken"), 0o644); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := cli(t, "documents", "--model", "resnet18", "--weights", smallWeights(t), "-o", filepath.Join(dir, "docs.txt"), dir)
	if code != exitFailed || !strings.Contains(stderr, "no image could be read") || !strings.Contains(stderr, "a.jpg") {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
