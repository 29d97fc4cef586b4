package vision

import (
	"encoding/binary"
	"image/png"
)

func openPNG(data []byte) (*source, error) {
	s, err := open(data, png.DecodeConfig, png.Decode)
	if err != nil {
		return nil, err
	}
	// The header was checked: it is the first chunk, of 13 bytes.
	header := data[16:29]
	depth, kind, interlaced := int64(header[8]), header[9], header[12] != 0
	var exif []byte
	size := 0
	for rest := data[8:]; len(rest) >= 12; {
		n := int64(binary.BigEndian.Uint32(rest))
		if n > int64(len(rest)-12) {
			n = int64(len(rest) - 12)
		}
		switch string(rest[4:8]) {
		case "IDAT":
			size += int(n)
		case "eXIf":
			exif = rest[8 : 8+n]
		}
		rest = rest[12+n:]
	}
	s.orientation = orientation(exif)
	channels := [7]int64{0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[min(kind, 6)]
	// Deflate shrinks at most 1032 times.
	if s.pixels()/8*depth*channels/1032 > int64(size) {
		return nil, s.tooShort(size)
	}
	bytes := max(depth/8, 1) // of a sample of the decoded image
	if channels > 1 {
		channels = 4
	}
	s.memory = s.pixels() * (channels*bytes + 3)
	if kind == 0 || kind == 2 { // a transparent colour makes these RGBA
		s.memory = s.pixels() * (4*bytes + 3)
	}
	if interlaced {
		s.memory += s.memory / 2
	}
	return s, nil
}
