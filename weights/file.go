package weights

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"cwox/internal/outside"
	"cwox/weights/onnx"
)

// Format is the container a file was recognised as. An archive or gzip around a single
// weight file does not count.
type Format string

// The containers that can be read.
const (
	Safetensors Format = "safetensors"
	PTHZip      Format = "pth-zip"      // torch.save since PyTorch 1.6
	PTHLegacy   Format = "pth-legacy"   // torch.save before
	TorchScript Format = "torchscript"  // torch.jit.save
	TorchExport Format = "torch-export" // torch.export.save: .pt2
	NPZ         Format = "npz"          // numpy.savez
	Pickle      Format = "pickle"       // pickle.dump of NumPy arrays
	ONNX        Format = "onnx"         // a network, not tensors alone: File.Model
	Sharded     Format = "sharded"      // several files with an index.json

	gzipped Format = "gzip" // never that of a File
)

// Bounds on what a file may hold.
const (
	maxTensors  = 1 << 16
	maxMetadata = 1 << 16 // entries
	maxRank     = 16
	mostNested  = 2 // archives around a weight file
)

// File is an open weight file.
type File struct {
	path, name string
	data       []byte
	unmap      func() error
	closed     atomic.Bool
	holders    atomic.Int64 // beside the file itself, until it is closed
	shards     []*File      // of an index, sorted by name
	model      *onnx.Model
	beside     map[string][]byte // external data of a model, by location
	options    Options

	format   Format
	tensors  []*Tensor // in file order
	byName   map[string]*Tensor
	metadata map[string]string
	globals  []string
	about    About
	dicts    []Dict

	inflated, inflateLeft int // bytes that were decompressed, and that may still be
	read                  int // bytes of archive entries and storages looked at

	hashOnce sync.Once
	hash     string
}

// Open maps a weight file and reads its directory of tensors. path may also be a folder
// with one model in it, or the index of sharded weights. The caller closes the File.
func Open(path string) (*File, error) { return OpenOptions(path, Options{}) }

// OpenOptions is Open with a choice of what to read.
func OpenOptions(path string, o Options) (*File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return openFolder(path, o)
	}
	f, err := openFile(path, o)
	if err != nil {
		return nil, err
	}
	if dir, name := filepath.Split(path); slices.Contains(usualFiles, name) {
		if err := f.readConfig(dir); err != nil {
			f.Close()
			return nil, err
		}
	}
	return f, nil
}

// openFile opens a weight file or an index.
func openFile(path string, o Options) (*File, error) {
	if strings.HasSuffix(path, indexSuffix) {
		f, err := openSharded(path)
		if err != nil {
			return nil, err
		}
		if err := f.keepKey(o.Key); err != nil {
			f.Close()
			return nil, fmt.Errorf("weights: %s: %w", f.name, err)
		}
		return f, nil
	}
	data, unmap, err := openData(path)
	if err != nil {
		return nil, fmt.Errorf("weights: %w", err)
	}
	f := newFile(filepath.Base(path), data, o)
	f.path, f.unmap = path, unmap
	if err := f.parseAll(); err != nil {
		f.unmap()
		return nil, err
	}
	return f, nil
}

// Parse reads a weight file that is in memory already. name stands for the file in
// errors. The File uses data as long as it lives; data must not change.
func Parse(name string, data []byte) (*File, error) { return parseOptions(name, data, Options{}) }

func parseOptions(name string, data []byte, o Options) (*File, error) {
	f := newFile(name, data, o)
	if err := f.parseAll(); err != nil {
		return nil, err
	}
	return f, nil
}

func newFile(name string, data []byte, o Options) *File {
	return &File{name: name, data: data, options: o, byName: map[string]*Tensor{}, inflateLeft: inflateBudget(len(data))}
}

func (f *File) parseAll() error {
	if err := f.parse(f.data, 0); err != nil {
		return fmt.Errorf("weights: %s: %w", f.name, err)
	}
	return nil
}

// Bare is a file that holds some tensors and says nothing beside them: what WriteFile would
// write without metadata.
func Bare(name string, tensors []*Tensor) *File {
	f := &File{name: name, format: Safetensors, tensors: tensors, byName: map[string]*Tensor{}}
	for _, t := range tensors {
		f.byName[t.Name] = t
	}
	return f
}

// Close releases the map, as soon as nobody holds it. Views that Float32, Float64 and Bytes
// gave out must not be used afterwards, except by a holder. Closing twice is harmless.
func (f *File) Close() error {
	if f.closed.Swap(true) {
		return nil
	}
	var err error
	for _, s := range f.shards {
		err = errors.Join(err, s.Close())
	}
	return errors.Join(err, f.drop())
}

// Hold keeps the map for views that were given out, also after Close, until release is called.
// A closed file cannot be held.
func (f *File) Hold() (release func()) {
	f.holders.Add(1)
	var shards []func()
	for _, s := range f.shards {
		shards = append(shards, s.Hold())
	}
	return sync.OnceFunc(func() {
		for _, release := range shards {
			release()
		}
		_ = f.drop() // an error of munmap tells nobody anything here
	})
}

// drop is the end of a holder, or of the file itself, whose last unmaps.
func (f *File) drop() error {
	if f.holders.Add(-1) >= 0 || f.unmap == nil {
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
	for _, s := range f.shards {
		s.Release()
	}
	if f.unmap != nil && !f.closed.Load() {
		release(f.data)
		for _, data := range f.beside {
			release(data)
		}
	}
}

// Path is the path given to Open, empty for Parse.
func (f *File) Path() string { return f.path }

// Name is the last element of the path, or the name given to Parse.
func (f *File) Name() string { return f.name }

// Format is the container.
func (f *File) Format() Format { return f.format }

// Names lists the tensors as they are named in the file, in its order: that of the
// header (.safetensors), of the state dict, of state_dict() of a whole module, or of the
// index (sharded).
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

// Globals lists the Python names that a file's pickles refer to, sorted, in the form
// "torch._utils._rebuild_tensor_v2"; empty for .safetensors.
func (f *File) Globals() []string { return slices.Clone(f.globals) }

// SHA256 is the hash of the file's bytes in lower-case hex: of a folder that of its
// weight file, of sharded weights that of the shards one after the other, sorted by name; of
// an ONNX model with external data that of the model, then of those files, sorted by name.
// It is computed once; after Close it is an error unless it was asked for before.
func (f *File) SHA256() (string, error) {
	f.hashOnce.Do(func() {
		switch {
		case f.closed.Load():
		case f.shards != nil:
			f.hash = sumShards(f.shards)
		default:
			h := sha256.New()
			h.Write(f.data)
			for _, data := range f.besideInOrder() {
				h.Write(data)
			}
			f.hash = hex.EncodeToString(h.Sum(nil))
		}
	})
	if f.hash == "" {
		return "", fmt.Errorf("weights: %s: hash of a closed file", f.name)
	}
	return f.hash, nil
}

// Official tells whether the file is an official one of torchvision, byte for byte: it has
// about its size, and its SHA-256. The hash is computed only where the size fits.
func (f *File) Official() (KnownFile, bool) {
	for _, k := range Known() {
		if !k.fitsSize(len(f.data)) {
			continue
		}
		if sum, err := f.SHA256(); err == nil && sum == k.SHA256 {
			return k, true
		}
	}
	return KnownFile{}, false
}

// parse tells the container by its first bytes and reads it. nested counts the archives
// around it.
func (f *File) parse(data []byte, nested int) error {
	format, err := sniff(data)
	if err != nil {
		return err
	}
	f.format = format
	switch format {
	case Safetensors:
		if err := f.parseSafetensors(data); err != nil {
			return fmt.Errorf("safetensors: %w", err)
		}
		f.about.Labels, f.about.LabelsFrom = metadataLabels(f.metadata)
	case PTHLegacy:
		return wrap("pth (legacy)", f.parseLegacy(data))
	case Pickle:
		return wrap("a plain pickle", f.parsePickle(data))
	case ONNX:
		return wrap("onnx", f.parseONNX(data, nested))
	case gzipped:
		return wrap("gzip", f.parseGzip(data, nested))
	default:
		if err := f.parseZip(data, nested); err != nil {
			return err
		}
	}
	switch f.format {
	case Safetensors, NPZ, TorchExport:
		return f.keepKey(f.options.Key)
	}
	return nil
}

// parseGzip decompresses a weight file into memory.
func (f *File) parseGzip(data []byte, nested int) error {
	if nested == mostNested {
		return errors.New("archives in archives: unpack them")
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return err
	}
	var b bytes.Buffer
	// The last four bytes say how much comes out. Believed as far as it costs little.
	if hint := int(binary.LittleEndian.Uint32(data[len(data)-4:])); hint <= min(f.inflateLeft, 4*len(data)) {
		b.Grow(hint + bytes.MinRead)
	}
	n, err := io.Copy(&b, io.LimitReader(z, int64(f.inflateLeft)+1))
	if err != nil {
		return fmt.Errorf("damaged or cut short: %w", err)
	}
	if n > int64(f.inflateLeft) {
		return fmt.Errorf("more than %d bytes after decompression (%d MiB and %d times the file's size)",
			f.inflateLeft, inflateFree>>20, inflateRatio)
	}
	f.inflateLeft -= int(n)
	f.inflated += int(n)
	return f.parse(b.Bytes(), nested+1)
}

// add takes a tensor that was read.
func (f *File) add(t *Tensor) error {
	if len(f.tensors) == maxTensors {
		return fmt.Errorf("more than %d tensors", maxTensors)
	}
	if _, ok := f.byName[t.Name]; ok {
		return fmt.Errorf("%s appears twice", quote(t.Name))
	}
	f.tensors, f.byName[t.Name] = append(f.tensors, t), t
	return nil
}

// keepKey keeps, of a file that has no dicts, the tensors whose names begin with a key.
func (f *File) keepKey(key string) error {
	prefix := keyPrefix(key)
	if prefix == "" {
		return nil
	}
	f.tensors = slices.DeleteFunc(f.tensors, func(t *Tensor) bool {
		drop := !strings.HasPrefix(t.Name, prefix)
		if drop {
			delete(f.byName, t.Name)
		}
		return drop
	})
	if len(f.tensors) == 0 {
		return fmt.Errorf("no state dict at key %s, and no tensor's name begins with %s", quote(key), quote(prefix))
	}
	f.dicts[0].Tensors = len(f.tensors)
	return nil
}

// keyPrefix is the beginning of the names that a key chooses.
func keyPrefix(key string) string {
	if key == "" {
		return ""
	}
	return strings.TrimSuffix(key, ".") + "."
}

// openData maps or reads a regular file.
func openData(path string) (data []byte, unmap func() error, err error) {
	file, err := outside.Open(path)
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

// quote is %q for strings from outside, which may be as long as the file.
func quote(s string) string {
	const most = 120
	if len(s) > most {
		return strconv.Quote(strings.ToValidUTF8(s[:most], "")) + "..."
	}
	return strconv.Quote(s)
}
