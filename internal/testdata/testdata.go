// Package testdata finds the shared data that some tests read: real weights,
// images and numbers computed by PyTorch. A clone without it skips those tests;
// with CWOX_REQUIRE_DATA=1 in the environment they fail instead.
package testdata

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// Path returns the path of a file or folder below the data folder, and skips the
// test (or fails it, see the package comment) where it is not there.
func Path(tb testing.TB, elem ...string) string {
	tb.Helper()
	path := filepath.Join(append([]string{root()}, elem...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CWOX_REQUIRE_DATA") == "1" {
			tb.Fatalf("testdata: %v (CWOX_REQUIRE_DATA=1)", err)
		}
		tb.Skipf("testdata: %s is not on this machine", filepath.Join(elem...))
	}
	return path
}

// Glob lists the files below the data folder that match a pattern, in order; none where
// the folder is absent. For seeds of fuzz targets, which should run without it too.
func Glob(elem ...string) []string {
	paths, _ := filepath.Glob(filepath.Join(append([]string{root()}, elem...)...))
	return paths
}

// root is CWOX_DATA, or ../shared/data beside the repository.
func root() string {
	if dir := os.Getenv("CWOX_DATA"); dir != "" {
		return dir
	}
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "..", "shared", "data")
}

// Allocated is how many bytes a function allocates, whatever of it is garbage by its end: what
// files from outside may cost is asserted with it. Nothing else may run at the same time.
func Allocated(do func()) int64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	do()
	runtime.ReadMemStats(&after)
	return int64(after.TotalAlloc - before.TotalAlloc)
}
