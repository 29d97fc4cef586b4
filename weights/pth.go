package weights

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"sync"

	"cwox/weights/pickle"
)

// What torch.save writes, in its two containers. Both hold a pickle that describes the
// tensors as views of numbered storages, and the storages as raw bytes.

// parsePTH reads the container of PyTorch 1.6 and later: a zip archive of entries
// ROOT/data.pkl, ROOT/data/KEY for every storage, and optionally ROOT/byteorder.
func (f *File) parsePTH(a *archive, root string) error {
	top, err := f.readPickle(a, root+"data.pkl")
	if err != nil {
		return err
	}
	if err := a.littleEndian(root); err != nil {
		return err
	}
	return f.takeStateDict(top, a.storages(root+"data/"))
}

// readPickle runs the one pickle of an entry.
func (f *File) readPickle(a *archive, name string) (any, error) {
	data, err := a.contentOf(name)
	if err != nil {
		return nil, err
	}
	m := pickle.NewMachine()
	top, n, err := f.run(m, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", quote(name), err)
	}
	if n != len(data) {
		return nil, fmt.Errorf("%s: %d bytes after its end", quote(name), len(data)-n)
	}
	return top, nil
}

// run runs a pickle and notes the names that it refers to.
func (f *File) run(m *pickle.Machine, data []byte) (value any, n int, err error) {
	value, n, err = m.Run(data)
	f.globals = m.Globals()
	if danger := checkGlobals(f.globals); danger != nil {
		err = danger
	}
	return value, n, err
}

// littleEndian refuses the files of big-endian machines.
func (a *archive) littleEndian(root string) error {
	e, ok := a.entries[root+"byteorder"]
	if !ok {
		return nil
	}
	order, err := a.content(e)
	if err == nil && string(order) != "little" {
		err = fmt.Errorf("byte order %s, only little-endian files are read", quote(string(order)))
	}
	return err
}

// storages finds the bytes of storages in the entries below a folder.
func (a *archive) storages(folder string) func(key string) ([]byte, error) {
	return func(key string) ([]byte, error) {
		e, ok := a.entries[folder+key]
		if !ok {
			return nil, fmt.Errorf("storage %s is not in the archive", quote(key))
		}
		return a.content(e)
	}
}

// legacyMagic is 0x1950a86a20f9469cfc6c as the pickler writes it.
const (
	legacyMagic    = pickle.Long("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19")
	legacyProtocol = 1001
)

// parseLegacy reads the container before it: five pickles (magic number, protocol,
// system, data, list of storage keys), then for each key the number of elements as
// int64 and the elements.
func (f *File) parseLegacy(data []byte) error {
	m := pickle.NewMachine()
	rest := data
	var parts [5]any
	for i, what := range []string{"magic number", "protocol version", "system", "data", "storage keys"} {
		v, n, err := f.run(m, rest)
		if err != nil {
			return fmt.Errorf("%s at byte %d: %w", what, len(data)-len(rest), err)
		}
		parts[i], rest = v, rest[n:]
		switch i {
		case 1:
			if v != any(int64(legacyProtocol)) {
				return fmt.Errorf("protocol %s, want %d", pickle.Describe(v), legacyProtocol)
			}
		case 2:
			if err := checkSystem(v); err != nil {
				return err
			}
		}
	}
	// Found when the first one is needed, so that what is wrong with the pickle is said first.
	storages := sync.OnceValues(func() (map[string][]byte, error) {
		return legacyStorages(m.Persistent(), parts[4], rest)
	})
	return f.takeStateDict(parts[3], func(key string) ([]byte, error) {
		found, err := storages()
		if err != nil {
			return nil, err
		}
		b, ok := found[key]
		if !ok {
			return nil, fmt.Errorf("storage %s is not in the file", quote(key))
		}
		f.read += len(b)
		return b, nil
	})
}

// legacyStorages finds the storages that follow the list of their keys. The sizes of
// their elements are known from the persistent ids alone.
func legacyStorages(ids []*pickle.Persistent, keys any, rest []byte) (map[string][]byte, error) {
	l, ok := keys.(*pickle.List)
	if !ok {
		return nil, fmt.Errorf("storage keys: %s, want a list", pickle.Describe(keys))
	}
	named := make(map[string]storage, len(l.Items))
	for _, p := range ids {
		if !isStorage(p.ID) { // said cheaply: there may be many
			continue
		}
		if s, err := parseStorage(p.ID); err == nil {
			if before, ok := named[s.key]; ok && (before.dtype != s.dtype || before.count != s.count) {
				return nil, before.conflict(s)
			}
			named[s.key] = s
		}
	}
	found := make(map[string][]byte, len(l.Items))
	for _, k := range l.Items {
		key, _ := k.(string)
		s, ok := named[key]
		_, twice := found[key]
		switch {
		case !ok:
			return nil, fmt.Errorf("storage %s is listed, but the data does not name it", pickle.Describe(k))
		case twice:
			return nil, fmt.Errorf("storage %s is listed twice", quote(key))
		case len(rest) < 8:
			return nil, fmt.Errorf("storage %s: the file ends before it", quote(key))
		}
		if n := int64(binary.LittleEndian.Uint64(rest)); n != int64(s.count) {
			return nil, fmt.Errorf("storage %s has %d elements, the data says %d", quote(key), n, s.count)
		}
		rest = rest[8:]
		if s.count > len(rest)/s.dtype.Size() {
			return nil, fmt.Errorf("storage %s: %d elements of %s wanted, the file has %d more bytes",
				quote(key), s.count, s.dtype, len(rest))
		}
		n := s.count * s.dtype.Size()
		found[key], rest = rest[:n:n], rest[n:]
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%d bytes after the last storage", len(rest))
	}
	return found, nil
}

// checkSystem refuses the files of big-endian machines.
func checkSystem(v any) error {
	d, ok := v.(*pickle.Dict)
	if !ok {
		return fmt.Errorf("system: %s, want a dict", pickle.Describe(v))
	}
	if little, ok := d.Get("little_endian"); ok && little != any(true) {
		return errors.New("big-endian, only little-endian files are read")
	}
	return nil
}

// parsePickle reads a plain pickle, as of pickle.dump: a state dict of NumPy arrays.
// Tensors of PyTorch hold a file of torch.save each in such a pickle; they are not read.
func (f *File) parsePickle(data []byte) error {
	m := pickle.NewMachine()
	top, n, err := f.run(m, data)
	if err != nil || n != len(data) {
		for _, name := range f.globals {
			if strings.HasPrefix(name, "joblib.") {
				return errors.New("written by joblib, with arrays between the opcodes: save the arrays with numpy.savez")
			}
		}
	}
	if err != nil {
		return err
	}
	if n != len(data) {
		return fmt.Errorf("%d bytes after its end: save the state_dict with torch.save, or the arrays with numpy.savez", len(data)-n)
	}
	err = f.takeStateDict(top, func(key string) ([]byte, error) {
		return nil, errors.New("a tensor of torch.save in a plain pickle: save the state_dict with torch.save")
	})
	if err != nil {
		return fmt.Errorf("not of torch.save: %w", err)
	}
	return nil
}

// isLegacy tells the container by its first pickle.
func isLegacy(data []byte) bool {
	const magic = "\x8a\x0a" + string(legacyMagic) + "."
	return len(data) > 2+len(magic) && string(data[2:2+len(magic)]) == magic ||
		len(data) > 11+len(magic) && data[2] == 0x95 && string(data[11:11+len(magic)]) == magic // a frame
}
