package dataset

import (
	"math"
	"slices"
	"testing"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/saliency"
	"cwox/nn"
)

// TestPlan: what is reckoned are the forward passes that the work makes, at the rate that was given.
func TestPlan(t *testing.T) {
	_, images := smallImages(t, 14) // 5 and 12 are broken
	o := EvaluateOptions{Explain: cwox.Options{Tree: mod5(t)}, Methods: []cwox.Method{cwox.SWOX, cwox.CWOX2s}, Explainers: []saliency.Explainer{
		&pattern{"gradcam", 0.7}, &saliency.RISE{Cluster: saliency.RISEStage{Masks: 5000, Cells: 3}, Class: saliency.RISEStage{Masks: 3000, Cells: 3}}},
		Faithfulness: faithfulness.Options{Definition: faithfulness.Reference, Step: 2, AUCSteps: 8}}
	// The passes of an evaluation with the first explainer, counted while the network runs.
	e := &evaluator{c: small(), o: o}
	e.o.Explainers = e.o.Explainers[:1]
	if err := e.prepare(); err != nil {
		t.Fatal(err)
	}
	defer e.close()
	session, err := e.c.Net.NewSession(nn.SessionOptions{Batch: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	passes, qualify := 0, 0
	real := faithfulness.Classifier(e.c, session)
	for _, image := range images {
		line := EvaluatedImage{Image: image}
		pic, err := e.decode(&line)
		if err != nil {
			continue
		}
		x := e.o.Explain
		x.Explainer = e.o.Explainers[0]
		all, err := e.pipelines[0].ExplainAll(t.Context(), pic, x, e.o.Methods)
		if err != nil {
			t.Fatal(err)
		}
		rows, queries := e.ask(nil, nil, all, line)
		if len(rows) == 0 {
			continue
		}
		qualify++
		for i := 0; i < len(rows); i += 2 {
			if err := e.find(rows[i:][:2], queries[i:][:2]); err != nil {
				t.Fatal(err)
			}
		}
		f := e.o.Faithfulness
		f.Output = e.c.Output()
		_, err = faithfulness.Score(t.Context(), func(x []float32) []float64 {
			passes += len(x) / e.c.Net.Input().Size()
			return real(x)
		}, e.c.Transform.Tensor(pic), queries, f)
		if err != nil {
			t.Fatal(err)
		}
	}
	p, err := NewPlan(t.Context(), small(), images, PlanOptions{Evaluate: o, Sample: 100, Forwards: 0.001})
	if err != nil {
		t.Fatal(err)
	}
	if p.Images != 14 || p.Tried != 14 || p.Qualify != qualify || qualify < 3 || len(p.Work) != 3 || p.Work[0].Command != "documents" || p.Work[0].Seconds <= 0 {
		t.Fatalf("%+v, %d images qualify", p, qualify)
	}
	grad, rise := p.Work[1], p.Work[2]
	if want := float64(passes) / 14; passes == 0 || math.Abs(grad.Passes-want) > 1e-9 || grad.Explainer != "gradcam" {
		t.Errorf("%+v, want %g passes an image", grad, want)
	}
	// A thousand seconds a pass: beside them nothing counts that was measured.
	if s := grad.Seconds / (1000 * grad.Passes); s < 1 || s > 1.01 || !(grad.Error > 0) {
		t.Errorf("%+v: %g of what its passes take", grad, s)
	}
	if least := 7936 * float64(qualify) / 14; rise.Passes < least || rise.Passes > least+2*grad.Passes+1000 {
		t.Errorf("%+v, want more than %g passes", rise, least)
	}
	if h := p.Hours(PlannedWork{Seconds: 3600}, 7); h != 2 {
		t.Errorf("%g hours", h)
	}
	for _, o := range []PlanOptions{{Sample: -1}, {}} {
		var list []string
		if o.Sample < 0 {
			list = images
		}
		if _, err := NewPlan(t.Context(), small(), list, o); err == nil {
			t.Errorf("%+v of %d images: a plan", o.Sample, len(list))
		}
	}
}

func TestPlanParts(t *testing.T) {
	for n, want := range map[int][]string{1: {"c"}, 2: {"b", "d"}, 9: {"a", "b", "c", "d", "e"}} {
		if got := spread([]string{"a", "b", "c", "d", "e"}, n); !slices.Equal(got, want) {
			t.Errorf("%d: %v, want %v", n, got, want)
		}
	}
	for _, c := range []struct {
		x    saliency.Explainer
		a, b int // passes that are tried
		left float64
	}{
		{&saliency.RISE{}, 40, 24, 7936},                       // 5000 and 3000
		{&saliency.RISE{Quality: saliency.Fast}, 46, 19, 3435}, // 2500 and 1000
		{&saliency.LIME{}, 32, 32, 3936},                       // 2000 each
		{&saliency.RISE{Cluster: saliency.RISEStage{Masks: 20}, Class: saliency.RISEStage{Masks: 30}}, 20, 30, 0},
	} {
		x, left := trial(c.x)
		s := x.Settings()
		a, b := s["cluster_masks"], s["class_masks"]
		if a == nil {
			a, b = s["cluster_samples"], s["class_samples"]
		}
		if a != c.a || b != c.b || left != c.left {
			t.Errorf("%v: %v and %v passes, %g left; want %+v", c.x.Settings(), a, b, left, c)
		}
	}
	if mean, err := meanOf([]float64{1, 2, 3, 6}); mean != 3 || math.Abs(err-math.Sqrt(14./3/4)) > 1e-15 {
		t.Errorf("%g ± %g", mean, err)
	}
}
