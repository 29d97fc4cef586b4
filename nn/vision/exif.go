package vision

import "encoding/binary"

// Tags of TIFF structures, which EXIF data are too.
const (
	tagWidth        = 256
	tagHeight       = 257
	tagCompression  = 259
	tagOrientation  = 274
	tagRowsPerStrip = 278
	tagTileWidth    = 322
	tagTileHeight   = 323
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

// orientation returns the orientation that EXIF data tell, 1..8, or 0.
func orientation(exif []byte) int {
	if v := firstIFD(exif)[tagOrientation]; v <= 8 {
		return int(v)
	}
	return 0
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
