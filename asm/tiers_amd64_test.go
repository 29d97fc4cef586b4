//go:build !purego

package asm

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestGates compares, as text, three places that say what a tier needs: the features that
// tiers_amd64.go asks the CPU for, those that it names to the user, and the Requires lines of the
// kernels that the tier's file declares. No machine could tell: one that lacks a feature is rare.
func TestGates(t *testing.T) {
	read := func(name string) string {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	requires := map[string][]string{} // by TEXT symbol
	sources, err := filepath.Glob("*_amd64.s")
	if err != nil || len(sources) == 0 {
		t.Fatal(sources, err)
	}
	line := regexp.MustCompile(`(?m)^(?:// Requires: (.*)|TEXT ·(\w+))`)
	for _, name := range sources {
		var now []string // holds for the symbols up to the next line
		for _, m := range line.FindAllStringSubmatch(read(name), -1) {
			if m[2] == "" {
				now = strings.Split(m[1], ", ")
			} else {
				requires[m[2]] = now
			}
		}
	}

	// cpuid's names of features, in the words for users and in the instruction manual's.
	words := map[string]string{"AVX2": "AVX2", "FMA3": "FMA", "AVX512F": "F", "AVX512BW": "BW", "AVX512DQ": "DQ",
		"AVX512VL": "VL", "AVX512BF16": "BF16", "AMXTILE": "AMX", "AMXBF16": "AMX"}
	manual := map[string]string{"AVX": "AVX2", "AVX512_BF16": "AVX512BF16", "AMX-TILE": "AMXTILE", "AMX-BF16": "AMXBF16"}
	feature := regexp.MustCompile(`cpuid\.([A-Z0-9]+)\b`)
	featuresOf := func(text string) (out []string) {
		for _, m := range feature.FindAllStringSubmatch(text, -1) {
			out = append(out, m[1])
		}
		return out
	}
	gates := map[string][]string{}
	for _, m := range regexp.MustCompile(`(\w+) := missing\(([^)]*)\)`).FindAllStringSubmatch(read("tiers_amd64.go"), -1) {
		gates[m[1]] = featuresOf(m[2])
	}
	amxGate := regexp.MustCompile(`missing\(cpuid[^)]*\)`).FindString(read("amx_amd64.go"))
	gates["missingAMX"] = slices.Concat(gates["pairs"], featuresOf(amxGate))

	declared := regexp.MustCompile(`(?m)^func (\w+)\(.*\)( \w+)?$`)
	var below []string // what the tiers below need
	rows := regexp.MustCompile(`\{&(\w+), "(.*)", (\w+)`).FindAllStringSubmatch(read("tiers_amd64.go"), -1)
	if len(rows) != len(tiers)-1 {
		t.Fatalf("%d rows, want %d", len(rows), len(tiers)-1)
	}
	for _, row := range rows {
		tier, said, gate := row[1], row[2], gates[row[3]]
		kernels := 0
		for _, m := range declared.FindAllStringSubmatch(read(tier+"_amd64.go"), -1) {
			needs, ok := requires[m[1]]
			if ok {
				kernels++
			}
			for _, f := range needs {
				if other := manual[f]; other != "" {
					f = other
				}
				if !slices.Contains(gate, f) {
					t.Errorf("%s requires %s, and tier %s asks for %v", m[1], f, tier, gate)
				}
			}
		}
		if kernels == 0 {
			t.Errorf("%s: no kernels", tier)
		}
		for _, f := range below {
			if !slices.Contains(gate, f) {
				t.Errorf("tier %s asks for %v, and not for %s as the tier below it does", tier, gate, f)
			}
		}
		for name := range words {
			named := regexp.MustCompile(`\b` + words[name] + `\b`).MatchString(said)
			implied := slices.Contains(below, name)
			if asked := slices.Contains(gate, name); named && !asked || asked && !named && !implied {
				t.Errorf("tier %s asks for %v and says %q", tier, gate, said)
			}
		}
		below = gate
	}
}
