package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cwox/cwox/dataset"
	"cwox/internal/testdata"
)

// TestEvaluate evaluates one image of a list in which another one is missing, then asks
// again: nothing is left to do, and the answer is the same.
func TestEvaluate(t *testing.T) {
	list := filepath.Join(t.TempDir(), "list.txt")
	image := testdata.Path(t, "images", "paper", "cello_guitar.jpg")
	if err := os.WriteFile(list, []byte("missing.jpg\n"+image+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "results")
	args := []string{"evaluate", "--model", "googlenet-caffe", "--weights", testdata.Path(t, "weights", "googlenet_bvlc_caffe.safetensors"),
		"--tree", testdata.Path(t, "trees", "published-googlenet.json"), "--top", "5",
		"--methods", "swox,cwox2s", "--step", "800", "--auc-steps", "0", "-o", out, "--json", list}
	var before string
	for run := range 2 {
		code, stdout, stderr := cli(t, args...)
		var e dataset.Evaluation
		if err := json.Unmarshal([]byte(stdout), &e); code != 0 || err != nil {
			t.Fatalf("exit code %d: %s%s: %v", code, stdout, stderr, err)
		}
		n := e.Images["googlenet-caffe"]
		if n.Evaluated != 1 || n.Failed != 1 || len(e.Columns) != 1 || e.Columns[0].Pairs < 2 || !strings.Contains(stderr, "missing.jpg") {
			t.Errorf("%+v: %s", n, stderr)
		}
		if run == 1 && stdout != before {
			t.Error("the second run gives another answer")
		}
		before = stdout
	}
	text, err := os.ReadFile(filepath.Join(out, dataset.ResultsFile))
	var row struct {
		Image, Method, Explainer, Status string
		Class                            int
		Foil                             []int
		CAUC, CDROP                      *float64
		NDelta                           *int     `json:"n_delta"`
		Deletion                         *float64 `json:"deletion_auc"`
	}
	first, _, _ := strings.Cut(string(text), "\n")
	if err != nil || json.Unmarshal([]byte(first), &row) != nil || row.Image != image || row.Method != "swox" || row.Explainer != "gradcam" ||
		len(row.Foil) == 0 || row.NDelta == nil || row.Deletion != nil {
		t.Errorf("%s: %v", first, err)
	}
	for _, name := range []string{"index.html", "tables.txt", "tables.csv", "summary.json"} {
		if info, err := os.Stat(filepath.Join(out, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	code, _, stderr := cli(t, append(args, "--step", "900")...)
	if code != exitFailed || !strings.Contains(stderr, "step was 800 and is 900 now") {
		t.Errorf("another step: exit code %d, %s", code, stderr)
	}
}

func TestEvaluateUsage(t *testing.T) {
	for args, says := range map[string]string{
		"evaluate":                              "want a folder or a list",
		"evaluate --methods swox,mine .":        "--methods swox,mine",
		"evaluate --methods swox,swox .":        "each once",
		"evaluate --explainers gradcam,mine .":  "--explainers gradcam,mine",
		"evaluate --variant mine .":             "--variant mine",
		"evaluate --definition mine .":          "--definition mine",
		"evaluate --step 0 .":                   "--step 0",
		"evaluate --max-images 0 .":             "--max-images 0",
		"evaluate --model vgg17 .":              "--model vgg17",
		"evaluate -o  .":                        "want a folder or a list",
		"evaluate --precision f16 --step 5 .":   "--precision f16",
		"evaluate --max-images -3 --delta .5 .": "--max-images -3",
	} {
		code, _, stderr := cli(t, strings.Fields(args)...)
		if code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("cwox %s: exit code %d, %q; want %d, ...%s...", args, code, stderr, exitUsage, says)
		}
	}
}
