package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"

	"cwox/cwox"
	"cwox/cwox/saliency"
	"cwox/nn/vision"
)

// photoSide is the longer side of the photograph in the page and in the overlays, in
// pixels; smaller pictures keep their size.
const photoSide = 640

// Report mirrors report.json.
type Report struct {
	Image     Image           `json:"image"`
	Input     *Input          `json:"input,omitempty"` // nil in reports of older releases: the picture stretched
	Model     Model           `json:"model"`
	Tree      Tree            `json:"tree"`
	Top       []Top           `json:"top"`      // the explained classes, by rank
	Clusters  []Cluster       `json:"clusters"` // by first appearance in Top
	Classes   []Class         `json:"classes"`  // cluster by cluster
	Method    string          `json:"method"`
	Variant   string          `json:"variant"`
	Explainer Explainer       `json:"explainer"`
	Seed      uint64          `json:"seed"`
	Warnings  []Warning       `json:"warnings"`
	Seconds   map[string]Real `json:"seconds"` // stage -> wall time; differs from run to run
	// Also are further explanations of the same answer, by other methods and explainers.
	Also []Also `json:"also,omitempty"`
}

// Also is an explanation beside the first of a report, with which it shares image, input, model,
// tree, top classes and seed. Its maps and overlays have its method and explainer in front of
// their names: "swox-gradcam/class/486", "swox-gradcam-class-486.png".
type Also struct {
	Clusters  []Cluster       `json:"clusters"`
	Classes   []Class         `json:"classes"`
	Method    string          `json:"method"`
	Variant   string          `json:"variant"`
	Explainer Explainer       `json:"explainer"`
	Warnings  []Warning       `json:"warnings"`
	Seconds   map[string]Real `json:"seconds"`
}

// Each are the explanations of a report as a report each, with what they share.
func (r *Report) Each() []*Report {
	first := *r
	first.Also = nil
	all := []*Report{&first}
	for _, a := range r.Also {
		one := first
		one.Clusters, one.Classes, one.Method, one.Variant = a.Clusters, a.Classes, a.Method, a.Variant
		one.Explainer, one.Warnings, one.Seconds = a.Explainer, a.Warnings, a.Seconds
		all = append(all, &one)
	}
	return all
}

// Image identifies the picture; its size is that of the decoded, upright picture.
type Image struct {
	File        string `json:"file"`
	SHA256      string `json:"sha256"`
	Width       int    `json:"width"`
	Height      int    `json:"height"`
	Orientation int    `json:"orientation,omitempty"` // EXIF orientation found in the file
}

// Input says what the network got of the picture.
type Input struct {
	// Transform made the input; nil where it was given as it is.
	Transform *vision.Transform `json:"transform,omitempty"`
	From      string            `json:"from,omitempty"` // where it was found, in words
	Seen      vision.Region     `json:"seen"`           // the part that the input shows, in the picture's pixels
	Unseen    float64           `json:"unseen"`         // share of the picture outside of it
}

// Model identifies the network that was explained.
type Model struct {
	Name          string `json:"name"`
	Settings      string `json:"settings,omitempty"` // of the user, which tensors cannot tell: "stride=conv1"
	Weights       string `json:"weights"`
	Key           string `json:"key,omitempty"` // of the state dict in the file
	WeightsSHA256 string `json:"weights_sha256"`
	Precision     string `json:"precision"`
	Kernel        string `json:"kernel"`
	// Output is "sigmoid" where each class has the sigmoid of its logit (multi-label), and
	// empty where classes compete.
	Output string `json:"output,omitempty"`
}

// Tree is what the clusters come from: see cwox.TreeInfo.
type Tree struct {
	Source  string `json:"source"` // "weights", "embedded", "file", "given", "none"
	File    string `json:"file,omitempty"`
	SHA256  string `json:"sha256,omitempty"` // of its tree.json
	Level   int    `json:"level,omitempty"`
	Missing int    `json:"missing,omitempty"` // of the model's classes
}

// Top is one of the explained classes.
type Top struct {
	Class       int    `json:"class"`
	Label       string `json:"label"`
	Probability Real   `json:"probability"`
	Logit       Real   `json:"logit"`
}

// Cluster is a confusion cluster. Map names its heatmap in maps.safetensors, Overlay
// its picture; both are empty where the method makes no cluster map.
type Cluster struct {
	Classes     []int    `json:"classes"`
	Probability Real     `json:"probability"`
	Logit       Real     `json:"logit"`
	Map         string   `json:"map,omitempty"`
	Overlay     string   `json:"overlay,omitempty"`
	Heat        *Heatmap `json:"heatmap,omitempty"`
	Noise       *Noise   `json:"noise,omitempty"`
	Effect      *Effect  `json:"effect,omitempty"`
	Aim         *Aim     `json:"aim,omitempty"`
}

// Class is an explained class in its cluster. Foil lists the classes it is
// contrasted with; none for a method or a cluster without contrast.
type Class struct {
	Class   int      `json:"class"`
	Cluster int      `json:"cluster"`
	Foil    []int    `json:"foil,omitempty"`
	Map     string   `json:"map,omitempty"`
	Overlay string   `json:"overlay,omitempty"`
	Heat    *Heatmap `json:"heatmap,omitempty"`
	Noise   *Noise   `json:"noise,omitempty"`
	Effect  *Effect  `json:"effect,omitempty"`
	Aim     *Aim     `json:"aim,omitempty"`
}

// Heatmap says in numbers what a heatmap holds.
type Heatmap struct {
	Max      float32 `json:"max"`           // of the finite values, 0 where none is positive
	Positive Real    `json:"positive"`      // share of pixels above 0
	Strong   Real    `json:"strong"`        // share of pixels of at least half the maximum
	NaN      bool    `json:"nan,omitempty"` // some value is NaN or infinite
}

// Noise says how far a map made by sampling has settled: see saliency.Noise.
type Noise struct {
	Masks       int  `json:"masks"`
	Fidelity    Real `json:"fidelity"`
	FidelityLow Real `json:"fidelity_low"`
	StdErr      Real `json:"standard_error"` // root mean square over the pixels, in the map's unit
	Tail        Real `json:"tail"`
	Resolved    bool `json:"resolved"`
}

// Effect says what becomes of the probabilities without the marked pixels: see cwox.Effect.
type Effect struct {
	Erased        Real   `json:"erased"`        // share of the network's input
	Probabilities []Real `json:"probabilities"` // in the order of "top"
}

// Aim says how much of a map lies where it should, in a drawn picture: see cwox.Aim.
type Aim struct {
	Name   string `json:"name"`
	Share  Real   `json:"share"`
	Chance Real   `json:"chance"`
}

// Warning is something a reader of the report must know.
type Warning struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// Explainer is the base explainer with its settings, one flat JSON object:
// "name" and the settings beside it.
type Explainer struct {
	Name     string
	Settings map[string]any
}

// MarshalJSON writes the settings with the name among them.
func (e Explainer) MarshalJSON() ([]byte, error) {
	flat := map[string]any{}
	for k, v := range e.Settings {
		flat[k] = v
	}
	flat["name"] = e.Name
	return json.Marshal(flat)
}

// UnmarshalJSON takes the name out of the settings.
func (e *Explainer) UnmarshalJSON(b []byte) error {
	var flat map[string]any
	if err := json.Unmarshal(b, &flat); err != nil {
		return err
	}
	name, ok := flat["name"].(string)
	if !ok {
		return errors.New(`explainer: no "name"`)
	}
	delete(flat, "name")
	*e = Explainer{name, flat}
	return nil
}

// Real is a number that JSON cannot always hold: NaN and the infinities are null.
type Real float64

// MarshalJSON writes null for what is not finite.
func (r Real) MarshalJSON() ([]byte, error) {
	if f := float64(r); math.IsNaN(f) || math.IsInf(f, 0) {
		return []byte("null"), nil
	}
	return json.Marshal(float64(r))
}

// UnmarshalJSON reads null as NaN.
func (r *Real) UnmarshalJSON(b []byte) error {
	if string(b) == "null" {
		*r = Real(math.NaN())
		return nil
	}
	return json.Unmarshal(b, (*float64)(r))
}

// New is the report.json of an explanation, and of others of the same answer beside it. It fails
// where an explanation is not whole: no picture, a map whose data do not fit its size, a class in
// no cluster; and where two are of different answers or by the same method and explainer.
func New(e *cwox.Explanation, also ...*cwox.Explanation) (*Report, error) {
	if err := check(e, ""); err != nil {
		return nil, err
	}
	r := newReport(e, "")
	taken := map[string]bool{runName(e): true}
	for _, a := range also {
		name := runName(a)
		if err := check(a, name); err != nil {
			return nil, err
		}
		if taken[name] {
			return nil, fmt.Errorf("report: two explanations by method %s and explainer %s", a.Method, a.Explainer)
		}
		taken[name] = true
		o := newReport(a, name)
		if o.Image != r.Image || !slices.Equal(o.Top, r.Top) || !slices.EqualFunc(o.Clusters, r.Clusters, sameClasses) {
			return nil, fmt.Errorf("report: %s explains another answer than %s", name, runName(e))
		}
		r.Also = append(r.Also, Also{o.Clusters, o.Classes, o.Method, o.Variant, o.Explainer, o.Warnings, o.Seconds})
	}
	return r, nil
}

func sameClasses(a, b Cluster) bool { return slices.Equal(a.Classes, b.Classes) }

// runName tells an explanation from others of the same answer.
func runName(e *cwox.Explanation) string { return string(e.Method) + "-" + e.Explainer }

// newReport is the report of one explanation; run, if not empty, goes in front of the names of
// its maps.
func newReport(e *cwox.Explanation, run string) *Report {
	output := ""
	if e.Model.Output != saliency.Softmax {
		output = e.Model.Output.String()
	}
	r := &Report{
		Image: Image{e.File, e.Picture.SHA256, e.Picture.Width, e.Picture.Height, e.Picture.Orientation},
		Input: input(e),
		Model: Model{e.Model.Name, e.Model.Settings, e.Model.WeightsFile, e.Model.WeightsKey, e.Model.WeightsSHA256, e.Model.Precision, e.Model.Kernel, output},
		Tree:  Tree{string(e.Tree.Source), e.Tree.File, e.Tree.SHA256, e.Tree.Level, e.Tree.Missing},
		Top:   []Top{}, Clusters: []Cluster{}, Classes: []Class{}, Warnings: []Warning{},
		Method: string(e.Method), Variant: string(e.Variant),
		Explainer: Explainer{e.Explainer, e.Settings}, Seed: e.Seed, Seconds: map[string]Real{},
	}
	for _, t := range e.Top {
		r.Top = append(r.Top, Top{t.Class, t.Label, Real(t.Probability), Real(t.Logit)})
	}
	for i, c := range e.Clusters {
		rc := Cluster{Classes: c.Classes, Probability: Real(c.Probability), Logit: Real(c.Logit)}
		rc.Map, rc.Overlay, rc.Heat = heatmap(run, "cluster", i, c.Map)
		rc.Noise, rc.Effect, rc.Aim = noise(c.Noise), effect(c.Effect), aim(c.Aim)
		r.Clusters = append(r.Clusters, rc)
	}
	for _, c := range e.Classes {
		rc := Class{Class: c.Class, Cluster: c.Cluster, Foil: foil(e, c)}
		rc.Map, rc.Overlay, rc.Heat = heatmap(run, "class", c.Class, c.Map)
		rc.Noise, rc.Effect, rc.Aim = noise(c.Noise), effect(c.Effect), aim(c.Aim)
		r.Classes = append(r.Classes, rc)
	}
	for _, w := range e.Warnings {
		r.Warnings = append(r.Warnings, Warning{w.Code, w.Message})
	}
	for _, n := range e.Picture.Notes {
		if w := (Warning{n.Code, n.Message}); !slices.Contains(r.Warnings, w) {
			r.Warnings = append(r.Warnings, w)
		}
	}
	for k, v := range e.Seconds {
		r.Seconds[k] = Real(v)
	}
	return r
}

// check says what is missing from an explanation.
func check(e *cwox.Explanation, run string) error {
	p := e.Picture
	if p == nil || p.Width < 1 || p.Height < 1 || len(p.Pix) != 3*p.Width*p.Height {
		return errors.New("report: the explanation has no picture")
	}
	if s := e.Input.Seen; s != (vision.Region{}) && !sound(s) {
		return fmt.Errorf("report: the network saw %+v, which is no part of a picture", s)
	}
	maps := map[string]bool{}
	for _, t := range mapsOf(e, run) {
		if t.m.Height < 1 || t.m.Width < 1 || len(t.m.Data) != t.m.Height*t.m.Width {
			return fmt.Errorf("report: map %s: %d values, want %d x %d", t.name, len(t.m.Data), t.m.Height, t.m.Width)
		}
		if maps[t.name] {
			return fmt.Errorf("report: map %s twice", t.name)
		}
		maps[t.name] = true
	}
	for i, c := range e.Clusters {
		if len(c.Classes) == 0 {
			return fmt.Errorf("report: cluster %d is empty", i)
		}
	}
	for _, c := range e.Classes {
		if c.Cluster < 0 || c.Cluster >= len(e.Clusters) {
			return fmt.Errorf("report: class %d is in cluster %d of %d", c.Class, c.Cluster, len(e.Clusters))
		}
	}
	return nil
}

// input is what the network got; nil where an explanation does not say.
func input(e *cwox.Explanation) *Input {
	if e.Input.Seen == (vision.Region{}) {
		return nil
	}
	return &Input{e.Input.Transform, e.Input.From, e.Input.Seen, e.Input.Unseen}
}

// foil lists what a class is contrasted with (paper Eq. 2 and section 5; the
// baselines contrast with all other top classes), in the order of Top.
func foil(e *cwox.Explanation, c cwox.Class) []int {
	var among []int
	switch e.Method {
	case cwox.SWOX:
		return nil
	case cwox.CWOX1sA, cwox.CWOX1sB:
		for _, t := range e.Top {
			among = append(among, t.Class)
		}
	default:
		among = e.Clusters[c.Cluster].Classes
	}
	return slices.DeleteFunc(slices.Clone(among), func(o int) bool { return o == c.Class })
}

// heatmap is the tensor name, the overlay's file name and the numbers of a map.
func heatmap(run, kind string, id int, m saliency.Map) (tensor, file string, h *Heatmap) {
	if m.Data == nil {
		return "", "", nil
	}
	s := measure(m)
	file = kind + "-" + strconv.Itoa(id) + ".png"
	if run != "" {
		file = run + "-" + file
	}
	return tensorName(run, kind, id), file, &Heatmap{s.max, Real(s.positive), Real(s.strong), s.nan}
}

func noise(n *saliency.Noise) *Noise {
	if n == nil {
		return nil
	}
	return &Noise{n.Masks, Real(n.Fidelity), Real(n.FidelityLow), Real(n.StdErr), Real(n.Tail), n.Resolved}
}

func effect(e *cwox.Effect) *Effect {
	if e == nil {
		return nil
	}
	out := &Effect{Erased: Real(e.Erased)}
	for _, p := range e.Probabilities {
		out.Probabilities = append(out.Probabilities, Real(p))
	}
	return out
}

func aim(a *cwox.Aim) *Aim {
	if a == nil {
		return nil
	}
	return &Aim{a.Name, Real(a.Share), Real(a.Chance)}
}
