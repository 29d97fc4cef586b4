package weights

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"cwox/internal/testdata"
)

// checkpointCase is what a line of checkpoints/cases.json says of a file, as far as it is
// decided here: nn/zoo holds the networks to their logits.
type checkpointCase struct {
	File, Kind, What string
	Also             []string
	Expect           string
	Accept           []string
	MustName         []string `json:"must_name"`
	Labels           []string
	LabelsOptional   []string `json:"labels_optional"`
	Marker           string
	Facts            struct {
		Key, Prefix string
		Classes     int
		Ignored     []string
		Attribute   string
	}
}

func readCheckpoints(t *testing.T) []checkpointCase {
	t.Helper()
	b, err := os.ReadFile(testdata.Path(t, "checkpoints", "cases.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Cases []checkpointCase }
	if err := json.Unmarshal(b, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Cases) < 185 {
		t.Fatalf("%d cases, want 185", len(all.Cases))
	}
	return all.Cases
}

func TestX(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range readCheckpoints(t) {
		if seen[c.File] {
			continue
		}
		seen[c.File] = true
		for _, file := range append([]string{c.File}, c.Also...) {
			runtime.GC()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			start := time.Now()
			f, err := Open(testdata.Path(t, "checkpoints", filepath.FromSlash(file)))
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			alloc := (after.TotalAlloc - before.TotalAlloc) >> 10
			if err != nil {
				t.Logf("%s %s ERR %v  (%v) %v %d", c.File, c.Expect, err, c.MustName, took, alloc)
				continue
			}
			n := ""
			if len(f.Names()) > 0 {
				n = f.Names()[0]
			}
			t.Logf("%s %s %s %d %s %v labels %d %s want %q %v mods %d %v %d KiB", c.File, c.Expect, f.Format(), len(f.Names()), n, f.Dicts(), len(f.About().Labels), f.About().LabelsFrom, c.Facts.Key, c.Labels, len(f.About().Modules), took, alloc)
			f.Close()
		}
	}
	_ = slices.Contains[[]int]
	_ = strings.Contains
}
