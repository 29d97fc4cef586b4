package vision

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strings"
)

// foreign are kinds of file that are taken for pictures now and then, and how to make a
// picture of them that can be read.
var foreign = []struct {
	name   string
	magic  string // '?' stands for any byte
	at     int
	advice string
}{
	{"JPEG XL", "\xff\x0a", 0, convertJXL},
	{"JPEG XL", "\x00\x00\x00\x0cJXL \r\n\x87\n", 0, convertJXL},
	{"JPEG 2000", "\xff\x4f\xff\x51", 0, convertJ2K},
	{"JPEG 2000", "\x00\x00\x00\x0cjP  \r\n\x87\n", 0, convertJ2K},
	{"JPEG XR", "II\xbc\x01", 0, "JxrDecApp or ImageMagick"},
	{"DICOM", "DICM", 128, "dcm2pnm (DCMTK) or dcmj2pnm"},
	{"Photoshop (PSD)", "8BPS", 0, convert},
	{"GIMP (XCF)", "gimp xcf", 0, convert},
	{"Windows icon (ICO)", "\x00\x00\x01\x00", 0, convert},
	{"Windows cursor (CUR)", "\x00\x00\x02\x00", 0, convert},
	{"macOS icon (ICNS)", "icns", 0, "sips"},
	{"PDF", "%PDF-", 0, "pdftoppm"},
	{"PostScript", "%!PS", 0, "gs or ImageMagick"},
	{"PostScript", "\xc5\xd0\xd3\xc6", 0, "gs or ImageMagick"},
	{"Windows metafile (WMF)", "\xd7\xcd\xc6\x9a", 0, convert},
	{"DjVu", "AT&TFORM", 0, "ddjvu"},
	{"OpenEXR", "v/1\x01", 0, convert},
	{"Radiance (HDR)", "#?R", 0, convert},
	{"DirectDraw surface (DDS)", "DDS ", 0, convert},
	{"QOI", "qoif", 0, convert},
	{"FITS", "SIMPLE  =", 0, convert},
	{"MNG", "\x8aMNG\r\n\x1a\n", 0, convert},
	{"camera RAW (Fujifilm)", "FUJIFILM", 0, convertRAW},
	{"camera RAW (Olympus)", "IIRO", 0, convertRAW},
	{"camera RAW (Olympus)", "IIRS", 0, convertRAW},
	{"camera RAW (Olympus)", "MMOR", 0, convertRAW},
	{"camera RAW (Panasonic)", "IIU\x00", 0, convertRAW},
	{"camera RAW (Minolta)", "\x00MRM", 0, convertRAW},
	{"camera RAW (Sigma)", "FOVb", 0, convertRAW},
	{"camera RAW (Canon)", "II\x1a\x00\x00\x00HEAPCCDR", 0, convertRAW},
	{"video (AVI)", "RIFF????AVI ", 0, convertVideo},
	{"video (Matroska or WebM)", "\x1a\x45\xdf\xa3", 0, convertVideo},
	{"video (MPEG)", "\x00\x00\x01\xba", 0, convertVideo},
	{"video (MPEG)", "\x00\x00\x01\xb3", 0, convertVideo},
	{"video (QuickTime)", "moov", 4, convertVideo},
	{"video (QuickTime)", "mdat", 4, convertVideo},
	{"NumPy", "\x93NUMPY", 0, "numpy.load and PIL.Image.fromarray"},
	{"HDF5", "\x89HDF\r\n\x1a\n", 0, "h5py and PIL.Image.fromarray"},
}

const (
	convert      = "ImageMagick (magick FILE out.png)"
	convertJXL   = "djxl (djxl FILE out.png)"
	convertJ2K   = "opj_decompress or ImageMagick (magick FILE out.png)"
	convertRAW   = "dcraw, darktable-cli or the camera's own program"
	convertVideo = "ffmpeg (ffmpeg -i FILE -frames:v 1 out.png gives a frame)"
)

// brands are those of ISO base media files (ISO/IEC 14496-12, ftyp), the telling ones
// first; with other brands it is a video.
var brands = []struct{ name, brands, advice string }{
	{"AVIF", "avif avis", "avifdec or ImageMagick (magick FILE out.png)"},
	{"camera RAW (Canon CR3)", "crx ", convertRAW},
	{"HEIC (HEIF)", "heic heix heim heis hevc hevx hevm hevs mif1 mif2 msf1 heif", "heif-convert (heif-convert FILE out.png) or sips (sips -s format png FILE --out out.png)"},
}

// other are files that no converter makes a picture of.
var other = []struct{ name, magic, advice string }{
	{"a companion file of macOS (AppleDouble), whose picture is the file without \"._\"", "\x00\x05\x16\x07", ""},
	{"a Git LFS pointer, not the picture itself", "version https://git-lfs", "fetch it with git lfs pull"},
	{"a ZIP archive", "PK\x03\x04", "unpack it first"},
	{"gzip data", "\x1f\x8b", "unpack it first"},
}

// identify says what a file is that is not a picture of the formats that are read, and
// what to do; "" where it doesn't know.
func identify(data []byte) string {
	with := func(name, advice string) string {
		return name + ", which is not supported: convert it first, for example with " + advice
	}
	if len(data) >= 12 && string(data[4:8]) == "ftyp" {
		// Size, "ftyp", the major brand, a version, compatible brands.
		n := min(int64(binary.BigEndian.Uint32(data)), int64(len(data)), 4096)
		found := []string{string(data[8:12])}
		for at := int64(16); at+4 <= n; at += 4 {
			found = append(found, string(data[at:at+4]))
		}
		for _, b := range brands {
			if slices.ContainsFunc(found, func(f string) bool { return strings.Contains(b.brands, f) }) {
				return with(b.name, b.advice)
			}
		}
		return with("video (MP4 or QuickTime)", convertVideo)
	}
	for _, f := range foreign {
		if len(data) >= f.at && matches(data[f.at:], f.magic) {
			return with(f.name, f.advice)
		}
	}
	for _, o := range other {
		if matches(data, o.magic) {
			return strings.TrimSuffix(o.name+": "+o.advice, ": ")
		}
	}
	text := bytes.ToLower(bytes.TrimLeft(data[:min(len(data), 1024)], "\xef\xbb\xbf \t\r\n"))
	switch {
	case !bytes.HasPrefix(text, []byte("<")):
		return ""
	case bytes.Contains(text, []byte("<svg")):
		return with("SVG", "rsvg-convert or ImageMagick (magick FILE out.png)")
	case bytes.HasPrefix(text, []byte("<!doctype html")), bytes.Contains(text, []byte("<html")):
		return "a web page (HTML), perhaps an error message that was saved as a picture: fetch the picture again"
	}
	return ""
}
