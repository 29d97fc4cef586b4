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
		{"fmls v18.4s, v6.4s, v31.s[1]", 0x4fbf50d2},
		{"fmul v17.4s, v6.4s, v30.s[3]", 0x4fbe98d1},
		{"fsub v20.4s, v3.4s, v17.4s", 0x4eb1d474},
		{"fmul v16.4s, v19.4s, v17.4s", 0x6e31de70},
		{"fdiv v3.4s, v3.4s, v16.4s", 0x6e30fc63},
		{"fmin v0.4s, v17.4s, v29.4s", 0x4ebdf620},
		{"fsqrt v17.4s, v16.4s", 0x6ea1fa11},
		{"fcmgt v19.4s, v7.4s, v3.4s", 0x6ea3e4f3},
		{"fcmge v2.4s, v0.4s, v13.4s", 0x6e2de402},
		{"fcmeq v23.4s, v7.4s, v7.4s", 0x4e27e4f7},
		{"bif v3.16b, v7.16b, v23.16b", 0x6ef71ce3},
		{"fcvtzs v1.4s, v30.4s", 0x4ea1bbc1},
		{"scvtf v3.4s, v21.4s", 0x4e21daa3},
		{"ext v17.16b, v20.16b, v21.16b, #12", 0x6e156291},
		{"fmla v7.4s, v20.4s, v16.4s", 0x4e30ce87},
		{"fmax v6.4s, v6.4s, v21.4s", 0x4e35f4c6},
		{"fcvtns v9.4s, v10.4s", 0x4e21a949},
		{"orr v5.16b, v1.16b, v20.16b", 0x4eb41c25},
		{"add v10.4s, v11.4s, v30.4s", 0x4ebe856a},
		{"shl v11.4s, v8.4s, #23", 0x4f37550b},
		{"bfdot v7.4s, v30.8h, v24.2h[3]", 0x4f78fbc7},
		{"bfdot v23.4s, v31.8h, v29.2h[0]", 0x4f5df3f7},
		{"facgt v26.4s, v24.4s, v5.4s", 0x6ea5ef1a},
		{"and v26.16b, v26.16b, v25.16b", 0x4e391f5a},
		{"bic v5.16b, v5.16b, v26.16b", 0x4e7a1ca5},
		{"bfcvtn v27.4h, v5.4s", 0x0ea168bb},
		{"bfcvtn2 v27.8h, v6.4s", 0x4ea168db},
		{"shll v31.4s, v30.4h, #16", 0x2e613bdf},
		{"shll2 v31.4s, v30.8h, #16", 0x6e613bdf},
		{"uzp2 v24.8h, v0.8h, v1.8h", 0x4e415818},
	} {
		want = append(want, encoding{e.text, binary.LittleEndian.AppendUint32(nil, e.code)})
	}
	testEncodings(t, encodingsNEONAddress(), want)
}
