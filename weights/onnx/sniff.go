package onnx

import (
	"encoding/binary"
	"fmt"
)

// Is tells by the first fields whether data is a model: the number of its version, and somewhere
// a graph, be it cut short. No other framework's protocol buffers have both.
func Is(data []byte) bool {
	version := false
	for range 64 {
		key, n := binary.Uvarint(data)
		if n <= 0 {
			return false
		}
		switch key {
		case 1<<3 | wireVarint:
			version = true
		case 7<<3 | wireBytes:
			return version
		}
		var err error
		if _, data, err = next(data); err != nil {
			return false
		}
	}
	return false
}

// Type is the element type.
func (t *Tensor) Type() Type { return Type(t.kind) }

// Shape is the tensor's; empty for a scalar.
func (t *Tensor) Shape() []int { return t.shape }

// Bytes are the elements, little-endian and row-major; not to be changed.
func (t *Tensor) Bytes() ([]byte, error) {
	if !t.Type().known() {
		return nil, fmt.Errorf("constant %s of %v, which is not read", quote(t.Name), t.Type())
	}
	data, width := t.typed()
	switch {
	case t.hasRaw:
		return t.raw, nil
	case width > 0:
		return data, nil
	}
	size := types[t.Type()].size
	out := make([]byte, 0, t.size*size)
	for len(data) > 0 {
		v, n := binary.Uvarint(data)
		if n <= 0 {
			return nil, fmt.Errorf("constant %s: a damaged number", quote(t.Name))
		}
		var b [8]byte
		binary.LittleEndian.PutUint64(b[:], v)
		out, data = append(out, b[:size]...), data[n:]
	}
	return out, nil
}
