package weights

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"unicode/utf8"
)

// A pickle is a program for a stack machine. The machine here knows only the opcodes
// that Python's pickler writes for a state dict in protocols 2 to 5, resolves only the
// names below, and calls only the four functions among them, each built in. There is
// no opcode to make an object of another class, none to read attributes, none to
// import. An unknown opcode or name stops it.
//
// Memory stays within bounds because strings are cut from the file, every other value
// is of a bounded size, and the number of opcodes is limited. Nothing walks a value
// recursively, so that depth, cycles and shared references cost nothing.

// The names a pickle may refer to.
const (
	nameOrderedDict      = "collections.OrderedDict"
	nameRebuildTensor    = "torch._utils._rebuild_tensor" // PyTorch before 0.4
	nameRebuildTensorV2  = "torch._utils._rebuild_tensor_v2"
	nameRebuildParameter = "torch._utils._rebuild_parameter"
)

var storageTypes = map[string]DType{
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
	"torch.storage.UntypedStorage": U8,
}

const maxOpcodes = 1 << 19 // ResNet-152 with its Adam state takes about 120,000

// The opcodes (CPython, Lib/pickle.py).
const (
	opMark           = '('
	opStop           = '.'
	opNone           = 'N'
	opNewTrue        = 0x88
	opNewFalse       = 0x89
	opBinInt         = 'J'
	opBinInt1        = 'K'
	opBinInt2        = 'M'
	opLong1          = 0x8a
	opBinFloat       = 'G'
	opBinString      = 'T'
	opShortBinString = 'U'
	opBinBytes       = 'B'
	opShortBinBytes  = 'C'
	opBinUnicode     = 'X'
	opShortUnicode   = 0x8c
	opBinUnicode8    = 0x8d
	opEmptyTuple     = ')'
	opTuple          = 't'
	opTuple1         = 0x85
	opTuple2         = 0x86
	opTuple3         = 0x87
	opEmptyList      = ']'
	opAppend         = 'a'
	opAppends        = 'e'
	opEmptyDict      = '}'
	opSetItem        = 's'
	opSetItems       = 'u'
	opGlobal         = 'c'
	opStackGlobal    = 0x93
	opReduce         = 'R'
	opBuild          = 'b'
	opBinPersID      = 'Q'
	opBinPut         = 'q'
	opLongBinPut     = 'r'
	opMemoize        = 0x94
	opBinGet         = 'h'
	opLongBinGet     = 'j'
	opProto          = 0x80
	opFrame          = 0x95
)

// What can be on the stack, besides nil, bool, int64, float64 and string.
type (
	tuple  []any
	list   struct{ items []any }
	global string // module.name
	long   string // an integer of more than eight bytes, as they are in the file
	raw    string // bytes

	dict struct {
		entries []entry
		index   map[string]int // of the string keys
	}
	entry struct{ key, value any }

	// storage is a flat array of the container; data is filled in by its reader.
	storage struct {
		key   string
		dtype DType
		count int
		data  []byte
	}
	// view is a tensor as the pickle describes it. Its range lies in the storage.
	view struct {
		storage *storage
		offset  int
		shape   []int
		stride  []int
	}
)

// machine runs the pickles of one file.
type machine struct {
	fileSize int
	storages map[string]*storage // by key
	globals  map[string]bool

	data  []byte
	pos   int
	stack []any
	marks []int // heights of the stack
	memo  map[uint32]any
	ops   int   // of all pickles
	err   error // the first one
}

func newMachine(fileSize int) *machine {
	return &machine{fileSize: fileSize, storages: map[string]*storage{}, globals: map[string]bool{}}
}

// run executes the pickle that data begins with. It returns the result and the number
// of bytes read.
func (m *machine) run(data []byte) (value any, n int, err error) {
	m.data, m.pos, m.stack, m.marks, m.memo = data, 0, nil, nil, map[uint32]any{}
	for {
		at := m.pos
		op := m.byte()
		if m.ops++; m.ops > maxOpcodes {
			m.fail("more than %d opcodes", maxOpcodes)
		}
		if m.err == nil && op == opStop {
			value = m.pop()
			if len(m.stack) != 0 || len(m.marks) != 0 {
				m.fail("%d values and %d marks are left on the stack", len(m.stack), len(m.marks))
			}
			if m.err == nil {
				return value, m.pos, nil
			}
		}
		if m.err == nil {
			m.step(op)
		}
		if m.err != nil {
			return nil, 0, fmt.Errorf("pickle byte %d: %w", at, m.err)
		}
	}
}

func (m *machine) step(op byte) {
	switch op {
	case opProto:
		if v := m.byte(); v < 2 || v > 5 {
			m.fail("pickle protocol %d, want 2 to 5", v)
		}
	case opFrame:
		if n := m.uint(8); n > uint64(len(m.data)-m.pos) {
			m.fail("frame of %d bytes, %d are left", n, len(m.data)-m.pos)
		}

	case opMark:
		m.marks = append(m.marks, len(m.stack))
	case opNone:
		m.push(nil)
	case opNewTrue:
		m.push(true)
	case opNewFalse:
		m.push(false)
	case opBinInt:
		m.push(int64(int32(m.uint(4))))
	case opBinInt1:
		m.push(int64(m.uint(1)))
	case opBinInt2:
		m.push(int64(m.uint(2)))
	case opLong1:
		m.push(m.long(m.uint(1)))
	case opBinFloat:
		m.push(math.Float64frombits(binary.BigEndian.Uint64(m.bytesOr(8))))

	case opShortBinString, opShortUnicode:
		m.push(m.str(m.uint(1)))
	case opBinString, opBinUnicode:
		m.push(m.str(m.uint(4)))
	case opBinUnicode8:
		m.push(m.str(m.uint(8)))
	case opShortBinBytes:
		m.push(raw(m.bytes(m.uint(1))))
	case opBinBytes:
		m.push(raw(m.bytes(m.uint(4))))

	case opEmptyTuple:
		m.push(tuple(nil))
	case opTuple1, opTuple2, opTuple3:
		m.push(tuple(m.popN(int(op-opTuple1) + 1)))
	case opTuple:
		m.push(tuple(m.popMark()))
	case opEmptyList:
		m.push(&list{})
	case opAppend:
		m.extend(m.popN(1))
	case opAppends:
		m.extend(m.popMark())
	case opEmptyDict:
		m.push(&dict{})
	case opSetItem:
		m.setItems(m.popN(2))
	case opSetItems:
		m.setItems(m.popMark())

	case opGlobal:
		module := m.line()
		m.push(m.global(module, m.line()))
	case opStackGlobal:
		names := m.popN(2)
		if m.err != nil {
			return
		}
		module, ok1 := names[0].(string)
		name, ok2 := names[1].(string)
		if !ok1 || !ok2 {
			m.fail("a global named by %s and %s", describe(names[0]), describe(names[1]))
			return
		}
		m.push(m.global(module, name))
	case opReduce:
		args := m.popN(2)
		if m.err != nil {
			return
		}
		m.push(m.call(args[0], args[1]))
	case opBuild:
		// The attributes of an OrderedDict (a state dict's _metadata): not needed.
		state := m.pop()
		_, ok1 := m.top().(*dict)
		_, ok2 := state.(*dict)
		if !ok1 || !ok2 {
			m.fail("attributes %s for %s", describe(state), describe(m.top()))
		}
	case opBinPersID:
		m.push(m.persistent(m.pop()))

	case opBinPut:
		m.put(uint32(m.uint(1)))
	case opLongBinPut:
		m.put(uint32(m.uint(4)))
	case opMemoize:
		m.put(uint32(len(m.memo)))
	case opBinGet:
		m.get(uint32(m.uint(1)))
	case opLongBinGet:
		m.get(uint32(m.uint(4)))

	default:
		m.fail("opcode %#02x (%q) is not one a state dict needs", op, op)
	}
}

// global resolves a name of the allow-list.
func (m *machine) global(module, name string) any {
	if m.err != nil {
		return nil
	}
	full := module + "." + name
	_, isStorage := storageTypes[full]
	switch {
	case isStorage:
	case full == nameOrderedDict, full == nameRebuildTensor, full == nameRebuildTensorV2, full == nameRebuildParameter:
	default:
		m.fail("refers to %s, which no state dict needs (nothing was run; "+
			"if you trust the file, load it in PyTorch and save model.state_dict() alone)", quote(full))
		return nil
	}
	m.globals[full] = true
	return global(full)
}

// call is REDUCE: f(*args).
func (m *machine) call(f, args any) any {
	name, ok1 := f.(global)
	a, ok2 := args.(tuple)
	if !ok1 || !ok2 {
		m.fail("call of %s with %s", describe(f), describe(args))
		return nil
	}
	switch name {
	case nameOrderedDict:
		return m.orderedDict(a)
	case nameRebuildTensor:
		if len(a) == 4 {
			return m.tensor(a)
		}
	case nameRebuildTensorV2: // ..., requires_grad, backward_hooks [, metadata]
		if len(a) == 6 || len(a) == 7 {
			return m.tensor(a)
		}
	case nameRebuildParameter: // data, requires_grad, backward_hooks
		if len(a) == 3 {
			if v, ok := a[0].(*view); ok {
				return v
			}
		}
	}
	m.fail("%s called with %s", name, describe(a))
	return nil
}

// orderedDict is OrderedDict() or, as Python 2 pickled it, OrderedDict([[key, value], ...]).
func (m *machine) orderedDict(args tuple) any {
	d := &dict{}
	if len(args) == 0 {
		return d
	}
	pairs, ok := args[0].(*list)
	if !ok || len(args) != 1 {
		m.fail("%s called with %s", nameOrderedDict, describe(args))
		return nil
	}
	for _, p := range pairs.items {
		var pair []any
		switch p := p.(type) {
		case *list:
			pair = p.items
		case tuple:
			pair = p
		}
		if len(pair) != 2 {
			m.fail("%s called with a list of %s", nameOrderedDict, describe(p))
			return nil
		}
		if m.set(d, pair[0], pair[1]); m.err != nil {
			return nil
		}
	}
	return d
}

// tensor builds _rebuild_tensor_v2(storage, offset, size, stride, ...).
func (m *machine) tensor(a tuple) any {
	s, ok1 := a[0].(*storage)
	offset, ok2 := a[1].(int64)
	size, ok3 := a[2].(tuple)
	stride, ok4 := a[3].(tuple)
	if !ok1 || !ok2 || !ok3 || !ok4 {
		m.fail("a tensor built from (%s, %s, %s, %s), want (storage, offset, size, stride)",
			describe(a[0]), describe(a[1]), describe(a[2]), describe(a[3]))
		return nil
	}
	v, err := newView(s, offset, size, stride)
	if err != nil {
		m.fail("%v", err)
		return nil
	}
	return v
}

// newView checks that a tensor lies inside its storage.
func newView(s *storage, offset int64, size, stride tuple) (*view, error) {
	if len(size) != len(stride) {
		return nil, fmt.Errorf("a tensor of %d dimensions with %d strides", len(size), len(stride))
	}
	if len(size) > maxRank {
		return nil, fmt.Errorf("a tensor of %d dimensions, at most %d are read", len(size), maxRank)
	}
	if offset < 0 || offset > int64(s.count) {
		return nil, fmt.Errorf("a tensor at offset %d of storage %s, which has %d elements", offset, quote(s.key), s.count)
	}
	v := &view{storage: s, offset: int(offset), shape: make([]int, len(size)), stride: make([]int, len(size))}
	for d := range size {
		n, ok1 := size[d].(int64)
		st, ok2 := stride[d].(int64)
		if !ok1 || !ok2 || n < 0 || st < 0 || n > math.MaxInt || st > math.MaxInt {
			return nil, fmt.Errorf("a tensor of size %s and stride %s", describe(size[d]), describe(stride[d]))
		}
		v.shape[d], v.stride[d] = int(n), int(st)
	}
	n, ok := count(v.shape, s.dtype.Size())
	if !ok {
		return nil, fmt.Errorf("a tensor of shape %v: too large", v.shape)
	}
	if n == 0 {
		v.stride = nil
		return v, nil
	}
	last := v.offset // index of the last element
	for d, n := range v.shape {
		if n > 1 && v.stride[d] > (s.count-last)/(n-1) {
			last = s.count
			break
		}
		last += (n - 1) * v.stride[d]
	}
	if last >= s.count {
		return nil, fmt.Errorf("a tensor of shape %v, stride %v at offset %d leads past the end of storage %s, which has %d elements",
			v.shape, v.stride, v.offset, quote(s.key), s.count)
	}
	if rowMajor(v.shape, v.stride) {
		v.stride = nil
	}
	return v, nil
}

// persistent resolves a persistent id: ("storage", type, key, location, count) and,
// in the legacy container, the view of another storage that PyTorch before 0.4 wrote.
func (m *machine) persistent(id any) any {
	if m.err != nil {
		return nil
	}
	t, ok := id.(tuple)
	if !ok || len(t) < 5 || len(t) > 6 || t[0] != any("storage") {
		m.fail("persistent id %s, want (\"storage\", type, key, location, count)", describe(id))
		return nil
	}
	typ, ok1 := t[1].(global)
	key, ok2 := t[2].(string)
	n, ok3 := t[4].(int64)
	dtype, ok4 := storageTypes[string(typ)]
	switch {
	case !ok1 || !ok2 || !ok3 || !ok4:
		m.fail("a storage of type %s, key %s, count %s", describe(t[1]), describe(t[2]), describe(t[4]))
	case len(t) == 6 && t[5] != nil:
		m.fail("storage %s is a view of another (PyTorch before 0.4): load it in PyTorch and save it again", quote(key))
	case n < 0 || n > int64(m.fileSize/dtype.Size()):
		m.fail("storage %s of %d elements of %s in a file of %d bytes", quote(key), n, dtype, m.fileSize)
	}
	if m.err != nil {
		return nil
	}
	if s := m.storages[key]; s != nil {
		if s.dtype != dtype || s.count != int(n) {
			m.fail("storage %s is both %d elements of %s and %d of %s", quote(key), s.count, s.dtype, n, dtype)
		}
		return s
	}
	s := &storage{key: key, dtype: dtype, count: int(n)}
	m.storages[key] = s
	return s
}

// extend appends to the list on the top of the stack.
func (m *machine) extend(items []any) {
	l, ok := m.top().(*list)
	if !ok {
		m.fail("append to %s", describe(m.top()))
		return
	}
	l.items = append(l.items, items...)
}

// setItems puts key, value, key, value ... into the dict on the top of the stack.
func (m *machine) setItems(items []any) {
	d, ok := m.top().(*dict)
	if !ok || len(items)%2 != 0 {
		m.fail("%d keys and values set in %s", len(items), describe(m.top()))
		return
	}
	for i := 0; i < len(items) && m.err == nil; i += 2 {
		m.set(d, items[i], items[i+1])
	}
}

func (m *machine) set(d *dict, key, value any) {
	switch k := key.(type) {
	case string:
		if _, ok := d.index[k]; ok {
			m.fail("key %s appears twice in a dict", quote(k))
			return
		}
		if d.index == nil {
			d.index = map[string]int{}
		}
		d.index[k] = len(d.entries)
	case nil, bool, int64, float64: // of an optimizer; never looked up
	default:
		m.fail("%s as a key of a dict", describe(key))
		return
	}
	d.entries = append(d.entries, entry{key, value})
}

// get is the value of a string key.
func (d *dict) get(key string) (any, bool) {
	i, ok := d.index[key]
	if !ok {
		return nil, false
	}
	return d.entries[i].value, true
}

func (m *machine) put(i uint32) {
	if v := m.top(); m.err == nil {
		m.memo[i] = v
	}
}

func (m *machine) get(i uint32) {
	v, ok := m.memo[i]
	if !ok {
		m.fail("memo entry %d was never stored", i)
		return
	}
	m.push(v)
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// floor is the height of the stack at the last mark.
func (m *machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

func (m *machine) top() any {
	if m.err != nil {
		return nil
	}
	if len(m.stack) <= m.floor() {
		m.fail("the stack is empty")
		return nil
	}
	return m.stack[len(m.stack)-1]
}

func (m *machine) pop() any {
	v := m.top()
	if m.err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v
}

// popN returns n values in the order they were pushed, nil after an error.
func (m *machine) popN(n int) []any {
	if m.err == nil && len(m.stack)-m.floor() < n {
		m.fail("%d values on the stack, want %d", len(m.stack)-m.floor(), n)
	}
	if m.err != nil {
		return nil
	}
	return m.cut(len(m.stack) - n)
}

// popMark returns what was pushed since the last mark.
func (m *machine) popMark() []any {
	if m.err == nil && len(m.marks) == 0 {
		m.fail("no mark on the stack")
	}
	if m.err != nil {
		return nil
	}
	at := m.floor()
	m.marks = m.marks[:len(m.marks)-1]
	return m.cut(at)
}

func (m *machine) cut(at int) []any {
	out := append([]any(nil), m.stack[at:]...)
	m.stack = m.stack[:at]
	return out
}

// bytes reads n bytes, nil after an error.
func (m *machine) bytes(n uint64) []byte {
	if m.err == nil && n > uint64(len(m.data)-m.pos) {
		if m.pos == len(m.data) && n == 1 {
			m.fail("the pickle ends without STOP")
		} else {
			m.fail("%d bytes wanted, %d are left", n, len(m.data)-m.pos)
		}
	}
	if m.err != nil {
		return nil
	}
	b := m.data[m.pos : m.pos+int(n)]
	m.pos += int(n)
	return b
}

// bytesOr is bytes, or n zeros after an error.
func (m *machine) bytesOr(n int) []byte {
	if b := m.bytes(uint64(n)); b != nil {
		return b
	}
	return make([]byte, n)
}

func (m *machine) byte() byte { return m.bytesOr(1)[0] }

// uint reads a little-endian integer of n bytes.
func (m *machine) uint(n int) uint64 {
	var b [8]byte
	copy(b[:], m.bytes(uint64(n)))
	return binary.LittleEndian.Uint64(b[:])
}

// long reads a little-endian two's complement integer of n bytes.
func (m *machine) long(n uint64) any {
	b := m.bytes(n)
	if len(b) > 8 {
		return long(b)
	}
	var v int64
	for i, c := range b {
		v |= int64(c) << (8 * i)
	}
	if len(b) > 0 && len(b) < 8 && b[len(b)-1] >= 0x80 {
		v -= 1 << (8 * len(b))
	}
	return v
}

// str reads a string of n bytes, which must be UTF-8; those of Python 2 too.
func (m *machine) str(n uint64) string {
	b := m.bytes(n)
	if !utf8.Valid(b) {
		m.fail("a string that is not UTF-8: %s", quote(string(b[:min(len(b), 200)])))
	}
	return string(b)
}

// line reads up to a newline: half of a name.
func (m *machine) line() string {
	if m.err != nil {
		return ""
	}
	rest := m.data[m.pos:]
	n := bytes.IndexByte(rest[:min(len(rest), 256)], '\n')
	if n < 0 {
		m.fail("a name without an end")
		return ""
	}
	m.pos += n + 1
	return string(rest[:n])
}

func (m *machine) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// describe names a value in an error.
func describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool, int64, float64:
		return fmt.Sprint(v)
	case string:
		return quote(v)
	case global:
		return string(v)
	case long:
		return fmt.Sprintf("an integer of %d bytes", len(v))
	case raw:
		return fmt.Sprintf("%d bytes", len(v))
	case tuple:
		return fmt.Sprintf("a tuple of %d", len(v))
	case *list:
		return fmt.Sprintf("a list of %d", len(v.items))
	case *dict:
		return fmt.Sprintf("a dict of %d", len(v.entries))
	case *storage:
		return "a storage"
	case *view:
		return "a tensor"
	}
	panic("weights: pickle value of an unknown kind")
}
