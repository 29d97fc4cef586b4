package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
)

// What torch.save writes, in its two containers. Both hold a pickle that describes the
// tensors as views of numbered storages, and the storages as raw bytes.

// parseZip reads the container of PyTorch 1.6 and later: a zip archive of stored
// entries ROOT/data.pkl, ROOT/data/KEY for every storage, and optionally ROOT/byteorder.
func (f *File) parseZip() error {
	a, err := openArchive(f.data)
	if err != nil {
		return err
	}
	root := ""
	for name := range a.entries {
		if r, ok := strings.CutSuffix(name, "/data.pkl"); ok {
			if root != "" {
				return fmt.Errorf("two pickles, %s and %s", quote(min(root, r)+"/data.pkl"), quote(max(root, r)+"/data.pkl"))
			}
			root = r
		}
	}
	if root == "" {
		return errors.New("no data.pkl: a zip archive, but not one of torch.save")
	}
	if _, ok := a.entries[root+"/constants.pkl"]; ok {
		return errors.New("a TorchScript archive: in PyTorch, save torch.jit.load(...).state_dict() with torch.save")
	}
	if e, ok := a.entries[root+"/byteorder"]; ok {
		order, err := a.content(e)
		if err != nil {
			return err
		}
		if string(order) != "little" {
			return fmt.Errorf("byte order %s, only little-endian files are read", quote(string(order)))
		}
	}
	pickle, err := a.content(a.entries[root+"/data.pkl"])
	if err != nil {
		return err
	}
	m := newMachine(len(f.data))
	top, n, err := m.run(pickle)
	f.globals = slices.Sorted(maps.Keys(m.globals))
	if err != nil {
		return fmt.Errorf("data.pkl: %w", err)
	}
	if n != len(pickle) {
		return fmt.Errorf("data.pkl: %d bytes after its end", len(pickle)-n)
	}
	for _, key := range slices.Sorted(maps.Keys(m.storages)) { // sorted: the first error is always the same
		s := m.storages[key]
		e, ok := a.entries[root+"/data/"+key]
		if !ok {
			return fmt.Errorf("storage %s is not in the archive", quote(key))
		}
		if s.data, err = a.content(e); err != nil {
			return err
		}
		if want := s.count * s.dtype.Size(); len(s.data) != want {
			return fmt.Errorf("storage %s has %d bytes, want %d (%d of %s)", quote(key), len(s.data), want, s.count, s.dtype)
		}
	}
	return f.takeStateDict(top)
}

// archive is a zip file whose entries are looked at only once asked for.
type archive struct {
	data    []byte
	entries map[string]*zip.File
	left    int // bytes of entries still to be asked for; entries of a sound archive do not overlap
}

func openArchive(data []byte) (*archive, error) {
	// The zip reader takes some hundred bytes for each record of the directory, however
	// short; there cannot be more records than signatures.
	const most = 2 * maxTensors
	if n := bytes.Count(data, []byte("PK\x01\x02")); n > most {
		return nil, fmt.Errorf("%d entries, at most %d are read", n, most)
	}
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("damaged or cut short: %w", err)
	}
	a := &archive{data: data, entries: make(map[string]*zip.File, len(r.File)), left: len(data)}
	for _, e := range r.File {
		if _, ok := a.entries[e.Name]; ok {
			return nil, fmt.Errorf("two entries named %s", quote(e.Name))
		}
		a.entries[e.Name] = e
	}
	return a, nil
}

// content is the bytes of a stored entry, where they lie in the file.
func (a *archive) content(e *zip.File) ([]byte, error) {
	const encrypted = 1
	name, size := quote(e.Name), e.UncompressedSize64
	switch {
	case e.Flags&encrypted != 0:
		return nil, fmt.Errorf("%s is encrypted", name)
	case e.Method != zip.Store:
		return nil, fmt.Errorf("%s is compressed (method %d); torch.save stores", name, e.Method)
	case e.CompressedSize64 != size:
		return nil, fmt.Errorf("%s: %d bytes stored as %d", name, size, e.CompressedSize64)
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
	b := a.data[at : at+int64(size)]
	if sum := crc32.ChecksumIEEE(b); sum != e.CRC32 {
		return nil, fmt.Errorf("%s is damaged: its CRC-32 is %08x, want %08x", name, sum, e.CRC32)
	}
	return b, nil
}

// legacyMagic is 0x1950a86a20f9469cfc6c as the pickler writes it.
const (
	legacyMagic    = long("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")
	legacyProtocol = 1001
)

// parseLegacy reads the container before it: five pickles (magic number, protocol,
// system, data, list of storage keys), then for each key the number of elements as
// int64 and the elements.
func (f *File) parseLegacy() error {
	m := newMachine(len(f.data))
	rest := f.data
	var parts [5]any
	for i, what := range []string{"magic number", "protocol version", "system", "data", "storage keys"} {
		v, n, err := m.run(rest)
		f.globals = slices.Sorted(maps.Keys(m.globals))
		if err != nil {
			return fmt.Errorf("%s at byte %d: %w", what, len(f.data)-len(rest), err)
		}
		parts[i], rest = v, rest[n:]
		switch i {
		case 0:
			if v != any(legacyMagic) {
				return errors.New("a pickle, but not of torch.save: it does not begin with its magic number")
			}
		case 1:
			if v != any(int64(legacyProtocol)) {
				return fmt.Errorf("protocol %s, want %d", describe(v), legacyProtocol)
			}
		case 2:
			if err := checkSystem(v); err != nil {
				return err
			}
		}
	}
	keys, ok := parts[4].(*list)
	if !ok {
		return fmt.Errorf("storage keys: %s, want a list", describe(parts[4]))
	}
	for _, k := range keys.items {
		key, ok := k.(string)
		s := m.storages[key]
		switch {
		case !ok || s == nil:
			return fmt.Errorf("storage %s is listed, but the data does not name it", describe(k))
		case s.data != nil:
			return fmt.Errorf("storage %s is listed twice", quote(key))
		case len(rest) < 8:
			return fmt.Errorf("storage %s: the file ends before it", quote(key))
		}
		if n := int64(binary.LittleEndian.Uint64(rest)); n != int64(s.count) {
			return fmt.Errorf("storage %s has %d elements, the data says %d", quote(key), n, s.count)
		}
		rest = rest[8:]
		n := s.count * s.dtype.Size()
		if n > len(rest) {
			return fmt.Errorf("storage %s: %d bytes wanted, the file has %d more", quote(key), n, len(rest))
		}
		s.data, rest = rest[:n:n], rest[n:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d bytes after the last storage", len(rest))
	}
	for _, key := range slices.Sorted(maps.Keys(m.storages)) {
		if m.storages[key].data == nil {
			return fmt.Errorf("storage %s is not in the file", quote(key))
		}
	}
	return f.takeStateDict(parts[3])
}

// checkSystem refuses the files of big-endian machines.
func checkSystem(v any) error {
	d, ok := v.(*dict)
	if !ok {
		return fmt.Errorf("system: %s, want a dict", describe(v))
	}
	if little, ok := d.get("little_endian"); ok && little != any(true) {
		return errors.New("big-endian, only little-endian files are read")
	}
	return nil
}

// takeStateDict makes the tensors of the state dict in what was pickled.
func (f *File) takeStateDict(top any) error {
	d, ok := top.(*dict)
	if !ok {
		return fmt.Errorf("holds %s, want a state dict", describe(top))
	}
	for _, wrapper := range []string{"state_dict", "model_state_dict", "model"} {
		v, _ := d.get(wrapper)
		if inner, ok := v.(*dict); ok && hasTensor(inner) {
			d = inner
			break
		}
	}
	if !hasTensor(d) {
		return fmt.Errorf("no tensor in the state dict; its keys are %s", someKeys(d))
	}
	budget := 4*len(f.data) + 1<<20 // bytes of all tensors: expanded ones may be larger than their storage
	for _, e := range d.entries {
		v, ok := e.value.(*view)
		if !ok {
			continue
		}
		name, ok := e.key.(string)
		if !ok {
			return fmt.Errorf("a tensor is named by %s, want a string", describe(e.key))
		}
		if len(f.tensors) == maxTensors {
			return fmt.Errorf("more than %d tensors", maxTensors)
		}
		s := v.storage
		t := &Tensor{Name: name, DType: s.dtype, Shape: v.shape, stride: v.stride, file: f}
		n := t.Len() * s.dtype.Size()
		if n > budget {
			return fmt.Errorf("%s: shape %v brings the tensors to more than four times the file's %d bytes",
				quote(name), v.shape, len(f.data))
		}
		budget -= n
		t.data = s.data[v.offset*s.dtype.Size():]
		f.tensors = append(f.tensors, t)
	}
	return nil
}

func hasTensor(d *dict) bool {
	return slices.ContainsFunc(d.entries, func(e entry) bool { _, ok := e.value.(*view); return ok })
}

// someKeys lists the first keys of a dict for an error.
func someKeys(d *dict) string {
	var keys []string
	for _, e := range d.entries[:min(len(d.entries), 8)] {
		keys = append(keys, describe(e.key))
	}
	if len(d.entries) > 8 {
		keys = append(keys, "...")
	}
	return "[" + strings.Join(keys, " ") + "]"
}
