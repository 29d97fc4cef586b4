package dataset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/report"
	"cwox/cwox/saliency"
	"cwox/nn"
)

func demoClassifier(t *testing.T) *cwox.Classifier {
	t.Helper()
	c, err := cwox.Demo(nn.CompileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// readAll reads all files of a folder.
func readAll(t *testing.T, dir string) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(text)
	}
	return out
}

// TestTruthAdded: an explainer that is added later stands beside those of earlier runs, in one
// folder as in merged shards, in whatever order the shards had them; it must be evaluated alike.
func TestTruthAdded(t *testing.T) {
	c := demoClassifier(t)
	run := func(out string, s Shard, explainer string, step, scenes int) error {
		_, err := EvaluateTruth(t.Context(), c, out, TruthOptions{Step: step, Threads: 1 + s.Index, Shard: s, Methods: []cwox.Method{cwox.SWOX, cwox.CWOX2s},
			Explainers: []TruthExplainer{{explainer, scenes, func() (saliency.Explainer, error) { return cwox.NewExplainer(explainer, c, cwox.Paper) }}}})
		return err
	}
	dir := t.TempDir()
	one, out := filepath.Join(dir, "one"), filepath.Join(dir, "out")
	for _, x := range []string{"gradcam", "mwp"} {
		if err := run(one, Shard{}, x, -1, 3); err != nil {
			t.Fatal(err)
		}
	}
	for i, order := range [][]string{{"gradcam", "mwp"}, {"mwp", "gradcam"}} {
		for _, x := range order {
			if err := run(out, Shard{i, 2}, x, -1, 3); err != nil {
				t.Fatal(err)
			}
		}
	}
	r, err := Merge(t.Context(), out)
	if err != nil {
		t.Fatal(err)
	}
	if x := r.Truth.Explainers; len(x) != 2 || x[0].Explainer != "mwp" || x[1].Explainer != "gradcam" || x[1].Scenes != 3 {
		t.Errorf("merged %+v", x)
	}
	sameTrees(t, "merged", readAll(t, out), readAll(t, one))
	for what, s := range map[string]Shard{one: {}, filepath.Join(dir, "other"): {0, 2}} {
		if !s.whole() {
			if err := run(what, s, "gradcam", -1, 3); err != nil {
				t.Fatal(err)
			}
		}
		if err := run(what, s, "guided", 2048, 3); err == nil || !strings.Contains(err.Error(), "settings.json: step was -1 and is 2048 now: cannot go on") {
			t.Errorf("another step in %s: %v", what, err)
		}
	}
	if err := run(one, Shard{}, "gradcam", -1, 2); err != nil { // fewer scenes, and the other explainer's
		t.Fatal(err)
	}
	var sum TruthSummary
	if err := json.Unmarshal([]byte(readAll(t, one)[SummaryFile]), &sum); err != nil || len(sum.Explainers) != 2 || sum.Explainers[0].Scenes != 2 || sum.Explainers[1].Scenes != 3 {
		t.Errorf("%v, %+v", err, sum)
	}
}

// TestEvaluateTruth wants the same bytes in one go and in pieces, with a line cut short, and
// for any number of threads.
func TestEvaluateTruth(t *testing.T) {
	c := demoClassifier(t)
	ctx := context.Background()
	explainers := func(scenes int) []TruthExplainer {
		return []TruthExplainer{
			{"gradcam", scenes, func() (saliency.Explainer, error) { return cwox.NewExplainer("gradcam", c, cwox.Paper) }},
			{"rise", 2, func() (saliency.Explainer, error) {
				stage := saliency.RISEStage{Masks: 64, Cells: 7, Keep: 0.5}
				return &saliency.RISE{Cluster: stage, Class: stage}, nil
			}},
		}
	}
	whole := t.TempDir()
	o := TruthOptions{Explainers: explainers(8), Step: 1024, Threads: 3}
	var told [2]int
	o.Progress = func(_ string, done, total int) { told = [2]int{done, total} }
	s, err := EvaluateTruth(ctx, c, whole, o)
	if err != nil {
		t.Fatal(err)
	}
	if told != [2]int{2, 2} {
		t.Errorf("last progress %v", told)
	}
	if r := s.Explainers[0]; r.Scenes != 8 || r.Maps == 0 || r.find(TruthBodyEnergy) == nil || r.Settings["cluster_layer"] != "layer4" {
		t.Errorf("%+v", r)
	}
	want := readAll(t, whole)
	for _, name := range []string{"truth-gradcam.jsonl", "truth-rise.jsonl", SummaryFile, TablesFile, TablesCSV, report.PageFile} {
		if want[name] == "" {
			t.Errorf("%s is missing or empty", name)
		}
	}

	pieces := t.TempDir()
	path := filepath.Join(pieces, "truth-gradcam.jsonl")
	o.Progress, o.Threads, o.Explainers = nil, 1, explainers(3)
	if _, err := EvaluateTruth(ctx, c, pieces, o); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)-7], 0o644); err != nil { // killed while writing
		t.Fatal(err)
	}
	stopped, cancel := context.WithCancel(ctx)
	o.Explainers = explainers(8)
	o.Progress = func(_ string, done, _ int) {
		if done == 5 {
			cancel()
		}
	}
	if _, err := EvaluateTruth(stopped, c, pieces, o); !errors.Is(err, context.Canceled) {
		t.Fatalf("interrupted: %v", err)
	}
	o.Progress = nil
	if _, err := EvaluateTruth(ctx, c, pieces, o); err != nil {
		t.Fatal(err)
	}
	if got := readAll(t, pieces); !reflect.DeepEqual(got, want) {
		for name := range want {
			if got[name] != want[name] {
				t.Errorf("%s: other bytes in pieces", name)
			}
		}
	}

	// Fewer scenes are a part of what is there.
	o.Explainers = explainers(4)
	if s, err = EvaluateTruth(ctx, c, pieces, o); err != nil || s.Explainers[0].Scenes != 4 {
		t.Errorf("4 scenes of 8: %v, %v", s, err)
	}
	if got := readAll(t, pieces); got["truth-gradcam.jsonl"] != want["truth-gradcam.jsonl"] {
		t.Error("scenes were lost")
	}

	// Mistakes, in the folder that is there or in a new one.
	for _, tc := range []struct {
		says   string
		fresh  bool
		change func(o *TruthOptions)
	}{
		{"step was 1024 and is 512 now", false, func(o *TruthOptions) { o.Step = 512 }},
		{"seed was 0 and is 1 now", false, func(o *TruthOptions) { o.Explain.Seed = 1 }},
		{"methods was [", false, func(o *TruthOptions) { o.Methods = cwox.Methods()[1:] }},
		{"first_scene was 0 and is 1 now", false, func(o *TruthOptions) { o.First = 1 }},
		{"unknown method", true, func(o *TruthOptions) { o.Methods = []cwox.Method{"swax"} }},
		{"given twice", true, func(o *TruthOptions) { o.Methods = []cwox.Method{cwox.SWOX, cwox.SWOX} }},
		{"given twice", true, func(o *TruthOptions) { o.Explainers = append(o.Explainers, o.Explainers[0]) }},
		{"want a name", true, func(o *TruthOptions) { o.Explainers[0].Name = "../gradcam" }},
		{"want 1 to", true, func(o *TruthOptions) { o.Explainers[0].Scenes = -1 }},
		{"threads -1", true, func(o *TruthOptions) { o.Threads = -1 }},
		{"unknown ReLU", true, func(o *TruthOptions) { o.Explain.ReLU = "maybe" }},
		{"no such layer", true, func(o *TruthOptions) { o.Explainers[0] = broken(errors.New("no such layer")) }},
	} {
		dir := pieces
		if tc.fresh {
			dir = t.TempDir()
		}
		changed := o
		changed.Explainers = explainers(4)
		tc.change(&changed)
		if _, err := EvaluateTruth(ctx, c, dir, changed); err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", tc.says, err)
		}
	}
	if err := os.WriteFile(filepath.Join(pieces, ImagesFile), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := EvaluateTruth(ctx, c, pieces, o); err == nil || !strings.Contains(err.Error(), "another folder") {
		t.Errorf("in the folder of an evaluation of images: %v", err)
	}
}

func broken(err error) TruthExplainer {
	return TruthExplainer{"gradcam", 1, func() (saliency.Explainer, error) { return nil, err }}
}

// TestOpenTruthHostile wants errors that name the line, and no panic.
func TestOpenTruthHostile(t *testing.T) {
	s := truthSettings{Format: truthFormat, First: 3}
	dir := t.TempDir()
	path := filepath.Join(dir, "truth-x.jsonl")
	j, err := openTruth(dir, "x", s, Shard{}, false)
	if err != nil {
		t.Fatal(err)
	}
	j.close()
	for text, want := range map[string]string{
		"\n":                             "line 1: unexpected end of JSON input",
		"{}\n":                           "line 1: scene 0, want 3",
		"[]\n":                           "line 1: json: cannot unmarshal array",
		"{\"scene\":3}\n\n":              "line 2",
		"{\"scene\":3}\n{\"scene\":3}\n": "line 2: scene 3, want 4",
		"{\"scene\":3}\n{\"scene\":5}\n": "line 2: scene 5, want 4",
		"no newline":                     "",
		"{\"scene\":3}\n{\"sc":           "",
		"{\"scene\":3}\n\x00\x00\x00":    "",
	} {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		j, err := openTruth(dir, "x", s, Shard{}, false)
		if err == nil {
			j.close()
		}
		if want == "" && err == nil {
			if after, _ := os.ReadFile(path); string(after) != text[:strings.LastIndex(text, "\n")+1] {
				t.Errorf("%q: opened as %q", text, after)
			}
			continue
		}
		if want == "" || err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "--restart") {
			t.Errorf("%q: %v, want ...%s...", text, err, want)
		}
	}
}

// synthetic makes scenes of one class whose maps by two methods have the given energies on
// the part, and CAUC values.
func synthetic(energies, caucs [][2]float64) []TruthScene {
	var out []TruthScene
	for i, e := range energies {
		c := TruthClass{Class: 1, PartChance: &Location{Energy: 0.25}, PartObject: &Location{Energy: 0.3}}
		for m := range e {
			cauc, side := report.Real(caucs[i][m]), 0.5
			c.Maps = append(c.Maps, TruthMap{Part: &Location{Energy: e[m]}, CAUC: &cauc, Side: &side})
		}
		out = append(out, TruthScene{Scene: uint64(i), Classes: []TruthClass{c}})
	}
	return out
}

func TestTruthSummary(t *testing.T) {
	nan := math.NaN()
	scenes := synthetic(
		[][2]float64{{0.1, 0.3}, {0.2, 0.2}, {0.5, 0.4}, {0.2, 0.6}},
		[][2]float64{{4, 2}, {3, 1}, {1, 3}, {1, 5}})
	lone := synthetic([][2]float64{{9, 9}}, [][2]float64{{nan, nan}})[0]
	lone.Scene, lone.Classes[0].Maps[0].Part, lone.Classes[0].Maps[1].Blank = 4, nil, true
	scenes = append(scenes, lone,
		TruthScene{Scene: 5, Skipped: SkippedSingleClass}, TruthScene{Scene: 6, Skipped: SkippedNothing})
	s := &TruthSummary{Methods: []cwox.Method{cwox.SWOX, cwox.CWOX2s}}
	s.add("gradcam", nil, scenes)
	r := s.Explainers[0]
	if r.Scenes != 7 || r.SingleClass != 1 || r.Nothing != 1 || r.Maps != 5 || r.Blank[0] != 0 || r.Blank[1] != 1 {
		t.Errorf("%+v", r)
	}
	m := r.find(TruthPartEnergy)
	if m.Maps != 4 || math.Abs(float64(m.Means[0].Mean)-0.25) > 1e-12 || math.Abs(float64(m.Means[1].Mean)-0.375) > 1e-12 || m.Chance != 0.25 || math.Abs(float64(m.Object)-0.3) > 1e-12 {
		t.Errorf("part energy: %+v", m)
	}
	if d := m.Differences[0]; math.Abs(float64(d.Mean.Mean)-0.125) > 1e-12 || d.Better != 2 || d.Worse != 1 || d.Same != 1 || !(d.Low < 0.125 && d.High > 0.125) {
		t.Errorf("difference of part energies: %+v", d)
	}
	// Small is good of CAUC: better in two of four.
	if d := r.find(TruthCAUC).Differences[0]; d.Better != 2 || d.Worse != 2 {
		t.Errorf("difference of CAUC: %+v", d)
	}
	if chance := r.find(TruthCAUC).Chance; !math.IsNaN(float64(chance)) {
		t.Errorf("CAUC by chance %g", chance)
	}
	// Scene 0 agrees; in 1 the truth prefers neither; 2 agrees; 3 disagrees.
	for _, a := range r.Agreement {
		if a.Metric == TruthCAUC && a.Truth == TruthPartEnergy && (a.Pairs != 3 || math.Abs(float64(a.Share.Mean)-2.0/3) > 1e-12) {
			t.Errorf("agreement: %+v", a)
		}
	}
	var text bytes.Buffer
	if err := s.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"37.5 [", "25.0", "Grad-CAM, by chance", "Grad-CAM, even map of the object", "66.7 [", "of 3", "+12.5 [", " 2:1", "CWOX-2s 1"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the tables lack %q:\n%s", want, &text)
		}
	}
	if lead := s.lead(); !strings.Contains(lead, "in 0 of 1 comparisons with another method, less in 0.") {
		t.Errorf("lead: %s", lead)
	}
	// With nothing in it, everything still works.
	if err := (&TruthSummary{Methods: cwox.Methods()}).write(t.TempDir()); err != nil {
		t.Error(err)
	}
	empty := &TruthSummary{Methods: cwox.Methods(), Step: 1}
	empty.add("lime", nil, nil)
	if err := empty.write(t.TempDir()); err != nil {
		t.Error(err)
	}
}
