package faithfulness

import (
	"context"
	"math"
	"testing"

	"cwox/nn"
)

// Pixels are erased in all of 1 to 8 channels, in the order of a map that is not square: with
// the weights known, every metric follows from the definition.
func TestScoreGeometry(t *testing.T) {
	const height, width = 5, 7
	const plane = height * width
	for _, channels := range []int{1, 2, 3, 4, 8} {
		// Logit 0 is the weighted sum over all values, logit 1 is 0.
		weight := make([]float32, 2*channels*plane)
		x := make([]float32, channels*plane)
		heat := Heatmap{height, width, make([]float64, plane)}
		for i := range x {
			x[i], weight[i] = float32(1+i%3), float32(0.01*float64(1+i%11))
			heat.Data[i%plane] += float64(x[i] * weight[i])
		}
		g := nn.NewGraph(nn.Shape{C: channels, H: height, W: width})
		y := g.Conv("all", g.Input(), nn.Conv{Weight: weight, Out: 2, Window: nn.Window{KH: height, KW: width}})
		g.Linear("fc", y, []float32{1, 0, 0, 1}, nil, 2)
		m, err := nn.Compile(g, nn.CompileOptions{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := m.NewSession(nn.SessionOptions{Batch: 3})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		results, err := Score(context.Background(), Network(m, s), x, []Query{{Heatmap: heat, Pos: []int{0}, Count: plane}}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		r := results[0]
		prob := func(logit float64) float64 { return 1 / (1 + math.Exp(-logit)) }
		left := 0.0
		for _, v := range heat.Data {
			left += v
		}
		cauc := 0.0
		scores := []float64{prob(left)}
		for _, p := range heat.Order() {
			cauc += prob(left) / plane
			left -= heat.Data[p]
			scores = append(scores, prob(left))
		}
		if r.Count != plane || math.Abs(r.CAUC-cauc) > 1e-6 {
			t.Errorf("%d channels: CAUC %g over %d pixels, want %g over %d", channels, r.CAUC, r.Count, cauc, plane)
		}
		drop := (scores[0] - scores[plane]) / math.Log2(1+1/0.05)
		if !(math.Abs(r.CDROP-drop) <= 1e-6) {
			t.Errorf("%d channels: CDROP %g, want %g", channels, r.CDROP, drop)
		}
		auc := 0.0
		for i := range plane {
			auc += (scores[i] + scores[i+1]) / 2 / plane
		}
		if len(r.Deletion.Pixels) != plane+1 || math.Abs(r.DeletionAUC-auc) > 1e-6 {
			t.Errorf("%d channels: deletion AUC %g at %d points, want %g at %d: no more steps than pixels", channels, r.DeletionAUC, len(r.Deletion.Pixels), auc, plane+1)
		}
	}
}
