package main

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestEvaluateTruthCommand(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "truth")
	args := []string{"evaluate", "--truth", "--scenes", "6,1", "--explainers", "gradcam,gradcam-fine", "--step", "2048", "-o", dir}
	code, out, stderr := cli(t, args...)
	if code != 0 || !strings.Contains(out, "Class maps at the object") || !strings.Contains(out, "class_layer layer3, cluster_layer layer3") {
		t.Errorf("exit code %d: %s%s", code, out, stderr)
	}
	if code, again, _ := cli(t, args...); code != 0 || again != out {
		t.Errorf("the same command again: exit code %d: %s", code, again)
	}
	for _, tc := range []struct {
		args string
		says string
	}{
		{"photos", "want no images with --truth"},
		{"--scenes 0", "--scenes 0: want a number, or two separated by a comma"},
		{"--explainers gradcm", "--explainers gradcm"},
		{"--explainers rise-fine", "only gradcam and mwp"},
		{"--methods swax", "--methods swax"},
	} {
		args := append([]string{"evaluate", "--truth", "-o", t.TempDir()}, strings.Fields(tc.args)...)
		if code, _, stderr := cli(t, args...); code != exitUsage || !strings.Contains(stderr, tc.says) {
			t.Errorf("%s: exit code %d, %q; want ...%s...", tc.args, code, stderr, tc.says)
		}
	}
	if code, _, stderr := cli(t, "evaluate"); code != exitUsage || !strings.Contains(stderr, "or --truth") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}
