package jpeg

import (
	"bytes"
	"encoding/hex"
	"hash/crc32"
	"slices"
	"strings"
	"testing"
)

// Damaged files, made of sound ones by taking bytes out and putting others in, and the
// CRC-32 (IEEE) of the pixels that Pillow 13.0.0 (libjpeg-turbo 3.2.0, AVX2) gives.
var damagedFiles = []struct {
	what, name string
	at, out    int
	in         string
	crc        uint32
}{
	{"no Huffman tables", "baseline440.jpg", 177, 432, "", 0xda92747e},
	{"bytes lost, by chance unseen", "restart420.jpg", 720, 40, "", 0xbbac8316},
	{"bytes lost, by chance unseen", "baseline420.jpg", 400, 3, "", 0xde08a8f4},
	{"bytes put in", "restart420.jpg", 740, 0, "\x12\x34\x56\x78\x9a", 0xfa516dd4},
	{"no restart marker", "restart420.jpg", 785, 2, "", 0x6f33392b},
	{"marker D2 for D1", "restart420.jpg", 786, 1, "\xd2", 0x59bdb8ae},
	{"marker D3 for D1", "restart420.jpg", 786, 1, "\xd3", 0x06015d01},
	{"marker D4 for D1", "restart420.jpg", 786, 1, "\xd4", 0xc34589e9},
	{"marker D5 for D1", "restart420.jpg", 786, 1, "\xd5", 0xc34589e9},
	{"marker D6 for D1", "restart420.jpg", 786, 1, "\xd6", 0xc34589e9},
	{"marker D7 for D1", "restart420.jpg", 786, 1, "\xd7", 0x6f33392b},
	{"marker D0 for D1", "restart420.jpg", 786, 1, "\xd0", 0x6f33392b},
	{"marker E0 for D1", "restart420.jpg", 786, 1, "\xe0", 0x44deb18e},
	{"marker 05 for D1", "restart420.jpg", 786, 1, "\x05", 0x6f33392b},
	{"marker D9 for D1", "restart420.jpg", 786, 1, "\xd9", 0x44deb18e},
	{"three intervals lost", "restart420.jpg", 700, 240, "", 0x4cca01d1},
	{"repeated FF", "quality100.jpg", 891, 0, "\xff\xff", 0xee5aad8a},
	{"undefined codes", "baseline444.jpg", 420, 8, "\xff\x00\xff\x00\xff\x00\xff\x00", 0x238d48b1},
	{"undefined codes", "quality100.jpg", 1000, 8, "\xff\x00\xff\x00\xff\x00\xff\x00", 0x21408054},
	{"absurd coefficients", "quality100.jpg", 25, 64, strings.Repeat("\xff", 64), 0xf3a987ea},
	{"wide DC", "baseline444.jpg", 25, 1, "\xff", 0x31ffc424},
	{"1 scans of 10", "progressive420.jpg", 266, 700, "\xff\xd9", 0xdfa4e61c},
	{"2 scans of 10", "progressive420.jpg", 353, 613, "\xff\xd9", 0x3db945f5},
	{"3 scans of 10", "progressive420.jpg", 437, 529, "\xff\xd9", 0xd1034dff},
	{"4 scans of 10", "progressive420.jpg", 502, 464, "\xff\xd9", 0x76524899},
	{"5 scans of 10", "progressive420.jpg", 568, 398, "\xff\xd9", 0x204fc23f},
	{"6 scans of 10", "progressive420.jpg", 661, 305, "\xff\xd9", 0x680c9945},
	{"7 scans of 10", "progressive420.jpg", 680, 286, "\xff\xd9", 0xeba39488},
	{"8 scans of 10", "progressive420.jpg", 762, 204, "\xff\xd9", 0xcca2fbd1},
	{"9 scans of 10", "progressive420.jpg", 829, 137, "\xff\xd9", 0x346a64cc},
	{"cut in scan 1", "progressive420.jpg", 262, 704, "\xff\xd9", 0xd42c5ab4},
	{"cut in scan 2", "progressive420.jpg", 340, 626, "\xff\xd9", 0xd2eeb040},
	{"cut in scan 4", "progressive420.jpg", 498, 468, "\xff\xd9", 0x28b6c07c},
	{"cut in scan 6", "progressive420.jpg", 627, 339, "\xff\xd9", 0xe66b33ec},
	{"cut in scan 10", "progressive420.jpg", 912, 54, "\xff\xd9", 0x8c7876ba},
	{"1 scans of 10", "progressive422.jpg", 279, 772, "\xff\xd9", 0x7358a61e},
	{"2 scans of 10", "progressive422.jpg", 366, 685, "\xff\xd9", 0x8ca03f27},
	{"3 scans of 10", "progressive422.jpg", 473, 578, "\xff\xd9", 0x46befd19},
	{"4 scans of 10", "progressive422.jpg", 554, 497, "\xff\xd9", 0xaa963fbb},
	{"5 scans of 10", "progressive422.jpg", 620, 431, "\xff\xd9", 0x17ee0f20},
	{"6 scans of 10", "progressive422.jpg", 713, 338, "\xff\xd9", 0x754c5c69},
	{"7 scans of 10", "progressive422.jpg", 733, 318, "\xff\xd9", 0xe7ba76d4},
	{"8 scans of 10", "progressive422.jpg", 835, 216, "\xff\xd9", 0x241afb92},
	{"9 scans of 10", "progressive422.jpg", 914, 137, "\xff\xd9", 0x9e7c1c83},
	{"cut in scan 1", "progressive422.jpg", 269, 782, "\xff\xd9", 0x5d23c397},
	{"cut in scan 2", "progressive422.jpg", 354, 697, "\xff\xd9", 0x36073c72},
	{"cut in scan 4", "progressive422.jpg", 543, 508, "\xff\xd9", 0x2b330685},
	{"cut in scan 6", "progressive422.jpg", 679, 372, "\xff\xd9", 0xcace05fc},
	{"cut in scan 10", "progressive422.jpg", 997, 54, "\xff\xd9", 0x90bcab81},
	{"bytes lost", "restart-progressive.jpg", 340, 15, "", 0xdff38707},
	{"bytes lost", "restart-progressive.jpg", 250, 9, "", 0x5752899c},
	{"bytes lost", "restart-progressive.jpg", 592, 9, "", 0xbcda7e89},
	{"marker D3 for D1", "restart-progressive.jpg", 597, 1, "\xd3", 0x522b9993},
	{"bytes lost, with a run of empty blocks", "restart-progressive.jpg", 539, 6, "", 0x033fe0cc},
	{"cut in scan 1", "progressive420.jpg", 250, 716, "\xff\xd9", 0x25662bb8},
}

// These are unusual, but nothing is missing, or the codes come out even.
var undamaged = []string{"bytes lost, by chance unseen", "no Huffman tables", "repeated FF", "absurd coefficients", "wide DC"}

func TestDamagedAsLibjpegTurbo(t *testing.T) {
	for _, c := range damagedFiles {
		sound := read(t, c.name)
		m, err := Decode(slices.Concat(sound[:c.at], []byte(c.in), sound[c.at+c.out:]))
		if err != nil {
			t.Errorf("%s in %s: %v", c.what, c.name, err)
			continue
		}
		if crc := crc32.ChecksumIEEE(m.Pix); crc != c.crc {
			t.Errorf("%s in %s: pixels have CRC %#08x, want %#08x", c.what, c.name, crc, c.crc)
		}
		if note := !slices.Contains(undamaged, c.what); note != (m.Damage != "") {
			t.Errorf("%s in %s: damage %q", c.what, c.name, m.Damage)
		}
	}
}

// Smoothing looks at rows of blocks beyond the picture. progressive420.jpg is cut after
// so many bytes (of 1, 2, 3, 5 and 9 scans) and told to be less high; pixels as above.
func TestSmoothingAtTheBottom(t *testing.T) {
	sound := read(t, "progressive420.jpg")
	height := bytes.Index(sound, []byte{0xff, markerSOF2}) + 6
	for _, c := range []struct {
		height byte
		cut    int
		crc    uint32
	}{
		{20, 266, 0x6effd735}, {20, 353, 0xad98888d}, {20, 437, 0x4208517a}, {20, 568, 0x4c76d763}, {20, 829, 0x38f84e89},
		{24, 266, 0x62fb853b}, {24, 353, 0x7270157a}, {24, 437, 0x297d3ab3}, {24, 568, 0x9d349a2e}, {24, 829, 0xcb69fad2},
		{17, 266, 0x87bc74e2}, {17, 353, 0x0a5658e6}, {17, 437, 0xbcda9606}, {17, 568, 0xa5d6a6c9}, {17, 829, 0xb062c537},
	} {
		data := append(bytes.Clone(sound[:c.cut]), 0xff, markerEOI)
		data[height] = c.height
		m, err := Decode(data)
		if err != nil {
			t.Errorf("%+v: %v", c, err)
		} else if crc := crc32.ChecksumIEEE(m.Pix); crc != c.crc {
			t.Errorf("%+v: pixels have CRC %#08x", c, crc)
		}
	}
	// Nothing is estimated that would be divided by zero.
	table := bytes.Index(sound, []byte{0xff, markerDQT}) + 5
	for k, crc := range map[int]uint32{1: 0xffbea38d, 5: 0xaaa276e7, 9: 0x3701c89a} {
		data := append(bytes.Clone(sound[:353]), 0xff, markerEOI)
		data[table+k] = 0
		m, err := Decode(data)
		if err != nil {
			t.Errorf("quantisation %d is 0: %v", k, err)
		} else if got := crc32.ChecksumIEEE(m.Pix); got != crc {
			t.Errorf("quantisation %d is 0: pixels have CRC %#08x, want %#08x", k, got, crc)
		}
	}
}

// Beyond 16 bits the shortcut for blocks with coefficients in their first row only wraps,
// where the others saturate: this bright block is black, in Pillow, too.
func TestWrappedBlock(t *testing.T) {
	file, err := hex.DecodeString("ffd8ffdb0043000c" + strings.Repeat("01", 63) + "ffc0000b080008000801011100ffc400140001000000000000000000000000" +
		"0000000affc40018100002030000000000000000000000000000084483c1ffda0008010100003f005a0b6c0ab0ffd9")
	if err != nil {
		t.Fatal(err)
	}
	m, err := Decode(file)
	if err != nil || !bytes.Equal(m.Pix, make([]byte, 3*64)) {
		t.Errorf("error %v, or not black", err)
	}
}

// Every defect is told by its place, the first of them, with what is missing at most.
func TestDamageMessages(t *testing.T) {
	for _, c := range []struct {
		name    string
		at, out int
		in      string
		want    string
	}{
		{"restart420.jpg", 785, 2, "", "scan 1: a restart marker is missing after 33 % of the picture; 17 % is missing"},
		{"restart420.jpg", 740, 0, "\x12\x34\x56\x78\x9a", "scan 1: data are left over after 33 % of the picture"},
		{"restart420.jpg", 786, 1, "\xd4", "scan 1: a restart marker is missing after 33 % of the picture"},
		{"baseline444.jpg", 420, 8, "\xff\x00\xff\x00\xff\x00\xff\x00", "scan 1: undefined code after 15 % of the picture"},
		{"baseline420.jpg", 724, 2, "", "the end marker is missing"},
		{"progressive420.jpg", 266, 700, "\xff\xd9", "scans are missing: component 1 has no coefficient 1 (of 0 to 63)"},
		{"progressive420.jpg", 829, 137, "\xff\xd9", "scans are missing: component 1 lacks low bits of coefficient 1 (of 0 to 63)"},
		{"progressive420.jpg", 340, 626, "\xff\xd9", "scan 2: picture data end after 70 % of the picture; 30 % is missing"},
	} {
		sound := read(t, c.name)
		m, err := Decode(slices.Concat(sound[:c.at], []byte(c.in), sound[c.at+c.out:]))
		if err != nil || m.Damage != c.want {
			t.Errorf("%s with %d bytes for %d at %d: error %v, damage %q, want %q", c.name, len(c.in), c.out, c.at, err, m.Damage, c.want)
		}
	}
}
