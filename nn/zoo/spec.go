package zoo

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Spec is what a user says of the network: a name, and settings that tensors cannot tell,
// "resnet50:stride=conv1,eps=1e-3". Its zero value leaves everything to the file.
type Spec struct {
	Name     string
	Settings map[string]string
}

// setting is a key of a Spec.
type setting struct {
	key      string
	values   []string // nil: any
	families []string // nil: all
	what     string
}

// settings are all there are. Each is about something that names and shapes do not decide.
var settings = []setting{
	{"stride", []string{"conv1", "conv2"}, []string{"resnet"}, "which convolution of a bottleneck halves the map: conv2 (torchvision, timm) or conv1 (the first ResNets, Caffe's)"},
	{"conv1_stride", []string{"1", "2"}, []string{"resnet"}, "stride of the first convolution"},
	{"maxpool", []string{"on", "off"}, []string{"resnet"}, "the max-pooling of the stem"},
	{"eps", nil, append([]string{"resnet", "googlenet", "vgg", "densenet"}, invertedNames()...), "epsilon of every batch normalisation of the trunk"},
	{"pool", []string{"avg", "max", "max+avg", "avg+max"}, nil, "the pooling before the head; both, for a head that takes two values a channel, in this order"},
	{"act", []string{"relu", "relu6", "silu", "hardswish"}, nil, "the activation of the trunk: only of a network of inverted residuals any but ReLU"},
	{"pad", []string{"symmetric", "same"}, invertedNames(), "the padding of convolutions: same is TensorFlow's \"SAME\", as in timm's tf_ networks, and comes with eps=1e-3"},
	{"head_act", []string{"relu", "none"}, nil, "what stands between the linear layers of the head"},
	{"transform_input", []string{"on", "off"}, []string{"googlenet"}, "torchvision's map from ImageNet's mean and deviation to 0.5 and 0.5"},
	{"prefix", nil, nil, "the network, of a file that holds several: what its tensors' names begin with, '.' for nothing"},
	{"head", nil, nil, "the head, of a network that has several"},
	{"ignore", nil, nil, "tensors that are not the network's: what their names begin with"},
}

// ParseSpec reads NAME, NAME:key=value,... or :key=value,... An unknown key or value is an
// error that lists those there are.
func ParseSpec(text string) (Spec, error) {
	name, rest, more := strings.Cut(text, ":")
	s := Spec{Name: name}
	if !more {
		return s, nil
	}
	s.Settings = map[string]string{}
	for _, part := range strings.Split(rest, ",") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || key == "" || value == "" {
			return s, fmt.Errorf("zoo: model %q: want NAME:key=value,...", text)
		}
		if _, twice := s.Settings[key]; twice {
			return s, fmt.Errorf("zoo: model %q: %s is given twice", text, key)
		}
		s.Settings[key] = value
	}
	return s, s.check("")
}

// String is what ParseSpec reads.
func (s Spec) String() string {
	text := s.Name
	for i, key := range slices.Sorted(maps.Keys(s.Settings)) {
		text += [2]string{":", ","}[min(i, 1)] + key + "=" + s.Settings[key]
	}
	return text
}

// check finds settings that do not exist, or not in a family ("" for any).
func (s Spec) check(family string) error {
	for _, key := range slices.Sorted(maps.Keys(s.Settings)) {
		value := s.Settings[key]
		i := slices.IndexFunc(settings, func(o setting) bool { return o.key == key })
		if i < 0 {
			var known []string
			for _, o := range settings {
				known = append(known, o.key)
			}
			return fmt.Errorf("zoo: model setting %q: unknown (known: %s)", key, strings.Join(known, ", "))
		}
		o := settings[i]
		if o.values != nil && !slices.Contains(o.values, value) {
			return fmt.Errorf("zoo: model setting %s=%s: want %s (%s)", key, value, strings.Join(o.values, " or "), o.what)
		}
		if family != "" && o.families != nil && !slices.Contains(o.families, family) {
			return fmt.Errorf("zoo: model setting %s: only for %s, the network is a %s", key, strings.Join(o.families, ", "), family)
		}
		if key == "act" && value != "relu" && family != "" && !slices.Contains(invertedNames(), family) {
			return fmt.Errorf("zoo: model setting act=%s: only relu can be run in a %s", value, family)
		}
		if key == "eps" {
			if v, err := strconv.ParseFloat(value, 64); err != nil || !(v >= 0 && v <= 1) {
				return fmt.Errorf("zoo: model setting eps=%s: want a number from 0 to 1", value)
			}
		}
	}
	return nil
}

// with is the option of the command line that a user adds for key=value.
func (s Spec) with(key, value string) string {
	return fmt.Sprintf("--model %s:%s=%s", s.Name, key, value)
}
