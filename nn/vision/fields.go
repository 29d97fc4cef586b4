package vision

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
)

// maxConfig bounds a JSON text, in bytes; the config.json of a model with 21,841 named
// classes has 2 MB.
const maxConfig = 16 << 20

// fields are the fields of a JSON object from outside, kept as text until they are asked for
// by name and kind. The first error stays; it names the file and the field. A field that is
// null counts as absent.
type fields struct {
	what string // the file, or the path in it
	text map[string]json.RawMessage
	err  *error
}

// parseFields reads an object. Only the named fields are kept; none named means all, and
// then the object must be small and no name come twice. The text is read once, token by
// token, so that a large one takes no more memory than its largest value.
func parseFields(what string, text []byte, names ...string) (*fields, error) {
	limit := maxConfig
	if len(names) == 0 {
		limit = maxTransform
	}
	f := &fields{what: what, text: map[string]json.RawMessage{}, err: new(error)}
	if len(text) > limit {
		return nil, fmt.Errorf("%s: %d bytes, the limit is %d", what, len(text), limit)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("%s: not a JSON object: %w", what, orEnd(err))
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, orEnd(err))
		}
		name := t.(string) // the decoder gives nothing else here
		if len(names) > 0 && !slices.Contains(names, name) {
			var skip skipped
			err = d.Decode(&skip)
		} else {
			if _, twice := f.text[name]; twice && len(names) == 0 {
				return nil, fmt.Errorf("%s: %q: given twice", what, name)
			}
			var raw json.RawMessage
			err = d.Decode(&raw)
			f.text[name] = raw
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", what, name, orEnd(err))
		}
	}
	if _, err := d.Token(); err != nil {
		return nil, fmt.Errorf("%s: %w", what, orEnd(err))
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("%s: text after the object", what)
	}
	return f, nil
}

// skipped is a value that nobody wants.
type skipped struct{}

func (*skipped) UnmarshalJSON([]byte) error { return nil }

func orEnd(err error) error {
	if err == nil {
		return errors.New("it is another value")
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// has says whether a field is there and not null.
func (f *fields) has(name string) bool {
	raw, ok := f.text[name]
	return ok && string(raw) != "null"
}

// fail keeps the first error.
func (f *fields) fail(name, format string, args ...any) {
	if *f.err == nil {
		*f.err = fmt.Errorf("%s: %q: %w", f.what, name, fmt.Errorf(format, args...))
	}
}

// decode reads a field into v, which wants a kind of value; false where it is absent or not
// of that kind.
func (f *fields) decode(name, wants string, v any) bool {
	if !f.has(name) || *f.err != nil {
		return false
	}
	if err := json.Unmarshal(f.text[name], v); err != nil {
		f.fail(name, "%s: want %s", abridged(f.text[name]), wants)
		return false
	}
	return true
}

// string returns a text field, or otherwise.
func (f *fields) string(name, otherwise string) string {
	if v := ""; f.decode(name, "a string", &v) {
		return v
	}
	return otherwise
}

// flag returns a field that is true or false, or otherwise.
func (f *fields) flag(name string, otherwise bool) bool {
	if v := false; f.decode(name, "true or false", &v) {
		return v
	}
	return otherwise
}

// number returns a field that is a number, or otherwise.
func (f *fields) number(name string, otherwise float64) float64 {
	if v := 0.0; f.decode(name, "a number", &v) {
		return v
	}
	return otherwise
}

// share returns a field that is more than 0 and not above 1, or otherwise; 0 counts as
// absent, as in Python programs.
func (f *fields) share(name string, otherwise float64) float64 {
	v := f.number(name, otherwise)
	if v == 0 {
		v = otherwise
	}
	if !(v > 0 && v <= 1) {
		f.fail(name, "%g: want more than 0 and at most 1", v)
		return otherwise
	}
	return v
}

// numbers returns a field that is a number or a list of some, as float32; nil where it is
// absent.
func (f *fields) numbers(name string) []float32 {
	if !f.has(name) {
		return nil
	}
	var list []float64
	one := 0.0
	switch {
	case json.Unmarshal(f.text[name], &one) == nil:
		list = []float64{one}
	case !f.decode(name, "a number or a list of numbers", &list):
		return nil
	}
	if len(list) < 1 || len(list) > maxChannels {
		f.fail(name, "%d numbers: want 1 to %d", len(list), maxChannels)
		return nil
	}
	var out []float32
	for _, v := range list {
		if math.Abs(v) > math.MaxFloat32 {
			f.fail(name, "%g: too large", v)
			return nil
		}
		out = append(out, float32(v))
	}
	return out
}

// side returns a field that is a whole number of pixels, 0 where it is absent.
func (f *fields) side(name string) int {
	v := f.number(name, 0)
	if f.has(name) && *f.err == nil && !(v >= 1 && v <= MaxResize && v == math.Trunc(v)) {
		f.fail(name, "%g: want a whole number from 1 to %d", v, MaxResize)
		return 0
	}
	return int(v)
}

// sides returns a field that is a list of whole numbers of pixels.
func (f *fields) sides(name string, n int) []int {
	var list []float64
	if !f.decode(name, fmt.Sprintf("a list of %d whole numbers", n), &list) {
		return nil
	}
	if len(list) != n {
		f.fail(name, "%d numbers, want %d", len(list), n)
		return nil
	}
	var out []int
	for _, v := range list {
		if !(v >= 1 && v <= MaxResize && v == math.Trunc(v)) {
			f.fail(name, "%g: want whole numbers from 1 to %d", v, MaxResize)
			return nil
		}
		out = append(out, int(v))
	}
	return out
}

// is says of which kind a field's value is by its first byte: '{', '[', '"' or '0' for a
// number; 0 where it is absent or another.
func (f *fields) is(name string) byte {
	if !f.has(name) {
		return 0
	}
	switch c := f.text[name][0]; {
	case c == '{' || c == '[' || c == '"':
		return c
	case c == '-' || c >= '0' && c <= '9':
		return '0'
	}
	return 0
}

// object returns the named fields of a field that is an object; an empty one where it is
// absent or not one.
func (f *fields) object(name string, names ...string) *fields {
	empty := &fields{what: f.what, err: f.err}
	if !f.has(name) || *f.err != nil {
		return empty
	}
	o, err := parseFields(fmt.Sprintf("%s: %q", f.what, name), f.text[name], names...)
	if err != nil {
		*f.err = err
		return empty
	}
	o.err = f.err
	return o
}

// maxChannels bounds lists of numbers, one a channel.
const maxChannels = 16

// abridged is a JSON text that fits into a message.
func abridged(text []byte) string {
	const most = 40
	if len(text) > most {
		return string(bytes.ToValidUTF8(text[:most], nil)) + "..."
	}
	return string(text)
}
