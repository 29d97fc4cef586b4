package onnx_test

import (
	"os"
	"runtime"
	"testing"

	"cwox/internal/testdata"
	"cwox/weights/onnx"
)

// FuzzFold reads and folds whatever bytes: no panic, and no more memory than is stated.
func FuzzFold(f *testing.F) {
	for _, pattern := range [][]string{{"onnx", "hostile", "*.onnx"}, {"onnx", "backend", "node", "*", "model.onnx"}, {"onnx", "backend", "pytorch-operator", "*", "model.onnx"}} {
		for _, path := range testdata.Glob(pattern...) {
			if data, err := os.ReadFile(path); err == nil && len(data) < 1<<14 {
				f.Add(data)
			}
		}
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		m, err := onnx.Parse(data, nil)
		if err == nil {
			_, err = m.Fold(onnx.FoldOptions{})
		}
		runtime.ReadMemStats(&after)
		if used := after.TotalAlloc - before.TotalAlloc; used > 512<<20+128*uint64(len(data)) {
			t.Errorf("took %d MB for %d bytes", used>>20, len(data))
		}
		if err != nil && len(err.Error()) > 1<<13 {
			t.Errorf("an error of %d bytes", len(err.Error()))
		}
	})
}
