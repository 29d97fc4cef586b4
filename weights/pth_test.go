package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"cwox/internal/testdata"
	"cwox/weights/pickle"
)

// The files of testdata were written by CPython's own pickler around stand-ins for
// torch's functions: a checkpoint with "module." names in both containers, and a plain
// dict in pickle protocol 5.
func TestCheckpoint(t *testing.T) {
	want := []struct {
		name  string
		dtype DType
		shape []int
		data  []float64
	}{
		{"matrix", F32, []int{2, 3}, []float64{0, 1, 2, 3, 4, 5}},
		{"transposed", F32, []int{3, 2}, []float64{0, 3, 1, 4, 2, 5}},
		{"view", F32, []int{2}, []float64{1, 4}},
		{"half", F16, []int{3}, []float64{1, -2.5, 0x1p-14}},
		{"bfloat", BF16, []int{2, 1}, []float64{1, -2.5}},
		{"steps", I64, nil, []float64{1234}},
		{"expanded", F64, []int{2, 2}, []float64{0.5, 1e300, 0.5, 1e300}},
		{"mask", Bool, []int{3}, []float64{1, 0, 1}},
		{"empty", F32, []int{0, 4}, nil},
		{"parameter", F32, []int{3}, []float64{3, 4, 5}},
	}
	globals := []string{"collections.OrderedDict", "torch.BFloat16Storage", "torch.BoolStorage", "torch.DoubleStorage",
		"torch.FloatStorage", "torch.HalfStorage", "torch.LongStorage", "torch._utils._rebuild_parameter", "torch._utils._rebuild_tensor_v2"}
	for path, format := range map[string]Format{"testdata/checkpoint.zip.pth": PTHZip, "testdata/checkpoint.legacy.pth": PTHLegacy} {
		f := open(t, path)
		if f.Format() != format || f.Path() != path || "testdata/"+f.Name() != path {
			t.Errorf("%s: format %s, path %s, name %s", path, f.Format(), f.Path(), f.Name())
		}
		if !slices.Equal(f.Globals(), globals) {
			t.Errorf("%s: globals %v, want %v", path, f.Globals(), globals)
		}
		if len(f.Names()) != len(want) {
			t.Errorf("%s: tensors %v, want %d", path, f.Names(), len(want))
		}
		for i, w := range want {
			g, ok := f.Tensor("module." + w.name) // names stay as they are in the file
			if !ok || f.Names()[i] != "module."+w.name {
				t.Errorf("%s: tensor %d is %q, want %q", path, i, f.Names()[i], w.name)
				continue
			}
			if g.DType != w.dtype || !slices.Equal(g.Shape, w.shape) || g.Len() != len(w.data) {
				t.Errorf("%s: %q: %s %v of %d, want %s %v of %d", path, w.name, g.DType, g.Shape, g.Len(), w.dtype, w.shape, len(w.data))
			}
			sameFloats(t, w.name, must(g.Float64()), w.data)
		}
	}
	w, _ := open(t, "testdata/protocol5.zip.pth").Tensor("w")
	sameFloats(t, "w", must(w.Float64()), []float64{0, 1, 2, 3, 4, 5})
}

// TestPickles runs small programs in both containers. An empty want means that the file
// must be read and give w = [0 1 2 3]; a bar in it separates what the containers may say.
func TestPickles(t *testing.T) {
	const unnamed = `storage "0" is listed, but the data does not name it`
	good := tensorOps("torch FloatStorage", "0", 4, 0, []int{4}, []int{1})
	with := func(key, count, offset int, size, stride []int) string {
		return dictOps(str("w"), tensorOps("torch FloatStorage", fmt.Sprint(key), count, offset, size, stride))
	}
	cases := []struct{ name, pickle, want string }{
		{"dict", dictOps(str("w"), good), ""},
		{"OrderedDict", "ccollections\nOrderedDict\n)R(" + str("w") + good + "u.", ""},
		{"OrderedDict of pairs, as Python 2 wrote", "ccollections\nOrderedDict\n(](](" + str("w") + good + "eetR.", ""},
		{"OrderedDict of a tuple pair", "ccollections\nOrderedDict\n(](" + str("w") + good + "\x86etR.", ""},
		{"_rebuild_tensor, before PyTorch 0.4", dictOps(str("w"), strings.Replace(strings.Replace(good, "_v2", "", 1), hooks, "", 1)), ""},
		{"Python 2 string", dictOps("U\x01w", good), ""},
		{"model wrapper, beside a tensor", dictOps(str("best"), good, str("model"), "}("+str("w")+good+"u"), ""},
		{"number beside", dictOps(str("epoch"), num(3), str("w"), good), ""},
		{"int keys", dictOps(str("w"), good, num(1), num(2), "N", "N", "\x88", "N", "G????????", "N"), ""},
		{"attributes", "}(" + str("w") + good + "u}b.", ""},
		{"long integers", dictOps(str("w"), good, str("a"), "\x8a\x02\x00\x80", str("b"), "\x8a\x00", str("c"), "\x8a\x09123456789"), ""},
		{"wide storage, narrow tensor", dictOps(str("w"), tensorOps("torch FloatStorage", "0", 4, 0, []int{1, 4, 1}, []int{9, 1, 7})), ""},

		{"forbidden global", "cos\nsystem\n.", `refers to "os.system", which no weights need`},
		{"long name", "c" + strings.Repeat("a", 5000) + "\nb\n.", "a name without an end"},
		{"call of a string", dictOps(str("w"), str("x")+")R"), `call of "x"`},
		{"call with a list", dictOps(str("w"), "ccollections\nOrderedDict\n]R"), "with a list"},
		{"call of a storage type", dictOps(str("w"), "ctorch\nFloatStorage\n)R"), "an object of torch.FloatStorage"},
		{"parameter of a number", dictOps(str("w"), "ctorch._utils\n_rebuild_parameter\n("+num(1)+"NNtR"), "made of 1, want a tensor"},
		{"pairs of one", "ccollections\nOrderedDict\n(](](Neet" + "R.", "holds an object of collections.OrderedDict"},
		{"attributes of a number", num(3) + "}b.", "attributes a dict of 0 for 3"},
		{"unknown opcode", "}\xf7.", "opcode 0xf7"},
		{"protocol", "\x80\x09.", "pickle protocol 9"},
		{"frame", "\x95\xff\xff\xff\xff\xff\xff\xff\xff.", "frame of 18446744073709551615 bytes"},
		{"string too long", "X\xff\xff\xff\xffab.", "4294967295 bytes wanted"},
		{"not UTF-8", "X\x01\x00\x00\x00\xff.", "not UTF-8"},
		{"memo", "h\x05.", "memo entry 5"},
		{"memo of nothing", "q\x05.", "stack is empty"},
		{"no mark", "t.", "no mark"},
		{"pop below the mark", "N(\x85t.", "0 values on the stack, want 1"},
		{"mark left", "(}.", "0 values and 1 marks are left"},
		{"mark and value left", "N(}.", "1 values and 1 marks are left"},
		{"two results", "}}.", "1 values and 0 marks are left"},
		{"no end", "}", "ends without STOP|1 values and 0 marks are left"},
		{"append to a dict", "}Na.", "append to a dict"},
		{"odd items", "}(Nu.", "1 keys and values"},
		{"value below the mark", "}](Ns.", "1 values on the stack, want 2"},
		{"list as a key", "}]Ns.", "{a list of 0: None}"},
		{"same key twice", dictOps(str("w"), good, str("w"), good), `"w" appears twice`},
		{"no dict", num(5) + ".", "holds 5, want a state dict"},
		{"bare tensor", good + ".", "holds a tensor"},
		{"no tensor", dictOps(str("epoch"), num(3)), `it holds {"epoch": 3}`},
		{"numbered tensor", dictOps(str("w.a"), good, num(5), good), "named by 5"},
		{"tensor named by bytes", dictOps("C\x01w", good), "it holds {1 bytes: an object of torch._utils._rebuild_tensor_v2}"},
		{"persistent id", dictOps(str("w"), "ctorch._utils\n_rebuild_tensor_v2\n(NQ"+num(0)+tupleOps(nil)+tupleOps(nil)+hooks+"tR"), "persistent id None"},
		{"storage type", dictOps(str("w"), tensorOps("collections OrderedDict", "0", 4, 0, []int{4}, []int{1})), "storage of type collections.OrderedDict"},
		{"rank", with(0, 4, 0, []int{4}, []int{1, 1}), "1 dimensions with 2 strides"},
		{"high rank", with(0, 4, 0, slices.Repeat([]int{1}, 17), slices.Repeat([]int{1}, 17)), "17 dimensions"},
		{"negative size", with(0, 4, 0, []int{-4}, []int{1}), "size -4"},
		{"negative stride", with(0, 4, 0, []int{4}, []int{-1}), "stride -1"},
		{"negative offset", with(0, 4, -1, []int{4}, []int{1}), "offset -1"},
		{"offset of an empty tensor", with(0, 4, 5, []int{0}, []int{1}), "offset 5"},
		{"past the end", with(0, 4, 1, []int{4}, []int{1}), "past the end"},
		{"stride past the end", with(0, 4, 0, []int{2, 2}, []int{3, 1}), "past the end"},
		{"size overflow", with(0, 4, 0, []int{math.MaxInt32, math.MaxInt32, math.MaxInt32}, []int{0, 0, 0}), "too large"},
		{"stride overflow", with(0, 4, 0, []int{math.MaxInt32, 2}, []int{math.MaxInt32, 1}), "past the end"},
		{"expanded", with(0, 4, 0, []int{1 << 20, 4}, []int{0, 1}), "more than four times"},
		{"scalar after the storage", with(0, 4, 4, nil, nil), "past the end"},
		{"storage too large", with(0, 1<<30, 0, []int{4}, []int{1}), "want 1073741824 elements of F32|the data says 1073741824"},
		{"storage negative", with(0, -4, 0, []int{4}, []int{1}), "of -4 elements|" + unnamed},
		{"storage missing", with(77, 4, 0, []int{4}, []int{1}), `"77" is |` + unnamed},
		{"storage of another size", with(0, 3, 0, []int{3}, []int{1}), `storage "0" has`},
		{"storage of two types", dictOps(str("w"), good, str("v"), tensorOps("torch IntStorage", "0", 4, 0, []int{4}, []int{1})), "both 4 elements of F32 and 4 of I32"},
	}
	for _, c := range cases {
		for format, data := range map[Format][]byte{PTHZip: zipFile(c.pickle, fourFloats), PTHLegacy: legacyFile(c.pickle, fourFloats)} {
			f, err := Parse("x.pth", data)
			switch {
			case err != nil && c.want == "":
				t.Errorf("%s: %s: %v", format, c.name, err)
			case err == nil && c.want != "":
				t.Errorf("%s: %s was read, want an error with %q", format, c.name, c.want)
			case err != nil && (!containsAny(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "weights: x.pth: ")):
				t.Errorf("%s: %s: error %q, want one with %q", format, c.name, err, c.want)
			case err == nil:
				w, ok := f.Tensor("w")
				if !ok || f.Format() != format {
					t.Errorf("%s: %s: format %s, names %v", format, c.name, f.Format(), f.Names())
					continue
				}
				sameFloats(t, c.name, must(w.Float64()), []float64{0, 1, 2, 3})
			}
		}
	}
}

func TestContainerErrors(t *testing.T) {
	good := dictOps(str("w"), tensorOps("torch FloatStorage", "0", 4, 0, []int{4}, []int{1}))
	pkl, data := zipEntry{name: "a/data.pkl", data: good}, zipEntry{name: "a/data/0", data: fourFloats}
	deflated, damaged := pkl, data
	deflated.method = zip.Deflate
	damaged.crc = 1
	legacy := string(legacyFile(good, fourFloats))
	cases := []struct{ name, data, want string }{
		{"good zip", zipOf(pkl, data), ""},
		{"other entries", zipOf(zipEntry{name: "../../etc/x"}, pkl, data, zipEntry{name: "a/version", data: "3"}), ""},
		{"no root", zipOf(zipEntry{name: "data.pkl", data: good}, zipEntry{name: "data/0", data: fourFloats}), ""},
		{"other zip", zipOf(zipEntry{name: "a/readme", data: "x"}), "without data.pkl"},
		{"two roots", zipOf(pkl, data, zipEntry{name: "b/data.pkl"}), `"a/data.pkl" and "b/data.pkl"`},
		{"two pickles", zipOf(pkl, pkl, data), `two entries named "a/data.pkl"`},
		{"deflated", zipOf(deflated, data), ""},
		{"compressed otherwise", strings.ReplaceAll(zipOf(deflated, data), "\x08\x00\x08\x00", "\x08\x00\x0c\x00"), "compressed by method 12"},
		{"damaged", zipOf(pkl, damaged), `"a/data/0" is damaged`},
		{"TorchScript without a module", zipOf(pkl, data, zipEntry{name: "a/constants.pkl"}), "TorchScript: data.pkl holds a dict of 1, want a module"},
		{"big-endian", zipOf(pkl, data, zipEntry{name: "a/byteorder", data: "big"}), `byte order "big"`},
		{"after the pickle", zipOf(zipEntry{name: "a/data.pkl", data: good + "xx"}, data), "2 bytes after its end"},
		{"cut", zipOf(pkl, data)[:300], "damaged or cut short"},

		{"good legacy", legacy, ""},
		{"legacy cut", legacy[:len(legacy)-1], "4 elements of F32 wanted, the file has 15 more bytes"},
		{"legacy cut before the storage", legacy[:len(legacy)-17], "the file ends before it"},
		{"legacy trailing", legacy + "x", "1 bytes after the last storage"},
		{"legacy magic", strings.Replace(legacy, "\xfc\x9c", "\xfc\x9d", 1), "a plain pickle"},
		{"legacy protocol", strings.Replace(legacy, "M\xe9\x03.", "M\xea\x03.", 1), "protocol 1002, want 1001"},
		{"legacy big-endian", strings.Replace(legacy, "\x88", "\x89", 1), "big-endian"},
		{"legacy system", strings.Replace(legacy, systemOps, "\x80\x02N.", 1), "system: None"},
		{"legacy keys", strings.Replace(legacy, "](", "N(", 1), "append to None"},
		{"legacy no keys", strings.Replace(legacy, "]("+str("0")+"e.", "].", 1), "after the last storage"},
		{"legacy other keys", strings.Replace(legacy, "]("+str("0")+"e.", "]("+str("1")+"e.", 1), `storage "1" is listed, but`},
		{"legacy keys twice", strings.Replace(legacy, "]("+str("0")+"e.", "]("+str("0")+str("0")+"e.", 1), "listed twice"},

		{"empty", "", "the file is empty"},
		{"text", "hello", `begins with "hello"`},
		{"page", "\n<!DOCTYPE html><html>", "an HTML page"},
		{"tar", strings.Repeat("\x00", 257) + "ustar\x0000", "a tar archive"},
		{"pickle", "\x80\x02}.", "not of torch.save"},
	}
	for _, c := range cases {
		_, err := Parse("x", []byte(c.data))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// TestOverlap reads an archive of two storages that lie in the same bytes. A thousand of
// them would have their checksums taken a thousand times.
func TestOverlap(t *testing.T) {
	long := strings.Repeat(fourFloats, 100)
	pickle := dictOps(str("v"), tensorOps("torch FloatStorage", "0", 400, 0, []int{4}, []int{1}),
		str("w"), tensorOps("torch FloatStorage", "1", 400, 0, []int{4}, []int{1}))
	data := []byte(zipOf(zipEntry{name: "a/data.pkl", data: pickle}, zipEntry{name: "a/data/0", data: long}, zipEntry{name: "a/data/1", data: long}))
	second := bytes.LastIndex(data, []byte("PK\x03\x04"))
	first := bytes.LastIndex(data[:second], []byte("PK\x03\x04"))
	record := bytes.LastIndex(data, []byte("PK\x01\x02")) // of data/1
	binary.LittleEndian.PutUint32(data[record+42:], uint32(first))
	data = slices.Delete(data, second, 2*second-first)
	end := len(data) - 22
	binary.LittleEndian.PutUint32(data[end+16:], binary.LittleEndian.Uint32(data[end+16:])-uint32(second-first))
	if _, err := Parse("x", data); err == nil || !strings.Contains(err.Error(), "with the entries before it more than the file's") {
		t.Errorf("error %v", err)
	}
}

// TestMemory measures what the costliest files take: most opcodes of one kind, most
// tensors, most zip entries, most safetensors entries.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("not with -short, which the race detector is run with: it takes memory of its own")
	}
	const most = 2 * pickle.MaxMemory
	n := pickle.MaxOpcodes - 100
	view := tensorOps("torch FloatStorage", "0", 4, 0, slices.Repeat([]int{1}, 16), slices.Repeat([]int{1}, 16))
	// The function, its arguments, and then both again and again.
	call := "ctorch._utils\n_rebuild_tensor_v2\nq\x00" + strings.TrimSuffix(strings.TrimPrefix(view, "ctorch._utils\n_rebuild_tensor_v2\n"), "R") + "q\x01"
	var entries []zipEntry
	for i := range 2*maxTensors - 1 {
		entries = append(entries, zipEntry{name: fmt.Sprint(i)})
	}
	var header strings.Builder
	for i := range maxTensors {
		fmt.Fprintf(&header, `,"%d":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,0],"data_offsets":[0,0]}`, i)
	}
	for name, data := range map[string]string{
		"dicts":       string(zipFile("("+strings.Repeat("}", n)+"t.", fourFloats)),
		"memo":        string(zipFile(strings.Repeat("]\x94", n/2)+".", fourFloats)),
		"numbers":     string(zipFile("("+strings.Repeat("J\x00\x00\x00\x7f", n)+"t.", fourFloats)),
		"marks":       string(zipFile(strings.Repeat("(", n)+".", fourFloats)),
		"small dicts": string(zipFile("("+strings.Repeat("}"+str("k")+"Ns", n/4)+"t.", fourFloats)),
		"tensors":     string(zipFile("("+call+strings.Repeat("h\x00h\x01R", n/3)+"t.", fourFloats)),
		"wide names":  string(zipFile("("+strings.Repeat("cm\nC\n)\x81}("+str("_modules")+"}"+str("_parameters")+"}ub", n/12)+"l.", fourFloats)),
		"zip entries": zipOf(entries...),
		"header":      string(safetensors("{"+header.String()[1:]+"}", "")),
	} {
		var err error
		alloc := testdata.Allocated(func() { _, err = Parse("x", []byte(data)) }) - int64(len(data))
		t.Logf("%-12s file %5d KiB, allocated in all %6d KiB: %v", name, len(data)>>10, alloc>>10, err)
		if alloc > most {
			t.Errorf("%s: a file of %d bytes took %d bytes", name, len(data), alloc)
		}
		if (err == nil) != (name == "header") {
			t.Errorf("%s: error %v", name, err)
		}
	}
	for name, data := range map[string]string{
		"opcodes": string(zipFile(strings.Repeat("N", pickle.MaxOpcodes+1)+".", fourFloats)),
		"entries": zipOf(append(entries, entries[0], entries[1])...),
		"tensors": string(safetensors("{"+header.String()[1:]+`,"x":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}`, "")),
	} {
		if _, err := Parse("x", []byte(data)); err == nil || !strings.Contains(err.Error(), "more than") && !strings.Contains(err.Error(), "at most") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// FuzzZip mutates whole archives; most of it stops at the checksums.
func FuzzZip(f *testing.F) {
	for _, path := range []string{"testdata/checkpoint.zip.pth", "testdata/protocol5.zip.pth"} {
		f.Add(must(os.ReadFile(path)))
	}
	addGolden(f, "*.zip.pth")
	f.Fuzz(func(t *testing.T, data []byte) { checkParse(t, data) })
}

// FuzzPickle mutates the pickle and a storage inside a sound archive.
func FuzzPickle(f *testing.F) {
	good := tensorOps("torch FloatStorage", "0", 4, 0, []int{4}, []int{1})
	f.Add([]byte(dictOps(str("w"), good)), []byte(fourFloats))
	f.Add([]byte("ccollections\nOrderedDict\n(](]("+str("w")+good+"eetR."), []byte(fourFloats))
	for _, path := range []string{"testdata/checkpoint.zip.pth", "testdata/protocol5.zip.pth"} {
		r := must(zip.OpenReader(path))
		for _, e := range r.File {
			if strings.HasSuffix(e.Name, "data.pkl") {
				var b bytes.Buffer
				b.ReadFrom(must(e.Open()))
				f.Add(b.Bytes(), []byte(fourFloats))
			}
		}
		r.Close()
	}
	f.Fuzz(func(t *testing.T, pickle, storage []byte) { checkParse(t, zipFile(string(pickle), string(storage))) })
}

// FuzzLegacy mutates legacy files, which have no checksums.
func FuzzLegacy(f *testing.F) {
	f.Add(must(os.ReadFile("testdata/checkpoint.legacy.pth")))
	f.Add(legacyFile(dictOps(str("w"), tensorOps("torch FloatStorage", "0", 4, 0, []int{4}, []int{1})), fourFloats))
	addGolden(f, "*.legacy.pth")
	f.Fuzz(func(t *testing.T, data []byte) { checkParse(t, data) })
}

func containsAny(s, bars string) bool {
	return slices.ContainsFunc(strings.Split(bars, "|"), func(want string) bool { return strings.Contains(s, want) })
}

// fourFloats is [0 1 2 3] in F32.
const fourFloats = "\x00\x00\x00\x00\x00\x00\x80\x3f\x00\x00\x00\x40\x00\x00\x40\x40"

// What follows writes opcodes.

func str(s string) string {
	return "X" + string(binary.LittleEndian.AppendUint32(nil, uint32(len(s)))) + s
}

func num(n int) string { return "J" + string(binary.LittleEndian.AppendUint32(nil, uint32(n))) }

func dictOps(keysAndValues ...string) string { return "}(" + strings.Join(keysAndValues, "") + "u." }

func tupleOps(n []int) string {
	s := "("
	for _, v := range n {
		s += num(v)
	}
	return s + "t"
}

const hooks = "\x89ccollections\nOrderedDict\n)R" // requires_grad, backward_hooks

func tensorOps(typ, key string, count, offset int, size, stride []int) string {
	return "ctorch._utils\n_rebuild_tensor_v2\n((" + str("storage") + "c" + strings.Replace(typ, " ", "\n", 1) + "\n" +
		str(key) + str("cpu") + num(count) + "tQ" + num(offset) + tupleOps(size) + tupleOps(stride) + hooks + "tR"
}

const systemOps = "\x80\x02}(X\x0d\x00\x00\x00little_endian\x88u."

// legacyFile is a legacy file with one storage, "0", of F32.
func legacyFile(pickle, storage string) []byte {
	b := []byte("\x80\x02\x8a\x0a" + string(legacyMagic) + "." + "\x80\x02M\xe9\x03." + systemOps + "\x80\x02" + pickle + "\x80\x02](" + str("0") + "e.")
	b = binary.LittleEndian.AppendUint64(b, uint64(len(storage)/4))
	return append(b, storage...)
}

// zipFile is a zip file with one storage, "0".
func zipFile(pickle, storage string) []byte {
	return []byte(zipOf(zipEntry{name: "a/data.pkl", data: pickle}, zipEntry{name: "a/data/0", data: storage}))
}

type zipEntry struct {
	name, data string
	method     uint16
	crc        uint32 // wrong, if not 0
}

func zipOf(entries ...zipEntry) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range entries {
		h := &zip.FileHeader{Name: e.name, Method: e.method}
		if e.crc != 0 {
			h.CRC32, h.CompressedSize64, h.UncompressedSize64 = e.crc, uint64(len(e.data)), uint64(len(e.data))
			must(must(w.CreateRaw(h)).Write([]byte(e.data)))
			continue
		}
		must(must(w.CreateHeader(h)).Write([]byte(e.data)))
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.String()
}
