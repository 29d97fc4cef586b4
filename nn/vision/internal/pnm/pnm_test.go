package pnm

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"
	"testing"

	"cwox/internal/testdata"
)

// grey makes RGB of grey values.
func grey(values ...uint8) []uint8 {
	var pix []uint8
	for _, v := range values {
		pix = append(pix, v, v, v)
	}
	return pix
}

func floats(order binary.AppendByteOrder, values ...float32) string {
	var b []byte
	for _, v := range values {
		b = order.AppendUint32(b, math.Float32bits(v))
	}
	return string(b)
}

// Samples are scaled to 255 and rounded, halves to even numbers, as Pillow 13 does.
func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, file string
		want       []uint8
		depth      string
	}{
		{"plain bits", "P1\n# a comment\n3 2\n1 0 1\n011", grey(0, 255, 0, 255, 0, 0), ""},
		{"plain grey", "P2 3 1 15\n0 7 15\n", grey(0, 119, 255), ""},
		{"plain grey, comments", "P2 #x\n 3#y\n 1 255 0#z\n#\n 7 255", grey(0, 7, 255), ""},
		{"plain grey, 16 bits", "P2 3 1 65535 256 4660 65535", grey(1, 0x12, 255), "samples reduced to 8 bits; values up to 65,535 of 65,535"},
		{"plain colour", "P3 1 2 255 1 2 3\n4 5 6", []uint8{1, 2, 3, 4, 5, 6}, ""},
		{"bits", "P4 10 2\n\x2a\x80\x0f\x40", grey(255, 255, 0, 255, 0, 255, 0, 255, 0, 255, 255, 255, 255, 255, 0, 0, 0, 0, 255, 0), ""},
		{"grey", "P5 3 1 255\n\x00\x07\xff", grey(0, 7, 255), ""},
		{"grey of 2 values", "P5 3 1 1\n\x00\x01\x02", grey(0, 255, 255), ""},
		{"halves", "P5 4 1 102\n\x01\x03\x05\x07", grey(2, 8, 12, 18), ""}, // 2.5, 7.5, 12.5, 17.5
		{"grey, 12 bits", "P5 3 1 4095\n\x00\x10\x08\x00\x0f\xff", grey(1, 128, 255), "values up to 4,095 of 4,095"},
		{"grey, 12 in 16 bits", "P5 2 1 65535\n\x00\xff\x0f\xff", grey(0, 15), "values up to 4,095 of 65,535"},
		{"colour", "P6 1 2 255\n\x01\x02\x03\x04\x05\x06", []uint8{1, 2, 3, 4, 5, 6}, ""},
		{"colour, 16 bits", "P6 1 1 65535\n\x00\x80\x00\x81\xff\xff", []uint8{0, 1, 255}, "values up to 65,535 of 65,535"}, // 128/257, 129/257
		{"space in the pixels", "P6 1 1 255\n\n \t", []uint8{10, 32, 9}, ""},
		{"real", "Pf 2 2 -1.0\n" + floats(binary.LittleEndian, 1, 2, 300, -4), grey(255, 0, 1, 2), "real samples, from -4 to 300, cut to whole numbers from 0 to 255"},
		{"real, big-endian", "Pf 2 1 1\n" + floats(binary.BigEndian, 1.9, .5), grey(1, 0), "from 0.5 to 1.9"},
		{"PAM, grey", "P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 255\nTUPLTYPE GRAYSCALE\n# no\nENDHDR\n\x01\x02", grey(1, 2), ""},
		{"PAM, bits", "P7\nWIDTH 2\nHEIGHT 1\nDEPTH 1\nMAXVAL 1\nTUPLTYPE BLACKANDWHITE\nENDHDR\n\x01\x00", grey(255, 0), ""},
		{"PAM, opaque", "P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n\x01\x02\x03\xff", []uint8{1, 2, 3}, ""},
	} {
		m, err := Decode([]byte(c.file))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if !bytes.Equal(m.Pix, c.want) || m.Alpha || m.More || m.Damage != "" || (m.Depth == "") != (c.depth == "") || !strings.Contains(m.Depth, c.depth) {
			t.Errorf("%s: %+v, want %v, %q", c.name, m, c.want, c.depth)
		}
	}
}

func TestNotes(t *testing.T) {
	m, err := Decode([]byte("P7\nWIDTH 1\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n\x01\x02"))
	if err != nil || !m.Alpha || !bytes.Equal(m.Pix, grey(1)) {
		t.Errorf("alpha: %+v, error %v", m, err)
	}
	m, err = Decode([]byte("P5 1 1 255\n\x01P5 1 1 255\n\x02"))
	if err != nil || !m.More || !bytes.Equal(m.Pix, grey(1)) {
		t.Errorf("two pictures: %+v, error %v", m, err)
	}
}

// Of a cut file what is there is shown, and the rest is grey.
func TestCut(t *testing.T) {
	for _, c := range []struct {
		file   string
		want   []uint8
		damage string
	}{
		{"P5 2 3 255\n\x01\x02\x03\x04\x05", grey(1, 2, 3, 4, 128, 128), "the file ends in row 2 of 3"},
		{"P2 2 3 255\n1 2 3 4 5", grey(1, 2, 3, 4, 128, 128), "the file ends in row 2 of 3"},
		{"P2 2 2 255\n1 2 3 x", grey(1, 2, 128, 128), `'x' is no digit in row 1 of 2`},
		{"P2 2 2 9\n1 9 3 10", grey(28, 255, 128, 128), "a sample is 10 or more, the largest value is 9 in row 1 of 2"},
		{"Pf 1 2 -1\n" + floats(binary.LittleEndian, 7), grey(128, 7), "the file ends in row 1 of 2"},
	} {
		m, err := Decode([]byte(c.file))
		if err != nil || !bytes.Equal(m.Pix, c.want) || m.Damage != c.damage {
			t.Errorf("%q: %+v, error %v; want %v, %q", c.file, m, err, c.want, c.damage)
		}
	}
}

func TestRefused(t *testing.T) {
	for _, c := range []struct{ file, want string }{
		{"P5", `no header: it begins with "P5"`},
		{"P5x1 1 255\n\x00", "no header"},
		{"P9 1 1 255\n\x00", "P9 is not known"},
		{"PF 1 1 -1\n\x00", "real samples in colour (PF) are not read"},
		{"P5 0 1 255\n\x00", `the width is "0", want a number from 1 to`},
		{"P5 1 -1 255\n\x00", `the height is "-1"`},
		{"P5 1 99999999999999999999 255\n\x00", "the height is"},
		{"P5 1 1 0\n\x00", `the largest value is "0"`},
		{"P5 1 1 65536\n\x00", `the largest value is "65536"`},
		{"Pf 1 1 0\n\x00", `the scale is "0"`},
		{"Pf 1 1 nan\n\x00", `the scale is "nan"`},
		{"P5 4096 4096 255\n\x00", "1 bytes of picture data are too few for 4096x4096"},
		{"P5 1 1 255\n", "0 bytes of picture data are too few"},
		{"P2 2 1 255\n7", "the file ends"},
		{"P1 1 1\n2", "a sample is 2"},
		{"P7\nWIDTH 1\nENDHDR\n\x00", "size 1x0"},
		{"P7\nWIDTH 1\nDEPTH 5\n", `DEPTH is "5"`},
		{"P7\nTEXT\n", `the header has "TEXT"`},
		{"P7\nWIDTH 1\n", `the header has ""`},
	} {
		if _, err := Decode([]byte(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error %v, want %q", c.file, err, c.want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"P1\n# a comment\n3 2\n1 0 1\n011", "P2 3 1 15\n0 7 15\n", "P3 1 2 255 1 2 3\n4 5 6", "P4 10 2\n\xaa\x80\x0f\x40",
		"P5 3 1 4095\n\x00\x10\x08\x00\x0f\xff", "P6 1 2 255\n\x01\x02\x03\x04\x05\x06", "Pf 1 1 -1.0\n\x00\x00\x00\x00",
		"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n\x01\x02\x03\xff",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := DecodeHeader(data)
		if err != nil {
			if _, err := Decode(data); err == nil {
				t.Fatal("Decode takes what DecodeHeader refuses")
			}
			return
		}
		if h.Memory > 16<<20 {
			return
		}
		var m *Image
		if n := testdata.Allocated(func() { m, _ = Decode(data) }); n > h.Memory+1<<16 {
			t.Fatalf("%d bytes allocated, the header says %d", n, h.Memory)
		}
		if m != nil && (m.Width != h.Width || m.Height != h.Height || len(m.Pix) != 3*m.Width*m.Height) {
			t.Fatalf("picture %dx%d with %d bytes, header %dx%d", m.Width, m.Height, len(m.Pix), h.Width, h.Height)
		}
	})
}
