package zoo

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cwox/nn"
	"cwox/weights"
)

// says is what a file says of its network beside tensors: the layers of a whole pickled
// module, and the configuration in its folder.
type says struct {
	modules map[string]weights.Module
	paths   []string        // of modules, in natural order
	holds   map[string]bool // modules that have others in them
	config  config
}

// config is config.json, Hugging Face's or timm's, as far as it is about arithmetic.
type config struct {
	ModelType               string         `json:"model_type"`
	HiddenAct               string         `json:"hidden_act"`
	DownsampleInBottleneck  *bool          `json:"downsample_in_bottleneck"`
	DownsampleInFirstStage  *bool          `json:"downsample_in_first_stage"`
	Architecture            string         `json:"architecture"` // timm
	ModelArgs               map[string]any `json:"model_args"`
	GlobalPool              any            `json:"global_pool"`
	Architectures           any            `json:"architectures"`
	TransformInput          *bool          `json:"transform_input"`
	given, fromHF, fromTimm bool
	from                    string // what names Architecture, where it is not config.json
}

// newSays reads what a file says. A configuration that is not JSON of the form expected says
// nothing.
func newSays(about *weights.About) says {
	s := says{modules: about.Modules, paths: slices.SortedFunc(maps.Keys(about.Modules), natural), holds: map[string]bool{}}
	for _, path := range s.paths {
		if i := strings.LastIndexByte(path, '.'); i >= 0 {
			s.holds[path[:i]] = true
		}
	}
	if len(about.Config) > 0 && len(about.Config) <= 1<<20 && json.Unmarshal(about.Config, &s.config) == nil {
		c := &s.config
		c.fromTimm = c.Architecture != ""
		c.fromHF = c.ModelType == "resnet"
		c.given = c.fromTimm || c.fromHF
	}
	if s.config.Architecture == "" {
		s.config.Architecture, s.config.from = about.Architecture, "the file"
	}
	return s
}

// unknown is an architecture by the names of timm that is something else than its tensors
// look like.
type unknown struct {
	name *regexp.Regexp
	what string
}

// Architectures whose names tell what tensors do not.
var unknowns = []unknown{
	{regexp.MustCompile(`blur`), "blur pooling (anti-aliasing)"},
	{regexp.MustCompile(`^(se|eca)?resnetaa|^resnextaa`), "anti-aliasing by average pooling"},
	{regexp.MustCompile(`_gn\b|_gn$`), "group norm"},
	{regexp.MustCompile(`resnetv2`), "pre-activation (ResNet v2)"},
	{regexp.MustCompile(`^resnetrs`), "a stem that convolves instead of pooling (ResNet-RS)"},
	{regexp.MustCompile(`evos|_ap_`), "another normalisation or pooling"},
}

// check finds what cannot be run in the configuration, classes being the activations that can.
func (c *config) check(classes []string) error {
	base, _, _ := strings.Cut(strings.ToLower(c.Architecture), ".")
	for _, u := range unknowns {
		if u.name.MatchString(base) {
			return fmt.Errorf("%s names the architecture %q: %s cannot be run", cmp.Or(c.from, "config.json"), clip(c.Architecture), u.what)
		}
	}
	if c.fromHF {
		return activationName("config.json: hidden_act", c.HiddenAct, classes)
	}
	for _, key := range slices.Sorted(maps.Keys(c.ModelArgs)) {
		value := fmt.Sprint(c.ModelArgs[key])
		if c.ModelArgs[key] == nil || value == "" {
			continue
		}
		at := fmt.Sprintf("config.json: model_args %s=%s", clip(key), clip(value))
		switch key {
		case "output_stride":
			if value != "32" {
				return fmt.Errorf("%s: dilation in place of stride cannot be run", at)
			}
		case "act_layer":
			if err := activationName(at, value, classes); err != nil {
				return err
			}
		case "aa_layer":
			return fmt.Errorf("%s: anti-aliasing (blur pooling) cannot be run", at)
		case "norm_layer":
			if !strings.Contains(strings.ToLower(value), "batchnorm") {
				return fmt.Errorf("%s: only batch normalisation can be run", at)
			}
		case "block_args", "attn_layer":
			if strings.Contains(value, "attn_layer") || key == "attn_layer" {
				return fmt.Errorf("%s: attention in the blocks cannot be run", at)
			}
		case "stem_pool":
			return fmt.Errorf("%s: another pooling in the stem cannot be run", at)
		case "global_pool":
			if value != "avg" && value != "max" && value != "catavgmax" {
				return fmt.Errorf("%s: only avg, max and catavgmax can be run", at)
			}
		}
	}
	return nil
}

// pool is the global pooling that the configuration names: "avg", "max" or "".
func (c *config) pool() string {
	for _, v := range []any{c.ModelArgs["global_pool"], c.GlobalPool} {
		if s, ok := v.(string); ok && s != "" {
			return s
		}
	}
	if c.given {
		return "avg"
	}
	return ""
}

// activationName is an error for any activation but those of the network; "" is not one.
func activationName(where, name string, classes []string) error {
	base := name[strings.LastIndexAny(name, ".:")+1:]
	if base != "" && !slices.ContainsFunc(classes, func(c string) bool { return strings.EqualFold(c, strings.ReplaceAll(base, "_", "")) }) {
		return fmt.Errorf("%s: the activation is %s; only %s can be run", where, clip(name), classes[0])
	}
	return nil
}

// inert are classes that do nothing in evaluation, or only hold others.
var inert = []string{"Identity", "Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout", "DropPath", "StochasticDepth", "DropBlock2d", "Flatten", "Sequential", "ModuleList", "ModuleDict"}

// cannot are classes that change the arithmetic, and what they are.
var cannot = []struct {
	class *regexp.Regexp
	what  string
}{
	{regexp.MustCompile(`^(SiLU|Swish|SwishMe|MemoryEfficientSwish|GELU|GELUTanh|QuickGELU|LeakyReLU|PReLU|RReLU|ELU|CELU|SELU|Mish|MishMe|Hardswish|HardSwish|Hardtanh|ReLU6|Tanh|Sigmoid|Hardsigmoid|Softplus|Softsign|Threshold|LogSigmoid|FReLU|FrozenReLU)$`), "the activation"},
	{regexp.MustCompile(`(?i)blur`), "anti-aliasing by blur pooling,"},
	{regexp.MustCompile(`^(GroupNorm|GroupNormAct|GroupNorm1|LayerNorm|LayerNorm2d|InstanceNorm2d|EvoNorm.*|FilterResponseNorm.*)$`), "the normalisation"},
	{regexp.MustCompile(`^(SE|SEModule|SELayer|SEBlock|SqueezeExcite|SqueezeExcitation|EffectiveSEModule|EcaModule|CecaModule|ECA|ECALayer|eca_layer|CBAM|CbamModule|LightCbamModule|ChannelAttention|SpatialAttention|ChannelGate|SpatialGate|GlobalContext|GatherExcite|SplitAttn|SelectiveKernel|AttentionPool2d)$`), "attention,"},
	{regexp.MustCompile(`(?i)deform`), "a deformable convolution,"},
	{regexp.MustCompile(`^(GeM|GeneralizedMeanPooling.*|AdaptiveAvgMaxPool2d|LPPool2d|SoftPool2d)$`), "the pooling"},
	{regexp.MustCompile(`^(Conv1d|Conv3d|ConvTranspose2d|Bilinear|MultiheadAttention|PixelShuffle|Upsample)$`), "the layer"},
}

// class is the last component of a Python name.
func class(m weights.Module) string { return m.Class[strings.LastIndexByte(m.Class, '.')+1:] }

// classesOf are the classes of modules by what they compute.
var classesOf = map[nn.Function][]string{
	nn.ReLU:        {"ReLU"},
	nn.Clip:        {"ReLU6"},
	nn.SiLU:        {"SiLU", "Swish", "SwishMe", "MemoryEfficientSwish"},
	nn.HardSwish:   {"Hardswish", "HardSwish", "HardSwishMe"},
	nn.Sigmoid:     {"Sigmoid"},
	nn.HardSigmoid: {"Hardsigmoid", "HardSigmoid", "HardSigmoidMe"},
}

// gates are classes of squeeze-and-excitation.
var gates = []string{"SE", "SEModule", "SELayer", "SEBlock", "SqueezeExcite", "SqueezeExcitation", "AdaptiveAvgPool2d"}

// ownClasses are those of a body's modules that others cannot have, and the only activations that
// it may.
func ownClasses(b body) []string {
	var out []string
	switch b := b.(type) {
	case *net:
		out = []string{"MaxPool2d", "AvgPool2d", "Conv2dSame", "Conv2dStaticSamePadding"}
		for _, f := range b.functions() {
			out = append(out, classesOf[f]...)
			if f == nn.Sigmoid || f == nn.HardSigmoid {
				out = append(out, gates...)
			}
		}
	case *resnet:
		out = classesOf[nn.ReLU]
		if b.gated() {
			out = append(slices.Concat(out, classesOf[nn.Sigmoid]), gates...)
		}
	}
	return out
}

// check finds layers below the prefix that cannot be run; foreign says which names are not
// the network's, trunk which lie in its residual blocks, where every layer must be known, and own
// are classes that this network has.
func (s *says) check(prefix string, foreign, trunk func(path string) bool, own []string) error {
	for _, path := range s.paths {
		if !strings.HasPrefix(path+".", prefix) || foreign(path) {
			continue
		}
		m := s.modules[path]
		name := class(m)
		for _, c := range cannot {
			if !slices.Contains(own, name) && c.class.MatchString(name) && (name != "Sigmoid" || trunk(path)) { // one may end the network
				return fmt.Errorf("%q is a %s: %s %s cannot be run (ReLU, batch norm, convolution, max and mean pooling can)", clip(path), clip(m.Class), c.what, clip(name))
			}
		}
		for _, key := range slices.Sorted(maps.Keys(m.Attributes)) {
			g, ok := m.Attributes[key].(weights.Global)
			if !ok {
				continue
			}
			base := string(g)[strings.LastIndexByte(string(g), '.')+1:]
			for _, c := range cannot[:1] {
				if c.class.MatchString(base) || strings.HasPrefix(string(g), "torch.nn.functional.") && slices.Contains(functions, base) {
					return fmt.Errorf("%q: its %s is %s: the activation cannot be run, only ReLU", clip(path), clip(key), clip(string(g)))
				}
			}
		}
		if own != nil && name == "ReLU" && trunk(path) && !slices.Contains(own, name) {
			return fmt.Errorf("%q is a ReLU: this network's activation is another", clip(path))
		}
		known := slices.Contains(inert, name) || slices.Contains(own, name) || slices.Contains([]string{"ReLU", "Conv2d", "BatchNorm2d", "SyncBatchNorm", "FrozenBatchNorm2d", "AvgPool2d", "MaxPool2d", "BatchNormAct2d"}, name)
		if trunk(path) && !slices.Contains(own, name) && (name == "AvgPool2d" || name == "MaxPool2d") {
			k, ok := side(m.Attributes["kernel_size"])
			stride, okStride := side(m.Attributes["stride"])
			if name == "MaxPool2d" || !shortcutPool.MatchString(path) || ok && okStride && (k != 2 || stride != 2 && stride != 1) {
				return fmt.Errorf("%q is a %s: pooling in a residual block, but 2x2 in a shortcut, cannot be run (anti-aliasing?)", clip(path), clip(m.Class))
			}
		}
		if (trunk(path) || slices.Contains([]string{"relu", "act", "act1", "activation", "maxpool"}, strings.TrimPrefix(path, prefix))) && !known && !s.holds[path] {
			return fmt.Errorf("%q is a %s, which is not known: what it computes cannot be told", clip(path), clip(m.Class))
		}
	}
	return nil
}

// shortcutPool is the place of a ResNet-D's average pooling.
var shortcutPool = regexp.MustCompile(`(downsample|shortcut)\.(0|pool)$`)

// functions are activations of torch.nn.functional.
var functions = []string{"silu", "gelu", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "elu", "elu_", "celu", "selu", "mish", "hardswish", "hardtanh", "relu6", "tanh", "sigmoid", "hardsigmoid", "softplus"}

// conv takes stride, padding and eps of a convolution and its normalisation from the layers
// whose paths in the file are given, and says whether they tell.
func (s *says) conv(c *conv, path, norm string) (told bool, err error) {
	if c.norm != "" {
		if err := s.norm(&c.eps, norm); err != nil {
			return false, err
		}
	}
	m, ok := s.modules[path]
	if !ok {
		return false, nil
	}
	a := m.Attributes
	c.same = strings.HasSuffix(class(m), "Same") || class(m) == "Conv2dStaticSamePadding"
	if d, ok := side(a["dilation"]); ok && d != 1 {
		return false, fmt.Errorf("%q: dilation %d cannot be run", clip(path), d)
	}
	if mode, ok := a["padding_mode"].(string); ok && mode != "zeros" {
		return false, fmt.Errorf("%q: padding by %q cannot be run, only zeros", clip(path), clip(mode))
	}
	if g, ok := number(a["groups"]); ok && int(g) != c.groups {
		return false, fmt.Errorf("%q: %v groups, its weights are those of %d", clip(path), g, c.groups)
	}
	for _, key := range []string{"stride", "padding", "dilation"} {
		if v, there := a[key].([]any); there && len(v) == 2 {
			if _, ok := side(v); !ok {
				return false, fmt.Errorf("%q: %s %v: only equal sides can be run", clip(path), key, v)
			}
		}
	}
	stride, known := side(a["stride"])
	if !known {
		return false, nil
	}
	if stride < 1 || stride > 16 {
		return false, fmt.Errorf("%q: stride %d", clip(path), stride)
	}
	c.stride = stride
	if pad, ok := side(a["padding"]); ok {
		if pad < 0 || pad > 16 {
			return false, fmt.Errorf("%q: padding %d", clip(path), pad)
		}
		c.pad = pad
	} else if mode, ok := a["padding"].(string); ok {
		switch {
		case mode == "valid":
			c.pad = 0
		case mode != "same" || stride != 1 || c.kernel%2 == 0:
			return false, fmt.Errorf("%q: padding %q with stride %d", clip(path), clip(mode), stride)
		}
	}
	return true, nil
}

// norm takes eps of a normalisation from the layer whose path is given.
func (s *says) norm(eps *float64, path string) error {
	a := s.modules[path].Attributes
	if v, ok := number(a["eps"]); ok {
		if !(v >= 0 && v <= 1) {
			return fmt.Errorf("%q: eps %v", clip(path), v)
		}
		*eps = v
	}
	if track, ok := a["track_running_stats"].(bool); ok && !track {
		return fmt.Errorf("%q: statistics of each batch (track_running_stats=False) cannot be run", clip(path))
	}
	return nil
}

// stemPool is the pooling of the stem: known, and nil for none. It is looked for among the
// layers beside those of the trunk that stage tells.
func (s *says) stemPool(prefix string, beside func(path string) bool) (pool *nn.Pool, known bool, err error) {
	named := prefix + "maxpool"
	for _, path := range s.paths {
		m := s.modules[path]
		if !strings.HasPrefix(path, prefix) || !beside(path) {
			continue
		}
		switch name := class(m); {
		case name == "MaxPool2d":
			pool, err := maxPoolOf(path, m)
			return pool, true, err
		case path == named && name == "AvgPool2d":
			return nil, true, fmt.Errorf("%q: average pooling in the stem cannot be run", clip(path))
		case path == named && name == "Identity":
			return nil, true, nil
		}
	}
	// torchvision's and timm's own class, or a Sequential, holds every layer that it runs.
	root := s.modules[strings.TrimSuffix(prefix, ".")]
	whole := strings.HasPrefix(root.Class, "torchvision.models.") || strings.HasPrefix(root.Class, "timm.models.") || class(root) == "Sequential"
	return nil, whole, nil
}

// maxPoolOf reads a MaxPool2d.
func maxPoolOf(path string, m weights.Module) (*nn.Pool, error) {
	a := m.Attributes
	size, ok0 := side(a["kernel_size"])
	stride, ok1 := side(a["stride"])
	pad, ok2 := side(a["padding"])
	ok := [3]bool{ok0, ok1, ok2}
	if ok == [3]bool{} {
		return stemPool(), nil // a class without attributes: as everywhere
	}
	ceil, _ := a["ceil_mode"].(bool)
	if d, ok := side(a["dilation"]); ok && d != 1 {
		return nil, fmt.Errorf("%q: dilation %d cannot be run", clip(path), d)
	}
	if !ok[0] || !ok[1] || size < 1 || size > 16 || stride < 1 || stride > 16 || pad < 0 || 2*pad > size {
		return nil, fmt.Errorf("%q: max-pooling of kernel %v, stride %v, padding %v cannot be run", clip(path), a["kernel_size"], a["stride"], a["padding"])
	}
	return &nn.Pool{Window: nn.Square(size, stride, pad), Ceil: ceil}, nil
}

// globalPool is the pooling before the head, "avg", "max" or "" where it is not told.
func (s *says) globalPool(prefix string, beside func(path string) bool) string {
	for _, path := range s.paths {
		if !strings.HasPrefix(path, prefix) || !beside(path) {
			continue
		}
		m := s.modules[path]
		switch class(m) {
		case "AdaptiveMaxPool2d":
			return "max"
		case "AdaptiveAvgPool2d", "FastAdaptiveAvgPool2d", "FastAdaptiveAvgPool":
			return "avg"
		case "AdaptiveCatAvgMaxPool2d":
			return string(catPool)
		case "AdaptiveConcatPool2d":
			return string(concatPool)
		case "SelectAdaptivePool2d":
			if kind, ok := m.Attributes["pool_type"].(string); ok {
				return strings.TrimPrefix(kind, "fast")
			}
		}
	}
	return ""
}

// between says whether an activation of a class lies between two layers of one Sequential.
func (s *says) between(from, to, act string) (there, known bool, err error) {
	n := gap(from, to)
	at := from[:strings.LastIndexByte(from, '.')+1]
	if n < 1 || at != to[:strings.LastIndexByte(to, '.')+1] || at == "" || class(s.modules[strings.TrimSuffix(at, ".")]) != "Sequential" {
		return false, false, nil
	}
	first, _ := strconv.Atoi(from[len(at):])
	for i := first + 1; i < first+min(n, maxHeadLayers); i++ {
		path := at + strconv.Itoa(i)
		m, ok := s.modules[path]
		switch name := class(m); {
		case !ok || slices.Contains(inert, name):
		case name == act:
			there = true
		default:
			return false, false, fmt.Errorf("%q is a %s between the layers of the head, and cannot be run: %s can", clip(path), clip(m.Class), act)
		}
	}
	return there, true, nil
}

// number is an int64 or float64.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// side is a whole number, or a pair of equal ones.
func side(v any) (int, bool) {
	switch v := v.(type) {
	case int64:
		return int(v), true
	case []any:
		if len(v) == 1 {
			return side(v[0])
		}
		if len(v) == 2 {
			x, okX := v[0].(int64)
			y, okY := v[1].(int64)
			return int(x), okX && okY && x == y
		}
	}
	return 0, false
}

// clip keeps strings from outside short.
func clip(s string) string {
	const most = 120
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "..."
	}
	return s
}
