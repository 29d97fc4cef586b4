package zoo

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"cwox/nn"
	"cwox/nn/vision"
	"cwox/weights"
)

// named is a file of float32 tensors of the given shapes, all zero: "name 2,3,1,1".
func named(t testing.TB, lines ...string) *weights.File {
	t.Helper()
	f, err := parseNamed(lines)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// parseNamed is named for lines from anywhere; those that are none are left out.
func parseNamed(lines []string) (*weights.File, error) {
	header := map[string]any{}
	at := 0
	for _, line := range lines {
		name, dims, _ := strings.Cut(line, " ")
		shape := []int{}
		n := 4
		for _, d := range strings.Split(dims, ",") {
			v, err := strconv.Atoi(strings.TrimSpace(d))
			if err != nil || v < 0 || v > 1<<12 || n*v > 1<<22 {
				continue
			}
			shape = append(shape, v)
			n *= v
		}
		if _, twice := header[name]; name == "" || name == "__metadata__" || twice || at+n > 1<<24 {
			continue
		}
		header[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []int{at, at + n}}
		at += n
	}
	text, err := json.Marshal(header)
	if err != nil {
		return nil, err
	}
	for len(text)%8 != 0 {
		text = append(text, ' ')
	}
	data := binary.LittleEndian.AppendUint64(nil, uint64(len(text)))
	return weights.Parse("net.safetensors", append(append(data, text...), make([]byte, at)...))
}

// lines are the tensors of a small ResNet, called as rename says.
func lines(kind string, rename func(string) string) []string {
	a := newArch("small", vision.Transform{Width: 64, Height: 64}, newResNet(kind, []int{4}, 4, []int{1, 1}), "fc")
	var out []string
	a.compile(3, LoadOptions{}, func(name string, shape []int) ([]float32, error) {
		if rename != nil {
			name = rename(name)
		}
		if name != "" {
			out = append(out, name+" "+strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", ","))
		}
		n := 1
		for _, d := range shape {
			n *= d
		}
		return make([]float32, n), nil
	})
	return out
}

// without leaves out the names that begin so.
func without(prefix string) func(string) string {
	return func(name string) string {
		if strings.HasPrefix(name, prefix) {
			return ""
		}
		return name
	}
}

// TestRefusals holds what is said of files that cannot be run.
func TestRefusals(t *testing.T) {
	both := append(lines("basic", replace(`^`, "a.net.")), lines("bottleneck", replace(`^`, "a.old."))...)
	for _, c := range []struct {
		what  string
		lines []string
		spec  string
		want  []string
	}{
		{"nothing", nil, "", []string{"no network", "no tensors"}},
		{"something", []string{"a.weight 3,4", "b.weight 3"}, "", []string{"no network that is known", "2 tensors: a.weight, b.weight"}},
		{"a Sequential with a pointwise convolution", []string{"features.0.weight 4,3,3,3", "features.2.weight 4,4,3,3", "features.4.weight 4,4,1,1", "features.6.weight 4,4,3,3", "features.8.weight 4,4,3,3", "fc.weight 2,4"}, "", []string{`"features.4.weight": a convolution of 1x1`, "ONNX"}},
		{"a Sequential that leaves out more than a pooling", []string{"features.0.weight 4,3,3,3", "features.0.bias 4", "features.2.weight 4,4,3,3", "features.2.bias 4", "features.4.weight 4,4,3,3", "features.4.bias 4", "features.6.weight 4,4,3,3", "features.6.bias 4", "features.10.weight 4,4,3,3", "fc.weight 2,4"}, "", []string{`"features.10.weight"`, "in the trunk of a vgg"}},
		{"a VGG without its head", []string{"features.0.weight 4,3,3,3", "features.0.bias 4", "features.2.weight 4,4,3,3", "features.2.bias 4", "features.4.weight 4,4,3,3", "features.4.bias 4", "features.6.weight 4,4,3,3", "features.6.bias 4", "features.8.weight 4,4,3,3", "features.8.bias 4"}, "", []string{"no head", "trunk of 4 channels"}},
		{"DenseNet with a stem of its own", []string{"features.conv0.conv.weight 4,3,7,7", "features.denseblock1.denselayer1.conv1.weight 4,4,1,1"}, "", []string{`"features.conv0.weight": missing`, "stem"}},
		{"DenseNet without its last normalisation", []string{"features.conv0.weight 4,3,7,7", "features.conv0.bias 4", "features.denseblock1.denselayer1.norm1.weight 4", "features.denseblock1.denselayer1.norm1.bias 4", "features.denseblock1.denselayer1.norm1.running_mean 4", "features.denseblock1.denselayer1.norm1.running_var 4",
			"features.denseblock1.denselayer1.conv1.weight 4,4,1,1", "features.denseblock1.denselayer1.conv1.bias 4", "features.denseblock1.denselayer1.conv2.weight 4,4,3,3", "classifier.weight 2,8"}, "", []string{`"features.norm2.weight": missing`}},
		{"MobileNetV2 of another number of blocks", []string{"features.0.0.weight 4,3,3,3", "features.1.conv.0.0.weight 4,1,3,3", "features.1.conv.1.weight 4,4,1,1", "classifier.1.weight 3,4"}, "", []string{`"features.*"`, `"d3"`, "mobilenet_v2", "ONNX"}},
		{"timm, another kernel", []string{"conv_stem.weight 4,3,3,3", "blocks.0.0.conv_dw.weight 4,1,7,7", "blocks.0.0.conv_pw.weight 4,4,1,1"}, "", []string{`"d7"`, "efficientnet"}},
		{"ConvNeXt", []string{"features.1.0.layer_scale 4,1,1"}, "", []string{"ConvNeXt"}},
		{"SqueezeNet without its stem", []string{"features.3.squeeze.weight 4,3,1,1"}, "", []string{`"features.0.weight": missing`}},
		{"Inception v3", []string{"Mixed_5b.branch1x1.conv.weight 4,3,1,1"}, "", []string{"Inception v3"}},
		{"ViT", []string{"class_token 1,1,4", "encoder.pos_embedding 1,5,4"}, "", []string{"ViT"}},
		{"ViT, Hugging Face", []string{"vit.embeddings.cls_token 1,1,4"}, "", []string{"ViT"}},
		{"Swin", []string{"features.1.0.attn.relative_position_bias_table 9,3"}, "", []string{"Swin"}},
		{"RegNet", []string{"trunk_output.block1.block1-0.proj.0.weight 4,3,1,1"}, "", []string{"RegNet"}},
		{"MNASNet", []string{"layers.0.weight 4,3,3,3", "layers.8.0.layers.0.weight 4,4,1,1"}, "", []string{"MNASNet"}},
		{"ShuffleNet", []string{"conv1.0.weight 4,3,3,3", "stage2.0.branch1.0.weight 4,1,3,3"}, "", []string{"ShuffleNet"}},
		{"YOLO", []string{"model.0.conv.weight 4,3,3,3", "model.2.cv1.conv.weight 4,4,1,1"}, "", []string{"YOLO"}},
		{"BiT", []string{"stem.conv.weight 4,3,7,7", "stages.0.blocks.0.norm1.weight 4"}, "", []string{"pre-activation"}},
		{"Faster R-CNN", append(lines("basic", replace(`^`, "backbone.body.")), "rpn.head.conv.0.0.weight 4,4,3,3"), "", []string{"Faster R-CNN", "detector"}},
		{"DeepLab", append(lines("basic", replace(`^`, "backbone.")), "classifier.0.convs.0.0.weight 4,8,1,1"), "", []string{"DeepLab", "segmentation"}},
		{"CLIP", append(lines("basic", replace(`^`, "visual.")), "visual.attnpool.k_proj.weight 8,8"), "", []string{"CLIP"}},
		{"half a gate", append(lines("basic", nil), "layer1.0.se.fc1.weight 2,4,1,1"), "", []string{`"layer1.0.se.fc1.weight" is in a residual block`, "squeeze-and-excitation"}},
		{"a gate of another width", append(lines("basic", nil), "layer1.0.se.fc1.weight 2,4,1,1", "layer1.0.se.fc2.weight 8,2,1,1"), "", []string{"squeeze-and-excitation"}},
		{"an activation of another family", lines("basic", nil), ":act=silu", []string{"act=silu: only relu can be run in a resnet"}},
		{"ECA-Net", append(lines("basic", nil), "layer1.0.eca.conv.weight 1,1,3"), "", []string{"efficient channel attention"}},
		{"Res2Net", append(lines("bottleneck", nil), "layer1.0.convs.0.weight 2,2,3,3"), "", []string{"Res2Net"}},
		{"LoRA", append(lines("basic", nil), "layer1.0.conv1.lora_A.weight 2,4"), "", []string{"LoRA"}},
		{"something in a block", append(lines("basic", nil), "layer2.0.mystery 4"), "", []string{`"layer2.0.mystery"`, "residual block"}},
		{"CBAM beside", append(lines("basic", nil), "ca.fc1.weight 2,4,1,1"), "", []string{`"ca.fc1.weight"`, "attention", "--model :ignore=ca"}},
		{"a convolution beside", append(lines("basic", replace(`^fc`, "head", `^([^h])`, "net.$1")), "neck.weight 4,8,1,1"), "", []string{`"neck.weight"`, "ignore=neck"}},
		{"no head", lines("basic", without("fc.")), "", []string{"no head", `"fc.weight" is missing`, "feature extractor"}},
		{"no head, prefix", lines("basic", func(n string) string { return without("net.fc.")("net." + n) }), "", []string{"no head", `"net.fc.weight" is missing`}},
		{"a head of something else", append(lines("basic", without("fc.")), "fc.weight 3,11"), "", []string{"no head", "8 channels", `"fc.weight" has shape [3 11]`}},
		{"group norm", lines("basic", func(n string) string {
			if strings.Contains(n, "running") {
				return ""
			}
			return n
		}), "", []string{"group norm", "bn1"}},
		{"named_parameters", lines("basic", func(n string) string {
			if strings.Contains(n, "layer2.0.bn1.running") {
				return ""
			}
			return n
		}), "", []string{`"layer2.0.bn1.running_mean"`, "named_parameters()"}},
		{"pre-activation", lines("basic", without("bn1.")), "", []string{"pre-activation"}},
		{"option A", lines("basic", without("layer2.0.downsample")), "", []string{"option A", "4 channels come in and 8 go out"}},
		{"another kernel", append(lines("basic", without("conv1.")), "conv1.weight 4,3,5,5"), "", []string{"5x5", "--model :conv1_stride=2"}},
		{"a convolution that does not follow", append(lines("basic", without("layer2.0.conv2.")), "layer2.0.conv2.weight 8,3,3,3"), "", []string{`"layer2.0.conv2.weight"`, "8 come in"}},
		{"a shape", append(lines("basic", without("layer1.0.bn1.bias")), "layer1.0.bn1.bias 5"), "", []string{`"layer1.0.bn1.bias": shape [5], want [4]`}},
		{"too many channels", append(lines("basic", without("conv1.")), "conv1.weight 4,12,7,7"), "", []string{"12 input channels"}},
		{"a layer norm first", append(lines("basic", without("fc.")), "fc.0.weight 8", "fc.0.bias 8", "fc.1.weight 3,8"), "", []string{`"fc.0.weight"`, "layer norm", "ignore=fc.0"}},
		{"a layer norm beside", append(lines("basic", nil), "norm.weight 8", "norm.bias 8"), "", []string{`"norm.weight"`, "layer norm"}},
		{"a PReLU", append(lines("basic", without("fc.")), "fc.0.weight 6,8", "fc.1.weight 1", "fc.2.weight 3,6"), "", []string{`"fc.1.weight"`, "PReLU"}},
		{"an LSTM", append(lines("basic", nil), "lstm.weight_ih_l0 32,8", "lstm.weight_hh_l0 32,8"), "", []string{"recurrent"}},
		{"a transformer", append(lines("basic", nil), "attention.in_proj_weight 24,8"), "", []string{"attention"}},
		{"a head called a margin", append(lines("basic", without("fc.")), "arcface.weight 3,8"), "", []string{"no head", `"arcface.weight"`, "head=arcface"}},
		{"a bias", append(lines("basic", without("fc.bias")), "fc.bias 4"), "", []string{`"fc.bias": shape [4], want [3]`}},
		{"two networks", both, "", []string{`"a.net.*"`, `"a.old.*"`, "prefix=a.net", "prefix=a.old"}},
		{"none of two networks", both, ":prefix=b", []string{"prefix=b", `"a.net.*"`}},
		{"two heads", append(lines("basic", nil), "other.weight 7,8"), "", []string{"fc (3 classes)", "other (7 classes)", "--model :head=fc"}},
		{"heads in a ModuleList", append(lines("basic", without("fc.")), "heads.0.weight 7,8", "heads.1.weight 5,8"), "", []string{"heads.0 (7 classes)", "heads.1 (5 classes)", "head=heads.0"}},
		{"none of two heads", append(lines("basic", nil), "other.weight 7,8"), ":head=third", []string{"head=third", "fc, other"}},
		{"an unknown name", lines("basic", nil), "resnet51", []string{"resnet51", "known: ", "resnet-basic-1-1-w4"}},
		{"another name", lines("basic", nil), "resnet50", []string{"--model resnet50: the tensors are those of resnet-basic-1-1-w4 (3 classes)"}},
		{"another family's setting", lines("basic", nil), ":transform_input=on", []string{"transform_input", "googlenet", "resnet"}},
		{"a pooling that the head does not take", lines("basic", nil), ":pool=max+avg", []string{"pool=max+avg: the head takes fc: Linear"}},
		{"a pooling of both", append(lines("basic", without("fc.")), "fc.weight 3,16"), ":pool=avg", []string{"pool=avg: the head takes concat"}},
		{"Caffe's names", []string{"res2a_branch2a.weight 4,4,1,1"}, "", []string{"Caffe"}},
		{"volumes", []string{"conv1.weight 4,1,7,7,7", "layer1.0.conv1.weight 4,4,3,3,3"}, "", []string{"three dimensions"}},
		{"iresnet", append(lines("basic", nil), "layer1.0.prelu.weight 4"), "", []string{"PReLU"}},
		{"a setting of bottlenecks", lines("basic", nil), ":stride=conv1", []string{"stride=conv1", "basic"}},
	} {
		spec, err := ParseSpec(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Match(named(t, c.lines...), spec)
		if err == nil {
			t.Errorf("%s: matched", c.what)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\n\tdoes not say %q", c.what, err, want)
			}
		}
	}
}

func TestParseSpec(t *testing.T) {
	for text, want := range map[string]string{
		"resnet50":                       "",
		"":                               "",
		":prefix=student,eps=1e-3":       "",
		"resnet50:stride=conv1":          "",
		"resnet50:":                      "want NAME:key=value",
		"resnet50:stride":                "want NAME:key=value",
		"resnet50:stride=conv3":          "stride=conv3: want conv1 or conv2",
		"resnet50:strides=conv1":         `"strides": unknown (known: stride, conv1_stride, maxpool, eps, pool, act, pad, head_act, transform_input, prefix, head, ignore)`,
		":eps=x":                         "eps=x: want a number",
		":eps=NaN":                       "eps=NaN: want a number",
		":act=gelu":                      "act=gelu: want relu or relu6",
		":pad=valid":                     "pad=valid: want symmetric or same",
		":stride=conv1,stride=conv2":     "twice",
		"googlenet:transform_input=true": "transform_input=true: want on or off",
	} {
		s, err := ParseSpec(text)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", text, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%q: %v, want ...%s...", text, err, want)
		case want == "" && len(s.Settings) < 2 && s.String() != text:
			t.Errorf("%q: %q", text, s)
		}
	}
}

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  string
	}{
		{lines("basic", nil), "resnet-basic-1-1-w4 (3 classes)"},
		{append(lines("basic", replace(`^fc`, "fc.1", `^`, "model.")), "criterion.weight 3"), `resnet-basic-1-1-w4 (3 classes), keys "model.*" (32 of 33 tensors), head fc.1; criterion.weight ignored`},
		{append(lines("bottleneck", nil), "bn1.num_batches_tracked ", "queue 4,4", "mean 1,3,1,1"), "resnet-bottleneck-1-1-w4 (3 classes), (48 of 50 tensors); mean, queue ignored"},
	} {
		f := named(t, c.lines...)
		a, err := Match(f, Spec{})
		if err != nil {
			t.Error(err)
			continue
		}
		if got := a.Describe(); got != c.want {
			t.Errorf("%s\nwant %s", got, c.want)
		}
	}
}

// TestTwo chooses each of two networks in a file.
func TestTwo(t *testing.T) {
	for _, c := range []struct{ one, other, choose, chooseOther string }{
		{"student.", "teacher.", "student", "teacher"},
		{"model.encoder_q.", "model.encoder_k.", "model.encoder_q", "model.encoder_k"},
		{"", "ema_model.module.", ".", "ema_model"},
		{"net.", "net.copy.", "net", "net.copy"},
		{"models.0.backbone.", "models.1.backbone.", "models.0", "models.1"},
	} {
		file := named(t, append(lines("basic", replace(`^`, c.one)), lines("bottleneck", replace(`^`, c.other))...)...)
		_, err := Match(file, Spec{})
		for _, choose := range []string{c.choose, c.chooseOther} {
			if err == nil || !strings.Contains(err.Error(), "--model :prefix="+choose) {
				t.Errorf("%q, %q: %v, want prefix=%s", c.one, c.other, err, choose)
			}
			a, err := Match(file, Spec{Settings: map[string]string{"prefix": choose}})
			if err != nil {
				t.Errorf("%q, %q: %v", c.one, c.other, err)
				continue
			}
			prefix, block := c.one, "basic"
			if choose == c.chooseOther {
				prefix, block = c.other, "bottleneck"
			}
			if a.Facts.Prefix != prefix || a.Facts.Block != block || a.Facts.HeadName != "fc" {
				t.Errorf("%q, %q: prefix=%s gives %+v", c.one, c.other, choose, a.Facts)
			}
		}
	}
	// One network that goes by two names.
	file := named(t, append(lines("basic", replace(`^`, "model.")), lines("basic", replace(`^`, "net."))...)...)
	if a, err := Match(file, Spec{}); err != nil || a.Facts.Prefix != "model." {
		t.Errorf("the same twice: %v", err)
	}
}

// module is a layer with attributes in turns of key and value.
func module(class string, attributes ...any) weights.Module {
	m := weights.Module{Class: class, Attributes: map[string]any{}}
	for i := 0; i < len(attributes); i += 2 {
		m.Attributes[attributes[i].(string)] = attributes[i+1]
	}
	return m
}

// whole are the layers of a small ResNet as torch.save(model) has them.
func whole(r *resnet) map[string]weights.Module {
	pair := func(n int) []any { return []any{int64(n), int64(n)} }
	m := map[string]weights.Module{
		"": module("torchvision.models.resnet.ResNet"), "relu": module("torch.nn.modules.activation.ReLU"),
		"maxpool": module("torch.nn.modules.pooling.MaxPool2d", "kernel_size", int64(3), "stride", int64(2), "padding", int64(1), "dilation", int64(1), "ceil_mode", false),
		"avgpool": module("torch.nn.modules.pooling.AdaptiveAvgPool2d", "output_size", pair(1)),
		"fc":      module("torch.nn.modules.linear.Linear"),
	}
	for c := range r.convs() {
		m[c.name] = module("torch.nn.modules.conv.Conv2d", "stride", pair(c.stride), "padding", pair(c.pad), "dilation", pair(1), "groups", int64(c.groups), "padding_mode", "zeros")
		m[c.norm] = module("torch.nn.modules.batchnorm.BatchNorm2d", "eps", c.eps, "track_running_stats", true)
	}
	for i, blocks := range r.stages {
		m[fmt.Sprintf("layer%d", i+1)] = module("torch.nn.modules.container.Sequential")
		for j := range blocks {
			m[fmt.Sprintf("layer%d.%d", i+1, j)] = module("torchvision.models.resnet.Bottleneck", "stride", int64(1))
			m[fmt.Sprintf("layer%d.%d.relu", i+1, j)] = module("torch.nn.modules.activation.ReLU")
		}
	}
	return m
}

// TestWhole changes a layer of a whole module: what can be run is, and all else is refused by
// its name.
func TestWhole(t *testing.T) {
	form := func() *resnet { return newResNet("bottleneck", []int{4}, 4, []int{1, 1}) }
	pair := func(n int) []any { return []any{int64(n), int64(n)} }
	set := func(path, key string, value any) func(map[string]weights.Module) {
		return func(m map[string]weights.Module) { m[path].Attributes[key] = value }
	}
	put := func(path string, l weights.Module) func(map[string]weights.Module) {
		return func(m map[string]weights.Module) { m[path] = l }
	}
	for _, c := range []struct {
		what   string
		change func(map[string]weights.Module)
		spec   string
		check  func(r *resnet, h *head) bool
		want   string // of the error
	}{
		{"plain", func(map[string]weights.Module) {}, "", func(r *resnet, h *head) bool {
			return r.pool != nil && r.stages[1][0].convs[1].stride == 2 && h.pool == meanPool
		}, ""},
		{"v1", func(m map[string]weights.Module) {
			m["layer2.0.conv1"].Attributes["stride"] = pair(2)
			m["layer2.0.conv2"].Attributes["stride"] = pair(1)
		}, "", func(r *resnet, _ *head) bool {
			return r.stages[1][0].convs[0].stride == 2 && r.stages[1][0].convs[1].stride == 1
		}, ""},
		{"v1, unless told otherwise", func(m map[string]weights.Module) {
			m["layer2.0.conv1"].Attributes["stride"] = pair(2)
			m["layer2.0.conv2"].Attributes["stride"] = pair(1)
		}, ":stride=conv2", func(r *resnet, _ *head) bool {
			return r.stages[1][0].convs[0].stride == 1 && r.stages[1][0].convs[1].stride == 2
		}, ""},
		{"eps", set("layer1.0.bn2", "eps", 1e-3), "", func(r *resnet, _ *head) bool {
			return r.stages[0][0].convs[1].eps == 1e-3 && r.stages[0][0].convs[0].eps == 1e-5
		}, ""},
		{"no max-pool", put("maxpool", module("torch.nn.modules.linear.Identity")), "", func(r *resnet, _ *head) bool { return r.pool == nil }, ""},
		{"another max-pool", set("maxpool", "padding", int64(0)), "", func(r *resnet, _ *head) bool { return *r.pool == nn.Pool{Window: nn.Square(3, 2, 0)} }, ""},
		{"global max", put("avgpool", module("torch.nn.modules.pooling.AdaptiveMaxPool2d")), "", func(_ *resnet, h *head) bool { return h.pool == maxPool }, ""},
		{"stem stride", set("conv1", "stride", pair(1)), "", func(r *resnet, _ *head) bool { return r.stem[0].stride == 1 }, ""},
		{"padding same", func(m map[string]weights.Module) {
			m["conv1"].Attributes["padding"] = "same"
			m["conv1"].Attributes["stride"] = pair(1)
		}, "", func(r *resnet, _ *head) bool { return r.stem[0].stride == 1 && r.stem[0].pad == 3 }, ""},
		{"sigmoid at the end", put("sigmoid", module("torch.nn.modules.activation.Sigmoid")), "", func(r *resnet, _ *head) bool { return true }, ""},
		{"dropout in a block", put("layer1.0.drop", module("torch.nn.modules.dropout.Dropout2d")), "", func(r *resnet, _ *head) bool { return true }, ""},
		{"dilation", set("layer2.0.conv2", "dilation", pair(2)), "", nil, `"layer2.0.conv2": dilation 2`},
		{"SiLU", put("layer1.0.relu", module("torch.nn.modules.activation.SiLU")), "", nil, "SiLU"},
		{"SiLU of the stem", put("relu", module("torch.nn.modules.activation.SiLU")), "", nil, "SiLU"},
		{"a function", set("layer1.0", "act", weights.Global("torch.nn.functional.gelu")), "", nil, "torch.nn.functional.gelu"},
		{"blur pooling", put("layer2.0.aa", module("timm.layers.blur_pool.BlurPool2d")), "", nil, "BlurPool2d"},
		{"group norm", put("layer1.0.bn1", module("torch.nn.modules.normalization.GroupNorm")), "", nil, "GroupNorm"},
		{"an own layer", put("layer1.0.trick", module("mynet.Trick")), "", nil, "mynet.Trick"},
		{"attention", put("layer1.0.se", module("timm.layers.SqueezeExcite")), "", nil, "SqueezeExcite"},
		{"average pooling against aliasing", put("layer2.0.aa", module("torch.nn.modules.pooling.AvgPool2d", "kernel_size", int64(2), "stride", int64(2))), "", nil, `"layer2.0.aa"`},
		{"max-pooling in a block", put("layer2.0.pool", module("torch.nn.modules.pooling.MaxPool2d")), "", nil, `"layer2.0.pool"`},
		{"an own activation of the stem", put("relu", module("mynet.Clever")), "", nil, "mynet.Clever"},
		{"reflected padding", set("layer1.0.conv2", "padding_mode", "reflect"), "", nil, "reflect"},
		{"uneven stride", set("conv1", "stride", []any{int64(2), int64(1)}), "", nil, `"conv1": stride [2 1]`},
		{"average pooling in the stem", put("maxpool", module("torch.nn.modules.pooling.AvgPool2d")), "", nil, "average pooling in the stem"},
		{"GeM", put("avgpool", module("mynet.GeM")), "", nil, "GeM"},
		{"groups", set("layer1.0.conv2", "groups", int64(2)), "", nil, "2 groups"},
		{"no running statistics", set("bn1", "track_running_stats", false), "", nil, "track_running_stats"},
		{"a huge stride", set("conv1", "stride", pair(math.MaxInt32)), "", nil, "stride"},
	} {
		r := form()
		f := named(t, lines("bottleneck", nil)...)
		m := whole(r)
		c.change(m)
		*f.About() = weights.About{Modules: m}
		spec, err := ParseSpec(c.spec)
		if err != nil {
			t.Fatal(err)
		}
		a, err := Match(f, spec)
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want ...%s...", c.what, err, c.want)
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.what, err)
		case c.want == "":
			if !c.check(a.body.(*resnet), &a.head) {
				t.Errorf("%s: %+v", c.what, a.body)
			}
			if len(a.Facts.Assumed) > 0 {
				t.Errorf("%s: assumed %v", c.what, a.Facts.Assumed)
			}
			if _, err := a.Load(f, LoadOptions{Width: 64, Height: 64}); err != nil {
				t.Errorf("%s: %v", c.what, err)
			}
		}
	}
}

// TestWholeNorm reads eps of a normalisation in the head.
func TestWholeNorm(t *testing.T) {
	f := named(t, append(lines("basic", without("fc.")), "fc.0.running_mean 8", "fc.0.running_var 8", "fc.0.weight 8", "fc.0.bias 8", "fc.1.weight 3,8")...)
	m := whole(newResNet("basic", []int{4}, 4, []int{1, 1}))
	m["fc"], m["fc.0"], m["fc.1"] = module("torch.nn.modules.container.Sequential"), module("torch.nn.modules.batchnorm.BatchNorm1d", "eps", 1e-2), module("torch.nn.modules.linear.Linear")
	*f.About() = weights.About{Modules: m}
	a, err := Match(f, Spec{})
	if err != nil {
		t.Fatal(err)
	}
	if l := a.head.layers[0]; l.kind != "BatchNorm1d" || l.eps != 1e-2 {
		t.Errorf("%+v", l)
	}
}

// TestWholeSequential looks at the layers of one Sequential of trunk and head.
func TestWholeSequential(t *testing.T) {
	for class, want := range map[string]string{
		"torch.nn.modules.activation.ReLU": "", "torch.nn.modules.activation.GELU": "GELU",
	} {
		for _, path := range []string{"2", "4.0.relu"} {
			f := named(t, lines("basic", sequential("", "9.", 4))...)
			m := map[string]weights.Module{"": module("torch.nn.modules.container.Sequential"), "10": module("torch.nn.modules.activation.Sigmoid")}
			for i := range 10 {
				m[strconv.Itoa(i)] = module("torch.nn.modules.linear.Identity")
			}
			m["4.0"], m["4.0.conv1"] = module("torchvision.models.resnet.BasicBlock"), module("torch.nn.modules.conv.Conv2d")
			m[path] = module(class)
			*f.About() = weights.About{Modules: m}
			a, err := Match(f, Spec{})
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s at %s: %v", class, path, err)
			}
			if err == nil && a.body.(*resnet).pool != nil {
				t.Error("a max-pooling where the Sequential has none")
			}
		}
	}
}

// TestWholeHead reads what stands between the linear layers of a head.
func TestWholeHead(t *testing.T) {
	for class, want := range map[string]string{
		"torch.nn.modules.activation.ReLU":   "fc.0: Linear without bias, ReLU, fc.2: Linear without bias",
		"torch.nn.modules.dropout.Dropout":   "fc.0: Linear without bias, fc.2: Linear without bias",
		"torch.nn.modules.activation.Tanh":   "Tanh",
		"torch.nn.modules.activation.PReLU6": "PReLU6",
	} {
		f := named(t, append(lines("basic", without("fc.")), "fc.0.weight 6,8", "fc.2.weight 3,6")...)
		m := whole(newResNet("basic", []int{4}, 4, []int{1, 1}))
		m["fc"] = module("torch.nn.modules.container.Sequential")
		m["fc.0"], m["fc.1"], m["fc.2"] = module("torch.nn.modules.linear.Linear"), module(class), module("torch.nn.modules.linear.Linear")
		*f.About() = weights.About{Modules: m}
		a, err := Match(f, Spec{})
		if err != nil {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v", class, err)
			}
		} else if a.Facts.Head != want {
			t.Errorf("%s: %s, want %s", class, a.Facts.Head, want)
		}
	}
}

// TestConfig reads config.json.
func TestConfig(t *testing.T) {
	for _, c := range []struct {
		config string
		check  func(r *resnet, h *head) bool
		want   string
	}{
		{`{"model_type":"resnet","hidden_act":"relu","downsample_in_bottleneck":true}`, func(r *resnet, _ *head) bool { return r.stages[1][0].convs[0].stride == 2 }, ""},
		{`{"model_type":"resnet","downsample_in_first_stage":true}`, func(r *resnet, _ *head) bool { return r.stages[0][0].convs[1].stride == 2 }, ""},
		{`{"architecture":"resnet50.a1_in1k","model_args":{"act_layer":"relu","output_stride":32,"aa_layer":null}}`, func(r *resnet, h *head) bool { return r.stages[1][0].convs[1].stride == 2 && h.pool == meanPool }, ""},
		{`{"architecture":"resnet50","global_pool":"max"}`, func(_ *resnet, h *head) bool { return h.pool == maxPool }, ""},
		{`{"model_type":"resnet","hidden_act":"gelu"}`, nil, "gelu"},
		{`{"architecture":"resnetblur50.bt_in1k"}`, nil, "blur"},
		{`{"architecture":"resnetaa50"}`, nil, "resnetaa50"},
		{`{"architecture":"resnet50_gn"}`, nil, "group norm"},
		{`{"architecture":"resnet50","model_args":{"act_layer":"silu"}}`, nil, "silu"},
		{`{"architecture":"resnet50","model_args":{"output_stride":8}}`, nil, "dilation"},
		{`{"architecture":"resnet50","model_args":{"aa_layer":"blur"}}`, nil, "blur"},
		{`{"architecture":"resnet50","model_args":{"global_pool":"avgmax"}}`, nil, "avgmax"},
		{`{"architecture":"resnet50","model_args":{"norm_layer":"groupnorm"}}`, nil, "groupnorm"},
		{`[1,2`, func(r *resnet, _ *head) bool { return true }, ""},
	} {
		f := named(t, lines("bottleneck", nil)...)
		*f.About() = weights.About{Config: []byte(c.config)}
		a, err := Match(f, Spec{})
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v", c.config, err)
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.config, err)
		case c.want == "" && !c.check(a.body.(*resnet), &a.head):
			t.Errorf("%s: %+v", c.config, a.body)
		}
	}
}

// TestNamedArchitecture reads the name that a checkpoint gives of its network.
func TestNamedArchitecture(t *testing.T) {
	for name, want := range map[string]string{"resnetblur50": "blur", "resnet50": "", "ResNetAA50": "anti-aliasing", "my own": ""} {
		f := named(t, lines("bottleneck", nil)...)
		*f.About() = weights.About{Architecture: name}
		if _, err := Match(f, Spec{}); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// FuzzMatch takes names and shapes, a configuration and layers from anywhere: Match answers.
func FuzzMatch(f *testing.F) {
	f.Add(strings.Join(lines("basic", nil), "\n"), "", "", "")
	f.Add(strings.Join(lines("bottleneck", sequential("0.", "1.2.", 4)), "\n"), ":prefix=0,head=1", `{"architecture":"resnet50"}`, "")
	f.Add(strings.Join(lines("basic", huggingFace), "\n"), "resnet", `{"model_type":"resnet","hidden_act":"relu"}`, "layer1.0.conv1 a.Conv2d stride 7")
	f.Add(strings.Join(lines("basic", residualFunction), "\n")+"\nfc2.weight 3,3\nfc3.weight 3,3", ":eps=1e-3", "", "maxpool x.MaxPool2d kernel_size 99\nrelu x.SiLU")
	f.Add("inception3a.branch1.conv.weight 1,1,1,1\nconv1.conv.weight 1,1,7,7", "googlenet:transform_input=on", "", "")
	for _, anchor := range []string{
		"features.0.weight 4,3,3,3\nfeatures.2.weight 4,4,3,3\nfeatures.4.weight 4,4,3,3\nfeatures.6.weight 4,4,3,3\nfeatures.8.weight 4,4,3,3\nclassifier.0.weight 3,4",
		"features.0.weight 4,3,3,3\nfeatures.0.bias 4\nfeatures.3.squeeze.weight 2,4,1,1\nfeatures.3.expand1x1.weight 2,2,1,1\nfeatures.3.expand3x3.weight 2,2,3,3\nclassifier.1.weight 2,4,1,1",
		"features.conv0.weight 4,3,7,7\nfeatures.denseblock1.denselayer1.conv1.weight 4,4,1,1\nfeatures.denseblock1.denselayer1.conv2.weight 2,4,3,3\nclassifier.weight 2,6",
		"conv_stem.weight 4,3,3,3\nblocks.0.0.conv_dw.weight 4,1,3,3\nblocks.0.0.conv_pw.weight 4,4,1,1\nconv_head.weight 4,4,1,1\nclassifier.weight 2,4",
		"features.0.0.weight 4,3,3,3\nfeatures.1.conv.0.0.weight 4,1,3,3\nfeatures.1.conv.1.weight 4,4,1,1\nfeatures.2.0.weight 4,4,1,1\nclassifier.1.weight 2,4",
	} {
		f.Add(anchor, ":pad=same,act=silu", "", "")
		f.Add(anchor, "", `{"architecture":"tf_efficientnet_b0"}`, "features.0 a.Conv2d stride 7")
	}
	f.Add("fc.weight_g 2,1\nfc.weight_v 2,2\nconv1.weight_orig 4,3,7,7\nconv1.weight_mask 4,3,7,7", "", "", "")
	f.Fuzz(func(t *testing.T, text, spec, config, modules string) {
		file, err := parseNamed(strings.Split(text, "\n"))
		if err != nil {
			return
		}
		s, err := ParseSpec(spec)
		if err != nil {
			return
		}
		about := weights.About{Config: []byte(config)}
		for _, line := range strings.Split(modules, "\n") {
			if parts := strings.SplitN(line, " ", 4); len(parts) == 4 {
				if about.Modules == nil {
					about.Modules = map[string]weights.Module{}
				}
				var v any = parts[3]
				if n, err := strconv.ParseInt(parts[3], 0, 64); err == nil {
					v = n
				}
				about.Modules[parts[0]] = module(parts[1], parts[2], v)
			}
		}
		*file.About() = about
		a, err := Match(file, s)
		if err != nil {
			return
		}
		a.Describe()
		// Small networks are built, on the smallest input that could do.
		if elements := len(text); elements < 1<<14 && a.Facts.Groups <= 4 {
			a.Load(file, LoadOptions{Width: 32, Height: 48})
		}
	})
}
