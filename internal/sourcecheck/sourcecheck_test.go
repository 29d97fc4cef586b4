// Package sourcecheck holds the repository's rules about itself, as tests.
package sourcecheck

import (
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// mayImport lists for each package tree what it may import: within the module, and of others'
// modules. Imports point one way: cmd -> cwox -> nn and hlta -> asm and weights. The packages
// under everybody are what their name says, and import nothing.
var mayImport = map[string][]string{
	"asm":     {"asm", "github.com/klauspost/cpuid/v2"},
	"weights": {"weights"},
	"hlta":    {"hlta", "gonum.org/v1/gonum", "golang.org/x/sync"},
	"nn":      {"nn", "asm", "internal/elementary", "weights", "golang.org/x/sync", "golang.org/x/image"},
	"cwox":    {"cwox", "nn", "hlta", "weights", "gonum.org/v1/gonum", "golang.org/x/sync", "golang.org/x/image", "codeberg.org/go-pdf/fpdf", "internal/drawnworld", "internal/demo"},
	"bench":   {"bench", "cwox", "nn", "hlta", "asm", "weights"},
	"cmd": {"cmd", "bench", "cwox", "nn", "hlta", "asm", "weights", "internal",
		"github.com/klauspost/cpuid/v2", "github.com/spf13/cobra", "github.com/spf13/pflag", "github.com/schollz/progressbar/v3", "golang.org/x"},
	"internal": {"internal", "nn", "asm", "weights", "hlta", "cwox", "golang.org/x/image", "golang.org/x/sync", "golang.org/x/sys/windows"},
}

// everybody are the way in, the way out, how the program speaks, and numbers.
var everybody = []string{"internal/outside", "internal/place", "internal/say", "internal/elementary"}

// sources visits the repository's files with one of the suffixes.
func sources(t *testing.T, visit func(path string), suffixes ...string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == ".git" || d.Name() == "testdata") {
			return filepath.SkipDir
		}
		if slices.Contains(suffixes, filepath.Ext(path)) {
			visit(path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImportsPointOneWay(t *testing.T) {
	seen := 0
	sources(t, func(path string) {
		if strings.HasSuffix(path, "_test.go") {
			return
		}
		seen++
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			t.Error(err)
			return
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		tree, _, _ := strings.Cut(filepath.ToSlash(rel), "/")
		for _, spec := range f.Imports {
			name := strings.Trim(spec.Path.Value, `"`)
			if name == "C" {
				t.Errorf("%s: cgo", rel)
			}
			first, rest, _ := strings.Cut(name, "/")
			if first == "cwox" {
				name = rest
			} else if !strings.Contains(first, ".") {
				continue // the standard library
			}
			allowed := slices.ContainsFunc(slices.Concat(mayImport[tree], everybody), func(p string) bool {
				return name == p || strings.HasPrefix(name, p+"/")
			})
			if !allowed {
				t.Errorf("%s: imports %s", rel, name)
			}
		}
	}, ".go")
	if seen < 50 {
		t.Errorf("only %d files were checked", seen)
	}
}

// TestFolders wants large folders explained and the root to hold what it should.
func TestFolders(t *testing.T) {
	files := map[string]int{}
	sources(t, func(path string) {
		if !strings.HasSuffix(path, "_test.go") {
			files[filepath.Dir(path)]++
		}
	}, ".go", ".s", ".h")
	for dir, n := range files {
		if _, err := os.Stat(filepath.Join(dir, "doc.go")); n > 25 && err != nil {
			t.Errorf("%s: %d files and no doc.go", dir, n)
		}
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields("nn weights hlta cwox bench cmd asm go.mod go.sum README.md LICENSE internal")
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") && !slices.Contains(want, e.Name()) && !strings.HasPrefix(e.Name(), "cwox-") {
			t.Errorf("%s does not belong at the root", e.Name())
		}
	}
}

// TestAssemblyIsTagged wants every assembly file tagged so that the purego build leaves it out.
func TestAssemblyIsTagged(t *testing.T) {
	sources(t, func(path string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "//go:build") || !strings.Contains(string(text), "purego") {
			t.Errorf("%s: no build tag that leaves it out of purego builds", path)
		}
	}, ".s")
}
