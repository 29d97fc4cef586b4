//go:build unix

package main

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestPipesAreRefused names a pipe that nobody writes wherever a file can be named. It would hang
// if one of them was opened.
func TestPipesAreRefused(t *testing.T) {
	dir := t.TempDir()
	pipe, link, list, ok := filepath.Join(dir, "pipe"), filepath.Join(dir, "link.png"), filepath.Join(dir, "list"), filepath.Join(dir, "ok.png")
	if err := syscall.Mkfifo(pipe, 0o666); err != nil {
		t.Skip(err)
	}
	if err := os.Symlink(pipe, link); err != nil {
		t.Fatal(err)
	}
	putAt(t, list, link+"\n")
	picture(t, ok, 1)
	out := filepath.Join(dir, "out")
	for _, args := range [][]string{
		{"classify", "--model", "demo", pipe},
		{"classify", "--model", "demo", link},
		{"classify", "--weights", pipe, ok},
		{"classify", "--model", "demo", "--labels", pipe, ok},
		{"classify", "--model", "demo", "--preprocess", pipe, ok},
		{"classify", "--model", "demo", "--tensor", pipe},
		{"explain", "--model", "demo", "-o", out, "--tree", pipe, ok},
		{"explain", "--model", "demo", "-o", out, pipe},
		{"documents", "--model", "demo", "-o", out + ".txt", pipe},
		{"documents", "--model", "demo", "-o", out + ".txt", list},
		{"evaluate", "--model", "demo", "-o", out + "-e", pipe},
		{"tree", "learn", "-o", out + ".json", pipe},
		{"tree", "show", pipe},
		{"tree", "cut", pipe},
		{"tree", "convert", "--to", "nodes", "-o", out, pipe},
		{"score", "--model", "demo", "--map", pipe, "--pos", "1", ok},
		{"weights", "inspect", pipe},
	} {
		code, _, stderr := cli(t, args...)
		if code != exitFailed && code != exitUsage || !strings.Contains(stderr, "not a regular file") && !strings.Contains(stderr, "neither a file") {
			t.Errorf("%q: exit code %d, %q", args, code, stderr)
		}
	}
}

// TestFullDisk: what cannot be written is a failure, whichever command it is of.
func TestFullDisk(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	dir := t.TempDir()
	ok := filepath.Join(dir, "ok.png")
	picture(t, ok, 1)
	for _, args := range [][]string{
		{"--help"},
		{"version"},
		{"version", "--json"},
		{"classify", "--model", "demo", ok},
		{"classify", "--model", "demo", "--json", ok},
		{"explain", "--model", "demo", "-o", filepath.Join(dir, "out"), ok},
		{"demo", "--list"},
		{"tree", "cut"},
		{"tree", "show", "--classes", "1,2"},
		{"weights", "list"},
		{"verify", filepath.Join(dir, "out")},
	} {
		c := program(args...)
		var stderr bytes.Buffer
		c.Stdout, c.Stderr = full, &stderr
		_ = c.Run()
		if code := c.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%q: exit code %d, %q", args, code, stderr.String())
		}
	}
}

// TestSignals: each signal ends the work with its own exit code; nohup's is left alone.
func TestSignals(t *testing.T) {
	dir := t.TempDir()
	ok := filepath.Join(dir, "ok.png")
	picture(t, ok, 1)
	model := smallWeights(t)
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		c := program("explain", "--weights", model, "--explainer", "rise", "--rise-masks", "300000", "-o", filepath.Join(dir, "out"), ok)
		r, err := c.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1) // of what is said of the model
		_, _ = r.Read(first)
		_ = c.Process.Signal(sig)
		rest, _ := io.ReadAll(r)
		_ = c.Wait()
		if code := c.ProcessState.ExitCode(); code != 128+int(sig) || !strings.Contains(string(rest), "cwox: interrupted") {
			t.Errorf("%v: exit code %d, want %d: %s%s", sig, code, 128+int(sig), first, rest)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "out")); err == nil {
		t.Error("work that was interrupted left a folder")
	}
}

// TestShardTerminated: what a scheduler does to a shard, SIGTERM, ends it at once with 143, and
// the same command goes on.
func TestShardTerminated(t *testing.T) {
	in, model := smallImages(t, 14), smallWeights(t)
	out := filepath.Join(t.TempDir(), "docs.txt")
	args := []string{"documents", "--weights", model, "--quiet", "-o", out, "--batch", "1", "--threads", "1", "--shard", "0/1", in}
	journal := filepath.Join(out+".shards", "0-of-1", "docs.txt.jsonl")
	c := program(args...)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); lines(journal) < 2 && time.Since(start) < time.Minute; {
		time.Sleep(time.Millisecond)
	}
	_ = c.Process.Signal(syscall.SIGTERM)
	_ = c.Wait()
	if code := c.ProcessState.ExitCode(); code != 128+int(syscall.SIGTERM) || !strings.Contains(stderr.String(), "the same command goes on after") {
		t.Errorf("exit code %d: %s", code, stderr.String())
	}
	if code, stdout, _ := cli(t, "merge", "--missing", out); code != 0 || stdout != "0\n" {
		t.Errorf("exit code %d, missing %q", code, stdout)
	}
	for _, args := range [][]string{args, {"merge", "--quiet", out}} {
		if code, _, stderr := cli(t, args...); code != 0 {
			t.Errorf("%q: exit code %d: %s", args, code, stderr)
		}
	}
	if n := lines(out + ".jsonl"); n != 14 {
		t.Errorf("%d lines", n)
	}
}

// TestEscapes: names from outside drive no terminal.
func TestEscapes(t *testing.T) {
	dir := t.TempDir()
	evil := "\x1b[31mred\x1b]0;title\a\nsecond\u202eline"
	ok, broken, labels := filepath.Join(dir, evil+".png"), filepath.Join(dir, "broken"+evil+".png"), filepath.Join(dir, "labels")
	picture(t, ok, 1)
	putAt(t, broken, "broken")
	putAt(t, labels, strings.Repeat("\x1b[31mname\u202e\n", 36))
	for _, args := range [][]string{
		{"classify", "--model", "demo", "--labels", labels, ok, broken},
		{"classify", "--model", "demo", dir + evil},
		{"classify", "--model", "demo" + evil, ok},
		{"explain", "--model", "demo", "--labels", labels, "-o", filepath.Join(dir, "out"), ok, broken},
		{"documents", "--model", "demo", "-o", filepath.Join(dir, "d"+evil), broken},
		{"tree", "show", "--labels", labels, "--classes", "1,2", evil},
		{"weights", "inspect", broken},
		{evil},
		{"classify", "--" + evil},
	} {
		code, out, stderr := cli(t, args...)
		for _, bad := range []string{"\x1b", "\a", "\u202e", "\nsecond"} {
			if strings.Contains(out+stderr, bad) {
				t.Errorf("%q: exit code %d, %q", args, code, out+stderr)
				break
			}
		}
		if out+stderr == "" {
			t.Errorf("%q: nothing was said", args)
		}
	}
}

// TestNoDoublePrefix: errors begin with the program's name, once, and with no package's.
func TestNoDoublePrefix(t *testing.T) {
	dir := t.TempDir()
	none, ok := filepath.Join(dir, "none"), filepath.Join(dir, "ok.png")
	picture(t, ok, 1)
	for _, args := range [][]string{
		{"classify", "--model", "demo", none},
		{"explain", "--model", "demo", "--classes", "1,99", "-o", filepath.Join(dir, "out"), ok},
		{"explain", "--model", "demo", "--clusters", "[[1],[1]]", "-o", filepath.Join(dir, "out"), ok},
		{"explain", "--model", "demo", "--tree", none, "-o", filepath.Join(dir, "out"), ok},
		{"verify", none},
		{"tree", "show", none},
		{"weights", "inspect", none},
	} {
		code, _, stderr := cli(t, args...)
		rest, found := strings.CutPrefix(stderr, "cwox: ")
		if code == 0 || !found || inside.MatchString(rest) {
			t.Errorf("%q: exit code %d, %q", args, code, stderr)
		}
	}
}
