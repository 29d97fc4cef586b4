package importer

import (
	"os"
	"runtime"
	"testing"

	"cwox/internal/testdata"
	"cwox/weights/onnx"
)

// FuzzImport makes networks of whatever bytes: no panic, and no more memory than is stated.
func FuzzImport(f *testing.F) {
	for _, pattern := range [][]string{{"onnx", "hostile", "*.onnx"}, {"onnx", "backend", "node", "*", "model.onnx"}, {"onnx", "nets", "*", "model.onnx"}} {
		for _, path := range testdata.Glob(pattern...) {
			if data, err := os.ReadFile(path); err == nil && len(data) < 1<<15 {
				f.Add(data)
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := onnx.Parse(data, nil)
		if err == nil {
			_, err = Import(m, Options{Height: 32, Width: 32})
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 768<<20+192*uint64(len(data)) {
			t.Errorf("took %d MB for %d bytes", used>>20, len(data))
		}
		if err != nil && len(err.Error()) > 1<<13 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
