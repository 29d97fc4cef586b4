package dataset

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"cwox/cwox"
	"cwox/cwox/faithfulness"
	"cwox/cwox/report"
	"cwox/hlta"
	"cwox/internal/place"
)

// syntheticShards writes shards of documents without any image: their folders, settings and
// lines of five labels each, as finished shards have them.
func syntheticShards(tb testing.TB, out string, shards, each int) {
	tb.Helper()
	n := shards * each
	images := make([]string, n)
	for i := range images {
		images[i] = fmt.Sprintf("/data/imagenet/train/n%08d/n%08d_%d.JPEG", 1440764+i/1300*17, 1440764+i/1300*17, i)
	}
	work := listed(commandDocuments, images)
	settings := documentsSettings{Format: documentsFormat, Model: "resnet50", Cumulative: 0.95, Images: n, ImagesSHA256: work.ImagesSHA256}
	for i := range shards {
		s := Shard{i, shards}
		dir, err := s.claim(out, out)
		if err != nil {
			tb.Fatal(err)
		}
		d, err := place.Open(dir)
		if err != nil {
			tb.Fatal(err)
		}
		if err := d.Write(filepath.Base(out)+".settings.json", asJSON(settings)); err != nil {
			tb.Fatal(err)
		}
		state, err := s.begin(d, work, false, commandDocuments)
		if err != nil {
			tb.Fatal(err)
		}
		f, err := os.Create(d.Path(filepath.Base(out) + ".jsonl"))
		if err != nil {
			tb.Fatal(err)
		}
		w := bufio.NewWriter(f)
		for k := range s.count(n) {
			id := s.unit(k)
			line := ImageLabels{ID: id, Image: images[id], SHA256: fmt.Sprintf("%064x", id), Cum: 5}
			for rank := range 5 {
				line.Top = append(line.Top, Label{(id + rank*rank*31) % 1000, 0.61803398875 / float64(rank+1+id%7)})
			}
			text, err := encode(line)
			if err != nil {
				tb.Fatal(err)
			}
			w.Write(text)
		}
		if err := w.Flush(); err != nil {
			tb.Fatal(err)
		}
		f.Close()
		if err := state.end(d, commandDocuments); err != nil {
			tb.Fatal(err)
		}
		d.Close()
	}
}

// syntheticEvaluation writes shards of an evaluation: of each image a line and a row for every
// method and two classes, with curves as they are.
func syntheticEvaluation(tb testing.TB, out string, shards, each int) {
	tb.Helper()
	n := shards * each
	images := make([]string, n)
	for i := range images {
		images[i] = fmt.Sprintf("photos/%06d.jpg", i)
	}
	settings := EvaluationSettings{Format: evaluateFormat, Methods: cwox.Methods(), Variant: cwox.Paper, Definition: faithfulness.Paper, Step: 1, Delta: 0.5,
		Models: map[string]EvaluatedModel{"resnet50": {}}, Explainers: map[string]map[string]any{"resnet50/rise": {"masks": 8000}}}
	curve := RowCurve{}
	for k := range 257 {
		curve.Pixels = append(curve.Pixels, 40*k)
		curve.Pos, curve.Neg = append(curve.Pos, 0.9/float64(k+1)), append(curve.Neg, 0.1+0.001*float64(k%7))
	}
	for i := range shards {
		s := Shard{i, shards}
		dir, err := s.claim(out, out)
		if err != nil {
			tb.Fatal(err)
		}
		j, err := openEvaluation(dir, &settings, false)
		if err != nil {
			tb.Fatal(err)
		}
		state, err := s.begin(j.dir, listed(commandEvaluate, images), false, "resnet50/rise")
		if err != nil {
			tb.Fatal(err)
		}
		var rows []EvaluationRow
		var lines []EvaluatedImage
		for k := range s.count(n) {
			id := s.unit(k)
			line := EvaluatedImage{Image: images[id], Model: "resnet50", Explainer: "rise", SHA256: fmt.Sprintf("%064x", id), Clusters: [][]int{{1, 2}}, Rows: 2 * len(settings.Methods)}
			lines = append(lines, line)
			for class := range 2 {
				for m, method := range settings.Methods {
					v := report.Real(float64((id*7+class*3+m)%97) / 97)
					rows = append(rows, EvaluationRow{Image: line.Image, Model: line.Model, Explainer: line.Explainer, Method: method, Class: 1 + class, Foil: []int{2 - class},
						Probability: 0.5, Status: faithfulness.OK, NDelta: 9000, Common: 8000, CAUC: v, OwnCAUC: v, CDROP: v, DeletionAUC: v, InsertionAUC: v, Curve: curve})
				}
			}
		}
		r, err1 := encode(rows...)
		l, err2 := encode(lines...)
		if err := errors.Join(err1, err2, j.results.append(r), j.images.append(l), state.end(j.dir, "resnet50/rise"), j.close()); err != nil {
			tb.Fatal(err)
		}
	}
}

// TestMergeLarge: the memory of many shards is that of a buffer each, however many lines.
func TestMergeLarge(t *testing.T) {
	shards, each := 200, 64
	if testing.Short() {
		shards, each = 20, 32
	}
	out := filepath.Join(t.TempDir(), "docs.txt.gz")
	syntheticShards(t, out, shards, each)
	r, err := Merge(t.Context(), out)
	if err != nil || r.Documents.Documents != shards*each || r.Documents.Labels != 5*shards*each {
		t.Fatalf("%+v, %v", r, err)
	}
	docs, err := hlta.ReadDocuments(out)
	if err != nil || docs.N != shards*each {
		t.Errorf("%v, want %d documents", err, shards*each)
	}
	out = filepath.Join(t.TempDir(), "results")
	syntheticEvaluation(t, out, shards/8, 1)
	if r, err := Merge(t.Context(), out); err != nil || r.Evaluation.Images["resnet50"].Evaluated != shards/8 {
		t.Errorf("%+v, %v", r, err)
	}
}

// BenchmarkMergeImageNet merges 1,000 shards of 1,280 lines each: -benchtime 1x.
func BenchmarkMergeImageNet(b *testing.B) {
	out := filepath.Join(b.TempDir(), "docs.txt.gz")
	syntheticShards(b, out, 1000, 1280)
	for b.Loop() {
		for _, name := range []string{out, out + ".jsonl", out + ".settings.json"} {
			os.Remove(name)
		}
		if _, err := Merge(b.Context(), out); err != nil {
			b.Fatal(err)
		}
	}
	reportMemory(b)
}

// BenchmarkMergeEvaluation merges 1,000 shards of 10 images each, as of a whole evaluation of
// 10,000 images with an explainer: -benchtime 1x.
func BenchmarkMergeEvaluation(b *testing.B) {
	out := filepath.Join(b.TempDir(), "results")
	syntheticEvaluation(b, out, 1000, 10)
	for b.Loop() {
		os.RemoveAll(out)
		if _, err := Merge(b.Context(), out); err != nil {
			b.Fatal(err)
		}
	}
	reportMemory(b)
}

func reportMemory(b *testing.B) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/1e6, "MB-of-system")
}
