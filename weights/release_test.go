package weights

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func TestRelease(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.safetensors")
	want := make([]float32, 10000)
	for i := range want {
		want[i] = float32(i)
	}
	if err := WriteFile(path, []*Tensor{NewF32("x", []int{100, 100}, want)}, nil); err != nil {
		t.Fatal(err)
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	x, _ := f.Tensor("x")
	got, err := x.Float32()
	if err != nil {
		t.Fatal(err)
	}
	f.Release()
	if !slices.Equal(got, want) {
		t.Error("a view reads other values after Release")
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	f.Release() // harmless
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Parse("x", data)
	if err != nil {
		t.Fatal(err)
	}
	g.Release() // nothing is mapped
	if y, _ := g.Tensor("x"); y.Len() != len(want) {
		t.Error("a parsed file lost its tensor")
	}
}
