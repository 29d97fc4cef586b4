package pickle

import (
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

func (m *Machine) put(i uint32) {
	v := m.top()
	switch {
	case m.err != nil:
	case int64(i) < int64(len(m.memo)):
		m.memo[i] = v
	case int64(i) == int64(len(m.memo)):
		m.memo = append(grow(m, m.memo, 1, 16), v)
	default:
		if m.sparse == nil {
			m.sparse = map[uint32]any{}
		}
		m.spend(80)
		m.sparse[i] = v
	}
}

func (m *Machine) get(i uint32) {
	v, ok := m.sparse[i]
	if int64(i) < int64(len(m.memo)) {
		v, ok = m.memo[i], true
	}
	if !ok {
		m.fail("memo entry %d was never stored", i)
		return
	}
	m.push(v)
}

// index reads the decimal index of a memo entry.
func (m *Machine) index() uint32 {
	s := m.line()
	i, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		m.fail("memo entry %s", quote(s))
	}
	return uint32(i)
}

func (m *Machine) push(v any) {
	m.stack = append(grow(m, m.stack, 1, 16), v)
}

func (m *Machine) pushInt(v int64) {
	m.spend(8)
	m.push(v)
}

func (m *Machine) pushFloat(v float64) {
	m.spend(8)
	m.push(v)
}

func (m *Machine) pushString(s string) {
	m.spend(16)
	m.push(s)
}

// pushByteString is for the strings of Python 2, which may be text or not.
func (m *Machine) pushByteString(b []byte) {
	if utf8.Valid(b) {
		m.pushString(string(b))
	} else {
		m.pushBytes(b)
	}
}

func (m *Machine) pushBytes(b []byte) {
	m.spend(24)
	m.push(Bytes(b))
}

// floor is the height of the stack at the last mark.
func (m *Machine) floor() int {
	if len(m.marks) == 0 {
		return 0
	}
	return m.marks[len(m.marks)-1]
}

func (m *Machine) top() any {
	if m.err != nil {
		return nil
	}
	if len(m.stack) <= m.floor() {
		m.fail("the stack is empty")
		return nil
	}
	return m.stack[len(m.stack)-1]
}

func (m *Machine) pop() any {
	v := m.top()
	if m.err == nil {
		m.stack = m.stack[:len(m.stack)-1]
	}
	return v
}

// popN returns n values in the order they were pushed, nil after an error. They are valid
// until the next push.
func (m *Machine) popN(n int) []any {
	if m.err == nil && len(m.stack)-m.floor() < n {
		m.fail("%d values on the stack, want %d", len(m.stack)-m.floor(), n)
	}
	if m.err != nil {
		return nil
	}
	return m.cut(len(m.stack) - n)
}

// popMark returns what was pushed since the last mark, valid until the next push.
func (m *Machine) popMark() []any {
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

func (m *Machine) cut(at int) []any {
	out := m.stack[at:len(m.stack):len(m.stack)]
	m.stack = m.stack[:at]
	return out
}

// spend counts bytes that a value takes.
func (m *Machine) spend(n int) {
	if m.memory += n; m.memory > MaxMemory {
		m.fail("the values take more than %d MiB", MaxMemory>>20)
	}
}

func (m *Machine) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fmt.Errorf(format, args...)
	}
}

// grow makes room for n more elements of so many bytes. It doubles, so that what is left
// behind is never more than what is kept.
func grow[T any](m *Machine, s []T, n, bytes int) []T {
	if n <= cap(s)-len(s) {
		return s
	}
	room := max(n, cap(s))
	m.spend(bytes * (len(s) + room - cap(s)))
	if m.err != nil {
		return s
	}
	return slices.Grow(s, room)
}
