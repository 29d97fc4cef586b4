package vision

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"slices"

	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	"golang.org/x/image/webp"
)

// Options guard and steer decoding. The zero value is the good default.
type Options struct {
	IgnoreOrientation bool  // leave EXIF rotation alone, as the reference does
	MaxPixels         int64 // 0 means DefaultMaxPixels
	MaxBytes          int64 // 0 means DefaultMaxBytes
	MaxMemory         int64 // bytes a decoder may need beside the file; 0 means DefaultMaxMemory
}

// Limits that apply when Options leaves them 0.
const (
	DefaultMaxPixels = 50 << 20  // 50 Mi pixels
	DefaultMaxBytes  = 64 << 20  // 64 MiB
	DefaultMaxMemory = 512 << 20 // 512 MiB
)

// DecodeFile reads and decodes an image file. Errors name the file. See Decode.
func DecodeFile(path string, o Options) (*Picture, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("vision: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil {
		return nil, fmt.Errorf("vision: %w", err)
	} else if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("vision: %s: not a regular file", path)
	}
	limit := orDefault(o.MaxBytes, DefaultMaxBytes)
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, fmt.Errorf("vision: %w", err)
	}
	return Decode(path, data, o)
}

// Decode decodes a JPEG, PNG, GIF (first frame), WebP, BMP or TIFF file, told apart
// by content; name only serves error messages. Sizes are compared with the limits
// of o before anything is allocated. Alpha is dropped, 16-bit samples give their
// high byte, EXIF rotation is carried out unless o says otherwise, and the
// picture's Notes tell.
func Decode(name string, data []byte, o Options) (*Picture, error) {
	p, err := decode(data, o)
	if err != nil {
		return nil, fmt.Errorf("vision: %s: %w", name, err)
	}
	return p, nil
}

func decode(data []byte, o Options) (p *Picture, err error) {
	if limit := orDefault(o.MaxBytes, DefaultMaxBytes); int64(len(data)) > limit {
		return nil, fmt.Errorf("file is larger than the limit of %d bytes", limit)
	}
	if len(data) == 0 {
		return nil, errors.New("file is empty")
	}
	format := sniff(data)
	if format == nil {
		return nil, fmt.Errorf("not a JPEG, PNG, GIF, WebP, BMP or TIFF file (begins with %q)", data[:min(len(data), 8)])
	}
	// The decoders of other packages have panicked on hostile files before.
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("%s: decoder failed: %v", format.name, r)
		}
	}()
	config, err := format.config(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format.name, err)
	}
	if config.Width <= 0 || config.Height <= 0 {
		return nil, fmt.Errorf("%s: size %dx%d", format.name, config.Width, config.Height)
	}
	pixels := int64(config.Width) * int64(config.Height)
	if limit := orDefault(o.MaxPixels, DefaultMaxPixels); pixels > limit {
		return nil, fmt.Errorf("%s: %dx%d is %d pixels, the limit is %d", format.name, config.Width, config.Height, pixels, limit)
	}
	m, err := format.decode(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format.name, err)
	}
	p = FromImage(m)
	p.Format = format.name
	sum := sha256.Sum256(data)
	p.SHA256 = hex.EncodeToString(sum[:])
	p.Notes = slices.Clip(p.Notes)
	return p, nil
}

// format is a kind of file.
type format struct {
	name   string
	magic  string // '?' stands for any byte
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
}

var formats = []format{
	{"jpeg", "\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode},
	{"png", "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode},
	{"gif", "GIF8", gif.DecodeConfig, gif.Decode},
	{"webp", "RIFF????WEBP", webp.DecodeConfig, webp.Decode},
	{"bmp", "BM", bmp.DecodeConfig, bmp.Decode},
	{"tiff", "II*\x00", tiff.DecodeConfig, tiff.Decode},
	{"tiff", "MM\x00*", tiff.DecodeConfig, tiff.Decode},
}

// sniff returns the format of a file, or nil.
func sniff(data []byte) *format {
	for i, f := range formats {
		if matches(data, f.magic) {
			return &formats[i]
		}
	}
	return nil
}

func matches(data []byte, magic string) bool {
	if len(data) < len(magic) {
		return false
	}
	for i := range magic {
		if magic[i] != '?' && magic[i] != data[i] {
			return false
		}
	}
	return true
}

func orDefault(v, otherwise int64) int64 {
	if v <= 0 {
		return otherwise
	}
	return v
}
