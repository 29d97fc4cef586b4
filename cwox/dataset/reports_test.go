package dataset

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cwox/cwox"
	"cwox/cwox/report"
)

// TestReportsGoOn: one run over several images that is stopped after each of them explains none
// twice and comes to the files of a run that was not; until then its page says what is missing, and
// only its own settings go on with it.
func TestReportsGoOn(t *testing.T) {
	_, images := smallImages(t, 4)
	c := shardCommands(t, images)[4]
	dir := t.TempDir()
	whole, out := filepath.Join(dir, "whole"), filepath.Join(dir, "out")
	if err := c.run(t.Context(), whole, Shard{}, 2, nil); err != nil {
		t.Fatal(err)
	}
	for before := range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		err := c.run(ctx, out, Shard{}, 1, func(phase string, done, _ int) {
			switch {
			case phase != PhaseExplain || done == before:
			case done == before+1:
				cancel()
			default:
				t.Errorf("image %d, %d were explained before", done, before)
			}
		})
		cancel()
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		index, err := report.ReadIndex(out)
		if err != nil || len(index.Images) != len(images) {
			t.Fatalf("%v, %v", index, err)
		}
		for i, image := range index.Images {
			if explained := image.Error == ""; explained != (i <= before) {
				t.Errorf("after %d images: %+v", before+1, image)
			}
		}
	}
	demo := demoClassifier(t)
	o := ReportsOptions{Explain: cwox.Options{TopK: 3, Tree: cwox.DefaultTree(demo), Method: cwox.CWOX2s}}
	var err error
	if o.Explain.Explainer, err = cwox.NewExplainer("gradcam", demo, cwox.Paper); err != nil {
		t.Fatal(err)
	}
	o.Also = []cwox.Options{o.Explain}
	o.Also[0].Method = cwox.SWOX
	folders := []string{"0000", "0001", "0002", "0003"}
	if _, err := WriteReports(t.Context(), demo, images, folders, out, o); err == nil || !strings.Contains(err.Error(), "top was 0 and is 3 now") {
		t.Errorf("other settings: %v", err)
	}
	if err := os.RemoveAll(filepath.Join(out, folders[1])); err != nil { // which has a line
		t.Fatal(err)
	}
	if err := c.run(t.Context(), out, Shard{}, 2, nil); err != nil {
		t.Fatal(err)
	}
	sameTrees(t, "stopped and gone on with", tree(t, out), tree(t, whole))
}
