package onnx

import (
	"fmt"
	"slices"
)

// Value is a tensor in a graph of fixed sizes: its type and shape, and its elements where they
// do not depend on the network's input. Values are not changed once they are made.
type Value struct {
	// Names are the names of the ONNX tensors that hold it: more than one where operators
	// such as Identity change nothing.
	Names []string
	Type  Type
	Shape []int

	isKnown bool
	f32     []float32 // elements, in the slice of the type's kind
	f64     []float64
	i64     []int64
	stored  *Tensor // elements that have not been read yet
}

// blank is a value without elements.
func blank(t Type, shape []int) *Value { return &Value{Type: t, Shape: shape} }

// set makes room for n elements and has them filled in.
func (v *Value) set(n int, fill func()) {
	v.isKnown = true
	switch types[v.Type].kind {
	case inFloats:
		v.f32 = make([]float32, n)
	case inDoubles:
		v.f64 = make([]float64, n)
	default:
		v.i64 = make([]int64, n)
	}
	fill()
}

// NewFloats is a known value of float32, row-major. The data is not copied.
func NewFloats(shape []int, data []float32) *Value {
	return &Value{Type: Float, Shape: shape, isKnown: true, f32: data}
}

// newInts is a list of int64.
func newInts(x ...int64) *Value {
	return &Value{Type: Int64, Shape: []int{len(x)}, isKnown: true, i64: x}
}

// Len is the number of elements.
func (v *Value) Len() int {
	n := 1
	for _, d := range v.Shape {
		n *= d
	}
	return n
}

// Name is the first of its names.
func (v *Value) Name() string {
	if v == nil || len(v.Names) == 0 {
		return ""
	}
	return v.Names[0]
}

// Known says that the elements do not depend on the network's input.
func (v *Value) Known() bool { return v.isKnown }

// read fetches the elements of a value that is stored in the file.
func (v *Value) read() error {
	if v.stored == nil {
		return nil
	}
	r, err := v.stored.value()
	if err != nil {
		return err
	}
	v.f32, v.f64, v.i64, v.stored = r.f32, r.f64, r.i64, nil
	return nil
}

// Float64s are the elements of a known value as float64, row-major.
func (v *Value) Float64s() ([]float64, error) {
	if err := v.want(); err != nil {
		return nil, err
	}
	return v.doubles(), nil
}

// Float32s are the elements of a known value as float32, row-major; to be read only.
func (v *Value) Float32s() ([]float32, error) {
	if err := v.want(); err != nil {
		return nil, err
	}
	switch {
	case v.f32 != nil:
		return v.f32, nil
	case v.f64 != nil:
		return convert[float32](v.f64), nil
	}
	return convert[float32](v.i64), nil
}

// Int64s are the elements of a known value of integers or booleans.
func (v *Value) Int64s() ([]int64, error) {
	if err := v.want(); err != nil {
		return nil, err
	}
	if v.Type.IsFloat() {
		return nil, fmt.Errorf("%s: %v, want integers", quote(v.Name()), v.Type)
	}
	return v.i64, nil
}

func (v *Value) want() error {
	if !v.isKnown {
		return fmt.Errorf("%s depends on the network's input, want a constant", quote(v.Name()))
	}
	return v.read()
}

// doubles are the elements of a value that has been read.
func (v *Value) doubles() []float64 {
	switch {
	case v.f64 != nil:
		return v.f64
	case v.f32 != nil:
		return convert[float64](v.f32)
	}
	return convert[float64](v.i64)
}

func convert[T, F float32 | float64 | int64](from []F) []T {
	out := make([]T, len(from))
	for i, x := range from {
		out[i] = T(x)
	}
	return out
}

// setDoubles sets the elements, each rounded to the type.
func (v *Value) setDoubles(x []float64) {
	v.isKnown = true
	switch types[v.Type].kind {
	case inFloats:
		v.f32 = convert[float32](x)
	case inDoubles:
		v.f64 = x
	default:
		v.i64 = make([]int64, len(x))
		for i := range x {
			v.i64[i] = wrap(v.Type, toInt(x[i]))
		}
	}
}

// toInt drops the fraction; what no int64 holds becomes the nearest that is one, and NaN 0.
func toInt(x float64) int64 {
	switch {
	case x != x:
		return 0
	case x >= 1<<63:
		return 1<<63 - 1
	case x < -1<<63:
		return -1 << 63
	}
	return int64(x)
}

// strided reads a value along strides, in elements, from the element base on.
func (v *Value) strided(shape, stride []int, base int) *Value {
	out := blank(v.Type, shape)
	if !v.isKnown {
		return out
	}
	out.isKnown = true
	switch types[v.Type].kind {
	case inFloats:
		out.f32 = walk(v.f32, shape, stride, base)
	case inDoubles:
		out.f64 = walk(v.f64, shape, stride, base)
	default:
		out.i64 = walk(v.i64, shape, stride, base)
	}
	return out
}

func walk[T any](from []T, shape, stride []int, base int) []T {
	n := 1
	for _, d := range shape {
		n *= d
	}
	out := make([]T, 0, n)
	if n == 0 {
		return out
	}
	at := make([]int, len(shape))
	for {
		out = append(out, from[base])
		d := len(shape) - 1
		for ; d >= 0; d-- {
			at[d]++
			if base += stride[d]; at[d] < shape[d] {
				break
			}
			base -= at[d] * stride[d]
			at[d] = 0
		}
		if d < 0 {
			return out
		}
	}
}

// pick makes a value of the given elements of v; -1 stands for the element of fill, or 0.
func (v *Value) pick(shape, index []int, fill *Value) *Value {
	out := blank(v.Type, shape)
	out.isKnown = true
	if fill == nil {
		fill = blank(v.Type, nil)
		fill.set(1, func() {})
	}
	switch types[v.Type].kind {
	case inFloats:
		out.f32 = choose(v.f32, index, fill.f32)
	case inDoubles:
		out.f64 = choose(v.f64, index, fill.f64)
	default:
		out.i64 = choose(v.i64, index, fill.i64)
	}
	return out
}

func choose[T any](from []T, index []int, fill []T) []T {
	out := make([]T, len(index))
	for i, at := range index {
		if at < 0 {
			out[i] = fill[0]
		} else {
			out[i] = from[at]
		}
	}
	return out
}

// reshaped is the same elements in another shape.
func (v *Value) reshaped(shape []int) *Value {
	out := *v
	out.Names, out.Shape = nil, shape
	return &out
}

// strides are those of a row-major array.
func strides(shape []int) []int {
	out := make([]int, len(shape))
	step := 1
	for d := len(shape) - 1; d >= 0; d-- {
		out[d] = step
		step *= shape[d]
	}
	return out
}

// broadcast is the shape that two shapes take together (NumPy's rule).
func broadcast(a, b []int) ([]int, error) {
	out := make([]int, max(len(a), len(b)))
	for i := range out {
		x, y := axisFromEnd(a, len(out)-i), axisFromEnd(b, len(out)-i)
		switch {
		case x == y || y == 1:
			out[i] = x
		case x == 1:
			out[i] = y
		default:
			return nil, fmt.Errorf("shapes %v and %v do not go together", a, b)
		}
	}
	return out, nil
}

func axisFromEnd(shape []int, k int) int {
	if k > len(shape) {
		return 1
	}
	return shape[len(shape)-k]
}

// expanded reads a value as if it had a larger shape, by broadcasting.
func (v *Value) expanded(shape []int) *Value {
	if slices.Equal(v.Shape, shape) {
		return v
	}
	own, step := strides(v.Shape), make([]int, len(shape))
	skip := len(shape) - len(v.Shape)
	for d := range v.Shape {
		if v.Shape[d] != 1 {
			step[skip+d] = own[d]
		}
	}
	return v.strided(shape, step, 0)
}

// As is a known value with its elements in another type, as Cast converts them.
func (v *Value) As(t Type) *Value {
	out := blank(t, v.Shape)
	out.setDoubles(v.doubles())
	narrow(out)
	return out
}
