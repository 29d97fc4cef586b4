package saliency

import (
	"math"
	"testing"
)

func TestOutput(t *testing.T) {
	logits := []float32{0, float32(math.Log(3)), -1000, 1000}
	want := []float64{0.5, 0.75, 0, 1}
	for i, p := range Sigmoid.Probabilities(logits) {
		if math.Abs(p-want[i]) > 1e-7 { // float32 of log 3
			t.Errorf("sigmoid of %g: %g, want %g", logits[i], p, want[i])
		}
	}
	soft := Softmax.Probabilities(logits[:2])
	if math.Abs(soft[0]-0.25) > 1e-7 || math.Abs(soft[1]-0.75) > 1e-7 {
		t.Errorf("softmax %v", soft)
	}
	for _, tt := range []struct {
		o       Output
		members []float64
		want    float64
	}{
		{Softmax, []float64{0.25, 0.5}, 0.75},
		{Sigmoid, []float64{0.5}, 0.5},
		{Sigmoid, []float64{1}, 1},
		{Sigmoid, []float64{0.5, 0.75}, 0.8}, // odds 1 and 3: 4 to 1
		{Sigmoid, []float64{0.5, 1}, 1},
		{Sigmoid, []float64{0, 0}, 0},
		{Sigmoid, nil, 0},
	} {
		if got := tt.o.Compound(tt.members); !(math.Abs(got-tt.want) <= 1e-15) {
			t.Errorf("%s of %v: %g, want %g", tt.o, tt.members, got, tt.want)
		}
	}
}

// A multi-label target is what it would be of a softmax over its classes and none of them, of
// logit 0: that is what the odds say. Columns keep requests apart and share equal targets.
func TestColumns(t *testing.T) {
	reqs := []Request{
		{Stage: ClusterStage, Targets: []Target{{[]int{2, 0}}, {[]int{1}}}, Contrasts: []Contrast{{0, 1}}},
		{Stage: ClassStage, Targets: []Target{{[]int{1}}, {[]int{0}}}},
	}
	in, columns := (&Input{Output: Sigmoid}).columns(reqs)
	if len(in.sets) != 3 || columns[0].Targets[1].Classes[0] != columns[1].Targets[0].Classes[0] ||
		columns[0].Contrasts[0] != (Contrast{0, 1}) || reqs[0].Targets[0].Classes[0] != 2 {
		t.Fatalf("sets %v, columns %v, requests %v", in.sets, columns, reqs)
	}
	logits := []float32{0.5, -1, 2}
	got := make([]float64, 3)
	in.fill(got, logits, []int{0, 1, 2})
	for i, classes := range [][]int{{2, 0}, {1}, {0}} {
		with := []float32{0} // none
		var members []float64
		for _, c := range classes {
			with = append(with, logits[c])
			members = append(members, Sigmoid.Probabilities(logits)[c])
		}
		want := 1 - Softmax.Probabilities(with)[0]
		if math.Abs(got[i]-want) > 1e-12 || math.Abs(Sigmoid.Compound(members)-want) > 1e-12 {
			t.Errorf("%v: %g, %g, want %g", classes, got[i], Sigmoid.Compound(members), want)
		}
	}
	soft := &Input{Output: Softmax}
	if same, list := soft.columns(reqs); same != soft || len(list) != 2 || len(list[0].Targets[0].Classes) != 2 {
		t.Errorf("softmax: columns %v", list)
	}
}
