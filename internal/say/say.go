// Package say is how the program speaks to people. Text from outside (names of files, classes
// and tensors, what a server answered, what an error quotes) may hold control characters that
// drive a terminal, line breaks that pretend to be more lines, and marks that turn the order
// of reading round: a Voice shows them escaped. And what could not be written, on a full disk,
// is not forgotten.
package say

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Voice is a stream to people, or to a program that reads what people could. Its methods may be
// called at once from several goroutines.
type Voice struct {
	mu  sync.Mutex
	w   io.Writer
	err error
}

// To is a voice that writes to w, without a buffer.
func To(w io.Writer) *Voice { return &Voice{w: w} }

// Printf writes as fmt.Fprintf does. Arguments are text from outside, and shown as Clean does;
// line breaks belong into the format. An error of errors.Join keeps its lines.
func (v *Voice) Printf(format string, args ...any) {
	io.WriteString(v, Sprintf(format, args...))
}

// Write writes bytes as they are: text of this program, or JSON, which escapes by itself.
func (v *Voice) Write(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	n, err := v.w.Write(p)
	if err != nil && v.err == nil {
		v.err = err
	}
	return n, err
}

// Err is the first error of writing.
func (v *Voice) Err() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.err
}

// Sprintf is fmt.Sprintf with arguments from outside: see Voice.Printf.
func Sprintf(format string, args ...any) string {
	wrapped := make([]any, len(args))
	for i, a := range args {
		switch a.(type) {
		case bool, int, int64, uint64, uint8, float32, float64: // no text, and they may be a width
			wrapped[i] = a
		default:
			wrapped[i] = outside{a}
		}
	}
	return fmt.Sprintf(format, wrapped...)
}

// outside is an argument that is shown escaped.
type outside struct{ value any }

// Format shows the value in the way that the verb and its flags ask for, then cleans that; %q
// has done so already.
func (o outside) Format(f fmt.State, verb rune) {
	if joined, ok := o.value.(interface {
		error
		Unwrap() []error
	}); ok && isJoin(joined.Error(), joined.Unwrap()) {
		for i, err := range joined.Unwrap() {
			if i > 0 {
				io.WriteString(f, "\n")
			}
			io.WriteString(f, Sprintf("%v", err))
		}
		return
	}
	io.WriteString(f, Clean(fmt.Sprintf(fmt.FormatString(f, verb), o.value)))
}

// isJoin tells whether text is what errors.Join makes of the errors; fmt.Errorf with several %w
// wraps as many, but is a text of its own.
func isJoin(text string, errs []error) bool {
	for i, err := range errs {
		var ok bool
		if i > 0 {
			if text, ok = strings.CutPrefix(text, "\n"); !ok {
				return false
			}
		}
		if text, ok = strings.CutPrefix(text, err.Error()); !ok {
			return false
		}
	}
	return text == ""
}

// Clean shows what of a text is no graphic character as Go would write it in a string: control
// characters and line breaks, the marks that change the direction of text, bytes that are no
// UTF-8. The joiners of scripts and emoji stay.
func Clean(s string) string {
	clean := true
	for i := 0; i < len(s) && clean; i++ {
		clean = ' ' <= s[i] && s[i] < 0x7f
	}
	if clean {
		return s
	}
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case unicode.IsGraphic(r), r == 0x200c, r == 0x200d:
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
		s = s[size:]
	}
	return b.String()
}
