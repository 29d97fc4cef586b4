package zoo

import (
	"path/filepath"
	"testing"

	"cwox/nn"
	"cwox/weights"
)

// parameters are a network's, by the names that Build asks for, in the order in which it does.
type parameters struct {
	names []string
	shape map[string][]int
	value map[string][]float32
}

// formula gives every parameter of a network a value by a formula.
func formula(t testing.TB, a *Arch, classes int) *parameters {
	t.Helper()
	p := &parameters{shape: map[string][]int{}, value: map[string][]float32{}}
	param := formulaParam(a.Name)
	_, err := a.Build(classes, func(name string, shape []int) []float32 {
		v := param(name, shape)
		p.add(name, shape, v)
		return v
	}, nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *parameters) add(name string, shape []int, v []float32) {
	p.names = append(p.names, name)
	p.shape[name], p.value[name] = shape, v
}

// file writes the parameters, called as rename says ("" leaves one out), and opens the file.
func (p *parameters) file(t testing.TB, rename func(name string) string, metadata map[string]string) *weights.File {
	t.Helper()
	var tensors []*weights.Tensor
	for _, name := range p.names {
		to := name
		if rename != nil {
			to = rename(name)
		}
		if to != "" {
			tensors = append(tensors, weights.NewF32(to, p.shape[name], p.value[name]))
		}
	}
	path := filepath.Join(t.TempDir(), "net.safetensors")
	if err := weights.WriteFile(path, tensors, metadata); err != nil {
		t.Fatal(err)
	}
	f, err := weights.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}
