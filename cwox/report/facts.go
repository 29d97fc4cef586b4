package report

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// base is a file's name without its folders, which are nobody's business; "" stays.
func base(path string) string {
	if path == "" {
		return ""
	}
	return filepath.Base(path)
}

// facts are the settings that the maps depend on.
func facts(r *Report) []fact {
	list := []fact{
		{"Image", fmt.Sprintf("%s, %d \u00d7 %d", base(Plain(r.Image.File)), r.Image.Width, r.Image.Height)},
		{"Image SHA-256", r.Image.SHA256},
		{"Input", inputFact(r.Input)},
		{"Seen", seenFact(r)},
		{"Model", r.Model.Name},
		{"Weights", base(Plain(r.Model.Weights))},
		{"Weights SHA-256", r.Model.WeightsSHA256},
		{"Arithmetic", strings.TrimSpace(r.Model.Precision + " " + r.Model.Kernel)},
		{"Probabilities", probabilities(r.Model.Output)},
		{"Label tree", treeFact(r.Tree)},
		{"Label tree SHA-256", r.Tree.SHA256},
	}
	for _, one := range r.Each() {
		list = append(list, fact{"Method", one.Method + " (" + one.Variant + ")"}, fact{"Explainer", one.Explainer.Name})
		list = append(list, settings("", one.Explainer.Settings)...)
	}
	list = append(list, fact{"Seed", strconv.FormatUint(r.Seed, 10)})
	for i := range list {
		list[i] = fact{clip(Plain(list[i].Name), 80), clip(Plain(list[i].Value), 500)}
	}
	return slices.DeleteFunc(list, func(f fact) bool { return f.Value == "" })
}

// inputFact says how the network's input was made.
func inputFact(in *Input) string {
	switch {
	case in == nil:
		return ""
	case in.Transform == nil:
		return "given as it is"
	}
	return strings.TrimPrefix(in.Transform.Name+": "+in.Transform.String(), ": ")
}

// seenFact says what part of the picture the network saw, where it is not the whole.
func seenFact(r *Report) string {
	if r.Input == nil || r.Input.Unseen <= 0 {
		return ""
	}
	s := r.Input.Seen
	return fmt.Sprintf("%.4g \u00d7 %.4g of %d \u00d7 %d pixels, from %.4g, %.4g on (%s)", s.Width, s.Height,
		r.Image.Width, r.Image.Height, s.X, s.Y, percent(1-r.Input.Unseen))
}

// probabilities says how they come from the logits, where it is not by softmax.
func probabilities(output string) string {
	if output == "" {
		return ""
	}
	return output + ": each class by itself"
}

// treeFact is a tree in a line: "file tree.json, level 1".
func treeFact(t Tree) string {
	parts := []string{strings.TrimSpace(t.Source + " " + base(Plain(t.File)))}
	if t.Level > 0 {
		parts = append(parts, fmt.Sprintf("level %d", t.Level))
	}
	if t.Missing > 0 {
		parts = append(parts, fmt.Sprintf("lacks %d of the classes", t.Missing))
	}
	return strings.Join(parts, ", ")
}

// settings lists nested settings in the order of their names: "cluster layer: layer4".
func settings(prefix string, set map[string]any) []fact {
	var list []fact
	for _, k := range slices.Sorted(maps.Keys(set)) {
		if inner, ok := set[k].(map[string]any); ok {
			list = append(list, settings(prefix+k+" ", inner)...)
			continue
		}
		text, err := json.Marshal(set[k])
		if err != nil {
			text = []byte("not a value") // Write has refused it
		}
		list = append(list, fact{capital(strings.ReplaceAll(prefix+k, "_", " ")), strings.Trim(string(text), `"`)})
	}
	return list
}
