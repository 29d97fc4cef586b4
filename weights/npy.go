package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"cwox/weights/pickle"
)

// NumPy's arrays: pickled, and in files (numpy/lib/format.py).

// numpyTypes are the element types by NumPy's codes, byte order apart.
var numpyTypes = map[string]DType{
	"f8": F64, "f4": F32, "f2": F16, "c8": C64, "c16": C128, "b1": Bool,
	"i8": I64, "i4": I32, "i2": I16, "i1": I8, "u8": U64, "u4": U32, "u2": U16, "u1": U8,
}

// pickledArray is what describes an array in a pickle.
type pickledArray struct {
	shape, dtype, data any
	fortran            bool
}

// pickledArrayOf reads _reconstruct(...) with the state (version, shape, type, Fortran
// order, data), or _frombuffer(data, type, shape, order).
func pickledArrayOf(o *pickle.Object) (a pickledArray, ok bool) {
	if strings.HasSuffix(o.ClassName(), "_frombuffer") {
		if len(o.Args) != 4 {
			return a, false
		}
		return pickledArray{o.Args[2], o.Args[1], o.Args[0], o.Args[3] == any("F")}, true
	}
	state, _ := o.State.(pickle.Tuple)
	if len(state) != 5 {
		return a, false
	}
	return pickledArray{state[1], state[2], state[4], state[3] == any(true) || state[3] == any(int64(1))}, true
}

// ofNumbers tells whether a pickled array has elements that a tensor can have.
func ofNumbers(o *pickle.Object) bool {
	a, ok := pickledArrayOf(o)
	code, _ := numpyType(a.dtype)
	return ok && numpyTypes[code] != ""
}

// ndarray is a pickled array of numbers.
func (r *tensorReader) ndarray(o *pickle.Object) (*Tensor, error) {
	a, _ := pickledArrayOf(o)
	shape, ok := ints(a.shape)
	if !ok {
		return nil, fmt.Errorf("a NumPy array of the shape %s", pickle.Describe(a.shape))
	}
	code, order := numpyType(a.dtype)
	dtype := numpyTypes[code]
	switch {
	case dtype == "":
		return nil, fmt.Errorf("a NumPy array of type %s", quote(code))
	case order == ">" && dtype.Size() > 1:
		return nil, errors.New("a big-endian NumPy array: save it after .astype of the other byte order")
	}
	data, ok := latin1(a.data)
	if !ok {
		return nil, fmt.Errorf("a NumPy array with %s as data", pickle.Describe(a.data))
	}
	return r.array(data, dtype, shape, a.fortran)
}

// array is a tensor of all of data.
func (r *tensorReader) array(data []byte, dtype DType, shape []int64, fortran bool) (*Tensor, error) {
	stride := make([]int64, len(shape))
	n := int64(1)
	for i := range shape {
		d := i // the first dimension runs fastest
		if !fortran {
			d = len(shape) - 1 - i
		}
		stride[d] = n
		if shape[d] > 1 && n > math.MaxInt32*math.MaxInt32/shape[d] {
			return nil, fmt.Errorf("shape %v is too large", shape)
		}
		n *= max(shape[d], 0)
	}
	if n != int64(len(data)/dtype.Size()) || len(data)%dtype.Size() != 0 {
		return nil, fmt.Errorf("shape %v of %s in %d bytes", shape, dtype, len(data))
	}
	return r.view(data, dtype, 0, shape, stride)
}

// numpyType reads numpy.dtype("f4", ...) with the state (version, byte order, ...); code
// is empty where it is no such thing.
func numpyType(v any) (code, order string) {
	o, ok := v.(*pickle.Object)
	if !ok || o.ClassName() != "numpy.dtype" || len(o.Args) == 0 {
		return "", ""
	}
	if state, ok := o.State.(pickle.Tuple); ok && len(state) > 1 {
		order, _ = state[1].(string)
	}
	code, _ = o.Args[0].(string)
	return strings.TrimLeft(code, "<>|="), order
}

// latin1 is the bytes of a pickled array. Protocols before 3 have no bytes: they are
// written as _codecs.encode(text, "latin1"), or of Python 2 as a string.
func latin1(v any) ([]byte, bool) {
	switch v := v.(type) {
	case pickle.Bytes:
		return v, true
	case string: // of Python 2: its bytes happen to be UTF-8
		return []byte(v), true
	case *pickle.Object:
		switch {
		case v.ClassName() == "_codecs.encode" && len(v.Args) == 2:
			text, ok := v.Args[0].(string)
			if !ok || v.Args[1] != any("latin1") {
				return nil, false
			}
			out := make([]byte, 0, utf8.RuneCountInString(text))
			for _, c := range text {
				if c > 0xff {
					return nil, false
				}
				out = append(out, byte(c))
			}
			return out, true
		case strings.HasSuffix(v.ClassName(), ".bytes") && len(v.Args) == 0, // b"" of Python 3 in protocol 2
			strings.HasSuffix(v.ClassName(), ".bytearray") && len(v.Args) == 0:
			return []byte{}, true
		case strings.HasSuffix(v.ClassName(), ".bytearray"):
			b, ok := v.Args[0].(pickle.Bytes)
			return b, ok
		}
	}
	return nil, false
}

// parseNPZ reads an archive of numpy.savez: NAME.npy for every array.
func (f *File) parseNPZ(a *archive) error {
	r := f.newTensorReader(nil)
	for _, name := range a.names {
		if junk(name) || strings.HasSuffix(name, "/") {
			continue
		}
		data, err := a.contentOf(name)
		if err != nil {
			return err
		}
		t, err := r.npy(data)
		if err != nil {
			return fmt.Errorf("%s: %w", quote(name), err)
		}
		if t == nil {
			continue
		}
		t.Name = strings.TrimSuffix(name, ".npy")
		if err := f.add(t); err != nil {
			return err
		}
	}
	if len(f.tensors) == 0 {
		return errors.New("no array of numbers")
	}
	f.dicts = []Dict{{Tensors: len(f.tensors)}}
	return nil
}

// npy reads the contents of an .npy file: magic, version, length of the header, the
// header {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }, the elements. It
// gives nil for an array of strings, of objects or of records.
func (r *tensorReader) npy(data []byte) (*Tensor, error) {
	if !isNPY(data) || len(data) < 12 {
		return nil, errors.New("not an .npy file")
	}
	var header, rest []byte
	var n uint64
	switch version := data[6]; version {
	case 1:
		n, rest = uint64(binary.LittleEndian.Uint16(data[8:])), data[10:]
	case 2, 3:
		n, rest = uint64(binary.LittleEndian.Uint32(data[8:])), data[12:]
	default:
		return nil, fmt.Errorf(".npy version %d, want 1 to 3", version)
	}
	if n > uint64(len(rest)) {
		return nil, fmt.Errorf("header of %d bytes, the file has %d more", n, len(rest))
	}
	header, rest = rest[:n:n], rest[n:]
	descr, fortran, shape, err := npyHeader(string(header))
	if err != nil {
		return nil, err
	}
	order := descr[:min(1, len(descr))]
	dtype := numpyTypes[strings.TrimLeft(descr, "<>|=")]
	switch {
	case dtype == "":
		return nil, nil
	case order == ">" && dtype.Size() > 1:
		return nil, errors.New("a big-endian array: save it after .astype of the other byte order")
	}
	return r.array(rest, dtype, shape, fortran)
}

func isNPY(data []byte) bool { return len(data) >= 8 && string(data[:6]) == "\x93NUMPY" }

// npyHeader reads the Python literal of a header, which NumPy always writes with these
// keys. descr is empty where it is no string (records).
func npyHeader(s string) (descr string, fortran bool, shape []int64, err error) {
	fail := func() (string, bool, []int64, error) {
		return "", false, nil, fmt.Errorf("header %s", quote(s))
	}
	value := func(key string) (string, bool) {
		_, rest, ok := strings.Cut(s, "'"+key+"':")
		return strings.TrimLeft(rest, " "), ok
	}
	d, ok1 := value("descr")
	f, ok2 := value("fortran_order")
	dims, ok3 := value("shape")
	if !ok1 || !ok2 || !ok3 {
		return fail()
	}
	if strings.HasPrefix(d, "'") {
		descr, _, _ = strings.Cut(d[1:], "'")
	}
	fortran = strings.HasPrefix(f, "True")
	inner, _, ok := strings.Cut(strings.TrimPrefix(dims, "("), ")")
	if !ok || !strings.HasPrefix(dims, "(") {
		return fail()
	}
	for i, field := range strings.Split(inner, ",") {
		field = strings.TrimSuffix(strings.TrimSpace(field), "L") // of Python 2
		if field == "" {
			continue
		}
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil || n < 0 || i > maxRank {
			return fail()
		}
		shape = append(shape, n)
	}
	return descr, fortran, shape, nil
}
