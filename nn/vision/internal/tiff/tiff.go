// Package tiff decodes TIFF files (TIFF 6.0, its Technical Notes, BigTIFF) to RGB:
// strips and tiles of any size, samples side by side or in planes, in either order of
// bits and of bytes, from 1 to 64 bits, whole numbers and real ones; grey, RGB,
// palette, CMYK, YCbCr and CIELab; not compressed, or by PackBits, LZW, Deflate, fax
// codes or JPEG. What it does not read it refuses by the number and name of the tag.
//
// Pixels are those of Pillow's convert("RGB"): samples of 16 bits in colour give their
// high byte, colours are divided by an associated alpha, and grey samples that are
// signed, real or of 32 bits are cut to whole numbers from 0 to 255. Where Pillow loses
// the picture they are what the specification says: unsigned grey of 9 to 16 bits
// gives its 8 highest bits, palettes may have values of 8 bits, and YCbCr that is not
// compressed has the coefficients and the sampling of its tags. CIELab, which Pillow
// converts by interpolating in a table, differs by a few levels.
//
// Decode needs about Header.Memory bytes, which DecodeHeader tells beforehand. It
// never panics on a file's content, and its time is bounded by the sizes of the file
// and of the picture.
package tiff

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"cwox/nn/vision/internal/jpeg"
)

// Header is what the first directory of a file says.
type Header struct {
	Width, Height int
	Orientation   int    // 1..8, as EXIF has it; 0 when there is none
	XMP           []byte // XML, part of the file's bytes; nil if absent
	Profile       []byte // the ICC profile, likewise
	Pages         int    // pictures in the file, up to 1000; Decode reads the first
	Memory        int64  // bytes that Decode allocates, nearly
}

// Image is a decoded file.
type Image struct {
	Header
	Pix    []uint8 // RGB [Height][Width][3]
	CMYK   bool    // four inks were converted without a colour profile
	Alpha  bool    // transparency was dropped
	Extra  int     // samples of a pixel that are neither colour nor alpha, and were dropped
	Depth  string  // how samples of more than 8 bits were reduced; empty where nothing was lost
	Damage string  // why a part of the picture is missing, and is grey; empty for a sound file
}

// DecodeHeader reads the first directory and checks that Decode can read what it
// describes.
func DecodeHeader(data []byte) (Header, error) {
	var d decoder
	err := d.readHeader(data)
	return d.header, err
}

// The values of Compression.
const (
	compressionNone     = 1
	compressionFaxRows  = 2
	compressionFax3     = 3
	compressionFax4     = 4
	compressionLZW      = 5
	compressionOldJPEG  = 6
	compressionJPEG     = 7
	compressionDeflate  = 8
	compressionFaxWords = 32771
	compressionPackBits = 32773
	compressionDeflate0 = 32946
)

// compressions holds how strips and tiles are decoded; none for raw samples and JPEG.
var compressions = map[uint64]codec{
	compressionNone:     nil,
	compressionFaxRows:  unFax,
	compressionFax3:     unFax,
	compressionFax4:     unFax,
	compressionLZW:      unLZW,
	compressionJPEG:     nil,
	compressionDeflate:  inflate,
	compressionFaxWords: unFax,
	compressionPackBits: unpackBits,
	compressionDeflate0: inflate,
}

// The values of PhotometricInterpretation.
const (
	whiteIsZero = 0
	blackIsZero = 1
	isRGB       = 2
	isPalette   = 3
	isCMYK      = 5
	isYCbCr     = 6
	isLab       = 8
)

// colours holds the samples that make a colour, by PhotometricInterpretation.
var colours = map[uint64]int{whiteIsZero: 1, blackIsZero: 1, isRGB: 3, isPalette: 1, isCMYK: 4, isYCbCr: 3, isLab: 3}

// refused names values that are known but not read.
var refused = map[uint16]map[uint64]string{
	tagCompression: {compressionOldJPEG: "JPEG of the old style in pieces", 32766: "NeXT", 32809: "ThunderScan", 34661: "JBIG", 34676: "SGILog",
		34677: "SGILog24", 34712: "JPEG 2000", 34887: "LERC", 34892: "lossy JPEG", 34925: "LZMA", 50000: "Zstandard", 50001: "WebP", 50002: "JPEG XL"},
	tagPhotometric:  {4: "a transparency mask", 9: "ICCLab", 10: "ITULab", 32803: "a colour filter array", 32844: "LogL", 32845: "LogLuv", 34892: "linear raw"},
	tagSampleFormat: {5: "complex whole numbers", 6: "complex numbers"},
	tagInkSet:       {2: "inks other than CMYK"},
}

// refuse is the error of a value that is not read.
func refuse(tag uint16, value uint64) error {
	name := refused[tag][value]
	if name != "" {
		name = ", " + name
	}
	return fmt.Errorf("%s is %d%s, which is not read: convert the picture to PNG", tagName(tag), value, name)
}

// The values of SampleFormat.
const (
	unsigned = 1
	signed   = 2
	real     = 3
)

// The values of ExtraSamples.
const (
	alphaAssociated = 1
	alphaStraight   = 2
)

// decoder decodes one picture. A segment is a strip or a tile of one plane.
type decoder struct {
	file
	header Header

	width, height int
	bits          int // of a sample
	format        uint64
	samples       int // of a pixel, all planes together
	colours       int // of these that make the colour, the first ones
	alpha         uint64
	photometric   uint64
	compression   uint64
	faxOptions    uint64
	predictor     uint64
	reverse       bool // FillOrder 2
	palette       [][3]uint8
	subX, subY    int // pixels of a sample of chroma
	ycc           *yccTables
	jpegTables    []byte
	jpegYCC       bool  // JPEG that holds YCbCr, and gives RGB
	oldJPEG       bool  // JPEG of the old style, whose chroma libtiff does not interpolate
	jpegMemory    int64 // bytes that decoding a segment of JPEG allocates

	segW, segH       int // pixels of a segment
	across, down     int // segments of a plane
	planes           int
	needed           int // planes that are read
	perSegment       int // samples of a pixel in a segment
	rowBytes         int // of a segment: subY rows of pixels
	offsets, lengths field
	tiled            bool

	zlib    io.ReadCloser
	lzw     *lzwTable
	changes [2][]int32 // of two rows of fax
	scratch []byte
	spent   int64 // bytes of the file that were decoded, those decoded twice counted twice
	depth   depthRange
}

// Bounds on what a file may ask for.
const (
	maxSegments = 1 << 18
	maxSamples  = 64
	maxSide     = 1 << 30
	maxPixels   = 1 << 40 // so that no product overflows; callers have lower limits
)

// readHeader reads and checks the first directory.
func (d *decoder) readHeader(data []byte) error {
	first, err := d.open(data)
	if err != nil {
		return err
	}
	dir, next, err := d.directory(first)
	if err != nil {
		return err
	}
	d.readOldJPEG(dir)
	for _, step := range []func(directory) error{d.readFormat, d.readColour, d.readLayout} {
		if err := step(dir); err != nil {
			return err
		}
	}
	orientation, err := dir.uint(tagOrientation, 0)
	if err != nil || orientation > 8 {
		orientation = 0
	}
	memory, err := d.memory()
	d.header = Header{d.width, d.height, int(orientation), dir[tagXMP].data, dir[tagProfile].data, d.pages(next, first), memory}
	return err
}

// readOldJPEG turns a picture in JPEG of the old style (TIFF 6.0, section 22) into one
// of the new style, where that is no more than a JPEG file inside the file.
func (d *decoder) readOldJPEG(dir directory) {
	compression, _ := dir.uint(tagCompression, compressionNone)
	at, err := dir.uint(tagOldJPEG, 0)
	if compression != compressionOldJPEG || err != nil || at >= uint64(len(d.data)) || dir[tagStripOffsets].count != 1 {
		return
	}
	h, err := jpeg.DecodeHeader(d.data[at:])
	if err != nil {
		return
	}
	width, _ := dir.uint(tagWidth, 0)
	height, _ := dir.uint(tagHeight, 0)
	if uint64(h.Width) != width || uint64(h.Height) != height || h.Components != 1 && h.Components != 3 {
		return
	}
	d.oldJPEG = true
	set := func(tag uint16, value uint64) {
		b := binary.LittleEndian.AppendUint64(nil, value)
		dir[tag] = field{&file{order: binary.LittleEndian}, 16, 1, b}
	}
	set(tagCompression, compressionJPEG)
	set(tagSamples, uint64(h.Components))
	set(tagBits, 8)
	set(tagPhotometric, map[int]uint64{1: blackIsZero, 3: isYCbCr}[h.Components])
	set(tagRowsPerStrip, height)
	set(tagStripOffsets, at)
	for _, tag := range []uint16{tagStripCounts, tagTileWidth, tagPlanar, tagExtraSamples, tagJPEGTables, tagCoefficients, tagReferenceLevels} {
		delete(dir, tag)
	}
}

// readFormat reads what a sample is.
func (d *decoder) readFormat(dir directory) error {
	var width, height, samples, planar, fill uint64
	for _, f := range []struct {
		tag       uint16
		to        *uint64
		otherwise uint64
		limit     uint64
	}{
		{tagWidth, &width, 0, maxSide},
		{tagHeight, &height, 0, maxSide},
		{tagCompression, &d.compression, compressionNone, 1 << 16},
		{tagPhotometric, &d.photometric, whiteIsZero, 1 << 16},
		{tagSamples, &samples, 1, maxSamples},
		{tagPlanar, &planar, 1, 2},
		{tagFillOrder, &fill, 1, 2},
		{tagPredictor, &d.predictor, 1, 3},
		{tagFaxOptions, &d.faxOptions, 0, 7},
	} {
		v, err := dir.uint(f.tag, f.otherwise)
		if err != nil {
			return err
		}
		if v > f.limit {
			return fmt.Errorf("%s is %d, the most is %d", tagName(f.tag), v, f.limit)
		}
		*f.to = v
	}
	for _, tag := range []uint16{tagWidth, tagHeight} {
		if _, ok := dir[tag]; !ok {
			return fmt.Errorf("%s is missing", tagName(tag))
		}
	}
	d.width, d.height, d.samples = int(width), int(height), max(int(samples), 1)
	if n := width * height; n == 0 || n > maxPixels {
		return fmt.Errorf("size %dx%d", width, height)
	}
	d.reverse = fill == 2 && d.compression != compressionJPEG
	d.planes, d.perSegment = 1, d.samples
	if planar == 2 {
		d.planes, d.perSegment = d.samples, 1
	}
	bits, err := same(dir, tagBits, 1, d.samples)
	if err != nil {
		return err
	}
	if bits < 1 || bits > 32 && bits != 64 {
		return refuse(tagBits, bits)
	}
	d.bits = int(bits)
	if d.photometric == isLab { // whose a and b are signed, said or not
		delete(dir, tagSampleFormat)
	}
	if d.format, err = same(dir, tagSampleFormat, unsigned, d.samples); err != nil {
		return err
	}
	if d.format == 0 || d.format == 4 { // not said, or expressly not known
		d.format = unsigned
	}
	if d.format > real {
		return refuse(tagSampleFormat, d.format)
	}
	if _, ok := compressions[d.compression]; !ok {
		return refuse(tagCompression, d.compression)
	}
	if d.isFax() && (d.bits != 1 || d.perSegment != 1) {
		return fmt.Errorf("%s is %d, fax, for %d samples of %d bits: it has one of 1 bit", tagName(tagCompression), d.compression, d.perSegment, d.bits)
	}
	if d.compression == compressionJPEG && d.bits != 8 {
		return fmt.Errorf("%s is 7, JPEG, with samples of %d bits, which is not read: convert the picture to PNG", tagName(tagCompression), d.bits)
	}
	switch {
	case d.compression != compressionLZW && d.compression != compressionDeflate && d.compression != compressionDeflate0:
		d.predictor = 1 // only these have one
	case d.predictor == 2 && d.bits != 8 && d.bits != 16 && d.bits != 32 && d.bits != 64,
		d.predictor == 3 && (d.format != real || d.bits%8 != 0):
		return fmt.Errorf("%s is %d, which samples of %d bits do not have", tagName(tagPredictor), d.predictor, d.bits)
	}
	return nil
}

func (d *decoder) isFax() bool {
	return compressionFaxRows <= d.compression && d.compression <= compressionFax4 || d.compression == compressionFaxWords
}

// same returns the one value that a tag has for all samples.
func same(dir directory, tag uint16, otherwise uint64, samples int) (uint64, error) {
	v, ok, err := dir.get(tag)
	if !ok || err != nil {
		return otherwise, err
	}
	for i := range min(v.len(), samples) {
		if v.uint(i) != v.uint(0) {
			return 0, fmt.Errorf("%s is %d for one sample and %d for another, which is not read: convert the picture to PNG", tagName(tag), v.uint(0), v.uint(i))
		}
	}
	return v.uint(0), nil
}

// readColour reads what the samples of a pixel mean.
func (d *decoder) readColour(dir directory) error {
	n, ok := colours[d.photometric]
	if _, said := dir[tagPhotometric]; !said && d.samples > 1 {
		return fmt.Errorf("%s is missing, with %d samples a pixel", tagName(tagPhotometric), d.samples)
	}
	if !ok {
		return refuse(tagPhotometric, d.photometric)
	}
	if d.photometric == isYCbCr && d.samples == 1 {
		d.photometric, n = blackIsZero, 1 // Pillow's reading
	}
	if d.samples < n {
		return fmt.Errorf("%s is %d, and %s is %d, which takes %d", tagName(tagSamples), d.samples, tagName(tagPhotometric), d.photometric, n)
	}
	d.colours = n
	extra, _, err := dir.get(tagExtraSamples)
	if err != nil {
		return err
	}
	switch known := n + extra.len(); {
	case d.photometric == isRGB && d.samples == 4 && known == 3: // Pillow's reading
		d.alpha = alphaStraight
	case d.samples > known:
		return fmt.Errorf("%s is %d, and %s is %d, which takes %d, with %d in %s", tagName(tagSamples), d.samples,
			tagName(tagPhotometric), d.photometric, n, extra.len(), tagName(tagExtraSamples))
	case d.samples > n:
		d.alpha = extra.uint(0)
	}
	switch d.alpha {
	case alphaAssociated, alphaStraight:
	case 999: // Corel Draw's
		d.alpha = alphaStraight
	default:
		d.alpha = 0
	}
	if d.colours > 1 && d.format != unsigned || d.format == real && d.bits != 16 && d.bits != 24 && d.bits != 32 && d.bits != 64 {
		return fmt.Errorf("%s is %d, with %d bits and %s %d, which is not read: convert the picture to PNG",
			tagName(tagSampleFormat), d.format, d.bits, tagName(tagPhotometric), d.photometric)
	}
	d.needed = 1
	if d.planes > 1 {
		d.needed = d.colours
		if d.alpha != 0 {
			d.needed++
		}
	}
	d.subX, d.subY = 1, 1
	switch d.photometric {
	case isCMYK:
		ink, err := dir.uint(tagInkSet, 1)
		if err == nil && ink != 1 {
			err = refuse(tagInkSet, ink)
		}
		return err
	case isPalette:
		return d.readPalette(dir)
	case isYCbCr:
		return d.readYCbCr(dir)
	}
	return nil
}

// readPalette reads the colours of a palette, whose values have 16 bits; files whose
// values have 8 are known by that none is larger.
func (d *decoder) readPalette(dir directory) error {
	if d.bits > 8 || d.format != unsigned {
		return fmt.Errorf("%s is %d in a picture with a palette, the most is 8", tagName(tagBits), d.bits)
	}
	v, _, err := dir.get(tagPalette)
	if err != nil {
		return err
	}
	n := 1 << d.bits
	if v.len() < 3*n {
		return fmt.Errorf("%s has %d values, want %d for %d bits", tagName(tagPalette), v.len(), 3*n, d.bits)
	}
	shift := 0
	for i := range 3 * n {
		if v.uint(i) > 255 {
			shift = 8
		}
	}
	d.palette = make([][3]uint8, n)
	for i := range d.palette {
		for c := range 3 {
			d.palette[i][c] = uint8(v.uint(c*n+i) >> shift)
		}
	}
	return nil
}

// readYCbCr reads the sampling and the levels of YCbCr (TIFF 6.0, section 21).
func (d *decoder) readYCbCr(dir directory) error {
	if d.bits != 8 {
		return fmt.Errorf("%s is %d in YCbCr, which is not read: convert the picture to PNG", tagName(tagBits), d.bits)
	}
	if d.compression == compressionJPEG && d.planes == 1 && d.samples == 3 && !d.oldJPEG {
		d.photometric, d.jpegYCC = isRGB, true // the JPEG decoder knows all of that
		return nil
	}
	sub := []float64{2, 2}
	coefficients := []float64{0.299, 0.587, 0.114}
	levels := []float64{0, 255, 128, 255, 128, 255}
	for _, f := range []struct {
		tag    uint16
		values []float64
	}{{tagSubsampling, sub}, {tagCoefficients, coefficients}, {tagReferenceLevels, levels}} {
		if err := dir.floats(f.tag, f.values); err != nil {
			return err
		}
	}
	for _, v := range sub {
		if v != 1 && v != 2 && v != 4 {
			return fmt.Errorf("%s is %v, want 1, 2 or 4", tagName(tagSubsampling), sub)
		}
	}
	d.subX, d.subY = int(sub[0]), int(sub[1])
	if d.compression == compressionJPEG {
		d.subX, d.subY = 1, 1 // what the JPEG decoder gives
	}
	if d.subX*d.subY > 1 && (d.planes > 1 || d.samples > 3 || d.predictor != 1) {
		return fmt.Errorf("%s is %v with %d planes, %d samples and predictor %d, which is not read: convert the picture to PNG", tagName(tagSubsampling), sub, d.planes, d.samples, d.predictor)
	}
	_, luma := dir[tagCoefficients]
	_, reference := dir[tagReferenceLevels]
	if d.compression == compressionNone && d.subX*d.subY == 1 && !luma && !reference {
		d.ycc = newJFIF()
		return nil
	}
	var err error
	if d.ycc, err = newYCC(coefficients, levels); err != nil {
		return fmt.Errorf("%s or %s: %w", tagName(tagCoefficients), tagName(tagReferenceLevels), err)
	}
	return nil
}

// readLayout reads where the segments are.
func (d *decoder) readLayout(dir directory) error {
	tileW, err := dir.uint(tagTileWidth, 0)
	if err != nil {
		return err
	}
	tileH, err := dir.uint(tagTileHeight, 0)
	if err != nil {
		return err
	}
	d.tiled = tileW > 0 && tileH > 0
	offsets, lengths := uint16(tagStripOffsets), uint16(tagStripCounts)
	if d.tiled {
		if tileW > maxSide || tileH > maxSide {
			return fmt.Errorf("%s and %s are %d and %d, the most is %d", tagName(tagTileWidth), tagName(tagTileHeight), tileW, tileH, maxSide)
		}
		d.segW, d.segH = int(tileW), int(tileH)
		if _, ok := dir[tagTileOffsets]; ok {
			offsets, lengths = tagTileOffsets, tagTileCounts
		}
	} else {
		rows, err := dir.uint(tagRowsPerStrip, maxSide)
		if err != nil {
			return err
		}
		if rows == 0 {
			rows = maxSide
		}
		d.segW, d.segH = d.width, int(min(rows, uint64(d.height)))
	}
	d.across, d.down = ceilDiv(d.width, d.segW), ceilDiv(d.height, d.segH)
	n := int64(d.across) * int64(d.down) * int64(d.planes)
	if n > maxSegments {
		return fmt.Errorf("%d strips or tiles, the limit is %d", n, maxSegments)
	}
	var ok bool
	if d.offsets, ok, err = dir.get(offsets); err != nil {
		return err
	}
	if !ok || int64(d.offsets.len()) < n {
		return fmt.Errorf("%s has %d values, the picture has %d strips or tiles", tagName(offsets), d.offsets.len(), n)
	}
	if d.lengths, _, err = dir.get(lengths); err != nil {
		return err
	}
	if d.compression == compressionJPEG {
		if tables, ok := dir[tagJPEGTables]; ok {
			d.jpegTables = tables.data
		}
	}
	rowBits := int64(d.segW) * int64(d.perSegment) * int64(d.bits)
	if d.subX*d.subY > 1 {
		rowBits = int64(ceilDiv(d.segW, d.subX)) * int64(d.subX*d.subY+2) * int64(d.bits)
	}
	d.rowBytes = int(ceilDiv64(rowBits, 8))
	// Rows of a tile below the picture are not decoded, but columns beside it are.
	total := float64(d.rowBytes) * float64(ceilDiv(min(d.segH, d.height), d.subY)) * float64(n)
	picture := ceilDiv64(int64(d.width)*int64(d.height), 8) * int64(d.samples*d.bits)
	if total > 16*float64(picture)+64<<20 {
		return fmt.Errorf("strips or tiles of %dx%d pixels hold %.0f bytes for a picture of %dx%d", d.segW, d.segH, total, d.width, d.height)
	}
	// LZW, the densest but for fax, makes 4096 bytes of a code of 12 bits; fax a row of a bit.
	dense := picture / 4096
	if d.bits == 1 {
		dense = int64(d.height / 8)
	}
	if dense > int64(len(d.data)) {
		return fmt.Errorf("%d bytes of picture data are too few for %dx%d pixels", len(d.data), d.width, d.height)
	}
	return nil
}

// segment returns the compressed bytes of segment i, as far as they are there.
func (d *decoder) segment(i int) ([]byte, error) {
	total := uint64(len(d.data))
	start := d.offsets.uint(i)
	if start >= total {
		return nil, fmt.Errorf("it begins at byte %d, the file has %d", start, total)
	}
	end := total
	if i < d.lengths.len() && d.lengths.uint(i) > 0 {
		end = start + min(d.lengths.uint(i), total-start)
	}
	if i+1 < d.offsets.len() && d.offsets.uint(i+1) > start { // lengths may be wrong
		end = min(d.offsets.uint(i+1), end)
	}
	if size := uint64(d.rowBytes) * uint64(ceilDiv(d.segH, d.subY)); d.compression == compressionNone {
		end = start + min(size, total-start) // whatever the count says
	}
	return d.data[start:end], nil
}

// memory returns the bytes that decoding allocates.
func (d *decoder) memory() (int64, error) {
	pixels := int64(d.width) * int64(d.height)
	size := int64(d.rowBytes) * int64(ceilDiv(min(d.segH, d.height), d.subY))
	// The picture, a row of samples and one of a plane, the tables of LZW or Deflate.
	total := 3*pixels + int64(d.segW)*int64(d.samples+1) + 1<<17
	var longest, sum int64 // compressed segments, of which there may be copies
	n := d.across * d.down * d.planes
	for i := range n {
		if s, err := d.segment(i); err == nil {
			longest, sum = max(longest, int64(len(s))), sum+int64(len(s))
		}
	}
	switch {
	case d.compression == compressionJPEG:
		s, err := d.segment(0)
		if err != nil {
			return 0, fmt.Errorf("strip or tile 0: %w", err)
		}
		h, err := jpeg.DecodeHeader(d.jpegStream(s))
		if err != nil {
			return 0, fmt.Errorf("strip or tile 0: JPEG: %w", err)
		}
		d.jpegMemory = h.Memory
		total += int64(n)*(h.Memory+int64(len(d.jpegTables))) + sum // each allocates anew
	case d.compression != compressionNone:
		total += int64(d.needed) * size
		if d.reverse {
			total += longest
		}
		if d.isFax() {
			total += 8 * int64(d.segW+4) // the changes of two rows
		}
	case d.reverse:
		total += int64(d.needed) * size
	}
	return total, nil
}

// Decode decodes the first picture of a file. Of a file that ends early or is damaged
// it returns what can be decoded, the rest is grey, and sets Damage; it is an error
// if that is nothing.
func Decode(data []byte) (*Image, error) {
	d := new(decoder)
	if err := d.readHeader(data); err != nil {
		return nil, err
	}
	m := &Image{Header: d.header, Pix: make([]uint8, 3*d.width*d.height)}
	rows := d.newRows()
	buffers := make([][]byte, d.needed)
	read := 0 // rows of segments that were decoded
	var first error
	for ty := range d.down {
		for tx := range d.across {
			y0, x0 := ty*d.segH, tx*d.segW
			want := min(d.segH, d.height-y0)
			got := want
			for plane := range d.needed {
				i := (plane*d.down+ty)*d.across + tx
				n, err := d.decode(&buffers[plane], i, want)
				if err != nil && first == nil {
					first = fmt.Errorf("%s %d of %d: %w", d.segmentName(), i, d.across*d.down*d.planes, err)
				}
				got = min(got, n)
			}
			read += got
			w := min(d.segW, d.width-x0)
			for y := range want {
				dst := m.Pix[3*((y0+y)*d.width+x0):][:3*w]
				if y < got {
					rows.convert(dst, buffers, y)
					continue
				}
				for i := range dst {
					dst[i] = 128
				}
			}
		}
	}
	if read == 0 {
		if first == nil {
			first = errEnds
		}
		return nil, first
	}
	if first != nil {
		m.Damage = first.Error()
		if all := d.height * d.across; read < all {
			m.Damage = fmt.Sprintf("%d %% of the rows are missing: %s", (100*(all-read)+all-1)/all, m.Damage)
		}
	}
	m.CMYK = d.photometric == isCMYK
	m.Alpha = rows.translucent
	m.Extra = d.samples - d.colours
	if d.alpha != 0 {
		m.Extra--
	}
	m.Depth = d.depthNote()
	return m, nil
}

func (d *decoder) segmentName() string {
	if d.tiled {
		return "tile"
	}
	return "strip"
}

// decode decodes segment i, of which it needs rows of pixels, into buf, which it may
// replace. It returns the rows that are whole, and an error if those are fewer or
// something is wrong with them.
func (d *decoder) decode(buf *[]byte, i, rows int) (int, error) {
	src, err := d.segment(i)
	if err != nil {
		return 0, err
	}
	// Few bytes of the data make a byte of the samples, and segments share data only
	// where these are short, as those of white tiles: data that say nothing for long are
	// not read again and again.
	size := d.rowBytes * ceilDiv(rows, d.subY)
	if d.compression != compressionJPEG {
		src = src[:min(len(src), 16*size+1024)]
	}
	d.spent += int64(len(src) + len(d.jpegTables))
	if d.spent > 8*int64(len(d.data))+16<<20 {
		return 0, errors.New("the strips or tiles share data too often")
	}
	if d.compression == compressionJPEG {
		return d.decodeJPEG(buf, src, rows)
	}
	uncompress := compressions[d.compression]
	if d.reverse {
		to := &d.scratch
		if uncompress == nil {
			to = buf
		}
		src = reversed(to, src)
	}
	n := len(src)
	if uncompress != nil {
		n, err = uncompress(d, grow(buf, size), src)
	} else if *buf = src; n < size {
		err = errEnds
	}
	whole := n / d.rowBytes
	switch d.predictor {
	case 2:
		for y := range whole {
			d.difference((*buf)[y*d.rowBytes:][:d.rowBytes], d.perSegment)
		}
	case 3:
		for y := range whole {
			d.floatDifference((*buf)[y*d.rowBytes:][:d.rowBytes], d.perSegment)
		}
	}
	return min(whole*d.subY, rows), err
}

// decodeJPEG decodes a segment of JPEG.
func (d *decoder) decodeJPEG(buf *[]byte, src []byte, rows int) (int, error) {
	stream := d.jpegStream(src)
	h, err := jpeg.DecodeHeader(stream)
	switch {
	case err != nil:
		return 0, fmt.Errorf("JPEG: %w", err)
	case h.Width != d.segW || h.Components != d.perSegment:
		return 0, fmt.Errorf("JPEG has %d pixels a row and %d components, want %d and %d", h.Width, h.Components, d.segW, d.perSegment)
	case h.Memory > d.jpegMemory:
		return 0, fmt.Errorf("JPEG of %dx%d pixels is larger than the first strip or tile", h.Width, h.Height)
	}
	var m *jpeg.Image
	if d.jpegYCC {
		m, err = jpeg.Decode(stream)
	} else {
		m, err = jpeg.DecodeSamples(stream, !d.oldJPEG)
	}
	if err != nil {
		return 0, fmt.Errorf("JPEG: %w", err)
	}
	*buf = m.Pix
	if m.Damage != "" {
		err = fmt.Errorf("JPEG: %s", m.Damage)
	}
	if h.Height < rows && err == nil {
		err = fmt.Errorf("JPEG has %d rows, want %d", h.Height, rows)
	}
	return min(h.Height, rows), err
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }

func ceilDiv64(a, b int64) int64 { return (a + b - 1) / b }
