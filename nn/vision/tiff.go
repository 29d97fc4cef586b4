package vision

import (
	"errors"
	"fmt"

	"golang.org/x/image/tiff"
)

func openTIFF(data []byte) (*source, error) {
	s, err := open(data, tiff.DecodeConfig, tiff.Decode)
	if err != nil {
		return nil, err
	}
	tags := firstIFD(data)
	if v := tags[tagOrientation]; v <= 8 {
		s.orientation = int(v)
	}
	// The decoder takes at most 8 bytes a pixel for the image, and as much for a
	// strip or tile.
	s.memory = s.pixels() * (8 + 8 + 3)
	const maxBlocks = 1 << 17
	blocks := int64(s.height)
	if n := int64(tags[tagRowsPerStrip]); n > 0 {
		blocks /= n
	}
	if w, h := int64(tags[tagTileWidth]), int64(tags[tagTileHeight]); w > 0 && h > 0 {
		blocks = (int64(s.width)/w + 1) * (int64(s.height)/h + 1)
	}
	if blocks > maxBlocks {
		return nil, fmt.Errorf("%d strips or tiles, the limit is %d", blocks, maxBlocks)
	}
	// Readers disagree about black and white in these.
	if c := tags[tagCompression]; 2 <= c && c <= 4 {
		return nil, errors.New("fax compression is not supported")
	}
	// LZW, the densest of the others, makes at most 4096 bytes of a code of 9 bits.
	if s.pixels()/8/4096 > int64(len(data)) {
		return nil, s.tooShort(len(data))
	}
	return s, nil
}
