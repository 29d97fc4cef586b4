package hlta

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"

	"cwox/internal/outside"
)

// maxTreeBytes bounds a tree file, before and after decompression. The published
// trees have 0.2 MB; tree.json takes about 80 bytes per word and 120 per latent.
const maxTreeBytes = 64 << 20

// ReadTree reads a tree: our tree.json, the authors' nodes.json or a .bif, any of
// them compressed with gzip or not. The content decides which it is, never the name.
func ReadTree(path string) (*Tree, error) {
	data, err := outside.Read(path, maxTreeBytes)
	if err != nil {
		return nil, fmt.Errorf("hlta: %w", err)
	}
	return ParseTree(path, data)
}

// ParseTree is [ReadTree] for a file's content; name is for messages.
//
// A nodes.json does not hold the parameters of the model: Node.P and Word.P[1] are
// NaN, and there are no Links. Words that stand for classes lose the name behind
// them: "c889-violin" is read as "c889". In files whose parameters are complete
// Marginal is computed from them.
//
// Any file is safe to read: what is not a tree, or one with too many variables, a
// word that occurs twice or a probability outside [0,1], is an error that names it.
func ParseTree(name string, data []byte) (*Tree, error) {
	t, err := parseTree(data)
	if err == nil {
		err = t.check()
	}
	if err != nil {
		return nil, fmt.Errorf("hlta: %s: %w", name, err)
	}
	for _, l := range t.Links {
		t.Roots[l.Child].P = l.P
	}
	if t.HasParameters() {
		t.setMarginals()
	}
	return t, nil
}

func parseTree(data []byte) (*Tree, error) {
	if bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, err
		}
		if data, err = readBounded(z); err != nil {
			return nil, err
		}
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	switch start := bytes.TrimSpace(data); {
	case len(start) == 0:
		return nil, errors.New("the file is empty")
	case start[0] == '{':
		return parseTreeJSON(data)
	case start[0] == '[':
		return parseNodes(data)
	case looksLikeBIF(data):
		return parseBIF(data)
	}
	if err := unpackable(data); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("starts with %.20q: neither tree.json nor nodes.json nor .bif", bytes.TrimSpace(data))
}

func readBounded(r io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(r, maxTreeBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxTreeBytes {
		return nil, fmt.Errorf("more than %d bytes", maxTreeBytes)
	}
	return data, nil
}

// packers are programs that compress files, by how their files begin. Those of gzip are read.
var packers = []struct{ begin, name, remedy string }{
	{"BZh", "bzip2", "bunzip2"},
	{"\xfd7zXZ\x00", "xz", "unxz"},
	{"PK\x03\x04", "zip", "unzip"},
	{"\x28\xb5\x2f\xfd", "zstd", "unzstd"},
	{"\x04\x22\x4d\x18", "lz4", "unlz4"},
	{"7z\xbc\xaf\x27\x1c", "7z", "7z x"},
}

// unpackable is an error if a file that begins so is compressed, but not with gzip.
func unpackable(begin []byte) error {
	for _, p := range packers {
		if bytes.HasPrefix(begin, []byte(p.begin)) {
			return fmt.Errorf("compressed with %s: decompress it first (%s), or use gzip, which is read as it is", p.name, p.remedy)
		}
	}
	return nil
}
