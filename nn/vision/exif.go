package vision

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"
)

// Tags of TIFF structures, which EXIF data are too.
const (
	tagOrientation = 274
	tagPictures    = 45057 // how many there are, of multi-picture segments
)

// firstIFD returns the first values of the tags of the first directory of a TIFF
// structure, as far as they are whole numbers of 8, 16 or 32 bits stored in place
// and the data reach; nil where there is no directory.
func firstIFD(data []byte) map[uint16]uint32 {
	if len(data) < 8 {
		return nil
	}
	var order binary.ByteOrder = binary.LittleEndian
	switch string(data[:4]) {
	case "II*\x00":
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return nil
	}
	at := int64(order.Uint32(data[4:]))
	if at+2 > int64(len(data)) {
		return nil
	}
	entries := data[at:]
	n := int(order.Uint16(entries))
	values := make(map[uint16]uint32)
	for entries = entries[2:]; n > 0 && len(entries) >= 12; n-- {
		tag, kind, value := order.Uint16(entries), order.Uint16(entries[2:]), entries[8:12]
		if order.Uint32(entries[4:]) == 1 {
			switch kind {
			case 1:
				values[tag] = uint32(value[0])
			case 3:
				values[tag] = uint32(order.Uint16(value))
			case 4:
				values[tag] = order.Uint32(value)
			}
		}
		entries = entries[12:]
	}
	return values
}

// metadata are what a file tells about its picture, but the pixels. The functions are nil
// where there is nothing.
type metadata struct {
	exif     []byte        // TIFF structure
	exifText func() []byte // the same as ImageMagick writes it into PNG files
	xmp      func() []byte // XML
	profile  func() []byte // ICC
}

// describe sets what metadata tell: the orientation, which EXIF data, their textual form
// and XMP may have, in this order, and the name of a colour profile.
func (s *source) describe(m metadata) {
	exif := m.exif
	if exif == nil && m.exifText != nil {
		exif = rawProfile(m.exifText())
	}
	value, found := firstIFD(bytes.TrimPrefix(exif, exifPrefix))[tagOrientation]
	if !found && m.xmp != nil {
		if match := xmpOrientation.FindSubmatch(m.xmp()); match != nil {
			value = uint32(match[1][0] - '0')
		}
	}
	if value <= 8 {
		s.orientation = int(value)
	}
	if m.profile != nil {
		s.profile = foreignProfile(m.profile())
	}
}

var (
	exifPrefix     = []byte("Exif\x00\x00")
	xmpOrientation = regexp.MustCompile(`tiff:Orientation(?:="|>)([0-9])`)
)

// rawProfile decodes ImageMagick's textual form: an empty line, the name, the size and
// lines of hexadecimal digits.
func rawProfile(text []byte) []byte {
	lines := bytes.SplitN(text, []byte("\n"), 4)
	digits := bytes.Join(bytes.Fields(lines[len(lines)-1]), nil)
	data := make([]byte, len(digits)/2)
	n, _ := hex.Decode(data, digits)
	return data[:n]
}

// inflated returns what zlib data hold, at most 1 MiB of it.
func inflated(data []byte) []byte {
	z, err := zlib.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(z, 1<<20)) // what there is, if it is damaged
	return text
}

// foreignProfile returns the name of an ICC profile (ICC.1, 7 and 9.2.41), unless it is
// one for sRGB, which is assumed anyway, or for inks.
func foreignProfile(data []byte) string {
	if len(data) < 132 || string(data[16:20]) == "CMYK" {
		return ""
	}
	part := func(at, n uint32) []byte { // as far as it is there
		if int64(at) >= int64(len(data)) {
			return nil
		}
		return data[at:min(int64(at)+int64(n), int64(len(data)))]
	}
	u32 := func(b []byte, at int) uint32 {
		if len(b) < at+4 {
			return 0
		}
		return binary.BigEndian.Uint32(b[at:])
	}
	var name string
	for tags, n := data[132:], u32(data, 128); n > 0 && len(tags) >= 12; n-- {
		if string(tags[:4]) == "desc" {
			at := u32(tags, 4)
			switch tag := part(at, u32(tags, 8)); string(tag[:min(4, len(tag))]) {
			case "desc": // version 2: ASCII
				name = string(part(at+12, u32(tag, 8)))
			case "mluc": // version 4: UTF-16, the first language
				text := part(at+u32(tag, 24), u32(tag, 20))
				var units []uint16
				for ; len(text) >= 2; text = text[2:] {
					units = append(units, binary.BigEndian.Uint16(text))
				}
				name = string(utf16.Decode(units))
			}
			break
		}
		tags = tags[12:]
	}
	name = strings.TrimRight(name, "\x00 ")
	lower := strings.ToLower(name) // "c2" is a small profile for sRGB
	if strings.Contains(lower, "srgb") || strings.Contains(lower, "61966-2") || strings.HasPrefix(lower, "c2") {
		return ""
	}
	if name == "" {
		return "without a name"
	}
	return name[:min(len(name), 80)]
}

// turns says in words what oriented does.
var turns = [9]string{
	2: "mirrored left to right",
	3: "turned by 180 degrees",
	4: "mirrored top to bottom",
	5: "mirrored and turned by 90 degrees anticlockwise",
	6: "turned by 90 degrees clockwise",
	7: "mirrored and turned by 90 degrees clockwise",
	8: "turned by 90 degrees anticlockwise",
}
