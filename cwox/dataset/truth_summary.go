package dataset

import (
	"fmt"
	"math"
	"slices"

	"cwox/cwox"
	"cwox/cwox/report"
)

// TruthSummary is summary.json of a folder that EvaluateTruth has written.
type TruthSummary struct {
	Model         string        `json:"model"`
	WeightsSHA256 string        `json:"weights_sha256"`
	First         uint64        `json:"first_scene"`
	Step          int           `json:"step"`
	Methods       []cwox.Method `json:"methods"`
	Explainers    []TruthResult `json:"explainers"`
}

// TruthResult is what was found with an explainer.
type TruthResult struct {
	Explainer   string         `json:"explainer"`
	Settings    map[string]any `json:"settings"`
	Scenes      int            `json:"scenes"`
	SingleClass int            `json:"single_class"` // of Scenes: skipped
	Nothing     int            `json:"nothing"`      // skipped, too: no explained class in the scene
	Maps        int            `json:"maps"`         // of classes in the scene, per method
	Blank       []int          `json:"blank"`        // by method: maps without a positive pixel, which point at nothing

	Measures []TruthMeasure `json:"measures"`
	// Agreement compares faithfulness with truth.
	Agreement []TruthAgreement `json:"agreement"`
}

// TruthMeasure is a mean over maps for each method.
type TruthMeasure struct {
	Name string `json:"name"` // one of the Truth* constants
	Maps int    `json:"maps"` // per method
	// Columns are the methods; of cluster maps they are "base" and "contrast".
	Columns []string `json:"columns"`
	Means   []Mean   `json:"means"`
	// Differences are those of the last column and each of the others, in pairs.
	Differences []Difference `json:"differences"`
	// Chance is the mean of what a map that knows nothing reaches; null where that has no
	// meaning.
	Chance report.Real `json:"chance"`
	// Object is that of even maps of the object, where maps should point at a part of it.
	Object report.Real `json:"object"`
}

// The measures. Hit, Energy and IoU are those of drawnworld.Location.
const (
	TruthBodyHit       = "body_hit" // of class maps at the object
	TruthBodyEnergy    = "body_energy"
	TruthBodyIoU       = "body_iou"
	TruthPartHit       = "part_hit" // of class maps at the evidence against explained siblings
	TruthPartEnergy    = "part_energy"
	TruthPartIoU       = "part_iou"
	TruthSide          = "side" // maps that are stronger on their own part than on their rival's
	TruthCAUC          = "cauc" // of maps that have a part and a foil; small is good
	TruthCDROP         = "cdrop"
	TruthCDROPCommon   = "cdrop_common" // over as many pixels for all methods
	TruthNDelta        = "n_delta"      // salient pixels of these maps
	TruthClusterHit    = "cluster_hit"  // of cluster maps at their objects
	TruthClusterEnergy = "cluster_energy"
	TruthClusterIoU    = "cluster_iou"
)

// TruthAgreement says how often a faithfulness metric prefers, of two methods' maps of the
// same class, the one that truth prefers. Guessing reaches 0.5.
type TruthAgreement struct {
	Metric string `json:"metric"`
	Truth  string `json:"truth"`
	Pairs  int    `json:"pairs"` // that both prefer one of
	Share  Mean   `json:"share"`
}

// truthMeasure is how a measure is taken off a class and a method's map.
type truthMeasure struct {
	name   string
	value  func(m *TruthMap) *float64
	chance func(c *TruthClass) float64 // nil where it has no meaning
	object func(c *TruthClass) float64 // nil where it has no meaning
}

var truthMeasures = []truthMeasure{
	{TruthBodyHit, func(m *TruthMap) *float64 { return &m.Body.Hit }, func(c *TruthClass) float64 { return c.BodyChance.Hit }, nil},
	{TruthBodyEnergy, func(m *TruthMap) *float64 { return &m.Body.Energy }, func(c *TruthClass) float64 { return c.BodyChance.Energy }, nil},
	{TruthBodyIoU, func(m *TruthMap) *float64 { return &m.Body.IoU }, func(c *TruthClass) float64 { return c.BodyChance.IoU }, nil},
	{TruthPartHit, part(func(m *TruthMap) *float64 { return &m.Part.Hit }), func(c *TruthClass) float64 { return c.PartChance.Hit },
		func(c *TruthClass) float64 { return c.PartObject.Hit }},
	{TruthPartEnergy, part(func(m *TruthMap) *float64 { return &m.Part.Energy }), func(c *TruthClass) float64 { return c.PartChance.Energy },
		func(c *TruthClass) float64 { return c.PartObject.Energy }},
	{TruthPartIoU, part(func(m *TruthMap) *float64 { return &m.Part.IoU }), func(c *TruthClass) float64 { return c.PartChance.IoU },
		func(c *TruthClass) float64 { return c.PartObject.IoU }},
	{TruthSide, func(m *TruthMap) *float64 { return m.Side }, func(*TruthClass) float64 { return 0.5 }, nil},
	{TruthCAUC, func(m *TruthMap) *float64 { return (*float64)(m.CAUC) }, nil, nil},
	{TruthCDROP, func(m *TruthMap) *float64 { return (*float64)(m.CDROP) }, nil, nil},
	{TruthCDROPCommon, func(m *TruthMap) *float64 { return (*float64)(m.CDROPCommon) }, nil, nil},
	{TruthNDelta, func(m *TruthMap) *float64 {
		if m.CAUC == nil {
			return nil
		}
		n := float64(m.NDelta)
		return &n
	}, nil, nil},
}

func part(get func(m *TruthMap) *float64) func(m *TruthMap) *float64 {
	return func(m *TruthMap) *float64 {
		if m.Part == nil {
			return nil
		}
		return get(m)
	}
}

// signOf is 1 where a large value of a measure is good, -1 where a small one is.
func signOf(measure string) float64 {
	if measure == TruthCAUC {
		return -1
	}
	return 1
}

// truthTable collects the values of a measure.
type truthTable struct {
	scenes         []string    // of each row
	values         [][]float64 // [column][row]
	chance, object float64     // sums over the rows
}

func newTruthTable(columns int) *truthTable { return &truthTable{values: make([][]float64, columns)} }

func (t *truthTable) add(scene uint64, chance, object float64, values ...float64) {
	t.scenes = append(t.scenes, fmt.Sprint(scene))
	t.chance += chance
	t.object += object
	for k, v := range values {
		t.values[k] = append(t.values[k], v)
	}
}

func (t *truthTable) measure(name string, columns []string) TruthMeasure {
	n := len(t.scenes)
	m := TruthMeasure{Name: name, Maps: n, Columns: columns, Chance: report.Real(t.chance / float64(n)), Object: report.Real(t.object / float64(n))}
	b := newBootstrap(t.scenes, t.values, 0)
	last := len(columns) - 1
	for k := range columns {
		m.Means = append(m.Means, b.mean(k))
		if k < last {
			m.Differences = append(m.Differences, b.difference(last, k, signOf(name)))
		}
	}
	return m
}

func newTruthSummary(of *truthSettings) *TruthSummary {
	return &TruthSummary{Model: of.Model, WeightsSHA256: of.WeightsSHA256, First: of.First, Methods: of.Methods, Step: of.Step}
}

// add summarises the scenes of an explainer. Its settings are taken as JSON has them: read back
// from a file they say the same.
func (s *TruthSummary) add(explainer string, settings map[string]any, scenes []TruthScene) error {
	asRead, err := plain(settings)
	if err != nil {
		return fmt.Errorf("dataset: %s: %w", explainer, err)
	}
	settings, _ = asRead.(map[string]any)
	r := TruthResult{Explainer: explainer, Settings: settings, Scenes: len(scenes), Blank: make([]int, len(s.Methods))}
	for i := range scenes {
		switch scenes[i].Skipped {
		case "":
		case SkippedSingleClass:
			r.SingleClass++
		default:
			r.Nothing++
		}
		for k := range scenes[i].Classes {
			r.Maps++
			for m := range scenes[i].Classes[k].Maps {
				if scenes[i].Classes[k].Maps[m].Blank {
					r.Blank[m]++
				}
			}
		}
	}
	var columns []string
	for _, m := range s.Methods {
		columns = append(columns, string(m))
	}
	for _, m := range truthMeasures {
		if t := m.collect(scenes, len(columns)); len(t.scenes) > 0 {
			r.Measures = append(r.Measures, t.measure(m.name, columns))
		}
	}
	for k, name := range []string{TruthClusterHit, TruthClusterEnergy, TruthClusterIoU} {
		t := newTruthTable(2)
		for i := range scenes {
			for _, c := range scenes[i].Regions {
				at := func(l Location) float64 { return [...]float64{l.Hit, l.Energy, l.IoU}[k] }
				t.add(scenes[i].Scene, at(c.Chance), math.NaN(), at(c.Base), at(c.Contrast))
			}
		}
		if len(t.scenes) > 0 {
			r.Measures = append(r.Measures, t.measure(name, []string{"base", "contrast"}))
		}
	}
	for _, metric := range []string{TruthCAUC, TruthCDROP, TruthCDROPCommon} {
		for _, truth := range []string{TruthPartHit, TruthPartEnergy, TruthPartIoU} {
			if a := agreement(scenes, metric, truth); a.Pairs > 0 {
				r.Agreement = append(r.Agreement, a)
			}
		}
	}
	s.Explainers = append(s.Explainers, r)
	return nil
}

// collect takes a measure's values where all methods have one.
func (m *truthMeasure) collect(scenes []TruthScene, methods int) *truthTable {
	t := newTruthTable(methods)
	for i := range scenes {
		for k := range scenes[i].Classes {
			c := &scenes[i].Classes[k]
			var row []float64
			for j := range c.Maps {
				if v := m.value(&c.Maps[j]); v != nil && !math.IsNaN(*v) {
					row = append(row, *v)
				}
			}
			if len(row) != methods {
				continue
			}
			chance, object := math.NaN(), math.NaN()
			if m.chance != nil {
				chance = m.chance(c)
			}
			if m.object != nil {
				object = m.object(c)
			}
			t.add(scenes[i].Scene, chance, object, row...)
		}
	}
	return t
}

// agreement compares a metric with a truth measure, over all pairs of methods of all maps.
func agreement(scenes []TruthScene, metric, truth string) TruthAgreement {
	find := func(name string) *truthMeasure {
		return &truthMeasures[slices.IndexFunc(truthMeasures, func(m truthMeasure) bool { return m.name == name })]
	}
	a, b := find(metric), find(truth)
	t := newTruthTable(1)
	for i := range scenes {
		for k := range scenes[i].Classes {
			maps := scenes[i].Classes[k].Maps
			for x := range maps {
				for y := range x {
					ax, ay, bx, by := a.value(&maps[x]), a.value(&maps[y]), b.value(&maps[x]), b.value(&maps[y])
					if ax == nil || ay == nil || bx == nil || by == nil {
						continue
					}
					switch p := signOf(metric) * (*ax - *ay) * signOf(truth) * (*bx - *by); {
					case p > 0:
						t.add(scenes[i].Scene, 0, 0, 1)
					case p < 0:
						t.add(scenes[i].Scene, 0, 0, 0)
					}
				}
			}
		}
	}
	out := TruthAgreement{Metric: metric, Truth: truth, Pairs: len(t.scenes)}
	out.Share = newBootstrap(t.scenes, t.values, 0).mean(0)
	return out
}

// find returns a measure of an explainer, nil where there is none.
func (r *TruthResult) find(name string) *TruthMeasure {
	for i := range r.Measures {
		if r.Measures[i].Name == name {
			return &r.Measures[i]
		}
	}
	return nil
}
