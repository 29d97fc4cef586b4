package cwox

import "testing"

// TestRectify wants base maps rectified as the paper does, signed where the authors' code has
// them signed, and always rectified where they are multiplied.
func TestRectify(t *testing.T) {
	for _, tt := range []struct {
		method                 Method
		paper, reference       bool // AutoReLU
		paperOff, referenceOff bool // NoReLU
	}{
		{SWOX, true, true, false, false},
		{CWOX1sA, true, false, false, false},
		{CWOX1sB, true, true, true, true},
		{CWOX2s, true, false, false, false},
	} {
		for _, c := range []struct {
			variant Variant
			relu    ReLU
			want    bool
		}{
			{Paper, AutoReLU, tt.paper}, {Reference, AutoReLU, tt.reference},
			{Paper, NoReLU, tt.paperOff}, {Reference, NoReLU, tt.referenceOff},
			{Paper, WithReLU, true}, {Reference, WithReLU, true},
		} {
			o := Options{Method: tt.method, Variant: c.variant, ReLU: c.relu}
			if got := o.rectify(); got != c.want {
				t.Errorf("%s, %s, relu %q: rectified %v, want %v", tt.method, c.variant, c.relu, got, c.want)
			}
		}
	}
}

// TestThresholdsReachTheMethod wants Epsilon and Delta to do what they say: nothing is above the
// largest value of a map.
func TestThresholdsReachTheMethod(t *testing.T) {
	p := New(tinyClassifier(t))
	defer p.Close()
	maps := map[int][]float32{0: {1, 2, 3, 4}, 1: {4, 3, 2, 1}, 2: {0, 0, 9, 9}}
	for _, tt := range []struct {
		name  string
		o     Options
		blank bool // the maps of classes in clusters of one and of three
	}{
		{"epsilon 0", Options{Clusters: [][]int{{0}, {1, 2}}}, false},
		{"epsilon 4", Options{Clusters: [][]int{{0}, {1, 2}}, Epsilon: 4}, true},
		{"delta", Options{Clusters: [][]int{{0, 1, 2}}, Variant: Reference}, false},
		{"delta 100", Options{Clusters: [][]int{{0, 1, 2}}, Variant: Reference, Delta: 100}, true},
	} {
		tt.o.Explainer = &fake{size: 2, maps: maps}
		e, err := p.Explain(t.Context(), tinyPicture(), tt.o)
		if err != nil {
			t.Fatal(err)
		}
		all := true
		for _, k := range e.Classes {
			if len(e.Clusters[k.Cluster].Classes) != 2 {
				all = all && blank(k.Map)
			}
		}
		if all != tt.blank {
			t.Errorf("%s: blank %v, want %v", tt.name, all, tt.blank)
		}
	}
}
