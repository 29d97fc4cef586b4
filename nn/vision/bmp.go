package vision

import (
	"encoding/binary"

	"golang.org/x/image/bmp"
)

func openBMP(data []byte) (*source, error) {
	s, err := open(data, bmp.DecodeConfig, bmp.Decode)
	if err != nil {
		return nil, err
	}
	s.memory = 7 * s.pixels()
	depth := int64(binary.LittleEndian.Uint16(data[28:]))
	if s.pixels()/8*depth > int64(len(data)) {
		return nil, s.tooShort(len(data))
	}
	return s, nil
}
