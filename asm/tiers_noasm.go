//go:build (!amd64 && !arm64) || purego

package asm

var tiers = []tier{{kernels: &ref}}
