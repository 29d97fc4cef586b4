package weights

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cwox/weights/pickle"
)

// writeFiles makes a folder of files.
func writeFiles(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestFolder(t *testing.T) {
	safe := string(safetensors(`{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, fourFloats))
	pth := string(zipFile(net2()+".", fourFloats))
	config := `{"id2label": {"0": "cat", "1": "dog"}}`
	for _, c := range []struct {
		name   string
		files  map[string]string
		format Format
		want   string // of the error
	}{
		{"Hugging Face", map[string]string{"config.json": config, "preprocessor_config.json": "{}", "model.safetensors": safe, "pytorch_model.bin": pth, "training_args.bin": "x"}, Safetensors, ""},
		{".bin", map[string]string{"config.json": config, "pytorch_model.bin": pth, "optimizer.pt": "x", "README.md": ""}, PTHZip, ""},
		{"the only one", map[string]string{"config.json": config, "best.ckpt": pth, ".hidden.pt": "x", "optimizer.pt": "x", "rng_state.pth": "x"}, PTHZip, ""},
		{"several", map[string]string{"a.pth": pth, "b.pth": pth}, "", `2 weight files, "a.pth", "b.pth": name one`},
		{"several indices", map[string]string{"a.index.json": "{}", "b.index.json": "{}"}, "", "2 indices of weights"},
		{"none", map[string]string{"README.md": "x"}, "", "a folder without weights"},
		{"empty", nil, "", "an empty folder"},
		{"distributed checkpoint", map[string]string{".metadata": "x", "__0_0.distcp": "x"}, "", "torch.distributed.checkpoint"},
		{"TensorFlow", map[string]string{"saved_model.pb": "x"}, "", "SavedModel"},
		{"Keras", map[string]string{"tf_model.h5": "\x89HDF\r\n\x1a\n"}, "", "HDF5"},
		{"config that is no JSON", map[string]string{"config.json": "{", "model.safetensors": safe}, "", "config.json: the JSON text ends too early"},
		{"config that is no object", map[string]string{"config.json": "[]", "model.safetensors": safe}, "", "a list of 0, want an object"},
	} {
		dir := writeFiles(t, c.files)
		f, err := Open(dir)
		switch {
		case c.want != "":
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "weights: ") {
				t.Errorf("%s: error %v, want %q", c.name, err, c.want)
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		default:
			if about := f.About(); f.Format() != c.format || f.Path() != dir || string(about.Config) != config ||
				!slices.Equal(about.Labels, []string{"cat", "dog"}) || about.LabelsFrom != "config.json id2label" {
				t.Errorf("%s: format %s, path %s, %+v", c.name, f.Format(), f.Path(), about)
			}
			if (f.About().Preprocessor != nil) != (c.files["preprocessor_config.json"] != "") {
				t.Errorf("%s: preprocessor %q", c.name, f.About().Preprocessor)
			}
			f.Close()
		}
	}
	// The file named itself: its folder's config counts for Hugging Face's names alone.
	for name, want := range map[string]bool{"model.safetensors": true, "mine.safetensors": false} {
		f := open(t, filepath.Join(writeFiles(t, map[string]string{name: safe, "config.json": config}), name))
		if got := f.About().Config != nil; got != want {
			t.Errorf("%s: config read: %t, want %t", name, got, want)
		}
	}
	// A large configuration is refused before it is parsed.
	dir := writeFiles(t, map[string]string{"model.safetensors": safe, "config.json": strings.Repeat(" ", mostConfig) + "{}"})
	if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), "at most") {
		t.Errorf("a large config.json: %v", err)
	}
}

func TestSharded(t *testing.T) {
	shard := func(name string) string {
		return string(safetensors(`{"`+name+`":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, fourFloats))
	}
	index := func(weightMap string) string {
		return `{"metadata": {"total_size": 32}, "weight_map": {` + weightMap + `}}`
	}
	files := map[string]string{
		"model.safetensors.index.json":     index(`"b": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors"`),
		"model-00001-of-00002.safetensors": shard("a"), "model-00002-of-00002.safetensors": shard("b"), "config.json": "{}",
	}
	dir := writeFiles(t, files)
	sum := sha256.Sum256([]byte(files["model-00001-of-00002.safetensors"] + files["model-00002-of-00002.safetensors"]))
	for _, path := range []string{dir, filepath.Join(dir, "model.safetensors.index.json")} {
		f := open(t, path)
		if f.Format() != Sharded || !slices.Equal(f.Names(), []string{"b", "a"}) || string(f.About().Config) != "{}" || f.Path() != path {
			t.Errorf("%s: format %s, tensors %v, config %s", path, f.Format(), f.Names(), f.About().Config)
		}
		a, _ := f.Tensor("a")
		sameFloats(t, "a", must(a.Float64()), []float64{0, 1, 2, 3})
		if got := must(f.SHA256()); got != hex.EncodeToString(sum[:]) {
			t.Errorf("hash %s", got)
		}
		f.Release()
		if err := f.Close(); err != nil {
			t.Error(err)
		}
		if _, err := a.Float64(); err == nil {
			t.Error("a tensor was read after Close")
		}
	}
	outside := filepath.Join(filepath.Dir(dir), "outside.safetensors")
	if err := os.WriteFile(outside, []byte(shard("a")), 0o666); err != nil {
		t.Fatal(err)
	}
	defer os.Remove(outside)
	for _, c := range []struct{ name, index, want string }{
		{"another folder", index(`"a": "../outside.safetensors"`), "want the name of a file in the same folder"},
		{"absolute", index(fmt.Sprintf("%q: %q", "a", outside)), "want the name of a file in the same folder"},
		{"parent", index(`"a": ".."`), "want the name of a file in the same folder"},
		{"of Windows", index(`"a": "C:x"`), "want the name of a file in the same folder"},
		{"backslash", index(`"a": "..\\x"`), "want the name of a file in the same folder"},
		{"an index", index(`"a": "m.index.json"`), "want the name of a file in the same folder"},
		{"no name", index(`"a": ""`), "want the name of a file in the same folder"},
		{"number", index(`"a": 5`), `"a" is in 5`},
		{"missing file", index(`"a": "model-00003.safetensors"`), "model-00003.safetensors"},
		{"missing tensor", index(`"c": "model-00001-of-00002.safetensors"`), `"c" is not in "model-00001-of-00002.safetensors"`},
		{"twice", index(`"a": "model-00001-of-00002.safetensors", "a": "model-00001-of-00002.safetensors"`), `"a" appears twice`},
		{"nothing", index(""), "an index of no tensors"},
		{"no map", "{}", `no "weight_map"`},
		{"no JSON", "{", "ends too early"},
		{"more", index("") + "x", "after"},
	} {
		if err := os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), []byte(c.index), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(dir); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// TestLabels finds class names where programs put them, as they are only if they are a
// whole list.
func TestLabels(t *testing.T) {
	indices := func(names ...string) string { // {name: index}, the last first
		s := "}("
		for i := len(names) - 1; i >= 0; i-- {
			s += str(names[i]) + num(i)
		}
		return s + "u"
	}
	names := func(pairs ...any) string { // {index: name}
		s := "}("
		for i := 0; i < len(pairs); i += 2 {
			s += num(pairs[i].(int)) + str(pairs[i+1].(string))
		}
		return s + "u"
	}
	strs := func(names ...string) string {
		s := ""
		for _, n := range names {
			s += str(n)
		}
		return "](" + s + "e"
	}
	numpyObjects := calling("numpy.core.multiarray._reconstruct", "cnumpy\nndarray\n"+num(0)+"\x85C\x01b\x87") +
		"(" + num(1) + tupleOps([]int{2}) + "N\x89" + strs("a", "b") + "tb"
	for _, c := range []struct{ name, key, value, want, from string }{
		{"class_to_idx", "class_to_idx", indices("a", "b", "c"), "a b c", "class_to_idx"},
		{"idx_to_class", "idx_to_class", names(1, "b", 0, "a"), "a b", "idx_to_class"},
		{"digits as keys", "id2label", dict("1", str("b"), "0", str("a")), "a b", "id2label"},
		{"label2id", "label2id", indices("x", "y"), "x y", "label2id"},
		{"list", "classes", strs("b", "a"), "b a", "classes"},
		{"tuple", "class_names", "(" + str("b") + str("a") + "t", "b a", "class_names"},
		{"upper case", "meta", dict("CLASSES", strs("b", "a")), "b a", "meta.CLASSES"},
		{"YOLO", "names", names(0, "a", 1, "b"), "a b", "names"},
		{"NumPy", "classes", numpyObjects, "a b", "classes"},
		{"one level down", "hyper_parameters", dict("lr", "N", "class_names", strs("a", "b")), "a b", "hyper_parameters.class_names"},
		{"in a Namespace", "args", object("argparse.Namespace", dict("classes", strs("a", "b"))), "a b", "args.classes"},
		{"in a data set", "dataset", object("my.Data", dict("class_to_idx", indices("a", "b"))), "a b", "dataset.class_to_idx"},
		{"two levels down", "meta", dict("dataset_meta", dict("classes", strs("a", "b"))), "a b", "meta.dataset_meta.classes"},
		{"numbers as names", "class_to_idx", dict("7", num(0), "9", num(1)), "7 9", "class_to_idx"},
		{"spaces around", "classes", strs(" a ", "b\n"), "a b", "classes"},

		{"a hole", "class_to_idx", dict("a", num(0), "b", num(2)), "", ""},
		{"an index twice", "class_to_idx", dict("a", num(0), "b", num(0)), "", ""},
		{"from one", "idx_to_class", names(1, "a", 2, "b"), "", ""},
		{"negative", "idx_to_class", names(-1, "a", 0, "b"), "", ""},
		{"labels of a data set", "labels", strs("a", "b", "a"), "", ""},
		{"made up", "id2label", names(0, "LABEL_0", 1, "LABEL_1"), "", ""},
		{"empty name", "classes", strs("a", ""), "", ""},
		{"two lines", "classes", strs("a", "b\nc"), "", ""},
		{"empty list", "classes", "]", "", ""},
		{"a number", "classes", num(10), "", ""},
		{"not names", "classes", listOps("N", "N"), "", ""},
		{"below an unknown key", "xyz", dict("classes", strs("a", "b")), "", ""},
	} {
		f, err := Parse("x", zipFile(dict("state_dict", net2(), c.key, c.value)+".", fourFloats))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if a := f.About(); strings.Join(a.Labels, " ") != c.want || a.LabelsFrom != c.from {
			t.Errorf("%s: %v from %q, want %s from %q", c.name, a.Labels, a.LabelsFrom, c.want, c.from)
		}
	}
	// Attributes of a module (YOLO).
	yolo := module("models.yolo.DetectionModel", dict("w", f32(4)), dict(), dict(), "names", names(0, "person", 1, "bicycle"))
	f, err := Parse("x", zipFile(dict("epoch", num(1), "model", yolo)+".", fourFloats))
	if err != nil || !slices.Equal(f.About().Labels, []string{"person", "bicycle"}) || f.About().LabelsFrom != "model.names" {
		t.Errorf("names of a module: %v, %v", f, err)
	}
	// The strings of a safetensors header.
	for metadata, want := range map[string]string{
		`{"classes":"cat\ndog"}`: "cat dog", `{"classes":"cat\ndog\n"}`: "cat dog",
		`{"classes":"1000, in the usual order"}`: "",
		`{"classes":"[\"cat\", \"dog\"]"}`:       "cat dog", `{"id2label":"{\"1\": \"dog\", \"0\": \"cat\"}"}`: "cat dog",
		`{"class_to_idx":"{\"dog\": 1, \"cat\": 0}"}`: "cat dog", `{"config":"{\"label_names\": [\"cat\", \"dog\"]}"}`: "cat dog",
		`{"class_to_idx":"{\"dog\": 1, \"cat\""}`: "", `{"other":"cat"}`: "",
	} {
		f, err := Parse("x", safetensors(`{"__metadata__":`+metadata+`,"w":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}`, fourFloats))
		if err != nil || strings.Join(f.About().Labels, " ") != want {
			t.Errorf("%s: %v, %v, want %s", metadata, f, err, want)
		}
	}
	// config.json.
	for config, want := range map[string]string{
		`{"label_names": ["cat", "dog"], "label_descriptions": {"cat": "a cat", "dog": "a dog"}}`:                                        "cat,dog",
		`{"label_names": ["n02123045", "n02099601"], "label_descriptions": {"n02123045": "tabby cat", "n02099601": "golden retriever"}}`: "tabby cat,golden retriever",
		`{"label_names": ["n0212304x"], "label_descriptions": {"n0212304x": "no WordNet id"}}`:                                           "n0212304x",
		`{"pretrained_cfg": {"label_names": ["n02123045"]}}`:                                                                             "n02123045",
		`{"id2label": {"0": "LABEL_0", "1": "LABEL_1"}, "label2id": {"LABEL_0": 0, "LABEL_1": 1}}`:                                       "",
		`{"label2id": {"dog": 1, "cat": 0}}`:                                                                                             "cat,dog",
		`{"num_labels": 2}`:                                                                                                              "",
	} {
		labels, _ := configLabels(must(parseJSON([]byte(config))))
		if got := strings.Join(labels, ","); got != want {
			t.Errorf("%s: %s, want %s", config, got, want)
		}
	}
}

func TestArchitecture(t *testing.T) {
	for _, c := range []struct{ name, pickle, want string }{
		{"arch", dict("arch", str("resnetblur50"), "state_dict", net2()), "resnetblur50"},
		{"of the arguments", dict("args", object("argparse.Namespace", dict("model", str("resnet18"))), "model", net2()), "resnet18"},
		{"a state dict under the same key", dict("model", net2()), ""},
		{"a sentence", dict("arch", str("my own network"), "state_dict", net2()), ""},
		{"too long", dict("arch", str(strings.Repeat("x", 65)), "state_dict", net2()), ""},
	} {
		f, err := Parse("x", zipFile(c.pickle+".", fourFloats))
		if err != nil || f.About().Architecture != c.want {
			t.Errorf("%s: %v, %v, want %q", c.name, f.About(), err, c.want)
		}
	}
	dir := writeFiles(t, map[string]string{"pytorch_model.bin": string(zipFile(net2()+".", fourFloats)), "config.json": `{"architecture": "resnet50d"}`})
	if got := open(t, dir).About().Architecture; got != "resnet50d" {
		t.Errorf("config.json: %q", got)
	}
}

func TestParseJSON(t *testing.T) {
	v, err := parseJSON([]byte(` {"a": [1, -2.5, "x", true, null, 1e400, {}], "b": {"c": []}} `))
	want := &pickle.Dict{Entries: []pickle.Entry{
		{Key: "a", Value: &pickle.List{Items: []any{int64(1), -2.5, "x", true, nil, "1e400", &pickle.Dict{}}}},
		{Key: "b", Value: &pickle.Dict{Entries: []pickle.Entry{{Key: "c", Value: &pickle.List{}}}}}}}
	if err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("%#v, %v", v, err)
	}
	for text, want := range map[string]string{
		"": "ends too early", "{": "ends too early", "[1": "ends too early", "{} {}": "after the end", "]": "invalid", "{1:2}": "invalid", `{"a"}`: "invalid",
		strings.Repeat("[", 1000) + strings.Repeat("]", 1000): "deep",
		"[" + strings.Repeat("1,", mostTokens) + "1]":         "more than",
	} {
		if _, err := parseJSON([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: error %v, want %q", text, err, want)
		}
	}
}
