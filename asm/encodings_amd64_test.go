//go:build !purego

package asm

import (
	"bytes"
	"testing"
	"unsafe"
)

// The instructions that macros spell as bytes, against GNU as 2.40 on the same operands.
func TestEncodingsBF16(t *testing.T) {
	at := encodingsBF16Address()
	code := *(**[48]byte)(unsafe.Pointer(&at))
	for i, c := range []struct {
		text string
		want []byte
	}{
		{"vdpbf16ps %zmm28, %zmm30, %zmm0", []byte{0x62, 0x92, 0x0e, 0x40, 0x52, 0xc4}},
		{"vdpbf16ps %zmm29, %zmm31, %zmm27", []byte{0x62, 0x02, 0x06, 0x40, 0x52, 0xdd}},
		{"vdpbf16ps %zmm5, %zmm10, %zmm15", []byte{0x62, 0x72, 0x2e, 0x48, 0x52, 0xfd}},
		{"vdpbf16ps %zmm1, %zmm2, %zmm3", []byte{0x62, 0xf2, 0x6e, 0x48, 0x52, 0xd9}},
		{"vdpbf16ps %zmm8, %zmm16, %zmm24", []byte{0x62, 0x42, 0x7e, 0x40, 0x52, 0xc0}},
		{"vcvtneps2bf16 %zmm0, %ymm0", []byte{0x62, 0xf2, 0x7e, 0x48, 0x72, 0xc0}},
		{"vcvtneps2bf16 %zmm27, %ymm31", []byte{0x62, 0x02, 0x7e, 0x48, 0x72, 0xfb}},
		{"vcvtneps2bf16 %zmm9, %ymm12", []byte{0x62, 0x52, 0x7e, 0x48, 0x72, 0xe1}},
	} {
		if got := code[6*i : 6*i+6]; !bytes.Equal(got, c.want) {
			t.Errorf("%s: % x, want % x", c.text, got, c.want)
		}
	}
}
