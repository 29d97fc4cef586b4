package weights

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"
)

// The safetensors container (huggingface/safetensors, "Format"): the length of the
// header as a little-endian uint64, the header, the data. The header is a JSON object
// of name -> {"dtype", "shape", "data_offsets": [begin, end)}, padded with spaces;
// offsets count from the end of the header, and the ranges tile the data: no overlap,
// no hole, nothing left over. "__metadata__" is an object of strings.

const (
	maxHeader   = 100_000_000 // bytes; the limit of the reference library
	metadataKey = "__metadata__"
)

func (f *File) parseSafetensors(file []byte) error {
	if len(file) < 8 {
		return fmt.Errorf("%d bytes are too few for a header", len(file))
	}
	n := binary.LittleEndian.Uint64(file)
	switch {
	case n > maxHeader:
		return fmt.Errorf("header of %d bytes, at most %d are read", n, maxHeader)
	case n > uint64(len(file)-8):
		return fmt.Errorf("header of %d bytes in a file of %d", n, len(file))
	}
	header, data := file[8:8+n], file[8+n:]
	if !utf8.Valid(header) {
		return errors.New("the header is not UTF-8")
	}
	h := &headerScanner{data: header}
	begins := h.header(f)
	if h.err != nil {
		return fmt.Errorf("header byte %d: %w", h.pos, h.err)
	}
	for _, t := range f.tensors {
		f.byName[t.Name] = t
	}
	f.dicts = []Dict{{Tensors: len(f.tensors)}}
	return f.place(data, begins)
}

// place gives every tensor its range, whose begin is in begins and whose length
// follows from type and shape, and checks that the ranges tile the data.
func (f *File) place(data []byte, begins []int) error {
	order := make([]int, len(begins))
	for i := range order {
		order[i] = i
	}
	size := func(i int) int { t := f.tensors[i]; return t.Len() * t.DType.Size() }
	slices.SortStableFunc(order, func(a, b int) int {
		if d := begins[a] - begins[b]; d != 0 {
			return d
		}
		return size(a) - size(b) // empty tensors before the one that begins where they are
	})
	end := 0
	for _, i := range order {
		t := f.tensors[i]
		if begins[i] != end {
			return fmt.Errorf("%s: data begins at %d, the one before ends at %d", quote(t.Name), begins[i], end)
		}
		if size(i) > len(data)-end {
			return fmt.Errorf("%s: data ends at %d, the file's at %d", quote(t.Name), end+size(i), len(data))
		}
		t.data = data[end : end+size(i)]
		end += size(i)
	}
	if end != len(data) {
		return fmt.Errorf("the tensors end at %d, the file's data at %d", end, len(data))
	}
	return nil
}

// headerScanner reads the header in one pass: JSON restricted to what a header can
// hold, so that there is no recursion and nothing is built but the result. The first
// error stays in err and stops it; pos is then where it was seen.
type headerScanner struct {
	data []byte
	pos  int
	err  error
}

// header reads all of it into f and returns where the data of each tensor begins.
func (h *headerScanner) header(f *File) (begins []int) {
	if len(h.data) == 0 || h.data[0] != '{' {
		h.fail("the header does not begin with '{'")
	}
	seen := map[string]bool{}
	h.object(func(name string) {
		if seen[name] {
			h.fail("%s appears twice", quote(name))
		}
		seen[name] = true
		if name == metadataKey {
			f.metadata = h.metadata()
			return
		}
		if len(f.tensors) == maxTensors {
			h.fail("more than %d tensors", maxTensors)
		}
		t, begin := h.tensor(name)
		t.file = f
		f.tensors, begins = append(f.tensors, t), append(begins, begin)
	})
	for h.err == nil && h.pos < len(h.data) {
		if h.data[h.pos] != ' ' {
			h.fail("%q after the end of the JSON object", h.data[h.pos])
		}
		h.pos++
	}
	return begins
}

func (h *headerScanner) metadata() map[string]string {
	m := map[string]string{}
	h.object(func(key string) {
		if _, ok := m[key]; ok {
			h.fail("%s: %s appears twice", metadataKey, quote(key))
		} else if len(m) == maxMetadata {
			h.fail("%s: more than %d entries", metadataKey, maxMetadata)
		}
		m[key] = h.str()
	})
	return m
}

// tensor reads the description of one tensor and holds it to be consistent.
func (h *headerScanner) tensor(name string) (t *Tensor, begin int) {
	t = &Tensor{Name: name, Shape: []int{}}
	var end int
	var seen [3]bool
	once := func(i int, field string) {
		if seen[i] {
			h.fail("%s: %s appears twice", quote(name), field)
		}
		seen[i] = true
	}
	h.object(func(field string) {
		switch field {
		case "dtype":
			once(0, field)
			t.DType = DType(h.str())
			if t.DType.Size() == 0 {
				h.fail("%s: dtype %s is not one this program reads", quote(name), quote(string(t.DType)))
			}
		case "shape":
			once(1, field)
			h.array(func() {
				if len(t.Shape) == maxRank {
					h.fail("%s: more than %d dimensions", quote(name), maxRank)
				}
				t.Shape = append(t.Shape, h.number())
			})
		case "data_offsets":
			once(2, field)
			n := 0
			h.array(func() {
				switch v := h.number(); n {
				case 0:
					begin = v
				case 1:
					end = v
				default:
					h.fail("%s: data_offsets has more than two numbers", quote(name))
				}
				n++
			})
			if n != 2 {
				h.fail("%s: data_offsets has %d numbers, want 2", quote(name), n)
			}
		default:
			h.fail("%s: unknown field %s", quote(name), quote(field))
		}
	})
	for i, field := range []string{"dtype", "shape", "data_offsets"} {
		if !seen[i] {
			h.fail("%s: no %s", quote(name), field)
		}
	}
	n, ok := count(t.Shape, max(t.DType.Size(), 1))
	switch {
	case h.err != nil:
	case !ok:
		h.fail("%s: shape %v is too large", quote(name), t.Shape)
	case end < begin || end-begin != n*t.DType.Size():
		h.fail("%s: data_offsets [%d %d] do not fit shape %v of %s: want %d bytes",
			quote(name), begin, end, t.Shape, t.DType, n*t.DType.Size())
	}
	return t, begin
}

// object reads {"key": value, ...}; member is called after each colon.
func (h *headerScanner) object(member func(key string)) {
	h.list('{', '}', func() {
		key := h.str()
		h.expect(':')
		if h.err == nil {
			member(key)
		}
	})
}

// array reads [item, ...].
func (h *headerScanner) array(item func()) { h.list('[', ']', item) }

func (h *headerScanner) list(open, end byte, item func()) {
	h.expect(open)
	if h.peek() == end {
		h.pos++
		return
	}
	for h.err == nil {
		item()
		if h.peek() != ',' {
			break
		}
		h.pos++
	}
	h.expect(end)
}

// str reads a JSON string.
func (h *headerScanner) str() string {
	h.expect('"')
	start, escaped := h.pos, false
	for h.err == nil {
		if h.pos == len(h.data) {
			h.fail("the header ends inside a string")
			break
		}
		c := h.data[h.pos]
		switch {
		case c < ' ':
			h.fail("control character %#x in a string", c)
		case c == '\\':
			escaped = true
			h.pos += 2
			if h.pos > len(h.data) {
				h.pos = len(h.data)
			}
		case c != '"':
			h.pos++
		case !escaped:
			h.pos++
			return string(h.data[start : h.pos-1])
		default:
			h.pos++
			var s string
			if json.Unmarshal(h.data[start-1:h.pos], &s) != nil {
				h.fail("bad escape in the string %s", quote(string(h.data[start-1:h.pos])))
			}
			return s
		}
	}
	return ""
}

// number reads a non-negative integer.
func (h *headerScanner) number() int {
	h.peek()
	start := h.pos
	for h.pos < len(h.data) && '0' <= h.data[h.pos] && h.data[h.pos] <= '9' {
		h.pos++
	}
	digits := h.data[start:h.pos]
	if len(digits) == 0 {
		h.fail("%s, want a non-negative integer", h.here())
		return 0
	}
	v, err := strconv.ParseUint(string(digits[:min(len(digits), 20)]), 10, strconv.IntSize-1)
	if err != nil || len(digits) > 20 || len(digits) > 1 && digits[0] == '0' {
		h.fail("%s is no integer of this machine", quote(string(digits)))
	}
	return int(v)
}

// expect skips white space and the byte c.
func (h *headerScanner) expect(c byte) {
	if h.peek() != c || h.err != nil {
		h.fail("%s, want %q", h.here(), c)
		return
	}
	h.pos++
}

// peek skips white space and returns the next byte, 0 at the end or after an error.
func (h *headerScanner) peek() byte {
	for h.err == nil && h.pos < len(h.data) {
		switch c := h.data[h.pos]; c {
		case ' ', '\t', '\n', '\r':
			h.pos++
		default:
			return c
		}
	}
	return 0
}

func (h *headerScanner) here() string {
	if h.pos >= len(h.data) {
		return "the header ends"
	}
	r, _ := utf8.DecodeRune(h.data[h.pos:])
	return strconv.QuoteRune(r)
}

func (h *headerScanner) fail(format string, args ...any) {
	if h.err == nil {
		h.err = fmt.Errorf(format, args...)
	}
}
