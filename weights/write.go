package weights

import (
	"bufio"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"cwox/internal/place"
)

// WriteSafetensors writes tensors and metadata as a .safetensors stream. The bytes
// depend on nothing but the arguments: the data lies in order of element size
// (largest first), then of name, so that every tensor is aligned to its element size;
// the header lists it in this order after the metadata in order of key, and is padded
// with spaces to a multiple of eight bytes. Names must be UTF-8, differ, and not be
// "__metadata__".
func WriteSafetensors(w io.Writer, tensors []*Tensor, metadata map[string]string) error {
	if err := write(w, tensors, metadata); err != nil {
		return fmt.Errorf("weights: write safetensors: %w", err)
	}
	return nil
}

// WriteFile is WriteSafetensors to a file that appears whole or not at all. Errors name it.
func WriteFile(path string, tensors []*Tensor, metadata map[string]string) error {
	if err := place.Write(path, func(w io.Writer) error { return write(w, tensors, metadata) }); err != nil {
		return fmt.Errorf("weights: %w", err)
	}
	return nil
}

func write(w io.Writer, tensors []*Tensor, metadata map[string]string) error {
	sorted := slices.Clone(tensors)
	slices.SortFunc(sorted, func(a, b *Tensor) int {
		return cmp.Or(b.DType.Size()-a.DType.Size(), cmp.Compare(a.Name, b.Name))
	})
	header, err := appendHeader(nil, sorted, metadata)
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 1<<16)
	var length [8]byte
	binary.LittleEndian.PutUint64(length[:], uint64(len(header)))
	out.Write(length[:])
	out.Write(header)
	for _, t := range sorted {
		b, err := t.Bytes()
		if err != nil {
			return err
		}
		out.Write(b)
	}
	return out.Flush()
}

// appendHeader writes the header of tensors in this order, padded.
func appendHeader(b []byte, tensors []*Tensor, metadata map[string]string) ([]byte, error) {
	b = append(b, '{')
	if len(metadata) > 0 {
		b = append(b, `"`+metadataKey+`":{`...)
		for i, key := range slices.Sorted(maps.Keys(metadata)) {
			if !utf8.ValidString(key) || !utf8.ValidString(metadata[key]) {
				return nil, fmt.Errorf("metadata %s: not UTF-8", quote(key))
			}
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, key)
			b = append(b, ':')
			b = appendString(b, metadata[key])
		}
		b = append(b, '}')
	}
	seen := make(map[string]bool, len(tensors))
	begin := 0
	for _, t := range tensors {
		n, ok := count(t.Shape, t.DType.Size())
		end := begin + n*t.DType.Size()
		switch {
		case t.DType.Size() == 0:
			return nil, fmt.Errorf("%s: unknown dtype %q", quote(t.Name), t.DType)
		case !ok || end < begin:
			return nil, fmt.Errorf("%s: shape %v is too large", quote(t.Name), t.Shape)
		case t.Name == metadataKey || !utf8.ValidString(t.Name):
			return nil, fmt.Errorf("%s cannot name a tensor", quote(t.Name))
		case seen[t.Name]:
			return nil, fmt.Errorf("%s appears twice", quote(t.Name))
		}
		seen[t.Name] = true
		if len(b) > 1 {
			b = append(b, ',')
		}
		b = appendString(b, t.Name)
		b = append(b, `:{"dtype":"`+string(t.DType)+`","shape":[`...)
		for i, d := range t.Shape {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendInt(b, int64(d), 10)
		}
		b = fmt.Appendf(b, `],"data_offsets":[%d,%d]}`, begin, end)
		begin = end
	}
	b = append(b, '}')
	for len(b)%8 != 0 {
		b = append(b, ' ')
	}
	if len(b) > maxHeader {
		return nil, fmt.Errorf("header of %d bytes, at most %d can be read", len(b), maxHeader)
	}
	return b, nil
}

func appendString(b []byte, s string) []byte {
	quoted, _ := json.Marshal(s) // a string always can
	return append(b, quoted...)
}
