package onnx

import (
	"encoding/binary"
	"errors"
	"fmt"
	"unsafe"
)

// The wire types of protocol buffers that ONNX uses; groups (3 and 4) are none of them.
const (
	wireVarint = 0
	wire64     = 1
	wireBytes  = 2
	wire32     = 5
)

// field is one field of a message as it is written.
type field struct {
	number int
	wire   int
	value  uint64 // of a varint or a fixed-width number
	bytes  []byte // of wireBytes: a part of the file
}

// next reads the field that data begins with.
func next(data []byte) (f field, rest []byte, err error) {
	key, n := binary.Uvarint(data)
	if n <= 0 {
		return f, nil, errors.New("a damaged field key")
	}
	data = data[n:]
	f.number, f.wire = int(key>>3), int(key&7)
	if key>>3 == 0 || key>>3 >= 1<<29 {
		return f, nil, fmt.Errorf("field number %d, want 1 to 2^29-1", key>>3)
	}
	switch f.wire {
	case wireVarint:
		if f.value, n = binary.Uvarint(data); n <= 0 {
			return f, nil, fmt.Errorf("field %d: a damaged number", f.number)
		}
	case wire64:
		if n = 8; len(data) >= n {
			f.value = binary.LittleEndian.Uint64(data)
		}
	case wire32:
		if n = 4; len(data) >= n {
			f.value = uint64(binary.LittleEndian.Uint32(data))
		}
	case wireBytes:
		size, k := binary.Uvarint(data)
		if k <= 0 {
			return f, nil, fmt.Errorf("field %d: a damaged length", f.number)
		}
		data, n = data[k:], len(data[k:])
		if size > uint64(n) {
			return f, nil, fmt.Errorf("field %d claims %d bytes, %d are left: damaged or cut short", f.number, size, n)
		}
		n = int(size)
		f.bytes = data[:n:n]
	default:
		return f, nil, fmt.Errorf("field %d: wire type %d, which ONNX does not use", f.number, f.wire)
	}
	if n > len(data) {
		return f, nil, fmt.Errorf("field %d: cut short", f.number)
	}
	return f, data[n:], nil
}

// decoder counts what a file's messages become in memory.
type decoder struct {
	left  int // bytes
	depth int // graphs within graphs, and messages around them
}

const mostNested = 24 // messages: a graph in an attribute in a node in a graph takes three

// take counts bytes.
func (d *decoder) take(n int) error {
	if d.left -= n; d.left < 0 {
		return errors.New("more messages than a model of this size has")
	}
	return nil
}

// message is a table of the fields of a message that becomes a T, by number.
type message[T any] map[int]struct {
	name string
	read func(d *decoder, to *T, f field) error
}

// decode reads a message by its table. Fields that the table lacks are passed over. Errors
// name the field.
func decode[T any](d *decoder, to *T, data []byte, table message[T]) error {
	if d.depth++; d.depth > mostNested {
		return fmt.Errorf("messages nested more than %d deep", mostNested)
	}
	defer func() { d.depth-- }()
	var seen [32]int
	for len(data) > 0 {
		f, rest, err := next(data)
		if err != nil {
			return err
		}
		data = rest
		row, known := table[f.number]
		if !known {
			continue
		}
		if err := row.read(d, to, f); err != nil {
			return fmt.Errorf("%s[%d]: %w", row.name, seen[f.number%len(seen)], err)
		}
		seen[f.number%len(seen)]++
	}
	return nil
}

// wants checks a wire type.
func (f field) wants(wire int) error {
	if f.wire != wire {
		return fmt.Errorf("wire type %d, want %d", f.wire, wire)
	}
	return nil
}

// The readers of fields, each into a place of the message.

func number[T any](place func(*T) *int64) func(*decoder, *T, field) error {
	return func(_ *decoder, to *T, f field) error {
		*place(to) = int64(f.value)
		return f.wants(wireVarint)
	}
}

func text[T any](place func(*T) *string) func(*decoder, *T, field) error {
	return func(d *decoder, to *T, f field) error {
		*place(to) = string(f.bytes)
		return errors.Join(f.wants(wireBytes), d.take(len(f.bytes)))
	}
}

func texts[T any](place func(*T) *[]string) func(*decoder, *T, field) error {
	return func(d *decoder, to *T, f field) error {
		p := place(to)
		*p = append(*p, string(f.bytes))
		return errors.Join(f.wants(wireBytes), d.take(len(f.bytes)+2*int(unsafe.Sizeof(""))))
	}
}

// single is a message within a message.
func single[T, M any](place func(*T) **M, table *message[M]) func(*decoder, *T, field) error {
	return func(d *decoder, to *T, f field) error {
		p := place(to)
		if *p == nil { // a message given twice is merged, as protocol buffers have it
			*p = new(M)
		}
		if err := errors.Join(f.wants(wireBytes), d.take(int(unsafe.Sizeof(**p)))); err != nil {
			return err
		}
		return decode(d, *p, f.bytes, *table)
	}
}

// each is a list of messages.
func each[T, M any](place func(*T) *[]*M, table *message[M]) func(*decoder, *T, field) error {
	return func(d *decoder, to *T, f field) error {
		m := new(M)
		p := place(to)
		*p = append(*p, m)
		if err := errors.Join(f.wants(wireBytes), d.take(int(unsafe.Sizeof(*m))+16)); err != nil {
			return err
		}
		return decode(d, m, f.bytes, *table)
	}
}

// ints is a list of varints, packed or not.
func ints[T any](place func(*T) *[]int64) func(*decoder, *T, field) error {
	return func(d *decoder, to *T, f field) error {
		p := place(to)
		if f.wire == wireVarint {
			*p = append(*p, int64(f.value))
			return d.take(16)
		}
		if err := errors.Join(f.wants(wireBytes), d.take(16*len(f.bytes))); err != nil {
			return err
		}
		for b := f.bytes; len(b) > 0; {
			v, n := binary.Uvarint(b)
			if n <= 0 {
				return errors.New("a damaged number")
			}
			*p, b = append(*p, int64(v)), b[n:]
		}
		return nil
	}
}

// numbers is a list of numbers that stays as it is written, packed: fixed-width ones (wire 32 or
// 64) or varints. Where the file has them in several pieces they are joined.
func numbers[T any](wire int, place func(*T) *[]byte) func(*decoder, *T, field) error {
	return func(d *decoder, to *T, f field) error {
		p := place(to)
		if f.wire == wireBytes && *p == nil {
			*p = f.bytes
			return nil
		}
		old := len(*p)
		switch f.wire {
		case wireBytes:
			*p = append(*p, f.bytes...)
		case wireVarint:
			*p = binary.AppendUvarint(*p, f.value)
		case wire32:
			*p = binary.LittleEndian.AppendUint32(*p, uint32(f.value))
		case wire64:
			*p = binary.LittleEndian.AppendUint64(*p, f.value)
		}
		if f.wire != wireBytes && f.wire != wire {
			return f.wants(wire)
		}
		return d.take(3 * (len(*p) - old))
	}
}
