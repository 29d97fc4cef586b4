package weights

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// attacks is golden/attacks.json.
type attacks struct {
	Models []struct {
		File, Verdict, Why string
	} `json:"model_files"`
	Valid []struct {
		File, Expected string
	} `json:"valid_model_files"`
}

func readAttacks(t *testing.T) (a attacks) {
	t.Helper()
	b, err := os.ReadFile(testdata.Path(t, "golden", "attacks.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &a); err != nil {
		t.Fatal(err)
	}
	if len(a.Models) < 200 || len(a.Valid) < 10 {
		t.Fatalf("attacks.json lists %d attacks and %d valid files, want hundreds and a dozen", len(a.Models), len(a.Valid))
	}
	return a
}

// TestContainers reads what torch.save wrote. The values were stored exactly, so the
// tolerance is 0; a NaN equals a NaN and -0 keeps its sign.
func TestContainers(t *testing.T) {
	for _, c := range readAttacks(t).Valid {
		t.Run(filepath.Base(c.File), func(t *testing.T) {
			got := open(t, testdata.Path(t, "golden", c.File))
			want := open(t, testdata.Path(t, "golden", c.Expected))
			prefix := "" // of DataParallel; names stay as they are in the file
			if strings.Contains(c.File, "module_prefix") {
				prefix = "module."
			}
			for _, name := range want.Names() {
				g, ok := got.Tensor(prefix + name)
				if !ok {
					if got.Format() == Safetensors && !isASCII(name) {
						continue // this file was written without it
					}
					t.Errorf("%q is missing", name)
					continue
				}
				w, _ := want.Tensor(name)
				if scalar := len(g.Shape) == 0 && slices.Equal(w.Shape, []int{1}); scalar {
					// The expectations hold scalars as arrays of one element.
				} else if !slices.Equal(g.Shape, w.Shape) {
					t.Errorf("%q: shape %v, want %v", name, g.Shape, w.Shape)
				}
				isFloat := g.DType == F16 || g.DType == BF16 || g.DType == F32 || g.DType == F64
				if isFloat && w.DType != F64 || !isFloat && w.DType != g.DType {
					t.Errorf("%q: dtype %s, stored as %s in the expectation", name, g.DType, w.DType)
				}
				sameFloats(t, name, must(g.Float64()), must(w.Float64()))
				f32 := must(g.Float32())
				for i, v := range must(w.Float64()) {
					if !same(float64(f32[i]), float64(float32(v))) {
						t.Errorf("%q[%d]: Float32 gives %v, want %v", name, i, f32[i], float32(v))
					}
				}
			}
			if extra := len(got.Names()) - len(want.Names()); extra > 0 {
				t.Errorf("tensors %v, want %v", got.Names(), want.Names())
			}
		})
	}
}

// TestAttacks holds every hostile or damaged file to its verdict, in bounded memory.
func TestAttacks(t *testing.T) {
	const mostAlloc = 64 << 20 // far below the 300 MB that a whole process may take
	var largest uint64
	for _, a := range readAttacks(t).Models {
		path := testdata.Path(t, "golden", "attacks", a.File)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		f, err := Open(path)
		var values []float32
		if err == nil {
			for _, name := range f.Names() {
				tensor, _ := f.Tensor(name)
				values = slices.Concat(values, must(tensor.Float32()))
			}
			f.Close()
		}
		runtime.ReadMemStats(&after)
		alloc := after.TotalAlloc - before.TotalAlloc
		largest = max(largest, alloc)
		t.Logf("%-45s %7d KiB %v", a.File, alloc>>10, err)
		if alloc > mostAlloc {
			t.Errorf("%s: took %d bytes", a.File, alloc)
		}
		switch {
		case a.Verdict == "error" && err == nil:
			t.Errorf("%s was read: %s", a.File, a.Why)
		case a.Verdict == "ok" && err != nil:
			t.Errorf("%s: %v", a.File, err)
		case a.Verdict == "ok" && !slices.Equal(values, []float32{0, 1, 2, 3}):
			t.Errorf("%s: values %v, want 0 1 2 3", a.File, values)
		case !slices.Contains([]string{"ok", "error", "either"}, a.Verdict):
			t.Errorf("%s: unknown verdict %q", a.File, a.Verdict)
		}
		if err != nil && !strings.Contains(err.Error(), a.File) {
			t.Errorf("%s: the error does not name the file: %v", a.File, err)
		}
		if err != nil && len(err.Error()) > 1000 {
			t.Errorf("%s: an error of %d bytes", a.File, len(err.Error()))
		}
	}
	t.Logf("largest allocation %d KiB", largest>>10)
}

// TestReal opens the real weights: everything is a view of the map.
func TestReal(t *testing.T) {
	for name, want := range map[string]int{
		"resnet50_tf_v15.safetensors":      25_557_032 + 53_120, // torchvision's count, and the running statistics
		"googlenet_bvlc_caffe.safetensors": 6_998_552,
	} {
		f := open(t, testdata.Path(t, "weights", name))
		got := 0
		for _, n := range f.Names() {
			tensor, _ := f.Tensor(n)
			var x []float32
			if allocs := testing.AllocsPerRun(1, func() { x = must(tensor.Float32()) }); allocs != 0 {
				t.Errorf("%s: %q was copied", name, n)
			}
			if tensor.DType == F32 {
				got += len(x)
			}
		}
		if got != want {
			t.Errorf("%s: %d float32 values, want %d", name, got, want)
		}
	}
}

func open(t *testing.T, path string) *File {
	t.Helper()
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func sameFloats(t *testing.T, name string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%q: %d values, want %d", name, len(got), len(want))
		return
	}
	for i := range want {
		if !same(got[i], want[i]) {
			t.Errorf("%q[%d] = %v, want %v", name, i, got[i], want[i])
		}
	}
}

func same(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || math.IsNaN(a) && math.IsNaN(b)
}

func isASCII(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r > 127 })
}
