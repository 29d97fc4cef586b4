package cwox

import "testing"

// TestDefaultDelta has the percentiles of the authors' notebook.
func TestDefaultDelta(t *testing.T) {
	for explainer, want := range map[string]float64{"gradcam": 50, "mwp": 60, "rise": 70, "lime": 85, "guided": 50} {
		if got := DefaultDelta(explainer); got != want {
			t.Errorf("%s: delta %g, want %g", explainer, got, want)
		}
	}
}
