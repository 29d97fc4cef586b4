package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"unsafe"

	"cwox/weights/half"
)

// Type is an element type, numbered as in TensorProto.DataType.
type Type int64

// The types that are read.
const (
	Undefined Type = 0
	Float     Type = 1
	Uint8     Type = 2
	Int8      Type = 3
	Uint16    Type = 4
	Int16     Type = 5
	Int32     Type = 6
	Int64     Type = 7
	Bool      Type = 9
	Float16   Type = 10
	Double    Type = 11
	Uint32    Type = 12
	Uint64    Type = 13
	BFloat16  Type = 16
)

// types are their names, the bytes of an element, and how a tensor's elements lie in memory once
// they are read.
var types = map[Type]struct {
	name string
	size int
	kind kind
}{
	Float: {"float", 4, inFloats}, Float16: {"float16", 2, inFloats}, BFloat16: {"bfloat16", 2, inFloats},
	Double: {"double", 8, inDoubles},
	Uint8:  {"uint8", 1, inInts}, Int8: {"int8", 1, inInts}, Uint16: {"uint16", 2, inInts}, Int16: {"int16", 2, inInts},
	Int32: {"int32", 4, inInts}, Int64: {"int64", 8, inInts}, Uint32: {"uint32", 4, inInts}, Uint64: {"uint64", 8, inInts},
	Bool: {"bool", 1, inInts},
}

// others are the names of types that are not read.
var others = map[Type]string{
	Undefined: "undefined", 8: "string", 14: "complex64", 15: "complex128", 17: "float8e4m3fn", 18: "float8e4m3fnuz",
	19: "float8e5m2", 20: "float8e5m2fnuz", 21: "uint4", 22: "int4", 23: "float4e2m1", 24: "float8e8m0",
}

// kind is where a Value's elements lie.
type kind int

const (
	inFloats  kind = iota // float32, also of narrower ones
	inDoubles             // float64
	inInts                // int64; booleans are 0 and 1
)

func (t Type) String() string {
	if row, ok := types[t]; ok {
		return row.name
	}
	if name, ok := others[t]; ok {
		return name
	}
	return fmt.Sprintf("type %d", int64(t))
}

func (t Type) known() bool { _, ok := types[t]; return ok }

// IsFloat tells numbers with a fraction from integers and booleans.
func (t Type) IsFloat() bool { return t.known() && types[t].kind != inInts }

// Tensor is a TensorProto: constants of the file, which are read when they are asked for.
type Tensor struct {
	Name string

	dims           []int64
	kind, location int64
	raw            []byte // little-endian elements: of the file or of one beside it
	hasRaw         bool
	floats         []byte // packed, as all that follow
	doubles        []byte
	ints32, ints64 []byte // varints
	uints64        []byte
	external       []*entry

	shape []int // set by the loader, which has checked that the elements are there
	size  int
}

// mostRank is the most axes of a tensor, mostElements the most elements of one that is not in
// the file: 8 GiB of float32.
const (
	mostRank     = 16
	mostElements = 1<<31 - 1
)

// elements is the number of elements of a shape.
func elements(shape []int) (int, error) {
	if len(shape) > mostRank {
		return 0, fmt.Errorf("%d axes, at most %d are read", len(shape), mostRank)
	}
	n, full := 1, 1 // full leaves out axes of length 0, so that the others are checked too
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v: an axis of negative length", shape)
		}
		n *= d
		if d == 0 {
			continue
		}
		if full > mostElements/d {
			return 0, fmt.Errorf("shape %v: too large, at most %d elements are read", shape, mostElements)
		}
		full *= d
	}
	return n, nil
}

// loader checks the tensors of a model and finds those in other files.
type loader struct {
	open  External
	files map[string][]byte
}

func (l *loader) graph(path string, g *Graph) error {
	for i, t := range g.Initializers {
		if err := l.tensor(t); err != nil {
			return fmt.Errorf("%s.initializer[%d] %s: %w", path, i, quote(t.Name), err)
		}
	}
	return l.nodes(path, g.Nodes)
}

func (l *loader) nodes(path string, nodes []*Node) error {
	for i, n := range nodes {
		for j, a := range n.Attributes {
			at := func() string { return fmt.Sprintf("%s.node[%d].attribute[%d]", path, i, j) }
			if a.T != nil {
				if err := l.tensor(a.T); err != nil {
					return fmt.Errorf("%s.t of %v: %w", at(), n, err)
				}
			}
			if a.G != nil {
				if err := l.graph(at()+".g", a.G); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// tensor checks that a tensor's elements are as many as its shape says. Of types that are not
// read there is nothing to check: using them is the error.
func (l *loader) tensor(t *Tensor) error {
	for _, d := range t.dims {
		if d != int64(int(d)) {
			return fmt.Errorf("an axis of length %d", d)
		}
		t.shape = append(t.shape, int(d))
	}
	var err error
	if t.size, err = elements(t.shape); err != nil {
		return err
	}
	if !Type(t.kind).known() {
		return nil
	}
	if t.location != 0 {
		if t.raw, err = l.outside(t); err != nil {
			return fmt.Errorf("external data: %w", err)
		}
		t.hasRaw = true
	}
	if t.hasRaw {
		if want := t.size * types[Type(t.kind)].size; len(t.raw) != want {
			return fmt.Errorf("%d bytes, %v %v takes %d", len(t.raw), Type(t.kind), t.shape, want)
		}
		return nil
	}
	data, width := t.typed()
	have := len(data) / max(width, 1)
	if width == 0 {
		have = varints(data)
	}
	if have != t.size {
		return fmt.Errorf("%d elements, shape %v has %d", have, t.shape, t.size)
	}
	return nil
}

// typed are the elements where they are no raw bytes, and the bytes of each, 0 for varints.
func (t *Tensor) typed() (data []byte, width int) {
	switch Type(t.kind) {
	case Float:
		return t.floats, 4
	case Double:
		return t.doubles, 8
	case Int64:
		return t.ints64, 0
	case Uint32, Uint64:
		return t.uints64, 0
	}
	return t.ints32, 0
}

// varints counts the numbers in packed bytes: those without the bit that says that more follow.
func varints(data []byte) int {
	n := 0
	for _, b := range data {
		if b < 0x80 {
			n++
		}
	}
	return n
}

// outside are a tensor's bytes in a file beside the model.
func (l *loader) outside(t *Tensor) ([]byte, error) {
	var location string
	offset, length := int64(0), int64(-1)
	for _, e := range t.external {
		var err error
		switch e.key {
		case "location":
			location = e.value
		case "offset":
			offset, err = strconv.ParseInt(e.value, 10, 64)
		case "length":
			length, err = strconv.ParseInt(e.value, 10, 64)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %s is no number", e.key, quote(e.value))
		}
	}
	if location == "" || !filepath.IsLocal(filepath.FromSlash(location)) {
		return nil, fmt.Errorf("location %s: want a file in the model's folder", quote(location))
	}
	data, ok := l.files[location]
	if !ok {
		if l.open == nil {
			return nil, fmt.Errorf("weights in the file %s, which is not at hand", quote(location))
		}
		if len(l.files) == mostFiles {
			return nil, fmt.Errorf("more than %d files", mostFiles)
		}
		var err error
		if data, err = l.open(location); err != nil {
			return nil, err
		}
		l.files[location] = data
	}
	if length < 0 {
		length = int64(t.size * types[Type(t.kind)].size)
	}
	if offset < 0 || offset > int64(len(data)) || length > int64(len(data))-offset {
		return nil, fmt.Errorf("%d bytes at offset %d of %s, which has %d", length, offset, quote(location), len(data))
	}
	return data[offset:][:length:length], nil
}

// mostFiles is the most files of external data: one a tensor.
const mostFiles = 1 << 14

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// value reads the elements: a view of the file where they lie as they do in memory.
func (t *Tensor) value() (*Value, error) {
	kind := Type(t.kind)
	if !kind.known() {
		return nil, fmt.Errorf("constant %s of %v, which is not read", quote(t.Name), kind)
	}
	v := blank(kind, t.shape)
	if !t.hasRaw {
		return v, t.readTyped(v)
	}
	if kind == Float && littleEndian && t.size > 0 && uintptr(unsafe.Pointer(&t.raw[0]))%unsafe.Alignof(float32(0)) == 0 {
		v.isKnown, v.f32 = true, unsafe.Slice((*float32)(unsafe.Pointer(&t.raw[0])), t.size)
		return v, nil
	}
	v.set(t.size, func() {
		le, b := binary.LittleEndian, t.raw
		switch kind {
		case Float:
			fill(v.f32, func(i int) float32 { return math.Float32frombits(le.Uint32(b[4*i:])) })
		case Float16:
			fill(v.f32, func(i int) float32 { return half.Float32(le.Uint16(b[2*i:])) })
		case BFloat16:
			fill(v.f32, func(i int) float32 { return math.Float32frombits(uint32(le.Uint16(b[2*i:])) << 16) })
		case Double:
			fill(v.f64, func(i int) float64 { return math.Float64frombits(le.Uint64(b[8*i:])) })
		case Int64, Uint64:
			fill(v.i64, func(i int) int64 { return int64(le.Uint64(b[8*i:])) })
		case Int32:
			fill(v.i64, func(i int) int64 { return int64(int32(le.Uint32(b[4*i:]))) })
		case Uint32:
			fill(v.i64, func(i int) int64 { return int64(le.Uint32(b[4*i:])) })
		case Int16:
			fill(v.i64, func(i int) int64 { return int64(int16(le.Uint16(b[2*i:]))) })
		case Uint16:
			fill(v.i64, func(i int) int64 { return int64(le.Uint16(b[2*i:])) })
		case Int8:
			fill(v.i64, func(i int) int64 { return int64(int8(b[i])) })
		case Uint8:
			fill(v.i64, func(i int) int64 { return int64(b[i]) })
		case Bool:
			fill(v.i64, func(i int) int64 { return min(int64(b[i]), 1) })
		}
	})
	return v, nil
}

// readTyped reads the elements from the field of their type. Halves are there as their bits.
func (t *Tensor) readTyped(v *Value) error {
	data, width := t.typed()
	var bad error
	varint := func() int64 {
		x, n := binary.Uvarint(data)
		if n <= 0 {
			bad, n = errors.New("a damaged number"), len(data)
		}
		data = data[n:]
		return int64(x)
	}
	v.set(t.size, func() {
		switch {
		case width == 4:
			fill(v.f32, func(i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])) })
		case width == 8:
			fill(v.f64, func(i int) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:])) })
		case v.Type == Float16:
			fill(v.f32, func(int) float32 { return half.Float32(uint16(varint())) })
		case v.Type == BFloat16:
			fill(v.f32, func(int) float32 { return math.Float32frombits(uint32(varint()) << 16) })
		default:
			fill(v.i64, func(int) int64 { return wrap(v.Type, varint()) })
		}
	})
	if bad != nil {
		return fmt.Errorf("constant %s: %w", quote(t.Name), bad)
	}
	return nil
}

func fill[T any](to []T, at func(i int) T) {
	for i := range to {
		to[i] = at(i)
	}
}

// wrap brings an integer into a type's range, as a conversion in C does.
func wrap(t Type, x int64) int64 {
	switch t {
	case Uint8:
		return int64(uint8(x))
	case Int8:
		return int64(int8(x))
	case Uint16:
		return int64(uint16(x))
	case Int16:
		return int64(int16(x))
	case Uint32:
		return int64(uint32(x))
	case Int32:
		return int64(int32(x))
	case Bool:
		if x != 0 {
			return 1
		}
	}
	return x
}

// Floats are an attribute's numbers.
func (a *Attribute) Floats() []float32 {
	out := make([]float32, len(a.floats)/4)
	fill(out, func(i int) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(a.floats[4*i:])) })
	return out
}
