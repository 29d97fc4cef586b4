package report

import (
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/weights"
)

// namedMap is a map under its name in maps.safetensors.
type namedMap struct {
	name string
	m    saliency.Map
}

// mapsOf lists every map of an explanation: cluster/<i> and class/<index> are the
// contrastive heatmaps, base/... the saliency maps that they came from; with the name of a run
// in front where there is one.
func mapsOf(e *cwox.Explanation, run string) []namedMap {
	var list []namedMap
	add := func(kind string, id int, m *saliency.Map) {
		if m != nil && m.Data != nil {
			list = append(list, namedMap{tensorName(run, kind, id), *m})
		}
	}
	for i, c := range e.Clusters {
		add("cluster", i, &c.Map)
		add("base/cluster", i, c.Base)
		add("base/rest", i, c.Rest)
	}
	for _, c := range e.Classes {
		add("class", c.Class, &c.Map)
		add("base/class", c.Class, c.Base)
		add("base/foil", c.Class, c.Foil)
	}
	return list
}

func tensorName(run, kind string, id int) string {
	name := kind + "/" + strconv.Itoa(id)
	if run != "" {
		name = run + "/" + name
	}
	return name
}

// WriteMaps writes maps.safetensors.
func WriteMaps(w io.Writer, e *cwox.Explanation) error {
	r, err := New(e)
	if err != nil {
		return err
	}
	return writeMaps(w, []*cwox.Explanation{e}, r)
}

// writeMaps writes all maps as float32 [Height][Width], with the image and the
// settings as metadata.
func writeMaps(w io.Writer, all []*cwox.Explanation, r *Report) error {
	e := all[0]
	explainer, err := json.Marshal(r.Explainer)
	if err != nil {
		return fmt.Errorf("explainer: %w", err)
	}
	var clusters [][]int
	for _, c := range e.Clusters {
		clusters = append(clusters, c.Classes)
	}
	members, err := json.Marshal(clusters)
	if err != nil {
		return err
	}
	meta := map[string]string{
		"image": filepath.Base(r.Image.File), "image_sha256": r.Image.SHA256,
		"model": r.Model.Name, "weights_sha256": r.Model.WeightsSHA256,
		"precision": r.Model.Precision, "kernel": r.Model.Kernel,
		"method": r.Method, "variant": r.Variant, "explainer": string(explainer),
		"clusters": string(members), "seed": strconv.FormatUint(r.Seed, 10),
	}
	if t := e.Input.Transform; t != nil {
		text, err := json.Marshal(t)
		if err != nil {
			return err
		}
		meta["transform"] = string(text)
	}
	for k, v := range meta {
		meta[k] = strings.ToValidUTF8(v, "\ufffd") // as JSON does
	}
	var tensors []*weights.Tensor
	for i, e := range all {
		run := ""
		if i > 0 {
			run = runName(e)
			settings, err := json.Marshal(r.Also[i-1].Explainer)
			if err != nil {
				return fmt.Errorf("explainer: %w", err)
			}
			meta[run] = strings.ToValidUTF8(string(settings), "\ufffd")
		}
		for _, t := range mapsOf(e, run) {
			tensors = append(tensors, weights.NewF32(t.name, []int{t.m.Height, t.m.Width}, t.m.Data))
		}
	}
	return weights.WriteSafetensors(w, tensors, meta)
}
