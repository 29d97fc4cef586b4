// Package pickle reads Python pickles as inert values. A pickle is a program for a stack
// machine that may import any name and call it; here nothing is imported, looked up or
// called. A name becomes a Global, and whatever would be made by a call becomes an Object
// that holds the call's arguments, the state set by BUILD, and the items put into it.
//
//	v, n, err := pickle.NewMachine().Run(data)
//
// All opcodes of protocols 0 to 5 are read except out-of-band buffers, which no file has.
//
// # Hostile pickles
//
// The machine never recurses, and it stops after MaxOpcodes opcodes, when the values take
// more than MaxMemory bytes besides the strings, which are never more than the pickle
// itself. The result may be as deep as the pickle is long, and it may contain itself: who
// walks over it must bound the depth or keep a stack, and remember where it was.
//
// Source: CPython, Lib/pickle.py and Lib/pickletools.py; PEP 307, 3154, 574.
package pickle

import (
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// What Run gives: nil, bool, int64, float64, string, and these.
type (
	// Tuple is a tuple.
	Tuple []any
	// List is a list.
	List struct{ Items []any }
	// Set is a set or a frozenset of protocol 4; earlier ones are Objects.
	Set struct{ Items []any }
	// Dict is a dict in the order in which its keys were set; also collections.OrderedDict.
	// A key that was set twice is there twice; Get gives the last value. Not for concurrent
	// use: the first Get of a large one makes its index.
	Dict struct {
		Entries []Entry
		index   map[string]int // of the string keys, made by the first Get
	}
	// Entry is a key and its value.
	Entry struct{ Key, Value any }
	// Bytes are bytes, or a string of Python 2 that is not UTF-8. They lie in the pickle.
	Bytes []byte
	// Long is an integer of more than eight bytes: two's complement, little-endian, or of
	// protocols 0 and 1 the decimal digits.
	Long string
	// Global is a name to be imported, e.g. "collections.OrderedDict".
	Global string
	// Extension is a name by its number in the registry of the program that wrote it.
	Extension int64
	// Persistent is a reference to something outside the pickle.
	Persistent struct{ ID any }
	// Object is what a call would have made.
	Object struct {
		Class any   // what would have been called: a Global, mostly
		Args  Tuple // with keyword arguments (NEWOBJ_EX), a *Dict, as the last
		State any   // of BUILD: a *Dict of the attributes, mostly; nil if there was none
		Dict  *Dict // items set in it, as in a subclass of dict; nil if there were none
		List  *List // items appended to it, as in a subclass of list or set; or nil
	}
)

// Get is the value of a string key.
func (d *Dict) Get(key string) (any, bool) {
	if d == nil {
		return nil, false
	}
	if i := d.last(key); i >= 0 {
		return d.Entries[i].Value, true
	}
	return nil, false
}

// All ranges over the entries but those whose string key is set again after them.
func (d *Dict) All() iter.Seq[Entry] {
	return func(yield func(Entry) bool) {
		for i, e := range d.Entries {
			if k, ok := e.Key.(string); ok && d.last(k) != i {
				continue
			}
			if !yield(e) {
				return
			}
		}
	}
}

// last is where a string key was last set, -1 if nowhere.
func (d *Dict) last(key string) int {
	const few = 8
	if len(d.Entries) <= few {
		return lastOf(d.Entries, key)
	}
	if d.index == nil {
		d.index = make(map[string]int, len(d.Entries))
		for i, e := range d.Entries {
			if k, ok := e.Key.(string); ok {
				d.index[k] = i
			}
		}
	}
	if i, ok := d.index[key]; ok {
		return i
	}
	return -1
}

func lastOf(entries []Entry, key string) int {
	for i, e := range slices.Backward(entries) {
		if k, ok := e.Key.(string); ok && k == key {
			return i
		}
	}
	return -1
}

// ClassName is the Python name of an object's class or of the function that would have
// made it, "" where it has none. A call of builtins.getattr, and what torch.save writes
// for the class of a module, count as the name they stand for.
func (o *Object) ClassName() string {
	switch c := o.Class.(type) {
	case Global:
		return string(c)
	case *Persistent: // ("module", class, source file, source text)
		if id, ok := c.ID.(Tuple); ok && len(id) == 4 && id[0] == any("module") {
			if g, ok := id[1].(Global); ok {
				return string(g)
			}
		}
	case *Object: // getattr(module or class, name)
		if g, ok := c.Class.(Global); ok && len(c.Args) == 2 && strings.HasSuffix(string(g), ".getattr") {
			owner, ok1 := c.Args[0].(Global)
			name, ok2 := c.Args[1].(string)
			if ok1 && ok2 {
				return string(owner) + "." + name
			}
		}
	}
	return ""
}

// Describe names a value in an error.
func Describe(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool, int64, float64:
		return fmt.Sprint(v)
	case string:
		return quote(v)
	case Global:
		return short(string(v))
	case Extension:
		return fmt.Sprintf("extension %d", int64(v))
	case Long:
		return fmt.Sprintf("an integer of %d bytes", len(v))
	case Bytes:
		return fmt.Sprintf("%d bytes", len(v))
	case Tuple:
		return fmt.Sprintf("a tuple of %d", len(v))
	case *List:
		return fmt.Sprintf("a list of %d", len(v.Items))
	case *Set:
		return fmt.Sprintf("a set of %d", len(v.Items))
	case *Dict:
		return fmt.Sprintf("a dict of %d", len(v.Entries))
	case *Persistent:
		return "a persistent id"
	case *Object:
		if name := v.ClassName(); name != "" {
			return "an object of " + short(name)
		}
		return "an object"
	}
	panic("pickle: value of an unknown kind")
}

const mostQuoted = 120

// quote is %q for strings that may be as long as the file.
func quote(s string) string {
	if len(s) > mostQuoted {
		return strconv.Quote(strings.ToValidUTF8(s[:mostQuoted], "")) + "..."
	}
	return strconv.Quote(s)
}

// short is a name, quoted where it is not an ordinary one.
func short(s string) string {
	if q := quote(s); len(q) != len(s)+2 {
		return q
	}
	return s
}
