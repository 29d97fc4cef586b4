package main

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"cwox/internal/drawnworld"
	"cwox/weights"
)

func TestParsePhases(t *testing.T) {
	got, err := parsePhases("64:1000,224:50")
	if err != nil || len(got) != 2 || got[0].Size != 64 || got[1].Images != 50 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "64", "64:", "64:x", "x:64", "16:100", "9999:100", "64:0", "64:100,"} {
		if _, err := parsePhases(bad); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

// TestLessonsGetHarder: one thing alone at first, scenes as they come at last.
func TestLessonsGetHarder(t *testing.T) {
	const mild = 2000
	easy := func(from uint64) (n int) {
		for i := from; i < from+100; i++ {
			s := lesson(i, mild)
			clear := len(s.Objects) == 1 && s.Objects[0].Rival < 0 && s.Objects[0].Class == int(i%uint64(len(drawnworld.Classes())))
			if clear {
				n++
			}
		}
		return n
	}
	start, middle, end := easy(0), easy(mild/2), easy(mild)
	if start < 90 || middle < 30 || middle > 75 || end > 10 {
		t.Errorf("%d, %d, %d of 100 lessons are easy", start, middle, end)
	}
}

func TestRun(t *testing.T) {
	out := filepath.Join(t.TempDir(), "net.safetensors")
	if err := run(context.Background(), out, 1, "32:64", 10, 0.05, 32, 16); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if x, ok := f.Tensor("fc.weight"); !ok || x.Shape[0] != len(drawnworld.Classes()) || x.Shape[1] != 512 {
		t.Errorf("fc.weight: %v", x)
	}
	m := f.Metadata()
	if m["input"] != "32" || len(strings.Split(m["classes"], "\n")) != len(drawnworld.Classes()) {
		t.Errorf("metadata: %v", m)
	}
	for _, bad := range []func() error{
		func() error { return run(context.Background(), out, 1, "32:64", 10, 0.05, 24, 0) },
		func() error { return run(context.Background(), out, 1, "32:64", 10, 0, 32, 0) },
		func() error { return run(context.Background(), filepath.Join(out, "x"), 1, "32:32", 10, 0.05, 32, 0) },
	} {
		if err := bad(); err == nil {
			t.Error("no error")
		}
	}
}
