package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"cwox/internal/testdata"
)

func TestSafetensors(t *testing.T) {
	f := open(t, "testdata/small.safetensors")
	if got := f.Metadata(); !reflect.DeepEqual(got, map[string]string{"format": "pt"}) {
		t.Errorf("metadata %v", got)
	}
	if f.Format() != Safetensors || !slices.Equal(f.Names(), []string{"w", "n"}) || f.Globals() != nil {
		t.Errorf("format %s, names %v, globals %v", f.Format(), f.Names(), f.Globals())
	}
	w, _ := f.Tensor("w")
	n, _ := f.Tensor("n")
	sameFloats(t, "w", must(w.Float64()), []float64{0, 1, 2, 3, 4, 5})
	sameFloats(t, "n", must(n.Float64()), []float64{-7})
	if _, ok := f.Tensor("x"); ok {
		t.Error("a tensor that is not there was found")
	}
	sum := sha256.Sum256(must(os.ReadFile("testdata/small.safetensors")))
	if got := must(f.SHA256()); got != hex.EncodeToString(sum[:]) {
		t.Errorf("hash %s, want %x", got, sum)
	}
}

// manyEntries are the entries of a JSON object, of different keys.
func manyEntries(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"%d":"",`, i)
	}
	return strings.TrimSuffix(b.String(), ",")
}

func TestSafetensorsHeaders(t *testing.T) {
	entry := func(dtype, shape, offsets string) string {
		return fmt.Sprintf(`{"w":{"dtype":%q,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets)
	}
	good := entry("F32", "[4]", "[0,16]")
	cases := []struct{ name, header, data, want string }{
		{"good", good, fourFloats, ""},
		{"padded", good + "   ", fourFloats, ""},
		{"spaced", "{ \"w\"\t:\n{\r\"data_offsets\" : [ 0 , 16 ] , \"dtype\":\"F32\",\"shape\":[4]} }", fourFloats, ""},
		{"escaped name", strings.Replace(good, "w", `\u0077`, 1), fourFloats, ""},
		{"empty beside", `{"a":{"dtype":"F32","shape":[0,3],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"z":{"dtype":"F32","shape":[0],"data_offsets":[16,16]}}`, fourFloats, ""},

		{"no JSON", "{hello}", "", `'h', want '"'`},
		{"array", "[]", "", "does not begin with '{'"},
		{"space first", " {}", "", "does not begin with '{'"},
		{"open", `{"w"`, "", "the header ends, want ':'"},
		{"open string", `{"w`, "", "ends inside a string"},
		{"open escape", `{"w\`, "", "ends inside a string"},
		{"bad escape", `{"w\x":1}`, "", "bad escape"},
		{"control character", "{\"w\n\":1}", "", "control character 0xa"},
		{"not UTF-8", "{\"\xff\":1}", "", "not UTF-8"},
		{"garbage after", good + "x", fourFloats, `'x' after the end`},
		{"newline after", good + "\n", fourFloats, `'\n' after the end`},
		{"comma after", `{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},}`, fourFloats, `'}', want '"'`},
		{"null", `{"w":null}`, "", "'n', want '{'"},
		{"metadata without end", `{"__metadata__":{` + manyEntries(maxMetadata+1) + `}}`, "", "__metadata__: more than 65536 entries"},
		{"same name", `{"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, "", `"w" appears twice`},
		{"same name, escaped", `{"w":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"\u0077":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}`, "", `"w" appears twice`},
		{"same field", `{"w":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, fourFloats, "dtype appears twice"},
		{"unknown field", `{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16],"x":1}}`, fourFloats, `unknown field "x"`},
		{"no dtype", `{"w":{"shape":[4],"data_offsets":[0,16]}}`, fourFloats, "no dtype"},
		{"no shape", `{"w":{"dtype":"F32","data_offsets":[0,4]}}`, fourFloats, "no shape"},
		{"no offsets", `{"w":{"dtype":"F32","shape":[4]}}`, fourFloats, "no data_offsets"},
		{"dtype", entry("F4", "[4]", "[0,4]"), fourFloats, `dtype "F4"`},
		{"negative", entry("F32", "[-4]", "[0,16]"), fourFloats, "'-', want a non-negative integer"},
		{"fraction", entry("F32", "[4.0]", "[0,16]"), fourFloats, "'.', want ']'"},
		{"exponent", entry("F32", "[4e0]", "[0,16]"), fourFloats, "'e', want ']'"},
		{"leading zero", entry("F32", "[04]", "[0,16]"), fourFloats, `"04" is no integer`},
		{"huge", entry("F32", "["+strings.Repeat("9", 500)+"]", "[0,16]"), fourFloats, "is no integer"},
		{"product", entry("F32", "[2147483647,2147483647,2147483647]", "[0,16]"), fourFloats, "too large"},
		{"product times zero", entry("F32", "[2147483647,2147483647,2147483647,0]", "[0,0]"), "", "too large"},
		{"rank", entry("F32", "["+strings.Repeat("1,", 16)+"4]", "[0,16]"), fourFloats, "more than 16 dimensions"},
		{"reversed", entry("F32", "[4]", "[16,0]"), fourFloats, "do not fit"},
		{"too short", entry("F64", "[4]", "[0,16]"), fourFloats, "want 32 bytes"},
		{"three offsets", entry("F32", "[4]", "[0,16,16]"), fourFloats, "more than two"},
		{"one offset", entry("F32", "[4]", "[0]"), fourFloats, "has 1 numbers, want 2"},
		{"hole", entry("F32", "[3]", "[4,16]"), fourFloats, "begins at 4, the one before ends at 0"},
		{"overlap", `{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[3],"data_offsets":[4,16]}}`, fourFloats, "begins at 4, the one before ends at 16"},
		{"past the end", entry("F32", "[5]", "[0,20]"), fourFloats, "ends at 20, the file's at 16"},
		{"left over", entry("F32", "[3]", "[0,12]"), fourFloats, "end at 12, the file's data at 16"},
		{"metadata number", `{"__metadata__":{"a":1}}`, "", `'1', want '"'`},
		{"metadata twice", `{"__metadata__":{"a":"1","a":"2"}}`, "", `"a" appears twice`},
	}
	for _, c := range cases {
		f, err := Parse("x", safetensors(c.header, c.data))
		switch {
		case c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		case err == nil:
			w, ok := f.Tensor("w")
			if !ok {
				t.Errorf("%s: names %v", c.name, f.Names())
				continue
			}
			sameFloats(t, c.name, must(w.Float64()), []float64{0, 1, 2, 3})
		}
	}
}

// TestWrite checks the layout that WriteSafetensors promises, byte by byte.
func TestWrite(t *testing.T) {
	source, err := Parse("source", safetensors(`{"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[3],"data_offsets":[8,11]}}`, "\x00\x00\x00\x00\x00\x00\xf0\x3f123"))
	if err != nil {
		t.Fatal(err)
	}
	b, _ := source.Tensor("b")
	d, _ := source.Tensor("d")
	tensors := []*Tensor{b, NewF32("z", []int{1, 2}, []float32{1, 2}), NewF32("a\"<", nil, []float32{3}), d, NewF32("e", []int{0}, nil)}
	header := `{"__metadata__":{"k":"v","l":"w"},"d":{"dtype":"F64","shape":[1],"data_offsets":[0,8]},` +
		`"a\"\u003c":{"dtype":"F32","shape":[],"data_offsets":[8,12]},"e":{"dtype":"F32","shape":[0],"data_offsets":[12,12]},` +
		`"z":{"dtype":"F32","shape":[1,2],"data_offsets":[12,20]},"b":{"dtype":"U8","shape":[3],"data_offsets":[20,23]}}`
	header += strings.Repeat(" ", (8-len(header)%8)%8)
	want := safetensors(header, "\x00\x00\x00\x00\x00\x00\xf0\x3f\x00\x00\x40\x40\x00\x00\x80\x3f\x00\x00\x00\x40123")
	meta := map[string]string{"l": "w", "k": "v"}
	for range 20 { // map order must not show
		var got bytes.Buffer
		if err := WriteSafetensors(&got, tensors, meta); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Fatalf("wrote\n%q, want\n%q", got.Bytes(), want)
		}
	}

	dir := t.TempDir()
	path := filepath.Join(dir, "out.safetensors")
	for range 2 { // the second replaces the first
		if err := WriteFile(path, tensors, meta); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(must(os.ReadFile(path)), want) {
		t.Error("WriteFile wrote something else")
	}
	bad := NewF32("__metadata__", nil, []float32{1})
	for name, bad := range map[string][]*Tensor{"reserved name": {bad}, "same name": {d, d}, "not UTF-8": {NewF32("\xff", []int{0}, nil)}, "no type": {{Name: "x"}}} {
		if err := WriteFile(filepath.Join(dir, "bad"), bad, nil); err == nil {
			t.Errorf("%s was written", name)
		}
	}
	if entries := must(os.ReadDir(dir)); len(entries) != 1 {
		t.Errorf("files left behind: %v", entries)
	}
}

// TestConversions goes through every type's extremes.
func TestConversions(t *testing.T) {
	le := binary.LittleEndian
	inf, nan := math.Inf(1), math.NaN()
	negZero := math.Copysign(0, -1)
	u16 := func(v ...uint16) (b []byte) {
		for _, v := range v {
			b = le.AppendUint16(b, v)
		}
		return b
	}
	for _, c := range []struct {
		dtype DType
		data  []byte
		want  []float64
	}{
		{F16, u16(0x0000, 0x8000, 0x0001, 0x83ff, 0x0400, 0x3c00, 0xc000, 0x7bff, 0x7c00, 0xfc00, 0x7e01),
			[]float64{0, negZero, 0x1p-24, -1023 * 0x1p-24, 0x1p-14, 1, -2, 65504, inf, -inf, nan}},
		{BF16, u16(0x0000, 0x8000, 0x0001, 0x3f80, 0xc020, 0x7f7f, 0x7f80, 0xff80, 0x7fc0),
			[]float64{0, negZero, 0x1p-133, 1, -2.5, 0x1.fep127, inf, -inf, nan}},
		{F32, le.AppendUint32(le.AppendUint32(nil, math.Float32bits(1.5)), 0x80000000), []float64{1.5, negZero}},
		{F64, le.AppendUint64(le.AppendUint64(nil, math.Float64bits(0.1)), math.Float64bits(1e300)), []float64{0.1, 1e300}},
		{I64, le.AppendUint64(le.AppendUint64(nil, 1<<63), math.MaxInt64), []float64{-0x1p63, 0x1p63}},
		{U64, le.AppendUint64(le.AppendUint64(nil, 1<<63), math.MaxUint64), []float64{0x1p63, 0x1p64}},
		{I32, le.AppendUint32(le.AppendUint32(nil, 1<<31), 16777217), []float64{-0x1p31, 16777217}},
		{U32, le.AppendUint32(nil, math.MaxUint32), []float64{math.MaxUint32}},
		{I16, u16(0x8000, 0x7fff), []float64{-32768, 32767}},
		{U16, u16(0x8000, 0xffff), []float64{32768, 65535}},
		{I8, []byte{0x80, 0x7f}, []float64{-128, 127}},
		{U8, []byte{0x80, 0xff}, []float64{128, 255}},
		{Bool, []byte{0, 1, 2}, []float64{0, 1, 1}},
	} {
		header := fmt.Sprintf(`{"w":{"dtype":%q,"shape":[%d],"data_offsets":[0,%d]}}`, c.dtype, len(c.want), len(c.data))
		for pad := range 8 { // every alignment, so the views and the conversions
			f, err := Parse("x", safetensors(header+strings.Repeat(" ", pad), string(c.data)))
			if err != nil {
				t.Fatal(err)
			}
			w, _ := f.Tensor("w")
			sameFloats(t, string(c.dtype), must(w.Float64()), c.want)
			for i, v := range must(w.Float32()) {
				if !same(float64(v), float64(float32(c.want[i]))) {
					t.Errorf("%s[%d]: Float32 gives %v, want %v", c.dtype, i, v, float32(c.want[i]))
				}
			}
			if !bytes.Equal(must(w.Bytes()), c.data) {
				t.Errorf("%s: other bytes", c.dtype)
			}
		}
	}
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	cases := map[string]string{dir: "a folder without weights", empty: "empty", filepath.Join(dir, "none"): "none"}
	if runtime.GOOS == "linux" {
		cases["/dev/zero"] = "not a regular file"
	}
	for path, want := range cases {
		if _, err := Open(path); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want %q", path, err, want)
		}
	}
}

func TestClose(t *testing.T) {
	f, err := Open("testdata/small.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	w, _ := f.Tensor("w")
	for range 2 {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := w.Float32(); err == nil || !strings.Contains(err.Error(), `small.safetensors: "w": read after Close`) {
		t.Errorf("read after Close: %v", err)
	}
	if _, err := f.SHA256(); err == nil {
		t.Error("hash after Close")
	}
}

func TestNewF32Panics(t *testing.T) {
	for _, shape := range [][]int{{2}, {-1, -3}, {math.MaxInt, 2}, nil} {
		func() {
			defer func() {
				if r := recover(); r != "weights: NewF32: the shape does not fit the data" {
					t.Errorf("shape %v: recovered %v", shape, r)
				}
			}()
			NewF32("x", shape, make([]float32, 3))
		}()
	}
}

// FuzzSafetensors mutates whole files.
func FuzzSafetensors(f *testing.F) {
	f.Add(must(os.ReadFile("testdata/small.safetensors")))
	addGolden(f, "*.safetensors")
	f.Fuzz(checkSafetensors)
}

// FuzzHeader mutates the header and the data, with the length of the header right.
func FuzzHeader(f *testing.F) {
	f.Add(`{"__metadata__":{"\u00e9":"\n"},"w":{"dtype":"BF16","shape":[2,4],"data_offsets":[0,16]}}  `, fourFloats)
	f.Add(`{"a":{"shape":[],"dtype":"F64","data_offsets":[8,16]}, "module.b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"c":{"dtype":"I8","shape":[0],"data_offsets":[8,8]}}`, fourFloats)
	f.Fuzz(func(t *testing.T, header, data string) { checkSafetensors(t, safetensors(header, data)) })
}

// checkSafetensors is checkParse; and the header of a file that is read is JSON and means
// what encoding/json says it means.
func checkSafetensors(t *testing.T, data []byte) {
	file := checkParse(t, data)
	if file == nil || file.Format() != Safetensors {
		return
	}
	n := binary.LittleEndian.Uint64(data)
	var header map[string]json.RawMessage
	if err := json.Unmarshal(data[8:8+n], &header); err != nil {
		t.Fatalf("read a header that is no JSON: %v", err)
	}
	var metadata map[string]string
	if m, ok := header[metadataKey]; ok {
		delete(header, metadataKey)
		if err := json.Unmarshal(m, &metadata); err != nil || !maps.Equal(metadata, file.metadata) {
			t.Fatalf("metadata %v, want %v (%v)", file.metadata, metadata, err)
		}
	}
	if len(header) != len(file.tensors) {
		t.Fatalf("%d tensors in the header, %d read", len(header), len(file.tensors))
	}
	for name, raw := range header {
		var entry struct {
			DType   DType
			Shape   []int
			Offsets [2]int `json:"data_offsets"`
		}
		if err := json.Unmarshal(raw, &entry); err != nil {
			t.Fatal(err)
		}
		ok := slices.ContainsFunc(file.tensors, func(w *Tensor) bool {
			return name == w.Name && w.DType == entry.DType && slices.Equal(w.Shape, entry.Shape) &&
				bytes.Equal(must(w.Bytes()), data[8+int(n)+entry.Offsets[0]:8+int(n)+entry.Offsets[1]])
		})
		if !ok {
			t.Fatalf("%q: %+v was read as another tensor", name, entry)
		}
	}
}

// checkParse reads anything and checks what holds for every file: sane errors, sizes
// that fit, and a copy through WriteSafetensors that is equal.
func checkParse(t *testing.T, data []byte) *File {
	var f *File
	var err error
	// Decompression apart, memory is linear in the file.
	if alloc := testdata.Allocated(func() { f, err = Parse("fuzz", data) }); alloc > 4*inflateFree+4000*int64(len(data)) {
		t.Fatalf("a file of %d bytes took %d bytes", len(data), alloc)
	}
	if err != nil {
		if len(err.Error()) > 2000 {
			t.Fatalf("error of %d bytes", len(err.Error()))
		}
		return nil
	}
	var tensors []*Tensor
	total := 0
	for _, name := range f.Names() {
		w, ok := f.Tensor(name)
		if !ok {
			t.Fatalf("%q is listed, but not found", name)
		}
		b := must(w.Bytes())
		if !w.DType.isNumber() {
			if _, err := w.Float32(); err == nil {
				t.Fatalf("%q: %s read as floats", name, w.DType)
			}
		} else if len(b) != w.Len()*w.DType.Size() || len(must(w.Float32())) != w.Len() || len(must(w.Float64())) != w.Len() {
			t.Fatalf("%q: %s %v has %d bytes", name, w.DType, w.Shape, len(b))
		}
		if total += len(b); total > 4*(len(data)+f.inflated)+1<<20 {
			t.Fatalf("%d bytes of tensors in a file of %d", total, len(data))
		}
		if name != metadataKey && utf8.ValidString(name) {
			tensors = append(tensors, w)
		}
	}
	var copied bytes.Buffer
	if err := WriteSafetensors(&copied, tensors, f.Metadata()); err != nil {
		t.Fatal(err)
	}
	g, err := Parse("copy", copied.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if len(g.metadata) != len(f.metadata) {
		t.Fatalf("metadata %v, want %v", g.metadata, f.metadata)
	}
	for _, want := range tensors {
		got, ok := g.Tensor(want.Name)
		if !ok || got.DType != want.DType || !slices.Equal(got.Shape, want.Shape) || !bytes.Equal(must(got.Bytes()), must(want.Bytes())) {
			t.Fatalf("%q changed on the way", want.Name)
		}
	}
	return f
}

// safetensors puts a file together.
func safetensors(header, data string) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), data...)
}

// addGolden adds the containers and attacks of the shared data as seeds, if it is there.
func addGolden(f *testing.F, pattern string) {
	for _, folder := range []string{"containers", "attacks"} {
		for _, path := range testdata.Glob("golden", folder, pattern) {
			if b := must(os.ReadFile(path)); len(b) < 8<<10 {
				f.Add(b)
			}
		}
	}
}
