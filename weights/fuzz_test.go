package weights

import (
	"archive/zip"
	"cwox/internal/testdata"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzModule mutates the pickle and the source text of a TorchScript archive.
func FuzzModule(f *testing.F) {
	f.Add([]byte("c__torch__.a.___torch_mangle_1\nNet\n)\x81"+dict("w", f32(4), "n", num(1), "b", "c__torch__.a\nB\n)\x81"+dict("v", f32(1))+"b")+"b."),
		"class B(Module):\n  stride : Final[Tuple[int, int]] = (2, 2)\n  def f(x):\n    y = torch.conv2d(x, w, b, [1, 1], [0], 3)\n")
	f.Add([]byte("c__torch__.a\nNet\n)\x81q\x00"+dict("me", "h\x00", "l", calling("torch.jit._pickle.build_intlist", listOps(num(3))+"\x85"))+"b."), "class Net(Module):\n")
	f.Fuzz(func(t *testing.T, pickle []byte, code string) {
		checkParse(t, []byte(zipOf(zipEntry{name: "m/data.pkl", data: string(pickle)}, zipEntry{name: "m/constants.pkl"},
			zipEntry{name: "m/code/__torch__/a.py", data: code}, zipEntry{name: "m/code/__torch__/a/___torch_mangle_1.py", data: code},
			zipEntry{name: "m/data/0", data: fourFloats})))
	})
}

// FuzzNPZ mutates an .npy file in an archive.
func FuzzNPZ(f *testing.F) {
	f.Add([]byte(npyOf("'<f4'", "True", "(2, 2)", fourFloats)))
	f.Add([]byte(npyOf("'|b1'", "False", "()", "\x01")))
	f.Add([]byte(npyOf("[('x', '<f4')]", "False", "(1L,)", "abcd")))
	f.Fuzz(func(t *testing.T, data []byte) {
		checkParse(t, []byte(zipOf(zipEntry{name: "a.npy", data: string(data)}, zipEntry{name: "b.npy", data: npyOf("'<f4'", "False", "(4,)", fourFloats)})))
	})
}

// FuzzExport mutates the description of the weights of torch.export.
func FuzzExport(f *testing.F) {
	f.Add(`{"config": {"w": {"path_name": "0", "use_pickle": false, "tensor_meta": {"dtype": 7, "sizes": [{"as_int": 2}], "strides": [{"as_int": 1}], "storage_offset": {"as_int": 1}}}}}`)
	f.Fuzz(func(t *testing.T, config string) {
		checkParse(t, []byte(zipOf(zipEntry{name: "m/data/weights/model_weights_config.json", data: config}, zipEntry{name: "m/data/weights/0", data: fourFloats})))
	})
}

// FuzzAround mutates what is compressed.
func FuzzAround(f *testing.F) {
	f.Add([]byte(net2()+"."), true)
	f.Add(zipFile(net2()+".", fourFloats), false)
	f.Add([]byte(gzipOf(string(zipFile(net2()+".", fourFloats)))), false)
	f.Add([]byte("version https://git-lfs.github.com/"), false)
	f.Add([]byte("\x08\x07\x12\x07pytorch"), false)
	f.Fuzz(func(t *testing.T, data []byte, pickle bool) {
		checkParse(t, data)
		if pickle {
			checkParse(t, []byte(zipOf(zipEntry{name: "a/data.pkl", data: string(data), method: zip.Deflate}, zipEntry{name: "a/data/0", data: fourFloats, method: zip.Deflate})))
			checkParse(t, legacyFile(string(data), fourFloats))
		} else {
			checkParse(t, []byte(gzipOf(string(data))))
		}
	})
}

// FuzzIndex mutates an index of shards: no file outside the folder is opened.
func FuzzIndex(f *testing.F) {
	f.Add(`{"weight_map": {"a": "1.safetensors", "b": "2.bin"}}`)
	f.Add(`{"metadata": {}, "weight_map": {"a": "../1.safetensors"}}`)
	f.Fuzz(func(t *testing.T, index string) {
		dir := writeFiles(t, map[string]string{
			"1.safetensors": string(safetensors(`{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, fourFloats)),
			"2.bin":         string(zipFile(dict("b", f32(4))+".", fourFloats)),
			"m.index.json":  index, "config.json": index,
		})
		var file *File
		var err error
		if alloc := testdata.Allocated(func() { file, err = Open(dir) }); alloc > 1<<20+4000*int64(len(index)) {
			t.Fatalf("an index of %d bytes took %d bytes", len(index), alloc)
		}
		if err != nil {
			if len(err.Error()) > 2000 || !strings.HasPrefix(err.Error(), "weights: ") {
				t.Fatal(err)
			}
			return
		}
		defer file.Close()
		for _, s := range file.shards {
			if filepath.Dir(s.Path()) != dir {
				t.Fatalf("%s was opened", s.Path())
			}
		}
		for _, name := range file.Names() {
			if x, ok := file.Tensor(name); !ok || len(must(x.Float32())) != 4 {
				t.Fatalf("%q: %v", name, x)
			}
		}
	})
}

// FuzzLabels mutates a configuration, and a pickle beside a state dict.
func FuzzLabels(f *testing.F) {
	f.Add(`{"id2label": {"0": "a", "1": "b"}, "label_names": ["n02123045"], "label_descriptions": {"n02123045": "cat"}}`, []byte(dict("classes", listOps(str("a"), str("b")))))
	f.Add(`{"label2id": {"a": 0}}`, []byte(object("argparse.Namespace", dict("names", "}"+num(0)+str("a")+"s"))))
	f.Fuzz(func(t *testing.T, config string, args []byte) {
		check := func(labels []string, from string) {
			if (labels == nil) != (from == "") {
				t.Fatalf("labels %q from %q", labels, from)
			}
			for _, s := range labels {
				if s == "" || len(s) > 1024 || strings.ContainsAny(s, "\n\r\x00") {
					t.Fatalf("label %q", s)
				}
			}
		}
		if v, err := parseJSON([]byte(config)); err == nil {
			check(configLabels(v))
		}
		check(metadataLabels(map[string]string{"classes": config, "id2label": config, "config": config}))
		if file := checkParse(t, zipFile("}("+str("state_dict")+net2()+str("args")+string(args)+"u.", fourFloats)); file != nil {
			check(file.About().Labels, file.About().LabelsFrom)
		}
	})
}
