package asm

import (
	"fmt"
	"os"
	"strings"
)

// tier is a table of kernels and whether this CPU can run it.
type tier struct {
	kernels *Kernels
	needs   string // the CPU features its kernels use, in words
	missing string // those of them this CPU lacks; empty if it can run the tier
}

// Select returns the kernels that this process should use, and a sentence that says
// why: those of the tier that the environment variable CWOX_ISA names, or Best's. A
// tier that is unknown or that this CPU cannot run is an error.
func Select() (*Kernels, string, error) {
	name := os.Getenv("CWOX_ISA")
	if name == "" {
		k, why := Best()
		return k, why, nil
	}
	k, err := ByName(name)
	if err != nil {
		return nil, "", fmt.Errorf("CWOX_ISA=%s: %w", name, err)
	}
	return k, "asked for by CWOX_ISA", nil
}

// Best returns the fastest kernels that this CPU can run, and a sentence that says why.
func Best() (*Kernels, string) {
	why := ""
	for i := len(tiers) - 1; i > 0; i-- {
		t := &tiers[i]
		if t.missing == "" {
			return t.kernels, "this CPU has " + t.needs + why
		}
		why += fmt.Sprintf("; %s needs %s", t.kernels.Tier, t.missing)
	}
	if why == "" {
		why = "; this build has no assembly kernels"
	}
	return tiers[0].kernels, "portable Go code" + why
}

// ByName returns the kernels of a tier. It fails if there is no such tier in this
// build, or if this CPU cannot run it.
func ByName(name string) (*Kernels, error) {
	var names []string
	for i := range tiers {
		t := &tiers[i]
		names = append(names, t.kernels.Tier)
		if t.kernels.Tier != name {
			continue
		}
		if t.missing != "" {
			return nil, fmt.Errorf("asm: kernel tier %q needs %s, which this CPU lacks", name, t.missing)
		}
		return t.kernels, nil
	}
	return nil, fmt.Errorf("asm: kernel tier %q is unknown, this build has %s", name, strings.Join(names, ", "))
}

// Tiers returns the tables of the tiers that this CPU can run, slowest first; the first
// is ref.
func Tiers() []*Kernels {
	var out []*Kernels
	for i := range tiers {
		if tiers[i].missing == "" {
			out = append(out, tiers[i].kernels)
		}
	}
	return out
}
