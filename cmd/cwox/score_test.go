package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cwox/cwox/faithfulness"
	"cwox/internal/testdata"
	"cwox/weights"
)

// TestScore scores a heatmap of five salient pixels, as .safetensors and as .npy would have
// it, and one that is blank.
func TestScore(t *testing.T) {
	values := make([]float32, 224*224)
	blank := make([]float32, 224*224)
	for i := range 5 {
		values[100*224+100+i] = float32(5 + i)
	}
	dir := t.TempDir()
	maps := filepath.Join(dir, "maps.safetensors")
	err := weights.WriteFile(maps, []*weights.Tensor{
		weights.NewF32("class/784", []int{224, 224}, values), weights.NewF32("blank", []int{224, 224}, blank)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	curve := filepath.Join(dir, "curve.csv")
	args := []string{"score", "--model", "googlenet-caffe", "--weights", testdata.Path(t, "weights", "googlenet_bvlc_caffe.safetensors"),
		"--map", maps, "--auc-steps", "2", "--json", "--quiet", testdata.Path(t, "images", "paper", "screwdriver.JPEG")}
	code, out, stderr := cli(t, append(args, "--tensor", "class/784", "--pos", "784", "--neg", "845,487", "--curve", curve)...)
	var r scoreResult
	if err := json.Unmarshal([]byte(out), &r); err != nil || code != 0 {
		t.Fatalf("exit code %d, %s%s: %v", code, out, stderr, err)
	}
	if r.Status != faithfulness.OK || r.NDelta != 5 || r.Definition != faithfulness.Paper || !(r.CAUC > 0 && r.CAUC < 5./(224*224)) ||
		r.CDROP != r.CDROP || !(r.DeletionAUC > 0 && r.DeletionAUC < 1) || !(r.InsertionAUC > 0) {
		t.Errorf("%+v", r)
	}
	text, err := os.ReadFile(curve)
	if lines := strings.Split(strings.TrimSpace(string(text)), "\n"); err != nil || len(lines) != 7 || lines[0] != "pixels,p_pos,p_neg,score" {
		t.Errorf("curve: %q, %v", lines, err)
	}
	code, out, _ = cli(t, append(args, "--tensor", "blank", "--pos", "784")...)
	if code != 0 || !strings.Contains(out, `"status":"blank"`) || !strings.Contains(out, `"cauc":null`) {
		t.Errorf("blank map: exit code %d, %s", code, out)
	}
}

func TestScoreUsage(t *testing.T) {
	for args, says := range map[string]string{
		"score x.jpg":             "--map FILE",
		"score --map m.npy x.jpg": "--pos CLASS",
		"score --model demo --map m.npy --pos cello x.jpg":       `--pos cello: `,
		"score --model demo --map m.npy --pos 1 --neg 36 x.jpg":  "--neg 36: ",
		"score --map m.npy --pos 1 --step 0 x.jpg":               "--step 0",
		"score --map m.npy --pos 1 --definition mine x.jpg":      "--definition mine: want paper or reference",
		"score --map m.npy --pos 1 --delta 2 x.jpg":              "--delta 2",
		"score --map m.npy --pos 1 --auc-steps -1 x.jpg":         "--auc-steps -1",
		"score --map m.npy --pos 1 --count -1 x.jpg":             "--count -1",
		"score --map m.npy --pos 1 --model vgg17 --step 5 x.jpg": "--model vgg17",
		"score --map m.npy --pos 1":                              "want an image",
	} {
		code, _, stderr := cli(t, strings.Fields(args)...)
		if code != exitUsage || !strings.Contains(stderr, says) {
			t.Errorf("cwox %s: exit code %d, %q; want %d, ...%s...", args, code, stderr, exitUsage, says)
		}
	}
}
