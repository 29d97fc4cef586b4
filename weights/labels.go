package weights

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cwox/weights/pickle"
)

// labelKeys are the names of values that may hold class names, the surest first, and how
// they are read.
var labelKeys = []struct {
	key  string
	read func(v any) []string
}{
	{"class_to_idx", namesToIndices},
	{"idx_to_class", indicesToNames},
	{"id2label", indicesToNames},
	{"label2id", namesToIndices},
	{"idx2label", indicesToNames},
	{"class_names", listOrIndices},
	{"classes", listOrIndices},
	{"label_names", listOrIndices},
	{"names", listOrIndices}, // of YOLO
	{"labels", distinctList},
	{"vocab", distinctList}, // of fastai
}

// labelScopes are the dicts and objects, below the top level and below each other, that
// may hold such values.
var labelScopes = []string{
	"meta", "metadata", "dataset_meta", "hyper_parameters", "datamodule_hyper_parameters", "hparams",
	"args", "opt", "config", "cfg", "dataset", "data", "info", "extra", "model_args", "model_info",
}

// scope is a dict or object of a file where it may say something of itself.
type scope struct {
	name  string // the path that leads to it
	value any
}

// scopesOf are the top level of a pickle, the module that was taken, and labelScopes.
func scopesOf(top any, taken candidate) []scope {
	const most, deepest = 64, 2
	scopes := []scope{{"", top}}
	if o, ok := taken.value.(*pickle.Object); ok {
		scopes = append(scopes, scope{taken.key(), o})
	}
	for i := 0; i < len(scopes) && len(scopes) < most; i++ {
		s := scopes[i]
		if strings.Count(s.name, ".") >= deepest {
			continue
		}
		for _, d := range fields(s.value) {
			for _, name := range labelScopes {
				if v, ok := d.Get(name); ok {
					scopes = append(scopes, scope{join(s.name, name), v})
				}
			}
		}
	}
	return scopes
}

// describe notes what is said beside the tensors of a pickle.
func (f *File) describe(top any, taken candidate) {
	scopes := scopesOf(top, taken)
	f.about.Labels, f.about.LabelsFrom = findLabels(scopes)
	f.about.Architecture = findArchitecture(scopes)
}

// findLabels looks for class names beside the state dict that was taken, and among the
// attributes of a module.
func findLabels(scopes []scope) (labels []string, from string) {
	for _, s := range scopes {
		for _, d := range fields(s.value) {
			if labels, key := labelsIn(d); labels != nil {
				return labels, join(s.name, key)
			}
		}
	}
	return nil, ""
}

// architectureKeys are the names of values that may name the network: of PyTorch's ImageNet
// example and timm's checkpoints, and of the arguments of many training programs.
var architectureKeys = []string{"arch", "architecture", "model_name", "model", "backbone"}

// findArchitecture looks for the name of the network: one word.
func findArchitecture(scopes []scope) string {
	const longest = 64
	for _, s := range scopes {
		for _, d := range fields(s.value) {
			for _, key := range architectureKeys {
				v, _ := d.Get(key)
				if name, ok := v.(string); ok && name != "" && len(name) <= longest && !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' }) {
					return name
				}
			}
		}
	}
	return ""
}

// fields are the items and the attributes of a value.
func fields(v any) (all []*pickle.Dict) {
	if isTensor(v) {
		return nil
	}
	if d, ok := mapping(v); ok {
		all = append(all, d)
	}
	if o, ok := v.(*pickle.Object); ok {
		if d := attributes(o); d != nil {
			all = append(all, d)
		}
	}
	return all
}

// labelsIn looks for class names in one dict. Upper case counts too (mmdetection: CLASSES).
func labelsIn(d *pickle.Dict) ([]string, string) {
	for _, row := range labelKeys {
		for _, key := range []string{row.key, strings.ToUpper(row.key)} {
			if v, ok := d.Get(key); ok {
				if labels := row.read(v); len(labels) > 0 {
					return labels, key
				}
			}
		}
	}
	return nil, ""
}

// namesToIndices reads a dict of names with their indices: a whole list 0 .. n-1, or nil.
func namesToIndices(v any) []string {
	d, ok := mapping(v)
	if !ok {
		return nil
	}
	return byIndex(d, func(e pickle.Entry) (any, any) { return e.Value, e.Key })
}

// indicesToNames reads a dict of indices, numbers or of JSON their digits, with names.
func indicesToNames(v any) []string {
	d, ok := mapping(v)
	if !ok {
		return nil
	}
	return byIndex(d, func(e pickle.Entry) (any, any) { return e.Key, e.Value })
}

func byIndex(d *pickle.Dict, split func(pickle.Entry) (index, name any)) []string {
	if len(d.Entries) > maxTensors {
		return nil
	}
	labels := make([]string, len(d.Entries))
	for _, e := range d.Entries {
		index, name := split(e)
		if digits, ok := index.(string); ok {
			n, err := strconv.ParseInt(digits, 10, 64)
			if err != nil {
				return nil
			}
			index = n
		}
		i, ok1 := index.(int64)
		s, ok2 := className(name)
		if !ok1 || !ok2 || i < 0 || i >= int64(len(labels)) || labels[i] != "" {
			return nil
		}
		labels[i] = s
	}
	return unlessMadeUp(labels)
}

// listOrIndices reads a list of names, or indicesToNames.
func listOrIndices(v any) []string {
	if labels := indicesToNames(v); labels != nil {
		return labels
	}
	return list(v)
}

func list(v any) []string {
	items, ok := sequence(v)
	if o, isObject := v.(*pickle.Object); !ok && isObject { // a NumPy array of objects
		if state, isTuple := o.State.(pickle.Tuple); isTuple && len(state) == 5 {
			items, ok = sequence(state[4])
		}
	}
	if !ok || len(items) > maxTensors {
		return nil
	}
	labels := make([]string, 0, len(items))
	for _, item := range items {
		s, ok := className(item)
		if !ok {
			return nil
		}
		labels = append(labels, s)
	}
	return unlessMadeUp(labels)
}

// distinctList is for keys that may as well hold the labels of a data set's items.
func distinctList(v any) []string {
	labels := listOrIndices(v)
	sorted := slices.Sorted(slices.Values(labels))
	if len(slices.Compact(sorted)) < len(labels) {
		return nil
	}
	return labels
}

// className is a name that can be shown: of one line, and not too long. A number is one.
func className(v any) (string, bool) {
	const longest = 1024
	switch v := v.(type) {
	case string:
		s := strings.TrimSpace(v)
		return s, s != "" && len(s) <= longest && !strings.ContainsAny(s, "\n\r\x00")
	case int64:
		return strconv.FormatInt(v, 10), true
	}
	return "", false
}

// unlessMadeUp is nil where all labels are made up of their indices: what Hugging Face writes
// where nobody gave names.
func unlessMadeUp(labels []string) []string {
	for i, s := range labels {
		if s != fmt.Sprintf("LABEL_%d", i) {
			return labels
		}
	}
	return nil
}

// configLabels are the class names of a config.json: of Hugging Face (id2label), or of
// timm (label_names, with what WordNet ids mean in label_descriptions).
func configLabels(config any) ([]string, string) {
	d, ok := config.(*pickle.Dict)
	if !ok {
		return nil, ""
	}
	scopes := []*pickle.Dict{d}
	for _, name := range []string{"pretrained_cfg", "text_config", "vision_config"} {
		if v, ok := d.Get(name); ok {
			if inner, ok := v.(*pickle.Dict); ok {
				scopes = append(scopes, inner)
			}
		}
	}
	for _, s := range scopes {
		labels, key := labelsIn(s)
		if labels == nil {
			continue
		}
		if v, ok := s.Get("label_descriptions"); ok && key == "label_names" {
			if described := describeLabels(labels, v); described != nil {
				return described, "label_descriptions"
			}
		}
		return labels, key
	}
	return nil, ""
}

// describeLabels replaces WordNet ids by their descriptions, where all have one.
func describeLabels(labels []string, descriptions any) []string {
	d, ok := descriptions.(*pickle.Dict)
	if !ok {
		return nil
	}
	out := make([]string, len(labels))
	for i, id := range labels {
		v, _ := d.Get(id)
		s, ok := className(v)
		if !ok || len(id) != 9 || id[0] != 'n' || strings.Trim(id[1:], "0123456789") != "" {
			return nil
		}
		out[i] = s
	}
	return out
}

// metadataLabels are those of the strings of a safetensors header: "classes", one a line (a
// single line is a remark, as "1000, in the usual order"), or any of the keys as JSON.
func metadataLabels(metadata map[string]string) ([]string, string) {
	d := &pickle.Dict{}
	for _, row := range labelKeys {
		text, ok := metadata[row.key]
		if !ok {
			continue
		}
		var v any = text
		if trimmed := strings.TrimSpace(text); strings.HasPrefix(trimmed, "[") || strings.HasPrefix(trimmed, "{") {
			if parsed, err := parseJSON([]byte(trimmed)); err == nil {
				v = parsed
			}
		}
		if _, isText := v.(string); isText {
			if !strings.Contains(strings.TrimSuffix(text, "\n"), "\n") {
				continue
			}
			l := &pickle.List{}
			for line := range strings.SplitSeq(strings.TrimSuffix(text, "\n"), "\n") {
				l.Items = append(l.Items, line)
			}
			v = l
		}
		d.Entries = append(d.Entries, pickle.Entry{Key: row.key, Value: v})
	}
	if labels, key := labelsIn(d); labels != nil {
		return labels, key
	}
	if text, ok := metadata["config"]; ok { // config.json, as some exporters write it
		if config, err := parseJSON([]byte(text)); err == nil {
			return configLabels(config)
		}
	}
	return nil, ""
}
