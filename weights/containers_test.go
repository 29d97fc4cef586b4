package weights

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cwox/weights/half"
)

func gzipOf(data string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	must(w.Write([]byte(data)))
	w.Close()
	return b.String()
}

// npyOf is an .npy file of version 1.
func npyOf(descr, fortran, shape, data string) string {
	header := fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': %s, }\n", descr, fortran, shape)
	return "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), byte(len(header) >> 8)}) + header + data
}

// TestNPZ reads arrays as numpy.savez writes them.
func TestNPZ(t *testing.T) {
	deflated := zipEntry{name: "d.npy", data: npyOf("'<f4'", "False", "(4,)", fourFloats), method: zip.Deflate}
	f, err := Parse("x.npz", []byte(zipOf(
		zipEntry{name: "a.weight.npy", data: npyOf("'<f4'", "False", "(2, 2)", fourFloats)},
		zipEntry{name: "b.npy", data: npyOf("'<f4'", "True", "(2, 2)", fourFloats)},
		zipEntry{name: "c.npy", data: npyOf("'<f2'", "False", "(3L,)", "\x00\x3c\x00\xc1\x00\x04")}, deflated,
		zipEntry{name: "e.npy", data: npyOf("'<i8'", "False", "()", "\x07\x00\x00\x00\x00\x00\x00\x00")},
		zipEntry{name: "f.npy", data: npyOf("'|b1'", "False", "(2,)", "\x01\x00")},
		zipEntry{name: "g.npy", data: npyOf("'|u1'", "False", "(0, 5)", "")},
		zipEntry{name: "h.npy", data: npyOf("'<U3'", "False", "(1,)", "abcdefghijkl")}, // a string: left out
		zipEntry{name: "i.npy", data: npyOf("[('x', '<f4')]", "False", "(1,)", "abcd")},
	)))
	if err != nil {
		t.Fatal(err)
	}
	if f.Format() != NPZ || !slices.Equal(f.Dicts(), []Dict{{"", 7}}) {
		t.Errorf("format %s, dicts %v", f.Format(), f.Dicts())
	}
	for _, w := range []struct {
		name  string
		dtype DType
		shape []int
		data  []float64
	}{
		{"a.weight", F32, []int{2, 2}, []float64{0, 1, 2, 3}},
		{"b", F32, []int{2, 2}, []float64{0, 2, 1, 3}},
		{"c", F16, []int{3}, []float64{1, -2.5, 0x1p-14}},
		{"d", F32, []int{4}, []float64{0, 1, 2, 3}},
		{"e", I64, []int{}, []float64{7}},
		{"f", Bool, []int{2}, []float64{1, 0}},
		{"g", U8, []int{0, 5}, nil},
	} {
		x, ok := f.Tensor(w.name)
		if !ok || x.DType != w.dtype || !slices.Equal(x.Shape, w.shape) {
			t.Errorf("%s: %v", w.name, x)
			continue
		}
		sameFloats(t, w.name, must(x.Float64()), w.data)
	}
	for _, c := range []struct{ name, npy, want string }{
		{"big-endian", npyOf("'>f4'", "False", "(4,)", fourFloats), "big-endian"},
		{"too short", npyOf("'<f4'", "False", "(5,)", fourFloats), "shape [5] of F32 in 16 bytes"},
		{"too long", npyOf("'<f4'", "False", "(3,)", fourFloats), "shape [3] of F32 in 16 bytes"},
		{"overflow", npyOf("'<f4'", "False", "(4294967296, 4294967296, 4294967296)", fourFloats), "too large"},
		{"negative", npyOf("'<f4'", "False", "(-4,)", fourFloats), "header"},
		{"no shape", npyOf("'<f4'", "False", "None", fourFloats), "header"},
		{"version", strings.Replace(npyOf("'<f4'", "False", "(4,)", fourFloats), "\x01\x00", "\x09\x00", 1), "version 9"},
		{"cut", npyOf("'<f4'", "False", "(4,)", fourFloats)[:20], "the file has 10 more"},
		{"no magic", "hello, world", "not an .npy file"},
		{"only strings", npyOf("'<U3'", "False", "(1,)", "abcdefghijkl"), "no array of numbers"},
	} {
		if _, err := Parse("x", []byte(zipOf(zipEntry{name: "w.npy", data: c.npy}))); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// TestAround reads a weight file in an archive or in gzip.
func TestAround(t *testing.T) {
	pth := string(zipFile(net2()+".", fourFloats))
	legacy := string(legacyFile(net2()+".", fourFloats))
	safe := string(safetensors(`{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, fourFloats))
	readme := zipEntry{name: "run/README.md", data: "x"}
	for _, c := range []struct {
		name, data string
		format     Format
		want       string // of the error
	}{
		{"gzip", gzipOf(pth), PTHZip, ""},
		{"gzip of a legacy file", gzipOf(legacy), PTHLegacy, ""},
		{"zip, stored", zipOf(zipEntry{name: "run/best.pth", data: pth}, readme), PTHZip, ""},
		{"zip, deflated", zipOf(zipEntry{name: "run/best.ckpt", data: legacy, method: zip.Deflate}, readme), PTHLegacy, ""},
		{"of a Macintosh", zipOf(zipEntry{name: "m.safetensors", data: safe}, zipEntry{name: "__MACOSX/m.safetensors", data: "x"}, zipEntry{name: "._m.safetensors", data: "x"}), Safetensors, ""},
		{"gzip in zip", zipOf(zipEntry{name: "m.pth.gz", data: gzipOf(pth)}), PTHZip, ""},
		{"torch.export of PyTorch 2.1", zipOf(zipEntry{name: "serialized_exported_program.json", data: "{}"},
			zipEntry{name: "serialized_state_dict.pt", data: pth}), TorchExport, ""},
		{"nested", zipOf(zipEntry{name: "a.pth", data: zipOf(zipEntry{name: "b.pth", data: zipOf(zipEntry{name: "c.pth", data: pth})})}), "", "archives in archives"},
		{"two", zipOf(zipEntry{name: "a.pth", data: pth}, zipEntry{name: "b.pth", data: pth}), "", `2 weight files, "a.pth", "b.pth": unpack it and name one`},
		{"tar in gzip", gzipOf(strings.Repeat("\x00", 257) + "ustar\x0000"), "", "a tar archive: unpack it"},
		{"gzip, cut", gzipOf(pth)[:60], "", "gzip: damaged or cut short"},
		{"gzip bomb", gzipOf(strings.Repeat("\x00", inflateFree+1<<22)), "", "bytes after decompression"},
		{"zip bomb", zipOf(zipEntry{name: "a/data.pkl", data: strings.Repeat("\x00", inflateFree+1<<22), method: zip.Deflate}), "", "bytes after decompression"},
		{"Keras", zipOf(zipEntry{name: "config.json", data: "{}"}, zipEntry{name: "model.weights.h5", data: "x"}), "", "Keras"},
		{"old TorchScript", zipOf(zipEntry{name: "m/model.json", data: "{}"}, zipEntry{name: "m/tensors/0", data: "x"}), "", "TorchScript archive of PyTorch 1.2"},
		{"empty zip", zipOf(), "", "an empty zip archive"},
	} {
		f, err := Parse("x", []byte(c.data))
		switch {
		case c.want != "":
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.want)
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case f.Format() != c.format || len(f.Names()) == 0:
			t.Errorf("%s: format %s, tensors %v", c.name, f.Format(), f.Names())
		default:
			x, _ := f.Tensor(f.Names()[0])
			sameFloats(t, c.name, must(x.Float64()), []float64{0, 1, 2, 3})
		}
	}
}

// TestDeflated holds decompression to the sizes and checksums of the directory.
func TestDeflated(t *testing.T) {
	pickle := zipEntry{name: "a/data.pkl", data: net2() + ".", method: zip.Deflate}
	good := zipOf(pickle, zipEntry{name: "a/data/0", data: fourFloats, method: zip.Deflate})
	f, err := Parse("x", []byte(good))
	if err != nil {
		t.Fatal(err)
	}
	w, _ := f.Tensor("conv.weight")
	sameFloats(t, "conv.weight", must(w.Float64()), []float64{0, 1, 2, 3})
	// The sizes and the checksum in the directory's record of the second entry.
	record := strings.LastIndex(good, "PK\x01\x02")
	for _, c := range []struct {
		name string
		at   int
		to   byte
		want string
	}{
		{"checksum", 16, good[record+16] + 1, `"a/data/0" is damaged`},
		{"smaller", 24, 15, "more than the 15 bytes"},
		{"larger", 24, 17, "damaged or cut short"},
		{"compressed to less", 20, good[record+20] - 4, "damaged or cut short"},
		{"too large to be true", 26, 8, "bytes after decompression of"},
	} {
		bad := []byte(good)
		bad[record+c.at] = c.to
		if _, err := Parse("x", bad); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// TestTorchScript reads archives of torch.jit.save, scripted and traced.
func TestTorchScript(t *testing.T) {
	script := func(class, state string) string {
		dot := strings.LastIndexByte(class, '.')
		return "c__torch__." + class[:dot] + "\n" + class[dot+1:] + "\n)\x81" + state + "b"
	}
	convScript := script("torch.nn.modules.conv.___torch_mangle_7.Conv2d", dict("weight", f32(2, 2), "bias", "N", "training", "\x89",
		"_reversed_padding_repeated_twice", calling("torch.jit._pickle.build_intlist", listOps(num(3), num(1))+"\x85")))
	convTrace := script("torch.nn.modules.conv.Conv2d", dict("weight", f32(2, 2)))
	net := script("my.Net", dict("training", "\x89", "scale", f32(1), "a", convScript, "b", convTrace, "names", listOps(str("x"), str("y"))))
	files := []zipEntry{
		{name: "m/data.pkl", data: "\x80\x02" + net + "."},
		{name: "m/data/0", data: fourFloats},
		{name: "m/code/__torch__/torch/nn/modules/conv/___torch_mangle_7.py", data: `class Conv2d(Module):
  __parameters__ = ["weight", ]
  weight : Tensor
  stride : Final[Tuple[int, int]] = (2, 1)
  padding_mode : Final[str] = "zeros"
  eps : Final[float] = 1.0000000000000001e-05
  groups : Final[int] = 4
  affine : Final[bool] = True
  nothing : Final[Optional[int]] = None
  def forward(self: __torch__.torch.nn.modules.conv.___torch_mangle_7.Conv2d,
    input: Tensor) -> Tensor:
    _1 = torch.conv2d(input, weight, bias, [9, 9], [3, 3], [1, 1])
    return _1
`},
		{name: "m/code/__torch__/torch/nn/modules/conv.py", data: `class Conv2d(Module):
  weight : Tensor
  def forward(self: __torch__.torch.nn.modules.conv.Conv2d,
    x: Tensor) -> Tensor:
    weight = self.weight
    input = torch._convolution(x, weight, None, [2, 2], [3, 0], [1, 1], False, [0, 0], 8, False, False, True, True)
    return input
`},
		// Two calls of a function say nothing of the layer.
		{name: "m/code/__torch__/my.py", data: "class Net(Module):\n  def forward(x):\n    y = torch.max_pool2d(x, [3, 3], [2, 2])\n    z = torch.max_pool2d(y, [2, 2], [1, 1])\n"},
		{name: "m/constants.pkl", data: "\x80\x02)."},
	}
	f, err := Parse("x.pt", []byte(zipOf(files...)))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"scale", "a.weight", "b.weight"}; f.Format() != TorchScript || !slices.Equal(f.Names(), want) {
		t.Errorf("format %s, tensors %v, want %v", f.Format(), f.Names(), want)
	}
	pair := func(a, b int64) []any { return []any{a, b} }
	want := map[string]Module{
		"": {"my.Net", map[string]any{"training": false, "names": []any{"x", "y"}}},
		"a": {"torch.nn.modules.conv.Conv2d", map[string]any{"bias": nil, "training": false, "_reversed_padding_repeated_twice": pair(3, 1),
			"stride": pair(2, 1), "padding_mode": "zeros", "eps": 1e-5, "groups": int64(4), "affine": true, "nothing": nil,
			"padding": pair(3, 3), "dilation": pair(1, 1)}},
		"b": {"torch.nn.modules.conv.Conv2d", map[string]any{"stride": pair(2, 2), "padding": pair(3, 0), "dilation": pair(1, 1),
			"transposed": false, "groups": int64(8)}},
	}
	if got := f.About().Modules; !reflect.DeepEqual(got, want) {
		t.Errorf("modules\n%v, want\n%v", got, want)
	}
	if !slices.Equal(f.About().Labels, []string{"x", "y"}) {
		t.Errorf("labels %v", f.About().Labels)
	}
	frozen := slices.Clone(files)
	frozen[0].data = "\x80\x02" + script("my.Net", dict()) + "."
	if _, err := Parse("x.pt", []byte(zipOf(frozen...))); err == nil || !strings.Contains(err.Error(), "frozen TorchScript") || !strings.Contains(err.Error(), "before torch.jit.freeze") {
		t.Errorf("frozen: %v", err)
	}
}

// TestExport reads the weights of torch.export.save since PyTorch 2.8.
func TestExport(t *testing.T) {
	meta := func(dtype, sizes, strides, offset string) string {
		return fmt.Sprintf(`{"dtype": %s, "sizes": [%s], "strides": [%s], "storage_offset": %s}`, dtype, sizes, strides, offset)
	}
	entry := func(name, file, meta string) string {
		return fmt.Sprintf(`%q: {"path_name": %q, "is_param": true, "use_pickle": false, "tensor_meta": %s}`, name, file, meta)
	}
	archive := func(entries ...string) []byte {
		return []byte(zipOf(zipEntry{name: "m/archive_format", data: "pt2"},
			zipEntry{name: "m/data/weights/model_weights_config.json", data: `{"config": {` + strings.Join(entries, ",") + `}}`},
			zipEntry{name: "m/data/weights/weight_0", data: fourFloats},
			zipEntry{name: "m/data/sample_inputs/model.pt", data: "x"}))
	}
	f, err := Parse("x.pt2", archive(
		entry("conv.weight", "weight_0", meta("7", `{"as_int": 2}, {"as_int": 2}`, `{"as_int": 1}, {"as_int": 2}`, `{"as_int": 0}`)),
		entry("conv.bias", "weight_0", meta("7", `{"as_int": 2}`, `{"as_int": 1}`, "2")),
		entry("n", "weight_0", meta("5", "", "", `{"as_int": 1}`))))
	if err != nil {
		t.Fatal(err)
	}
	if f.Format() != TorchExport || !slices.Equal(f.Names(), []string{"conv.weight", "conv.bias", "n"}) {
		t.Errorf("format %s, tensors %v", f.Format(), f.Names())
	}
	for name, want := range map[string][]float64{"conv.weight": {0, 2, 1, 3}, "conv.bias": {2, 3}, "n": {float64(0x4040000040000000)}} {
		x, _ := f.Tensor(name)
		sameFloats(t, name, must(x.Float64()), want)
	}
	for _, c := range []struct{ name, entry, want string }{
		{"type", entry("w", "weight_0", meta("99", "", "", "0")), "element type 99"},
		{"outside", entry("w", "weight_0", meta("7", `{"as_int": 5}`, `{"as_int": 1}`, "0")), "past the end"},
		{"symbolic size", entry("w", "weight_0", meta("7", `{"as_expr": "s0"}`, `{"as_int": 1}`, "0")), "not numbers"},
		{"pickled", strings.Replace(entry("w", "weight_0", meta("7", "", "", "0")), "false", "true", 1), "not read"},
		{"elsewhere", entry("w", "../../weight_0", meta("7", "", "", "0")), "is not in the archive"},
		{"no weights", "", "constants only"},
	} {
		if _, err := Parse("x", archive(c.entry)); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "torch.export") {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// TestPlainPickle reads a pickle.dump of NumPy arrays.
func TestPlainPickle(t *testing.T) {
	dtype := calling("numpy.dtype", "("+str("f4")+"\x89\x88t") + "(" + num(3) + str("<") + "NNN" + num(-1) + num(-1) + num(0) + "tb"
	array := calling("numpy.core.multiarray._reconstruct", "cnumpy\nndarray\n"+num(0)+"\x85C\x01b\x87") + "(" + num(1) + tupleOps([]int{4}) + dtype + "\x89C\x10" + fourFloats + "tb"
	f, err := Parse("x.pkl", []byte("\x80\x03"+dict("model", dict("conv.weight", array), "__author__", str("x"))+"."))
	if err != nil {
		t.Fatal(err)
	}
	x, ok := f.Tensor("conv.weight")
	if !ok || f.Format() != Pickle {
		t.Fatalf("format %s, tensors %v", f.Format(), f.Names())
	}
	sameFloats(t, "conv.weight", must(x.Float64()), []float64{0, 1, 2, 3})
	for _, c := range []struct{ name, data, want string }{
		{"tensors of PyTorch", net2(), "save the state_dict with torch.save"},
		{"model of scikit-learn", object("sklearn.svm.SVC", dict("C", num(1))), "an object of sklearn.svm.SVC"},
	} {
		if _, err := Parse("x", []byte("\x80\x03"+c.data+".")); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
	for data, want := range map[string]string{
		dict() + ".rest": "4 bytes after its end",
		object("joblib.numpy_pickle.NumpyArrayWrapper", dict("order", str("C"))) + "\xf7": "joblib",
	} {
		if _, err := Parse("x", []byte("\x80\x03"+data)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", data, err)
		}
	}
}

// TestForeign names what people take for weight files.
func TestForeign(t *testing.T) {
	for _, c := range []struct{ data, want string }{
		{"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 5\n", "git lfs pull"},
		{"\x89HDF\r\n\x1a\n\x00\x00", "HDF5"},
		{"\x1c\x00\x00\x00TFL3\x00\x00", "TensorFlow Lite"},
		{"GGUF\x03\x00\x00\x00", "GGUF"},
		{"lmgg\x03\x00\x00\x00", "GGML"},
		{"\x08\x07\x12\x07pytorch\x1a\x052.0.0:\xe5", "onnx: field 7"},
		{"\x08\x0a:\xe5\x01\x0a", "onnx: field 7"},
		{"\x08\x01\x12\xe5\x01\x0a\x10*\x0esaved", "SavedModel"},
		{"\x08\x05\x12\x20\x0a\x10\x0a\x05image\x1a", "Core ML"},
		{"\x0a\x20\x0a\x05input\x12\x0bPlaceholder", "TensorFlow (.pb)"},
		{"<?xml version=\"1.0\"?>\n<net name=\"x\" version=\"11\">", "OpenVINO"},
		{"<net name=\"x\">", "OpenVINO"},
		{"<?xml version=\"1.0\"?>\n<Error><Code>AccessDenied</Code>", "an XML text"},
		{"\n<!DOCTYPE html><html>", "an HTML page"},
		{"<html><head>", "an HTML page"},
		{"MATLAB 5.0 MAT-file, Platform: PCWIN64", "MATLAB"},
		{npyOf("'<f4'", "False", "(4,)", fourFloats), "numpy.savez"},
		{"7z\xbc\xaf\x27\x1c\x00\x04", "7z"},
		{"Rar!\x1a\x07\x01\x00", "RAR"},
		{"\xfd7zXZ\x00\x00", "xz -d"},
		{"BZh91AY&SY", "bzip2 -d"},
		{"\x28\xb5\x2f\xfd\x04\x58", "zstd -d"},
		{"{\"architectures\": [\"ResNet\"]}", "a JSON text"},
		{"[      \n{\"a\": 1}]", "a JSON text"},
		{"sys_info" + strings.Repeat("\x00", 249) + "ustar\x0000", "tar container of the first PyTorch versions"},
		{strings.Repeat("a", 257) + "ustar\x0000", "a tar archive: unpack it"},
		{"\x89PNG\r\n\x1a\n", "a picture"},
	} {
		_, err := Parse("x", []byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.data[:min(len(c.data), 20)], err, c.want)
		}
	}
}

// TestFloat8 holds the tables to the values of the OCP specification, tables 1 and 2.
func TestFloat8(t *testing.T) {
	e4m3, e5m2 := float8Table(4, 3), float8Table(5, 2)
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for _, c := range []struct {
		table *[256]float32
		name  string
		byte  byte
		want  float32
	}{
		{&e4m3, "E4M3 zero", 0x00, 0}, {&e4m3, "E4M3 one", 0x38, 1}, {&e4m3, "E4M3 largest", 0x7e, 448}, {&e4m3, "E4M3 NaN", 0x7f, nan},
		{&e4m3, "E4M3 smallest normal", 0x08, 0x1p-6}, {&e4m3, "E4M3 largest subnormal", 0x07, 0.875 * 0x1p-6},
		{&e4m3, "E4M3 smallest", 0x01, 0x1p-9}, {&e4m3, "E4M3 -2.5", 0xc2, -2.5},
		{&e5m2, "E5M2 one", 0x3c, 1}, {&e5m2, "E5M2 largest", 0x7b, 57344}, {&e5m2, "E5M2 infinity", 0x7c, inf}, {&e5m2, "E5M2 NaN", 0x7d, nan},
		{&e5m2, "E5M2 smallest normal", 0x04, 0x1p-14}, {&e5m2, "E5M2 smallest", 0x01, 0x1p-16}, {&e5m2, "E5M2 -infinity", 0xfc, -inf},
	} {
		got := c.table[c.byte]
		if got != c.want && !(got != got && c.want != c.want) {
			t.Errorf("%s: %g, want %g", c.name, got, c.want)
		}
	}
	if !math.Signbit(float64(e4m3[0x80])) || !math.Signbit(float64(e5m2[0x80])) {
		t.Error("0x80 is not -0")
	}
	// E5M2 is the upper half of binary16.
	for i := range 256 {
		if want := half.Float32(uint16(i) << 8); e5m2[i] != want && want == want {
			t.Errorf("E5M2 %#x: %g, want %g", i, e5m2[i], want)
		}
	}
	header := `{"a":{"dtype":"F8_E4M3","shape":[3],"data_offsets":[0,3]},"c":{"dtype":"C64","shape":[1],"data_offsets":[3,11]}}`
	f, err := Parse("x", safetensors(header, "\x38\xc2\x7e\x00\x00\x80\x3f\x00\x00\x00\x00"))
	if err != nil {
		t.Fatal(err)
	}
	a, _ := f.Tensor("a")
	sameFloats(t, "a", must(a.Float64()), []float64{1, -2.5, 448})
	c, _ := f.Tensor("c")
	if _, err := c.Float32(); err == nil || !strings.Contains(err.Error(), `weights: x: "c": elements of type C64`) {
		t.Errorf("complex numbers as floats: %v", err)
	}
	if b, err := c.Bytes(); err != nil || len(b) != 8 {
		t.Errorf("bytes %v, %v", b, err)
	}
}

// TestOfficial knows official files by size and hash.
func TestOfficial(t *testing.T) {
	k, err := LookupKnown("googlenet")
	if err != nil {
		t.Fatal(err)
	}
	size := int(k.MiB * (1 << 20)) // 49.7 MiB, rounded: the file may be 0.05 MiB larger or smaller
	for _, c := range []struct {
		bytes int
		want  bool
	}{{size, true}, {size + 50<<10, true}, {size - 50<<10, true}, {size + 200<<10, false}, {0, false}} {
		if k.fitsSize(c.bytes) != c.want {
			t.Errorf("%d bytes: %t, want %t", c.bytes, !c.want, c.want)
		}
	}
	f, err := Parse("googlenet-1378be20.pth", zipFile(net2()+".", fourFloats))
	if err != nil {
		t.Fatal(err)
	}
	if k, ok := f.Official(); ok {
		t.Errorf("a small file is %v", k)
	}
}
