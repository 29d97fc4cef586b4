package weights

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"cwox/weights/pickle"
)

// How a pickle describes tensors: PyTorch, torch/_utils.py and torch/serialization.py;
// NumPy, numpy/_core/multiarray. Only the tensors that are taken are looked at.

// storageTypes are the element types of the storages that persistent ids name.
var storageTypes = map[pickle.Global]DType{
	"torch.DoubleStorage":          F64,
	"torch.FloatStorage":           F32,
	"torch.HalfStorage":            F16,
	"torch.BFloat16Storage":        BF16,
	"torch.LongStorage":            I64,
	"torch.IntStorage":             I32,
	"torch.ShortStorage":           I16,
	"torch.CharStorage":            I8,
	"torch.ByteStorage":            U8,
	"torch.BoolStorage":            Bool,
	"torch.ComplexFloatStorage":    C64,
	"torch.ComplexDoubleStorage":   C128,
	"torch.QInt8Storage":           I8,
	"torch.QUInt8Storage":          U8,
	"torch.QInt32Storage":          I32,
	"torch.UntypedStorage":         U8,
	"torch.storage.UntypedStorage": U8,
}

// torchTypes are the element types that _rebuild_tensor_v3 names.
var torchTypes = map[pickle.Global]DType{
	"torch.float64":         F64,
	"torch.float32":         F32,
	"torch.float16":         F16,
	"torch.bfloat16":        BF16,
	"torch.float8_e4m3fn":   F8_E4M3,
	"torch.float8_e5m2":     F8_E5M2,
	"torch.float8_e4m3fnuz": F8_E4M3FNUZ,
	"torch.float8_e5m2fnuz": F8_E5M2FNUZ,
	"torch.float8_e8m0fnu":  F8_E8M0,
	"torch.int64":           I64,
	"torch.int32":           I32,
	"torch.int16":           I16,
	"torch.int8":            I8,
	"torch.uint64":          U64,
	"torch.uint32":          U32,
	"torch.uint16":          U16,
	"torch.uint8":           U8,
	"torch.bool":            Bool,
	"torch.complex64":       C64,
	"torch.complex128":      C128,
}

// rebuilder reads a tensor of the arguments of a function that makes one.
type rebuilder func(r *tensorReader, o *pickle.Object) (*Tensor, error)

// rebuilders are the functions that make tensors, one row each.
var rebuilders map[string]rebuilder

func init() { // not above: the rows refer to it
	ofFirst := func(r *tensorReader, o *pickle.Object) (*Tensor, error) { return r.argument(o, 0) }
	rebuilders = map[string]rebuilder{
		"torch._utils._rebuild_tensor":    (*tensorReader).strided, // PyTorch before 0.4
		"torch._utils._rebuild_tensor_v2": (*tensorReader).strided,
		"torch._utils._rebuild_tensor_v3": (*tensorReader).strided,

		"torch._utils._rebuild_parameter":                     ofFirst,
		"torch._utils._rebuild_parameter_with_state":          ofFirst,
		"torch._utils._rebuild_device_tensor_from_numpy":      ofFirst,
		"torch._utils._rebuild_device_tensor_from_cpu_tensor": ofFirst,
		"torch._utils._rebuild_xla_tensor":                    ofFirst,
		"torch.nn.parameter.Parameter":                        ofFirst, // PyTorch before 0.4
		"torch.nn.parameter.Buffer":                           ofFirst,
		"torch.autograd.variable.Variable":                    ofFirst,
		"torch._tensor._rebuild_from_type_v2":                 (*tensorReader).subclass,

		"torch._utils._rebuild_qtensor":                (*tensorReader).quantised,
		"torch._utils._rebuild_sparse_tensor":          refuse("a sparse tensor: save it after .to_dense()"),
		"torch._utils._rebuild_sparse_csr_tensor":      refuse("a sparse tensor: save it after .to_dense()"),
		"torch._utils._rebuild_nested_tensor":          refuse("a nested tensor"),
		"torch._utils._rebuild_meta_tensor_no_storage": refuse("a meta tensor, which has no values"),
		"torch._utils._rebuild_wrapper_subclass":       refuse("a tensor of a subclass without storage: save the plain tensors"),

		"numpy.core.multiarray._reconstruct":  (*tensorReader).ndarray,
		"numpy._core.multiarray._reconstruct": (*tensorReader).ndarray,
		"numpy.core.numeric._frombuffer":      (*tensorReader).ndarray, // protocol 5
		"numpy._core.numeric._frombuffer":     (*tensorReader).ndarray,
	}
}

func refuse(what string) rebuilder {
	return func(*tensorReader, *pickle.Object) (*Tensor, error) { return nil, errors.New(what) }
}

// isTensor tells whether a value is a tensor of any kind. A NumPy array of strings or of
// objects is none.
func isTensor(v any) bool {
	o, ok := v.(*pickle.Object)
	if !ok || rebuilders[o.ClassName()] == nil {
		return false
	}
	return !strings.HasPrefix(o.ClassName(), "numpy") || ofNumbers(o)
}

// tensorReader makes Tensors of pickled ones.
type tensorReader struct {
	file    *File
	find    func(key string) ([]byte, error) // the bytes of a storage
	storage map[string]storage               // those found before
	used    int                              // bytes of all tensors
	depth   int
}

func (f *File) newTensorReader(find func(key string) ([]byte, error)) *tensorReader {
	return &tensorReader{file: f, find: find, storage: map[string]storage{}}
}

// readAll makes the tensors whose names begin with prefix.
func (r *tensorReader) readAll(all []named, prefix string) error {
	for _, n := range all {
		if !strings.HasPrefix(n.name, prefix) {
			continue
		}
		t, err := r.tensor(n.value)
		if err != nil {
			return fmt.Errorf("%s: %w", quote(n.name), err)
		}
		t.Name = n.name
		if err := r.file.add(t); err != nil {
			return err
		}
	}
	return nil
}

func (r *tensorReader) tensor(v any) (*Tensor, error) {
	const deepest = 8 // a parameter of a subclass of a tensor ...
	o, ok := v.(*pickle.Object)
	if !ok || rebuilders[o.ClassName()] == nil {
		return nil, fmt.Errorf("made of %s, want a tensor", pickle.Describe(v))
	}
	if r.depth++; r.depth > deepest {
		return nil, errors.New("a tensor of a tensor of a tensor ...")
	}
	defer func() { r.depth-- }()
	return rebuilders[o.ClassName()](r, o)
}

func (r *tensorReader) argument(o *pickle.Object, i int) (*Tensor, error) {
	if i >= len(o.Args) {
		return nil, wrongArguments(o)
	}
	return r.tensor(o.Args[i])
}

// subclass is _rebuild_from_type_v2(function, type, arguments, state).
func (r *tensorReader) subclass(o *pickle.Object) (*Tensor, error) {
	if len(o.Args) < 3 {
		return nil, wrongArguments(o)
	}
	args, ok := o.Args[2].(pickle.Tuple)
	if !ok {
		return nil, wrongArguments(o)
	}
	return r.tensor(&pickle.Object{Class: o.Args[0], Args: args})
}

// quantised is _rebuild_qtensor(storage, offset, size, stride, quantiser, ...).
func (r *tensorReader) quantised(o *pickle.Object) (*Tensor, error) {
	kind := ""
	if len(o.Args) > 0 {
		if p, ok := o.Args[0].(*pickle.Persistent); ok {
			if id, ok := p.ID.(pickle.Tuple); ok && len(id) > 1 {
				if g, ok := id[1].(pickle.Global); ok && storageTypes[g] != "" { // torch.QInt8Storage
					kind = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(string(g), "torch."), "Storage")) + " "
				}
			}
		}
	}
	return nil, fmt.Errorf("a %squantised tensor: save the state_dict of the float model, or dequantize() each tensor", kind)
}

// strided is _rebuild_tensor(storage, offset, size, stride), _v2(..., requires_grad,
// hooks) and _v3(..., requires_grad, hooks, type).
func (r *tensorReader) strided(o *pickle.Object) (*Tensor, error) {
	if len(o.Args) < 4 {
		return nil, wrongArguments(o)
	}
	p, ok1 := o.Args[0].(*pickle.Persistent)
	offset, ok2 := o.Args[1].(int64)
	shape, ok3 := ints(o.Args[2])
	stride, ok4 := ints(o.Args[3])
	switch {
	case !ok1 || !ok2 || !ok3 || !ok4:
		return nil, wrongArguments(o)
	case len(shape) != len(stride):
		return nil, fmt.Errorf("%d dimensions with %d strides", len(shape), len(stride))
	}
	s, err := r.storageOf(p.ID)
	if err != nil {
		return nil, err
	}
	if strings.HasSuffix(o.ClassName(), "_v3") {
		if len(o.Args) < 7 {
			return nil, wrongArguments(o)
		}
		name, _ := o.Args[6].(pickle.Global)
		dtype, ok := torchTypes[name]
		if !ok {
			return nil, fmt.Errorf("element type %s is not one that can be read", pickle.Describe(o.Args[6]))
		}
		s.count, s.dtype = len(s.data)/dtype.Size(), dtype
	}
	return r.view(s.data, s.dtype, offset, shape, stride)
}

// view is a strided tensor in the elements of data.
func (r *tensorReader) view(data []byte, dtype DType, offset int64, shape, stride []int64) (*Tensor, error) {
	if len(shape) > maxRank {
		return nil, fmt.Errorf("%d dimensions, at most %d are read", len(shape), maxRank)
	}
	size := dtype.Size()
	elements := int64(len(data) / size)
	t := &Tensor{DType: dtype, Shape: make([]int, len(shape)), stride: make([]int, len(shape)), file: r.file}
	empty := false
	for i := range shape {
		switch {
		case shape[i] < 0 || shape[i] > math.MaxInt:
			return nil, fmt.Errorf("size %d", shape[i])
		case stride[i] < 0 || stride[i] > math.MaxInt:
			return nil, fmt.Errorf("stride %d", stride[i])
		}
		t.Shape[i], t.stride[i] = int(shape[i]), int(stride[i])
		empty = empty || shape[i] == 0
	}
	n, ok := count(t.Shape, size)
	if !ok {
		return nil, fmt.Errorf("shape %v is too large", t.Shape)
	}
	if offset < 0 || offset > elements {
		return nil, fmt.Errorf("offset %d in a storage of %d elements", offset, elements)
	}
	last := offset // the last element
	for i := range shape {
		if empty || shape[i] == 1 {
			continue
		}
		if stride[i] > 0 && shape[i]-1 > (elements-last)/stride[i] {
			last = elements
			break
		}
		last += (shape[i] - 1) * stride[i]
	}
	if !empty && last >= elements {
		return nil, fmt.Errorf("shape %v with strides %v at offset %d reaches past the end of a storage of %d elements",
			t.Shape, t.stride, offset, elements)
	}
	// Expanded tensors may be larger than their storage.
	held := len(r.file.data) + r.file.inflated
	if n*size > 4*held+1<<20-r.used {
		return nil, fmt.Errorf("shape %v brings the tensors to more than four times the file's %d bytes", t.Shape, held)
	}
	r.used += n * size
	if empty || rowMajor(t.Shape, t.stride) {
		t.stride = nil
	}
	t.data = data[offset*int64(size):]
	return t, nil
}

// storage is a flat array of the container as a persistent id describes it.
type storage struct {
	key   string
	dtype DType
	count int // elements of the whole storage

	window bool // only a part of it is meant: PyTorch before 0.4
	begin  int
	length int

	data []byte // of the part that is meant, once it is found
}

func (s storage) conflict(other storage) error {
	return fmt.Errorf("storage %s is both %d elements of %s and %d of %s", quote(s.key), s.count, s.dtype, other.count, other.dtype)
}

// isStorage tells whether a persistent id has the form that parseStorage reads.
func isStorage(id any) bool {
	t, ok := id.(pickle.Tuple)
	if !ok || len(t) != 5 && len(t) != 6 || t[0] != any("storage") {
		return false
	}
	typ, ok1 := t[1].(pickle.Global)
	_, ok2 := t[2].(string)
	n, ok3 := t[4].(int64)
	return ok1 && ok2 && ok3 && storageTypes[typ] != "" && n >= 0
}

// parseStorage reads a persistent id ("storage", type, key, location, count), and
// for PyTorch before 0.4 a sixth that is None or (key of a part, begin, length).
func parseStorage(id any) (s storage, err error) {
	t, ok := id.(pickle.Tuple)
	if !ok || len(t) != 5 && len(t) != 6 || t[0] != any("storage") {
		return s, fmt.Errorf(`persistent id %s, want ("storage", type, key, location, count)`, describeTuple(id))
	}
	typ, ok1 := t[1].(pickle.Global)
	key, ok2 := t[2].(string)
	n, ok3 := t[4].(int64)
	dtype, ok4 := storageTypes[typ]
	switch {
	case !ok1 || !ok2 || !ok3 || !ok4:
		return s, fmt.Errorf("a storage of type %s, key %s, count %s", pickle.Describe(t[1]), pickle.Describe(t[2]), pickle.Describe(t[4]))
	case n < 0 || n > int64(math.MaxInt/dtype.Size()):
		return s, fmt.Errorf("storage %s of %d elements of %s", quote(key), n, dtype)
	}
	s = storage{key: key, dtype: dtype, count: int(n)}
	if len(t) == 6 && t[5] != nil {
		part, _ := t[5].(pickle.Tuple)
		if len(part) != 3 {
			return s, fmt.Errorf("storage %s: a part given by %s", quote(key), pickle.Describe(t[5]))
		}
		begin, ok1 := part[1].(int64)
		length, ok2 := part[2].(int64)
		if !ok1 || !ok2 || begin < 0 || length < 0 || begin > n || length > n-begin {
			return s, fmt.Errorf("storage %s of %d elements: a part from %s of %s elements", quote(key), n,
				pickle.Describe(part[1]), pickle.Describe(part[2]))
		}
		s.window, s.begin, s.length = true, int(begin), int(length)
	}
	return s, nil
}

// describeTuple is Describe with a look into a tuple.
func describeTuple(v any) string {
	t, ok := v.(pickle.Tuple)
	if !ok {
		return pickle.Describe(v)
	}
	var items []string
	for _, item := range t[:min(len(t), 8)] {
		items = append(items, pickle.Describe(item))
	}
	return "(" + strings.Join(items, ", ") + ")"
}

// storageOf finds the storage that a persistent id names.
func (r *tensorReader) storageOf(id any) (storage, error) {
	s, err := parseStorage(id)
	if err != nil {
		return s, err
	}
	whole, ok := r.storage[s.key]
	if ok && (whole.dtype != s.dtype || whole.count != s.count) {
		return s, whole.conflict(s)
	}
	if !ok {
		whole = s
		if whole.data, err = r.find(s.key); err != nil {
			return s, err
		}
		if len(whole.data)/s.dtype.Size() != s.count || len(whole.data)%s.dtype.Size() != 0 {
			return s, fmt.Errorf("storage %s has %d bytes, want %d elements of %s", quote(s.key), len(whole.data), s.count, s.dtype)
		}
		r.storage[s.key] = whole
	}
	s.data = whole.data
	if s.window {
		s.data = s.data[s.begin*s.dtype.Size() : (s.begin+s.length)*s.dtype.Size()]
	}
	return s, nil
}

// ints reads a tuple, list or torch.Size of integers.
func ints(v any) ([]int64, bool) {
	items, ok := sequence(v)
	if !ok || len(items) > 2*maxRank {
		return nil, ok && len(items) == 0
	}
	out := make([]int64, 0, len(items))
	for _, item := range items {
		n, ok := item.(int64)
		if !ok {
			return nil, false
		}
		out = append(out, n)
	}
	return out, true
}

// sequence is the items of a tuple, a list, or an object that stands for one:
// torch.Size, a subclass of list, an annotated list of TorchScript.
func sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case pickle.Tuple:
		return v, true
	case *pickle.List:
		return v.Items, true
	case *pickle.Object:
		name := v.ClassName()
		switch {
		case v.List != nil:
			return v.List.Items, true
		case (name == "torch.Size" || strings.HasPrefix(name, "torch.jit._pickle.")) && len(v.Args) > 0:
			switch items := v.Args[0].(type) {
			case pickle.Tuple:
				return items, true
			case *pickle.List:
				return items.Items, true
			}
		}
	}
	return nil, false
}

// mapping is a dict, or an object that stands for one: a subclass of dict, a Counter.
func mapping(v any) (*pickle.Dict, bool) {
	switch v := v.(type) {
	case *pickle.Dict:
		return v, true
	case *pickle.Object:
		if v.Dict != nil {
			return v.Dict, true
		}
		if len(v.Args) != 1 || v.State != nil {
			break
		}
		if d, ok := v.Args[0].(*pickle.Dict); ok {
			return d, true
		}
		// A subclass of OrderedDict as Python 2 wrote it.
		if l, ok := v.Args[0].(*pickle.List); ok && len(l.Items) > 0 {
			d := &pickle.Dict{}
			for _, item := range l.Items {
				pair, ok := sequence(item)
				if !ok || len(pair) != 2 {
					return nil, false
				}
				d.Entries = append(d.Entries, pickle.Entry{Key: pair[0], Value: pair[1]})
			}
			return d, true
		}
	}
	return nil, false
}

func wrongArguments(o *pickle.Object) error {
	return fmt.Errorf("%s called with %s", pickle.Describe(o.Class), describeTuple(slices.Clip(o.Args)))
}
