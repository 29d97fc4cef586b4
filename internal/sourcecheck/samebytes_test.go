package sourcecheck

import (
	"bufio"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// freely are the trees whose results are not promised to be the same bytes on every processor:
// training, of which only the outcome is kept, and the benchmark.
var freely = []string{"internal/train", "internal/demo/grow", "bench"}

func isFree(path string) bool {
	return slices.ContainsFunc(freely, func(tree string) bool {
		return path == tree || strings.HasPrefix(path, tree+"/")
	})
}

// exact are the functions of package math that are exact or correctly rounded on every
// processor. The others have assembly or are fused on some: internal/elementary has those.
var exact = strings.Fields(`Abs Ceil Copysign FMA Float32bits Float32frombits Float64bits
	Float64frombits Floor Frexp Inf IsInf IsNaN Ldexp Max Min Mod Modf NaN Nextafter Nextafter32
	Round RoundToEven Signbit Sqrt Trunc`)

// TestMathIsExact finds functions of package math whose last digit is a processor's own.
func TestMathIsExact(t *testing.T) {
	seen := 0
	sources(t, func(path string) {
		rel, err := filepath.Rel(root, path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, "_test.go") || isFree(filepath.ToSlash(rel)) {
			return
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, path, nil, 0)
		if err != nil {
			t.Error(err)
			return
		}
		ast.Inspect(f, func(n ast.Node) bool {
			call, ok := n.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			if of, ok := call.X.(*ast.Ident); !ok || of.Name != "math" || of.Obj != nil {
				return true
			}
			seen++
			name := call.Sel.Name
			constant := regexp.MustCompile(`^(E|Pi|Phi|Sqrt.+|Ln.+|Log.+E|Max.+|Smallest.+|Min.+)$`)
			if !slices.Contains(exact, name) && !constant.MatchString(name) {
				t.Errorf("%s: math.%s differs between processors, want internal/elementary", files.Position(call.Pos()), name)
			}
			return true
		})
	}, ".go")
	if seen < 200 {
		t.Errorf("only %d uses of package math were found", seen)
	}
}

// fused are arm64's instructions that multiply and add with a single rounding; the compiler takes
// them wherever the language lets it, on other processors in fewer places.
var fused = regexp.MustCompile(`\(([^()]+\.go:\d+)\)\s+(FN?M(?:ADD|SUB)[SD])\b`)

// TestNothingIsFused compiles for arm64 and looks for fused steps in the machine code: a product
// that is added to something must be converted, float64(x*y) + z, and a half, x/2, is a product
// too. The arguments of math.FMA are meant so.
func TestNothingIsFused(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles for another processor")
	}
	listing := func(visit func(line string), args ...string) {
		t.Helper()
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
		r, w := io.Pipe()
		cmd.Stdout, cmd.Stderr = w, w
		ended := make(chan error)
		go func() {
			err := cmd.Run()
			w.Close()
			ended <- err
		}()
		var last []string // to be shown if it fails
		lines := bufio.NewScanner(r)
		for lines.Scan() {
			visit(lines.Text())
			last = append(last[max(0, len(last)-20):], lines.Text())
		}
		if err := errors.Join(lines.Err(), r.Close(), <-ended); err != nil {
			t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, strings.Join(last, "\n"))
		}
	}
	build := []string{"build", "-gcflags=-S"}
	listing(func(name string) {
		if !isFree(strings.TrimPrefix(name, "cwox/")) {
			build = append(build, name)
		}
	}, "list", "-f", "{{if .GoFiles}}{{.ImportPath}}{{end}}", "./...")
	products := 0
	var places []string
	listing(func(line string) {
		if strings.Contains(line, "FMULD") {
			products++
		}
		if m := fused.FindStringSubmatch(line); m != nil {
			places = append(places, m[1])
		}
	}, build...)
	if products < 500 {
		t.Errorf("only %d products were found in the listing", products)
	}
	slices.Sort(places)
	for _, place := range slices.Compact(places) {
		if strings.Contains(place, "/fpdf@") { // inlined where figures are drawn as PDF, whose bytes are nobody's promise
			continue
		}
		t.Errorf("%s: a product is fused with a sum", place)
	}
}
