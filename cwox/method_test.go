package cwox

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"cwox/cwox/saliency"
)

// tabled is an explainer whose maps are given, for each stage and set of classes. Its noise is
// the first class of a target, and of a contrast ten times the fact's first class and the foil's.
type tabled struct{ maps [2]map[string][]float32 }

func (*tabled) Name() string             { return "tabled" }
func (*tabled) Settings() map[string]any { return nil }
func (*tabled) Keep() []string           { return nil }

func (e *tabled) Explain(_ context.Context, _ *saliency.Input, reqs []saliency.Request) ([]saliency.Result, error) {
	out := make([]saliency.Result, len(reqs))
	for r, req := range reqs {
		out[r].Noise, out[r].ContrastNoise = []saliency.Noise{}, []saliency.Noise{}
		for _, t := range req.Targets {
			v, ok := e.maps[req.Stage][fmt.Sprint(t.Classes)]
			if !ok {
				return nil, fmt.Errorf("no %s-stage map of %v", req.Stage, t.Classes)
			}
			out[r].Maps = append(out[r].Maps, rowOf(slices.Clone(v)...))
			out[r].Noise = append(out[r].Noise, saliency.Noise{Masks: t.Classes[0]})
		}
		for _, c := range req.Contrasts {
			out[r].ContrastNoise = append(out[r].ContrastNoise, saliency.Noise{
				Masks: 10*req.Targets[c.Fact].Classes[0] + req.Targets[c.Foil].Classes[0]})
		}
	}
	return out, nil
}

// TestCombineByHand has every method's maps worked out by hand from the paper's Eq. 1 and 2, and
// for the reference variant from what the authors' code does: over four pixels, of four classes
// in the clusters {1 3}, {2}, {4}.
func TestCombineByHand(t *testing.T) {
	e := &tabled{[2]map[string][]float32{
		{
			"[1 3]": {4, 2, -2, 3}, "[2 4]": {3, 2, 9, 1},
			"[1]": {3, -1, 2, 4}, "[2 3 4]": {1, 1, 1, 5},
			"[2]": {1, 2, 5, 0}, "[1 3 4]": {2, 1, 1, 1},
			"[3]": {2, 2, 2, 2}, "[1 2 4]": {0, 1, 3, 2},
			"[4]": {0, 1, 1, 1}, "[1 2 3]": {0, 0, 0.5, 3},
		},
		{"[1]": {6, 1, 2, 5}, "[2]": {1, 2, 3, 4}, "[3]": {8, 3, 4, -1}, "[4]": {9, 8, 7, 6}},
	}}
	three := [][]int{{1, 3}, {2}, {4}}
	const none = "[]"
	for _, tt := range []struct {
		name     string
		j        job
		clusters []string // the maps
		classes  []string // by cluster
		noise    string   // of the clusters and of the classes
	}{
		{"SWOX", job{method: SWOX, rectify: true, clusters: three}, nil,
			[]string{"[3 0 2 4]", "[2 2 2 2]", "[1 2 5 0]", "[0 1 1 1]"}, "1 3 2 4"},
		{"CWOX-1sA", job{method: CWOX1sA, variant: Paper, rectify: true, clusters: three}, nil,
			[]string{"[2 0 1 0]", "[2 1 0 0]", "[0 1 4 0]", "[0 1 0.5 0]"}, "12 31 21 41"},
		{"CWOX-1sA, reference", job{method: CWOX1sA, variant: Reference, clusters: three}, nil,
			[]string{"[6 0 0 9]", "[2 4 0 1]", "[0 4 10 0]", "[0 0 0 0]"}, "1 3 2 4"},
		{"CWOX-1sA of one class", job{method: CWOX1sA, variant: Reference, clusters: [][]int{{1}}}, nil,
			[]string{"[3 0 2 4]"}, "1"},
		{"CWOX-1sB", job{method: CWOX1sB, variant: Paper, rectify: true, clusters: three}, nil,
			[]string{"[12 0 8 0]", "[6 4 0 2]", "[0 2 5 0]", "[0 3 2.5 0]"}, "1 3 2 4"},
		{"CWOX-1sB of one class", job{method: CWOX1sB, variant: Paper, rectify: true, clusters: [][]int{{1}}}, nil,
			[]string{"[3 0 2 4]"}, "1"},
		{"CWOX-2s", job{method: CWOX2s, variant: Paper, rectify: true, epsilon: 0.5, clusters: three},
			[]string{"[1 0 0 2]", "[0 1 4 0]", "[0 1 0.5 0]"},
			[]string{"[0 0 0 5]", "[2 0 0 0]", "[0 2 3 0]", "[0 8 0 0]"}, "12 21 41 13 31 2 4"},
		{"CWOX-2s, epsilon 0", job{method: CWOX2s, variant: Paper, rectify: true, clusters: three},
			[]string{"[1 0 0 2]", "[0 1 4 0]", "[0 1 0.5 0]"},
			[]string{"[0 0 0 5]", "[2 0 0 0]", "[0 2 3 0]", "[0 8 7 0]"}, "12 21 41 13 31 2 4"},
		{"CWOX-2s, signed", job{method: CWOX2s, variant: Paper, epsilon: 0.5, clusters: three},
			[]string{"[1 0 0 2]", "[0 1 4 0]", "[0 1 0.5 0]"},
			[]string{"[0 0 0 6]", "[2 0 0 0]", "[0 2 3 0]", "[0 8 0 0]"}, "12 21 41 13 31 2 4"},
		{"CWOX-2s of one cluster", job{method: CWOX2s, variant: Paper, rectify: true, epsilon: 0.5, clusters: three[:1]},
			[]string{"[4 2 0 3]"}, []string{"[0 0 0 5]", "[2 2 0 0]"}, "1 13 31"},
		{"CWOX-2s of one class", job{method: CWOX2s, variant: Paper, rectify: true, epsilon: 1, clusters: three[1:2]},
			[]string{"[1 2 5 0]"}, []string{"[0 2 3 0]"}, "2 2"},
		{"CWOX-2s, reference, delta 50", job{method: CWOX2s, variant: Reference, delta: 50, clusters: three},
			[]string{"[7 1 0 5]", "[0 1 11 0]", "[0 0 0 0]"}, []string{"[0 0 0 6]", "[2 0 0 0]", none, none}, "1 2 4 1 3"},
		{"CWOX-2s, reference, delta 80", job{method: CWOX2s, variant: Reference, delta: 80, clusters: three},
			[]string{"[7 1 0 5]", "[0 1 11 0]", "[0 0 0 0]"}, []string{"[0 0 0 0]", "[2 0 0 0]", none, none}, "1 2 4 1 3"},
		{"CWOX-2s, reference, no delta", job{method: CWOX2s, variant: Reference, delta: -1, clusters: three},
			[]string{"[7 1 0 5]", "[0 1 11 0]", "[0 0 0 0]"}, []string{"[0 0 0 6]", "[2 2 0 0]", none, none}, "1 2 4 1 3"},
		{"CWOX-2s, reference, of one class", job{method: CWOX2s, variant: Reference, delta: 50, clusters: three[1:2]},
			[]string{"[1 2 5 0]"}, []string{"[0 2 3 0]"}, "2 2"},
	} {
		j, x := &tt.j, &Explanation{}
		j.base = newBases(1, 4)
		for i, cluster := range j.clusters {
			x.Clusters = append(x.Clusters, Cluster{Classes: cluster})
			for _, c := range cluster {
				j.top = append(j.top, c)
				x.Classes = append(x.Classes, Class{Class: c, Cluster: i})
			}
		}
		slices.Sort(j.top) // by rank
		j.ask()
		if _, err := j.base.fill(t.Context(), e, nil, nil); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		j.combine(x)
		var clusters, classes, noise []string
		heard := func(n *saliency.Noise) {
			if n != nil {
				noise = append(noise, fmt.Sprint(n.Masks))
			}
		}
		for _, k := range x.Clusters {
			if k.Map.Data != nil {
				clusters = append(clusters, fmt.Sprint(k.Map.Data))
			}
			heard(k.Noise)
		}
		for _, k := range x.Classes {
			classes = append(classes, fmt.Sprint(k.Map.Data))
			heard(k.Noise)
		}
		if !slices.Equal(clusters, tt.clusters) || !slices.Equal(classes, tt.classes) || fmt.Sprint(noise) != "["+tt.noise+"]" {
			t.Errorf("%s: clusters %v, classes %v, noise %v\nwant %v, %v, %s", tt.name, clusters, classes, noise, tt.clusters, tt.classes, tt.noise)
		}
	}
}
