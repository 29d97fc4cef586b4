package main

import (
	"strings"
	"testing"
)

// TestNumbers: a number that its flag cannot mean is wrong usage, whatever else is missing: no
// weights, image or tree is opened.
func TestNumbers(t *testing.T) {
	t.Setenv("CWOX_CACHE", t.TempDir())
	for _, c := range []struct{ args, says string }{
		{"classify none.jpg --threads 0", "--threads 0: want 1 to 1024"},
		{"classify none.jpg --threads 1025", "--threads 1025: want 1 to 1024"},
		{"explain none.jpg --threads 2147483648", "--threads 2147483648: want 1 to 1024"},
		{"demo --threads 1000000000", "--threads 1000000000: want 1 to 1024"},
		{"verify none --threads -1", "--threads -1: want 1 to 1024"},
		{"tree learn none.txt -o x --threads 0", "--threads 0: want 1 to 1024"},
		{"classify none.jpg --top 0", "--top 0: want at least 1"},
		{"classify none.jpg --max-pixels 0", "--max-pixels 0: want 1 to "},
		{"classify none.jpg --max-memory 5", "--max-memory 5: want 1048576 to "},
		{"explain none.jpg --level 0", "--level 0: want at least 1"},
		{"explain none.jpg --cumulative 1", "--cumulative 1: want more than 0 and less than 1"},
		{"explain none.jpg --cumulative NaN", "--cumulative NaN: want more than 0"},
		{"explain none.jpg --epsilon NaN", "--epsilon NaN: want at least 0"},
		{"explain none.jpg --epsilon -1", "--epsilon -1: want at least 0"},
		{"explain none.jpg --variant reference --delta 101", "--delta 101: want a percentile"},
		{"explain none.jpg --explainer guided --smooth Inf", "--smooth +Inf: want 0 to 1000"},
		{"explain none.jpg --explainer rise --rise-masks 0", "--rise-masks 0: want a number, or two separated by a comma, 1 to 1048576"},
		{"explain none.jpg --explainer rise --rise-masks 5,0", "--rise-masks 5,0: want"},
		{"explain none.jpg --explainer rise --rise-masks 5,6,7", "--rise-masks 5,6,7: want"},
		{"explain none.jpg --explainer rise --rise-masks 1.5", "--rise-masks 1.5: want"},
		{"explain none.jpg --explainer rise --rise-keep 0.5,nan", "--rise-keep 0.5,nan: want"},
		{"explain none.jpg --explainer lime --lime-kernel x", "--lime-kernel x: want"},
		{"documents none -o x --batch 0", "--batch 0: want 1 to 1024"},
		{"documents none -o x --max-labels 1", "--max-labels 1: want at least 2"},
		{"evaluate none -o x --delta 2", "--delta 2: want more than 0 and at most 1"},
		{"evaluate none -o x --max-images 0", "--max-images 0: want at least 1"},
		{"evaluate --truth -o x --scenes 0", "--scenes 0: want a number, or two separated by a comma, at least 1"},
		{"evaluate --truth -o x --scenes 10000000000", "--scenes 10000000000: want"},
		{"score none.jpg --map x --pos 1 --step 0", "--step 0: want at least 1"},
		{"score none.jpg --map x --pos 1 --auc-steps -1", "--auc-steps -1: want at least 0"},
		{"bench --seconds 0", "--seconds 0: want more than 0 and at most 3600"},
		{"bench --batch 5000", "--batch 5000: want 1 to 1024"},
		{"tree learn none.txt -o x --alpha NaN", "--alpha NaN: want more than 0.5 and at most 1"},
		{"tree learn none.txt -o x --alpha 0.5", "--alpha 0.5: want more than 0.5"},
		{"tree learn none.txt -o x --batch-size -2", "--batch-size -2: want at least -1"},
		{"tree learn none.txt -o x --max-island 99", "--max-island 99: want 4 to 16"},
		{"tree learn none.txt -o x --ud-threshold nan", "--ud-threshold NaN: want a number"},
		{"tree cut --level 0", "--level 0: want at least 1"},
		{"tree show --level -1", "--level -1: want at least 0"},
	} {
		code, _, stderr := cli(t, strings.Fields(c.args)...)
		if code != exitUsage || !strings.HasPrefix(stderr, "cwox: "+c.says) {
			t.Errorf("cwox %s: exit code %d, %q; want %d, %q", c.args, code, stderr, exitUsage, c.says)
		}
	}
}
