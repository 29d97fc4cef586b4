package pickle

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

func run(t *testing.T, program string) any {
	t.Helper()
	v, n, err := NewMachine().Run([]byte(program + "."))
	if err != nil {
		t.Fatalf("%q: %v", program, err)
	}
	if n != len(program)+1 {
		t.Fatalf("%q: %d bytes read, want %d", program, n, len(program)+1)
	}
	return v
}

// TestValues runs one program for every kind of value. The expectations are those of
// Python's pickletools and pickle documentation.
func TestValues(t *testing.T) {
	namespace := Global("argparse.Namespace")
	for _, c := range []struct {
		name, program string
		want          any
	}{
		{"None", "N", nil},
		{"booleans", "\x88\x89\x86", Tuple{true, false}},
		{"booleans of protocol 0", "(I01\nI00\nt", Tuple{true, false}},
		{"integers", "(K\xffM\xff\xffJ\xff\xff\xff\xfft", Tuple{int64(255), int64(65535), int64(-1)}},
		{"integers of protocol 0", "(I-7\nL12L\nL-3\nt", Tuple{int64(-7), int64(12), int64(-3)}},
		{"LONG1", "(\x8a\x00\x8a\x01\x80\x8a\x02\xff\x00\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80t",
			Tuple{int64(0), int64(-128), int64(255), int64(math.MinInt64)}},
		{"LONG4", "\x8b\x01\x00\x00\x00\x05", int64(5)},
		{"big integers", "\x8a\x09123456789L123456789012345678901234567890L\n\x86",
			Tuple{Long("123456789"), Long("123456789012345678901234567890")}},
		{"floats", "G?\xf8\x00\x00\x00\x00\x00\x00F-1.5e3\n\x86", Tuple{1.5, -1500.0}},
		{"strings", "(X\x02\x00\x00\x00\xc3\xa9\x8c\x01a\x8d\x01\x00\x00\x00\x00\x00\x00\x00bt", Tuple{"é", "a", "b"}},
		{"UNICODE", "V\\u00e9\\U0001f600x\\n\n", "é😀x\\n"},
		{"UNICODE in Latin-1", "V\xe9\n", "é"},
		{"lone surrogate of a file name", "X\x04\x00\x00\x00a\xed\xb3\xbf", "a\ufffd"},
		{"strings of Python 2", "(U\x01aT\x01\x00\x00\x00bS'c\\'\\x41\\n\\\\'\nS\"d\"\nt", Tuple{"a", "b", "c'A\n\\", "d"}},
		{"bytes of Python 2", "U\x02\xff\x00", Bytes("\xff\x00")},
		{"bytes", "(C\x01aB\x01\x00\x00\x00b\x8e\x01\x00\x00\x00\x00\x00\x00\x00c\x96\x01\x00\x00\x00\x00\x00\x00\x00dt",
			Tuple{Bytes("a"), Bytes("b"), Bytes("c"), Bytes("d")}},
		{"tuples", "(N\x85NN\x86NNN\x87)t", Tuple{Tuple{nil}, Tuple{nil, nil}, Tuple{nil, nil, nil}, Tuple(nil)}},
		{"lists", "](K\x01K\x02eK\x03a(K\x04l\x86", Tuple{&List{[]any{int64(1), int64(2), int64(3)}}, &List{[]any{int64(4)}}}},
		{"sets", "\x8f(K\x01\x90(K\x02\x91\x86", Tuple{&Set{[]any{int64(1)}}, &Set{[]any{int64(2)}}}},
		{"dicts", "}U\x01aK\x01s(K\x02Nd\x86", Tuple{&Dict{Entries: []Entry{{"a", int64(1)}}}, &Dict{Entries: []Entry{{int64(2), nil}}}}},
		{"names", "(cos.path\njoin\n\x8c\x01a\x8c\x01b\x93\x82\x05\x83\x01\x01\x84\x02\x00\x00\x00t",
			Tuple{Global("os.path.join"), Global("a.b"), Extension(5), Extension(257), Extension(2)}},
		{"REDUCE", "cposix\nsystem\nU\x02ls\x85R", &Object{Class: Global("posix.system"), Args: Tuple{"ls"}}},
		{"NEWOBJ", "cargparse\nNamespace\n)\x81", &Object{Class: namespace}},
		{"NEWOBJ_EX", "cargparse\nNamespace\nK\x01\x85}U\x01aK\x02s\x92",
			&Object{Class: namespace, Args: Tuple{int64(1), &Dict{Entries: []Entry{{"a", int64(2)}}}}}},
		{"NEWOBJ_EX without keywords", "cargparse\nNamespace\nK\x01\x85}\x92", &Object{Class: namespace, Args: Tuple{int64(1)}}},
		{"INST", "(K\x01iargparse\nNamespace\n", &Object{Class: namespace, Args: Tuple{int64(1)}}},
		{"OBJ", "(cargparse\nNamespace\nK\x01o", &Object{Class: namespace, Args: Tuple{int64(1)}}},
		{"BUILD", "cargparse\nNamespace\n)\x81}U\x02lrK\x01sb", &Object{Class: namespace, State: &Dict{Entries: []Entry{{"lr", int64(1)}}}}},
		{"a call of what a call made", "cbuiltins\ngetattr\ncm\nC\nU\x01f\x86R)R",
			&Object{Class: &Object{Class: Global("builtins.getattr"), Args: Tuple{Global("m.C"), "f"}}}},
		{"items of a subclass of dict", "cm\nMyDict\n)R(U\x01aK\x01u", &Object{Class: Global("m.MyDict"), Dict: &Dict{Entries: []Entry{{"a", int64(1)}}}}},
		{"items of a subclass of list", "ccollections\ndeque\n)RK\x01a(K\x02e", &Object{Class: Global("collections.deque"), List: &List{[]any{int64(1), int64(2)}}}},
		{"OrderedDict", "ccollections\nOrderedDict\n)RU\x01aK\x01s", &Dict{Entries: []Entry{{"a", int64(1)}}}},
		{"OrderedDict of Python 2", "ccollections\nOrderedDict\n](](U\x01aK\x01eU\x01bK\x02\x86e\x85R", &Dict{Entries: []Entry{{"a", int64(1)}, {"b", int64(2)}}}},
		{"attributes of a dict are dropped", "ccollections\nOrderedDict\n)R}U\x09_metadataNsb", &Dict{}},
		{"persistent ids", "Pabc\nK\x01Q\x86", Tuple{&Persistent{"abc"}, &Persistent{int64(1)}}},
		{"POP, DUP, POP_MARK", "K\x01K\x020(K\x05K\x06" + "12\x86", Tuple{int64(1), int64(1)}},
		{"POP of a mark", "K\x01(0", int64(1)},
		{"protocols and frames", "\x80\x04\x95\x01\x00\x00\x00\x00\x00\x00\x00N", nil},
	} {
		if got := run(t, c.program); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %#v, want %#v", c.name, got, c.want)
		}
	}
}

// TestMemo stores and fetches by each opcode, and a list that holds itself.
func TestMemo(t *testing.T) {
	for _, program := range []string{
		"]q\x00h\x00a", "]r\x00\x00\x00\x00j\x00\x00\x00\x00a", "]p0\ng0\na", "]\x94h\x00a",
		"]r\xff\xff\xff\xffj\xff\xff\xff\xffa", "]q\x05h\x05a", // the last are sparse
	} {
		l, ok := run(t, program).(*List)
		if !ok || len(l.Items) != 1 || l.Items[0] != any(l) {
			t.Errorf("%q: %v does not hold itself", program, l)
		}
	}
	// An index stored sparsely is found when the dense ones reach it.
	if got := run(t, "K\x07q\x020K\x01q\x000K\x02q\x010h\x02"); got != any(int64(7)) {
		t.Errorf("entry 2 is %v, want 7", got)
	}
	if got := run(t, "K\x07q\x000K\x08q\x000h\x00"); got != any(int64(8)) {
		t.Errorf("entry 0 is %v, want what was stored last", got)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct{ name, program, want string }{
		{"empty", "", "ends without STOP"},
		{"no end", "N", "ends without STOP"},
		{"two results", "NN.", "1 values and 0 marks are left"},
		{"mark left", "(N.", "0 values and 1 marks are left"},
		{"protocol 6", "\x80\x06N.", "protocol 6"},
		{"frame", "\x95\xff\xff\xff\xff\xff\xff\xff\xffN.", "frame of 18446744073709551615 bytes"},
		{"opcode", "\xf7.", "opcode 0xf7"},
		{"buffer", "\x97.", "a buffer outside the pickle"},
		{"read-only buffer", "N\x98.", "a buffer outside the pickle"},
		{"string", "X\xff\xff\xff\xffab.", "4294967295 bytes wanted"},
		{"bytes", "\x8e\xff\xff\xff\xff\xff\xff\xff\x7fab.", "bytes wanted"},
		{"UTF-8", "X\x01\x00\x00\x00\xff.", "not UTF-8"},
		{"no surrogate", "X\x03\x00\x00\x00\xed\xc0\x80.", "not UTF-8"},
		{"memo", "h\x05.", "memo entry 5"},
		{"memo by name", "gx\n.", `memo entry "x"`},
		{"store nothing", "q\x05.", "the stack is empty"},
		{"no mark", "t.", "no mark"},
		{"pop below the mark", "N(\x85t.", "0 values on the stack, want 1"},
		{"integer", "Iabc\n.", `"abc" is not an integer`},
		{"float", "Fabc\n.", `"abc" is not a number`},
		{"quotes", "Sabc\n.", "without quotes"},
		{"line", "Vabc", "a line without an end"},
		{"name", "c" + strings.Repeat("a", 5000) + "\nb\n.", "a name without an end"},
		{"name of numbers", "NN\x93.", "a global named by None and None"},
		{"call with a list", "cm\nf\n]R.", "call of m.f with a list of 0"},
		{"call of a string", "U\x01a)R.", `call of "a"`},
		{"class of OBJ", "(o.", "no class"},
		{"attributes of a number", "K\x01}b.", "attributes a dict of 0 for 1"},
		{"append to a dict", "}Na.", "append to a dict"},
		{"item of a list", "]NNs.", "2 keys and values set in a list of 0"},
		{"odd items", "}(Nu.", "1 keys and values"},
	} {
		v, _, err := NewMachine().Run([]byte(c.program))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, error %v, want %q", c.name, v, err, c.want)
		}
	}
}

func TestNames(t *testing.T) {
	m := NewMachine()
	for _, p := range []string{"cb\nf\n.", "(ca\nC\nca\nC\n\x8c\x01x\x8c\x01y\x93PX\nt."} {
		if _, _, err := m.Run([]byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	if got := m.Globals(); !slices.Equal(got, []string{"a.C", "b.f", "x.y"}) {
		t.Errorf("globals %v", got)
	}
	if got := m.Persistent(); len(got) != 1 || got[0].ID != any("X") {
		t.Errorf("persistent ids %v", got)
	}
	module := Tuple{"module", Global("a.Net"), "net.py", "class Net: ..."}
	for want, o := range map[string]*Object{
		"a.C":   {Class: Global("a.C")},
		"a.Net": {Class: &Persistent{module}},
		"a.C.f": {Class: &Object{Class: Global("builtins.getattr"), Args: Tuple{Global("a.C"), "f"}}},
		"":      {Class: Extension(3)},
	} {
		if got := o.ClassName(); got != want {
			t.Errorf("%v: class %q, want %q", o, got, want)
		}
	}
}

// TestDict sets a key twice, in a small dict and in one with an index.
func TestDict(t *testing.T) {
	for _, n := range []int{0, 100} {
		d := &Dict{Entries: []Entry{{"a", int64(1)}, {int64(5), int64(2)}}}
		for i := range n {
			d.Entries = append(d.Entries, Entry{fmt.Sprint(i), nil})
		}
		d.Entries = append(d.Entries, Entry{"a", int64(3)})
		if v, ok := d.Get("a"); !ok || v != any(int64(3)) {
			t.Errorf("%d entries: a is %v", n, v)
		}
		if _, ok := d.Get("b"); ok {
			t.Error("b was found")
		}
		var first []any
		for e := range d.All() {
			first = append(first, e.Value)
		}
		if len(first) != n+2 || first[0] != any(int64(2)) || first[n+1] != any(int64(3)) {
			t.Errorf("All gives %v", first)
		}
	}
	if _, ok := (*Dict)(nil).Get("a"); ok {
		t.Error("found in nothing")
	}
}

// TestBounds runs the costliest programs: what is allocated stays near MaxMemory, whatever
// the opcode, and nothing recurses.
func TestBounds(t *testing.T) {
	const n = 2_000_000
	for name, program := range map[string]string{
		"deep tuples":   "N" + strings.Repeat("\x85", n),
		"deep lists":    "](" + strings.Repeat("](", n),
		"dicts":         "(" + strings.Repeat("}", n) + "t",
		"objects":       "(cm\nC\nq\x00" + strings.Repeat("h\x00)\x81", n) + "t",
		"build chain":   "cm\nC\nq\x000h\x00)\x81" + strings.Repeat("q\x010h\x00)\x81h\x01b", n/4),
		"memo":          "(" + strings.Repeat("]\x94", n) + "t",
		"sparse memo":   "N" + strings.Repeat("r\xff\xff\xff\xffr\xfe\xff\xff\xff", n/8),
		"items":         "}(" + strings.Repeat("NN", n) + "u",
		"one by one":    "}" + strings.Repeat("NNs", n),
		"small dicts":   "(" + strings.Repeat("}NNs", n/2) + "t",
		"integers":      "(" + strings.Repeat("J\x00\x00\x00\x7f", n) + "t",
		"marks":         strings.Repeat("(", n),
		"names":         "(" + manyNames(n/20) + "t",
		"persistent":    "(" + strings.Repeat("NQ", n) + "t",
		"frozen sets":   "(" + strings.Repeat("(\x91", n) + "t",
		"list of lists": "]" + strings.Repeat("](NNNNNNNNNNe0", n/10),
	} {
		var err error
		alloc := int(testdata.Allocated(func() { _, _, err = NewMachine().Run([]byte(program + ".")) }))
		t.Logf("%-14s %5d KiB: %6d KiB allocated, %v", name, len(program)>>10, alloc>>10, err)
		// The program itself, twice for what the counting leaves out.
		if most := 2*MaxMemory + len(program); alloc > most {
			t.Errorf("%s: a pickle of %d bytes took %d bytes, want at most %d", name, len(program), alloc, most)
		}
	}
	if _, _, err := NewMachine().Run([]byte(strings.Repeat("N0", MaxOpcodes/2) + "N.")); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("too many opcodes: %v", err)
	}
}

func manyNames(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "cm\nC%d\n", i)
	}
	return b.String()
}

// FuzzRun holds any program to the bounds: no panic, and memory linear in its length.
func FuzzRun(f *testing.F) {
	for _, s := range []string{
		"\x80\x02ccollections\nOrderedDict\n)Rq\x00(X\x01\x00\x00\x00aK\x01ub.",
		"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00\x8c\x01m\x8c\x01C\x93)\x81}b.",
		"(lp0\n(dp1\nS'a'\nI1\nsag0\na.", "cm\nC\n)\x81(U\x01aNuNa.", "(cm\nC\nNo2\x860.", "Px\n\x8f(N\x90(N\x91\x86.",
		"](\x8a\x09123456789L5L\nF1\nG????????e.", "V\\u00e9\n\x85q\x05h\x05\x86.",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var v any
		var n int
		var err error
		if alloc := testdata.Allocated(func() { v, n, err = NewMachine().Run(data) }); alloc > 1<<20+1000*int64(len(data)) {
			t.Fatalf("a pickle of %d bytes took %d bytes", len(data), alloc)
		}
		if err == nil && (n < 1 || n > len(data) || data[n-1] != '.') {
			t.Fatalf("%d bytes read of %d", n, len(data))
		}
		if err == nil && Describe(v) == "" || err != nil && len(err.Error()) > 2000 {
			t.Fatalf("%v, error %v", v, err)
		}
	})
}
