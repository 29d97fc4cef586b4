package main

import (
	"path/filepath"
	"strings"
	"testing"

	"cwox/asm"
)

// TestVerifyAcrossTiers verifies with the best kernel tier what each of them has made: in float32
// all have the same bits but ref, which rounds products.
func TestVerifyAcrossTiers(t *testing.T) {
	best, _ := asm.Best()
	for _, k := range asm.Tiers() {
		dir := filepath.Join(t.TempDir(), k.Tier)
		t.Setenv("CWOX_ISA", k.Tier)
		if code, _, stderr := cli(t, "demo", "--quiet", "-o", dir); code != 0 {
			t.Fatalf("%s: exit code %d: %s", k.Tier, code, stderr)
		}
		t.Setenv("CWOX_ISA", best.Tier)
		code, out, stderr := cli(t, "verify", "--quiet", dir)
		want, wantCode := "agree to the byte ("+best.Tier+", made by "+k.Tier+")", 0
		switch {
		case k == best:
			want = "agree to the byte (" + best.Tier + ")"
		case k.Tier == "ref":
			want, wantCode = "CWOX_ISA=ref compares byte by byte", 1
			if !strings.Contains(out, "cluster/0 ") || !strings.Contains(out, " relative") {
				t.Errorf("ref by %s: how far maps differ is not told: %s", best.Tier, out)
			}
		}
		if said := out + stderr; code != wantCode || !strings.Contains(said, want) {
			t.Errorf("%s by %s: exit code %d, %s; want %d, %q", k.Tier, best.Tier, code, said, wantCode, want)
		}
	}
}
