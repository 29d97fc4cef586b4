package faithfulness

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// npyMagic begins a file of NumPy's format (numpy.lib.format): the magic, two bytes of
// version, the length of the header (16 bits in version 1, 32 in 2 and 3), the header (a
// Python dictionary of descr, fortran_order and shape), the data.
const npyMagic = "\x93NUMPY"

// maxHeader bounds the header; NumPy itself writes 118 bytes for a matrix.
const maxHeader = 1 << 16

// parseNPY reads a matrix of float32 or float64, little-endian, in C order.
func parseNPY(data []byte) (Heatmap, error) {
	header, values, err := splitNPY(data)
	if err != nil {
		return Heatmap{}, err
	}
	s := npyScanner{text: header}
	s.header()
	switch {
	case s.err != nil:
		return Heatmap{}, fmt.Errorf("header byte %d: %w", s.pos, s.err)
	case s.descr != "<f4" && s.descr != "<f8":
		return Heatmap{}, fmt.Errorf("type %q: want little-endian float32 or float64, '<f4' or '<f8'", s.descr)
	case s.fortran:
		return Heatmap{}, errors.New("Fortran order: want C order")
	case len(s.shape) != 2:
		return Heatmap{}, fmt.Errorf("shape %v: want [height width]", s.shape)
	}
	h := Heatmap{Height: s.shape[0], Width: s.shape[1]}
	size := int(s.descr[2] - '0')
	// Neither side nor product can overflow: a side is at most maxSide.
	if want := h.Height * h.Width * size; want != len(values) {
		return Heatmap{}, fmt.Errorf("%d bytes of data, shape %v of %s takes %d", len(values), s.shape, s.descr, want)
	}
	h.Data = make([]float64, h.Height*h.Width)
	for i := range h.Data {
		if size == 4 {
			h.Data[i] = float64(math.Float32frombits(binary.LittleEndian.Uint32(values[4*i:])))
		} else {
			h.Data[i] = math.Float64frombits(binary.LittleEndian.Uint64(values[8*i:]))
		}
	}
	return h, nil
}

// splitNPY separates header and data.
func splitNPY(data []byte) (header string, values []byte, err error) {
	if len(data) < 12 || string(data[:6]) != npyMagic {
		return "", nil, errors.New("too short for a header")
	}
	start, n := 12, uint64(binary.LittleEndian.Uint32(data[8:]))
	switch version := data[6]; version {
	case 1:
		start, n = 10, uint64(binary.LittleEndian.Uint16(data[8:]))
	case 2, 3:
	default:
		return "", nil, fmt.Errorf("format version %d.%d: want 1 to 3", version, data[7])
	}
	if n > maxHeader || n > uint64(len(data)-start) {
		return "", nil, fmt.Errorf("header of %d bytes in a file of %d, at most %d are read", n, len(data), maxHeader)
	}
	return string(data[start:][:n]), data[start+int(n):], nil
}

// npyScanner reads the header's dictionary: as much of Python as NumPy writes.
type npyScanner struct {
	text string
	pos  int
	err  error

	descr   string
	fortran bool
	shape   []int
}

// maxSide bounds a side of a matrix.
const maxSide = 1 << 15

func (s *npyScanner) header() {
	var seen []string
	s.expect('{')
	for s.err == nil && s.peek() != '}' {
		key := s.str()
		s.expect(':')
		if slices.Contains(seen, key) {
			s.fail("%q appears twice", key)
		}
		seen = append(seen, key)
		switch key {
		case "descr":
			s.descr = s.str()
		case "fortran_order":
			s.fortran = s.boolean()
		case "shape":
			s.shape = s.tuple()
		default:
			s.fail("unknown key %q", key)
		}
		if s.peek() != ',' {
			break
		}
		s.pos++
	}
	s.expect('}')
	s.skip()
	if s.pos != len(s.text) {
		s.fail("%q after the dictionary", s.text[s.pos])
	}
	if len(seen) != 3 {
		s.fail("%d of the keys descr, fortran_order, shape", len(seen))
	}
}

// tuple reads (a, b), as (a,) where there is one.
func (s *npyScanner) tuple() []int {
	out := []int{}
	s.expect('(')
	for s.err == nil && s.peek() != ')' {
		start := s.pos
		for s.pos < len(s.text) && '0' <= s.text[s.pos] && s.text[s.pos] <= '9' {
			s.pos++
		}
		n, err := strconv.Atoi(s.text[start:s.pos])
		if err != nil || n > maxSide || len(out) == 4 {
			s.fail("a shape of at most 4 numbers up to %d is read", maxSide)
		}
		out = append(out, n)
		if s.peek() != ',' {
			break
		}
		s.pos++
	}
	s.expect(')')
	return out
}

func (s *npyScanner) boolean() bool {
	s.skip()
	rest := s.text[s.pos:]
	for word, value := range map[string]bool{"True": true, "False": false} {
		if len(rest) >= len(word) && rest[:len(word)] == word {
			s.pos += len(word)
			return value
		}
	}
	s.fail("want True or False")
	return false
}

// str reads a quoted string without escapes.
func (s *npyScanner) str() string {
	quote := s.peek()
	if quote != '\'' && quote != '"' {
		s.fail("want a quoted string")
		return ""
	}
	start := s.pos + 1
	for s.pos = start; s.pos < len(s.text); s.pos++ {
		switch s.text[s.pos] {
		case quote:
			s.pos++
			return s.text[start : s.pos-1]
		case '\\':
			s.fail("escapes in strings are not read")
			return ""
		}
	}
	s.fail("the header ends inside a string")
	return ""
}

func (s *npyScanner) expect(c byte) {
	if got := s.peek(); got != c {
		s.fail("%q, want %q", got, c)
		return
	}
	s.pos++
}

// peek skips space and returns the next byte, 0 at the end or after an error.
func (s *npyScanner) peek() byte {
	s.skip()
	if s.err != nil || s.pos >= len(s.text) {
		return 0
	}
	return s.text[s.pos]
}

func (s *npyScanner) skip() {
	for s.err == nil && s.pos < len(s.text) && (s.text[s.pos] == ' ' || s.text[s.pos] == '\n' || s.text[s.pos] == '\t') {
		s.pos++
	}
}

func (s *npyScanner) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}
