package faithfulness

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"sort"
	"strings"
	"testing"

	"cwox/internal/testdata"
	"cwox/nn"
	"cwox/nn/vision"
	"cwox/nn/zoo"
	"cwox/weights"
)

// goldenMetrics is a piece of golden/metrics.json.
type goldenMetrics struct {
	Image    string
	Pos, Neg []int
	Heatmap  string

	Paper, Reference *struct {
		NDelta    int `json:"n_delta"`
		CAUC      float64
		CDROP     *float64
		Forced100 *float64 `json:"CAUC_forced_n_100"`
		First     *float64 `json:"s_first"`
		Last      *float64 `json:"s_last"`
	}
	DeletionAUC  *float64 `json:"deletion_AUC"`
	InsertionAUC *float64 `json:"insertion_AUC"`
}

// tolerances of a comparison: golden/README.md section 10.
type tolerances struct{ score, cauc float64 }

// TestToyGolden compares all 50176 steps of the toy scorer: 1e-9 (golden/README.md).
func TestToyGolden(t *testing.T) {
	all := goldenFile(t)
	curves := openWeights(t, "golden", "metrics.safetensors")
	toy := newToy(t)
	done := 0
	for name, raw := range all["toy"] {
		if name == "has_nan" {
			continue
		}
		want := decode(t, raw)
		want.Pos, want.Neg = []int{0}, []int{1}
		heat, ok := degenerate(name)
		if !ok {
			heat = heatmapOf(t, curves, "heatmap/"+name)
		}
		check(t, toy.scorer(t, heat), toy.x, heat, want, tolerances{1e-9, 1e-9}, func(d Definition, c Curve) {
			every, kind := 64, "paper_curve_every64"
			if d == Reference {
				every, kind = 8, "reference_curve_every8"
			}
			// 0 of 0 salient pixels: the reference evaluates nothing.
			if d == Reference && want.Reference.NDelta == 0 {
				return
			}
			compareCurve(t, name+" "+kind, c, valuesOf(t, curves, "toy/"+name+"/"+kind), every, 1e-9)
		}, name)
		done++
	}
	if done != 9 {
		t.Errorf("%d toy heatmaps were compared, want 9", done)
	}
}

// TestRealGolden compares with ONNX Runtime's forward passes: scores, CDROP and AUC 1e-5,
// CAUC 1e-6, n_delta exact (golden/README.md). The network is asked for some points of every
// curve, the metrics come from the golden curves; with CWOX_LONG_TESTS=1 (minutes) the
// network is asked for all 9,000 points, and the metrics come from its scores.
func TestRealGolden(t *testing.T) {
	all := goldenFile(t)
	curves := openWeights(t, "golden", "metrics.safetensors")
	maps := openWeights(t, "golden", "maps_full.safetensors")
	files := map[string]string{"resnet50": "resnet50_tf_v15.safetensors", "googlenet-caffe": "googlenet_bvlc_caffe.safetensors"}
	for model, file := range files {
		t.Run(model, func(t *testing.T) {
			m, arch := openModel(t, model, file)
			done := 0
			for name, raw := range all["real"] {
				if !strings.HasPrefix(name, model+"/") || strings.Contains(name, "float32") {
					continue
				}
				want := decode(t, raw)
				heat := heatmapOf(t, maps, strings.TrimPrefix(want.Heatmap, "maps_full.safetensors: "))
				score, x := network(t, m), input(t, arch, want.Image)
				checkSampled(t, score, x, heat, want, curves, name)
				if long() {
					check(t, score, x, heat, want, tolerances{1e-5, 1e-6}, func(d Definition, c Curve) {
						kind := name + "/" + string(d) + "_curve"
						compareCurve(t, kind, c, valuesOf(t, curves, kind), 1, 1e-5)
					}, name)
				}
				done++
			}
			if done != 4 {
				t.Errorf("%d heatmaps of %s were compared, want 4", done, model)
			}
			if decodeText(t, all["degenerate_real"]["model"]) == model {
				degenerateReal(t, m, arch, all["degenerate_real"])
			}
		})
	}
}

func long() bool { return os.Getenv("CWOX_LONG_TESTS") == "1" }

// checkSampled compares some points of every curve with the network's, and the metrics of
// the golden curves with the golden metrics.
func checkSampled(t *testing.T, score Scorer, x []float32, heat Heatmap, want goldenMetrics, curves *weights.File, name string) {
	t.Helper()
	for _, d := range []Definition{Paper, Reference} {
		o, err := Options{Definition: d, AUCSteps: -1}.WithDefaults()
		w := want.Paper
		if d == Reference {
			w = want.Reference
			if want.DeletionAUC != nil {
				o.AUCSteps = DefaultAUCSteps
			}
		}
		if err != nil || w == nil {
			continue
		}
		q := Query{Heatmap: heat, Pos: want.Pos, Neg: want.Neg}
		var some sweep
		r := q.prepare(&some, &o)
		if r.NDelta != w.NDelta {
			t.Errorf("%s %s: n_delta %d, want %d", name, d, r.NDelta, w.NDelta)
			continue
		}
		kinds := []string{string(d) + "_curve", "deletion_curve", "insertion_curve"}
		full := []*Curve{&r.Contrast, &r.Deletion, &r.Insertion}
		some.points = 0
		for _, trail := range some.trails {
			trail.curve = trail.curve.Thin(5)
			some.points += len(trail.curve.Pixels)
		}
		if err := some.run(t.Context(), score, x, &o); err != nil {
			t.Fatal(err)
		}
		for i, trail := range some.trails {
			golden := valuesOf(t, curves, name+"/"+kinds[i])
			if len(golden) != len(full[i].Pixels) {
				t.Fatalf("%s/%s: %d points, want %d", name, kinds[i], len(full[i].Pixels), len(golden))
			}
			copy(full[i].Pos, golden)
			clear(full[i].Neg)
			for k, pixels := range trail.curve.Pixels {
				got := trail.curve.Pos[k]
				if i == 0 {
					got = trail.curve.Score(k)
				}
				near(t, name+"/"+kinds[i], got, full[i].At(pixels), 1e-5)
			}
		}
		r.finish(&o)
		near(t, name+" CAUC by "+string(d), r.CAUC, w.CAUC, 1e-12) // the same sums in another order
		near(t, name+" CDROP by "+string(d), r.CDROP, *w.CDROP, 1e-12)
		if o.AUCSteps > 0 {
			near(t, name+" deletion AUC", r.DeletionAUC, *want.DeletionAUC, 1e-12)
			near(t, name+" insertion AUC", r.InsertionAUC, *want.InsertionAUC, 1e-12)
		}
	}
}

func degenerateReal(t *testing.T, m *nn.Model, arch *zoo.Arch, all map[string]json.RawMessage) {
	var where goldenMetrics
	for key, to := range map[string]any{"image": &where.Image, "pos": &where.Pos, "neg": &where.Neg} {
		if err := json.Unmarshal(all[key], to); err != nil {
			t.Fatal(err)
		}
	}
	score, x := network(t, m), input(t, arch, where.Image)
	for _, name := range []string{"zero", "single_pixel", "seventeen", "sixteen"} {
		if name == "sixteen" && !long() {
			continue // 17 forward passes that "seventeen" makes, too
		}
		want := decode(t, all[name])
		want.Pos, want.Neg = where.Pos, where.Neg
		heat, _ := degenerate(name)
		check(t, score, x, heat, want, tolerances{1e-5, 1e-6}, nil, name)
	}
}

// check scores a heatmap by both definitions and compares.
func check(t *testing.T, score Scorer, x []float32, heat Heatmap, want goldenMetrics, tol tolerances, curve func(Definition, Curve), name string) {
	t.Helper()
	query := Query{Heatmap: heat, Pos: want.Pos, Neg: want.Neg}
	for _, d := range []Definition{Paper, Reference} {
		w := want.Paper
		o := Options{Definition: d, AUCSteps: -1, Batch: 3}
		if d == Reference {
			w = want.Reference
			if want.DeletionAUC != nil {
				o.AUCSteps = 0
			}
		}
		if w == nil {
			continue
		}
		rs, err := Score(t.Context(), score, x, []Query{query}, o)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		r := rs[0]
		if r.NDelta != w.NDelta {
			t.Errorf("%s %s: n_delta %d, want %d", name, d, r.NDelta, w.NDelta)
			continue
		}
		step := 1
		if d == Reference {
			step = 16
		}
		// The definition has values for degenerate maps, too; Score answers with a status.
		cauc, cdrop := r.Contrast.CAUC(d, r.NDelta, step), r.Contrast.CDROP(d, r.NDelta, step)
		near(t, name+" CAUC by "+string(d), cauc, w.CAUC, tol.cauc)
		if w.CDROP == nil {
			if !math.IsNaN(cdrop) {
				t.Errorf("%s %s: CDROP %g, want none", name, d, cdrop)
			}
		} else {
			near(t, name+" CDROP by "+string(d), cdrop, *w.CDROP, tol.score)
		}
		meaningless := w.NDelta == 0 || d == Reference && w.NDelta <= 16
		if meaningless && (r.Status == OK || !math.IsNaN(r.CAUC) || !math.IsNaN(r.CDROP)) || !meaningless && r.CAUC != cauc {
			t.Errorf("%s %s: n_delta %d: status %s, CAUC %g, CDROP %g", name, d, w.NDelta, r.Status, r.CAUC, r.CDROP)
		}
		if w.First != nil {
			near(t, name+" s(1)", r.Contrast.Score(0), *w.First, tol.score)
			near(t, name+" s(n_delta+1)", r.Contrast.At(w.NDelta), *w.Last, tol.score)
		}
		if w.Forced100 != nil {
			forced := query
			forced.Count = 100
			rs, err := Score(t.Context(), score, x, []Query{forced}, Options{AUCSteps: -1})
			if err != nil {
				t.Fatal(err)
			}
			near(t, name+" CAUC of 100 pixels", rs[0].CAUC, *w.Forced100, tol.cauc)
			if after := r.Contrast.CAUC(d, 100, 1); after != rs[0].CAUC {
				t.Errorf("%s: CAUC of 100 pixels %g, from the longer curve %g", name, rs[0].CAUC, after)
			}
		}
		if o.AUCSteps == 0 {
			near(t, name+" deletion AUC", r.DeletionAUC, *want.DeletionAUC, tol.score)
			near(t, name+" insertion AUC", r.InsertionAUC, *want.InsertionAUC, tol.score)
		}
		if curve != nil {
			curve(d, r.Contrast)
		}
	}
}

func compareCurve(t *testing.T, name string, c Curve, want []float64, every int, tol float64) {
	t.Helper()
	if n := (len(c.Pixels) + every - 1) / every; n != len(want) {
		t.Errorf("%s: %d values, want %d", name, n, len(want))
		return
	}
	for i, w := range want {
		near(t, name, c.Score(i*every), w, tol)
	}
}

func near(t *testing.T, name string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: %.12g, want %.12g within %g", name, got, want, tol)
	}
}

// toy is the scorer of golden/README.md section 10: three logits z_k = 4/50176 times the
// sum of what is left of channel k, in float64.
type toy struct {
	x     []float32
	exact []float64 // x in float64
}

func newToy(t *testing.T) *toy {
	pic, err := vision.DecodeFile(testdata.Path(t, "images", "paper", "cello_guitar.jpg"), vision.Options{})
	if err != nil {
		t.Fatal(err)
	}
	pic = vision.Paper.Input(pic)
	y := &toy{x: vision.Paper.Tensor(pic)}
	mean, std := [3]float64{0.485, 0.456, 0.406}, [3]float64{0.229, 0.224, 0.225}
	for k := range 3 {
		for i := range 224 * 224 {
			y.exact = append(y.exact, (float64(pic.Pix[3*i+k])/255-mean[k])/std[k])
		}
	}
	return y
}

// scorer sums from scratch now and then. Otherwise it finds in O(log n) how much of the
// heatmap's order (its own, made without the package) is erased or inserted, and takes the
// sum up to there.
func (y *toy) scorer(t *testing.T, heat Heatmap) Scorer {
	const plane = 224 * 224
	raw := orderOf(heat.Data)
	clipped := slices.Clone(heat.Data)
	for i, v := range clipped {
		clipped[i] = max(v, 0)
	}
	orders := [][]int{raw, orderOf(clipped)}
	prefix := make([][][3]float64, len(orders))
	for i, order := range orders {
		prefix[i] = make([][3]float64, plane+1)
		for r, p := range order {
			for k := range 3 {
				prefix[i][r+1][k] = prefix[i][r][k] + y.exact[k*plane+p]
			}
		}
	}
	calls := 0
	return func(x []float32) []float64 {
		var out []float64
		for input := range slices.Chunk(x, 3*plane) {
			calls++
			var sum [3]float64
			found := false
			for i, order := range orders {
				inserted := input[order[0]] != 0
				n := sort.Search(plane, func(r int) bool { return (input[order[r]] != 0) != inserted })
				if n == 0 || n > 0 && n < plane && order[n-1] == order[n] {
					continue
				}
				sum = prefix[i][n]
				found = input[order[n-1]] != 0 == inserted
				if !inserted {
					for k := range sum {
						sum[k] = prefix[i][plane][k] - sum[k]
					}
				}
				if found {
					break
				}
			}
			if !found || calls%500 == 0 {
				var slow [3]float64
				for i, v := range input {
					if v != 0 {
						slow[i/plane] += y.exact[i]
					}
				}
				for k := range slow {
					if found && math.Abs(slow[k]-sum[k]) > 1e-7 {
						t.Errorf("call %d: what is left of channel %d sums to %g, want %g", calls, k, slow[k], sum[k])
					}
				}
				sum = slow
			}
			var p [3]float64
			total := 0.0
			for k := range p {
				p[k] = math.Exp(4 * sum[k] / plane)
				total += p[k]
			}
			out = append(out, p[0]/total, p[1]/total, p[2]/total)
		}
		return out
	}
}

func orderOf(v []float64) []int {
	order := make([]int, len(v))
	for i := range order {
		order[i] = i
	}
	sort.SliceStable(order, func(a, b int) bool { return v[order[a]] > v[order[b]] })
	return order
}

// degenerate makes the heatmaps that golden/README.md describes in words.
func degenerate(name string) (Heatmap, bool) {
	h := Heatmap{224, 224, make([]float64, 224*224)}
	switch name {
	case "zero":
	case "constant":
		for i := range h.Data {
			h.Data[i] = float64(float32(0.7))
		}
	case "single_pixel":
		h.Data[100*224+150] = 1
	case "seventeen", "sixteen":
		n := map[string]int{"seventeen": 17, "sixteen": 16}[name]
		for c := range n {
			h.Data[60*224+c] = 1
		}
	case "ramp":
		for i := range h.Data {
			h.Data[i] = float64(float32(float64(i) / 50175))
		}
	default:
		return Heatmap{}, false
	}
	return h, true
}

func goldenFile(t *testing.T) map[string]map[string]json.RawMessage {
	text, err := os.ReadFile(testdata.Path(t, "golden", "metrics.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all map[string]map[string]json.RawMessage
	if err := json.Unmarshal(text, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

func decode(t *testing.T, raw json.RawMessage) (m goldenMetrics) {
	t.Helper()
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func decodeText(t *testing.T, raw json.RawMessage) (s string) {
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

func openWeights(t *testing.T, elem ...string) *weights.File {
	t.Helper()
	f, err := weights.Open(testdata.Path(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func openModel(t *testing.T, name, file string) (*nn.Model, *zoo.Arch) {
	arch, err := zoo.Lookup(name)
	if err != nil {
		t.Fatal(err)
	}
	m, err := arch.Load(openWeights(t, "weights", file), zoo.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m, arch
}

func network(t *testing.T, m *nn.Model) Scorer {
	s, err := m.NewSession(nn.SessionOptions{Batch: 2})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return Network(m, s)
}

func input(t *testing.T, arch *zoo.Arch, image string) []float32 {
	pic, err := vision.DecodeFile(testdata.Path(t, "images", image), vision.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return arch.Transform.Tensor(pic)
}

func valuesOf(t *testing.T, f *weights.File, name string) []float64 {
	t.Helper()
	tensor, ok := f.Tensor(name)
	if !ok {
		t.Fatalf("no tensor %q", name)
	}
	v, err := tensor.Float64()
	if err != nil {
		t.Fatal(err)
	}
	return slices.Clone(v)
}

func heatmapOf(t *testing.T, f *weights.File, name string) Heatmap {
	t.Helper()
	return Heatmap{224, 224, valuesOf(t, f, name)}
}
