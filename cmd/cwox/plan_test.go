package main

import (
	"encoding/json"
	"strings"
	"testing"

	"cwox/cwox/dataset"
)

func TestPlanCommand(t *testing.T) {
	in := scenes(t, 4)
	args := []string{"plan", "--model", "demo", "--quiet", "--sample", "3", "--explainers", "gradcam,rise", "--methods", "cwox2s", "--step", "2048"}
	code, stdout, stderr := cli(t, append(args, "--json", "--images", "1280000", "--forwards", "100", in)...)
	var p dataset.Plan
	if err := json.Unmarshal([]byte(stdout), &p); code != 0 || err != nil || p.Images != 1280000 || p.Tried != 3 || p.Forwards != 100 || len(p.Work) != 3 {
		t.Fatalf("exit code %d, %v: %s%s", code, err, stdout, stderr)
	}
	code, stdout, stderr = cli(t, append(args, "--machines", "1,50", "--price", "2", in)...)
	if lines := strings.Split(stdout, "\n"); code != 0 || len(lines) != 7 || !strings.HasPrefix(lines[0], "4 images, of which 3 were tried: ") ||
		!strings.Contains(lines[2], "1 machine    50 machines         cost") || !strings.HasPrefix(lines[5], "evaluate, rise") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	for _, c := range []struct{ flags, says string }{
		{"-o x", "--output: of evaluate alone"}, {"--restart", "--restart: of evaluate alone"}, {"--machines 1,x", "want numbers of machines"}, {"--machines 0", "want numbers of machines"},
		{"--explainers none", "--explainers none: want"}, {"--sample 0", "--sample 0: want"}, {"--price -1", "--price -1: want"}, {"--forwards -1", "--forwards -1: want"},
	} {
		if code, _, stderr := cli(t, append(append([]string{"plan", "--model", "demo"}, strings.Fields(c.flags)...), in)...); code != exitUsage || !strings.Contains(stderr, c.says) {
			t.Errorf("%s: exit code %d, %q, want %q", c.flags, code, stderr, c.says)
		}
	}
	for h, want := range map[float64]string{100: "4.2 days", 47: "47 h", 1.25: "1.2 h", 0.5: "30 min", 0.001: "3.6 s", 24000: "1000 days"} {
		if got := hours(h); got != want {
			t.Errorf("%g: %s, want %s", h, got, want)
		}
	}
}
