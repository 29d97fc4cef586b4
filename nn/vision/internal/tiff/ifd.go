package tiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Tags of a directory, with the names of the specification.
const (
	tagSubfileType     = 254
	tagWidth           = 256
	tagHeight          = 257
	tagBits            = 258
	tagCompression     = 259
	tagPhotometric     = 262
	tagFillOrder       = 266
	tagStripOffsets    = 273
	tagOrientation     = 274
	tagSamples         = 277
	tagRowsPerStrip    = 278
	tagStripCounts     = 279
	tagPlanar          = 284
	tagFaxOptions      = 292
	tagPredictor       = 317
	tagPalette         = 320
	tagTileWidth       = 322
	tagTileHeight      = 323
	tagTileOffsets     = 324
	tagTileCounts      = 325
	tagInkSet          = 332
	tagExtraSamples    = 338
	tagSampleFormat    = 339
	tagJPEGTables      = 347
	tagOldJPEG         = 513
	tagCoefficients    = 529
	tagSubsampling     = 530
	tagReferenceLevels = 532
	tagXMP             = 700
	tagProfile         = 34675
)

var tagNames = map[uint16]string{
	tagSubfileType:     "NewSubfileType",
	tagWidth:           "ImageWidth",
	tagHeight:          "ImageLength",
	tagBits:            "BitsPerSample",
	tagCompression:     "Compression",
	tagPhotometric:     "PhotometricInterpretation",
	tagFillOrder:       "FillOrder",
	tagStripOffsets:    "StripOffsets",
	tagOrientation:     "Orientation",
	tagSamples:         "SamplesPerPixel",
	tagRowsPerStrip:    "RowsPerStrip",
	tagStripCounts:     "StripByteCounts",
	tagPlanar:          "PlanarConfiguration",
	tagFaxOptions:      "T4Options",
	tagPredictor:       "Predictor",
	tagPalette:         "ColorMap",
	tagTileWidth:       "TileWidth",
	tagTileHeight:      "TileLength",
	tagTileOffsets:     "TileOffsets",
	tagTileCounts:      "TileByteCounts",
	tagInkSet:          "InkSet",
	tagExtraSamples:    "ExtraSamples",
	tagSampleFormat:    "SampleFormat",
	tagJPEGTables:      "JPEGTables",
	tagOldJPEG:         "JPEGInterchangeFormat",
	tagCoefficients:    "YCbCrCoefficients",
	tagSubsampling:     "YCbCrSubSampling",
	tagReferenceLevels: "ReferenceBlackWhite",
	tagXMP:             "XMP",
	tagProfile:         "InterColorProfile",
}

// tagName returns what messages call a tag: its name and number.
func tagName(tag uint16) string { return fmt.Sprintf("%s (%d)", tagNames[tag], tag) }

// kindSizes holds the bytes of a value by the type of its field; 0 where a type is not
// known. Types 16 to 18 are BigTIFF's.
var kindSizes = [19]int{1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}

// Types of fields that are read as other than whole numbers.
const (
	kindRational = 5
	kindFloat    = 11
	kindDouble   = 12
)

// file is a TIFF structure.
type file struct {
	data  []byte
	order binary.ByteOrder
	big   bool // BigTIFF: offsets and counts of 8 bytes
}

// field is the content of a tag: count values of one type, which lie in data as far
// as the file reaches.
type field struct {
	file  *file
	kind  uint16
	count uint64
	data  []byte
}

// directory is one image file directory: the fields whose tags are known here.
type directory map[uint16]field

// open reads the header and returns the offset of the first directory.
func (f *file) open(data []byte) (first uint64, err error) {
	if len(data) < 8 {
		return 0, errors.New("the file ends inside its header")
	}
	f.data = data
	f.order = binary.LittleEndian
	if data[0] == 'M' {
		f.order = binary.BigEndian
	}
	switch version := f.order.Uint16(data[2:]); {
	case string(data[:2]) != "II" && string(data[:2]) != "MM", version != 42 && version != 43:
		return 0, fmt.Errorf("no TIFF header: it begins with %q", data[:4])
	case version == 42:
		return uint64(f.order.Uint32(data[4:])), nil
	}
	f.big = true
	if len(data) < 16 {
		return 0, errors.New("the file ends inside its header")
	}
	if n := f.order.Uint16(data[4:]); n != 8 {
		return 0, fmt.Errorf("BigTIFF with offsets of %d bytes, want 8", n)
	}
	return f.order.Uint64(data[8:]), nil
}

// entries returns the bytes of the entries of the directory at an offset, the size of
// one, and the offset of the next directory (0 for none).
func (f *file) entries(at uint64) (entries []byte, size int, next uint64, err error) {
	head, size := uint64(2), 12
	if f.big {
		head, size = 8, 20
	}
	total := uint64(len(f.data))
	if at > total || total-at < head {
		return nil, 0, 0, fmt.Errorf("the directory at byte %d is outside the file of %d bytes", at, total)
	}
	rest := f.data[at:]
	n := uint64(f.order.Uint16(rest))
	if f.big {
		n = f.order.Uint64(rest)
	}
	rest = rest[head:]
	if n > uint64(len(rest)/size) {
		return nil, 0, 0, fmt.Errorf("the directory at byte %d claims %d entries, the file ends after %d", at, n, len(rest)/size)
	}
	entries, rest = rest[:n*uint64(size)], rest[n*uint64(size):]
	switch {
	case f.big && len(rest) >= 8:
		next = f.order.Uint64(rest)
	case !f.big && len(rest) >= 4:
		next = uint64(f.order.Uint32(rest))
	}
	return entries, size, next, nil
}

// directory reads the directory at an offset. Of tags that occur twice the first counts.
func (f *file) directory(at uint64) (d directory, next uint64, err error) {
	entries, size, next, err := f.entries(at)
	if err != nil {
		return nil, 0, err
	}
	d = directory{}
	for ; len(entries) > 0; entries = entries[size:] {
		tag, kind := f.order.Uint16(entries), f.order.Uint16(entries[2:])
		if _, twice := d[tag]; twice || tagNames[tag] == "" {
			continue
		}
		v := field{file: f, kind: kind}
		value := entries[8:size]
		if f.big {
			v.count, value = f.order.Uint64(entries[4:]), entries[12:size]
		} else {
			v.count = uint64(f.order.Uint32(entries[4:]))
		}
		width := uint64(v.width())
		if width > 0 && v.count > uint64(len(value))/width {
			at := uint64(f.order.Uint32(value))
			if f.big {
				at = f.order.Uint64(value)
			}
			value = f.data[min(at, uint64(len(f.data))):]
		}
		if width > 0 {
			v.data = value[:min(v.count, uint64(len(value))/width)*width]
		}
		d[tag] = v
	}
	return d, next, nil
}

// width returns the bytes of a value, or 0.
func (v field) width() int {
	if int(v.kind) < len(kindSizes) {
		return kindSizes[v.kind]
	}
	return 0
}

// len returns the values that are there.
func (v field) len() int {
	if w := v.width(); w > 0 {
		return len(v.data) / w
	}
	return 0
}

// uint returns value i as a whole number. Signed ones, which no tag here has, come out
// huge when they are negative, as a value that nothing accepts.
func (v field) uint(i int) uint64 {
	w := v.width()
	b := v.data[i*w:]
	switch w {
	case 1:
		return uint64(b[0])
	case 2:
		return uint64(v.file.order.Uint16(b))
	case 4:
		return uint64(v.file.order.Uint32(b))
	default:
		return v.file.order.Uint64(b)
	}
}

// float returns value i as a real number.
func (v field) float(i int) float64 {
	b := v.data[i*v.width():]
	switch v.kind {
	case kindRational:
		return float64(v.file.order.Uint32(b)) / float64(v.file.order.Uint32(b[4:]))
	case kindFloat:
		return float64(math.Float32frombits(v.file.order.Uint32(b)))
	case kindDouble:
		return math.Float64frombits(v.file.order.Uint64(b))
	default:
		return float64(v.uint(i))
	}
}

// get returns the field of a tag whose values must all be there.
func (d directory) get(tag uint16) (v field, ok bool, err error) {
	v, ok = d[tag]
	if !ok {
		return v, false, nil
	}
	if v.width() == 0 {
		return v, true, fmt.Errorf("%s has values of type %d, which is not known", tagName(tag), v.kind)
	}
	if n := v.len(); v.count > uint64(n) {
		return v, true, fmt.Errorf("%s claims %d values, the file ends after %d", tagName(tag), v.count, n)
	}
	return v, v.count > 0, nil
}

// uint returns the first value of a tag, or otherwise where the tag is not there.
func (d directory) uint(tag uint16, otherwise uint64) (uint64, error) {
	v, ok, err := d.get(tag)
	if !ok || err != nil {
		return otherwise, err
	}
	return v.uint(0), nil
}

// floats sets values by those of a tag, if it is there and has as many.
func (d directory) floats(tag uint16, values []float64) error {
	v, ok, err := d.get(tag)
	if !ok || err != nil {
		return err
	}
	if v.len() < len(values) {
		return fmt.Errorf("%s has %d values, want %d", tagName(tag), v.len(), len(values))
	}
	for i := range values {
		values[i] = v.float(i)
	}
	return nil
}

// maxPages bounds the directories that are counted.
const maxPages = 1000

// pages counts the pictures of a file behind its first directory, without those that
// are smaller versions of others. Chains may loop.
func (f *file) pages(next uint64, first uint64) int {
	n := 1
	seen := map[uint64]bool{first: true}
	for len(seen) < maxPages && next != 0 && !seen[next] {
		seen[next] = true
		entries, size, after, err := f.entries(next)
		if err != nil || len(entries) == 0 {
			break
		}
		// The tags are in order, so that this one is the first.
		value := entries[size-4:]
		if f.big {
			value = entries[size-8:]
		}
		reduced := f.order.Uint16(entries) == tagSubfileType && (value[0]|value[3])&1 != 0
		if !reduced {
			n++
		}
		next = after
	}
	return n
}
