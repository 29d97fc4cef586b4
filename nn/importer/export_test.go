package importer

import (
	"slices"

	"cwox/weights/onnx"
)

// Places are, for each tensor that a node of the network holds, the place of a node's element in it.
func Places(m *onnx.Model, o Options) (map[string]func(c, y, x int) int, error) {
	out := map[string]func(c, y, x int) int{}
	seen := map[*onnx.Value]bool{}
	o.watch = func(b *builder) {
		for v, t := range b.tensors {
			if seen[v] {
				continue
			}
			seen[v] = true
			if _, ok := t.arrangement(); !ok {
				continue
			}
			dims := slices.Clone(t.dims) // as they lie now; an operator may move them
			out[v.Name()] = func(c, y, x int) int {
				at := 0
				for _, dim := range dims {
					at = at*length(dim) + position(dim, [3]int{c, y, x})
				}
				return at
			}
		}
	}
	_, err := build(m, o)
	return out, err
}
