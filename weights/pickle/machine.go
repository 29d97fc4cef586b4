package pickle

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Bounds on all pickles that a machine runs.
const (
	MaxOpcodes = 1 << 22   // ResNet-152 with its Adam state takes about 120,000
	MaxMemory  = 160 << 20 // bytes of values besides strings, as they are counted here
)

// Machine runs the pickles of one file, which share its bounds.
type Machine struct {
	ops, memory int
	globals     map[string]any // each name as a Global
	persistent  []*Persistent

	data   []byte
	pos    int
	stack  []any
	marks  []int // heights of the stack
	memo   []any // of the indices from 0 on without a gap
	sparse map[uint32]any
	err    error // the first one
}

// NewMachine is a machine that has run nothing.
func NewMachine() *Machine { return &Machine{globals: map[string]any{}} }

// Globals lists the names that the pickles refer to, sorted.
func (m *Machine) Globals() []string { return slices.Sorted(maps.Keys(m.globals)) }

// Persistent lists the persistent ids of the pickles in their order.
func (m *Machine) Persistent() []*Persistent { return m.persistent }

// Run executes the pickle that data begins with. It gives the result and the number of
// bytes read. The result keeps data in use where there are Bytes in it.
func (m *Machine) Run(data []byte) (value any, n int, err error) {
	m.data, m.pos, m.stack, m.marks, m.memo, m.sparse = data, 0, nil, nil, nil, nil
	for {
		at := m.pos
		op := m.byte()
		if m.ops++; m.ops > MaxOpcodes {
			m.fail("more than %d opcodes", MaxOpcodes)
		}
		if m.err == nil && op == opStop {
			value = m.pop()
			if len(m.stack) != 0 || len(m.marks) != 0 {
				m.fail("%d values and %d marks are left on the stack", len(m.stack), len(m.marks))
			}
			if m.err == nil {
				m.stack, m.memo, m.sparse = nil, nil, nil
				return value, m.pos, nil
			}
		}
		if m.err == nil {
			m.step(op)
		}
		if m.err != nil {
			m.stack, m.memo, m.sparse = nil, nil, nil
			return nil, 0, fmt.Errorf("pickle byte %d: %w", at, m.err)
		}
	}
}

func (m *Machine) step(op byte) {
	switch op {
	case opProto:
		if v := m.byte(); v > 5 {
			m.fail("pickle protocol %d, want 0 to 5", v)
		}
	case opFrame:
		if n := m.uint(8); n > uint64(len(m.data)-m.pos) {
			m.fail("frame of %d bytes, %d are left", n, len(m.data)-m.pos)
		}

	// Numbers and the like.
	case opNone:
		m.push(nil)
	case opNewTrue:
		m.push(true)
	case opNewFalse:
		m.push(false)
	case opBinInt:
		m.pushInt(int64(int32(m.uint(4))))
	case opBinInt1:
		m.pushInt(int64(m.uint(1)))
	case opBinInt2:
		m.pushInt(int64(m.uint(2)))
	case opInt:
		m.decimal(m.line())
	case opLong:
		m.decimal(strings.TrimSuffix(m.line(), "L"))
	case opLong1:
		m.long(m.uint(1))
	case opLong4:
		m.long(m.uint(4))
	case opBinFloat:
		m.pushFloat(math.Float64frombits(binary.BigEndian.Uint64(m.bytesOr(8))))
	case opFloat:
		s := m.line()
		v, err := strconv.ParseFloat(s, 64)
		if err != nil && m.err == nil {
			m.fail("%s is not a number", quote(s))
		}
		m.pushFloat(v)

	// Strings and bytes.
	case opShortUnicode:
		m.pushString(m.utf8(m.bytes(m.uint(1))))
	case opBinUnicode:
		m.pushString(m.utf8(m.bytes(m.uint(4))))
	case opBinUnicode8:
		m.pushString(m.utf8(m.bytes(m.uint(8))))
	case opUnicode:
		m.pushString(m.utf8(unescape(m.rawLine(), false)))
	case opShortBinString:
		m.pushByteString(m.bytes(m.uint(1)))
	case opBinString:
		m.pushByteString(m.bytes(m.uint(4)))
	case opString:
		m.pushByteString(m.quoted())
	case opShortBinBytes:
		m.pushBytes(m.bytes(m.uint(1)))
	case opBinBytes:
		m.pushBytes(m.bytes(m.uint(4)))
	case opBinBytes8, opByteArray8:
		m.pushBytes(m.bytes(m.uint(8)))
	case opNextBuffer, opReadonlyBuffer:
		m.fail("a buffer outside the pickle (opcode %#02x)", op)

	// Containers.
	case opMark:
		m.marks = append(grow(m, m.marks, 1, 8), len(m.stack))
	case opEmptyTuple:
		m.push(Tuple(nil))
	case opTuple1, opTuple2, opTuple3:
		m.push(m.tuple(m.popN(int(op-opTuple1) + 1)))
	case opTuple:
		m.push(m.tuple(m.popMark()))
	case opEmptyList, opList:
		l := &List{}
		m.spend(24)
		if op == opList {
			l.Items = m.appended(nil, m.popMark())
		}
		m.push(l)
	case opEmptySet:
		m.spend(24)
		m.push(&Set{})
	case opFrozenSet:
		m.spend(24)
		m.push(&Set{m.appended(nil, m.popMark())})
	case opAppend:
		m.extend(m.popN(1))
	case opAppends, opAddItems:
		m.extend(m.popMark())
	case opEmptyDict, opDict:
		d := m.newDict()
		if op == opDict {
			m.set(d, m.popMark())
		}
		m.push(d)
	case opSetItem:
		m.setItems(m.popN(2))
	case opSetItems:
		m.setItems(m.popMark())

	// Names and calls.
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
			m.fail("a global named by %s and %s", Describe(names[0]), Describe(names[1]))
			return
		}
		m.push(m.global(module, name))
	case opExt1:
		m.push(Extension(m.uint(1)))
	case opExt2:
		m.push(Extension(m.uint(2)))
	case opExt4:
		m.push(Extension(int32(m.uint(4))))
	case opReduce, opNewObj:
		if v := m.popN(2); m.err == nil {
			m.push(m.call(v[0], v[1]))
		}
	case opNewObjEx:
		if v := m.popN(3); m.err == nil {
			class, args, keywords := v[0], v[1], v[2] // the next push overwrites v
			if t, ok := args.(Tuple); ok {
				if d, ok := keywords.(*Dict); ok && len(d.Entries) > 0 {
					args = m.tuple(append(slices.Clip(t), d))
				}
			}
			m.push(m.call(class, args))
		}
	case opInst:
		module := m.line()
		class := m.global(module, m.line())
		m.push(m.call(class, m.tuple(m.popMark())))
	case opObj:
		v := m.popMark()
		if m.err == nil && len(v) == 0 {
			m.fail("no class on the stack")
		}
		if m.err == nil {
			m.push(m.call(v[0], m.tuple(v[1:])))
		}
	case opBuild:
		m.build(m.pop())
	case opPersID:
		m.push(m.outside(m.line()))
	case opBinPersID:
		m.push(m.outside(m.pop()))

	// The stack and the memo.
	case opPop:
		if len(m.stack) == m.floor() && len(m.marks) > 0 {
			m.marks = m.marks[:len(m.marks)-1] // of CPython: it pops a mark as well
			return
		}
		m.pop()
	case opPopMark:
		m.popMark()
	case opDup:
		m.push(m.top())
	case opPut:
		m.put(m.index())
	case opBinPut:
		m.put(uint32(m.uint(1)))
	case opLongBinPut:
		m.put(uint32(m.uint(4)))
	case opMemoize:
		m.put(uint32(len(m.memo) + len(m.sparse)))
	case opGet:
		m.get(m.index())
	case opBinGet:
		m.get(uint32(m.uint(1)))
	case opLongBinGet:
		m.get(uint32(m.uint(4)))

	default:
		m.fail("opcode %#02x (%q) is not one of pickle", op, op)
	}
}

// global is a name.
func (m *Machine) global(module, name string) any {
	full := module + "." + name
	g := m.globals[full]
	if g == nil && m.err == nil {
		m.spend(100 + len(full))
		g = Global(full)
		m.globals[full] = g
	}
	return g
}

// call is what calling class or function with args would make.
func (m *Machine) call(class, args any) any {
	if m.err != nil {
		return nil
	}
	t, ok := args.(Tuple)
	if !ok {
		m.fail("call of %s with %s, want a tuple", Describe(class), Describe(args))
		return nil
	}
	switch c := class.(type) {
	case Global:
		if c == "collections.OrderedDict" {
			if d := m.orderedDict(t); d != nil {
				return d
			}
		}
	case Extension, *Object, *Persistent:
	default:
		m.fail("call of %s", Describe(class))
		return nil
	}
	m.spend(80)
	return &Object{Class: class, Args: t}
}

// orderedDict is an OrderedDict with nothing in it, or as Python 2 wrote it: of a list of
// lists or tuples of two. It is nil where the arguments are others.
func (m *Machine) orderedDict(args Tuple) *Dict {
	if len(args) == 0 {
		return m.newDict()
	}
	l, ok := args[0].(*List)
	if !ok || len(args) > 1 {
		return nil
	}
	d := m.newDict()
	for _, v := range l.Items {
		if p, ok := v.(*List); ok {
			v = Tuple(p.Items)
		}
		pair, ok := v.(Tuple)
		if !ok || len(pair) != 2 {
			return nil
		}
		m.set(d, pair)
	}
	return d
}

// build gives the object on the top of the stack its state. That of a dict, a list or a
// set (the _metadata of a state dict) is dropped.
func (m *Machine) build(state any) {
	switch o := m.top().(type) {
	case *Object:
		o.State = state
	case *Dict, *List, *Set, *Persistent, Global:
	default:
		m.fail("attributes %s for %s", Describe(state), Describe(o))
	}
}

func (m *Machine) outside(id any) any {
	p := &Persistent{id}
	m.spend(16)
	m.persistent = append(grow(m, m.persistent, 1, 8), p)
	return p
}

// extend appends to the list or the like on the top of the stack.
func (m *Machine) extend(items []any) {
	switch v := m.top().(type) {
	case *List:
		v.Items = m.appended(v.Items, items)
	case *Set:
		v.Items = m.appended(v.Items, items)
	case *Object:
		if v.List == nil {
			m.spend(24)
			v.List = &List{}
		}
		v.List.Items = m.appended(v.List.Items, items)
	default:
		m.fail("append to %s", Describe(v))
	}
}

// setItems puts key, value, key, value ... into the dict on the top of the stack.
func (m *Machine) setItems(items []any) {
	switch v := m.top().(type) {
	case *Dict:
		m.set(v, items)
	case *Object:
		if v.Dict == nil {
			v.Dict = m.newDict()
		}
		m.set(v.Dict, items)
	default:
		m.fail("%d keys and values set in %s", len(items), Describe(v))
	}
}

func (m *Machine) newDict() *Dict {
	m.spend(32)
	return &Dict{}
}

func (m *Machine) set(d *Dict, items []any) {
	if len(items)%2 != 0 {
		m.fail("%d keys and values", len(items))
		return
	}
	d.Entries = grow(m, d.Entries, len(items)/2, 32)
	for i := 0; i < len(items) && m.err == nil; i += 2 {
		d.Entries = append(d.Entries, Entry{items[i], items[i+1]})
	}
}

// appended appends copies to a slice.
func (m *Machine) appended(s, items []any) []any {
	s = grow(m, s, len(items), 16)
	if m.err != nil {
		return s
	}
	return append(s, items...)
}

func (m *Machine) tuple(items []any) Tuple {
	m.spend(24 + 16*len(items))
	return append(Tuple(nil), items...)
}
