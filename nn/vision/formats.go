package vision

import (
	"fmt"
)

// format is a kind of file. open reads its header, without allocating by what that
// claims, and refuses files that are too short for it.
type format struct {
	name  string
	magic string // '?' stands for any byte
	open  func(data []byte) (*source, error)
}

var formats = []format{
	{"jpeg", "\xff\xd8\xff", openJPEG},
	{"png", "\x89PNG\r\n\x1a\n", openPNG},
	{"gif", "GIF8", openGIF},
	{"webp", "RIFF????WEBP", openWebP},
	{"bmp", "BM", openBMP},
	{"tiff", "II*\x00", openTIFF},
	{"tiff", "MM\x00*", openTIFF},
	{"tiff", "II+\x00", openTIFF},
	{"tiff", "MM\x00+", openTIFF},
	{"pnm", "P1", openPNM},
	{"pnm", "P2", openPNM},
	{"pnm", "P3", openPNM},
	{"pnm", "P4", openPNM},
	{"pnm", "P5", openPNM},
	{"pnm", "P6", openPNM},
	{"pnm", "P7", openPNM},
	{"pnm", "Pf", openPNM},
	{"pnm", "PF", openPNM},
}

// sniff returns the format of a file, or nil.
func sniff(data []byte) *format {
	for i := range formats {
		if matches(data, formats[i].magic) {
			return &formats[i]
		}
	}
	return nil
}

func matches(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

// tooShort is the error of a file that cannot hold the picture it claims.
func (s *source) tooShort(size int) error {
	return fmt.Errorf("%d bytes of picture data are too few for %dx%d pixels", size, s.width, s.height)
}
