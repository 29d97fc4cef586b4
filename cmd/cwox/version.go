package main

import (
	"runtime"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/klauspost/cpuid/v2"
	"github.com/spf13/cobra"

	"cwox/asm"
)

// version is the release; a build from a checkout adds its commit.
const version = "0.1.0"

func newVersion() *cobra.Command {
	var f modelFlags
	c := &cobra.Command{
		Use:   "version",
		Short: "Version, Go, kernel tier and why, features of this CPU",
		Args:  exactly(0, "no arguments"),
		RunE: func(c *cobra.Command, args []string) error {
			k, why, err := asm.Select()
			if err != nil {
				return err
			}
			features := cpuid.CPU.FeatureSet()
			slices.Sort(features)
			if f.json {
				return printJSON(map[string]any{
					"version": fullVersion(), "go": runtime.Version(), "kernel": k.Tier, "why": why,
					"cpu": map[string]any{"name": cpuid.CPU.BrandName, "features": features},
				})
			}
			stdout.Printf("cwox %s, %s %s/%s\n", fullVersion(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
			stdout.Printf("kernels: %s (%s)\n", k.Tier, why)
			stdout.Printf("cpu: %s\n", cpuid.CPU.BrandName)
			stdout.Printf("features: %s\n", strings.Join(features, " "))
			return nil
		},
	}
	c.Flags().BoolVar(&f.json, "json", false, "machine-readable output")
	return c
}

func fullVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && len(s.Value) >= 12 {
			return version + "+" + s.Value[:12]
		}
	}
	return version
}
