package hlta

import (
	"context"
	"math"
	"strings"
	"testing"
)

func TestOptionsErrors(t *testing.T) {
	docs := plantedDocuments(t, 12, 20)
	for _, c := range []struct {
		o    Options
		want string
	}{
		{Options{MaxIsland: 3}, "hlta: max island 3, want 4 to 16"},
		{Options{MaxIsland: 17}, "hlta: max island 17, want 4 to 16"},
		{Options{MaxTop: 1}, "hlta: max top 1, want 2 to 1024"},
		{Options{EMRestarts: -1}, "hlta: EM restarts -1, want 1 to 1024"},
		{Options{EMSteps: -5}, "hlta: EM steps -5, want 1 to 1000000"},
		{Options{Threads: -1}, "hlta: threads -1, want 1 to 1024"},
		{Options{UDThreshold: math.NaN()}, "hlta: UD threshold NaN, want a finite number"},
		{Options{CTThreshold: math.Inf(1)}, "hlta: CT threshold +Inf, want a finite number"},
		{Options{GlobalEM: "both"}, `hlta: global EM "both", want "batch" or "stepwise"`},
		{Options{BatchSize: -2}, "hlta: batch size -2, want -1 to 2147483647"},
		{Options{LearnSize: -100}, "hlta: learn size -100, want -1 to 2147483647"},
		{Options{Alpha: math.NaN()}, "hlta: alpha NaN, want above 0.5 and at most 1"},
		{Options{Alpha: 0.4}, "hlta: alpha 0.4, want above 0.5 and at most 1"},
		{Options{Alpha: 1.1}, "hlta: alpha 1.1, want above 0.5 and at most 1"},
		{Options{EMTolerance: math.NaN()}, "hlta: EM tolerance NaN, want a finite number"},
		{Options{GlobalTolerance: math.Inf(-1)}, "hlta: global EM tolerance -Inf, want a finite number"},
		{Options{GlobalSteps: -1}, "hlta: global EM steps -1, want 0 to 1000000"},
		{Options{Epochs: -1}, "hlta: epochs -1, want 0 to 1000000"},
		{Options{GlobalEM: StepwiseGlobalEM, Alpha: 0.5}, "hlta: alpha 0.5, want above 0.5 and at most 1"},
		{Options{GlobalEM: StepwiseGlobalEM, Minibatch: -1}, "hlta: minibatch -1, want "},
	} {
		if _, err := Learn(context.Background(), docs, c.o); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: got %v, want %s", c.o, err, c.want)
		}
		if err := c.o.Check(); err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%+v: Check: %v, want %s", c.o, err, c.want)
		}
	}
}

// A size that was left out suits the variables: of five, the median one is in 3 of 100 documents
// together with another.
func TestSuitedSizes(t *testing.T) {
	m := newMerger(10)
	for _, row := range []struct {
		items  []int32
		weight float64
	}{{[]int32{0}, 50}, {[]int32{0, 1}, 9}, {[]int32{0, 2}, 3}, {[]int32{3, 4}, 1}, {[]int32{0, 1, 4}, 1}, {[]int32{2}, 7}} {
		m.add(row.items, row.weight)
	}
	d := newData(5, 100, m.rowSet) // together with others: 13, 10, 3, 1, 2
	if got := d.telling(); got != 0.03 {
		t.Errorf("the median is in %v of the documents, want 0.03", got)
	}
	for _, c := range []struct {
		size, def int
		often     float64
		want      float64
	}{
		{0, 5000, 3, 5000}, {0, 50, 3, 100}, {0, 100_000, 6000, 200_000}, {-1, 5000, 3, -1}, {7, 5000, 3, 7},
	} {
		if got := d.suited(c.size, c.def, c.often); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
	if got := newData(3, 10, rowSet{start: []int{0}}).suited(0, 5000, 4); !math.IsInf(got, 1) {
		t.Errorf("of variables that are never together %v documents, want all", got)
	}
}
