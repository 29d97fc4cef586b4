//go:build !purego

package asm

import (
	"bytes"
	"testing"
	"unsafe"
)

// The instructions that macros spell as bytes, against GNU as 2.40 on the same operands.

type encoding struct {
	text string
	want []byte
}

func TestEncodingsBF16(t *testing.T) {
	testEncodings(t, encodingsBF16Address(), []encoding{
		{"vdpbf16ps %zmm28, %zmm30, %zmm0", []byte{0x62, 0x92, 0x0e, 0x40, 0x52, 0xc4}},
		{"vdpbf16ps %zmm29, %zmm31, %zmm27", []byte{0x62, 0x02, 0x06, 0x40, 0x52, 0xdd}},
		{"vdpbf16ps %zmm5, %zmm10, %zmm15", []byte{0x62, 0x72, 0x2e, 0x48, 0x52, 0xfd}},
		{"vdpbf16ps %zmm1, %zmm2, %zmm3", []byte{0x62, 0xf2, 0x6e, 0x48, 0x52, 0xd9}},
		{"vdpbf16ps %zmm8, %zmm16, %zmm24", []byte{0x62, 0x42, 0x7e, 0x40, 0x52, 0xc0}},
		{"vcvtneps2bf16 %zmm0, %ymm0", []byte{0x62, 0xf2, 0x7e, 0x48, 0x72, 0xc0}},
		{"vcvtneps2bf16 %zmm27, %ymm31", []byte{0x62, 0x02, 0x7e, 0x48, 0x72, 0xfb}},
		{"vcvtneps2bf16 %zmm9, %ymm12", []byte{0x62, 0x52, 0x7e, 0x48, 0x72, 0xe1}},
	})
}

func TestEncodingsAMX(t *testing.T) {
	testEncodings(t, encodingsAMXAddress(), []encoding{
		{"ldtilecfg (%r8)", []byte{0xc4, 0xc2, 0x78, 0x49, 0x00}},
		{"tilerelease", []byte{0xc4, 0xe2, 0x78, 0x49, 0xc0}},
		{"tilezero %tmm3", []byte{0xc4, 0xe2, 0x7b, 0x49, 0xd8}},
		{"tileloadd (%rsi,%r9,1), %tmm4", []byte{0xc4, 0xa2, 0x7b, 0x4b, 0x24, 0x0e}},
		{"tileloadd (%rcx,%r9,1), %tmm5", []byte{0xc4, 0xa2, 0x7b, 0x4b, 0x2c, 0x09}},
		{"tileloadd (%rdx,%r10,1), %tmm6", []byte{0xc4, 0xa2, 0x7b, 0x4b, 0x34, 0x12}},
		{"tileloadd (%rax,%r10,1), %tmm7", []byte{0xc4, 0xa2, 0x7b, 0x4b, 0x3c, 0x10}},
		{"tilestored %tmm2, (%r8,%r12,1)", []byte{0xc4, 0x82, 0x7a, 0x4b, 0x14, 0x20}},
		{"tilestored %tmm0, (%rsi,%r9,1)", []byte{0xc4, 0xa2, 0x7a, 0x4b, 0x04, 0x0e}},
		{"tdpbf16ps %tmm6, %tmm4, %tmm0", []byte{0xc4, 0xe2, 0x4a, 0x5c, 0xc4}},
		{"tdpbf16ps %tmm7, %tmm5, %tmm3", []byte{0xc4, 0xe2, 0x42, 0x5c, 0xdd}},
	})
}

// testEncodings compares the code at an address.
func testEncodings(t *testing.T, at uintptr, want []encoding) {
	for _, e := range want {
		code := unsafe.Slice(*(**byte)(unsafe.Pointer(&at)), len(e.want))
		if !bytes.Equal(code, e.want) {
			t.Errorf("%s: % x, want % x", e.text, code, e.want)
		}
		at += uintptr(len(e.want))
	}
}
