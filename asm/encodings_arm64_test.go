//go:build !purego

package asm

import (
	"encoding/binary"
	"testing"
)

// The instructions that macros spell as numbers, against GNU as 2.40 on the same operands.
func TestEncodingsNEON(t *testing.T) {
	var want []encoding
	for _, e := range []struct {
		text string
		code uint32
	}{
		{"fmla v0.4s, v30.4s, v24.s[0]", 0x4f9813c0},
		{"fmla v23.4s, v31.4s, v29.s[3]", 0x4fbd1bf7},
		{"fmla v5.4s, v30.4s, v16.s[2]", 0x4f901bc5},
		{"fadd v23.4s, v9.4s, v30.4s", 0x4e3ed537},
		{"fcmlt v30.4s, v17.4s, #0.0", 0x4ea0ea3e},
		{"bit v12.16b, v31.16b, v30.16b", 0x6ebe1fec},
		{"mov v22.16b, v3.16b", 0x4ea31c76},
		{"ldr q30, [x17, #48]", 0x3dc00e3e},
		{"str q23, [x16, #32]", 0x3d800a17},
	} {
		want = append(want, encoding{e.text, binary.LittleEndian.AppendUint32(nil, e.code)})
	}
	testEncodings(t, encodingsNEONAddress(), want)
}
