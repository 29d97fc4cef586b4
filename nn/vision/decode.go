package vision

import (
	"crypto/sha256"
	"cwox/internal/outside"
	"encoding/hex"
	"errors"
	"fmt"
)

// Options guard and steer decoding. The zero value is the good default. Errors of the limits
// name the command line's flags for them.
type Options struct {
	IgnoreOrientation bool  // leave EXIF rotation alone, as the reference does
	MaxPixels         int64 // 0 means DefaultMaxPixels
	MaxMemory         int64 // bytes that decoding may need beside the file; 0 means DefaultMaxMemory
	MaxBytes          int64 // of the file; 0 means an eighth of MaxMemory
}

// Limits that apply when Options leaves them 0.
const (
	DefaultMaxPixels = 50 << 20  // 50 Mi pixels
	DefaultMaxMemory = 512 << 20 // 512 MiB
)

// ErrLimit is the kind of errors that say that a limit of Options refuses a picture, whatever
// is in it: errors.Is tells.
var ErrLimit = errors.New("over the limit")

type limitError struct{ error }

func (limitError) Is(target error) bool { return target == ErrLimit }

// A side may have so many pixels, or that share of MaxPixels if it is more.
const (
	maxSide   = 1 << 16
	sideShare = 800
)

// DecodeFile reads and decodes an image file. Errors name the file. See Decode.
func DecodeFile(path string, o Options) (*Picture, error) {
	data, err := outside.Read(path, o.FileLimit())
	if errors.Is(err, outside.ErrTooLarge) {
		return nil, fmt.Errorf("vision: %w; the limit is an eighth of --max-memory", err)
	}
	if err != nil {
		return nil, fmt.Errorf("vision: %w", err)
	}
	return Decode(path, data, o)
}

// Decode decodes the first picture of a JPEG, PNG, GIF, WebP, BMP, TIFF or PNM file, told
// apart by content; name only serves error messages. The size of the picture and
// what the decoder will need are compared with the limits of o before anything is
// allocated. Alpha is dropped, 16-bit samples give their high byte, the rotation that
// EXIF or XMP tell is carried out unless o says otherwise, colour profiles are ignored,
// and of a damaged file as much as can be decoded is: the picture's Notes tell. The error
// for a file of another kind names the kind and what converts it.
//
// JPEG, PNG, GIF, BMP, TIFF, PNM and WebP pixels are those of Pillow's convert("RGB"),
// except that Pillow saturates 16-bit grey.
func Decode(name string, data []byte, o Options) (*Picture, error) {
	p, err := decode(data, o)
	if err != nil {
		return nil, fmt.Errorf("vision: %s: %w", name, err)
	}
	return p, nil
}

func decode(data []byte, o Options) (p *Picture, err error) {
	if limit := o.FileLimit(); int64(len(data)) > limit {
		return nil, limitError{fmt.Errorf("%d bytes or more, the limit is %d", len(data), limit)}
	}
	if len(data) == 0 {
		return nil, errors.New("the file is empty")
	}
	format := sniff(data)
	if format == nil {
		if what := identify(data); what != "" {
			return nil, fmt.Errorf("the file is %s", what)
		}
		return nil, fmt.Errorf("not a JPEG, PNG, GIF, WebP, BMP, TIFF or PNM file: it begins with %q", data[:min(len(data), 8)])
	}
	// Decoders of other packages have panicked on hostile files before.
	defer func() {
		if r := recover(); r != nil {
			p, err = nil, fmt.Errorf("%s: the decoder failed: %v", format.name, r)
		}
	}()
	src, err := format.open(data)
	if err == nil {
		err = src.check(o)
	}
	if err == nil {
		p, err = src.decode()
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", format.name, err)
	}
	p.Format = format.name
	sum := sha256.Sum256(data)
	p.SHA256 = hex.EncodeToString(sum[:])
	p.Orientation = src.orientation
	if src.profile != "" {
		p.note(NoteProfile, "colour profile %q was ignored", src.profile)
	}
	if n := src.orientation; n > 1 {
		if o.IgnoreOrientation {
			p.note(NoteOrientationIgnored, "orientation %d (to be %s) was ignored", n, turns[n])
		} else {
			p = p.oriented(n)
			p.note(NoteOrientationApplied, "%s by orientation %d", turns[n], n)
		}
	}
	return p, nil
}

// source is a file whose header was read.
type source struct {
	width, height int
	memory        int64  // bytes that decode will allocate, the picture included
	orientation   int    // 0..8
	profile       string // name of a colour profile that is to be ignored
	decode        func() (*Picture, error)
}

func (s *source) pixels() int64 { return int64(s.width) * int64(s.height) }

// check compares the header with the limits.
func (s *source) check(o Options) error {
	if s.width <= 0 || s.height <= 0 {
		return fmt.Errorf("size %dx%d", s.width, s.height)
	}
	limit := orDefault(o.MaxPixels, DefaultMaxPixels)
	if int64(s.width) > limit || int64(s.height) > limit || s.pixels() > limit {
		return limitError{fmt.Errorf("%dx%d are %d pixels, the limit is %d; --max-pixels %[3]d allows it", s.width, s.height, s.pixels(), limit)}
	}
	// A line of pixels is no picture, but takes as long as one.
	if longer := int64(max(s.width, s.height)); longer > max(maxSide, limit/sideShare) {
		return limitError{fmt.Errorf("%dx%d pixels, the limit of a side is %d; --max-pixels %d allows it", s.width, s.height, max(maxSide, limit/sideShare), sideShare*longer)}
	}
	need := s.memory
	if s.orientation > 1 && !o.IgnoreOrientation {
		need += 3 * s.pixels()
	}
	if limit := orDefault(o.MaxMemory, DefaultMaxMemory); need > limit {
		return limitError{fmt.Errorf("decoding %dx%d pixels takes %d bytes, the limit is %d; --max-memory %[3]d allows it", s.width, s.height, need, limit)}
	}
	return nil
}

// FileLimit is the limit of the file's size, in bytes.
func (o Options) FileLimit() int64 {
	return orDefault(o.MaxBytes, orDefault(o.MaxMemory, DefaultMaxMemory)/8)
}

func orDefault(v, otherwise int64) int64 {
	if v <= 0 {
		return otherwise
	}
	return v
}
