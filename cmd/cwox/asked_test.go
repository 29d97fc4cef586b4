package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cwox/cwox/report"
)

// Several methods and explainers make one report, which can be made again; the first explanation
// is, to the byte, what it is alone.
func TestSeveralMethods(t *testing.T) {
	one, all := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "all")
	if code, _, stderr := cli(t, "demo", "--quiet", "--method", "swox", "--relu", "off", "-o", one); code != 0 {
		t.Fatal(stderr)
	}
	code, out, stderr := cli(t, "demo", "--quiet", "--method", "swox, cwox1sb,cwox2s", "--explainer", "gradcam,rise", "--rise-masks", "40", "--relu", "off", "-o", all)
	if code != 0 || !strings.Contains(out, "swox by gradcam, cwox1sb by gradcam, cwox2s by gradcam, swox by rise, cwox1sb by rise, cwox2s by rise (paper)") {
		t.Fatalf("exit code %d, %s%s", code, out, stderr)
	}
	r, err := report.ReadJSON(filepath.Join(all, report.JSONFile))
	if err != nil || len(r.Also) != 5 || r.Also[4].Method != "cwox2s" || r.Also[4].Explainer.Settings["cluster_masks"] != 40.0 {
		t.Fatalf("%d also, error %v", len(r.Also), err)
	}
	overlays, err := filepath.Glob(filepath.Join(one, "class-*.png"))
	if err != nil || len(overlays) != 3 {
		t.Fatalf("overlays %v, error %v", overlays, err)
	}
	for _, path := range overlays {
		a, _ := os.ReadFile(path)
		if b, err := os.ReadFile(filepath.Join(all, filepath.Base(path))); err != nil || string(a) != string(b) {
			t.Errorf("%s is another among several: error %v", filepath.Base(path), err)
		}
	}
	if code, out, stderr := cli(t, "verify", "--quiet", all); code != 0 || !strings.Contains(out, "agree to the byte") {
		t.Errorf("exit code %d, %s%s", code, out, stderr)
	}
	overlay := filepath.Join(all, r.Also[4].Classes[0].Overlay)
	b, err := os.ReadFile(overlay)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2]++
	if err := os.WriteFile(overlay, b, 0o666); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := cli(t, "verify", "--quiet", all); code != exitFailed || !strings.Contains(stderr, filepath.Base(overlay)) {
		t.Errorf("a changed overlay of the last explanation: exit code %d, %s", code, stderr)
	}
}

func TestSeveralUsage(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"--method swox,cwox3", "--method cwox3: want swox"},
		{"--method swox,swox", "--method: swox twice"},
		{"--explainer gradcam,", "--explainer : want gradcam"},
		{"--explainer rise,gradcam,rise", "--explainer: rise twice"},
		{"--explainer gradcam,mwp --rise-masks 10", "the explainer is gradcam, mwp"},
		{"--method swox,cwox1sa --epsilon 0.1", "--epsilon: a threshold of cwox2s alone"},
	} {
		code, _, stderr := cli(t, append([]string{"demo", "-o", filepath.Join(t.TempDir(), "x")}, strings.Fields(c.args)...)...)
		if code != exitUsage || !strings.Contains(stderr, c.want) {
			t.Errorf("%s: exit code %d, %q, want %q", c.args, code, stderr, c.want)
		}
	}
}
