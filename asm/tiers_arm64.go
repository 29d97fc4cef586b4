//go:build !purego

package asm

// Every arm64 has NEON.
var tiers = []tier{{kernels: &ref}, {kernels: &neon, needs: "NEON"}}
