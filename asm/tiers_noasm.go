//go:build !amd64 || purego

package asm

var tiers = []tier{{kernels: &ref}}
