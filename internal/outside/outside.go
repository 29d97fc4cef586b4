// Package outside is the one way in: whatever a user names on the command line, or a file
// names inside, is opened here. A path from outside may lead to a pipe that nobody writes, to
// a device that never ends, or to a file much larger than what it should hold; what is read
// from it may be a few bytes that ask for gigabytes. So: regular files only, opened without
// waiting; a limit where bytes become memory; and JSON counted before it is decoded.
package outside

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrNotRegular is within the error of a path that leads to no regular file.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge is within the error of a file that is larger than what is read of it.
var ErrTooLarge = errors.New("too large")

// Open opens a regular file for reading, links followed. Anything else is an error that wraps
// ErrNotRegular and says what it is; opening never waits, as a pipe without a writer would.
// Errors are *fs.PathError.
func Open(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = regular(path, info)
	}
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|nonBlock, 0)
	if err != nil {
		return nil, err
	}
	// What stands there may have been replaced in between.
	if info, err = f.Stat(); err == nil {
		err = regular(path, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func regular(path string, info fs.FileInfo) error {
	if info.Mode().IsRegular() {
		return nil
	}
	what := "is something else"
	switch mode := info.Mode(); {
	case mode.IsDir():
		what = "is a directory"
	case mode&fs.ModeNamedPipe != 0:
		what = "is a pipe"
	case mode&fs.ModeSocket != 0:
		what = "is a socket"
	case mode&fs.ModeDevice != 0:
		what = "is a device"
	}
	return &fs.PathError{Op: "open", Path: path, Err: fmt.Errorf("%s, %w", what, ErrNotRegular)}
}

// Read reads a regular file of at most limit bytes, whatever its size is said to be. A larger
// one is an error that wraps ErrTooLarge.
func Read(path string, limit int64) ([]byte, error) {
	f, err := Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if info.Size() > limit {
		return nil, tooLarge(path, info.Size(), limit)
	}
	data := make([]byte, 0, info.Size()+1) // one more, so that the end is met without growing
	for {
		n, err := f.Read(data[len(data):cap(data)])
		data = data[:len(data)+n]
		switch {
		case int64(len(data)) > limit:
			return nil, tooLarge(path, int64(len(data)), limit)
		case err == io.EOF:
			return data, nil
		case err != nil:
			return nil, err
		case len(data) == cap(data):
			data = append(data, 0)[:len(data)]
		}
	}
}

func tooLarge(path string, size, limit int64) error {
	return &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("%w: %d bytes or more, at most %d are read", ErrTooLarge, size, limit)}
}

// JSON decodes data into v, as json.Unmarshal does, if it holds at most that many values: an
// object, an array and whatever is in them count one each, null as much as anything else, since
// each may become an element of v. So the memory of v is bounded by values times the size of
// v's largest element (and twice that while slices grow), not by what a short file can ask for.
func JSON(data []byte, v any, values int) error {
	if n := CountJSON(data, values); n > values {
		return fmt.Errorf("more than %d JSON values", values)
	}
	return json.Unmarshal(data, v)
}

// CountJSON counts the values of a JSON text, nothing decoded and nothing allocated, until they
// are more than enough. Text that is no JSON gets some count.
func CountJSON(data []byte, enough int) int {
	n, quoted, empty := 1, false, false
	for i := 0; i < len(data) && n <= enough; i++ {
		switch c := data[i]; {
		case quoted:
			switch c {
			case '\\':
				i++
			case '"':
				quoted = false
			}
		case c == '"':
			quoted, empty = true, false
		case c == '[' || c == '{':
			n++ // its first value
			empty = true
			continue
		case c == ',':
			n++
		case c == ':':
			n++ // a key and its value count two: a map holds both
		case c == ']' || c == '}':
			if empty {
				n-- // there was none
			}
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			continue
		}
		empty = false
	}
	return n
}
