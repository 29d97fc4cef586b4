package vision

// Picture is a decoded image: 8-bit RGB, row-major, interleaved.
type Picture struct {
	Width, Height int
	Pix           []uint8 // [Height][Width][3]

	Format      string // "jpeg", "png", "gif", "webp", "bmp", "tiff"
	SHA256      string // of the file's bytes, hex; empty for pictures not read from a file
	Orientation int    // EXIF orientation found in the file, 1..8; 0 when there is none
	Notes       []Note // what a reader of a report should know
}

// Note says that something about a file was repaired, assumed or ignored.
type Note struct {
	Code    string // "orientation-applied", "orientation-ignored", "truncated", "alpha-dropped", ...
	Message string
}

// Options guard and steer decoding. The zero value is the good default.
type Options struct {
	IgnoreOrientation bool  // leave EXIF rotation alone, as the reference does
	MaxPixels         int64 // 0 means DefaultMaxPixels
	MaxBytes          int64 // 0 means DefaultMaxBytes
}

// Limits that apply when Options leaves them 0.
const (
	DefaultMaxPixels = 50 << 20 // 50 Mi pixels
	DefaultMaxBytes  = 64 << 20 // 64 MiB
)
