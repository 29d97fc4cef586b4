package pickle

import (
	"bytes"
	"encoding/binary"
	"strconv"
	"strings"
	"unicode/utf8"
)

// What follows reads the arguments of opcodes.

// bytes reads n bytes, nil after an error.
func (m *Machine) bytes(n uint64) []byte {
	if m.err == nil && n > uint64(len(m.data)-m.pos) {
		if m.pos == len(m.data) && n == 1 {
			m.fail("the pickle ends without STOP")
		} else {
			m.fail("%d bytes wanted, %d are left", n, len(m.data)-m.pos)
		}
	}
	if m.err != nil {
		return nil
	}
	end := m.pos + int(n)
	b := m.data[m.pos:end:end]
	m.pos = end
	return b
}

// bytesOr is bytes, or n zeros after an error.
func (m *Machine) bytesOr(n int) []byte {
	if b := m.bytes(uint64(n)); b != nil {
		return b
	}
	return make([]byte, n)
}

func (m *Machine) byte() byte {
	if b := m.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

// uint reads a little-endian integer of n bytes.
func (m *Machine) uint(n int) uint64 {
	var b [8]byte
	copy(b[:], m.bytes(uint64(n)))
	return binary.LittleEndian.Uint64(b[:])
}

// long reads a little-endian two's complement integer of n bytes.
func (m *Machine) long(n uint64) {
	b := m.bytes(n)
	if len(b) > 8 {
		m.spend(16)
		m.push(Long(b))
		return
	}
	var v int64
	for i, c := range b {
		v |= int64(c) << (8 * i)
	}
	if len(b) > 0 && len(b) < 8 && b[len(b)-1] >= 0x80 {
		v -= 1 << (8 * len(b))
	}
	m.pushInt(v)
}

// decimal pushes an integer of protocol 0; 00 and 01 are the booleans.
func (m *Machine) decimal(s string) {
	switch s {
	case "00":
		m.push(false)
		return
	case "01":
		m.push(true)
		return
	}
	if v, err := strconv.ParseInt(s, 10, 64); err == nil {
		m.pushInt(v)
		return
	}
	digits := strings.TrimPrefix(s, "-")
	if digits == "" || strings.Trim(digits, "0123456789") != "" {
		m.fail("%s is not an integer", quote(s))
	}
	m.spend(16)
	m.push(Long(s))
}

// utf8 checks a string. Python writes the bytes of a file name that is not UTF-8 as lone
// surrogates; they become the replacement character.
func (m *Machine) utf8(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for i := 0; i < len(b); {
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError && n == 1 {
			if len(b)-i < 3 || b[i] != 0xed || b[i+1] < 0xa0 || b[i+1] > 0xbf || b[i+2] < 0x80 || b[i+2] > 0xbf {
				m.fail("a string that is not UTF-8: %s", quote(string(b[:min(len(b), 200)])))
				return ""
			}
			n = 3
		}
		out.WriteRune(r)
		i += n
	}
	return out.String()
}

// line reads up to a newline, as text: half of a name, or a number.
func (m *Machine) line() string {
	const most = 4096 // no name is as long
	if m.err == nil {
		rest := m.data[m.pos:]
		if bytes.IndexByte(rest[:min(len(rest), most)], '\n') < 0 {
			m.fail("a name without an end")
		}
	}
	return m.utf8(m.rawLine())
}

// rawLine reads up to a newline.
func (m *Machine) rawLine() []byte {
	if m.err != nil {
		return nil
	}
	n := bytes.IndexByte(m.data[m.pos:], '\n')
	if n < 0 {
		m.fail("a line without an end")
		return nil
	}
	b := m.data[m.pos : m.pos+n]
	m.pos += n + 1
	return b
}

// quoted reads a line that holds a quoted string of Python 2.
func (m *Machine) quoted() []byte {
	b := m.rawLine()
	if m.err != nil {
		return nil
	}
	if len(b) < 2 || b[0] != b[len(b)-1] || b[0] != '\'' && b[0] != '"' {
		m.fail("a string without quotes: %s", quote(string(b[:min(len(b), 200)])))
		return nil
	}
	return unescape(b[1:len(b)-1], true)
}

// unescape resolves \u and \U (and, of byte strings, \x, \n and the like). What is no
// escape stays as it is.
func unescape(b []byte, byteString bool) []byte {
	if bytes.IndexByte(b, '\\') < 0 && (byteString || utf8.Valid(b)) {
		return b
	}
	out := make([]byte, 0, len(b))
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c != '\\' || i+1 == len(b):
			if byteString {
				out = append(out, c)
			} else {
				out = utf8.AppendRune(out, rune(c)) // raw-unicode-escape is Latin-1
			}
		default:
			i++
			n := map[byte]int{'x': 2, 'u': 4, 'U': 8}[b[i]]
			if n > 0 && (b[i] == 'x') == byteString && i+n < len(b) {
				if v, err := strconv.ParseUint(string(b[i+1:i+1+n]), 16, 32); err == nil {
					if byteString {
						out = append(out, byte(v))
					} else {
						out = utf8.AppendRune(out, rune(v))
					}
					i += n
					continue
				}
			}
			if e := strings.IndexByte("ntr'\"\\", b[i]); byteString && e >= 0 {
				out = append(out, "\n\t\r'\"\\"[e])
			} else {
				out = append(out, '\\', b[i])
			}
		}
	}
	return out
}
