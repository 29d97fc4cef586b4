package weights

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// Format is the container a file was recognised as.
type Format string

// The containers that can be read.
const (
	Safetensors Format = "safetensors"
	PTHZip      Format = "pth-zip"
	PTHLegacy   Format = "pth-legacy"
)

// Bounds on what a file may hold.
const (
	maxTensors = 1 << 16
	maxRank    = 16
)

// File is an open weight file.
type File struct {
	path, name string
	data       []byte
	unmap      func() error
	closed     atomic.Bool

	format   Format
	tensors  []*Tensor // in file order
	byName   map[string]*Tensor
	metadata map[string]string
	globals  []string
	about    About
	dicts    []Dict

	hashOnce sync.Once
	hash     string
}

// Open maps a weight file and reads its directory of tensors. The caller closes it.
func Open(path string) (*File, error) { return OpenOptions(path, Options{}) }

// OpenOptions is Open with a choice of what to read.
func OpenOptions(path string, o Options) (*File, error) {
	name := filepath.Base(path)
	data, unmap, err := openData(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	f, err := Parse(name, data)
	if err != nil {
		unmap()
		return nil, err
	}
	f.path, f.unmap = path, unmap
	return f, nil
}

// Parse reads a weight file that is in memory already. name stands for the file in
// errors. The File uses data as long as it lives; data must not change.
func Parse(name string, data []byte) (*File, error) {
	f := &File{name: name, data: data}
	if err := f.parse(); err != nil {
		return nil, fmt.Errorf("weights: %s: %w", name, err)
	}
	return f, nil
}

// Close releases the map. Views that Float32, Float64 and Bytes gave out must not
// be used afterwards. Closing twice is harmless.
func (f *File) Close() error {
	if f.closed.Swap(true) || f.unmap == nil {
		return nil
	}
	if err := f.unmap(); err != nil {
		return fmt.Errorf("weights: %s: %w", f.name, err)
	}
	return nil
}

// Release lets the file's pages go from memory. Everything stays usable and is read again
// where it is touched. It is for callers that have copied what they need for now.
func (f *File) Release() {
	if f.unmap != nil && !f.closed.Load() {
		release(f.data)
	}
}

// Path is the path given to Open, empty for Parse.
func (f *File) Path() string { return f.path }

// Name is the last element of the path, or the name given to Parse.
func (f *File) Name() string { return f.name }

// Format is the container.
func (f *File) Format() Format { return f.format }

// Names lists the tensors in file order: that of the header (.safetensors) or of
// the state dict (.pth).
func (f *File) Names() []string {
	names := make([]string, len(f.tensors))
	for i, t := range f.tensors {
		names[i] = t.Name
	}
	return names
}

// Tensor finds a tensor by name.
func (f *File) Tensor(name string) (*Tensor, bool) {
	t, ok := f.byName[name]
	return t, ok
}

// Metadata is a copy of the free-form strings of a .safetensors header
// ("__metadata__"); empty for .pth.
func (f *File) Metadata() map[string]string { return maps.Clone(f.metadata) }

// Globals lists the Python names that a .pth file's pickles refer to, sorted, in
// the form "torch._utils._rebuild_tensor_v2"; empty for .safetensors.
func (f *File) Globals() []string { return slices.Clone(f.globals) }

// SHA256 is the hash of the file's bytes in lower-case hex. It is computed once;
// after Close it is an error unless it was asked for before.
func (f *File) SHA256() (string, error) {
	f.hashOnce.Do(func() {
		if !f.closed.Load() {
			sum := sha256.Sum256(f.data)
			f.hash = hex.EncodeToString(sum[:])
		}
	})
	if f.hash == "" {
		return "", fmt.Errorf("weights: %s: hash of a closed file", f.name)
	}
	return f.hash, nil
}

// parse tells the container by its first bytes and reads it.
func (f *File) parse() error {
	switch format, err := sniff(f.data); {
	case err != nil:
		return err
	case format == Safetensors:
		f.format = format
		if err := f.parseSafetensors(); err != nil {
			return fmt.Errorf("safetensors: %w", err)
		}
	case format == PTHZip:
		f.format = format
		if err := f.parseZip(); err != nil {
			return fmt.Errorf("pth (zip): %w", err)
		}
	default:
		f.format = format
		if err := f.parseLegacy(); err != nil {
			return fmt.Errorf("pth (legacy): %w", err)
		}
	}
	stripPrefixes(f.tensors)
	f.byName = make(map[string]*Tensor, len(f.tensors))
	for _, t := range f.tensors {
		f.byName[t.Name] = t
	}
	return nil
}

// sniff tells the container by content. A safetensors file is known by the brace at
// byte 8, which neither a zip nor torch's pickle can have there.
func sniff(data []byte) (Format, error) {
	has := func(s string) bool { return bytes.HasPrefix(data, []byte(s)) }
	brace := len(data) > 8 && data[8] == '{'
	switch {
	case len(data) == 0:
		return "", errors.New("the file is empty")
	case brace:
		return Safetensors, nil
	case has("PK\x03\x04"), has("PK\x05\x06"):
		return PTHZip, nil
	case data[0] == opProto && len(data) > 1 && data[1] >= 2 && data[1] <= 5:
		return PTHLegacy, nil
	case len(data) > 262 && string(data[257:262]) == "ustar":
		return "", errors.New("a tar archive: the .pth container of the first PyTorch versions; " +
			"load it in PyTorch and save its state_dict again")
	case isHTML(data):
		return "", errors.New("an HTML page, not a weight file (a download that failed?)")
	case len(data) >= 8 && binary.LittleEndian.Uint64(data) <= uint64(len(data)-8):
		return Safetensors, nil
	}
	return "", fmt.Errorf("neither .safetensors nor .pth: begins with %q", data[:min(len(data), 16)])
}

func isHTML(data []byte) bool {
	head := strings.ToLower(string(data[:min(len(data), 256)]))
	head = strings.TrimLeft(head, " \t\r\n\ufeff")
	return strings.HasPrefix(head, "<!doctype") || strings.HasPrefix(head, "<html") || strings.HasPrefix(head, "<?xml")
}

// stripPrefixes drops what wrappers put before every name.
func stripPrefixes(tensors []*Tensor) {
	for _, prefix := range []string{"_orig_mod.", "module.", "_orig_mod."} {
		all := len(tensors) > 0
		for _, t := range tensors {
			all = all && len(t.Name) > len(prefix) && strings.HasPrefix(t.Name, prefix)
		}
		if !all {
			continue
		}
		for _, t := range tensors {
			t.Name = t.Name[len(prefix):]
		}
	}
}

// openData maps or reads a regular file.
func openData(path string) (data []byte, unmap func() error, err error) {
	// Before opening: to open a pipe would wait for its writer.
	if info, err := os.Stat(path); err != nil {
		return nil, nil, err
	} else if !info.Mode().IsRegular() {
		return nil, nil, fmt.Errorf("%s: not a regular file (%s)", path, kind(info.Mode()))
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, nil, err
	}
	if info.Size() > math.MaxInt {
		return nil, nil, fmt.Errorf("%s: %d bytes are too many for this machine", path, info.Size())
	}
	if info.Size() == 0 {
		return nil, nil, fmt.Errorf("%s: the file is empty", path)
	}
	data, unmap, err = mapFile(file, int(info.Size()))
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", path, err)
	}
	return data, unmap, nil
}

func kind(m fs.FileMode) string {
	if m.IsDir() {
		return "a directory"
	}
	return m.Type().String()
}

// quote is %q for strings from outside, which may be as long as the file.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "..."
	}
	return strconv.Quote(s)
}
