package weights

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"cwox/weights/half"
)

// DType is the element type of a stored tensor, spelled as safetensors does.
type DType string

// The element types that can be read.
const (
	F64     DType = "F64"
	F32     DType = "F32"
	F16     DType = "F16"
	BF16    DType = "BF16"
	F8_E4M3 DType = "F8_E4M3" // torch.float8_e4m3fn: no infinity
	F8_E5M2 DType = "F8_E5M2"
	I64     DType = "I64"
	I32     DType = "I32"
	I16     DType = "I16"
	I8      DType = "I8"
	U64     DType = "U64"
	U32     DType = "U32"
	U16     DType = "U16"
	U8      DType = "U8"
	Bool    DType = "BOOL"
)

// The element types that are known by name and size only: Float32 and Float64 of such a
// tensor are errors.
const (
	C64         DType = "C64" // complex of two F32
	C128        DType = "C128"
	F8_E4M3FNUZ DType = "F8_E4M3FNUZ"
	F8_E5M2FNUZ DType = "F8_E5M2FNUZ"
	F8_E8M0     DType = "F8_E8M0"
)

// Size is the number of bytes of one element, 0 for a type that is not known.
func (d DType) Size() int {
	switch d {
	case C128:
		return 16
	case F64, I64, U64, C64:
		return 8
	case F32, I32, U32:
		return 4
	case F16, BF16, I16, U16:
		return 2
	case I8, U8, Bool, F8_E4M3, F8_E5M2, F8_E4M3FNUZ, F8_E5M2FNUZ, F8_E8M0:
		return 1
	}
	return 0
}

// isNumber tells whether the elements can be read as floats.
func (d DType) isNumber() bool {
	switch d {
	case C64, C128, F8_E4M3FNUZ, F8_E5M2FNUZ, F8_E8M0:
		return false
	}
	return true
}

// Tensor is a named array of a file. Its fields are to be read, not changed.
type Tensor struct {
	Name  string
	DType DType
	Shape []int // empty for a scalar

	data   []byte // little-endian elements, from the first one on
	stride []int  // in elements; nil where data is row-major and without gaps
	file   *File  // nil for a tensor made by NewF32 or NewF16
}

// NewF32 makes a tensor of float32 in row-major order, to be written. The data is
// not copied. The product of shape must be len(data).
func NewF32(name string, shape []int, data []float32) *Tensor {
	if n, ok := count(shape, 4); !ok || n != len(data) {
		panic("weights: NewF32: the shape does not fit the data")
	}
	t := &Tensor{Name: name, DType: F32, Shape: slices.Clone(shape)}
	if len(data) == 0 {
		return t
	}
	if littleEndian {
		t.data = unsafe.Slice((*byte)(unsafe.Pointer(&data[0])), 4*len(data))
		return t
	}
	t.data = make([]byte, 0, 4*len(data))
	for _, v := range data {
		t.data = binary.LittleEndian.AppendUint32(t.data, math.Float32bits(v))
	}
	return t
}

// NewF16 makes a tensor of IEEE 754 binary16 of float32 in row-major order, each rounded
// to the nearest, ties to even; what is too large becomes infinite. The product of shape
// must be len(data).
func NewF16(name string, shape []int, data []float32) *Tensor {
	if n, ok := count(shape, 2); !ok || n != len(data) {
		panic("weights: NewF16: the shape does not fit the data")
	}
	t := &Tensor{Name: name, DType: F16, Shape: slices.Clone(shape), data: make([]byte, 0, 2*len(data))}
	for _, v := range data {
		t.data = binary.LittleEndian.AppendUint16(t.data, half.FromFloat32(v))
	}
	return t
}

// Len is the number of elements.
func (t *Tensor) Len() int {
	n, _ := count(t.Shape, 1)
	return n
}

// Float32 gives the elements in row-major order: a view (read-only, valid until
// Close) where they are F32, contiguous and aligned, a new slice otherwise. F64 is
// rounded to nearest even, integers too; BOOL gives 0 and 1. The error is that of a
// closed file, or of a type that is no real number.
func (t *Tensor) Float32() ([]float32, error) {
	b, err := t.numbers()
	if err != nil || len(b) == 0 {
		return nil, err
	}
	n := len(b) / t.DType.Size()
	if t.DType == F32 && littleEndian && uintptr(unsafe.Pointer(&b[0]))%unsafe.Alignof(float32(0)) == 0 {
		return unsafe.Slice((*float32)(unsafe.Pointer(&b[0])), n), nil
	}
	return convert[float32](t.DType, b, n), nil
}

// Float64 is Float32 in double precision; I64 and U64 beyond 2^53 are rounded.
func (t *Tensor) Float64() ([]float64, error) {
	b, err := t.numbers()
	if err != nil || len(b) == 0 {
		return nil, err
	}
	n := len(b) / t.DType.Size()
	if t.DType == F64 && littleEndian && uintptr(unsafe.Pointer(&b[0]))%unsafe.Alignof(float64(0)) == 0 {
		return unsafe.Slice((*float64)(unsafe.Pointer(&b[0])), n), nil
	}
	return convert[float64](t.DType, b, n), nil
}

// numbers is Bytes of a tensor of real numbers.
func (t *Tensor) numbers() ([]byte, error) {
	if !t.DType.isNumber() {
		in := ""
		if t.file != nil {
			in = t.file.name + ": "
		}
		return nil, fmt.Errorf("weights: %s%s: elements of type %s cannot be read as real numbers", in, quote(t.Name), t.DType)
	}
	return t.Bytes()
}

// Bytes gives the elements as they are stored, little-endian, in row-major order: a
// view (read-only, valid until Close) where the tensor is contiguous, a new slice
// otherwise.
func (t *Tensor) Bytes() ([]byte, error) {
	if t.file != nil && t.file.closed.Load() {
		return nil, fmt.Errorf("weights: %s: %s: read after Close", t.file.name, quote(t.Name))
	}
	n := t.Len() * t.DType.Size()
	if t.stride == nil {
		return t.data[:n:n], nil
	}
	return t.gather(n), nil
}

// gather copies a strided tensor of n > 0 bytes to row-major order.
func (t *Tensor) gather(n int) []byte {
	size, last := t.DType.Size(), len(t.Shape)-1
	row, step := t.Shape[last], t.stride[last]*size
	out := make([]byte, 0, n)
	at := make([]int, last) // index of the row in the outer dimensions
	base := 0               // its first byte
	for len(out) < n {
		if step == size {
			out = append(out, t.data[base:base+row*size]...)
		} else {
			for i := range row {
				p := base + i*step
				out = append(out, t.data[p:p+size]...)
			}
		}
		for d := last - 1; d >= 0; d-- {
			at[d]++
			base += t.stride[d] * size
			if at[d] < t.Shape[d] {
				break
			}
			base -= at[d] * t.stride[d] * size
			at[d] = 0
		}
	}
	return out
}

var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// count is the number of elements of a shape, and whether the bytes they take (the
// product with size, dimensions of zero left out) can be counted in an int.
func count(shape []int, size int) (n int, ok bool) {
	n, total := 1, size
	for _, d := range shape {
		n *= d // cannot overflow while total does not
		if d == 0 {
			continue
		}
		if d < 0 || total > math.MaxInt/d {
			return 0, false
		}
		total *= d
	}
	return n, true
}

// rowMajor tells whether strides are those of a contiguous array. The stride of a
// dimension of one element does not matter.
func rowMajor(shape, stride []int) bool {
	want := 1
	for d := len(shape) - 1; d >= 0; d-- {
		if shape[d] == 1 {
			continue
		}
		if stride[d] != want {
			return false
		}
		want *= shape[d]
	}
	return true
}

// convert reads n little-endian elements.
func convert[T float32 | float64](d DType, b []byte, n int) []T {
	out := make([]T, n)
	le := binary.LittleEndian
	switch d {
	case F64:
		for i := range out {
			out[i] = T(math.Float64frombits(le.Uint64(b[8*i:])))
		}
	case F32:
		for i := range out {
			out[i] = T(math.Float32frombits(le.Uint32(b[4*i:])))
		}
	case F16:
		for i := range out {
			out[i] = T(half.Float32(le.Uint16(b[2*i:])))
		}
	case BF16:
		for i := range out {
			out[i] = T(math.Float32frombits(uint32(le.Uint16(b[2*i:])) << 16))
		}
	case F8_E4M3:
		table := float8Table(4, 3)
		for i := range out {
			out[i] = T(table[b[i]])
		}
	case F8_E5M2:
		table := float8Table(5, 2)
		for i := range out {
			out[i] = T(table[b[i]])
		}
	case I64:
		for i := range out {
			out[i] = T(int64(le.Uint64(b[8*i:])))
		}
	case I32:
		for i := range out {
			out[i] = T(int32(le.Uint32(b[4*i:])))
		}
	case I16:
		for i := range out {
			out[i] = T(int16(le.Uint16(b[2*i:])))
		}
	case I8:
		for i := range out {
			out[i] = T(int8(b[i]))
		}
	case U64:
		for i := range out {
			out[i] = T(le.Uint64(b[8*i:]))
		}
	case U32:
		for i := range out {
			out[i] = T(le.Uint32(b[4*i:]))
		}
	case U16:
		for i := range out {
			out[i] = T(le.Uint16(b[2*i:]))
		}
	case U8:
		for i := range out {
			out[i] = T(b[i])
		}
	case Bool:
		for i := range out {
			if b[i] != 0 {
				out[i] = 1
			}
		}
	default:
		panic("weights: tensor of an unknown type")
	}
	return out
}

// float8Table is the value of every byte of an 8-bit float (OCP 8-bit Floating Point
// Specification, revision 1.0). E5M2 has infinities and NaN as IEEE 754 would; E4M3 has no
// infinity, and NaN where all bits but the sign are set.
func float8Table(exponentBits, fractionBits int) (table [256]float32) {
	bias := 1<<(exponentBits-1) - 1
	topExponent := 1<<exponentBits - 1
	for i := range table {
		exponent, fraction := i>>fractionBits&topExponent, i&(1<<fractionBits-1)
		v := math.Ldexp(float64(fraction), 1-bias-fractionBits) // zero or subnormal
		switch {
		case fractionBits == 3 && i&0x7f == 0x7f, fractionBits == 2 && exponent == topExponent && fraction != 0:
			v = math.NaN()
		case fractionBits == 2 && exponent == topExponent:
			v = math.Inf(1)
		case exponent > 0:
			v = math.Ldexp(float64(fraction|1<<fractionBits), exponent-bias-fractionBits)
		}
		if i >= 0x80 {
			v = -v
		}
		table[i] = float32(v)
	}
	return table
}
