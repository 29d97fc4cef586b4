package serve

import (
	"bytes"
	"encoding/json"
	"image"
	"image/png"
	"math"
	"strconv"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
)

// result is what a job answers: the report, and what the page draws.
type result struct {
	*report.Report
	Maps     map[string]levels `json:"maps"`
	Levels   [][][]int         `json:"levels,omitempty"` // clusters of the explained classes at each level of the tree
	Settings json.RawMessage   `json:"settings"`         // as the client gave them
}

// levels is a map in 256 steps.
type levels struct {
	Max float32 `json:"max"` // of the finite values
	PNG []byte  `json:"png"` // grey, 255 at Max; empty of a map without positive values
}

// resultOf is the JSON of an explanation.
func (s *Server) resultOf(j *job, e *cwox.Explanation) ([]byte, error) {
	r, err := report.New(e)
	if err != nil {
		return nil, err
	}
	out := result{Report: r, Maps: map[string]levels{}, Settings: j.settings}
	add := func(name string, m *saliency.Map) {
		if err == nil && m != nil && m.Data != nil {
			out.Maps[name], err = levelsOf(m)
		}
	}
	for i := range e.Clusters {
		add("cluster/"+strconv.Itoa(i), &e.Clusters[i].Map)
	}
	for i := range e.Classes {
		add("class/"+strconv.Itoa(e.Classes[i].Class), &e.Classes[i].Map)
	}
	if err != nil {
		return nil, err
	}
	var classes []int
	for _, t := range e.Top {
		classes = append(classes, t.Class)
	}
	if t := s.cfg.Tree; t != nil {
		for level := 1; level <= t.Levels(); level++ {
			clusters, err := cwox.Clusters(s.cfg.Classifier, classes, cwox.Options{Tree: t, TreeFile: s.cfg.TreeFile, Level: level})
			if err != nil {
				break // of classes that the tree lacks
			}
			out.Levels = append(out.Levels, clusters)
		}
	}
	return json.Marshal(out)
}

// mapOf is a map of an explanation by its name; nil where there is none.
func mapOf(e *cwox.Explanation, name string) *saliency.Map {
	for i := range e.Clusters {
		if m := &e.Clusters[i].Map; m.Data != nil && name == "cluster/"+strconv.Itoa(i) {
			return m
		}
	}
	for i := range e.Classes {
		if m := &e.Classes[i].Map; m.Data != nil && name == "class/"+strconv.Itoa(e.Classes[i].Class) {
			return m
		}
	}
	return nil
}

func levelsOf(m *saliency.Map) (levels, error) {
	var l levels
	for _, v := range m.Data {
		if v > l.Max && v <= math.MaxFloat32 {
			l.Max = v
		}
	}
	if l.Max == 0 {
		return levels{}, nil
	}
	img := image.NewGray(image.Rect(0, 0, m.Width, m.Height))
	for i, v := range m.Data {
		if v > 0 {
			img.Pix[i] = uint8(float32(min(v/l.Max, 1)*255) + 0.5)
		}
	}
	var text bytes.Buffer
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	err := enc.Encode(&text, img)
	l.PNG = text.Bytes()
	return l, err
}

func mapBytes(maps ...*saliency.Map) (n int64) {
	for _, m := range maps {
		if m != nil {
			n += 4 * int64(len(m.Data))
		}
	}
	return n
}
