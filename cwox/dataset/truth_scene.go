package dataset

import (
	"context"
	"fmt"
	"slices"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/internal/demo"
	"cwox/internal/drawnworld"
	"cwox/nn"
	"cwox/nn/vision"
)

var (
	drawnClasses  = drawnworld.Classes()
	drawnFamilies = drawnworld.Families()
)

// TruthScene is a line of a truth-*.jsonl file: how well the maps of a scene point.
type TruthScene struct {
	Scene   uint64  `json:"scene"`
	Objects int     `json:"objects"`
	Top     []Label `json:"top"`
	// Skipped says why there is nothing to measure: SkippedSingleClass or SkippedNothing.
	Skipped  string         `json:"skipped,omitempty"`
	Clusters [][]int        `json:"clusters,omitempty"`
	Classes  []TruthClass   `json:"classes,omitempty"`
	Regions  []TruthCluster `json:"cluster_maps,omitempty"`
}

// Location says how well a map points at a region: the share of its maxima within 15 pixels
// (Hit), the share of its sum inside (Energy), and the intersection over union with as many
// of its highest pixels (IoU).
type Location = drawnworld.Location

// SkippedNothing: none of the explained classes is in the scene.
const SkippedNothing = "no explained class in the scene"

// TruthClass is an explained class that is in the scene.
type TruthClass struct {
	Class       int     `json:"class"`
	Label       string  `json:"label"`
	Family      string  `json:"family"`
	Probability float64 `json:"probability"`
	Rival       bool    `json:"rival,omitempty"` // its sibling's part is drawn, too, and explained
	Siblings    []int   `json:"siblings,omitempty"`
	Foil        []int   `json:"foil,omitempty"` // the others of its cluster

	BodyArea   int       `json:"body_area"` // pixels of the network's input
	PartArea   int       `json:"part_area,omitempty"`
	BodyChance Location  `json:"body_chance"`
	PartChance *Location `json:"part_chance,omitempty"`
	// PartObject is how well an even map of the object does: it knows where, but not what.
	PartObject *Location  `json:"part_object,omitempty"`
	Maps       []TruthMap `json:"maps"` // by method
}

// TruthMap says how well the map of a class points that a method made.
type TruthMap struct {
	Method cwox.Method `json:"method"`
	Blank  bool        `json:"blank,omitempty"`
	Body   Location    `json:"body"`           // of the object
	Part   *Location   `json:"part,omitempty"` // the evidence against the siblings
	// Side is 1 where the map is stronger on the class's own part than on its rival's, 0
	// where it is weaker, 0.5 where there is no difference.
	Side *float64 `json:"side,omitempty"`
	// CAUC and CDROPCommon are over the least n_delta of all methods, CDROP over the map's
	// own; they are left out where a map cannot be scored.
	NDelta      int          `json:"n_delta,omitempty"`
	CAUC        *report.Real `json:"cauc,omitempty"`
	CDROP       *report.Real `json:"cdrop,omitempty"`
	CDROPCommon *report.Real `json:"cdrop_common,omitempty"`
}

// TruthCluster says how well the map of a cluster points at its objects, among several
// clusters: the contrastive map (Eq. 1) and the base map it is made of.
type TruthCluster struct {
	Classes  []int    `json:"classes"`
	Area     int      `json:"area"`
	Chance   Location `json:"chance"`
	Contrast Location `json:"contrast"`
	Base     Location `json:"base"`
}

// What is visible of a region must have so many pixels of the network's input to count.
const (
	minBodyArea = 100
	minPartArea = 16
)

// truthWorker evaluates scenes in one goroutine.
type truthWorker struct {
	c         *cwox.Classifier
	o         cwox.Options
	methods   []cwox.Method
	first     uint64
	step      int
	name      string
	pipeline  *cwox.Pipeline
	session   *nn.Session
	faithness faithfulness.Options
}

func newTruthWorker(c *cwox.Classifier, o *TruthOptions, x TruthExplainer) (*truthWorker, error) {
	if err := wholeScenes(c); err != nil {
		return nil, err
	}
	w := &truthWorker{c: c, o: o.Explain, methods: o.Methods, first: o.First, step: o.Step, name: x.Name, pipeline: cwox.New(c)}
	e, err := x.New()
	if err != nil {
		return nil, err
	}
	w.o.Explainer, w.o.Threads = e, 1
	if w.o.Variant == "" {
		w.o.Variant = cwox.Paper
	}
	if w.o.Tree == nil {
		w.o.Tree = cwox.DefaultTree(c)
	}
	if err := w.o.Check(c); err != nil {
		return nil, err
	}
	if w.step > 0 {
		w.faithness = faithfulness.Options{Step: w.step, AUCSteps: -1, Output: c.Output()}
		w.session, err = c.Net.NewSession(nn.SessionOptions{Batch: 8, Threads: 1})
	}
	return w, err
}

// wholeScenes makes sure that a map lies on the whole of a scene, which is square.
func wholeScenes(c *cwox.Classifier) error {
	if err := c.CheckTransform(); err != nil {
		return err
	}
	seen, _ := c.Transform.Region(demo.PictureSize, demo.PictureSize)
	if t := c.Transform; t.Width != t.Height || seen != (vision.Region{Width: demo.PictureSize, Height: demo.PictureSize}) {
		return fmt.Errorf("dataset: %s: scenes are measured whole and square: the input shows %g x %g of %d x %d pixels, height first (%s)", c.Arch.Name,
			seen.Height, seen.Width, demo.PictureSize, demo.PictureSize, t.Geometry())
	}
	return nil
}

func (w *truthWorker) close() {
	w.pipeline.Close()
	if w.session != nil {
		w.session.Close()
	}
}

func (w *truthWorker) settings() (truthSettings, error) {
	s := truthSettings{Format: truthFormat, Model: w.c.Arch.Name, EvaluatedModel: evaluatedModel(w.c), First: w.first, Step: w.step, Methods: w.methods,
		Explainer: w.o.Explainer.Name(), ExplainerSettings: w.o.Explainer.Settings(), Variant: w.o.Variant, ReLU: w.o.ReLU, Level: w.o.Level, TopK: w.o.TopK,
		Cumulative: w.o.Cumulative, Delta: w.o.Delta, Epsilon: w.o.Epsilon, Seed: w.o.Seed}
	return s, s.addTree(w.o.Tree)
}

// scene draws and explains a scene, and measures.
func (w *truthWorker) scene(ctx context.Context, seed uint64) (*TruthScene, error) {
	s := drawnworld.New(seed, drawnworld.Options{})
	pic := s.Picture(demo.PictureSize)
	out := &TruthScene{Scene: seed, Objects: len(s.Objects)}
	top, clusters, err := w.pipeline.Cut(pic, w.o)
	if err != nil {
		return nil, err
	}
	present := false
	for _, t := range top {
		out.Top = append(out.Top, Label{t.Class, t.Probability})
		_, in := s.ObjectOf(t.Class)
		present = present || in
	}
	switch {
	case len(top) < 2:
		out.Skipped = SkippedSingleClass
		return out, nil
	case !present:
		out.Skipped = SkippedNothing
		return out, nil
	}
	out.Clusters = clusters
	all, err := w.pipeline.ExplainAll(ctx, pic, w.o, w.methods)
	if err != nil {
		return nil, err
	}
	size := w.c.Net.Input().W
	var queries []faithfulness.Query
	var asked []*TruthClass
	for k, class := range all[0].Classes {
		tc, ok := w.class(s, all, k, size)
		if !ok {
			continue
		}
		out.Classes = append(out.Classes, *tc)
		if w.session == nil || tc.PartChance == nil || len(tc.Foil) == 0 {
			continue
		}
		asked = append(asked, &out.Classes[len(out.Classes)-1])
		for _, e := range all {
			queries = append(queries, faithfulness.Query{Heatmap: faithfulness.FromMap(e.Classes[k].Map), Pos: []int{class.Class}, Neg: tc.Foil})
		}
	}
	out.Regions = clusterRegions(s, all, size)
	if len(queries) == 0 {
		return out, nil
	}
	results, err := faithfulness.Score(ctx, faithfulness.Classifier(w.c, w.session), w.c.Transform.Tensor(pic), queries, w.faithness)
	if err != nil {
		return nil, err
	}
	for i, tc := range asked {
		tc.score(results[i*len(all):][:len(all)])
	}
	return out, nil
}

// class measures the maps of the k-th explained class. It is false where the class is not in
// the scene, or hardly to be seen.
func (w *truthWorker) class(s *drawnworld.Scene, all []*cwox.Explanation, k, size int) (*TruthClass, bool) {
	class := all[0].Classes[k].Class
	object, ok := s.ObjectOf(class)
	if !ok {
		return nil, false
	}
	cover := s.BodyMask(object, size)
	body := drawnworld.NewRegion(cover, size)
	if body.Area() < minBodyArea {
		return nil, false
	}
	tc := &TruthClass{Class: class, Label: drawnClasses[class].Name, Family: drawnFamilies[drawnClasses[class].Family].Name,
		BodyArea: body.Area(), BodyChance: body.Chance()}
	var top []int
	for _, t := range all[0].Top {
		if t.Class == class {
			tc.Probability = t.Probability
			continue
		}
		top = append(top, t.Class)
		if drawnClasses[t.Class].Family == drawnClasses[class].Family && !drawnFamilies[drawnClasses[class].Family].Together {
			tc.Siblings = append(tc.Siblings, t.Class)
		}
	}
	for _, c := range all[0].Clusters[all[0].Classes[k].Cluster].Classes {
		if c != class {
			tc.Foil = append(tc.Foil, c)
		}
	}
	var part, own, other *drawnworld.Region
	if evidence := s.Evidence(object, class, top, size); evidence != nil {
		if part = drawnworld.NewRegion(evidence, size); part.Area() < minPartArea {
			part = nil
		}
	}
	if part != nil {
		chance, even := part.Chance(), part.Locate(cover)
		tc.PartArea, tc.PartChance, tc.PartObject = part.Area(), &chance, &even
	}
	o := &s.Objects[object]
	if rival := o.Class + o.Rival - class; o.Rival >= 0 && slices.Contains(top, rival) {
		own = drawnworld.NewRegion(s.PartMask(object, class, size), size)
		other = drawnworld.NewRegion(s.PartMask(object, rival, size), size)
		tc.Rival = own.Area() >= minPartArea && other.Area() >= minPartArea
	}
	for _, e := range all {
		m := e.Classes[k].Map.Data
		t := TruthMap{Method: e.Method, Body: body.Locate(m), Blank: slices.Max(m) <= 0}
		if part != nil {
			at := part.Locate(m)
			t.Part = &at
		}
		if tc.Rival {
			side := 0.5
			switch a, b := own.Mean(m), other.Mean(m); {
			case a > b:
				side = 1
			case a < b:
				side = 0
			}
			t.Side = &side
		}
		tc.Maps = append(tc.Maps, t)
	}
	return tc, true
}

// score fills in how faithful the maps are.
func (tc *TruthClass) score(results []faithfulness.Result) {
	common := results[0].NDelta
	for _, r := range results {
		if common = min(common, r.NDelta); r.Status != faithfulness.OK {
			common = 0
		}
	}
	for i, r := range results {
		m := &tc.Maps[i]
		m.NDelta = r.NDelta
		if common == 0 {
			continue
		}
		cauc, cdrop := report.Real(r.Contrast.CAUC(faithfulness.Paper, common, 0)), report.Real(r.CDROP)
		atCommon := report.Real(r.Contrast.CDROP(faithfulness.Paper, common, 0))
		m.CAUC, m.CDROP, m.CDROPCommon = &cauc, &cdrop, &atCommon
	}
}

// clusterRegions measures the maps of clusters, where a method made any.
func clusterRegions(s *drawnworld.Scene, all []*cwox.Explanation, size int) []TruthCluster {
	i := slices.IndexFunc(all, func(e *cwox.Explanation) bool { return e.Method == cwox.CWOX2s })
	if i < 0 || len(all[i].Clusters) < 2 {
		return nil
	}
	var out []TruthCluster
	for _, cluster := range all[i].Clusters {
		var cover []float32
		seen := map[int]bool{}
		for _, class := range cluster.Classes {
			object, ok := s.ObjectOf(class)
			if !ok || seen[object] {
				continue
			}
			seen[object] = true
			mask := s.BodyMask(object, size)
			if cover == nil {
				cover = mask
				continue
			}
			for p, v := range mask {
				cover[p] = max(cover[p], v)
			}
		}
		if cover == nil {
			continue
		}
		r := drawnworld.NewRegion(cover, size)
		if r.Area() < minBodyArea {
			continue
		}
		out = append(out, TruthCluster{Classes: cluster.Classes, Area: r.Area(), Chance: r.Chance(),
			Contrast: r.Locate(cluster.Map.Data), Base: r.Locate(positive(*cluster.Base))})
	}
	return out
}

func positive(m saliency.Map) []float32 {
	out := make([]float32, len(m.Data))
	for i, v := range m.Data {
		out[i] = max(v, 0)
	}
	return out
}
