package asm

import (
	"strings"
	"testing"
)

func TestSelect(t *testing.T) {
	best, why := Best()
	if why == "" {
		t.Error("Best gives no reason")
	}
	t.Setenv("CWOX_ISA", "")
	k, got, err := Select()
	if k != best || got != why || err != nil {
		t.Errorf("Select() = %v, %q, %v; want Best's %v, %q", k, got, err, best, why)
	}
	for _, want := range Tiers() {
		t.Setenv("CWOX_ISA", want.Tier)
		k, why, err := Select()
		if k != want || err != nil || !strings.Contains(why, "CWOX_ISA") {
			t.Errorf("CWOX_ISA=%s: Select() = %v, %q, %v", want.Tier, k, why, err)
		}
	}
	for _, name := range []string{"neon9", "AVX2", " "} {
		t.Setenv("CWOX_ISA", name)
		if k, _, err := Select(); k != nil || err == nil || !strings.Contains(err.Error(), "CWOX_ISA="+name) || !strings.Contains(err.Error(), "ref") {
			t.Errorf("CWOX_ISA=%q: Select() = %v, %v; want an error that names it and the tiers there are", name, k, err)
		}
	}
}

func TestByNameUnsupported(t *testing.T) {
	saved := tiers
	defer func() { tiers = saved }()
	tiers = append(saved[:1:1], tier{&Kernels{Tier: "wide"}, "WIDE and FAST", "WIDE"})
	if k, err := ByName("wide"); k != nil || err == nil || !strings.Contains(err.Error(), `"wide" needs WIDE`) {
		t.Errorf("got %v, %v", k, err)
	}
	k, why := Best()
	if k.Tier != "ref" || !strings.Contains(why, "wide needs WIDE") {
		t.Errorf("Best() = %s, %q; want ref because wide needs WIDE", k.Tier, why)
	}
	if len(Tiers()) != 1 {
		t.Errorf("Tiers() lists a tier that cannot run")
	}
}

// TestBest wants the fastest of the tiers that can run, whatever stands between.
func TestBest(t *testing.T) {
	saved := tiers
	defer func() { tiers = saved }()
	for _, tt := range []struct {
		missing   string // by tier from the second on: + runs, - lacks something
		want, why string
	}{
		{"++++", "t4", "this CPU has F4"},
		{"+++-", "t3", "this CPU has F3; t4 needs L4"},
		{"++--", "t2", "this CPU has F2; t4 needs L4; t3 needs L3"},
		{"+-+-", "t3", "this CPU has F3; t4 needs L4"},
		{"+---", "t1", "this CPU has F1; t4 needs L4; t3 needs L3; t2 needs L2"},
		{"----", "ref", "portable Go code; t4 needs L4; t3 needs L3; t2 needs L2; t1 needs L1"},
		{"", "ref", "portable Go code; this build has no assembly kernels"},
	} {
		tiers = []tier{{kernels: &Kernels{Tier: "ref"}}}
		for i, c := range tt.missing {
			n := string(rune('1' + i))
			made := tier{kernels: &Kernels{Tier: "t" + n}, needs: "F" + n}
			if c == '-' {
				made.missing = "L" + n
			}
			tiers = append(tiers, made)
		}
		if k, why := Best(); k.Tier != tt.want || why != tt.why {
			t.Errorf("%q: %s, %q, want %s, %q", tt.missing, k.Tier, why, tt.want, tt.why)
		}
	}
}

// Every table is complete.
func TestTiersComplete(t *testing.T) {
	for _, k := range Tiers() {
		if k.Tier == "" || k.GemmF32.Name == "" || k.GemmF32.Run == nil || k.GemmF32.MaxVecs < 1 ||
			k.Winograd2F32.Input == nil || k.Winograd2F32.Output == nil || k.Winograd2F32.Out != 2 || k.Winograd2F32.In != 4 ||
			k.Winograd4F32.Input == nil || k.Winograd4F32.Output == nil || k.Winograd4F32.Out != 4 || k.Winograd4F32.In != 6 ||
			k.GemmBF16.Name == "" || k.GemmBF16.Run == nil || k.GemmBF16.MaxVecs < 1 || k.MaxPoolBF16 == nil || k.NarrowBF16 == nil ||
			k.Winograd2BF16.Input == nil || k.Winograd2BF16.Output == nil || k.WidenBF16 == nil ||
			k.PeakBF16.Name == "" || k.PeakBF16.MACs < 1 || k.PeakBF16.Run == nil ||
			k.MaxPoolF32 == nil || k.LRNF32 == nil || k.GaussF32 == nil || k.DepthwiseF32 == nil || k.MapF32 == nil || k.SigmoidF32 == nil || k.PeakF32.Name == "" || k.PeakF32.MACs < 1 || k.PeakF32.Run == nil {
			t.Errorf("%s: incomplete table %+v", k.Tier, k)
		}
		for _, rows := range [][]int{k.GemmF32.Rows, k.GemmBF16.Rows} {
			for i, r := range rows {
				if last := i == len(rows)-1; last && r != 1 || !last && r <= rows[i+1] {
					t.Errorf("%s: rows %v, want descending to 1", k.Tier, rows)
				}
			}
		}
		for _, p := range []Peak{k.PeakF32, k.PeakBF16} {
			p.Run(0)
			p.Run(-1)
			p.Run(3)
		}
	}
}
