package weights

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// Small pickles of state dicts and modules, beside the opcodes of pth_test.go.

// f32 is a tensor of storage "0".
func f32(shape ...int) string {
	stride := make([]int, len(shape))
	n := 1
	for i := len(shape) - 1; i >= 0; i-- {
		stride[i] = n
		n *= shape[i]
	}
	return tensorOps("torch FloatStorage", "0", 4, 0, shape, stride)
}

// dict is a dict of string keys: key, opcodes, key, opcodes ...
func dict(keysAndOps ...string) string {
	s := "}("
	for i, k := range keysAndOps {
		if i%2 == 0 {
			k = str(k)
		}
		s += k
	}
	return s + "u"
}

// object is an instance of a class with a state.
func object(class, state string) string {
	dot := strings.LastIndexByte(class, '.')
	return "c" + class[:dot] + "\n" + class[dot+1:] + "\n)\x81" + state + "b"
}

// module is a torch.nn.Module with attributes: key, opcodes ...
func module(class, parameters, buffers, modules string, attributes ...string) string {
	return object(class, dict(append([]string{"_parameters", parameters, "_buffers", buffers, "_modules", modules}, attributes...)...))
}

func listOps(items ...string) string { return "](" + strings.Join(items, "") + "e" }

func calling(function, args string) string {
	dot := strings.LastIndexByte(function, '.')
	return "c" + function[:dot] + "\n" + function[dot+1:] + "\n" + args + "R"
}

// TestStateDicts chooses among the dicts of files as training programs write them.
func TestStateDicts(t *testing.T) {
	net := dict("conv.weight", f32(2, 2), "conv.bias", f32(2), "n", num(3))
	big := dict("conv.weight", f32(2, 2), "conv.bias", f32(2), "fc.weight", f32(1, 4), "fc.bias", f32(1))
	flat := dict("w", f32(4))
	adam := dict("state", "}"+num(0)+dict("exp_avg.x", f32(2, 2), "exp_avg_sq.x", f32(2, 2), "y.z", f32(1))+"s", "param_groups", listOps())
	for _, c := range []struct {
		name, pickle, key string
		want              []Dict // of Dicts; the first is taken
	}{
		{"plain", net, "", []Dict{{"", 2}}},
		{"without dots", flat, "", []Dict{{"", 1}}},
		{"usual key", dict("epoch", num(3), "net", net, "lr", "N"), "", []Dict{{"net", 2}}},
		{"order of the usual keys", dict("backbone", net, "model", net2(), "state_dict", big), "", []Dict{{"state_dict", 4}, {"model", 2}, {"backbone", 2}}},
		{"a network and a small other", dict("generator", big, "discriminator", dict("a.b", f32(4))), "", []Dict{{"generator", 4}, {"discriminator", 1}}},
		{"an average comes first", dict("model", net, "model_ema", big), "", []Dict{{"model_ema", 4}, {"model", 2}}},
		{"an average without statistics", dict("ema", net, "model", big), "", []Dict{{"model", 4}, {"ema", 2}}},
		{"an average that is None", dict("model", net, "ema", "N"), "", []Dict{{"model", 2}}},
		{"the best after the last", dict("best_state_dict", net, "state_dict", big), "", []Dict{{"state_dict", 4}, {"best_state_dict", 2}}},
		{"optimizer by its key", dict("optimizer_state", big, "d", net), "", []Dict{{"d", 2}}},
		{"optimizer by its form", dict("a", adam, "model", net), "", []Dict{{"model", 2}}},
		{"list with an optimizer", listOps(adam, net, num(1)), "", []Dict{{"1", 2}}},
		{"tuple", net + num(3) + "\x86", "", []Dict{{"0", 2}}},
		{"nested", dict("checkpoint", dict("model", dict("state_dict", net))), "", []Dict{{"checkpoint.model.state_dict", 2}}},
		{"a wrapper with tensors of its own", dict("best.acc", f32(), "model", net), "", []Dict{{"model", 2}, {"", 1}}},
		{"a wrapper with one, without dots", dict("best", f32(), "model", flat), "", []Dict{{"model", 1}, {"", 1}}},
		{"statistics beside", dict("state_dict", net, "stats", dict("mean", f32(4))), "", []Dict{{"state_dict", 2}}},
		{"numbered dicts", "}" + num(7) + net + "s", "", []Dict{{"7", 2}}},
		{"in a Namespace", object("argparse.Namespace", dict("model", net)), "", []Dict{{"model", 2}}},
		{"in a named tuple", "cmy.utils\nCheckpoint\n" + num(3) + net + "\x86\x81", "", []Dict{{"1", 2}}},
		{"key in a named tuple", "cmy.utils\nCheckpoint\n" + net + big + "\x86\x81", "1", []Dict{{"1", 4}, {"0", 2}}},
		{"in an object's attributes", object("fastai.Learner", dict("model", module("m.Net", dict("w", f32(4)), dict(), dict()))), "", []Dict{{"model", 1}}},
		{"subclass of OrderedDict", "cmy.utils\nMyDict\n)R(" + str("a.b") + f32(4) + "u", "", []Dict{{"", 1}}},
		{"subclass of OrderedDict of Python 2", calling("my.utils.MyDict", listOps(listOps(str("a.b"), f32(4)))+"\x85"), "", []Dict{{"", 1}}},
		{"defaultdict", calling("collections.defaultdict", "c__builtin__\nlist\n\x85") + "(" + str("a.b") + f32(4) + "u", "", []Dict{{"", 1}}},
		{"loss with weights", dict("criterion", dict("a.weight", f32(4)), "model", net), "", []Dict{{"model", 2}}},

		{"key", dict("model", net, "ema", big), "model", []Dict{{"model", 2}, {"ema", 4}}},
		{"key of a nested one", dict("a", dict("b", net), "model", big), "a.b", []Dict{{"a.b", 2}, {"model", 4}}},
		{"key with dots in it", dict("a.b", net, "model", big), "a.b", []Dict{{"a.b", 2}, {"model", 4}}},
		{"key of an index", listOps(net, big), "1", []Dict{{"1", 4}, {"0", 2}}},
		{"key of what is never taken", dict("optimizer", big, "model", net), "optimizer", []Dict{{"optimizer", 4}, {"model", 2}}},
		{"key of a small one", dict("head", flat, "model", net), "head", []Dict{{"head", 1}, {"model", 2}}},
	} {
		for _, data := range [][]byte{zipFile(c.pickle+".", fourFloats), legacyFile(c.pickle+".", fourFloats)} {
			f, err := parseOptions("x.pth", data, Options{Key: c.key})
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if !slices.Equal(f.Dicts(), c.want) || len(f.Names()) != c.want[0].Tensors {
				t.Errorf("%s: %s: dicts %v, %d tensors taken, want %v", c.name, f.Format(), f.Dicts(), len(f.Names()), c.want)
			}
		}
	}
}

// TestRivals asks where nothing decides between the networks of a file.
func TestRivals(t *testing.T) {
	net := dict("conv.weight", f32(2, 2), "conv.bias", f32(2))
	for _, c := range []struct {
		name, pickle string
		says         string // in the error; "" for none
	}{
		{"by unknown keys", dict("generator", net, "discriminator", net2()), `networks at "generator" (2 tensors), "discriminator" (2 tensors): choose one with --key`},
		{"student and teacher", dict("epoch", num(1), "student", net, "teacher", net2()), `"student" (2 tensors), "teacher" (2 tensors)`},
		{"three folds, below a key", dict("models", dict("fold0", net, "fold1", net2(), "fold2", dict("a.b", f32(4), "a.c", f32(4)))), `"models.fold0" (2 tensors), "models.fold1" (2 tensors), "models.fold2" (2 tensors)`},
		{"a usual key decides", dict("teacher", net, "model", net2()), ""},
		{"an average is no rival", dict("my_net", net, "my_net_ema", net2()), ""},
		{"the first of a list", listOps(net, net2()), ""},
	} {
		_, err := Parse("x.pth", zipFile(c.pickle+".", fourFloats))
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

func net2() string { return dict("conv.weight", f32(2, 2), "conv.bias", f32(2)) }

// TestKeyOfNames chooses one of two networks by the beginning of its names, whatever the
// container.
func TestKeyOfNames(t *testing.T) {
	both := dict("student.fc.weight", f32(4), "teacher.fc.weight", f32(4), "teacher.fc.bias", f32(1), "queue", f32(4))
	header := `{"student.w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"teacher.w":{"dtype":"F32","shape":[2],"data_offsets":[8,16]}}`
	for _, c := range []struct {
		name, key string
		data      []byte
		want      []string
	}{
		{"top level", "teacher", zipFile(both+".", fourFloats), []string{"teacher.fc.weight", "teacher.fc.bias"}},
		{"below a key", "state_dict.student", legacyFile(dict("state_dict", both)+".", fourFloats), []string{"student.fc.weight"}},
		{"deeper", "teacher.fc", zipFile(both+".", fourFloats), []string{"teacher.fc.weight", "teacher.fc.bias"}},
		{"module", "a", zipFile(module("m.Net", dict(), dict(), dict(
			"a", module("m.A", dict("w", f32(4)), dict(), dict()),
			"b", module("m.A", dict("w", f32(4)), dict(), dict())))+".", fourFloats), []string{"a.w"}},
		{"safetensors", "teacher.", safetensors(header, fourFloats), []string{"teacher.w"}},
	} {
		f, err := parseOptions("x", c.data, Options{Key: c.key})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		} else if !slices.Equal(f.Names(), c.want) {
			t.Errorf("%s: %v, want %v", c.name, f.Names(), c.want)
		} else if _, ok := f.Tensor("student.w"); ok {
			t.Errorf("%s: a tensor of the other network is there", c.name)
		}
		if _, err := parseOptions("x", c.data, Options{Key: "nobody"}); err == nil || !strings.Contains(err.Error(), `no state dict at key "nobody"`) {
			t.Errorf("%s: a key that is not there: %v", c.name, err)
		}
	}
	_, err := parseOptions("x", zipFile(dict("model", net2(), "ema", net2())+".", fourFloats), Options{Key: "net"})
	if err == nil || !strings.Contains(err.Error(), `there are "ema" (2 tensors), "model" (2 tensors)`) {
		t.Errorf("the error does not list what is there: %v", err)
	}
}

// TestModules takes whole modules apart.
func TestModules(t *testing.T) {
	relu := module("torch.nn.modules.activation.ReLU", dict(), dict(), dict(), "inplace", "\x88")
	conv := func(attributes ...string) string {
		return module("torch.nn.modules.conv.Conv2d", dict("weight", calling("torch._utils._rebuild_parameter", "("+f32(4)+"\x88"+calling("collections.OrderedDict", ")")+"t"), "bias", "N"),
			dict(), dict(), attributes...)
	}
	norm := module("torch.nn.modules.batchnorm.BatchNorm2d", dict("weight", f32(2), "bias", f32(2)),
		dict("running_mean", f32(2), "scratch", f32(1), "none", "N"), dict(),
		"eps", "G\x3f\x50\x62\x4d\xd2\xf1\xa9\xfc", "_non_persistent_buffers_set", calling("__builtin__.set", listOps(str("scratch"))+"\x85"),
		"_forward_hooks", calling("collections.OrderedDict", ")"), "_is_full_backward_hook", "N", "training", "\x89")
	net := module("my.Net", dict("scale", f32(1)), dict(), dict(
		"conv", conv("stride", num(2)+num(2)+"\x86", "padding", listOps(num(3), num(3)), "act", "ctorch.nn.functional\nsilu\n",
			"norm_layer", calling("functools.partial", "cm\nf\n\x85"), "size", calling("torch.Size", num(2)+"\x85\x85"),
			"secret", "C\x01x", "nested", listOps(listOps(str("a")), "N")),
		"bn", norm, "act", relu))
	wantNames := []string{"scale", "conv.weight", "bn.weight", "bn.bias", "bn.running_mean"}
	for name, pickle := range map[string]string{
		"alone":       net + ".",
		"in a dict":   dict("epoch", num(1), "model", net, "ema", "N") + ".",
		"legacy form": strings.Replace(net, "cmy\nNet\n", "("+str("module")+"cmy\nNet\n"+str("net.py")+str("class Net: ...")+"tQ", 1) + ".",
	} {
		for _, data := range [][]byte{zipFile(pickle, fourFloats), legacyFile(pickle, fourFloats)} {
			f, err := Parse("x", data)
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !slices.Equal(f.Names(), wantNames) {
				t.Errorf("%s: %v, want %v", name, f.Names(), wantNames)
			}
			want := map[string]Module{
				"": {"my.Net", map[string]any{}},
				"conv": {"torch.nn.modules.conv.Conv2d", map[string]any{"stride": []any{int64(2), int64(2)}, "padding": []any{int64(3), int64(3)},
					"act": Global("torch.nn.functional.silu"), "norm_layer": Global("functools.partial"), "size": []any{int64(2)},
					"nested": []any{[]any{"a"}, nil}}},
				"bn":  {"torch.nn.modules.batchnorm.BatchNorm2d", map[string]any{"eps": 1e-3, "training": false}},
				"act": {"torch.nn.modules.activation.ReLU", map[string]any{"inplace": true}},
			}
			if got := f.About().Modules; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: modules\n%v, want\n%v", name, got, want)
			}
		}
	}
}

// TestSharedModules holds modules that are there twice, or in themselves, to count once.
func TestSharedModules(t *testing.T) {
	leaf := func(name string) string { return module("m."+name, dict("w", f32(1)), dict(), dict()) }
	relu := module("m.ReLU", dict(), dict(), dict())
	for _, c := range []struct {
		name, pickle string
		tensors      []string
		modules      int
	}{
		{"shared", module("m.Net", dict(), dict(), dict("a", leaf("A")+"q\x01", "b", "h\x01")), []string{"a.w"}, 2},
		{"shared activation", module("m.Net", dict("w", f32(1)), dict(), dict("a", relu+"q\x01", "b", "h\x01")), []string{"w"}, 3},
		{"in itself", "cm\nNet\n)\x81q\x01" + dict("_parameters", dict("w", f32(1)), "_buffers", dict(), "_modules", dict("me", "h\x01", "a", leaf("A"))) + "b",
			[]string{"w", "a.w"}, 2},
		{"attribute that points back", "cm\nNet\n)\x81q\x01" + dict("_parameters", dict("w", f32(1)), "_buffers", dict(), "_modules", dict(), "me", "h\x01") + "b",
			[]string{"w"}, 1},
	} {
		f, err := Parse("x", zipFile(c.pickle+".", fourFloats))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !slices.Equal(f.Names(), c.tensors) || len(f.About().Modules) != c.modules {
			t.Errorf("%s: tensors %v, modules %v, want %v and %d", c.name, f.Names(), f.About().Modules, c.tensors, c.modules)
		}
	}
	// Modules that each hold the next one twice, and a chain that is too deep.
	deep := leaf("A") + "q\x00"
	for range 40 {
		deep = strings.TrimSuffix(deep, "q\x00") + "q\x000" + module("m.B", dict(), dict(), dict("a", "h\x00", "b", "h\x00")) + "q\x00"
	}
	if f, err := Parse("x", zipFile(deep+".", fourFloats)); err != nil || len(f.Names()) != 1 || len(f.About().Modules) != 41 {
		t.Errorf("doubled modules: %v, %v", f, err)
	}
	deep = leaf("A")
	for range deepestModule + 1 {
		deep = module("m.B", dict(), dict(), dict("a", deep))
	}
	if _, err := Parse("x", zipFile(deep+".", fourFloats)); err == nil || !strings.Contains(err.Error(), "deep, at") {
		t.Errorf("modules too deep: %v", err)
	}
	long := module("m.B", dict(), dict(), dict(strings.Repeat("x", longestName+1), leaf("A")))
	if _, err := Parse("x", zipFile(long+".", fourFloats)); err == nil || !strings.Contains(err.Error(), "1025 bytes") {
		t.Errorf("a long name: %v", err)
	}
}

// TestRebuilders reads each form in which a tensor is pickled.
func TestRebuilders(t *testing.T) {
	strided := f32(2, 2)
	v3 := func(storage, count, dtype string) string {
		return calling("torch._utils._rebuild_tensor_v3", "(("+str("storage")+"ctorch.storage\nUntypedStorage\n"+str(storage)+str("cpu")+count+"tQ"+
			num(0)+tupleOps([]int{4})+tupleOps([]int{1})+hooks+"ctorch\n"+dtype+"\nt")
	}
	ndarray := func(typ, order, fortran, data string, shape ...int) string {
		dtype := calling("numpy.dtype", "("+str(typ)+"\x89\x88t") + "(" + num(3) + str(order) + "NNN" + num(-1) + num(-1) + num(0) + "tb"
		return calling("numpy._core.multiarray._reconstruct", "cnumpy\nndarray\n"+num(0)+"\x85C\x01b\x87") +
			"(" + num(1) + tupleOps(shape) + dtype + fortran + data + "tb"
	}
	raw := func(s string) string { return "C" + string(rune(len(s))) + s }
	latin1 := calling("_codecs.encode", str("\u0000\u0000\u0080\u003f\u0000\u0000\u0000\u0040")+str("latin1")+"\x86")
	window := strings.Replace(strings.Replace(f32(2), num(4)+"tQ", num(4)+"("+str("7")+num(2)+num(2)+"ttQ", 1), "_v2", "", 1)
	for _, c := range []struct {
		name, ops string
		dtype     DType
		want      []float64
		err       string
	}{
		{"v2", strided, F32, []float64{0, 1, 2, 3}, ""},
		{"parameter", calling("torch._utils._rebuild_parameter", "("+strided+hooks+"t"), F32, []float64{0, 1, 2, 3}, ""},
		{"parameter with state", calling("torch._utils._rebuild_parameter_with_state", "("+strided+hooks+"}t"), F32, []float64{0, 1, 2, 3}, ""},
		{"subclass", calling("torch._tensor._rebuild_from_type_v2", "(ctorch._utils\n_rebuild_tensor_v2\ncm\nMyTensor\n"+
			strings.TrimSuffix(strings.TrimPrefix(strided, "ctorch._utils\n_rebuild_tensor_v2\n"), "R")+"}t"), F32, []float64{0, 1, 2, 3}, ""},
		{"float8", v3("0", num(16), "float8_e5m2"), F8_E5M2, []float64{0, 0, 0, 0}, ""},
		{"uint16", v3("0", num(16), "uint16"), U16, []float64{0, 0, 0, 0x3f80}, ""},
		{"part of a storage", window, F32, []float64{2, 3}, ""},
		{"NumPy", ndarray("f4", "<", "\x89", raw(fourFloats), 2, 2), F32, []float64{0, 1, 2, 3}, ""},
		{"NumPy in Fortran order", ndarray("f4", "<", "\x88", raw(fourFloats), 2, 2), F32, []float64{0, 2, 1, 3}, ""},
		{"NumPy of protocol 2", ndarray("f4", "<", "\x89", latin1, 2), F32, []float64{1, 2}, ""},
		{"NumPy of Python 2", ndarray("i2", "<", "\x89", "U\x04\x01\x00\xff\xff", 2), I16, []float64{1, -1}, ""},
		{"NumPy, a number", ndarray("i8", "<", "\x89", raw("\x07\x00\x00\x00\x00\x00\x00\x00")), I64, []float64{7}, ""},
		{"NumPy of protocol 5", calling("numpy._core.numeric._frombuffer", "(\x96\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x80\x3f\x00\x00\x00\x40"+
			calling("numpy.dtype", "("+str("f4")+"\x89\x88t")+tupleOps([]int{2})+str("C")+"t"), F32, []float64{1, 2}, ""},
		{"from NumPy", calling("torch._utils._rebuild_device_tensor_from_numpy", "("+ndarray("f4", "<", "\x89", latin1, 2)+"NN\x89t"), F32, []float64{1, 2}, ""},

		{"unknown type", v3("0", num(16), "float4_e2m1fn_x2"), "", nil, "torch.float4_e2m1fn_x2 is not one that can be read"},
		{"quantised", calling("torch._utils._rebuild_qtensor", "(("+str("storage")+"ctorch\nQInt8Storage\n"+str("0")+str("cpu")+num(16)+"tQ"+num(0)+"t"), "", nil, "a qint8 quantised tensor: save"},
		{"sparse", calling("torch._utils._rebuild_sparse_tensor", "(Nt"), "", nil, "to_dense()"},
		{"meta", calling("torch._utils._rebuild_meta_tensor_no_storage", "(Nt"), "", nil, "meta tensor"},
		{"big-endian", ndarray("f4", ">", "\x89", raw(fourFloats), 4), "", nil, "big-endian"},
		{"data too short", ndarray("f4", "<", "\x89", raw("abcd"), 2), "", nil, "shape [2] of F32 in 4 bytes"},
		{"huge shape", ndarray("f4", "<", "\x89", raw("abcd"), 1<<30, 1<<30, 1<<30), "", nil, "too large"},
		{"negative shape", ndarray("f4", "<", "\x89", raw(""), -1), "", nil, "size -1"},
		{"part outside", strings.Replace(window, num(2)+num(2)+"ttQ", num(3)+num(2)+"ttQ", 1), "", nil, "a part from 3 of 2 elements"},
		{"too few arguments", calling("torch._utils._rebuild_tensor_v2", "N\x85"), "", nil, "called with (None)"},
		{"parameter of nothing", calling("torch._utils._rebuild_parameter", ")"), "", nil, "called with ()"},
		{"tensor of a tensor ...", strings.Repeat("ctorch._utils\n_rebuild_parameter\n", 12) + strided + strings.Repeat("\x85R", 12), "", nil, "tensor of a tensor"},
	} {
		f, err := Parse("x", zipFile(dict("a.w", c.ops)+".", fourFloats))
		switch {
		case c.err != "":
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), `"a.w"`) {
				t.Errorf("%s: error %v, want %q", c.name, err, c.err)
			}
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		default:
			w, _ := f.Tensor("a.w")
			if w.DType != c.dtype {
				t.Errorf("%s: %s, want %s", c.name, w.DType, c.dtype)
			}
			sameFloats(t, c.name, must(w.Float64()), c.want)
		}
		// Beside the state dict that is taken none of them matters.
		if f, err := Parse("x", zipFile(dict("other", dict("x.y", c.ops), "model", net2(), "opt", c.ops)+".", fourFloats)); err != nil || f.Dicts()[0].Key != "model" {
			t.Errorf("%s beside: %v", c.name, err)
		}
	}
}

// TestStringsBeside passes over an array of strings in a state dict.
func TestStringsBeside(t *testing.T) {
	strings := calling("numpy.core.multiarray._reconstruct", "cnumpy\nndarray\n"+num(0)+"\x85C\x01b\x87") + "(" + num(1) + tupleOps([]int{1}) +
		calling("numpy.dtype", "("+str("U1")+"\x89\x88t") + "\x89C\x04a\x00\x00\x00tb"
	f, err := Parse("x", zipFile(dict("a.w", f32(4), "classes", strings)+".", fourFloats))
	if err != nil || !slices.Equal(f.Names(), []string{"a.w"}) {
		t.Errorf("%v, %v", f, err)
	}
}

// TestDangerous refuses files that name what an attack would call, under every name of
// the module, and no others.
func TestDangerous(t *testing.T) {
	for name, want := range map[string]bool{
		"posix.system": true, "nt.system": true, "os.execve": true, "subprocess.Popen": true, "__builtin__.eval": true,
		"builtins.exec": true, "builtins.getattr": false, "__builtin__.set": false, "code.models.Net": false,
		"os.path.join": false, "requests.structures.CaseInsensitiveDict": false, "evil.system": false, "posix.stat_result": false,
	} {
		dot := strings.LastIndexByte(name, '.')
		_, err := Parse("x", zipFile(dict("model", net2(), "x", "c"+name[:dot]+"\n"+name[dot+1:]+"\n")+".", fourFloats))
		if refused := err != nil && strings.Contains(err.Error(), fmt.Sprintf("refers to %q", name)); refused != want || (err != nil) != want {
			t.Errorf("%s: error %v, want one: %t", name, err, want)
		}
	}
}

// TestLaziness counts what is looked at: the tensors of an optimizer are not.
func TestLaziness(t *testing.T) {
	large := strings.Repeat("x", 1<<20)
	moment := tensorOps("torch FloatStorage", "1", len(large)/4, 0, []int{len(large) / 4}, []int{1})
	pickle := dict("optimizer", dict("state", "}"+num(0)+dict("exp_avg", moment)+"s", "param_groups", listOps()), "model", net2()) + "."
	entry := func(name, data string) zipEntry { return zipEntry{name: "a/" + name, data: data} }
	broken := entry("data/1", large)
	broken.crc = 1
	zip := zipOf(entry("data.pkl", pickle), entry("data/0", fourFloats), broken)
	f, err := Parse("x", []byte(zip))
	if err != nil {
		t.Fatal(err)
	}
	if want := len(pickle) + len(fourFloats); f.read != want {
		t.Errorf("zip: %d bytes were looked at, want %d: the pickle and one storage", f.read, want)
	}
	// What is taken is checked.
	if _, err := parseOptions("x", []byte(zip), Options{Key: "optimizer.state.0"}); err == nil || !strings.Contains(err.Error(), `"a/data/1" is damaged`) {
		t.Errorf("a damaged storage that is taken: %v", err)
	}
	legacy := legacyFile(pickle, fourFloats)
	legacy = []byte(strings.Replace(string(legacy), "]("+str("0")+"e.", "]("+str("1")+str("0")+"e.", 1))
	at := len(legacy) - 8 - len(fourFloats)
	legacy = slices.Insert(legacy, at, append([]byte{0, 0, 4, 0, 0, 0, 0, 0}, large...)...)
	f, err = Parse("x", legacy)
	if err != nil {
		t.Fatal(err)
	}
	if f.read != len(fourFloats) {
		t.Errorf("legacy: %d bytes of storages were looked at, want %d", f.read, len(fourFloats))
	}
	w, _ := f.Tensor("conv.weight")
	sameFloats(t, "conv.weight", must(w.Float64()), []float64{0, 1, 2, 3})
}
