package dataset

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"testing"

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
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.ReportMetric(float64(m.Sys)/1e6, "MB-of-system")
}
