package weights

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path"
	"strings"
)

// archive is a zip file whose entries are looked at only once asked for.
type archive struct {
	file    *File
	data    []byte
	names   []string // in the order of the directory
	entries map[string]*zip.File
	left    int // bytes of entries still to be asked for; entries of a sound archive do not overlap
}

func (f *File) openArchive(data []byte) (*archive, error) {
	// The zip reader takes some hundred bytes for each record of the directory, however
	// short; there cannot be more records than signatures.
	const most = 2 * maxTensors
	if n := bytes.Count(directory(data), []byte("PK\x01\x02")); n > most {
		return nil, fmt.Errorf("%d entries, at most %d are read", n, most)
	}
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("damaged or cut short: %w", err)
	}
	a := &archive{file: f, data: data, entries: make(map[string]*zip.File, len(r.File)), left: len(data)}
	for _, e := range r.File {
		if _, ok := a.entries[e.Name]; ok {
			return nil, fmt.Errorf("two entries named %s", quote(e.Name))
		}
		a.entries[e.Name] = e
		a.names = append(a.names, e.Name)
	}
	return a, nil
}

// directory is the part of a zip file that its directory can lie in by what its end says,
// so that the rest need not be read. It is all of the file where the end says nothing.
func directory(data []byte) []byte {
	tail := data[max(0, len(data)-1<<16-22):]
	at := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if at < 0 || len(tail)-at < 22 {
		return data
	}
	end := len(data) - len(tail) + at
	size, offset := binary.LittleEndian.Uint32(tail[at+12:]), binary.LittleEndian.Uint32(tail[at+16:])
	begin := min(uint64(offset), uint64(max(0, end-int(size))))
	if size == 1<<32-1 || offset == 1<<32-1 { // zip64: the numbers are in a record before the end
		at := bytes.LastIndex(tail[:at], []byte("PK\x06\x06"))
		if at < 0 || len(tail)-at < 56 {
			return data
		}
		size, offset := binary.LittleEndian.Uint64(tail[at+40:]), binary.LittleEndian.Uint64(tail[at+48:])
		end := uint64(len(data) - len(tail) + at)
		begin = min(offset, end-min(end, size))
	}
	return data[min(begin, uint64(len(data))):]
}

// contentOf is the content of an entry by its name.
func (a *archive) contentOf(name string) ([]byte, error) {
	e, ok := a.entries[name]
	if !ok {
		return nil, fmt.Errorf("%s is not in the archive", quote(name))
	}
	return a.content(e)
}

// content is the bytes of an entry: where they lie in the file, or decompressed. Its
// checksum is held to be right.
func (a *archive) content(e *zip.File) ([]byte, error) {
	const encrypted = 1
	name, size := quote(e.Name), e.CompressedSize64
	switch {
	case e.Flags&encrypted != 0:
		return nil, fmt.Errorf("%s is encrypted", name)
	case e.Method != zip.Store && e.Method != zip.Deflate:
		return nil, fmt.Errorf("%s is compressed by method %d, want 0 (stored) or 8 (deflated): unpack the archive, and pack it with zip -0", name, e.Method)
	case e.Method == zip.Store && e.UncompressedSize64 != size:
		return nil, fmt.Errorf("%s: %d bytes stored as %d", name, e.UncompressedSize64, size)
	case size > uint64(a.left):
		return nil, fmt.Errorf("%s: %d bytes, with the entries before it more than the file's %d", name, size, len(a.data))
	}
	at, err := e.DataOffset()
	if err != nil {
		return nil, fmt.Errorf("%s: no local header: %w", name, err)
	}
	if at < 0 || at > int64(len(a.data)) || size > uint64(int64(len(a.data))-at) {
		return nil, fmt.Errorf("%s: %d bytes at %d in a file of %d", name, size, at, len(a.data))
	}
	a.left -= int(size)
	b := a.data[at : at+int64(size) : at+int64(size)]
	if e.Method == zip.Deflate {
		if b, err = a.file.inflate(b, e.UncompressedSize64); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
	}
	a.file.read += len(b)
	if sum := crc32.ChecksumIEEE(b); sum != e.CRC32 {
		return nil, fmt.Errorf("%s is damaged: its CRC-32 is %08x, want %08x", name, sum, e.CRC32)
	}
	return b, nil
}

// Bounds on what is decompressed of one file: trained weights hardly shrink, so that more
// is an attack or a file of zeros.
const (
	inflateFree  = 32 << 20 // bytes, whatever the size of the file
	inflateRatio = 32       // and as many for every byte of it
	inflateMost  = 4 << 30  // and never more than these
)

func inflateBudget(size int) int {
	return int(min(inflateFree+inflateRatio*int64(size), inflateMost, math.MaxInt/2))
}

// inflate decompresses exactly size bytes.
func (f *File) inflate(b []byte, size uint64) ([]byte, error) {
	const deflateMost = 1032 // a byte of deflate cannot give more
	if size > uint64(f.inflateLeft) {
		return nil, fmt.Errorf("%d bytes after decompression, with those before it more than %d (%d MiB and %d times the file's size)",
			size, inflateBudget(len(f.data)), inflateFree>>20, inflateRatio)
	}
	if size > deflateMost*(uint64(len(b))+1) {
		return nil, fmt.Errorf("%d bytes after decompression of %d", size, len(b))
	}
	f.inflateLeft -= int(size)
	f.inflated += int(size)
	out := make([]byte, size)
	r := flate.NewReader(bytes.NewReader(b))
	if _, err := io.ReadFull(r, out); err != nil {
		return nil, fmt.Errorf("damaged or cut short: %w", err)
	}
	switch n, err := r.Read(make([]byte, 1)); {
	case n != 0:
		return nil, fmt.Errorf("more than the %d bytes it should have after decompression", size)
	case err != io.EOF:
		return nil, fmt.Errorf("damaged or cut short: %w", err)
	}
	return out, nil
}

// parseZip tells by its entries what a zip archive is, and reads it.
func (f *File) parseZip(data []byte, nested int) error {
	a, err := f.openArchive(data)
	if err != nil {
		return fmt.Errorf("zip archive: %w", err)
	}
	var roots, exports, checkpoints []string
	npy := len(a.names) > 0
	for _, name := range a.names {
		if strings.HasSuffix(name, "/") || junk(name) {
			continue
		}
		dir, base := path.Split(name)
		switch {
		case base == "data.pkl":
			roots = append(roots, dir)
		case base == exportWeights, base == exportState:
			exports = append(exports, name)
		case base == "model.weights.h5":
			return errors.New("a Keras archive (.keras): " + toONNX("tf2onnx"))
		case base == "saved_model.pb":
			return errors.New("a TensorFlow SavedModel in a zip archive: " + toONNX("tf2onnx"))
		case base == "coremldata.bin", strings.Contains(name, "com.apple.CoreML/"):
			return errors.New("a Core ML package: " + toONNX("the program that made it"))
		case isWeightFile(base):
			checkpoints = append(checkpoints, name)
		}
		npy = npy && strings.HasSuffix(base, ".npy")
	}
	switch {
	case len(exports) > 0: // before data.pkl: sample inputs are saved beside the weights
		f.format = TorchExport
		return wrap("torch.export (.pt2)", f.parseExport(a, exports[0], nested))
	case len(roots) > 1:
		return fmt.Errorf("zip archive: two pickles, %s and %s", quote(roots[0]+"data.pkl"), quote(roots[1]+"data.pkl"))
	case len(roots) == 1:
		if _, ok := a.entries[roots[0]+"constants.pkl"]; ok {
			f.format = TorchScript
			return wrap("TorchScript", f.parseTorchScript(a, roots[0]))
		}
		f.format = PTHZip
		return wrap("pth (zip)", f.parsePTH(a, roots[0]))
	case npy:
		f.format = NPZ
		return wrap("npz", f.parseNPZ(a))
	case len(checkpoints) == 1:
		if nested == mostNested {
			return errors.New("archives in archives: unpack them")
		}
		b, err := a.contentOf(checkpoints[0])
		if err != nil {
			return fmt.Errorf("zip archive: %w", err)
		}
		return wrap(quote(checkpoints[0]), f.parse(b, nested+1))
	case len(checkpoints) > 1:
		return fmt.Errorf("a zip archive of %d weight files, %s: unpack it and name one", len(checkpoints), someNames(checkpoints))
	case len(a.names) == 0:
		return errors.New("an empty zip archive")
	}
	if _, ok := a.entries[strings.SplitN(a.names[0], "/", 2)[0]+"/model.json"]; ok {
		return errors.New("a TorchScript archive of PyTorch 1.2 or before: load it with torch.jit.load in a later one and save it again")
	}
	return fmt.Errorf("a zip archive without data.pkl or another weight file; it holds %s", someNames(a.names))
}

// junk tells what packers put into archives.
func junk(name string) bool {
	return strings.HasPrefix(name, "__MACOSX/") || strings.HasPrefix(path.Base(name), "._")
}

// wrap says where an error was met.
func wrap(where string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", where, err)
}
